//! Tables of other shops, as their databases give them out, and what they mean here. Pure: whoever reads the files hands
//! over their bytes, in parts of any size.
//!
//! [`text::Text`] tells CSV from an SQL dump and reads either, row by row; [`zen_cart::tables::Tables`] takes the rows
//! that matter of Zen Cart's tables and nothing else of them (a dump holds addresses and more); [`zen_cart::plan`] says
//! what they mean.

use std::fmt;

pub mod csv;
pub mod sql;
pub mod text;
pub mod zen_cart;

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// From 1.
    pub line: u64,
    /// In bytes, from 1: a dump has a thousand rows on one line.
    pub column: u64,
}

impl Position {
    /// The first byte.
    pub const START: Self = Self { line: 1, column: 1 };

    /// Goes on by one byte.
    pub(crate) const fn pass(&mut self, byte: u8) {
        if byte == b'\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub at: Position,
    /// What, and what would be right.
    pub what: String,
}

impl Fault {
    pub(crate) fn new(at: Position, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

impl std::error::Error for Fault {}

/// What stands in a column of a row; `None` is NULL.
pub type Cell = Option<String>;

/// Takes rows.
pub trait Rows {
    /// Rows follow of the table of this name (CSV says none) with these columns. Answers the places of those that are
    /// wanted, in the order in which [`row`](Rows::row) gets them; `None` where the table does not matter. The error says
    /// what is missing.
    fn table(&mut self, name: Option<&str>, columns: &[String]) -> Result<Option<Vec<usize>>, String>;

    /// A row of that table: what was wanted of it. The error is that nothing more can be taken; what is wrong with one row is
    /// told at the end.
    fn row(&mut self, cells: Vec<Cell>, at: Position) -> Result<(), Fault>;
}

/// No table has more columns (4096 is the limit of the database itself).
const COLUMNS_MAX: usize = 4096;

/// The name of a table or of a column is not longer: 64 signs in the database itself, of at most 4 bytes.
const NAME_BYTES_MAX: usize = 256;

/// Reads the name of a table or of a column.
pub(crate) fn name(bytes: &[u8], at: Position) -> Result<String, Fault> {
    if bytes.len() > NAME_BYTES_MAX {
        return Err(Fault::new(at, format!("a name of more than {NAME_BYTES_MAX} bytes: no table or column is called so")));
    }
    utf8(bytes.to_vec(), at)
}

/// One more column of a table that has so many.
pub(crate) fn one_more_column(columns: usize, at: Position) -> Result<(), Fault> {
    if columns < COLUMNS_MAX { Ok(()) } else { Err(Fault::new(at, format!("a table of more than {COLUMNS_MAX} columns"))) }
}

/// Reads the bytes of a cell or of a name.
pub(crate) fn utf8(bytes: Vec<u8>, at: Position) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|fault| {
        let shown = String::from_utf8_lossy(fault.as_bytes()).chars().take(40).collect::<String>();
        Fault::new(
            at,
            format!("`{shown}` is not UTF-8: write the file with utf8mb4 (mysqldump --default-character-set=utf8mb4; phpMyAdmin: utf-8)"),
        )
    })
}
