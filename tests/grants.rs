//! Grants through the real binary and its socket: made, changed, shown; and what a change does to a customer behind the
//! real nginx.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use servers::http::Download;
use servers::program::Program;
use servers::site::{Site, content};
use servers::until;

const MIB: usize = 1024 * 1024;

/// A download of some MiB takes seconds, whatever the client's buffers hold.
const SLOW: &str = "[[policy]]\nname = \"default\"\nrate = \"1MB/s\"\n";

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// A site with `masters/a.zip` of `length` bytes.
fn open(length: usize, more: &str) -> (Site, Vec<u8>) {
    let (site, goods) = (Site::with(more), content(length));
    site.master("a.zip", &goods);
    (site, goods)
}

/// Makes a grant: its id, its link's id and the link's target.
#[track_caller]
fn add(site: &Site, more: &[&str]) -> (String, String, String) {
    let made = site.cloakroom.json(&[&["grant", "add", "--file", "masters/a.zip"], more].concat());
    (text(&made["grant"]["id"]).to_owned(), text(&made["link"]).to_owned(), site.target(text(&made["url"])))
}

/// Clicks on a link that must be answered: the target of the delivery.
#[track_caller]
fn click(site: &Site, link: &str) -> String {
    let answer = site.get(link);
    assert_eq!(answer.status, 303, "{answer:?}");
    site.remember(answer.header("location").unwrap())
}

/// Asks, and gives status and refusal.
#[track_caller]
fn refused(site: &Site, target: &str) -> (u16, String) {
    let answer = site.get(target);
    (answer.status, answer.header("Cloakroom-Refusal").unwrap_or_default().to_owned())
}

/// Runs a command that must fail with this code and these words, and print nothing.
#[track_caller]
fn fails(site: &Site, arguments: &[&str], code: i32, words: &[&str]) {
    let output = site.cloakroom.command(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), &b""[..]), "{arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?}: {word:?} is not in: {said}");
    }
}

#[test]
fn a_suspended_grant_lets_a_running_answer_end_and_refuses_the_next_one() {
    let (site, goods) = open(3 * MIB, SLOW);
    let (grant, _, link) = add(&site, &["--max", "2"]);
    let delivery = click(&site, &link);
    let running = Download::open(site.nginx.port, "GET", &delivery, &[]);
    assert_eq!(running.answer.status, 200);
    let said = site.cloakroom.json(&["grant", "suspend", &grant]);
    assert_eq!((text(&said["grant"]["state"]), &said["changed"]), ("suspended", &json!(true)));
    assert!(text(&said["notes"][0]).contains("1 download runs at this moment"), "{said}");
    let range = [("Range", "bytes=1000000-")];
    let next = site.ask("GET", &delivery, &range);
    assert_eq!((next.status, next.header("Cloakroom-Refusal")), (403, Some("suspended")), "the next range");
    assert_eq!(refused(&site, &link), (403, "suspended".to_owned()), "the next click");
    assert!(running.finish().body == goods, "what was being answered is whole");

    let again = site.cloakroom.json(&["grant", "suspend", &grant]);
    assert_eq!((&again["changed"], text(&again["notes"][0])), (&json!(false), "it is suspended already"));
    assert_eq!(text(&site.cloakroom.json(&["grant", "resume", &grant])["grant"]["state"]), "active");
    assert_eq!(site.ask("GET", &delivery, &range).status, 206, "and on it goes");
    until("two reports", || (site.nginx.reported().len() >= 2).then_some(()));
}

