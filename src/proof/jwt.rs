//! JSON Web Tokens ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519)), signed, in the compact form, minted by any
//! stock library with one of the site's keys.
//!
//! The key decides how a token must be signed, never the token: a key of one line is for HS256, a public key for `EdDSA`,
//! ES256 or RS256, as it stands in its PEM. Before the signature held nothing is read but the header. The claims:
//!
//! | name | value |
//! |---|---|
//! | `exp` | seconds since 1970 until which it holds; needed, and no further from `iat`, or without one from now, than the longest life |
//! | `aud` | the site's name, or a list that holds it; needed, as the shop's login tokens are no tickets |
//! | `file` | `<storage>/<path>`: this file, under `public_url` |
//! | `path` | a path of the site, decoded: `/members/a b.zip` |
//! | `prefix` | a path of the site: everything under it, by whole segments |
//! | `nbf`, `iat` | seconds since 1970 before which it does not hold |
//! | `sub` | who it is |
//! | `jti` | its name; needed with `max` |
//! | `net` | the network of the client, as `203.0.113.0/24`, or one address |
//! | `name` | the name to save the file under |
//! | `rate` | bytes per second |
//! | `max` | how many downloads; with `file` and `jti` only, without `name`, and where the store outlives a restart |
//!
//! One of `file`, `path` and `prefix` is needed. What is not in the table is ignored; what is in it and has another type
//! is a refusal. The base64url of each part has one spelling, and in the JSON no name stands twice.

mod brought;
mod claims;
mod fault;
mod json;

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;
use ipnet::IpNet;

pub use brought::{Place, brought};
pub use fault::{Fault, Part};

use super::key::{KeyRing, Purpose, SigningKey, is_key_id};
use super::public_key::{Algorithm, PublicKey};
use crate::domain::file::FileRef;
use crate::domain::moment::{Moment, Span};
use crate::domain::path::CanonicalPath;
use crate::domain::refusal::Refusal;
use crate::domain::units::Rate;
use claims::Claims;
use json::object;

/// Longest token: no server takes a longer header line, and an address has room for less.
pub const TOKEN_BYTES_MAX: usize = 8192;

/// The clocks of the signer and of this host may differ by this much.
pub const LEEWAY: Span = Span::from_seconds(30);

/// What a token says. Only [`open`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    key: String,
    expires: Moment,
    network: Option<IpNet>,
    user: Option<String>,
    id: Option<String>,
    name: Option<String>,
    rate: Option<Rate>,
    max: Option<u32>,
}

impl Claim {
    /// The id of the key that it was signed with.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// When it stops to hold.
    pub const fn expires(&self) -> Moment {
        self.expires
    }

    /// The network that the client must be in; it is.
    pub const fn network(&self) -> Option<IpNet> {
        self.network
    }

    /// `sub`: who it is, 1 to 256 bytes without control characters.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// `jti`: its name, 1 to 128 bytes without control characters; unique under its key, if the signer keeps to the rules.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The name to save the file under, as the signer wrote it; not yet fit for a header.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Bytes per second of one request.
    pub const fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// How many downloads, if they are to be counted. Then there is a `jti`, and it is about one file.
    pub const fn max(&self) -> Option<u32> {
        self.max
    }
}

/// What a token opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// This file.
    File(FileRef),
    /// This path.
    Path(CanonicalPath),
    /// All under it.
    Prefix(CanonicalPath),
}

/// What is asked for, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The site's name.
    pub site: &'a str,
    /// The path of the request.
    pub path: &'a CanonicalPath,
    /// The file of a storage that the path names; `None` where the web server sends its own files, and nothing is counted.
    pub file: Option<&'a FileRef>,
    /// The client.
    pub client: IpAddr,
    /// The longest life of a token.
    pub life_max: Span,
}

/// One step of the decision, in order, for those who want to see why.
#[derive(Debug)]
pub enum Step<'a> {
    /// This key is to be asked; whether the token names it.
    Key {
        /// Its id.
        id: &'a str,
        /// What it is for.
        purpose: Purpose,
        /// How a token must be signed.
        algorithm: Algorithm,
    },
    /// The signature is one of the token.
    MacHeld,
    /// It is made for this site.
    ForThisSite,
    /// The clock is inside the window.
    InTime {
        /// From.
        not_before: Option<Moment>,
        /// Until.
        expires: Moment,
    },
    /// The client is in the network, if one is named.
    InNetwork(Option<IpNet>),
    /// The path is the one that it opens, or lies under its prefix.
    PathOpened,
    /// It ends here.
    Failed(Fault),
}

/// Checks `token` against what is wanted.
pub fn open(token: &str, wanted: &Wanted<'_>, keys: &KeyRing, now: Moment) -> Result<Claim, Refusal> {
    open_traced(token, wanted, keys, now, &mut |_| {})
}

/// [`open`], telling each step as it is taken.
pub fn open_traced(
    token: &str,
    wanted: &Wanted<'_>,
    keys: &KeyRing,
    now: Moment,
    trace: &mut dyn FnMut(Step<'_>),
) -> Result<Claim, Refusal> {
    let opened =
        Token::split(token).and_then(|token| token.check_signature(keys, trace)).and_then(|held| held.check_claims(wanted, now, trace));
    opened.map_err(|fault| {
        trace(Step::Failed(fault));
        fault.refusal()
    })
}

/// A token taken apart. Nothing in it is believed yet.
struct Token<'a> {
    /// Header and claims, joined by `.`, as they were sent.
    signed: &'a str,
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
}

/// Claims of which the signature held.
struct Held<'a> {
    key: String,
    claims: &'a str,
}

