//! Follows a log file line by line, over half lines, rotation, truncation and restarts.
//!
//! Where it has read to is the file's device and inode and an offset at a line's start; who settles the lines keeps
//! that place in the same step, so that after a crash each line is read again or was settled, never neither.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use super::hints::{Hints, Stop};
use super::nginx_line::{self, LINE_BYTES_MAX, LineFault};
use crate::domain::account::Reported;
use crate::domain::feed_position::FeedPosition;

/// Lines in one batch: one durable step of the store, and not more than it can take at once.
pub const BATCH_LINES_MAX: usize = 1024;

/// Bytes that are read at once; more than [`LINE_BYTES_MAX`], so that a line of allowed length always fits.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// After a rotation the web server's workers write into the old file until each has heard of the new one.
const LAST_WRITERS: Duration = Duration::from_secs(2);

/// Names in the log's directory that are looked at to find the file of a remembered place.
const SIBLINGS_MAX: usize = 10_000;

/// What was read at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// What the lines report, in their order.
    pub reports: Vec<Reported>,
    /// How many lines were read, with those that report nothing.
    pub lines: usize,
    /// The lines that were not understood.
    pub faults: Vec<LineFault>,
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
    /// Another file took its name; the old one was read to its end.
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
            Self::Rotated => "the access log was rotated and read to its end",
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
    notices: Vec<Notice>,
    told: Option<FeedPosition>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Opened {
    file: File,
    device: u64,
    inode: u64,
    /// Where the next line starts.
    offset: u64,
    /// Bytes after `offset` that belong to a line which is too long to be kept.
    skipped: u64,
}

impl Tail {
    /// Follows the log at `path`. With `resume` it goes on there: in the same file, be it under another name in the
    /// same directory by now. Without, it begins at the end of what is there: older lines are of nobody who waits.
    ///
    /// A missing file is waited for and read from its start. Fails if the file cannot be opened or is not a file.
    pub fn open(path: &Path, resume: Option<FeedPosition>) -> io::Result<Self> {
        let mut tail = Self {
            path: path.to_owned(),
            hints: Hints::new(),
            open: None,
            notices: Vec::new(),
            told: resume,
            buffer: vec![0; BATCH_BYTES_MAX],
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
            if let Some(open) = &self.open {
                self.hints.watch_file(&open.file);
            }
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
                let mut batch = self.look()?;
                if batch.says_nothing() && !self.is_skipping()? && self.move_on(&mut batch)? {
                    batch.position = self.open.as_ref().map(Opened::position);
                }
                if !batch.says_nothing() {
                    self.told = batch.position;
                    return Ok(Some(batch));
                }
            } else {
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
        if let Some(open) = &mut self.open {
            if open.is_shorter()? {
                open.offset = 0;
                open.skipped = 0;
                self.notices.push(Notice::Truncated);
            }
            open.read(&mut self.buffer, &mut batch)?;
            batch.position = Some(open.position());
        }
        batch.notices.append(&mut self.notices);
        Ok(batch)
    }

    /// Whether there is more of a line that is too long.
    fn is_skipping(&self) -> io::Result<bool> {
        let Some(open) = &self.open else { return Ok(false) };
        Ok(open.skipped > 0 && open.file.metadata()?.len() > open.offset + open.skipped)
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

    /// Goes over to the file that is at the path now; whether there is one.
    fn move_on(&mut self, batch: &mut Batch) -> io::Result<bool> {
        let Some(next) = Opened::at(&self.path)? else { return Ok(false) };
        if let Some(before) = &self.open
            && before.has_rest()?
        {
            batch.faults.push(LineFault::Unfinished);
        }
        self.open = Some(next);
        batch.notices.push(Notice::Rotated);
        Ok(true)
    }

    fn resume(&mut self, current: Option<Opened>, position: FeedPosition) -> io::Result<Option<Opened>> {
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
    fn says_nothing(&self) -> bool {
        self.lines == 0 && self.faults.is_empty() && self.notices.is_empty()
    }
}

impl Opened {
    /// The file at `path`, from its start; `None` where there is none.
    fn at(path: &Path) -> io::Result<Option<Self>> {
        // Without NONBLOCK a pipe of that name would hold us until somebody writes.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(descriptor) => File::from(descriptor),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the access log must be a regular file"));
        }
        Ok(Some(Self { device: metadata.dev(), inode: metadata.ino(), file, offset: 0, skipped: 0 }))
    }

    /// From after the last whole line.
    fn at_its_end(self) -> io::Result<Self> {
        let size = self.file.metadata()?.len();
        let window_start = size.saturating_sub(LINE_BYTES_MAX as u64);
        let mut window = vec![0; LINE_BYTES_MAX];
        let filled = read_full_at(&self.file, &mut window, window_start)?;
        let window = window.get(..filled).unwrap_or_default();
        let offset = match window.iter().rposition(|&byte| byte == b'\n') {
            Some(at) => window_start + length(at) + 1,
            None => window_start,
        };
        Ok(Self { offset, ..self })
    }

    fn is(&self, device: u64, inode: u64) -> bool {
        self.device == device && self.inode == inode
    }

    fn position(&self) -> FeedPosition {
        FeedPosition { device: self.device, inode: self.inode, offset: self.offset }
    }

    /// Whether a line can start at `offset`: inode numbers are used again, for files of another content.
    fn holds(&self, offset: u64) -> io::Result<bool> {
        let Some(before) = offset.checked_sub(1) else { return Ok(true) };
        let mut byte = [0];
        Ok(self.file.read_at(&mut byte, before)? == 1 && byte == *b"\n")
    }

    fn is_shorter(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() < self.offset + self.skipped)
    }

    /// Whether something stands behind the last whole line.
    fn has_rest(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() > self.offset)
    }

