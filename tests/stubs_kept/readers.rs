//! Where no log tells of requests, opens and closes of the master do.

use crate::pub_directory::{agree, around, click, master, name, names};
use crate::servers::http::Download;
use crate::servers::nginx::NginxSetup;
use crate::servers::site::content;
use crate::servers::until;

#[test]
fn a_stub_whose_master_is_being_read_stays_beyond_its_grace_until_it_is_closed() {
    let setup = NginxSetup { server: "limit_rate 300k;\nsendfile_max_chunk 64k;".to_owned(), ..NginxSetup::default() };
    let site = around(&setup, "resume_grace = \"1s\"", false);
    let (link, other) = (master(&site, "a.zip", 900_000), master(&site, "b.zip", 1000));
    let (slow, quick) = (click(&site, &link, "slow"), click(&site, &other, "quick"));
    let mut running = Download::open(site.nginx.port, "GET", &slow, &[]);
    running.read(1000);
    until("the stub that nobody reads is gone", || (names(&site) == [name(&slow)]).then_some(()));
    assert_eq!(site.get(&quick).status, 404);
    // Its own grace has been over for as long.
    let tail = site.ask("GET", &slow, &[("Range", "bytes=899000-")]);
    assert_eq!((tail.status, tail.body.len()), (206, 1000), "who reads on finds it");
    assert!(running.finish().body == content(900_000));
    until("its stub is gone", || names(&site).is_empty().then_some(()));
    assert!(agree(&site).is_empty());
}

#[test]
fn a_grant_that_is_withdrawn_waits_for_no_reader() {
    let setup = NginxSetup { server: "limit_rate 200k;".to_owned(), ..NginxSetup::default() };
    let site = around(&setup, "resume_grace = \"1s\"", false);
    master(&site, "a.zip", 1_000_000);
    let made = site.cloakroom.json(&["grant", "add", "--file", "masters/a.zip", "--max", "1"]);
    let (url, grant) = (made["url"].as_str().unwrap(), made["grant"]["id"].as_str().unwrap());
    let to = click(&site, &site.target(url), "one");
    let mut running = Download::open(site.nginx.port, "GET", &to, &[]);
    running.read(1000);
    site.cloakroom.say(&["grant", "revoke", grant]);
    until("its stub is gone", || names(&site).is_empty().then_some(()));
    assert!(running.finish().body == content(1_000_000), "what runs is not cut");
}
