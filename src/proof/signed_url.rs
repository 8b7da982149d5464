//! Signed URLs: `/members/a%20b.zip?kid=main&exp=1900000000&sig=…`, minted by anybody who has the key.
//!
//! The text that is signed is `cloakroom-1 LF <site> LF <path>?<query up to, not including, &sig=>`, with the canonical
//! path, or the canonical prefix where the query has one. `sig` is base64url, unpadded, of HMAC-SHA256 under the key.
//! Each known parameter stands at most once and before `sig`:
//!
//! | name | value |
//! |---|---|
//! | `kid` | the key's id; needed |
//! | `exp` | seconds since 1970 from which on it no longer holds; needed |
//! | `nbf` | seconds since 1970 before which it does not hold yet |
//! | `net` | the network of the client, as `203.0.113.0/24`, or one address |
//! | `prefix` | a path: everything under it, by whole segments, may be opened |
//! | `name` | the name to save the file under |
//! | `rate` | bytes per second |
//!
//! Values are decoded as forms are: `%XX`, and `+` for a space. Other parameters before `sig` are signed and passed on.
//! What follows `sig` was added by others on the way (`fbclid`, `utm_source`) and is ignored, except that no known
//! parameter may be among it.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;
use ipnet::IpNet;

use super::key::{KeyRing, Purpose, SigningKey, is_key_id};
use super::query::{Pair, decode, number, pairs};
use crate::domain::moment::Moment;
use crate::domain::path::{CanonicalPath, percent_encode};
use crate::domain::refusal::Refusal;
use crate::domain::units::Rate;

/// Longest query that is read: no server takes a longer request line.
pub const QUERY_BYTES_MAX: usize = 8192;

/// Longest name that [`sign`] writes, as long as a file's name can be. Longer ones are cut.
pub const NAME_BYTES_MAX: usize = 255;

const KNOWN: [&str; 8] = ["kid", "exp", "nbf", "net", "prefix", "name", "rate", "sig"];

/// What a signed URL says. Only [`open`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    key: String,
    expires: Moment,
    name: Option<String>,
    rate: Option<Rate>,
    passed_on: String,
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

    /// The name to save the file under, as the signer wrote it; not yet fit for a header.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Bytes per second of one request.
    pub const fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// The parameters that are none of ours, as they were sent, joined by `&`; may be empty.
    pub fn passed_on(&self) -> &str {
        &self.passed_on
    }
}

/// What a URL is signed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// When it stops to hold; in whole seconds.
    pub expires: Moment,
    /// When it begins to hold; in whole seconds.
    pub not_before: Option<Moment>,
    /// The network that the client must be in.
    pub network: Option<IpNet>,
    /// Everything under it may be opened; the signed path should lie there.
    pub prefix: Option<CanonicalPath>,
    /// The name to save the file under; cut to [`NAME_BYTES_MAX`] bytes, left out if empty.
    pub name: Option<String>,
    /// Bytes per second of one request.
    pub rate: Option<Rate>,
}

impl Terms {
    /// Until `expires`, without any other limit.
    pub const fn until(expires: Moment) -> Self {
        Self { expires, not_before: None, network: None, prefix: None, name: None, rate: None }
    }
}

