//! The clock is set, forward and back, while a copy is there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::servers::faketime::set;
use crate::servers::site::Site;
use crate::servers::{names_in, until};
use crate::shop::{copies, until_copy};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const TEN_YEARS: i64 = 3650 * DAY;

/// What lies in the public directory, once that is what the daemon remembers.
fn agree(site: &Site, grant: &str) -> Vec<String> {
    let remembered = || -> Vec<String> {
        let all = copies(&site.cloakroom, grant);
        let there = all.iter().filter(|copy| copy["state"] == "live");
        there.map(|copy| copy["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
    };
    until("directory and store are alike", || {
        let lies = names_in(&site.nginx.goods());
        (lies == remembered()).then_some(lies)
    })
}

#[test]
fn a_clock_set_back_keeps_a_copy_and_one_set_past_the_end_of_its_grant_takes_it_once() {
    let mut site = Site::with_copies("", true);
    site.master("a.zip", &[7; 1000]);
    let sold = site.cloakroom.json(&["grant", "add", "--file", "masters/a.zip", "--max", "unlimited", "--for", "30d"]);
    let (grant, link) = (sold["grant"]["id"].as_str().unwrap(), site.target(sold["url"].as_str().unwrap()));
    until_copy(&site.cloakroom, grant, "live");
    let head = |site: &Site, name: &str| {
        let [user, password] = ["user", "password"].map(|key| sold["copy"][key].as_str().unwrap());
        let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        site.ask("HEAD", &format!("/goods/{name}"), &[("Authorization", &login)]).status
    };
    let first = agree(&site, grant);
    assert_eq!(first.len(), 1);
    for offset in [-HOUR, HOUR, -TEN_YEARS, 29 * DAY, 0] {
        set(&mut site.cloakroom, offset);
        assert_eq!(agree(&site, grant), first, "{offset}");
        assert_eq!(head(&site, &first[0]), 200, "{offset}");
    }
    // The first moment past the end, and an hour after it.
    for offset in [30 * DAY, 30 * DAY + HOUR] {
        set(&mut site.cloakroom, offset);
        until("the grant is over", || agree(&site, grant).is_empty().then_some(()));
        assert_eq!(site.get(&link).status, 410, "{offset}");
    }
    assert_eq!(copies(&site.cloakroom, grant).len(), 1, "it went once");
    // By the right time the grant lasts still, and so does its login: who clicks has a copy again, under a new name.
    set(&mut site.cloakroom, 0);
    assert_eq!((agree(&site, grant), head(&site, &first[0])), (Vec::new(), 404));
    assert_eq!(site.get(&link).status, 503, "it is being made");
    until_copy(&site.cloakroom, grant, "live");
    let second = agree(&site, grant);
    assert!(second.len() == 1 && second != first, "{second:?}");
    assert_eq!(site.get(&link).header("location"), Some(format!("/goods/{}", second[0]).as_str()));
    assert_eq!((head(&site, &second[0]), head(&site, &first[0])), (200, 404));
}
