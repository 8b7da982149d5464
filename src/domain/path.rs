//! URL paths in the one form that Nginx, Apache and lighttpd understand alike, and paths of files inside a storage.
//!
//! Web servers read odd paths differently: of `/dl/..%2fsecret` one opens `/secret` and another finds nothing. A
//! decision about a path is only worth something if it is about the file that the server will open, so whatever they do
//! not all read alike is refused, and the rest has one spelling. `tests/paths.rs` keeps this true against all three.

use std::fmt;

/// Longest path, as sent and in canonical form. Servers read a request line into 8 KiB, query and all; a decoded path
/// is never longer than this, so the system's own limit (`PATH_MAX`, 4096) is not reached.
pub const PATH_BYTES_MAX: usize = 4095;

/// Longest path inside a storage: that of an S3 key. Percent-encoded it is at most three times as long, and must fit into
/// the 4 or 8 KiB that nginx reads the head of an answer into.
pub const FILE_PATH_BYTES_MAX: usize = 1024;

/// A URL path, decoded once, checked, and encoded again: RFC 3986 unreserved characters and `/` stand as themselves,
/// all else is `%XX` in upper case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanonicalPath {
    decoded: String,
    encoded: String,
}

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathFault {
    /// A URL path that is not of the form `/…`.
    NotAbsolute,
    /// A file's path that begins with `/`.
    NotRelative,
    /// Longer than [`PATH_BYTES_MAX`] or [`FILE_PATH_BYTES_MAX`].
    TooLong,
    /// A `%` without two hexadecimal digits.
    BadEscape,
    /// `/` written as `%2F`.
    EncodedSlash,
    /// A `\`, written as such or as `%5C`.
    Backslash,
    /// A control character, written as such or encoded; or a space written as such.
    Control,
    /// `?` or `#` written as such: where they stand the path is over, for some.
    Delimiter,
    /// A `.` or `..` segment.
    DotSegment,
    /// Nothing between two `/`, or nothing at all, in a file's path.
    EmptySegment,
    /// Decoded it is not UTF-8.
    NotUtf8,
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAbsolute => "the path must begin with `/`",
            Self::NotRelative => "the path must not begin with `/`",
            Self::TooLong => "the path is too long",
            Self::BadEscape => "the path has a `%` that is not followed by two hexadecimal digits",
            Self::EncodedSlash => "the path has a `/` written as `%2F`",
            Self::Backslash => "the path has a `\\`",
            Self::Control => "the path has a control character or a bare space",
            Self::Delimiter => "the path has a bare `?` or `#`",
            Self::DotSegment => "the path has a `.` or `..` segment",
            Self::EmptySegment => "the path has an empty segment",
            Self::NotUtf8 => "the path is not UTF-8",
        })
    }
}

impl std::error::Error for PathFault {}

impl CanonicalPath {
    /// Reads the path of a request target as the client sent it, without query.
    pub fn parse(raw: &str) -> Result<Self, PathFault> {
        if raw.len() > PATH_BYTES_MAX {
            return Err(PathFault::TooLong);
        }
        if !raw.starts_with('/') {
            return Err(PathFault::NotAbsolute);
        }
        Self::finish(decode(raw)?)
    }

    /// The path that is written `decoded` once it is decoded, as people name it where no URL is meant.
    pub fn of_decoded(decoded: &str) -> Result<Self, PathFault> {
        if decoded.len() > PATH_BYTES_MAX {
            return Err(PathFault::TooLong);
        }
        if !decoded.starts_with('/') {
            return Err(PathFault::NotAbsolute);
        }
        check_characters(decoded)?;
        let mut merged = String::with_capacity(decoded.len());
        for char in decoded.chars() {
            if char != '/' || !merged.ends_with('/') {
                merged.push(char);
            }
        }
        Self::finish(merged)
    }

    fn finish(decoded: String) -> Result<Self, PathFault> {
        if decoded.split('/').any(is_dot) {
            return Err(PathFault::DotSegment);
        }
        let encoded = percent_encode(&decoded, b"/");
        if encoded.len() > PATH_BYTES_MAX {
            return Err(PathFault::TooLong);
        }
        Ok(Self { decoded, encoded })
    }

    /// Percent-encoded.
    pub fn encoded(&self) -> &str {
        &self.encoded
    }

    /// Decoded.
    pub fn decoded(&self) -> &str {
        &self.decoded
    }

