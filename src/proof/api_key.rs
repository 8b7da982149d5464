//! Keys of the API: `cr_` and 32 letters and digits, which are 160 random bits in Crockford's base32 in lower case
//! ([`crate::domain::id::base32`]). Brought as `Authorization: Bearer cr_…` (RFC 6750), never in a URL or a cookie.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::domain::api_key::{ApiKey, KeyDigest};
use crate::domain::id::base32;

/// What every key begins with, so that a key in the wrong place is known for one.
pub const PREFIX: &str = "cr_";

/// Random bytes in a key: nobody finds one by trying, so that its plain hash may be kept.
pub const KEY_BYTES: usize = 20;

/// Letters behind the prefix.
const LETTERS: usize = KEY_BYTES * 8 / 5;

/// The text of a key. It does not print; wiped when dropped.
pub struct KeyText(Zeroizing<String>);

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(hidden)")
    }
}

impl KeyText {
    /// The key made of these bits, which must be random.
    pub fn new(bits: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(format!("{PREFIX}{}", base32(&bits))))
    }

    /// Reads the one spelling that is shown; `None` for what no key looks like.
    pub fn parse(text: &str) -> Option<Self> {
        let letters = text.strip_prefix(PREFIX)?;
        let is_letter = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() && !b"ilou".contains(&byte);
        (letters.len() == LETTERS && letters.bytes().all(is_letter)).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// As it is shown, once, to whom it is made for, and for no log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::new(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The one of `keys` whose text it is. Each is looked at, whichever it is, in the same time.
    pub fn find<'a>(&self, keys: &'a [ApiKey]) -> Option<&'a ApiKey> {
        let digest = self.digest();
        let is_it = |key: &&ApiKey| bool::from(key.digest.bytes().ct_eq(digest.bytes()));
        keys.iter().filter(is_it).fold(None, |found, key| found.or(Some(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::api_key::{KeyName, Scope, Scopes};
    use crate::domain::id::ApiKeyId;
    use crate::domain::moment::Moment;
    use proptest::prelude::*;

    fn key(number: u8) -> ApiKey {
        ApiKey {
            id: ApiKeyId::new([number; 12]),
            name: KeyName::parse("shop").expect("a name"),
            digest: KeyText::new([number; KEY_BYTES]).digest(),
            scopes: Scopes::new([Scope::Read]).expect("scopes"),
            shop: None,
            created: Moment::EPOCH,
            author: String::new(),
            used: None,
            revoked: None,
            expires: None,
            networks: Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn a_key_is_read_back_from_its_own_text(bits: [u8; KEY_BYTES]) {
            let text = KeyText::new(bits);
            prop_assert_eq!(text.reveal().len(), 35);
            let read = KeyText::parse(text.reveal()).expect("it reads");
            prop_assert_eq!(read.digest(), text.digest());
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = KeyText::parse(&text).map(|key| key.digest());
        }
    }

    #[test]
    fn no_other_text_is_a_key() {
        let good = "cr_0123456789abcdefghjkmnpqrstvwxyz";
        assert!(KeyText::parse(good).is_some());
        for bad in [
            "",
            "cr_",
            "0123456789abcdefghjkmnpqrstvwxyz",
            "cr_0123456789abcdefghjkmnpqrstvwxy",
            "cr_0123456789abcdefghjkmnpqrstvwxyz0",
            "CR_0123456789abcdefghjkmnpqrstvwxyz",
            "cr_0123456789ABCDEFGHJKMNPQRSTVWXYZ",
            "cr_0123456789abcdefghjkmnpqrstvwxyi",
            "cr_0123456789abcdefghjkmnpqrstvwxy ",
            " cr_0123456789abcdefghjkmnpqrstvwxyz",
            "cr_0123456789abcdefghjkmnpqrstvwxé",
        ] {
            assert!(KeyText::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_found_by_its_text_and_by_no_other() {
        let keys = [key(1), key(2), key(3)];
        for (number, found) in [(1, Some(1)), (2, Some(2)), (3, Some(3)), (4, None)] {
            let text = KeyText::new([number; KEY_BYTES]);
            assert_eq!(text.find(&keys).map(|key| key.id), found.map(|number| ApiKeyId::new([number; 12])));
            assert!(!format!("{text:?}").contains(text.reveal()));
        }
    }
}
