//! Public directories that ask for a password: all is well as shipped, and each fault of the htpasswd file, of nginx's
//! configuration and of a running nginx is found, with what mends it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::path::Path;

use serde_json::Value;

use super::lived::reload;
use super::servers::nginx::NginxSetup;
use super::servers::program::Program;
use super::servers::site::Site;
use super::servers::until;
use super::{mode, one_of, only, run, spoil, tidy, wrong};

const NOBODY: u32 = 65534;

fn setup() -> NginxSetup {
    NginxSetup { passwords: true, ..NginxSetup::default() }
}

/// A site with copies, of which nothing is to be said: each grant has a user name, and people have lines, too.
fn site() -> Site {
    let site = Site::with_copies("", true);
    tidy(&site);
    mode(&site.nginx.goods(), 0o2750);
    mode(site.nginx.htpasswd().parent().unwrap(), 0o2750);
    for _ in 0..2 {
        site.cloakroom.say(&["grant", "add", "--file", "masters/set/a.zip"]);
    }
    until("copies of both", || (left(&site.nginx.goods()).len() == 2).then_some(()));
    let file = site.nginx.htpasswd();
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 4, "{text}");
    fs::write(&file, format!("bob:$apr1$abcdefgh$osUD3u9nZ0vEaPx8qqsA70\n{text}")).unwrap();
    site
}

fn left(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != ".cloakroom").collect();
    names.sort();
    names
}

/// Everything that a check could leave behind.
fn all(site: &Site) -> (Vec<String>, Vec<String>, Vec<String>, String) {
    let file = site.nginx.htpasswd();
    let (copies, masters) = (left(&site.nginx.goods()), left(&site.nginx.downloads()));
    (copies, masters, left(file.parent().unwrap()), fs::read_to_string(file).unwrap())
}

#[test]
fn all_is_well_as_shipped_with_copies_and_passwords_and_nothing_stays_behind() {
    let site = site();
    let before = all(&site);
    let output = run(&site, &["--url"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !said.contains("WARNING"), "{said}");
    for (check, words) in [
        ("public", "filled by the daemon alone"),
        ("public-login", "2 user names as the store has them, and 1 of people"),
        ("public-site", "never run"),
        ("public-live", "4 copies of one file"),
        ("counted", "its report came, it counts"),
        ("htpasswd-shut", "no location shows"),
    ] {
        let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_ok = said.lines().any(|line| line.starts_with("  ok ") && line.split_whitespace().nth(1) == Some(check));
        assert!(is_ok && flat.contains(words), "{check}: {said}");
    }
    // The copy of the counted download goes with its grant.
    until("nothing is left", || (all(&site) == before).then_some(()));
}

#[test]
fn each_fault_of_the_file_and_its_place_is_found_with_the_command_that_mends_it() {
    let site = site();
    let file = site.nginx.htpasswd();
    let above = file.parent().unwrap();
    let found = |row: &str, verdict: &str, words: &[&str]| {
        let finding = one_of(&wrong(&run(&site, &["--json"])), "public-login", words, row);
        assert_eq!(finding["verdict"], verdict, "{row}: {finding}");
    };
    let mut seen = 0;
    for (path, bits, verdict, words) in [
        (&*file, 0o644, "warning", ["can read the hashes", "chmod 0640"]),
        (&file, 0o660, "fault", ["others than the daemon can write", "chmod 0640"]),
        (above, 0o2770, "fault", ["the group root can put another file there", "chmod 2750"]),
        (above, 0o2757, "fault", ["every user of this machine can put another file there", "chmod 2750"]),
    ] {
        let before = fs::metadata(path).unwrap().mode() & 0o7777;
        mode(path, bits);
        found(&format!("{bits:o}"), verdict, &words);
        mode(path, before);
        seen += 1;
    }
    assert_eq!(seen, 4);
    let clean = wrong(&run(&site, &["--json"]));
    assert!(clean.is_empty(), "{clean:#?}");
    // The daemon would make a file of its own at once.
    let away = above.with_extension("away");
    fs::rename(above, &away).unwrap();
    found("no directory", "fault", &["no directory", "install -d -o "]);
    fs::create_dir(above).unwrap();
    symlink(away.join("goods"), &file).unwrap();
    found("a link", "fault", &["is a symbolic link", "the daemon makes it"]);
    fs::remove_file(&file).unwrap();
    // Where a directory stands aside, nothing can be written.
    fs::create_dir_all(above.join(".goods.cloakroom/x")).unwrap();
    let _ = fs::remove_file(&file);
    found("no file", "fault", &["is not there", "journalctl"]);
    fs::remove_dir_all(above).unwrap();
    let inside = site.nginx.goods().join("inside");
    fs::create_dir(&inside).unwrap();
    symlink(&inside, above).unwrap();
    found("really in public", "fault", &["everybody can fetch the file", "outside of storages and public directories"]);
}

#[test]
fn who_owns_the_file_and_who_cannot_read_it_is_told() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: only root can give files to others");
        return;
    }
    let site = site();
    let file = site.nginx.htpasswd();
    let above = file.parent().unwrap();
    let conf = site.nginx.conf();
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, text.replace("user root;", "user nobody;")).unwrap();
    mode(above.parent().unwrap(), 0o755);
    let found = |row: &str, words: &[&str]| {
        one_of(&wrong(&run(&site, &["--json"])), "public-login", words, row);
    };
    found("a shut directory", &["as nobody, cannot read the file", "chgrp nogroup", "chmod 2750"]);
    chown(above, None, Some(NOBODY)).unwrap();
    mode(above, 0o2750);
    found("a file of another group", &["as nobody, cannot read the file", "chmod 0640"]);
    chown(&file, None, Some(NOBODY)).unwrap();
    let clean = wrong(&run(&site, &["--json"]));
    assert!(!clean.iter().any(|finding| finding["check"] == "public-login"), "{clean:#?}");
    chown(above, Some(NOBODY), None).unwrap();
    mode(above, 0o2750);
    found("another owner of the directory", &["another user can put another file there", "chown root"]);
    chown(above, Some(0), None).unwrap();
    mode(above, 0o2750);
    chown(&file, Some(4_000_000), None).unwrap();
    found("another owner of the file", &["another user can write names", "chown root"]);
}

