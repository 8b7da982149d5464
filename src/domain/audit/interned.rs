//! Names that occur again and again, each kept once and known by a number.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// At most so many names, numbered from 0 in the order in which they came.
#[derive(Debug)]
pub(super) struct Interned<K, S = RandomState> {
    numbers: HashMap<K, u32, S>,
    max: usize,
}

impl<K: std::hash::Hash + Eq, S: BuildHasher + Default> Interned<K, S> {
    pub(super) fn new(max: usize) -> Self {
        Self { numbers: HashMap::default(), max }
    }

    /// The number of `name`; `None` where it is new and there is no room. `own` makes what is kept.
    pub(super) fn number<Q>(&mut self, name: &Q, own: impl FnOnce(&Q) -> K) -> Option<Number>
    where
        K: std::borrow::Borrow<Q>,
        Q: std::hash::Hash + Eq + ?Sized,
    {
        if let Some(&number) = self.numbers.get(name) {
            return Some(Number { number, is_new: false });
        }
        if self.numbers.len() >= self.max {
            return None;
        }
        let number = u32::try_from(self.numbers.len()).ok()?;
        self.numbers.insert(own(name), number);
        Some(Number { number, is_new: true })
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The names by their numbers.
    pub(super) fn into_names(self) -> Vec<K> {
        let mut names: Vec<(u32, K)> = self.numbers.into_iter().map(|(name, number)| (number, name)).collect();
        names.sort_unstable_by_key(|&(number, _)| number);
        names.into_iter().map(|(_, name)| name).collect()
    }
}

/// What a name is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) number: u32,
    pub(super) is_new: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_and_there_are_never_more_than_allowed() {
        let mut names: Interned<Box<[u8]>> = Interned::new(2);
        let mut of = |name: &[u8]| names.number(name, |name: &[u8]| name.into()).map(|one| (one.number, one.is_new));
        assert_eq!(
            [of(b"a"), of(b"b"), of(b"a"), of(b"c"), of(b"b")],
            [Some((0, true)), Some((1, true)), Some((0, false)), None, Some((1, false))]
        );
        assert_eq!(names.len(), 2);
        assert_eq!(names.into_names(), [Box::from(*b"a"), Box::from(*b"b")]);
    }
}
