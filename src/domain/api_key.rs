//! Keys with which programs call the API. The text of a key is a secret that is shown once; what is kept is its digest.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::id::ApiKeyId;
use super::moment::{Moment, Span};
use super::order::ShopName;
use super::section_name::section_name;

section_name!(
    /// What a key is called, as the history of a grant shows it: the program or the shop that has it.
    KeyName
);

/// What a call may do. Each call of the API needs one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Look at everything but passwords.
    Read,
    /// Make and change grants and links.
    Grants,
    /// Report orders and what becomes of them.
    Orders,
    /// Change files, products and policies.
    Catalogue,
    /// Everything: sweep, rotate, reports of the web server, keys of the API, and what the others may.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Read, Self::Grants, Self::Orders, Self::Catalogue, Self::Admin];

    /// The word of commands and of the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Grants => "grants",
            Self::Orders => "orders",
            Self::Catalogue => "catalogue",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A text that is no [`Scope`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAScope;

impl fmt::Display for NotAScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Scope::ALL.map(Scope::word);
        write!(f, "must be a scope: {}", words.join(", "))
    }
}

impl std::error::Error for NotAScope {}

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        Self::ALL.into_iter().find(|scope| scope.word() == text).ok_or(NotAScope)
    }
}

/// What a key may do: one scope at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// These; `None` where there is none.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Option<Self> {
        let scopes: BTreeSet<Scope> = scopes.into_iter().collect();
        (!scopes.is_empty()).then_some(Self(scopes))
    }

    /// Whether they are enough for a call that needs `needed`.
    pub fn allow(&self, needed: Scope) -> bool {
        self.0.contains(&needed) || self.0.contains(&Scope::Admin)
    }

    /// Their words.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|scope| scope.word())
    }
}

/// `grants read`.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join(" "))
    }
}

impl FromStr for Scopes {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        let scopes: Vec<Scope> = text.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        Self::new(scopes).ok_or(NotAScope)
    }
}

/// SHA-256 of the text of a key. The text has 160 random bits, so that nobody finds it by trying; still it is nobody's to see.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyDigest([u8; Self::BYTES]);

impl KeyDigest {
    /// Bytes in it.
    pub const BYTES: usize = 32;

    /// The digest with these bytes.
    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(hidden)")
    }
}

/// A key of the API, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Names it.
    pub id: ApiKeyId,
    /// What it is called.
    pub name: KeyName,
    /// What its text is known by.
    pub digest: KeyDigest,
    /// What it may do.
    pub scopes: Scopes,
    /// The only shop whose orders it may report and see, where it is bound to one.
    pub shop: Option<ShopName>,
    /// When it was made.
    pub created: Moment,
    /// Who made it, in words.
    pub author: String,
    /// The beginning of the day (UTC) on which it was last used.
    pub used: Option<Moment>,
    /// When it was revoked.
    pub revoked: Option<Moment>,
    /// From when on it opens nothing; `None` is never.
    pub expires: Option<Moment>,
    /// From where alone it opens anything, where that is said. Over a unix socket of this machine it opens in any case.
    pub networks: Vec<IpNet>,
}

/// Why a key that is known opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// It was revoked.
    Revoked,
    /// Its time is over.
    Expired,
    /// It is for other networks.
    Elsewhere,
}

impl Shut {
    /// Its word in the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Elsewhere => "wrong_network",
        }
    }
}

impl ApiKey {
    /// A key is for so many networks at most.
    pub const NETWORKS_MAX: usize = 16;

    /// Whether it opens anything at `now` for who comes from `from`; `None` is this machine, over a unix socket.
    pub fn check(&self, from: Option<IpAddr>, now: Moment) -> Result<(), Shut> {
        let from = from.map(|address| address.to_canonical());
        let is_near = self.networks.is_empty() || from.is_none_or(|from| self.networks.iter().any(|network| network.contains(&from)));
        match (self.revoked, self.expires) {
            (Some(_), _) => Err(Shut::Revoked),
            (None, Some(expires)) if expires <= now => Err(Shut::Expired),
            (None, _) if !is_near => Err(Shut::Elsewhere),
            (None, _) => Ok(()),
        }
    }

    /// Whether no other key may have its name at `now`.
    pub fn has_name(&self, name: &KeyName, now: Moment) -> bool {
        self.name == *name && self.check(None, now).is_ok()
    }