    /// Reads whole lines into `batch`.
    fn read(&mut self, buffer: &mut [u8], batch: &mut Batch) -> io::Result<()> {
        let filled = read_full_at(&self.file, buffer, self.offset + self.skipped)?;
        let mut rest = buffer.get(..filled).unwrap_or_default();
        while batch.lines < BATCH_LINES_MAX
            && let Some(end) = rest.iter().position(|&byte| byte == b'\n')
        {
            let (line, after) = rest.split_at_checked(end + 1).unwrap_or((rest, &[]));
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let read = if self.skipped > 0 { Err(LineFault::TooLong) } else { nginx_line::read(line) };
            match read {
                Ok(Some(reported)) => batch.reports.push(reported),
                Ok(None) => {}
                Err(fault) => batch.faults.push(fault),
            }
            batch.lines += 1;
            self.offset += self.skipped + length(end) + 1;
            self.skipped = 0;
            rest = after;
        }
        // Without a line end in so many bytes there is nothing to keep but their number.
        if batch.lines == 0 && (self.skipped > 0 || rest.len() > LINE_BYTES_MAX) {
            self.skipped += length(rest.len());
        }
        Ok(())
    }
}

/// Whether there is a log at `path` that can be read.
pub fn check(path: &Path) -> io::Result<()> {
    Opened::at(path)?.map(drop).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no such file"))
}

/// The file of `position`, under another name beside `path`: log rotation puts something behind the name.
fn renamed(path: &Path, position: FeedPosition) -> io::Result<Option<Opened>> {
    let Some(name) = path.file_name() else { return Ok(None) };
    let entries = match std::fs::read_dir(directory(path)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for entry in entries.take(SIBLINGS_MAX) {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(name.as_encoded_bytes()) {
            continue;
        }
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

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| parent.as_os_str() != OsStr::new("")).unwrap_or(Path::new("."))
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Fills `buffer` from `offset` on, as far as the file goes.
fn read_full_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(empty) = buffer.get_mut(filled..).filter(|empty| !empty.is_empty()) {
        match file.read_at(empty, offset + length(filled)) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
