//! Pages that the site serves itself, opened by Cloakroom: a real nginx with `auth_request`, and the real daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;
use std::os::unix::fs::symlink;

use servers::http::{Answer, Download, get};
use servers::nginx::NginxSetup;
use servers::site::{Site, content};

#[track_caller]
fn assert_code(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.header("Cloakroom-Refusal")), (status, Some(code)), "{}", answer.text());
}

#[test]
fn nginx_serves_its_own_file_as_it_would_without_us() {
    let site = Site::open();
    let bytes = content(30_000);
    site.page("members/set/ä b+c%.html", &bytes);
    let target = site.sign("/members/set/ä b+c%.html", &[]);
    let whole = site.get(&target);
    assert!(whole.status == 200 && whole.body == bytes, "{}", whole.text());
    // Shown, and not saved: this is a page of the site.
    assert_eq!(whole.header("Content-Disposition"), None);
    assert_eq!(whole.header("Cache-Control"), Some("private, no-store"));
    assert_eq!(whole.header("Cloakroom-Refusal"), None);
    let tag = whole.header("ETag").unwrap();
    for (headers, status, part) in [
        (&[("Range", "bytes=100-199")][..], 206, 100..200),
        (&[("Range", "bytes=-10")], 206, 29_990..30_000),
        (&[("Range", "bytes=29000-"), ("If-Range", tag)], 206, 29_000..30_000),
        (&[("Range", "bytes=29000-"), ("If-Range", "\"another\"")], 200, 0..30_000),
        (&[("If-None-Match", tag)], 304, 0..0),
        (&[("Range", "bytes=30000-")], 416, 0..0),
    ] {
        let answer = site.ask("GET", &target, headers);
        assert_eq!(answer.status, status, "{headers:?}");
        assert!(status == 416 || answer.body == bytes[part], "{headers:?}");
    }
    let head = site.ask("HEAD", &target, &[]);
    assert_eq!((head.status, head.header("Content-Length")), (200, Some("30000")));
    site.assert_reported(0);
}

#[test]
fn the_media_type_is_the_site_s_own() {
    let site = Site::open();
    // Debian's nginx.conf includes mime.types; without it nginx says text/plain of everything.
    site.page("members/a.zip", b"PK");
    site.page("a.zip", b"PK");
    let own = site.get("/a.zip");
    assert_eq!(own.status, 200, "what no rule covers stays open");
    let protected = site.get(&site.sign("/members/a.zip", &[]));
    assert_eq!(protected.header("Content-Type"), own.header("Content-Type"));
}

#[test]
fn a_folder_opens_its_index_with_one_signed_url() {
    let site = Site::open();
    site.page("members/set/index.html", b"the index");
    site.page("members/set/a.html", b"a page");
    let target = site.sign("/members/set/", &[]);
    let index = site.get(&target);
    assert_eq!((index.status, index.text().as_str()), (200, "the index"));
    // nginx sends who forgets the slash there, query and all; that is another path.
    let bare = site.get(&site.sign("/members/set", &[]));
    assert_eq!(bare.status, 301);
    assert_code(&site.get(&target.replace("/set/?", "/set/a.html?")), 403, "bad_proof");
    // With a prefix all of it opens.
    let prefix = site.sign("/members/set", &["--prefix"]);
    let moved = site.get(&prefix);
    assert_eq!(moved.status, 301);
    let query = prefix.split_once('?').unwrap().1;
    assert!(moved.header("Location").unwrap().ends_with(&format!("/members/set/?{query}")));
    for (page, text) in [("", "the index"), ("index.html", "the index"), ("a.html", "a page")] {
        let answer = site.get(&format!("/members/set/{page}?{query}"));
        assert_eq!((answer.status, answer.text().as_str()), (200, text));
    }
}

#[test]
fn what_is_not_there_is_told_only_to_those_who_may_enter() {
    let site = Site::open();
    fs::create_dir(site.nginx.root().join("members/empty")).unwrap();
    let strangers = site.get("/members/missing.html");
    assert_code(&strangers, 401, "no_proof");
    let member = site.get(&site.sign("/members/missing.html", &[]));
    assert_eq!((member.status, member.header("Cloakroom-Refusal")), (404, None));
}

#[test]
fn a_location_that_asks_and_that_no_rule_covers_stays_shut() {
    let server = "location ^~ /vault/ { include cloakroom/protect.conf; }".to_owned();
    let site = Site::around(&NginxSetup { server, ..NginxSetup::default() }, "");
    site.page("vault/a.html", b"the gold");
    for target in ["/vault/a.html".to_owned(), site.sign("/vault/a.html", &[]), "/vault/".to_owned()] {
        let answer = site.get(&target);
        assert_code(&answer, 404, "no_rule");
        assert!(!answer.text().contains("the gold"));
    }
}

