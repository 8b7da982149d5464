//! Copies: each grant has a file of its own with an unguessable name, which a real nginx serves, and which goes with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;
use std::path::Path;

use serde_json::Value;
use servers::cloakroom::Cloakroom;
use servers::http::Answer;
use servers::site::{Site, content};
use servers::until;

/// A grant for `masters/FILE`: its id, its link and the path of its copy.
fn grant(site: &Site, file: &str, more: &[&str]) -> (String, String, String) {
    let made = site.cloakroom.json(&[&["grant", "add", "--file", file][..], more].concat());
    let copy = site.target(made["copy"]["url"].as_str().unwrap());
    (made["grant"]["id"].as_str().unwrap().to_owned(), site.target(made["url"].as_str().unwrap()), copy)
}

fn copies(cloakroom: &Cloakroom, grant: &str) -> Vec<Value> {
    cloakroom.json(&["grant", "show", grant])["copies"].as_array().unwrap().clone()
}

/// Waits until the grant's newest copy is in this state.
#[track_caller]
fn until_copy(cloakroom: &Cloakroom, grant: &str, state: &str) -> Value {
    until(&format!("a copy that is {state}"), || copies(cloakroom, grant).first().filter(|copy| copy["state"] == state).cloned())
}

fn deliveries(cloakroom: &Cloakroom) -> Vec<String> {
    let list = cloakroom.json(&["delivery", "list"]);
    let rows = list.as_array().or_else(|| list["deliveries"].as_array()).unwrap();
    rows.iter().map(|delivery| delivery["state"].as_str().unwrap().to_owned()).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".cloakroom");
    names.sort();
    names
}

/// What is half made.
fn aside(directory: &Path) -> Vec<String> {
    names(&directory.join(".cloakroom"))
}

fn get(site: &Site, target: &str) -> Answer {
    site.ask("GET", target, &[])
}

fn used(cloakroom: &Cloakroom, grant: &str) -> u64 {
    cloakroom.json(&["grant", "show", grant])["used"].as_u64().unwrap()
}

#[test]
fn a_grant_has_a_copy_which_is_served_counted_once_each_time_and_gone_when_it_is_used_up() {
    let site = Site::with_copies("", "", true);
    let bytes = content(300_000);
    site.master("set/Grüße & Küsse.zip", &bytes);
    let (id, link, copy) = grant(&site, "masters/set/Grüße & Küsse.zip", &["--max", "2"]);
    assert!(copy.starts_with("/goods/Gr%C3%BC%C3%9Fe%20%26%20K%C3%BCsse-"), "{copy}");
    let live = until_copy(&site.cloakroom, &id, "live");
    assert_eq!(live["size"], bytes.len());
    assert_eq!((names(&site.nginx.goods()).len(), aside(&site.nginx.goods()).len()), (1, 0));

    let answer = get(&site, &link);
    assert_eq!((answer.status, answer.header("location")), (303, Some(copy.as_str())));
    assert_eq!(deliveries(&site.cloakroom), Vec::<String>::new(), "a click begins nothing");
    for time in 1..=2 {
        let answer = get(&site, &copy);
        assert_eq!((answer.status, answer.body.len()), (200, bytes.len()));
        assert!(answer.body == bytes);
        for (name, value) in [
            ("Content-Type", "application/octet-stream"),
            ("Content-Disposition", "attachment"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "private, no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        until("the download is counted", || (used(&site.cloakroom, &id) == time).then_some(()));
    }
    assert_eq!(deliveries(&site.cloakroom), ["completed", "completed"]);
    until_copy(&site.cloakroom, &id, "gone");
    assert_eq!(get(&site, &copy).status, 404);
    assert!(names(&site.nginx.goods()).is_empty());
    assert_eq!(get(&site, &link).status, 403, "all downloads are used");
}
