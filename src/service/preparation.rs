//! How a copy stands that is not there yet, and what customers are told meanwhile.

use crate::domain::moment::{Moment, Span};
use crate::domain::refusal::Refusal;
use crate::public::Done;

/// How far a copy is that is not there yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preparation {
    /// How many bytes are done.
    pub done: Done,
    /// Why the last try failed.
    pub trouble: Option<String>,
    /// Since when each try fails.
    pub since: Option<Moment>,
}

/// Who asks for a copy that has failed for so long is told that something has to be mended.
const HOPELESS_AFTER: Span = Span::from_seconds(60);

impl Preparation {
    /// What a customer is told at `now` who asks for it.
    pub fn refusal(&self, now: Moment) -> Refusal {
        let is_hopeless = self.since.is_some_and(|since| now >= since + HOPELESS_AFTER);
        if is_hopeless { Refusal::CannotPrepare } else { Refusal::Preparing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customers_are_asked_to_wait_for_a_minute_and_then_told_that_something_has_to_be_mended() {
        let at = Moment::from_seconds;
        for (since, now, refusal) in [
            (None, 900, Refusal::Preparing),
            (Some(900), 900, Refusal::Preparing),
            (Some(900), 959, Refusal::Preparing),
            (Some(900), 960, Refusal::CannotPrepare),
            (Some(900), 99_999, Refusal::CannotPrepare),
            (Some(900), 1, Refusal::Preparing),
        ] {
            let preparation = Preparation { since: since.map(at), ..Preparation::default() };
            assert_eq!(preparation.refusal(at(now)), refusal, "{since:?} {now}");
        }
    }
}