#[test]
fn no_spelling_of_the_address_goes_round_the_question() {
    let site = Site::open();
    site.page("members/a.html", b"for members only");
    symlink(site.nginx.root().join("members"), site.nginx.root().join("members/again")).unwrap();
    let signed = site.sign("/members/a.html", &[]);
    let query = signed.split_once('?').unwrap().1;
    for path in [
        "/members/a.html",
        "//members/a.html",
        "/members//a.html",
        "/./members/a.html",
        "/x/../members/a.html",
        "/members/./a.html",
        "/members/x/../a.html",
        "/%6dembers/a.html",
        "/members/%61.html",
        "/members/a%2ehtml",
        "/members/again/a.html",
        "/members%2fa.html",
        "/members/a.html/",
        "/members/a.html%00",
        "/members/a.html%20",
        "/MEMBERS/a.html",
        "/members\\a.html",
        "/members/a.html;x",
        "/members/a.html?a.html",
        "/members/a.html#",
    ] {
        let answer = site.get(path);
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.text().contains("for members only"), "{path}");
    }
    // The other spellings of the one path are opened by its signature: they are the same file.
    for path in ["//members/a.html", "/members//a.html", "/%6dembers/a.html", "/members/%61.html", "/members/a%2ehtml"] {
        let answer = site.get(&format!("{path}?{query}"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "for members only"), "{path}");
    }
}

#[test]
fn a_body_never_holds_up_a_protected_location() {
    let site = Site::open();
    site.page("members/a.html", b"for members");
    let target = site.sign("/members/a.html", &[]);
    // nginx itself does not let anybody post to a file; without a proof nobody gets so far.
    for (target, status, code) in [(target.as_str(), 405, None), ("/members/a.html", 401, Some("no_proof"))] {
        for framing in ["Content-Length: 1000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3e8\r\n"] {
            let mut request = format!("POST {target} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{framing}").into_bytes();
            request.extend(content(1000));
            if framing.starts_with("Transfer") {
                request.extend(b"\r\n0\r\n\r\n");
            }
            let answer = Download::send(site.nginx.port, &request, false).finish();
            assert_eq!((answer.status, answer.header("Cloakroom-Refusal")), (status, code), "{framing:?}");
        }
    }
    // Who may enter is not kept waiting by a body that does not come.
    let request = format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nContent-Length: 10000\r\n\r\n");
    let mut answer = Download::send(site.nginx.port, request.as_bytes(), false);
    // nginx keeps the connection for what may still come; the page is there.
    assert_eq!((answer.answer.status, answer.read(11).answer.text().as_str()), (200, "for members"));
}

#[test]
fn while_the_daemon_is_down_nothing_opens_and_then_all_opens_again() {
    let mut site = Site::open();
    site.page("members/a.html", b"for members");
    site.master("a.zip", b"the goods");
    let targets = [(site.sign("/members/a.html", &[]), "for members"), (site.sign("masters/a.zip", &[]), "the goods")];
    let opens = |site: &Site| {
        for (target, body) in &targets {
            let answer = site.get(target);
            assert_eq!((answer.status, answer.text().as_str()), (200, *body));
        }
    };
    opens(&site);
    for ended_well in [true, false] {
        if ended_well {
            assert!(site.cloakroom.stop());
        } else {
            site.cloakroom.kill();
        }
        // nginx names the address in its error log while nobody answers: these carry no signature that would hold.
        for target in ["/members/a.html?kid=main&exp=1&sig=none", "/dl/f/masters/a.zip?kid=main&exp=1&sig=none", "/members/a.html"] {
            for accept in ["*/*", "text/html"] {
                let answer = get(site.nginx.port, target, &[("Accept", accept)]);
                assert!((500..600).contains(&answer.status), "{target}: {}", answer.status);
                assert!(!answer.text().contains("the goods") && !answer.text().contains("for members"), "{target}");
            }
        }
        site.cloakroom.start();
        opens(&site);
    }
}

#[test]
fn the_first_questions_of_nginx_s_readme_are_answered_as_it_says() {
    let site = Site::open();
    site.master("a.zip", b"the goods");
    let readme = include_str!("../conf-examples/nginx/README.md");
    let mut seen = 0;
    for line in readme.lines() {
        let Some(rest) = line.strip_prefix("curl -si http://shop.example") else { continue };
        let (target, says) = rest.split_once('#').unwrap();
        let status: u16 = says.trim()[..3].parse().unwrap();
        let answer = site.ask("GET", target.trim(), &[("Accept", "*/*")]);
        assert_eq!(answer.status, status, "{line}");
        assert_eq!(answer.header("Cloakroom-Support").is_some(), says.contains("support code"), "{line}");
        seen += 1;
    }
    assert!(seen >= 2);
}

#[test]
fn a_site_s_regular_expressions_do_not_reach_past_the_question() {
    let server = "location ~* \\.(css|zip)$ { add_header X-Served-By expression; }".to_owned();
    let site = Site::around(&NginxSetup { server, ..NginxSetup::default() }, "");
    site.page("style.css", b"free");
    site.page("members/style.css", b"for members");
    let free = site.get("/style.css");
    assert_eq!((free.text().as_str(), free.header("X-Served-By")), ("free", Some("expression")));
    assert_code(&site.get("/members/style.css"), 401, "no_proof");
    let opened = site.get(&site.sign("/members/style.css", &[]));
    assert_eq!((opened.text().as_str(), opened.header("X-Served-By")), ("for members", None));
}
