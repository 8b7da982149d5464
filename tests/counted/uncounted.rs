//! What is no download: looks, probes, and answers without a body.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use crate::servers::apache::{Apache, ApacheSetup, Downloads};
use crate::servers::http::{Answer, Download, ask};
use crate::servers::until;
use crate::servers::web::{Way, Web};
use crate::shop::{MIB, Shop, in_flight, is_covered, named, requests, units};

#[track_caller]
fn asks(shop: &Shop, method: &str, url: &str, headers: &[(&str, &str)]) -> Answer {
    ask(shop.web.port, method, shop.target(url), headers)
}

#[test]
fn looks_at_a_link_use_and_reserve_nothing() {
    Way::every(|way| {
        let shop = Shop::at(way, 100_000, "");
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
        assert!(named(&shop).is_empty(), "{:?}", named(&shop));
    });
}

#[test]
fn looks_at_a_delivery_use_and_reserve_nothing() {
    Way::every(|way| {
        let shop = Shop::at(way, 100_000, "");
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
    });
}

#[test]
fn a_probe_of_some_bytes_opens_a_download_and_does_not_count() {
    Way::every(|way| {
        let shop = Shop::at(way, 100_000, "");
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
    });
}

#[test]
fn the_two_ends_of_a_file_are_not_the_whole() {
    Way::every(|way| {
        let shop = Shop::at(way, 100_000, "[[policy]]\nname = \"default\"\nresume_grace = \"2s\"\n");
        let url = shop.click(&shop.link(1));
        for range in ["bytes=0-49999", "bytes=50001-99999"] {
            assert_eq!(asks(&shop, "GET", &url, &[("Range", range)]).status, 206);
        }
        let delivery = shop.settled();
        assert_eq!(delivery["covered"], 99_999, "{delivery:#}");
        let said = shop.cloakroom.say(&["delivery", "show"]);
        assert!(said.contains(" 99 %"), "{said}");
        assert_eq!(units(&shop.becomes("released")), (0, 0));
    });
}

#[test]
fn two_clients_with_a_half_each_and_all_parts_at_once_are_presumed_to_be_the_whole() {
    Way::every(|way| {
        for (asked, covered) in [
            (&[("one", "bytes=0-49999"), ("two", "bytes=50000-99999")][..], 50_000),
            (
                // Apache makes one part of two that touch, where they follow each other in the header.
                &[("one", "bytes=60000-99999,0-29999,30000-59999")],
                0,
            ),
        ] {
            let shop = Shop::at(way, 100_000, "[[policy]]\nname = \"default\"\nresume_grace = \"5s\"\n");
            let url = shop.click_with(&shop.link(1), &[("User-Agent", "one")]);
            for (agent, range) in asked {
                assert_eq!(asks(&shop, "GET", &url, &[("Range", range), ("User-Agent", agent)]).status, 206);
            }
            let delivery = shop.settled();
            assert_eq!((delivery["covered"].as_u64(), delivery["state"].as_str()), (Some(covered), Some("open")), "{delivery:#}");
            assert_eq!(units(&shop.becomes("presumed")), (1, 0));
        }
    });
}

#[test]
fn an_answer_without_the_files_bytes_gives_back_what_it_reserved() {
    Way::every(|way| {
        let shop = Shop::at(way, 100_000, "");
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
    });
}

#[test]
fn who_hangs_up_before_the_answer_leaves_no_request_of_which_nobody_knows() {
    Way::every(|way| {
        let shop = Shop::at(way, 100_000, "[[policy]]\nname = \"default\"\nconnections_max = 400\nresume_grace = \"3s\"\n");
        let url = shop.click(&shop.link(1));
        let request = format!("GET {} HTTP/1.1\r\nHost: shop.example\r\nRange: bytes=0-9\r\n\r\n", shop.target(&url));
        for _ in 0..300 {
            let mut stream = TcpStream::connect(("127.0.0.1", shop.web.port)).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
        }
        let over =
            shop.comes_to("some of them admitted, all reported", |delivery| !requests(delivery).is_empty() && in_flight(delivery) == 0);
        assert!(over["covered"].as_u64().unwrap() <= 10, "{over:#}");
        // Where not one of them was sent a byte, it is an offer again.
        let over = shop.comes_to("the end of its grace", |delivery| delivery["closed"].is_string() || delivery["state"] == "offered");
        let state = over["state"].as_str().unwrap();
        assert!(["released", "offered"].contains(&state), "{over:#}\n{}", shop.cloakroom.log().join("\n"));
        assert_eq!(units(&over), (0, 0), "{over:#}");
    });
}

#[test]
fn an_empty_file_is_a_download_too() {
    Way::every(|way| {
        let shop = Shop::at(way, 0, "");
        let url = shop.click(&shop.link(1));
        let answer = shop.get(&url, &[]);
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        assert_eq!(units(&shop.becomes("completed")), (1, 0));
    });
}

