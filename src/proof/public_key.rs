//! Public keys: what their owner signed is checked with them, and nothing can be signed.
//!
//! Read from PEM (`-----BEGIN PUBLIC KEY-----`, the `SubjectPublicKeyInfo` of
//! [RFC 5280](https://www.rfc-editor.org/rfc/rfc5280#section-4.1)), as `openssl pkey -pubout` writes it. What stands in
//! it says which algorithm the key is for, and it is for no other.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use super::key::is_key_id;
use super::p256::is_on_curve;

/// What a signature is made by, in the words of [RFC 7518](https://www.rfc-editor.org/rfc/rfc7518#section-3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// Its word in the header of a token; read as it stands, in these letters only.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

/// Shortest RSA modulus in bits, as RFC 7518 asks for.
const RSA_BITS_MIN: usize = 2048;

/// Longest RSA modulus in bits: one signature of it is checked in a millisecond.
const RSA_BITS_MAX: usize = 8192;

/// Smallest public exponent of RSA; with smaller ones careless signers have been forged.
const RSA_EXPONENT_MIN: u64 = 65537;

/// Largest public exponent: the library reads 33 bits.
const RSA_EXPONENT_MAX: u64 = (1 << 33) - 1;

/// `1.3.101.112`, `1.2.840.10045.2.1` with `1.2.840.10045.3.1.7`, and `1.2.840.113549.1.1.1` with NULL, as they stand in a key.
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
const P256: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// A public key with a name. It is no secret.
#[derive(Clone, Debug)]
pub struct PublicKey {
    id: String,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    Ed25519(Box<VerifyingKey>),
    /// An uncompressed point.
    P256(Vec<u8>),
    /// Modulus and exponent, as PKCS #1 writes them.
    Rsa(Vec<u8>),
}

/// Why a PEM file is no public key that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPublicKey {
    /// The key's id is none.
    Id,
    /// There is a private key in it.
    Private,
    /// There is a certificate in it.
    Certificate,
    /// It is of another kind than `PUBLIC KEY`.
    Label,
    /// It is not written as PEM and DER are.
    Encoding,
    /// It is for an algorithm, or on a curve, that is not known here.
    Kind,
    /// The modulus of RSA is too short, too long or even.
    Modulus,
    /// The exponent of RSA is even, smaller than 65537 or larger than 33 bits.
    Exponent,
    /// A point of Ed25519 that is none, or under which anybody can sign; or a compressed one of P-256.
    Point,
    /// A point that does not lie on the curve P-256: no signature would ever hold.
    OffCurve,
}

impl fmt::Display for BadPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => f.write_str("the key's id must be 1 to 32 letters, digits, `-` or `_`"),
            Self::Private => f.write_str(
                "is a private key, which only the signer needs: put its public half here (`openssl pkey -in private.pem -pubout`)",
            ),
            Self::Certificate => {
                f.write_str("is a certificate: put its public key here (`openssl x509 -in certificate.pem -pubkey -noout`)")
            }
            Self::Label => {
                f.write_str("must be one PEM block that begins with `-----BEGIN PUBLIC KEY-----` (`openssl pkey -pubout` writes it)")
            }
            Self::Encoding => f.write_str("is a damaged PEM file: make it again with `openssl pkey -pubout`"),
            Self::Kind => f.write_str("is of a kind that is not read: a public key must be Ed25519, EC P-256 (prime256v1) or RSA"),
            Self::Modulus => write!(f, "must be an RSA key of {RSA_BITS_MIN} to {RSA_BITS_MAX} bits"),
            Self::Exponent => write!(f, "must be an RSA key with an odd exponent of at least {RSA_EXPONENT_MIN}"),
            Self::Point => f.write_str("has a point that cannot be used: a P-256 key must be uncompressed, an Ed25519 key of full order"),
            Self::OffCurve => f.write_str("has a point that does not lie on the curve P-256, so that no signature would hold: make it again from the private key (`openssl pkey -in private.pem -pubout`)"),
        }
    }
}

