//! Orders, and what is sold.

/// The fourth step: grants that were sold, orders, the catalogue.
pub(super) const TABLES: &str = "
ALTER TABLE grants ADD COLUMN order_id TEXT;
ALTER TABLE grants ADD COLUMN line TEXT;
ALTER TABLE grants ADD COLUMN sku TEXT;
ALTER TABLE grants ADD COLUMN file_id TEXT;
ALTER TABLE grants ADD COLUMN unit INTEGER;
ALTER TABLE grants ADD COLUMN gate TEXT;
CREATE UNIQUE INDEX grants_sold ON grants (order_id, line, file_id, unit) WHERE order_id IS NOT NULL;

CREATE TABLE orders (
    id TEXT PRIMARY KEY,
    shop TEXT NOT NULL,
    external_id TEXT NOT NULL,
    customer TEXT NOT NULL,
    created INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX orders_named ON orders (shop, external_id);
CREATE INDEX orders_by_age ON orders (created, id);
CREATE INDEX orders_of_shop ON orders (shop, created, id);
CREATE INDEX orders_of_customer ON orders (customer, created, id);

CREATE TABLE files (
    id TEXT PRIMARY KEY,
    storage TEXT NOT NULL,
    path TEXT NOT NULL,
    added INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX files_lying ON files (storage, path, added, id);

CREATE TABLE products (
    sku TEXT PRIMARY KEY,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE product_files (
    sku TEXT NOT NULL,
    file_id TEXT NOT NULL,
    PRIMARY KEY (sku, file_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX product_files_of_file ON product_files (file_id, sku);
";

statements! {
    ORDER = "SELECT record FROM orders WHERE id = ?1";
    ORDER_NAMED = "SELECT record FROM orders WHERE shop = ?1 AND external_id = ?2";
    ORDERS = "SELECT record FROM orders WHERE (created, id) < (?1, ?2) ORDER BY created DESC, id DESC LIMIT ?3";
    ORDERS_OF_SHOP = "SELECT record FROM orders WHERE shop = ?4 AND (created, id) < (?1, ?2) ORDER BY created DESC, id DESC LIMIT ?3";
    ORDERS_OF_CUSTOMER = "SELECT record FROM orders WHERE customer = ?4 AND (created, id) < (?1, ?2) ORDER BY created DESC, id DESC LIMIT ?3";
    ORDERS_OF_SHOP_AND_CUSTOMER = "SELECT record FROM orders WHERE shop = ?4 AND customer = ?5 AND (created, id) < (?1, ?2) \
        ORDER BY created DESC, id DESC LIMIT ?3";
    ORDERS_FROM = "SELECT record FROM orders WHERE id > ?1 ORDER BY id LIMIT ?2";
    CORRECT_CUSTOMER = "UPDATE grants SET customer = ?2 WHERE id = ?1";
    PUT_ORDER = "INSERT INTO orders (id, shop, external_id, customer, created, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
        ON CONFLICT (id) DO UPDATE SET customer = excluded.customer, record = excluded.record";
    /// Of those that were sold, and that is an index; the first of them.
    SOLD_BY_NOBODY = "SELECT g.id FROM grants g WHERE g.order_id IS NOT NULL \
        AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = g.order_id) LIMIT 100";
    GRANTS_OF_ORDER = "SELECT id FROM grants WHERE order_id = ?1 ORDER BY number";

    FILE = "SELECT record FROM files WHERE id = ?1";
    FILE_AT = "SELECT record FROM files WHERE storage = ?1 AND path = ?2 ORDER BY added, id LIMIT 1";
    FILES = "SELECT record FROM files WHERE id > ?1 ORDER BY id LIMIT ?2";
    PUT_FILE = "INSERT INTO files (id, storage, path, added, record) VALUES (?1, ?2, ?3, ?4, ?5) \
        ON CONFLICT (id) DO UPDATE SET storage = excluded.storage, path = excluded.path, added = excluded.added, record = excluded.record";
    REMOVE_FILE = "DELETE FROM files WHERE id = ?1";

    PRODUCT = "SELECT record FROM products WHERE sku = ?1";
    PRODUCTS = "SELECT record FROM products WHERE sku > ?1 ORDER BY sku LIMIT ?2";
    PUT_PRODUCT = "INSERT INTO products (sku, record) VALUES (?1, ?2) ON CONFLICT (sku) DO UPDATE SET record = excluded.record";
    REMOVE_PRODUCT = "DELETE FROM products WHERE sku = ?1";
    FORGET_PRODUCT_FILES = "DELETE FROM product_files WHERE sku = ?1";
    ADD_PRODUCT_FILE = "INSERT INTO product_files (sku, file_id) VALUES (?1, ?2) ON CONFLICT (sku, file_id) DO NOTHING";
    PRODUCTS_WITH = "SELECT sku FROM product_files WHERE file_id = ?1 ORDER BY sku";
}