/// A key that tokens are checked with.
#[derive(Clone, Copy)]
enum Key<'k> {
    Secret(&'k SigningKey),
    Public(&'k PublicKey),
}

impl<'k> Key<'k> {
    fn all(keys: &'k KeyRing) -> impl Iterator<Item = (Self, Purpose)> {
        let secret = keys.iter().map(|(key, purpose)| (Key::Secret(key), purpose));
        secret.chain(keys.public().map(|(key, purpose)| (Key::Public(key), purpose)))
    }

    fn id(self) -> &'k str {
        match self {
            Self::Secret(key) => key.id(),
            Self::Public(key) => key.id(),
        }
    }

    const fn algorithm(self) -> Algorithm {
        match self {
            Self::Secret(_) => Algorithm::Hs256,
            Self::Public(key) => key.algorithm(),
        }
    }

    fn holds(self, text: &[u8], signature: &[u8]) -> bool {
        match self {
            // In constant time; a tag of another length is none.
            Self::Secret(key) => key.jwt().chain_update(text).verify_slice(signature).is_ok(),
            Self::Public(key) => key.holds(text, signature),
        }
    }
}

impl<'a> Token<'a> {
    fn split(token: &'a str) -> Result<Self, Fault> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Fault::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Fault::Parts)?;
        let (header, claims) = signed.split_once('.').filter(|(_, claims)| !claims.contains('.')).ok_or(Fault::Parts)?;
        Ok(Self { signed, header, claims, signature })
    }

    /// Reads what tells which key, and nothing else, then checks the signature.
    fn check_signature(self, keys: &KeyRing, trace: &mut dyn FnMut(Step<'_>)) -> Result<Held<'a>, Fault> {
        let (key, purpose) = self.key(keys)?;
        trace(Step::Key { id: key.id(), purpose, algorithm: key.algorithm() });
        let signature = decoded(self.signature, Part::Signature)?;
        if !key.holds(self.signed.as_bytes(), &signature) {
            return Err(Fault::MacFailed);
        }
        trace(Step::MacHeld);
        match purpose {
            Purpose::Sign | Purpose::Accept => Ok(Held { key: key.id().to_owned(), claims: self.claims }),
            Purpose::Retired => Err(Fault::KeyRetired),
        }
    }

    /// The key that the header names, if it is for the algorithm that the header says.
    fn key<'k>(&self, keys: &'k KeyRing) -> Result<(Key<'k>, Purpose), Fault> {
        let header = object(&decoded(self.header, Part::Header)?).ok_or(Fault::NotAnObject(Part::Header))?;
        if header.contains_key("crit") {
            return Err(Fault::Critical);
        }
        let is_token = |kind: &str| ["JWT", "at+jwt"].iter().any(|known| known.eq_ignore_ascii_case(kind));
        if header.get("typ").is_some_and(|kind| !kind.text().is_some_and(is_token)) {
            return Err(Fault::Type);
        }
        let said = header.get("alg").and_then(json::Json::text).ok_or(Fault::Algorithm)?;
        let known = [Algorithm::Hs256, Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];
        let algorithm = known.into_iter().find(|known| known.word() == said).ok_or(Fault::Algorithm)?;
        let Some(id) = header.get("kid") else {
            let mut fitting = Key::all(keys).filter(|(key, _)| key.algorithm() == algorithm);
            let only = fitting.next().ok_or(Fault::NoKeyNamed)?;
            return if fitting.next().is_some() { Err(Fault::NoKeyNamed) } else { Ok(only) };
        };
        let id = id.text().filter(|id| is_key_id(id)).ok_or(Fault::BadKeyId)?;
        let found = Key::all(keys).find(|(key, _)| key.id() == id).ok_or(Fault::UnknownKey)?;
        if found.0.algorithm() == algorithm { Ok(found) } else { Err(Fault::OtherAlgorithm) }
    }
}

impl Held<'_> {
    fn check_claims(self, wanted: &Wanted<'_>, now: Moment, trace: &mut dyn FnMut(Step<'_>)) -> Result<Claim, Fault> {
        let object = object(&decoded(self.claims, Part::Claims)?).ok_or(Fault::NotAnObject(Part::Claims))?;
        let claims = Claims::read(&object)?;
        if !claims.are_for(wanted.site) {
            return Err(Fault::WrongAudience);
        }
        trace(Step::ForThisSite);
        claims.check_max(wanted)?;

        let Claims { expires, not_before, issued, network, .. } = claims;
        if expires + LEEWAY <= now {
            return Err(Fault::Expired(expires + LEEWAY));
        }
        if let Some(from) = [not_before, issued].into_iter().flatten().max().filter(|from| *from > now + LEEWAY) {
            return Err(Fault::NotYet(from));
        }
        if expires.since(issued.unwrap_or(now)) > Span::from_millis(wanted.life_max.millis().saturating_add(LEEWAY.millis())) {
            return Err(Fault::LivesTooLong(wanted.life_max));
        }
        trace(Step::InTime { not_before, expires });
        if let Some(network) = network.filter(|network| !network.contains(&wanted.client.to_canonical())) {
            return Err(Fault::WrongNetwork(network));
        }
        trace(Step::InNetwork(network));
        claims.check_scope(wanted)?;
        trace(Step::PathOpened);
        let Claims { user, id, name, rate, max, .. } = claims;
        Ok(Claim { key: self.key, expires, network, user, id, name, rate, max })
    }
}

/// Base64url without padding, in its one spelling.
fn decoded(text: &str, part: Part) -> Result<Vec<u8>, Fault> {
    if text.is_empty() {
        return Err(Fault::Encoding(part));
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Fault::Encoding(part))
}
