//! The clock is set, forward and back, by hours and by years, while downloads run and when they end.

use std::fs;
use std::io::Write as _;

use cloakroom::clock;

use crate::books::{Books, lines};
use crate::customers::delivery_of;
use crate::servers::http::{Answer, Download, get};
use crate::servers::until;
use crate::shop::Shop;

const HOUR: i64 = 3600;
const TEN_YEARS: i64 = 3650 * 24 * HOUR;

/// More than all buffers between nginx and a client that does not read take: its download runs until it reads on.
const HUGE: usize = 32 << 20;

/// Debian's libfaketime, wherever this machine keeps it.
fn libfaketime() -> String {
    let found = fs::read_dir("/usr/lib").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path().join("faketime/libfaketimeMT.so.1");
        path.exists().then(|| path.to_str().unwrap().to_owned())
    });
    found.into_iter().next().expect("faketime is installed (tests/run does it)")
}

/// A shop whose daemon has a clock of its own.
struct Timed {
    shop: Shop,
    link: String,
    grant: String,
}

impl Timed {
    fn open() -> Self {
        let mut shop = Shop::open("link_ttl = \"60d\"\nvalid_for = \"30d\"", "");
        fs::write(shop.nginx.downloads().join("huge.bin"), vec![7; HUGE]).unwrap();
        shop.cloakroom.stop();
        let offset = shop.cloakroom.state().join("offset");
        fs::write(&offset, "+0\n").unwrap();
        shop.cloakroom.environment = vec![
            ("LD_PRELOAD", libfaketime()),
            ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap().to_owned()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            // Waiting takes as long as it does.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        shop.cloakroom.start();
        let (grant, link) = shop.link("huge.bin", 5).unwrap();
        Self { shop, link, grant }
    }

    /// Sets the clock to so many seconds from the real time.
    fn set(&self, offset: i64) {
        let aside = self.shop.cloakroom.state().join("offset.new");
        fs::write(&aside, format!("{offset:+}\n")).unwrap();
        fs::rename(aside, self.shop.cloakroom.state().join("offset")).unwrap();
    }

    fn get(&self, target: &str, agent: &str, range: &str) -> Answer {
        get(self.shop.nginx.port, target, &[("User-Agent", agent), ("Range", range)])
    }

    #[track_caller]
    fn click(&self, agent: &str) -> String {
        let answer = get(self.shop.nginx.port, &self.link, &[("User-Agent", agent)]);
        assert_eq!(answer.status, 303, "{answer:?}");
        answer.header("location").unwrap().to_owned()
    }

    #[track_caller]
    fn units(&self, when: &str) -> (i64, i64) {
        let books = Books::read(&self.shop.file());
        books.assert_true(when);
        (books.grants[&self.grant].used, books.grants[&self.grant].reserved)
    }

    /// Waits until every line is settled.
    #[track_caller]
    fn settled(&self, count: usize) -> Books {
        until("the lines", || (self.shop.nginx.reported().len() == count).then_some(()));
        let length = i64::try_from(self.shop.nginx.access_log().metadata().unwrap().len()).unwrap();
        until("what they settle", || Some(Books::read(&self.shop.file())).filter(|books| books.settled == length))
    }
}

/// Seconds since 1970 at which a delivery was clicked, by the daemon's clock.
fn offered(shop: &Shop, delivery: &str) -> i64 {
    let database = rusqlite::Connection::open(shop.file()).unwrap();
    let millis: i64 = database.query_row("SELECT offered FROM deliveries WHERE id = ?1", [delivery], |row| row.get(0)).unwrap();
    millis / 1000
}

#[test]
fn a_clock_that_is_set_while_a_download_runs_counts_it_once() {
    let timed = Timed::open();
    let mine = timed.click("a");
    let mut running = Download::open(timed.shop.nginx.port, "GET", &mine, &[("User-Agent", "a")]);
    running.read(1000);
    assert_eq!(timed.units("it runs"), (0, 1));
    let mut asked = 0;
    for (offset, part, link) in [
        (HOUR, 206, 303),
        (-HOUR, 206, 303),
        (-TEN_YEARS, 206, 303),
        (0, 206, 303),
        // Its grace, its grant and its link are over.
        (TEN_YEARS, 410, 410),
    ] {
        timed.set(offset);
        let again = timed.get(&mine, "a", "bytes=0-9");
        assert_eq!(again.status, part, "{offset}: {again:?}");
        asked += usize::from(part == 206);
        let other = timed.get(&timed.link, &format!("clicks at {offset}"), "");
        assert_eq!(other.status, link, "{offset}: {other:?}");
        if link == 303 {
            // The daemon goes by this clock, and not by the real one.
            let real = i64::try_from(clock::now().seconds()).unwrap();
            let late = real + offset - offered(&timed.shop, &delivery_of(other.header("location").unwrap()));
            assert!((0..60).contains(&late), "{offset}: {late} s");
        }
        // A clock ahead may end at once what nothing is known of yet: that is used, and once.
        let (used, reserved) = timed.units(&format!("{offset}"));
        assert_eq!(used + reserved, 1, "{offset}");
        assert!(used == 0 || offset == TEN_YEARS, "{offset}");
    }
    timed.set(0);
    assert_eq!(running.finish().body.len(), HUGE);
    let books = timed.settled(asked + 1);
    let state = &books.deliveries[&delivery_of(&mine)].state;
    assert!(["completed", "presumed"].contains(&state.as_str()), "{state}");
    assert_eq!(timed.units("it arrived"), (1, 0));
    books.assert_settled(&lines(&timed.shop.nginx.reported()));
}

#[test]
fn what_a_clock_ahead_has_ended_stays_ended_when_it_is_set_back() {
    let mut timed = Timed::open();
    let (whole, half, none) = (timed.click("whole"), timed.click("half"), timed.click("none"));
    assert_eq!(timed.get(&whole, "whole", "").status, 200);
    assert_eq!(timed.get(&half, "half", "bytes=0-9").status, 206);
    timed.settled(2);
    assert_eq!(timed.units("before"), (1, 1));
    timed.set(TEN_YEARS);
    timed.shop.crash();
    let over = until("everything is over", || {
        let books = Books::read(&timed.shop.file());
        books.deliveries.values().all(|delivery| delivery.is_closed).then_some(books)
    });
    assert_eq!(over.deliveries[&delivery_of(&half)].state, "released");
    assert!(!over.deliveries.contains_key(&delivery_of(&none)), "an offer that nobody took");
    assert_eq!(timed.units("ten years on"), (1, 0));
    for offset in [0, -HOUR, -TEN_YEARS] {
        timed.set(offset);
        timed.shop.crash();
        for delivery in [&whole, &half, &none] {
            let answer = timed.get(delivery, "half", "bytes=0-9");
            assert!([404, 410].contains(&answer.status), "{offset}: {answer:?}");
        }
        assert_eq!(timed.units(&format!("set back to {offset}")), (1, 0));
    }
    // The same lines once more settle nothing.
    let before = Books::read(&timed.shop.file());
    let again = fs::read(timed.shop.nginx.access_log()).unwrap();
    fs::OpenOptions::new().append(true).open(timed.shop.nginx.access_log()).unwrap().write_all(&again).unwrap();
    let after = timed.settled(4);
    assert_eq!((after.bytes, timed.units("told twice")), (before.bytes, (1, 0)));
}
