//! A download that arrived counts once, however often it broke off; one that did not arrive does not count.

use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::clients::{Customer, killed_after, killed_when, whole};
use crate::servers::http::Download;
use crate::servers::web::Way;
use crate::shop::{MIB, SLOW, Shop, bytes_sent, in_flight, is_covered, requests, units};

/// How a program is told to fetch a URL.
type Fetch = fn(&Customer, &str) -> Command;

#[track_caller]
fn arrived_once(shop: &Shop, customer: &Customer, requests_expected: usize) -> Value {
    let delivery = shop.becomes("completed");
    assert!(customer.got() == shop.goods, "the bytes are the file's");
    assert_eq!(units(&delivery), (1, 0), "{delivery:#}");
    assert_eq!(requests(&delivery).len(), requests_expected, "{delivery:#}");
    assert!(is_covered(&delivery), "{delivery:#}");
    assert_eq!(shop.deliveries().len(), 1, "one download, one delivery");
    delivery
}

#[test]
fn a_download_in_one_go_or_over_eight_connections_counts_once() {
    // What is not held back may arrive before a second connection is made.
    let clients: [(Fetch, &str, usize, usize); 2] = [
        (Customer::curl, "", 1, 1),
        (
            |customer, url| {
                let mut aria = customer.aria2c(url);
                aria.args(["-x8", "-s8"]);
                aria
            },
            SLOW,
            8,
            99,
        ),
    ];
    Way::every(|way| {
        for (fetch, more, fewest, most) in clients {
            let shop = Shop::at(way, 12 * MIB, more);
            let customer = Customer::new();
            whole(fetch(&customer, &shop.link(1)));
            assert!(customer.got() == shop.goods, "the bytes are the file's");
            let delivery = shop.comes_to("every report", |now| now["state"] == "completed" && in_flight(now) == 0);
            assert_eq!((units(&delivery), shop.deliveries().len()), ((1, 0), 1), "{delivery:#}");
            assert!(is_covered(&delivery), "{delivery:#}");
            let asked = requests(&delivery).len();
            assert!(asked >= fewest && asked <= most, "{asked} requests: {delivery:#}");
            shop.web.assert_calm();
        }
    });
}

#[test]
fn a_download_that_was_killed_and_resumed_counts_once_for_every_client() {
    let clients: [(&str, Fetch); 3] = [("curl", Customer::curl), ("curl with a jar", Customer::curl_with_jar), ("wget", Customer::wget)];
    Way::every(|way| {
        thread::scope(|scope| {
            for (name, fetch) in clients {
                for by_link in [true, false] {
                    scope.spawn(move || is_killed_and_resumed(way, name, fetch, by_link));
                }
            }
        });
    });
}

#[track_caller]
fn is_killed_and_resumed(way: Way, name: &str, fetch: Fetch, by_link: bool) {
    println!("{way:?} {name} {by_link}");
    let shop = Shop::at(way, 3 * MIB, SLOW);
    let link = shop.link(5);
    let url = if by_link { link.clone() } else { shop.click(&link) };
    let customer = Customer::new();
    killed_after(fetch(&customer, &url), &customer.file(), MIB as u64 / 2);
    let half = shop.comes_to("the report of what was killed", |delivery| in_flight(delivery) == 0 && bytes_sent(delivery) > 0);
    assert_eq!((half["state"].as_str(), units(&half)), (Some("open"), (0, 1)), "{name} {by_link}: {half:#}");
    assert!(customer.got().len() < shop.goods.len(), "{name} was killed too late");
    whole(fetch(&customer, &url));
    let delivery = arrived_once(&shop, &customer, 2);
    let said = shop.cloakroom.say(&["delivery", "show", delivery["id"].as_str().unwrap()]);
    for words in ["completed", "used 1, reserved 0, of 5", "100 %", "2 requests", "cut off", "whole"] {
        assert!(said.contains(words), "{name} {by_link}: {words:?} is missing:\n{said}");
    }
    shop.cloakroom.logged(&["127.0.0.1 completed"]);
    shop.web.assert_calm();
}

