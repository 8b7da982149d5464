//! `cloakroom file`: the catalogue of files.

use std::io::{IsTerminal, Write as _};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::client::{CallFault, Client, query};
use super::failure::{Failure, warn};
use super::product::waited;
use super::terminal::{self, Column, table};
use super::{Common, say, say_json};
use crate::api::{
    FilePage, FileView, NewFile, NewName, NewPlace, NewVersion, OrphansView, ReadingView, RemovedFile, ReplacedFile, ScanView,
    SoldCountView,
};
use crate::domain::id::FileId;

/// What stands below the list of commands.
pub(super) const AFTER_HELP: &str = "\
Examples:
  cloakroom file add masters/books/ebook.pdf --name 'The book' --folder books
  cloakroom file add --all masters/books
  cloakroom file replace f-… masters/books/ebook-2.pdf
  cloakroom file scan --orphans";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a master to the catalogue, and print its id.
    Add(Add),
    /// The files of the catalogue.
    List(List),
    /// One file: where it lies, its versions, and what uses it.
    Show {
        /// Its id, `f-…`.
        #[arg(value_name = "FILE", value_parser = FileId::from_str)]
        id: FileId,
    },
    /// Give a file another version, which customers get from now on; by policy, those who bought it before, too.
    Replace {
        /// The file, `f-…`.
        #[arg(value_name = "FILE", value_parser = FileId::from_str)]
        id: FileId,

        /// Where the new version lies; where the current one lay if not said: another file was put there.
        #[arg(value_name = "STORAGE/PATH")]
        file: Option<String>,
    },
    /// Say where the master of a file lies now, after it was moved.
    Move {
        /// The file, `f-…`.
        #[arg(value_name = "FILE", value_parser = FileId::from_str)]
        id: FileId,

        /// Where it lies now.
        #[arg(value_name = "STORAGE/PATH")]
        file: String,
    },
    /// Give a file another name or folder. Its id and its links stay.
    Rename(Rename),
    /// Take a file out of the catalogue. Its master is never deleted.
    Remove {
        /// Its id, `f-…`.
        #[arg(value_name = "FILE", value_parser = FileId::from_str)]
        id: FileId,

        /// Also while products hold it, which lose it, and grants of it are open. Those of bought versions are shut for good.
        #[arg(long)]
        anyway: bool,
    },
    /// Look at all masters: what is missing or was exchanged; and read those whose bytes are not known.
    Scan(Scan),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Where it lies: `STORAGE/PATH`, `https://HOST/PATH[:BYTES]`, a share link, or `aws:BUCKET/KEY[:BYTES]`.
    #[arg(value_name = "FILE", required_unless_present = "all", conflicts_with = "all")]
    file: Option<String>,

    /// Add every master in this folder, and below, that the catalogue does not know.
    #[arg(long, value_name = "STORAGE[/FOLDER]", conflicts_with = "name")]
    all: Option<String>,

    /// Under which name people see it; the last part of its path if not said.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    /// In which folder of the catalogue; at the top if not said.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Rename {
    /// Its id, `f-…`.
    #[arg(value_name = "FILE", value_parser = FileId::from_str)]
    id: FileId,

    /// Under which name people see it.
    #[arg(long, value_name = "TEXT", required_unless_present = "folder")]
    name: Option<String>,

    /// In which folder of the catalogue; empty is at the top.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those behind this one: the last one of the page before.
    #[arg(long, value_name = "FILE", value_parser = FileId::from_str)]
    after: Option<FileId>,

    /// At most so many, 1 to 1000.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

#[derive(Debug, Args)]
pub(super) struct Scan {
    /// List the masters that the catalogue does not know, and do nothing else.
    #[arg(long)]
    orphans: bool,

    /// Those in this folder alone.
    #[arg(value_name = "STORAGE[/FOLDER]", requires = "orphans")]
    place: Option<String>,

