//! Files and products, as they are written down.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Unreadable, Written, grant};
use crate::domain::catalogue::{Attachment, File, Product, Units};
use crate::domain::moment::Moment;

/// A file of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    pub(in crate::store) id: String,
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    folder: String,
    storage: String,
    path: String,
    added: u64,
}

impl From<&File> for FileRecord {
    fn from(file: &File) -> Self {
        Self {
            id: file.id.written(),
            name: file.name.clone(),
            folder: file.folder.clone(),
            storage: file.at.storage.as_str().to_owned(),
            path: file.at.path.as_str().to_owned(),
            added: file.added.millis(),
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
            at: grant::file(&record.storage, &record.path)?,
            added: Moment::from_millis(record.added),
        })
    }
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
            files: record.files.into_iter().map(attached).collect::<Result<_, _>>()?,
        })
    }
}
