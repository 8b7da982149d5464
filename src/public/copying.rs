//! The bytes of a copy: written, and then compared with the master's.
//!
//! They are copied inside the kernel where it can, which shows them to nobody; so both files are read afterwards, side by
//! side, and the checksum is of what was read. A master that is written to while it is copied, and whose time is set back,
//! is found so, and so are bytes that were mixed up on their way into the copy. What a disk made of them is not: both files may
//! be read from the system's memory, without asking the disk. A copy that shares the master's blocks, or is another name of
//! it, has no bytes of its own that could differ, and none of its bytes are read.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::directory::{NotPlaced, step};
use crate::domain::checksum::Checksum;

/// So many bytes are copied between two looks at whether to go on.
const CHUNK_BYTES: usize = 4 << 20;

/// So many bytes of both files are compared at once: they stay in the processor's cache until their checksum is taken.
const PIECE_BYTES: usize = 256 << 10;

/// How far a copy is, for who watches it.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    checked: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
}

/// How many bytes of a copy are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Copied.
    pub copied: u64,
    /// Compared with the master's after they were copied.
    pub checked: u64,
    /// Of so many; 0 before it began.
    pub total: u64,
}

impl Progress {
    /// How far it is.
    pub fn done(&self) -> Done {
        let [copied, checked, total] = [&self.done, &self.checked, &self.total].map(|bytes| bytes.load(Ordering::Relaxed));
        Done { copied, checked, total }
    }

    /// Ends it: nothing is left of what was copied.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// A file of `total` bytes is begun.
    pub(super) fn begin(&self, total: u64) {
        for (bytes, begun) in [(&self.done, 0), (&self.checked, 0), (&self.total, total)] {
            bytes.store(begun, Ordering::Relaxed);
        }
    }

    /// All its bytes are copied.
    pub(super) fn all_copied(&self) {
        self.done.store(self.total.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn go_on(&self) -> Result<(), NotCopied> {
        if self.stopped.load(Ordering::Relaxed) { Err(NotCopied::Stopped) } else { Ok(()) }
    }
}

/// Why a copy was not made.
#[derive(Debug)]
pub enum NotCopied {
    /// A step failed.
    Failed(NotPlaced),
    /// The master changed while it was copied.
    Changed,
    /// What was copied is not what the master has, first at this byte, counted from 0; and nothing says that it changed.
    Differs(u64),
    /// It was told to stop.
    Stopped,
}

impl From<NotPlaced> for NotCopied {
    fn from(failed: NotPlaced) -> Self {
        Self::Failed(failed)
    }
}

impl std::fmt::Display for NotCopied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(failed) => write!(f, "{failed}"),
            Self::Changed => f.write_str("the master changed while it was copied"),
            Self::Differs(byte) => write!(
                f,
                "what was copied differs from the master at byte {byte}, though the master's size and time are as before: either it \
                 was written to meanwhile and its time was set back, or a disk or the memory is bad"
            ),
            Self::Stopped => f.write_str("the daemon stops"),
        }
    }
}

/// Whether an error is of the disk, which no other way of copying would spare.
pub(super) fn is_of_disk(error: Errno) -> bool {
    matches!(error, Errno::NOSPC | Errno::DQUOT | Errno::IO | Errno::ROFS | Errno::FBIG)
}

