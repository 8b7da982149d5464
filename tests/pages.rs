//! What refused customers see, and what is asked of templates that take the place of the built-in ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloakroom::domain::account::Click;
use cloakroom::domain::client::Client;
use cloakroom::domain::delivery::Delivery;
use cloakroom::domain::file::Version;
use cloakroom::domain::id::{DeliveryId, GrantId, LinkId, RequestId};
use cloakroom::domain::language::Language;
use cloakroom::domain::moment::Moment;
use cloakroom::domain::range::Range;
use cloakroom::domain::refusal::Refusal;
use cloakroom::domain::support::SupportCode;
use cloakroom::pages::{Pages, Reader, Running, TemplateFault};
use sha2::{Digest, Sha256};

const SITE: &str = "shop.example";
const EN: Reader<'_> = Reader { language: Language::English, site: SITE };

fn support() -> SupportCode {
    SupportCode::of(&RequestId::parse("4f0c2b9d5e7a4c1f8a3e6d5b2c9f0e1a").unwrap())
}

/// Compares with `tests/golden/pages/<name>`; with `UPDATE_GOLDEN=1` in the environment it is written instead.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pages").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(kept, text, "{}", path.display());
}

/// The directory of a shop with these templates, and what comes of loading it.
fn load(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Pages, Vec<TemplateFault>>) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let loaded = Pages::load(Some(directory.path()));
    (directory, loaded)
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn each_refusal_is_one_line_of_text_with_its_code_and_the_support_code() {
    let pages = Pages::load(None).unwrap();
    let mut seen = 0;
    for &refusal in Refusal::ALL {
        let (media_type, line) = pages.refusal(refusal, &support(), false, EN);
        assert_eq!(media_type, "text/plain; charset=utf-8");
        assert_eq!(count(&line, "\n"), 1, "{line}");
        assert!(line.ends_with(&format!("({refusal}, {})\n", support())), "{line}");
        assert!(line.contains(refusal.sentence()), "{line}");
        golden(&format!("{refusal}.txt"), &line);
        seen += 1;
    }
    assert_eq!(seen, 32);
    let kept = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pages")).unwrap();
    let texts = kept.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|ending| ending == "txt")).count();
    assert_eq!(texts, seen, "a golden file is left over");
}

#[test]
fn each_refusal_has_a_page_that_stands_alone() {
    let pages = Pages::load(None).unwrap();
    let mut seen = 0;
    for &refusal in Refusal::ALL {
        let (media_type, page) = pages.refusal(refusal, &support(), true, EN);
        assert_eq!(media_type, "text/html; charset=utf-8");
        assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">\n"), "{page}");
        for (part, times) in [("<h1>", 1), ("</h1>", 1), ("<title>", 1), ("<main>", 1), ("<style>", 1), ("<meta name=\"viewport\"", 1)] {
            assert_eq!(count(&page, part), times, "{refusal}: {part}");
        }
        for banned in ["<script", " style=", "://", "src=", "href=", "url(", "@import", "{{", "{%", "undefined", "<form"] {
            assert!(!page.contains(banned), "{refusal}: {banned}");
        }
        assert!(page.contains(&format!("<h1>{}</h1>", refusal.sentence())), "{refusal}");
        assert!(page.contains(&support().to_string()), "{refusal}");
        assert!(page.contains(SITE), "{refusal}");
        assert!(page.contains("What you can do"), "{refusal}");
        assert!(page.len() < 8 * 1024, "{refusal}: {} bytes", page.len());
        seen += 1;
    }
    assert_eq!(seen, 32);
}

#[test]
fn the_pages_look_as_they_were_looked_at() {
    let pages = Pages::load(None).unwrap();
    for refusal in [Refusal::LinkExpired, Refusal::Overloaded, Refusal::DownloadRunning] {
        golden(&format!("{refusal}.html"), &pages.refusal(refusal, &support(), true, EN).1);
    }
}

#[test]
fn a_running_download_tells_how_to_go_on_with_it() {
    let (_, page) = Pages::load(None).unwrap().refusal(Refusal::DownloadRunning, &support(), true, EN);
    assert_eq!(count(&page, "<li>"), 3, "{page}");
    assert!(page.contains("already running") && page.contains("let it finish"), "{page}");
}

/// A download that was clicked from `address`, opened a quarter of an hour ago, of which 430 bytes of 1000 were sent.
fn running(address: &str) -> Delivery {
    let client = Client::new(address.parse().unwrap(), "Firefox");
    let key = client.key();
    let click = Click {
        link: LinkId::new([1; 12]),
        now: Moment::from_seconds(1_000_000),
        client,
        cookie: None,
        range: Range::Whole,
        fresh: DeliveryId::new([2; 12]),
        fresh_cookie: key,
        version: Version { size: 1000, modified: Moment::EPOCH, etag: "\"1\"".to_owned(), media_type: "application/zip".to_owned() },
    };
    let mut delivery = Delivery::offer(GrantId::new([3; 12]), &click);
    delivery.opened = Some(Moment::from_seconds(1_000_060));
    delivery.coverage.entry(key).or_default().add(0, 430);
    delivery
}

