//! What stands where the store should: each is opened whole or refused with a reason, and what is refused stays as it is.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use cloakroom::config::Durability;
use cloakroom::domain::account::Click;
use cloakroom::domain::grant::Grant;
use cloakroom::domain::link::Link;
use cloakroom::store::sqlite::{NotOpened, Sqlite, info, verify};
use cloakroom::store::{Filter, Grants, Store};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::fixtures::{ask, at, author, click, delivery_id, grant, grant_id, link, link_id};
use crate::servers::program::{Copied, Program};

pub const PAGE: usize = 4096;
const GRANTS: u32 = 60;

/// A directory with a store in it, or something else.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn file(&self) -> PathBuf {
        self.0.path().join("cloakroom.db")
    }

    pub fn log(&self) -> PathBuf {
        self.0.path().join("cloakroom.db-wal")
    }

    /// A store that was closed.
    pub fn filled() -> Self {
        let place = Self::new();
        fill(&place.open().unwrap());
        place
    }

    /// The same with the tables of the first version.
    pub fn first_version() -> Self {
        let place = Self::filled();
        // What was added since goes, and what was taken away comes back.
        place.sql(
            "DROP TABLE blurred; DROP INDEX deliveries_by_end; DROP TABLE order_skus; DROP INDEX grants_of_file; DROP INDEX grants_of_sku; ALTER TABLE deliveries DROP COLUMN lies; \
             DROP TABLE deeds; DROP TABLE api_keys; DROP TABLE calls; DROP TABLE outbox; DROP TABLE orders; DROP TABLE files; DROP TABLE products; DROP TABLE product_files; DROP INDEX grants_sold; \
             ALTER TABLE grants DROP COLUMN order_id; ALTER TABLE grants DROP COLUMN line; ALTER TABLE grants DROP COLUMN sku; \
             ALTER TABLE grants DROP COLUMN file_id; ALTER TABLE grants DROP COLUMN unit; ALTER TABLE grants DROP COLUMN gate; \
             DROP TABLE placed; DROP TABLE credentials; DROP TABLE places; ALTER TABLE deliveries DROP COLUMN away; ALTER TABLE counts ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0; \
             UPDATE counts SET reserved = 1; PRAGMA user_version = 1",
        );
        place
    }

    /// What kill -9 leaves of one: everything but the first steps stands in the log.
    pub fn killed() -> Self {
        let (place, copy) = (Self::new(), Self::new());
        let store = place.open().unwrap();
        fill(&store);
        fs::copy(place.file(), copy.file()).unwrap();
        fs::copy(place.log(), copy.log()).unwrap();
        copy
    }

    pub fn open(&self) -> Result<Sqlite, NotOpened> {
        Sqlite::open_with(&self.file(), Durability::Relaxed, 2)
    }

    pub fn change(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.file()).unwrap();
        change(&mut bytes);
        fs::write(self.file(), bytes).unwrap();
    }

    /// Every file that means something: a lock and shared memory do not, and an empty log says nothing.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(self.0.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let bytes = if path.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            let says_nothing = name.ends_with("-lock") || name.ends_with("-shm") || name.ends_with("-wal") && bytes.is_empty();
            if !says_nothing {
                found.insert(name, bytes);
            }
        }
        found
    }

    pub fn sql(&self, sql: &str) {
        Connection::open(self.file()).unwrap().execute_batch(sql).unwrap();
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn fill(store: &Sqlite) {
    runtime().block_on(async {
        for number in 1..=GRANTS {
            store.issue(grant(number, Some(3)), link(number), author()).await.unwrap();
        }
        for number in 1..=20 {
            let clicked = store.click(Click { link: link_id(number), ..click(number, 1, at(0)) }).await.unwrap().unwrap();
            let _ = store.admit(ask(clicked.delivery, &format!("r{number}"), 1, at(0))).await.unwrap();
        }
    });
}

/// Asks for everything; what is answered is not looked at.
fn read_all(store: &Sqlite) {
    runtime().block_on(async {
        let _ = store.grants(Grants::default()).await;
        let _ = store.deliveries(Filter::default()).await;
        for number in 1..=GRANTS {
            let _ = store.account(grant_id(number), Some(delivery_id(number))).await;
            let _ = store.history(grant_id(number)).await;
            let _ = store.links(grant_id(number)).await;
        }
        let _ = store.close_due(at(99_999_999)).await;
        let _ = store.trouble();
    });
}

/// What is there, and the words in which it is refused.
struct Case {
    name: &'static str,
    place: Place,
    words: &'static [&'static str],
}

