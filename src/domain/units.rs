//! Amounts as people write them: durations (`24h`, `30d`), sizes (`64k`, `2MB`), rates (`2MB/s`).

/// Bytes per second, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(pub std::num::NonZeroU64);
