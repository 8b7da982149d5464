//! The `Range` header as the web server will honour it: how much of a file a request may send at most.

/// With more ranges inside the file than this the whole file is sent: `max_ranges` of the shipped configuration.
const RANGES_MAX: usize = 64;

/// More ranges than this are not looked at; a `Range` header of 8 KiB, the most that nginx takes, has fewer.
const LISTED_MAX: usize = 4096;

/// What one part of a multipart answer costs beside its bytes: boundary, type and `Content-Range` lines.
const PART_OVERHEAD_BYTES: u64 = 512;

/// The part of a file that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Range {
    /// No range, one that is not understood, or one under `If-Range`: the whole file may be sent.
    Whole,
    /// Parts of the file, at least one.
    Parts(Vec<Part>),
}

/// One part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// From the first byte to the end.
    From(u64),
    /// From the first byte to the last, both inside.
    Between(u64, u64),
    /// The last so many bytes.
    Last(u64),
}

impl Range {
    /// Reads a `Range` header's value. With `conditional` (the request has `If-Range`) the whole file may be sent,
    /// so the whole file is what it reads as.
    ///
    /// The value is read as nginx reads it: it begins with the unit, and the only blank is the space. What another
    /// reader would forgive (a tab, say) makes nginx send the whole file.
    pub fn parse(value: Option<&str>, conditional: bool) -> Self {
        let Some(value) = value else { return Self::Whole };
        if conditional {
            return Self::Whole;
        }
        let Some((_, list)) = value.split_at_checked(6).filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes=")) else {
            return Self::Whole;
        };
        if list.split(',').nth(LISTED_MAX).is_some() {
            return Self::Whole;
        }
        let parts: Option<Vec<Part>> = list.split(',').map(Part::parse).collect();
        match parts {
            Some(parts) if parts.iter().any(|part| !part.is_reversed()) => Self::Parts(parts),
            _ => Self::Whole,
        }
    }

    /// The most body bytes that an answer to this range can have, for a file of `size` bytes.
    pub fn bytes_max(&self, size: u64) -> u64 {
        let Self::Parts(parts) = self else { return size };
        let wanted = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.bytes(size)));
        match parts.len() {
            // Nothing of it lies inside the file: the answer is 416, but doubt is charged as the whole.
            _ if wanted == 0 => size,
            1 => wanted,
            // More than the whole makes nginx send the whole. What lies outside the file is left out and does not count
            // among the ranges, so that even of too many enough may be left to be sent part by part.
            many => {
                let by_part = wanted.min(size).saturating_add(overhead(many.min(RANGES_MAX)));
                if many > RANGES_MAX { by_part.max(size) } else { by_part }
            }
        }
    }

    /// Whether the request asks for a later part only, as a resumed download does.
    pub fn is_later_part(&self) -> bool {
        match self {
            Self::Whole => false,
            Self::Parts(parts) => parts.iter().all(|part| match part {
                Part::From(first) | Part::Between(first, _) => *first > 0,
                Part::Last(_) => true,
            }),
        }
    }
}

fn overhead(parts: usize) -> u64 {
    u64::try_from(parts).unwrap_or(u64::MAX).saturating_mul(PART_OVERHEAD_BYTES)
}

impl Part {
    fn parse(text: &str) -> Option<Self> {
        let number =
            |digits: &str| (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok()).flatten();
        let (first, last) = text.split_once('-')?;
        let (first, last) = (first.trim_matches(' '), last.trim_matches(' '));
        match (first.is_empty(), last.is_empty()) {
            (false, true) => number(first).map(Self::From),
            (true, false) => number(last).map(Self::Last),
            (false, false) => {
                // Beside others a range with the last before the first is no mistake to nginx, which leaves it out.
                Some(Self::Between(number(first)?, number(last)?))
            }
            (true, true) => None,
        }
    }

    const fn is_reversed(self) -> bool {
        matches!(self, Self::Between(first, last) if last < first)
    }

    fn bytes(self, size: u64) -> u64 {
        match self {
            Self::From(first) => size.saturating_sub(first),
            Self::Between(first, last) => last.saturating_add(1).min(size).saturating_sub(first),
            Self::Last(count) => count.min(size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_charged_with_the_most_that_it_can_send() {
        for (value, conditional, size, bytes) in [
            (None, false, 1000, 1000),
            (Some("bytes=0-"), false, 1000, 1000),
            (Some("bytes=400-"), false, 1000, 600),
            (Some("bytes=400-"), true, 1000, 1000),
            (Some("bytes=0-0"), false, 1000, 1),
            (Some("Bytes=0-0"), false, 1000, 1),
            (Some("bytes=0-99, 200-299"), false, 1000, 200 + 1024),
            (Some("bytes=0-99,0-999"), false, 1000, 1000 + 1024),
            (Some("bytes=-5"), false, 1000, 5),
            (Some("bytes=-5000"), false, 1000, 1000),
            (Some("bytes=1000-"), false, 1000, 1000),
            (Some("bytes=5-4"), false, 1000, 1000),
            (Some("bytes=5-4, 500-, 500-"), false, 1000, 1000 + 3 * 512),
            (Some("bytes=5-4, -0, 1000-, 500-"), false, 1000, 500 + 4 * 512),
            (Some("bytes= 0 - 0 , 5 - 6 "), false, 1000, 3 + 1024),
            (Some("bytes="), false, 1000, 1000),
            (Some(" bytes=0-0"), false, 1000, 1000),
            (Some("\tbytes=0-0"), false, 1000, 1000),
            (Some("bytes=\t0-0"), false, 1000, 1000),
            (Some("bytes=0-0\t"), false, 1000, 1000),
            (Some("bytes=0\t-0"), false, 1000, 1000),
            (Some("bytes=0-0,\u{a0}1-1"), false, 1000, 1000),
            (Some("bytes = 0-0"), false, 1000, 1000),
            (Some("bytes=a-"), false, 1000, 1000),
            (Some("items=0-1"), false, 1000, 1000),
            (Some("é"), false, 1000, 1000),
            (Some("bytes=0-18446744073709551615"), false, 1000, 1000),
            (Some("bytes=99999999999999999999-"), false, 1000, 1000),
        ] {
            assert_eq!(Range::parse(value, conditional).bytes_max(size), bytes, "{value:?}");
        }
        for (count, bytes) in [(64, 64 + 64 * 512), (65, 65 + 64 * 512), (4096, 1000 + 64 * 512), (4097, 1000)] {
            let many = vec!["0-0"; count].join(",");
            assert_eq!(Range::parse(Some(&format!("bytes={many}")), false).bytes_max(1000), bytes, "{count}");
        }
    }

    #[test]
    fn a_later_part_is_what_a_resumed_download_asks_for() {
        for (value, later) in [("bytes=1-", true), ("bytes=0-", false), ("bytes=-1", true), ("bytes=0-0,5-", false), ("bytes=3-4,9-", true)]
        {
            assert_eq!(Range::parse(Some(value), false).is_later_part(), later, "{value}");
        }
        assert!(!Range::Whole.is_later_part());
    }
}
