//! The base 64 of `crypt`: its own alphabet, the lowest six bits first.

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Whether a byte is one of the alphabet.
pub(super) fn is_letter(byte: u8) -> bool {
    ALPHABET.contains(&byte)
}

/// What a letter stands for.
pub(super) fn value(letter: u8) -> Option<u32> {
    ALPHABET.iter().position(|&known| known == letter).and_then(|place| u32::try_from(place).ok())
}

fn letter(value: u32) -> char {
    let place = usize::try_from(value & 0x3f).unwrap_or_default();
    char::from(ALPHABET.get(place).copied().unwrap_or(b'.'))
}

/// Adds the lowest `6 × letters` bits of `value`.
pub(super) fn push(text: &mut String, mut value: u32, letters: usize) {
    for _ in 0..letters {
        text.push(letter(value));
        value >>= 6;
    }
}

/// Bytes as they come, the first one lowest.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 1);
    for group in bytes.chunks(3) {
        let value = group.iter().rev().fold(0_u32, |value, &byte| value << 8 | u32::from(byte));
        push(&mut text, value, group.len() + 1);
    }
    text
}

/// Reads what [`encode`] writes, and nothing else.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.as_bytes().chunks(4) {
        let mut whole = 0_u32;
        for &letter in group.iter().rev() {
            whole = whole << 6 | value(letter)?;
        }
        let [first, second, third, _] = whole.to_le_bytes();
        let count = group.len() - 1;
        bytes.extend([first, second, third].into_iter().take(count));
        let is_rest_zero = count == 3 || whole >> (8 * count) == 0;
        if count == 0 || !is_rest_zero {
            return None;
        }
    }
    Some(bytes)
}

/// The letters of a digest in an order of its own: groups of places, the highest byte of each group first.
pub(super) fn permuted(digest: &[u8], order: &[&[usize]]) -> String {
    let mut text = String::new();
    for group in order {
        let byte = |place: &usize| u32::from(digest.get(*place).copied().unwrap_or_default());
        push(&mut text, group.iter().fold(0, |value, place| value << 8 | byte(place)), group.len() + 1);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_is_written_is_read() {
        assert_eq!(encode(b""), "");
        assert_eq!(encode(&[0]), "..");
        assert_eq!(encode(&[255, 255, 255]), "zzzz");
        for bad in [".", "./z", "zz", "zzz", ".....", "a+", "ä.", "a b."] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
    }
}
