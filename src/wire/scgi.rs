//! SCGI: one request a connection, its variables in a netstring, our answer as CGI writes it, the end.
//!
//! Format: SCGI: A Simple Common Gateway Interface alternative (Schemenauer, 2008). The body that follows the variables is not
//! read: a download has none, and what a button of a page sends is in its address.

use std::fmt;

use bytes::{Buf as _, BytesMut};
use memchr::memchr_iter;

use crate::dialect::cgi::{Place, VARIABLES_EXPECTED, VARIABLES_MAX, VariableFault, Variables};

use super::limits::VARIABLES_BYTES_MAX;

/// The digits of [`VARIABLES_BYTES_MAX`].
const DIGITS_MAX: usize = 5;

/// Why a request is not understood; the words are for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not begin with a length and `:`.
    NotScgi,
    /// The variables have more bytes than [`VARIABLES_BYTES_MAX`].
    TooLong,
    /// The netstring does not end with `,`, or a name has no value, or the first is not `CONTENT_LENGTH`, or `SCGI` is not
    /// there.
    Form,
    /// The variables are not believed.
    Variables(VariableFault),
}

impl Fault {
    /// Whether less would have been let in.
    pub const fn is_too_long(&self) -> bool {
        matches!(self, Self::TooLong | Self::Variables(VariableFault::TooMany))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotScgi => f.write_str("not SCGI: it does not begin with a length"),
            Self::TooLong => write!(f, "the variables have more than {VARIABLES_BYTES_MAX} bytes"),
            Self::Form => f.write_str("not SCGI: its variables are not written as SCGI writes them"),
            Self::Variables(fault) => fault.fmt(f),
        }
    }
}

/// The variables at the start of `bytes`, which has what came so far; `None` while they are not there to their end.
pub fn read(bytes: &mut BytesMut) -> Result<Option<Variables>, Fault> {
    let digits = bytes.iter().take(DIGITS_MAX + 1).take_while(|byte| byte.is_ascii_digit()).count();
    if digits > DIGITS_MAX {
        return Err(Fault::TooLong);
    }
    match bytes.get(digits) {
        None => return Ok(None),
        Some(b':') if digits > 0 => {}
        Some(_) => return Err(Fault::NotScgi),
    }
    let length = bytes.get(..digits).and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<usize>().ok()).ok_or(Fault::NotScgi)?;
    if length > VARIABLES_BYTES_MAX {
        return Err(Fault::TooLong);
    }
    if bytes.len() < digits + 1 + length + 1 {
        return Ok(None);
    }
    bytes.advance(digits + 1);
    let text = bytes.split_to(length).freeze();
    if bytes.first() != Some(&b',') || text.last() != Some(&0) {
        return Err(Fault::Form);
    }
    bytes.advance(1);
    let mut start = 0;
    let mut parts = memchr_iter(0, &text).map(|end| std::mem::replace(&mut start, end + 1)..end);
    let mut pairs = Vec::with_capacity(VARIABLES_EXPECTED);
    while let Some(name) = parts.next() {
        if pairs.len() > VARIABLES_MAX {
            return Err(Fault::Variables(VariableFault::TooMany));
        }
        pairs.push((name, parts.next().ok_or(Fault::Form)?));
    }
    let is = |place: &Place, word: &[u8]| text.get(place.clone()) == Some(word);
    let begins_right = pairs.first().is_some_and(|(name, _)| is(name, b"CONTENT_LENGTH"));
    if !begins_right || !pairs.iter().any(|(name, value)| is(name, b"SCGI") && is(value, b"1")) {
        return Err(Fault::Form);
    }
    Variables::new(text, pairs).map(Some).map_err(Fault::Variables)
}

/// Appends a request with these variables, of which the first is `CONTENT_LENGTH`.
pub fn write(out: &mut BytesMut, variables: &[(String, Vec<u8>)]) {
    let length: usize = variables.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    out.extend_from_slice(length.to_string().as_bytes());
    out.extend_from_slice(b":");
    for (name, value) in variables {
        for part in [name.as_bytes(), value] {
            out.extend_from_slice(part);
            out.extend_from_slice(&[0]);
        }
    }
    out.extend_from_slice(b",");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &[u8]) -> Result<Option<Variables>, Fault> {
        read(&mut BytesMut::from(text))
    }

    /// The example of the specification, with a target that Apache would send.
    const GOOD: &[u8] =
        b"70:CONTENT_LENGTH\x0027\x00SCGI\x001\x00REQUEST_METHOD\x00POST\x00REQUEST_URI\x00/deepthought\x00,What is the answer to life?";

    #[test]
    fn the_variables_are_read_once_they_are_there_and_the_body_is_left() {
        for end in 0..74 {
            assert_eq!(asked(&GOOD[..end]), Ok(None), "{end}");
        }
        let mut bytes = BytesMut::from(GOOD);
        let variables = read(&mut bytes).unwrap().unwrap();
        assert_eq!((variables.text("REQUEST_URI"), variables.text("CONTENT_LENGTH")), (Some("/deepthought"), Some("27")));
        assert_eq!(&bytes[..], b"What is the answer to life?");
    }

    #[test]
    fn what_is_written_is_read() {
        let variables = [("CONTENT_LENGTH", "0"), ("SCGI", "1"), ("HTTP_COOKIE", "")].map(|(name, value)| (name.to_owned(), value.into()));
        let mut bytes = BytesMut::new();
        write(&mut bytes, &variables);
        assert_eq!(read(&mut bytes).unwrap().unwrap().text("HTTP_COOKIE"), Some(""));
        assert!(bytes.is_empty());
    }

    #[test]
    fn what_is_no_request_is_a_fault() {
        for (text, fault) in [
            (&b"GET / HTTP/1.1"[..], Fault::NotScgi),
            (b":", Fault::NotScgi),
            (b"-1:", Fault::NotScgi),
            (b"\x01\x01\x00", Fault::NotScgi),
            (b"123456", Fault::TooLong),
            (b"99999:", Fault::TooLong),
            (b"0:,", Fault::Form),
            (b"3:abc,", Fault::Form),
            (b"24:CONTENT_LENGTH\x000\x00SCGI\x001\x00;", Fault::Form),
            (b"24:CONTENT_LENGTH\x000\x00SCGI\x002\x00,", Fault::Form),
            (b"24:SCGI\x001\x00CONTENT_LENGTH\x000\x00,", Fault::Form),
            (b"26:CONTENT_LENGTH\x000\x00SCGI\x001\x00A\x00,", Fault::Form),
            (b"32:CONTENT_LENGTH\x000\x00SCGI\x001\x00A\x001\x00A\x002\x00,", Fault::Variables(VariableFault::Twice("A".to_owned()))),
        ] {
            assert_eq!(asked(text), Err(fault), "{}", text.escape_ascii());
        }
        assert!(asked(b"24:CONTENT_LENGTH\x000\x00SCGI\x001\x00,").unwrap().is_some());
    }
}
