//! Files that everybody may fetch: a link leads to the file's own address, and who is led there is counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use servers::nginx::NginxSetup;
use servers::site::{Site, content};

fn site() -> Site {
    let setup = NginxSetup { server: "location /free/ { alias downloads/; auth_request off; }".to_owned(), ..NginxSetup::default() };
    Site::storing(&setup, "public = \"/free/\"\n", "[[policy]]\nname = \"default\"\nmethod = [\"public\"]\n")
}

/// Where a click of this client leads.
#[track_caller]
fn click(site: &Site, link: &str, agent: &str) -> String {
    let answer = site.ask("GET", link, &[("User-Agent", agent)]);
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

#[test]
fn a_click_leads_to_the_files_own_address_and_is_counted_once_however_often_its_customer_clicks() {
    let site = site();
    let bytes = content(100_000);
    site.master("set/Grüße & Küsse.zip", &bytes);
    let made = site.cloakroom.json(&["grant", "add", "--file", "masters/set/Grüße & Küsse.zip", "--max", "2"]);
    let (grant, link) = (made["grant"]["id"].as_str().unwrap(), site.target(made["url"].as_str().unwrap()));
    let counts = || {
        let page = site.cloakroom.json(&["grant", "show", grant]);
        let states = page["deliveries"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap().to_owned());
        (page["used"].as_u64().unwrap(), states.collect::<Vec<_>>())
    };
    let to = click(&site, &link, "one");
    assert_eq!(to, "/free/set/Gr%C3%BC%C3%9Fe%20%26%20K%C3%BCsse.zip");
    let started = |number: usize| (number as u64, vec!["started".to_owned(); number]);
    assert_eq!(counts(), started(1), "who is led there has had it");
    let answer = site.get(&to);
    assert!(answer.status == 200 && answer.body == bytes);
    assert_eq!(click(&site, &link, "one"), to, "the same download goes on");
    assert_eq!(site.get(&to).status, 200);
    assert_eq!(counts(), started(1));

    assert_eq!(click(&site, &link, "two"), to);
    assert_eq!(counts(), started(2));
    let refused = site.ask("GET", &link, &[("User-Agent", "three")]);
    assert!(refused.status == 403 && refused.text().contains("limit_reached"), "{}", refused.text());
    assert_eq!(click(&site, &link, "one"), to, "who has begun may go on when all are used");
    assert_eq!(counts(), started(2));
    // Everybody may know the address, and nothing that goes by it is a download of the grant's.
    assert_eq!(site.get(&to).status, 200);
    let said = site.cloakroom.say(&["grant", "show", grant]);
    assert!(said.contains("2 of 2 used") && said.contains("nobody tells what arrived"), "{said}");
    assert_eq!(site.nginx.reported(), Vec::<String>::new());
}
