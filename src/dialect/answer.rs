//! Building answers: header values are printable ASCII by construction, and what is not cannot leave.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};

use crate::domain::file::Version;
use crate::domain::file_name::content_disposition;
use crate::domain::moment::{Moment, Span};
use crate::domain::refusal::Refusal;
use crate::domain::support::SupportCode;

use super::{Answer, Page, Say};

/// The refusal's code.
pub(super) const REFUSAL: HeaderName = HeaderName::from_static("cloakroom-refusal");
/// The support code.
pub(super) const SUPPORT: HeaderName = HeaderName::from_static("cloakroom-support");
/// Bytes per second for `limit_rate`; `0` is no limit.
pub(super) const RATE: HeaderName = HeaderName::from_static("cloakroom-rate");
/// Who it is, where the proof tells; see [`in_header`].
pub(super) const USER: HeaderName = HeaderName::from_static("cloakroom-user");
/// What browsers ask their user for.
pub(super) const CHALLENGE: HeaderName = header::WWW_AUTHENTICATE;
/// The delivery that the web server names in its log.
pub(super) const DELIVERY: HeaderName = HeaderName::from_static("cloakroom-delivery");

/// What search engines are told beside the page's own words.
const X_ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");

/// After this a refusal that passes is worth another try, where nothing else is known.
const RETRY_AFTER: Span = Span::from_seconds(30);

/// A text as a header carries it: what is not a visible letter of ASCII, and `%`, as `%XX` of its UTF-8.
pub(super) fn in_header(text: &str) -> String {
    use std::fmt::Write as _;
    let mut said = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            said.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(said, "%{byte:02X}");
        }
    }
    said
}

/// A moment as HTTP writes it (RFC 9110, 5.6.7); `None` beyond what it can write.
pub(super) fn http_date(at: Moment) -> Option<String> {
    let at = jiff::Timestamp::from_second(i64::try_from(at.seconds()).ok()?).ok()?;
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()
}

/// A challenge to bring a name and a password, in UTF-8 ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)).
pub(super) fn basic_challenge(realm: &str) -> String {
    format!("Basic realm=\"{realm}\", charset=\"UTF-8\"")
}

/// Headers in the making.
pub(super) struct Head {
    status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    sound: bool,
}

impl Head {
    /// An answer with this status and room for `headers` headers.
    pub(super) fn new(status: u16, headers: usize) -> Self {
        Self { status, headers: Vec::with_capacity(headers), sound: true }
    }

