//! One line of a log that `conf-examples/apache/log.conf` makes Apache write: one object a line, version `apache-1`, every
//! value a string with Apache's own escapes, and `-` for what is not there.
//!
//! Four keys may name the delivery, as no single place keeps our header through all ways of an answer (measured with 2.4.71):
//! `delivery` is noted where a proxied answer goes on as a file, and outlives its 404 and 416; `sent` is the header that
//! left; `noted` is there for a 416 behind `ProxySCGIInternalRedirect`; `env` is set by a rewrite map. The first that is
//! there counts; two that differ are a fault.
//!
//! What was sent is told by `%X` and by `%O`, all bytes of the answer; `%B` is what was to be sent, of an aborted answer, too.
//! The head's size is nowhere told, so at least what is known of it is taken off: its first and last line, `Date`, and the
//! logged headers. What a line says is so never too little, and for an aborted answer too much by the rest of its head (some
//! hundred bytes), over TLS also by what encryption adds (22 bytes in 8,000) and the handshake (some KiB). That is harmless
//! within a file, where whoever resumes asks again for less than was sent, and lies on the safe side of budgets. It would be
//! wrong at the end of a file, so an answer that was not finished never covers the last byte of its part. HTTP/2 is what
//! `mod_http2` calls so (`http2`), as `protocol` is the client's own word:
//!
//! | protocol | `%X` | `%O` | means |
//! |---|---|---|---|
//! | HTTP/1 | `+` or `-` | head and body fit | finished |
//! | HTTP/1 | `+` or `-` | less | aborted |
//! | HTTP/1 | `X` | any | aborted: a timeout or a reset was seen before the last byte had left |
//! | HTTP/2 | any | head, body and the heads of frames fit | finished: `X` also stands where the client left at once after it had all |
//! | HTTP/2 | any | less | aborted |

use std::borrow::Cow;

use super::line::{Head, LineFault, PublicReport, Told, WebServer, agent, merged, number, status};
use crate::domain::account::Reported;
use crate::domain::client::Client;
use crate::domain::delivery::Report;
use crate::domain::id::RequestId;
use crate::domain::moment::Moment;
use crate::domain::path::hex;

/// How each line begins, and no other.
pub(super) const START: &[u8] = b"{\"v\":\"apache-";

/// The version of the format that is read.
pub(super) const VERSION: &str = "apache-1";

/// An HTTP/1 answer has at least `HTTP/1.1 200 `, `Date: Sun, 22 Nov 2026 19:12:00 GMT`, an empty line, and the line ends.
const HEAD_BYTES_MIN: u64 = 15 + 37 + 2;

/// What an HTTP/2 frame has before its payload (RFC 9113, 4.1).
const FRAME_HEAD_BYTES: u64 = 9;

/// The head of an answer is at least a frame with `:status`.
const HEAD_FRAME_BYTES_MIN: u64 = FRAME_HEAD_BYTES + 1;

/// Apache (nghttp2) puts at most so much of a body into a frame.
const FRAME_BYTES_MAX: u64 = 16 * 1024;

/// The keys that may name a delivery; the first that is there counts.
const DELIVERY: [&str; 4] = ["delivery", "sent", "noted", "env"];

/// More keys than any version of the format has.
const KEYS_MAX: usize = 64;

/// Keys and their values as Apache wrote them, each key once.
struct Line<'a>(Vec<(&'a [u8], &'a [u8])>);

/// What `line`, without its line end, tells; `None` where it names neither a delivery nor a path.
pub(super) fn read(line: &[u8]) -> Result<Option<Told>, LineFault> {
    let line = Line::split(line)?;
    if line.text("v")? != VERSION {
        return Err(LineFault::AnotherVersion(WebServer::Apache));
    }
    let delivery = line.delivery()?;
    if delivery.is_empty() {
        return match (line.raw("path"), line.raw("delivery")) {
            (Some(path), _) if is_there(path) => line.public().map(Told::Public).map(Some),
            (None, None) => Err(not_the_format("it has neither `delivery` nor `path`")),
            _ => Ok(None),
        };
    }
    let delivery = delivery.parse().map_err(|_| odd("delivery"))?;
    Ok(Some(Told::Delivery(Reported { delivery, request: line.request()?, report: line.report()?, seen: None })))
}

