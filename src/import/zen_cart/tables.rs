//! The rows of Zen Cart's five tables that say who may download what: of each only the columns that matter.
//!
//! Source of their names and types: `zc_install/sql/install/mysql_zencart.sql` of Zen Cart 1.5 to 3.0.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::import::{Cell, Fault, Position, Rows};

/// More rows than this are no shop that one machine serves.
pub const ROWS_MAX: usize = 5_000_000;

/// All texts together that are kept of them have no more bytes.
pub const TEXT_BYTES_MAX: usize = 512 * 1024 * 1024;

/// One file has no more shops, by the prefixes of their tables.
pub const SHOPS_MAX: usize = 100;

/// So many faults are told; the first ones are the causes.
pub const FAULTS_MAX: usize = 100;

/// Where a row was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The number of the file, from 0.
    pub file: usize,
    /// Line and column, from 1.
    pub at: (u64, u64),
}

/// Something that is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// Where.
    pub place: Place,
    /// What.
    pub what: String,
}

/// A row of `orders`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// `customers_id`.
    pub customer: u64,
    /// `customers_name`.
    pub name: String,
    /// `customers_email_address`.
    pub email: String,
    /// `date_purchased`, as `2026-03-28 10:00:00`, in the shop's own time.
    pub purchased: Option<String>,
    /// `orders_status`.
    pub status: i64,
    /// `language_code`, where this Zen Cart has it.
    pub language: String,
}

/// A row of `orders_products`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRow {
    /// `orders_id`.
    pub order: u64,
    /// `products_id`.
    pub product: u64,
    /// `products_name`.
    pub name: String,
}

/// A row of `orders_products_download`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadRow {
    /// `orders_id`.
    pub order: u64,
    /// `orders_products_id`.
    pub line: u64,
    /// `orders_products_filename`.
    pub file: String,
    /// `download_maxdays`.
    pub max_days: i64,
    /// `download_count`.
    pub count: i64,
    /// `products_prid`, `12` or `12:` and a hash of what was chosen; where this Zen Cart has it.
    pub product: String,
    /// `products_attributes_id`, where this Zen Cart has it and the row says it.
    pub attribute: Option<u64>,
}

/// A row of `products_attributes_download`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateRow {
    /// `products_attributes_filename`.
    pub file: String,
    /// `products_attributes_maxdays`.
    pub max_days: i64,
    /// `products_attributes_maxcount`.
    pub max_count: i64,
}

/// Rows by their number, with where they stand.
pub type Kept<Row> = BTreeMap<u64, (Row, Place)>;

/// The tables of one shop.
#[derive(Debug, Default)]
pub struct Shop {
    /// `orders`, by `orders_id`.
    pub orders: Kept<OrderRow>,
    /// `orders_products`, by `orders_products_id`.
    pub lines: Kept<LineRow>,
    /// `orders_products_download`, by `orders_products_download_id`.
    pub downloads: Kept<DownloadRow>,
    /// `products_attributes_download`, by `products_attributes_id`.
    pub templates: Kept<TemplateRow>,
    /// `products_id` of `products_attributes`, by `products_attributes_id`.
    pub attributes: Kept<u64>,
    /// What is wrong with the columns of a table that is called so.
    pub lacking: BTreeMap<&'static str, String>,
    /// Which tables were there.
    pub seen: [bool; Table::ALL.len()],
}

impl Shop {
    /// Whether the table was there, with or without rows.
    pub fn has(&self, table: Table) -> bool {
        self.seen.get(table as usize).copied().unwrap_or_default()
    }
}

/// A table that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `orders`.
    Orders,
    /// `orders_products`.
    Lines,
    /// `orders_products_download`.
    Downloads,
    /// `products_attributes_download`.
    Templates,
    /// `products_attributes`.
    Attributes,
}

impl Table {
    /// All of them; those whose names end with that of another are before it.
    pub const ALL: [Self; 5] = [Self::Orders, Self::Lines, Self::Downloads, Self::Templates, Self::Attributes];

