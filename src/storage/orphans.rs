//! What lies in a storage: its files, of which the catalogue may know nothing.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{Absent, OpenStorage};
use crate::domain::path::FilePath;

/// Directories inside each other; deeper ones are not looked into.
const DEPTH_MAX: usize = 32;

/// What was found in a storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Paths of files, by name.
    pub files: Vec<FilePath>,
    /// How many names were passed over: hidden ones, and those that are no paths.
    pub passed_over: u64,
    /// Whether there are more than were asked for.
    pub is_cut: bool,
}

impl OpenStorage {
    /// The regular files in `folder` and below, at most `most` of those that `is_wanted`. Symbolic links are not followed;
    /// names that begin with a dot are passed over.
    pub fn files(&self, folder: Option<&FilePath>, most: usize, is_wanted: &dyn Fn(&FilePath) -> bool) -> Result<Listed, Absent> {
        let unreadable = |error: Errno| match error {
            Errno::NOENT | Errno::NOTDIR => Absent::NoFile,
            other => Absent::Unreadable(other.to_string()),
        };
        let start = match folder {
            None => open(&self.directory, OsStr::new(".")).map_err(unreadable)?,
            Some(folder) => self.handle(folder, OFlags::RDONLY | OFlags::DIRECTORY)?,
        };
        let mut listed = Listed::default();
        let mut waiting = vec![(start, folder.map(|folder| folder.as_str().to_owned()).unwrap_or_default(), 0)];
        while let Some((directory, path, depth)) = waiting.pop() {
            for entry in Dir::read_from(&directory).map_err(unreadable)?.flatten() {
                let name = entry.file_name().to_bytes();
                if name == b"." || name == b".." {
                    continue;
                }
                let Some(name) = std::str::from_utf8(name).ok().filter(|name| !name.starts_with('.')) else {
                    listed.passed_over += 1;
                    continue;
                };
                let inside = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                // Some file systems do not say it in the list.
                let kind = match entry.file_type() {
                    FileType::Unknown => kind_of(&directory, name),
                    known => known,
                };
                match kind {
                    FileType::Directory if depth < DEPTH_MAX => match open(&directory, OsStr::new(name)) {
                        Ok(below) => waiting.push((below, inside, depth + 1)),
                        Err(_) => listed.passed_over += 1,
                    },
                    FileType::RegularFile => match FilePath::parse(&inside) {
                        Ok(file) if !is_wanted(&file) => {}
                        Ok(file) if listed.files.len() < most => listed.files.push(file),
                        Ok(_) => listed.is_cut = true,
                        Err(_) => listed.passed_over += 1,
                    },
                    _ => listed.passed_over += 1,
                }
            }
        }
        listed.files.sort_unstable();
        Ok(listed)
    }
}

fn open(at: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn kind_of(at: impl AsFd, name: &str) -> FileType {
    rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW).map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
}
