//! Copies: each grant has a file of its own with an unguessable name, which a real nginx serves, and which goes with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

#[path = "../servers/mod.rs"]
mod servers;

mod clock;
mod disks;
mod filling;
mod following;
mod hostile;
mod served;
mod shop;
mod steps;
