//! Reading request headers: each that counts at most once, none that looks like one of them or claims to know better.

use std::net::IpAddr;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::domain::authorization::Authorization;
use crate::domain::client::Client;
use crate::domain::id::RequestId;
use crate::domain::language::Language;
use crate::domain::path::CanonicalPath;
use crate::domain::question::{JwtCookies, Kind, Method, Question};
use crate::domain::range::Range;

use super::Malformed;

/// The name of Cloakroom's own cookie.
pub(super) const COOKIE: &str = "cloakroom";

/// The name of the cookie of whoever has seen the page of an order.
const ORDER_COOKIE: &str = "cloakroom_order";

/// The name of the cookie that carries a JWT.
const JWT_COOKIE: &str = "cloakroom_jwt";

/// Longer cookie values are none of ours.
const COOKIE_BYTES_MAX: usize = 128;

/// So much of a `User-Agent` is enough to tell two clients behind one address apart, and little enough to remember.
const AGENT_BYTES_MAX: usize = 256;

/// So much of a header's name stands in the log.
const NAME_BYTES_SHOWN: usize = 64;

/// Header families that claim to know a request's address better than the web server in front: whatever begins so, and
/// is not one of the headers that are read, is another source.
const OTHER_FAMILIES: &[&str] = &["x-original-", "x-rewrite-", "x-envoy-original-", "x-replaced-"];