fn case(name: &'static str, place: Place, make: impl FnOnce(&Place), words: &'static [&'static str]) -> Case {
    make(&place);
    Case { name, place, words }
}

const DAMAGED: &[&str] = &["is damaged", "nothing was changed", "-wal", "restore a backup"];
const FOREIGN: &[&str] = &["is the database of another program", "put the right file there, or move it away"];
const NO_DATABASE: &[&str] = &["is not a database", "put the right file there"];
const NO_FILE: &[&str] = &["is not a file", "put the right file there"];

fn cases() -> Vec<Case> {
    let cut = |pages: usize| move |place: &Place| place.change(|bytes| bytes.truncate(pages * PAGE));
    let version = |version: i32| move |place: &Place| place.change(|bytes| bytes[60..64].copy_from_slice(&version.to_be_bytes()));
    vec![
        case("an empty file", Place::new(), |place| fs::write(place.file(), "").unwrap(), &["is damaged (it is empty or cut off)"]),
        case("half a head", Place::filled(), |place| place.change(|bytes| bytes.truncate(50)), &["is damaged (it is empty or cut off)"]),
        case("one page", Place::filled(), cut(1), DAMAGED),
        case("two pages", Place::filled(), cut(2), DAMAGED),
        case("three pages", Place::filled(), cut(3), DAMAGED),
        case("a page and a half", Place::filled(), |place| place.change(|bytes| bytes.truncate(PAGE * 3 / 2)), DAMAGED),
        case("another first letter", Place::filled(), |place| place.change(|bytes| bytes[0] = b's'), NO_DATABASE),
        case("pages of no size", Place::filled(), |place| place.change(|bytes| bytes[16..18].fill(0)), DAMAGED),
        case("a text", Place::new(), |place| fs::write(place.file(), "not a database\n".repeat(20)).unwrap(), NO_DATABASE),
        case("a short text", Place::new(), |place| fs::write(place.file(), "no").unwrap(), NO_DATABASE),
        case("a directory", Place::new(), |place| fs::create_dir(place.file()).unwrap(), NO_FILE),
        case("a pipe", Place::new(), |place| assert!(Command::new("mkfifo").arg(place.file()).status().unwrap().success()), NO_FILE),
        case(
            "a link to nothing",
            Place::new(),
            |place| symlink("/nowhere/cloakroom.db", place.file()).unwrap(),
            &["No such file or directory", "what it may be a link to?"],
        ),
        case("a database of somebody", Place::new(), |place| place.sql("CREATE TABLE t (a); INSERT INTO t VALUES (1)"), FOREIGN),
        case(
            "a database of somebody with a name",
            Place::new(),
            |place| place.sql("PRAGMA application_id = 252006675; PRAGMA user_version = 1; CREATE TABLE grants (id)"),
            FOREIGN,
        ),
        case(
            "the log of somebody's",
            Place::new(),
            |place| {
                let other = Place::new();
                let database = Connection::open(other.file()).unwrap();
                database.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a)").unwrap();
                fs::copy(other.file(), place.file()).unwrap();
                fs::copy(other.log(), place.log()).unwrap();
            },
            FOREIGN,
        ),
        case("a later version", Place::filled(), version(99), &["made by a later version", "its version is 99", "install that version"]),
        case("no version", Place::filled(), version(0), &["is damaged (its version is 0, and the first was 1)"]),
        case("a version below none", Place::filled(), version(-1), &["is damaged (its version is -1, and the first was 1)"]),
        case(
            "a later version, in the log",
            Place::new(),
            |place| {
                let other = Place::filled();
                let database = Connection::open(other.file()).unwrap();
                database.execute_batch("PRAGMA user_version = 99").unwrap();
                fs::copy(other.file(), place.file()).unwrap();
                fs::copy(other.log(), place.log()).unwrap();
            },
            &["made by a later version", "its version is 99"],
        ),
        case(
            "damage beside a log",
            Place::killed(),
            |place| {
                // What is in the log hides the pages of the file, so it is cut to its first steps.
                let log = fs::read(place.log()).unwrap();
                fs::write(place.log(), &log[..32 + 2 * (PAGE + 24)]).unwrap();
                place.change(|bytes| {
                    for page in bytes.chunks_mut(PAGE).skip(1) {
                        page[0] = 0x77;
                    }
                });
            },
            DAMAGED,
        ),
        case(
            "a log without a file",
            Place::killed(),
            |place| fs::remove_file(place.file()).unwrap(),
            &["is damaged (it is gone, and its log file"],
        ),
        case(
            "a table less",
            Place::filled(),
            |place| place.sql("PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = 'CREATE TABLE' WHERE name = 'links'"),
            DAMAGED,
        ),
    ]
}

