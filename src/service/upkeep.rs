//! What those who fill and clear public directories tell each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::retries::Retries;
use crate::domain::file::FileRef;
use crate::domain::placed::PlacedName;

/// Of so many masters is known by how many they are read.
const READ_MAX: usize = 10_000;

/// Shared by all generations of a site.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// What is being placed or taken away now, and by how many.
    in_hand: Mutex<HashMap<PlacedName, usize>>,
    /// What could not be taken away.
    retries: Mutex<Retries>,
    /// By how many a master is being read, where that is heard.
    readers: Mutex<HashMap<FileRef, u32>>,
    /// Whoever watches looks at the directories now: something is wrong with them, or they are others.
    pub(super) look: Notify,
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

    pub(super) fn is_in_hand(&self, name: &PlacedName) -> bool {
        lock(&self.in_hand).contains_key(name)
    }

    pub(super) fn retries(&self) -> MutexGuard<'_, Retries> {
        lock(&self.retries)
    }

    /// Somebody opened `file`.
    pub(super) fn opened(&self, file: &FileRef) {
        let mut readers = lock(&self.readers);
        if readers.len() < READ_MAX || readers.contains_key(file) {
            *readers.entry(file.clone()).or_default() += 1;
        }
    }

    /// Somebody closed `file`, who may have opened it before anybody listened.
    pub(super) fn closed(&self, file: &FileRef) {
        let mut readers = lock(&self.readers);
        if let Some(count) = readers.get_mut(file) {
            *count -= 1;
            if *count == 0 {
                readers.remove(file);
            }
        }
    }

    /// Whether `file` is being read, as far as anybody heard.
    pub(super) fn is_read(&self, file: &FileRef) -> bool {
        lock(&self.readers).contains_key(file)
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
        drop(two);
        assert!(!upkeep.is_in_hand(&name));
    }

    #[test]
    fn a_file_is_read_until_everybody_who_was_heard_to_open_it_closed_it() {
        let upkeep = Upkeep::default();
        let file = FileRef { storage: StorageName::parse("masters").expect("a name"), path: FilePath::parse("a.zip").expect("a path") };
        upkeep.closed(&file);
        assert!(!upkeep.is_read(&file), "what was opened before is closed");
        upkeep.opened(&file);
        upkeep.opened(&file);
        upkeep.closed(&file);
        assert!(upkeep.is_read(&file));
        upkeep.closed(&file);
        assert!(!upkeep.is_read(&file));
        upkeep.opened(&file);
        upkeep.forget_readers();
        assert!(!upkeep.is_read(&file));
    }
}
