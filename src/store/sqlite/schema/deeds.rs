//! What people and programs did.

/// The table.
pub(in crate::store::sqlite) const TABLES: &str = "
CREATE TABLE deeds (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    author TEXT NOT NULL,
    address TEXT,
    call TEXT NOT NULL,
    subject TEXT NOT NULL
) STRICT;
CREATE INDEX deeds_by_age ON deeds (at);
CREATE INDEX deeds_about ON deeds (subject, number);
";

/// What came of them.
pub(in crate::store::sqlite) const OUTCOME: &str = "
ALTER TABLE deeds ADD COLUMN outcome TEXT NOT NULL DEFAULT '';
";

statements! {
    ADD_DEED = "INSERT INTO deeds (at, author, address, call, subject, begun, outcome) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    END_DEED = "UPDATE deeds SET begun = 0, subject = ?2, outcome = ?3 WHERE number = ?1";
    FORGET_DEED = "DELETE FROM deeds WHERE number = ?1";
    DEEDS = "SELECT number, at, author, address, call, subject, begun, outcome FROM deeds WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
    DEEDS_ABOUT = "SELECT number, at, author, address, call, subject, begun, outcome FROM deeds WHERE subject = ?3 AND number < ?1 ORDER BY number DESC LIMIT ?2";
    DEEDS_FROM = "SELECT number, at, author, address, call, subject, begun, outcome FROM deeds WHERE number > ?1 ORDER BY number LIMIT ?2";
    DEED = "SELECT number, at, author, address, call, subject, begun, outcome FROM deeds WHERE number = ?1";
    OLD_DEEDS = "DELETE FROM deeds WHERE number IN (SELECT number FROM deeds WHERE at <= ?1 ORDER BY at LIMIT 10)";
    DEEDS_BEYOND = "DELETE FROM deeds WHERE number <= (SELECT number FROM deeds ORDER BY number DESC LIMIT 1 OFFSET ?1)";
}
