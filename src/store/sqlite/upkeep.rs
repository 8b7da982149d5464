//! What a person does with the file itself, while a daemon works on it or not: look, verify, copy.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::Connection;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::callers;
use super::credentials;
use super::fault::Fault;
use super::open::{self, NotOpened, Why, beside, damage};
use super::orders;
use super::outbox;
use super::public;
use super::rows::{self, Number};
use super::schema;
use crate::domain::delivery::{Delivery, Report, State};
use crate::domain::grant::{Amendment, Grant};
use crate::domain::history::{Act, Entry};
use crate::domain::moment::Moment;
use crate::domain::placed::What;
use crate::store::LaneCount;

/// Rows that are read at once.
pub(super) const PAGE: i64 = 500;

/// More faults than this are only counted: whoever reads them has seen enough.
const FAULTS_MAX: usize = 100;

/// What is in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The version of its tables.
    pub version: i64,
    /// The version of SQLite that reads it here.
    pub sqlite: &'static str,
    /// Bytes of the file, and of the log that is not yet in it.
    pub bytes: u64,
    /// Bytes of the log that is not yet in the file.
    pub log_bytes: u64,
    /// Grants.
    pub grants: u64,
    /// Links.
    pub links: u64,
    /// Deliveries, by the word of their state.
    pub deliveries: BTreeMap<String, u64>,
    /// What is or was in public, by where it stands.
    pub placed: BTreeMap<String, u64>,
    /// User names of public directories.
    pub credentials: u64,
    /// Orders.
    pub orders: u64,
    /// Files of the catalogue.
    pub files: u64,
    /// Products.
    pub products: u64,
    /// Messages, by the word of their state.
    pub messages: BTreeMap<String, u64>,
    /// Keys of the API, those that were revoked included.
    pub api_keys: u64,
    /// When the first grant was made, in milliseconds since 1970 UTC.
    pub first_grant: Option<u64>,
    /// When the last one was.
    pub last_grant: Option<u64>,
}

/// What was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Grants that were read.
    pub grants: u64,
    /// Deliveries that were read.
    pub deliveries: u64,
    /// What is wrong, the first of it.
    pub faults: Vec<String>,
    /// How much more is wrong.
    pub faults_more: u64,
}

pub(super) fn not(path: &Path, fault: &Fault) -> NotOpened {
    NotOpened { path: path.to_owned(), why: open::of_fault(fault) }
}

