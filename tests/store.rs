//! `cloakroom store`, beside a daemon that counts downloads behind a real nginx.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use servers::cloakroom::Cloakroom;
use servers::http::{Answer, get};
use servers::nginx::{Nginx, NginxSetup};
use servers::program::Program;
use servers::until;

const SIZE: usize = 300_000;

/// A shop of which one download has arrived, one broke off, and one was only clicked.
struct Shop {
    nginx: Nginx,
    cloakroom: Cloakroom,
    link: String,
}

impl Shop {
    fn open() -> Self {
        let nginx = Nginx::start(&NginxSetup::default());
        fs::write(nginx.downloads().join("a.zip"), vec![b'1'; SIZE]).unwrap();
        let cloakroom = Cloakroom::behind(&nginx, "");
        let url = cloakroom.link("masters/a.zip", 3);
        let link = url.strip_prefix(&format!("http://127.0.0.1:{}", nginx.port)).unwrap().to_owned();
        let shop = Self { nginx, cloakroom, link };
        for (client, range) in [("whole", None), ("some", Some("bytes=0-999"))] {
            let headers: Vec<(&str, &str)> = range.map(|range| ("Range", range)).into_iter().chain([("User-Agent", client)]).collect();
            let delivery = shop.click(client);
            assert!(shop.get(&delivery, &headers).status < 300);
            until("the report", || {
                (shop.cloakroom.json(&["delivery", "show"])["requests"][0]["report"]["bytes"].as_u64() > Some(0)).then_some(())
            });
        }
        shop.click("looks only");
        shop
    }

    fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        get(self.nginx.port, target, headers)
    }

    #[track_caller]
    fn click(&self, agent: &str) -> String {
        let answer = self.get(&self.link, &[("User-Agent", agent)]);
        assert_eq!(answer.status, 303, "{answer:?}");
        let to = answer.header("location").unwrap();
        to.strip_prefix(&format!("http://127.0.0.1:{}", self.nginx.port)).unwrap_or(to).to_owned()
    }

    fn file(&self) -> PathBuf {
        self.cloakroom.state().join("cloakroom.db")
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.cloakroom.state().join(name)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_is_in_the_store_is_told_while_the_daemon_works() {
    let shop = Shop::open();
    let info = shop.cloakroom.json(&["store", "info"]);
    assert_eq!((info["grants"].as_u64(), info["links"].as_u64(), info["version"].as_u64()), (Some(1), Some(1), Some(12)), "{info:#}");
    assert_eq!(info["deliveries"], serde_json::json!({"completed": 1, "offered": 1, "open": 1}));
    let said = shop.cloakroom.say(&["store", "info"]);
    for words in ["cloakroom.db", "deliveries  3: 1 completed, 1 offered, 1 open", "of SQLite"] {
        assert!(said.contains(words), "{words:?} is missing:\n{said}");
    }
    assert_eq!(fs::metadata(shop.file()).unwrap().permissions().mode() & 0o777, 0o600, "it names customers");
}

#[test]
fn a_backup_under_a_name_that_is_not_text_is_refused_and_leaves_nothing() {
    let shop = Shop::open();
    let names = || fs::read_dir(shop.cloakroom.state()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>();
    let before = names();
    let copy = shop.cloakroom.state().join(OsStr::from_bytes(b"copy-\xff.db"));
    let said = Program::new().args(["store", "backup", "--config"]).arg(shop.cloakroom.config()).arg(copy).output();
    assert!(said.status.code() == Some(1) && String::from_utf8_lossy(&said.stderr).contains("must be UTF-8"), "{said:?}");
    assert_eq!(names(), before);
}

#[test]
fn what_import_makes_belongs_to_whom_its_directory_belongs_to_even_where_it_fails() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    fs::create_dir(&state).unwrap();
    if fs::metadata(&state).unwrap().uid() == 0 {
        chown(&state, Some(65_534), Some(65_533)).unwrap();
    }
    let config = home.path().join("cloakroom.toml");
    let text = format!("[server]\nstate_dir = {state:?}\npublic_url = \"https://shop.example/dl/\"\n");
    let listener = format!("[[listener]]\naddress = \"unix:{}/web.sock\"\ndialect = \"nginx\"\nserve = \"web\"\n", state.display());
    fs::write(&config, text + &listener).unwrap();
    let export = home.path().join("broken");
    fs::write(&export, "no export\n").unwrap();
    let said = Program::new().args(["store", "import", "--config"]).args([&config, &export]).output();
    assert!(said.status.code() == Some(1) && String::from_utf8_lossy(&said.stderr).contains("nothing was imported"), "{said:?}");
    let owner = |path: &Path| fs::metadata(path).map(|file| (file.uid(), file.gid(), file.permissions().mode() & 0o077)).unwrap();
    let (user, group, _) = owner(&state);
    for name in ["cloakroom.db", "cloakroom.db-lock"] {
        assert_eq!(owner(&state.join(name)), (user, group, 0), "{name}");
    }
}

#[test]
fn a_backup_is_whole_and_leaves_what_is_there_alone() {
    let mut shop = Shop::open();
    let copy = shop.beside("backup.db");
    let said = shop.cloakroom.say(&["store", "backup", text(&copy)]);
    assert!(said.contains("backup.db"), "{said}");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!shop.beside("backup.db-new").exists());
    let before = fs::read(&copy).unwrap();
    let again = shop.cloakroom.command(&["store", "backup", text(&copy)]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(String::from_utf8_lossy(&again.stderr).contains("is kept: name another"), "{again:?}");
    assert!(fs::read(&copy).unwrap() == before);
    let verified = shop.cloakroom.say(&["store", "verify", text(&copy)]);
    assert!(verified.ends_with("nothing is wrong; read 1 grant and 3 deliveries"), "{verified}");

    // What comes after the backup is lost with the store, and what came before is not.
    assert!(shop.get(&shop.click("later"), &[("User-Agent", "later")]).status == 200);
    shop.cloakroom.kill();
    for name in ["cloakroom.db", "cloakroom.db-wal", "cloakroom.db-shm"] {
        fs::remove_file(shop.beside(name)).unwrap();
    }
    fs::rename(&copy, shop.file()).unwrap();
    shop.cloakroom.start();
    assert_eq!(shop.cloakroom.json(&["delivery", "list"]).as_array().unwrap().len(), 3);
    assert_eq!(shop.get(&shop.link, &[("User-Agent", "another")]).status, 303);
}

/// A library that knows no links between files, as some file systems do not.
fn without_links(home: &Path) -> PathBuf {
    let (source, library) = (home.join("links.c"), home.join("links.so"));
    let text = "#include <errno.h>\nint linkat(int a, const char *b, int c, const char *d, int e)\n\
                { (void)a; (void)b; (void)c; (void)d; (void)e; errno = EPERM; return -1; }\n\
                int link(const char *a, const char *b) { (void)a; (void)b; errno = EPERM; return -1; }\n";
    fs::write(&source, text).unwrap();
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .output()
        .expect("cc is installed (tests/run does it)");
    assert!(made.status.success(), "{made:?}");
    library
}

#[test]
fn a_backup_needs_no_links_and_says_what_to_do_about_one_that_was_cut_off() {
    let shop = Shop::open();
    let home = tempfile::tempdir().unwrap();
    let library = without_links(home.path());
    let backup = |to: &Path| {
        let mut program = Program::new();
        program.args(["store", "backup", "--config"]).arg(shop.cloakroom.config()).arg(to).env("LD_PRELOAD", &library);
        let told = program.output();
        (told.status.code(), String::from_utf8(told.stderr).unwrap())
    };
    let (copy, aside) = (home.path().join("copy.db"), home.path().join("copy.db-new"));
    fs::write(&aside, "half of one").unwrap();
    let (code, said) = backup(&copy);
    assert_eq!((code, fs::read_to_string(&aside).unwrap().as_str(), copy.exists()), (Some(1), "half of one", false), "{said}");
    assert!(said.contains(text(&aside)) && said.contains("If none runs, remove it and try again"), "{said}");
    fs::remove_file(&aside).unwrap();
    let (code, said) = backup(&copy);
    assert_eq!((code, aside.exists()), (Some(0), false), "{said}");
    let verified = shop.cloakroom.say(&["store", "verify", text(&copy)]);
    assert!(verified.ends_with("nothing is wrong; read 1 grant and 3 deliveries"), "{verified}");
    let (code, said) = backup(&copy);
    assert!(code == Some(1) && said.contains("is kept: name another") && !aside.exists(), "{said}");
}

#[test]
fn an_export_read_into_an_empty_store_is_the_same_export() {
    let mut shop = Shop::open();
    let lines = shop.cloakroom.say(&["store", "export"]);
    assert!(lines.lines().count() >= 8, "{lines}");
    for line in lines.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value.as_object().unwrap().len(), 1, "{line}");
    }
    let file = shop.beside("export.jsonl");
    shop.cloakroom.say(&["store", "export", text(&file)]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let running = shop.cloakroom.command(&["store", "import", text(&file)]);
    assert!(String::from_utf8_lossy(&running.stderr).contains("in use by another process"), "{running:?}");
    shop.cloakroom.stop();
    let full = shop.cloakroom.command(&["store", "import", text(&file)]);
    assert!(String::from_utf8_lossy(&full.stderr).contains("not empty"), "{full:?}");
    fs::rename(shop.file(), shop.beside("old.db")).unwrap();
    let said = shop.cloakroom.say(&["store", "import", text(&file)]);
    assert!(said.contains("1 grant, 1 link, 3 deliveries"), "{said}");
    assert_eq!(shop.cloakroom.say(&["store", "export"]), fs::read_to_string(&file).unwrap().trim_end());
    shop.cloakroom.say(&["store", "verify"]);
    shop.cloakroom.start();
    let completed = shop.cloakroom.json(&["delivery", "list"]);
    assert_eq!(completed.as_array().unwrap().iter().filter(|delivery| delivery["state"] == "completed").count(), 1, "{completed:#}");
}

