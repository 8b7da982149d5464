//! What happened under a grant, for a dispute about a payment: who, when, from where, which bytes of which version; and
//! what these numbers prove and what not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{self, Problem};
use super::view::{CourseView, EntryView, GrantView, LinkView, ListedDelivery};
use crate::clock;
use crate::domain::delivery::{Delivery, State as Stands};
use crate::domain::file::{FileRef, Version};
use crate::domain::id::GrantId;
use crate::domain::moment::Moment;
use crate::domain::placed::Placed;
use crate::service::fingerprint::{Fingerprint, fingerprint, of_copies, of_releases};
use crate::service::issue::NO_SUCH_GRANT;
use crate::service::lying::Lying;
use crate::service::site::Site;
use crate::store::Filter;

/// Of more deliveries than this, only the newest are told.
const DELIVERIES_MAX: usize = 1000;

/// Of more addresses than this, only those that came first are told.
const CLIENTS_MAX: usize = 1000;

/// So many agents of an address are told.
const AGENTS_MAX: usize = 16;

/// How much of an address is the network of one household or office, as far as one can say.
const IPV4_PREFIX: u8 = 24;
const IPV6_PREFIX: u8 = 56;

/// What happened under a grant.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// When this was put together.
    pub made: String,
    /// By which program: `cloakroom 0.1.0`.
    pub made_by: String,
    /// Of which site.
    pub site: String,
    /// The right that was sold.
    pub grant: GrantView,
    /// Its links, the newest first.
    pub links: Vec<LinkView>,
    /// Who came, by address, the first one first.
    pub clients: Vec<EvidenceClient>,
    /// The deliveries, the first one first.
    pub deliveries: Vec<EvidenceDelivery>,
    /// What people did about the grant, the oldest first.
    pub history: Vec<EntryView>,
    /// What the numbers prove and what not, in sentences.
    pub limits: Vec<String>,
}

/// An address that clicked or fetched.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EvidenceClient {
    /// The address.
    pub address: String,
    /// Its network: /24 of IPv4, /56 of IPv6.
    pub network: String,
    /// What it said to be when it clicked.
    pub agents: Vec<String>,
    /// Requests that were admitted and are remembered one by one.
    pub requests: u64,
    /// Body bytes that were reported for these.
    pub bytes: u64,
    /// When it first came.
    pub first_seen: String,
    /// When it last came.
    pub last_seen: String,
}

/// One download.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EvidenceDelivery {
    /// As in a list.
    #[serde(flatten)]
    pub delivery: ListedDelivery,
    /// The link that was clicked; `null` where the file was fetched at the address of a copy.
    pub link_id: Option<String>,
    /// What it said to be when it clicked.
    pub agent: String,
    /// What its state means, in a sentence.
    pub meaning: String,
    /// What was sent.
    pub version: VersionView,
    /// How it went.
    #[serde(flatten)]
    pub course: CourseView,
}

/// One content of the file.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionView {
    /// Size in bytes.
    pub size: u64,
    /// Entity tag.
    pub etag: String,
    /// Last change.
    pub modified: String,
    /// Media type.
    pub media_type: String,
    /// Its SHA-256, if it can still be told.
    #[serde(flatten)]
    pub fingerprint: Fingerprint,
}

