//! The JSON API over its socket: what is wrong is told as problem+json (RFC 9457), with what would be right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use servers::cloakroom::Cloakroom;
use tempfile::TempDir;

/// A daemon with one storage, one file and one policy beside the default one.
struct Api {
    daemon: Cloakroom,
    _masters: TempDir,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    media_type: String,
    body: Value,
}

const JSON: &str = "Content-Type: application/json\r\n";

impl Api {
    fn start() -> Self {
        Self::with("")
    }

    /// The same with more in its configuration.
    fn with(more: &str) -> Self {
        let masters = TempDir::new().unwrap();
        fs::write(masters.path().join("a b.zip"), "the goods").unwrap();
        let more = format!(
            "[[listener]]\naddress = \"127.0.0.1:0\"\ndialect = \"standalone\"\n\n\
             [[storage]]\nname = \"masters\"\npath = \"{}\"\n\n\
             [[policy]]\nname = \"default\"\nmethod = [\"stream\"]\n\n[[policy]]\nname = \"gold\"\nmax_downloads = \"unlimited\"\n\n{more}",
            masters.path().display()
        );
        Self { daemon: Cloakroom::with("https://shop.example/dl/", &more), _masters: masters }
    }

    fn socket(&self) -> PathBuf {
        self.daemon.state().join("api.sock")
    }

    /// Sends a request as it is given, and reads the answer.
    fn send(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!("{head}Host: cloakroom\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        // An answer may come before a body that is too large was read to its end.
        let _ = stream.write_all(body);
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no status: {line:?}")).parse().unwrap();
        let (mut media_type, mut length) = (String::new(), None);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-type" => media_type.push_str(value),
                "content-length" => length = value.parse::<usize>().ok(),
                _ => {}
            }
        }
        let mut text = Vec::new();
        reader.take(length.unwrap_or(1 << 20) as u64).read_to_end(&mut text).unwrap();
        let body = serde_json::from_slice(&text).unwrap_or_else(|_| json!(String::from_utf8_lossy(&text)));
        Answer { status, media_type, body }
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(&format!("POST {path} HTTP/1.1\r\n{JSON}"), body.to_string().as_bytes())
    }

    fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\n"), b"")
    }
}

#[track_caller]
fn is_problem(answer: &Answer, status: u16, words: &[&str]) {
    assert_eq!((answer.status, answer.media_type.as_str()), (status, "application/problem+json"), "{answer:?}");
    let fields: Vec<&String> = answer.body.as_object().unwrap_or_else(|| panic!("{answer:?}")).keys().collect();
    assert!(fields.iter().all(|field| ["code", "detail", "errors", "status", "title", "type"].contains(&field.as_str())), "{answer:?}");
    let kind = answer.body["code"].as_str().map_or_else(|| "about:blank".to_owned(), |code| format!("urn:cloakroom:refusal:{code}"));
    assert_eq!(answer.body["type"], kind, "{answer:?}");
    assert_eq!(answer.body["status"], status);
    let detail = answer.body["detail"].as_str().unwrap();
    for word in words {
        assert!(detail.contains(word), "{word:?} is not in: {detail}");
    }
}

#[test]
fn a_grant_is_made_with_the_limits_that_were_given() {
    let api = Api::start();
    for (wanted, max, expires) in [
        (json!({ "file": "masters/a b.zip" }), json!(5), true),
        (json!({ "file": "masters/a b.zip", "policy": "gold" }), Value::Null, true),
        (json!({ "file": "masters/a b.zip", "policy": "gold", "max_downloads": "3", "valid_for": "unlimited" }), json!(3), false),
        (json!({ "file": "masters/a b.zip", "max_downloads": "0", "customer": "Müller & Töchter" }), json!(0), true),
        (json!({ "file": "masters/a b.zip", "max_downloads": null, "policy": null, "valid_for": "1h" }), json!(5), true),
    ] {
        let made = api.post("/api/v1/grants", &wanted);
        assert_eq!((made.status, made.media_type.as_str()), (200, "application/json"), "{wanted}: {made:?}");
        let url = made.body["url"].as_str().unwrap();
        assert!(url.starts_with("https://shop.example/dl/l/") && url.ends_with("/a%20b.zip"), "{url}");
        assert!(made.body["link"].as_str().unwrap().starts_with("l-"), "{made:?}");
        assert_eq!(made.body["grant"]["max_downloads"], max, "{wanted}");
        assert_eq!(made.body["grant"]["expires"].is_string(), expires, "{wanted}");
        assert_eq!(made.body["grant"]["customer"], wanted.get("customer").cloned().unwrap_or_else(|| json!("")));
    }
}

