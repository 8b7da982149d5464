//! Everything in memory: for the demo and for tests. What is not kept elsewhere is lost when the process ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard};

mod callers;
mod credentials;
mod deeds;
mod limits;
mod lists;
mod orders;
mod outbox;
mod placed;
mod privacy;
mod records;

use self::callers::Callers;
use self::credentials::Credentials;
use self::deeds::Done;
pub use self::limits::Limits;
use self::orders::Sales;
use self::outbox::Outbox;
use self::placed::Public;
use self::records::Records;
use super::outbox::Tells;
use super::{Arrived, Closing, Content, CopiesDue, DUE_MAX, Down, Filter, Grants, Later, SentAway, Store, Target, admit, most};
use crate::domain::account::{Account, Ask, Away, Change, Click, Clicked, Permit, Reported};
use crate::domain::delivery::Delivery;
use crate::domain::feed_position::FeedPosition;
use crate::domain::grant::{Amendment, Grant};
use crate::domain::history::{Act, Author, Entry, last_reset};
use crate::domain::id::{DeliveryId, GrantId, LinkId};
use crate::domain::link::Link;
use crate::domain::moment::Moment;
use crate::domain::placed::{DirectoryName, Made, NewCopy, NewStub, Placed, PlacedName, What};
use crate::domain::refusal::Refusal;
use crate::domain::tally::{Counted, Tally};

/// What is remembered, behind one lock that is never held while anything is waited for.
#[derive(Debug, Default)]
pub struct Memory {
    kept: Mutex<Kept>,
    limits: Limits,
}

impl Memory {
    /// An empty store that keeps as much as [`Limits::default`].
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that keeps as much as `limits`.
    pub fn with_limits(limits: Limits) -> Self {
        Self { kept: Mutex::default(), limits }
    }

    /// What is kept. After a panic in the middle of a change nobody knows what holds: doubt is a refusal.
    fn kept(&self) -> Result<MutexGuard<'_, Kept>, Down> {
        self.kept.lock().map_err(|_| Down::Unreachable)
    }
}

#[derive(Debug, Default)]
struct Kept {
    links: HashMap<LinkId, Link>,
    /// Grants, with their deliveries that have not ended.
    accounts: HashMap<GrantId, Account>,
    /// Deliveries that have ended, by the order in which they did.
    ended: BTreeMap<u64, Delivery>,
    places: HashMap<DeliveryId, Place>,
    /// The same by number, the oldest first, and by grant.
    made: BTreeMap<u64, DeliveryId>,
    made_of: BTreeMap<(GrantId, u64), DeliveryId>,
    /// When something of which grant is to be closed.
    due: BTreeSet<(Moment, GrantId)>,
    position: Option<FeedPosition>,
    /// Grants in the order in which they were made, with their links.
    granted: BTreeMap<(Moment, GrantId), Vec<LinkId>>,
    records: Records,
    public: Public,
    credentials: Credentials,
    sales: Sales,
    outbox: Outbox,
    /// Up to which ended delivery addresses are networks.
    blurred: Option<(Moment, u64)>,
    callers: Callers,
    done: Done,
    /// Numbers given to deliveries and endings so far.
    serial: u64,
}

/// Where a delivery is kept.
#[derive(Clone, Copy, Debug)]
struct Place {
    grant: GrantId,
    /// Its number among the deliveries: the newest has the highest.
    made: u64,
    /// Its key among those that have ended.
    ended: Option<u64>,
}

impl Kept {
    fn next_serial(&mut self) -> u64 {
        self.serial = self.serial.saturating_add(1);
        self.serial
    }

    fn forget(&mut self, id: DeliveryId) {
        if let Some(place) = self.places.remove(&id) {
            self.made.remove(&place.made);
            self.made_of.remove(&(place.grant, place.made));
        }
    }

    fn delivery(&self, id: DeliveryId, place: Place) -> Option<&Delivery> {
        match place.ended {
            Some(ended) => self.ended.get(&ended),
            None => self.accounts.get(&place.grant)?.delivery(id),
        }
    }

