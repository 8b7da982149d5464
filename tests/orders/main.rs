//! Orders through the real binary, its API and the real nginx: what is paid opens, what is taken back shuts, and what is
//! reported twice is one order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../servers/mod.rs"]
mod servers;

mod catalogue;
mod copies;
mod done;
mod lines;
mod named;
mod opened;
mod reported;
mod scanned;
mod shop;
mod versions;
mod waits;
