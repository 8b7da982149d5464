//! Tells when something happens where htpasswd files lie, by inotify. What it is about does not matter: it brings a look
//! forward.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use tokio::io::unix::AsyncFd;

/// Who writes a file does it in several steps: it is looked at when they are done.
const SETTLE: Duration = Duration::from_millis(200);

/// Everything that can make another file, or another state, of a path in a directory, once it is done.
const EVENTS: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// A watch on the directories of htpasswd files.
#[derive(Debug)]
pub struct HtpasswdWatch(AsyncFd<OwnedFd>);

impl HtpasswdWatch {
    /// Watches nothing yet. To be called on an event loop.
    #[expect(deprecated, reason = "an `OwnedFd` keeps its descriptor open, which is what the function cannot ask for")]
    pub fn new() -> io::Result<Self> {
        Ok(Self(AsyncFd::new(init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?)?))
    }

    /// Watches `directory` too, if it does not yet.
    pub fn add(&self, directory: &Path) -> io::Result<()> {
        add_watch(&self.0, directory, EVENTS | WatchFlags::ONLYDIR)?;
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
    async fn whoever_writes_replaces_or_removes_a_file_is_noticed() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = |name: &str| directory.path().join(name);
        let watch = HtpasswdWatch::new().expect("inotify");
        watch.add(directory.path()).expect("a watch");
        watch.add(directory.path()).expect("a second time");
        assert!(watch.add(&place("nowhere")).is_err());
        let changes: [&dyn Fn() -> io::Result<()>; 4] = [
            &|| fs::write(place("goods"), "bob:x\n"),
            &|| fs::rename(place("goods"), place("other")),
            &|| fs::remove_file(place("other")),
            &|| fs::remove_dir(directory.path()),
        ];
        for (place, change) in changes.iter().enumerate() {
            change().expect("a change");
            tokio::time::timeout(Duration::from_secs(20), watch.changed()).await.unwrap_or_else(|_| panic!("{place} is told"));
        }
    }
}