/// What was handed to the system may be lost: neither web server's log can tell, and both call it sent.
#[test]
fn a_small_file_whose_client_hangs_up_unread_is_counted_as_sent() {
    Way::every(|way| {
        let shop = Shop::at(way, 100_000, "");
        let url = shop.click(&shop.link(1));
        let mut download = Download::open(shop.web.port, "GET", shop.target(&url), &[]);
        download.read(1);
        until("its line", || (!named(&shop).is_empty()).then_some(()));
        drop(download);
        let delivery = shop.becomes("completed");
        assert_eq!((units(&delivery), is_covered(&delivery)), ((1, 0), true), "{delivery:#}");
    });
}

/// A large one is not: what the client's side had no room for is missed in the line.
#[test]
fn a_large_file_whose_client_hangs_up_is_never_counted_as_whole() {
    Way::every(|way| {
        let shop = Shop::at(way, 64 * MIB, "[[policy]]\nname = \"default\"\nresume_grace = \"2s\"\n");
        let url = shop.click(&shop.link(1));
        let mut download = Download::open(shop.web.port, "GET", shop.target(&url), &[]);
        download.read(MIB);
        drop(download);
        let over = shop.becomes("released");
        let covered = over["covered"].as_u64().unwrap();
        assert!(covered >= MIB as u64 && covered < 64 * MIB as u64, "{over:#}");
        assert_eq!(units(&over), (0, 0), "{over:#}");
    });
}

/// The lines of a site with filters and pages of its own.
fn around() -> String {
    let pages: String =
        [400, 403, 404, 405, 409, 410, 412, 416, 429, 500, 502, 503].map(|status| format!("ErrorDocument {status} /page.html\n")).concat();
    format!("SetOutputFilter DEFLATE\nAddOutputFilterByType DEFLATE application/zip text/plain\nProxyErrorOverride On\n{pages}")
}

/// A site that compresses what it sends, and has pages of its own for everything: its downloads are reported all the same.
#[test]
fn pages_and_filters_of_the_site_stay_away_from_downloads() {
    for downloads in [Downloads::Scgi, Downloads::Xsendfile] {
        let apache = Apache::start(&ApacheSetup { downloads, host: around(), ..ApacheSetup::default() });
        fs::write(apache.root().join("page.html"), "a page of the site").unwrap();
        let shop = Shop::before(Web::Apache(apache), 100_000, "");
        let tag = asks(&shop, "HEAD", &shop.link(1), &[]).header("etag").unwrap().to_owned();
        for (headers, status) in
            [(("Range", "bytes=100000-"), 416), (("If-Match", "\"another\""), 412), (("If-None-Match", tag.as_str()), 304)]
        {
            let url = shop.click(&shop.link(1));
            assert_eq!(asks(&shop, "GET", &url, &[headers]).status, status, "{downloads:?}");
            let over = shop.comes_to("nothing is reserved", |delivery| requests(delivery).len() == 1 && in_flight(delivery) == 0);
            assert_eq!(units(&over), (0, 0), "{downloads:?} {status}: {over:#}");
        }
        let link = shop.link(1);
        let url = shop.click(&link);
        let answer = asks(&shop, "GET", &url, &[("Accept-Encoding", "gzip, br")]);
        assert_eq!((answer.status, answer.header("content-encoding")), (200, None), "{downloads:?}");
        assert!(answer.body == shop.goods, "{downloads:?}");
        assert_eq!(units(&shop.becomes("completed")), (1, 0), "{downloads:?}");
        let refused = asks(&shop, "GET", &link, &[("User-Agent", "another"), ("Accept", "text/html")]);
        assert_eq!((refused.status, refused.header("cloakroom-refusal")), (403, Some("limit_reached")), "{downloads:?}");
        assert!(refused.text().contains("R-"), "{downloads:?}: {}", refused.text());
    }
}

#[test]
fn a_file_that_apache_does_not_find_or_may_not_read_gives_back_what_it_reserved() {
    let elsewhere: &[(&str, &str)] =
        &[("Alias \"/_cloakroom/masters/\"", "Alias \"/elsewhere/\""), ("XSendFilePath \"/", "XSendFilePath \"/elsewhere/")];
    let mut cases = vec![(elsewhere, 0o644, 404)];
    if rustix::process::geteuid().is_root() {
        cases.push((&[], 0o600, 403));
    }
    for downloads in [Downloads::Scgi, Downloads::Xsendfile] {
        for &(instead, mode, status) in &cases {
            let apache = Apache::start(&ApacheSetup { downloads, host: around(), instead, ..ApacheSetup::default() });
            let shop = Shop::before(Web::Apache(apache), 100_000, "");
            fs::set_permissions(shop.web.downloads().join("album.zip"), Permissions::from_mode(mode)).unwrap();
            let url = shop.click(&shop.link(1));
            let answer = asks(&shop, "GET", &url, &[]);
            // mod_xsendfile knows one word for both.
            let status = if downloads == Downloads::Xsendfile { 404 } else { status };
            assert_eq!(answer.status, status, "{downloads:?}");
            let over = shop.comes_to("nothing is reserved", |delivery| requests(delivery).len() == 1 && in_flight(delivery) == 0);
            assert_eq!(units(&over), (0, 0), "{downloads:?} {status}: {over:#}");
        }
    }
}
