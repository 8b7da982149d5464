//! One table of requests for each web server and each way in which it asks: what nginx passes, Apache passes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

#[path = "../fail_closed/backend.rs"]
mod backend;
#[path = "../hostile/raw.rs"]
mod raw;
#[path = "../servers/mod.rs"]
mod servers;
#[path = "../hostile/targets.rs"]
mod targets;
#[path = "../hostile/tricks.rs"]
mod tricks;

mod brought;
mod closed;
mod elsewhere;
mod hostile;
mod names;
mod places;
mod ranges;
mod refusals;
mod requests;
mod stolen;
mod table;
