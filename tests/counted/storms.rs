//! Everybody at once: crowds on one link and on one delivery, readers that ask for a thousand pieces, downloads that are
//! given up at the very end.

use proptest::prelude::Rng as _;
use proptest::test_runner::TestRng;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::clients::{Customer, at_once, ends, runs_until, whole};
use crate::servers::http::{Answer, get};
use crate::servers::nginx::NginxSetup;
use crate::servers::until;
use crate::servers::web::Way;
use crate::shop::{MIB, SLOW, Shop, bytes_logged, bytes_sent, in_flight, is_covered, outcomes, requests, units};

/// A thousand connections need a thousand descriptors, of this process too.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

#[test]
fn of_a_hundred_customers_with_cookie_jars_exactly_three_get_the_three_downloads_in_every_round() {
    let shop = Shop::open(200_000, "[[policy]]\nname = \"default\"\nretry_factor = 0\n");
    for round in 0..4 {
        let link = shop.link(3);
        let customers: Vec<Customer> = (0..100).map(|_| Customer::new()).collect();
        let results = at_once(customers.len(), |number| {
            let mut curl = customers[number].curl_with_jar(&link);
            curl.arg("-A").arg(format!("customer {number}"));
            ends(curl)
        });
        let arrived = customers.iter().filter(|customer| customer.got() == shop.goods).count();
        let refused = results.iter().filter(|result| result.status.code() == Some(22)).count();
        assert_eq!((arrived, refused), (3, 97), "round {round}");
        let begun: Vec<_> = shop.deliveries().into_iter().filter(|delivery| delivery["state"] != "offered").collect();
        assert_eq!(begun.len(), 3 * (round + 1), "round {round}: a download is a delivery, and three are three");
        let done = until("three completed downloads", || {
            let newest = shop.delivery(begun[0]["id"].as_str().unwrap());
            (units(&newest) == (3, 0)).then_some(newest)
        });
        assert_eq!(done["state"], "completed");
    }
    shop.web.assert_calm();
}

/// All of them look alike to the daemon at their first click: one address, one agent, no cookie yet.
#[test]
fn a_hundred_jars_behind_one_address_share_three_downloads_and_their_bytes() {
    let shop = Shop::open(200_000, "[[policy]]\nname = \"default\"\nretry_factor = 1\n");
    let link = shop.link(3);
    let customers: Vec<Customer> = (0..100).map(|_| Customer::new()).collect();
    at_once(customers.len(), |number| ends(customers[number].curl_with_jar(&link)));
    let arrived = customers.iter().filter(|customer| customer.got() == shop.goods).count();
    assert!((3..=6).contains(&arrived), "{arrived}");
    let begun: Vec<_> = shop.deliveries().into_iter().filter(|delivery| delivery["state"] != "offered").collect();
    assert_eq!(begun.len(), 3);
    until("three used downloads", || (units(&shop.delivery(begun[0]["id"].as_str().unwrap())) == (3, 0)).then_some(()));
    assert!(bytes_logged(&shop) <= 6 * shop.goods.len() as u64);
}

#[test]
fn a_thousand_requests_on_one_delivery_url_send_no_byte_more_than_its_budget() {
    raise_descriptors();
    let setup = NginxSetup { connections: Some(2048), ..NginxSetup::default() };
    let shop = Shop::behind(&setup, MIB, "[[policy]]\nname = \"default\"\nconnections_max = 512\nretry_factor = 1\n");
    let budget = 2 * MIB as u64;
    // All want the whole; then each wants a piece, of which many more fit; then both at once.
    for (round, is_whole) in [|_| true, |_| false, |number| number % 50 == 0].into_iter().enumerate() {
        let is_whole: fn(usize) -> bool = is_whole;
        let url = shop.click_with(&shop.link(1), &[("User-Agent", &format!("round {round}"))]);
        let before = bytes_logged(&shop);
        let answers = at_once(1000, |number| {
            let range = format!("bytes={}-{}", number * 1000, number * 1000 + 8191);
            let agent = format!("client {number}");
            let mut headers = vec![("User-Agent", agent.as_str())];
            headers.extend((!is_whole(number)).then_some(("Range", range.as_str())));
            get(shop.web.port, shop.target(&url), &headers)
        });
        let counts = outcomes(&answers);
        let sent: usize = answers.iter().filter(|answer| answer.status < 300).map(|answer| answer.body.len()).sum();
        assert!(sent > MIB / 2 && sent as u64 <= budget, "round {round}: {sent}: {counts:?}");
        let expected = ["200", "206", "byte_budget", "too_many_connections"];
        assert!(counts.keys().all(|outcome| expected.contains(&outcome.as_str())), "round {round}: {counts:?}");
        let delivery = shop.settled();
        let logged = bytes_logged(&shop) - before;
        assert_eq!(logged, sent as u64, "round {round}: nginx wrote down what arrived");
        assert_eq!(bytes_sent(&delivery), logged, "round {round}: and that is what was reported");
        assert!(delivery["bytes_charged"].as_u64().unwrap() <= budget, "round {round}: {delivery:#}");
    }
    shop.web.assert_calm();
}

