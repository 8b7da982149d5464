//! What was asked for lately.

use std::collections::HashMap;
use std::hash::Hash;

/// Keeps what was used lately, in two generations: when the young one is full, the old one is dropped and the young one
/// takes its place. What is used moves back to the young. Costs no list of uses.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// The most that one generation holds.
    most: usize,
}

impl<K: Eq + Hash + Copy, V> Recent<K, V> {
    /// Keeps at most `2 × most`, and at least `most` of those used last.
    pub(super) fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), most }
    }

    pub(super) fn take(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// Without it counting as use.
    pub(super) fn look(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub(super) fn touch(&mut self, key: &K) -> Option<&mut V> {
        if let Some(value) = self.old.remove(key) {
            self.young.insert(*key, value);
        }
        self.young.get_mut(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// Drops the old generation if the young one is full, and gives back what was dropped.
    pub(super) fn age(&mut self) -> HashMap<K, V> {
        if self.young.len() < self.most { HashMap::new() } else { std::mem::replace(&mut self.old, std::mem::take(&mut self.young)) }
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut recent = Recent::new(2);
        recent.insert(1, "a");
        recent.insert(2, "b");
        assert!(recent.age().is_empty(), "both are of the old generation now");
        recent.insert(3, "c");
        assert_eq!(recent.touch(&1).copied(), Some("a"));
        let dropped = recent.age();
        assert_eq!(dropped.into_iter().collect::<Vec<_>>(), [(2, "b")]);
        assert_eq!((recent.touch(&2).copied(), recent.touch(&3).copied()), (None, Some("c")));
        assert_eq!(recent.take(&1), Some("a"));
        assert_eq!(recent.take(&1), None);
        recent.clear();
        assert_eq!(recent.touch(&3), None);
    }
}