impl std::error::Error for BadPublicKey {}

impl PublicKey {
    /// The key `id` that stands in `pem`, with nothing before or behind it but white space.
    pub fn from_pem(id: &str, pem: &str) -> Result<Self, BadPublicKey> {
        if !is_key_id(id) {
            return Err(BadPublicKey::Id);
        }
        Ok(Self { id: id.to_owned(), material: material(&block(pem)?)? })
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The one algorithm that it is for.
    pub const fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Ed25519(_) => Algorithm::EdDsa,
            Material::P256(_) => Algorithm::Es256,
            Material::Rsa(_) => Algorithm::Rs256,
        }
    }

    /// Whether both are the same key, whatever their ids are.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.material == other.material
    }

    /// Whether `signature` is one of `text` by the owner of this key.
    pub(super) fn holds(&self, text: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Ed25519(key) => Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(text, &signature).is_ok()),
            Material::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(text, signature).is_ok(),
            Material::Rsa(key) => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(text, signature).is_ok(),
        }
    }
}

/// The bytes of the one block in `pem` ([RFC 7468](https://www.rfc-editor.org/rfc/rfc7468)).
fn block(pem: &str) -> Result<Vec<u8>, BadPublicKey> {
    let labelled = |label: &str| pem.contains(label).then_some(());
    if labelled("PRIVATE KEY-----").is_some() {
        return Err(BadPublicKey::Private);
    }
    if labelled("-----BEGIN CERTIFICATE-----").is_some() {
        return Err(BadPublicKey::Certificate);
    }
    let inside = pem
        .trim_ascii()
        .strip_prefix("-----BEGIN PUBLIC KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
        .filter(|inside| !inside.contains('-'))
        .ok_or(BadPublicKey::Label)?;
    let base64: String = inside.chars().filter(|char| !char.is_ascii_whitespace()).collect();
    STANDARD.decode(base64).map_err(|_| BadPublicKey::Encoding)
}

/// `SEQUENCE { SEQUENCE { algorithm, parameters }, BIT STRING }`, with nothing behind it.
fn material(der: &[u8]) -> Result<Material, BadPublicKey> {
    const DAMAGED: BadPublicKey = BadPublicKey::Encoding;
    let (whole, &[]) = element(SEQUENCE, der).ok_or(DAMAGED)? else { return Err(DAMAGED) };
    let (kind, rest) = element(SEQUENCE, whole).ok_or(DAMAGED)?;
    let (bits, &[]) = element(BIT_STRING, rest).ok_or(DAMAGED)? else { return Err(DAMAGED) };
    // The first byte counts the bits at the end that do not belong to it.
    let Some((0, key)) = bits.split_first() else { return Err(DAMAGED) };
    match kind {
        ED25519 => ed25519(key),
        P256 => p256(key),
        RSA => rsa(key),
        _ => Err(BadPublicKey::Kind),
    }
}

fn ed25519(key: &[u8]) -> Result<Material, BadPublicKey> {
    let bytes = key.try_into().map_err(|_| BadPublicKey::Encoding)?;
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| BadPublicKey::Point)?;
    if key.is_weak() { Err(BadPublicKey::Point) } else { Ok(Material::Ed25519(Box::new(key))) }
}

fn p256(point: &[u8]) -> Result<Material, BadPublicKey> {
    match point {
        [4, coordinates @ ..] if coordinates.len() == 64 => match coordinates.as_chunks() {
            ([x, y], []) if is_on_curve(x, y) => Ok(Material::P256(point.to_vec())),
            _ => Err(BadPublicKey::OffCurve),
        },
        [2 | 3, x @ ..] if x.len() == 32 => Err(BadPublicKey::Point),
        _ => Err(BadPublicKey::Encoding),
    }
}

