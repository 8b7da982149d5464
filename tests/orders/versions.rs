//! What buyers get when a file that they bought is replaced, moved or exchanged: by each method, in the middle of a download,
//! and over a crash.

use std::fs;

use serde_json::{Value, json};

use crate::servers::cloakroom::Cloakroom;
use crate::servers::http::get;
use crate::servers::nginx::NginxSetup;
use crate::servers::site::{Site, content};
use crate::servers::until;
use crate::shop::*;

const OLD: usize = SIZE;

fn new_bytes() -> Vec<u8> {
    vec![b'n'; 12_345]
}

/// A site on which `book` is sold; the file's id.
#[track_caller]
fn selling(site: &Site, product: &[&str]) -> String {
    let id = file(site, "book-1.pdf");
    site.cloakroom.say(&[&["product", "add", "book", "--file", &id][..], product].concat());
    site.master("book-2.pdf", &new_bytes());
    id
}

/// Buys the book: the path of its link.
#[track_caller]
fn buy(site: &Site, order: &str) -> String {
    let printed = site.cloakroom.say(&["order", "add", order, "--line", "book"]);
    site.target(printed.lines().next().unwrap())
}

#[track_caller]
fn fetched(site: &Site, link: &str) -> Vec<u8> {
    let click = site.get(link);
    assert_eq!(click.status, 303, "{click:?}");
    let file = site.get(click.header("location").unwrap());
    assert_eq!(file.status, 200, "{file:?}");
    file.body
}

fn scanned(cloakroom: &Cloakroom) -> Value {
    cloakroom.json(&["file", "scan"])
}

#[test]
fn a_new_version_reaches_who_bought_the_old_one_and_a_running_download_goes_on_with_what_it_began_with() {
    let mut site = Site::open();
    let id = selling(&site, &[]);
    let (link, other) = (buy(&site, "1"), buy(&site, "2"));
    let delivery = site.remember(site.get(&link).header("location").unwrap());
    let begun = site.ask("GET", &delivery, &[("Range", "bytes=0-9999")]);
    assert_eq!((begun.status, &begun.body[..]), (206, &content(OLD)[..10_000]));
    let replaced = site.cloakroom.json(&["file", "replace", &id, "masters/book-2.pdf"]);
    assert_eq!(replaced["grants_led"], 2, "{replaced}");
    // What was decided is on the disk.
    site.cloakroom.kill();
    site.cloakroom.start();
    let rest = site.ask("GET", &delivery, &[("Range", "bytes=10000-")]);
    assert_eq!((rest.status, &rest.body[..]), (206, &content(OLD)[10_000..]), "it goes on with the old one");
    assert_eq!(fetched(&site, &other), new_bytes());
    assert_eq!(fetched(&site, &link), new_bytes(), "who begins anew gets the new one");
    let old = site.cloakroom.json(&["order", "show", "1"])["lines"][0]["grants"][0]["grant"]["id"].as_str().unwrap().to_owned();
    until("both are counted", || (site.cloakroom.json(&["grant", "show", &old])["used"] == 2).then_some(()));
    // Later parts by the link alone, as curl asks for them.
    let link = buy(&site, "3");
    let agent = [("User-Agent", "curl/8.0")];
    let delivery = site.ask("GET", &link, &agent).header("location").unwrap().to_owned();
    let part = site.ask("GET", &delivery, &[agent[0], ("Range", "bytes=0-99")]);
    assert_eq!((part.status, part.body.len()), (206, 100));
    site.cloakroom.say(&["file", "replace", &id, "masters/book-1.pdf"]);
    let resumed = site.ask("GET", &link, &[agent[0], ("Range", "bytes=100-")]);
    assert_eq!(resumed.header("location").unwrap(), site.remember(&delivery), "the same delivery: {resumed:?}");
    let rest = site.ask("GET", resumed.header("location").unwrap(), &[agent[0], ("Range", "bytes=100-")]);
    assert_eq!(rest.body, new_bytes()[100..]);
    // What it began with is gone: nothing is put together of two versions.
    fs::remove_file(site.nginx.downloads().join("book-2.pdf")).unwrap();
    let late = site.ask("GET", &link, &[agent[0], ("Range", "bytes=500-")]);
    assert_eq!((late.status, late.header("Cloakroom-Refusal")), (410, Some("link_expired")));
    assert_eq!(fetched(&site, &link), content(OLD));
    let shown = site.cloakroom.json(&["file", "show", &id]);
    assert_eq!((shown["versions"].as_array().unwrap().len(), shown["grants"]["all"].as_u64()), (3, Some(3)));
}

