//! Watches the public directories and the masters behind them, and keeps what lies there and what is remembered alike.
//!
//! What the system tells is only a hint that brings a look forward. The whole look happens at the start, after a reload,
//! when a directory is back, when more happened than could be told, and on time.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::masters::{self, Known, Led, Masters};
use super::places;
use super::reconcile::{FOREIGN_MAX, listing, missing, reconcile, tidy_former, without_rows};
use super::site::{Current, Site};
use super::upkeep::Upkeep;
use crate::domain::placed::{DirectoryName, Placed, PlacedName, Stay};
use crate::public::{Directories, Ear, Hint, Others, shown};
use crate::storage::Storages;
use crate::store::{Down, LIST_MAX};

/// A look at whether the directories are still at their places: of what is mounted over them nothing is told.
const LOOK: Duration = Duration::from_mins(1);

/// The same while one is not.
const LOOK_FOR_LOST: Duration = Duration::from_secs(1);

/// A whole look without a hint: hints get lost on network file systems.
const WHOLE_LOOK: Duration = Duration::from_hours(1);

/// The same where nothing, or not all, is told.
const WHOLE_LOOK_WHEN_DEAF: Duration = Duration::from_secs(5);

/// The same while something could not be placed that lies at a former place of its directory: the disk may have room again.
const WHOLE_LOOK_WHEN_WAITING: Duration = Duration::from_secs(10);

/// After a whole look there is none for so many times as long as it took.
const REST: u32 = 10;

/// Keeps public directories and what is remembered of them alike; never ends by itself.
pub async fn watch(current: &Current) {
    let mut watcher = Watcher::default();
    let upkeep = Arc::clone(&current.site().upkeep);
    loop {
        let began = Instant::now();
        if let Err(down) = watcher.look(current).await {
            tracing::warn!(event = "watch_waits", "what lies in public directories cannot be compared with what is remembered: {down}");
            tokio::time::sleep(WHOLE_LOOK_WHEN_DEAF).await;
        }
        let rest = began.elapsed().saturating_mul(REST);
        watcher.listen(current, &upkeep, began + rest).await;
        tokio::time::sleep_until(began + rest).await;
    }
}

/// What was seen at the last look.
#[derive(Debug, Default)]
struct Watcher {
    ear: Ear,
    /// Why not everything is heard, as it was said.
    deaf: Option<String>,
    directories: Option<Arc<Directories>>,
    storages: Option<Arc<Storages>>,
    /// Directories that are not at their places, and why.
    lost: BTreeMap<DirectoryName, String>,
    /// Directories that were away; what is missing there is placed again.
    back: HashSet<DirectoryName>,
    /// Whether something could not be placed again.
    waits: bool,
    foreign: HashMap<DirectoryName, Foreign>,
    masters: Known,
}

/// What is foreign in a directory.
#[derive(Debug, Default)]
struct Foreign {
    said: BTreeSet<OsString>,
    /// How many more were said to be there.
    more: usize,
    count: usize,
}

impl Watcher {
    /// Looks at everything.
    async fn look(&mut self, current: &Current) -> Result<(), Down> {
        self.look_at_places(current).await;
        places::settle(current).await?;
        let site = current.site();
        self.back.extend(site.upkeep.take_moved());
        for directory in site.directories.iter() {
            // What lies in one that was not configured rests.
            if self.directories.as_ref().is_none_or(|seen| seen.named(&directory.entry.name).is_none()) {
                site.upkeep.retries().hasten(&directory.entry.name, Instant::now());
            }
        }
        tidy_former(&site).await;
        self.directories = Some(Arc::clone(&site.directories));
        self.storages = Some(Arc::clone(&site.storages));
        if site.directories.is_empty() {
            return Ok(());
        }
        let watch = &site.upkeep.watch;
        watch.begin(&mut self.ear);
        // Listening begins before the look, so that nothing happens unseen between them.
        watch.at_directories(&site.directories);
        let said = self.foreign.iter().map(|(directory, foreign)| (directory.clone(), foreign.said.clone())).collect();
        let found = reconcile(&site, &self.back, &said).await?;
        self.back.clear();
        self.waits = found.waiting > 0;
        let kept: HashSet<PathBuf> = found.masters.keys().filter_map(|file| masters::path(&site, file)).collect();
        watch.keep_masters(&kept);
        for path in &kept {
            watch.at_master(path, !site.configuration.is_measured());
        }
        self.masters.retain(|file, _| found.masters.contains_key(file));
        masters::look(&site, found.masters, &mut self.masters).await?;
        for (directory, others) in found.foreign {
            self.all_foreign(&directory, others);
        }
        self.tell(&site);
        Ok(())
    }

