//! Out of a store as lines of text, and into an empty one.

use std::io::{self, BufRead, Write};
use std::path::Path;

use rusqlite::Connection;

use super::callers;
use super::catalogue;
use super::credentials;
use super::deeds;
use super::fault::Fault;
use super::open::{self, NotOpened, Why};
use super::orders;
use super::outbox;
use super::places;
use super::public;
use super::rows::{self, Number};
use super::schema;
use super::upkeep::{each_delivery, each_grant, not};
use crate::config::Durability;
use crate::domain::api_key::ApiKey;
use crate::domain::catalogue::{File, Product};
use crate::domain::credential::DirectoryCredential;
use crate::domain::deed::Deed;
use crate::domain::delivery::{Delivery, State};
use crate::domain::feed_position::FeedPosition;
use crate::domain::grant::Grant;
use crate::domain::history::{Author, Entry};
use crate::domain::link::Link;
use crate::domain::message::Message;
use crate::domain::moment::Moment;
use crate::domain::order::Order;
use crate::domain::place::Place;
use crate::domain::placed::Placed;
use crate::domain::tally::{Counted, Tally};
use crate::store::record::{
    ActRecord, ApiKeyRecord, CredentialRecord, DeedRecord, DeliveryRecord, EntryRecord, FORMAT, FORMAT_FIRST, FeedRecord, FileRecord,
    GrantRecord, Head, Line, LinkRecord, MessageRecord, OrderRecord, PlaceRecord, PlacedRecord, ProductRecord, TallyRecord, Totals,
    Unreadable, Written,
};

/// A longer line is nobody's: a delivery remembers 512 requests and 4,096 ranges of each of 64 clients.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

const SAME_ID: &str = "the same id stood before";

/// Why nothing was imported, or not everything exported.
#[derive(Debug)]
pub enum NotMoved {
    /// The store.
    Store(NotOpened),
    /// What is written to or read from.
    Stream(io::Error),
    /// The store is not empty.
    NotEmpty,
    /// There is nothing to read.
    Empty,
    /// A line, by its number, and what is wrong with it.
    Line(u64, String),
}

impl std::fmt::Display for NotMoved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(not) => write!(f, "{not}"),
            Self::Stream(error) => write!(f, "{error}"),
            Self::NotEmpty => f.write_str("the store is not empty, and an import never mixes: move its file away first"),
            Self::Empty => f.write_str("it is empty, and no export is; nothing was imported"),
            Self::Line(number, what) => write!(f, "line {number}: {what}; nothing was imported"),
        }
    }
}

impl std::error::Error for NotMoved {}

/// Writes everything in the store at `path`, as it stands at one moment.
pub fn export(path: &Path, out: &mut dyn Write) -> Result<Totals, NotMoved> {
    let database = open::examine(path).map_err(NotMoved::Store)?;
    write_out(path, &database, out)
}

/// Writes everything in `database`, which is the store at `path` or what was saved of it.
pub(super) fn write_out(path: &Path, database: &Connection, out: &mut dyn Write) -> Result<Totals, NotMoved> {
    let mut totals = Totals::default();
    let mut stream: io::Result<()> = Ok(());
    let mut put = |line: &Line| {
        if stream.is_ok() {
            stream = serde_json::to_writer(&mut *out, line).map_err(io::Error::from).and_then(|()| out.write_all(b"\n"));
        }
        // A reader that went away ends it: nobody wants the rest.
        if stream.is_ok() { Ok(()) } else { Err(Fault::Database(rusqlite::Error::InvalidQuery)) }
    };
    let done = write_all(database, &mut totals, &mut put);
    stream.map_err(NotMoved::Stream)?;
    done.map_err(|fault| NotMoved::Store(not(path, &fault)))?;
    out.flush().map_err(NotMoved::Stream)?;
    Ok(totals)
}

