//! Refusals through a real nginx and the real daemon: the status, code and page that a customer gets, and nothing of the
//! file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use cloakroom::clock;
use rustix::fs::{CWD, Mode, mkfifoat};
use servers::http::{Answer, Download};
use servers::site::{Site, content, signature};

/// What stands in every protected file of these tests.
const GOODS: &[u8] = b"THE-GOODS-THAT-NOBODY-MAY-SEE";

/// A key that is told apart from others by its name, and no longer accepted.
const RETIRED: &str = "cmV0aXJlZC1yZXRpcmVkLXJldGlyZWQtcmV0aXJlZCE";

/// A key that this site has never heard of.
const STRANGE: &str = "c3RyYW5nZS1zdHJhbmdlLXN0cmFuZ2Utc3RyYW5nZSE";

/// The two questions: a download, and a page of the site itself.
const DOWNLOAD: &str = "/dl/f/masters";
const MEMBERS: &str = "/members";

/// A site with one retired key and the same files on both sides.
fn site() -> (Site, tempfile::TempDir) {
    let keys = tempfile::tempdir().unwrap();
    let retired = keys.path().join("retired");
    fs::write(&retired, RETIRED).unwrap();
    fs::set_permissions(&retired, fs::Permissions::from_mode(0o600)).unwrap();
    let site = Site::with(&format!("[[key]]\nid = \"retired\"\nfile = \"{}\"\nuse = \"retired\"\n", retired.display()));
    for name in ["set/a.zip", "set/deep/b.zip", "settle.zip", "other.zip"] {
        site.master(name, GOODS);
        site.page(&format!("members/{name}"), GOODS);
    }
    (site, keys)
}

/// Checks a refusal as a program and as a person gets it: the same status and code, one line or one page, the support
/// code in it, and nothing of the file.
#[track_caller]
fn assert_refused(site: &Site, target: &str, status: u16, code: &str) {
    let line = site.ask("GET", target, &[("Accept", "*/*")]);
    assert_no(&line, target, status, code);
    assert_eq!(line.header("Content-Type"), Some("text/plain; charset=utf-8"), "{target}");
    let support = line.header("Cloakroom-Support").expect("a support code");
    let text = line.text();
    assert!(text.ends_with(&format!("({code}, {support})\n")) && text.lines().count() == 1, "{text}");

    let page = site.ask("GET", target, &[("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")]);
    assert_no(&page, target, status, code);
    assert_eq!(page.header("Content-Type"), Some("text/html; charset=utf-8"), "{target}");
    assert!(page.header("Content-Security-Policy").is_some_and(|policy| policy.contains("default-src 'none'")));
    let support = page.header("Cloakroom-Support").expect("a support code");
    let text = page.text();
    for needed in ["<!DOCTYPE html>", "<h1>", support, "<html lang="] {
        assert!(text.to_lowercase().contains(&needed.to_lowercase()), "{needed} is not in {text}");
    }
    assert_eq!(text.matches("<h1>").count(), 1);
    assert!(!text.contains("<script") && !text.contains("sig="));

    // The same code is in the log, the client before it.
    let logged = site.cloakroom.logged(&["127.0.0.1 refused", code, support]);
    assert!(!logged.contains("sig="), "{logged}");

    let head = site.ask("HEAD", target, &[]);
    assert_no(&head, target, status, code);
}

#[track_caller]
fn assert_no(answer: &Answer, target: &str, status: u16, code: &str) {
    assert_eq!((answer.status, answer.header("Cloakroom-Refusal")), (status, Some(code)), "{target}: {}", answer.text());
    assert_eq!(answer.header("Cache-Control"), Some("no-store"), "{target}");
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"), "{target}");
    for of_the_file in ["ETag", "Last-Modified", "Content-Disposition", "Content-Range", "Accept-Ranges"] {
        assert_eq!(answer.header(of_the_file), None, "{of_the_file}: {target}");
    }
    assert!(!answer.body.windows(GOODS.len()).any(|window| window == GOODS), "{target}");
}

