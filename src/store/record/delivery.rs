//! Deliveries as they are written down, with their requests and their coverage.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Unreadable, Written};
use crate::domain::client::Client;
use crate::domain::delivery::{Delivery, Report, Request};
use crate::domain::file::Version;
use crate::domain::id::RequestId;
use crate::domain::moment::Moment;

/// One request of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRecord {
    pub(in crate::store) id: String,
    pub(in crate::store) admitted: u64,
    pub(in crate::store) client: String,
    pub(in crate::store) address: String,
    pub(in crate::store) bytes_max: u64,
    pub(in crate::store) report: Option<ReportRecord>,
}

/// What was sent in answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportRecord {
    pub(in crate::store) ended: u64,
    pub(in crate::store) status: u16,
    pub(in crate::store) bytes: u64,
    pub(in crate::store) finished: bool,
    /// First byte and total size.
    pub(in crate::store) from: Option<(u64, u64)>,
}

impl RequestRecord {
    pub(in crate::store) fn of(id: &RequestId, request: &Request) -> Self {
        Self {
            id: id.written(),
            admitted: request.admitted.millis(),
            client: request.client.written(),
            address: request.address.written(),
            bytes_max: request.bytes_max,
            report: request.report.as_ref().map(|report| ReportRecord {
                ended: report.ended.millis(),
                status: report.status,
                bytes: report.bytes,
                finished: report.finished,
                from: report.from,
            }),
        }
    }

    pub(in crate::store) fn read(self) -> Result<(RequestId, Request), Unreadable> {
        let report = self.report.map(|report| Report {
            ended: Moment::from_millis(report.ended),
            status: report.status,
            bytes: report.bytes,
            finished: report.finished,
            from: report.from,
        });
        let request = Request {
            admitted: Moment::from_millis(self.admitted),
            client: Written::read(&self.client, "client")?,
            address: Written::read(&self.address, "address")?,
            bytes_max: self.bytes_max,
            report,
        };
        Ok((Written::read(&self.id, "request")?, request))
    }
}

/// A delivery with its requests and its coverage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryRecord {
    pub(in crate::store) id: String,
    pub(in crate::store) grant: String,
    /// `null` where no link was clicked: the file was fetched at the address of a copy.
    pub(in crate::store) link: Option<String>,
    pub(in crate::store) size: u64,
    pub(in crate::store) modified: u64,
    pub(in crate::store) etag: String,
    pub(in crate::store) media_type: String,
    /// `STORAGE/PATH`. Missing where it is that of the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store) at: Option<String>,
    pub(in crate::store) state: String,
    pub(in crate::store) offered: u64,
    pub(in crate::store) offered_again: Option<u64>,
    pub(in crate::store) opened: Option<u64>,
    pub(in crate::store) opened_by: Option<String>,
    pub(in crate::store) active: u64,
    pub(in crate::store) completed: Option<u64>,
    pub(in crate::store) closed: Option<u64>,
    pub(in crate::store) cookie: String,
    pub(in crate::store) address: String,
    pub(in crate::store) agent: String,
    /// Missing where an earlier version wrote, which sent nobody away.
    #[serde(default)]
    pub(in crate::store) away: bool,
    pub(in crate::store) bytes_charged: u64,
    pub(in crate::store) bytes_unplaced: u64,
    pub(in crate::store) requests_folded: u64,
    pub(in crate::store) requests: Vec<RequestRecord>,
    /// Client by client.
    pub(in crate::store) coverage: BTreeMap<String, String>,
}

impl From<&Delivery> for DeliveryRecord {
    fn from(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id.written(),
            grant: delivery.grant.written(),
            link: delivery.link.as_ref().map(Written::written),
            size: delivery.version.size,
            modified: delivery.version.modified.millis(),
            etag: delivery.version.etag.clone(),
            media_type: delivery.version.media_type.clone(),
            at: delivery.at.as_ref().map(Written::written),
            state: delivery.state.written(),
            offered: delivery.offered.millis(),
            offered_again: delivery.offered_again.map(Moment::millis),
            opened: delivery.opened.map(Moment::millis),
            opened_by: delivery.opened_by.as_ref().map(Written::written),
            active: delivery.active.millis(),
            completed: delivery.completed.map(Moment::millis),
            closed: delivery.closed.map(Moment::millis),
            cookie: delivery.cookie.written(),
            address: delivery.clicked_by.address.written(),
            agent: delivery.clicked_by.agent.clone(),
            away: delivery.away,
            bytes_charged: delivery.bytes_charged,
            bytes_unplaced: delivery.bytes_unplaced,
            requests_folded: delivery.requests_folded,
            requests: delivery.requests.iter().map(|(id, request)| RequestRecord::of(id, request)).collect(),
            coverage: delivery.coverage.iter().map(|(client, coverage)| (client.written(), coverage.written())).collect(),
        }
    }
}

impl TryFrom<DeliveryRecord> for Delivery {
    type Error = Unreadable;

    fn try_from(record: DeliveryRecord) -> Result<Self, Unreadable> {
        let coverage = |(client, ranges): (String, String)| Ok((Written::read(&client, "client")?, Written::read(&ranges, "coverage")?));
        Ok(Self {
            id: Written::read(&record.id, "delivery")?,
            grant: Written::read(&record.grant, "grant")?,
            link: record.link.map(|link| Written::read(&link, "link")).transpose()?,
            version: Version {
                size: record.size,
                modified: Moment::from_millis(record.modified),
                etag: record.etag,
                media_type: record.media_type,
            },
            at: record.at.map(|at| Written::read(&at, "at")).transpose()?,
            state: Written::read(&record.state, "state")?,
            offered: Moment::from_millis(record.offered),
            offered_again: record.offered_again.map(Moment::from_millis),
            opened: record.opened.map(Moment::from_millis),
            opened_by: record.opened_by.map(|id| Written::read(&id, "opened_by")).transpose()?,
            active: Moment::from_millis(record.active),
            completed: record.completed.map(Moment::from_millis),
            closed: record.closed.map(Moment::from_millis),
            cookie: Written::read(&record.cookie, "cookie")?,
            clicked_by: Client::new(Written::read(&record.address, "address")?, record.agent),
            away: record.away,
            bytes_charged: record.bytes_charged,
            requests: record.requests.into_iter().map(RequestRecord::read).collect::<Result<_, _>>()?,
            requests_folded: record.requests_folded,
            coverage: record.coverage.into_iter().map(coverage).collect::<Result<_, Unreadable>>()?,
            bytes_unplaced: record.bytes_unplaced,
        })
    }
}
