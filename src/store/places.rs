//! Where public directories lie, and lay: what every store promises about it.

use super::Later;
use crate::domain::place::Place;

/// The part of a store that keeps the places of public directories.
pub trait PlaceStore {
    /// All of them, by directory and path.
    fn places(&self) -> Later<'_, Vec<Place>>;

    /// Remembers these, each directory and path once, in place of all that were known.
    fn keep_places(&self, places: Vec<Place>) -> Later<'_, ()>;

    /// How much of what is there, going or to be made [may lie](Place::may_hold) in each of these, in their order.
    fn lying(&self, places: Vec<Place>) -> Later<'_, Vec<u64>>;
}
