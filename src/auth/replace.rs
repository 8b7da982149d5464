//! A htpasswd file, or the configuration, is replaced whole: written aside, with the owner, the group and the mode of the old one, and renamed.
//! Whoever reads it meanwhile sees the old one or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid, fchown};

use super::htpasswd::{self, Unreadable};
use crate::domain::id::base32;

/// The mode of a file that is new: its owner writes, its group (the web server's, say) reads.
const NEW_MODE: u32 = 0o640;

/// What `change` makes of the bytes, and what it says of it; `None` leaves the file as it is.
pub type Changed<T> = (Option<Vec<u8>>, T);

/// Replaces the file at `path` by what `change` makes of its bytes. One that is not there is made if `may_be_new`. Others
/// who do the same wait meanwhile. What is written aside has `random` in its name.
pub fn replace<T>(path: &Path, may_be_new: bool, random: [u8; 8], change: impl FnOnce(&[u8]) -> Changed<T>) -> Result<T, Unreadable> {
    let wrong = |what: &str, error: &io::Error| Unreadable::new(path, format!("{what}: {error}"));
    // A link stays a link.
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) if error.kind() == ErrorKind::NotFound && may_be_new => path.to_owned(),
        Err(error) => return Err(wrong("cannot be read", &error)),
    };
    let directory = match real.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let lock = File::open(&directory).map_err(|error| wrong("its directory cannot be opened", &error))?;
    lock.lock().map_err(|error| wrong("its directory cannot be locked", &error))?;
    let old = match fs::metadata(&real) {
        Ok(found) => Some(found),
        Err(error) if error.kind() == ErrorKind::NotFound && may_be_new => None,
        Err(error) => return Err(wrong("cannot be read", &error)),
    };
    let bytes = if old.is_some() { htpasswd::bytes(&real)? } else { Vec::new() };
    let (new, said) = change(&bytes);
    let Some(new) = new else { return Ok(said) };
    let mut name = std::ffi::OsString::from(".");
    name.push(real.file_name().unwrap_or_default());
    // What a killed command left behind is in nobody's way.
    name.push(format!(".{}", base32(&random)));
    let aside = directory.join(name);
    let written = write(&aside, &new, old.as_ref()).and_then(|()| fs::rename(&aside, &real)).and_then(|()| lock.sync_all());
    if let Err(error) = written {
        // What is half done is worth nothing, and may never have been there.
        let _ = fs::remove_file(&aside);
        let hint = if error.kind() == ErrorKind::PermissionDenied {
            "cannot be replaced with its owner and group kept"
        } else {
            "cannot be written"
        };
        return Err(wrong(hint, &error));
    }
    Ok(said)
}

fn write(aside: &Path, bytes: &[u8], old: Option<&fs::Metadata>) -> io::Result<()> {
    // Nobody else reads it before it has the owner that it shall have.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(aside)?;
    file.write_all(bytes)?;
    let mode = old.map_or(NEW_MODE, fs::Metadata::mode) & 0o7777;
    if let Some(old) = old {
        let own = file.metadata()?;
        let uid = (own.uid() != old.uid()).then(|| Uid::from_raw(old.uid()));
        let gid = (own.gid() != old.gid()).then(|| Gid::from_raw(old.gid()));
        if uid.is_some() || gid.is_some() {
            fchown(&file, uid, gid)?;
        }
    }
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}
