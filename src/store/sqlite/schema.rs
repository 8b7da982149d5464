//! The tables, and every statement that is run on them. Kept to what PostgreSQL would say the same way, as far as that
//! goes: numbered parameters, `ON CONFLICT`, no row ids, no types by accident.

/// `PRAGMA application_id` of a store: "Cloa".
pub(super) const APPLICATION_ID: i32 = 0x436c_6f61;

/// What leads from each version of the tables to the next; the first makes them. The version of a file is how many of
/// these were run, `PRAGMA user_version`. What stands here once is never changed: files are made by it.
pub(super) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE grants (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    storage TEXT NOT NULL,
    path TEXT NOT NULL,
    customer TEXT NOT NULL,
    policy TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    standing TEXT NOT NULL,
    networks_seen TEXT NOT NULL
) STRICT;
CREATE INDEX grants_by_customer ON grants (customer, created, id);
CREATE INDEX grants_by_file ON grants (storage, path, created, id);
CREATE INDEX grants_by_age ON grants (created, id);

CREATE TABLE counts (
    grant_number INTEGER PRIMARY KEY REFERENCES grants (number),
    used INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    bytes_closed INTEGER NOT NULL,
    size_largest INTEGER NOT NULL
) STRICT;

CREATE TABLE links (
    id TEXT PRIMARY KEY,
    grant_number INTEGER NOT NULL REFERENCES grants (number),
    made INTEGER NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    revoked INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX links_of_grant ON links (grant_number, made);

CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    grant_number INTEGER NOT NULL REFERENCES grants (number),
    link TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    etag TEXT NOT NULL,
    media_type TEXT NOT NULL,
    state TEXT NOT NULL,
    offered INTEGER NOT NULL,
    offered_again INTEGER,
    opened INTEGER,
    opened_by TEXT,
    active INTEGER NOT NULL,
    completed INTEGER,
    closed INTEGER,
    due INTEGER,
    cookie TEXT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    bytes_charged INTEGER NOT NULL,
    bytes_unplaced INTEGER NOT NULL,
    requests_folded INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_of_grant ON deliveries (grant_number, closed);
CREATE INDEX deliveries_due ON deliveries (due) WHERE due IS NOT NULL;

CREATE TABLE requests (
    delivery_number INTEGER NOT NULL REFERENCES deliveries (number),
    id TEXT NOT NULL,
    admitted INTEGER NOT NULL,
    client TEXT NOT NULL,
    address TEXT NOT NULL,
    bytes_max INTEGER NOT NULL,
    ended INTEGER,
    status INTEGER,
    bytes INTEGER,
    finished INTEGER,
    first INTEGER,
    total INTEGER,
    PRIMARY KEY (delivery_number, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE coverage (
    delivery_number INTEGER NOT NULL REFERENCES deliveries (number),
    client TEXT NOT NULL,
    ranges TEXT NOT NULL,
    PRIMARY KEY (delivery_number, client)
) STRICT, WITHOUT ROWID;

CREATE TABLE history (
    number INTEGER PRIMARY KEY,
    grant_number INTEGER NOT NULL REFERENCES grants (number),
    at INTEGER NOT NULL,
    author TEXT NOT NULL,
    act TEXT NOT NULL
) STRICT;
CREATE INDEX history_of_grant ON history (grant_number, number);

CREATE TABLE tallies (
    hour INTEGER NOT NULL,
    what TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (hour, what)
) STRICT, WITHOUT ROWID;

CREATE TABLE feeds (
    name TEXT PRIMARY KEY,
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
",
    "
ALTER TABLE counts DROP COLUMN reserved;
",
    "
ALTER TABLE deliveries ADD COLUMN away INTEGER NOT NULL DEFAULT 0;

CREATE TABLE placed (
    name TEXT PRIMARY KEY,
    directory TEXT NOT NULL,
    what TEXT NOT NULL,
    delivery TEXT,
    grant_id TEXT NOT NULL,
    storage TEXT NOT NULL,
    path TEXT NOT NULL,
    leaf TEXT NOT NULL,
    placed INTEGER NOT NULL,
    due INTEGER,
    stay TEXT NOT NULL,
    gone INTEGER,
    over INTEGER,
    how TEXT,
    inode INTEGER,
    size INTEGER,
    modified INTEGER,
    etag TEXT,
    media_type TEXT,
    sha256 TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX placed_due ON placed (due, name, stay) WHERE due IS NOT NULL;
CREATE INDEX placed_preparing ON placed (directory, due) WHERE stay = 'preparing';
CREATE INDEX placed_of_grant ON placed (grant_id);
CREATE INDEX placed_of_delivery ON placed (delivery) WHERE delivery IS NOT NULL;
CREATE INDEX placed_gone ON placed (gone) WHERE gone IS NOT NULL;

CREATE TABLE credentials (
    user TEXT PRIMARY KEY,
    directory TEXT NOT NULL,
    grant_id TEXT,
    begins INTEGER NOT NULL,
    ends INTEGER,
    replaced INTEGER,
    kid TEXT NOT NULL,
    hash TEXT NOT NULL,
    author TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX credentials_of_directory ON credentials (directory, ends);
CREATE INDEX credentials_of_grant ON credentials (grant_id) WHERE grant_id IS NOT NULL;

CREATE TABLE places (
    directory TEXT NOT NULL,
    path TEXT NOT NULL,
    device INTEGER,
    inode INTEGER,
    left_at INTEGER,
    PRIMARY KEY (directory, path)
) STRICT, WITHOUT ROWID;
",
    orders::TABLES,
    outbox::TABLES,
    callers::TABLES,
    catalogue::TABLES,
    privacy::TABLES,
    deeds::TABLES,
    callers::LIMITS,
    outbox::WAITING,
    deeds::OUTCOME,
];

/// What follows all steps in a new file: the tables in which SQLite keeps what it learns about the rows. They are there from
/// the beginning, so that the list of tables, which `salvage` puts back where it is lost, stays where it is.
pub(super) const LEARNED: &str = "ANALYZE";

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(in crate::store::sqlite) const $name: &str = $sql;)*

        /// Every statement.
        #[cfg(test)]
        pub(in crate::store::sqlite) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name),)*];
    };
}

