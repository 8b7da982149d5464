//! What a stranger sends: hundreds of odd addresses and headers through a real nginx to the real daemon, and straight to
//! the daemon's socket as a web server with another configuration would send them. A protected byte leaves only for a
//! proof of exactly that file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

#[path = "hostile/raw.rs"]
mod raw;
mod servers;
#[path = "hostile/targets.rs"]
mod targets;
#[path = "hostile/tricks.rs"]
mod tricks;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use raw::{Raw, ask, ask_socket};
use servers::cloakroom::Cloakroom;
use servers::nginx::{Nginx, NginxSetup};
use tricks::{Comes, sizes, tricks};

const MEMBERS: &str = "/members";
const MASTERS: &str = "/dl/f/masters";

/// A site with protected files of both kinds, files outside of both, and one that is protected without a rule.
struct Place {
    nginx: Nginx,
    cloakroom: Cloakroom,
}

/// The content of a protected file: how it is recognised in an answer.
fn marker(address: &str) -> String {
    format!("<<protected {address}>>")
}

/// The protected files whose content is in `bytes`.
fn opened(bytes: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split("<<protected ").skip(1).map(|rest| rest.split(">>").next().unwrap().to_owned()).collect()
}

impl Place {
    fn new() -> Self {
        // A location that asks, for which the configuration has no rule.
        let server = "location ^~ /vault/ { include cloakroom/protect.conf; }".to_owned();
        let nginx = Nginx::start(&NginxSetup { server, ..NginxSetup::default() });
        for (directory, base) in [(nginx.root().join("members"), MEMBERS), (nginx.downloads(), MASTERS)] {
            for file in targets::FILES {
                let path = directory.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, marker(&format!("{base}/{file}"))).unwrap();
            }
        }
        fs::create_dir(nginx.root().join("vault")).unwrap();
        fs::write(nginx.root().join("vault/v.txt"), marker("/vault/v.txt")).unwrap();
        fs::write(nginx.root().parent().unwrap().join("outside.txt"), marker("outside")).unwrap();
        fs::write(nginx.root().join("free.txt"), "free").unwrap();
        let cloakroom = Cloakroom::behind(&nginx, "");
        Self { nginx, cloakroom }
    }

    /// The query of a URL that is signed for `path`; with `prefix` for all that is under it.
    #[track_caller]
    fn query(&self, path: &str, prefix: bool) -> String {
        let mut arguments = vec!["sign", path, "--for", "1h"];
        arguments.extend(prefix.then_some("--prefix"));
        self.cloakroom.say(&arguments).split_once('?').unwrap().1.to_owned()
    }

    /// Both sides are well, and a good request still gets its file.
    #[track_caller]
    fn assert_well(&self) {
        for base in [MEMBERS, MASTERS] {
            let path = format!("{base}/secret.txt");
            let answer = ask(self.nginx.port, format!("{path}?{}", self.query(&path, false)).as_bytes(), "");
            assert_eq!((answer.status, opened(&answer.bytes)), (200, BTreeSet::from([path])));
        }
        let bad: Vec<String> =
            self.cloakroom.log().into_iter().filter(|line| line.contains("panicked") || line.contains(" ERROR ")).collect();
        assert!(bad.is_empty(), "{bad:#?}");
        self.nginx.assert_calm();
    }
}

/// A proof, and the files that it may open.
struct Proof {
    name: &'static str,
    query: String,
    opens: BTreeSet<String>,
}

fn proofs(place: &Place) -> Vec<Proof> {
    let all = |base: &str| targets::FILES.map(|file| format!("{base}/{file}"));
    let set = |files: &[String]| files.iter().cloned().collect::<BTreeSet<_>>();
    let under = |base: &str, prefix: &str| all(base).into_iter().filter(|file| file.starts_with(prefix)).collect();
    let mut proofs = vec![Proof { name: "none", query: String::new(), opens: BTreeSet::new() }];
    for (base, names) in [
        (MEMBERS, ["members, other", "members, pub/", "members, secret"]),
        (MASTERS, ["masters, other", "masters, pub/", "masters, secret"]),
    ] {
        let (other, prefix, secret) = (format!("{base}/other.txt"), format!("{base}/pub/"), format!("{base}/secret.txt"));
        proofs.push(Proof { name: names[0], query: place.query(&other, false), opens: set(&[other]) });
        proofs.push(Proof { name: names[1], query: place.query(&prefix, true), opens: under(base, &prefix) });
        proofs.push(Proof { name: names[2], query: place.query(&secret, false), opens: set(&[secret]) });
    }
    let everything = all(MEMBERS).into_iter().chain(all(MASTERS)).collect();
    proofs.push(Proof { name: "the whole site", query: place.query("/", true), opens: everything });
    let internal = "/_cloakroom/masters/secret.txt";
    proofs.push(Proof { name: "the internal address", query: place.query(internal, false), opens: BTreeSet::new() });
    proofs
}

