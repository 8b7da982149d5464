//! The one place that asks the system for the time.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::moment::Moment;

/// The current time. A clock before 1970 reads as 1970, at which nothing that has a start is valid yet.
#[expect(clippy::disallowed_methods, reason = "this is the file that may")]
pub fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
