//! `cloakroom store`: the file in which grants, links and deliveries are kept. All but `import` may run beside the daemon.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::failure::{Failure, warn};
use super::paragraph::paragraph;
use super::spool::Spool;
use super::terminal::{self, counted};
use super::{Common, say, say_json};
use crate::config::StoreEntry;
use crate::domain::moment::Moment;
use crate::store::record::Totals;
use crate::store::sqlite::{self, Info, LeftOut, NotMoved, Salvaged, Verified};

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
Examples:
  cloakroom store backup /var/backups/cloakroom.db
  cloakroom store verify /var/backups/cloakroom.db
  cloakroom store export store.jsonl";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Copy the store, as it stands at this moment, into a new file. The daemon may run meanwhile.
    Backup {
        /// The copy; a file that is there is not overwritten.
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Read everything, and hold it against the rules of counting. Exit code 1 if something is wrong. The daemon may run meanwhile.
    Verify {
        /// A copy to verify; the store of the configuration if none is named.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Write everything out as JSON, one object a line. The daemon may run meanwhile.
    #[command(after_help = EXPORT_AFTER_HELP)]
    Export {
        /// Where to; standard output if not said. A file that is there is not overwritten.
        #[arg(value_name = "FILE")]
        to: Option<PathBuf>,

        /// Write what can still be read of a damaged store, and say on standard error what was left out. Exit code 3 if
        /// something was.
        #[arg(long)]
        salvage: bool,

        /// A copy to read; the store of the configuration if none is named.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// Read what `export` wrote into an empty store, whole or not at all. The daemon must not run.
    Import {
        /// What to read; `-` is standard input.
        #[arg(value_name = "FILE")]
        from: PathBuf,
    },
    /// What is in the store: versions, sizes, numbers. The daemon may run meanwhile.
    Info {
        /// A copy to look at; the store of the configuration if none is named.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

const EXPORT_AFTER_HELP: &str = "\
An export is about one and a half times as large as the store. What goes to standard output is read whole first, so that a pager that waits \
does not hold the daemon's log up: up to 8 MB in memory, more in a nameless file in TMPDIR (/tmp if that is not set). \
--salvage copies the store into such a file, too (in /var/tmp if TMPDIR is not set). A damaged page that leads to others \
takes them along: where much is missing, `.recover` of the program sqlite3 may find more.";

pub(super) fn run(common: &Common, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Backup { to } => backup(common, to),
        Command::Verify { file } => verify(common, &named(common, file.as_deref())?),
        Command::Export { to, salvage, from } => export(common, &named(common, from.as_deref())?, to.as_deref(), *salvage),
        Command::Import { from } => import(common, from),
        Command::Info { file } => {
            let path = named(common, file.as_deref())?;
            let info = sqlite::info(&path).map_err(|not| Failure::failed(not.to_string()))?;
            if common.json { say_json(&json_of(&path, &info)) } else { say(text_of(&path, &info)) }
        }
    }
}

fn named(common: &Common, file: Option<&Path>) -> Result<PathBuf, Failure> {
    file.map_or_else(|| configured(common), |file| Ok(file.to_owned()))
}

/// The file of the configuration.
fn configured(common: &Common) -> Result<PathBuf, Failure> {
    match common.load()?.store {
        StoreEntry::Sqlite { file, .. } => Ok(file),
        StoreEntry::Memory => {
            Err(Failure::failed("[store] has kind = \"memory\": there is no file, and what is in memory ends with the daemon"))
        }
    }
}

fn backup(common: &Common, to: &Path) -> Result<(), Failure> {
    let bytes = sqlite::backup(&configured(common)?, to).map_err(|not| Failure::failed(not.to_string()))?;
    if common.json {
        return say_json(&serde_json::json!({ "file": to, "bytes": bytes }));
    }
    say(format!("{}: {}; `cloakroom store verify {}` verifies it", to.display(), terminal::bytes(bytes), to.display()))
}

/// How often progress is drawn: each so many grants.
const PROGRESS_STEP: u64 = 1000;

fn verify(common: &Common, path: &Path) -> Result<(), Failure> {
    let shows = io::stderr().is_terminal() && !common.json;
    let mut drawn = false;
    let mut progress = |done: u64, total: u64| {
        if shows && done.is_multiple_of(PROGRESS_STEP) {
            drawn = true;
            // Nobody is left to read it, and nothing depends on it.
            let _ = write!(
                io::stderr(),
                "\r{} of {} grants, {}  ",
                terminal::grouped(done),
                terminal::grouped(total),
                terminal::percent(done, total)
            );
        }
    };
    let verified = sqlite::verify(path, &mut progress);
    if drawn {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    let verified = verified.map_err(|not| Failure::failed(not.to_string()))?;
    let Verified { grants, deliveries, faults, faults_more } = &verified;
    if common.json {
        say_json(&serde_json::json!({
            "file": path, "clean": verified.is_clean(), "grants": grants, "deliveries": deliveries,
            "faults": faults, "faults_more": faults_more,
        }))?;
    }
    if verified.is_clean() {
        let read = format!("{} and {}", counted(*grants, "grant", "grants"), counted(*deliveries, "delivery", "deliveries"));
        return if common.json { Ok(()) } else { say(format!("{}: nothing is wrong; read {read}", path.display())) };
    }
    if !common.json {
        for fault in faults {
            say(terminal::visible(fault))?;
        }
        if *faults_more > 0 {
            say(format!("and {} more", terminal::grouped(*faults_more)))?;
        }
    }
    let number = faults.len() as u64 + faults_more;
    Err(Failure::failed(format!(
        "{}: {} wrong; keep a copy, and restore a backup if the file is damaged",
        path.display(),
        counted(number, "thing is", "things are")
    )))
}

fn export(common: &Common, store: &Path, to: Option<&Path>, is_damaged: bool) -> Result<(), Failure> {
    let write = |out: &mut dyn Write| {
        if is_damaged {
            sqlite::salvage(store, out)
        } else {
            sqlite::export(store, out).map(|totals| Salvaged { totals, ..Salvaged::default() })
        }
    };
    let Some(to) = to else {
        let mut spool = Spool::default();
        let salvaged = write(&mut spool).map_err(|not| Failure::failed(not.to_string()))?;
        spool.pour(&mut io::stdout().lock()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Quiet,
            _ => Failure::failed(format!("cannot write to standard output: {error}")),
        })?;
        return whole(store, &salvaged);
    };
    let named = |error: &dyn std::fmt::Display| Failure::failed(format!("{}: {error}", to.display()));
    // It names customers.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => named(&"there is such a file already, and it is kept: name another"),
        _ => named(&error),
    })?;
    let mut out = BufWriter::new(file);
    let exported = write(&mut out).map_err(|not| match not {
        NotMoved::Stream(error) => named(&error),
        not => Failure::failed(not.to_string()),
    });
    let exported = exported.and_then(|salvaged| out.get_ref().sync_all().map(|()| salvaged).map_err(|error| named(&error)));
    if exported.is_err() {
        // A part of an export is of no use, and would be in the way of the next one. What cannot be removed stays.
        let _ = std::fs::remove_file(to);
    }
    let salvaged = exported?;
    if common.json && is_damaged {
        let left_out: BTreeMap<&str, _> = salvaged.left_out.iter().map(|(table, rows)| (table.as_str(), json_of_left_out(rows))).collect();
        let counted_again = json_of_left_out(&salvaged.counted_again);
        let held = json_of_left_out(&salvaged.held);
        let totals = salvaged.totals;
        say_json(&serde_json::json!({
            "file": to, "totals": totals, "left_out": left_out, "counted_again": counted_again, "on_hold": held
        }))?;
    } else {
        told(common, to, &salvaged.totals)?;
    }
    whole(store, &salvaged)
}

/// More names of one kind are only counted.
const NAMES_SHOWN: usize = 20;

/// Says what was left out of an export, if something was.
fn whole(store: &Path, salvaged: &Salvaged) -> Result<(), Failure> {
    if salvaged.is_whole() {
        return Ok(());
    }
    for (table, rows) in &salvaged.left_out {
        let (one, many) = words(table);
        let number = rows.count();
        let maybe = match (rows.is_open, number) {
            (true, 0) => "how many is not known".to_owned(),
            (true, _) => format!("{}, and maybe more", listed(rows)),
            (false, _) => listed(rows),
        };
        let counted = if number == 0 { many.to_owned() } else { counted(number, one, many) };
        warn(&paragraph("left out       ", &format!("{counted}: {maybe}")));
    }
    let again = &salvaged.counted_again;
    if again.count() > 0 {
        let grants = counted(again.count(), "grant", "grants");
        warn(&paragraph("counted again  ", &format!("{grants}, from the deliveries that are left: {}", listed(again))));
    }
    if salvaged.held.count() > 0 {
        let grants = counted(salvaged.held.count(), "grant", "grants");
        let text = "of orders that are left out. An order that is reported again gets new grants and links; these stay shut";
        warn(&paragraph("on hold        ", &format!("{grants} {text}: {}", listed(&salvaged.held))));
    }
    let text = "not everything could be read. `cloakroom store import` takes what was written; then `cloakroom store verify` says what does \
                not fit together any more";
    Err(Failure::Partly(format!("{}: {text}", store.display())))
}

fn listed(rows: &LeftOut) -> String {
    let shown: Vec<&str> = rows.names.iter().take(NAMES_SHOWN).map(String::as_str).collect();
    let rest = rows.count() - shown.len() as u64;
    if rest > 0 { format!("{} and {} more", shown.join(", "), terminal::grouped(rest)) } else { shown.join(", ") }
}

/// A row of a table in words.
fn words(table: &str) -> (&str, &str) {
    match table {
        "grants" => ("grant", "grants"),
        "links" => ("link", "links"),
        "deliveries" => ("delivery", "deliveries"),
        "requests" => ("request of a delivery", "requests of deliveries"),
        "coverage" => ("coverage of a delivery", "coverages of deliveries"),
        "history" => ("entry of the history", "entries of the history"),
        "tallies" => ("number of an hour", "numbers of an hour"),
        "feeds" => ("place in a log", "places in logs"),
        "placed" => ("thing in public", "things in public"),
        "places" => ("place of a directory", "places of directories"),
        "credentials" => ("user name of a directory", "user names of directories"),
        "orders" => ("order", "orders"),
        "files" => ("file of the catalogue", "files of the catalogue"),
        "products" => ("product", "products"),
        "outbox" => ("message", "messages"),
        "api_keys" => ("key of the API", "keys of the API"),
        "deeds" => ("entry of what was done", "entries of what was done"),
        other => (other, other),
    }
}

fn json_of_left_out(rows: &LeftOut) -> serde_json::Value {
    serde_json::json!({ "count": rows.count(), "names": rows.names, "more_unknown": rows.is_open })
}

fn import(common: &Common, from: &Path) -> Result<(), Failure> {
    let store = configured(common)?;
    let named = |error: &dyn std::fmt::Display| Failure::failed(format!("{}: {error}", from.display()));
    let totals = if from.as_os_str() == "-" {
        sqlite::import(&store, &mut io::stdin().lock())
    } else {
        sqlite::import(&store, &mut BufReader::new(File::open(from).map_err(|error| named(&error))?))
    };
    let totals = totals.map_err(|not| match not {
        NotMoved::Store(not) => Failure::failed(not.to_string()),
        NotMoved::NotEmpty => Failure::failed(format!("{}: {not}", store.display())),
        NotMoved::Stream(_) | NotMoved::Empty | NotMoved::Line(..) => named(&not),
    })?;
    told(common, &store, &totals)?;
    if std::fs::metadata(&store).is_ok_and(|file| file.uid() == 0) && !common.json {
        warn("cloakroom: the store and its directory belong to root; give both to the user of the daemon, such as `chown -R cloakroom:`");
    }
    Ok(())
}

fn told(common: &Common, file: &Path, totals: &Totals) -> Result<(), Failure> {
    if common.json {
        return say_json(&serde_json::json!({ "file": file, "totals": totals }));
    }
    let Totals { grants, links, deliveries, .. } = totals;
    let all = [counted(*grants, "grant", "grants"), counted(*links, "link", "links"), counted(*deliveries, "delivery", "deliveries")];
    say(format!("{}: {}", file.display(), all.join(", ")))
}

fn moment(millis: Option<u64>) -> Option<String> {
    millis.map(|millis| Moment::from_millis(millis).to_string())
}

fn json_of(path: &Path, info: &Info) -> serde_json::Value {
    serde_json::json!({
        "file": path,
        "version": info.version,
        "sqlite": info.sqlite,
        "bytes": info.bytes,
        "log_bytes": info.log_bytes,
        "grants": info.grants,
        "links": info.links,
        "deliveries": info.deliveries,
        "placed": info.placed,
        "credentials": info.credentials,
        "orders": info.orders,
        "files": info.files,
        "products": info.products,
        "messages": info.messages,
        "api_keys": info.api_keys,
        "first_grant": moment(info.first_grant),
        "last_grant": moment(info.last_grant),
    })
}

fn text_of(path: &Path, info: &Info) -> String {
    let deliveries: u64 = info.deliveries.values().sum();
    let parts = |counts: &BTreeMap<String, u64>| {
        let parts: Vec<String> = counts.iter().map(|(word, number)| format!("{} {word}", terminal::grouped(*number))).collect();
        if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
    };
    let mut lines = vec![
        format!("store       {}", path.display()),
        format!("size        {}, and {} in its -wal beside it", terminal::bytes(info.bytes), terminal::bytes(info.log_bytes)),
        format!("versions    {} of the tables, {} of SQLite", info.version, info.sqlite),
        format!("grants      {}", terminal::grouped(info.grants)),
        format!("links       {}", terminal::grouped(info.links)),
        format!("deliveries  {}{}", terminal::grouped(deliveries), parts(&info.deliveries)),
        format!("in public   {}{}", terminal::grouped(info.placed.values().sum()), parts(&info.placed)),
        format!("user names  {}", terminal::grouped(info.credentials)),
        format!("orders      {}", terminal::grouped(info.orders)),
        format!("catalogue   {} files, {} products", terminal::grouped(info.files), terminal::grouped(info.products)),
        format!("messages    {}{}", terminal::grouped(info.messages.values().sum()), parts(&info.messages)),
        format!("api keys    {}", terminal::grouped(info.api_keys)),
    ];
    if let (Some(first), Some(last)) = (moment(info.first_grant), moment(info.last_grant)) {
        lines.push(format!("issued      from {first} to {last}"));
    }
    lines.join("\n")
}
