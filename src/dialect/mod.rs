//! How each web server asks and is answered. Pure: a request's head in, an answer out. A dialect is fixed per
//! listener and never guessed from a request.
//!
//! [`Dialect::read`] turns a request's head into what is [`Asked`], [`Dialect::write`] turns what is to be [`Say`]d into
//! an [`Answer`]. `headers` reads headers and [`cgi`] the variables of FastCGI and SCGI, `answer` builds answers; [`nginx`],
//! [`apache`] and [`standalone`] are the dialects.

mod answer;
pub mod apache;
pub mod cgi;
mod headers;
pub mod nginx;
pub mod standalone;

use std::net::IpAddr;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue};

use crate::domain::file::Version;
use crate::domain::id::{DeliveryId, RequestId};
use crate::domain::language::Language;
use crate::domain::moment::Span;
use crate::domain::path::FilePath;
use crate::domain::question::{Kind, Question};
use crate::domain::refusal::Refusal;
use crate::domain::support::SupportCode;
use crate::domain::units::Rate;

/// Which web server a listener talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Nginx: `auth_request`, and `proxy_pass` answered by `X-Accel-Redirect`.
    Nginx,
    /// Apache, as it reaches the listener.
    Apache(apache::Protocol),
    /// Nobody in front: the client itself asks, and gets the bytes from us.
    Standalone,
}

impl Dialect {
    /// Whether this question can be asked in it.
    pub fn can_ask(self, kind: Kind) -> bool {
        match self {
            Self::Nginx => true,
            Self::Apache(protocol) => protocol.question() == kind,
            Self::Standalone => kind == Kind::Download,
        }
    }

    /// Whether the web server can be told to send the file at this path of a storage.
    pub fn can_hand_off(self, path: &FilePath) -> bool {
        match self {
            Self::Apache(apache::Protocol::Http) => apache::http::can_hand_off(path),
            Self::Nginx | Self::Apache(apache::Protocol::FastCgi | apache::Protocol::Scgi) | Self::Standalone => true,
        }
    }

    /// Reads a request's head.
    ///
    /// `public_path` is the path of `public_url`, beginning and ending with `/`. `peer` is the address of the other end
    /// of a TCP connection; only a dialect without a web server in front believes it. `fresh` makes a random request
    /// id; it is called only where no web server has named the request.
    pub fn read(
        self,
        head: &Parts,
        public_path: &str,
        peer: Option<IpAddr>,
        fresh: impl FnOnce() -> RequestId,
    ) -> Result<Asked, Malformed> {
        match self {
            Self::Nginx => nginx::read(head, public_path),
            Self::Apache(protocol) => apache::read(protocol, head, public_path),
            Self::Standalone => standalone::read(head, public_path, peer, fresh()),
        }
    }

    /// Puts `say` into this dialect's words. What cannot be said to this question, or would need a header value outside
    /// of printable ASCII, becomes an answer with status 500, which opens nothing anywhere.
    pub fn write(self, kind: Kind, say: Say<'_>) -> Answer {
        match self {
            Self::Nginx => nginx::write(kind, say),
            Self::Apache(protocol) => apache::write(protocol, kind, say),
            Self::Standalone => standalone::write(kind, say),
        }
    }
}

/// What a request on a `web` listener turned out to be.
#[derive(Debug)]
pub enum Asked {
    /// One of the two questions.
    Question(Question),
    /// The page for a refusal that `authorize` answered before: `/_cloakroom/refused/<code>`.
    Refused {
        /// The refusal.
        refusal: Refusal,
        /// The client request that was refused.
        request: RequestId,
        /// Whether the client wants a page.
        wants_page: bool,
        /// The language of what they read.
        language: Language,
    },
}

/// Why a request was not understood; the words go into the log, never to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Which question it would have been; decides how the refusal is said.
    pub kind: Kind,
    /// What was found and what would be right, without any secret.
    pub reason: String,
    /// The request id, where that much was readable.
    pub request: Option<RequestId>,
}

/// What is to be said, before a dialect puts it into its words. It does not print: a redirect holds a token.
pub enum Say<'a> {
    /// `authorize`: let it pass.
    Allow {
        /// Bytes per second, if limited.
        rate: Option<Rate>,
        /// Who it is, where the proof tells.
        user: Option<&'a str>,
    },
    /// `download`: send this file.
    HandOff {
        /// The web server's internal prefix of the storage, beginning and ending with `/`.
        prefix: &'a str,
        /// Where the storage lies.
        directory: &'a str,
        /// The file inside the storage.
        path: &'a FilePath,
        /// What is sent.
        version: &'a Version,
        /// The name under which the customer saves it.
        name: &'a str,
        /// Bytes per second, if limited.
        rate: Option<Rate>,
        /// The delivery that the web server shall name in its log.
        delivery: Option<DeliveryId>,
    },
    /// `download`, asked by HEAD, of what a redirect leads to: what a file it is.
    Describe {
        /// What would be sent.
        version: &'a Version,
        /// The name under which the customer saves it.
        name: &'a str,
    },
    /// Go there, with GET (303).
    Redirect {
        /// An absolute path or URL, ASCII.
        to: &'a str,
        /// A `Set-Cookie` value.
        cookie: Option<&'a str>,
    },
    /// `download`: a page about it.
    Show {
        /// The page.
        page: Page<'a>,
        /// Where the browser goes on to by itself, staying on the page where that is a download: a path, ASCII.
        onward: Option<&'a str>,
        /// A `Set-Cookie` value.
        cookie: Option<&'a str>,
    },
    /// No.
    Refuse {
        /// Why.
        refusal: Refusal,
        /// What the customer can quote.
        support: &'a SupportCode,
        /// The body, where the web server passes one on.
        page: Page<'a>,
        /// What is asked for with a 401: a name and a password for this realm, printable ASCII without `"` and `\`.
        realm: Option<&'a str>,
        /// How long it lasts, where that is known.
        lasts: Option<Span>,
    },
}

/// The body of a refusal, or a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<'a> {
    /// Its media type.
    pub media_type: &'static str,
    /// Its text.
    pub text: String,
    /// Its `Content-Security-Policy`; only a page in HTML says it.
    pub policy: &'a str,
}

/// An answer, ready for the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers, without `Content-Length`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Body; empty for every allow and hand-off.
    pub body: Bytes,
}
