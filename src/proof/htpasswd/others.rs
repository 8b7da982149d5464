//! What nginx and Apache make of lines that Cloakroom cannot use. `tests/htpasswd_opinions.rs` holds it to what the servers
//! said when they were asked; what was not measured is not said.

use super::crypt64;
use super::method::{Method, Reads, SHA_CRYPT_ROUNDS_MAX};

/// Whether the others read a line; `None` is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Others {
    /// nginx's `auth_basic`.
    pub nginx: Option<Reads>,
    /// Apache's `AuthUserFile`.
    pub apache: Option<Reads>,
}

/// Neither knows.
const UNKNOWN: Others = Others { nginx: None, apache: None };

/// Neither reads it.
pub const NEITHER: Others = Others { nginx: Some(Reads::No), apache: Some(Reads::No) };

/// Both do, where `crypt` does.
const BY_CRYPT: Others = Others { nginx: Some(Reads::WithCrypt), apache: Some(Reads::WithCrypt) };

/// The longest line of which it was measured: nginx reads files in pieces.
const LINE_BYTES_MAX: usize = 3100;

/// The most rounds of SHA-crypt that `crypt` takes.
const ROUNDS_CRYPT_MAX: u64 = 999_999_999;

/// The highest cost of bcrypt that there is.
const BCRYPT_COST_TOP: u32 = 31;

/// The letters of bcrypt behind its cost: salt and digest.
const BCRYPT_LETTERS: usize = 53;

impl Others {
    /// Of a line that can be used here, too.
    pub const fn of(method: Method) -> Self {
        Self { nginx: Some(method.nginx()), apache: Some(method.apache()) }
    }

    /// Of a line, without its end, that cannot be used here whatever stands before it.
    pub fn of_faulty(line: &[u8]) -> Self {
        let Ok(line) = std::str::from_utf8(line.trim_ascii()) else { return UNKNOWN };
        if line.len() > LINE_BYTES_MAX || line.starts_with(':') {
            return UNKNOWN;
        }
        // Both take a byte order mark for a part of the name; and what has no colon has no password.
        let (false, Some((_, rest))) = (line.starts_with('\u{feff}'), line.split_once(':')) else { return NEITHER };
        let (field, more) = rest.split_once(':').unwrap_or((rest, ""));
        if field.is_empty() && !more.is_empty() {
            // Apache takes several colons for one.
            let behind = more.trim_start_matches(':').split(':').next().unwrap_or_default();
            return Self { apache: hash(behind).apache, ..NEITHER };
        }
        hash(field)
    }
}

/// Of the field behind the name.
fn hash(text: &str) -> Others {
    if let Ok(hash) = super::hash::Hash::parse(text) {
        return Others::of(hash.method());
    }
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| text.starts_with(prefix));
    let is_crypt64 = text.bytes().all(crypt64::is_letter);
    if text.starts_with("{PLAIN}") {
        return Others { nginx: Some(Reads::Yes), ..NEITHER };
    }
    if starts(&["$2a$", "$2b$", "$2y$"]) {
        return if is_dear_bcrypt(text) { Others::of(Method::Bcrypt) } else { NEITHER };
    }
    if starts(&["$5$", "$6$"]) {
        return if is_dear_sha_crypt(text) { BY_CRYPT } else { NEITHER };
    }
    if starts(&["$y$", "$7$"]) {
        // Whole, but of costs that are not taken here: what others take depends on their memory.
        let is_whole = text.rsplit('$').next().is_some_and(|digest| digest.len() == 43 && digest.bytes().all(crypt64::is_letter));
        let costs = text.split('$').nth(2).unwrap_or_default();
        return if is_whole && costs.bytes().all(crypt64::is_letter) { UNKNOWN } else { NEITHER };
    }
    if starts(&["$gy$", "$md5", "$3$"]) || (is_crypt64 && text.len() == 13) || (text.starts_with('_') && text.len() == 20) {
        return BY_CRYPT;
    }
    // DES of long passwords has 11 letters more for each 8.
    let may_be_long_des = is_crypt64 && (24..=178).contains(&text.len()) && text.len() % 11 == 2;
    let is_method = text.starts_with('$') && !starts(&["$apr1$", "$1$", "$argon2"]);
    if may_be_long_des || is_method { UNKNOWN } else { NEITHER }
}

/// Whether it is whole, and only costs more than is taken here.
fn is_dear_bcrypt(text: &str) -> bool {
    let parts = text.get(4..6).zip(text.get(6..7)).zip(text.get(7..));
    parts.is_some_and(|((cost, dollar), letters)| {
        let cost = cost.parse::<u32>().ok().filter(|_| cost.bytes().all(|byte| byte.is_ascii_digit()));
        let is_whole = dollar == "$" && letters.len() == BCRYPT_LETTERS && letters.bytes().all(crypt64::is_letter);
        is_whole && cost.is_some_and(|cost| (super::method::BCRYPT_COST_MAX + 1..=BCRYPT_COST_TOP).contains(&cost))
    })
}

/// The same of SHA-crypt.
fn is_dear_sha_crypt(text: &str) -> bool {
    let count = if text.starts_with("$5$") { 43 } else { 86 };
    let Some((rounds, rest)) = text.get(3..).and_then(|rest| rest.strip_prefix("rounds=")?.split_once('$')) else { return false };
    let Some((salt, digest)) = rest.split_once('$') else { return false };
    let is_plain = !rounds.starts_with('0') && rounds.bytes().all(|byte| byte.is_ascii_digit());
    let rounds = rounds.parse::<u64>().ok().filter(|_| is_plain);
    let is_whole = salt.len() <= 16 && digest.len() == count && digest.bytes().all(crypt64::is_letter);
    is_whole && rounds.is_some_and(|rounds| (u64::from(SHA_CRYPT_ROUNDS_MAX) + 1..=ROUNDS_CRYPT_MAX).contains(&rounds))
}
