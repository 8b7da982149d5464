//! One line of an access log in a format that web servers have from the start: "combined" and "common" of nginx and
//! Apache, Apache's `vhost_combined`, and ours.
//!
//! ```text
//! 203.0.113.9 - - [21/Nov/2026:23:02:10 +0000] "GET /a.zip?t=1 HTTP/1.1" 206 1000 "https://…" "curl/7.88"
//! ```
//!
//! nginx writes a quote inside as `\x22`, Apache as `\"`; either way the first quote after a bracket begins the request.

use std::fmt;

use memchr::{memchr, memmem, memrchr};
use serde::Deserialize;

use super::time;
use crate::domain::audit::{Hit, Method, Part, Sent};
use crate::feed::apache_line;
use crate::feed::line::{self as report, Told, WebServer};

/// A longer line is nobody's: web servers take request lines and headers of 8 KiB each.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// What stands for the file in our own log, which names none.
pub const OWN_FILE: &[u8] = b"(Cloakroom's log names no files)";

/// Why a line is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// It is longer than [`LINE_BYTES_MAX`].
    TooLong,
    /// It does not have this.
    Lacks(&'static str),
    /// This is not what a web server writes there.
    Odd(&'static str),
    /// It begins as a line of ours and is none.
    Ours(report::LineFault),
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "it has more than {LINE_BYTES_MAX} bytes"),
            Self::Lacks(what) => write!(f, "it has no {what}"),
            Self::Odd(what) => write!(f, "its {what} is not what a web server writes there"),
            Self::Ours(fault) => write!(f, "{fault}"),
        }
    }
}

impl std::error::Error for LineFault {}

/// What `line`, without its line end, tells; `None` where it is a line of ours about no download.
pub fn read(line: &[u8]) -> Result<Option<Hit<'_>>, LineFault> {
    if line.len() > LINE_BYTES_MAX {
        return Err(LineFault::TooLong);
    }
    if line.first() == Some(&b'{') { ours(line) } else { usual(line).map(Some) }
}

/// The usual formats, whose order is the same.
fn usual(line: &[u8]) -> Result<Hit<'_>, LineFault> {
    const NO_TIME: LineFault = LineFault::Lacks("time in brackets with a quoted request behind it");
    let end = time_end(line).ok_or(NO_TIME)?;
    let (head, rest) = line.split_at_checked(end).ok_or(NO_TIME)?;
    let start = memrchr(b'[', head).ok_or(NO_TIME)?;
    let at = head.get(start + 1..).and_then(time::local).ok_or(LineFault::Odd("time"))?;
    let (host, client) = who(head.get(..start).unwrap_or_default()).ok_or(LineFault::Lacks("client before its time"))?;
    let (request, rest) = rest.get(3..).and_then(quoted).ok_or(LineFault::Lacks("end of the request's quote"))?;
    let mut words = rest.split(|&byte| byte == b' ').skip(1);
    let status = words.next().and_then(status).ok_or(LineFault::Odd("status"))?;
    let sent = words.next().and_then(sent).ok_or(LineFault::Odd("number of bytes"))?;
    let (method, path, query) = request_parts(request);
    Ok(Hit { at, host, path, query, client, agent: agent(rest), delivery: None, method, status, sent, part: None })
}

/// Where the bracket closes that stands before the request.
fn time_end(line: &[u8]) -> Option<usize> {
    let first = memchr(b'"', line)?;
    match first.checked_sub(2) {
        Some(end) if line.get(end..first) == Some(b"] ") => Some(end),
        // Apache writes an empty user name as `""`.
        _ => memmem::find(line, b"] \""),
    }
}

/// Host and client from what stands before the time: `client ident user`, behind `host:port` in `vhost_combined`.
fn who(head: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut words = head.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let first = words.next()?;
    if is_address(first) {
        return Some((b"", first));
    }
    match words.next() {
        Some(second) if is_address(second) => {
            let port = memrchr(b':', first).filter(|&at| first.get(at + 1..).is_some_and(|port| port.iter().all(u8::is_ascii_digit)));
            Some((first.get(..port.unwrap_or(first.len()))?, second))
        }
        // A name that the web server looked up, or nginx's `unix:`.
        Some(_) => Some((b"", first)),
        None => None,
    }
}

fn is_address(word: &[u8]) -> bool {
    let v4 = word.first().is_some_and(u8::is_ascii_digit) && memchr(b'.', word).is_some();
    let likely = v4 || memchr(b':', word).is_some();
    likely && std::str::from_utf8(word).is_ok_and(|word| word.parse::<std::net::IpAddr>().is_ok())
}