pub(super) async fn evidence(State(site): State<Arc<Site>>, id: Result<Path<String>, PathRejection>) -> Result<Json<Evidence>, Problem> {
    let id: GrantId = problem::read_name(id)?;
    let unknown = || Problem::unknown(NO_SUCH_GRANT);
    let grant = site.store.grant(id).await?.ok_or_else(unknown)?;
    let mut deliveries = site.store.deliveries(Filter { grant: Some(id), limit: DELIVERIES_MAX, ..Filter::default() }).await?;
    let are_all = deliveries.len() < DELIVERIES_MAX;
    deliveries.reverse();
    let copies = site.store.placed_for(id).await?;
    let file = match &grant.sold {
        Some(sold) => site.catalogue.file(sold.file).await?,
        None => None,
    };
    let (mut places, mut lying) = (Vec::with_capacity(deliveries.len()), Lying::new(&site));
    for delivery in &deliveries {
        places.push(lying.of(delivery, &grant).await?);
    }
    let mut versions: Vec<(Content<'_>, Fingerprint)> = Vec::new();
    for (delivery, at) in deliveries.iter().zip(&places) {
        let content = Content { version: &delivery.version, at };
        if !versions.iter().any(|(known, _)| *known == content) {
            let of_releases = || file.as_ref().and_then(|file| of_releases(file, content.version, content.at));
            let found = match of_copies(&copies, content.version).or_else(of_releases) {
                Some(found) => found,
                None => fingerprint(&site, content.at, content.version).await,
            };
            versions.push((content, found));
        }
    }
    let told = deliveries.iter().zip(&places).map(|(delivery, at)| {
        let content = Content { version: &delivery.version, at };
        let fingerprint = versions.iter().find(|(known, _)| *known == content).map(|(_, found)| found.clone());
        Some(EvidenceDelivery {
            link_id: delivery.link.map(|link| link.to_string()),
            agent: delivery.clicked_by.agent.clone(),
            meaning: meaning(delivery).to_owned(),
            version: VersionView::of(&delivery.version, fingerprint?),
            course: CourseView::of(delivery),
            delivery: ListedDelivery::of(delivery, at),
        })
    });
    let now = clock::now();
    Ok(Json(Evidence {
        made: now.to_string(),
        made_by: concat!("cloakroom ", env!("CARGO_PKG_VERSION")).to_owned(),
        site: site.name().to_owned(),
        links: site.store.links(id).await?.iter().map(|link| LinkView::of(link, now)).collect(),
        clients: clients(&deliveries),
        deliveries: told.flatten().collect(),
        history: site.store.history(id).await?.iter().map(EntryView::of).collect(),
        limits: limits(&site, &deliveries, &copies, are_all),
        grant: GrantView::of(&grant, now),
    }))
}

/// What a delivery sent, and where that lay.
#[derive(PartialEq, Eq)]
struct Content<'a> {
    version: &'a Version,
    at: &'a FileRef,
}

impl VersionView {
    fn of(version: &Version, fingerprint: Fingerprint) -> Self {
        let Version { size, modified, etag, media_type } = version;
        Self { size: *size, etag: etag.clone(), modified: modified.to_string(), media_type: media_type.clone(), fingerprint }
    }
}

/// What a state means to somebody who never heard of it.
fn meaning(delivery: &Delivery) -> &'static str {
    match delivery.state {
        Stands::Offered => "The link was opened. Nothing was sent.",
        Stands::Open => "It has begun and not ended.",
        Stands::Completed if delivery.is_led_away() => {
            "Every byte of the file was reported as sent to one client, by the web server's log of the public path."
        }
        Stands::Completed => "Every byte of the file was reported as sent to one client.",
        Stands::Released => "It ended without the whole file having been sent. It does not count.",
        Stands::Presumed => {
            "It counts, and is not proved: of some requests nothing was reported, or every byte was sent, but not shown to be to one client."
        }
        Stands::Started if delivery.is_led_away() => {
            "Its client was led to the file's public address, and it counts since then. Nobody reports what arrived."
        }
        Stands::Started => "It was begun and counts. Nobody reports what arrived.",
    }
}