    /// Runs `rule` on an account that holds `with`, too, if that has ended: reports may come late, and who asks for it
    /// is to learn that it is over. Puts away afterwards what has ended; what is used is used `at` that moment. `None` when the grant is not known.
    fn run<R>(&mut self, grant: GrantId, with: Option<DeliveryId>, at: Moment, rule: impl FnOnce(&mut Account) -> R) -> Option<R> {
        let mut account = self.accounts.remove(&grant)?;
        if let Some(next) = account.next_due() {
            self.due.remove(&(next, grant));
        }
        let place = with.and_then(|id| self.places.get(&id)).filter(|place| place.grant == grant);
        let ended = place.and_then(|place| place.ended);
        if let Some(late) = ended.and_then(|ended| self.ended.remove(&ended)) {
            account.take_in(late);
        }
        // What is about one delivery takes away no other.
        let offers: Vec<DeliveryId> = if with.is_none() { account.offers().collect() } else { Vec::new() };

        let used = account.grant.used;
        let result = rule(&mut account);
        self.outbox.used(&account.grant, used, at);

        // Rules add deliveries at the end, and take away nothing but offers.
        if let Some(last) = account.deliveries.last().map(|delivery| delivery.id).filter(|id| !self.places.contains_key(id)) {
            let made = self.next_serial();
            self.places.insert(last, Place { grant, made, ended: None });
            self.made.insert(made, last);
            self.made_of.insert((grant, made), last);
        }
        for gone in offers.iter().filter(|id| account.delivery(**id).is_none()) {
            self.forget(*gone);
        }
        for delivery in account.give_ended() {
            // What was taken out to be looked at goes back to where it was.
            let ended = ended.filter(|_| with == Some(delivery.id)).unwrap_or_else(|| self.next_serial());
            if let Some(place) = self.places.get_mut(&delivery.id) {
                place.ended = Some(ended);
            }
            if delivery.link.is_none() {
                self.public.hasten(grant, |what| matches!(what, What::Copy(_)));
            } else if delivery.away {
                self.public.hasten(grant, |what| *what == What::Stub(delivery.id));
            }
            self.ended.insert(ended, delivery);
        }
        if let Some(next) = account.next_due() {
            self.due.insert((next, grant));
        }
        self.accounts.insert(grant, account);
        Some(result)
    }

    fn issue(&mut self, grant: Grant, link: Link, author: Author, copy: Option<NewCopy>, limits: Limits) -> Result<(), Down> {
        match (self.accounts.get(&grant.id), self.links.get(&link.id)) {
            (None, None) if link.grant != grant.id => Err(Down::Unreachable),
            (None, None) if self.accounts.len() >= limits.grants => Err(Down::Full),
            (None, None) => {
                self.granted.insert((grant.created, grant.id), vec![link.id]);
                self.records.write_down(grant.id, author, Act::Issued(link.id));
                self.links.insert(link.id, link);
                self.public.issued(&grant);
                self.outbox.activated(&grant, grant.created);
                if let Some(copy) = copy {
                    self.public.put(copy.row(grant.id, grant.file.clone(), grant.created));
                }
                self.accounts.insert(grant.id, Account::new(grant));
                Ok(())
            }
            // The same, asked again.
            (Some(_), Some(known)) if *known == link && link.grant == grant.id => Ok(()),
            // An id that is taken: what stands is never overwritten.
            (Some(_) | None, Some(_)) | (Some(_), None) => Err(Down::Unreachable),
        }
    }

    fn add_link(&mut self, link: Link, author: Author) -> Result<bool, Down> {
        let Some(account) = self.accounts.get(&link.grant) else { return Ok(false) };
        match self.links.get(&link.id) {
            Some(known) if *known == link => return Ok(true),
            Some(_) => return Err(Down::Unreachable),
            None => {}
        }
        self.granted.entry((account.grant.created, link.grant)).or_default().push(link.id);
        self.records.write_down(link.grant, author, Act::Linked(link.id));
        self.links.insert(link.id, link);
        Ok(true)
    }

    fn amend(&mut self, grant: GrantId, amendment: Amendment, author: Author) -> Option<Grant> {
        let account = self.accounts.get_mut(&grant)?;
        account.grant.amend(&amendment);
        let amended = account.grant.clone();
        self.outbox.amended(&amended, &amendment, author.at);
        self.public.hasten(grant, |_| true);
        self.records.write_down(grant, author, Act::Amended(amendment));
        Some(amended)
    }

