//! The shipped set-up: all is well, nothing stays behind, and nothing is changed unless that is asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::servers::cloakroom::Cloakroom;
use super::servers::nginx::NginxSetup;
use super::servers::program::Program;
use super::servers::{free_port, until};
use super::{run, site};

#[test]
fn all_is_well_as_shipped_and_nothing_stays_behind() {
    let site = site(&NginxSetup::default());
    let output = run(&site, &["--url"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("\nall is well: ") && !said.contains("WARNING") && !said.contains("not asked"), "{said}");
    for check in ["upstream", "handoff", "reach", "bytes", "claims", "site-internal", "site-keepalive", "counted", "daemon", "masters"] {
        assert!(said.lines().any(|line| line.starts_with("  ok ") && line.split_whitespace().nth(1) == Some(check)), "{check}: {said}");
    }
    let left: Vec<_> = fs::read_dir(site.nginx.downloads()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["set"]);
    let grants = site.cloakroom.json(&["grant", "list"]);
    assert_eq!((grants.as_array().unwrap().len(), grants[0]["state"].as_str()), (1, Some("revoked")), "{grants}");
}

#[test]
fn nothing_is_changed_without_a_url() {
    let site = site(&NginxSetup::default());
    let before: Vec<_> = site.nginx.reported();
    let output = run(&site, &[]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("all is well"));
    assert_eq!(site.cloakroom.json(&["grant", "list"]).as_array().map(Vec::len), Some(0));
    assert_eq!(site.nginx.reported(), before);
}

#[test]
fn a_file_that_is_there_can_be_used_and_none_is_planted_then() {
    let site = site(&NginxSetup::default());
    let output = run(&site, &["--url", "--probe", "masters/set/a.zip"]);
    assert!(output.status.success(), "{output:?}");
    for bad in ["masters/none.zip", "none/a.zip", "masters", "masters/../a"] {
        let output = run(&site, &["--url", "--probe", bad]);
        assert_eq!(output.status.code(), Some(2), "{bad}: {output:?}");
    }
}

#[test]
fn a_check_that_is_stopped_takes_its_file_away() {
    // Nobody answers at this address, so that the check is still at work when it is stopped.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let site = site(&NginxSetup::default());
    let mut child = Program::configured(&site.cloakroom.config())
        .args(["check", "--url", "--nginx-conf", "/dev/null", "--connect"])
        .arg(silent.local_addr().unwrap().to_string())
        .spawn();
    let planted = || fs::read_dir(site.nginx.downloads()).unwrap().count() > 1;
    until("a planted file", || planted().then_some(()));
    let (_peer, _) = silent.accept().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(!planted(), "it is gone");
}

#[test]
fn nginx_is_asked_for_its_configuration_and_what_it_printed_is_read_from_a_file_too() {
    let site = site(&NginxSetup::default());
    let bin = tempfile::tempdir().unwrap();
    let script = bin.path().join("nginx");
    let conf = site.nginx.conf();
    let prefix = conf.parent().unwrap().parent().unwrap();
    fs::write(
        &script,
        format!("#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin exec nginx -p {} -c {} \"$@\"\n", prefix.display(), conf.display()),
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let asked = Program::configured(&site.cloakroom.config()).arg("check").env("PATH", bin.path()).output();
    let said = String::from_utf8(asked.stdout).unwrap();
    assert!(asked.status.success() && said.contains("all is well") && said.contains("9 files"), "{said}");
    let dump = Command::new(&script).arg("-T").output().unwrap();
    let file = bin.path().join("dump.txt");
    fs::write(&file, &dump.stdout).unwrap();
    let read = site.cloakroom.say(&["check", "--nginx-conf", file.to_str().unwrap()]);
    assert!(read.contains("all is well") && read.contains("9 files"), "{read}");
    // Where nginx cannot be asked, that is said.
    let alone = Program::configured(&site.cloakroom.config()).arg("check").env("PATH", "/none").output();
    let said = String::from_utf8(alone.stdout).unwrap();
    assert!(alone.status.success() && said.contains("1 not asked") && said.contains("--nginx-conf"), "{said}");
}

#[test]
fn no_url_of_another_kind_is_asked() {
    let site = site(&NginxSetup::default());
    for bad in ["shop.example", "ftp://shop.example/", "https://a@shop.example/", "http://"] {
        let output = run(&site, &["--url", bad]);
        assert_eq!(output.status.code(), Some(2), "{bad}: {output:?}");
    }
    let output = site.cloakroom.command(&["check", "--connect", "127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_site_without_nginx_is_asked_too() {
    let storage = tempfile::tempdir().unwrap();
    fs::set_permissions(storage.path(), fs::Permissions::from_mode(0o750)).unwrap();
    let port = free_port();
    let more = format!(
        "[[listener]]\naddress = \"127.0.0.1:{port}\"\nserve = \"web\"\ndialect = \"standalone\"\n\n[[storage]]\nname = \"masters\"\npath = \"{}\"\n",
        storage.path().display()
    );
    let daemon = Cloakroom::with(&format!("http://127.0.0.1:{port}/dl/"), &more);
    let said = daemon.say(&["check", "--url"]);
    assert!(!said.contains("nginx") && !said.contains("FAULT"), "{said}");
    for check in ["reach", "bytes", "site-ranges", "claims", "counted"] {
        assert!(said.lines().any(|line| line.starts_with("  ok ") && line.split_whitespace().nth(1) == Some(check)), "{check}: {said}");
    }
}

#[test]
fn lines_fit_the_terminal_but_for_those_that_are_copied() {
    let site = site(&NginxSetup::default());
    super::mode(site.cloakroom.state(), 0o755);
    let output = run(&site, &[]);
    let said = String::from_utf8(output.stdout).unwrap();
    let (mut copied, mut words) = (0, 0);
    for line in said.lines() {
        let is_copied = ["run    ", "add    ", "put    ", "remove "].iter().any(|label| line.trim_start().starts_with(label));
        // What has no blank cannot be broken.
        let is_one_word = line.split_whitespace().count() <= 1;
        assert!(is_copied || is_one_word || line.chars().count() <= 80, "{line}");
        copied += usize::from(is_copied);
        words += 1;
    }
    let command = format!("run    chmod 0700 {}", site.cloakroom.state().display());
    assert!(said.lines().any(|line| line.trim_start() == command), "whole, in one line: {said}");
    assert!(said.contains("the configuration is right;") && copied > 0 && words > 10, "{said}");
}
