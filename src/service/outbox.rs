//! Messages leave: events for webhooks, letters for customers.
//!
//! They stand in the store before anybody sends them, written in the step that they tell of ([`crate::store::OutboxStore`]).
//! Each lane (one webhook, or the mail) has a task of its own, which sleeps until something of it is due or was written; so a
//! webhook that is slow or away holds up nobody else. What was sent and could not be remembered yet is remembered before
//! anything else is sent: a customer gets a letter once, unless the daemon is killed in between.

mod letters;
mod numbers;
mod refused;
mod sending;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

pub(super) use self::numbers::OutboxNumbers;
use self::refused::Throttle;
use self::sending::{Sent, send};
use super::repeated::Ids;
use super::site::{Current, Site};
use crate::clock;
use crate::config::Webhook;
use crate::domain::event::Event;
use crate::domain::message::{Lane, Message, Outcome, Subscriber, Tried, Try, Wanted, WebhookName};
use crate::domain::moment::Moment;
use crate::random;
use crate::store::{Again, Down, Told};

/// So many messages of a lane are on their way at once.
const AT_ONCE: usize = 8;

/// How long is waited after the store did not answer, and before a lane begins again that ended in disorder.
const PAUSE: Duration = Duration::from_secs(5);

/// What is said of what waits for a webhook that is there no more.
const NOT_CONFIGURED: &str = "no section of the configuration says any more where this goes";

/// What lives on from one generation of a site to the next.
#[derive(Debug, Default)]
pub struct Outbox {
    /// What the store tells; changed by us, too, where the lanes have to look.
    told: watch::Sender<Told>,
    /// Another configuration holds, or a webhook is asked again.
    changed: Notify,
    /// Webhooks that said that they are gone, with their URLs: another URL is another webhook.
    gone: Mutex<HashSet<(WebhookName, String)>>,
    /// Lanes that fail, and since when.
    failing: Mutex<HashMap<Lane, Moment>>,
    /// Who was refused of late.
    refused: Mutex<Throttle>,
    /// How many messages are on their way.
    sending: watch::Sender<usize>,
}

impl Outbox {
    /// Another configuration holds from now on.
    pub(super) fn wake(&self) {
        self.changed.notify_one();
        // A permit for all lanes: each looks whether it is still there.
        self.told.send_modify(|_| ());
    }

    /// Whether a webhook said that it is gone.
    pub fn is_gone(&self, webhook: &Webhook) -> bool {
        lock(&self.gone).contains(&key(webhook))
    }

    /// Since when a lane fails, if it does.
    pub fn fails_since(&self, lane: &Lane) -> Option<Moment> {
        lock(&self.failing).get(lane).copied()
    }
}

