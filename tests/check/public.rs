//! Public directories: all is well as shipped, and each fault of the machine, of nginx's configuration and of a running nginx
//! is found, with what mends it.

use std::fs;

use cloakroom::domain::moment::Moment;
use cloakroom::domain::probe::name;
use serde_json::Value;

use super::lived::reload;
use super::servers::nginx::NginxSetup;
use super::servers::program::Program;
use super::servers::site::Site;
use super::servers::until;
use super::{mode, one_of, only, run, spoil, tidy, wrong};

fn site(setup: &NginxSetup) -> Site {
    let site = Site::with_stubs(setup, "method = [\"handoff\"]", true);
    tidy(&site);
    mode(&site.nginx.public(), 0o2750);
    site
}

/// What lies in a public directory beside the place where stubs are made.
fn left(site: &Site) -> Vec<String> {
    let entries = fs::read_dir(site.nginx.public()).unwrap().chain(fs::read_dir(site.nginx.downloads()).unwrap());
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| ![".cloakroom", "set"].contains(&name.as_str())).collect()
}

#[test]
fn all_is_well_as_shipped_with_a_public_directory_and_nothing_stays_behind() {
    for method in ["[\"handoff\"]", "[\"stub\", \"handoff\"]", "[\"stub\"]"] {
        let site = Site::with_stubs(&NginxSetup::default(), &format!("method = {method}"), true);
        tidy(&site);
        mode(&site.nginx.public(), 0o2750);
        let output = run(&site, &["--url"]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{method}: {said}");
        assert!(said.contains("\nall is well: ") && !said.contains("WARNING"), "{method}: {said}");
        assert_eq!(said.contains("1 not asked"), method == "[\"stub\"]", "{method}: {said}");
        for check in ["public", "public-site", "public-report", "public-live", "counted"] {
            let is_ok = said.lines().any(|line| line.starts_with("  ok ") && line.split_whitespace().nth(1) == Some(check));
            assert!(is_ok, "{method}: {check}: {said}");
        }
        // The stub of the counted download goes with its grant.
        until("nothing is left", || left(&site).is_empty().then_some(()));
        let told: Vec<String> = site.cloakroom.log().into_iter().filter(|line| line.contains(" WARN ")).collect();
        assert!(told.is_empty(), "the daemon wonders: {told:#?}");
    }
}

#[test]
fn each_fault_of_a_public_directory_is_found_with_the_command_that_mends_it() {
    let site = site(&NginxSetup::default());
    let public = site.nginx.public();
    let aside = public.join(".cloakroom");
    let found = |row: &str, check: &str, words: &[&str]| {
        let all = wrong(&run(&site, &["--json"]));
        one_of(&all, check, words, row);
    };
    let mut seen = 0;
    for (bits, verdict, words) in [
        (0o2777, "fault", ["every user of this machine can put files", "chmod 2750"]),
        (0o2770, "fault", ["can put files into the shop's site", "chmod g-w"]),
        (0o2755, "warning", ["each name opens its file", "chmod o-rwx"]),
    ] {
        mode(&public, bits);
        found(&format!("{bits:o}"), "public-writers", &[verdict, words[0], words[1]]);
        seen += 1;
    }
    mode(&public, 0o2750);
    mode(&aside, 0o755);
    found("an open .cloakroom", "public-aside", &["the daemon does not start", "0700"]);
    mode(&aside, 0o500);
    found("a .cloakroom that nobody writes", "public-aside", &["none is placed", "chmod 700"]);
    mode(&aside, 0o700);
    let away = public.with_extension("away");
    fs::rename(&public, &away).unwrap();
    found("no directory", "public", &["no directory", "install -d -o "]);
    fs::rename(&away, &public).unwrap();
    assert_eq!(seen, 3);
    let clean = wrong(&run(&site, &["--json"]));
    assert!(clean.is_empty(), "{clean:#?}");
}

#[test]
fn what_a_check_left_that_was_killed_is_taken_away_by_a_later_one_and_nothing_else() {
    let site = site(&NginxSetup::default());
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec.unsigned_abs();
    let named = |age: u64, random: u8, extension: &str| format!("{}{extension}", name(Moment::from_seconds(now - age), [random; 12]));
    let (masters, public) = (site.nginx.downloads(), site.nginx.public());
    let plant = |age: u64| {
        fs::write(masters.join(named(age, 1, ".html")), "x").unwrap();
        fs::write(public.join(named(age, 2, ".php")), "x").unwrap();
        let stub = public.join(named(age, 3, ""));
        fs::create_dir(&stub).unwrap();
        for leaf in ["check.php", "index.html"] {
            std::os::unix::fs::symlink("/etc/passwd", stub.join(leaf)).unwrap();
        }
        stub
    };
    let (old, young) = (plant(601), plant(60));
    // What others put into it, or called nearly so, stays.
    let theirs = public.join(named(900, 4, ""));
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("check.php"), "theirs").unwrap();
    let linked = public.join(named(900, 5, ""));
    std::os::unix::fs::symlink(&theirs, &linked).unwrap();
    let output = run(&site, &["--url"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("a check before was cut off: 3 things of it taken away"), "{said}");
    assert!(!old.exists() && young.join("check.php").is_symlink() && linked.is_symlink());
    assert_eq!(fs::read_to_string(theirs.join("check.php")).unwrap(), "theirs");
    let mut left = left(&site);
    left.sort();
    let mut expected = [named(60, 1, ".html"), named(60, 2, ".php"), named(60, 3, ""), named(900, 4, ""), named(900, 5, "")];
    expected.sort();
    until("only these are left", || (self::left(&site).len() == 5).then_some(()));
    assert!(expected.iter().all(|name| left.contains(name)), "{left:?}");
}

#[test]
fn who_owns_it_who_cannot_enter_and_who_else_holds_it_is_told() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: only root can give directories to others");
        return;
    }
    let mut site = site(&NginxSetup::default());
    let public = site.nginx.public();
    let conf = site.nginx.conf();
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, text.replace("user root;", "user nobody;")).unwrap();
    // All directories above are entered by everybody, but this one.
    mode(public.parent().unwrap(), 0o755);
    let found = wrong(&run(&site, &["--json"]));
    one_of(&found, "public-enter", &["as nobody, cannot enter", "chgrp nogroup", "chmod 2750"], "a shut directory");
    mode(&public, 0o755);
    let found = wrong(&run(&site, &["--json"]));
    one_of(&found, "public-enter", &["stubs get the group root", "chgrp nogroup", "chmod 2750"], "entered by everybody");
    let nobody = 65534;
    std::os::unix::fs::chown(&public, None, Some(nobody)).unwrap();
    for bits in [0o750, 0o2750] {
        mode(&public, bits);
        let found = wrong(&run(&site, &["--json"]));
        let is_shut = found.iter().any(|finding| finding["check"].as_str().unwrap().starts_with("public"));
        assert!(!is_shut, "{bits:o}: stubs get the directory's group: {found:#?}");
    }
    std::os::unix::fs::chown(&public, Some(nobody), None).unwrap();
    mode(&public, 0o2750);
    let found = wrong(&run(&site, &["--json"]));
    one_of(&found, "public-owner", &["chown root"], "another owner");
    std::os::unix::fs::chown(&public, Some(0), None).unwrap();
    mode(&public, 0o2750);
    fs::write(&conf, &text).unwrap();

    // Another daemon holds it, and that of this configuration, another one of its own.
    site.cloakroom.stop();
    let config = fs::read_to_string(site.cloakroom.config()).unwrap();
    let other = site.cloakroom.state().join("other");
    fs::create_dir(&other).unwrap();
    let elsewhere = config.replace(&format!("path = \"{}\"", public.display()), &format!("path = \"{}\"", other.display()));
    assert_ne!(config, elsewhere);
    let lock = fs::File::open(public.join(".cloakroom")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    fs::write(site.cloakroom.config(), &elsewhere).unwrap();
    site.cloakroom.start();
    fs::write(site.cloakroom.config(), &config).unwrap();
    let found = wrong(&run(&site, &["--json"]));
    one_of(&found, "public-held", &[&format!("process {}", std::process::id()), "ps -o"], "another daemon");
}

