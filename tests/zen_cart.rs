//! Zen Cart's own `pub/`, filled by PHP as the shop does it and served by a real nginx or Apache: links go by age, and not under those
//! who are downloading.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use servers::apache::{Apache, ApacheSetup};
use servers::cloakroom::Cloakroom;
use servers::nginx::{Nginx, NginxSetup};
use servers::site::content;
use servers::until;
use servers::web::{Way, Web, feed};
use tempfile::TempDir;

/// The user and group of the shop's PHP, on Debian.
const WWW_DATA: u32 = 33;

/// What the README tells to set: ten years.
const THRESHOLD: &str = "315360000";

/// What Zen Cart has in its `pub/` under Apache: all is shut but what is sold. It relies on a site that says `FollowSymLinks`.
const HTACCESS: &str = "<FilesMatch \"\\.\">\n  Require all denied\n</FilesMatch>\n\
    <FilesMatch \"\\.(?i:zip|pdf|mp3)$\">\n  Require all granted\n</FilesMatch>\n";

/// A shop with its `pub/`, which a web server serves, and which Cloakroom looks after.
struct Shop {
    cloakroom: Cloakroom,
    web: Web,
    directory: TempDir,
}

impl Shop {
    fn open(keep: &str, is_measured: bool, before: impl FnOnce(&Path)) -> Self {
        Self::at(Way::Nginx, keep, is_measured, before)
    }

    fn at(way: Way, keep: &str, is_measured: bool, before: impl FnOnce(&Path)) -> Self {
        let directory = TempDir::new().unwrap();
        open_to_all(directory.path());
        for name in ["pub", "download"] {
            let path = directory.path().join(name);
            fs::create_dir(&path).unwrap();
            open_to_all(&path);
            if rustix::process::geteuid().is_root() {
                chown(&path, Some(WWW_DATA), Some(WWW_DATA)).unwrap();
            }
        }
        before(&directory.path().join("pub"));
        let public = directory.path().join("pub");
        let web = if way == Way::Nginx {
            let nginx = Nginx::start(&NginxSetup::default());
            fs::remove_dir_all(nginx.public()).unwrap();
            symlink(&public, nginx.public()).unwrap();
            Web::Nginx(nginx)
        } else {
            fs::write(public.join(".htaccess"), HTACCESS).unwrap();
            // As Debian's own <Directory>, but that .htaccess is heard; and the report, as log.conf says.
            let host = format!(
                "Alias /pub/ {path}/\n<Directory {path}>\n  Options Indexes FollowSymLinks\n  AllowOverride All\n  \
                 Require all granted\n  SetEnv CLOAKROOM_PUBLIC 1\n</Directory>\n",
                path = public.display()
            );
            Web::Apache(Apache::start(&ApacheSetup { host, ..ApacheSetup::default() }))
        };
        let feed = if is_measured { feed(&web.access_log()) } else { String::new() };
        let more = format!("[[zen_cart]]\npath = \"{}\"\nurl = \"/pub/\"\nkeep = \"{keep}\"\n\n{feed}", public.display());
        let cloakroom = web.cloakroom("", &more);
        Self { cloakroom, web, directory }
    }

    fn public(&self) -> PathBuf {
        self.directory.path().join("pub")
    }