pub(super) mod callers;
pub(super) mod catalogue;
pub(super) mod deeds;
pub(super) mod orders;
pub(super) mod outbox;
pub(super) mod privacy;

macro_rules! grant_columns {
    () => {
        "g.number, g.id, g.storage, g.path, g.customer, g.policy, g.created, g.expires, g.standing, c.used, \
         (SELECT count(*) FROM deliveries r WHERE r.grant_number = g.number AND r.closed IS NULL AND r.state = 'open'), \
         c.bytes_closed, c.size_largest, g.networks_seen, \
         (SELECT max(r.size) FROM deliveries r WHERE r.grant_number = g.number AND r.closed IS NULL AND r.state <> 'offered'), \
         g.order_id, g.line, g.sku, g.file_id, g.unit, g.gate"
    };
}

macro_rules! delivery_columns {
    () => {
        "d.number, d.id, g.id, d.link, d.size, d.modified, d.etag, d.media_type, d.state, d.offered, d.offered_again, d.opened, \
         d.opened_by, d.active, d.closed, d.cookie, d.address, d.agent, d.bytes_charged, d.bytes_unplaced, d.requests_folded, \
         d.completed, d.away, d.lies"
    };
}

macro_rules! placed_columns {
    () => {
        "p.name, p.directory, p.what, p.delivery, p.grant_id, p.storage, p.path, p.leaf, p.placed, p.due, p.stay, p.gone, p.over, \
         p.how, p.inode, p.size, p.modified, p.etag, p.media_type, p.sha256"
    };
}

