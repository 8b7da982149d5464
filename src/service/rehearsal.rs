//! A store on which decisions are tried and not kept, so that `explain` and HEAD run the rules that decide.

use crate::domain::account::{Account, Ask, Change, Click, Clicked, Permit, Reported};
use crate::domain::delivery::Delivery;
use crate::domain::feed_position::FeedPosition;
use crate::domain::grant::{Grant, Standing};
use crate::domain::id::{DeliveryId, GrantId, LinkId};
use crate::domain::link::Link;
use crate::domain::moment::Moment;
use crate::domain::refusal::Refusal;
use crate::store::{Closing, Down, Filter, Later, Store};

/// Reads from the store behind it; what is decided is forgotten.
pub struct Rehearsal<'a>(pub &'a dyn Store);

impl Rehearsal<'_> {
    /// The account on which the store itself would decide: of what has ended, it holds only what is asked for by name.
    async fn account(&self, id: GrantId, asked: Option<DeliveryId>) -> Result<Option<Account>, Down> {
        let Some(grant) = self.0.grant(id).await? else { return Ok(None) };
        let mut deliveries = self.0.deliveries(Filter { grant: Some(id), limit: 0 }).await?;
        deliveries.retain(|delivery| delivery.closed.is_none() || asked == Some(delivery.id));
        deliveries.reverse();
        Ok(Some(Account { grant, deliveries }))
    }
}

impl Store for Rehearsal<'_> {
    fn link(&self, id: LinkId) -> Later<'_, Option<Link>> {
        self.0.link(id)
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
            let Some(mut account) = self.account(link.grant, None).await? else { return Ok(Err(Refusal::UnknownLink)) };
            Ok(account.click(&click, &link))
        })
    }

    fn admit(&self, ask: Ask) -> Later<'_, Result<Permit, Refusal>> {
        Box::pin(async move {
            let Some(delivery) = self.0.delivery(ask.delivery).await? else { return Ok(Err(Refusal::UnknownLink)) };
            let Some(mut account) = self.account(delivery.grant, Some(delivery.id)).await? else { return Ok(Err(Refusal::UnknownLink)) };
            Ok(account.admit(&ask))
        })
    }

    fn issue(&self, _: Grant, _: Link) -> Later<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn settle(&self, _: Vec<Reported>, _: Option<FeedPosition>) -> Later<'_, Vec<Change>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn close_due(&self, _: Moment) -> Later<'_, Closing> {
        Box::pin(async { Ok(Closing::default()) })
    }

    fn stand(&self, id: GrantId, _: Standing) -> Later<'_, Option<Grant>> {
        self.0.grant(id)
    }

    fn revoke_link(&self, id: LinkId) -> Later<'_, bool> {
        Box::pin(async move { Ok(self.0.link(id).await?.is_some()) })
    }
}
