//! Webhooks that do not take what they are told: it is tried again, under the same id, and nothing is lost.

use serde_json::{Value, json};

use crate::receiver::{Does, Receiver, section};
use crate::servers::free_port;
use crate::servers::site::Site;
use crate::servers::until;

const ACTIVATED: [&str; 1] = ["grant.activated"];

/// A site with a master, and this configuration.
fn site(more: &str) -> Site {
    let site = Site::with(more);
    site.master("a.zip", b"goods");
    site
}

fn lane(site: &Site, name: &str) -> Value {
    let lanes = site.cloakroom.json(&["outbox", "lanes"]);
    lanes.as_array().unwrap().iter().find(|lane| lane["lane"] == name).unwrap().clone()
}

#[test]
fn what_fails_is_tried_again_under_the_same_id_until_it_arrives() {
    let receiver = Receiver::open();
    let site = site(&receiver.section("shop", &ACTIVATED, ""));
    receiver.does(Does::Answers(503, "Retry-After: 1\r\n"));
    site.cloakroom.link("masters/a.zip", 1);
    site.cloakroom.logged(&["lane_fails", "webhook:shop", "503"]);
    assert_eq!(lane(&site, "webhook:shop")["state"], "fails");
    let waiting = site.cloakroom.json(&["outbox", "list", "--waiting"])[0].clone();
    assert_eq!((&waiting["tries"], &waiting["state"]), (&json!(1), &json!("waiting")));
    receiver.does(Does::Answers(200, ""));
    let heard = receiver.until("grant.activated", 2);
    site.cloakroom.logged(&["lane_works", "webhook:shop"]);
    assert_eq!(heard[0].header("webhook-id"), heard[1].header("webhook-id"));
    assert_eq!(heard[0].header("webhook-id"), waiting["id"].as_str().unwrap());
    assert_eq!(heard[0].body, heard[1].body, "the same bytes");
    for one in &heard {
        receiver.assert_signed("shop", one);
    }
    assert_ne!(heard[0].header("webhook-timestamp"), heard[1].header("webhook-timestamp"), "signed anew");
    assert_eq!(lane(&site, "webhook:shop")["state"], "works");
}