    /// Waits, and looks at what is told, until a whole look is due.
    async fn listen(&mut self, current: &Current, upkeep: &Upkeep, rested: Instant) {
        let began = Instant::now();
        loop {
            // What lies where a directory was before has to go, too, when that can be reached.
            if self.directories.as_ref().is_none_or(|directories| directories.is_empty() && directories.former().next().is_none()) {
                upkeep.look.notified().await;
                return;
            }
            let whole = began
                + match &self.deaf {
                    Some(_) => WHOLE_LOOK_WHEN_DEAF,
                    None if self.waits => WHOLE_LOOK_WHEN_WAITING,
                    None => WHOLE_LOOK,
                };
            let next = whole.min(Instant::now() + if self.lost.is_empty() { LOOK } else { LOOK_FOR_LOST });
            tokio::select! {
                hints = self.ear.heard(&upkeep.watch) => {
                    let site = current.site();
                    match self.take(&site, hints).await {
                        Ok(Next::Listen) => {}
                        Ok(Next::Places) => if self.look_at_places(current).await { return },
                        Ok(Next::Everything) => return,
                        Err(down) => {
                            tracing::debug!(event = "watch_waits", "{down}");
                            return tokio::time::sleep_until(rested + WHOLE_LOOK_WHEN_DEAF).await;
                        }
                    }
                }
                () = upkeep.look.notified() => {
                    if self.is_other(&current.site()) || self.look_at_places(current).await {
                        return;
                    }
                }
                () = tokio::time::sleep_until(next) => {
                    if self.look_at_places(current).await || Instant::now() >= whole {
                        return;
                    }
                }
            }
        }
    }

    /// Whether a reload put other directories or storages in place of those that were looked at.
    fn is_other(&self, site: &Site) -> bool {
        let directories = self.directories.as_ref().is_none_or(|seen| !Arc::ptr_eq(seen, &site.directories));
        directories || self.storages.as_ref().is_none_or(|seen| !Arc::ptr_eq(seen, &site.storages))
    }

    /// Looks whether each directory is at its place, and takes what lies there now where another one does. Whether
    /// something is back.
    async fn look_at_places(&mut self, current: &Current) -> bool {
        let site = current.site();
        let directories = Arc::clone(&site.directories);
        let Ok((again, faults)) = tokio::task::spawn_blocking(move || directories.again()).await else { return false };
        let mut back: Vec<DirectoryName> = Vec::new();
        if let Some(again) = again {
            back.extend(again.iter().filter(|one| is_new(&site.directories, one)).map(|one| one.entry.name.clone()));
            for former in again.former().filter(|former| former.directory().is_ok()) {
                site.upkeep.retries().hasten(&former.place.directory, Instant::now());
                site.wake.notify_one();
            }
            if !current.exchange(&site, site.with_directories(again)) {
                // A reload came between; it says that there is something to look at.
                return false;
            }
        }
        let lost: BTreeMap<DirectoryName, String> = faults.iter().map(|fault| (fault.name.clone(), fault.why.clone())).collect();
        for fault in faults.iter().filter(|fault| !self.lost.contains_key(&fault.name)) {
            tracing::error!(event = "directory_lost", directory = %fault.name, "{fault}; what lay there is placed again when it is back");
        }
        back.extend(self.lost.keys().filter(|name| !lost.contains_key(name)).cloned());
        back.sort_unstable();
        back.dedup();
        self.lost = lost;
        for name in &back {
            tracing::warn!(event = "directory_back", directory = %name, "it was taken away or replaced; what is missing there is placed again");
            site.upkeep.retries().hasten(name, Instant::now());
        }
        if back.is_empty() {
            return false;
        }
        site.wake.notify_one();
        self.back.extend(back);
        true
    }

    /// Looks at what hints are about.
    async fn take(&mut self, site: &Site, hints: Vec<Hint>) -> Result<Next, Down> {
        let mut next = Next::Listen;
        let mut came: BTreeMap<DirectoryName, Vec<OsString>> = BTreeMap::new();
        let (mut left, mut files, now) = (Vec::new(), HashSet::new(), Instant::now());
        for hint in hints {
            match hint {
                Hint::Came(directory, name) => came.entry(directory).or_default().push(name),
                Hint::Left(directory, name) => left.push((directory, name)),
                Hint::Directory(_) => next = next.max(Next::Places),
                Hint::Master(path) => files.extend(masters::file_at(site, &path)),
                Hint::Opened(path) => masters::file_at(site, &path).iter().for_each(|file| site.upkeep.opened(file, now)),
                Hint::Closed(path) => masters::file_at(site, &path).iter().for_each(|file| site.upkeep.closed(file, now)),
                Hint::Anything => {
                    tracing::debug!(event = "hints_lost", "more happened than could be told; everything is looked at");
                    site.upkeep.forget_readers();
                    next = Next::Everything;
                }
            }
        }
        self.left(site, left).await?;
        for (directory, names) in came {
            self.came(site, &directory, names).await?;
        }
        masters::look(site, files.into_iter().map(|file| (file, Led::default())).collect(), &mut self.masters).await?;
        self.tell(site);
        Ok(next)
    }

