//! What an order waits for, and when it is served.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::servers::site::{Site, content};
use crate::servers::until;
use crate::shop::*;

const REMOTE: &str = "https://files.example/a.zip";

fn paid(number: &str, lines: &Value) -> Value {
    json!({"external_id": number, "state": "paid", "lines": lines})
}

fn sold(site: &Site, number: &str) -> Vec<String> {
    grants(&site.cloakroom.json(&["order", "show", number])).iter().map(|sold| sold["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn orders_that_wait_for_a_file_which_lay_elsewhere_are_served_when_it_lies_here_and_nobody_gets_more() {
    let site = Site::open();
    let (here, later) = (file(&site, "a.pdf"), file(&site, "later.pdf"));
    let remote = site.cloakroom.say(&["file", "add", REMOTE, "--name", "video"]);
    site.cloakroom.say(&["product", "add", "old", "--file", &here]);
    report(&site, &paid("1", &json!([{"sku": "old"}])));
    site.cloakroom.say(&["product", "add", "set", "--file", &here, "--file", &remote]);
    site.cloakroom.say(&["product", "add", "video", "--file", &remote]);
    report(&site, &paid("2", &json!([{"sku": "set"}])));
    report(&site, &paid("3", &json!([{"sku": "video"}, {"sku": "old"}])));
    report(&site, &json!({"external_id": "4", "state": "refunded", "lines": [{"sku": "video"}]}));
    // What a product gets later is for those who buy it then.
    site.cloakroom.say(&["product", "attach", "set", &later]);
    assert_eq!((sold(&site, "2"), sold(&site, "3")), (vec!["a.pdf".to_owned()], vec!["a.pdf".to_owned()]));
    site.master("video.mp4", &content(77));
    let said = site.cloakroom.say(&["file", "replace", &remote, "masters/video.mp4"]);
    assert!(said.ends_with("\n2 orders waited for it; 2 grants made"), "{said}");
    assert_eq!(
        (sold(&site, "1"), sold(&site, "2"), sold(&site, "3")),
        (
            vec!["a.pdf".to_owned()],
            vec!["a.pdf".to_owned(), "video".to_owned()],
            vec!["a.pdf".to_owned(), "video".to_owned()].into_iter().rev().collect(),
        )
    );
    assert!(sold(&site, "4").is_empty());
    // Who bought before it came, and it was replaced again, has it already.
    site.master("video-2.mp4", &content(78));
    let said = site.cloakroom.say(&["file", "replace", &remote, "masters/video-2.mp4"]);
    assert!(!said.contains("waited") && said.contains("2 grants lead"), "{said}");
}

#[test]
fn a_line_waits_for_itself_though_others_of_its_order_and_of_its_sku_were_sold() {
    let site = Site::open();
    let (pdf, epub) = (file(&site, "a.pdf"), file(&site, "a.epub"));
    site.cloakroom.say(&["product", "add", "book"]);
    site.cloakroom.say(&["product", "attach", "book", &pdf, "--option", "format=pdf"]);
    let line = |format: &str| json!({"sku": "book", "options": {"format": format}});
    let first = report(&site, &paid("1", &json!([line("pdf"), line("epub")])));
    assert!(first["lines"][1]["problems"][0].as_str().unwrap().contains("no file for these options"), "{first}");
    report(&site, &paid("2", &json!([line("pdf")])));
    let said = site.cloakroom.say(&["product", "attach", "book", &epub, "--option", "format=epub"]);
    assert!(said.ends_with("1 order waited for it; 1 grant made"), "{said}");
    assert_eq!(sold(&site, "1"), ["a.pdf", "a.epub"]);
    assert_eq!(sold(&site, "2"), ["a.pdf"]);
}

#[test]
fn orders_that_wait_for_a_policy_are_served_when_it_is_configured_by_a_reload_and_by_a_start() {
    let mut site = Site::with("[[policy]]\nname = \"gold\"\nmax_downloads = 7\n");
    let id = file(&site, "a.zip");
    site.cloakroom.say(&["product", "add", "book", "--file", &id, "--policy", "gold"]);
    let with = fs::read_to_string(site.cloakroom.config()).unwrap();
    let without = with.replace("name = \"gold\"", "name = \"silver\"");
    let reload = |site: &Site, text: &str| {
        fs::write(site.cloakroom.config(), text).unwrap();
        let before = site.cloakroom.said(&["reloaded"]);
        kill_process(Pid::from_raw(i32::try_from(site.cloakroom.pid()).unwrap()).unwrap(), Signal::HUP).unwrap();
        until("a reload", || (site.cloakroom.said(&["reloaded"]) > before).then_some(()));
    };
    let served = |site: &Site, number: &str| {
        until("it is served", || (sold(site, number) == ["a.zip"]).then_some(()));
        let order = site.cloakroom.json(&["order", "show", number]);
        assert_eq!(grants(&order)[0]["grant"]["max_downloads"], 7, "{order}");
    };
    reload(&site, &without);
    let first = report(&site, &paid("1", &json!([{"sku": "book"}])));
    assert!(first["lines"][0]["problems"][0].as_str().unwrap().contains("wants a [[policy]] named `gold`"), "{first}");
    reload(&site, &with);
    served(&site, "1");
    let line = site.cloakroom.logged(&["orders_served"]);
    assert!(line.contains("sku=book orders=1 grants=1"), "{line}");
    reload(&site, &without);
    report(&site, &paid("2", &json!([{"sku": "book"}])));
    site.cloakroom.kill();
    fs::write(site.cloakroom.config(), &with).unwrap();
    site.cloakroom.start();
    served(&site, "2");
    assert_eq!(site.cloakroom.json(&["grant", "list"]).as_array().unwrap().len(), 2);
}
