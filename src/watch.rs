//! Files that change while the daemon runs: what tells one state of a file from another, and a watch on the directories in
//! which they lie, by inotify, so that nothing is woken while nothing happens.

use std::fs::Metadata;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use tokio::io::unix::AsyncFd;

use crate::domain::file_state::FileState;

/// Who writes a file does it in several steps: it is looked at when they are done.
const SETTLE: Duration = Duration::from_millis(200);

/// The state of the file of which `found` tells.
pub fn state_of(found: &Metadata) -> FileState {
    FileState {
        device: found.dev(),
        inode: found.ino(),
        size: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    }
}

/// Tells when something happens in one of its directories. What it is about does not matter: it brings a look forward.
#[derive(Debug)]
pub struct DirectoryWatch(AsyncFd<OwnedFd>);

impl DirectoryWatch {
    /// Watches nothing yet. To be called on an event loop.
    #[expect(deprecated, reason = "an `OwnedFd` keeps its descriptor open, which is what the function cannot ask for")]
    pub fn new() -> io::Result<Self> {
        Ok(Self(AsyncFd::new(init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?)?))
    }

    /// Watches `directory`, too, for `events`.
    pub fn add(&self, directory: &Path, events: WatchFlags) -> io::Result<()> {
        add_watch(&self.0, directory, events | WatchFlags::ONLYDIR)?;
        Ok(())
    }

    /// Waits until something has happened, and a moment longer.
    pub async fn changed(&self) {
        loop {
            let Ok(mut ready) = self.0.readable().await else { return std::future::pending().await };
            if self.discard() {
                tokio::time::sleep(SETTLE).await;
                self.discard();
                return;
            }
            ready.clear_ready();
        }
    }

    /// Throws away what was told; whether there was anything.
    fn discard(&self) -> bool {
        let mut events = [0; 4096];
        let mut any = false;
        while rustix::io::read(&self.0, &mut events).is_ok_and(|bytes| bytes > 0) {
            any = true;
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn what_was_asked_for_is_told_once_it_is_done_and_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = |name: &str| directory.path().join(name);
        let watch = DirectoryWatch::new().expect("inotify");
        let events = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::DELETE_SELF;
        watch.add(directory.path(), events).expect("a watch");
        watch.add(directory.path(), events).expect("a second time");
        assert!(watch.add(&place("nowhere"), events).is_err());
        fs::write(place("a"), "1").expect("written");
        assert!(watch.add(&place("a"), events).is_err(), "a file is no directory");
        let told = async || tokio::time::timeout(Duration::from_secs(20), watch.changed()).await.expect("told");
        told().await;
        fs::rename(place("a"), place("b")).expect("moved");
        told().await;
        fs::remove_file(place("b")).expect("removed");
        let silence = tokio::time::timeout(SETTLE * 2, watch.changed()).await;
        assert!(silence.is_err(), "nobody asked for it");
        fs::remove_dir(directory.path()).expect("removed");
        told().await;
    }

    #[test]
    fn a_file_that_is_written_replaced_or_given_a_mode_is_in_another_state() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a");
        let state = || state_of(&fs::metadata(&path).expect("a file"));
        fs::write(&path, "1").expect("written");
        let first = state();
        assert_eq!(first, state());
        fs::write(&path, "22").expect("written");
        assert_ne!(first, state());
        let second = state();
        fs::write(directory.path().join("aside"), "22").expect("written");
        fs::rename(directory.path().join("aside"), &path).expect("replaced");
        assert_ne!(second, state());
    }
}
