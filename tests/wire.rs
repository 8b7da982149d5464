//! Raw bytes over real sockets: what is let in, what is not, what is waited for, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, missing_docs)]

use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::routing::post;
use bytes::Bytes;
use cloakroom::config::{Address, Listener, Serve};
use cloakroom::dialect::Dialect;
use cloakroom::domain::moment::Moment;
use cloakroom::service::metrics::Metrics;
use cloakroom::wire::listener::{BindFault, Bound, bind};
use cloakroom::wire::serve::{Answers, Running, Station, start};
use cloakroom::wire::{Limits, Payload, Peer, Tally};
use http::Response;
use http::request::Parts;
use http_body::{Body, Frame};

/// Whatever is waited for has happened by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is expected not to happen has had this long to happen.
const MOMENT: Duration = Duration::from_millis(300);

type Answering = Pin<Box<dyn Future<Output = Response<Payload>> + Send>>;
type Handling = Box<dyn Fn(Parts, Peer) -> Answering + Send + Sync>;

fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new(Moment::EPOCH))
}

/// A server on a unix socket of its own.
struct Server {
    running: Running,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(limits: Limits, connections_max: usize, threads: usize, handling: Handling) -> Self {
        Self::serving(Answers::Web(handling), limits, connections_max, threads)
    }

    fn serving(answers: Answers<Handling>, limits: Limits, connections_max: usize, threads: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.sock");
        let bound = bind(&Listener { connections_max, ..unix(&path) }).unwrap();
        let running =
            start(vec![Station { bound, answers, limits, metrics: metrics(), secret: None }], NonZeroUsize::new(threads).unwrap()).unwrap();
        Self { running, path, _folder: folder }
    }

    fn plain() -> Self {
        Self::start(limits(), 100, 2, Box::new(hello))
    }

    fn connect(&self) -> UnixStream {
        connect(&self.path)
    }

    fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.running.tallies()[0].1)
    }

    fn drain(self, grace: Duration) -> usize {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(self.running.drain(grace))
    }
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn unix(path: &Path) -> Listener {
    listener(Address::Unix { path: path.to_owned(), mode: 0o660, group: None })
}

fn listener(address: Address) -> Listener {
    let trusted_peers = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    Listener { address, serve: Serve::Web(Dialect::Nginx), trusted_peers, connections_max: 100, secret: None }
}

fn limits() -> Limits {
    Limits::of(Serve::Web(Dialect::Nginx))
}

/// Answers with the method and the target.
#[expect(clippy::needless_pass_by_value, reason = "a handler owns the head")]
fn hello(head: Parts, _: Peer) -> Answering {
    let text = format!("{} {}", head.method, head.uri);
    Box::pin(async move { Response::new(Payload::from(Bytes::from(text))) })
}

/// Reads one answer: status, head and body, by its `Content-Length`.
fn answer(stream: &mut impl Read) -> (u16, String, String) {
    try_answer(stream).expect("an answer")
}

/// The same; the error is how the connection ended instead.
fn try_answer(stream: &mut impl Read) -> Result<(u16, String, String), ErrorKind> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof),
            Ok(_) => head.push(byte[0]),
            Err(error) => return Err(error.kind()),
        }
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.split("content-length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Ok((status, head, String::from_utf8(body).unwrap()))
}

