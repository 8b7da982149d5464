//! Keys: made once, known again, each for what it may do.

use serde_json::{Value, json};

use crate::servers::faketime;
use crate::servers::http::Download;
use crate::shop::{Shop, is_problem, json_of};

#[test]
fn a_key_opens_what_its_scopes_say_and_the_history_has_its_name() {
    let shop = Shop::open();
    let key = shop.key("shop-php", &["grants", "read"]);
    assert!(key.starts_with("cr_") && key.len() == 35, "{}", key.len());
    let made = shop.grant(&key);
    assert!(made["url"].as_str().unwrap().starts_with("https://shop.example/dl/l/"), "{made}");
    let grant = made["grant"]["id"].as_str().unwrap();
    let shown = json_of(&shop.by(&key, "GET", &format!("/api/v1/grants/{grant}"), None));
    let id = shop.daemon.json(&["apikey", "list"])[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(shown["history"][0]["author"], format!("shop-php (api key {id})"));
    let denied = shop.by(&key, "POST", "/api/v1/public/sweep", Some(&json!({})));
    is_problem(&denied, 403, &["scope `admin`", "`shop-php` has: read grants"]);
    let challenge = denied.header("www-authenticate").unwrap();
    assert_eq!(challenge, "Bearer realm=\"cloakroom\", error=\"insufficient_scope\", scope=\"admin\"");
    assert_eq!(shop.by(&key, "GET", "/api/v1/grants", None).header("cache-control"), Some("no-store"));
    // HEAD is GET; over the socket a key that is brought counts, too.
    assert_eq!(shop.by(&key, "HEAD", "/api/v1/grants", None).status, 200);
    assert_eq!(shop.by(&key, "HEAD", "/api/v1/apikeys", None).status, 403);
}

#[test]
fn each_call_is_refused_without_its_scope_and_not_with_it() {
    let shop = Shop::open();
    let scopes = ["read", "grants", "orders", "catalogue", "admin"];
    let keys = scopes.map(|scope| (scope, shop.key(scope, &[scope])));
    let mut seen = 0;
    for call in cloakroom::api::table() {
        let path = call.path.replace("{id}", "x").replace("{user}", "x").replace("{name}", "x");
        for (scope, key) in &keys {
            // Nothing is called that would do something: what comes through is refused for its body or its name.
            let answer = shop.by(key, call.method, &path, (call.method == "POST").then_some(&json!([7])));
            let may = *scope == call.scope.word() || *scope == "admin";
            assert_eq!(answer.status != 403, may, "{scope}: {call:?}: {answer:?}");
            seen += usize::from(!may);
        }
        let bare = shop.call(call.method, &path, &[], None);
        assert_eq!(is_problem(&bare, 401, &["apikey new"])["code"], "no_proof", "{call:?}");
        assert_eq!(bare.header("www-authenticate"), Some("Bearer realm=\"cloakroom\""));
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn what_is_no_key_opens_nothing_here_nor_there() {
    let shop = Shop::open();
    let (good, gone) = (shop.key("good", &["read"]), shop.key("gone", &["read"]));
    let list = shop.daemon.json(&["apikey", "list"]);
    let id = list.as_array().unwrap().iter().find(|key| key["name"] == "gone").unwrap()["id"].as_str().unwrap();
    assert_eq!(shop.daemon.say(&["apikey", "revoke", id]), format!("{id} (gone) is revoked"));
    assert_eq!(shop.daemon.say(&["apikey", "revoke", id]), format!("{id} (gone) was revoked already"));
    let get = |headers: &[(&str, &str)]| shop.call("GET", "/api/v1/about", headers, None);
    let mut other = good.clone();
    let digit = if other.pop() == Some('0') { '1' } else { '0' };
    other.push(digit);
    let (right, upper) = (format!("Bearer {good}"), format!("Bearer {}", good.to_uppercase()));
    for (headers, words) in [
        (&[("Authorization", &*format!("Bearer {gone}"))][..], "revoked"),
        (&[("Authorization", &format!("Bearer {other}"))], "not known"),
        (&[("Authorization", &upper)], "not known"),
        (&[("Authorization", "Bearer cr_")], "not known"),
        (&[("Authorization", "Bearer")], "must be `Bearer`"),
        (&[("Authorization", &good)], "must be `Bearer`"),
        (&[("Authorization", "Basic YW5uYTpzZWNyZXQ=")], "must be `Bearer`"),
        (&[("Authorization", &right), ("Authorization", &right)], "must be `Bearer`"),
        (&[("X-Api-Key", &good)], "is needed"),
        (&[("Cookie", &format!("key={good}"))], "is needed"),
    ] {
        let answer = get(headers);
        is_problem(&answer, 401, &[words]);
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer realm"), "{answer:?}");
    }
    assert_eq!(get(&[("Authorization", &right)]).status, 200);
    assert_eq!(get(&[("authorization", &format!("bearer  {good}"))]).status, 200);
    is_problem(&shop.call("GET", &format!("/api/v1/about?access_token={good}"), &[], None), 401, &["is needed"]);
    // It outlives a restart; and no log has it.
    let Shop { mut daemon, port, .. } = shop;
    daemon.stop();
    daemon.start();
    let answer = crate::servers::http::get(port, "/api/v1/about", &[("Authorization", &right)]);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(daemon.log().iter().all(|line| !line.contains(&good) && !line.contains(&gone)));
    let rows = daemon.json(&["apikey", "list"]);
    let used = |name: &str| rows.as_array().unwrap().iter().find(|key| key["name"] == name).unwrap()["used"].clone();
    assert_eq!((used("good").as_str().map(str::len), used("gone")), (Some(10), Value::Null), "the day, and never");
}

#[test]
fn who_brings_no_key_is_told_so_before_the_body_comes() {
    let shop = Shop::open();
    let mut seen = 0;
    for brought in ["", "Authorization: Bearer cr_\r\n", "Authorization: Basic YW5uYTpzZWNyZXQ=\r\n"] {
        let head = format!("POST /api/v1/grants HTTP/1.1\r\nHost: cloakroom\r\n{brought}Content-Length: 60000\r\n\r\n");
        // Who waits for the body, answers 408 when it does not come.
        let answer = Download::send(shop.port, head.as_bytes(), false).finish();
        is_problem(&answer, 401, &[]);
        assert_eq!(answer.header("connection"), Some("close"), "{brought:?}");
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn wrong_keys_are_told_to_wait_and_right_ones_are_not() {
    let shop = Shop::open();
    let good = shop.key("good", &["read"]);
    let wrong = |number: u32| shop.by(&format!("cr_{number:032}"), "GET", "/api/v1/about", None);
    let statuses: Vec<u16> = (0..12).map(|number| wrong(number).status).collect();
    assert_eq!(statuses, [vec![401; 10], vec![429; 2]].concat());
    let locked = wrong(99);
    assert_eq!(is_problem(&locked, 429, &["come back in"])["code"], "locked_out");
    assert!(locked.header("retry-after").unwrap().parse::<u64>().unwrap() > 500, "{locked:?}");
    assert_eq!(shop.by(&good, "GET", "/api/v1/about", None).status, 200);
    assert_eq!(shop.daemon.said(&["api_key_wrong", "127.0.0.1"]), 10);
}

#[test]
fn a_key_that_cannot_be_made_says_what_would_be_right() {
    let shop = Shop::open();
    let admin = shop.key("admin", &["admin"]);
    let ask_for = |body: Value| shop.by(&admin, "POST", "/api/v1/apikeys", Some(&body));
    for (body, status, pointer, words) in [
        (json!({ "name": "Shop", "scopes": ["read"] }), 422, "#/name", "a letter first"),
        (json!({ "name": "shop", "scopes": [] }), 422, "#/scopes", "catalogue"),
        (json!({ "name": "shop", "scopes": ["write"] }), 422, "#/scopes", "`write` must be a scope"),
        (json!({ "name": "shop", "scopes": [7] }), 422, "#/scopes/0", "expected a string"),
        (json!({ "name": "shop", "scopes": ["read"], "shop": "a b" }), 422, "#/shop", "`a b`"),
        (json!({ "name": "admin", "scopes": ["read"] }), 409, "#/name", "there is a key `admin`"),
    ] {
        let problem = is_problem(&ask_for(body), status, &[words]);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let output = shop.daemon.command(&["apikey", "new", "x", "--scope", "write"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let made = json_of(&ask_for(json!({ "name": "shop", "scopes": ["orders", "read"], "shop": "zencart" })));
    assert_eq!((&made["key"]["scopes"], &made["key"]["shop"]), (&json!(["read", "orders"]), &json!("zencart")));
    let table = shop.daemon.say(&["apikey", "list"]);
    assert!(table.contains("shop (orders of zencart)") && !table.contains("cr_"), "{table}");
}

#[test]
fn a_key_opens_until_its_time_is_over_and_from_its_networks_alone_and_only_the_log_says_why_not() {
    let mut shop = Shop::open();
    let new = |name: &str, more: &[&str]| shop.daemon.say(&[&["apikey", "new", name, "--scope", "read"], more].concat());
    let near = new("near", &["--network", "10.0.0.0/8", "--network", "127.0.0.1"]);
    let far = new("far", &["--network", "10.1.2.3/8"]);
    let soon = new("soon", &["--expires", "2099-12-31", "--network", "127.0.0.0/8"]);
    let get = |shop: &Shop, key: &str| shop.by(key, "GET", "/api/v1/about", None);
    assert_eq!([&near, &soon].map(|key| get(&shop, key).status), [200, 200]);
    let refused = get(&shop, &far);
    assert_eq!(is_problem(&refused, 401, &["not known, or was revoked, is over"])["code"], "bad_proof");
    let unknown = get(&shop, &format!("cr_{:032}", 7));
    assert_eq!(unknown.body, refused.body, "who brings it learns nothing");
    assert!(shop.daemon.logged(&["api_key_wrong", "wrong_network"]).contains("k-"));
    assert_eq!(shop.daemon.said(&["api_key_wrong", "unknown"]), 1);
    let listed = shop.daemon.json(&["apikey", "list"]);
    let of = |name: &str| listed.as_array().unwrap().iter().find(|key| key["name"] == name).unwrap().clone();
    assert_eq!((&of("far")["networks"], &of("far")["expires"]), (&json!(["10.0.0.0/8"]), &Value::Null));
    assert_eq!(of("near")["networks"], json!(["10.0.0.0/8", "127.0.0.1/32"]));
    assert_eq!((&of("soon")["expires"], &of("soon")["state"]), (&json!("2100-01-01T00:00:00Z"), &json!("good")));
    let table = shop.daemon.say(&["apikey", "list"]).split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["near (from 10.0.0.0/8 127.0.0.1/32)", "soon (until 2100-01-01T00:00:00Z, from 127.0.0.0/8)"] {
        assert!(table.contains(words), "{words}: {table}");
    }
    faketime::set(&mut shop.daemon, 80 * 366 * 86_400);
    assert_eq!(get(&shop, &soon).body, refused.body);
    assert!(shop.daemon.logged(&["api_key_wrong", "expired"]).contains("k-"));
    assert_eq!(get(&shop, &near).status, 200);
    let listed = shop.daemon.json(&["apikey", "list"]);
    assert_eq!(listed.as_array().unwrap().iter().filter(|key| key["state"] == "expired").count(), 1, "{listed}");
    for (more, words) in [
        (["--expires", "2026-01-01"], "must be later than now"),
        (["--expires", "soon"], "must be a date"),
        (["--network", "10.0.0.0/33"], "must be a network"),
        (["--network", "shop.example"], "must be a network"),
    ] {
        let output = shop.daemon.command(&[&["apikey", "new", "x", "--scope", "read"][..], &more].concat());
        let told = String::from_utf8(output.stderr).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(output.status.code() == Some(2) && told.contains(words), "{more:?}: {:?} {told}", output.status);
    }
}
