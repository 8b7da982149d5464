//! Follows a log file line by line, over half lines, rotation, truncation and restarts.
//!
//! Where it has read to is the file's device and inode and an offset at a line's start; who settles the lines keeps
//! that place in the same step, so that after a crash each line is read again or was settled, never neither.
//!
//! A file that was rotated away is read on for a day after its last line, as a web server's worker writes into the file
//! that it opened for as long as it has a download to end. The place is always one of the newest file: a restart reads
//! the last megabytes of the others again, of which every line that was settled changes nothing.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::hints::{Hints, Stop};
use super::line::{self, LineFault, PublicReport, Told};
use super::opened::Opened;
use super::siblings::{directory, recent, renamed};
use crate::domain::account::Reported;
use crate::domain::feed_position::FeedPosition;
use crate::domain::moment::{Moment, Span};

/// Lines in one batch: one durable step of the store, and not more than it can take at once.
pub const BATCH_LINES_MAX: usize = 1024;

/// Bytes that are read at once; more than [`LINE_BYTES_MAX`](super::line::LINE_BYTES_MAX), so that a line of allowed length always fits.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// After a rotation most workers of the web server write into the old file until each has heard of the new one. So long
/// the place stays there, and a restart reads each line in its order.
const LAST_WRITERS: Duration = Duration::from_secs(2);

/// An old file is read until the new one is so much newer: a download of a day is reported by one line.
const OLD_LIFETIME: Span = Span::from_days(1);

/// Old files that are read, the newest ones: each costs a descriptor.
const OLD_MAX: usize = 8;

/// What was read at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// What the lines report, in their order.
    pub reports: Vec<Reported>,
    /// What they tell of requests in public directories, in their order.
    pub public: Vec<PublicReport>,
    /// How many lines were read, with those that report nothing.
    pub lines: usize,
    /// The lines that were not understood.
    pub faults: Vec<LineFault>,
    /// Lines that were thrown away before these, as too many waited.
    pub lost: usize,
    /// What happened to the file.
    pub notices: Vec<Notice>,
    /// Where the next batch begins; `None` as long as there was no file.
    pub position: Option<FeedPosition>,
}

/// What happened to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// There is none yet.
    Missing,
    /// Another file took its name; the old one was read to its end, and is read on beside the new one.
    Rotated,
    /// It became shorter: it is read from its start, and lines may be lost.
    Truncated,
    /// The file of the remembered place is gone: the current one is read from its start, and lines may be lost.
    Gone,
}

impl Notice {
    /// What to write into the log.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Missing => "the access log is not there yet",
            Self::Rotated => "the access log was rotated; the old one was read to its end and is watched for a day",
            Self::Truncated => "the access log became shorter; it is read from its start, lines may be lost",
            Self::Gone => "the access log that was read before is gone; the current one is read from its start, lines may be lost",
        }
    }

    /// Whether lines may be lost.
    pub const fn may_lose(self) -> bool {
        matches!(self, Self::Truncated | Self::Gone)
    }
}

/// Follows one log file.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    hints: Hints,
    open: Option<Opened>,
    old: Vec<Old>,
    notices: Vec<Notice>,
    told: Option<FeedPosition>,
    buffer: Vec<u8>,
    at_end: AtEnd,
}

/// What happens when everything that was there has been read.
#[derive(Default)]
struct AtEnd(Option<Box<dyn FnMut() + Send>>);

impl fmt::Debug for AtEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AtEnd").field(&self.0.is_some()).finish()
    }
}

/// A file that was rotated away.
#[derive(Debug)]
struct Old {
    log: Opened,
    /// When the next one was written to first.
    since: Moment,
}

impl Tail {
    /// Follows the log at `path`. With `resume` it goes on there: in the same file, be it under another name in the
    /// same directory by now, and in those beside it that were written to lately. Without, it begins at the end of what
    /// is there: older lines are of nobody who waits.
    ///
    /// A missing file is waited for and read from its start. Fails if the file cannot be opened or is not a file.
    pub fn open(path: &Path, resume: Option<FeedPosition>) -> io::Result<Self> {
        let mut tail = Self {
            path: path.to_owned(),
            hints: Hints::new(),
            open: None,
            old: Vec::new(),
            notices: Vec::new(),
            told: resume,
            buffer: vec![0; BATCH_BYTES_MAX],
            at_end: AtEnd::default(),
        };
        let current = Opened::at(path)?;
        tail.open = match resume {
            None => current.map(Opened::at_its_end).transpose()?,
            Some(position) => tail.resume(current, position)?,
        };
        if tail.open.is_none() {
            tail.notices.push(Notice::Missing);
        }
        Ok(tail)
    }

