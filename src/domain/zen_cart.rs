//! The links that Zen Cart makes for downloads "by redirect", and how long they stay.
//!
//! Zen Cart leads each download to a directory of its own in `pub/` with one symbolic link in it:
//! `[.]<16 to 20 letters a-z>-<seconds since 1970>/<file>`. Its own clean-up runs at the next download and takes away
//! whatever is older than `SYMLINK_GARBAGE_COLLECTION_THRESHOLD` seconds, 0 if nothing is said: also what somebody is
//! downloading. What the rules here say takes its place.

use super::moment::{Moment, Span};

/// Letters in a name.
const LETTERS: std::ops::RangeInclusive<usize> = 16..=20;

/// Digits of a time. Fewer were before Zen Cart was, more are no number of ours.
const DIGITS: std::ops::RangeInclusive<usize> = 9..=19;

/// A clock of another machine may be so far ahead.
const AHEAD_MAX: Span = Span::from_seconds(60);

/// Earlier names are of no download: in 2003 Zen Cart began.
const FIRST: Moment = Moment::from_seconds(1_041_379_200);

/// So long after it was made no link stays, whoever uses it.
pub const STAYS_MAX: Span = Span::from_days(7);

/// So long a link stays after the last who read its file is done, where nobody tells who that was: a download that broke
/// off is taken up again.
pub const REST: Span = Span::from_hours(1);

/// The name of a directory that Zen Cart made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// The number in it, as it is written.
    seconds: u64,
}

impl Name {
    /// Takes `name` if it has exactly the form of Zen Cart's.
    pub fn parse(name: &str) -> Option<Self> {
        let (letters, seconds) = name.strip_prefix('.').unwrap_or(name).split_once('-')?;
        let is_word = LETTERS.contains(&letters.len()) && letters.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_number = DIGITS.contains(&seconds.len()) && seconds.bytes().all(|byte| byte.is_ascii_digit()) && !seconds.starts_with('0');
        (is_word && is_number).then(|| seconds.parse().ok()).flatten().map(|seconds| Self { seconds })
    }

    /// When the link was made: the time in its name, if that can be one of Zen Cart's; else when its directory was last
    /// changed. A time in the future or in another unit is no reason to take away, nor to keep for ever.
    pub fn made(self, changed: Moment, now: Moment) -> Moment {
        let told = Moment::from_seconds(self.seconds);
        if told >= FIRST && told <= now + AHEAD_MAX { told.min(now) } else { changed.min(now) }
    }
}

/// What is known of the use of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// When the last request for it ended, where the web server's log tells.
    pub asked: Option<Moment>,
    /// Whether somebody reads its file.
    pub is_read: bool,
    /// When the last who did was done.
    pub left: Option<Moment>,
}

/// How long a link stays, and by which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stays {
    /// Until when, as far as is known now.
    pub until: Moment,
    /// What keeps it so long.
    pub by: Rule,
}

/// What keeps a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// That it was made.
    Made,
    /// That a request for it ended at this moment.
    Asked(Moment),
    /// That its file is being read.
    Read,
    /// That somebody who read its file was done at this moment, or may have been.
    Left(Moment),
    /// Nothing any more: no link stays for longer than [`STAYS_MAX`].
    End,
}

impl Rule {
    /// The word of API and tests.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Asked(_) => "asked",
            Self::Read => "read",
            Self::Left(_) => "left",
            Self::End => "end",
        }
    }

    /// What it says, in a sentence.
    pub fn sentence(self) -> String {
        match self {
            Self::Made => "nobody used it yet, as far as is known, and it stays for `keep` after it was made".to_owned(),
            Self::Asked(at) => format!("a request for it ended at {at}, and it stays for `keep` after that"),
            Self::Read => "its file is being read, and meanwhile it stays, for 7 days after it was made at most".to_owned(),
            Self::Left(at) => {
                format!("its file was read until {at}, or may have been, and it stays for `keep` after that, an hour at most")
            }
            Self::End => "no link stays for longer than 7 days after it was made".to_owned(),
        }
    }
}

