//! What is no download: looks, probes, and answers without a body.

use std::io::Write as _;
use std::net::TcpStream;

use crate::servers::http::{Answer, ask};
use crate::shop::{Shop, in_flight, requests, units};

#[track_caller]
fn asks(shop: &Shop, method: &str, url: &str, headers: &[(&str, &str)]) -> Answer {
    ask(shop.nginx.port, method, shop.target(url), headers)
}

#[test]
fn looks_at_a_link_use_and_reserve_nothing() {
    let shop = Shop::open(100_000, "");
    let link = shop.link(1);
    let head = asks(&shop, "HEAD", &link, &[]);
    assert_eq!((head.status, head.header("content-length")), (200, Some("100000")));
    for ahead in [("Sec-Purpose", "prefetch"), ("Sec-Purpose", "prefetch;prerender"), ("Purpose", "prefetch")] {
        let answer = asks(&shop, "GET", &link, &[ahead]);
        assert_eq!((answer.status, answer.header("cloakroom-refusal")), (503, Some("preparing")), "{ahead:?}");
    }
    assert!(shop.deliveries().is_empty(), "not even an offer");
    for _ in 0..3 {
        assert_eq!(shop.get(&link, &[]).status, 303);
    }
    let offered = shop.newest();
    assert_eq!((offered["state"].as_str(), units(&offered)), (Some("offered"), (0, 0)));
    assert!(shop.nginx.reported().is_empty(), "{:?}", shop.nginx.reported());
}

#[test]
fn looks_at_a_delivery_use_and_reserve_nothing() {
    let shop = Shop::open(100_000, "");
    let url = shop.click(&shop.link(1));
    let head = asks(&shop, "HEAD", &url, &[]);
    assert_eq!((head.status, head.header("content-length")), (200, Some("100000")));
    let part = asks(&shop, "HEAD", &url, &[("Range", "bytes=0-9")]);
    assert!([200, 206].contains(&part.status), "{part:?}");
    let ahead = asks(&shop, "GET", &url, &[("Sec-Purpose", "prefetch")]);
    assert_eq!((ahead.status, ahead.header("cloakroom-refusal")), (503, Some("preparing")));
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = asks(&shop, method, &url, &[]);
        assert!(answer.status >= 400, "{method}: {answer:?}");
    }
    let offered = shop.newest();
    assert_eq!((offered["state"].as_str(), units(&offered)), (Some("offered"), (0, 0)), "{offered:#}");
    assert!(requests(&offered).is_empty());
    // Afterwards the one download is still there.
    assert!(shop.get(&url, &[]).body == shop.goods);
    assert_eq!(units(&shop.becomes("completed")), (1, 0));
}

#[test]
fn a_probe_of_some_bytes_opens_a_download_and_does_not_count() {
    let shop = Shop::open(100_000, "");
    let url = shop.click(&shop.link(1));
    for (range, bytes) in [("bytes=0-0", 1), ("bytes=0-1", 2), ("bytes=-1", 1), ("bytes=0-0,50-50", 0)] {
        let answer = asks(&shop, "GET", &url, &[("Range", range)]);
        assert_eq!(answer.status, 206, "{range}");
        assert!(bytes == 0 || answer.body.len() == bytes, "{range}");
        let probed = shop.settled();
        assert_eq!((probed["state"].as_str(), units(&probed)), (Some("open"), (0, 1)), "{range}: {probed:#}");
    }
    assert!(shop.get(&url, &[]).body == shop.goods);
    let delivery = shop.becomes("completed");
    assert_eq!((units(&delivery), requests(&delivery).len()), ((1, 0), 5));
}

#[test]
fn the_two_ends_of_a_file_are_not_the_whole() {
    let shop = Shop::open(100_000, "[[policy]]\nname = \"default\"\nresume_grace = \"2s\"\n");
    let url = shop.click(&shop.link(1));
    for range in ["bytes=0-49999", "bytes=50001-99999"] {
        assert_eq!(asks(&shop, "GET", &url, &[("Range", range)]).status, 206);
    }
    let delivery = shop.settled();
    assert_eq!(delivery["covered"], 99_999, "{delivery:#}");
    let said = shop.cloakroom.say(&["delivery", "show"]);
    assert!(said.contains(" 99 %"), "{said}");
    assert_eq!(units(&shop.becomes("released")), (0, 0));
}