#[test]
fn a_grant_that_cannot_be_made_says_what_would_be_right() {
    let api = Api::start();
    for (wanted, status, words) in [
        (json!({}), 422, &["file"][..]),
        (json!({ "file": 7 }), 422, &["file", "string"]),
        (json!({ "file": "masters/a b.zip", "colour": "red" }), 422, &["colour", "max_downloads"]),
        (json!(["masters/a b.zip", ["x"]]), 422, &[]),
        (json!({ "file": "" }), 422, &["STORAGE/PATH"]),
        (json!({ "file": "masters" }), 422, &["`masters`", "STORAGE/PATH"]),
        (json!({ "file": "masters/" }), 422, &["empty segment"]),
        (json!({ "file": "masters/../keys/main" }), 422, &["`..`"]),
        (json!({ "file": "masters/a\u{0}b" }), 422, &["control character"]),
        (json!({ "file": "other/a.zip" }), 422, &["`other`", "masters"]),
        (json!({ "file": "masters/none.zip" }), 404, &["masters/none.zip", "no such file"]),
        (json!({ "file": "masters/a b.zip", "policy": "silver" }), 422, &["`silver`", "default", "gold"]),
        (json!({ "file": "masters/a b.zip", "max_downloads": "-1" }), 422, &["max_downloads", "unlimited"]),
        (json!({ "file": "masters/a b.zip", "max_downloads": "99999999999" }), 422, &["max_downloads"]),
        (json!({ "file": "masters/a b.zip", "valid_for": "soon" }), 422, &["valid_for", "\"30d\""]),
        (json!({ "file": "masters/a b.zip", "customer": "x".repeat(257) }), 422, &["customer", "256"]),
        (json!({ "file": "masters/a b.zip", "customer": "a\nb" }), 422, &["customer", "control"]),
    ] {
        is_problem(&api.post("/api/v1/grants", &wanted), status, words);
    }
    assert_eq!(api.get("/api/v1/deliveries").body, json!([]), "nothing was made");
}

#[test]
fn bodies_that_are_no_json_or_too_large_are_refused() {
    let api = Api::start();
    for path in ["/api/v1/grants", "/api/v1/explain"] {
        let line = format!("POST {path} HTTP/1.1\r\n");
        let typed = format!("{line}{JSON}");
        for body in [&b""[..], b"{", b"nonsense", &[0xff, 0xfe]] {
            is_problem(&api.send(&typed, body), 400, &["JSON"]);
        }
        is_problem(&api.send(&typed, "[".repeat(60_000).as_bytes()), 422, &["expected a string"]);
        is_problem(&api.send(&line, b"{}"), 415, &["content-type: application/json"]);
        is_problem(&api.send(&format!("{line}Content-Type: text/plain\r\n"), b"{}"), 415, &["content-type"]);
        let large = json!({ "what": "x".repeat(70_000) }).to_string();
        is_problem(&api.send(&typed, large.as_bytes()), 413, &["65536"]);
    }
    // Whatever was sent, it goes on.
    assert_eq!(api.get("/api/v1/deliveries").status, 200);
}

