//! Counting, from outside: the rules by example, the rules against a model, and the contract of every store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

mod contract_of_copies;
mod contract_of_placed;
mod fixtures;
mod model;
mod properties;
mod rules_of_admission;
mod rules_of_away;
mod rules_of_clicks;
mod rules_of_copies;
mod rules_of_networks;
mod rules_of_settling;
mod store_callers;
mod store_catalogue;
mod store_contract;
mod store_credentials;
mod store_orders;
mod store_outbox;
mod store_privacy;