#[test]
fn sixteen_connections_killed_twice_and_resumed_are_one_download() {
    let by_address = |way: Way, by_link| {
        let shop = Shop::at(way, 16 * MIB, "[[policy]]\nname = \"default\"\nrate = \"150k/s\"\n");
        let link = shop.link(5);
        let url = if by_link { link.clone() } else { shop.click(&link) };
        let customer = Customer::new();
        let mut noted = vec![];
        for round in 0..2 {
            // Behind the 34 bytes of its head stands which pieces it has.
            let progress = |before: &[u8]| {
                let now = customer.control_file();
                now != before && now.get(34..).is_some_and(|pieces| pieces.iter().any(|&byte| byte != 0))
            };
            killed_when(customer.aria2c(&url), || progress(&noted));
            noted = customer.control_file();
            let cut = shop.settled();
            assert_eq!(units(&cut), (0, 1), "round {round}: {cut:#}");
        }
        whole(customer.aria2c(&url));
        let delivery = shop.becomes("completed");
        assert!(customer.got() == shop.goods, "the bytes are the file's");
        let delivery = shop.comes_to("the last reports", |now| in_flight(now) == 0 && requests(now).len() >= requests(&delivery).len());
        assert_eq!(units(&delivery), (1, 0), "{delivery:#}");
        assert_eq!(shop.deliveries().len(), 1, "one download, one delivery");
        assert!(requests(&delivery).len() > 16, "{delivery:#}");
        assert!(bytes_sent(&delivery) <= 2 * shop.goods.len() as u64, "{delivery:#}");
    };
    Way::every(|way| {
        thread::scope(|scope| [true, false].map(|by_link| scope.spawn(move || by_address(way, by_link))).map(|test| test.join().unwrap()));
    });
}

/// Nothing holds the web server back: a kill leaves in the buffers of sixteen connections what was sent and did not
/// arrive, up to all that was asked for, and each resume asks for the whole file before it asks for what is missing. So
/// one kill may cost a copy of the file, and the last resume needs room for another one.
#[test]
fn sixteen_connections_that_are_killed_late_are_finished_by_the_last_allowed_download() {
    for (more, shares) in [("", &[85][..]), ("[[policy]]\nname = \"default\"\nretry_factor = 5\n", &[50, 85])] {
        let shop = Shop::open(64 * MIB, more);
        let url = shop.click(&shop.link(1));
        let customer = Customer::new();
        let slow = || {
            let mut aria = customer.aria2c(&url);
            aria.arg("--max-overall-download-limit=30M");
            aria
        };
        let blocks = || std::fs::metadata(customer.file()).map_or(0, |there| there.blocks() * 512);
        for share in shares {
            killed_when(slow(), || blocks() > (64 * MIB * share / 100) as u64);
            shop.comes_to("what was cut", |now| in_flight(now) == 0);
        }
        whole(slow());
        assert!(customer.got() == shop.goods);
        let delivery = shop.comes_to("the last report", |now| now["state"] == "completed" && in_flight(now) == 0);
        assert_eq!((units(&delivery), shop.deliveries().len()), ((1, 0), 1), "{delivery:#}");
    }
}

#[test]
fn a_download_that_was_given_up_goes_back_after_its_grace() {
    Way::every(|way| {
        let shop = Shop::at(way, 2 * MIB, "[[policy]]\nname = \"default\"\nrate = \"1MB/s\"\nresume_grace = \"5s\"\n");
        let link = shop.link(1);
        let customer = Customer::new();
        killed_after(customer.curl(&link), &customer.file(), MIB as u64 / 4);
        let cut = shop.settled();
        assert_eq!((cut["state"].as_str(), units(&cut)), (Some("open"), (0, 1)), "{cut:#}");
        let over = shop.becomes("released");
        assert_eq!(units(&over), (0, 0), "{over:#}");
        assert!(over["closed"].is_string(), "{over:#}");
        shop.cloakroom.logged(&["127.0.0.1 released", "size=2097152"]);
        // What came back can be used: the same customer begins anew, and gets the file.
        std::fs::remove_file(customer.file()).unwrap();
        whole(customer.curl(&link));
        let delivery = shop.becomes("completed");
        assert!(customer.got() == shop.goods);
        assert_eq!((units(&delivery), shop.deliveries().len()), ((1, 0), 2), "{delivery:#}");
    });
}

