//! How a webhook knows that an event is from us: the symmetric signature of Standard Webhooks.
//!
//! `webhook-signature: v1,` and base64 of HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`, under a secret of 24 to
//! 64 bytes that is written `whsec_` and base64 (<https://www.standardwebhooks.com>, version 1.0.0).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::domain::id::MessageId;
use crate::domain::moment::Moment;

/// What a written secret begins with.
const PREFIX: &str = "whsec_";

/// The secrets that the standard allows, in bytes.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What a webhook and we know. It does not print; wiped when dropped.
pub struct WebhookSecret(Hmac<Sha256>);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(hidden)")
    }
}

/// A text that is no secret of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSecret;

impl fmt::Display for BadSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be one line, `whsec_` and 24 to 64 random bytes in base64, such as `printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\"` prints")
    }
}

impl std::error::Error for BadSecret {}

impl WebhookSecret {
    /// Reads the line of a secret file.
    pub fn parse(line: &str) -> Result<Self, BadSecret> {
        let text = line.strip_prefix(PREFIX).ok_or(BadSecret)?;
        let secret = STANDARD.decode(text).map(Zeroizing::new).map_err(|_| BadSecret)?;
        if !BYTES.contains(&secret.len()) {
            return Err(BadSecret);
        }
        Hmac::new_from_slice(&secret).map(Self).map_err(|_| BadSecret)
    }

    /// The value of `webhook-signature` for this message, sent at `at`.
    pub fn sign(&self, id: MessageId, at: Moment, body: &str) -> String {
        self.signed(&id.to_string(), at.seconds(), body)
    }

    fn signed(&self, id: &str, seconds: u64, body: &str) -> String {
        let mac = self.0.clone().chain_update(format!("{id}.{seconds}.")).chain_update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_standards_own_example() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let signed = secret.signed("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_that_the_standard_does_not_allow_are_refused() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for (text, good) in [
            (of(24), true),
            (of(64), true),
            (of(23), false),
            (of(65), false),
            (STANDARD.encode([7; 32]), false),
            ("whsec_".to_owned(), false),
            (String::new(), false),
            (of(32).replace("whsec_", "whsec"), false),
            (format!("{}\n", of(32)), false),
            (of(32).replace('=', ""), false),
        ] {
            assert_eq!(WebhookSecret::parse(&text).is_ok(), good, "{text}");
        }
        assert_eq!(format!("{:?}", WebhookSecret::parse(&of(32))), "Ok(WebhookSecret(hidden))");
    }
}
