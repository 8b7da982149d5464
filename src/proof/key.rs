//! Keys that proofs are made and checked with.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::public_key::PublicKey;

pub use crate::domain::purpose::Purpose;

/// Shortest secret: as long as what HMAC-SHA256 gives; a shorter one would be the weakest part.
pub const SECRET_BYTES_MIN: usize = 32;

/// Longest id of a key.
pub const KEY_ID_BYTES_MAX: usize = 32;

/// A secret with a name. It can be used but not shown: no `Display`, `Clone` or `Serialize`; wiped when dropped.
///
/// The secret is kept as the states of the MACs that it is for, ready to be used.
pub struct SigningKey {
    id: String,
    number: u8,
    signed_url: HmacSha256,
    link_token: HmacSha256,
    delivery_token: HmacSha256,
    order_token: HmacSha256,
    directory_password: HmacSha256,
}

/// Wiped when dropped, by the `zeroize` feature of its crate.
type HmacSha256 = Hmac<Sha256>;

/// Why something is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKey {
    /// The id is not 1 to 32 letters, digits, `-`, `_`.
    Id,
    /// The text is not base64url without padding.
    Encoding,
    /// The secret is shorter than [`SECRET_BYTES_MIN`].
    Short,
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => write!(f, "the key's id must be 1 to {KEY_ID_BYTES_MAX} letters, digits, `-` or `_`"),
            Self::Encoding => f.write_str("the key must be one line of base64url (letters, digits, `-`, `_`; no `=`)"),
            Self::Short => write!(f, "the key must have at least {SECRET_BYTES_MIN} bytes, that is 43 characters of base64url"),
        }
    }
}

impl std::error::Error for BadKey {}

impl SigningKey {
    /// The key `id` with the bytes `secret`.
    pub fn new(id: &str, secret: &[u8]) -> Result<Self, BadKey> {
        if !is_key_id(id) {
            return Err(BadKey::Id);
        }
        if secret.len() < SECRET_BYTES_MIN {
            return Err(BadKey::Short);
        }
        let keyed = |secret: &[u8]| HmacSha256::new_from_slice(secret).map_err(|_| BadKey::Short);
        let signed_url = keyed(secret)?;
        // A key of its own for each other use, so that what is made for one is nothing in another. The text of a signed
        // URL begins with `cloakroom-1`, these do not.
        let derived =
            |label: &str| keyed(&Zeroizing::new(<[u8; 32]>::from(signed_url.clone().chain_update(label).finalize().into_bytes()))[..]);
        Ok(Self {
            id: id.to_owned(),
            number: number_of(id),
            link_token: derived("cloakroom link token 1")?,
            delivery_token: derived("cloakroom delivery token 1")?,
            order_token: derived("cloakroom order token 1")?,
            directory_password: derived("cloakroom directory password 1")?,
            signed_url,
        })
    }

    /// The key `id` with the secret written as base64url, unpadded.
    pub fn from_base64(id: &str, text: &str) -> Result<Self, BadKey> {
        let secret = URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new).map_err(|_| BadKey::Encoding)?;
        Self::new(id, &secret)
    }

    /// Its name, which is no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The byte that stands for the id in tokens: the first of its SHA-256. It follows from the id alone, so that
    /// adding, removing and reordering keys leaves old tokens valid; two keys may have the same, then both are tried.
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// Whether both have the same secret, whatever their ids are.
    pub fn has_secret_of(&self, other: &Self) -> bool {
        let tag = other.signed_url.clone().finalize().into_bytes();
        self.signed_url.clone().verify_slice(&tag).is_ok()
    }

    /// Signs the text of a signed URL: a MAC under the secret itself, as others compute it.
    pub(super) fn signed_url(&self) -> HmacSha256 {
        self.signed_url.clone()
    }

    /// Signs a JWT: a MAC under the secret itself, as others compute it. What is signed there is letters, digits, `-`, `_` and
    /// `.`; the text of a signed URL, and the labels that keys are derived by, have other characters, so that neither can be
    /// taken for the other.
    pub(super) fn jwt(&self) -> HmacSha256 {
        self.signed_url.clone()
    }

    /// Signs a link token.
    pub(super) fn link_token(&self) -> HmacSha256 {
        self.link_token.clone()
    }

    /// Signs a delivery token.
    pub(super) fn delivery_token(&self) -> HmacSha256 {
        self.delivery_token.clone()
    }

    /// Signs an order token.
    pub(super) fn order_token(&self) -> HmacSha256 {
        self.order_token.clone()
    }

    /// Seals what is kept for a while.
    pub(super) fn kept_answer(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.signed_url.clone().chain_update("cloakroom kept answer 1").finalize().into_bytes().into())
    }

    /// Makes the password of a directory.
    pub(super) fn directory_password(&self) -> HmacSha256 {
        self.directory_password.clone()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, hidden)", self.id)
    }
}

