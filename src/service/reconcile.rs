//! A whole look: what lies in the public directories, and what the store remembers of it, become alike.
//!
//! | row | file | then |
//! |---|---|---|
//! | live | – | of a stub the row is gone, and the next click makes another; in a directory that was away, and where it lies at a former place of its directory, it is placed again; a copy is made again |
//! | going | – or there | it is taken away |
//! | gone | there | it is taken away |
//! | – | there | it is not ours: said once, counted, never touched |

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use rustix::io::Errno;

use super::following;
use super::listing;
use super::masters::Masters;
use super::public::{is_there, remember, take_away, take_out};
use super::site::Site;
use crate::clock;
use crate::domain::moment::Moment;
use crate::domain::placed::{DirectoryName, Placed, PlacedName, Stay, What};
use crate::domain::probe;
use crate::public::{Listing, NotPlaced, Others, PublicDirectory, Taken, Tidied};
use crate::store::{Down, LIST_MAX};

/// So much is taken away, or made again, in one step.
const STEP: usize = 128;

/// Names that belong in a public directory, and are not ours: a web server's configuration, a file system's own.
const EXPECTED: [&str; 2] = [".htaccess", "lost+found"];

/// Whether nobody wonders that `name` lies in a public directory: for a moment that of a check does.
fn is_expected(name: &OsStr, now: Moment) -> bool {
    EXPECTED.iter().any(|expected| name == *expected) || name.to_str().is_some_and(|name| probe::is_young(name, now))
}

/// So many foreign files are named in the log, and remembered as said, for each directory.
pub(super) const FOREIGN_MAX: usize = 100;

/// What a whole look found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The masters of what is in public.
    pub(super) masters: Masters,
    /// What is not ours.
    pub(super) foreign: BTreeMap<DirectoryName, Others>,
    /// So many could not be placed again, and are to be tried again soon.
    pub(super) waiting: usize,
    rows: usize,
    missing: Vec<Placed>,
    going: Vec<Placed>,
}

/// What is known already to be foreign in each directory.
pub(super) type Said = HashMap<DirectoryName, BTreeSet<OsString>>;

/// Looks at everything once. Of directories in `back` all that is missing is placed again. Of what is foreign and not in
/// `said` only the first are told.
pub(super) async fn reconcile(site: &Site, back: &HashSet<DirectoryName>, said: &Said) -> Result<Found, Down> {
    let mut names = listed(site, said).await?;
    let mut found = compared(site, &mut names).await?;
    tracing::debug!(event = "looked", rows = found.rows, missing = found.missing.len(), going = found.going.len());
    for step in std::mem::take(&mut found.missing).chunks(STEP) {
        found.waiting += missing(site, step, back).await;
    }
    for step in std::mem::take(&mut found.going).chunks(STEP) {
        take_away(site, step.to_vec()).await;
    }
    for (directory, left) in names {
        let known = said.get(&directory).cloned().unwrap_or_default();
        let foreign = without_rows(site, &directory, left, known).await?;
        found.foreign.insert(directory, foreign);
    }
    Ok(found)
}

/// The names in each directory that can be listed, once what was half done there is done.
async fn listed(site: &Site, said: &Said) -> Result<HashMap<DirectoryName, Listing>, Down> {
    let (mut all, now) = (HashMap::new(), clock::now());
    for directory in site.directories.iter() {
        let name = &directory.entry.name;
        let (work, upkeep) = (Arc::clone(directory), Arc::clone(&site.upkeep));
        let look = tokio::task::spawn_blocking(move || {
            if work.fault().is_some() {
                return Ok(None);
            }
            let tidied = work.tidy(|name| upkeep.try_hold(name))?;
            Ok::<_, Errno>(Some((tidied, work.names()?)))
        });
        match look.await {
            Ok(Ok(Some((tidied, names)))) => {
                let known = said.get(name).cloned().unwrap_or_default();
                let names = match listing::read(site, name, names, move |name| is_expected(name, now), &known, FOREIGN_MAX).await? {
                    Ok(names) => names,
                    Err(fault) => {
                        not_listed(name, &fault);
                        continue;
                    }
                };
                let ended = tidied.into_iter().filter_map(|one| ended(name, one));
                forget_stubs(site, ended.filter(|ended| !names.ours.contains(ended.as_str())).collect()).await?;
                all.insert(name.clone(), names);
            }
            // Whoever watches says so.
            Ok(Ok(None)) => {}
            Ok(Err(error)) => not_listed(name, &error.to_string()),
            Err(panic) => not_listed(name, &panic.to_string()),
        }
    }
    Ok(all)
}

