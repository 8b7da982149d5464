//! What the API shows. Times are RFC 3339 UTC, sizes are bytes; no token stands in any view but in the answer that
//! makes a link.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::Configuration;
use crate::domain::delivery::{Delivery, Request, State};
use crate::domain::grant::Grant;
use crate::service::issue;

/// A grant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GrantView {
    /// `g-…`.
    pub id: String,
    /// `STORAGE/PATH`.
    pub file: String,
    /// Whom it is for.
    pub customer: String,
    /// Downloads that are used up.
    pub used: u32,
    /// Downloads that open deliveries hold.
    pub reserved: u32,
    /// How many there may be; `null` is unlimited.
    pub max_downloads: Option<u32>,
    /// From when on no download starts; `null` is never.
    pub expires: Option<String>,
}

impl GrantView {
    fn of(grant: &Grant) -> Self {
        Self {
            id: grant.id.to_string(),
            file: grant.file.to_string(),
            customer: grant.customer.clone(),
            used: grant.used,
            reserved: grant.reserved,
            max_downloads: grant.policy.max_downloads,
            expires: grant.expires.map(|moment| moment.to_string()),
        }
    }
}

/// A link that was made. Its URL is answered and not printed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Issued {
    /// The URL for the customer: whoever has it can use it.
    pub url: String,
    /// `l-…`.
    pub link: String,
    /// From when on the link is not answered.
    pub link_expires: String,
    /// What it opens.
    pub grant: GrantView,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { link, link_expires, grant, url: _ } = self;
        f.debug_struct("Issued").field("link", link).field("link_expires", link_expires).field("grant", grant).finish_non_exhaustive()
    }
}

impl Issued {
    pub(super) fn of(issued: &issue::Issued) -> Self {
        Self {
            url: issued.url.clone(),
            link: issued.link.id.to_string(),
            link_expires: issued.link.expires.to_string(),
            grant: GrantView::of(&issued.grant),
        }
    }
}

/// A delivery in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListedDelivery {
    /// `d-…`.
    pub id: String,
    /// Its grant, `g-…`.
    pub grant_id: String,
    /// `STORAGE/PATH`.
    pub file: String,
    /// offered, open, completed, released, presumed or started.
    pub state: String,
    /// The file's size.
    pub size: u64,
    /// Bytes of the file that one client has, as far as reported.
    pub covered: u64,
    /// Who clicked.
    pub client: String,
    /// When the link was clicked.
    pub offered: String,
    /// When something last happened.
    pub active: String,
    /// When it ended.
    pub closed: Option<String>,
}

impl ListedDelivery {
    pub(super) fn of(delivery: &Delivery, grant: &Grant) -> Self {
        Self {
            id: delivery.id.to_string(),
            grant_id: delivery.grant.to_string(),
            file: grant.file.to_string(),
            state: delivery.state.word().to_owned(),
            size: delivery.version.size,
            covered: delivery.covered(),
            client: delivery.clicked_by.address.to_string(),
            offered: delivery.offered.to_string(),
            active: delivery.active.to_string(),
            closed: delivery.closed.map(|moment| moment.to_string()),
        }
    }
}

/// A range of the file that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeView {
    /// Its first byte.
    pub first: u64,
    /// The byte after its last.
    pub end: u64,
}

/// One request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestView {
    /// The web server's name of it.
    pub id: String,
    /// When it was admitted.
    pub admitted: String,
    /// The client it is counted for.
    pub client: String,
    /// The most body bytes that it may send.
    pub bytes_max: u64,
    /// What was sent; `null` as long as nobody said.
    pub report: Option<ReportView>,
}

/// What was sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReportView {
    /// When the answer ended.
    pub ended: String,
    /// The status.
    pub status: u16,
    /// Body bytes.
    pub bytes: u64,
    /// Whether the answer ended as it should.
    pub finished: bool,
    /// The first byte of the file that was sent, where the bytes are a part of the file.
    pub from: Option<u64>,
}

impl RequestView {
    fn of(id: &str, request: &Request) -> Self {
        Self {
            id: id.to_owned(),
            admitted: request.admitted.to_string(),
            client: request.client.to_string(),
            bytes_max: request.bytes_max,
            report: request.report.as_ref().map(|report| ReportView {
                ended: report.ended.to_string(),
                status: report.status,
                bytes: report.bytes,
                finished: report.finished,
                from: report.from.map(|(first, _)| first),
            }),
        }
    }
}

/// A delivery, whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliveryView {
    /// As in a list.
    #[serde(flatten)]
    pub delivery: ListedDelivery,
    /// What pays for it.
    pub grant: GrantView,
    /// What the best-covered client was sent.
    pub coverage: Vec<RangeView>,
    /// The requests, oldest first.
    pub requests: Vec<RequestView>,
    /// Older requests of which only the number is kept.
    pub folded_requests: u64,
    /// Body bytes charged: reported, or the most that unreported requests may send.
    pub bytes_charged: u64,
    /// Body bytes that it may send at most.
    pub bytes_budget: u64,
    /// Whether anybody reports what is sent.
    pub measured: bool,
    /// Who does: `access-log`, `syslog` or `api`; `stream` where Cloakroom sends all bytes itself; `none`.
    pub feed: String,
}

impl DeliveryView {
    pub(super) fn of(delivery: &Delivery, grant: &Grant, configuration: &Configuration) -> Self {
        let ranges = delivery.best_coverage().map(|(_, coverage)| coverage.ranges()).unwrap_or_default();
        let mut requests: Vec<_> = delivery.requests.iter().collect();
        requests.sort_by_key(|(_, request)| request.admitted);
        let feed = match (configuration.known_by(), delivery.state) {
            // What nobody reports is started with its first request, so this one was sent by us.
            ("none", State::Open | State::Completed | State::Released | State::Presumed) => "stream",
            (known_by, _) => known_by,
        };
        Self {
            delivery: ListedDelivery::of(delivery, grant),
            grant: GrantView::of(grant),
            coverage: ranges.iter().map(|&(first, end)| RangeView { first, end }).collect(),
            requests: requests.into_iter().map(|(id, request)| RequestView::of(id.as_str(), request)).collect(),
            folded_requests: delivery.requests_folded,
            bytes_charged: delivery.bytes_charged,
            bytes_budget: u64::try_from(grant.policy.delivery_bytes_max(delivery.version.size)).unwrap_or(u64::MAX),
            measured: feed != "none",
            feed: feed.to_owned(),
        }
    }
}
