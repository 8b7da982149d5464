//! The lines of the shipped formats, and what nobody writes.

use proptest::prelude::*;

use super::*;
use crate::feed::line::{LINE_BYTES_MAX, read};

/// As Apache 2.4.71 wrote it.
const GOOD: &str = r#"{"v":"apache-1","time":"1795374720222","request":"awM-gI3hP0qOLnW_DaLdIAAAAAQ","delivery":"d-00000000000000000000","sent":"d-00000000000000000000","noted":"-","env":"-","status":"200","method":"GET","protocol":"HTTP/1.1","http2":"-","end":"+","out":"300337","body":"300000","range":"-","length":"300000","encoding":"-","type":"application/zip","client":"127.0.0.1","took":"1"}"#;

const PUBLIC: &str = r#"{"v":"apache-1","time":"1795374720222","request":"awM-gI3hP0qOLnW_DaLdIAAAAAQ","path":"/pub/x\"y\\\xc3\xa9\n\x01/a.zip","status":"200","method":"GET","protocol":"HTTP/1.1","http2":"-","end":"+","out":"300337","body":"300000","range":"-","length":"300000","encoding":"-","type":"application/zip","client":"2001:db8::1","user":"""","agent":"a \"b\" \\ \xff","took":"1"}"#;

fn changed(changes: &[(&str, &str)]) -> String {
    let mut line = GOOD.to_owned();
    for (key, value) in changes {
        let from = line.find(&format!("\"{key}\":\"")).unwrap() + key.len() + 4;
        let end = from + line[from..].find('"').unwrap();
        line.replace_range(from..end, value);
    }
    line
}

fn report(changes: &[(&str, &str)]) -> (u64, bool, Option<(u64, u64)>) {
    let told = read(changed(changes).as_bytes()).unwrap_or_else(|fault| panic!("{changes:?}: {fault}")).expect("a delivery");
    (told.report().bytes, told.report().finished, told.report().from)
}

/// What is known of the head of such an answer.
fn head(length: &str, range: &str) -> u64 {
    let range = if range.is_empty() { 0 } else { 17 + range.len() };
    54 + (18 + length.len() + range + 31 + 44) as u64
}

#[test]
fn what_was_sent_is_told_as_the_table_says() {
    let whole = Some((0, 300_000));
    let least = 300_000 + head("300000", "");
    let (least, less) = (least.to_string(), (least - 1).to_string());
    // Bytes that were sent in frames of 16 KiB, behind a head of one byte.
    let (framed, less_framed) = ((300_000 + 19 * 9 + 10).to_string(), (300_000 + 19 * 9 + 9).to_string());
    let part = "bytes 100-199/300000";
    let part_out = (100 + head("100", part)).to_string();
    for (changes, told) in [
        (&[][..], (300_000, true, whole)),
        (&[("end", "-")], (300_000, true, whole)),
        (&[("out", &least)], (300_000, true, whole)),
        (&[("out", &less)], (299_999, false, whole)),
        (&[("out", "1000")], (1000 - head("300000", ""), false, whole)),
        (&[("out", "0")], (0, false, whole)),
        // An abort never has the last byte, whatever encryption adds.
        (&[("end", "X")], (299_999, false, whole)),
        (&[("end", "X"), ("out", "303099")], (299_999, false, whole)),
        (&[("end", "X"), ("out", "100000")], (100_000 - head("300000", ""), false, whole)),
        // Whatever stands around it, a body has no more than was to be sent.
        (&[("end", "X"), ("out", "100000"), ("body", "8000")], (8000, false, whole)),
        (&[("http2", "on"), ("end", "X"), ("out", &framed)], (300_000, true, whole)),
        (&[("http2", "on"), ("end", "-"), ("out", &less_framed)], (299_999, false, whole)),
        (&[("http2", "on"), ("end", "X"), ("out", "16403")], (16_384, false, whole)),
        // Said in the request line of HTTP/1.1, which answers as it does: a head, and no frames.
        (&[("protocol", "HTTP/2.0"), ("out", &least)], (300_000, true, whole)),
        (&[("protocol", "HTTP/2.0"), ("end", "X")], (299_999, false, whole)),
        (&[("protocol", "HTTP/0.9"), ("out", "300000")], (300_000, true, whole)),
        (&[("method", "HEAD"), ("out", "337")], (0, true, None)),
        (&[("status", "304"), ("length", "-"), ("type", "-"), ("out", "200"), ("body", "0")], (0, true, None)),
        (&[("status", "404"), ("sent", "-"), ("length", "236"), ("out", "412"), ("body", "236")], (236, true, None)),
        (&[("status", "-"), ("out", "0"), ("body", "0"), ("length", "-"), ("end", "X")], (0, false, None)),
        (&[("encoding", "gzip"), ("length", "133"), ("out", "514"), ("body", "133")], (133, true, None)),
        (&[("length", "-"), ("out", "300500")], (300_000, true, None)),
        (&[("length", "0"), ("out", "328"), ("body", "0")], (0, true, Some((0, 0)))),
        (&[("length", "0"), ("out", "0"), ("body", "0"), ("end", "X")], (0, false, Some((0, 0)))),
        (&[("status", "206"), ("range", part), ("length", "100"), ("out", &part_out), ("body", "100")], (100, true, Some((100, 300_000)))),
        (&[("status", "206"), ("range", part), ("length", "100"), ("out", "0"), ("end", "X")], (0, false, Some((100, 300_000)))),
        (&[("status", "206"), ("length", "222"), ("type", "multipart/byteranges"), ("out", "601"), ("body", "222")], (222, true, None)),
    ] {
        assert_eq!(report(changes), told, "{changes:?}");
    }
}

