//! Calls that are repeated: answered again, and made once.

use std::thread;

use serde_json::{Value, json};

use crate::servers::http::Answer;
use crate::servers::{faketime, until};
use crate::shop::{Shop, is_problem, json_of};

impl Shop {
    /// Asks for something to be made under a name.
    fn named(&self, key: &str, name: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {key}");
        self.call("POST", path, &[("Authorization", &bearer), ("Idempotency-Key", name)], Some(body))
    }

    fn grants(&self) -> usize {
        self.daemon.json(&["grant", "list"]).as_array().unwrap().len()
    }
}

const GRANTS: &str = "/api/v1/grants";

fn album(customer: &str) -> Value {
    json!({ "file": "masters/album.zip", "customer": customer })
}

#[test]
fn the_same_call_has_the_same_answer_and_makes_nothing_over_a_crash_neither() {
    let mut shop = Shop::open();
    let (key, other) = (shop.key("shop", &["grants", "read"]), shop.key("other", &["grants"]));
    let first = shop.named(&key, "\"8e03978e\"", GRANTS, &album("anna"));
    assert_eq!((first.status, first.header("idempotency-replayed")), (200, None), "{first:?}");
    let again = |shop: &Shop| {
        let again = shop.named(&key, "8e03978e", GRANTS, &album("anna"));
        assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")), "{again:?}");
        assert_eq!((again.header("content-type"), &again.body), (Some("application/json"), &first.body));
    };
    again(&shop);
    assert_eq!(shop.grants(), 1);
    // Of another caller, and without a name, it is another call.
    assert_eq!(shop.named(&other, "8e03978e", GRANTS, &album("anna")).header("idempotency-replayed"), None);
    assert_ne!(shop.grant(&key)["link"], json_of(&first)["link"]);
    assert_eq!(shop.grants(), 3);
    let grant = json_of(&first)["grant"]["id"].as_str().unwrap().to_owned();
    let links = format!("{GRANTS}/{grant}/links");
    let link = json_of(&shop.named(&key, "link-1", &links, &json!({})));
    // What has changed since is not what was answered.
    assert_eq!(shop.by(&key, "POST", &format!("{GRANTS}/{grant}/revoke"), None).status, 200);
    shop.daemon.kill();
    shop.daemon.start();
    again(&shop);
    assert_eq!(json_of(&shop.named(&key, "link-1", &links, &json!({}))), link);
    let page = json_of(&shop.by(&key, "GET", &format!("{GRANTS}/{grant}"), None));
    assert_eq!(page["links"].as_array().unwrap().len(), 2, "{page}");
    // The file of the store has no token.
    let token = json_of(&first)["url"].as_str().unwrap().split('/').nth(5).unwrap().to_owned();
    for end in ["", "-wal"] {
        let bytes = std::fs::read(shop.daemon.state().join(format!("cloakroom.db{end}"))).unwrap_or_default();
        assert!(!bytes.windows(token.len()).any(|piece| piece == token.as_bytes()), "cloakroom.db{end}");
    }
}

#[test]
fn a_call_that_was_cut_off_before_it_was_answered_finds_what_it_made() {
    let mut shop = Shop::open();
    let key = shop.key("shop", &["grants"]);
    let first = json_of(&shop.named(&key, "order-7", GRANTS, &album("anna")));
    let link = json_of(&shop.named(&key, "link-7", &format!("{GRANTS}/{}/links", first["grant"]["id"].as_str().unwrap()), &json!({})));
    // As a crash leaves it between the grant and the answer.
    shop.daemon.stop();
    let store = rusqlite::Connection::open(shop.daemon.state().join("cloakroom.db")).unwrap();
    assert_eq!(store.execute("UPDATE calls SET status = NULL, kid = NULL, sealed = NULL", []), Ok(2));
    drop(store);
    shop.daemon.start();
    let again = json_of(&shop.named(&key, "order-7", GRANTS, &album("anna")));
    assert_eq!(again, first);
    let links = format!("{GRANTS}/{}/links", first["grant"]["id"].as_str().unwrap());
    assert_eq!(json_of(&shop.named(&key, "link-7", &links, &json!({}))), link);
    assert_eq!(shop.grants(), 1);
}

