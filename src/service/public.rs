//! What lies in public directories goes when its time is over.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::credential::{self, NotGiven};
use super::site::Site;
use super::upkeep::LINGER;
use crate::clock;
use crate::domain::account::{CopyReport, Reported, Seen};
use crate::domain::credential::{Holder, UserName};
use crate::domain::id::GrantId;
use crate::domain::moment::Span;
use crate::domain::placed::{CopyState, DirectoryName, Placed, PlacedName, What};
use crate::domain::policy::Policy;
use crate::feed::line::PublicReport;
use crate::public::{Directories, Former, NotPlaced, PublicDirectory, Taken};
use crate::store::{Arrived, Down};

/// What requests in public directories report, of the deliveries and copies that they are of. Those of what is not ours are
/// left out.
pub(super) async fn reports(site: &Site, public: &[PublicReport]) -> Result<Vec<Arrived>, Down> {
    let name = |report: &PublicReport| Placed::name_in(site.configuration.directory_of(&report.path)?.1);
    let named: Vec<(PlacedName, &PublicReport)> = public.iter().filter_map(|report| Some((name(report)?, report))).collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let known = site.store.placed(named.iter().map(|(name, _)| name.clone()).collect()).await?;
    let known: HashMap<&PlacedName, &Placed> = known.iter().map(|placed| (&placed.name, placed)).collect();
    let holders = holders(site, named.iter().filter_map(|(_, told)| told.user.as_deref())).await?;
    let arrived = named.into_iter().filter_map(|(name, told)| {
        let placed = known.get(&name)?;
        let (request, report) = (told.request.clone(), told.report.clone());
        match &placed.what {
            What::Stub(delivery) => {
                let seen = Seen { client: told.client.key(), address: told.client.address };
                Some(Arrived::Delivery(Reported { delivery: *delivery, request, report, seen: Some(seen) }))
            }
            What::Copy(state) => {
                let made = state.made.as_ref().map(|made| made.version.clone());
                // It was fetched before it was written down that it is there: it holds what the master is.
                let version = made.or_else(|| site.storages.look(&placed.file).ok())?;
                let version = site.copies.following.version_of(&name, report.from.map(|(_, total)| total), version);
                // The grant's customer is one and the same under the next user name: a rotation cuts no download in two.
                let is_customer = |user: &str| match holders.get(user) {
                    Some(Holder::Grant(grant)) => *grant == placed.grant,
                    Some(Holder::Everybody) => true,
                    None => false,
                };
                let user = told.user.as_deref().map(|user| if is_customer(user) { placed.grant.to_string() } else { user.to_owned() });
                Some(Arrived::Copy(CopyReport::new(placed.grant, version, told.client.clone(), user.as_deref(), request, report)))
            }
        }
    });
    Ok(arrived.collect())
}

/// Whom those user names are for that are ours.
async fn holders(site: &Site, users: impl Iterator<Item = &str>) -> Result<HashMap<String, Holder>, Down> {
    let ours: HashSet<UserName> = users.filter_map(|user| user.parse().ok()).collect();
    if ours.is_empty() {
        return Ok(HashMap::new());
    }
    let known = site.store.credentials_named(ours.into_iter().collect()).await?;
    Ok(known.into_iter().map(|known| (known.user.to_string(), known.holder)).collect())
}

/// After so many failures in a row in one directory the rest of a step is not tried: what is wrong is the directory.
const FAILURES_MAX: usize = 8;

/// Nothing can be done in a directory that is not configured: a reload brings what lies there forward, and this is for what
/// it does not reach.
const UNKNOWN_AGAIN: Span = Span::from_hours(1);

/// Takes away what has to go, and remembers that it is gone. What cannot be taken away is said once, and is tried again.
pub(super) async fn take_away(site: &Site, going: Vec<Placed>) {
    // Who may not enter any more is shut out before the row says that all is done: a crash in between is made good.
    let grants: Vec<GrantId> = going.iter().filter(|placed| matches!(placed.what, What::Copy(_))).map(|placed| placed.grant).collect();
    // A htpasswd file that could not be written was said, and is tried again; the copies go nevertheless.
    if let Err(NotGiven::Down(down)) = credential::withdraw(site, &grants).await {
        tracing::warn!(event = "sweep_waits", "user names of those whose copies go do not end yet: {down}");
        // All of these rows are looked at again.
        put_off(site, &going);
        return;
    }
    let now = Instant::now();
    let mut by_directory: BTreeMap<DirectoryName, Vec<Placed>> = BTreeMap::new();
    for placed in going {
        if !site.upkeep.retries().may_try(&placed.name, now) {
            continue;
        }
        if is_being_read(site, &placed).await {
            put_off(site, &[placed]);
        } else {
            by_directory.entry(placed.directory.clone()).or_default().push(placed);
        }
    }
    for (name, rows) in by_directory {
        let is_here = site.directories.named(&name).is_some();
        let (known, unknown) = rows.into_iter().partition(|placed| is_here || site.directories.former_of(placed).next().is_some());
        let taken = take_out(site, &name, known).await;
        remember(site, taken.into_iter().map(|placed| placed.name).collect()).await;
        let why = "no [[directory]] has this name any more: what lies there stays until it is configured again";
        rest(site, &name, unknown.into_iter().map(|placed| (placed, why.to_owned())).collect()).await;
    }
    site.metrics.public.waiting.set(i64::try_from(site.upkeep.retries().len()).unwrap_or(i64::MAX));
}

