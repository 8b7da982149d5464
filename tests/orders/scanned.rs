//! What the masters of the catalogue are, what uses them, and what orders wait for.

use std::fs::{self, File};

use serde_json::{Value, json};

use crate::servers::site::{Site, content};
use crate::servers::until;
use crate::shop::*;

const SHARE: &str = "https://www.dropbox.com/s/abc/a.zip?dl=0";

fn states(site: &Site) -> Value {
    let mut states = site.cloakroom.json(&["file", "scan"])["states"].clone();
    states.as_object_mut().unwrap().retain(|_, count| *count != 0);
    states
}

#[test]
fn masters_are_read_in_the_background_and_one_that_is_exchanged_is_the_next_version() {
    let mut site = Site::open();
    let id = file(&site, "a.zip");
    assert_eq!(states(&site), json!({"ok": 1}));
    let show = || site.cloakroom.json(&["file", "show", &id]);
    let first = show();
    assert_eq!(first["sha256"].as_str().map(str::len), Some(64), "{first}");
    assert_eq!((&first["state"], &first["size"], &first["media_type"]), (&json!("ok"), &json!(SIZE), &json!("application/zip")));
    // The same bytes at another time are the same version.
    let path = site.nginx.downloads().join("a.zip");
    let touched = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_500_000_007);
    File::options().write(true).open(&path).unwrap().set_modified(touched).unwrap();
    assert_eq!(show()["state"], "changed");
    assert_eq!(states(&site), json!({"ok": 1}));
    assert_eq!((&show()["version"], &show()["sha256"]), (&first["version"], &first["sha256"]));
    site.master("a.zip", &content(7));
    assert_eq!(states(&site), json!({"ok": 1}));
    let second = show();
    assert_ne!(second["version"], first["version"]);
    assert_eq!((second["size"].as_u64(), second["versions"].as_array().unwrap().len()), (Some(7), 2));
    assert_eq!(second["versions"][1]["sha256"], first["sha256"]);
    site.cloakroom.logged(&["version_released", &id]);
    // What is exchanged while nobody looks is seen at the start; what is gone is told since when.
    site.cloakroom.kill();
    site.master("a.zip", &content(8));
    site.cloakroom.start();
    until("the third version", || (site.cloakroom.json(&["file", "show", &id])["size"] == 8).then_some(()));
    fs::remove_file(&path).unwrap();
    assert_eq!(states(&site), json!({"missing": 1}));
    site.cloakroom.logged(&["file_missing", &id]);
    let since = site.cloakroom.json(&["file", "show", &id])["missing_since"].clone();
    assert_eq!(states(&site), json!({"missing": 1}));
    assert_eq!(site.cloakroom.json(&["file", "show", &id])["missing_since"], since, "the moment stays");
    let said = site.cloakroom.say(&["file", "scan"]);
    assert!(said.starts_with("1 file: 1 missing\n") && said.contains("cloakroom file move"), "{said}");
    site.master("a.zip", &content(8));
    assert_eq!(states(&site), json!({"ok": 1}));
    site.cloakroom.logged(&["file_back", &id]);
}

