//! What is kept about people, through the real binary behind the real nginx: shown, forgotten, and shortened in time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use servers::site::{Site, content};
use servers::{faketime, until};

const WHO: &str = "anna@shop.example";

/// An order of Anna, of which one download arrived; the id of its grant.
fn sold(site: &Site) -> String {
    site.master("book.pdf", &content(5000));
    let file = site.cloakroom.say(&["file", "add", "masters/book.pdf"]);
    site.cloakroom.say(&["product", "add", "book", "--file", &file]);
    let url = site.cloakroom.say(&["order", "add", "77", "--email", WHO, "--name", "Anna Berg", "--line", "book"]);
    let click = site.ask("GET", &site.target(&url), &[("User-Agent", "Lynx/2 of Anna")]);
    assert_eq!(site.ask("GET", click.header("location").unwrap(), &[("User-Agent", "Lynx/2 of Anna")]).status, 200);
    let grant = site.cloakroom.json(&["order", "show", "77"])["lines"][0]["grants"][0]["grant"]["id"].as_str().unwrap().to_owned();
    until("it is counted", || (site.cloakroom.json(&["grant", "show", &grant])["used"] == 1).then_some(()));
    grant
}

#[test]
fn a_customer_is_shown_and_forgotten_in_every_table_and_what_was_counted_stays() {
    let mut site = Site::open();
    let grant = sold(&site);
    let shown = site.cloakroom.say(&["customer", "show", WHO]);
    for words in ["Anna Berg", WHO, "77", &grant, "127.0.0.1", "Lynx/2 of Anna", "masters/book.pdf"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let rehearsed = site.cloakroom.say(&["customer", "forget", WHO, "--dry-run"]);
    assert!(rehearsed.starts_with("would be forgotten in 1 order, 1 grant, 0 deliveries"), "{rehearsed}");
    assert_eq!(site.cloakroom.say(&["customer", "show", WHO]), shown, "a rehearsal forgets nothing");
    // What has not ended keeps who came until it has: a day later.
    faketime::set(&mut site.cloakroom, 2 * 86_400);
    until("it has ended", || site.cloakroom.json(&["delivery", "list"])[0]["closed"].is_string().then_some(()));
    let done = site.cloakroom.json(&["customer", "forget", WHO]);
    assert_eq!(
        (&done["orders"], &done["grants"], &done["deliveries"], &done["running"]),
        (&1.into(), &1.into(), &1.into(), &0.into()),
        "{done}"
    );
    let pseudonym = done["pseudonym"].as_str().unwrap();

    let export = site.cloakroom.say(&["store", "export"]);
    for words in ["Anna", "anna", "127.0.0.1", "Lynx"] {
        assert!(!export.contains(words), "{words}: {export}");
    }
    assert!(export.contains(pseudonym));
    let gone = site.cloakroom.command(&["customer", "show", WHO]);
    assert!(gone.status.code() == Some(1) && String::from_utf8(gone.stderr).unwrap().contains("nothing is kept about"));
    let gone = site.cloakroom.command(&["customer", "forget", WHO]);
    assert_eq!(gone.status.code(), Some(1));
    assert_eq!(site.cloakroom.json(&["grant", "show", &grant])["used"], 1);
    let evidence = site.cloakroom.say(&["grant", "evidence", &grant]);
    assert!(!evidence.contains("from 127.") && !evidence.contains("Lynx"), "{evidence}");
    assert!(evidence.contains("Who came was forgotten"), "{evidence}");
    assert!(site.cloakroom.say(&["customer", "show", pseudonym]).contains("77"));
    site.cloakroom.kill();
    site.cloakroom.start();
    assert_eq!(site.cloakroom.json(&["order", "show", "77"])["customer"]["id"], pseudonym);
}

#[test]
fn a_customer_is_known_by_the_number_of_the_shop_and_by_name_and_forgotten_only_if_that_is_one_person() {
    let site = Site::open();
    site.master("book.pdf", &content(5000));
    let file = site.cloakroom.say(&["file", "add", "masters/book.pdf"]);
    site.cloakroom.say(&["product", "add", "book", "--file", &file]);
    for (number, email, customer, name) in
        [("1", " Anna@Shop.example ", "7", " Anna Berg"), ("2", WHO, "7", "A. Berg"), ("3", "other@shop.example", "8", "Anna Berg")]
    {
        site.cloakroom.say(&["order", "add", number, "--email", email, "--customer", customer, "--name", name, "--line", "book"]);
    }
    let kept = &site.cloakroom.json(&["order", "show", "1"])["customer"];
    assert_eq!((&kept["email"], &kept["name"]), (&"Anna@Shop.example".into(), &"Anna Berg".into()));
    for (who, orders, grants) in [("7", 2, 2), (WHO, 2, 2), ("Anna Berg", 2, 2), ("A. Berg", 1, 1), (" 8 ", 1, 1)] {
        let shown = site.cloakroom.json(&["customer", "show", who]);
        let count = |what: &str| shown[what].as_array().unwrap().len();
        assert_eq!((count("orders"), count("grants")), (orders, grants), "{who}: {shown}");
    }
    for dry_run in [true, false] {
        let words: Vec<_> = ["customer", "forget", "Anna Berg"].into_iter().chain(dry_run.then_some("--dry-run")).collect();
        let refused = site.cloakroom.command(&words);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(refused.status.code() == Some(1) && said.contains("2 customers have in common"), "{said}");
    }
    // Without mail addresses people are told apart by their numbers, each shop having its own.
    for (number, shop, customer) in [("4", "shop", "12"), ("5", "shop", "99"), ("6", "other", "12")] {
        site.cloakroom.say(&["order", "add", number, "--shop", shop, "--customer", customer, "--name", "Carl Low", "--line", "book"]);
    }
    for who in ["Carl Low", "12"] {
        let refused = site.cloakroom.command(&["customer", "forget", who]);
        assert!(refused.status.code() == Some(1), "{who}: {refused:?}");
    }
    assert_eq!(site.cloakroom.json(&["customer", "forget", "99"])["orders"], 1);
    assert_eq!(site.cloakroom.json(&["customer", "forget", "7"])["orders"], 2);
    assert!(site.cloakroom.command(&["customer", "show", WHO]).status.code() == Some(1));
    assert_eq!(site.cloakroom.json(&["customer", "forget", "Anna Berg"])["orders"], 1, "who is left is one");
    let export = site.cloakroom.say(&["store", "export"]);
    assert!(!export.contains("Berg") && !export.contains("shop.example\""), "{export}");
}

#[test]
fn addresses_become_networks_when_their_time_is_over_and_the_daemon_does_it_by_itself() {
    let mut site = Site::with("[privacy]\naddresses = \"10d\"\n");
    sold(&site);
    let from = |site: &Site| site.cloakroom.json(&["delivery", "list"])[0]["client"].clone();
    faketime::set(&mut site.cloakroom, 5 * 86_400);
    until("it has ended", || site.cloakroom.json(&["delivery", "list"])[0]["closed"].is_string().then_some(()));
    assert_eq!(from(&site), "127.0.0.1");
    faketime::set(&mut site.cloakroom, 16 * 86_400);
    until("its address is a network", || (from(&site) == "127.0.0.0").then_some(()));
    assert!(site.cloakroom.say(&["customer", "show", WHO]).contains("addresses  127.0.0.0"));
    assert_eq!(site.cloakroom.json(&["grant", "list"])[0]["used"], 1);
}

#[test]
fn addresses_that_a_reload_gives_a_time_are_shortened_without_waiting_for_another_day() {
    let mut site = Site::with("[privacy]\naddresses = \"unlimited\"\n");
    sold(&site);
    faketime::set(&mut site.cloakroom, 16 * 86_400);
    until("it has ended", || site.cloakroom.json(&["delivery", "list"])[0]["closed"].is_string().then_some(()));
    let config = site.cloakroom.config();
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("\"unlimited\"", "\"1s\"")).unwrap();
    let pid = Pid::from_raw(i32::try_from(site.cloakroom.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    until("its address is a network", || (site.cloakroom.json(&["delivery", "list"])[0]["client"] == "127.0.0.0").then_some(()));
}

#[test]
fn a_time_for_addresses_is_a_duration_or_unlimited_and_can_be_reloaded() {
    let site = Site::with("[privacy]\naddresses = \"unlimited\"\n");
    let config = site.cloakroom.config();
    let text = fs::read_to_string(&config).unwrap();
    for (wrong, words) in [("\"30\"", "privacy"), ("0", "addresses"), ("\"0s\"", "at least \"1s\"")] {
        fs::write(&config, text.replace("addresses = \"unlimited\"", &format!("addresses = {wrong}"))).unwrap();
        let run = site.cloakroom.command(&["order", "list"]);
        let told = String::from_utf8(run.stderr).unwrap();
        assert!(run.status.code() == Some(78) && told.contains(words), "{wrong}: {told}");
    }
    fs::write(&config, text).unwrap();
}
