//! Grants and links as they are written down.

use serde::{Deserialize, Serialize};

use super::{SoldRecord, Unreadable, Written};
use crate::domain::file::{FileRef, StorageName};
use crate::domain::grant::Grant;
use crate::domain::link::Link;
use crate::domain::moment::{Moment, Span};
use crate::domain::order::Sold;
use crate::domain::path::FilePath;
use crate::domain::policy::{Edition, Ending, Method, Policy};
use crate::domain::units::Rate;

/// The limits of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRecord {
    max_downloads: Option<u32>,
    valid_for: Option<u64>,
    /// The zone of grants that end with a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends_with_day_in: Option<String>,
    link_ttl: u64,
    resume_grace: u64,
    retry_factor: u32,
    methods: Vec<String>,
    connections_max: u32,
    rate: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    networks: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    networks_max: Option<u32>,
    /// Missing where it is for the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Missing where there is a page first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    landing: Option<bool>,
}

impl From<&Policy> for PolicyRecord {
    fn from(policy: &Policy) -> Self {
        Self {
            max_downloads: policy.max_downloads,
            valid_for: policy.valid_for.map(Span::millis),
            ends_with_day_in: match &policy.ending {
                Ending::Exact => None,
                Ending::EndOfDay(zone) => Some(zone.clone()),
            },
            link_ttl: policy.link_ttl.millis(),
            resume_grace: policy.resume_grace.millis(),
            retry_factor: policy.retry_factor,
            methods: policy.methods.iter().map(|method| method.word().to_owned()).collect(),
            connections_max: policy.connections_max,
            rate: policy.rate.map(|rate| rate.0.get()),
            networks: policy.networks.iter().map(Written::written).collect(),
            networks_max: policy.networks_max,
            version: match policy.edition {
                Edition::Latest => None,
                Edition::Purchased => Some(policy.edition.word().to_owned()),
            },
            landing: (!policy.landing).then_some(false),
        }
    }
}

impl TryFrom<PolicyRecord> for Policy {
    type Error = Unreadable;

    fn try_from(record: PolicyRecord) -> Result<Self, Unreadable> {
        let method = |word: &String| Method::parse(word).ok_or_else(|| Unreadable::new("methods", word));
        let edition = |word: String| Edition::parse(&word).ok_or_else(|| Unreadable::new("version", &word));
        Ok(Self {
            max_downloads: record.max_downloads,
            valid_for: record.valid_for.map(Span::from_millis),
            ending: record.ends_with_day_in.map_or(Ending::Exact, Ending::EndOfDay),
            link_ttl: Span::from_millis(record.link_ttl),
            resume_grace: Span::from_millis(record.resume_grace),
            retry_factor: record.retry_factor,
            methods: record.methods.iter().map(method).collect::<Result<_, _>>()?,
            connections_max: record.connections_max,
            rate: record.rate.map(|rate| Rate::new(rate).map_err(|_| Unreadable::new("rate", rate))).transpose()?,
            networks: record.networks.iter().map(|network| Written::read(network, "networks")).collect::<Result<_, _>>()?,
            networks_max: record.networks_max,
            edition: record.version.map(edition).transpose()?.unwrap_or_default(),
            landing: record.landing.unwrap_or(true),
        })
    }
}

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRecord {
    pub(in crate::store) id: String,
    pub(in crate::store) storage: String,
    pub(in crate::store) path: String,
    pub(in crate::store) customer: String,
    pub(in crate::store) policy: PolicyRecord,
    pub(in crate::store) created: u64,
    pub(in crate::store) expires: Option<u64>,
    pub(in crate::store) standing: String,
    pub(in crate::store) used: u32,
    pub(in crate::store) reserved: u32,
    pub(in crate::store) bytes_closed: u64,
    pub(in crate::store) size_largest: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::store) networks_seen: Vec<String>,
    /// Missing where no order was reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store) sold: Option<SoldRecord>,
}

impl From<&Grant> for GrantRecord {
    fn from(grant: &Grant) -> Self {
        Self {
            id: grant.id.written(),
            storage: grant.file.storage.as_str().to_owned(),
            path: grant.file.path.as_str().to_owned(),
            customer: grant.customer.clone(),
            policy: PolicyRecord::from(&grant.policy),
            created: grant.created.millis(),
            expires: grant.expires.map(Moment::millis),
            standing: grant.standing.written(),
            used: grant.used,
            reserved: grant.reserved,
            bytes_closed: grant.bytes_closed,
            size_largest: grant.size_largest,
            networks_seen: grant.networks_seen.iter().map(Written::written).collect(),
            sold: grant.sold.as_ref().map(SoldRecord::from),
        }
    }
}

impl TryFrom<GrantRecord> for Grant {
    type Error = Unreadable;

    fn try_from(record: GrantRecord) -> Result<Self, Unreadable> {
        Ok(Self {
            id: Written::read(&record.id, "grant")?,
            file: file(&record.storage, &record.path)?,
            customer: record.customer,
            policy: record.policy.try_into()?,
            created: Moment::from_millis(record.created),
            expires: record.expires.map(Moment::from_millis),
            standing: Written::read(&record.standing, "standing")?,
            used: record.used,
            reserved: record.reserved,
            bytes_closed: record.bytes_closed,
            size_largest: record.size_largest,
            networks_seen: record.networks_seen.iter().map(|network| Written::read(network, "networks_seen")).collect::<Result<_, _>>()?,
            sold: record.sold.map(Sold::try_from).transpose()?,
        })
    }
}

/// Reads where a file lies.
pub(super) fn file(storage: &str, path: &str) -> Result<FileRef, Unreadable> {
    Ok(FileRef {
        storage: StorageName::parse(storage).ok_or_else(|| Unreadable::new("storage", storage))?,
        path: FilePath::parse(path).map_err(|_| Unreadable::new("path", path))?,
    })
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkRecord {
    pub(in crate::store) id: String,
    pub(in crate::store) grant: String,
    pub(in crate::store) created: u64,
    pub(in crate::store) expires: u64,
    pub(in crate::store) revoked: bool,
}

impl From<&Link> for LinkRecord {
    fn from(link: &Link) -> Self {
        Self {
            id: link.id.written(),
            grant: link.grant.written(),
            created: link.created.millis(),
            expires: link.expires.millis(),
            revoked: link.revoked,
        }
    }
}

impl TryFrom<LinkRecord> for Link {
    type Error = Unreadable;

    fn try_from(record: LinkRecord) -> Result<Self, Unreadable> {
        Ok(Self {
            id: Written::read(&record.id, "link")?,
            grant: Written::read(&record.grant, "grant")?,
            created: Moment::from_millis(record.created),
            expires: Moment::from_millis(record.expires),
            revoked: record.revoked,
        })
    }
}
