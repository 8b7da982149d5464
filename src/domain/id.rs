//! Identifiers: 96 bits, written in base32 and prefixed by kind, as in `g-2v7m…`. All of them are random but the first
//! 32 of a delivery's, and a message's, which follow from what it tells of.

use std::fmt;
use std::str::FromStr;

use super::moment::Moment;

/// Crockford's base32 in lower case: no `i`, `l`, `o`, `u`, so that an id can be read over the telephone.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 96 bits are 19 and a fifth letters of 5 bits.
const LETTERS: usize = 20;

/// Bytes in an id.
pub const ID_BYTES: usize = 12;

/// Writes `bytes` in Crockford's base32, lower case, the first bit first, the last letter filled with zero bits.
pub fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let mut buffer: u32 = 0;
    let mut bits = 0_u32;
    for &byte in bytes {
        buffer = (buffer << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(letter(buffer >> bits));
        }
    }
    if bits > 0 {
        text.push(letter(buffer << (5 - bits)));
    }
    text
}

fn letter(value: u32) -> char {
    ALPHABET.get((value & 31) as usize).copied().map_or('0', char::from)
}

/// Reads exactly [`ID_BYTES`] bytes; only the one spelling that [`base32`] writes is accepted.
fn bytes_of(text: &str) -> Option<[u8; ID_BYTES]> {
    if text.len() != LETTERS {
        return None;
    }
    let mut bytes = [0_u8; ID_BYTES];
    let mut filled = bytes.iter_mut();
    let mut buffer: u32 = 0;
    let mut bits = 0_u32;
    for byte in text.bytes() {
        let value = ALPHABET.iter().position(|&known| known == byte)?;
        buffer = (buffer << 5) | u32::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            *filled.next()? = u8::try_from((buffer >> bits) & 0xff).ok()?;
        }
    }
    (filled.next().is_none() && buffer & ((1 << bits) - 1) == 0).then_some(bytes)
}

/// A text that is not an id of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId {
    prefix: &'static str,
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be `{}` and {LETTERS} letters or digits", self.prefix)
    }
}

impl std::error::Error for NotAnId {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; ID_BYTES]);

        impl $name {
            /// The id made of these bits, of which nobody else must make one.
            pub const fn new(bits: [u8; ID_BYTES]) -> Self {
                Self(bits)
            }

            /// Its bits, as tokens carry them.
            pub const fn bits(&self) -> &[u8; ID_BYTES] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, base32(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let fault = NotAnId { prefix: $prefix };
                let letters = text.strip_prefix($prefix).ok_or(fault)?;
                bytes_of(letters).map(Self).ok_or(fault)
            }
        }
    };
}

id!(
    /// Names a grant: `g-…`.
    GrantId,
    "g-"
);
id!(
    /// Names a link: `l-…`. Knowing it opens nothing; the link token carries its MAC too.
    LinkId,
    "l-"
);
id!(
    /// Names a key of the API: `k-…`. Opens nothing.
    ApiKeyId,
    "k-"
);
id!(
    /// Names a delivery: `d-…`. Stands in logs and in the `Cloakroom-Delivery` header; opens nothing by itself.
    DeliveryId,
    "d-"
);
id!(
    /// Names an order: `o-…`.
    OrderId,
    "o-"
);
id!(
    /// Names a file of the catalogue: `f-…`.
    FileId,
    "f-"
);
id!(
    /// Names a version of a file of the catalogue: `v-…`.
    VersionId,
    "v-"
);

id!(
    /// Names a message that is to leave: `m-…`. Knowing it opens nothing.
    MessageId,
    "m-"
);

impl DeliveryId {
    /// The id of a delivery that is made `now`: the seconds since 1970 UTC in 32 bits, then `random` ones. Ids that are made
    /// together stand together, so that a database of millions writes each next to the one before.
    pub fn made(now: Moment, random: [u8; 8]) -> Self {
        let mut bits = [0; ID_BYTES];
        let made = now.seconds().to_be_bytes().into_iter().skip(4).chain(random);
        for (byte, made) in bits.iter_mut().zip(made) {
            *byte = made;
        }
        Self(bits)
    }
}

/// The web server's own name of one client request (`$request_id`): 1 to 64 letters, digits, `-`, `_` or `@`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(String);

/// Longer request ids are nobody's: nginx writes 32 characters, a UUID has 36, Apache writes 27 (`@` and `-` among them).
const REQUEST_ID_BYTES_MAX: usize = 64;

impl RequestId {
    /// Takes `raw` if it has the form of a request id.
    pub fn parse(raw: &str) -> Option<Self> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_@".contains(&byte);
        let fits = !raw.is_empty() && raw.len() <= REQUEST_ID_BYTES_MAX;
        (fits && raw.bytes().all(good)).then(|| Self(raw.to_owned()))
    }

    /// The request id made of these bits; they must be random.
    pub fn of_bits(bits: &[u8; 16]) -> Self {
        Self(base32(bits))
    }

    /// As the web server wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_from_its_own_text_and_from_no_other_spelling() {
        for bits in [[0; ID_BYTES], [255; ID_BYTES], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]] {
            let id = GrantId::new(bits);
            let text = id.to_string();
            assert_eq!(text.len(), 2 + LETTERS, "{text}");
            assert_eq!(text.parse(), Ok(id));
            assert!(text.to_uppercase().parse::<GrantId>().is_err());
            assert!(text.replace("g-", "l-").parse::<GrantId>().is_err());
            assert!(format!("{text}0").parse::<GrantId>().is_err());
        }
        // The last letter has four filling bits; only zeros are accepted.
        assert!("g-00000000000000000001".parse::<GrantId>().is_err());
        assert!("g-0000000000000000000é".parse::<GrantId>().is_err());
    }

    #[test]
    fn deliveries_stand_in_the_order_in_which_they_were_made() {
        let at = |seconds: u64, random: u8| DeliveryId::made(Moment::from_seconds(seconds), [random; 8]);
        let mut before = at(1_800_000_000, 255);
        for seconds in [1_800_000_001, 1_800_000_255, 1_800_000_256, 1_900_000_000] {
            let made = at(seconds, 0);
            assert!(before < made && before.to_string() < made.to_string(), "{before} {made}");
            before = made;
        }
        assert_ne!(at(1_800_000_000, 1), at(1_800_000_000, 2));
    }

    #[test]
    fn request_ids_are_short_and_plain() {
        for (raw, good) in [
            ("0123456789abcdef", true),
            ("a-B_9", true),
            ("awM9qRu5tw@iSvYAQL0x-QAAAAE", true),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("é", false),
        ] {
            assert_eq!(RequestId::parse(raw).is_some(), good, "{raw:?}");
        }
        assert!(RequestId::parse(&"a".repeat(65)).is_none());
    }
}
