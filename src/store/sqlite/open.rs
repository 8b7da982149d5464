//! Opening the file: made whole or not at all, checked, brought forward, and never silently when it is damaged.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, MAIN_DB, OpenFlags};

use super::fault::Fault;
use super::schema::{APPLICATION_ID, LEARNED, MIGRATIONS};
use crate::config::Durability;

/// The versions before it, back to 3.7.0, can lose what was written when a log file begins anew while another
/// connection is open (`WAL-reset`, mended in 3.51.3).
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// What every file of SQLite begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The head of such a file, and where numbers stand in it (<https://www.sqlite.org/fileformat2.html#the_database_header>).
const HEAD_BYTES: usize = 100;
const USER_VERSION_AT: usize = 60;
const APPLICATION_ID_AT: usize = 68;

/// Files of up to this size are read whole when they are opened; larger ones would hold a restart up for seconds, and
/// are read by `cloakroom store verify`.
const CHECKED_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Memory for pages of the connection that writes, in KiB. A commit that moved pages of a table goes through all of them
/// (`pcache1TruncateUnsafe`), so that more of it costs more than what it saves: the system keeps the file's pages too.
const CACHE_KIB: i32 = 6 * 1024;

/// The same of each that reads.
const READ_CACHE_KIB: i32 = 2 * 1024;

/// Pages after which a commit itself writes the log into the file: 128 MiB. Long before, [`super::checkpoint`] does.
const CHECKPOINT_PAGES: u32 = 32768;

/// The log file is cut to this when it begins anew.
const LOG_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// Statements kept prepared; there are fewer.
const STATEMENTS_MAX: usize = 128;

/// How long a statement waits for a lock: somebody looks at the file with another program.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Why a store cannot be opened.
#[derive(Debug)]
pub struct NotOpened {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

/// Why a store cannot be opened.
#[derive(Debug)]
pub enum Why {
    /// This program was built with a SQLite that has a fault; its version.
    OldSqlite(String),
    /// Another process has it.
    InUse,
    /// It cannot be made, opened or read.
    System(io::Error),
    /// It is not a database, or not of ours; what it is instead.
    Foreign(String),
    /// A later version of Cloakroom made it: its version, and the one that is known.
    Newer(i64, usize),
    /// It is damaged; what was found first.
    Damaged(String),
    /// SQLite says no, in its words.
    Database(String),
}

impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.why {
            Why::OldSqlite(version) => {
                write!(f, "this program holds SQLite {version}, which can lose data; build it with 3.51.3 or later")
            }
            Why::InUse => write!(f, "the store {path} is in use by another process: is Cloakroom running already?"),
            Why::System(error) => write!(f, "the store {path}: {error}{}", advice(error)),
            Why::Foreign(what) => {
                write!(f, "the store {path} is {what}: put the right file there, or move it away to begin an empty store")
            }
            Why::Newer(found, known) => write!(
                f,
                "the store {path} was made by a later version of Cloakroom (its version is {found}, this program knows {known}): install that version, or restore a backup"
            ),
            Why::Damaged(what) => write!(
                f,
                "the store {path} is damaged ({what}): nothing was changed. Keep a copy of it and of {path}-wal, then restore a backup; \
                 without one, `cloakroom store export --salvage` writes what can still be read"
            ),
            Why::Database(fault) => write!(f, "the store {path} cannot be used: {fault}"),
        }
    }
}

/// What to do about `error`, where that is known.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            ". The user that the daemon runs as must be able to read and write it, and to make files in its directory"
        }
        io::ErrorKind::NotFound => ". Is its directory there, and what it may be a link to?",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ". Make room on its disk",
        io::ErrorKind::ReadOnlyFilesystem => ". Its disk must be mounted for writing",
        _ => "",
    }
}

impl std::error::Error for NotOpened {}

/// The one process that has the store. The lock goes when the process does, however it ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "it is held, not read")] File);

/// Opens the file at `path` for writing, alone; makes it if it is not there.
pub(super) fn open(path: &Path, durability: Durability) -> Result<(Connection, Lock), NotOpened> {
    let not = |why| NotOpened { path: path.to_owned(), why };
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(not(Why::OldSqlite(rusqlite::version().to_owned())));
    }
    if is_there(path).map_err(not)? {
        look_at(path).map_err(not)?;
    }
    let lock = lock(path).map_err(not)?;
    if !is_there(path).map_err(not)? {
        make(path).map_err(not)?;
    }
    let database = connect(path).map_err(|fault| not(of_fault(&fault)))?;
    check(path, &database, true).map_err(not)?;
    begin_to_write(&database, durability).map_err(|fault| not(of_fault(&fault)))?;
    Ok((database, lock))
}

