//! From the link to the file, as browsers and as tools go.

use std::process::Command;

use crate::servers::cloakroom::Cloakroom;
use crate::servers::http::{Answer, Download, ask};
use crate::servers::site::content;
use crate::servers::{free_port, until};
use crate::shop::{BROWSER, NAME, Shop, escaped, onward};

/// A page in HTML that nobody keeps, that loads nothing, and whose form goes nowhere else.
#[track_caller]
fn assert_page(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert_eq!(answer.header("Referrer-Policy"), Some("no-referrer"));
    assert_eq!(answer.header("X-Robots-Tag"), Some("noindex"));
    let policy = answer.header("Content-Security-Policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self'") && !policy.contains("unsafe"), "{policy}");
    let page = answer.text();
    assert!(!page.contains("<script") && !page.contains(" style=") && !page.contains("<Book>"), "{page}");
    page
}

#[test]
fn a_browser_sees_a_page_presses_its_button_and_gets_the_file_which_counts_once() {
    let shop = Shop::handing_off("");
    let link = shop.link(5);
    let page = assert_page(&shop.visit(&link));
    let name = escaped(NAME);
    for part in [name.as_str(), "5 of 5", "300\u{a0}kB", "Archive", "UTC", "in 29 days", "curl -C - -OL", "<form method=\"post\">"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let started = shop.press(&link);
    assert!(started.starts_with("/dl/s/"), "{started}");
    let page = shop.visit(&started);
    assert!(assert_page(&page).contains("Your download starts."));
    let delivery = onward(&page);
    assert!(delivery.starts_with("/dl/d/"), "{delivery}");
    assert_eq!(shop.units(), (0, 0), "until then nothing is reserved");
    assert_eq!(shop.visit(&delivery).body, shop.bytes);
    shop.until_used(1);
    let arrived = shop.visit(&started);
    assert_eq!(arrived.header("Refresh"), None, "what has arrived is not fetched again");
    assert!(assert_page(&arrived).contains("Your download has arrived."));
    assert_eq!(shop.states(), ["completed"]);
    assert!(assert_page(&shop.visit(&link)).contains("4 of 5"));
}

#[test]
fn looking_uses_nothing_up_whoever_looks() {
    let shop = Shop::handing_off("");
    let link = shop.link(1);
    let mut seen = 0;
    for method in ["GET", "HEAD"] {
        for headers in [
            BROWSER.to_vec(),
            preview_of("facebookexternalhit/1.1"),
            preview_of("Barracuda Sentinel"),
            vec![("Accept", "text/html"), ("User-Agent", "Outlook Safe Links")],
            [BROWSER, &[("Sec-Purpose", "prefetch")]].concat(),
            // As they ask by themselves.
            vec![("Accept", "*/*"), ("User-Agent", "facebookexternalhit/1.1"), ("Range", "bytes=0-524287")],
            vec![("Accept", "*/*"), ("User-Agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)")],
            vec![("User-Agent", "WhatsApp/2.23.20.0")],
        ] {
            let answer = shop.site.ask(method, &link, &headers);
            // By HEAD a part is described, and nothing is sent of it.
            let is_part = method == "HEAD" && answer.status == 206;
            assert!(is_part || [200, 503].contains(&answer.status), "{method} {headers:?}: {}", answer.status);
            seen += 1;
        }
    }
    assert_eq!(seen, 16);
    assert_eq!((shop.states().len(), shop.units()), (0, (0, 0)));
}

fn preview_of(agent: &'static str) -> Vec<(&'static str, &'static str)> {
    let others = BROWSER.iter().filter(|(name, _)| *name != "User-Agent").copied();
    others.chain([("User-Agent", agent)]).collect()
}

#[test]
fn tools_and_whoever_resumes_get_the_file_at_once() {
    let shop = Shop::handing_off("");
    let html = ("Accept", "text/html,*/*;q=0.8");
    let mut seen = 0;
    for headers in [
        vec![],
        vec![("Accept", "*/*")],
        vec![("Accept", "application/octet-stream")],
        vec![html, ("Sec-Fetch-Mode", "cors")],
        vec![html, ("Sec-Fetch-Mode", "no-cors")],
        vec![html, ("Sec-Fetch-Mode", "navigate"), ("Range", "bytes=0-")],
        vec![html, ("Range", "bytes=0-")],
    ] {
        let answer = shop.site.ask("GET", &shop.link(1), &headers);
        assert_eq!(answer.status, 303, "{headers:?}");
        assert!(answer.header("Location").unwrap().starts_with("/dl/d/"), "{headers:?}");
        seen += 1;
    }
    for headers in [vec![html], vec![html, ("Sec-Fetch-Mode", "navigate")], vec![html, ("Sec-Fetch-Mode", "Navigate")]] {
        assert_page(&shop.site.ask("GET", &shop.link(1), &headers));
        seen += 1;
    }
    assert_eq!(seen, 10);
    let directory = tempfile::tempdir().unwrap();
    for (tool, arguments) in [("curl", vec!["-sSfL", "-o", "curl.zip"]), ("wget", vec!["-q", "-O", "wget.zip"])] {
        let url = format!("http://127.0.0.1:{}{}", shop.site.nginx.port, shop.link(1));
        let status = Command::new(tool).args(arguments).arg(&url).current_dir(&directory).status().unwrap();
        assert!(status.success(), "{tool}");
        assert!(std::fs::read(directory.path().join(format!("{tool}.zip"))).unwrap() == shop.bytes, "{tool}");
    }
}

#[test]
fn without_a_landing_page_a_browser_gets_the_file_at_once() {
    let shop = Shop::handing_off("landing = false");
    let answer = shop.visit(&shop.link(1));
    assert_eq!(answer.status, 303);
    assert!(answer.header("Location").unwrap().starts_with("/dl/d/"));
}

#[test]
fn what_would_be_refused_is_refused_before_the_button() {
    let shop = Shop::handing_off("");
    let link = shop.link(1);
    let delivery = shop.site.get(&link).header("Location").unwrap().to_owned();
    assert_eq!(shop.site.get(&delivery).body, shop.bytes);
    shop.until_used(1);
    let other = shop.site.ask("GET", &link, &[("Accept", "text/html"), ("User-Agent", "another"), ("Cookie", "cloakroom=another")]);
    assert_eq!((other.status, other.header("Cloakroom-Refusal")), (403, Some("limit_reached")));
    assert_eq!(other.header("Refresh"), None);
    let post = shop.site.ask("POST", &link, &[("Accept", "text/html"), ("User-Agent", "another"), ("Cookie", "cloakroom=another")]);
    assert_eq!((post.status, post.header("Cloakroom-Refusal")), (403, Some("limit_reached")));
}

#[test]
fn a_button_is_at_links_only_and_a_form_brings_nothing() {
    let shop = Shop::handing_off("");
    let link = shop.link(3);
    let delivery = shop.site.get(&link).header("Location").unwrap().to_owned();
    let signed = shop.site.sign(&format!("masters/{NAME}"), &[]);
    let mut seen = 0;
    for target in [delivery.as_str(), &delivery.replace("/d/", "/s/"), &signed, "/dl/", "/dl/x/y"] {
        let answer = shop.site.ask("POST", target, BROWSER);
        assert_eq!((answer.status, answer.header("Cloakroom-Refusal")), (400, Some("bad_request")), "{target}");
        seen += 1;
    }
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
        assert!(shop.site.ask(method, &link, BROWSER).status >= 400, "{method}");
        seen += 1;
    }
    assert_eq!(seen, 9);
    // What a form holds is not read, and nginx takes only little of it.
    for (target, bytes, status) in [(link.as_str(), 1000, 303), ("/dl/l/x", 2000, 413)] {
        let rest = format!("Content-Length: {bytes}\r\nConnection: close\r\n\r\n{}", "x".repeat(bytes));
        let head = format!("POST {target} HTTP/1.1\r\nHost: shop.example\r\nAccept: text/html\r\n{rest}");
        assert_eq!(Download::send(shop.site.nginx.port, head.as_bytes(), false).finish().status, status);
    }
    // A script without a page presses, and is sent on to the file.
    let answer = shop.site.ask("POST", &link, &[("Content-Length", "0")]);
    assert!(answer.status == 303 && answer.header("Location").unwrap().starts_with("/dl/d/"), "{}", answer.status);
}