/// What nobody can do anything about now is tried again later, and said once.
async fn rest(site: &Site, directory: &DirectoryName, rows: Vec<(Placed, String)>) {
    if rows.is_empty() {
        return;
    }
    for (placed, why) in &rows {
        let is_news = site.upkeep.retries().rests(placed, why, clock::now(), Instant::now(), UNKNOWN_AGAIN.into());
        tell_not_removed(site, placed, why, is_news);
    }
    let names = rows.into_iter().map(|(placed, _)| placed.name).collect();
    if let Err(down) = site.store.going_later(names, clock::now() + UNKNOWN_AGAIN).await {
        tracing::debug!(event = "sweep_waits", %directory, "what lies there is looked at again in a minute: {down}");
    }
}

/// Takes `rows` out of `directory`, and out of the places where it was before; says what came of each, and gives those that
/// are nowhere any more. What is in hand is left to whoever has it there.
pub(super) async fn take_out(site: &Site, directory: &DirectoryName, rows: Vec<Placed>) -> Vec<Placed> {
    let (mut held, mut free) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for placed in rows {
        if let Some(hold) = site.upkeep.try_hold(&placed.name) {
            held.push(hold);
            free.push(placed);
        } else {
            // Who has it in hand may have shown it by then.
            site.upkeep.retries().later(&placed, Instant::now());
        }
    }
    let rows = free;
    if rows.is_empty() {
        return Vec::new();
    }
    let (work, asked) = (Arc::clone(&site.directories), rows.clone());
    let taken = tokio::task::spawn_blocking(move || {
        let taken = take_all(&work, rows);
        drop(held);
        taken
    });
    let taken = match taken.await {
        Ok(taken) => taken,
        Err(panic) => {
            tracing::error!(event = "not_removed", %directory, "{panic}");
            put_off(site, &asked);
            return Vec::new();
        }
    };
    let (mut gone, mut out_of_reach) = (Vec::new(), Vec::new());
    for (placed, outcome) in taken {
        match outcome {
            Ok(taken) => {
                log_taken(&placed, &taken);
                if site.upkeep.retries().removed(&placed) {
                    tracing::info!(event = "removes_again", directory = %placed.directory, name = %placed.name);
                }
                gone.push(placed);
            }
            Err(NotTaken::Failed(why)) => not_removed(site, &placed, &why),
            Err(NotTaken::OutOfReach(why)) => out_of_reach.push((placed, why)),
        }
    }
    rest(site, directory, out_of_reach).await;
    gone
}

/// Why something may still be there.
enum NotTaken {
    /// A step failed.
    Failed(String),
    /// It may lie where its directory was before, and that cannot be opened.
    OutOfReach(String),
}

fn take_all(directories: &Directories, rows: Vec<Placed>) -> Vec<(Placed, Result<Taken, NotTaken>)> {
    let mut failures = 0;
    let mut last = String::new();
    let each = rows.into_iter().map(|placed| {
        if failures >= FAILURES_MAX {
            return (placed, Err(NotTaken::Failed(last.clone())));
        }
        let outcome = take_everywhere(directories, &placed);
        failures = if matches!(outcome, Err(NotTaken::Failed(_))) { failures + 1 } else { 0 };
        if let Err(NotTaken::Failed(why)) = &outcome {
            last.clone_from(why);
        }
        (placed, outcome)
    });
    each.collect()
}

/// What is known of `placed` where its directory was before: how a copy was made is known of the one that is here.
fn as_before(placed: &Placed) -> Placed {
    let what = match &placed.what {
        What::Copy(state) => What::Copy(CopyState { made: None, ..state.clone() }),
        What::Stub(_) => placed.what.clone(),
    };
    Placed { what, ..placed.clone() }
}

/// Takes `placed` out of its directory and out of every place where that was before, as far as they can be reached.
fn take_everywhere(directories: &Directories, placed: &Placed) -> Result<Taken, NotTaken> {
    let failed = |fault: NotPlaced| NotTaken::Failed(fault.to_string());
    let mut outcomes: Vec<Result<Taken, NotTaken>> = Vec::with_capacity(1);
    outcomes.extend(directories.named(&placed.directory).map(|here| take(here, placed).map_err(failed)));
    outcomes.extend(directories.former_of(placed).filter_map(|former| take_before(former, placed).transpose()));
    // One of others is told; of our own, that it was somewhere.
    let rank = |taken: &Taken| match taken {
        Taken::WasGone => 0,
        Taken::Gone => 1,
        Taken::Foreign(_) => 2,
    };
    let taken: Vec<Taken> = outcomes.into_iter().collect::<Result<_, _>>()?;
    Ok(taken.into_iter().max_by_key(rank).unwrap_or(Taken::WasGone))
}

