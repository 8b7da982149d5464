//! Parts of files: the same bytes whoever sends them, and never more than were reserved.

use crate::places::{Kind, Places, Way};
use crate::servers::http::Download;
use crate::servers::site::content;
use crate::table::{Row, hold, signed};

const SIZE: usize = 100_000;

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let of = |range: &str| signed("@/a.bin").header("Range", range);
    for (range, seen) in [
        ("bytes=0-", "206 0-99999"),
        ("bytes=0-0", "206 0-0"),
        ("bytes=99999-", "206 99999-99999"),
        ("bytes=10-19", "206 10-19"),
        ("bytes=10-999999", "206 10-99999"),
        ("bytes=-1", "206 99999-99999"),
        ("bytes=-100000", "206 0-99999"),
        ("bytes=-100001", "206 0-99999"),
        ("bytes=100000-", "416"),
        ("bytes=100000-100001", "416"),
        ("items=0-1", "200 whole"),
        ("bytes", "200 whole"),
        ("bytes=0-9,20000-20999,-5", "206 0-9,20000-20999,99995-99999"),
        ("bytes=200000-,5-9", "206 5-9"),
        ("bytes=50-59,10-19", "206 50-59,10-19"),
    ] {
        rows.push(of(range).is(seen));
        let status = &seen[..3];
        if status == "206" && !seen.contains(',') {
            let (first, last) = seen[4..].split_once('-').unwrap();
            let length = last.parse::<usize>().unwrap() - first.parse::<usize>().unwrap() + 1;
            rows.push(of(range).method("HEAD").is(&format!("206 length {length}")));
        }
    }
    for (range, nginx, apache, why) in [
        ("bytes=0-18446744073709551615", "416", "200 whole", "it cannot hold such a number, and forgets the range"),
        ("bytes=20-10", "416", "200 whole", "it forgets a range that is none"),
        ("bytes=-0", "416", "200 whole", "it forgets a range that is none"),
        ("bytes=a-b", "416", "200 whole", "it forgets a range that is none"),
        ("bytes=5-4,10-19", "206 10-19", "200 whole", "it forgets all ranges where one is none"),
        ("bytes=-0,10-19", "206 10-19", "200 whole", "it forgets all ranges where one is none"),
        ("bytes=0-0, 2-2", "206 0-0,2-2", "200 whole", "it knows no blanks in a range"),
        ("bytes=0-,0-", "200 whole", "206 0-99999", "it makes one part of what is the same"),
    ] {
        rows.push(of(range).is(nginx).but_by(&Way::APACHE, apache, why));
    }
    rows
}

#[test]
fn a_range_gives_the_same_bytes_whoever_sends_them() {
    let places = Places::open("");
    let bytes = content(SIZE);
    places.put("a.bin", &bytes);
    hold(&places, &rows(), &bytes);
}