#[test]
fn masters_that_no_file_names_are_listed_and_added_by_folder() {
    let site = Site::open();
    file(&site, "a.zip");
    for name in ["books", "books/deep"] {
        fs::create_dir(site.nginx.downloads().join(name)).unwrap();
    }
    for name in ["books/b.pdf", "books/deep/c.pdf", ".hidden", "d.zip"] {
        fs::write(site.nginx.downloads().join(name), b"x").unwrap();
    }
    std::os::unix::fs::symlink("/etc", site.nginx.downloads().join("out")).unwrap();
    let orphans = |more: &[&str]| site.cloakroom.json(&[&["file", "scan", "--orphans"][..], more].concat());
    assert_eq!(orphans(&[])["files"], json!(["masters/books/b.pdf", "masters/books/deep/c.pdf", "masters/d.zip"]));
    assert_eq!(orphans(&["masters/books/deep"])["files"], json!(["masters/books/deep/c.pdf"]));
    assert_eq!(orphans(&[])["passed_over"], 2, "what is hidden, and the link");
    let added = site.cloakroom.json(&["file", "add", "--all", "masters/books", "--folder", "books/2026"]);
    assert_eq!(added.as_array().unwrap().len(), 2);
    assert_eq!((&added[0]["name"], &added[0]["folder"]), (&json!("b.pdf"), &json!("books/2026")));
    assert_eq!(orphans(&[])["files"], json!(["masters/d.zip"]));
    for (place, words) in [("none", "must be the name of a [[storage]]"), ("masters/none", "there is no such file")] {
        let refused = site.cloakroom.command(&["file", "scan", "--orphans", place]);
        assert!(!refused.status.success() && String::from_utf8(refused.stderr).unwrap().contains(words), "{place}");
    }
}

#[test]
fn a_file_that_is_used_is_not_removed_unless_that_is_said_and_its_master_never_is() {
    let site = Site::open();
    let id = file(&site, "a.zip");
    site.cloakroom.say(&["product", "add", "book", "--file", &id]);
    let url = site.cloakroom.say(&["order", "add", "1", "--line", "book"]);
    let refused = site.cloakroom.command(&["file", "remove", &id]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && text.contains("products hold it (`book`), and 1 grants of it are open"), "{text}");
    site.cloakroom.say(&["product", "detach", "book", &id]);
    let refused = site.cloakroom.command(&["file", "remove", &id]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("1 grants of it are open"));
    site.cloakroom.say(&["order", "set", "1", "refunded"]);
    let said = site.cloakroom.say(&["file", "remove", &id]);
    assert!(said.contains("its master stays"), "{said}");
    assert!(site.nginx.downloads().join("a.zip").exists());
    // By force, with a product and an open grant: the link goes on.
    let id = site.cloakroom.say(&["file", "add", "masters/a.zip"]);
    site.cloakroom.say(&["product", "attach", "book", &id]);
    site.cloakroom.say(&["order", "set", "1", "paid"]);
    let gone = site.cloakroom.json(&["file", "remove", &id, "--anyway"]);
    assert_eq!(gone["products"], json!(["book"]), "{gone}");
    assert_eq!(site.cloakroom.json(&["product", "show", "book"])["files"], json!([]));
    assert_eq!(site.get(&site.target(&url)).status, 303);
}

#[test]
fn who_removes_a_file_of_which_versions_were_bought_is_told_how_many_grants_that_shuts() {
    let site = Site::with("[[policy]]\nname = \"kept\"\nversion = \"purchased\"\n");
    let id = file(&site, "a.zip");
    site.cloakroom.say(&["product", "add", "book", "--file", &id, "--policy", "kept"]);
    site.cloakroom.say(&["product", "add", "news", "--file", &id]);
    let links: Vec<String> =
        [("1", "book"), ("2", "news")].map(|(order, sku)| site.target(&site.cloakroom.say(&["order", "add", order, "--line", sku]))).into();
    let refused = site.cloakroom.command(&["file", "remove", &id]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && text.contains("1 grants of bought versions are shut for good, and 1 others go on with"), "{text}");
    assert_eq!(site.cloakroom.json(&["file", "show", &id])["grants"], json!({"all": 2, "open": 2, "bought_versions": 1}));
    let said = site.cloakroom.say(&["file", "remove", &id, "--anyway"]);
    assert!(said.contains("1 grant of a bought version is shut for good\n1 open grant goes on with"), "{said}");
    assert_eq!([site.get(&links[0]).status, site.get(&links[1]).status], [404, 303]);
}

