//! Files in a directory of the web server's: all of them or none, and none that somebody has changed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::domain::id::base32;

/// Whoever looks into the web server's configuration may read these.
pub(super) const MODE: u32 = 0o644;

/// The web server reads it as root, and nobody else does.
pub(super) const SECRET_MODE: u32 = 0o600;

/// A configuration that is longer is none of ours.
const BYTES_MAX: u64 = 1024 * 1024;

/// A file that shall be there.
pub(super) struct Wanted {
    /// Its name.
    pub(super) name: String,
    /// What is in it: a secret, maybe.
    pub(super) text: Zeroizing<String>,
    /// Who may read it.
    pub(super) mode: u32,
}

/// What became of a file, or would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It was not there.
    New,
    /// It was there as it shall be.
    Same,
    /// It was there with another text.
    Other,
}

/// How each of the files is found in `directory`, in their order.
pub(super) fn find(directory: &Path, wanted: &[Wanted]) -> Result<Vec<Found>, String> {
    wanted.iter().map(|file| found(&directory.join(&file.name), file)).collect()
}

fn found(path: &Path, wanted: &Wanted) -> Result<Found, String> {
    let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    match fs::symlink_metadata(path) {
        Ok(there) if !there.is_file() => Err(wrong(&"is no plain file, and stays as it is")),
        Ok(there) => {
            let mut text = Zeroizing::new(Vec::new());
            File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut text)).map_err(|error| wrong(&error))?;
            let is_same = *text == wanted.text.as_bytes() && there.permissions().mode() & 0o7777 & !wanted.mode == 0;
            Ok(if is_same { Found::Same } else { Found::Other })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::New),
        Err(error) => Err(wrong(&error)),
    }
}

/// Writes those that are not there as they shall be, each aside and renamed; the directory is made if it is missing. Names of
/// what is written aside have `random` in them.
pub(super) fn write(directory: &Path, wanted: &[Wanted], found: &[Found], random: [u8; 8]) -> Result<(), String> {
    match DirBuilder::new().mode(0o755).create(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => {}
        Err(error) => return Err(format!("{} cannot be made: {error}", directory.display())),
    }
    for (file, _) in wanted.iter().zip(found).filter(|(_, found)| **found != Found::Same) {
        let aside = directory.join(format!(".{}.{}", file.name, base32(&random)));
        let path = directory.join(&file.name);
        if let Err(error) = replace(&aside, &path, file) {
            // What is half written is worth nothing, and may never have been there.
            let _ = fs::remove_file(&aside);
            return Err(format!("{} cannot be written: {error}", path.display()));
        }
    }
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| format!("{}: {error}", directory.display()))
}

fn replace(aside: &PathBuf, path: &Path, wanted: &Wanted) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(SECRET_MODE).open(aside)?;
    file.write_all(wanted.text.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(wanted.mode))?;
    file.sync_all()?;
    fs::rename(aside, path)
}
