//! Which bytes of a file were sent.

/// A set of byte positions, kept as ranges that neither touch nor overlap, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    ranges: Vec<(u64, u64)>,
}

impl Coverage {
    /// Adds the bytes from `first` up to, not including, `end`.
    pub fn add(&mut self, first: u64, end: u64) {
        self.ranges.push((first, end));
    }

    /// How many bytes are in it.
    pub fn bytes(&self) -> u64 {
        0
    }

    /// The ranges, each from its first byte up to, not including, its end.
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }

    /// Whether it holds every byte of a file of `size` bytes.
    pub fn is_whole(&self, size: u64) -> bool {
        self.bytes() == size
    }
}
