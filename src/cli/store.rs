//! `cloakroom store`: the file in which grants, links and deliveries are kept. All but `import` may run beside the daemon.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::failure::{Failure, warn};
use super::terminal::{self, counted};
use super::{Common, say, say_json};
use crate::config::StoreEntry;
use crate::domain::moment::Moment;
use crate::store::record::Totals;
use crate::store::sqlite::{self, Info, NotMoved, Verified};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Copy the store, as it stands at this moment, into a new file. The daemon works on.
    Backup {
        /// The copy; a file that is there is not overwritten.
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Read everything, and hold it against the rules of counting. Exit code 1 if something is wrong. The daemon works on.
    Verify {
        /// A copy to verify; the store of the configuration if none is named.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Write everything out as JSON, one object a line. The daemon works on.
    Export {
        /// Where to; standard output if not said. A file that is there is not overwritten.
        #[arg(value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Read what `export` wrote into an empty store, whole or not at all. The daemon must not run.
    Import {
        /// What to read; `-` is standard input.
        #[arg(value_name = "FILE")]
        from: PathBuf,
    },
    /// What is in the store: versions, sizes, numbers. The daemon works on.
    Info {
        /// A copy to look at; the store of the configuration if none is named.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

pub(super) fn run(common: &Common, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Backup { to } => backup(common, to),
        Command::Verify { file } => verify(common, &named(common, file.as_deref())?),
        Command::Export { to } => export(common, to.as_deref()),
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

fn export(common: &Common, to: Option<&Path>) -> Result<(), Failure> {
    let store = configured(common)?;
    let Some(to) = to else {
        return match sqlite::export(&store, &mut BufWriter::new(io::stdout().lock())) {
            Err(NotMoved::Stream(error)) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Quiet),
            Err(not) => Err(Failure::failed(not.to_string())),
            Ok(_) => Ok(()),
        };
    };
    let named = |error: &dyn std::fmt::Display| Failure::failed(format!("{}: {error}", to.display()));
    // It names customers.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => named(&"there is such a file already, and it is kept: name another"),
        _ => named(&error),
    })?;
    let mut out = BufWriter::new(file);
    let exported = sqlite::export(&store, &mut out).map_err(|not| match not {
        NotMoved::Stream(error) => named(&error),
        not => Failure::failed(not.to_string()),
    });
    let exported = exported.and_then(|totals| out.get_ref().sync_all().map(|()| totals).map_err(|error| named(&error)));
    if exported.is_err() {
        // A part of an export is of no use, and would be in the way of the next one. What cannot be removed stays.
        let _ = std::fs::remove_file(to);
    }
    told(common, to, &exported?)
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
        NotMoved::Stream(_) | NotMoved::Line(..) => named(&not),
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
        "first_grant": moment(info.first_grant),
        "last_grant": moment(info.last_grant),
    })
}

fn text_of(path: &Path, info: &Info) -> String {
    let deliveries: u64 = info.deliveries.values().sum();
    let by_state: Vec<String> = info.deliveries.iter().map(|(state, number)| format!("{} {state}", terminal::grouped(*number))).collect();
    let by_state = if by_state.is_empty() { String::new() } else { format!(": {}", by_state.join(", ")) };
    let mut lines = vec![
        format!("store       {}", path.display()),
        format!("size        {}, and {} in its -wal beside it", terminal::bytes(info.bytes), terminal::bytes(info.log_bytes)),
        format!("versions    {} of the tables, {} of SQLite", info.version, info.sqlite),
        format!("grants      {}", terminal::grouped(info.grants)),
        format!("links       {}", terminal::grouped(info.links)),
        format!("deliveries  {}{by_state}", terminal::grouped(deliveries)),
    ];
    if let (Some(first), Some(last)) = (moment(info.first_grant), moment(info.last_grant)) {
        lines.push(format!("issued      from {first} to {last}"));
    }
    lines.join("\n")
}
