//! What no log may hold, whatever a test was about: a key, or a proof that opens something.

use std::fs;
use std::path::Path;

/// A link token or a delivery token.
const TOKEN_LENGTH: usize = 40;

/// An HMAC-SHA256 in base64url.
const SIGNATURE_LENGTH: usize = 43;

/// A key's file has at least so many letters.
const KEY_LENGTH_MIN: usize = 43;

const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// The run of letters of base64url at the beginning of `text`.
fn run(text: &str) -> &str {
    text.split(|letter: char| !letter.is_ascii() || !is_letter(letter as u8)).next().unwrap_or_default()
}

/// What in a line could be used by whoever reads it; `None` where nothing can.
fn secret<'a>(line: &'a str, keys: &[String]) -> Option<&'a str> {
    let after = |mark: &'static str| line.match_indices(mark).map(move |(at, mark)| run(&line[at + mark.len()..]));
    let whole = |mark: &'static str, length: usize| after(mark).find(move |run| run.len() == length);
    let key = keys.iter().find_map(|key| line.find(key.as_str()).map(|at| &line[at..at + key.len()]));
    key.or_else(|| whole("sig=", SIGNATURE_LENGTH))
        .or_else(|| whole("/l/", TOKEN_LENGTH))
        .or_else(|| whole("/d/", TOKEN_LENGTH))
        .or_else(|| jwt(line))
}

/// Three parts of base64url, of which the first is a JSON object, as `{"` begins.
fn jwt(line: &str) -> Option<&str> {
    let is_one = |text: &&str| {
        let parts: Vec<&str> = text.splitn(3, '.').collect();
        let [head, body, signature] = parts[..] else { return false };
        let letters = |part: &str| part.bytes().all(is_letter);
        letters(head) && body.starts_with("eyJ") && letters(body) && run(signature).len() >= SIGNATURE_LENGTH
    };
    line.match_indices("eyJ").map(|(at, _)| &line[at..]).find(is_one)
}

/// The secrets in the key files below `state`.
fn keys(state: &Path) -> Vec<String> {
    let files = fs::read_dir(state.join("keys")).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok()).map(|text| text.trim().to_owned());
    // A public key is no secret.
    texts.filter(|text| text.len() >= KEY_LENGTH_MIN && !text.starts_with("-----BEGIN PUBLIC KEY")).collect()
}

/// Fails the test if the daemon with this state directory has said a secret.
#[track_caller]
pub fn assert_none(log: &[String], state: &Path) {
    let keys = keys(state);
    let said: Vec<(&str, &String)> = log.iter().filter_map(|line| Some((secret(line, &keys)?, line))).collect();
    assert!(said.is_empty(), "the log holds a secret: {said:#?}");
}

/// Planted secrets are found, and what is none is not: each test file that starts a daemon would rely on it unseen.
#[test]
fn a_secret_in_a_line_is_seen() {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".to_owned();
    let keys = [key.clone()];
    let (token, signature) = ("a".repeat(TOKEN_LENGTH), "b".repeat(SIGNATURE_LENGTH));
    let jwt = format!("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.{signature}");
    for line in [
        format!("x {key} y"),
        format!("GET /a?kid=main&sig={signature}"),
        format!("subject=/dl/l/{token}/a.zip"),
        format!("/dl/d/{token}"),
        format!("Bearer {jwt}\""),
        format!("ü /l/{token}"),
    ] {
        assert!(secret(&line, &keys).is_some(), "{line}");
    }
    for line in [
        String::new(),
        format!("/dl/l/{}/a.zip", "a".repeat(TOKEN_LENGTH - 1)),
        format!("/dl/f/{token}x"),
        "sig=(left out)".to_owned(),
        "request=0123456789abcdef0123456789abcdef".to_owned(),
        "eyJhbGciOiJIUzI1NiJ9.x.y".to_owned(),
        "ü".repeat(50),
    ] {
        assert_eq!(secret(&line, &keys), None, "{line}");
    }
}