    /// Its name without prefix.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Lines => "orders_products",
            Self::Downloads => "orders_products_download",
            Self::Templates => "products_attributes_download",
            Self::Attributes => "products_attributes",
        }
    }

    /// The columns that it must have, then those that newer ones have too.
    const fn columns(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Orders => (
                &["orders_id", "customers_id", "customers_name", "customers_email_address", "date_purchased", "orders_status"],
                &["language_code"],
            ),
            Self::Lines => (&["orders_products_id", "orders_id", "products_id", "products_name"], &[]),
            Self::Downloads => (
                &[
                    "orders_products_download_id",
                    "orders_id",
                    "orders_products_id",
                    "orders_products_filename",
                    "download_maxdays",
                    "download_count",
                ],
                &["products_prid", "products_attributes_id"],
            ),
            Self::Templates => (
                &["products_attributes_id", "products_attributes_filename", "products_attributes_maxdays", "products_attributes_maxcount"],
                &[],
            ),
            Self::Attributes => (&["products_attributes_id", "products_id", "options_id"], &[]),
        }
    }

    /// The table that a file without its name has the columns of.
    fn by_columns(columns: &[String]) -> Option<Self> {
        let has = |name: &str| columns.iter().any(|column| column == name);
        let sign = |table: &Self| match table {
            Self::Orders => has("orders_status") && has("date_purchased"),
            Self::Lines => has("orders_products_id") && has("products_name"),
            Self::Downloads => has("orders_products_download_id"),
            Self::Templates => has("products_attributes_filename"),
            Self::Attributes => has("products_attributes_id") && has("options_id"),
        };
        Self::ALL.into_iter().find(sign)
    }
}

/// Takes the rows of files, and keeps what matters.
#[derive(Debug, Default)]
pub struct Tables {
    /// By the prefix of the tables' names; CSV has none.
    shops: BTreeMap<String, Shop>,
    /// Of which shop which table is read now.
    reading: Option<(String, Table)>,
    file: usize,
    rows: usize,
    text_bytes: usize,
    faults: Vec<RowFault>,
    faults_total: usize,
}

/// Why there is no shop in what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAShop {
    /// These rows are wrong, and how many are.
    Faults(Vec<RowFault>, usize),
    /// Something else.
    Other(String),
}

impl Tables {
    /// The next file begins.
    pub fn begin(&mut self, file: usize) {
        (self.file, self.reading) = (file, None);
    }

    /// How many rows were kept.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The shop whose tables have this prefix, or the only one.
    pub fn shop(mut self, prefix: Option<&str>) -> Result<Shop, NotAShop> {
        if self.faults_total > 0 {
            return Err(NotAShop::Faults(self.faults, self.faults_total));
        }
        let sold: Vec<String> = self
            .shops
            .iter()
            .filter(|(_, shop)| shop.has(Table::Downloads) || shop.has(Table::Templates))
            .map(|(name, _)| name.clone())
            .collect();
        let names = || sold.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let chosen = match (prefix, sold.as_slice()) {
            (Some(prefix), _) if sold.iter().any(|name| name == prefix) => prefix.to_owned(),
            (Some(prefix), _) => {
                let what = format!("no table is called `{prefix}orders_products_download` (prefixes that there are: {})", names());
                return Err(NotAShop::Other(what));
            }
            (None, [only]) => only.clone(),
            (None, []) => {
                let what = "none of the files has a table `orders_products_download` or `products_attributes_download`";
                return Err(NotAShop::Other(what.to_owned()));
            }
            (None, _) => return Err(NotAShop::Other(format!("there are several shops: say --prefix, one of {}", names()))),
        };
        Ok(self.shops.remove(&chosen).unwrap_or_default())
    }

