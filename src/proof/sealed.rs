//! What is kept for a while and may hold secrets: sealed, so that who reads the store learns nothing by it.
//!
//! ChaCha20-Poly1305 (RFC 8439): 12 random bytes, which are its nonce, then text and tag. Its key is HMAC-SHA256 of
//! `cloakroom kept answer 1` under the configured one: who has that could make the secrets himself.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::key::SigningKey;

/// Random bytes that a seal takes.
pub const NONCE_BYTES: usize = NONCE_LEN;

fn key_of(key: &SigningKey) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, &*key.kept_answer()).ok().map(LessSafeKey::new)
}

/// Seals `text`, which is of use beside `about` only. `nonce` is random: at 10⁹ seals of one key two are alike once in 10¹⁰
/// times. `None` for more than 256 GB.
pub fn seal(key: &SigningKey, about: &[u8], nonce: [u8; NONCE_BYTES], text: &[u8]) -> Option<Vec<u8>> {
    let mut sealed = text.to_vec();
    key_of(key)?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(about), &mut sealed).ok()?;
    Some([&nonce[..], &sealed].concat())
}

/// Opens what was sealed with the same key and beside the same `about`; `None` for anything else.
pub fn open(key: &SigningKey, about: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let mut text = text.to_vec();
    let opened = key_of(key)?.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(about), &mut text).ok()?;
    let length = opened.len();
    text.truncate(length);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SigningKey {
        SigningKey::new("main", &[byte; 32]).expect("a key")
    }

    #[test]
    fn only_the_same_key_opens_it_beside_the_same_words_and_whole() {
        for text in [Vec::new(), b"{}".to_vec(), vec![7; 70_000]] {
            let sealed = seal(&key(1), b"about", [3; 12], &text).expect("it is short");
            assert_eq!(sealed.len(), text.len() + 12 + 16);
            assert!(text.len() < 9 || !sealed.windows(9).any(|nine| nine == &text[..9]));
            assert_eq!(open(&key(1), b"about", &sealed).as_ref(), Some(&text));
            assert_eq!(open(&key(2), b"about", &sealed), None);
            assert_eq!(open(&key(1), b"other", &sealed), None);
            for at in [0, 11, 12, sealed.len() - 1] {
                let mut other = sealed.clone();
                other[at] ^= 1;
                assert_eq!(open(&key(1), b"about", &other), None, "{at}");
            }
            for length in [0, 5, 12, 20, sealed.len() - 1] {
                assert_eq!(open(&key(1), b"about", &sealed[..length]), None, "{length}");
            }
        }
    }
}
