//! The files of a log: plain or gzipped, in the order of time, as chunks of whole lines.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use memchr::{memchr, memrchr};

use super::line;
use super::scan::Layout;

/// A chunk holds so many bytes: few enough for the cache that processors share, enough that taking turns costs little.
pub const CHUNK_BYTES: usize = 1024 * 1024;

/// So much of a file is looked at to see what it is.
const PROBE_BYTES: usize = 128 * 1024;

/// Two files that begin with so many same bytes are two copies of one log, as a rotation may leave them.
const SAME_BYTES: usize = 4096;

/// So many lines are looked at for one that is understood.
const PROBE_LINES: usize = 100;

/// So much of a strange line is shown.
const SHOWN_BYTES: usize = 80;

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// A file.
    Path(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Why a source cannot be audited.
#[derive(Debug)]
pub enum HistoryFault {
    /// It cannot be read.
    Unreadable(Source, io::Error),
    /// It is packed by a program that is not understood: how to unpack it.
    Packed(Source, &'static str),
    /// No line of its beginning is one of an access log: the first line, and why.
    NoLog(Source, String, line::LineFault),
    /// All sources are empty.
    Empty,
}

impl fmt::Display for HistoryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(source, error) => write!(f, "{source} cannot be read: {error}"),
            Self::Packed(source, unpack) => {
                write!(f, "{source} is packed, and only gzip is read here: {unpack} {source} | cloakroom audit -")
            }
            Self::NoLog(source, first, fault) => write!(
                f,
                "{source} is not an access log as far as can be seen: its first line begins\n    {first}\nand {fault}. A line should look like\n    \
                 203.0.113.9 - - [21/Nov/2026:23:02:10 +0000] \"GET /a.zip HTTP/1.1\" 200 1234 \"-\" \"agent\"\n\
                 (nginx and Apache \"combined\", \"common\", \"vhost_combined\", or Cloakroom's own log). If your log_format is another one, \
                 say it: --format '$remote_addr … '"
            ),
            Self::Empty => f.write_str("there is not one line in it: nothing to audit"),
        }
    }
}

impl std::error::Error for HistoryFault {}

/// Something about a source that changes what the numbers mean, and does not end the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It holds nothing.
    Empty(String),
    /// It is the same file as another, or begins as it; it is left out.
    Twice(String, String),
    /// It cannot be read to its end.
    CutOff(String, String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty(name) => write!(f, "{name} is empty"),
            Self::Twice(name, other) => write!(f, "{name} begins with the same lines as {other}, and is left out"),
            Self::CutOff(name, why) => write!(f, "{name} cannot be read to its end ({why}); what came before counts"),
        }
    }
}

/// A source that was looked at.
struct Probed {
    source: Source,
    name: String,
    /// When its first line was written, as far as known; else when the file was changed last.
    begins: u64,
    /// How it begins, at most [`SAME_BYTES`].
    start: Vec<u8>,
    /// What cannot be opened a second time.
    kept: Option<Box<dyn Read + Send>>,
    identity: Option<(u64, u64)>,
    bytes: u64,
}

/// The sources, one after another.
pub struct History {
    /// The next one last.
    waiting: Vec<Probed>,
    names: Vec<String>,
    current: Option<Current>,
    notices: Vec<Notice>,
    read: Arc<AtomicU64>,
    bytes: Option<u64>,
}

struct Current {
    reader: Box<dyn Read + Send>,
    /// The beginning of a line whose end is not read yet.
    carry: Vec<u8>,
    /// Inside of a line that is too long for a chunk.
    skipping: bool,
}

/// Whole lines of one file, at the beginning of the buffer that was filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The file's place in [`History::names`].
    pub file: usize,
    /// How many bytes of the buffer they take.
    pub bytes: usize,
    /// How many lines before them were too long for any chunk.
    pub skipped: u64,
}

