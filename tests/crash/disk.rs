//! A disk that fails below the store: full, broken, or not to be waited for.

use std::fs;

use crate::books::{Books, integrity, lines};
use crate::servers::cloakroom::Cloakroom;
use crate::servers::compiled::Compiled;
use crate::servers::free_port;
use crate::servers::http::{Answer, Download, get};
use crate::servers::until;
use crate::shop::Shop;

/// Stands between the daemon and its disk.
pub static LIBRARY: Compiled = Compiled::of("crash/preload.c", &["-shared", "-fPIC", "-ldl"]);

/// What fails, in the library's word; what the log says of it.
const FAULTS: [(&str, &[&str]); 4] = [
    ("enospc", &["store_fails", "full"]),
    ("eio", &["store_fails", "disk I/O error"]),
    ("fsync", &["store_fails", "disk I/O error"]),
    ("short", &["store_fails", "full"]),
];

/// What an answer says about the store.
#[track_caller]
fn assert_store_down(answer: &Answer, what: &str) {
    assert_eq!((answer.status, answer.header("cloakroom-refusal")), (503, Some("store_down")), "{what}: {answer:?}");
    assert!(answer.header("retry-after").is_some(), "{what}: {answer:?}");
}

fn said(cloakroom: &Cloakroom, event: &str) -> usize {
    cloakroom.log().iter().filter(|line| line.contains(event)).count()
}

#[test]
fn while_the_disk_fails_nothing_is_sent_and_nothing_counts_and_then_everything_goes_on() {
    std::thread::scope(|scope| {
        for (fault, words) in FAULTS {
            scope.spawn(move || fails_and_comes_back(fault, words));
        }
    });
}

#[track_caller]
fn fails_and_comes_back(fault: &str, words: &[&str]) {
    let admin = free_port();
    let listener = format!("[[listener]]\naddress = \"127.0.0.1:{admin}\"\nserve = \"admin\"\n");
    let mut shop = Shop::open("rate = \"1MB/s\"", &listener);
    shop.cloakroom.stop();
    let control = shop.cloakroom.state().join("fault");
    shop.cloakroom.environment = vec![("LD_PRELOAD", LIBRARY.path().to_owned()), ("CLOAKROOM_FAULT", control.to_str().unwrap().to_owned())];
    shop.cloakroom.start();
    let port = shop.nginx.port;
    let signed = shop.cloakroom.sign("masters/small.bin");
    let signed = signed.strip_prefix(&format!("http://127.0.0.1:{port}")).unwrap().to_owned();
    let (grant, link) = shop.link("large.bin", 2).unwrap();
    let click = |agent: &str| get(port, &link, &[("User-Agent", agent)]);
    let first = click("a").header("location").unwrap().to_owned();
    let second = click("b").header("location").unwrap().to_owned();
    // A download that runs: the second half of it is sent while the disk fails.
    let mut running = Download::open(port, "GET", &first, &[("User-Agent", "a")]);
    running.read(1000);
    assert_eq!(running.answer.status, 200);
    assert_eq!(get(admin, "/health", &[]).text(), "ok\n");
    let before = Books::read(&shop.file());

    fs::write(&control, fault).unwrap();
    for (what, target) in [("a click", link.as_str()), ("a new delivery", &second), ("a joined delivery", &first)] {
        for _ in 0..3 {
            let answer = get(port, target, &[("User-Agent", "b")]);
            assert_store_down(&answer, &format!("{fault}: {what}"));
            assert_refused(&shop, &second, &format!("{fault}: {what}"));
        }
    }
    assert_eq!(shop.api("POST", "/api/v1/grants", "{\"file\":\"masters/small.bin\"}"), None, "{fault}: nothing is issued");
    assert_refused(&shop, &second, fault);
    assert_eq!(get(port, &signed, &[]).status, 200, "{fault}: what is signed needs no store");
    let health = get(admin, "/health", &[]);
    assert_eq!(health.status, 503, "{fault}: {health:?}");
    assert!(health.text().starts_with("store: it cannot write: "), "{fault}: {}", health.text());
    let whole = running.finish();
    assert_eq!(whole.body.len(), 1_500_000, "{fault}: what runs is not cut");
    until("the line of what ran", || (shop.nginx.reported().len() == 1).then_some(()));
    shop.cloakroom.logged(&["feed_waits"]);
    shop.cloakroom.logged(words);
    let during = Books::read(&shop.file());
    assert_eq!((during.grants[&grant].used, during.grants[&grant].reserved), (0, 1), "{fault}");
    assert_eq!((during.deliveries.len(), during.settled), (before.deliveries.len(), before.settled), "{fault}");
    assert_eq!(said(&shop.cloakroom, "store_fails"), 1, "{fault}: it is said once: {:#?}", shop.cloakroom.log());

    fs::remove_file(&control).unwrap();
    until("health", || (get(admin, "/health", &[]).status == 200).then_some(()));
    shop.cloakroom.logged(&["store_back"]);
    let settled = until("the line that waited", || {
        let books = Books::read(&shop.file());
        (books.deliveries[&delivery(&first)].state == "completed").then_some(books)
    });
    settled.assert_settled(&lines(&shop.nginx.reported()));
    assert_eq!(get(port, &second, &[("User-Agent", "b"), ("Range", "bytes=0-9")]).status, 206, "{fault}: it goes on");
    shop.crash();
    let books = until("the last line", || {
        let books = Books::read(&shop.file());
        (usize::try_from(books.bytes).unwrap() == 1_500_010).then_some(books)
    });
    books.assert_true(fault);
    assert_eq!((books.grants[&grant].used, books.grants[&grant].reserved), (1, 1), "{fault}");
    assert!(shop.cloakroom.stop());
    assert_eq!(integrity(&shop.file()), "ok", "{fault}");
    let verified = shop.cloakroom.command(&["store", "verify"]);
    assert!(verified.status.success(), "{fault}: {verified:?}");
}