    /// What is to be remembered of a use at `now`: the beginning of that day, where nothing of that day is remembered yet.
    pub fn new_day(&self, now: Moment) -> Option<Moment> {
        let day = day_of(now);
        (self.used != Some(day)).then_some(day)
    }
}

/// The beginning of the day of `now`, UTC.
fn day_of(now: Moment) -> Moment {
    let day = Span::from_days(1).millis();
    Moment::from_millis(now.millis() / day * day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_back_from_their_words_and_admin_has_the_others() {
        for (text, shown, allowed) in [
            ("read", "read", &[Scope::Read][..]),
            ("orders grants", "grants orders", &[Scope::Grants, Scope::Orders]),
            ("read read", "read", &[Scope::Read]),
            ("admin", "admin", &Scope::ALL),
        ] {
            let scopes: Scopes = text.parse().expect(text);
            assert_eq!(scopes.to_string(), shown);
            assert_eq!(Scope::ALL.into_iter().filter(|scope| scopes.allow(*scope)).collect::<Vec<_>>(), allowed, "{text}");
        }
        for bad in ["", " ", "Read", "read,grants", "write", "read write"] {
            assert_eq!(bad.parse::<Scopes>(), Err(NotAScope), "{bad:?}");
        }
        assert!(NotAScope.to_string().contains("catalogue"));
    }

    fn key(used: Option<Moment>) -> ApiKey {
        ApiKey {
            id: ApiKeyId::new([1; 12]),
            name: KeyName::parse("shop-php").expect("a name"),
            digest: KeyDigest::new([7; 32]),
            scopes: Scopes::new([Scope::Read]).expect("scopes"),
            shop: None,
            created: Moment::EPOCH,
            author: String::new(),
            used,
            revoked: None,
            expires: None,
            networks: Vec::new(),
        }
    }

    #[test]
    fn a_key_opens_until_its_time_is_over_and_from_where_it_is_for() {
        let good = ApiKey { networks: ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().expect("a network")).to_vec(), ..key(None) };
        let over = ApiKey { expires: Some(Moment::from_seconds(100)), ..good.clone() };
        let gone = ApiKey { revoked: Some(Moment::EPOCH), ..over.clone() };
        for (key, from, now, outcome) in [
            (&good, Some("10.1.2.3"), 99, Ok(())),
            (&good, Some("::ffff:10.1.2.3"), 99, Ok(())),
            (&good, Some("2001:db8::7"), 99, Ok(())),
            (&good, None, 99, Ok(())),
            (&good, Some("11.1.2.3"), 99, Err(Shut::Elsewhere)),
            (&good, Some("::1"), 99, Err(Shut::Elsewhere)),
            (&key(None), Some("11.1.2.3"), 99, Ok(())),
            (&over, Some("10.1.2.3"), 99, Ok(())),
            (&over, Some("10.1.2.3"), 100, Err(Shut::Expired)),
            (&over, None, 100, Err(Shut::Expired)),
            (&over, Some("11.1.2.3"), 100, Err(Shut::Expired)),
            (&gone, Some("10.1.2.3"), 100, Err(Shut::Revoked)),
        ] {
            let from: Option<IpAddr> = from.map(|text| text.parse().expect("an address"));
            assert_eq!(key.check(from, Moment::from_seconds(now)), outcome, "{from:?} {now}");
            assert_eq!(key.has_name(&key.name, Moment::from_seconds(now)), matches!(outcome, Ok(()) | Err(Shut::Elsewhere)));
        }
    }

    #[test]
    fn a_key_is_used_once_a_day() {
        let at = |text: &str| Moment::from_seconds(text.parse().expect("a number"));
        for (used, now, day) in [
            (None, "86399", Some("0")),
            (Some("0"), "86399", None),
            (Some("0"), "86400", Some("86400")),
            (Some("86400"), "172799", None),
            // A clock that was set back.
            (Some("86400"), "7", Some("0")),
        ] {
            assert_eq!(key(used.map(at)).new_day(at(now)), day.map(at), "{used:?} {now}");
        }
        let text = format!("{:?}", key(None));
        assert!(text.contains("shop-php") && text.contains("hidden") && !text.contains('7'), "{text}");
    }
}
