//! What is kept about people, and forgetting it.

use std::collections::BTreeSet;

use rusqlite::params;

use super::fault::Fault;
use super::rows::{self, Number};
use super::schema::{self, privacy};
use super::upkeep::PAGE;
use super::working::Working;
use super::{Sqlite, orders};
use crate::domain::id::{GrantId, OrderId};
use crate::domain::moment::Moment;
use crate::domain::privacy::{Keep, anonymise};
use crate::store::Later;
use crate::store::privacy::{BLURRED_MAX, Blurred, Forgotten, Held, PrivacyStore, is_customer, without_customer};
use crate::store::record::Written;

/// Before the first delivery.
const FIRST: (i64, Number) = (i64::MIN, 0);

impl Working {
    /// Takes who came out of the row of a delivery that has ended.
    fn anonymise(&self, number: Number, id: &str, keep: Keep) -> Result<(), Fault> {
        let database = &self.database;
        let found = rows::one(database, schema::DELIVERY_BY_ID, [id], |row| rows::delivery(database, row))?;
        let Some((_, mut delivery)) = found else { return Ok(()) };
        anonymise(&mut delivery, keep);
        let client = &delivery.clicked_by;
        let now = params![number, client.address.written(), client.agent, delivery.cookie.written()];
        database.prepare_cached(privacy::ANONYMISE)?.execute(now)?;
        rows::forget_parts(database, number)?;
        rows::put_parts(database, number, &delivery)
    }

    fn forget_grant(&mut self, grant: GrantId, pseudonym: &str) -> Result<Forgotten, Fault> {
        let mut done = Forgotten::default();
        // The tables are asked, so they must know of every change.
        self.write()?;
        let Some(kept) = self.account_mut(grant)? else { return Ok(done) };
        pseudonym.clone_into(&mut kept.customer);
        kept.networks_seen.clear();
        let id = grant.written();
        done.grants = self.database.prepare_cached(privacy::FORGET_CUSTOMER)?.execute(params![id, pseudonym, ""])? as u64;
        let mut after: Number = 0;
        loop {
            let page: Vec<(Number, String)> =
                rows::all(&self.database, privacy::ENDED_OF_GRANT, params![id, after, PAGE], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (number, delivery) in &page {
                self.anonymise(*number, delivery, Keep::Nothing)?;
                done.deliveries += 1;
            }
        }
        let running: Option<i64> = rows::value(&self.database, privacy::RUNNING_OF_GRANT, [&id])?;
        done.running = running.unwrap_or_default().cast_unsigned();
        done.messages = self.database.prepare_cached(privacy::FORGET_MESSAGES_OF_GRANT)?.execute([id])? as u64;
        self.messages_are_gone();
        Ok(done)
    }

    fn forget_order(&mut self, order: OrderId, pseudonym: &str) -> Result<Forgotten, Fault> {
        let found = rows::one(&self.database, schema::orders::ORDER, [order.written()], orders::order)?;
        let Some(found) = found else { return Ok(Forgotten::default()) };
        orders::put(&self.database, &without_customer(found, pseudonym))?;
        let messages = self.database.prepare_cached(privacy::FORGET_MESSAGES_OF_ORDER)?.execute([order.written()])? as u64;
        self.messages_are_gone();
        Ok(Forgotten { orders: 1, messages, ..Forgotten::default() })
    }

    fn blur_addresses(&mut self, before: Moment) -> Result<Blurred, Fault> {
        // The table is asked, so it must know of every change.
        self.write()?;
        let before = rows::millis(before);
        let reached: Option<(i64, Number)> = rows::one(&self.database, privacy::BLURRED, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        // Nothing that ended so late could be reached, had the clock been right: then others may have ended before it since.
        let mut reached = reached.filter(|(closed, _)| *closed < before).unwrap_or(FIRST);
        let (first, mut done) = (reached, Blurred::default());
        let some = rows::stored(BLURRED_MAX as u64) + 1;
        let page: Vec<(i64, Number, String)> =
            rows::all(&self.database, privacy::ENDED_AFTER, params![reached.0, reached.1, some], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        for (place, (closed, number, id)) in page.iter().enumerate() {
            if *closed >= before || place == BLURRED_MAX {
                done.next = Some(Moment::from_millis(closed.cast_unsigned()));
                break;
            }
            self.anonymise(*number, id, Keep::Network)?;
            (reached, done.deliveries) = ((*closed, *number), done.deliveries + 1);
        }
        if reached != first {
            self.database.prepare_cached(privacy::KEEP_BLURRED)?.execute(params![reached.0, reached.1])?;
        }
        Ok(done)
    }
}

/// The grant and the order that a letter is about.
type About = (Option<String>, Option<String>);

impl PrivacyStore for Sqlite {
    fn held_of(&self, who: String) -> Later<'_, Held> {
        Box::pin(self.read(move |database| {
            let mut held = Held::default();
            let mut found = Vec::new();
            orders::each(database, &mut |order| {
                if is_customer(&order.customer, &who) {
                    found.push((order.created, order.id));
                }
                Ok(())
            })?;
            found.sort_unstable();
            let mut seen = BTreeSet::new();
            for (_, order) in found {
                held.orders.push(order);
                held.grants.extend(orders::ids(database, order)?.into_iter().filter(|grant| seen.insert(*grant)));
            }
            if !who.is_empty() {
                let grants = if who.contains('@') { privacy::GRANTS_OF_ADDRESS } else { privacy::GRANTS_OF };
                let others = rows::all(database, grants, [&who], |row| Ok(GrantId::read(&row.get::<_, String>(0)?, "grant")?))?;
                held.grants.extend(others.into_iter().filter(|grant| seen.insert(*grant)));
                let letters: Vec<About> = rows::all(database, privacy::LETTERS_TO, [&who], |row| Ok((row.get(0)?, row.get(1)?)))?;
                let grants: BTreeSet<String> = held.grants.iter().map(Written::written).collect();
                let orders: BTreeSet<String> = held.orders.iter().map(Written::written).collect();
                let is_other = |(grant, order): &&About| {
                    !grant.as_ref().is_some_and(|grant| grants.contains(grant))
                        && !order.as_ref().is_some_and(|order| orders.contains(order))
                };
                held.letters = letters.iter().filter(is_other).count() as u64;
            }
            Ok(held)
        }))
    }

    fn forget_grant(&self, grant: GrantId, pseudonym: String) -> Later<'_, Forgotten> {
        Box::pin(self.decide(move |working| working.forget_grant(grant, &pseudonym)))
    }

    fn forget_order(&self, order: OrderId, pseudonym: String) -> Later<'_, Forgotten> {
        Box::pin(self.decide(move |working| working.forget_order(order, &pseudonym)))
    }

    fn forget_letters(&self, address: String) -> Later<'_, u64> {
        Box::pin(self.decide(move |working| {
            let gone = working.database.prepare_cached(privacy::FORGET_LETTERS_TO)?.execute([address])?;
            working.messages_are_gone();
            Ok(gone as u64)
        }))
    }

    fn blur_addresses(&self, before: Moment) -> Later<'_, Blurred> {
        Box::pin(self.decide(move |working| working.blur_addresses(before)))
    }
}
