//! A file of rows, whatever it is: told by how it begins.

use super::csv::{Backslash, Csv};
use super::sql::Sql;
use super::{Fault, Position, Rows};

/// What SQL dumps begin with.
const SQL_WORDS: &[&str] = &[
    "SET",
    "INSERT",
    "REPLACE",
    "CREATE",
    "DROP",
    "USE",
    "START",
    "LOCK",
    "BEGIN",
    "DELIMITER",
    "ALTER",
    "COMMIT",
    "UNLOCK",
    "TRUNCATE",
    "DELETE",
];

/// So much is looked at to tell what it is.
const BEGINNING_BYTES: usize = 256;

/// Reads a text that comes in parts.
#[derive(Debug)]
pub enum Text {
    /// Too little of it is there to tell.
    Beginning(Vec<u8>, Backslash),
    /// An SQL dump.
    Sql(Box<Sql>),
    /// CSV.
    Csv(Box<Csv>),
}

impl Text {
    /// Reads a text; in CSV backslashes are meant so.
    pub const fn new(backslash: Backslash) -> Self {
        Self::Beginning(Vec::new(), backslash)
    }

    /// Takes the next part.
    pub fn feed(&mut self, bytes: &[u8], rows: &mut dyn Rows) -> Result<(), Fault> {
        match self {
            Self::Sql(sql) => sql.feed(bytes, rows),
            Self::Csv(csv) => csv.feed(bytes, rows),
            Self::Beginning(begin, _) => {
                begin.extend_from_slice(bytes);
                if begin.len() < BEGINNING_BYTES { Ok(()) } else { self.tell(rows) }
            }
        }
    }

    /// There is no more.
    pub fn end(mut self, rows: &mut dyn Rows) -> Result<(), Fault> {
        if matches!(self, Self::Beginning(..)) {
            self.tell(rows)?;
        }
        match self {
            Self::Sql(sql) => sql.end(rows),
            Self::Csv(csv) => csv.end(rows),
            Self::Beginning(..) => Ok(()),
        }
    }

    fn tell(&mut self, rows: &mut dyn Rows) -> Result<(), Fault> {
        let Self::Beginning(begin, backslash) = self else { return Ok(()) };
        let (begin, backslash) = (std::mem::take(begin), *backslash);
        let refused = |what: &str| Err(Fault::new(Position::START, what));
        match begin.as_slice() {
            [0x1f, 0x8b, ..] => return refused("the file is compressed: `zcat FILE | cloakroom import zencart … -` reads it"),
            [b'P', b'K', 3, 4, ..] => return refused("the file is a zip archive: unpack it first"),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return refused("the file is UTF-16: write it as UTF-8"),
            _ => {}
        }
        let text = begin.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(&begin);
        if text.iter().all(u8::is_ascii_whitespace) {
            return refused("the file is empty");
        }
        *self = if is_sql(text) { Self::Sql(Box::default()) } else { Self::Csv(Box::new(Csv::new(backslash))) };
        self.feed(text, rows)
    }
}

fn is_sql(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    if [b"--".as_slice(), b"/*", b"#"].iter().any(|sign| text.starts_with(sign)) {
        return true;
    }
    let end = text.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let is_followed = rest.first().is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'`');
    is_followed && SQL_WORDS.iter().any(|begin| word.eq_ignore_ascii_case(begin.as_bytes()))
}
