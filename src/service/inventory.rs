//! What lies in public directories: for whom, why it is still there, until when; and what is not ours.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fmt;
use std::sync::Arc;

use super::listing;
use super::public::is_there;
use super::retries::Trouble;
use super::site::Site;
use crate::clock;
use crate::domain::account::Account;
use crate::domain::delivery::{Delivery, State};
use crate::domain::grant::Standing;
use crate::domain::moment::Moment;
use crate::domain::placed::{DirectoryName, Placed, PlacedName, Stay, What};
use crate::public::{Listing, PublicDirectory, Seen, shown};
use crate::store::{Down, LIST_MAX};

/// So many foreign names of a directory are told; their number is told whole.
pub const FOREIGN_TOLD_MAX: usize = 100;

/// Where a page of a list ends: the next one begins behind it.
pub type After = (Moment, PlacedName);

/// One thing that we placed, as it stands.
#[derive(Debug)]
pub struct Lying {
    /// Its row.
    pub placed: Placed,
    /// Whom its grant is for.
    pub customer: String,
    /// Its delivery, for a stub.
    pub delivery: Option<Delivery>,
    /// Why it is there.
    pub why: Why,
    /// Whether it really is; `None` where the directory cannot be looked into.
    pub is_there: Option<bool>,
}

/// Why something is in public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its download can be gone on with until this moment.
    Open(Moment),
    /// Its download has ended or is counted; requests for more of it are answered until this moment.
    Grace(Moment),
    /// It is being made, or is made when it is due.
    Preparing(Moment),
    /// A copy, whose grant lasts until this moment, or for ever.
    Sold(Option<Moment>),
    /// Nothing keeps it: it goes with the next look of the sweep, which is at hand.
    Due(Cause),
    /// It is being taken away, or could not be and is tried again at this moment.
    Going(Moment, Option<Trouble>),
    /// It was gone at this moment.
    Gone(Moment),
}

/// Why nothing keeps something in public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The grant was revoked.
    Revoked,
    /// The grant was suspended.
    Suspended,
    /// The time of its delivery, or of a copy's grant, was over at this moment.
    Over(Moment),
    /// More was sent than the delivery or the grant has bytes.
    Overdrawn,
    /// Its delivery or its grant is not known any more.
    Unknown,
}

/// A clause.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revoked => f.write_str("its grant was revoked"),
            Self::Suspended => f.write_str("its grant was suspended"),
            Self::Over(at) => write!(f, "its time was over at {at}"),
            Self::Overdrawn => f.write_str("more was sent of it than its grant has bytes for"),
            Self::Unknown => f.write_str("nothing is known of its download any more"),
        }
    }
}

/// Something in a public directory that is not ours, and that nobody but people removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Its name in the directory.
    pub name: String,
    /// What it is: `directory`, `file`, …
    pub kind: &'static str,
    /// What to know of it.
    pub note: &'static str,
}

/// What is not ours in one directory.
#[derive(Debug, Default)]
pub struct Foreigners {
    /// How many there are.
    pub total: usize,
    /// The first of them, by name.
    pub first: Vec<Foreign>,
}

/// What lies in public, by when it is looked at next: at most `limit`, those after `after`, those of `directory` alone if
/// one is named. With where the next page begins, where there may be one.
pub async fn page(
    site: &Site,
    directory: Option<&DirectoryName>,
    after: Option<After>,
    limit: usize,
) -> Result<(Vec<Lying>, Option<After>), Down> {
    let (mut found, mut after) = (Vec::new(), after);
    // Of those of one directory more have to be read; one more than is asked for tells whether there is another page.
    let asked = if directory.is_some() { LIST_MAX } else { LIST_MAX.min(limit + 1) };
    loop {
        let rows = site.store.placed_there(after.clone(), asked).await?;
        let is_last = rows.len() < asked;
        for placed in rows {
            if found.len() == limit {
                return Ok((found, after));
            }
            after = Some((placed.due, placed.name.clone()));
            if directory.is_none_or(|wanted| *wanted == placed.directory) {
                found.push(lying(site, placed).await?);
            }
        }
        if is_last {
            return Ok((found, None));
        }
    }
}

/// How one thing stands.
pub async fn lying(site: &Site, placed: Placed) -> Result<Lying, Down> {
    let delivery = placed.what.delivery();
    let account = site.store.account(placed.grant, delivery).await?;
    let why = why(&placed, account.as_ref(), site.upkeep.retries().trouble(&placed.name), clock::now());
    let delivery = delivery.and_then(|id| account.as_ref()?.delivery(id).cloned());
    let is_there = match (site.directories.named(&placed.directory), placed.stay) {
        (Some(open), Stay::Live | Stay::Going) => {
            let (open, row) = (Arc::clone(open), placed.clone());
            let look = move || is_there(&open, &row).ok();
            tokio::task::spawn_blocking(look).await.ok().flatten()
        }
        _ => None,
    };
    Ok(Lying { customer: account.map(|account| account.grant.customer).unwrap_or_default(), placed, delivery, why, is_there })
}

