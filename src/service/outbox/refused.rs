//! Refusals that others want to hear of: of those who have a link, and not of strangers; of each link and reason once an hour.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::lock;
use crate::domain::event::{Event, Kind};
use crate::domain::id::{DeliveryId, LinkId};
use crate::domain::moment::{Moment, Span};
use crate::domain::refusal::Refusal;
use crate::service::remembered::Refused;
use crate::service::site::Site;

/// After so long the same is told again.
const AGAIN: Span = Span::from_hours(1);

/// So many are remembered; while they are all fresh, no more is told.
const REMEMBERED_MAX: usize = 10_000;

/// What was refused of late: a link or a delivery, and why.
#[derive(Debug, Default)]
pub(super) struct Throttle(HashMap<(Of, Refusal), Moment>);

/// Whose token was brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Of {
    Link(LinkId),
    Delivery(DeliveryId),
}

impl Throttle {
    /// Whether this is news at `now`.
    fn is_news(&mut self, of: Of, refusal: Refusal, now: Moment) -> bool {
        let is_over = |told: &Moment| now.since(*told) >= AGAIN || now < *told;
        if self.0.len() >= REMEMBERED_MAX && !self.0.contains_key(&(of, refusal)) {
            self.0.retain(|_, told| !is_over(told));
            if self.0.len() >= REMEMBERED_MAX {
                return false;
            }
        }
        match self.0.entry((of, refusal)) {
            Entry::Occupied(known) if !is_over(known.get()) => false,
            Entry::Occupied(mut known) => {
                known.insert(now);
                true
            }
            Entry::Vacant(new) => {
                new.insert(now);
                true
            }
        }
    }
}

/// Tells that a request was refused, where somebody wants to hear it and the request brought a token of ours. Nobody waits for it.
pub fn note_refused(site: &Site, refused: &Refused) {
    let is_wanted = site.configuration.webhooks.iter().any(|webhook| webhook.events.contains(&Kind::Refused));
    // Where the store is down nothing can be written.
    if !is_wanted || refused.refusal == Refusal::StoreDown {
        return;
    }
    // The id stands there only where the MAC held.
    let link = refused.subject.parse().map(Of::Link);
    let Ok(of) = link.or_else(|_| refused.subject.parse().map(Of::Delivery)) else { return };
    if !lock(&site.outbox.refused).is_news(of, refused.refusal, refused.at) {
        return;
    }
    let wanted = super::wanted(site);
    let (store, messages) = (Arc::clone(&site.store), Arc::clone(&site.messages));
    let (refusal, at) = (refused.refusal, refused.at);
    tokio::spawn(async move {
        let found = match of {
            Of::Link(link) => store.link(link).await.ok().flatten().map(|link| (link.grant, Some(link.id))),
            Of::Delivery(id) => store.delivery(id).await.ok().flatten().map(|delivery| (delivery.grant, delivery.link)),
        };
        let Some((grant, Some(link))) = found else { return };
        if let Ok(Some(grant)) = store.grant(grant).await {
            let told = wanted.messages(&Event::refused(&grant, link, refusal, at));
            // What is not written is told no more: the log has it.
            let _ = messages.post(told).await;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_link_and_reason_one_refusal_an_hour_is_news() {
        let mut throttle = Throttle::default();
        let now = Moment::from_seconds(1_800_000_000);
        let (one, other) = (Of::Link(LinkId::new([1; 12])), Of::Link(LinkId::new([2; 12])));
        let later = |seconds| now + Span::from_seconds(seconds);
        for (of, refusal, at, news) in [
            (one, Refusal::Expired, now, true),
            (one, Refusal::Expired, later(1), false),
            (one, Refusal::LimitReached, later(1), true),
            (other, Refusal::Expired, later(2), true),
            (one, Refusal::Expired, later(3599), false),
            (one, Refusal::Expired, later(3600), true),
            (one, Refusal::Expired, later(3601), false),
            // A clock that was set back must not silence it for years.
            (one, Refusal::Expired, now, true),
        ] {
            assert_eq!(throttle.is_news(of, refusal, at), news, "{of:?} {refusal} {at}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_over_makes_room() {
        let mut throttle = Throttle::default();
        let now = Moment::from_seconds(1_800_000_000);
        let link = |number: usize| {
            let mut bits = [0; 12];
            bits.iter_mut().zip(number.to_be_bytes()).for_each(|(bit, byte)| *bit = byte);
            Of::Link(LinkId::new(bits))
        };
        assert!((0..REMEMBERED_MAX).all(|number| throttle.is_news(link(number), Refusal::Expired, now)));
        assert!(!throttle.is_news(link(REMEMBERED_MAX), Refusal::Expired, now));
        assert!(throttle.is_news(link(REMEMBERED_MAX), Refusal::Expired, now + AGAIN));
    }
}