#[test]
fn a_file_gets_another_name_and_folder_and_keeps_its_id() {
    let site = Site::open();
    let id = file(&site, "a.zip");
    let renamed = site.cloakroom.json(&["file", "rename", &id, "--name", "The book", "--folder", "books/new"]);
    assert_eq!((&renamed["id"], &renamed["name"], &renamed["folder"]), (&json!(id), &json!("The book"), &json!("books/new")));
    for folder in ["/a", "a//b", "../a", "a\nb"] {
        let refused = site.cloakroom.command(&["file", "rename", &id, "--folder", folder]);
        assert!(String::from_utf8(refused.stderr).unwrap().contains("folder: must"), "{folder:?}");
    }
    assert_eq!(site.cloakroom.json(&["file", "show", &id])["folder"], "books/new");
}

#[test]
fn what_lies_elsewhere_is_kept_and_shown_and_an_order_of_it_says_why_it_gets_nothing() {
    let site = Site::open();
    let id = site.cloakroom.say(&["file", "add", SHARE]);
    let shown = site.cloakroom.json(&["file", "show", &id]);
    assert_eq!((&shown["at"], &shown["share"]), (&json!("https://www.dropbox.com/s/abc/a.zip?dl=1"), &json!("Dropbox")));
    assert_eq!((&shown["state"], &shown["name"], &shown["media_type"]), (&json!("remote"), &json!("a.zip"), &json!("application/zip")));
    let said = site.cloakroom.say(&["file", "show", &id]);
    assert!(said.contains("remote, a share link of Dropbox: delivered by a later version"), "{said}");
    let sized = site.cloakroom.say(&["file", "add", "https://cdn.example:8443/b.zip:4711", "--name", "B"]);
    let shown = site.cloakroom.json(&["file", "show", &sized]);
    assert_eq!((&shown["at"], &shown["size"]), (&json!("https://cdn.example:8443/b.zip:4711"), &json!(4711)));
    assert_eq!(states(&site), json!({"remote": 2}));
    site.cloakroom.say(&["product", "add", "far", "--file", &id]);
    let order = report(&site, &json!({"external_id": "1", "state": "paid", "lines": [{"sku": "far"}]}));
    let problem = order["lines"][0]["problems"][0].as_str().unwrap();
    assert!(problem.contains("lies elsewhere") && grants(&order).is_empty(), "{order}");
    let (status, answer) = call(&site, "POST", "/api/v1/files", &json!({"file": "http://h.example/a.zip"}));
    assert!(status == 422 && answer["detail"].as_str().unwrap().contains("file: must begin with https://"), "{answer}");
    // It comes here, and those who wait get it.
    site.master("a.zip", &content(SIZE));
    let replaced = site.cloakroom.json(&["file", "replace", &id, "masters/a.zip"]);
    assert_eq!(replaced["served"], json!({"orders": 1, "grants": 1, "more": false}));
}

#[test]
fn orders_that_wait_for_a_product_are_told_and_served_when_it_is_made() {
    let site = Site::open();
    let id = file(&site, "a.zip");
    for (number, state) in [("1", "paid"), ("2", "paid"), ("3", "pending")] {
        report(&site, &json!({"external_id": number, "state": state, "lines": [{"sku": "new"}, {"sku": "other"}]}));
    }
    let missing = site.cloakroom.json(&["product", "list", "--missing"]);
    assert_eq!(missing, json!([{"sku": "new", "orders": 3}, {"sku": "other", "orders": 3}]));
    let said = site.cloakroom.say(&["product", "add", "new", "--file", &id]);
    assert!(said.ends_with("2 orders waited for it; 2 grants made"), "{said}");
    assert_eq!(site.cloakroom.json(&["product", "list", "--missing"]).as_array().unwrap().len(), 1);
    // The one that was not paid gets it when it is.
    let paid = report(&site, &json!({"external_id": "3", "state": "paid"}));
    assert_eq!(urls(&paid).len(), 1);
    // One without a file serves nobody until it gets one; who was served is not served again.
    let said = site.cloakroom.say(&["product", "add", "other"]);
    assert!(!said.contains("waited"), "{said}");
    let said = site.cloakroom.say(&["product", "attach", "other", &id]);
    assert!(said.ends_with("3 orders waited for it; 3 grants made"), "{said}");
    let said = site.cloakroom.say(&["product", "attach", "other", &file(&site, "b.zip")]);
    assert!(!said.contains("waited") && said.contains("b.zip"), "{said}");
    site.cloakroom.say(&["product", "remove", "other"]);
    let refused = site.cloakroom.command(&["product", "show", "other"]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("there is no such product"));
}