/// Header lines that ask for parts in all ways that somebody might read otherwise than somebody else.
fn spellings() -> Vec<String> {
    let list = |count: usize, of: &dyn Fn(usize) -> String| (0..count).map(of).collect::<Vec<_>>().join(",");
    let mut lines: Vec<String> = [
        "Range: bytes=0-0",
        "range:bytes=0-0",
        "RANGE: BYTES=0-0",
        "Range:    bytes=0-0   ",
        "Range: bytes= 0 - 0 ",
        "Range: bytes=0 -0",
        "Range: bytes=0- 0",
        "Range: \tbytes=0-0",
        "Range:\tbytes=0-0",
        "Range: \u{b}bytes=0-0",
        "Range: \u{a0}bytes=0-0",
        "Range: bytes=0-0\t",
        "Range: bytes=\t0-0",
        "Range: bytes=0-0,\t2-2",
        "Range: bytes =0-0",
        "Range: bytes = 0-0",
        "Range: byte=0-0",
        "Range: bytes:0-0",
        "Range: bytes=",
        "Range:",
        "Range: \t",
        "Range: 0-0",
        "Range : bytes=0-0",
        "Range:\r\n bytes=0-0",
        "Range: bytes=0-0\r\n ,1-",
        "Range: bytes=0-0\r\n\t,1-",
        "Range: bytes=0-0\r\nRange: bytes=0-",
        "Range: bytes=0-\r\nRange: bytes=0-0",
        "Range: bytes=0-0\r\nRange: ,0-",
        "Range: items=0-0\r\nRange: bytes=0-0",
        "Range_: bytes=0-0",
        "Request-Range: bytes=0-",
        "Request-Range: bytes=0-0",
        "Range: bytes=0-0\r\nRequest-Range: bytes=0-",
        "Request-Range: bytes=0-\r\nRange: bytes=0-0",
        "Request-Range: bytes=0-0\r\nUser-Agent: Mozilla/3.01",
        "Request-Range: bytes=0-0,5-5\r\nUser-Agent: MSIE 3.0",
        "Range: bytes=0-0,2-2\r\nUser-Agent: MSIE 3.0",
        "Range: bytes=0-0,2-2",
        "Range: bytes=5-4,0-",
        "Range: bytes=5-4",
        "Range: bytes=5-4,0-0",
        "Range: bytes=0-0,5-4",
        "Range: bytes=0-,0-",
        "Range: bytes=0-,0-,0-,0-",
        "Range: bytes=,0-0",
        "Range: bytes=0-0,",
        "Range: bytes=0-0,,2-2",
        "Range: bytes=-0",
        "Range: bytes=-0,0-0",
        "Range: bytes=-",
        "Range: bytes=--1",
        "Range: bytes=+0-0",
        "Range: bytes=0x0-0x0",
        "Range: bytes=00000000000000000000-0",
        "Range: bytes=0-9223372036854775807",
        "Range: bytes=0-9223372036854775808",
        "Range: bytes=99999-18446744073709551616",
        "Range: bytes=18446744073709551616-",
        "Range: bytes=9999999999999999999999-0,0-0",
        "Range: bytes=-9999999999999999999999",
        "Range: bytes=4294967296-4294967296,0-0",
        "Range: bytes=0-0;",
        "Range: bytes=0-0 2-2",
        "Range: bytes=0-0-5",
        "Range: bytes=0-0\r\nIf-Range:",
        "Range: bytes=0-0\r\nIf-Range: \t",
        "Range: bytes=0-0\r\nIf-Range: x",
        "Range: bytes=0-0\r\nIf-Range: \u{a0}",
        "Range: bytes=0-0\r\nIf-Range: a\r\nIf-Range: b",
        "Range: bytes=0-0\r\nIf-Range:\r\n x",
        "Range: bytes=0-0\r\nIf-Range: \"x\"",
        "Range: bytes=0-0\r\nIf-Range: Mon, 01 Jan 2090 00:00:00 GMT",
        "Range: bytes=0-0\r\nConnection: Range",
        "Range: bytes=0-0\r\nConnection: If-Range\r\nIf-Range: x",
        "Range: bytes=0-0\r\nConnection: Range, If-Range\r\nIf-Range: x",
        "Range: bytes=0-0\r\nTE: trailers\r\nTrailer: Range",
        "Range: bytes=0-0\r\nExpect: 100-continue",
        "Range: bytes=0-0\r\nCache-Control: no-transform",
        "Range: bytes=0-0\r\nAccept-Encoding: gzip",
    ]
    .map(str::to_owned)
    .to_vec();
    for count in [2, 19, 20, 21, 22, 64, 65, 100, 199, 200, 201, 500] {
        lines.push(format!("Range: bytes={}", list(count, &|at| format!("{0}-{0}", at * 10))));
    }
    for count in [2, 20, 21, 22, 100, 300] {
        lines.push(format!("Range: bytes={}", list(count, &|_| "0-".to_owned())));
        lines.push(format!("Range: bytes={}", list(count, &|_| "0-0".to_owned())));
        lines.push(format!("Range: bytes={}", list(count, &|at| format!("{}-{}", 5000 - at * 10, 5004 - at * 10))));
        lines.push(format!("Range: bytes={}", list(count, &|at| format!("{}-{}", at * 2, at * 2 + 5))));
        lines.push(format!("Range: bytes={}", list(count, &|at| format!("{}-{}", 9 + at, 5 + at))));
        lines.push(format!("Range: bytes={}", list(count, &|at| format!("-{}", at + 1))));
        lines.push(format!("Range: bytes={},0-0", list(count, &|at| format!("{}-", 200_000 + at))));
    }
    lines
}

#[test]
fn no_spelling_of_a_range_makes_apache_send_more_than_was_reserved() {
    let places = Places::open("");
    let bytes = content(SIZE);
    let lines = spellings();
    for number in 0..lines.len() {
        places.put(&format!("{number}.bin"), &bytes);
    }
    let (mut faults, mut measured, mut partial) = (Vec::new(), 0, 0);
    for (way, desk) in places.ways(Kind::Download) {
        // nginx's report corrects what was reserved; tests/ranges.rs looks at it.
        if way == Way::Nginx {
            continue;
        }
        let mut sent = Vec::new();
        for (number, headers) in lines.iter().enumerate() {
            let link = desk.target(&desk.cloakroom.link(&format!("masters/{number}.bin"), 1));
            let delivery = desk.get(&link).header("Location").unwrap().to_owned();
            let request = format!("GET {delivery} HTTP/1.1\r\nHost: a\r\n{headers}\r\nConnection: close\r\n\r\n");
            // What is no request for Apache has no bytes of the file.
            let answer = Download::send(desk.port, request.as_bytes(), false).finish();
            let is_of_the_file = answer.status < 300;
            partial += usize::from(answer.status == 206);
            sent.push(if is_of_the_file { answer.body.len() as u64 } else { 0 });
        }
        let deliveries = desk.cloakroom.json(&["delivery", "list", "--limit", "1000"]);
        for delivery in deliveries.as_array().unwrap() {
            let number: usize = delivery["file"].as_str().unwrap().trim_start_matches("masters/").trim_end_matches(".bin").parse().unwrap();
            let shown = desk.cloakroom.json(&["delivery", "show", delivery["id"].as_str().unwrap()]);
            let charged = shown["bytes_charged"].as_u64().unwrap_or_else(|| panic!("{shown:#}"));
            measured += 1;
            if sent[number] > charged {
                faults.push(format!(
                    "{way:?} {:?}: {} bytes sent, {charged} reserved",
                    lines[number].chars().take(80).collect::<String>(),
                    sent[number]
                ));
            }
            sent[number] = 0;
        }
        assert!(sent.iter().all(|bytes| *bytes == 0), "{way:?}: bytes of no delivery");
    }
    println!("{} spellings, {measured} deliveries, {partial} answers with parts", lines.len());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(measured >= 200 && partial >= 60, "{measured} {partial}");
}