/// One step of the decision, in order, for those who want to see why.
#[derive(Debug)]
pub enum Step<'a> {
    /// The query names this key.
    KeyNamed(&'a str),
    /// The key is known, and is for this.
    KeyKnown(Purpose),
    /// This is what must have been signed.
    Text(Text<'a>),
    /// The signature is that of the text.
    MacHeld,
    /// The clock is inside the window.
    InTime {
        /// From.
        not_before: Option<Moment>,
        /// Until.
        expires: Moment,
    },
    /// The client is in the network, if one is named.
    InNetwork(Option<IpNet>),
    /// The path is the signed one, or lies under the signed prefix.
    PathOpened,
    /// It ends here.
    Failed(Fault),
}

/// Why a signed URL does not open. Only the log and `cloakroom explain` hear it; the client hears [`Fault::refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no `sig`.
    NoSignature,
    /// The query is longer than [`QUERY_BYTES_MAX`].
    TooLong,
    /// This parameter is needed.
    Missing(&'static str),
    /// This parameter stands twice, or after `sig`, or its name is written with `%`.
    Misplaced(&'static str),
    /// This parameter has a value that cannot be read.
    BadValue(&'static str),
    /// No key has the id.
    UnknownKey,
    /// The signature is not that of the text.
    MacFailed,
    /// The signature holds; its key is retired.
    KeyRetired,
    /// The time is over.
    Expired(Moment),
    /// The time has not come.
    NotYet(Moment),
    /// The client is in another network.
    WrongNetwork(IpNet),
    /// The path does not lie under the prefix.
    WrongPath,
}

impl Fault {
    /// What the client is told.
    pub const fn refusal(self) -> Refusal {
        match self {
            Self::NoSignature => Refusal::NoProof,
            Self::TooLong | Self::Missing(_) | Self::Misplaced(_) | Self::BadValue(_) | Self::UnknownKey | Self::MacFailed => {
                Refusal::BadProof
            }
            Self::KeyRetired => Refusal::KeyRetired,
            Self::Expired(_) => Refusal::Expired,
            Self::NotYet(_) => Refusal::NotYetValid,
            Self::WrongNetwork(_) => Refusal::WrongNetwork,
            Self::WrongPath => Refusal::WrongPath,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSignature => f.write_str("the query has no `sig`"),
            Self::TooLong => write!(f, "the query is longer than {QUERY_BYTES_MAX} bytes"),
            Self::Missing(name) => write!(f, "`{name}` is missing before `sig`"),
            Self::Misplaced(name) => write!(f, "`{name}` must stand once, before `sig`, and its name without `%`"),
            Self::BadValue(name) => write!(f, "the value of `{name}` cannot be read"),
            Self::UnknownKey => f.write_str("no key has the id that `kid` names"),
            Self::MacFailed => f.write_str("the signature is not that of this site, path and query under this key"),
            Self::KeyRetired => f.write_str("the signature holds, but its key is retired"),
            Self::Expired(at) => write!(f, "it expired at {at}"),
            Self::NotYet(at) => write!(f, "it does not hold before {at}"),
            Self::WrongNetwork(network) => write!(f, "the client is not in {network}"),
            Self::WrongPath => f.write_str("the path does not lie under `prefix`"),
        }
    }
}

/// The text that is signed.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    site: &'a str,
    path: &'a str,
    query: &'a str,
}

impl Text<'_> {
    fn mac(self, key: &SigningKey) -> impl hmac::Mac {
        let mut mac = key.signed_url();
        for part in ["cloakroom-1\n", self.site, "\n", self.path, "?", self.query] {
            mac.update(part.as_bytes());
        }
        mac
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cloakroom-1\n{}\n{}?{}", self.site, self.path, self.query)
    }
}

/// Whether a query has a `sig`, good or bad.
pub fn is_brought(query: Option<&str>) -> bool {
    pairs(query.unwrap_or_default()).any(|pair| pair.name == "sig")
}

/// Checks the signed URL `path?query` that `client` brings to `site`; `site` has no line break.
pub fn open(site: &str, path: &CanonicalPath, query: Option<&str>, client: IpAddr, keys: &KeyRing, now: Moment) -> Result<Claim, Refusal> {
    open_traced(site, path, query, client, keys, now, &mut |_| {})
}

/// [`open`], telling each step as it is taken.
pub fn open_traced(
    site: &str,
    path: &CanonicalPath,
    query: Option<&str>,
    client: IpAddr,
    keys: &KeyRing,
    now: Moment,
    trace: &mut dyn FnMut(Step<'_>),
) -> Result<Claim, Refusal> {
    let opened = Signed::split(query.unwrap_or_default())
        .and_then(|signed| signed.check_mac(site, path, keys, trace))
        .and_then(|held| held.check_terms(path, client.to_canonical(), now, trace));
    opened.map_err(|fault| {
        trace(Step::Failed(fault));
        fault.refusal()
    })
}

/// A query taken apart at its first `sig`. Nothing in it is believed yet.
struct Signed<'a> {
    before: &'a str,
    signature: &'a str,
    after: &'a str,
}

/// A query of which the signature held.
struct Held<'a> {
    before: &'a str,
    after: &'a str,
    key: &'a str,
    prefix: Option<CanonicalPath>,
}

