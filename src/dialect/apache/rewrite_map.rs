//! `RewriteMap prg:`: `mod_rewrite` alone asks for a download, by a line that `cloakroom rewrite-map` reads, and hears a line.
//! The relay asks the daemon over SCGI and so gets what `mod_proxy_scgi` gets; this is what it puts it into. Contract: Apache
//! httpd 2.4, `modules/mappers/mod_rewrite.c` (`rewritemap_program`).
//!
//! The question has fields `name=value`, one space between two, values escaped by `int:escape`; the last is `request=` and the
//! request line as the client sent it. The answer has fields with a tab between two, or is nothing that the shipped patterns
//! take:
//!
//! | answer | means |
//! |---|---|
//! | `file`, delivery or `-`, KiB/s or `-`, `Content-Disposition`, address | send what lies at this internal address, decoded |
//! | `go`, cookie or `-`, address | go there (303) |
//! | `no`, status, refusal, support code | no |

use std::fmt;

use http::header::{self, HeaderMap};

use crate::domain::path::hex;
use crate::domain::refusal::Refusal;

use super::super::answer::{DELIVERY, REFUSAL, SUPPORT};
use super::super::cgi::SECRET;
use super::RATE;
use super::scgi::ACCEL_REDIRECT;

/// A longer line is no question: an address of 8 KiB, and as much again of each header, each byte written as three.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// The variables whose values a question says, by the names of its fields.
const FIELDS: [(&str, &str); 9] = [
    ("id", "UNIQUE_ID"),
    ("client", "REMOTE_ADDR"),
    ("path", "SCRIPT_NAME"),
    ("range", "HTTP_RANGE"),
    ("if-range", "HTTP_IF_RANGE"),
    ("agent", "HTTP_USER_AGENT"),
    ("cookie", "HTTP_COOKIE"),
    ("authorization", "HTTP_AUTHORIZATION"),
    ("purpose", "HTTP_SEC_PURPOSE"),
];

/// The fields that must be there.
const NEEDED: [&str; 3] = ["id", "client", "path"];

/// Why a line is no question; no value stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// It is longer than [`LINE_BYTES_MAX`].
    TooLong,
    /// This field is missing.
    Missing(&'static str),
    /// A field that is not known, stands twice, or is not `name=value`.
    Field,
    /// A value that `int:escape` does not write.
    Escape,
    /// `request` is not a request line.
    Request,
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the line has more than {LINE_BYTES_MAX} bytes"),
            Self::Missing(field) => write!(f, "field `{field}` is missing"),
            Self::Field => f.write_str("a field is unknown, or stands twice, or is not `name=value`"),
            Self::Escape => f.write_str("a value is not escaped as `int:escape` does it"),
            Self::Request => f.write_str("`request` is not a request line such as `GET /dl/l/TOKEN/a.zip HTTP/1.1`"),
        }
    }
}

impl std::error::Error for LineFault {}

