//! Files and products, as they are written down.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Unreadable, Written};
use crate::domain::catalogue::{Attachment, File, Product, Release, Units};
use crate::domain::file::FileRef;
use crate::domain::moment::Moment;

/// A file of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    pub(in crate::store) id: String,
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    folder: String,
    current: ReleaseRecord,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<ReleaseRecord>,
    /// Missing where none was moved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    moved_from: Vec<String>,
    added: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing: Option<u64>,
}

/// A version of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseRecord {
    id: String,
    at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    media_type: String,
    released: u64,
}

impl From<&Release> for ReleaseRecord {
    fn from(release: &Release) -> Self {
        Self {
            id: release.id.written(),
            at: release.at.written(),
            size: release.size,
            modified: release.modified.map(Moment::millis),
            sha256: release.checksum.map(|checksum| checksum.to_string()),
            media_type: release.media_type.clone(),
            released: release.released.millis(),
        }
    }
}

impl TryFrom<ReleaseRecord> for Release {
    type Error = Unreadable;

    fn try_from(record: ReleaseRecord) -> Result<Self, Unreadable> {
        Ok(Self {
            id: Written::read(&record.id, "version")?,
            at: Written::read(&record.at, "at")?,
            size: record.size,
            modified: record.modified.map(Moment::from_millis),
            checksum: super::checksum(record.sha256.as_deref())?,
            media_type: record.media_type,
            released: Moment::from_millis(record.released),
        })
    }
}

impl From<&File> for FileRecord {
    fn from(file: &File) -> Self {
        Self {
            id: file.id.written(),
            name: file.name.clone(),
            folder: file.folder.clone(),
            current: ReleaseRecord::from(&file.current),
            before: file.before.iter().map(ReleaseRecord::from).collect(),
            moved_from: file.moved_from.iter().map(ToString::to_string).collect(),
            added: file.added.millis(),
            missing: file.missing.map(Moment::millis),
        }
    }
}

impl TryFrom<FileRecord> for File {
    type Error = Unreadable;

    fn try_from(record: FileRecord) -> Result<Self, Unreadable> {
        Ok(Self {
            id: Written::read(&record.id, "file")?,
            name: record.name,
            folder: record.folder,
            current: record.current.try_into()?,
            before: record.before.into_iter().map(Release::try_from).collect::<Result<_, _>>()?,
            moved_from: record.moved_from.iter().map(|at| place(at)).collect::<Result<_, _>>()?,
            added: Moment::from_millis(record.added),
            missing: record.missing.map(Moment::from_millis),
        })
    }
}

fn place(text: &str) -> Result<FileRef, Unreadable> {
    let (storage, path) = text.split_once('/').ok_or_else(|| Unreadable::new("moved_from", text))?;
    super::grant::file(storage, path)
}

/// A product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductRecord {
    sku: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    units: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    note: String,
    files: Vec<AttachmentRecord>,
}

/// A file of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttachmentRecord {
    file: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    options: BTreeMap<String, String>,
}

impl From<&Product> for ProductRecord {
    fn from(product: &Product) -> Self {
        let attached = |attached: &Attachment| AttachmentRecord { file: attached.file.written(), options: attached.options.clone() };
        Self {
            sku: product.sku.written(),
            name: product.name.clone(),
            policy: product.policy.clone(),
            units: product.units.word().to_owned(),
            note: product.note.as_str().to_owned(),
            files: product.files.iter().map(attached).collect(),
        }
    }
}

impl TryFrom<ProductRecord> for Product {
    type Error = Unreadable;

    fn try_from(record: ProductRecord) -> Result<Self, Unreadable> {
        let attached = |record: AttachmentRecord| Ok(Attachment { file: Written::read(&record.file, "file")?, options: record.options });
        Ok(Self {
            sku: Written::read(&record.sku, "sku")?,
            name: record.name,
            policy: record.policy,
            units: Units::parse(&record.units).ok_or_else(|| Unreadable::new("units", &record.units))?,
            note: record.note.parse().map_err(|_| Unreadable::new("note", &record.note))?,
            files: record.files.into_iter().map(attached).collect::<Result<_, _>>()?,
        })
    }
}
