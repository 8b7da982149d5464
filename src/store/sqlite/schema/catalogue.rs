//! Versions of files that lie elsewhere than those before them, and what waits for products.

/// The fifth step: where deliveries lie that began before their file got another version, and what orders wait for.
pub(super) const TABLES: &str = "
ALTER TABLE deliveries ADD COLUMN lies TEXT;
CREATE INDEX grants_of_file ON grants (file_id, id) WHERE file_id IS NOT NULL;
CREATE INDEX grants_of_sku ON grants (sku, id) WHERE sku IS NOT NULL;

CREATE TABLE order_skus (
    sku TEXT NOT NULL,
    order_id TEXT NOT NULL REFERENCES orders (id),
    PRIMARY KEY (sku, order_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX order_skus_of_order ON order_skus (order_id);
INSERT INTO order_skus (sku, order_id)
    SELECT DISTINCT json_extract(l.value, '$.sku'), o.id FROM orders o, json_each(o.record, '$.lines') l;
";

/// Grants of a file that are for its latest version, and not for what lies there.
macro_rules! led {
    () => {
        "file_id = ?1 AND instr(policy, '\"version\":\"purchased\"') = 0 AND (storage, path) <> (?2, ?3)"
    };
}

statements! {
    /// Those that go on with what they began with keep where that lies. Of what has ended the versions of the file tell that
    /// (`File::lay`): there may be more of it than one decision can write.
    LEAVE_DELIVERIES = concat!("UPDATE deliveries SET lies = (SELECT g.storage || '/' || g.path FROM grants g WHERE g.number = grant_number) \
        WHERE closed IS NULL AND lies IS NULL AND link <> '' AND grant_number IN (SELECT number FROM grants WHERE ", led!(), ")");
    /// What lies where the grant is for now needs no place of its own.
    REJOIN_DELIVERIES = concat!("UPDATE deliveries SET lies = NULL WHERE closed IS NULL AND lies = ?2 || '/' || ?3 \
        AND grant_number IN (SELECT number FROM grants WHERE ", led!(), ")");
    LEAD_COPIES = concat!("UPDATE placed SET storage = ?2, path = ?3 WHERE what = 'copy' AND stay IN ('preparing', 'live') \
        AND grant_id IN (SELECT id FROM grants WHERE ", led!(), ")");
    LEAD_GRANTS = concat!("UPDATE grants SET storage = ?2, path = ?3 WHERE ", led!());

    MOVE_DELIVERIES = "UPDATE deliveries SET lies = ?4 || '/' || ?5 WHERE closed IS NULL AND lies = ?2 || '/' || ?3 \
        AND grant_number IN (SELECT number FROM grants WHERE file_id = ?1)";
    MOVE_COPIES = "UPDATE placed SET storage = ?4, path = ?5 WHERE what = 'copy' AND stay IN ('preparing', 'live') \
        AND storage = ?2 AND path = ?3 AND grant_id IN (SELECT id FROM grants WHERE file_id = ?1)";
    MOVE_GRANTS = "UPDATE grants SET storage = ?4, path = ?5 WHERE file_id = ?1 AND storage = ?2 AND path = ?3";

    /// All of a file, those of them that are not over, and those of these that are for the version that was bought.
    COUNT_SOLD = "WITH sold AS (SELECT standing <> 'revoked' AND gate = 'paid' AND (expires IS NULL OR expires > ?2) AS open, \
        instr(policy, '\"version\":\"purchased\"') > 0 AS kept FROM grants WHERE file_id = ?1) \
        SELECT count(*), count(*) FILTER (WHERE open), count(*) FILTER (WHERE open AND kept) FROM sold";
    SOLD_AS = "SELECT id FROM grants WHERE sku = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    FORGET_ORDER_SKUS = "DELETE FROM order_skus WHERE order_id = ?1";
    ADD_ORDER_SKU = "INSERT INTO order_skus (sku, order_id) VALUES (?1, ?2) ON CONFLICT (sku, order_id) DO NOTHING";
    ORDERS_WAITING = "SELECT s.order_id FROM order_skus s JOIN orders o ON o.id = s.order_id WHERE s.sku = ?1 AND s.order_id > ?2 \
        AND json_extract(o.record, '$.state') = 'paid' AND EXISTS (SELECT 1 FROM json_each(o.record, '$.lines') l \
        WHERE json_extract(l.value, '$.sku') = ?1 AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.order_id = s.order_id \
        AND g.line = json_extract(l.value, '$.key') AND g.sku = ?1 AND (?4 IS NULL OR g.file_id = ?4))) ORDER BY s.order_id LIMIT ?3";
    UNKNOWN_SKUS = "SELECT s.sku, count(*) FROM order_skus s WHERE s.sku > ?1 \
        AND NOT EXISTS (SELECT 1 FROM products p WHERE p.sku = s.sku) GROUP BY s.sku ORDER BY s.sku LIMIT ?2";
}
