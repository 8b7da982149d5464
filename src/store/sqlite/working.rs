//! The accounts that are worked on, and the rules run on them: in memory between loading and writing.
//!
//! Decisions of one batch change accounts here, [`super::changes`] writes what is different in one go, and the caller
//! commits. If anything fails the whole is forgotten, and the next decision loads again what the file says.

use std::collections::HashMap;

use rusqlite::Connection;

use super::changes::Changes;
use super::fault::Fault;
use super::outbox::Outbox;
use super::rows::{self, Number};
use super::schema;
use crate::domain::account::{Account, Ask, Change, Click, Clicked, Ended, Permit, Reported};
use crate::domain::delivery::Delivery;
use crate::domain::feed_position::FeedPosition;
use crate::domain::grant::{Amendment, Grant};
use crate::domain::history::{Act, Author, Entry, last_reset};
use crate::domain::id::{DeliveryId, GrantId, LinkId};
use crate::domain::link::Link;
use crate::domain::moment::Moment;
use crate::domain::placed::NewCopy;
use crate::domain::recent::Recent;
use crate::domain::refusal::Refusal;
use crate::domain::tally::{Counted, Tally};
use crate::store::outbox::Tells;
use crate::store::record::Written;
use crate::store::{Arrived, Closing, Content, DUE_MAX, Down, Target, admit};

/// Accounts kept in memory, those used last: some 3 KiB each.
pub(super) const ACCOUNTS_MAX: usize = 8192;

/// Rows that are brought up to date to tell the next deadline exactly. Of more it is told too early, and what is due
/// then is brought up to date then.
const LOOKS_MAX: usize = 64;

/// Before the first row of those that are gone.
const FIRST: (i64, String) = (i64::MIN, String::new());

/// One feed has one place; the name leaves room for more.
pub(super) const FEED: &str = "access_log";

/// An account with the numbers of its rows.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) number: Number,
    pub(super) account: Account,
}

/// The one connection that writes, and what it works on.
pub(super) struct Working {
    pub(super) database: Connection,
    pub(super) accounts: Recent<GrantId, Kept>,
    /// The grant and the row of each delivery that has not ended, of the accounts that are kept.
    pub(super) places: HashMap<DeliveryId, Place>,
    pub(super) changes: Changes,
    pub(super) outbox: Outbox,
    /// How many calls are remembered; `None` where that is to be counted.
    pub(super) calls: Option<u64>,
    /// The last row that was gone long ago and has to stay known: when it was gone, and its name.
    pub(super) passed_over: (i64, String),
}

/// Where a delivery belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) grant: GrantId,
    /// Its row; `None` until it is written.
    pub(super) number: Option<Number>,
    /// When its row says that it is to be looked at again; `None` where that is to be written anew.
    pub(super) due: Option<i64>,
}

impl Working {
    /// Keeps at least `accounts` of the accounts used last.
    pub(super) fn new(database: Connection, accounts: usize) -> Self {
        Self {
            database,
            accounts: Recent::new(accounts),
            places: HashMap::new(),
            changes: Changes::default(),
            outbox: Outbox::default(),
            calls: None,
            passed_over: FIRST,
        }
    }

    /// Forgets everything that is not in the file.
    pub(super) fn forget(&mut self) {
        self.accounts.clear();
        self.places.clear();
        self.changes = Changes::default();
        self.outbox.forget();
        self.calls = None;
        self.passed_over = FIRST;
    }

    /// Lets go of accounts that nobody used lately. Between batches: then all is written.
    pub(super) fn age(&mut self) {
        for kept in self.accounts.age().into_values() {
            for delivery in kept.account.deliveries.iter() {
                self.places.remove(&delivery.id);
            }
        }
    }

    /// The account of `grant`, if it is known.
    pub(super) fn account(&mut self, grant: GrantId) -> Result<Option<&Account>, Fault> {
        self.load(grant)?;
        Ok(self.accounts.touch(&grant).map(|kept| &kept.account))
    }

