//! How callers write times and numbers; the command line reads them with the same functions.

use crate::domain::moment::{Moment, Span};
use crate::service::amend::{Downloads, Until};

pub use crate::domain::grant::UNLIMITED;

const DAY: Span = Span::from_days(1);

/// What a date without a time of day means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The first moment of that day, UTC.
    Begins,
    /// The first moment after that day, UTC: the day is in.
    Ends,
}

/// Reads `2027-01-31` or `2027-01-31T12:00:00Z`. The error says what would be right.
pub fn moment(text: &str, edge: Edge) -> Result<Moment, String> {
    const WANTED: &str = "must be a date such as 2027-01-31 (UTC), or a time such as 2027-01-31T12:00:00Z";
    let of = |stamp: jiff::Timestamp| u64::try_from(stamp.as_millisecond()).map(Moment::from_millis);
    let before_all = |_| "must not be before 1970".to_owned();
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return of(stamp).map_err(before_all);
    }
    // Anything longer says a time of day in a way that is not understood; to take its date alone would be a guess.
    let date: jiff::civil::Date = text.parse().ok().filter(|_| text.len() == 10).ok_or(WANTED)?;
    let begins = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| WANTED)?.timestamp();
    let begins = of(begins).map_err(before_all)?;
    Ok(match edge {
        Edge::Begins => begins,
        Edge::Ends => begins + DAY,
    })
}

/// Reads how long something lasts: `30d`, or `unlimited`, which is `None`.
pub fn lasting(text: &str) -> Result<Option<Span>, String> {
    if text == UNLIMITED {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|why| format!("{why}, or `{UNLIMITED}`"))
}

/// Reads a number of downloads: `3`, or `unlimited`, which is `None`.
pub fn downloads(text: &str) -> Result<Option<u32>, String> {
    if text == UNLIMITED {
        return Ok(None);
    }
    number(text).map(Some).ok_or_else(|| format!("must be a number from 0 to {}, or `{UNLIMITED}`", u32::MAX))
}

/// Reads how many downloads there shall be: `3`, `+2` or `unlimited`.
pub fn more_downloads(text: &str) -> Result<Downloads, String> {
    let wanted = || format!("must be a number from 0 to {}, `+` and a number for so many more, or `{UNLIMITED}`", u32::MAX);
    match text.strip_prefix('+') {
        Some(more) => number(more).filter(|more| *more > 0).map(Downloads::More).ok_or_else(wanted),
        None if text == UNLIMITED => Ok(Downloads::Unlimited),
        None => number(text).map(Downloads::Exactly).ok_or_else(wanted),
    }
}

/// Reads for how much longer a grant shall last: `30d`, or `unlimited`.
pub fn longer(text: &str) -> Result<Until, String> {
    match lasting(text)? {
        None => Ok(Until::Never),
        Some(Span::ZERO) => Err("must be longer than nothing".to_owned()),
        Some(span) => Ok(Until::For(span)),
    }
}

/// Reads until when a grant shall last: a date, which is in, or a time.
pub fn until(text: &str) -> Result<Until, String> {
    moment(text, Edge::Ends).map(Until::At)
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_its_first_moment_or_the_first_one_after_it() {
        for (text, begins, ends) in [
            ("2027-01-31", "2027-01-31T00:00:00Z", "2027-02-01T00:00:00Z"),
            ("2028-02-29", "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z"),
            ("2027-01-31T12:00:00Z", "2027-01-31T12:00:00Z", "2027-01-31T12:00:00Z"),
            ("2027-01-31T12:00:00+02:00", "2027-01-31T10:00:00Z", "2027-01-31T10:00:00Z"),
        ] {
            assert_eq!(moment(text, Edge::Begins).expect(text).to_string(), begins);
            assert_eq!(moment(text, Edge::Ends).expect(text).to_string(), ends);
        }
        for text in [
            "",
            "tomorrow",
            "2027-02-30",
            "31.01.2027",
            "2027-1-31",
            "2027-01-31T12:00:00",
            "2027-01-31 12:00",
            "1900000000",
            "99999-01-01",
        ] {
            assert!(moment(text, Edge::Ends).is_err_and(|why| why.contains("2027-01-31T12:00:00Z")), "{text}");
        }
        assert!(moment("1969-12-31", Edge::Begins).is_err_and(|why| why.contains("1970")));
    }

    #[test]
    fn numbers_of_downloads_are_plain_or_added() {
        for (text, read) in [
            ("0", Some(Downloads::Exactly(0))),
            ("4294967295", Some(Downloads::Exactly(u32::MAX))),
            ("+2", Some(Downloads::More(2))),
            ("unlimited", Some(Downloads::Unlimited)),
            ("", None),
            ("+", None),
            ("+0", None),
            ("++1", None),
            ("-1", None),
            ("+unlimited", None),
            ("4294967296", None),
            ("1.5", None),
            ("١", None),
        ] {
            assert_eq!(more_downloads(text).ok(), read, "{text}");
            if !text.starts_with('+') {
                assert_eq!(downloads(text).is_ok(), read.is_some(), "{text}");
            }
        }
    }
}
