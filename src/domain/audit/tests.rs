//! Whole audits of small logs.

use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules { grace: Span::from_hours(24), networks: 3, top: 50, queries: false };

fn get(client: &'static str, status: u16, bytes: u64) -> Hit<'static> {
    Hit {
        at: 1_000_000,
        host: b"",
        path: b"/a.zip",
        query: None,
        client: client.as_bytes(),
        agent: b"browser",
        delivery: None,
        method: Method::Get,
        status,
        sent: Sent::Bytes(bytes),
        part: None,
    }
}

fn found(hits: &[Hit<'_>]) -> Findings {
    let mut audit = Audit::new(RULES);
    for hit in hits {
        audit.add(&audit.keys().of(*hit));
    }
    audit.finish()
}

/// Complete, broken off, parts, unknown.
fn verdicts(hits: &[Hit<'_>]) -> [u64; 4] {
    let sessions = found(hits).sessions;
    assert_eq!(sessions.all, sessions.complete() + sessions.broken_off + sessions.parts + sessions.unknown);
    [sessions.complete(), sessions.broken_off, sessions.parts, sessions.unknown]
}

#[test]
fn a_download_counts_once_however_many_requests_it_takes() {
    let whole = get("192.0.2.1", 200, 900);
    for (name, hits, expected) in [
        ("twice whole", &[whole, whole][..], [1, 0, 0, 0]),
        ("two clients", &[whole, get("192.0.2.2", 200, 900)], [2, 0, 0, 0]),
        ("an abort", &[whole, get("192.0.2.2", 200, 500)], [1, 1, 0, 0]),
        ("a resume", &[whole, get("192.0.2.2", 200, 500), get("192.0.2.2", 206, 400)], [2, 0, 0, 0]),
        ("begun twice, never whole", &[whole, get("192.0.2.2", 200, 500), get("192.0.2.2", 200, 500)], [1, 1, 0, 0]),
        ("sixteen pieces", &[[whole; 1].as_slice(), &[get("192.0.2.2", 206, 60); 16]].concat(), [2, 0, 0, 0]),
        ("a reader", &[whole, get("192.0.2.2", 206, 10), get("192.0.2.2", 206, 10)], [1, 0, 1, 0]),
        ("one range over all", &[whole, get("192.0.2.2", 206, 900)], [2, 0, 0, 0]),
        ("only ranges ever", &[get("192.0.2.2", 206, 900)], [0, 0, 0, 1]),
        ("HEAD", &[Hit { method: Method::Head, ..whole }], [0; 4]),
        ("304, 404, 416", &[get("192.0.2.1", 304, 0), get("192.0.2.1", 404, 90), get("192.0.2.1", 416, 90)], [0; 4]),
        ("another agent", &[whole, Hit { agent: b"other", ..whole }], [2, 0, 0, 0]),
        ("within the grace", &[whole, Hit { at: whole.at + 86_400, ..whole }], [1, 0, 0, 0]),
        ("after the grace", &[whole, Hit { at: whole.at + 86_401, ..whole }], [2, 0, 0, 0]),
        ("another host", &[Hit { host: b"a", ..whole }, Hit { host: b"b", ..whole }], [2, 0, 0, 0]),
    ] {
        assert_eq!(verdicts(hits), expected, "{name}");
    }
}

#[test]
fn where_the_log_tells_ranges_each_byte_is_needed() {
    let part = |first, end| Hit { part: Some(Part { first, end, total: 900 }), ..get("192.0.2.1", 206, end - first) };
    assert_eq!(verdicts(&[part(0, 500), part(500, 900)]), [1, 0, 0, 0]);
    assert_eq!(verdicts(&[part(0, 500), part(0, 500)]), [0, 0, 1, 0], "twice the same half is no whole");
    let whole = Hit { part: Some(Part { first: 0, end: 900, total: 900 }), ..get("192.0.2.1", 200, 400) };
    assert_eq!(verdicts(&[whole, part(400, 900)]), [1, 0, 0, 0]);
    assert_eq!(verdicts(&[whole, part(401, 900)]), [0, 1, 0, 0]);
    assert_eq!(found(&[whole]).top_files[0].surety, Surety::Told);
}

#[test]
fn requests_of_one_delivery_are_one_download_whoever_sends_them() {
    let hits = [(0, 500, "192.0.2.1"), (500, 900, "198.51.100.1")].map(|(first, end, client)| Hit {
        delivery: Some(b"d-1"),
        part: Some(Part { first, end, total: 900 }),
        ..get(client, 206, end - first)
    });
    assert_eq!(verdicts(&hits), [1, 0, 0, 0]);
}

#[test]
fn a_link_that_went_round_is_told_from_links_of_their_own() {
    let networks = ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "192.0.2.77"];
    let one: Vec<Hit<'_>> = networks.iter().map(|client| Hit { query: Some(b"t=1"), ..get(client, 200, 900) }).collect();
    let shared = found(&one).shared;
    assert_eq!(shared.len(), 1);
    assert_eq!((shared[0].networks, shared[0].name.as_str()), (4, "/a.zip"));
    assert!(matches!(shared[0].query, SharedQuery::One { text: None, .. }), "a token is not kept: {shared:?}");
    let queries: [&[u8]; 5] = [b"t=1", b"t=2", b"t=3", b"t=4", b"t=5"];
    let own: Vec<Hit<'_>> = one.iter().zip(queries).map(|(hit, query)| Hit { query: Some(query), ..*hit }).collect();
    let shared = found(&own).shared;
    assert_eq!(shared.iter().map(|shared| (shared.networks, shared.query.clone())).collect::<Vec<_>>(), [(4, SharedQuery::Several(5))]);
    assert_eq!(found(&one[..3]).shared, []);
    let broken: Vec<Hit<'_>> =
        one.iter().zip(1..).map(|(hit, bytes)| Hit { sent: Sent::Bytes(bytes), ..*hit }).chain([get("192.0.2.1", 200, 900)]).collect();
    assert!(found(&broken).shared.is_empty(), "what did not arrive was not shared");
}

#[test]
fn the_column_of_bytes_is_known_by_answers_without_a_body() {
    let none = |sent| Hit { sent, ..get("192.0.2.1", 304, 0) };
    for (sent, measure) in [(Sent::Bytes(0), Measure::Body), (Sent::Dash, Measure::Intended), (Sent::Bytes(180), Measure::WithHead)] {
        assert_eq!(found(&[none(sent)]).measure, measure);
    }
    assert_eq!(found(&[get("192.0.2.1", 200, 1)]).measure, Measure::Unknown);
}

#[test]
fn robots_and_those_who_try_names_are_told() {
    let robot = Hit { agent: b"Mozilla/5.0 (compatible; ExampleBot/2.1)", ..get("192.0.2.9", 200, 900) };
    let mut hits = vec![robot, get("192.0.2.1", 200, 900)];
    hits.extend([get("192.0.2.2", 404, 90); 50]);
    let findings = found(&hits);
    assert_eq!((findings.robots.clients, findings.robots.complete), (1, 1));
    assert_eq!((findings.scanners.clients, findings.scanners.hits), (1, 50));
}

#[test]
fn too_many_files_are_told_and_not_dropped_in_silence() {
    let mut audit = Audit::new(RULES);
    let keys = audit.keys();
    let paths: Vec<Vec<u8>> = (0..FILES_MAX + 7).map(|number| format!("/{number}.zip").into_bytes()).collect();
    for path in &paths {
        audit.add(&keys.of(Hit { path, ..get("192.0.2.1", 200, 900) }));
    }
    let findings = audit.finish();
    assert_eq!((findings.files, findings.beyond.not_followed), (FILES_MAX as u64, 7));
    assert_eq!(findings.hits.whole, (FILES_MAX + 7) as u64);
}

fn hits() -> impl Strategy<Value = Vec<Hit<'static>>> {
    let clients = prop::sample::select(vec!["192.0.2.1", "192.0.2.2", "198.51.100.1", "203.0.113.1", "2001:db8::1", "named.example"]);
    let paths = prop::sample::select(vec![&b"/a.zip"[..], b"/b.zip"]);
    let queries = prop::sample::select(vec![None, Some(&b"t=1"[..]), Some(&b"t=2"[..])]);
    let answers = prop::sample::select(vec![200, 200, 206, 206, 304, 404, 416]);
    let one = (clients, paths, queries, answers, 0_u64..6, 0_u64..200_000).prop_map(|(client, path, query, status, bytes, later)| Hit {
        path,
        query,
        at: 1_000_000 + later,
        ..get(client, status, bytes * 150)
    });
    prop::collection::vec(one, 0..60)
}

proptest! {
    #[test]
    fn the_order_of_different_clients_changes_nothing(hits in hits(), order in prop::collection::vec(any::<u32>(), 60)) {
        let mut clients: Vec<&[u8]> = hits.iter().map(|hit| hit.client).collect();
        clients.sort_unstable();
        clients.dedup();
        let mut queues: Vec<Vec<Hit<'_>>> =
            clients.iter().map(|client| hits.iter().rev().filter(|hit| hit.client == *client).copied().collect()).collect();
        let mut mixed = Vec::new();
        for turn in order.iter().cycle() {
            queues.retain(|queue| !queue.is_empty());
            if queues.is_empty() {
                break;
            }
            let place = *turn as usize % queues.len();
            mixed.extend(queues[place].pop());
        }
        prop_assert_eq!(mixed.len(), hits.len());
        prop_assert_eq!(found(&mixed), found(&hits));
    }

    #[test]
    fn true_downloads_are_never_more_than_answers_with_bytes(hits in hits()) {
        let findings = found(&hits);
        prop_assert!(findings.sessions.complete() <= findings.hits.whole + findings.hits.part);
        prop_assert!(findings.bytes_complete <= findings.bytes_sent);
    }
}