#[test]
fn reports_are_lines_of_which_each_is_counted_and_too_many_are_refused() {
    let line = "POST /api/v1/reports HTTP/1.1\r\n";
    is_problem(&Api::start().send(line, b"{}\n"), 409, &["has no [feed]", "from = \"api\""]);
    let api = Api::with("[feed]\nfrom = \"api\"\n");
    let report = |delivery: &str| {
        format!(
            "{{\"v\":\"1\",\"time\":\"1795292217.083\",\"request\":\"a\",\"delivery\":\"{delivery}\",\"status\":\"200\",\"method\":\"GET\",\
             \"bytes\":\"3\",\"done\":\"OK\",\"range\":\"\",\"length\":\"3\",\"encoding\":\"\",\"type\":\"text/plain\"}}"
        )
    };
    let (unknown, other) = (report("d-00000000000000000000"), report(""));
    let mut seen = 0;
    for (body, unknowns, others, faults) in [
        (String::new(), 0, 0, 0),
        ("\n".to_owned(), 0, 0, 0),
        (unknown.clone(), 1, 0, 0),
        (format!("{unknown}\n{other}\n"), 1, 1, 0),
        (format!("{unknown}\nnonsense\n\n{}", &other[..50]), 1, 0, 3),
        ("x\n".repeat(1024), 0, 0, 1024),
        ("x".repeat(256 * 1024), 0, 0, 1),
    ] {
        let answer = api.send(line, body.as_bytes());
        let of = |name: &str| answer.body[name].as_u64();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!((of("settled"), of("unknown"), of("other"), of("malformed")), (Some(0), Some(unknowns), Some(others), Some(faults)));
        assert_eq!(answer.body["first_fault"].is_string(), faults > 0, "{answer:?}");
        seen += 1;
    }
    assert_eq!(seen, 7);
    is_problem(&api.send(line, "x\n".repeat(1025).as_bytes()), 413, &["at most 1024 lines"]);
    is_problem(&api.send(line, "x".repeat(270_000).as_bytes()), 413, &["at most 262144 bytes"]);
    is_problem(&api.send("GET /api/v1/reports HTTP/1.1\r\n", b""), 405, &["another method"]);
    assert_eq!(api.get("/api/v1/deliveries").status, 200);
}

#[test]
fn other_calls_and_methods_are_told_what_there_is() {
    let api = Api::start();
    for (line, status, words) in [
        ("GET / HTTP/1.1\r\n", 404, &["/api/v1/"][..]),
        ("GET /api/v1/ HTTP/1.1\r\n", 404, &["/api/v1/"]),
        ("GET /api/v2/links HTTP/1.1\r\n", 404, &["/api/v1/"]),
        ("POST /api/v1/grants/ HTTP/1.1\r\nContent-Type: application/json\r\n", 404, &["/api/v1/"]),
        ("DELETE /api/v1/grants HTTP/1.1\r\n", 405, &["another method"]),
        ("DELETE /api/v1/deliveries HTTP/1.1\r\n", 405, &["another method"]),
        ("PUT /api/v1/explain HTTP/1.1\r\n", 405, &["another method"]),
        ("GET /api/v1/deliveries?colour=red HTTP/1.1\r\n", 400, &["colour", "limit"]),
        ("GET /api/v1/deliveries?limit=many HTTP/1.1\r\n", 400, &["limit"]),
        ("GET /api/v1/deliveries?limit=0 HTTP/1.1\r\n", 422, &["1 to 1000"]),
        ("GET /api/v1/deliveries?limit=1001 HTTP/1.1\r\n", 422, &["1 to 1000"]),
        ("GET /api/v1/deliveries?grant=d-1 HTTP/1.1\r\n", 422, &["`g-`"]),
        ("GET /api/v1/deliveries?grant=g-00000000000000000000 HTTP/1.1\r\n", 404, &["no such grant", "grant list"]),
        ("GET /api/v1/deliveries?before=g-00000000000000000000 HTTP/1.1\r\n", 422, &["before", "`d-`"]),
        ("GET /api/v1/deliveries?before=d-00000000000000000000 HTTP/1.1\r\n", 404, &["no delivery d-00000000000000000000"]),
        ("GET /api/v1/deliveries/d-1 HTTP/1.1\r\n", 422, &["`d-`"]),
        ("GET /api/v1/deliveries/%ff HTTP/1.1\r\n", 400, &["UTF-8"]),
        ("GET /api/v1/deliveries/d-00000000000000000000 HTTP/1.1\r\n", 404, &["no such delivery"]),
        ("GET /api/v1/deliveries/newest HTTP/1.1\r\n", 404, &["no deliveries yet"]),
    ] {
        is_problem(&api.send(line, b""), status, words);
    }
    for path in ["/api/v1/deliveries", "/api/v1/deliveries?limit=1", "/api/v1/deliveries?limit=1000"] {
        let listed = api.get(path);
        assert_eq!((listed.status, &listed.body), (200, &json!([])), "{path}");
    }
}