/// The pieces in an order that nothing but `seed` decides.
fn shuffled(mut pieces: Vec<String>, seed: u8) -> Vec<String> {
    let mut random = TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &[seed; 32]);
    for last in (1..pieces.len()).rev() {
        pieces.swap(last, usize::try_from(random.next_u64() % (last as u64 + 1)).unwrap());
    }
    pieces
}

/// The bytes of an answer in one part, as they stand in the file.
#[track_caller]
fn is_part(answer: &Answer, goods: &[u8]) {
    let range = answer.header("content-range").unwrap().strip_prefix("bytes ").unwrap();
    let (first, last) = range.split_once('/').unwrap().0.split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    assert!(answer.body == goods[first..=last], "{range}");
}

#[test]
fn a_reader_that_asks_for_pieces_in_any_order_has_read_the_file_once() {
    Way::every(|way| {
        const PIECE: usize = 16 * 1024;
        for seed in 1..=3 {
            let shop = Shop::at(way, MIB, "");
            let url = shop.click(&shop.link(1));
            let pieces = (0..MIB / PIECE).map(|piece| format!("bytes={}-{}", piece * PIECE, (piece + 1) * PIECE - 1));
            // What readers of PDF files do besides: the end, the first page, some objects at once, one and the same again.
            let looks = (0..30).flat_map(|look| {
                let at = look * 30_000;
                [
                    format!("bytes=-{}", 1 + look * 60),
                    format!("bytes={at}-{}", at + 999),
                    format!("bytes={at}-{},{}-{}", at + 99, at + 5000, at + 5099),
                ]
            });
            let asked = shuffled(pieces.chain(looks).collect(), seed);
            assert_eq!(asked.len(), 64 + 90);
            let next = std::sync::Mutex::new(asked.iter());
            at_once(6, |_| {
                while let Some(range) = { next.lock().unwrap().next() } {
                    // A reader waits and asks again, as it is told to.
                    let answer = until("a place among the connections", || {
                        let answer = shop.get(&url, &[("Range", range), ("User-Agent", "reader")]);
                        (answer.header("cloakroom-refusal") != Some("too_many_connections")).then_some(answer)
                    });
                    assert_eq!(answer.status, 206, "{range}: {answer:?}");
                    if range.contains(',') {
                        assert!(answer.header("content-type").unwrap().starts_with("multipart/byteranges"), "{range}");
                    } else {
                        is_part(&answer, &shop.goods);
                    }
                }
            });
            let done = shop.becomes("completed");
            let done =
                shop.comes_to("every report", |now| in_flight(now) == 0 && requests(now).len() == asked.len().max(requests(&done).len()));
            assert_eq!((units(&done), shop.deliveries().len()), ((1, 0), 1), "{done:#}");
            assert!(is_covered(&done) && done["bytes_charged"].as_u64().unwrap() <= 2 * MIB as u64, "{done:#}");
            // Afterwards it reads on, without another download and within the bytes of this one.
            let seek = shop.get(&url, &[("Range", "bytes=-1000"), ("User-Agent", "reader")]);
            is_part(&seek, &shop.goods);
            assert_eq!(units(&shop.settled()), (1, 0));
            shop.web.assert_calm();
        }
    });
}

