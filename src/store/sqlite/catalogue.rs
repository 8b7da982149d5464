//! Files and products.

use rusqlite::{Connection, Row, params};

use super::fault::Fault;
use super::schema::catalogue as led;
use super::schema::orders as schema;
use super::upkeep::PAGE;
use super::working::Working;
use super::{Sqlite, most, rows};
use crate::domain::catalogue::{File, Product};
use crate::domain::event::{Event, Kind};
use crate::domain::file::FileRef;
use crate::domain::id::{FileId, GrantId, OrderId};
use crate::domain::moment::Moment;
use crate::domain::order::Sku;
use crate::store::outbox::Tells as _;
use crate::store::record::{FileRecord, ProductRecord, Unreadable, Written};
use crate::store::{CatalogueStore, Files, Later, Lead, SoldCount};

/// Reads a row that has a record only.
pub(super) fn file(row: &Row<'_>) -> Result<File, Fault> {
    let text: String = row.get(0)?;
    let record: FileRecord = serde_json::from_str(&text).map_err(|_| Unreadable::new("file", &text))?;
    Ok(File::try_from(record)?)
}

/// Reads a row that has a record only.
pub(super) fn product(row: &Row<'_>) -> Result<Product, Fault> {
    let text: String = row.get(0)?;
    let record: ProductRecord = serde_json::from_str(&text).map_err(|_| Unreadable::new("product", &text))?;
    Ok(Product::try_from(record)?)
}

/// Writes a file, new or changed.
pub(super) fn put_file(database: &Connection, file: &File) -> Result<(), Fault> {
    let record = serde_json::to_string(&FileRecord::from(file)).map_err(|fault| Unreadable::new("file", fault))?;
    // What lies elsewhere is in no storage of ours.
    let (storage, path) = file.here().map_or(("", ""), |at| (at.storage.as_str(), at.path.as_str()));
    database.prepare_cached(schema::PUT_FILE)?.execute(params![file.id.written(), storage, path, rows::millis(file.added), record])?;
    Ok(())
}

impl Working {
    fn lead(&mut self, file: &File, lead: &Lead) -> Result<u64, Fault> {
        let before = rows::one(&self.database, schema::FILE, [file.id.written()], self::file)?;
        put_file(&self.database, file)?;
        if before.is_some_and(|before| before.current.id != file.current.id) {
            self.outbox.tell(Kind::FileVersionReleased, || Event::released(file));
        }
        let Some(to) = file.here().filter(|_| *lead != Lead::Nobody) else { return Ok(0) };
        // The statements work on the tables, which must know of every change; what was worked on before is loaded anew.
        self.write()?;
        let (id, storage, path) = (file.id.written(), to.storage.as_str(), to.path.as_str());
        let run = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| -> Result<usize, Fault> {
            Ok(self.database.prepare_cached(sql)?.execute(parameters)?)
        };
        let before = self.database.total_changes();
        let count = match lead {
            Lead::Nobody => 0,
            Lead::Latest => {
                let parameters: [&dyn rusqlite::ToSql; 3] = [&id, &storage, &path];
                run(led::LEAVE_DELIVERIES, &parameters)?;
                run(led::REJOIN_DELIVERIES, &parameters)?;
                run(led::LEAD_COPIES, &parameters)?;
                run(led::LEAD_GRANTS, &parameters)?
            }
            Lead::From(from) => {
                let parameters: [&dyn rusqlite::ToSql; 5] = [&id, &from.storage.as_str(), &from.path.as_str(), &storage, &path];
                run(led::MOVE_DELIVERIES, &parameters)?;
                run(led::MOVE_COPIES, &parameters)?;
                run(led::MOVE_GRANTS, &parameters)?
            }
        };
        if self.database.total_changes() != before {
            self.accounts.clear();
            self.places.clear();
            self.changes.led = true;
        }
        Ok(count as u64)
    }
}

/// Writes a product, new or changed.
pub(super) fn put_product(database: &Connection, product: &Product) -> Result<(), Fault> {
    let record = serde_json::to_string(&ProductRecord::from(product)).map_err(|fault| Unreadable::new("product", fault))?;
    let sku = product.sku.as_str();
    database.prepare_cached(schema::PUT_PRODUCT)?.execute([sku, &record])?;
    database.prepare_cached(schema::FORGET_PRODUCT_FILES)?.execute([sku])?;
    for attached in &product.files {
        database.prepare_cached(schema::ADD_PRODUCT_FILE)?.execute([sku, &attached.file.written()])?;
    }
    Ok(())
}

/// Every file, by id.
pub(super) fn each_file(database: &Connection, told: &mut dyn FnMut(&File) -> Result<(), Fault>) -> Result<(), Fault> {
    let page = |after: &String| rows::all(database, schema::FILES, params![after, PAGE], file);
    rows::each(String::new(), page, |file| file.id.written(), told)
}

