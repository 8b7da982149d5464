//! What an order opens and shuts, by each method.

use serde_json::json;

use crate::servers::http::Download;
use crate::servers::nginx::NginxSetup;
use crate::servers::site::{Site, content};
use crate::servers::until;
use crate::shop::*;

/// A download of some MiB takes seconds, whatever the client's buffers hold.
const SLOW: &str = "[[policy]]\nname = \"default\"\nrate = \"1MB/s\"\n";

#[test]
fn a_paid_order_of_two_products_opens_five_links_and_each_gives_its_file() {
    let site = Site::open();
    stocked(&site);
    let order = report(&site, &two_products("paid"));
    assert_eq!((order["state"].as_str(), order["changed"].as_bool()), (Some("paid"), Some(true)));
    let names: Vec<String> = grants(&order).iter().map(|sold| sold["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["book.pdf", "book.epub", "poster.pdf", "large.pdf", "large.svg"]);
    let urls = urls(&order);
    assert_eq!(urls.len(), 5);
    for (url, name) in urls.iter().zip(names) {
        let click = site.get(&site.target(url));
        assert_eq!(click.status, 303, "{name}: {click:?}");
        let file = site.get(click.header("location").unwrap());
        assert!(file.status == 200 && file.body == content(SIZE), "{name}");
    }
    for sold in grants(&order) {
        let id = sold["grant"]["id"].as_str().unwrap();
        until("it is counted", || (site.cloakroom.json(&["grant", "show", id])["used"] == 1).then_some(()));
        assert_eq!(sold["grant"]["customer"], "anna@b.example");
    }
}

#[test]
fn what_is_not_paid_opens_nothing_and_what_is_taken_back_is_refused_with_its_reason_until_it_is_paid_again() {
    let site = Site::open();
    stocked(&site);
    let pending = report(&site, &two_products("pending"));
    assert!(grants(&pending).is_empty(), "{pending}");
    let paid = report(&site, &two_products("paid"));
    let link = site.target(&urls(&paid)[0]);
    let mut seen = 0;
    for (state, status, refusal) in [
        ("on_hold", 403, "on_hold"),
        ("refunded", 403, "refunded"),
        ("cancelled", 403, "cancelled"),
        ("charged_back", 403, "refunded"),
        ("pending", 402, "not_paid"),
    ] {
        let shut = report(&site, &json!({"external_id": "1001", "state": state}));
        assert_eq!(ids(&shut), ids(&paid), "the same grants");
        let answer = site.get(&link);
        assert_eq!((answer.status, answer.header("Cloakroom-Refusal")), (status, Some(refusal)));
        let explained = site.cloakroom.json(&["explain", &ids(&paid)[0]]);
        assert!(explained.to_string().contains(&format!("which is {state}")), "{explained}");
        assert!(explained["advice"].as_str().unwrap().contains("cloakroom order set o-"), "{explained}");
        site.cloakroom.say(&["order", "set", "1001", "paid"]);
        assert_eq!(site.get(&link).status, 303, "after {state}");
        seen += 1;
    }
    assert_eq!(seen, 5);
    let history = site.cloakroom.json(&["grant", "show", &ids(&paid)[0]])["history"].clone();
    let acts: Vec<&str> = history.as_array().unwrap().iter().filter_map(|entry| entry["value"].as_str()).collect();
    let states = ["on_hold", "paid", "refunded", "paid", "cancelled", "paid", "charged_back", "paid", "pending", "paid"];
    assert_eq!(acts[1..], states, "{history}");
}

#[test]
fn a_refund_lets_the_running_answer_end_and_refuses_the_next_request() {
    let site = Site::with(SLOW);
    let goods = content(3 << 20);
    site.master("a.zip", &goods);
    let id = site.cloakroom.say(&["file", "add", "masters/a.zip"]);
    site.cloakroom.say(&["product", "add", "a", "--file", &id]);
    let url = site.cloakroom.say(&["order", "add", "7", "--line", "a"]);
    let click = site.get(&site.target(&url));
    let delivery = site.remember(click.header("location").unwrap());
    let running = Download::open(site.nginx.port, "GET", &delivery, &[]);
    assert_eq!(running.answer.status, 200);
    site.cloakroom.say(&["order", "set", "7", "refunded"]);
    let next = site.ask("GET", &delivery, &[("Range", "bytes=1000000-")]);
    assert_eq!((next.status, next.header("Cloakroom-Refusal")), (403, Some("refunded")), "the next range");
    let again = site.get(&site.target(&url));
    assert_eq!((again.status, again.header("Cloakroom-Refusal")), (403, Some("refunded")), "the next click");
    assert!(running.finish().body == goods, "the running one ends whole");
}

#[test]
fn a_refund_takes_a_stub_away_and_paying_again_lets_the_next_click_place_another() {
    let site = Site::with_stubs(&NginxSetup::default(), "method = [\"stub\"]", true);
    let id = file(&site, "a.zip");
    site.cloakroom.say(&["product", "add", "a", "--file", &id]);
    let link = site.target(&site.cloakroom.say(&["order", "add", "7", "--line", "a"]));
    let stub = site.get(&link).header("location").unwrap().to_owned();
    assert_eq!(site.get(&stub).status, 200);
    site.cloakroom.say(&["order", "set", "7", "refunded"]);
    until("the stub is gone", || (site.get(&stub).status == 404).then_some(()));
    assert_eq!(site.get(&link).header("Cloakroom-Refusal"), Some("refunded"));
    site.cloakroom.say(&["order", "set", "7", "paid"]);
    let again = site.get(&link);
    assert_eq!((again.status, site.get(again.header("location").unwrap()).status), (303, 200), "{again:?}");
}

#[test]
fn a_refund_takes_a_copy_away_and_paying_again_makes_another() {
    let site = Site::with_copies("", true);
    let id = file(&site, "a.zip");
    site.cloakroom.say(&["product", "add", "a", "--file", &id]);
    let printed = site.cloakroom.say(&["order", "add", "7", "--line", "a"]);
    let link = site.target(printed.lines().next().unwrap());
    let grant = site.cloakroom.json(&["order", "show", "7"])["lines"][0]["grants"][0]["grant"]["id"].as_str().unwrap().to_owned();
    let copies = |state: &str| {
        let copies = site.cloakroom.json(&["grant", "show", &grant])["copies"].clone();
        copies.as_array().unwrap().iter().filter(|copy| copy["state"] == state).count()
    };
    until("the copy is there", || (copies("live") == 1).then_some(()));
    assert_eq!(site.get(&link).status, 303);
    site.cloakroom.say(&["order", "set", "7", "refunded"]);
    until("the copy is gone", || (copies("gone") == 1).then_some(()));
    assert_eq!(crate::servers::names_in(&site.nginx.goods()).iter().filter(|name| name.contains(".zip")).count(), 0);
    assert_eq!(site.get(&link).header("Cloakroom-Refusal"), Some("refunded"));
    site.cloakroom.say(&["order", "set", "7", "paid"]);
    until("another one is there", || (copies("live") == 1).then_some(()));
    assert_eq!(site.get(&link).status, 303);
}

#[test]
fn what_the_shop_tells_beside_a_file_stands_on_its_page_and_on_that_of_the_order() {
    let site = Site::open();
    let id = file(&site, "a.zip");
    let licence = "For one person & <one> desk.";
    site.cloakroom.say(&["product", "add", "a", "--file", &id, "--note", licence]);
    let lines = json!([{"sku": "a", "note": "Serial number:\r\n7F3K-22AB"}]);
    let order = report(&site, &json!({"external_id": "7", "state": "paid", "lines": lines}));
    assert_eq!(order["lines"][0]["note"], "Serial number:\n7F3K-22AB");
    let page = site.target(order["page_url"].as_str().unwrap());
    for target in [site.target(&urls(&order)[0]), page] {
        let shown = site.ask("GET", &target, &[("Accept", "text/html")]);
        let text = shown.text();
        assert_eq!(shown.status, 200, "{text}");
        for told in ["For one person &amp; &lt;one&gt; desk.", "Serial number:\n7F3K-22AB"] {
            assert!(text.contains(told), "{told}: {text}");
        }
    }
    let (status, answer) = call(&site, "PUT", "/api/v1/products/a", &json!({"note": "\u{1b}[2J"}));
    assert!(status == 422 && answer["detail"].as_str().unwrap().contains("note"), "{answer}");
}
