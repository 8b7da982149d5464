//! What people did about a grant, as it is written down.

use serde::{Deserialize, Serialize};

use super::{Unreadable, Written};
use crate::domain::grant::Amendment;
use crate::domain::history::Act;
use crate::domain::moment::Moment;

/// What a person did about a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActRecord {
    /// It was made, with this link.
    Issued(String),
    /// It got this link.
    Linked(String),
    /// This link was withdrawn.
    LinkRevoked(String),
    /// Its standing changed.
    Stands(String),
    /// It is used from the beginning again.
    Reset,
    /// It expires then.
    Expires(Option<u64>),
    /// It has so many downloads.
    Allows(Option<u32>),
    /// Its order says this of it.
    Ordered(String),
}

impl From<&Act> for ActRecord {
    fn from(act: &Act) -> Self {
        match act {
            Act::Issued(link) => Self::Issued(link.written()),
            Act::Linked(link) => Self::Linked(link.written()),
            Act::LinkRevoked(link) => Self::LinkRevoked(link.written()),
            Act::Amended(Amendment::Stand(standing)) => Self::Stands(standing.written()),
            Act::Amended(Amendment::Reset) => Self::Reset,
            Act::Amended(Amendment::Expire(expires)) => Self::Expires(expires.map(Moment::millis)),
            Act::Amended(Amendment::Allow(most)) => Self::Allows(*most),
            Act::Amended(Amendment::Gate(gate)) => Self::Ordered(gate.written()),
        }
    }
}

impl TryFrom<ActRecord> for Act {
    type Error = Unreadable;

    fn try_from(record: ActRecord) -> Result<Self, Unreadable> {
        Ok(match record {
            ActRecord::Issued(link) => Self::Issued(Written::read(&link, "issued")?),
            ActRecord::Linked(link) => Self::Linked(Written::read(&link, "linked")?),
            ActRecord::LinkRevoked(link) => Self::LinkRevoked(Written::read(&link, "link_revoked")?),
            ActRecord::Stands(standing) => Self::Amended(Amendment::Stand(Written::read(&standing, "stands")?)),
            ActRecord::Reset => Self::Amended(Amendment::Reset),
            ActRecord::Expires(expires) => Self::Amended(Amendment::Expire(expires.map(Moment::from_millis))),
            ActRecord::Allows(most) => Self::Amended(Amendment::Allow(most)),
            ActRecord::Ordered(gate) => Self::Amended(Amendment::Gate(Written::read(&gate, "ordered")?)),
        })
    }
}
