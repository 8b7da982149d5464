//! What is kept of reports: one order, however often and by however many it is told.

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};

use crate::servers::site::Site;
use crate::shop::*;

#[test]
fn the_same_order_sent_a_hundred_times_in_parallel_is_one_set_of_grants_with_one_set_of_links() {
    let site = Site::open();
    stocked(&site);
    let socket = site.cloakroom.state().join("api.sock");
    let answers: Vec<Value> = thread::scope(|scope| {
        let ask = || call_at(&socket, "POST", "/api/v1/orders", &two_products("paid"));
        let workers: Vec<_> = (0..100).map(|_| scope.spawn(ask)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .map(|(status, answer)| {
                assert_eq!(status, 200, "{answer}");
                answer
            })
            .collect()
    });
    let told: BTreeSet<Vec<String>> = answers.iter().map(urls).collect();
    assert_eq!((answers.len(), told.len()), (100, 1), "all are told the same");
    assert_eq!(answers.iter().filter(|answer| answer["changed"] == true).count(), 1, "one of them made it");
    assert_eq!(site.cloakroom.json(&["grant", "list"]).as_array().unwrap().len(), 5);
    assert_eq!(site.cloakroom.json(&["order", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn an_order_survives_the_daemon_and_is_the_same_order_afterwards() {
    let mut site = Site::open();
    stocked(&site);
    let first = report(&site, &two_products("paid"));
    site.cloakroom.kill();
    site.cloakroom.start();
    let again = report(&site, &two_products("paid"));
    assert_eq!((urls(&again), again["changed"].as_bool(), &again["created"]), (urls(&first), Some(false), &first["created"]));
    let shut = report(&site, &json!({"external_id": "1001", "state": "refunded"}));
    assert_eq!((ids(&shut), shut["changed"].as_bool()), (ids(&first), Some(true)));
    site.cloakroom.kill();
    site.cloakroom.start();
    assert_eq!(site.get(&site.target(&urls(&first)[0])).header("Cloakroom-Refusal"), Some("refunded"));
}

#[test]
fn a_line_that_is_taken_out_or_refunded_is_shut_alone_and_the_rest_stays_open() {
    let site = Site::open();
    stocked(&site);
    let order = |lines: Value| json!({"external_id": "5", "state": "paid", "lines": lines});
    let states = |answer: &Value| -> Vec<String> {
        let page = |id: &String| site.cloakroom.json(&["grant", "show", id])["state"].as_str().unwrap().to_owned();
        ids(answer).iter().map(page).collect()
    };
    let first = report(&site, &order(json!([{"line": "a", "sku": "set"}, {"line": "b", "sku": "poster"}])));
    assert_eq!(states(&first), ["active", "active", "active"]);
    let partly = report(&site, &order(json!([{"line": "a", "sku": "set", "state": "refunded"}, {"line": "b", "sku": "poster"}])));
    assert_eq!((ids(&partly), states(&partly)), (ids(&first), vec!["refunded".to_owned(), "refunded".into(), "active".into()]));
    report(&site, &order(json!([{"line": "b", "sku": "poster"}])));
    assert_eq!(states(&first), ["cancelled", "cancelled", "active"]);
    let back = report(&site, &order(json!([{"line": "b", "sku": "poster"}, {"line": "a", "sku": "set"}])));
    assert_eq!(states(&first), ["active", "active", "active"]);
    assert_eq!(ids(&back).into_iter().collect::<BTreeSet<_>>(), ids(&first).into_iter().collect(), "nothing is sold twice");
}

#[test]
fn lines_without_a_key_are_the_same_lines_when_one_before_them_is_taken_out() {
    let site = Site::open();
    stocked(&site);
    let order = |lines: Value| report(&site, &json!({"external_id": "6", "state": "paid", "lines": lines}));
    let large = json!({"sku": "poster", "options": {"size": "large"}});
    let first = order(json!([{"sku": "set"}, {"sku": "poster"}, large]));
    let states = || -> Vec<(String, String)> {
        let word = |id: &String| site.cloakroom.json(&["grant", "show", id])["state"].as_str().unwrap().to_owned();
        ids(&first).iter().map(|id| (id.clone(), word(id))).collect()
    };
    let open = |places: std::ops::Range<usize>| -> Vec<String> { ids(&first)[places].to_vec() };
    assert_eq!(states().len(), 6);
    let fewer = order(json!([{"sku": "poster"}, large]));
    assert_eq!(fewer["lines"].as_array().unwrap().iter().map(|line| line["line"].as_str().unwrap()).collect::<Vec<_>>(), ["2", "3"]);
    let still = states().into_iter().filter(|(_, state)| state == "active").map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(still, open(2..6), "what was bought and stays, stays as it was used");
    // Back, in another order, beside something new.
    let back = order(json!([large, {"sku": "set", "quantity": 2}, {"sku": "poster"}]));
    assert!(states().iter().all(|(_, state)| state == "active"), "{back}");
    assert_eq!(ids(&back).into_iter().collect::<BTreeSet<_>>(), ids(&first).into_iter().collect(), "nothing is sold twice");
    assert_eq!(site.cloakroom.json(&["grant", "list"]).as_array().unwrap().len(), 6);
}

#[test]
fn what_is_sold_by_the_unit_follows_the_quantity_and_what_is_sold_by_the_line_does_not() {
    let site = Site::open();
    let id = file(&site, "licence.key");
    site.cloakroom.say(&["product", "add", "licence", "--file", &id, "--per-unit"]);
    site.cloakroom.say(&["product", "add", "book", "--file", &id]);
    let order = |sku: &str, quantity: u32| json!({"external_id": sku, "state": "paid", "lines": [{"sku": sku, "quantity": quantity}]});
    for (sku, quantity, grants) in [("licence", 3, 3), ("licence", 5, 5), ("book", 3, 1), ("book", 5, 1)] {
        assert_eq!(ids(&report(&site, &order(sku, quantity))).len(), grants, "{sku} x{quantity}");
    }
    let fewer = report(&site, &order("licence", 2));
    let open = grants(&fewer).iter().filter(|sold| sold["grant"]["state"] == "active").count();
    assert_eq!((ids(&fewer).len(), open), (5, 2));
}

#[test]
fn two_shops_may_have_an_order_of_the_same_number() {
    let site = Site::open();
    stocked(&site);
    let order = |shop: &str| json!({"shop": shop, "external_id": "1", "state": "paid", "lines": [{"sku": "poster"}]});
    let (north, south) = (report(&site, &order("north")), report(&site, &order("south")));
    assert_ne!(north["id"], south["id"]);
    report(&site, &json!({"shop": "north", "external_id": "1", "state": "refunded"}));
    let refusal = |order: &Value| site.get(&site.target(&urls(order)[0])).header("Cloakroom-Refusal").map(str::to_owned);
    assert_eq!((refusal(&north).as_deref(), refusal(&south)), (Some("refunded"), None));
    let listed = site.cloakroom.json(&["order", "list", "--shop", "south"]);
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &south["id"]));
}

#[test]
fn a_report_that_cannot_be_understood_is_told_field_by_field_and_nothing_is_kept() {
    let site = Site::open();
    stocked(&site);
    let longest = "x".repeat(129);
    let many: Vec<Value> = (0..201).map(|_| json!({"sku": "set"})).collect();
    let mut seen = 0;
    for (order, words) in [
        (json!({"external_id": "9", "state": "paid"}), "lines: must have what was ordered"),
        (json!({"external_id": "", "state": "paid", "lines": []}), "external_id: `` must have 1 to 128 bytes"),
        (json!({"external_id": longest, "state": "paid", "lines": []}), "external_id:"),
        (json!({"external_id": "9", "state": "PAID", "lines": []}), "state: `PAID` must be one of pending, paid, on_hold"),
        (json!({"external_id": "9", "shop": "My Shop", "state": "paid", "lines": []}), "shop: `My Shop` must be"),
        (json!({"external_id": "9", "state": "paid", "lines": [{"sku": ""}]}), "lines[0].sku:"),
        (json!({"external_id": "9", "state": "paid", "lines": [{"sku": "set"}, {"sku": "set", "line": "1"}]}), "`1` stands there twice"),
        (json!({"external_id": "9", "state": "paid", "lines": [{"sku": "set", "state": "gone"}]}), "lines[0].state: `gone`"),
        (json!({"external_id": "9", "state": "paid", "lines": [{"sku": "set", "quantity": -1}]}), "quantity"),
        (json!({"external_id": "9", "state": "paid", "lines": many}), "at most 200"),
        (json!({"external_id": "9", "state": "paid", "placed": "yesterday", "lines": []}), "placed: `yesterday` must be a date"),
        (json!({"external_id": "9", "state": "paid", "customer": {"email": "a\nb"}, "lines": []}), "customer.email"),
        (json!({"external_id": "9", "state": "paid", "lines": [], "total": 5}), "unknown field `total`"),
    ] {
        let (status, answer) = call(&site, "POST", "/api/v1/orders", &order);
        assert_eq!(status, 422, "{order}: {answer}");
        assert!(answer["detail"].as_str().unwrap().contains(words), "{words}: {answer}");
        seen += 1;
    }
    assert_eq!(seen, 13);
    assert_eq!(site.cloakroom.json(&["order", "list"]).as_array().unwrap().len(), 0);
    let (status, answer) = call(&site, "GET", "/api/v1/orders/o-00000000000000000000", &json!({}));
    assert!(status == 404 && answer["detail"].as_str().unwrap().contains("cloakroom order list"), "{answer}");
}

#[test]
fn a_line_of_an_unknown_product_is_told_and_gets_its_files_when_the_product_is_made() {
    let site = Site::open();
    let order = json!({"external_id": "3", "state": "paid", "lines": [{"sku": "new"}]});
    let first = report(&site, &order);
    assert!(grants(&first).is_empty());
    assert!(first["lines"][0]["problems"][0].as_str().unwrap().contains("there is no product `new`: `cloakroom product add`"), "{first}");
    let id = file(&site, "new.zip");
    site.cloakroom.say(&["product", "add", "new", "--file", &id]);
    let again = report(&site, &order);
    assert_eq!((urls(&again).len(), again["lines"][0]["problems"].as_array().map(Vec::len)), (1, None), "{again}");
}
