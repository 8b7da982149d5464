//! What a batch of decisions changed, against what stands in the file; written once, however often it changed.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::params;

use super::fault::Fault;
use super::rows::{self, Number};
use super::schema;
use super::working::Working;
use crate::domain::delivery::{Delivery, State};
use crate::domain::file::{FileRef, Version};
use crate::domain::grant::Grant;
use crate::domain::id::{DeliveryId, GrantId};
use crate::domain::moment::Moment;
use crate::domain::tally::{Counted, Tally};
use crate::store::record::Written;

/// What is not yet in the file.
#[derive(Default)]
pub(super) struct Changes {
    /// Grants as they stand in the file.
    grants: HashMap<GrantId, (Number, Grant)>,
    /// Deliveries that may differ from the file.
    deliveries: BTreeMap<DeliveryId, Before>,
    /// Those that were made, the oldest first: their rows are numbered in this order, and it tells the newest.
    made: Vec<DeliveryId>,
    /// Those of them that have ended, and are in no account any more; and their rows, where they have one.
    ended: HashMap<DeliveryId, (Option<Number>, Delivery)>,
    /// Rows of deliveries that had ended before.
    known: HashMap<DeliveryId, Number>,
    tallies: BTreeMap<(Moment, Counted), u64>,
    /// Grants of which a delivery that ran has become an offer and is gone.
    left: HashSet<GrantId>,
    /// Content that is no longer true: offers that are gone.
    pub(super) forgotten: Vec<DeliveryId>,
    /// Whether grants were led to other places, and no target or content is true any more.
    pub(super) led: bool,
}

/// How a delivery stands in the file.
enum Before {
    /// Not at all: it was made since.
    Missing,
    /// Like this.
    As(Box<Delivery>),
    /// In whatever way; all of it is written anew.
    Somehow,
    /// In this row, which is to go.
    Gone(Number),
}

impl Changes {
    /// Remembers how `grant` stands in the file, before it is changed.
    pub(super) fn before_grant(&mut self, number: Number, grant: &Grant) {
        self.grants.entry(grant.id).or_insert_with(|| (number, grant.clone()));
    }

    /// Remembers how `delivery` stands in the file, before it is changed.
    pub(super) fn before_delivery(&mut self, delivery: &Delivery) {
        self.deliveries.entry(delivery.id).or_insert_with(|| Before::As(Box::new(delivery.clone())));
    }

    pub(super) fn made(&mut self, id: DeliveryId) {
        self.deliveries.insert(id, Before::Missing);
        self.made.push(id);
    }

    /// The delivery is changed in ways that nobody looked at.
    pub(super) fn rewritten(&mut self, id: DeliveryId) {
        let before = self.deliveries.entry(id).or_insert(Before::Somehow);
        if !matches!(before, Before::Missing | Before::Gone(_)) {
            *before = Before::Somehow;
        }
    }

    /// An offer is gone, and its row with it, if it has one.
    pub(super) fn gone(&mut self, id: DeliveryId, number: Option<Number>) {
        self.forgotten.push(id);
        if let Some(Before::As(before)) = self.deliveries.get(&id)
            && before.state != State::Offered
        {
            self.left.insert(before.grant);
        }
        match number {
            Some(number) => self.deliveries.insert(id, Before::Gone(number)),
            None => self.deliveries.remove(&id),
        };
    }

    /// The delivery has ended and leaves its account.
    pub(super) fn put_away(&mut self, number: Option<Number>, delivery: Delivery) {
        let number = number.or_else(|| self.known.get(&delivery.id).copied());
        self.ended.insert(delivery.id, (number, delivery));
    }

    /// The row of a delivery that had ended before.
    pub(super) fn know(&mut self, id: DeliveryId, number: Number) {
        self.known.insert(id, number);
    }

    /// A delivery that ended in this batch.
    pub(super) fn take_back(&mut self, grant: GrantId, id: DeliveryId) -> Option<Delivery> {
        if self.ended.get(&id)?.1.grant != grant {
            return None;
        }
        let (number, delivery) = self.ended.remove(&id)?;
        if let Some(number) = number {
            self.known.insert(id, number);
        }
        Some(delivery)
    }

    pub(super) fn grant_of(&self, id: DeliveryId) -> Option<GrantId> {
        self.ended.get(&id).map(|(_, delivery)| delivery.grant)
    }

    /// What a delivery sends that ended in this batch.
    pub(super) fn content_of(&self, id: DeliveryId) -> Option<(Version, Option<FileRef>)> {
        self.ended.get(&id).map(|(_, delivery)| (delivery.version.clone(), delivery.at.clone()))
    }

    /// Whether its row still stands in the file, and goes with this batch.
    pub(super) fn is_gone(&self, id: DeliveryId) -> bool {
        matches!(self.deliveries.get(&id), Some(Before::Gone(_)))
    }

    pub(super) fn count(&mut self, tally: &Tally) {
        let count = self.tallies.entry((tally.hour, tally.what)).or_default();
        *count = count.saturating_add(tally.count);
    }
}

