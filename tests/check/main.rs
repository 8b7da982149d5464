//! `cloakroom check` on a live site: all is well as shipped, and each fault that is made is found by its name, with the
//! line to change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../servers/mod.rs"]
mod servers;

mod behind_apache;
mod configured;
mod lived;
mod machine;
mod passwords;
mod public;
mod rules;
mod shipped;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use servers::nginx::NginxSetup;
use servers::site::Site;

/// A set-up of which nothing is to be said: a private state directory and a private storage, with one file in it.
fn site(setup: &NginxSetup) -> Site {
    let site = Site::around(setup, "");
    tidy(&site);
    site
}

fn tidy(site: &Site) {
    mode(site.cloakroom.state(), 0o700);
    site.master("set/a.zip", &servers::site::content(1000));
    mode(&site.nginx.downloads(), 0o750);
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Writes nginx's configuration anew, and makes sure that each word of `setup` changed something.
#[track_caller]
fn spoil(site: &Site, setup: &NginxSetup) {
    let written = || {
        let folder = site.nginx.conf().parent().unwrap().join("cloakroom");
        fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect::<String>()
    };
    site.nginx.rewrite(&NginxSetup { instead: &[], ..setup.clone() });
    let before = written();
    for (words, _) in setup.instead {
        assert!(before.contains(words), "{words:?} is not in the shipped configuration");
    }
    site.nginx.rewrite(setup);
}

/// Runs the check over everything, with these arguments besides.
fn run(site: &Site, more: &[&str]) -> Output {
    let conf = site.nginx.conf();
    let rotation = site.cloakroom.state().join("logrotate.d");
    let all = [&["check", "--nginx-conf", conf.to_str().unwrap(), "--logrotate", rotation.to_str().unwrap()], more].concat();
    site.cloakroom.command(&all)
}

/// What it found that is not as it should be; the exit code says the same.
#[track_caller]
fn wrong(output: &Output) -> Vec<Value> {
    let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let findings: Vec<Value> =
        all["parts"].as_array().unwrap().iter().flat_map(|part| part["findings"].as_array().unwrap().clone()).collect();
    assert!(findings.len() > 5, "checks were made: {all}");
    let wrong: Vec<Value> =
        findings.into_iter().filter(|finding| ["warning", "fault"].contains(&finding["verdict"].as_str().unwrap())).collect();
    let faults = wrong.iter().filter(|finding| finding["verdict"] == "fault").count();
    assert_eq!(all["summary"]["faults"], faults);
    assert_eq!(output.status.code(), Some(i32::from(faults > 0)), "{output:?}");
    for finding in &wrong {
        for part in ["says", "found", "right", "mend"] {
            assert!(!finding[part].is_null(), "a finding that does not help: {finding}");
        }
    }
    wrong
}

/// What is wrong under this name, with these words in it. Nothing else may be a fault.
#[track_caller]
fn only(wrong: &[Value], check: &str, words: &[&str], row: &str) -> Value {
    for finding in wrong.iter().filter(|finding| finding["verdict"] == "fault") {
        assert_eq!(finding["check"], check, "{row}: {finding}\nof {wrong:#?}");
    }
    one_of(wrong, check, words, row)
}

/// What is wrong under this name, with these words in it.
#[track_caller]
fn one_of(wrong: &[Value], check: &str, words: &[&str], row: &str) -> Value {
    let fits =
        |finding: &&Value| finding["check"] == check && words.iter().all(|word| finding.to_string().contains(&word.replace('"', "\\\"")));
    wrong.iter().find(fits).cloned().unwrap_or_else(|| panic!("{row}: no `{check}` with {words:?} in {wrong:#?}"))
}
