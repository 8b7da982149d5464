//! `conf-examples/apache/README.md` is true: its commands make a site out of a stock Debian Apache, the variant with `.htaccess`
//! too, and in less than the time that it promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use servers::program::Copied;
use servers::secrecy;

const README: &str = include_str!("../conf-examples/apache/README.md");

/// All blocks of shell under a heading, in their order and without their indentation.
#[track_caller]
fn commands(heading: &str) -> String {
    let (_, section) = README.split_once(&format!("\n## {heading}\n")).expect("a heading of README");
    let section = section.split("\n## ").next().unwrap();
    let mut text = String::new();
    let mut lines = section.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "```sh" {
            continue;
        }
        let indentation = line.find('`').unwrap();
        for line in lines.by_ref().take_while(|line| line.trim() != "```") {
            text.extend([line.get(indentation..).unwrap_or_default(), "\n"]);
        }
    }
    assert!(text.lines().count() > 5, "{heading}: {text}");
    text
}

#[test]
fn a_stock_apache_is_set_up_in_five_minutes_by_the_commands_of_the_readme() {
    assert!(rustix::process::geteuid().is_root(), "Apache, users and namespaces need root (tests/run says so)");
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let there = |name: &str| home.path().join(name);
    Copied::to(there("cloakroom"));
    let built = "install -m 0755 target/";
    let steps = commands("Five minutes");
    assert!(steps.contains(built) && steps.contains("cloakroom setup apache"), "{steps}");
    let steps = steps.replace(built, "install -m 0755 /mnt/release/target/");
    // The address of the example is https, and the stock site speaks http.
    let https = "install -m 0644 conf-examples/apache/cloakroom.toml /etc/cloakroom/cloakroom.toml\n";
    assert!(steps.contains(https), "{steps}");
    let steps = steps.replace(https, &format!("{https}sed -i 's#https://shop#http://shop#' /etc/cloakroom/cloakroom.toml\n"));
    fs::write(there("steps.sh"), steps).unwrap();
    fs::write(there("htaccess.sh"), commands("With `.htaccess` alone")).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash"])
        .arg(root.join("tests/apache_readme/replay.sh"))
        .args([there("steps.sh"), there("htaccess.sh"), there("cloakroom")])
        .current_dir(root)
        .output()
        .expect("unshare is installed (tests/run does it)");
    let said = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    secrecy::assert_none("the replay of README", said.as_bytes(), &[]);
    println!("{said}");
    let seen: HashMap<&str, &str> = said.lines().filter_map(|line| line.split_once('=')).collect();
    for (name, expected) in [
        ("unit", "0"),
        ("stranger", "401 no_proof"),
        ("internal", "403"),
        ("front", "the front page"),
        ("signed", "200"),
        ("bytes", "same"),
        ("altered", "403 bad_proof"),
        ("member_stranger", "401 no_proof"),
        ("member", "the members page"),
        ("before", "0"),
        ("resumed", "same"),
        ("used", "\"used\":1"),
        ("check_wrong", "0"),
        ("htaccess_stranger", "401 no_proof"),
        ("htaccess_member", "the members page"),
        ("without_htaccess", "200"),
        ("down_member", "500"),
        ("down_download", "503"),
        ("down_front", "200"),
    ] {
        assert_eq!(seen.get(name), Some(&expected), "{name} in {said}");
    }
    assert_ne!(seen["page"], "0", "a page with a support code: {said}");
    let seconds: u64 = seen["seconds"].parse().unwrap();
    println!("README was replayed in {seconds} s");
    assert!(seconds < 300, "five minutes are {seconds} s");
}
