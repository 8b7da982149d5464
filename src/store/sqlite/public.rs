//! What lies in public: its rows, and the decisions about them.

use rusqlite::{Connection, Row, params};

use super::fault::Fault;
use super::rows;
use super::schema;
use super::upkeep::PAGE;
use super::working::Working;
use crate::domain::account::{Away, Change, CopyReport};
use crate::domain::file::{FileRef, StorageName};
use crate::domain::id::GrantId;
use crate::domain::moment::Moment;
use crate::domain::path::FilePath;
use crate::domain::placed::{CopyState, DirectoryName, How, Made, NewCopy, NewStub, Placed, PlacedName, Stay, What};
use crate::domain::refusal::Refusal;
use crate::store::record::{Unreadable, Written, checksum, leaf};
use crate::store::{
    CopiesDue, DUE_MAX, Down, FORGOTTEN_MAX, SentAway, is_copy, long_gone, look, lost, made as store_made, new_placed, send_away,
};

/// Reads a row that a statement selected by its columns.
pub(super) fn placed(row: &Row<'_>) -> Result<Placed, Fault> {
    let (what, delivery): (String, Option<String>) = (row.get(2)?, row.get(3)?);
    let what = match (what.as_str(), delivery) {
        (STUB, Some(delivery)) => What::Stub(Written::read(&delivery, "delivery")?),
        (COPY, None) => What::Copy(copy_state(row)?),
        (other, _) => return Err(Unreadable::new("what", other).into()),
    };
    let moment = |at: usize| -> Result<Option<Moment>, Fault> {
        let millis: Option<i64> = row.get(at)?;
        Ok(millis.map(|millis| Moment::from_millis(millis.cast_unsigned())))
    };
    let (stay, gone): (String, Option<Moment>) = (row.get(10)?, moment(11)?);
    let stay = match (stay.as_str(), gone) {
        ("preparing", _) => Stay::Preparing,
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
        leaf: leaf(row.get(7)?)?,
        placed: moment(8)?.unwrap_or(Moment::EPOCH),
        due: moment(9)?.unwrap_or(Moment::EPOCH),
        stay,
    })
}

const STUB: &str = "stub";
const COPY: &str = "copy";

/// What is known of a copy, from the columns that only copies have.
fn copy_state(row: &Row<'_>) -> Result<CopyState, Fault> {
    let over: Option<i64> = row.get(12)?;
    let made = match row.get::<_, Option<String>>(13)? {
        None => None,
        Some(how) => Some(Made {
            how: How::parse(&how).ok_or_else(|| Unreadable::new("how", &how))?,
            inode: row.get::<_, i64>(14)?.cast_unsigned(),
            version: rows::version(row, 15)?,
            checksum: checksum(row.get::<_, Option<String>>(19)?.as_deref())?,
        }),
    };
    Ok(CopyState { made, over: over.map(|millis| Moment::from_millis(millis.cast_unsigned())) })
}

const fn word(stay: Stay) -> &'static str {
    match stay {
        Stay::Preparing => "preparing",
        Stay::Live => "live",
        Stay::Going => "going",
        Stay::Gone(_) => "gone",
    }
}

/// When it is to be looked at again, and when it was gone.
fn moments(placed: &Placed) -> (Option<i64>, Option<i64>) {
    match placed.stay {
        Stay::Preparing | Stay::Live | Stay::Going => (Some(rows::millis(placed.due)), None),
        Stay::Gone(gone) => (None, Some(rows::millis(gone))),
    }
}

/// What only copies have.
fn copy_columns(placed: &Placed) -> (Option<i64>, Option<&Made>) {
    match &placed.what {
        What::Stub(_) => (None, None),
        What::Copy(state) => (state.over.map(rows::millis), state.made.as_ref()),
    }
}

