//! URL paths in the one form that Nginx, Apache and lighttpd understand alike, and paths of files inside a storage.

use std::fmt;

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
    /// Not of the form `/…`.
    NotAbsolute,
}

impl CanonicalPath {
    /// Reads the path of a request target as the client sent it, without query.
    pub fn parse(raw: &str) -> Result<Self, PathFault> {
        let _ = raw;
        Err(PathFault::NotAbsolute)
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
        let _ = prefix;
        None
    }
}

/// A file's path inside its storage, decoded, as `set/a.zip`: relative, no empty, `.` or `..` segments, no control
/// characters, no `\`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(String);

impl FilePath {
    /// Takes the decoded path `raw` if it stays inside a storage.
    pub fn parse(raw: &str) -> Result<Self, PathFault> {
        Ok(Self(raw.to_owned()))
    }

    /// Decoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Percent-encoded in the canonical form.
    pub fn encoded(&self) -> String {
        self.0.clone()
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
