//! Downloads are counted as README says: real clients, a real nginx, the real daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

mod clients;
mod feed;
mod limits;
mod lines;
mod networks;
mod piped;
mod resume;
mod shop;
mod storms;
mod syslog;
mod uncounted;

#[path = "../servers/mod.rs"]
mod servers;