#[test]
fn a_revoked_grant_stays_revoked_and_a_revoked_link_leaves_the_others() {
    let (site, _) = open(1000, "");
    let (grant, first, link) = add(&site, &[]);
    let second = site.cloakroom.json(&["link", "new", &grant, "--for", "2h"]);
    let other = site.target(text(&second["url"]));
    assert_eq!(second["grant"]["id"], grant.as_str());
    assert_ne!(second["link"], first.as_str());
    let revoked = site.cloakroom.json(&["link", "revoke", &first]);
    assert_eq!(revoked["link"]["state"], "revoked");
    assert_eq!((&revoked["grant_id"], &revoked["changed"]), (&json!(grant), &json!(true)));
    assert_eq!(site.cloakroom.say(&["link", "revoke", &first]), format!("{first} was revoked already"));
    assert_eq!(refused(&site, &link), (403, "revoked".to_owned()));
    let explained = site.cloakroom.say(&["explain", &link]);
    assert!(explained.contains("`cloakroom link new` or `cloakroom grant add`"), "{explained}");
    let delivery = click(&site, &other);

    let said = site.cloakroom.say(&["grant", "revoke", &grant]);
    assert!(said.starts_with(&format!("{grant}  revoked, 0 of 5 used")), "{said}");
    let logged: Vec<String> = site.cloakroom.log().into_iter().filter(|line| line.contains(" amended ")).collect();
    assert!(matches!(logged.as_slice(), [one] if one.contains(&format!("grant={grant} amendment=revoked author="))), "{logged:?}");
    for target in [&other, &delivery] {
        assert_eq!(refused(&site, target), (403, "revoked".to_owned()), "{target}");
    }
    let stays = &[grant.as_str(), "is revoked, and stays revoked for good", "cloakroom grant add"][..];
    for arguments in [
        &["grant", "resume", &grant][..],
        &["grant", "suspend", &grant],
        &["grant", "reset", &grant],
        &["grant", "extend", &grant, "--for", "1d"],
        &["link", "new", &grant],
    ] {
        fails(&site, arguments, 1, stays);
    }
    assert_eq!(site.cloakroom.json(&["grant", "revoke", &grant])["changed"], json!(false));
    let shown = site.cloakroom.json(&["grant", "show", &grant]);
    let acts: Vec<&str> = shown["history"].as_array().unwrap().iter().map(|entry| text(&entry["act"])).collect();
    assert_eq!(acts, ["issued", "linked", "link_revoked", "revoked"], "what changed nothing is no history");
    assert_eq!(shown["links"].as_array().unwrap().len(), 2);
}

#[test]
fn a_grant_that_is_used_up_is_reset_or_gets_more() {
    let (site, goods) = open(1000, "");
    let (grant, _, link) = add(&site, &["--max", "1"]);
    let fetch = |count: u64| {
        let delivery = click(&site, &link);
        assert!(site.get(&delivery).body == goods);
        until("it counts", || {
            let shown = site.cloakroom.json(&["grant", "show", &grant]);
            (shown["used"] == count).then_some(shown)
        })
    };
    assert_eq!(fetch(1)["state"], "used_up");
    let explained = site.cloakroom.say(&["explain", &grant]);
    assert!(explained.starts_with("limit_reached: ") && explained.contains("--max +1"), "{explained}");
    assert_eq!(text(&site.cloakroom.json(&["grant", "reset", &grant])["grant"]["state"]), "active");
    assert_eq!(fetch(1)["state"], "used_up");
    let more = site.cloakroom.json(&["grant", "extend", &grant, "--max", "+2"]);
    assert_eq!((&more["grant"]["max_downloads"], text(&more["grant"]["state"])), (&json!(3), "active"));
    let none = site.cloakroom.json(&["grant", "extend", &grant, "--max", "0"]);
    assert_eq!(text(&none["grant"]["state"]), "used_up");
    assert!(text(&none["notes"][0]).contains("--max +1"), "{none}");
    let unlimited = site.cloakroom.json(&["grant", "extend", &grant, "--max", "unlimited"]);
    assert_eq!((&unlimited["grant"]["max_downloads"], text(&unlimited["grant"]["state"])), (&Value::Null, "active"));
    fails(&site, &["grant", "extend", &grant, "--max", "+1"], 1, &["any number of downloads already"]);
    fails(&site, &["grant", "extend", "g-00000000000000000000", "--max", "+1"], 1, &["no such grant", "grant list"]);
    let max = u32::MAX.to_string();
    site.cloakroom.json(&["grant", "extend", &grant, "--max", &max]);
    fails(&site, &["grant", "extend", &grant, "--max", "+1"], 2, &["max_downloads", &max]);
}

