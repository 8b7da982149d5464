//! What web servers and our own streams report settles deliveries; what nobody finished ends when its time comes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::metrics::FeedLine;
use super::site::{Current, Event, Site};
use crate::clock;
use crate::domain::account::{Change, Reported};
use crate::domain::delivery::State;
use crate::domain::feed_position::FeedPosition;
use crate::domain::moment::Moment;
use crate::feed::Batch;
use crate::store::{Arrived, Down};

/// How long the sweep waits after the store did not answer.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// Settles reports, together with how far the feed was read. Tells how many of them were news of a request that is known.
/// What they say that cannot be is bounded, and said in one line for all of them.
pub async fn settle(site: &Site, reports: Vec<Reported>, position: Option<FeedPosition>) -> Result<usize, Down> {
    settle_all(site, reports.into_iter().map(Arrived::Delivery).collect(), position).await
}

async fn settle_all(site: &Site, mut reports: Vec<Arrived>, position: Option<FeedPosition>) -> Result<usize, Down> {
    let now = clock::now();
    let ahead = reports.iter_mut().map(|arrived| usize::from(arrived.report_mut().arrive(now))).sum::<usize>();
    let are_copies = reports.iter().any(|arrived| matches!(arrived, Arrived::Copy(_)));
    let changes = site.store.settle_all(reports, position).await?;
    site.metrics.reported(changes.iter().fold(0_u64, |sum, change| sum.saturating_add(change.bytes)));
    if ahead > 0 {
        tracing::warn!(
            event = "reports_ahead",
            reports = ahead,
            "reports of answers that end in the future; they count as ended now: is a clock wrong?"
        );
    }
    let mut beyond = changes.iter().filter(|change| change.bytes_beyond > 0).peekable();
    if let Some(Change { delivery, bytes_beyond, .. }) = beyond.peek() {
        let first = format!("{delivery}: {bytes_beyond} bytes too many");
        tracing::warn!(
            event = "reports_beyond",
            reports = beyond.count(),
            %first,
            "reports say more bytes than can have been sent in answer; those beyond are not counted"
        );
    }
    for change in &changes {
        note(site, change);
    }
    let offered_again = |change: &Change| change.before == State::Open && change.state == State::Offered;
    let is_urgent = |change: &Change| change.is_overdrawn || offered_again(change);
    if (are_copies && !changes.is_empty()) || changes.iter().any(is_urgent) {
        // What has no bytes left goes at once. An offer ends sooner than what was open; what was fetched at a copy's address has begun, or was the last of it.
        site.wake.notify_one();
    }
    // Of a copy one report begins a delivery, and is settled.
    Ok(changes.iter().filter(|change| !(change.before == State::Offered && change.state == State::Open)).count())
}

/// What became of the lines of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// They reported a request of a delivery, and were settled.
    pub settled: usize,
    /// They name a delivery or a request that is not known, or was reported before.
    pub unknown: usize,
    /// They name no delivery.
    pub other: usize,
    /// They have not the form of the shipped log format.
    pub malformed: usize,
}

/// Settles what a web server reports, and counts it.
pub async fn take(site: &Site, batch: &Batch) -> Result<LineCounts, Down> {
    let mut arrived: Vec<Arrived> = batch.reports.iter().cloned().map(Arrived::Delivery).collect();
    arrived.extend(super::public::reports(site, &batch.public).await?);
    super::zen_cart::asked(site, &batch.public);
    let settled = settle_all(site, arrived, batch.position).await?;
    let unknown = (batch.reports.len() + batch.public.len()).saturating_sub(settled);
    let counts = LineCounts { settled, unknown, other: batch.others(), malformed: batch.faults.len() };
    for (outcome, lines) in [
        (FeedLine::Settled, counts.settled),
        (FeedLine::Unknown, counts.unknown),
        (FeedLine::Other, counts.other),
        (FeedLine::Malformed, counts.malformed),
        (FeedLine::Lost, batch.lost),
    ] {
        site.metrics.feed_lines(outcome, lines as u64);
    }
    Ok(counts)
}

/// So long the sweep waits for the feed after a start, and after the store did not settle. A log of some GiB is read in
/// less; one that cannot be read at all must not keep units reserved for ever.
const CATCH_UP: Duration = Duration::from_mins(5);

/// Of what could not be taken out of public directories so much is tried again in one step.
const AGAIN_MAX: usize = 128;

/// Ends what is due, then sleeps until the earliest deadline or a wake-up; never ends by itself.
pub async fn sweep(current: &Current) {
    loop {
        let site = current.site();
        // What arrived while the daemon or the store was down stands in the log: nothing is presumed before that has been
        // read.
        if tokio::time::timeout(CATCH_UP, all_is_settled(&site)).await.is_err() {
            tracing::warn!(event = "sweep_starts", "the feed has not caught up; what is due ends with what is known");
            // It is waited for again when it was held up again.
            site.caught_up.send_replace(true);
            site.streams.wait_no_longer();
        }
        // What is decided from here on may be missing in the answer, and wakes the sweep again.
        site.sweep_sleeps_until.store(u64::MAX, Ordering::SeqCst);
        let alone = site.sweeping.lock().await;
        let (next, again) = match site.store.close_due(clock::now()).await {
            Ok(closing) => {
                for change in &closing.changes {
                    note(&site, change);
                }
                let again = site.upkeep.retries().due(tokio::time::Instant::now(), AGAIN_MAX);
                super::public::take_away(&site, [closing.going, again].concat()).await;
                site.sweep_sleeps_until.store(closing.next.map_or(u64::MAX, Moment::millis), Ordering::SeqCst);
                let again = site.upkeep.retries().next().map(|next| next.saturating_duration_since(tokio::time::Instant::now()));
                (closing.next, again)
            }
            Err(down) => {
                tracing::warn!(event = "sweep_waits", "the sweep cannot end what is due: {down}; it tries again");
                (None, Some(STORE_PAUSE))
            }
        };
        drop(alone);
        tokio::select! {
            () = clock::until(next) => {}
            () = pause(again) => {}
            () = site.wake.notified() => {}
        }
    }
}

/// Waits until what was reported is settled: by the web server, and by our own streams.
async fn all_is_settled(site: &Site) {
    // Its sender is part of the site, so it does not end before the answer.
    let _ = site.caught_up.subscribe().wait_for(|caught_up| *caught_up).await;
    site.streams.caught_up().await;
}

async fn pause(wait: Option<Duration>) {
    match wait {
        // A little longer than asked: a timer that fires early would find nothing due and spin.
        Some(wait) => tokio::time::sleep(wait + Duration::from_millis(1)).await,
        None => std::future::pending().await,
    }
}

/// Notes a change of a delivery: one counter, one log line, and those who follow are told.
pub fn note(site: &Site, change: &Change) {
    let Change { delivery, grant, client, state, before, covered, size, .. } = change;
    let client = client.address;
    site.metrics.changed(change);
    if state == before {
        tracing::debug!(%client, event = "received", %delivery, %grant, covered, size);
    } else {
        tracing::info!(%client, event = state.word(), %delivery, %grant, covered, size);
    }
    site.tell(|| Event::Changed(change.clone()));
}
