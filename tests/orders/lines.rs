//! Lines of an order: which they are when two report at once, and what becomes of those that are taken out.

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};

use crate::servers::site::Site;
use crate::shop::*;

/// A shop that sells `a` and `b`, a file each.
fn selling_two() -> Site {
    let site = Site::open();
    for sku in ["a", "b"] {
        let id = file(&site, &format!("{sku}.zip"));
        site.cloakroom.say(&["product", "add", sku, "--file", &id]);
    }
    site
}

fn order(number: &str, skus: &[&str]) -> Value {
    let lines: Vec<Value> = skus.iter().map(|sku| json!({"sku": sku})).collect();
    json!({"external_id": number, "state": "paid", "customer": {"email": "anna@b.example"}, "lines": lines})
}

#[test]
fn two_first_reports_at_once_are_of_the_same_lines_in_whatever_order_they_have_them() {
    let site = selling_two();
    let socket = site.cloakroom.state().join("api.sock");
    for number in 1..=30 {
        let orders = [["a", "b"], ["b", "a"]].map(|skus| order(&number.to_string(), &skus));
        let answers = thread::scope(|scope| {
            let calls = orders.each_ref().map(|order| scope.spawn(|| call_at(&socket, "POST", "/api/v1/orders", order)));
            calls.map(|call| call.join().unwrap())
        });
        let [one, two] = answers.map(|(status, answer)| {
            assert_eq!(status, 200, "{answer}");
            urls(&answer).iter().for_each(|url| drop(site.target(url)));
            ids(&answer).into_iter().collect::<BTreeSet<_>>()
        });
        assert_eq!((one.len(), &one), (2, &two), "order {number}");
    }
}
