//! The rules of counting: a grant and its deliveries, and every decision about them.
//!
//! All functions are pure changes of one [`Account`]; a store loads it, runs one of them and keeps the result in one
//! durable step. The law is DESIGN section 5, in short: *a download that arrived counts once; a download that did not
//! arrive does not count; nobody is told a guess as a fact.*
//!
//! [`Account::click`] chooses a delivery, [`Account::admit`] lets one request of it pass, [`Account::send_away`] sends its
//! client on to where requests do not pass by us, [`Account::open_copy`] begins one of which only reports are known,
//! [`Account::report`] and [`Account::close_due`] settle it. What a delivery goes through, and what that does to the count:
//!
//! | from | to | when | reserved | used |
//! |---|---|---|---|---|
//! | – | offered | a click makes it | | |
//! | offered | – | its lifetime is over, or too many newer offers stand | | |
//! | offered | open | its first request is admitted | +1 | |
//! | offered | started | the same, where nobody reports what is sent | | +1 |
//! | offered | open, started | the client is sent away, where reports are and where none are | | as above |
//! | open | started | the client is sent on to where none are | −1 | +1 |
//! | – | open | a report shows that a copy was fetched | +1 | |
//! | open | offered | every request was reported, and none sent a byte: once | −1 | |
//! | open | completed | one client was sent every byte | −1 | +1 |
//! | open | released | its grace is over or its version replaced, every request reported, bytes missing | −1 | |
//! | open | presumed | its grace is over, of some request nothing is known, or no byte is missing | −1 | +1 |
//! | released | completed | it was sent away, and a late report shows every byte | | +1 |
//!
//! Nothing else leads out of completed, released, presumed and started. Completed and started deliveries can be joined until their grace is over; then
//! they are closed, and stay what they are. What holds at every moment:
//!
//! - `used + reserved` is never more than `max_downloads`, and `reserved` is the number of open deliveries. Where a person
//!   lowers the number below what is used, nothing is added until it is below the limit again. Two things go beyond it:
//!   a download that was sent away, released while it ran, and arrived after all ([`Account::report`]), and what was
//!   fetched of a copy before that went, of which the limit acts afterwards.
//! - The bytes charged under a grant (reported ones, and the most that unreported requests may send) are never more
//!   than `max_downloads` × (1 + `retry_factor`) × size when a request is admitted, whoever shares the URL. Of a file
//!   that is replaced the size is that of the largest version of which a request was admitted. Only a web server that
//!   sends more than the request asked for can go beyond, and what is sent where requests pass by us.
//! - From no more than `networks_max` networks requests are admitted and clients sent away, and only those are remembered.
//! - A refusal changes nothing.
//! - Time is compared, never trusted: what was closed stays closed when the clock is set back, and a clock that jumps
//!   ahead closes early. Neither counts a unit twice.
//! - A delivery is counted at most once, whatever is reported of it, late, twice, or under any name.

mod admit;
mod away;
mod click;
mod copies;
mod deliveries;
mod settle;

use std::net::IpAddr;

pub use self::copies::{CopyReport, CopyStay};
pub use self::deliveries::Deliveries;
use self::deliveries::Stage;
use super::client::{Client, ClientKey};
use super::delivery::{Delivery, Report, State};
use super::file::{FileRef, Version};
use super::grant::Grant;
use super::id::{DeliveryId, GrantId, LinkId, RequestId};
use super::moment::Moment;
use super::range::Range;
use super::units::Rate;

/// A grant and those of its deliveries that can still change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The grant.
    pub grant: Grant,
    /// Its deliveries, oldest first.
    pub deliveries: Deliveries,
}

impl Account {
    /// A grant of which nothing was downloaded yet.
    pub fn new(grant: Grant) -> Self {
        Self { grant, deliveries: Deliveries::default() }
    }

    /// Its delivery `id`.
    pub fn delivery(&self, id: DeliveryId) -> Option<&Delivery> {
        self.deliveries.of(id)
    }

    /// Its offers, oldest first.
    pub fn offers(&self) -> impl Iterator<Item = DeliveryId> {
        self.deliveries.at(Stage::Offered).map(|delivery| delivery.id)
    }

    /// Takes in a delivery that is kept elsewhere, as the newest.
    pub fn take_in(&mut self, delivery: Delivery) {
        self.deliveries.add(delivery);
    }