    fn master(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join("download").join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Runs what the shop runs, as whom it runs; gives what it prints.
    fn php(&self, arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zen_cart/shop.php");
        let text = fs::read(script).unwrap();
        let place = self.directory.path().join("shop.php");
        fs::write(&place, text).unwrap();
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=33", "--regid=33", "--clear-groups", "php"]);
            command
        } else {
            Command::new("php")
        };
        let output = command.arg(&place).args(arguments).output().expect("php-cli is installed");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A click in the shop: the path at which the customer finds the file.
    fn click(&self, master: &Path, dot: &str) -> String {
        self.php(&["link", self.public().to_str().unwrap(), master.to_str().unwrap(), "a_b.zip", dot])
    }

    fn clean(&self, seconds: &str) {
        self.php(&["clean", self.public().to_str().unwrap(), seconds]);
    }

    fn names(&self) -> BTreeSet<String> {
        let names = fs::read_dir(self.public()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.starts_with(".cloakroom")).collect()
    }

    /// The same without what Zen Cart has there for Apache.
    fn links(&self) -> BTreeSet<String> {
        self.names().into_iter().filter(|name| name != ".htaccess").collect()
    }

    /// A customer with a slow line.
    fn slowly(&self, path: &str, to: &str, more: &[&str]) -> Child {
        let url = format!("http://127.0.0.1:{}/pub/{path}", self.web.port);
        let to = self.directory.path().join(to);
        Command::new("curl")
            .args(["-sS", "--fail", "--limit-rate", "2M", "-o"])
            .arg(to)
            .args(more)
            .arg(url)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn got(&self, name: &str) -> Vec<u8> {
        fs::read(self.directory.path().join(name)).unwrap_or_default()
    }
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
}

fn name_of(path: &str) -> String {
    path.split('/').next().unwrap().to_owned()
}

fn seconds_now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

#[test]
fn links_go_when_their_time_is_over_and_not_under_those_who_download() {
    Way::each(&Way::STOCK, |way| {
        for is_measured in [true, false] {
            let shop = Shop::at(way, "2s", is_measured, |_| {});
            let bytes = content(24_000_000);
            let (large, small) = (shop.master("large.zip", &bytes), shop.master("small.zip", b"small"));
            // The first link to a directory of files makes Cloakroom listen there.
            shop.click(&small, "");
            until("the first is gone", || shop.links().is_empty().then_some(()));
            let slow: Vec<String> = (0..5).map(|_| shop.click(&large, "")).collect();
            let mut customers: Vec<Child> =
                slow.iter().enumerate().map(|(number, path)| shop.slowly(path, &format!("got-{number}"), &[])).collect();
            let others: BTreeSet<String> =
                (0..10).map(|number| name_of(&shop.click(&small, if number % 2 == 0 { "." } else { "" }))).collect();
            until("the others are gone", || others.is_disjoint(&shop.links()).then_some(()));
            let left = shop.links();
            for (path, customer) in slow.iter().zip(&mut customers) {
                assert!(customer.try_wait().unwrap().is_none(), "too fast a machine: the slow ones were to be at it still");
                assert!(left.contains(&name_of(path)), "{is_measured}: {left:?}");
            }
            // Who pauses comes back with a range.
            customers[0].kill().unwrap();
            customers[0].wait().unwrap();
            let mut resumed = shop.slowly(&slow[0], "got-0", &["-C", "-"]);
            assert!(resumed.wait().unwrap().success());
            for customer in &mut customers[1..] {
                assert!(customer.wait().unwrap().success());
            }
            for number in 0..5 {
                assert!(shop.got(&format!("got-{number}")) == bytes, "{is_measured}: every byte of {number}");
            }
            until("they go when they are done", || shop.links().is_empty().then_some(()));
            let answer = servers::http::ask(shop.web.port, "GET", &format!("/pub/{}", slow[1]), &[]);
            assert_eq!(answer.status, 404);
            assert_eq!(shop.names().len(), usize::from(way == Way::Scgi), "its .htaccess stays: {:?}", shop.names());
            let reported = shop.web.reported().iter().filter(|line| line.contains("\"path\":\"/pub/")).count();
            assert!(reported >= 6, "each download, and the one that broke off: {reported}");
        }
    });
}

#[test]
fn nothing_is_touched_that_zen_cart_did_not_make() {
    let now = seconds_now();
    let long_ago = now - 9 * 86_400;
    let made = |public: &Path| {
        for (directory, file) in [
            (format!("abcdefghijklmnop-{long_ago}"), Some("link")),
            (format!(".abcdefghijklmnop-{long_ago}"), Some("link")),
            (format!("zyxwvutsrqponmlkjihg-{long_ago}"), None),
            // Not one of its own.
            (format!("qqqqqqqqqqqqqqqq-{long_ago}"), Some("file")),
            (format!("rrrrrrrrrrrrrrrr-{long_ago}"), Some("directory")),
            (format!("short-{long_ago}"), Some("link")),
            (format!("ABCDEFGHIJKLMNOP-{long_ago}"), Some("link")),
            ("pictures".to_owned(), Some("link")),
            // Its time is none: it is as old as its directory.
            (format!("ffffffffffffffff-{}", now + 99_999_999), Some("link")),
            (format!("gggggggggggggggg-{}", now * 1000), Some("link")),
        ] {
            let path = public.join(directory);
            fs::create_dir(&path).unwrap();
            match file {
                Some("link") => symlink("/srv/nowhere.zip", path.join("a.zip")).unwrap(),
                Some("file") => fs::write(path.join("a.zip"), "a customer's").unwrap(),
                Some(_) => fs::create_dir(path.join("a.zip")).unwrap(),
                None => {}
            }
        }
        fs::write(public.join(".htaccess"), "deny").unwrap();
        fs::write(public.join("index.html"), "").unwrap();
        symlink("/srv/nowhere", public.join(format!("llllllllllllllll-{long_ago}"))).unwrap();
        fs::write(public.join(format!("mmmmmmmmmmmmmmmm-{long_ago}")), "").unwrap();
    };
    let shop = Shop::open("3s", true, made);
    let stays: BTreeSet<String> = [
        format!("qqqqqqqqqqqqqqqq-{long_ago}"),
        format!("rrrrrrrrrrrrrrrr-{long_ago}"),
        format!("short-{long_ago}"),
        format!("ABCDEFGHIJKLMNOP-{long_ago}"),
        format!("llllllllllllllll-{long_ago}"),
        format!("mmmmmmmmmmmmmmmm-{long_ago}"),
        "pictures".to_owned(),
        ".htaccess".to_owned(),
        "index.html".to_owned(),
    ]
    .into();
    until("its own links are gone", || (shop.names() == stays).then_some(()));
    assert_eq!(fs::read_to_string(shop.public().join(format!("qqqqqqqqqqqqqqqq-{long_ago}/a.zip"))).unwrap(), "a customer's");
    shop.cloakroom.logged(&["zen_cart_foreign", "these stay"]);
}

#[test]
fn zen_carts_own_clean_up_keeps_still_with_the_one_constant_and_not_without_it() {
    let shop = Shop::open("1h", true, |_| {});
    let master = shop.master("a.zip", b"small");
    let path = shop.click(&master, "");
    until("it is looked after", || shop.public().join(".cloakroom-9999999999").exists().then_some(()));
    // Its user may list that one, so that it neither complains nor takes it away, and not enter it.
    shop.clean(THRESHOLD);
    assert_eq!(shop.names(), BTreeSet::from([name_of(&path)]));
    let aside = fs::metadata(shop.public().join(".cloakroom-9999999999")).expect("it is left alone");
    assert_eq!(aside.permissions().mode() & 0o7777, 0o744);
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf-examples/zencart/README.md")).unwrap();
    assert!(readme.contains(&format!("define('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', {THRESHOLD});")));
    // What it does by itself: another customer's click takes this one's link away.
    shop.clean("0");
    assert_eq!(shop.names(), BTreeSet::new());
}

#[test]
fn where_somebody_takes_away_its_own_directory_there_is_another_one_and_links_go_as_before() {
    let shop = Shop::open("1s", true, |_| {});
    let master = shop.master("a.zip", b"small");
    let aside = shop.public().join(".cloakroom-9999999999");
    for round in 0..2 {
        shop.click(&master, "");
        until("the link is gone", || shop.names().is_empty().then_some(()));
        assert!(aside.is_dir(), "{round}");
        fs::remove_dir(&aside).unwrap();
    }
}

#[test]
fn its_links_are_listed_explained_and_swept_with_the_rule_that_keeps_them() {
    let shop = Shop::open("6h", true, |public| fs::write(public.join(".htaccess"), "deny").unwrap());
    let (public, cloakroom) = (shop.public(), &shop.cloakroom);
    let explain = |what: &str| {
        let told = cloakroom.json(&["explain", what]);
        (told["outcome"].as_str().unwrap().to_owned(), told.to_string())
    };
    let listed = || cloakroom.json(&["stub", "list"])["zen_carts"][0].clone();
    let master = shop.master("a.zip", b"small");
    let path = shop.click(&master, ".");
    let name = name_of(&path);
    let one = until("it is listed", || Some(listed()).filter(|one| one["links_total"] == 1));
    let link = &one["links"][0];
    assert_eq!(
        (link["name"].as_str(), link["by"].as_str(), one["keep_seconds"].as_u64()),
        (Some(name.as_str()), Some("made"), Some(21_600))
    );
    assert_eq!(link["targets"][0], master.to_str().unwrap());
    assert_eq!((one["foreign"][0].as_str(), one["lost_total"].as_u64(), one["fault"].is_null()), (Some(".htaccess"), Some(0), true));
    let said = cloakroom.say(&["stub", "list"]);
    for words in [name.as_str(), "1 link, those that go first first", "in 5 h", "these stay: .htaccess", "a.zip"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (disk, url) = (public.join(&path), format!("http://127.0.0.1:{}/pub/{path}", shop.web.port));
    let mut seen = 0;
    for what in [disk.to_str().unwrap(), public.join(&name).to_str().unwrap(), &format!("/pub/{path}"), &url, &name] {
        let (outcome, told) = explain(what);
        assert_eq!(outcome, "there", "{what}: {told}");
        for words in [master.to_str().unwrap(), "it stays until", "after it was made", "Zen Cart alone knows"] {
            assert!(told.contains(words), "{what}: {words}: {told}");
        }
        seen += 1;
    }
    assert_eq!(seen, 5);
    let said = cloakroom.say(&["stub", "sweep", "--dry-run"]);
    assert!(said.contains("none has to go; 1 stays, the next goes in 5 h"), "{said}");

    // A shop that cleans up itself.
    shop.clean("0");
    let other = name_of(&shop.click(&master, ""));
    until("that is noticed", || (listed()["lost_total"] == 1).then_some(()));
    shop.cloakroom.logged(&["zen_cart_lost", "SYMLINK_GARBAGE_COLLECTION_THRESHOLD"]);
    assert!(cloakroom.say(&["stub", "list"]).contains("1 link was taken away before its time by others"));
    let (outcome, told) = explain(&name);
    assert!(outcome == "gone" && told.contains("others took it away before its time") && told.contains("THRESHOLD"), "{told}");
    assert_eq!(explain(&other).0, "there");
    for (what, outcome, words) in [
        (public.display().to_string(), "ours", "`pub/` of a Zen Cart shop"),
        (public.join(".cloakroom-9999999999/x").display().to_string(), "ours", "nobody else may enter"),
        (public.join(".htaccess").display().to_string(), "not_ours", "never removes it"),
        ("/pub/nothing".to_owned(), "unknown", "nothing of this name"),
        ("/pub/abcdefghijklmnop-1700000000/a.zip".to_owned(), "gone", "made 2023-11-14"),
    ] {
        let (found, told) = explain(&what);
        assert_eq!(found, outcome, "{what}: {told}");
        assert!(told.contains(words), "{what}: {told}");
    }
}

#[test]
fn a_link_that_cannot_be_taken_away_is_told_and_one_that_was_is_remembered() {
    let shop = Shop::open("1s", true, |_| {});
    let cloakroom = &shop.cloakroom;
    let master = shop.master("a.zip", b"small");
    let name = name_of(&shop.click(&master, ""));
    until("it is gone", || (cloakroom.json(&["explain", &name])["outcome"] == "gone").then_some(()));
    let told = cloakroom.json(&["explain", &name]).to_string();
    assert!(told.contains("Cloakroom took it away at") && told.contains("clicks again in the shop"), "{told}");
    // Something of the same name lies where it has to be taken apart.
    let made = format!("abcdefghijklmnop-{}", seconds_now());
    let (link, way) = (shop.public().join(&made), shop.public().join(".cloakroom-9999999999").join(&made));
    fs::create_dir_all(way.join("theirs")).unwrap();
    fs::create_dir(&link).unwrap();
    symlink(&master, link.join("a.zip")).unwrap();
    until("it is told", || cloakroom.say(&["stub", "list"]).contains("not looked after, and tried again: cannot put back").then_some(()));
    let told = cloakroom.json(&["explain", &made]);
    assert!(told["outcome"] == "unknown" && told.to_string().contains("cannot put back"), "{told}");
    assert_eq!(cloakroom.json(&["explain", shop.public().to_str().unwrap()])["outcome"], "not_kept");
    // A sweep looks again at once, where it would be a minute else.
    fs::remove_dir_all(&way).unwrap();
    let age = || seconds_now() - made.rsplit('-').next().unwrap().parse::<u64>().unwrap();
    until("its time is over", || (age() > 1).then_some(()));
    let said = cloakroom.say(&["stub", "sweep"]);
    assert!(said.contains(": 1 was taken away; none stays"), "{said}");
    assert!(!link.exists());
    assert!(cloakroom.say(&["stub", "sweep"]).contains("none lies there now"));
}

/// What `check` finds of Zen Cart's directory: verdict, check, and all that it says.
fn checked(shop: &Shop, more: &[&str]) -> Vec<(String, String, String)> {
    let conf = shop.web.nginx().conf();
    let rotation = shop.directory.path().join("logrotate.d");
    let all = [&["--json", "check", "--nginx-conf", conf.to_str().unwrap(), "--logrotate", rotation.to_str().unwrap()], more].concat();
    let output = shop.cloakroom.command(&all);
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let findings = all["parts"].as_array().unwrap().iter().flat_map(|part| part["findings"].as_array().unwrap());
    let word = |finding: &serde_json::Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let ours = findings.filter(|finding| finding["check"].as_str().unwrap().starts_with("zen-cart"));
    ours.map(|finding| (word(finding, "verdict"), word(finding, "check"), finding.to_string())).collect()
}

#[test]
fn a_check_looks_at_the_directory_the_shops_own_clean_up_and_what_customers_see() {
    let shop = Shop::open("6h", true, |_| {});
    let only = |row: &str, more: &[&str], verdict: &str, check: &str, words: &[&str]| {
        let all = checked(&shop, more);
        let fits = |(found, name, text): &&(String, String, String)| {
            found == verdict && name == check && words.iter().all(|word| text.contains(word))
        };
        assert_eq!(all.iter().filter(fits).count(), 1, "{row}: {words:?} in {all:#?}");
    };
    until("it is looked after", || shop.public().join(".cloakroom-9999999999").exists().then_some(()));
    only("no shop around it", &[], "not-asked", "zen-cart", &["no Zen Cart is seen around it"]);
    let includes = shop.directory.path().join("includes");
    fs::create_dir_all(includes.join("extra_configures")).unwrap();
    fs::write(includes.join("application_top.php"), "<?php").unwrap();
    let file = includes.join("extra_configures/cloakroom.php");
    let place = file.to_str().unwrap();
    only("not said", &[], "fault", "zen-cart-clean-up", &["older than 0 seconds", "315360000", place]);
    fs::write(&file, "<?php\ndefine('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', 3600);\n").unwrap();
    only("an hour", &[], "fault", "zen-cart-clean-up", &["is 3600 in", &format!("{place}:2"), "replace"]);
    fs::write(&file, "<?php\ndefine('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', TEN_YEARS);\n").unwrap();
    only("a word", &[], "not-asked", "zen-cart-clean-up", &["only PHP can read"]);
    let constants = format!("<?php\ndefine('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', {THRESHOLD});\n");
    fs::write(&file, &constants).unwrap();
    only("as the README says", &[], "ok", "zen-cart", &["its own clean-up keeps still"]);

    // The shipped location refuses names with a dot in front, which Zen Cart's have if nothing else is said.
    only("dots", &["--url"], "fault", "zen-cart-live", &["begin with a dot", "DOWNLOADS_SKIP_DOT_PREFIX_ON_REDIRECT", place]);
    fs::write(&file, format!("{constants}define('DOWNLOADS_SKIP_DOT_PREFIX_ON_REDIRECT', true);\n")).unwrap();
    // One that was killed a day ago left its file beside the masters; one that began a moment ago may need its own.
    let probe = |seconds: u64| shop.master(&format!("cloakroom-check-{seconds:08x}{}.zip", "5a".repeat(12)), b"probe");
    let (old, young) = (probe(seconds_now() - 86_400), probe(seconds_now()));
    only("no dots", &["--url"], "ok", "zen-cart-live", &["came as it is"]);
    assert_eq!((old.exists(), young.exists()), (false, true));
    fs::remove_file(young).unwrap();
    assert_eq!((shop.names(), shop.got("download")), (BTreeSet::new(), Vec::new()), "nothing is left");
    assert_eq!(fs::read_dir(shop.directory.path().join("download")).unwrap().count(), 0, "nothing is left");

    // What a check plants and takes away is nobody's loss.
    let listed = || shop.cloakroom.json(&["stub", "list"])["zen_carts"][0].clone();
    let plant = |name: &str| {
        let name = name_of(&shop.click(&shop.master(name, b"small"), ""));
        let names = || listed()["links"].as_array().unwrap().iter().map(|link| link["name"].clone()).collect::<Vec<_>>();
        until("it alone is listed", || (names() == [name.as_str()]).then_some(()));
        name
    };
    let take = |name: &str| fs::remove_dir_all(shop.public().join(name)).unwrap();
    let probe = plant(&format!("cloakroom-check-{:08x}{}.zip", seconds_now(), "5a".repeat(12)));
    take(&probe);
    let first = plant("first.zip");
    assert_eq!(listed()["lost_total"], 0, "a check's own");

    // Somebody else takes links away, whatever the sources say.
    take(&first);
    plant("second.zip");
    assert_eq!(listed()["lost_total"], 1);
    only("others", &[], "warning", "zen-cart-clean-up", &["1 of ", "no other job"]);

    let away = shop.public().with_extension("away");
    fs::rename(shop.public(), &away).unwrap();
    only("no directory", &[], "fault", "zen-cart", &["no directory", "DIR_FS_DOWNLOAD_PUBLIC"]);
    fs::rename(&away, shop.public()).unwrap();
}
