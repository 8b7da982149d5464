//! What stands behind the colon: read once, with its costs checked, then compared with what passwords come to.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq as _;

use super::crypt64;
use super::digests::{self, Magic};
use super::method::{
    BCRYPT_COST_MAX, BCRYPT_COST_MIN, BCRYPT_PASSWORD_BYTES_MAX, MEMORY_BYTES_MAX, Method, PASSES_MAX, SHA_CRYPT_ROUNDS_MAX,
    SHA_CRYPT_ROUNDS_MIN,
};

/// No method writes more.
const HASH_BYTES_MAX: usize = 512;

/// Of a longer salt MD5-crypt uses these, and writes only these.
const MD5_SALT_MAX: usize = 8;

/// Of a longer salt SHA-crypt uses these, and writes only these.
const SHA_SALT_MAX: usize = 16;

/// A salt of yescrypt has no more bytes.
const YESCRYPT_SALT_MAX: usize = 64;

/// The kept form of a password. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Hash {
    text: String,
    scheme: Scheme,
    /// What the right password comes to.
    expected: Vec<u8>,
}

/// All but the digest.
#[derive(Clone, PartialEq, Eq)]
enum Scheme {
    Md5(Magic, String),
    Sha,
    Ssha(Vec<u8>),
    Sha256(u32, String),
    Sha512(u32, String),
    Bcrypt(u32, [u8; 16]),
    Yescrypt(yescrypt::Params, Vec<u8>),
    Scrypt(ScryptCost, String),
    Argon2(argon2::Algorithm, argon2::Version, argon2::Params, Vec<u8>),
    #[cfg(feature = "legacy-des")]
    Des(String),
    #[cfg(feature = "legacy-des")]
    Bsdi(u32, String),
}

/// `scrypt::Params`, comparable.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ScryptCost {
    log_n: u8,
    r: u32,
    p: u32,
}

/// Why a hash cannot be used: what was found and what would be right; nothing of the hash itself.
pub(super) type Wrong = String;