#[test]
fn what_was_cut_off_is_not_done_twice_and_who_asks_again_is_told_where_to_look() {
    let mut shop = Shop::with("[mail]\nfrom = \"shop@shop.example\"\nname = \"The Shop\"\nserver = \"smtp://localhost:1\"\n");
    let key = shop.key("shop", &["admin"]);
    let (files, mail) = ("/api/v1/files", "/api/v1/mail/test");
    let (first, next, to) =
        (json!({ "file": "masters/album.zip" }), json!({ "file": "https://h.example/b.zip:30" }), json!({ "to": "anna@b.example" }));
    let file = json_of(&shop.named(&key, "file", files, &first))["id"].as_str().unwrap().to_owned();
    let versions = format!("{files}/{file}/versions");
    assert_eq!(shop.named(&key, "version", &versions, &next).status, 200);
    let letter = json_of(&shop.named(&key, "letter", mail, &to))["id"].clone();
    shop.daemon.kill();
    // As a crash leaves it between what was made and the answer.
    let store = rusqlite::Connection::open(shop.daemon.state().join("cloakroom.db")).unwrap();
    assert_eq!(store.execute("UPDATE calls SET status = NULL, kid = NULL, sealed = NULL", []), Ok(3));
    drop(store);
    shop.daemon.start();
    for _ in 0..2 {
        is_problem(&shop.named(&key, "file", files, &first), 409, &["`cloakroom file list`", "another `Idempotency-Key`"]);
        is_problem(&shop.named(&key, "version", &versions, &next), 409, &["`cloakroom file show`", "another `Idempotency-Key`"]);
    }
    assert_eq!(json_of(&shop.named(&key, "letter", mail, &to))["id"], letter, "it is the same letter");
    assert_eq!(shop.daemon.json(&["file", "show", &file])["versions"].as_array().unwrap().len(), 2);
    assert_eq!(shop.daemon.json(&["outbox", "list"]).as_array().unwrap().len(), 1);
    let told: Vec<&str> = cloakroom::api::table().iter().filter(|call| call.look.is_some()).map(|call| call.path).collect();
    assert_eq!(told, ["/api/v1/directories/{name}/rotate", "/api/v1/files", "/api/v1/files/{id}/versions"]);
}

#[test]
fn a_call_is_forgotten_with_its_answer_a_day_later_whether_others_come_or_not() {
    let mut shop = Shop::open();
    let key = shop.key("shop", &["grants"]);
    shop.named(&key, "order-7", GRANTS, &album("anna"));
    faketime::set(&mut shop.daemon, 23 * 3600);
    shop.named(&key, "order-8", GRANTS, &album("bert"));
    faketime::set(&mut shop.daemon, 25 * 3600);
    let store = shop.daemon.state().join("cloakroom.db");
    let kept = || {
        let store = rusqlite::Connection::open_with_flags(&store, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut names = store.prepare("SELECT name FROM calls").unwrap();
        names.query_map([], |row| row.get(0)).unwrap().collect::<Result<Vec<String>, _>>().unwrap()
    };
    until("the first is forgotten", || (kept() == ["order-8"]).then_some(()));
    assert_eq!(shop.named(&key, "order-8", GRANTS, &album("bert")).header("idempotency-replayed"), Some("true"));
}

#[test]
fn another_call_under_the_name_is_refused_and_one_that_made_nothing_gives_it_back() {
    let shop = Shop::open();
    let key = shop.key("shop", &["grants", "admin"]);
    assert_eq!(shop.named(&key, "a", GRANTS, &album("anna")).status, 200);
    let grant = shop.grant(&key)["grant"]["id"].as_str().unwrap().to_owned();
    is_problem(&shop.named(&key, "a", GRANTS, &album("bert")), 422, &["stands for another call"]);
    is_problem(&shop.named(&key, "a", &format!("{GRANTS}/{grant}/links"), &album("anna")), 422, &["stands for another call"]);
    is_problem(&shop.named(&key, "b", GRANTS, &json!({ "file": "masters/none.zip" })), 404, &["no such file"]);
    assert_eq!(shop.named(&key, "b", GRANTS, &album("bert")).status, 200, "it made nothing before");
    let longest = "x".repeat(128);
    for name in ["", "\"\"", "a b", "ä", &format!("{longest}x")] {
        is_problem(&shop.named(&key, name, GRANTS, &album("anna")), 400, &["`Idempotency-Key`", "128"]);
    }
    let bearer = format!("Bearer {key}");
    let twice = [("Authorization", bearer.as_str()), ("Idempotency-Key", "c"), ("Idempotency-Key", "c")];
    is_problem(&shop.call("POST", GRANTS, &twice, Some(&album("anna"))), 400, &["once"]);
    assert_eq!(shop.named(&key, &longest, GRANTS, &album("anna")).status, 200);
    // A key of the API is told once, whatever the call is called.
    let made = |_| shop.named(&key, "k", "/api/v1/apikeys", &json!({ "name": "x", "scopes": ["read"] })).status;
    assert_eq!([1, 2].map(made), [200, 409]);
    assert_eq!(shop.grants(), 4);
}

#[test]
fn of_calls_at_once_under_one_name_one_is_made() {
    let shop = Shop::open();
    let key = shop.key("shop", &["grants"]);
    // That it was used today is written down once.
    shop.grant(&key);
    // The store waits for us, and so does the first of them.
    let store = rusqlite::Connection::open(shop.daemon.state().join("cloakroom.db")).unwrap();
    store.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answers: Vec<Answer> = thread::scope(|scope| {
        let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| shop.named(&key, "once", GRANTS, &album("anna")))).collect();
        until("the others were answered", || (calls.iter().filter(|call| call.is_finished()).count() == 3).then_some(()));
        store.execute_batch("ROLLBACK").unwrap();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let (made, told): (Vec<&Answer>, Vec<&Answer>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((made.len(), told.len()), (1, 3), "{answers:?}");
    for answer in told {
        is_problem(answer, 409, &["being answered at this moment"]);
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(shop.named(&key, "once", GRANTS, &album("anna")).body, made[0].body);
    assert_eq!(shop.grants(), 2);
}
