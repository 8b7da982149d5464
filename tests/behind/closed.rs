//! What Apache does when Cloakroom is gone, broken or strange. The tables below are the documentation: a page of the site
//! opens on 200 and nothing else, a private file only by a hand-off to it; that is for the daemon alone to say.

use std::fs;
use std::os::unix::net::UnixListener;
use std::thread;

use crate::backend::{At, Backend, Talk, Then};
use crate::places::Way;
use crate::raw::ask;
use crate::servers::apache::{Apache, ApacheSetup, Downloads, Members};
use crate::servers::site::ApacheSite;
use crate::servers::until;

const SECRET: &str = "<<protected>>";

/// What one kind of backend answers, and what Apache makes of it.
struct Row {
    name: &'static str,
    says: Vec<u8>,
    then: Then,
    /// What the client gets; 0 is no answer.
    status: u16,
    /// Whether it is a protected file: for no other reason than that a daemon said so which speaks as ours.
    opens: bool,
}

fn row(name: &'static str, says: impl Into<Vec<u8>>, status: u16) -> Row {
    Row { name, says: says.into(), then: Then::Close, status, opens: false }
}

fn silent(name: &'static str, says: impl Into<Vec<u8>>, status: u16) -> Row {
    Row { then: Then::Wait, ..row(name, says, status) }
}

fn opening(name: &'static str, says: impl Into<Vec<u8>>, status: u16) -> Row {
    Row { opens: true, ..row(name, says, status) }
}

/// A FastCGI record.
fn record(kind: u8, request: u16, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, kind];
    bytes.extend(request.to_be_bytes());
    bytes.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(content);
    bytes
}

const STDOUT: u8 = 6;
const END: u8 = 3;

/// A whole answer over FastCGI.
pub fn records(content: impl AsRef<[u8]>) -> Vec<u8> {
    [record(STDOUT, 1, content.as_ref()), record(STDOUT, 1, b""), record(END, 1, &[0; 8])].concat()
}

fn cgi(status: &str, headers: &str) -> String {
    format!("Status: {status}\r\n{headers}\r\n")
}

fn http(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n{headers}\r\n")
}