/// The text without what escaping did to it.
fn as_read(page: &str) -> String {
    page.replace("&#x2f;", "/")
}

fn now() -> Moment {
    Moment::from_seconds(1_000_960)
}

#[test]
fn a_running_download_tells_since_when_from_where_and_how_far() {
    let pages = Pages::load(None).unwrap();
    for (name, address, asking) in [
        ("download_running-elsewhere.html", "203.0.113.77", "198.51.100.9"),
        ("download_running-here.html", "2001:db8:12:3456::7", "2001:db8:12:ffff::1"),
    ] {
        let known = Running::of(&running(address), asking.parse().unwrap(), now());
        let (media_type, page) = pages.download_running(&known, &support(), true, EN);
        assert_eq!(media_type, "text/html; charset=utf-8");
        golden(name, &page);
        let text = pages.download_running(&known, &support(), false, EN);
        assert_eq!(text, pages.refusal(Refusal::DownloadRunning, &support(), false, EN));
    }
}

#[test]
fn a_running_download_tells_no_address_and_no_guess() {
    let pages = Pages::load(None).unwrap();
    let told = |delivery: &Delivery, asking: &str, now| {
        let known = Running::of(delivery, asking.parse().unwrap(), now);
        as_read(&pages.download_running(&known, &support(), true, EN).1)
    };
    for (address, asking, network, here) in [
        ("203.0.113.77", "198.51.100.9", "203.0.113.0/24", false),
        ("203.0.113.77", "203.0.113.200", "203.0.113.0/24", true),
        ("203.0.113.77", "::ffff:203.0.113.200", "203.0.113.0/24", true),
        ("203.0.113.77", "203.0.112.77", "203.0.113.0/24", false),
        ("2001:db8:12:3456::7", "2001:db8:12::1", "2001:db8:12::/48", true),
        ("2001:db8:12:3456::7", "2001:db8:13:3456::7", "2001:db8:12::/48", false),
    ] {
        let page = told(&running(address), asking, now());
        assert!(page.contains(network), "{address}: {page}");
        assert_eq!(page.contains("you use now, too"), here, "{address} {asking}");
        assert_eq!(page.contains("another network"), !here, "{address} {asking}");
        for secret in [address, asking, "Firefox"] {
            assert!(!page.contains(secret), "{secret}");
        }
    }
    for (covered, says) in [(0, None), (9, None), (10, Some("at least 1\u{a0}%")), (999, Some("at least 99\u{a0}%"))] {
        let mut delivery = running("203.0.113.77");
        delivery.coverage.clear();
        delivery.coverage.entry(Client::new([192, 0, 2, 1].into(), "").key()).or_default().add(0, covered);
        let page = told(&delivery, "192.0.2.1", now());
        assert_eq!(page.contains("at least"), says.is_some(), "{covered}");
        assert!(says.is_none_or(|says| page.contains(says)), "{covered}");
    }
    let early = told(&running("203.0.113.77"), "192.0.2.1", Moment::EPOCH);
    assert!(early.contains("less than a minute ago"), "a clock that was set back: {early}");
    let mut empty = running("203.0.113.77");
    empty.version.size = 0;
    assert!(!told(&empty, "192.0.2.1", now()).contains("at least"));
}

#[test]
fn a_template_may_use_what_is_known_of_a_running_download_where_it_is_known() {
    let with = "<p>{% if running %}{{ running.since }}, {{ running.network or \"somewhere\" }}{% endif %} {{ support }}</p>";
    let (_directory, pages) = load(&[("download-running.html", with)]);
    let pages = pages.unwrap();
    let known = Running::of(&running("203.0.113.77"), [192, 0, 2, 1].into(), now());
    let page = as_read(&pages.download_running(&known, &support(), true, EN).1);
    assert!(page.contains("<p>15 minutes ago, 203.0.113.0/24 R-"));
    assert!(pages.refusal(Refusal::DownloadRunning, &support(), true, EN).1.contains("<p> R-"));
    for (text, says) in [
        ("{{ running.since }}{{ support }}", "undefined value"),
        ("{% if running %}{{ running.address }}{% endif %}{{ support }}", "undefined value"),
        ("{% if running and running.here %}{{ 1 / 0 }}{% endif %}{{ support }}", "invalid operation"),
    ] {
        let (_directory, loaded) = load(&[("download-running.html", text)]);
        let faults = loaded.unwrap_err();
        assert!(faults.iter().any(|fault| fault.problem.contains(says)), "{text}: {faults:?}");
    }
}