fn not_listed(directory: &DirectoryName, fault: &str) {
    tracing::error!(event = "not_listed", %directory, "what lies there is not compared with what is remembered: {fault}");
}

/// Ends what was half done where directories were before. What is known of the rows stays: all that lies there goes with them.
pub(super) async fn tidy_former(site: &Site) {
    for former in site.directories.former() {
        let Ok(open) = former.directory().map(Arc::clone) else { continue };
        let (work, upkeep) = (Arc::clone(&open), Arc::clone(&site.upkeep));
        let tidied = tokio::task::spawn_blocking(move || work.tidy(|name| upkeep.try_hold(name)));
        match tidied.await {
            Ok(Ok(tidied)) => tidied.into_iter().for_each(|one| drop(ended(&open.entry.name, one))),
            Ok(Err(error)) => tracing::debug!(event = "not_tidied", path = former.place.path, "{error}"),
            Err(panic) => tracing::error!(event = "not_tidied", path = former.place.path, "{panic}"),
        }
    }
}

/// Of a stub that was half made or half taken away nothing is left, unless it lies where its directory was before, too; a copy
/// that was half made is made anew.
async fn forget_stubs(site: &Site, tidied: Vec<PlacedName>) -> Result<(), Down> {
    for step in tidied.chunks(LIST_MAX) {
        let mut known = site.store.placed(step.to_vec()).await?;
        known.retain(|placed| matches!(placed.what, What::Stub(_)) && !is_before(site, placed));
        if !known.is_empty() {
            site.store.placed_gone(known.into_iter().map(|placed| placed.name).collect(), clock::now()).await?;
        }
    }
    Ok(())
}

/// The name of something that was half made or half taken away, if that is over now.
fn ended(directory: &DirectoryName, tidied: Tidied) -> Option<PlacedName> {
    let Tidied { name, outcome } = tidied;
    match outcome {
        Ok(Taken::Foreign(path)) => tracing::warn!(event = "foreign_file", %directory, path, "it is not ours and stays"),
        Ok(Taken::Gone | Taken::WasGone) => {
            tracing::info!(event = "tidied", %directory, %name, "what was half done when the daemon ended is undone");
        }
        Err(fault) => {
            tracing::error!(event = "not_tidied", %directory, %name, "what was half done when the daemon ended stays: {fault}");
            return None;
        }
    }
    Some(name)
}

/// Goes through the rows, page by page, and strikes out the names that they explain. A row that is written meanwhile has no
/// name in the list, and is in hand.
async fn compared(site: &Site, names: &mut HashMap<DirectoryName, Listing>) -> Result<Found, Down> {
    let mut found = Found::default();
    let mut after = None;
    loop {
        let page = site.store.placed_there(after.take(), LIST_MAX).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some((last.due, last.name.clone()));
        for placed in page {
            found.rows += 1;
            let Some(names) = names.get_mut(&placed.directory) else { continue };
            let is_listed = names.ours.remove(&placed.entry());
            match placed.stay {
                Stay::Live => {
                    found.masters.entry(placed.file.clone()).or_default().by(&placed);
                    if !is_listed {
                        found.missing.push(placed);
                    }
                }
                Stay::Going => found.going.push(placed),
                // A copy that is being made is shown before that is written down.
                Stay::Preparing | Stay::Gone(_) => {}
            }
        }
        // Others on this thread have their turn.
        tokio::task::yield_now().await;
    }
}

