//! What was seen before is not sent again, and what was changed since is not changed unseen; lists come page by page.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;

use serde_json::{Value, json};

use crate::servers::http::{Answer, Download};
use crate::shop::{Shop, is_problem, json_of};

impl Shop {
    #[track_caller]
    fn when(&self, key: &str, method: &str, path: &str, condition: (&str, &str), body: Option<&Value>) -> Answer {
        self.call(method, path, &[("Authorization", &format!("Bearer {key}")), condition], body)
    }
}

#[test]
fn what_was_seen_is_not_sent_again_until_it_is_other() {
    let shop = Shop::open();
    let key = shop.key("admin", &["admin"]);
    let grant = shop.grant(&key)["grant"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/grants/{grant}");
    let first = shop.by(&key, "GET", &path, None);
    let tag = first.header("etag").unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() == 26, "{tag}");
    for (seen, status) in [(tag, 304), ("*", 304), (&*format!("\"x\", W/{tag}"), 304), ("\"x\"", 200), ("", 200), ("x", 200)] {
        let again = shop.when(&key, "GET", &path, ("If-None-Match", seen), None);
        assert_eq!((again.status, again.header("etag"), again.body.is_empty()), (status, Some(tag), status == 304), "{seen}");
    }
    assert_eq!(shop.by(&key, "POST", &format!("{path}/suspend"), None).status, 200);
    let other = shop.when(&key, "GET", &path, ("If-None-Match", tag), None);
    assert_eq!(other.status, 200);
    assert_ne!(other.header("etag"), Some(tag));
    assert_eq!(shop.by(&key, "GET", "/api/v1/grants", None).header("etag"), None, "a list has none");
}

#[test]
fn what_was_changed_since_it_was_seen_is_not_changed() {
    let shop = Shop::open();
    let key = shop.key("admin", &["admin"]);
    let grant = shop.grant(&key)["grant"]["id"].as_str().unwrap().to_owned();
    let file = json_of(&shop.by(&key, "POST", "/api/v1/files", Some(&json!({ "file": "masters/album.zip" }))));
    let product = |name: &str| json!({ "name": name, "files": [{ "file": file["id"] }] });
    assert_eq!(shop.by(&key, "PUT", "/api/v1/products/ALBUM", Some(&product("one"))).status, 200);
    let order = json!({ "external_id": "7", "state": "paid", "lines": [{ "sku": "ALBUM" }] });
    let order = json_of(&shop.by(&key, "POST", "/api/v1/orders", Some(&order)))["id"].as_str().unwrap().to_owned();
    let of_file = format!("/api/v1/files/{}", file["id"].as_str().unwrap());
    let mut seen = 0;
    for (thing, method, call, body) in [
        (format!("/api/v1/grants/{grant}"), "POST", format!("/api/v1/grants/{grant}/extend"), json!({ "max_downloads": "+1" })),
        (format!("/api/v1/orders/{order}"), "POST", format!("/api/v1/orders/{order}/state"), json!({ "state": "refunded" })),
        ("/api/v1/products/ALBUM".to_owned(), "PUT", "/api/v1/products/ALBUM".to_owned(), product("two")),
        (of_file.clone(), "POST", format!("{of_file}/rename"), json!({ "name": "Other.zip" })),
    ] {
        let tag = shop.by(&key, "GET", &thing, None).header("etag").unwrap().to_owned();
        let before = shop.when(&key, method, &call, ("If-Match", "\"another\""), Some(&body));
        is_problem(&before, 412, &[&thing, "`If-Match`"]);
        assert_eq!(shop.by(&key, "GET", &thing, None).header("etag"), Some(&*tag), "{call}: nothing was changed");
        assert_eq!(shop.when(&key, method, &call, ("If-Match", &tag), Some(&body)).status, 200, "{call}");
        assert_ne!(shop.by(&key, "GET", &thing, None).header("etag"), Some(&*tag), "{call}");
        is_problem(&shop.when(&key, method, &call, ("If-Match", &tag), Some(&body)), 412, &[]);
        assert_eq!(shop.when(&key, method, &call, ("If-Match", "*"), Some(&body)).status, 200, "{call}");
        seen += 1;
    }
    assert_eq!(seen, 4);
    let unknown = shop.when(&key, "POST", "/api/v1/grants/g-00000000000000000000/revoke", ("If-Match", "\"x\""), None);
    is_problem(&unknown, 412, &["g-00000000000000000000", "`If-Match`"]);
    let put = shop.when(&key, "PUT", "/api/v1/products/NONE", ("If-Match", "*"), Some(&product("none")));
    is_problem(&put, 412, &["/api/v1/products/NONE"]);
    assert_eq!(shop.by(&key, "GET", "/api/v1/products/NONE", None).status, 404, "none was made");
}