impl History {
    /// Looks at each source and puts them in the order of time.
    pub fn open(sources: &[Source], layout: &Layout) -> Result<Self, HistoryFault> {
        let read = Arc::new(AtomicU64::new(0));
        let mut notices = Vec::new();
        let mut probed: Vec<Probed> = Vec::with_capacity(sources.len());
        for source in sources {
            let Some(one) = probe(source, layout, &read)? else {
                notices.push(Notice::Empty(source.to_string()));
                continue;
            };
            let same = |other: &&Probed| {
                let same_file = one.identity.is_some() && other.identity == one.identity;
                same_file || other.start.starts_with(&one.start) || one.start.starts_with(&other.start)
            };
            match probed.iter().find(same) {
                Some(other) => notices.push(Notice::Twice(one.name, other.name.clone())),
                None => probed.push(one),
            }
        }
        if probed.is_empty() {
            return Err(HistoryFault::Empty);
        }
        probed.sort_by_key(|one| one.begins);
        let names = probed.iter().map(|one| one.name.clone()).collect();
        let bytes: Option<u64> = probed.iter().map(|one| one.kept.is_none().then_some(one.bytes)).sum();
        // Only what could not be opened twice was read for good.
        if bytes.is_some() {
            read.store(0, Ordering::Relaxed);
        }
        probed.reverse();
        Ok(Self { waiting: probed, names, current: None, notices, read, bytes })
    }

    /// The names of the sources, in the order of time.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many bytes all files have on the disk, if all of them are files.
    pub const fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// How many of them have been read so far.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// What was noticed so far.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Fills `buffer`, of [`CHUNK_BYTES`], with the next whole lines; `None` at the end of the last source.
    pub fn next_chunk(&mut self, buffer: &mut [u8]) -> Option<Chunk> {
        let mut skipped = 0;
        loop {
            let file = self.names.len().checked_sub(self.waiting.len() + 1);
            let Some(current) = &mut self.current else {
                let next = self.waiting.pop()?;
                match reader(next, &self.read) {
                    Ok(reader) => self.current = Some(Current { reader, carry: Vec::new(), skipping: false }),
                    Err((name, error)) => self.notices.push(Notice::CutOff(name, error.to_string())),
                }
                continue;
            };
            let (bytes, ended) = current.fill(buffer, &mut skipped);
            if let Some(end) = ended {
                self.current = None;
                if let (Err(error), Some(name)) = (end, file.and_then(|file| self.names.get(file))) {
                    self.notices.push(Notice::CutOff(name.clone(), error.to_string()));
                }
            }
            if bytes > 0 || skipped > 0 {
                return Some(Chunk { file: file?, bytes, skipped });
            }
        }
    }
}

impl Current {
    /// How many bytes of whole lines `buffer` now begins with, and how the source ended, if it did.
    fn fill(&mut self, buffer: &mut [u8], skipped: &mut u64) -> (usize, Option<io::Result<()>>) {
        let mut filled = self.carry.len();
        if let Some(start) = buffer.get_mut(..filled) {
            start.copy_from_slice(&self.carry);
        }
        self.carry.clear();
        loop {
            let empty = buffer.get_mut(filled..).unwrap_or_default();
            if !empty.is_empty() {
                match self.reader.read(empty) {
                    Ok(0) => return (self.last(filled), Some(Ok(()))),
                    Ok(more) => filled += more,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return (self.last(filled), Some(Err(error))),
                }
            }
            if self.skipping {
                let Some(end) = memchr(b'\n', buffer.get(..filled).unwrap_or_default()) else {
                    filled = 0;
                    continue;
                };
                buffer.copy_within(end + 1..filled, 0);
                filled -= end + 1;
                self.skipping = false;
            }
            if filled < buffer.len() {
                continue;
            }
            let full = buffer.get(..filled).unwrap_or_default();
            if let Some(end) = memrchr(b'\n', full) {
                self.carry.extend_from_slice(full.get(end + 1..).unwrap_or_default());
                return (end + 1, None);
            }
            *skipped += 1;
            self.skipping = true;
            filled = 0;
        }
    }

    /// What is left at the end counts as a line, but not the rest of one that was too long.
    const fn last(&self, filled: usize) -> usize {
        if self.skipping { 0 } else { filled }
    }
}

/// Reads and adds up how much.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let more = self.inner.read(buffer)?;
        self.read.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(more)
    }
}

/// Opens a source that was looked at.
fn reader(mut probed: Probed, read: &Arc<AtomicU64>) -> Result<Box<dyn Read + Send>, (String, io::Error)> {
    match (probed.kept.take(), &probed.source) {
        (Some(kept), _) => Ok(kept),
        (None, Source::Path(path)) => {
            let opened = File::open(path).and_then(|file| unpacked(Counted { inner: file, read: Arc::clone(read) }));
            opened.map(|(_, reader)| reader).map_err(|error| (probed.name, error))
        }
        (None, Source::Stdin) => Ok(Box::new(io::empty())),
    }
}

