//! What a shop tells its customers beside a file: a licence, a serial number, a hint.

use std::fmt;
use std::str::FromStr;

/// A text of some lines, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note(String);

impl Note {
    /// More belongs into a file of its own.
    pub const BYTES_MAX: usize = 2000;

    /// Its lines, apart by `\n`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing is told.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is wrong with a note, as the end of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANote;

impl fmt::Display for NotANote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must have at most {} bytes, and no control characters but line ends", Note::BYTES_MAX)
    }
}

impl std::error::Error for NotANote {}

impl FromStr for Note {
    type Err = NotANote;

    /// Space around it is left out, and a line ends with `\n` however it ended.
    fn from_str(raw: &str) -> Result<Self, NotANote> {
        let text = raw.trim().replace("\r\n", "\n");
        let good = text.len() <= Self::BYTES_MAX && !text.chars().any(|sign| sign.is_control() && sign != '\n');
        good.then_some(Self(text)).ok_or(NotANote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_has_lines_and_nothing_that_steers() {
        let longest = "ü".repeat(Note::BYTES_MAX / 2);
        for (raw, text) in [("", ""), (" \r\n ", ""), ("Serial: 7-X\r\nfor 2 desks\n", "Serial: 7-X\nfor 2 desks"), (&*longest, &*longest)]
        {
            assert_eq!(raw.parse::<Note>().map(|note| note.as_str().to_owned()).as_deref(), Ok(text));
        }
        let longer = format!("{longest}x");
        for bad in ["a\tb", "a\u{1b}[2J", "a\rb", "\u{0}x", &longer] {
            assert_eq!(bad.parse::<Note>(), Err(NotANote), "{bad:?}");
        }
    }
}