/// What is in the store at `path`.
pub fn info(path: &Path) -> Result<Info, NotOpened> {
    let database = open::examine(path)?;
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    let read = || -> Result<Info, Fault> {
        let together = database.unchecked_transaction()?;
        let states = rows::all(&together, schema::STATES, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
        let stays = rows::all(&together, schema::STAYS, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
        let count = |number: i64| number.cast_unsigned();
        let mut messages: BTreeMap<String, u64> = BTreeMap::new();
        for LaneCount { state, count, .. } in outbox::lanes(&together)? {
            *messages.entry(state).or_default() += count;
        }
        let api_keys = callers::all(&together)?.len() as u64;
        let info = rows::one(&together, schema::TOTALS, [], |row| {
            Ok(Info {
                version: 0,
                sqlite: rusqlite::version(),
                bytes: size(path),
                log_bytes: size(&beside(path, "wal")),
                grants: count(row.get(0)?),
                links: count(row.get(1)?),
                deliveries: states.iter().map(|(state, number)| (state.clone(), count(*number))).collect(),
                placed: stays.iter().map(|(stay, number)| (stay.clone(), count(*number))).collect(),
                credentials: count(row.get(3)?),
                api_keys,
                first_grant: row.get::<_, Option<i64>>(4)?.map(count),
                last_grant: row.get::<_, Option<i64>>(5)?.map(count),
                orders: count(row.get(6)?),
                files: count(row.get(7)?),
                products: count(row.get(8)?),
                messages: messages.clone(),
            })
        })?;
        let version = together.pragma_query_value(None, "user_version", |row| row.get(0))?;
        info.map(|info| Info { version, ..info }).ok_or_else(|| rusqlite::Error::QueryReturnedNoRows.into())
    };
    read().map_err(|fault| not(path, &fault))
}

/// Writes a copy of the store at `from`, as it stands at one moment, into a new file at `to`; what is there is not
/// overwritten. The copy is made aside and has its name once it is whole and on the disk.
pub fn backup(from: &Path, to: &Path) -> Result<u64, NotOpened> {
    let system = |error: io::Error| NotOpened { path: to.to_owned(), why: Why::System(error) };
    let database = open::examine(from)?;
    if to.try_exists().map_err(system)? {
        return Err(system(io::Error::new(io::ErrorKind::AlreadyExists, "there is such a file already, and it is kept: name another")));
    }
    let aside = beside(to, "new");
    // SQLite would write into a file of another name, which everybody may read.
    let name = aside.to_str().ok_or_else(|| system(io::Error::new(io::ErrorKind::InvalidInput, "its name must be UTF-8: name another")))?;
    // SQLite fills a file that is there and empty, and keeps its mode.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let text = format!("{name} is there: another backup writes it, or was cut off. If none runs, remove it and try again");
            system(io::Error::new(error.kind(), text))
        }
        _ => system(error),
    })?;
    let copied = (|| {
        database.execute("VACUUM INTO ?1", [name]).map_err(|fault| not(to, &fault.into()))?;
        let file = File::open(&aside).map_err(system)?;
        file.sync_all().map_err(system)?;
        let bytes = file.metadata().map_err(system)?.len();
        put_in_place(&aside, to).map_err(system)?;
        Ok(bytes)
    })();
    match std::fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(system(error)),
        Ok(()) | Err(_) => {}
    }
    let bytes = copied?;
    open::sync_directory(to).map_err(system)?;
    Ok(bytes)
}

/// Gives a file its name where nothing stands. One of both ways there is on nearly every file system.
fn put_in_place(aside: &Path, to: &Path) -> io::Result<()> {
    let taken = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::Error::new(error.kind(), "there is such a file already, and it is kept: name another"),
        _ => error,
    };
    match renameat_with(CWD, aside, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => std::fs::hard_link(aside, to).map_err(|error| match error.raw_os_error() {
            Some(code) if [Errno::PERM, Errno::NOTSUP, Errno::NOSYS].iter().any(|errno| errno.raw_os_error() == code) => {
                let text = "its file system can neither link a file nor rename it without overwriting: write the backup to another one";
                io::Error::new(error.kind(), text)
            }
            _ => taken(error),
        }),
        renamed => renamed.map_err(|errno| taken(errno.into())),
    }
}

