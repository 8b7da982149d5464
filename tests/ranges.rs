//! Parts of files through a real nginx and the real daemon: ranges, conditions, and resuming.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::thread;

use servers::http::{Answer, Download};
use servers::site::{Site, content};

/// The parts of a `multipart/byteranges` answer: first byte, size of the file, bytes.
#[track_caller]
fn parts(answer: &Answer) -> Vec<(usize, usize, Vec<u8>)> {
    let media_type = answer.header("Content-Type").unwrap();
    let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").unwrap_or_else(|| panic!("{media_type}"));
    let mark = format!("\r\n--{boundary}");
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let mut rest = answer.body.as_slice();
    let mut found = vec![];
    loop {
        let at = find(rest, mark.as_bytes()).expect("a boundary");
        rest = &rest[at + mark.len()..];
        if rest.starts_with(b"--") {
            return found;
        }
        let head_end = find(rest, b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&rest[..head_end]).unwrap();
        let range = head.lines().find_map(|line| line.strip_prefix("Content-Range: bytes ")).unwrap();
        let (span, size) = range.split_once('/').unwrap();
        let (first, last) = span.split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        rest = &rest[head_end + 4..];
        found.push((first, size.parse().unwrap(), rest[..=last - first].to_vec()));
        rest = &rest[last - first + 1..];
    }
}

#[test]
fn each_range_gives_exactly_its_bytes() {
    let site = Site::open();
    let bytes = content(100_000);
    site.master("set/a b.bin", &bytes);
    let target = site.sign("masters/set/a b.bin", &[]);
    let tag = site.get(&target).header("ETag").unwrap().to_owned();
    let whole = 0..100_000;
    // Range; status; the bytes.
    for (range, status, part) in [
        ("bytes=0-", 206, whole.clone()),
        ("bytes=0-0", 206, 0..1),
        ("bytes=99999-", 206, 99_999..100_000),
        ("bytes=10-19", 206, 10..20),
        ("bytes=10-999999", 206, 10..100_000),
        ("bytes=-1", 206, 99_999..100_000),
        ("bytes=-100000", 206, whole.clone()),
        ("bytes=-100001", 206, whole.clone()),
        ("bytes=0-18446744073709551615", 416, 0..0),
        ("bytes=100000-", 416, 0..0),
        ("bytes=100000-100001", 416, 0..0),
        ("bytes=20-10", 416, 0..0),
        ("bytes=-0", 416, 0..0),
        ("bytes=a-b", 416, 0..0),
        ("items=0-1", 200, whole.clone()),
        ("bytes", 200, whole),
    ] {
        let answer = site.ask("GET", &target, &[("Range", range)]);
        assert_eq!(answer.status, status, "{range}");
        match status {
            206 => {
                let said = format!("bytes {}-{}/100000", part.start, part.end - 1);
                assert_eq!(answer.header("Content-Range"), Some(said.as_str()), "{range}");
            }
            416 => assert_eq!(answer.header("Content-Range"), Some("bytes */100000"), "{range}"),
            _ => assert_eq!(answer.header("Content-Range"), None, "{range}"),
        }
        if status != 416 {
            assert!(answer.body == bytes[part.clone()], "{range}: {} bytes", answer.body.len());
            assert_eq!(answer.header("ETag"), Some(tag.as_str()), "{range}");
        }
        let head = site.ask("HEAD", &target, &[("Range", range)]);
        assert_eq!((head.status, head.header("Content-Range")), (status, answer.header("Content-Range")), "HEAD {range}");
    }
}

#[test]
fn several_ranges_come_as_parts_of_the_file_they_name() {
    let site = Site::open();
    let bytes = content(50_000);
    site.master("a.zip", &bytes);
    let target = site.sign("masters/a.zip", &[]);
    let answer = site.ask("GET", &target, &[("Range", "bytes=0-9,20000-20999,-5")]);
    assert_eq!(answer.status, 206);
    let found = parts(&answer);
    assert_eq!(
        found.iter().map(|(first, size, part)| (*first, *size, part.len())).collect::<Vec<_>>(),
        [(0, 50_000, 10), (20_000, 50_000, 1000), (49_995, 50_000, 5)]
    );
    for (first, _, part) in found {
        assert!(part == bytes[first..first + part.len()]);
    }
    assert!(String::from_utf8_lossy(&answer.body).contains("Content-Type: application/zip"));
    // One of several lies inside: the others are left out.
    let answer = site.ask("GET", &target, &[("Range", "bytes=60000-,5-9")]);
    assert!(answer.status == 206 && answer.body == bytes[5..10]);
    // More parts than bytes are reserved for: the whole file.
    let many: Vec<String> = (0..65).map(|part| format!("{0}-{0}", part * 10)).collect();
    let answer = site.ask("GET", &target, &[("Range", &format!("bytes={}", many.join(",")))]);
    assert!(answer.status == 200 && answer.body == bytes);
}