/// Rows whose files were not seen: those that are really missing are made again where their directory was away or lies
/// elsewhere now, else they are gone. Gives how many could not be made again, and keep their rows: they lie where their
/// directory was before.
pub(super) async fn missing(site: &Site, rows: &[Placed], back: &HashSet<DirectoryName>) -> usize {
    let mut by_directory: BTreeMap<&DirectoryName, Vec<Placed>> = BTreeMap::new();
    for placed in rows.iter().filter(|placed| !site.upkeep.is_in_hand(&placed.name)) {
        by_directory.entry(&placed.directory).or_default().push(placed.clone());
    }
    let mut waiting = 0;
    for (name, rows) in by_directory {
        let Some(directory) = site.directories.named(name) else { continue };
        let work = Arc::clone(directory);
        // A directory that went away meanwhile lost nothing.
        let look = move || {
            let missing: Vec<Placed> = rows.into_iter().filter(|placed| is_there(&work, placed) == Ok(false)).collect();
            if work.fault().is_none() { missing } else { Vec::new() }
        };
        let missing = tokio::task::spawn_blocking(look).await.unwrap_or_default();
        let (copies, stubs): (Vec<Placed>, Vec<Placed>) = missing.into_iter().partition(|placed| matches!(placed.what, What::Copy(_)));
        // Nobody took away what was never here.
        let is_back = |placed: &Placed| back.contains(name) || is_before(site, placed);
        let (back, mut lost): (Vec<Placed>, Vec<Placed>) = stubs.into_iter().partition(is_back);
        if let Some(first) = lost.first() {
            let stubs = lost.len();
            tracing::warn!(event = "stub_missing", directory = %name, stubs, first = %first.name, "others took stubs away; they are made again when they are asked for");
        }
        let again = place_again(site, directory, back).await;
        waiting += again.waiting;
        lost.extend(again.lost);
        site.metrics.public.lost.inc_by((lost.len() + copies.iter().filter(|copy| !is_back(copy)).count()) as u64);
        if let Some(first) = copies.first() {
            let count = copies.len();
            let first = &first.name;
            if copies.iter().all(is_back) {
                tracing::info!(event = "copies_again", directory = %name, copies = count, %first, "they are not there, and are made again");
            } else {
                tracing::warn!(event = "copy_missing", directory = %name, copies = count, %first, "others took copies away; they are made again");
            }
        }
        // What lies where the directory was before goes from there, too.
        let (before, lost): (Vec<Placed>, Vec<Placed>) = lost.into_iter().partition(|placed| is_before(site, placed));
        let gone = take_out(site, name, before).await;
        remember(site, lost.into_iter().chain(gone).map(|placed| placed.name).collect()).await;
        if !copies.is_empty()
            && let Err(down) = following::again(site, &*site.store, directory, copies).await
        {
            tracing::warn!(event = "watch_waits", directory = %name, "copies that others took away are made again later: {down}");
        }
    }
    waiting
}

/// Whether `placed` may lie at a former place of its directory.
pub(super) fn is_before(site: &Site, placed: &Placed) -> bool {
    site.directories.former_of(placed).next().is_some()
}

/// What became of stubs that were to be placed again, and were not.
#[derive(Default)]
struct NotAgain {
    /// They are nowhere any more, or others have put something into their place.
    lost: Vec<Placed>,
    /// So many lie where their directory was before, and are tried again.
    waiting: usize,
}

