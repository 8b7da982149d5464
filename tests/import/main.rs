//! Taking over what Zen Cart sold: its files read, its rows understood as its own rules have them, and what it would answer
//! beside what is answered here, by the real binary behind the real nginx.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../servers/mod.rs"]
mod servers;

mod command;
mod decisions;
mod files;
mod meaning;
mod oracle;
mod parsers;
