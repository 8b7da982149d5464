//! `cloakroom feed`: what nginx reports, handed over line by line from standard input.

use std::fs;
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::clients::{Customer, killed_after, whole};
use crate::servers::http::Download;
use crate::servers::program::{Program, Running};
use crate::servers::until;
use crate::shop::{MIB, SLOW, Shop, bytes_sent, requests, units};

/// `cloakroom feed` of the shop's daemon, reading `input`.
fn feed(shop: &Shop, input: impl Into<Stdio>, more: &[&str]) -> Running {
    let mut program = Program::configured(&shop.cloakroom.config());
    program.arg("feed").args(more).stdin(input).stdout_piped().stderr_piped().spawn()
}

/// Runs it with this input to its end: exit code, output, errors.
fn feed_text(shop: &Shop, text: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let mut child = feed(shop, Stdio::piped(), more);
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    said(&child.wait_with_output())
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Away with the daemon's socket: to its commands it is down, while it remembers and admits.
fn hide(shop: &Shop) {
    fs::rename(shop.cloakroom.state().join("api.sock"), shop.cloakroom.state().join("away.sock")).unwrap();
}

fn show(shop: &Shop) {
    fs::rename(shop.cloakroom.state().join("away.sock"), shop.cloakroom.state().join("api.sock")).unwrap();
}

fn end(child: &Running, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Waits until nginx wrote so many lines.
fn reported(shop: &Shop, lines: usize) -> String {
    until("nginx's lines", || (shop.web.reported().len() >= lines).then_some(()));
    fs::read_to_string(shop.web.access_log()).unwrap()
}

#[test]
fn a_tail_in_a_pipe_is_a_feed() {
    let shop = Shop::by_api(3 * MIB, SLOW);
    let mut tail = Command::new("tail").args(["-n", "+1", "-F"]).arg(shop.web.access_log()).stdout(Stdio::piped()).spawn().unwrap();
    let feed = feed(&shop, tail.stdout.take().unwrap(), &[]);
    let customer = Customer::new();
    let link = shop.link(1);
    killed_after(customer.curl(&link), &customer.file(), MIB as u64 / 2);
    let cut = shop.settled();
    assert_eq!((cut["state"].as_str(), units(&cut), cut["feed"].as_str()), (Some("open"), (0, 1), Some("api")), "{cut:#}");
    whole(customer.curl(&link));
    let delivery = shop.becomes("completed");
    assert_eq!((units(&delivery), requests(&delivery).len()), ((1, 0), 2), "{delivery:#}");
    let text = shop.cloakroom.say(&["delivery", "show"]);
    assert!(text.contains("handed over by `cloakroom feed`"), "{text}");
    tail.kill().unwrap();
    tail.wait().unwrap();
    let (code, out, err) = said(&feed.wait_with_output());
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.starts_with("2 lines handed over: 2 settled, 0 unknown"), "{out}");
}

#[test]
fn numbers_that_cannot_be_count_for_what_can_be() {
    const SIZE: usize = 100_000;
    let shop = Shop::by_api(SIZE, "");
    let url = shop.click(&shop.link(1));
    assert!(shop.get(&url, &[]).body == shop.goods);
    let mut line: Value = serde_json::from_str(&reported(&shop, 1)).unwrap();
    for (key, value) in [("time", "99999999999.000"), ("bytes", "9000000000000000000"), ("length", "")] {
        assert!(line[key].is_string(), "{line:#}");
        line[key] = value.into();
    }
    let (code, out, err) = feed_text(&shop, &format!("{line}\n"), &[]);
    assert_eq!((code, err.as_str(), out.starts_with("1 line handed over: 1 settled")), (Some(0), "", true), "{out}");
    let delivery = shop.settled();
    let most = (SIZE + SIZE / 64 + 65_536) as u64;
    assert_eq!((bytes_sent(&delivery), units(&delivery)), (most, (0, 1)), "{delivery:#}");
    let ended = requests(&delivery)[0]["report"]["ended"].as_str().unwrap();
    assert!(ended < "3000", "{ended}");
    let told = [shop.cloakroom.logged(&["reports_ahead"]), shop.cloakroom.logged(&["reports_beyond"])];
    assert!(told.iter().all(|line| line.contains("WARN")), "{told:#?}");
}

#[test]
fn lines_that_come_while_the_daemon_does_not_answer_are_handed_over_later() {
    let shop = Shop::by_api(100_000, "");
    let url = shop.click(&shop.link(1));
    assert!(shop.get(&url, &[]).body == shop.goods);
    let lines = reported(&shop, 1);
    hide(&shop);
    let mut child = feed(&shop, Stdio::piped(), &[]);
    let mut input = child.stdin.take().unwrap();
    let (head, rest) = lines.split_at(40);
    input.write_all(head.as_bytes()).unwrap();
    input.write_all(rest.as_bytes()).unwrap();
    let mut first = vec![0; 400];
    let mut errors = child.stderr.take().unwrap();
    let read = errors.read(&mut first).unwrap();
    let text = String::from_utf8_lossy(&first[..read]).into_owned();
    assert!(text.contains("cannot reach the daemon") && text.contains("lines wait here until it answers"), "{text}");
    show(&shop);
    assert_eq!(units(&shop.becomes("completed")), (1, 0));
    drop(input);
    let (code, out, _) = said(&child.wait_with_output());
    assert_eq!((code, out.starts_with("1 line handed over: 1 settled")), (Some(0), true), "{out}");
    let mut more = String::new();
    errors.read_to_string(&mut more).unwrap();
    assert!(more.contains("the daemon answers"), "{more}");
}

#[test]
fn a_restart_of_the_daemon_loses_no_line_of_a_pipe() {
    let mut shop = Shop::by_api(3 * MIB, SLOW);
    let mut tail = Command::new("tail").args(["-n", "+1", "-F"]).arg(shop.web.access_log()).stdout(Stdio::piped()).spawn().unwrap();
    let feed = feed(&shop, tail.stdout.take().unwrap(), &[]);
    let url = shop.click(&shop.link(1));
    let mut download = Download::open(shop.web.port, "GET", shop.target(&url), &[]);
    download.read(MIB / 2);
    shop.cloakroom.kill();
    assert!(download.finish().body == shop.goods);
    reported(&shop, 1);
    shop.cloakroom.start();
    assert_eq!(units(&shop.becomes("completed")), (1, 0));
    tail.kill().unwrap();
    tail.wait().unwrap();
    let (code, out, _) = said(&feed.wait_with_output());
    assert_eq!((code, out.starts_with("1 line handed over: 1 settled")), (Some(0), true), "{out}");
}

#[test]
fn what_could_not_be_handed_over_is_said_and_fails() {
    let shop = Shop::by_api(1000, "");
    hide(&shop);
    let (code, out, err) = feed_text(&shop, "one\ntwo\nthree", &["--patience", "1s"]);
    assert_eq!(code, Some(1));
    assert!(out.starts_with("0 lines handed over"), "{out}");
    assert!(err.contains("3 lines not handed over: cannot reach the daemon"), "{err}");
    show(&shop);
    let (code, out, err) = feed_text(&shop, "one\ntwo\nthree", &["--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let out: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((out["malformed"].as_u64(), out["settled"].as_u64()), (Some(3), Some(0)), "{out}");
    let (code, _, err) = feed_text(&shop, "", &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
}

#[test]
fn a_daemon_without_a_feed_takes_no_lines() {
    let nginx = crate::servers::nginx::Nginx::start(&crate::servers::nginx::NginxSetup::default());
    let text = format!(
        "[[listener]]\naddress = \"unix:{}\"\ndialect = \"nginx\"\n\n[[storage]]\nname = \"masters\"\npath = \"{}\"\nhandoff = \"/_cloakroom/masters/\"\n",
        nginx.socket().display(),
        nginx.downloads().display()
    );
    let cloakroom = crate::servers::cloakroom::Cloakroom::with(&format!("http://127.0.0.1:{}/dl/", nginx.port), &text);
    let shop = Shop { web: crate::servers::web::Web::Nginx(nginx), cloakroom, goods: vec![] };
    let (code, _, err) = feed_text(&shop, "a line\n", &[]);
    assert_eq!(code, Some(1));
    assert!(err.contains("has no [feed]"), "{err}");
    // It ends even while there is more to come.
    let mut child = feed(&shop, Stdio::piped(), &[]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"a line\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn more_lines_than_there_is_room_for_wait_in_the_pipe_and_none_is_lost() {
    let shop = Shop::by_api(1000, "");
    hide(&shop);
    let mut child = feed(&shop, Stdio::piped(), &["--json"]);
    let mut input = child.stdin.take().unwrap();
    let mut errors = child.stderr.take().unwrap();
    let line = format!("{}\n", "x".repeat(999));
    let writer = thread::spawn(move || (0..20_000).for_each(|_| input.write_all(line.as_bytes()).unwrap()));
    read_until(&mut errors, "whoever writes them waits, too");
    assert!(resident_kib(child.id()) < 64 * 1024, "{} KiB", resident_kib(child.id()));
    show(&shop);
    writer.join().unwrap();
    let (code, out, _) = said(&child.wait_with_output());
    let out: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, out["malformed"].as_u64()), (Some(0), Some(20_000)), "{out}");
}

#[test]
fn a_web_server_that_started_it_never_waits_and_is_told_what_was_thrown_away() {
    let shop = Shop::by_api(1000, "");
    hide(&shop);
    let mut child = feed(&shop, Stdio::piped(), &["--piped", "--json"]);
    let (mut input, mut errors) = (child.stdin.take().unwrap(), child.stderr.take().unwrap());
    let line = format!("{}\n", "x".repeat(999));
    // Nobody takes a line, and yet all of them can be written.
    (0..20_000).for_each(|_| input.write_all(line.as_bytes()).unwrap());
    read_until(&mut errors, "(8 MiB): the next ones are thrown away");
    end(&child, Signal::TERM);
    input.write_all(line.as_bytes()).unwrap();
    show(&shop);
    read_until(&mut errors, " thrown away so far, whose downloads will be called presumed");
    drop(input);
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    let (code, out, _) = said(&child.wait_with_output());
    let out: serde_json::Value = serde_json::from_str(&out).unwrap();
    let handed = out["malformed"].as_u64().unwrap();
    assert!((8000..9000).contains(&handed) && code == Some(1), "{out}");
    assert!(rest.contains("lines thrown away, as there was no room"), "{rest}");
}

/// Reads until these words were said.
#[track_caller]
fn read_until(said: &mut impl Read, words: &str) {
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains(words) {
        let mut more = [0; 300];
        let read = said.read(&mut more).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&more[..read]);
    }
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn who_is_told_to_stop_hands_over_what_came_and_ends() {
    for signal in [Signal::TERM, Signal::INT] {
        let shop = Shop::by_api(100_000, "");
        let url = shop.click(&shop.link(1));
        assert!(shop.get(&url, &[]).body == shop.goods);
        let lines = reported(&shop, 1);
        let mut child = feed(&shop, Stdio::piped(), &[]);
        let mut input = child.stdin.take().unwrap();
        input.write_all(lines.as_bytes()).unwrap();
        shop.becomes("completed");
        end(&child, signal);
        let (code, out, err) = said(&child.wait_with_output());
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
        drop(input);
    }
}
