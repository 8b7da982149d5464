//! Many lines at once. Most lines of a site are pages and pictures: of those only the path is looked at.

use memchr::{memchr, memchr_iter, memchr3};

use super::format::Format;
use super::line::{self, LINE_BYTES_MAX, LineFault};
use crate::domain::audit::{Hit, Keyed, Keys, Selection};

/// How lines are read.
#[derive(Clone, Debug)]
pub enum Layout {
    /// As web servers write them from the start, told apart line by line.
    Usual,
    /// By a `log_format` of the site's own.
    Custom(Format),
}

/// Faults of one chunk that are kept with their text; the others are counted.
const FAULTS_KEPT: usize = 5;

/// So many downloads a chunk holds mostly.
const HITS_EXPECTED: usize = 1024;

/// What a chunk of lines holds.
#[derive(Debug, Default)]
pub struct Scanned<'a> {
    /// The lines for downloads.
    pub hits: Vec<Keyed<'a>>,
    /// All lines, understood or not; empty ones, too.
    pub lines: u64,
    /// Lines that are not understood.
    pub faults: u64,
    /// The first of them: the line's place in the chunk, from 0, its text, and why.
    pub first_faults: Vec<(u64, &'a [u8], LineFault)>,
    /// Answers 304 to other paths whose bytes are written as `0`, as `-`, as a number.
    pub bodyless: [u64; 3],
}

/// Reads every line of `chunk`.
pub fn scan<'a>(chunk: &'a [u8], layout: &Layout, selection: &Selection, keys: &Keys) -> Scanned<'a> {
    let mut scanned = Scanned { hits: Vec::with_capacity(HITS_EXPECTED), ..Scanned::default() };
    let mut start = 0;
    for end in memchr_iter(b'\n', chunk).chain(chunk.last().is_some_and(|&last| last != b'\n').then_some(chunk.len())) {
        let line = chunk.get(start..end).unwrap_or_default();
        start = end + 1;
        match layout {
            Layout::Usual => scanned.usual(line, selection, keys),
            Layout::Custom(format) => scanned.take(line, format.read(line).map(Some), selection, keys),
        }
        scanned.lines += 1;
    }
    scanned
}

impl<'a> Scanned<'a> {
    #[inline]
    fn usual(&mut self, line: &'a [u8], selection: &Selection, keys: &Keys) {
        match other_path(line) {
            Some((path, behind)) if !selection.wants(path) && line.len() <= LINE_BYTES_MAX => self.bodyless(behind),
            _ => self.take(line, line::read(line), selection, keys),
        }
    }

    /// A 304 shows what the column of bytes counts.
    #[inline]
    fn bodyless(&mut self, behind: &[u8]) {
        let (Some(b" HTTP/"), Some(b"\" 304 ")) = (behind.get(..6), behind.get(9..15)) else { return };
        let [zero, dash, number] = &mut self.bodyless;
        match behind.get(15..17) {
            Some(b"0 " | b"0") => *zero += 1,
            Some(b"- " | b"-") => *dash += 1,
            _ => *number += 1,
        }
    }

    fn take(&mut self, line: &'a [u8], read: Result<Option<Hit<'a>>, LineFault>, selection: &Selection, keys: &Keys) {
        match read {
            Ok(Some(hit)) if hit.delivery.is_some() || selection.wants(hit.path) => self.hits.push(keys.of(hit)),
            Ok(_) => {}
            // An empty line says nothing wrong.
            Err(_) if line.iter().all(u8::is_ascii_whitespace) => {}
            Err(fault) => {
                self.faults += 1;
                if self.first_faults.len() < FAULTS_KEPT {
                    self.first_faults.push((self.lines, line, fault));
                }
            }
        }
    }
}

/// The path of a line that looks like one of the usual formats, and what stands behind it; `None` where a closer look is
/// needed.
#[inline]
fn other_path(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let quote = memchr(b'"', line)?;
    if line.get(quote.checked_sub(2)?..quote)? != b"] " || line.first() == Some(&b'{') {
        return None;
    }
    let request = line.get(quote + 1..)?;
    let target = request.get(request.iter().position(|&byte| byte == b' ')? + 1..)?;
    if target.first() != Some(&b'/') {
        return None;
    }
    target.split_at_checked(memchr3(b' ', b'?', b'"', target)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_download_is_passed_over_and_what_is_no_line_is_kept() {
        let log = b"::1 - - [21/Nov/2026:23:02:10 +0000] \"GET /a.zip HTTP/1.1\" 200 9 \"-\" \"x\"\n\
            ::1 - - [21/Nov/2026:23:02:10 +0000] \"GET / HTTP/1.1\" 200 9 \"-\" \"x\"\n\
            ::1 - - [21/Nov/2026:23:02:10 +0000] \"GET /x.css HTTP/1.1\" 304 0 \"-\" \"x\"\n\
            ::1 - - [21/Nov/2026:23:02:10 +0000] \"GET /x.css HTTP/2.0\" 304 - \"-\" \"x\"\n\
            ::1 - - [21/Nov/2026:23:02:10 +0000] \"GET /x.css HTTP/2.0\" 304 180 \"-\" \"x\"\n\
            ::1 - - [21/Nov/2026:23:02:10 +0000] \"\\x16\\x03\\x01\" 400 157 \"-\" \"-\"\n\
            ::1 - - [21/Nov/2026:23:02:10 +0000] \"-\" 408 0 \"-\" \"-\"\n\
            \n\
            nonsense\n\
            ::1 - - [21/Nov/2026:23:02:10 +0000] \"GET /b.zip HTTP/1.1\" 20";
        let scanned = scan(log, &Layout::Usual, &Selection::of(&[], &[]).unwrap(), &Keys::default());
        let paths: Vec<&[u8]> = scanned.hits.iter().map(|keyed| keyed.hit().path).collect();
        assert_eq!(paths, [b"/a.zip"]);
        assert_eq!((scanned.lines, scanned.faults, scanned.bodyless), (10, 2, [1, 1, 1]));
        assert_eq!(scanned.first_faults.iter().map(|(place, ..)| *place).collect::<Vec<_>>(), [8, 9]);
        assert_eq!(scan(b"", &Layout::Usual, &Selection::of(&[], &[]).unwrap(), &Keys::default()).lines, 0);
    }
}