#[test]
fn a_grant_whose_time_is_over_goes_on_when_it_is_extended() {
    let (site, goods) = open(1000, "");
    let (grant, _, link) = add(&site, &["--for", "1s"]);
    until("its end", || (site.cloakroom.json(&["grant", "show", &grant])["state"] == "expired").then_some(()));
    assert_eq!(refused(&site, &link), (410, "expired".to_owned()));
    let said = site.cloakroom.json(&["grant", "extend", &grant, "--for", "2d"]);
    let end = |said: &Value| text(&said["grant"]["expires"]).parse::<jiff::Timestamp>().unwrap();
    let left = end(&said).duration_since(jiff::Timestamp::now()).as_secs();
    assert!((2 * 86_400 - 60..=2 * 86_400).contains(&left), "from now on: {left} s");
    assert_eq!(said["notes"], json!([]), "its link lasts 30 days");
    assert!(site.get(&click(&site, &link)).body == goods);
    // What has not ended goes on from its end.
    let more = site.cloakroom.json(&["grant", "extend", &grant, "--for", "40d"]);
    assert_eq!(end(&more).duration_since(end(&said)).as_secs(), 40 * 86_400);
    assert!(text(&more["notes"][0]).contains(&format!("`cloakroom link new {grant}`")), "its links end earlier: {more}");
    let until_day = site.cloakroom.json(&["grant", "extend", &grant, "--until", "2099-12-31", "--max", "7"]);
    assert_eq!((text(&until_day["grant"]["expires"]), &until_day["grant"]["max_downloads"]), ("2100-01-01T00:00:00Z", &json!(7)));
    assert_eq!(site.cloakroom.json(&["grant", "extend", &grant, "--for", "unlimited"])["grant"]["expires"], Value::Null);
    fails(&site, &["grant", "extend", &grant, "--for", "1d"], 1, &["never ends"]);
    fails(&site, &["grant", "extend", &grant, "--until", "2020-01-31"], 2, &["2020-02-01T00:00:00Z is over", "suspend or revoke"]);
    fails(&site, &["grant", "extend", &grant, "--until", "9999-01-01"], 2, &["within 100 years"]);
}

#[test]
fn grants_are_listed_by_customer_and_file_and_page_by_page() {
    let (site, _) = open(1000, "");
    site.master("b & c.zip", b"more goods");
    let mut made = Vec::new();
    for (file, customer) in [("a.zip", "a@b.example"), ("b & c.zip", "Müller, order 7"), ("a.zip", "Müller, order 7"), ("a.zip", "")] {
        let file = format!("masters/{file}");
        let said = site.cloakroom.json(&["grant", "add", "--file", &file, "--customer", customer]);
        site.target(text(&said["url"]));
        made.push(text(&said["grant"]["id"]).to_owned());
    }
    let listed = |arguments: &[&str]| -> Vec<usize> {
        let all = site.cloakroom.json(&[&["grant", "list"], arguments].concat());
        let mut places: Vec<usize> =
            all.as_array().unwrap().iter().map(|grant| made.iter().position(|id| grant["id"] == id.as_str()).unwrap()).collect();
        places.sort_unstable();
        places
    };
    for (arguments, expected) in [
        (&[][..], &[0, 1, 2, 3][..]),
        (&["--customer", "Müller, order 7"], &[1, 2]),
        (&["--customer", "Müller"], &[]),
        (&["--file", "masters/b & c.zip"], &[1]),
        (&["--file", "masters/a.zip", "--customer", "a@b.example"], &[0]),
        (&["--file", "elsewhere/a.zip"], &[]),
    ] {
        assert_eq!(listed(arguments), expected, "{arguments:?}");
    }
    let order = site.cloakroom.json(&["grant", "list"]);
    let ids: Vec<&str> = order.as_array().unwrap().iter().map(|grant| text(&grant["id"])).collect();
    let mut paged = Vec::new();
    while let Some(page) = {
        let before: Vec<&str> = paged.last().map_or(vec![], |last: &String| vec!["--before", last]);
        let page = site.cloakroom.json(&[&["grant", "list", "--limit", "3"], &before[..]].concat());
        page.as_array().filter(|page| !page.is_empty()).cloned()
    } {
        paged.extend(page.iter().map(|grant| text(&grant["id"]).to_owned()));
    }
    assert_eq!(paged, ids);
    assert_eq!(site.cloakroom.say(&["grant", "list", "--customer", "nobody"]), "no such grants");
    let shown = site.cloakroom.say(&["grant", "list"]);
    assert!(shown.lines().all(|line| line.chars().count() <= 100) && shown.contains("Müller, order 7"), "{shown}");
    fails(&site, &["grant", "list", "--before", "g-00000000000000000000"], 1, &["no grant g-00000000000000000000"]);
}

#[test]
fn deliveries_are_listed_page_by_page_and_of_a_grant_that_there_is() {
    let (site, _) = open(1000, "");
    let (grant, _, link) = add(&site, &["--max", "9"]);
    let (other, _, other_link) = add(&site, &[]);
    for link in [&link, &other_link, &link, &link, &link] {
        assert_eq!(site.get(link).status, 303);
    }
    let listed = |arguments: &[&str]| -> Vec<String> {
        let all = site.cloakroom.json(&[&["delivery", "list"], arguments].concat());
        all.as_array().unwrap().iter().map(|delivery| text(&delivery["id"]).to_owned()).collect()
    };
    for (of, count) in [(&[][..], 5), (&["--grant", &grant], 4), (&["--grant", &other], 1)] {
        let all = listed(of);
        assert_eq!(all.len(), count, "{of:?}");
        let mut paged = listed(&[&["--limit", "2"], of].concat());
        while let Some(last) = paged.last().cloned() {
            let page = listed(&[&["--limit", "2", "--before", &last], of].concat());
            assert!(page.len() <= 2);
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, all, "{of:?}");
        let last = all.last().unwrap();
        assert_eq!(site.cloakroom.say(&[&["delivery", "list", "--before", last], of].concat()), "no more deliveries");
    }
    let unknown = "00000000000000000000";
    fails(&site, &["delivery", "list", "--grant", &format!("g-{unknown}")], 1, &["no such grant", "grant list"]);
    fails(&site, &["delivery", "list", "--before", &format!("d-{unknown}")], 1, &["no delivery d-", "forgotten after an hour"]);
    fails(&site, &["delivery", "list", "--before", &grant], 2, &["`d-`"]);
}