    /// The grant itself as it is in memory, to be changed beside the rules: whoever does writes its row.
    pub(super) fn account_mut(&mut self, grant: GrantId) -> Result<Option<&mut Grant>, Fault> {
        self.load(grant)?;
        Ok(self.accounts.touch(&grant).map(|kept| &mut kept.account.grant))
    }

    /// Makes sure that the account of `grant` is in memory; `false` when there is none.
    fn load(&mut self, grant: GrantId) -> Result<bool, Fault> {
        if self.accounts.touch(&grant).is_some() {
            return Ok(true);
        }
        let found = rows::one(&self.database, schema::GRANT_BY_ID, [grant.written()], rows::grant)?;
        let Some((number, known)) = found else { return Ok(false) };
        let live = rows::all(&self.database, schema::LIVE_DELIVERIES, [number], |row| rows::delivery_and_due(&self.database, row))?;
        let mut account = Account::new(known);
        // Nothing is remembered of an account that could not be read whole.
        for (number, delivery, due) in live {
            self.places.insert(delivery.id, Place { grant, number: Some(number), due });
            account.take_in(delivery);
        }
        self.accounts.insert(grant, Kept { number, account });
        Ok(true)
    }

    /// The grant of a delivery, ended or not.
    pub(super) fn grant_of(&self, delivery: DeliveryId) -> Result<Option<GrantId>, Fault> {
        if let Some(place) = self.places.get(&delivery) {
            return Ok(Some(place.grant));
        }
        if let Some(grant) = self.changes.grant_of(delivery) {
            return Ok(Some(grant));
        }
        if self.changes.is_gone(delivery) {
            return Ok(None);
        }
        let id: Option<String> = rows::value(&self.database, schema::GRANT_OF_DELIVERY, [delivery.written()])?;
        Ok(id.map(|id| Written::read(&id, "grant")).transpose()?)
    }

    /// The grant that a link opens, and the link.
    fn link(&self, id: LinkId) -> Result<Option<Link>, Fault> {
        rows::one(&self.database, schema::LINK, [id.written()], rows::link)
    }

    /// Runs `rule` on an account that holds `with`, too, if that has ended: reports may come late, and who asks for it
    /// is to learn that it is over. A rule about `with` changes no other delivery. One about the whole account may end
    /// some, which `ended` tells from its result, add one at the end, and take away offers. What it uses is used `at` that moment.
    /// `None` when the grant is not known.
    pub(super) fn run<R>(
        &mut self,
        grant: GrantId,
        with: Option<DeliveryId>,
        at: Moment,
        rule: impl FnOnce(&mut Account) -> R,
        ended: impl FnOnce(&R) -> Vec<DeliveryId>,
    ) -> Result<Option<R>, Fault> {
        if !self.load(grant)? {
            return Ok(None);
        }
        let late = match with {
            Some(id) if !self.places.contains_key(&id) => self.ended(grant, id)?,
            _ => None,
        };
        let Self { accounts, places, changes, outbox, .. } = self;
        let Some(kept) = accounts.touch(&grant) else { return Ok(None) };
        let account = &mut kept.account;
        if let Some(late) = late {
            account.take_in(late);
        }
        changes.before_grant(kept.number, &account.grant);
        if let Some(before) = with.and_then(|id| account.delivery(id)) {
            changes.before_delivery(before);
        }
        // What is about one delivery takes away no other, and most decisions are.
        let offers: Vec<DeliveryId> = if with.is_none() { account.offers().collect() } else { Vec::new() };

        let used = account.grant.used;
        let result = rule(account);
        outbox.used(&account.grant, used, at);

        if let Some(last) = account.deliveries.last().filter(|last| last.closed.is_none() && !places.contains_key(&last.id)) {
            places.insert(last.id, Place { grant, number: None, due: None });
            changes.made(last.id);
        }
        for id in ended(&result) {
            changes.rewritten(id);
        }
        for gone in offers.into_iter().filter(|id| account.delivery(*id).is_none()) {
            changes.gone(gone, places.remove(&gone).and_then(|place| place.number));
        }
        for delivery in account.give_ended() {
            let number = places.remove(&delivery.id).and_then(|place| place.number);
            changes.put_away(number, delivery);
        }
        Ok(Some(result))
    }