    /// Adds a value that was written here.
    pub(super) fn fixed(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// Adds a value that came from elsewhere. Anything but printable ASCII spoils the whole answer: a line break in a
    /// header would be a second header.
    pub(super) fn text(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        let value = value.into();
        let printable = value.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
        match HeaderValue::try_from(value) {
            Ok(value) if printable => self.headers.push((name, value)),
            _ => self.sound = false,
        }
        self
    }

    /// Adds a value that is a secret: the client gets it, and `Debug` does not.
    pub(super) fn secret(self, name: HeaderName, value: impl Into<String>) -> Self {
        let mut head = self.text(name, value);
        if let Some((_, value)) = head.headers.last_mut().filter(|_| head.sound) {
            value.set_sensitive(true);
        }
        head
    }

    /// Adds a value of which each byte counts, as text in UTF-8. What a reader of headers would cut off, or take for the
    /// end, spoils the whole answer.
    pub(super) fn raw(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        let value = value.into();
        let whole = value.trim() == value && !value.chars().any(char::is_control);
        match HeaderValue::from_bytes(value.as_bytes()) {
            Ok(value) if whole => self.headers.push((name, value)),
            _ => self.sound = false,
        }
        self
    }

    /// Adds a value where there is one.
    pub(super) fn maybe(self, name: HeaderName, value: Option<String>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// The answer without a body.
    pub(super) fn empty(self) -> Answer {
        self.body(Bytes::new())
    }

    /// The answer with a body.
    pub(super) fn body(self, body: Bytes) -> Answer {
        if self.sound { Answer { status: self.status, headers: self.headers, body } } else { unsayable() }
    }

    /// The headers, if each of them can be sent.
    pub(super) fn headers(self) -> Option<Vec<(HeaderName, HeaderValue)>> {
        self.sound.then_some(self.headers)
    }
}

/// What is said when the right answer cannot be: opens nothing, and is no page of anybody.
pub(super) fn unsayable() -> Answer {
    Head::new(500, 3)
        .fixed(header::CACHE_CONTROL, "no-store")
        .fixed(header::CONTENT_TYPE, "text/plain; charset=utf-8")
        .fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .body(Bytes::from_static(b"The answer could not be given.\n"))
}

/// A refusal that reaches the customer as it is: its own status, and a page. `lasts`: how long, where that is known.
pub(super) fn refusal_page(refusal: Refusal, support: &SupportCode, page: Page<'_>, lasts: Option<Span>) -> Answer {
    let Page { media_type, text, policy } = page;
    let mut head = Head::new(refusal.status(), 8)
        .fixed(REFUSAL, refusal.code())
        .text(SUPPORT, support.to_string())
        .fixed(header::CACHE_CONTROL, "no-store")
        .text(header::CONTENT_TYPE, media_type)
        .fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .fixed(header::REFERRER_POLICY, "no-referrer");
    if refusal.is_passing() {
        head = head.text(header::RETRY_AFTER, lasts.unwrap_or(RETRY_AFTER).seconds_up().max(1).to_string());
    }
    if media_type.starts_with("text/html") {
        head = head.text(header::CONTENT_SECURITY_POLICY, policy);
    }
    head.body(Bytes::from(text))
}

/// A page. Nothing of it is kept by anybody: it is about one person's downloads, and its address is a secret.
fn show(page: Page<'_>, onward: Option<&str>, cookie: Option<&str>) -> Answer {
    let Page { media_type, text, policy } = page;
    let head = Head::new(200, 8)
        .fixed(header::CACHE_CONTROL, "no-store")
        .text(header::CONTENT_TYPE, media_type)
        .fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .fixed(header::REFERRER_POLICY, "no-referrer")
        .fixed(X_ROBOTS_TAG, "noindex")
        .fixed(header::VARY, "Accept, Accept-Language, Sec-Fetch-Mode")
        .text(header::CONTENT_SECURITY_POLICY, policy);
    // A browser that is led to a download stays on the page.
    let head = match onward {
        Some(to) => head.secret(header::REFRESH, format!("0; url={to}")),
        None => head,
    };
    kept(head, cookie).body(Bytes::from(text))
}

/// What a file it is, to one who asks by HEAD.
fn describe(version: &Version, name: &str) -> Answer {
    Head::new(200, 6)
        .text(header::CONTENT_TYPE, version.media_type.as_str())
        .text(header::CONTENT_LENGTH, version.size.to_string())
        .text(header::CONTENT_DISPOSITION, content_disposition(name))
        .text(header::ETAG, version.etag.as_str())
        .fixed(header::ACCEPT_RANGES, "bytes")
        .fixed(header::CACHE_CONTROL, "private, no-store")
        .empty()
}

/// What is said to a download beside a hand-off: the same wherever answers reach the customer as they are.
pub(super) fn passed_on(say: Say<'_>) -> Answer {
    match say {
        Say::Describe { version, name } => describe(version, name),
        Say::Redirect { to, cookie } => redirect(to, cookie),
        Say::Show { page, onward, cookie } => show(page, onward, cookie),
        Say::Refuse { refusal, support, page, lasts, .. } => refusal_page(refusal, support, page, lasts),
        Say::Allow { .. } | Say::HandOff { .. } => unsayable(),
    }
}

/// Go there, with GET.
fn redirect(to: &str, cookie: Option<&str>) -> Answer {
    if to.is_empty() {
        return unsayable();
    }
    let head = kept(Head::new(303, 4).secret(header::LOCATION, to), cookie);
    head.fixed(header::CACHE_CONTROL, "no-store").fixed(header::REFERRER_POLICY, "no-referrer").empty()
}

/// A head with a cookie, if one is set.
fn kept(head: Head, cookie: Option<&str>) -> Head {
    match cookie {
        Some(cookie) => head.secret(header::SET_COOKIE, cookie),
        None => head,
    }
}

/// The internal address of a file, which the web server decodes once. Without the leading `/` nginx would glue it to its root;
/// a prefix that would need escaping is not one that a location was written for.
pub(super) fn accel_location(prefix: &str, encoded_path: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let whole = prefix.starts_with('/') && prefix.ends_with('/') && prefix.bytes().all(plain);
    (whole && !encoded_path.is_empty()).then(|| format!("{prefix}{encoded_path}"))
}
