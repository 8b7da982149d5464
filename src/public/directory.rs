//! The directories of a configuration, open, each held by this process alone.

use std::ffi::OsStr;
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::former::Former;
use crate::config::Directory;
use crate::domain::place::{FileId, Place};
use crate::domain::placed::{DirectoryName, Placed};

/// Where things are made and taken apart: a directory that only we may enter.
pub const ASIDE: &str = ".cloakroom";

/// The open public directories, and the places where they were before.
#[derive(Debug, Default)]
pub struct Directories {
    here: Vec<Arc<PublicDirectory>>,
    former: Vec<Arc<Former>>,
}

/// One public directory, open.
#[derive(Debug)]
pub struct PublicDirectory {
    /// As configured.
    pub entry: Directory,
    pub(super) root: Arc<OwnedFd>,
    /// Held for as long as it is open: another daemon cannot have it.
    pub(super) aside: Arc<OwnedFd>,
}

/// A directory that cannot be used.
#[derive(Debug)]
pub struct DirectoryFault {
    /// Its name.
    pub name: DirectoryName,
    /// The directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for DirectoryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, path, why } = self;
        write!(f, "directory `{name}`: `{}` {why}", path.display())
    }
}

/// Why something was not placed: at which step, and what the system said.
#[derive(Debug)]
pub struct NotPlaced {
    /// What was to be done.
    pub step: &'static str,
    /// What the system said.
    pub error: Errno,
}

impl fmt::Display for NotPlaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, error } = self;
        write!(f, "cannot {step}: {error}")
    }
}

impl std::error::Error for NotPlaced {}

/// Which step failed.
pub(super) fn step(step: &'static str) -> impl Fn(Errno) -> NotPlaced {
    move |error| NotPlaced { step, error }
}

impl Directories {
    /// Opens every directory; all faults at once. Those that `before` holds are not opened a second time. One that is not
    /// there now is no fault: nothing is placed in it until it is back, and everything else goes on.
    pub fn open(entries: &[Directory], before: &Self) -> Result<Self, Vec<DirectoryFault>> {
        let (mut open, mut faults) = (Vec::with_capacity(entries.len()), Vec::new());
        for entry in entries {
            let is_away = open_directory(&entry.path).is_err();
            match if is_away { PublicDirectory::absent(entry) } else { PublicDirectory::open(entry, &[before]) } {
                Ok(directory) => open.push(Arc::new(directory)),
                Err(why) => faults.push(DirectoryFault { name: entry.name.clone(), path: entry.path.clone(), why }),
            }
        }
        if faults.is_empty() { Ok(Self { here: open, former: before.former.clone() }) } else { Err(faults) }
    }

    /// The same, with those opened again that are at their places no more and have others there now; and what is wrong with
    /// the rest. `None` where there is nothing new. Former places that could not be opened are tried again, too.
    pub fn again(&self) -> (Option<Self>, Vec<DirectoryFault>) {
        let (mut faults, mut is_new) = (Vec::new(), false);
        let mut again = |known: &Arc<PublicDirectory>| {
            if known.fault().is_none() {
                return Arc::clone(known);
            }
            match PublicDirectory::open(&known.entry, &[self]) {
                Ok(directory) => {
                    is_new = true;
                    Arc::new(directory)
                }
                Err(why) => {
                    faults.push(DirectoryFault { name: known.entry.name.clone(), path: known.entry.path.clone(), why });
                    Arc::clone(known)
                }
            }
        };
        let here = self.here.iter().map(&mut again).collect();
        let again = Self { here, former: Vec::new() };
        let places: Vec<Place> = self.former.iter().map(|former| former.place.clone()).collect();
        let again = again.with_former(&places, self);
        let is_open = |former: &Arc<Former>| former.directory().is_ok();
        is_new |= again.former.iter().map(is_open).ne(self.former.iter().map(is_open));
        (is_new.then_some(again), faults)
    }

