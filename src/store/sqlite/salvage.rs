//! What can still be read of a damaged file, as an export.
//!
//! Each row that can be read is copied into a database of its own, table by table: from both ends, and between them by
//! the keys that stand in the indices. What then belongs to nothing is left out, what was counted of a grant and cannot be
//! read is counted again from its deliveries, and the copy is exported as a whole store is. The damaged file is only
//! read. Where the list of tables itself is damaged, that is done with a copy in which it was mended ([`listed`]).

mod listed;
mod table;
mod unreadable;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use self::listed::Aside;
use self::table::{Table, name, shown, values};
use super::fault::Fault;
use super::open::{self, NotOpened};
use super::outbox;
use super::places;
use super::rows;
use super::schema::{self, MIGRATIONS};
use super::transfer::{self, NotMoved};
use super::upkeep::not;
use crate::store::record::Totals;

/// So many names of each kind are kept; what is more is counted only.
const NAMES_MAX: usize = 10_000;

/// What was saved, and what not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// What was written.
    pub totals: Totals,
    /// What was left out, by the name of its table.
    pub left_out: BTreeMap<String, LeftOut>,
    /// Grants of which what was counted could not be read, and was counted again from the deliveries that are left.
    pub counted_again: LeftOut,
    /// Grants that were open and whose order was left out. They are on hold: when the shop reports the order again it is a new
    /// one, which gets grants of its own.
    pub held: LeftOut,
}

/// Rows of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Their ids, or their numbers where they have none; the first of them.
    pub names: BTreeSet<String>,
    /// How many more there are.
    pub more: u64,
    /// Whether there may be others of which nothing is known.
    pub is_open: bool,
}

impl LeftOut {
    fn add(&mut self, name: String) {
        if self.names.len() < NAMES_MAX {
            self.names.insert(name);
        } else if !self.names.contains(&name) {
            self.more += 1;
        }
    }

    /// How many are known of.
    pub fn count(&self) -> u64 {
        self.names.len() as u64 + self.more
    }
}

impl Salvaged {
    /// Whether the store was read whole.
    pub fn is_whole(&self) -> bool {
        self.left_out.is_empty() && self.counted_again.count() == 0 && self.held.count() == 0
    }
}

/// Writes what can be read of the store at `path`. Where the list of tables is damaged, and what is left of it is not as
/// this program writes it, nothing can be read.
pub fn salvage(path: &Path, out: &mut dyn Write) -> Result<Salvaged, NotMoved> {
    let opened = open::look_at(path).map_err(|why| NotMoved::Store(NotOpened { path: path.to_owned(), why }));
    let failed = |fault: &Fault| NotMoved::Store(not(path, fault));
    opened?;
    let rows_max = std::fs::metadata(path).map_or(u64::MAX, |file| file.len());
    let mut rescue = Rescue::begin(path, rows_max).map_err(|fault| failed(&fault))?;
    rescue.save().map_err(|fault| failed(&fault))?;
    let totals = transfer::write_out(path, &rescue.copy, out)?;
    Ok(Salvaged { totals, ..rescue.salvaged })
}

/// A database without rows, whose tables are those of `version`.
fn empty(version: usize) -> Result<Connection, Fault> {
    // A file without a name, which SQLite removes: what is small stays in memory.
    let copy = Connection::open("")?;
    copy.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; BEGIN")?;
    for step in MIGRATIONS.iter().take(version) {
        copy.execute_batch(step)?;
    }
    Ok(copy)
}

/// The names of the tables, in the order in which they were made.
fn names(database: &Connection) -> Result<Vec<String>, Fault> {
    let listed = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid";
    rows::all(database, listed, [], |row| Ok(row.get(0)?))
}

struct Rescue {
    damaged: Connection,
    copy: Connection,
    version: usize,
    rows_max: u64,
    salvaged: Salvaged,
    /// What is read instead of the damaged file, if that has a list of tables that cannot be read.
    _aside: Option<Aside>,
}

/// From the first row on, and from the last one back.
const DIRECTIONS: [&str; 2] = ["ASC", "DESC"];

impl Rescue {
    fn begin(path: &Path, rows_max: u64) -> Result<Self, Fault> {
        let head = open::version_in_head(path).unwrap_or_default();
        let (damaged, version, aside) = match Self::read(path) {
            Ok((damaged, version)) => (damaged, version, None),
            Err(fault) => {
                let Some(aside) = listed::mended(path, head)? else { return Err(fault) };
                let (damaged, version) = Self::read(&aside.file())?;
                (damaged, version, Some(aside))
            }
        };
        Ok(Self { damaged, copy: empty(version)?, version, rows_max, salvaged: Salvaged::default(), _aside: aside })
    }

