//! The command line as people and scripts meet it: the real program, its words and its exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use servers::cloakroom::Cloakroom;
use servers::http::get;
use servers::program::{Copied, Program, Running};
use servers::until;
use tempfile::TempDir;

/// Names that have to be encoded.
const NAMES: [(&str, &str); 6] = [
    ("a b.zip", "a%20b.zip"),
    ("100%.zip", "100%25.zip"),
    ("%41.zip", "%2541.zip"),
    ("what?.zip", "what%3F.zip"),
    ("no#1.zip", "no%231.zip"),
    ("Müller, „ö\".zip", "M%C3%BCller%2C%20%E2%80%9E%C3%B6%22.zip"),
];

/// What a command did.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn ran(mut program: Program) -> Ran {
    let output = program.output();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().expect("no signal"), out: text(output.stdout), err: text(output.stderr) }
}

/// A site's directory with its configuration and key; no daemon runs.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        fs::create_dir_all(directory.path().join("masters/set")).unwrap();
        for (name, _) in NAMES {
            fs::write(directory.path().join("masters/set").join(name), name).unwrap();
        }
        let place = Self { directory };
        place.write(&place.configuration());
        let made = place.run(&["key", "new", "main"]);
        assert_eq!(made.code, 0, "{made:?}");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn configuration(&self) -> String {
        let root = self.directory.path().display();
        format!(
            "[server]\nstate_dir = \"{root}\"\npublic_url = \"https://shop.example/dl/\"\n\n\
             [[key]]\nid = \"main\"\nfile = \"keys/main\"\nuse = \"sign\"\n\n\
             [[listener]]\naddress = \"unix:{root}/api.sock\"\nserve = \"api\"\n\n{}",
            listeners(self.directory.path())
        )
    }

    fn write(&self, text: &str) {
        fs::write(self.path("cloakroom.toml"), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Program {
        let mut program = Program::configured(&self.path("cloakroom.toml"));
        program.args(arguments);
        program
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments))
    }

    /// The daemon, with its log in a file.
    fn serve(&self, log: &str) -> Daemon {
        let log = self.path(log);
        let child = self.command(&["serve"]).stderr_into(&log).spawn();
        let mut daemon = Daemon { child, log };
        until("the daemon listens", || {
            assert!(daemon.child.try_wait().unwrap().is_none(), "{}", daemon.log());
            (daemon.log().matches("listening").count() == 3).then_some(())
        });
        daemon
    }
}

/// What both a place and a running site have: two web listeners, a storage, a rule, a policy.
fn listeners(root: &Path) -> String {
    let root = root.display();
    format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\ndialect = \"standalone\"\n\n\
         [[listener]]\naddress = \"unix:{root}/nginx.sock\"\ndialect = \"nginx\"\n\n\
         [[storage]]\nname = \"masters\"\npath = \"{root}/masters\"\nhandoff = \"/_cloakroom/masters/\"\n\n\
         [[rule]]\npath = \"/members/\"\naccept = [\"signed-url\"]\n\n\
         [[policy]]\nname = \"default\"\nmethod = [\"stream\", \"handoff\"]\n"
    )
}

struct Daemon {
    child: Running,
    log: PathBuf,
}

impl Daemon {
    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        self.child.wait().unwrap().code()
    }
}

/// A running site of which a TCP port is known.
struct Site {
    daemon: Cloakroom,
    port: u16,
    _masters: TempDir,
}

fn site() -> Site {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("masters")).unwrap();
    fs::write(directory.path().join("masters/a.zip"), "the goods").unwrap();
    let daemon = Cloakroom::with("https://shop.example/dl/", &listeners(directory.path()));
    let line = daemon.logged(&["listening", "address=127.0.0.1:"]);
    let port = line.split("address=127.0.0.1:").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    Site { daemon, port, _masters: directory }
}

impl Site {
    fn run(&self, arguments: &[&str]) -> Ran {
        let mut program = Program::configured(&self.daemon.config());
        program.args(arguments);
        ran(program)
    }

    fn target(url: &str) -> &str {
        url.strip_prefix("https://shop.example").unwrap()
    }

    /// Opens a URL until the file comes, as a browser does.
    fn open(&self, url: &str) -> u16 {
        let answer = get(self.port, Self::target(url), &[]);
        match answer.header("location") {
            Some(there) => get(self.port, there, &[("Cookie", answer.header("set-cookie").unwrap())]).status,
            None => answer.status,
        }
    }

    /// The support code of a refusal.
    fn refused(&self, target: &str) -> String {
        let answer = get(self.port, target, &[]);
        let text = answer.text();
        let start = text.find("R-").unwrap_or_else(|| panic!("{text}"));
        text[start..start + 11].to_owned()
    }
}

/// Words that must all be there.
#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

