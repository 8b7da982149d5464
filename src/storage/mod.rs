//! The masters: private local directories. A look at a file goes through a handle of its storage's directory and
//! cannot leave it.

mod orphans;

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

pub use self::orphans::Listed;
use crate::config::Storage;
use crate::domain::file::{FileRef, StorageName, Version};
use crate::domain::moment::Moment;
use crate::domain::path::FilePath;

/// The open storages of a configuration.
#[derive(Debug)]
pub struct Storages(Vec<OpenStorage>);

/// One storage with a handle of its directory.
#[derive(Debug)]
pub struct OpenStorage {
    /// As configured.
    pub entry: Storage,
    directory: OwnedFd,
}

/// A storage whose directory cannot be opened.
#[derive(Debug)]
pub struct StorageFault {
    /// Its name.
    pub name: StorageName,
    /// The directory.
    pub path: PathBuf,
    /// What the system said.
    pub error: std::io::Error,
}

impl std::fmt::Display for StorageFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, path, error } = self;
        write!(f, "storage `{name}`: `{}` must be a directory that this user can enter: {error}", path.display())
    }
}

/// Why a file cannot be sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Absent {
    /// No storage of that name is configured.
    NoStorage,
    /// There is nothing at that path, or the path leaves the storage.
    NoFile,
    /// It is a directory, a device or the like.
    NotAFile,
    /// The system refuses to open it.
    Unreadable(String),
}

impl std::fmt::Display for Absent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoStorage => f.write_str("no storage of that name is configured"),
            Self::NoFile => f.write_str("there is no such file inside the storage"),
            Self::NotAFile => f.write_str("it is not a regular file"),
            Self::Unreadable(error) => write!(f, "it cannot be opened: {error}"),
        }
    }
}

impl Storages {
    /// Opens the directory of every storage; all faults at once.
    pub fn open(entries: &[Storage]) -> Result<Self, Vec<StorageFault>> {
        let mut open = Vec::with_capacity(entries.len());
        let mut faults = Vec::new();
        for entry in entries {
            match open_directory(&entry.path) {
                Ok(directory) => open.push(OpenStorage { entry: entry.clone(), directory }),
                Err(error) => faults.push(StorageFault { name: entry.name.clone(), path: entry.path.clone(), error: error.into() }),
            }
        }
        if faults.is_empty() { Ok(Self(open)) } else { Err(faults) }
    }

    /// Those whose directory is gone, or has become another one since it was opened (a file system that was mounted
    /// later, say): there, nothing that lies at the path now is found.
    pub fn faults(&self) -> Vec<StorageFault> {
        let look = |storage: &OpenStorage| {
            let (there, ours) = (rustix::fs::fstat(open_directory(&storage.entry.path)?)?, rustix::fs::fstat(&storage.directory)?);
            if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino) { Ok(()) } else { Err(Errno::STALE) }
        };
        let fault = |storage: &OpenStorage, error: Errno| {
            let Storage { name, path, .. } = &storage.entry;
            StorageFault { name: name.clone(), path: path.clone(), error: error.into() }
        };
        self.0.iter().filter_map(|storage| look(storage).err().map(|error| fault(storage, error))).collect()
    }

    /// The storage of that name.
    pub fn named(&self, name: &StorageName) -> Option<&OpenStorage> {
        self.0.iter().find(|storage| storage.entry.name == *name)
    }

    /// The file's current version.
    pub fn look(&self, file: &FileRef) -> Result<Version, Absent> {
        let storage = self.named(&file.storage).ok_or(Absent::NoStorage)?;
        let handle = storage.handle(&file.path, OFlags::PATH)?;
        version(&handle, file)
    }

    /// When the file's inode was changed last: written, replaced, renamed. Whoever keeps the time of modification of an old
    /// file does not keep this.
    pub fn changed(&self, file: &FileRef) -> Result<Moment, Absent> {
        let storage = self.named(&file.storage).ok_or(Absent::NoStorage)?;
        let stat = rustix::fs::fstat(storage.handle(&file.path, OFlags::PATH)?).map_err(|error| Absent::Unreadable(error.to_string()))?;
        Ok(moment(stat.st_ctime, stat.st_ctime_nsec))
    }

    /// The file, open for reading, and its version.
    pub fn open_file(&self, file: &FileRef) -> Result<(File, Version), Absent> {
        let storage = self.named(&file.storage).ok_or(Absent::NoStorage)?;
        // A pipe in a storage must not make the open wait for a writer.
        let handle = storage.handle(&file.path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let version = version(&handle, file)?;
        Ok((File::from(handle), version))
    }
}

impl OpenStorage {
    fn handle(&self, path: &FilePath, flags: OFlags) -> Result<OwnedFd, Absent> {
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.directory, path.as_str(), flags | OFlags::CLOEXEC, Mode::empty(), inside).map_err(|error| match error {
            // XDEV and LOOP: a symbolic link leads out of the storage.
            Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP | Errno::NAMETOOLONG => Absent::NoFile,
            other => Absent::Unreadable(other.to_string()),
        })
    }
}

fn open_directory(path: &Path) -> Result<OwnedFd, Errno> {
    // A handle for paths alone would be given to those, too, who may not look inside.
    rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)?;
    rustix::fs::openat(CWD, path, OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

/// The entity tag is the one that nginx gives a static file, so that all that nginx does with its own (`If-Match`, which
/// Firefox resumes with, `If-None-Match`, `If-Range`) holds with ours. What it cannot tell apart, two contents of one
/// size within one second, the time in milliseconds does.
fn version(handle: impl AsFd, file: &FileRef) -> Result<Version, Absent> {
    let stat = rustix::fs::fstat(handle).map_err(|error| Absent::Unreadable(error.to_string()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Absent::NotAFile);
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    let modified = moment(stat.st_mtime, stat.st_mtime_nsec);
    let etag = format!("\"{seconds:x}-{size:x}\"");
    let media_type = media_type(file.path.as_str());
    Ok(Version { size, modified, etag, media_type })
}

/// The media type of what lies at a path, by the end of its name.
pub fn media_type(path: &str) -> String {
    mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream").to_owned()
}

/// The version that an open file has as the content of `file`.
pub fn version_of(handle: &File, file: &FileRef) -> Result<Version, Absent> {
    version(handle, file)
}

fn moment(seconds: i64, nanos: u64) -> Moment {
    Moment::from_millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000).saturating_add(nanos / 1_000_000))
}