#[test]
fn a_change_that_cannot_be_says_what_would_be_right() {
    let api = Api::start();
    let made = api.post("/api/v1/grants", &json!({ "file": "masters/a b.zip" }));
    let (grant, link) = (made.body["grant"]["id"].as_str().unwrap(), made.body["link"].as_str().unwrap());
    let extend = format!("/api/v1/grants/{grant}/extend");
    for (body, status, words) in [
        (json!({}), 422, &["`for` or `until`", "max_downloads"][..]),
        (json!({ "for": "1d", "until": "2099-01-01" }), 422, &["either `for` or `until`"]),
        (json!({ "for": 7 }), 422, &["for", "string"]),
        (json!({ "longer": "1d" }), 422, &["longer", "until"]),
        (json!({ "for": "soon" }), 422, &["for: `soon`", "\"30d\"", "unlimited"]),
        (json!({ "for": "36500d" }), 422, &["within 100 years"]),
        (json!({ "until": "2099-02-30" }), 422, &["until: `2099-02-30`", "2027-01-31"]),
        (json!({ "until": "1999-12-31" }), 422, &["2000-01-01T00:00:00Z is over"]),
        (json!({ "max_downloads": "+" }), 422, &["max_downloads: `+`", "4294967295"]),
        (json!({ "max_downloads": "+4294967295" }), 422, &["more than 4294967295"]),
        (json!({ "for": "1d", "max_downloads": "some" }), 422, &["max_downloads: `some`"]),
    ] {
        is_problem(&api.post(&extend, &body), status, words);
    }
    let untouched = api.get(&format!("/api/v1/grants/{grant}"));
    assert_eq!(untouched.body["history"].as_array().unwrap().len(), 1, "nothing was changed: {untouched:?}");
    let (nobody, no_link) = ("g-00000000000000000000", "l-00000000000000000000");
    for call in ["suspend", "resume", "revoke", "reset"] {
        is_problem(&api.post(&format!("/api/v1/grants/{nobody}/{call}"), &json!({})), 404, &["no such grant", "grant list"]);
        is_problem(&api.post(&format!("/api/v1/grants/{link}/{call}"), &json!({})), 422, &["`g-`"]);
        is_problem(&api.get(&format!("/api/v1/grants/{grant}/{call}")), 405, &["another method"]);
    }
    for (path, body, status, words) in [
        (format!("/api/v1/grants/{nobody}/extend"), json!({ "for": "1d" }), 404, &["no such grant"][..]),
        (format!("/api/v1/grants/{nobody}/links"), json!({}), 404, &["no such grant"]),
        (format!("/api/v1/grants/{grant}/links"), json!({ "valid_for": "unlimited" }), 422, &["valid_for: `unlimited`", "\"30d\""]),
        (format!("/api/v1/grants/{grant}/links"), json!({ "ttl": "1d" }), 422, &["ttl", "valid_for"]),
        (format!("/api/v1/links/{no_link}/revoke"), json!({}), 404, &["no such link", "grant show"]),
        (format!("/api/v1/links/{grant}/revoke"), json!({}), 422, &["`l-`"]),
    ] {
        is_problem(&api.post(&path, &body), status, words);
    }
    for (path, status, words) in [
        (format!("/api/v1/grants/{nobody}"), 404, &["no such grant"][..]),
        ("/api/v1/grants/x".to_owned(), 422, &["`x` must be `g-`"]),
        (format!("/api/v1/grants/{nobody}/evidence"), 404, &["no such grant"]),
        ("/api/v1/grants?limit=0".to_owned(), 422, &["1 to 1000"]),
        ("/api/v1/grants?file=nope".to_owned(), 422, &["file: `nope`", "STORAGE/PATH"]),
        ("/api/v1/grants?before=x".to_owned(), 422, &["before: `x`", "`g-`"]),
        ("/api/v1/grants?colour=red".to_owned(), 400, &["colour", "customer"]),
        ("/api/v1/stats?by=month".to_owned(), 422, &["by: `month`", "`hour` or `day`"]),
        ("/api/v1/stats?from=x".to_owned(), 422, &["from: `x`", "2027-01-31"]),
        ("/api/v1/stats?since=x".to_owned(), 400, &["since", "from"]),
    ] {
        is_problem(&api.get(&path), status, words);
    }
    // A revoked one stays so, and says it.
    assert_eq!(api.post(&format!("/api/v1/grants/{grant}/revoke"), &json!({})).body["grant"]["state"], "revoked");
    is_problem(&api.post(&extend, &json!({ "for": "1d" })), 409, &[grant, "stays revoked for good"]);
    is_problem(&api.post(&format!("/api/v1/grants/{grant}/links"), &json!({})), 409, &["stays revoked for good"]);
}