/// Who asked how for which delivery, of a line that [`read`] understood: delivery, method, client.
pub(super) fn asked(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let line = Line::split(line).ok()?;
    let delivery = DELIVERY.into_iter().find_map(|key| line.raw(key).filter(|value| is_there(value)))?;
    Some((delivery, line.raw("method")?, line.raw("client").unwrap_or_default()))
}

impl<'a> Line<'a> {
    /// Finds keys and values. A quote in a value is escaped, but for one oddity: a user without a name is written as `""`.
    fn split(line: &'a [u8]) -> Result<Self, LineFault> {
        let mut pairs: Vec<(&[u8], &[u8])> = Vec::with_capacity(24);
        let mut rest = line.strip_prefix(b"{").ok_or_else(|| not_the_format("it does not begin with `{`"))?;
        loop {
            let (key, value, after) = pair(rest).ok_or_else(|| not_the_format("a key or a value has no end"))?;
            if pairs.iter().any(|(known, _)| *known == key) {
                return Err(not_the_format("a key stands there twice"));
            }
            pairs.push((key, value));
            match after.split_first() {
                Some((b',', after)) if pairs.len() < KEYS_MAX => rest = after,
                Some((b'}', [])) => return Ok(Self(pairs)),
                _ => return Err(not_the_format("a value is followed by something else than `,` or the end `}`")),
            }
        }
    }

    fn raw(&self, key: &str) -> Option<&'a [u8]> {
        self.0.iter().find(|(known, _)| *known == key.as_bytes()).map(|(_, value)| *value)
    }

    /// The value of a key that may be missing, read back; empty where it is not there.
    fn optional(&self, key: &'static str) -> Result<Cow<'a, str>, LineFault> {
        match self.raw(key).filter(|value| is_there(value)) {
            Some(value) => unescaped(value).ok_or(odd(key)),
            None => Ok(Cow::Borrowed("")),
        }
    }

    /// The value of a key that every line has.
    fn text(&self, key: &'static str) -> Result<Cow<'a, str>, LineFault> {
        if self.raw(key).is_none() {
            return Err(not_the_format(&format!("`{key}` is missing")));
        }
        self.optional(key)
    }

    fn number(&self, key: &'static str) -> Result<u64, LineFault> {
        number(&self.text(key)?).ok_or(odd(key))
    }

    fn delivery(&self) -> Result<Cow<'a, str>, LineFault> {
        let mut found = Cow::Borrowed("");
        for key in DELIVERY {
            let named = self.optional(key)?;
            if !found.is_empty() && !named.is_empty() && named != found {
                return Err(odd(key));
            }
            if found.is_empty() {
                found = named;
            }
        }
        Ok(found)
    }

    fn request(&self) -> Result<RequestId, LineFault> {
        RequestId::parse(&self.text("request")?).ok_or(odd("request"))
    }

    fn public(&self) -> Result<PublicReport, LineFault> {
        let address = self.text("client")?.parse().map_err(|_| odd("client"))?;
        Ok(PublicReport {
            path: merged(&self.text("path")?),
            user: Some(self.optional("user")?).filter(|user| !user.is_empty()).map(Cow::into_owned),
            request: self.request()?,
            report: self.report()?,
            client: Client::new(address, agent(&self.optional("agent")?)),
        })
    }

    fn report(&self) -> Result<Report, LineFault> {
        let ended = Moment::from_millis(self.number("time")?);
        let status = match &*self.text("status")? {
            // The answer never began.
            "" => 0,
            digits => status(digits).ok_or(odd("status"))?,
        };
        let is_aborted = match self.raw("end") {
            Some(b"X") => true,
            // Whether the connection stays open.
            Some(b"+" | b"-") => false,
            _ => return Err(odd("end")),
        };
        let (out, body) = (self.number("out")?, self.number("body")?);
        let (method, range, length) = (self.text("method")?, self.text("range")?, self.text("length")?);
        let (encoding, media_type) = (self.text("encoding")?, self.text("type")?);
        let head = Head { status, method: &method, range: &range, length: &length, encoding: &encoding, media_type: &media_type };
        let frame = match &*self.optional("http2")? {
            "on" => Frame::Http2,
            _ => Frame::http1(&self.text("protocol")?, &head, &self.optional("sent")?),
        };
        let sent = Sent { out, frame };
        let Some(part) = head.part(WebServer::Apache)? else {
            // HEAD sends no body, whatever it says of its length.
            let bytes = if method == "HEAD" { 0 } else { sent.body_max().min(body) };
            return Ok(Report { ended, status, bytes, finished: !is_aborted, from: None });
        };
        let finished = sent.has_room_for(part.bytes) && (!is_aborted || sent.frame.is_http2());
        let bytes = if finished { part.bytes } else { sent.body_max().min(body).min(part.bytes.saturating_sub(1)) };
        Ok(Report { ended, status, bytes, finished, from: Some((part.first, part.total)) })
    }
}