impl Hash {
    /// Reads what stands behind the colon of a line.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        if text.len() > HASH_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(odd(text));
        }
        let (scheme, expected) = if let Some(rest) = text.strip_prefix("$apr1$") {
            md5(Magic::Apr1, rest)?
        } else if let Some(rest) = text.strip_prefix("$1$") {
            md5(Magic::One, rest)?
        } else if let Some(rest) = text.strip_prefix("$5$") {
            sha_crypt(rest, 43, Scheme::Sha256)?
        } else if let Some(rest) = text.strip_prefix("$6$") {
            sha_crypt(rest, 86, Scheme::Sha512)?
        } else if text.starts_with("$2") {
            bcrypt(text)?
        } else if let Some(rest) = text.strip_prefix("$y$") {
            yescrypt(rest)?
        } else if let Some(rest) = text.strip_prefix("$7$") {
            scrypt(rest)?
        } else if let Some(rest) = text.strip_prefix("$argon2") {
            argon2(rest)?
        } else if let Some(rest) = text.strip_prefix("{SHA}") {
            sha(rest)?
        } else if let Some(rest) = text.strip_prefix("{SSHA}") {
            ssha(rest)?
        } else {
            other(text)?
        };
        Ok(Self { text: text.to_owned(), scheme, expected })
    }

    /// How it is kept.
    pub const fn method(&self) -> Method {
        match &self.scheme {
            Scheme::Md5(Magic::Apr1, _) => Method::Apr1,
            Scheme::Md5(Magic::One, _) => Method::Md5Crypt,
            Scheme::Sha => Method::Sha,
            Scheme::Ssha(_) => Method::Ssha,
            Scheme::Sha256(..) => Method::Sha256Crypt,
            Scheme::Sha512(..) => Method::Sha512Crypt,
            Scheme::Bcrypt(..) => Method::Bcrypt,
            Scheme::Yescrypt(..) => Method::Yescrypt,
            Scheme::Scrypt(..) => Method::Scrypt,
            Scheme::Argon2(..) => Method::Argon2,
            #[cfg(feature = "legacy-des")]
            Scheme::Des(_) => Method::Des,
            #[cfg(feature = "legacy-des")]
            Scheme::Bsdi(..) => Method::Bsdi,
        }
    }

    /// What a try costs, in the words of its method; empty where there is no choice.
    pub fn cost(&self) -> String {
        let memory = |bytes: u64| format!("{} MiB", bytes.div_ceil(1024 * 1024));
        match &self.scheme {
            Scheme::Md5(..) | Scheme::Sha | Scheme::Ssha(_) => String::new(),
            Scheme::Sha256(rounds, _) | Scheme::Sha512(rounds, _) => format!("{rounds} rounds"),
            Scheme::Bcrypt(cost, _) => format!("cost {cost}"),
            Scheme::Yescrypt(params, _) => memory(params.n().saturating_mul(u64::from(params.r()) * 128)),
            Scheme::Scrypt(cost, _) => memory(cost.memory()),
            Scheme::Argon2(_, _, params, _) => {
                format!("{}, {} passes", memory(u64::from(params.m_cost()) * 1024), params.t_cost())
            }
            #[cfg(feature = "legacy-des")]
            Scheme::Des(_) => String::new(),
            #[cfg(feature = "legacy-des")]
            Scheme::Bsdi(rounds, _) => format!("{rounds} rounds"),
        }
    }

    /// About how long a try takes, in microseconds of a processor of 2025: enough to tell which of two lines is dearer.
    pub fn work(&self) -> u64 {
        let kib = |bytes: u64| bytes / 1024;
        match &self.scheme {
            Scheme::Sha | Scheme::Ssha(_) => 1,
            Scheme::Md5(..) => 300,
            Scheme::Sha256(rounds, _) | Scheme::Sha512(rounds, _) => u64::from(*rounds) / 2,
            Scheme::Bcrypt(cost, _) => 50_u64 << (*cost).min(32),
            Scheme::Yescrypt(params, _) => kib(params.n().saturating_mul(u64::from(params.r()) * 128)).saturating_mul(2),
            Scheme::Scrypt(cost, _) => kib(cost.memory()).saturating_mul(2 * u64::from(cost.p)),
            Scheme::Argon2(_, _, params, _) => u64::from(params.m_cost()).saturating_mul(u64::from(params.t_cost())),
            #[cfg(feature = "legacy-des")]
            Scheme::Des(_) => 50,
            #[cfg(feature = "legacy-des")]
            Scheme::Bsdi(rounds, _) => u64::from(*rounds) * 2,
        }
    }

    /// The whole text, to bind something to this very hash.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether its method looks at every byte of a password this long. What it would look at only in part does not fit
    /// any line.
    pub const fn takes(&self, password: &[u8]) -> bool {
        !matches!(self.scheme, Scheme::Bcrypt(..)) || password.len() <= BCRYPT_PASSWORD_BYTES_MAX
    }

    /// Whether `password` is the right one. Costs what the line costs; the comparison takes the same time however much
    /// of it is equal.
    pub fn holds(&self, password: &[u8]) -> bool {
        self.takes(password) && self.scheme.digest(password, self.expected.len()).is_some_and(|found| found.ct_eq(&self.expected).into())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({}, hidden)", self.method().word())
    }
}

impl ScryptCost {
    /// `128 × N × r`.
    const fn memory(self) -> u64 {
        (128_u64 << self.log_n).saturating_mul(self.r as u64)
    }
}

impl Scheme {
    /// What `password` comes to; `None` where a library refuses what was checked before.
    fn digest(&self, password: &[u8], length: usize) -> Option<Vec<u8>> {
        let params = |rounds: u32| sha_crypt::Params::new(rounds).ok();
        match self {
            Self::Md5(magic, salt) => Some(digests::md5_crypt(*magic, salt, password).into_bytes()),
            Self::Sha => Some(Sha1::digest(password).to_vec()),
            Self::Ssha(salt) => Some(Sha1::new().chain_update(password).chain_update(salt).finalize().to_vec()),
            Self::Sha256(rounds, salt) => Some(digests::sha256_crypt(params(*rounds)?, salt, password).into_bytes()),
            Self::Sha512(rounds, salt) => Some(digests::sha512_crypt(params(*rounds)?, salt, password).into_bytes()),
            Self::Bcrypt(cost, salt) => {
                let whole = bcrypt::hash_with_salt(password, *cost, *salt).ok()?.format_for_version(bcrypt::Version::TwoY);
                Some(whole.get(BCRYPT_DIGEST..)?.as_bytes().to_vec())
            }
            Self::Yescrypt(params, salt) => {
                let mut digest = [0; 32];
                yescrypt::yescrypt(password, salt, params, &mut digest).ok()?;
                Some(crypt64::encode(&digest).into_bytes())
            }
            Self::Scrypt(cost, salt) => {
                let mut digest = [0; 32];
                let params = scrypt::Params::new(cost.log_n, cost.r, cost.p).ok()?;
                scrypt::scrypt(password, salt.as_bytes(), &params, &mut digest).ok()?;
                Some(crypt64::encode(&digest).into_bytes())
            }
            Self::Argon2(algorithm, version, params, salt) => {
                let mut digest = vec![0; length];
                argon2::Argon2::new(*algorithm, *version, params.clone()).hash_password_into(password, salt, &mut digest).ok()?;
                Some(digest)
            }
            #[cfg(feature = "legacy-des")]
            Self::Des(salt) => super::des::unix(salt, password),
            #[cfg(feature = "legacy-des")]
            Self::Bsdi(rounds, salt) => super::des::bsdi(*rounds, salt, password),
        }
    }
}

