//! Files as customers get them: where they lie, and the version that is current.

use std::fmt;

use super::moment::Moment;
use super::path::FilePath;

/// The name of a storage: lower-case letters, digits and `-`, 1 to 32 of them, a letter first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorageName(String);

impl StorageName {
    /// Takes `raw` if it has the form of a storage's name.
    pub fn parse(raw: &str) -> Option<Self> {
        let good = raw.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let starts = raw.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        (good && starts && raw.len() <= 32).then(|| Self(raw.to_owned()))
    }

    /// As it is written in the configuration.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StorageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a file lies: `masters/set/a.zip` is `set/a.zip` in the storage `masters`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileRef {
    /// The storage.
    pub storage: StorageName,
    /// The path inside it.
    pub path: FilePath,
}

impl fmt::Display for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.storage, self.path)
    }
}

/// One immutable content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Size in bytes.
    pub size: u64,
    /// Last change of the content.
    pub modified: Moment,
    /// Strong entity tag with its quotes, ASCII: the same bytes always have the same one. Contents of one size that follow
    /// each other within a second share theirs; `modified` tells them apart.
    pub etag: String,
    /// Media type, ASCII.
    pub media_type: String,
}
