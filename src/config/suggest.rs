//! Did you mean: the known word closest to one that was mistyped.

/// Longer words are not compared: the work grows with the square, and nobody mistypes so long a key.
const CHARS_MAX: usize = 40;

/// The word of `words` that `typed` was probably meant to be; capital letters do not matter.
pub(super) fn closest<'w>(typed: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let typed: Vec<char> = typed.chars().take(CHARS_MAX + 1).flat_map(char::to_lowercase).map(|c| if c == '-' { '_' } else { c }).collect();
    if typed.len() > CHARS_MAX {
        return None;
    }
    let distances = words.into_iter().map(|word| {
        let letters: Vec<char> = word.chars().flat_map(char::to_lowercase).map(|c| if c == '-' { '_' } else { c }).collect();
        (distance(&typed, &letters), letters.len(), word)
    });
    // Up to a third of the letters may be wrong, else everything is close to a short word.
    let near = distances.filter(|(distance, len, _)| *distance <= (len / 3).max(1) && distance < len);
    near.min_by_key(|(distance, _, _)| *distance).map(|(_, _, word)| word)
}

/// How many letters have to be put in, left out, changed, or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, &from) in a.iter().enumerate() {
        let mut this = vec![row + 1];
        for (column, &to) in b.iter().enumerate() {
            let at = |line: &[usize], place: usize| line.get(place).copied().unwrap_or(usize::MAX / 2);
            let changed = at(&last, column) + usize::from(from != to);
            let mut best = changed.min(at(&last, column + 1) + 1).min(at(&this, column) + 1);
            let neighbours = row.checked_sub(1).and_then(|row| a.get(row)).zip(column.checked_sub(1).and_then(|column| b.get(column)));
            if neighbours == Some((&to, &from)) {
                best = best.min(at(&before_last, column.saturating_sub(1)) + 1);
            }
            this.push(best);
        }
        before_last = std::mem::replace(&mut last, this);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_is_recognised_and_another_word_is_not() {
        let words = ["address", "dialect", "id", "trusted_peers", "use"];
        for (typed, meant) in [
            ("adress", Some("address")),
            ("addrses", Some("address")),
            ("Dialect", Some("dialect")),
            ("dialekt", Some("dialect")),
            ("trusted-peer", Some("trusted_peers")),
            ("di", Some("id")),
            ("uses", Some("use")),
            ("colour", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(closest(typed, words), meant, "{typed}");
        }
        assert_eq!(closest(&"a".repeat(100_000), words), None);
    }
}
