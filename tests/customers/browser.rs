//! The same with Chromium: a person's way to the file, and every page as people look at it.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::chromium::{browse, root};
use crate::order::Ordered;
use crate::servers::until;
use crate::shop::{BROWSER, NAME, Shop, onward};

impl Shop {
    fn url(&self, target: &str) -> String {
        format!("http://127.0.0.1:{}{target}", self.site.nginx.port)
    }

    /// Walks with the keyboard from the link to the file, with script or without.
    #[track_caller]
    fn walk(&self, language: &str, script: bool) -> Value {
        let saved = tempfile::tempdir().unwrap();
        let save = saved.path().join("saved");
        let wanted = json!({ "url": self.url(&self.link(1)), "save": save, "language": language, "script": script });
        let said = browse("walk", wanted);
        assert!(fs::read(&save).unwrap() == self.bytes, "the file arrives byte for byte");
        assert!(said["address"].as_str().unwrap().starts_with("/dl/s/"), "{said}");
        assert!(said["links"].as_u64().unwrap() >= 2, "{said}");
        assert_eq!(said["pages"], 1, "{said}");
        said
    }
}

#[test]
fn a_person_with_chromium_gets_the_file_and_it_counts_once() {
    let shop = Shop::handing_off("");
    let mut walked = 0;
    for (language, script, starts) in [("en-US", true, "Your download"), ("de-DE", false, "Ihr Download")] {
        let said = shop.walk(language, script);
        assert_eq!(said["name"].as_str().unwrap(), NAME.replace(['<', '>'], "_").as_str(), "{said}");
        assert!(said["started"].as_str().unwrap().starts_with(starts), "{said}");
        assert!(said["seen"].as_str().unwrap().starts_with(starts), "{said}");
        shop.until_used(1);
        walked += 1;
        assert_eq!(shop.states(), vec!["completed"; walked]);
    }
}

#[test]
fn a_person_with_chromium_gets_the_file_by_a_stub() {
    let shop = Shop::with_stubs();
    let said = shop.walk("en", false);
    assert!(said["started"].as_str().unwrap().starts_with("Your download"), "{said}");
    shop.until_used(1);
}

#[test]
fn every_page_can_be_read_used_and_heard_in_every_way() {
    let shots = PathBuf::from(root()).join("target/screenshots");
    fs::create_dir_all(&shots).unwrap();
    let shop = Shop::handing_off("");
    let mut pages = Vec::new();
    let mut page = |name: &str, target: &str, language: &str| {
        pages.push(json!({ "name": name, "url": shop.url(target), "language": language }));
    };
    let fresh = shop.link(5);
    page("landing", &fresh, "en");
    page("landing-de", &fresh, "de");

    let started = shop.press(&shop.link(1));
    page("starts", &format!("{started}?seen"), "en");

    let broken_link = shop.link(3);
    let broken = shop.press(&broken_link);
    let way = onward(&shop.visit(&broken));
    assert_eq!(shop.site.ask("GET", &way, &[BROWSER, &[("Range", "bytes=0-99999")]].concat()).status, 206);
    until("what was received", || shop.visit(&broken).text().contains("interrupted").then_some(()));
    page("interrupted", &broken, "en");
    page("interrupted-de", &broken, "de");

    let whole = shop.press(&shop.link(1));
    let way = onward(&shop.visit(&whole));
    assert_eq!(shop.visit(&way).body, shop.bytes);
    until("that it has arrived", || shop.visit(&whole).text().contains("has arrived").then_some(()));
    page("arrived", &whole, "en");

    page("bad-link", "/dl/l/nothing", "en");
    page("bad-link-de", "/dl/l/nothing", "de");

    let order = Ordered::open("[[policy]]\nname = \"default\"\nmax_downloads = 1\n");
    let url = |target: &str| format!("http://127.0.0.1:{}{target}", order.site.nginx.port);
    let click = order.site.get(&order.links[1]);
    assert_eq!(order.site.ask("GET", click.header("Location").unwrap(), &[("Range", "bytes=0-99999")]).status, 206);
    assert_eq!(order.download(&order.links[0]).body.len(), crate::order::SIZE);
    until("that both are counted", || (order.used().iter().sum::<u64>() == 2 && order.look().contains("Interrupted")).then_some(()));
    pages.push(json!({ "name": "order", "url": url(&order.page), "language": "en" }));
    pages.push(json!({ "name": "order-told-de", "url": url(&format!("{}?told", order.page)), "language": "de" }));
    let pending = Ordered::open("");
    pending.site.cloakroom.say(&["order", "set", "1001", "on_hold"]);
    let held = format!("http://127.0.0.1:{}{}", pending.site.nginx.port, pending.page);
    pages.push(json!({ "name": "order-held", "url": held, "language": "en" }));

    let said = browse("look", json!({ "pages": pages, "shots": shots }));
    assert_eq!(said["looked"].as_u64().unwrap(), 11 * 7, "{said}");
    assert!(said["rules"].as_u64().unwrap() > 20, "axe looked at something: {said}");
    assert!(fs::metadata(shots.join("landing-phone.png")).unwrap().len() > 1000);
}