/// Where the digest begins in the 60 letters of bcrypt.
const BCRYPT_DIGEST: usize = 29;

/// Where the salt begins.
const BCRYPT_SALT: usize = 7;

type Read = Result<(Scheme, Vec<u8>), Wrong>;

/// The digest's letters, if there are as many as there must be.
fn letters(found: Option<&str>, count: usize) -> Result<Vec<u8>, Wrong> {
    let found = found.unwrap_or_default();
    if found.len() == count && found.bytes().all(crypt64::is_letter) {
        Ok(found.as_bytes().to_vec())
    } else {
        Err(format!("the hash is cut off or altered: {count} letters must follow the salt, found {}", found.len()))
    }
}

fn md5(magic: Magic, rest: &str) -> Read {
    let (salt, digest) = rest.split_once('$').unzip();
    let salt = salt.unwrap_or(rest);
    if salt.len() > MD5_SALT_MAX {
        return Err(format!("the salt must have at most {MD5_SALT_MAX} letters, found {}", salt.len()));
    }
    Ok((Scheme::Md5(magic, salt.to_owned()), letters(digest, 22)?))
}

fn sha_crypt(rest: &str, count: usize, scheme: fn(u32, String) -> Scheme) -> Read {
    let (rounds, rest) = match rest.strip_prefix("rounds=") {
        None => (sha_crypt::Params::RECOMMENDED_ROUNDS, rest),
        Some(rest) => {
            let (digits, rest) = rest.split_once('$').ok_or("the hash is cut off behind `rounds=`")?;
            let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
            let rounds = digits.parse::<u32>().ok().filter(|_| plain);
            let good = rounds.filter(|rounds| (SHA_CRYPT_ROUNDS_MIN..=SHA_CRYPT_ROUNDS_MAX).contains(rounds));
            let wrong = || format!("`rounds=` must be a number from {SHA_CRYPT_ROUNDS_MIN} to {SHA_CRYPT_ROUNDS_MAX}: more is a burden");
            (good.ok_or_else(wrong)?, rest)
        }
    };
    let (salt, digest) = rest.split_once('$').unzip();
    let salt = salt.unwrap_or(rest);
    if salt.len() > SHA_SALT_MAX {
        return Err(format!("the salt must have at most {SHA_SALT_MAX} letters, found {}", salt.len()));
    }
    Ok((scheme(rounds, salt.to_owned()), letters(digest, count)?))
}

fn bcrypt(text: &str) -> Read {
    if text.starts_with("$2x$") {
        return Err("`$2x$` marks hashes of a faulty bcrypt of before 2011, which are not read: make a new entry".to_owned());
    }
    if !["$2a$", "$2b$", "$2y$"].iter().any(|version| text.starts_with(version)) {
        return Err("bcrypt must begin with `$2y$`, `$2b$` or `$2a$`".to_owned());
    }
    let parts: bcrypt::HashParts =
        text.parse().map_err(|_| format!("the hash is cut off or altered: bcrypt has 60 letters of its alphabet, found {}", text.len()))?;
    let cost = parts.get_cost();
    if !(BCRYPT_COST_MIN..=BCRYPT_COST_MAX).contains(&cost) {
        return Err(format!("the cost of bcrypt must be from {BCRYPT_COST_MIN} to {BCRYPT_COST_MAX}, found {cost}"));
    }
    // `+5` reads as a number and is none to `crypt`.
    if text.as_bytes().get(4..6).is_none_or(|digits| !digits.iter().all(u8::is_ascii_digit)) || text.len() <= BCRYPT_SALT {
        return Err("the cost of bcrypt must be two digits".to_owned());
    }
    let expected = text.as_bytes().get(BCRYPT_DIGEST..).unwrap_or_default().to_vec();
    Ok((Scheme::Bcrypt(cost, parts.get_salt_raw()), expected))
}

