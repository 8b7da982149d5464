//! One word of a configuration file changed where it stands, and nothing else: comments, blanks and order stay.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Purpose, keys};

/// A word to change, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The whole text, with the new word.
    pub text: String,
    /// The line of the word, counted from 1.
    pub line: usize,
    /// The word as it was written, with its quotes.
    pub before: String,
    /// The word as it is now, with its quotes.
    pub after: String,
}

/// Sets `use` of the key `id` in the text of a configuration. `None` where the text has no such key with a `use`.
pub fn set_purpose(text: &str, id: &str, purpose: Purpose) -> Option<Rewritten> {
    let root = DeTable::parse(text).ok()?;
    let DeValue::Array(entries) = root.get_ref().get(keys::KEY.name)?.get_ref() else { return None };
    let is_it = |entry: &DeTable<'_>| matches!(entry.get("id").map(Spanned::get_ref), Some(DeValue::String(found)) if found == id);
    let entry = entries.iter().find_map(|entry| match entry.get_ref() {
        DeValue::Table(entry) if is_it(entry) => Some(entry),
        _ => None,
    })?;
    let Range { start, end } = entry.get("use")?.span();
    let (head, before, tail) = (text.get(..start)?, text.get(start..end)?, text.get(end..)?);
    let after = format!("\"{}\"", purpose.word());
    let line = head.bytes().filter(|byte| *byte == b'\n').count() + 1;
    Some(Rewritten { text: format!("{head}{after}{tail}"), line, before: before.to_owned(), after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_changes_and_everything_else_stays_as_it_was_written() {
        for (text, id, expected) in [
            (
                "# ours\n[[key]]\nid = \"a\" # first\nuse  =\t'sign'  # keep\n\n[[key]]\nid=\"b\"\nuse=\"accept\"",
                "a",
                Some("# ours\n[[key]]\nid = \"a\" # first\nuse  =\t\"retired\"  # keep\n\n[[key]]\nid=\"b\"\nuse=\"accept\""),
            ),
            (
                "[[key]]\nuse=\"sign\"\nid=\"a\"\n[[key]]\nuse = \"accept\"\r\nid='b'\r\n",
                "b",
                Some("[[key]]\nuse=\"sign\"\nid=\"a\"\n[[key]]\nuse = \"retired\"\r\nid='b'\r\n"),
            ),
            (
                "key = [{ id = \"ü\", use = \"sign\" }, { id = \"b\", use = \"\"\"sign\"\"\" }]",
                "b",
                Some("key = [{ id = \"ü\", use = \"sign\" }, { id = \"b\", use = \"retired\" }]"),
            ),
            ("[[key]]\nid = \"a\"\nuse = \"sign\"\n", "b", None),
            ("[[key]]\nid = \"a\"\n", "a", None),
            ("[key]\nid = \"a\"\nuse = \"sign\"\n", "a", None),
            ("key = 7", "a", None),
            ("[[key]]\nid = \"a\"\nuse = \"sign\"\n]", "a", None),
            ("", "a", None),
        ] {
            let found = set_purpose(text, id, Purpose::Retired);
            assert_eq!(found.as_ref().map(|found| found.text.as_str()), expected, "{text}");
        }
    }

    #[test]
    fn the_place_is_told_as_an_editor_counts_it() {
        let found = set_purpose("\n[[key]]\nid = \"a\"\nuse = \"sign\"\n", "a", Purpose::Retired).expect("a key");
        assert_eq!((found.line, found.before.as_str(), found.after.as_str()), (4, "\"sign\"", "\"retired\""));
    }
}
