//! Times of the API as people say them.

use super::terminal;
use crate::domain::moment::Moment;

/// Reads a time of the API.
pub(super) fn moment(time: &str) -> Option<Moment> {
    time.parse::<jiff::Timestamp>().ok().and_then(|stamp| u64::try_from(stamp.as_millisecond()).ok()).map(Moment::from_millis)
}

/// How long ago a time of the API is, or in how long it comes.
pub(super) fn ago(time: &str, now: Moment) -> String {
    moment(time).map_or_else(|| time.to_owned(), |when| terminal::ago(when, now))
}
