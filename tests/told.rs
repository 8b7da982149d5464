//! What commands print of what the daemon says, byte for byte: the daemon is a socket that answers with kept JSON, so that
//! neither ids nor times differ. Each output is kept as a terminal with Unicode and one with ASCII shows it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;

use servers::program::Program;
use tempfile::TempDir;

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Compares with `tests/golden/<name>`; with `UPDATE_GOLDEN=1` in the environment it is written instead.
#[track_caller]
fn golden(name: &str, text: &str) {
    let path = kept(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(kept, text, "{}", path.display());
}

/// A directory with a configuration whose API socket would be `api.sock`.
fn configured() -> TempDir {
    let directory = TempDir::new().unwrap();
    let root = directory.path();
    let config = format!(
        "[server]\nstate_dir = \"{0}/state\"\npublic_url = \"https://shop.example/dl/\"\n\n[[key]]\nid = \"main\"\nfile = \"keys/main\"\nuse = \"sign\"\n\n\
         [[listener]]\naddress = \"unix:{0}/api.sock\"\nserve = \"api\"\n\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\ndialect = \"standalone\"\n\n\
         [[storage]]\nname = \"masters\"\npath = \"{0}/masters\"\n\n[[policy]]\nname = \"default\"\nmethod = [\"stream\"]\n",
        root.display()
    );
    fs::write(root.join("cloakroom.toml"), config).unwrap();
    directory
}

/// Runs a command against a daemon that answers its one call with the JSON of the file `answer`. Gives what was printed,
/// and the first line of the call.
fn told(answer: &str, arguments: &[&str], locale: &str) -> (String, String) {
    told_of(fs::read_to_string(kept(answer)).unwrap(), arguments, locale)
}

/// The same, of an answer that no file holds.
fn told_of(body: String, arguments: &[&str], locale: &str) -> (String, String) {
    let directory = configured();
    let root = directory.path();
    let socket = UnixListener::bind(root.join("api.sock")).unwrap();
    let daemon = thread::spawn(move || {
        let (stream, _) = socket.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let call = lines.next().unwrap().unwrap();
        while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        (&stream).write_all((head + &body).as_bytes()).unwrap();
        call
    });
    let mut program = Program::configured(&root.join("cloakroom.toml"));
    let output = program.args(arguments).current_dir(root).env_remove("LANG").env("LC_ALL", locale).output();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    let page = root.join("page.html");
    let text = if page.exists() { fs::read_to_string(page).unwrap() } else { String::from_utf8(output.stdout).unwrap() };
    (text, daemon.join().unwrap())
}

const LOCALES: [(&str, &str); 2] = [("C.UTF-8", "txt"), ("C", "ascii.txt")];

#[test]
fn evidence_is_told_as_text_and_as_a_page() {
    let grant = "g-00000000000000000000";
    for (locale, ending) in LOCALES {
        let (text, call) = told("evidence/evidence.json", &["grant", "evidence", grant], locale);
        assert_eq!(call, format!("GET /api/v1/grants/{grant}/evidence HTTP/1.1"));
        golden(&format!("evidence/evidence.{ending}"), &text);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert_eq!(text.contains('█'), locale == "C.UTF-8", "{locale}");
        assert!(!text.chars().any(|sign| sign.is_control() && sign != '\n'), "{text}");
    }
    let (page, _) = told("evidence/evidence.json", &["grant", "evidence", grant, "--html", "page.html"], "C");
    golden("evidence/evidence.html", &page);
    assert!(!page.chars().any(|sign| sign.is_control() && sign != '\n'));
    for never in ["<script", "<img", "http://", "https://", "url(", "{{", "{%"] {
        assert!(!page.contains(never), "{never} is in the page");
    }
    let (json, _) = told("evidence/evidence.json", &["grant", "evidence", grant, "--json"], "C");
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(read(&json), read(&fs::read_to_string(kept("evidence/evidence.json")).unwrap()), "nothing is lost on the way");
}

#[test]
fn of_very_many_requests_the_first_and_the_last_are_shown_and_json_has_all() {
    let mut view: serde_json::Value = serde_json::from_str(&fs::read_to_string(kept("delivery/one-request.json")).unwrap()).unwrap();
    let request = view["requests"][0].clone();
    for (count, shown) in [(2, 2), (40, 40), (41, 40), (200, 40)] {
        view["requests"] = vec![request.clone(); count].into();
        for (locale, dots) in [("C.UTF-8", "…"), ("C", "...")] {
            let (text, call) = told_of(view.to_string(), &["delivery", "show"], locale);
            assert_eq!(call, "GET /api/v1/deliveries/newest HTTP/1.1");
            let rows: Vec<usize> = text
                .lines()
                .skip_while(|line| !line.trim_start().starts_with("#  admitted"))
                .filter_map(|line| line.split_whitespace().next()?.parse().ok())
                .collect();
            let expected: Vec<usize> = (1..=count).filter(|row| count == shown || *row <= 20 || *row > count - 20).collect();
            assert_eq!(rows, expected, "{text}");
            let gap = text.lines().find(|line| line.contains(dots) && line.ends_with(" more"));
            assert_eq!(gap.is_some_and(|line| line.contains(&format!(" {} more", count - shown))), count > shown, "{text}");
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
        let (json, _) = told_of(view.to_string(), &["delivery", "show", "--json"], "C");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), view);
    }
}

