//! What becomes of copies after they were made: they follow their masters, and are made again where others took them away.
//! A copy keeps its name, since customers have its URL.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::sync::{Arc, Mutex, PoisonError};

use super::copies::{make, new_copy};
use super::site::Site;
use crate::clock;
use crate::domain::file::Version;
use crate::domain::grant::Grant;
use crate::domain::moment::Moment;
use crate::domain::placed::{DirectoryName, Placed, PlacedName, Stay, What};
use crate::domain::policy::Edition;
use crate::public::PublicDirectory;
use crate::store::{Down, Store};

/// Copies that are to be made anew, since their masters are others. Nothing of it is lost with the process: the versions
/// of copies are compared with those of their masters at the next start.
#[derive(Debug, Default)]
pub(super) struct Following {
    queues: Mutex<BTreeMap<DirectoryName, Queue>>,
    /// What copies were of before, for reports of requests that ran meanwhile.
    before: Mutex<HashMap<PlacedName, Version>>,
}

/// Of so many copies is known what they were of before. Of others a request that runs across the change counts as bytes.
const BEFORE_MAX: usize = 10_000;

#[derive(Debug, Default)]
struct Queue {
    due: BTreeSet<(Moment, PlacedName)>,
    known: HashMap<PlacedName, Moment>,
}

impl Queue {
    fn put(&mut self, name: &PlacedName, due: Moment) {
        if let Some(before) = self.known.insert(name.clone(), due) {
            self.due.remove(&(before, name.clone()));
        }
        self.due.insert((due, name.clone()));
    }
}

impl Following {
    /// The copy is made anew at `due`.
    pub(super) fn at(&self, placed: &Placed, due: Moment) {
        self.with(&placed.directory, |queue| queue.put(&placed.name, due));
    }

    /// The copy is made anew at `due`, unless it is known when. Tells whether it was not.
    pub(super) fn also(&self, placed: &Placed, due: Moment) -> bool {
        self.with(&placed.directory, |queue| {
            let is_new = !queue.known.contains_key(&placed.name);
            if is_new {
                queue.put(&placed.name, due);
            }
            is_new
        })
    }

    /// `placed` is of another version from now on.
    pub(super) fn replaces(&self, placed: &Placed) {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(version) = made_of(placed)
            && (before.len() < BEFORE_MAX || before.contains_key(&placed.name))
        {
            before.insert(placed.name.clone(), version.clone());
        }
    }

    /// The version of which a report about the copy is that tells of a file of `total` bytes, where it is of `now`.
    pub(super) fn version_of(&self, name: &PlacedName, total: Option<u64>, now: Version) -> Version {
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let is_before = |before: &&Version| total == Some(before.size) && total != Some(now.size);
        before.get(name).filter(is_before).cloned().unwrap_or(now)
    }

    /// Takes out one that is due in `directory`.
    fn take(&self, directory: &DirectoryName, now: Moment) -> Option<PlacedName> {
        self.with(directory, |queue| {
            if queue.due.first()?.0 > now {
                return None;
            }
            let (_, name) = queue.due.pop_first()?;
            queue.known.remove(&name);
            Some(name)
        })
    }

    /// When the next one is due in `directory`.
    pub(super) fn next(&self, directory: &DirectoryName) -> Option<Moment> {
        self.with(directory, |queue| queue.due.first().map(|(due, _)| *due))
    }

    fn with<T>(&self, directory: &DirectoryName, change: impl FnOnce(&mut Queue) -> T) -> T {
        change(self.queues.lock().unwrap_or_else(PoisonError::into_inner).entry(directory.clone()).or_default())
    }
}

/// The version that a copy was made of.
pub(super) fn made_of(placed: &Placed) -> Option<&Version> {
    match &placed.what {
        What::Copy(state) => state.made.as_ref().map(|made| &made.version),
        What::Stub(_) => None,
    }
}

/// Makes one copy anew whose master is another, if one is due. Whether one was.
pub(super) async fn follow_one(site: &Site, directory: &Arc<PublicDirectory>) -> Result<bool, Down> {
    let Some(name) = site.copies.following.take(&directory.entry.name, clock::now()) else { return Ok(false) };
    let row = site.store.placed(vec![name.clone()]).await;
    let followed = match row.map(|mut rows| rows.pop()) {
        Ok(Some(placed)) if placed.stay == Stay::Live => follow(site, directory, placed).await,
        // It has gone, or is being made.
        Ok(_) => Ok(()),
        Err(down) => Err(down),
    };
    if followed.is_err() {
        // Who asks waits until the store answers.
        site.copies.following.with(&directory.entry.name, |queue| queue.put(&name, clock::now()));
    }
    followed.map(|()| true)
}

async fn follow(site: &Site, directory: &Arc<PublicDirectory>, placed: Placed) -> Result<(), Down> {
    let (storages, file) = (Arc::clone(&site.storages), placed.file.clone());
    let version = tokio::task::spawn_blocking(move || storages.look(&file)).await;
    match (version, made_of(&placed)) {
        (Ok(Ok(version)), Some(made)) if version.differs_from(made) => make(site, directory, placed).await,
        // It is what it was again; or it is gone, and its copies stay.
        _ => Ok(()),
    }
}