/// The variables of the request that `line`, without its end, asks about, in the order in which SCGI wants them.
pub fn question(line: &[u8], secret: Option<&str>) -> Result<Vec<(String, Vec<u8>)>, LineFault> {
    if line.len() > LINE_BYTES_MAX {
        return Err(LineFault::TooLong);
    }
    let text = std::str::from_utf8(line).map_err(|_| LineFault::Escape)?;
    let (fields, request) = text.split_once(" request=").ok_or(LineFault::Missing("request"))?;
    let mut variables = vec![("CONTENT_LENGTH".to_owned(), b"0".to_vec()), ("SCGI".to_owned(), b"1".to_vec())];
    for field in fields.split(' ') {
        let (name, value) = field.split_once('=').ok_or(LineFault::Field)?;
        let (_, variable) = FIELDS.iter().find(|(known, _)| *known == name).ok_or(LineFault::Field)?;
        if variables.iter().any(|(known, _)| known == variable) {
            return Err(LineFault::Field);
        }
        let value = unescaped(value)?;
        // A header that the client did not send is an empty one here.
        if !value.is_empty() || !variable.starts_with("HTTP_") {
            variables.push(((*variable).to_owned(), value));
        }
    }
    for field in NEEDED {
        let (_, variable) = FIELDS.iter().find(|(known, _)| *known == field).ok_or(LineFault::Missing(field))?;
        if !variables.iter().any(|(name, value)| name == variable && !value.is_empty()) {
            return Err(LineFault::Missing(field));
        }
    }
    let mut words = request.split(' ');
    let (Some(method), Some(target), Some(_), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err(LineFault::Request);
    };
    // A NUL would end a variable's value for SCGI, and begin another's.
    if request.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(LineFault::Request);
    }
    let query = target.split_once('?').map_or("", |(_, query)| query);
    for (name, value) in [("REQUEST_METHOD", method), ("REQUEST_URI", target), ("QUERY_STRING", query)] {
        variables.push((name.to_owned(), value.as_bytes().to_vec()));
    }
    if let Some(secret) = secret {
        variables.push((SECRET.to_owned(), secret.as_bytes().to_vec()));
    }
    Ok(variables)
}

/// What `int:escape` escaped. What it lets through is printable ASCII.
fn unescaped(text: &str) -> Result<Vec<u8>, LineFault> {
    let mut bytes = text.bytes();
    let mut unescaped = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => hex(bytes.next(), bytes.next()).ok_or(LineFault::Escape)?,
            byte if byte.is_ascii_graphic() => byte,
            _ => return Err(LineFault::Escape),
        };
        if byte == 0 {
            return Err(LineFault::Escape);
        }
        unescaped.push(byte);
    }
    Ok(unescaped)
}

/// What is said where nobody could be asked.
pub fn unreachable() -> String {
    format!("no\t{}\t-\t-", Refusal::StoreDown.status())
}

/// What is said to a line that is no question.
pub fn not_understood() -> String {
    format!("no\t{}\t{}\t-", Refusal::BadRequest.status(), Refusal::BadRequest)
}

/// The line for an answer with this status and these headers.
pub fn answer(status: u16, headers: &HeaderMap) -> String {
    let said = |name: &header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| is_plain(value));
    let or_none = |name: &header::HeaderName| said(name).unwrap_or("-");
    match (status, said(&ACCEL_REDIRECT), said(&header::LOCATION)) {
        (200, Some(location), None) => match internal(location) {
            Some(address) => {
                let disposition = or_none(&header::CONTENT_DISPOSITION);
                format!("file\t{}\t{}\t{disposition}\t{address}", or_none(&DELIVERY), or_none(&RATE))
            }
            None => format!("no\t{}\t{}\t-", Refusal::FileMissing.status(), Refusal::FileMissing),
        },
        (303, None, Some(location)) => format!("go\t{}\t{location}", or_none(&header::SET_COOKIE)),
        // A page, or the words about a file that HEAD asks for: `mod_rewrite` can show neither.
        (..300, ..) => "no\t405\t-\t-".to_owned(),
        (status, ..) => format!("no\t{status}\t{}\t{}", or_none(&REFUSAL), or_none(&SUPPORT)),
    }
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

