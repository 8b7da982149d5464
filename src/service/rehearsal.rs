//! A store on which decisions are tried and not kept, so that `explain` and HEAD run the rules that decide.

use crate::domain::account::{Account, Ask, Change, Click, Clicked, Permit, Reported};
use crate::domain::delivery::Delivery;
use crate::domain::feed_position::FeedPosition;
use crate::domain::grant::{Amendment, Grant};
use crate::domain::history::{Author, Entry};
use crate::domain::id::{DeliveryId, GrantId, LinkId};
use crate::domain::link::Link;
use crate::domain::moment::Moment;
use crate::domain::refusal::Refusal;
use crate::domain::tally::Tally;
use crate::store::{Closing, Content, Filter, Grants, Later, Store, Target};

/// Reads from the store behind it; what is decided is forgotten.
pub struct Rehearsal<'a>(pub &'a dyn Store);

impl Store for Rehearsal<'_> {
    fn link(&self, id: LinkId) -> Later<'_, Option<Link>> {
        self.0.link(id)
    }

    fn target(&self, link: LinkId) -> Later<'_, Option<Target>> {
        self.0.target(link)
    }

    fn content(&self, delivery: DeliveryId) -> Later<'_, Option<Content>> {
        self.0.content(delivery)
    }

    fn account(&self, grant: GrantId, with: Option<DeliveryId>) -> Later<'_, Option<Account>> {
        self.0.account(grant, with)
    }

    fn grants(&self, which: Grants) -> Later<'_, Vec<Grant>> {
        self.0.grants(which)
    }

    fn links(&self, grant: GrantId) -> Later<'_, Vec<Link>> {
        self.0.links(grant)
    }

    fn history(&self, grant: GrantId) -> Later<'_, Vec<Entry>> {
        self.0.history(grant)
    }

    fn tallies(&self, from: Moment, to: Moment) -> Later<'_, Vec<Tally>> {
        self.0.tallies(from, to)
    }

    fn grant(&self, id: GrantId) -> Later<'_, Option<Grant>> {
        self.0.grant(id)
    }

    fn delivery(&self, id: DeliveryId) -> Later<'_, Option<Delivery>> {
        self.0.delivery(id)
    }

    fn deliveries(&self, filter: Filter) -> Later<'_, Vec<Delivery>> {
        self.0.deliveries(filter)
    }

    fn position(&self) -> Later<'_, Option<FeedPosition>> {
        self.0.position()
    }

    fn click(&self, click: Click) -> Later<'_, Result<Clicked, Refusal>> {
        Box::pin(async move {
            let Some(link) = self.0.link(click.link).await? else { return Ok(Err(Refusal::UnknownLink)) };
            let Some(mut account) = self.0.account(link.grant, None).await? else { return Ok(Err(Refusal::UnknownLink)) };
            Ok(account.click(&click, &link))
        })
    }

    fn admit(&self, ask: Ask) -> Later<'_, Result<Permit, Refusal>> {
        Box::pin(async move {
            let Some(content) = self.0.content(ask.delivery).await? else { return Ok(Err(Refusal::UnknownLink)) };
            let Some(mut account) = self.0.account(content.target.grant, Some(ask.delivery)).await? else {
                return Ok(Err(Refusal::UnknownLink));
            };
            Ok(account.admit(&ask))
        })
    }

    fn issue(&self, _: Grant, _: Link, _: Author) -> Later<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn add_link(&self, link: Link, _: Author) -> Later<'_, bool> {
        Box::pin(async move { Ok(self.0.grant(link.grant).await?.is_some()) })
    }

    fn settle(&self, _: Vec<Reported>, _: Option<FeedPosition>) -> Later<'_, Vec<Change>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn close_due(&self, _: Moment) -> Later<'_, Closing> {
        Box::pin(async { Ok(Closing::default()) })
    }

    fn amend(&self, id: GrantId, _: Amendment, _: Author) -> Later<'_, Option<Grant>> {
        self.0.grant(id)
    }

    fn revoke_link(&self, id: LinkId, _: Author) -> Later<'_, bool> {
        Box::pin(async move { Ok(self.0.link(id).await?.is_some()) })
    }

    fn count(&self, _: Vec<Tally>) -> Later<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
