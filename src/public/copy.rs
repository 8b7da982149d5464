//! Copies: `<stem>-<name>.<extension>`, a file with the bytes of the master.
//!
//! A copy is made aside, by the cheapest way that works: it shares the master's blocks where the file system can, is another
//! name of the master where that is allowed, else every byte is copied, and compared with the master's. Then it is shown, in
//! one step; where one of another version lies, the two are exchanged, and who is reading the one before reads it to its end.

use std::fs::File;
use std::os::fd::AsRawFd as _;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, renameat_with};
use rustix::io::Errno;

use super::copying::{NotCopied, Progress, compare, copy_bytes, is_of_disk};
use super::directory::{NotPlaced, PublicDirectory, is_our, look, step};
use super::stub::Taken;
use crate::domain::checksum::Checksum;
use crate::domain::placed::{How, Placed, PlacedName, What};
use crate::domain::policy::Edition;

/// The web server reads with its group; nobody writes.
const COPY_MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP);

/// A copy as it lies aside, or in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// How it was made.
    pub how: How,
    /// Its inode.
    pub inode: u64,
    /// Of its bytes, where they were compared with the master's.
    pub checksum: Option<Checksum>,
}

/// How something was made aside, and the checksum of what was compared.
type Made = (How, Option<Checksum>);

fn making(name: &PlacedName) -> String {
    format!("copy-{name}")
}

fn taking(name: &PlacedName) -> String {
    format!("went-{name}")
}

impl PublicDirectory {
    /// Makes a copy of `master` aside, where nobody sees it. What was half made before is made anew; what is in its place
    /// already, since nobody wrote down that it was shown, is only told. One that keeps its version has bytes of its own.
    pub fn make_copy(&self, placed: &Placed, master: &File, edition: Edition, progress: &Progress) -> Result<Copied, NotCopied> {
        let stat = rustix::fs::fstat(master).map_err(step("look at the master"))?;
        self.drop_copy(placed)?;
        if let Some(there) = look(&self.root, &placed.path()).map_err(step("look for the copy"))? {
            if there.st_ino == stat.st_ino && there.st_dev == stat.st_dev {
                return Ok(Copied { how: How::HardLink, inode: there.st_ino, checksum: None });
            }
            if !self.is_this(placed, &there) {
                return Err(of_others().into());
            }
            if version(&there) == version(&stat)
                && let Some(found) = self.find_copy(placed, &there, master, progress)?
            {
                return Ok(found);
            }
        }
        let aside = making(&placed.name);
        let made = self.make_aside(&aside, master, &stat, edition, progress);
        if made.is_err() {
            // The next start finds it, if it stays.
            let _ = self.drop_aside(&aside);
        }
        made
    }

    /// Puts what [`PublicDirectory::make_copy`] made into its place, in exchange for a copy of ours that lies there. Nothing of
    /// others is ever overwritten.
    pub fn show_copy(&self, placed: &Placed, made: Copied) -> Result<(), NotPlaced> {
        let aside = making(&placed.name);
        match renameat_with(&self.aside, aside.as_str(), &self.root, placed.path(), RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => self.exchange(placed)?,
            // It was in its place already.
            Err(Errno::NOENT)
                if look(&self.root, &placed.path()).is_ok_and(|there| there.is_some_and(|there| there.st_ino == made.inode)) => {}
            other => other.map_err(step("move the copy into place"))?,
        }
        // A name that a power cut takes away is one that customers were given.
        rustix::fs::fsync(&self.root).map_err(step("keep the name of the copy"))
    }

