//! The one place that asks the system for the time.

use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime};
use tokio::io::unix::AsyncFd;

use crate::domain::moment::{Moment, Span};

/// The current time. A clock before 1970 reads as 1970, at which nothing that has a start is valid yet.
#[expect(clippy::disallowed_methods, reason = "this is the file that may")]
pub fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Where the system has no alarm to give, the clock is looked at so often.
const LOOK: Duration = Duration::from_hours(1);

/// Waits until the clock shows `moment`, whoever sets it meanwhile and while the machine sleeps: a timer that counts the time
/// that passes would notice neither. `None` never comes.
pub async fn until(moment: Option<Moment>) {
    let Some(moment) = moment else { return pending().await };
    let mut alarm = alarm(moment).ok();
    loop {
        let rest = moment.since(now());
        if rest == Span::ZERO {
            return;
        }
        // A little longer than asked: a timer that fires early would find nothing due and spin.
        let passed = tokio::time::sleep(Duration::from(rest).min(if alarm.is_some() { Duration::MAX } else { LOOK }) + TICK);
        match &alarm {
            Some(set) => {
                tokio::select! {
                    _ = set.readable() => {
                        // It goes by the system's clock, and that of a process can be another, as under libfaketime.
                        alarm = None;
                    }
                    () = passed => {}
                }
            }
            None => passed.await,
        }
    }
}

const TICK: Duration = Duration::from_millis(1);

/// A descriptor that is ready from `moment` on. The system's timers for a time of day follow the clock when it is set.
#[expect(deprecated, reason = "an `OwnedFd` keeps its descriptor open, which is what the function cannot ask for")]
fn alarm(moment: Moment) -> io::Result<AsyncFd<OwnedFd>> {
    let alarm = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let part = |millis: u64| i64::try_from(millis).unwrap_or(i64::MAX);
    let it_value = Timespec { tv_sec: part(moment.millis() / 1000), tv_nsec: part(moment.millis() % 1000 * 1_000_000) };
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
    timerfd_settime(&alarm, TimerfdTimerFlags::ABSTIME, &once)?;
    AsyncFd::new(alarm)
}

/// Microseconds on the clock that is never set, as systemd counts them.
pub fn monotonic_micros() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    part(now.tv_sec).saturating_mul(1_000_000).saturating_add(part(now.tv_nsec) / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(millis: u64) -> Moment {
        now() + Span::from_millis(millis)
    }

    /// Whether a wait has ended at once.
    async fn has_come(moment: Option<Moment>) -> bool {
        tokio::select! {
            biased;
            () = until(moment) => true,
            () = tokio::task::yield_now() => false,
        }
    }

    #[tokio::test]
    async fn a_moment_is_waited_for_until_the_clock_shows_it() {
        for (moment, comes) in [(Some(Moment::EPOCH), true), (Some(now()), true), (Some(later(3_600_000)), false), (None, false)] {
            assert_eq!(has_come(moment).await, comes, "{moment:?}");
        }
        assert!(!has_come(Some(Moment::from_millis(u64::MAX))).await, "what never comes is no fault");
        let soon = later(30);
        until(Some(soon)).await;
        assert!(now() >= soon);
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_goes_by_the_clock_and_not_by_the_time_that_passed() {
        // What passed is what this test says, and nothing has.
        let alarm = alarm(later(30)).unwrap();
        drop(alarm.readable().await.unwrap());
        // One whose moment the clock has passed is ready at once: that is what a clock that is set forward comes to.
        let passed = super::alarm(Moment::from_seconds(1)).unwrap();
        drop(passed.readable().await.unwrap());
    }
}
