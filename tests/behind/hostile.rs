//! What a stranger sends to Apache: the addresses and headers that nginx gets in `tests/hostile.rs`. A protected byte leaves
//! only for a proof of exactly that file, and no header changes the verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cloakroom::clock;

use crate::places::{Kind, Places, Way};
use crate::raw::{Raw, ask};
use crate::servers::desk::Desk;
use crate::targets;
use crate::tricks::{sizes, tricks};

/// The content of a protected file: how it is recognised in an answer.
fn marker(address: &str) -> String {
    format!("<<protected {address}>>")
}

/// The protected files whose content is in `bytes`.
fn opened(bytes: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split("<<protected ").skip(1).map(|rest| rest.split(">>").next().unwrap().to_owned()).collect()
}

fn places() -> Places {
    let places = Places::open("");
    for kind in Kind::ALL {
        for (_, desk) in places.ways(kind) {
            let directory = if kind == Kind::Authorize { desk.root.join("members") } else { desk.downloads.clone() };
            for file in targets::FILES {
                let path = directory.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, marker(&format!("{}/{file}", kind.base()))).unwrap();
            }
            fs::write(desk.root.join("free.txt"), "free").unwrap();
            fs::write(desk.root.parent().unwrap().join("outside.txt"), marker("outside")).unwrap();
        }
    }
    places
}

/// A proof's query for `path`, or for all under it.
fn query(desk: &Desk, path: &str, is_prefix: bool) -> String {
    let soon = clock::now().seconds() + 3600;
    let query = if is_prefix { format!("kid=main&exp={soon}&prefix={path}") } else { format!("kid=main&exp={soon}") };
    // Apache's error log has what is no address, signature and all; nothing is kept of it here.
    let key = fs::read_to_string(desk.cloakroom.state().join("keys/main")).unwrap();
    format!("{query}&sig={}", crate::servers::site::signature(&key, path, &query))
}

#[test]
fn no_spelling_of_an_address_opens_what_the_proof_does_not() {
    let places = places();
    let (mut faults, mut statuses, mut count) = (Vec::new(), BTreeMap::<(String, u16), usize>::new(), BTreeMap::<String, usize>::new());
    for kind in Kind::ALL {
        let base = kind.base();
        let targets = targets::of(base);
        assert!(targets.protected.len() >= 300 && targets.internal.len() >= 50, "{base}: {}", targets.protected.len());
        let all: BTreeSet<String> =
            Kind::ALL.iter().flat_map(|kind| targets::FILES.map(|file| format!("{}/{file}", kind.base()))).collect();
        for (way, desk) in places.ways(kind) {
            if way == Way::Nginx {
                continue;
            }
            let (other, pub_, secret) = (format!("{base}/other.txt"), format!("{base}/pub/"), format!("{base}/secret.txt"));
            let proofs = [
                ("none", String::new(), BTreeSet::new()),
                ("other", query(desk, &other, false), BTreeSet::from([other])),
                ("secret", query(desk, &secret, false), BTreeSet::from([secret])),
                ("pub/", query(desk, &pub_, true), all.iter().filter(|file| file.starts_with(&pub_)).cloned().collect()),
                ("all", query(desk, "/", true), all.clone()),
                ("internal", query(desk, "/_cloakroom/masters/secret.txt", false), BTreeSet::new()),
            ];
            let both = targets.protected.iter().map(|target| (target, false)).chain(targets.internal.iter().map(|target| (target, true)));
            for (target, is_internal) in both {
                for (name, query, opens) in &proofs {
                    let joint: &[u8] = if query.is_empty() {
                        b""
                    } else if target.contains(&b'?') {
                        b"&"
                    } else {
                        b"?"
                    };
                    let sent = [target, joint, query.as_bytes()].concat();
                    let Raw { status, head, bytes } = ask(desk.port, &sent, "");
                    let found = opened(&bytes);
                    let shown = String::from_utf8_lossy(&target[..target.len().min(100)]).into_owned();
                    let is_good = found.is_subset(opens) && (!is_internal || found.is_empty());
                    let tells = head.to_ascii_lowercase();
                    if !is_good
                        || tells.contains("x-accel-")
                        || tells.contains("x-sendfile")
                        || bytes.windows(5).any(|window| window == b"root:")
                    {
                        faults.push(format!("{way:?} {shown:?} with proof `{name}` opened {found:?}: {head}"));
                    }
                    if status >= 500 {
                        faults.push(format!("{way:?} {shown:?} with proof `{name}`: status {status}"));
                    }
                    *statuses.entry((format!("{way:?}"), status)).or_default() += 1;
                    *count.entry(format!("{way:?} {name}")).or_default() += found.len();
                }
            }
        }
    }
    println!("opened: {count:?}\nstatuses: {statuses:?}");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    for (proof, opened) in count {
        assert_eq!(opened > 0, !proof.ends_with(" none") && !proof.ends_with(" internal"), "`{proof}` opened {opened}");
    }
}

