//! The logins that were right, so that a hash is paid for once, and the networks that they came from. No password is kept:
//! only a MAC of it under a key that lives as long as the process.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::domain::authorization::Login;
use crate::domain::grant::network_of;
use crate::domain::recent::Recent;

/// So many are remembered of each kind, of 32 bytes each, and at most twice as many: some 4 MB.
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

    /// The tag of a login. `file` is the path of its file, `hash` the whole text of the entry's hash.
    pub fn login(&self, file: &[u8], hash: &str, login: &Login) -> Tag {
        self.tag(&[b"login", file, hash.as_bytes(), login.user.as_bytes(), &login.password])
    }

    /// The same with the network that it comes from.
    pub fn login_from(&self, file: &[u8], hash: &str, login: &Login, client: IpAddr) -> Tag {
        let network = network_of(client).to_string();
        self.tag(&[b"login from", file, hash.as_bytes(), login.user.as_bytes(), &login.password, network.as_bytes()])
    }

    /// The tag of a login whose name the file does not know. It is none of an entry's, and none of another file's: who waits
    /// for the hash of another is to learn nothing by it.
    pub fn stranger(&self, file: &[u8], login: &Login) -> Tag {
        self.tag(&[b"stranger", file, login.user.as_bytes(), &login.password])
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
pub struct Known {
    logins: Mutex<Recent<Tag, ()>>,
    /// With the networks that they came from.
    homes: Mutex<Recent<Tag, ()>>,
}

impl Default for Known {
    fn default() -> Self {
        Self { logins: Mutex::new(Recent::new(KNOWN_MAX)), homes: Mutex::new(Recent::new(KNOWN_MAX)) }
    }
}

impl Known {
    /// Whether the login was right before, wherever it came from. It does not tell those who are locked out: they would
    /// guess on, and for nothing.
    pub fn has(&self, tag: &Tag) -> bool {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner).touch(tag).is_some()
    }

    /// Remembers a login that was right.
    pub(super) fn remember(&self, tag: Tag) {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner).keep(tag, ());
    }

    /// Whether the login was right before from this network; `tag` is of [`Secret::login_from`].
    pub fn is_at_home(&self, tag: &Tag) -> bool {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner).touch(tag).is_some()
    }

    /// Remembers where a right login came from.
    pub fn settle_in(&self, tag: Tag) {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner).keep(tag, ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(user: &str, password: &[u8]) -> Login {
        Login { user: user.to_owned(), password: Zeroizing::new(password.to_vec()) }
    }

    #[test]
    fn a_tag_is_that_of_one_login_at_one_entry_in_one_process() {
        let secret = Secret::new([7; 32]);
        let alice = login("alice", b"secret");
        let tag = secret.login(b"file", "$2y$10$a", &alice);
        assert!(tag == secret.login(b"file", "$2y$10$a", &alice));
        for (other, what) in [
            (secret.login(b"other", "$2y$10$a", &alice), "another file"),
            (secret.login(b"file", "$2y$10$b", &alice), "another hash"),
            (secret.login(b"file", "$2y$10$a", &login("alicf", b"secret")), "another name"),
            (secret.login(b"file", "$2y$10$a", &login("Alice", b"secret")), "another case"),
            (secret.login(b"file", "$2y$10$a", &login("alice", b"Secret")), "another password"),
            (secret.login(b"file", "$2y$10$a", &login("alice", b"")), "no password"),
            (secret.login(b"file", "$2y$10$aa", &login("lice", b"secret")), "another border"),
            (secret.stranger(b"file", &alice), "a stranger"),
            (secret.place(&[b"file", b"$2y$10$a", b"alice", b"secret"]), "a place"),
            (secret.login_from(b"file", "$2y$10$a", &alice, IpAddr::from([192, 0, 2, 1])), "a place that it came from"),
            (Secret::new([8; 32]).login(b"file", "$2y$10$a", &alice), "another process"),
        ] {
            assert!(tag != other, "{what}");
        }
        assert!(secret.stranger(b"file", &alice) != secret.stranger(b"other", &alice));
        let (composed, decomposed) = (login("jörg", b"x"), login("jo\u{308}rg", b"x"));
        assert!(secret.stranger(b"file", &composed) != secret.stranger(b"file", &decomposed), "a name is its bytes");
    }

    #[test]
    fn only_what_was_remembered_is_known() {
        let (secret, known) = (Secret::new([7; 32]), Known::default());
        let alice = login("alice", b"secret");
        let tag = secret.login(b"file", "hash", &alice);
        assert!(!known.has(&tag));
        known.remember(tag);
        assert!(known.has(&tag) && !known.has(&secret.login(b"file", "hash", &login("bob", b"secret"))));
        let from = |client: [u8; 4]| secret.login_from(b"file", "hash", &alice, IpAddr::from(client));
        known.settle_in(from([192, 0, 2, 1]));
        assert!(known.is_at_home(&from([192, 0, 2, 9])) && !known.is_at_home(&from([192, 0, 3, 1])));
    }
}