#[test]
fn a_failure_says_what_is_wrong_and_ends_with_its_code() {
    let place = Place::new();
    let long = "n".repeat(256);
    let far = "9999-12-01T00:00:00Z";
    let table: &[(&[&str], i32, &[&str])] = &[
        (&[], 2, &["subcommand", "--help"]),
        (&["srve"], 2, &["'serve'"]),
        (&["check", "--colour"], 2, &["--colour"]),
        (&["key", "new"], 2, &["<ID>"]),
        (&["key", "new", "main"], 1, &["keys/main", "never overwritten"]),
        (&["key", "new", "other"], 78, &["no [[key]] with id = \"other\"", "it names main", "file = \"keys/other\""]),
        (&["sign"], 2, &["<FILE|/PATH>"]),
        (&["sign", "nope"], 2, &["`nope`", "STORAGE/PATH", "masters"]),
        (&["sign", "other/a.zip"], 2, &["`other`", "[[storage]]", "masters"]),
        (&["sign", "masters/"], 2, &["`masters/`", "empty segment"]),
        (&["sign", "masters/../keys/main"], 2, &["`..`"]),
        (&["sign", "/a/../b"], 2, &["`..`"]),
        (&["sign", "/a\\b"], 2, &["`\\`"]),
        (&["sign", "https://shop.example/members/"], 2, &["not a whole URL"]),
        (&["sign", "masters/set/a b.zip", "--for", "7"], 2, &["--for", "\"7d\""]),
        (&["sign", "masters/set/a b.zip", "--for", "3 months"], 2, &["--for", "\"90d\""]),
        (&["sign", "masters/set/a b.zip", "--for", "1h", "--until", far], 2, &["--for", "--until"]),
        (&["sign", "masters/set/a b.zip", "--until", "tomorrow"], 2, &["--until", "2027-01-31T12:00:00Z"]),
        (&["sign", "masters/set/a b.zip", "--until", "2027-01-31"], 2, &["--until", "2027-01-31T12:00:00Z"]),
        (&["sign", "masters/set/a b.zip", "--until", "1900000000000"], 2, &["--until", "milliseconds"]),
        (&["sign", "masters/set/a b.zip", "--until", "1950-01-01T00:00:00Z"], 2, &["--until", "1970"]),
        (&["sign", "masters/set/a b.zip", "--from", far], 2, &["--from", "before"]),
        (&["sign", "masters/set/a b.zip", "--network", "203.0.113.7/24"], 2, &["--network", "\"203.0.113.0/24\""]),
        (&["sign", "masters/set/a b.zip", "--network", "here"], 2, &["--network", "203.0.113.0/24"]),
        (&["sign", "masters/set/a b.zip", "--rate", "2mb/s"], 2, &["--rate", "\"2MB/s\""]),
        (&["sign", "masters/set/a b.zip", "--rate", "0"], 2, &["--rate", "at least 1 byte"]),
        (&["sign", "masters/set/a b.zip", "--name", ""], 2, &["--name", "1 to 255 bytes"]),
        (&["sign", "masters/set/a b.zip", "--name", &long], 2, &["--name", "1 to 255 bytes"]),
        (&["sign", "masters/set/a b.zip", "--key", "x"], 2, &["--key x", "main"]),
        (&["grant", "add", "--file", "masters/set/a b.zip"], 1, &["api.sock", "start it with `cloakroom serve`"]),
        (&["grant", "add", "--file", "masters/set/a b.zip", "--max=-1"], 2, &["--max"]),
        (&["grant", "add", "--file", "masters/set/a b.zip", "--max", "many"], 2, &["--max", "unlimited"]),
        (&["grant", "add", "--file", "masters/set/a b.zip", "--for", "long"], 2, &["--for", "\"30d\"", "unlimited"]),
        (&["delivery"], 2, &["list", "show"]),
        (&["delivery", "list"], 1, &["api.sock", "start it with `cloakroom serve`"]),
        (&["delivery", "list", "--limit", "0"], 2, &["1..=1000"]),
        (&["delivery", "list", "--grant", "a b"], 2, &["`g-`"]),
        (&["delivery", "show", "1"], 2, &["`d-`"]),
        (&["delivery", "show"], 1, &["start it with `cloakroom serve`"]),
        (&["explain"], 2, &["<WHAT>"]),
        (&["explain", "R-7F3K-22AB"], 1, &["only the daemon remembers", "start it with `cloakroom serve`"]),
        (&["explain", "g-00000000000000000000"], 1, &["only the daemon remembers"]),
        (&["explain", "https://shop.example/dl/l/x/a.zip"], 1, &["only the daemon remembers"]),
        (&["explain", "https://elsewhere.example/"], 1, &["https://shop.example/"]),
        (&["explain", "what is this"], 1, &["R-7F3K-22AB", "request id"]),
        (&["explain", "/", "--from", "here"], 2, &["--from"]),
        (&["--config", "/nowhere/c.toml", "check"], 78, &["/nowhere/c.toml", "--config", "--print-default"]),
    ];
    for (arguments, code, words) in table {
        let ran = place.run(arguments);
        assert_eq!(ran.code, *code, "{arguments:?}: {ran:?}");
        assert_eq!(ran.out, "", "{arguments:?}");
        says(&ran.err, words);
        assert!(!ran.err.contains('\u{1b}'), "{ran:?}");
    }
    assert!(table.len() > 40);
}