fn key(webhook: &Webhook) -> (WebhookName, String) {
    (webhook.name.clone(), format!("{}{}", webhook.url.authority, webhook.url.target))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Those who want to hear of events, by the configuration of `site`.
pub(super) fn wanted(site: &Site) -> Wanted {
    let there = site.configuration.webhooks.iter().filter(|webhook| !site.outbox.is_gone(webhook));
    let subscriber = |webhook: &Webhook| Subscriber { name: webhook.name.clone(), kinds: webhook.events.clone(), notice: webhook.notice };
    let letters = site.configuration.mail.as_ref().is_some_and(|mail| mail.orders);
    Wanted { subscribers: there.map(subscriber).collect(), letters }
}

/// The lanes of `site`.
pub fn lanes(site: &Site) -> Vec<Lane> {
    let webhooks = site.configuration.webhooks.iter().map(|webhook| Lane::Webhook(webhook.name.clone()));
    webhooks.chain(site.couriers.mail().map(|_| Lane::Mail)).collect()
}

/// Tells the store what to write events of: to be done before anything is decided. What waits for who is there no more is given
/// up.
pub async fn subscribe(site: &Site) -> Result<(), Down> {
    site.messages.write_for(wanted(site), site.outbox.told.clone()).await?;
    let there = lanes(site);
    for count in site.messages.count_messages().await? {
        if count.state == "waiting" && !there.contains(&count.lane) {
            let given_up = site.messages.give_up(count.lane.clone(), Try::new(clock::now(), NOT_CONFIGURED)).await?;
            tracing::warn!(event = "messages_given_up", lane = %count.lane, messages = given_up, NOT_CONFIGURED);
        }
    }
    Ok(())
}

/// Sends what is due; never ends by itself.
pub async fn work(current: &Current) {
    let mut running: JoinSet<Lane> = JoinSet::new();
    let mut there: HashSet<Lane> = HashSet::new();
    loop {
        let outbox = {
            let site = current.site();
            if let Err(down) = subscribe(&site).await {
                tracing::warn!(
                    event = "outbox_waits",
                    "who is to be told of what happens is not known to the store: {down}; it is tried again"
                );
                drop(site);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            for lane in lanes(&site) {
                if there.insert(lane.clone()) {
                    running.spawn(run(current.clone(), lane));
                }
            }
            Arc::clone(&site.outbox)
        };
        tokio::select! {
            () = outbox.changed.notified() => {}
            Some(ended) = running.join_next() => match ended {
                Ok(lane) => drop(there.remove(&lane)),
                Err(fault) => {
                    tracing::error!(event = "lane_ended", %fault, "what sends messages ended in disorder; it begins again");
                    // Which one it was is not known: all begin again, when those that send have ended.
                    running.shutdown().await;
                    there.clear();
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
}

/// Waits until nothing is on its way.
pub async fn rest(current: &Current, patience: Duration) {
    let outbox = Arc::clone(&current.site().outbox);
    let mut sending = outbox.sending.subscribe();
    if tokio::time::timeout(patience, sending.wait_for(|count| *count == 0)).await.is_err() {
        tracing::warn!(event = "messages_cut", "messages were on their way when the daemon ended; they are sent again, under the same id");
    }
}

/// Sends what is due of one lane, until that is there no more.
async fn run(current: Current, lane: Lane) -> Lane {
    let mut told = current.site().outbox.told.subscribe();
    let mut lost = told.borrow().lost;
    loop {
        let seen = *told.borrow_and_update();
        let site = current.site();
        if !lanes(&site).contains(&lane) {
            return lane;
        }
        if seen.lost != lost {
            lost = seen.lost;
            tracing::error!(event = "events_lost", lost, "so many events wait for webhooks that further ones were not written down");
        }
        let due = match site.messages.due_messages(lane.clone(), clock::now(), AT_ONCE).await {
            Ok(due) => due,
            Err(down) => {
                tracing::warn!(event = "outbox_waits", %lane, "messages wait: {down}");
                drop(site);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if due.messages.is_empty() {
            // Who sleeps holds no generation: its keys are to be wiped.
            drop(site);
            tokio::select! {
                () = clock::until(due.next) => {}
                // Its sender lives as long as the site.
                _ = told.changed() => {}
            }
            continue;
        }
        round(&site, &lane, due.messages).await;
    }
}

/// Sends these messages, and remembers what became of them.
async fn round(site: &Arc<Site>, lane: &Lane, messages: Vec<Message>) {
    let mut on_their_way = JoinSet::new();
    for message in messages {
        let site = Arc::clone(site);
        site.outbox.sending.send_modify(|count| *count += 1);
        on_their_way.spawn(async move {
            let sent = send(&site, &message).await;
            (message, sent)
        });
    }
    let mut tried = Vec::new();
    let mut is_gone = false;
    let count = on_their_way.len();
    while let Some(done) = on_their_way.join_next().await {
        // One that ended in disorder is still due.
        let Ok((message, sent)) = done else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        is_gone |= sent.is_gone;
        let last = Try::new(clock::now(), &sent.answer);
        let [jitter] = random::bytes();
        let one = Tried::new(message.id, message.tries, last, sent.outcome, jitter).after(sent.pause);
        note(site, lane, &message, &one, &sent);
        tried.push(one);
    }
    let at = clock::now();
    while let Err(down) = site.messages.tried(tried.clone()).await {
        // They are not sent again before it is known that they were.
        tracing::warn!(event = "outbox_waits", %lane, "what became of messages is not remembered yet: {down}");
        tokio::time::sleep(PAUSE).await;
    }
    if is_gone {
        gone(site, lane, at).await;
    }
    site.outbox.sending.send_modify(|sending| *sending = sending.saturating_sub(count));
}

/// A webhook said that it is gone for good: nothing more is written for it, and nothing sent.
async fn gone(site: &Site, lane: &Lane, at: Moment) {
    let Lane::Webhook(name) = lane else { return };
    let Some(webhook) = site.configuration.webhooks.iter().find(|webhook| webhook.name == *name) else { return };
    lock(&site.outbox.gone).insert(key(webhook));
    let given_up =
        site.messages.give_up(lane.clone(), Try::new(at, "410 Gone: the webhook takes nothing any more")).await.unwrap_or_default();
    tracing::error!(
        event = "webhook_gone",
        webhook = %name,
        messages = given_up,
        "it answered 410: it is told nothing any more. Take it out of the configuration, or wake it by `cloakroom outbox retry {lane}`"
    );
    site.outbox.changed.notify_one();
}

/// One counter, and a log line for news: that a lane fails is said once, until it works again. What was answered stands in
/// the store alone, as far as it is words of others.
fn note(site: &Site, lane: &Lane, message: &Message, tried: &Tried, sent: &Sent) {
    let (id, outcome) = (message.id, sent.outcome);
    let Try { answer, .. } = Try::new(tried.last.at, &sent.logged);
    site.metrics.outbox.count(lane, tried.state, outcome);
    match outcome {
        Outcome::Sent => {
            tracing::debug!(event = "message_sent", id = %id, %lane, answer);
            if lock(&site.outbox.failing).remove(lane).is_some() {
                tracing::info!(event = "lane_works", %lane, "messages leave again");
            }
        }
        Outcome::Void => tracing::debug!(event = "message_void", id = %id, %lane, answer),
        Outcome::Failed | Outcome::Refused if tried.state.is_some_and(|state| state.word() == "dead") => {
            tracing::error!(
                event = "message_dead",
                id = %id,
                %lane,
                tries = message.tries + 1,
                answer,
                "it is given up: `cloakroom outbox retry {id}` sends it again"
            );
        }
        Outcome::Failed | Outcome::Refused => {
            let is_news = lock(&site.outbox.failing).insert(lane.clone(), tried.last.at).is_none();
            if is_news {
                tracing::warn!(event = "lane_fails", id = %id, %lane, answer, "messages wait and are tried again");
            } else {
                tracing::debug!(event = "message_waits", id = %id, %lane, answer);
            }
        }
    }
}

/// Sends again what was given up; tells how many.
pub async fn again(site: &Site, which: Again) -> Result<u64, Down> {
    if let Again::Lane(Lane::Webhook(name)) = &which {
        lock(&site.outbox.gone).retain(|(gone, _)| gone != name);
        site.outbox.changed.notify_one();
    }
    site.messages.send_again(which, clock::now()).await
}

/// Sends a webhook something to hear, whatever it wants to hear.
pub async fn try_webhook(site: &Site, webhook: &WebhookName, ids: Ids) -> Result<Message, Down> {
    let now = clock::now();
    let message = ids.named(Message::of_event(&Event::tested(now), webhook, now));
    site.messages.post(vec![message.clone()]).await?;
    Ok(message)
}

pub(super) use self::letters::write_anew;
pub use self::letters::{NotWritten, letter_for, try_mail, unmailed, write_again, write_again_of_order};
pub use self::refused::note_refused;