/// Every product, by SKU.
pub(super) fn each_product(database: &Connection, told: &mut dyn FnMut(&Product) -> Result<(), Fault>) -> Result<(), Fault> {
    let page = |after: &String| rows::all(database, schema::PRODUCTS, params![after, PAGE], product);
    rows::each(String::new(), page, |product| product.sku.written(), told)
}

/// Ids that a statement gives in its first column.
fn named<T: Written>(database: &Connection, sql: &str, parameters: impl rusqlite::Params, what: &'static str) -> Result<Vec<T>, Fault> {
    rows::all(database, sql, parameters, |row| Ok(Written::read(&row.get::<_, String>(0)?, what)?))
}

impl CatalogueStore for Sqlite {
    fn put_file(&self, file: File) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| put_file(&working.database, &file)))
    }

    fn lead(&self, file: File, lead: Lead) -> Later<'_, u64> {
        Box::pin(self.decide(move |working| working.lead(&file, &lead)))
    }

    fn file(&self, id: FileId) -> Later<'_, Option<File>> {
        Box::pin(self.read(move |database| rows::one(database, schema::FILE, [id.written()], file)))
    }

    fn file_at(&self, at: FileRef) -> Later<'_, Option<File>> {
        Box::pin(self.read(move |database| rows::one(database, schema::FILE_AT, [at.storage.as_str(), at.path.as_str()], file)))
    }

    fn files(&self, which: Files) -> Later<'_, Vec<File>> {
        let after = which.after.map(|id| id.written()).unwrap_or_default();
        Box::pin(self.read(move |database| rows::all(database, schema::FILES, params![after, most(which.limit)], file)))
    }

    fn remove_file(&self, id: FileId) -> Later<'_, bool> {
        Box::pin(self.decide(move |working| Ok(working.database.prepare_cached(schema::REMOVE_FILE)?.execute([id.written()])? > 0)))
    }

    fn put_product(&self, product: Product) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| put_product(&working.database, &product)))
    }

    fn products_named(&self, skus: Vec<Sku>) -> Later<'_, Vec<Product>> {
        Box::pin(self.read(move |database| {
            let found: Result<Vec<_>, Fault> =
                skus.iter().map(|sku| rows::one(database, schema::PRODUCT, [sku.as_str()], product)).collect();
            Ok(found?.into_iter().flatten().collect())
        }))
    }

    fn products(&self, after: Option<Sku>, limit: usize) -> Later<'_, Vec<Product>> {
        let after = after.map(|sku| sku.written()).unwrap_or_default();
        Box::pin(self.read(move |database| rows::all(database, schema::PRODUCTS, params![after, most(limit)], product)))
    }

    fn remove_product(&self, sku: Sku) -> Later<'_, bool> {
        Box::pin(self.decide(move |working| {
            working.database.prepare_cached(schema::FORGET_PRODUCT_FILES)?.execute([sku.as_str()])?;
            Ok(working.database.prepare_cached(schema::REMOVE_PRODUCT)?.execute([sku.as_str()])? > 0)
        }))
    }

    fn products_with(&self, file: FileId) -> Later<'_, Vec<Sku>> {
        Box::pin(self.read(move |database| {
            rows::all(database, schema::PRODUCTS_WITH, [file.written()], |row| Ok(Written::read(&row.get::<_, String>(0)?, "sku")?))
        }))
    }

    fn sold_of(&self, file: FileId, now: Moment) -> Later<'_, SoldCount> {
        Box::pin(self.read(move |database| {
            let count = rows::one(database, led::COUNT_SOLD, params![file.written(), rows::millis(now)], |row| {
                let (all, open, kept): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(SoldCount { all: all.cast_unsigned(), open: open.cast_unsigned(), kept: kept.cast_unsigned() })
            })?;
            Ok(count.unwrap_or_default())
        }))
    }

    fn sold_as(&self, sku: Sku, after: Option<GrantId>, limit: usize) -> Later<'_, Vec<GrantId>> {
        let after = after.map(|id| id.written()).unwrap_or_default();
        Box::pin(self.read(move |database| named(database, led::SOLD_AS, params![sku.as_str(), after, most(limit)], "grant")))
    }

    fn orders_waiting(&self, sku: Sku, file: Option<FileId>, after: Option<OrderId>, limit: usize) -> Later<'_, Vec<OrderId>> {
        let after = after.map(|id| id.written()).unwrap_or_default();
        let file = file.map(|id| id.written());
        Box::pin(self.read(move |database| named(database, led::ORDERS_WAITING, params![sku.as_str(), after, most(limit), file], "order")))
    }

    fn unknown_skus(&self, after: Option<Sku>, limit: usize) -> Later<'_, Vec<(Sku, u64)>> {
        let after = after.map(|sku| sku.written()).unwrap_or_default();
        Box::pin(self.read(move |database| {
            rows::all(database, led::UNKNOWN_SKUS, params![after, most(limit)], |row| {
                Ok((Written::read(&row.get::<_, String>(0)?, "sku")?, row.get::<_, i64>(1)?.cast_unsigned()))
            })
        }))
    }
}