#[test]
fn the_page_that_stays_tells_of_a_download_that_broke_off_and_goes_on_with_it() {
    let shop = Shop::handing_off("");
    let link = shop.link(2);
    let started = shop.press(&link);
    let delivery = onward(&shop.visit(&started));
    let part = shop.site.ask("GET", &delivery, &[("Range", "bytes=0-99999")]);
    assert_eq!((part.status, part.body.len()), (206, 100_000));
    shop.site.assert_reported(1);
    let page = until("what was received", || {
        let page = shop.visit(&started);
        page.text().contains("was interrupted").then_some(page)
    });
    assert!(assert_page(&page).contains("at least 33\u{a0}% (100\u{a0}kB)"), "{}", page.text());
    assert_eq!(page.header("Refresh"), None, "a reload does not begin it anew");
    assert!(assert_page(&shop.visit(&link)).contains("A download that you began is still open."));
    assert!(page.text().replace("&#x2f;", "/").contains(&format!("href=\"{delivery}\"")), "{}", page.text());
    let rest = shop.site.ask("GET", &delivery, &[("Range", "bytes=100000-")]);
    assert_eq!(rest.status, 206);
    assert_eq!([part.body, rest.body].concat(), shop.bytes);
    shop.until_used(1);
}

#[test]
fn looking_at_the_page_that_stays_begins_nothing() {
    let shop = Shop::handing_off("");
    let started = shop.press(&shop.link(1));
    let seen = shop.visit(&format!("{started}?seen"));
    assert_eq!(seen.header("Refresh"), None);
    assert!(assert_page(&seen).contains("Your download starts."));
    assert_eq!(shop.site.ask("HEAD", &started, BROWSER).status, 200);
    assert_eq!((shop.units(), shop.states()), ((0, 0), vec!["offered".to_owned()]));
}

