//! Files that log rotation left beside the log: it puts something behind the name.

use std::ffi::OsStr;
use std::fs::DirEntry;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::opened::Opened;
use crate::domain::feed_position::FeedPosition;
use crate::domain::moment::{Moment, Span};

/// Names in the log's directory that are looked at.
const SIBLINGS_MAX: usize = 10_000;

/// So much of the end of a file is read again: what was settled before changes nothing.
const AGAIN_BYTES: u64 = 16 * 1024 * 1024;

/// The file of `position`, under another name beside `path`.
pub(super) fn renamed(path: &Path, position: FeedPosition) -> io::Result<Option<Opened>> {
    for entry in siblings(path)? {
        let is_it = entry.metadata().is_ok_and(|there| there.is_file() && there.dev() == position.device && there.ino() == position.inode);
        if is_it
            && let Some(opened) = Opened::at(&entry.path())?
            && opened.is(position.device, position.inode)
            && opened.holds(position.offset)?
        {
            return Ok(Some(Opened { offset: position.offset, ..opened }));
        }
    }
    Ok(None)
}

/// The files beside `path` that were written to within `age` before `now` or later, the oldest first and at most `most` of them,
/// from where they may hold lines of which nobody has heard. What cannot be listed or opened is left out.
pub(super) fn recent(path: &Path, now: Moment, age: Span, most: usize) -> Vec<Opened> {
    let written = |entry: &DirEntry| {
        let there = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let written = Moment::from_seconds(u64::try_from(there.mtime()).unwrap_or(0));
        (now.since(written) < age).then_some(written)
    };
    let mut found: Vec<_> = siblings(path)
        .unwrap_or_default()
        .into_iter()
        .filter(|entry| Some(entry.file_name().as_os_str()) != path.file_name())
        .filter_map(|entry| Some((written(&entry)?, entry.path())))
        .collect();
    found.sort_unstable();
    let opened = found.iter().rev().filter_map(|(_, path)| Opened::at(path).ok()??.at_its_last(AGAIN_BYTES).ok()?);
    let mut opened: Vec<Opened> = opened.take(most).collect();
    opened.reverse();
    opened
}

/// What lies beside `path` under a name that begins like its own, itself included.
fn siblings(path: &Path) -> io::Result<Vec<DirEntry>> {
    let Some(name) = path.file_name() else { return Ok(Vec::new()) };
    let entries = match std::fs::read_dir(directory(path)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let alike = |entry: &DirEntry| entry.file_name().as_encoded_bytes().starts_with(name.as_encoded_bytes());
    entries.take(SIBLINGS_MAX).filter(|entry| entry.as_ref().map_or(true, alike)).collect()
}

/// The directory of `path`.
pub(super) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| parent.as_os_str() != OsStr::new("")).unwrap_or(Path::new("."))
}
