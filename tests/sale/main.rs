//! One sale from end to end: a shop's call, a letter in a mailbox, a person with Chromium, and the money given back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
// Of what other tests stand on, each part is here whole.
#![allow(dead_code)]

#[path = "../servers/mod.rs"]
mod servers;

#[path = "../customers/chromium.rs"]
mod chromium;
#[path = "../outbox/exim.rs"]
mod exim;
#[path = "../outbox/letter.rs"]
mod letter;
#[path = "../outbox/receiver.rs"]
mod receiver;
#[path = "../orders/shop.rs"]
mod shop;

use std::fs;

use serde_json::json;

use crate::chromium::browse;
use crate::exim::{Exim, Takes};
use crate::letter::{plain, urls};
use crate::receiver::Receiver;
use crate::servers::http::Download;
use crate::servers::nginx::NginxSetup;
use crate::servers::site::{Site, content};
use crate::servers::{secrecy, until};
use crate::shop::report;

/// More than all buffers between a server and a client that does not read.
const LARGE: usize = 24 << 20;
const SMALL: usize = 300_000;
const EVENTS: [&str; 3] = ["grant.activated", "delivery.completed", "refused"];

/// How each of the files reaches its customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    HandOff,
    Stub,
    Copy,
}

impl Way {
    fn site(self, more: &str) -> Site {
        match self {
            Self::HandOff => Site::with(more),
            Self::Stub => Site::with_stubs(&NginxSetup::default(), &format!("method = [\"stub\"]\n{more}"), true),
            Self::Copy => Site::with_copies(&format!("max_downloads = 3\n{more}"), true),
        }
    }
}

