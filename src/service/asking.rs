//! Customers who ask for more: another download, or more time. The shop hears of it in the log, by `grant.more_requested` where
//! a webhook wants to, and by [`Event::Asked`].

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::outbox;
use super::site::{Event, Site};
use crate::domain::event;
use crate::domain::grant::Grant;
use crate::domain::id::{GrantId, OrderId};
use crate::domain::moment::{Moment, Span};
use crate::domain::order::Order;
use crate::domain::refusal::Refusal;

/// So long nobody need say the same again.
const AGAIN: Span = Span::from_hours(24);

/// So often somebody may ask about the files of one order in that time.
const OF_ORDER_MAX: usize = 20;

/// So many are remembered; who asks beyond that is asked to come again.
const REMEMBERED_MAX: usize = 10_000;

/// Somebody asks for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The order.
    pub order: OrderId,
    /// What of it.
    pub grant: GrantId,
    /// Why there is no more.
    pub why: Refusal,
    /// When.
    pub at: Moment,
}

/// Who asked lately.
#[derive(Debug, Default)]
pub struct Asks {
    asked: Mutex<HashMap<GrantId, (OrderId, Moment)>>,
}

impl Asks {
    /// Whether somebody asked for more of this grant lately.
    pub fn has(&self, grant: GrantId, now: Moment) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(&grant).is_some_and(|(_, at)| now.since(*at) < AGAIN)
    }

    /// Remembers that somebody asks; `false` where that was told lately, [`Refusal::Overloaded`] where too many ask.
    fn add(&self, Asked { order, grant, at: now, why: _ }: Asked) -> Result<bool, Refusal> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.get(&grant).is_some_and(|(_, at)| now.since(*at) < AGAIN) {
            return Ok(false);
        }
        asked.retain(|_, (_, at)| now.since(*at) < AGAIN);
        if asked.len() >= REMEMBERED_MAX || asked.values().filter(|(of, _)| *of == order).count() >= OF_ORDER_MAX {
            return Err(Refusal::Overloaded);
        }
        asked.insert(grant, (order, now));
        Ok(true)
    }
}

/// Takes in that somebody asks for more of a grant of an order, and tells the shop, once in [`AGAIN`].
pub(super) async fn ask(site: &Site, (order, grant): (&Order, &Grant), why: Refusal, at: Moment) -> Result<(), Refusal> {
    let asked = Asked { order: order.id, grant: grant.id, why, at };
    if site.asks.add(asked)? {
        tracing::info!(event = "asked_for_more", order = %order.id, grant = %grant.id, refusal = %why);
        site.tell(|| Event::Asked(asked));
        let told = outbox::wanted(site).messages(&event::Event::more_requested(grant, order, why, at));
        if !told.is_empty() {
            // What is not written is told no more: the log has it.
            let _ = site.messages.post(told).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(order: u16, grant: u16, hours: u64) -> Asked {
        let bits = |number: u16| {
            let mut bits = [0; 12];
            bits[..2].copy_from_slice(&number.to_be_bytes());
            bits
        };
        let at = Moment::EPOCH + Span::from_hours(1000 + hours);
        Asked { order: OrderId::new(bits(order)), grant: GrantId::new(bits(grant)), why: Refusal::LimitReached, at }
    }

    #[test]
    fn the_same_is_told_once_a_day() {
        let asks = Asks::default();
        assert_eq!(asks.add(asked(1, 1, 0)), Ok(true));
        assert_eq!((asks.add(asked(1, 1, 23)), asks.has(asked(1, 1, 0).grant, asked(1, 1, 23).at)), (Ok(false), true));
        assert_eq!(asks.add(asked(1, 2, 23)), Ok(true), "another file is another matter");
        assert_eq!((asks.has(asked(1, 1, 0).grant, asked(1, 1, 24).at), asks.add(asked(1, 1, 24))), (false, Ok(true)));
    }

    #[test]
    fn one_order_is_not_asked_about_without_end_and_not_all_is_remembered() {
        let asks = Asks::default();
        let most = u16::try_from(OF_ORDER_MAX).unwrap();
        for grant in 0..most {
            assert_eq!(asks.add(asked(1, grant, 0)), Ok(true));
        }
        assert_eq!(asks.add(asked(1, most, 1)), Err(Refusal::Overloaded));
        assert_eq!(asks.add(asked(2, most + 1, 1)), Ok(true), "another order is not in the way");
        assert_eq!(asks.add(asked(1, most, 24)), Ok(true));
        let (crowd, all) = (Asks::default(), u16::try_from(REMEMBERED_MAX).unwrap());
        {
            let mut full = crowd.asked.lock().unwrap();
            full.extend((0..all).map(|number| asked(number, number, 0)).map(|asked| (asked.grant, (asked.order, asked.at))));
        }
        assert_eq!(crowd.add(asked(all, all, 1)), Err(Refusal::Overloaded));
        assert_eq!(crowd.add(asked(all, all, 24)), Ok(true), "a day later there is room");
    }
}
