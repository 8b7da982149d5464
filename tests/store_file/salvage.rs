//! What can still be read of a damaged store is saved, what is left out is named, and what is saved makes a store.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Output;
use std::sync::OnceLock;

use cloakroom::domain::account::Click;
use cloakroom::store::Store;
use cloakroom::store::record::Totals;
use cloakroom::store::sqlite::{LeftOut, NotMoved, Salvaged, Sqlite, export, import, salvage, verify};
use rusqlite::Connection;

use crate::damage::{PAGE, Place, runtime};
use crate::fixtures::{ask, at, author, click, grant, link, link_id};
use crate::servers::program::Program;

const GRANTS: u32 = 200;
const DELIVERIES: u32 = 100;

/// A closed store of several pages in each table.
fn filled() -> Place {
    let place = Place::new();
    let store = place.open().unwrap();
    runtime().block_on(async {
        for number in 1..=GRANTS {
            store.issue(grant(number, Some(3)), link(number), author()).await.unwrap();
        }
        for number in 1..=DELIVERIES {
            let clicked = store.click(Click { link: link_id(number), ..click(number, 1, at(0)) }).await.unwrap().unwrap();
            for request in 0..3 {
                let _ = store.admit(ask(clicked.delivery, &format!("r{number}-{request}"), 1, at(0))).await.unwrap();
            }
        }
    });
    drop(store);
    place
}

fn saved(place: &Place) -> Result<(Salvaged, Vec<u8>), NotMoved> {
    let mut out = Vec::new();
    salvage(&place.file(), &mut out).map(|salvaged| (salvaged, out))
}

/// What was saved, in a store of its own.
#[track_caller]
fn imported(text: &[u8], what: &str) -> Place {
    let place = Place::new();
    import(&place.file(), &mut &*text).unwrap_or_else(|not| panic!("{what}: {not}"));
    place
}

fn known(salvaged: &Salvaged, table: &str) -> u64 {
    salvaged.left_out.get(table).map_or(0, LeftOut::count)
}

/// The file of such a store, and which table each of its pages belongs to, those of indices apart.
fn whole() -> &'static (Vec<u8>, BTreeMap<usize, String>) {
    static WHOLE: OnceLock<(Vec<u8>, BTreeMap<usize, String>)> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let place = filled();
        (fs::read(place.file()).unwrap(), owners(&place))
    })
}

/// A store of which the pages were changed.
fn broken(change: impl FnOnce(&mut Vec<u8>)) -> Place {
    let place = Place::new();
    fs::write(place.file(), &whole().0).unwrap();
    place.change(change);
    place
}

/// The pages that hold the list of tables, without which nothing else is found: the first, and those that it leads to.
fn pages_of_the_list(place: &Place) -> BTreeSet<usize> {
    let database = Connection::open(place.file()).unwrap();
    let mut pages = database.prepare("SELECT pageno - 1 FROM dbstat WHERE name = 'sqlite_schema'").unwrap();
    pages.query_map([], |row| row.get::<_, u32>(0)).unwrap().map(|page| page.unwrap() as usize).collect()
}