/// A customer's name and password for what lies in public, as `Authorization` has them.
type Login = Vec<(&'static str, String)>;

fn headers(login: &Login) -> Vec<(&str, &str)> {
    login.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn sell(way: Way) {
    let (exim, receiver) = (Exim::start(Takes::All), Receiver::open());
    let site = way.site(&(exim.section("") + &receiver.section("shop", &EVENTS, "private_network = true\n")));
    let names = ["The Book.pdf", "The Book.epub", "poster.pdf", "large.pdf", "large.svg"];
    let length = |name: &str| if name == "The Book.epub" { LARGE } else { SMALL };
    let ids = names.map(|name| {
        site.master(name, &content(length(name)));
        site.cloakroom.say(&["file", "add", &format!("masters/{name}")])
    });
    site.cloakroom.say(&["product", "add", "book", "--name", "The book", "--file", &ids[0], "--file", &ids[1]]);
    site.cloakroom.say(&["product", "add", "poster", "--file", &ids[2], "--file", &ids[3], "--file", &ids[4]]);

    // The shop reports: five links in the answer, and in one letter.
    let customer = json!({"id": "7", "name": "Anna", "email": "anna@customers.example"});
    let sold = json!({"external_id": "1001", "state": "paid", "customer": customer, "lines": [{"sku": "book"}, {"sku": "poster"}]});
    let order = report(&site, &sold);
    let links: Vec<String> = shop::urls(&order).iter().map(|url| site.target(url)).collect();
    assert_eq!(links.len(), 5, "{order}");
    let letter = plain(&exim.until("anna", 1)[0]);
    let mailed: Vec<String> = urls(&site, &letter).iter().map(|url| site.target(url)).filter(|path| !path.contains("/dl/o/")).collect();
    assert_eq!(mailed, links, "{letter}");
    let words = |label: &str| letter.split(label).skip(1).map(|rest| rest.split_whitespace().next().unwrap()).collect::<Vec<_>>();
    let logins: Vec<(&str, &str)> = words("User name:").into_iter().zip(words("Password:")).collect();
    assert_eq!(logins.len(), if way == Way::Copy { 5 } else { 0 }, "{letter}");
    for (_, password) in &logins {
        secrecy::learn_password(password);
    }
    receiver.until("grant.activated", 5);

    if way == Way::Copy {
        let is_live = |id: &str| site.cloakroom.json(&["grant", "show", id])["copies"][0]["state"] == "live";
        until("the copies are there", || shop::ids(&order).iter().all(|id| is_live(id)).then_some(()));
    }

    // What looks at every link in a letter uses nothing up.
    let mut looked = 0;
    for link in &links {
        for method in ["HEAD", "GET"] {
            let answer = site.ask(method, link, &[("User-Agent", "Mozilla/5.0 (compatible; MailScanner)"), ("Accept", "text/html,*/*")]);
            assert_eq!((answer.status, answer.header("Location")), (200, None), "{method} {link}");
            looked += 1;
        }
    }
    assert_eq!(looked, 10);
    let used = || {
        site.cloakroom
            .json(&["grant", "list"])
            .as_array()
            .unwrap()
            .iter()
            .map(|grant| grant["used"].as_u64().unwrap() + grant["reserved"].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!((used(), site.cloakroom.json(&["delivery", "list"])), (0, json!([])));

    // The customer clicks.
    let saved = tempfile::tempdir().unwrap();
    let save = saved.path().join("saved");
    let login = logins.first().map(|(username, password)| json!({"username": username, "password": password}));
    let url = format!("http://127.0.0.1:{}{}", site.nginx.port, links[0]);
    let said = browse("walk", json!({"url": url, "save": save, "language": "en", "script": false, "login": login}));
    assert!(fs::read(&save).unwrap() == content(SMALL), "byte for byte");
    assert!(said["name"].as_str().unwrap().contains("Book"), "{said}");
    let told = receiver.until("delivery.completed", 1).remove(0);
    receiver.assert_signed("shop", &told);
    assert_eq!(used(), 1);

    // The money goes back while the large file is on its way: that answer ends whole, and no other begins.
    let login: Login = logins.get(1).map(|(user, password)| ("Authorization", basic(user, password))).into_iter().collect();
    let click = site.get(&links[1]);
    assert_eq!(click.status, 303, "{click:?}");
    let place = site.remember(click.header("Location").unwrap());
    let running = Download::open(site.nginx.port, "GET", &place, &headers(&login));
    assert_eq!(running.answer.status, 200);
    let refunded = report(&site, &json!({"external_id": "1001", "state": "refunded"}));
    assert_eq!(refunded["state"], "refunded");
    let mut refused = 0;
    for link in &links {
        let answer = site.get(link);
        assert_eq!((answer.status, answer.header("Cloakroom-Refusal")), (403, Some("refunded")), "{link}");
        refused += 1;
    }
    assert_eq!(refused, 5);
    let next = || site.ask("GET", &place, &[headers(&login), vec![("Range", "bytes=1000000-")]].concat());
    match way {
        Way::HandOff => assert_eq!((next().status, next().header("Cloakroom-Refusal")), (403, Some("refunded"))),
        // The web server answers by itself, from the moment on at which the place is empty.
        Way::Stub | Way::Copy => until("what lay in public is gone", || matches!(next().status, 401 | 404).then_some(())),
    }
    assert!(running.finish().body == content(LARGE), "the one that ran ends whole");
    let told = receiver.until("refused", 1).remove(0);
    assert_eq!(told.json()["data"]["refusal"], "refunded", "{}", told.body);
    // What was reported before is no second sale, and no second letter.
    assert_eq!(report(&site, &json!({"external_id": "1001", "state": "refunded"}))["changed"], false);
    assert_eq!(exim.letters("anna").len(), 1);
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

#[test]
fn a_sale_by_hand_off_from_the_call_of_the_shop_to_the_refund() {
    sell(Way::HandOff);
}

#[test]
fn a_sale_by_stubs_from_the_call_of_the_shop_to_the_refund() {
    sell(Way::Stub);
}

#[test]
fn a_sale_by_copies_from_the_call_of_the_shop_to_the_refund() {
    sell(Way::Copy);
}
