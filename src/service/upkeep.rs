//! What those who fill and clear public directories tell each other.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::retries::{Retries, SAID_MAX};
use crate::domain::file::FileRef;
use crate::domain::placed::{DirectoryName, PlacedName};
use crate::public::Watch;

/// Of so many masters is known whether they are read.
const READ_MAX: usize = 10_000;

/// Whoever was seen closing a master may open it again so soon, and others whose opening was told together with that one may
/// still be reading.
pub(super) const LINGER: Duration = Duration::from_mins(5);

/// Shared by all generations of a site.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// What is being placed or taken away now, and by how many.
    in_hand: Mutex<HashMap<PlacedName, usize>>,
    /// Something was let go.
    let_go: Notify,
    /// Why nothing could be placed, as it was said: once, until something can be placed again.
    not_placed: Mutex<HashMap<DirectoryName, HashSet<String>>>,
    /// What could not be taken away.
    retries: Mutex<Retries>,
    /// Whether masters are being read, where that is heard.
    readers: Mutex<HashMap<FileRef, Last>>,
    /// Directories in which what is missing was never there: it is placed there at the next look.
    moved: Mutex<BTreeSet<DirectoryName>>,
    /// What is listened at.
    pub(super) watch: Watch,
    /// Whoever watches looks at the directories now: something is wrong with them, or they are others.
    pub(super) look: Notify,
}

/// What was heard last of a master. Nobody can be counted by it: the system tells of neighbouring opens, and of closes, as of
/// one.
#[derive(Clone, Copy, Debug)]
enum Last {
    Opened,
    Closed(Instant),
}

impl Last {
    fn is_reading(self, now: Instant, linger: Duration) -> bool {
        match self {
            Self::Opened => true,
            Self::Closed(at) => now.saturating_duration_since(at) < linger,
        }
    }
}

/// What is counted of public directories.
#[derive(Default)]
pub(super) struct PublicNumbers {
    pub(super) foreign: Gauge,
    pub(super) waiting: Gauge,
    pub(super) lost: Counter,
}

impl PublicNumbers {
    pub(super) fn in_registry(registry: &mut Registry) -> Self {
        let all = Self::default();
        registry.register("foreign_files", "Things in public directories that Cloakroom did not make", all.foreign.clone());
        registry.register("removals_waiting", "What could not be taken out of public directories yet", all.waiting.clone());
        registry.register("placed_lost", "What others took out of public directories", all.lost.clone());
        all
    }
}

/// Something is in hand for as long as this lives.
#[derive(Debug)]
pub(super) struct Held(Arc<Upkeep>, PlacedName);

impl Upkeep {
    /// Takes `name` in hand: until it is let go, a file without a row, or a row without a file, means nothing. To be done
    /// before either is made.
    pub(super) fn hold(self: &Arc<Self>, name: &PlacedName) -> Held {
        *lock(&self.in_hand).entry(name.clone()).or_default() += 1;
        Held(Arc::clone(self), name.clone())
    }

    /// The same, unless somebody has `name` in hand already.
    pub(super) fn try_hold(self: &Arc<Self>, name: &PlacedName) -> Option<Held> {
        match lock(&self.in_hand).entry(name.clone()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(free) => {
                free.insert(1);
                Some(Held(Arc::clone(self), name.clone()))
            }
        }
    }

    pub(super) fn is_in_hand(&self, name: &PlacedName) -> bool {
        lock(&self.in_hand).contains_key(name)
    }

    /// Waits until nobody has `name` in hand. Whether somebody had.
    pub(super) async fn free(&self, name: &PlacedName) -> bool {
        let mut waited = false;
        loop {
            // Who lets go between the look and the wait is heard.
            let mut let_go = std::pin::pin!(self.let_go.notified());
            let_go.as_mut().enable();
            if !self.is_in_hand(name) {
                return waited;
            }
            waited = true;
            let_go.await;
        }
    }

