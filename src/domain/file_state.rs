//! What tells one state of a followed file from another.

/// Where a file lies on the disk, how long it is and when it was changed: who writes it anew, in place or by renaming
/// another one over it, changes at least one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileState {
    /// The device.
    pub device: u64,
    /// The inode on it.
    pub inode: u64,
    /// The size in bytes.
    pub size: u64,
    /// When the content was changed, as the owner may say it: seconds since 1970 UTC, and nanoseconds.
    pub modified: (i64, i64),
    /// When content, owner or mode were changed, as the system alone says it: seconds since 1970 UTC, and nanoseconds.
    pub changed: (i64, i64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_write_changes_makes_another_state() {
        let state = FileState { device: 1, inode: 2, size: 3, modified: (4, 5), changed: (6, 7) };
        assert_eq!(state, FileState { ..state });
        for other in [
            FileState { device: 0, ..state },
            FileState { inode: 0, ..state },
            FileState { size: 0, ..state },
            FileState { modified: (4, 0), ..state },
            FileState { changed: (0, 7), ..state },
        ] {
            assert_ne!(state, other);
        }
    }
}
