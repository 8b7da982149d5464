//! What web servers ask and what they are told: each `tests/golden/<server>/<case>.ask` is what comes, `<case>.answer` is
//! what it reads as and what is said for fixed decisions. What comes is the head of a request; over FastCGI and SCGI it is
//! variables, a `NAME=value` a line.
//!
//! `UPDATE_GOLDEN=1 cargo test --test dialect_golden` writes the answers anew; read the difference before keeping it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroU64;
use std::path::Path;

use cloakroom::dialect::apache::Protocol;
use cloakroom::dialect::cgi::Variables;
use cloakroom::dialect::{Answer, Asked, Dialect, Malformed, Page, Say};
use cloakroom::domain::file::Version;
use cloakroom::domain::file_name::content_disposition;
use cloakroom::domain::id::{DeliveryId, RequestId};
use cloakroom::domain::moment::Moment;
use cloakroom::domain::path::FilePath;
use cloakroom::domain::question::Kind;
use cloakroom::domain::refusal::Refusal;
use cloakroom::domain::support::SupportCode;
use cloakroom::domain::units::Rate;
use http::request::Parts;

/// Fewer would mean that the folder was not found.
const CASES_MIN: usize = 40;

/// A page as the golden files have it.
fn page(text: String) -> Page<'static> {
    Page {
        media_type: "text/html; charset=utf-8",
        text,
        policy: "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    }
}

#[test]
fn nginx_is_understood_and_answered_as_the_golden_cases_say() {
    hold("nginx", Dialect::Nginx, CASES_MIN);
}

#[test]
fn apache_is_understood_and_answered_as_the_golden_cases_say() {
    for (folder, protocol, least) in
        [("apache-fastcgi", Protocol::FastCgi, 25), ("apache-scgi", Protocol::Scgi, 12), ("apache-http", Protocol::Http, 12)]
    {
        hold(folder, Dialect::Apache(protocol), least);
    }
}

#[track_caller]
fn hold(folder: &str, dialect: Dialect, least: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let mut asks: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    asks.retain(|path| path.extension().is_some_and(|kind| kind == "ask"));
    asks.sort();
    let write = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for ask in &asks {
        let seen = case(dialect, &fs::read(ask).unwrap());
        let answer = ask.with_extension("answer");
        if write {
            fs::write(&answer, &seen).unwrap();
        } else if fs::read_to_string(&answer).unwrap_or_default() != seen {
            wrong.push(format!("{}:\n{seen}", ask.display()));
        }
    }
    assert!(asks.len() >= least, "only {} cases in {}", asks.len(), folder.display());
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), asks.len(), wrong.join("\n"));
}

#[test]
fn no_answer_of_nginx_opens_anything_but_an_allow_and_a_hand_off() {
    let mut seen = 0;
    for &refusal in Refusal::ALL {
        let support = SupportCode::of(&RequestId::parse("0123").unwrap());
        let say = || Say::Refuse { refusal, support: &support, page: page("<p>no</p>".to_owned()), realm: None, lasts: None };
        let authorize = Dialect::Nginx.write(Kind::Authorize, say());
        assert!([401, 403].contains(&authorize.status) && authorize.body.is_empty(), "{refusal}");
        assert_eq!(authorize.status == 401, refusal.status() == 401, "{refusal}");
        let download = Dialect::Nginx.write(Kind::Download, say());
        assert_eq!(download.status, refusal.status(), "{refusal}");
        for answer in [&authorize, &download] {
            assert_eq!(value(answer, "cloakroom-refusal"), Some(refusal.code()));
            assert_eq!(value(answer, "www-authenticate"), None, "{refusal}");
            assert_eq!(value(answer, "x-accel-redirect"), None, "{refusal}");
        }
        assert_eq!(value(&download, "retry-after").is_some(), refusal.is_passing(), "{refusal}");
        seen += 1;
    }
    assert_eq!(seen, Refusal::ALL.len());
}

