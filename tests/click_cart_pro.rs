//! `ClickCartPro`'s story, without its faults: a copy with a random name in a directory that asks for a password, fetched as
//! often as the customer likes, a rotation that nobody is shut out by, and nothing left at the end. Through a real nginx, and a
//! real Apache with `.htaccess`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use servers::apache::{Apache, ApacheSetup};
use servers::faketime;
use servers::http::{Answer, Download};
use servers::nginx::{Nginx, NginxSetup};
use servers::site::content;
use servers::until;
use servers::web::{Way, Web, WebSite, feed};

/// What a customer was told.
struct Sold {
    grant: String,
    /// The path of the link.
    link: String,
    /// The path of the copy.
    copy: String,
    login: Login,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Login {
    user: String,
    password: String,
}

impl Login {
    fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

/// Lines of the web server that send 150 KiB a second.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speed {
    Any,
    Slow,
}

fn shop(way: Way, directory: &str, policy: &str) -> WebSite {
    shop_at(Speed::Any, way, directory, policy)
}

fn shop_at(speed: Speed, way: Way, directory: &str, policy: &str) -> WebSite {
    let slowly = |lines: &str| if speed == Speed::Slow { lines.to_owned() } else { String::new() };
    let web = if way == Way::Nginx {
        Web::Nginx(Nginx::start(&NginxSetup { passwords: true, server: slowly("limit_rate 150k;"), ..NginxSetup::default() }))
    } else {
        let host = slowly("<Location \"/goods/\">\n  SetOutputFilter RATE_LIMIT\n  SetEnv rate-limit 150\n</Location>\n");
        Web::Apache(Apache::start(&ApacheSetup { host, ..ApacheSetup::default() }))
    };
    let more = format!(
        "[[directory]]\nname = \"goods\"\npath = \"{}\"\nurl = \"/goods/\"\nhtpasswd = \"{}\"\n{directory}\n\
         [[policy]]\nname = \"default\"\nmethod = [\"copy\"]\n{policy}\n\n{}",
        web.goods().display(),
        web.htpasswd().display(),
        feed(&web.access_log()),
    );
    WebSite::of(web, "copy = \"goods\"\n", &more)
}

/// What the shop's owner put into the directory, and nobody else takes away.
const HTACCESS: &str = ".htaccess";

/// Sells `masters/a.zip`, and waits until the copy is there.
fn sell(shop: &WebSite, more: &[&str]) -> Sold {
    let made = shop.cloakroom.json(&[&["grant", "add", "--file", "masters/a.zip"][..], more].concat());
    let word = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let login = Login { user: word(&made["copy"]["user"]), password: word(&made["copy"]["password"]) };
    let [link, copy] = [&made["url"], &made["copy"]["url"]].map(|url| shop.target(&word(url)));
    let sold = Sold { grant: word(&made["grant"]["id"]), link, copy, login };
    until("the copy", || (page(shop, &sold)["copies"][0]["state"] == "live").then_some(()));
    sold
}

fn get(shop: &WebSite, target: &str, login: &Login) -> Answer {
    shop.ask("GET", target, &[("Authorization", &login.basic())])
}

/// The status alone: nothing is downloaded.
fn head(shop: &WebSite, target: &str, login: &Login) -> u16 {
    shop.ask("HEAD", target, &[("Authorization", &login.basic())]).status
}

fn page(shop: &WebSite, sold: &Sold) -> Value {
    shop.cloakroom.json(&["grant", "show", &sold.grant])
}

fn ends(shop: &WebSite, sold: &Sold) -> jiff::Timestamp {
    page(shop, sold)["expires"].as_str().unwrap().parse().unwrap()
}

/// How many downloads of a grant are used, and how each of its deliveries stands.
fn counts(shop: &WebSite, sold: &Sold) -> (u64, Vec<String>) {
    let page = page(shop, sold);
    let states = page["deliveries"].as_array().unwrap().iter().map(|delivery| delivery["state"].as_str().unwrap().to_owned());
    (page["used"].as_u64().unwrap(), states.collect())
}

/// Waits until so many downloads are counted; each is a delivery of its own, and there are no others.
#[track_caller]
fn counted(shop: &WebSite, sold: &Sold, times: usize) {
    let wanted = (times as u64, vec!["completed".to_owned(); times]);
    until(&format!("{times} downloads are counted; {:?}", counts(shop, sold)), || (counts(shop, sold) == wanted).then_some(()));
}

/// The user names of a grant that open the directory, the newest first.
fn users(shop: &WebSite, grant: &str) -> Vec<String> {
    let list = shop.cloakroom.json(&["credential", "list", "--grant", grant]);
    list.as_array().unwrap().iter().map(|one| one["user"].as_str().unwrap().to_owned()).collect()
}

fn login(shop: &WebSite, user: &str) -> Login {
    let page = shop.cloakroom.json(&["credential", "show", user]);
    Login { user: user.to_owned(), password: page["password"].as_str().unwrap_or_else(|| panic!("{page}")).to_owned() }
}

/// What lies in the public directory.
fn copies(shop: &WebSite) -> Vec<String> {
    let directory = shop.web.goods();
    let names = |path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<String> = names(directory.clone()).filter(|name| name != ".cloakroom" && name != HTACCESS).collect();
    found.extend(names(directory.join(".cloakroom")));
    found
}

fn lines(shop: &WebSite) -> Vec<String> {
    let text = fs::read_to_string(shop.web.htpasswd()).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn a_copy_and_its_password_live_by_the_time_of_the_grant_and_a_rotation_shuts_nobody_out() {
    Way::each(&Way::STOCK, |way| {
        // Neither time is over while the test runs, however long that takes: the daemon's clock is set past both.
        let mut shop = shop(way, "overlap = \"1d\"", "resume_grace = \"1s\"");
        let bytes = content(300_000);
        shop.master("a.zip", &bytes);
        let (other, sold) = (sell(&shop, &["--max", "unlimited", "--for", "365d"]), sell(&shop, &["--max", "unlimited", "--for", "30d"]));
        assert_ne!(sold.login.user, other.login.user, "each has its own");
        assert_eq!((copies(&shop).len(), lines(&shop).len()), (2, 2));
        assert_eq!(shop.get(&sold.copy).status, 401, "nobody without a password");
        assert_eq!(get(&shop, &sold.copy.replace("a-", "b-"), &sold.login).status, 404);
        assert_eq!(shop.get(&sold.link).header("location"), Some(sold.copy.as_str()));
        assert_eq!(counts(&shop, &sold), (0, Vec::new()), "nothing was downloaded");

        // As often as the customer likes.
        for time in 1..=2 {
            let answer = get(&shop, &sold.copy, &sold.login);
            assert_eq!((answer.status, answer.header("Content-Disposition")), (200, Some("attachment")));
            assert!(answer.body == bytes);
            counted(&shop, &sold, time);
        }

        // All of them get another one; what was sent by mail yesterday works until the overlap is over.
        let told = shop.cloakroom.say(&["credential", "rotate", "goods"]);
        assert!(told.starts_with("goods: 2 user names were replaced; those before open until "), "{told}");
        let both = users(&shop, &sold.grant);
        assert_eq!((both.len(), &both[1], lines(&shop).len()), (2, &sold.login.user, 4));
        let (fresh, others) = (login(&shop, &both[0]), login(&shop, &users(&shop, &other.grant)[0]));
        assert_ne!(fresh.password, sold.login.password);
        for (time, login) in [(3, &sold.login), (4, &fresh)] {
            assert!(get(&shop, &sold.copy, login).body == bytes, "{}", login.user);
            counted(&shop, &sold, time);
        }
        let at = |day: i64| day * 24 * 3600;
        faketime::set(&mut shop.cloakroom, at(1) - 3600);
        assert_eq!(head(&shop, &sold.copy, &sold.login), 200, "an hour before the overlap ends");
        faketime::set(&mut shop.cloakroom, at(1));
        until("the overlap is over", || (head(&shop, &sold.copy, &sold.login) == 401).then_some(()));
        assert_eq!((users(&shop, &sold.grant), lines(&shop).len()), (vec![fresh.user.clone()], 2));
        assert!(get(&shop, &sold.copy, &fresh).body == bytes);
        counted(&shop, &sold, 5);
        faketime::set(&mut shop.cloakroom, at(30) - 3600);
        assert_eq!(head(&shop, &sold.copy, &fresh), 200, "an hour before the end");

        // The end: of the user name, and of the copy; the other customer notices nothing.
        faketime::set(&mut shop.cloakroom, at(30));
        until("nobody enters by what has ended", || (head(&shop, &sold.copy, &fresh) == 401).then_some(()));
        until("the copy is gone", || (copies(&shop).len() == 1).then_some(()));
        assert_eq!(get(&shop, &sold.copy, &others).status, 404);
        assert_eq!(get(&shop, &sold.copy, &sold.login).status, 401);
        assert_eq!(shop.get(&sold.link).status, 410);
        assert_eq!((users(&shop, &sold.grant).len(), lines(&shop).len()), (0, 1));
        assert!(get(&shop, &other.copy, &others).body == bytes);
        counted(&shop, &other, 1);
        // What was refused counted nowhere.
        counted(&shop, &sold, 5);
        shop.cloakroom.say(&["grant", "revoke", &other.grant]);
        // The store knows of it a moment after the file is gone.
        let list = until("nothing is left", || {
            let list = shop.cloakroom.json(&["stub", "list"]);
            let is_empty = copies(&shop).is_empty() && lines(&shop).is_empty() && list["placed"].as_array().unwrap().is_empty();
            is_empty.then_some(list)
        });
        assert_eq!(shop.web.goods().join(HTACCESS).exists(), way == Way::Scgi, "what is not ours stays");
        let foreign: Vec<&str> =
            list["directories"][0]["foreign"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect();
        let theirs: &[&str] = if way == Way::Scgi { &[HTACCESS] } else { &[] };
        assert_eq!(foreign, theirs, "{list}");
    });
}

#[test]
fn who_downloads_slowly_while_the_password_is_rotated_gets_every_byte_and_goes_on_with_the_new_one() {
    Way::each(&Way::STOCK, |way| {
        let shop = shop(way, "overlap = \"1s\"", "");
        // More than all buffers between the web server and a client that does not read take: it runs until its client reads on.
        let bytes = content(16 << 20);
        shop.master("a.zip", &bytes);
        let (slow, paused) = (sell(&shop, &["--max", "3"]), sell(&shop, &["--max", "3"]));
        let begin = |sold: &Sold, login: &Login, range: &str| {
            let headers = [("Authorization", login.basic()), ("Range", range.to_owned())];
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Download::open(shop.web.port, "GET", &sold.copy, if range.is_empty() { &headers[..1] } else { &headers })
        };
        let mut running = begin(&slow, &slow.login, "");
        running.read(1000);
        let mut half = begin(&paused, &paused.login, "").read(100_000).answer.body.clone();
        shop.cloakroom.say(&["credential", "rotate", "goods"]);
        let fresh = |sold: &Sold| login(&shop, &users(&shop, &sold.grant)[0]);
        let (slows, pauseds) = (fresh(&slow), fresh(&paused));
        for (sold, login) in [(&slow, &slow.login), (&paused, &paused.login)] {
            until("the old one has ended", || (head(&shop, &sold.copy, login) == 401).then_some(()));
        }
        assert_eq!(counts(&shop, &slow).0, 0, "it is still on its way");
        let rest = begin(&paused, &pauseds, "bytes=100000-");
        assert!(running.finish().body == bytes);
        counted(&shop, &slow, 1);
        let rest = rest.finish();
        assert_eq!(rest.status, 206);
        half.extend(rest.body);
        assert!(half == bytes);
        assert!(begin(&slow, &slows, "").finish().body == bytes);
        counted(&shop, &slow, 2);
        // Both halves are of one download, under whichever name.
        counted(&shop, &paused, 1);
    });
}

#[test]
fn who_has_a_grant_whose_time_is_over_is_shut_out_within_a_second() {
    Way::each(&Way::STOCK, |way| {
        let shop = shop(way, "", "resume_grace = \"1s\"");
        shop.master("a.zip", &content(1000));
        let sold = sell(&shop, &["--max", "unlimited", "--for", "8s"]);
        let ends = ends(&shop, &sold);
        until("401", || (get(&shop, &sold.copy, &sold.login).status == 401).then_some(()));
        // Its end is said in whole seconds; a second more is for what the download that began last may still resume.
        let late = jiff::Timestamp::now().as_millisecond() - ends.as_millisecond();
        assert!((0..10_000).contains(&late), "{late} ms after its end");
        until("nothing is left", || (copies(&shop).is_empty() && lines(&shop).is_empty()).then_some(()));
    });
}

#[test]
fn a_grant_that_is_opened_again_has_another_user_name_and_one_that_is_extended_keeps_its_own() {
    Way::each(&Way::STOCK, |way| {
        let mut shop = shop(way, "", "resume_grace = \"1s\"");
        shop.master("a.zip", &content(1000));
        let sold = sell(&shop, &["--max", "unlimited", "--for", "1h"]);
        shop.cloakroom.say(&["grant", "extend", &sold.grant, "--for", "30d"]);
        assert_eq!(users(&shop, &sold.grant), std::slice::from_ref(&sold.login.user));
        assert_eq!(get(&shop, &sold.copy, &sold.login).status, 200);
        shop.cloakroom.say(&["grant", "suspend", &sold.grant]);
        until("401", || (get(&shop, &sold.copy, &sold.login).status == 401).then_some(()));
        until("nothing is left", || copies(&shop).is_empty().then_some(()));
        let told = shop.cloakroom.say(&["grant", "resume", &sold.grant]);
        assert!(told.contains("another user name and password"), "{told}");
        let again = users(&shop, &sold.grant);
        assert_eq!(again.len(), 1);
        assert_ne!(again[0], sold.login.user, "no name comes twice");
        // A crash takes nothing away, and gives nothing back.
        shop.cloakroom.kill();
        fs::write(shop.web.htpasswd(), "").unwrap();
        shop.cloakroom.start();
        until("the file says it again", || (lines(&shop).len() == 1).then_some(()));
        let fresh = login(&shop, &again[0]);
        let copy = until("the new copy", || copies(&shop).into_iter().find(|name| name.starts_with("a-")));
        until("200", || (get(&shop, &format!("/goods/{copy}"), &fresh).status == 200).then_some(()));
        assert_eq!(get(&shop, &format!("/goods/{copy}"), &sold.login).status, 401);
    });
}

#[test]
fn one_password_shared_by_the_directory_outlives_each_grant() {
    Way::each(&Way::STOCK, |way| {
        let shop = shop(way, "credential = \"shared\"", "resume_grace = \"1s\"");
        shop.master("a.zip", &content(1000));
        let (one, two) = (sell(&shop, &["--max", "unlimited"]), sell(&shop, &["--max", "unlimited"]));
        assert_eq!(one.login, two.login);
        shop.cloakroom.say(&["grant", "revoke", &one.grant]);
        until("404", || (get(&shop, &one.copy, &one.login).status == 404).then_some(()));
        assert_eq!(get(&shop, &two.copy, &two.login).status, 200);
    });
}

#[test]
fn a_copy_that_goes_while_it_is_downloaded_is_sent_to_its_end_and_counts() {
    Way::each(&Way::STOCK, |way| {
        let shop = shop_at(Speed::Slow, way, "", "resume_grace = \"1s\"");
        let bytes = content(600_000);
        shop.master("a.zip", &bytes);
        let sold = sell(&shop, &["--max", "3"]);
        let mut running = Download::open(shop.web.port, "GET", &sold.copy, &[("Authorization", &sold.login.basic())]);
        running.read(1000);
        shop.cloakroom.say(&["grant", "revoke", &sold.grant]);
        until("the copy is gone", || copies(&shop).is_empty().then_some(()));
        until("nobody enters", || (head(&shop, &sold.copy, &sold.login) == 401).then_some(()));
        assert!(running.finish().body == bytes);
        counted(&shop, &sold, 1);
    });
}