#[test]
fn lists_are_cut_to_the_width_of_a_terminal_and_whole_in_a_pipe() {
    let (site, _) = open(1000, "");
    let name = format!("a {} name.zip", "very ".repeat(20));
    site.master(&name, b"goods");
    let customer = "Anna-Katharina Müller, order 2027-0000712 of the winter sale";
    let url = site.cloakroom.say(&["grant", "add", "--file", &format!("masters/{name}"), "--customer", customer]);
    click(&site, &site.target(&url));
    for what in ["grant", "delivery"] {
        let piped = site.cloakroom.say(&[what, "list"]);
        assert!(piped.contains(&name), "{piped}");
        for (columns, locale, dots) in [(80, "C.UTF-8", "…"), (80, "C", "..."), (100, "C.UTF-8", "…")] {
            let setup = format!("stty cols {columns} rows 24");
            let shown = Program::on_terminal(&setup, &site.cloakroom.config(), &[what, "list"]).env("LC_ALL", locale).output();
            let shown = String::from_utf8(shown.stdout).unwrap();
            let widths: Vec<usize> = shown.lines().map(|line| line.trim_end().chars().count()).collect();
            assert!(widths.len() == 2 && widths.iter().all(|width| *width <= columns), "{what} {columns}: {shown}");
            assert!(shown.trim_end().ends_with(dots) && !shown.contains(&name), "{what} {columns}: {shown}");
        }
        let shown = Program::on_terminal("stty cols 300", &site.cloakroom.config(), &[what, "list"]).output();
        assert!(String::from_utf8(shown.stdout).unwrap().contains(&name));
    }
}

/// The numbers of bytes that nginx logged.
fn logged_bytes(site: &Site) -> Vec<u64> {
    let bytes = |line: &String| {
        let line: Value = serde_json::from_str(line).unwrap();
        text(&line["bytes"]).parse().unwrap()
    };
    site.nginx.reported().iter().map(bytes).collect()
}

