//! What was asked for lately.

use std::collections::HashMap;
use std::hash::Hash;

/// Keeps what was used lately, in two generations: when the young one is full, the old one is dropped and the young one
/// takes its place. What is used moves back to the young. Costs no list of uses.
#[derive(Debug)]
pub struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// The most that one generation holds.
    most: usize,
}

impl<K: Eq + Hash + Copy, V> Recent<K, V> {
    /// Keeps at most `2 × most`, and at least `most` of those used last.
    pub fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), most }
    }

    /// Takes it out.
    pub fn take(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    /// Without it counting as use.
    pub fn look(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// What is kept under `key`; it counts as used.
    pub fn touch(&mut self, key: &K) -> Option<&mut V> {
        if let Some(value) = self.old.remove(key) {
            self.young.insert(*key, value);
        }
        self.young.get_mut(key)
    }

    /// Keeps `value`, without anything being dropped for it: see [`Recent::age`].
    pub fn insert(&mut self, key: K, value: V) {
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// Keeps `value`; where there is no room, the old generation is dropped for it.
    pub fn keep(&mut self, key: K, value: V) {
        drop(self.age());
        self.insert(key, value);
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops the old generation if the young one is full, and gives back what was dropped.
    pub fn age(&mut self) -> HashMap<K, V> {
        if self.young.len() < self.most { HashMap::new() } else { std::mem::replace(&mut self.old, std::mem::take(&mut self.young)) }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
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

    #[test]
    fn what_is_used_stays_and_the_size_is_bounded() {
        let mut kept = Recent::new(10);
        kept.keep(0, "used");
        for key in 1..1000 {
            kept.keep(key, "once");
            assert!(kept.touch(&0).is_some(), "{key}");
            assert!(kept.len() <= 21, "{}", kept.len());
        }
        assert!(kept.touch(&900).is_none() && kept.touch(&999).is_some());
        assert_eq!(kept.touch(&0).copied(), Some("used"));
    }
}
