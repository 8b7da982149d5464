//! What people and programs did.

use std::net::IpAddr;

use rusqlite::{Connection, Row, params};

use super::fault::Fault;
use super::schema::deeds as schema;
use super::upkeep::PAGE;
use super::{Sqlite, most, rows};
use crate::domain::deed::{Deed, Stage};
use crate::domain::moment::Moment;
use crate::store::record::Written;
use crate::store::{DeedStore, Deeds, Later};

/// After so many new numbers those beyond [`Deed::COUNT_MAX`] go.
const BEYOND_EVERY: i64 = 1000;

/// Reads a row that a statement selected by its columns.
pub(super) fn deed(row: &Row<'_>) -> Result<(u64, Deed), Fault> {
    let (number, at): (i64, i64) = (row.get(0)?, row.get(1)?);
    let from = row.get::<_, Option<String>>(3)?.map(|address| <IpAddr as Written>::read(&address, "address")).transpose()?;
    let stage = if row.get(6)? { Stage::Begun } else { Stage::Done };
    let at = Moment::from_millis(at.cast_unsigned());
    Ok((
        number.cast_unsigned(),
        Deed { at, author: row.get(2)?, from, call: row.get(4)?, subject: row.get(5)?, outcome: row.get(7)?, stage },
    ))
}

/// Writes one down.
pub(super) fn add(database: &Connection, deed: &Deed) -> Result<(), Fault> {
    let Deed { at, author, from, call, subject, outcome, stage } = deed;
    let row = params![rows::millis(*at), author, from.map(|address| address.written()), call, subject, *stage == Stage::Begun, outcome];
    database.prepare_cached(schema::ADD_DEED)?.execute(row)?;
    Ok(())
}

/// Every deed, the oldest first.
pub(super) fn each(database: &Connection, told: &mut dyn FnMut(&Deed) -> Result<(), Fault>) -> Result<(), Fault> {
    let page = |after: &i64| rows::all(database, schema::DEEDS_FROM, [*after, PAGE], deed);
    rows::each(0, page, |(number, _)| number.cast_signed(), &mut |(_, deed)| told(deed))
}

fn write(database: &Connection, deed: &Deed) -> Result<u64, Fault> {
    add(database, deed)?;
    let number = database.last_insert_rowid();
    let long_ago = Moment::EPOCH + deed.at.since(Moment::EPOCH + Deed::KEPT);
    database.prepare_cached(schema::OLD_DEEDS)?.execute([rows::millis(long_ago)])?;
    // Numbers are taken by what changed nothing, too: rows are counted, and that is looked at now and then.
    if number % BEYOND_EVERY == 0 {
        database.prepare_cached(schema::DEEDS_BEYOND)?.execute([Deed::COUNT_MAX.cast_signed()])?;
    }
    Ok(number.cast_unsigned())
}

impl DeedStore for Sqlite {
    fn write_deed(&self, deed: Deed) -> Later<'_, u64> {
        Box::pin(self.decide(move |working| write(&working.database, &deed)))
    }

    fn end_deed(&self, number: u64, subject: String, outcome: String) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| {
            working.database.prepare_cached(schema::END_DEED)?.execute(params![rows::stored(number), subject, outcome])?;
            Ok(())
        }))
    }

    fn forget_deed(&self, number: u64) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| {
            working.database.prepare_cached(schema::FORGET_DEED)?.execute([rows::stored(number)])?;
            Ok(())
        }))
    }

    fn deeds(&self, which: Deeds) -> Later<'_, Vec<(u64, Deed)>> {
        let before = which.before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        Box::pin(self.read(move |database| match which.subject {
            Some(subject) => rows::all(database, schema::DEEDS_ABOUT, params![before, most(which.limit), subject], deed),
            None => rows::all(database, schema::DEEDS, params![before, most(which.limit)], deed),
        }))
    }
}
