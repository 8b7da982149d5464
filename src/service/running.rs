//! The download that stands in the way of another one of the same grant.

use std::net::IpAddr;

use super::address::Address;
use super::site::Site;
use crate::domain::delivery::{Delivery, State};
use crate::domain::id::GrantId;
use crate::domain::moment::Moment;
use crate::domain::question::Question;
use crate::pages::Running;
use crate::proof::token;
use crate::store::Filter;

/// What the page of [`crate::domain::refusal::Refusal::DownloadRunning`] tells whoever asked `question`, whose token
/// holds. `None` where it has ended meanwhile, or the store does not say: the page then tells less.
pub(super) async fn running(site: &Site, question: &Question, now: Moment) -> Option<Running> {
    let grant = grant(site, question).await?;
    let deliveries = site.store.deliveries(Filter { grant: Some(grant), limit: 0, ..Filter::default() }).await.ok()?;
    let client: IpAddr = question.client.address;
    in_the_way(&deliveries).map(|delivery| Running::of(delivery, client, now))
}

async fn grant(site: &Site, question: &Question) -> Option<GrantId> {
    match Address::read(&question.path, &site.public_path)? {
        Address::Link(token) => {
            let id = token::open_link(site.name(), token, &site.keys).ok()?;
            Some(site.store.link(id).await.ok()??.grant)
        }
        Address::Delivery(token) | Address::Started(token) => {
            let id = token::open_delivery(site.name(), token, &site.keys).ok()?;
            Some(site.store.delivery(id).await.ok()??.grant)
        }
        Address::File(_) | Address::Order(..) => None,
    }
}

/// Of the open deliveries, the newest first, one that is being sent; else any.
fn in_the_way(deliveries: &[Delivery]) -> Option<&Delivery> {
    let mut open = deliveries.iter().filter(|delivery| delivery.state == State::Open);
    open.clone().find(|delivery| delivery.in_flight() > 0).or_else(|| open.next())
}
