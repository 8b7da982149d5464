//! Copies: how long one stays, who is led to it, and what its downloads count.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::{Account, Change, Reported, Seen};
use crate::domain::client::{Client, ClientKey};
use crate::domain::delivery::{Delivery, Report, State};
use crate::domain::file::Version;
use crate::domain::grant::Grant;
use crate::domain::id::{DeliveryId, GrantId, RequestId};
use crate::domain::link::Link;
use crate::domain::moment::{Moment, Span};
use crate::domain::refusal::Refusal;

use super::deliveries::{Stage, Whose};

/// One line of the feed about a copy: a request that nobody decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyReport {
    /// The grant that the copy is for.
    pub grant: GrantId,
    /// What the copy holds.
    pub version: Version,
    /// Who asked, by address and agent.
    pub client: Client,
    /// Whose download it is: by the user name, of which all that the grant's customer has had are one, else by the address.
    /// Agents are free to choose, and tell nobody apart here.
    pub key: ClientKey,
    /// The request.
    pub request: RequestId,
    /// What was sent.
    pub report: Report,
    /// The id that a new delivery gets.
    pub fresh: DeliveryId,
}

impl CopyReport {
    /// What was sent of a copy of `grant` that holds `version`, to `client`, who logged in as `user`: any text that is the same
    /// for one person and another for others.
    pub fn new(grant: GrantId, version: Version, client: Client, user: Option<&str>, request: RequestId, report: Report) -> Self {
        let mut random = [0; 8];
        // One line that is read twice, before and after a crash, makes one delivery.
        for (byte, found) in random.iter_mut().zip(Sha256::digest(format!("copy\0{grant}\0{request}"))) {
            *byte = found;
        }
        let fresh = DeliveryId::made(report.ended, random);
        let key = user.map_or_else(|| ClientKey::of_address(client.address), ClientKey::of_user);
        Self { grant, version, client, key, request, report, fresh }
    }

    /// The same as a report of `delivery`.
    pub fn of(&self, delivery: DeliveryId) -> Reported {
        let seen = Some(Seen { client: self.client.key(), address: self.client.address });
        Reported { delivery, request: self.request.clone(), report: self.report.clone(), seen }
    }

    /// Whether anything of the file was sent.
    fn has_sent(&self) -> bool {
        let Report { status, bytes, .. } = self.report;
        matches!(status, 200 | 206) && (bytes > 0 || (self.version.size == 0 && self.report.is_empty_file()))
    }

    /// Whether the whole file was asked for, from its first byte on.
    fn is_of_all(&self) -> bool {
        self.report.status == 200
    }
}

/// How long a copy stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyStay {
    /// Until when, as far as is known now; `None` where it has to go.
    pub until: Option<Moment>,
    /// Since when its grant is over.
    pub over: Option<Moment>,
}

/// When something that never ends is to be looked at.
const NEVER: Moment = Moment::from_millis(i64::MAX as u64);

impl Grant {
    /// Whether a copy is to be there for it: it may be used, its time is not over, and neither all downloads nor all bytes
    /// are used, as far as it knows of bytes: those of deliveries that have ended.
    pub fn keeps_copy(&self, now: Moment) -> bool {
        self.check().is_ok() && !self.is_over(now) && !self.is_used_up() && self.has_bytes(0)
    }

    /// Whether there is room for one byte more than its ended deliveries sent, and `others` were charged.
    fn has_bytes(&self, others: u128) -> bool {
        let most = self.policy.grant_bytes_max(self.size_largest).filter(|most| *most > 0);
        most.is_none_or(|most| u128::from(self.bytes_closed) + others < most)
    }

    /// Whether as many downloads are used as there are.
    pub fn is_used_up(&self) -> bool {
        self.policy.max_downloads.is_some_and(|most| self.used >= most)
    }
}

impl Account {
    /// A copy is gone at the latest so long after its grant is over, whoever is in the middle of what.
    pub const COPY_HARD_END: Span = Span::from_days(7);

    /// How long a copy stays. The first row that fits decides:
    ///
    /// | if | then | the grant is over since |
    /// |---|---|---|
    /// | the grant is revoked or suspended | it goes now | – |
    /// | all bytes are used, which `max_downloads` and `retry_factor` leave | it goes now | as below |
    /// | the grant's time is not over, and not all downloads are used | it stays until that time is over, or for ever | – |
    /// | a delivery of a copy began before the grant was over, is open, and can be resumed | it stays until none can be, and not longer than [`Account::COPY_HARD_END`] after the grant was over | `over`, else the end of its time, else now |
    /// | | it goes now | the same |
    ///
    /// `over` is since when the grant is known to be over. Who makes a grant longer takes that back. A request that runs
    /// while the copy is taken away runs to its end, as the web server has the file open; what is protected here is going on
    /// after it broke off.
    pub fn copy_stays(&self, over: Option<Moment>, now: Moment) -> CopyStay {
        let grant = &self.grant;
        if grant.check().is_err() {
            return CopyStay { until: None, over: None };
        }
        let has_bytes = self.has_bytes_left();
        if has_bytes && grant.keeps_copy(now) {
            return CopyStay { until: Some(grant.expires.unwrap_or(NEVER)), over: None };
        }
        let over = over.or(grant.expires.filter(|expires| *expires <= now)).unwrap_or(now);
        if !has_bytes {
            return CopyStay { until: None, over: Some(over) };
        }
        let began = |delivery: &&Delivery| delivery.link.is_none() && delivery.opened.is_some_and(|opened| opened <= over);
        let open = Stage::OPEN.iter().flat_map(|stage| self.deliveries.at(*stage)).filter(began);
        let last = open.map(|delivery| delivery.grace_ends(&grant.policy)).max();
        let until = last.map(|last| last.min(over + Self::COPY_HARD_END)).filter(|until| *until > now);
        CopyStay { until, over: Some(over) }
    }