#[test]
fn lines_that_the_store_has_not_and_names_that_the_file_has_not_are_told() {
    let site = site();
    let file = site.nginx.htpasswd();
    // The daemon is kept from mending it, as by a disk that is full.
    let aside = file.with_file_name(".goods.cloakroom");
    fs::create_dir(&aside).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let ours = text.lines().find(|line| line.as_bytes().get(4) == Some(&b'-') && !line.starts_with('#')).unwrap().to_owned();
    let (user, _) = ours.split_once(':').unwrap();
    let mut seen = 0;
    for (new, verdict, words) in [
        (text.replace(&format!("{ours}\n"), ""), "fault", ["customers were given user names", user]),
        (text.replace(&ours, &format!("{ours}\nzzzz-zzzz:x")), "fault", ["that have ended, or were never given", "zzzz-zzzz"]),
        (format!("{ours}\n{text}"), "warning", ["a user name like Cloakroom's", user]),
        ("bob:x\n".to_owned(), "fault", ["customers were given user names", "and 1 more"]),
    ] {
        fs::write(&file, &new).unwrap();
        let finding = one_of(&wrong(&run(&site, &["--json"])), "public-login", &words, &new);
        assert_eq!(finding["verdict"], verdict, "{finding}");
        seen += 1;
    }
    assert_eq!(seen, 4);
    fs::remove_dir(&aside).unwrap();
    until("the daemon mends it", || fs::read_to_string(&file).unwrap().contains(user).then_some(()));
    let clean = wrong(&run(&site, &["--json"]));
    assert!(clean.is_empty(), "{clean:#?}");
}

/// Changed words, lines of the server, words of what is found.
type Row = (&'static [(&'static str, &'static str)], &'static str, &'static [&'static str]);

const REALM: &str = "    auth_basic \"Downloads\";\n";
const BEFORE_FILE: &str = "auth_basic \"Downloads\";\n    auth_basic_user_file ";

const WRITTEN: &[Row] = &[
    (&[(REALM, "")], "", &["nobody is asked for a password", "auth_basic \"Downloads\";"]),
    (&[(REALM, "    auth_basic off;\n")], "", &["nobody is asked for a password", "replace"]),
    (&[("/htpasswd/goods;", "/htpasswd/other;")], "", &["another file than Cloakroom writes", "/htpasswd/goods;"]),
    (&[(BEFORE_FILE, "auth_basic \"Downloads\";\n    # ")], "", &["no file says who has one", "auth_basic_user_file /"]),
    (
        &[(BEFORE_FILE, "satisfy any;\n    auth_basic \"Downloads\";\n    auth_basic_user_file ")],
        "",
        &["is asked for no password", "satisfy all;"],
    ),
];

