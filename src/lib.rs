//! Cloakroom checks the ticket; your web server hands over the goods.
pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dialect;
pub mod domain;
pub mod keys;
pub mod proof;
pub mod pages;
pub mod feed;
pub mod random;
pub mod service;
pub mod store;
