//! What a web server says of a request in the variables of CGI ([RFC 3875](https://www.rfc-editor.org/rfc/rfc3875)), as
//! FastCGI and SCGI carry them. Pure: the records around them are the wire's.

use std::fmt;

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// A request has at most so many variables. Apache sends some 30, its environment's included, and one for each header of
/// the client, of which it takes 100.
pub const VARIABLES_MAX: usize = 256;

/// A variable's name has at most so many bytes.
const NAME_BYTES_MAX: usize = 256;

/// So much of a name stands in the log.
const NAME_BYTES_SHOWN: usize = 64;

/// The headers that CGI names without `HTTP_`.
const OF_THE_BODY: [(&str, &str); 2] = [("CONTENT_TYPE", "content-type"), ("CONTENT_LENGTH", "content-length")];

/// The variable in which a web server says the secret of the listener.
pub const SECRET: &str = "CLOAKROOM_SECRET";

/// The variables of one request, each name once. Values are the client's own in part, may hold secrets, and do not print.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables {
    pairs: Vec<(Box<str>, Box<[u8]>)>,
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(name, _)| name)).finish()
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
    /// Takes names and values as a web server sent them.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Result<Self, VariableFault> {
        let mut taken: Vec<(Box<str>, Box<[u8]>)> = Vec::new();
        for (name, value) in pairs {
            let name = std::str::from_utf8(name).ok().filter(|name| is_name(name)).ok_or(VariableFault::Name)?;
            if taken.len() >= VARIABLES_MAX {
                return Err(VariableFault::TooMany);
            }
            taken.push((name.into(), value.into()));
        }
        let mut names: Vec<&str> = taken.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        match names.array_windows().find(|[one, other]| one == other) {
            Some([twice, _]) => Err(VariableFault::Twice(shown(twice))),
            None => Ok(Self { pairs: taken }),
        }
    }

    /// The value of this variable.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.pairs.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }

    /// The same as text; `None` where it is not UTF-8, too.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Takes the value of this variable out.
    pub fn take(&mut self, name: &str) -> Option<Box<[u8]>> {
        let place = self.pairs.iter().position(|(known, _)| **known == *name)?;
        Some(self.pairs.swap_remove(place).1)
    }

    /// The headers of the client's request, as far as the web server tells them.
    pub fn headers(&self) -> Result<HeaderMap, VariableFault> {
        let mut headers = HeaderMap::with_capacity(self.pairs.len());
        for (variable, value) in &self.pairs {
            let of_the_body = OF_THE_BODY.iter().find(|(name, _)| **name == **variable).map(|(_, header)| (*header).to_owned());
            let Some(name) = of_the_body.or_else(|| variable.strip_prefix("HTTP_").map(|name| name.replace('_', "-"))) else { continue };
            let odd = || VariableFault::Header(shown(variable));
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| odd())?;
            headers.append(name, HeaderValue::from_bytes(value).map_err(|_| odd())?);
        }
        Ok(headers)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=')
}

fn shown(name: &str) -> String {
    name.get(..NAME_BYTES_SHOWN).unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(pairs: &[(&str, &str)]) -> Result<Variables, VariableFault> {
        Variables::new(pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
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
        assert_eq!(format!("{variables:?}"), format!("[\"{SECRET}\", \"A\"]"));
        assert_eq!(variables.take(SECRET).as_deref(), Some(&b"s3cret"[..]));
        assert_eq!((variables.take(SECRET), variables.text("A")), (None, Some("b")));
    }
}
