//! Headers that a client sends beside the usual ones, and what nginx and Cloakroom make of them.
#![allow(dead_code)]

/// What a trick comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comes {
    /// The same as without it.
    Nothing,
    /// nginx itself refuses the request, with this status; the daemon never hears of it.
    Nginx(u16),
    /// nginx passes on what is no header, or too long for a head: the daemon refuses a download with this status, and
    /// nginx makes a 500 of it where it only asked.
    Unreadable(u16),
    /// A download, with which the client's own headers come along, is refused with this status; where nginx only asks it
    /// comes to nothing.
    NoDownload(u16),
}

/// Header lines that a client sends beside the usual ones, and what they come to.
pub fn tricks() -> Vec<(String, Comes)> {
    use Comes::{NoDownload, Nothing};
    let free = "/free.txt";
    let mut tricks: Vec<(String, Comes)> = vec![];
    let mut add = |lines: String, comes| tricks.push((lines, comes));
    // Another address, method, request or client than nginx says.
    for name in [
        "X-Original-URI",
        "x-original-uri",
        "X_Original_URI",
        "X-Original_URI",
        "X.Original.URI",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Uri",
    ] {
        add(format!("{name}: {free}\r\n"), Nothing);
    }
    for (name, value) in [
        ("X-Original-Method", "OPTIONS"),
        ("X-Original-Method", "HEAD"),
        ("X_Original_Method", "OPTIONS"),
        ("X-Request-Id", "00000000000000000000000000000000"),
        ("X-Request-Id", ""),
        ("X_Request_Id", "mine"),
        ("X-Real-IP", "203.0.113.9"),
        ("X-Real-IP", "not an address"),
        ("X_Real_IP", "203.0.113.9"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-For", "127.0.0.1, 203.0.113.9"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Original-Host", "evil.example"),
        ("X-Original-For", "203.0.113.9"),
        ("X-Original-Proto", "https"),
        ("X-Forwarded-Prefix", "/members/pub"),
        ("Forwarded", "for=203.0.113.9;host=evil.example;proto=https"),
        ("X-Client-IP", "203.0.113.9"),
        ("True-Client-IP", "203.0.113.9"),
        ("CF-Connecting-IP", "203.0.113.9"),
        ("X-Accel-Redirect", "/_cloakroom/masters/other.txt"),
        ("X-Accel-Limit-Rate", "1"),
        ("X-Accel-Buffering", "no"),
        ("X-Sendfile", "/etc/passwd"),
        ("X-Lighttpd-Send-File", "/etc/passwd"),
        ("Cloakroom-Refusal", "no_rule"),
        ("Cloakroom-Rate", "1"),
        ("Cloakroom-Delivery", "d-00000000000000000000"),
        ("Cloakroom-User", "root"),
        ("Authorization", "Basic cm9vdDpyb290"),
        ("Authorization", "Bearer \u{1F511} \"', junk"),
        ("Proxy-Authorization", "Basic cm9vdDpyb290"),
        ("Cookie", "cloakroom=AAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("Cookie", "cloakroom=a; cloakroom=b; =; ;;; \u{fc}"),
        ("User-Agent", "\"} {\u{fc}"),
        ("Accept", "text/html;q=x,,,;"),
        ("Upgrade", "h2c"),
        ("TE", "trailers"),
        ("Trailer", "X-Original-URI"),
        ("Expect", "100-continue"),
        ("Via", "1.1 evil.example"),
        ("Purpose", "none; x=prefetched"),
        ("Max-Forwards", "0"),
        ("If-Modified-Since", "nonsense"),
    ] {
        add(format!("{name}: {value}\r\n"), Nothing);
    }
    for name in
        ["X-HTTP-Method-Override", "X-Method-Override", "Request-Uri", "X-Original-Path", "X-Replaced-Path", "X-Envoy-Original-Path"]
    {
        add(format!("{name}: {free}\r\n"), NoDownload(400));
    }
    // A header twice, as one of which nginx could drop.
    for name in ["X-Original-URI", "X-Real-IP", "X-Request-Id", "X-Accel-Redirect"] {
        add(format!("{name}: a\r\n{name}: b\r\n"), Nothing);
    }
    // Hop-by-hop removal: of nginx's own headers, and of ones that a client sends as well.
    for name in ["X-Original-URI", "X-Real-IP", "X-Request-Id", "X-Original-Method", "Host", "Cookie, Authorization, X-Original-URI"] {
        add(format!("Connection: close, {name}\r\n"), Nothing);
        add(format!("Connection: {name}\r\nX-Original-URI: {free}\r\nX-Real-IP: 203.0.113.9\r\n"), Nothing);
    }
    tricks
}

/// The same, of lengths, bodies, cookies and ranges.
pub fn sizes() -> Vec<(String, Comes)> {
    use Comes::{Nginx, NoDownload, Nothing, Unreadable};
    let mut tricks: Vec<(String, Comes)> = vec![];
    let mut add = |lines: String, comes| tricks.push((lines, comes));
    // Bodies, which follow the empty line, where there should be none; or two lengths.
    add("Content-Length: 5\r\n\r\nhello".to_owned(), Nothing);
    add("Content-Length: 0\r\n".to_owned(), Nothing);
    add("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(), Nothing);
    add("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), Nginx(400));
    add("Content-Length: 5\r\nContent-Length: 6\r\n".to_owned(), Nginx(400));
    add("Content-Length: -5\r\n".to_owned(), Nginx(400));
    add("Transfer-Encoding: gzip\r\n".to_owned(), Nginx(501));
    add("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".to_owned(), Nginx(400));
    add("Host: evil.example\r\n".to_owned(), Nginx(400));
    add("Host : shop.example\r\n".to_owned(), Nginx(400));
    add(format!("X-Long: {}\r\n", "x".repeat(9000)), Nginx(400));
    add("X: y\r\n".repeat(200), NoDownload(431));
    // Cookies of a size that a site with many trackers has.
    add(format!("Cookie: {}\r\n", "tracker=0123456789abcdef; ".repeat(150)), Nothing);
    add(format!("Cookie: {}\r\n", "x".repeat(7000)).repeat(3), Unreadable(431));
    add("User-Agent: \u{7f}\r\n".to_owned(), Unreadable(400));
    // Ranges: more than anybody means.
    for ranges in
        [(0..2000).map(|_| "0-").collect::<Vec<_>>().join(","), (0..900).map(|at| format!("{at}-{at}")).collect::<Vec<_>>().join(",")]
    {
        add(format!("Range: bytes={ranges}\r\n"), Nothing);
        add(format!("Range: bytes={ranges}\r\nIf-Range: \"x\"\r\n"), Nothing);
    }
    for range in ["bytes=5-1", "bytes=-", "bytes=0-18446744073709551616", "bytes=-99999999999999999999", "bytes=0-0,-1,x", "items=0-1", ""]
    {
        add(format!("Range: {range}\r\n"), Nothing);
    }
    // nginx honours the first, and passes on that one alone.
    add("Range: bytes=0-0\r\nRange: bytes=1-1\r\n".to_owned(), Nothing);
    add("If-Range: \"a\"\r\nIf-Range: \"b\"\r\n".to_owned(), Nginx(400));
    tricks
}
