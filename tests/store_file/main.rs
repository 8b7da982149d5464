//! The store in a file, from outside: it answers as the one in memory does, whatever happens in between, and opens
//! nothing that is damaged or not its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

mod damage;
#[allow(dead_code)]
#[path = "../counting/fixtures.rs"]
mod fixtures;
mod messages;
mod pair;
mod placed;
mod properties;
mod public;
mod sales;
mod salvage;
#[path = "../servers/mod.rs"]
mod servers;
