//! What is kept about people: shown, forgotten on demand, and shortened when its time is over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::site::{Current, Site};
use crate::clock;
use crate::domain::delivery::Delivery;
use crate::domain::grant::Grant;
use crate::domain::id::OrderId;
use crate::domain::moment::{Moment, Span};
use crate::domain::order::{Customer, Order, ShopName};
use crate::random;
use crate::store::{Down, FORGOTTEN_MAX, Filter, Forgotten, Held};

/// Of one grant so many deliveries are shown, the newest.
pub const SHOWN_MAX: usize = 100;

/// A store that does not answer is asked again after this.
const AGAIN: Span = Span::from_seconds(60);

/// Between two parts others have their turn.
const BREATH: Duration = Duration::from_millis(100);

/// No sleep is longer: what has ended when the clock was set back is not forgotten for ever, and what is kept for a day goes
/// within an hour of it.
const SLEEP_MAX: Span = Span::from_hours(1);

/// All that is kept about a customer.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Their orders, the oldest first.
    pub orders: Vec<Order>,
    /// Their grants, each with its newest deliveries.
    pub grants: Vec<(Grant, Vec<Delivery>)>,
    /// How many letters to them are about none of these.
    pub letters: u64,
}

/// Why nobody is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotForgotten {
    /// They are so many people, by their mail addresses and their numbers in shops.
    Several(usize),
    /// The store does not answer.
    Down(Down),
}

impl From<Down> for NotForgotten {
    fn from(down: Down) -> Self {
        Self::Down(down)
    }
}

/// What is kept about `who`, if they are one person: a name, and the number of a customer in a shop, may be that of several, of
/// whom one alone asked to be forgotten.
async fn held_of_one(site: &Site, who: &str) -> Result<Held, NotForgotten> {
    let held = site.privacy.held_of(who.to_owned()).await?;
    let mut named = BTreeSet::new();
    for order in &held.orders {
        named.extend(site.orders.order(*order).await?.map(|order| {
            let Customer { id, email, .. } = order.customer;
            (order.shop, id.trim().to_owned(), email.trim().to_ascii_lowercase())
        }));
    }
    // Who has a mail address is known by it, also where one order of the same number says none; others by their number in a shop.
    let with_address = |shop: &ShopName, number: &str| {
        let same = |(other, id, email): &&(ShopName, String, String)| other == shop && id == number && !email.is_empty();
        named.iter().find(same).map(|(_, _, email)| email.clone()).filter(|_| !number.is_empty())
    };
    let people: BTreeSet<_> = named
        .iter()
        .map(|(shop, id, email)| {
            let address = if email.is_empty() { with_address(shop, id) } else { Some(email.clone()) };
            address.ok_or_else(|| (shop.clone(), id.clone()))
        })
        .collect();
    let is_one = people.len() <= 1 || people.contains(&Ok(who.to_ascii_lowercase()));
    if is_one { Ok(held) } else { Err(NotForgotten::Several(people.len())) }
}

/// Looks up what is kept about `who`: a mail address, what a shop calls a customer, a name, or the words of grants.
pub async fn about(site: &Site, who: &str) -> Result<About, Down> {
    let Held { orders, grants, letters } = site.privacy.held_of(who.to_owned()).await?;
    let mut about = About { letters, ..About::default() };
    for order in orders {
        about.orders.extend(site.orders.order(order).await?);
    }
    for id in grants {
        let Some(grant) = site.store.grant(id).await? else { continue };
        let deliveries = site.store.deliveries(Filter { grant: Some(id), before: None, limit: SHOWN_MAX }).await?;
        about.grants.push((grant, deliveries));
    }
    Ok(about)
}

/// What is to be forgotten of `who`, in numbers. Nothing is.
pub async fn rehearse(site: &Site, who: &str) -> Result<Forgotten, NotForgotten> {
    let held = held_of_one(site, who).await?;
    let (orders, grants) = (held.orders.len() as u64, held.grants.len() as u64);
    let mut told = Forgotten { orders, grants, messages: held.letters, ..Forgotten::default() };
    let message_of = |order: OrderId| crate::store::Messages { order: Some(order), ..crate::store::Messages::default() };
    for order in held.orders {
        told.messages += site.messages.messages(message_of(order)).await?.len() as u64;
    }
    for grant in held.grants {
        let which = crate::store::Messages { grant: Some(grant), ..crate::store::Messages::default() };
        told.messages += site.messages.messages(which).await?.len() as u64;
        let mut before = None;
        loop {
            let page = site.store.deliveries(Filter { grant: Some(grant), before, limit: 0 }).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            let ended = page.iter().filter(|delivery| delivery.closed.is_some()).count();
            told.deliveries += ended as u64;
            told.running += (page.len() - ended) as u64;
        }
    }
    Ok(told)
}

