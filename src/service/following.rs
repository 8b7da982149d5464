//! What becomes of copies after they were made: they follow their masters, and are made again where others took them away.
//! A copy keeps its name, since customers have its URL.

use std::collections::{BTreeMap, BTreeSet, HashMap};
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
pub(super) struct Following(Mutex<BTreeMap<DirectoryName, Queue>>);

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
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(directory.clone()).or_default())
    }
}

/// Whether `one` is not of the same bytes as `other`, as far as size and time tell.
pub(super) fn differ(one: &Version, other: &Version) -> bool {
    (one.size, one.modified) != (other.size, other.modified)
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
        (Ok(Ok(version)), Some(made)) if differ(&version, made) => make(site, directory, placed).await,
        // It is what it was again; or it is gone, and its copies stay.
        _ => Ok(()),
    }
}

/// The version that a grant is bound to: that of its first copy, where its policy keeps versions.
pub(super) async fn sold(site: &Site, grant: Option<&Grant>) -> Result<Option<Version>, Down> {
    let Some(grant) = grant.filter(|grant| grant.policy.edition == Edition::Purchased) else { return Ok(None) };
    let rows = site.store.placed_for(grant.id).await?;
    Ok(rows.iter().find_map(made_of).cloned())
}

/// Copies that others took away are made again: under their names, or under others where something else lies there.
pub(super) async fn again(
    site: &Site,
    store: &dyn Store,
    directory: &Arc<PublicDirectory>,
    lost: Vec<Placed>,
) -> Result<(), Down> {
    let (work, now) = (Arc::clone(directory), clock::now());
    let look = move || lost.into_iter().partition(|placed| work.has(&placed.path()));
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
    use crate::domain::placed::NewCopy;

    fn copy(number: u8) -> Placed {
        let name = PlacedName::new([number; 16]);
        let directory = DirectoryName::parse("goods").unwrap();
        let file = FileRef { storage: StorageName::parse("masters").unwrap(), path: FilePath::parse("a.zip").unwrap() };
        let grant = GrantId::made(Moment::EPOCH, [number; 8]);
        NewCopy { name, directory, leaf: "a.zip".to_owned() }.row(grant, file, Moment::EPOCH)
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
