//! What lies under a name of a public directory, looked at and not touched.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::directory::{PublicDirectory, look};

/// Something in a public directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `directory`, `file`, `symbolic link` or `special file`.
    pub kind: &'static str,
    /// Whether it belongs to the daemon's user.
    pub is_of_our_user: bool,
}

impl PublicDirectory {
    /// What lies under `name`, which is one part of a path, not followed; `None` where nothing does.
    pub fn seen(&self, name: &OsStr) -> Result<Option<Seen>, Errno> {
        if name.is_empty() || name == "." || name == ".." || name.as_bytes().iter().any(|byte| [b'/', 0].contains(byte)) {
            return Ok(None);
        }
        let stat = look(&self.root, name)?;
        Ok(stat.map(|stat| Seen {
            kind: match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => "directory",
                FileType::RegularFile => "file",
                FileType::Symlink => "symbolic link",
                _ => "special file",
            },
            is_of_our_user: stat.st_uid == rustix::process::geteuid().as_raw(),
        }))
    }
}
