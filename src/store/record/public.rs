//! What lies in public, and who may enter there, as it is written down.

use serde::{Deserialize, Serialize};

use super::grant::file;
use super::{Unreadable, Written, checksum, leaf};
use crate::domain::credential::{DirectoryCredential, Holder};
use crate::domain::file::Version;
use crate::domain::moment::Moment;
use crate::domain::place::{FileId, Place};
use crate::domain::placed::{CopyState, DirectoryName, How, Made, Placed, Stay, What};

/// Something in a public directory, or something that was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedRecord {
    name: String,
    directory: String,
    /// `stub` or `copy`.
    what: String,
    grant: String,
    /// The delivery that a stub is for; a copy has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivery: Option<String>,
    storage: String,
    path: String,
    leaf: String,
    placed: u64,
    stay: String,
    /// Missing where it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone: Option<u64>,
    /// Of a copy, since when its grant is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    over: Option<u64>,
    /// Of a copy, how it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<MadeRecord>,
}

/// A copy as it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeRecord {
    how: String,
    inode: u64,
    size: u64,
    modified: u64,
    etag: String,
    media_type: String,
    /// Where every byte was copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

impl From<&Made> for MadeRecord {
    fn from(made: &Made) -> Self {
        let Version { size, modified, etag, media_type } = made.version.clone();
        let sha256 = made.checksum.map(|checksum| checksum.to_string());
        Self { how: made.how.word().to_owned(), inode: made.inode, size, modified: modified.millis(), etag, media_type, sha256 }
    }
}

impl TryFrom<MadeRecord> for Made {
    type Error = Unreadable;

    fn try_from(record: MadeRecord) -> Result<Self, Unreadable> {
        let MadeRecord { how, inode, size, modified, etag, media_type, sha256 } = record;
        let how = How::parse(&how).ok_or_else(|| Unreadable::new("how", &how))?;
        let version = Version { size, modified: Moment::from_millis(modified), etag, media_type };
        Ok(Self { how, inode, version, checksum: checksum(sha256.as_deref())? })
    }
}

impl From<&Placed> for PlacedRecord {
    fn from(placed: &Placed) -> Self {
        let (what, delivery, copy) = match &placed.what {
            What::Stub(delivery) => ("stub", Some(delivery.written()), None),
            What::Copy(state) => ("copy", None, Some(state)),
        };
        let (stay, gone) = match placed.stay {
            Stay::Preparing => ("preparing", None),
            Stay::Live => ("live", None),
            Stay::Going => ("going", None),
            Stay::Gone(gone) => ("gone", Some(gone.millis())),
        };
        Self {
            name: placed.name.as_str().to_owned(),
            directory: placed.directory.as_str().to_owned(),
            what: what.to_owned(),
            grant: placed.grant.written(),
            delivery,
            storage: placed.file.storage.as_str().to_owned(),
            path: placed.file.path.as_str().to_owned(),
            leaf: placed.leaf.clone(),
            placed: placed.placed.millis(),
            stay: stay.to_owned(),
            due: gone.is_none().then(|| placed.due.millis()),
            gone,
            over: copy.and_then(|copy| copy.over).map(Moment::millis),
            made: copy.and_then(|copy| copy.made.as_ref()).map(MadeRecord::from),
        }
    }
}

impl TryFrom<PlacedRecord> for Placed {
    type Error = Unreadable;