#[test]
fn who_bought_a_version_that_stays_gets_it_and_never_another() {
    let site = Site::with("[[policy]]\nname = \"kept\"\nversion = \"purchased\"\n");
    let id = selling(&site, &["--policy", "kept"]);
    let before = buy(&site, "1");
    let replaced = site.cloakroom.json(&["file", "replace", &id, "masters/book-2.pdf"]);
    assert_eq!(replaced["grants_led"], 0);
    let after = buy(&site, "2");
    assert_eq!((fetched(&site, &before), fetched(&site, &after)), (content(OLD), new_bytes()));
    // Another file in the place of what was bought is not what was bought, whatever is new for others.
    site.master("book-1.pdf", b"something else");
    let refused = site.get(&before);
    assert_eq!((refused.status, refused.header("Cloakroom-Refusal")), (404, Some("file_missing")));
    let why = site.cloakroom.say(&["explain", &site.remember(&before)]);
    assert!(why.contains("is not what was bought any more, which is v-"), "{why}");
    assert_eq!(fetched(&site, &after), new_bytes());
    // What no order sold has no version that anybody remembers.
    let refused = site.cloakroom.command(&["grant", "add", "--file", "masters/book-2.pdf", "--policy", "kept"]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && text.contains("needs method \"copy\" alone"), "{text}");
}

#[test]
fn who_buys_what_was_exchanged_before_a_scan_saw_it_bought_what_lies_there_and_bytes_that_come_back_open_again() {
    let site = Site::with("[[policy]]\nname = \"kept\"\nversion = \"purchased\"\n");
    let id = selling(&site, &["--policy", "kept"]);
    scanned(&site.cloakroom);
    let before = buy(&site, "1");
    site.master("book-1.pdf", &new_bytes());
    let after = buy(&site, "2");
    let opens = |old: bool, new: bool| {
        for (link, is_open) in [(&before, old), (&after, new)] {
            let status = site.get(link).status;
            assert_eq!(status, if is_open { 303 } else { 404 }, "{link}");
        }
    };
    opens(false, true);
    assert_eq!(scanned(&site.cloakroom)["states"]["ok"], 1);
    opens(false, true);
    assert_eq!(fetched(&site, &after), new_bytes());
    let versions = || site.cloakroom.json(&["file", "show", &id])["versions"].as_array().unwrap().len();
    assert_eq!(versions(), 2, "the scan found nothing that was not sold");
    // A restore that gives it another time.
    site.master("book-1.pdf", &content(OLD));
    scanned(&site.cloakroom);
    opens(true, false);
    assert_eq!((fetched(&site, &before), versions()), (content(OLD), 3));
}

#[test]
fn a_stub_leads_to_the_version_that_its_download_began_with() {
    let site = Site::with_stubs(&NginxSetup::default(), "method = [\"stub\"]", true);
    let id = selling(&site, &[]);
    let link = buy(&site, "1");
    let stub = site.get(&link).header("location").unwrap().to_owned();
    assert_eq!(site.ask("GET", &stub, &[("Range", "bytes=0-99")]).body.len(), 100);
    site.cloakroom.say(&["file", "replace", &id, "masters/book-2.pdf"]);
    assert_eq!(site.get(&stub).body, content(OLD), "it stays as long as its download");
    let again = site.get(&link).header("location").unwrap().to_owned();
    assert_ne!(again, stub);
    assert_eq!(site.get(&again).body, new_bytes());
}

#[test]
fn a_copy_follows_to_where_the_new_version_lies_under_its_name_also_over_a_crash() {
    let mut site = Site::with_copies("", true);
    let id = selling(&site, &[]);
    let link = buy(&site, "1");
    let copy = || {
        let names = crate::servers::names_in(&site.nginx.goods());
        names.into_iter().find(|name| name.contains(".pdf")).map(|name| site.nginx.goods().join(name))
    };
    let first = until("a copy", copy);
    until("its bytes", || (fs::read(&first).unwrap() == content(OLD)).then_some(()));
    until("it is offered", || (site.get(&link).status == 303).then_some(()));
    site.cloakroom.say(&["file", "replace", &id, "masters/book-2.pdf"]);
    until("the new bytes", || (fs::read(&first).unwrap() == new_bytes()).then_some(()));
    site.cloakroom.say(&["file", "replace", &id, "masters/book-1.pdf"]);
    site.cloakroom.kill();
    site.cloakroom.start();
    until("the old bytes again", || (fs::read(&first).unwrap() == content(OLD)).then_some(()));
}