#[track_caller]
fn assert_opens(site: &Site, target: &str) {
    let answer = site.get(target);
    assert_eq!((answer.status, answer.body.as_slice()), (200, GOODS), "{target}: {}", answer.text());
    assert_eq!(answer.header("Cache-Control"), Some("private, no-store"));
}

#[test]
fn a_signed_url_opens_what_was_signed_and_is_refused_with_its_reason_for_all_else() {
    let (site, _keys) = site();
    let now = clock::now().seconds();
    let (past, soon, later) = (now - 10, now + 3000, now + 6000);
    for root in [DOWNLOAD, MEMBERS] {
        let path = format!("{root}/set/a.zip");
        let set = format!("{root}/set").replace('/', "%2F");
        let good = format!("kid=main&exp={soon}");
        // What is signed for this path, and opens it.
        for query in [
            good.clone(),
            format!("exp={soon}&kid=main"),
            format!("{good}&nbf={past}"),
            format!("{good}&nbf={now}"),
            format!("{good}&net=127.0.0.1"),
            format!("{good}&net=127.0.0.0/8"),
            format!("{good}&net=127.0.0.0%2F8"),
            format!("{good}&order=A-17&utm_source=mail"),
            format!("{good}&name=b.zip&rate=1000000"),
            format!("{good}&x=1&x=2&&=&kidney=1"),
        ] {
            let target = site.mint(&path, &query);
            assert_opens(&site, &target);
            // Others add to it on the way.
            assert_opens(&site, &format!("{target}&utm_source=mail&fbclid=abc&utm_source=again"));
            assert_opens(&site, &format!("{target}&"));
        }
        // What is signed for this path, and does not open it.
        for (query, status, code) in [
            (format!("kid=main&exp={past}"), 410, "expired"),
            (format!("kid=main&exp={now}"), 410, "expired"),
            ("kid=main&exp=0".to_owned(), 410, "expired"),
            (format!("{good}&nbf={later}"), 403, "not_yet_valid"),
            (format!("{good}&net=203.0.113.0/24"), 403, "wrong_network"),
            (format!("{good}&net=2001:db8::/32"), 403, "wrong_network"),
            (format!("{good}&net=128.0.0.0/1"), 403, "wrong_network"),
            (format!("{good}&exp={later}"), 403, "bad_proof"),
            (format!("{good}&exp={soon}"), 403, "bad_proof"),
            (format!("{good}&kid=main"), 403, "bad_proof"),
            (format!("{good}&net=127.0.0.1&net=127.0.0.1"), 403, "bad_proof"),
            (format!("{good}&%65xp={later}"), 403, "bad_proof"),
            ("kid=main".to_owned(), 403, "bad_proof"),
            (format!("exp={soon}"), 403, "bad_proof"),
            ("kid=main&exp=".to_owned(), 403, "bad_proof"),
            ("kid=main&exp=tomorrow".to_owned(), 403, "bad_proof"),
            (format!("kid=main&exp=+{soon}"), 403, "bad_proof"),
            (format!("kid=main&exp=0{soon}"), 403, "bad_proof"),
            ("kid=main&exp=-1".to_owned(), 403, "bad_proof"),
            ("kid=main&exp=99999999999999999999".to_owned(), 403, "bad_proof"),
            (format!("{good}&net=everywhere"), 403, "bad_proof"),
            (format!("{good}&rate=0"), 403, "bad_proof"),
            (format!("{good}&rate=fast"), 403, "bad_proof"),
            (format!("{good}&prefix={set}"), 403, "bad_proof"),
        ] {
            assert_refused(&site, &site.mint(&path, &query), status, code);
        }
        let target = site.mint(&path, &good);
        // What is put behind the signature.
        for after in [format!("exp={later}"), "kid=main".to_owned(), "net=0.0.0.0/0".to_owned(), "name=b".to_owned(), "sig=".to_owned()] {
            assert_refused(&site, &format!("{target}&{after}"), 403, "bad_proof");
            assert_refused(&site, &format!("{target}&utm_source=mail&{after}"), 403, "bad_proof");
        }
        assert_refused(&site, &format!("{target}&%73ig=x"), 403, "bad_proof");
        // What is put before it.
        assert_refused(&site, &target.replace("?kid", "?a=b&kid"), 403, "bad_proof");
        assert_refused(&site, &target.replace("&sig", "&utm_source=mail&sig"), 403, "bad_proof");
        // Nothing that could open it.
        for target in [path.clone(), format!("{path}?"), format!("{path}?{good}"), format!("{path}?{good}&SIG=x")] {
            assert_refused(&site, &target, 401, "no_proof");
        }
        // Another path, with the signature of this one.
        let query = target.split_once('?').unwrap().1;
        for other in ["other.zip", "set/a.zi", "set/a.zip2", "set/A.zip", "set/deep/b.zip", "set"] {
            assert_refused(&site, &format!("{root}/{other}?{query}"), 403, "bad_proof");
        }
        for folder in ["set/a.zip/", "set/"] {
            // No file is called so.
            let (status, code) = if root == DOWNLOAD { (404, "unknown_link") } else { (403, "bad_proof") };
            assert_refused(&site, &format!("{root}/{folder}?{query}"), status, code);
        }
        let root_of_the_other = if root == DOWNLOAD { MEMBERS } else { DOWNLOAD };
        assert_refused(&site, &format!("{root_of_the_other}/set/a.zip?{query}"), 403, "bad_proof");
    }
    site.assert_reported(0);
}