/// Changed words, lines of `http`, lines of the server, what is found, words of the finding.
type Row = (&'static [(&'static str, &'static str)], &'static str, &'static str, &'static str, &'static [&'static str]);

const WRITTEN: &[Row] = &[
    (&[("location ^~ /pub/ {", "location ^~ /elsewhere/ {")], "", "", "public-site", &["no location /pub/", "include cloakroom/pub.conf;"]),
    (&[("location ^~ /pub/ {", "location ^~ /pub {")], "", "", "public-site", &["to the last slash", "location ^~ /pub/ {"]),
    (
        &[("location ^~ /pub/ {", "location /pub/ {")],
        "",
        "location ~ \\.php$ { return 200 x; }",
        "public-run",
        &["regular expression", "location ^~ /pub/ {"],
    ),
    (&[("/pub/;", "/pub;")], "", "", "public-place", &["glued", "alias "]),
    (&[("/pub/;", "/public/;")], "", "", "public-place", &["another directory", "alias "]),
    (
        &[("max_ranges 64;\n    etag on;\n\n    # No handler", "internal;\n\n    # No handler")],
        "",
        "",
        "public-place",
        &["only redirects of nginx", "remove"],
    ),
    (
        &[(
            "auth_request off;\n\n    # Each request is reported: by",
            "location ~ \\.php$ { proxy_pass http://cloakroom; }\n\n    # Each request is reported: by",
        )],
        "",
        "",
        "public-run",
        &["run on this server", "proxy_pass"],
    ),
    (&[("    autoindex off;\n    index .none;", "    autoindex on;")], "", "", "public-off", &["names of the stubs", "autoindex off;"]),
    (
        &[("    open_file_cache off;\n    autoindex", "    open_file_cache max=10;\n    autoindex")],
        "",
        "",
        "public-off",
        &["served on for a while", "open_file_cache off;"],
    ),
    (
        &[(
            "    gzip off;\n    gzip_static off;\n    gunzip off;\n    ssi off;\n    charset off;\n    sendfile on;\n    max_ranges 64;\n    etag on;\n\n    # No",
            "    gzip on;\n    ssi on;\n\n    # No",
        )],
        "",
        "",
        "public-off",
        &["gzip off;"],
    ),
    (&[], "disable_symlinks if_not_owner;", "", "public-off", &["disable_symlinks off;", "403"]),
    (
        &[("    add_header Content-Disposition attachment always;\n", "")],
        "",
        "",
        "public-headers",
        &["Content-Disposition attachment always;"],
    ),
    (&[("cloakroom.log cloakroom_public;", "cloakroom.log combined;")], "", "", "public-report", &["`cloakroom_public`"]),
    (&[("cloakroom.log cloakroom_public;", "site.log cloakroom_public;")], "", "", "public-report", &["cloakroom.log cloakroom_public;"]),
];

