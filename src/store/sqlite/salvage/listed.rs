//! The list of tables, on which everything else hangs, put back where a page of it cannot be read.
//!
//! This program makes every file alike: the list stands on the same pages and leads to the same places, and `store backup`
//! writes another order, always the same, too. Where what is left of the list is what stands there in a new file, the
//! rest is taken from the new file. Files that an earlier version made are in an order of their own, and are not mended.
//! The list is put into a copy: the damaged file is only read.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::super::fault::Fault;
use super::super::open::beside;
use super::super::rows;
use super::super::schema::{APPLICATION_ID, LEARNED, MIGRATIONS};

/// Bytes of a page, as SQLite makes them where nobody says otherwise.
const PAGE: usize = 4096;

/// On the first page, before its part of the list, stands the head of the file, and in that how many pages there are.
const HEAD: usize = 100;
const PAGES_AT: u64 = 28;

/// The kind of a page that leads to others.
const LEADS_ON: u8 = 5;

/// Names tried for the directory of a copy.
const NAMES_MAX: u32 = 1000;

/// A directory that goes with what is in it.
pub(super) struct Aside(PathBuf);

impl Aside {
    fn new() -> Result<Self, Fault> {
        let parent = std::env::var_os("TMPDIR").filter(|named| !named.is_empty()).map_or_else(|| "/var/tmp".into(), PathBuf::from);
        let id = std::process::id();
        let mut names = (0..NAMES_MAX).map(|number| parent.join(format!("cloakroom-salvage-{id}-{number}")));
        let made = names.find_map(|path| match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
            made => Some(made.map(|()| path)),
        });
        made.unwrap_or_else(|| Err(io::ErrorKind::AlreadyExists.into())).map(Self).map_err(|error| unusable(&parent, &error))
    }

    /// The copy of the store.
    pub(super) fn file(&self) -> PathBuf {
        self.0.join("cloakroom.db")
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Nobody else may read it, and the system clears what it cannot.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn unusable(path: &Path, error: &io::Error) -> Fault {
    Fault::Unusable(format!("a copy to mend it cannot be made in {}: {error}", path.display()))
}

/// A copy of the store at `path`, whose tables are those of `version`, with a whole list of tables; `None` where what is
/// left of the list is not as this program writes it.
pub(super) fn mended(path: &Path, version: usize) -> Result<Option<Aside>, Fault> {
    let aside = Aside::new()?;
    let failed = |error: io::Error| unusable(&aside.0, &error);
    let damaged = File::open(path).map_err(|error| unusable(path, &error))?;
    let fits = fresh(&aside, version)?.into_iter().filter_map(|fresh| Some((fresh.fits(&damaged)?, fresh)));
    let Some((_, fresh)) = fits.max_by_key(|(pages, _)| *pages) else { return Ok(None) };
    for end in ["", "-wal"] {
        let from = if end.is_empty() { path.to_owned() } else { beside(path, "wal") };
        if from.exists() {
            std::fs::copy(&from, format!("{}{end}", aside.file().display())).map_err(failed)?;
        }
    }
    let copy = OpenOptions::new().write(true).open(aside.file()).map_err(failed)?;
    fresh.put(&copy).map_err(failed)?;
    Ok(Some(aside))
}

/// A new file, of which only the list counts.
struct Fresh {
    /// Each page of the list, by where it begins; of the first, what stands behind the head.
    pages: Vec<(u64, Vec<u8>)>,
    /// Bytes of the whole: where each table begins lies in them.
    bytes: u64,
}

/// The page that a page leads to last, or its kind, and its rows.
type Meant<'a> = (&'a [u8], Vec<&'a [u8]>);

/// What of a page of the list means something
/// (<https://www.sqlite.org/fileformat2.html#b_tree_pages>). What lies between them was in memory by chance.
fn meant(page: &[u8]) -> Option<Meant<'_>> {
    let number = |at: usize| page.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes).map(usize::from);
    let leads_on = page.first() == Some(&LEADS_ON);
    let head = if leads_on { 12 } else { 8 };
    let row = |place: usize| {
        // Places are told from the beginning of the page, of which the first lacks the head of the file.
        let row = page.get(number(head + 2 * place)?.checked_sub(PAGE.checked_sub(page.len())?)?..)?;
        let size = if leads_on {
            4 + varint(row.get(4..)?)?.1
        } else {
            let (size, bytes) = varint(row)?;
            size.checked_add(bytes + varint(row.get(bytes..)?)?.1)?
        };
        row.get(..size)
    };
    // Behind the kind stand the places of what is free, which differ by chance, too.
    let last = page.get(if leads_on { 8..12 } else { 0..1 })?;
    Some((last, (0..number(3)?).map(row).collect::<Option<_>>()?))
}