    /// Begin, and do not wait until all is read.
    #[arg(long, conflicts_with = "orphans")]
    no_wait: bool,
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let configuration = common.load()?;
    let client = |command: &str| Client::of(&configuration, command);
    match command {
        Command::Add(Add { all: Some(place), folder, .. }) => add_all(common, &client("file add")?, &place, folder.as_deref()),
        Command::Add(Add { file, name, folder, all: None }) => {
            let new = NewFile { file: file.unwrap_or_default(), name, folder };
            let added: FileView = client("file add")?.post("/api/v1/files", &new)?;
            if common.json { say_json(&added) } else { say(&added.id) }
        }
        Command::List(List { after, limit }) => {
            let (after, limit) = (after.map(|id| id.to_string()), limit.to_string());
            let pairs = [("after", after.as_deref()), ("limit", Some(limit.as_str()))];
            let files: Vec<FileView> = client("file list")?.fetch(&format!("/api/v1/files{}", query(&pairs)))?;
            if common.json { say_json(&files) } else { say(list(&files)) }
        }
        Command::Show { id } => {
            let file: FilePage = client("file show")?.fetch(&format!("/api/v1/files/{id}"))?;
            if common.json { say_json(&file) } else { say(page(&file)) }
        }
        Command::Replace { id, file } => {
            let done: ReplacedFile = client("file replace")?.post(&format!("/api/v1/files/{id}/versions"), &NewVersion { file })?;
            if common.json { say_json(&done) } else { say(replaced(&done)) }
        }
        Command::Move { id, file } => {
            let done: ReplacedFile = client("file move")?.post(&format!("/api/v1/files/{id}/move"), &NewPlace { file })?;
            let led = terminal::counted(done.grants_led, "grant follows", "grants follow");
            if common.json { say_json(&done) } else { say(format!("{id} lies at {} now; {led}", terminal::visible(&done.file.at))) }
        }
        Command::Rename(Rename { id, name, folder }) => {
            let done: FileView = client("file rename")?.post(&format!("/api/v1/files/{id}/rename"), &NewName { name, folder })?;
            if common.json { say_json(&done) } else { say(list(std::slice::from_ref(&done))) }
        }
        Command::Remove { id, anyway } => {
            let how = if anyway { "?anyway=true" } else { "" };
            let gone: RemovedFile = client("file remove")?.delete(&format!("/api/v1/files/{id}{how}"))?;
            if common.json { say_json(&gone) } else { say(removed(&gone)) }
        }
        Command::Scan(Scan { orphans: true, place, .. }) => {
            let found = orphans(&client("file scan")?, place.as_deref())?;
            if common.json { say_json(&found) } else { say(orphaned(&found)) }
        }
        Command::Scan(Scan { no_wait, .. }) => {
            let client = client("file scan")?;
            let began: ScanView = client.order("/api/v1/files/scan")?;
            let scanned = if no_wait { began } else { wait(&client, began)? };
            if common.json { say_json(&scanned) } else { say(summary(&scanned)) }
        }
    }
}

fn orphans(client: &Client, place: Option<&str>) -> Result<OrphansView, Failure> {
    let (storage, folder) = place.map_or((None, None), |place| match place.trim_end_matches('/').split_once('/') {
        Some((storage, folder)) => (Some(storage), Some(folder)),
        None => (Some(place.trim_end_matches('/')), None),
    });
    Ok(client.fetch_slowly(&format!("/api/v1/files/orphans{}", query(&[("storage", storage), ("folder", folder)])))?)
}

fn add_all(common: &Common, client: &Client, place: &str, folder: Option<&str>) -> Result<(), Failure> {
    let found = orphans(client, Some(place))?;
    let mut added: Vec<FileView> = Vec::with_capacity(found.files.len());
    let (mut left, mut cut_off) = (Vec::new(), None);
    for file in found.files {
        let new = NewFile { file, name: None, folder: folder.map(str::to_owned) };
        match client.post("/api/v1/files", &new) {
            Ok(view) => added.push(view),
            Err(CallFault::Problem(problem)) => left.push(format!("{}: {}", terminal::visible(&new.file), problem.detail)),
            // Nobody is there to take the next one.
            Err(fault) => {
                cut_off = Some(fault);
                break;
            }
        }
    }
    let more = if found.more { "\nthere are more: the same command once more adds the next" } else { "" };
    match added.as_slice() {
        added if common.json => say_json(&added)?,
        [] if left.is_empty() && cut_off.is_none() => {
            say(format!("the catalogue knows every master in {} already", terminal::visible(place)))?;
        }
        [] => {}
        added => say(format!("{}{more}", list(added)))?,
    }
    for why in &left {
        warn(why);
    }
    match (cut_off, left.len() as u64) {
        (Some(fault), _) => Err(fault.into()),
        (None, 0) => Ok(()),
        (None, count) => {
            let text = format!("{} not added", terminal::counted(count, "file was", "files were"));
            Err(if added.is_empty() { Failure::failed(text) } else { Failure::Partly(text) })
        }
    }
}