#[test]
fn one_character_changed_anywhere_closes_it() {
    let (site, _keys) = site();
    let exp = clock::now().seconds() + 3000;
    let mut tried = 0;
    for root in [DOWNLOAD, MEMBERS] {
        let target = site.mint(&format!("{root}/set/a.zip"), &format!("kid=main&exp={exp}&net=127.0.0.1"));
        assert_opens(&site, &target);
        let begins = |part: &str| target.find(part).unwrap() + part.len();
        let (path, kid, from_exp) = (root.len() + 1..target.find('?').unwrap(), begins("kid=")..begins("kid=main"), begins("exp="));
        let (net, sig) = (begins("net="), begins("sig="));
        let values = [path, kid, from_exp..target.find("&net").unwrap(), net..target.find("&sig").unwrap(), sig..target.len()];
        for at in values.into_iter().flatten() {
            let now = char::from(target.as_bytes()[at]);
            // A neighbour in base64url, so that in the last character of the signature only unused bits differ.
            let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let other = match now {
                '/' | '.' => 'x',
                now => alphabet.chars().cycle().skip_while(|character| *character != now).nth(1).unwrap(),
            };
            let mut altered = target.clone();
            altered.replace_range(at..=at, &other.to_string());
            let answer = site.get(&altered);
            assert_no(&answer, &altered, 403, "bad_proof");
            tried += 1;
        }
        // One too few, one too many, padding.
        for altered in [target[..target.len() - 1].to_owned(), format!("{target}A"), format!("{target}="), format!("{target}%3D")] {
            assert_no(&site.get(&altered), &altered, 403, "bad_proof");
        }
    }
    assert!(tried >= 2 * (9 + 4 + 10 + 9 + 43), "{tried}");
}