/// A link to nothing is there, too: what it leads to may be on a disk that is not mounted.
fn is_there(path: &Path) -> Result<bool, Why> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Why::System(error)),
    }
}

/// Opens the file at `path` for reading only.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, Fault> {
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    prepare(&database, READ_CACHE_KIB)?;
    Ok(database)
}

/// Opens the file at `path` to read, without changing it, if it is a store that is whole at first sight.
pub(super) fn examine(path: &Path) -> Result<Connection, NotOpened> {
    let look = || {
        look_at(path)?;
        let database = open_to_read(path).map_err(|fault| of_fault(&fault))?;
        check(path, &database, false)?;
        Ok(database)
    };
    look().map_err(|why| NotOpened { path: path.to_owned(), why })
}

fn lock(path: &Path) -> Result<Lock, Why> {
    let beside = beside(path, "lock");
    let file = match new_file(&beside) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => OpenOptions::new().write(true).open(&beside),
        made => made,
    };
    let file = file.map_err(Why::System)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(Why::InUse),
        Err(TryLockError::Error(error)) => Err(Why::System(error)),
    }
}

/// Makes the file at `path`, which nobody else may read. Where root makes it, it belongs to whom its directory belongs to,
/// as do the files that SQLite puts beside it: the daemon runs as that user, and could not open it.
fn new_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let owner = std::fs::metadata(directory(path))?;
    if rustix::process::geteuid().is_root() && !rustix::process::Uid::from_raw(owner.uid()).is_root() {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(file)
}

/// Makes the names beside `path` durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory(path))?.sync_all()
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `path` with something behind its name.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-");
    name.push(end);
    PathBuf::from(name)
}

/// Makes an empty store aside and puts it in its place when it is whole: a file that is there and empty is damage.
fn make(path: &Path) -> Result<(), Why> {
    if has_log(path) {
        return Err(Why::Damaged("it is gone, and its log file is still there".to_owned()));
    }
    let aside = beside(path, "new");
    match std::fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Why::System(error)),
        Ok(()) | Err(_) => {}
    }
    new_file(&aside).map_err(Why::System)?;
    let made = Connection::open(&aside).and_then(|database| {
        // A log of its own would stand beside the wrong name.
        database.pragma_update(None, "journal_mode", "DELETE")?;
        database.pragma_update(None, "application_id", APPLICATION_ID)?;
        migrate(&database, 0)
    });
    made.map_err(|fault| of_fault(&fault.into()))?;
    std::fs::rename(&aside, path).map_err(Why::System)?;
    sync_directory(path).map_err(Why::System)
}

/// Looks at the first bytes, before SQLite does: it takes an empty file for a new one, and writes into what is its own.
pub(super) fn look_at(path: &Path) -> Result<(), Why> {
    version_in_head(path).map(drop)
}

/// The version of its tables, as the first bytes tell it.
pub(super) fn version_in_head(path: &Path) -> Result<usize, Why> {
    // A pipe would be waited for.
    if !std::fs::metadata(path).map_err(Why::System)?.is_file() {
        return Err(Why::Foreign("not a file".to_owned()));
    }
    let mut head = Vec::with_capacity(HEAD_BYTES);
    File::open(path).and_then(|file| file.take(HEAD_BYTES as u64).read_to_end(&mut head)).map_err(Why::System)?;
    let letters = head.len().min(MAGIC.len());
    if head.get(..letters) != MAGIC.get(..letters) {
        return Err(Why::Foreign("not a database".to_owned()));
    }
    if head.len() < HEAD_BYTES {
        return Err(Why::Damaged("it is empty or cut off".to_owned()));
    }
    let number = |at: usize| head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_be_bytes);
    is_ours(number(APPLICATION_ID_AT).into(), number(USER_VERSION_AT).into())
}

/// Its version, if it is a store that this program knows.
fn is_ours(application: i64, version: i64) -> Result<usize, Why> {
    if application != i64::from(APPLICATION_ID) {
        return Err(Why::Foreign("the database of another program".to_owned()));
    }
    match usize::try_from(version) {
        Ok(known) if (1..=MIGRATIONS.len()).contains(&known) => Ok(known),
        Ok(1..) => Err(Why::Newer(version, MIGRATIONS.len())),
        _ => Err(Why::Damaged(format!("its version is {version}, and the first was 1"))),
    }
}

