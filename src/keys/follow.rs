//! Key files that change while the daemon runs: those whose state is another are told.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use rustix::fs::inotify::WatchFlags;

use crate::config::KeyEntry;
use crate::domain::file_state::FileState;
use crate::watch::{DirectoryWatch, state_of};

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
        Self(entries.iter().map(|entry| (entry.id.clone(), entry.file.metadata().ok().as_ref().map(state_of))).collect())
    }

    /// The ids of the keys whose files are others than in `before`.
    pub fn differing(&self, before: &Self) -> Vec<&str> {
        self.0.iter().filter(|state| !before.0.contains(state)).map(|(id, _)| id.as_str()).collect()
    }
}

/// A watch on the directories of key files.
#[derive(Debug)]
pub struct Watch(DirectoryWatch);

impl Watch {
    /// Watches nothing yet. To be called on an event loop.
    pub fn new() -> io::Result<Self> {
        DirectoryWatch::new().map(Self)
    }

    /// Watches the directories of these keys, too. The error is that of the first that cannot be watched.
    pub fn add(&self, entries: &[KeyEntry]) -> io::Result<()> {
        let directories: BTreeSet<&Path> = entries.iter().filter_map(|entry| entry.file.parent()).collect();
        let mut added = Ok(());
        for directory in directories {
            // Each is tried, whatever became of the one before.
            added = added.and(self.0.add(directory, EVENTS));
        }
        added
    }

    /// Waits until something has happened in one of the directories, and a moment longer.
    pub async fn changed(&self) {
        self.0.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::time::Duration;

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
        assert!(watch.add(&[entry("c", Path::new("/nowhere/c"))]).is_err());
    }
}
