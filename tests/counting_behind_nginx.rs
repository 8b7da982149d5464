//! The rules of counting where a real nginx sends and reports: a download in the way, a file that is replaced, answers
//! without the file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;

use servers::cloakroom::Cloakroom;
use servers::http::{Answer, Download, get};
use servers::nginx::{Nginx, NginxSetup};
use servers::until;

/// Slow enough to be still running when the next one asks, whatever the machine.
const SLOW: &str = "[[policy]]\nname = \"default\"\nrate = \"20kB/s\"\n";
const SIZE: usize = 2_000_000;

struct Shop {
    nginx: Nginx,
    cloakroom: Cloakroom,
}

impl Shop {
    fn open() -> Self {
        let nginx = Nginx::start(&NginxSetup::default());
        fs::write(nginx.downloads().join("a.zip"), vec![b'1'; SIZE]).unwrap();
        let cloakroom = Cloakroom::behind(&nginx, SLOW);
        Self { nginx, cloakroom }
    }

    /// The path and query of a fresh link for one download.
    fn link(&self) -> String {
        let url = self.cloakroom.link("masters/a.zip", 1);
        url.strip_prefix(&format!("http://127.0.0.1:{}", self.nginx.port)).unwrap().to_owned()
    }

    fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        get(self.nginx.port, target, headers)
    }

    /// Clicks, and gives where the click leads.
    #[track_caller]
    fn click(&self, link: &str, headers: &[(&str, &str)]) -> String {
        let answer = self.get(link, headers);
        assert_eq!(answer.status, 303, "{}", answer.text());
        let to = answer.header("location").unwrap();
        to.strip_prefix(&format!("http://127.0.0.1:{}", self.nginx.port)).unwrap_or(to).to_owned()
    }

    fn download(&self, delivery: &str) -> Download {
        Download::open(self.nginx.port, "GET", delivery, &[])
    }

    /// Waits until the deliveries stand like this, the newest first.
    #[track_caller]
    fn in_states(&self, states: &[&str]) -> serde_json::Value {
        until(&format!("deliveries {states:?}"), || {
            let list = self.cloakroom.json(&["delivery", "list"]);
            let found: Vec<&str> = rows(&list).iter().map(|delivery| delivery["state"].as_str().unwrap()).collect();
            (found == states).then_some(list.clone())
        })
    }

    /// Used and reserved units of the newest delivery's grant.
    fn units(&self) -> (u64, u64) {
        let list = self.cloakroom.json(&["delivery", "list"]);
        let shown = self.cloakroom.json(&["delivery", "show", rows(&list)[0]["id"].as_str().unwrap()]);
        let grant = &shown["grant"];
        (grant["used"].as_u64().unwrap(), grant["reserved"].as_u64().unwrap())
    }
}

fn rows(list: &serde_json::Value) -> &Vec<serde_json::Value> {
    list.as_array().or_else(|| list["deliveries"].as_array()).unwrap_or_else(|| panic!("{list}"))
}

#[test]
fn who_comes_second_reads_since_when_and_from_where_the_download_runs() {
    let shop = Shop::open();
    let link = shop.link();
    let mut first = shop.download(&shop.click(&link, &[]));
    first.read(1000);
    shop.in_states(&["open"]);
    let refused = shop.get(&link, &[("Accept", "text/html")]);
    assert_eq!((refused.status, refused.header("cloakroom-refusal")), (409, Some("download_running")));
    let page = refused.text().replace("&#x2f;", "/");
    for said in ["less than a minute ago", "the network that you use now, too (127.0.0.0/24)", "R-"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let facts = page.split_once("<dl>").unwrap().1.split_once("</dl>").unwrap().0;
    for unsaid in ["127.0.0.1", "Received"] {
        assert!(!facts.contains(unsaid), "{unsaid}: {facts}");
    }
    let text = shop.get(&link, &[]).text();
    assert!(text.contains("download_running") && text.lines().count() == 1, "{text}");
    drop(first);
    shop.nginx.assert_calm();
}

#[test]
fn a_file_that_is_replaced_can_be_downloaded_with_the_unit_of_the_broken_off_one() {
    let shop = Shop::open();
    let link = shop.link();
    let old = shop.click(&link, &[]);
    let mut first = shop.download(&old);
    first.read(1000);
    shop.in_states(&["open"]);
    let next = shop.nginx.downloads().join("next");
    fs::write(&next, b"the second version").unwrap();
    fs::rename(next, shop.nginx.downloads().join("a.zip")).unwrap();
    assert_eq!(shop.get(&link, &[]).status, 409, "the first one is still on its way");
    drop(first);
    let fresh = until("a click that is answered", || {
        let answer = shop.get(&link, &[]);
        (answer.status == 303).then(|| answer.header("location").unwrap().to_owned())
    });
    let fresh = fresh.strip_prefix(&format!("http://127.0.0.1:{}", shop.nginx.port)).unwrap_or(&fresh);
    shop.in_states(&["offered", "released"]);
    shop.cloakroom.logged(&["released", "delivery="]);
    let answer = shop.get(fresh, &[]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "the second version"));
    shop.in_states(&["completed", "released"]);
    assert_eq!(shop.units(), (1, 0));
    assert_eq!(shop.get(&old, &[]).status, 410, "what was begun with the first version cannot go on");
    shop.nginx.assert_calm();
}

#[test]
fn answers_without_the_file_give_the_unit_back_at_once() {
    for (what, header, status) in [
        ("the client has it already", "If-None-Match", 304),
        ("it is not what the client wants", "If-Match", 412),
        ("nothing lies there", "Range", 416),
    ] {
        let shop = Shop::open();
        fs::write(shop.nginx.downloads().join("a.zip"), b"the goods").unwrap();
        let delivery = shop.click(&shop.link(), &[]);
        let etag = servers::http::ask(shop.nginx.port, "HEAD", &delivery, &[]).header("etag").unwrap().to_owned();
        shop.in_states(&["offered"]);
        let value = match header {
            "If-None-Match" => etag,
            "If-Match" => "\"another\"".to_owned(),
            _ => "bytes=9-".to_owned(),
        };
        assert_eq!(shop.get(&delivery, &[(header, &value)]).status, status, "{what}");
        until("the report of the answer", || (!shop.nginx.reported().is_empty()).then_some(()));
        shop.cloakroom.logged(&["offered", "delivery="]);
        shop.in_states(&["offered"]);
        assert_eq!(shop.units(), (0, 0), "{what}");
        assert_eq!(shop.get(&delivery, &[]).text(), "the goods");
        shop.in_states(&["completed"]);
        assert_eq!(shop.units(), (1, 0), "{what}");
        shop.nginx.assert_calm();
    }
}
