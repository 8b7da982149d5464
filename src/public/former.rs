//! Places where public directories were before another path was configured. What was placed there lies there until its time
//! is over: nothing new is placed, and what goes is taken away there, too.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use super::directory::{ASIDE, Directories, PublicDirectory, look, open_directory};
use crate::config::{Directory, PublicUrl};
use crate::domain::place::Place;

/// A place where a public directory was before.
#[derive(Debug)]
pub struct Former {
    /// Which.
    pub place: Place,
    open: Result<Arc<PublicDirectory>, String>,
}

impl Former {
    /// Opens what lies at `place`, if it is a directory of ours; what any of `before` has open is not opened again.
    pub(super) fn open(place: &Place, before: &[&Directories]) -> Self {
        let path = Path::new(&place.path);
        // It is never made here: a disk that is not mounted would look like a directory from which all is gone.
        let has_aside = open_directory(path).and_then(|root| Ok(look(&root, ASIDE)?.is_some()));
        let open = match has_aside {
            Ok(true) => Self::open_there(place, before),
            Ok(false) => Err(format!("holds no `{ASIDE}`, so it is not the directory that was there")),
            Err(_) if is_removed(place) => Err("is not there any more".to_owned()),
            Err(error) => Err(format!("cannot be opened: {error}")),
        };
        Self { place: place.clone(), open: open.map(Arc::new) }
    }

    /// One of which nobody knows yet what lies there.
    pub(super) fn unseen(place: &Place) -> Self {
        Self { place: place.clone(), open: Err("does not answer".to_owned()) }
    }

    fn open_there(place: &Place, before: &[&Directories]) -> Result<PublicDirectory, String> {
        let nowhere = PublicUrl { origin: String::new(), host: String::new(), path: String::new() };
        let (name, path) = (place.directory.clone(), Path::new(&place.path).to_owned());
        // Nothing is made there; what was may be another name of its master, whatever is allowed now.
        let entry = Directory { name, path, url: nowhere, hard_links: true, credentials: None };
        PublicDirectory::open(&entry, before)
    }

    /// The directory, or why it cannot be reached.
    pub fn directory(&self) -> Result<&Arc<PublicDirectory>, &str> {
        self.open.as_ref().map_err(String::as_str)
    }

    /// Whether it is open, and still at its place.
    pub(super) fn is_there(&self) -> bool {
        self.open.as_ref().is_ok_and(|open| open.fault().is_none())
    }

    /// Whether nothing is at its path now, as far as that can be told: see [`is_removed`].
    pub fn is_removed(&self) -> bool {
        is_removed(&self.place)
    }
}

/// Whether the directory that was at `place` was removed or renamed: the file system on which it was is there, and nothing is
/// at its path. Of a file system that is not mounted nobody can tell.
pub fn is_removed(place: &Place) -> bool {
    let path = Path::new(&place.path);
    let is_missing = fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound);
    let above = path.parent().and_then(|above| fs::metadata(above).ok());
    is_missing && above.zip(place.id).is_some_and(|(above, id)| above.dev() == id.device)
}