    /// Names that are gone: what we take away ourselves has a row that says so.
    async fn left(&mut self, site: &Site, names: Vec<(DirectoryName, OsString)>) -> Result<(), Down> {
        let mut ours: Vec<PlacedName> = Vec::new();
        for (directory, name) in names {
            if let Some(foreign) = self.foreign.get_mut(&directory)
                && foreign.said.remove(&name)
            {
                foreign.count = foreign.count.saturating_sub(1);
            }
            ours.extend(name.to_str().and_then(Placed::name_in));
        }
        for step in ours.chunks(LIST_MAX) {
            let mut rows = site.store.placed(step.to_vec()).await?;
            rows.retain(|placed| placed.stay == Stay::Live && !self.lost.contains_key(&placed.directory));
            self.waits |= missing(site, &rows, &HashSet::new()).await > 0;
        }
        Ok(())
    }

    /// Names that are new: our own lead to masters to listen at.
    async fn came(&mut self, site: &Site, directory: &DirectoryName, names: Vec<OsString>) -> Result<(), Down> {
        let said = self.foreign.get(directory).map(|foreign| foreign.said.clone()).unwrap_or_default();
        let names = listing(&names, &said);
        let ours: Vec<PlacedName> = names.ours.iter().filter_map(|name| Placed::name_in(name)).collect();
        let mut files = Masters::new();
        for step in ours.chunks(LIST_MAX) {
            for placed in site.store.placed(step.to_vec()).await? {
                files.entry(placed.file.clone()).or_default().by(&placed);
            }
        }
        for file in files.keys().filter_map(|file| masters::path(site, file)) {
            site.upkeep.watch.at_master(&file, !site.configuration.is_measured());
        }
        // It may have changed before anybody listened.
        let new = files.into_iter().filter(|(file, _)| !self.masters.contains_key(file));
        masters::look(site, new.collect(), &mut self.masters).await?;
        let others = without_rows(site, directory, names, said).await?;
        self.some_foreign(directory, others);
        Ok(())
    }

    /// All that is foreign in `directory`.
    fn all_foreign(&mut self, directory: &DirectoryName, others: Others) {
        let foreign = self.foreign.entry(directory.clone()).or_default();
        foreign.said.clone_from(&others.known);
        foreign.count = 0;
        let more = std::mem::take(&mut foreign.more);
        self.add_foreign(directory, others, more);
    }

    /// What is foreign of that which came.
    fn some_foreign(&mut self, directory: &DirectoryName, others: Others) {
        // What was there before is counted.
        let total = others.total - others.known.len();
        self.add_foreign(directory, Others { known: BTreeSet::new(), total, ..others }, 0);
    }

    /// Says of these that they are foreign, unless that was said: of so many `more` as there are that are not named.
    fn add_foreign(&mut self, directory: &DirectoryName, others: Others, more: usize) {
        let Others { known, first, total } = others;
        let foreign = self.foreign.entry(directory.clone()).or_default();
        foreign.count += total;
        let mut unsaid = total - known.len();
        for name in first {
            if foreign.said.len() < FOREIGN_MAX {
                tracing::warn!(event = "foreign_file", %directory, path = shown(&name), "it is not ours and stays");
                foreign.said.insert(name);
                unsaid -= 1;
            }
        }
        foreign.more += unsaid;
        if unsaid > more {
            tracing::warn!(event = "foreign_files", %directory, more = unsaid, "they are not ours and stay");
        }
    }

    /// Says what changed about how well it is heard, and shows numbers.
    fn tell(&mut self, site: &Site) {
        let foreign: usize = self.foreign.values().map(|foreign| foreign.count).sum();
        site.metrics.public.foreign.set(i64::try_from(foreign).unwrap_or(i64::MAX));
        let deaf = site.upkeep.watch.deaf();
        match (&deaf, &self.deaf) {
            (Some(why), None) => {
                tracing::warn!(
                    event = "watch_off",
                    "the system does not tell what happens in all directories; they are looked at every 5 s: {why}"
                );
            }
            (None, Some(_)) => tracing::info!(event = "watch_on", "the system tells again what happens in all directories"),
            (Some(_), Some(_)) | (None, None) => {}
        }
        self.deaf = deaf;
    }
}

/// What is to be looked at next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Listen,
    Places,
    Everything,
}

fn is_new(before: &Directories, one: &Arc<crate::public::PublicDirectory>) -> bool {
    before.named(&one.entry.name).is_none_or(|known| !Arc::ptr_eq(known, one))
}
