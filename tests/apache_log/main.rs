//! What Apache reports by `conf-examples/apache/log.conf`: real lines of a real Apache, read by the feed, the pipe and the daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

mod counted;
mod lines;
mod server;

#[path = "../servers/mod.rs"]
mod servers;
