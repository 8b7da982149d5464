//! Queries as they are sent: `name=value` joined by `&`, values encoded as forms do it.

use crate::domain::path::hex;

/// One piece of a query.
pub(super) struct Pair<'a> {
    /// As it stands there.
    pub(super) whole: &'a str,
    /// What is before the first `=`.
    pub(super) name: &'a str,
    /// What is behind it; empty if there is none.
    pub(super) value: &'a str,
    /// Where it begins.
    pub(super) at: usize,
    /// Where it ends.
    pub(super) end: usize,
}

/// The pieces of `query` that are not empty.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = Pair<'_>> {
    let mut next = 0;
    query.split('&').filter_map(move |whole| {
        let at = next;
        let end = at + whole.len();
        next = end + 1;
        let (name, value) = whole.split_once('=').unwrap_or((whole, ""));
        (!whole.is_empty()).then_some(Pair { whole, name, value, at, end })
    })
}

/// Decodes `%XX` and `+`; `None` if that is not UTF-8 or a `%` stands alone.
pub(super) fn decode(value: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next(), bytes.next())?,
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

/// A decimal number in its one spelling: no sign, no leading zero, no more than 64 bits.
pub(super) fn number(value: &str) -> Option<u64> {
    let plain = value.bytes().all(|byte| byte.is_ascii_digit()) && (value == "0" || !value.starts_with('0'));
    plain.then(|| value.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_taken_apart_where_it_stands() {
        let query = "a=1&&b&c==2&=x&d=&";
        let found: Vec<_> = pairs(query).map(|pair| (pair.name, pair.value)).collect();
        assert_eq!(found, [("a", "1"), ("b", ""), ("c", "=2"), ("", "x"), ("d", "")]);
        for pair in pairs(query) {
            assert_eq!(&query[pair.at..pair.end], pair.whole);
        }
        assert_eq!(pairs("").count(), 0);
    }

    #[test]
    fn values_are_decoded_as_forms_write_them() {
        for (value, decoded) in [
            ("", Some("")),
            ("a+b%20c%2B", Some("a b c+")),
            ("%C3%BC", Some("ü")),
            ("ü", Some("ü")),
            ("%c3", None),
            ("%", None),
            ("%4", None),
            ("%zz", None),
        ] {
            assert_eq!(decode(value).as_deref(), decoded, "{value}");
        }
    }

    #[test]
    fn numbers_have_one_spelling() {
        for (value, read) in [
            ("0", Some(0)),
            ("1900000000", Some(1_900_000_000)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("00", None),
            ("01", None),
            ("+1", None),
            ("-1", None),
            (" 1", None),
            ("1.0", None),
            ("0x1", None),
            ("1e9", None),
            ("%31", None),
            ("١", None),
        ] {
            assert_eq!(number(value), read, "{value:?}");
        }
    }
}
