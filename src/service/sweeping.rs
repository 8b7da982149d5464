//! The sweep, on demand: what it would take away now, and doing it.

use tokio::time::Instant;

use super::inventory::{After, Lying, Why, lying};
use super::places;
use super::public::take_away;
use super::site::{Current, Site};
use crate::clock;
use crate::domain::placed::{PlacedName, Stay};
use crate::store::{Down, LIST_MAX};

/// So much is taken away by one order; what is left after that, the daemon's own sweep goes on with.
pub const SWEPT_MAX: usize = 10_000;

/// What a sweep would do, or did.
#[derive(Debug, Default)]
pub struct Swept {
    /// What would go or is gone, and what could not be removed; the first of it.
    pub first: Vec<Lying>,
    /// How many of these there are.
    pub total: usize,
    /// How many stay, since something keeps them.
    pub staying: usize,
}

/// Why nothing is swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSwept {
    /// What was reported while the daemon was down is not settled yet: what is complete may look unfinished.
    NotCaughtUp,
    /// The store does not answer.
    Down(Down),
}

impl From<Down> for NotSwept {
    fn from(down: Down) -> Self {
        Self::Down(down)
    }
}

/// What a sweep would take away now. Changes nothing.
pub async fn rehearse(site: &Site) -> Result<Swept, Down> {
    let mut swept = Swept::default();
    let mut after: Option<After> = None;
    loop {
        let rows = site.store.placed_there(after.clone(), LIST_MAX).await?;
        let is_last = rows.len() < LIST_MAX;
        let now = clock::now();
        for placed in rows {
            after = Some((placed.due, placed.name.clone()));
            // What is there is looked at not later than it has to go.
            if placed.stay == Stay::Live && placed.due > now || placed.stay == Stay::Preparing {
                swept.staying += 1;
                continue;
            }
            let found = lying(site, placed).await?;
            match found.why {
                Why::Open(_) | Why::Grace(_) | Why::Preparing(_) | Why::Sold(_) => swept.staying += 1,
                Why::Due(_) | Why::Going(..) | Why::Gone(_) => swept.take(found),
            }
        }
        if is_last {
            return Ok(swept);
        }
    }
}

impl Swept {
    fn take(&mut self, found: Lying) {
        self.total += 1;
        if self.first.len() < LIST_MAX {
            self.first.push(found);
        }
    }
}

/// Takes away now what has to go, and tries again what could not be removed before.
pub async fn sweep_now(current: &Current) -> Result<Swept, NotSwept> {
    places::reach(current).await;
    let site = &current.site();
    if !*site.caught_up.borrow() {
        return Err(NotSwept::NotCaughtUp);
    }
    let names = {
        let _alone = site.sweeping.lock().await;
        let here = site.directories.iter().map(|directory| &directory.entry.name);
        for directory in here.chain(site.directories.former().map(|former| &former.place.directory)) {
            site.upkeep.retries().hasten(directory, Instant::now());
        }
        let mut names = again(site).await?;
        while names.len() < SWEPT_MAX {
            let closing = site.store.close_due(clock::now()).await?;
            for change in &closing.changes {
                super::settle::note(site, change);
            }
            names.extend(closing.going.iter().map(|placed| placed.name.clone()));
            take_away(site, closing.going).await;
            if closing.next.is_none_or(|next| next > clock::now()) {
                break;
            }
        }
        names
    };
    // It slept with what was due before.
    site.wake.notify_one();
    let mut swept = Swept { staying: rehearse(site).await?.staying, ..Swept::default() };
    for part in names.chunks(LIST_MAX) {
        for placed in site.store.placed(part.to_vec()).await? {
            if swept.first.len() < LIST_MAX {
                swept.take(lying(site, placed).await?);
            } else {
                swept.total += 1;
            }
        }
    }
    Ok(swept)
}

/// Tries once more what waits to be tried again.
async fn again(site: &Site) -> Result<Vec<PlacedName>, Down> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let rows = site.store.placed_there(after.clone(), LIST_MAX).await?;
        let is_last = rows.len() < LIST_MAX;
        after = rows.last().map(|last| (last.due, last.name.clone()));
        let going: Vec<_> = rows.into_iter().filter(|placed| placed.stay == Stay::Going).collect();
        names.extend(going.iter().map(|placed| placed.name.clone()));
        take_away(site, going).await;
        if is_last || names.len() >= SWEPT_MAX {
            return Ok(names);
        }
    }
}
