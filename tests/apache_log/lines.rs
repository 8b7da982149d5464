//! What each kind of answer is reported as.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use cloakroom::clock;
use cloakroom::domain::account::Reported;
use cloakroom::domain::client::Client;
use cloakroom::domain::delivery::Report;
use cloakroom::feed::line::{self, PublicReport, Told};

use crate::server::{Apache, Setup};
use crate::servers::http::{Download, ask};
use crate::servers::until;

const SIZE: usize = 300_000;

fn apache() -> Apache {
    let apache = Apache::start(&Setup::default());
    apache.put("a.zip", &vec![b'z'; SIZE]);
    apache.put("slow/big.zip", &vec![b'z'; 8_000_000]);
    apache.put("packed/a.txt", &vec![b'z'; SIZE]);
    apache.put("empty.zip", b"");
    apache
}

/// What the line `number` tells.
#[track_caller]
fn told(apache: &Apache, number: usize) -> Told {
    let text = until("a line of the report", || apache.lines().into_iter().nth(number));
    let told = line::read(text.as_bytes()).unwrap_or_else(|fault| panic!("{fault}: {text}"));
    let told = told.unwrap_or_else(|| panic!("nothing: {text}"));
    let now = clock::now();
    assert!(told.report().ended <= now && now.since(told.report().ended).seconds() < 60, "{text}");
    told
}

#[track_caller]
fn report(apache: &Apache, number: usize) -> Report {
    let Told::Delivery(Reported { delivery, request, report, .. }) = told(apache, number) else { panic!("of no delivery") };
    assert_eq!((delivery.to_string().as_str(), request.as_str().len()), ("d-00000000000000000000", 27));
    report
}

