//! Files as customers get them: where they lie, and the version that is current.

use std::fmt;

use super::moment::Moment;
use super::path::FilePath;
use super::section_name::section_name;

section_name! {
    /// The name of a storage.
    StorageName
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

impl Version {
    /// Whether its bytes are others than those of `other`, as far as size and time of change tell.
    pub fn differs_from(&self, other: &Self) -> bool {
        (self.size, self.modified) != (other.size, other.modified)
    }
}