    fn fault(&mut self, place: Place, what: String) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(RowFault { place, what });
        }
    }

    fn keep(&mut self, cells: Vec<Cell>, place: Place) -> Result<(), String> {
        let Some((prefix, table)) = self.reading.clone() else { return Ok(()) };
        let shop = self.shops.entry(prefix).or_default();
        let mut row = Row { table, names: table.columns(), cells, at: 0 };
        let id = row.number()?;
        match table {
            Table::Orders => {
                let customer = row.number()?;
                let (name, email, purchased, status) = (row.text(), row.text(), row.cell(), row.signed()?);
                put(&mut shop.orders, id, OrderRow { customer, name, email, purchased, status, language: row.text() }, place, table)
            }
            Table::Lines => {
                let (order, product) = (row.number()?, row.number()?);
                put(&mut shop.lines, id, LineRow { order, product, name: row.text() }, place, table)
            }
            Table::Downloads => {
                let (order, line, file) = (row.number()?, row.number()?, row.text());
                let (max_days, count, product) = (row.signed()?, row.signed()?, row.text());
                let attribute = row.optional()?.filter(|attribute| *attribute > 0);
                put(&mut shop.downloads, id, DownloadRow { order, line, file, max_days, count, product, attribute }, place, table)
            }
            Table::Templates => {
                let file = row.text();
                // Both may be NULL, which is 0 to PHP.
                let (max_days, max_count) = (row.signed_or_zero()?, row.signed_or_zero()?);
                put(&mut shop.templates, id, TemplateRow { file, max_days, max_count }, place, table)
            }
            Table::Attributes => {
                let product = row.number()?;
                put(&mut shop.attributes, id, product, place, table)
            }
        }
    }
}

fn put<R: PartialEq>(kept: &mut Kept<R>, id: u64, row: R, place: Place, table: Table) -> Result<(), String> {
    match kept.entry(id) {
        Entry::Vacant(free) => drop(free.insert((row, place))),
        Entry::Occupied(known) if known.get().0 == row => {}
        Entry::Occupied(_) => {
            return Err(format!("row {id} of {} was there before, with other values: are these files of one moment?", table.name()));
        }
    }
    Ok(())
}

impl Rows for Tables {
    fn table(&mut self, name: Option<&str>, columns: &[String]) -> Result<Option<Vec<usize>>, String> {
        self.reading = None;
        let found = match name {
            Some(name) => Table::ALL.into_iter().find_map(|table| Some((name.strip_suffix(table.name())?.to_owned(), table))),
            None => Some((String::new(), Table::by_columns(columns).ok_or_else(unknown)?)),
        };
        let Some((prefix, table)) = found else { return Ok(None) };
        if self.shops.len() >= SHOPS_MAX && !self.shops.contains_key(&prefix) {
            return Err(format!("is that of one shop more than {SHOPS_MAX}: divide the files"));
        }
        let (needed, optional) = table.columns();
        let mut places = Vec::new();
        for wanted in needed {
            match columns.iter().position(|column| column == wanted) {
                Some(place) => places.push(place),
                None if name.is_none() || columns.is_empty() => return Err(format!("has no column `{wanted}`")),
                // Others may call a table so.
                None => {
                    let lacking = format!("`{prefix}{}` has no column `{wanted}`", table.name());
                    self.shops.entry(prefix).or_default().lacking.insert(table.name(), lacking);
                    return Ok(None);
                }
            }
        }
        // One that is not there is read from a place that no row has.
        places.extend(optional.iter().map(|wanted| columns.iter().position(|column| column == wanted).unwrap_or(usize::MAX)));
        let shop = self.shops.entry(prefix.clone()).or_default();
        if let Some(seen) = shop.seen.get_mut(table as usize) {
            *seen = true;
        }
        self.reading = Some((prefix, table));
        Ok(Some(places))
    }

