//! Rows and what they stand for.

use std::collections::BTreeMap;

use rusqlite::types::{FromSql, Value};
use rusqlite::{Connection, Row, params};

use super::fault::Fault;
use super::schema;
use crate::domain::delivery::{Delivery, Request, State};
use crate::domain::feed_position::FeedPosition;
use crate::domain::file::{FileRef, Version};
use crate::domain::grant::Grant;
use crate::domain::history::{Author, Entry};
use crate::domain::id::RequestId;
use crate::domain::link::Link;
use crate::domain::moment::Moment;
use crate::domain::tally::{Counted, Tally};
use crate::store::record::{
    ActRecord, DeliveryRecord, GrantRecord, LinkRecord, ReportRecord, RequestRecord, SoldRecord, Unreadable, Written,
};

/// The row's number in its table.
pub(super) type Number = i64;

/// A number as the database holds it: 63 bits. What is more is no size and no time that there is.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The highest moment that can be stored.
pub(super) const END_OF_TIME: Moment = Moment::from_millis(i64::MAX as u64);

pub(super) fn millis(moment: Moment) -> i64 {
    stored(moment.millis())
}

fn read_number(row: &Row<'_>, at: usize, field: &'static str) -> Result<u64, Fault> {
    let number: i64 = row.get(at)?;
    u64::try_from(number).map_err(|_| Unreadable::new(field, number).into())
}

fn read_optional(row: &Row<'_>, at: usize, field: &'static str) -> Result<Option<u64>, Fault> {
    let number: Option<i64> = row.get(at)?;
    number.map(|number| u64::try_from(number).map_err(|_| Unreadable::new(field, number).into())).transpose()
}

fn read_small<T: TryFrom<u64>>(row: &Row<'_>, at: usize, field: &'static str) -> Result<T, Fault> {
    let number = read_number(row, at, field)?;
    T::try_from(number).map_err(|_| Unreadable::new(field, number).into())
}

/// A grant that a statement selected by its columns.
pub(super) fn grant(row: &Row<'_>) -> Result<(Number, Grant), Fault> {
    let policy: String = row.get(5)?;
    let networks: String = row.get(13)?;
    let record = GrantRecord {
        id: row.get(1)?,
        storage: row.get(2)?,
        path: row.get(3)?,
        customer: row.get(4)?,
        policy: serde_json::from_str(&policy).map_err(|_| Unreadable::new("policy", &policy))?,
        created: read_number(row, 6, "created")?,
        expires: read_optional(row, 7, "expires")?,
        standing: row.get(8)?,
        used: read_small(row, 9, "used")?,
        reserved: read_small(row, 10, "reserved")?,
        bytes_closed: read_number(row, 11, "bytes_closed")?,
        size_largest: read_number(row, 12, "size_largest")?.max(read_optional(row, 14, "size")?.unwrap_or_default()),
        networks_seen: networks.split(',').filter(|network| !network.is_empty()).map(str::to_owned).collect(),
        sold: sold(row, 15)?,
    };
    Ok((row.get(0)?, Grant::try_from(record)?))
}

/// What a grant was sold as, from the column `at` on.
fn sold(row: &Row<'_>, at: usize) -> Result<Option<SoldRecord>, Fault> {
    let Some(order) = row.get::<_, Option<String>>(at)? else { return Ok(None) };
    let (line, sku, file) = (row.get(at + 1)?, row.get(at + 2)?, row.get(at + 3)?);
    Ok(Some(SoldRecord { order, line, sku, file, unit: read_small(row, at + 4, "unit")?, gate: row.get(at + 5)? }))
}

fn policy_text(grant: &GrantRecord) -> Result<String, Fault> {
    serde_json::to_string(&grant.policy).map_err(|fault| Unreadable::new("policy", fault).into())
}

pub(super) fn add_grant(database: &Connection, grant: &Grant) -> Result<Number, Fault> {
    let record = GrantRecord::from(grant);
    let policy = policy_text(&record)?;
    let sold = record.sold.as_ref();
    database.prepare_cached(schema::ADD_GRANT)?.execute(params![
        record.id,
        record.storage,
        record.path,
        record.customer,
        policy,
        stored(record.created),
        record.expires.map(stored),
        record.standing,
        record.networks_seen.join(","),
        sold.map(|sold| &sold.order),
        sold.map(|sold| &sold.line),
        sold.map(|sold| &sold.sku),
        sold.map(|sold| &sold.file),
        sold.map(|sold| sold.unit),
        sold.map(|sold| &sold.gate),
    ])?;
    let number = database.last_insert_rowid();
    let counts = params![number, record.used, stored(record.bytes_closed), stored(record.size_largest)];
    database.prepare_cached(schema::ADD_COUNTS)?.execute(counts)?;
    Ok(number)
}

