//! Where public directories lie, and lay.

use std::path::Path;

use rusqlite::{Connection, Row, params};

use super::fault::Fault;
use super::open::{self, NotOpened};
use super::upkeep::not;
use super::working::Working;
use super::{Sqlite, rows, schema};
use crate::domain::moment::Moment;
use crate::domain::place::{FileId, Place};
use crate::domain::placed::DirectoryName;
use crate::store::record::Unreadable;
use crate::store::{Later, PlaceStore};

/// Reads a row of [`schema::PLACES`], but for the number.
pub(super) fn place(row: &Row<'_>) -> Result<Place, Fault> {
    let directory: String = row.get(0)?;
    let (device, inode, left): (Option<i64>, Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?, row.get(4)?);
    Ok(Place {
        directory: DirectoryName::parse(&directory).ok_or_else(|| Unreadable::new("directory", &directory))?,
        path: row.get(1)?,
        id: device.zip(inode).map(|(device, inode)| FileId { device: device.cast_unsigned(), inode: inode.cast_unsigned() }),
        left: left.map(|millis| Moment::from_millis(millis.cast_unsigned())),
    })
}

/// All of them.
pub(super) fn all(database: &Connection) -> Result<Vec<Place>, Fault> {
    rows::all(database, schema::ALL_PLACES, [], place)
}

/// Writes a new row.
pub(super) fn add(database: &Connection, place: &Place) -> Result<(), Fault> {
    let Place { directory, path, id, left } = place;
    database.prepare_cached(schema::ADD_PLACE)?.execute(params![
        directory.as_str(),
        path,
        id.map(|id| id.device.cast_signed()),
        id.map(|id| id.inode.cast_signed()),
        left.map(rows::millis),
    ])?;
    Ok(())
}

fn lying(database: &Connection, place: &Place) -> Result<u64, Fault> {
    let (directory, left) = (place.directory.as_str(), place.left.map(rows::millis));
    let count: i64 = database.prepare_cached(schema::LYING)?.query_row(params![directory, left], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

impl Working {
    pub(super) fn keep_places(&mut self, places: &[Place]) -> Result<(), Fault> {
        self.database.prepare_cached(schema::FORGET_PLACES)?.execute([])?;
        places.iter().try_for_each(|place| add(&self.database, place))
    }
}

impl PlaceStore for Sqlite {
    fn places(&self) -> Later<'_, Vec<Place>> {
        Box::pin(self.read(all))
    }

    fn keep_places(&self, places: Vec<Place>) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| working.keep_places(&places)))
    }

    fn lying(&self, places: Vec<Place>) -> Later<'_, Vec<u64>> {
        Box::pin(self.read(move |database| places.iter().map(|place| lying(database, place)).collect()))
    }
}

/// Where the directories of the store at `path` lie, and lay, and how much of ours may lie in each. A daemon may be working
/// on it.
pub fn places(path: &Path) -> Result<Vec<(Place, u64)>, NotOpened> {
    let database = open::examine(path)?;
    let read = |row: &Row<'_>| Ok((place(row)?, row.get::<_, i64>(5)?.cast_unsigned()));
    rows::all(&database, schema::PLACES, [], read).map_err(|fault| not(path, &fault))
}
