//! A map of bounded size that forgets what was not used for long.

use std::collections::HashMap;
use std::hash::Hash;

/// Two generations: when the young one is full, the old one is dropped and the young one takes its place. What is used
/// moves back to the young. Holds at most twice `most`, and at least the `most` that were used last.
#[derive(Debug)]
pub(super) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    most: usize,
}

impl<K: Eq + Hash, V> Generations<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), most }
    }

    /// What is kept under `key`; it counts as used.
    pub(super) fn used(&mut self, key: &K) -> Option<&mut V> {
        if let Some((key, value)) = self.old.remove_entry(key) {
            self.young.insert(key, value);
        }
        self.young.get_mut(key)
    }

    /// Whether something is kept under `key`; it counts as used.
    pub(super) fn contains(&mut self, key: &K) -> bool {
        self.young.contains_key(key) || self.used(key).is_some()
    }

    /// Keeps `value`; what is oldest is forgotten for it.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// How many are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_size_is_bounded() {
        let mut kept = Generations::new(10);
        kept.insert(0, "used");
        for key in 1..1000 {
            kept.insert(key, "once");
            assert!(kept.contains(&0), "{key}");
            assert!(kept.len() <= 21, "{}", kept.len());
        }
        assert!(!kept.contains(&900) && kept.contains(&999));
        assert_eq!(kept.used(&0).map(|value| *value), Some("used"));
    }
}
