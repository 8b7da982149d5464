//! The command as people use it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::files::{TABLES, golden};
use crate::servers::site::{Site, content};

/// The masters that the golden shop names and that are there.
pub(crate) const MASTERS: [&str; 4] = ["book.pdf", "song.mp3", "sub dir/my book; 1.pdf", "it's \"quoted\".pdf"];

/// Bytes of each.
pub(crate) const SIZE: usize = 9000;

pub(crate) fn stock(site: &Site) {
    for master in MASTERS {
        site.master(master, &content(SIZE));
    }
}

fn import<'a>(files: &'a [&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [&["import", "zencart", "--storage", "masters", "--zone", "Europe/Berlin"], files, more].concat()
}

fn fates(view: &Value, of: &str) -> Vec<String> {
    view[of].as_array().unwrap().iter().map(|fate| format!("{} {}", fate["id"].as_str().unwrap(), fate["fate"].as_str().unwrap())).collect()
}

#[test]
fn an_import_is_rehearsed_then_done_and_the_same_once_more_changes_nothing() {
    let mut site = Site::open();
    stock(&site);
    let dump = golden("phpmyadmin.sql");
    let files = [dump.to_str().unwrap()];
    let shown = site.cloakroom.say(&import(&files, &["--dry-run"]));
    let row = shown.lines().find(|line| line.contains("sub dir/my book; 1.pdf")).unwrap();
    assert_eq!(row.split_whitespace().next(), Some("1001"), "{shown}");
    assert!(row.ends_with("2026-03-27T22:59:59Z  new") && shown.lines().count() == 23, "{shown}");
    assert_eq!(site.cloakroom.json(&["order", "list"]).as_array().unwrap().len(), 0, "a rehearsal makes nothing");
    assert_eq!(site.cloakroom.json(&["file", "list"]).as_array().unwrap().len(), 0);

    let first = site.cloakroom.json(&import(&files, &[]));
    let orders = ["1001 new", "1002 new", "1003 new", "1004 new", "1005 new", "1006 new", "1007 new"];
    assert_eq!(fates(&first, "orders"), orders);
    assert_eq!(fates(&first, "products"), ["12 new", "13 new"]);
    assert_eq!(first["missing"].as_array().unwrap().len(), 1, "{first}");
    assert_eq!(first["left_out"].as_array().unwrap().len(), 10, "{first}");
    let before = site.cloakroom.json(&["grant", "list"]);
    let again = site.cloakroom.json(&import(&files, &[]));
    assert_eq!(fates(&again, "orders"), orders.map(|fate| fate.replace("new", "same")));
    assert_eq!(fates(&again, "products"), ["12 same", "13 same"]);
    assert_eq!((site.cloakroom.json(&["grant", "list"]), &again["files_new"]), (before, &Value::from(0)));

    site.cloakroom.kill();
    site.cloakroom.start();
    let order = site.cloakroom.json(&["order", "show", "1003"]);
    assert_eq!(
        (&order["customer"]["name"], &order["placed"]),
        (&Value::from("O'Brien \"Bob\" \\ Söhne line two"), &Value::from("2026-03-20T09:00:00Z"))
    );
    let line = &site.cloakroom.json(&["order", "show", "1001"])["lines"][0];
    assert_eq!(
        (&line["line"], &line["sku"], &line["max_downloads"], &line["expires"]),
        (&"1".into(), &"12".into(), &"5".into(), &"2026-03-27T22:59:59Z".into())
    );
    assert_eq!(line["options"]["attribute-45"], "yes");
    let product = site.cloakroom.json(&["product", "show", "12"]);
    assert_eq!((&product["name"], product["files"].as_array().unwrap().len()), (&"The book, \"large\"".into(), 3), "{product}");
}

