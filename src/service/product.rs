//! Products, as people change them; and what orders wait for.

use super::catalogue::{NotKept, check_name};
use super::order::again;
use super::site::Site;
use crate::domain::catalogue::Product;
use crate::domain::order::Sku;
use crate::store::{Down, LIST_MAX};

/// So many orders that wait for a product are looked after by one call; more than that are told.
const WAITING_MAX: u64 = 500;

/// What is said of a product that is not there.
pub const NO_SUCH_PRODUCT: &str = "there is no such product: `cloakroom product list` lists those that there are";

/// What became of orders that waited for a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// How many waited.
    pub orders: u64,
    /// How many grants were made for them.
    pub grants: u64,
    /// Whether more wait than were looked after.
    pub is_cut: bool,
}

/// Keeps a product, in place of one with its SKU; orders that wait for it get their grants.
pub async fn keep(site: &Site, product: Product, author: &str) -> Result<Served, NotKept> {
    check_name("name", &product.name)?;
    if let Some(policy) = &product.policy
        && site.configuration.policy(policy).is_none()
    {
        let known: Vec<&str> = site.configuration.policies.iter().map(|(name, _)| name.as_str()).collect();
        return Err(NotKept::Field(
            "policy".to_owned(),
            format!("there is no [[policy]] named `{policy}` (there are: {})", known.join(", ")),
        ));
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
    if product.files.is_empty() { Ok(Served::default()) } else { Ok(serve_waiting(site, &product.sku, author).await?) }
}

/// Reports orders again that wait for a product.
async fn serve_waiting(site: &Site, sku: &Sku, author: &str) -> Result<Served, Down> {
    let (mut served, mut after) = (Served::default(), None);
    loop {
        let waiting = site.catalogue.orders_waiting(sku.clone(), after, LIST_MAX).await?;
        let Some(last) = waiting.last().copied() else { break };
        after = Some(last);
        for id in waiting {
            if served.orders >= WAITING_MAX {
                served.is_cut = true;
                return Ok(served);
            }
            let made = again(site, id, sku, author).await?;
            served.orders += u64::from(made > 0);
            served.grants += made;
        }
    }
    Ok(served)
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
