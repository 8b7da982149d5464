//! SQL dumps as mysqldump, mariadb-dump and phpMyAdmin write them: of all their statements the rows of `INSERT`, and of
//! `CREATE TABLE` the names of the columns, which mysqldump does not repeat before the rows.

use std::collections::HashMap;

use super::{Cell, Fault, Position, Rows, name, one_more_column, utf8};
use lexer::{Lexer, Token};

pub mod lexer;

/// More tables than this are no shop.
const TABLES_MAX: usize = 10_000;

/// All tables together have no more columns than these, which are all kept until their rows come.
const COLUMNS_OF_ALL_MAX: usize = 200_000;

/// Words that begin something else than a column in `CREATE TABLE`.
const NOT_COLUMNS: &[&str] = &["PRIMARY", "KEY", "UNIQUE", "INDEX", "CONSTRAINT", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK", "PERIOD"];

/// Reads a dump that comes in parts.
#[derive(Debug, Default)]
pub struct Sql {
    lexer: Lexer,
    statements: Statements,
}

impl Sql {
    /// Takes the next part.
    pub fn feed(&mut self, bytes: &[u8], rows: &mut dyn Rows) -> Result<(), Fault> {
        let Self { lexer, statements } = self;
        lexer.feed(bytes, &mut |token, at| statements.take(token, at, rows))
    }

    /// There is no more.
    pub fn end(mut self, rows: &mut dyn Rows) -> Result<(), Fault> {
        let Self { lexer, statements } = &mut self;
        let at = lexer.end(&mut |token, at| statements.take(token, at, rows))?;
        match self.statements.state {
            State::Begin | State::Skip => Ok(()),
            State::Create { .. } | State::Insert { .. } | State::Rows(_) => {
                Err(Fault::new(at, "the dump ends in the middle of a statement: it is not whole; make it again"))
            }
        }
    }
}

#[derive(Debug, Default)]
struct Statements {
    state: State,
    /// Columns by table, as `CREATE TABLE` said.
    columns: HashMap<String, Vec<String>>,
    columns_of_all: usize,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Begin,
    /// To the next `;`.
    Skip,
    Create {
        step: CreateStep,
        table: String,
        columns: Vec<String>,
        depth: u32,
    },
    Insert {
        step: InsertStep,
        table: String,
        columns: Vec<String>,
    },
    Rows(RowState),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CreateStep {
    Table,
    Name,
    Named,
    Item,
    Rest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InsertStep {
    Name,
    Named,
    Columns,
    Values,
}

/// Where in the rows of an `INSERT` that matters.
#[derive(Debug)]
struct RowState {
    /// For each column where its value goes.
    slots: Vec<Option<usize>>,
    wanted: usize,
    cells: Vec<Cell>,
    /// 0 between rows; in a row 1, and more inside of functions.
    depth: u32,
    place: usize,
    began: Position,
    value: Value,
    /// A row was read, and no comma behind it.
    is_behind: bool,
}

/// One value, as it is read.
#[derive(Debug, Default)]
struct Value {
    read: Option<Cell>,
    /// A sign before a number.
    sign: Option<u8>,
    /// It is more than one plain value.
    odd: bool,
}

fn is(word: &[u8], wanted: &str) -> bool {
    word.eq_ignore_ascii_case(wanted.as_bytes())
}

/// The name in `name`, or in `database.name` the last of it.
fn name_of(bytes: &[u8], at: Position, is_quoted: bool) -> Result<String, Fault> {
    let text = name(bytes, at)?;
    Ok(if is_quoted { text } else { text.rsplit('.').next().unwrap_or(&text).to_owned() })
}

fn add_column(columns: &mut Vec<String>, bytes: &[u8], at: Position) -> Result<(), Fault> {
    one_more_column(columns.len(), at)?;
    columns.push(name(bytes, at)?.to_ascii_lowercase());
    Ok(())
}

impl Statements {
    fn take(&mut self, token: Token<'_>, at: Position, rows: &mut dyn Rows) -> Result<(), Fault> {
        let state = std::mem::take(&mut self.state);
        self.state = match state {
            State::Begin => match token {
                Token::Word(word) if is(word, "INSERT") || is(word, "REPLACE") => {
                    State::Insert { step: InsertStep::Name, table: String::new(), columns: Vec::new() }
                }
                Token::Word(word) if is(word, "CREATE") => {
                    State::Create { step: CreateStep::Table, table: String::new(), columns: Vec::new(), depth: 0 }
                }
                Token::Sign(b';') => State::Begin,
                _ => State::Skip,
            },
            State::Skip if matches!(token, Token::Sign(b';')) => State::Begin,
            State::Skip => State::Skip,
            State::Create { step, table, columns, depth } => self.create(step, table, columns, depth, token, at)?,
            State::Insert { step, table, columns } => self.insert(step, table, columns, token, at, rows)?,
            State::Rows(row) => in_rows(row, token, at, rows)?,
        };
        Ok(())
    }

    fn create(
        &mut self,
        step: CreateStep,
        mut table: String,
        mut columns: Vec<String>,
        mut depth: u32,
        token: Token<'_>,
        at: Position,
    ) -> Result<State, Fault> {
        let step = match (step, token) {
            (_, Token::Sign(b';')) => return Ok(State::Begin),
            (CreateStep::Table, Token::Word(word)) if is(word, "TABLE") => CreateStep::Name,
            (CreateStep::Table, Token::Word(word)) if is(word, "TEMPORARY") => CreateStep::Table,
            (CreateStep::Name, Token::Word(word)) if ["IF", "NOT", "EXISTS"].iter().any(|skipped| is(word, skipped)) => CreateStep::Name,
            (CreateStep::Name, Token::Word(word)) => {
                table = name_of(word, at, false)?;
                CreateStep::Named
            }
            (CreateStep::Name, Token::Name(name) | Token::Text(name, _)) => {
                table = name_of(name, at, true)?;
                CreateStep::Named
            }
            (CreateStep::Named, Token::Word(b".")) => CreateStep::Name,
            (CreateStep::Named, Token::Sign(b'(')) => {
                depth = 1;
                CreateStep::Item
            }
            (CreateStep::Item, Token::Word(word)) => {
                if !NOT_COLUMNS.iter().any(|other| is(word, other)) {
                    add_column(&mut columns, word, at)?;
                }
                CreateStep::Rest
            }
            (CreateStep::Item, Token::Name(name) | Token::Text(name, _)) => {
                add_column(&mut columns, name, at)?;
                CreateStep::Rest
            }
            (CreateStep::Rest, Token::Sign(b',')) if depth == 1 => CreateStep::Item,
            (CreateStep::Rest, Token::Sign(b'(')) => {
                depth += 1;
                CreateStep::Rest
            }
            (CreateStep::Rest | CreateStep::Item, Token::Sign(b')')) => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    self.made(table, columns, at)?;
                    return Ok(State::Skip);
                }
                CreateStep::Rest
            }
            (CreateStep::Rest, _) => CreateStep::Rest,
            // A view, a database, or a table that is made from another.
            (CreateStep::Table | CreateStep::Name | CreateStep::Named | CreateStep::Item, _) => return Ok(State::Skip),
        };
        Ok(State::Create { step, table, columns, depth })
    }

    /// A table has these columns.
    fn made(&mut self, table: String, columns: Vec<String>, at: Position) -> Result<(), Fault> {
        let before = self.columns.get(&table).map_or(0, Vec::len);
        self.columns_of_all = self.columns_of_all.saturating_sub(before) + columns.len();
        self.columns.insert(table, columns);
        let over = |most: usize, what: &str| Err(Fault::new(at, format!("more than {most} {what}: this is not the dump of a shop")));
        match (self.columns.len(), self.columns_of_all) {
            (tables, _) if tables > TABLES_MAX => over(TABLES_MAX, "tables"),
            (_, columns) if columns > COLUMNS_OF_ALL_MAX => over(COLUMNS_OF_ALL_MAX, "columns"),
            _ => Ok(()),
        }
    }

    fn insert(
        &mut self,
        step: InsertStep,
        mut table: String,
        mut columns: Vec<String>,
        token: Token<'_>,
        at: Position,
        rows: &mut dyn Rows,
    ) -> Result<State, Fault> {
        const BEFORE: &[&str] = &["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"];
        let step = match (step, token) {
            (InsertStep::Name, Token::Word(word)) if BEFORE.iter().any(|skipped| is(word, skipped)) => InsertStep::Name,
            (InsertStep::Name, Token::Word(word)) => {
                table = name_of(word, at, false)?;
                InsertStep::Named
            }
            (InsertStep::Name, Token::Name(name) | Token::Text(name, _)) => {
                table = name_of(name, at, true)?;
                InsertStep::Named
            }
            (InsertStep::Named, Token::Word(b".")) => InsertStep::Name,
            (InsertStep::Named, Token::Sign(b'(')) | (InsertStep::Columns, Token::Sign(b',')) => InsertStep::Columns,
            (InsertStep::Columns, Token::Word(name) | Token::Name(name) | Token::Text(name, _)) => {
                add_column(&mut columns, name, at)?;
                InsertStep::Columns
            }
            (InsertStep::Columns, Token::Sign(b')')) => InsertStep::Values,
            (InsertStep::Named | InsertStep::Values, Token::Word(word)) if is(word, "VALUES") || is(word, "VALUE") => {
                return self.values(&table, columns, at, rows);
            }
            (InsertStep::Named | InsertStep::Values, Token::Word(word)) if is(word, "SELECT") || is(word, "SET") => return Ok(State::Skip),
            _ => return Err(Fault::new(at, format!("`INSERT INTO {table}` must go on with its columns in parentheses, or with VALUES"))),
        };
        Ok(State::Insert { step, table, columns })
    }

    fn values(&self, table: &str, columns: Vec<String>, at: Position, rows: &mut dyn Rows) -> Result<State, Fault> {
        let columns = if columns.is_empty() { self.columns.get(table).cloned().unwrap_or_default() } else { columns };
        let missing = |what: String| {
            let advice = if columns.is_empty() { ": dump it with its structure, or with --complete-insert" } else { "" };
            Fault::new(at, format!("the table `{table}` {what}{advice}"))
        };
        let Some(places) = rows.table(Some(table), &columns).map_err(missing)? else { return Ok(State::Skip) };
        let mut slots = vec![None; columns.len()];
        for (slot, place) in places.iter().enumerate() {
            if let Some(column) = slots.get_mut(*place) {
                *column = Some(slot);
            }
        }
        let (cells, value) = (vec![None; places.len()], Value::default());
        Ok(State::Rows(RowState { slots, wanted: places.len(), cells, depth: 0, place: 0, began: at, value, is_behind: false }))
    }
}

fn in_rows(mut row: RowState, token: Token<'_>, at: Position, rows: &mut dyn Rows) -> Result<State, Fault> {
    if row.depth == 0 {
        match token {
            Token::Sign(b'(') if !row.is_behind => (row.depth, row.place, row.began) = (1, 0, at),
            Token::Sign(b',') if row.is_behind => row.is_behind = false,
            Token::Sign(b';') => return Ok(State::Begin),
            // What is done with rows that are there; a name for the new ones.
            Token::Word(word) if is(word, "ON") || is(word, "AS") => return Ok(State::Skip),
            _ => return Err(Fault::new(at, "between two rows there must be a comma, and after the last one `;`")),
        }
        return Ok(State::Rows(row));
    }
    match token {
        Token::Sign(b';') => return Err(Fault::new(at, "the statement ends in the middle of a row")),
        Token::Sign(sign @ (b',' | b')')) if row.depth == 1 => {
            row.put(at)?;
            if sign == b')' {
                let (found, wanted) = (row.place, row.slots.len());
                if found != wanted {
                    return Err(Fault::new(row.began, format!("a row of {found} values, where the table has {wanted} columns")));
                }
                (row.depth, row.is_behind) = (0, true);
                rows.row(std::mem::replace(&mut row.cells, vec![None; row.wanted]), row.began)?;
            }
        }
        Token::Sign(b'(') => (row.depth, row.value.odd) = (row.depth.saturating_add(1), true),
        Token::Sign(b')') => row.depth -= 1,
        _ if row.is_wanted() => row.value.take(token, at)?,
        _ => {}
    }
    Ok(State::Rows(row))
}

impl RowState {
    fn is_wanted(&self) -> bool {
        self.slots.get(self.place).is_some_and(Option::is_some)
    }

    /// The value is over.
    fn put(&mut self, at: Position) -> Result<(), Fault> {
        let value = std::mem::take(&mut self.value);
        if let Some(slot) = self.slots.get(self.place).copied().flatten() {
            let plain = value.read.filter(|_| !value.odd);
            let cell =
                plain.ok_or_else(|| Fault::new(at, format!("value {} of the row must be a text, a number or NULL", self.place + 1)))?;
            if let Some(place) = self.cells.get_mut(slot) {
                *place = cell;
            }
        }
        self.place += 1;
        Ok(())
    }
}

impl Value {
    fn take(&mut self, token: Token<'_>, at: Position) -> Result<(), Fault> {
        if self.read.is_some() || self.odd {
            self.odd = true;
            return Ok(());
        }
        match token {
            Token::Text(_, true) => return Err(Fault::new(at, format!("a text of more than {} bytes", lexer::TOKEN_BYTES_MAX))),
            // It may be cut.
            Token::Word(word) if word.len() >= lexer::TOKEN_BYTES_MAX => {
                return Err(Fault::new(at, format!("a value of {} bytes or more", lexer::TOKEN_BYTES_MAX)));
            }
            Token::Text(bytes, false) if self.sign.is_none() => self.read = Some(Some(utf8(bytes.to_vec(), at)?)),
            Token::Word(word) if is(word, "NULL") && self.sign.is_none() => self.read = Some(None),
            // The character set of the text that follows.
            Token::Word([b'_', ..]) if self.sign.is_none() => {}
            Token::Word([b'0', b'x' | b'X', digits @ ..]) if self.sign.is_none() => {
                let bytes = hexadecimal(digits).ok_or_else(|| Fault::new(at, "`0x` must be followed by pairs of hexadecimal digits"))?;
                self.read = Some(Some(utf8(bytes, at)?));
            }
            Token::Word(word) if word.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') => {
                let sign = if self.sign == Some(b'-') { "-" } else { "" };
                self.read = Some(Some(format!("{sign}{}", utf8(word.to_vec(), at)?)));
            }
            Token::Sign(sign @ (b'-' | b'+')) if self.sign.is_none() => self.sign = Some(sign),
            Token::Word(_) | Token::Text(..) | Token::Name(_) | Token::Sign(_) => self.odd = true,
        }
        Ok(())
    }
}

fn hexadecimal(digits: &[u8]) -> Option<Vec<u8>> {
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
