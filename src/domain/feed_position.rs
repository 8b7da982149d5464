//! How far a feed has been read.

/// How far the feed has been read: committed with what was settled from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedPosition {
    /// The log file's device.
    pub device: u64,
    /// The log file's inode.
    pub inode: u64,
    /// Bytes of it that have been settled, always at a line's start.
    pub offset: u64,
}