/// Whether the cost is in bounds, in bytes at once and in bytes written in all.
fn bounded(memory: u64, passes: u64) -> Result<(), Wrong> {
    let all = memory.saturating_mul(passes.max(1));
    if memory <= MEMORY_BYTES_MAX && all <= MEMORY_BYTES_MAX * PASSES_MAX {
        return Ok(());
    }
    Err(format!("a try costs too much: at most {} MiB of memory and {PASSES_MAX} passes over as much", MEMORY_BYTES_MAX / 1024 / 1024))
}

fn yescrypt(rest: &str) -> Read {
    let mut parts = rest.split('$');
    let (Some(cost), Some(salt), digest, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err("the hash is cut off or altered: yescrypt has three parts".to_owned());
    };
    let odd = || "the parameters of yescrypt must be such as mkpasswd writes: no threads, no further time, no ROM".to_owned();
    let read: yescrypt::Params = cost.parse().map_err(|_| odd())?;
    let (n, r) = (read.n(), read.r());
    bounded(n.saturating_mul(u64::from(r) * 128), 1)?;
    // What else there may be cannot be asked for, so that it is seen by what is left without it.
    let plain = yescrypt::Params::new(yescrypt::Mode::default(), n, r, 1).ok().filter(|plain| *plain == read && plain.to_string() == cost);
    let params = plain.ok_or_else(odd)?;
    let salt = crypt64::decode(salt).filter(|salt| salt.len() <= YESCRYPT_SALT_MAX).ok_or("the salt of yescrypt is cut off or altered")?;
    Ok((Scheme::Yescrypt(params, salt), letters(digest, 43)?))
}

/// `N` in one letter, `r` and `p` in five each, and the salt as it stands.
fn scrypt(rest: &str) -> Read {
    let short = || "the hash is cut off or altered: scrypt has 11 letters of costs, a salt and 43 letters".to_owned();
    let (head, digest) = rest.rsplit_once('$').ok_or_else(short)?;
    let (costs, salt) = head.split_at_checked(11).ok_or_else(short)?;
    let number = |letters: &str| letters.bytes().rev().try_fold(0_u32, |all, letter| Some(all << 6 | crypt64::value(letter)?));
    let log_n = costs.get(..1).and_then(number).and_then(|log_n| u8::try_from(log_n).ok()).ok_or_else(short)?;
    let (r, p) = (costs.get(1..6).and_then(number).ok_or_else(short)?, costs.get(6..).and_then(number).ok_or_else(short)?);
    if !(1..32).contains(&log_n) || r == 0 || p == 0 || salt.contains('$') {
        return Err(short());
    }
    let cost = ScryptCost { log_n, r, p };
    bounded(cost.memory().max(u64::from(r).saturating_mul(128 * u64::from(p))), u64::from(p))?;
    if scrypt::Params::new(log_n, r, p).is_err() {
        return Err(short());
    }
    Ok((Scheme::Scrypt(cost, salt.to_owned()), letters(Some(digest), 43)?))
}

/// The form of the Password Hashing Competition: `id$v=19$m=19456,t=2,p=1$salt$digest`.
fn argon2(rest: &str) -> Read {
    let cut = || "the hash is cut off or altered: argon2 is written `$argon2id$v=19$m=…,t=…,p=…$salt$hash`".to_owned();
    let mut parts = rest.split('$');
    let algorithm = match parts.next() {
        Some("id") => argon2::Algorithm::Argon2id,
        Some("i") => argon2::Algorithm::Argon2i,
        Some("d") => argon2::Algorithm::Argon2d,
        _ => return Err(cut()),
    };
    let (version, costs) = match parts.next() {
        Some("v=19") => (argon2::Version::V0x13, parts.next()),
        Some("v=16") => (argon2::Version::V0x10, parts.next()),
        // The first version said nothing of itself.
        costs => (argon2::Version::V0x10, costs),
    };
    let mut numbers = costs.unwrap_or_default().split(',');
    let mut number = |name: &str| {
        let digits = numbers.next()?.strip_prefix(name)?;
        let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u32>().ok().filter(|_| plain)
    };
    let (Some(memory), Some(passes), Some(lanes)) = (number("m="), number("t="), number("p=")) else { return Err(cut()) };
    let bytes = |part: Option<&str>| STANDARD_NO_PAD.decode(part.unwrap_or_default()).ok();
    let (salt, digest) = (bytes(parts.next()).ok_or_else(cut)?, bytes(parts.next()).ok_or_else(cut)?);
    if numbers.next().is_some() || parts.next().is_some() || !(16..=64).contains(&digest.len()) {
        return Err(cut());
    }
    bounded(u64::from(memory) * 1024, u64::from(passes))?;
    let params = argon2::Params::new(memory, passes, lanes, Some(digest.len())).map_err(|_| cut())?;
    if !(argon2::MIN_SALT_LEN..=argon2::MAX_SALT_LEN).contains(&salt.len()) {
        return Err(cut());
    }
    Ok((Scheme::Argon2(algorithm, version, params, salt), digest))
}

