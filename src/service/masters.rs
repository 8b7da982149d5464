//! The masters of what is in public: a stub leads to whatever lies at its master's path, so it goes when that is another
//! version, and the next click makes one of the new. A master that is gone is said; its stubs wait for it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::public::{remember, take_out};
use super::site::Site;
use crate::domain::file::{FileRef, Version};
use crate::domain::moment::{Moment, Span};
use crate::domain::path::FilePath;
use crate::domain::placed::{Placed, Stay, What};
use crate::storage::Absent;
use crate::store::{Down, LIST_MAX};

/// File systems keep times in ticks.
const TICK: Span = Span::from_seconds(2);

/// What was known of the masters at the last look: the version, or that there is none.
pub(super) type Known = HashMap<FileRef, Option<Version>>;

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

/// Looks at these masters, each with the moment at which the first of what leads to it was placed; what leads to another
/// version than it was placed for goes.
pub(super) async fn look(site: &Site, files: Vec<(FileRef, Option<Moment>)>, known: &mut Known) -> Result<(), Down> {
    if files.is_empty() {
        return Ok(());
    }
    let storages = Arc::clone(&site.storages);
    let seen = tokio::task::spawn_blocking(move || {
        let each = files.into_iter().map(|(file, first)| {
            let version = storages.look(&file);
            let changed = storages.changed(&file).ok();
            (file, first, version, changed)
        });
        each.collect::<Vec<_>>()
    });
    let mut others: HashMap<FileRef, Version> = HashMap::new();
    for (file, first, version, changed) in seen.await.unwrap_or_default() {
        match version {
            Ok(version) => {
                let before = known.insert(file.clone(), Some(version.clone()));
                if before == Some(None) {
                    tracing::info!(event = "master_back", %file);
                }
                let is_other = match before {
                    Some(before) => before.as_ref() != Some(&version),
                    // Never seen: what was changed before the first was placed is the same for all.
                    None => first.zip(changed).is_none_or(|(first, changed)| changed + TICK >= first),
                };
                if is_other {
                    others.insert(file, version);
                }
            }
            Err(Absent::NoFile | Absent::NotAFile) => {
                if known.insert(file.clone(), None) != Some(None) {
                    tracing::warn!(event = "master_gone", %file, "what is in public for it leads nowhere until it is back");
                }
            }
            // Nothing is known of it now.
            Err(Absent::NoStorage | Absent::Unreadable(_)) => {}
        }
    }
    if others.is_empty() { Ok(()) } else { replaced(site, &others).await }
}

/// Takes away what was placed for other versions than `now`.
async fn replaced(site: &Site, now: &HashMap<FileRef, Version>) -> Result<(), Down> {
    let mut after = None;
    let mut over: HashMap<&FileRef, usize> = HashMap::new();
    loop {
        let page = site.store.placed_there(after.take(), LIST_MAX).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.due, last.name.clone()));
        let mut old = Vec::new();
        for placed in page.into_iter().filter(|placed| placed.stay == Stay::Live) {
            let Some((file, version)) = now.get_key_value(&placed.file) else { continue };
            if is_of_another(site, &placed, version).await? {
                *over.entry(file).or_default() += 1;
                old.push(placed);
            }
        }
        for directory in site.directories.iter() {
            let rows: Vec<Placed> = old.iter().filter(|placed| placed.directory == directory.entry.name).cloned().collect();
            let gone = take_out(site, directory, rows).await;
            remember(site, gone.into_iter().map(|placed| placed.name).collect()).await;
        }
    }
    for (file, stubs) in over {
        tracing::info!(event = "master_changed", %file, stubs, "what led to the version before is taken away; a click leads to the new one");
    }
    Ok(())
}

async fn is_of_another(site: &Site, placed: &Placed, version: &Version) -> Result<bool, Down> {
    // A copy has the bytes that it was made of.
    let What::Stub(delivery) = placed.what else { return Ok(false) };
    let content = site.store.content(delivery).await?;
    Ok(content.is_some_and(|content| content.version != *version))
}
