//! What was done over the API is written down: who, when, what, from where.

use serde_json::{Value, json};

use crate::servers::site::Site;
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
    assert_eq!((&last["did"], &last["from"]), (&json!("Takes what became of an order."), &Value::Null));
    assert!(last["author"].as_str().unwrap().contains("(cloakroom order set)"), "{last}");
    let page = site.cloakroom.json(&["history", "--before", about[1]["number"].as_str().unwrap(), "--limit", "1"]);
    assert_eq!((page.as_array().unwrap().len(), &page[0]["subject"]), (1, &json!("a b")));
    let shown = site.cloakroom.say(&["history", "--limit", "2"]);
    assert!(shown.lines().count() == 3 && shown.contains("Forgets who a customer is.") && !shown.contains("anna@b.example"), "{shown}");
}
