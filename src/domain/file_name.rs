//! The name under which a customer saves a file.

use super::path::percent_encode;

/// Longest name, in bytes of UTF-8: file systems take 255, and browsers add ` (1)` and `.part` of their own.
pub const NAME_BYTES_MAX: usize = 240;

/// What is kept of an extension when a long name is cut, dot included.
const EXTENSION_BYTES_MAX: usize = 16;

/// The name of what has no name.
const NAMELESS: &str = "download";

/// The value of a `Content-Disposition` header that saves the file as `name`: an ASCII `filename` and, where that is
/// not the whole truth, RFC 8187's `filename*`. Control characters, path separators and bidirectional overrides are
/// taken out of `name`, dots and spaces off its beginning and end; it is cut to [`NAME_BYTES_MAX`], its extension kept;
/// what has nothing left is `download`. The value is printable ASCII.
pub fn content_disposition(name: &str) -> String {
    let name = clean(name);
    let mut value = format!("attachment; filename=\"{}\"", ascii(&name));
    // A reader that knows `filename*` takes it; a quote is understood by most in `filename`, by all here.
    if name.bytes().any(|byte| !byte.is_ascii() || matches!(byte, b'%' | b'"')) {
        value.push_str("; filename*=UTF-8''");
        value.push_str(&percent_encode(&name, b""));
    }
    value
}

/// `shown` as the name of a file whose bytes lie under `lies`: with the extension of that, by which systems know what it is,
/// if it has another or none.
pub fn with_extension_of(shown: &str, lies: &str) -> String {
    let extension = lies.rfind('.').filter(|dot| *dot > 0).and_then(|dot| lies.get(dot..)).unwrap_or_default();
    let shown = shown.trim_end_matches(|char: char| char == '.' || char.is_whitespace());
    let has_it = shown
        .len()
        .checked_sub(extension.len())
        .and_then(|begin| shown.get(begin..))
        .is_some_and(|end| end.eq_ignore_ascii_case(extension));
    if has_it { shown.to_owned() } else { format!("{shown}{extension}") }
}

/// A name without what is harmful in one, of at most [`NAME_BYTES_MAX`]; never empty.
pub fn clean(name: &str) -> String {
    let kept: String = name.chars().filter(|&char| !is_harmful(char)).collect();
    // A leading dot hides the file, and Windows drops dots and spaces at the end.
    let edge = |char: char| char == '.' || char.is_whitespace();
    let cut = cut(kept.trim_matches(edge)).trim_end_matches(edge).to_owned();
    if cut.is_empty() { NAMELESS.to_owned() } else { cut }
}

fn is_harmful(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            // A name is no path.
            '/' | '\\'
            // `gpj.exe` shown as `exe.jpg`: embeddings and overrides, isolates, and what ends them.
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            // Line and paragraph separator, byte order mark.
            | '\u{2028}' | '\u{2029}' | '\u{feff}'
        )
}

fn cut(name: &str) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return name.to_owned();
    }
    let extension = name.rfind('.').and_then(|dot| name.get(dot..)).filter(|extension| extension.len() <= EXTENSION_BYTES_MAX);
    let extension = extension.unwrap_or_default();
    let stem = name.floor_char_boundary(NAME_BYTES_MAX.saturating_sub(extension.len()));
    format!("{}{extension}", name.get(..stem).unwrap_or_default())
}