#[test]
fn a_stub_is_reached_by_way_of_the_page_that_stays() {
    let shop = Shop::with_stubs();
    let link = shop.link(2);
    assert_page(&shop.visit(&link));
    let started = shop.press(&link);
    let page = shop.visit(&started);
    assert_page(&page);
    assert!(crate::servers::names_in(&shop.site.nginx.public()).is_empty(), "nothing is placed by looking");
    let go = onward(&page);
    assert_eq!(go, format!("{started}?go"));
    let answer = shop.visit(&go);
    assert_eq!(answer.status, 303, "{}", answer.text());
    let stub = answer.header("Location").unwrap();
    assert!(stub.starts_with("/pub/"), "{stub}");
    assert_eq!(shop.visit(stub).body, shop.bytes);
    shop.until_used(1);
    assert!(assert_page(&shop.visit(&started)).contains("has arrived"));
}

#[test]
fn a_copy_is_reached_by_way_of_the_page_that_stays() {
    let shop = Shop::with_copies();
    let url = shop.site.cloakroom.json(&["grant", "add", "--file", &format!("masters/{NAME}"), "--max", "3"]);
    let link = shop.site.target(url["url"].as_str().unwrap());
    let page = until("the copy", || {
        let answer = shop.visit(&link);
        (answer.status == 200).then_some(answer)
    });
    let text = assert_page(&page);
    assert!(text.contains("asks for a user name and a password"), "{text}");
    assert!(text.contains("SHA-256") && text.contains("<code>"), "the copy was compared: {text}");
    let started = shop.press(&link);
    assert!(started.starts_with("/dl/s/"), "{started}");
    let page = shop.visit(&started);
    assert_page(&page);
    let answer = shop.visit(&onward(&page));
    assert_eq!(answer.status, 303);
    assert!(answer.header("Location").unwrap().starts_with("/goods/"), "{:?}", answer.headers);
}

