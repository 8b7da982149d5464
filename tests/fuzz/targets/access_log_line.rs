//! Any line of an access log, by nginx or Apache: reported, not ours, or refused with a reason; a report never has more than the line said. By
//! syslog it says the same behind its head, and the head is never part of it.
#![no_main]

use cloakroom::feed::line::{LINE_BYTES_MAX, LineFault, read};
use cloakroom::feed::syslog;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    if line.starts_with(b"<") {
        assert!(read(line).is_err() || syslog::read(line).is_err(), "a line is one or the other");
    } else {
        let sent = [b"<190>Nov 21 23:02:12 cloakroom: ", line].concat();
        assert_eq!(syslog::read(&sent), read(line.strip_suffix(b"\n").unwrap_or(line)));
    }
    match read(line) {
        Ok(Some(reported)) => {
            let text = String::from_utf8_lossy(line);
            assert!(text.contains('{') && line.len() <= LINE_BYTES_MAX);
            let report = reported.report();
            // nginx writes three digits, and 000 where it sent no head.
            assert!(report.status <= 999, "{}", report.status);
            if let Some((first, total)) = report.from {
                assert!([200, 206].contains(&report.status), "only these have a body that is the file");
                assert!(first.checked_add(report.bytes).is_some_and(|end| end <= total), "{first} + {} of {total}", report.bytes);
            }
        }
        Ok(None) => {}
        Err(fault) => {
            assert!(!fault.to_string().is_empty());
            assert_eq!(fault == LineFault::TooLong, line.len() > LINE_BYTES_MAX);
        }
    }
});