/// Copies `size` bytes, inside the kernel where it can.
pub(super) fn copy_bytes(master: &File, file: &File, size: u64, progress: &Progress) -> Result<(), NotCopied> {
    // A disk that is too small is told at once, not after an hour.
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, size) {
        Err(error) if size > 0 && is_of_disk(error) => return Err(step("make room for the copy")(error).into()),
        Ok(()) | Err(_) => {}
    }
    let (mut done, mut inside) = (0_u64, true);
    let mut buffer = Vec::new();
    while done < size {
        progress.go_on()?;
        let wanted = least(size - done, CHUNK_BYTES);
        let copied = if inside {
            let (mut from, mut to) = (done, done);
            match rustix::fs::copy_file_range(master, Some(&mut from), file, Some(&mut to), wanted) {
                Ok(copied) => copied,
                Err(error) if is_of_disk(error) => return Err(step("copy the master")(error).into()),
                Err(_) => {
                    inside = false;
                    continue;
                }
            }
        } else {
            buffer.resize(wanted, 0);
            let read = master.read_at(&mut buffer, done).map_err(|error| step("read the master")(of(&error)))?;
            let read_bytes = buffer.get(..read).unwrap_or_default();
            file.write_all_at(read_bytes, done).map_err(|error| step("write the copy")(of(&error)))?;
            read
        };
        if copied == 0 {
            return Err(NotCopied::Changed);
        }
        done = done.saturating_add(copied as u64);
        progress.done.store(done, Ordering::Relaxed);
    }
    Ok(())
}

/// Reads `size` bytes of both, which must be the same; gives their checksum.
pub(super) fn compare(master: &File, copy: &File, size: u64, progress: &Progress) -> Result<Checksum, NotCopied> {
    let mut hash = Sha256::new();
    let [mut one, mut other] = [vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]];
    let mut done = 0_u64;
    while done < size {
        progress.go_on()?;
        let wanted = least(size - done, PIECE_BYTES);
        let (Some(one), Some(other)) = (one.get_mut(..wanted), other.get_mut(..wanted)) else { break };
        let read = |file: &File, bytes: &mut [u8], name| match file.read_exact_at(bytes, done) {
            Ok(()) => Ok(()),
            // It was cut off.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(NotCopied::Changed),
            Err(error) => Err(step(name)(of(&error)).into()),
        };
        read(master, one, "read the master again")?;
        read(copy, other, "read the copy again")?;
        if one != other {
            let same = one.iter().zip(other.iter()).take_while(|(one, other)| one == other).count();
            return Err(NotCopied::Differs(done.saturating_add(same as u64)));
        }
        hash.update(one);
        done = done.saturating_add(wanted as u64);
        progress.checked.store(done, Ordering::Relaxed);
    }
    Ok(Checksum::new(hash.finalize().into()))
}

fn least(left: u64, most: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(most)
}

fn of(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    }

    /// Longer than a piece, and no multiple of one.
    fn bytes() -> Vec<u8> {
        (0..PIECE_BYTES * 2 + 77).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    #[test]
    fn what_is_the_same_has_a_checksum_and_what_differs_is_told_by_its_first_byte() {
        let master = bytes();
        let size = master.len() as u64;
        let compared = |copy: &[u8]| compare(&file(&master), &file(copy), size, &Progress::default());
        assert_eq!(compared(&master).unwrap(), Checksum::new(Sha256::digest(&master).into()));
        for at in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES * 2, master.len() - 1] {
            let mut copy = master.clone();
            copy[at] ^= 1;
            assert!(matches!(compared(&copy), Err(NotCopied::Differs(byte)) if byte == at as u64), "{at}");
        }
        assert!(matches!(compared(&master[1..]), Err(NotCopied::Differs(0))));
        assert!(matches!(compared(&master[..master.len() - 1]), Err(NotCopied::Changed)), "it is shorter");
        let nothing = compare(&file(b""), &file(b""), 0, &Progress::default()).unwrap();
        assert_eq!(nothing.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn bytes_are_copied_and_compared_until_it_is_told_to_stop() {
        let (master, copy, progress) = (file(&bytes()), file(b""), Progress::default());
        let total = bytes().len() as u64;
        progress.begin(total);
        copy_bytes(&master, &copy, total, &progress).unwrap();
        assert_eq!(progress.done(), Done { copied: total, checked: 0, total });
        compare(&master, &copy, total, &progress).unwrap();
        assert_eq!(progress.done(), Done { copied: total, checked: total, total });
        progress.stop();
        for stopped in [copy_bytes(&master, &copy, total, &progress), compare(&master, &copy, total, &progress).map(drop)] {
            assert!(matches!(stopped, Err(NotCopied::Stopped)));
        }
    }
}
