//! What a client says in `Authorization`: a name with a password, or a token.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The longest name that is looked up.
pub const USER_BYTES_MAX: usize = 256;

/// The longest password that is looked at; every method of htpasswd files is cheaper to ask for less.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// What was brought. It does not print.
#[derive(Clone)]
pub enum Authorization {
    /// `Basic` ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)).
    Basic(Login),
    /// `Bearer` ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)): a token, as it was written.
    Bearer(Zeroizing<String>),
}

/// A name and a password.
#[derive(Clone)]
pub struct Login {
    /// The name: UTF-8 without control characters, 1 to [`USER_BYTES_MAX`] bytes, no `:`.
    pub user: String,
    /// The password's bytes, of whatever encoding, at most [`PASSWORD_BYTES_MAX`], none of them NUL.
    pub password: Zeroizing<Vec<u8>>,
}

impl Authorization {
    /// Reads the value of the header. `None` for other schemes, and for what is not written as its scheme says: it counts
    /// as nothing brought, so that a proof of another kind may still hold.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let space = value.iter().position(|&byte| byte == b' ')?;
        let (scheme, rest) = value.split_at_checked(space)?;
        let said = std::str::from_utf8(rest).ok()?.trim_matches(' ');
        if scheme.eq_ignore_ascii_case(b"basic") {
            Login::parse(said).map(Self::Basic)
        } else if scheme.eq_ignore_ascii_case(b"bearer") {
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
            (!said.is_empty() && said.bytes().all(good)).then(|| Self::Bearer(Zeroizing::new(said.to_owned())))
        } else {
            None
        }
    }
}

impl Login {
    fn parse(encoded: &str) -> Option<Self> {
        let decoded = Zeroizing::new(STANDARD.decode(encoded).ok()?);
        let colon = decoded.iter().position(|&byte| byte == b':')?;
        let (user, password) = (decoded.get(..colon)?, decoded.get(colon + 1..)?);
        let user = std::str::from_utf8(user).ok()?;
        let is_name = !user.is_empty() && user.len() <= USER_BYTES_MAX && !user.chars().any(char::is_control);
        let is_password = password.len() <= PASSWORD_BYTES_MAX && !password.contains(&0);
        (is_name && is_password).then(|| Self { user: user.to_owned(), password: Zeroizing::new(password.to_vec()) })
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic(_) => "Basic(hidden)",
            Self::Bearer(_) => "Bearer(hidden)",
        })
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({:?}, hidden)", self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(decoded: &[u8]) -> Option<(String, Vec<u8>)> {
        match Authorization::parse(format!("Basic {}", STANDARD.encode(decoded)).as_bytes()) {
            Some(Authorization::Basic(login)) => Some((login.user, login.password.to_vec())),
            _ => None,
        }
    }

    #[test]
    fn a_login_is_a_name_a_colon_and_a_password() {
        let long = |count: usize| "a".repeat(count);
        for (decoded, user, password) in [
            (b"alice:secret".to_vec(), "alice", b"secret".to_vec()),
            (b"alice:".to_vec(), "alice", vec![]),
            (b"alice:a:b".to_vec(), "alice", b"a:b".to_vec()),
            ("jörg:päß".as_bytes().to_vec(), "jörg", "päß".as_bytes().to_vec()),
            (b"alice:\xe4".to_vec(), "alice", vec![0xe4]),
            (b"a b:c d".to_vec(), "a b", b"c d".to_vec()),
        ] {
            assert_eq!(basic(&decoded), Some((user.to_owned(), password)), "{decoded:?}");
        }
        for decoded in [
            b"".to_vec(),
            b"alice".to_vec(),
            b":secret".to_vec(),
            b"al\xe4:secret".to_vec(),
            b"a\nb:c".to_vec(),
            b"a\0b:c".to_vec(),
            b"a:b\0c".to_vec(),
            format!("{}:x", long(USER_BYTES_MAX + 1)).into_bytes(),
            format!("x:{}", long(PASSWORD_BYTES_MAX + 1)).into_bytes(),
        ] {
            assert_eq!(basic(&decoded), None, "{decoded:?}");
        }
    }

    #[test]
    fn what_is_written_otherwise_counts_as_nothing() {
        for good in [&b"basic YTpi"[..], b"BASIC  YTpi", b"Basic YTpi "] {
            assert!(matches!(Authorization::parse(good), Some(Authorization::Basic(_))), "{good:?}");
        }
        for bad in [
            &b""[..],
            b"Basic",
            b"Basic ",
            b"BasicYTpi",
            b"Basic YTpi=",
            b"Basic YTp",
            b"Basic YTpi YTpi",
            b"Basic YTp\xff",
            b"Digest username=\"a\"",
            b"Negotiate YTpi",
            b"Bearer ",
            b"Bearer a b",
            b"Bearer a\x01b",
        ] {
            assert!(Authorization::parse(bad).is_none(), "{bad:?}");
        }
        assert!(matches!(Authorization::parse(b"bearer a.b-c_d"), Some(Authorization::Bearer(token)) if *token == "a.b-c_d"));
    }

    #[test]
    fn neither_a_password_nor_a_token_prints() {
        let shown = |value: &[u8]| format!("{:?}", Authorization::parse(value));
        assert_eq!(shown(b"Basic YWxpY2U6c2VjcmV0"), "Some(Basic(hidden))");
        assert_eq!(shown(b"Bearer secret"), "Some(Bearer(hidden))");
    }
}
