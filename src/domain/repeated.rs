//! Calls that may be repeated: who gives a call a name (`Idempotency-Key`) gets the same answer for it again, and nothing is
//! made twice. After the draft `draft-ietf-httpapi-idempotency-key-header`.

use std::fmt;

use super::moment::{Moment, Span};

/// So long a call is remembered after it began. A shop that tries again later makes something new.
pub const KEPT: Span = Span::from_hours(24);

/// So many calls are remembered at once; more of them with a name are refused until the oldest are forgotten.
pub const CALLS_MAX: u64 = 100_000;

/// Longest name that a caller may give.
pub const NAME_BYTES_MAX: usize = 128;

/// The largest answer that is kept.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The name that a caller gave to a call. Of two callers the same name is of two calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallName {
    /// Who calls: the id of a key, or the number of a user of this system.
    pub caller: String,
    /// Its `Idempotency-Key`.
    pub key: String,
}

impl CallName {
    /// Reads the header: 1 to [`NAME_BYTES_MAX`] visible ASCII characters, in quotes as the draft has them, or without.
    pub fn parse(caller: &str, header: &str) -> Option<Self> {
        let text = header.trim();
        let text = text.strip_prefix('"').map_or(Some(text), |rest| rest.strip_suffix('"'))?;
        let is_good = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        let fits = (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_good);
        fits.then(|| Self { caller: caller.to_owned(), key: text.to_owned() })
    }
}

/// What tells one call from another of the same name: SHA-256 of its method, path and body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// Random bits of a call, which the ids of what it makes follow from: a call that was cut off by a crash makes the same
/// things when it comes again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub [u8; 16]);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(hidden)")
    }
}

/// A call that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCall {
    /// Its name.
    pub name: CallName,
    /// What it is.
    pub print: Fingerprint,
    /// What its ids follow from, if it has not begun before.
    pub seed: Seed,
    /// When it begins.
    pub at: Moment,
}

/// An answer as it is kept. It may name secrets, and so it is sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Its status.
    pub status: u16,
    /// The id of the key under which its body is sealed.
    pub kid: String,
    /// Its body, sealed.
    pub sealed: Vec<u8>,
}

impl fmt::Debug for KeptAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptAnswer").field("status", &self.status).field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// What is known of a call that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It has not been answered: it is new, is running, or was cut off before. Its ids follow from this.
    Open(Seed),
    /// It was answered.
    Answered(KeptAnswer),
    /// The name stands for another call.
    Other,
    /// Too many are remembered.
    Full,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_visible_and_short_in_quotes_or_not() {
        let longest = "x".repeat(NAME_BYTES_MAX);
        for (header, key) in [
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", Some("8e03978e-40d5-43dd-bc93-6894a57f9324")),
            ("\"8e03978e\"", Some("8e03978e")),
            (" order-7:1 ", Some("order-7:1")),
            (&longest, Some(&*longest)),
            ("", None),
            ("\"\"", None),
            ("\"", None),
            ("\"a", None),
            ("a\"", None),
            ("a b", None),
            ("a\\b", None),
            ("ä", None),
            ("a\tb", None),
            (&format!("{longest}x"), None),
        ] {
            let wanted = key.map(|key| CallName { caller: "k-1".to_owned(), key: key.to_owned() });
            assert_eq!(CallName::parse("k-1", header), wanted, "{header:?}");
        }
    }
}