/// The number that `bytes` begin with, and how many bytes it has; none in the list has more than three.
fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (bytes, byte) in (1..=3).zip(bytes) {
        value = value << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, bytes));
        }
    }
    None
}

/// New files in each order: as they are made, and as a backup is.
fn fresh(aside: &Aside, version: usize) -> Result<Vec<Fresh>, Fault> {
    let [made, compact] = ["made.db", "compact.db"].map(|name| aside.0.join(name));
    let database = Connection::open(&made)?;
    database.pragma_update(None, "application_id", APPLICATION_ID)?;
    database.execute_batch("BEGIN")?;
    for step in MIGRATIONS.iter().take(version) {
        database.execute_batch(step)?;
    }
    database.execute_batch(LEARNED)?;
    database.execute_batch("COMMIT")?;
    database.execute("VACUUM INTO ?1", [compact.to_string_lossy()])?;
    [made, compact].iter().map(|path| Fresh::read(path)).collect()
}

impl Fresh {
    fn read(path: &Path) -> Result<Self, Fault> {
        let database = Connection::open(path)?;
        let listed = "SELECT pageno FROM dbstat WHERE name = 'sqlite_schema' ORDER BY pageno";
        let numbers = rows::all(&database, listed, [], |row| Ok(row.get::<_, u32>(0)?))?;
        let file = File::open(path).map_err(|error| unusable(path, &error))?;
        let page = |number: u32| {
            let start = u64::from(number.saturating_sub(1)) * PAGE as u64;
            let from = if number == 1 { HEAD } else { 0 };
            let mut bytes = vec![0; PAGE - from];
            file.read_exact_at(&mut bytes, start + from as u64).map_err(|error| unusable(path, &error))?;
            Ok((start + from as u64, bytes))
        };
        let bytes = file.metadata().map_err(|error| unusable(path, &error))?.len();
        Ok(Self { pages: numbers.into_iter().map(page).collect::<Result<_, Fault>>()?, bytes })
    }

    /// Whether the list in `damaged` is this one: the same rows on the same pages, on the one that leads to the others, or
    /// on all of these; and of how many pages that is so.
    fn fits(&self, damaged: &File) -> Option<usize> {
        let stands = |(start, bytes): &(u64, Vec<u8>)| {
            let mut found = vec![0; bytes.len()];
            damaged.read_exact_at(&mut found, *start).is_ok() && meant(&found).is_some_and(|found| Some(found) == meant(bytes))
        };
        let (first, others) = self.pages.split_first()?;
        let (first, others_found) = (stands(first), others.iter().filter(|page| stands(page)).count());
        let is_this = first || (!others.is_empty() && others_found == others.len());
        is_this.then_some(usize::from(first) + others_found)
    }

    fn put(&self, copy: &File) -> io::Result<()> {
        for (start, bytes) in &self.pages {
            copy.write_all_at(bytes, *start)?;
        }
        // Of a file that was cut off, SQLite reads nothing while more pages are said to be there, or a table begins on one.
        let bytes = copy.metadata()?.len().max(self.bytes);
        copy.set_len(bytes)?;
        let pages = u32::try_from(bytes / PAGE as u64).unwrap_or(u32::MAX);
        copy.write_all_at(&pages.to_be_bytes(), PAGES_AT)
    }
}
