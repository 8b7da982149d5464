//! The file that is downloaded to see whether downloads work: planted and removed again, or one that is there.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use crate::clock;
use crate::config::{Configuration, Storage};
use crate::domain::file::{FileRef, StorageName};
use crate::domain::path::FilePath;
use crate::domain::probe;
use crate::random;

/// A planted file has so many bytes: enough for compression to be worth it, and for ranges.
const BYTES: usize = 48 * 1024;

/// Of a file that is there so much is read and compared.
const COMPARED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// So many entries of a storage are looked at for a file to use.
const ENTRIES_MAX: usize = 1000;

/// A file of a storage; one that was planted goes with this value.
#[derive(Debug)]
pub(super) struct Probe {
    /// Its name.
    pub(super) file: FileRef,
    /// Its size.
    pub(super) size: u64,
    /// Its bytes, or the first of them.
    pub(super) bytes: Vec<u8>,
    planted: Option<PathBuf>,
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Some(path) = &self.planted {
            // Somebody who removed it before was right, too.
            let _ = fs::remove_file(path);
        }
    }
}

impl Probe {
    /// Whether all of the file was read.
    pub(super) fn is_whole(&self) -> bool {
        u64::try_from(self.bytes.len()).is_ok_and(|read| read == self.size)
    }

    /// Whether it was planted.
    pub(super) const fn is_planted(&self) -> bool {
        self.planted.is_some()
    }

    /// The file of this name, `STORAGE/PATH`.
    pub(super) fn named(configuration: &Configuration, name: &str) -> Result<Self, String> {
        let wrong = || format!("`{name}` must be a file as STORAGE/PATH");
        let (storage, inside) = name.split_once('/').ok_or_else(wrong)?;
        let storage = StorageName::parse(storage).and_then(|name| configuration.storage(&name)).ok_or_else(wrong)?;
        let path = FilePath::parse(inside).map_err(|fault| format!("`{name}`: {fault}"))?;
        Self::there(storage, path).map_err(|error| format!("`{name}`: {error}"))
    }

    /// Plants a file in the storage; where this user may not, takes one that is there.
    pub(super) fn in_storage(storage: &Storage) -> Result<Self, String> {
        match Self::plant(storage) {
            Ok(probe) => Ok(probe),
            Err(why) => first(&storage.path).and_then(|path| Self::there(storage, path).ok()).ok_or_else(|| {
                format!("a file cannot be put into {} ({why}), and there is none that could be used", storage.path.display())
            }),
        }
    }

    /// A page, which compression and filters of the site would change first, with text that is nowhere else.
    fn plant(storage: &Storage) -> io::Result<Self> {
        let name = format!("{}.html", probe::name(clock::now(), random::bytes()));
        let path = storage.path.join(&name);
        let above = fs::metadata(&storage.path)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path)?;
        let file_path = FilePath::parse(&name).map_err(|fault| io::Error::other(fault.to_string()))?;
        let mut probe = Self {
            file: FileRef { storage: storage.name.clone(), path: file_path },
            size: 0,
            bytes: Vec::new(),
            // From here on it goes away whatever happens.
            planted: Some(path.clone()),
        };
        let mut text = "<html><head><title>A test of cloakroom check; it can be removed.</title></head><body>\n".to_owned();
        while text.len() < BYTES {
            text.push_str(&hexadecimal(&random::bytes::<32>()));
            text.push('\n');
        }
        file.write_all(text.as_bytes())?;
        // Whatever the umask is: nginx reads it.
        file.set_permissions(Permissions::from_mode(0o644))?;
        // As the directory's other files: nginx reads it by its group.
        let owner = rustix::process::geteuid().is_root().then(|| above.uid());
        chown(&path, owner, Some(above.gid())).or_else(|error| if file.metadata()?.gid() == above.gid() { Ok(()) } else { Err(error) })?;
        probe.bytes = text.into_bytes();
        probe.size = u64::try_from(probe.bytes.len()).unwrap_or(u64::MAX);
        Ok(probe)
    }

    fn there(storage: &Storage, path: FilePath) -> io::Result<Self> {
        let file = File::open(storage.path.join(path.as_str()))?;
        let found = file.metadata()?;
        if !found.is_file() || found.len() == 0 {
            return Err(io::Error::other("it must be a file with something in it"));
        }
        let mut bytes = Vec::new();
        file.take(COMPARED_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(Self { file: FileRef { storage: storage.name.clone(), path }, size: found.len(), bytes, planted: None })
    }
}

/// A file that could be downloaded.
fn first(root: &Path) -> Option<FilePath> {
    let mut open = vec![PathBuf::new()];
    let mut seen = 0;
    while let Some(inside) = open.pop() {
        for entry in fs::read_dir(root.join(&inside)).into_iter().flatten().flatten() {
            seen += 1;
            let (path, kind) = (inside.join(entry.file_name()), entry.file_type().ok()?);
            if kind.is_file() && entry.metadata().is_ok_and(|found| found.len() > 0) {
                if let Some(path) = path.to_str().and_then(|path| FilePath::parse(path).ok()) {
                    return Some(path);
                }
            } else if kind.is_dir() && seen < ENTRIES_MAX {
                open.push(path);
            }
        }
    }
    None
}

/// As lower-case digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