/// What becomes unreadable with a page tells whose it is.
fn owners(place: &Place) -> BTreeMap<usize, String> {
    let whole = fs::read(place.file()).unwrap();
    let names: Vec<String> = {
        let database = Connection::open(place.file()).unwrap();
        let mut found = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'").unwrap();
        found.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut owners = BTreeMap::new();
    for page in 1..whole.len() / PAGE {
        let broken = Place::new();
        fs::write(broken.file(), &whole).unwrap();
        broken.change(|bytes| bytes[page * PAGE] = 0x77);
        let database = Connection::open(broken.file()).unwrap();
        let unreadable = names.iter().filter(|name| {
            let key = if *name == "counts" { "used" } else { "*" };
            let read = database.prepare(&format!("SELECT {key} FROM {name}")).and_then(|mut all| {
                let mut rows = all.query([])?;
                while rows.next()?.is_some() {}
                Ok(())
            });
            read.is_err()
        });
        // Without the list of tables none is readable.
        if let [name] = unreadable.collect::<Vec<&String>>()[..] {
            owners.insert(page, name.clone());
        }
    }
    owners
}

#[test]
fn a_store_that_is_whole_is_saved_as_it_is_exported() {
    for place in [broken(|_| {}), Place::filled(), Place::killed()] {
        let mut exported = Vec::new();
        let totals = export(&place.file(), &mut exported).unwrap();
        let before = place.contents();
        let (salvaged, text) = saved(&place).unwrap();
        assert_eq!(salvaged, Salvaged { totals, ..Salvaged::default() });
        assert!(salvaged.is_whole() && text == exported);
        assert!(place.contents() == before, "it is only read");
    }
}

#[test]
fn of_each_page_that_is_damaged_only_the_rows_on_it_are_left_out_and_named() {
    let (whole, owners) = whole();
    let all = export(&broken(|_| {}).file(), &mut Vec::new()).unwrap();
    let list = pages_of_the_list(&broken(|_| {}));
    let mut seen = BTreeMap::<String, usize>::new();
    for page in 0..whole.len() / PAGE {
        let place = broken(|bytes| bytes[page * PAGE + if page == 0 { 100 } else { 0 }] = 0x77);
        let before = place.contents();
        let (salvaged, text) = saved(&place).unwrap_or_else(|not| panic!("page {page}: {not}"));
        assert!(place.contents() == before, "page {page}: it is only read");
        let what = format!("page {page} of {:?}: {salvaged:?}", owners.get(&page));
        let Totals { grants, links, history, deliveries, .. } = salvaged.totals;
        for (table, left, of) in [
            ("grants", grants, all.grants),
            ("links", links, all.links),
            ("history", history, all.history),
            ("deliveries", deliveries, all.deliveries),
        ] {
            assert!(left + known(&salvaged, table) == of, "{table}: {what}");
        }
        match owners.get(&page).map(String::as_str) {
            // Of an index nothing is needed.
            None => assert!(salvaged.is_whole(), "{what}"),
            Some("counts") => assert!(salvaged.left_out.is_empty() && salvaged.counted_again.count() > 0, "{what}"),
            Some(table) => assert!(salvaged.left_out.contains_key(table) || salvaged.totals == all, "{what}"),
        }
        let copy = imported(&text, &what);
        let verified = verify(&copy.file(), &mut |_, _| {}).unwrap();
        assert_eq!((verified.grants, verified.deliveries), (grants, deliveries), "{what}");
        if owners.get(&page).is_none_or(|table| ["counts", "links", "history"].contains(&table.as_str())) {
            assert!(verified.is_clean(), "{what}: {verified:?}");
        }
        let owner = if list.contains(&page) { "the list of tables" } else { owners.get(&page).map_or("", String::as_str) };
        *seen.entry(owner.to_owned()).or_default() += 1;
    }
    assert_eq!(seen.get("the list of tables"), Some(&list.len()));
    for (table, least) in [("", 10), ("grants", 4), ("counts", 1), ("links", 4), ("deliveries", 4), ("requests", 4), ("history", 4)] {
        assert!(seen.get(table).is_some_and(|pages| *pages >= least), "{table:?}: {seen:?}");
    }
}

#[test]
fn of_a_store_in_another_order_every_page_but_those_of_the_list_of_tables_can_be_missed() {
    // What was brought forward has the newer tables where there was room.
    let forward = Place::first_version();
    drop(forward.open().unwrap());
    let backup = Place::new();
    cloakroom::store::sqlite::backup(&filled().file(), &backup.file()).unwrap();
    for (what, place, mended) in [("brought forward", forward, false), ("a backup", backup, true)] {
        let (whole, list) = (fs::read(place.file()).unwrap(), pages_of_the_list(&place));
        let mut unreadable = BTreeSet::new();
        for page in 0..whole.len() / PAGE {
            let broken = Place::new();
            fs::write(broken.file(), &whole).unwrap();
            broken.change(|bytes| bytes[page * PAGE + if page == 0 { 100 } else { 0 }] = 0x77);
            if saved(&broken).is_err() {
                unreadable.insert(page);
            }
        }
        assert!(unreadable.is_subset(&list) && unreadable.is_empty() == mended, "{what}: {unreadable:?}, and the list is on {list:?}");
    }
}

#[test]
fn of_a_file_that_is_cut_off_what_is_left_is_saved() {
    let (whole, list) = (&whole().0, pages_of_the_list(&broken(|_| {})));
    let (mut before, all) = (0, whole.len() / PAGE);
    for pages in [1, 2, *list.last().unwrap(), list.last().unwrap() + 1, all / 4, all / 2, all * 3 / 4] {
        let place = broken(|bytes| bytes.truncate(pages * PAGE));
        let (salvaged, text) = saved(&place).unwrap_or_else(|not| panic!("{pages} pages: {not}"));
        imported(&text, "cut off");
        assert!(!salvaged.is_whole() && salvaged.totals.grants >= before, "{pages} pages: {salvaged:?}");
        before = salvaged.totals.grants;
    }
    assert!(before > u64::from(GRANTS) / 2, "{before}");
}

#[test]
fn what_stands_between_damaged_pages_is_saved_too() {
    let (whole, owners) = whole();
    let all = export(&broken(|_| {}).file(), &mut Vec::new()).unwrap();
    for table in ["grants", "links", "deliveries", "requests"] {
        let pages: Vec<usize> = owners.iter().filter(|(_, owner)| *owner == table).map(|(page, _)| *page).collect();
        // Those that lead to the others are few, and have another kind.
        let leaves: Vec<usize> = pages.iter().copied().filter(|page| matches!(whole[page * PAGE], 10 | 13)).collect();
        assert!(leaves.len() > 2, "{table}: {pages:?}");
        let place = broken(|bytes| {
            for page in leaves.iter().skip(1).step_by(2) {
                bytes[page * PAGE..(page + 1) * PAGE].fill(0x77);
            }
        });
        let (salvaged, text) = saved(&place).unwrap();
        let kept = match table {
            "grants" => salvaged.totals.grants * 100 / all.grants,
            "links" => salvaged.totals.links * 100 / all.links,
            "deliveries" => salvaged.totals.deliveries * 100 / all.deliveries,
            _ => 50,
        };
        assert!((30..=75).contains(&kept), "{table}: {kept} % of the rows stood on the pages that are left: {salvaged:?}");
        assert!(!salvaged.is_whole(), "{table}");
        imported(&text, table);
    }
}

#[test]
fn a_unit_whose_delivery_is_lost_stays_used_and_what_belongs_to_a_lost_grant_is_named() {
    let place = broken(|_| {});
    let id = |number: u32| grant(number, None).id.to_string();
    place.sql(&format!("PRAGMA foreign_keys = OFF; DELETE FROM deliveries WHERE number = 1; DELETE FROM grants WHERE id = '{}'", id(2)));
    place.sql(&format!("UPDATE grants SET standing = 'fine' WHERE id = '{}'; UPDATE history SET act = 'nothing' WHERE number = 4", id(3)));
    place.sql("UPDATE requests SET client = 'x' WHERE delivery_number = 5; UPDATE tallies SET what = 'who'; DELETE FROM counts WHERE grant_number = 6");
    let (salvaged, text) = saved(&place).unwrap();
    let names = |table: &str| salvaged.left_out[table].names.iter().cloned().collect::<Vec<_>>();
    assert_eq!(names("grants"), [id(3)]);
    let links: Vec<String> = [2, 3].map(|number| link_id(number).to_string()).into();
    assert_eq!(names("links"), links);
    assert_eq!((names("deliveries").len(), names("history").len()), (2, 3), "{:?}", salvaged.left_out);
    assert!(names("requests").iter().any(|name| name.starts_with("of d-")), "{:?}", salvaged.left_out);
    assert_eq!(names("tallies").len(), 1);
    assert_eq!(salvaged.counted_again.names.iter().collect::<Vec<_>>(), [&id(6)]);
    let copy = imported(&text, "saved");
    let database = Connection::open(copy.file()).unwrap();
    let numbers = |number: u32| {
        let sql = "SELECT used FROM counts JOIN grants ON number = grant_number WHERE id = ?1";
        database.query_row(sql, [id(number)], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!((numbers(1), numbers(6), numbers(7)), (0, 0, 0));
}

#[test]
fn whatever_is_damaged_nothing_panics_and_what_is_saved_makes_a_store() {
    let whole = fs::read(Place::filled().file()).unwrap();
    let (mut saves, mut at) = (0, 7_u64);
    let mut random = |below: usize| {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(at >> 33).unwrap() % below
    };
    for round in 0..120 {
        let place = Place::new();
        fs::write(place.file(), &whole).unwrap();
        place.change(|bytes| match round % 4 {
            0 => bytes.truncate(PAGE * 2 + random(whole.len() - 2 * PAGE)),
            1 => (0..50).for_each(|_| bytes[PAGE + random(whole.len() - PAGE)] ^= 1 << random(8)),
            2 => {
                // A page stands where another one stood.
                let (from, to) = (1 + random(whole.len() / PAGE - 1), 1 + random(whole.len() / PAGE - 1));
                bytes.copy_within(from * PAGE..(from + 1) * PAGE, to * PAGE);
            }
            _ => {
                let page = 1 + random(whole.len() / PAGE - 1);
                (page * PAGE..(page + 1) * PAGE).for_each(|place| bytes[place] = u8::try_from(random(256)).unwrap());
            }
        });
        let before = place.contents();
        if let Ok((_, text)) = saved(&place) {
            saves += 1;
            let copy = imported(&text, &format!("round {round}"));
            assert!(Sqlite::examine(&copy.file()).is_ok());
        }
        assert!(place.contents() == before, "round {round}: it is only read");
    }
    assert!(saves > 80, "{saves}");
}

fn command(place: &Place, arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    configured(place, home.path()).args(arguments).output()
}

/// `cloakroom store` with a configuration, in the directory `home`, of the store at `place`.
fn configured(place: &Place, home: &Path) -> Program {
    let config = home.join("cloakroom.toml");
    let text = format!(
        "[server]\nstate_dir = \"{0}\"\npublic_url = \"http://127.0.0.1/dl/\"\n\n[store]\nfile = \"{1}\"\n\n\
         [[listener]]\naddress = \"unix:{0}/web.sock\"\ndialect = \"nginx\"\nserve = \"web\"\n",
        home.display(),
        place.file().display()
    );
    fs::write(&config, text).unwrap();
    let mut program = Program::configured(&config);
    program.arg("store");
    program
}

#[test]
fn the_command_says_what_it_left_out_and_import_takes_the_rest() {
    let place = broken(|_| {});
    let whole_export = command(&place, &["export", "--salvage"]);
    assert!(whole_export.status.success() && whole_export.stderr.is_empty(), "{whole_export:?}");
    assert!(whole_export.stdout == command(&place, &["export"]).stdout);
    let page = *whole().1.iter().filter(|(_, owner)| *owner == "grants").map(|(page, _)| page).next().unwrap();
    place.change(|bytes| bytes[page * PAGE] = 0x77);
    let refused = command(&place, &["export"]);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("`cloakroom store export --salvage`"), "{refused:?}");
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("saved.jsonl");
    let said = command(&place, &["export", "--salvage", file.to_str().unwrap()]);
    let told = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(3), "{told}");
    for words in ["left out", " grants: g-", " links: l-", "not everything could be read", "`cloakroom store import`"] {
        assert!(told.contains(words), "{words:?} is missing:\n{told}");
    }
    let printed = command(&place, &["export", "--salvage"]);
    assert_eq!((printed.status.code(), String::from_utf8(printed.stderr).unwrap()), (Some(3), told));
    assert!(printed.stdout == fs::read(&file).unwrap());
    let copy = Place::new();
    let other = command(&copy, &["export", "--salvage", "--from", place.file().to_str().unwrap()]);
    assert!(other.status.code() == Some(3) && other.stdout == printed.stdout && !copy.file().exists(), "{:?}", other.status);
    let taken = command(&copy, &["import", file.to_str().unwrap()]);
    assert!(taken.status.success(), "{taken:?}");
    let json = command(&place, &["export", "--json", "--salvage", home.path().join("again").to_str().unwrap()]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json.status.code(), Some(3));
    let left = value["left_out"]["grants"]["count"].as_u64().unwrap();
    assert_eq!(left + value["totals"]["grants"].as_u64().unwrap(), u64::from(GRANTS), "{value:#}");
}

#[test]
fn a_reader_that_waits_does_not_hold_the_log_up() {
    let place = broken(|_| {});
    let home = tempfile::tempdir().unwrap();
    let mut export = configured(&place, home.path()).arg("export").stdout_piped().spawn();
    let mut reader = export.stdout.take().unwrap();
    // More is printed than a pipe takes: it waits for this reader from here on.
    let mut first = [0; 1];
    reader.read_exact(&mut first).unwrap();
    let database = Connection::open(place.file()).unwrap();
    database.execute_batch("DELETE FROM links").unwrap();
    let is_held: bool = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert!(!is_held && fs::metadata(place.log()).unwrap().len() == 0);
    assert!(export.try_wait().unwrap().is_none(), "it waits still");
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert!(export.wait().unwrap().success());
    assert!(rest.lines().last().unwrap().contains(&format!("\"links\":{GRANTS}")), "as it stood when it began");
}