#[test]
fn each_fault_of_the_written_location_is_found_with_the_line_to_change() {
    let site = site(&NginxSetup::default());
    let mut seen = 0;
    for (instead, http, server, check, words) in WRITTEN {
        let setup = NginxSetup { http: (*http).to_owned(), server: (*server).to_owned(), instead, ..NginxSetup::default() };
        spoil(&site, &setup);
        let row = format!("{instead:?} {http} {server}");
        let found = wrong(&run(&site, &["--json"]));
        let finding = one_of(&found, check, words, &row);
        assert_eq!(finding["verdict"], "fault", "{row}: {finding}");
        seen += 1;
    }
    assert_eq!(seen, WRITTEN.len());
    for (instead, check, words) in [
        (
            &[(
                "    types { }\n    default_type application/octet-stream;\n    expires off;\n    add_header Content-D",
                "    add_header Content-D",
            )][..],
            "public-headers",
            "types { }",
        ),
        (&[("location ^~ /pub/. {", "location ^~ /other/. {")], "public-shut", "location ^~ /pub/. { return 404; }"),
    ] {
        spoil(&site, &NginxSetup { instead, ..NginxSetup::default() });
        let finding = one_of(&wrong(&run(&site, &["--json"])), check, &[words], check);
        assert_eq!(finding["verdict"], "warning", "{finding}");
    }
    let server = format!("location /old/ {{ alias {}/; }}", site.nginx.public().display());
    site.nginx.rewrite(&NginxSetup { server, ..NginxSetup::default() });
    only(&wrong(&run(&site, &["--json"])), "public-elsewhere", &["/old/ leads to", "no other alias"], "another way in");
    site.nginx.rewrite(&NginxSetup::default());
    let found = wrong(&run(&site, &["--json"]));
    assert!(found.is_empty(), "{found:#?}");
}

