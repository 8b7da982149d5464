//! What customers see behind a real nginx: the page of a link, its button, and the page that stays while a download runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../servers/mod.rs"]
mod servers;

mod browser;
mod chromium;
mod landing;
mod order;
mod shop;
