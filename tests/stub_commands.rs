//! What a sysadmin sees of public directories: `stub list`, `stub sweep` and `explain`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use servers::nginx::NginxSetup;
use servers::site::{Site, content};
use servers::until;

fn site(policy: &str) -> Site {
    let site = Site::with_stubs(&NginxSetup::default(), policy, true);
    site.master("set/a.zip", &content(1000));
    site
}

const STUBS: &str = "method = [\"stub\"]";

/// A grant for a customer: its id, and the path of its link.
fn sold(site: &Site, customer: &str) -> (String, String) {
    let made = site.cloakroom.json(&["grant", "add", "--file", "masters/set/a.zip", "--customer", customer, "--max", "3"]);
    (made["grant"]["id"].as_str().unwrap().to_owned(), site.target(made["url"].as_str().unwrap()))
}

#[track_caller]
fn click(site: &Site, link: &str) -> String {
    let answer = site.get(link);
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

/// The part of a stub's address that nobody guesses.
fn name(to: &str) -> &str {
    to.split('/').nth(2).unwrap()
}

fn on_disk(site: &Site, to: &str) -> PathBuf {
    site.nginx.public().join(name(to))
}

/// Explains something, and gives the outcome and all that is said.
#[track_caller]
fn explain(site: &Site, what: &str) -> (String, String) {
    let told = site.cloakroom.json(&["explain", what]);
    (told["outcome"].as_str().unwrap().to_owned(), told.to_string())
}

#[test]
fn the_list_tells_what_lies_there_for_whom_why_and_until_when() {
    let site = site(STUBS);
    assert!(site.cloakroom.say(&["stub", "list"]).starts_with("nothing of ours lies in public"));
    let (grant, link) = sold(&site, "anna@b.example");
    let to = click(&site, &link);
    fs::write(site.nginx.public().join("notes.txt"), "not ours").unwrap();
    let page = site.cloakroom.json(&["stub", "list"]);
    let stub = &page["placed"][0];
    for (key, value) in [
        ("name", name(&to)),
        ("what", "stub"),
        ("directory", "pub"),
        ("file", "masters/set/a.zip"),
        ("customer", "anna@b.example"),
        ("grant_id", &grant),
        ("delivery_state", "open"),
        ("state", "open"),
    ] {
        assert_eq!(stub[key], value, "{key}: {stub}");
    }
    assert_eq!(stub["there"], true);
    assert!(stub["url"].as_str().unwrap().ends_with(&to), "{stub}");
    assert!(PathBuf::from(stub["path"].as_str().unwrap()).is_symlink(), "{stub}");
    assert!(stub["until"].is_string() && stub["not_removed"].is_null());
    assert_eq!(page["directories"][0]["foreign"][0]["name"], "notes.txt");
    assert_eq!(page["directories"][0]["foreign_total"], 1);
    let said = site.cloakroom.say(&["stub", "list"]);
    for words in [name(&to), "open", "in 23 h", "anna@b.example", &grant, "1 name that is not ours; it is never removed", "notes.txt, file"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(site.get(&to).status, 200);
    until("the download is over", || (site.cloakroom.json(&["stub", "list"])["placed"][0]["state"] == "grace").then_some(()));
    // Others take it away.
    fs::remove_dir_all(on_disk(&site, &to)).unwrap();
    let said = site.cloakroom.say(&["stub", "list"]);
    assert!(said.contains("taken away by others"), "{said}");
}

#[test]
fn a_long_list_comes_in_pages_and_may_be_of_one_directory() {
    let site = site(STUBS);
    let names: Vec<String> = (0..7).map(|number| name(&click(&site, &sold(&site, &format!("c{number}")).1)).to_owned()).collect();
    let (mut seen, mut after, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let mut words = vec!["stub", "list", "--limit", "3", "--directory", "pub"];
        words.extend(after.as_deref().map(|after| ["--after", after]).into_iter().flatten());
        let page = site.cloakroom.json(&words);
        seen.extend(page["placed"].as_array().unwrap().iter().map(|stub| stub["name"].as_str().unwrap().to_owned()));
        pages += 1;
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (7, 3));
    assert!(names.iter().all(|name| seen.contains(name)), "{names:?} {seen:?}");
    let said = site.cloakroom.say(&["stub", "list", "--limit", "3"]);
    let (_, next) = said.split_once("cloakroom stub list --limit 3 --after ").unwrap_or_else(|| panic!("{said}"));
    assert!(site.cloakroom.say(&["stub", "list", "--limit", "3", "--after", next]).contains("open"));
    for (words, code, says) in [
        (&["stub", "list", "--directory", "none"][..], 2, "(there are: pub)"),
        (&["stub", "list", "--after", "x"], 2, "`next`"),
        (&["stub", "list", "--limit", "0"], 2, "1..=1000"),
    ] {
        let output = site.cloakroom.command(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains(says), "{words:?}");
    }
}

#[test]
fn a_sweep_tells_what_it_would_take_away_and_takes_it_away_but_nothing_foreign() {
    let site = site(STUBS);
    let (_, link) = sold(&site, "anna");
    let stays = click(&site, &link);
    let foreign = site.nginx.public().join("foreign");
    fs::create_dir(&foreign).unwrap();
    let said = site.cloakroom.say(&["stub", "sweep", "--dry-run"]);
    assert!(
        said.starts_with("nothing would be taken away") && said.contains("1 name stays") && said.contains("foreign, directory"),
        "{said}"
    );

    // What cannot be removed: something foreign lies where it has to be taken apart.
    let (grant, link) = sold(&site, "ben");
    let goes = click(&site, &link);
    let way = site.nginx.public().join(".cloakroom").join(format!("gone-{}", name(&goes)));
    let inside = on_disk(&site, &goes).join("theirs.txt");
    fs::create_dir(&way).unwrap();
    fs::write(way.join("x"), "x").unwrap();
    site.cloakroom.say(&["grant", "revoke", &grant]);
    site.cloakroom.logged(&["not_removed", name(&goes)]);
    let page = site.cloakroom.json(&["stub", "list"]);
    let one = page["placed"].as_array().unwrap().iter().find(|stub| stub["name"] == name(&goes)).cloned().unwrap();
    assert_eq!(one["state"], "going", "{one}");
    assert!(one["not_removed"].as_str().is_some_and(|why| why.contains("put back")), "{one}");
    let said = site.cloakroom.say(&["stub", "list"]);
    assert!(said.contains("not removed, and tried again:") && said.contains("put back"), "{said}");
    let said = site.cloakroom.say(&["stub", "sweep", "--dry-run"]);
    assert!(said.starts_with("1 name would be taken away:") && said.contains("could not be removed at"), "{said}");
    assert!(on_disk(&site, &goes).is_dir(), "nothing was done");
    let output = site.cloakroom.command(&["stub", "sweep"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let (outcome, told) = explain(&site, &goes);
    assert!(outcome == "going" && told.contains("stub sweep") && told.contains("put back"), "{told}");

    // What stood in the way is mended.
    fs::remove_dir_all(&way).unwrap();
    let said = site.cloakroom.say(&["stub", "sweep"]);
    assert!(said.starts_with("1 name taken away:") && said.contains("1 name stays"), "{said}");
    assert!(!on_disk(&site, &goes).exists() && !inside.exists());
    assert!(on_disk(&site, &stays).is_dir() && foreign.is_dir());
    assert_eq!(site.get(&goes).status, 404);
    assert_eq!(site.get(&stays).status, 200);
    let swept = site.cloakroom.json(&["stub", "sweep"]);
    assert_eq!((swept["swept_total"].as_u64(), swept["staying"].as_u64()), (Some(0), Some(1)), "{swept}");
}

#[test]
fn a_path_is_explained_however_it_is_named_and_whatever_lies_there() {
    let site = site(STUBS);
    let (grant, link) = sold(&site, "anna@b.example");
    let (outcome, told) = explain(&site, &link);
    assert_eq!(outcome, "allowed");
    for words in ["method `stub`", "a stub would be placed in `pub`", "303 to the stub", "as the log of the public path tells"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let to = click(&site, &link);
    let whole = format!("http://127.0.0.1:{}{to}", site.nginx.port);
    let disk = on_disk(&site, &to);
    let file = disk.join("a.zip");
    let mut seen = 0;
    for what in [to.as_str(), &whole, name(&to), disk.to_str().unwrap(), file.to_str().unwrap()] {
        let (outcome, told) = explain(&site, what);
        assert_eq!(outcome, "there", "{what}: {told}");
        for words in ["masters/set/a.zip", "anna@b.example", &grant, "it stays until", "grant revoke"] {
            assert!(told.contains(words), "{what}: {words}: {told}");
        }
        seen += 1;
    }
    assert_eq!(seen, 5);
    let delivery = site.cloakroom.json(&["delivery", "list"])[0]["id"].as_str().unwrap().to_owned();
    let (_, told) = explain(&site, &delivery);
    assert!(told.contains("sent on to the stub"), "{told}");

    fs::remove_dir_all(&disk).unwrap();
    assert_eq!(explain(&site, &to).0, "taken_away");
    let second = click(&site, &link);
    let (outcome, told) = explain(&site, &to);
    assert!(outcome == "gone" && told.contains("others took it away"), "{told}");
    site.cloakroom.say(&["grant", "revoke", &grant]);
    until("the stub is gone", || (site.get(&second).status == 404).then_some(()));
    let (outcome, told) = until_gone(&site, &second);
    assert!(outcome == "gone" && told.contains("revoked its grant at"), "{told}");

    let root = site.nginx.public();
    fs::write(root.join("notes.txt"), "not ours").unwrap();
    fs::create_dir(root.join("0".repeat(26))).unwrap();
    for (what, outcome, words) in [
        ("/pub/notes.txt".to_owned(), "not_ours", "did not put it there: a file"),
        (format!("{}/notes.txt", root.display()), "not_ours", "never removes it"),
        (format!("/pub/{}/a.zip", "0".repeat(26)), "not_ours", "not in the store"),
        ("/pub/nothing".to_owned(), "unknown", "nothing of this name"),
        ("1".repeat(26), "unknown", "as far as its store goes back"),
        (format!("/pub/a-{}.zip", "1".repeat(26)), "unknown", "nothing of this name"),
        ("/pub/".to_owned(), "ours", "stub list --directory pub"),
        ("/pub/.cloakroom/x".to_owned(), "ours", "nobody else may enter"),
        (root.display().to_string(), "ours", "public directory `pub`"),
        ("/pub/../etc/passwd".to_owned(), "bad_request", ""),
    ] {
        let (found, told) = explain(&site, &what);
        assert_eq!(found, outcome, "{what}: {told}");
        assert!(told.contains(words), "{what}: {told}");
    }
}

/// The row says that it is gone a moment after the file is.
fn until_gone(site: &Site, to: &str) -> (String, String) {
    until("the row says it", || Some(explain(site, to)).filter(|(outcome, _)| outcome == "gone"))
}

#[test]
fn only_the_daemon_knows_what_lies_in_public() {
    let mut site = site(STUBS);
    let to = click(&site, &sold(&site, "anna").1);
    site.cloakroom.stop();
    let output = site.cloakroom.command(&["explain", &to]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("only the daemon remembers this"));
    site.cloakroom.start();
}

#[test]
fn beside_a_running_daemon_the_configuration_is_still_right() {
    let site = site(STUBS);
    let output = site.cloakroom.command(&["check", "--nginx-conf", "/dev/null"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("the configuration is right"), "{said} {:?}", String::from_utf8(output.stderr));
}

#[test]
fn a_click_that_falls_back_is_told() {
    let site = site("method = [\"stub\", \"handoff\"]");
    let (_, link) = sold(&site, "anna");
    let root = site.nginx.public();
    let aside = root.with_extension("aside");
    fs::rename(&root, &aside).unwrap();
    let (_, told) = explain(&site, &link);
    assert!(told.contains("a stub cannot be placed in `pub`") && told.contains("the next method of the policy"), "{told}");
    let page: Value = site.cloakroom.json(&["stub", "list"]);
    assert!(page["directories"][0]["fault"].is_string(), "{page}");
    assert!(site.cloakroom.say(&["stub", "list"]).contains("cannot be opened any more"));
    fs::rename(&aside, &root).unwrap();
}

#[test]
fn what_is_not_led_away_is_sent_by_the_next_method() {
    let site = site("method = [\"stub\", \"handoff\"]");
    let (_, link) = sold(&site, "anna");
    // A signed URL is not counted, so that nothing would take its stub away.
    let signed = site.sign("masters/set/a.zip", &["--for", "1h"]);
    assert_eq!(site.get(&signed).body, content(1000));
    fs::remove_dir_all(site.nginx.public()).unwrap();
    let to = click(&site, &link);
    assert!(to.starts_with("/dl/d/"), "{to}");
    assert_eq!(site.get(&to).body, content(1000));
    until("it is completed", || (site.cloakroom.json(&["delivery", "list"])[0]["state"] == "completed").then_some(()));
}

#[test]
fn copies_are_listed_and_explained_like_stubs() {
    let site = Site::with_copies("", true);
    site.master("set/a.zip", &content(1000));
    let (grant, _) = sold(&site, "anna@b.example");
    let page = until("the copy is there", || {
        let page = site.cloakroom.json(&["stub", "list"]);
        (page["placed"][0]["state"] == "sold").then_some(page)
    });
    let copy = &page["placed"][0];
    assert_eq!(
        (copy["what"].as_str(), copy["grant_id"].as_str(), copy["there"].as_bool()),
        (Some("copy"), Some(grant.as_str()), Some(true)),
        "{copy}"
    );
    let path = PathBuf::from(copy["path"].as_str().unwrap());
    assert_eq!(fs::read(&path).unwrap(), content(1000));
    let (leaf, url) = (path.file_name().unwrap().to_str().unwrap(), copy["url"].as_str().unwrap());
    let mut seen = 0;
    for what in [path.to_str().unwrap(), leaf, url, &format!("/goods/{leaf}"), copy["name"].as_str().unwrap()] {
        let (outcome, told) = explain(&site, what);
        assert_eq!(outcome, "there", "{what}: {told}");
        for words in ["it is a copy of masters/set/a.zip", "anna@b.example", "when its grant ends", "grant revoke"] {
            assert!(told.contains(words), "{what}: {words}: {told}");
        }
        seen += 1;
    }
    assert_eq!(seen, 5);
    let said = site.cloakroom.say(&["stub", "sweep", "--dry-run"]);
    assert!(said.starts_with("nothing would be taken away") && said.contains("1 name stays"), "{said}");
    site.cloakroom.say(&["grant", "revoke", &grant]);
    until("the copy is gone", || (!path.exists()).then_some(()));
    let (_, told) = until("the row says it", || Some(explain(&site, leaf)).filter(|(outcome, _)| outcome == "gone"));
    assert!(told.contains("revoked its grant at"), "{told}");
}

#[test]
fn whatever_shows_a_number_says_what_is_known_of_it_and_by_whom() {
    let mut seen = 0;
    for (is_measured, state, feed, list, shown, evidence) in [
        (
            true,
            "completed",
            "access-log",
            "by the web server's log of the public path",
            "access log of the public path",
            "log of the public path.",
        ),
        (
            false,
            "started",
            "redirect",
            "used at the redirect",
            "nobody: it counted when its client was led",
            "Nobody reports what arrived.",
        ),
    ] {
        let site = Site::with_stubs(&NginxSetup::default(), STUBS, is_measured);
        site.master("set/a.zip", &content(1000));
        let (grant, link) = sold(&site, "anna");
        assert_eq!(site.get(&click(&site, &link)).status, 200);
        until("the download is counted", || (site.cloakroom.json(&["delivery", "list"])[0]["state"] == state).then_some(()));
        let delivery = site.cloakroom.json(&["delivery", "show"]);
        assert_eq!(
            (delivery["feed"].as_str(), delivery["away"].as_bool(), delivery["measured"].as_bool()),
            (Some(feed), Some(true), Some(is_measured))
        );
        let told = site.cloakroom.say(&["delivery", "show"]);
        assert!(told.contains(shown) && told.contains("no budget holds"), "{told}");
        for words in [&["delivery", "list"][..], &["grant", "show", &grant]] {
            let told = site.cloakroom.say(words);
            assert!(told.contains(&format!("{state} (public)")) && told.contains(list), "{told}");
        }
        let told = site.cloakroom.say(&["grant", "evidence", &grant]);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(evidence) && told.contains("byte budget, connections, rate and networks were not held there"), "{told}");
        let stats = site.cloakroom.json(&["stats"]);
        assert_eq!((stats["led_away"][0].as_str(), stats["total"]["started"].as_u64()), (Some("stub"), Some(1)), "{stats}");
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn what_is_gone_is_explained_by_whom_it_was_for_and_why_it_ended() {
    // A stub whose download is over.
    let site = site("method = [\"stub\"]\nresume_grace = \"1s\"");
    let (grant, link) = sold(&site, "anna@b.example");
    let to = click(&site, &link);
    assert_eq!(site.get(&to).status, 200);
    let (_, told) = until_gone(&site, &to);
    for words in ["anna@b.example", &grant, "its time was over at", "its download was complete", "the next click", "masters/set/a.zip"] {
        assert!(told.contains(words), "{words}: {told}");
    }

    // Copies: by time, by number, by people.
    let site = Site::with_copies("resume_grace = \"1s\"", true);
    site.master("set/a.zip", &content(1000));
    let sell = |customer: &str, more: &[&str]| {
        let add = [&["grant", "add", "--file", "masters/set/a.zip", "--customer", customer], more].concat();
        let made = site.cloakroom.json(&add);
        let (id, url) = (made["grant"]["id"].as_str().unwrap().to_owned(), made["copy"]["url"].as_str().unwrap().to_owned());
        until("the copy is there", || {
            let copies = site.cloakroom.json(&["grant", "show", &id])["copies"].clone();
            (copies[0]["state"] != "preparing").then_some(())
        });
        (id, url, made)
    };
    let (by_time, url, _) = sell("ben", &["--for", "2s"]);
    let (_, told) = until_gone(&site, &url);
    for words in ["ben", &by_time, "its grant ended at", "grant extend", "then another one is made", "it is a copy of masters/set/a.zip"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let (by_number, url, made) = sell("carl", &["--max", "1"]);
    let (user, password) = (made["copy"]["user"].as_str().unwrap(), made["copy"]["password"].as_str().unwrap());
    let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    assert_eq!(site.ask("GET", &site.target(&url), &[("authorization", &login)]).status, 200);
    let (_, told) = until_gone(&site, &url);
    for words in ["carl", &by_number, "were used up", "--max +1"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let (by_people, url, _) = sell("dora", &[]);
    site.cloakroom.say(&["grant", "suspend", &by_people]);
    let (_, told) = until_gone(&site, &url);
    for words in ["dora", "suspended its grant at", "grant resume"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    site.cloakroom.say(&["grant", "resume", &by_people]);
    let (_, told) = until("there is another one", || Some(explain(&site, &url)).filter(|(_, told)| told.contains("another one is there")));
    assert!(told.contains("suspended its grant at"), "{told}");

    // Where it was, lies something else.
    let path = site.nginx.goods().join(url.rsplit('/').next().unwrap());
    fs::write(&path, "foreign").unwrap();
    // The daemon may have it aside for a moment, to see whose it is.
    let (_, told) = until("it is told to be foreign", || Some(explain(&site, &url)).filter(|(outcome, _)| outcome == "not_ours"));
    assert!(told.contains("did not put it there") && told.contains("dora"), "{told}");
}

#[test]
fn whoever_makes_a_grant_is_told_when_its_copy_is_not_there_yet_and_what_to_do() {
    let site = Site::with_copies("", true);
    site.master("set/a.zip", &content(1000));
    let add = ["grant", "add", "--file", "masters/set/a.zip"];
    let output = site.cloakroom.command(&add);
    let (said, warned) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 4, "{said}");
    for (line, begins) in lines.iter().zip(["http", "copy ", "user ", "password "]) {
        assert!(line.starts_with(begins), "{begins}: {said}");
    }
    assert_eq!(warned, "", "a small one is waited for");
    let url = lines[1].split_whitespace().last().unwrap();
    assert!(site.nginx.goods().join(url.rsplit('/').next().unwrap()).is_file(), "{said}");

    // There is no place for it.
    let away = site.nginx.goods().with_extension("away");
    fs::rename(site.nginx.goods(), &away).unwrap();
    // Until it is looked at, the one that was moved is still open.
    site.cloakroom.logged(&["directory_lost"]);
    let output = site.cloakroom.command(&add);
    let (said, warned) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success() && said.lines().count() == 4, "{said}");
    for words in ["could not be made, and is tried again", "cloakroom check", "cloakroom grant show g-"] {
        assert!(warned.replace('\n', " ").contains(words), "{words}: {warned}");
    }
    // Everything says so, and what to do.
    let row = site.cloakroom.json(&["stub", "list"])["placed"].as_array().unwrap().iter().find(|row| row["state"] == "preparing").cloned();
    let row = row.unwrap();
    let (grant, why) = (row["grant_id"].as_str().unwrap(), row["not_made"].as_str().unwrap());
    assert!(why.contains("cannot be opened any more") && row["not_made_since"].is_string(), "{row}");
    let list = site.cloakroom.say(&["stub", "list"]).replace('\n', " ");
    assert!(list.contains("not made") && list.contains("1 copy: ") && list.contains("tells what mends it"), "{list}");
    let link = site.target(said.lines().next().unwrap());
    let answer = site.get(&link);
    assert_eq!((answer.status, answer.header("cloakroom-refusal")), (503, Some("preparing")));
    for what in [grant, row["name"].as_str().unwrap(), &link] {
        let (outcome, told) = explain(&site, what);
        assert!(outcome == "preparing" && told.contains("could not be made") && told.contains("cloakroom "), "{what}: {told}");
        assert!(what == link || told.contains("see that") && told.contains("by itself"), "{what}: {told}");
    }
    let check = site.cloakroom.command(&["check", "--nginx-conf", "/dev/null"]);
    let check = String::from_utf8(check.stdout).unwrap();
    assert!(check.contains("public-waiting") && check.contains("1 copy cannot be made"), "{check}");
    fs::rename(&away, site.nginx.goods()).unwrap();
    until("it is made when there is a place for it", || (explain(&site, grant).0 == "allowed").then_some(()));
    assert!(explain(&site, grant).1.contains("it is fetched as a copy"));
}

#[test]
fn who_clicks_where_no_stub_can_be_placed_is_told_that_and_not_to_wait_for_it() {
    let site = site(STUBS);
    let (_, link) = sold(&site, "anna");
    let away = site.nginx.public().with_extension("away");
    fs::rename(site.nginx.public(), &away).unwrap();
    let answer = site.get(&link);
    assert_eq!((answer.status, answer.header("cloakroom-refusal")), (503, Some("cannot_prepare")));
    assert!(answer.header("retry-after").is_some());
    let text = answer.text();
    let code = format!("R-{}", &text.split_once("R-").unwrap().1[..9]);
    let (outcome, told) = explain(&site, &code);
    assert!(outcome == "cannot_prepare" && told.contains("cloakroom check"), "{told}");
    fs::rename(&away, site.nginx.public()).unwrap();
    until("it is placed again", || (site.get(&link).status == 303).then_some(()));
}