#[test]
fn each_fault_of_the_written_location_is_found_with_the_line_to_change() {
    let site = site();
    let mut seen = 0;
    for (instead, server, words) in WRITTEN {
        spoil(&site, &NginxSetup { server: (*server).to_owned(), instead, ..setup() });
        let row = format!("{instead:?} {server}");
        let finding = only(&wrong(&run(&site, &["--json"])), "public-password", words, &row);
        assert_eq!(finding["verdict"], "fault", "{row}: {finding}");
        seen += 1;
    }
    assert_eq!(seen, WRITTEN.len());
    for (instead, words) in [
        (&[("    disable_symlinks on from=", "    # ")][..], &["a link that somebody else puts", "disable_symlinks on from=/", "goods/;"]),
        (&[("    disable_symlinks on from=", "    disable_symlinks off; # ")], &["any file that nginx may read", "replace", "goods/;"]),
    ] {
        spoil(&site, &NginxSetup { instead, ..setup() });
        let finding = only(&wrong(&run(&site, &["--json"])), "public-off", words, "links among the copies");
        assert_eq!(finding["verdict"], "warning", "{finding}");
    }
    let above = site.nginx.htpasswd();
    let server = format!("location /old/ {{ alias {}/; }}", above.parent().unwrap().display());
    site.nginx.rewrite(&NginxSetup { server, ..setup() });
    only(&wrong(&run(&site, &["--json"])), "htpasswd-shut", &["try them at home", "mv "], "the file below an alias");
    site.nginx.rewrite(&setup());
    let clean = wrong(&run(&site, &["--json"]));
    assert!(clean.is_empty(), "{clean:#?}");
}

const LIVED: &[Row] = &[
    (&[(REALM, "")], "", &["nobody is asked for a password", "without a password"]),
    (&[("/htpasswd/goods;", "/htpasswd/none;")], "", &["cannot read the file of the passwords", "403"]),
    (&[("/htpasswd/goods;", "/htpasswd/../other;")], "", &["asks by another file", "auth_basic_user_file /"]),
    (&[("location ^~ /goods/ {", "location ^~ /elsewhere/ {")], "", &["a copy does not lead to its file", "alias "]),
    (
        &[("location ^~ /goods/ {", "location /goods/ {")],
        "location ~ \\.php$ { return 200 \"run 42\"; }",
        &["is run or changed on this server", "location ^~ /goods/ {"],
    ),
    (&[("arrives byte for byte.\n    gzip off;", "arrives.\n    gzip on; gzip_types *;")], "", &["copies are changed", "gzip off;"]),
    (&[("    autoindex off;\n    index .none;", "    autoindex on;")], "", &["names of the copies", "autoindex off;"]),
    (&[("    add_header X-Content-Type-Options nosniff always;\n", "")], "", &["nosniff always;"]),
    (&[("    add_header Content-Disposition attachment always;\n", "")], "", &["content-disposition: ", "attachment"]),
    (
        &[("    open_file_cache off;\n    autoindex", "    open_file_cache max=10;\n    autoindex")],
        "",
        &["a copy that was taken away is served on", "open_file_cache off;"],
    ),
    (&[("cloakroom.log cloakroom_public;", "other.log cloakroom_public;")], "", &["downloads of copies are not reported"]),
];

#[test]
fn each_fault_of_a_running_nginx_is_seen_by_copies_that_are_planted_and_removed() {
    let site = site();
    fs::write(site.nginx.htpasswd().with_file_name("../other"), "bob:x\n").unwrap();
    let before = all(&site);
    let ask = || site.cloakroom.command(&["check", "--json", "--url", "--nginx-conf", "/dev/null"]);
    let mut seen = 0;
    for (instead, server, words) in LIVED {
        spoil(&site, &NginxSetup { server: (*server).to_owned(), instead, ..setup() });
        reload(&site);
        let row = format!("{instead:?} {server}");
        let found = wrong(&ask());
        let finding: Value = one_of(&found, "public-live", words, &row);
        assert_eq!(finding["verdict"], "fault", "{row}: {finding}");
        // The counted download is one of a copy, and meets the same fault.
        let is_of_it = |finding: &&Value| ["public-live", "counted"].contains(&finding["check"].as_str().unwrap());
        assert!(found.iter().filter(|finding| finding["verdict"] == "fault").all(|finding| is_of_it(&finding)), "{row}: {found:#?}");
        // The copy of the counted download goes with its grant.
        until("nothing is left", || (all(&site) == before).then_some(()));
        seen += 1;
    }
    assert_eq!(seen, LIVED.len());
    site.nginx.rewrite(&setup());
    reload(&site);
    let output = ask();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_check_that_is_stopped_takes_copies_and_user_name_away() {
    let site = site();
    site.nginx.rewrite(&NginxSetup {
        instead: &[("    autoindex off;\n    index .none;", "    autoindex off;\n    limit_rate 100;")],
        ..setup()
    });
    reload(&site);
    let before = all(&site);
    let mut child = Program::configured(&site.cloakroom.config()).args(["check", "--url", "--nginx-conf", "/dev/null"]).spawn();
    until("planted copies and a user name", || {
        (all(&site).0.len() > before.0.len() && all(&site).3.contains("cloakroom-check-")).then_some(())
    });
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(all(&site), before);
}
