//! Files as rotation leaves them, and streams as the system hands them over.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn line(day: u32) -> String {
    format!("::1 - - [{day:02}/Nov/2026:23:02:10 +0000] \"GET /a.zip HTTP/1.1\" 200 9 \"-\" \"x\"\n")
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn place(directory: &TempDir, name: &str, bytes: &[u8]) -> Source {
    let path = directory.path().join(name);
    fs::write(&path, bytes).unwrap();
    Source::Path(path)
}

/// Everything that comes, by the names of files.
fn all(history: &mut History) -> Vec<(String, String)> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut found: Vec<(String, String)> = Vec::new();
    while let Some(chunk) = history.next_chunk(&mut buffer) {
        let name = history.names()[chunk.file].rsplit('/').next().unwrap().to_owned();
        let text = String::from_utf8(buffer[..chunk.bytes].to_vec()).unwrap();
        match found.last_mut() {
            Some((last, before)) if *last == name => before.push_str(&text),
            _ => found.push((name, text)),
        }
    }
    found
}

#[test]
fn rotated_files_come_in_the_order_of_time_packed_or_not() {
    let directory = TempDir::new().unwrap();
    let two = [gzip(line(3).as_bytes()), gzip(line(4).as_bytes())].concat();
    let sources = [
        place(&directory, "access.log", line(9).as_bytes()),
        place(&directory, "access.log.1", format!("garbage\n{}{}", line(7), line(8)).trim_end().as_bytes()),
        place(&directory, "access.log.2.gz", &two),
        place(&directory, "access.log.3", &gzip(line(1).as_bytes())),
        place(&directory, "access.log.4.gz", line(2).as_bytes()),
        place(&directory, "empty.log", b""),
        place(&directory, "copy.gz", &gzip(line(9).as_bytes())),
    ];
    let mut history = History::open(&sources, &Layout::Usual).unwrap();
    assert_eq!(
        history.bytes(),
        Some(
            sources[..5]
                .iter()
                .map(|source| match source {
                    Source::Path(path) => fs::metadata(path).unwrap().len(),
                    Source::Stdin => 0,
                })
                .sum()
        )
    );
    let expected = [
        ("access.log.3", line(1)),
        ("access.log.4.gz", line(2)),
        ("access.log.2.gz", line(3) + &line(4)),
        ("access.log.1", format!("garbage\n{}{}", line(7), line(8)).trim_end().to_owned()),
        ("access.log", line(9)),
    ];
    assert_eq!(all(&mut history), expected.map(|(name, text)| (name.to_owned(), text)));
    assert_eq!(Some(history.bytes_read()), history.bytes());
    let notices: Vec<String> = history.notices().iter().map(ToString::to_string).collect();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(notices[0].ends_with("empty.log is empty") && notices[1].contains("copy.gz begins with the same lines"), "{notices:?}");
}

#[test]
fn the_same_file_by_two_names_counts_once() {
    let directory = TempDir::new().unwrap();
    let source = place(&directory, "a.log", line(1).as_bytes());
    fs::hard_link(directory.path().join("a.log"), directory.path().join("b.log")).unwrap();
    let other = Source::Path(directory.path().join("b.log"));
    let mut history = History::open(&[source, other], &Layout::Usual).unwrap();
    assert_eq!(all(&mut history).len(), 1);
    assert_eq!(history.notices().len(), 1);
}

