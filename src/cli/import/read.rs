//! Reads Zen Cart's tables out of files.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::Arguments;
use crate::cli::failure::{Failure, warn};
use crate::cli::terminal;
use crate::clock;
use crate::config::time_zone;
use crate::domain::moment::{Moment, Span};
use crate::import::csv::Backslash;
use crate::import::text::Text;
use crate::import::zen_cart::plan::{Gate, Plan, plan};
use crate::import::zen_cart::tables::{NotAShop, Place, Tables};

/// So much is read at once.
const CHUNK: usize = 256 * 1024;

/// So often the line that says how far it is is drawn anew.
const DRAW: Span = Span::from_millis(200);

/// What stood in the files.
#[derive(Debug)]
pub(super) struct Found {
    /// What it means.
    pub(super) plan: Plan,
    names: Vec<String>,
}

impl Found {
    /// `shop.sql:12:3456`.
    pub(super) fn at(&self, place: Place) -> String {
        located(&self.names, place)
    }
}

fn located(names: &[String], place: Place) -> String {
    let (line, column) = place.at;
    format!("{}:{line}:{column}", names.get(place.file).map(String::as_str).unwrap_or_default())
}

/// Reads all files, and says what they mean; or tells all that is wrong with them.
pub(super) fn read(arguments: &Arguments) -> Result<Found, Failure> {
    let zone = arguments.zone.as_deref().map(zone).transpose()?;
    let backslash = if arguments.backslash_escapes { Backslash::Escapes } else { Backslash::Itself };
    let names: Vec<String> = arguments.files.iter().map(|path| terminal::visible(&path.display().to_string())).collect();
    if names.iter().filter(|name| *name == "-").count() > 1 {
        return Err(Failure::usage("standard input (`-`) can be read once only"));
    }
    let mut shown = Shown::begin(&arguments.files);
    let mut tables = Tables::default();
    let mut faults = Vec::new();
    for (number, path) in arguments.files.iter().enumerate() {
        tables.begin(number);
        let name = names.get(number).map(String::as_str).unwrap_or_default();
        if let Err(fault) = one(path, name, backslash, &mut tables, &mut shown) {
            faults.push(fault);
        }
    }
    shown.end();
    let shop = tables.shop(arguments.prefix.as_deref());
    let total = match &shop {
        Err(NotAShop::Faults(rows, total)) => {
            faults.extend(rows.iter().map(|fault| format!("{}: {}", located(&names, fault.place), terminal::visible(&fault.what))));
            faults.len() - rows.len() + total
        }
        _ => faults.len(),
    };
    let nothing = "nothing was imported";
    if total > 0 {
        for fault in &faults {
            warn(fault);
        }
        return Err(Failure::failed(format!("{}: {nothing}", terminal::counted(total as u64, "fault", "faults"))));
    }
    let shop = shop.map_err(|fault| match fault {
        NotAShop::Other(what) => Failure::failed(format!("{what}: {nothing}")),
        NotAShop::Faults(..) => Failure::failed(nothing),
    })?;
    let gate = if arguments.no_gate { Gate::Open } else { arguments.statuses.clone() };
    let plan = plan(&shop, &gate, zone.as_ref()).map_err(Failure::usage)?;
    Ok(Found { plan, names })
}

fn zone(name: &str) -> Result<TimeZone, Failure> {
    time_zone(name).ok_or_else(|| {
        let name = terminal::visible(name);
        Failure::usage(format!(
            "--zone: `{name}` must be a time zone of this system, such as Europe/Berlin; `ls /usr/share/zoneinfo` shows them"
        ))
    })
}

fn one(path: &Path, name: &str, backslash: Backslash, tables: &mut Tables, shown: &mut Shown) -> Result<(), String> {
    let failed = |error: io::Error| format!("{name}: {error}");
    let mut source: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(File::open(path).map_err(failed)?) };
    let mut text = Text::new(backslash);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = source.read(&mut chunk).map_err(failed)?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        text.feed(bytes, tables).map_err(|fault| format!("{name}:{}", terminal::visible(&fault.to_string())))?;
        shown.update(read, tables.rows());
    }
    text.end(tables).map_err(|fault| format!("{name}:{}", terminal::visible(&fault.to_string())))
}

/// The line on standard error that says how far it is; nothing where no terminal is.
struct Shown {
    is_terminal: bool,
    last: Moment,
    drawn: bool,
    read: u64,
    of: Option<u64>,
}

impl Shown {
    fn begin(files: &[PathBuf]) -> Self {
        let of = files.iter().map(|path| path.metadata().ok().filter(std::fs::Metadata::is_file).map(|found| found.len())).sum();
        Self { is_terminal: io::stderr().is_terminal(), last: clock::now(), drawn: false, read: 0, of }
    }

    fn update(&mut self, read: usize, rows: usize) {
        self.read += read as u64;
        let now = clock::now();
        if !self.is_terminal || now.since(self.last) < DRAW {
            return;
        }
        (self.last, self.drawn) = (now, true);
        let share = self.of.map(|of| format!(" of {}  {}", terminal::bytes(of), terminal::percent(self.read, of))).unwrap_or_default();
        // What cannot be drawn is not missed.
        let _ = write!(io::stderr().lock(), "\r\u{1b}[K{}{share}  {} rows", terminal::bytes(self.read), terminal::grouped(rows as u64));
    }

    fn end(&self) {
        if self.drawn {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}