/// Ways, how the lines begin, status and code, why.
type Difference = (&'static [Way], &'static [&'static str], u16, Option<&'static str>, &'static str);

/// What of the tricks Apache, or we behind it, refuse whatever the proof: ways, how the lines begin, status and code, why.
const DIFFERENCES: &[Difference] = &[
    (
        &Way::APACHE,
        &[
            "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: -5",
            "Transfer-Encoding: gzip",
            "Host: evil.example",
            "Host : shop.example",
            "X-Long: ",
            "X: y\r\nX: y",
            "Cookie: xxx",
            "User-Agent: \u{7f}",
        ],
        400,
        None,
        "Apache itself takes no such request",
    ),
    (
        &[Way::Scgi],
        &["Transfer-Encoding: chunked\r\n\r\n5", "Content-Length: 5\r\nTransfer-Encoding: chunked"],
        411,
        None,
        "SCGI says the length of a body before it, and mod_proxy_scgi does not find it out",
    ),
    (&[Way::Scgi, Way::Xsendfile], &["Max-Forwards: 0"], 400, None, "a proxy that may not pass a request on does not"),
    (
        &[Way::Xsendfile],
        &["X_Original_URI", "X-Original_URI", "X.Original.URI", "X_Original_Method", "X_Request_Id", "X_Real_IP"],
        400,
        Some("bad_request"),
        "nginx drops headers of such names, Apache passes them on, and who is told two things of one believes neither",
    ),
    (
        &[Way::Xsendfile],
        &["X-HTTP-Method-Override", "X-Method-Override", "Request-Uri", "X-Original-Path", "X-Replaced-Path", "X-Envoy-Original-Path"],
        400,
        Some("bad_request"),
        "behind nginx too; over SCGI the headers of a client are told apart from what Apache says, and are not read",
    ),
    (
        &[Way::Xsendfile],
        &["Connection: close, X-Request-Id", "Connection: close, X-Real-IP", "Connection: X-Request-Id", "Connection: X-Real-IP"],
        400,
        Some("bad_request"),
        "mod_proxy takes off what a client names there, its own headers too, and without them there is no answer",
    ),
];

#[test]
fn no_header_of_a_client_changes_the_verdict() {
    let places = places();
    // A body that is announced and never comes is waited for as long as mod_reqtimeout lets it.
    let waits = |lines: &str| lines.starts_with("Transfer-Encoding: chunked\r\nTransfer-Encoding");
    let tricks: Vec<String> = tricks().into_iter().chain(sizes()).map(|(lines, _)| lines).filter(|lines| !waits(lines)).collect();
    let mut faults = Vec::new();
    let mut found_differences = BTreeSet::new();
    let mut seen = 0;
    for kind in Kind::ALL {
        let path = format!("{}/secret.txt", kind.base());
        for (way, desk) in places.ways(kind) {
            if way == Way::Nginx {
                continue;
            }
            let bound = desk.mint(&path, &format!("kid=main&exp={}&net=203.0.113.0/24", clock::now().seconds() + 3600));
            let proofs = [
                (query(desk, &path, false), None),
                (query(desk, &format!("{}/other.txt", kind.base()), false), Some((403, "bad_proof"))),
                (bound.split_once('?').unwrap().1.to_owned(), Some((403, "wrong_network"))),
                (String::new(), Some((401, "no_proof"))),
            ];
            for lines in &tricks {
                let difference = DIFFERENCES.iter().find_map(|(ways, begins, status, code, _)| {
                    let begin = begins.iter().find(|begin| ways.contains(&way) && lines.starts_with(**begin))?;
                    Some((*begin, *status, *code))
                });
                found_differences.extend(difference.map(|(begin, ..)| (format!("{way:?}"), begin)));
                for (query, refused) in &proofs {
                    let target = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
                    let answer = ask(desk.port, target.as_bytes(), lines);
                    let found = opened(&answer.bytes);
                    let refused = &difference.map_or(*refused, |(_, status, code)| Some((status, code.unwrap_or_default())));
                    let good = match refused {
                        None => matches!(answer.status, 200 | 206 | 416) && found.iter().all(|file| *file == path),
                        Some((status, code)) => {
                            answer.status == *status && found.is_empty() && answer.header("Cloakroom-Refusal").unwrap_or_default() == *code
                        }
                    };
                    if !good {
                        let shown = &lines[..lines.floor_char_boundary(80)];
                        faults.push(format!(
                            "{way:?} {refused:?} {shown:?}: {} {found:?} {:?}",
                            answer.status,
                            answer.header("Cloakroom-Refusal")
                        ));
                    }
                    seen += 1;
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(seen >= 4 * 4 * 80, "{seen}");
    let listed: usize = DIFFERENCES.iter().map(|(ways, begins, ..)| ways.len() * begins.len()).sum();
    assert_eq!(found_differences.len(), listed, "each listed difference was met: {found_differences:?}");
}