/// The same, header by header, with those that claim to know its method. What others say of the client (`Forwarded`,
/// `X-Forwarded-For`, `CF-Connecting-IP` …) comes along with ordinary requests and is not read: `X-Real-IP` alone is.
const OTHER_SOURCES: &[&str] = &[
    "request-uri",
    "x-request-uri",
    "x-forwarded-uri",
    "x-forwarded-path",
    "x-forwarded-method",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// Of [`OTHER_FAMILIES`] by their names, but about the client or the host: load balancers (Azure's, ASP.NET's) put them on each request.
const OF_THE_CLIENT: &[&str] = &["x-original-host", "x-original-for", "x-original-proto"];

macro_rules! heard {
    ($($(#[$doc:meta])* $field:ident = $name:literal;)*) => {
        /// The headers that are read, each at most once.
        #[derive(Default)]
        pub(super) struct Heard<'a> {
            $($(#[$doc])* pub(super) $field: Option<&'a HeaderValue>,)*
        }

        /// Their names.
        const READ: &[&str] = &[$($name,)*];

        impl<'a> Heard<'a> {
            fn slot(&mut self, name: &str) -> Option<&mut Option<&'a HeaderValue>> {
                match name {
                    $($name => Some(&mut self.$field),)*
                    _ => None,
                }
            }
        }
    };
}

heard! {
    original_uri = "x-original-uri";
    original_method = "x-original-method";
    request_id = "x-request-id";
    real_ip = "x-real-ip";
    host = "host";
    user_agent = "user-agent";
    accept = "accept";
    accept_language = "accept-language";
    cookie = "cookie";
    authorization = "authorization";
    range = "range";
    if_range = "if-range";
    sec_purpose = "sec-purpose";
    sec_fetch_mode = "sec-fetch-mode";
    purpose = "purpose";
}

/// Whom the headers come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// A web server that was told which headers to send: another source of what it says is a refusal.
    WebServer,
    /// The client itself: what it says about proxies is not read at all.
    Client,
}

/// What a request is told by other means than the client's headers.
pub(super) struct Told<'q> {
    /// Which question.
    pub(super) kind: Kind,
    /// The name of the request.
    pub(super) request: RequestId,
    /// The client's method.
    pub(super) method: Method,
    /// The client's path.
    pub(super) path: CanonicalPath,
    /// The client's query.
    pub(super) query: Option<&'q str>,
    /// The client's address.
    pub(super) address: IpAddr,
    /// The range that will be honoured.
    pub(super) range: Range,
}

impl<'a> Heard<'a> {
    /// The question that these headers come with.
    pub(super) fn question(&self, told: Told<'_>) -> Question {
        let Told { kind, request, method, path, query, address, range } = told;
        Question {
            kind,
            request,
            method,
            path,
            query: query.map(str::to_owned),
            client: Client::new(address, self.agent()),
            range,
            cookie: self.own_cookie(),
            order_cookie: self.order_cookie(),
            jwt_cookies: self.jwt_cookies(),
            authorization: self.authorization(),
            wants_page: self.wants_page(),
            navigates: self.navigates(),
            language: self.language(),
            looks_ahead: self.looks_ahead(),
        }
    }

    /// Goes through all headers once. The error names the header at fault, never a value.
    pub(super) fn listen(headers: &'a HeaderMap, from: Sender) -> Result<Self, String> {
        let mut heard = Self::default();
        for (name, value) in headers {
            match heard.slot(name.as_str()) {
                Some(slot @ None) => *slot = Some(value),
                Some(Some(_)) => return Err(format!("header `{name}` is there twice; it must be there once")),
                None if from == Sender::WebServer => no_other_source(name)?,
                None => {}
            }
        }
        Ok(heard)
    }

    /// The range that the web server will honour.
    pub(super) fn wanted_range(&self) -> Range {
        // Bytes outside of ASCII make a range that nobody understands: the whole file may be sent.
        let value = self.range.map(|value| value.to_str().unwrap_or_default());
        Range::parse(value, self.if_range.is_some())
    }

    /// What the client says it is, cut to a length that can be remembered.
    fn agent(&self) -> String {
        let whole = self.user_agent.map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default();
        let end = whole.floor_char_boundary(AGENT_BYTES_MAX);
        whole.get(..end).unwrap_or_default().to_owned()
    }

    /// Whether the client wants a page rather than a line of text.
    pub(super) fn wants_page(&self) -> bool {
        self.accept.and_then(|value| value.to_str().ok()).is_some_and(|accept| {
            accept.split(',').any(|kind| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/html"))
        })
    }

    /// Whether a person goes there with a browser. Browsers say `Sec-Fetch-Mode` on secure origins only, and old ones never.
    fn navigates(&self) -> bool {
        self.sec_fetch_mode.map_or_else(|| self.wants_page(), |mode| mode.as_bytes().eq_ignore_ascii_case(b"navigate"))
    }

    /// The language of what they read.
    pub(super) fn language(&self) -> Language {
        self.accept_language.and_then(|value| value.to_str().ok()).map(Language::accepted).unwrap_or_default()
    }

    /// Whether a browser only looks ahead.
    fn looks_ahead(&self) -> bool {
        let ahead = |value: &HeaderValue| {
            let Ok(value) = value.to_str() else { return false };
            value
                .split([';', ',', ' '])
                .any(|word| ["prefetch", "preview", "prerender"].iter().any(|known| word.eq_ignore_ascii_case(known)))
        };
        self.sec_purpose.is_some_and(ahead) || self.purpose.is_some_and(ahead)
    }

    /// What the client says in `Authorization`.
    fn authorization(&self) -> Option<Box<Authorization>> {
        Authorization::parse(self.authorization?.as_bytes()).map(Box::new)
    }

    /// The value of our own cookie. Two of them, or an odd one, count as none: who holds a delivery's cookie carries on
    /// with it, so doubt means a new start.
    fn own_cookie(&self) -> Option<String> {
        self.cookie_named(COOKIE).map(str::to_owned)
    }

    /// The value of the cookie that the page of an order sets.
    fn order_cookie(&self) -> Option<Box<Zeroizing<String>>> {
        self.cookie_named(ORDER_COOKIE).map(|value| Box::new(Zeroizing::new(value.to_owned())))
    }

    fn cookie_named(&self, wanted: &str) -> Option<&'a str> {
        let all = self.cookie?.to_str().ok()?;
        let mut ours = all.split(';').filter_map(|pair| pair.trim().split_once('=')).filter(|(name, _)| *name == wanted);
        let (_, value) = ours.next()?;
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        let fits = !value.is_empty() && value.len() <= COOKIE_BYTES_MAX && value.bytes().all(good);
        (fits && ours.next().is_none()).then_some(value)
    }

    /// The values of the cookie that carries a JWT, whatever they are; a logout leaves it empty, and then there is none.
    fn jwt_cookies(&self) -> Option<Box<JwtCookies>> {
        let whole = Zeroizing::new(String::from_utf8_lossy(self.cookie?.as_bytes()).into_owned());
        let pairs = whole.split(';').filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(name, value)| *name == JWT_COOKIE && !value.is_empty()).map(|(_, value)| value);
        let first = values.next()?;
        let other = values.find(|value| *value != first).map(|value| Zeroizing::new(value.to_owned()));
        Some(Box::new(JwtCookies { first: Zeroizing::new(first.to_owned()), other }))
    }
}

