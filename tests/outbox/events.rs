//! Which events are told, to whom, and how they are signed.

use std::fs;

use serde_json::json;

use crate::receiver::{Receiver, Verifier, section};
use crate::servers::http::Download;
use crate::servers::site::{Site, content};
use crate::servers::until;

const EVERYTHING: [&str; 8] = [
    "grant.activated",
    "delivery.completed",
    "grant.exhausted",
    "grant.expiring",
    "grant.more_requested",
    "refused",
    "file.version_released",
    "credential.rotated",
];

/// Fetches what `url` leads to, whole.
#[track_caller]
fn fetch(site: &Site, url: &str) {
    let click = site.get(&site.target(url));
    assert_eq!(click.status, 303, "{click:?}");
    assert_eq!(site.get(click.header("location").unwrap()).status, 200);
}

#[test]
fn a_grant_that_is_made_used_and_used_up_is_told_of_signed_and_each_time_once() {
    let receiver = Receiver::open();
    let site = Site::with(&receiver.section("shop", &EVERYTHING, ""));
    site.master("a.zip", &content(20_000));
    let url = site.cloakroom.say(&["grant", "add", "--file", "masters/a.zip", "--max", "1", "--customer", "anna"]);
    let activated = receiver.until("grant.activated", 1).remove(0);
    receiver.assert_signed("shop", &activated);
    assert!(activated.head.starts_with("POST /hooks?shop=1 HTTP/1.1\r\n"), "{activated:?}");
    assert_eq!(activated.header("host"), format!("127.0.0.1:{}", receiver.port));
    assert_eq!(activated.header("content-type"), "application/json");
    let id = site.cloakroom.json(&["grant", "list"])[0]["id"].clone();
    let told = activated.json();
    assert_eq!((&told["data"]["grant"]["id"], &told["data"]["grant"]["customer"]), (&id, &json!("anna")));
    assert_eq!(told["data"]["grant"]["file"], "masters/a.zip");
    fetch(&site, &url);
    let completed = receiver.until("delivery.completed", 1).remove(0);
    let exhausted = receiver.until("grant.exhausted", 1).remove(0);
    for heard in [&completed, &exhausted] {
        receiver.assert_signed("shop", heard);
        assert_eq!(heard.json()["data"]["grant"]["id"], id);
    }
    assert_eq!(completed.json()["data"]["delivery"]["size"], 20_000);
    assert_eq!(exhausted.json()["data"]["grant"]["used"], 1);
    // Refused is who has the link, however often; strangers are not told of.
    let target = site.target(&url);
    site.cloakroom.say(&["grant", "suspend", id.as_str().unwrap()]);
    for _ in 0..5 {
        assert_eq!(site.get(&target).status, 403);
    }
    assert_eq!(site.get(&format!("/dl/l/{}/a.zip", "0".repeat(40))).status, 403);
    let refused = receiver.until("refused", 1).remove(0);
    receiver.assert_signed("shop", &refused);
    assert_eq!((&refused.json()["data"]["refusal"], &refused.json()["data"]["grant"]["id"]), (&json!("suspended"), &id));
    // What comes last comes after all that was told before.
    site.cloakroom.say(&["outbox", "test", "webhook:shop"]);
    receiver.until("webhook.tested", 1);
    assert_eq!(receiver.heard().len(), 5, "{:#?}", receiver.heard());
    let text = receiver.heard().iter().map(|heard| heard.body.clone()).collect::<String>();
    assert!(!text.contains("/dl/") && !text.contains(target.split('/').nth(3).unwrap()), "{text}");
    until("all are remembered as sent, but for what is told before its end", || {
        let list = site.cloakroom.json(&["outbox", "list"]);
        let states = list.as_array().unwrap().iter().map(|message| (&message["state"], &message["answer"]));
        let sent = states.filter(|state| *state == (&json!("sent"), &json!("204"))).count();
        (sent == 5 && list.as_array().unwrap().len() == 6).then_some(())
    });
}

