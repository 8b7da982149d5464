//! Orders with a key: those of one shop, where it is bound to one.

use serde_json::{Value, json};

use crate::shop::{Shop, is_problem, json_of};

fn order(number: &str, shop: Option<&str>) -> Value {
    let lines = json!([{ "sku": "ALBUM" }]);
    let order = json!({ "external_id": number, "state": "paid", "customer": { "email": "anna@shop.example" }, "lines": lines });
    match shop {
        Some(shop) => {
            let mut order = order;
            order["shop"] = json!(shop);
            order
        }
        None => order,
    }
}

#[test]
fn a_key_that_is_bound_to_a_shop_reports_and_sees_its_orders_alone() {
    let shop = Shop::open();
    let all = shop.key("catalogue", &["catalogue", "orders", "read"]);
    let file = json_of(&shop.by(&all, "POST", "/api/v1/files", Some(&json!({ "file": "masters/album.zip" }))));
    let product = json!({ "name": "Album", "files": [{ "file": file["id"] }] });
    assert_eq!(shop.by(&all, "PUT", "/api/v1/products/ALBUM", Some(&product)).status, 200);
    let bound = shop.daemon.say(&["apikey", "new", "plugin", "--scope", "orders", "--scope", "read", "--shop", "vinyl"]);
    let mine = json_of(&shop.by(&bound, "POST", "/api/v1/orders", Some(&order("7", None))));
    assert_eq!(mine["shop"], "vinyl", "{mine}");
    let other = json_of(&shop.by(&all, "POST", "/api/v1/orders", Some(&order("7", None))));
    assert_ne!(mine["id"], other["id"], "of another shop it is another order");
    let (mine, other) = (mine["id"].as_str().unwrap(), other["id"].as_str().unwrap());
    for (method, path, body) in [
        ("POST", "/api/v1/orders", Some(order("8", Some("shop")))),
        ("GET", "/api/v1/orders?shop=shop", None),
        ("GET", "/api/v1/orders?shop=shop&external_id=7", None),
    ] {
        is_problem(&shop.by(&bound, method, path, body.as_ref()), 403, &["shop `vinyl` only"]);
    }
    let state = json!({ "state": "refunded" });
    for (method, path, body) in
        [("GET", format!("/api/v1/orders/{other}"), None), ("POST", format!("/api/v1/orders/{other}/state"), Some(&state))]
    {
        is_problem(&shop.by(&bound, method, &path, body), 404, &["no such order"]);
    }
    let listed = json_of(&shop.by(&bound, "GET", "/api/v1/orders", None));
    assert_eq!(listed.as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap()).collect::<Vec<_>>(), [mine]);
    assert_eq!(json_of(&shop.by(&all, "GET", "/api/v1/orders", None)).as_array().unwrap().len(), 2);
    assert_eq!(json_of(&shop.by(&bound, "POST", &format!("/api/v1/orders/{mine}/state"), Some(&state)))["state"], "refunded");
    assert_eq!(json_of(&shop.by(&all, "GET", &format!("/api/v1/orders/{other}"), None))["state"], "paid");
    // Nothing else is of that shop.
    for (method, path) in [("GET", "/api/v1/grants"), ("GET", "/api/v1/deliveries"), ("GET", "/api/v1/files"), ("GET", "/api/v1/stats")] {
        is_problem(&shop.by(&bound, method, path, None), 403, &["shop `vinyl` only"]);
    }
    assert_eq!(shop.by(&bound, "GET", "/api/v1/about", None).status, 200);
    let output = shop.daemon.command(&["apikey", "new", "x", "--scope", "grants", "--shop", "vinyl"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("orders of one shop only"), "{output:?}");
}