impl Working {
    /// Writes every change into the open transaction.
    pub(super) fn write(&mut self) -> Result<(), Fault> {
        self.write_messages()?;
        let Changes { grants, mut deliveries, made, ended, tallies, mut left, forgotten, led, .. } = std::mem::take(&mut self.changes);
        // Grants of which a delivery runs no more: what is read from the rows of live ones must stand in theirs now.
        left.extend(ended.values().map(|(_, delivery)| delivery.grant));
        for away in ended.values().map(|(_, delivery)| delivery).filter(|delivery| delivery.away) {
            match away.link {
                Some(_) => self.database.prepare_cached(schema::HASTEN_OF_DELIVERY)?.execute([away.id.written()])?,
                None => self.database.prepare_cached(schema::HASTEN_COPIES)?.execute([away.grant.written()])?,
            };
        }
        for id in made {
            if let Some(before) = deliveries.remove(&id) {
                self.write_delivery(id, before, ended.get(&id))?;
            }
        }
        for (id, before) in deliveries {
            left.extend(self.offered_again(id, &before));
            self.write_delivery(id, before, ended.get(&id))?;
        }
        for (id, (number, before)) in grants {
            let Some(kept) = self.accounts.touch(&id) else { continue };
            let now = &kept.account.grant;
            // What is read from the row of a live delivery need not stand here.
            let is_read = || kept.account.deliveries.iter().any(|one| one.state != State::Offered && one.version.size == now.size_largest);
            let has_grown = now.size_largest != before.size_largest && !is_read();
            if (now.used, now.bytes_closed) != (before.used, before.bytes_closed) || left.contains(&id) || has_grown {
                rows::count_grant(&self.database, number, now)?;
            }
            if (&now.policy, now.expires, now.standing, &now.networks_seen, &now.sold)
                != (&before.policy, before.expires, before.standing, &before.networks_seen, &before.sold)
            {
                rows::amend_grant(&self.database, number, now)?;
            }
        }
        for ((hour, what), count) in tallies {
            rows::count(&self.database, &Tally { hour, what, count })?;
        }
        (self.changes.forgotten, self.changes.led) = (forgotten, led);
        Ok(())
    }

    /// The grant of a delivery that ran, and is an offer again.
    fn offered_again(&self, id: DeliveryId, before: &Before) -> Option<GrantId> {
        let Before::As(before) = before else { return None };
        let now = self.accounts.look(&before.grant)?.account.delivery(id)?;
        (before.state != State::Offered && now.state == State::Offered).then_some(before.grant)
    }

    fn write_delivery(&mut self, id: DeliveryId, before: Before, ended: Option<&(Option<Number>, Delivery)>) -> Result<(), Fault> {
        let Self { database, accounts, places, .. } = self;
        if let Before::Gone(number) = before {
            rows::forget_parts(database, number)?;
            database.prepare_cached(schema::FORGET_DELIVERY)?.execute([number])?;
            return Ok(());
        }
        let place = places.get_mut(&id);
        let grant = place.as_ref().map(|place| place.grant).or_else(|| ended.map(|(_, delivery)| delivery.grant));
        let Some(kept) = grant.and_then(|grant| accounts.touch(&grant)) else { return Ok(()) };
        let number = place.as_ref().map_or_else(|| ended.and_then(|(number, _)| *number), |place| place.number);
        let Some(now) = ended.map(|(_, delivery)| delivery).or_else(|| kept.account.delivery(id)) else { return Ok(()) };
        let due = rows::due(&kept.account.grant, now);
        let Some(number) = number else {
            let number = rows::add_delivery(database, kept.number, &kept.account.grant, now)?;
            if let Some(place) = place {
                place.number = Some(number);
                place.due = due;
            }
            return Ok(());
        };
        let was_closed = matches!(&before, Before::As(before) if before.closed == now.closed);
        match before {
            Before::As(before) if *before == *now => {}
            Before::As(before) => {
                rows::change_delivery(database, number, now)?;
                write_requests(database, number, &before, now)?;
                write_coverage(database, number, &before, now)?;
            }
            Before::Somehow | Before::Missing | Before::Gone(_) => {
                rows::change_delivery(database, number, now)?;
                rows::forget_parts(database, number)?;
                rows::put_parts(database, number, now)?;
            }
        }
        match place {
            // A later moment is found when this one has come.
            Some(place) if place.due.is_none() || due < place.due => {
                rows::move_due(database, number, due)?;
                place.due = due;
            }
            Some(_) => {}
            None if was_closed => {}
            None => rows::end_delivery(database, number, now)?,
        }
        Ok(())
    }
}

fn write_requests(database: &rusqlite::Connection, number: Number, before: &Delivery, now: &Delivery) -> Result<(), Fault> {
    for (id, request) in &now.requests {
        if before.requests.get(id) != Some(request) {
            rows::put_request(database, number, id, request)?;
        }
    }
    for id in before.requests.keys().filter(|id| !now.requests.contains_key(*id)) {
        database.prepare_cached(schema::FORGET_REQUEST)?.execute(params![number, id.as_str()])?;
    }
    Ok(())
}

fn write_coverage(database: &rusqlite::Connection, number: Number, before: &Delivery, now: &Delivery) -> Result<(), Fault> {
    for (client, coverage) in &now.coverage {
        if before.coverage.get(client) != Some(coverage) {
            database.prepare_cached(schema::PUT_COVERAGE)?.execute(params![number, client.written(), coverage.written()])?;
        }
    }
    for client in before.coverage.keys().filter(|client| !now.coverage.contains_key(*client)) {
        database.prepare_cached(schema::FORGET_COVERAGE)?.execute(params![number, client.written()])?;
    }
    Ok(())
}
