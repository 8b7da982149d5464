//! Refusals as numbers over time. They are counted here and brought to the store together: a stranger who is refused ten
//! thousand times a second costs one step of the store in [`GATHER`].

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::domain::moment::Moment;
use crate::domain::refusal::Refusal;
use crate::domain::tally::{Counted, Tally, hour_of};
use crate::store::{Down, Store};

/// How long refusals are gathered after the first one: what a crash can lose.
pub const GATHER: Duration = Duration::from_secs(5);

/// How long the store has to take what is left when the daemon stops.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// So many hours are counted while the store does not answer; of more, the oldest is given up.
const HOURS_MAX: usize = 48;

/// Refusals that were counted and are not in the store yet, by hour.
#[derive(Debug, Default)]
pub struct Refusals {
    counted: Mutex<BTreeMap<Moment, BTreeMap<Refusal, u64>>>,
    /// Something was counted after nothing had been.
    first: Notify,
}

impl Refusals {
    /// Counts one.
    pub fn add(&self, refusal: Refusal, now: Moment) {
        self.put(hour_of(now), refusal, 1);
    }

    fn put(&self, hour: Moment, refusal: Refusal, times: u64) {
        // A panic elsewhere leaves numbers, and no wrong ones.
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = counted.is_empty();
        let count = counted.entry(hour).or_default().entry(refusal).or_default();
        *count = count.saturating_add(times);
        if counted.len() > HOURS_MAX {
            counted.pop_first();
        }
        if is_first {
            self.first.notify_one();
        }
    }

    fn take(&self) -> Vec<Tally> {
        let counted = std::mem::take(&mut *self.counted.lock().unwrap_or_else(PoisonError::into_inner));
        let tally = |hour, (refusal, count)| Tally { hour, what: Counted::Refused(refusal), count };
        counted.into_iter().flat_map(|(hour, counts)| counts.into_iter().map(move |counted| tally(hour, counted))).collect()
    }

    fn put_back(&self, tallies: Vec<Tally>) {
        for Tally { hour, what, count } in tallies {
            if let Counted::Refused(refusal) = what {
                self.put(hour, refusal, count);
            }
        }
    }
}

/// Brings what was counted to the store. What it does not take is kept for the next time.
pub async fn bring(refusals: &Refusals, store: &dyn Store) -> Result<(), Down> {
    let tallies = refusals.take();
    if tallies.is_empty() {
        return Ok(());
    }
    let brought = store.count(tallies.clone()).await;
    if brought.is_err() {
        refusals.put_back(tallies);
    }
    brought
}

/// Brings what is counted to the store, [`GATHER`] after the first; sleeps when there is nothing. Never ends by itself.
pub async fn keep(refusals: &Refusals, store: &dyn Store) {
    let mut is_told = false;
    loop {
        if !is_told {
            refusals.first.notified().await;
        }
        tokio::time::sleep(GATHER).await;
        let brought = bring(refusals, store).await;
        if let (Err(down), false) = (brought, is_told) {
            tracing::warn!(event = "refusals_wait", "the numbers of refusals wait: {down}; they are tried again");
        }
        is_told = brought.is_err();
    }
}

/// Brings what is left, when the daemon stops.
pub async fn bring_last(refusals: &Refusals, store: &dyn Store) {
    if !matches!(tokio::time::timeout(STOP_PATIENCE, bring(refusals, store)).await, Ok(Ok(()))) {
        tracing::warn!(event = "refusals_lost", "the store did not take the numbers of the last refusals");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::moment::Span;

    #[test]
    fn what_is_counted_is_taken_once_and_what_is_put_back_is_added() {
        let refusals = Refusals::default();
        let now = Moment::from_seconds(1_900_000_000);
        for _ in 0..3 {
            refusals.add(Refusal::Expired, now);
        }
        refusals.add(Refusal::NoProof, now + Span::from_hours(1));
        let taken = refusals.take();
        assert_eq!(
            taken,
            [
                Tally::new(now, Counted::Refused(Refusal::Expired), 3),
                Tally::new(now + Span::from_hours(1), Counted::Refused(Refusal::NoProof), 1)
            ]
        );
        assert!(refusals.take().is_empty());
        refusals.add(Refusal::Expired, now);
        refusals.put_back(taken);
        assert_eq!(refusals.take().iter().map(|tally| tally.count).collect::<Vec<_>>(), [4, 1]);
    }

    #[test]
    fn a_store_that_is_down_for_days_costs_the_oldest_hours_and_no_more_memory() {
        let refusals = Refusals::default();
        for hour in 0..200 {
            refusals.add(Refusal::NoRule, Moment::EPOCH + Span::from_hours(hour));
        }
        let taken = refusals.take();
        assert_eq!((taken.len(), taken.first().map(|tally| tally.hour)), (HOURS_MAX, Some(Moment::EPOCH + Span::from_hours(152))));
    }
}
