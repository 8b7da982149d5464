//! Products, as people change them.

use super::catalogue::{NotKept, check_name};
use super::site::Site;
use super::waiting::{Served, serve};
use crate::domain::catalogue::Product;
use crate::domain::order::Sku;

/// What is said of a product that is not there.
pub const NO_SUCH_PRODUCT: &str = "there is no such product: `cloakroom product list` lists those that there are";

/// Keeps a product, in place of one with its SKU; orders that wait for it get their grants.
pub async fn keep(site: &Site, product: Product, author: &str) -> Result<Served, NotKept> {
    check_name("name", &product.name)?;
    if let Some(policy) = &product.policy {
        site.configuration.policy_named(policy).map_err(|why| NotKept::Field("policy".to_owned(), why))?;
    }
    if product.files.len() > Product::FILES_MAX {
        return Err(NotKept::Field("files".to_owned(), format!("there must be at most {} of them", Product::FILES_MAX)));
    }
    // No file goes while a product is to hold it.
    let alone = site.cataloguing.lock().await;
    for (place, attached) in product.files.iter().enumerate() {
        if site.catalogue.file(attached.file).await?.is_none() {
            let what = format!("there is no file {} in the catalogue: `cloakroom file list`", attached.file);
            return Err(NotKept::Field(format!("files[{place}].file"), what));
        }
    }
    site.catalogue.put_product(product.clone()).await?;
    drop(alone);
    tracing::info!(event = "product_kept", sku = %product.sku, files = product.files.len());
    if product.files.is_empty() { Ok(Served::default()) } else { Ok(serve(site, &product.sku, None, author).await?) }
}

/// Forgets a product. What was sold of it stays sold.
pub async fn remove(site: &Site, sku: Sku) -> Result<(), NotKept> {
    let is_gone = site.catalogue.remove_product(sku.clone()).await?;
    if !is_gone {
        return Err(NotKept::Unknown(NO_SUCH_PRODUCT.to_owned()));
    }
    tracing::info!(event = "product_removed", %sku);
    Ok(())
}
