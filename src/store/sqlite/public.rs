//! What lies in public: its rows, and the decisions about them.

use rusqlite::{Connection, Row, params};

use super::fault::Fault;
use super::rows;
use super::schema;
use super::working::Working;
use crate::domain::account::Away;
use crate::domain::file::{FileRef, StorageName};
use crate::domain::id::GrantId;
use crate::domain::moment::Moment;
use crate::domain::path::FilePath;
use crate::domain::placed::{DirectoryName, NewStub, Placed, PlacedName, Stay, What};
use crate::domain::refusal::Refusal;
use crate::store::record::{Unreadable, Written};
use crate::store::{DUE_MAX, Down, SentAway, look, new_placed, send_away};

/// Reads a row that a statement selected by its columns.
pub(super) fn placed(row: &Row<'_>) -> Result<Placed, Fault> {
    let (what, delivery): (String, Option<String>) = (row.get(2)?, row.get(3)?);
    let what = match (what.as_str(), delivery) {
        ("stub", Some(delivery)) => What::Stub(Written::read(&delivery, "delivery")?),
        (other, _) => return Err(Unreadable::new("what", other).into()),
    };
    let moment = |at: usize| -> Result<Option<Moment>, Fault> {
        let millis: Option<i64> = row.get(at)?;
        Ok(millis.map(|millis| Moment::from_millis(millis.cast_unsigned())))
    };
    let (stay, gone): (String, Option<Moment>) = (row.get(10)?, moment(11)?);
    let stay = match (stay.as_str(), gone) {
        ("live", _) => Stay::Live,
        ("going", _) => Stay::Going,
        ("gone", Some(gone)) => Stay::Gone(gone),
        (other, _) => return Err(Unreadable::new("stay", other).into()),
    };
    let (name, directory, storage, path): (String, String, String, String) = (row.get(0)?, row.get(1)?, row.get(5)?, row.get(6)?);
    Ok(Placed {
        name: name.parse().map_err(|_| Unreadable::new("name", &name))?,
        directory: DirectoryName::parse(&directory).ok_or_else(|| Unreadable::new("directory", &directory))?,
        what,
        grant: Written::read(&row.get::<_, String>(4)?, "grant")?,
        file: FileRef {
            storage: StorageName::parse(&storage).ok_or_else(|| Unreadable::new("storage", &storage))?,
            path: FilePath::parse(&path).map_err(|_| Unreadable::new("path", &path))?,
        },
        leaf: row.get(7)?,
        placed: moment(8)?.unwrap_or(Moment::EPOCH),
        due: moment(9)?.unwrap_or(Moment::EPOCH),
        stay,
    })
}

const fn word(stay: Stay) -> &'static str {
    match stay {
        Stay::Live => "live",
        Stay::Going => "going",
        Stay::Gone(_) => "gone",
    }
}

/// When it is to be looked at again, and when it was gone.
fn moments(placed: &Placed) -> (Option<i64>, Option<i64>) {
    match placed.stay {
        Stay::Live | Stay::Going => (Some(rows::millis(placed.due)), None),
        Stay::Gone(gone) => (None, Some(rows::millis(gone))),
    }
}

/// Writes a new row.
pub(super) fn add(database: &Connection, placed: &Placed) -> Result<(), Fault> {
    let What::Stub(delivery) = placed.what;
    let (due, gone) = moments(placed);
    database.prepare_cached(schema::ADD_PLACED)?.execute(params![
        placed.name.as_str(),
        placed.directory.as_str(),
        "stub",
        delivery.written(),
        placed.grant.written(),
        placed.file.storage.as_str(),
        placed.file.path.as_str(),
        placed.leaf,
        rows::millis(placed.placed),
        due,
        word(placed.stay),
        gone,
    ])?;
    Ok(())
}