/// 20 bytes of SHA-1.
const SHA1_BYTES: usize = 20;

fn sha(rest: &str) -> Read {
    let digest = STANDARD.decode(rest).ok().filter(|digest| digest.len() == SHA1_BYTES);
    Ok((Scheme::Sha, digest.ok_or("the hash is cut off or altered: {SHA} has 28 letters of base 64")?))
}

fn ssha(rest: &str) -> Read {
    let bytes = STANDARD.decode(rest).ok();
    let parts = bytes.as_deref().and_then(|bytes| bytes.split_at_checked(SHA1_BYTES));
    let (digest, salt) = parts.ok_or("the hash is cut off or altered: {SSHA} has base 64 of 20 bytes and a salt")?;
    Ok((Scheme::Ssha(salt.to_vec()), digest.to_vec()))
}

/// What has no prefix, or one that is not read.
fn other(text: &str) -> Read {
    let all_letters = |text: &str| text.bytes().all(crypt64::is_letter);
    if text.len() == 13 && all_letters(text) {
        return des(text);
    }
    if let Some(rest) = text.strip_prefix('_').filter(|rest| rest.len() == 19 && all_letters(rest)) {
        return bsdi(rest);
    }
    Err(odd(text))
}

#[cfg(feature = "legacy-des")]
fn des(text: &str) -> Read {
    let (salt, digest) = text.split_at_checked(2).ok_or_else(|| odd(text))?;
    Ok((Scheme::Des(salt.to_owned()), digest.as_bytes().to_vec()))
}

#[cfg(feature = "legacy-des")]
fn bsdi(rest: &str) -> Read {
    let number = |letters: &str| letters.bytes().rev().try_fold(0_u32, |all, letter| Some(all << 6 | crypt64::value(letter)?));
    let (head, digest) = rest.split_at_checked(8).ok_or_else(|| odd(rest))?;
    let (count, salt) = head.split_at_checked(4).ok_or_else(|| odd(rest))?;
    let most = super::method::BSDI_ROUNDS_MAX;
    let rounds = number(count).filter(|rounds| (1..=most).contains(rounds));
    let rounds = rounds.ok_or_else(|| format!("the rounds of BSDi's crypt must be from 1 to {most}"))?;
    Ok((Scheme::Bsdi(rounds, salt.to_owned()), digest.as_bytes().to_vec()))
}

#[cfg(not(feature = "legacy-des"))]
const DES: &str = "this is DES, of which any laptop tries every password; this program was built without it: make a new entry with `cloakroom htpasswd add`";

#[cfg(not(feature = "legacy-des"))]
fn des(_: &str) -> Read {
    Err(DES.to_owned())
}

#[cfg(not(feature = "legacy-des"))]
fn bsdi(_: &str) -> Read {
    Err(DES.to_owned())
}

fn odd(text: &str) -> Wrong {
    let prefixed = |known: &[&str]| known.iter().any(|prefix| text.starts_with(prefix));
    if text.is_empty() {
        return "there is no hash behind the name: make a new entry with `cloakroom htpasswd add`".to_owned();
    }
    if text.starts_with([' ', '\t']) {
        return "a blank stands before the hash: take it away".to_owned();
    }
    if prefixed(&["{PLAIN}", "{CLEARTEXT}"]) {
        return "a password that stands in the file is not read: make a new entry with `cloakroom htpasswd add`".to_owned();
    }
    if prefixed(&["!", "*", "x"]) && text.len() <= 2 {
        return "the entry is shut: nobody can log in with it".to_owned();
    }
    if prefixed(&["$gy$", "$md5", "$sha1$", "$3$"]) {
        return "this method of crypt is not read: make a new entry with `cloakroom htpasswd add`".to_owned();
    }
    "this is no hash of a kind that is read, or the password itself: make a new entry with `cloakroom htpasswd add`".to_owned()
}
