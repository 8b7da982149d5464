//! Support codes: what a refused customer reads out, and what `cloakroom explain` takes.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::id::{RequestId, base32};

/// Names one refusal, as in `R-7F3K-22AB`. It follows from the request id, so that the answer to the web server's
/// question, the page that the customer sees, and the log line all carry the same code without a look-up.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SupportCode(String);

/// 40 bits: enough to find one refusal among those remembered, short enough to be read out.
const LETTERS: usize = 8;

impl SupportCode {
    /// The code of the refusal of `request`.
    pub fn of(request: &RequestId) -> Self {
        let digest = Sha256::digest(request.as_str().as_bytes());
        let letters = base32(&digest).to_uppercase();
        let (first, rest) = letters.split_at_checked(LETTERS / 2).unwrap_or((&letters, ""));
        let (second, _) = rest.split_at_checked(LETTERS / 2).unwrap_or((rest, ""));
        Self(format!("R-{first}-{second}"))
    }
}

impl fmt::Display for SupportCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SupportCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lower case is accepted, as people type it.
impl FromStr for SupportCode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let upper = text.trim().to_ascii_uppercase();
        let letters = upper.strip_prefix("R-").ok_or(())?;
        let (first, second) = letters.split_once('-').ok_or(())?;
        let good = |part: &str| part.len() == LETTERS / 2 && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if good(first) && good(second) { Ok(Self(upper)) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_support_code_follows_from_the_request_and_can_be_typed_back() {
        let request = RequestId::parse("a3f0").expect("a request id");
        let code = SupportCode::of(&request);
        assert_eq!(code, SupportCode::of(&request));
        assert_eq!(code.to_string().to_lowercase().parse(), Ok(code.clone()));
        assert_eq!(code.to_string().len(), 11);
        for bad in ["", "R-", "R-7F3K", "R-7F3K-22A", "X-7F3K-22AB", "R-7F3K-22AB-1"] {
            assert!(bad.parse::<SupportCode>().is_err(), "{bad}");
        }
    }
}
