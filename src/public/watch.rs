//! Signs from the system that something happened in public directories and in those of the masters behind them. They only
//! bring a look forward: it also happens without them.
//!
//! `inotify` and not a crate above it, since only it tells of closes after reading. A read through a stub is a read of the
//! master, and is told where the master lies.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::inotify::{CreateFlags, ReadFlags as Was, Reader, WatchFlags as On, add_watch, init, remove_watch};
use tokio::io::unix::AsyncFd;

use super::directory::{ASIDE, Directories};
use crate::domain::placed::DirectoryName;

/// What happens together is told together, and wakes us once.
const SETTLE: Duration = Duration::from_millis(200);

/// Room for some thousand events.
const BUFFER_BYTES: usize = 128 * 1024;

/// Of more directories of masters than this nothing is told: each costs the system a watch of the user's few.
const FOLDERS_MAX: usize = 8192;

/// Names that come and go, and the directory itself.
const PUBLIC: On =
    On::CREATE.union(On::DELETE).union(On::MOVED_FROM).union(On::MOVED_TO).union(On::DELETE_SELF).union(On::MOVE_SELF).union(On::ONLYDIR);

/// All that makes another file of a path, or other bytes of a file.
const MASTERS: On = PUBLIC.union(On::CLOSE_WRITE).union(On::ATTRIB);

/// What happened, as far as anybody can tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// A name came into a public directory.
    Came(DirectoryName, OsString),
    /// A name left a public directory.
    Left(DirectoryName, OsString),
    /// A public directory itself was moved or taken away.
    Directory(DirectoryName),
    /// The master at this path may be another one, or be gone.
    Master(PathBuf),
    /// Somebody opened the master at this path.
    Opened(PathBuf),
    /// Somebody closed it.
    Closed(PathBuf),
    /// A directory of masters was moved or taken away, or more happened than the system could tell.
    Anything,
}

#[derive(Debug)]
enum Place {
    Public(DirectoryName),
    Masters(PathBuf, HashSet<OsString>),
}

/// What is listened at. All who place something share it.
#[derive(Debug, Default)]
pub struct Watch(Mutex<Places>);

/// Waits for what is told.
#[derive(Debug, Default)]
pub struct Ear(Option<AsyncFd<Arc<OwnedFd>>>);

#[derive(Debug, Default)]
struct Places {
    inotify: Option<Arc<OwnedFd>>,
    watched: HashMap<i32, Place>,
    folders: HashMap<PathBuf, i32>,
    /// Why something is not heard.
    deaf: Option<String>,
}

impl Ear {
    /// Waits until something happened, and a moment longer; tells each thing once, but for opens and closes.
    pub async fn heard(&self, watch: &Watch) -> Vec<Hint> {
        loop {
            let Some(inotify) = &self.0 else { return std::future::pending().await };
            let Ok(mut ready) = inotify.readable().await else { return std::future::pending().await };
            tokio::time::sleep(SETTLE).await;
            // What comes from here on is read now or makes it ready again.
            ready.clear_ready();
            drop(ready);
            let hints = watch.places().drain();
            if !hints.is_empty() {
                return hints;
            }
        }
    }
}

