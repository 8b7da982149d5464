//! Files with ids that stay, and products.

use serde_json::json;

use crate::servers::site::Site;
use crate::shop::*;

#[test]
fn files_and_products_are_kept_over_a_restart_and_told_as_they_were_put() {
    let mut site = Site::open();
    let files = stocked(&site);
    site.cloakroom.kill();
    site.cloakroom.start();
    let poster = site.cloakroom.json(&["product", "show", "poster"]);
    let options = |place: usize| poster["files"][place]["options"].clone();
    assert_eq!(poster["files"].as_array().unwrap().len(), 3);
    assert_eq!((options(0), options(1)), (json!(null), json!({"size": "large"})));
    let file = site.cloakroom.json(&["file", "show", &files[0]]);
    assert_eq!((&file["at"], &file["products"]), (&json!("masters/book.pdf"), &json!(["set"])));
    let said = site.cloakroom.say(&["file", "list"]);
    assert!(said.lines().count() == 6 && said.contains("masters/large.svg"), "{said}");
    let (status, answer) = call(&site, "PUT", "/api/v1/products/x", &json!({"files": [{"file": "f-00000000000000000000"}]}));
    assert!(status == 422 && answer["detail"].as_str().unwrap().contains("files[0].file: there is no file"), "{answer}");
    let (status, answer) = call(&site, "POST", "/api/v1/files", &json!({"file": "masters/book.pdf"}));
    assert!(status == 409 && answer["detail"].as_str().unwrap().contains(&files[0]), "{answer}");
}
