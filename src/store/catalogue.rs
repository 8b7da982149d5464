//! What a shop sells: what every store promises about it.

use super::Later;
use crate::domain::catalogue::{File, Product};
use crate::domain::file::FileRef;
use crate::domain::id::{FileId, GrantId, OrderId};
use crate::domain::moment::Moment;
use crate::domain::order::Sku;

/// Which files to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Only those behind this one, which is the last of the page before.
    pub after: Option<FileId>,
    /// At most so many; 0 is the store's own limit.
    pub limit: usize,
}

/// Whom a change of a file leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead {
    /// Nobody.
    Nobody,
    /// Grants that were sold of it and are for its latest version, and their copies: to where that lies. What was begun
    /// goes on with what it began with, where that lay ([`Delivery::at`](crate::domain::delivery::Delivery::at)).
    Latest,
    /// All that is for this place: to where the current version lies, which is the same bytes.
    From(FileRef),
}

/// How many grants a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoldCount {
    /// All that were ever made of it.
    pub all: u64,
    /// Those that are neither revoked nor shut by their order, and whose time is not over.
    pub open: u64,
    /// Those of the open ones that are for the version that was bought, which nobody remembers without the file.
    pub kept: u64,
}

/// The part of a store that keeps files and products.
pub trait CatalogueStore: Send + Sync {
    /// Remembers a file, in place of what was known under its id.
    fn put_file(&self, file: File) -> Later<'_, ()>;

    /// The same; and leads those elsewhere whom that concerns, in the same step. Tells how many grants these are.
    fn lead(&self, file: File, lead: Lead) -> Later<'_, u64>;

    /// The file, if it is known.
    fn file(&self, id: FileId) -> Later<'_, Option<File>>;

    /// The file whose current version lies there: the one that was added first, where several do.
    fn file_at(&self, at: FileRef) -> Later<'_, Option<File>>;

    /// Files, by id.
    fn files(&self, which: Files) -> Later<'_, Vec<File>>;

    /// Forgets a file; `false` when it is not known.
    fn remove_file(&self, id: FileId) -> Later<'_, bool>;

    /// Remembers a product, in place of what was known under its SKU.
    fn put_product(&self, product: Product) -> Later<'_, ()>;

    /// Those of these SKUs that are known.
    fn products_named(&self, skus: Vec<Sku>) -> Later<'_, Vec<Product>>;

    /// Products by SKU: those behind `after`, at most `limit`.
    fn products(&self, after: Option<Sku>, limit: usize) -> Later<'_, Vec<Product>>;

    /// Forgets a product; `false` when it is not known.
    fn remove_product(&self, sku: Sku) -> Later<'_, bool>;

    /// The SKUs of the products that hold a file.
    fn products_with(&self, file: FileId) -> Later<'_, Vec<Sku>>;

    /// How many grants were sold of a file.
    fn sold_of(&self, file: FileId, now: Moment) -> Later<'_, SoldCount>;

    /// The grants that were sold under a SKU, by id: those behind `after`, at most `limit`.
    fn sold_as(&self, sku: Sku, after: Option<GrantId>, limit: usize) -> Later<'_, Vec<GrantId>>;

    /// The orders that may wait for what is sold under a SKU: they are paid, and of a line of this SKU nothing was sold; or,
    /// where a file is named, nothing of that file. By id: those behind `after`, at most `limit`.
    fn orders_waiting(&self, sku: Sku, file: Option<FileId>, after: Option<OrderId>, limit: usize) -> Later<'_, Vec<OrderId>>;

    /// SKUs that orders have and no product, and how many orders have each: those behind `after`, at most `limit`.
    fn unknown_skus(&self, after: Option<Sku>, limit: usize) -> Later<'_, Vec<(Sku, u64)>>;
}