    /// A delivery of `grant` that has ended, taken out to be looked at.
    fn ended(&mut self, grant: GrantId, id: DeliveryId) -> Result<Option<Delivery>, Fault> {
        if let Some(delivery) = self.changes.take_back(grant, id) {
            return Ok(Some(delivery));
        }
        let found = rows::one(&self.database, schema::DELIVERY_BY_ID, [id.written()], |row| rows::delivery(&self.database, row))?;
        let Some((number, delivery)) = found.filter(|(_, delivery)| delivery.grant == grant && delivery.closed.is_some()) else {
            return Ok(None);
        };
        self.changes.know(id, number);
        Ok(Some(delivery))
    }

    /// What a link leads to.
    pub(super) fn target(&mut self, id: LinkId) -> Result<Option<Target>, Fault> {
        let Some(link) = self.link(id)? else { return Ok(None) };
        self.load(link.grant)?;
        Ok(self.accounts.touch(&link.grant).map(|kept| Target::of(&kept.account.grant)))
    }

    /// What a delivery sends, ended or not.
    pub(super) fn content(&mut self, id: DeliveryId) -> Result<Option<Content>, Fault> {
        let Some(grant) = self.grant_of(id)? else { return Ok(None) };
        self.load(grant)?;
        let Some(kept) = self.accounts.touch(&grant) else { return Ok(None) };
        let target = Target::of(&kept.account.grant);
        let of = |delivery: &Delivery| (delivery.version.clone(), delivery.at.clone());
        let known = kept.account.delivery(id).map(of).or_else(|| self.changes.content_of(id));
        let content = match known {
            Some(known) => Some(known),
            None => rows::one(&self.database, schema::VERSION, [id.written()], |row| Ok((rows::version(row, 0)?, rows::place(row, 4)?)))?,
        };
        Ok(content.map(|(version, at)| Content { target: target.at(at), version }))
    }

    pub(super) fn count(&mut self, changed: &[Change]) {
        for tally in changed.iter().filter_map(Tally::of) {
            self.changes.count(&tally);
        }
        for change in changed {
            if self.outbox.hears(change)
                && let Some(kept) = self.accounts.look(&change.grant)
            {
                self.outbox.changed(&kept.account.grant, change);
            }
        }
    }

    pub(super) fn issue(&mut self, grant: &Grant, link: &Link, author: Author, copy: Option<NewCopy>) -> Result<Result<(), Down>, Fault> {
        let known = (self.load(grant.id)?, self.link(link.id)?);
        match known {
            (false, None) if link.grant != grant.id => Ok(Err(Down::Unreachable)),
            (false, None) => {
                let number = rows::add_grant(&self.database, grant)?;
                rows::add_link(&self.database, number, link)?;
                rows::write_down(&self.database, number, &Entry { author, act: Act::Issued(link.id) })?;
                if let Some(copy) = copy {
                    super::public::add(&self.database, &copy.row(grant.id, grant.file.clone(), grant.created))?;
                }
                self.outbox.activated(grant, grant.created);
                self.accounts.insert(grant.id, Kept { number, account: Account::new(grant.clone()) });
                Ok(Ok(()))
            }
            // The same, asked again.
            (true, Some(known)) if known == *link && link.grant == grant.id => Ok(Ok(())),
            // An id that is taken: what stands is never overwritten.
            _ => Ok(Err(Down::Unreachable)),
        }
    }