/// Forgets who `who` is: one name that means nobody takes the place of theirs, everywhere. What was sold and counted stays.
///
/// Orders come last: by them the rest is found again where this ends in the middle.
pub async fn forget(site: &Site, who: &str, author: &str) -> Result<(Forgotten, String), NotForgotten> {
    let pseudonym = format!("forgotten-{}", OrderId::new(random::bytes()).to_string().chars().skip(2).take(8).collect::<String>());
    let mut told = Forgotten::default();
    let mut add = |done: Forgotten| {
        told.orders += done.orders;
        told.grants += done.grants;
        told.deliveries += done.deliveries;
        told.running += done.running;
        told.messages += done.messages;
    };
    // Nobody reports an order of theirs anew meanwhile.
    let alone = site.amending.lock().await;
    let held = held_of_one(site, who).await?;
    add(Forgotten { messages: site.privacy.forget_letters(who.to_owned()).await?, ..Forgotten::default() });
    for grant in held.grants {
        add(site.privacy.forget_grant(grant, pseudonym.clone()).await?);
    }
    for order in held.orders {
        add(site.privacy.forget_order(order, pseudonym.clone()).await?);
    }
    if told.orders > 0 || told.grants > 0 {
        // They may name the customer, and are sealed: whose they are is not known.
        site.callers.forget_answers().await?;
    }
    drop(alone);
    // Who it was is not said here either.
    tracing::info!(event = "customer_forgotten", pseudonym, orders = told.orders, grants = told.grants, author);
    Ok((told, pseudonym))
}

/// Puts networks in the place of addresses of deliveries that ended as long ago as the configuration says, and forgets calls
/// that were answered and messages that left when their time is over; for ever.
pub async fn keep(current: &Current) {
    loop {
        let (pause, otherwise) = {
            let site = current.site();
            (step(&site).await, Arc::clone(&site.kept_otherwise))
        };
        // Who sleeps holds no generation: its keys are to be wiped.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = otherwise.notified() => {}
        }
    }
}

/// One part of each; how long until the next is due.
async fn step(site: &Site) -> Duration {
    let now = clock::now();
    shorten(site, now).await.min(forget_old(site, now).await)
}

/// A part of what nobody asks for any more, and which may name customers.
async fn forget_old(site: &Site, now: Moment) -> Duration {
    let forgotten = async { Ok((site.callers.forget_old_calls(now).await?, site.messages.forget_old_messages(now).await?)) };
    match forgotten.await {
        Ok((calls, messages)) => {
            if calls + messages > 0 {
                tracing::debug!(event = "forgotten", calls, messages);
            }
            if calls.max(messages) < FORGOTTEN_MAX { SLEEP_MAX.into() } else { BREATH }
        }
        Err::<_, Down>(down) => {
            tracing::warn!(event = "not_forgotten", %down, "calls and messages whose time is over are still kept; tried again in a minute");
            AGAIN.into()
        }
    }
}

/// A part of the addresses whose time is over.
async fn shorten(site: &Site, now: Moment) -> Duration {
    let Some(kept) = site.configuration.addresses_kept else { return SLEEP_MAX.into() };
    let before = Moment::EPOCH + now.since(Moment::EPOCH + kept);
    match site.privacy.blur_addresses(before).await {
        Ok(done) => {
            if done.deliveries > 0 {
                tracing::debug!(event = "addresses_shortened", deliveries = done.deliveries);
            }
            match done.next {
                Some(next) if next < before => BREATH,
                // What ends from now on is due later than that.
                Some(next) => (next + kept).since(now).max(Span::from_seconds(1)).min(SLEEP_MAX).into(),
                None => kept.max(Span::from_seconds(1)).min(SLEEP_MAX).into(),
            }
        }
        Err(down) => {
            tracing::warn!(event = "addresses_kept", %down, "addresses whose time is over are still kept; tried again in a minute");
            AGAIN.into()
        }
    }
}