    fn row(&mut self, cells: Vec<Cell>, at: Position) -> Result<(), Fault> {
        self.rows += 1;
        self.text_bytes += cells.iter().flatten().map(String::len).sum::<usize>();
        if self.rows > ROWS_MAX {
            return Err(Fault::new(at, format!("more than {ROWS_MAX} rows: divide the files")));
        }
        if self.text_bytes > TEXT_BYTES_MAX {
            return Err(Fault::new(at, format!("rows of more than {TEXT_BYTES_MAX} bytes together: divide the files")));
        }
        let place = Place { file: self.file, at: (at.line, at.column) };
        if let Err(what) = self.keep(cells, place) {
            self.fault(place, what);
        }
        Ok(())
    }
}

fn unknown() -> String {
    let names: Vec<&str> = Table::ALL.iter().map(|table| table.name()).collect();
    format!("the first line is not that of one of the tables {}", names.join(", "))
}

/// A row, column by column.
struct Row {
    table: Table,
    names: (&'static [&'static str], &'static [&'static str]),
    cells: Vec<Cell>,
    at: usize,
}

impl Row {
    fn cell(&mut self) -> Cell {
        self.at += 1;
        self.cells.get_mut(self.at - 1).and_then(Option::take)
    }

    fn text(&mut self) -> String {
        self.cell().unwrap_or_default()
    }

    fn fault(&self, text: &str, wanted: &str) -> String {
        let (needed, optional) = self.names;
        let column = needed.iter().chain(optional).nth(self.at - 1).copied().unwrap_or_default();
        let shown: String = text.chars().take(40).collect();
        format!("{}.{column}: `{shown}` must be {wanted}", self.table.name())
    }

    fn number(&mut self) -> Result<u64, String> {
        let text = self.text();
        text.trim().parse().map_err(|_| self.fault(&text, "a number"))
    }

    fn optional(&mut self) -> Result<Option<u64>, String> {
        let Some(text) = self.cell().filter(|text| !text.is_empty()) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| self.fault(&text, "a number or NULL"))
    }

    fn signed(&mut self) -> Result<i64, String> {
        let text = self.text();
        text.trim().parse::<i32>().map(i64::from).map_err(|_| self.fault(&text, "a number"))
    }

    fn signed_or_zero(&mut self) -> Result<i64, String> {
        let Some(text) = self.cell() else { return Ok(0) };
        text.trim().parse::<i32>().map(i64::from).map_err(|_| self.fault(&text, "a number or NULL"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_rows_has_an_end_that_is_told_with_its_line() {
        let at = Position { line: 7, column: 3 };
        let columns: Vec<String> = Table::Attributes.columns().0.iter().map(|column| (*column).to_owned()).collect();
        let mut seen = 0;
        for (rows, text_bytes, fault) in [
            (0, 0, None),
            (ROWS_MAX - 1, 0, None),
            (ROWS_MAX, 0, Some("7:3: more than 5000000 rows")),
            (0, TEXT_BYTES_MAX - 6, None),
            (0, TEXT_BYTES_MAX - 5, Some("7:3: rows of more than 536870912 bytes")),
        ] {
            let mut tables = Tables { rows, text_bytes, ..Tables::default() };
            assert_eq!(tables.table(Some("products_attributes"), &columns), Ok(Some(vec![0, 1, 2])));
            let row = tables.row(["10", "20", "30"].map(|cell| Some(cell.to_owned())).into(), at);
            match fault {
                None => assert_eq!((row, tables.rows()), (Ok(()), rows + 1)),
                Some(fault) => assert!(row.clone().unwrap_err().to_string().starts_with(fault), "{row:?}"),
            }
            seen += 1;
        }
        assert_eq!(seen, 5);
        let mut tables = Tables::default();
        for shop in 0..SHOPS_MAX {
            assert!(tables.table(Some(&format!("z{shop}_products_attributes")), &columns).is_ok());
        }
        assert!(tables.table(Some("z0_products_attributes"), &columns).is_ok());
        assert!(tables.table(Some("other_products_attributes"), &columns).unwrap_err().contains("more than 100"));
    }
}
