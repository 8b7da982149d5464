//! Cloakroom checks the ticket; your web server hands over the goods.
pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dialect;
pub mod domain;
pub mod feed;
pub mod keys;
pub mod pages;
pub mod proof;
pub mod random;
pub mod service;
pub mod store;
pub mod wire;