#[test]
fn an_import_that_is_not_whole_changes_nothing_and_names_the_line() {
    let mut shop = Shop::open();
    let good = shop.cloakroom.say(&["store", "export"]);
    shop.cloakroom.stop();
    fs::remove_file(shop.file()).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let last = lines.len();
    let without =
        |number: usize| lines.iter().enumerate().filter(|(at, _)| at + 1 != number).map(|(_, line)| *line).collect::<Vec<_>>().join("\n");
    let grant = lines[1];
    let cases = [
        (String::new(), "bad.jsonl: it is empty, and no export is; nothing was imported"),
        (without(last), "the file ends before its last line"),
        (without(1), "line 1: an export begins with its head"),
        (without(2), "line 2: belongs to"),
        (good.replacen("\"reserved\":1", "\"reserved\":2", 1), "reserves 2 downloads, and 1 of its deliveries are open"),
        (without(last - 1), &*format!("line {}: counts", last - 1)),
        (format!("{good}\n{grant}"), "something stands behind the last line"),
        (good.replacen(grant, &format!("{grant}\n{grant}"), 1), "line 3: the same id stood before"),
        (good.replacen("\"format\":3", "\"format\":4", 1), "line 1: is of format 4"),
        (good.replacen("\"standing\":\"active\"", "\"standing\":\"fine\"", 1), "line 2: `standing` holds \"fine\""),
        (good.replacen("\"used\":1", "\"used\":-1", 1), "line 2: is not a line of an export"),
        ("{\"grant\":".to_owned(), "line 1: is not a line of an export"),
        ("\u{0}\u{1}".to_owned(), "line 1: is not a line of an export"),
    ];
    let file = shop.beside("bad.jsonl");
    for (text, words) in cases {
        fs::write(&file, text).unwrap();
        let told = shop.cloakroom.command(&["store", "import", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(told.status.code() == Some(1) && said.contains(words), "{words:?}: {said}");
        assert_eq!(shop.cloakroom.json(&["store", "info"])["grants"], 0, "{words:?}");
    }
}

#[test]
fn what_does_not_fit_together_is_found() {
    let mut shop = Shop::open();
    shop.cloakroom.stop();
    let good = fs::read(shop.file()).unwrap();
    for (change, words) in [
        ("UPDATE counts SET used = 2", "2 downloads are used, and 1 deliveries used one"),
        ("UPDATE counts SET used = 3", "3 downloads are used and 1 reserved, of 3"),
        (
            "UPDATE counts SET size_largest = 0; UPDATE deliveries SET size = size + 7, closed = 5, due = NULL WHERE state = 'completed'",
            "the largest file is said to have",
        ),
        ("UPDATE counts SET bytes_closed = 7", "7 bytes were sent"),
        ("UPDATE deliveries SET due = due + 100000000 WHERE state = 'open'", "is due at"),
        ("UPDATE deliveries SET due = NULL WHERE state = 'open'", "is due at"),
        ("UPDATE deliveries SET due = 5 WHERE closed IS NULL; UPDATE deliveries SET closed = 5 WHERE state = 'open'", "is due at"),
        ("UPDATE deliveries SET bytes_charged = 5 WHERE state = 'open'", "5 bytes are charged"),
        ("DELETE FROM coverage", "no client was sent all of its"),
        ("UPDATE deliveries SET state = 'gone' WHERE state = 'open'", "a row cannot be read"),
        ("DELETE FROM counts", "1 grants have lost what was counted of them"),
        ("PRAGMA foreign_keys = OFF; DELETE FROM grants", "belong to a grant or a delivery that is not there"),
    ] {
        Connection::open(shop.file()).unwrap().execute_batch(change).unwrap();
        let told = shop.cloakroom.command(&["store", "verify"]);
        let said = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
        assert!(told.status.code() == Some(1) && said.contains(words), "{change}: {said}");
        let _ = fs::remove_file(shop.beside("cloakroom.db-wal"));
        fs::write(shop.file(), &good).unwrap();
    }
    let clean = shop.cloakroom.json(&["store", "verify"]);
    assert_eq!(clean["clean"], true, "{clean:#}");
}

#[test]
fn without_a_file_there_is_nothing_to_look_at() {
    let place = tempfile::tempdir().unwrap();
    let configuration = place.path().join("cloakroom.toml");
    let text = |more: &str| {
        format!(
            "[server]\nstate_dir = \"{0}\"\npublic_url = \"http://127.0.0.1/dl/\"\n\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
             dialect = \"standalone\"\nserve = \"web\"\n{more}",
            place.path().display()
        )
    };
    for (more, arguments, words) in [
        ("[store]\nkind = \"memory\"\n", &["info"][..], "there is no file"),
        ("", &["info"], "No such file"),
        ("", &["verify"], "No such file"),
        ("", &["export"], "No such file"),
        ("", &["backup", "/nowhere/at/all"], "No such file"),
        ("", &["import", "/nowhere/at/all"], "/nowhere/at/all: No such file"),
    ] {
        fs::write(&configuration, text(more)).unwrap();
        let told = Program::configured(&configuration).arg("store").args(arguments).output();
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(told.status.code() == Some(1) && said.contains(words), "{more}{arguments:?}: {said}");
    }
}
