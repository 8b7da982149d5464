//! DES, for files that are older than their owners think.

/// DES of the seventh edition of Unix: 11 letters.
pub(super) fn unix(salt: &str, password: &[u8]) -> Option<Vec<u8>> {
    #[expect(deprecated, reason = "it says that nobody should make such hashes, and none are kept")]
    let whole = crypt3_rs::crypt::unix::hash_with(salt, password).ok()?;
    whole.to_string().get(2..).map(|digest| digest.as_bytes().to_vec())
}

/// The form of BSDi, with rounds: 11 letters.
pub(super) fn bsdi(rounds: u32, salt: &str, password: &[u8]) -> Option<Vec<u8>> {
    let setup = crypt3_rs::HashSetup { salt: Some(salt), rounds: Some(rounds) };
    #[expect(deprecated, reason = "it says that nobody should make such hashes, and none are kept")]
    let whole = crypt3_rs::crypt::bsdi::hash_with(setup, password).ok()?;
    whole.to_string().get(9..).map(|digest| digest.as_bytes().to_vec())
}
