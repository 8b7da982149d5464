//! What a download question comes to, before a dialect says it.

use std::fmt;

use crate::domain::account::Change;
use crate::domain::file::{FileRef, Version};
use crate::domain::id::{DeliveryId, GrantId};
use crate::domain::moment::Moment;
use crate::domain::policy;
use crate::domain::units::Rate;

/// What a download question comes to.
#[derive(Debug)]
pub enum Outcome {
    /// Send this file.
    Send(Sending),
    /// Go to the delivery's own address.
    Redirect(Redirect),
    /// Go to the copy of the grant, at this path of our own site or URL of another: a secret, never logged.
    Copy(Hidden),
    /// Go to another page of ours, at this path.
    Lead(Hidden),
    /// Show a page about it.
    Show(Page),
}

/// A path or URL that is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

/// A page in HTML. It is not printed: it holds tokens.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Its text.
    pub text: String,
    /// Where the browser goes on to by itself: a path, and a secret.
    pub onward: Option<String>,
    /// A `Set-Cookie` value.
    pub cookie: Option<String>,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page")
    }
}

/// A file to send. Made from a permit or a claim; saying it consumes it.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub struct Sending {
    /// The file.
    pub file: FileRef,
    /// The version.
    pub version: Version,
    /// The name under which it is saved.
    pub name: String,
    /// Bytes per second, if limited.
    pub rate: Option<Rate>,
    /// How the bytes travel.
    pub method: policy::Method,
    /// The delivery that counts it; `None` where nothing is counted.
    pub counted: Option<Counted>,
}

/// What a counted answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its grant.
    pub grant: GrantId,
    /// Whether this request opened it.
    pub opened: bool,
    /// When it ends, unless it is asked for again.
    pub ends: Moment,
}

/// The way to a delivery. Address and cookie are not printed.
#[non_exhaustive]
pub struct Redirect {
    /// The path with its delivery token: a secret, never logged.
    pub to: String,
    /// A `Set-Cookie` value, where the client has no cookie yet.
    pub cookie: Option<String>,
    /// The delivery.
    pub delivery: DeliveryId,
    /// How the bytes travel.
    pub method: policy::Method,
    /// What is sent.
    pub version: Version,
    /// What the delivery counts, where the click leads to where we see no request.
    pub counted: Option<Counted>,
    /// Whether this click made it.
    pub fresh: bool,
    /// Deliveries of a version that was replaced, which this click ended.
    pub closed: Vec<Change>,
}

impl fmt::Debug for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { delivery, method, version, counted, fresh, closed, to: _, cookie: _ } = self;
        let mut shown = f.debug_struct("Redirect");
        shown.field("method", method).field("version", version).field("counted", counted);
        shown.field("delivery", delivery).field("fresh", fresh).field("closed", closed).finish_non_exhaustive()
    }
}