#[test]
fn a_download_killed_at_99_percent_and_given_up_goes_back_after_its_grace() {
    const SIZE: usize = 2 * MIB;
    // nginx sends what a second allows at once, and the rest a second later.
    const FIRST: usize = SIZE / 1000 * 993;
    let policy = format!("[[policy]]\nname = \"default\"\nrate = {FIRST}\nresume_grace = \"2s\"\n");
    let mut cut = None;
    for _ in 0..5 {
        let shop = Shop::open(SIZE, &policy);
        let link = shop.link(1);
        let customer = Customer::new();
        let is_there = || std::fs::metadata(customer.file()).is_ok_and(|there| there.len() >= FIRST as u64);
        runs_until(customer.curl(&link), is_there);
        // Where a second began between question and answer, nginx took two of them together.
        if customer.got().len() < SIZE {
            cut = Some((shop, link, customer));
            break;
        }
    }
    let (shop, link, customer) = cut.expect("one of five is cut");
    assert!(customer.got().len() >= SIZE / 100 * 99);
    let over = shop.becomes("released");
    assert_eq!(units(&over), (0, 0), "{over:#}");
    let covered = over["covered"].as_u64().unwrap();
    assert!(covered >= SIZE as u64 / 100 * 99 && covered < SIZE as u64, "{over:#}");
    // The one download is still there.
    std::fs::remove_file(customer.file()).unwrap();
    whole(customer.curl(&link));
    assert!(customer.got() == shop.goods);
    assert_eq!(units(&shop.becomes("completed")), (1, 0));
}

#[test]
fn two_devices_at_once_are_two_downloads_or_one_that_is_explained() {
    Way::every(|way| {
        for max in [2, 1] {
            let shop = Shop::at(way, 3 * MIB, SLOW);
            let link = shop.link(max);
            let [laptop, phone] = [("Laptop", Customer::new()), ("Phone", Customer::new())];
            let by = |(agent, customer): &(&str, Customer)| {
                let mut curl = customer.curl_with_jar(&link);
                curl.args(["-A", agent]);
                curl
            };
            let mut first = by(&laptop).spawn().unwrap();
            until("the first bytes", || (!laptop.1.got().is_empty()).then_some(()));
            if max == 1 {
                let page = shop.get(&link, &[("User-Agent", "Phone"), ("Accept", "text/html")]);
                let text = page.text().replace("&#x2f;", "/");
                assert_eq!((page.status, page.header("cloakroom-refusal")), (409, Some("download_running")));
                for words in ["already running", "Started", "less than a minute ago", "127.0.0.0/24", "another device", "R-"] {
                    assert!(text.contains(words), "{words:?} is missing: {text}");
                }
                assert_eq!(ends(by(&phone)).status.code(), Some(22));
            } else {
                whole(by(&phone));
                assert!(phone.1.got() == shop.goods);
            }
            assert!(first.wait().unwrap().success() && laptop.1.got() == shop.goods);
            let done = until("all used", || Some(shop.newest()).filter(|newest| units(newest) == (u64::from(max), 0)));
            assert_eq!(done["state"], "completed", "{done:#}");
            let states = shop.deliveries();
            assert!(states.len() == max as usize && states.iter().all(|delivery| delivery["state"] == "completed"), "{states:#?}");
        }
    });
}

#[test]
fn a_download_that_is_given_up_again_and_again_comes_to_an_end() {
    let shop = Shop::open(2 * MIB, "[[policy]]\nname = \"default\"\nrate = \"1MB/s\"\nresume_grace = \"1s\"\nretry_factor = 1\n");
    let link = shop.link(1);
    let mut rounds = 0;
    loop {
        let customer = Customer::new();
        let cut = || std::fs::metadata(customer.file()).is_ok_and(|there| there.len() >= MIB as u64 / 2);
        match runs_until(customer.curl(&link), cut) {
            Some(ended) => break assert_eq!(ended.code(), Some(22), "the bytes of the grant are sent"),
            None => drop(shop.becomes("released")),
        }
        rounds += 1;
        assert!(rounds < 9, "four MiB are at most eight times half a MiB");
    }
    assert!(rounds >= 2, "{rounds}");
    let url = shop.click_with(&link, &[("User-Agent", "another")]);
    assert_eq!(shop.get(&url, &[]).header("cloakroom-refusal"), Some("byte_budget"));
    assert!(bytes_logged(&shop) <= 4 * MIB as u64);
}