#[test]
fn what_would_be_a_second_header_or_another_place_is_never_said() {
    let path = FilePath::parse("set/a b.zip").unwrap();
    let good = version("\"v1\"", "application/zip");
    for (prefix, version, said) in [
        ("/files/", version("\"v1\"", "application/zip"), true),
        ("/files/", version("\"v1\"\r\nX-Accel-Redirect: /etc/", "application/zip"), false),
        ("/files/", version("\"v1\"", "text/plain\nSet-Cookie: a=b"), false),
        ("/files/", version("\"ä\"", "application/zip"), false),
        ("/files/", version("\"\u{7f}\"", "application/zip"), false),
        ("files/", good.clone(), false),
        ("/files", good.clone(), false),
        ("", good.clone(), false),
        ("/fi%6ces/", good.clone(), false),
        ("/files?/", good.clone(), false),
        ("/fi les/", good, false),
    ] {
        let answer = Dialect::Nginx.write(Kind::Download, hand_off(prefix, &path, &version));
        assert_eq!(answer.status, if said { 200 } else { 500 }, "{prefix} {version:?}");
        assert_eq!(value(&answer, "x-accel-redirect").is_some(), said, "{prefix} {version:?}");
    }
    for to in ["", "/dl/\r\nSet-Cookie: a=b", "/dl/ä"] {
        assert_eq!(Dialect::Nginx.write(Kind::Download, Say::Redirect { to, cookie: None }).status, 500, "{to:?}");
    }
    let version = version("\"v1\"", "application/zip");
    for (kind, say) in [
        (Kind::Authorize, hand_off("/files/", &path, &version)),
        (Kind::Authorize, Say::Redirect { to: "/x", cookie: None }),
        (Kind::Authorize, Say::Show { page: page(String::new()), onward: None, cookie: None }),
        (Kind::Download, Say::Show { page: page(String::new()), onward: Some("/dl/\r\nX-Accel-Redirect: /x"), cookie: None }),
        (Kind::Download, Say::Show { page: page(String::new()), onward: None, cookie: Some("a=b\r\nX-Accel-Redirect: /x") }),
        (Kind::Download, Say::Allow { rate: None, user: None }),
    ] {
        let answer = Dialect::Nginx.write(kind, say);
        assert_eq!((answer.status, value(&answer, "x-accel-redirect")), (500, None), "{kind:?}");
    }
}

fn version(etag: &str, media_type: &str) -> Version {
    Version { size: 1000, modified: Moment::EPOCH, etag: etag.to_owned(), media_type: media_type.to_owned() }
}

fn hand_off<'a>(prefix: &'a str, path: &'a FilePath, version: &'a Version) -> Say<'a> {
    let rate = NonZeroU64::new(2_000_000).map(Rate);
    Say::HandOff { prefix, directory: "/srv/downloads", path, version, name: "final.zip", rate, delivery: Some(DeliveryId::new([7; 12])) }
}

fn value<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| known.as_str() == name).map(|(_, value)| value.to_str().unwrap())
}

/// What `raw` reads as, and what is said then.
fn case(dialect: Dialect, raw: &[u8]) -> String {
    let head = match dialect {
        Dialect::Apache(Protocol::FastCgi | Protocol::Scgi) => match variables(raw) {
            Ok(head) => head,
            Err(fault) => return format!("not believed: {fault}\n"),
        },
        Dialect::Apache(Protocol::Http) | Dialect::Nginx | Dialect::Standalone => head(raw),
    };
    let mut text = String::new();
    let say = |text: &mut String, kind, title: &str, say: Say<'_>| say_in(dialect, text, kind, title, say);
    let refuse = |text: &mut String, kind, refusal, request: &RequestId| refuse_in(dialect, text, kind, refusal, request);
    match dialect.read(&head, "/dl/", None, || panic!("a web server names its requests")) {
        Ok(Asked::Question(question)) => {
            writeln!(text, "reads as {}", question.kind.word()).unwrap();
            writeln!(text, "  request {}", question.request).unwrap();
            writeln!(text, "  method {:?}", question.method).unwrap();
            writeln!(text, "  path {}", question.path.encoded()).unwrap();
            writeln!(text, "  query {:?}", question.query).unwrap();
            writeln!(text, "  client {} {:?}", question.client.address, question.client.agent).unwrap();
            writeln!(text, "  range {:?}", question.range).unwrap();
            writeln!(text, "  cookie {:?}", question.cookie).unwrap();
            writeln!(text, "  authorization {:?}", question.authorization).unwrap();
            writeln!(text, "  wants page {}, looks ahead {}", question.wants_page, question.looks_ahead).unwrap();
            writeln!(text, "  navigates {}, is visit {}, language {}", question.navigates, question.is_visit(), question.language.tag())
                .unwrap();
            match question.kind {
                Kind::Authorize => {
                    say(&mut text, question.kind, "allow", Say::Allow { rate: None, user: None });
                    say(
                        &mut text,
                        question.kind,
                        "allow at a rate",
                        Say::Allow { rate: NonZeroU64::new(500).map(Rate), user: Some("jörg 100%") },
                    );
                }
                Kind::Download => {
                    let path = FilePath::parse("set/Müller 100%.zip").unwrap();
                    let version = version("\"v1\"", "application/zip");
                    say(&mut text, question.kind, "hand off", hand_off("/_cloakroom/masters/", &path, &version));
                    let redirect = Say::Redirect { to: "/dl/d/token/a.zip", cookie: Some("cloakroom=abc; Path=/dl/; Secure") };
                    say(&mut text, question.kind, "redirect", redirect);
                    let shown = || page("<p>a page</p>".to_owned());
                    say(&mut text, question.kind, "show", Say::Show { page: shown(), onward: None, cookie: None });
                    let onward = Some("/dl/d/token/a.zip");
                    say(&mut text, question.kind, "show and go on", Say::Show { page: shown(), onward, cookie: None });
                }
            }
            refuse(&mut text, question.kind, Refusal::Expired, &question.request);
            refuse(&mut text, question.kind, Refusal::StoreDown, &question.request);
        }
        Ok(Asked::Refused { refusal, request, wants_page, language }) => {
            writeln!(text, "reads as the page of {refusal}\n  request {request}\n  wants page {wants_page}").unwrap();
            writeln!(text, "  language {}", language.tag()).unwrap();
            refuse(&mut text, Kind::Download, refusal, &request);
        }
        Err(Malformed { kind, reason, request }) => {
            writeln!(text, "malformed {}: {reason}\n  request {request:?}", kind.word()).unwrap();
            refuse(&mut text, kind, Refusal::BadRequest, &request.unwrap_or_else(|| RequestId::parse("unknown").unwrap()));
        }
    }
    text
}

