//! The SHA-256 of a version that was delivered, as far as the file that lies there now can still show it.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::site::Site;
use crate::domain::checksum::Checksum;
use crate::domain::file::{FileRef, Version};

/// Read at once; larger pieces are not faster.
const PIECE: usize = 256 * 1024;

/// What can be said about the content of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// SHA-256 in hexadecimal, if the file is still as it was.
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
    if !is_same(&now, version) {
        return Fingerprint::none(CHANGED);
    }
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match handle.read(&mut piece) {
            _ if given_up.load(Ordering::Relaxed) => return Fingerprint::none("nobody waited for it"),
            Ok(0) => break,
            Ok(count) => hash.update(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Fingerprint::none(format!("the file cannot be read: {error}")),
        }
    }
    if !site.storages.look(file).is_ok_and(|after| is_same(&after, version)) {
        return Fingerprint::none("the file was changed while it was read");
    }
    Fingerprint {
        sha256: Some(Checksum::new(hash.finalize().into()).to_string()),
        sha256_note: "read now: size and time of the file are still those of the version that was delivered".to_owned(),
    }
}

/// Whether size and time of change, to the millisecond, are the same.
fn is_same(one: &Version, other: &Version) -> bool {
    (one.size, one.modified) == (other.size, other.modified)
}
