//! Orders that wait: they are paid, and something that they bought was not there to be sold.
//!
//! | what was not there | is sold when |
//! |---|---|
//! | the product, or any file of it | it is made, or gets one ([`product::keep`](super::product::keep)) |
//! | the policy that the product names | it is configured: after a reload, or at the start ([`keep`]) |
//! | a file that lay elsewhere | it gets a version that lies here ([`catalogue::replace`](super::catalogue::replace)) |
//!
//! Lines wait each for themselves. A product that got further files since gives nothing to those who have theirs.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::order;
use super::site::{Current, Site};
use crate::clock;
use crate::domain::catalogue::File;
use crate::domain::moment::Span;
use crate::domain::order::Sku;
use crate::store::{Down, LIST_MAX};

/// So many orders are looked after by one call; more than that are told.
const WAITING_MAX: u64 = 500;

/// How long is waited after the store did not answer.
const STORE_PAUSE: Span = Span::from_seconds(5);

/// Who serves what waited for the configuration, as histories keep it.
const CONFIGURATION: &str = "cloakroom (configuration)";

/// What became of orders that waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// How many waited.
    pub orders: u64,
    /// How many grants were made for them.
    pub grants: u64,
    /// Whether more wait than were looked after.
    pub is_cut: bool,
}

impl Served {
    fn add(&mut self, more: Self) {
        self.orders += more.orders;
        self.grants += more.grants;
        self.is_cut |= more.is_cut;
    }
}

/// Serves orders that wait for what is sold under `sku`, or for `came`, a file of it that lies here now.
pub(super) async fn serve(site: &Site, sku: &Sku, came: Option<&File>, author: &str) -> Result<Served, Down> {
    let (mut served, mut after) = (Served::default(), None);
    loop {
        let waiting = site.catalogue.orders_waiting(sku.clone(), came.map(|file| file.id), after, LIST_MAX).await?;
        let Some(last) = waiting.last().copied() else { break };
        after = Some(last);
        for id in waiting {
            if served.orders >= WAITING_MAX {
                served.is_cut = true;
                return Ok(served);
            }
            let made = order::serve(site, id, came, author).await?;
            served.orders += u64::from(made > 0);
            served.grants += made;
        }
    }
    Ok(served)
}

/// Serves orders that wait for a file which lay elsewhere and lies here now.
pub(super) async fn serve_file(site: &Site, came: &File, author: &str) -> Result<Served, Down> {
    let mut served = Served::default();
    for sku in site.catalogue.products_with(came.id).await? {
        served.add(serve(site, &sku, Some(came), author).await?);
    }
    Ok(served)
}

/// Serves, at the start and after each reload, orders that wait for a policy which is configured now; never ends by itself.
pub async fn keep(current: &Current) {
    let wake = Arc::clone(&current.site().policies_named);
    let mut served = BTreeSet::new();
    loop {
        let site = current.site();
        let named: BTreeSet<String> = site.configuration.policies.iter().map(|(name, _)| name.clone()).collect();
        let next = match serve_policies(&site, &named.difference(&served).collect()).await {
            // It waits for the key.
            Ok(()) if site.keys.signing().is_none() => None,
            Ok(()) => {
                served = named;
                None
            }
            Err(down) => {
                tracing::debug!(event = "orders_wait", "orders that wait for a policy are not looked at: {down}");
                Some(clock::now() + STORE_PAUSE)
            }
        };
        drop(site);
        tokio::select! {
            () = wake.notified() => {}
            () = clock::until(next) => {}
        }
    }
}

async fn serve_policies(site: &Site, names: &BTreeSet<&String>) -> Result<(), Down> {
    let mut after = None;
    while site.keys.signing().is_some() && !names.is_empty() {
        let page = site.catalogue.products(after, LIST_MAX).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.sku.clone());
        for product in page.iter().filter(|product| product.policy.as_ref().is_some_and(|policy| names.contains(policy))) {
            let mut is_cut = true;
            while is_cut {
                // As every call that changes what others may have seen.
                let _beside_others = site.changing.read().await;
                let served = serve(site, &product.sku, None, CONFIGURATION).await?;
                is_cut = served.is_cut;
                if served.orders > 0 {
                    let Served { orders, grants, .. } = served;
                    tracing::info!(event = "orders_served", sku = %product.sku, orders, grants);
                }
            }
        }
    }
    Ok(())
}