#[test]
fn a_prefix_opens_whole_segments_below_it_and_no_sibling() {
    let (site, _keys) = site();
    let exp = clock::now().seconds() + 3000;
    for root in [DOWNLOAD, MEMBERS] {
        let prefix = format!("{root}/set");
        let target = site.mint(&prefix, &format!("kid=main&exp={exp}&prefix={}", prefix.replace('/', "%2F")));
        let query = target.split_once('?').unwrap().1;
        for inside in ["set/a.zip", "set/deep/b.zip"] {
            assert_opens(&site, &format!("{root}/{inside}?{query}"));
        }
        for outside in ["settle.zip", "other.zip", "se"] {
            assert_refused(&site, &format!("{root}/{outside}?{query}"), 403, "wrong_path");
        }
        let altered = query.replace("%2Fset", "%2Fse");
        assert_refused(&site, &format!("{root}/settle.zip?{altered}"), 403, "bad_proof");
        // What climbs out of it is not read as a path at all, or is resolved before anybody decides.
        for climbing in ["set/../other.zip", "set/%2e%2e/other.zip", "set/..%2fother.zip"] {
            let answer = site.get(&format!("{root}/{climbing}?{query}"));
            assert!((400..500).contains(&answer.status), "{climbing}: {}", answer.status);
            assert!(!answer.text().contains("THE-GOODS"), "{climbing}");
        }
    }
}

#[test]
fn only_keys_that_are_accepted_open_and_a_retired_one_is_named_only_to_who_has_it() {
    let (site, _keys) = site();
    let exp = clock::now().seconds() + 3000;
    for root in [DOWNLOAD, MEMBERS] {
        let path = format!("{root}/set/a.zip");
        for (kid, key, code) in [
            ("retired", RETIRED, "key_retired"),
            ("retired", STRANGE, "bad_proof"),
            ("main", RETIRED, "bad_proof"),
            ("main", STRANGE, "bad_proof"),
            ("unknown", STRANGE, "bad_proof"),
            ("", STRANGE, "bad_proof"),
            ("../main", STRANGE, "bad_proof"),
            ("MAIN", STRANGE, "bad_proof"),
        ] {
            let query = format!("kid={kid}&exp={exp}");
            assert_refused(&site, &format!("{path}?{query}&sig={}", signature(key, &path, &query)), 403, code);
        }
        // Another site's signature, with this site's key.
        let key = fs::read_to_string(site.cloakroom.state().join("keys/main")).unwrap();
        let query = format!("kid=main&exp={exp}");
        let theirs = signature(&key, &path.replace("/set", "/s\net"), &query);
        assert_refused(&site, &format!("{path}?{query}&sig={theirs}"), 403, "bad_proof");
    }
}

#[test]
fn what_is_no_file_inside_the_storage_is_missing_and_counts_nothing() {
    let (site, _keys) = site();
    let root = site.nginx.downloads();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.zip"), GOODS).unwrap();
    symlink(outside.path().join("secret.zip"), root.join("absolute.zip")).unwrap();
    symlink(outside.path(), root.join("folder")).unwrap();
    symlink("../conf/nginx.conf", root.join("relative.zip")).unwrap();
    symlink("../downloads/other.zip", root.join("out-and-in.zip")).unwrap();
    symlink("loop.zip", root.join("loop.zip")).unwrap();
    symlink("nowhere.zip", root.join("dangling.zip")).unwrap();
    symlink("other.zip", root.join("inside.zip")).unwrap();
    mkfifoat(CWD, root.join("pipe.zip"), Mode::from_raw_mode(0o644)).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket.zip")).unwrap();
    for missing in [
        "absolute.zip",
        "folder/secret.zip",
        "relative.zip",
        "out-and-in.zip",
        "loop.zip",
        "dangling.zip",
        "pipe.zip",
        "socket.zip",
        "set",
        "missing.zip",
        "missing/a.zip",
        "other.zip/a.zip",
    ] {
        let target = site.sign(&format!("masters/{missing}"), &[]);
        assert_refused(&site, &target, 404, "file_missing");
        // As a counted link, where one can be made.
        let made = site.cloakroom.command(&["grant", "add", "--file", &format!("masters/{missing}"), "--max", "1"]);
        if made.status.success() {
            let link = site.target(String::from_utf8(made.stdout).unwrap().trim());
            assert_refused(&site, &link, 404, "file_missing");
        }
    }
    assert_opens(&site, &site.sign("masters/inside.zip", &[]));
    // A file that goes away after its link was made.
    let link = site.target(&site.cloakroom.link("masters/other.zip", 1));
    let delivery = site.get(&link).header("Location").unwrap().to_owned();
    fs::remove_file(root.join("other.zip")).unwrap();
    assert_refused(&site, &link, 404, "file_missing");
    assert_refused(&site, &delivery, 404, "file_missing");
    // It comes back as it was: nothing was counted.
    let listed = site.cloakroom.json(&["delivery", "list"]);
    assert!(!listed.to_string().contains("\"open\""), "{listed}");
    site.master("other.zip", GOODS);
    let again = site.get(&link).header("Location").unwrap().to_owned();
    assert_opens(&site, &again);
    site.assert_reported(1);
}