fn why(placed: &Placed, account: Option<&Account>, trouble: Option<Trouble>, now: Moment) -> Why {
    match placed.stay {
        Stay::Going => return Why::Going(placed.due, trouble),
        Stay::Gone(at) => return Why::Gone(at),
        Stay::Preparing => return Why::Preparing(placed.due),
        Stay::Live => {}
    }
    let Some(account) = account else { return Why::Due(Cause::Unknown) };
    let id = match &placed.what {
        What::Stub(id) => *id,
        What::Copy(state) => return of_copy(account, state.over, now),
    };
    match (account.stays_until(id, now), account.delivery(id)) {
        (Some(until), Some(delivery)) if matches!(delivery.state, State::Offered | State::Open) => Why::Open(until),
        (Some(until), _) => Why::Grace(until),
        (None, delivery) => Why::Due(cause(account, delivery)),
    }
}

fn of_copy(account: &Account, over: Option<Moment>, now: Moment) -> Why {
    let stays = account.copy_stays(over, now);
    match (stays.until, stays.over) {
        (Some(_), None) => Why::Sold(account.grant.expires),
        (Some(until), Some(_)) => Why::Open(until),
        (None, over) => Why::Due(match (account.grant.standing, over) {
            (Standing::Active, over) => Cause::Over(over.unwrap_or(now)),
            _ => cause(account, None),
        }),
    }
}

/// What ended the stay of something for `delivery`, as far as it can be told afterwards.
pub(super) fn cause(account: &Account, delivery: Option<&Delivery>) -> Cause {
    match account.grant.standing {
        Standing::Revoked => Cause::Revoked,
        Standing::Suspended => Cause::Suspended,
        Standing::Active if delivery.is_some_and(|delivery| account.is_overdrawn(delivery)) => Cause::Overdrawn,
        Standing::Active => delivery.map_or(Cause::Unknown, |delivery| Cause::Over(delivery.grace_ends(&account.grant.policy))),
    }
}

/// What is not ours in a directory. `Err` where it cannot be looked into.
pub async fn foreigners(site: &Site, directory: &Arc<PublicDirectory>) -> Result<Result<Foreigners, String>, Down> {
    let open = Arc::clone(directory);
    let names = match tokio::task::spawn_blocking(move || open.names()).await {
        Ok(Ok(names)) => names,
        Ok(Err(error)) => return Ok(Err(error.to_string())),
        Err(ended) => return Ok(Err(ended.to_string())),
    };
    let read = listing::read(site, &directory.entry.name, names, |_| false, &BTreeSet::new(), FOREIGN_TOLD_MAX).await?;
    let Listing { ours, mut others } = match read {
        Ok(listing) => listing,
        Err(fault) => return Ok(Err(fault)),
    };
    let (ours, gone) = unknown(site, directory, ours).await?;
    let open = Arc::clone(directory);
    let tell = move || {
        for name in &ours {
            others.add(OsStr::new(name), &BTreeSet::new(), FOREIGN_TOLD_MAX);
        }
        let told = others.first.iter().filter_map(|found| {
            let (seen, name) = (open.seen(found).ok().flatten()?, shown(found));
            let note = note(&name, &seen, gone.contains(&name));
            Some(Foreign { name, kind: seen.kind, note })
        });
        Foreigners { total: others.total, first: told.collect() }
    };
    Ok(Ok(tokio::task::spawn_blocking(tell).await.unwrap_or_default()))
}

/// What to know of something foreign.
pub(super) fn note(name: &str, seen: &Seen, was_ours: bool) -> &'static str {
    match (was_ours, Placed::name_in(name).is_some()) {
        (true, _) => "what was ours under this name is gone; others put something there",
        (false, true) if seen.is_of_our_user => "named as ours are, and not in the store: is the store one from a backup?",
        (false, true) => "named as ours are, and somebody else's",
        (false, false) => "",
    }
}

/// Those of `names` in a directory, which have the form of ours, under which nothing of ours should lie; and those of them
/// under which something of ours lay.
async fn unknown(site: &Site, directory: &PublicDirectory, mut names: HashSet<String>) -> Result<(HashSet<String>, HashSet<String>), Down> {
    let mut gone = HashSet::new();
    let asked: Vec<PlacedName> = names.iter().filter_map(|name| Placed::name_in(name)).collect();
    for part in asked.chunks(LIST_MAX) {
        for placed in site.store.placed(part.to_vec()).await? {
            if placed.directory != directory.entry.name {
                continue;
            }
            match placed.stay {
                Stay::Preparing | Stay::Live | Stay::Going => drop(names.remove(&placed.entry())),
                Stay::Gone(_) => drop(gone.insert(placed.entry())),
            }
        }
    }
    Ok((names, gone))
}
