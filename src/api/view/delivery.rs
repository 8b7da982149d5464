//! Deliveries and their requests.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::GrantView;
use crate::config::Configuration;
use crate::domain::course::{self, Interruption};
use crate::domain::delivery::{Delivery, Request, State};
use crate::domain::file::FileRef;
use crate::domain::grant::Grant;
use crate::domain::moment::Moment;

/// A delivery in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
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
    /// Whether it was fetched in public (a stub, a copy, a public address), where requests do not pass by Cloakroom; left
    /// out where that is not so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub away: bool,
}

impl ListedDelivery {
    /// Whose bytes lay at `at`.
    pub(in crate::api) fn of(delivery: &Delivery, at: &FileRef) -> Self {
        Self {
            id: delivery.id.to_string(),
            grant_id: delivery.grant.to_string(),
            file: at.to_string(),
            state: delivery.state.word().to_owned(),
            size: delivery.version.size,
            covered: delivery.covered(),
            client: delivery.clicked_by.address.to_string(),
            offered: delivery.offered.to_string(),
            active: delivery.active.to_string(),
            closed: delivery.closed.map(|moment| moment.to_string()),
            away: delivery.is_led_away(),
        }
    }
}

/// A range of the file that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RangeView {
    /// Its first byte.
    pub first: u64,
    /// The byte after its last.
    pub end: u64,
}

/// One request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RequestView {
    /// The web server's name of it.
    pub id: String,
    /// When it was admitted.
    pub admitted: String,
    /// The client it is counted for.
    pub client: String,
    /// From where it came.
    pub address: String,
    /// The most body bytes that it may send.
    pub bytes_max: u64,
    /// What was sent; `null` as long as nobody said.
    pub report: Option<ReportView>,
}

/// What was sent.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
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
    /// Bytes per second, from the admission to the end of the answer.
    pub bytes_per_second: Option<u64>,
}

impl RequestView {
    fn of(id: &str, request: &Request) -> Self {
        Self {
            id: id.to_owned(),
            admitted: request.admitted.to_string(),
            client: request.client.to_string(),
            address: request.address.to_string(),
            bytes_max: request.bytes_max,
            report: request.report.as_ref().map(|report| ReportView {
                ended: report.ended.to_string(),
                status: report.status,
                bytes: report.bytes,
                finished: report.finished,
                from: report.part().map(|(first, _)| first),
                bytes_per_second: request.bytes_per_second(),
            }),
        }
    }
}

/// A time in which no request ran.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InterruptionView {
    /// When the last request before it ended.
    pub from: String,
    /// When the first one after it was admitted.
    pub to: String,
    /// How long it was.
    pub seconds: u64,
}

/// How a delivery went.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CourseView {
    /// When the first request was admitted.
    pub opened: Option<String>,
    /// When one client had every byte, where that can be told.
    pub completed: Option<String>,
    /// What the best-covered client was sent.
    pub coverage: Vec<RangeView>,
    /// The requests, oldest first.
    pub requests: Vec<RequestView>,
    /// Other requests, of which only the number is kept.
    pub folded_requests: u64,
    /// The times in which nothing ran, as far as the requests above show.
    pub interruptions: Vec<InterruptionView>,
    /// Body bytes charged: reported, or the most that unreported requests may send.
    pub bytes_charged: u64,
}

impl CourseView {
    pub(in crate::api) fn of(delivery: &Delivery) -> Self {
        let ranges = delivery.best_coverage().map(|(_, coverage)| coverage.ranges()).unwrap_or_default();
        let mut requests: Vec<_> = delivery.requests.iter().collect();
        requests.sort_by_key(|(_, request)| request.admitted);
        let interruption = |Interruption { from, to }: Interruption| InterruptionView {
            from: from.to_string(),
            to: to.to_string(),
            seconds: to.since(from).seconds(),
        };
        Self {
            opened: delivery.opened.map(|moment| moment.to_string()),
            completed: delivery.completed.map(|moment| moment.to_string()),
            coverage: ranges.iter().map(|&(first, end)| RangeView { first, end }).collect(),
            requests: requests.into_iter().map(|(id, request)| RequestView::of(id.as_str(), request)).collect(),
            folded_requests: delivery.requests_folded,
            interruptions: course::interruptions(delivery).into_iter().map(interruption).collect(),
            bytes_charged: delivery.bytes_charged,
        }
    }
}

/// A delivery, whole.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// As in a list.
    #[serde(flatten)]
    pub delivery: ListedDelivery,
    /// What pays for it.
    pub grant: GrantView,
    /// How it went.
    #[serde(flatten)]
    pub course: CourseView,
    /// Whether the file was fetched at the address of a copy, by no link.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_copy: bool,
    /// Body bytes that it may send at most.
    pub bytes_budget: u64,
    /// Whether anybody reports what is sent.
    pub measured: bool,
    /// Who does: `access-log`, `syslog` or `api`; `stream` where Cloakroom sends all bytes itself; `redirect` where the
    /// download counted when its client was led to a public address, and nobody tells what arrived; `none`.
    pub feed: String,
}

impl DeliveryView {
    /// Of a grant, and whose bytes lay at `at`.
    pub(in crate::api) fn of(delivery: &Delivery, (grant, at): (&Grant, &FileRef), configuration: &Configuration, now: Moment) -> Self {
        let feed = match (configuration.known_by(), delivery.state) {
            (_, State::Started) if delivery.is_led_away() => "redirect",
            // What nobody reports is started with its first request, so this one was sent by us.
            ("none", State::Open | State::Completed | State::Released | State::Presumed) => "stream",
            (known_by, _) => known_by,
        };
        Self {
            delivery: ListedDelivery::of(delivery, at),
            grant: GrantView::of(grant, now),
            course: CourseView::of(delivery),
            by_copy: delivery.link.is_none(),
            bytes_budget: u64::try_from(grant.policy.delivery_bytes_max(delivery.version.size)).unwrap_or(u64::MAX),
            measured: feed != "none" && feed != "redirect",
            feed: feed.to_owned(),
        }
    }
}