fn change(database: &Connection, placed: &Placed) -> Result<(), Fault> {
    let (due, gone) = moments(placed);
    database.prepare_cached(schema::MOVE_PLACED)?.execute(params![placed.name.as_str(), due, word(placed.stay), gone])?;
    Ok(())
}

/// What stands under `names`.
pub(super) fn under(database: &Connection, names: &[PlacedName]) -> Result<Vec<Placed>, Fault> {
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        found.extend(rows::one(database, schema::PLACED, [name.as_str()], placed)?);
    }
    Ok(found)
}

/// What is there or going, after `after`.
pub(super) fn there(database: &Connection, after: Option<(Moment, PlacedName)>, most: i64) -> Result<Vec<Placed>, Fault> {
    let (due, name) = after.map_or((i64::MIN, String::new()), |(due, name)| (rows::millis(due), name.as_str().to_owned()));
    rows::all(database, schema::PLACED_THERE, params![due, name, most], placed)
}

impl Working {
    pub(super) fn send_away(&mut self, away: &Away, stub: Option<NewStub>) -> Result<Result<Result<SentAway, Refusal>, Down>, Fault> {
        let Some(grant) = self.grant_of(away.delivery)? else { return Ok(Ok(Err(Refusal::UnknownLink))) };
        let there = match &stub {
            Some(stub) => {
                let known = params![away.delivery.written(), stub.directory.as_str()];
                rows::one(&self.database, schema::PLACED_LIVE_OF_DELIVERY, known, placed)?
            }
            None => None,
        };
        // A fault of one decision would take back those that share its step.
        if there.is_none()
            && let Some(stub) = &stub
            && !under(&self.database, std::slice::from_ref(&stub.name))?.is_empty()
        {
            return Ok(Err(Down::Unreachable));
        }
        let sent = self.run(grant, Some(away.delivery), |account| send_away(account, away), |_| Vec::new())?;
        let (permit, tally) = match sent.unwrap_or(Err(Refusal::UnknownLink)) {
            Ok(sent) => sent,
            Err(refusal) => return Ok(Ok(Err(refusal))),
        };
        if let Some(tally) = tally {
            self.changes.count(&tally);
        }
        let Some(stub) = stub else { return Ok(Ok(Ok((permit, None)))) };
        if there.is_some() {
            return Ok(Ok(Ok((permit, there))));
        }
        let new = new_placed(stub, away, &permit);
        add(&self.database, &new)?;
        Ok(Ok(Ok((permit, Some(new)))))
    }

    pub(super) fn placed_gone(&mut self, names: &[PlacedName], now: Moment) -> Result<(), Fault> {
        for known in under(&self.database, names)? {
            if !matches!(known.stay, Stay::Gone(_)) {
                change(&self.database, &known.gone(now))?;
            }
        }
        Ok(())
    }

    /// What is placed for `grant` is looked at now.
    pub(super) fn hasten(&self, grant: GrantId) -> Result<(), Fault> {
        self.database.prepare_cached(schema::HASTEN_OF_GRANT)?.execute([grant.written()])?;
        Ok(())
    }

    /// What has to leave the public directories, a part of it where much is due, and when something is due next.
    pub(super) fn placed_due(&mut self, now: Moment) -> Result<(Vec<Placed>, Option<Moment>), Fault> {
        let due = rows::all(&self.database, schema::PLACED_DUE, [rows::millis(now), rows::stored(DUE_MAX as u64)], placed)?;
        let mut going = Vec::new();
        for known in due {
            let What::Stub(delivery) = known.what;
            let looked = look(&known, self.account(known.grant)?.and_then(|account| account.stays_until(delivery, now)), now);
            change(&self.database, &looked)?;
            if looked.stay == Stay::Going {
                going.push(looked);
            }
        }
        let next: Option<i64> = rows::value(&self.database, schema::PLACED_NEXT_DUE, [])?;
        Ok((going, next.map(|next| Moment::from_millis(next.cast_unsigned()))))
    }
}
