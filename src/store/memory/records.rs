//! What is written down beside the accounts: what people did, and numbers over time.

use std::collections::{BTreeMap, HashMap};

use crate::domain::history::{Act, Author, Entry};
use crate::domain::id::GrantId;
use crate::domain::moment::Moment;
use crate::domain::tally::{Counted, Tally, hour_of};

/// Of one grant, so many of the latest acts are kept.
const HISTORY_MAX: usize = 256;

/// So many of the latest hours are counted: ten years.
const HOURS_MAX: usize = 10 * 366 * 24;

#[derive(Debug, Default)]
pub(super) struct Records {
    history: HashMap<GrantId, Vec<Entry>>,
    tallies: BTreeMap<Moment, BTreeMap<Counted, u64>>,
}

impl Records {
    pub(super) fn write_down(&mut self, grant: GrantId, author: Author, act: Act) {
        let history = self.history.entry(grant).or_default();
        if history.len() >= HISTORY_MAX {
            history.remove(0);
        }
        history.push(Entry { author, act });
    }

    pub(super) fn history(&self, grant: GrantId) -> Vec<Entry> {
        self.history.get(&grant).cloned().unwrap_or_default()
    }

    pub(super) fn count(&mut self, tally: Tally) {
        let count = self.tallies.entry(tally.hour).or_default().entry(tally.what).or_default();
        *count = count.saturating_add(tally.count);
        if self.tallies.len() > HOURS_MAX {
            self.tallies.pop_first();
        }
    }

    pub(super) fn tallies(&self, from: Moment, to: Moment) -> Vec<Tally> {
        let first = hour_of(from);
        let hours = self.tallies.range(first..to.max(first));
        hours.flat_map(|(hour, counts)| counts.iter().map(|(what, count)| Tally { hour: *hour, what: *what, count: *count })).collect()
    }
}
