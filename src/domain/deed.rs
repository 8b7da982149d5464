//! What people and programs did: every call of the API that changed something.
//!
//! A deed is written down before anything is done, and again afterwards. So nothing is done that stands nowhere: what a crash cut off stands there
//! as begun, with who wanted it.

use std::net::IpAddr;

use super::moment::{Moment, Span};

/// One call that changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// When.
    pub at: Moment,
    /// Who, and with what, as the history of a grant has it.
    pub author: String,
    /// From where; `None` is this machine, over a unix socket.
    pub from: Option<IpAddr>,
    /// Which call: `POST /api/v1/orders/{id}/state`.
    pub call: String,
    /// What it was about, or what it made: an id, a SKU, a name. Empty where that is nothing of ours, such as a customer.
    pub subject: String,
    /// What that was afterwards, where it is in one of several states: `refunded`. Empty where it is not, and until it is done.
    pub outcome: String,
    /// How far it came.
    pub stage: Stage,
}

/// How far a deed came, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It began. It runs, or failed in the middle, or the daemon ended before it could say that it was done.
    Begun,
    /// It was done.
    Done,
}

impl Deed {
    /// What was done is known for so long.
    pub const KEPT: Span = Span::from_days(400);

    /// Of more than this the oldest are forgotten: some 200 bytes each.
    pub const COUNT_MAX: u64 = 500_000;
}