/// Whether `text` has the form of a key's id.
pub(super) fn is_key_id(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.len() <= KEY_ID_BYTES_MAX && text.bytes().all(good)
}

fn number_of(id: &str) -> u8 {
    Sha256::digest(id.as_bytes()).first().copied().unwrap_or_default()
}

/// Keys in the order of the configuration, no two with one id.
#[derive(Debug, Default)]
pub struct KeyRing {
    keys: Vec<(SigningKey, Purpose)>,
    public: Vec<(PublicKey, Purpose)>,
}

impl KeyRing {
    /// A ring of `keys`; of two with one id, the first is kept.
    pub fn new(keys: impl IntoIterator<Item = (SigningKey, Purpose)>) -> Self {
        let mut ring = Self::default();
        for (key, purpose) in keys {
            if ring.find(key.id()).is_none() {
                ring.keys.push((key, purpose));
            }
        }
        ring
    }

    /// The ring with public keys too, by which JWTs are checked and nothing is signed; an id that is taken is passed over.
    #[must_use]
    pub fn with_public(mut self, keys: impl IntoIterator<Item = (PublicKey, Purpose)>) -> Self {
        for (key, purpose) in keys {
            if self.find(key.id()).is_none() && self.public().all(|(known, _)| known.id() != key.id()) {
                self.public.push((key, purpose));
            }
        }
        self
    }

    /// The public keys with their purposes, in the order of the configuration.
    pub fn public(&self) -> impl Iterator<Item = (&PublicKey, Purpose)> {
        self.public.iter().map(|(key, purpose)| (key, *purpose))
    }

    /// The key that new proofs are signed with: the first that may.
    pub fn signing(&self) -> Option<&SigningKey> {
        self.iter().find(|(_, purpose)| *purpose == Purpose::Sign).map(|(key, _)| key)
    }

    /// The secret with this id.
    pub fn find(&self, id: &str) -> Option<(&SigningKey, Purpose)> {
        self.iter().find(|(key, _)| key.id() == id)
    }

    /// All secrets with their purposes.
    pub fn iter(&self) -> impl Iterator<Item = (&SigningKey, Purpose)> {
        self.keys.iter().map(|(key, purpose)| (key, *purpose))
    }

    /// Whether there is no key.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.public.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    #[test]
    fn a_key_needs_an_id_and_32_bytes_of_base64url() {
        assert!(SigningKey::from_base64("main", SECRET).is_ok());
        assert!(SigningKey::from_base64("A-b_9", &SECRET.repeat(4)).is_ok());
        for (id, text, fault) in [
            ("", SECRET, BadKey::Id),
            ("a b", SECRET, BadKey::Id),
            ("ä", SECRET, BadKey::Id),
            ("a&b", SECRET, BadKey::Id),
            ("123456789012345678901234567890123", SECRET, BadKey::Id),
            ("main", "", BadKey::Short),
            ("main", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg", BadKey::Short),
            ("main", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", BadKey::Encoding),
            ("main", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", BadKey::Encoding),
            ("main", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n", BadKey::Encoding),
            ("main", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd+h8", BadKey::Encoding),
        ] {
            assert_eq!(SigningKey::from_base64(id, text).map(|_| ()), Err(fault), "{id:?} {text:?}");
        }
    }

    #[test]
    fn a_key_does_not_show_its_secret() {
        let key = SigningKey::from_base64("main", SECRET).expect("a key");
        assert_eq!(format!("{key:?}"), "SigningKey(main, hidden)");
    }

    #[test]
    fn a_ring_signs_with_the_first_key_that_may_and_knows_each_id_once() {
        let key = |id: &str| SigningKey::from_base64(id, SECRET).expect("a key");
        let ring = KeyRing::new([
            (key("old"), Purpose::Retired),
            (key("b"), Purpose::Accept),
            (key("c"), Purpose::Sign),
            (key("d"), Purpose::Sign),
            (key("old"), Purpose::Sign),
        ]);
        assert_eq!(ring.signing().map(SigningKey::id), Some("c"));
        assert_eq!(ring.find("old").map(|(_, purpose)| purpose), Some(Purpose::Retired));
        assert!(ring.find("x").is_none());
        assert_eq!(ring.iter().count(), 4);
        assert!(KeyRing::default().signing().is_none() && KeyRing::default().is_empty());
    }
}