/// `mod_authnz_fcgi`.
fn authorizers() -> Vec<Row> {
    const USER: &str = "Variable-CLOAKROOM_USER: -\r\n";
    let allow = records(cgi("200 OK", USER));
    vec![
        row("hangs up", "", 500),
        silent("says nothing", "", 500),
        silent("stops in a record's head", &allow[..5], 500),
        silent("stops in its head", record(STDOUT, 1, b"Status: 200 OK\r\n"), 500),
        silent("never ends", record(STDOUT, 1, b"Status: 200 OK\r\n\r\n"), 500),
        row("half a record's head", &allow[..5], 500),
        row("half a record", &allow[..15], 500),
        row("no end", record(STDOUT, 1, b"Status: 200 OK\r\n\r\n"), 500),
        row("an end and nothing else", record(END, 1, &[0; 8]), 500),
        row("no records", "Status: 200 OK\r\n\r\n", 500),
        row("HTTP", "HTTP/1.1 200 OK\r\n\r\n", 500),
        row("another request id", [record(STDOUT, 2, b"Status: 200 OK\r\n\r\n"), record(END, 2, &[0; 8])].concat(), 500),
        row("another version", allow.iter().enumerate().map(|(at, byte)| if at == 0 { 2 } else { *byte }).collect::<Vec<_>>(), 500),
        row("an unknown record", [record(77, 1, b"Status: 200 OK\r\n\r\n"), record(END, 1, &[0; 8])].concat(), 500),
        row("errors", [record(7, 1, b"Status: 200 OK\r\n\r\n"), record(END, 1, &[0; 8])].concat(), 500),
        row("no status", records("Content-Type: text/html\r\n\r\n"), 500),
        row("no header", records("\r\n"), 500),
        row("a page without a head", records("<html>200 OK</html>"), 500),
        row("no number for a status", records(cgi("OK", "")), 500),
        row("an empty status", records(cgi("", "")), 500),
        row("a header with NUL", records("Status: 200 OK\r\nX: a\0b\r\n\r\n"), 500),
        row("NUL in the status", records("Status: 200\0 OK\r\n\r\n"), 500),
        row("a huge header", records(cgi("200 OK", &format!("X: {}\r\n", "x".repeat(60_000)))), 500),
        row("two statuses", records("Status: 403 Forbidden\r\nStatus: 200 OK\r\n\r\n"), 500),
        row("201", records(cgi("201 Created", "")), 201),
        row("204", records(cgi("204 No Content", "")), 204),
        row("206", records(cgi("206 Partial Content", "")), 206),
        row("101", records(cgi("101 Switching Protocols", "")), 0),
        row("302 without a place", records(cgi("302 Found", "")), 302),
        row("302 to the file", records(cgi("302 Found", "Location: /members/secret.txt\r\n")), 302),
        row("a place without a status", records("Location: /members/secret.txt\r\n\r\n"), 500),
        row("304", records(cgi("304 Not Modified", "")), 304),
        row("400", records(cgi("400 Bad Request", "")), 400),
        row("401", records(cgi("401 Unauthorized", "")), 401),
        row("403", records(cgi("403 Forbidden", "")), 403),
        row(
            "403 with a hand-off",
            records(cgi("403 Forbidden", "X-Accel-Redirect: /_cloakroom/masters/secret.txt\r\nX-Sendfile: secret.txt\r\n")),
            403,
        ),
        row("404", records(cgi("404 Not Found", "")), 404),
        row("407", records(cgi("407 Proxy Authentication Required", "")), 407),
        row("500", records(cgi("500 Internal Server Error", "")), 500),
        row("503", records(cgi("503 Service Unavailable", "")), 503),
        row("999", records(cgi("999 What", "")), 500),
        row("20", records(cgi("20 OK", "")), 500),
        row("2000", records(cgi("2000 OK", "")), 500),
        row("-200", records(cgi("-200 OK", "")), 500),
        // Apache takes such a body for the address of the page, and asks nobody about that one: no page of ours begins so.
        opening("a page that is the path of the file", records(cgi("403 Forbidden", "") + "/members/secret.txt"), 403),
        row("a page that is a path of the masters", records(cgi("403 Forbidden", "") + "/_cloakroom/masters/secret.txt"), 403),
        row("a page that is a URL", records(cgi("403 Forbidden", "") + "http://127.0.0.1/members/secret.txt"), 302),
        row("200 without a user", records(cgi("200 OK", "")), 500),
        opening("200", allow, 200),
        opening("200 with a body", records(cgi("200 OK", USER) + "hello"), 200),
        opening("200 with another place", records(cgi("200 OK", USER) + "Location: /free.txt\r\n"), 200),
    ]
}

