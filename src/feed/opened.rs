//! One file that is read line by line.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::line::{self, LINE_BYTES_MAX, LineFault};
use super::tail::{BATCH_LINES_MAX, Batch};
use crate::domain::feed_position::FeedPosition;
use crate::domain::moment::Moment;

#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) device: u64,
    pub(super) inode: u64,
    /// Where the next line starts.
    pub(super) offset: u64,
    /// Bytes after `offset` that belong to a line which is too long to be kept.
    pub(super) skipped: u64,
}

impl Opened {
    /// The file at `path`, from its start; `None` where there is none.
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
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
    pub(super) fn at_its_end(self) -> io::Result<Self> {
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

    /// From the start of a line among its last `bytes`. `None` where it does not begin as a log in the format does: log
    /// rotation leaves packed files, too. Into an empty one somebody may still write.
    pub(super) fn at_its_last(self, bytes: u64) -> io::Result<Option<Self>> {
        let mut first = [0];
        if self.file.read_at(&mut first, 0)? == 1 && first != *b"{" {
            return Ok(None);
        }
        let size = self.file.metadata()?.len();
        if size <= bytes {
            return Ok(Some(self));
        }
        let from = size - bytes;
        let mut window = vec![0; LINE_BYTES_MAX];
        let filled = read_full_at(&self.file, &mut window, from)?;
        let end = window.get(..filled).unwrap_or_default().iter().position(|&byte| byte == b'\n');
        Ok(end.map(|end| Self { offset: from + length(end) + 1, ..self }))
    }

    /// When it was last written to.
    pub(super) fn written(&self) -> io::Result<Moment> {
        Ok(Moment::from_seconds(u64::try_from(self.file.metadata()?.mtime()).unwrap_or(0)))
    }

    pub(super) fn is(&self, device: u64, inode: u64) -> bool {
        self.device == device && self.inode == inode
    }

    pub(super) fn position(&self) -> FeedPosition {
        FeedPosition { device: self.device, inode: self.inode, offset: self.offset }
    }

    /// Whether a line can start at `offset`: inode numbers are used again, for files of another content.
    pub(super) fn holds(&self, offset: u64) -> io::Result<bool> {
        let Some(before) = offset.checked_sub(1) else { return Ok(true) };
        let mut byte = [0];
        Ok(self.file.read_at(&mut byte, before)? == 1 && byte == *b"\n")
    }

    pub(super) fn is_shorter(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() < self.offset + self.skipped)
    }

    /// Whether something stands behind the last whole line.
    pub(super) fn has_rest(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() > self.offset)
    }

    /// Reads whole lines into `batch`.
    pub(super) fn read(&mut self, buffer: &mut [u8], batch: &mut Batch) -> io::Result<()> {
        if batch.lines >= BATCH_LINES_MAX {
            return Ok(());
        }
        let filled = read_full_at(&self.file, buffer, self.offset + self.skipped)?;
        let mut rest = buffer.get(..filled).unwrap_or_default();
        let mut lines = 0_usize;
        while batch.lines < BATCH_LINES_MAX
            && let Some(end) = rest.iter().position(|&byte| byte == b'\n')
        {
            let (line, after) = rest.split_at_checked(end + 1).unwrap_or((rest, &[]));
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let read = if self.skipped > 0 { Err(LineFault::TooLong) } else { line::read(line) };
            batch.add(read);
            lines += 1;
            self.offset += self.skipped + length(end) + 1;
            self.skipped = 0;
            rest = after;
        }
        // Without a line end in so many bytes there is nothing to keep but their number.
        if lines == 0 && (self.skipped > 0 || rest.len() > LINE_BYTES_MAX) {
            self.skipped += length(rest.len());
        }
        Ok(())
    }
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
