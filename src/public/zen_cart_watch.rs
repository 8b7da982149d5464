//! What the system tells of Zen Cart's links: that there are new ones, and who reads the files that they lead to. A read
//! through a link is a read of the file, and is told where that lies.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{CreateFlags, ReadFlags as Was, Reader, WatchFlags as On, add_watch, init};
use tokio::io::unix::AsyncFd;

use super::zen_cart::ZenCartPub;

/// What happens together is told together, and a link has been made when its directory is looked at.
const SETTLE: Duration = Duration::from_millis(200);

/// Room for some thousand events.
const BUFFER_BYTES: usize = 128 * 1024;

/// Of files in more directories than this nothing is told.
const FOLDERS_MAX: usize = 8192;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// There is something new in a `pub/`.
    Came,
    /// Somebody opened the file at this path.
    Opened(PathBuf),
    /// Somebody closed it.
    Closed(PathBuf),
    /// More happened than the system could tell: nobody knows who reads what.
    Lost,
}

/// Listens.
#[derive(Debug)]
pub struct ZenCartWatch {
    inotify: AsyncFd<OwnedFd>,
    /// The directory of files of each watch; none for a `pub/`.
    watched: HashMap<i32, Option<PathBuf>>,
    folders: HashMap<PathBuf, i32>,
}

impl ZenCartWatch {
    /// Listens at nothing yet. To be made on the event loop on which it is waited for.
    #[expect(deprecated, reason = "an `OwnedFd` keeps its descriptor open, which is what the function cannot ask for")]
    pub fn new() -> io::Result<Self> {
        let inotify = AsyncFd::new(init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?)?;
        Ok(Self { inotify, watched: HashMap::new(), folders: HashMap::new() })
    }

    /// Listens for what comes into `directory`.
    pub fn at_directory(&mut self, directory: &ZenCartPub) -> io::Result<()> {
        let place = format!("/proc/self/fd/{}", directory.root.as_raw_fd());
        let watch = add_watch(self.inotify.get_ref(), place.as_str(), On::CREATE | On::MOVED_TO | On::ONLYDIR)?;
        self.watched.insert(watch, None);
        Ok(())
    }

    /// Listens for who opens and closes the file at `path`; gives its directory where nothing was heard from there before.
    pub fn at_file<'p>(&mut self, path: &'p Path) -> io::Result<Option<&'p Path>> {
        let Some(folder) = path.parent().filter(|folder| !self.folders.contains_key(*folder)) else { return Ok(None) };
        if self.folders.len() >= FOLDERS_MAX {
            return Err(io::Error::other(format!("the files lie in more than {FOLDERS_MAX} directories")));
        }
        let watch = add_watch(self.inotify.get_ref(), folder, On::OPEN | On::CLOSE | On::ONLYDIR)?;
        self.watched.insert(watch, Some(folder.to_owned()));
        self.folders.insert(folder.to_owned(), watch);
        Ok(Some(folder))
    }

    /// Waits until something happened, and a moment longer.
    pub async fn heard(&mut self) -> Vec<Heard> {
        loop {
            let Ok(mut ready) = self.inotify.readable().await else { return std::future::pending().await };
            tokio::time::sleep(SETTLE).await;
            // What comes from here on is read now or makes it ready again.
            ready.clear_ready();
            drop(ready);
            let heard = self.drain();
            if !heard.is_empty() {
                return heard;
            }
        }
    }

    fn drain(&mut self) -> Vec<Heard> {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
        let mut events = Reader::new(self.inotify.get_ref(), &mut buffer);
        let (mut heard, mut gone) = (Vec::new(), Vec::new());
        while let Ok(event) = events.next() {
            let was = event.events();
            if was.contains(Was::QUEUE_OVERFLOW) {
                heard.push(Heard::Lost);
                continue;
            }
            if was.contains(Was::IGNORED) {
                gone.push(event.wd());
            }
            match (self.watched.get(&event.wd()), event.file_name()) {
                (Some(None), _) if heard.last() != Some(&Heard::Came) => heard.push(Heard::Came),
                (Some(Some(folder)), Some(name)) if !was.contains(Was::ISDIR) => {
                    let path = folder.join(OsStr::from_bytes(name.to_bytes()));
                    heard.push(if was.contains(Was::OPEN) { Heard::Opened(path) } else { Heard::Closed(path) });
                }
                _ => {}
            }
        }
        for watch in gone {
            if let Some(Some(folder)) = self.watched.remove(&watch) {
                self.folders.remove(&folder);
                heard.push(Heard::Lost);
            }
        }
        heard
    }
}