#[test]
fn the_history_keeps_who_called_and_with_what_and_no_answer_but_a_makers_has_a_token() {
    let api = Api::start();
    let agent = |agent: &str, path: &str, body: &Value| {
        api.send(&format!("POST {path} HTTP/1.1\r\n{JSON}User-Agent: {agent}\r\n"), body.to_string().as_bytes())
    };
    let made = agent("zencart/2.1 (shop)", "/api/v1/grants", &json!({ "file": "masters/a b.zip" })).body;
    let grant = made["grant"]["id"].as_str().unwrap();
    let more = agent(&"x".repeat(300), &format!("/api/v1/grants/{grant}/links"), &json!({})).body;
    let mut answers = vec![api.post(&format!("/api/v1/grants/{grant}/suspend"), &json!({}))];
    answers.push(api.get(&format!("/api/v1/grants/{grant}")));
    let history = answers[1].body["history"].clone();
    answers.push(api.get(&format!("/api/v1/grants/{grant}/evidence")));
    answers.push(api.get("/api/v1/grants"));
    answers.push(api.post(&format!("/api/v1/links/{}/revoke", made["link"].as_str().unwrap()), &json!({})));
    let user = std::process::Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8(user.stdout).unwrap();
    let authors: Vec<&str> = history.as_array().unwrap().iter().map(|entry| entry["author"].as_str().unwrap()).collect();
    let user = user.trim();
    assert_eq!(authors, [format!("{user} (zencart/2.1 (shop))"), format!("{user} ({})", "x".repeat(64)), format!("{user} (api)")]);
    for made in [&made, &more] {
        let token = made["url"].as_str().unwrap().split('/').nth(5).unwrap();
        assert_eq!(token.len(), 40, "{made}");
        for answer in &answers {
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(!answer.body.to_string().contains(token), "{answer:?}");
        }
    }
}

#[test]
fn explain_answers_with_steps_or_says_what_it_takes() {
    let api = Api::start();
    let told = api.post("/api/v1/explain", &json!({ "what": "/dl/f/masters/a%20b.zip", "from": "192.0.2.1" }));
    assert_eq!((told.status, told.body["outcome"].as_str()), (200, Some("no_proof")), "{told:?}");
    assert!(told.body["steps"].as_array().is_some_and(|steps| steps.iter().all(|step| step["held"].is_boolean())), "{told:?}");
    for (what, status, words) in [
        (json!({}), 422, &["what"][..]),
        (json!({ "what": "/", "from": "here" }), 422, &["from"]),
        (json!({ "what": "/", "who": "me" }), 422, &["who"]),
        (json!({ "what": "" }), 404, &["support code"]),
        (json!({ "what": "R-0000-0000" }), 404, &["support=R-0000-0000"]),
        (json!({ "what": "https://elsewhere.example/a" }), 404, &["https://shop.example/"]),
    ] {
        is_problem(&api.post("/api/v1/explain", &what), status, words);
    }
}

#[test]
fn the_socket_is_not_for_everybody() {
    let api = Api::start();
    let mode = fs::metadata(api.socket()).unwrap().mode() & 0o7777;
    assert_eq!(mode, 0o660);
}
