//! One line of a report: what it may tell, and why it may not be understood. Which web server wrote it is seen at its start.

use std::fmt;

use super::{apache_line, nginx_line};
use crate::domain::account::Reported;
use crate::domain::client::Client;
use crate::domain::delivery::Report;
use crate::domain::id::RequestId;

/// A longer line is nobody's. What a client says in all is held by nginx's `large_client_header_buffers` (4 of 8 KiB, if
/// nobody changed it), and each byte of it is at most the six of `\u0001`; the rest of a line stays below 4 KiB. Apache
/// takes 8 KiB for a path (`LimitRequestLine`) and writes at most four bytes for each.
pub const LINE_BYTES_MAX: usize = 4 * 8 * 1024 * 6 + 4 * 1024;

/// So much of an agent is read, in characters: it tells clients apart.
const AGENT_CHARS_MAX: usize = 200;

/// Why a line is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// It is longer than [`LINE_BYTES_MAX`].
    TooLong,
    /// The file ended, for good, before the line did.
    Unfinished,
    /// It came by syslog, without the head that nginx writes before it.
    NotSyslog,
    /// It is not of the format, with each of its keys once; the words say what it is instead.
    NotTheFormat(String),
    /// It is of another version of this web server's format.
    AnotherVersion(WebServer),
    /// The value of this key is not what this web server writes there.
    Odd(WebServer, &'static str),
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the line has more than {LINE_BYTES_MAX} bytes"),
            Self::Unfinished => f.write_str("the file ends in the middle of the line"),
            Self::NotSyslog => f.write_str("it does not begin as nginx's lines to syslog do: `<190>Nov 21 23:02:12 cloakroom: `"),
            Self::NotTheFormat(why) => write!(f, "not a line of the shipped log_format: {why}"),
            Self::AnotherVersion(server) => {
                write!(f, "another version of the {}: `v` must be \"{}\"", server.word_for_format(), server.version())
            }
            Self::Odd(server, key) => write!(f, "`{key}` is not what {} writes there", server.name()),
        }
    }
}

impl std::error::Error for LineFault {}

/// Who writes lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebServer {
    /// By the `log_format`s of `conf-examples/nginx/cloakroom.conf`.
    Nginx,
    /// By the `LogFormat`s of `conf-examples/apache/log.conf`.
    Apache,
}

impl WebServer {
    /// Whose line this seems to be. Our Apache's begin in a way in which nothing else does.
    pub fn of(line: &[u8]) -> Self {
        if line.starts_with(apache_line::START) { Self::Apache } else { Self::Nginx }
    }

    /// Its name in a sentence.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "Apache",
        }
    }

    /// What its configuration calls the form of a line.
    pub const fn word_for_format(self) -> &'static str {
        match self {
            Self::Nginx => "log_format",
            Self::Apache => "LogFormat",
        }
    }

    const fn version(self) -> &'static str {
        match self {
            Self::Nginx => nginx_line::VERSION,
            Self::Apache => apache_line::VERSION,
        }
    }
}

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A request of a delivery.
    Delivery(Reported),
    /// A request in a public directory.
    Public(PublicReport),
}

/// A request in a public directory, which passed by us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicReport {
    /// The path that was asked for, decoded; without the slashes that stand behind slashes.
    pub path: String,
    /// Who logged in, where the directory asks for a password.
    pub user: Option<String>,
    /// The web server's name of the request.
    pub request: RequestId,
    /// What was sent.
    pub report: Report,
    /// Who asked.
    pub client: Client,
}

impl Told {
    /// What was sent.
    pub const fn report(&self) -> &Report {
        match self {
            Self::Delivery(reported) => &reported.report,
            Self::Public(public) => &public.report,
        }
    }
}

/// What `line`, without its line end, tells; `None` where it names neither a delivery nor a path. Bytes that are not UTF-8
/// are read as U+FFFD: what a client says of itself takes no line away.
pub fn read(line: &[u8]) -> Result<Option<Told>, LineFault> {
    if line.len() > LINE_BYTES_MAX {
        return Err(LineFault::TooLong);
    }
    match WebServer::of(line) {
        WebServer::Nginx => nginx_line::read(line),
        WebServer::Apache => apache_line::read(line),
    }
}

/// A part of a file: `bytes` bytes from `first` on, of `total`.
pub(super) struct Part {
    pub(super) first: u64,
    pub(super) bytes: u64,
    pub(super) total: u64,
}

impl Part {
    /// RFC 9110, 14.4, as web servers write it: `bytes 0-99/300`.
    fn parse(range: &str) -> Option<Self> {
        let (bounds, total) = range.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = bounds.split_once('-')?;
        let (first, last, total) = (number(first)?, number(last)?, number(total)?);
        (first <= last && last < total).then(|| Self { first, bytes: last - first + 1, total })
    }
}

/// What the head of an answer says of its body. What is not there is empty.
pub(super) struct Head<'a> {
    pub(super) status: u16,
    pub(super) method: &'a str,
    /// `Content-Range`.
    pub(super) range: &'a str,
    /// `Content-Length`.
    pub(super) length: &'a str,
    /// `Content-Encoding`.
    pub(super) encoding: &'a str,
    /// `Content-Type`.
    pub(super) media_type: &'a str,
}

impl Head<'_> {
    /// The one part of the file that the body is, if it is one; else the key whose value `server` does not write.
    pub(super) fn part(&self, server: WebServer) -> Result<Option<Part>, LineFault> {
        let plain = self.encoding.is_empty() && !is_multipart(self.media_type);
        if self.method != "GET" || !plain {
            return Ok(None);
        }
        match (self.status, self.range, self.length) {
            // A whole body without a length was rewritten on its way; of several parts each names its range inside the
            // body, and the head names none.
            (200, "", "") | (206, "", _) => Ok(None),
            (200, "", length) => {
                let total = number(length).ok_or(LineFault::Odd(server, "length"))?;
                Ok(Some(Part { first: 0, bytes: total, total }))
            }
            (200, ..) => Err(LineFault::Odd(server, "range")),
            (206, range, _) => Part::parse(range).map(Some).ok_or(LineFault::Odd(server, "range")),
            _ => Ok(None),
        }
    }
}

/// Without the slashes that stand behind slashes: where they are not merged, the web server tells of all, and opens the same
/// file.
pub(super) fn merged(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !merged.ends_with('/') {
            merged.push(letter);
        }
    }
    merged
}

/// The start of what a client calls itself.
pub(super) fn agent(said: &str) -> String {
    said.chars().take(AGENT_CHARS_MAX).collect()
}

fn is_multipart(media_type: &str) -> bool {
    media_type.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"))
}

/// Decimal digits.
pub(super) fn number(digits: &str) -> Option<u64> {
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// Three digits; `000` is an answer that never began.
pub(super) fn status(digits: &str) -> Option<u16> {
    (digits.len() == 3).then(|| number(digits)).flatten().and_then(|status| u16::try_from(status).ok())
}
