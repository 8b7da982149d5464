//! Messages that are to leave.

/// The table.
pub(super) const TABLES: &str = "
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    lane TEXT NOT NULL,
    kind TEXT NOT NULL,
    grant_id TEXT,
    order_id TEXT,
    body TEXT,
    address TEXT,
    link TEXT,
    language TEXT,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    due INTEGER,
    tries INTEGER NOT NULL,
    tried INTEGER,
    answer TEXT,
    forgotten INTEGER
) STRICT;
CREATE INDEX outbox_due ON outbox (lane, due) WHERE due IS NOT NULL;
CREATE INDEX outbox_by_state ON outbox (state, lane, number);
CREATE INDEX outbox_of_grant ON outbox (grant_id, number) WHERE grant_id IS NOT NULL;
CREATE INDEX outbox_of_order ON outbox (order_id, number) WHERE order_id IS NOT NULL;
CREATE INDEX outbox_forgotten ON outbox (forgotten) WHERE forgotten IS NOT NULL;
";

/// What counts towards [`EVENTS_WAITING_MAX`](crate::store::EVENTS_WAITING_MAX).
pub(super) const WAITING: &str = "
CREATE INDEX outbox_events ON outbox (number) WHERE state = 'waiting' AND lane <> 'mail' AND kind <> 'grant.expiring';
";

macro_rules! message_columns {
    () => {
        "o.number, o.id, o.lane, o.kind, o.grant_id, o.order_id, o.body, o.address, o.link, o.language, o.at, o.state, o.due, o.tries, o.tried, o.answer"
    };
}

statements! {
    ADD_MESSAGE = "INSERT INTO outbox (id, lane, kind, grant_id, order_id, body, address, link, language, at, state, due, tries, tried, answer, forgotten) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) ON CONFLICT (id) DO NOTHING";
    MESSAGE = concat!("SELECT ", message_columns!(), " FROM outbox o WHERE o.id = ?1");
    MESSAGES_DUE = concat!("SELECT ", message_columns!(), " FROM outbox o WHERE o.lane = ?1 AND o.due IS NOT NULL ORDER BY o.due LIMIT ?2");
    TRIED = "UPDATE outbox SET state = ?2, due = ?3, tries = tries + 1, tried = ?4, answer = ?5, forgotten = ?6 WHERE id = ?1";
    FORGET_MESSAGE = "DELETE FROM outbox WHERE id = ?1";
    FORGET_OLD_MESSAGES = "DELETE FROM outbox WHERE number IN (SELECT o.number FROM outbox o \
        WHERE o.forgotten IS NOT NULL AND o.forgotten <= ?1 ORDER BY o.forgotten LIMIT ?2)";
    MESSAGES = concat!("SELECT ", message_columns!(), " FROM outbox o WHERE o.number < ?1 AND (?3 = '' OR o.lane = ?3) ORDER BY o.number DESC LIMIT ?2");
    MESSAGES_IN_STATE = concat!("SELECT ", message_columns!(), " FROM outbox o WHERE o.state = ?4 AND o.number < ?1 AND (?3 = '' OR o.lane = ?3) \
        ORDER BY o.number DESC LIMIT ?2");
    MESSAGES_OF_GRANT = concat!("SELECT ", message_columns!(), " FROM outbox o WHERE o.grant_id = ?5 AND o.number < ?1 AND (?3 = '' OR o.lane = ?3) \
        AND (?4 = '' OR o.state = ?4) ORDER BY o.number DESC LIMIT ?2");
    MESSAGES_OF_ORDER = concat!("SELECT ", message_columns!(), " FROM outbox o WHERE o.order_id = ?5 AND o.number < ?1 AND (?3 = '' OR o.lane = ?3) \
        AND (?4 = '' OR o.state = ?4) ORDER BY o.number DESC LIMIT ?2");
    MESSAGES_FROM = concat!("SELECT ", message_columns!(), " FROM outbox o WHERE o.number > ?1 ORDER BY o.number LIMIT ?2");
    NUMBER_OF_MESSAGE = "SELECT number FROM outbox WHERE id = ?1";
    AGAIN_ONE = "UPDATE outbox SET state = 'waiting', due = ?2, tries = 0, forgotten = NULL WHERE id = ?1 AND state = 'dead'";
    AGAIN_LANE = "UPDATE outbox SET state = 'waiting', due = ?2, tries = 0, forgotten = NULL WHERE lane = ?1 AND state = 'dead'";
    GIVE_UP = "UPDATE outbox SET state = 'dead', due = NULL, tried = ?2, answer = ?3, forgotten = ?4 WHERE lane = ?1 AND due IS NOT NULL";
    EVENTS_WAITING = "SELECT count(*) FROM outbox WHERE state = 'waiting' AND lane <> 'mail' AND kind <> 'grant.expiring'";
    LANES = "SELECT lane, state, count(*) FROM outbox GROUP BY state, lane ORDER BY lane, state";
}
