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
mod tests;