/// How often is asked how far a scan is.
const LOOK: Duration = Duration::from_millis(200);

/// Waits until a scan is done; on a terminal with its progress.
fn wait(client: &Client, began: ScanView) -> Result<ScanView, Failure> {
    let shows = std::io::stderr().is_terminal();
    let path = format!("/api/v1/files/scan?scan={}", began.scan);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(error.to_string()))?;
    let scanned = runtime.block_on(async {
        let mut scan = began;
        while !scan.done {
            if shows {
                let line = scan.reading.as_ref().map_or_else(|| "looking at masters".to_owned(), |reading| progress(&scan, reading));
                // Nobody needs to hear that the terminal is gone.
                let _ = write!(std::io::stderr(), "\r\u{1b}[K{line}");
            }
            tokio::time::sleep(LOOK).await;
            scan = client.ask(http::Method::GET, &path, hyper::body::Bytes::new()).await?;
        }
        Ok(scan)
    });
    if shows {
        let _ = write!(std::io::stderr(), "\r\u{1b}[K");
    }
    scanned
}

/// Longer names would break the line.
const NAME_SHOWN: usize = 30;

fn progress(scan: &ScanView, reading: &ReadingView) -> String {
    let name: String = terminal::visible(&reading.name).chars().take(NAME_SHOWN).collect();
    let part = terminal::percent(reading.done, reading.size);
    let left = terminal::bytes(scan.waiting_bytes.saturating_sub(reading.done));
    format!(
        "reading {name}  {part} of {}; {left} left in {}",
        terminal::bytes(reading.size),
        terminal::counted(scan.waiting, "file", "files")
    )
}

fn summary(scan: &ScanView) -> String {
    let all: u64 = scan.states.values().sum();
    let states = ["ok", "hashing", "changed", "missing", "remote"];
    let parts = states.iter().filter_map(|state| Some((state, *scan.states.get(*state)?))).filter(|(_, count)| *count > 0);
    let parts: Vec<String> = parts.map(|(state, count)| format!("{} {state}", terminal::grouped(count))).collect();
    let mut text = match all {
        0 => "no files; `cloakroom file add STORAGE/PATH` adds one".to_owned(),
        _ => format!("{}: {}", terminal::counted(all, "file", "files"), parts.join(", ")),
    };
    if !scan.done {
        text.push_str("; the scan goes on, `cloakroom file scan` waits for it");
    } else if scan.states.get("missing").is_some_and(|count| *count > 0) {
        text.push_str("\n`cloakroom file list` tells which are missing; `cloakroom file move` says where one lies now");
    }
    text
}

fn orphaned(found: &OrphansView) -> String {
    let OrphansView { files, passed_over, more } = found;
    if files.is_empty() {
        return "the catalogue knows every master".to_owned();
    }
    let mut lines: Vec<String> = files.iter().map(|file| terminal::visible(file)).collect();
    if *more {
        lines.push("and more: name a folder to see those in it".to_owned());
    }
    if *passed_over > 0 {
        lines.push(format!("({} passed over: hidden, a link, or no file)", terminal::counted(*passed_over, "name was", "names were")));
    }
    lines.join("\n")
}

