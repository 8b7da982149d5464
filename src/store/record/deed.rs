//! What people and programs did, as it is written down.

use serde::{Deserialize, Serialize};

use super::{Unreadable, Written};
use crate::domain::deed::{Deed, Stage};
use crate::domain::moment::Moment;

/// A call that changed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeedRecord {
    at: u64,
    author: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    call: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    subject: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    outcome: String,
    /// Missing where it is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    begun: bool,
}

impl From<&Deed> for DeedRecord {
    fn from(deed: &Deed) -> Self {
        let Deed { at, author, from, call, subject, outcome, stage } = deed.clone();
        let begun = stage == Stage::Begun;
        Self { at: at.millis(), author, from: from.map(|address| address.written()), call, subject, outcome, begun }
    }
}

impl TryFrom<DeedRecord> for Deed {
    type Error = Unreadable;

    fn try_from(record: DeedRecord) -> Result<Self, Unreadable> {
        let DeedRecord { at, author, from, call, subject, outcome, begun } = record;
        let from = from.map(|address| Written::read(&address, "from")).transpose()?;
        let stage = if begun { Stage::Begun } else { Stage::Done };
        Ok(Self { at: Moment::from_millis(at), author, from, call, subject, outcome, stage })
    }
}