    /// The same directories, with these former places; those that `before` has open are not opened a second time.
    #[must_use]
    pub fn with_former(&self, places: &[Place], before: &Self) -> Self {
        let mut all = Self { here: self.here.clone(), former: Vec::with_capacity(places.len()) };
        for place in places {
            let known = before.former.iter().find(|known| known.place == *place && known.is_there());
            let former = known.map_or_else(|| Arc::new(Former::open(place, &[before, &all])), Arc::clone);
            all.former.push(former);
        }
        all
    }

    /// The same directories, with these former places; nothing is opened, and nothing is known of those that `self` has not.
    #[must_use]
    pub fn with_former_unseen(&self, places: &[Place]) -> Self {
        let known = |place: &Place| self.former.iter().find(|known| known.place == *place).map(Arc::clone);
        let former = places.iter().map(|place| known(place).unwrap_or_else(|| Arc::new(Former::unseen(place))));
        Self { here: self.here.clone(), former: former.collect() }
    }

    /// The places where directories were before.
    pub fn former(&self) -> impl Iterator<Item = &Arc<Former>> {
        self.former.iter()
    }

    /// Those of them where `placed` may lie.
    pub fn former_of(&self, placed: &Placed) -> impl Iterator<Item = &Arc<Former>> {
        self.former.iter().filter(|former| former.place.may_hold(placed))
    }

    /// All that is open, here and in former places.
    pub(super) fn handles(&self) -> impl Iterator<Item = &PublicDirectory> {
        let here = self.here.iter().map(|directory| &**directory);
        here.chain(self.former.iter().filter_map(|former| former.directory().ok().map(|open| &**open)))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.here.is_empty()
    }