#[test]
fn our_own_tag_holds_in_every_condition_and_another_in_none() {
    let site = Site::open();
    let bytes = content(5000);
    site.master("a.bin", &bytes);
    let target = site.sign("masters/a.bin", &[]);
    let first = site.get(&target);
    let tag = first.header("ETag").unwrap();
    let date = first.header("Last-Modified").unwrap();
    let weak = format!("W/{tag}");
    let before = "Thu, 01 Jan 1970 00:00:00 GMT";
    for (name, value, status) in [
        ("If-Range", tag, 206),
        ("If-Range", "\"another\"", 200),
        ("If-Range", &weak, 200),
        ("If-Range", date, 206),
        ("If-Range", before, 200),
        ("If-Match", tag, 206),
        ("If-Match", "\"another\"", 412),
        ("If-None-Match", tag, 304),
        ("If-None-Match", &weak, 304),
        ("If-None-Match", "\"another\"", 206),
        ("If-Unmodified-Since", date, 206),
        ("If-Unmodified-Since", before, 412),
    ] {
        let answer = site.ask("GET", &target, &[("Range", "bytes=10-"), (name, value)]);
        assert_eq!(answer.status, status, "{name}: {value}");
        match status {
            200 => assert!(answer.body == bytes, "{name}: {value}"),
            206 => assert!(answer.body == bytes[10..], "{name}: {value}"),
            _ => assert!(!answer.body.windows(16).any(|window| window == &bytes[10..26]), "{name}: {value}"),
        }
        if status < 400 {
            assert_eq!(answer.header("ETag"), Some(tag), "{name}: {value}");
        }
    }
}

#[test]
fn a_download_of_a_file_that_was_replaced_starts_again_and_never_mixes() {
    let site = Site::open();
    let (old, new) = (content(400_000), content(800_001)[1..].to_vec());
    site.master("a.bin", &old);
    let target = site.sign("masters/a.bin", &["--rate", "200000"]);
    let mut begun = Download::open(site.nginx.port, "GET", &target, &[]);
    begun.read(150_000);
    assert!(begun.answer.body == old[..150_000]);
    let tag = begun.answer.header("ETag").unwrap().to_owned();
    site.master("a.bin", &new);
    // What runs goes on with the file that it began.
    let begun = begun.finish();
    assert!(begun.body == old);
    // What resumes gets the new one from its first byte, or is told so.
    let target = site.sign("masters/a.bin", &[]);
    let resumed = site.ask("GET", &target, &[("Range", "bytes=150000-"), ("If-Range", &tag)]);
    assert!(resumed.status == 200 && resumed.body == new, "{}", resumed.status);
    assert_ne!(resumed.header("ETag"), Some(tag.as_str()));
    let resumed = site.ask("GET", &target, &[("Range", "bytes=150000-"), ("If-Match", &tag)]);
    assert_eq!(resumed.status, 412);
}

#[test]
fn parts_put_together_are_the_file() {
    let site = Site::open();
    let bytes = content(1_000_003);
    site.master("a.bin", &bytes);
    let target = site.sign("masters/a.bin", &[]);
    let tag = site.ask("HEAD", &target, &[]).header("ETag").unwrap().to_owned();
    let mut whole = vec![];
    while whole.len() < bytes.len() {
        let range = format!("bytes={}-{}", whole.len(), whole.len() + 99_999);
        let part = site.ask("GET", &target, &[("Range", &range), ("If-Range", &tag)]);
        assert_eq!((part.status, part.header("ETag")), (206, Some(tag.as_str())), "{range}");
        whole.extend(part.body);
    }
    assert!(whole == bytes);
}

