//! How each web server asks and is answered. Pure: a request's head in, an answer out. A dialect is fixed per
//! listener and never guessed from a request.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use crate::domain::file::Version;
use crate::domain::id::{DeliveryId, RequestId};
use crate::domain::path::FilePath;
use crate::domain::question::Question;
use crate::domain::refusal::Refusal;
use crate::domain::support::SupportCode;
use crate::domain::units::Rate;

/// Which web server a listener talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Nginx: `auth_request`, and `proxy_pass` answered by `X-Accel-Redirect`.
    Nginx,
    /// Nobody in front: the client itself asks, and gets the bytes from us.
    Standalone,
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
    },
}

/// Why a request was not understood; the words go into the log, never to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What was found and what would be right, without any secret.
    pub reason: String,
    /// The request id, where that much was readable.
    pub request: Option<RequestId>,
}

/// What is to be said, before a dialect puts it into its words.
#[derive(Debug)]
pub enum Say<'a> {
    /// `authorize`: let it pass.
    Allow {
        /// Bytes per second, if limited.
        rate: Option<Rate>,
    },
    /// `download`: send this file.
    HandOff {
        /// The web server's internal prefix of the storage, beginning and ending with `/`.
        prefix: &'a str,
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
    /// Go there, with GET (303).
    Redirect {
        /// An absolute path or URL, ASCII.
        to: &'a str,
        /// A `Set-Cookie` value.
        cookie: Option<&'a str>,
    },
    /// No.
    Refuse {
        /// Why.
        refusal: Refusal,
        /// What the customer can quote.
        support: &'a SupportCode,
        /// Media type and text of the body, where the web server passes one on.
        page: (&'static str, String),
    },
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
