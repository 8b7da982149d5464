//! The places of public directories, and what changes with them.
//!
//! A reload may not take another path for a directory in which something of ours lies. Who restarts the daemon with another
//! one is not refused: what lay in the place before is placed in the new one, too, and where it lay it stays until its time
//! is over. So whoever has its address has it from either, and no row is forgotten while its file may be somewhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::site::{Current, Site};
use crate::clock;
use crate::domain::place::{self, Place};
use crate::domain::placed::{DirectoryName, Placed};
use crate::public::{ASIDE, Directories, Former};
use crate::store::{Down, LIST_MAX};

/// Things of ours in a directory that would be left behind.
#[derive(Debug)]
pub struct LeftBehind {
    /// The directory.
    pub name: DirectoryName,
    /// How much lies there or is being made for it.
    pub count: usize,
    /// What is wrong, and what to do.
    pub why: String,
}

/// What would be left behind if `next` took the place of the open directories: in those that are not in it any more, or
/// are another directory there. One that was moved and is the same keeps all that is in it.
pub async fn left_behind(site: &Site, next: &Directories) -> Result<Vec<LeftBehind>, Down> {
    let changed = site.directories.iter().filter(|known| {
        let name = &known.entry.name;
        next.named(name).is_none_or(|next| next.entry.path != known.entry.path && !next.is_same(known))
    });
    let mut counts: BTreeMap<&DirectoryName, usize> = changed.map(|known| (&known.entry.name, 0)).collect();
    if !counts.is_empty() {
        each(site, |placed| {
            if let Some(count) = counts.get_mut(&placed.directory) {
                *count += 1;
            }
        })
        .await?;
    }
    let left = counts.into_iter().filter(|(_, count)| *count > 0).filter_map(|(name, count)| {
        let path = site.directories.named(name)?.entry.path.display();
        let things = if count == 1 { "1 thing of ours".to_owned() } else { format!("{count} things of ours") };
        let now = if next.named(name).is_some() { "cannot be another directory" } else { "cannot be left out" };
        let why = format!(
            "{now} while something of ours lies in the one before: there {is} {things} in or for {path}, which nobody could take \
             away any more; `cloakroom stub list --directory {name}` shows it: wait until it has gone, or revoke its grants and \
             run `cloakroom stub sweep`, then reload again",
            is = if count == 1 { "is" } else { "are" },
        );
        Some(LeftBehind { name: name.clone(), count, why })
    });
    Ok(left.collect())
}

/// So long a disk may take to say what lies where directories are and were. Meanwhile nobody is answered at the start.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `look` sees, unless the disk takes too long: one that never answers holds up nothing but the thread that asked.
async fn seen<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(look)).await.ok()?.ok()
}

