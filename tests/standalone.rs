//! Cloakroom alone, with nobody in front: it sends the bytes itself and counts what was taken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;
use servers::cloakroom::Cloakroom;
use servers::http::{Answer, Download, ask, get};
use servers::{free_port, until};
use tempfile::TempDir;

const MIB: usize = 1024 * 1024;

struct Alone {
    cloakroom: Cloakroom,
    port: u16,
    files: TempDir,
}

impl Alone {
    #[track_caller]
    fn start(policy: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        let port = free_port();
        let text = format!(
            "[[listener]]\naddress = \"127.0.0.1:{port}\"\ndialect = \"standalone\"\nserve = \"web\"\n\n\
             [[storage]]\nname = \"masters\"\npath = \"{}\"\n\n\
             [[policy]]\nname = \"default\"\nmethod = [\"stream\"]\n{policy}",
            files.path().display()
        );
        let cloakroom = Cloakroom::with(&format!("http://127.0.0.1:{port}/dl/"), &text);
        Self { cloakroom, port, files }
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.files.path().join(name), bytes).unwrap();
    }

    #[track_caller]
    fn target(&self, url: &str) -> String {
        url.strip_prefix(&format!("http://127.0.0.1:{}", self.port)).unwrap().to_owned()
    }

    /// A link of `a.zip`, clicked: the delivery's target.
    #[track_caller]
    fn click(&self, max: u32, headers: &[(&str, &str)]) -> String {
        let link = self.cloakroom.link("masters/a.zip", max);
        let clicked = get(self.port, &self.target(&link), headers);
        assert_eq!(clicked.status, 303, "{clicked:?}");
        clicked.header("location").unwrap().to_owned()
    }

    #[track_caller]
    fn becomes(&self, state: &str) -> Value {
        let mut last = Value::Null;
        until(&format!("a delivery that is {state}"), || {
            last = self.cloakroom.json(&["delivery", "show"]);
            (last["state"] == state && last["requests"].as_array().unwrap().iter().all(|request| !request["report"].is_null()))
                .then(|| last.clone())
        })
    }
}

fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|place| u8::try_from((place * 31 + place / 251) % 256).unwrap()).collect()
}

fn units(delivery: &Value) -> (u64, u64) {
    (delivery["grant"]["used"].as_u64().unwrap(), delivery["grant"]["reserved"].as_u64().unwrap())
}

/// Resident memory of the daemon, in bytes.
fn memory(alone: &Alone) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", alone.cloakroom.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_signed_url_gives_the_file_its_parts_and_its_head() {
    let alone = Alone::start("");
    let content = bytes(300_000);
    alone.put("Grüße 100%.zip", &content);
    let target = alone.target(&alone.cloakroom.sign("masters/Grüße 100%.zip"));
    let whole = get(alone.port, &target, &[]);
    assert_eq!((whole.status, whole.body == content), (200, true));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert_eq!(whole.header("cache-control"), Some("private, no-store"));
    assert_eq!(whole.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(whole.header("cloakroom-delivery"), None, "nothing is counted");
    assert!(whole.header("content-disposition").unwrap().contains("filename*=UTF-8''Gr%C3%BC%C3%9Fe%20100%25.zip"), "{whole:?}");
    let tag = whole.header("etag").unwrap().to_owned();

    let head = ask(alone.port, "HEAD", &target, &[]);
    assert_eq!((head.status, head.header("content-length"), head.header("etag")), (200, Some("300000"), Some(tag.as_str())));

    for (headers, status, first, end) in [
        (&[("Range", "bytes=0-0")][..], 206, 0, 1),
        (&[("Range", "bytes=70000-")], 206, 70_000, 300_000),
        (&[("Range", "bytes=65535-65537")], 206, 65_535, 65_538),
        (&[("Range", "bytes=-1")], 206, 299_999, 300_000),
        (&[("Range", "bytes=5-9"), ("If-Range", &tag)], 206, 5, 10),
        (&[("Range", "bytes=5-9"), ("If-Range", "\"another\"")], 200, 0, 300_000),
        (&[("Range", "bytes=0-1,5-6")], 200, 0, 300_000),
        (&[("Range", "bytes=9-5")], 200, 0, 300_000),
    ] {
        let answer = get(alone.port, &target, headers);
        assert_eq!(answer.status, status, "{headers:?}");
        assert!(answer.body == content[first..end], "{headers:?}");
        let range = (status == 206).then(|| format!("bytes {first}-{}/300000", end - 1));
        assert_eq!(answer.header("content-range"), range.as_deref(), "{headers:?}");
    }
    let outside = get(alone.port, &target, &[("Range", "bytes=300000-")]);
    assert_eq!((outside.status, outside.header("content-range")), (416, Some("bytes */300000")));
    let bare = get(alone.port, "/dl/f/masters/x.zip", &[]);
    assert_eq!((bare.status, bare.header("cloakroom-refusal")), (401, Some("no_proof")));
    assert_eq!(get(alone.port, "/favicon.ico", &[]).status, 404);
}

