//! Which delivery a click goes on with.

use super::{Account, Click, Clicked};
use crate::domain::client::ClientKey;
use crate::domain::delivery::{Delivery, State};
use crate::domain::id::DeliveryId;
use crate::domain::link::Link;
use crate::domain::refusal::Refusal;

impl Account {
    /// How many offers of a grant stand at once; the oldest goes first. A double click makes two, a link scanner some
    /// more; the person who clicks last is the one who waits.
    pub const OFFERS_MAX: usize = 32;

    /// Decides a click on `link`. The first row that fits decides:
    ///
    /// | | if | then |
    /// |---|---|---|
    /// | | the link is not this grant's | [`Refusal::UnknownLink`] |
    /// | | the link was withdrawn, or its time is over | [`Refusal::Revoked`], [`Refusal::LinkExpired`] |
    /// | | the grant is revoked or suspended | [`Refusal::Revoked`], [`Refusal::Suspended`] |
    /// | 1 | the cookie of a delivery that is under way is brought | on with it |
    /// | 2 | a later part is asked for, from the address and agent that clicked a delivery under way | on with the newest such |
    /// | 2a | no cookie is brought, from the address and agent that clicked a delivery under way; none of its requests is in flight, and what is asked for fits into its bytes | on with the newest such |
    /// | 3 | the grant's time is not over, a unit is left, and the cookie of an offer is brought: a double click | on with it |
    /// | 4 | the grant's time is not over, and a unit is left | a new offer, which reserves nothing |
    /// | 5 | a delivery is open and none of its requests is in flight | on with the newest such, whoever clicks |
    /// | 6 | the grant's time is over | [`Refusal::Expired`] |
    /// | 7 | a delivery is open | [`Refusal::DownloadRunning`] |
    /// | 8 | | [`Refusal::LimitReached`] |
    ///
    /// *Under way* is open, or started where nobody reports, and joinable still. Rows 1, 2 and 5 stand before the
    /// grant's end: the last download that was allowed can always be finished.
    ///
    /// Row 2 is there because `curl -C -`, `wget -c` and `aria2c` keep no cookies: without it each resumed attempt would
    /// open a download of its own, and none of them would ever be whole. It takes a unit from nobody: a new download
    /// starts at the first byte. Row 2a is there because they also start over: `aria2c` asks for the whole file before it
    /// looks at what it has. Only a client without a cookie is meant: browsers that keep cookies are rows 1 and 3.
    pub fn click(&mut self, click: &Click, link: &Link) -> Result<Clicked, Refusal> {
        if link.id != click.link || link.grant != self.grant.id {
            return Err(Refusal::UnknownLink);
        }
        link.check(click.now)?;
        self.grant.standing.check()?;
        let carry_on = |delivery| Ok(Clicked { delivery, fresh: false });
        if let Some(own) = self.brought_back(click).or_else(|| self.resumed(click)).or_else(|| self.started_over(click)) {
            return carry_on(own);
        }
        let is_over = self.grant.is_over(click.now);
        if !is_over && self.grant.has_unit() {
            return match self.offered_before(click) {
                Some(offer) => carry_on(offer),
                None => Ok(self.offer(click)),
            };
        }
        if let Some(idle) = self.idle(click) {
            return carry_on(idle);
        }
        Err(match () {
            () if is_over => Refusal::Expired,
            () if self.is_any_open() => Refusal::DownloadRunning,
            () => Refusal::LimitReached,
        })
    }

    fn brought_back(&self, click: &Click) -> Option<DeliveryId> {
        let cookie = click.cookie?;
        self.newest(click, |delivery| is_under_way(delivery) && delivery.cookie == cookie)
    }

    fn resumed(&self, click: &Click) -> Option<DeliveryId> {
        if !click.range.is_later_part() {
            return None;
        }
        let client: ClientKey = click.client.key();
        self.newest(click, |delivery| is_under_way(delivery) && delivery.clicked_by.key() == client)
    }

    fn started_over(&self, click: &Click) -> Option<DeliveryId> {
        if click.cookie.is_some() {
            return None;
        }
        let client: ClientKey = click.client.key();
        let fits = |delivery: &Delivery| {
            let size = delivery.version.size;
            let wanted = u128::from(delivery.bytes_charged) + u128::from(click.range.bytes_max(size));
            wanted <= self.grant.policy.delivery_bytes_max(size)
        };
        let ended = |delivery: &Delivery| is_under_way(delivery) && delivery.in_flight() == 0;
        self.newest(click, |delivery| ended(delivery) && delivery.clicked_by.key() == client && fits(delivery))
    }

    fn offered_before(&self, click: &Click) -> Option<DeliveryId> {
        let cookie = click.cookie?;
        self.newest(click, |delivery| delivery.state == State::Offered && delivery.cookie == cookie)
    }

    fn idle(&self, click: &Click) -> Option<DeliveryId> {
        self.newest(click, |delivery| delivery.state == State::Open && delivery.in_flight() == 0)
    }

    /// The newest delivery that can still be joined and that `fits`.
    fn newest(&self, click: &Click, fits: impl Fn(&Delivery) -> bool) -> Option<DeliveryId> {
        let mut live = self.deliveries.iter().rev().filter(|delivery| delivery.is_live(&self.grant.policy, click.now));
        live.find(|delivery| fits(delivery)).map(|delivery| delivery.id)
    }

    fn offer(&mut self, click: &Click) -> Clicked {
        let mut standing = self.deliveries.iter().filter(|delivery| delivery.state == State::Offered);
        let oldest = standing.next().map(|delivery| delivery.id);
        if let Some(oldest) = oldest.filter(|_| standing.count() + 1 >= Self::OFFERS_MAX) {
            self.deliveries.retain(|delivery| delivery.id != oldest);
        }
        self.deliveries.push(Delivery::offer(self.grant.id, click));
        Clicked { delivery: click.fresh, fresh: true }
    }
}

fn is_under_way(delivery: &Delivery) -> bool {
    matches!(delivery.state, State::Open | State::Started)
}
