//! FastCGI and SCGI over real sockets: what is answered, what is refused in words of the protocol, what is not waited for, and
//! how it ends. What counts as a request, byte by byte, is told in `src/wire/{fastcgi,scgi}.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, missing_docs)]

use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cloakroom::config::{Address, Listener, Serve};
use cloakroom::dialect::Dialect;
use cloakroom::dialect::apache::Protocol;
use cloakroom::dialect::cgi::Variables;
use cloakroom::domain::moment::Moment;
use cloakroom::service::metrics::Metrics;
use cloakroom::wire::listener::bind;
use cloakroom::wire::serve::{Answers, Running, Station, start};
use cloakroom::wire::{Limits, Payload, Peer, Secret, Tally};
use http::Response;
use http::request::Parts;
use zeroize::Zeroizing;

/// Whatever is waited for has happened by then.
const PATIENCE: Duration = Duration::from_secs(20);

const SECRET: &str = "k7m29xqtk7m29xqtk7m29xqtk7m29xqt";

type Answering = Pin<Box<dyn Future<Output = Response<Payload>> + Send>>;
type Handling = Box<dyn Fn(Parts, Peer) -> Answering + Send + Sync>;

struct Server {
    running: Running,
    address: SocketAddr,
    protocol: Protocol,
}

impl Server {
    fn start(protocol: Protocol, limits: Limits, secret: Option<&str>, handling: Handling) -> Self {
        let serve = Serve::Web(Dialect::Apache(protocol));
        let trusted_peers = vec!["127.0.0.0/8".parse().unwrap()];
        let address = Address::Tcp("127.0.0.1:0".parse().unwrap());
        let bound = bind(&Listener { address, serve, trusted_peers, connections_max: 100, secret: None }).unwrap();
        let Address::Tcp(address) = *bound.address() else { panic!("a TCP listener") };
        let secret = secret.map(|line| Secret::parse(Zeroizing::new(line.to_owned())).unwrap());
        let metrics = Arc::new(Metrics::new(Moment::EPOCH));
        let station = Station { bound, answers: Answers::Web(handling), limits, metrics, secret };
        Self { running: start(vec![station], NonZeroUsize::new(2).unwrap()).unwrap(), address, protocol }
    }

    fn echo(protocol: Protocol) -> Self {
        Self::start(protocol, limits(protocol), None, Box::new(echo))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// All that comes back for these bytes.
    fn said(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        rest(&mut stream)
    }

    /// The answer to a request with these variables.
    fn asked(&self, variables: &[(&str, &str)]) -> Said {
        let bytes = match self.protocol {
            Protocol::FastCgi => fastcgi(1, 2, variables),
            _ => scgi(variables),
        };
        self.read(&self.said(&bytes))
    }

    fn read(&self, bytes: &[u8]) -> Said {
        let text = if self.protocol == Protocol::FastCgi { output(bytes) } else { bytes.to_vec() };
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.strip_prefix("Status: ").and_then(|rest| rest.get(..3)).unwrap().parse().unwrap();
        Said { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.running.tallies()[0].1)
    }

    fn drain(self, grace: Duration) -> usize {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(self.running.drain(grace))
    }
}

struct Said {
    status: u16,
    head: String,
    body: String,
}

fn limits(protocol: Protocol) -> Limits {
    Limits::of(Serve::Web(Dialect::Apache(protocol)))
}

/// Answers with the method, a variable and a header.
#[expect(clippy::needless_pass_by_value, reason = "a handler owns the head")]
fn echo(head: Parts, _: Peer) -> Answering {
    let variables: &Variables = head.extensions.get().unwrap();
    let agent = head.headers.get("user-agent").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let secret = variables.text("CLOAKROOM_SECRET").unwrap_or_default();
    let text = format!("{} {} {agent} {secret}", head.method, variables.text("REQUEST_URI").unwrap());
    Box::pin(async move { Response::new(Payload::from(Bytes::from(text))) })
}

fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

fn record(kind: u8, request: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[1, kind][..], &request.to_be_bytes(), &length, &[0, 0], content].concat()
}

fn fastcgi(request: u16, role: u8, variables: &[(&str, &str)]) -> Vec<u8> {
    let mut params = Vec::new();
    for (name, value) in variables {
        params.push(u8::try_from(name.len()).unwrap());
        params.extend(u32::try_from(value.len()).map(|length| length | 0x8000_0000).unwrap().to_be_bytes());
        params.extend_from_slice(name.as_bytes());
        params.extend_from_slice(value.as_bytes());
    }
    let mut bytes = record(1, request, &[0, role, 0, 0, 0, 0, 0, 0]);
    for piece in params.chunks(65_535) {
        bytes.extend(record(4, request, piece));
    }
    bytes.extend(record(4, request, &[]));
    bytes
}

fn scgi(variables: &[(&str, &str)]) -> Vec<u8> {
    announcing(0, variables)
}

