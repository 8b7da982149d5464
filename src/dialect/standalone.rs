//! Nobody in front: the client itself asks, over TCP, and gets the bytes from us.
//!
//! The request's own target is the only address, the other end of the connection the only client: whatever the client
//! writes into forwarding headers is not read. (A `#` and what follows it never is part of a target: the HTTP layer
//! drops it, and there is no second reader who could see it differently.)

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;

use crate::domain::file::Version;
use crate::domain::file_name::content_disposition;
use crate::domain::id::{DeliveryId, RequestId};
use crate::domain::path::CanonicalPath;
use crate::domain::question::Kind;
use crate::domain::range::{Part, Range};
use crate::domain::refusal::Refusal;

use super::answer::{DELIVERY, Head, passed_on};
use super::headers::{Heard, Sender, Told, method, path_and_query};
use super::{Answer, Asked, Malformed, Say};

/// Reads what a client asks: always for a download. What does not lie under `public_path` is refused with `no_rule`,
/// as browsers ask for icons and robots for their file.
pub(super) fn read(head: &Parts, public_path: &str, peer: Option<IpAddr>, request: RequestId) -> Result<Asked, Malformed> {
    let malformed = |reason: String| Malformed { kind: Kind::Download, reason, request: Some(request.clone()) };
    let lines = Heard::listen(&head.headers, Sender::Client).map_err(malformed)?;
    let address =
        peer.ok_or_else(|| malformed("the connection has no address; without a web server in front it must be TCP".to_owned()))?;
    let target = head.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    let (path, query) = path_and_query(target);
    let path = CanonicalPath::parse(path).map_err(|fault| malformed(fault.to_string()))?;
    if !path.encoded().starts_with(public_path) {
        return Ok(Asked::Refused { refusal: Refusal::NoRule, request, wants_page: lines.wants_page(), language: lines.language() });
    }
    let range = if lines.if_range.is_some() { Range::Whole } else { sole_part(&head.headers) };
    let method = method(head.method.as_str());
    Ok(Asked::Question(lines.question(Told { kind: Kind::Download, request, method, path, query, address, range })))
}

/// Says `say` to a client. A hand-off is for web servers: the bytes follow [`stream_head`] instead.
pub(super) fn write(_: Kind, say: Say<'_>) -> Answer {
    passed_on(say)
}

/// How the bytes of a file begin to travel: status and headers, `Content-Length` among them, and which bytes follow.
/// The answer to HEAD is the same without the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamHead {
    /// 200, 206 or 416.
    pub status: u16,
    /// All headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The first byte to send.
    pub first: u64,
    /// How many bytes to send.
    pub length: u64,
}

/// Decides which bytes of `version` a request with these headers gets, and how that is said.
///
/// `range` is what was asked and reserved: one part gives 206. Under `If-Range` the whole is reserved, and a part is sent
/// if the condition is the version's own entity tag; a date, or two of them, do not hold. A part of which nothing lies
/// inside gives 416. `None` for several parts, which are never asked for, and when the version or the name cannot be
/// put into headers.
pub fn stream_head(range: &Range, headers: &HeaderMap, version: &Version, name: &str, delivery: Option<DeliveryId>) -> Option<StreamHead> {
    let size = version.size;
    let range = if holds(headers, version) { &sole_part(headers) } else { range };
    let (status, first, length) = match range {
        Range::Whole => (200, 0, size),
        Range::Parts(parts) => {
            let [part] = parts.as_slice() else { return None };
            bytes_of(*part, size).map_or((416, 0, 0), |(first, length)| (206, first, length))
        }
    };
    let content_range = match status {
        206 => Some(format!("bytes {first}-{}/{size}", first.saturating_add(length).saturating_sub(1))),
        416 => Some(format!("bytes */{size}")),
        _ => None,
    };
    let head = Head::new(status, 9)
        .text(header::CONTENT_LENGTH, length.to_string())
        .fixed(header::ACCEPT_RANGES, "bytes")
        .maybe(header::CONTENT_RANGE, content_range)
        .text(header::CONTENT_TYPE, version.media_type.as_str())
        .text(header::CONTENT_DISPOSITION, content_disposition(name))
        .text(header::ETAG, version.etag.as_str())
        .fixed(header::CACHE_CONTROL, "private, no-store")
        .fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .maybe(DELIVERY, delivery.map(|delivery| delivery.to_string()));
    Some(StreamHead { status, headers: head.headers()?, first, length })
}

/// Whether there is one `If-Range`, and it is the version's own entity tag.
fn holds(headers: &HeaderMap, version: &Version) -> bool {
    let mut conditions = headers.get_all(header::IF_RANGE).iter();
    let condition = conditions.next().is_some_and(|tag| tag.as_bytes() == version.etag.as_bytes());
    condition && conditions.next().is_none()
}

