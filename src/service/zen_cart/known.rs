//! What is known of Zen Cart's links: those that lie there, and those that were taken away lately.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::domain::moment::Moment;
use crate::domain::zen_cart::Rule;
use crate::public::Others;

/// So many that were taken away are remembered, for those who ask what became of one.
const GONE_MAX: usize = 1000;

/// What is known of all of them, over reloads.
#[derive(Debug, Default)]
pub struct ZenCarts {
    /// By directory and name, when a request for a link ended last.
    pub(super) asked: Mutex<HashMap<(PathBuf, String), Moment>>,
    /// The directories as they were seen last.
    seen: Mutex<Vec<Kept>>,
    gone: Mutex<VecDeque<Gone>>,
    /// Somebody wants them looked at.
    pub(super) changed: Notify,
    /// They were looked at.
    looked: Notify,
}

/// One `pub/`, as it was seen last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The directory.
    pub path: PathBuf,
    /// What is wrong with it, and what to do.
    pub fault: Option<String>,
    /// Its links, those that go first first.
    pub links: Vec<Seen>,
    /// What in it is not one of Zen Cart's links, and stays; the first [`FOREIGN_TOLD_MAX`](super::super::inventory::FOREIGN_TOLD_MAX) by name.
    pub foreign: Others,
    /// Links that others took away before their time, if there were any.
    pub lost: Option<Lost>,
    /// How many Cloakroom took away, since the daemon was started.
    pub removed: usize,
}

/// One of Zen Cart's links, as it was seen last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The name of the link's directory.
    pub name: String,
    /// What it leads to; mostly one.
    pub targets: Vec<PathBuf>,
    /// When it was made.
    pub made: Moment,
    /// Until when it stays, as far as is known now.
    pub until: Moment,
    /// What keeps it so long.
    pub by: Rule,
    /// Why it could not be taken away when its time was over, and what to do.
    pub not_removed: Option<String>,
}

/// One that is not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The `pub/`.
    pub directory: PathBuf,
    /// As it was.
    pub link: Seen,
    /// When; of what others took, when that was noticed.
    pub at: Moment,
    /// Whether Cloakroom did it, its time being over. Else somebody did it before its time: Zen Cart's own clean-up, mostly.
    pub is_by_us: bool,
}

/// Links that others took away before their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// How many, since the daemon was started.
    pub total: usize,
    /// When that was noticed last.
    pub at: Moment,
}

impl Kept {
    /// One of which nothing is known yet.
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), fault: None, links: Vec::new(), foreign: Others::default(), lost: None, removed: 0 }
    }
}

impl ZenCarts {
    /// Looks at the directories again: they may be others, or something may be mended.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Looks at the directories again, and takes away what is over; waits until that is done, if there are any.
    pub async fn look_now(&self, patience: Duration) {
        let is_any = !lock(&self.seen).is_empty();
        if is_any {
            let looked = self.looked.notified();
            self.wake();
            // Who waits too long is told what was seen before.
            let _ = tokio::time::timeout(patience, looked).await;
        }
    }

    /// One of them as it was seen last, if it was looked at yet.
    pub fn kept(&self, directory: &Path) -> Option<Kept> {
        lock(&self.seen).iter().find(|kept| kept.path == directory).cloned()
    }

    /// All of them as they were seen last. One that was not looked at yet is missing.
    pub fn list(&self) -> Vec<Kept> {
        lock(&self.seen).clone()
    }

    /// What became of the link `name` in `directory`, if it was taken away lately.
    pub fn gone(&self, directory: &Path, name: &str) -> Option<Gone> {
        lock(&self.gone).iter().rev().find(|gone| gone.directory == directory && gone.link.name == name).cloned()
    }

    pub(super) fn saw(&self, all: Vec<Kept>) {
        *lock(&self.seen) = all;
        self.looked.notify_waiters();
    }

    pub(super) fn went(&self, went: Gone) {
        lock(&self.asked).remove(&(went.directory.clone(), went.link.name.clone()));
        let mut gone = lock(&self.gone);
        if gone.len() >= GONE_MAX {
            gone.pop_front();
        }
        gone.push_back(went);
    }

    pub(super) fn asked(&self, directory: &Path, name: &str) -> Option<Moment> {
        lock(&self.asked).get(&(directory.to_owned(), name.to_owned())).copied()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