/// What the numbers prove and what not.
fn limits(site: &Site, deliveries: &[Delivery], copies: &[Placed], are_all: bool) -> Vec<String> {
    let is_started = |delivery: &Delivery| delivery.state == Stands::Started;
    let measured = site.configuration.knows_what_arrived();
    let told: &[(bool, &str)] = &[
        (
            measured,
            "Bytes count as sent when the operating system of the server had taken them for the client. A client that vanishes can leave \
             some megabytes of each connection in buffers on the way. That bytes were sent does not show that they were kept, opened or read.",
        ),
        (
            site.configuration.known_by() == "syslog",
            "The web server reports by syslog, which can lose lines. What was lost is not shown, and its delivery is presumed and not \
             completed.",
        ),
        (
            !measured || deliveries.iter().any(is_started),
            "Where it says started, nobody reports what arrived: this shows that downloads were begun, and not that they arrived.",
        ),
        (
            deliveries.iter().any(Delivery::is_led_away),
            "Where a client was led to a public path, its requests did not pass by Cloakroom after the redirect: byte budget, \
             connections, rate and networks were not held there, and whoever knew the path could fetch it.",
        ),
        (
            true,
            "An address is not a person. A home, an office or a whole mobile network can share one, and one person can have several. \
             What a client says to be (its agent) is its own word.",
        ),
        (
            deliveries.iter().any(|delivery| delivery.clicked_by.address.is_unspecified()),
            "Who came was forgotten when that was asked for: 0.0.0.0 stands where addresses stood.",
        ),
        (
            site.configuration.addresses_kept.is_some(),
            "Addresses are kept for some time only after a download has ended. Then the first address of their network stands there, one \
             that ends in 0.",
        ),
        (true, "Whoever has the URL of a link can use it. This shows which link was used and from where, and not by whom."),
        (
            deliveries.iter().any(|delivery| delivery.link.is_none()),
            "Where no link is named, the file was fetched at the address of a copy, by somebody who had that address, and the password \
             where one was asked for. Of such a download is known when answers ended, and not when they began. It counts after it has \
             arrived, so that more can arrive than there were to be.",
        ),
        (true, "All times are UTC, by the clock of this server. Cloakroom does not know whether it was right."),
        (
            true,
            "A SHA-256 that was read now is of the file as it lay there when this was made, and is told only where size and time of \
             change are still those of the delivery. A change that kept both would not be noticed.",
        ),
        (
            deliveries.iter().any(|delivery| of_copies(copies, &delivery.version).is_some()),
            "A SHA-256 that was read when a copy was made is of its bytes at that time. What became of the copy later does not show in it.",
        ),
        (true, "Of a delivery that has ended, the last 16 requests and the 64 largest ranges are kept one by one; of others the number."),
        (true, "These are the seller's own records. Nobody else has confirmed them."),
        (!are_all, "There were more deliveries than these: only the newest 1000 are told."),
    ];
    told.iter().filter(|(holds, _)| *holds).map(|(_, text)| (*text).to_owned()).collect()
}

/// What is known of one address.
struct Seen {
    agents: BTreeSet<String>,
    requests: u64,
    bytes: u64,
    first: Moment,
    last: Moment,
}

fn clients(deliveries: &[Delivery]) -> Vec<EvidenceClient> {
    let mut seen: BTreeMap<IpAddr, Seen> = BTreeMap::new();
    for delivery in deliveries {
        let clicked = &delivery.clicked_by;
        let agents = &mut note(&mut seen, clicked.address, delivery.offered).agents;
        if agents.len() < AGENTS_MAX && !clicked.agent.is_empty() {
            agents.insert(clicked.agent.clone());
        }
        for request in delivery.requests.values() {
            let client = note(&mut seen, request.address, request.admitted);
            client.requests = client.requests.saturating_add(1);
            if let Some(report) = &request.report {
                client.bytes = client.bytes.saturating_add(report.bytes);
                client.last = client.last.max(report.ended);
            }
        }
    }
    let mut seen: Vec<(IpAddr, Seen)> = seen.into_iter().collect();
    seen.sort_by_key(|(_, seen)| seen.first);
    let client = |(address, seen): (IpAddr, Seen)| EvidenceClient {
        address: address.to_string(),
        network: network(address),
        agents: seen.agents.into_iter().collect(),
        requests: seen.requests,
        bytes: seen.bytes,
        first_seen: seen.first.to_string(),
        last_seen: seen.last.to_string(),
    };
    seen.into_iter().take(CLIENTS_MAX).map(client).collect()
}

fn note(seen: &mut BTreeMap<IpAddr, Seen>, address: IpAddr, at: Moment) -> &mut Seen {
    let client = seen.entry(address).or_insert(Seen { agents: BTreeSet::new(), requests: 0, bytes: 0, first: at, last: at });
    client.first = client.first.min(at);
    client.last = client.last.max(at);
    client
}

fn network(address: IpAddr) -> String {
    let prefix = if address.is_ipv4() { IPV4_PREFIX } else { IPV6_PREFIX };
    IpNet::new(address, prefix).map_or_else(|_| address.to_string(), |network| network.trunc().to_string())
}
