//! Zen Cart's own `pub/`: what lies there, and the links whose time is over taken away.
//!
//! What goes is moved aside in one step, looked at where nobody else can enter, and only unlinked if it is a directory with
//! nothing but symbolic links; else it is put back.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::directory::{NotPlaced, is_named, look, open_aside, step};
use super::stub::{Taken, entries};
use crate::domain::moment::Moment;
use crate::domain::zen_cart::Name;

/// Where links are taken apart. Zen Cart's clean-up passes by what is from the year 2286.
pub const ZEN_CART_ASIDE: &str = ".cloakroom-9999999999";

/// Nobody else enters it. But Zen Cart's clean-up opens each directory before it looks at the time in its name, complains
/// of one that it cannot open, and removes that if it is empty (`includes/classes/observers/auto.downloads_via_redirect.php`
/// of 1.5.6 to 2.2): so everybody may list what is in it, for as long as that takes.
const ASIDE_MODE: Mode = Mode::RWXU.union(Mode::RGRP).union(Mode::ROTH);

/// Such a directory, open, and held by this process alone.
#[derive(Debug)]
pub struct ZenCartPub {
    pub(super) root: OwnedFd,
    aside: OwnedFd,
}

/// One of Zen Cart's links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkDirectory {
    /// The name of its directory.
    pub name: String,
    /// What that says.
    pub told: Name,
    /// When the directory was last changed.
    pub changed: Moment,
    /// What the links in it lead to; none while it is being made.
    pub targets: Vec<PathBuf>,
}

impl ZenCartPub {
    /// Opens the directory at `path`; else tells what it needs.
    pub fn open(path: &Path) -> Result<Self, String> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|error| format!("cannot be opened: {error}"))?;
        let mode = rustix::fs::fstat(&root).map_err(|error| error.to_string())?.st_mode;
        if Mode::from_raw_mode(mode).contains(Mode::SVTX) && !rustix::process::geteuid().is_root() {
            return Err("has the sticky bit, by which nobody takes away what others made: `chmod -t` it".to_owned());
        }
        let aside = open_aside(&root, ZEN_CART_ASIDE, ASIDE_MODE)?;
        rustix::fs::flock(&aside, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            Errno::WOULDBLOCK => "is looked after by another daemon".to_owned(),
            other => format!("cannot be locked: {other}"),
        })?;
        Ok(Self { root, aside })
    }

    /// Whether the directory is still the one at `path`, and whole.
    pub fn is_at(&self, path: &Path) -> bool {
        let id = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
        let is_there = rustix::fs::stat(path).is_ok_and(|there| rustix::fs::fstat(&self.root).is_ok_and(|ours| id(there) == id(ours)));
        is_there && is_named(&self.root, ZEN_CART_ASIDE, &self.aside) == Ok(true)
    }

    /// The names of everything in it, one by one: there may be very many.
    pub fn names(&self) -> Result<impl Iterator<Item = Result<OsString, Errno>>, Errno> {
        let names = Dir::read_from(&self.root)?.map(|entry| Ok(OsString::from_vec(entry?.file_name().to_bytes().to_vec())));
        let is_skipped = |name: &OsString| [".", "..", ZEN_CART_ASIDE].iter().any(|skipped| name == *skipped);
        Ok(names.filter(move |name| !name.as_ref().is_ok_and(is_skipped)))
    }

    /// The link directory `name`; `None` where it is not there or not one of Zen Cart's.
    pub fn link_directory(&self, name: &str) -> Result<Option<LinkDirectory>, Errno> {
        let Some(told) = Name::parse(name) else { return Ok(None) };
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let inside = match rustix::fs::openat(&self.root, name, flags, Mode::empty()) {
            Ok(inside) => inside,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(found) = links(&inside)? else { return Ok(None) };
        let target = |link: &String| {
            let target = rustix::fs::readlinkat(&inside, link.as_str(), Vec::new()).ok()?;
            Some(PathBuf::from(OsString::from_vec(target.into_bytes())))
        };
        let changed = Moment::from_seconds(u64::try_from(rustix::fs::fstat(&inside)?.st_mtime).unwrap_or_default());
        Ok(Some(LinkDirectory { name: name.to_owned(), told, changed, targets: found.iter().filter_map(target).collect() }))
    }

    /// Takes away the link directory `name`. Calling it again is free.
    pub fn take(&self, name: &str) -> Result<Taken, NotPlaced> {
        if Name::parse(name).is_none() {
            return Ok(Taken::Foreign(name.to_owned()));
        }
        if look(&self.aside, name).map_err(step("look at the link"))?.is_none() {
            match renameat_with(&self.root, name, &self.aside, name, RenameFlags::NOREPLACE) {
                Ok(()) => {}
                Err(Errno::NOENT) => return Ok(Taken::WasGone),
                // To be moved, a directory must be writable itself.
                Err(error) => return Err(step("move the link out of the directory")(error)),
            }
        }
        self.take_apart(name)
    }

    /// Ends what was being taken away when the process ended before.
    pub fn tidy(&self) -> Result<(), NotPlaced> {
        for name in entries(&self.aside).map_err(step("list what is taken apart"))? {
            self.take_apart(&name)?;
        }
        Ok(())
    }

    fn take_apart(&self, name: &str) -> Result<Taken, NotPlaced> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = match rustix::fs::openat(&self.aside, name, flags, Mode::empty()) {
            Ok(inside) => links(&inside).map_err(step("look into the link"))?.map(|links| (inside, links)),
            Err(Errno::NOTDIR | Errno::LOOP) => None,
            Err(error) => return Err(step("open the link")(error)),
        };
        let Some((inside, links)) = found.filter(|_| Name::parse(name).is_some()) else {
            let back = renameat_with(&self.aside, name, &self.root, name, RenameFlags::NOREPLACE);
            return back.map(|()| Taken::Foreign(name.to_owned())).map_err(step("put back what Zen Cart did not make"));
        };
        for link in links {
            rustix::fs::unlinkat(&inside, link.as_str(), AtFlags::empty()).map_err(step("remove the link"))?;
        }
        rustix::fs::unlinkat(&self.aside, name, AtFlags::REMOVEDIR).map_err(step("remove the link's directory"))?;
        Ok(Taken::Gone)
    }
}

/// The names in a directory, if all are symbolic links.
fn links(inside: &OwnedFd) -> Result<Option<Vec<String>>, Errno> {
    let names = entries(inside)?;
    for name in &names {
        // A name that is no UTF-8 is not found again, and is nobody's.
        let stat = look(inside, name)?;
        if stat.is_none_or(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::Symlink) {
            return Ok(None);
        }
    }
    Ok(Some(names))
}
