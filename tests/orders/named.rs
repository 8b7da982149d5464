//! The name under which customers save what they bought.

use std::fs;

use crate::servers::http::get;
use crate::servers::nginx::NginxSetup;
use crate::servers::site::{Site, content};
use crate::shop::*;

/// What browsers read in a name that is no plain ASCII.
const SAVED: &str = "attachment; filename=\"Das gro_e Buch \\\"2\\\".pdf\"; filename*=UTF-8''Das%20gro%C3%9Fe%20Buch%20%222%22.pdf";

const NAME: &str = "Das große Buch \"2\"";

#[test]
fn a_file_that_was_given_a_name_is_saved_under_it_and_others_under_that_of_their_master() {
    let site = Site::open();
    let id = file(&site, "v1/book-1.pdf");
    site.cloakroom.say(&["product", "add", "book", "--file", &id]);
    let link = site.target(&site.cloakroom.say(&["order", "add", "1", "--line", "book"]));
    let saved = || {
        let delivery = site.remember(site.get(&link).header("location").unwrap());
        let (head, whole) = (site.ask("HEAD", &delivery, &[]), site.get(&delivery));
        assert_eq!((head.status, whole.status), (200, 200), "{head:?} {whole:?}");
        let name = whole.header("content-disposition").unwrap().to_owned();
        assert_eq!(head.header("content-disposition"), Some(name.as_str()));
        name
    };
    assert_eq!(saved(), "attachment; filename=\"book-1.pdf\"");
    // A version of another name, which nobody gave it.
    site.master("v2/book-2.pdf", &content(99));
    site.cloakroom.say(&["file", "replace", &id, "masters/v2/book-2.pdf"]);
    assert_eq!(saved(), "attachment; filename=\"book-2.pdf\"");
    site.cloakroom.say(&["file", "rename", &id, "--name", NAME]);
    assert_eq!(saved(), SAVED);
    let page = site.ask("GET", &link, &[("Accept", "text/html"), ("User-Agent", "Mozilla/5.0")]).text();
    assert!(page.contains("Das große Buch"), "{page}");
    // What would harm is left out.
    site.cloakroom.say(&["file", "rename", &id, "--name", "../../etc/\u{202e}fdp.exe"]);
    assert_eq!(saved(), "attachment; filename=\"etcfdp.exe.pdf\"");
    // What no order sold has the name of its master.
    let grant = site.target(&site.cloakroom.link("masters/v2/book-2.pdf", 1));
    let delivery = site.remember(site.get(&grant).header("location").unwrap());
    assert_eq!(site.get(&delivery).header("content-disposition"), Some("attachment; filename=\"book-2.pdf\""));
}

#[test]
fn a_stub_is_called_as_the_file_is() {
    let site = Site::with_stubs(&NginxSetup::default(), "method = [\"stub\"]", true);
    let id = file(&site, "book-1.pdf");
    site.cloakroom.say(&["product", "add", "book", "--file", &id]);
    site.cloakroom.say(&["file", "rename", &id, "--name", NAME]);
    let link = site.target(&site.cloakroom.say(&["order", "add", "1", "--line", "book"]));
    let stub = site.get(&link).header("location").unwrap().to_owned();
    assert!(stub.ends_with("/Das%20gro%C3%9Fe%20Buch%20%222%22.pdf"), "{stub}");
    assert_eq!(site.get(&stub).body, content(SIZE));
}

#[test]
fn a_stream_says_the_name_too() {
    let Alone { files, port, origin, cloakroom } = Alone::open();
    fs::write(files.path().join("book-1.pdf"), content(SIZE)).unwrap();
    let id = cloakroom.say(&["file", "add", "masters/book-1.pdf", "--name", NAME]);
    cloakroom.say(&["product", "add", "book", "--file", &id]);
    let url = cloakroom.say(&["order", "add", "1", "--line", "book"]);
    let delivery = get(port, url.strip_prefix(&origin).unwrap(), &[]).header("location").unwrap().to_owned();
    assert_eq!(get(port, &delivery, &[]).header("content-disposition"), Some(SAVED));
}
