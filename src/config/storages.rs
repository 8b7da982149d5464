//! Where files lie, and where customers find them.

use std::path::PathBuf;

use super::credentials::Credentials;
use crate::domain::file::StorageName;
use crate::domain::moment::Span;
use crate::domain::placed::DirectoryName;

/// `public_url`, taken apart: `https://shop.example/dl/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    /// `https://shop.example`, without a path.
    pub origin: String,
    /// `shop.example`, without a port.
    pub host: String,
    /// `/dl/`: canonical, begins and ends with `/`.
    pub path: String,
}

/// A named place that files live in: a private local directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Its name.
    pub name: StorageName,
    /// The directory.
    pub path: PathBuf,
    /// The web server's internal location for it, beginning and ending with `/`.
    pub handoff: Option<String>,
    /// The public directory for stubs of its files.
    pub stub: Option<DirectoryName>,
    /// The public directory for copies of its files.
    pub copy: Option<DirectoryName>,
    /// Where everybody finds its files.
    pub public: Option<PublicUrl>,
}

/// A directory that the web server serves as it is, and that we fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Its name.
    pub name: DirectoryName,
    /// The directory.
    pub path: PathBuf,
    /// Where the web server serves it.
    pub url: PublicUrl,
    /// Whether a copy may be another name of the master.
    pub hard_links: bool,
    /// Its user names and passwords, where the web server asks for them.
    pub credentials: Option<Credentials>,
}

/// Zen Cart's own `pub/`, which we look after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZenCart {
    /// The directory.
    pub path: PathBuf,
    /// Where the web server serves it; by it requests are found in the feed.
    pub url: Option<PublicUrl>,
    /// How long a link stays after it was made or last used.
    pub keep: Span,
}
