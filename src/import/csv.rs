//! CSV as phpMyAdmin and mysql write it: a header line, then rows.
//!
//! | separated by | quotes | NULL |
//! |---|---|---|
//! | `,` or `;` (phpMyAdmin, spreadsheets) | `"…"`, in which `""` is one `"`; where backslashes escape, that has to be said | `NULL` or `\N`, not in quotes |
//! | tab (`mysql --batch`) | none, unless the header has them; `\n`, `\t`, `\\` are escapes | `NULL` or `\N` |

use super::{Cell, Fault, Position, Rows, name, one_more_column, utf8};

/// A header that is longer is none.
const HEADER_BYTES_MAX: usize = 64 * 1024;

/// A field that matters is not longer.
const FIELD_BYTES_MAX: usize = 64 * 1024;

/// How backslashes are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backslash {
    /// As themselves, but where fields are separated by tabs.
    #[default]
    Itself,
    /// What follows stands for something: mysql's `INTO OUTFILE`, phpMyAdmin with that setting.
    Escapes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Style {
    separator: u8,
    quotes: bool,
    escapes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the beginning of a field.
    Field,
    Bare,
    BareEscape,
    Quoted,
    QuotedEscape,
    /// After a quote in quotes: the end of the field, or the first half of one that is meant.
    Quote,
}

/// Reads a CSV text that comes in parts.
#[derive(Debug)]
pub struct Csv {
    backslash: Backslash,
    /// The header line, until it is whole.
    header: Option<Vec<u8>>,
    reading: Option<Reading>,
    at: Position,
}

#[derive(Debug)]
struct Reading {
    style: Style,
    state: State,
    /// For each column where its field goes; `None` before the header was read.
    slots: Option<Vec<Option<usize>>>,
    wanted: usize,
    /// The fields of the header; what is wanted of a row.
    names: Vec<String>,
    cells: Vec<Cell>,
    field: Vec<u8>,
    /// What stands in the field has a meaning of its own: `NULL` in quotes is a word.
    is_literal: bool,
    is_null: bool,
    is_cut: bool,
    place: usize,
    row: Position,
    began: Position,
}

impl Csv {
    /// Reads a text in which backslashes are meant so.
    pub const fn new(backslash: Backslash) -> Self {
        Self { backslash, header: Some(Vec::new()), reading: None, at: Position::START }
    }

    /// Takes the next part.
    pub fn feed(&mut self, bytes: &[u8], rows: &mut dyn Rows) -> Result<(), Fault> {
        for byte in bytes {
            match (&mut self.header, &mut self.reading) {
                (Some(header), _) => {
                    header.push(*byte);
                    if header.len() > HEADER_BYTES_MAX {
                        return Err(Fault::new(Position::START, "the first line is too long to be the names of columns"));
                    }
                    if *byte == b'\n' {
                        self.begin(rows)?;
                    }
                    continue;
                }
                (None, Some(reading)) => reading.step(*byte, self.at, rows)?,
                (None, None) => {}
            }
            self.at.pass(*byte);
        }
        Ok(())
    }

    /// There is no more.
    pub fn end(mut self, rows: &mut dyn Rows) -> Result<(), Fault> {
        self.begin(rows)?;
        let Some(mut reading) = self.reading else { return Ok(()) };
        match reading.state {
            State::Quoted | State::QuotedEscape => {
                Err(Fault::new(reading.began, "a field in quotes begins here and has no end: the file is not whole"))
            }
            State::Field if reading.place == 0 => Ok(()),
            State::Field | State::Bare | State::BareEscape | State::Quote => reading.step(b'\n', self.at, rows),
        }
    }

    /// Reads the header.
    fn begin(&mut self, rows: &mut dyn Rows) -> Result<(), Fault> {
        let Some(header) = self.header.take() else { return Ok(()) };
        let count = |separator: u8| header.split(|byte| *byte == separator).count() - 1;
        let separator = [b'\t', b';', b','].into_iter().max_by_key(|separator| count(*separator)).unwrap_or(b',');
        if count(separator) == 0 {
            return Err(Fault::new(
                Position::START,
                "the first line must have the names of the columns, separated by `,`, `;` or tabs (phpMyAdmin: \"Put columns names in the first row\")",
            ));
        }
        let style = Style {
            separator,
            quotes: separator != b'\t' || header.contains(&b'"'),
            escapes: separator == b'\t' || self.backslash == Backslash::Escapes,
        };
        let mut reading = Reading::new(style);
        for byte in header.iter().chain(if header.ends_with(b"\n") { b"".iter() } else { b"\n".iter() }) {
            reading.step(*byte, self.at, rows)?;
            self.at.pass(*byte);
        }
        self.reading = Some(reading);
        Ok(())
    }
}