#[test]
fn a_delivery_is_named_by_any_of_four_keys_and_by_no_two_different_ones() {
    let id = "d-00000000000000000000";
    for key in DELIVERY {
        let mut changes: Vec<_> = DELIVERY.iter().map(|key| (*key, "-")).collect();
        assert_eq!(read(changed(&changes).as_bytes()), Ok(None));
        changes.push((key, id));
        let Ok(Some(Told::Delivery(told))) = read(changed(&changes).as_bytes()) else { panic!("{key}") };
        assert_eq!((told.delivery.to_string().as_str(), told.request.as_str()), (id, "awM-gI3hP0qOLnW_DaLdIAAAAAQ"));
        if key != "delivery" {
            assert_eq!(read(changed(&[(key, "d-00000000000000000001")]).as_bytes()), Err(odd(key)));
        }
    }
}

#[test]
fn a_request_in_a_public_directory_is_read_back_from_its_escapes() {
    let Ok(Some(Told::Public(told))) = read(PUBLIC.as_bytes()) else { panic!("{:?}", read(PUBLIC.as_bytes())) };
    assert_eq!(told.path, "/pub/x\"y\\é\n\u{1}/a.zip");
    assert_eq!((told.user.as_deref(), told.client.address.to_string().as_str()), (None, "2001:db8::1"));
    assert_eq!(told.client, Client::new("2001:db8::1".parse().unwrap(), "a \"b\" \\ \u{fffd}"));
    let named = PUBLIC.replace(r#""user":"""""#, r#""user":"k7m2""#).replace("/pub/", "//pub///");
    let Ok(Some(Told::Public(told))) = read(named.as_bytes()) else { panic!("{named}") };
    assert_eq!((told.user.as_deref(), told.path.starts_with("/pub/x")), (Some("k7m2"), true));
    for (bad, key) in [
        (PUBLIC.replace(r"\n", r"\q"), "path"),
        (PUBLIC.replace(r"\xff", r"\xfg"), "agent"),
        (PUBLIC.replace(r"\xff", r"\x"), "agent"),
        (PUBLIC.replace("2001:db8::1", "2001:db8::g"), "client"),
    ] {
        assert_eq!(read(bad.as_bytes()), Err(odd(key)), "{bad}");
    }
}

#[test]
fn a_value_that_apache_does_not_write_is_a_fault_that_names_its_key() {
    let mut seen = 0;
    for (key, values) in [
        ("time", &["", "-", "1795374720.222", "-1", "99999999999999999999"][..]),
        ("request", &["", "-", "a b", "../x", "a/b"][..]),
        ("delivery", &["d-", "g-00000000000000000000", r"d-\x30"][..]),
        ("status", &["20", "2000", "-20", "2e2"][..]),
        ("end", &["", "x", "OK", "++"][..]),
        ("out", &["", "-", "-1", "1.0", "18446744073709551616"][..]),
        ("body", &["", "-", "0x1"][..]),
        ("length", &["-1", "3e2"][..]),
        ("range", &["bytes 0-1/2", "x"][..]),
    ] {
        for value in values {
            let mut changes = vec![(key, *value)];
            // Two that differ are another fault.
            changes.extend((key == "delivery").then_some(("sent", "-")));
            assert_eq!(read(changed(&changes).as_bytes()), Err(odd(key)), "{key} {value:?}");
            seen += 1;
        }
    }
    assert_eq!(seen, 33);
}

#[test]
fn a_line_that_is_not_of_the_format_is_a_fault() {
    let start = std::str::from_utf8(START).unwrap();
    let many = (0..100).map(|key| format!(",\"k{key}\":\"\"")).collect::<Vec<_>>().concat();
    for bad in [
        start.to_owned(),
        format!("{start}1\""),
        format!("{start}1\"}}"),
        format!("{start}1\\\"}}"),
        format!("{start}1\",}}"),
        GOOD[..GOOD.len() - 1].to_owned(),
        GOOD[..GOOD.len() / 2].to_owned(),
        format!("{GOOD}{GOOD}"),
        format!("{GOOD} "),
        GOOD.replace(r#""out":"300337""#, r#""out":300337"#),
        GOOD.replace(r#""out":"300337","#, ""),
        GOOD.replace(r#""out":"#, r#""body":"#),
        GOOD.replace(r#""took":"1""#, r#""took":"1\""#),
        GOOD.replace('}', &format!("{many}}}")),
    ] {
        assert!(matches!(read(bad.as_bytes()), Err(LineFault::NotTheFormat(_))), "{bad}: {:?}", read(bad.as_bytes()));
    }
    assert_eq!(read(changed(&[("v", "apache-2")]).as_bytes()), Err(LineFault::AnotherVersion(WebServer::Apache)));
    let long = GOOD.replace("application/zip", &"a".repeat(LINE_BYTES_MAX));
    assert_eq!(read(long.as_bytes()), Err(LineFault::TooLong));
    let said = LineFault::AnotherVersion(WebServer::Apache).to_string();
    assert_eq!(said, "another version of the LogFormat: `v` must be \"apache-1\"");
    assert_eq!(odd("end").to_string(), "`end` is not what Apache writes there");
}

/// `ap_escape_logitem` of server/util.c.
fn escaped(bytes: &[u8]) -> Vec<u8> {
    let letter = |byte| match byte {
        0x08 => Some(b'b'),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b'\t' => Some(b't'),
        0x0b => Some(b'v'),
        b'"' | b'\\' => Some(byte),
        _ => None,
    };
    let mut text = Vec::new();
    for &byte in bytes {
        match letter(byte) {
            Some(letter) => text.extend([b'\\', letter]),
            None if byte.is_ascii_graphic() || byte == b' ' => text.push(byte),
            None => text.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    text
}

proptest! {
    #[test]
    fn whatever_a_client_says_is_read_back_and_touches_no_other_value(bytes in proptest::collection::vec(any::<u8>(), 1..300)) {
        prop_assume!(bytes != b"-");
        let value = escaped(&bytes);
        let (before, after) = PUBLIC.split_once(r#"a \"b\" \\ \xff"#).unwrap();
        let line = [before.as_bytes(), &value, after.as_bytes()].concat();
        let Ok(Some(Told::Public(told))) = read(&line) else { panic!("{:?}", read(&line)) };
        let text = String::from_utf8_lossy(&bytes);
        prop_assert_eq!(told.client, Client::new("2001:db8::1".parse().unwrap(), agent(&text)));
        prop_assert_eq!(unescaped(&value).unwrap(), text);
    }

    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..2000), at in 0..GOOD.len(), cut in 0..GOOD.len()) {
        let _ = read(&[START, &bytes].concat());
        let mut line = GOOD.as_bytes().to_vec();
        line[at] = bytes.first().copied().unwrap_or_default();
        let _ = read(&line);
        let _ = read(&line[..cut]);
        let _ = unescaped(&bytes);
        let _ = asked(&line);
    }

    #[test]
    fn what_is_read_never_reaches_beyond_the_part_nor_to_its_end_unless_it_is_finished(
        first in 0..1000_u64, length in 1..100_000_u64, out in 0..110_000_u64, body in 0..110_000_u64,
        end in prop_oneof![Just("X"), Just("+"), Just("-")], protocol in prop_oneof![Just("HTTP/1.1"), Just("HTTP/2.0")],
    ) {
        let range = format!("bytes {first}-{}/1000000", first + length - 1);
        let (length_text, out_text, body) = (length.to_string(), out.to_string(), body.to_string());
        let (bytes, finished, from) = report(&[
            ("status", "206"), ("range", &range), ("length", &length_text), ("out", &out_text), ("body", &body), ("end", end), ("protocol", protocol),
        ]);
        prop_assert_eq!(from, Some((first, 1_000_000)));
        prop_assert!(bytes <= length && (finished == (bytes == length)), "{} of {}", bytes, length);
        prop_assert!(!finished || out > length);
        prop_assert!(!finished || end != "X" || protocol == "HTTP/2.0");
    }
}