/// The only reading of `Range`, for what is reserved and for what is sent: one part, or the whole file for everything
/// else. Several parts are the whole, which a client has to understand anyway.
fn sole_part(headers: &HeaderMap) -> Range {
    let mut ranges = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (ranges.next(), ranges.next()) else { return Range::Whole };
    match Range::parse(value.to_str().ok(), false) {
        Range::Parts(parts) if parts.len() == 1 => Range::Parts(parts),
        _ => Range::Whole,
    }
}

/// First byte and length of `part` in a file of `size` bytes; `None` when nothing of it lies inside.
fn bytes_of(part: Part, size: u64) -> Option<(u64, u64)> {
    let (first, end) = match part {
        Part::From(first) => (first, size),
        Part::Between(first, last) => (first, last.saturating_add(1).min(size)),
        Part::Last(count) => (size.saturating_sub(count), size),
    };
    let length = end.checked_sub(first)?;
    (length > 0).then_some((first, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::moment::Moment;

    fn head(size: u64, lines: &[(&str, &str)]) -> StreamHead {
        let version = Version { size, modified: Moment::EPOCH, etag: "\"v1\"".to_owned(), media_type: "application/zip".to_owned() };
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).expect("a name"), HeaderValue::try_from(*value).expect("a value"));
        }
        let range = if headers.contains_key(header::IF_RANGE) { Range::Whole } else { sole_part(&headers) };
        stream_head(&range, &headers, &version, "a.zip", None).expect("a head")
    }

    #[test]
    fn one_range_is_sent_as_asked_and_all_else_as_the_whole_file() {
        for (lines, size, status, first, length, content_range) in [
            (&[][..], 10, 200, 0, 10, None),
            (&[][..], 0, 200, 0, 0, None),
            (&[("range", "bytes=0-")][..], 10, 206, 0, 10, Some("bytes 0-9/10")),
            (&[("range", "bytes=3-5")], 10, 206, 3, 3, Some("bytes 3-5/10")),
            (&[("range", "bytes=3-99")], 10, 206, 3, 7, Some("bytes 3-9/10")),
            (&[("range", "bytes=9-18446744073709551615")], 10, 206, 9, 1, Some("bytes 9-9/10")),
            (&[("range", "bytes=-4")], 10, 206, 6, 4, Some("bytes 6-9/10")),
            (&[("range", "bytes=-99")], 10, 206, 0, 10, Some("bytes 0-9/10")),
            (&[("range", "bytes=10-")], 10, 416, 0, 0, Some("bytes */10")),
            (&[("range", "bytes=12-20")], 10, 416, 0, 0, Some("bytes */10")),
            (&[("range", "bytes=-0")], 10, 416, 0, 0, Some("bytes */10")),
            (&[("range", "bytes=0-")], 0, 416, 0, 0, Some("bytes */0")),
            (&[("range", "bytes=5-4")], 10, 200, 0, 10, None),
            (&[("range", "bytes=0-1,3-4")], 10, 200, 0, 10, None),
            (&[("range", "items=0-1")], 10, 200, 0, 10, None),
            (&[("range", "bytes=0-1"), ("range", "bytes=3-4")], 10, 200, 0, 10, None),
            (&[("range", "bytes=3-5"), ("if-range", "\"v1\"")], 10, 206, 3, 3, Some("bytes 3-5/10")),
            (&[("range", "bytes=3-5"), ("if-range", "W/\"v1\"")], 10, 200, 0, 10, None),
            (&[("range", "bytes=3-5"), ("if-range", "\"v2\"")], 10, 200, 0, 10, None),
            (&[("range", "bytes=3-5"), ("if-range", "Thu, 01 Jan 1970 00:00:00 GMT")], 10, 200, 0, 10, None),
            (&[("range", "bytes=3-5"), ("if-range", "\"v1\""), ("if-range", "\"v1\"")], 10, 200, 0, 10, None),
        ] {
            let head = head(size, lines);
            assert_eq!((head.status, head.first, head.length), (status, first, length), "{lines:?}");
            let said = |name: HeaderName| head.headers.iter().find(|(known, _)| *known == name).and_then(|(_, value)| value.to_str().ok());
            assert_eq!(said(header::CONTENT_RANGE), content_range, "{lines:?}");
            assert_eq!(said(header::CONTENT_LENGTH), Some(length.to_string().as_str()), "{lines:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_header_is_not_sent() {
        let version = Version { size: 1, modified: Moment::EPOCH, etag: "\"a\r\nb\"".to_owned(), media_type: "text/plain".to_owned() };
        assert_eq!(stream_head(&Range::Whole, &HeaderMap::new(), &version, "a", None), None);
    }
}
