//! Who calls the API over TCP: keys and their scopes, calls that are repeated, what it says of itself, and programs in
//! other languages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

#[path = "../servers/mod.rs"]
mod servers;

mod checked;
mod conditions;
mod described;
mod keys;
mod orders;
mod repeated;
mod shop;
mod snippets;
