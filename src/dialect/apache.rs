//! Apache. `mod_authnz_fcgi` asks whether a request may pass ([`fastcgi`]); a download is passed on by `mod_proxy_scgi`, which
//! follows `X-Accel-Redirect` ([`scgi`]), or by `mod_proxy_http`, where `mod_xsendfile` sends the file ([`http`]).
//!
//! Where `mod_rewrite` is all there is, [`rewrite_map`] asks over SCGI in its place.
//!
//! What all have in common: `mod_unique_id` names the request, and `Range` is believed only where Apache reads it as
//! we do. Contracts: Apache httpd 2.4, `modules/aaa/mod_authnz_fcgi.c`, `modules/proxy/mod_proxy_scgi.c`,
//! `modules/http/byterange_filter.c`.

pub mod fastcgi;
pub mod http;
pub mod rewrite_map;
pub mod scgi;

use std::net::IpAddr;

use ::http::HeaderName;
use ::http::request::Parts;

use crate::domain::id::RequestId;
use crate::domain::path::CanonicalPath;
use crate::domain::question::Kind;
use crate::domain::range::{Part, Range};
use crate::domain::units::Rate;

use super::cgi::Variables;
use super::headers::{Heard, path_and_query};
use super::nginx::ADDRESS_BYTES_MAX;
use super::{Answer, Asked, Malformed, Say};

/// How Apache reaches a listener, and so what it can ask there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// FastCGI, role AUTHORIZER: may this request pass?
    FastCgi,
    /// SCGI: give me this download.
    Scgi,
    /// HTTP: give me this download.
    Http,
}

impl Protocol {
    /// The word of the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::FastCgi => "fastcgi",
            Self::Scgi => "scgi",
            Self::Http => "http",
        }
    }

    /// The question that is asked over it.
    pub const fn question(self) -> Kind {
        match self {
            Self::FastCgi => Kind::Authorize,
            Self::Scgi | Self::Http => Kind::Download,
        }
    }
}

/// Of more ranges than this Apache may send the whole file, if they overlap or run backwards (`MaxRangeOverlaps`,
/// `MaxRangeReversals`).
const RANGES_MAX: usize = 20;

/// Apache's numbers end before 2^63; of a range with a larger one it sends the whole file.
const DIGITS_MAX: usize = 18;

/// KiB per second, as `mod_ratelimit` counts; there only where there is a limit.
const RATE: HeaderName = HeaderName::from_static("cloakroom-rate-kib");

pub(super) fn read(protocol: Protocol, head: &Parts, public_path: &str) -> Result<Asked, Malformed> {
    match protocol {
        Protocol::FastCgi => fastcgi::read(head),
        Protocol::Scgi => scgi::read(head, public_path),
        Protocol::Http => http::read(head, public_path),
    }
}

pub(super) fn write(protocol: Protocol, kind: Kind, say: Say<'_>) -> Answer {
    match protocol {
        Protocol::FastCgi => fastcgi::write(kind, say),
        Protocol::Scgi => scgi::write(kind, say),
        Protocol::Http => http::write(kind, say),
    }
}

/// A rate as `mod_ratelimit` takes it, in KiB/s; not more than it is, unless that is nothing.
fn kib(rate: Rate) -> String {
    (rate.0.get() / 1024).max(1).to_string()
}

/// The range that Apache will honour: digits, `-` and `,` alone, since it forgives less than we do, and nothing that makes
/// it send the whole file after all.
fn range(lines: &Heard<'_>) -> Range {
    let value = lines.range.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let list = value.split_once('=').map_or("", |(_, list)| list);
    let is_plain = list.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-' || byte == b',');
    let is_small = list.split(['-', ',']).all(|number| number.len() <= DIGITS_MAX);
    match lines.wanted_range() {
        Range::Parts(parts) if is_plain && is_small && parts.len() <= RANGES_MAX && !parts.iter().any(is_none) => Range::Parts(parts),
        _ => Range::Whole,
    }
}

/// Of a part that runs backwards, or is the last no bytes, Apache says that there is no range at all.
fn is_none(part: &Part) -> bool {
    matches!(part, Part::Between(first, last) if last < first) || *part == Part::Last(0)
}

/// A request that Apache tells of in CGI variables.
struct Cgi<'h> {
    variables: &'h Variables,
    lines: Heard<'h>,
}

impl<'h> Cgi<'h> {
    /// The error names what is missing, or odd, and the request id, where that much was readable.
    fn of(head: &'h Parts, kind: Kind) -> Result<Self, Malformed> {
        let malformed = |reason: String| Malformed { kind, reason, request: None };
        let variables = head.extensions.get().ok_or_else(|| malformed("there are no CGI variables".to_owned()))?;
        // Whatever the client calls its headers, they come as `HTTP_…`, and none of them is a source of anything else.
        let lines = Heard::listen(&head.headers, super::headers::Sender::Client).map_err(malformed)?;
        Ok(Self { variables, lines })
    }

    fn malformed(&self, kind: Kind, reason: String) -> Malformed {
        Malformed { kind, reason, request: self.request_id().ok() }
    }

    fn needed(&self, name: &str) -> Result<&'h str, String> {
        let value = self.variables.value(name).ok_or_else(|| format!("variable `{name}` is missing"))?;
        std::str::from_utf8(value).map_err(|_| format!("variable `{name}` is not UTF-8"))
    }

    fn request_id(&self) -> Result<RequestId, String> {
        let value = self.variables.text("UNIQUE_ID").ok_or("variable `UNIQUE_ID` is missing: `a2enmod unique_id`")?;
        RequestId::parse(value).ok_or_else(|| "variable `UNIQUE_ID` is not a request id".to_owned())
    }

    fn address(&self) -> Result<IpAddr, String> {
        self.needed("REMOTE_ADDR")?.parse().map_err(|_| "variable `REMOTE_ADDR` is not an address".to_owned())
    }

    /// The address as the client sent it, taken apart.
    fn target(&self) -> Result<(CanonicalPath, Option<&'h str>), String> {
        let target = self.needed("REQUEST_URI")?;
        if target.len() > ADDRESS_BYTES_MAX {
            return Err(format!("variable `REQUEST_URI` is longer than {ADDRESS_BYTES_MAX} bytes"));
        }
        if target.contains('#') {
            return Err("variable `REQUEST_URI` has a `#`".to_owned());
        }
        let (path, query) = path_and_query(target);
        let path = CanonicalPath::parse(path).map_err(|fault| format!("variable `REQUEST_URI`: {fault}"))?;
        Ok((path, query))
    }
}