#[test]
fn the_browser_applies_exactly_the_style_that_stands_in_the_page() {
    let pages = Pages::load(None).unwrap();
    let policy = pages.content_security_policy();
    let mut seen = 0;
    for &refusal in Refusal::ALL {
        let (_, page) = pages.refusal(refusal, &support(), true, EN);
        let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let hash = STANDARD.encode(Sha256::digest(style));
        assert_eq!(
            policy,
            format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
        );
        seen += 1;
    }
    assert_eq!(seen, Refusal::ALL.len());
}

#[test]
fn a_hostile_site_name_is_only_text() {
    let pages = Pages::load(None).unwrap();
    for site in ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</title></style><b>", "{{ 7 * 7 }}", "a & b's \"shop\""] {
        let (_, page) = pages.refusal(Refusal::Expired, &support(), true, Reader { language: Language::English, site });
        assert!(!page.contains(site) || site.starts_with("{{"), "{site}");
        for tag in ["<script", "<img", "<b>"] {
            assert!(!page.contains(tag), "{site}");
        }
        assert!(!page.contains("49"), "{site}");
        assert_eq!((count(&page, "</title>"), count(&page, "</style>")), (1, 1), "{site}");
    }
}

#[test]
fn a_directory_replaces_the_templates_that_it_has_and_no_others() {
    let own = "{% extends \"layout.html\" %}\n{% block main %}<h1>{{ sentence }}</h1><p>Our words. {{ support }}</p>{% endblock %}\n";
    let (_directory, pages) = load(&[("refusal.html", own), (".refusal.html.swp", "\u{1}"), ("notes.txt", "{{"), ("refusal.html~", "{{")]);
    let pages = pages.unwrap();
    let (_, page) = pages.refusal(Refusal::Expired, &support(), true, EN);
    assert!(page.contains("Our words.") && page.contains("<html lang=\"en\">"), "{page}");
    assert_eq!(pages.content_security_policy(), Pages::load(None).unwrap().content_security_policy());
}

#[test]
fn a_style_of_ones_own_is_in_the_policy_as_a_browser_sees_it() {
    // A browser turns CR LF into LF before it hashes.
    let (_directory, pages) = load(&[("style.css", "\u{feff}h1 > b { color: red; }\r\np { margin: 0 }\r")]);
    let pages = pages.unwrap();
    let seen = "h1 > b { color: red; }\np { margin: 0 }\n";
    let (_, page) = pages.refusal(Refusal::Expired, &support(), true, EN);
    assert!(page.contains(&format!("<style>{seen}</style>")), "{page}");
    assert!(pages.content_security_policy().contains(&STANDARD.encode(Sha256::digest(seen))));

    let two = "<!doctype html><STYLE media=all>a{}</STYLE><style>b{}</style>{{ support }}";
    let (_directory, pages) = load(&[("refusal.html", two), ("download-running.html", two)]);
    let policy = pages.unwrap().content_security_policy().to_owned();
    for style in ["a{}", "b{}"] {
        assert!(policy.contains(&STANDARD.encode(Sha256::digest(style))), "{style}: {policy}");
    }

    let (_directory, pages) = load(&[("layout.html", "<title>{{ site }}</title>{% block main %}{% endblock %}")]);
    assert!(pages.unwrap().content_security_policy().contains("style-src 'none';"));
}