/// Whether the other end closes without another byte.
fn is_closed(stream: &mut impl Read) -> bool {
    match stream.read(&mut [0]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// Waits until `done` holds.
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

const GOOD: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn requests_that_two_servers_could_read_differently_are_refused_and_the_connection_is_closed() {
    let server = Server::plain();
    let many = |count: usize| "X: y\r\n".repeat(count);
    let cases: Vec<(&str, Vec<u8>, Option<u16>)> = vec![
        ("no host", b"GET / HTTP/1.1\r\n\r\n".to_vec(), Some(400)),
        ("two hosts", b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("two hosts in 1.0", b"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n".to_vec(), Some(400)),
        ("empty host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n".to_vec(), Some(400)),
        ("host with a space", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_vec(), Some(400)),
        ("host with a comma", b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n".to_vec(), Some(400)),
        ("host with a user", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n".to_vec(), Some(400)),
        ("host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".to_vec(), Some(400)),
        ("host with a bad port", b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n".to_vec(), Some(400)),
        ("host with half an address", b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n".to_vec(), Some(400)),
        ("chunked GET", b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(), Some(400)),
        ("chunked HEAD", b"HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(), Some(400)),
        ("chunked POST", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(), Some(400)),
        (
            "length, then coding",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
            Some(400),
        ),
        (
            "coding, then length",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n".to_vec(),
            Some(400),
        ),
        ("another coding", b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n".to_vec(), Some(400)),
        ("identity coding", b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n".to_vec(), Some(400)),
        ("hidden coding", b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n".to_vec(), Some(400)),
        ("coding in 1.0", b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), Some(400)),
        ("two lengths", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na".to_vec(), Some(400)),
        ("length with a sign", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na".to_vec(), Some(400)),
        ("negative length", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".to_vec(), Some(400)),
        ("length that is no number", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: a\r\n\r\n".to_vec(), Some(400)),
        ("length beyond numbers", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n".to_vec(), Some(400)),
        ("CONNECT", b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("CONNECT to a path", b"CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("asterisk", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("absolute target", b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("authority as target", b"GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("target without a slash", b"GET a HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("NUL in the target", b"GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("space in the target", b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("DEL in the target", b"GET /a\x7fb HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("long target", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(6144)).into_bytes(), Some(414)),
        ("65 headers", format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", many(64)).into_bytes(), Some(431)),
        ("more headers than the parser takes", format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", many(200)).into_bytes(), Some(431)),
        ("long head", format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(17_000)).into_bytes(), Some(431)),
        ("endless head", format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "y".repeat(40_000)).into_bytes(), Some(431)),
        ("version 0.9", b"GET /\r\n\r\n".to_vec(), Some(400)),
        ("version 1.2", b"GET / HTTP/1.2\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("version 2.0", b"GET / HTTP/2.0\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("lower-case version", b"GET / http/1.1\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("more after the version", b"GET / HTTP/1.1 x\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), None),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), Some(400)),
        ("no method", b" / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("method with a bracket", b"G(ET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("two spaces", b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("tabs", b"GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("space before a colon", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n".to_vec(), Some(400)),
        ("folded header", b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n".to_vec(), Some(400)),
        ("folded first header", b"GET / HTTP/1.1\r\n Host: x\r\n\r\n".to_vec(), Some(400)),
        ("header without a colon", b"GET / HTTP/1.1\r\nHost: x\r\nX\r\n\r\n".to_vec(), Some(400)),
        ("header without a name", b"GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n".to_vec(), Some(400)),
        ("bracket in a header's name", b"GET / HTTP/1.1\r\nHost: x\r\nX(: y\r\n\r\n".to_vec(), Some(400)),
        ("umlaut in a header's name", "GET / HTTP/1.1\r\nHost: x\r\nXü: y\r\n\r\n".as_bytes().to_vec(), Some(400)),
        ("NUL in a header", b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n".to_vec(), Some(400)),
        ("CR in a header", b"GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n".to_vec(), Some(400)),
    ];
    assert!(cases.len() >= 40, "{}", cases.len());
    for (name, raw, status) in &cases {
        let mut stream = server.connect();
        // The server may have answered and left before the last byte was written.
        let _ = stream.write_all(raw);
        let seen = try_answer(&mut stream);
        match status {
            Some(status) => assert_eq!(seen.as_ref().map(|(status, ..)| *status), Ok(*status), "{name}: {seen:?}"),
            None => assert!(seen.is_err(), "{name}: {seen:?}"),
        }
        assert!(is_closed(&mut stream), "{name}: the connection is still open");
    }
    let mut stream = server.connect();
    stream.write_all(GOOD.as_bytes()).unwrap();
    assert_eq!(answer(&mut stream).0, 200);
}

#[test]
fn ordinary_requests_are_answered_and_connections_kept_where_both_sides_want_it() {
    let server = Server::plain();
    for (raw, body, kept) in [
        (GOOD, "GET /a", true),
        ("GET /a?b=c HTTP/1.1\r\nhost: x\r\nAccept:*/*\r\n\r\n", "GET /a?b=c", true),
        ("GET //a/%2e HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET //a/%2e", true),
        ("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "POST /a", true),
        ("\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a", true),
        ("GET /a HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n", "GET /a", true),
        ("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET /a", false),
        ("GET /a HTTP/1.0\r\n\r\n", "GET /a", false),
        ("GET /a HTTP/1.0\r\nHost: x\r\nConnection: close\r\n\r\n", "GET /a", false),
        ("GET /a HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", "GET /a", true),
    ] {
        let mut stream = server.connect();
        for turn in 0..if kept { 3 } else { 1 } {
            stream.write_all(raw.as_bytes()).unwrap();
            let (status, _, text) = answer(&mut stream);
            assert_eq!((status, text.as_str()), (200, body), "{raw:?}, turn {turn}");
        }
        if !kept {
            assert!(is_closed(&mut stream), "{raw:?}");
        }
    }
    let mut stream = server.connect();
    stream.write_all(b"HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert!(all.contains("content-length: 7\r\n") && all.ends_with("\r\n\r\n"), "{all:?}");
}

#[test]
fn requests_in_one_write_and_in_many_are_answered_in_order() {
    let server = Server::plain();
    let mut stream = server.connect();
    let all = (0..20).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n")).collect::<Vec<_>>().concat();
    stream.write_all(all.as_bytes()).unwrap();
    for number in 0..20 {
        assert_eq!(answer(&mut stream).2, format!("GET /{number}"));
    }
    for byte in all.as_bytes() {
        stream.write_all(&[*byte]).unwrap();
    }
    for number in 0..20 {
        assert_eq!(answer(&mut stream).2, format!("GET /{number}"));
    }
}

#[test]
fn a_body_is_never_waited_for_and_its_sender_still_gets_the_answer() {
    let server = Server::plain();
    for (name, head, body) in [
        ("announced, never sent", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", 0),
        ("sent in part", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", 10),
        ("sent whole", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n", 50_000),
        ("with a wish to be asked", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n", 0),
    ] {
        let mut stream = server.connect();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b'b'; body]).unwrap();
        let (status, head, text) = answer(&mut stream);
        assert_eq!((status, text.ends_with(" /a")), (200, true), "{name}");
        assert!(head.contains("connection: close"), "{name}: {head}");
        assert!(is_closed(&mut stream), "{name}");
    }
}

#[test]
fn a_head_that_comes_slowly_is_cut_however_often_a_byte_comes() {
    let head = Duration::from_millis(200);
    let server = Server::start(Limits { head, ..limits() }, 100, 2, Box::new(hello));
    for first in [GOOD, ""] {
        let mut stream = server.connect();
        if !first.is_empty() {
            stream.write_all(first.as_bytes()).unwrap();
            assert_eq!(answer(&mut stream).0, 200);
        }
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let start = Instant::now();
        let mut drip = b"GET /a HTTP/1.1\r\nHost: x\r\nX: ".iter().chain(std::iter::repeat(&b'y'));
        let end = loop {
            assert!(start.elapsed() < PATIENCE, "never cut");
            let sent = stream.write_all(&[*drip.next().unwrap()]);
            match (sent, stream.read(&mut [0])) {
                (Ok(()), Err(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                _ => break start.elapsed(),
            }
        };
        assert!(end >= head.mul_f32(0.9), "cut after {end:?}");
    }
    assert_eq!(server.tally().timed_out(), 2);
}

#[test]
fn an_idle_connection_outlives_the_time_of_a_head_and_then_is_closed() {
    let idle = Duration::from_millis(900);
    let server = Server::start(Limits { head: Duration::from_millis(50), idle, ..limits() }, 100, 2, Box::new(hello));
    let mut stream = server.connect();
    for _ in 0..2 {
        stream.write_all(GOOD.as_bytes()).unwrap();
        assert_eq!(answer(&mut stream).0, 200);
        stream.set_read_timeout(Some(MOMENT)).unwrap();
        let quiet = stream.read(&mut [0]).unwrap_err().kind();
        assert!(matches!(quiet, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{quiet:?}");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    let start = Instant::now();
    assert!(is_closed(&mut stream));
    assert!(start.elapsed() < idle, "{:?}", start.elapsed());
    let mut silent = server.connect();
    let start = Instant::now();
    assert!(is_closed(&mut silent));
    assert!(start.elapsed() >= idle.mul_f32(0.9), "{:?}", start.elapsed());
    assert_eq!(server.tally().timed_out(), 0);
}

/// A body without end.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 8192])))))
    }
}

#[test]
fn a_peer_that_does_not_take_its_answer_is_cut_and_one_that_does_is_not() {
    let limits =
        Limits { write: Duration::from_millis(300), head: Duration::from_millis(100), idle: Duration::from_millis(100), ..limits() };
    let endless = |_, _| -> Answering { Box::pin(async { Response::new(Payload::stream(Endless)) }) };
    let server = Server::start(limits, 100, 2, Box::new(endless));
    let (mut reader, mut sleeper) = (server.connect(), server.connect());
    for stream in [&mut reader, &mut sleeper] {
        stream.write_all(GOOD.as_bytes()).unwrap();
    }
    let tally = server.tally();
    let mut buffer = vec![0; 4096];
    let start = Instant::now();
    while tally.timed_out() == 0 || start.elapsed() < Duration::from_secs(1) {
        assert!(start.elapsed() < PATIENCE, "never cut");
        assert!(reader.read(&mut buffer).unwrap() > 0);
    }
    assert_eq!((tally.timed_out(), tally.open()), (1, 1));
}

#[test]
fn when_every_place_is_taken_a_new_connection_waits_for_one() {
    let server = Server::start(limits(), 2, 2, Box::new(hello));
    let mut open: Vec<UnixStream> = (0..2).map(|_| server.connect()).collect();
    for stream in &mut open {
        stream.write_all(GOOD.as_bytes()).unwrap();
        assert_eq!(answer(stream).0, 200);
    }
    let mut third = server.connect();
    third.write_all(GOOD.as_bytes()).unwrap();
    third.set_read_timeout(Some(MOMENT)).unwrap();
    let waits = try_answer(&mut third).unwrap_err();
    assert!(matches!(waits, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{waits:?}");
    assert_eq!((server.tally().open(), server.running.open()), (2, 2));
    assert!(server.tally().full() > 0);
    drop(open.pop());
    third.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(answer(&mut third).0, 200);
    assert_eq!(server.tally().open(), 2);
}

#[test]
fn connections_are_spread_over_the_threads() {
    let name = |_: Parts, _: Peer| -> Answering {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        Box::pin(async move { Response::new(Payload::from(Bytes::from(name))) })
    };
    let server = Server::start(limits(), 100, 3, Box::new(name));
    let mut open: Vec<UnixStream> = (0..30).map(|_| server.connect()).collect();
    let mut seen = std::collections::BTreeMap::new();
    for stream in &mut open {
        stream.write_all(GOOD.as_bytes()).unwrap();
        *seen.entry(answer(stream).2).or_insert(0) += 1;
    }
    assert_eq!(seen.values().collect::<Vec<_>>(), [&10, &10, &10], "{seen:?}");
}

#[test]
fn a_panic_in_one_answer_ends_one_connection() {
    let fussy =
        |head: Parts, peer| -> Answering { if head.uri == "/panic" { Box::pin(async { panic!("as asked") }) } else { hello(head, peer) } };
    let server = Server::start(limits(), 100, 1, Box::new(fussy));
    let (mut one, mut other) = (server.connect(), server.connect());
    one.write_all(b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(is_closed(&mut one));
    other.write_all(GOOD.as_bytes()).unwrap();
    assert_eq!(answer(&mut other).0, 200);
    wait("the place is given back", || server.tally().open() == 1);
}

fn loopback(trusted: &str) -> (Running, SocketAddr) {
    let bound = bind(&Listener { trusted_peers: vec![trusted.parse().unwrap()], ..listener(Address::Tcp("127.0.0.1:0".parse().unwrap())) })
        .unwrap();
    let &Address::Tcp(address) = bound.address() else { panic!("not TCP") };
    let peer = |_, peer: Peer| -> Answering {
        Box::pin(async move { Response::new(Payload::from(Bytes::from(format!("{:?}", peer.address())))) })
    };
    let handling: Handling = Box::new(peer);
    let station = Station { bound, answers: Answers::Web(handling), limits: limits(), metrics: metrics(), secret: None };
    (start(vec![station], NonZeroUsize::new(2).unwrap()).unwrap(), address)
}

#[test]
fn tcp_peers_are_known_by_their_address_and_strangers_are_closed_unread() {
    let (running, address) = loopback("127.0.0.0/8");
    let mut friend = TcpStream::connect(address).unwrap();
    friend.set_read_timeout(Some(PATIENCE)).unwrap();
    friend.write_all(GOOD.as_bytes()).unwrap();
    assert_eq!(answer(&mut friend).2, "Some(127.0.0.1)");
    assert_eq!(running.tallies()[0].0, address.to_string());

    let (running, address) = loopback("192.0.2.0/24");
    for count in 1..=3 {
        let mut stranger = TcpStream::connect(address).unwrap();
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stranger.write_all(GOOD.as_bytes());
        assert!(is_closed(&mut stranger));
        wait("the stranger is counted", || running.tallies()[0].1.strangers() == count);
    }
    assert_eq!(running.tallies()[0].1.accepted(), 0);
}

#[test]
fn the_end_finishes_what_runs_closes_what_idles_and_takes_the_socket_away() {
    let (begun, has_begun) = mpsc::channel();
    let finish = Arc::new(tokio::sync::Notify::new());
    let wanted = Arc::clone(&finish);
    let slow = move |head: Parts, peer| -> Answering {
        if head.uri != "/slow" {
            return hello(head, peer);
        }
        let (begun, wanted) = (begun.clone(), Arc::clone(&wanted));
        Box::pin(async move {
            begun.send(()).unwrap();
            wanted.notified().await;
            Response::new(Payload::from(Bytes::from_static(b"done")))
        })
    };
    let server = Server::start(limits(), 100, 2, Box::new(slow));
    let path = server.path.clone();
    let (mut busy, mut idle) = (server.connect(), server.connect());
    idle.write_all(GOOD.as_bytes()).unwrap();
    assert_eq!(answer(&mut idle).0, 200);
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    has_begun.recv_timeout(PATIENCE).unwrap();
    let end = std::thread::spawn(move || server.drain(PATIENCE));
    assert!(is_closed(&mut idle));
    wait("nobody listens any more", || UnixStream::connect(&path).is_err());
    assert!(!end.is_finished());
    finish.notify_one();
    let (status, head, body) = answer(&mut busy);
    assert_eq!((status, body.as_str()), (200, "done"));
    assert!(head.contains("connection: close"), "{head}");
    assert!(is_closed(&mut busy));
    assert_eq!(end.join().unwrap(), 0);
    assert!(!path.exists());
}

#[test]
fn what_does_not_end_in_time_is_cut_and_counted() {
    let (begun, has_begun) = mpsc::channel();
    let never = move |_, _| -> Answering {
        begun.send(()).unwrap();
        Box::pin(std::future::pending())
    };
    let server = Server::start(limits(), 100, 2, Box::new(never));
    let mut streams: Vec<UnixStream> = (0..3).map(|_| server.connect()).collect();
    for stream in &mut streams {
        stream.write_all(GOOD.as_bytes()).unwrap();
        has_begun.recv_timeout(PATIENCE).unwrap();
    }
    let path = server.path.clone();
    assert_eq!(server.drain(Duration::from_millis(50)), 3);
    for stream in &mut streams {
        assert!(is_closed(stream));
    }
    assert!(!path.exists());
}

#[test]
fn a_connection_that_waited_in_the_queue_when_the_end_began_is_still_answered() {
    let (begun, has_begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    // The only thread stands still, so that nobody accepts.
    let still = move |head: Parts, peer| -> Answering {
        if head.uri == "/still" {
            begun.send(()).unwrap();
            released.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        hello(head, peer)
    };
    let server = Server::start(limits(), 100, 1, Box::new(still));
    let mut first = server.connect();
    first.write_all(b"GET /still HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    has_begun.recv_timeout(PATIENCE).unwrap();
    let mut queued = server.connect();
    queued.write_all(GOOD.as_bytes()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // The end has begun before the thread goes on.
    let (cut, ()) = runtime.block_on(async { tokio::join!(server.running.drain(PATIENCE), async { release.send(()).unwrap() }) });
    assert_eq!(cut, 0);
    for stream in [&mut first, &mut queued] {
        let (status, head, _) = answer(stream);
        assert_eq!(status, 200);
        assert!(head.contains("connection: close"), "{head}");
    }
}

#[test]
fn the_api_reads_small_bodies_and_no_others() {
    let router = axum::Router::new().route("/echo", post(|body: String| async move { body }));
    let limits = Limits { body: Duration::from_millis(200), body_bytes_max: 1000, ..Limits::of(Serve::Api) };
    let server = Server::serving(Answers::Router(router), limits, 100, 2);
    for (name, length, sent, status) in [
        ("whole", 5, 5, 200),
        ("empty", 0, 0, 200),
        ("as large as may be", 1000, 1000, 200),
        ("too large", 1001, 1001, 413),
        ("never sent", 5, 2, 408),
    ] {
        let mut stream = server.connect();
        write!(stream, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{}", "b".repeat(sent)).unwrap();
        let (seen, _, body) = answer(&mut stream);
        assert_eq!(seen, status, "{name}");
        if status == 200 {
            assert_eq!(body.len(), length, "{name}");
        } else {
            assert_eq!(status == 413, body.contains("at most 1000 bytes"), "{name}: {body:?}");
            assert!(is_closed(&mut stream), "{name}");
        }
    }
    let mut stream = server.connect();
    stream.write_all(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(answer(&mut stream).0, 404);
}

#[test]
fn every_call_of_the_api_may_be_as_large_as_it_says() {
    let most = Limits::of(Serve::Api).body_bytes_max;
    let calls = cloakroom::api::table();
    assert!(calls.iter().all(|call| call.bytes_max <= most), "{calls:?}");
    assert_eq!(calls.iter().map(|call| call.bytes_max).max(), Some(most));
}

fn fault(listener: &Listener) -> String {
    let BindFault { address, fault } = bind(listener).unwrap_err();
    assert!(!address.is_empty());
    fault
}

#[test]
fn a_socket_has_its_mode_and_goes_away_with_its_listener() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    for mode in [0o660, 0o600, 0o666] {
        let bound = bind(&listener(Address::Unix { path: path.clone(), mode, group: None })).unwrap();
        let made = std::fs::symlink_metadata(&path).unwrap();
        assert!(made.file_type().is_socket());
        assert_eq!(made.permissions().mode() & 0o777, mode);
        assert_eq!(made.gid(), std::fs::metadata(folder.path()).unwrap().gid());
        assert_eq!(bound.to_string(), format!("unix:{}", path.display()));
        drop(bound);
        assert!(!path.exists());
    }
    let bound = bind(&unix(&path)).unwrap();
    std::fs::remove_file(&path).unwrap();
    let another = UnixListener::bind(&path).unwrap();
    drop(bound);
    assert!(path.exists(), "somebody else's socket was removed");
    drop(another);
}

#[test]
fn a_stale_socket_is_replaced_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let bound: Bound = bind(&unix(&path)).unwrap();
    assert!(fault(&unix(&path)).contains("another cloakroom"), "{}", fault(&unix(&path)));
    assert!(UnixStream::connect(&path).is_ok(), "the live socket was harmed");
    drop(bound);
    std::fs::write(&path, "notes").unwrap();
    assert!(fault(&unix(&path)).contains("not a socket"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "notes");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
    assert!(fault(&unix(&path)).contains("not a socket"));
}

#[test]
fn what_cannot_be_listened_on_is_told_with_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let path = folder.path().join("a.sock");
    let no_group = Address::Unix { path: path.clone(), mode: 0o660, group: Some("no such group".to_owned()) };
    for (address, words) in [
        (Address::Tcp(taken.local_addr().unwrap()), "listens there already"),
        (Address::Tcp("192.0.2.1:0".parse().unwrap()), "does not have the address"),
        (Address::Unix { path: folder.path().join("none/a.sock"), mode: 0o660, group: None }, "does not exist; make it"),
        (Address::Unix { path: folder.path().join("a".repeat(120)), mode: 0o660, group: None }, "107 bytes"),
        (no_group, "no group `no such group`"),
    ] {
        let fault = fault(&listener(address));
        assert!(fault.contains(words), "{fault}");
    }
    assert!(!path.exists());
}

#[test]
fn accepting_goes_on_when_descriptors_were_short() {
    const CHILD: &str = "CLOAKROOM_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(CHILD).is_none() {
        // The limit is the process's: a process of its own keeps it from the other tests.
        let name = "accepting_goes_on_when_descriptors_were_short";
        let status = std::process::Command::new(std::env::current_exe().unwrap()).args([name, "--exact"]).env(CHILD, "1").status().unwrap();
        assert!(status.success());
        return;
    }
    let server = Server::start(limits(), 100, 1, Box::new(hello));
    let used = u64::try_from(std::fs::read_dir("/proc/self/fd").unwrap().count()).unwrap();
    let few = rustix::process::Rlimit { current: Some(used + 6), maximum: None };
    let maximum = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, rustix::process::Rlimit { maximum, ..few }).unwrap();
    let mut open = Vec::new();
    while let Ok(stream) = UnixStream::connect(&server.path) {
        open.push(stream);
    }
    assert!(open.len() >= 3, "{}", open.len());
    wait("accepting failed", || server.tally().accept_errors() > 0);
    let mut last = open.pop().unwrap();
    drop(open);
    last.set_read_timeout(Some(PATIENCE)).unwrap();
    last.write_all(GOOD.as_bytes()).unwrap();
    assert_eq!(answer(&mut last).0, 200);
}