/// Places stubs again.
async fn place_again(site: &Site, directory: &Arc<PublicDirectory>, stubs: Vec<Placed>) -> NotAgain {
    // What somebody else has in hand is theirs.
    let row = |placed: Placed| Some((super::masters::path(site, &placed.file), site.upkeep.try_hold(&placed.name)?, placed));
    let rows: Vec<_> = stubs.into_iter().filter_map(row).collect();
    let work = Arc::clone(directory);
    let place = move || -> Vec<(Placed, Option<NotPlaced>)> {
        let placed = rows.into_iter().map(|(master, _held, placed)| {
            let no_master = || NotPlaced { step: "find the master", error: Errno::NOENT };
            let outcome = master.map_or_else(|| Some(no_master()), |master| work.place_stub(&placed, &master).err());
            (placed, outcome)
        });
        placed.collect()
    };
    let (mut again, mut not) = (Vec::new(), NotAgain::default());
    let mut faults: BTreeMap<String, usize> = BTreeMap::new();
    for (placed, fault) in tokio::task::spawn_blocking(place).await.unwrap_or_default() {
        let Some(fault) = fault else {
            again.push(placed);
            continue;
        };
        *faults.entry(fault.to_string()).or_default() += 1;
        // What others made of it stays as it is; anything else may be over when it is tried again.
        if is_before(site, &placed) && fault.error != Errno::EXIST {
            not.waiting += 1;
        } else {
            not.lost.push(placed);
        }
    }
    let name = &directory.entry.name;
    for (why, stubs) in faults {
        if site.upkeep.not_placed(name, &format!("again: {why}")) {
            let (lost, waiting) = (not.lost.len(), not.waiting);
            tracing::error!(
                event = "not_placed",
                directory = %name,
                stubs,
                waiting,
                lost,
                "stubs could not be placed again: {why}. Those that wait lie where the directory was before, and are tried again; those \
                 that are lost are made anew when they are asked for"
            );
        }
    }
    if !again.is_empty() {
        if not.waiting == 0 {
            site.upkeep.placed(name);
        }
        tracing::info!(event = "placed_again", directory = %name, stubs = again.len());
        take_what_is_over(site, name, &again).await;
    }
    not
}

/// Of what was placed again, some may have been given up meanwhile.
async fn take_what_is_over(site: &Site, directory: &DirectoryName, again: &[Placed]) {
    let names = again.iter().map(|placed| placed.name.clone()).collect();
    let over = site.store.placed(names).await.unwrap_or_default().into_iter().filter(|placed| matches!(placed.stay, Stay::Gone(_)));
    take_out(site, directory, over.collect()).await;
}

/// Takes away what is still there of rows that are gone. What others put into a stub stays under its name, and is theirs:
/// it is looked at before, or it would be taken out and put back without end.
async fn take_what_is_ours(site: &Site, directory: &DirectoryName, rows: Vec<Placed>) -> Vec<Placed> {
    let Some(work) = site.directories.named(directory).map(Arc::clone) else { return Vec::new() };
    let look = move || rows.into_iter().filter(|placed| is_there(&work, placed) == Ok(true)).collect();
    let ours = tokio::task::spawn_blocking(look).await.unwrap_or_default();
    take_out(site, directory, ours).await
}

/// What lies there under names that no row explains: what is ours after all is taken away, the rest is told; of what is not
/// in `said`, the first.
pub(super) async fn without_rows(site: &Site, directory: &DirectoryName, names: Listing, said: BTreeSet<OsString>) -> Result<Others, Down> {
    let Listing { mut ours, mut others } = names;
    let asked: HashSet<PlacedName> = ours.iter().filter_map(|name| Placed::name_in(name)).collect();
    let asked: Vec<PlacedName> = asked.into_iter().collect();
    for step in asked.chunks(LIST_MAX) {
        let mut over = Vec::new();
        for known in site.store.placed(step.to_vec()).await? {
            if known.directory != *directory || !ours.contains(&known.entry()) {
                continue;
            }
            if matches!(known.stay, Stay::Gone(_)) && !site.upkeep.is_in_hand(&known.name) {
                over.push(known);
            } else {
                ours.remove(&known.entry());
            }
        }
        for step in over.chunks(STEP) {
            for placed in take_what_is_ours(site, directory, step.to_vec()).await {
                ours.remove(&placed.entry());
            }
        }
    }
    let Some(work) = site.directories.named(directory).map(Arc::clone) else { return Ok(Others::default()) };
    // What was seen a moment ago may be gone, and was ours if it went so soon.
    let there = move || {
        let before = others.first.len();
        others.first.retain(|name| work.has(name));
        others.total -= before - others.first.len();
        for name in ours.iter().map(OsStr::new).filter(|name| work.has(name)) {
            others.add(name, &said, FOREIGN_MAX);
        }
        others
    };
    Ok(tokio::task::spawn_blocking(there).await.unwrap_or_default())
}

/// The names of `names` that are not expected.
pub(super) fn listing(names: &[OsString], said: &BTreeSet<OsString>) -> Listing {
    let (mut listing, now) = (Listing::default(), clock::now());
    for name in names.iter().filter(|name| !is_expected(name, now)) {
        listing.add(name, said, FOREIGN_MAX);
    }
    listing
}