#[test]
fn help_is_told_for_every_command_and_fits_eighty_columns() {
    let commands: &[&[&str]] = &[
        &[],
        &["serve"],
        &["check"],
        &["demo"],
        &["key"],
        &["key", "new"],
        &["sign"],
        &["grant"],
        &["grant", "add"],
        &["grant", "list"],
        &["grant", "show"],
        &["grant", "suspend"],
        &["grant", "resume"],
        &["grant", "revoke"],
        &["grant", "reset"],
        &["grant", "extend"],
        &["grant", "evidence"],
        &["link"],
        &["link", "new"],
        &["link", "revoke"],
        &["stats"],
        &["explain"],
        &["delivery"],
        &["delivery", "list"],
        &["delivery", "show"],
        &["feed"],
    ];
    for command in commands {
        let mut program = Program::new();
        program.args(*command).arg("--help").env("COLUMNS", "80").env("CLOAKROOM_CONFIG", "/secret/place.toml");
        let ran = ran(program);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{command:?}");
        says(&ran.out, &["Usage:", "--config <FILE>", "--json"]);
        assert!(!ran.out.contains("/secret/place.toml"), "{}", ran.out);
        for line in ran.out.lines() {
            assert!(line.chars().count() <= 80, "{command:?}: {line}");
        }
        // Each option has words of its own.
        let bare = ran.out.lines().find(|line| line.trim_start().starts_with("--") && line.split_whitespace().count() < 2);
        assert!(bare.is_none() || command == &["demo"], "{command:?}: {bare:?}");
    }
    let mut version = Program::new();
    version.arg("--version");
    assert_eq!(ran(version).out, format!("cloakroom {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly_and_a_full_disk_does_not() {
    let place = Place::new();
    for arguments in [&["check", "--print-default"][..], &["sign", "masters/set/a b.zip"], &["explain", "/members/"]] {
        let mut child = place.command(arguments).stdout_piped().spawn();
        drop(child.stdout.take());
        let output = child.wait_with_output();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
        let mut full = place.command(arguments);
        let full = full.stdout_to(fs::OpenOptions::new().write(true).open("/dev/full").unwrap()).output();
        assert_eq!(full.status.code(), Some(1), "{arguments:?}");
        says(&String::from_utf8_lossy(&full.stderr), &["standard output"]);
    }
}

#[test]
fn sign_takes_names_as_they_are_and_prints_the_canonical_path() {
    let place = Place::new();
    for (name, encoded) in NAMES {
        let file = place.run(&["sign", &format!("masters/set/{name}")]);
        assert_eq!((file.code, file.err.as_str()), (0, ""), "{name}");
        let start = format!("https://shop.example/dl/f/masters/set/{encoded}?kid=main&exp=");
        assert!(file.out.starts_with(&start) && file.out.ends_with('\n') && file.out.lines().count() == 1, "{file:?}");
        let page = place.run(&["sign", &format!("/members/{name}")]);
        assert!(page.out.starts_with(&format!("https://shop.example/members/{encoded}?kid=main&exp=")), "{page:?}");
        // What was printed opens: explained without a daemon, the whole decision holds.
        for (url, steps) in [(&file.out, "would be sent"), (&page.out, "may pass")] {
            let told = place.run(&["explain", url.trim_end()]);
            assert_eq!(told.code, 0, "{told:?}");
            assert!(told.out.starts_with("allowed: "), "{told:?}");
            says(&told.out, &[steps]);
        }
    }
}

#[test]
fn sign_writes_every_term_that_it_is_given() {
    let place = Place::new();
    let (name, file) = (NAMES[0].1, format!("masters/set/{}", NAMES[0].0));
    for (options, query) in [
        (&["--until", "1900000000"][..], "exp=1900000000"),
        (&["--until", "2030-03-17T17:46:40Z"], "exp=1900000000"),
        (&["--until", "2030-03-17T18:46:40+01:00", "--from", "2026-01-01T00:00:00Z"], "exp=1900000000&nbf=1767225600"),
        (&["--until", "1900000000", "--network", "203.0.113.0/24"], "exp=1900000000&net=203.0.113.0/24"),
        (&["--until", "1900000000", "--network", "2001:db8::7"], "exp=1900000000&net=2001:db8::7/128"),
        (&["--until", "1900000000", "--name", "Müller, final.zip"], "exp=1900000000&name=M%C3%BCller%2C%20final.zip"),
        (&["--until", "1900000000", "--rate", "2MB/s"], "exp=1900000000&rate=2000000"),
        (&["--until", "1900000000", "--rate", "500k/s", "--key", "main"], "exp=1900000000&rate=512000"),
        (&["--until", "1900000000", "--prefix"], "exp=1900000000&prefix=/dl/f/masters/set/a%20b.zip"),
    ] {
        let ran = place.run(&[&["sign", &file], options].concat());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{options:?}");
        let start = format!("https://shop.example/dl/f/masters/set/{name}?kid=main&{query}&sig=");
        assert!(ran.out.starts_with(&start), "{options:?}: {}", ran.out);
    }
    let before = jiff::Timestamp::now().as_second();
    let ran = place.run(&["sign", &file, "--for", "7d", "--json"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    let expires: jiff::Timestamp = value["expires"].as_str().unwrap().parse().unwrap();
    let days = (expires.as_second() - before) - 7 * 86_400;
    assert!((0..60).contains(&days), "{value}");
    assert_eq!((value["kid"].as_str(), value["warnings"].as_array().map(Vec::len)), (Some("main"), Some(0)), "{value}");
    assert!(value["url"].as_str().unwrap().contains(&format!("exp={}&sig=", expires.as_second())), "{value}");
}

#[test]
fn a_url_that_will_open_nothing_is_signed_with_a_warning() {
    let place = Place::new();
    let text =
        place.configuration().replace("[[listener]]", "[[key]]\nid = \"old\"\nfile = \"keys/old\"\nuse = \"retired\"\n\n[[listener]]");
    place.write(&text.replacen("[[key]]\nid = \"old\"\nfile = \"keys/old\"\nuse = \"retired\"\n\n[[listener]]", "[[listener]]", 2));
    assert_eq!(place.run(&["key", "new", "old"]).code, 0);
    let text = fs::read_to_string(place.path("cloakroom.toml")).unwrap() + "\n[[rule]]\npath = \"/staff/\"\naccept = [\"jwt\"]\n";
    place.write(&text);
    let at_staff = format!("{}:{}: ", place.path("cloakroom.toml").display(), text.lines().count());
    for (arguments, words) in [
        (&["masters/none.zip"][..], "no such file"),
        (&["masters/set"], "not a regular file"),
        (&["masters/set/a%20b.zip"], "no such file"),
        (&["/other/a.html"], "no [[rule]]"),
        (&["/staff/a.html"], "`rule[2].accept` takes no signed URLs, and is the rule for /staff/: the URL is refused with `no_proof`"),
        (&["/staff/a.html"], &at_staff),
        (&["/members/a%20b.html"], "as it is written"),
        (&["/members/a.html?page=2"], "as it is written"),
        (&["/members/a.html", "--name", "b.html"], "--name"),
        (&["/dl/f/nowhere/a.zip"], "[[storage]]"),
        (&["/dl/l/token/a.zip"], "is a link, a delivery or the page of an order"),
        (&["/dl/a.zip"], "/dl/f/STORAGE/PATH"),
        (&["masters/set/a b.zip", "--name", "../b.zip"], "left out"),
        (&["masters/set/a b.zip", "--name", "a\u{1b}b.zip"], "left out"),
        (&["masters/set/a b.zip", "--until", "1000"], "expired already, at 1970-01-01T00:16:40Z"),
        (&["masters/set/a b.zip", "--key", "old"], "use = \"retired\""),
    ] {
        let ran = place.run(&[&["sign"], arguments].concat());
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        assert!(ran.out.starts_with("https://shop.example/") && ran.out.lines().count() == 1, "{ran:?}");
        assert!(ran.err.starts_with("cloakroom: warning: "), "{ran:?}");
        says(&ran.err, &[words]);
    }
    let ran = place.run(&["sign", "masters/none.zip", "--json"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["warnings"].as_array().map(Vec::len), Some(1), "{value}");
    let quiet = place.run(&["sign", "masters/set", "--prefix"]);
    assert_eq!((quiet.code, quiet.err.as_str()), (0, ""), "a directory is what --prefix is for");
}

#[test]
fn a_key_is_made_once_private_and_where_the_configuration_says() {
    let place = Place::new();
    let key = place.path("keys/main");
    let first = fs::read(&key).unwrap();
    assert_eq!(fs::metadata(&key).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(place.run(&["key", "new", "main"]).code, 1);
    assert_eq!(fs::read(&key).unwrap(), first);
    fs::remove_file(&key).unwrap();
    let made: Value = serde_json::from_str(&place.run(&["--json", "key", "new", "main"]).out).unwrap();
    assert_eq!((made["id"].as_str(), made["file"].as_str()), (Some("main"), key.to_str()), "{made}");
    assert_ne!(fs::read(&key).unwrap(), first);
    place.write(&place.configuration().replacen("state_dir = \"", "state_dir = \"/nowhere", 1).replace("keys/main", "/nowhere/keys/main"));
    let ran = place.run(&["key", "new", "main"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    says(&ran.err, &["there is no directory /nowhere", "install -d -m 0700"]);
}

#[test]
fn check_tells_every_fault_at_once() {
    let place = Place::new();
    let right = place.run(&["check"]);
    assert_eq!((right.code, right.err.as_str()), (0, ""), "{right:?}");
    let value: Value = serde_json::from_str(&place.run(&["check", "--json"]).out).unwrap();
    for (name, number) in [("listeners", 3), ("keys", 1), ("storages", 1), ("rules", 1), ("policies", 1)] {
        assert_eq!(value[name], number, "{value}");
    }
    assert_eq!((value["measured"].as_bool(), value["site"].as_str()), (Some(false), Some("shop.example")));

    let wrong = place.configuration().replace("https://shop", "shop").replace("\"sign\"", "\"sing\"").replace("dialect", "dialekt");
    place.write(&wrong);
    let ran = place.run(&["check"]);
    assert_eq!((ran.code, ran.out.as_str()), (78, ""));
    let file = place.path("cloakroom.toml");
    let places = ran.err.lines().filter(|line| line.starts_with(&format!("{}:", file.display()))).count();
    assert!(places >= 4, "{}", ran.err);
    says(&ran.err, &["server.public_url", "key[1].use", "did you mean `dialect`?", &format!("{places} faults in {}", file.display())]);

    fs::create_dir(place.path("templates")).unwrap();
    fs::write(place.path("templates/refusal.html"), "{{ nope").unwrap();
    fs::remove_file(place.path("keys/main")).unwrap();
    let (text, root) = (place.configuration(), place.directory.path().display().to_string());
    let text = text.replace("/masters\"\n", "/gone\"\n");
    place.write(&format!("{text}\n[pages]\ntemplates = \"{root}/templates\"\n\n[feed]\naccess_log = \"{root}/none/x.log\"\n"));
    let ran = place.run(&["check"]);
    assert_eq!(ran.code, 78, "{ran:?}");
    says(&ran.err, &["cloakroom key new main", "/gone` must be a directory", "refusal.html:1", "/none/x.log"]);
    let written = fs::read_to_string(&file).unwrap();
    for (key, value) in
        [("key[1].file", "keys/main"), ("storage[1].path", "/gone"), ("pages.templates", "/templates"), ("feed.access_log", "/none/x.log")]
    {
        let line = (1..).zip(written.lines()).find(|(_, line)| line.contains(value)).unwrap().0;
        says(&ran.err, &[&format!("{}:{line}: `{key}` names what cannot be used", file.display())]);
    }
    assert!(ran.err.lines().all(|line| line.starts_with("cloakroom: ")) && ran.err.lines().count() == 4, "{}", ran.err);
    place.write(&format!("{text}\n[feed]\nsyslog = \"unix:{root}/none/log.sock\"\n"));
    says(&place.run(&["check"]).err, &["`feed.syslog`", "there is no", "/none"]);
    place.write(&format!("{text}\n[pages]\ntemplates = \"{root}/templates\"\n"));
    let serve = place.run(&["serve"]);
    assert_eq!((serve.code, serve.out.as_str()), (78, ""), "{serve:?}");
    says(&serve.err, &["keys/main", "/gone", "refusal.html:1"]);
}

#[test]
fn the_printed_default_file_is_a_configuration() {
    let place = Place::new();
    let printed = place.run(&["check", "--print-default"]).out;
    place.write(&printed.replace("/var/lib/cloakroom", &place.directory.path().display().to_string()));
    let ran = place.run(&["check"]);
    // Only what it names may be missing on this machine.
    assert!(ran.code == 0 || ran.err.lines().all(|line| line.starts_with("cloakroom: ") && line.contains('/')), "{ran:?}");
    assert!(!ran.err.contains("faults in"), "{ran:?}");
    says(&place.run(&["delivery", "list"]).err, &["/run/cloakroom/api.sock"]);
}

#[test]
fn the_daemon_replaces_a_stale_socket_names_what_is_taken_and_cleans_up() {
    let place = Place::new();
    drop(UnixListener::bind(place.path("api.sock")).unwrap());
    assert!(place.path("api.sock").exists(), "a stale socket");
    let daemon = place.serve("log");
    assert_eq!(place.run(&["delivery", "list"]).code, 0);
    let second = place.run(&["serve"]);
    assert_eq!(second.code, 1, "{second:?}");
    says(&second.err, &["cloakroom.db", "in use", "running already"]);
    let configuration = fs::read_to_string(place.path("cloakroom.toml")).unwrap();
    place.write(&format!("{configuration}\n[store]\nkind = \"memory\"\n"));
    let second = place.run(&["serve"]);
    place.write(&configuration);
    assert_eq!(second.code, 1, "{second:?}");
    says(&second.err, &["api.sock", "nginx.sock", "another cloakroom"]);
    assert!(second.err.lines().all(|line| line.starts_with("cloakroom: cannot listen on ")), "{second:?}");
    assert_eq!(place.run(&["delivery", "list"]).code, 0, "the first one goes on");

    daemon.signal(Signal::HUP);
    until("a line about the reload", || daemon.log().contains("- reloaded ").then_some(()));
    assert_eq!(place.run(&["delivery", "list"]).code, 0, "SIGHUP does not end it");
    let log = daemon.log();
    assert_eq!(daemon.end(Signal::TERM), Some(0), "{log}");
    assert!(!place.path("api.sock").exists() && !place.path("nginx.sock").exists());
    let daemon = place.serve("log");
    assert_eq!(daemon.end(Signal::INT), Some(0));
}

#[test]
fn what_the_daemon_cannot_have_is_named() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (from, to, code, words) in [
        ("127.0.0.1:0", address.as_str(), 1, &[address.as_str(), "stop that program"][..]),
        ("/nginx.sock", "/none/nginx.sock", 1, &["/none/nginx.sock", "does not exist"]),
        ("/nginx.sock", "/keys/main", 1, &["/keys/main", "not a socket"]),
        ("serve = \"api\"", "serve = \"api\"\ngroup = \"no-such-group\"", 1, &["no-such-group", "/etc/group"]),
        ("unix:", "tcp:", 78, &["cloakroom.toml:11: `listener[1].address`", "\"unix:/path\""]),
    ] {
        place.write(&place.configuration().replace(from, to));
        let ran = place.run(&["serve"]);
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{to}: {ran:?}");
        says(&ran.err, words);
    }
    place.write(&place.configuration());
    for (filter, words) in [("inof", "`inof` is no level"), ("debug,x=loud", "CLOAKROOM_LOG")] {
        let mut serve = place.command(&["serve"]);
        serve.env("CLOAKROOM_LOG", filter);
        let ran = ran(serve);
        assert_eq!(ran.code, 78, "{ran:?}");
        says(&ran.err, &[words]);
    }
}

/// Another user than the one that owns the place: nobody where the test runs as root, else the same user without leave.
#[test]
fn who_may_not_is_told_what_would_be_right() {
    let place = Place::new();
    let open = |name: &str, mode: u32| fs::set_permissions(place.path(name), fs::Permissions::from_mode(mode)).unwrap();
    // A copy, since the way to the program may be shut for others.
    let copy = Copied::to(place.path("program"));
    open("", 0o755);
    let run = |arguments: &[&str]| {
        let mut program = copy.program_of_nobody();
        program.arg("--config").arg(place.path("cloakroom.toml")).args(arguments);
        ran(program)
    };
    let daemon = place.serve("log");
    open("api.sock", 0o000);
    open("keys", 0o000);
    let ran = run(&["delivery", "list"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    says(&ran.err, &["api.sock", "Permission denied", "the daemon's user"]);
    let ran = run(&["sign", "masters/set/a b.zip"]);
    assert_eq!(ran.code, 78, "{ran:?}");
    says(&ran.err, &["key `main`", "Permission denied"]);
    let ran = run(&["key", "new", "main"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    says(&ran.err, &["Permission denied", "the daemon's user"]);
    open("keys", 0o700);
    drop(daemon);
    for name in ["api.sock", "nginx.sock"] {
        let _ = fs::remove_file(place.path(name));
    }
    open("keys", 0o755);
    // The key is readable by root alone now, or by its owner.
    open("", 0o555);
    let ran = run(&["serve"]);
    open("", 0o755);
    assert!(ran.code == 1 || ran.code == 78, "{ran:?}");
    says(&ran.err, &[if rustix::process::geteuid().is_root() { "Permission denied" } else { "must be able to write to the directory" }]);
}

#[test]
fn links_and_deliveries_are_told_as_text_and_as_json() {
    let site = site();
    assert_eq!(
        site.run(&["delivery", "list"]).out,
        "no deliveries yet: one begins with a click on a link (`cloakroom grant add` makes one)\n"
    );
    assert_eq!(site.run(&["delivery", "list", "--json"]).out, "[]\n");
    let none = site.run(&["delivery", "show"]);
    assert_eq!(none.code, 1, "{none:?}");
    says(&none.err, &["no deliveries yet"]);
    let unknown = site.run(&["delivery", "show", "d-00000000000000000000"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
    says(&unknown.err, &["no such delivery"]);
    for (arguments, code, words) in [
        (&["masters/none.zip"][..], 1, &["masters/none.zip", "no such file"][..]),
        (&["nope"], 2, &["STORAGE/PATH"]),
        (&["other/a.zip"], 2, &["`other`", "masters"]),
        (&["masters/a.zip", "--policy", "gold"], 2, &["`gold`", "default"]),
        (&["masters/a.zip", "--customer", "a\nb"], 2, &["control characters"]),
    ] {
        let ran = site.run(&[&["grant", "add", "--file"], arguments].concat());
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        says(&ran.err, words);
    }
    let made = site.daemon.json(&["grant", "add", "--file", "masters/a.zip", "--max", "2", "--for", "2d", "--customer", "order 7, Müller"]);
    assert_eq!(keys(&made), ["grant", "link", "link_expires", "url"]);
    assert_eq!(keys(&made["grant"]), ["created", "customer", "expires", "file", "id", "max_downloads", "reserved", "state", "used"]);
    assert_eq!((made["grant"]["max_downloads"].as_u64(), made["grant"]["customer"].as_str()), (Some(2), Some("order 7, Müller")));
    let url = made["url"].as_str().unwrap();
    assert_eq!(site.open(url), 200);
    let done = until("the delivery is completed", || {
        let shown = site.daemon.json(&["delivery", "show"]);
        (shown["state"] == "completed").then_some(shown)
    });
    assert_eq!((done["grant"]["used"].as_u64(), done["covered"].as_u64()), (Some(1), Some(9)), "{done}");
    let fields = "active bytes_budget bytes_charged client closed completed coverage covered feed file folded_requests grant grant_id id interruptions measured offered opened requests size state";
    assert_eq!(keys(&done).join(" "), fields);
    assert_eq!(keys(&done["requests"][0]), ["address", "admitted", "bytes_max", "client", "id", "report"]);
    let (id, grant) = (done["id"].as_str().unwrap(), done["grant_id"].as_str().unwrap());
    let listed = site.daemon.json(&["delivery", "list", "--grant", grant, "--limit", "1"]);
    assert_eq!(keys(&listed[0]).join(" "), "active client closed covered file grant_id id offered size state");
    let text = site.daemon.say(&["delivery", "list"]);
    says(&text, &[id, "completed", "100 %", "127.0.0.1", "masters/a.zip"]);
    assert!(text.lines().all(|line| line.chars().count() <= 90), "{text}");
    for (locale, bar) in [("C.UTF-8", "████"), ("C", "####")] {
        let mut program = Program::configured(&site.daemon.config());
        program.args(["delivery", "show", id]).env("LC_ALL", locale);
        let text = ran(program).out;
        says(
            &text,
            &[
                id,
                "completed",
                bar,
                "100 %",
                "used 1, reserved 0, of 2",
                "order 7, Müller",
                "known by  what Cloakroom itself sent",
                "1 request",
            ],
        );
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
    says(&site.daemon.say(&["explain", id]), &["completed", id, "it counts"]);
    says(&site.daemon.say(&["explain", grant]), &["allowed", grant, "1 of 2 downloads"]);
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

#[test]
fn explain_tells_every_step_and_what_mends_it() {
    let site = site();
    let sign = |more: &[&str]| site.daemon.say(&[&["sign", "masters/a.zip"], more].concat());
    let good = sign(&[]);
    let bound = sign(&["--network", "203.0.113.0/24"]);
    let late = sign(&["--until", "1000"]);
    let early = sign(&["--until", "2000000000", "--from", "1999999999"]);
    let link = site.daemon.link("masters/a.zip", 1);
    let altered = good.replace("exp=1", "exp=2");
    let shortened = link.replace("/a.zip", "").replace("/l/E", "/l/F") + "/a.zip";
    for (what, from, outcome, words) in [
        (good.as_str(), None, "allowed", &["the key `main`", "the signature is that of the text", "would be sent as `a.zip`"][..]),
        (&format!("{good}&utm_source=mail#top"), None, "allowed", &[]),
        (Site::target(&good), None, "allowed", &[]),
        (&altered, None, "bad_proof", &["NO ", "cloakroom sign"]),
        (&late, None, "expired", &["1970-01-01T00:16:40Z", "cloakroom sign"]),
        (&early, None, "not_yet_valid", &["clocks"]),
        (&bound, None, "wrong_network", &["203.0.113.0/24", "--from ADDRESS"]),
        (&bound, Some("198.51.100.1"), "wrong_network", &["another network"]),
        (&bound, Some("203.0.113.9"), "allowed", &["the client is in 203.0.113.0/24"]),
        ("/dl/f/masters/a.zip", None, "no_proof", &["cloakroom sign 'masters/a.zip'"]),
        ("/members/a b", None, "bad_request", &["bare space"]),
        ("/members/a%20b", None, "no_proof", &["cloakroom sign '/members/a b'"]),
        ("/other/", None, "no_rule", &["[[rule]]"]),
        (&link, None, "allowed", &["used 0, reserved 0, of 1", "303"]),
        (&shortened, None, "bad_proof", &["NO ", "cloakroom link new"]),
    ] {
        let from: Vec<&str> = from.map(|from| ["--from", from]).into_iter().flatten().collect();
        let ran = site.run(&[&["explain", what], from.as_slice()].concat());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{what}: {ran:?}");
        assert!(ran.out.starts_with(&format!("{outcome}: ")), "{what}: {ran:?}");
        says(&ran.out, words);
        let value = site.daemon.json(&[&["explain", what], from.as_slice()].concat());
        assert_eq!(keys(&value), ["advice", "outcome", "steps", "subject"], "{value}");
        assert_eq!(value["outcome"], outcome);
        // No token and no signature stands in what is told.
        for secret in [&good, &bound, &late].map(|url| url.split("sig=").nth(1).unwrap()) {
            assert!(!ran.out.contains(secret), "{}", ran.out);
        }
    }
    let refused = site.refused("/dl/f/masters/a.zip");
    for what in [refused.clone(), refused.to_lowercase(), request_of(&site, &refused)] {
        let ran = site.run(&["explain", &what]);
        assert!(ran.out.starts_with("no_proof: /dl/f/masters/a.zip\n"), "{what}: {ran:?}");
        says(&ran.out, &["127.0.0.1 asked `download`", "no `sig`", "cloakroom sign"]);
    }
    for (what, words) in [("R-0000-0000", "support=R-0000-0000"), ("0123456789abcdef", "request=0123456789abcdef"), ("a b", "a request id")]
    {
        let ran = site.run(&["explain", what]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
        says(&ran.err, &[words]);
    }
    // A signed URL needs no daemon, and is explained alike.
    let Site { mut daemon, .. } = site;
    assert!(daemon.stop());
    let ran = daemon.command(&["explain", &good]);
    assert!(String::from_utf8(ran.stdout).unwrap().starts_with("allowed: /dl/f/masters/a.zip\n"));
    says(&String::from_utf8(ran.stderr).unwrap(), &["the daemon is not reached"]);
}

/// The request id that the log has for a support code.
fn request_of(site: &Site, code: &str) -> String {
    let line = site.daemon.logged(&[&format!("support={code}")]);
    line.split("request=").nth(1).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn the_log_has_one_line_a_refusal_with_the_client_first() {
    let site = site();
    let refused = site.refused("/dl/f/masters/a.zip");
    let line = site.daemon.logged(&[&format!("support={refused}")]);
    let words: Vec<&str> = line.split(' ').collect();
    assert!(words[0].ends_with('Z') && words[0].parse::<jiff::Timestamp>().is_ok(), "{line}");
    assert_eq!(words[1..7], ["INFO", "127.0.0.1", "refused", "no_proof", "question=download", "subject=/dl/f/masters/a.zip"], "{line}");
    assert!(line.ends_with("detail=\"the query has no `sig`\""), "{line}");
    let same = |line: &String| line.contains(&refused);
    assert_eq!(site.daemon.log().into_iter().filter(same).count(), 1);
    // Nobody outside can begin a line or a word of his own.
    let hostile = site.refused("/dl/f/masters/x%22%20INFO%20192.0.2.1%20refused%20%0a");
    let line = site.daemon.logged(&[&format!("support={hostile}")]);
    assert!(line.contains(" INFO 127.0.0.1 refused bad_request ") && !line.contains(" 192.0.2.1 "), "{line}");
    // Nor make it as long as he likes.
    let long = site.refused(&format!("/dl/f/masters/{}.zip", "ab/".repeat(330)));
    let line = site.daemon.logged(&[&format!("support={long}"), " subject=/dl/f/masters/ab/ab/", "/…"]);
    assert!(line.len() < 500, "{} bytes: {line}", line.len());
    let told = site.run(&["explain", &long]);
    assert!(told.code == 0 && told.out.len() < 800, "{told:?}");
}

#[test]
fn the_json_log_carries_fields() {
    let place = Place::new();
    let mut command = place.command(&["serve", "--json"]);
    let log = place.path("json.log");
    let daemon = Daemon { child: command.env("CLOAKROOM_LOG", "debug").stderr_into(&log).spawn(), log };
    let events = |name: &str| -> Vec<Value> {
        let lines: Vec<Value> =
            daemon.log().split_inclusive('\n').filter_map(|line| serde_json::from_str(line.strip_suffix('\n')?).ok()).collect();
        lines.into_iter().filter(|line| line["event"] == name).collect()
    };
    let listening = until("three listeners", || (events("listening").len() == 3).then(|| events("listening")));
    let web = listening.iter().find_map(|line| line["address"].as_str()?.strip_prefix("127.0.0.1:")).unwrap().parse().unwrap();
    let answer = get(web, "/dl/f/masters/set/a%20b.zip", &[]);
    assert_eq!(answer.status, 401);
    let refused = until("a refusal", || events("refused").pop());
    let fields = "client detail event level question refusal request subject support timestamp";
    assert_eq!(keys(&refused).join(" "), fields, "{refused}");
    assert_eq!((refused["client"].as_str(), refused["refusal"].as_str()), (Some("127.0.0.1"), Some("no_proof")));
    let url = place.run(&["grant", "add", "--file", "masters/set/a b.zip"]).out;
    let answer = get(web, Site::target(url.trim_end()), &[]);
    assert_eq!(get(web, answer.header("location").unwrap(), &[]).status, 200);
    let completed = until("a completed delivery", || events("completed").pop());
    assert_eq!(keys(&completed).join(" "), "client covered delivery event grant level size timestamp", "{completed}");
    assert_eq!((completed["covered"].as_u64(), completed["size"].as_u64()), (Some(7), Some(7)));
    assert_eq!(events("issued").len(), 1);
    assert!(!daemon.log().contains(Site::target(url.trim_end())), "no link stands in the log");
    assert_eq!(daemon.end(Signal::TERM), Some(0));
}

#[test]
fn a_terminal_gets_what_a_pipe_does_not() {
    // `script` gives a program a terminal; what it prints is what stands on the screen.
    let site = site();
    let typed = Program::on_terminal("true", &site.daemon.config(), &["grant", "add", "--file", "masters/a.zip", "--max", "3"]).output();
    let shown = String::from_utf8(typed.stdout).unwrap();
    says(&shown, &["https://shop.example/dl/l/", "3 downloads of masters/a.zip", "grant g-"]);
    let piped = site.run(&["grant", "add", "--file", "masters/a.zip", "--max", "3"]);
    assert_eq!((piped.out.lines().count(), piped.err.as_str()), (1, ""), "{piped:?}");
}
