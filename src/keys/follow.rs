//! Key files that change while the daemon runs. Their directories are watched by inotify, so that nothing is woken while
//! nothing happens; what an event is about does not matter, it only brings a look forward.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use tokio::io::unix::AsyncFd;

use crate::config::KeyEntry;
use crate::domain::file_state::FileState;

/// Who writes a file does it in several steps: it is looked at when they are done.
const SETTLE: Duration = Duration::from_millis(200);

/// Everything that can make another file, or another state, of a path in a directory. Writing alone is not among it: what is
/// written is closed at last.
const EVENTS: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ATTRIB);

/// The state of each key's file, in the order of the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct States(Vec<(String, Option<FileState>)>);

impl States {
    /// As they are now. To be asked before the files are read: what changes in between is seen then.
    pub fn of(entries: &[KeyEntry]) -> Self {
        Self(entries.iter().map(|entry| (entry.id.clone(), state(&entry.file))).collect())
    }

    /// The ids of the keys whose files are others than in `before`.
    pub fn differing(&self, before: &Self) -> Vec<&str> {
        self.0.iter().filter(|state| !before.0.contains(state)).map(|(id, _)| id.as_str()).collect()
    }
}

fn state(path: &Path) -> Option<FileState> {
    let found = path.metadata().ok()?;
    Some(FileState {
        device: found.dev(),
        inode: found.ino(),
        size: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

/// A watch on the directories of key files.
#[derive(Debug)]
pub struct Watch(AsyncFd<OwnedFd>);

impl Watch {
    /// Watches nothing yet. To be called on an event loop.
    #[expect(deprecated, reason = "an `OwnedFd` keeps its descriptor open, which is what the function cannot ask for")]
    pub fn new() -> io::Result<Self> {
        Ok(Self(AsyncFd::new(init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?)?))
    }

    /// Watches the directories of these keys, too. The error is that of the first that cannot be watched.
    pub fn add(&self, entries: &[KeyEntry]) -> io::Result<()> {
        let directories: BTreeSet<&Path> = entries.iter().filter_map(|entry| entry.file.parent()).collect();
        let mut added = Ok(());
        for directory in directories {
            // Each is tried, whatever became of the one before.
            added = added.and(add_watch(&self.0, directory, EVENTS).map(drop).map_err(io::Error::from));
        }
        added
    }

    /// Waits until something has happened in one of the directories, and a moment longer.
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
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::config::Purpose;

    fn entry(id: &str, file: &Path) -> KeyEntry {
        KeyEntry { id: id.to_owned(), file: file.to_owned(), purpose: Purpose::Sign }
    }

    #[tokio::test]
    async fn whatever_makes_another_file_of_a_path_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = |name: &str| directory.path().join(name);
        fs::write(place("a"), "1").expect("written");
        fs::write(place("aside"), "3").expect("written");
        let entries = [entry("a", &place("a")), entry("b", &place("b"))];
        let watch = Watch::new().expect("inotify");
        watch.add(&entries).expect("a watch");
        let changes: [(&str, &dyn Fn() -> io::Result<()>); 6] = [
            ("a", &|| fs::write(place("a"), "22")),
            ("a", &|| fs::rename(place("aside"), place("a"))),
            ("a", &|| fs::set_permissions(place("a"), fs::Permissions::from_mode(0o600))),
            ("b", &|| symlink(place("a"), place("b"))),
            ("b", &|| fs::remove_file(place("b"))),
            ("a", &|| fs::remove_file(place("a"))),
        ];
        for (id, change) in changes {
            let before = States::of(&entries);
            change().expect(id);
            tokio::time::timeout(Duration::from_secs(20), watch.changed()).await.expect("told");
            let now = States::of(&entries);
            assert_eq!(now.differing(&before), [id]);
            assert!(now.differing(&now).is_empty());
        }
        let silence = tokio::time::timeout(SETTLE * 2, watch.changed()).await;
        assert!(silence.is_err(), "nothing happened, and nothing is told");
        assert!(watch.add(&[entry("c", Path::new("/nowhere/c"))]).is_err());
    }
}
