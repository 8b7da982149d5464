//! Any `Authorization` header: what is read of `Basic` is what the base64 means, split at its first colon, within bounds;
//! what is not read is written otherwise than its scheme says.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloakroom::domain::authorization::{Authorization, PASSWORD_BYTES_MAX, USER_BYTES_MAX};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    let read = Authorization::parse(value);
    assert!(["None", "Some(Basic(hidden))", "Some(Bearer(hidden))"].contains(&format!("{read:?}").as_str()));
    let login = match read {
        Some(Authorization::Basic(login)) => Some((login.user, login.password.to_vec())),
        Some(Authorization::Bearer(token)) => {
            assert!(value.len() > token.len() && value.trim_ascii_end().ends_with(token.as_bytes()) && !token.contains(' '));
            None
        }
        None => None,
    };
    assert_eq!(login, meant(value));
    // The same bytes as a login, whatever they are: a name and a password come back as they were sent.
    if let Some((user, password)) = split(value) {
        let sent = format!("bAsIc {}", STANDARD.encode(value));
        let Some(Authorization::Basic(login)) = Authorization::parse(sent.as_bytes()) else { panic!("{sent}") };
        assert_eq!((login.user.as_bytes(), login.password.as_slice()), (user.as_bytes(), password));
        assert_eq!(format!("{login:?}"), format!("Login({user:?}, hidden)"));
    }
});

/// The login of a header, by the letter of RFC 7617: the scheme in any case, spaces, base64 with its padding.
fn meant(value: &[u8]) -> Option<(String, Vec<u8>)> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let text: Vec<u8> = rest.iter().copied().skip_while(|byte| *byte == b' ').collect();
    let end = text.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    let decoded = STANDARD.decode(&text[..end]).ok()?;
    split(&decoded).map(|(user, password)| (user.to_owned(), password.to_vec()))
}

/// A name that can be looked up and a password that can be hashed, of `name:password`.
fn split(login: &[u8]) -> Option<(&str, &[u8])> {
    let mut parts = login.splitn(2, |byte| *byte == b':');
    let (user, password) = (std::str::from_utf8(parts.next()?).ok()?, parts.next()?);
    let is_name = (1..=USER_BYTES_MAX).contains(&user.len()) && user.chars().all(|letter| !letter.is_control());
    (is_name && password.len() <= PASSWORD_BYTES_MAX && password.iter().all(|byte| *byte != 0)).then_some((user, password))
}
