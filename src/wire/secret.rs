//! The secret that a web server says with each request, where its address alone proves nothing: any user of a machine can
//! connect to a port of it.

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The header that says it over HTTP; over FastCGI and SCGI it is the variable
/// [`SECRET`](crate::dialect::cgi::SECRET).
pub const HEADER: &str = "cloakroom-secret";

/// A shorter secret could be guessed; `cloakroom key new` writes 43 letters.
pub const SECRET_LENGTH_MIN: usize = 32;

/// A secret of a listener. It does not print.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the one line of its file, if it can be a secret that Apache's configuration can hold as it is.
    pub fn parse(line: Zeroizing<String>) -> Option<Self> {
        let is_plain = line.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        (is_plain && line.len() >= SECRET_LENGTH_MIN).then_some(Self(line))
    }

    /// Whether it was said; in a time that depends on its length alone.
    pub fn is(&self, said: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(said).into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_is_the_secret_and_it_does_not_print() {
        let line = "k7m29xqtk7m29xqtk7m29xqtk7m29xqt";
        let parsed = |line: &str| Secret::parse(Zeroizing::new(line.to_owned()));
        let secret = parsed(line).unwrap();
        for (said, good) in [(line, true), ("", false), (&line[1..], false), (&format!("{line}\n"), false), (&line.to_uppercase(), false)] {
            assert_eq!(secret.is(said.as_bytes()), good, "{said}");
        }
        assert!(parsed(&line[1..]).is_none() && parsed(&line.replace('k', "\"")).is_none());
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
    }
}
