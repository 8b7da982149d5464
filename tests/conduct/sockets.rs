//! Sockets that were open before the daemon and stay open after it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use crate::reload::rewrite;
use crate::servers::http::get;
use crate::servers::nginx::NginxSetup;
use crate::servers::site::Site;
use crate::servers::until;

/// What is passed: names and sockets.
type Sockets = Vec<(String, OwnedFd)>;

/// A site whose daemon answers nginx on a socket that this process keeps open.
pub fn passed() -> Site {
    // Longer than we wait for anything here: what is asked for is that nobody is lost, not how soon they are served where a
    // machine stands still.
    let setup = NginxSetup { instead: &[("proxy_read_timeout 15s;", "proxy_read_timeout 60s;")], ..NginxSetup::default() };
    let mut site = Site::around(&setup, "");
    site.cloakroom.stop();
    let path = site.nginx.socket();
    rewrite(&site.cloakroom, &format!("address = \"unix:{}\"\nmode = \"0666\"", path.display()), "address = \"systemd:nginx\"");
    let socket = UnixListener::bind(path).unwrap();
    site.cloakroom.passed = vec![("nginx".to_owned(), OwnedFd::from(socket))];
    site.cloakroom.start();
    site
}

#[test]
fn a_socket_that_was_passed_is_answered_and_outlives_the_daemon() {
    let mut site = passed();
    site.master("a.bin", b"the file");
    let url = site.sign("masters/a.bin", &["--for", "1h"]);
    assert_eq!(site.get(&url).body, b"the file");
    site.cloakroom.logged(&["listening", "address=systemd:nginx", "serve=web"]);
    assert!(site.cloakroom.stop());
    assert!(site.nginx.socket().exists());
    // Who connects now waits in the queue of the socket, and is answered by the next daemon.
    let mut waiting = UnixStream::connect(site.nginx.socket()).unwrap();
    waiting.write_all(b"GET /_cloakroom/authorize HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    site.cloakroom.start();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(site.get(&url).body, b"the file");
}

#[test]
fn several_sockets_are_told_apart_by_their_names() {
    let mut site = passed();
    site.cloakroom.stop();
    let admin = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = admin.local_addr().unwrap().port();
    site.cloakroom.passed.insert(0, ("admin".to_owned(), OwnedFd::from(admin)));
    let text = fs::read_to_string(site.cloakroom.config()).unwrap();
    fs::write(site.cloakroom.config(), text + "\n[[listener]]\naddress = \"systemd:admin\"\nserve = \"admin\"\n").unwrap();
    site.cloakroom.start();
    assert_eq!(get(port, "/health", &[]).text(), "ok\n");
    assert_eq!(get(site.nginx.port, "/dl/f/masters/a.bin", &[]).header("Cloakroom-Refusal"), Some("no_proof"));
}

#[test]
fn what_does_not_fit_is_told_before_anything_is_answered() {
    let mut site = passed();
    let directory = tempfile::tempdir().unwrap();
    let stream = |name: &str| OwnedFd::from(UnixListener::bind(directory.path().join(name)).unwrap());
    let kept = std::mem::take(&mut site.cloakroom.passed);
    let cases: [(Sockets, &[&str]); 8] = [
        (vec![], &["cannot listen on systemd:nginx", "no socket was passed", "FileDescriptorName=nginx"]),
        (vec![("web".to_owned(), stream("a"))], &["systemd:nginx", "there is \"systemd:web\"", "a socket called `web` was passed"]),
        (
            vec![("nginx".to_owned(), stream("b")), ("more".to_owned(), stream("c"))],
            &["a socket called `more` was passed, and no [[listener]]"],
        ),
        (vec![("nginx".to_owned(), stream("d")), ("nginx".to_owned(), stream("e"))], &["2 sockets have this name"]),
        (vec![("nginx:odd".to_owned(), stream("f"))], &["LISTEN_FDNAMES has 2 names for the 1 sockets"]),
        (vec![("nginx".to_owned(), OwnedFd::from(UnixDatagram::unbound().unwrap()))], &["no stream socket", "ListenStream="]),
        (vec![("nginx".to_owned(), OwnedFd::from(File::open("/dev/null").unwrap()))], &["no stream socket"]),
        (vec![("nginx".to_owned(), OwnedFd::from(UnixStream::pair().unwrap().0))], &["does not listen", "Accept=yes"]),
    ];
    for (passed, words) in cases {
        site.cloakroom.stop();
        site.cloakroom.passed = passed;
        let before = site.cloakroom.log().len();
        site.cloakroom.launch();
        until("the end of the daemon", || site.cloakroom.has_ended().then_some(()));
        assert!(!site.cloakroom.stop(), "{words:?}");
        let said = site.cloakroom.log()[before..].join("\n");
        assert!(words.iter().all(|words| said.contains(words)), "{words:?}: {said}");
        assert!(!said.contains("listening"), "{said}");
    }
    site.cloakroom.passed = kept;
    site.cloakroom.start();
}

#[test]
fn a_unix_socket_that_was_passed_is_not_for_those_who_must_have_an_address() {
    let mut site = passed();
    let kept = std::mem::take(&mut site.cloakroom.passed);
    let good = fs::read_to_string(site.cloakroom.config()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let last = good.lines().count();
    let mut seen = 0;
    for (number, (dialect, more, tells)) in (1..).zip([
        ("standalone", "", Some("`listener[N].dialect` must not be \"standalone\" on a unix socket")),
        ("nginx", "trusted_peers = [\"192.0.2.1\"]\n", Some("`listener[N].trusted_peers` has no place on a unix socket")),
        ("nginx", "", None),
    ]) {
        site.cloakroom.stop();
        let listener = format!("\n[[listener]]\naddress = \"systemd:more\"\ndialect = \"{dialect}\"\n{more}");
        fs::write(site.cloakroom.config(), format!("{good}{listener}")).unwrap();
        let nginx = UnixListener::bind(directory.path().join(format!("nginx{number}"))).unwrap();
        let odd = UnixListener::bind(directory.path().join(format!("more{number}"))).unwrap();
        site.cloakroom.passed = vec![("nginx".to_owned(), OwnedFd::from(nginx)), ("more".to_owned(), OwnedFd::from(odd))];
        let before = site.cloakroom.log().len();
        let Some(tells) = tells else {
            site.cloakroom.start();
            seen += 1;
            continue;
        };
        site.cloakroom.launch();
        until("the end of the daemon", || site.cloakroom.has_ended().then_some(()));
        let said = site.cloakroom.log()[before..].join("\n");
        let listeners = good.matches("[[listener]]").count() + 1;
        let line = last + if more.is_empty() { 4 } else { 5 };
        let place = format!("{}:{line}: {}", site.cloakroom.config().display(), tells.replace('N', &listeners.to_string()));
        assert!(said.contains(&place) && said.contains("ListenStream=127.0.0.1:8470"), "{place}: {said}");
        assert!(!said.contains("listening"), "{said}");
        seen += 1;
    }
    assert_eq!(seen, 3);
    site.cloakroom.stop();
    fs::write(site.cloakroom.config(), good).unwrap();
    site.cloakroom.passed = kept;
    site.cloakroom.start();
}