#[test]
fn a_policy_is_told_in_words_and_given_to_grants_that_were_made_before() {
    let site = Site::with("[[policy]]\nname = \"books\"\nmax_downloads = 9\nvalid_for = \"60d\"\n");
    let id = file(&site, "a.zip");
    site.cloakroom.say(&["product", "add", "book", "--file", &id]);
    let grants: Vec<String> = (1..=3)
        .map(|number| {
            let order = report(&site, &json!({"external_id": number.to_string(), "state": "paid", "lines": [{"sku": "book"}]}));
            ids(&order)[0].clone()
        })
        .collect();
    site.cloakroom.say(&["grant", "revoke", &grants[2]]);
    let words = site.cloakroom.say(&["policy", "show", "books"]);
    assert!(words.contains("9 downloads in 60d") && words.contains("no product"), "{words}");
    let listed = site.cloakroom.json(&["policy", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    let apply = |more: &[&str]| site.cloakroom.json(&[&["policy", "apply", "books", "--product", "book"][..], more].concat());
    let counts = |dry_run| json!({"grants": 3, "changed": 2, "revoked": 1, "over": 0, "amended": 0, "dry_run": dry_run});
    assert_eq!(apply(&["--dry-run"]), counts(true));
    let most = |grant: &str| site.cloakroom.json(&["grant", "show", grant])["max_downloads"].clone();
    assert_eq!(most(&grants[0]), 5, "only told");
    assert_eq!(apply(&[]), counts(false));
    assert_eq!((most(&grants[0]), most(&grants[1]), most(&grants[2])), (json!(9), json!(9), json!(5)));
    let history = site.cloakroom.json(&["grant", "show", &grants[0]])["history"].to_string();
    assert!(history.contains("extended") && history.contains("allowed") && history.contains("policy apply"), "{history}");
    assert_eq!(apply(&[])["changed"], 0, "once is enough");
    let refused = site.cloakroom.command(&["policy", "show", "none"]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("there are: default, books"));
}

#[test]
fn what_a_line_says_itself_and_what_somebody_gave_by_hand_counts_before_a_policy_that_is_applied() {
    let site = Site::with("[[policy]]\nname = \"books\"\nmax_downloads = 9\nvalid_for = \"60d\"\n");
    let id = file(&site, "a.zip");
    site.cloakroom.say(&["product", "add", "book", "--file", &id]);
    let buy = |number: &str, terms: Value| {
        let mut line = json!({"sku": "book"});
        line.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
        ids(&report(&site, &json!({"external_id": number, "state": "paid", "lines": [line]})))[0].clone()
    };
    let grants = [
        buy("1", json!({})),
        buy("2", json!({"max_downloads": "2"})),
        buy("3", json!({"max_downloads": "unlimited", "expires": "unlimited"})),
        buy("4", json!({})),
    ];
    site.cloakroom.say(&["grant", "extend", &grants[3], "--max", "+20"]);
    let limits = |place: usize| {
        let shown = site.cloakroom.json(&["grant", "show", &grants[place]]);
        (shown["max_downloads"].clone(), shown["expires"].clone())
    };
    let before: Vec<_> = (0..4).map(limits).collect();
    let apply = |more: &[&str]| site.cloakroom.json(&[&["policy", "apply", "books", "--product", "book"][..], more].concat());
    let counts = |changed: u64, amended: u64, dry_run: bool| json!({"grants": 4, "changed": changed, "revoked": 0, "over": 0, "amended": amended, "dry_run": dry_run});
    assert_eq!(apply(&["--dry-run"]), counts(2, 1, true));
    let said = site.cloakroom.say(&["policy", "apply", "books", "--product", "book", "--dry-run"]);
    assert!(said.contains("2 would be changed, 1 changed by hand before"), "{said}");
    assert_eq!(apply(&[]), counts(2, 1, false));
    assert_eq!((limits(0).0, limits(1).0, limits(3).0), (json!(9), json!(2), json!(25)));
    assert!(limits(0).1 != before[0].1 && limits(1).1 != before[1].1, "their end is the policy's");
    assert_eq!((limits(2), limits(3)), (before[2].clone(), before[3].clone()));
    assert_eq!(apply(&[]), counts(0, 1, false), "what a policy gave is nothing that a person gave");
    assert_eq!(apply(&["--amended", "--dry-run"]), counts(1, 0, true));
    assert_eq!(apply(&["--amended"]), counts(1, 0, false));
    assert_eq!(limits(3).0, 9);
}

#[test]
fn of_a_folder_all_is_added_that_can_be_and_what_cannot_is_told() {
    let site = Site::open();
    for name in ["books/ ", "books/a.pdf", "books/b.pdf"] {
        site.master(name, &content(100));
    }
    let run = site.cloakroom.command(&["file", "add", "--all", "masters/books"]);
    let (said, warned) = (String::from_utf8(run.stdout).unwrap(), String::from_utf8(run.stderr).unwrap());
    assert_eq!(run.status.code(), Some(3), "{said} {warned}");
    assert!(said.contains("a.pdf") && said.contains("b.pdf"), "{said}");
    assert!(warned.contains("masters/books/ : name: must be said") && warned.contains("1 file was not added"), "{warned}");
    let again = site.cloakroom.command(&["file", "add", "--all", "masters/books", "--json"]);
    assert_eq!((again.status.code(), again.stdout.trim_ascii()), (Some(1), &b"[]"[..]));
    assert_eq!(site.cloakroom.json(&["file", "list"]).as_array().map(Vec::len), Some(2));
}

#[test]
fn a_file_has_a_name_and_one_that_lies_elsewhere_is_there_once() {
    let site = Site::open();
    for words in [&["https://h.example/?id=7"][..], &["https://h.example/?id=7", "--name", " "], &["https://h.example/a/", "--name", ""]] {
        let run = site.cloakroom.command(&[&["file", "add"], words].concat());
        let warned = String::from_utf8(run.stderr).unwrap();
        assert!(run.status.code() == Some(2) && warned.contains("name: must be said"), "{words:?}: {warned}");
    }
    let id = site.cloakroom.say(&["file", "add", "https://h.example/?id=7", "--name", "Seven"]);
    let object = site.cloakroom.say(&["file", "add", "aws:bucket/key.zip"]);
    for (twice, known) in [("https://h.example/?id=7", &id), ("HTTPS://H.example:443/?id=7:12345", &id), ("aws:bucket/key.zip:9", &object)]
    {
        let run = site.cloakroom.command(&["file", "add", twice, "--name", "Again"]);
        let warned = String::from_utf8(run.stderr).unwrap();
        assert!(run.status.code() == Some(1) && warned.contains(&format!("in the catalogue already, as {known}")), "{warned}");
    }
    site.cloakroom.say(&["file", "add", "https://h.example/?id=8", "--name", "Eight"]);
    let renamed = site.cloakroom.command(&["file", "rename", &id, "--name", ""]);
    assert_eq!(renamed.status.code(), Some(2));
    assert_eq!(site.cloakroom.json(&["file", "show", &id])["name"], "Seven");
}