#[test]
fn a_download_that_was_killed_and_resumed_counts_once() {
    for by_link in [true, false] {
        let alone = Alone::start("rate = \"1MB/s\"\n");
        let content = bytes(2 * MIB);
        alone.put("a.zip", &content);
        let link = alone.cloakroom.link("masters/a.zip", 2);
        let url = if by_link {
            link
        } else {
            let clicked = get(alone.port, &alone.target(&link), &[]);
            format!("http://127.0.0.1:{}{}", alone.port, clicked.header("location").unwrap())
        };
        let customer = tempfile::tempdir().unwrap();
        let file = customer.path().join("a.zip");
        let mut child = curl(&file, &url).spawn().unwrap();
        until("some bytes", || fs::metadata(&file).is_ok_and(|there| there.len() >= 200_000).then_some(()));
        child.kill().unwrap();
        child.wait().unwrap();
        let cut = alone.becomes("open");
        assert_eq!(units(&cut), (0, 1), "{cut:#}");
        let sent = cut["covered"].as_u64().unwrap();
        assert!(sent >= 200_000 && sent < content.len() as u64, "{cut:#}");
        let resumed = curl(&file, &url).output().unwrap();
        assert!(resumed.status.success(), "{resumed:?}");
        assert!(fs::read(&file).unwrap() == content);
        let delivery = alone.becomes("completed");
        assert_eq!((units(&delivery), delivery["requests"].as_array().unwrap().len()), ((1, 0), 2), "{delivery:#}");
    }
}

fn curl(file: &Path, url: &str) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["-q", "-sS", "-L", "--fail", "--noproxy", "*", "-C", "-", "-o"]).arg(file).arg(url);
    curl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    curl
}

#[test]
fn a_download_that_was_given_up_goes_back_after_its_grace() {
    let alone = Alone::start("rate = \"1MB/s\"\nresume_grace = \"2s\"\n");
    alone.put("a.zip", &bytes(2 * MIB));
    let target = alone.click(1, &[]);
    Download::open(alone.port, "GET", &target, &[]).read(100_000);
    let delivery = alone.becomes("released");
    assert_eq!(units(&delivery), (0, 0), "{delivery:#}");
    alone.cloakroom.logged(&["127.0.0.1 released"]);
}

#[test]
fn looks_and_empty_answers_use_nothing() {
    let alone = Alone::start("");
    alone.put("a.zip", &bytes(1000));
    let target = alone.click(1, &[]);
    assert_eq!(ask(alone.port, "HEAD", &target, &[]).status, 200);
    assert_eq!(get(alone.port, &target, &[("Sec-Purpose", "prefetch")]).status, 503);
    assert_eq!(units(&alone.becomes("offered")), (0, 0));
    assert_eq!(get(alone.port, &target, &[]).body.len(), 1000);
    assert_eq!(units(&alone.becomes("completed")), (1, 0));
}

#[test]
fn a_file_that_is_gone_uses_nothing() {
    let alone = Alone::start("");
    alone.put("a.zip", &bytes(1000));
    let target = alone.click(1, &[]);
    fs::remove_file(alone.files.path().join("a.zip")).unwrap();
    let refused = get(alone.port, &target, &[]);
    assert_eq!((refused.status, refused.header("cloakroom-refusal")), (404, Some("file_missing")));
    assert_eq!(units(&alone.becomes("offered")), (0, 0));
}

#[test]
fn twenty_at_once_each_get_the_whole_file_and_are_counted() {
    let alone = Alone::start("");
    let content = bytes(4 * MIB);
    alone.put("a.zip", &content);
    let link = alone.target(&alone.cloakroom.link("masters/a.zip", 20));
    thread::scope(|scope| {
        for number in 0..20 {
            let (alone, link, content) = (&alone, &link, &content);
            scope.spawn(move || {
                let own = format!("cloakroom=customer{number:022}");
                let clicked = get(alone.port, link, &[("Cookie", &own)]);
                let answer: Answer = get(alone.port, clicked.header("location").unwrap(), &[("Cookie", &own)]);
                assert!(answer.status == 200 && answer.body == *content, "{number}");
            });
        }
    });
    let used = until("twenty counted downloads", || {
        let delivery = alone.cloakroom.json(&["delivery", "show"]);
        (units(&delivery).1 == 0).then(|| units(&delivery).0)
    });
    assert_eq!(used, 20);
}

