//! Any bytes on a connection from Apache, over FastCGI and SCGI: a request, or a fault with words; the same however the bytes
//! come in pieces; and what a dialect makes of the request has a canonical path and comes from one place.
//!
//! The input's first byte says where the bytes are cut in two.
#![no_main]

use bytes::BytesMut;
use cloakroom::dialect::apache::Protocol;
use cloakroom::dialect::cgi::Variables;
use cloakroom::dialect::{Asked, Dialect};
use cloakroom::domain::path::CanonicalPath;
use cloakroom::domain::question::Kind;
use cloakroom::wire::{fastcgi, scgi};
use http::Request;
use libfuzzer_sys::fuzz_target;

const PUBLIC_PATH: &str = "/dl/";

fuzz_target!(|input: &[u8]| {
    let Some((cut, bytes)) = input.split_first() else { return };
    let cut = usize::from(*cut) * bytes.len() / 255;
    let whole = over_fastcgi(&[bytes]);
    assert_eq!(over_fastcgi(&[&bytes[..cut], &bytes[cut..]]), whole);
    if let Some(variables) = whole {
        ask(Protocol::FastCgi, variables);
    }
    let whole = over_scgi(&[bytes]);
    assert_eq!(over_scgi(&[&bytes[..cut], &bytes[cut..]]), whole);
    if let Some(variables) = whole {
        ask(Protocol::Scgi, variables);
    }
});

fn over_fastcgi(pieces: &[&[u8]]) -> Option<Variables> {
    let (mut reader, mut bytes) = (fastcgi::Reader::default(), BytesMut::new());
    for piece in pieces {
        bytes.extend_from_slice(piece);
        match reader.read(&mut bytes) {
            Ok(fastcgi::Progress::More) => {}
            Ok(fastcgi::Progress::Asked(id, variables)) => {
                assert_eq!(reader.request(), Some(id));
                return Some(variables);
            }
            Ok(fastcgi::Progress::Over) => {
                assert!(!reader.replies.is_empty());
                return None;
            }
            Err(fault) => {
                assert!(!fault.to_string().is_empty());
                return None;
            }
        }
    }
    None
}

fn over_scgi(pieces: &[&[u8]]) -> Option<Variables> {
    let mut bytes = BytesMut::new();
    for piece in pieces {
        bytes.extend_from_slice(piece);
        match scgi::read(&mut bytes) {
            Ok(None) => {}
            Ok(Some(variables)) => return Some(variables),
            Err(fault) => {
                assert!(!fault.to_string().is_empty());
                return None;
            }
        }
    }
    None
}

fn ask(protocol: Protocol, variables: Variables) {
    let Ok(headers) = variables.headers() else { return };
    let (mut head, ()) = Request::new(()).into_parts();
    head.headers = headers;
    head.extensions.insert(variables.clone());
    let read = Dialect::Apache(protocol).read(&head, PUBLIC_PATH, None, || unreachable!("Apache names its requests"));
    match read {
        Ok(Asked::Question(question)) => {
            let original = variables.text("REQUEST_URI").expect("the original address");
            let path = original.split('?').next().unwrap_or_default();
            assert_eq!(CanonicalPath::parse(path).as_ref(), Ok(&question.path));
            assert_eq!(question.query.as_deref(), original.split_once('?').map(|(_, query)| query));
            assert_eq!(Some(question.request.as_str()), variables.text("UNIQUE_ID"));
            assert_eq!(question.kind, protocol.question());
            if question.kind == Kind::Download {
                let mapped = [variables.text("SCRIPT_NAME"), variables.text("PATH_INFO")].map(Option::unwrap_or_default).concat();
                assert_eq!(mapped, question.path.decoded());
                assert!(question.path.encoded().starts_with(PUBLIC_PATH));
            } else {
                let root = variables.text("CONTEXT_DOCUMENT_ROOT").expect("a root");
                assert!(variables.text("SCRIPT_FILENAME").expect("a file").starts_with(root.trim_end_matches('/')));
            }
        }
        Ok(Asked::Refused { .. }) => unreachable!("Apache asks for no page by itself"),
        Err(malformed) => assert!(!malformed.reason.is_empty() && !malformed.reason.contains('\n')),
    }
}
