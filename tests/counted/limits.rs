//! Never more downloads than were granted, and never more bytes, whoever shares the URL.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;

use crate::clients::{Customer, killed_after, whole};
use crate::servers::http::{Answer, Download};
use crate::servers::until;
use crate::shop::{MIB, SLOW, Shop, bytes_sent, in_flight, units};

/// Many clients at the same moment; what each of them got.
fn at_once(shop: &Shop, clients: usize, ask: impl Fn(usize, &Shop) -> Answer + Sync) -> Vec<Answer> {
    let start = Barrier::new(clients);
    thread::scope(|scope| {
        let asking: Vec<_> = (0..clients)
            .map(|number| {
                let (start, ask) = (&start, &ask);
                scope.spawn(move || {
                    start.wait();
                    ask(number, shop)
                })
            })
            .collect();
        asking.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

/// How often each outcome came: `200`, or the refusal's code.
fn outcomes(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        let outcome = answer.header("cloakroom-refusal").map_or_else(|| answer.status.to_string(), str::to_owned);
        *counts.entry(outcome).or_default() += 1;
    }
    counts
}

#[test]
fn fifty_clients_on_one_delivery_url_never_get_more_than_twice_the_bytes() {
    for (round, more) in ["", "connections_max = 64\n", "retry_factor = 0\n"].into_iter().enumerate() {
        let shop = Shop::open(8 * MIB, &format!("[[policy]]\nname = \"default\"\n{more}"));
        let size = shop.goods.len() as u64;
        let url = shop.click(&shop.link(1));
        let answers = at_once(&shop, 50, |number, shop| {
            let agent = format!("client {number}");
            shop.get(&url, &[("User-Agent", &agent)])
        });
        let counts = outcomes(&answers);
        let whole: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert!(!whole.is_empty() && whole.iter().all(|answer| answer.body == shop.goods), "round {round}: {counts:?}");
        let most = if more.contains("retry_factor = 0") { 1 } else { 2 };
        assert!(whole.len() <= most, "round {round}: {counts:?}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(answer.status, 429, "round {round}: {answer:?}");
            let refusal = answer.header("cloakroom-refusal").unwrap();
            assert!(["byte_budget", "too_many_connections"].contains(&refusal), "round {round}: {refusal}");
            assert!(answer.text().contains("R-"), "a page with a support code: {}", answer.text());
        }
        assert_eq!(counts.values().sum::<usize>(), 50, "{counts:?}");
        let delivery = shop.comes_to("the last report", |delivery| delivery["state"] == "completed" && in_flight(delivery) == 0);
        assert_eq!(units(&delivery), (1, 0), "{delivery:#}");
        assert!(delivery["bytes_charged"].as_u64().unwrap() <= most as u64 * size, "{delivery:#}");
        assert!(bytes_sent(&delivery) <= most as u64 * size, "{delivery:#}");
        // What nginx itself wrote down, line by line.
        let lines: Vec<serde_json::Value> = shop.nginx.reported().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let sent: u64 = lines.iter().map(|line| line["bytes"].as_str().unwrap().parse::<u64>().unwrap()).sum();
        assert!(sent >= size && sent <= most as u64 * size, "round {round}: {sent} of {size}: {lines:#?}");
        // And nobody gets more of it later.
        let late = shop.get(&url, &[]);
        if whole.len() == most {
            assert_eq!(late.header("cloakroom-refusal"), Some("byte_budget"), "{late:?}");
        }
        shop.nginx.assert_calm();
    }
}

#[test]
fn of_thirty_customers_at_once_exactly_three_get_the_three_downloads() {
    let shop = Shop::open(MIB, "");
    let link = shop.link(3);
    let answers = at_once(&shop, 30, |number, shop| {
        let own = format!("cloakroom=customer{number:022}");
        let clicked = shop.get(&link, &[("Cookie", &own)]);
        match clicked.header("location") {
            Some(to) => shop.get(&format!("http://127.0.0.1:{}{to}", shop.nginx.port), &[("Cookie", &own)]),
            None => clicked,
        }
    });
    let counts = outcomes(&answers);
    assert!(answers.iter().filter(|answer| answer.status == 200).all(|answer| answer.body == shop.goods), "{counts:?}");
    let others = counts.get("download_running").unwrap_or(&0) + counts.get("limit_reached").unwrap_or(&0);
    assert_eq!((counts.get("200"), others), (Some(&3), 27), "{counts:?}");
    let done = until("three completed downloads", || {
        let done: Vec<_> = shop.deliveries().into_iter().filter(|delivery| delivery["state"] == "completed").collect();
        (done.len() == 3).then_some(done)
    });
    assert_eq!(units(&shop.delivery(done[0]["id"].as_str().unwrap())), (3, 0));
    assert!(shop.deliveries().iter().all(|delivery| delivery["state"] == "completed" || delivery["state"] == "offered"));
    let late = shop.get(&link, &[("User-Agent", "another")]);
    assert_eq!((late.status, late.header("cloakroom-refusal")), (403, Some("limit_reached")));
}

#[test]
fn the_last_download_runs_once_and_is_finished_by_who_comes_when_it_has_stopped() {
    let shop = Shop::open(3 * MIB, SLOW);
    let link = shop.link(1);
    let url = shop.click_with(&link, &[("User-Agent", "first")]);
    let mut first = Download::open(shop.nginx.port, "GET", shop.target(&url), &[("User-Agent", "first")]);
    first.read(MIB / 2);
    let second = shop.get(&link, &[("User-Agent", "second"), ("Accept", "text/html")]);
    assert_eq!((second.status, second.header("cloakroom-refusal")), (409, Some("download_running")));
    assert!(second.text().contains("<html") && second.text().contains("R-"), "{}", second.text());
    drop(first);
    let cut = shop.settled();
    assert_eq!((cut["state"].as_str(), units(&cut)), (Some("open"), (0, 1)), "{cut:#}");
    let customer = Customer::new();
    whole(customer.curl(&link));
    assert!(customer.got() == shop.goods);
    let delivery = shop.becomes("completed");
    assert_eq!((units(&delivery), shop.deliveries().len()), ((1, 0), 1), "{delivery:#}");
    let third = shop.get(&link, &[]);
    assert_eq!((third.status, third.header("cloakroom-refusal")), (403, Some("limit_reached")));
}

#[test]
fn a_link_of_no_downloads_opens_none() {
    let shop = Shop::open(1000, "");
    let answer = shop.get(&shop.link(0), &[]);
    assert_eq!((answer.status, answer.header("cloakroom-refusal")), (403, Some("limit_reached")));
    assert!(shop.deliveries().is_empty());
}

#[test]
fn when_the_time_is_over_nothing_begins_and_what_is_open_goes_on() {
    let slow = "[[policy]]\nname = \"default\"\nrate = \"1MB/s\"\n";
    for (more, arguments, refusal) in [("link_ttl = \"2s\"\n", &[][..], "link_expired"), ("", &["--for", "2s"][..], "expired")] {
        let shop = Shop::open(3 * MIB, &format!("{slow}{more}"));
        let new_link = || shop.cloakroom.say(&[&["grant", "add", "--file", "masters/album.zip", "--max", "5"], arguments].concat());
        let link = new_link();
        let delivery_url = shop.click(&link);
        let customer = Customer::new();
        killed_after(customer.curl(&delivery_url), &customer.file(), MIB as u64 / 2);
        let cut = shop.settled();
        let id = cut["id"].as_str().unwrap();
        // A link that was made later is over later.
        let later = new_link();
        let over = until("the end of the later link", || Some(shop.get(&later, &[])).filter(|answer| answer.status != 303));
        assert_eq!((over.status, over.header("cloakroom-refusal")), (410, Some(refusal)));
        whole(customer.curl(&delivery_url));
        assert!(customer.got() == shop.goods);
        until("the completed download", || (shop.delivery(id)["state"] == "completed").then_some(()));
        assert_eq!(units(&shop.delivery(id)), (1, 0));
        // Who clicked could still have what is left of the download's bytes; somebody else begins nothing.
        let over = shop.get(&link, &[("User-Agent", "somebody else")]);
        assert_eq!((over.status, over.header("cloakroom-refusal")), (410, Some(refusal)));
    }
}