fn refuse_in(dialect: Dialect, text: &mut String, kind: Kind, refusal: Refusal, request: &RequestId) {
    let page = page(format!("<p>{}</p>", refusal.sentence()));
    say_in(
        dialect,
        text,
        kind,
        &format!("refuse {refusal}"),
        Say::Refuse { refusal, support: &SupportCode::of(request), page, realm: None, lasts: None },
    );
}

fn say_in(dialect: Dialect, text: &mut String, kind: Kind, title: &str, say: Say<'_>) {
    let answer = dialect.write(kind, say);
    writeln!(text, "\n{title}: {}", answer.status).unwrap();
    for (name, value) in &answer.headers {
        // The one value with rules of its own; they are tested where they are written.
        let value = std::str::from_utf8(value.as_bytes()).unwrap();
        let value = if value == content_disposition("final.zip") { "(of final.zip)" } else { value };
        writeln!(text, "  {name}: {value}").unwrap();
    }
    if !answer.body.is_empty() {
        writeln!(text, "  | {}", std::str::from_utf8(&answer.body).unwrap()).unwrap();
    }
}

/// The head as the HTTP layer gives it: lines end with LF here, and bytes outside of ASCII stand as themselves.
fn head(raw: &[u8]) -> Parts {
    let mut lines = raw.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let request = std::str::from_utf8(lines.next().expect("a request line")).unwrap();
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    assert_eq!(words.next(), Some("HTTP/1.1"), "{request}");
    let mut builder = http::Request::builder().method(method).uri(target);
    for line in lines {
        let colon = line.iter().position(|&byte| byte == b':').expect("a header line");
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        builder = builder.header(http::HeaderName::from_bytes(name).unwrap(), http::HeaderValue::from_bytes(value).unwrap());
    }
    builder.body(()).unwrap().into_parts().0
}

/// The variables as the wire gives them: one a line, with `=` between name and value; `\xNN` is a byte.
fn variables(raw: &[u8]) -> Result<Parts, String> {
    let (mut text, mut pairs) = (Vec::new(), Vec::new());
    let mut place = |part: Vec<u8>| {
        text.extend_from_slice(&part);
        text.len() - part.len()..text.len()
    };
    for line in raw.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let equals = line.iter().position(|&byte| byte == b'=').expect("a variable");
        pairs.push((place(unescaped(&line[..equals])), place(unescaped(&line[equals + 1..]))));
    }
    let variables = Variables::new(text.into(), pairs).map_err(|fault| fault.to_string())?;
    let headers = variables.headers().map_err(|fault| fault.to_string())?;
    let method = variables.text("REQUEST_METHOD").expect("the wire asks for it").to_owned();
    let (mut head, ()) = http::Request::builder().method(method.as_str()).body(()).unwrap().into_parts();
    head.headers = headers;
    head.extensions.insert(variables);
    Ok(head)
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((&first, after)) = rest.split_first() {
        if let Some(digits) = rest.strip_prefix(b"\\x").and_then(|digits| std::str::from_utf8(digits.get(..2)?).ok()) {
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &rest[4..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    bytes
}
