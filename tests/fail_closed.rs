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
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::thread;

use backend::{At, Backend, Talk, Then};
use raw::ask;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use servers::cloakroom::Cloakroom;
use servers::nginx::{Nginx, NginxSetup};
use servers::program::Program;
use servers::{free_port, until};

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
    let _backend = Backend::talking(&At::Socket(nginx.socket()), Talk::Http, row.says.clone(), row.then);
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

/// A daemon whose only web listener has these lines; the storage has `secret.txt`.
fn alone(public_url: &str, listener: &str) -> (tempfile::TempDir, Cloakroom) {
    let storage = tempfile::tempdir().unwrap();
    fs::write(storage.path().join("secret.txt"), SECRET).unwrap();
    let path = storage.path().display();
    let text = format!(
        "[[listener]]\nserve = \"web\"\n{listener}\n\n[[storage]]\nname = \"masters\"\npath = \"{path}\"\nhandoff = \"/_cloakroom/masters/\"\n"
    );
    let cloakroom = Cloakroom::with(public_url, &text);
    (storage, cloakroom)
}

#[test]
fn a_peer_that_is_not_trusted_gets_no_byte() {
    let port = free_port();
    let (_storage, cloakroom) = alone(
        "http://shop.example/dl/",
        &format!("address = \"127.0.0.1:{port}\"\ndialect = \"nginx\"\ntrusted_peers = [\"192.0.2.0/24\"]"),
    );
    let target = cloakroom.sign("masters/secret.txt").replace("http://shop.example", "");
    let headers = format!(
        "X-Original-URI: {target}\r\nX-Original-Method: GET\r\nX-Request-Id: abc\r\nX-Real-IP: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\n"
    );
    for _ in 0..20 {
        let answer = ask(port, target.as_bytes(), &headers);
        assert!(answer.bytes.is_empty(), "{answer:?}");
    }
    cloakroom.logged(&["WARN", "127.0.0.1", "not trusted", "trusted_peers"]);
    // The same from one that is.
    let port = free_port();
    let (_storage, cloakroom) = alone("http://shop.example/dl/", &format!("address = \"127.0.0.1:{port}\"\ndialect = \"nginx\""));
    let target = cloakroom.sign("masters/secret.txt").replace("http://shop.example", "");
    let headers = format!("X-Original-URI: {target}\r\nX-Original-Method: GET\r\nX-Request-Id: abc\r\nX-Real-IP: 192.0.2.1\r\n");
    assert_eq!(ask(port, target.as_bytes(), &headers).header("X-Accel-Redirect"), Some("/_cloakroom/masters/secret.txt"));
}

#[test]
fn when_every_place_is_taken_requests_wait_and_nothing_opens_meanwhile() {
    let nginx = place();
    let public_url = format!("http://127.0.0.1:{}/dl/", nginx.port);
    let listener = format!("address = \"unix:{}\"\nmode = \"0666\"\ndialect = \"nginx\"\nconnections_max = 4", nginx.socket().display());
    let (storage, cloakroom) = alone(&public_url, &listener);
    let target = cloakroom.sign("masters/secret.txt").replace(&format!("http://127.0.0.1:{}", nginx.port), "");
    let hog = || {
        let mut stream = UnixStream::connect(nginx.socket()).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").unwrap();
        stream
    };
    let mut hogs: Vec<UnixStream> = (0..4).map(|_| hog()).collect();
    cloakroom.logged(&["WARN", "every place is taken"]);
    let (port, (send, answers)) = (nginx.port, mpsc::channel());
    thread::scope(|scope| {
        for target in [target.as_str(), "/dl/f/masters/secret.txt"] {
            let send = send.clone();
            scope.spawn(move || send.send((target, ask(port, target.as_bytes(), ""))));
        }
        assert!(answers.try_recv().is_err(), "there is no place");
        hogs.pop();
        for _ in 0..2 {
            let (asked, answer) = answers.recv().unwrap();
            let opened = String::from_utf8_lossy(&answer.bytes).contains(SECRET);
            assert_eq!((answer.status, opened), if asked == target { (200, true) } else { (401, false) });
        }
    });
    drop((hogs, storage));
}

/// The descriptors that a process has open.
fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// The resident memory of a process, in KiB.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn thousands_of_half_open_connections_cost_little_and_keep_nobody_out() {
    const STRANGERS: u32 = 4000;
    let limit = getrlimit(Resource::Nofile);
    assert!(limit.maximum.is_none_or(|most| most >= 6000), "this test needs 6000 open files: {limit:?}");
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let port = free_port();
    let (_storage, cloakroom) =
        alone(&format!("http://127.0.0.1:{port}/dl/"), &format!("address = \"127.0.0.1:{port}\"\ndialect = \"standalone\""));
    let target = cloakroom.sign("masters/secret.txt").replace(&format!("http://127.0.0.1:{port}"), "");
    let good = |when: &str| {
        let answer = ask(port, target.as_bytes(), "");
        assert_eq!((answer.status, String::from_utf8_lossy(&answer.bytes).contains(SECRET)), (200, true), "{when}: {answer:?}");
    };
    good("before");
    let (idle_descriptors, idle_memory) = (descriptors(cloakroom.pid()), resident(cloakroom.pid()));
    // Some send part of a head, some nothing at all.
    let mut strangers: Vec<TcpStream> = (0..STRANGERS)
        .map(|number| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            if number % 2 == 0 {
                stream.write_all(b"GET /dl/f/masters/secret.txt HTTP/1.1\r\nHost: shop.example\r\nX-Slow: ").unwrap();
            }
            stream
        })
        .collect();
    until("the strangers are in", || (descriptors(cloakroom.pid()) >= idle_descriptors + STRANGERS as usize / 2).then_some(()));
    for _ in 0..20 {
        good("among strangers");
    }
    let each = (resident(cloakroom.pid()).saturating_sub(idle_memory)) / u64::from(STRANGERS);
    assert!(each <= 48, "{each} KiB for each stranger");
    // Their time is up before long, and the places are free again.
    until("the strangers are gone", || (descriptors(cloakroom.pid()) <= idle_descriptors + 8).then_some(()));
    for stranger in &mut strangers {
        stranger.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        let mut answer = vec![];
        let _ = stranger.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains(SECRET));
    }
    good("after");
    cloakroom.logged(&["too slow"]);
}

#[test]
fn the_daemon_allows_itself_the_open_files_that_its_connections_need() {
    let port = free_port();
    let (_storage, mut cloakroom) = alone("http://shop.example/dl/", &format!("address = \"127.0.0.1:{port}\"\ndialect = \"nginx\""));
    cloakroom.stop();
    let soft = |pid: u32| {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
        line.split_whitespace().nth(3).unwrap().parse::<u64>().unwrap()
    };
    // 4096 for each of the two listeners, and some beside them.
    for (limit, expected, says) in [("ulimit -Sn 256", 8320, false), ("ulimit -n 512", 512, true)] {
        let log = cloakroom.state().join("limits.log");
        let mut program = Program::through("sh", &["-c", &format!("{limit}; exec \"$0\" \"$@\"")]);
        program.arg("--config").arg(cloakroom.config()).arg("serve").env("CLOAKROOM_LOG", "info");
        let mut child = program.stderr_into(&log).spawn();
        let text = until("it listens", || {
            assert!(child.try_wait().unwrap().is_none());
            fs::read_to_string(&log).ok().filter(|text| text.contains("serve=api") && text.contains("serve=web"))
        });
        assert_eq!(soft(child.id()), expected, "{limit}");
        assert_eq!(text.contains("raise LimitNOFILE"), says, "{text}");
    }
}