/// Reads everything in the store at `path`, and holds it against the rules that made it. `progress` is told how many of
/// how many grants were read.
pub fn verify(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Verified, NotOpened> {
    let database = open::examine(path)?;
    let mut verified = Verified::default();
    let mut read = || -> Result<(), Fault> {
        let together = database.unchecked_transaction()?;
        if let Some(first) = damage(&together, "integrity_check")? {
            verified.fault(format!("the file is damaged: {first}"));
        }
        let lost: i64 = together.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
        if lost > 0 {
            verified.fault(format!("{lost} rows belong to a grant or a delivery that is not there"));
        }
        let without: i64 = rows::value(&together, schema::WITHOUT_COUNTS, [])?.unwrap_or(0);
        if without > 0 {
            verified.fault(format!("{without} grants have lost what was counted of them"));
        }
        let total = together.query_row("SELECT count(*) FROM grants", [], |row| row.get::<_, i64>(0))?.cast_unsigned();
        each_grant(&together, &mut |number, grant| {
            verify_grant(&together, number, grant, &mut verified)?;
            progress(verified.grants, total);
            Ok(())
        })?;
        verify_public(&together, &mut verified)?;
        orders::verify(&together, &mut |what| verified.fault(what))?;
        outbox::each(&together, &mut |_| Ok(()))
    };
    match read() {
        Ok(()) => {}
        // A row that cannot be read is what this is for.
        Err(Fault::Row(unreadable)) => verified.fault(format!("a row cannot be read, and those behind it were not: {unreadable}")),
        Err(fault) => return Err(not(path, &fault)),
    }
    Ok(verified)
}

/// Every grant, in the order in which they were written down.
pub(super) fn each_grant(database: &Connection, told: &mut dyn FnMut(Number, &Grant) -> Result<(), Fault>) -> Result<(), Fault> {
    let page = |after: &Number| rows::all(database, schema::GRANTS_FROM, [*after, PAGE], rows::grant);
    rows::each(0, page, |(number, _)| *number, &mut |(number, grant)| told(*number, grant))
}

/// Takes one delivery, and when its row says that it is to be looked at.
pub(super) type Told<'a> = dyn FnMut(&Delivery, Option<i64>) -> Result<(), Fault> + 'a;

/// Every delivery of a grant, the oldest first, with the moment at which its row says that it is to be looked at.
pub(super) fn each_delivery(database: &Connection, grant: Number, told: &mut Told<'_>) -> Result<(), Fault> {
    let read = |row: &rusqlite::Row<'_>| rows::delivery_and_due(database, row);
    let page = |after: &Number| rows::all(database, schema::DELIVERIES_FROM, [grant, *after, PAGE], read);
    rows::each(0, page, |(number, ..)| *number, &mut |(_, delivery, due)| told(delivery, *due))
}

/// What deliveries of a grant come to.
#[derive(Default)]
struct Sums {
    used: u64,
    bytes_closed: u64,
    size_largest: u64,
}

fn verify_grant(database: &Connection, number: Number, grant: &Grant, verified: &mut Verified) -> Result<(), Fault> {
    let history = rows::all(database, schema::HISTORY_OF_NUMBER, [number], rows::entry)?;
    rows::all(database, schema::LINKS_OF_NUMBER, [number], rows::link)?;
    let mut sums = Sums::default();
    each_delivery(database, number, &mut |delivery, due| {
        verified.deliveries += 1;
        match delivery.state {
            State::Completed | State::Presumed | State::Started => sums.used += 1,
            State::Open | State::Offered | State::Released => {}
        }
        if delivery.state != State::Offered {
            sums.size_largest = sums.size_largest.max(delivery.version.size);
        }
        if delivery.closed.is_some() {
            sums.bytes_closed = sums.bytes_closed.saturating_add(delivery.bytes_charged);
        }
        verify_delivery(grant, delivery, due, verified);
        Ok(())
    })?;
    verify_sums(grant, &history, &sums, verified);
    verified.grants += 1;
    Ok(())
}

/// What is in public, and who may enter, belongs to what is there.
fn verify_public(database: &Connection, verified: &mut Verified) -> Result<(), Fault> {
    public::each(database, &mut |placed| {
        let name = &placed.name;
        if !public::belongs(database, placed)? {
            verified.fault(match &placed.what {
                What::Stub(delivery) => format!("{name}, in public: {delivery} of {}, which it is for, is not there", placed.grant),
                What::Copy(_) => format!("{name}, in public: {}, which it is for, is not there", placed.grant),
            });
        }
        let due = rows::one(database, schema::PLACED_ENDED, [name.as_str()], |row| Ok(row.get::<_, i64>(1)?))?;
        if let Some(due) = due {
            verified.fault(format!("{name}, in public: it would be looked at at {due}, and its delivery has ended"));
        }
        Ok(())
    })?;
    credentials::each(database, &mut |credential| {
        if !credentials::belongs(database, credential)? {
            verified.fault(format!("{}, a user name of {}: the grant that it is for is not there", credential.user, credential.directory));
        }
        Ok(())
    })
}

fn verify_sums(grant: &Grant, history: &[Entry], sums: &Sums, verified: &mut Verified) {
    let id = grant.id;
    let (used, reserved) = (u64::from(grant.used), u64::from(grant.reserved));
    let was = |what: fn(&Amendment) -> bool| history.iter().any(|entry| matches!(&entry.act, Act::Amended(amendment) if what(amendment)));
    let was_reset = was(|amendment| matches!(amendment, Amendment::Reset));
    if grant.size_largest < sums.size_largest {
        verified.fault(format!("{id}: the largest file is said to have {} bytes, and one had {}", grant.size_largest, sums.size_largest));
    }
    // A reset lets what was used be forgotten; its deliveries stay.
    if used != sums.used && !(was_reset && used < sums.used) {
        verified.fault(format!("{id}: {used} downloads are used, and {} deliveries used one", sums.used));
    }
    if grant.bytes_closed != sums.bytes_closed && !(was_reset && grant.bytes_closed < sums.bytes_closed) {
        verified.fault(format!("{id}: {} bytes were sent, and its deliveries sent {}", grant.bytes_closed, sums.bytes_closed));
    }
    let was_changed = was(|amendment| matches!(amendment, Amendment::Allow(_)));
    if let Some(most) = grant.policy.max_downloads.filter(|most| used + reserved > u64::from(*most) && !was_changed) {
        verified.fault(format!("{id}: {used} downloads are used and {reserved} reserved, of {most}"));
    }
}

fn verify_delivery(grant: &Grant, delivery: &Delivery, due: Option<i64>, verified: &mut Verified) {
    let id = delivery.id;
    let is_over = matches!(delivery.state, State::Released | State::Presumed);
    let is_running = matches!(delivery.state, State::Offered | State::Open);
    if (is_over && delivery.closed.is_none()) || (is_running && delivery.closed.is_some()) {
        verified.fault(format!("{id}: it is {}, and has {}ended", delivery.state.word(), if is_over { "not " } else { "" }));
    }
    if delivery.state != State::Offered && (delivery.opened.is_none() || delivery.opened_by.is_none()) {
        verified.fault(format!("{id}: it is {}, and nothing opened it", delivery.state.word()));
    }
    let expected = rows::due(grant, delivery);
    let is_too_late = due.zip(expected).is_some_and(|(due, expected)| due > expected);
    if due.is_some() != expected.is_some() || is_too_late {
        let moment = |millis: i64| Moment::from_millis(u64::try_from(millis).unwrap_or_default());
        let shown = |millis: Option<i64>| millis.map_or_else(|| "no time".to_owned(), |millis| moment(millis).to_string());
        verified.fault(format!("{id}: it would be looked at at {}, and is due at {}", shown(due), shown(expected)));
    }
    if (delivery.state == State::Completed) != delivery.completed.is_some() {
        verified.fault(format!("{id}: it is {}, and has a moment of completion: {}", delivery.state.word(), delivery.completed.is_some()));
    }
    let size = delivery.version.size;
    if delivery.state == State::Completed && size > 0 && !delivery.coverage.values().any(|coverage| coverage.is_whole(size)) {
        verified.fault(format!("{id}: it is completed, and no client was sent all of its {size} bytes"));
    }
    let charge = |request: &crate::domain::delivery::Request| request.report.as_ref().map_or(request.bytes_max, Report::bytes_charged);
    let charged = delivery.requests.values().fold(0_u64, |sum, request| sum.saturating_add(charge(request)));
    let differs = if delivery.requests_folded == 0 { charged != delivery.bytes_charged } else { charged > delivery.bytes_charged };
    if differs {
        verified.fault(format!("{id}: {} bytes are charged, and its requests come to {charged}", delivery.bytes_charged));
    }
}

impl Verified {
    fn fault(&mut self, what: String) {
        if self.faults.len() < FAULTS_MAX { self.faults.push(what) } else { self.faults_more += 1 }
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }
}