/// Takes `placed` out of a place where its directory was before; `None` where that is not at its path any more.
fn take_before(former: &Former, placed: &Placed) -> Result<Option<Taken>, NotTaken> {
    let path = &former.place.path;
    let open = match former.directory() {
        Ok(open) => open,
        Err(_) if former.is_removed() => return Ok(None),
        Err(why) => return Err(NotTaken::OutOfReach(format!("it may lie in {path}, where the directory was before, which {why}"))),
    };
    // Until it was made again where the directory is now its row tells of the one that lies here.
    let known = if is_there(open, placed) == Ok(true) { placed.clone() } else { as_before(placed) };
    if matches!(placed.what, What::Copy(_)) && open.holds_other(&known).is_ok_and(|is_other| is_other) {
        let entry = placed.path();
        return Err(NotTaken::OutOfReach(format!(
            "{path}/{entry}, where the directory was before, is of another user: it may be the copy, which was another name of its \
             master, and nobody can tell since that was replaced; if it is, remove it"
        )));
    }
    take(open, &known).map(Some).map_err(|fault| NotTaken::Failed(fault.to_string()))
}

fn take(directory: &PublicDirectory, placed: &Placed) -> Result<Taken, NotPlaced> {
    match placed.what {
        What::Stub(_) => directory.take_stub(placed),
        What::Copy(_) => directory.take_copy(placed),
    }
}

/// Whether what `placed` is lies in `directory`.
pub(super) fn is_there(directory: &PublicDirectory, placed: &Placed) -> Result<bool, rustix::io::Errno> {
    match placed.what {
        What::Stub(_) => directory.has_stub(placed),
        What::Copy(_) => directory.has_copy(placed),
    }
}

/// Whether somebody is reading the master of something whose grace is over, and may go on. Where a log tells of requests
/// it tells of readers, too; where none does, opens and closes are all that is known. A grant that was withdrawn waits for
/// nobody.
async fn is_being_read(site: &Site, placed: &Placed) -> bool {
    let may_stay =
        matches!(placed.what, What::Stub(_)) && !site.configuration.is_measured() && clock::now() < placed.placed + Policy::RESUME_CAP;
    let now = Instant::now();
    if !may_stay || !site.upkeep.is_read(&placed.file, now, LINGER) {
        return false;
    }
    let Ok(Some(grant)) = site.store.grant(placed.grant).await else { return false };
    let linger = LINGER.min(grant.policy.resume_grace.into());
    let is_good = grant.check().is_ok() && site.upkeep.is_read(&placed.file, now, linger);
    if is_good {
        // When it is closed, others may still read: it is looked at again, ever less often.
        site.upkeep.retries().later(placed, now);
        tracing::debug!(event = "kept", name = %placed.name, directory = %placed.directory, "its time is over, and its master is being read");
    }
    is_good
}

/// What is not tried now waits for its next turn: a turn that has passed would never let the sweep sleep.
fn put_off(site: &Site, rows: &[Placed]) {
    let (mut retries, now) = (site.upkeep.retries(), Instant::now());
    for placed in rows {
        retries.put_off(placed, now);
    }
}

fn not_removed(site: &Site, placed: &Placed, why: &str) {
    let is_news = site.upkeep.retries().failed(placed, why, clock::now(), Instant::now());
    tell_not_removed(site, placed, why, is_news);
}

fn tell_not_removed(site: &Site, placed: &Placed, why: &str, is_news: bool) {
    if is_news {
        tracing::error!(
            event = "not_removed",
            name = %placed.name,
            directory = %placed.directory,
            "it cannot be removed, and is tried again; of others in this directory it is not said: {why}"
        );
        // The directory may be gone.
        site.upkeep.look.notify_one();
    }
}

fn log_taken(placed: &Placed, taken: &Taken) {
    let Placed { name, directory, .. } = placed;
    match taken {
        Taken::Gone => tracing::debug!(event = "removed", %name, %directory),
        Taken::WasGone => tracing::debug!(event = "was_gone", %name, %directory, "it was not there any more"),
        Taken::Foreign(path) => tracing::warn!(event = "foreign_file", %directory, path, "it is not ours and stays"),
    }
}

/// Remembers that nothing is there under `names` any more.
pub(super) async fn remember(site: &Site, names: Vec<PlacedName>) {
    if names.is_empty() {
        return;
    }
    if let Err(down) = site.store.placed_gone(names, clock::now()).await {
        // Their rows say that they are going; the next look finds nothing there.
        tracing::warn!(event = "sweep_waits", "what was removed is not remembered yet: {down}");
    }
}
