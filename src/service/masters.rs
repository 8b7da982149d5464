//! The masters of what is in public: a stub leads to whatever lies at its master's path, so it goes when that is another
//! version, and the next click makes one of the new; a copy is made anew under its name, unless it keeps its version. A
//! master that is gone is said; its stubs wait for it, and its copies stay.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::following::made_of;
use super::public::{remember, take_out};
use super::site::Site;
use crate::clock;
use crate::domain::file::{FileRef, Version};
use crate::domain::moment::{Moment, Span};
use crate::domain::path::FilePath;
use crate::domain::placed::{Placed, Stay, What};
use crate::domain::policy::Edition;
use crate::domain::probe;
use crate::storage::Absent;
use crate::store::{Down, LIST_MAX};

/// File systems keep times in ticks.
const TICK: Span = Span::from_seconds(2);

/// What was known of the masters at the last look: the version, or that there is none.
pub(super) type Known = HashMap<FileRef, Option<Version>>;

/// The masters to look at.
pub(super) type Masters = HashMap<FileRef, Led>;

/// What leads to a master, as far as it tells of its version.
#[derive(Debug, Default)]
pub(super) struct Led {
    /// When the first of it was placed.
    first: Option<Moment>,
    /// Sizes and times of what copies were made of.
    copied: HashSet<(u64, Moment)>,
}

impl Led {
    /// `placed` leads there, too.
    pub(super) fn by(&mut self, placed: &Placed) {
        self.first = Some(self.first.map_or(placed.placed, |first| first.min(placed.placed)));
        self.copied.extend(made_of(placed).map(|made| (made.size, made.modified)));
    }

    fn is_of(&self, version: &Version) -> bool {
        self.copied.iter().all(|copied| *copied == (version.size, version.modified))
    }
}

/// Where the master lies.
pub(super) fn path(site: &Site, file: &FileRef) -> Option<PathBuf> {
    Some(site.storages.named(&file.storage)?.entry.path.join(file.path.as_str()))
}

/// The file at `path`, if a storage holds it.
pub(super) fn file_at(site: &Site, path: &Path) -> Vec<FileRef> {
    let storages = site.configuration.storages.iter();
    let files = storages.filter_map(|storage| {
        let inside = path.strip_prefix(&storage.path).ok()?.to_str()?;
        Some(FileRef { storage: storage.name.clone(), path: FilePath::parse(inside).ok()? })
    });
    files.collect()
}

/// Looks at these masters; what leads to another version than it was placed for goes, or follows.
pub(super) async fn look(site: &Site, files: Masters, known: &mut Known) -> Result<(), Down> {
    if files.is_empty() {
        return Ok(());
    }
    let storages = Arc::clone(&site.storages);
    let seen = tokio::task::spawn_blocking(move || {
        let each = files.into_iter().map(|(file, led)| {
            let version = storages.look(&file);
            let changed = storages.changed(&file).ok();
            (file, led, version, changed)
        });
        each.collect::<Vec<_>>()
    });
    let mut others: HashMap<FileRef, Other> = HashMap::new();
    for (file, led, version, changed) in seen.await.unwrap_or_default() {
        match version {
            Ok(version) => {
                let before = known.insert(file.clone(), Some(version.clone()));
                if before == Some(None) {
                    tracing::info!(event = "master_back", %file);
                }
                let is_news = match before {
                    Some(before) => before.as_ref() != Some(&version),
                    // Never seen: what was changed before the first was placed is the same for all.
                    None => led.first.zip(changed).is_none_or(|(first, changed)| changed + TICK >= first),
                };
                if is_news || !led.is_of(&version) {
                    others.insert(file, Other { version, is_news });
                }
            }
            Err(Absent::NoFile | Absent::NotAFile) => {
                let is_news = known.insert(file.clone(), None) != Some(None);
                // A check takes its file away again.
                if is_news && !probe::is_young(file.path.file_name(), clock::now()) {
                    tracing::warn!(event = "master_gone", %file, "stubs lead nowhere until it is back; copies of it stay");
                }
            }
            // Nothing is known of it now.
            Err(Absent::NoStorage | Absent::Unreadable(_)) => {}
        }
    }
    if others.is_empty() { Ok(()) } else { replaced(site, &others).await }
}