#[test]
fn each_answer_is_reported_as_what_it_sent() {
    let apache = apache();
    let whole = Some((0, SIZE as u64));
    let mut number = 0;
    for (method, path, headers, status, bytes, from) in [
        ("GET", "/dl/a.zip", &[][..], 200, SIZE, whole),
        ("GET", "/dl/a.zip", &[("Range", "bytes=0-9")], 206, 10, whole),
        ("GET", "/dl/a.zip", &[("Range", "bytes=299999-")], 206, 1, Some((299_999, 300_000))),
        ("GET", "/dl/a.zip", &[("User-Agent", "\"a\" \\ \\x22 é %s }\",\"delivery\":\"")], 200, SIZE, whole),
        ("GET", "/dl/empty.zip", &[], 200, 0, Some((0, 0))),
        ("HEAD", "/dl/a.zip", &[], 200, 0, None),
        ("GET", "/dl/a.zip", &[("If-Modified-Since", "Fri, 31 Dec 2100 23:59:59 GMT")], 200, SIZE, whole),
        ("GET", "/dl/a.zip", &[("If-None-Match", "*")], 304, 0, None),
        ("GET", "/dl/a.zip", &[("If-Match", "\"other\"")], 412, 0, None),
        ("GET", "/dl/a.zip", &[("Range", "bytes=999999-")], 416, 0, None),
        ("GET", "/dl/none.zip", &[], 404, 0, None),
    ] {
        let answer = ask(apache.port, method, path, headers);
        assert_eq!(answer.status, status, "{method} {path} {headers:?}");
        if status == 404 {
            // Where Apache itself sets the header, an error has none; behind a proxy it is noted before.
            let text = until("a line", || apache.lines().into_iter().nth(number));
            assert_eq!(line::read(text.as_bytes()), Ok(None), "{text}");
        } else {
            let told = report(&apache, number);
            let bytes_told = if status < 300 { told.bytes } else { told.bytes_charged() };
            assert_eq!(
                (told.status, bytes_told, told.finished, told.from),
                (status, bytes as u64, true, from),
                "{method} {path} {headers:?}"
            );
        }
        number += 1;
    }
    assert_eq!(number, 11);
    // What the client calls its request changes nothing in what was sent.
    let mut stream = TcpStream::connect(("127.0.0.1", apache.port)).unwrap();
    stream.write_all(b"GET /dl/a.zip HTTP/2.0\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.len() > SIZE);
    let text = until("a line", || apache.lines().into_iter().nth(number));
    assert!(text.contains("\"protocol\":\"HTTP/2.0\",\"http2\":\"-\""), "{text}");
    let told = report(&apache, number);
    assert_eq!((told.bytes, told.finished, told.from), (SIZE as u64, true, whole), "{text}");
}

#[test]
fn what_is_not_the_file_byte_for_byte_is_bytes_of_no_part() {
    let apache = apache();
    let parts = ask(apache.port, "GET", "/dl/a.zip", &[("Range", "bytes=0-9,20-29")]);
    assert_eq!(parts.status, 206);
    let told = report(&apache, 0);
    assert_eq!((told.bytes, told.finished, told.from), (parts.body.len() as u64, true, None));
    let packed = ask(apache.port, "GET", "/dl/packed/a.txt", &[("Accept-Encoding", "gzip")]);
    assert_eq!((packed.status, packed.header("Content-Encoding")), (200, Some("gzip")));
    let told = report(&apache, 1);
    assert_eq!((told.bytes, told.finished, told.from), (packed.body.len() as u64, true, None));
}

#[test]
fn who_hangs_up_is_reported_with_what_had_left_by_then() {
    let apache = apache();
    let mut download = Download::open(apache.port, "GET", "/dl/slow/big.zip", &[]);
    download.read(1_000_000);
    drop(download);
    let told = report(&apache, 0);
    assert_eq!((told.status, told.finished, told.from), (200, false, Some((0, 8_000_000))));
    assert!((1_000_000..2_000_000).contains(&told.bytes), "{told:?}");
    // Whoever had everything that left, and comes back, leaves no hole.
    let mut download = Download::open(apache.port, "GET", "/dl/slow/big.zip", &[("Range", "bytes=7000000-")]);
    download.read(100_000);
    drop(download);
    let told = report(&apache, 1);
    assert_eq!((told.status, told.finished, told.from), (206, false, Some((7_000_000, 8_000_000))));
    assert!((100_000..1_000_000).contains(&told.bytes), "{told:?}");
}

/// Runs curl as most people have it: where it has all, it hangs up at once.
fn curl(apache: &Apache, more: &[&str]) -> bool {
    let address = format!("https://127.0.0.1:{}/dl/", apache.tls_port);
    let (file, more) = more.split_last().unwrap();
    let status = Command::new("curl").args(["-sk", "-o", "/dev/null"]).args(more).arg(address + file).stdin(Stdio::null()).status();
    status.expect("curl is installed (tests/run does it)").success()
}

#[test]
fn over_tls_and_http2_whole_is_whole_and_broken_is_broken() {
    let apache = apache();
    let mut number = 0;
    for version in ["--http1.1", "--http2"] {
        for _ in 0..8 {
            assert!(curl(&apache, &[version, "a.zip"]));
            let told = report(&apache, number);
            assert_eq!((told.bytes, told.finished, told.from), (SIZE as u64, true, Some((0, SIZE as u64))), "{version}");
            number += 1;
        }
        assert!(!curl(&apache, &[version, "--max-time", "1", "slow/big.zip"]));
        let told = report(&apache, number);
        assert_eq!((told.finished, told.from), (false, Some((0, 8_000_000))), "{version} {told:?}");
        assert!((100_000..4_000_000).contains(&told.bytes), "{version} {told:?}");
        number += 1;
    }
    assert_eq!(number, 18);
}

#[test]
fn a_request_in_a_public_directory_is_reported_by_its_path_whatever_the_client_says() {
    let apache = Apache::start(&Setup::default());
    std::fs::write(apache.home().join("pub/a.zip"), b"the goods").unwrap();
    let hostile = "\"a\" \\ \\x22 é %s }\",\"path\":\"/pub/b";
    let long = "x".repeat(5000);
    let mut number = 0;
    for (target, agent, path, status) in [
        ("/pub/a.zip", "curl/7.88", "/pub/a.zip", 200),
        ("//pub/.//a%2ezip?a=\"b\\", hostile, "/pub/a.zip", 200),
        ("/pub/%22,%22path%22:%22%5c%c3%a9%0a%01", long.as_str(), "/pub/\",\"path\":\"\\é\n\u{1}", 404),
        ("/pub/%ff", "-", "/pub/\u{fffd}", 404),
    ] {
        assert_eq!(ask(apache.port, "GET", target, &[("User-Agent", agent)]).status, status, "{target}");
        let Told::Public(PublicReport { path: told_path, user, request, report, client }) = told(&apache, number) else {
            panic!("{target}")
        };
        let agent = if agent == "-" { String::new() } else { agent.chars().take(200).collect() };
        assert_eq!((told_path.as_str(), user, request.as_str().len(), report.status), (path, None, 27, status));
        assert_eq!(client, Client::new("127.0.0.1".parse().unwrap(), agent), "{target}");
        number += 1;
    }
    // A path that is too long for any of ours is no line at all.
    let long = format!("/pub/{}", "%01/".repeat(400));
    assert_eq!(ask(apache.port, "GET", &long, &[]).status, 404);
    assert_eq!(ask(apache.port, "GET", "/pub/a.zip", &[]).status, 200);
    let Told::Public(last) = told(&apache, number) else { panic!("the last one") };
    assert_eq!((last.path.as_str(), last.report.bytes, apache.lines().len()), ("/pub/a.zip", 9, 5));
}
