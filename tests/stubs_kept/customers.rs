//! Customers who download slowly, pause and come back, while everything around them ends.

use rusqlite::Connection;

use crate::pub_directory::{agree, around, click, link, name, names, rows, store};
use crate::servers::http::Download;
use crate::servers::nginx::NginxSetup;
use crate::servers::site::{Site, content};
use crate::servers::until;

/// A site that sends at so many bytes a second, with a policy `short` whose stubs stay for a second.
fn slow(rate: &str) -> Site {
    let setup = NginxSetup { server: format!("limit_rate {rate};"), ..NginxSetup::default() };
    around(&setup, "[[policy]]\nname = \"short\"\nmethod = [\"stub\"]\nresume_grace = \"1s\"\n", true)
}

#[track_caller]
fn short_link(site: &Site, file: &str) -> String {
    let file = format!("masters/{file}");
    let url = site.cloakroom.say(&["grant", "add", "--policy", "short", "--file", &file, "--max", "1000"]);
    site.target(&url)
}

#[track_caller]
fn states(site: &Site, state: &str) -> i64 {
    let database = Connection::open(store(&site.cloakroom)).unwrap();
    database.query_row("SELECT count(*) FROM deliveries WHERE state = ?1", [state], |row| row.get(0)).unwrap()
}

#[test]
fn ten_who_fetch_one_file_at_once_and_slowly_get_every_byte_while_other_stubs_go() {
    let site = slow("400k");
    let bytes = content(1_200_000);
    site.master("a.zip", &bytes);
    let (mine, theirs) = (link(&site, "a.zip", 10), short_link(&site, "a.zip"));
    let others: Vec<String> = (0..20).map(|other| click(&site, &theirs, &format!("other {other}"))).collect();
    let to: Vec<String> = (0..10).map(|customer| click(&site, &mine, &format!("customer {customer}"))).collect();
    assert_eq!(names(&site).len(), 30);
    let open = |to: &str, from: usize| {
        let range = format!("bytes={from}-");
        let headers = [("Range", range.as_str())];
        let mut running = Download::open(site.nginx.port, "GET", to, if from == 0 { &[] } else { &headers });
        running.read(1000);
        running
    };
    let running: Vec<Download> = to.iter().map(|to| open(to, 0)).collect();
    // Half of them pause, which hangs up, and come back when all the others' stubs are gone.
    let (on, paused): (Vec<_>, Vec<_>) = running.into_iter().enumerate().partition(|(customer, _)| customer % 2 == 0);
    let halves: Vec<(usize, Vec<u8>)> = paused.into_iter().map(|(customer, half)| (customer, half.answer.body.clone())).collect();
    until("the others' stubs are gone", || (names(&site).len() == 10).then_some(()));
    for other in &others {
        assert_eq!(site.get(other).status, 404);
    }
    let mut whole = 0;
    let resumed: Vec<_> = halves.into_iter().map(|(customer, half)| (open(&to[customer], half.len()), half)).collect();
    for (_, running) in on {
        assert!(running.finish().body == bytes);
        whole += 1;
    }
    for (rest, mut half) in resumed {
        let rest = rest.finish();
        assert_eq!(rest.status, 206);
        half.extend(rest.body);
        assert!(half == bytes);
        whole += 1;
    }
    assert_eq!(whole, 10);
    until("ten are completed", || (states(&site, "completed") == 10).then_some(()));
    assert_eq!(agree(&site).len(), 10);
}

#[test]
fn a_slow_download_outlives_its_stub_the_sweep_and_the_daemon() {
    let mut site = slow("300k");
    let bytes = content(1_500_000);
    site.master("a.zip", &bytes);
    let link = short_link(&site, "a.zip");
    let to = click(&site, &link, "slow");
    let mut running = Download::open(site.nginx.port, "GET", &to, &[("User-Agent", "slow")]);
    running.read(1000);
    until("its stub is gone", || names(&site).is_empty().then_some(()));
    site.cloakroom.kill();
    site.cloakroom.start();
    assert!(running.finish().body == bytes);
    assert_eq!(site.get(&to).status, 404);
    // The report comes after the end, and it arrived after all.
    until("it is completed", || (states(&site, "completed") == 1).then_some(()));
    assert!(agree(&site).is_empty());
}

#[test]
fn a_hundred_slow_ones_at_once_get_every_byte_after_their_stubs_are_gone() {
    let site = slow("100k");
    let bytes = content(400_000);
    site.master("a.zip", &bytes);
    let (stays, goes) = (link(&site, "a.zip", 100), short_link(&site, "a.zip"));
    let running: Vec<(bool, Download)> = (0..100)
        .map(|customer| {
            let is_short = customer % 2 == 0;
            let to = click(&site, if is_short { &goes } else { &stays }, &format!("customer {customer}"));
            let mut running = Download::open(site.nginx.port, "GET", &to, &[]);
            running.read(100);
            (is_short, running)
        })
        .collect();
    until("half of the stubs are gone", || (names(&site).len() == 50).then_some(()));
    let mut whole = 0;
    for (is_short, running) in running {
        assert!(running.finish().body == bytes, "short: {is_short}");
        whole += 1;
    }
    assert_eq!(whole, 100);
    until("all are completed", || (states(&site, "completed") == 100).then_some(()));
    assert_eq!(agree(&site).len(), 50);
}

#[test]
fn what_was_paused_goes_on_after_a_restart_with_the_cookie_of_the_click() {
    let mut site = slow("1m");
    let bytes = content(600_000);
    site.master("a.zip", &bytes);
    let link = link(&site, "a.zip", 1);
    let clicked = site.ask("GET", &link, &[("User-Agent", "one")]);
    let to = clicked.header("location").unwrap().to_owned();
    let cookie = clicked.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let mut running = Download::open(site.nginx.port, "GET", &to, &[("Cookie", &cookie)]);
    running.read(200_000);
    let mut half = running.answer.body.clone();
    drop(running);
    assert!(site.cloakroom.stop());
    site.cloakroom.start();
    assert_eq!(rows(&site.cloakroom, "live"), [name(&to)]);
    let again = site.ask("GET", &link, &[("Cookie", &cookie)]);
    assert_eq!(again.header("location"), Some(to.as_str()), "the link leads on to the same stub");
    let rest = site.ask("GET", &to, &[("Cookie", &cookie), ("Range", "bytes=200000-")]);
    half.extend(rest.body);
    assert!(half == bytes);
    until("it is completed", || (states(&site, "completed") == 1).then_some(()));
}