    /// Nothing could be placed in `directory`, because of `why`. Tells whether that is to be said.
    pub(super) fn not_placed(&self, directory: &DirectoryName, why: &str) -> bool {
        let mut said = lock(&self.not_placed);
        let said = said.entry(directory.clone()).or_default();
        said.len() < SAID_MAX && said.insert(why.to_owned())
    }

    /// Why nothing could be placed in `directory` since something could be, if that was tried.
    pub(super) fn why_not_placed(&self, directory: &DirectoryName) -> Option<String> {
        let said = lock(&self.not_placed);
        let mut why: Vec<&str> = said.get(directory)?.iter().map(String::as_str).collect();
        why.sort_unstable();
        Some(why.join("; "))
    }

    /// Something was placed in `directory`.
    pub(super) fn placed(&self, directory: &DirectoryName) {
        lock(&self.not_placed).remove(directory);
    }

    /// What is missing in these directories was never there.
    pub(super) fn moved(&self, directories: BTreeSet<DirectoryName>) {
        lock(&self.moved).extend(directories);
    }

    /// The directories of which that was said since it was asked last.
    pub(super) fn take_moved(&self) -> BTreeSet<DirectoryName> {
        std::mem::take(&mut *lock(&self.moved))
    }

    pub(super) fn retries(&self) -> MutexGuard<'_, Retries> {
        lock(&self.retries)
    }

    /// Somebody opened `file`.
    pub(super) fn opened(&self, file: &FileRef, now: Instant) {
        let mut readers = lock(&self.readers);
        if readers.len() >= READ_MAX && !readers.contains_key(file) {
            readers.retain(|_, last| last.is_reading(now, LINGER));
        }
        if readers.len() < READ_MAX || readers.contains_key(file) {
            readers.insert(file.clone(), Last::Opened);
        }
    }

    /// Somebody closed `file`, who may have opened it before anybody listened.
    pub(super) fn closed(&self, file: &FileRef, now: Instant) {
        if let Some(last) = lock(&self.readers).get_mut(file) {
            *last = Last::Closed(now);
        }
    }

    /// Whether `file` is being read, as far as anybody heard: it was opened last, or closed less than `linger` ago.
    pub(super) fn is_read(&self, file: &FileRef, now: Instant, linger: Duration) -> bool {
        lock(&self.readers).get(file).is_some_and(|last| last.is_reading(now, linger))
    }

    /// Opens or closes were not heard: nobody knows any more who reads.
    pub(super) fn forget_readers(&self) {
        lock(&self.readers).clear();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Self(upkeep, name) = self;
        let mut in_hand = lock(&upkeep.in_hand);
        if let Some(count) = in_hand.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                in_hand.remove(name);
                drop(in_hand);
                upkeep.let_go.notify_waiters();
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::file::StorageName;
    use crate::domain::path::FilePath;

    #[test]
    fn what_two_hold_is_in_hand_until_both_let_go() {
        let upkeep = Arc::new(Upkeep::default());
        let (name, other) = (PlacedName::new([1; 16]), PlacedName::new([2; 16]));
        let (one, two) = (upkeep.hold(&name), upkeep.hold(&name));
        assert!(upkeep.is_in_hand(&name) && !upkeep.is_in_hand(&other));
        drop(one);
        assert!(upkeep.is_in_hand(&name));
        assert!(upkeep.try_hold(&name).is_none(), "somebody has it");
        drop(two);
        assert!(!upkeep.is_in_hand(&name));
        let one = upkeep.try_hold(&name);
        assert!(one.is_some() && upkeep.is_in_hand(&name) && upkeep.try_hold(&name).is_none());
        drop(one);
        assert!(!upkeep.is_in_hand(&name));
    }

    #[tokio::test]
    async fn who_waits_for_a_name_goes_on_when_the_last_who_has_it_lets_go() {
        let upkeep = Arc::new(Upkeep::default());
        let (name, other) = (PlacedName::new([1; 16]), PlacedName::new([2; 16]));
        assert!(!upkeep.free(&name).await, "nobody has it");
        let (one, two, another) = (upkeep.hold(&name), upkeep.hold(&name), upkeep.hold(&other));
        let mut waiting = std::pin::pin!(upkeep.free(&name));
        let mut is_waiting = async || {
            tokio::select! {
                biased;
                waited = &mut waiting => Err(waited),
                () = std::future::ready(()) => Ok(()),
            }
        };
        assert_eq!(is_waiting().await, Ok(()));
        drop(one);
        assert_eq!(is_waiting().await, Ok(()), "one of two");
        drop(another);
        assert_eq!(is_waiting().await, Ok(()), "another name");
        drop(two);
        assert_eq!(is_waiting().await, Err(true));
    }

    #[test]
    fn why_nothing_can_be_placed_is_said_once_until_something_can_be() {
        let upkeep = Upkeep::default();
        let [one, other] = ["one", "other"].map(|name| DirectoryName::parse(name).expect("a name"));
        assert!(upkeep.not_placed(&one, "ENOSPC") && upkeep.not_placed(&one, "EACCES") && upkeep.not_placed(&other, "ENOSPC"));
        assert!(!upkeep.not_placed(&one, "ENOSPC") && !upkeep.not_placed(&other, "ENOSPC"));
        assert_eq!(upkeep.why_not_placed(&one).as_deref(), Some("EACCES; ENOSPC"));
        upkeep.placed(&one);
        assert_eq!((upkeep.why_not_placed(&one), upkeep.why_not_placed(&other).as_deref()), (None, Some("ENOSPC")));
        assert!(upkeep.not_placed(&one, "ENOSPC") && !upkeep.not_placed(&other, "ENOSPC"));
    }

    fn master(number: usize) -> FileRef {
        let path = FilePath::parse(&format!("{number}.zip")).expect("a path");
        FileRef { storage: StorageName::parse("masters").expect("a name"), path }
    }

    #[test]
    fn a_file_is_read_while_it_was_opened_last_and_for_a_while_after_a_close() {
        let (upkeep, file, now) = (Upkeep::default(), master(1), Instant::now());
        let second = Duration::from_secs(1);
        let is_read = |after: Duration| upkeep.is_read(&file, now + after, second);
        upkeep.closed(&file, now);
        assert!(!is_read(Duration::ZERO), "what was opened before is closed");
        upkeep.opened(&file, now);
        assert!(is_read(Duration::ZERO) && is_read(Duration::from_hours(99)));
        // Two opens may be told as one: after the first close somebody may still read.
        upkeep.closed(&file, now + second);
        assert!(is_read(second) && is_read(second + second / 2) && !is_read(second * 2));
        upkeep.closed(&file, now + second * 2);
        assert!(is_read(second * 2) && !is_read(second * 3));
        upkeep.opened(&file, now + second * 4);
        assert!(is_read(second * 99));
        upkeep.forget_readers();
        assert!(!is_read(Duration::ZERO));
    }

    #[test]
    fn what_is_known_of_readers_is_bounded_and_what_is_over_makes_room() {
        let (upkeep, now) = (Upkeep::default(), Instant::now());
        (0..READ_MAX).for_each(|number| upkeep.opened(&master(number), now));
        upkeep.opened(&master(READ_MAX), now);
        assert!(!upkeep.is_read(&master(READ_MAX), now, LINGER), "no room");
        upkeep.closed(&master(7), now);
        upkeep.opened(&master(READ_MAX), now + LINGER);
        assert!(upkeep.is_read(&master(READ_MAX), now + LINGER, LINGER) && !upkeep.is_read(&master(7), now, LINGER));
        assert!(upkeep.is_read(&master(8), now + LINGER, LINGER));
    }
}
