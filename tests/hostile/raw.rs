//! Bytes over a socket, and whatever comes back.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longer than any web server waits for whom it asks: `mod_authnz_fcgi` 30 seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// An answer, however broken.
#[derive(Debug)]
pub struct Raw {
    /// 0 where nothing that looks like an answer came.
    pub status: u16,
    pub head: String,
    /// Everything that came, head and body.
    pub bytes: Vec<u8>,
}

impl Raw {
    /// The only value of a header.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.head.lines().filter_map(|line| line.split_once(':')).filter(|(there, _)| there.eq_ignore_ascii_case(name));
        let first = values.next().map(|(_, value)| value.trim());
        assert_eq!(values.next(), None, "{name} is there twice: {}", self.head);
        first
    }
}

/// Sends `GET target`, with `headers` after `Host`; each ends with CR LF. What follows an empty line in them is a body.
pub fn ask(port: u16, target: &[u8], headers: &str) -> Raw {
    let end = if headers.contains("\r\n\r\n") { "" } else { "\r\n" };
    let head = [b"GET ", target, b" HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n", headers.as_bytes(), end.as_bytes()].concat();
    send(port, &head)
}

/// Sends these bytes to nginx.
pub fn send(port: u16, request: &[u8]) -> Raw {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    exchange(stream, request)
}

/// Sends these bytes to a socket, as a web server would.
pub fn ask_socket(path: &Path, request: &[u8]) -> Raw {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    exchange(stream, request)
}

fn exchange(mut stream: impl Read + Write, request: &[u8]) -> Raw {
    // A server may answer and close before it has read what it does not like.
    let _ = stream.write_all(request);
    let mut bytes = vec![];
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut rest = text.as_str();
    loop {
        let (head, body) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|line| line.get(..3)?.parse().ok()).unwrap_or(0);
        if (100..200).contains(&status) {
            rest = body;
            continue;
        }
        return Raw { status, head: head.to_owned(), bytes };
    }
}
