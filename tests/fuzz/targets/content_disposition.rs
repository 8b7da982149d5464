//! Any file name as a `Content-Disposition`: one header line of printable ASCII that no name can break out of.
#![no_main]

use cloakroom::domain::file_name::content_disposition;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|name: &str| {
    let value = content_disposition(name);
    assert!(value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)), "{value:?}");
    let rest = value.strip_prefix("attachment; filename=\"").expect("an attachment with a name");
    let end = end_of_quoted(rest).expect("the quoted name ends");
    let (plain, after) = rest.split_at(end);
    assert!(!plain.is_empty() && !plain.contains(['/', '\0']), "{value}");
    match after.strip_prefix('"').expect("a quote") {
        "" => {}
        extended => {
            let encoded = extended.strip_prefix("; filename*=UTF-8''").expect("the other form of the name, and nothing else");
            assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~%".contains(&byte)), "{encoded}");
            let decoded = decoded(encoded).expect("UTF-8");
            assert!(!decoded.is_empty() && !decoded.contains(['/', '\\']) && !decoded.contains(char::is_control), "{decoded:?}");
            assert!(!decoded.contains(['\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}']), "no letter turns others around: {decoded:?}");
        }
    }
});

fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [char::from(rest.next()?), char::from(rest.next()?)];
            bytes.push(u8::from_str_radix(&String::from_iter(digits), 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
