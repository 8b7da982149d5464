//! What a request can bring: signed URLs, JWTs, link tokens and delivery tokens; passwords, and the files that web servers
//! check them by; keys of the API, seals, and how a webhook knows us. Pure.
//!
//! One law for all of them: the MAC is checked, in constant time, before anything but the key's name is believed; a
//! proof that held becomes a value that only this module makes, and a stranger learns no more than `bad_proof`.

pub mod api_key;
pub mod directory_password;
pub mod htpasswd;
pub mod jwt;
pub mod key;
mod p256;
pub mod public_key;
mod query;
pub mod sealed;
pub mod signed_url;
pub mod token;
pub mod webhook;
