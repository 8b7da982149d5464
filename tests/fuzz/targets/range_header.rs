//! Any `Range` header: it reads as something, and is never charged with less than nginx can send.
#![no_main]

use cloakroom::domain::range::{Part, Range};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, bool, &str)| {
    let (size, conditional, value) = input;
    let range = Range::parse(Some(value), conditional);
    let most = range.bytes_max(size);
});