    pub(super) fn add_link(&mut self, link: &Link, author: Author) -> Result<Result<bool, Down>, Fault> {
        if !self.load(link.grant)? {
            return Ok(Ok(false));
        }
        match self.link(link.id)? {
            Some(known) if known == *link => Ok(Ok(true)),
            Some(_) => Ok(Err(Down::Unreachable)),
            None => {
                if let Some(kept) = self.accounts.touch(&link.grant) {
                    rows::add_link(&self.database, kept.number, link)?;
                    rows::write_down(&self.database, kept.number, &Entry { author, act: Act::Linked(link.id) })?;
                }
                Ok(Ok(true))
            }
        }
    }

    pub(super) fn amend(&mut self, grant: GrantId, amendment: Amendment, author: Author) -> Result<Option<Grant>, Fault> {
        if !self.load(grant)? {
            return Ok(None);
        }
        let Some(kept) = self.accounts.touch(&grant) else { return Ok(None) };
        self.changes.before_grant(kept.number, &kept.account.grant);
        kept.account.grant.amend(&amendment);
        self.outbox.amended(&kept.account.grant, &amendment, author.at);
        rows::write_down(&self.database, kept.number, &Entry { author, act: Act::Amended(amendment) })?;
        let amended = kept.account.grant.clone();
        self.hasten(grant)?;
        Ok(Some(amended))
    }

    pub(super) fn revoke_link(&mut self, id: LinkId, author: Author) -> Result<bool, Fault> {
        let Some(link) = self.link(id)? else { return Ok(false) };
        let changed = self.database.prepare_cached(schema::REVOKE_LINK)?.execute([id.written()])?;
        if changed > 0
            && self.load(link.grant)?
            && let Some(kept) = self.accounts.touch(&link.grant)
        {
            rows::write_down(&self.database, kept.number, &Entry { author, act: Act::LinkRevoked(id) })?;
        }
        Ok(true)
    }

    pub(super) fn click(&mut self, click: &Click) -> Result<Result<Result<Clicked, Refusal>, Down>, Fault> {
        let Some(link) = self.link(click.link)? else { return Ok(Ok(Err(Refusal::UnknownLink))) };
        if self.grant_of(click.fresh)?.is_some() {
            return Ok(Err(Down::Unreachable));
        }
        let closed = |clicked: &Result<Clicked, Refusal>| {
            clicked.as_ref().map_or_else(|_| Vec::new(), |clicked| clicked.closed.iter().map(|change| change.delivery).collect())
        };
        let clicked =
            self.run(link.grant, None, click.now, |account| account.click(click, &link), closed)?.unwrap_or(Err(Refusal::UnknownLink));
        if let Ok(clicked) = &clicked {
            self.count(&clicked.closed);
        }
        Ok(Ok(clicked))
    }

    pub(super) fn admit(&mut self, ask: &Ask) -> Result<Result<Permit, Refusal>, Fault> {
        let Some(grant) = self.grant_of(ask.delivery)? else { return Ok(Err(Refusal::UnknownLink)) };
        let rule = |account: &mut Account| admit(account, ask);
        let admitted = self.run(grant, Some(ask.delivery), ask.now, rule, |_| Vec::new())?.unwrap_or(Err(Refusal::UnknownLink));
        Ok(admitted.map(|(permit, tally)| {
            if let Some(tally) = tally {
                self.changes.count(&tally);
            }
            permit
        }))
    }

    pub(super) fn settle(&mut self, arrived: &[Arrived], position: Option<FeedPosition>) -> Result<Vec<Change>, Fault> {
        let mut settled = Vec::new();
        for arrived in arrived {
            match arrived {
                Arrived::Delivery(reported) => settled.extend(self.settle_one(reported)?),
                Arrived::Copy(told) => settled.extend(self.settle_copy(told)?),
            }
        }
        if let Some(position) = position {
            rows::put_position(&self.database, FEED, position)?;
        }
        Ok(settled)
    }