    fn try_from(record: PlacedRecord) -> Result<Self, Unreadable> {
        let over = record.over.map(Moment::from_millis);
        let what = match (record.what.as_str(), &record.delivery, record.made, over) {
            ("stub", Some(delivery), None, None) => What::Stub(Written::read(delivery, "delivery")?),
            ("copy", None, made, over) => What::Copy(CopyState { made: made.map(Made::try_from).transpose()?, over }),
            (other, ..) => return Err(Unreadable::new("what", other)),
        };
        let stay = match (record.stay.as_str(), record.due, record.gone) {
            ("preparing", Some(_), None) if matches!(what, What::Copy(_)) => Stay::Preparing,
            ("live", Some(_), None) => Stay::Live,
            ("going", Some(_), None) => Stay::Going,
            ("gone", None, Some(gone)) => Stay::Gone(Moment::from_millis(gone)),
            (other, ..) => return Err(Unreadable::new("stay", other)),
        };
        Ok(Self {
            name: record.name.parse().map_err(|_| Unreadable::new("name", &record.name))?,
            directory: DirectoryName::parse(&record.directory).ok_or_else(|| Unreadable::new("directory", &record.directory))?,
            what,
            grant: Written::read(&record.grant, "grant")?,
            file: file(&record.storage, &record.path)?,
            leaf: leaf(record.leaf)?,
            placed: Moment::from_millis(record.placed),
            due: record.due.map_or(Moment::EPOCH, Moment::from_millis),
            stay,
        })
    }
}

/// A place of a public directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceRecord {
    directory: String,
    path: String,
    /// Device and inode, where something was seen there. Of use on the same machine only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<(u64, u64)>,
    /// Missing where the directory is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<u64>,
}

impl From<&Place> for PlaceRecord {
    fn from(place: &Place) -> Self {
        let Place { directory, path, id, left } = place;
        let id = id.map(|id| (id.device, id.inode));
        Self { directory: directory.as_str().to_owned(), path: path.clone(), id, left: left.map(Moment::millis) }
    }
}

impl TryFrom<PlaceRecord> for Place {
    type Error = Unreadable;

    fn try_from(record: PlaceRecord) -> Result<Self, Unreadable> {
        let PlaceRecord { directory, path, id, left } = record;
        if !path.starts_with('/') || path.contains('\0') {
            return Err(Unreadable::new("path", &path));
        }
        Ok(Self {
            directory: DirectoryName::parse(&directory).ok_or_else(|| Unreadable::new("directory", &directory))?,
            path,
            id: id.map(|(device, inode)| FileId { device, inode }),
            left: left.map(Moment::from_millis),
        })
    }
}

/// Who may enter a public directory.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialRecord {
    user: String,
    directory: String,
    /// Missing where it is for everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grant: Option<String>,
    begins: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaced: Option<u64>,
    kid: String,
    hash: String,
    author: String,
}

/// Without the hash.
impl std::fmt::Debug for CredentialRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialRecord").field("user", &self.user).field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl From<&DirectoryCredential> for CredentialRecord {
    fn from(credential: &DirectoryCredential) -> Self {
        let DirectoryCredential { user, directory, holder, begins, ends, replaced, kid, hash, author } = credential;
        Self {
            user: user.written(),
            directory: directory.as_str().to_owned(),
            grant: match holder {
                Holder::Grant(grant) => Some(grant.written()),
                Holder::Everybody => None,
            },
            begins: begins.millis(),
            ends: ends.map(Moment::millis),
            replaced: replaced.map(Moment::millis),
            kid: kid.clone(),
            hash: hash.clone(),
            author: author.clone(),
        }
    }
}

impl TryFrom<CredentialRecord> for DirectoryCredential {
    type Error = Unreadable;

    fn try_from(record: CredentialRecord) -> Result<Self, Unreadable> {
        let grant = record.grant.map(|grant| Written::read(&grant, "grant")).transpose()?;
        Ok(Self {
            user: Written::read(&record.user, "user")?,
            directory: DirectoryName::parse(&record.directory).ok_or_else(|| Unreadable::new("directory", &record.directory))?,
            holder: grant.map_or(Holder::Everybody, Holder::Grant),
            begins: Moment::from_millis(record.begins),
            ends: record.ends.map(Moment::from_millis),
            replaced: record.replaced.map(Moment::from_millis),
            kid: record.kid,
            hash: record.hash,
            author: record.author,
        })
    }
}
