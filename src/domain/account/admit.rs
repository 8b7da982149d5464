//! Whether one request for bytes may pass, and what it is charged.

use std::net::IpAddr;

use super::{Account, Ask, Permit};
use crate::domain::delivery::{Delivery, Request, State};
use crate::domain::grant::Grant;
use crate::domain::id::RequestId;
use crate::domain::moment::Moment;
use crate::domain::refusal::Refusal;

impl Account {
    /// Decides a request for bytes. The first row that fits decides:
    ///
    /// | if | then |
    /// |---|---|
    /// | the delivery is not known | [`Refusal::UnknownLink`] |
    /// | the grant is revoked or suspended, the delivery open or not | [`Refusal::Revoked`], [`Refusal::Suspended`] |
    /// | the grant is for other networks | [`Refusal::WrongNetwork`] |
    /// | the request was admitted and is not reported: asked again | the same permit, nothing is charged |
    /// | the request was admitted and is reported: it is over | [`Refusal::BadRequest`] |
    /// | *offered*, and its lifetime is over | [`Refusal::LinkExpired`] |
    /// | *offered*, and the grant's time is over | [`Refusal::Expired`] |
    /// | *open*, *completed* or *started*, and its grace is over; *released* or *presumed* | [`Refusal::LinkExpired`] |
    /// | *offered*, no unit is left, and no delivery is open | [`Refusal::LimitReached`] |
    /// | the request is from a network that is new and would be one too many | [`Refusal::TooManyNetworks`] |
    /// | *offered*, no unit is left | [`Refusal::DownloadRunning`] |
    /// | as many requests are in flight as may be | [`Refusal::TooManyConnections`] |
    /// | the most that it may send fits no longer into the delivery's or the grant's bytes | [`Refusal::ByteBudget`] |
    /// | | the permit; the bytes are charged, the network is remembered, and an offer takes its unit and opens |
    ///
    /// Networks count for every request, those of an open delivery too: what is limited is from how many places one link
    /// is used, and a delivery's URL can be passed on as a link can. One that broke off when its telephone left the Wi-Fi
    /// goes on where a network is left, else from the network where it began. They are remembered only where the
    /// policy limits them, and then at most so many.
    ///
    /// The bytes of a request are the most that its ranges can send, with the part headers of a multipart answer, which
    /// are bytes too. The delivery's budget is (1 + `retry_factor`) × size. The grant's is `max_downloads` times that,
    /// over what closed deliveries sent and what all others are charged, so that giving up at 99 % again and again
    /// ends. A file that is replaced changes its size: each delivery is held to the size of its own version, and the
    /// grant to that of the largest of which a request was ever admitted, this one included. Where nobody reports
    /// (`measured` is false) requests are never known to end: they are not limited in number, and each stays charged as
    /// the most that it may send.
    pub fn admit(&mut self, ask: &Ask) -> Result<Permit, Refusal> {
        let delivery = self.delivery(ask.delivery).ok_or(Refusal::UnknownLink)?;
        self.grant.check()?;
        self.grant.check_network(ask.address)?;
        if let Some(known) = delivery.requests.get(&ask.request) {
            let again = known.report.is_none();
            return again.then(|| permit(&self.grant, delivery, &ask.request)).ok_or(Refusal::BadRequest);
        }
        self.joinable(delivery, ask.address, ask.now)?;
        connections(&self.grant, delivery, ask)?;
        let bytes_max = ask.range.bytes_max(delivery.version.size);
        self.affordable(delivery, bytes_max)?;

        let Self { grant, deliveries } = self;
        let admitted = deliveries.change(ask.delivery, |delivery| {
            if delivery.state == State::Offered {
                open(grant, delivery, &ask.request, ask.now, ask.measured);
            }
            grant.size_largest = grant.size_largest.max(delivery.version.size);
            grant.see(ask.address);
            let client = delivery.known_as(ask.client);
            delivery.remember(ask.request.clone(), Request { admitted: ask.now, client, address: ask.address, bytes_max, report: None });
            permit(grant, delivery, &ask.request)
        });
        admitted.ok_or(Refusal::UnknownLink)
    }

    /// Whether a request from `address` may open `delivery` or go on with it.
    pub(super) fn joinable(&self, delivery: &Delivery, address: IpAddr, now: Moment) -> Result<(), Refusal> {
        let live = delivery.is_live(&self.grant.policy, now);
        let from_here = self.grant.check_networks_max(address);
        match delivery.state {
            State::Offered if !live => Err(Refusal::LinkExpired),
            State::Offered if self.grant.is_over(now) => Err(Refusal::Expired),
            State::Offered if self.grant.has_unit() => from_here,
            State::Offered if self.is_any_open() => from_here.and(Err(Refusal::DownloadRunning)),
            State::Offered => Err(Refusal::LimitReached),
            State::Open | State::Completed | State::Started if live => from_here,
            State::Open | State::Completed | State::Started | State::Released | State::Presumed => Err(Refusal::LinkExpired),
        }
    }

    /// Whether `bytes_max` more fit into the bytes of `delivery` and of the grant.
    pub(super) fn affordable(&self, delivery: &Delivery, bytes_max: u64) -> Result<(), Refusal> {
        let policy = &self.grant.policy;
        let wanted = u128::from(delivery.bytes_charged) + u128::from(bytes_max);
        if wanted > policy.delivery_bytes_max(delivery.version.size) {
            return Err(Refusal::ByteBudget);
        }
        let largest = self.grant.size_largest.max(delivery.version.size);
        let all = u128::from(self.grant.bytes_closed) + self.deliveries.charged() + u128::from(bytes_max);
        if policy.grant_bytes_max(largest).is_some_and(|most| all > most) { Err(Refusal::ByteBudget) } else { Ok(()) }
    }
}

fn connections(grant: &Grant, delivery: &Delivery, ask: &Ask) -> Result<(), Refusal> {
    let limited = ask.measured && delivery.state != State::Started;
    let most = usize::try_from(grant.policy.connections_max).unwrap_or(usize::MAX);
    if (limited && delivery.in_flight() >= most) || !delivery.has_room() { Err(Refusal::TooManyConnections) } else { Ok(()) }
}

/// Takes the unit of an offer: holds it where somebody reports what is sent (`measured`), else uses it.
pub(super) fn open(grant: &mut Grant, delivery: &mut Delivery, request: &RequestId, now: Moment, measured: bool) {
    delivery.opened = Some(now);
    delivery.opened_by = Some(request.clone());
    // The time of the click may be one of a clock that was set back since.
    delivery.active = now;
    if measured {
        delivery.state = State::Open;
        grant.reserve();
    } else {
        delivery.state = State::Started;
        grant.spend();
    }
}

pub(super) fn permit(grant: &Grant, delivery: &Delivery, request: &RequestId) -> Permit {
    Permit {
        delivery: delivery.id,
        grant: grant.id,
        file: delivery.at.as_ref().unwrap_or(&grant.file).clone(),
        version: delivery.version.clone(),
        rate: grant.policy.rate,
        opened: delivery.opened_by.as_ref() == Some(request),
        grace_ends: delivery.grace_ends(&grant.policy),
    }
}