    pub(super) fn settle_one(&mut self, reported: &Reported) -> Result<Option<Change>, Fault> {
        let Some(grant) = self.grant_of(reported.delivery)? else { return Ok(None) };
        let reset = if self.places.contains_key(&reported.delivery) { None } else { self.reset_of(grant)? };
        let rule = |account: &mut Account| account.report(reported, reset);
        let Some(change) = self.run(grant, Some(reported.delivery), reported.report.ended, rule, |_| Vec::new())?.flatten() else {
            return Ok(None);
        };
        self.changes.count(&Tally::new(reported.report.ended, Counted::Bytes, change.bytes));
        self.count(std::slice::from_ref(&change));
        if change.is_overdrawn {
            self.hasten(grant)?;
        }
        Ok(Some(change))
    }

    /// When `grant` was last reset: asked for where a report comes late, and that is seldom.
    fn reset_of(&mut self, grant: GrantId) -> Result<Option<Moment>, Fault> {
        if !self.load(grant)? {
            return Ok(None);
        }
        let Some(kept) = self.accounts.touch(&grant) else { return Ok(None) };
        Ok(last_reset(&rows::all(&self.database, schema::HISTORY_OF_NUMBER, [kept.number], rows::entry)?))
    }

    pub(super) fn close_due(&mut self, now: Moment) -> Result<Closing, Fault> {
        // The table is asked for what is due, so it must know of every change.
        self.write()?;
        let due = rows::all(&self.database, schema::DUE, [rows::millis(now), rows::stored(DUE_MAX as u64)], |row| {
            Ok(Written::read(&row.get::<_, String>(0)?, "grant")?)
        })?;
        let (mut changes, mut ended) = (Vec::new(), 0);
        let mut before: Option<GrantId> = None;
        for grant in due {
            if ended >= DUE_MAX {
                break;
            }
            // Several of one grant end together.
            if before.replace(grant) == Some(grant) {
                continue;
            }
            let told = |closed: &Ended| closed.changes.iter().map(|change| change.delivery).collect();
            let closed = self.run(grant, None, now, |account| account.close_due(now, DUE_MAX - ended), told)?.unwrap_or_default();
            ended += closed.changes.len() + closed.offers;
            changes.extend(closed.changes);
        }
        self.count(&changes);
        // Rows that were due and did not end are found there, as those that were told too early.
        let next = self.next_due()?;
        let (going, next_placed) = self.placed_due(now)?;
        Ok(Closing { changes, going, next: next.into_iter().chain(next_placed).min() })
    }

    /// The row of `delivery` says when it is to be looked at next.
    fn look_later(&mut self, grant: GrantId, delivery: DeliveryId) {
        let Self { accounts, places, changes, .. } = self;
        let known = accounts.touch(&grant).and_then(|kept| kept.account.delivery(delivery));
        if let Some((known, place)) = known.zip(places.get_mut(&delivery)) {
            place.due = None;
            changes.before_delivery(known);
        }
    }

    /// When something is due next: at the latest, where many rows say a moment that is too early.
    fn next_due(&mut self) -> Result<Option<Moment>, Fault> {
        let mut looked = 0;
        loop {
            self.write()?;
            let first = rows::one(&self.database, schema::NEXT_DUE, [], |row| {
                let (grant, delivery): (String, String) = (row.get(0)?, row.get(1)?);
                Ok((Written::read(&grant, "grant")?, Written::read(&delivery, "delivery")?, row.get::<_, i64>(2)?))
            })?;
            let Some((grant, delivery, said)) = first else { return Ok(None) };
            self.load(grant)?;
            let known = self.accounts.touch(&grant).and_then(|kept| Some((&kept.account.grant, kept.account.delivery(delivery)?)));
            let is_early = known.and_then(|(grant, delivery)| rows::due(grant, delivery)).is_some_and(|due| due > said);
            if !is_early || looked == LOOKS_MAX {
                return Ok(Some(Moment::from_millis(said.cast_unsigned())));
            }
            self.look_later(grant, delivery);
            looked += 1;
        }
    }
}
