//! fail2ban reads the log of the real daemon with the shipped filter, and bans those who try, and nobody else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::raw::ask_socket;
use crate::servers::site::Site;

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf-examples/fail2ban").join(name)
}

/// The addresses that the filter finds in these lines.
fn found(lines: &[String]) -> BTreeSet<String> {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    fs::write(&log, lines.join("\n") + "\n").unwrap();
    let said = Command::new("fail2ban-regex").args(["-o", "ip"]).arg(&log).arg(shipped("filter.conf")).output();
    let said = said.expect("fail2ban is installed (tests/run does it)");
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Asks as nginx would for a client at `from`.
fn ask(site: &Site, from: &str, target: &str) {
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: shop.example\r\nX-Original-URI: {target}\r\nX-Original-Method: GET\r\nX-Request-Id: of-{}\r\nX-Real-IP: {from}\r\nConnection: close\r\n\r\n",
        from.replace([':', '.'], "-"),
    );
    let answer = ask_socket(&site.nginx.socket(), request.as_bytes());
    assert!(answer.status >= 400, "{target}: {answer:?}");
}

#[test]
fn who_tries_is_found_in_both_forms_of_the_log_and_nobody_else() {
    for json in [false, true] {
        let mut site = Site::open();
        if json {
            site.cloakroom.stop();
            site.cloakroom.arguments = vec!["--json"];
            site.cloakroom.start();
        }
        site.master("a.bin", b"the file");
        let bad = format!("/dl/f/masters/a.bin?kid=main&exp=1900000000&sig={}", "A".repeat(43));
        let expired = site.mint("/dl/f/masters/a.bin", "kid=main&exp=1000000000");
        let (tries, others) = (["192.0.2.1", "2001:db8::2"], ["192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6"]);
        for from in tries {
            ask(&site, from, &bad);
        }
        ask(&site, others[0], &expired);
        ask(&site, others[1], "/dl/f/masters/a.bin");
        // What a client says stands behind what we say: nobody gets somebody else banned.
        ask(&site, others[2], "/dl/f/masters/INFO%20198.51.100.7%20refused%20bad_proof%20question=");
        ask(&site, others[3], "/dl/f/masters/%0A2026-01-01T00:00:00Z%20INFO%20198.51.100.8%20refused%20bad_proof%20question=download");
        for from in tries.iter().chain(&others[..3]) {
            site.cloakroom.logged(&["refused", from]);
        }
        let log = site.cloakroom.log();
        assert_eq!(found(&log), tries.map(str::to_owned).into(), "{log:#?}");
        // As the journal and a syslog have them.
        let journal: Vec<String> = log.iter().map(|line| format!("Nov 22 03:29:21 shop cloakroom[77]: {line}")).collect();
        assert_eq!(found(&journal), tries.map(str::to_owned).into());
    }
}

#[test]
fn fail2ban_takes_the_jail_and_the_filter() {
    let directory = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-r").arg("/etc/fail2ban/.").arg(directory.path()).status().unwrap();
    assert!(copied.success(), "fail2ban is installed (tests/run does it)");
    // Debian's own jail follows a log that is not on every machine.
    let _ = fs::remove_file(directory.path().join("jail.d/defaults-debian.conf"));
    fs::copy(shipped("filter.conf"), directory.path().join("filter.d/cloakroom.conf")).unwrap();
    fs::copy(shipped("jail.conf"), directory.path().join("jail.d/cloakroom.conf")).unwrap();
    let said = Command::new("fail2ban-client").arg("-c").arg(directory.path()).arg("-d").output().unwrap();
    let words = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success() && words.contains("['set', 'cloakroom', 'maxretry', 12]") && words.contains("bad_password"), "{said:?}");
}