    /// Does `each` whenever everything that is there has been read, and taken by whoever asks for the next batch.
    pub fn when_at_end(&mut self, each: impl FnMut() + Send + 'static) {
        self.at_end = AtEnd(Some(Box::new(each)));
    }

    /// The log's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the next lines; `None` once `stop` is set. A batch without lines tells a new place or a notice.
    ///
    /// After a fault the tail is as it was: calling again tries again.
    pub fn next_batch(&mut self, stop: &Stop) -> io::Result<Option<Batch>> {
        while !stop.is_set() {
            // Listening comes before looking: what changes after the look gives a sign.
            self.hints.watch_directory(directory(&self.path));
            self.hints.watch_files(self.old.iter().map(|old| &old.log).chain(&self.open).map(|log| &log.file));
            let batch = self.look()?;
            if !batch.says_nothing() || batch.position != self.told {
                self.told = batch.position;
                return Ok(Some(batch));
            }
            if self.is_skipping()? {
                continue;
            }
            if self.is_replaced()? {
                if stop.wait(LAST_WRITERS) {
                    return Ok(None);
                }
                self.move_on()?;
            } else {
                if let Some(each) = &mut self.at_end.0 {
                    each();
                }
                self.hints.wait(stop);
            }
        }
        Ok(None)
    }

    /// What is there now, without waiting.
    fn look(&mut self) -> io::Result<Batch> {
        let mut batch = Batch::default();
        if self.open.is_none() {
            self.open = Opened::at(&self.path)?;
        }
        for log in self.old.iter_mut().map(|old| &mut old.log).chain(&mut self.open) {
            if log.is_shorter()? {
                log.offset = 0;
                log.skipped = 0;
                self.notices.push(Notice::Truncated);
            }
        }
        // After a fault nothing may be left out: what was read so far is told, and the fault comes again.
        for log in self.old.iter_mut().map(|old| &mut old.log).chain(&mut self.open) {
            match log.read(&mut self.buffer, &mut batch) {
                Err(error) if batch.says_nothing() => return Err(error),
                Err(_) => break,
                Ok(()) => {}
            }
        }
        batch.position = self.open.as_ref().map(Opened::position);
        if let Some(now) = self.open.as_ref().and_then(|open| open.written().ok()) {
            self.forget(now, &mut batch);
        }
        batch.notices.append(&mut self.notices);
        Ok(batch)
    }

    /// Lets go of old files into which nobody writes any more at `now`, when the new one was written to last, and of
    /// the oldest where they are too many.
    fn forget(&mut self, now: Moment, batch: &mut Batch) {
        let mut extra = self.old.len().saturating_sub(OLD_MAX);
        self.old.retain(|old| {
            let written = old.log.written().unwrap_or(now);
            if extra == 0 && now.since(old.since.max(written)) < OLD_LIFETIME {
                return true;
            }
            extra = extra.saturating_sub(1);
            if old.log.has_rest().unwrap_or(false) {
                batch.faults.push(LineFault::Unfinished);
            }
            false
        });
    }

