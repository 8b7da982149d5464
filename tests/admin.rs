//! The admin listener of the real daemon: health that notices what is wrong, and metrics that others can read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

mod servers;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use servers::cloakroom::Cloakroom;
use servers::http::{ask, get};
use servers::nginx::{Nginx, NginxSetup};
use servers::{free_port, until};

/// A site with an admin listener: its port.
fn site() -> (Nginx, Cloakroom, u16) {
    let nginx = Nginx::start(&NginxSetup::default());
    fs::write(nginx.downloads().join("a.bin"), vec![7; 100_000]).unwrap();
    let port = free_port();
    let cloakroom = Cloakroom::behind(&nginx, &format!("[[listener]]\naddress = \"127.0.0.1:{port}\"\nserve = \"admin\"\n"));
    (nginx, cloakroom, port)
}

/// Everything that `text` says, by name and labels, if it is `OpenMetrics` 1.0 as far as we use it.
fn open_metrics(text: &str) -> BTreeMap<String, f64> {
    let (mut types, mut values) = (BTreeMap::new(), BTreeMap::new());
    let mut family = String::new();
    let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no end: {text}"));
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    for line in body.split_terminator('\n') {
        if let Some(comment) = line.strip_prefix("# ") {
            let [what, name, rest] = comment.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            assert!(is_name(name) && !rest.is_empty(), "{line}");
            match what {
                "TYPE" => {
                    assert!(["counter", "gauge", "info"].contains(&rest), "{line}");
                    assert_eq!(types.insert(name.to_owned(), rest.to_owned()), None, "{line}");
                }
                "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "{line}"),
                "HELP" => {}
                _ => panic!("{line}"),
            }
            // The lines of one family stand together, and no family comes back.
            if family != name {
                assert!(!values.keys().any(|known: &String| known.starts_with(&format!("{name}{{")) || known == name), "{line}");
                name.clone_into(&mut family);
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}"));
        let (name, labels) = series.split_once('{').map_or((series, None), |(name, labels)| (name, Some(labels)));
        let end = match types.get(&family).map(String::as_str) {
            Some("counter") => "_total",
            Some("info") => "_info",
            _ => "",
        };
        assert_eq!(name, format!("{family}{end}"), "{line}");
        if let Some(labels) = labels {
            for label in labels.strip_suffix('}').unwrap().split(',') {
                let (name, value) = label.split_once('=').unwrap();
                assert!(is_name(name) && value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "{line}");
            }
        }
        assert_eq!(values.insert(series.to_owned(), value.parse().unwrap()), None, "{line}");
    }
    values
}

fn metrics(port: u16) -> BTreeMap<String, f64> {
    let answer = get(port, "/metrics", &[]);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Content-Type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    open_metrics(&answer.text())
}

#[test]
fn metrics_are_open_metrics_and_move_with_the_requests() {
    let (nginx, cloakroom, port) = site();
    let target = |url: String| url.strip_prefix(&format!("http://127.0.0.1:{}", nginx.port)).unwrap().to_owned();
    let (signed, link) = (target(cloakroom.sign("masters/a.bin")), target(cloakroom.link("masters/a.bin", 2)));
    let before = metrics(port);
    assert!(before.len() >= 80);

    assert_eq!(get(nginx.port, &signed, &[]).status, 200);
    assert_eq!(get(nginx.port, "/dl/f/masters/a.bin", &[]).status, 401);
    assert_eq!(get(nginx.port, "/members/x", &[]).status, 401);
    assert_eq!(get(nginx.port, &format!("/members/x?{}", signed.split_once('?').unwrap().1), &[]).status, 403);
    assert_eq!(get(nginx.port, "/dl/f/masters%2fa.bin", &[]).status, 400);
    let click = get(nginx.port, &link, &[]);
    assert_eq!(click.status, 303);
    let whole = get(nginx.port, click.header("Location").unwrap(), &[]);
    assert_eq!((whole.status, whole.body.len()), (200, 100_000));

    let grown = |after: &BTreeMap<String, f64>, series: &str| after[series] - before[series];
    let completed = "cloakroom_deliveries_total{state=\"completed\"}";
    // The line is counted after what it changed.
    let settled = "cloakroom_feed_lines_total{outcome=\"settled\"}";
    let after = until("the delivery is settled", || Some(metrics(port)).filter(|after| grown(after, settled) >= 1.0));
    for (series, by) in [
        ("cloakroom_questions_total{kind=\"download\",outcome=\"allowed\"}", 3),
        ("cloakroom_questions_total{kind=\"download\",outcome=\"refused\"}", 1),
        ("cloakroom_questions_total{kind=\"authorize\",outcome=\"allowed\"}", 0),
        ("cloakroom_questions_total{kind=\"authorize\",outcome=\"refused\"}", 2),
        ("cloakroom_refusals_total{kind=\"download\",code=\"no_proof\"}", 1),
        ("cloakroom_refusals_total{kind=\"authorize\",code=\"no_proof\"}", 1),
        ("cloakroom_refusals_total{kind=\"authorize\",code=\"bad_proof\"}", 1),
        ("cloakroom_malformed_requests_total{listener=\"web\"}", 1),
        ("cloakroom_deliveries_total{state=\"open\"}", 1),
        (completed, 1),
        (settled, 1),
        ("cloakroom_reported_bytes_total", 100_000),
    ] {
        assert!((grown(&after, series) - f64::from(by)).abs() < 0.5, "{series} grew by {}, not {by}", grown(&after, series));
    }
    assert!(after["cloakroom_feed_settled_bytes"] > 0.0, "the report's line is settled");
    // nginx keeps its connections to us open, and this very question comes over one.
    for listener in ["web", "admin"] {
        assert!(after[&format!("cloakroom_connections{{listener=\"{listener}\"}}")] >= 1.0, "{listener}");
    }
    assert!(before.keys().eq(after.keys()), "no series comes or goes");
    nginx.assert_calm();
}

#[test]
fn each_line_of_the_feed_is_counted_by_what_became_of_it() {
    let (nginx, cloakroom, port) = site();
    let link = cloakroom.link("masters/a.bin", 1);
    let click = get(nginx.port, link.strip_prefix(&format!("http://127.0.0.1:{}", nginx.port)).unwrap(), &[]);
    assert_eq!(get(nginx.port, click.header("Location").unwrap(), &[]).status, 200);
    let reported = until("the report", || nginx.reported().pop());
    let key = |name: &str| reported.split_once(&format!("\"{name}\":\"")).unwrap().1.split_once('"').unwrap().0;
    let (delivery, request) = (key("delivery"), key("request"));
    let more = [
        // It was reported before; a request and a delivery that nobody knows.
        reported.clone(),
        reported.replace(request, "ffffffffffffffffffffffffffffffff"),
        reported.replace(delivery, "d-00000000000000000000"),
        reported.replace(delivery, ""),
        reported.replace(delivery, ""),
        "nonsense".to_owned(),
    ];
    let text = more.join("\n") + "\n";
    fs::OpenOptions::new().append(true).open(nginx.access_log()).unwrap().write_all(text.as_bytes()).unwrap();
    let of = |outcome: &str| format!("cloakroom_feed_lines_total{{outcome=\"{outcome}\"}}");
    let after = until("the last line", || Some(metrics(port)).filter(|after| after[&of("malformed")] >= 1.0));
    for (outcome, lines) in [("settled", 1), ("unknown", 3), ("other", 2), ("malformed", 1)] {
        assert!((after[&of(outcome)] - f64::from(lines)).abs() < 0.5, "{outcome}: {}, not {lines}", after[&of(outcome)]);
    }
}

#[test]
fn health_says_which_part_is_wrong_until_it_is_well_again() {
    let (nginx, _cloakroom, port) = site();
    let log = nginx.access_log();
    let aside = log.with_extension("aside");
    let well = || {
        let answer = get(port, "/health", &[]);
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"));
        let json = get(port, "/health", &[("Accept", "application/json")]);
        let said: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
        assert_eq!(said, serde_json::json!({"status": "ok", "parts": {"store": "ok", "feed": "ok", "storage": "ok"}}));
    };
    let ill = |part: &str, path: &Path| {
        let answer = get(port, "/health", &[]);
        assert_eq!(answer.status, 503, "{answer:?}");
        let text = answer.text();
        assert!(text.lines().count() == 1 && text.starts_with(&format!("{part}: ")) && text.contains(path.to_str().unwrap()), "{text}");
        let json = get(port, "/health", &[("Accept", "application/json")]);
        let said: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
        assert_eq!((json.status, said["status"].as_str()), (503, Some("failing")));
        assert!(said["parts"][part].as_str().unwrap().contains(path.to_str().unwrap()), "{said}");
    };
    well();
    fs::rename(&log, &aside).unwrap();
    ill("feed", &log);
    fs::create_dir(&log).unwrap();
    ill("feed", &log);
    fs::remove_dir(&log).unwrap();
    std::os::unix::fs::symlink("nowhere", &log).unwrap();
    ill("feed", &log);
    fs::remove_file(&log).unwrap();
    fs::rename(&aside, &log).unwrap();
    well();

    let (downloads, aside) = (nginx.downloads(), nginx.downloads().with_extension("aside"));
    fs::rename(&downloads, &aside).unwrap();
    ill("storage", &downloads);
    // Another directory at the same path, as a file system that is mounted later.
    fs::create_dir(&downloads).unwrap();
    ill("storage", &downloads);
    fs::remove_dir(&downloads).unwrap();
    fs::rename(&aside, &downloads).unwrap();
    well();
}

#[test]
fn nothing_else_is_there_and_nothing_is_changed_from_there() {
    let (_nginx, cloakroom, port) = site();
    let mut seen = 0;
    for (method, target, status) in [
        ("GET", "/", 404),
        ("GET", "/health/", 404),
        ("GET", "/metrics/x", 404),
        ("GET", "//metrics", 404),
        ("GET", "/METRICS", 404),
        ("GET", "/api/v1/deliveries", 404),
        ("POST", "/api/v1/links", 404),
        ("GET", "/dl/f/masters/a.bin", 404),
        ("GET", "/_cloakroom/authorize", 404),
        ("POST", "/health", 405),
        ("DELETE", "/metrics", 405),
        ("OPTIONS", "/metrics", 405),
        ("HEAD", "/metrics", 200),
        ("HEAD", "/health", 200),
        ("GET", "/metrics?x=y", 200),
    ] {
        let answer = ask(port, method, target, &[]);
        assert_eq!(answer.status, status, "{method} {target}");
        seen += 1;
    }
    assert!(seen >= 10);
    assert_eq!(cloakroom.json(&["delivery", "list"]), serde_json::json!([]));
}