#[test]
fn links_and_deliveries_are_refused_with_their_own_reasons() {
    let (site, _keys) = site();
    let link = site.target(&site.cloakroom.link("masters/other.zip", 1));
    let (head, token) = link.split_at("/dl/l/".len());
    let (token, name) = token.split_once('/').unwrap();
    // Address; status; code.
    let mut altered = token.to_owned();
    altered.replace_range(20..21, if &token[20..21] == "A" { "B" } else { "A" });
    for (target, status, code) in [
        (format!("{head}{altered}/{name}"), 403, "bad_proof"),
        (format!("{head}{}/{name}", &token[..39]), 403, "bad_proof"),
        (format!("{head}{token}A/{name}"), 403, "bad_proof"),
        (format!("/dl/d/{token}/{name}"), 403, "bad_proof"),
        (format!("{head}x/{name}"), 403, "bad_proof"),
        ("/dl/".to_owned(), 404, "unknown_link"),
        ("/dl/l".to_owned(), 404, "unknown_link"),
        ("/dl/x/other.zip".to_owned(), 404, "unknown_link"),
        ("/dl/f/masters".to_owned(), 404, "unknown_link"),
    ] {
        assert_refused(&site, &target, status, code);
    }
    let delivery = site.get(&link).header("Location").unwrap().to_owned();
    for _ in 0..3 {
        assert_opens(&site, &delivery);
    }
    site.assert_reported(3);
    assert_refused_get(&site, &delivery, 429, "byte_budget");
    // Nothing is left of the link either, once its one download has arrived.
    servers::until("the download counts", || {
        let shown = site.cloakroom.json(&["delivery", "list"]);
        shown.to_string().contains("\"completed\"").then_some(())
    });
    assert_refused_get(&site, &link, 403, "limit_reached");
    // With `max 0` there never was anything.
    let none = site.target(&site.cloakroom.link("masters/other.zip", 0));
    assert_refused_get(&site, &none, 403, "limit_reached");
}

/// As [`assert_refused`], for what HEAD is not refused: it would send no bytes.
#[track_caller]
fn assert_refused_get(site: &Site, target: &str, status: u16, code: &str) {
    for accept in ["*/*", "text/html"] {
        assert_no(&site.ask("GET", target, &[("Accept", accept)]), target, status, code);
    }
}

#[test]
fn a_refusal_that_passes_says_when_to_come_back() {
    let (site, _keys) = site();
    let link = site.target(&site.cloakroom.link("masters/other.zip", 1));
    let ahead = site.ask("GET", &link, &[("Sec-Purpose", "prefetch")]);
    assert_no(&ahead, &link, 503, "preparing");
    assert!(ahead.header("Retry-After").is_some());
    let bare = site.get("/dl/f/masters/other.zip");
    assert_eq!((bare.status, bare.header("Retry-After")), (401, None));
    assert_opens(&site, site.get(&link).header("Location").unwrap());
}

