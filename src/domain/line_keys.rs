//! Which line of an order a line is that says no key, when the order is reported again.
//!
//! A shop that has no ids of lines sends them in order, and leaves out what was taken back: the place of a line then says
//! nothing. It is the line that was reported before with the same SKU, options and quantity; else with the same SKU and
//! options; else with the same SKU. Of several alike it is the first that is not taken. What was not reported before gets
//! its place for a key, from 1, or, if that is taken, the first number that is not.

use std::collections::BTreeSet;

use super::order::{Line, Options};

/// A line, as far as it tells which one it is.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The key that it says.
    pub key: Option<&'a str>,
    /// What was ordered.
    pub sku: &'a str,
    /// What of it was chosen.
    pub options: &'a Options,
    /// How many.
    pub quantity: u32,
}

impl Told<'_> {
    /// How much of a line that was reported before this is; `None` is nothing.
    fn likeness(&self, known: &Line) -> Option<usize> {
        let same_options = known.options == *self.options;
        let is_alike = known.sku.as_str() == self.sku;
        is_alike.then_some(usize::from(same_options) + usize::from(same_options && known.quantity == self.quantity))
    }
}

/// The most that two lines are alike.
const LIKENESS_MAX: usize = 2;

/// The key of each line: what it says, else that of the line of `known` that it is, else one of its own. Keys that are said
/// may stand there twice, and may be those that others get by their place.
pub fn keys(lines: &[Told<'_>], known: &[Line]) -> Vec<String> {
    let mut keys: Vec<Option<String>> = lines.iter().map(|line| line.key.map(str::to_owned)).collect();
    let said: BTreeSet<&str> = lines.iter().filter_map(|line| line.key).collect();
    let mut free: Vec<&Line> = known.iter().filter(|known| !said.contains(known.key.as_str())).collect();
    for likeness in (0..=LIKENESS_MAX).rev() {
        for (key, line) in keys.iter_mut().zip(lines).filter(|(key, _)| key.is_none()) {
            if let Some(place) = free.iter().position(|known| line.likeness(known) == Some(likeness)) {
                *key = Some(free.remove(place).key.as_str().to_owned());
            }
        }
    }
    let unsaid = keys.iter().zip(lines).filter(|(_, line)| line.key.is_none());
    let mut taken: BTreeSet<String> = unsaid.filter_map(|(key, _)| key.clone()).collect();
    for (place, key) in keys.iter_mut().enumerate().filter(|(_, key)| key.is_none()) {
        let place = (place + 1).to_string();
        if taken.insert(place.clone()) {
            *key = Some(place);
        }
    }
    taken.extend(known.iter().map(|known| known.key.as_str().to_owned()).chain(said.into_iter().map(str::to_owned)));
    let mut next = (1_u64..).map(|number| number.to_string()).filter(|number| !taken.contains(number));
    keys.into_iter().map(|key| key.or_else(|| next.next()).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::{OrderState, Terms};

    /// `key:sku size xN`, of which only the SKU is needed.
    fn part(text: &str) -> (Option<String>, String, Options, u32) {
        let (key, rest) = text.split_once(':').map_or((None, text), |(key, rest)| (Some(key.to_owned()), rest));
        let mut words = rest.split(' ');
        let sku = words.next().unwrap_or_default().to_owned();
        let (mut options, mut quantity) = (Options::new(), 1);
        for word in words {
            match word.strip_prefix('x').and_then(|number| number.parse().ok()) {
                Some(number) => quantity = number,
                None => drop(options.insert("size".to_owned(), word.to_owned())),
            }
        }
        (key, sku, options, quantity)
    }

    fn line(text: &str) -> Line {
        let (key, sku, options, quantity) = part(text);
        let key = key.expect("a key").parse().expect("a key");
        Line { key, sku: sku.parse().expect("a sku"), options, quantity, state: OrderState::Paid, terms: Terms::default() }
    }

    #[test]
    fn a_line_without_a_key_is_the_one_that_was_reported_with_the_same_and_not_the_one_that_stood_in_its_place() {
        let mut seen = 0;
        for (known, told, keys_of) in [
            ("", "a,b,c", "1,2,3"),
            ("1:a,2:b", "a,b", "1,2"),
            ("1:a,2:b", "b", "2"),
            ("1:a,2:b,3:c", "c,a", "3,1"),
            // What is new does not push others from their keys.
            ("1:a,2:b", "x,a,b", "3,1,2"),
            ("1:a,2:b", "b,x", "2,3"),
            ("2:b", "b,a", "2,1"),
            // Of several alike the first, those of the same number before.
            ("1:a,2:a", "a", "1"),
            ("1:a x1,2:a x3", "a x3", "2"),
            ("1:a x1,2:a x3", "a x2,a x3", "1,2"),
            ("1:a s,2:a l", "a l", "2"),
            // Something else was chosen.
            ("1:a s", "a l", "1"),
            ("1:a s,2:b s", "b l", "2"),
            ("1:a", "x", "1"),
            // Keys that are said stand.
            ("7:a,8:b", "b,a", "8,7"),
            ("7:a,8:b", "7:b,a", "7,2"),
            ("", "a,1:b", "1,1"),
            ("", "2:a,b", "2,2"),
            ("1:a", "a,9:a", "1,9"),
            ("1:a", "a,1:a", "1,1"),
        ] {
            let known: Vec<Line> = known.split(',').filter(|text| !text.is_empty()).map(line).collect();
            let parts: Vec<_> = told.split(',').map(part).collect();
            let lines: Vec<Told<'_>> =
                parts.iter().map(|(key, sku, options, quantity)| Told { key: key.as_deref(), sku, options, quantity: *quantity }).collect();
            assert_eq!(keys(&lines, &known).join(","), keys_of, "{told} after {known:?}");
            seen += 1;
        }
        assert_eq!(seen, 20);
    }
}