impl Watch {
    /// Begins anew to note what is not heard, and tries to hear at all where that was not possible. To be called on the
    /// event loop on which `ear` waits.
    #[expect(deprecated, reason = "an `OwnedFd` keeps its descriptor open, which is what the function cannot ask for")]
    pub fn begin(&self, ear: &mut Ear) {
        let mut places = self.places();
        places.deaf = None;
        if places.inotify.is_none() {
            let made = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).map_err(io::Error::from).map(Arc::new);
            match made.and_then(|inotify| Ok((AsyncFd::new(Arc::clone(&inotify))?, inotify))) {
                Ok((ready, inotify)) => {
                    ear.0 = Some(ready);
                    places.inotify = Some(inotify);
                }
                Err(error) => places.deaf = Some(format!("{error} (fs.inotify.max_user_instances)")),
            }
        }
    }

    /// Why not everything is heard, if so.
    pub fn deaf(&self) -> Option<String> {
        self.places().deaf.clone()
    }

    /// Listens at these public directories, and at no others.
    pub fn at_directories(&self, directories: &Directories) {
        self.places().at_directories(directories);
    }

    /// Listens at the master at `path`, too; at who opens and closes it if `to_readers`.
    pub fn at_master(&self, path: &Path, to_readers: bool) {
        self.places().at_master(path, to_readers);
    }

    /// Listens at these masters only, of all that it listened at.
    pub fn keep_masters(&self, masters: &HashSet<PathBuf>) {
        self.places().keep_masters(masters);
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn at_directories(&mut self, directories: &Directories) {
        let Some(inotify) = &self.inotify else { return };
        let mut heard = HashSet::new();
        for directory in directories.iter() {
            let place = format!("/proc/self/fd/{}", directory.root.as_raw_fd());
            match add_watch(inotify, place.as_str(), PUBLIC) {
                Ok(watch) => {
                    heard.insert(watch);
                    self.watched.insert(watch, Place::Public(directory.entry.name.clone()));
                }
                Err(error) => self.deaf = Some(reason(error)),
            }
        }
        self.watched.retain(|watch, place| {
            let stays = heard.contains(watch) || matches!(place, Place::Masters(..));
            if !stays {
                let _ = remove_watch(inotify, *watch);
            }
            stays
        });
    }

    fn at_master(&mut self, path: &Path, to_readers: bool) {
        let (Some(inotify), Some(folder), Some(name)) = (&self.inotify, path.parent(), path.file_name()) else { return };
        if let Some(Place::Masters(_, names)) = self.folders.get(folder).and_then(|watch| self.watched.get_mut(watch)) {
            names.insert(name.to_owned());
            return;
        }
        if self.folders.len() >= FOLDERS_MAX {
            self.deaf = Some(format!("masters lie in more than {FOLDERS_MAX} directories"));
            return;
        }
        let events = if to_readers { MASTERS | On::OPEN | On::CLOSE } else { MASTERS };
        match add_watch(inotify, folder, events) {
            Ok(watch) => {
                self.folders.insert(folder.to_owned(), watch);
                self.watched.insert(watch, Place::Masters(folder.to_owned(), HashSet::from([name.to_owned()])));
            }
            // Of what is not there nothing can be heard; it is looked at on time.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {}
            Err(error) => self.deaf = Some(reason(error)),
        }
    }

    fn keep_masters(&mut self, masters: &HashSet<PathBuf>) {
        let Self { inotify: Some(inotify), watched, folders, .. } = self else { return };
        watched.retain(|watch, place| {
            let Place::Masters(folder, names) = place else { return true };
            names.retain(|name| masters.contains(&folder.join(name)));
            if names.is_empty() {
                let _ = remove_watch(&*inotify, *watch);
                folders.remove(folder);
            }
            !names.is_empty()
        });
    }

    fn drain(&mut self) -> Vec<Hint> {
        let Some(inotify) = &self.inotify else { return Vec::new() };
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
        let mut events = Reader::new(inotify, &mut buffer);
        let (mut hints, mut told, mut lost) = (Vec::new(), HashSet::new(), Vec::new());
        while let Ok(event) = events.next() {
            let was = event.events();
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            if was.contains(Was::IGNORED) {
                lost.push(event.wd());
            }
            let hint = if was.contains(Was::QUEUE_OVERFLOW) {
                Some(Hint::Anything)
            } else {
                self.watched.get(&event.wd()).and_then(|place| hint(place, was, name))
            };
            let Some(hint) = hint else { continue };
            // Who wrote opened it, too.
            let closed = match &hint {
                Hint::Master(path) if was.contains(Was::CLOSE_WRITE) => Some(Hint::Closed(path.clone())),
                _ => None,
            };
            hints.extend(closed);
            if matches!(hint, Hint::Opened(_) | Hint::Closed(_)) || told.insert(hint.clone()) {
                hints.push(hint);
            }
        }
        for watch in lost {
            if let Some(Place::Masters(folder, _)) = self.watched.remove(&watch) {
                self.folders.remove(&folder);
            }
        }
        hints
    }
}

fn reason(error: rustix::io::Errno) -> String {
    match error {
        rustix::io::Errno::NOSPC => "no watch is left for this user (fs.inotify.max_user_watches)".to_owned(),
        other => other.to_string(),
    }
}

fn hint(place: &Place, was: Was, name: Option<&OsStr>) -> Option<Hint> {
    let itself = was.intersects(Was::DELETE_SELF | Was::MOVE_SELF | Was::UNMOUNT | Was::IGNORED);
    match (place, name) {
        (Place::Public(directory), _) if itself => Some(Hint::Directory(directory.clone())),
        (Place::Public(directory), Some(name)) if name == ASIDE => Some(Hint::Directory(directory.clone())),
        (Place::Public(directory), Some(name)) => {
            let (directory, name) = (directory.clone(), name.to_owned());
            let came = was.intersects(Was::CREATE | Was::MOVED_TO);
            Some(if came { Hint::Came(directory, name) } else { Hint::Left(directory, name) })
        }
        (Place::Masters(..), _) if itself => Some(Hint::Anything),
        (Place::Masters(folder, names), Some(name)) if names.contains(name) => {
            let path = folder.join(name);
            let changed = was.intersects(Was::CREATE | Was::DELETE | Was::MOVED_FROM | Was::MOVED_TO | Was::CLOSE_WRITE | Was::ATTRIB);
            Some(match (changed, was.contains(Was::OPEN)) {
                (true, _) => Hint::Master(path),
                (false, true) => Hint::Opened(path),
                (false, false) => Hint::Closed(path),
            })
        }
        (Place::Public(_) | Place::Masters(..), _) => None,
    }
}