impl Reading {
    fn new(style: Style) -> Self {
        Self {
            style,
            state: State::Field,
            slots: None,
            wanted: 0,
            names: Vec::new(),
            cells: Vec::new(),
            field: Vec::new(),
            is_literal: false,
            is_null: false,
            is_cut: false,
            place: 0,
            row: Position::START,
            began: Position::START,
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.field.len() < FIELD_BYTES_MAX {
            self.field.push(byte);
        } else {
            self.is_cut = true;
        }
    }

    fn step(&mut self, byte: u8, at: Position, rows: &mut dyn Rows) -> Result<(), Fault> {
        let Style { separator, quotes, escapes } = self.style;
        match self.state {
            State::Field => {
                if self.place == 0 {
                    self.row = at;
                }
                (self.began, self.is_literal, self.is_null, self.is_cut) = (at, false, false, false);
                self.field.clear();
                if quotes && byte == b'"' {
                    (self.state, self.is_literal) = (State::Quoted, true);
                    return Ok(());
                }
                self.state = State::Bare;
                self.step(byte, at, rows)?;
            }
            State::Bare if byte == separator => self.put(at)?,
            State::Bare if byte == b'\n' => {
                if self.field.last() == Some(&b'\r') {
                    self.field.pop();
                }
                self.line(at, rows)?;
            }
            State::Bare if escapes && byte == b'\\' => self.state = State::BareEscape,
            State::BareEscape | State::QuotedEscape => {
                let is_bare = self.state == State::BareEscape;
                self.state = if is_bare { State::Bare } else { State::Quoted };
                if is_bare && byte == b'N' && self.field.is_empty() {
                    self.is_null = true;
                    return Ok(());
                }
                self.is_literal = true;
                self.keep(match byte {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'0' => 0,
                    _ => byte,
                });
            }
            State::Quoted if byte == b'"' => self.state = State::Quote,
            State::Quoted if escapes && byte == b'\\' => self.state = State::QuotedEscape,
            State::Bare | State::Quoted => self.keep(byte),
            State::Quote if byte == b'"' => {
                self.keep(byte);
                self.state = State::Quoted;
            }
            State::Quote if byte == separator => self.put(at)?,
            State::Quote if byte == b'\n' => self.line(at, rows)?,
            State::Quote if byte == b'\r' => {}
            State::Quote => {
                let advice = "if backslashes escape quotes in this file, say --backslash-escapes";
                return Err(Fault::new(at, format!("after the closing quote there must be a separator or the end of the line; {advice}")));
            }
        }
        Ok(())
    }

    /// The field is over.
    fn put(&mut self, at: Position) -> Result<(), Fault> {
        let field = std::mem::take(&mut self.field);
        let is_null = self.is_null && field.is_empty() || !self.is_literal && (field == b"NULL" || field == br"\N");
        self.state = State::Field;
        match &self.slots {
            None => {
                // Names in quotes may go on in other lines.
                one_more_column(self.names.len(), at)?;
                self.names.push(name(&field, at)?.trim().trim_matches('`').to_ascii_lowercase());
            }
            Some(slots) => {
                if let Some(slot) = slots.get(self.place).copied().flatten() {
                    if self.is_cut {
                        return Err(Fault::new(self.began, format!("a field of more than {FIELD_BYTES_MAX} bytes")));
                    }
                    let cell = if is_null { None } else { Some(utf8(field, self.began)?) };
                    if let Some(place) = self.cells.get_mut(slot) {
                        *place = cell;
                    }
                }
            }
        }
        self.place += 1;
        Ok(())
    }

    /// The line is over.
    fn line(&mut self, at: Position, rows: &mut dyn Rows) -> Result<(), Fault> {
        if self.place == 0 && self.field.is_empty() && !self.is_literal && !self.is_null {
            // An empty line is no row.
            self.state = State::Field;
            return Ok(());
        }
        self.put(at)?;
        let found = std::mem::take(&mut self.place);
        let Some(slots) = &self.slots else {
            let places = rows.table(None, &self.names).map_err(|what| Fault::new(Position::START, what))?.unwrap_or_default();
            let mut slots = vec![None; self.names.len()];
            for (slot, place) in places.iter().enumerate() {
                if let Some(column) = slots.get_mut(*place) {
                    *column = Some(slot);
                }
            }
            (self.slots, self.wanted, self.cells) = (Some(slots), places.len(), vec![None; places.len()]);
            return Ok(());
        };
        if found != slots.len() {
            return Err(Fault::new(self.row, format!("a row of {found} fields, where the first line has {} columns", slots.len())));
        }
        rows.row(std::mem::replace(&mut self.cells, vec![None; self.wanted]), self.row)
    }
}
