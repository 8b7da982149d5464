//! Addresses of electronic mail.

use std::fmt;
use std::str::FromStr;

/// The longest address that can be delivered to (RFC 5321, 4.5.3.1.3, without the angle brackets).
const ADDRESS_BYTES_MAX: usize = 254;

/// The longest part before the `@` (RFC 5321, 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;

/// An address such as `customer@example.org`. It belongs to a person: logs see [`Masked`] only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailAddress(String);

impl MailAddress {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For logs.
    pub const fn masked(&self) -> Masked<'_> {
        Masked(self)
    }

    /// What stands behind the `@`.
    pub fn host(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, host)| host)
    }
}

/// As for a log.
impl fmt::Debug for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.masked(), f)
    }
}

/// An address of which the first letter and the host are shown: `c…@example.org`.
#[derive(Clone, Copy)]
pub struct Masked<'a>(&'a MailAddress);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.0.chars().next().unwrap_or('…');
        write!(f, "{first}…@{}", self.0.host())
    }
}

/// A text that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnAddress;

impl fmt::Display for NotAnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a mail address such as `customer@example.org`")
    }
}

impl std::error::Error for NotAnAddress {}

/// Takes the addresses that people have: one `@`, no quotes, no blanks, no signs that lead out of a header or of a command of
/// SMTP. Letters beyond ASCII may stand before the `@`; a host beyond ASCII is written `xn--…`.
impl FromStr for MailAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let (local, host) = text.split_once('@').ok_or(NotAnAddress)?;
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(letter) || letter.is_alphanumeric();
        let is_local = !local.is_empty()
            && local.len() <= LOCAL_BYTES_MAX
            && local.chars().all(plain)
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..");
        let label = |label: &str| {
            let good = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            good && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
        };
        let is_host = host.split('.').all(label);
        if is_local && is_host && text.len() <= ADDRESS_BYTES_MAX { Ok(Self(text.to_owned())) } else { Err(NotAnAddress) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_people_have_are_taken_and_what_leads_out_of_a_line_is_not() {
        let long = format!("{}@example.org", "a".repeat(64));
        for good in
            ["a@b", "customer@example.org", "o'neil+shop@mail.example.org", "jürgen@xn--mller-kva.example", "x_y%z@example.org", &long]
        {
            assert_eq!(good.parse::<MailAddress>().map(|address| address.as_str().to_owned()).as_deref(), Ok(good));
        }
        let too_long = format!("a{long}");
        for bad in [
            "",
            "@",
            "a@",
            "@b",
            "a",
            "a@b@c",
            "a b@c",
            "a@b c",
            "a@b\r\nBcc: x@y",
            "a\r\n@b",
            "\"a\"@b",
            "<a@b>",
            "a,b@c",
            "a;b@c",
            "a(b)@c",
            "a@[127.0.0.1]",
            "a@b..c",
            "a@-b",
            ".a@b",
            "a.@b",
            "a..b@c",
            "a@müller.example",
            "a\0@b",
            "a\u{202e}@b",
            &too_long,
        ] {
            assert!(bad.parse::<MailAddress>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_log_sees_the_first_letter_and_the_host() {
        for (text, masked) in [("customer@example.org", "c…@example.org"), ("ü@b", "ü…@b")] {
            let address: MailAddress = text.parse().expect(text);
            assert_eq!((address.masked().to_string(), format!("{address:?}")), (masked.to_owned(), masked.to_owned()));
        }
    }
}