    /// Opens the file at `path`, in which every table is to be found; and the version of these.
    fn read(path: &Path) -> Result<(Connection, usize), Fault> {
        let damaged = open::open_to_read(path)?;
        // What the daemon writes meanwhile is not mixed in. Nothing is lost where an error ends it early.
        damaged.execute_batch("BEGIN")?;
        let version: i64 = damaged.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let version = usize::try_from(version).unwrap_or_default().min(MIGRATIONS.len());
        for name in names(&empty(version)?)? {
            damaged.prepare(&format!("SELECT 1 FROM {name}"))?;
        }
        Ok((damaged, version))
    }

    fn save(&mut self) -> Result<(), Fault> {
        let tables: Vec<Table> = names(&self.copy)?.into_iter().map(|name| Table::read(&self.copy, name)).collect::<Result<_, _>>()?;
        for table in &tables {
            self.save_table(table)?;
        }
        for table in &tables {
            self.leave_out_orphans(table)?;
        }
        for step in MIGRATIONS.iter().skip(self.version) {
            self.copy.execute_batch(step)?;
        }
        self.count_again()?;
        self.leave_out_unreadable()?;
        Ok(self.copy.execute_batch("COMMIT")?)
    }

    fn left_out(&mut self, table: &str) -> &mut LeftOut {
        self.salvaged.left_out.entry(table.to_owned()).or_default()
    }

    fn save_table(&mut self, table: &Table) -> Result<(), Fault> {
        if DIRECTIONS.iter().any(|direction| self.save_rows(table, &Table::ordered(&table.key, direction), &[])) {
            return Ok(());
        }
        let mut all_known = self.save_by_parent(table)?;
        let mut lost = BTreeSet::new();
        for (index, columns) in &table.indices {
            for direction in DIRECTIONS {
                all_known = all_known || self.save_by_index(table, (index, columns), direction, &mut lost)?;
            }
        }
        if !all_known {
            self.left_out(&table.name).is_open = true;
        }
        Ok(())
    }

