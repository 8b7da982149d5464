//! Any path of a request target: what is accepted has one form, and that form means to a web server what it means here.
#![no_main]

use cloakroom::domain::path::{CanonicalPath, FilePath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &str| {
    if let Ok(path) = CanonicalPath::parse(raw) {
        canonical(raw, &path);
    }
    if let Ok(path) = FilePath::parse(raw) {
        inside(path.as_str());
        assert_eq!(path.as_str(), raw, "a file's path is taken as it is");
        assert_eq!(decoded(&path.encoded()), raw.as_bytes(), "and read back from its encoded form");
        assert!(path.as_str().ends_with(path.file_name()) && !path.file_name().contains('/'));
    }
});

fn canonical(raw: &str, path: &CanonicalPath) {
    let encoded = path.encoded();
    assert!(encoded.starts_with('/'));
    assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte)), "{encoded}");
    assert_eq!(decoded(encoded), path.decoded().as_bytes(), "both forms are one path");
    let mut merged = decoded(raw);
    merged.dedup_by(|next, before| *next == b'/' && *before == b'/');
    assert_eq!(merged, path.decoded().as_bytes(), "decoded once, repeated slashes merged, and nothing else");
    assert_eq!(CanonicalPath::parse(encoded).as_ref(), Ok(path), "the canonical form is canonical");
    inside(path.decoded().trim_start_matches('/').trim_end_matches('/'));
    assert_eq!(path.below(path), Some(""));
    let root = CanonicalPath::parse("/").expect("the root is a path");
    assert_eq!(path.below(&root), path.decoded().strip_prefix('/'));
}

/// Nothing that a web server would simplify, cut or walk out with.
fn inside(path: &str) {
    assert!(!path.contains(['\\', '\0']) && !path.contains(char::is_control), "{path:?}");
    if !path.is_empty() {
        for segment in path.split('/') {
            assert!(!["", ".", ".."].contains(&segment), "{path:?}");
        }
    }
}

/// Percent-decoding as every web server does it once: `%XX` is a byte, all else stands as it is.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = |digit: Option<&u8>| digit.and_then(|digit| char::from(*digit).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        match (first, hex(after.first()), hex(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high * 16 + low);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}
