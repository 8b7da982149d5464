//! One request for a file, as an access log tells it.

use std::net::IpAddr;

/// A line of an access log, as far as downloads need it. Everything in it was written by a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit<'a> {
    /// When the answer ended, in seconds since 1970-01-01 UTC.
    pub at: u64,
    /// The site, where the log names it; else empty.
    pub host: &'a [u8],
    /// The path as the client wrote it, without the query.
    pub path: &'a [u8],
    /// What stood behind the `?`.
    pub query: Option<&'a [u8]>,
    /// The client as the log names it: mostly an address.
    pub client: &'a [u8],
    /// What the client calls itself; empty where the log does not say.
    pub agent: &'a [u8],
    /// What joins the requests of one download where the log itself says it; then client and agent do not decide.
    pub delivery: Option<&'a [u8]>,
    /// How it was asked for.
    pub method: Method,
    /// The answer's status; 0 where none was sent.
    pub status: u16,
    /// The log's number of bytes.
    pub sent: Sent,
    /// Which part of the file the body is, where the log tells it.
    pub part: Option<Part>,
}

/// The methods that matter for downloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Asks for the file.
    Get,
    /// Asks about the file.
    Head,
    /// Anything else.
    Other,
}

impl Method {
    /// The method as it stands in a request.
    pub fn of(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            _ => Self::Other,
        }
    }
}

/// A column of sent bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// A number.
    Bytes(u64),
    /// `-`: none; so write Apache's `%b` and lighttpd.
    Dash,
}

impl Sent {
    /// The number; a dash is none.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Dash => 0,
        }
    }
}

/// A body that is the bytes from `first` up to, not including, `end` of a file of `total` bytes, as far as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The place of its first byte.
    pub first: u64,
    /// The place behind its last byte.
    pub end: u64,
    /// The file's size.
    pub total: u64,
}

/// What an answer means for downloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 200 to a GET: from the first byte on.
    Whole,
    /// 206 to a GET: a range.
    Part,
    /// Any answer to HEAD.
    Head,
    /// 304: the client has it already.
    NotModified,
    /// 416: a range behind the file's end; resuming a finished download ends so.
    NotSatisfiable,
    /// Another 3xx.
    Redirected,
    /// Another 4xx.
    Refused,
    /// 5xx.
    Failed,
    /// Other methods, and answers that never began.
    Other,
}

impl Hit<'_> {
    /// What the answer means.
    pub const fn kind(&self) -> Kind {
        match (self.method, self.status) {
            (Method::Head, _) => Kind::Head,
            (Method::Get, 200) => Kind::Whole,
            (Method::Get, 206) => Kind::Part,
            (Method::Get, 304) => Kind::NotModified,
            (Method::Get, 416) => Kind::NotSatisfiable,
            (Method::Get, 300..400) => Kind::Redirected,
            // nginx's own: the client went before there was an answer.
            (Method::Get, 499) => Kind::Other,
            (Method::Get, 400..500) => Kind::Refused,
            (Method::Get, 500..600) => Kind::Failed,
            _ => Kind::Other,
        }
    }

    /// The network that the client belongs to: /24 of IPv4, /56 of IPv6; a client without an address is one of its own.
    pub fn network(&self) -> u64 {
        let address = std::str::from_utf8(self.client).ok().and_then(|text| text.parse::<IpAddr>().ok());
        network(address).unwrap_or_else(|| super::digest(self.client) | NAMED)
    }
}

/// Marks of the two upper bits, so that networks of different kinds are never the same number.
const NAMED: u64 = 1 << 63;
const IPV4: u64 = 1 << 62;

/// The 24 first bits of an IPv4 address, the 56 first of an IPv6 one.
fn network(address: Option<IpAddr>) -> Option<u64> {
    match address?.to_canonical() {
        IpAddr::V4(address) => Some(IPV4 | u64::from(address.to_bits() >> 8)),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 72).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(client: &'static str) -> Hit<'static> {
        Hit {
            at: 0,
            host: b"",
            path: b"/a.zip",
            query: None,
            client: client.as_bytes(),
            agent: b"",
            delivery: None,
            method: Method::Get,
            status: 200,
            sent: Sent::Bytes(0),
            part: None,
        }
    }

    #[test]
    fn addresses_of_one_network_are_one_network() {
        for (one, other, same) in [
            ("203.0.113.9", "203.0.113.200", true),
            ("203.0.113.9", "203.0.114.9", false),
            ("::ffff:203.0.113.9", "203.0.113.1", true),
            ("2001:db8:0:aa01::1", "2001:db8:0:aaff::2", true),
            ("2001:db8:0:aa01::1", "2001:db8:0:ab01::1", false),
            ("::1", "0.0.0.1", false),
            ("dial-1.example", "dial-1.example", true),
            ("dial-1.example", "dial-2.example", false),
            ("unix:", "-", false),
        ] {
            assert_eq!(hit(one).network() == hit(other).network(), same, "{one} {other}");
        }
    }

    #[test]
    fn only_200_and_206_to_a_get_bring_bytes_of_the_file() {
        for (method, status, kind) in [
            ("GET", 200, Kind::Whole),
            ("GET", 206, Kind::Part),
            ("HEAD", 200, Kind::Head),
            ("HEAD", 404, Kind::Head),
            ("GET", 304, Kind::NotModified),
            ("GET", 416, Kind::NotSatisfiable),
            ("GET", 302, Kind::Redirected),
            ("GET", 404, Kind::Refused),
            ("GET", 499, Kind::Other),
            ("GET", 503, Kind::Failed),
            ("POST", 200, Kind::Other),
            ("get", 200, Kind::Other),
            ("GET", 0, Kind::Other),
            ("GET", 999, Kind::Other),
        ] {
            let hit = Hit { method: Method::of(method.as_bytes()), status, ..hit("::1") };
            assert_eq!(hit.kind(), kind, "{method} {status}");
        }
    }
}
