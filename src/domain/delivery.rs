//! Deliveries: one download of one file version under one grant, however many requests it takes.

use std::collections::BTreeMap;

use super::client::{Client, ClientKey};
use super::coverage::Coverage;
use super::file::Version;
use super::id::{DeliveryId, GrantId, LinkId, RequestId};
use super::moment::Moment;

/// One download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The grant that pays for it.
    pub grant: GrantId,
    /// The link that was clicked.
    pub link: LinkId,
    /// What is sent.
    pub version: Version,
    /// Where it stands.
    pub state: State,
    /// When the link was clicked.
    pub offered: Moment,
    /// When the first request was admitted.
    pub opened: Option<Moment>,
    /// When the last request was admitted or reported.
    pub active: Moment,
    /// When it ended, if it has.
    pub closed: Option<Moment>,
    /// The key of the cookie that the click gave out.
    pub cookie: ClientKey,
    /// Who clicked.
    pub clicked_by: Client,
    /// Body bytes charged: what was reported, and the most that unreported requests may send.
    pub bytes_charged: u64,
    /// Every request that was admitted.
    pub requests: BTreeMap<RequestId, Request>,
    /// The ranges that were sent, client by client.
    pub coverage: BTreeMap<ClientKey, Coverage>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Clicked, nothing sent, nothing reserved.
    Offered,
    /// One unit is reserved.
    Open,
    /// One client has every byte; the unit is used.
    Completed,
    /// Ended without the whole file having been sent; the unit went back.
    Released,
    /// Ended with requests of which nothing is known; the unit is used.
    Presumed,
    /// Nobody reports what is sent: the unit was used at the start.
    Started,
}

impl State {
    /// The word of output, log and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Open => "open",
            Self::Completed => "completed",
            Self::Released => "released",
            Self::Presumed => "presumed",
            Self::Started => "started",
        }
    }
}

/// One admitted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it was admitted.
    pub admitted: Moment,
    /// Who asked.
    pub client: ClientKey,
    /// The most body bytes that it may send.
    pub bytes_max: u64,
    /// What the web server said that it sent, once it did.
    pub report: Option<Report>,
}

/// What was sent in answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When the answer ended.
    pub ended: Moment,
    /// The status that the client got.
    pub status: u16,
    /// Body bytes that the system took for the client.
    pub bytes: u64,
    /// Whether the web server saw the answer end as it should.
    pub finished: bool,
    /// The range of the file that `bytes` are a prefix of: first byte and the total size. `None` where the bytes say
    /// nothing about the file: errors, several ranges, an encoded body.
    pub from: Option<(u64, u64)>,
}
