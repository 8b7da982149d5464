//! Who calls the API, and what was answered.

/// The tables.
pub(in crate::store::sqlite) const TABLES: &str = "
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    scopes TEXT NOT NULL,
    shop TEXT,
    created INTEGER NOT NULL,
    author TEXT NOT NULL,
    used INTEGER,
    revoked INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_by_age ON api_keys (created, id);

CREATE TABLE calls (
    caller TEXT NOT NULL,
    name TEXT NOT NULL,
    print BLOB NOT NULL,
    seed BLOB NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER,
    kid TEXT,
    sealed BLOB,
    PRIMARY KEY (caller, name)
) STRICT;
CREATE INDEX calls_by_age ON calls (at);
";

/// The tenth step: which deeds only began; until when and from where keys open.
pub(in crate::store::sqlite) const LIMITS: &str = "
ALTER TABLE deeds ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN expires INTEGER;
ALTER TABLE api_keys ADD COLUMN networks TEXT NOT NULL DEFAULT '';
";

macro_rules! api_key_columns {
    () => {
        "id, name, digest, scopes, shop, created, author, used, revoked, expires, networks"
    };
}

statements! {
    API_KEYS = concat!("SELECT ", api_key_columns!(), " FROM api_keys INDEXED BY api_keys_by_age ORDER BY created DESC, id DESC");
    API_KEY = concat!("SELECT ", api_key_columns!(), " FROM api_keys WHERE id = ?1");
    ADD_API_KEY = concat!("INSERT INTO api_keys (", api_key_columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
    REVOKE_API_KEY = "UPDATE api_keys SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL";
    USE_API_KEY = "UPDATE api_keys SET used = ?2 WHERE id = ?1";

    CALL = "SELECT print, seed, status, kid, sealed FROM calls WHERE caller = ?1 AND name = ?2";
    CALLS_COUNT = "SELECT count(*) FROM calls";
    FORGET_CALLS = "DELETE FROM calls WHERE rowid IN (SELECT rowid FROM calls WHERE at <= ?1 ORDER BY at LIMIT ?2)";
    ADD_CALL = "INSERT INTO calls (caller, name, print, seed, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    END_CALL = "UPDATE calls SET status = ?3, kid = ?4, sealed = ?5 WHERE caller = ?1 AND name = ?2";
    FORGET_ANSWERS = "DELETE FROM calls INDEXED BY calls_by_age WHERE at >= 0 AND status IS NOT NULL";
    FORGET_OLD_CALL = "DELETE FROM calls WHERE caller = ?1 AND name = ?2 AND at <= ?3";
    FORGET_CALL = "DELETE FROM calls WHERE caller = ?1 AND name = ?2";
}