/// How long a link stays that was made at `made`: `keep` after that or after it was last used, at most [`STAYS_MAX`] after
/// it was made, and until then while its file is read.
pub fn stays(made: Moment, used: Use, keep: Span) -> Stays {
    let end = made + STAYS_MAX;
    if used.is_read {
        return Stays { until: end, by: Rule::Read };
    }
    let asked = used.asked.map(|asked| Stays { until: asked + keep, by: Rule::Asked(asked) });
    let left = used.left.map(|left| Stays { until: left + keep.min(REST), by: Rule::Left(left) });
    let longest = [asked, left]
        .into_iter()
        .flatten()
        .fold(Stays { until: made + keep, by: Rule::Made }, |longest, other| if other.until > longest.until { other } else { longest });
    if longest.until > end { Stays { until: end, by: Rule::End } } else { longest }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_900_000_000;

    #[test]
    fn only_names_of_exactly_zen_carts_shape_are_its_own() {
        for (name, good) in [
            ("abcdefghijklmnop-1899990000", true),
            (".abcdefghijklmnop-1899990000", true),
            ("abcdefghijklmnopqrst-1899990000", true),
            ("abcdefghijklmnop-1899990000000", true),
            ("abcdefghijklmno-1899990000", false),
            ("abcdefghijklmnopqrstu-1899990000", false),
            ("Abcdefghijklmnop-1899990000", false),
            ("abcdefghijklmno1-1899990000", false),
            ("äbcdefghijklmnop-1899990000", false),
            ("..abcdefghijklmnop-1899990000", false),
            ("abcdefghijklmnop_1899990000", false),
            ("abcdefghijklmnop-", false),
            ("abcdefghijklmnop", false),
            ("abcdefghijklmnop-0899990000", false),
            ("abcdefghijklmnop-18999900", false),
            ("abcdefghijklmnop-+899990000", false),
            ("abcdefghijklmnop-1899990000 ", false),
            ("abcdefghijklmnop-1899990000-1", false),
            ("abcdefghijklmnop-0x71234567", false),
            ("abcdefghijklmnop-18446744073709551616", false),
            ("-1899990000", false),
            ("", false),
            (".htaccess", false),
            ("index.html", false),
        ] {
            assert_eq!(Name::parse(name).is_some(), good, "{name:?}");
        }
    }

    #[test]
    fn a_time_that_cannot_be_one_is_not_believed() {
        let (changed, now) = (Moment::from_seconds(NOW - 500), Moment::from_seconds(NOW));
        for (seconds, made) in [
            (NOW - 90_000, NOW - 90_000),
            (NOW, NOW),
            // Two clocks are never quite the same.
            (NOW + 60, NOW),
            (NOW + 61, NOW - 500),
            // Milliseconds; a phone number.
            (NOW * 1000, NOW - 500),
            (100_000_000, NOW - 500),
            (1_041_379_199, NOW - 500),
            (1_041_379_200, 1_041_379_200),
        ] {
            assert_eq!(Name { seconds }.made(changed, now), Moment::from_seconds(made), "{seconds}");
        }
        assert_eq!(Name { seconds: u64::MAX }.made(Moment::from_seconds(NOW + 9), now), now, "a directory from the future");
    }

    #[test]
    fn a_link_stays_while_it_is_used_and_not_for_ever() {
        const HOUR: u64 = 3600;
        const DAY: u64 = 24 * HOUR;
        let at = |after: u64| Moment::from_seconds(NOW + after);
        let (never, read) = (Use::default(), Use { is_read: true, ..Use::default() });
        let asked = |after| Use { asked: Some(at(after)), ..Use::default() };
        let left = |after| Use { left: Some(at(after)), ..Use::default() };
        for (used, keep, until, by) in [
            (never, DAY, DAY, "made"),
            (never, 0, 0, "made"),
            (never, 30 * DAY, 7 * DAY, "end"),
            (asked(HOUR), DAY, DAY + HOUR, "asked"),
            (asked(6 * DAY + 20 * HOUR), DAY, 7 * DAY, "end"),
            (asked(9 * DAY), DAY, 7 * DAY, "end"),
            (asked(5), 0, 5, "asked"),
            (read, DAY, 7 * DAY, "read"),
            (read, 0, 7 * DAY, "read"),
            (left(HOUR), DAY, DAY, "made"),
            (left(DAY), DAY, DAY + HOUR, "left"),
            (left(DAY), 60, DAY + 60, "left"),
            (left(7 * DAY), DAY, 7 * DAY, "end"),
            (Use { left: Some(at(DAY)), ..asked(2 * HOUR) }, DAY, DAY + 2 * HOUR, "asked"),
        ] {
            let stays = stays(at(0), used, Span::from_seconds(keep));
            assert_eq!((stays.until, stays.by.word()), (at(until), by), "{used:?} {keep}");
        }
    }
}