    /// Copies the rows of a table that nothing lists but the rows to which they belong; whether it is one.
    fn save_by_parent(&mut self, table: &Table) -> Result<bool, Fault> {
        let Some((column, parent, to)) = table.parent() else { return Ok(false) };
        let rest = table.key.get(1..).unwrap_or_default();
        let parents = format!("SELECT {to}, id FROM {parent} ORDER BY {to}");
        for (number, id) in rows::all(&self.copy, &parents, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))? {
            let mut of = |direction: &&str| {
                self.save_rows(table, &format!("WHERE {column} = ?1 {}", Table::ordered(rest, direction)), &[number.into()])
            };
            if !DIRECTIONS.iter().any(&mut of) {
                if parent == "deliveries" {
                    // Only the sums tell of them.
                    self.copy.execute("UPDATE deliveries SET requests_folded = requests_folded + 1 WHERE number = ?1", [number])?;
                }
                self.left_out(&table.name).add(format!("of {id}"));
            }
        }
        Ok(true)
    }

    /// Copies the rows that `rest` selects until one cannot be reached; whether all were.
    fn save_rows(&mut self, table: &Table, rest: &str, parameters: &[Value]) -> bool {
        let mut unfit = Vec::new();
        let is_whole = self.each_row(table, rest, parameters, &mut unfit).is_ok();
        for name in unfit {
            self.left_out(&table.name).add(name);
        }
        is_whole
    }

    fn each_row(&self, table: &Table, rest: &str, parameters: &[Value], unfit: &mut Vec<String>) -> Result<(), Fault> {
        let mut statement = self.damaged.prepare_cached(&table.select(rest))?;
        let places = (1..=table.columns.len()).map(|number| format!("?{number}")).collect::<Vec<_>>().join(", ");
        let mut put =
            self.copy.prepare_cached(&format!("INSERT OR IGNORE INTO {} ({}) VALUES ({places})", table.name, table.columns.join(", ")))?;
        let mut found = statement.query(params_from_iter(parameters))?;
        let mut seen = 0;
        while let Some(row) = found.next()? {
            seen += 1;
            self.bound(seen)?;
            let values = values(row, table.columns.len());
            // What does not have the type of its column was not written by us.
            if values.is_none_or(|values| put.execute(params_from_iter(values)).is_err()) {
                unfit.push(name(row, table));
            }
        }
        Ok(())
    }

    /// Copies the rows that `index` lists, each by its key, that were not reached before; whether it lists them all. `lost`
    /// has the keys of those that could not be read.
    fn save_by_index(
        &mut self,
        table: &Table,
        (index, columns): (&str, &[String]),
        direction: &str,
        lost: &mut BTreeSet<String>,
    ) -> Result<bool, Fault> {
        let known = format!("SELECT 1 FROM {} {}", table.name, table.by_key());
        // What does not stand in the index would be looked for in the table.
        let mut listed = table.key.clone();
        listed.extend(columns.iter().filter(|column| *column == "id").cloned());
        let order = Table::ordered(columns, direction);
        let select = format!("SELECT {} FROM {} INDEXED BY {index} {order}", listed.join(", "), table.name);
        let mut missing = Vec::new();
        let is_whole = (|| -> Result<(), Fault> {
            let mut statement = self.damaged.prepare(&select)?;
            let mut found = statement.query([])?;
            let mut seen = 0;
            while let Some(row) = found.next()? {
                seen += 1;
                self.bound(seen)?;
                let Some(mut key) = values(row, listed.len()) else { continue };
                let id = key.split_off(table.key.len());
                if !self.copy.prepare_cached(&known)?.exists(params_from_iter(&key))? {
                    missing.push((key, id));
                }
            }
            Ok(())
        })();
        for (key, id) in missing {
            self.save_rows(table, &table.by_key(), &key);
            let text = |values: &[Value]| values.iter().map(|value| shown(value.into())).collect::<Vec<_>>().join("/");
            if !self.copy.prepare_cached(&known)?.exists(params_from_iter(&key))? && lost.insert(text(&key)) {
                self.left_out(&table.name).add(text(if id.is_empty() { &key } else { &id }));
            }
        }
        Ok(is_whole.is_ok())
    }

    /// Pages that lead in a circle would be read for ever.
    fn bound(&self, seen: u64) -> Result<(), Fault> {
        if seen > self.rows_max { Err(Fault::Unusable("more rows than bytes".to_owned())) } else { Ok(()) }
    }

    /// What belongs to a row that is not there.
    fn leave_out_orphans(&mut self, table: &Table) -> Result<(), Fault> {
        for (column, parent, to) in &table.refers {
            let condition = format!("WHERE NOT EXISTS (SELECT 1 FROM {parent} p WHERE p.{to} = {}.{column})", table.name);
            // What is a part of the other row goes with it.
            if table.parent().is_none() {
                let names = format!("SELECT CAST({} AS TEXT) FROM {} {condition}", table.naming(), table.name);
                self.leave_out(&table.name, &names, [])?;
            }
            self.copy.execute(&format!("DELETE FROM {} {condition}", table.name), [])?;
        }
        Ok(())
    }

    fn leave_out(&mut self, table: &str, names: &str, parameters: impl rusqlite::Params) -> Result<(), Fault> {
        for name in rows::all(&self.copy, names, parameters, |row| Ok(row.get::<_, String>(0)?))? {
            self.left_out(table).add(name);
        }
        Ok(())
    }

    /// Counts what was lost of grants that are there.
    fn count_again(&mut self) -> Result<(), Fault> {
        let lost = "SELECT id FROM grants g WHERE NOT EXISTS (SELECT 1 FROM counts c WHERE c.grant_number = g.number)";
        for id in rows::all(&self.copy, lost, [], |row| Ok(row.get::<_, String>(0)?))? {
            self.salvaged.counted_again.add(id);
        }
        // Each is named by its grant.
        self.salvaged.left_out.remove("counts");
        self.copy.execute_batch(COUNT_AGAIN)?;
        Ok(())
    }

    /// Leaves out what can be reached and does not hold what we write.
    fn leave_out_unreadable(&mut self) -> Result<(), Fault> {
        for number in rows::all(&self.copy, "SELECT number FROM grants ORDER BY number", [], |row| Ok(row.get::<_, i64>(0)?))? {
            if rows::all(&self.copy, schema::GRANTS_FROM, [number - 1, 1], rows::grant).is_err() {
                self.leave_out("grants", "SELECT id FROM grants WHERE number = ?1", [number])?;
                self.leave_out("links", "SELECT id FROM links WHERE grant_number = ?1", [number])?;
                self.leave_out("deliveries", "SELECT id FROM deliveries WHERE grant_number = ?1", [number])?;
                self.leave_out("history", "SELECT CAST(number AS TEXT) FROM history WHERE grant_number = ?1", [number])?;
                for sql in FORGET_GRANT {
                    self.copy.execute(sql, [number])?;
                }
                continue;
            }
            if rows::all(&self.copy, schema::LINKS_OF_NUMBER, [number], rows::link).is_err() {
                let one = |copy: &Connection, id: &str| rows::one(copy, schema::LINK, [id], rows::link).is_ok();
                self.sieve("links", "SELECT id FROM links WHERE grant_number = ?1", number, one)?;
            }
            if rows::all(&self.copy, schema::HISTORY_OF_NUMBER, [number], rows::entry).is_err() {
                let entry = "SELECT at, author, act FROM history WHERE CAST(number AS TEXT) = ?1";
                let one = |copy: &Connection, entry_number: &str| rows::one(copy, entry, [entry_number], rows::entry).is_ok();
                self.sieve("history", "SELECT CAST(number AS TEXT) FROM history WHERE grant_number = ?1", number, one)?;
            }
            self.sieve("deliveries", "SELECT id FROM deliveries WHERE grant_number = ?1", number, |copy, id| {
                rows::one(copy, schema::DELIVERY_BY_ID, [id], |row| rows::delivery(copy, row)).is_ok()
            })?;
        }
        self.leave_out_of_public()?;
        self.leave_out_of_sales()?;
        self.sieve("outbox", "SELECT id FROM outbox WHERE ?1 = 0", 0, |copy, id| {
            rows::one(copy, schema::outbox::MESSAGE, [id], outbox::message).is_ok()
        })?;
        let path = "directory || ' ' || path";
        let place = format!("SELECT directory, path, device, inode, left_at FROM places WHERE {path} = ?1");
        self.sieve("places", &format!("SELECT {path} FROM places WHERE ?1 = 0"), 0, |copy, name| {
            rows::one(copy, &place, [name], places::place).is_ok()
        })?;
        let hours = "SELECT CAST(hour AS TEXT) || ' ' || what FROM tallies WHERE ?1 = 0";
        let tally = "SELECT hour, what, count FROM tallies WHERE CAST(hour AS TEXT) || ' ' || what = ?1";
        if rows::all(&self.copy, schema::ALL_TALLIES, [], rows::tally).is_err() {
            self.sieve("tallies", hours, 0, |copy, name| rows::one(copy, tally, [name], rows::tally).is_ok())?;
        }
        if rows::all(&self.copy, schema::FEEDS, [], rows::position).is_err() {
            self.sieve("feeds", "SELECT name FROM feeds WHERE ?1 = 0", 0, |_, _| false)?;
        }
        Ok(())
    }

    /// Leaves out those of the rows that `names` selects for which `is_good` does not hold.
    fn sieve(&mut self, table: &str, names: &str, of: i64, is_good: impl Fn(&Connection, &str) -> bool) -> Result<(), Fault> {
        for name in rows::all(&self.copy, names, [of], |row| Ok(row.get::<_, String>(0)?))? {
            if is_good(&self.copy, &name) {
                continue;
            }
            if table == "deliveries" {
                // It may be one of its requests.
                self.copy.execute(FORGET_PARTS[0], [&name])?;
                self.copy.execute(FORGET_PARTS[1], [&name])?;
                self.copy.execute("UPDATE deliveries SET requests_folded = requests_folded + 1 WHERE id = ?1", [&name])?;
                if is_good(&self.copy, &name) {
                    self.left_out("requests").add(format!("of {name}"));
                    continue;
                }
            }
            self.copy.execute(&format!("DELETE FROM {table} WHERE {} = ?1", named_by(table)), [&name])?;
            self.left_out(table).add(name);
        }
        Ok(())
    }
}