/// A copy that could not be made anew is tried again at `later`; where something else has taken its place, it is made under
/// another name.
pub(super) async fn stay_behind(site: &Site, directory: &Arc<PublicDirectory>, placed: Placed, later: Moment) -> Result<(), Down> {
    let (work, row) = (Arc::clone(directory), placed.clone());
    if let Ok(Ok(false)) = tokio::task::spawn_blocking(move || work.has_copy(&row)).await {
        tracing::warn!(event = "copy_missing", grant = %placed.grant, directory = %placed.directory, "a copy was taken away by others; it is made again");
        return again(site, &*site.store, directory, vec![placed]).await;
    }
    site.copies.following.at(&placed, later);
    Ok(())
}

/// The version that a grant is bound to: that of its first copy, where its policy keeps versions.
pub(super) async fn sold(site: &Site, grant: Option<&Grant>) -> Result<Option<Version>, Down> {
    let Some(grant) = grant.filter(|grant| grant.policy.edition == Edition::Purchased) else { return Ok(None) };
    let rows = site.store.placed_for(grant.id).await?;
    Ok(rows.iter().find_map(made_of).cloned())
}

/// Copies that others took away are made again: under their names, or under others where something else lies there.
pub(super) async fn again(site: &Site, store: &dyn Store, directory: &Arc<PublicDirectory>, lost: Vec<Placed>) -> Result<(), Down> {
    let (work, now) = (Arc::clone(directory), clock::now());
    let look = move || lost.into_iter().partition(|placed| work.has(OsStr::new(&placed.path())));
    let (taken, free): (Vec<Placed>, Vec<Placed>) = tokio::task::spawn_blocking(look).await.unwrap_or_default();
    let names = |rows: &[Placed]| rows.iter().map(|placed| placed.name.clone()).collect::<Vec<_>>();
    if !free.is_empty() {
        store.copies_lost(names(&free), now).await?;
    }
    if !taken.is_empty() {
        store.placed_gone(names(&taken), now).await?;
    }
    for placed in &taken {
        if let Some(grant) = store.grant(placed.grant).await?
            && grant.keeps_copy(now)
            && let Some(copy) = new_copy(site, &grant.file, &grant.policy)
        {
            store.copy_for(grant.id, copy, now).await?;
        }
    }
    site.copies.wake();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::file::{FileRef, StorageName};
    use crate::domain::id::GrantId;
    use crate::domain::path::FilePath;
    use crate::domain::placed::{CopyState, How, Made, NewCopy};

    fn copy(number: u8) -> Placed {
        let name = PlacedName::new([number; 16]);
        let directory = DirectoryName::parse("goods").unwrap();
        let file = FileRef { storage: StorageName::parse("masters").unwrap(), path: FilePath::parse("a.zip").unwrap() };
        let grant = GrantId::new([number; 12]);
        NewCopy { name, directory, leaf: "a.zip".to_owned() }.row(grant, file, Moment::EPOCH)
    }

    #[test]
    fn a_request_that_ran_while_the_copy_changed_is_of_the_version_that_it_was_sent() {
        let version = |size| Version { size, modified: Moment::EPOCH, etag: String::new(), media_type: String::new() };
        let mut one = copy(1);
        let following = Following::default();
        following.replaces(&one);
        let made = Made { how: How::Copied, inode: 1, version: version(7), checksum: None };
        one.what = What::Copy(CopyState { made: Some(made), over: None });
        assert_eq!(following.version_of(&one.name, Some(7), version(9)), version(9), "of nothing before");
        following.replaces(&one);
        for (total, of) in [(Some(7), 7), (Some(9), 9), (Some(8), 9), (None, 9)] {
            assert_eq!(following.version_of(&one.name, total, version(9)), version(of), "{total:?}");
        }
        assert_eq!(following.version_of(&copy(2).name, Some(7), version(9)), version(9));
    }

    #[test]
    fn each_copy_is_made_anew_once_and_the_first_that_is_due_first() {
        let at = Moment::from_seconds;
        let (following, [one, two]) = (Following::default(), [copy(1), copy(2)]);
        let goods = &one.directory;
        assert!(following.also(&one, at(9)) && following.also(&two, at(8)));
        assert!(!following.also(&one, at(1)), "it waits for its time");
        assert_eq!((following.take(goods, at(7)), following.next(goods)), (None, Some(at(8))));
        following.at(&one, at(7));
        assert_eq!(following.take(goods, at(7)), Some(one.name.clone()));
        assert_eq!((following.take(goods, at(7)), following.take(goods, at(9))), (None, Some(two.name.clone())));
        assert_eq!((following.take(goods, at(9)), following.next(goods)), (None, None));
        assert_eq!(following.next(&DirectoryName::parse("others").unwrap()), None);
    }
}