/// What a file is packed with, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Other(&'static str),
}

fn packing(first: &[u8]) -> Packing {
    match first {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Packing::Other("xzcat"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Other("zstdcat"),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Packing::Other("bzcat"),
        [0x04, 0x22, 0x4d, 0x18, ..] => Packing::Other("lz4cat"),
        _ => Packing::None,
    }
}

/// The text of a stream, whatever its name is.
fn unpacked(mut raw: impl Read + Send + 'static) -> io::Result<(Packing, Box<dyn Read + Send>)> {
    let mut first = Vec::with_capacity(6);
    raw.by_ref().take(6).read_to_end(&mut first)?;
    let packing = packing(&first);
    let whole = Cursor::new(first).chain(raw);
    Ok(match packing {
        Packing::Gzip => (packing, Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK_BYTES, whole)))),
        _ => (packing, Box::new(whole)),
    })
}

/// Looks at the beginning of a source; `None` where it is empty.
fn probe(source: &Source, layout: &Layout, read: &Arc<AtomicU64>) -> Result<Option<Probed>, HistoryFault> {
    let unreadable = |error| HistoryFault::Unreadable(source.clone(), error);
    let (packing, mut reader, metadata) = match source {
        Source::Stdin => {
            let (packing, reader) = unpacked(Counted { inner: io::stdin(), read: Arc::clone(read) }).map_err(unreadable)?;
            (packing, reader, None)
        }
        Source::Path(path) => {
            let file = File::open(path).map_err(unreadable)?;
            let metadata = file.metadata().map_err(unreadable)?;
            if metadata.is_dir() {
                return Err(unreadable(io::Error::from(io::ErrorKind::IsADirectory)));
            }
            let (packing, reader) = unpacked(Counted { inner: file, read: Arc::clone(read) }).map_err(unreadable)?;
            (packing, reader, Some(metadata))
        }
    };
    if let Packing::Other(unpack) = packing {
        return Err(HistoryFault::Packed(source.clone(), unpack));
    }
    let mut start = Vec::new();
    // What broke off later than here is told when it is read.
    if let Err(error) = reader.by_ref().take(PROBE_BYTES as u64).read_to_end(&mut start)
        && start.is_empty()
    {
        return Err(unreadable(error));
    }
    if start.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let begins = first_time(source, &start, layout)?;
    let regular = metadata.filter(std::fs::Metadata::is_file);
    Ok(Some(Probed {
        name: source.to_string(),
        begins: begins.or_else(|| u64::try_from(regular.as_ref()?.mtime()).ok()).unwrap_or(u64::MAX),
        start: start.get(..SAME_BYTES).unwrap_or(&start).to_vec(),
        identity: regular.as_ref().map(|metadata| (metadata.dev(), metadata.ino())),
        bytes: regular.as_ref().map_or(0, std::fs::Metadata::len),
        kept: if regular.is_some() { None } else { Some(Box::new(Cursor::new(start).chain(reader))) },
        source: source.clone(),
    }))
}

/// When the first line that is understood was written; `None` where it is one of ours that does not say.
fn first_time(source: &Source, start: &[u8], layout: &Layout) -> Result<Option<u64>, HistoryFault> {
    let mut first_fault = None;
    let mut ours = false;
    for text in start.split(|&byte| byte == b'\n').filter(|text| !text.iter().all(u8::is_ascii_whitespace)).take(PROBE_LINES) {
        let read = match layout {
            Layout::Usual => line::read(text),
            Layout::Custom(format) => format.read(text).map(Some),
        };
        match read {
            Ok(Some(hit)) => return Ok(Some(hit.at)),
            Ok(None) => ours = true,
            Err(fault) => first_fault = first_fault.or_else(|| Some((shown(text), fault))),
        }
    }
    match first_fault {
        Some((text, fault)) if !ours => Err(HistoryFault::NoLog(source.clone(), text, fault)),
        _ => Ok(None),
    }
}

/// The beginning of a line, for people.
pub fn shown(line: &[u8]) -> String {
    let start = line.get(..SHOWN_BYTES).unwrap_or(line);
    let dots = if start.len() < line.len() { "…" } else { "" };
    format!("{}{dots}", start.escape_ascii())
}

#[cfg(test)]
mod tests;