/// What [`Rescue::sieve`] knows a row of `table` by.
fn named_by(table: &str) -> &'static str {
    match table {
        "history" | "deeds" => "CAST(number AS TEXT)",
        "tallies" => "CAST(hour AS TEXT) || ' ' || what",
        "feeds" | "placed" => "name",
        "places" => "directory || ' ' || path",
        "credentials" => "user",
        "products" => "sku",
        _ => "id",
    }
}

const FORGET_PARTS: [&str; 2] = [
    "DELETE FROM requests WHERE delivery_number = (SELECT number FROM deliveries WHERE id = ?1)",
    "DELETE FROM coverage WHERE delivery_number = (SELECT number FROM deliveries WHERE id = ?1)",
];

const FORGET_GRANT: [&str; 7] = [
    "DELETE FROM requests WHERE delivery_number IN (SELECT number FROM deliveries WHERE grant_number = ?1)",
    "DELETE FROM coverage WHERE delivery_number IN (SELECT number FROM deliveries WHERE grant_number = ?1)",
    "DELETE FROM deliveries WHERE grant_number = ?1",
    "DELETE FROM links WHERE grant_number = ?1",
    "DELETE FROM history WHERE grant_number = ?1",
    "DELETE FROM counts WHERE grant_number = ?1",
    "DELETE FROM grants WHERE number = ?1",
];

const COUNT_AGAIN: &str = "
INSERT INTO counts (grant_number, used, bytes_closed, size_largest)
SELECT g.number, count(d.number) FILTER (WHERE d.state IN ('completed', 'presumed', 'started')), coalesce(sum(d.bytes_charged) FILTER (WHERE d.closed IS NOT NULL), 0),
    coalesce(max(d.size), 0)
FROM grants g LEFT JOIN deliveries d ON d.grant_number = g.number
WHERE g.number NOT IN (SELECT grant_number FROM counts) GROUP BY g.number;
";
