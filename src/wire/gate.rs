//! What HTTP, or the parser, lets pass and we do not: each is a known way to make two servers read one request
//! differently.
//!
//! The parser itself refuses bad tokens, line folding, white space before a colon, versions other than 1.x, contradicting
//! lengths (400), more than 100 headers or a head beyond [`super::limits::HEAD_BYTES_MAX`] (431).

use std::net::Ipv6Addr;

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode, Version};

use super::limits::{HEADERS_MAX, TARGET_BYTES_MAX};

/// Why a request is not let in. The connection is closed after the answer, since what follows may be part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// 400, 414 or 431.
    pub status: StatusCode,
    /// What was found, for the log.
    pub reason: &'static str,
}

const fn bad(reason: &'static str) -> Fault {
    Fault { status: StatusCode::BAD_REQUEST, reason }
}

/// Lets a request in.
pub fn check(head: &Parts) -> Result<(), Fault> {
    if head.version != Version::HTTP_11 && head.version != Version::HTTP_10 {
        return Err(bad("the version is neither 1.0 nor 1.1"));
    }
    target(head)?;
    if head.headers.len() > HEADERS_MAX {
        return Err(Fault { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason: "there are too many headers" });
    }
    // The parser drops `Content-Length` where it sees `Transfer-Encoding`, so that both together cannot be told from the
    // second alone. Nobody who asks us needs it.
    if head.headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(bad("`Transfer-Encoding` in a request; a body must have a `Content-Length`"));
    }
    host(&head.headers, head.version)
}

/// Only `/path?query`: a target with a host in it would be a second `Host`.
fn target(head: &Parts) -> Result<(), Fault> {
    let uri = &head.uri;
    let origin = uri.scheme().is_none() && uri.authority().is_none() && uri.path().starts_with('/');
    if head.method == Method::CONNECT || !origin {
        return Err(bad("the target is not a path"));
    }
    match uri.path_and_query() {
        Some(whole) if whole.as_str().len() > TARGET_BYTES_MAX => {
            Err(Fault { status: StatusCode::URI_TOO_LONG, reason: "the target is too long" })
        }
        _ => Ok(()),
    }
}

fn host(headers: &HeaderMap, version: Version) -> Result<(), Fault> {
    let mut all = headers.get_all(header::HOST).iter();
    match (all.next(), all.next()) {
        (Some(_), Some(_)) => Err(bad("there are two `Host` headers")),
        (Some(host), None) if is_host(host) => Ok(()),
        (Some(_), None) => Err(bad("`Host` is not a host")),
        (None, _) if version == Version::HTTP_10 => Ok(()),
        (None, _) => Err(bad("there is no `Host`")),
    }
}

/// `name`, `192.0.2.1` or `[2001:db8::1]`, each with a port or without. Names have RFC 3986's unreserved characters.
fn is_host(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else { return false };
    let (host_is_good, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        (address.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        (!name.is_empty() && name.bytes().all(unreserved), port)
    };
    let port_is_good = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    host_is_good && port_is_good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_name_or_address_with_at_most_a_port() {
        for (text, good) in [
            ("shop.example", true),
            ("my_upstream", true),
            ("192.0.2.1:8470", true),
            ("[2001:db8::1]", true),
            ("[2001:db8::1]:80", true),
            ("", false),
            (":80", false),
            ("a b", false),
            ("a,b", false),
            ("user@shop.example", false),
            ("shop.example/x", false),
            ("shop.example:", false),
            ("shop.example:+80", false),
            ("shop.example:65536", false),
            ("shop.example:80:80", false),
            ("2001:db8::1", false),
            ("[2001:db8::1", false),
            ("[::1]x", false),
            ("[shop.example]", false),
            ("shöp.example", false),
        ] {
            assert_eq!(is_host(&HeaderValue::from_bytes(text.as_bytes()).expect("a value")), good, "{text:?}");
        }
    }
}