    /// Whether there is more of a line that is too long.
    fn is_skipping(&self) -> io::Result<bool> {
        for log in self.old.iter().map(|old| &old.log).chain(&self.open) {
            if log.skipped > 0 && log.file.metadata()?.len() > log.offset + log.skipped {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the path leads to another file than the one that is read.
    fn is_replaced(&self) -> io::Result<bool> {
        let Some(open) = &self.open else { return Ok(false) };
        match std::fs::metadata(&self.path) {
            Ok(there) => Ok(!open.is(there.dev(), there.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Goes over to the file that is at the path now, if there is one.
    fn move_on(&mut self) -> io::Result<()> {
        let Some(next) = Opened::at(&self.path)? else { return Ok(()) };
        // It may be one of those that were moved away, under its name again.
        let back = self.old.iter().position(|old| old.log.is(next.device, next.inode));
        let since = next.written()?;
        let next = back.map_or(next, |at| self.old.remove(at).log);
        let (device, inode) = (next.device, next.inode);
        if let Some(log) = self.open.replace(next) {
            self.old.push(Old { log, since });
        }
        // Where the store did not settle for a while, or rotations follow each other at once, there are files between.
        for log in recent(&self.path, since, OLD_LIFETIME, OLD_MAX) {
            let known = log.is(device, inode) || self.old.iter().any(|old| old.log.is(log.device, log.inode));
            if !known {
                self.old.push(Old { since: log.written()?, log });
            }
        }
        self.notices.push(Notice::Rotated);
        Ok(())
    }

    /// Finds the file of `position`, and those beside it into which somebody may still write.
    fn resume(&mut self, current: Option<Opened>, position: FeedPosition) -> io::Result<Option<Opened>> {
        let found = self.find(current, position)?;
        if let Some(found) = &found {
            let others = recent(&self.path, found.written()?, OLD_LIFETIME, OLD_MAX);
            for log in others.into_iter().filter(|log| !found.is(log.device, log.inode)) {
                self.old.push(Old { since: log.written()?, log });
            }
        }
        Ok(found)
    }

    fn find(&mut self, current: Option<Opened>, position: FeedPosition) -> io::Result<Option<Opened>> {
        match current {
            Some(current) if current.is(position.device, position.inode) => {
                if current.holds(position.offset)? {
                    return Ok(Some(Opened { offset: position.offset, ..current }));
                }
                self.notices.push(Notice::Truncated);
                Ok(Some(current))
            }
            current => {
                if let Some(renamed) = renamed(&self.path, position)? {
                    return Ok(Some(renamed));
                }
                self.notices.push(Notice::Gone);
                Ok(current)
            }
        }
    }
}

impl Batch {
    /// Adds what was read of one line.
    pub(super) fn add(&mut self, line: Result<Option<Told>, LineFault>) {
        self.lines += 1;
        match line {
            Ok(Some(Told::Delivery(reported))) => self.reports.push(reported),
            Ok(Some(Told::Public(public))) => self.public.push(public),
            Ok(None) => {}
            Err(fault) => self.faults.push(fault),
        }
    }

    /// A batch of these lines of the shipped format, which come from no file.
    pub fn of_lines<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut batch = Self::default();
        for line in lines {
            batch.add(line::read(line));
        }
        batch
    }

    /// How many lines were understood and report nothing.
    pub fn others(&self) -> usize {
        let faulty = self.faults.iter().filter(|fault| **fault != LineFault::Unfinished).count();
        self.lines.saturating_sub(self.reports.len()).saturating_sub(self.public.len()).saturating_sub(faulty)
    }

    fn says_nothing(&self) -> bool {
        self.lines == 0 && self.faults.is_empty() && self.notices.is_empty()
    }
}

/// Whether there is a log at `path` that can be read.
pub fn check(path: &Path) -> io::Result<()> {
    Opened::at(path)?.map(drop).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no such file"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn old_files_are_read_for_a_day_after_their_last_line_and_only_the_newest_of_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("cloakroom.log");
        fs::write(&path, "{").expect("a log");
        let mut tail = Tail::open(&path, None).expect("a tail");
        for number in 0..=OLD_MAX {
            fs::rename(&path, directory.path().join(format!("cloakroom.log.{number}"))).expect("a rotated log");
            fs::write(&path, if number == 0 { "{" } else { "" }).expect("a log");
            tail.move_on().expect("the next log");
        }
        let names = |tail: &Tail| tail.old.iter().map(|old| old.log.inode).collect::<Vec<_>>();
        let all = names(&tail);
        let now = tail.open.as_ref().expect("a log").written().expect("its time");
        let mut batch = Batch::default();
        tail.forget(now, &mut batch);
        assert_eq!((names(&tail), batch.faults.as_slice()), (all[1..].to_vec(), &[LineFault::Unfinished][..]));
        let lifetime = OLD_LIFETIME.seconds();
        let mut batch = Batch::default();
        tail.forget(Moment::from_seconds(now.seconds() + lifetime - 60), &mut batch);
        assert_eq!((names(&tail), batch.faults.as_slice()), (all[1..].to_vec(), &[][..]));
        tail.forget(Moment::from_seconds(now.seconds() + lifetime + 60), &mut batch);
        assert_eq!((names(&tail), batch.faults.as_slice()), (vec![], &[LineFault::Unfinished][..]));
    }
}
