//! What the store's file says, beside what nginx wrote down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// A grant's numbers.
#[derive(Debug)]
pub struct Grant {
    pub max: Option<i64>,
    pub used: i64,
    pub reserved: i64,
    pub size: i64,
    pub retry: i64,
}

/// A delivery's.
#[derive(Debug)]
pub struct Delivery {
    pub grant: String,
    pub state: String,
    pub is_closed: bool,
    pub charged: i64,
    pub folded: i64,
    pub size: i64,
    /// By request: the most that it may send, and what was reported: status and bytes.
    pub requests: BTreeMap<String, (i64, Option<(i64, i64)>)>,
}

/// One moment of the file.
#[derive(Debug)]
pub struct Books {
    pub grants: BTreeMap<String, Grant>,
    pub deliveries: BTreeMap<String, Delivery>,
    /// Of the feed's log, so many bytes are settled.
    pub settled: i64,
    /// Bytes that were reported, over all hours.
    pub bytes: i64,
}

/// A line that nginx wrote.
#[derive(Debug)]
pub struct Line {
    pub request: String,
    pub delivery: String,
    pub status: i64,
    pub bytes: i64,
    pub first: i64,
}

impl Books {
    /// Reads the file while whoever has it goes on.
    #[track_caller]
    pub fn read(path: &Path) -> Self {
        let mut database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        database.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
        let now = database.transaction().unwrap();
        let mut grants = BTreeMap::new();
        let live = "FROM deliveries d WHERE d.grant_number = g.number AND d.closed IS NULL";
        let sql = format!(
            "SELECT id, policy, used, (SELECT count(*) {live} AND d.state = 'open'), \
             max(size_largest, coalesce((SELECT max(size) {live} AND d.state <> 'offered'), 0)) \
             FROM grants g JOIN counts ON grant_number = number"
        );
        each(&now, &sql, |row| {
            let policy: Value = serde_json::from_str(&row.get::<_, String>(1).unwrap()).unwrap();
            let grant = Grant {
                max: policy["max_downloads"].as_i64(),
                used: row.get(2).unwrap(),
                reserved: row.get(3).unwrap(),
                size: row.get(4).unwrap(),
                retry: policy["retry_factor"].as_i64().unwrap(),
            };
            grants.insert(row.get::<_, String>(0).unwrap(), grant);
        });
        let (mut deliveries, mut ids) = (BTreeMap::new(), BTreeMap::new());
        let sql = "SELECT d.number, d.id, g.id, d.state, d.closed IS NOT NULL, d.bytes_charged, d.requests_folded, d.size \
                   FROM deliveries d JOIN grants g ON g.number = d.grant_number";
        each(&now, sql, |row| {
            let delivery = Delivery {
                grant: row.get(2).unwrap(),
                state: row.get(3).unwrap(),
                is_closed: row.get(4).unwrap(),
                charged: row.get(5).unwrap(),
                folded: row.get(6).unwrap(),
                size: row.get(7).unwrap(),
                requests: BTreeMap::new(),
            };
            let id: String = row.get(1).unwrap();
            ids.insert(row.get::<_, i64>(0).unwrap(), id.clone());
            deliveries.insert(id, delivery);
        });
        each(&now, "SELECT delivery_number, id, bytes_max, status, bytes FROM requests", |row| {
            let (number, status, bytes): (i64, Option<i64>, Option<i64>) = (row.get(0).unwrap(), row.get(3).unwrap(), row.get(4).unwrap());
            let of = deliveries.get_mut(&ids[&number]).unwrap();
            of.requests.insert(row.get(1).unwrap(), (row.get(2).unwrap(), status.zip(bytes)));
        });
        let one = |sql: &str| now.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let settled = one("SELECT coalesce(max(position), 0) FROM feeds");
        let bytes = one("SELECT coalesce(sum(count), 0) FROM tallies WHERE what = 'bytes'");
        Self { grants, deliveries, settled, bytes }
    }

