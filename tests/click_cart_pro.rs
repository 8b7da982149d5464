//! `ClickCartPro`'s story, without its faults: a copy with a random name in a directory that asks for a password, fetched as
//! often as the customer likes, a rotation that nobody is shut out by, and nothing left at the end. Through the real nginx.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use servers::http::Answer;
use servers::nginx::{Nginx, NginxSetup};
use servers::site::{Site, content};
use servers::until;

/// What a customer was told.
struct Sold {
    grant: String,
    /// The path of the copy.
    copy: String,
    login: Login,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Login {
    user: String,
    password: String,
}

fn shop(directory: &str, policy: &str) -> Site {
    let nginx = Nginx::start(&NginxSetup { passwords: true, ..NginxSetup::default() });
    let (path, htpasswd) = (nginx.goods(), nginx.htpasswd().display().to_string());
    Site::copying_to(nginx, &path, &format!("htpasswd = \"{htpasswd}\"\n{directory}"), policy, true)
}

/// Sells `masters/a.zip`, and waits until the copy is there.
fn sell(shop: &Site, more: &[&str]) -> Sold {
    let made = shop.cloakroom.json(&[&["grant", "add", "--file", "masters/a.zip"][..], more].concat());
    let word = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let login = Login { user: word(&made["copy"]["user"]), password: word(&made["copy"]["password"]) };
    let sold = Sold { grant: word(&made["grant"]["id"]), copy: shop.target(&word(&made["copy"]["url"])), login };
    until("the copy", || (get(shop, &sold.copy, &sold.login).status == 200).then_some(()));
    sold
}

fn get(shop: &Site, target: &str, login: &Login) -> Answer {
    let value = format!("Basic {}", STANDARD.encode(format!("{}:{}", login.user, login.password)));
    shop.ask("GET", target, &[("Authorization", &value)])
}

/// The user names of a grant that open the directory, the newest first.
fn users(shop: &Site, grant: &str) -> Vec<String> {
    let list = shop.cloakroom.json(&["credential", "list", "--grant", grant]);
    list.as_array().unwrap().iter().map(|one| one["user"].as_str().unwrap().to_owned()).collect()
}

fn login(shop: &Site, user: &str) -> Login {
    let page = shop.cloakroom.json(&["credential", "show", user]);
    Login { user: user.to_owned(), password: page["password"].as_str().unwrap_or_else(|| panic!("{page}")).to_owned() }
}

fn completed(shop: &Site) -> usize {
    let list = shop.cloakroom.json(&["delivery", "list"]);
    let rows = list.as_array().or_else(|| list["deliveries"].as_array()).unwrap();
    rows.iter().filter(|delivery| delivery["state"] == "completed").count()
}

/// What lies in the public directory.
fn copies(shop: &Site) -> Vec<String> {
    let directory = shop.nginx.goods();
    let names = |path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<String> = names(directory.clone()).filter(|name| name != ".cloakroom").collect();
    found.extend(names(directory.join(".cloakroom")));
    found
}

fn lines(shop: &Site) -> Vec<String> {
    let text = fs::read_to_string(shop.nginx.htpasswd()).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn a_copy_and_its_password_live_and_end_with_the_grant_and_a_rotation_shuts_nobody_out() {
    let shop = shop("overlap = \"1h\"", "resume_grace = \"1s\"");
    let bytes = content(300_000);
    shop.master("a.zip", &bytes);
    let (sold, other) = (sell(&shop, &["--max", "unlimited"]), sell(&shop, &["--max", "unlimited"]));
    assert_ne!(sold.login.user, other.login.user, "each has its own");
    assert_eq!(shop.get(&sold.copy).status, 401, "nobody without a password");
    assert_eq!(get(&shop, &sold.copy.replace("a-", "b-"), &sold.login).status, 404);

    // As often as the customer likes.
    let before = completed(&shop);
    for _ in 0..2 {
        let answer = get(&shop, &sold.copy, &sold.login);
        assert_eq!(answer.status, 200);
        assert!(answer.body == bytes);
        assert_eq!(answer.header("Content-Disposition"), Some("attachment"));
    }
    until("the downloads are counted", || (completed(&shop) > before).then_some(()));

    // All of them get another one; what was sent by mail yesterday still works.
    let told = shop.cloakroom.say(&["credential", "rotate", "goods"]);
    assert!(told.starts_with("goods: 2 user names were replaced; those before open until "), "{told}");
    let both = users(&shop, &sold.grant);
    assert_eq!((both.len(), &both[1]), (2, &sold.login.user));
    let fresh = login(&shop, &both[0]);
    assert_ne!(fresh.password, sold.login.password);
    for login in [&sold.login, &fresh] {
        assert!(get(&shop, &sold.copy, login).body == bytes, "{}", login.user);
    }

    // The end: of both user names, and of the copy; the other customer notices nothing.
    shop.cloakroom.say(&["grant", "revoke", &sold.grant]);
    for login in [&sold.login, &fresh] {
        until("nobody enters by what has ended", || (get(&shop, &sold.copy, login).status == 401).then_some(()));
    }
    until("the copy is gone", || (copies(&shop).len() == 1).then_some(()));
    assert_eq!(get(&shop, &sold.copy, &other.login).status, 404);
    assert_eq!((users(&shop, &sold.grant).len(), lines(&shop).len()), (0, 2));
    assert!(get(&shop, &other.copy, &other.login).body == bytes);
    shop.cloakroom.say(&["grant", "revoke", &other.grant]);
    until("nothing is left", || (copies(&shop).is_empty() && lines(&shop).is_empty()).then_some(()));
}

#[test]
fn who_has_a_grant_whose_time_is_over_is_shut_out_within_a_second() {
    let shop = shop("", "resume_grace = \"1s\"");
    shop.master("a.zip", &content(1000));
    let sold = sell(&shop, &["--max", "unlimited", "--for", "4s"]);
    let grant = shop.cloakroom.json(&["grant", "show", &sold.grant]);
    let ends: jiff::Timestamp = grant["expires"].as_str().or_else(|| grant["grant"]["expires"].as_str()).unwrap().parse().unwrap();
    until("401", || (get(&shop, &sold.copy, &sold.login).status == 401).then_some(()));
    // Its end is said in whole seconds; a second more is for what the download that began last may still resume.
    let late = jiff::Timestamp::now().as_millisecond() - ends.as_millisecond();
    assert!((0..4000).contains(&late), "{late} ms after its end");
    until("nothing is left", || (copies(&shop).is_empty() && lines(&shop).is_empty()).then_some(()));
}

#[test]
fn a_grant_that_is_opened_again_has_another_user_name_and_one_that_is_extended_keeps_its_own() {
    let mut shop = shop("", "resume_grace = \"1s\"");
    shop.master("a.zip", &content(1000));
    let sold = sell(&shop, &["--max", "unlimited", "--for", "1h"]);
    shop.cloakroom.say(&["grant", "extend", &sold.grant, "--for", "30d"]);
    assert_eq!(users(&shop, &sold.grant), std::slice::from_ref(&sold.login.user));
    assert_eq!(get(&shop, &sold.copy, &sold.login).status, 200);
    shop.cloakroom.say(&["grant", "suspend", &sold.grant]);
    until("401", || (get(&shop, &sold.copy, &sold.login).status == 401).then_some(()));
    until("nothing is left", || copies(&shop).is_empty().then_some(()));
    let told = shop.cloakroom.say(&["grant", "resume", &sold.grant]);
    assert!(told.contains("another user name and password"), "{told}");
    let again = users(&shop, &sold.grant);
    assert_eq!(again.len(), 1);
    assert_ne!(again[0], sold.login.user, "no name comes twice");
    // A crash takes nothing away, and gives nothing back.
    shop.cloakroom.kill();
    fs::write(shop.nginx.htpasswd(), "").unwrap();
    shop.cloakroom.start();
    until("the file says it again", || (lines(&shop).len() == 1).then_some(()));
    let fresh = login(&shop, &again[0]);
    let copy = until("the new copy", || copies(&shop).into_iter().find(|name| name.starts_with("a-")));
    until("200", || (get(&shop, &format!("/goods/{copy}"), &fresh).status == 200).then_some(()));
    assert_eq!(get(&shop, &format!("/goods/{copy}"), &sold.login).status, 401);
}

#[test]
fn one_password_shared_by_the_directory_outlives_each_grant() {
    let shop = shop("credential = \"shared\"", "resume_grace = \"1s\"");
    shop.master("a.zip", &content(1000));
    let (one, two) = (sell(&shop, &["--max", "unlimited"]), sell(&shop, &["--max", "unlimited"]));
    assert_eq!(one.login, two.login);
    shop.cloakroom.say(&["grant", "revoke", &one.grant]);
    until("404", || (get(&shop, &one.copy, &one.login).status == 404).then_some(()));
    assert_eq!(get(&shop, &two.copy, &two.login).status, 200);
}