#[test]
fn the_library_of_the_standard_finds_every_signature_good_by_tls() {
    let verifier = Verifier::open();
    let mut site = Site::with(&verifier.section(&["grant.activated"]));
    site.master("a.zip", b"goods");
    site.cloakroom.stop();
    site.cloakroom.environment.push(("SSL_CERT_FILE", verifier.authority()));
    site.cloakroom.start();
    for _ in 0..3 {
        site.cloakroom.link("masters/a.zip", 1);
    }
    until("three events", || (verifier.heard().len() >= 3).then_some(()));
    assert_eq!(verifier.heard(), ["grant.activated"; 3]);
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_not_believed() {
    let verifier = Verifier::open();
    let site = Site::with(&verifier.section(&["grant.activated"]));
    site.master("a.zip", b"goods");
    site.cloakroom.link("masters/a.zip", 1);
    let line = site.cloakroom.logged(&["lane_fails", "webhook:verified"]);
    assert!(line.contains("TLS") || line.contains("certificate"), "{line}");
    assert!(verifier.heard().is_empty());
}

#[test]
fn only_what_a_webhook_asked_for_is_written_and_told() {
    let (one, other) = (Receiver::open(), Receiver::open());
    let config = [one.section("one", &["grant.exhausted"], ""), other.section("other", &["delivery.completed"], "")].concat();
    let site = Site::with(&config);
    site.master("a.zip", &content(2000));
    let url = site.cloakroom.link("masters/a.zip", 2);
    fetch(&site, &url);
    other.until("delivery.completed", 1);
    fetch(&site, &site.cloakroom.link("masters/a.zip", 1));
    other.until("delivery.completed", 2);
    one.until("grant.exhausted", 1);
    assert_eq!((one.heard().len(), other.heard().len()), (1, 2));
    let lanes = site.cloakroom.json(&["outbox", "lanes"]);
    assert_eq!((&lanes[0]["lane"], &lanes[1]["events"]), (&json!("webhook:one"), &json!(["delivery.completed"])));
}

#[test]
fn where_nobody_listens_nothing_is_written() {
    let site = Site::open();
    site.master("a.zip", &content(2000));
    fetch(&site, &site.cloakroom.link("masters/a.zip", 1));
    until("it is counted", || (site.cloakroom.states() == ["completed"]).then_some(()));
    assert_eq!(site.cloakroom.json(&["outbox", "list"]), json!([]));
    let said = site.cloakroom.command(&["outbox", "lanes"]);
    assert!(String::from_utf8(said.stdout).unwrap().contains("no [[webhook]] and no [mail]"));
}

#[test]
fn a_customer_who_asks_for_more_is_told_of_once_a_day_with_the_number_of_the_order() {
    let receiver = Receiver::open();
    let policy = "[[policy]]\nname = \"default\"\nmax_downloads = 0\n\n";
    let site = Site::with(&format!("{policy}{}", receiver.section("shop", &["grant.more_requested"], "")));
    site.master("a.zip", &content(100));
    let file = site.cloakroom.say(&["file", "add", "masters/a.zip"]);
    site.cloakroom.say(&["product", "add", "a", "--file", &file]);
    let order = site.cloakroom.json(&["order", "add", "1001", "--email", "anna@b.example", "--line", "a"]);
    let grant = order["lines"][0]["grants"][0]["grant"]["id"].as_str().unwrap();
    let page = site.target(order["page_url"].as_str().unwrap());
    let body = [("Content-Length", "0"), ("Accept", "text/html"), ("User-Agent", "Lynx")];
    for _ in 0..3 {
        assert_eq!(site.ask("POST", &format!("{page}/ask/{grant}"), &body).status, 303);
    }
    let heard = receiver.until("grant.more_requested", 1).remove(0);
    receiver.assert_signed("shop", &heard);
    let told = heard.json();
    assert_eq!((&told["data"]["grant"]["id"], &told["data"]["refusal"]), (&json!(grant), &json!("limit_reached")));
    assert_eq!(told["data"]["order"], json!({"id": order["id"], "shop": "shop", "external_id": "1001"}));
    assert!(!heard.body.contains("/dl/"), "{heard:?}");
    site.cloakroom.say(&["outbox", "test", "webhook:shop"]);
    receiver.until("webhook.tested", 1);
    assert_eq!(receiver.heard().len(), 2, "{:#?}", receiver.heard());
}

#[test]
fn that_a_grant_ends_soon_is_told_in_time_and_not_of_what_was_used_up_or_extended() {
    let receiver = Receiver::open();
    let site = Site::with(&receiver.section("shop", &["grant.expiring"], "notice = \"58m\""));
    site.master("a.zip", &content(2000));
    let add = |time: &str| site.cloakroom.say(&["grant", "add", "--file", "masters/a.zip", "--max", "1", "--for", time]);
    // Due some seconds from now; the first is used up by then, the second extended, the third is as it was.
    let used_up = add("58m6s");
    add("58m6s");
    add("58m6s");
    let ids: Vec<String> =
        site.cloakroom.json(&["grant", "list"]).as_array().unwrap().iter().map(|grant| grant["id"].as_str().unwrap().to_owned()).collect();
    fetch(&site, &used_up);
    site.cloakroom.say(&["grant", "extend", &ids[1], "--for", "30d"]);
    let told = receiver.until("grant.expiring", 1).remove(0);
    assert_eq!(told.json()["data"]["grant"]["id"], ids[0].as_str());
    until("the others are forgotten", || {
        let waiting = site.cloakroom.json(&["outbox", "list", "--waiting"]);
        (waiting.as_array().unwrap().len() == 1).then_some(())
    });
    assert_eq!(receiver.heard().len(), 1);
}

#[test]
fn a_name_that_was_replaced_is_told_of_without_its_password() {
    let receiver = Receiver::open();
    let nginx = crate::servers::nginx::Nginx::start(&crate::servers::nginx::NginxSetup {
        passwords: true,
        ..crate::servers::nginx::NginxSetup::default()
    });
    let directory = format!(
        "[[directory]]\nname = \"goods\"\npath = \"{}\"\nurl = \"/goods/\"\nhtpasswd = \"{}\"\ncredential = \"shared\"\n\n",
        nginx.goods().display(),
        nginx.htpasswd().display()
    );
    let more = [directory, receiver.section("shop", &["credential.rotated"], "")].concat();
    let cloakroom = crate::servers::cloakroom::Cloakroom::behind(&nginx, &more);
    let users = || cloakroom.json(&["credential", "list", "goods"]);
    let user = until("a user name", || users().as_array().unwrap().first().cloned())["user"].clone();
    cloakroom.say(&["credential", "rotate", "goods", "--overlap", "1h"]);
    let told = receiver.until("credential.rotated", 1).remove(0);
    receiver.assert_signed("shop", &told);
    let data = told.json()["data"].clone();
    assert_eq!((&data["user"], &data["directory"]), (&user, &json!("goods")));
    assert!(data["ends"].is_string() && data.as_object().unwrap().len() == 4, "{data}");
}

#[test]
fn a_webhook_in_the_wrong_place_is_refused_with_file_and_line() {
    let receiver = Receiver::open();
    let mut site = Site::open();
    site.cloakroom.stop();
    let config = fs::read_to_string(site.cloakroom.config()).unwrap();
    let good = receiver.section("shop", &["refused"], "");
    let (url, secret) = (format!("http://127.0.0.1:{}/hooks?shop=1", receiver.port), good.split("secret = \"").nth(1).unwrap());
    let secret = std::path::Path::new(secret.split('"').next().unwrap()).to_owned();
    let other = secret.with_file_name("other");
    fs::write(&other, "not a secret of a webhook, but long enough\n").unwrap();
    fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for (section, told) in [
        (section("shop", "http://shop.example/", &["refused"], &secret, ""), "must begin with https://"),
        (section("shop", "ftp://shop.example/", &["refused"], &secret, ""), "must be a URL such as"),
        (section("shop", &url, &["grant.revoked"], &secret, ""), "must be a list of \"grant.activated\""),
        (section("shop", &url, &["refused"], &secret, "notice = \"1h\""), "beside \"grant.expiring\""),
        (section("shop", &url, &["refused"], std::path::Path::new("/nowhere"), ""), "cannot be read"),
        (section("shop", &url, &["refused"], &other, ""), "`whsec_` and 24 to 64 random bytes"),
    ] {
        fs::write(site.cloakroom.config(), format!("{config}\n{section}")).unwrap();
        let checked = site.cloakroom.command(&["serve"]);
        let said = String::from_utf8(checked.stderr).unwrap();
        assert_eq!(checked.status.code(), Some(78), "{section}: {said}");
        assert!(said.contains(told) && said.contains("webhook[1].") && said.contains("cloakroom.toml:"), "{told}: {said}");
    }
    fs::write(site.cloakroom.config(), config).unwrap();
}

#[test]
fn a_download_in_parts_is_told_of_once() {
    let receiver = Receiver::open();
    let site = Site::with(&receiver.section("shop", &["delivery.completed"], ""));
    site.master("a.zip", &content(200_000));
    let url = site.cloakroom.link("masters/a.zip", 1);
    let click = site.get(&site.target(&url));
    let delivery = site.remember(click.header("location").unwrap());
    let _ = Download::open(site.nginx.port, "GET", &delivery, &[]).read(1000);
    for range in ["bytes=0-99999", "bytes=100000-", "bytes=0-5"] {
        assert_eq!(site.ask("GET", &delivery, &[("Range", range)]).status, 206);
    }
    receiver.until("delivery.completed", 1);
    site.assert_reported(4);
    site.cloakroom.say(&["outbox", "test", "webhook:shop"]);
    receiver.until("webhook.tested", 1);
    assert_eq!(receiver.heard().len(), 2);
}