#[test]
fn a_store_that_cannot_be_made_is_no_half_store() {
    let mut shop = Shop::open("", "");
    assert!(shop.cloakroom.stop());
    let control = shop.cloakroom.state().join("fault");
    shop.cloakroom.environment = vec![("LD_PRELOAD", LIBRARY.path().to_owned()), ("CLOAKROOM_FAULT", control.to_str().unwrap().to_owned())];
    for (fault, words) in [("enospc", "full"), ("short", "full"), ("eio", "disk I/O error"), ("fsync", "disk I/O error")] {
        let _ = fs::remove_file(shop.file());
        fs::write(&control, fault).unwrap();
        shop.cloakroom.launch();
        until("the end", || shop.cloakroom.has_ended().then_some(()));
        shop.cloakroom.logged(&["the store", "cloakroom.db", words]);
        assert!(!shop.file().exists(), "{fault}: what is there is whole");
        fs::remove_file(&control).unwrap();
        shop.cloakroom.stop();
        shop.cloakroom.start();
        assert!(shop.link("small.bin", 1).is_some(), "{fault}");
        assert!(shop.cloakroom.stop(), "{fault}");
        assert_eq!(integrity(&shop.file()), "ok", "{fault}");
    }
}

/// Fails unless what kill -9 would leave now holds nothing that was refused.
#[track_caller]
fn assert_refused(shop: &Shop, second: &str, when: &str) {
    let copy = tempfile::tempdir().unwrap();
    for name in ["cloakroom.db", "cloakroom.db-wal"] {
        fs::copy(shop.cloakroom.state().join(name), copy.path().join(name)).unwrap();
    }
    let left = Books::read(&copy.path().join("cloakroom.db"));
    left.assert_true(when);
    assert_eq!(left.deliveries[&delivery(second)].state, "offered", "{when}: what was refused did not happen");
    assert_eq!((left.deliveries.len(), left.grants.len()), (2, 1), "{when}: what was refused did not happen");
}

fn delivery(target: &str) -> String {
    crate::customers::delivery_of(target)
}