/// Remembers where the directories lie now, and opens the places where they were before and something of ours may lie. To be
/// done before anything is placed or taken away, and now and then from there on.
pub async fn settle(current: &Current) -> Result<(), Down> {
    let site = current.site();
    let before = site.store.places().await?;
    let directories = Arc::clone(&site.directories);
    let here: Option<Vec<Place>> = seen(move || directories.iter().map(|directory| directory.place()).collect()).await;
    let here = here.unwrap_or_else(|| site.directories.iter().map(|directory| directory.place_unseen()).collect());
    let now = clock::now();
    let (mut places, mut moved) = place::settle(&before, &here, now);
    if places.iter().any(|place| place.left == Some(now)) {
        // Whatever the clock said when it was placed, what is known now was placed before.
        let mut latest = now;
        each(&site, |placed| latest = latest.max(placed.placed)).await?;
        (places, moved) = place::settle(&before, &here, latest);
    }
    let former: Vec<Place> = places.iter().filter(|place| place.left.is_some()).cloned().collect();
    let counts = if former.is_empty() { Vec::new() } else { site.store.lying(former.clone()).await? };
    let counts: Vec<(Place, u64)> = former.into_iter().zip(counts).collect();
    let kept: Vec<Place> = counts.iter().filter(|(_, count)| *count > 0).map(|(place, _)| place.clone()).collect();
    for (place, _) in counts.iter().filter(|(place, count)| *count == 0 && before.contains(place)) {
        let Place { directory, path, .. } = place;
        tracing::info!(event = "directory_left", %directory, path, "nothing of ours is left there");
    }
    let (asked, known) = (kept.clone(), Arc::clone(&site.directories));
    let open = if kept.is_empty() { None } else { seen(move || known.with_former(&asked, &known)).await };
    let open = open.unwrap_or_else(|| site.directories.with_former_unseen(&kept));
    let is_as_it_was = |former: &&Arc<Former>| {
        let mut known = site.directories.former();
        known.any(|was| was.place == former.place && was.directory().err() == former.directory().err())
    };
    for former in open.former().filter(|former| !is_as_it_was(former)) {
        let things = counts.iter().find(|(place, _)| *place == former.place).map_or(0, |(_, count)| *count);
        tell(&site, former, things).await;
    }
    places.retain(|place| place.left.is_none() || kept.contains(place));
    site.upkeep.moved(moved);
    if is_other(&before, &places)
        && let Err(down) = site.store.keep_places(places).await
    {
        tracing::warn!(event = "places_not_kept", "where public directories lie is not remembered yet: {down}");
    }
    if site.directories.former().count() != kept.len() || !open.former().all(|former| is_as_it_was(&former)) {
        // A reload that comes between does the same.
        current.exchange(&site, site.with_directories(open));
    }
    Ok(())
}

/// Opens those places again where directories were before that could not be reached.
pub(super) async fn reach(current: &Current) {
    let (site, is_open) = (current.site(), |former: &Arc<Former>| former.directory().is_ok());
    if site.directories.former().all(is_open) {
        return;
    }
    let known = Arc::clone(&site.directories);
    let again = move || {
        let places: Vec<Place> = known.former().map(|former| former.place.clone()).collect();
        known.with_former(&places, &known)
    };
    if let Some(again) = seen(again).await
        && again.former().map(is_open).ne(site.directories.former().map(is_open))
    {
        // Where a reload comes between, the next look does the same.
        current.exchange(&site, site.with_directories(again));
    }
}

fn is_other(before: &[Place], now: &[Place]) -> bool {
    before.len() != now.len() || now.iter().any(|place| !before.contains(place))
}

/// Goes through what is there, going or to be made.
async fn each(site: &Site, mut told: impl FnMut(&Placed)) -> Result<(), Down> {
    let mut after = None;
    loop {
        let page = site.store.placed_there(after.take(), LIST_MAX).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some((last.due, last.name.clone()));
        page.iter().for_each(&mut told);
    }
}

/// Says what lies in a former place.
async fn tell(site: &Site, former: &Arc<Former>, things: u64) {
    let Place { directory, path, .. } = &former.place;
    let now = site.directories.named(directory).map(|here| here.entry.path.display().to_string());
    let now = now.map_or_else(|| "no [[directory]] has this name any more".to_owned(), |now| format!("it is in {now} now"));
    let look = Arc::clone(former);
    match former.directory() {
        Ok(_) => tracing::warn!(
            event = "directory_moved",
            %directory,
            path,
            things,
            "what was placed there stays there until its time is over, and is taken away then ({now}): keep that directory so long"
        ),
        Err(_) if seen(move || look.is_removed()).await == Some(true) => tracing::warn!(
            event = "directory_left",
            %directory,
            path,
            things,
            "the directory is not at its path any more, and nobody waits for what was placed there ({now}): if it was renamed, all that \
             is in it stays; put it back until that is over, or remove it"
        ),
        Err(why) => tracing::error!(
            event = "directory_out_of_reach",
            %directory,
            path,
            things,
            "what was placed there cannot be taken away ({now}): {path} {why}. Put it back; if all in it is gone for good, make an \
             empty one there: install -d -o {} -m 0700 {path}/{ASIDE}",
            rustix::process::geteuid().as_raw()
        ),
    }
}