#[test]
fn what_was_changed_since_it_was_seen_is_not_removed() {
    let shop = Shop::open();
    let key = shop.key("admin", &["admin"]);
    let file = json_of(&shop.by(&key, "POST", "/api/v1/files", Some(&json!({ "file": "masters/album.zip" }))));
    let product = json!({ "name": "one", "files": [{ "file": file["id"] }] });
    assert_eq!(shop.by(&key, "PUT", "/api/v1/products/ALBUM", Some(&product)).status, 200);
    let mut seen = 0;
    for thing in ["/api/v1/products/ALBUM".to_owned(), format!("/api/v1/files/{}", file["id"].as_str().unwrap())] {
        is_problem(&shop.when(&key, "DELETE", &thing, ("If-Match", "\"another\""), None), 412, &[&thing, "`If-Match`"]);
        let tag = shop.by(&key, "GET", &thing, None).header("etag").unwrap().to_owned();
        assert_eq!(shop.when(&key, "DELETE", &thing, ("If-Match", &tag), None).status, 200, "{thing}");
        is_problem(&shop.when(&key, "DELETE", &thing, ("If-Match", &tag), None), 412, &[&thing]);
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn what_is_there_already_is_not_made_anew() {
    let shop = Shop::open();
    let key = shop.key("admin", &["admin"]);
    let file = json_of(&shop.by(&key, "POST", "/api/v1/files", Some(&json!({ "file": "masters/album.zip" }))));
    let product = |name: &str| json!({ "name": name, "files": [{ "file": file["id"] }] });
    let (path, absent) = ("/api/v1/products/ALBUM", ("If-None-Match", "*"));
    assert_eq!(shop.when(&key, "PUT", path, absent, Some(&product("one"))).status, 200);
    let tag = shop.by(&key, "GET", path, None).header("etag").unwrap().to_owned();
    for condition in [absent, ("If-None-Match", &tag)] {
        let again = shop.when(&key, "PUT", path, condition, Some(&product("two")));
        is_problem(&again, 412, &[path, "`If-None-Match`"]);
        assert_eq!(shop.by(&key, "GET", path, None).header("etag"), Some(&*tag), "nothing was changed");
    }
    assert_eq!(shop.when(&key, "PUT", path, ("If-None-Match", "\"another\""), Some(&product("two"))).status, 200);
    assert_eq!(json_of(&shop.by(&key, "GET", path, None))["name"], "two");
}

#[test]
fn two_who_attach_files_to_a_product_at_once_lose_none() {
    let shop = Shop::open();
    let file = shop.daemon.say(&["file", "add", "masters/album.zip"]);
    shop.daemon.say(&["product", "add", "ALBUM", "--file", &file]);
    for round in 0..10 {
        thread::scope(|scope| {
            for number in 0..2 {
                let (shop, option) = (&shop, format!("round{round}={number}"));
                let file = &file;
                scope.spawn(move || shop.daemon.say(&["product", "attach", "ALBUM", file, "--option", &option]));
            }
        });
    }
    assert_eq!(shop.daemon.json(&["product", "show", "ALBUM"])["files"].as_array().map(Vec::len), Some(21));
    shop.daemon.say(&["product", "detach", "ALBUM", &file]);
    assert_eq!(shop.daemon.json(&["product", "show", "ALBUM"])["files"].as_array().map(Vec::len), Some(0));
}

#[test]
fn of_those_who_change_what_they_saw_at_once_one_does() {
    let shop = Shop::open();
    let key = shop.key("admin", &["admin"]);
    let grant = shop.grant(&key)["grant"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/grants/{grant}");
    let tag = shop.by(&key, "GET", &path, None).header("etag").unwrap().to_owned();
    let extend = || shop.when(&key, "POST", &format!("{path}/extend"), ("If-Match", &tag), Some(&json!({ "max_downloads": "+1" }))).status;
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(extend)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [&[200][..], &[412; 7]].concat());
    assert_eq!(json_of(&shop.by(&key, "GET", &path, None))["max_downloads"], 6);
}

#[test]
fn an_order_that_is_reported_anew_is_not_changed_by_who_saw_it_before() {
    let shop = Shop::open();
    let key = shop.key("admin", &["admin"]);
    let mut seen = [0, 0];
    for number in 0..30 {
        let report = |state: &str| json!({ "external_id": number.to_string(), "state": state, "lines": [{ "sku": "A" }] });
        let order = json_of(&shop.by(&key, "POST", "/api/v1/orders", Some(&report("paid"))))["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/orders/{order}");
        let tag = shop.by(&key, "GET", &path, None).header("etag").unwrap().to_owned();
        let held = || shop.when(&key, "POST", &format!("{path}/state"), ("If-Match", &tag), Some(&json!({ "state": "on_hold" }))).status;
        let status = std::thread::scope(|scope| {
            let held = scope.spawn(held);
            assert_eq!(shop.by(&key, "POST", "/api/v1/orders", Some(&report("refunded"))).status, 200);
            held.join().unwrap()
        });
        assert_eq!(json_of(&shop.by(&key, "GET", &path, None))["state"], "refunded", "{status}: what was said last, or what was not seen");
        seen[usize::from(status == 412)] += 1;
    }
    assert_eq!(seen.iter().sum::<i32>(), 30);
}

#[test]
fn who_is_slow_to_say_what_is_to_be_changed_holds_nobody_up() {
    let shop = Shop::open();
    let key = shop.key("admin", &["admin"]);
    let grant = shop.grant(&key)["grant"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/grants/{grant}/extend");
    let body = "{\"max_downloads\": \"+1\"}";
    let mut slow = Vec::new();
    for condition in ["If-Match: *\r\n", ""] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: cloakroom\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nAuthorization: Bearer {key}\r\n{condition}\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", shop.port)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body.as_bytes()[..5]).unwrap();
        slow.push(stream);
        for condition in [("If-Match", "*"), ("Accept", "*/*")] {
            let quick = shop.when(&key, "POST", &path, condition, Some(&json!({ "max_downloads": "+1" })));
            assert_eq!(quick.status, 200, "{quick:?}");
        }
    }
    for mut stream in slow {
        stream.write_all(&body.as_bytes()[5..]).unwrap();
        assert_eq!(Download::of(stream, false).finish().status, 200);
    }
    assert_eq!(json_of(&shop.by(&key, "GET", &format!("/api/v1/grants/{grant}"), None))["max_downloads"], 5 + 6);
}

#[test]
fn a_list_is_followed_from_page_to_page_to_its_end() {
    let shop = Shop::open();
    let key = shop.key("admin", &["admin"]);
    let mut made: Vec<String> = (0..5).map(|_| shop.grant(&key)["grant"]["id"].as_str().unwrap().to_owned()).collect();
    let (mut page, mut found, mut pages) = ("/api/v1/grants?customer=anna&limit=2".to_owned(), Vec::new(), 0);
    loop {
        let answer = shop.by(&key, "GET", &page, None);
        let rows = json_of(&answer);
        found.extend(rows.as_array().unwrap().iter().map(|grant| grant["id"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(next) = answer.header("link") else { break };
        page = next.strip_prefix('<').and_then(|next| next.strip_suffix(">; rel=\"next\"")).unwrap().to_owned();
        assert!(page.contains("customer=anna") && page.contains("limit=2"), "{page}");
    }
    found.sort_unstable();
    made.sort_unstable();
    assert_eq!((found, pages), (made, 3));
    assert_eq!(shop.by(&key, "GET", "/api/v1/grants", None).header("link"), None);
}
