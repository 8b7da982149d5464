//! `cloakroom check` on a live site: all is well as shipped, and each fault that is made is found by its name, with the
//! line to change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::Value;
use servers::nginx::NginxSetup;
use servers::site::Site;

/// The shipped set-up, with a file in its storage that belongs to nobody else.
fn shipped() -> Site {
    let site = Site::open();
    mode(site.cloakroom.state(), 0o700);
    site.master("set/a.zip", &servers::site::content(1000));
    mode(&site.nginx.downloads(), 0o750);
    site
}

fn mode(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Runs the check over everything, with these arguments besides.
fn run(site: &Site, more: &[&str]) -> Output {
    let conf = site.nginx.conf();
    let logrotate = site.cloakroom.state().join("logrotate.d");
    let all = [&["check", "--nginx-conf", conf.to_str().unwrap(), "--logrotate", logrotate.to_str().unwrap()], more].concat();
    site.cloakroom.command(&all)
}

/// What it found, one JSON object each.
#[track_caller]
fn findings(output: &Output) -> Vec<Value> {
    let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    all["parts"].as_array().unwrap().iter().flat_map(|part| part["findings"].as_array().unwrap().clone()).collect()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn all_is_well_as_shipped() {
    let site = shipped();
    let output = run(&site, &["--url"]);
    let said = text(&output);
    println!("{said}");
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("\nall is well: "), "{said}");
    assert!(!said.contains("WARNING") && !said.contains("FAULT"), "{said}");
    for check in ["upstream", "handoff", "reach", "bytes", "claims", "site-internal", "site-keepalive", "counted", "daemon", "masters"] {
        assert!(said.lines().any(|line| line.starts_with("  ok ") && line.split_whitespace().nth(1) == Some(check)), "{check}: {said}");
    }
    assert!(said.lines().all(|line| line.chars().count() <= 200), "{said}");
    let left: Vec<_> = fs::read_dir(site.nginx.downloads()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["set"], "nothing is left of the probe");
    let grants = site.cloakroom.json(&["grant", "list"]);
    assert_eq!((grants.as_array().unwrap().len(), grants[0]["state"].as_str()), (1, Some("revoked")), "{grants}");
}
