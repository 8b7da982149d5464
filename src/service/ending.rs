//! When the time of a grant is over.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::issue::NotIssued;
use crate::config::time_zone;
use crate::domain::moment::{Moment, Span};
use crate::domain::policy::{Ending, Policy};

/// The moment from which on a grant that lasts `span` from `from` on starts no download; `None` is never, and only for
/// no `span`.
///
/// With [`Ending::EndOfDay`] that is the moment after the last second of the local day in which `from + span` falls:
/// midnight, or later where the clock is set forward over midnight, and the second midnight where it is set back over
/// it. Beyond the year 9999, where calendars end, it is `from + span` itself. Without the zone nobody knows when the
/// day ends, and the answer is `from`, at which all is over: [`check_zone`] tells that before.
pub fn ends(policy: &Policy, from: Moment, span: Option<Span>) -> Option<Moment> {
    let exact = from + span?;
    let name = match &policy.ending {
        Ending::Exact => return Some(exact),
        Ending::EndOfDay(name) => name,
    };
    let Some(zone) = time_zone(name) else { return Some(from) };
    Some(end_of_day(&zone, exact).unwrap_or(exact))
}

/// Refuses a policy whose days are those of a zone that the system does not have, or no longer.
pub fn check_zone(policy: &Policy) -> Result<(), NotIssued> {
    match &policy.ending {
        Ending::EndOfDay(name) if time_zone(name).is_none() => Err(NotIssued::Zone(name.clone())),
        Ending::EndOfDay(_) | Ending::Exact => Ok(()),
    }
}

/// The moment after the last second of the day in which `moment` falls; `None` where calendars end.
fn end_of_day(zone: &TimeZone, moment: Moment) -> Option<Moment> {
    let stamp = Timestamp::from_millisecond(i64::try_from(moment.millis()).ok()?).ok()?;
    Some(Moment::from_millis(u64::try_from(next_day(zone, stamp)?.as_millisecond()).ok()?))
}

