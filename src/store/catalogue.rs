//! What a shop sells: what every store promises about it.

use super::Later;
use crate::domain::catalogue::{File, Product};
use crate::domain::id::FileId;
use crate::domain::order::Sku;

/// Which files to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Only those behind this one, which is the last of the page before.
    pub after: Option<FileId>,
    /// At most so many; 0 is the store's own limit.
    pub limit: usize,
}

/// The part of a store that keeps files and products.
pub trait CatalogueStore: Send + Sync {
    /// Remembers a file, in place of what was known under its id.
    fn put_file(&self, file: File) -> Later<'_, ()>;

    /// The file, if it is known.
    fn file(&self, id: FileId) -> Later<'_, Option<File>>;

    /// The file whose current version lies there: the one that was added first, where several do.
    fn file_at(&self, at: crate::domain::file::FileRef) -> Later<'_, Option<File>>;

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
}
