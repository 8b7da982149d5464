//! Who asks: the address that the web server saw, and what tells two clients behind one address apart.

use std::fmt;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

/// One side of a connection, as the web server reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The client's address; an IPv4 address mapped into IPv6 is given as IPv4.
    pub address: IpAddr,
    /// What the client says it is (`User-Agent`); may be empty, and is never trusted for a decision to allow.
    pub agent: String,
}

impl Client {
    /// A client at `address` that calls itself `agent`.
    pub fn new(address: IpAddr, agent: impl Into<String>) -> Self {
        Self { address: address.to_canonical(), agent: agent.into() }
    }

    /// The key under which its coverage is kept when it brings no cookie.
    pub fn key(&self) -> ClientKey {
        let mut hash = Sha256::new();
        hash.update(b"address and agent\0");
        hash.update(self.address.to_string().as_bytes());
        hash.update(b"\0");
        hash.update(self.agent.as_bytes());
        ClientKey::from_digest(&hash.finalize())
    }
}

/// Tells one client of a delivery from another: from its cookie, else from its address and agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey([u8; 8]);

impl ClientKey {
    /// The key of a client that brings the cookie value `cookie`.
    pub fn of_cookie(cookie: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"cookie\0");
        hash.update(cookie.as_bytes());
        Self::from_digest(&hash.finalize())
    }

    /// The key of who logged in as `user`, wherever and with whatever: people behind one address have names of their own.
    pub fn of_user(user: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"user\0");
        hash.update(user.as_bytes());
        Self::from_digest(&hash.finalize())
    }

    /// The key of whoever asks from `address`, by whatever name.
    pub fn of_address(address: IpAddr) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"address\0");
        hash.update(address.to_canonical().to_string().as_bytes());
        Self::from_digest(&hash.finalize())
    }

    /// A key made of exactly these bytes, as a store kept them.
    pub const fn new(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The key of one of whom it was forgotten who they are: a number, which says nothing but that it is another than that one.
    pub const fn numbered(number: u32) -> Self {
        let [a, b, c, d] = number.to_be_bytes();
        Self([0, 0, 0, 0, a, b, c, d])
    }

    /// Whether it is such a key. Of those that are hashes one in four thousand million looks like it.
    pub fn is_numbered(&self) -> bool {
        self.0.starts_with(&[0; 4])
    }

    /// Its bytes, for a store.
    pub const fn bytes(&self) -> &[u8; 8] {
        &self.0
    }

    fn from_digest(digest: &[u8]) -> Self {
        let mut key = [0_u8; 8];
        for (to, from) in key.iter_mut().zip(digest) {
            *to = *from;
        }
        Self(key)
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::id::base32(&self.0))
    }
}
