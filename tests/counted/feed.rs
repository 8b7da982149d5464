//! What arrives is read in nginx's log, whatever happens to that log and to the daemon.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use crate::clients::{Customer, killed_after, whole};
use crate::servers::cloakroom::Cloakroom;
use crate::servers::http::{Download, get};
use crate::servers::nginx::{Nginx, NginxSetup};
use crate::servers::until;
use crate::servers::web::{Way, Web};
use crate::shop::{MIB, SLOW, Shop, goods, in_flight, requests, units};

/// A download of a slow shop that has begun and will take some seconds more.
fn begun(shop: &Shop) -> Download {
    let url = shop.click(&shop.link(1));
    let mut download = Download::open(shop.web.port, "GET", shop.target(&url), &[]);
    download.read(MIB / 2);
    download
}

#[track_caller]
fn append(shop: &Shop, text: &str) {
    OpenOptions::new().append(true).open(shop.web.access_log()).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_log_that_is_rotated_during_a_download_loses_nothing() {
    let shop = Shop::open(3 * MIB, SLOW);
    let download = begun(&shop);
    shop.web.nginx().rotate();
    assert!(download.finish().body == shop.goods);
    assert_eq!(units(&shop.becomes("completed")), (1, 0));
    assert_eq!(shop.web.reported().len(), 1, "the line stands in the new log");
}

#[test]
fn a_log_that_is_renamed_before_nginx_hears_of_it_loses_nothing() {
    let shop = Shop::open(3 * MIB, SLOW);
    let download = begun(&shop);
    let renamed = shop.web.access_log().with_extension("log.1");
    fs::rename(shop.web.access_log(), &renamed).unwrap();
    assert!(download.finish().body == shop.goods);
    assert_eq!(units(&shop.becomes("completed")), (1, 0));
    assert_eq!(fs::read_to_string(renamed).unwrap().lines().count(), 1, "the line stands in the old log");
}

/// Sixteen connections of which each ends with a line of its own, and what happens to the log meanwhile.
#[track_caller]
fn sixteen_connections_while(grace: &str, rotate: impl Fn(&Shop, usize)) -> (Shop, serde_json::Value) {
    let policy = format!("[[policy]]\nname = \"default\"\nrate = \"300k/s\"\nresume_grace = \"{grace}\"\n");
    let shop = Shop::open(16 * MIB, &policy);
    let customer = Customer::new();
    let url = shop.click(&shop.link(1));
    let mut aria = customer.aria2c(&url).spawn().unwrap();
    for round in 0..3 {
        // Twice at once, and once more when some connections have ended.
        shop.comes_to("sixteen requests, and then reports", |delivery| {
            requests(delivery).len() >= 16 && (round < 2 || in_flight(delivery) < requests(delivery).len())
        });
        rotate(&shop, round);
    }
    assert!(aria.wait().unwrap().success());
    assert!(customer.got() == shop.goods);
    let over = shop.comes_to("its end", |delivery| delivery["state"] != "open");
    assert_eq!(units(&over), (1, 0), "{over:#}");
    (shop, over)
}

#[test]
fn a_log_that_is_rotated_three_times_under_sixteen_connections_loses_nothing() {
    // The feed lets each old file be written to for two seconds before it goes on to the next.
    let (shop, over) = sixteen_connections_while("1m", |shop, round| {
        // As logrotate does: each file is kept under another name.
        let log = shop.web.access_log();
        shop.web.nginx().rotate();
        fs::rename(log.with_extension("log.1"), log.with_extension(format!("log.{}", 9 - round))).unwrap();
    });
    assert_eq!(over["state"], "completed", "{over:#}\n{}", shop.cloakroom.log().join("\n"));
}

#[test]
fn a_log_that_is_copied_and_truncated_under_sixteen_connections_is_true_or_presumed() {
    let (_shop, over) = sixteen_connections_while("3s", |shop, round| {
        let log = shop.web.access_log();
        fs::copy(&log, log.with_extension(format!("log.{round}"))).unwrap();
        OpenOptions::new().write(true).truncate(true).open(&log).unwrap();
    });
    assert!(over["state"] == "completed" || over["state"] == "presumed", "{over:#}");
}

#[test]
fn a_log_that_is_truncated_is_read_on_and_the_loss_is_said() {
    let shop = Shop::open(100_000, "");
    assert_eq!(shop.get(&shop.click(&shop.link(1)), &[]).status, 200);
    shop.becomes("completed");
    OpenOptions::new().write(true).truncate(true).open(shop.web.access_log()).unwrap();
    shop.cloakroom.logged(&["WARN", "became shorter", "lines may be lost"]);
    assert_eq!(shop.get(&shop.click(&shop.link(1)), &[]).status, 200);
    assert_eq!(units(&shop.becomes("completed")), (1, 0));
}

#[test]
fn lines_of_nobody_half_lines_and_noise_change_nothing() {
    let shop = Shop::open(3 * MIB, SLOW);
    let download = begun(&shop);
    let line = |delivery: &str, request: &str| {
        format!(
            "{{\"v\":\"1\",\"time\":\"1795292217.083\",\"request\":\"{request}\",\"delivery\":\"{delivery}\",\"status\":\"200\",\
             \"method\":\"GET\",\"bytes\":\"3145728\",\"done\":\"OK\",\"range\":\"\",\"length\":\"3145728\",\"encoding\":\"\",\
             \"type\":\"application/zip\",\"client\":\"127.0.0.1\",\"took\":\"0.000\"}}\n"
        )
    };
    let running = shop.newest();
    let id = running["id"].as_str().unwrap();
    append(&shop, &line("d-00000000000000000000", "967f98bf42db0d3fd624ec50e8a62b7a"));
    append(&shop, &line(id, "967f98bf42db0d3fd624ec50e8a62b7a"));
    append(&shop, "127.0.0.1 - - [21/Nov/2026:20:00:00 +0000] \"GET / HTTP/1.1\" 200 1\n\n\u{0}\u{1}\n");
    shop.cloakroom.logged(&["WARN", "not understood"]);
    let (head, tail) = line("d-00000000000000000000", "another").split_at_checked(60).map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    append(&shop, &head);
    append(&shop, &tail);
    let untouched = shop.newest();
    assert_eq!((untouched["covered"].as_u64(), units(&untouched)), (Some(0), (0, 1)), "a request that was never admitted proves nothing");
    assert!(download.finish().body == shop.goods);
    let delivery = shop.becomes("completed");
    assert_eq!((units(&delivery), requests(&delivery).len()), ((1, 0), 1));
    // The same line once more counts nothing twice.
    let own =
        shop.web.reported().into_iter().find(|line| line.contains(id) && line.contains(requests(&delivery)[0]["id"].as_str().unwrap()));
    append(&shop, &format!("{}\n", own.unwrap()));
    append(&shop, "the end\n");
    until("the end of the log", || (shop.cloakroom.log().iter().filter(|line| line.contains("not understood")).count() > 1).then_some(()));
    assert_eq!(shop.newest(), delivery);
}

/// A site that took `gzip off` out of the examples: what its customers get is the file, and no byte of it can be placed.
#[test]
fn a_file_that_is_compressed_on_its_way_is_presumed() {
    let instead = &[("gzip off;", "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;"), ("etag on;", "etag off;")];
    let nginx = Nginx::start(&NginxSetup { instead, ..NginxSetup::default() });
    let text = "the same line again and again\n".repeat(100_000);
    fs::write(nginx.downloads().join("album.zip"), &text).unwrap();
    let cloakroom = Cloakroom::behind(&nginx, "[[policy]]\nname = \"default\"\nresume_grace = \"2s\"\n");
    let shop = Shop { web: Web::Nginx(nginx), cloakroom, goods: text.into_bytes() };
    let url = shop.click(&shop.link(1));
    let answer = shop.get(&url, &[("Accept-Encoding", "gzip")]);
    assert_eq!((answer.status, answer.header("content-encoding")), (200, Some("gzip")), "{:?}", answer.headers);
    let delivery = shop.settled();
    assert_eq!((delivery["covered"].as_u64(), units(&delivery)), (Some(0), (0, 1)), "{delivery:#}");
    assert!(delivery["bytes_charged"].as_u64().unwrap() < 100_000, "{delivery:#}");
    assert_eq!(units(&shop.becomes("presumed")), (1, 0));
}

#[test]
fn a_daemon_that_is_killed_cuts_no_download_and_forgets_nothing() {
    Way::every(|way| {
        let mut shop = Shop::at(way, 3 * MIB, SLOW);
        let link = shop.link(5);
        let url = shop.click(&link);
        let mut download = Download::open(shop.web.port, "GET", shop.target(&url), &[]);
        download.read(MIB / 2);
        shop.cloakroom.kill();
        assert!(download.finish().body == shop.goods, "nginx sends to the end");
        let away = shop.get(&link, &[]).status;
        assert!([502, 503].contains(&away), "nothing opens while it is down: {away}");
        shop.cloakroom.start();
        // The line that nginx wrote meanwhile is read where the feed had stopped.
        let completed = shop.becomes("completed");
        assert_eq!((units(&completed), requests(&completed).len()), ((1, 0), 1), "{completed:#}");
        assert!(shop.get(&url, &[]).body == shop.goods, "the delivery is joined within its bytes");
        whole(Customer::new().curl(&link));
        let second = shop.becomes("completed");
        assert_eq!(units(&second), (2, 0), "{second:#}");
        assert_eq!(shop.deliveries().len(), 2);
    });
}

/// The daemon was down for longer than the grace: what the log says comes before what the clock says.
#[test]
fn what_arrived_while_the_daemon_was_down_is_completed_however_late_it_comes_back() {
    Way::every(|way| {
        let mut shop = Shop::at(way, 3 * MIB, "[[policy]]\nname = \"default\"\nrate = \"1MB/s\"\nresume_grace = \"1s\"\n");
        let download = begun(&shop);
        shop.cloakroom.kill();
        assert!(download.finish().body == shop.goods);
        let line = until("the line", || shop.web.reported().pop());
        let told = cloakroom::feed::line::read(line.as_bytes()).unwrap().expect("it names a delivery");
        assert!(told.report().finished, "{line}");
        until("the end of the grace", || {
            let written = fs::metadata(shop.web.access_log()).unwrap().modified().unwrap();
            (written.elapsed().unwrap().as_millis() > 1200).then_some(())
        });
        shop.cloakroom.start();
        let over = shop.comes_to("its end", |delivery| delivery["closed"].is_string());
        assert_eq!((over["state"].as_str(), units(&over)), (Some("completed"), (1, 0)), "{over:#}");
    });
}

#[test]
fn a_download_that_outlasts_a_restart_counts_once() {
    Way::every(|way| {
        let mut shop = Shop::at(way, 3 * MIB, SLOW);
        let download = begun(&shop);
        shop.cloakroom.kill();
        shop.cloakroom.start();
        let open = shop.newest();
        assert_eq!((open["state"].as_str(), units(&open)), (Some("open"), (0, 1)), "its unit is still reserved: {open:#}");
        assert!(download.finish().body == shop.goods);
        assert_eq!(units(&shop.becomes("completed")), (1, 0));
        assert_eq!(shop.deliveries().len(), 1);
        assert!(shop.cloakroom.stop(), "{:?}", shop.cloakroom.log());
    });
}

#[test]
fn without_a_feed_a_download_counts_when_it_starts_and_says_so() {
    let nginx = Nginx::start(&NginxSetup::default());
    let bytes = goods(3 * MIB, 1);
    fs::write(nginx.downloads().join("album.zip"), &bytes).unwrap();
    let text = format!(
        "[[listener]]\naddress = \"unix:{}\"\nmode = \"0666\"\ndialect = \"nginx\"\nserve = \"web\"\n\n\
         [[storage]]\nname = \"masters\"\npath = \"{}\"\nhandoff = \"/_cloakroom/masters/\"\n\n{SLOW}",
        nginx.socket().display(),
        nginx.downloads().display(),
    );
    let cloakroom = Cloakroom::with(&format!("http://127.0.0.1:{}/dl/", nginx.port), &text);
    let shop = Shop { web: Web::Nginx(nginx), cloakroom, goods: bytes };
    let link = shop.link(1);
    let customer = Customer::new();
    killed_after(customer.curl(&link), &customer.file(), MIB as u64 / 2);
    let started = shop.newest();
    assert_eq!((started["state"].as_str(), units(&started)), (Some("started"), (1, 0)), "{started:#}");
    let said = shop.cloakroom.say(&["delivery", "show"]);
    for words in ["started", "used 1, reserved 0, of 1", "no [feed]"] {
        assert!(said.contains(words), "{words:?} is missing:\n{said}");
    }
    assert!(!said.contains("completed") && !said.contains(" 100 %"), "{said}");
    assert!(shop.cloakroom.say(&["delivery", "list"]).contains("started"));
    shop.cloakroom.logged(&["127.0.0.1 started"]);
    // It is still resumed within its grace, and is still one.
    whole(customer.curl(&link));
    assert!(customer.got() == shop.goods);
    let resumed = shop.newest();
    assert_eq!((units(&resumed), requests(&resumed).len(), shop.deliveries().len()), ((1, 0), 2, 1), "{resumed:#}");
    let other = get(shop.web.port, shop.target(&link), &[("User-Agent", "another")]);
    assert_eq!((other.status, other.header("cloakroom-refusal")), (403, Some("limit_reached")));
}

#[test]
fn what_the_log_told_while_the_store_was_down_is_settled_before_anything_is_presumed() {
    let shop = Shop::open(3 * MIB, "[[policy]]\nname = \"default\"\nrate = \"1MB/s\"\nresume_grace = \"5s\"\n");
    let download = begun(&shop);
    // Somebody else writes into the file, for longer than the daemon waits for that.
    let other = rusqlite::Connection::open(shop.cloakroom.state().join("cloakroom.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(download.finish().body == shop.goods);
    // The feed's pauses have become longer than those of the sweep.
    let tries = || shop.cloakroom.log().iter().filter(|line| line.contains("feed_waits")).count();
    for times in 1..=4 {
        until("the feed to have tried", || (tries() >= times).then_some(()));
    }
    other.execute_batch("ROLLBACK").unwrap();
    // The feed tries again within eight seconds.
    let over = until("its end", || Some(shop.newest()).filter(|delivery| delivery["state"] != "open"));
    assert_eq!((over["state"].as_str(), units(&over)), (Some("completed"), (1, 0)), "{over:#}\n{}", shop.cloakroom.log().join("\n"));
}