#[test]
fn a_master_that_comes_after_the_import_is_the_version_that_was_taken_over_and_no_news() {
    let site = Site::open();
    stock(&site);
    fs::remove_file(site.nginx.downloads().join("book.pdf")).unwrap();
    let dump = golden("phpmyadmin.sql");
    site.cloakroom.say(&import(&[dump.to_str().unwrap()], &[]));
    let book = || {
        let files = site.cloakroom.json(&["file", "list"]);
        files.as_array().unwrap().iter().find(|file| file["at"] == "masters/book.pdf").unwrap().clone()
    };
    let before = book();
    assert_eq!((&before["state"], &before["size"]), (&"missing".into(), &Value::Null), "{before}");
    site.master("book.pdf", &content(SIZE));
    let states = site.cloakroom.json(&["file", "scan"])["states"].clone();
    assert_eq!((&states["hashing"], &states["changed"]), (&0.into(), &0.into()), "{states}");
    let after = book();
    assert_eq!((&after["version"], &after["size"], &after["state"]), (&before["version"], &SIZE.into(), &"ok".into()), "{after}");
    let shown = site.cloakroom.json(&["file", "show", after["id"].as_str().unwrap()]);
    assert_eq!(shown["versions"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(site.cloakroom.said(&["version_released"]), 0);
}

#[test]
fn a_version_that_waits_for_its_master_takes_the_place_where_that_is_found() {
    let mut seen = 0;
    for verb in ["replace", "move"] {
        let site = Site::open();
        stock(&site);
        fs::remove_file(site.nginx.downloads().join("book.pdf")).unwrap();
        let dump = golden("phpmyadmin.sql");
        site.cloakroom.say(&import(&[dump.to_str().unwrap()], &[]));
        let files = site.cloakroom.json(&["file", "list"]);
        let before = files.as_array().unwrap().iter().find(|file| file["at"] == "masters/book.pdf").unwrap();
        let id = before["id"].as_str().unwrap();
        let sold = site.cloakroom.json(&["file", "show", id])["grants"]["all"].clone();
        assert!(sold.as_u64() > Some(0), "{sold}");
        site.master("found/the book.pdf", &content(SIZE));
        let done = site.cloakroom.json(&["file", verb, id, "masters/found/the book.pdf"]);
        assert_eq!((&done["grants_led"], &done["file"]["version"]), (&sold, &before["version"]), "{verb}: {done}");
        site.cloakroom.json(&["file", "scan"]);
        let shown = site.cloakroom.json(&["file", "show", id]);
        assert_eq!((&shown["state"], &shown["version"], &shown["size"]), (&"ok".into(), &before["version"], &SIZE.into()), "{shown}");
        assert_eq!((shown["versions"].as_array().unwrap().len(), &shown["missing_since"]), (1, &Value::Null), "{shown}");
        let old = site.cloakroom.json(&["grant", "list", "--file", "masters/book.pdf"]);
        assert_eq!((old.as_array().unwrap().len(), site.cloakroom.said(&["version_released"])), (0, 0), "{old}");
        // It came: what lies elsewhere from now on is another.
        site.master("second.pdf", &content(7));
        site.cloakroom.say(&["file", "replace", id, "masters/second.pdf"]);
        assert_eq!(site.cloakroom.json(&["file", "show", id])["versions"].as_array().unwrap().len(), 2);
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn a_file_that_lies_elsewhere_since_the_first_import_is_the_same_file_in_the_second() {
    let mut site = Site::open();
    stock(&site);
    let dump = golden("phpmyadmin.sql");
    let again = |site: &Site, dry: &[&str]| site.cloakroom.json(&import(&[dump.to_str().unwrap()], dry));
    let first = again(&site, &[]);
    let files = site.cloakroom.json(&["file", "list"]);
    let id = |at: &str| files.as_array().unwrap().iter().find(|file| file["at"] == at).unwrap()["id"].as_str().unwrap().to_owned();
    let (book, song) = (id("masters/book.pdf"), id("masters/song.mp3"));
    let folder = site.nginx.downloads();
    fs::create_dir(folder.join("old")).unwrap();
    fs::rename(folder.join("book.pdf"), folder.join("old/book.pdf")).unwrap();
    site.cloakroom.say(&["file", "move", &book, "masters/old/book.pdf"]);
    site.master("song-2.mp3", &content(77));
    site.cloakroom.say(&["file", "replace", &song, "masters/song-2.mp3"]);
    fs::remove_file(folder.join("song.mp3")).unwrap();
    site.cloakroom.kill();
    site.cloakroom.start();
    for dry in [&["--dry-run"][..], &[]] {
        let second = again(&site, dry);
        assert_eq!((&second["files_new"], &second["missing"]), (&0.into(), &first["missing"]), "{second}");
        for of in ["products", "orders"] {
            assert!(fates(&second, of).iter().all(|fate| fate.ends_with(" same")), "{second}");
        }
    }
    assert_eq!(site.cloakroom.json(&["file", "list"]).as_array().unwrap().len(), files.as_array().unwrap().len());
}

#[test]
fn what_changed_in_zen_cart_since_is_told_and_nothing_is_merged() {
    let site = Site::open();
    stock(&site);
    let dump = fs::read_to_string(golden("phpmyadmin.sql")).unwrap();
    let changed = dump
        .replace("'12:0cc175b9c0f1b6a831c399e269772661', 45)", "'12', 45)")
        .replace("(1, 1001, 101, 'book.pdf', 7, 5,", "(1, 1001, 101, 'book.pdf', 7, 3,")
        .replace(
            "(13, 1007, 107, 'song.mp3', 1, 5, 13, 46)",
            "(13, 1007, 107, 'song.mp3', 1, 5, 13, 46),\n(99, 1007, 107, 'song.mp3', 0, 0, 13, 46)",
        );
    assert!(changed.contains("7, 3,") && changed.contains("(99, 1007"));
    let changed = changed.replace("'ben@shop.example'", "'ben@new.example'");
    let folder = site.cloakroom.state();
    let (before, after) = (folder.join("before.sql"), folder.join("after.sql"));
    fs::write(&before, dump).unwrap();
    fs::write(&after, changed).unwrap();
    site.cloakroom.say(&import(&[before.to_str().unwrap()], &[]));
    let run = site.cloakroom.command(&import(&[after.to_str().unwrap()], &[]));
    let told = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(3), "{told}");
    assert!(told.contains("7 orders: 1 with new lines, 4 as before, 2 other than here"), "{told}");
    assert!(told.contains("order 1001: line 1, downloads: 5 here, 3 there"), "{told}");
    assert!(told.contains("order 1002: customer: ben@shop.example here, ben@new.example there"), "{told}");
    assert_eq!(site.cloakroom.json(&["order", "show", "1001"])["lines"][0]["max_downloads"], "5");
    let grown = site.cloakroom.json(&["order", "show", "1007"]);
    assert_eq!(grown["lines"].as_array().unwrap().len(), 3, "{grown}");
    assert_eq!(site.cloakroom.json(&["order", "list", "--customer", "ben@new.example"]).as_array().unwrap().len(), 0);
}

#[test]
fn all_faults_are_told_by_file_line_and_column_and_nothing_is_imported() {
    let site = Site::open();
    stock(&site);
    let folder = site.cloakroom.state();
    let path = |name: &str, text: &str| {
        fs::write(folder.join(name), text).unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    };
    let orders = fs::read_to_string(golden("orders.csv")).unwrap();
    let tables: Vec<String> = TABLES[1..].iter().map(|table| golden(&format!("{table}.csv")).to_str().unwrap().to_owned()).collect();
    let bad_status =
        path("status.csv", &orders.replace("\"2\",\"\",\"\"", "\"paid\",\"\",\"\"").replacen("\"1002\",\"8\"", "\"x\",\"8\"", 1));
    let cut = path("cut.csv", orders.split_inclusive("Eve, no").next().unwrap());
    for (first, more, code, words) in [
        (bad_status.as_str(), vec![], 1, vec!["status.csv:3:1: orders.orders_id: `x` must be a number", "1 fault: nothing was imported"]),
        (&cut, vec![], 1, vec!["cut.csv:", "a field in quotes begins here and has no end"]),
        ("/not/there.csv", vec![], 1, vec!["/not/there.csv: No such file"]),
        (&tables[0], vec![], 2, vec!["the table `orders` is missing"]),
        (&bad_status, vec!["--zone", "Berlin"], 2, vec!["--zone: `Berlin` must be a time zone of this system"]),
        (&bad_status, vec!["--storage", "other"], 2, vec!["`other` is none of them", "there are: masters"]),
        (&bad_status, vec!["--statuses", "4-2"], 2, vec!["must be the first and the last status"]),
    ] {
        let mut files = vec![first];
        files.extend(tables.iter().map(String::as_str));
        let run =
            site.cloakroom.command(&[&["import", "zencart", "--storage", "masters", "--zone", "UTC"], &files[..], &more[..]].concat());
        let told = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(code), "{told}");
        for words in words {
            assert!(told.contains(words), "{words}: {told}");
        }
    }
    assert_eq!(site.cloakroom.json(&["order", "list"]).as_array().unwrap().len(), 0);
    assert!(Path::new(&cut).exists());
}

#[test]
fn an_order_that_cannot_be_kept_is_refused_before_anything_is_made() {
    let site = Site::open();
    stock(&site);
    let dump = fs::read_to_string(golden("phpmyadmin.sql")).unwrap();
    let rows: Vec<String> = (1000..1201).map(|id| format!("({id}, 1003, 103, 'book.pdf', 7, 5, 12, 45)")).collect();
    let dump = format!(
        "{dump}INSERT INTO `zen_orders_products_download` (`orders_products_download_id`, `orders_id`, `orders_products_id`, \
         `orders_products_filename`, `download_maxdays`, `download_count`, `products_prid`, `products_attributes_id`) VALUES\n{};\n",
        rows.join(",\n")
    );
    let path = site.cloakroom.state().join("large.sql");
    fs::write(&path, dump).unwrap();
    let run = site.cloakroom.command(&import(&[path.to_str().unwrap()], &[]));
    let told = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(1), "{told}");
    assert!(
        told.contains("order 1003: lines: there must be at most 200 of them") && told.contains("1 refusal: nothing was imported"),
        "{told}"
    );
    assert_eq!(site.cloakroom.json(&["order", "list"]).as_array().unwrap().len(), 0);
}
