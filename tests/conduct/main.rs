//! How the daemon behaves towards who runs it: reloads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub
)]

#[path = "../hostile/raw.rs"]
mod raw;
#[path = "../servers/mod.rs"]
mod servers;

mod fail2ban;
mod keys;
mod load;
mod notify;
mod reload;
mod restarts;
mod sockets;
mod units;