#[test]
fn who_asks_to_be_left_alone_is_for_as_long_as_that_and_a_day_at_most() {
    for (asked, least, most) in [("7200", 7100, 7300), ("99999999", 86_300, 86_500), ("Thu, 31 Dec 2099 23:59:59 GMT", 86_300, 86_500)] {
        let receiver = Receiver::open();
        let site = site(&receiver.section("shop", &ACTIVATED, ""));
        receiver.does(Does::Asks(asked));
        site.cloakroom.link("masters/a.zip", 1);
        let waits =
            until("it was tried", || Some(site.cloakroom.json(&["outbox", "list"])[0].clone()).filter(|message| message["tries"] == 1));
        let moment = |field: &str| waits[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
        let pause = moment("due") - moment("tried");
        assert!((least..most).contains(&pause), "{asked}: {pause}: {waits}");
    }
}

#[test]
fn nothing_is_lost_where_the_daemon_is_killed_between_an_event_and_its_sending() {
    let port = free_port();
    let early = Receiver::open();
    let secret = early.section("shop", &ACTIVATED, "").replace(&early.port.to_string(), &port.to_string());
    let mut site = site(&secret);
    for _ in 0..3 {
        site.cloakroom.link("masters/a.zip", 1);
    }
    site.cloakroom.kill();
    let receiver = Receiver::at(port);
    site.cloakroom.start();
    let heard = receiver.until("grant.activated", 3);
    let mut ids: Vec<String> = heard.iter().map(|heard| heard.header("webhook-id")).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    let mut grants: Vec<String> = heard.iter().map(|heard| heard.json()["data"]["grant"]["id"].to_string()).collect();
    grants.sort();
    grants.dedup();
    assert_eq!(grants.len(), 3);
}

#[test]
fn what_was_sent_is_not_sent_again_by_a_daemon_that_starts_anew() {
    let receiver = Receiver::open();
    let mut site = site(&receiver.section("shop", &ACTIVATED, ""));
    site.cloakroom.link("masters/a.zip", 1);
    receiver.until("grant.activated", 1);
    until("it is remembered", || (lane(&site, "webhook:shop")["sent"] == 1).then_some(()));
    site.cloakroom.kill();
    site.cloakroom.start();
    site.cloakroom.say(&["outbox", "test", "webhook:shop"]);
    receiver.until("webhook.tested", 1);
    assert_eq!(receiver.heard().len(), 2);
}

#[test]
fn a_webhook_that_is_silent_or_never_ends_holds_no_other_up() {
    let (silent, talking, good) = (Receiver::open(), Receiver::open(), Receiver::open());
    let site = site(
        &[silent.section("silent", &ACTIVATED, ""), talking.section("talking", &ACTIVATED, ""), good.section("good", &ACTIVATED, "")]
            .concat(),
    );
    silent.does(Does::Waits);
    talking.does(Does::Talks);
    for _ in 0..20 {
        site.cloakroom.link("masters/a.zip", 1);
    }
    good.until("grant.activated", 20);
    talking.until("grant.activated", 20);
    assert!(silent.until("grant.activated", 8).len() < 20, "so many at once and no more");
    let answer = until("what it says", || {
        let list = site.cloakroom.json(&["outbox", "list", "--lane", "webhook:talking"]);
        list[0]["answer"].as_str().map(str::to_owned)
    });
    assert!(answer.starts_with("500 aaaa") && answer.len() < 600, "{answer}");
}

#[test]
fn redirects_are_not_followed() {
    let (elsewhere, receiver) = (Receiver::open(), Receiver::open());
    let site = site(&receiver.section("shop", &ACTIVATED, ""));
    receiver.does(Does::Redirects(format!("http://127.0.0.1:{}/", elsewhere.port)));
    site.cloakroom.link("masters/a.zip", 1);
    site.cloakroom.logged(&["lane_fails", "307", "redirects are not followed"]);
    assert!(elsewhere.heard().is_empty());
}

#[test]
fn a_webhook_that_is_gone_is_told_nothing_more_until_somebody_wakes_it() {
    let receiver = Receiver::open();
    let site = site(&receiver.section("shop", &ACTIVATED, ""));
    receiver.does(Does::Answers(410, ""));
    site.cloakroom.link("masters/a.zip", 1);
    site.cloakroom.logged(&["webhook_gone", "cloakroom outbox retry webhook:shop"]);
    until("nothing waits", || (lane(&site, "webhook:shop")["state"] == "gone").then_some(()));
    receiver.does(Does::Answers(200, ""));
    until("nothing is written any more", || {
        let before = site.cloakroom.json(&["outbox", "list"]).as_array().unwrap().len();
        site.cloakroom.link("masters/a.zip", 1);
        (site.cloakroom.json(&["outbox", "list"]).as_array().unwrap().len() == before).then_some(())
    });
    let dead = site.cloakroom.json(&["outbox", "list", "--dead"]);
    let dead = dead.as_array().unwrap().len();
    assert!(dead >= 1);
    let said = site.cloakroom.say(&["outbox", "retry", "webhook:shop"]);
    assert!(said.contains("sent again"), "{said}");
    receiver.until("grant.activated", 1 + dead);
    assert_eq!(lane(&site, "webhook:shop")["state"], "works");
}

#[test]
fn an_address_inside_is_not_asked_though_the_url_looks_public() {
    let receiver = Receiver::open();
    let secret = receiver.section("shop", &ACTIVATED, "");
    let file = secret.split("secret = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let url = format!("https://[::ffff:10.1.2.3]:{}/", receiver.port);
    let site = site(&section("shop", &url, &ACTIVATED, std::path::Path::new(&file), ""));
    site.cloakroom.link("masters/a.zip", 1);
    let line = site.cloakroom.logged(&["lane_fails", "no public address"]);
    assert!(line.contains("private_network = true"), "{line}");
    assert!(receiver.heard().is_empty());
}

#[test]
fn a_reload_takes_webhooks_in_and_out_and_gives_up_what_waits_for_nobody() {
    let (one, other) = (Receiver::open(), Receiver::open());
    let site = site(&one.section("one", &ACTIVATED, ""));
    one.does(Does::Answers(500, ""));
    site.cloakroom.link("masters/a.zip", 1);
    site.cloakroom.logged(&["lane_fails", "webhook:one"]);
    let config = std::fs::read_to_string(site.cloakroom.config()).unwrap();
    let before = config.split("[[webhook]]").next().unwrap().to_owned();
    std::fs::write(site.cloakroom.config(), format!("{before}{}", other.section("other", &ACTIVATED, ""))).unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(site.cloakroom.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    site.cloakroom.logged(&["reloaded", "webhook"]);
    site.cloakroom.logged(&["messages_given_up", "webhook:one"]);
    until("the new one is told", || {
        site.cloakroom.link("masters/a.zip", 1);
        (!other.heard().is_empty()).then_some(())
    });
    other.assert_signed("other", &other.heard()[0]);
}
