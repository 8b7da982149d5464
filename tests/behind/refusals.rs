//! Every refusal reaches the customer behind Apache with its own status and its page, whichever way it was said.

use cloakroom::dialect::apache::Protocol;
use cloakroom::dialect::{Answer, Dialect, Page, Say};
use cloakroom::domain::id::RequestId;
use cloakroom::domain::language::Language;
use cloakroom::domain::question::Kind;
use cloakroom::domain::refusal::Refusal;
use cloakroom::domain::support::SupportCode;
use cloakroom::pages::{Pages, Reader};

use crate::backend::{At, Backend, Talk, Then};
use crate::closed::records;
use crate::servers::apache::{Apache, ApacheSetup, Downloads};
use crate::servers::http::ask;

/// The realm that is asked for.
const REALM: &str = "members";

fn support() -> SupportCode {
    SupportCode::of(&RequestId::parse("4f0c2b9d5e7a4c1f8a3e6d5b2c9f0e1a").unwrap())
}

/// What we say over this protocol.
fn said(pages: &Pages, protocol: Protocol, refusal: Refusal, wants_page: bool, language: Language) -> Answer {
    let support = support();
    let (media_type, text) = pages.refusal(refusal, &support, wants_page, Reader { language, site: "shop.example" });
    let page = Page { media_type, text, policy: pages.content_security_policy() };
    let kind = if protocol == Protocol::FastCgi { Kind::Authorize } else { Kind::Download };
    Dialect::Apache(protocol).write(kind, Say::Refuse { refusal, support: &support, page, realm: Some(REALM), lasts: None })
}

/// The bytes of an answer.
fn written(protocol: Protocol, answer: &Answer) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in &answer.headers {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(format!("Content-Length: {}\r\n\r\n", answer.body.len()).into_bytes());
    bytes.extend(&answer.body);
    match protocol {
        Protocol::Http => [format!("HTTP/1.1 {} No\r\n", answer.status).as_bytes(), &bytes].concat(),
        Protocol::Scgi => [format!("Status: {}\r\n", answer.status).as_bytes(), &bytes].concat(),
        Protocol::FastCgi => records([format!("Status: {}\r\n", answer.status).as_bytes(), &bytes].concat()),
    }
}

/// A page as one reads it who has decoded its characters.
fn read(body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap();
    let mut pieces = text.split("&#");
    let mut read = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (number, rest) = piece.split_once(';').unwrap();
        let code = number.strip_prefix('x').map_or_else(|| number.parse().unwrap(), |hex| u32::from_str_radix(hex, 16).unwrap());
        read.push(char::from_u32(code).unwrap());
        read.push_str(rest);
    }
    read
}

#[test]
fn each_refusal_reaches_the_customer_with_its_status_and_its_page() {
    let pages = Pages::load(None).unwrap();
    let mut seen = 0;
    for (downloads, protocols) in [(Downloads::Scgi, &[Protocol::FastCgi, Protocol::Scgi][..]), (Downloads::Xsendfile, &[Protocol::Http])] {
        let instead = &[("timeout=15", "timeout=15 disablereuse=on")];
        let apache = Apache::start(&ApacheSetup { downloads, instead, ..ApacheSetup::default() });
        for &protocol in protocols {
            let (at, talk, target) = match protocol {
                Protocol::FastCgi => (At::Port(apache.authorizer), Talk::FastCgi, "/members/a.zip"),
                Protocol::Scgi => (At::Socket(apache.scgi()), Talk::Scgi, "/dl/f/masters/a.zip"),
                Protocol::Http => (At::Socket(apache.http()), Talk::Http, "/dl/f/masters/a.zip"),
            };
            for &refusal in Refusal::ALL {
                for (wants_page, language) in [(true, Language::German), (true, Language::English), (false, Language::German)] {
                    let answer = said(&pages, protocol, refusal, wants_page, language);
                    let _backend = Backend::talking(&at, talk, written(protocol, &answer), Then::Close);
                    let came = ask(apache.port, "GET", target, &[]);
                    let what = format!("{protocol:?} {refusal} {language:?}");
                    assert_eq!(came.status, refusal.status(), "{what}: {}", came.text());
                    assert_eq!(came.header("Cloakroom-Refusal"), Some(refusal.code()), "{what}");
                    assert_eq!(came.header("Cloakroom-Support"), Some(support().to_string().as_str()), "{what}");
                    assert_eq!(came.header("Cache-Control"), Some("no-store"), "{what}");
                    assert_eq!(came.header("X-Content-Type-Options"), Some("nosniff"), "{what}");
                    assert_eq!(came.header("Retry-After").is_some(), refusal.is_passing(), "{what}");
                    assert_eq!(came.header("Content-Security-Policy").is_some(), wants_page, "{what}");
                    let asks = protocol == Protocol::FastCgi && refusal.status() == 401;
                    assert_eq!(came.header("WWW-Authenticate").is_some_and(|value| value.contains(REALM)), asks, "{what}");
                    let media_type = came.header("Content-Type").unwrap();
                    let (_, original) = pages.refusal(refusal, &support(), wants_page, Reader { language, site: "shop.example" });
                    if protocol == Protocol::FastCgi {
                        // Whatever we say, this is what Apache says of it: so the text is right in each encoding.
                        assert_eq!(media_type, "text/html; charset=iso-8859-1", "{what}");
                        assert!(came.body.is_ascii(), "{what}");
                        assert_eq!(read(&came.body).trim_start(), read(original.as_bytes()), "{what}");
                    } else {
                        assert_eq!(media_type, if wants_page { "text/html; charset=utf-8" } else { "text/plain; charset=utf-8" }, "{what}");
                        assert_eq!(came.body, original.as_bytes(), "{what}");
                    }
                    seen += 1;
                }
            }
        }
        apache.assert_calm();
    }
    assert_eq!(seen, Refusal::ALL.len() * 3 * 3);
}

#[test]
fn each_page_of_a_refusal_is_short_enough_for_apache() {
    let pages = Pages::load(None).unwrap();
    let mut longest = (0, String::new());
    for &refusal in Refusal::ALL {
        for language in [Language::German, Language::English] {
            let answer = said(&pages, Protocol::FastCgi, refusal, true, language);
            assert!(answer.body.starts_with(b"<!doctype html>"), "{refusal} {language:?} is too long for a page");
            longest = longest.max((answer.body.len(), format!("{refusal} {language:?}")));
        }
    }
    println!("the longest page: {longest:?}, of {} bytes", cloakroom::dialect::apache::fastcgi::BODY_BYTES_MAX);
}

#[test]
fn a_page_that_is_too_long_for_apache_is_a_line() {
    let support = support();
    // An umlaut is six letters long.
    for (text, is_whole) in [("ü".repeat(1364), true), ("ü".repeat(1365), false), ("x".repeat(8189), true), ("x".repeat(8190), false)] {
        let text = format!("<p>{text}");
        let page = Page { media_type: "text/html; charset=utf-8", text: text.clone(), policy: "default-src 'none'" };
        let say = Say::Refuse { refusal: Refusal::Expired, support: &support, page, realm: None, lasts: None };
        let answer = Dialect::Apache(Protocol::FastCgi).write(Kind::Authorize, say);
        let line = format!(" expired: {support}\n");
        assert_eq!(read(&answer.body), if is_whole { text } else { line });
    }
}