#[test]
fn what_is_no_whole_store_of_ours_is_refused_with_a_reason_and_stays_as_it_is() {
    let mut seen = 0;
    for Case { name, place, words } in cases() {
        let before = place.contents();
        for _ in 0..2 {
            let refused = place.open().err().unwrap_or_else(|| panic!("{name} was opened")).to_string();
            for word in words {
                assert!(refused.contains(word), "{name}: {word:?} is missing: {refused}");
            }
            assert!(refused.contains(place.file().to_str().unwrap()), "{name}: {refused}");
            assert!(place.contents() == before, "{name}: something was changed");
        }
        if place.file().exists() {
            let examined = Sqlite::examine(&place.file()).expect_err(name).to_string();
            assert!(examined.contains(words[0]), "{name}: {examined}");
            assert!(place.contents() == before, "{name}: something was changed by looking");
        }
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn every_page_that_is_no_page_any_more_is_noticed() {
    let whole = fs::read(Place::filled().file()).unwrap();
    let pages = whole.len() / PAGE;
    assert!(pages > 20, "{pages} pages");
    for page in 0..pages {
        let place = Place::new();
        fs::write(place.file(), &whole).unwrap();
        // The kind of the page: behind the head of the file on the first.
        place.change(|bytes| bytes[page * PAGE + if page == 0 { 100 } else { 0 }] = 0x77);
        let before = place.contents();
        let refused = place.open().err().unwrap_or_else(|| panic!("page {page} was not noticed")).to_string();
        assert!(refused.contains("is damaged"), "page {page}: {refused}");
        assert!(place.contents() == before, "page {page}: something was changed");
    }
}

#[test]
fn an_export_of_a_damaged_store_leaves_no_file_behind_and_says_why_in_one_line() {
    let place = Place::filled();
    place.change(|bytes| bytes[5 * PAGE] = 0x77);
    let home = tempfile::tempdir().unwrap();
    let (config, to) = (home.path().join("cloakroom.toml"), home.path().join("export.jsonl"));
    let text = format!(
        "[server]\nstate_dir = \"{0}\"\npublic_url = \"http://127.0.0.1/dl/\"\n\n[store]\nfile = \"{1}\"\n\n\
         [[listener]]\naddress = \"unix:{0}/web.sock\"\ndialect = \"nginx\"\nserve = \"web\"\n",
        home.path().display(),
        place.file().display()
    );
    fs::write(&config, text).unwrap();
    let export = || {
        let output = Program::configured(&config).args(["store", "export"]).arg(&to).output();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = export();
    assert_eq!((code, said.lines().count(), to.exists()), (Some(1), 1, false), "{said}");
    assert!(said.contains("is damaged (Tree") && said.contains("restore a backup"), "{said}");
    // A file that was there before is another matter.
    fs::write(&to, "mine").unwrap();
    let (code, said) = export();
    assert!(code == Some(1) && said.contains("there is such a file already, and it is kept"), "{said}");
    assert_eq!(fs::read_to_string(&to).unwrap(), "mine");
}

#[test]
fn no_bit_that_is_flipped_anywhere_makes_it_panic_or_change_what_it_refuses() {
    let whole = fs::read(Place::filled().file()).unwrap();
    let (mut refused, mut opened) = (0, 0);
    let mut at = 1_u64;
    for round in 0..150 {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let spread = if round % 3 == 0 { 100 } else { whole.len() as u64 };
        let (byte, bit) = (usize::try_from((at >> 20) % spread).unwrap(), (at >> 17) % 8);
        let place = Place::new();
        fs::write(place.file(), &whole).unwrap();
        place.change(|bytes| bytes[byte] ^= 1 << bit);
        let before = place.contents();
        match place.open() {
            Ok(store) => {
                opened += 1;
                read_all(&store);
            }
            Err(why) => {
                refused += 1;
                assert!(why.to_string().len() > 40, "{why}");
                assert!(place.contents() == before, "byte {byte}, bit {bit}: something was changed: {why}");
            }
        }
    }
    assert!(refused > 20 && opened > 20, "{refused} refused, {opened} opened");
}

#[test]
fn of_a_log_that_is_cut_or_torn_what_was_whole_is_there() {
    let place = Place::killed();
    let (file, log) = (fs::read(place.file()).unwrap(), fs::read(place.log()).unwrap());
    let (mut last, mut seen) = (0, std::collections::BTreeSet::new());
    for tenth in 0..=20 {
        for torn in [false, true] {
            let length = log.len() * tenth / 20;
            let place = Place::new();
            fs::write(place.file(), &file).unwrap();
            let mut left = log[..length].to_vec();
            if torn {
                left.resize(log.len(), 0x5a);
            }
            fs::write(place.log(), left).unwrap();
            let store = place.open().unwrap_or_else(|why| panic!("{tenth}, {torn}: {why}"));
            let found = runtime().block_on(store.grants(Grants::default())).unwrap();
            // Those that were made first, and none that was not made whole.
            let expected: Vec<Grant> = (1..=u32::try_from(found.len()).unwrap()).map(|number| grant(number, Some(3))).collect();
            let mut numbers: Vec<_> = found.iter().map(|grant| grant.id).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, expected.iter().map(|grant| grant.id).collect::<Vec<_>>(), "{tenth}, {torn}");
            for grant in &expected {
                let links = runtime().block_on(store.links(grant.id)).unwrap();
                assert_eq!(links.iter().map(|link: &Link| link.grant).collect::<Vec<_>>(), [grant.id]);
            }
            assert!(found.len() >= last, "{tenth}, {torn}: more of the log is not less");
            last = found.len();
            seen.insert(found.len());
        }
    }
    assert_eq!(last, usize::try_from(GRANTS).unwrap());
    assert!(seen.len() > 5, "{seen:?}");
}

#[test]
fn only_one_has_it_and_an_empty_log_is_no_loss() {
    let place = Place::filled();
    let first = place.open().unwrap();
    let second = place.open().err().unwrap().to_string();
    assert!(second.contains("in use by another process: is Cloakroom running already?"), "{second}");
    assert!(Sqlite::examine(&place.file()).is_ok(), "who only looks may");
    drop(first);
    assert!(place.open().is_ok());
    fs::remove_file(place.file()).unwrap();
    fs::write(place.log(), "").unwrap();
    assert!(place.open().is_ok(), "nothing is lost with a log in which nothing stands");
}

/// Runs `cloakroom serve` as somebody who is not root, on the store at `file`; gives its exit code and what it said.
fn serve_as_nobody(file: &Path) -> (Option<i32>, String) {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let root = home.path().display();
    let text = format!(
        "[server]\nstate_dir = \"{root}\"\npublic_url = \"http://127.0.0.1/dl/\"\n\n[store]\nfile = \"{}\"\n\n\
         [[listener]]\naddress = \"unix:{root}/web.sock\"\ndialect = \"nginx\"\nserve = \"web\"\n",
        file.display()
    );
    let (config, program) = (home.path().join("cloakroom.toml"), home.path().join("cloakroom"));
    fs::write(&config, text).unwrap();
    let output = Copied::to(program).program_of_nobody().arg("--config").arg(&config).arg("serve").current_dir(Path::new("/")).output();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn who_may_not_write_it_is_told_what_is_needed() {
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let rows: [(&str, u32, u32, &[&str]); 4] = [
        ("a directory that is shut", 0o000, 0o644, &["Permission denied", "must be able to read and write it"]),
        ("a directory to read", 0o555, 0o644, &["Permission denied", "make files in its directory"]),
        ("a file that is shut", 0o777, 0o000, &["Permission denied", "must be able to read and write it"]),
        ("a file to read", 0o777, 0o444, &["only reading is allowed", "must be able to write it"]),
    ];
    for (name, directory, file, words) in rows {
        let place = Place::filled();
        // Whoever had it before has left nothing behind.
        fs::remove_file(place.0.path().join("cloakroom.db-lock")).unwrap();
        mode(&place.file(), file);
        mode(place.0.path(), directory);
        let (code, said) = serve_as_nobody(&place.file());
        mode(place.0.path(), 0o755);
        assert_eq!(code, Some(1), "{name}: {said}");
        for word in words {
            assert!(said.contains(word), "{name}: {word:?} is missing: {said}");
        }
        assert!(said.contains(place.file().to_str().unwrap()), "{name}: {said}");
    }
}

#[test]
fn a_store_of_the_first_version_is_brought_forward_by_whoever_may_write() {
    let place = Place::first_version();
    let said = verify(&place.file(), &mut |_, _| {}).unwrap_err().to_string();
    assert!(said.contains("its version is 1; starting the daemon brings it to 12"), "{said}");
    drop(place.open().unwrap());
    let verified = verify(&place.file(), &mut |_, _| {}).unwrap();
    assert!(verified.faults.is_empty() && verified.grants > 0, "{:?}", verified.faults);
    assert_eq!(info(&place.file()).unwrap().version, 12);
}