macro_rules! credential_columns {
    () => {
        "user, directory, grant_id, begins, ends, replaced, kid, hash, author"
    };
}

statements! {
    GRANT_BY_ID = concat!("SELECT ", grant_columns!(), " FROM grants g JOIN counts c ON c.grant_number = g.number WHERE g.id = ?1");
    GRANTS = concat!("SELECT ", grant_columns!(), " FROM grants g JOIN counts c ON c.grant_number = g.number WHERE (g.created, g.id) < (?1, ?2) ORDER BY g.created DESC, g.id DESC LIMIT ?3");
    GRANTS_OF_CUSTOMER = concat!("SELECT ", grant_columns!(), " FROM grants g JOIN counts c ON c.grant_number = g.number WHERE g.customer = ?4 AND (g.created, g.id) < (?1, ?2) \
        ORDER BY g.created DESC, g.id DESC LIMIT ?3");
    GRANTS_OF_FILE = concat!("SELECT ", grant_columns!(), " FROM grants g JOIN counts c ON c.grant_number = g.number WHERE g.storage = ?4 AND g.path = ?5 AND (g.created, g.id) < (?1, ?2) \
        ORDER BY g.created DESC, g.id DESC LIMIT ?3");
    GRANTS_OF_CUSTOMER_AND_FILE = concat!("SELECT ", grant_columns!(), " FROM grants g JOIN counts c ON c.grant_number = g.number WHERE g.storage = ?4 AND g.path = ?5 AND g.customer = ?6 \
        AND (g.created, g.id) < (?1, ?2) ORDER BY g.created DESC, g.id DESC LIMIT ?3");
    GRANTS_FROM = concat!("SELECT ", grant_columns!(), " FROM grants g JOIN counts c ON c.grant_number = g.number WHERE g.number > ?1 ORDER BY g.number LIMIT ?2");
    ADD_GRANT = "INSERT INTO grants (id, storage, path, customer, policy, created, expires, standing, networks_seen, \
        order_id, line, sku, file_id, unit, gate) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    ADD_COUNTS = "INSERT INTO counts (grant_number, used, bytes_closed, size_largest) VALUES (?1, ?2, ?3, ?4)";
    /// What ended deliveries left behind. It stands by itself, as it changes with each of them: the rows of thousands of
    /// grants lie on one page. What live ones add is read from their own rows, so that a start, of which there are more,
    /// need not write a page of its own for each grant.
    COUNT_GRANT = "UPDATE counts SET used = ?2, bytes_closed = ?3, size_largest = ?4 WHERE grant_number = ?1";
    AMEND_GRANT = "UPDATE grants SET policy = ?2, expires = ?3, standing = ?4, networks_seen = ?5, gate = ?6 WHERE number = ?1";

    LINK = "SELECT l.id, g.id, l.created, l.expires, l.revoked FROM links l JOIN grants g ON g.number = l.grant_number WHERE l.id = ?1";
    LINKS = "SELECT l.id, g.id, l.created, l.expires, l.revoked FROM grants g JOIN links l ON l.grant_number = g.number WHERE g.id = ?1 \
        ORDER BY l.made DESC";
    LINKS_OF_NUMBER = "SELECT l.id, g.id, l.created, l.expires, l.revoked FROM grants g JOIN links l ON l.grant_number = g.number \
        WHERE g.number = ?1 ORDER BY l.made";
    ADD_LINK = "INSERT INTO links (id, grant_number, made, created, expires, revoked) \
        VALUES (?1, ?2, 1 + (SELECT coalesce(max(made), 0) FROM links WHERE grant_number = ?2), ?3, ?4, ?5)";
    REVOKE_LINK = "UPDATE links SET revoked = 1 WHERE id = ?1 AND revoked = 0";

    DELIVERY_BY_ID = concat!("SELECT ", delivery_columns!(), " FROM deliveries d JOIN grants g ON g.number = d.grant_number WHERE d.id = ?1");
    LIVE_DELIVERIES = concat!("SELECT ", delivery_columns!(), ", d.due FROM deliveries d JOIN grants g ON g.number = d.grant_number \
        WHERE d.grant_number = ?1 AND d.closed IS NULL ORDER BY d.number");
    DELIVERIES = concat!("SELECT ", delivery_columns!(), " FROM deliveries d JOIN grants g ON g.number = d.grant_number \
        ORDER BY d.number DESC LIMIT ?1");
    DELIVERIES_OF_GRANT = concat!("SELECT ", delivery_columns!(), " FROM grants g JOIN deliveries d ON d.grant_number = g.number WHERE g.id = ?1 \
        ORDER BY d.number DESC LIMIT ?2");
    DELIVERIES_BEFORE = concat!("SELECT ", delivery_columns!(), " FROM deliveries d JOIN grants g ON g.number = d.grant_number \
        WHERE d.number < (SELECT number FROM deliveries WHERE id = ?2) ORDER BY d.number DESC LIMIT ?1");
    DELIVERIES_OF_GRANT_BEFORE = concat!("SELECT ", delivery_columns!(), " FROM grants g JOIN deliveries d ON d.grant_number = g.number \
        WHERE g.id = ?2 AND d.number < (SELECT number FROM deliveries WHERE id = ?3) ORDER BY d.number DESC LIMIT ?1");
    DELIVERIES_FROM = concat!("SELECT ", delivery_columns!(), ", d.due FROM grants g JOIN deliveries d ON d.grant_number = g.number \
        WHERE g.number = ?1 AND d.number > ?2 ORDER BY d.number LIMIT ?3");
    GRANT_OF_DELIVERY = "SELECT g.id FROM deliveries d JOIN grants g ON g.number = d.grant_number WHERE d.id = ?1";
    VERSION = "SELECT size, modified, etag, media_type, lies FROM deliveries WHERE id = ?1";
    ADD_DELIVERY = "INSERT INTO deliveries (id, grant_number, link, size, modified, etag, media_type, state, offered, offered_again, opened, \
        opened_by, active, closed, due, cookie, address, agent, bytes_charged, bytes_unplaced, requests_folded, completed, away, lies) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)";
    /// No column of an index: each that is named here is written anew, whether it differs or not.
    CHANGE_DELIVERY = "UPDATE deliveries SET state = ?2, offered_again = ?3, opened = ?4, opened_by = ?5, active = ?6, bytes_charged = ?7, \
        bytes_unplaced = ?8, requests_folded = ?9, completed = ?10, away = ?11 WHERE number = ?1";
    MOVE_DUE = "UPDATE deliveries SET due = ?2 WHERE number = ?1";
    END_DELIVERY = "UPDATE deliveries SET closed = ?2, due = NULL WHERE number = ?1";
    FORGET_DELIVERY = "DELETE FROM deliveries WHERE number = ?1";

    REQUESTS = "SELECT id, admitted, client, address, bytes_max, ended, status, bytes, finished, first, total FROM requests \
        WHERE delivery_number = ?1";
    PUT_REQUEST = "INSERT INTO requests (delivery_number, id, admitted, client, address, bytes_max, ended, status, bytes, finished, first, total) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (delivery_number, id) DO UPDATE SET ended = excluded.ended, \
        status = excluded.status, bytes = excluded.bytes, finished = excluded.finished, first = excluded.first, total = excluded.total";
    FORGET_REQUEST = "DELETE FROM requests WHERE delivery_number = ?1 AND id = ?2";
    FORGET_REQUESTS = "DELETE FROM requests WHERE delivery_number = ?1";

    COVERAGE = "SELECT client, ranges FROM coverage WHERE delivery_number = ?1";
    PUT_COVERAGE = "INSERT INTO coverage (delivery_number, client, ranges) VALUES (?1, ?2, ?3) \
        ON CONFLICT (delivery_number, client) DO UPDATE SET ranges = excluded.ranges";
    FORGET_COVERAGE = "DELETE FROM coverage WHERE delivery_number = ?1 AND client = ?2";
    FORGET_ALL_COVERAGE = "DELETE FROM coverage WHERE delivery_number = ?1";

    DUE = "SELECT g.id FROM deliveries d JOIN grants g ON g.number = d.grant_number WHERE d.due IS NOT NULL AND d.due <= ?1 \
        ORDER BY d.due LIMIT ?2";
    NEXT_DUE = "SELECT g.id, d.id, d.due FROM deliveries d JOIN grants g ON g.number = d.grant_number WHERE d.due IS NOT NULL \
        ORDER BY d.due LIMIT 1";

    PLACED = concat!("SELECT ", placed_columns!(), " FROM placed p WHERE p.name = ?1");
    PLACED_LIVE_OF_DELIVERY = concat!("SELECT ", placed_columns!(), " FROM placed p WHERE p.delivery = ?1 AND p.directory = ?2 AND p.stay = 'live'");
    PLACED_OF_GRANT = concat!("SELECT ", placed_columns!(), " FROM placed p WHERE p.grant_id = ?1 ORDER BY p.placed, p.name");
    PLACED_THERE = concat!("SELECT ", placed_columns!(), " FROM placed p WHERE p.due IS NOT NULL AND (p.due, p.name) > (?1, ?2) \
        ORDER BY p.due, p.name LIMIT ?3");
    PLACED_DUE = concat!("SELECT ", placed_columns!(), " FROM placed p WHERE p.due IS NOT NULL AND p.due <= ?1 AND p.stay <> 'preparing' ORDER BY p.due, p.name LIMIT ?2");
    PLACED_NEXT_DUE = "SELECT due FROM placed WHERE due IS NOT NULL AND stay <> 'preparing' ORDER BY due LIMIT 1";
    COPY_OF_GRANT = concat!("SELECT ", placed_columns!(), " FROM placed p WHERE p.grant_id = ?1 AND p.what = 'copy' AND p.stay IN ('preparing', 'live')");
    COPIES_WAITING = concat!("SELECT ", placed_columns!(), " FROM placed p WHERE p.stay = 'preparing' AND p.directory = ?1 ORDER BY p.due LIMIT ?2");
    PLACED_FROM = concat!("SELECT ", placed_columns!(), " FROM placed p WHERE p.name > ?1 ORDER BY p.name LIMIT ?2");
    PLACED_ENDED = "SELECT p.name, p.due FROM deliveries d JOIN placed p ON p.delivery = d.id WHERE p.name = ?1 AND p.stay = 'live' \
        AND d.closed IS NOT NULL AND p.due > d.closed";
    /// With whether it is the first copy that was made for a grant that keeps its version.
    LONG_GONE = "SELECT p.name, p.gone, p.what = 'copy' AND p.how IS NOT NULL \
        AND EXISTS (SELECT 1 FROM grants g WHERE g.id = p.grant_id AND instr(g.policy, '\"version\":\"purchased\"') > 0) \
        AND NOT EXISTS (SELECT 1 FROM placed f WHERE f.grant_id = p.grant_id AND f.what = 'copy' AND f.how IS NOT NULL \
        AND (f.placed, f.name) < (p.placed, p.name)) \
        FROM placed p WHERE p.gone IS NOT NULL AND p.gone <= ?1 AND (p.gone, p.name) > (?2, ?3) ORDER BY p.gone, p.name LIMIT ?4";
    FORGET_GONE = "DELETE FROM placed WHERE name = ?1";
    /// With those that lie in each, and are not gone.
    PLACES = "SELECT w.directory, w.path, w.device, w.inode, w.left_at, (SELECT count(*) FROM placed p WHERE p.due IS NOT NULL \
        AND p.directory = w.directory AND p.placed <= coalesce(w.left_at, p.placed)) FROM places w ORDER BY w.directory, w.path";
    LYING = "SELECT count(*) FROM placed WHERE due IS NOT NULL AND directory = ?1 AND placed <= coalesce(?2, placed)";
    ALL_PLACES = "SELECT directory, path, device, inode, left_at FROM places ORDER BY directory, path";
    ADD_PLACE = "INSERT INTO places (directory, path, device, inode, left_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    FORGET_PLACES = "DELETE FROM places";
    STAYS = "SELECT stay, count(*) FROM placed GROUP BY stay ORDER BY stay";
    ADD_PLACED = "INSERT INTO placed (name, directory, what, delivery, grant_id, storage, path, leaf, placed, due, stay, gone, over, how, inode, \
        size, modified, etag, media_type, sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";
    MOVE_PLACED = "UPDATE placed SET due = ?2, stay = ?3, gone = ?4, over = ?5, how = ?6, inode = ?7, size = ?8, modified = ?9, etag = ?10, \
        media_type = ?11, sha256 = ?12 WHERE name = ?1";
    HASTEN_OF_GRANT = "UPDATE placed SET due = 0 WHERE grant_id = ?1 AND stay IN ('preparing', 'live')";
    HASTEN_COPIES = "UPDATE placed SET due = 0 WHERE grant_id = ?1 AND what = 'copy' AND stay = 'live'";
    HASTEN_OF_DELIVERY = "UPDATE placed SET due = 0 WHERE delivery = ?1 AND stay = 'live'";

    /// In two parts: with `OR` all that ever were would be read.
    CREDENTIALS_OF_DIRECTORY = concat!("SELECT ", credential_columns!(), " FROM credentials WHERE directory = ?1 AND ends IS NULL \
        UNION ALL SELECT ", credential_columns!(), " FROM credentials WHERE directory = ?1 AND ends > ?2 ORDER BY begins, user");
    CREDENTIALS_OF_GRANT = concat!("SELECT ", credential_columns!(), " FROM credentials WHERE grant_id = ?1 AND (ends IS NULL OR ends > ?2) \
        ORDER BY begins, user");
    CREDENTIALS_FROM = concat!("SELECT ", credential_columns!(), " FROM credentials WHERE user > ?1 ORDER BY user LIMIT ?2");
    CREDENTIAL = concat!("SELECT ", credential_columns!(), " FROM credentials WHERE user = ?1");
    ADD_CREDENTIAL = concat!("INSERT INTO credentials (", credential_columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
        ON CONFLICT (user) DO NOTHING");
    CHANGE_CREDENTIAL = "UPDATE credentials SET ends = ?2, replaced = ?3 WHERE user = ?1";

    HISTORY = "SELECT h.at, h.author, h.act FROM grants g JOIN history h ON h.grant_number = g.number WHERE g.id = ?1 ORDER BY h.number";
    HISTORY_OF_NUMBER = "SELECT at, author, act FROM history WHERE grant_number = ?1 ORDER BY number";
    WRITE_DOWN = "INSERT INTO history (grant_number, at, author, act) VALUES (?1, ?2, ?3, ?4)";

    /// Counts as far as 63 bits do, and stays there: a sum beyond them would be refused, and every batch with it.
    COUNT = "INSERT INTO tallies (hour, what, count) VALUES (?1, ?2, ?3) ON CONFLICT (hour, what) DO UPDATE \
        SET count = CASE WHEN tallies.count > 9223372036854775807 - excluded.count THEN 9223372036854775807 ELSE tallies.count + excluded.count END";
    TALLIES = "SELECT hour, what, count FROM tallies WHERE hour >= ?1 AND hour < ?2 ORDER BY hour, what";

    ALL_TALLIES = "SELECT hour, what, count FROM tallies ORDER BY hour, what";
    FEEDS = "SELECT device, inode, position, name FROM feeds ORDER BY name";
    WITHOUT_COUNTS = "SELECT count(*) FROM grants g WHERE NOT EXISTS (SELECT 1 FROM counts c WHERE c.grant_number = g.number)";
    IS_GRANT = "SELECT EXISTS (SELECT 1 FROM grants WHERE id = ?1)";
    IS_USED = "SELECT EXISTS (SELECT 1 FROM grants) OR EXISTS (SELECT 1 FROM tallies) OR EXISTS (SELECT 1 FROM credentials) OR EXISTS (SELECT 1 FROM outbox) \
        OR EXISTS (SELECT 1 FROM deeds) OR EXISTS (SELECT 1 FROM orders) OR EXISTS (SELECT 1 FROM files) OR EXISTS (SELECT 1 FROM products) OR EXISTS (SELECT 1 FROM api_keys)";
    STATES = "SELECT state, count(*) FROM deliveries GROUP BY state ORDER BY state";
    TOTALS = "SELECT (SELECT count(*) FROM grants), (SELECT count(*) FROM links), (SELECT count(*) FROM deliveries), (SELECT count(*) FROM credentials), \
        (SELECT min(created) FROM grants), (SELECT max(created) FROM grants), \
        (SELECT count(*) FROM orders), (SELECT count(*) FROM files), (SELECT count(*) FROM products)";

    POSITION = "SELECT device, inode, position FROM feeds WHERE name = ?1";
    PUT_POSITION = "INSERT INTO feeds (name, device, inode, position) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT (name) DO UPDATE SET device = excluded.device, inode = excluded.inode, position = excluded.position";
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn every_statement_is_understood_and_none_reads_a_whole_table_to_find_one_row() {
        let database = Connection::open_in_memory().expect("a database");
        for step in MIGRATIONS {
            database.execute_batch(step).expect("a migration");
        }
        // These read tables in order, a page at a time, from a place that they are given.
        let in_order = [
            "DELIVERIES",
            "ALL_TALLIES",
            "DEEDS_BEYOND",
            "FEEDS",
            "PLACES",
            "ALL_PLACES",
            "FORGET_PLACES",
            "STATES",
            "STAYS",
            "TOTALS",
            "IS_USED",
            "WITHOUT_COUNTS",
            "LANES",
        ];
        let mut seen = 0;
        let topics = [orders::ALL, outbox::ALL, callers::ALL, catalogue::ALL, privacy::ALL, deeds::ALL];
        for (name, sql) in ALL.iter().chain(topics.into_iter().flatten()) {
            database.prepare(sql).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            let mut plan = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a plan");
            let nothing: Vec<Option<i64>> = vec![None; plan.parameter_count()];
            let steps = plan.query_map(rusqlite::params_from_iter(nothing), |row| row.get::<_, String>(3)).expect("a plan");
            for step in steps.map(|step| step.expect("a step")) {
                // A virtual one has the parts of one record.
                let is_small = ["CONSTANT ROW", "USING", "VIRTUAL TABLE"].iter().any(|small| step.contains(small));
                let scans = step.starts_with("SCAN") && !is_small;
                assert!(!scans || in_order.contains(name), "{name}: {step}");
                seen += 1;
            }
        }
        assert!(seen > 40, "{seen}");
    }

    #[test]
    fn who_may_enter_a_directory_now_is_found_without_those_who_might_before() {
        let database = Connection::open_in_memory().expect("a database");
        for step in MIGRATIONS {
            database.execute_batch(step).expect("a migration");
        }
        let mut plan = database.prepare(&format!("EXPLAIN QUERY PLAN {CREDENTIALS_OF_DIRECTORY}")).expect("a plan");
        let steps = plan.query_map(["goods", "0"], |row| row.get::<_, String>(3)).expect("a plan");
        let mut searches: Vec<String> = steps.map(|step| step.expect("a step")).filter(|step| step.contains("credentials")).collect();
        searches.sort();
        let by = |ends: &str| format!("SEARCH credentials USING INDEX credentials_of_directory (directory=? AND ends{ends}?)");
        assert_eq!(searches, [by("="), by(">")]);
    }
}
