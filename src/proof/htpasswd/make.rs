//! New hashes.

use zeroize::Zeroizing;

use super::crypt64;
use super::digests::{self, Magic};
use super::method::{BCRYPT_COST_MAX, BCRYPT_COST_MIN, BCRYPT_PASSWORD_BYTES_MAX};

/// A method for new entries: one that Apache and nginx read, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum New {
    /// bcrypt with this cost.
    Bcrypt(u32),
    /// SHA-512-crypt with the usual rounds.
    Sha512Crypt,
    /// SHA-256-crypt with the usual rounds.
    Sha256Crypt,
    /// Apache's MD5-crypt, for passwords that were generated.
    Apr1,
}

/// The letters of a salt that methods of letters get: 48 bits for apr1, 96 for the others.
const SALT_BYTES: (usize, usize) = (6, 12);

/// The text of a new hash. The error is what is wrong with the password or the cost.
pub fn hash(method: New, password: &[u8], random: [u8; 16]) -> Result<String, String> {
    if password.is_empty() {
        return Err("a password must have at least one byte".to_owned());
    }
    if password.contains(&0) {
        return Err("a password must not have a NUL".to_owned());
    }
    let salt = |bytes: usize| crypt64::encode(random.get(..bytes).unwrap_or(&random));
    let params = sha_crypt::Params::RECOMMENDED;
    match method {
        New::Bcrypt(cost) => {
            if password.len() > BCRYPT_PASSWORD_BYTES_MAX {
                return Err(format!(
                    "bcrypt looks at {BCRYPT_PASSWORD_BYTES_MAX} bytes only, found {}: use --method sha512-crypt, or less",
                    password.len()
                ));
            }
            if !(BCRYPT_COST_MIN..=BCRYPT_COST_MAX).contains(&cost) {
                return Err(format!("the cost of bcrypt must be from {BCRYPT_COST_MIN} to {BCRYPT_COST_MAX}, found {cost}"));
            }
            let made = bcrypt::hash_with_salt(password, cost, random).map_err(|wrong| wrong.to_string())?;
            Ok(made.format_for_version(bcrypt::Version::TwoY))
        }
        New::Sha512Crypt => Ok(format!("$6${}${}", salt(SALT_BYTES.1), digests::sha512_crypt(params, &salt(SALT_BYTES.1), password))),
        New::Sha256Crypt => Ok(format!("$5${}${}", salt(SALT_BYTES.1), digests::sha256_crypt(params, &salt(SALT_BYTES.1), password))),
        New::Apr1 => {
            let magic = Magic::Apr1;
            Ok(format!("{}{}${}", magic.text(), salt(SALT_BYTES.0), digests::md5_crypt(magic, &salt(SALT_BYTES.0), password)))
        }
    }
}

/// A password of 128 random bits, 22 letters that every keyboard has.
pub fn password(random: [u8; 16]) -> Zeroizing<String> {
    use base64::Engine as _;
    Zeroizing::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random))
}
