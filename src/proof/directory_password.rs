//! Passwords of public directories that a web server guards by a htpasswd file.
//!
//! A password is 26 letters and digits: the first 16 bytes, in Crockford's base32 in lower case
//! ([`crate::domain::id::base32`]), of an HMAC-SHA256 over the site, LF, the directory's name, LF and the user name. Its key is
//! HMAC-SHA256 of `cloakroom directory password 1` under the configured one. So it is kept nowhere: it follows from the key
//! whenever it is to be told, and nobody can tell it once the key is gone.

use std::fmt;

use hmac::Mac as _;
use zeroize::Zeroizing;

use super::htpasswd::make::{self, New};
use super::key::SigningKey;
use crate::domain::credential::UserName;
use crate::domain::id::base32;
use crate::domain::placed::DirectoryName;

/// 128 bits, as random as the key: so many that the cheapest hash keeps them.
const MAC_BYTES: usize = 16;

/// Random bytes that a new hash takes.
pub const SALT_BYTES: usize = 16;

/// The password of a user of a directory. It does not print; wiped when dropped.
pub struct DirectoryPassword(Zeroizing<String>);

impl fmt::Debug for DirectoryPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectoryPassword(hidden)")
    }
}

impl DirectoryPassword {
    /// The password of `user` in `directory` of `site`.
    pub fn of(site: &str, directory: &DirectoryName, user: UserName, key: &SigningKey) -> Self {
        let mac = key.directory_password().chain_update(format!("{site}\n{directory}\n{user}")).finalize().into_bytes();
        Self(Zeroizing::new(base32(mac.get(..MAC_BYTES).unwrap_or_default())))
    }

    /// As the customer types it: for whom it is told, and for no log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// As it stands in a htpasswd file. apr1, since a web server hashes at each request: nginx and Apache compute it by
    /// themselves on every system, twice as fast as SHA-256-crypt with its fewest rounds, and a password of 128 random bits
    /// needs no dear one.
    pub fn hash(&self, salt: [u8; SALT_BYTES]) -> String {
        // It is neither empty nor has it a NUL, which alone are refused.
        make::hash(New::Apr1, self.0.as_bytes(), salt).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::htpasswd::hash::Hash;

    fn key(first: char) -> SigningKey {
        SigningKey::from_base64("main", &format!("{first}AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")).expect("a key")
    }

    fn directory(name: &str) -> DirectoryName {
        DirectoryName::parse(name).expect("a name")
    }

    fn user(text: &str) -> UserName {
        text.parse().expect("a user name")
    }

    // Computed by the description at the top of this file, in another language.
    #[test]
    fn the_format_stays_as_it_was_published() {
        let password = DirectoryPassword::of("shop.example", &directory("goods"), user("k7m2-9xqt"), &key('A'));
        assert_eq!(password.reveal(), "pgy0vnfxj6na4smats8wj5f68g");
        assert_eq!(format!("{password:?}"), "DirectoryPassword(hidden)");
    }

    #[test]
    fn each_site_directory_user_and_key_has_another_password() {
        let of = |site, name, who, first| DirectoryPassword::of(site, &directory(name), user(who), &key(first)).reveal().to_owned();
        let all = [
            of("shop.example", "goods", "k7m2-9xqt", 'A'),
            of("shop.examplegoods", "goods", "k7m2-9xqt", 'A'),
            of("shop.example", "other", "k7m2-9xqt", 'A'),
            of("shop.example", "goods", "k7m2-9xqs", 'A'),
            of("shop.example", "goods", "k7m2-9xqt", 'B'),
        ];
        for (place, one) in all.iter().enumerate() {
            assert_eq!(one.len(), 26);
            assert!(all.iter().skip(place + 1).all(|other| other != one), "{place}");
        }
    }

    #[test]
    fn its_hash_holds_it_and_nothing_else_and_has_a_salt_of_its_own() {
        let password = DirectoryPassword::of("shop.example", &directory("goods"), user("k7m2-9xqt"), &key('A'));
        let (one, other) = (password.hash([1; SALT_BYTES]), password.hash([2; SALT_BYTES]));
        assert_ne!(one, other);
        for text in [one, other] {
            let hash = Hash::parse(&text).expect(&text);
            assert!(hash.holds(password.reveal().as_bytes()));
            assert!(!hash.holds(b"k7m2-9xqt"));
        }
    }
}
