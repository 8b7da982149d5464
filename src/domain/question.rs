//! What a web server asks, whatever its dialect: may this request pass, or give me this download.

use std::fmt;

use zeroize::Zeroizing;

use super::authorization::Authorization;
use super::client::{Client, ClientKey};
use super::id::RequestId;
use super::language::Language;
use super::path::CanonicalPath;
use super::range::Range;
use super::robot::is_robot;

/// Which of the two questions is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// May this request pass? The web server sends its own file.
    Authorize,
    /// Give me this download. Our answer tells what to send.
    Download,
}

impl Kind {
    /// The word of the configuration and the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Download => "download",
        }
    }
}

/// The client's method, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Wants the body.
    Get,
    /// Wants the head only; never counts.
    Head,
    /// Presses the button of a page.
    Post,
    /// Anything else; `authorize` may pass it, `download` refuses it.
    Other,
}

/// One question about one request of a client. Path, query, cookie and authorization may hold secrets and
/// are not printed.
#[derive(Clone)]
pub struct Question {
    /// Which question.
    pub kind: Kind,
    /// The web server's own name of the client request.
    pub request: RequestId,
    /// The client's method.
    pub method: Method,
    /// The client's path in canonical form.
    pub path: CanonicalPath,
    /// The client's query without `?`, as it was sent.
    pub query: Option<String>,
    /// Who asks.
    pub client: Client,
    /// The `Range` that the web server will honour.
    pub range: Range,
    /// The value of Cloakroom's own cookie, if one was brought.
    pub cookie: Option<String>,
    /// The value of the cookie that the page of an order sets, if one was brought: a secret.
    pub order_cookie: Option<Box<Zeroizing<String>>>,
    /// The values of the cookie `cloakroom_jwt`, as they were sent.
    pub jwt_cookies: Option<Box<JwtCookies>>,
    /// What the client says in `Authorization`, if it can be understood.
    pub authorization: Option<Box<Authorization>>,
    /// Whether the client wants a page (`Accept` names `text/html`) rather than a line of text.
    pub wants_page: bool,
    /// Whether a person goes there with a browser: `Sec-Fetch-Mode` says `navigate`, or there is none and `Accept` names
    /// `text/html`.
    pub navigates: bool,
    /// The language of what they read.
    pub language: Language,
    /// Whether a browser only looks ahead (`Sec-Purpose` or `Purpose` is `prefetch` or `preview`).
    pub looks_ahead: bool,
}

/// What a client says in its cookie `cloakroom_jwt`. A browser that has one for `/` and one for `/members/` sends both.
#[derive(Clone)]
pub struct JwtCookies {
    /// The first value.
    pub first: Zeroizing<String>,
    /// A value that differs from it.
    pub other: Option<Zeroizing<String>>,
}

impl JwtCookies {
    /// Both values, or the one.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.first).chain(&self.other).map(|value| value.as_str())
    }
}

impl fmt::Debug for JwtCookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwtCookies(hidden)")
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, request, method, client, range, wants_page, navigates, language, looks_ahead, .. } = self;
        f.debug_struct("Question")
            .field("kind", kind)
            .field("request", request)
            .field("method", method)
            .field("client", client)
            .field("range", range)
            .field("wants_page", wants_page)
            .field("navigates", navigates)
            .field("language", language)
            .field("looks_ahead", looks_ahead)
            .finish_non_exhaustive()
    }
}

impl Question {
    /// Whether a person opens an address and is shown a page about what there is, before anything is used: a browser's own
    /// GET of the whole. Whoever wants the bytes (`curl`, `wget`, a download manager, a player, a script, whatever resumes)
    /// does not ask for `text/html`, or not by navigating, or for a range; they get the file at once. So does a browser that
    /// only looks ahead get what it got before: nothing. What calls itself a robot is shown the page, whatever it asks for:
    /// many scanners and previews ask for anything, as tools do, and some for the first bytes.
    pub fn is_visit(&self) -> bool {
        let is_person = self.wants_page && self.navigates && self.range == Range::Whole;
        self.method == Method::Get && !self.looks_ahead && (is_person || is_robot(self.client.agent.as_bytes()))
    }

    /// The key under which this client's coverage is kept: its cookie's, else its address and agent's.
    pub fn client_key(&self) -> ClientKey {
        self.cookie.as_deref().map_or_else(|| self.client.key(), ClientKey::of_cookie)
    }
}
