//! What the bytes of a file are.

use std::fs::File;
use std::io::{self, ErrorKind, Read};

use sha2::{Digest, Sha256};

use crate::domain::checksum::Checksum;

/// Read at once; larger pieces are not faster.
const PIECE: usize = 256 * 1024;

/// Reads a file to its end. `goes_on` is told of each piece how many bytes were read; `None` where it said no.
pub(super) fn checksum(file: &mut File, mut goes_on: impl FnMut(usize) -> bool) -> io::Result<Option<Checksum>> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(goes_on(0).then(|| Checksum::new(hash.finalize().into()))),
            Ok(count) if goes_on(count) => hash.update(piece.get(..count).unwrap_or_default()),
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
