//! What is to be printed, kept until it is whole: who reads it slowly, such as a pager, holds nothing up.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;

use crate::random;

/// What is longer is kept in a file.
const MEMORY_MAX: usize = 8 * 1024 * 1024;

/// Takes what is written, and gives it back.
#[derive(Debug, Default)]
pub(super) struct Spool {
    memory: Vec<u8>,
    /// In the directory of temporary files, without a name, so that it goes with the process.
    file: Option<File>,
}

impl Spool {
    /// Writes all that was kept to `out`.
    pub(super) fn pour(mut self, out: &mut impl Write) -> io::Result<()> {
        if let Some(mut file) = self.file.take() {
            file.rewind()?;
            io::copy(&mut file, out)?;
        }
        out.write_all(&self.memory)?;
        out.flush()
    }

    fn spill(&mut self) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => nameless()?,
        };
        let written = file.write_all(&self.memory);
        self.file = Some(file);
        self.memory.clear();
        written.map_err(|error| named(&error))
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.memory.len() + bytes.len() > MEMORY_MAX {
            self.spill()?;
        }
        self.memory.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that only this process can reach.
fn nameless() -> io::Result<File> {
    let name = format!("cloakroom-{:032x}", u128::from_be_bytes(random::bytes()));
    let path = std::env::temp_dir().join(name);
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path).map_err(|error| named(&error))?;
    std::fs::remove_file(&path).map_err(|error| named(&error))?;
    Ok(file)
}

fn named(error: &io::Error) -> io::Error {
    let directory = std::env::temp_dir();
    io::Error::new(error.kind(), format!("{}: {error}; TMPDIR names another directory", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_whole_however_long_it_is() {
        for length in [0, 1, MEMORY_MAX, MEMORY_MAX + 1, 3 * MEMORY_MAX + 7] {
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap_or_default()).collect();
            let mut spool = Spool::default();
            for part in bytes.chunks(100_003) {
                spool.write_all(part).expect("room");
            }
            assert!(spool.memory.len() <= MEMORY_MAX);
            assert_eq!(spool.file.is_some(), length > MEMORY_MAX, "{length}");
            let mut back = Vec::new();
            spool.pour(&mut back).expect("what was kept");
            assert!(back == bytes, "{length}");
        }
    }
}
