//! The places of public directories, and what changes with them.
//!
//! A reload may not take another path for a directory in which something of ours lies. Who restarts the daemon with another
//! one is not refused: what lay in the place before is placed in the new one, too, and where it lay it stays until its time
//! is over. So whoever has its address has it from either, and no row is forgotten while its file may be somewhere.

use std::collections::BTreeMap;

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

/// Remembers where the directories lie now, and opens the places where they were before and something of ours may lie. To be
/// done before anything is placed or taken away, and now and then from there on.
pub async fn settle(current: &Current) -> Result<(), Down> {
    let site = current.site();
    let before = site.store.places().await?;
    let here: Vec<Place> = site.directories.iter().map(|directory| directory.place()).collect();
    let now = clock::now();
    let (mut places, mut moved) = place::settle(&before, &here, now);
    if places.iter().any(|place| place.left == Some(now)) {
        // Whatever the clock said when it was placed, what is known now was placed before.
        let mut latest = now;
        each(&site, |placed| latest = latest.max(placed.placed)).await?;
        (places, moved) = place::settle(&before, &here, latest);
    }
    let former: Vec<Place> = places.iter().filter(|place| place.left.is_some()).cloned().collect();
    let counts = lying(&site, &former).await?;
    let open = site.directories.with_former(&former, &site.directories);
    let mut kept = Vec::new();
    for (former, count) in open.former().zip(counts) {
        let (is_known, is_removed) = (before.contains(&former.place), former.is_removed());
        if count > 0 && !is_removed {
            let was = site.directories.former().find(|was| was.place == former.place);
            if was.is_none_or(|was| was.directory().is_ok() != former.directory().is_ok()) {
                tell(&site, former, count);
            }
            kept.push(former.place.clone());
        } else if is_known || count > 0 {
            tell_over(former, is_removed);
        }
    }
    places.retain(|place| place.left.is_none() || kept.contains(place));
    site.upkeep.moved(moved);
    if is_other(&before, &places)
        && let Err(down) = site.store.keep_places(places).await
    {
        tracing::warn!(event = "places_not_kept", "where public directories lie is not remembered yet: {down}");
    }
    if !kept.iter().eq(site.directories.former().map(|former| &former.place)) {
        // A reload that comes between does the same.
        current.exchange(&site, site.with_directories(open.with_former(&kept, &open)));
    }
    Ok(())
}

fn is_other(before: &[Place], now: &[Place]) -> bool {
    before.len() != now.len() || now.iter().any(|place| !before.contains(place))
}

/// How much of ours may lie in each of these places.
async fn lying(site: &Site, places: &[Place]) -> Result<Vec<usize>, Down> {
    let mut counts = vec![0; places.len()];
    if !places.is_empty() {
        each(site, |placed| {
            for (count, place) in counts.iter_mut().zip(places) {
                *count += usize::from(place.may_hold(placed));
            }
        })
        .await?;
    }
    Ok(counts)
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
fn tell(site: &Site, former: &Former, things: usize) {
    let Place { directory, path, .. } = &former.place;
    let now = site.directories.named(directory).map(|here| here.entry.path.display().to_string());
    let now = now.map_or_else(|| "no [[directory]] has this name any more".to_owned(), |now| format!("it is in {now} now"));
    match former.directory() {
        Ok(_) => tracing::warn!(
            event = "directory_moved",
            %directory,
            path,
            things,
            "what was placed there stays there until its time is over, and is taken away then ({now}): keep that directory so long"
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

fn tell_over(former: &Former, is_removed: bool) {
    let Place { directory, path, .. } = &former.place;
    let says = if is_removed { "the directory was removed, and all that was in it" } else { "nothing of ours is left there" };
    tracing::info!(event = "directory_left", %directory, path, "{says}");
}