    /// Fails unless everything that must hold at every moment does.
    #[track_caller]
    pub fn assert_true(&self, when: &str) {
        let mut seen = BTreeSet::new();
        let (mut open, mut used): (BTreeMap<&str, i64>, BTreeMap<&str, i64>) = Default::default();
        for (id, delivery) in &self.deliveries {
            *open.entry(&delivery.grant).or_default() += i64::from(delivery.state == "open");
            assert!(delivery.state != "open" || !delivery.is_closed, "{when}: {id} {delivery:#?}");
            let is_used = ["completed", "presumed", "started"].contains(&delivery.state.as_str());
            *used.entry(&delivery.grant).or_default() += i64::from(is_used);
            let sent = |(most, report): &(i64, Option<(i64, i64)>)| match report {
                Some((status, bytes)) => {
                    if *status < 300 {
                        *bytes
                    } else {
                        0
                    }
                }
                None => *most,
            };
            let charged: i64 = delivery.requests.values().map(sent).sum();
            assert!(delivery.folded > 0 || delivery.charged == charged, "{when}: {id} {delivery:#?}");
            for request in delivery.requests.keys() {
                assert!(seen.insert(request), "{when}: {request} is charged to two deliveries");
            }
        }
        for (id, grant) in &self.grants {
            assert!(grant.max.is_none_or(|max| grant.used + grant.reserved <= max), "{when}: {id} {grant:?}");
            let counted = (used.get(id.as_str()).copied().unwrap_or(0), open.get(id.as_str()).copied().unwrap_or(0));
            assert_eq!((grant.used, grant.reserved), counted, "{when}: {id} {grant:?}");
        }
    }

    /// Fails unless the books hold what nginx wrote down, once.
    #[track_caller]
    pub fn assert_settled(&self, lines: &[Line]) {
        let (mut bytes, mut sent): (i64, BTreeMap<&str, i64>) = Default::default();
        let mut pieces: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
        for line in lines {
            // What was sent was admitted, and what was admitted is durable.
            let delivery = self.deliveries.get(&line.delivery).unwrap_or_else(|| panic!("of a delivery that is not there: {line:?}"));
            let known = delivery.requests.get(&line.request);
            assert!(known.is_some() || delivery.folded > 0, "of a request that is not there: {line:?} {delivery:#?}");
            if let Some((_, report)) = known {
                assert_eq!(*report, Some((line.status, line.bytes)), "{line:?}");
            }
            bytes += line.bytes;
            if line.status < 300 {
                *sent.entry(&delivery.grant).or_default() += line.bytes;
                pieces.entry(&line.delivery).or_default().push((line.first, line.first + line.bytes));
            }
        }
        assert_eq!(self.bytes, bytes, "each line is counted once");
        for (id, grant) in &self.grants {
            let (sent, max) = (sent.get(id.as_str()).copied().unwrap_or(0), grant.max.unwrap());
            assert!(sent <= max * (1 + grant.retry) * grant.size, "{id}: {sent} {grant:?}");
        }
        for (id, pieces) in &mut pieces {
            pieces.sort_unstable();
            let covered = pieces.iter().fold(0, |reached, (first, end)| if *first <= reached { reached.max(*end) } else { reached });
            let delivery = &self.deliveries[*id];
            let whole = covered >= delivery.size;
            let is_used = ["completed", "presumed"].contains(&delivery.state.as_str());
            assert!(!whole || is_used, "{id} arrived and is not counted: {delivery:#?}");
        }
    }
}

fn each(database: &Connection, sql: &str, mut read: impl FnMut(&rusqlite::Row<'_>)) {
    let mut statement = database.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        read(row);
    }
}

/// What SQLite finds wrong with the file.
pub fn integrity(path: &Path) -> String {
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
    let first: String = database.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).unwrap();
    let orphans = database.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap();
    if orphans { "a row of nobody".to_owned() } else { first }
}

/// The lines that are whole.
pub fn lines(reported: &[String]) -> Vec<Line> {
    let read = |line: &String| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        let number = |name: &str| text(name).parse::<i64>().unwrap();
        let first = text("range").strip_prefix("bytes ").and_then(|range| range.split('-').next()?.parse().ok()).unwrap_or(0);
        Line { request: text("request"), delivery: text("delivery"), status: number("status"), bytes: number("bytes"), first }
    };
    reported.iter().map(read).collect()
}