/// An internal address, decoded, as `mod_rewrite` substitutes it; `None` for one in which it would find a query.
fn internal(location: &str) -> Option<String> {
    let decoded = String::from_utf8(unescaped(location).ok()?).ok()?;
    let whole = decoded.starts_with('/') && !decoded.contains('?') && !decoded.chars().any(char::is_control);
    whole.then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "id=awM9qRu5tw client=192.0.2.7 path=/dl/l/T/a%20b.zip range= if-range= agent=curl/7%20(x;%20y) cookie= authorization= purpose= request=GET /dl/l/T/a%20b.zip?x=1 HTTP/1.1";

    fn value<'a>(variables: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a str> {
        variables.iter().find(|(known, _)| known == name).and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    #[test]
    fn a_line_is_the_variables_of_a_request() {
        let variables = question(GOOD.as_bytes(), Some("s3cret")).unwrap();
        let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..2], ["CONTENT_LENGTH", "SCGI"]);
        for (name, expected) in [
            ("UNIQUE_ID", Some("awM9qRu5tw")),
            ("REMOTE_ADDR", Some("192.0.2.7")),
            ("SCRIPT_NAME", Some("/dl/l/T/a b.zip")),
            ("REQUEST_URI", Some("/dl/l/T/a%20b.zip?x=1")),
            ("QUERY_STRING", Some("x=1")),
            ("REQUEST_METHOD", Some("GET")),
            ("HTTP_USER_AGENT", Some("curl/7 (x; y)")),
            ("HTTP_RANGE", None),
            (SECRET, Some("s3cret")),
        ] {
            assert_eq!(value(&variables, name), expected, "{name}");
        }
        assert_eq!(value(&question(GOOD.as_bytes(), None).unwrap(), SECRET), None);
    }

    #[test]
    fn what_is_no_question_is_a_fault() {
        for (from, to, fault) in [
            (" request=", " ", LineFault::Missing("request")),
            ("id=awM9qRu5tw ", "", LineFault::Missing("id")),
            ("client=192.0.2.7", "client=", LineFault::Missing("client")),
            ("path=", "path%20=", LineFault::Field),
            ("range=", "id=x range=", LineFault::Field),
            ("range=", " range=", LineFault::Field),
            ("range=", "secret=x range=", LineFault::Field),
            ("range=", "range=%", LineFault::Escape),
            ("range=", "range=%00", LineFault::Escape),
            ("range=", "range=\u{e4}", LineFault::Escape),
            (" HTTP/1.1", "", LineFault::Request),
            (" HTTP/1.1", " x HTTP/1.1", LineFault::Request),
            ("GET ", "GET\0 ", LineFault::Request),
            ("?x=1", "?\0SCRIPT_NAME\0/dl/y", LineFault::Request),
        ] {
            let line = GOOD.replacen(from, to, 1);
            assert_eq!(question(line.as_bytes(), None), Err(fault), "{line}");
        }
        assert_eq!(question(&vec![b'a'; LINE_BYTES_MAX + 1], None), Err(LineFault::TooLong));
    }

    #[test]
    fn only_a_hand_off_is_a_file_and_only_where_it_can_be_written() {
        let said = |status, pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, header::HeaderValue::from_static(value));
            }
            answer(status, &headers)
        };
        let location = |location: &'static str| ("x-accel-redirect", location);
        for (status, pairs, line) in [
            (200, &[location("/_cloakroom/masters/a%20b%25.zip")][..], "file\t-\t-\t-\t/_cloakroom/masters/a b%.zip"),
            (
                200,
                &[location("/m/a"), ("cloakroom-delivery", "d-1"), ("cloakroom-rate-kib", "9"), ("content-disposition", "attachment")],
                "file\td-1\t9\tattachment\t/m/a",
            ),
            (200, &[location("/m/a%3Fb")], "no\t404\tfile_missing\t-"),
            (200, &[location("/m/a%0Ab")], "no\t404\tfile_missing\t-"),
            (200, &[location("m/a")], "no\t404\tfile_missing\t-"),
            (200, &[location("/m/a"), ("location", "/x")], "no\t405\t-\t-"),
            (200, &[], "no\t405\t-\t-"),
            (206, &[location("/m/a")], "no\t405\t-\t-"),
            (403, &[location("/m/a"), ("cloakroom-refusal", "expired"), ("cloakroom-support", "R-1")], "no\t403\texpired\tR-1"),
            (303, &[("location", "/pub/x/a.zip"), ("set-cookie", "cloakroom=1; Path=/")], "go\tcloakroom=1; Path=/\t/pub/x/a.zip"),
            (302, &[("location", "/pub/x/a.zip")], "no\t302\t-\t-"),
            (503, &[], "no\t503\t-\t-"),
        ] {
            assert_eq!(said(status, pairs), line);
        }
    }
}