#[test]
fn what_was_logged_as_whole_and_did_not_arrive_is_resumed_by_the_link() {
    Way::every(|way| {
        // aria2c asks for the whole and for long parts, and breaks them off when it divides the rest among its connections.
        let by: [(&str, Fetch, &str, &str); 2] =
            [("curl", Customer::curl, "-A", ""), ("aria2c", Customer::aria2c, "-U", "[[policy]]\nname = \"default\"\nretry_factor = 8\n")];
        for (name, fetch, agent_option, more) in by {
            let shop = Shop::at(way, 2 * MIB, more);
            let link = shop.link(1);
            let customer = Customer::new();
            // The buffers of both sides hold the file: nginx is done before the client has read half of it.
            let agent = [("User-Agent", name)];
            let url = shop.click_with(&link, &agent);
            let mut cut = Download::open(shop.web.port, "GET", shop.target(&url), &agent);
            cut.read(MIB / 2);
            let counted = shop.becomes("completed");
            assert_eq!(units(&counted), (1, 0), "{name}: {counted:#}");
            std::fs::write(customer.file(), &cut.answer.body).unwrap();
            drop(cut);
            let mut rest = fetch(&customer, &link);
            rest.args([agent_option, name]);
            whole(rest);
            let delivery = shop.comes_to("the report of the rest", |now| requests(now).len() > 1 && in_flight(now) == 0);
            assert!(customer.got() == shop.goods, "{name}");
            assert_eq!((delivery["state"].as_str(), units(&delivery)), (Some("completed"), (1, 0)), "{name}: {delivery:#}");
            assert_eq!(shop.deliveries().len(), 1, "{name}: one download, one delivery");
            // What is left of its bytes is no second download for somebody else.
            let other = shop.get(&link, &[("User-Agent", "another")]);
            assert_eq!((other.status, other.header("cloakroom-refusal")), (403, Some("limit_reached")), "{name}");
        }
    });
}

#[test]
fn a_client_that_starts_over_instead_of_resuming_is_still_one_download() {
    Way::every(|way| {
        let shop = Shop::at(way, 3 * MIB, SLOW);
        let link = shop.link(5);
        let customer = Customer::new();
        killed_after(customer.curl(&link), &customer.file(), MIB as u64 / 2);
        shop.settled();
        std::fs::remove_file(customer.file()).unwrap();
        whole(customer.curl(&link));
        arrived_once(&shop, &customer, 2);
    });
}

#[test]
fn who_starts_over_again_and_again_gets_the_next_download_once_the_bytes_of_one_are_sent() {
    let shop = Shop::open(2 * MIB, "[[policy]]\nname = \"default\"\nrate = \"600k/s\"\n");
    let link = shop.link(2);
    let customer = Customer::new();
    let mut rounds = 0;
    while shop.deliveries().len() < 2 {
        rounds += 1;
        assert!(rounds < 6, "the bytes of one delivery come to an end");
        let _ = std::fs::remove_file(customer.file());
        killed_after(customer.curl(&link), &customer.file(), MIB as u64);
        shop.settled();
    }
    assert!(rounds > 1, "the first start over belongs to the same delivery");
    whole(customer.curl(&link));
    let delivery = shop.becomes("completed");
    assert!(customer.got() == shop.goods);
    assert_eq!(units(&delivery), (1, 1), "{delivery:#}");
}

#[test]
fn a_file_that_is_replaced_in_the_middle_is_never_mixed() {
    Way::every(|way| {
        for by_link in [true, false] {
            let shop = Shop::at(way, 3 * MIB, SLOW);
            let link = shop.link(5);
            let url = if by_link { link.clone() } else { shop.click(&link) };
            let customer = Customer::new();
            killed_after(customer.curl(&url), &customer.file(), MIB as u64 / 2);
            shop.settled();
            let old = shop.goods[..customer.got().len()].to_vec();
            let new = crate::shop::goods(3 * MIB, 2);
            let aside = shop.web.downloads().join("album.new");
            std::fs::write(&aside, &new).unwrap();
            std::fs::rename(&aside, shop.web.downloads().join("album.zip")).unwrap();
            let resumed = crate::clients::ends(customer.curl(&url));
            assert_eq!(resumed.status.code(), Some(22), "an HTTP error: {resumed:?}");
            assert!(customer.got() == old, "nothing of the new file was put behind the old one's bytes");
            std::fs::remove_file(customer.file()).unwrap();
            // A fresh click gets the new file, whole.
            whole(customer.curl(&link));
            assert!(customer.got() == new);
            let delivery = shop.becomes("completed");
            assert_eq!(units(&delivery), (1, 0), "{delivery:#}");
            let states: Vec<Value> = shop.deliveries().into_iter().map(|delivery| delivery["state"].clone()).collect();
            assert_eq!(states, ["completed", "released"], "the old version's download went back");
        }
    });
}
