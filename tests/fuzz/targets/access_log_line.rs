//! Any line of an access log: reported, not ours, or refused with a reason; a report never has more than the line said.
#![no_main]

use cloakroom::feed::nginx_line::{LINE_BYTES_MAX, LineFault, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    match read(line) {
        Ok(Some(reported)) => {
            let text = String::from_utf8_lossy(line);
            assert!(text.contains('{') && line.len() <= LINE_BYTES_MAX);
            let report = reported.report;
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