    /// What follows `prefix`, decoded, when this path is `prefix` or lies under it by whole segments; never with a
    /// leading `/`. `/a` and `/a/` both have `/a/b` under them, and neither has `/ab`.
    pub fn below(&self, prefix: &Self) -> Option<&str> {
        let prefix = prefix.decoded.strip_suffix('/').unwrap_or(&prefix.decoded);
        let rest = self.decoded.strip_prefix(prefix)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }
}

/// Percent-encoded.
impl fmt::Display for CanonicalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.encoded)
    }
}

/// A file's path inside its storage, decoded, as `set/a.zip`: relative, no empty, `.` or `..` segments, no control
/// characters, no `\`. Hidden names (`.well-known`) are files like others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(String);

impl FilePath {
    /// Takes the decoded path `raw` if it stays inside a storage.
    pub fn parse(raw: &str) -> Result<Self, PathFault> {
        if raw.len() > FILE_PATH_BYTES_MAX {
            return Err(PathFault::TooLong);
        }
        if raw.starts_with('/') {
            return Err(PathFault::NotRelative);
        }
        if raw.split('/').any(str::is_empty) {
            return Err(PathFault::EmptySegment);
        }
        if raw.split('/').any(is_dot) {
            return Err(PathFault::DotSegment);
        }
        check_characters(raw)?;
        Ok(Self(raw.to_owned()))
    }

    /// Decoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Percent-encoded in the canonical form.
    pub fn encoded(&self) -> String {
        percent_encode(&self.0, b"/")
    }

    /// The last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Splits a request target, as the client sent it, into its path and what follows the `?`. The query is not looked into,
/// but what could end it for some and not for others is refused: `#`, spaces and control characters.
pub fn read_target(target: &str) -> Result<(CanonicalPath, Option<&str>), PathFault> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let path = CanonicalPath::parse(path)?;
    for char in query.unwrap_or_default().chars() {
        match char {
            '#' => return Err(PathFault::Delimiter),
            ' ' => return Err(PathFault::Control),
            char if char.is_control() => return Err(PathFault::Control),
            _ => {}
        }
    }
    Ok((path, query))
}

fn is_dot(segment: &str) -> bool {
    segment == "." || segment == ".."
}

/// Decodes once and merges slashes. Decoding twice is what opens `%252e%252e`.
fn decode(raw: &str) -> Result<String, PathFault> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'?' | b'#' => return Err(PathFault::Delimiter),
            b' ' => return Err(PathFault::Control),
            b'/' if decoded.last() == Some(&b'/') => {}
            b'%' => match hex(bytes.next(), bytes.next()).ok_or(PathFault::BadEscape)? {
                b'/' => return Err(PathFault::EncodedSlash),
                other => decoded.push(other),
            },
            other => decoded.push(other),
        }
    }
    let decoded = String::from_utf8(decoded).map_err(|_| PathFault::NotUtf8)?;
    check_characters(&decoded)?;
    Ok(decoded)
}

fn check_characters(decoded: &str) -> Result<(), PathFault> {
    for char in decoded.chars() {
        if char.is_control() {
            return Err(PathFault::Control);
        }
        if char == '\\' {
            return Err(PathFault::Backslash);
        }
    }
    Ok(())
}

/// The byte that two hexadecimal digits name.
pub(crate) fn hex(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some((digit(high)? << 4) | digit(low)?)
}

