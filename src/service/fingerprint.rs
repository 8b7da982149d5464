//! The SHA-256 of a version that was delivered, as far as its copy showed it, or the file that lies there now still can.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::hashing::checksum;
use super::site::Site;
use crate::domain::catalogue::File;
use crate::domain::checksum::Checksum;
use crate::domain::file::{FileRef, Version};
use crate::domain::placed::{Placed, What};

/// What can be said about the content of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fingerprint {
    /// SHA-256 in hexadecimal, if a copy of the version was read, or the file is still as it was.
    pub sha256: Option<String>,
    /// Why it holds for the version, or why there is none.
    pub sha256_note: String,
}

impl Fingerprint {
    fn none(note: impl Into<String>) -> Self {
        Self { sha256: None, sha256_note: note.into() }
    }
}

/// Ends the reading when nobody waits for it any more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What was written down of a copy of `version` among `rows`, if every byte of one was compared with the master's.
pub fn of_copies(rows: &[Placed], version: &Version) -> Option<Fingerprint> {
    checksum_of_copies(rows, version).map(|checksum| Fingerprint {
        sha256: Some(checksum.to_string()),
        sha256_note: "read when the copy of this version was made, and compared with the file of that time byte by byte".to_owned(),
    })
}

/// What was read of `version`, which lay at `at`, when the catalogue got it as a version of `file`.
pub fn of_releases(file: &File, version: &Version, at: &FileRef) -> Option<Fingerprint> {
    let release = file.versions().find(|release| release.is(version) && release.at.here() == Some(at))?;
    Some(Fingerprint {
        sha256: Some(release.checksum?.to_string()),
        sha256_note: format!("read as {} of {}, when it had this size and time", release.id, file.id),
    })
}

/// The same without words.
pub(super) fn checksum_of_copies(rows: &[Placed], version: &Version) -> Option<Checksum> {
    let of_row = |row: &Placed| match &row.what {
        What::Copy(state) => state.made.as_ref().filter(|made| made.version == *version)?.checksum,
        What::Stub(_) => None,
    };
    rows.iter().find_map(of_row)
}

/// Reads the master, on a thread of its own, if size and time of it are those of `version`.
pub async fn fingerprint(site: &Arc<Site>, file: &FileRef, version: &Version) -> Fingerprint {
    // It is never closed.
    let Ok(_turn) = Arc::clone(&site.hashing).acquire_owned().await else { return Fingerprint::none("it could not be read") };
    let waiting = Waiting(Arc::default());
    let (site, file, version, given_up) = (Arc::clone(site), file.clone(), version.clone(), Arc::clone(&waiting.0));
    let read = tokio::task::spawn_blocking(move || read(&site, &file, &version, &given_up)).await;
    drop(waiting);
    read.unwrap_or_else(|_| Fingerprint::none("it could not be read"))
}

fn read(site: &Site, file: &FileRef, version: &Version, given_up: &AtomicBool) -> Fingerprint {
    const CHANGED: &str = "the file was replaced or changed since: its content then is not known any more";
    let (mut handle, now) = match site.storages.open_file(file) {
        Ok(found) => found,
        Err(absent) => return Fingerprint::none(format!("the file is not there any more: {absent}")),
    };
    if now.differs_from(version) {
        return Fingerprint::none(CHANGED);
    }
    let checksum = match checksum(&mut handle, |_| !given_up.load(Ordering::Relaxed)) {
        Ok(Some(checksum)) => checksum,
        Ok(None) => return Fingerprint::none("nobody waited for it"),
        Err(error) => return Fingerprint::none(format!("the file cannot be read: {error}")),
    };
    if !site.storages.look(file).is_ok_and(|after| !after.differs_from(version)) {
        return Fingerprint::none("the file was changed while it was read");
    }
    Fingerprint {
        sha256: Some(checksum.to_string()),
        sha256_note: "read now: size and time of the file are still those of the version that was delivered".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::file::StorageName;
    use crate::domain::id::{DeliveryId, GrantId};
    use crate::domain::moment::Moment;
    use crate::domain::path::FilePath;
    use crate::domain::placed::{CopyState, DirectoryName, How, Made, NewCopy, PlacedName};

    fn version(seconds: u64) -> Version {
        Version {
            size: 7,
            modified: Moment::from_seconds(seconds),
            etag: format!("\"{seconds}\""),
            media_type: "application/zip".to_owned(),
        }
    }

    fn copy(made: Option<(u64, Option<u8>)>) -> Placed {
        let directory = DirectoryName::parse("goods").unwrap();
        let file = FileRef { storage: StorageName::parse("masters").unwrap(), path: FilePath::parse("a.zip").unwrap() };
        let new = NewCopy { name: PlacedName::new([1; 16]), directory, leaf: "a.zip".to_owned() };
        let row = new.row(GrantId::new([1; 12]), file, Moment::EPOCH);
        let made = made.map(|(seconds, sum)| Made {
            how: How::Copied,
            inode: 1,
            version: version(seconds),
            checksum: sum.map(|sum| Checksum::new([sum; 32])),
        });
        Placed { what: What::Copy(CopyState { made, over: None }), ..row }
    }

    #[test]
    fn a_checksum_is_told_of_the_version_whose_bytes_were_read_and_of_no_other() {
        let stub = Placed { what: What::Stub(DeliveryId::new([1; 12])), ..copy(None) };
        let rows =
            [stub, copy(None), copy(Some((8, None))), copy(Some((7, Some(0xab)))), copy(Some((8, Some(0xcd)))), copy(Some((9, None)))];
        for (seconds, sum) in [(7, Some("ab")), (8, Some("cd")), (9, None), (10, None)] {
            let found = of_copies(&rows, &version(seconds)).and_then(|found| found.sha256);
            assert_eq!(found, sum.map(|sum| sum.repeat(32)), "{seconds}");
        }
        let resized = Version { size: 8, ..version(7) };
        assert_eq!(of_copies(&rows, &resized), None);
    }
}