fn write_all(database: &Connection, totals: &mut Totals, put: &mut dyn FnMut(&Line) -> Result<(), Fault>) -> Result<(), Fault> {
    let together = database.unchecked_transaction()?;
    put(&Line::CloakroomStore(Head { format: FORMAT, program: env!("CARGO_PKG_VERSION").to_owned() }))?;
    each_grant(&together, &mut |number, grant| {
        totals.grants += 1;
        put(&Line::Grant(Box::new(GrantRecord::from(grant))))?;
        for link in rows::all(&together, schema::LINKS_OF_NUMBER, [number], rows::link)? {
            totals.links += 1;
            put(&Line::Link(LinkRecord::from(&link)))?;
        }
        for Entry { author, act } in rows::all(&together, schema::HISTORY_OF_NUMBER, [number], rows::entry)? {
            totals.history += 1;
            let entry = EntryRecord { grant: grant.id.written(), at: author.at.millis(), author: author.name, act: ActRecord::from(&act) };
            put(&Line::History(entry))?;
        }
        each_delivery(&together, number, &mut |delivery, _| {
            totals.deliveries += 1;
            put(&Line::Delivery(Box::new(DeliveryRecord::from(delivery))))
        })
    })?;
    public::each(&together, &mut |placed| {
        totals.placed += 1;
        put(&Line::Placed(Box::new(PlacedRecord::from(placed))))
    })?;
    for place in places::all(&together)? {
        totals.places += 1;
        put(&Line::Place(PlaceRecord::from(&place)))?;
    }
    credentials::each(&together, &mut |credential| {
        totals.credentials += 1;
        put(&Line::Credential(Box::new(CredentialRecord::from(credential))))
    })?;
    catalogue::each_file(&together, &mut |file| {
        totals.files += 1;
        put(&Line::File(FileRecord::from(file)))
    })?;
    catalogue::each_product(&together, &mut |product| {
        totals.products += 1;
        put(&Line::Product(ProductRecord::from(product)))
    })?;
    orders::each(&together, &mut |order| {
        totals.orders += 1;
        put(&Line::Order(Box::new(OrderRecord::from(order))))
    })?;
    outbox::each(&together, &mut |message| {
        totals.messages += 1;
        put(&Line::Message(Box::new(MessageRecord::from(message))))
    })?;
    for key in callers::all(&together)? {
        totals.api_keys += 1;
        put(&Line::ApiKey(Box::new(ApiKeyRecord::from(&key))))?;
    }
    deeds::each(&together, &mut |deed| {
        totals.deeds += 1;
        put(&Line::Deed(DeedRecord::from(deed)))
    })?;
    for tally in rows::all(&together, schema::ALL_TALLIES, [], rows::tally)? {
        totals.tallies += 1;
        put(&Line::Tally(TallyRecord { hour: tally.hour.millis(), what: tally.what.word().to_owned(), count: tally.count }))?;
    }
    for (name, position) in rows::all(&together, schema::FEEDS, [], |row| Ok((row.get(3)?, rows::position(row)?)))? {
        totals.feeds += 1;
        let FeedPosition { device, inode, offset } = position;
        put(&Line::Feed(FeedRecord { name, device, inode, offset }))?;
    }
    put(&Line::End(*totals))
}

/// Reads what [`export`] wrote into the store at `path`, which is empty or not there; all of it or nothing. No daemon may
/// have it.
pub fn import(path: &Path, input: &mut dyn BufRead) -> Result<Totals, NotMoved> {
    let (database, _lock) = open::open(path, Durability::Full).map_err(NotMoved::Store)?;
    let failed = |fault: &Fault| NotMoved::Store(not(path, fault));
    let is_used: bool = rows::value(&database, schema::IS_USED, []).map_err(|fault| failed(&fault))?.unwrap_or(true);
    if is_used {
        return Err(NotMoved::NotEmpty);
    }
    database.execute_batch("BEGIN IMMEDIATE").map_err(|fault| failed(&fault.into()))?;
    let read = Reading { database: &database, totals: Totals::default(), grant: None, open: 0, number: 0 }.read(input, path)?;
    database.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);").map_err(|fault| failed(&fault.into()))?;
    Ok(read)
}