/// What is sent around a body.
enum Frame {
    /// A head of at least so many bytes. A body without length is chunked, which adds to it, and that is not taken off.
    Http1(u64),
    /// Frames.
    Http2,
}

impl Frame {
    /// Of an answer that HTTP/2 did not carry, whatever the client called it: Apache takes `HTTP/2.0` in a request line.
    fn http1(protocol: &str, head: &Head<'_>, delivery: &str) -> Self {
        // Such an answer is a body and nothing else.
        if protocol == "HTTP/0.9" {
            return Self::Http1(0);
        }
        let headers = [
            ("Content-Range", head.range),
            ("Content-Length", head.length),
            ("Content-Encoding", head.encoding),
            ("Content-Type", head.media_type),
            ("Cloakroom-Delivery", delivery),
        ];
        let lines = headers.into_iter().filter(|(_, value)| !value.is_empty());
        // `: ` and the line end.
        let bytes: usize = lines.map(|(name, value)| name.len() + value.chars().count() + 4).sum();
        Self::Http1(HEAD_BYTES_MIN + u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    const fn is_http2(&self) -> bool {
        matches!(self, Self::Http2)
    }
}

/// All bytes of an answer.
struct Sent {
    out: u64,
    frame: Frame,
}

impl Sent {
    /// Whether a body of so many bytes, with what is known to stand around it, may be among them.
    fn has_room_for(&self, body: u64) -> bool {
        let around = match self.frame {
            Frame::Http1(head) => head,
            Frame::Http2 => HEAD_FRAME_BYTES_MIN.saturating_add(body.div_ceil(FRAME_BYTES_MAX).saturating_mul(FRAME_HEAD_BYTES)),
        };
        self.out >= body.saturating_add(around)
    }

    /// How many bytes of a body are among them at most.
    fn body_max(&self) -> u64 {
        match self.frame {
            Frame::Http1(head) => self.out.saturating_sub(head),
            Frame::Http2 => {
                let frames = self.out.saturating_sub(HEAD_FRAME_BYTES_MIN);
                frames.saturating_sub(frames.div_ceil(FRAME_HEAD_BYTES + FRAME_BYTES_MAX).saturating_mul(FRAME_HEAD_BYTES))
            }
        }
    }
}

/// A key, its value, and what follows: `"key":"value"…`.
fn pair(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let (key, text) = text.split_at_checked(text.iter().position(|&byte| byte == b'"')?)?;
    let text = text.strip_prefix(b"\":\"")?;
    if let Some(after) = text.strip_prefix(b"\"\"\"") {
        return Some((key, &[], after));
    }
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some((key, text.get(..at)?, text.get(at + 1..)?));
        }
        // A backslash and what it escapes.
        at += 2;
    }
}

fn is_there(value: &[u8]) -> bool {
    !value.is_empty() && value != b"-"
}

/// Takes back what Apache's `ap_escape_logitem` did: `\"`, `\\`, C's letters for control characters, and `\xhh` for all other
/// bytes that are not printable ASCII. `None` where it wrote something else.
fn unescaped(value: &[u8]) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'\\', value).is_none() {
        return Some(String::from_utf8_lossy(value));
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.iter();
    while let Some(&byte) = rest.next() {
        let byte = match byte {
            b'\\' => match rest.next()? {
                b'b' => 0x08,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0b,
                b'x' => hex(rest.next().copied(), rest.next().copied())?,
                same @ (b'"' | b'\\') => *same,
                _ => return None,
            },
            byte => byte,
        };
        bytes.push(byte);
    }
    Some(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
}

const fn odd(key: &'static str) -> LineFault {
    LineFault::Odd(WebServer::Apache, key)
}

fn not_the_format(why: &str) -> LineFault {
    LineFault::NotTheFormat(why.to_owned())
}

#[cfg(test)]
mod tests;