    /// Exchanges what lies aside for the copy that lies in its place, and removes that one, once nobody can put another into
    /// its place.
    fn exchange(&self, placed: &Placed) -> Result<(), NotPlaced> {
        let (aside, path) = (making(&placed.name), placed.path());
        if !look(&self.root, &path).map_err(step("look for the copy"))?.is_some_and(|there| self.is_this(placed, &there)) {
            return Err(of_others());
        }
        let exchange = || renameat_with(&self.aside, aside.as_str(), &self.root, path.as_str(), RenameFlags::EXCHANGE);
        match exchange() {
            Ok(()) => {}
            // For a moment nothing is there, where the file system cannot do better.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                return match self.take_out(placed)? {
                    Taken::Foreign(_) => Err(of_others()),
                    Taken::Gone | Taken::WasGone => {
                        let shown = renameat_with(&self.aside, aside.as_str(), &self.root, path.as_str(), RenameFlags::NOREPLACE);
                        shown.map_err(step("move the copy into place"))
                    }
                };
            }
            Err(error) => return Err(step("exchange the copy for the one before")(error)),
        }
        let before = look(&self.aside, &aside).map_err(step("look at the copy before"))?;
        if before.is_some_and(|before| self.is_this(placed, &before)) {
            return self.drop_aside(&aside);
        }
        exchange().map_err(step("put back what is not ours"))?;
        Err(of_others())
    }

    /// Forgets what [`PublicDirectory::make_copy`] made. What lies aside and is not ours was exchanged for a copy when the
    /// process ended, and goes back to its place.
    pub fn drop_copy(&self, placed: &Placed) -> Result<(), NotPlaced> {
        let aside = making(&placed.name);
        let is_ours = |stat: &Stat| is_half_made(stat) || self.is_this(placed, stat);
        let lies = || look(&self.aside, &aside).map_err(step("look at what was half copied"));
        match lies()? {
            None => return Ok(()),
            Some(stat) if is_ours(&stat) => return self.drop_aside(&aside),
            Some(_) => {}
        }
        let back = |flags| renameat_with(&self.aside, aside.as_str(), &self.root, placed.path(), flags);
        match back(RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => back(RenameFlags::EXCHANGE),
            other => other,
        }
        .map_err(step("put back what is not ours"))?;
        match lies()? {
            Some(stat) if is_ours(&stat) => self.drop_aside(&aside),
            Some(_) => Err(of_others()),
            None => Ok(()),
        }
    }

    /// Whether the copy is there.
    pub fn has_copy(&self, placed: &Placed) -> Result<bool, Errno> {
        Ok(look(&self.root, &placed.path())?.is_some_and(|stat| self.is_this(placed, &stat)))
    }

    /// The copy, open for reading; `None` where it is not there. One that is another name of its master is not meant: its bytes
    /// are whatever the master's are.
    pub fn open_copy(&self, placed: &Placed) -> Result<Option<File>, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.root, placed.path(), flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error),
        };
        let stat = rustix::fs::fstat(&file)?;
        Ok((is_our(FileType::RegularFile, &stat) && stat.st_nlink == 1).then_some(file))
    }

    /// Whether something lies where the copy belongs of which nobody can tell that it is that.
    pub fn holds_other(&self, placed: &Placed) -> Result<bool, Errno> {
        Ok(look(&self.root, &placed.path())?.is_some_and(|stat| !self.is_this(placed, &stat)))
    }

    /// Takes a copy away. Calling it again is free.
    pub fn take_copy(&self, placed: &Placed) -> Result<Taken, NotPlaced> {
        self.drop_copy(placed)?;
        self.take_out(placed)
    }

    fn take_out(&self, placed: &Placed) -> Result<Taken, NotPlaced> {
        let (path, gone) = (placed.path(), taking(&placed.name));
        // One that was being taken away when the process ended.
        if look(&self.aside, &gone).map_err(step("look at the copy"))?.is_none() {
            match renameat_with(&self.root, path.as_str(), &self.aside, gone.as_str(), RenameFlags::NOREPLACE) {
                Ok(()) => {}
                Err(Errno::NOENT) => return Ok(Taken::WasGone),
                Err(error) => return Err(step("take the copy out of the directory")(error)),
            }
        }
        let stat = look(&self.aside, &gone).map_err(step("look at what was taken out"))?;
        if stat.is_some_and(|stat| self.is_this(placed, &stat)) {
            rustix::fs::unlinkat(&self.aside, gone.as_str(), AtFlags::empty()).map_err(step("remove the copy"))?;
            return Ok(Taken::Gone);
        }
        let back = renameat_with(&self.aside, gone.as_str(), &self.root, path.as_str(), RenameFlags::NOREPLACE);
        back.map(|()| Taken::Foreign(path)).map_err(step("put back what is not ours"))
    }

    /// What is to be done about `entry`, which lies aside: a copy that was being made when the process ended is made anew,
    /// and goes; one that was being taken away, and what was exchanged for one, is left to who knows its row. `None` where it
    /// is no copy.
    pub(super) fn tidy_copy(&self, entry: &str) -> Option<(PlacedName, Result<Taken, NotPlaced>)> {
        let name = entry.strip_prefix("copy-")?.parse().ok()?;
        if !look(&self.aside, entry).is_ok_and(|stat| stat.is_some_and(|stat| is_half_made(&stat))) {
            return None;
        }
        Some((name, self.drop_aside(entry).map(|()| Taken::Gone)))
    }

    /// Whether `stat` is of what was made for this row. A hard link belongs to whoever has the master: it is known by its inode,
    /// or, where nobody wrote that down, by its other names, beside which nothing is lost.
    fn is_this(&self, placed: &Placed, stat: &Stat) -> bool {
        let made = match &placed.what {
            What::Stub(_) => None,
            What::Copy(state) => state.made.as_ref(),
        };
        let is_link = match made {
            Some(made) => made.how == How::HardLink && made.inode == stat.st_ino,
            None => self.entry.hard_links && stat.st_nlink > 1,
        };
        is_our(FileType::RegularFile, stat) || (is_link && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    }

    fn drop_aside(&self, aside: &str) -> Result<(), NotPlaced> {
        match rustix::fs::unlinkat(&self.aside, aside, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(step("remove what was half copied")(error)),
        }
    }

    fn make_aside(&self, aside: &str, master: &File, before: &Stat, edition: Edition, progress: &Progress) -> Result<Copied, NotCopied> {
        progress.begin(size(before));
        let may_link = self.entry.hard_links && edition == Edition::Latest;
        let made = self.make_somehow(aside, master, before, may_link, progress);
        let after = rustix::fs::fstat(master).map_err(step("look at the master"))?;
        // It differs, but for a reason that can be said.
        if matches!(made, Ok(_) | Err(NotCopied::Differs(_))) && version(before) != version(&after) {
            return Err(NotCopied::Changed);
        }
        let (how, checksum) = made?;
        progress.all_copied();
        let made = look(&self.aside, aside).map_err(step("look at the copy"))?.ok_or(NotCopied::Changed)?;
        if made.st_size != before.st_size {
            return Err(NotCopied::Changed);
        }
        Ok(Copied { how, inode: made.st_ino, checksum })
    }

    /// What is in the place of the copy already, if its bytes are the master's.
    fn find_copy(&self, placed: &Placed, there: &Stat, master: &File, progress: &Progress) -> Result<Option<Copied>, NotCopied> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.root, placed.path(), flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(step("open the copy that is there")(error).into()),
        };
        let open = rustix::fs::fstat(&file).map_err(step("look at the copy that is there"))?;
        if (open.st_dev, open.st_ino) != (there.st_dev, there.st_ino) {
            return Ok(None);
        }
        progress.begin(size(there));
        progress.all_copied();
        match compare(master, &file, size(there), progress) {
            Ok(checksum) => Ok(Some(Copied { how: How::Found, inode: there.st_ino, checksum: Some(checksum) })),
            Err(NotCopied::Differs(_) | NotCopied::Changed) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// The cheapest way that works.
    fn make_somehow(&self, aside: &str, master: &File, stat: &Stat, may_link: bool, progress: &Progress) -> Result<Made, NotCopied> {
        let file = self.new_aside(aside)?;
        match rustix::fs::ioctl_ficlone(&file, master) {
            Ok(()) => return Ok(self.finish(&file, stat).map(|()| (How::Reflink, None))?),
            Err(error) if is_of_disk(error) => return Err(step("share the master's blocks")(error).into()),
            // Another file system, or one that cannot.
            Err(_) => {}
        }
        if may_link {
            drop(file);
            self.drop_aside(aside)?;
            if self.link_aside(aside, master)? {
                return Ok((How::HardLink, None));
            }
            let file = self.new_aside(aside)?;
            return self.copy_whole(&file, master, stat, progress);
        }
        self.copy_whole(&file, master, stat, progress)
    }

    fn new_aside(&self, aside: &str) -> Result<File, NotPlaced> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&self.aside, aside, flags, Mode::RUSR | Mode::WUSR);
        made.map(File::from).map_err(step("make a file for the copy"))
    }

    /// Gives the master another name aside, where the system allows that: it is the very file that is open, whatever lies at
    /// its path now.
    fn link_aside(&self, aside: &str, master: &File) -> Result<bool, NotPlaced> {
        let open = format!("/proc/self/fd/{}", master.as_raw_fd());
        match rustix::fs::linkat(CWD, open, &self.aside, aside, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => Ok(true),
            Err(error) if is_of_disk(error) => Err(step("make a hard link of the master")(error)),
            // fs.protected_hardlinks (PERM); another file system (XDEV); as many names as there may be (MLINK).
            Err(_) => Ok(false),
        }
    }

    fn copy_whole(&self, file: &File, master: &File, stat: &Stat, progress: &Progress) -> Result<Made, NotCopied> {
        copy_bytes(master, file, size(stat), progress)?;
        self.finish(file, stat)?;
        Ok((How::Copied, Some(compare(master, file, size(stat), progress)?)))
    }

    /// Lets the web server read the copy, which gets the master's time, so that both are one version to browsers that resume;
    /// then waits for the disk.
    fn finish(&self, file: &File, master: &Stat) -> Result<(), NotPlaced> {
        let wanted = rustix::fs::fstat(&self.root).map_err(step("look at the directory"))?.st_gid;
        if rustix::fs::fstat(file).map_err(step("look at the copy"))?.st_gid != wanted {
            rustix::fs::fchown(file, None, Some(Gid::from_raw(wanted))).map_err(step("give the copy to the directory's group"))?;
        }
        // Whatever the umask is.
        rustix::fs::fchmod(file, COPY_MODE).map_err(step("let the web server read the copy"))?;
        let changed = Timespec { tv_sec: master.st_mtime, tv_nsec: i64::try_from(master.st_mtime_nsec).unwrap_or(0) };
        let times = Timestamps { last_access: changed, last_modification: changed };
        rustix::fs::futimens(file, &times).map_err(step("give the copy the master's time"))?;
        rustix::fs::fsync(file).map_err(step("bring the copy to the disk"))
    }
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Something that is not ours lies where a copy belongs.
fn of_others() -> NotPlaced {
    step("make a copy where something else lies")(Errno::EXIST)
}

/// Whether `stat`, of something that lies aside under the name of a copy, is of what we made, or of what has other names:
/// nothing is lost with it.
fn is_half_made(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && (is_our(FileType::RegularFile, stat) || stat.st_nlink > 1)
}

/// What changes when a file's content does, and what a copy has of its master.
const fn version(stat: &Stat) -> (i64, i64, u64) {
    (stat.st_size, stat.st_mtime, stat.st_mtime_nsec)
}