#[test]
fn no_spelling_of_a_range_gets_more_than_was_reserved() {
    const SIZE: usize = 300_000;
    let alone = Alone::start("");
    alone.put("a.zip", &bytes(SIZE));
    // Header lines; how many answers with bytes there are at least.
    for (headers, least) in [
        ("Range: bytes=0-0", 16),
        ("RANGE: BYTES=0-0", 16),
        ("Range: \tbytes=0-0\t", 16),
        ("Range: bytes=0-0,2-2", 1),
        ("Range: bytes=0-0,5-4", 1),
        ("Range: bytes=0-0, 999999-", 1),
        ("Range: bytes=0-0,", 1),
        ("Range: bytes=5-4", 1),
        ("Range: bytes=", 1),
        ("Range: bytes = 0-0", 1),
        ("Range:", 1),
        ("Range: bytes=0-0\r\nRange: bytes=2-2", 0),
        ("Range:\r\n bytes=0-0", 0),
        ("Range : bytes=0-0", 0),
        ("Range: bytes=0-0\r\nIf-Range:", 1),
        ("Range: bytes=0-0\r\nIf-Range:\t\"x\"", 1),
        ("Range: bytes=0-0,2-2\r\nIf-Range: \"x\"", 1),
        ("Range: bytes=0-0\r\nIf-Range: a\r\nIf-Range: b", 0),
    ] {
        let target = alone.click(1, &[]);
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n\r\n");
        let answers: Vec<Answer> = thread::scope(|scope| {
            let ask = || Download::send(alone.port, request.as_bytes(), false).finish();
            let all: Vec<_> = (0..20).map(|_| scope.spawn(ask)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let sent: Vec<usize> = answers.iter().filter(|answer| answer.status < 300).map(|answer| answer.body.len()).collect();
        let total: usize = sent.iter().sum();
        assert!(sent.len() >= least, "{headers:?}: {sent:?}");
        assert!(total <= 3 * SIZE, "{headers:?}: {total} bytes in {} answers", sent.len());
    }
}

#[test]
fn a_slow_file_is_closed_when_its_reader_has_gone() {
    // One chunk is sent, and the next is due more than a minute later.
    let alone = Alone::start("rate = \"1kB/s\"\n");
    alone.put("a.zip", &bytes(300_000));
    let file = alone.files.path().join("a.zip");
    let descriptors = format!("/proc/{}/fd", alone.cloakroom.pid());
    let is_open = || fs::read_dir(&descriptors).unwrap().any(|entry| fs::read_link(entry.unwrap().path()).is_ok_and(|to| to == file));
    let target = alone.click(1, &[]);
    let mut reader = Download::open(alone.port, "GET", &target, &[]);
    reader.read(1000);
    assert!(is_open());
    drop(reader);
    until("the end of the reading", || (!is_open()).then_some(()));
}

#[test]
fn slow_readers_cost_no_memory() {
    const READERS: usize = 20;
    let alone = Alone::start("");
    File::create(alone.files.path().join("large.zip")).unwrap().set_len(200 * MIB as u64).unwrap();
    let target = alone.target(&alone.cloakroom.sign("masters/large.zip"));
    assert_eq!(get(alone.port, &target, &[("Range", "bytes=0-9")]).body, [0; 10]);
    let before = memory(&alone);
    let mut readers: Vec<Download> = (0..READERS).map(|_| Download::open(alone.port, "GET", &target, &[])).collect();
    // By then the daemon has sent as much as the buffers between hold, and would have read on if nothing stopped it.
    for round in 1..=4 {
        for reader in &mut readers {
            reader.read(round * MIB);
        }
    }
    let grown = memory(&alone).saturating_sub(before);
    assert!(grown < 64 * MIB, "{grown} bytes for {READERS} readers");
    drop(readers);
    assert_eq!(get(alone.port, &target, &[("Range", "bytes=0-9")]).status, 206, "it goes on after they left");
}

#[test]
fn a_rate_is_kept() {
    let alone = Alone::start("");
    alone.put("a.zip", &bytes(1_500_000));
    let slow = alone.cloakroom.say(&["sign", "masters/a.zip", "--for", "1h", "--rate", "500kB/s"]);
    let fast = alone.cloakroom.sign("masters/a.zip");
    let seconds = |url: &str| {
        let directory = tempfile::tempdir().unwrap();
        let file: PathBuf = directory.path().join("a.zip");
        let output = curl(&file, url).args(["-w", "%{time_total}"]).stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success() && fs::read(file).unwrap().len() == 1_500_000, "{output:?}");
        String::from_utf8(output.stdout).unwrap().parse::<f64>().unwrap()
    };
    let (slow, fast) = (seconds(&slow), seconds(&fast));
    assert!(slow > 2.0, "{slow} s for 1.5 MB at 500 kB/s");
    assert!(slow < 10.0, "{slow} s for 1.5 MB at 500 kB/s");
    assert!(fast < slow, "{fast} s without a rate");
}

/// A standalone listener names requests itself: a name that the client brings would make two requests one.
#[test]
fn a_client_cannot_name_its_requests() {
    let alone = Alone::start("");
    alone.put("a.zip", &bytes(1000));
    let target = alone.click(1, &[]);
    let name = "967f98bf42db0d3fd624ec50e8a62b7a";
    for _ in 0..2 {
        let headers = [("X-Request-Id", name), ("Request-Id", name), ("Cloakroom-Request", name)];
        assert_eq!(get(alone.port, &target, &headers).status, 200);
    }
    let delivery = alone.becomes("completed");
    let ids: Vec<&str> = delivery["requests"].as_array().unwrap().iter().map(|request| request["id"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), delivery["bytes_charged"].as_u64()), (2, Some(2000)), "{delivery:#}");
    assert!(ids[0] != ids[1] && !ids.contains(&name), "{ids:?}");
    assert_eq!(delivery["feed"], "stream");
    let said = alone.cloakroom.say(&["delivery", "show"]);
    assert!(said.contains("what Cloakroom itself sent"), "{said}");
}