#[test]
fn a_template_that_cannot_work_is_refused_with_its_place_and_what_would_be_right() {
    let page = |text: &str| format!("<!doctype html>\n{text}\n<p>{{{{ support }}}}</p>\n");
    for (name, text, line, says) in [
        ("refusal.html", page("{{ titel }}"), Some(2), "`titel` is not a name of this page; known are advice, code, language, passing"),
        ("refusal.html", page("{% if code == \"nonsense\" %}{{ titel }}{% endif %}"), Some(2), "`titel`"),
        ("refusal.html", page("{{ site.name }}"), Some(2), "undefined value"),
        ("refusal.html", page("{% if passing %}"), Some(3), "syntax error"),
        ("refusal.html", page("{{ site"), Some(3), "syntax error"),
        ("refusal.html", page("{{ site | uper }}"), Some(2), "unknown filter"),
        ("refusal.html", page("{% if code == \"expired\" %}{{ status / 0 }}{% endif %}"), Some(2), "invalid operation"),
        ("refusal.html", page("{% include \"footer.html\" %}"), Some(2), "there are layout.html, refusal.html"),
        ("refusal.html", page("{% include \"refusal.html\" %}"), Some(2), ""),
        ("refusal.html", "<h1>{{ sentence }}</h1>".to_owned(), None, "must show `{{ support }}`"),
        ("refusal.html", page("<style>.a { content: \"{{ site }}\" }</style>"), None, "must be the same for all"),
        ("refusal.html", page("{% for a in range(9999) %}{{ why }}{% endfor %}"), None, "bytes; that is the most"),
        ("refusal.html", page("<SCRIPT>1</SCRIPT>"), Some(2), "a page has no script"),
        ("refusal.html", page("<p style=\"color: red\">"), Some(2), "`style=` cannot work: write it into style.css"),
        ("layout.html", page("<img src=\"/logo.png\">{% block main %}{% endblock %}"), Some(2), "draw it as <svg>"),
        ("layout.html", page("<link rel=stylesheet href=a.css>"), Some(2), "write styles into style.css"),
        ("download-running.html", page("{{ since }}"), Some(2), "`since` is not a name"),
        ("style.css", "a {}\nb { background: URL(x.png) }\n".to_owned(), Some(2), "a style loads nothing"),
        ("style.css", "a {}\n\n</style><b>".to_owned(), Some(3), "a style has no tags"),
        ("style.css", "a".repeat(64 * 1024 + 1), None, "has more than 65536 bytes"),
        ("style.css", "a {}\0".to_owned(), None, "zero byte"),
        ("refusals.html", page(""), None, "is not the name of a template; they are layout.html, refusal.html"),
    ] {
        let (directory, loaded) = load(&[(name, &text)]);
        let Err(faults) = loaded else { panic!("{name} was accepted: {text}") };
        let place = directory.path().join(name);
        let found = faults.iter().find(|fault| fault.path == place && fault.problem.contains(says));
        let Some(found) = found else { panic!("{text}\n{faults:#?}") };
        assert_eq!(found.line, line, "{text}\n{faults:#?}");
        let number = line.map(|line| format!("{line}:")).unwrap_or_default();
        assert_eq!(found.to_string(), format!("{}:{number} {}", place.display(), found.problem));
        // One mistake is told once, not once a refusal.
        assert_eq!(faults.iter().filter(|fault| *fault == found).count(), 1, "{faults:#?}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let (_directory, loaded) = load(&[("refusal.html", "{{ one }}\n{{ two }}"), ("style.css", "@import \"a\";")]);
    assert_eq!(loaded.unwrap_err().len(), 3);
    let (_directory, loaded) = load(&[("refusal.html", "{{"), ("layout.html", "{%")]);
    assert_eq!(loaded.unwrap_err().len(), 2);
}

#[test]
fn a_directory_that_is_not_there_or_not_text_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let faults = Pages::load(Some(&missing)).unwrap_err();
    assert!(faults[0].to_string().contains("it must be a directory of templates"), "{faults:?}");
    fs::write(directory.path().join("style.css"), [0xff, 0xfe]).unwrap();
    fs::create_dir(directory.path().join("layout.html")).unwrap();
    let faults = Pages::load(Some(directory.path())).unwrap_err();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].problem.contains("must be a file") && faults[1].problem.contains("it must be UTF-8"), "{faults:?}");
}

#[test]
fn a_template_that_fails_only_for_one_site_leaves_the_line_of_text() {
    let text = "{{ support }}{% if site == \"odd.example\" %}{{ status / 0 }}{% endif %}";
    let (_directory, pages) = load(&[("refusal.html", text)]);
    let pages = pages.unwrap();
    assert_eq!(pages.refusal(Refusal::Expired, &support(), true, EN).0, "text/html; charset=utf-8");
    let (media_type, line) = pages.refusal(Refusal::Expired, &support(), true, Reader { language: Language::English, site: "odd.example" });
    assert_eq!((media_type, line), pages.refusal(Refusal::Expired, &support(), false, EN));
}

/// WCAG 2.2's contrast ratio of two colours written as `#rrggbb`.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |colour: &str| {
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126f64.mul_add(part(1), 0.7152f64.mul_add(part(3), 0.0722 * part(5)))
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn every_text_can_be_read_by_day_and_by_night() {
    let (_, page) = Pages::load(None).unwrap().refusal(Refusal::Expired, &support(), true, EN);
    let colours = |name: &str| {
        let (_, rest) = page.split_once(&format!("--{name}: light-dark(")).unwrap_or_else(|| panic!("no colour {name}"));
        let (light, dark) = rest.split_once(')').unwrap().0.split_once(", ").unwrap();
        [light.to_owned(), dark.to_owned()]
    };
    for (text, ground) in [
        ("text", "surface"),
        ("text", "sunk"),
        ("muted", "ground"),
        ("muted", "surface"),
        ("muted", "sunk"),
        ("accent", "accent-ground"),
        ("warn", "warn-ground"),
    ] {
        for (text_colour, ground_colour) in colours(text).iter().zip(&colours(ground)) {
            let ratio = contrast(text_colour, ground_colour);
            assert!(ratio >= 4.5, "{text} on {ground}: {text_colour} on {ground_colour} is {ratio:.2}");
        }
    }
    assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 0.01);
}
