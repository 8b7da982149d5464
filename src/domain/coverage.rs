//! Which bytes of a file were sent.

/// A set of byte positions, kept as ranges that neither touch nor overlap, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    ranges: Vec<(u64, u64)>,
}

impl Coverage {
    /// More ranges than this are not kept: the smallest is forgotten, so that a client that asks for every other byte
    /// costs 64 KiB and not the file's size. What is forgotten is counted too little, never too much. Segmented
    /// downloaders leave as many gaps as they have connections; this is far above.
    pub const RANGES_MAX: usize = 4096;

    /// Adds the bytes from `first` up to, not including, `end`; nothing where `end` is not after `first`. Tells how many
    /// bytes were forgotten for it.
    pub fn add(&mut self, first: u64, end: u64) -> u64 {
        if first >= end {
            return 0;
        }
        // All that overlap or touch lie together: after those that end before it, before those that start after it.
        let from = self.ranges.partition_point(|&(_, its_end)| its_end < first);
        let to = self.ranges.partition_point(|&(its_first, _)| its_first <= end);
        let joined = self.ranges.get(from..to).unwrap_or_default().iter();
        let whole = joined.fold((first, end), |(low, high), &(its_first, its_end)| (low.min(its_first), high.max(its_end)));
        self.ranges.splice(from..to, [whole]);
        if self.ranges.len() > Self::RANGES_MAX { self.forget_smallest() } else { 0 }
    }

    fn forget_smallest(&mut self) -> u64 {
        let smallest = self.ranges.iter().enumerate().min_by_key(|(_, range)| range.1 - range.0).map(|(place, _)| place);
        smallest.map_or(0, |place| {
            let (first, end) = self.ranges.remove(place);
            end - first
        })
    }

    /// How many bytes are in it.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|(first, end)| end - first).sum()
    }

    /// The ranges, each from its first byte up to, not including, its end.
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }

    /// Whether it holds every byte of a file of `size` bytes; of an empty file there is none to miss.
    pub fn is_whole(&self, size: u64) -> bool {
        size == 0 || self.ranges.first().is_some_and(|&(first, end)| first == 0 && end >= size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(ranges: &[(u64, u64)]) -> Coverage {
        let mut coverage = Coverage::default();
        for &(first, end) in ranges {
            coverage.add(first, end);
        }
        coverage
    }

    #[test]
    fn ranges_that_touch_or_overlap_become_one() {
        for (added, kept) in [
            (&[][..], &[][..]),
            (&[(5, 5), (7, 3)], &[]),
            (&[(0, 5)], &[(0, 5)]),
            (&[(0, 5), (5, 9)], &[(0, 9)]),
            (&[(5, 9), (0, 5)], &[(0, 9)]),
            (&[(0, 5), (6, 9)], &[(0, 5), (6, 9)]),
            (&[(6, 9), (0, 5), (5, 6)], &[(0, 9)]),
            (&[(0, 1), (2, 3), (4, 5), (1, 4)], &[(0, 5)]),
            (&[(2, 4), (0, 9)], &[(0, 9)]),
            (&[(0, 9), (2, 4)], &[(0, 9)]),
            (&[(0, u64::MAX), (5, u64::MAX)], &[(0, u64::MAX)]),
        ] {
            assert_eq!(of(added).ranges(), kept, "{added:?}");
        }
    }

    #[test]
    fn only_every_byte_is_the_whole() {
        for (ranges, size, whole) in [
            (&[][..], 0, true),
            (&[], 1, false),
            (&[(0, 10)], 10, true),
            (&[(0, 9)], 10, false),
            (&[(1, 10)], 10, false),
            (&[(0, 4), (5, 10)], 10, false),
            (&[(5, 10), (0, 5)], 10, true),
        ] {
            assert_eq!(of(ranges).is_whole(size), whole, "{ranges:?} of {size}");
        }
    }

    #[test]
    fn too_many_ranges_forget_the_smallest_and_never_count_too_much() {
        let mut coverage = Coverage::default();
        let most = u64::try_from(Coverage::RANGES_MAX).unwrap();
        for place in 0..most {
            assert_eq!(coverage.add(place * 10, place * 10 + 5), 0);
        }
        assert_eq!(coverage.add(most * 10, most * 10 + 1), 1);
        assert_eq!((coverage.ranges().len(), coverage.bytes()), (Coverage::RANGES_MAX, most * 5));
        assert_eq!(coverage.add(most * 10, most * 10 + 6), 5);
        assert_eq!((coverage.ranges().len(), coverage.bytes()), (Coverage::RANGES_MAX, most * 5 + 1));
        coverage.add(0, most * 20);
        assert!(coverage.is_whole(most * 20));
    }

    proptest! {
        #[test]
        fn it_holds_exactly_the_bytes_that_were_added(added in prop::collection::vec((0_u64..64, 0_u64..64), 0..40)) {
            let mut bitmap = [false; 64];
            let mut coverage = Coverage::default();
            for (first, end) in added {
                coverage.add(first, end);
                for place in first..end {
                    bitmap[usize::try_from(place).unwrap()] = true;
                }
                let inside = |place: u64| coverage.ranges().iter().any(|&(first, end)| first <= place && place < end);
                for (place, &sent) in (0_u64..).zip(&bitmap) {
                    prop_assert_eq!(inside(place), sent);
                }
                prop_assert!(coverage.ranges().windows(2).all(|pair| pair[0].1 < pair[1].0));
                prop_assert!(coverage.ranges().iter().all(|&(first, end)| first < end));
                prop_assert_eq!(coverage.bytes(), bitmap.iter().map(|&sent| u64::from(sent)).sum::<u64>());
                prop_assert_eq!(coverage.is_whole(64), bitmap.iter().all(|&sent| sent));
            }
        }
    }
}
