//! `cloakroom rewrite-map` behind a real Apache that is stopped, broken or killed, and by itself: whatever happens, nothing but
//! an answer to the question opens anything. What it passes on is told in `tests/behind`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

mod servers;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use servers::apache::{ApacheSetup, Downloads};
use servers::program::{Heard, Program, Running};
use servers::site::{ApacheSite, content};
use servers::until;
use tempfile::TempDir;

fn site() -> ApacheSite {
    ApacheSite::around(&ApacheSetup { downloads: Downloads::RewriteMap, ..ApacheSetup::default() }, "")
}

/// The numbers of the programs that Apache started.
fn programs(site: &ApacheSite) -> Vec<i32> {
    let configuration = site.apache.configuration().display().to_string();
    let is_ours = |entry: &fs::DirEntry| {
        let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        line.contains(&configuration) && line.contains("rewrite-map")
    };
    let found = fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter(is_ours);
    found.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

#[test]
fn a_daemon_that_is_away_refuses_everything_and_is_found_again() {
    let mut site = site();
    site.master("a.zip", &content(1000));
    let target = site.sign("masters/a.zip", &[]);
    assert_eq!(site.get(&target).body, content(1000));
    assert!(site.cloakroom.stop());
    for _ in 0..3 {
        let answer = site.get(&target);
        assert_eq!((answer.status, answer.header("Cloakroom-Refusal")), (503, None));
        assert!(!answer.text().contains("cloakroom-refusal"), "{}", answer.text());
    }
    let told = site.apache.error_log();
    assert_eq!(told.matches("cloakroom: rewrite-map: ").count(), 1, "it is said once: {told}");
    site.cloakroom.start();
    assert_eq!(site.get(&target).body, content(1000), "each question goes by a connection of its own");
}

#[test]
fn a_program_that_is_killed_opens_nothing() {
    let site = site();
    site.master("a.zip", &content(1000));
    let target = site.sign("masters/a.zip", &[]);
    assert_eq!(site.get(&target).status, 200);
    let programs = programs(&site);
    assert!(!programs.is_empty(), "Apache started one");
    for number in programs {
        kill_process(Pid::from_raw(number).unwrap(), Signal::KILL).unwrap();
    }
    // Apache's answer is the empty string then, not a default.
    until("Apache notices", || (site.get(&target).status != 200).then_some(()));
    for _ in 0..3 {
        assert_eq!(site.get(&target).status, 503);
        assert_eq!(site.get("/_cloakroom/masters/a.zip").status, 403);
    }
}

#[test]
fn who_is_led_elsewhere_takes_no_query_along() {
    let site = site();
    site.master("a.zip", &content(1000));
    let link = site.cloakroom.link("masters/a.zip", 3);
    let link = &link[link.find("/dl/").unwrap()..];
    let answer = site.get(&format!("{link}?jwt=a.b.c"));
    let to = answer.header("location").unwrap_or_else(|| panic!("{answer:?}"));
    assert!(answer.status == 303 && to.contains("/dl/d/") && !to.contains('?'), "{answer:?}");
}

/// The program by itself, with a configuration.
struct Relay {
    child: Running,
    asks: ChildStdin,
    hears: BufReader<Heard>,
    _directory: TempDir,
}

impl Relay {
    fn start(configure: impl Fn(&Path) -> String, more: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let configuration = directory.path().join("cloakroom.toml");
        fs::write(&configuration, configure(directory.path())).unwrap();
        let mut program = Program::configured(&configuration);
        program.arg("rewrite-map").args(more).stdin(Stdio::piped()).stdout_piped().stderr_piped();
        let mut child = program.spawn();
        let (asks, hears) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, asks, hears, _directory: directory }
    }

    fn ask(&mut self, line: &[u8]) -> String {
        self.asks.write_all(&[line, b"\n"].concat()).unwrap();
        let mut answer = String::new();
        self.hears.read_line(&mut answer).unwrap();
        answer.strip_suffix('\n').expect("a whole line").to_owned()
    }

    /// Ends its input; what it said besides, once it has ended well.
    fn end(self) -> String {
        let Self { mut child, asks, .. } = self;
        drop(asks);
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success());
        said
    }
}

