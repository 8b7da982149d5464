//! htpasswd files: their lines, and the hashes in them. Pure.
//!
//! [`mod@file`] reads lines as Apache and nginx do; [`hash`] is the kept form of a password, of each method that their tools
//! write; [`method`] holds the words and bounds of the methods; [`others`] tells what nginx and Apache make of what cannot be used here; [`make`] writes new hashes,
//! [`edit`] puts them into a file, [`block`] many of them into a part of it that is a program's. Formats: Apache's
//! [password formats](https://httpd.apache.org/docs/2.4/misc/password_encryptions.html) and libxcrypt's `crypt(5)`.

pub mod block;
mod crypt64;
#[cfg(feature = "legacy-des")]
mod des;
mod digests;
pub mod edit;
pub mod file;
pub mod hash;
pub mod make;
pub mod method;
pub mod others;
#[cfg(test)]
mod tests;