#[test]
fn who_reads_german_reads_german() {
    let shop = Shop::handing_off("");
    let german: Vec<_> =
        BROWSER.iter().map(|&(name, value)| (name, if name == "Accept-Language" { "de-DE,de;q=0.8,en;q=0.5" } else { value })).collect();
    let link = shop.link(5);
    let page = assert_page(&shop.site.ask("GET", &link, &german));
    for part in ["<html lang=\"de\">", "5 von 5", "Uhr UTC", "in 29 Tagen", "herunterladen"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let refused = shop.site.ask("GET", "/dl/l/nothing", &german);
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("Dieser Link ist nicht gültig."), "{}", refused.text());
}

#[test]
fn a_download_that_runs_is_told_to_run_and_is_not_begun_again() {
    let shop = Shop::handing_off("rate = \"20kB/s\"");
    let started = shop.press(&shop.link(1));
    let delivery = shop.site.remember(&onward(&shop.visit(&started)));
    let mut running = Download::open(shop.site.nginx.port, "GET", &delivery, BROWSER);
    running.read(10_000);
    let page = shop.visit(&started);
    assert!(assert_page(&page).contains("Your download is running."), "{}", page.text());
    assert_eq!(page.header("Refresh"), None);
    drop(running);
    until("that it broke off", || shop.visit(&started).text().contains("was interrupted").then_some(()));
}

#[test]
fn what_is_taken_back_is_refused_on_the_page_that_stays() {
    let shop = Shop::handing_off("");
    let started = shop.press(&shop.link(1));
    let list = shop.site.cloakroom.json(&["grant", "list"]);
    let grants = list.as_array().or_else(|| list["grants"].as_array()).unwrap();
    shop.site.cloakroom.say(&["grant", "revoke", grants[0]["id"].as_str().unwrap()]);
    let page = shop.visit(&started);
    assert_eq!((page.status, page.header("Cloakroom-Refusal"), page.header("Refresh")), (403, Some("revoked"), None));
}

#[test]
fn with_nobody_in_front_pages_and_button_are_the_same() {
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("a.zip"), content(50_000)).unwrap();
    let port = free_port();
    let text = format!(
        "[[listener]]\naddress = \"127.0.0.1:{port}\"\ndialect = \"standalone\"\nserve = \"web\"\n\n\
         [[storage]]\nname = \"masters\"\npath = \"{}\"\n",
        files.path().display()
    );
    // Below a path of its own, as behind a site that has others.
    let cloakroom = Cloakroom::with(&format!("http://127.0.0.1:{port}/x/y/"), &text);
    let link = cloakroom.link("masters/a.zip", 1);
    let link = link.strip_prefix(&format!("http://127.0.0.1:{port}")).unwrap();
    assert!(assert_page(&ask(port, "GET", link, BROWSER)).contains("1 of 1"));
    // What a form brings is left unread, however much it is.
    let body = format!("Content-Length: 100000\r\nConnection: close\r\n\r\n{}", "x".repeat(100_000));
    let head = format!("POST {link} HTTP/1.1\r\nHost: shop.example\r\nAccept: text/html\r\nUser-Agent: {}\r\n{body}", BROWSER[2].1);
    let pressed = Download::send(port, head.as_bytes(), false).finish();
    let started = pressed.header("Location").unwrap();
    assert!(pressed.status == 303 && started.starts_with("/x/y/s/"), "{pressed:?}");
    let delivery = onward(&ask(port, "GET", started, BROWSER));
    assert!(delivery.starts_with("/x/y/d/"), "{delivery}");
    assert_eq!(ask(port, "GET", &delivery, BROWSER).body, content(50_000));
    until("that it has arrived", || ask(port, "GET", started, BROWSER).text().contains("has arrived").then_some(()));
}
