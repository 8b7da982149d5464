//! Any request head as nginx may send it: read, or refused with a reason; a question that is read has a canonical path
//! and one source for each of its parts.
//!
//! The input is a head as text: the request line's target, then `name: value` lines.
#![no_main]

use cloakroom::dialect::{Asked, Dialect};
use cloakroom::domain::path::CanonicalPath;
use cloakroom::domain::question::Kind;
use http::Request;
use http::header::{HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

const PUBLIC_PATH: &str = "/dl/";
/// Of these a second line makes a question ambiguous.
const DECIDING: &[&str] = &["x-original-uri", "x-original-method", "x-request-id", "x-real-ip"];

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let Some(target) = lines.next() else { return };
    let Ok(request) = Request::builder().uri(target).body(()) else { return };
    let (mut head, ()) = request.into_parts();
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            head.headers.append(name, value);
        }
    }
    let read = Dialect::Nginx.read(&head, PUBLIC_PATH, None, || unreachable!("nginx names its requests"));
    match read {
        Ok(Asked::Question(question)) => {
            let original = head.headers.get("x-original-uri").expect("the original address");
            let original = std::str::from_utf8(original.as_bytes()).expect("is text");
            let path = original.split('?').next().unwrap_or_default();
            assert_eq!(CanonicalPath::parse(path).as_ref(), Ok(&question.path));
            assert_eq!(question.query.as_deref(), original.split_once('?').map(|(_, query)| query));
            assert_eq!(Some(question.request.as_str()), head.headers.get("x-request-id").and_then(|id| id.to_str().ok()));
            for name in DECIDING {
                assert_eq!(head.headers.get_all(*name).iter().count(), 1, "{name}");
            }
            assert_eq!(question.kind == Kind::Authorize, head.uri.path() == "/_cloakroom/authorize");
            if question.kind == Kind::Download {
                assert!(question.path.encoded().starts_with(PUBLIC_PATH));
            }
        }
        Ok(Asked::Refused { refusal, .. }) => assert_eq!(head.uri.path(), format!("/_cloakroom/refused/{}", refusal.code())),
        Err(malformed) => assert!(!malformed.reason.is_empty() && !malformed.reason.contains('\n')),
    }
});