    fn revoke_link(&mut self, id: LinkId, author: Author) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        let grant = link.grant;
        if !std::mem::replace(&mut link.revoked, true) {
            self.records.write_down(grant, author, Act::LinkRevoked(id));
        }
        true
    }

    fn count_changes(&mut self, changes: &[Change]) {
        for tally in changes.iter().filter_map(Tally::of) {
            self.records.count(tally);
        }
        self.tell_changes(changes);
    }

    fn click(&mut self, click: &Click, limits: Limits) -> Result<Result<Clicked, Refusal>, Down> {
        let Some(link) = self.links.get(&click.link).cloned() else { return Ok(Err(Refusal::UnknownLink)) };
        if self.places.contains_key(&click.fresh) {
            return Err(Down::Unreachable);
        }
        if self.places.len() >= limits.deliveries && self.ended.is_empty() && self.would_grow(click, &link) {
            return Err(Down::Full);
        }
        let clicked = self.run(link.grant, None, click.now, |account| account.click(click, &link)).unwrap_or(Err(Refusal::UnknownLink));
        if let Ok(clicked) = &clicked {
            self.count_changes(&clicked.closed);
        }
        self.make_room(limits);
        Ok(clicked)
    }

    /// Whether `click` would leave one delivery more than there is now, those that it ends not counted: they make room.
    fn would_grow(&self, click: &Click, link: &Link) -> bool {
        self.accounts.get(&link.grant).is_some_and(|account| account.would_grow(click, link))
    }

    fn admit(&mut self, ask: &Ask) -> Result<Permit, Refusal> {
        let place = self.places.get(&ask.delivery).ok_or(Refusal::UnknownLink)?;
        let admitted = self.run(place.grant, Some(ask.delivery), ask.now, |account| admit(account, ask));
        let (permit, tally) = admitted.unwrap_or(Err(Refusal::UnknownLink))?;
        if let Some(tally) = tally {
            self.records.count(tally);
        }
        Ok(permit)
    }

    fn report(&mut self, reported: &Reported) -> Option<Change> {
        let place = *self.places.get(&reported.delivery)?;
        let reset = place.ended.and_then(|_| last_reset(&self.records.history(place.grant)));
        let change =
            self.run(place.grant, Some(reported.delivery), reported.report.ended, |account| account.report(reported, reset)).flatten()?;
        self.records.count(Tally::new(reported.report.ended, Counted::Bytes, change.bytes));
        self.count_changes(std::slice::from_ref(&change));
        self.public.overdrawn(&change);
        Some(change)
    }

    fn close_due(&mut self, now: Moment) -> Closing {
        let (mut changes, mut ended) = (Vec::new(), 0);
        while ended < DUE_MAX
            && let Some(&(next, grant)) = self.due.first()
            && next <= now
        {
            // Each round takes at least the delivery away that was due at `next`.
            let closed = self.run(grant, None, now, |account| account.close_due(now, DUE_MAX - ended)).unwrap_or_default();
            ended += closed.changes.len() + closed.offers;
            changes.extend(closed.changes);
        }
        self.count_changes(&changes);
        let going = self.going(now);
        let next = self.due.first().map(|&(next, _)| next);
        Closing { changes, going, next: next.into_iter().chain(self.public.next_due()).min() }
    }
}

