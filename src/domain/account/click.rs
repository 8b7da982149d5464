//! Which delivery a click goes on with.

use super::deliveries::{Stage, Whose};
use super::settle::close;
use super::{Account, Change, Click, Clicked};
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
    /// Among those that could be meant, some dozens of the newest are looked at: of thousands that do not fit, an older one
    /// that does is not found. Only deliveries of the version that is clicked are looked for: of a file that was replaced
    /// nobody can be sent the rest. An open delivery of another version whose requests were all reported cannot become
    /// whole any more. Its unit counts as left in rows 5 and 6, and they close it as released. One with a request in
    /// flight may still complete, and one whose bytes may be the whole may have arrived: these hold their unit until
    /// that is reported or the grace is over. One click closes a few dozen of them at most, and the next one others.
    ///
    /// Where a file got another version that lies elsewhere, what is under way of the one before can become whole, as long as
    /// that lies where it lay. Whoever asks for a later part goes on with it in rows 1, 2 and 9. Whoever begins at the first
    /// byte gets the new one; where no unit is left, the oldest of the others that rests gives back its own.
    ///
    /// Row 2 is there because `curl -C -`, `wget -c` and `aria2c` keep no cookies: without it each resumed attempt would
    /// open a download of its own, and none of them would ever be whole. It takes a unit from nobody: a new download
    /// starts at the first byte. Rows 3 and 7 are there because they also start over: `aria2c` asks for the whole file before
    /// it looks at what it has. Browsers keep their cookies, and are rows 1 and 5. Row 4 is there because `curl` and `wget`
    /// ask without `If-Range`: the end of one version would be put behind the beginning of another.
    pub fn click(&mut self, click: &Click, link: &Link) -> Result<Clicked, Refusal> {
        match self.choose(click, link)? {
            Choice::On(delivery) => Ok(Clicked { delivery, fresh: false, closed: Vec::new() }),
            Choice::Again(delivery) => Ok(Clicked { delivery, fresh: false, closed: self.close_replaced(click) }),
            Choice::Fresh => {
                let closed = self.close_replaced(click);
                self.offer(click);
                Ok(Clicked { delivery: click.fresh, fresh: true, closed })
            }
        }
    }

    /// Whether `click` would leave one delivery more than there is now, those that it ends not counted.
    pub fn would_grow(&self, click: &Click, link: &Link) -> bool {
        self.choose(click, link) == Ok(Choice::Fresh) && self.offers().count() < Self::OFFERS_MAX && self.replaced(click).is_empty()
    }

    fn choose(&self, click: &Click, link: &Link) -> Result<Choice, Refusal> {
        if link.id != click.link || link.grant != self.grant.id {
            return Err(Refusal::UnknownLink);
        }
        link.check(click.now)?;
        self.grant.check()?;
        self.grant.check_network(click.client.address)?;
        let from_here = self.grant.check_networks_max(click.client.address);
        let by = Whose::Clicker(click.client.key());
        let own = self.brought_back(click).or_else(|| self.resumed(click, by)).or_else(|| self.started_over(click, by));
        if let Some(own) = own {
            return from_here.map(|()| Choice::On(own));
        }
        if self.would_mix(click, by) {
            return Err(Refusal::LinkExpired);
        }
        let is_over = self.grant.is_over(click.now);
        if !is_over && (self.grant.has_unit() || !self.replaced(click).is_empty()) {
            return from_here.map(|()| self.offered_before(click).map_or(Choice::Fresh, Choice::Again));
        }
        let other = self.began_again(click, by).or_else(|| self.idle(click)).or_else(|| self.rest_of_completed(click));
        if let Some(other) = other {
            return from_here.map(|()| Choice::On(other));
        }
        Err(match from_here {
            _ if is_over => Refusal::Expired,
            _ if !self.is_any_open() => Refusal::LimitReached,
            Err(too_many) => too_many,
            Ok(()) => Refusal::DownloadRunning,
        })
    }

    fn brought_back(&self, click: &Click) -> Option<DeliveryId> {
        let fits = |delivery: &Delivery| delivery.state != State::Completed || self.has_bytes(delivery, click);
        self.newest(click, Whose::Cookie(click.cookie?), Stage::RUNNING, fits)
    }

    fn resumed(&self, click: &Click, by: Whose) -> Option<DeliveryId> {
        if !click.range.is_later_part() {
            return None;
        }
        let running = self.newest(click, by, Stage::UNDER_WAY, |_| true);
        running.or_else(|| self.newest(click, by, Stage::COMPLETED, |delivery| self.has_bytes(delivery, click)))
    }

    fn started_over(&self, click: &Click, by: Whose) -> Option<DeliveryId> {
        self.stopped(click, by, Stage::UNDER_WAY_IDLE)
    }

    fn began_again(&self, click: &Click, by: Whose) -> Option<DeliveryId> {
        self.stopped(click, by, &[Stage::CompletedIdle])
    }

    /// The newest delivery of `stages`, clicked by this client, which keeps no cookies, with bytes left for it.
    fn stopped(&self, click: &Click, by: Whose, stages: &[Stage]) -> Option<DeliveryId> {
        if click.cookie.is_some() {
            return None;
        }
        self.newest(click, by, stages, |delivery| self.has_bytes(delivery, click))
    }

    fn would_mix(&self, click: &Click, by: Whose) -> bool {
        if !click.range.is_later_part() {
            return false;
        }
        let own = click.cookie.map(Whose::Cookie).into_iter().chain([by]).collect::<Vec<_>>();
        let newest = self.deliveries.newest(&own, Stage::BEGUN, |_| true);
        newest.is_some_and(|began| began.version != click.version || began.at.is_some())
    }

    fn offered_before(&self, click: &Click) -> Option<DeliveryId> {
        self.newest(click, Whose::Cookie(click.cookie?), &[Stage::Offered], |_| true)
    }

    fn idle(&self, click: &Click) -> Option<DeliveryId> {
        self.newest(click, Whose::Anyone, &[Stage::OpenIdle], |_| true)
    }

    fn rest_of_completed(&self, click: &Click) -> Option<DeliveryId> {
        if !click.range.is_later_part() {
            return None;
        }
        self.newest(click, Whose::Anyone, &[Stage::CompletedIdle], |delivery| self.has_bytes(delivery, click))
    }

    /// Whether the byte budget of `delivery` has room for what is asked for.
    fn has_bytes(&self, delivery: &Delivery, click: &Click) -> bool {
        let size = delivery.version.size;
        let wanted = u128::from(delivery.bytes_charged) + u128::from(click.range.bytes_max(size));
        wanted <= self.grant.policy.delivery_bytes_max(size)
    }

    /// The newest delivery of the clicked version that can still be joined and that `fits`; for a later part, one of a version
    /// that lies elsewhere, too.
    fn newest(&self, click: &Click, whose: Whose, stages: &[Stage], fits: impl Fn(&Delivery) -> bool) -> Option<DeliveryId> {
        let is_fit = |delivery: &Delivery| match delivery.at {
            None => delivery.version == click.version,
            Some(_) => click.range.is_later_part() && delivery.opened.is_some(),
        };
        let joins = |delivery: &Delivery| delivery.is_live(&self.grant.policy, click.now) && is_fit(delivery) && fits(delivery);
        self.deliveries.newest(&[whose], stages, joins).map(|delivery| delivery.id)
    }

    /// Those that hold a unit for a version that is not the clicked one, and would give it back: nothing of them is on
    /// its way, and what was sent is not the whole. One whose version lies elsewhere can become whole still: it gives its
    /// unit back only where no other is left.
    fn replaced(&self, click: &Click) -> Vec<DeliveryId> {
        let mut replaced = self.deliveries.resting(&click.version, |delivery| delivery.at.is_none() && !delivery.may_have_arrived());
        if replaced.is_empty() && !self.grant.has_unit() {
            replaced = self.deliveries.resting(&click.version, |delivery| delivery.at.is_some() && !delivery.may_have_arrived());
            replaced.truncate(1);
        }
        replaced
    }

    fn close_replaced(&mut self, click: &Click) -> Vec<Change> {
        let replaced = self.replaced(click);
        let Self { grant, deliveries } = self;
        replaced.into_iter().filter_map(|id| deliveries.change(id, |delivery| close(grant, delivery, click.now))).collect()
    }

    fn offer(&mut self, click: &Click) {
        // Deliveries that became offers again may have made them too many by more than one.
        let standing: Vec<DeliveryId> = self.offers().collect();
        for id in standing.iter().take((standing.len() + 1).saturating_sub(Self::OFFERS_MAX)) {
            self.deliveries.remove(*id);
        }
        self.deliveries.add(Delivery::offer(self.grant.id, click));
    }
}

/// What a click goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// This delivery.
    On(DeliveryId),
    /// This offer, where a new one could be made, too.
    Again(DeliveryId),
    /// A new offer.
    Fresh,
}
