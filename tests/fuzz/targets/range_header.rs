//! Any `Range` header: what it is charged with is never less than what Nginx would send for it.
#![no_main]

use cloakroom::domain::range::Range;
use libfuzzer_sys::fuzz_target;

/// `max_ranges` of the shipped configuration; with more parts Nginx sends the file.
const RANGES_MAX: u64 = 64;

/// What Nginx writes between parts at least: `CR LF -- boundary CR LF`, `Content-Range` and `Content-Type`.
const PART_BYTES_MIN: u64 = 80;

fuzz_target!(|value: &str| {
    assert_eq!(Range::parse(Some(value), true), Range::Whole);
    let range = Range::parse(Some(value), false);
    for size in [0, 1, 2, 999, 1000, 1001, 1 << 40, i64::MAX as u64] {
        let charged = range.bytes_max(size);
        if let Some(sent) = sent_by_nginx(value, size) {
            assert!(charged >= sent, "{value:?} of {size}: charged {charged}, sent {sent}");
        }
        assert_eq!(Range::Whole.bytes_max(size), size);
    }
    let _ = range.is_later_part();
});

/// The body bytes of Nginx's answer, written from its documented behaviour: `None` for 416. A range that is not
/// satisfiable is left out; one that is malformed makes the whole header 416; too many, or more bytes than the file has,
/// make it send the file.
fn sent_by_nginx(value: &str, size: u64) -> Option<u64> {
    let Some((_, list)) = value.split_at_checked(6).filter(|(unit, list)| unit.eq_ignore_ascii_case("bytes=") && !list.is_empty()) else {
        return Some(size);
    };
    let (mut sum, mut parts) = (0_u64, 0_u64);
    for part in list.split(',') {
        let (first, last) = part.split_once('-')?;
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number <= i64::MAX as u64 && !text.starts_with('+'));
        let (start, end) = match (first.trim_matches(' '), last.trim_matches(' ')) {
            ("", last) => (size.saturating_sub(number(last)?), size),
            (first, "") => (number(first)?, size),
            (first, last) => (number(first)?, number(last)?.saturating_add(1).min(size)),
        };
        if start < end {
            sum = sum.saturating_add(end - start);
            parts += 1;
        }
    }
    match parts {
        0 => None,
        _ if sum > size => Some(size),
        many if many > RANGES_MAX => Some(size),
        1 => Some(sum),
        many => Some(sum.saturating_add(many * PART_BYTES_MIN)),
    }
}