/// Has copies of `file` made anew that are of something else: their grants were led there.
pub(super) async fn follow(site: &Site, file: &FileRef) -> Result<(), Down> {
    match site.storages.look(file) {
        Ok(version) => replaced(site, &HashMap::from([(file.clone(), Other { version, is_news: true })])).await,
        // They are made when it is back.
        Err(_) => Ok(()),
    }
}

/// Takes stubs away that lead to where a master was before it was moved; the next click makes others.
pub(super) async fn left(site: &Site, file: &FileRef) -> Result<(), Down> {
    let mut after = None;
    loop {
        let page = site.store.placed_there(after.take(), LIST_MAX).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some((last.due, last.name.clone()));
        let is_old = |placed: &Placed| placed.stay == Stay::Live && placed.file == *file && matches!(placed.what, What::Stub(_));
        take_old(site, page.into_iter().filter(is_old).collect()).await;
    }
}

/// Takes these out of their directories, and remembers that they are gone.
async fn take_old(site: &Site, old: Vec<Placed>) {
    for directory in site.directories.iter() {
        let rows: Vec<Placed> = old.iter().filter(|placed| placed.directory == directory.entry.name).cloned().collect();
        let gone = take_out(site, &directory.entry.name, rows).await;
        remember(site, gone.into_iter().map(|placed| placed.name).collect()).await;
    }
}

/// What a master is now.
struct Other {
    version: Version,
    /// Whether it was another at the last look.
    is_news: bool,
}

/// Takes away stubs that were placed for other versions than `now`, and has copies of others made anew.
async fn replaced(site: &Site, now: &HashMap<FileRef, Other>) -> Result<(), Down> {
    let mut after = None;
    // Stubs and copies.
    let mut over: HashMap<&FileRef, [usize; 2]> = HashMap::new();
    loop {
        let page = site.store.placed_there(after.take(), LIST_MAX).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.due, last.name.clone()));
        let mut old = Vec::new();
        for placed in page.into_iter().filter(|placed| placed.stay == Stay::Live) {
            let Some((file, other)) = now.get_key_value(&placed.file) else { continue };
            let [stubs, copies] = over.entry(file).or_default();
            match placed.what {
                What::Stub(delivery) => {
                    if site.store.content(delivery).await?.is_some_and(|content| content.version != other.version) {
                        *stubs += 1;
                        old.push(placed);
                    }
                }
                What::Copy(_) => *copies += usize::from(follows(site, &placed, other).await?),
            }
        }
        take_old(site, old).await;
    }
    for (file, [stubs, copies]) in over.into_iter().filter(|(_, over)| *over != [0, 0]) {
        tracing::info!(
            event = "master_changed",
            %file,
            stubs,
            copies,
            "stubs of the version before are taken away, and a click leads to the new one; copies are made anew under their names"
        );
        if copies > 0 {
            site.copies.wake();
        }
    }
    Ok(())
}

/// Whether a copy is to be made anew from now on: it is of another version, and keeps none.
async fn follows(site: &Site, placed: &Placed, other: &Other) -> Result<bool, Down> {
    if made_of(placed).is_none_or(|made| !made.differs_from(&other.version)) {
        return Ok(false);
    }
    let grant = site.store.grant(placed.grant).await?;
    if grant.is_none_or(|grant| grant.policy.edition == Edition::Purchased) {
        return Ok(false);
    }
    let following = &site.copies.following;
    if other.is_news {
        following.at(placed, clock::now());
        return Ok(true);
    }
    // What failed waits for its time.
    Ok(following.also(placed, clock::now()))
}