/// Writes a new row.
pub(super) fn add(database: &Connection, placed: &Placed) -> Result<(), Fault> {
    let (what, delivery) = match &placed.what {
        What::Stub(delivery) => (STUB, Some(delivery.written())),
        What::Copy(_) => (COPY, None),
    };
    let ((due, gone), (over, made)) = (moments(placed), copy_columns(placed));
    database.prepare_cached(schema::ADD_PLACED)?.execute(params![
        placed.name.as_str(),
        placed.directory.as_str(),
        what,
        delivery,
        placed.grant.written(),
        placed.file.storage.as_str(),
        placed.file.path.as_str(),
        placed.leaf,
        rows::millis(placed.placed),
        due,
        word(placed.stay),
        gone,
        over,
        made.map(|made| made.how.word()),
        made.map(|made| made.inode.cast_signed()),
        made.map(|made| rows::stored(made.version.size)),
        made.map(|made| rows::millis(made.version.modified)),
        made.map(|made| &made.version.etag),
        made.map(|made| &made.version.media_type),
        made.and_then(|made| made.checksum).map(|checksum| checksum.to_string()),
    ])?;
    Ok(())
}

fn change(database: &Connection, placed: &Placed) -> Result<(), Fault> {
    let ((due, gone), (over, made)) = (moments(placed), copy_columns(placed));
    database.prepare_cached(schema::MOVE_PLACED)?.execute(params![
        placed.name.as_str(),
        due,
        word(placed.stay),
        gone,
        over,
        made.map(|made| made.how.word()),
        made.map(|made| made.inode.cast_signed()),
        made.map(|made| rows::stored(made.version.size)),
        made.map(|made| rows::millis(made.version.modified)),
        made.map(|made| &made.version.etag),
        made.map(|made| &made.version.media_type),
        made.and_then(|made| made.checksum).map(|checksum| checksum.to_string()),
    ])?;
    Ok(())
}

/// Everything that is or was in public, by name.
pub(super) fn each(database: &Connection, told: &mut dyn FnMut(&Placed) -> Result<(), Fault>) -> Result<(), Fault> {
    let page = |after: &String| rows::all(database, schema::PLACED_FROM, params![after, PAGE], placed);
    rows::each(String::new(), page, |placed| placed.name.as_str().to_owned(), told)
}

