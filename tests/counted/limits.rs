//! Never more downloads than were granted, and never more bytes, whoever shares the URL.

use crate::clients::{Customer, at_once, killed_after, whole};
use crate::servers::http::{Answer, Download};
use crate::servers::until;
use crate::servers::web::Way;
use crate::shop::{MIB, SLOW, Shop, bytes_logged, bytes_sent, in_flight, named, outcomes, units};

#[test]
fn fifty_clients_on_one_delivery_url_never_get_more_than_twice_the_bytes() {
    Way::every(|way| {
        for (round, more) in
            ["retry_factor = 1\n", "retry_factor = 1\nconnections_max = 64\n", "retry_factor = 0\n"].into_iter().enumerate()
        {
            let shop = Shop::at(way, 8 * MIB, &format!("[[policy]]\nname = \"default\"\n{more}"));
            let size = shop.goods.len() as u64;
            let url = shop.click(&shop.link(1));
            let answers = at_once(50, |number| {
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
            // What the web server itself wrote down, line by line.
            let sent = bytes_logged(&shop);
            assert!(sent >= size && sent <= most as u64 * size, "round {round}: {sent} of {size}");
            // And nobody gets more of it later.
            let late = shop.get(&url, &[]);
            if whole.len() == most {
                assert_eq!(late.header("cloakroom-refusal"), Some("byte_budget"), "{late:?}");
            }
            shop.web.assert_calm();
        }
    });
}

#[test]
fn of_thirty_customers_at_once_exactly_three_get_the_three_downloads() {
    Way::every(|way| {
        let shop = Shop::at(way, MIB, "");
        let link = shop.link(3);
        let answers = at_once(30, |number| {
            let own = format!("cloakroom=customer{number:022}");
            let clicked = shop.get(&link, &[("Cookie", &own)]);
            match clicked.header("location") {
                Some(to) => shop.get(&format!("http://127.0.0.1:{}{to}", shop.web.port), &[("Cookie", &own)]),
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
    });
}

#[test]
fn the_last_download_runs_once_and_is_finished_by_who_comes_when_it_has_stopped() {
    Way::every(|way| {
        let shop = Shop::at(way, 3 * MIB, SLOW);
        let link = shop.link(1);
        let url = shop.click_with(&link, &[("User-Agent", "first")]);
        let mut first = Download::open(shop.web.port, "GET", shop.target(&url), &[("User-Agent", "first")]);
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
    });
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

#[test]
fn requests_at_once_are_as_many_as_the_policy_says() {
    Way::every(|way| {
        let shop = Shop::at(way, 4 * MIB, &format!("{SLOW}connections_max = 2\nretry_factor = 9\n"));
        let url = shop.click(&shop.link(1));
        let open = || Download::open(shop.web.port, "GET", shop.target(&url), &[]);
        let mut running = [open(), open()];
        for download in &mut running {
            assert_eq!(download.answer.status, 200);
            download.read(1000);
        }
        let third = shop.get(&url, &[("Accept", "text/html")]);
        assert_eq!((third.status, third.header("cloakroom-refusal")), (429, Some("too_many_connections")));
        assert!(third.header("retry-after").is_some() && third.text().contains("R-"), "{}", third.text());
        let [first, _second] = running;
        drop(first);
        // The place is free once nginx has told that the answer ended.
        let joined = until("a free place", || Some(open()).filter(|download| download.answer.status == 200));
        drop(joined);
    });
}

#[test]
fn a_rate_is_never_passed() {
    const RATE: u32 = 100 * 1024;
    Way::each(&Way::WITH_RATES, |way| {
        let shop = Shop::at(way, 300 * 1024, "[[policy]]\nname = \"default\"\nrate = \"100k/s\"\nretry_factor = 3\n");
        let url = shop.click(&shop.link(1));
        let answers = at_once(3, |_| shop.get(&url, &[]));
        assert!(answers.iter().all(|answer| answer.body == shop.goods));
        let lines = until("the report", || Some(named(&shop)).filter(|lines| lines.len() >= 3));
        assert_eq!(lines.len(), 3, "{lines:#?}");
        for text in lines {
            let line: serde_json::Value = serde_json::from_str(&text).unwrap();
            let took = line["took"].as_str().unwrap().parse::<f64>().unwrap();
            // Apache counts in milliseconds.
            let took = if way == Way::Nginx { took } else { took / 1000.0 };
            let bytes = cloakroom::feed::line::read(text.as_bytes()).unwrap().unwrap().report().bytes;
            // nginx counts in whole seconds, and gives the first at once. Without a limit it takes milliseconds.
            let seconds = f64::from(u32::try_from(bytes).unwrap()) / f64::from(RATE);
            assert!(took >= seconds - 2.0 && took > 0.5, "{line:#}");
        }
    });
}

#[test]
fn a_grant_that_ends_with_the_day_is_good_until_the_last_second_of_it() {
    // Where it is noon, more or less: a second never ends the day.
    let hour = i64::try_from(cloakroom::clock::now().seconds() / 3600 % 24).unwrap();
    let zone = format!("Etc/GMT{:+}", hour - 12);
    let shop = Shop::open(
        100_000,
        &format!(
            "[[policy]]\nname = \"default\"\n\n[[policy]]\nname = \"day\"\nexpires = \"end-of-day\"\nzone = \"{zone}\"\nvalid_for = \"1s\"\n"
        ),
    );
    let issued = |policy: &str, more: &[&str]| {
        shop.cloakroom.json(&[&["grant", "add", "--file", "masters/album.zip", "--policy", policy], more].concat())
    };
    let exact = issued("default", &["--for", "1s"]);
    let day = issued("day", &[]);
    let noon_to_midnight = day["grant"]["expires"].as_str().unwrap().to_owned();
    let midnight: jiff::Timestamp = noon_to_midnight.parse().unwrap();
    let local = midnight.in_tz(&zone).unwrap();
    assert_eq!(local.time(), jiff::civil::Time::midnight(), "{local}");
    let ahead = u64::try_from(midnight.as_second()).unwrap().checked_sub(cloakroom::clock::now().seconds()).unwrap();
    assert!((10 * 3600..14 * 3600).contains(&ahead), "{ahead} seconds to {local}");
    let over =
        until("the end of the exact one", || Some(shop.get(exact["url"].as_str().unwrap(), &[])).filter(|answer| answer.status != 303));
    assert_eq!((over.status, over.header("cloakroom-refusal")), (410, Some("expired")));
    let url = shop.click(day["url"].as_str().unwrap());
    assert!(shop.get(&url, &[]).body == shop.goods);
    let unlimited = issued("day", &["--for", "unlimited"]);
    assert_eq!(unlimited["grant"]["expires"], serde_json::Value::Null);
}

#[test]
fn a_download_that_is_revoked_while_it_runs_ends_whole_and_nothing_begins_after_it() {
    Way::every(|way| {
        let shop = Shop::at(way, 3 * MIB, SLOW);
        let link = shop.link(3);
        let url = shop.click(&link);
        let mut running = Download::open(shop.web.port, "GET", shop.target(&url), &[]);
        running.read(MIB / 2);
        let open = shop.newest();
        shop.cloakroom.say(&["grant", "revoke", open["grant_id"].as_str().unwrap()]);
        for (url, headers) in [(&link, &[][..]), (&url, &[]), (&url, &[("Range", "bytes=1000-")])] {
            let refused = shop.get(url, headers);
            assert_eq!((refused.status, refused.header("cloakroom-refusal")), (403, Some("revoked")), "{headers:?}");
        }
        assert!(running.finish().body == shop.goods, "what the web server sends, it sends to the end");
        let delivery = shop.becomes("completed");
        assert_eq!((units(&delivery), shop.deliveries().len()), ((1, 0), 1), "{delivery:#}");
        shop.web.assert_calm();
    });
}
