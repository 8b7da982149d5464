//! What nginx does when Cloakroom is gone, broken or strange; and what Cloakroom does when somebody crowds its doors.
//! The table below is the documentation: protected files of the site open on 2xx and nothing else, private files only by
//! a hand-off.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

#[path = "fail_closed/backend.rs"]
mod backend;
#[path = "hostile/raw.rs"]
mod raw;
mod servers;

use std::fs;
use std::os::unix::net::UnixListener;
use std::thread;

use backend::{Backend, Then};
use raw::ask;
use servers::nginx::{Nginx, NginxSetup};

const SECRET: &str = "<<protected>>";

/// What one kind of backend answers, and what nginx makes of it.
struct Row {
    name: &'static str,
    /// What it sends as soon as a request has come.
    says: Vec<u8>,
    /// What it does then.
    then: Then,
    /// The status of a protected location; 200 is its file.
    authorize: u16,
    /// The status of a download. None of them is a private file.
    download: u16,
}

fn row(name: &'static str, says: impl Into<Vec<u8>>, authorize: u16, download: u16) -> Row {
    Row { name, says: says.into(), then: Then::Close, authorize, download }
}

/// A whole answer with a status and headers.
fn answer(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n{headers}\r\n")
}

fn table() -> Vec<Row> {
    vec![
        // No answer.
        row("hangs up", "", 500, 502),
        Row { then: Then::Wait, ..row("says nothing", "", 500, 504) },
        Row { then: Then::Wait, ..row("stops in its head", "HTTP/1.1 200 OK\r\nContent-Le", 500, 504) },
        row("a cut status line", "HTTP/1.1 2", 500, 502),
        row("a cut head", "HTTP/1.1 200 OK\r\nContent-Le", 500, 502),
        row("a head without an end", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", 500, 502),
        row("a head that is too long", answer("200 OK", &format!("X: {}\r\n", "x".repeat(9000))), 500, 502),
        row("a header with NUL", answer("200 OK", "X: a\0b\r\n"), 500, 502),
        // Taken for HTTP/0.9, and passed on without a head (0).
        row("no HTTP", "\x16\x03\x01 what is this?\r\n\r\n", 500, 0),
        row("an HTML page without a head", "<html>200 OK</html>\r\n\r\n", 500, 0),
        row("no number for a status", "HTTP/1.1 OK\r\n\r\n", 500, 0),
        // Answers that are none of ours.
        row("100", "HTTP/1.1 100 Continue\r\n\r\n", 500, 0),
        row("101", answer("101 Switching Protocols", ""), 500, 0),
        row("300", answer("300 Multiple Choices", ""), 500, 300),
        row("301 to the file", answer("301 Moved Permanently", "Location: /members/secret.txt\r\n"), 500, 301),
        row("302", answer("302 Found", "Location: /free.txt\r\n"), 500, 302),
        row("304", answer("304 Not Modified", ""), 500, 304),
        row("400", answer("400 Bad Request", ""), 500, 400),
        row("401", answer("401 Unauthorized", ""), 401, 401),
        row("403", answer("403 Forbidden", ""), 403, 403),
        row("404", answer("404 Not Found", ""), 500, 404),
        row("410", answer("410 Gone", ""), 500, 410),
        row("429", answer("429 Too Many Requests", ""), 500, 429),
        row("500", answer("500 Internal Server Error", ""), 500, 500),
        row("502", answer("502 Bad Gateway", ""), 500, 502),
        row("503", answer("503 Service Unavailable", ""), 500, 503),
        row("999", answer("999 Odd", ""), 500, 999),
        // 2xx opens what is asked about, and only that: nothing but a hand-off sends a private file.
        row("200", answer("200 OK", "Cloakroom-Rate: 0\r\n"), 200, 200),
        row("200 without Cloakroom-Rate", answer("200 OK", ""), 200, 200),
        row("200 with a rate that is none", answer("200 OK", "Cloakroom-Rate: much\r\n"), 200, 200),
        row("200 of HTTP/1.0, without a length", "HTTP/1.0 200 OK\r\n\r\n", 200, 200),
        row("200 with a cut body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut", 200, 200),
        row("200 with a refusal beside it", answer("200 OK", "Cloakroom-Refusal: no_proof\r\n"), 200, 200),
        row("202", answer("202 Accepted", ""), 200, 202),
        row("204", "HTTP/1.1 204 No Content\r\n\r\n", 200, 204),
        row("206", answer("206 Partial Content", ""), 200, 206),
        row("299", answer("299 Odd", ""), 200, 299),
        // Hand-offs to places that are none; in an answer to `authorize` they mean nothing.
        row("404 with a hand-off", answer("404 Not Found", "X-Accel-Redirect: /_cloakroom/nowhere/secret.txt\r\n"), 500, 404),
        row("403 with a hand-off to nowhere", answer("403 Forbidden", "X-Accel-Redirect: /_cloakroom/nowhere/secret.txt\r\n"), 403, 404),
        row("403 with a hand-off to a file that everybody may have", answer("403 Forbidden", "X-Accel-Redirect: /free.txt\r\n"), 403, 200),
        row("403 with a hand-off to a directory of everybody", answer("403 Forbidden", "X-Accel-Redirect: /\r\n"), 403, 403),
        row("403 with a hand-off to a directory", answer("403 Forbidden", "X-Accel-Redirect: /_cloakroom/masters/\r\n"), 403, 403),
        row(
            "403 with a hand-off out of the storage",
            answer("403 Forbidden", "X-Accel-Redirect: /_cloakroom/masters/../../outside.txt\r\n"),
            403,
            404,
        ),
        row("403 with a hand-off without `/`", answer("403 Forbidden", "X-Accel-Redirect: _cloakroom/masters/secret.txt\r\n"), 403, 404),
        row("403 with a hand-off to itself", answer("403 Forbidden", "X-Accel-Redirect: /dl/secret.txt\r\n"), 403, 500),
        row("403 with a hand-off to a protected location", answer("403 Forbidden", "X-Accel-Redirect: /members/secret.txt\r\n"), 403, 403),
    ]
}

fn place() -> Nginx {
    let nginx = Nginx::start(&NginxSetup::default());
    fs::write(nginx.root().join("free.txt"), "free").unwrap();
    fs::write(nginx.root().join("members/secret.txt"), SECRET).unwrap();
    fs::write(nginx.downloads().join("secret.txt"), SECRET).unwrap();
    fs::write(nginx.root().parent().unwrap().join("outside.txt"), SECRET).unwrap();
    nginx
}

#[test]
fn nginx_opens_a_protected_file_on_2xx_and_nothing_else() {
    let table = table();
    assert!(table.len() >= 40);
    // A silent backend costs nginx's whole patience, so those are asked beside the others.
    let faults: Vec<String> = thread::scope(|scope| {
        let (silent, quick): (Vec<&Row>, Vec<&Row>) = table.iter().partition(|row| matches!(row.then, Then::Wait));
        let waiting: Vec<_> = silent.into_iter().map(|row| scope.spawn(move || try_row(&place(), row))).collect();
        let nginx = place();
        let mut faults: Vec<String> = quick.into_iter().filter_map(|row| try_row(&nginx, row)).collect();
        faults.extend(waiting.into_iter().filter_map(|waiting| waiting.join().unwrap()));
        faults
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What is not as the table says.
fn try_row(nginx: &Nginx, row: &Row) -> Option<String> {
    let _backend = Backend::start(&nginx.socket(), row.says.clone(), row.then);
    let port = nginx.port;
    let (authorize, download) = thread::scope(|scope| {
        let asked = ["/members/secret.txt", "/dl/f/masters/secret.txt"].map(|target| scope.spawn(move || ask(port, target.as_bytes(), "")));
        let [authorize, download] = asked.map(|answer| answer.join().unwrap());
        (authorize, download)
    });
    let opens = |answer: &raw::Raw| String::from_utf8_lossy(&answer.bytes).contains(SECRET);
    let says = String::from_utf8_lossy(&row.says);
    let is_2xx = says.starts_with("HTTP/1.") && says.get(9..).is_some_and(|status| status.starts_with('2'));
    let found = (authorize.status, download.status, opens(&authorize), opens(&download));
    let good = found == (row.authorize, row.download, row.authorize == 200, false) && (is_2xx || !found.2);
    (!good).then(|| format!("{}: {found:?}, expected {:?}", row.name, (row.authorize, row.download)))
}

#[test]
fn nothing_opens_while_nobody_listens() {
    let nginx = place();
    let closed = |what: &str| {
        for (target, status) in [("/members/secret.txt", 500), ("/dl/f/masters/secret.txt", 502), ("/_cloakroom/masters/secret.txt", 404)] {
            let answer = ask(nginx.port, target.as_bytes(), "");
            assert_eq!(answer.status, status, "{what}: {target}");
            assert!(!String::from_utf8_lossy(&answer.bytes).contains(SECRET), "{what}: {target}");
        }
        assert!(String::from_utf8_lossy(&ask(nginx.port, b"/free.txt", "").bytes).ends_with("free"));
    };
    closed("no socket");
    drop(UnixListener::bind(nginx.socket()).unwrap());
    closed("a socket of a process that was killed");
    fs::remove_file(nginx.socket()).unwrap();
    fs::write(nginx.socket(), "").unwrap();
    closed("a file in its place");
}
