//! Why things could not be taken out of public directories, for as long as they lie there.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::moment::Moment;
use crate::domain::placed::PlacedName;

/// Of more things than this the reason is only in the log: a disk that is gone has one reason for all of them.
const KEPT_MAX: usize = 10_000;

/// Why something was not removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When it was tried last.
    pub at: Moment,
    /// What the system said.
    pub why: String,
}

/// The last reasons, by name.
#[derive(Debug, Default)]
pub struct Troubles(Mutex<BTreeMap<PlacedName, Trouble>>);

impl Troubles {
    /// It was tried, and did not work.
    pub fn keep(&self, name: &PlacedName, at: Moment, why: String) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX || kept.contains_key(name) {
            kept.insert(name.clone(), Trouble { at, why });
        }
    }

    /// It is gone.
    pub fn forget(&self, name: &PlacedName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Why it is still there, if that is known.
    pub fn of(&self, name: &PlacedName) -> Option<Trouble> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_reason_is_kept_until_it_is_gone_and_their_number_is_bounded() {
        let troubles = Troubles::default();
        let name = |number: u32| PlacedName::new(u128::from(number).to_be_bytes());
        let (first, later) = (Moment::from_seconds(1), Moment::from_seconds(2));
        troubles.keep(&name(0), first, "EROFS".to_owned());
        troubles.keep(&name(0), later, "EACCES".to_owned());
        assert_eq!(troubles.of(&name(0)), Some(Trouble { at: later, why: "EACCES".to_owned() }));
        for number in 1..20_000 {
            troubles.keep(&name(number), first, String::new());
        }
        assert_eq!(troubles.of(&name(19_999)), None);
        troubles.keep(&name(0), first, "EIO".to_owned());
        assert_eq!(troubles.of(&name(0)).map(|trouble| trouble.why), Some("EIO".to_owned()));
        troubles.forget(&name(0));
        assert_eq!(troubles.of(&name(0)), None);
    }
}