fn replaced(done: &ReplacedFile) -> String {
    let led = match done.grants_led {
        0 => "no grant that was made before leads elsewhere".to_owned(),
        count => format!("{} to it", terminal::counted(count, "grant leads", "grants lead")),
    };
    let served = done.served.as_ref().map(|served| format!("\n{}", waited(served))).unwrap_or_default();
    format!("{} is version {} now, at {}; {led}{served}", done.file.id, done.file.version, terminal::visible(&done.file.at))
}

fn removed(gone: &RemovedFile) -> String {
    let mut text = format!("{} is no longer in the catalogue; its master stays where it is", gone.id);
    if !gone.products.is_empty() {
        text = format!("{text}\nproducts that lost it: {}", terminal::visible(&gone.products.join(", ")));
    }
    let SoldCountView { open, bought_versions, .. } = gone.grants;
    if bought_versions > 0 {
        let shut = terminal::counted(bought_versions, "grant of a bought version is", "grants of bought versions are");
        text = format!("{text}\n{shut} shut for good");
    }
    if open > bought_versions {
        let open = terminal::counted(open - bought_versions, "open grant goes", "open grants go");
        text = format!("{text}\n{open} on with what lies where it leads");
    }
    text
}

fn list(files: &[FileView]) -> String {
    if files.is_empty() {
        return "no files; `cloakroom file add STORAGE/PATH` adds one".to_owned();
    }
    let row = |file: &FileView| {
        let products = terminal::visible(&file.products.join(", "));
        let size = file.size.map(terminal::bytes).unwrap_or_default();
        let (folder, name, at) = (terminal::visible(&file.folder), terminal::visible(&file.name), terminal::visible(&file.at));
        vec![file.id.clone(), folder, name, file.state.clone(), size, at, products]
    };
    let columns = [
        Column::Text("file"),
        Column::Text("folder"),
        Column::Text("name"),
        Column::Text("state"),
        Column::Number("size"),
        Column::Text("lies at"),
        Column::Text("used by"),
    ];
    table(&columns, &files.iter().map(row).collect::<Vec<_>>()).trim_end().to_owned()
}

fn page(page: &FilePage) -> String {
    let FilePage { file, grants, versions } = page;
    let used = if file.products.is_empty() { "no product".to_owned() } else { terminal::visible(&file.products.join(", ")) };
    let folder = if file.folder.is_empty() { "(top)".to_owned() } else { terminal::visible(&file.folder) };
    let share = file.share.as_ref().map(|share| format!(", a share link of {share}")).unwrap_or_default();
    let state = match (file.state.as_str(), &file.missing_since) {
        ("missing", Some(since)) => format!("missing since {since}: what was sold of it is refused until it is back"),
        ("hashing", _) => "hashing: its bytes are being read".to_owned(),
        ("changed", _) => "changed: another file lies there, and is the next version once it was read".to_owned(),
        ("remote", _) => format!("remote{share}: delivered by a later version"),
        (state, _) => state.to_owned(),
    };
    let mut lines = vec![
        format!("{}  {}", file.id, terminal::visible(&file.name)),
        format!("folder    {folder}"),
        format!("lies at   {}", terminal::visible(&file.at)),
        format!("state     {state}"),
        format!("size      {}", file.size.map_or_else(|| "not known".to_owned(), terminal::bytes_exactly)),
        format!("type      {}", terminal::visible(&file.media_type)),
        format!("sha-256   {}", file.sha256.as_deref().unwrap_or("not known yet")),
        format!("added     {}", file.added),
        format!("used by   {used}"),
        format!("grants    {} made, {} open", terminal::grouped(grants.all), terminal::grouped(grants.open)),
    ];
    if versions.len() > 1 {
        lines.push(String::new());
        let row = |version: &crate::api::VersionOfFile| {
            let size = version.size.map(terminal::bytes).unwrap_or_default();
            vec![version.id.clone(), version.released.clone(), size, terminal::visible(&version.at)]
        };
        let columns = [Column::Text("version"), Column::Text("released"), Column::Number("size"), Column::Text("lies at")];
        lines.push(table(&columns, &versions.iter().map(row).collect::<Vec<_>>()).trim_end().to_owned());
    }
    lines.join("\n")
}
