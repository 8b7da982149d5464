//! The htpasswd file of a public directory: our lines in it, and those of people.
//!
//! It lies outside of everything that is handed out. It is written whole aside and renamed, so that a web server, which reads
//! it at each request, sees the old one or the new one; and read again before each writing, since people edit it too.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Gid, Mode, OFlags};
use rustix::io::Errno;

use super::directory::look;
use crate::domain::credential::UserName;
use crate::domain::file_state::FileState;
use crate::domain::moment::Moment;
use crate::proof::htpasswd::block::{self, Alike};
use crate::watch::state_of;

/// No file is longer: a web server reads all of it at each request.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The mode of a file that is new: its group is the web server's.
const NEW_MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP);

/// An empty file that was written in the last so many milliseconds may be one that an editor has cut and not filled yet.
const EMPTIED_MILLIS: i128 = 100;

/// Where the lines of a directory's users stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HtpasswdFile {
    path: PathBuf,
}

/// What became of the file.
#[derive(Debug)]
pub struct Written {
    /// Whether it said something else before.
    pub changed: bool,
    /// Lines of people under names that have the form of ours.
    pub alike: Vec<Alike>,
    /// The file as it is now.
    pub state: FileState,
}

/// Why it could not be written: nothing of it was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotWritten {
    path: PathBuf,
    step: &'static str,
    why: String,
    is_busy: bool,
}

impl NotWritten {
    /// Whether somebody else writes at this moment, and nothing is wrong.
    pub const fn is_busy(&self) -> bool {
        self.is_busy
    }
}

impl fmt::Display for NotWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, step, why, is_busy: _ } = self;
        write!(f, "htpasswd file `{}`: cannot {step}: {why}", path.display())
    }
}

impl std::error::Error for NotWritten {}

/// The file as it was read, and its directory, locked.
struct Read {
    directory: OwnedFd,
    name: String,
    old: Option<Metadata>,
    bytes: Vec<u8>,
}

impl HtpasswdFile {
    /// The file at `path`, of which nothing is asked yet.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The directory that it lies in.
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// As it is now; `None` where it is not there or cannot be looked at.
    pub fn state(&self) -> Option<FileState> {
        std::fs::symlink_metadata(&self.path).ok().map(|found| state_of(&found))
    }

    /// Puts `ours`, names and hashes, into the file, in place of what stood for them there; those of people stay. Others who
    /// write it (`cloakroom htpasswd`) hold the directory's lock meanwhile, and then it is not written now; nor where an
    /// editor, which asks for no lock, is seen to be writing it.
    pub fn write(&self, ours: &[(UserName, &str)], now: Moment) -> Result<Written, NotWritten> {
        self.put(&self.read(now)?, ours)
    }

