//! Lines as web servers write them, and as nobody should.

use proptest::prelude::*;

use super::*;

const NGINX: &str =
    r#"203.0.113.9 - - [21/Nov/2026:23:02:10 +0000] "GET /files/a%20b.zip?t=1 HTTP/1.1" 206 1000 "https://shop.example/" "curl/7.88.1""#;

#[track_caller]
fn good(line: &str) -> Hit<'_> {
    match read(line.as_bytes()) {
        Ok(Some(hit)) => hit,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn each_usual_format_is_recognised() {
    let expected = good(NGINX);
    assert_eq!((expected.at, expected.status, expected.sent, expected.method), (1_795_302_130, 206, Sent::Bytes(1000), Method::Get));
    assert_eq!((expected.path, expected.query, expected.agent), (&b"/files/a%20b.zip"[..], Some(&b"t=1"[..]), &b"curl/7.88.1"[..]));
    assert_eq!((expected.client, expected.host), (&b"203.0.113.9"[..], &b""[..]));
    let common = good(NGINX.split_once(" \"https").unwrap().0);
    assert_eq!(common, Hit { agent: b"", ..expected });
    let vhost = format!("shop.example:443 {NGINX}");
    assert_eq!(good(&vhost), Hit { host: b"shop.example", ..expected });
    let more = format!("{NGINX} \"-\" 0.004 \"203.0.113.1\"");
    assert_eq!(good(&more), expected);
    let user = NGINX.replace("- -", "- J. [x] Doe");
    assert_eq!(good(&user), expected);
    let nobody = NGINX.replace("- -", "- \"\"");
    assert_eq!(good(&nobody), expected);
    let named = NGINX.replace("203.0.113.9", "dial-1.example.net");
    assert_eq!(good(&named), Hit { client: b"dial-1.example.net", ..expected });
    let v6 = NGINX.replace("203.0.113.9", "2001:db8::9");
    assert_eq!(good(&v6), Hit { client: b"2001:db8::9", ..expected });
    let absolute = NGINX.replace(" /files", " HTTPS://shop.example:443/files");
    assert_eq!(good(&absolute), expected);
    let dash = NGINX.replace(" 1000 ", " - ");
    assert_eq!(good(&dash), Hit { sent: Sent::Dash, ..expected });
}

#[test]
fn quotes_inside_are_read_as_nginx_and_apache_write_them() {
    for (request, agent, path) in [
        (r"GET /a\x22b.zip HTTP/1.1", r"x \x22y\x22", r"/a\x22b.zip"),
        (r#"GET /a\"b.zip HTTP/1.1"#, r#"x \"y\""#, r#"/a\"b.zip"#),
        (r"GET /a\\ HTTP/1.1", r"x\\", r"/a\\"),
        ("GET /a b.zip HTTP/1.1", "", "/a b.zip"),
        ("GET /a.zip", "-", "/a.zip"),
        (r"\x16\x03\x01\x00", "-", ""),
        ("-", "-", ""),
        ("", "-", ""),
        ("GET http://shop.example HTTP/1.1", "-", ""),
        ("OPTIONS * HTTP/1.1", "-", ""),
    ] {
        let line = format!(r#"::1 - - [21/Nov/2026:23:02:10 +0000] "{request}" 200 1 "\"-" "{agent}""#);
        let hit = good(&line);
        assert_eq!((hit.path, hit.agent), (path.as_bytes(), agent.as_bytes()), "{line}");
    }
}

#[test]
fn a_line_that_is_none_is_a_fault_with_a_reason() {
    let mut seen = 0;
    for (from, to, why) in [
        (NGINX, "", "time in brackets"),
        (NGINX, "\x7fELF\u{1}\u{2}", "time in brackets"),
        (NGINX, "<html><a href=\"x\">", "time in brackets"),
        (NGINX, "2026/11/21 23:02:10 [error] 1#1: *1 open() \"/a\" failed", "time in brackets"),
        (NGINX, "[21/Nov/2026:23:02:10 +0000] \"GET / HTTP/1.1\" 200 1", "client"),
        ("[21/", "[32/", "time"),
        ("Nov", "Nev", "time"),
        ("[21/Nov/2026:23:02:10 +0000]", "21/Nov/2026:23:02:10 +0000]", "time in brackets"),
        ("HTTP/1.1\" 206 1000 \"https://shop.example/\" \"curl/7.88.1\"", "HTTP/1.1", "end of the request"),
        (" 206 ", " 20 ", "status"),
        (" 206 ", " 2e6 ", "status"),
        (" 206 ", " -06 ", "status"),
        (" 1000 ", " -1 ", "bytes"),
        (" 1000 ", " 18446744073709551616 ", "bytes"),
        (" 1000 \"https://shop.example/\" \"curl/7.88.1\"", "", "bytes"),
        (" 1000 ", " 0x10 ", "bytes"),
    ] {
        assert!(NGINX.contains(from), "{from}");
        let line = NGINX.replace(from, to);
        let fault = read(line.as_bytes()).unwrap_err().to_string();
        assert!(fault.contains(why), "{line}: {fault}");
        seen += 1;
    }
    assert_eq!(seen, 16);
    assert_eq!(read(NGINX.replace(" 1000 ", " 18446744073709551615 ").as_bytes()).unwrap().unwrap().sent, Sent::Bytes(u64::MAX));
    assert_eq!(read(&vec![b'a'; 1 << 20]), Err(LineFault::TooLong));
    assert!(matches!(read(b"{\"v\":\"1\"}"), Err(LineFault::Ours(_))));
    assert!(read(b"\xff\xfe \xff [21/Nov/2026:23:02:10 +0000] \"GET /\xff.zip HTTP/1.1\" 200 1").is_ok());
}

#[test]
fn our_own_format_tells_the_delivery_and_the_range() {
    let line = r#"{"v":"1","time":"1795292217.083","request":"967f98bf42db0d3fd624ec50e8a62b7a","delivery":"d-00000000000000000000","status":"206","method":"GET","bytes":"100","done":"OK","range":"bytes 200-299/300","length":"100","encoding":"","type":"application/zip","client":"127.0.0.1","took":"0.000"}"#;
    let hit = good(line);
    assert_eq!((hit.delivery, hit.client), (Some(&b"d-00000000000000000000"[..]), &b"127.0.0.1"[..]));
    assert_eq!((hit.part, hit.sent), (Some(Part { first: 200, end: 300, total: 300 }), Sent::Bytes(100)));
    assert_eq!(read(line.replace("d-00000000000000000000", "").as_bytes()), Ok(None));
}

proptest! {
    #[test]
    fn no_input_panics(line in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&line);
    }

    #[test]
    fn no_change_of_a_good_line_panics(at in 0..NGINX.len(), byte in any::<u8>(), cut in 0..NGINX.len()) {
        let mut line = NGINX.as_bytes().to_vec();
        line[at] = byte;
        let _ = read(&line);
        let _ = read(&line[..cut]);
    }
}
