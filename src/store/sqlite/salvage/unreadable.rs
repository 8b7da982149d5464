//! What can be reached and does not hold what we write: of what stands beside the grants.

use super::super::fault::Fault;
use super::super::schema::{self, orders as sales};
use super::super::{callers, catalogue, credentials, deeds, orders, public, rows};
use super::Rescue;

impl Rescue {
    /// The same of what is in public, of who may enter there and who may call the API; and what of it is for what was lost.
    pub(super) fn leave_out_of_public(&mut self) -> Result<(), Fault> {
        self.sieve("placed", "SELECT name FROM placed WHERE ?1 = 0", 0, |copy, name| {
            rows::one(copy, schema::PLACED, [name], public::placed)
                .is_ok_and(|placed| placed.is_some_and(|placed| public::belongs(copy, &placed).unwrap_or(false)))
        })?;
        self.sieve("credentials", "SELECT user FROM credentials WHERE ?1 = 0", 0, |copy, user| {
            rows::one(copy, schema::CREDENTIAL, [user], credentials::credential)
                .is_ok_and(|known| known.is_some_and(|known| credentials::belongs(copy, &known).unwrap_or(false)))
        })?;
        self.sieve("api_keys", "SELECT id FROM api_keys WHERE ?1 = 0", 0, |copy, id| callers::one(copy, id).is_ok())?;
        self.sieve("deeds", "SELECT CAST(number AS TEXT) FROM deeds WHERE ?1 = 0", 0, |copy, number| {
            rows::one(copy, schema::deeds::DEED, [number], deeds::deed).is_ok()
        })?;
        // An export has none: they are of use within a day.
        self.salvaged.left_out.remove("calls");
        Ok(())
    }

    /// The same of orders and the catalogue.
    pub(super) fn leave_out_of_sales(&mut self) -> Result<(), Fault> {
        self.sieve("orders", "SELECT id FROM orders WHERE ?1 = 0", 0, |copy, id| {
            rows::one(copy, sales::ORDER, [id], orders::order).is_ok()
        })?;
        self.sieve("files", "SELECT id FROM files WHERE ?1 = 0", 0, |copy, id| {
            rows::one(copy, sales::FILE, [id], catalogue::file).is_ok()
        })?;
        self.sieve("products", "SELECT sku FROM products WHERE ?1 = 0", 0, |copy, sku| {
            rows::one(copy, sales::PRODUCT, [sku], catalogue::product).is_ok()
        })?;
        // It is made of the products.
        self.salvaged.left_out.remove("product_files");
        // And this of the orders.
        self.salvaged.left_out.remove("order_skus");
        self.hold_without_order()
    }

    /// Shuts what an order sold that is not there: nobody could shut it later, and the order reported again would open as
    /// much beside it.
    fn hold_without_order(&mut self) -> Result<(), Fault> {
        let open = "gate = 'paid' AND order_id IS NOT NULL AND order_id NOT IN (SELECT id FROM orders)";
        for id in rows::all(&self.copy, &format!("SELECT id FROM grants WHERE {open}"), [], |row| Ok(row.get::<_, String>(0)?))? {
            self.salvaged.held.add(id);
        }
        self.copy.execute(&format!("UPDATE grants SET gate = 'on_hold' WHERE {open}"), [])?;
        Ok(())
    }
}
