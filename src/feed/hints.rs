//! Waiting: for a sign that a log has changed, for a while, or for the end.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify;

/// Ends whoever waits on it, and everybody who will: it stays set. Clones are one and the same.
#[derive(Clone, Debug)]
pub struct Stop(Arc<OwnedFd>);

impl Stop {
    /// One that is not set. Fails where the system has no descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    /// Sets it. The only fault is a counter at its end, and then it is set already.
    pub fn stop(&self) {
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Waits until it is set, but not longer than `at_most`; whether it is set.
    pub fn wait(&self, at_most: Duration) -> bool {
        let mut descriptors = [PollFd::new(&*self.0, PollFlags::IN)];
        loop {
            match poll(&mut descriptors, Some(&timespec(at_most))) {
                Ok(ready) => return ready > 0,
                Err(rustix::io::Errno::INTR) => {}
                // A descriptor that cannot be asked cannot end anybody: better now than never.
                Err(_) => return true,
            }
        }
    }

    /// Waits until `other` has something to read or it is set; whether it is set.
    pub(super) fn wait_beside(&self, other: &impl AsFd) -> bool {
        let mut descriptors = [PollFd::new(&*self.0, PollFlags::IN), PollFd::new(other, PollFlags::IN)];
        // A fault is seen by whoever reads.
        let _ = poll(&mut descriptors, None);
        self.is_set()
    }
}

/// Signs from the system that a look is worth while. They only bring a look forward: it also happens without them.
#[derive(Debug)]
pub(super) struct Hints {
    inotify: Option<OwnedFd>,
    files: Vec<i32>,
}

/// A look without a sign: signs get lost on network file systems and when the system's queue is full.
const LOOK: Duration = Duration::from_mins(1);

/// The same where the system gives no signs at all.
const LOOK_WITHOUT_SIGNS: Duration = Duration::from_secs(5);

impl Hints {
    pub(super) fn new() -> Self {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK);
        if let Err(error) = &inotify {
            tracing::warn!(%error, "the system tells nothing about changed files; the log is looked at every 5 s");
        }
        Self { inotify: inotify.ok(), files: Vec::new() }
    }

    /// Listens for files that come into `directory`; doing so again is free, and brings back a watch that was lost.
    /// Writes to the files in it give no sign, as other and busier logs lie there.
    pub(super) fn watch_directory(&self, directory: &Path) {
        use inotify::WatchFlags as On;
        if let Some(inotify) = &self.inotify {
            let _ = inotify::add_watch(inotify, directory, On::CREATE | On::MOVED_TO | On::ATTRIB | On::ONLYDIR);
        }
    }

    /// Listens for writes to `files`, whatever their names are by now, and no longer to those of before.
    pub(super) fn watch_files<'a>(&mut self, files: impl Iterator<Item = &'a File>) {
        use inotify::WatchFlags as On;
        let Some(inotify) = &self.inotify else { return };
        let watch = |file: &File| {
            let place = format!("/proc/self/fd/{}", file.as_raw_fd());
            inotify::add_watch(inotify, place.as_str(), On::MODIFY | On::MOVE_SELF | On::ATTRIB).ok()
        };
        let watched: Vec<i32> = files.filter_map(watch).collect();
        for before in std::mem::replace(&mut self.files, watched) {
            if !self.files.contains(&before) {
                let _ = inotify::remove_watch(inotify, before);
            }
        }
    }

    /// Waits for a sign, for `stop`, or until a look is due anyway.
    pub(super) fn wait(&self, stop: &Stop) {
        let Some(inotify) = &self.inotify else {
            stop.wait(LOOK_WITHOUT_SIGNS);
            return;
        };
        let mut descriptors = [PollFd::new(&*stop.0, PollFlags::IN), PollFd::new(inotify, PollFlags::IN)];
        let _ = poll(&mut descriptors, Some(&timespec(LOOK)));
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(inotify.as_fd(), &mut buffer);
        // What they say is not needed: the look that follows sees more than they do.
        while events.next().is_ok() {}
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX), tv_nsec: duration.subsec_nanos().into() }
}