impl Store for Memory {
    fn issue_with(&self, grant: Grant, link: Link, author: Author, copy: Option<NewCopy>) -> Later<'_, ()> {
        Box::pin(async move { self.kept()?.issue(grant, link, author, copy, self.limits) })
    }

    fn add_link(&self, link: Link, author: Author) -> Later<'_, bool> {
        Box::pin(async move { self.kept()?.add_link(link, author) })
    }

    fn link(&self, id: LinkId) -> Later<'_, Option<Link>> {
        Box::pin(async move { Ok(self.kept()?.links.get(&id).cloned()) })
    }

    fn target(&self, link: LinkId) -> Later<'_, Option<Target>> {
        Box::pin(async move { Ok(self.kept()?.target(link)) })
    }

    fn content(&self, delivery: DeliveryId) -> Later<'_, Option<Content>> {
        Box::pin(async move { Ok(self.kept()?.content(delivery)) })
    }

    fn account(&self, grant: GrantId, with: Option<DeliveryId>) -> Later<'_, Option<Account>> {
        Box::pin(async move { Ok(self.kept()?.account(grant, with)) })
    }

    fn grants(&self, which: Grants) -> Later<'_, Vec<Grant>> {
        Box::pin(async move { Ok(self.kept()?.grants(&which)) })
    }

    fn links(&self, grant: GrantId) -> Later<'_, Vec<Link>> {
        Box::pin(async move { Ok(self.kept()?.links(grant)) })
    }

    fn history(&self, grant: GrantId) -> Later<'_, Vec<Entry>> {
        Box::pin(async move { Ok(self.kept()?.records.history(grant)) })
    }

    fn grant(&self, id: GrantId) -> Later<'_, Option<Grant>> {
        Box::pin(async move { Ok(self.kept()?.accounts.get(&id).map(|account| account.grant.clone())) })
    }

    fn delivery(&self, id: DeliveryId) -> Later<'_, Option<Delivery>> {
        Box::pin(async move {
            let kept = self.kept()?;
            Ok(kept.places.get(&id).and_then(|place| kept.delivery(id, *place)).cloned())
        })
    }

    fn deliveries(&self, filter: Filter) -> Later<'_, Vec<Delivery>> {
        Box::pin(async move { Ok(self.kept()?.list(&filter)) })
    }

    fn click(&self, click: Click) -> Later<'_, Result<Clicked, Refusal>> {
        Box::pin(async move { self.kept()?.click(&click, self.limits) })
    }

    fn admit(&self, ask: Ask) -> Later<'_, Result<Permit, Refusal>> {
        Box::pin(async move { Ok(self.kept()?.admit(&ask)) })
    }

    fn settle_all(&self, reports: Vec<Arrived>, position: Option<FeedPosition>) -> Later<'_, Vec<Change>> {
        Box::pin(async move {
            let mut kept = self.kept()?;
            let changes = reports.iter().flat_map(|arrived| kept.arrived(arrived, self.limits)).collect();
            kept.position = position.or(kept.position);
            Ok(changes)
        })
    }

    fn position(&self) -> Later<'_, Option<FeedPosition>> {
        Box::pin(async move { Ok(self.kept()?.position) })
    }

    fn close_due(&self, now: Moment) -> Later<'_, Closing> {
        Box::pin(async move { Ok(self.kept()?.close_due(now)) })
    }

    fn send_away(&self, away: Away, stub: Option<NewStub>) -> Later<'_, Result<SentAway, Refusal>> {
        Box::pin(async move { self.kept()?.send_away(&away, stub) })
    }

    fn placed(&self, names: Vec<PlacedName>) -> Later<'_, Vec<Placed>> {
        Box::pin(async move { Ok(self.kept()?.public.under(&names)) })
    }

    fn placed_for(&self, grant: GrantId) -> Later<'_, Vec<Placed>> {
        Box::pin(async move { Ok(self.kept()?.public.of_grant(grant)) })
    }

    fn placed_there(&self, after: Option<(Moment, PlacedName)>, limit: usize) -> Later<'_, Vec<Placed>> {
        Box::pin(async move { Ok(self.kept()?.public.there(after.as_ref(), most(limit))) })
    }

    fn copy_for(&self, grant: GrantId, copy: NewCopy, now: Moment) -> Later<'_, Option<Placed>> {
        Box::pin(async move { Ok(self.kept()?.copy_for(grant, copy, now)) })
    }

    fn copies_due(&self, directory: DirectoryName, now: Moment, limit: usize) -> Later<'_, CopiesDue> {
        Box::pin(async move { Ok(self.kept()?.copies_due(&directory, now, most(limit))) })
    }

    fn copy_made(&self, name: PlacedName, made: Made, now: Moment) -> Later<'_, Option<Placed>> {
        Box::pin(async move { Ok(self.kept()?.copy_made(&name, made, now)) })
    }

    fn copy_later(&self, name: PlacedName, due: Moment) -> Later<'_, ()> {
        Box::pin(async move { self.kept().map(|mut kept| kept.copy_later(&name, due)) })
    }

    fn copies_lost(&self, names: Vec<PlacedName>, now: Moment) -> Later<'_, ()> {
        Box::pin(async move { self.kept().map(|mut kept| kept.public.lost(&names, now)) })
    }

    fn placed_gone(&self, names: Vec<PlacedName>, now: Moment) -> Later<'_, ()> {
        Box::pin(async move { self.kept().map(|mut kept| kept.public.gone(&names, now)) })
    }

    fn going_later(&self, names: Vec<PlacedName>, due: Moment) -> Later<'_, ()> {
        Box::pin(async move { self.kept().map(|mut kept| kept.public.going_later(&names, due)) })
    }

    fn amend(&self, grant: GrantId, amendment: Amendment, author: Author) -> Later<'_, Option<Grant>> {
        Box::pin(async move { Ok(self.kept()?.amend(grant, amendment, author)) })
    }

    fn revoke_link(&self, link: LinkId, author: Author) -> Later<'_, bool> {
        Box::pin(async move { Ok(self.kept()?.revoke_link(link, author)) })
    }

    fn count(&self, tallies: Vec<Tally>) -> Later<'_, ()> {
        Box::pin(async move {
            let mut kept = self.kept()?;
            for tally in tallies {
                kept.records.count(tally);
            }
            Ok(())
        })
    }

    fn tallies(&self, from: Moment, to: Moment) -> Later<'_, Vec<Tally>> {
        Box::pin(async move { Ok(self.kept()?.records.tallies(from, to)) })
    }
}
