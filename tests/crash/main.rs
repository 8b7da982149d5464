//! The daemon killed, the disk full or broken, the clock set: with the real nginx before it and customers at it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

mod books;
mod clock;
mod customers;
mod disk;
mod rounds;
mod row;
#[path = "../servers/mod.rs"]
mod servers;
mod shop;
mod steps;
mod streams;