#[test]
fn what_is_no_log_is_refused_and_says_why() {
    let directory = TempDir::new().unwrap();
    for (name, bytes, why) in [
        ("picture.png", &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "is not an access log"),
        ("error.log", b"2026/11/21 23:02:10 [error] 1#1: open() failed\n", "no time in brackets"),
        ("page.html", b"<html>\n", "--format"),
        ("a.log.zst", &[0x28, 0xb5, 0x2f, 0xfd, 0, 0], "zstdcat"),
        ("a.log.xz", &[0xfd, b'7', b'z', b'X', b'Z', 0, 0], "xzcat"),
        ("a.log.bz2", b"BZh91AY", "bzcat"),
        ("torn.gz", &[0x1f, 0x8b, 8, 0], "cannot be read"),
        ("empty.log", b"", "not one line"),
        ("blank.log", b"\n \n", "not one line"),
    ] {
        let fault = History::open(&[place(&directory, name, bytes)], &Layout::Usual).err().unwrap().to_string();
        assert!(fault.contains(why), "{name}: {fault}");
        assert!(!fault.chars().any(|sign| sign.is_control() && sign != '\n'), "{name}: {fault:?}");
    }
    for path in [directory.path().to_owned(), directory.path().join("missing")] {
        let fault = History::open(&[Source::Path(path)], &Layout::Usual).err().unwrap();
        assert!(matches!(fault, HistoryFault::Unreadable(..)), "{fault}");
    }
}

#[test]
fn a_packed_file_that_breaks_off_gives_what_it_has() {
    let directory = TempDir::new().unwrap();
    let text: String = (0..20_000).map(|number| line(1).replace("a.zip", &format!("{number}.zip"))).collect();
    let packed = gzip(text.as_bytes());
    let source = place(&directory, "a.gz", &packed[..packed.len() / 2]);
    let mut history = History::open(&[source], &Layout::Usual).unwrap();
    let found = all(&mut history);
    assert!(found[0].1.len() > text.len() / 4 && text.starts_with(&found[0].1));
    assert!(matches!(history.notices(), [Notice::CutOff(..)]), "{:?}", history.notices());
}

/// Hands out at most so many bytes a time, in turn.
struct Pieces {
    rest: Cursor<Vec<u8>>,
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.turn += 1;
        let most = self.sizes[self.turn % self.sizes.len()].min(buffer.len());
        self.rest.read(&mut buffer[..most])
    }
}

/// The lines that come through a buffer of `size` bytes, and how many were too long.
fn through(text: &[u8], sizes: Vec<usize>, size: usize) -> (Vec<u8>, u64) {
    let reader = Box::new(Pieces { rest: Cursor::new(text.to_vec()), sizes, turn: 0 });
    let mut current = Current { reader, carry: Vec::new(), skipping: false };
    let (mut buffer, mut found, mut skipped) = (vec![0; size], Vec::new(), 0);
    loop {
        let (bytes, ended) = current.fill(&mut buffer, &mut skipped);
        found.extend_from_slice(&buffer[..bytes]);
        if let Some(end) = ended {
            end.unwrap();
            return (found, skipped);
        }
        assert_eq!(buffer[bytes - 1], b'\n', "whole lines");
    }
}

proptest! {
    #[test]
    fn lines_come_whole_wherever_the_stream_is_cut(
        lines in proptest::collection::vec("[a-z]{0,90}", 0..60),
        sizes in proptest::collection::vec(1_usize..70, 1..9),
        size in 64_usize..200,
        last in any::<bool>(),
    ) {
        let mut text = lines.join("\n");
        if last {
            text.push('\n');
        }
        let (found, skipped) = through(text.as_bytes(), sizes.clone(), size);
        if lines.iter().all(|line| line.len() < size) {
            prop_assert_eq!((&found, skipped), (&text.clone().into_bytes(), 0));
        } else {
            // Whatever is too long is missing, and all else is there, in order.
            let kept: Vec<&str> = text.split_inclusive('\n').filter(|line| line.len() < size).collect();
            prop_assert!(skipped > 0 || lines.iter().any(|line| line.len() + 1 == size));
            let found = String::from_utf8(found).unwrap();
            let mut rest = found.as_str();
            for line in kept.iter().filter(|line| line.len() > 1) {
                let at = rest.find(line);
                prop_assert!(at.is_some(), "{line} in {rest}");
                rest = &rest[at.unwrap()..];
            }
        }
    }
}