#[test]
fn two_clients_with_a_half_each_and_all_parts_at_once_are_presumed_to_be_the_whole() {
    for (asked, covered) in
        [(&[("one", "bytes=0-49999"), ("two", "bytes=50000-99999")][..], 50_000), (&[("one", "bytes=0-49999,50000-99999")], 0)]
    {
        let shop = Shop::open(100_000, "[[policy]]\nname = \"default\"\nresume_grace = \"2s\"\n");
        let url = shop.click_with(&shop.link(1), &[("User-Agent", "one")]);
        for (agent, range) in asked {
            assert_eq!(asks(&shop, "GET", &url, &[("Range", range), ("User-Agent", agent)]).status, 206);
        }
        let delivery = shop.settled();
        assert_eq!((delivery["covered"].as_u64(), delivery["state"].as_str()), (Some(covered), Some("open")), "{delivery:#}");
        assert_eq!(units(&shop.becomes("presumed")), (1, 0));
    }
}

#[test]
fn an_answer_without_the_files_bytes_gives_back_what_it_reserved() {
    let shop = Shop::open(100_000, "");
    let head = asks(&shop, "HEAD", &shop.link(1), &[]);
    let (tag, time) = (head.header("etag").unwrap(), head.header("last-modified").unwrap());
    for (name, headers, status) in [
        ("an unchanged file, by its tag", &[("If-None-Match", tag)][..], 304),
        ("an unchanged file, by its time", &[("If-Modified-Since", time)], 304),
        ("a range outside", &[("Range", "bytes=100000-")], 416),
        ("another version", &[("If-Match", "\"another\"")], 412),
    ] {
        let url = shop.click(&shop.link(1));
        let answer = asks(&shop, "GET", &url, headers);
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        let over = shop.comes_to(name, |delivery| requests(delivery).len() == 1 && in_flight(delivery) == 0);
        assert_eq!(units(&over), (0, 0), "{name}: {over:#}");
        assert!(shop.get(&url, &[]).body == shop.goods, "{name}: it can still be downloaded");
        assert_eq!(units(&shop.becomes("completed")), (1, 0), "{name}");
    }
}

#[test]
fn who_hangs_up_before_the_answer_leaves_no_request_of_which_nobody_knows() {
    let shop = Shop::open(100_000, "[[policy]]\nname = \"default\"\nconnections_max = 400\nresume_grace = \"3s\"\n");
    let url = shop.click(&shop.link(1));
    let request = format!("GET {} HTTP/1.1\r\nHost: shop.example\r\nRange: bytes=0-9\r\n\r\n", shop.target(&url));
    for _ in 0..300 {
        let mut stream = TcpStream::connect(("127.0.0.1", shop.nginx.port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
    }
    let over = shop.comes_to("some of them admitted, all reported", |delivery| !requests(delivery).is_empty() && in_flight(delivery) == 0);
    assert!(over["covered"].as_u64().unwrap() <= 10, "{over:#}");
    // Where not one of them was sent a byte, it is an offer again.
    let over = shop.comes_to("the end of its grace", |delivery| delivery["closed"].is_string() || delivery["state"] == "offered");
    let state = over["state"].as_str().unwrap();
    assert!(["released", "offered"].contains(&state), "{over:#}\n{}", shop.cloakroom.log().join("\n"));
    assert_eq!(units(&over), (0, 0), "{over:#}");
}

#[test]
fn an_empty_file_is_a_download_too() {
    let shop = Shop::open(0, "");
    let url = shop.click(&shop.link(1));
    let answer = shop.get(&url, &[]);
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(units(&shop.becomes("completed")), (1, 0));
}
