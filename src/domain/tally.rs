//! Numbers over time: what was counted in each hour.

use super::account::Change;
use super::delivery::State;
use super::moment::{Moment, Span};
use super::refusal::Refusal;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// Deliveries whose first request was admitted.
    Started,
    /// Deliveries that arrived.
    Completed,
    /// Deliveries that may have arrived.
    Presumed,
    /// Deliveries that did not arrive.
    Released,
    /// Body bytes of counted downloads, as reported.
    Bytes,
    /// Questions that were refused for this reason, counted downloads or not.
    Refused(Refusal),
}

/// How often something happened in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The hour's first moment, UTC.
    pub hour: Moment,
    /// What happened.
    pub what: Counted,
    /// How often, or how many bytes.
    pub count: u64,
}

impl Tally {
    /// `count` times `what` in the hour of `at`.
    pub const fn new(at: Moment, what: Counted, count: u64) -> Self {
        Self { hour: hour_of(at), what, count }
    }

    /// What is counted of `change`; `None` where nothing is.
    pub fn of(change: &Change) -> Option<Self> {
        let what = match change.state {
            state if state == change.before => return None,
            State::Offered => return None,
            State::Open | State::Started => Counted::Started,
            State::Completed => Counted::Completed,
            State::Released => Counted::Released,
            State::Presumed => Counted::Presumed,
        };
        Some(Self::new(change.at, what, 1))
    }
}

/// The first moment of the hour of `at`, UTC.
pub const fn hour_of(at: Moment) -> Moment {
    let hour = Span::from_hours(1).millis();
    Moment::from_millis(at.millis() - at.millis() % hour)
}

impl Counted {
    /// Its word: `started`, `completed`, `presumed`, `released`, `bytes`, or a refusal's code.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Presumed => "presumed",
            Self::Released => "released",
            Self::Bytes => "bytes",
            Self::Refused(refusal) => refusal.code(),
        }
    }

    /// Reads a word back.
    pub fn parse(word: &str) -> Option<Self> {
        let plain = [Self::Started, Self::Completed, Self::Presumed, Self::Released, Self::Bytes];
        plain.into_iter().find(|what| what.word() == word).or_else(|| word.parse().ok().map(Self::Refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        let all = Refusal::ALL.iter().copied().map(Counted::Refused);
        let mut seen = 0;
        for what in all.chain([Counted::Started, Counted::Completed, Counted::Presumed, Counted::Released, Counted::Bytes]) {
            assert_eq!(Counted::parse(what.word()), Some(what));
            seen += 1;
        }
        assert_eq!(seen, Refusal::ALL.len() + 5);
        assert_eq!(Counted::parse("nonsense"), None);
    }

    #[test]
    fn an_hour_begins_at_its_first_millisecond() {
        for (millis, hour) in
            [(0, 0), (3_599_999, 0), (3_600_000, 3_600_000), (3_600_001, 3_600_000), (u64::MAX, u64::MAX - u64::MAX % 3_600_000)]
        {
            assert_eq!(hour_of(Moment::from_millis(millis)), Moment::from_millis(hour));
        }
    }
}
