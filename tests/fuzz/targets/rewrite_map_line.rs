//! Any line from `mod_rewrite`, and any answer to it: a question has its variables once each and none that the line could
//! smuggle in, and an answer is one line that the shipped patterns take for what it is, or for nothing.
//!
//! The input is a line, then, behind the first line end, headers of an answer as `name: value` lines.
#![no_main]

use std::collections::BTreeSet;

use cloakroom::dialect::apache::rewrite_map::{answer, question};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let line = lines.next().unwrap_or_default();
    match question(line, Some("s3cret")) {
        Ok(variables) => {
            let names: BTreeSet<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names.len(), variables.len(), "none twice");
            assert_eq!(variables[0].0, "CONTENT_LENGTH");
            let secrets: Vec<_> = variables.iter().filter(|(name, _)| name == "CLOAKROOM_SECRET").map(|(_, value)| value).collect();
            assert_eq!(secrets, [b"s3cret"]);
            assert!(variables.iter().all(|(_, value)| !value.contains(&0)));
        }
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(line[colon + 1..].trim_ascii())) {
            headers.append(name, value);
        }
    }
    for status in [200, 206, 303, 403, 503] {
        let said = answer(status, &headers);
        assert!(!said.contains(['\n', '\r', '\0']));
        let fields: Vec<&str> = said.split('\t').collect();
        assert!(fields.iter().all(|field| !field.is_empty()), "{said:?}");
        match fields.as_slice() {
            ["file", _, _, _, path] => assert!(status == 200 && path.starts_with('/') && !path.contains('?')),
            ["go", _, _] => assert_eq!(status, 303),
            ["no", _, _, _] => {}
            other => panic!("{other:?}"),
        }
    }
});
