//! Any line of a site's access log: read, or refused with a reason; what was read lies inside the line.
#![no_main]

use cloakroom::domain::audit::{Keys, Selection};
use cloakroom::feed::access::format::Format;
use cloakroom::feed::access::line::{LINE_BYTES_MAX, LineFault, OWN_FILE, read};
use cloakroom::feed::access::scan::{Layout, scan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    match read(line) {
        Ok(Some(hit)) => {
            let inside = |part: &[u8]| part.is_empty() || line.windows(part.len()).any(|window| window == part);
            assert!(inside(hit.client) && inside(hit.agent) && inside(hit.host) && hit.query.is_none_or(inside));
            assert!(inside(hit.path) || hit.path == OWN_FILE);
            assert!(!hit.client.is_empty() && hit.status <= 999);
            assert!(hit.part.is_none_or(|part| part.first <= part.end && part.end <= part.total));
            let _ = (hit.network(), hit.kind());
        }
        Ok(None) => assert_eq!(line.first(), Some(&b'{')),
        Err(fault) => {
            assert!(!fault.to_string().is_empty());
            assert_eq!(fault == LineFault::TooLong, line.len() > LINE_BYTES_MAX);
        }
    }
    let Ok(selection) = Selection::of(&[], &[]) else { return };
    let scanned = scan(line, &Layout::Usual, &selection, &Keys::default());
    assert!(scanned.hits.len() as u64 + scanned.faults <= scanned.lines);
    // The first line is a format, the rest is read by it.
    let end = line.iter().position(|&byte| byte == b'\n').unwrap_or(line.len());
    let (format, rest) = line.split_at(end);
    if let Some(format) = std::str::from_utf8(format).ok().and_then(|text| text.parse::<Format>().ok()) {
        let _ = scan(rest, &Layout::Custom(format), &selection, &Keys::default());
    }
});
