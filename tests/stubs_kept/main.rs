//! What lies in a public directory is kept as it is remembered, whatever happens to the directory, the masters, the disk
//! and the daemon: through the real nginx and the real daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

mod clock;
mod customers;
mod deaf;
mod disk;
mod hostile;
mod many;
mod moved;
mod pub_directory;
mod readers;
#[path = "../servers/mod.rs"]
mod servers;
mod shown;
mod steps;
mod watched;
