//! What programs ask of Cloakroom over HTTP.

pub mod admin;
