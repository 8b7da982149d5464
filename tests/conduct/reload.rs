//! SIGHUP: whole or not at all, and nobody notices.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::load::Load;
use crate::servers::cloakroom::Cloakroom;
use crate::servers::site::Site;
use crate::servers::until;

/// Changes the configuration's text; the words must be there.
#[track_caller]
pub fn rewrite(cloakroom: &Cloakroom, words: &str, others: &str) {
    let text = fs::read_to_string(cloakroom.config()).unwrap();
    assert!(text.contains(words), "no {words:?} in\n{text}");
    fs::write(cloakroom.config(), text.replace(words, others)).unwrap();
}

fn lines(cloakroom: &Cloakroom, event: &str) -> usize {
    cloakroom.log().iter().filter(|line| line.contains(event)).count()
}

/// Sends SIGHUP and waits for the line that says what came of it.
#[track_caller]
pub fn reload(cloakroom: &Cloakroom, event: &str) -> String {
    let before = lines(cloakroom, event);
    kill_process(Pid::from_raw(i32::try_from(cloakroom.pid()).unwrap()).unwrap(), Signal::HUP).unwrap();
    until(event, || (lines(cloakroom, event) > before).then_some(()));
    cloakroom.log().into_iter().rfind(|line| line.contains(event)).unwrap()
}

#[test]
fn a_reload_takes_what_was_changed_and_says_what() {
    let site = Site::open();
    site.page("members/a.txt", b"for members");
    site.page("inside/a.txt", b"inside");
    let url = site.sign("/members/a.txt", &["--for", "1h"]);
    assert_eq!(site.get(&url).status, 200);
    assert!(reload(&site.cloakroom, "reloaded").contains("changed=nothing"));
    rewrite(&site.cloakroom, "path = \"/members/\"", "path = \"/inside/\"");
    assert_eq!(site.get(&url).status, 200, "a file that was changed changes nothing before the reload");
    let line = reload(&site.cloakroom, "reloaded");
    assert!(line.contains("INFO - reloaded") && line.contains("changed=rule"), "{line}");
    assert_eq!(site.get(&url).header("Cloakroom-Refusal"), Some("no_rule"));
    // The pages change with it.
    let templates = site.cloakroom.state().join("templates");
    fs::create_dir(&templates).unwrap();
    fs::write(templates.join("refusal.html"), "<title>{{ site }}</title><p>Ask at the desk: {{ support }}</p>").unwrap();
    fs::write(
        site.cloakroom.config(),
        fs::read_to_string(site.cloakroom.config()).unwrap() + &format!("\n[pages]\ntemplates = \"{}\"\n", templates.display()),
    )
    .unwrap();
    assert!(reload(&site.cloakroom, "reloaded").contains("changed=pages"));
    let page = site.ask("GET", "/dl/f/masters/a.bin", &[("Accept", "text/html")]).text();
    assert!(page.contains("Ask at the desk"), "{page}");
}

#[test]
fn a_reload_with_a_fault_takes_nothing_and_names_each() {
    let site = Site::open();
    site.page("members/a.txt", b"for members");
    let url = site.sign("/members/a.txt", &["--for", "1h"]);
    let good = fs::read_to_string(site.cloakroom.config()).unwrap();
    let refused = |what: &str, words: &[&str]| {
        let line = reload(&site.cloakroom, "reload_refused");
        assert!(line.contains("ERROR - reload_refused") && line.contains("stays in force"), "{what}: {line}");
        let fault = site.cloakroom.logged(&[&["ERROR - reload_fault"], words].concat());
        assert!(fault.contains("cloakroom.toml"), "{what}: {fault}");
        // The rule of the new file was never asked.
        assert_eq!(site.get(&url).status, 200, "{what}");
        fs::write(site.cloakroom.config(), &good).unwrap();
    };
    let config = |words: &str, others: &str| {
        rewrite(&site.cloakroom, "path = \"/members/\"", "path = \"/inside/\"");
        rewrite(&site.cloakroom, words, others);
    };
    config("use = \"sign\"", "use = \"sing\"");
    refused("a wrong word", &["line=8", "key=key[1].use", "sign"]);
    config("keys/main", "keys/none");
    refused("a key that is not there", &["keys/none: cannot be read"]);
    config("[feed]\n", "[feed]\nfrom = \"api\"\n");
    refused("what does not go together", &["key=feed"]);
    config("dialect = \"nginx\"", "dialect = \"standalone\"");
    refused("another web server", &[]);
    let text = good.replace("path = \"/members/\"", "path = \"/inside/\"");
    fs::write(site.cloakroom.config(), text.split("[feed]").next().unwrap()).unwrap();
    refused("no feed any more", &["`feed`: this section is gone", "restart"]);
    fs::remove_file(site.cloakroom.config()).unwrap();
    refused("no file", &["cannot be read"]);
    assert!(reload(&site.cloakroom, "reloaded").contains("changed=nothing"));
}

#[test]
fn what_waits_for_a_restart_is_told_by_its_key_and_the_rest_is_taken() {
    let site = Site::open();
    site.page("inside/a.txt", b"inside");
    let state = site.cloakroom.state().display().to_string();
    rewrite(&site.cloakroom, &format!("state_dir = \"{state}\""), &format!("state_dir = \"{state}/other\"\nthreads = 1"));
    rewrite(&site.cloakroom, "file = \"keys/main\"", &format!("file = \"{state}/keys/main\""));
    rewrite(&site.cloakroom, "mode = \"0666\"", "mode = \"0660\"");
    rewrite(&site.cloakroom, "path = \"/members/\"", "path = \"/inside/\"");
    assert!(reload(&site.cloakroom, "reloaded").contains("changed=rule"));
    for key in ["server.state_dir", "server.threads", "listener[2].mode", "store.file"] {
        site.cloakroom.logged(&["WARN - needs_restart", &format!("key={key}")]);
    }
    assert_eq!(lines(&site.cloakroom, "needs_restart"), 4, "{:#?}", site.cloakroom.log());
    let url = site.sign("/inside/a.txt", &["--for", "1h"]);
    let answer = site.get(&url);
    assert_ne!(answer.header("Cloakroom-Refusal"), Some("no_rule"));
}

#[test]
fn a_hundred_reloads_under_load_cost_no_request() {
    let site = Site::open();
    site.master("a.bin", b"the file");
    let url = site.sign("masters/a.bin", &["--for", "1h"]);
    let load = Load::begin(site.nginx.port, &url, b"the file");
    for reloads in 1..=100 {
        let (name, other) = if reloads % 2 == 0 { ("inside", "members") } else { ("members", "inside") };
        rewrite(&site.cloakroom, &format!("path = \"/{name}/\""), &format!("path = \"/{other}/\""));
        let seen = load.asked();
        assert!(reload(&site.cloakroom, "reloaded").contains("changed=rule"));
        until("answers after it", || (load.asked() > seen + 8).then_some(()));
    }
    let ended = load.end();
    assert!(ended.asked > 100 * 8, "{}", ended.asked);
    ended.assert_good("100 reloads");
}
