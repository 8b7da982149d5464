//! Any text as a locator: read and then written in a form that reads back the same, or refused with a reason.
#![no_main]

use cloakroom::domain::locator::{LOCATOR_BYTES_MAX, Locator};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| match text.parse::<Locator>() {
    Ok(locator) => {
        let written = locator.to_string();
        assert!(text.len() <= LOCATOR_BYTES_MAX && written.contains(locator.file_name()));
        // The direct form of a share link may be too long to be written again.
        if written.len() <= LOCATOR_BYTES_MAX {
            assert_eq!(written.parse(), Ok(locator), "{written}");
        }
    }
    Err(fault) => assert!(fault.to_string().starts_with("must ")),
});
