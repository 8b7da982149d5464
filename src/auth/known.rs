//! The logins that were right, so that a hash is paid for once. No password is kept: only a MAC of it under a key that
//! lives as long as the process.

use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::domain::recent::Recent;

/// So many are remembered, of 32 bytes each, and at most twice as many: some 2 MB.
const KNOWN_MAX: usize = 16_384;

/// The key of this process. It does not print.
pub struct Secret(Zeroizing<[u8; 32]>);

/// What stands for a login at an entry. Another hash at the entry, as after a change of the password, gives another tag.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag([u8; 32]);

impl Secret {
    /// A key of these random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(Zeroizing::new(random))
    }

    /// The tag of a login. `hash` is the whole text of the entry's hash.
    pub fn login(&self, hash: &str, user: &str, password: &[u8]) -> Tag {
        self.tag(&[b"login", hash.as_bytes(), user.as_bytes(), password])
    }

    /// The tag of a login whose name the file does not know. It is none of an entry's.
    pub fn stranger(&self, user: &str, password: &[u8]) -> Tag {
        self.tag(&[b"stranger", user.as_bytes(), password])
    }

    /// The tag of a place in a table that strangers fill.
    pub(super) fn place(&self, parts: &[&[u8]]) -> Tag {
        let all: Vec<&[u8]> = [&b"place"[..]].into_iter().chain(parts.iter().copied()).collect();
        self.tag(&all)
    }

    /// Each part after its length, so that no two lists of parts read alike.
    fn tag(&self, parts: &[&[u8]]) -> Tag {
        // A MAC takes keys of every length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.0) else { return Tag([0; 32]) };
        for part in parts {
            mac.update(&part.len().to_le_bytes());
            mac.update(part);
        }
        Tag(mac.finalize().into_bytes().into())
    }
}

impl std::fmt::Debug for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tag(hidden)")
    }
}

/// Tags of right logins.
pub struct Known(Mutex<Recent<Tag, ()>>);

impl Default for Known {
    fn default() -> Self {
        Self(Mutex::new(Recent::new(KNOWN_MAX)))
    }
}

impl Known {
    /// Whether the login was right before.
    pub fn has(&self, tag: &Tag) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).touch(tag).is_some()
    }

    /// Remembers a login that was right.
    pub(super) fn remember(&self, tag: Tag) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keep(tag, ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_that_of_one_login_at_one_entry_in_one_process() {
        let secret = Secret::new([7; 32]);
        let tag = secret.login("$2y$10$a", "alice", b"secret");
        assert!(tag == secret.login("$2y$10$a", "alice", b"secret"));
        for (other, what) in [
            (secret.login("$2y$10$b", "alice", b"secret"), "another hash"),
            (secret.login("$2y$10$a", "alicf", b"secret"), "another name"),
            (secret.login("$2y$10$a", "alice", b"Secret"), "another password"),
            (secret.login("$2y$10$aa", "lice", b"secret"), "another border"),
            (secret.stranger("alice", b"secret"), "a stranger"),
            (secret.place(&[b"$2y$10$a", b"alice", b"secret"]), "a place"),
            (Secret::new([8; 32]).login("$2y$10$a", "alice", b"secret"), "another process"),
        ] {
            assert!(tag != other, "{what}");
        }
    }

    #[test]
    fn only_what_was_remembered_is_known() {
        let (secret, known) = (Secret::new([7; 32]), Known::default());
        let tag = secret.login("hash", "alice", b"secret");
        assert!(!known.has(&tag));
        known.remember(tag);
        assert!(known.has(&tag) && !known.has(&secret.login("hash", "bob", b"secret")));
    }
}