/// `mod_proxy_scgi`.
fn by_scgi() -> Vec<Row> {
    let hands_off = "X-Accel-Redirect: /_cloakroom/masters/secret.txt\r\n";
    vec![
        row("hangs up", "", 500),
        silent("says nothing", "", 504),
        silent("stops in its head", "Status: 200 OK\r\n", 504),
        row("half a head", "Status: 200 OK\r\nContent-Le", 500),
        row("a head without an end", "Status: 200 OK\r\nContent-Length: 0\r\n", 500),
        row("garbage", "\x16\x03\x01 what is this?\r\n\r\n", 500),
        row("HTTP", http("200 OK", ""), 500),
        row("no status", "Content-Type: text/html\r\n\r\nhello", 200),
        row("a page without a head", "<html>200 OK</html>\r\n\r\n", 500),
        row("no number for a status", cgi("OK", ""), 500),
        row("a header with NUL", cgi("200 OK", "X: a\0b\r\n"), 200),
        row("a huge header", cgi("200 OK", &format!("X: {}\r\n", "x".repeat(60_000))), 500),
        row("two statuses", format!("Status: 200 OK\r\n{}", cgi("403 Forbidden", "")), 403),
        row("200", cgi("200 OK", ""), 200),
        row("200 with a body", cgi("200 OK", "") + "hello", 200),
        row("201", cgi("201 Created", ""), 201),
        row("204", cgi("204 No Content", ""), 204),
        row("302 without a place", cgi("302 Found", ""), 302),
        row("302 to itself", cgi("302 Found", "Location: /dl/secret.txt\r\n"), 302),
        row("302 to an internal place", cgi("302 Found", "Location: /_cloakroom/masters/secret.txt\r\n"), 302),
        row("an internal place without a status", "Location: /_cloakroom/masters/secret.txt\r\n\r\n", 200),
        row("another place of the site without a status", "Location: /members/secret.txt\r\n\r\n", 200),
        row("304", cgi("304 Not Modified", ""), 304),
        row("403", cgi("403 Forbidden", ""), 403),
        row("416", cgi("416 Range Not Satisfiable", ""), 416),
        row("500", cgi("500 Internal Server Error", ""), 500),
        row("503", cgi("503 Service Unavailable", ""), 503),
        row("999", cgi("999 What", ""), 999),
        row("20", cgi("20 OK", ""), 500),
        row("a file of the machine", cgi("200 OK", "X-Sendfile: /etc/passwd\r\nX-Accel-Redirect-Not: /\r\n"), 200),
        row("a hand-off to nowhere", cgi("200 OK", "X-Accel-Redirect: /_cloakroom/masters/nowhere.txt\r\n"), 404),
        row("a hand-off to a directory", cgi("200 OK", "X-Accel-Redirect: /_cloakroom/masters/\r\n"), 404),
        row("a hand-off out of the storage", cgi("200 OK", "X-Accel-Redirect: /_cloakroom/masters/../../outside.txt\r\n"), 404),
        row("the same, encoded", cgi("200 OK", "X-Accel-Redirect: /_cloakroom/masters/..%2f..%2foutside.txt\r\n"), 404),
        row("a hand-off to a path of the machine", cgi("200 OK", "X-Accel-Redirect: /etc/passwd\r\n"), 404),
        row("a hand-off without `/`", cgi("200 OK", "X-Accel-Redirect: _cloakroom/masters/secret.txt\r\n"), 200),
        row("a hand-off to a URL", cgi("200 OK", "X-Accel-Redirect: http://127.0.0.1/_cloakroom/masters/secret.txt\r\n"), 200),
        row("a hand-off to nothing", cgi("200 OK", "X-Accel-Redirect: \r\n"), 200),
        row("a hand-off to itself", cgi("200 OK", "X-Accel-Redirect: /dl/secret.txt\r\n"), 500),
        row("a hand-off to a protected page", cgi("200 OK", "X-Accel-Redirect: /members/secret.txt\r\n"), 500),
        row("a hand-off to a page of everybody", cgi("200 OK", "X-Accel-Redirect: /free.txt\r\n"), 200),
        opening("a hand-off", cgi("200 OK", hands_off), 200),
        opening("a hand-off with a body", cgi("200 OK", hands_off) + "hello", 200),
        opening("a hand-off without a status", format!("{hands_off}\r\n"), 200),
        row("201 with a hand-off", cgi("201 Created", hands_off), 201),
        row("206 with a hand-off", cgi("206 Partial Content", hands_off), 206),
        row("302 with a hand-off", cgi("302 Found", hands_off), 302),
        row("403 with a hand-off", cgi("403 Forbidden", hands_off), 403),
        row("500 with a hand-off", cgi("500 Internal Server Error", hands_off), 500),
    ]
}

