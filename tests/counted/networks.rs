//! From where a link is used: loopback has many addresses, and nginx sees which one asks.

use std::process::Command;

use crate::clients::{Customer, ends, killed_after, whole};
use crate::servers::web::Way;
use crate::shop::{MIB, SLOW, Shop, units};

/// What one client at `address` is told.
struct Told {
    status: u16,
    refusal: Option<String>,
    to: Option<String>,
    body: Vec<u8>,
}

/// Asks once from `address`, follows nothing.
#[track_caller]
fn told(address: &str, url: &str, accept: &str) -> Told {
    let output = Command::new("curl")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .args(["-q", "-sS", "-i", "--interface", address, "-H", &format!("Accept: {accept}"), url])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let end = output.stdout.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(output.stdout[..end].to_vec()).unwrap();
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.split_once(": ").filter(|(there, _)| there.eq_ignore_ascii_case(name)));
        line.map(|(_, value)| value.to_owned())
    };
    Told {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        refusal: header("cloakroom-refusal"),
        to: header("location"),
        body: output.stdout[end + 4..].to_vec(),
    }
}

/// Clicks from `address`, and gives where that leads.
#[track_caller]
fn click(shop: &Shop, address: &str, link: &str) -> String {
    let clicked = told(address, link, "*/*");
    assert_eq!((clicked.status, clicked.refusal), (303, None), "{address}");
    let to = clicked.to.unwrap();
    if to.starts_with('/') { format!("http://127.0.0.1:{}{to}", shop.web.port) } else { to }
}

/// Is refused this way, with a page that says what to do.
#[track_caller]
fn refused(address: &str, url: &str, status: u16, code: &str, words: &[&str]) {
    let page = told(address, url, "text/html");
    let text = String::from_utf8_lossy(&page.body).into_owned();
    assert_eq!((page.status, page.refusal.as_deref()), (status, Some(code)), "{address}: {text}");
    for words in words.iter().chain(&["<html", "Support code", "R-"]) {
        assert!(text.contains(words), "{address}: {words:?} is missing: {text}");
    }
}

#[test]
fn a_link_for_some_networks_opens_there_and_nowhere_else() {
    Way::every(|way| {
        let shop =
            Shop::at(way, 100_000, "[[policy]]\nname = \"default\"\nnetworks = [\"127.0.0.2\", \"127.0.3.0/24\", \"2001:db8::/32\"]\n");
        let link = shop.link(3);
        let words = ["cannot be used from your network", "such as that of an office or a home"];
        for outside in ["127.0.0.1", "127.0.0.3", "127.0.2.255", "127.0.4.0"] {
            refused(outside, &link, 403, "wrong_network", &words);
        }
        assert!(shop.deliveries().is_empty(), "who is outside changes nothing");
        let mut urls = Vec::new();
        for inside in ["127.0.0.2", "127.0.3.1", "127.0.3.254"] {
            let url = click(&shop, inside, &link);
            assert!(told(inside, &url, "*/*").body == shop.goods, "{inside}");
            urls.push(url);
        }
        for url in &urls {
            refused("127.0.0.1", url, 403, "wrong_network", &words);
        }
        assert_eq!(units(&shop.becomes("completed")), (3, 0));
        shop.cloakroom.logged(&["127.0.0.1 refused wrong_network"]);
        shop.web.assert_calm();
    });
}

#[test]
fn a_shared_link_ends_with_its_last_network() {
    Way::every(|way| {
        let shop = Shop::at(way, 100_000, "[[policy]]\nname = \"default\"\nnetworks_max = 2\nretry_factor = 9\n");
        let link = shop.link(100);
        let first = click(&shop, "127.0.1.1", &link);
        let unused = click(&shop, "127.0.9.9", &link);
        assert!(told("127.0.1.1", &first, "*/*").body == shop.goods);
        let second = click(&shop, "127.0.2.1", &link);
        assert!(told("127.0.2.1", &second, "*/*").body == shop.goods);
        let before = shop.deliveries().len();
        let words = ["used from too many places", "Use a network from which it worked before", "mobile data"];
        for stranger in ["127.0.3.1", "127.0.4.1", "127.0.9.9"] {
            for url in [&link, &first, &second, &unused] {
                refused(stranger, url, 429, "too_many_networks", &words);
            }
        }
        assert_eq!(shop.deliveries().len(), before, "a refused click leaves nothing behind");
        for known in ["127.0.1.1", "127.0.1.200", "127.0.2.77"] {
            assert!(told(known, &click(&shop, known, &link), "*/*").body == shop.goods, "{known}");
            assert!(told(known, &first, "*/*").body == shop.goods, "{known}");
        }
        let done = shop.becomes("completed");
        assert_eq!(units(&done), (5, 0), "{done:#}");
        let explained = shop.cloakroom.say(&["explain", &link, "--from", "127.0.3.1"]);
        for words in ["too_many_networks", "networks: 2 of 2 seen: 127.0.1.0/24, 127.0.2.0/24", "networks_max"] {
            assert!(explained.contains(words), "{words:?} is missing:\n{explained}");
        }
        shop.cloakroom.logged(&["127.0.3.1 refused too_many_networks"]);
        shop.web.assert_calm();
    });
}

#[test]
fn a_download_that_moves_to_one_network_too_many_goes_on_where_it_began() {
    Way::every(|way| {
        for by_link in [true, false] {
            let shop = Shop::at(way, 3 * MIB, &format!("{SLOW}networks_max = 1\n"));
            let link = shop.link(1);
            let url = if by_link { link.clone() } else { click(&shop, "127.0.1.1", &link) };
            let customer = Customer::new();
            killed_after(customer.curl_from("127.0.1.1", &url), &customer.file(), MIB as u64 / 2);
            shop.settled();
            let before = customer.got().len();
            let away = ends(customer.curl_from("127.0.2.1", &url));
            assert_eq!(away.status.code(), Some(22), "an HTTP error: {away:?}");
            assert_eq!(customer.got().len(), before, "no page behind the file's bytes");
            whole(customer.curl_from("127.0.1.1", &url));
            let delivery = shop.becomes("completed");
            assert!(customer.got() == shop.goods);
            assert_eq!((units(&delivery), shop.deliveries().len()), ((1, 0), 1), "{delivery:#}");
        }
    });
}

#[test]
fn networks_of_a_download_without_a_limit_are_not_counted() {
    let shop = Shop::open(100_000, "[[policy]]\nname = \"default\"\nretry_factor = 9\n");
    let link = shop.link(1);
    let url = click(&shop, "127.0.1.1", &link);
    for network in 1..10 {
        let address = format!("127.0.{network}.1");
        assert!(told(&address, &url, "*/*").body == shop.goods, "{address}");
    }
    assert_eq!(units(&shop.becomes("completed")), (1, 0));
}
