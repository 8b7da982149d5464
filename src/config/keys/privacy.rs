//! `[privacy]`.

use super::Without::Value;
use super::{Section, key};

/// `[privacy]`.
pub(in crate::config) static PRIVACY: Section = Section {
    name: "privacy",
    many: false,
    active: false,
    doc: &["How long is kept who downloaded. What was sold and counted stays in any case."],
    keys: &[key(
        "addresses",
        Value("\"unlimited\""),
        "a duration such as \"30d\", or \"unlimited\"",
        "So long after a download ended its addresses stay; then networks take their place (/24 of IPv4, /56 of IPv6).",
    )],
    later: &[],
};