/// For readers that do not know `filename*`. Some of them decode `%41`, so that no `%` may stand here.
fn ascii(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for char in name.chars() {
        match char {
            '"' => text.push_str("\\\""),
            '%' => text.push('_'),
            char if char.is_ascii() => text.push(char),
            _ => text.push('_'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_that_people_see_is_saved_with_the_extension_of_what_it_is() {
        for (shown, lies, saved) in [
            ("The book", "book-1.pdf", "The book.pdf"),
            ("The book.pdf", "book-1.pdf", "The book.pdf"),
            ("THE BOOK.PDF", "book-1.pdf", "THE BOOK.PDF"),
            ("Version 2.0", "tool-2.0.zip", "Version 2.0.zip"),
            ("song.mp3", "song.flac", "song.mp3.flac"),
            ("Größe. ", "a.tar.gz", "Größe.gz"),
            ("ä", "x.ää", "ä.ää"),
            ("The book", "README", "The book"),
            ("The book", ".hidden", "The book"),
            ("", "a.zip", ".zip"),
        ] {
            assert_eq!(super::with_extension_of(shown, lies), saved, "{shown:?} {lies:?}");
        }
    }

    use proptest::prelude::*;

    use super::super::path::hex;
    use super::*;

    /// The name that a reader of RFC 6266 takes: `filename*` if there is one.
    fn read(value: &str) -> String {
        let rest = value.strip_prefix("attachment; filename=\"").expect("an attachment");
        let (mut plain, mut chars) = (String::new(), rest.char_indices());
        let end = loop {
            match chars.next().expect("a closing quote") {
                (at, '"') => break at + 1,
                (_, '\\') => plain.push(chars.next().expect("an escaped character").1),
                (_, char) => plain.push(char),
            }
        };
        let Some(extended) = rest[end..].strip_prefix("; filename*=UTF-8''") else {
            assert_eq!(&rest[end..], "");
            return plain;
        };
        let (mut bytes, mut from) = (Vec::new(), extended.bytes());
        while let Some(byte) = from.next() {
            assert!(byte == b'%' || byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte), "{extended}");
            bytes.push(if byte == b'%' { hex(from.next(), from.next()).expect("two digits") } else { byte });
        }
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn a_name_is_saved_as_it_is_where_it_does_no_harm() {
        let table = [
            ("a.zip", "a.zip"),
            ("a b.zip", "a b.zip"),
            ("Chris's album (2nd ed.), vol. 1; [live] & more.flac", "Chris's album (2nd ed.), vol. 1; [live] & more.flac"),
            ("a+b=c,d@e~f#g!h$i^j{k}|l`m.zip", "a+b=c,d@e~f#g!h$i^j{k}|l`m.zip"),
            ("Übermäßig.pdf", "Übermäßig.pdf"),
            ("u\u{308}ber.pdf", "u\u{308}ber.pdf"),
            ("日本語.zip", "日本語.zip"),
            ("Привет.txt", "Привет.txt"),
            ("مرحبا.txt", "مرحبا.txt"),
            ("🎵 set 👩‍👩‍👧.flac", "🎵 set 👩‍👩‍👧.flac"),
            ("€ rates.csv", "€ rates.csv"),
            ("say \"hi\".txt", "say \"hi\".txt"),
            ("\"", "\""),
            ("100%.txt", "100%.txt"),
            ("%41.txt", "%41.txt"),
            ("a%20b.zip", "a%20b.zip"),
            ("%0d%0aSet-Cookie: a=b", "%0d%0aSet-Cookie: a=b"),
            ("a.tar.gz", "a.tar.gz"),
            ("no extension", "no extension"),
            ("a\r\nSet-Cookie: b=c", "aSet-Cookie: b=c"),
            ("a\nb\tc\0d\u{7f}e\u{85}f.zip", "abcdef.zip"),
            ("../../etc/passwd", "etcpasswd"),
            ("/srv/a.zip", "srva.zip"),
            ("C:\\temp\\a.zip", "C:tempa.zip"),
            ("a\\", "a"),
            ("\\\"; filename=\"x.exe", "\"; filename=\"x.exe"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("\u{2066}a\u{2069}.zip", "a.zip"),
            ("\u{feff}a\u{2028}b.zip", "ab.zip"),
            (".htaccess", "htaccess"),
            ("...a...", "a"),
            ("  a.zip  ", "a.zip"),
            ("a.zip. . ", "a.zip"),
            ("", "download"),
            (".", "download"),
            ("..", "download"),
            ("/", "download"),
            (" \u{a0}\u{3000}", "download"),
            ("\r\n\0", "download"),
            ("\u{202e}", "download"),
        ];
        assert!(table.len() >= 30);
        for (name, saved) in table {
            assert_eq!(read(&content_disposition(name)), saved, "{name:?}");
        }
    }

    #[test]
    fn the_header_has_the_form_that_browsers_read() {
        for (name, value) in [
            ("a b.zip", "attachment; filename=\"a b.zip\""),
            ("Ü 1.zip", "attachment; filename=\"_ 1.zip\"; filename*=UTF-8''%C3%9C%201.zip"),
            ("%41.zip", "attachment; filename=\"_41.zip\"; filename*=UTF-8''%2541.zip"),
            ("a\"b", "attachment; filename=\"a\\\"b\"; filename*=UTF-8''a%22b"),
            ("it's*(1)€", "attachment; filename=\"it's*(1)_\"; filename*=UTF-8''it%27s%2A%281%29%E2%82%AC"),
        ] {
            assert_eq!(content_disposition(name), value);
        }
    }

    #[test]
    fn a_long_name_is_cut_and_keeps_its_extension() {
        for (name, end) in [
            (format!("{}.flac", "a".repeat(300)), "aa.flac"),
            (format!("{}.flac", "ü".repeat(300)), "ü.flac"),
            (format!("{}.flac", "🎵".repeat(300)), "🎵.flac"),
            ("a".repeat(300), "aa"),
            (format!("a.{}", "b".repeat(300)), "bb"),
            (format!("{}.", ".a".repeat(300)), ".a"),
        ] {
            let saved = read(&content_disposition(&name));
            assert!(saved.len() <= NAME_BYTES_MAX && saved.len() > NAME_BYTES_MAX - 8, "{}", saved.len());
            assert!(saved.ends_with(end), "{saved}");
        }
    }

    proptest! {
        #[test]
        fn any_name_makes_a_short_value_of_printable_ascii_that_names_no_path(name in any::<String>()) {
            let value = content_disposition(&name);
            prop_assert!(value.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            prop_assert!(value.len() < 1200);
            let saved = read(&value);
            prop_assert!(!saved.is_empty() && !saved.starts_with('.') && !saved.contains(['/', '\\', '\n']));
            prop_assert_eq!(read(&content_disposition(&saved)), saved);
        }
    }
}
