//! Cloakroom checks the ticket; your web server hands over the goods.
pub mod clock;
pub mod config;
pub mod dialect;
pub mod domain;
pub mod keys;
pub mod proof;
pub mod random;
pub mod store;