/// Writes all but RFC 3986 unreserved bytes, and those in `kept`, as `%XX`.
pub(crate) fn percent_encode(text: &str, kept: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') || kept.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.extend([byte >> 4, byte & 15].into_iter().filter_map(|digit| DIGITS.get(usize::from(digit))));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(raw: &str) -> CanonicalPath {
        CanonicalPath::parse(raw).unwrap_or_else(|fault| panic!("{raw}: {fault}"))
    }

    #[test]
    fn a_path_has_one_spelling() {
        for (raw, decoded, encoded) in [
            ("/", "/", "/"),
            ("//", "/", "/"),
            ("/a/b.zip", "/a/b.zip", "/a/b.zip"),
            ("//host/a", "/host/a", "/host/a"),
            ("/a//b///c/", "/a/b/c/", "/a/b/c/"),
            ("/%61%2e%7Ez", "/a.~z", "/a.~z"),
            ("/a%20b", "/a b", "/a%20b"),
            ("/a+b", "/a+b", "/a%2Bb"),
            ("/%25", "/%", "/%25"),
            ("/%252e%252e/x", "/%2e%2e/x", "/%252e%252e/x"),
            ("/a%3fb%23c", "/a?b#c", "/a%3Fb%23c"),
            ("/%c3%bc", "/ü", "/%C3%BC"),
            ("/...", "/...", "/..."),
            ("/.a/a./..b", "/.a/a./..b", "/.a/a./..b"),
            ("/a;b=c/..;/d", "/a;b=c/..;/d", "/a%3Bb%3Dc/..%3B/d"),
            ("/http://x", "/http:/x", "/http%3A/x"),
        ] {
            let read = path(raw);
            assert_eq!((read.decoded(), read.encoded()), (decoded, encoded), "{raw}");
        }
    }

    #[test]
    fn what_servers_read_differently_is_refused_with_its_reason() {
        for (raw, fault) in [
            ("", PathFault::NotAbsolute),
            ("a", PathFault::NotAbsolute),
            ("*", PathFault::NotAbsolute),
            ("http://shop.example/a", PathFault::NotAbsolute),
            ("\\a", PathFault::NotAbsolute),
            ("%2fa", PathFault::NotAbsolute),
            ("/a\\b", PathFault::Backslash),
            ("/a%5cb", PathFault::Backslash),
            ("/a%5Cb", PathFault::Backslash),
            ("/a%2fb", PathFault::EncodedSlash),
            ("/a%2Fb", PathFault::EncodedSlash),
            ("/a%00", PathFault::Control),
            ("/a%0d%0ab", PathFault::Control),
            ("/a%7f", PathFault::Control),
            ("/a%c2%85", PathFault::Control),
            ("/a\tb", PathFault::Control),
            ("/a b", PathFault::Control),
            ("/a\u{7f}", PathFault::Control),
            ("/%", PathFault::BadEscape),
            ("/%4", PathFault::BadEscape),
            ("/%g0", PathFault::BadEscape),
            ("/%+1", PathFault::BadEscape),
            ("/%u002e", PathFault::BadEscape),
            ("/a?b", PathFault::Delimiter),
            ("/a#b", PathFault::Delimiter),
            ("/.", PathFault::DotSegment),
            ("/..", PathFault::DotSegment),
            ("/a/./b", PathFault::DotSegment),
            ("/a/../b", PathFault::DotSegment),
            ("/a/%2e%2E/b", PathFault::DotSegment),
            ("/a/.%2e", PathFault::DotSegment),
            ("/a//../b", PathFault::DotSegment),
            ("/%ff", PathFault::NotUtf8),
            ("/%c0%af", PathFault::NotUtf8),
            ("/%e0%80%ae", PathFault::NotUtf8),
            ("/%ed%a0%80", PathFault::NotUtf8),
        ] {
            assert_eq!(CanonicalPath::parse(raw), Err(fault), "{raw:?}");
        }
    }

    #[test]
    fn a_target_is_a_path_and_what_follows_the_question_mark() {
        for (target, path, query) in [("/a", "/a", None), ("/a?", "/a", Some("")), ("/a//b?c=/../%00?d", "/a/b", Some("c=/../%00?d"))] {
            let (read, rest) = read_target(target).expect(target);
            assert_eq!((read.encoded(), rest), (path, query));
        }
        for (target, fault) in [
            ("?", PathFault::NotAbsolute),
            ("/a?b#c", PathFault::Delimiter),
            ("/a?b c", PathFault::Control),
            ("/a?b\n", PathFault::Control),
            ("/../a?b", PathFault::DotSegment),
        ] {
            assert_eq!(read_target(target), Err(fault), "{target:?}");
        }
    }

    #[test]
    fn a_decoded_path_is_read_as_it_stands() {
        for (decoded, encoded) in [("/a b//c%2f", "/a%20b/c%252f"), ("/a?b#c", "/a%3Fb%23c"), ("/", "/")] {
            assert_eq!(CanonicalPath::of_decoded(decoded).map(|path| path.encoded().to_owned()), Ok(encoded.to_owned()));
        }
        for (decoded, fault) in [
            ("", PathFault::NotAbsolute),
            ("a", PathFault::NotAbsolute),
            ("/a/../b", PathFault::DotSegment),
            ("/a\\b", PathFault::Backslash),
            ("/a\0", PathFault::Control),
        ] {
            assert_eq!(CanonicalPath::of_decoded(decoded), Err(fault), "{decoded:?}");
        }
    }

    #[test]
    fn length_is_bounded_as_sent_and_as_written() {
        assert!(CanonicalPath::parse(&format!("/{}", "a".repeat(PATH_BYTES_MAX - 1))).is_ok());
        assert_eq!(CanonicalPath::parse(&format!("/{}", "a".repeat(PATH_BYTES_MAX))), Err(PathFault::TooLong));
        assert_eq!(CanonicalPath::parse(&format!("/{}", "%61".repeat(PATH_BYTES_MAX / 2))), Err(PathFault::TooLong));
        assert_eq!(CanonicalPath::parse(&format!("/{}", "!".repeat(PATH_BYTES_MAX / 2))), Err(PathFault::TooLong));
    }

    #[test]
    fn a_path_lies_below_a_prefix_by_whole_segments() {
        for (whole, prefix, rest) in [
            ("/a/b", "/a", Some("b")),
            ("/a/b", "/a/", Some("b")),
            ("/a/b/", "/a", Some("b/")),
            ("/a", "/a", Some("")),
            ("/a/", "/a", Some("")),
            ("/a", "/a/", Some("")),
            ("/a/", "/a/", Some("")),
            ("/ab", "/a", None),
            ("/ab", "/a/", None),
            ("/b", "/a", None),
            ("/", "/a", None),
            ("/", "/", Some("")),
            ("/a", "/", Some("a")),
            ("/a/b", "/a/b/c", None),
            ("/A/b", "/a", None),
            ("/a%20b/c", "/a b", None),
        ] {
            let Ok(prefix) = CanonicalPath::parse(prefix) else {
                assert_eq!(rest, None);
                continue;
            };
            assert_eq!(path(whole).below(&prefix), rest, "{whole} below {prefix}");
        }
        assert_eq!(path("/a%20b/ü").below(&path("/%61%20b")), Some("ü"));
    }

    #[test]
    fn a_file_path_stays_inside_its_storage() {
        for (raw, name) in
            [("a.zip", "a.zip"), ("set/a b.zip", "a b.zip"), ("set/ä?#%2f..zip", "ä?#%2f..zip"), (".hidden/.a", ".a"), ("a/...", "...")]
        {
            assert_eq!(FilePath::parse(raw).expect(raw).file_name(), name);
        }
        assert_eq!(FilePath::parse("set/a b%.zip").expect("a path").encoded(), "set/a%20b%25.zip");
        for (raw, fault) in [
            ("", PathFault::EmptySegment),
            ("/", PathFault::NotRelative),
            ("/a", PathFault::NotRelative),
            ("a/", PathFault::EmptySegment),
            ("a//b", PathFault::EmptySegment),
            (".", PathFault::DotSegment),
            ("..", PathFault::DotSegment),
            ("a/../b", PathFault::DotSegment),
            ("a/.", PathFault::DotSegment),
            ("a\0b", PathFault::Control),
            ("a\nb", PathFault::Control),
            ("a\\b", PathFault::Backslash),
        ] {
            assert_eq!(FilePath::parse(raw), Err(fault), "{raw:?}");
        }
        assert_eq!(FilePath::parse(&"a".repeat(FILE_PATH_BYTES_MAX + 1)), Err(PathFault::TooLong));
    }

    /// Text that is likely to hit the edges of the rule.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[a-z]{1,3}",
            "\\PC{0,3}",
            "(%[0-9a-fA-F]{2}){1,3}",
            Just("/".to_owned()),
            Just("..".to_owned()),
            Just("%2e".to_owned()),
            Just("%c3%bc".to_owned()),
            Just(".".to_owned()),
            Just("%".to_owned()),
            Just("\\".to_owned()),
        ];
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        #[test]
        fn the_canonical_form_reads_back_as_itself(raw in hostile()) {
            if let Ok(read) = CanonicalPath::parse(&raw) {
                prop_assert_eq!(CanonicalPath::parse(read.encoded()), Ok(read.clone()));
                prop_assert_eq!(CanonicalPath::of_decoded(read.decoded()), Ok(read.clone()));
                prop_assert!(!read.decoded().split('/').any(is_dot));
                prop_assert!(!read.decoded().contains("//"));
                prop_assert!(read.encoded().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte)));
            }
        }

        #[test]
        fn no_input_panics(raw in any::<String>(), other in hostile()) {
            let _ = (CanonicalPath::parse(&raw), FilePath::parse(&raw));
            if let (Ok(one), Ok(two)) = (CanonicalPath::parse(&raw), CanonicalPath::parse(&other)) {
                let _ = (one.below(&two), two.below(&one));
            }
        }

        #[test]
        fn a_file_path_below_a_prefix_is_found_again(raw in "[a-zäöü %?#&+.-]{1,9}(/[a-z]{1,3}){0,3}") {
            if let Ok(file) = FilePath::parse(&raw) {
                let whole = path(&format!("/f/masters/{}", file.encoded()));
                prop_assert_eq!(whole.below(&path("/f/masters")), Some(file.as_str()));
            }
        }
    }
}