/// A request with a body of so many bytes.
fn announcing(length: usize, variables: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("CONTENT_LENGTH\0{length}\0SCGI\x001\0").into_bytes();
    for (name, value) in variables {
        text.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    [text.len().to_string().as_bytes(), b":", &text, b","].concat()
}

/// The records of an answer: type, request, content.
fn records(mut bytes: &[u8]) -> Vec<(u8, u16, Vec<u8>)> {
    let mut records = Vec::new();
    while let [1, kind, high, low, length_high, length_low, padding, _, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        records.push((*kind, u16::from_be_bytes([*high, *low]), rest[..length].to_vec()));
        bytes = &rest[length + usize::from(*padding)..];
    }
    assert!(bytes.is_empty(), "half a record: {bytes:?}");
    records
}

/// What an answer says, after a look at its end.
fn output(bytes: &[u8]) -> Vec<u8> {
    let all = records(bytes);
    let [.., (6, _, end), (3, _, status)] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((end.as_slice(), status.as_slice()), (&[][..], &[0; 8][..]));
    all.iter().filter(|(kind, ..)| *kind == 6).flat_map(|(.., content)| content.clone()).collect()
}

const ASKS: [(&str, &str); 3] = [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/a?b"), ("HTTP_USER_AGENT", "curl")];

#[test]
fn a_request_is_answered_and_the_connection_closed() {
    for protocol in [Protocol::FastCgi, Protocol::Scgi] {
        let server = Server::echo(protocol);
        let said = server.asked(&ASKS);
        assert_eq!((said.status, said.body.as_str()), (200, "GET /a?b curl "), "{protocol:?}");
        assert!(said.head.contains("content-length: 14"), "{}", said.head);
        let said = server.asked(&[("REQUEST_METHOD", "HEAD"), ("REQUEST_URI", "/")]);
        assert_eq!((said.status, said.body.as_str()), (200, ""), "{protocol:?}");
        assert_eq!(server.tally().accepted(), 2);
    }
}

#[test]
fn bytes_may_come_one_by_one_and_a_body_is_not_waited_for() {
    for (protocol, asks) in [(Protocol::FastCgi, fastcgi(7, 2, &ASKS)), (Protocol::Scgi, scgi(&ASKS))] {
        let server = Server::echo(protocol);
        let mut stream = server.connect();
        stream.set_nodelay(true).unwrap();
        for byte in &asks {
            stream.write_all(&[*byte]).unwrap();
        }
        // Announced, and never sent.
        let said = server.read(&rest(&mut stream));
        assert_eq!((said.status, said.body.as_str()), (200, "GET /a?b curl "), "{protocol:?}");
        // And one that is sent takes no answer back.
        let asks = if protocol == Protocol::Scgi { announcing(60_000, &ASKS) } else { asks };
        let mut stream = server.connect();
        stream.write_all(&[asks.as_slice(), &vec![b'x'; 60_000]].concat()).unwrap();
        assert_eq!(server.read(&rest(&mut stream)).status, 200, "{protocol:?}");
    }
}

#[test]
fn keeping_a_connection_and_putting_several_requests_into_it_is_refused_cleanly() {
    let server = Server::echo(Protocol::FastCgi);
    let mut keeping = fastcgi(1, 2, &ASKS);
    keeping[10] = 1;
    assert_eq!(server.read(&server.said(&keeping)).status, 200, "it is answered, and closed");
    let both = [record(1, 1, &[0, 2, 0, 0, 0, 0, 0, 0]), fastcgi(2, 2, &ASKS), fastcgi(1, 2, &ASKS)[16..].to_vec()].concat();
    let all = records(&server.said(&both));
    assert_eq!(all[0], (3, 2, vec![0, 0, 0, 0, 1, 0, 0, 0]), "FCGI_CANT_MPX_CONN");
    assert!(all[1..].iter().all(|(_, request, _)| *request == 1) && all.len() > 3, "{all:?}");
    let asked = records(&server.said(&fastcgi(3, 1, &ASKS)));
    assert_eq!(asked, [(3, 3, vec![0, 0, 0, 0, 3, 0, 0, 0])], "FCGI_UNKNOWN_ROLE");
}

#[test]
fn what_is_no_request_is_refused_or_closed_and_noted() {
    let long = "x".repeat(70_000);
    let twice = [&ASKS[..], &[("REQUEST_URI", "/b")]].concat();
    let too_long = [&ASKS[..], &[("HTTP_COOKIE", long.as_str())]].concat();
    let cases: [(&[(&str, &str)], u16); 5] = [
        (&twice, 400),
        (&too_long, 431),
        (&ASKS[1..], 400),
        (&[("REQUEST_METHOD", "G T"), ("REQUEST_URI", "/")], 400),
        (&[("REQUEST_METHOD", "GET"), ("HTTP_A", "a\nb")], 400),
    ];
    for protocol in [Protocol::FastCgi, Protocol::Scgi] {
        let server = Server::echo(protocol);
        for (variables, status) in cases {
            let said = server.asked(variables);
            assert_eq!((said.status, said.body.as_str()), (status, ""), "{protocol:?} {status}");
        }
        assert_eq!(server.tally().gated(), 5, "{protocol:?}");
    }
    assert_eq!(Server::echo(Protocol::FastCgi).said(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), b"", "nobody speaks FastCGI there");
    let scgi = Server::echo(Protocol::Scgi);
    assert_eq!(scgi.read(&scgi.said(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).status, 400);
}

#[test]
fn who_does_not_know_the_secret_is_not_asked_for_more_and_it_goes_no_further() {
    for protocol in [Protocol::FastCgi, Protocol::Scgi] {
        let server = Server::start(protocol, limits(protocol), Some(SECRET), Box::new(echo));
        let with = |secret: &'static str| [&ASKS[..], &[("CLOAKROOM_SECRET", secret)]].concat();
        for variables in [ASKS.to_vec(), with(""), with("k7m29xqt"), [&ASKS[..], &[("HTTP_CLOAKROOM_SECRET", SECRET)]].concat()] {
            let said = server.asked(&variables);
            assert_eq!((said.status, said.body.as_str()), (500, ""), "{protocol:?}");
        }
        let said = server.asked(&with(SECRET));
        assert_eq!((said.status, said.body.as_str()), (200, "GET /a?b curl "), "{protocol:?}");
        assert_eq!(server.tally().strangers(), 4);
    }
}

#[test]
fn the_secret_is_a_header_over_http() {
    let handling: Handling = Box::new(|head, _| {
        let text = format!("{:?}", head.headers.get("cloakroom-secret"));
        Box::pin(async move { Response::new(Payload::from(Bytes::from(text))) })
    });
    let server = Server::start(Protocol::Http, limits(Protocol::Http), Some(SECRET), handling);
    for (line, status) in
        [(String::new(), "500"), (format!("Cloakroom-Secret: {SECRET}\r\n"), "200"), ("Cloakroom-Secret: x\r\n".to_owned(), "500")]
    {
        let said = server.said(format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{line}\r\n").as_bytes());
        let said = String::from_utf8(said).unwrap();
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")) && (status == "500" || said.ends_with("None")), "{said}");
    }
}

#[test]
fn who_is_slow_to_ask_is_closed_and_who_says_nothing_too() {
    for (protocol, asks) in [(Protocol::FastCgi, fastcgi(1, 2, &ASKS)), (Protocol::Scgi, scgi(&ASKS))] {
        let limits = Limits { head: Duration::from_millis(200), ..limits(protocol) };
        let server = Server::start(protocol, limits, None, Box::new(echo));
        for sent in [0, 1, asks.len() - 1] {
            let mut stream = server.connect();
            stream.write_all(&asks[..sent]).unwrap();
            assert_eq!(rest(&mut stream), b"", "{protocol:?} {sent}");
        }
        assert_eq!(server.tally().timed_out(), 3);
    }
}

#[test]
fn who_does_not_take_an_answer_is_closed() {
    let endless: Handling = Box::new(|_, _| {
        let body = Bytes::from(vec![b'x'; 64 * 1024 * 1024]);
        Box::pin(async move { Response::new(Payload::from(body)) })
    });
    let limits = Limits { write: Duration::from_millis(200), ..limits(Protocol::Scgi) };
    let server = Server::start(Protocol::Scgi, limits, None, endless);
    let mut stream = server.connect();
    stream.write_all(&scgi(&ASKS)).unwrap();
    let (tally, began) = (server.tally(), Instant::now());
    while tally.timed_out() == 0 && began.elapsed() < PATIENCE {
        std::thread::yield_now();
    }
    assert_eq!(tally.timed_out(), 1);
}

#[test]
fn what_runs_ends_in_order_and_who_only_waits_is_closed() {
    for (protocol, asks) in [(Protocol::FastCgi, fastcgi(1, 2, &ASKS)), (Protocol::Scgi, scgi(&ASKS))] {
        let (began, begins) = mpsc::channel();
        let (release, released) = tokio::sync::watch::channel(false);
        let handling: Handling = Box::new(move |_, _| {
            let (began, mut released) = (began.clone(), released.clone());
            Box::pin(async move {
                began.send(()).unwrap();
                released.wait_for(|released| *released).await.unwrap();
                Response::new(Payload::from(Bytes::from_static(b"late")))
            })
        });
        let server = Server::start(protocol, limits(protocol), None, handling);
        let (mut waits, mut asked) = (server.connect(), server.connect());
        asked.write_all(&asks).unwrap();
        begins.recv_timeout(PATIENCE).unwrap();
        let scgi = protocol == Protocol::Scgi;
        let ended = std::thread::spawn(move || {
            // The idle one is closed while the other still runs.
            assert_eq!(rest(&mut waits), b"");
            release.send(true).unwrap();
            rest(&mut asked)
        });
        assert_eq!(server.drain(PATIENCE), 0, "nobody was cut");
        let said = ended.join().unwrap();
        let said = if scgi { said } else { output(&said) };
        assert!(said.ends_with(b"late"), "{}", said.escape_ascii());
    }
}