fn next_day(zone: &TimeZone, stamp: Timestamp) -> Option<Timestamp> {
    let next: Date = zone.to_datetime(stamp).date().tomorrow().ok()?;
    let midnight = zone.to_ambiguous_timestamp(next.to_datetime(Time::midnight()));
    match midnight.offset() {
        // There is no midnight: the day ends where the clock leaps, which may be before that.
        AmbiguousOffset::Gap { .. } => Some(zone.following(midnight.earlier().ok()?).next()?.timestamp()),
        // There are two: after the first, a part of the day comes again.
        AmbiguousOffset::Fold { .. } => midnight.later().ok(),
        AmbiguousOffset::Unambiguous { .. } => midnight.unambiguous().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_zone(zone: &str) -> Policy {
        Policy { ending: Ending::EndOfDay(zone.to_owned()), ..Policy::default() }
    }

    fn moment(text: &str) -> Moment {
        let stamp: Timestamp = text.parse().expect(text);
        Moment::from_millis(u64::try_from(stamp.as_millisecond()).expect(text))
    }

    #[test]
    fn a_grant_ends_after_the_last_second_of_the_local_day() {
        let day = Span::from_days(1);
        for (zone, falls, end) in [
            // 23 and 25 hours.
            ("Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            ("Europe/Berlin", "2026-03-29T21:59:59.999Z", "2026-03-29T22:00:00Z"),
            ("Europe/Berlin", "2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"),
            ("Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("Europe/Berlin", "2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z"),
            ("UTC", "2028-02-28T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("UTC", "2027-12-31T23:59:59.999Z", "2028-01-01T00:00:00Z"),
            ("Asia/Kathmandu", "2026-01-02T18:14:59Z", "2026-01-02T18:15:00Z"),
            ("Pacific/Kiritimati", "2026-01-02T10:00:00Z", "2026-01-03T10:00:00Z"),
            // The next day has no midnight: this one still ends with its 23:59:59.
            ("America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z"),
            ("America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-05T02:00:00Z"),
            ("Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-23T22:00:00Z"),
            // A whole day is left out.
            ("Pacific/Apia", "2011-12-30T00:00:00Z", "2011-12-30T10:00:00Z"),
            // The last hour of the day comes twice; a minute after midnight the last hour comes again.
            ("America/Sao_Paulo", "2019-02-16T12:00:00Z", "2019-02-17T03:00:00Z"),
            ("America/St_Johns", "2008-11-01T12:00:00Z", "2008-11-02T03:30:00Z"),
        ] {
            let falls = moment(falls);
            for (from, span) in [(falls, Span::ZERO), (Moment::from_millis(falls.millis() - day.millis()), day)] {
                let ends = ends(&in_zone(zone), from, Some(span));
                assert_eq!(ends.map(|end| end.to_string()), Some(end.to_owned()), "{zone} {falls}");
            }
        }
    }

    #[test]
    fn where_the_clock_leaps_over_midnight_the_day_ends_with_the_leap() {
        // At 23:30 to 00:30, before 1970: here by the zone alone.
        let zone = time_zone("America/Toronto").expect("Toronto");
        let leap: Timestamp = "1919-03-31T04:30:00Z".parse().expect("a moment");
        assert_eq!(zone.to_datetime(leap).to_string(), "1919-03-31T00:30:00");
        assert_eq!(next_day(&zone, leap - jiff::SignedDuration::from_hours(5)), Some(leap));
    }

    #[test]
    fn an_exact_end_is_where_the_span_ends_and_no_span_has_no_end() {
        let from = moment("2026-11-21T12:34:56.789Z");
        let minute = Span::from_seconds(60);
        assert_eq!(ends(&Policy::default(), from, Some(minute)), Some(from + minute));
        for policy in [Policy::default(), in_zone("Europe/Berlin"), in_zone("Not/There")] {
            assert_eq!(ends(&policy, from, None), None);
        }
    }

    #[test]
    fn a_zone_that_is_gone_is_never_a_grant_without_an_end() {
        let from = moment("2026-11-21T12:00:00Z");
        for gone in ["Not/There", "", "Etc/Unknown"] {
            assert_eq!(ends(&in_zone(gone), from, Some(Span::from_days(30))), Some(from), "{gone}");
            assert!(matches!(check_zone(&in_zone(gone)), Err(NotIssued::Zone(name)) if name == gone), "{gone}");
        }
        assert!(check_zone(&in_zone("Europe/Berlin")).is_ok() && check_zone(&Policy::default()).is_ok());
    }

    #[test]
    fn every_moment_of_years_has_an_end_that_lies_ahead_and_within_two_days() {
        let (mut seen, step) = (0, Span::from_hours(2));
        for name in ["Europe/Berlin", "America/Sao_Paulo", "Africa/Cairo", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"] {
            let (policy, mut now) = (in_zone(name), moment("2005-01-01T00:00:00Z"));
            let last = moment("2030-01-01T00:00:00Z");
            let zone = time_zone(name).expect(name);
            while now < last {
                let end = ends(&policy, now, Some(Span::ZERO)).expect("an end");
                assert!(end > now && end.since(now) <= Span::from_hours(25), "{name} {now} {end}");
                let date = |moment: Moment| {
                    zone.to_datetime(Timestamp::from_millisecond(i64::try_from(moment.millis()).expect("a date")).expect("a date")).date()
                };
                let before = Moment::from_millis(end.millis() - 1);
                assert!(date(before) == date(now) && date(end) > date(now), "{name} {now} {end}");
                (now, seen) = (now + step, seen + 1);
            }
        }
        assert!(seen > 600_000, "{seen}");
    }

    #[test]
    fn times_beyond_all_calendars_are_taken_as_they_are() {
        let policy = in_zone("Europe/Berlin");
        let end = Moment::from_millis(u64::MAX);
        for (from, span) in [(end, Span::ZERO), (Moment::EPOCH, Span::from_millis(u64::MAX)), (end, Span::from_millis(u64::MAX))] {
            assert_eq!(ends(&policy, from, Some(span)), Some(end));
        }
        let edge = moment("9999-12-30T21:59:59Z");
        for millis in [0, 1, 1000, 3_600_000, 86_400_000, 1_000_000_000_000] {
            let from = edge + Span::from_millis(millis);
            assert!(ends(&policy, from, Some(Span::ZERO)).is_some_and(|end| end >= from), "{millis}");
        }
    }
}
