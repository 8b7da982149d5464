//! What is remembered. One contract of decisions; the engines run the rules of [`crate::domain::account`], they do
//! not know them.

pub mod memory;

use std::future::Future;
use std::pin::Pin;

use crate::domain::account::{Ask, Change, Click, Clicked, Permit, Reported};
use crate::domain::delivery::Delivery;
use crate::domain::feed_position::FeedPosition;
use crate::domain::grant::{Grant, Standing};
use crate::domain::id::{DeliveryId, GrantId, LinkId};
use crate::domain::link::Link;
use crate::domain::moment::Moment;
use crate::domain::refusal::Refusal;

/// The store cannot decide now. Doubt is a refusal: nothing was changed, nothing may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// It cannot be reached.
    Unreachable,
    /// It holds as much as it may.
    Full,
}

/// What a store answers, later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, Down>> + Send + 'a>>;

/// What ended because its time came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closing {
    /// The deliveries that ended.
    pub changes: Vec<Change>,
    /// When to look again; `None` when nothing is waiting.
    pub next: Option<Moment>,
}

/// Which deliveries to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those of this grant.
    pub grant: Option<GrantId>,
    /// At most so many, the newest first; 0 is the store's own limit.
    pub limit: usize,
}

/// What is remembered, as decisions. Each is one durable step: it happened whole, or not at all.
pub trait Store: Send + Sync {
    /// Remembers a grant and its first link.
    fn issue(&self, grant: Grant, link: Link) -> Later<'_, ()>;

    /// The link, if it is known. Checks nothing.
    fn link(&self, id: LinkId) -> Later<'_, Option<Link>>;

    /// The grant, if it is known. Checks nothing.
    fn grant(&self, id: GrantId) -> Later<'_, Option<Grant>>;

    /// The delivery, if it is known. Checks nothing.
    fn delivery(&self, id: DeliveryId) -> Later<'_, Option<Delivery>>;

    /// Deliveries, the newest first.
    fn deliveries(&self, filter: Filter) -> Later<'_, Vec<Delivery>>;

    /// Decides a click: which delivery it goes on with.
    fn click(&self, click: Click) -> Later<'_, Result<Clicked, Refusal>>;

    /// Decides a request for bytes: unit, bytes and request id are reserved in one step, before the answer leaves.
    fn admit(&self, ask: Ask) -> Later<'_, Result<Permit, Refusal>>;

    /// Settles what the feed reported and remembers how far it was read, in one step.
    fn settle(&self, reports: Vec<Reported>, position: Option<FeedPosition>) -> Later<'_, Vec<Change>>;

    /// How far the feed was read.
    fn position(&self) -> Later<'_, Option<FeedPosition>>;

    /// Ends what is due.
    fn close_due(&self, now: Moment) -> Later<'_, Closing>;

    /// Changes what a person decided about a grant and gives it back; `None` when it is not known. What was revoked stays
    /// revoked.
    fn stand(&self, grant: GrantId, standing: Standing) -> Later<'_, Option<Grant>>;

    /// Withdraws a link; `false` when it is not known.
    fn revoke_link(&self, link: LinkId) -> Later<'_, bool>;
}
