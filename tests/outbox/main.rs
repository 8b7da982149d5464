//! What leaves: events for webhooks, checked by a second hand, and letters that a real mail server puts into a real mailbox.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../servers/mod.rs"]
mod servers;

mod events;
mod exim;
mod letter;
mod letters;
mod receiver;
mod tries;
