//! What a web server asks, whatever its dialect: may this request pass, or give me this download.

use std::fmt;

use super::authorization::Authorization;
use super::client::{Client, ClientKey};
use super::id::RequestId;
use super::path::CanonicalPath;
use super::range::Range;

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
    /// What the client says in `Authorization`, if it can be understood.
    pub authorization: Option<Box<Authorization>>,
    /// Whether the client wants a page (`Accept` names `text/html`) rather than a line of text.
    pub wants_page: bool,
    /// Whether a browser only looks ahead (`Sec-Purpose` or `Purpose` is `prefetch` or `preview`).
    pub looks_ahead: bool,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, request, method, client, range, wants_page, looks_ahead, path: _, query: _, cookie: _, authorization: _ } = self;
        f.debug_struct("Question")
            .field("kind", kind)
            .field("request", request)
            .field("method", method)
            .field("client", client)
            .field("range", range)
            .field("wants_page", wants_page)
            .field("looks_ahead", looks_ahead)
            .finish_non_exhaustive()
    }
}

impl Question {
    /// The key under which this client's coverage is kept: its cookie's, else its address and agent's.
    pub fn client_key(&self) -> ClientKey {
        self.cookie.as_deref().map_or_else(|| self.client.key(), ClientKey::of_cookie)
    }
}