fn configuration(home: &Path, listener: &str) -> String {
    format!(
        "[server]\nstate_dir = \"{}\"\npublic_url = \"https://shop.example/dl/\"\n\n{listener}\n\n\
         [[storage]]\nname = \"masters\"\npath = \"/srv/downloads\"\nhandoff = \"/_cloakroom/masters/\"\n",
        home.display()
    )
}

fn scgi(home: &Path) -> String {
    let listener = format!("[[listener]]\naddress = \"unix:{}/s\"\ndialect = \"apache\"\nprotocol = \"scgi\"\n", home.display());
    configuration(home, &listener)
}

const QUESTION: &[u8] = b"id=a client=192.0.2.1 path=/dl/x request=GET /dl/x HTTP/1.1";

#[test]
fn it_never_ends_because_something_is_wrong_and_says_what_it_is() {
    for (wrong, words) in [
        ("no toml at all [", "cloakroom.toml"),
        ("[[listener]]\naddress = \"127.0.0.1:8470\"\ndialect = \"nginx\"\n", "protocol = \"scgi\""),
    ] {
        let mut relay = Relay::start(|home| if wrong.starts_with("no") { wrong.to_owned() } else { configuration(home, wrong) }, &[]);
        for _ in 0..3 {
            assert_eq!(relay.ask(QUESTION), "no\t503\t-\t-");
        }
        let said = relay.end();
        assert!(said.contains(words) && said.matches("rewrite-map: ").count() == 1, "{said}");
    }
    let passed = "[[listener]]\naddress = \"systemd:apache\"\ndialect = \"apache\"\nprotocol = \"scgi\"\n";
    for (more, words) in [(&[][..], "add `--to unix:/run/cloakroom/apache.sock`"), (&["--to", "unix:/nowhere/s"], "unix:/nowhere/s: ")] {
        let mut relay = Relay::start(|home| configuration(home, passed), more);
        assert_eq!(relay.ask(QUESTION), "no\t503\t-\t-");
        let said = relay.end();
        assert!(said.contains(words), "{said}");
    }
    let mut relay = Relay::start(scgi, &[]);
    for line in [&b""[..], b"\xff\xfe", b"GET /", &vec![b'x'; 200_000], b"id=a client=b path=/ request=GET /"] {
        assert_eq!(relay.ask(line), "no\t400\tbad_request\t-");
    }
    assert_eq!(relay.ask(QUESTION), "no\t503\t-\t-", "nobody listens");
    assert!(relay.end().contains("/s: "), "it names the socket");
}

#[test]
fn what_is_no_answer_of_the_daemon_or_none_in_time_is_none() {
    let home = TempDir::new().unwrap();
    let listener = UnixListener::bind(home.path().join("s")).unwrap();
    let long = vec![0xff; 40_000];
    let answers: [&[u8]; 9] = [
        b"",
        b"\n",
        b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /_cloakroom/masters/a\r\n\r\n",
        b"Status: 200 OK\r\nX-Accel-Redirect: /_cloakroom/masters/a\r\n",
        b"X-Accel-Redirect: /_cloakroom/masters/a\r\n\r\n",
        b"Status: 200 OK\nX-Accel-Redirect: /_cloakroom/masters/a\n\n",
        b"Status: 200 OK\r\nX-Accel-Redirect: /_cloakroom/masters/a\r\nX \x01: b\r\n\r\n",
        b"file\t-\t-\t-\t/_cloakroom/masters/a\n",
        &long,
    ];
    let answers = answers.map(<[u8]>::to_vec);
    let expected = answers.clone();
    let path = home.path().to_owned();
    let mut relay = Relay::start(|_| scgi(&path), &["--timeout", "200ms"]);
    let serving = thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            // Who is full closes before all is written.
            let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(&answer));
        }
        // And one that never says anything.
        listener.accept().unwrap()
    });
    for answer in expected {
        assert_eq!(relay.ask(QUESTION), "no\t503\t-\t-", "{}", answer.escape_ascii());
    }
    assert_eq!(relay.ask(QUESTION), "no\t503\t-\t-");
    let said = relay.end();
    assert!(said.contains("is no answer of Cloakroom") && said.contains("no answer within"), "{said}");
    drop(serving.join().unwrap());
}