#[test]
fn a_method_that_sends_no_file_is_refused_and_a_body_is_never_waited_for() {
    let (site, _keys) = site();
    let target = site.sign("masters/other.zip", &[]);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer = site.ask(method, &target, &[("Content-Length", "0")]);
        assert_no(&answer, &target, 400, "bad_request");
    }
    // A body that is small is read and forgotten; a large one is refused unread, by nginx.
    for (bytes, status, code) in [(1000, 400, Some("bad_request")), (100_000, 413, None)] {
        // nginx names the address in its error log where it refuses: this one carries no signature that would hold.
        let target = "/dl/f/masters/other.zip?kid=main&exp=1&sig=none";
        let head = format!("POST {target} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n");
        let request = [head.as_bytes(), &content(bytes)].concat();
        let answer = Download::send(site.nginx.port, &request, false).finish();
        assert_eq!((answer.status, answer.header("Cloakroom-Refusal")), (status, code), "{bytes}");
    }
}

#[test]
fn what_a_client_or_a_proxy_says_about_the_client_changes_nothing() {
    let (site, _keys) = site();
    let soon = clock::now().seconds() + 3000;
    let elsewhere = "203.0.113.9";
    for root in [DOWNLOAD, MEMBERS] {
        let path = format!("{root}/set/a.zip");
        let here = site.mint(&path, &format!("kid=main&exp={soon}&net=127.0.0.1"));
        let there = site.mint(&path, &format!("kid=main&exp={soon}&net={elsewhere}"));
        let unsigned = format!("{root}/other.zip");
        let (signed_path, _) = here.split_once('?').unwrap();
        for (name, value) in [
            ("X-Forwarded-For", elsewhere),
            ("X-Real-IP", elsewhere),
            ("Forwarded", "for=203.0.113.9;proto=https"),
            ("CF-Connecting-IP", elsewhere),
            ("True-Client-IP", elsewhere),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "shop.example"),
            ("Via", "1.1 proxy"),
            ("X-Request-Id", "0123456789abcdef"),
            ("X-Original-URI", &here),
            ("X-Original-URL", &here),
            ("X-Rewrite-URL", &here),
            ("X-Original-Method", "GET"),
            ("X-Forwarded-Uri", signed_path),
            ("X-Accel-Redirect", "/_cloakroom/masters/other.zip"),
            ("Cloakroom-Refusal", "no_proof"),
            ("Authorization", "Basic YTpi"),
            ("Cookie", "a=b; cloakroom=x; c=d"),
            ("Accept-Encoding", "gzip, br"),
            ("Upgrade", "h2c"),
        ] {
            let opened = site.ask("GET", &here, &[(name, value)]);
            assert_eq!((opened.status, opened.body.as_slice()), (200, GOODS), "{name}: {root}: {}", opened.text());
            assert_no(&site.ask("GET", &there, &[(name, value)]), &there, 403, "wrong_network");
            assert_no(&site.ask("GET", &unsigned, &[(name, value)]), &unsigned, 401, "no_proof");
        }
    }
}

#[test]
fn no_log_holds_a_secret_even_where_everything_is_logged() {
    let (mut site, _keys) = site();
    site.cloakroom.talk();
    let target = site.sign("masters/other.zip", &[]);
    assert_opens(&site, &target);
    assert_opens(&site, &site.sign("/members/other.zip", &[]));
    assert_refused(&site, &target.replace("other.zip", "set/a.zip"), 403, "bad_proof");
    assert_refused(&site, &site.sign("masters/other.zip", &["--until", "1"]), 410, "expired");
    assert_refused(&site, &site.sign("masters/missing.zip", &[]), 404, "file_missing");
    let link = site.target(&site.cloakroom.link("masters/other.zip", 1));
    let delivery = site.get(&link).header("Location").unwrap().to_owned();
    assert_opens(&site, &delivery);
    assert_refused(&site, &link.replace("/dl/l/", "/dl/d/"), 403, "bad_proof");
    for told in [&target, &link, &delivery] {
        let steps = site.cloakroom.say(&["explain", told]);
        let key = fs::read_to_string(site.cloakroom.state().join("keys/main")).unwrap();
        assert!(!steps.contains(key.trim()), "{steps}");
    }
    // Its reports came in, and every connection has something to say.
    site.assert_reported(1);
    assert!(site.cloakroom.log().iter().any(|line| line.contains("DEBUG")));
}
