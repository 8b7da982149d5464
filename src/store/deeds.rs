//! What people and programs did: what every store promises about it.

use super::Later;
use crate::domain::deed::Deed;

/// Which deeds to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deeds {
    /// Only those about this: an id, a SKU, a name.
    pub subject: Option<String>,
    /// Only those written down before this one, by its number: the last of the page before.
    pub before: Option<u64>,
    /// At most so many, the newest first; 0 is the store's own limit.
    pub limit: usize,
}

/// The part of a store that keeps what was done.
pub trait DeedStore: Send + Sync {
    /// Writes down what begins or was done, and forgets some of what is older than [`Deed::KEPT`] or beyond [`Deed::COUNT_MAX`]. Tells
    /// its number.
    fn write_deed(&self, deed: Deed) -> Later<'_, u64>;

    /// What began is done, and was about this, which is in the state `outcome` since. What is not known stays so.
    fn end_deed(&self, number: u64, subject: String, outcome: String) -> Later<'_, ()>;

    /// What began changed nothing, and is forgotten.
    fn forget_deed(&self, number: u64) -> Later<'_, ()>;

    /// Deeds with their numbers, the newest first. Numbers grow, and are not given twice.
    fn deeds(&self, which: Deeds) -> Later<'_, Vec<(u64, Deed)>>;
}