    fn read(&self, now: Moment) -> Result<Read, NotWritten> {
        let not = |step: &'static str| move |error: Errno| self.not(step, &error);
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, self.directory(), flags, Mode::empty()).map_err(not("open its directory"))?;
        rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            Errno::WOULDBLOCK => self.busy("lock its directory", "somebody else writes there at this moment"),
            other => self.not("lock its directory", &other),
        })?;
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut bytes = Vec::new();
        let old = open_old(&directory, &name).map_err(|why| self.not("read it", &why))?;
        if let Some((file, _)) = &old {
            file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| self.not("read it", &error))?;
        }
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(self.not("read it", &format!("it must have at most {FILE_BYTES_MAX} bytes")));
        }
        let old = old.map(|(_, found)| found);
        if bytes.is_empty() && old.as_ref().is_some_and(|found| is_just_written(found, now)) {
            return Err(self.busy("read it", "it was emptied at this moment, and may be about to be filled"));
        }
        Ok(Read { directory, name, old, bytes })
    }

    fn put(&self, read: &Read, ours: &[(UserName, &str)]) -> Result<Written, NotWritten> {
        let merged = block::merge(&read.bytes, ours);
        let state = match (merged.bytes, &read.old) {
            (None, Some(found)) => return Ok(Written { changed: false, alike: merged.alike, state: state_of(found) }),
            // An empty file, and nothing to say: a block is written in any case, so that this is none.
            (None, None) => return Err(self.not("make it", &"it is not there")),
            (Some(new), _) => self.replace(read, &new)?,
        };
        Ok(Written { changed: true, alike: merged.alike, state })
    }

    fn busy(&self, step: &'static str, why: &str) -> NotWritten {
        NotWritten { is_busy: true, ..self.not(step, &why) }
    }

    /// Whether the file is the one that was read, as it was then: what people wrote since would be lost.
    fn is_as_read(&self, read: &Read) -> Result<(), NotWritten> {
        let now = open_old(&read.directory, &read.name).map_err(|why| self.not("read it", &why))?;
        if now.map(|(_, found)| state_of(&found)) == read.old.as_ref().map(state_of) {
            return Ok(());
        }
        Err(self.busy("move it into place", "somebody else wrote it at this moment"))
    }

    fn not(&self, step: &'static str, why: &dyn fmt::Display) -> NotWritten {
        NotWritten { path: self.path.clone(), step, why: why.to_string(), is_busy: false }
    }

    /// Writes aside, and renames. A file keeps its mode and group; a new one gets the directory's group.
    fn replace(&self, read: &Read, bytes: &[u8]) -> Result<FileState, NotWritten> {
        let Read { directory, name, old, bytes: _ } = read;
        let aside = format!(".{name}.cloakroom");
        let not = |step: &'static str| move |error: Errno| self.not(step, &error);
        // One that was being written when the process ended.
        let left = look(directory, &aside).map_err(not("look for what was left behind"))?;
        if let Some(left) = left {
            let is_ours =
                FileType::from_raw_mode(left.st_mode) == FileType::RegularFile && left.st_uid == rustix::process::geteuid().as_raw();
            if !is_ours {
                return Err(self.not("write aside", &format!("`{aside}` lies in its directory, and others made it")));
            }
            rustix::fs::unlinkat(directory, aside.as_str(), AtFlags::empty()).map_err(not("remove what was left behind"))?;
        }
        let group = match old {
            Some(old) => old.gid(),
            None => rustix::fs::fstat(directory).map_err(not("look at its directory"))?.st_gid,
        };
        let mode = old.as_ref().map_or(NEW_MODE, |old| Mode::from_raw_mode(old.mode()));
        let written = self.write_aside(directory, &aside, bytes, group, mode).and_then(|file| {
            self.is_as_read(read)?;
            rustix::fs::renameat(directory, aside.as_str(), directory, name.as_str()).map_err(not("move it into place"))?;
            // Without it a power cut could bring the old one back, with those that have ended.
            rustix::fs::fsync(directory).map_err(not("make it last"))?;
            file.metadata().map_err(|error| self.not("look at it", &error))
        });
        if written.is_err() {
            // What is half written is ours, and in nobody's way.
            let _ = rustix::fs::unlinkat(directory, aside.as_str(), AtFlags::empty());
        }
        written.map(|found| state_of(&found))
    }

    fn write_aside(&self, directory: &OwnedFd, aside: &str, bytes: &[u8], group: u32, mode: Mode) -> Result<File, NotWritten> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Nobody else reads it before it has the group that it shall have.
        let opened = rustix::fs::openat(directory, aside, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(opened.map_err(|error| self.not("write aside", &error))?);
        let write = |file: &mut File| -> io::Result<()> {
            file.write_all(bytes)?;
            if file.metadata()?.gid() != group {
                rustix::fs::fchown(&*file, None, Some(Gid::from_raw(group)))?;
            }
            rustix::fs::fchmod(&*file, mode)?;
            file.sync_all()
        };
        write(&mut file).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => self.not("give it the group of its directory", &error),
            _ => self.not("write it", &error),
        })?;
        Ok(file)
    }
}

/// The file as it was, if it is there. A link could lead into a directory that is handed out.
fn open_old(directory: &OwnedFd, name: &str) -> Result<Option<(File, Metadata)>, String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err("it must be a file, and is a symbolic link".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let found = file.metadata().map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("it must be a file".to_owned());
    }
    Ok(Some((file, found)))
}