/// Connects without writing: what is refused stays as it is, its log too.
fn connect(path: &Path) -> Result<Connection, Fault> {
    let keep = has_log(path);
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    keep_log(&database, keep)?;
    prepare(&database, CACHE_KIB)?;
    Ok(database)
}

/// Opens the file at `path`, which is open for writing, once more, to copy its log into it.
pub(super) fn open_to_copy(path: &Path, durability: Durability) -> Result<Connection, Fault> {
    let database = connect(path)?;
    begin_to_write(&database, durability)?;
    // What is to become of the log at the end, the one that writes decides.
    keep_log(&database, true)?;
    Ok(database)
}

/// Whether something stands in a log beside `path`.
fn has_log(path: &Path) -> bool {
    std::fs::metadata(beside(path, "wal")).is_ok_and(|log| log.len() > 0)
}

/// Whether the log stays beside the file when `database` is closed; else it is brought into it.
pub(super) fn keep_log(database: &Connection, keep: bool) -> Result<(), rusqlite::Error> {
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep).map(drop)
}

fn begin_to_write(database: &Connection, durability: Durability) -> Result<(), Fault> {
    // Where only reading is allowed, SQLite opens for reading.
    if database.is_readonly(MAIN_DB)? {
        let fault = "only reading is allowed. The user that the daemon runs as must be able to write it";
        return Err(Fault::Unusable(fault.to_owned()));
    }
    let mode: String = database.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::Unusable(format!("its file system allows no log file ({mode})")));
    }
    database.pragma_update(None, "synchronous", if durability == Durability::Full { "FULL" } else { "NORMAL" })?;
    database.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    database.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
    keep_log(database, false)?;
    Ok(())
}

fn prepare(database: &Connection, cache_kib: i32) -> Result<(), Fault> {
    database.busy_timeout(LOCK_WAIT)?;
    database.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    database.pragma_update(None, "cache_size", -cache_kib)?;
    database.pragma_update(None, "cell_size_check", true)?;
    database.pragma_update(None, "trusted_schema", false)?;
    database.pragma_update(None, "temp_store", "MEMORY")?;
    // Else a statement is compiled anew each time it is run with other values: those might call for another plan.
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Whose file it is, of which version, and whether it is whole; brought forward where `bring_forward` says so.
pub(super) fn check(path: &Path, database: &Connection, bring_forward: bool) -> Result<(), Why> {
    let number = |name| database.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(|fault| of_fault(&fault.into()));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let version = is_ours(application, version)?;
    if std::fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_BYTES_MAX)
        && let Some(first) = damage(database, "quick_check").map_err(|fault| of_fault(&fault))?
    {
        return Err(Why::Damaged(first));
    }
    if version < MIGRATIONS.len() {
        if !bring_forward {
            return Err(Why::Database(format!("its version is {version}; starting the daemon brings it to {}", MIGRATIONS.len())));
        }
        migrate(database, version).map_err(|fault| of_fault(&fault.into()))?;
    }
    Ok(())
}

/// What `PRAGMA check` finds first.
pub(super) fn damage(database: &Connection, check: &str) -> Result<Option<String>, Fault> {
    let first: String = database.query_row(&format!("PRAGMA {check}(1)"), [], |row| row.get(0))?;
    // The first line may only say which database it is about.
    let told = first.lines().find(|line| !line.starts_with("***")).unwrap_or(&first);
    Ok((first != "ok").then(|| told.to_owned()))
}

/// Runs what leads from `version` to the present one, all in one step.
fn migrate(database: &Connection, version: usize) -> Result<(), rusqlite::Error> {
    database.execute_batch("BEGIN IMMEDIATE")?;
    for step in MIGRATIONS.iter().skip(version) {
        database.execute_batch(step)?;
    }
    if version == 0 {
        database.execute_batch(LEARNED)?;
    }
    database.pragma_update(None, "user_version", u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX))?;
    database.execute_batch("COMMIT")
}

pub(super) fn of_fault(fault: &Fault) -> Why {
    if fault.is_damage() { Why::Damaged(fault.to_string()) } else { Why::Database(fault.to_string()) }
}