#[test]
fn a_stream_goes_on_with_the_version_that_it_began_with() {
    let Alone { files, port, origin, cloakroom } = Alone::open();
    fs::write(files.path().join("a.zip"), content(OLD)).unwrap();
    fs::write(files.path().join("b.zip"), new_bytes()).unwrap();
    let id = cloakroom.say(&["file", "add", "masters/a.zip"]);
    cloakroom.say(&["product", "add", "book", "--file", &id]);
    let url = cloakroom.say(&["order", "add", "1", "--line", "book"]);
    let link = url.strip_prefix(&origin).unwrap();
    let delivery = get(port, link, &[]).header("location").unwrap().to_owned();
    assert_eq!(get(port, &delivery, &[("Range", "bytes=0-99")]).body, content(OLD)[..100]);
    cloakroom.say(&["file", "replace", &id, "masters/b.zip"]);
    assert_eq!(get(port, &delivery, &[("Range", "bytes=100-")]).body, content(OLD)[100..]);
    let fresh = get(port, link, &[]).header("location").unwrap().to_owned();
    assert_eq!(get(port, &fresh, &[]).body, new_bytes());
}

#[test]
fn a_master_that_was_moved_is_found_by_all_who_have_it_and_another_file_is_not_taken_for_it() {
    let site = Site::open();
    let id = selling(&site, &[]);
    let link = buy(&site, "1");
    let delivery = site.remember(site.get(&link).header("location").unwrap());
    assert_eq!(site.ask("GET", &delivery, &[("Range", "bytes=0-99")]).status, 206);
    let refused = site.cloakroom.command(&["file", "move", &id, "masters/book-2.pdf"]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("cloakroom file replace"), "it is another file");
    fs::create_dir(site.nginx.downloads().join("old")).unwrap();
    fs::rename(site.nginx.downloads().join("book-1.pdf"), site.nginx.downloads().join("old/first.pdf")).unwrap();
    assert_eq!(site.get(&link).header("Cloakroom-Refusal"), Some("file_missing"));
    let scan = scanned(&site.cloakroom);
    assert_eq!(scan["states"], json!({"ok": 0, "hashing": 0, "changed": 0, "missing": 1, "remote": 0}));
    let shown = site.cloakroom.json(&["file", "show", &id]);
    assert!(shown["missing_since"].is_string(), "{shown}");
    let said = site.cloakroom.say(&["file", "move", &id, "masters/old/first.pdf"]);
    assert!(said.contains("1 grant follows"), "{said}");
    assert_eq!(site.ask("GET", &delivery, &[("Range", "bytes=100-")]).body, content(OLD)[100..], "the same download");
    assert_eq!(fetched(&site, &link), content(OLD));
    assert_eq!(site.cloakroom.json(&["file", "show", &id])["missing_since"], json!(null));
}

#[test]
fn where_a_download_lay_that_has_ended_and_which_bytes_it_had_is_told_by_the_versions_of_its_file() {
    let site = Site::with("[[policy]]\nname = \"default\"\nresume_grace = \"1s\"\n");
    let id = selling(&site, &[]);
    let link = buy(&site, "1");
    until("its bytes are known", || site.cloakroom.json(&["file", "show", &id])["versions"][0]["sha256"].is_string().then_some(()));
    assert_eq!(fetched(&site, &link), content(OLD));
    let ended = until("the download has ended", || {
        let newest = &site.cloakroom.json(&["delivery", "list"])[0];
        newest["closed"].is_string().then(|| newest["id"].as_str().unwrap().to_owned())
    });
    let replaced = site.cloakroom.json(&["file", "replace", &id, "masters/book-2.pdf"]);
    assert_eq!(replaced["grants_led"], 1, "{replaced}");
    fs::remove_file(site.nginx.downloads().join("book-1.pdf")).unwrap();
    let grant = site.cloakroom.json(&["delivery", "show", &ended])["grant_id"].as_str().unwrap().to_owned();
    let lay = Some("masters/book-1.pdf");
    for (told, arguments) in [
        ("", &["delivery", "show", &ended][..]),
        ("/0", &["delivery", "list"]),
        ("/deliveries/0", &["grant", "show", &grant]),
        ("/deliveries/0", &["grant", "evidence", &grant]),
    ] {
        let answer = site.cloakroom.json(arguments);
        assert_eq!(answer.pointer(told).unwrap()["file"].as_str(), lay, "{arguments:?}: {answer}");
    }
    let explained = site.cloakroom.say(&["explain", &ended]);
    assert!(explained.contains("masters/book-1.pdf"), "{explained}");
    let evidence = site.cloakroom.json(&["grant", "evidence", &grant]);
    let shown = site.cloakroom.json(&["file", "show", &id]);
    let known = shown["versions"].as_array().unwrap().iter().find(|version| version["at"] == "masters/book-1.pdf").unwrap();
    assert_eq!((&evidence["deliveries"][0]["version"]["sha256"], known["sha256"].is_string()), (&known["sha256"], true), "{evidence}");
}