impl<'a> Signed<'a> {
    fn split(query: &'a str) -> Result<Self, Fault> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(Fault::TooLong);
        }
        let signature = pairs(query).find(|pair| pair.name == "sig").ok_or(Fault::NoSignature)?;
        // No `&` before it: then it is the first, and there is no text to sign.
        let before = query.get(..signature.at.saturating_sub(1)).unwrap_or_default();
        let after = query.get(signature.end..).unwrap_or_default();
        Ok(Self { before, signature: signature.value, after })
    }

    /// Reads what tells which key and which text, and nothing else, then checks the signature.
    fn check_mac(self, site: &str, path: &CanonicalPath, keys: &KeyRing, trace: &mut dyn FnMut(Step<'_>)) -> Result<Held<'a>, Fault> {
        let id = once(self.before, "kid")?.ok_or(Fault::Missing("kid"))?;
        if !is_key_id(id) {
            return Err(Fault::BadValue("kid"));
        }
        trace(Step::KeyNamed(id));
        let (key, purpose) = keys.find(id).ok_or(Fault::UnknownKey)?;
        trace(Step::KeyKnown(purpose));
        let prefix = match once(self.before, "prefix")? {
            Some(value) => Some(path_of(value).ok_or(Fault::BadValue("prefix"))?),
            None => None,
        };
        let text = Text { site, path: prefix.as_ref().unwrap_or(path).encoded(), query: self.before };
        trace(Step::Text(text));
        let tag = signature_of(self.signature).ok_or(Fault::BadValue("sig"))?;
        text.mac(key).verify_slice(&tag).map_err(|_| Fault::MacFailed)?;
        trace(Step::MacHeld);
        match purpose {
            Purpose::Sign | Purpose::Accept => Ok(Held { before: self.before, after: self.after, key: id, prefix }),
            Purpose::Retired => Err(Fault::KeyRetired),
        }
    }
}

impl Held<'_> {
    fn check_terms(self, path: &CanonicalPath, client: IpAddr, now: Moment, trace: &mut dyn FnMut(Step<'_>)) -> Result<Claim, Fault> {
        if let Some(name) = pairs(self.after).find_map(|pair| known(&pair)) {
            return Err(Fault::Misplaced(name));
        }
        let seconds = |name| read(self.before, name, |value| number(value).map(Moment::from_seconds));
        let expires = seconds("exp")?.ok_or(Fault::Missing("exp"))?;
        let not_before = seconds("nbf")?;
        let network = read(self.before, "net", |value| network_of(&decode(value)?))?;
        let name = read(self.before, "name", |value| decode(value).filter(|name| !name.is_empty()))?;
        let rate = read(self.before, "rate", |value| number(value).and_then(std::num::NonZeroU64::new).map(Rate))?;
        let passed_on = passed_on(self.before)?;

        if expires <= now {
            return Err(Fault::Expired(expires));
        }
        if let Some(not_before) = not_before.filter(|not_before| *not_before > now) {
            return Err(Fault::NotYet(not_before));
        }
        trace(Step::InTime { not_before, expires });
        if let Some(network) = network.filter(|network| !network.contains(&client)) {
            return Err(Fault::WrongNetwork(network));
        }
        trace(Step::InNetwork(network));
        if self.prefix.as_ref().is_some_and(|prefix| path.below(prefix).is_none()) {
            return Err(Fault::WrongPath);
        }
        trace(Step::PathOpened);
        Ok(Claim { key: self.key.to_owned(), expires, name, rate, passed_on })
    }
}

/// The value of `name`, which stands at most once.
fn once<'a>(query: &'a str, name: &'static str) -> Result<Option<&'a str>, Fault> {
    let mut found = pairs(query).filter(|pair| pair.name == name);
    let first = found.next();
    if found.next().is_some() { Err(Fault::Misplaced(name)) } else { Ok(first.map(|pair| pair.value)) }
}

fn read<T>(query: &str, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Fault> {
    once(query, name)?.map(|value| parse(value).ok_or(Fault::BadValue(name))).transpose()
}

/// The known parameter that this is, even if its name is written with `%`.
fn known(pair: &Pair<'_>) -> Option<&'static str> {
    let name = decode(pair.name)?;
    KNOWN.into_iter().find(|known| *known == name)
}

fn passed_on(query: &str) -> Result<String, Fault> {
    let mut passed = String::new();
    for pair in pairs(query) {
        match known(&pair) {
            Some(name) if name != pair.name => return Err(Fault::Misplaced(name)),
            Some(_) => {}
            None => {
                if !passed.is_empty() {
                    passed.push('&');
                }
                passed.push_str(pair.whole);
            }
        }
    }
    Ok(passed)
}

/// Exactly 32 bytes in the one spelling that base64url has for them.
fn signature_of(text: &str) -> Option<[u8; 32]> {
    // The length first: what is too long is not decoded.
    (text.len() == 43).then(|| URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()).flatten()
}

/// A network, or one address.
pub(super) fn network_of(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: IpAddr| IpNet::from(address)))
}

fn path_of(value: &str) -> Option<CanonicalPath> {
    CanonicalPath::of_decoded(&decode(value)?).ok()
}

/// Signs `path` for `site` and gives `path?query`. Where `terms` have a prefix, any other path under it may be put in
/// its place.
pub fn sign(site: &str, path: &CanonicalPath, terms: &Terms, key: &SigningKey) -> String {
    use std::fmt::Write as _;

    let mut query = format!("kid={}&exp={}", key.id(), terms.expires.seconds());
    let mut add = |name: &str, value: &dyn fmt::Display| {
        // Writing into a string cannot fail.
        let _ = write!(query, "&{name}={value}");
    };
    if let Some(not_before) = terms.not_before {
        add("nbf", &not_before.seconds());
    }
    if let Some(network) = terms.network {
        add("net", &network);
    }
    if let Some(prefix) = &terms.prefix {
        add("prefix", prefix);
    }
    if let Some(name) = terms.name.as_deref().filter(|name| !name.is_empty()) {
        let end = name.floor_char_boundary(NAME_BYTES_MAX);
        add("name", &percent_encode(name.get(..end).unwrap_or_default(), b""));
    }
    if let Some(Rate(rate)) = terms.rate {
        add("rate", &rate);
    }
    let text = Text { site, path: terms.prefix.as_ref().unwrap_or(path).encoded(), query: &query };
    let signature = URL_SAFE_NO_PAD.encode(text.mac(key).finalize().into_bytes());
    format!("{}?{query}&sig={signature}", path.encoded())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vector_is_minted_and_opened() {
        let key = SigningKey::from_base64("main", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").expect("a key");
        let path = CanonicalPath::parse("/members/a%20b.zip").expect("a path");
        let url = sign("shop.example", &path, &Terms::until(Moment::from_seconds(1_900_000_000)), &key);
        assert_eq!(url, "/members/a%20b.zip?kid=main&exp=1900000000&sig=9_RSL_9blY-Edt3lMZ5EPo6fjxkMcDxbnkAu9O1GWyI");
        let (_, query) = url.split_once('?').expect("a query");
        let keys = KeyRing::new([(key, Purpose::Sign)]);
        let client = IpAddr::from([192, 0, 2, 1]);
        let claim = open("shop.example", &path, Some(query), client, &keys, Moment::from_seconds(1_800_000_000)).expect("a claim");
        assert_eq!((claim.key(), claim.expires().seconds(), claim.passed_on()), ("main", 1_900_000_000, ""));
        assert_eq!((claim.name(), claim.rate()), (None, None));
    }
}
