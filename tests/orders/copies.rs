//! What an order sells as copies behind a password: who bought it may enter, and is told how.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::servers::http::get;
use crate::servers::secrecy;
use crate::servers::site::{Site, content};
use crate::servers::until;
use crate::shop::*;

/// A shop that sells `set` as copies of two files, each behind a password of its own.
fn selling_copies() -> Site {
    let site = Site::with_copies("max_downloads = \"unlimited\"\n", true);
    let [book, audio] = ["book.pdf", "book.mp3"].map(|path| file(&site, path));
    site.cloakroom.say(&["product", "add", "set", "--file", &book, "--file", &audio]);
    site
}

fn order(state: &str) -> Value {
    json!({"external_id": "1001", "state": state, "customer": {"email": "anna@b.example"}, "lines": [{"sku": "set"}]})
}

/// `Authorization` for the copy of each grant, as the answer tells it.
#[track_caller]
fn logins(answer: &Value) -> Vec<String> {
    let login = |sold: &Value| {
        let [user, password] = ["user", "password"].map(|key| sold["copy"][key].as_str().unwrap_or_else(|| panic!("no {key}: {sold}")));
        secrecy::learn_password(password);
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    };
    grants(answer).iter().map(login).collect()
}

/// The path of the copy to which a link leads, once it is there.
#[track_caller]
fn copy_of(site: &Site, url: &str) -> String {
    let link = site.target(url);
    until("the copy is there", || {
        let click = site.get(&link);
        click.header("location").filter(|_| click.status == 303).map(str::to_owned)
    })
}

/// Fetches what the links of an answer lead to: each with its own login, and not with that of another.
#[track_caller]
fn assert_open(site: &Site, answer: &Value, logins: &[String]) {
    let urls = urls(answer);
    assert_eq!((urls.len(), logins.len()), (2, 2), "{answer}");
    for (url, login) in urls.iter().zip(logins) {
        let copy = copy_of(site, url);
        until("the web server lets them in", || (ask(site, &copy, login) == 200).then_some(()));
    }
}

fn ask(site: &Site, copy: &str, login: &str) -> u16 {
    get(site.nginx.port, copy, &[("Authorization", login)]).status
}

#[test]
fn who_buys_copies_behind_a_password_may_enter_and_the_shop_is_told_how() {
    let site = selling_copies();
    let answer = report(&site, &order("paid"));
    let told = logins(&answer);
    assert_open(&site, &answer, &told);
    assert_ne!(told[0], told[1], "each has its own");
    let again = report(&site, &order("paid"));
    assert_eq!((logins(&again), &again["changed"]), (told, &json!(false)), "the same is told again");
    // Who only looks is told no secret.
    let shown = site.cloakroom.json(&["order", "show", "1001"]);
    let shown = grants(&shown);
    assert!(shown.len() == 2 && shown.iter().all(|sold| sold["copy"].is_null() && sold["url"].is_null()), "{shown:?}");
    let by_hand = site.cloakroom.say(&["order", "add", "1002", "--email", "anna@b.example", "--line", "set"]);
    let count = |word: &str| by_hand.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!([count("http"), count("copy "), count("user "), count("password ")], [2, 2, 2, 2], "{by_hand}");
}

#[test]
fn who_bought_copies_elsewhere_may_enter_once_that_is_taken_over() {
    let site = Site::with_copies("max_downloads = \"unlimited\"\n", true);
    site.master("a.zip", &content(1000));
    let body = json!({
        "files": [{"file": "masters/a.zip", "name": "a.zip"}],
        "products": [{"sku": "a", "name": "A", "files": [{"file": "masters/a.zip"}]}],
        "orders": [{"external_id": "7", "state": "paid", "customer": {"email": "anna@b.example"},
            "lines": [{"line": "1", "sku": "a", "file": "masters/a.zip"}]}],
    });
    let (status, answer) = call(&site, "POST", "/api/v1/import", &body);
    assert_eq!(status, 200, "{answer}");
    let id = ids(&site.cloakroom.json(&["order", "show", "7"]))[0].clone();
    let users = site.cloakroom.json(&["credential", "list", "--grant", &id]);
    let user = users[0]["user"].as_str().unwrap_or_else(|| panic!("{users}"));
    let shown = site.cloakroom.json(&["credential", "show", user]);
    let password = shown["password"].as_str().unwrap();
    secrecy::learn_password(password);
    let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let url = site.cloakroom.json(&["link", "new", &id])["url"].as_str().unwrap().to_owned();
    let copy = copy_of(&site, &url);
    until("the web server lets them in", || (ask(&site, &copy, &login) == 200).then_some(()));
}

/// Forgets every user name, as if the daemon had died before it made them.
fn forget_logins(site: &mut Site) {
    site.cloakroom.stop();
    let database = rusqlite::Connection::open(site.cloakroom.state().join("cloakroom.db")).unwrap();
    assert_eq!(database.execute("DELETE FROM credentials", []).unwrap(), 2);
    drop(database);
    site.cloakroom.start();
}

#[test]
fn who_gets_back_what_was_refunded_enters_as_before() {
    let site = selling_copies();
    let bought = report(&site, &order("paid"));
    let told = logins(&bought);
    assert_open(&site, &bought, &told);
    let copies: Vec<String> = urls(&bought).iter().map(|url| copy_of(&site, url)).collect();
    let refunded = report(&site, &order("refunded"));
    assert!(grants(&refunded).iter().all(|sold| sold["copy"]["user"].is_null()), "{refunded}");
    for (copy, login) in copies.iter().zip(&told) {
        until("nobody is let in", || (ask(&site, copy, login) == 401).then_some(()));
    }
    let again = report(&site, &order("paid"));
    assert_eq!(logins(&again), told, "what the customer has in a letter is right still");
    assert_open(&site, &again, &told);
    // A person who shuts a grant and opens it again wants another password.
    let id = &ids(&again)[0];
    let user = grants(&again)[0]["copy"]["user"].clone();
    site.cloakroom.say(&["grant", "suspend", id]);
    let users = || site.cloakroom.json(&["credential", "list", "--grant", id]);
    until("it is shut", || users().as_array().unwrap().is_empty().then_some(()));
    site.cloakroom.say(&["grant", "resume", id]);
    assert_ne!(users()[0]["user"], user);
    // That one is brought back from then on.
    let user = users()[0]["user"].clone();
    report(&site, &order("on_hold"));
    until("it is shut", || users().as_array().unwrap().is_empty().then_some(()));
    let last = report(&site, &order("paid"));
    logins(&last);
    assert_eq!(grants(&last)[0]["copy"]["user"], user);
}

#[test]
fn a_report_that_comes_again_lets_in_whom_the_first_did_not() {
    let mut site = selling_copies();
    let bought = report(&site, &order("paid"));
    let before = logins(&bought);
    forget_logins(&mut site);
    let again = report(&site, &order("paid"));
    let told = logins(&again);
    assert_eq!(again["changed"], false);
    assert!(told.iter().all(|login| !before.contains(login)));
    assert_open(&site, &again, &told);
}