/// `target` with the query of a proof, where a client would put it.
fn with(target: &[u8], query: &str) -> Vec<u8> {
    if query.is_empty() {
        return target.to_vec();
    }
    let joint = if target.contains(&b'?') { b"&" } else { b"?" };
    [target, joint, query.as_bytes()].concat()
}

#[test]
fn no_spelling_of_an_address_opens_what_the_proof_does_not() {
    let place = Place::new();
    let proofs = proofs(&place);
    let (mut faults, mut count): (Vec<String>, BTreeMap<(&str, &str), usize>) = (vec![], BTreeMap::new());
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for base in [MEMBERS, MASTERS] {
        let targets = targets::of(base);
        assert!(targets.protected.len() >= 300 && targets.internal.len() >= 50, "{base}: {}", targets.protected.len());
        for (target, internal) in
            targets.protected.iter().map(|target| (target, false)).chain(targets.internal.iter().map(|target| (target, true)))
        {
            for proof in &proofs {
                let sent = with(target, &proof.query);
                let Raw { status, head, bytes } = ask(place.nginx.port, &sent, "");
                let found = opened(&bytes);
                *statuses.entry(status).or_default() += 1;
                let shown = String::from_utf8_lossy(&target[..target.len().min(100)]).into_owned();
                if !found.is_subset(&proof.opens) || (internal && !found.is_empty()) {
                    faults.push(format!("{shown:?} with proof `{}` opened {found:?}", proof.name));
                }
                if head.to_ascii_lowercase().contains("x-accel-") || bytes.windows(5).any(|window| window == b"root:") {
                    faults.push(format!("{shown:?} with proof `{}`: {head}", proof.name));
                }
                // 0: nginx hangs up on what is no HTTP. 500 is what a broken daemon would look like.
                if status >= 500 {
                    faults.push(format!("{shown:?} with proof `{}`: status {status}", proof.name));
                }
                *count.entry((base, proof.name)).or_default() += found.len();
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    // What nginx does not refuse itself reaches the daemon, which refuses it.
    let log = place.cloakroom.log();
    let refused =
        |words: &[&str]| log.iter().filter(|line| line.contains("refused") && words.iter().all(|word| line.contains(word))).count();
    let [authorize, download] = ["authorize", "download"];
    let reached = [
        refused(&[authorize, "_proof"]),
        refused(&[download, "_proof"]),
        refused(&[authorize, "bad_request"]),
        refused(&[download, "bad_request"]),
    ];
    println!("opened: {count:?}\nstatuses: {statuses:?}\nrefused by the daemon: {reached:?}");
    for proof in proofs.iter().filter(|proof| !proof.opens.is_empty()) {
        assert!(count[&(MEMBERS, proof.name)] + count[&(MASTERS, proof.name)] > 0, "`{}` opened nothing", proof.name);
    }
    assert!(statuses[&200] >= 100 && statuses[&401] + statuses[&403] >= 1000);
    assert!(reached.iter().all(|&count| count >= 1000), "{reached:?}");
    place.assert_well();
}

/// Whether nginx had a file to send: a range that no file has is an answer about an opened file, too.
fn lets_in(status: u16) -> bool {
    matches!(status, 200 | 206 | 416)
}

#[test]
fn no_header_of_a_client_changes_the_verdict() {
    let place = Place::new();
    let tricks: Vec<(String, Comes)> = tricks().into_iter().chain(sizes()).collect();
    let (mut faults, mut seen) = (vec![], BTreeSet::new());
    for base in [MEMBERS, MASTERS] {
        let path = format!("{base}/secret.txt");
        let network = place.cloakroom.say(&["sign", &path, "--for", "1h", "--network", "203.0.113.0/24"]);
        let bound = network.split_once('?').unwrap().1;
        // A proof, whether it opens the file, and else what is said.
        let proofs = [
            (place.query(&path, false), None),
            (place.query(&format!("{base}/other.txt"), false), Some((403, "bad_proof"))),
            (bound.to_owned(), Some((403, "wrong_network"))),
            (String::new(), Some((401, "no_proof"))),
        ];
        for (lines, comes) in &tricks {
            for (query, refused) in &proofs {
                let answer = ask(place.nginx.port, &with(path.as_bytes(), query), lines);
                let found = opened(&answer.bytes);
                let shown = &lines[..lines.floor_char_boundary(80)];
                let comes = match comes {
                    Comes::NoDownload(status) if base == MASTERS => Comes::Nginx(*status),
                    Comes::NoDownload(_) => Comes::Nothing,
                    Comes::Unreadable(status) => Comes::Nginx(if base == MASTERS { *status } else { 500 }),
                    comes => *comes,
                };
                let good = match (comes, refused) {
                    (Comes::Nothing, None) => lets_in(answer.status) && found.iter().all(|file| *file == path),
                    (Comes::Nothing, Some((status, code))) => {
                        answer.status == *status && found.is_empty() && answer.header("Cloakroom-Refusal") == Some(code)
                    }
                    (Comes::Nginx(status) | Comes::NoDownload(status) | Comes::Unreadable(status), _) => {
                        answer.status == status && found.is_empty()
                    }
                };
                if !good {
                    faults.push(format!("{path} with {refused:?} and {shown:?} ({comes:?}): {} {found:?}\n{}", answer.status, answer.head));
                }
                seen.insert(lines.as_str());
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(seen.len() >= 40, "{}", seen.len());
    place.cloakroom.logged(&["WARN", "refused a request", "message head is too large"]);
    place.assert_well();
}

/// What the shipped configuration sends, line by line.
fn lines(target: &str, original: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: shop.example\r\nX-Original-URI: {original}\r\nX-Original-Method: GET\r\n\
         X-Request-Id: 0123456789abcdef0123456789abcdef\r\nX-Real-IP: 203.0.113.9\r\nConnection: close\r\n\r\n"
    )
}

/// The two questions about a file as they should be asked, with a proof.
struct Asks {
    /// The signed addresses.
    member: String,
    master: String,
    authorize: String,
    download: String,
}

impl Asks {
    /// Both open, so that what is changed in them fails for its own reason.
    #[track_caller]
    fn new(place: &Place) -> Self {
        let signed = |path: &str| format!("{path}?{}", place.query(path, false));
        let (member, master) = (signed("/members/secret.txt"), signed("/dl/f/masters/secret.txt"));
        let (authorize, download) = (lines("/_cloakroom/authorize", &member), lines(&master, &master));
        let socket = place.nginx.socket();
        let (passed, handed) = (ask_socket(&socket, authorize.as_bytes()), ask_socket(&socket, download.as_bytes()));
        assert_eq!((passed.status, passed.header("Cloakroom-Rate")), (200, Some("0")));
        assert_eq!((handed.status, handed.header("X-Accel-Redirect")), (200, Some("/_cloakroom/masters/secret.txt")));
        Self { member, master, authorize, download }
    }
}

/// A request without the lines of a header.
fn without(request: &str, name: &str) -> String {
    let kept: String = request.split_inclusive("\r\n").filter(|line| !line.starts_with(&format!("{name}:"))).collect();
    assert!(kept.len() < request.len());
    kept
}

/// A request with one line more.
fn and(request: &str, line: &str) -> String {
    request.replacen("X-Original-Method", &format!("{line}\r\nX-Original-Method"), 1)
}

/// A request with another value of a header.
fn instead(request: &str, name: &str, value: &str) -> String {
    and(&without(request, name), &format!("{name}: {value}"))
}

#[test]
fn a_web_server_that_asks_with_other_headers_is_refused_and_the_log_says_why() {
    let place = Place::new();
    let asks = Asks::new(&place);
    let socket = place.nginx.socket();
    let mut seen = 0;
    for (question, request, status) in [("authorize", &asks.authorize, 403), ("download", &asks.download, 400)] {
        let address = if question == "authorize" { &asks.member } else { &asks.master };
        let absolute = format!("http://shop.example{address}");
        let rows: Vec<(String, &str)> = vec![
            (without(request, "X-Request-Id"), "`x-request-id` is missing"),
            (without(request, "X-Original-URI"), "`x-original-uri` is missing"),
            (without(request, "X-Original-Method"), "`x-original-method` is missing"),
            (without(request, "X-Real-IP"), "`x-real-ip` is missing"),
            (and(request, &format!("X-Original-URI: {address}")), "`x-original-uri` is there twice"),
            (and(request, "X-Original-URI: /members/pub/"), "`x-original-uri` is there twice"),
            (and(request, "X-Original-Method: HEAD"), "`x-original-method` is there twice"),
            (and(request, "X-Real-IP: 203.0.113.9"), "`x-real-ip` is there twice"),
            (and(request, "X-Request-Id: b"), "`x-request-id` is there twice"),
            (and(request, "Range: bytes=0-0\r\nRange: bytes=1-1"), "`range` is there twice"),
            (and(request, "If-Range: \"a\"\r\nIf-Range: \"a\""), "`if-range` is there twice"),
            (and(request, "Cookie: a=b\r\nCookie: c=d"), "`cookie` is there twice"),
            (and(request, "Authorization: a\r\nAuthorization: b"), "`authorization` is there twice"),
            (and(request, "X_Original_URI: /members/pub/"), "`x_original_uri` looks like `x-original-uri`"),
            (and(request, "X_Real_IP: 127.0.0.1"), "`x_real_ip` looks like `x-real-ip`"),
            (and(request, "X-Original-URL: /members/pub/"), "`x-original-url` is another source"),
            (and(request, "X-Rewrite-URL: /members/pub/"), "`x-rewrite-url` is another source"),
            (and(request, "X-Forwarded-Uri: /members/pub/"), "`x-forwarded-uri` is another source"),
            (and(request, "X-HTTP-Method-Override: HEAD"), "`x-http-method-override` is another source"),
            (instead(request, "X-Request-Id", ""), "`x-request-id` is not a request id"),
            (instead(request, "X-Request-Id", "a b"), "`x-request-id` is not a request id"),
            (instead(request, "X-Real-IP", "unix:"), "`x-real-ip` is not an address"),
            (instead(request, "X-Real-IP", "203.0.113.9, 127.0.0.1"), "`x-real-ip` is not an address"),
            (
                instead(request, "X-Original-URI", ""),
                if question == "authorize" { "begin with `/`" } else { "not the address of the request itself" },
            ),
            (
                instead(request, "X-Original-URI", &absolute),
                if question == "authorize" { "begin with `/`" } else { "not the address of the request itself" },
            ),
            (instead(request, "X-Original-URI", &format!("{address}#x")), "has a `#`"),
            (instead(request, "X-Original-URI", &"/x".repeat(3500)), "is longer than"),
        ];
        for (request, reason) in rows {
            let answer = ask_socket(&socket, request.as_bytes());
            assert_eq!((answer.status, answer.header("Cloakroom-Refusal")), (status, Some("bad_request")), "{request}");
            assert_nothing_opened(&answer);
            place.cloakroom.logged(&["bad_request", reason, &format!("support={}", answer.header("Cloakroom-Support").unwrap())]);
            seen += 1;
        }
    }
    assert!(seen >= 50, "{seen}");
    place.assert_well();
}

#[test]
fn a_web_server_that_asks_about_two_addresses_or_none_is_refused() {
    let place = Place::new();
    let asks = Asks::new(&place);
    let (member, master) = (asks.member.as_str(), asks.master.as_str());
    let socket = place.nginx.socket();
    // What others say of the client is no reason to refuse, and is not believed.
    for line in ["X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.7", "X-Client-IP: 192.0.2.7", "X-Forwarded-Host: evil.example"] {
        let (passed, handed) =
            (ask_socket(&socket, and(&asks.authorize, line).as_bytes()), ask_socket(&socket, and(&asks.download, line).as_bytes()));
        assert_eq!((passed.status, handed.status), (200, 200), "{line}");
        let bound = place.cloakroom.say(&["sign", "/members/secret.txt", "--network", "192.0.2.0/24"]);
        let bound = lines("/_cloakroom/authorize", &format!("/members/secret.txt?{}", bound.split_once('?').unwrap().1));
        let refused = ask_socket(&socket, and(&bound, line).as_bytes());
        assert_eq!((refused.status, refused.header("Cloakroom-Refusal")), (403, Some("wrong_network")), "{line}");
    }
    for (target, original, reason) in [
        // A proof for one address, asked for another: whichever of the two were believed, the other would be opened.
        (master, "/dl/f/masters/other.txt", "not the address of the request itself"),
        ("/dl/f/masters/other.txt", master, "not the address of the request itself"),
        ("/dl/f//masters/secret.txt", "/dl/f/masters/secret.txt", "not the address of the request itself"),
        (member, member, "not under the path of `public_url`"),
        ("/_cloakroom/authorize/", master, "internal address is not one that is known"),
        ("/_cloakroom/authorize?x", master, "internal address is not one that is known"),
        ("/_cloakroom/masters/secret.txt", "/_cloakroom/masters/secret.txt", "internal address is not one that is known"),
        ("/_cloakroom/refused/nonsense", member, "does not end with the code of a refusal"),
        ("/_cloakroom/refused/", member, "does not end with the code of a refusal"),
        ("/dl/f/../f/masters/secret.txt", "/dl/f/../f/masters/secret.txt", "`.` or `..` segment"),
        ("/dl/f/masters%2fsecret.txt", "/dl/f/masters%2fsecret.txt", "written as `%2F`"),
    ] {
        let answer = ask_socket(&socket, lines(target, original).as_bytes());
        assert_eq!(answer.status, 400, "{target}: {answer:?}");
        assert_nothing_opened(&answer);
        place.cloakroom.logged(&["bad_request", reason, &format!("support={}", answer.header("Cloakroom-Support").unwrap())]);
    }
    place.assert_well();
}

#[test]
fn what_is_no_request_is_refused_before_it_is_read() {
    let place = Place::new();
    let Asks { authorize, .. } = Asks::new(&place);
    let socket = place.nginx.socket();
    let more = |line: &str| and(&authorize, line);
    for (request, status) in [
        (more("Host: evil.example"), 400),
        (without(&authorize, "Host"), 400),
        (more("Transfer-Encoding: chunked"), 400),
        (more("Transfer-Encoding: identity\r\nContent-Length: 3"), 400),
        (more("Content-Length: 3\r\nContent-Length: 4"), 400),
        (more("X: y").replace("X: y", &vec!["X: y"; 70].join("\r\n")), 431),
        (more(&format!("Cookie: {}", "x".repeat(17_000))), 431),
        (authorize.replacen("/_cloakroom/authorize", "http://shop.example/_cloakroom/authorize", 1), 400),
        (authorize.replacen("GET /_cloakroom/authorize", "CONNECT shop.example:80", 1), 400),
        (authorize.replacen("HTTP/1.1", "HTTP/2.0", 1), 400),
        (more("Bad\u{1}Name: x"), 400),
        (more("X : y"), 400),
        (more(" folded"), 400),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}".to_owned(), 400),
        ("GET /_cloakroom/authorize\r\n\r\n".to_owned(), 400),
    ] {
        let answer = ask_socket(&socket, request.as_bytes());
        assert_eq!(answer.status, status, "{request}\n{answer:?}");
        assert_nothing_opened(&answer);
    }
    place.cloakroom.logged(&["WARN", "refused a request", "there are two `Host` headers"]);
    place.assert_well();
}

/// Nothing in the answer makes a web server open anything.
#[track_caller]
fn assert_nothing_opened(answer: &Raw) {
    assert!(answer.status >= 400, "{answer:?}");
    for name in ["X-Accel-Redirect", "X-Accel-Limit-Rate", "Cloakroom-Rate", "Cloakroom-Delivery", "Location"] {
        assert_eq!(answer.header(name), None, "{answer:?}");
    }
    assert_eq!(opened(&answer.bytes), BTreeSet::new());
}