/// Whether the grant of `placed` is there, and the delivery that it is for is one of this grant.
pub(super) fn belongs(database: &Connection, placed: &Placed) -> Result<bool, Fault> {
    match &placed.what {
        What::Stub(delivery) => {
            let grant: Option<String> = rows::value(database, schema::GRANT_OF_DELIVERY, [delivery.written()])?;
            Ok(grant == Some(placed.grant.written()))
        }
        What::Copy(_) => Ok(rows::value::<bool>(database, schema::IS_GRANT, [placed.grant.written()])?.unwrap_or(false)),
    }
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
        let sent = self.run(grant, Some(away.delivery), away.now, |account| send_away(account, away), |_| Vec::new())?;
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

    pub(super) fn going_later(&mut self, names: &[PlacedName], due: Moment) -> Result<(), Fault> {
        for known in under(&self.database, names)? {
            if known.stay == Stay::Going {
                change(&self.database, &Placed { due, ..known })?;
            }
        }
        Ok(())
    }

    pub(super) fn copy_for(&mut self, grant: GrantId, copy: NewCopy, now: Moment) -> Result<Option<Placed>, Fault> {
        let Some(file) = self.account(grant)?.map(|account| account.grant.file.clone()) else { return Ok(None) };
        let there = rows::one(&self.database, schema::COPY_OF_GRANT, [grant.written()], placed)?;
        if there.is_some() {
            return Ok(there);
        }
        let new = copy.row(grant, file, now);
        add(&self.database, &new)?;
        Ok(Some(new))
    }

    pub(super) fn copies_due(&mut self, directory: &DirectoryName, now: Moment, most: usize) -> Result<CopiesDue, Fault> {
        let first = params![directory.as_str(), rows::stored(most as u64).saturating_add(1)];
        let mut due = CopiesDue::default();
        for known in rows::all(&self.database, schema::COPIES_WAITING, first, placed)? {
            if known.due > now || due.copies.len() == most {
                due.next = Some(known.due);
                break;
            }
            let looked = look(&known, self.account(known.grant)?, now);
            if looked.stay == Stay::Preparing {
                due.copies.push(looked);
            } else {
                due.going += 1;
                change(&self.database, &Placed { due: now, ..looked })?;
            }
        }
        Ok(due)
    }

    /// The row of a copy that is there or is to be made.
    fn copy(&self, name: &PlacedName) -> Result<Option<Placed>, Fault> {
        let known = rows::one(&self.database, schema::PLACED, [name.as_str()], placed)?;
        Ok(known.filter(is_copy))
    }

    pub(super) fn copy_made(&mut self, name: &PlacedName, made: Made, now: Moment) -> Result<Option<Placed>, Fault> {
        let Some(known) = self.copy(name)? else { return Ok(None) };
        let mut there = store_made(&known, made, self.account(known.grant)?, now);
        if there.stay == Stay::Going {
            there.due = now;
        }
        change(&self.database, &there)?;
        Ok(Some(there))
    }

    pub(super) fn copy_later(&mut self, name: &PlacedName, due: Moment) -> Result<(), Fault> {
        if let Some(known) = self.copy(name)?.filter(|known| known.stay == Stay::Preparing) {
            change(&self.database, &Placed { due, ..known })?;
        }
        Ok(())
    }

    pub(super) fn copies_lost(&mut self, names: &[PlacedName], now: Moment) -> Result<(), Fault> {
        for again in under(&self.database, names)?.into_iter().filter_map(|known| lost(known, now)) {
            change(&self.database, &again)?;
        }
        Ok(())
    }

    /// The copies of `grant` that are there are looked at now.
    fn hasten_copies(&self, grant: GrantId) -> Result<(), Fault> {
        self.database.prepare_cached(schema::HASTEN_COPIES)?.execute([grant.written()])?;
        Ok(())
    }

    /// A report about a copy, as one of the delivery that it is of, or that it begins.
    pub(super) fn settle_copy(&mut self, told: &CopyReport) -> Result<Vec<Change>, Fault> {
        let fresh = self.grant_of(told.fresh)?.map(|_| told.fresh);
        let Some(account) = self.account(told.grant)? else { return Ok(Vec::new()) };
        let known = fresh.or_else(|| account.copy_delivery(told));
        let opened = match known {
            Some(_) => None,
            None => self.run(told.grant, None, told.report.ended, |account| account.open_copy(told), |_| Vec::new())?.flatten(),
        };
        self.count(opened.as_slice());
        let Some(of) = known.or(opened.as_ref().map(|opened| opened.delivery)) else { return Ok(Vec::new()) };
        let settled = self.settle_one(&told.of(of))?;
        let has_bytes = self.account(told.grant)?.is_none_or(crate::domain::account::Account::has_bytes_left);
        if settled.as_ref().is_some_and(|settled| settled.state != settled.before || !has_bytes) {
            self.hasten_copies(told.grant)?;
        }
        Ok(opened.into_iter().chain(settled).collect())
    }

    /// What is placed for `grant` is looked at now.
    pub(super) fn hasten(&self, grant: GrantId) -> Result<(), Fault> {
        self.database.prepare_cached(schema::HASTEN_OF_GRANT)?.execute([grant.written()])?;
        Ok(())
    }

    /// Forgets a part of what was gone long ago. What has to stay known is passed over, and not looked at again.
    fn forget_gone(&mut self, now: Moment) -> Result<(), Fault> {
        let (gone, name) = &self.passed_over;
        let from = params![rows::millis(long_gone(now)), gone, name, rows::stored(FORGOTTEN_MAX as u64)];
        let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?));
        for (name, gone, stays) in rows::all(&self.database, schema::LONG_GONE, from, read)? {
            if stays {
                self.passed_over = (gone, name);
            } else {
                self.database.prepare_cached(schema::FORGET_GONE)?.execute([name])?;
            }
        }
        Ok(())
    }

    /// What has to leave the public directories, a part of it where much is due, and when something is due next.
    pub(super) fn placed_due(&mut self, now: Moment) -> Result<(Vec<Placed>, Option<Moment>), Fault> {
        let due = rows::all(&self.database, schema::PLACED_DUE, [rows::millis(now), rows::stored(DUE_MAX as u64)], placed)?;
        let mut going = Vec::new();
        for known in due {
            let looked = look(&known, self.account(known.grant)?, now);
            change(&self.database, &looked)?;
            if looked.stay == Stay::Going {
                going.push(looked);
            }
        }
        self.forget_gone(now)?;
        let next: Option<i64> = rows::value(&self.database, schema::PLACED_NEXT_DUE, [])?;
        Ok((going, next.map(|next| Moment::from_millis(next.cast_unsigned()))))
    }
}
