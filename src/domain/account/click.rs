//! Which delivery a click goes on with.

use super::settle::close;
use super::{Account, Change, Click, Clicked};
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
    /// | | the grant is for other networks | [`Refusal::WrongNetwork`] |
    /// | 1 | the cookie of a delivery that is under way, or of one that completed, is brought | on with it |
    /// | 2 | a later part is asked for by who clicked a delivery under way, or else one that completed | on with the newest such |
    /// | 3 | no cookie, by who clicked a delivery under way; nothing in flight, bytes left for it | on with the newest such |
    /// | 4 | a later part is asked for by who began his newest delivery with another version | [`Refusal::LinkExpired`] |
    /// | 5 | the grant's time is not over, a unit is left, and the cookie of an offer is brought: a double click | on with it |
    /// | 6 | the grant's time is not over, and a unit is left | a new offer, which reserves nothing |
    /// | 7 | as row 3, of one that completed | on with the newest such |
    /// | 8 | a delivery is open and none of its requests is in flight | on with the newest such, whoever clicks |
    /// | 9 | a later part is asked for, and one completed; nothing in flight | on with the newest such, whoever clicks |
    /// | 10 | the grant's time is over | [`Refusal::Expired`] |
    /// | 11 | every download is used, and none is open | [`Refusal::LimitReached`] |
    /// | 12 | the click is from a network that would be one too many | [`Refusal::TooManyNetworks`] |
    /// | 13 | a delivery is open | [`Refusal::DownloadRunning`] |
    ///
    /// Rows 1 to 3 and 5 to 9 refuse a click that is from a network that would be one too many, too
    /// ([`Refusal::TooManyNetworks`]). A click itself adds no network: the first request does.
    ///
    /// Who is outside of the grant's networks learns nothing else of it. Who would be one network too many is told so
    /// before what may pass by itself, and after what no other network changes: nobody shall be sent home to
    /// hear there that the time is over.
    ///
    /// *Who clicked* is told by address and agent; in row 4 by the cookie, too. *Under way* is open, or started where
    /// nobody reports, and joinable still. One that *completed* is joined while its grace lasts and its byte budget has
    /// room for what is asked, and takes no unit: the system had taken every byte for the client, who may have lost
    /// megabytes of them in a buffer, and comes back with the link for the rest. Row 9 is for who does so from another
    /// network. It leads nobody to a whole file: a stranger who begins at the first byte is refused. Rows 1, 2, 3 and 7
    /// to 9 do not ask for the grant's end: the last download that was allowed can always be finished.
    ///
    /// Only deliveries of the version that is clicked are looked for: of a file that was replaced
    /// nobody can be sent the rest. An open delivery of another version whose requests were all reported cannot become
    /// whole any more. Its unit counts as left in rows 5 and 6, and they close it as released. One with a request in
    /// flight may still complete, and one whose bytes may be the whole may have arrived: these hold their unit until
    /// that is reported or the grace is over.
    ///
    /// Row 2 is there because `curl -C -`, `wget -c` and `aria2c` keep no cookies: without it each resumed attempt would
    /// open a download of its own, and none of them would ever be whole. It takes a unit from nobody: a new download
    /// starts at the first byte. Rows 3 and 7 are there because they also start over: `aria2c` asks for the whole file before
    /// it looks at what it has. Browsers keep their cookies, and are rows 1 and 5. Row 4 is there because `curl` and `wget`
    /// ask without `If-Range`: the end of one version would be put behind the beginning of another.
    pub fn click(&mut self, click: &Click, link: &Link) -> Result<Clicked, Refusal> {
        if link.id != click.link || link.grant != self.grant.id {
            return Err(Refusal::UnknownLink);
        }
        link.check(click.now)?;
        self.grant.standing.check()?;
        self.grant.check_network(click.client.address)?;
        let from_here = self.grant.check_networks_max(click.client.address);
        let carry_on = |delivery| Clicked { delivery, fresh: false, closed: Vec::new() };
        if let Some(own) = self.brought_back(click).or_else(|| self.resumed(click)).or_else(|| self.started_over(click)) {
            return from_here.map(|()| carry_on(own));
        }
        if self.would_mix(click) {
            return Err(Refusal::LinkExpired);
        }
        let is_over = self.grant.is_over(click.now);
        if !is_over && (self.grant.has_unit() || self.is_any_replaced(click)) {
            from_here?;
            let closed = self.close_replaced(click);
            let offer = self.offered_before(click).map_or_else(|| self.offer(click), carry_on);
            return Ok(Clicked { closed, ..offer });
        }
        if let Some(other) = self.began_again(click).or_else(|| self.idle(click)).or_else(|| self.rest_of_completed(click)) {
            return from_here.map(|()| carry_on(other));
        }
        Err(match from_here {
            _ if is_over => Refusal::Expired,
            _ if !self.is_any_open() => Refusal::LimitReached,
            Err(too_many) => too_many,
            Ok(()) => Refusal::DownloadRunning,
        })
    }

    fn brought_back(&self, click: &Click) -> Option<DeliveryId> {
        let cookie = click.cookie?;
        self.newest(click, |delivery| delivery.cookie == cookie && (is_under_way(delivery) || self.is_resumable(delivery, click)))
    }

    fn resumed(&self, click: &Click) -> Option<DeliveryId> {
        if !click.range.is_later_part() {
            return None;
        }
        let client: ClientKey = click.client.key();
        let is_own = |delivery: &Delivery| delivery.clicked_by.key() == client;
        let running = self.newest(click, |delivery| is_under_way(delivery) && is_own(delivery));
        running.or_else(|| self.newest(click, |delivery| self.is_resumable(delivery, click) && is_own(delivery)))
    }

    fn started_over(&self, click: &Click) -> Option<DeliveryId> {
        self.stopped(click, |delivery| is_under_way(delivery) && self.has_bytes(delivery, click))
    }

    fn began_again(&self, click: &Click) -> Option<DeliveryId> {
        self.stopped(click, |delivery| self.is_resumable(delivery, click))
    }

    /// The newest delivery that `fits`, of which nothing is in flight, clicked by this client, which keeps no cookies.
    fn stopped(&self, click: &Click, fits: impl Fn(&Delivery) -> bool) -> Option<DeliveryId> {
        if click.cookie.is_some() {
            return None;
        }
        let client: ClientKey = click.client.key();
        self.newest(click, |delivery| delivery.in_flight() == 0 && delivery.clicked_by.key() == client && fits(delivery))
    }

    fn would_mix(&self, click: &Click) -> bool {
        let client: ClientKey = click.client.key();
        let is_own = |delivery: &Delivery| delivery.clicked_by.key() == client || click.cookie == Some(delivery.cookie);
        let mut own = self.deliveries.iter().rev().filter(|delivery| delivery.state != State::Offered && is_own(delivery));
        click.range.is_later_part() && own.next().is_some_and(|began| began.version != click.version)
    }

    fn offered_before(&self, click: &Click) -> Option<DeliveryId> {
        let cookie = click.cookie?;
        self.newest(click, |delivery| delivery.state == State::Offered && delivery.cookie == cookie)
    }

    fn idle(&self, click: &Click) -> Option<DeliveryId> {
        self.newest(click, |delivery| delivery.state == State::Open && delivery.in_flight() == 0)
    }

    fn rest_of_completed(&self, click: &Click) -> Option<DeliveryId> {
        let is_rest = click.range.is_later_part();
        self.newest(click, |delivery| is_rest && delivery.in_flight() == 0 && self.is_resumable(delivery, click))
    }

    /// Whether `delivery` completed, and what is asked for can be sent of it once more.
    fn is_resumable(&self, delivery: &Delivery, click: &Click) -> bool {
        delivery.state == State::Completed && self.has_bytes(delivery, click)
    }

    /// Whether the byte budget of `delivery` has room for what is asked for.
    fn has_bytes(&self, delivery: &Delivery, click: &Click) -> bool {
        let size = delivery.version.size;
        let wanted = u128::from(delivery.bytes_charged) + u128::from(click.range.bytes_max(size));
        wanted <= self.grant.policy.delivery_bytes_max(size)
    }

    /// The newest delivery of the clicked version that can still be joined and that `fits`.
    fn newest(&self, click: &Click, fits: impl Fn(&Delivery) -> bool) -> Option<DeliveryId> {
        let mut live = self.deliveries.iter().rev().filter(|delivery| delivery.is_live(&self.grant.policy, click.now));
        live.find(|delivery| delivery.version == click.version && fits(delivery)).map(|delivery| delivery.id)
    }

    fn is_any_replaced(&self, click: &Click) -> bool {
        self.deliveries.iter().any(|delivery| is_replaced(delivery, click))
    }

    fn close_replaced(&mut self, click: &Click) -> Vec<Change> {
        let Self { grant, deliveries } = self;
        let replaced = deliveries.iter_mut().filter(|delivery| is_replaced(delivery, click));
        replaced.map(|delivery| close(grant, delivery, click.now)).collect()
    }

    fn offer(&mut self, click: &Click) -> Clicked {
        // Deliveries that became offers again may have made them too many by more than one.
        let standing = self.deliveries.iter().filter(|delivery| delivery.state == State::Offered).count();
        let mut too_many = (standing + 1).saturating_sub(Self::OFFERS_MAX);
        self.deliveries.retain(|delivery| {
            let goes = too_many > 0 && delivery.state == State::Offered;
            too_many -= usize::from(goes);
            !goes
        });
        self.deliveries.push(Delivery::offer(self.grant.id, click));
        Clicked { delivery: click.fresh, fresh: true, closed: Vec::new() }
    }
}

/// Whether `delivery` holds a unit for a version that is not the clicked one, and would give it back: nothing of it is
/// on its way, and what was sent is not the whole.
fn is_replaced(delivery: &Delivery, click: &Click) -> bool {
    delivery.state == State::Open && delivery.version != click.version && delivery.in_flight() == 0 && !delivery.may_have_arrived()
}

fn is_under_way(delivery: &Delivery) -> bool {
    matches!(delivery.state, State::Open | State::Started)
}