fn curl(url: &str, file: &Path) -> Child {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-L", "--fail", "-A", "Anna's <b>browser</b>", "-C", "-", "-o"]).arg(file).arg(url);
    curl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn evidence_tells_the_bytes_that_nginx_logged_and_whose_content_they_were() {
    let (site, goods) = open(3 * MIB, SLOW);
    let made = site.cloakroom.json(&["grant", "add", "--file", "masters/a.zip", "--customer", "<script>alert(1)</script>", "--max", "3"]);
    let (grant, url) = (text(&made["grant"]["id"]), text(&made["url"]));
    site.target(url);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.zip");
    let mut first = curl(url, &file);
    until("half a MiB", || fs::metadata(&file).is_ok_and(|file| file.len() > MIB as u64 / 2).then_some(()));
    first.kill().unwrap();
    first.wait().unwrap();
    until("the report of what was killed", || (site.nginx.reported().len() == 1).then_some(()));
    assert!(curl(url, &file).wait().unwrap().success());
    assert!(fs::read(&file).unwrap() == goods);
    let evidence = until("it is completed", || {
        let evidence = site.cloakroom.json(&["grant", "evidence", grant]);
        (evidence["deliveries"][0]["state"] == "completed").then_some(evidence)
    });
    assert_eq!(evidence["deliveries"].as_array().unwrap().len(), 1, "{evidence:#}");
    let delivery = &evidence["deliveries"][0];
    let requests = delivery["requests"].as_array().unwrap();
    let told: Vec<u64> = requests.iter().map(|request| request["report"]["bytes"].as_u64().unwrap()).collect();
    assert_eq!((told.clone(), told.len()), (logged_bytes(&site), 2));
    assert_eq!(evidence["clients"][0]["bytes"], told.iter().sum::<u64>());
    assert_eq!((text(&evidence["clients"][0]["address"]), text(&evidence["clients"][0]["network"])), ("127.0.0.1", "127.0.0.0/24"));
    assert_eq!(text(&delivery["agent"]), "Anna's <b>browser</b>");
    let summed = Command::new("sha256sum").arg(&file).output().unwrap();
    let hash = String::from_utf8(summed.stdout).unwrap()[..64].to_owned();
    assert_eq!((text(&delivery["version"]["sha256"]), &delivery["version"]["size"]), (hash.as_str(), &json!(goods.len())));
    let who = Command::new("id").arg("-un").output().unwrap();
    let who = String::from_utf8(who.stdout).unwrap();
    assert_eq!(text(&evidence["history"][0]["author"]), format!("{} (cloakroom grant add)", who.trim()));

    let page = directory.path().join("page.html");
    site.cloakroom.say(&["grant", "evidence", grant, "--html", page.to_str().unwrap()]);
    assert_eq!(fs::metadata(&page).unwrap().permissions().mode() & 0o777, 0o600, "it names people");
    fails(&site, &["grant", "evidence", grant, "--html", page.to_str().unwrap()], 1, &["page.html: there is such a file already", "kept"]);
    let page = fs::read_to_string(page).unwrap();
    for words in [&hash, "&lt;script&gt;", "&lt;b&gt;browser", "completed"] {
        assert!(page.contains(words), "{words} is missing");
    }
    assert!(!page.contains("<script") && !page.contains("<b>"), "nothing of a stranger's is markup");
    let shown = site.cloakroom.say(&["grant", "evidence", grant]);
    assert!(shown.contains(&hash) && shown.contains("cut off") && shown.contains("#2"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");

    // Another content in its place is not passed off as what was sold.
    site.master("a.zip", &content(3 * MIB + 1));
    let later = site.cloakroom.json(&["grant", "evidence", grant]);
    let version = &later["deliveries"][0]["version"];
    assert_eq!((&version["sha256"], &version["size"]), (&Value::Null, &json!(goods.len())));
    assert!(text(&version["sha256_note"]).contains("replaced or changed"), "{version}");
    fs::remove_file(site.nginx.downloads().join("a.zip")).unwrap();
    let gone = site.cloakroom.json(&["grant", "evidence", grant]);
    assert!(text(&gone["deliveries"][0]["version"]["sha256_note"]).contains("not there any more"), "{gone:#}");
}

#[test]
fn downloads_and_refusals_are_numbers_over_time_that_survive_a_stop() {
    let (mut site, goods) = open(1000, "");
    let (_, _, link) = add(&site, &["--max", "0"]);
    let (_, _, good) = add(&site, &[]);
    for _ in 0..3 {
        assert_eq!(refused(&site, &link), (403, "limit_reached".to_owned()));
    }
    assert_eq!(refused(&site, "/dl/f/masters/a.zip").1, "no_proof");
    assert!(site.get(&click(&site, &good)).body == goods);
    let stats = until("it is completed", || {
        let stats = site.cloakroom.json(&["stats"]);
        (stats["total"]["completed"] == 1).then_some(stats)
    });
    assert_eq!(
        stats["total"],
        json!({ "started": 1, "completed": 1, "presumed": 0, "released": 0, "bytes": 1000, "refused": { "limit_reached": 3, "no_proof": 1 } })
    );
    assert_eq!((text(&stats["by"]), stats["periods"].as_array().unwrap().len()), ("day", 7));
    let hours = site.cloakroom.json(&["stats", "--by", "hour"]);
    assert_eq!((text(&hours["by"]), &hours["total"]), ("hour", &stats["total"]));
    assert!(hours["periods"].as_array().unwrap().len() > 6 * 24);
    let shown = site.cloakroom.say(&["stats"]);
    for words in ["limit_reached", "no_proof", "75 %", "6 days", "1.0 kB", "last 5 seconds before a crash"] {
        assert!(shown.contains(words), "{words:?} is missing:\n{shown}");
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    for (arguments, words) in [
        (&["stats", "--from", "2027-02-02", "--to", "2027-02-01"][..], &["before the end"][..]),
        (&["stats", "--from", "2000-01-01", "--by", "hour"], &["at most 10000"]),
    ] {
        fails(&site, arguments, 2, words);
    }
    // What was refused a moment before an orderly stop is brought to the store, too.
    assert_eq!(refused(&site, &link).0, 403);
    assert!(site.cloakroom.stop());
    site.cloakroom.start();
    assert_eq!(site.cloakroom.json(&["stats"])["total"]["refused"], json!({ "limit_reached": 4, "no_proof": 1 }));
}
