//! Whether a click may lead away, to a stub or to a public address, where no request passes by us.

use super::admit::{open, permit};
use super::{Account, Away, Permit};
use crate::domain::delivery::{Delivery, State};
use crate::domain::id::DeliveryId;
use crate::domain::moment::Moment;
use crate::domain::refusal::Refusal;

impl Account {
    /// Decides whether the client of a delivery is sent away. As for a request for bytes ([`Account::admit`]), an offer
    /// takes its unit and opens; what is open, completed or started is joined until its grace is over. What the requests
    /// behind it send is only known afterwards, so nothing is charged for them, and neither their number nor from where they
    /// come is limited: only the click is held against the grant's networks.
    ///
    /// | if | then |
    /// |---|---|
    /// | the delivery is not known | [`Refusal::UnknownLink`] |
    /// | the grant is revoked or suspended | [`Refusal::Revoked`], [`Refusal::Suspended`] |
    /// | the grant is for other networks | [`Refusal::WrongNetwork`] |
    /// | it cannot be joined | as a request for bytes is refused |
    /// | more was sent than fits into the delivery's or the grant's bytes | [`Refusal::ByteBudget`] |
    /// | nobody will report what is sent, and it is open | the permit; the unit that it held is used: it is started |
    /// | | the permit; an offer takes its unit and opens |
    ///
    /// The row before the last is for who was led to a stub first, and then to the file's own address: what is fetched
    /// there is never known, and the delivery would end as if nothing had been sent.
    pub fn send_away(&mut self, away: &Away) -> Result<Permit, Refusal> {
        let delivery = self.delivery(away.delivery).ok_or(Refusal::UnknownLink)?;
        self.grant.check()?;
        self.grant.check_network(away.address)?;
        self.joinable(delivery, away.address, away.now)?;
        self.affordable(delivery, 0)?;
        let Self { grant, deliveries } = self;
        let sent = deliveries.change(away.delivery, |delivery| {
            if delivery.state == State::Offered {
                open(grant, delivery, &away.request, away.now, away.measured);
            } else if delivery.state == State::Open && !away.measured {
                delivery.state = State::Started;
                grant.release();
                grant.spend();
            }
            delivery.away = true;
            delivery.active = delivery.active.max(away.now);
            grant.size_largest = grant.size_largest.max(delivery.version.size);
            grant.see(away.address);
            permit(grant, delivery, &away.request)
        });
        sent.ok_or(Refusal::UnknownLink)
    }

    /// Whether more was sent than the bytes of `delivery` or of the grant.
    pub fn is_overdrawn(&self, delivery: &Delivery) -> bool {
        self.affordable(delivery, 0).is_err()
    }

    /// Until when what was placed for `delivery` stays: as long as a click would lead there ([`Account::send_away`]). So it
    /// goes with the delivery's time, when a person withdraws the grant, and when more was sent than there are bytes for,
    /// whoever has its address. `None` where it has to go now.
    pub fn stays_until(&self, delivery: DeliveryId, now: Moment) -> Option<Moment> {
        self.grant.check().ok()?;
        let live = |delivery: &&Delivery| delivery.is_live(&self.grant.policy, now);
        let joined = self.delivery(delivery).filter(live).filter(|delivery| !self.is_overdrawn(delivery));
        joined.map(|delivery| delivery.grace_ends(&self.grant.policy))
    }
}