/// Refuses a header that is not read but is written like one that is, or that is another source of what one tells.
fn no_other_source(name: &HeaderName) -> Result<(), String> {
    let name = name.as_str();
    let shown = name.get(..NAME_BYTES_SHOWN).unwrap_or(name);
    if let Some(read) = READ.iter().find(|read| alike(name, read)) {
        return Err(format!("header `{shown}` looks like `{read}`; the web server must send `{read}` only"));
    }
    if OF_THE_CLIENT.iter().any(|other| alike(name, other)) {
        return Ok(());
    }
    let begins_like = |family: &&str| name.get(..family.len()).is_some_and(|start| alike(start, family));
    if OTHER_FAMILIES.iter().any(begins_like) || OTHER_SOURCES.iter().any(|other| alike(name, other)) {
        return Err(format!("header `{shown}` is another source of the request's address or method; the web server must not pass it on"));
    }
    Ok(())
}

/// Whether two header names are one to software that takes `_`, `.` and `-` for the same.
fn alike(name: &str, known: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' || byte == b'.' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == known.len() && name.bytes().map(plain).eq(known.bytes())
}

/// The client's method.
pub(super) fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        _ => Method::Other,
    }
}

/// The request id that the web server gave, if there is exactly one that can be read.
fn sole_request_id(headers: &HeaderMap) -> Option<RequestId> {
    let mut all = headers.get_all("x-request-id").iter();
    let one = all.next()?;
    if all.next().is_some() { None } else { RequestId::parse(one.to_str().ok()?) }
}

/// A request of `kind` that is not understood.
pub(super) fn malformed(kind: Kind, headers: &HeaderMap, reason: impl Into<String>) -> Malformed {
    Malformed { kind, reason: reason.into(), request: sole_request_id(headers) }
}

/// A request target taken apart at the first `?`.
pub(super) fn path_and_query(target: &str) -> (&str, Option<&str>) {
    target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
}

/// The name that the web server gave the request.
pub(super) fn request_id(lines: &Heard<'_>) -> Result<RequestId, String> {
    let value = needed(lines.request_id, "x-request-id")?;
    value.to_str().ok().and_then(RequestId::parse).ok_or_else(|| "header `x-request-id` is not a request id".to_owned())
}

/// The client's address as the web server says it; nginx's client on a unix socket reads `unix:` and has no address that anything could be bound to.
pub(super) fn client_address(lines: &Heard<'_>) -> Result<IpAddr, String> {
    let value = needed(lines.real_ip, "x-real-ip")?;
    value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| "header `x-real-ip` is not an address".to_owned())
}

/// The value of a header that must be there.
pub(super) fn needed<'a>(value: Option<&'a HeaderValue>, name: &str) -> Result<&'a HeaderValue, String> {
    value.ok_or_else(|| format!("header `{name}` is missing"))
}