/// `mod_proxy_http` and `mod_xsendfile`. `{home}` is where the site lies.
fn by_http() -> Vec<Row> {
    let file = "X-Sendfile: {home}/downloads/secret.txt\r\n";
    vec![
        row("hangs up", "", 502),
        silent("says nothing", "", 502),
        silent("stops in its head", "HTTP/1.1 200 OK\r\nContent-Le", 502),
        row("a cut status line", "HTTP/1.1 2", 502),
        row("a cut head", "HTTP/1.1 200 OK\r\nContent-Le", 502),
        row("no HTTP", "\x16\x03\x01 what is this?\r\n\r\n", 200),
        row("an HTML page without a head", "<html>200 OK</html>\r\n\r\n", 200),
        row("no number for a status", "HTTP/1.1 OK\r\n\r\n", 200),
        row("a header with NUL", http("200 OK", "X: a\0b\r\n"), 502),
        row("a head that is too long", http("200 OK", &format!("X: {}\r\n", "x".repeat(60_000))), 502),
        row("200", http("200 OK", ""), 200),
        row("201", http("201 Created", ""), 201),
        row("204", http("204 No Content", ""), 204),
        row("302 without a place", http("302 Found", ""), 302),
        row("302 to an internal place", http("302 Found", "Location: /_cloakroom/masters/secret.txt\r\n"), 302),
        row("304", http("304 Not Modified", ""), 304),
        row("403", http("403 Forbidden", ""), 403),
        row("503", http("503 Service Unavailable", ""), 503),
        row("nginx's hand-off", http("200 OK", "X-Accel-Redirect: /_cloakroom/masters/secret.txt\r\n"), 200),
        row("no such file", http("200 OK", "X-Sendfile: {home}/downloads/nowhere.txt\r\n"), 404),
        row("a directory", http("200 OK", "X-Sendfile: {home}/downloads/\r\n"), 404),
        row("a file beside the storage", http("200 OK", "X-Sendfile: {home}/outside.txt\r\n"), 404),
        row("a file of the machine", http("200 OK", "X-Sendfile: /etc/passwd\r\n"), 404),
        row("a file that climbs out", http("200 OK", "X-Sendfile: {home}/downloads/../outside.txt\r\n"), 404),
        row("a relative file that climbs out", http("200 OK", "X-Sendfile: ../outside.txt\r\n"), 404),
        row("an encoded path", http("200 OK", "X-Sendfile: {home}/downloads/%73ecret.txt\r\n"), 404),
        row("nothing", http("200 OK", "X-Sendfile: \r\n"), 200),
        row("two files", http("200 OK", "X-Sendfile: {home}/outside.txt\r\nX-Sendfile: /etc/passwd\r\n"), 404),
        opening("a hand-off", http("200 OK", file), 200),
        opening("a hand-off with a body", format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n{file}\r\nhello"), 200),
        row("201 with a hand-off", http("201 Created", file), 201),
        row("206 with a hand-off", http("206 Partial Content", file), 206),
        row("302 with a hand-off", http("302 Found", file), 302),
        row("403 with a hand-off", http("403 Forbidden", file), 403),
        row("500 with a hand-off", http("500 Internal Server Error", file), 500),
    ]
}

/// An Apache without a daemon, whose patience is short.
fn place(members: Members, downloads: Downloads) -> Apache {
    // A connection that is kept would be asked after its backend has ended.
    let instead = &[("timeout=15", "timeout=1 disablereuse=on")];
    let apache = Apache::start(&ApacheSetup { members, downloads, server: "Timeout 1\n".to_owned(), instead, ..ApacheSetup::default() });
    fs::write(apache.root().join("free.txt"), "free").unwrap();
    fs::write(apache.root().join("members/secret.txt"), SECRET).unwrap();
    fs::write(apache.downloads().join("secret.txt"), SECRET).unwrap();
    fs::write(apache.home().join("outside.txt"), SECRET).unwrap();
    apache
}

/// Who answers in this way, how, and about which address.
fn backend_of(way: Way, apache: &Apache) -> (At, Talk, &'static str) {
    match way {
        Way::Location | Way::Htaccess => (At::Port(apache.authorizer), Talk::FastCgi, "/members/secret.txt"),
        Way::Scgi => (At::Socket(apache.scgi()), Talk::Scgi, "/dl/f/masters/secret.txt"),
        Way::Xsendfile => (At::Socket(apache.http()), Talk::Http, "/dl/f/masters/secret.txt"),
        Way::Nginx => panic!("tests/fail_closed.rs"),
        Way::RewriteMap => panic!("tests/rewrite_map.rs"),
    }
}

/// What is not as the table says.
fn try_row(way: Way, apache: &Apache, row: &Row) -> Option<String> {
    let (at, talk, target) = backend_of(way, apache);
    let home = apache.home().display().to_string();
    let says = match String::from_utf8(row.says.clone()) {
        Ok(text) => text.replace("{home}", &home).into_bytes(),
        Err(bytes) => bytes.into_bytes(),
    };
    let _backend = Backend::talking(&at, talk, says, row.then);
    let answer = ask(apache.port, target.as_bytes(), "");
    let text = String::from_utf8_lossy(&answer.bytes);
    let found = (answer.status, text.contains(SECRET));
    let good = found == (row.status, row.opens) && !text.contains("root:x:");
    (!good).then(|| format!("{way:?}, {}: {found:?}, expected {:?}", row.name, (row.status, row.opens)))
}

fn hold(way: Way, members: Members, downloads: Downloads, rows: &[Row]) {
    // A silent authorizer costs 30 seconds, whatever `Timeout` says, so those are asked beside the others.
    let faults: Vec<String> = thread::scope(|scope| {
        let (silent, quick): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| matches!(row.then, Then::Wait));
        let waiting: Vec<_> = silent.into_iter().map(|row| scope.spawn(move || try_row(way, &place(members, downloads), row))).collect();
        let apache = place(members, downloads);
        let mut faults: Vec<String> = quick.into_iter().filter_map(|row| try_row(way, &apache, row)).collect();
        apache.assert_calm();
        faults.extend(waiting.into_iter().filter_map(|waiting| waiting.join().unwrap()));
        faults
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_page_opens_on_200_and_nothing_else() {
    let rows = authorizers();
    assert!(rows.len() >= 40);
    thread::scope(|scope| {
        scope.spawn(|| hold(Way::Location, Members::Location, Downloads::Scgi, &rows));
        scope.spawn(|| hold(Way::Htaccess, Members::Htaccess, Downloads::Scgi, &rows));
    });
}

#[test]
fn a_private_file_leaves_by_a_hand_off_over_scgi_and_nothing_else() {
    let rows = by_scgi();
    assert!(rows.len() >= 40);
    hold(Way::Scgi, Members::Location, Downloads::Scgi, &rows);
}

#[test]
fn a_private_file_leaves_by_a_hand_off_over_http_and_nothing_else() {
    let rows = by_http();
    assert!(rows.len() >= 30);
    hold(Way::Xsendfile, Members::Location, Downloads::Xsendfile, &rows);
}

#[test]
fn nothing_opens_while_nobody_listens() {
    for (members, downloads) in [(Members::Location, Downloads::Scgi), (Members::Htaccess, Downloads::Xsendfile)] {
        let apache = place(members, downloads);
        let closed = |what: &str| {
            for (target, status) in [("/members/secret.txt", 500), ("/dl/f/masters/secret.txt", 503)] {
                let answer = ask(apache.port, target.as_bytes(), "");
                assert_eq!(answer.status, status, "{what}: {target}");
                assert!(!String::from_utf8_lossy(&answer.bytes).contains(SECRET), "{what}: {target}");
            }
            assert!(String::from_utf8_lossy(&ask(apache.port, b"/free.txt", "").bytes).ends_with("free"));
        };
        closed("no socket");
        let sockets = [apache.scgi(), apache.http()];
        for socket in &sockets {
            drop(UnixListener::bind(socket).unwrap());
        }
        closed("a socket of a process that was killed");
        for socket in &sockets {
            fs::remove_file(socket).unwrap();
            fs::write(socket, "").unwrap();
        }
        closed("a file in its place");
    }
}

#[test]
fn while_the_daemon_is_down_nothing_opens_and_then_all_opens_again() {
    for (members, downloads) in [(Members::Location, Downloads::Scgi), (Members::Htaccess, Downloads::Xsendfile)] {
        let mut site = ApacheSite::around(&ApacheSetup { members, downloads, ..ApacheSetup::default() }, "");
        site.page("members/a.html", b"for members");
        site.master("a.zip", b"the goods");
        let targets = [(site.sign("/members/a.html", &[]), "for members"), (site.sign("masters/a.zip", &[]), "the goods")];
        let opens = |site: &ApacheSite| {
            for (target, body) in &targets {
                let answer = site.get(target);
                assert_eq!((answer.status, answer.text().as_str()), (200, *body), "{members:?} {downloads:?}");
            }
        };
        opens(&site);
        for ended_well in [true, false] {
            if ended_well {
                assert!(site.cloakroom.stop());
            } else {
                site.cloakroom.kill();
            }
            for (target, body) in &targets {
                let answer = site.get(target);
                assert!((500..600).contains(&answer.status) && !answer.text().contains(body), "{target}: {}", answer.status);
            }
            site.cloakroom.start();
            opens(&site);
        }
        until("an error of Apache's", || (!site.apache.error_log().is_empty()).then_some(()));
    }
}