    /// Gives away the deliveries that have ended, the oldest first: what can still change is what stays.
    pub fn give_ended(&mut self) -> Vec<Delivery> {
        let ended: Vec<DeliveryId> = self.deliveries.at(Stage::Ended).map(|delivery| delivery.id).collect();
        ended.into_iter().filter_map(|id| self.deliveries.remove(id)).collect()
    }

    fn is_any_open(&self) -> bool {
        Stage::OPEN.iter().any(|stage| self.deliveries.at(*stage).next().is_some())
    }
}

/// A click on a link.
#[derive(Clone, Debug)]
pub struct Click {
    /// The link.
    pub link: LinkId,
    /// Now.
    pub now: Moment,
    /// Who clicks.
    pub client: Client,
    /// The key of the cookie that was brought, if any.
    pub cookie: Option<ClientKey>,
    /// What is asked for: a later part is a resumed download.
    pub range: Range,
    /// The id that a new delivery gets: random.
    pub fresh: DeliveryId,
    /// The key of the cookie that a new delivery gives out.
    pub fresh_cookie: ClientKey,
    /// The file's current version.
    pub version: Version,
}

/// The answer to a click.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clicked {
    /// The delivery to go on with.
    pub delivery: DeliveryId,
    /// Whether it was made by this click.
    pub fresh: bool,
    /// Deliveries of a version that was replaced, which this click ended.
    pub closed: Vec<Change>,
}

/// What ended because its time was over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The deliveries that were closed, in the order in which they were due.
    pub changes: Vec<Change>,
    /// How many offers were forgotten.
    pub offers: usize,
}

/// A request for the bytes of a delivery.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The web server's name of the request; asking twice under one name is asking once.
    pub request: RequestId,
    /// Now.
    pub now: Moment,
    /// Who asks.
    pub client: ClientKey,
    /// From where.
    pub address: IpAddr,
    /// What is asked for.
    pub range: Range,
    /// Whether anybody will report what was sent.
    pub measured: bool,
}

/// Leave to send one answer of a delivery. Only [`Account::admit`] makes one; delivering consumes it.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Permit {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The grant that pays.
    pub grant: GrantId,
    /// The file.
    pub file: FileRef,
    /// The version that this delivery sends.
    pub version: Version,
    /// Bytes per second, if limited.
    pub rate: Option<Rate>,
    /// Whether this request opened the delivery.
    pub opened: bool,
    /// When nothing can join the delivery any more, unless it is asked for again.
    pub grace_ends: Moment,
}

/// A click that leads away: to a stub, or to the file's own public address.
#[derive(Clone, Debug)]
pub struct Away {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The web server's name of the click.
    pub request: RequestId,
    /// Now.
    pub now: Moment,
    /// From where the click comes.
    pub address: IpAddr,
    /// Whether anybody will report what was sent.
    pub measured: bool,
}

/// Who asked for what passed by us, as the web server saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// By what it is told from others.
    pub client: ClientKey,
    /// From where it came.
    pub address: IpAddr,
}

/// One line of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The delivery that the web server named.
    pub delivery: DeliveryId,
    /// The request.
    pub request: RequestId,
    /// What was sent.
    pub report: Report,
    /// Who asked, of a request in a public directory, which nobody admitted.
    pub seen: Option<Seen>,
}

/// What a decision changed, for the log, the metrics and those who follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its grant.
    pub grant: GrantId,
    /// Who clicked.
    pub client: Client,
    /// When it changed.
    pub at: Moment,
    /// Where it stands now.
    pub state: State,
    /// Where it stood before; the same where only bytes were added.
    pub before: State,
    /// Bytes of the best-covered client.
    pub covered: u64,
    /// The file's size.
    pub size: u64,
    /// Body bytes that were reported; 0 where it was no report that changed it.
    pub bytes: u64,
    /// Bytes that were reported beyond these, and cannot have been sent: they count nowhere.
    pub bytes_beyond: u64,
    /// Whether more was sent than the bytes of the delivery or of the grant: what was placed for them goes.
    pub is_overdrawn: bool,
}

impl Change {
    /// What became of `delivery`, which stood at `before`.
    fn of(delivery: &Delivery, before: State) -> Self {
        Self {
            delivery: delivery.id,
            grant: delivery.grant,
            client: delivery.clicked_by.clone(),
            at: delivery.closed.unwrap_or(delivery.active),
            state: delivery.state,
            before,
            covered: delivery.covered(),
            size: delivery.version.size,
            bytes: 0,
            bytes_beyond: 0,
            is_overdrawn: false,
        }
    }
}