/// Changed words, lines of the server, words of what is found.
type Lived = (&'static [(&'static str, &'static str)], &'static str, &'static [&'static str]);

const LIVED: &[Lived] = &[
    (&[("location ^~ /pub/ {", "location ^~ /elsewhere/ {")], "", &["does not lead to its file", "alias "]),
    (
        &[("location ^~ /pub/ {", "location /pub/ {")],
        "location ~ \\.php$ { return 200 \"run 42\"; }",
        &["is run or changed on this server", "location ^~ /pub/ {"],
    ),
    (&[("arrives byte for byte.\n    gzip off;", "arrives.\n    gzip on; gzip_types *;")], "", &["Content-Encoding: gzip", "gzip off;"]),
    (
        &[(
            "    ssi off;\n    charset off;\n    sendfile on;\n    max_ranges 64;\n    etag on;\n\n    # No",
            "    ssi on; ssi_types *;\n\n    # No",
        )],
        "",
        &["is run or changed", "<name>"],
    ),
    (
        &[(
            "    add_header X-Content-Type-Options nosniff always;\n    add_header Content-Security-Policy \"sandbox; default-src 'none'\" always;\n    add_header Cache-Control \"private",
            "    add_header Cache-Control \"private",
        )],
        "",
        &["nosniff always;"],
    ),
    (&[("    add_header Content-Disposition attachment always;\n", "")], "", &["content-disposition: ", "attachment"]),
    (&[("    autoindex off;\n    index .none;", "    autoindex on;")], "", &["names of the stubs", "autoindex off;"]),
    (&[("    index .none;\n", "")], "", &["a page of a customer is shown", "index .none;"]),
    (
        &[("    open_file_cache off;\n    autoindex", "    open_file_cache max=10;\n    autoindex")],
        "",
        &["is served on", "open_file_cache off;"],
    ),
    (&[("max_ranges 64;\n    etag on;\n\n    # No", "max_ranges 0;\n\n    # No")], "", &["resumed", "max_ranges 64;"]),
    (&[("cloakroom.log cloakroom_public;", "other.log cloakroom_public;")], "", &["not reported", "cloakroom_public;"]),
];

#[test]
fn each_fault_of_a_running_nginx_is_seen_by_stubs_that_are_planted_and_removed() {
    let site = site(&NginxSetup::default());
    let ask = || site.cloakroom.command(&["check", "--json", "--url", "--nginx-conf", "/dev/null"]);
    let mut seen = 0;
    for (instead, server, words) in LIVED {
        spoil(&site, &NginxSetup { server: (*server).to_owned(), instead, ..NginxSetup::default() });
        reload(&site);
        let row = format!("{instead:?} {server}");
        let finding: Value = only(&wrong(&ask()), "public-live", words, &row);
        assert_eq!(finding["verdict"], "fault", "{row}: {finding}");
        assert_eq!(left(&site), Vec::<String>::new(), "{row}");
        seen += 1;
    }
    assert_eq!(seen, LIVED.len());
    site.nginx.rewrite(&NginxSetup::default());
    reload(&site);
    let output = ask();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_check_that_is_stopped_takes_its_stubs_away() {
    let slow = &[("    autoindex off;\n    index .none;", "    autoindex off;\n    limit_rate 100;")][..];
    let site = site(&NginxSetup { instead: slow, ..NginxSetup::default() });
    let mut child = Program::configured(&site.cloakroom.config()).args(["check", "--url", "--nginx-conf", "/dev/null"]).spawn();
    let public = site.nginx.public();
    until("planted stubs", || (fs::read_dir(&public).unwrap().count() > 1).then_some(()));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(left(&site), Vec::<String>::new());
}