/// Whether it was written just before `now`; a time in the future says nothing.
fn is_just_written(found: &Metadata, now: Moment) -> bool {
    let written = i128::from(found.mtime()) * 1000 + i128::from(found.mtime_nsec()) / 1_000_000;
    (0..EMPTIED_MILLIS).contains(&(i128::from(now.millis()) - written))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn user(text: &str) -> UserName {
        text.parse().expect(text)
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_file_is_for_its_group_and_one_that_is_there_keeps_its_mode() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("goods");
        let file = HtpasswdFile::at(&path);
        assert_eq!(file.state(), None);
        let written = file.write(&[(user("aaaa-aaaa"), "HASH")], Moment::EPOCH).expect("written");
        assert!(written.changed && written.alike.is_empty());
        let found = fs::metadata(&path).expect("a file");
        assert_eq!((found.mode() & 0o7777, found.gid()), (0o640, fs::metadata(directory.path()).expect("a directory").gid()));
        assert_eq!(file.state(), Some(written.state));
        fs::write(&path, "bob:x\n").expect("written by hand");
        fs::set_permissions(&path, Permissions::from_mode(0o604)).expect("a mode");
        assert_ne!(file.state(), Some(written.state));
        let again = file.write(&[], Moment::EPOCH).expect("written");
        assert!(again.changed && !file.write(&[], Moment::EPOCH).expect("the same").changed);
        assert!(fs::read_to_string(&path).expect("text").starts_with("bob:x\n#"));
        assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o7777, 0o604);
        assert_eq!(names(directory.path()), ["goods"]);
    }

    #[test]
    fn what_a_killed_process_left_behind_is_no_hindrance_and_what_is_foreign_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, aside) = (directory.path().join("goods"), directory.path().join(".goods.cloakroom"));
        let file = HtpasswdFile::at(&path);
        fs::write(&aside, "half").expect("left behind");
        assert!(file.write(&[], Moment::EPOCH).expect("written").changed);
        assert_eq!(names(directory.path()), ["goods"]);
        fs::write(&path, "").expect("emptied");
        fs::create_dir(&aside).expect("foreign");
        let fault = file.write(&[], Moment::EPOCH).expect_err("it is not ours").to_string();
        assert!(fault.contains("others made it"), "{fault}");
        assert_eq!(names(directory.path()), [".goods.cloakroom", "goods"]);
    }

    #[test]
    fn what_people_write_between_our_reading_and_our_writing_is_not_lost() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("goods");
        let file = HtpasswdFile::at(&path);
        let ours = [(user("aaaa-aaaa"), "HASH")];
        let renamed = |text: &str| {
            fs::write(directory.path().join("goods~"), text).expect("written aside");
            fs::rename(directory.path().join("goods~"), &path).expect("renamed");
        };
        let edits: [&dyn Fn(); 4] = [
            &|| fs::write(&path, "ann:x\n").expect("made, where there was none"),
            &|| fs::write(&path, "ann:x\nbob:x\n").expect("written in place"),
            &|| renamed("ann:x\nbob:x\nchr:x\n"),
            &|| fs::remove_file(&path).expect("taken away"),
        ];
        for edit in edits {
            let read = file.read(Moment::EPOCH).expect("read");
            edit();
            let edited = fs::read(&path).ok();
            let fault = file.put(&read, &ours).expect_err("it is another file");
            assert!(fault.is_busy() && fault.to_string().contains("somebody else wrote it"), "{fault}");
            assert_eq!(fs::read(&path).ok(), edited);
            assert!(names(directory.path()).iter().all(|name| name == "goods"));
        }
        assert!(file.write(&ours, Moment::EPOCH).expect("written").changed, "the next one does it");
    }

    #[test]
    fn a_file_that_was_emptied_a_moment_ago_is_left_to_whoever_fills_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("goods");
        let file = HtpasswdFile::at(&path);
        let emptied = Moment::from_millis(1_000_000);
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(emptied.millis());
        for (text, now, is_written) in
            [("", 1_000_000, false), ("", 1_000_099, false), ("", 1_000_100, true), ("", 999_999, true), ("ann:x\n", 1_000_000, true)]
        {
            fs::write(&path, text).expect("written");
            File::options().write(true).open(&path).and_then(|file| file.set_modified(time)).expect("a time");
            match file.write(&[], Moment::from_millis(now)) {
                Ok(written) => assert!(is_written && written.changed, "{text:?} {now}"),
                Err(fault) => assert!(!is_written && fault.is_busy(), "{text:?} {now}: {fault}"),
            }
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_and_stays_as_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = |name: &str| directory.path().join(name);
        fs::write(place("real"), "bob:x\n").expect("a file");
        symlink(place("real"), place("link")).expect("a link");
        fs::create_dir(place("folder")).expect("a directory");
        for (path, words) in [
            (place("nowhere/goods"), "open its directory"),
            (place("link"), "symbolic link"),
            (place("folder"), "must be a file"),
            (place("real/goods"), "open its directory"),
        ] {
            let fault = HtpasswdFile::at(&path).write(&[], Moment::EPOCH).expect_err(words).to_string();
            assert!(fault.contains(words) && fault.contains(&path.display().to_string()), "{fault}");
        }
        assert_eq!(fs::read_to_string(place("real")).expect("text"), "bob:x\n");
        let lock = File::open(directory.path()).expect("a directory");
        lock.lock().expect("a lock");
        let fault = HtpasswdFile::at(&place("real")).write(&[], Moment::EPOCH).expect_err("locked");
        assert!(fault.is_busy() && fault.to_string().contains("somebody else writes"), "{fault}");
    }

    #[test]
    fn ten_thousand_lines_are_written_in_less_than_a_second() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = HtpasswdFile::at(&directory.path().join("goods"));
        let hash = "$apr1$abcdefgh$osUD3u9nZ0vEaPx8qqsA70";
        let name = |first: u8, number: u32| {
            let [one, two, three, four] = number.to_be_bytes();
            UserName::new([first, one, two, three, four])
        };
        let began = tokio::time::Instant::now();
        for first in [1, 2] {
            let ours: Vec<_> = (0..10_000).map(|number| (name(first, number), hash)).collect();
            assert!(file.write(&ours, Moment::EPOCH).expect("written").changed);
        }
        let took = began.elapsed();
        assert!(took.as_secs() < 2, "{took:?} for two");
        assert_eq!(fs::read_to_string(directory.path().join("goods")).expect("text").lines().count(), 10_002);
    }
}
