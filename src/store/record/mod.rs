//! What is remembered, as it is written down: the JSON lines of `store export`, and the columns of a database.
//!
//! Ids, addresses and networks are text in their one form, times are milliseconds since 1970 UTC, sizes are bytes. What
//! is written here is read again by every later version.

mod callers;
mod catalogue;
mod deed;
mod delivery;
mod grant;
mod history;
mod line;
mod message;
mod order;
mod public;

pub use self::callers::ApiKeyRecord;
pub use self::catalogue::{FileRecord, ProductRecord};
pub use self::deed::DeedRecord;
pub use self::delivery::{DeliveryRecord, ReportRecord, RequestRecord};
pub use self::grant::{GrantRecord, LinkRecord, PolicyRecord};
pub use self::history::ActRecord;
pub use self::line::{EntryRecord, FORMAT, FORMAT_FIRST, FeedRecord, Head, Line, TallyRecord, Totals};
pub use self::message::MessageRecord;
pub(in crate::store) use self::message::forgotten;
pub use self::order::{OrderRecord, SoldRecord};
pub use self::public::{CredentialRecord, MadeRecord, PlaceRecord, PlacedRecord};
use crate::domain::checksum::Checksum;
use crate::domain::client::ClientKey;
use crate::domain::coverage::Coverage;
use crate::domain::delivery::State;
use crate::domain::file::FileRef;
use crate::domain::grant::Standing;
use crate::domain::id::RequestId;
use crate::domain::placed::is_leaf;

/// What was written is not what this version writes: the field, and what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The field.
    pub field: &'static str,
    /// What stands there, shortened.
    pub found: String,
}

impl Unreadable {
    /// `found` stands in `field`, and cannot be read.
    pub fn new(field: &'static str, found: impl std::fmt::Display) -> Self {
        Self { field, found: found.to_string().chars().take(64).collect() }
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` holds {:?}, which cannot be read", self.field, self.found)
    }
}

impl std::error::Error for Unreadable {}

/// The name of a file in public: any other text would lead out of the directory.
pub(super) fn leaf(text: String) -> Result<String, Unreadable> {
    if is_leaf(&text) { Ok(text) } else { Err(Unreadable::new("leaf", text)) }
}

/// The checksum of a copy, where one was written down.
pub(super) fn checksum(sha256: Option<&str>) -> Result<Option<Checksum>, Unreadable> {
    sha256.map(|text| text.parse().map_err(|_| Unreadable::new("sha256", text))).transpose()
}

/// A value in its one written form.
pub(super) trait Written: Sized {
    /// As text.
    fn written(&self) -> String;
    /// Read back; `field` is named where it cannot be.
    fn read(text: &str, field: &'static str) -> Result<Self, Unreadable>;
}

macro_rules! written_as_shown {
    ($($type:ty),*) => {
        $(impl Written for $type {
            fn written(&self) -> String {
                self.to_string()
            }
            fn read(text: &str, field: &'static str) -> Result<Self, Unreadable> {
                text.parse().map_err(|_| Unreadable::new(field, text))
            }
        })*
    };
}

written_as_shown!(
    crate::domain::id::GrantId,
    crate::domain::id::LinkId,
    crate::domain::id::DeliveryId,
    crate::domain::id::OrderId,
    crate::domain::id::FileId,
    crate::domain::id::VersionId,
    crate::domain::locator::Locator,
    crate::domain::order::ExternalId,
    crate::domain::order::Sku,
    crate::domain::order::LineKey,
    crate::domain::id::MessageId,
    crate::domain::id::ApiKeyId,
    crate::domain::credential::UserName,
    std::net::IpAddr,
    ipnet::IpNet
);

macro_rules! written_as_word {
    ($type:ty: $($word:literal $value:path),*) => {
        impl Written for $type {
            fn written(&self) -> String {
                match self { $($value => $word,)* }.to_owned()
            }
            fn read(text: &str, field: &'static str) -> Result<Self, Unreadable> {
                match text { $($word => Ok($value),)* _ => Err(Unreadable::new(field, text)) }
            }
        }
    };
}

written_as_word!(Standing: "active" Self::Active, "suspended" Self::Suspended, "revoked" Self::Revoked);
written_as_word!(State: "offered" Self::Offered, "open" Self::Open, "completed" Self::Completed, "released" Self::Released,
    "presumed" Self::Presumed, "started" Self::Started);

impl Written for RequestId {
    fn written(&self) -> String {
        self.as_str().to_owned()
    }
    fn read(text: &str, field: &'static str) -> Result<Self, Unreadable> {
        Self::parse(text).ok_or_else(|| Unreadable::new(field, text))
    }
}

/// `STORAGE/PATH`.
impl Written for FileRef {
    fn written(&self) -> String {
        self.to_string()
    }
    fn read(text: &str, field: &'static str) -> Result<Self, Unreadable> {
        let (storage, path) = text.split_once('/').ok_or_else(|| Unreadable::new(field, text))?;
        grant::file(storage, path)
    }
}

/// Sixteen hexadecimal digits.
impl Written for ClientKey {
    fn written(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(*self.bytes()))
    }
    fn read(text: &str, field: &'static str) -> Result<Self, Unreadable> {
        let good = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = good.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        bits.map(|bits| Self::new(bits.to_be_bytes())).ok_or_else(|| Unreadable::new(field, text))
    }
}

impl Written for Coverage {
    /// `first-end` by commas: each from its first byte up to, not including, its end.
    fn written(&self) -> String {
        self.ranges().iter().map(|(first, end)| format!("{first}-{end}")).collect::<Vec<_>>().join(",")
    }
    fn read(text: &str, field: &'static str) -> Result<Self, Unreadable> {
        let mut coverage = Self::default();
        let mut reached = None;
        for range in text.split(',').filter(|range| !range.is_empty()) {
            let (first, end) = range.split_once('-').ok_or_else(|| Unreadable::new(field, range))?;
            let (Ok(first), Ok(end)) = (first.parse::<u64>(), end.parse::<u64>()) else { return Err(Unreadable::new(field, range)) };
            if first >= end || reached.is_some_and(|reached| first <= reached) {
                return Err(Unreadable::new(field, range));
            }
            coverage.add(first, end);
            reached = Some(end);
        }
        Ok(coverage)
    }
}
