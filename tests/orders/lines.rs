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
            for url in urls(&answer) {
                site.target(&url);
            }
            ids(&answer).into_iter().collect::<BTreeSet<_>>()
        });
        assert_eq!((one.len(), &one), (2, &two), "order {number}");
    }
}

#[test]
fn what_was_taken_out_of_an_order_is_shown_as_what_it_was() {
    let site = selling_two();
    let bought = report(&site, &order("7", &["a", "b"]));
    assert_eq!(bought.get("former"), None, "{bought}");
    let less = report(&site, &order("7", &["b"]));
    let shown = site.cloakroom.json(&["order", "show", "7"]);
    for answer in [&less, &shown] {
        let former = answer["former"].as_array().unwrap();
        assert_eq!((grants(answer).len(), former.len()), (1, 1), "{answer}");
        let grant = &former[0]["grant"];
        assert_eq!((&grant["id"], &grant["sold"]["sku"]), (&json!(ids(&bought)[0]), &json!("a")));
        assert_eq!((&grant["sold"]["state"], &former[0]["name"]), (&json!("cancelled"), &json!("a.zip")));
    }
    assert!(shown["former"][0]["url"].is_null(), "{shown}");
    let page = site.cloakroom.say(&["order", "show", "7"]);
    let (_, former) = page.split_once("no longer ordered").unwrap_or_else(|| panic!("{page}"));
    assert!(former.contains(&ids(&bought)[0]) && former.contains("a.zip: cancelled"), "{page}");
}

#[test]
fn whose_address_is_corrected_is_found_by_the_new_one() {
    let site = selling_two();
    let bought = report(&site, &order("7", &["a", "b"]));
    report(&site, &order("7", &["b"]));
    let corrected = json!({"external_id": "7", "state": "paid", "customer": {"email": "anna@c.example"}});
    let answer = report(&site, &corrected);
    assert_eq!(grants(&answer)[0]["grant"]["customer"], "anna@c.example");
    let of = |customer: &str| -> Vec<String> {
        let list = site.cloakroom.json(&["grant", "list", "--customer", customer]);
        list.as_array().unwrap().iter().map(|grant| grant["id"].as_str().unwrap().to_owned()).collect()
    };
    let [out, stays] = &ids(&bought)[..] else { panic!("{bought}") };
    assert_eq!((of("anna@c.example"), of("anna@b.example")), (vec![stays.clone()], vec![out.clone()]));
    // What was bought is there as it was.
    assert_eq!(site.get(&site.target(&urls(&bought)[1])).status, 303);
}

#[test]
fn a_line_that_was_cancelled_opens_again_though_its_product_holds_another_file_by_then() {
    let site = selling_two();
    let bought = report(&site, &order("7", &["a", "b"]));
    let link = site.target(&urls(&bought)[0]);
    let with = |state: &str| json!({"external_id": "7", "state": "paid", "lines": [{"sku": "a", "state": state}, {"sku": "b"}]});
    report(&site, &with("cancelled"));
    assert_eq!(site.get(&link).header("Cloakroom-Refusal"), Some("cancelled"));
    let grant = site.cloakroom.json(&["grant", "show", &ids(&bought)[0]]);
    let next = file(&site, "next.zip");
    site.cloakroom.say(&["product", "attach", "a", &next]);
    site.cloakroom.say(&["product", "detach", "a", grant["sold"]["file"].as_str().unwrap()]);
    // A line that is cancelled still does not hold up the others.
    report(&site, &with("cancelled"));
    assert_eq!(site.get(&link).header("Cloakroom-Refusal"), Some("cancelled"));
    report(&site, &with("paid"));
    let click = site.get(&link);
    assert_eq!(click.status, 303, "{click:?}");
}
