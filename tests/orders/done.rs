//! What was done over the API is written down: who, when, what, from where.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::servers::site::Site;
use crate::servers::until;
use crate::shop::*;

/// What was done, the newest first: the calls and what they were about.
fn done(site: &Site) -> Vec<(String, String)> {
    let list = site.cloakroom.json(&["history"]);
    let text = |deed: &Value, field: &str| deed[field].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|deed| (text(deed, "call"), text(deed, "subject"))).collect()
}

#[test]
fn each_change_is_written_down_with_who_made_it_and_what_it_was_about_over_a_restart() {
    let mut site = Site::open();
    assert_eq!(site.cloakroom.say(&["history"]), "nothing was done over the API");
    let id = file(&site, "a.zip");
    site.cloakroom.say(&["product", "add", "a b", "--file", &id]);
    let order =
        report(&site, &json!({"external_id": "7", "state": "paid", "customer": {"email": "anna@b.example"}, "lines": [{"sku": "a b"}]}));
    let (order, grant) = (order["id"].as_str().unwrap().to_owned(), ids(&order)[0].clone());
    site.cloakroom.say(&["order", "set", "7", "refunded"]);
    site.cloakroom.say(&["grant", "suspend", &grant]);
    // What changes nothing, or is only looked at, is no deed; and neither is what is refused.
    report(&site, &json!({"external_id": "7", "state": "refunded"}));
    site.cloakroom.say(&["explain", &grant]);
    site.cloakroom.say(&["product", "list"]);
    assert_eq!(call(&site, "POST", "/api/v1/orders", &json!({"external_id": "8", "state": "lost"})).0, 422);
    site.cloakroom.say(&["customer", "forget", "anna@b.example"]);
    let expected = [
        ("POST /api/v1/customers/{who}/forget", ""),
        ("POST /api/v1/grants/{id}/suspend", &grant),
        ("POST /api/v1/orders/{id}/state", &order),
        ("POST /api/v1/orders", &order),
        ("PUT /api/v1/products/{sku}", "a b"),
        ("POST /api/v1/files", &id),
    ];
    let expected: Vec<(String, String)> = expected.into_iter().map(|(call, about)| (call.to_owned(), about.to_owned())).collect();
    assert_eq!(done(&site), expected);
    site.cloakroom.kill();
    site.cloakroom.start();
    assert_eq!(done(&site), expected);
    let about = site.cloakroom.json(&["history", "--about", &order]);
    assert_eq!(about.as_array().unwrap().len(), 2, "{about}");
    let last = &about[0];
    assert_eq!((&last["outcome"], &about[1]["outcome"]), (&json!("refunded"), &json!("paid")), "{about}");
    assert!(site.cloakroom.say(&["history"]).contains("Takes what became of an order. refunded."));
    assert_eq!((&last["did"], &last["from"]), (&json!("Takes what became of an order."), &Value::Null));
    assert!(last["author"].as_str().unwrap().contains("(cloakroom order set)"), "{last}");
    let page = site.cloakroom.json(&["history", "--before", about[1]["number"].as_str().unwrap(), "--limit", "1"]);
    assert_eq!((page.as_array().unwrap().len(), &page[0]["subject"]), (1, &json!("a b")));
    let shown = site.cloakroom.say(&["history", "--limit", "2"]);
    assert!(shown.lines().count() == 3 && shown.contains("Forgets who a customer is.") && !shown.contains("anna@b.example"), "{shown}");
}

/// Asks for grants one after the other until the daemon is gone.
fn make_grants(socket: &Path, made: &AtomicUsize) {
    let body = json!({"file": "masters/a.zip"}).to_string();
    let ask = || -> std::io::Result<usize> {
        let mut stream = UnixStream::connect(socket)?;
        let length = body.len();
        write!(
            stream,
            "POST /api/v1/grants HTTP/1.1\r\nHost: api\r\nUser-Agent: by hand\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )?;
        stream.read_to_string(&mut String::new())
    };
    while ask().is_ok_and(|bytes| bytes > 0) {
        made.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn what_a_crash_cut_off_stands_there_with_who_wanted_it() {
    let mut site = Site::open();
    file(&site, "a.zip");
    let of_grants = |site: &Site| -> Vec<Value> {
        let all = site.cloakroom.json(&["history", "--limit", "1000"]);
        all.as_array().unwrap().iter().filter(|deed| deed["call"] == "POST /api/v1/grants").cloned().collect()
    };
    for round in 1..=4 {
        let (socket, made) = (site.cloakroom.state().join("api.sock"), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| make_grants(&socket, &made));
            }
            until("some were made", || (made.load(Ordering::SeqCst) >= 24 + round).then_some(()));
            site.cloakroom.kill();
        });
        site.cloakroom.start();
        let grants = site.cloakroom.json(&["grant", "list", "--limit", "1000"]);
        let (known, deeds) = (grants.as_array().unwrap(), of_grants(&site));
        assert!(known.len() >= 24 * round && deeds.len() >= known.len(), "{}: {} {}", round, known.len(), deeds.len());
        let named = known.iter().filter(|grant| deeds.iter().any(|deed| deed["subject"] == grant["id"] && deed["done"] == true)).count();
        let begun = deeds.iter().filter(|deed| deed["done"] == false).count();
        assert!(named + begun >= known.len(), "{}: {named} of {} and {begun} that began", round, known.len());
        assert!(deeds.iter().all(|deed| deed["author"].as_str().unwrap().ends_with("(by hand)")), "{deeds:?}");
    }
    // As one looks that was cut off, however fast this machine is.
    site.cloakroom.stop();
    let store = rusqlite::Connection::open(site.cloakroom.state().join("cloakroom.db")).unwrap();
    assert_eq!(store.execute("UPDATE deeds SET begun = 1 WHERE number = (SELECT max(number) FROM deeds)", []), Ok(1));
    drop(store);
    site.cloakroom.start();
    assert_eq!(of_grants(&site)[0]["done"], false);
    let shown = site.cloakroom.say(&["history"]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("began, not known"), "{shown}");
    // What was not understood changed nothing.
    let before = of_grants(&site).len();
    assert_eq!(call(&site, "POST", "/api/v1/grants", &json!({"file": "masters/b.zip"})).0, 404);
    assert_eq!(of_grants(&site).len(), before);
}