/// What stands before the quote that ends, and what stands behind it. Apache escapes `"` and `\` by a backslash.
pub(super) fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let end = from + memchr(b'"', text.get(from..)?)?;
        let inside = text.get(..end)?;
        let backslashes = inside.iter().rev().take_while(|&&byte| byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Some((inside, text.get(end + 1..)?));
        }
        from = end + 1;
    }
}

/// The second quoted text behind the numbers; empty where there is none.
fn agent(rest: &[u8]) -> &[u8] {
    let second = || {
        let from = memchr(b'"', rest)?;
        let (_, behind) = quoted(rest.get(from + 1..)?)?;
        let from = memchr(b'"', behind)?;
        quoted(behind.get(from + 1..)?)
    };
    second().map_or(b"", |(agent, _)| agent)
}

/// Method, path and query of a request line. What is no request line (`-`, the bytes of TLS) has no path.
pub(super) fn request_parts(request: &[u8]) -> (Method, &[u8], Option<&[u8]>) {
    let Some(first) = memchr(b' ', request) else { return (Method::Other, b"", None) };
    let target = request.get(first + 1..).unwrap_or_default();
    let end = memrchr(b' ', target).filter(|&at| target.get(at + 1..).is_some_and(|last| last.starts_with(b"HTTP/")));
    let (path, query) = target_parts(target.get(..end.unwrap_or(target.len())).unwrap_or_default());
    (Method::of(request.get(..first).unwrap_or_default()), path, query)
}

/// Path and query of a target, also of one with scheme and host in front.
pub(super) fn target_parts(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    let target = match target.first() {
        Some(b'/') | None => target,
        Some(_) => after_host(target).unwrap_or_default(),
    };
    match memchr(b'?', target) {
        Some(at) => (target.get(..at).unwrap_or_default(), target.get(at + 1..)),
        None => (target, None),
    }
}

fn after_host(target: &[u8]) -> Option<&[u8]> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
    })?;
    rest.get(memchr(b'/', rest)?..)
}

/// Three digits.
pub(super) fn status(word: &[u8]) -> Option<u16> {
    (word.len() == 3).then(|| number(word)).flatten().and_then(|status| u16::try_from(status).ok())
}

/// A number, or `-`.
pub(super) fn sent(word: &[u8]) -> Option<Sent> {
    if word == b"-" { Some(Sent::Dash) } else { number(word).map(Sent::Bytes) }
}

/// Digits only, within 64 bits.
pub(super) fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// RFC 9110, 14.4: `bytes 0-99/300`.
pub(super) fn content_range(text: &[u8]) -> Option<Part> {
    let text = text.strip_prefix(b"bytes ")?;
    let (bounds, total) = text.split_at_checked(memchr(b'/', text)?)?;
    let (first, last) = bounds.split_at_checked(memchr(b'-', bounds)?)?;
    let (first, last, total) = (number(first)?, number(last.get(1..)?)?, number(total.get(1..)?)?);
    (first <= last && last < total).then(|| Part { first, end: last + 1, total })
}

/// What our own format tells beside its report.
#[derive(Deserialize)]
struct Asked<'a> {
    delivery: &'a str,
    method: &'a str,
    client: &'a str,
}

impl<'a> Asked<'a> {
    fn by_apache(line: &'a [u8]) -> Option<Self> {
        let (delivery, method, client) = apache_line::asked(line)?;
        let text = |bytes| std::str::from_utf8(bytes).ok();
        Some(Self { delivery: text(delivery)?, method: text(method)?, client: text(client)? })
    }
}

fn ours(line: &[u8]) -> Result<Option<Hit<'_>>, LineFault> {
    let Some(Told::Delivery(reported)) = report::read(line).map_err(LineFault::Ours)? else { return Ok(None) };
    let not_the_format = |why: String| LineFault::Ours(report::LineFault::NotTheFormat(why));
    let asked = match WebServer::of(line) {
        WebServer::Nginx => serde_json::from_slice(line).map_err(|fault| not_the_format(fault.to_string()))?,
        WebServer::Apache => Asked::by_apache(line).ok_or_else(|| not_the_format("it does not say who asked".to_owned()))?,
    };
    let report = reported.report;
    Ok(Some(Hit {
        at: report.ended.seconds(),
        host: b"",
        path: OWN_FILE,
        query: None,
        client: asked.client.as_bytes(),
        agent: b"",
        delivery: Some(asked.delivery.as_bytes()),
        method: Method::of(asked.method.as_bytes()),
        status: report.status,
        sent: Sent::Bytes(report.bytes),
        part: report.from.map(|(first, total)| Part { first, end: first.saturating_add(report.bytes).min(total), total }),
    }))
}

#[cfg(test)]
mod tests;