    /// Whether any byte is left of those that `max_downloads` and `retry_factor` allow.
    pub fn has_bytes_left(&self) -> bool {
        self.grant.has_bytes(self.deliveries.charged())
    }

    /// Decides a click on `link` that leads to a copy, which everybody with its address and its password may fetch. The click
    /// itself begins nothing. The first row that fits decides:
    ///
    /// | if | then |
    /// |---|---|
    /// | the link is not this grant's | [`Refusal::UnknownLink`] |
    /// | the link was withdrawn, or its time is over | [`Refusal::Revoked`], [`Refusal::LinkExpired`] |
    /// | the grant is revoked or suspended | [`Refusal::Revoked`], [`Refusal::Suspended`] |
    /// | the grant is for other networks | [`Refusal::WrongNetwork`] |
    /// | the grant's time is over | [`Refusal::Expired`] |
    /// | all downloads are used | [`Refusal::LimitReached`] |
    /// | all bytes are used | [`Refusal::ByteBudget`] |
    /// | | it is led there |
    pub fn visit_copy(&self, link: &Link, address: IpAddr, now: Moment) -> Result<(), Refusal> {
        if link.grant != self.grant.id {
            return Err(Refusal::UnknownLink);
        }
        if link.revoked {
            return Err(Refusal::Revoked);
        }
        if now >= link.expires {
            return Err(Refusal::LinkExpired);
        }
        self.grant.check()?;
        self.grant.check_network(address)?;
        if self.grant.is_over(now) {
            return Err(Refusal::Expired);
        }
        if self.grant.is_used_up() {
            return Err(Refusal::LimitReached);
        }
        if self.has_bytes_left() { Ok(()) } else { Err(Refusal::ByteBudget) }
    }

    /// The delivery of which a request for a copy is. The first row that fits decides:
    ///
    /// | if | then |
    /// |---|---|
    /// | its request was reported already | the one that knows of it |
    /// | its user's newest delivery of this version, or that of its address, can be resumed, and is open | it |
    /// | it is completed, a part was asked for, and its byte budget has room | it: viewers and players seek |
    /// | [`Delivery::CLIENTS_MAX`] of copies are open | the newest of this version that is open and can be resumed |
    /// | | none: [`Account::open_copy`] begins one |
    ///
    /// Who goes on from another address, or with another program, goes on with the same download: its delivery tells them
    /// apart, and presumes at its end that they are one.
    pub fn copy_delivery(&self, told: &CopyReport) -> Option<DeliveryId> {
        let policy = &self.grant.policy;
        let joins = |delivery: &Delivery| {
            delivery.link.is_none() && delivery.version == told.version && delivery.is_live(policy, told.report.ended)
        };
        let newest = |whose: Whose, stages: &[Stage], fits: &dyn Fn(&Delivery) -> bool| {
            self.deliveries.newest(&[whose], stages, |delivery| joins(delivery) && fits(delivery))
        };
        let is_full = || {
            let open = Stage::OPEN.iter().flat_map(|stage| self.deliveries.at(*stage));
            open.filter(|delivery| delivery.link.is_none()).take(Delivery::CLIENTS_MAX).count() == Delivery::CLIENTS_MAX
        };
        let is_room = |delivery: &Delivery| {
            let wanted = u128::from(delivery.bytes_charged) + u128::from(told.report.bytes_charged());
            wanted <= policy.delivery_bytes_max(delivery.version.size)
        };
        let rest = |delivery: &Delivery| !told.is_of_all() && is_room(delivery);
        let told_before = |delivery: &Delivery| delivery.requests.contains_key(&told.request);
        let known = || self.deliveries.newest(&[Whose::Cookie(told.key), Whose::Anyone], Stage::RUNNING, told_before);
        let own = || newest(Whose::Cookie(told.key), Stage::OPEN, &|_| true);
        let completed = || newest(Whose::Cookie(told.key), Stage::COMPLETED, &rest);
        let any = || is_full().then(|| newest(Whose::Anyone, Stage::OPEN, &|_| true)).flatten();
        known().or_else(own).or_else(completed).or_else(any).map(|delivery| delivery.id)
    }

    /// Begins the delivery of a request that was answered already, and holds a unit for it, whether one is left or not: a
    /// limit acts afterwards, and the copy goes when it is reached. `None` where nothing of the file was sent: that begins
    /// nothing.
    pub fn open_copy(&mut self, told: &CopyReport) -> Option<Change> {
        if !told.has_sent() {
            return None;
        }
        let delivery = Delivery::of_copy(told);
        let change = Change::of(&delivery, State::Offered);
        self.grant.size_largest = self.grant.size_largest.max(told.version.size);
        self.grant.reserve();
        self.deliveries.add(delivery);
        Some(change)
    }
}
