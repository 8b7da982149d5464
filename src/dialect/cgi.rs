//! What a web server says of a request in the variables of CGI ([RFC 3875](https://www.rfc-editor.org/rfc/rfc3875)), as
//! FastCGI and SCGI carry them. Pure: the records around them are the wire's.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

/// A request has at most so many variables. Apache sends some 30, its environment's included, and one for each header of
/// the client, of which it takes 100.
pub const VARIABLES_MAX: usize = 256;

/// Room for so many is made at once.
pub const VARIABLES_EXPECTED: usize = 48;

/// A variable's name has at most so many bytes.
const NAME_BYTES_MAX: usize = 256;

/// So much of a name stands in the log.
const NAME_BYTES_SHOWN: usize = 64;

/// The headers that CGI names without `HTTP_`.
const OF_THE_BODY: [(&str, HeaderName); 2] = [("CONTENT_TYPE", CONTENT_TYPE), ("CONTENT_LENGTH", CONTENT_LENGTH)];

/// Browsers send a dozen; more find room when they come.
const HEADERS_EXPECTED: usize = 16;

/// The variable in which a web server says the secret of the listener.
pub const SECRET: &str = "CLOAKROOM_SECRET";

/// Where a name or a value lies in what came.
pub type Place = Range<usize>;

/// The variables of one request, each name once. Values are the client's own in part, may hold secrets, and do not print.
///
/// They stay where they came: some forty names and values, each in memory of its own, would cost more than to decide.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables {
    text: Bytes,
    /// In the [`order`] of the names.
    pairs: Vec<(Place, Place)>,
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(name, _)| shown(self.part(name)))).finish()
    }
}

/// Why variables are not believed; the words are for the log and hold no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VariableFault {
    /// There are more than [`VARIABLES_MAX`].
    TooMany,
    /// A name that is no name: empty, too long, or with other characters than visible ASCII without `=`.
    Name,
    /// This name stands twice.
    Twice(String),
    /// The value of this header cannot be one.
    Header(String),
}

impl fmt::Display for VariableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "there are more than {VARIABLES_MAX} variables"),
            Self::Name => f.write_str("a variable has a name that is none"),
            Self::Twice(name) => write!(f, "variable `{name}` is there twice; it must be there once"),
            Self::Header(name) => write!(f, "variable `{name}` has a value that no header has"),
        }
    }
}

impl std::error::Error for VariableFault {}

impl Variables {
    /// Takes the names and values that a web server sent, from where they lie in `text`.
    pub fn new(text: Bytes, mut pairs: Vec<(Place, Place)>) -> Result<Self, VariableFault> {
        if pairs.len() > VARIABLES_MAX {
            return Err(VariableFault::TooMany);
        }
        let part = |place: &Place| text.get(place.clone()).unwrap_or_default();
        if !pairs.iter().all(|(name, _)| is_name(part(name))) {
            return Err(VariableFault::Name);
        }
        pairs.sort_unstable_by(|(one, _), (other, _)| order(part(one), part(other)));
        let twice = pairs.array_windows().find(|[(one, _), (other, _)]| part(one) == part(other));
        if let Some([(name, _), _]) = twice {
            return Err(VariableFault::Twice(shown(part(name))));
        }
        Ok(Self { text, pairs })
    }

    fn part(&self, place: &Place) -> &[u8] {
        self.text.get(place.clone()).unwrap_or_default()
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.pairs.binary_search_by(|(known, _)| order(self.part(known), name.as_bytes())).ok()
    }