struct Reading<'a> {
    database: &'a Connection,
    totals: Totals,
    /// The grant that was read last, and its row.
    grant: Option<(Number, Grant)>,
    /// How many open deliveries of it were read.
    open: u32,
    /// The line's number.
    number: u64,
}

impl Reading<'_> {
    fn read(mut self, input: &mut dyn BufRead, path: &Path) -> Result<Totals, NotMoved> {
        let mut text = Vec::new();
        let mut is_over = false;
        loop {
            text.clear();
            let read = io::Read::take(&mut *input, LINE_BYTES_MAX).read_until(b'\n', &mut text).map_err(NotMoved::Stream)?;
            if read == 0 {
                break;
            }
            self.number += 1;
            let wrong = |what: String| NotMoved::Line(self.number, what);
            if is_over {
                return Err(wrong("something stands behind the last line".to_owned()));
            }
            let line: Line = serde_json::from_slice(&text).map_err(|fault| wrong(format!("is not a line of an export: {fault}")))?;
            if (self.number == 1) != matches!(line, Line::CloakroomStore(_)) {
                return Err(wrong("an export begins with its head, which stands nowhere else".to_owned()));
            }
            match self.take(line) {
                Ok(over) => is_over = over,
                Err(Wrong::Line(what)) => return Err(NotMoved::Line(self.number, what)),
                Err(Wrong::Store(Fault::Row(unreadable))) => return Err(NotMoved::Line(self.number, unreadable.to_string())),
                Err(Wrong::Store(Fault::Database(fault)))
                    if fault.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) =>
                {
                    return Err(NotMoved::Line(self.number, SAME_ID.to_owned()));
                }
                Err(Wrong::Store(fault)) => {
                    return Err(NotMoved::Store(NotOpened { path: path.to_owned(), why: Why::Database(fault.to_string()) }));
                }
            }
        }
        if is_over {
            Ok(self.totals)
        } else if self.number == 0 {
            Err(NotMoved::Empty)
        } else {
            Err(NotMoved::Line(self.number, "the file ends before its last line: it was cut off".to_owned()))
        }
    }

    /// Takes one line; whether it was the last.
    fn take(&mut self, line: Line) -> Result<bool, Wrong> {
        match line {
            Line::CloakroomStore(Head { format: FORMAT_FIRST..=FORMAT, .. }) => {}
            Line::CloakroomStore(Head { format, .. }) => {
                let known = format!("this program reads formats {FORMAT_FIRST} to {FORMAT}");
                return Err(Wrong::Line(format!("is of format {format}; {known}: a later version of Cloakroom wrote it")));
            }
            Line::Grant(record) => {
                let grant = Grant::try_from(*record)?;
                let number = rows::add_grant(self.database, &grant)?;
                self.is_whole()?;
                self.grant = Some((number, grant));
                self.totals.grants += 1;
            }
            Line::Link(record) => {
                let opens = Link::try_from(record)?;
                let (number, _) = self.of(&opens.grant.written())?;
                rows::add_link(self.database, number, &opens)?;
                self.totals.links += 1;
            }
            Line::History(record) => {
                let (number, _) = self.of(&record.grant)?;
                let author = Author { name: record.author, at: Moment::from_millis(record.at) };
                rows::write_down(self.database, number, &Entry { author, act: record.act.try_into()? })?;
                self.totals.history += 1;
            }
            Line::Delivery(record) => {
                let delivery = Delivery::try_from(*record)?;
                let (number, grant) = self.of(&delivery.grant.written())?;
                rows::add_delivery(self.database, number, grant, &delivery)?;
                self.open += u32::from(delivery.state == State::Open && delivery.closed.is_none());
                self.totals.deliveries += 1;
            }
            Line::Placed(record) => {
                let placed = Placed::try_from(*record)?;
                if !public::belongs(self.database, &placed)? {
                    return Err(Wrong::Line(format!("{} is for a grant or a delivery that does not stand before it", placed.name)));
                }
                public::add(self.database, &placed)?;
                self.totals.placed += 1;
            }
            Line::Place(record) => {
                places::add(self.database, &Place::try_from(record)?)?;
                self.totals.places += 1;
            }
            Line::Credential(record) => {
                let credential = DirectoryCredential::try_from(*record)?;
                if !credentials::belongs(self.database, &credential)? {
                    return Err(Wrong::Line(format!("{} is for a grant that does not stand before it", credential.user)));
                }
                if !credentials::named(self.database, &[credential.user])?.is_empty() {
                    return Err(Wrong::Line(SAME_ID.to_owned()));
                }
                credentials::add(self.database, &credential)?;
                self.totals.credentials += 1;
            }
            Line::File(record) => {
                catalogue::put_file(self.database, &File::try_from(record)?)?;
                self.totals.files += 1;
            }
            Line::Product(record) => {
                catalogue::put_product(self.database, &Product::try_from(record)?)?;
                self.totals.products += 1;
            }
            Line::Order(record) => {
                orders::put(self.database, &Order::try_from(*record)?)?;
                self.totals.orders += 1;
            }
            Line::Message(record) => {
                if !outbox::add(self.database, &Message::try_from(*record)?)? {
                    return Err(Wrong::Line(SAME_ID.to_owned()));
                }
                self.totals.messages += 1;
            }
            Line::Deed(record) => {
                deeds::add(self.database, &Deed::try_from(record)?)?;
                self.totals.deeds += 1;
            }
            Line::ApiKey(record) => {
                callers::add(self.database, &ApiKey::try_from(*record)?)?;
                self.totals.api_keys += 1;
            }
            Line::Tally(record) => {
                let what = Counted::parse(&record.what).ok_or_else(|| Unreadable::new("what", &record.what))?;
                rows::count(self.database, &Tally { hour: Moment::from_millis(record.hour), what, count: record.count })?;
                self.totals.tallies += 1;
            }
            Line::Feed(FeedRecord { name, device, inode, offset }) => {
                rows::put_position(self.database, &name, FeedPosition { device, inode, offset })?;
                self.totals.feeds += 1;
            }
            Line::End(totals) if totals == self.totals => {
                self.is_whole()?;
                return Ok(true);
            }
            Line::End(totals) => {
                return Err(Wrong::Line(format!("counts {totals:?}, and there were {:?}: lines are missing", self.totals)));
            }
        }
        Ok(false)
    }

    /// Fails where deliveries are missing that hold downloads of the grant that was read last.
    fn is_whole(&mut self) -> Result<(), Wrong> {
        let open = std::mem::take(&mut self.open);
        match &self.grant {
            Some((_, grant)) if grant.reserved != open => {
                let (id, reserved) = (grant.id, grant.reserved);
                Err(Wrong::Line(format!("{id} before it reserves {reserved} downloads, and {open} of its deliveries are open")))
            }
            _ => Ok(()),
        }
    }

    fn of(&self, id: &str) -> Result<(Number, &Grant), Wrong> {
        let found = self.grant.as_ref().filter(|(_, grant)| grant.id.written() == id);
        found
            .map(|(number, grant)| (*number, grant))
            .ok_or_else(|| Wrong::Line(format!("belongs to {id:?}, whose line is not the last grant's before it")))
    }
}

enum Wrong {
    Line(String),
    Store(Fault),
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        Self::Store(fault)
    }
}

impl From<Unreadable> for Wrong {
    fn from(unreadable: Unreadable) -> Self {
        Self::Store(unreadable.into())
    }
}