/// Writes what ended deliveries count.
pub(super) fn count_grant(database: &Connection, number: Number, grant: &Grant) -> Result<(), Fault> {
    let counted = params![number, grant.used, stored(grant.bytes_closed), stored(grant.size_largest)];
    database.prepare_cached(schema::COUNT_GRANT)?.execute(counted)?;
    Ok(())
}

/// Writes what people change, and what is seldom seen for the first time.
pub(super) fn amend_grant(database: &Connection, number: Number, grant: &Grant) -> Result<(), Fault> {
    let record = GrantRecord::from(grant);
    let policy = policy_text(&record)?;
    let networks = record.networks_seen.join(",");
    database.prepare_cached(schema::AMEND_GRANT)?.execute(params![
        number,
        policy,
        record.expires.map(stored),
        record.standing,
        networks,
        record.sold.map(|sold| sold.gate),
    ])?;
    Ok(())
}

pub(super) fn link(row: &Row<'_>) -> Result<Link, Fault> {
    let record = LinkRecord {
        id: row.get(0)?,
        grant: row.get(1)?,
        created: read_number(row, 2, "created")?,
        expires: read_number(row, 3, "expires")?,
        revoked: row.get(4)?,
    };
    Ok(Link::try_from(record)?)
}

pub(super) fn add_link(database: &Connection, grant: Number, link: &Link) -> Result<(), Fault> {
    let of = params![link.id.written(), grant, millis(link.created), millis(link.expires), link.revoked];
    database.prepare_cached(schema::ADD_LINK)?.execute(of)?;
    Ok(())
}

/// A version, from four columns that begin at `at`.
pub(super) fn version(row: &Row<'_>, at: usize) -> Result<Version, Fault> {
    Ok(Version {
        size: read_number(row, at, "size")?,
        modified: Moment::from_millis(read_number(row, at + 1, "modified")?),
        etag: row.get(at + 2)?,
        media_type: row.get(at + 3)?,
    })
}

/// Where a delivery lies, if that is elsewhere than its grant's file.
pub(super) fn place(row: &Row<'_>, at: usize) -> Result<Option<FileRef>, Fault> {
    let text: Option<String> = row.get(at)?;
    Ok(text.map(|text| Written::read(&text, "lies")).transpose()?)
}

