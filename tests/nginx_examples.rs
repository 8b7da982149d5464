//! `conf-examples/nginx/` in a real nginx, asked by real clients. Cloakroom's side is scripted here: what is proven is
//! what nginx does with each of its answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::format_push_string, missing_docs)]

mod servers;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use cloakroom::clock;
use cloakroom::domain::account::Reported;
use cloakroom::domain::delivery::Report;
use cloakroom::feed::line::{self, Told};

use servers::http::{Answer, Download, ask, get};
use servers::nginx::{Nginx, NginxSetup};
use servers::until;

const DELIVERY: &str = "d-00000000000000000000";

/// What reached Cloakroom's side.
#[derive(Clone, Debug)]
struct Seen {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(there, _)| there.eq_ignore_ascii_case(name));
        let first = values.next().map(|(_, value)| value.as_str());
        assert_eq!(values.next(), None, "{name} twice: {self:?}");
        first
    }
}

/// What it answers.
#[derive(Clone, Debug, Default)]
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Reply {
    fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A hand-off of the file `name` under the masters, with everything that Cloakroom says.
fn hand_off(name: &str) -> Reply {
    Reply::new(200)
        .with("X-Accel-Redirect", format!("/_cloakroom/masters/{}", encoded(name)))
        .with("ETag", "\"of-cloakroom\"")
        .with("Content-Type", "application/x-test")
        .with("Content-Disposition", "attachment; filename=\"a.bin\"; filename*=UTF-8''%C3%A4.bin")
        .with("Cache-Control", "private, no-store")
        .with("Cloakroom-Delivery", DELIVERY)
}

fn encoded(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Cloakroom's side of the socket: HTTP/1.1 with connections that stay open, and a scripted answer to each request.
struct Scripted {
    socket: PathBuf,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<UnixStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Scripted {
    fn start(nginx: &Nginx, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(nginx, usize::MAX, script)
    }

    /// Hangs up, without a word, when a connection brings one request more than `requests_max`.
    fn with(nginx: &Nginx, requests_max: usize, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let socket = nginx.socket();
        let listener = UnixListener::bind(&socket).unwrap();
        let (seen, connections, ends, open) =
            <(Arc<Mutex<Vec<Seen>>>, Arc<AtomicUsize>, Arc<AtomicBool>, Arc<Mutex<Vec<UnixStream>>>)>::default();
        let script = Arc::new(script);
        let thread = thread::spawn({
            let (seen, connections, ends, open) = (seen.clone(), connections.clone(), ends.clone(), open.clone());
            move || {
                for stream in listener.incoming() {
                    if ends.load(Ordering::SeqCst) {
                        return;
                    }
                    let stream = stream.unwrap();
                    connections.fetch_add(1, Ordering::SeqCst);
                    open.lock().unwrap().push(stream.try_clone().unwrap());
                    let (seen, script) = (seen.clone(), script.clone());
                    thread::spawn(move || {
                        serve(&stream, requests_max, &seen, &*script);
                        let _ = stream.shutdown(std::net::Shutdown::Both);
                    });
                }
            }
        });
        Self { socket, seen, connections, ends, open, thread: Some(thread) }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.socket);
        self.thread.take().unwrap().join().unwrap();
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        fs::remove_file(&self.socket).unwrap();
    }
}

fn serve(mut stream: &UnixStream, requests_max: usize, seen: &Mutex<Vec<Seen>>, script: &(dyn Fn(&Seen) -> Reply + Send + Sync)) {
    let mut lines = BufReader::new(stream).lines();
    for number in 0.. {
        let Some(Ok(first)) = lines.next() else { return };
        let (method, rest) = first.split_once(' ').unwrap();
        let target = rest.strip_suffix(" HTTP/1.1").expect("HTTP/1.1 to Cloakroom");
        let mut request = Seen { method: method.to_owned(), target: target.to_owned(), headers: vec![] };
        loop {
            let Some(Ok(line)) = lines.next() else { return };
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
            request.headers.push((name.to_owned(), value.to_owned()));
        }
        if number == requests_max {
            return;
        }
        seen.lock().unwrap().push(request.clone());
        let reply = script(&request);
        let mut head = format!("HTTP/1.1 {} Scripted\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
        for (name, value) in &reply.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let body = if request.method == "HEAD" { "" } else { &reply.body };
        if stream.write_all(format!("{head}\r\n{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn plain() -> Nginx {
    Nginx::start(&NginxSetup::default())
}

fn master(nginx: &Nginx, name: &str, bytes: &[u8]) {
    let path = nginx.downloads().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Bytes that differ from place to place and do not compress to nothing.
fn content(length: usize) -> Vec<u8> {
    (0_u64..).flat_map(|word| word.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()).take(length).collect()
}

/// Waits for the line that nginx writes when the `number`th delivery ends, and reads it as the feed does.
#[track_caller]
fn report(nginx: &Nginx, number: usize) -> Report {
    let line = until("a line of the report", || nginx.reported().into_iter().nth(number - 1));
    let told = line::read(line.as_bytes()).unwrap().unwrap();
    let Told::Delivery(Reported { delivery, request, report, .. }) = told else { panic!("{told:?}") };
    assert_eq!(delivery.to_string(), DELIVERY);
    assert_eq!(request.as_str().len(), 32);
    let now = clock::now();
    assert!(report.ended <= now && now.since(report.ended).seconds() < 60, "{report:?}");
    report
}

/// The file arrived as Cloakroom said it, each header once.
#[track_caller]
fn assert_handed_off(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("ETag"), Some("\"of-cloakroom\""));
    assert_eq!(answer.header("Content-Disposition"), Some("attachment; filename=\"a.bin\"; filename*=UTF-8''%C3%A4.bin"));
    assert_eq!(answer.header("Cache-Control"), Some("private, no-store"));
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(answer.header("Content-Security-Policy"), Some("sandbox; default-src 'none'"));
    for never in ["Expires", "Content-Encoding", "X-Accel-Redirect", "X-Accel-Limit-Rate", "Vary"] {
        assert_eq!(answer.header(never), None, "{answer:?}");
    }
    assert!(answer.header("Last-Modified").is_some());
}

#[test]
fn nginx_accepts_the_examples_without_a_warning() {
    servers::nginx::test(&NginxSetup::default()).unwrap();
    let broken = NginxSetup { server: "nonsense on;".to_owned(), ..NginxSetup::default() };
    assert!(servers::nginx::test(&broken).unwrap_err().contains("nonsense"));
}

#[test]
fn each_name_opens_exactly_its_own_file() {
    let nginx = plain();
    let names = [
        "plain.zip",
        "two  blanks .zip",
        "100%.zip",
        "a%20b.zip",
        "a b.zip",
        "what?.zip",
        "what?a=b&c.zip",
        "a#b.zip",
        "\"quoted\" 'n' `x`.zip",
        "semi;colon,comma+plus=.zip",
        "M\u{fc}ller, Stra\u{df}e.zip",
        "Mu\u{308}ller.zip",
        "\u{1f600} \u{65e5}\u{672c}\u{8a9e}.zip",
        "set/of/\u{e4} ? files/x..y.zip",
        "-dash",
        "@named",
        "$uri${x}.zip",
        "<a>{b}|^~[c].zip",
        "page.php",
    ];
    for (number, name) in names.iter().enumerate() {
        master(&nginx, name, format!("content {number}").as_bytes());
    }
    let _cloakroom = Scripted::start(&nginx, move |seen| {
        let number: usize = seen.header("X-Original-URI").unwrap().rsplit('/').next().unwrap().parse().unwrap();
        hand_off(names[number])
    });
    for (number, name) in names.iter().enumerate() {
        let answer = get(nginx.port, &format!("/dl/f/masters/{number}"), &[]);
        assert_handed_off(&answer, 200);
        assert_eq!(answer.text(), format!("content {number}"), "{name}");
        assert_eq!(answer.header("Content-Type"), Some("application/x-test"));
        assert_eq!(answer.header("Accept-Ranges"), Some("bytes"));
    }
    nginx.assert_calm();
}

#[test]
fn what_a_site_switches_on_does_not_reach_the_files() {
    let nginx = Nginx::start(&NginxSetup {
        http:
            "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; gzip_vary on; gunzip on; gzip_static always; ssi on; ssi_types *; \
               charset koi8-r; source_charset utf-8; charset_map koi8-r utf-8 { C0 D18E; } charset_types *; expires 30d; etag off; open_file_cache max=100; autoindex on; \
               default_type text/html; add_header Cache-Control public; add_header X-Site yes; proxy_intercept_errors on; \
               proxy_redirect / /rewritten/; proxy_set_header X-Site yes; max_ranges 0;"
                .to_owned(),
        server: "location ~ \\.(php|txt)$ { return 200 stolen; } error_page 404 410 416 =200 /taken.html; auth_request /_cloakroom/authorize;".to_owned(),
        ..NginxSetup::default()
    });
    let text = "A text that compresses. <!--# echo var=\"uri\" --> \u{e4}\u{f6}\u{fc}\n".repeat(1000);
    master(&nginx, "a.txt", text.as_bytes());
    master(&nginx, "a.txt.gz", b"not it");
    fs::write(nginx.root().join("taken.html"), "taken").unwrap();
    let cloakroom = Scripted::start(&nginx, |seen| match seen.header("X-Original-URI").unwrap() {
        "/dl/refused.php" => Reply { body: "the page".to_owned(), ..Reply::new(410).with("Cache-Control", "no-store") },
        "/dl/gone.txt" => hand_off("gone.txt"),
        "/dl/click" => Reply::new(303).with("Location", "/dl/d/token/a.txt").with("Cache-Control", "no-store").with("Set-Cookie", "a=b"),
        _ => hand_off("a.txt").with("Content-Language", "de"),
    });
    let accepts = [("Accept-Encoding", "gzip")];
    let answer = get(nginx.port, "/dl/l/token/a.txt", &accepts);
    assert_handed_off(&answer, 200);
    assert!(answer.body == text.as_bytes());
    assert_eq!(answer.header("Content-Type"), Some("application/x-test"));
    let answer = get(nginx.port, "/dl/l/token/a.txt", &[accepts[0], ("Range", "bytes=10-19")]);
    assert_handed_off(&answer, 206);
    assert_eq!(answer.body, &text.as_bytes()[10..20]);
    assert_eq!(report(&nginx, 1).from, Some((0, text.len() as u64)));
    assert_eq!(report(&nginx, 2).from, Some((10, text.len() as u64)));

    // A changed master is what is sent next, whatever nginx would like to remember.
    fs::rename(nginx.downloads().join("a.txt.gz"), nginx.downloads().join("a.txt")).unwrap();
    assert_eq!(get(nginx.port, "/dl/l/token/a.txt", &[]).text(), "not it");

    // Errors stay what they are, and their lines come.
    assert_eq!(get(nginx.port, "/dl/gone.txt", &[]).status, 404);
    assert_eq!(get(nginx.port, "/dl/l/token/a.txt", &[("Range", "bytes=99-")]).status, 416);
    assert_eq!((report(&nginx, 4).status, report(&nginx, 5).status), (404, 416));
    let refused = get(nginx.port, "/dl/refused.php", &[]);
    assert_eq!((refused.status, refused.text().as_str()), (410, "the page"));
    assert_eq!(refused.header("Cache-Control"), Some("no-store"));
    let clicked = get(nginx.port, "/dl/click", &[]);
    assert_eq!((clicked.status, clicked.header("Location")), (303, Some("/dl/d/token/a.txt")));
    assert_eq!(clicked.header("Set-Cookie"), Some("a=b"));
    assert_eq!(clicked.header("Expires"), None);
    assert!(cloakroom.seen().iter().all(|seen| seen.header("X-Site").is_none() && seen.target.starts_with("/dl/")));
}

/// Method and headers of a request; status and body of the answer; what the report says of the range.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, Option<&'a [u8]>, Option<(u64, u64)>);

#[test]
fn head_ranges_and_conditions_are_answered_and_reported_for_what_they_are() {
    let nginx = plain();
    let bytes = content(1_000_000);
    master(&nginx, "a.bin", &bytes);
    let _cloakroom = Scripted::start(&nginx, |_| hand_off("a.bin"));
    let many =
        |parts: usize| format!("bytes={}", (0..parts).map(|part| format!("{}-{}", part * 10, part * 10)).collect::<Vec<_>>().join(","));
    let (most, more) = (many(64), many(65));
    let own = "\"of-cloakroom\"";
    let rows: &[Row<'_>] = &[
        ("GET", &[], 200, Some(&bytes), Some((0, 1_000_000))),
        ("HEAD", &[], 200, Some(&[]), None),
        ("POST", &[], 200, Some(&bytes), Some((0, 1_000_000))),
        ("GET", &[("Range", "bytes=0-")], 206, Some(&bytes), Some((0, 1_000_000))),
        ("GET", &[("Range", "bytes=700000-")], 206, Some(&bytes[700_000..]), Some((700_000, 1_000_000))),
        ("GET", &[("Range", "bytes=0-0")], 206, Some(&bytes[..1]), Some((0, 1_000_000))),
        ("GET", &[("Range", "bytes=-5")], 206, Some(&bytes[999_995..]), Some((999_995, 1_000_000))),
        ("HEAD", &[("Range", "bytes=5-9")], 206, Some(&[]), None),
        ("GET", &[("Range", "bytes=0-9,500-509")], 206, None, None),
        ("GET", &[("Range", &most)], 206, None, None),
        ("GET", &[("Range", &more)], 200, Some(&bytes), Some((0, 1_000_000))),
        ("GET", &[("Range", "bytes=1000000-")], 416, None, None),
        ("GET", &[("Range", "bytes=5-9"), ("If-Range", own)], 206, Some(&bytes[5..10]), Some((5, 1_000_000))),
        ("GET", &[("Range", "bytes=5-9"), ("If-Range", "\"another\"")], 200, Some(&bytes), Some((0, 1_000_000))),
        ("GET", &[("If-Match", "\"another\"")], 412, None, None),
        ("GET", &[("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")], 200, Some(&bytes), Some((0, 1_000_000))),
    ];
    for (number, (method, headers, status, body, from)) in rows.iter().enumerate() {
        let answer = ask(nginx.port, method, "/dl/d/token/a.bin", headers);
        assert_eq!(answer.status, *status, "{method} {headers:?}");
        if let Some(body) = body {
            assert!(answer.body == *body, "{method} {headers:?}: {} bytes", answer.body.len());
            assert_handed_off(&answer, *status);
        }
        let report = report(&nginx, number + 1);
        assert_eq!((report.status, report.from), (*status, *from), "{method} {headers:?}");
        assert_eq!(report.bytes, answer.body.len() as u64, "{method} {headers:?}");
        assert!(report.finished || *status >= 400, "{method} {headers:?}");
    }
    nginx.assert_calm();
}

#[test]
fn an_etag_in_the_form_of_nginx_holds_in_every_condition() {
    let nginx = plain();
    let bytes = content(5000);
    master(&nginx, "a.bin", &bytes);
    let metadata = fs::metadata(nginx.downloads().join("a.bin")).unwrap();
    let etag = format!("\"{:x}-{:x}\"", metadata.mtime(), metadata.len());
    let said = etag.clone();
    let _cloakroom = Scripted::start(&nginx, move |_| {
        let mut reply = hand_off("a.bin");
        reply.headers.retain(|(name, _)| *name != "ETag");
        reply.with("ETag", said.clone())
    });
    for (number, (name, value, status)) in [
        ("If-Match", etag.as_str(), 206),
        ("If-Match", "\"another\"", 412),
        ("If-None-Match", &etag, 304),
        ("If-None-Match", "\"another\"", 206),
        ("If-Range", &etag, 206),
        ("If-Range", "\"another\"", 200),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = get(nginx.port, "/dl/d/token/a.bin", &[("Range", "bytes=10-"), (name, value)]);
        assert_eq!(answer.status, status, "{name}: {value}");
        assert_eq!(answer.header("ETag").is_some(), status != 412, "{name}: {value}");
        if let Some(said) = answer.header("ETag") {
            assert_eq!(said, etag);
        }
        let report = report(&nginx, number + 1);
        assert_eq!(report.status, status);
        if status == 304 {
            assert_eq!((report.bytes, report.from, answer.body.len()), (0, None, 0));
        }
    }
}

#[test]
fn a_client_that_hangs_up_is_reported_with_what_it_got_and_resumes() {
    let nginx = plain();
    let bytes = content(8_000_000);
    master(&nginx, "a.bin", &bytes);
    // Slow, so that the rest of the file is not in the system's buffers when the client is gone.
    let _cloakroom = Scripted::start(&nginx, |seen| match seen.header("Range") {
        None => hand_off("a.bin").with("X-Accel-Limit-Rate", "500000"),
        Some(_) => hand_off("a.bin"),
    });
    let mut download = Download::open(nginx.port, "GET", "/dl/d/token/a.bin", &[]);
    download.read(300_000);
    assert!(download.answer.body == bytes[..300_000]);
    drop(download);
    let first = report(&nginx, 1);
    assert_eq!((first.status, first.finished, first.from), (200, false, Some((0, 8_000_000))));
    assert!((300_000..8_000_000).contains(&first.bytes), "{first:?}");
    let rest = get(nginx.port, "/dl/d/token/a.bin", &[("Range", "bytes=300000-"), ("If-Range", "\"of-cloakroom\"")]);
    assert!(rest.status == 206 && rest.body == bytes[300_000..]);
    let second = report(&nginx, 2);
    assert_eq!((second.finished, second.from, second.bytes), (true, Some((300_000, 8_000_000)), 7_700_000));
}

#[test]
fn a_rate_slows_down_both_questions() {
    let nginx = plain();
    let bytes = content(300_000);
    master(&nginx, "a.bin", &bytes);
    fs::write(nginx.root().join("members/a.bin"), &bytes).unwrap();
    let _cloakroom = Scripted::start(&nginx, |seen| {
        let slow = seen.header("X-Original-URI").unwrap().ends_with("?slow");
        match (seen.target.as_str(), slow) {
            ("/_cloakroom/authorize", slow) => Reply::new(200).with("Cloakroom-Rate", if slow { "100000" } else { "0" }),
            (_, true) => hand_off("a.bin").with("X-Accel-Limit-Rate", "100000"),
            (_, false) => hand_off("a.bin"),
        }
    });
    for (target, slow) in [("/dl/a.bin", false), ("/dl/a.bin?slow", true), ("/members/a.bin", false), ("/members/a.bin?slow", true)] {
        let start = clock::now();
        assert!(get(nginx.port, target, &[]).body == bytes, "{target}");
        let took = clock::now().since(start).millis();
        // nginx gives the first second's bytes at once.
        assert_eq!(took >= 1500, slow, "{target} took {took} ms");
    }
    nginx.assert_calm();
}

#[test]
fn every_refusal_reaches_the_customer_with_its_status_and_page() {
    let nginx = plain();
    fs::write(nginx.root().join("members/a.txt"), "for members").unwrap();
    let refusals = [
        (401, 401, "no_proof"),
        (403, 403, "bad_proof"),
        (403, 402, "not_paid"),
        (403, 404, "unknown_link"),
        (403, 409, "download_running"),
        (403, 410, "link_expired"),
        (403, 429, "too_many_connections"),
        (403, 503, "store_down"),
    ];
    let page =
        move |code: &str| Reply { body: format!("page of {code}"), ..Reply::new(refusals.iter().find(|row| row.2 == code).unwrap().1) };
    let _cloakroom = Scripted::start(&nginx, move |seen| {
        let code = seen.header("X-Original-URI").unwrap().split_once('?').unwrap().1.to_owned();
        let (heard, ..) = *refusals.iter().find(|row| row.2 == code).unwrap();
        let support = "R-7F3K-22AB";
        match seen.target.as_str() {
            "/_cloakroom/authorize" => Reply::new(heard).with("Cloakroom-Refusal", code).with("Cloakroom-Support", support),
            target => page(target.strip_prefix("/_cloakroom/refused/").unwrap_or(&code))
                .with("Cache-Control", "no-store")
                .with("Cloakroom-Support", support),
        }
    });
    for (_, status, code) in refusals {
        for (method, path) in
            [("GET", "/members/a.txt"), ("HEAD", "/members/a.txt"), ("POST", "/members/a.txt"), ("GET", "/dl/l/token/a.txt")]
        {
            let answer = ask(nginx.port, method, &format!("{path}?{code}"), &[]);
            assert_eq!(answer.status, status, "{method} {path} {code}");
            let body = if method == "HEAD" { String::new() } else { format!("page of {code}") };
            assert_eq!(answer.text(), body, "{method} {path}");
            assert_eq!(answer.header("Cloakroom-Support"), Some("R-7F3K-22AB"));
            assert_eq!(answer.header("Cache-Control"), Some("no-store"));
        }
    }
    assert_eq!(nginx.reported(), [""; 0], "a refusal is no delivery");
    nginx.assert_calm();
}

#[test]
fn what_authorize_lets_pass_is_the_site_s_own_file_and_nobody_keeps_it() {
    let nginx = plain();
    fs::write(nginx.root().join("members/a.txt"), "for members").unwrap();
    fs::create_dir(nginx.root().join("members/empty")).unwrap();
    let cloakroom = Scripted::start(&nginx, |seen| match seen.target.as_str() {
        "/_cloakroom/authorize" => Reply::new(200).with("Cloakroom-Rate", "0"),
        target => Reply { body: target.to_owned(), ..Reply::new(404) },
    });
    let answer = get(nginx.port, "/members/a.txt", &[("Range", "bytes=4-")]);
    assert_eq!((answer.status, answer.text().as_str()), (206, "members"));
    assert_eq!(answer.header("Cache-Control"), Some("private, no-store"));
    // nginx's own 403 is nobody's refusal.
    let answer = get(nginx.port, "/members/empty/", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (404, "/_cloakroom/refused/no_rule"));
    assert!(cloakroom.seen().iter().filter(|seen| seen.target == "/_cloakroom/authorize").count() >= 2);
    assert_eq!(nginx.reported(), [""; 0], "what the site serves itself is no delivery");
}

#[test]
fn an_answer_without_a_delivery_is_not_reported() {
    let nginx = plain();
    master(&nginx, "a.bin", b"abc");
    let _cloakroom = Scripted::start(&nginx, |seen| {
        let mut reply = hand_off("a.bin");
        if seen.header("X-Original-URI") == Some("/dl/signed") {
            reply.headers.retain(|(name, _)| *name != "Cloakroom-Delivery");
        }
        reply
    });
    assert_eq!(get(nginx.port, "/dl/signed", &[]).text(), "abc");
    assert_eq!(get(nginx.port, "/dl/counted", &[]).text(), "abc");
    assert_eq!(report(&nginx, 1).bytes, 3);
    assert_eq!(nginx.reported().len(), 1);
    let line = &nginx.reported()[0];
    assert!(!line.contains("counted") && !line.contains("/dl/"), "{line}");
}

#[test]
fn nobody_reaches_the_internal_addresses_from_outside() {
    let nginx = plain();
    master(&nginx, "a.bin", b"secret");
    let cloakroom = Scripted::start(&nginx, |_| Reply::new(403));
    for target in [
        "/_cloakroom/masters/a.bin",
        "/_cloakroom/masters/",
        "/_cloakroom/masters/../masters/a.bin",
        "/_cloakroom/authorize",
        "/_cloakroom/authorize/",
        "/_cloakroom/authorize?x",
        "/_cloakroom/refused/bad_proof",
        "/_cloakroom/",
        "/_cloakroom/x.php",
        "/_cloakroom%2fmasters/a.bin",
        "/%5fcloakroom/masters/a.bin",
        "//_cloakroom/masters/a.bin",
        "/./_cloakroom//masters/a.bin",
        "/dl/../_cloakroom/masters/a.bin",
        "/dl/%2e%2e/_cloakroom/masters/a.bin",
        "/dl/..%2f_cloakroom/masters/a.bin",
        "/members/../_cloakroom/authorize",
        "http://shop.example/_cloakroom/masters/a.bin",
        "/@cloakroom_refused",
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let answer = ask(nginx.port, method, target, &[("X-Accel-Redirect", "/_cloakroom/masters/a.bin")]);
            assert_eq!(answer.status, 404, "{method} {target}");
            assert!(!answer.text().contains("secret"));
        }
    }
    assert_eq!(cloakroom.seen().len(), 0, "{:?}", cloakroom.seen());
    assert_eq!(get(nginx.port, "/dl/x", &[]).status, 403);
    assert_eq!(cloakroom.seen().len(), 1);
}

#[test]
fn nothing_opens_while_cloakroom_is_down_or_talks_nonsense() {
    let nginx = plain();
    master(&nginx, "a.bin", b"secret");
    fs::write(nginx.root().join("members/a.bin"), "secret").unwrap();
    let asked = |status: &[u16]| {
        for method in ["GET", "HEAD", "POST"] {
            for (target, number) in [("/dl/a.bin", 0), ("/members/a.bin", 1)] {
                let answer = ask(nginx.port, method, target, &[]);
                assert_eq!(answer.status, status[number], "{method} {target}");
                assert!(!answer.text().contains("secret"), "{method} {target}");
            }
        }
    };
    asked(&[502, 500]);
    {
        let _cloakroom = Scripted::start(&nginx, |_| Reply::new(503));
        asked(&[503, 500]);
    }
    asked(&[502, 500]);
    {
        let _cloakroom = Scripted::start(&nginx, |_| {
            Reply::new(200).with("Bad\u{1}Name", "x").with("X-Accel-Redirect", "_cloakroom/masters/../nothing")
        });
        assert_eq!(get(nginx.port, "/dl/a.bin", &[]).status, 502);
    }
    {
        // A socket that takes requests and hangs up.
        let _cloakroom = Scripted::with(&nginx, 0, |_| Reply::new(200));
        asked(&[502, 500]);
    }
    // A socket that a killed process left behind.
    drop(UnixListener::bind(nginx.socket()).unwrap());
    asked(&[502, 500]);
    fs::remove_file(nginx.socket()).unwrap();
    assert_eq!(nginx.reported(), [""; 0]);
}

#[test]
fn connections_to_cloakroom_stay_open_and_a_lost_one_is_nobody_s_error() {
    let nginx = plain();
    master(&nginx, "a.bin", b"abc");
    fs::write(nginx.root().join("members/a.bin"), "abc").unwrap();
    let script = |seen: &Seen| match seen.target.as_str() {
        "/_cloakroom/authorize" => Reply::new(200).with("Cloakroom-Rate", "0"),
        _ => hand_off("a.bin"),
    };
    let all = || {
        for _ in 0..20 {
            for target in ["/dl/a.bin", "/members/a.bin"] {
                assert_eq!(get(nginx.port, target, &[]).text(), "abc", "{target}");
            }
        }
    };
    {
        let cloakroom = Scripted::start(&nginx, script);
        all();
        assert_eq!(cloakroom.seen().len(), 40);
        let connections = cloakroom.connections.load(Ordering::SeqCst);
        assert!(connections <= 4, "{connections} connections for 40 requests of two workers");
    }
    // A new process behind the same name: nginx still holds connections to the old one.
    {
        let _cloakroom = Scripted::start(&nginx, script);
        all();
    }
    // One that hangs up instead of each second answer: nginx asks again on its second line of the upstream.
    let _cloakroom = Scripted::with(&nginx, 1, script);
    all();
}

#[test]
fn what_nginx_knows_arrives_once_and_in_its_own_words_whatever_the_client_sends() {
    let nginx =
        Nginx::start(&NginxSetup { http: "underscores_in_headers on; proxy_request_buffering off;".to_owned(), ..NginxSetup::default() });
    let cloakroom = Scripted::start(&nginx, |seen| match seen.target.as_str() {
        "/_cloakroom/authorize" => Reply::new(403).with("Cloakroom-Refusal", "bad_proof"),
        _ => Reply::new(403),
    });
    let hostile: &[(&str, &str)] = &[
        ("X-Original-URI", "/members/free"),
        ("X_Original_URI", "/members/free"),
        ("X-Original-Method", "OPTIONS"),
        ("X-Request-Id", "mine"),
        ("X_Request_Id", "mine"),
        ("X-Real-IP", "10.0.0.1"),
        ("X_Real_IP", "10.0.0.1"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-Uri", "/free"),
        ("X-Accel-Redirect", "/_cloakroom/masters/a.bin"),
        ("Cloakroom-Refusal", "x"),
        ("Forwarded", "for=10.0.0.1"),
        ("Content-Length", "5"),
        ("Expect", "100-continue-not"),
        ("Upgrade", "h2c"),
        ("TE", "trailers"),
        ("Accept", "text/html"),
        ("Accept-Language", "de"),
        ("Cookie", "a=b"),
        ("Authorization", "Bearer x"),
        ("Range", "bytes=0-1"),
        ("If-Range", "\"x\""),
        ("Sec-Purpose", "prefetch"),
        ("Purpose", "preview"),
        ("User-Agent", "test/1"),
    ];
    let mut names: Vec<&str> = vec![
        "Accept",
        "Accept-Language",
        "Authorization",
        "Cookie",
        "Host",
        "User-Agent",
        "X-Original-Method",
        "X-Original-URI",
        "X-Real-IP",
        "X-Request-Id",
    ];
    let download = "/dl/l/t%20/a?b=%2F";
    for (path, wanted) in [
        (download, &[("POST", download)][..]),
        ("/members/a%20b?c=d&e", &[("GET", "/_cloakroom/authorize"), ("POST", "/_cloakroom/refused/bad_proof")]),
    ] {
        let before = cloakroom.seen().len();
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: SHOP.example:8443\r\nConnection: close, X-Original-URI\r\n");
        for (name, value) in hostile {
            head += &format!("{name}: {value}\r\n");
        }
        let answer = Download::send(nginx.port, format!("{head}\r\nhello").as_bytes(), false).finish();
        assert_eq!(answer.status, 403);
        let seen = cloakroom.seen().split_off(before);
        assert_eq!(seen.len(), wanted.len());
        for seen in &seen {
            let mut there: Vec<&str> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
            there.sort_unstable();
            if path == download {
                // The client's own headers come along; what nginx knows is said by nginx alone.
                for name in names.iter().chain(&["Range", "If-Range", "Sec-Purpose", "Purpose"]) {
                    assert_eq!(there.iter().filter(|there| there.eq_ignore_ascii_case(name)).count(), 1, "{name}: {seen:?}");
                }
                for name in ["Content-Length", "Transfer-Encoding", "Connection", "Expect", "Upgrade", "X-Forwarded-Uri"] {
                    assert_eq!(seen.header(name), None, "{seen:?}");
                }
            } else {
                assert_eq!(there, names, "{seen:?}");
            }
            assert_eq!(seen.header("X-Original-URI"), Some(path));
            assert_eq!(seen.header("X-Original-Method"), Some("POST"));
            assert_eq!(seen.header("X-Real-IP"), Some("127.0.0.1"));
            assert_eq!(seen.header("Host"), Some("shop.example"));
            assert_eq!(seen.header("Cookie"), Some("a=b"));
            assert_eq!(seen.header("X-Request-Id").unwrap().len(), 32);
        }
        assert!(seen.iter().all(|other| other.header("X-Request-Id") == seen[0].header("X-Request-Id")), "one id for both questions");
        let asked: Vec<(&str, &str)> = seen.iter().map(|seen| (seen.method.as_str(), seen.target.as_str())).collect();
        assert_eq!(asked, wanted);
    }
    // Neither does a body, nor what would announce one.
    let chunked = "POST /dl/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    assert_eq!(Download::send(nginx.port, chunked.as_bytes(), false).finish().status, 403);
    let seen = cloakroom.seen().pop().unwrap();
    assert_eq!((seen.header("Transfer-Encoding"), seen.header("Content-Length")), (None, None));
    // An empty condition makes nginx send the whole file whatever the range says: Cloakroom must see that it is there.
    let empty = "GET /dl/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nRange: bytes=0-0\r\nIf-Range:\r\n\r\n";
    assert_eq!(Download::send(nginx.port, empty.as_bytes(), false).finish().status, 403);
    assert_eq!(cloakroom.seen().pop().unwrap().header("If-Range"), Some(""));
    // A client that sends nothing of its own leaves nothing behind but what nginx knows.
    let answer = Download::send(nginx.port, b"GET /dl/x HTTP/1.0\r\n\r\n", false).finish();
    assert_eq!(answer.status, 403);
    let seen = cloakroom.seen().pop().unwrap();
    names.retain(|name| name.starts_with("X-") || *name == "Host");
    let mut there: Vec<&str> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
    there.sort_unstable();
    assert_eq!(there, names);
    assert_eq!(seen.header("Host"), Some("shop.example"));
}

#[test]
fn the_report_survives_rotation_and_reload() {
    let nginx = plain();
    master(&nginx, "a.bin", b"abc");
    let _cloakroom = Scripted::start(&nginx, |_| hand_off("a.bin"));
    assert_eq!(get(nginx.port, "/dl/a", &[]).text(), "abc");
    report(&nginx, 1);
    nginx.rotate();
    assert_eq!(get(nginx.port, "/dl/a", &[]).text(), "abc");
    report(&nginx, 1);
    nginx.reload();
    assert_eq!(get(nginx.port, "/dl/a", &[]).text(), "abc");
    report(&nginx, 2);
    let old = fs::read_to_string(Path::new(&nginx.access_log()).with_extension("log.1")).unwrap();
    assert_eq!(old.lines().count(), 1);
    nginx.assert_calm();
}
