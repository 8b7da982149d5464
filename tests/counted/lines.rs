//! Whatever happens to nginx's lines on their way, the count is true or presumed.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::servers::program::Program;
use crate::servers::until;
use crate::shop::{Shop, bytes_sent, is_covered, requests, units};

const SIZE: usize = 100_000;
const PARTS: usize = 4;

/// What becomes of the lines.
type Fate = fn(Vec<String>) -> Vec<String>;

/// A download in four parts, and what nginx reported of them; nobody has heard it yet.
fn downloaded() -> (Shop, Vec<String>) {
    let shop = Shop::by_api(SIZE, "[[policy]]\nname = \"default\"\nresume_grace = \"2s\"\n");
    let url = shop.click(&shop.link(1));
    for part in 0..PARTS {
        let range = format!("bytes={}-{}", part * SIZE / PARTS, (part + 1) * SIZE / PARTS - 1);
        assert_eq!(shop.get(&url, &[("Range", &range)]).status, 206);
    }
    until("nginx's lines", || (shop.web.reported().len() == PARTS).then_some(()));
    let lines = shop.web.reported();
    (shop, lines)
}

/// Hands over these pieces, each written by itself; what the command printed.
fn hand_over(shop: &Shop, pieces: &[String]) -> Value {
    let mut child = Program::configured(&shop.cloakroom.config()).args(["feed", "--json"]).stdin(Stdio::piped()).spawn();
    let mut input = child.stdin.take().unwrap();
    for piece in pieces {
        input.write_all(piece.as_bytes()).unwrap();
        input.flush().unwrap();
    }
    drop(input);
    let output = child.wait_with_output();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn whole_lines(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().map(|line| line + "\n").collect()
}

fn torn(mut lines: Vec<String>) -> Vec<String> {
    let line = lines.remove(1);
    let (head, rest) = line.split_at(line.len() / 2);
    let mut lines = whole_lines(lines);
    lines.extend([format!("{head}\n"), format!("{rest}\n")]);
    lines
}

/// Written in pieces of 7 bytes.
fn in_pieces(lines: Vec<String>) -> Vec<String> {
    let text = whole_lines(lines).concat();
    text.as_bytes().chunks(7).map(|piece| String::from_utf8(piece.to_vec()).unwrap()).collect()
}

fn among_others(lines: Vec<String>) -> Vec<String> {
    let foreign = "127.0.0.1 - - [21/Nov/2026:20:00:00 +0000] \"GET / HTTP/1.1\" 200 1\n";
    whole_lines(lines).into_iter().flat_map(|line| [foreign.to_owned(), line, "\n".to_owned(), "{\"v\":\"2\"}\n".to_owned()]).collect()
}

fn of_another_delivery(mut lines: Vec<String>) -> Vec<String> {
    let at = lines[0].find("\"delivery\":\"d-").unwrap() + 14;
    lines[0].replace_range(at..at + 20, "00000000000000000000");
    whole_lines(lines)
}

fn of_another_request(mut lines: Vec<String>) -> Vec<String> {
    let at = lines[0].find("\"request\":\"").unwrap() + 11;
    lines[0].replace_range(at..at + 32, "967f98bf42db0d3fd624ec50e8a62b7a");
    whole_lines(lines)
}

#[test]
fn lines_that_all_arrive_are_a_completed_download_however_they_arrive() {
    let fates: [(&str, Fate, usize); 6] = [
        ("as they are", whole_lines, 0),
        ("the last first", |lines| whole_lines(lines.into_iter().rev().collect()), 0),
        ("each twice", |lines| whole_lines(lines.iter().flat_map(|line| [line.clone(), line.clone()]).collect()), PARTS),
        ("all of them again", |lines| [whole_lines(lines.clone()), whole_lines(lines)].concat(), PARTS),
        ("in pieces", in_pieces, 0),
        ("among lines of others", among_others, 0),
    ];
    for (name, fate, again) in fates {
        let (shop, lines) = downloaded();
        let told = hand_over(&shop, &fate(lines.clone()));
        assert_eq!((told["settled"].as_u64(), told["unknown"].as_u64()), (Some(PARTS as u64), Some(again as u64)), "{name}: {told}");
        let delivery = shop.becomes("completed");
        assert!(is_covered(&delivery), "{name}: {delivery:#}");
        assert_eq!((units(&delivery), bytes_sent(&delivery), requests(&delivery).len()), ((1, 0), SIZE as u64, PARTS), "{name}");
        // Once more, later: nothing changes.
        hand_over(&shop, &whole_lines(lines));
        assert_eq!(shop.newest(), delivery, "{name}");
    }
}

#[test]
fn lines_that_do_not_all_arrive_are_a_presumed_download() {
    let fates: [(&str, Fate, usize); 6] = [
        ("one is lost", |mut lines| whole_lines(lines.drain(1..).collect()), PARTS - 1),
        ("all but one are lost", |mut lines| whole_lines(lines.drain(..1).collect()), 1),
        ("all are lost", |_| vec![], 0),
        ("one is torn into two", torn, PARTS - 1),
        ("one names another delivery", of_another_delivery, PARTS - 1),
        ("one names another request", of_another_request, PARTS - 1),
    ];
    for (name, fate, heard) in fates {
        let (shop, lines) = downloaded();
        let told = hand_over(&shop, &fate(lines));
        assert_eq!(told["settled"].as_u64(), Some(heard as u64), "{name}: {told}");
        let open = shop.newest();
        assert_eq!((open["state"].as_str(), units(&open)), (Some("open"), (0, 1)), "{name}: {open:#}");
        assert_eq!(open["covered"].as_u64(), Some((heard * SIZE / PARTS) as u64), "{name}: {open:#}");
        assert_eq!(units(&shop.becomes("presumed")), (1, 0), "{name}");
    }
}

/// nginx itself names a request: what a client writes into the header that Cloakroom reads is thrown away.
#[test]
fn a_client_cannot_name_its_requests() {
    let shop = Shop::by_api(SIZE, "[[policy]]\nname = \"default\"\nretry_factor = 1\n");
    let url = shop.click(&shop.link(1));
    let name = "967f98bf42db0d3fd624ec50e8a62b7a";
    let headers = [("X-Request-Id", name), ("X-Request-ID", name), ("Request-Id", name), ("Cloakroom-Request", name)];
    // If the name were the client's, the second request would be the first one again and charged nothing.
    for asked in 1..=2 {
        assert_eq!(shop.get(&url, &headers[..1]).status, 200);
        let delivery = shop.newest();
        assert_eq!(requests(&delivery).len(), asked, "{delivery:#}");
        assert_eq!(delivery["bytes_charged"].as_u64(), Some((asked * SIZE) as u64));
    }
    let third = shop.get(&url, &headers);
    assert_eq!((third.status, third.header("cloakroom-refusal")), (429, Some("byte_budget")), "two times the file is all that leaves");
    for request in requests(&shop.newest()) {
        let id = request["id"].as_str().unwrap();
        assert!(id.len() == 32 && id != name, "{id}");
    }
}