#[test]
fn numbers_over_time_are_a_table_with_bars() {
    for (locale, ending) in LOCALES {
        let (text, call) = told("stats/stats.json", &["stats", "--from", "2027-01-25", "--by", "day"], locale);
        assert_eq!(call, "GET /api/v1/stats?from=2027-01-25&by=day HTTP/1.1");
        golden(&format!("stats/stats.{ending}"), &text);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        let (text, _) = told("stats/nothing.json", &["stats"], locale);
        golden("stats/nothing.txt", &text);
    }
}

#[test]
fn a_mistake_on_the_command_line_is_told_with_what_would_be_right() {
    let directory = configured();
    let far = "9999-12-01T00:00:00Z";
    let table: &[(&[&str], i32, &[&str])] = &[
        (&["grant"], 2, &["add", "extend", "evidence"]),
        (&["grant", "add"], 2, &["--file <STORAGE/PATH>"]),
        (&["grant", "add", "masters/a.zip"], 2, &["'masters/a.zip'"]),
        (&["grant", "list", "--limit", "1001"], 2, &["1..=1000"]),
        (&["grant", "list", "--before", "d-1"], 2, &["`g-`"]),
        (&["grant", "list"], 1, &["start it with `cloakroom serve`"]),
        (&["grant", "show"], 2, &["<GRANT>"]),
        (&["grant", "show", "l-00000000000000000000"], 2, &["`g-`"]),
        (&["grant", "suspend", "g-1"], 2, &["`g-`", "20 letters"]),
        (&["grant", "resume", ""], 2, &["GRANT"]),
        (&["grant", "revoke", "--all"], 2, &["--all"]),
        (&["grant", "reset", "g-00000000000000000000", "g-00000000000000000000"], 2, &["unexpected argument"]),
        (&["grant", "extend", "g-00000000000000000000"], 2, &["--for", "--until", "--max"]),
        (&["grant", "extend", "g-00000000000000000000", "--for", "1d", "--until", far], 2, &["--for", "--until", "cannot be used with"]),
        (&["grant", "extend", "g-00000000000000000000", "--for", "long"], 2, &["\"30d\"", "unlimited"]),
        (&["grant", "extend", "g-00000000000000000000", "--for", "0s"], 2, &["longer than nothing"]),
        (&["grant", "extend", "g-00000000000000000000", "--until", "tomorrow"], 2, &["2027-01-31T12:00:00Z"]),
        (&["grant", "extend", "g-00000000000000000000", "--until", "31.1.2027"], 2, &["2027-01-31"]),
        (&["grant", "extend", "g-00000000000000000000", "--max", "+-1"], 2, &["`+`", "unlimited"]),
        (&["grant", "extend", "g-00000000000000000000", "--max", "4294967296"], 2, &["4294967295"]),
        (&["grant", "evidence", "g-00000000000000000000", "--json", "--html", "x"], 2, &["--json", "--html"]),
        (&["grant", "evidence", "g-00000000000000000000"], 1, &["start it with `cloakroom serve`"]),
        (&["link"], 2, &["new", "revoke"]),
        (&["link", "masters/a.zip"], 2, &["masters/a.zip", "unrecognized subcommand"]),
        (&["link", "new", "l-00000000000000000000"], 2, &["`g-`"]),
        (&["link", "new", "g-00000000000000000000", "--for", "unlimited"], 2, &["\"30d\""]),
        (&["link", "revoke", "g-00000000000000000000"], 2, &["`l-`"]),
        (&["stats", "--by", "month"], 2, &["hour", "day"]),
        (&["stats", "--from", "yesterday"], 2, &["2027-01-31T12:00:00Z"]),
        (&["stats", "--to", "1969-12-31"], 2, &["1970"]),
        (&["stats"], 1, &["start it with `cloakroom serve`"]),
    ];
    for (arguments, code, words) in table {
        let config = directory.path().join("cloakroom.toml");
        let output = Program::configured(&config).args(*arguments).output();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(*code), &b""[..]), "{arguments:?}: {said}");
        for word in *words {
            assert!(said.contains(word), "{arguments:?}: {word:?} is not in: {said}");
        }
    }
    assert!(table.len() >= 30, "{}", table.len());
}

#[test]
fn the_usage_that_a_mistake_is_told_with_is_whole_and_asks_for_nothing_that_has_a_default() {
    let mut seen = 0;
    for (arguments, usage) in [
        (&["sign"][..], "cloakroom sign [OPTIONS] <FILE|/PATH>"),
        (&["sign", "a", "--ever"], "cloakroom sign [OPTIONS] <FILE|/PATH>"),
        (&["grant", "add"], "cloakroom grant add [OPTIONS] --file <STORAGE/PATH>"),
        (&["link", "new", "--fro", "2"], "cloakroom link new [OPTIONS] <GRANT>"),
        (&["key", "import", "shop"], "cloakroom key import [OPTIONS] --format <FORM> <ID> [FILE]"),
        (&["grant", "extend"], "cloakroom grant extend [OPTIONS] <--for|--until|--max> <GRANT>"),
        (&["nonsense"], "cloakroom [OPTIONS] <COMMAND>"),
    ] {
        for given in [&[][..], &["--config", "sign"]] {
            let output = Program::new().args(given).args(arguments).env("CLOAKROOM_CONFIG", "/x/cloakroom.toml").output();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{said}");
            let told: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("Usage: ")).collect();
            assert_eq!(told, [usage], "{said}");
            seen += 1;
        }
    }
    assert_eq!(seen, 14);
}
