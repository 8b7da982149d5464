//! `kill -9` at any moment, again and again, with customers at the doors: nothing is lost, nothing counts twice.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::thread;

use crate::books::{Books, integrity, lines};
use crate::customers::{Dice, Offer, Street};
use crate::servers::until;
use crate::shop::{FILES, Shop};

const ROUNDS: u64 = 300;
const CUSTOMERS: u64 = 6;

/// Links that are clicked at one time.
const OFFERS: usize = 3;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

#[test]
fn whatever_moment_it_is_killed_at_nothing_is_lost_and_nothing_counts_twice() {
    let rounds = number("CLOAKROOM_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("CLOAKROOM_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("{rounds} rounds, CLOAKROOM_CRASH_SEED={seed}");
    let mut dice = Dice::new(seed);
    let mut shop = Shop::open("resume_grace = \"2s\"\nretry_factor = 1\nrate = \"1MB/s\"", "");
    let street = Street::default();
    street.is_up.store(true, Ordering::Relaxed);
    let mut issued = BTreeMap::new();
    let mut issue = |shop: &Shop, dice: &mut Dice| {
        let (name, size) = FILES[usize::try_from(dice.roll(2)).unwrap()];
        let max = u32::try_from(1 + dice.roll(3)).unwrap();
        let (grant, target) = shop.link(name, max).expect("a link is issued");
        issued.insert(grant, max);
        let mut offers = street.offers.lock().unwrap();
        if offers.len() >= OFFERS {
            offers.remove(0);
        }
        offers.push(Offer { target, size });
    };
    for _ in 0..OFFERS {
        issue(&shop, &mut dice);
    }
    let port = shop.nginx.port;
    thread::scope(|scope| {
        let street = &street;
        for number in 0..CUSTOMERS {
            scope.spawn(move || street.walk(port, number, seed));
        }
        // Whatever goes wrong below, they go home.
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..rounds {
                issue(&shop, &mut dice);
                issue(&shop, &mut dice);
                street.answers(1 + dice.roll(24));
                shop.cloakroom.kill();
                street.is_up.store(false, Ordering::Relaxed);
                shop.cloakroom.launch();
                shop.listens();
                street.is_up.store(true, Ordering::Relaxed);
                Books::read(&shop.file()).assert_true(&format!("seed {seed}, round {round}"));
            }
        }));
        street.stop.store(true, Ordering::Relaxed);
        if let Err(panic) = ran {
            std::panic::resume_unwind(panic);
        }
    });

    let log = shop.nginx.access_log();
    let books = until("everything is settled, and the grace is over", || {
        let books = Books::read(&shop.file());
        let length = i64::try_from(log.metadata().unwrap().len()).unwrap();
        let is_over = books.deliveries.values().all(|delivery| delivery.is_closed || delivery.state == "offered");
        (books.settled == length && is_over).then_some(books)
    });
    books.assert_true("at the end");
    let lines = lines(&shop.nginx.reported());
    books.assert_settled(&lines);
    for (grant, max) in &issued {
        let known = books.grants.get(grant).unwrap_or_else(|| panic!("{grant} was issued and is gone"));
        assert_eq!((known.max, known.reserved), (Some(i64::from(*max)), 0), "{grant} {known:?}");
    }
    received(&street, &books, &lines);

    let listed = shop.api("GET", "/api/v1/deliveries?limit=1000", "").unwrap();
    for delivery in listed.as_array().unwrap() {
        let known = &books.deliveries[delivery["id"].as_str().unwrap()];
        assert_eq!(delivery["state"], known.state.as_str(), "{delivery:#}");
    }
    for grant in shop.api("GET", "/api/v1/grants?limit=1000", "").unwrap().as_array().unwrap() {
        let known = &books.grants[grant["id"].as_str().unwrap()];
        assert_eq!((grant["used"].as_i64(), grant["reserved"].as_i64()), (Some(known.used), Some(0)), "{grant:#}");
    }
    assert!(shop.cloakroom.stop(), "it ends well");
    assert_eq!(integrity(&shop.file()), "ok");
    let verified = shop.cloakroom.command(&["store", "verify"]);
    assert!(verified.status.success(), "{verified:?}");

    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for delivery in books.deliveries.values() {
        *states.entry(&delivery.state).or_default() += 1;
    }
    println!(
        "{rounds} kills, {} grants, {} deliveries {states:?}, {} lines, {} answers, {} broken",
        books.grants.len(),
        books.deliveries.len(),
        lines.len(),
        street.answered.load(Ordering::Relaxed),
        street.broken.load(Ordering::Relaxed)
    );
    for state in ["completed", "released"] {
        assert!(states.get(state).is_some_and(|count| *count as u64 > rounds / 30), "{states:?}: the load proves too little");
    }
}

/// Nobody received more than was sent, and who has the whole file used a download.
#[track_caller]
fn received(street: &Street, books: &Books, lines: &[crate::books::Line]) {
    let mut sent: BTreeMap<&str, u64> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.status < 300) {
        *sent.entry(&line.delivery).or_default() += u64::try_from(line.bytes).unwrap();
    }
    let (mut got, mut whole): (BTreeMap<String, u64>, usize) = Default::default();
    for received in street.received.lock().unwrap().iter().filter(|received| received.bytes > 0) {
        *got.entry(received.delivery.clone()).or_default() += received.bytes;
        if received.whole {
            whole += 1;
            let state = &books.deliveries[&received.delivery].state;
            assert!(["completed", "presumed"].contains(&state.as_str()), "{received:?} arrived and is {state}");
        }
    }
    for (delivery, bytes) in &got {
        assert!(sent.get(delivery.as_str()).is_some_and(|sent| sent >= bytes), "{delivery}: {bytes} of {:?}", sent.get(delivery.as_str()));
    }
    assert!(whole > 0 && got.len() >= whole, "{whole} of {}", got.len());
}