    /// The directory of this name.
    pub fn named(&self, name: &DirectoryName) -> Option<&Arc<PublicDirectory>> {
        self.here.iter().find(|directory| directory.entry.name == *name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<PublicDirectory>> {
        self.here.iter()
    }
}

impl PublicDirectory {
    pub(super) fn open(entry: &Directory, before: &[&Directories]) -> Result<Self, String> {
        let root =
            open_directory(&entry.path).map_err(|error| format!("must be a directory that this user can read and write: {error}"))?;
        let stat = |handle: &OwnedFd| rustix::fs::fstat(handle).map(|stat| (stat.st_dev, stat.st_ino));
        let id = stat(&root).map_err(|error| error.to_string())?;
        // A lock of ours would refuse us a second time.
        if let Some(known) =
            before.iter().flat_map(|before| before.handles()).find(|known| stat(&known.root) == Ok(id) && known.has_aside() == Ok(true))
        {
            return Ok(Self { entry: entry.clone(), root: Arc::clone(&known.root), aside: Arc::clone(&known.aside) });
        }
        let aside = open_aside(&root, ASIDE, Mode::RWXU)?;
        rustix::fs::flock(&aside, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            Errno::WOULDBLOCK => "is another daemon's: two daemons on one public directory would take away each other's files".to_owned(),
            other => format!("cannot be locked: {other}"),
        })?;
        Ok(Self { entry: entry.clone(), root: Arc::new(root), aside: Arc::new(aside) })
    }

    /// One that is not there: whatever is tried in it fails, and [`PublicDirectory::fault`] says why.
    fn absent(entry: &Directory) -> Result<Self, String> {
        let nothing = || rustix::fs::openat(CWD, "/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let open = nothing().and_then(|root| Ok((root, nothing()?))).map_err(|error| format!("cannot be waited for: {error}"));
        open.map(|(root, aside)| Self { entry: entry.clone(), root: Arc::new(root), aside: Arc::new(aside) })
    }

    /// Whether `other` is the same directory, wherever it is now.
    pub fn is_same(&self, other: &Self) -> bool {
        let id = |directory: &Self| rustix::fs::fstat(&directory.root).map(|stat| (stat.st_dev, stat.st_ino));
        matches!((id(self), id(other)), (Ok(one), Ok(other)) if one == other)
    }

    /// Where it lies now; nothing is known of what is not there.
    pub fn place(&self) -> Place {
        let is_directory = |stat: &rustix::fs::Stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let stat = rustix::fs::fstat(&self.root).ok().filter(is_directory);
        let id = stat.map(|stat| FileId { device: stat.st_dev, inode: stat.st_ino });
        Place { id, ..self.place_unseen() }
    }

    /// Where it is configured to lie; nobody looks there.
    pub fn place_unseen(&self) -> Place {
        Place { directory: self.entry.name.clone(), path: self.entry.path.display().to_string(), id: None, left: None }
    }

    /// What is wrong with the directory now, if anything: it was taken away, replaced, or unmounted.
    pub fn fault(&self) -> Option<String> {
        let look = || -> Result<bool, Errno> {
            let (there, ours) = (rustix::fs::fstat(open_directory(&self.entry.path)?)?, rustix::fs::fstat(&self.root)?);
            Ok((there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino))
        };
        match look().and_then(|is_ours| Ok((is_ours, self.has_aside()?))) {
            Ok((true, true)) => None,
            Ok((true, false)) => Some(format!("has lost its `{ASIDE}`")),
            Ok((false, _)) => Some("is another directory than when it was opened".to_owned()),
            Err(error) => Some(format!("cannot be opened any more: {error}")),
        }
    }

    /// Whether what is placed now is where the web server looks: an open directory can be filled wherever it was moved.
    pub fn check_place(&self) -> Result<(), NotPlaced> {
        self.fault().map_or(Ok(()), |_| Err(NotPlaced { step: "find the directory at its place", error: Errno::STALE }))
    }

    /// Whether what is made aside can still be moved into place.
    fn has_aside(&self) -> Result<bool, Errno> {
        is_named(&self.root, ASIDE, &self.aside)
    }
}

pub(super) fn open_directory(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(CWD, path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// The directory for what is half made, made where it is missing, with `mode`, which lets nobody else in. Somebody else's,
/// and one that others may enter or change, is refused.
pub(super) fn open_aside(root: &OwnedFd, name: &str, mode: Mode) -> Result<OwnedFd, String> {
    match rustix::fs::mkdirat(root, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(format!("must be a directory that this user can write: {error}")),
    }
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let aside =
        rustix::fs::openat(root, name, flags, Mode::empty()).map_err(|error| format!("holds a `{name}` that cannot be opened: {error}"))?;
    let stat = rustix::fs::fstat(&aside).map_err(|error| error.to_string())?;
    let open_to_others = Mode::WGRP | Mode::XGRP | Mode::WOTH | Mode::XOTH;
    let there = Mode::from_raw_mode(stat.st_mode);
    if stat.st_uid != rustix::process::geteuid().as_raw() || there.intersects(open_to_others) {
        return Err(format!("holds a `{name}` that others made or may enter: it must be this user's, with mode {:04o}", mode.bits()));
    }
    // What it was made with was taken from by the umask.
    if there & (Mode::RWXU | Mode::RWXG | Mode::RWXO) != mode {
        rustix::fs::fchmod(&aside, mode).map_err(|error| format!("holds a `{name}` whose mode cannot be set: {error}"))?;
    }
    Ok(aside)
}

/// What lies at `path` below `directory`, not followed.
pub(super) fn look(directory: &OwnedFd, path: &(impl AsRef<OsStr> + ?Sized)) -> Result<Option<rustix::fs::Stat>, Errno> {
    match rustix::fs::statat(directory, path.as_ref(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether `name` in `directory` is what is open as `ours`.
pub(super) fn is_named(directory: &OwnedFd, name: &str, ours: &OwnedFd) -> Result<bool, Errno> {
    let ours = rustix::fs::fstat(ours)?;
    Ok(look(directory, name)?.is_some_and(|there| (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)))
}

/// Whether `stat` is of a file of this kind that belongs to us.
pub(super) fn is_our(kind: FileType, stat: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind && stat.st_uid == rustix::process::geteuid().as_raw()
}
