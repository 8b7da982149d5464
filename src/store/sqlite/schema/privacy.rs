//! What is kept about people.

/// The table: up to which delivery, by when it ended, addresses are networks; and the way to the next one.
pub(super) const TABLES: &str = "
CREATE TABLE blurred (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    closed INTEGER NOT NULL,
    number INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_by_end ON deliveries (closed, number) WHERE closed IS NOT NULL;
";

statements! {
    GRANTS_OF = "SELECT id FROM grants WHERE customer = ?1 ORDER BY created, id";
    /// In whatever case: the index is read whole, and nothing else.
    GRANTS_OF_ADDRESS = "SELECT id FROM grants INDEXED BY grants_by_customer WHERE customer = ?1 COLLATE NOCASE ORDER BY created, id";
    LETTERS_TO = "SELECT grant_id, order_id FROM outbox WHERE state IN ('waiting', 'sent', 'dead') AND lane = 'mail' \
        AND address = ?1 COLLATE NOCASE";
    FORGET_LETTERS_TO = "DELETE FROM outbox WHERE state IN ('waiting', 'sent', 'dead') AND lane = 'mail' AND address = ?1 COLLATE NOCASE";
    FORGET_CUSTOMER = "UPDATE grants SET customer = ?2, networks_seen = ?3 WHERE id = ?1";
    ENDED_OF_GRANT = "SELECT d.number, d.id FROM deliveries d JOIN grants g ON g.number = d.grant_number \
        WHERE g.id = ?1 AND d.closed IS NOT NULL AND d.number > ?2 ORDER BY d.number LIMIT ?3";
    RUNNING_OF_GRANT = "SELECT count(*) FROM deliveries d JOIN grants g ON g.number = d.grant_number WHERE g.id = ?1 AND d.closed IS NULL";
    ANONYMISE = "UPDATE deliveries SET address = ?2, agent = ?3, cookie = ?4 WHERE number = ?1";
    FORGET_MESSAGES_OF_GRANT = "DELETE FROM outbox WHERE grant_id = ?1";
    FORGET_MESSAGES_OF_ORDER = "DELETE FROM outbox WHERE order_id = ?1";
    BLURRED = "SELECT closed, number FROM blurred WHERE one = 1";
    KEEP_BLURRED = "INSERT INTO blurred (one, closed, number) VALUES (1, ?1, ?2) \
        ON CONFLICT (one) DO UPDATE SET closed = excluded.closed, number = excluded.number";
    ENDED_AFTER = "SELECT closed, number, id FROM deliveries WHERE closed IS NOT NULL AND (closed, number) > (?1, ?2) \
        ORDER BY closed, number LIMIT ?3";
}
