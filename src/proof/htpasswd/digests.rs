//! The digests behind the methods that no library here writes as `crypt` does.

use md5::{Digest as _, Md5};
use sha_crypt::Params;

use super::crypt64::permuted;

/// The two sons of one father: FreeBSD's `$1$` and Apache's `$apr1$` differ in these letters only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Magic {
    /// `$apr1$`
    Apr1,
    /// `$1$`
    One,
}

impl Magic {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Apr1 => "$apr1$",
            Self::One => "$1$",
        }
    }
}

const MD5_ROUNDS: usize = 1000;

/// MD5-crypt as FreeBSD's `crypt` of 1994 defines it, 22 letters.
pub(super) fn md5_crypt(magic: Magic, salt: &str, password: &[u8]) -> String {
    let salt = salt.as_bytes();
    let mut inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut outer = Md5::new().chain_update(password).chain_update(magic.text()).chain_update(salt);
    for part in password.chunks(16) {
        outer.update(inner.get(..part.len()).unwrap_or_default());
    }
    let mut length = password.len();
    while length > 0 {
        // The author meant something else; since then it is so.
        outer.update(if length & 1 == 1 { &[0] } else { password.get(..1).unwrap_or_default() });
        length >>= 1;
    }
    inner = outer.finalize();
    for round in 0..MD5_ROUNDS {
        let mut turn = Md5::new();
        let (first, last): (&[u8], &[u8]) = if round % 2 == 1 { (password, &inner) } else { (&inner, password) };
        turn.update(first);
        if round % 3 != 0 {
            turn.update(salt);
        }
        if round % 7 != 0 {
            turn.update(password);
        }
        turn.update(last);
        inner = turn.finalize();
    }
    permuted(&inner, &[&[0, 6, 12], &[1, 7, 13], &[2, 8, 14], &[3, 9, 15], &[4, 10, 5], &[11]])
}

/// [SHA-256-crypt](https://www.akkadia.org/drepper/SHA-crypt.txt), 43 letters.
pub(super) fn sha256_crypt(params: Params, salt: &str, password: &[u8]) -> String {
    let digest = sha_crypt::sha256_crypt(password, salt.as_bytes(), params);
    let mut order: Vec<[usize; 3]> = Vec::with_capacity(10);
    let mut group = [0, 10, 20];
    for _ in 0..10 {
        order.push(group);
        let [a, b, c] = group;
        group = [c + 1, a + 1, b + 1];
    }
    let mut text = permuted(&digest, &order.iter().map(<[usize; 3]>::as_slice).collect::<Vec<_>>());
    text.push_str(&permuted(&digest, &[&[31, 30]]));
    text
}

/// [SHA-512-crypt](https://www.akkadia.org/drepper/SHA-crypt.txt), 86 letters.
pub(super) fn sha512_crypt(params: Params, salt: &str, password: &[u8]) -> String {
    let digest = sha_crypt::sha512_crypt(password, salt.as_bytes(), params);
    let mut order: Vec<[usize; 3]> = Vec::with_capacity(21);
    let mut group = [0, 21, 42];
    for _ in 0..21 {
        order.push(group);
        let [a, b, c] = group;
        group = [b + 1, c + 1, a + 1];
    }
    let mut text = permuted(&digest, &order.iter().map(<[usize; 3]>::as_slice).collect::<Vec<_>>());
    text.push_str(&permuted(&digest, &[&[63]]));
    text
}