fn rsa(key: &[u8]) -> Result<Material, BadPublicKey> {
    const DAMAGED: BadPublicKey = BadPublicKey::Encoding;
    let (numbers, &[]) = element(SEQUENCE, key).ok_or(DAMAGED)? else { return Err(DAMAGED) };
    let (modulus, rest) = element(INTEGER, numbers).ok_or(DAMAGED)?;
    let (exponent, &[]) = element(INTEGER, rest).ok_or(DAMAGED)? else { return Err(DAMAGED) };
    let modulus = positive(modulus).ok_or(DAMAGED)?;
    let exponent = positive(exponent).ok_or(DAMAGED)?;
    let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) || !is_odd(modulus) {
        return Err(BadPublicKey::Modulus);
    }
    let small = exponent.len() <= 8;
    let value = exponent.iter().take(8).fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
    if !small || !is_odd(exponent) || !(RSA_EXPONENT_MIN..=RSA_EXPONENT_MAX).contains(&value) {
        return Err(BadPublicKey::Exponent);
    }
    Ok(Material::Rsa(key.to_vec()))
}

/// The bytes of a positive number in its one spelling, without the zero that only says that it is positive.
fn positive(number: &[u8]) -> Option<&[u8]> {
    match number {
        [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => Some(rest),
        [1..=0x7f, ..] => Some(number),
        _ => None,
    }
}

/// The content of the element with `tag` at the beginning of `der`, and what follows it. A length has one spelling, and
/// those above 65535 are in no key.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match der.strip_prefix(&[tag])? {
        [length @ 0..=0x7f, rest @ ..] | [0x81, length @ 0x80..=0xff, rest @ ..] => (usize::from(*length), rest),
        [0x82, high @ 1..=0xff, low, rest @ ..] => ((usize::from(*high) << 8) | usize::from(*low), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(hex: &str) -> String {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let der: Vec<u8> =
            digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("two digits")).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    /// RFC 8037, appendix A.2.
    const ED: &str = "302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    /// The generator of P-256, uncompressed.
    const G: &str = concat!(
        "04",
        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    );

    fn ec(point: &str) -> String {
        let bytes = point.len() / 2;
        format!("30{:02x}301306072a8648ce3d020106082a8648ce3d03010703{:02x}00{point}", bytes + 24, bytes + 1)
    }

    fn rsa(modulus: &str, exponent: &str) -> String {
        let element = |tag: &str, content: &str| {
            let bytes = content.len() / 2;
            match bytes {
                0..0x80 => format!("{tag}{bytes:02x}{content}"),
                0x80..0x100 => format!("{tag}81{bytes:02x}{content}"),
                _ => format!("{tag}82{bytes:04x}{content}"),
            }
        };
        let numbers = element("30", &(element("02", modulus) + &element("02", exponent)));
        element("30", &("300d06092a864886f70d0101010500".to_owned() + &element("03", &("00".to_owned() + &numbers))))
    }

    fn modulus(bits: usize) -> String {
        "00".to_owned() + &"c5".repeat(bits / 8)
    }

    #[test]
    fn the_kind_of_a_key_is_read_from_it() {
        for (der, algorithm) in [
            (ED.to_owned(), Algorithm::EdDsa),
            (ec(G), Algorithm::Es256),
            (rsa(&modulus(2048), "010001"), Algorithm::Rs256),
            (rsa(&modulus(8192), "0100000001"), Algorithm::Rs256),
        ] {
            for text in [pem(&der), pem(&der).replace('\n', "\r\n"), format!("\n {}", pem(&der).trim_end())] {
                let key = PublicKey::from_pem("shop", &text).expect("a key");
                assert_eq!((key.id(), key.algorithm()), ("shop", algorithm), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_usable_public_key_is_refused_with_its_reason() {
        let point = "04".to_owned() + &"7f".repeat(64);
        for (der, fault) in [
            (String::new(), BadPublicKey::Encoding),
            (ED[..86].to_owned(), BadPublicKey::Encoding),
            (format!("{ED}00"), BadPublicKey::Encoding),
            (ED.replacen("302a", "30812a", 1), BadPublicKey::Encoding),
            (ED.replacen("032100", "032101", 1), BadPublicKey::Encoding),
            // X25519, and the Ed448 of an Ed25519's length.
            (ED.replacen("2b6570", "2b656e", 1), BadPublicKey::Kind),
            (ED.replacen("2b6570", "2b6571", 1), BadPublicKey::Kind),
            // The neutral element, of which everybody is the owner.
            (format!("{}01{}", &ED[..24], "00".repeat(31)), BadPublicKey::Point),
            (format!("{}{}", &ED[..24], "02".to_owned() + &"00".repeat(31)), BadPublicKey::Point),
            (ec(&("02".to_owned() + &"7f".repeat(32))), BadPublicKey::Point),
            (ec(&("04".to_owned() + &"7f".repeat(63))), BadPublicKey::Encoding),
            (ec(&point), BadPublicKey::OffCurve),
            (ec(&G.replacen("37bf51f5", "37bf51f4", 1)), BadPublicKey::OffCurve),
            (ec(&("04".to_owned() + &"ff".repeat(64))), BadPublicKey::OffCurve),
            (ec(G).replacen("03010703", "03010603", 1), BadPublicKey::Kind),
            (rsa(&modulus(1024), "010001"), BadPublicKey::Modulus),
            (rsa(&("00".to_owned() + &"c4".repeat(256)), "010001"), BadPublicKey::Modulus),
            (rsa(&("7f".to_owned() + &"ff".repeat(255)), "010001"), BadPublicKey::Modulus),
            (rsa(&modulus(8200), "010001"), BadPublicKey::Modulus),
            (rsa(&modulus(2048), "03"), BadPublicKey::Exponent),
            (rsa(&modulus(2048), "010000"), BadPublicKey::Exponent),
            (rsa(&modulus(2048), "0200000001"), BadPublicKey::Exponent),
            (rsa(&modulus(2048), "01000000000000010001"), BadPublicKey::Exponent),
            (rsa(&modulus(2048), "00010001"), BadPublicKey::Encoding),
            (rsa(&modulus(2048)[2..], "010001"), BadPublicKey::Encoding),
            (rsa(&modulus(2048), ""), BadPublicKey::Encoding),
        ] {
            assert_eq!(PublicKey::from_pem("shop", &pem(&der)).map(|_| ()), Err(fault), "{der}");
        }
        let good = pem(ED);
        for (text, fault) in [
            (good.replace("PUBLIC KEY", "PRIVATE KEY"), BadPublicKey::Private),
            (good.replace("PUBLIC KEY", "RSA PRIVATE KEY"), BadPublicKey::Private),
            (good.replace("PUBLIC KEY", "ENCRYPTED PRIVATE KEY"), BadPublicKey::Private),
            (format!("{good}{}", good.replace("PUBLIC KEY", "EC PRIVATE KEY")), BadPublicKey::Private),
            (good.replace("PUBLIC KEY", "CERTIFICATE"), BadPublicKey::Certificate),
            (good.replace("PUBLIC KEY", "RSA PUBLIC KEY"), BadPublicKey::Label),
            (good.repeat(2), BadPublicKey::Label),
            (format!("a key:\n{good}"), BadPublicKey::Label),
            (good.replace("-----END", "----END"), BadPublicKey::Label),
            (good.replacen("MCow", "MC!w", 1), BadPublicKey::Encoding),
        ] {
            assert_eq!(PublicKey::from_pem("shop", &text).map(|_| ()), Err(fault), "{text}");
        }
        assert_eq!(PublicKey::from_pem("a b", &good).map(|_| ()), Err(BadPublicKey::Id));
    }
}
