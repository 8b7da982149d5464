//! The one place that asks the system for the time.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::moment::Moment;

/// The current time. A clock before 1970 reads as 1970, at which nothing that has a start is valid yet.
#[expect(clippy::disallowed_methods, reason = "this is the file that may")]
pub fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Microseconds on the clock that is never set, as systemd counts them.
pub fn monotonic_micros() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    part(now.tv_sec).saturating_mul(1_000_000).saturating_add(part(now.tv_nsec) / 1000)
}