/// Sends the same request line and headers so many times at once; how often the file or parts of it came, and how many
/// body bytes they had together.
fn at_once(port: u16, target: &str, headers: &str, times: usize) -> (usize, usize) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n\r\n");
    let answers: Vec<Answer> = thread::scope(|scope| {
        let all: Vec<_> = (0..times).map(|_| scope.spawn(|| Download::send(port, request.as_bytes(), false).finish())).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let sent = answers.iter().filter(|answer| answer.status < 300).map(|answer| answer.body.len());
    (sent.clone().count(), sent.sum())
}

#[test]
fn no_spelling_of_a_range_makes_nginx_send_more_than_was_reserved() {
    const SIZE: usize = 300_000;
    let site = Site::open();
    site.master("a.zip", &content(SIZE));
    // Header lines; how many answers with bytes there are at least.
    for (headers, least) in [
        ("Range: bytes=0-0", 16),
        ("range:bytes=0-0", 16),
        ("RANGE: BYTES=0-0", 16),
        ("Range:    bytes=0-0   ", 16),
        ("Range: bytes= 0 - 0 ", 16),
        ("Range: \tbytes=0-0", 1),
        ("Range:\tbytes=0-0", 1),
        ("Range:\t \tbytes=0-0", 1),
        ("Range: \u{b}bytes=0-0", 1),
        ("Range: \u{c}bytes=0-0", 1),
        ("Range: \u{a0}bytes=0-0", 1),
        ("Range: bytes=0-0\t", 0),
        ("Range: bytes=\t0-0", 0),
        ("Range: bytes=0-0,\t0-0", 0),
        ("Range: bytes =0-0", 1),
        ("Range: bytes = 0-0", 1),
        ("Range: byte=0-0", 1),
        ("Range: bytes:0-0", 1),
        ("Range: bytes=", 1),
        ("Range: BYTES=", 1),
        ("Range:", 1),
        ("Range: ", 1),
        ("Range: \t", 1),
        ("Range: 0-0", 1),
        ("Range : bytes=0-0", 0),
        ("Range\t: bytes=0-0", 0),
        ("Range:\r\n bytes=0-0", 0),
        ("Range: bytes=0-0\r\n ,1-", 0),
        ("Range: bytes=0-0\r\n\t,1-", 0),
        ("Range: bytes=0-0\r\nRange: bytes=0-", 1),
        ("Range: bytes=0-\r\nRange: bytes=0-0", 1),
        ("Range: \tbytes=0-0\r\nRange: bytes=0-0", 1),
        ("Range: bytes=\r\nRange: 0-0", 1),
        ("Range: items=0-0\r\nRange: bytes=0-0", 1),
        ("Range_: bytes=0-0", 1),
        ("Range: bytes=0-0,2-2", 16),
        ("Range: bytes=5-4,0-", 1),
        ("Range: bytes=0-,0-", 1),
        ("Range: bytes=0-0\r\nIf-Range:", 1),
        ("Range: bytes=0-0\r\nIf-Range: \t", 1),
        ("Range: bytes=0-0\r\nIf-Range:\t\"x\"", 1),
        ("Range: bytes=0-0\r\nif-range: x", 1),
        ("Range: bytes=0-0\r\nIf-Range: \u{a0}", 1),
        ("Range: bytes=0-0\r\nIf-Range: a\r\nIf-Range: b", 0),
        ("Range: bytes=0-0\r\nIf-Range : x", 0),
        ("Range: bytes=0-0\r\nIf-Range:\r\n x", 0),
        ("Range: bytes=0-0\r\nConnection: Range, If-Range\r\nIf-Range: x", 1),
        ("Range: \tbytes=0-0\r\nCookie:\tcloakroom=aaa", 1),
        ("Range: \tbytes=0-0\r\nCookie: cloakroom=aaa\r\nCookie:\tcloakroom=bbb", 1),
    ] {
        let link = site.target(&site.cloakroom.link("masters/a.zip", 1));
        let clicked = site.get(&link);
        let location = clicked.header("Location").unwrap();
        let delivery = location.strip_prefix(&format!("http://127.0.0.1:{}", site.nginx.port)).unwrap_or(location);
        let (answers, bytes) = at_once(site.nginx.port, delivery, headers, 20);
        assert!(answers >= least, "{headers:?}: {answers} answers");
        assert!(bytes <= 3 * SIZE, "{headers:?}: {answers} answers with {bytes} bytes");
    }
}