    /// The value of this variable.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.pairs.get(self.find(name)?).map(|(_, value)| self.part(value))
    }

    /// The same as text; `None` where it is not UTF-8, too.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Takes the value of this variable out.
    pub fn take(&mut self, name: &str) -> Option<Bytes> {
        let (_, value) = self.pairs.remove(self.find(name)?);
        Some(self.text.slice(value))
    }

    /// The headers of the client's request, as far as the web server tells them.
    pub fn headers(&self) -> Result<HeaderMap, VariableFault> {
        let mut headers = HeaderMap::with_capacity(HEADERS_EXPECTED);
        for (name, value) in &self.pairs {
            let variable = self.part(name);
            let odd = || VariableFault::Header(shown(variable));
            let of_the_body = OF_THE_BODY.iter().find(|(name, _)| name.as_bytes() == variable).map(|(_, header)| header.clone());
            let header = match (of_the_body, variable.strip_prefix(b"HTTP_")) {
                (Some(header), _) => header,
                (None, Some(name)) => header_name(name).ok_or_else(odd)?,
                (None, None) => continue,
            };
            let value = HeaderValue::from_maybe_shared(self.text.slice(value.clone())).map_err(|_| odd())?;
            headers.append(header, value);
        }
        Ok(headers)
    }
}

/// The short ones first: most names differ in that already, and begin alike.
fn order(one: &[u8], other: &[u8]) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// A header by the name that CGI gives it, with `_` where it has `-`.
fn header_name(variable: &[u8]) -> Option<HeaderName> {
    let mut name = [0; NAME_BYTES_MAX];
    let name = name.get_mut(..variable.len())?;
    for (letter, written) in name.iter_mut().zip(variable) {
        *letter = if *written == b'_' { b'-' } else { *written };
    }
    HeaderName::from_bytes(name).ok()
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'=')
}

/// The start of a name.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name.get(..NAME_BYTES_SHOWN).unwrap_or(name)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(pairs: &[(&str, &str)]) -> Result<Variables, VariableFault> {
        let mut text = String::new();
        let mut place = |part: &str| {
            text.push_str(part);
            text.len() - part.len()..text.len()
        };
        let places = pairs.iter().map(|(name, value)| (place(name), place(value))).collect();
        Variables::new(text.into(), places)
    }

    #[test]
    fn headers_are_the_variables_that_begin_with_http_and_those_of_the_body() {
        let variables = taken(&[("HTTP_USER_AGENT", "a"), ("CONTENT_LENGTH", "5"), ("REQUEST_URI", "/a"), ("HTTPS", "on")]).unwrap();
        let headers = variables.headers().unwrap();
        assert_eq!((headers.len(), headers.get("user-agent").unwrap().as_bytes()), (2, &b"a"[..]));
        assert_eq!(headers.get("content-length").unwrap().as_bytes(), b"5");
        assert_eq!((variables.text("REQUEST_URI"), variables.text("HTTPS"), variables.text("https")), (Some("/a"), Some("on"), None));
    }

    #[test]
    fn what_is_there_twice_or_is_no_name_or_no_header_is_not_believed() {
        assert_eq!(taken(&[("A", "1"), ("B", "2"), ("A", "1")]), Err(VariableFault::Twice("A".to_owned())));
        for name in ["", "a b", "a=b", "\u{e4}", "a\nb", &"a".repeat(NAME_BYTES_MAX + 1)] {
            assert_eq!(taken(&[(name, "1")]), Err(VariableFault::Name), "{name:?}");
        }
        let many: Vec<String> = (0..=VARIABLES_MAX).map(|number| format!("V{number}")).collect();
        let pairs: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
        assert_eq!(taken(&pairs), Err(VariableFault::TooMany));
        assert!(taken(&pairs[1..]).is_ok());
        for (name, value) in [("HTTP_A", "a\nb"), ("HTTP_A(B)", "a"), ("HTTP_", "a")] {
            assert_eq!(taken(&[(name, value)]).unwrap().headers(), Err(VariableFault::Header(name.to_owned())), "{name}");
        }
    }

    #[test]
    fn no_value_is_printed_and_one_can_be_taken_out() {
        let mut variables = taken(&[(SECRET, "s3cret"), ("A", "b")]).unwrap();
        assert_eq!(format!("{variables:?}"), format!("[\"A\", \"{SECRET}\"]"));
        assert_eq!(variables.take(SECRET).as_deref(), Some(&b"s3cret"[..]));
        assert_eq!((variables.take(SECRET), variables.text("A")), (None, Some("b")));
    }
}