/// A delivery that a statement selected by its columns, with its requests and its coverage.
pub(super) fn delivery(database: &Connection, row: &Row<'_>) -> Result<(Number, Delivery), Fault> {
    let number: Number = row.get(0)?;
    let mut record = DeliveryRecord {
        id: row.get(1)?,
        grant: row.get(2)?,
        link: Some(row.get(3)?).filter(|link: &String| !link.is_empty()),
        size: read_number(row, 4, "size")?,
        modified: read_number(row, 5, "modified")?,
        etag: row.get(6)?,
        media_type: row.get(7)?,
        state: row.get(8)?,
        offered: read_number(row, 9, "offered")?,
        offered_again: read_optional(row, 10, "offered_again")?,
        opened: read_optional(row, 11, "opened")?,
        opened_by: row.get(12)?,
        active: read_number(row, 13, "active")?,
        completed: read_optional(row, 21, "completed")?,
        closed: read_optional(row, 14, "closed")?,
        cookie: row.get(15)?,
        address: row.get(16)?,
        agent: row.get(17)?,
        away: row.get(22)?,
        at: row.get(23)?,
        bytes_charged: read_number(row, 18, "bytes_charged")?,
        bytes_unplaced: read_number(row, 19, "bytes_unplaced")?,
        requests_folded: read_number(row, 20, "requests_folded")?,
        requests: Vec::new(),
        coverage: BTreeMap::new(),
    };
    // Of an offer that was never taken nobody asked for a byte: most are read to be opened, and nothing is looked for.
    if record.state != State::Offered.word() || record.offered_again.is_some() {
        record.requests = all(database, schema::REQUESTS, [number], request)?;
        record.coverage = all(database, schema::COVERAGE, [number], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect();
    }
    Ok((number, Delivery::try_from(record)?))
}

fn request(row: &Row<'_>) -> Result<RequestRecord, Fault> {
    let ended = read_optional(row, 5, "ended")?;
    let (first, total) = (read_optional(row, 9, "first")?, read_optional(row, 10, "total")?);
    let report = match ended {
        None => None,
        Some(ended) => Some(ReportRecord {
            ended,
            status: read_small(row, 6, "status")?,
            bytes: read_number(row, 7, "bytes")?,
            finished: row.get(8)?,
            from: first.zip(total),
        }),
    };
    Ok(RequestRecord {
        id: row.get(0)?,
        admitted: read_number(row, 1, "admitted")?,
        client: row.get(2)?,
        address: row.get(3)?,
        bytes_max: read_number(row, 4, "bytes_max")?,
        report,
    })
}

/// A delivery with the moment that stands in its row, behind its columns: when it is to be looked at again.
pub(super) fn delivery_and_due(database: &Connection, row: &Row<'_>) -> Result<(Number, Delivery, Option<i64>), Fault> {
    let (number, delivery) = delivery(database, row)?;
    Ok((number, delivery, row.get(24)?))
}

/// When `delivery` is to be looked at again. What stands in its row is never later, and may be earlier: each request
/// moves this moment, and an index that follows each of them costs more than all that it is for.
pub(super) fn due(grant: &Grant, delivery: &Delivery) -> Option<i64> {
    delivery.closed.is_none().then(|| millis(delivery.grace_ends(&grant.policy)))
}

pub(super) fn add_delivery(database: &Connection, grant_number: Number, grant: &Grant, delivery: &Delivery) -> Result<Number, Fault> {
    database.prepare_cached(schema::ADD_DELIVERY)?.execute(params![
        delivery.id.written(),
        grant_number,
        // The column was made before there were deliveries without one.
        delivery.link.as_ref().map(Written::written).unwrap_or_default(),
        stored(delivery.version.size),
        millis(delivery.version.modified),
        delivery.version.etag,
        delivery.version.media_type,
        delivery.state.word(),
        millis(delivery.offered),
        delivery.offered_again.map(millis),
        delivery.opened.map(millis),
        delivery.opened_by.as_ref().map(RequestId::as_str),
        millis(delivery.active),
        delivery.closed.map(millis),
        due(grant, delivery),
        delivery.cookie.written(),
        delivery.clicked_by.address.written(),
        delivery.clicked_by.agent,
        stored(delivery.bytes_charged),
        stored(delivery.bytes_unplaced),
        stored(delivery.requests_folded),
        delivery.completed.map(millis),
        delivery.away,
        delivery.at.as_ref().map(Written::written),
    ])?;
    let number = database.last_insert_rowid();
    put_parts(database, number, delivery)?;
    Ok(number)
}

/// Writes every request and every coverage of a delivery of which none stands.
pub(super) fn put_parts(database: &Connection, number: Number, delivery: &Delivery) -> Result<(), Fault> {
    for (id, request) in &delivery.requests {
        put_request(database, number, id, request)?;
    }
    for (client, coverage) in &delivery.coverage {
        database.prepare_cached(schema::PUT_COVERAGE)?.execute(params![number, client.written(), coverage.written()])?;
    }
    Ok(())
}

/// Forgets every request and every coverage of a delivery.
pub(super) fn forget_parts(database: &Connection, number: Number) -> Result<(), Fault> {
    database.prepare_cached(schema::FORGET_REQUESTS)?.execute([number])?;
    database.prepare_cached(schema::FORGET_ALL_COVERAGE)?.execute([number])?;
    Ok(())
}

/// Writes what changes of a delivery, its requests, its coverage and its end apart.
pub(super) fn change_delivery(database: &Connection, number: Number, delivery: &Delivery) -> Result<(), Fault> {
    database.prepare_cached(schema::CHANGE_DELIVERY)?.execute(params![
        number,
        delivery.state.word(),
        delivery.offered_again.map(millis),
        delivery.opened.map(millis),
        delivery.opened_by.as_ref().map(RequestId::as_str),
        millis(delivery.active),
        stored(delivery.bytes_charged),
        stored(delivery.bytes_unplaced),
        stored(delivery.requests_folded),
        delivery.completed.map(millis),
        delivery.away,
    ])?;
    Ok(())
}

/// Writes that a delivery has ended, and is not to be looked at again.
pub(super) fn end_delivery(database: &Connection, number: Number, delivery: &Delivery) -> Result<(), Fault> {
    database.prepare_cached(schema::END_DELIVERY)?.execute(params![number, delivery.closed.map(millis)])?;
    Ok(())
}

/// Writes when a delivery is to be looked at again.
pub(super) fn move_due(database: &Connection, number: Number, due: Option<i64>) -> Result<(), Fault> {
    database.prepare_cached(schema::MOVE_DUE)?.execute(params![number, due])?;
    Ok(())
}

pub(super) fn put_request(database: &Connection, number: Number, id: &RequestId, request: &Request) -> Result<(), Fault> {
    let report = request.report.as_ref();
    let from = report.and_then(|report| report.from);
    database.prepare_cached(schema::PUT_REQUEST)?.execute(params![
        number,
        id.as_str(),
        millis(request.admitted),
        request.client.written(),
        request.address.written(),
        stored(request.bytes_max),
        report.map(|report| millis(report.ended)),
        report.map(|report| report.status),
        report.map(|report| stored(report.bytes)),
        report.map(|report| report.finished),
        from.map(|(first, _)| stored(first)),
        from.map(|(_, total)| stored(total)),
    ])?;
    Ok(())
}

pub(super) fn entry(row: &Row<'_>) -> Result<Entry, Fault> {
    let act: String = row.get(2)?;
    let record: ActRecord = serde_json::from_str(&act).map_err(|_| Unreadable::new("act", &act))?;
    let author = Author { at: Moment::from_millis(read_number(row, 0, "at")?), name: row.get(1)? };
    Ok(Entry { author, act: record.try_into()? })
}

pub(super) fn write_down(database: &Connection, grant: Number, entry: &Entry) -> Result<(), Fault> {
    let act = serde_json::to_string(&ActRecord::from(&entry.act)).map_err(|fault| Unreadable::new("act", fault))?;
    database.prepare_cached(schema::WRITE_DOWN)?.execute(params![grant, millis(entry.author.at), entry.author.name, act])?;
    Ok(())
}

pub(super) fn tally(row: &Row<'_>) -> Result<Tally, Fault> {
    let what: String = row.get(1)?;
    Ok(Tally {
        hour: Moment::from_millis(read_number(row, 0, "hour")?),
        what: Counted::parse(&what).ok_or_else(|| Unreadable::new("what", &what))?,
        count: read_number(row, 2, "count")?,
    })
}

pub(super) fn count(database: &Connection, tally: &Tally) -> Result<(), Fault> {
    database.prepare_cached(schema::COUNT)?.execute(params![millis(tally.hour), tally.what.word(), stored(tally.count)])?;
    Ok(())
}

/// Device and inode are 64 bits, of which a database holds them all, the last one as a sign.
pub(super) fn position(row: &Row<'_>) -> Result<FeedPosition, Fault> {
    let (device, inode): (i64, i64) = (row.get(0)?, row.get(1)?);
    Ok(FeedPosition { device: device.cast_unsigned(), inode: inode.cast_unsigned(), offset: read_number(row, 2, "position")? })
}

pub(super) fn put_position(database: &Connection, name: &str, position: FeedPosition) -> Result<(), Fault> {
    let FeedPosition { device, inode, offset } = position;
    let place = params![name, device.cast_signed(), inode.cast_signed(), stored(offset)];
    database.prepare_cached(schema::PUT_POSITION)?.execute(place)?;
    Ok(())
}

/// All rows of `sql`, read by `read`.
pub(super) fn all<T>(
    database: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    read: impl Fn(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut statement = database.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// Tells everything page by page, so that little of it is in memory: `page` reads what is behind a place, from `first` on, and
/// `place` tells where a row stands.
pub(super) fn each<T, P>(
    first: P,
    page: impl Fn(&P) -> Result<Vec<T>, Fault>,
    place: impl Fn(&T) -> P,
    told: &mut dyn FnMut(&T) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut after = first;
    loop {
        let rows = page(&after)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = place(last);
        rows.iter().try_for_each(&mut *told)?;
    }
}

/// The one row of `sql`, if there is one, read by `read`.
pub(super) fn one<T>(
    database: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    let mut statement = database.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    rows.next()?.map(read).transpose()
}

/// One column of one row, if there is one.
pub(super) fn value<T: FromSql>(database: &Connection, sql: &str, parameters: impl rusqlite::Params) -> Result<Option<T>, Fault> {
    one(database, sql, parameters, |row| Ok(row.get(0)?))
}

/// Parameters of which the number is known when they are put together.
pub(super) fn values(values: Vec<Value>) -> impl rusqlite::Params {
    rusqlite::params_from_iter(values)
}
