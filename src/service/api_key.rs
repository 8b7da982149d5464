//! Keys of the API: made, listed, revoked, and known again when one is brought.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use zeroize::Zeroizing;

use super::site::Site;
use crate::auth::lockout::{Begun, Guess};
use crate::clock;
use crate::domain::api_key::{ApiKey, KeyName, Scopes, Shut};
use crate::domain::authorization::Login;
use crate::domain::id::ApiKeyId;
use crate::domain::moment::{Moment, Span};
use crate::domain::order::ShopName;
use crate::proof::api_key::KeyText;
use crate::random;
use crate::store::{API_KEYS_MAX, Down, KeyAdded};

/// What key to make.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What it is called.
    pub name: KeyName,
    /// What it may do.
    pub scopes: Scopes,
    /// The only shop whose orders it may report and see.
    pub shop: Option<ShopName>,
    /// From when on it opens nothing.
    pub expires: Option<Moment>,
    /// From where alone it opens anything.
    pub networks: Vec<IpNet>,
}

/// Why no key was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMade {
    /// A key that is good has the name.
    NameTaken(KeyName),
    /// There are too many.
    Full,
    /// The store does not answer.
    Down(Down),
}

impl fmt::Display for NotMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken(name) => {
                write!(f, "there is a key `{name}`: take another name, or revoke that one (`cloakroom apikey list` shows its id)")
            }
            Self::Full => write!(f, "there are {API_KEYS_MAX} keys, those that were revoked included, and no more are kept"),
            Self::Down(down) => write!(f, "{down}"),
        }
    }
}

/// Makes a key. Its text is told here and never again.
pub async fn make(site: &Site, new: NewKey, author: String) -> Result<(ApiKey, KeyText), NotMade> {
    let NewKey { name, scopes, shop, expires, networks } = new;
    let text = KeyText::new(random::bytes());
    let key = ApiKey {
        id: ApiKeyId::new(random::bytes()),
        name,
        digest: text.digest(),
        scopes,
        shop,
        created: clock::now(),
        author,
        used: None,
        revoked: None,
        expires,
        networks,
    };
    match site.callers.add_api_key(key.clone()).await.map_err(NotMade::Down)? {
        KeyAdded::Added => {}
        KeyAdded::NameTaken => return Err(NotMade::NameTaken(key.name)),
        KeyAdded::Full => return Err(NotMade::Full),
    }
    tracing::info!(event = "api_key_made", key = %key.id, name = %key.name, scopes = %key.scopes, author = key.author);
    Ok((key, text))
}

/// Revokes a key for good, and gives it as it is then and whether it was good before; `None` when it is not known.
pub async fn revoke(site: &Site, id: ApiKeyId, author: &str) -> Result<Option<(ApiKey, bool)>, Down> {
    let now = clock::now();
    let Some(before) = site.callers.revoke_api_key(id, now).await? else { return Ok(None) };
    let changed = before.revoked.is_none();
    if changed {
        tracing::info!(event = "api_key_revoked", key = %id, name = %before.name, author);
    }
    Ok(Some((ApiKey { revoked: before.revoked.or(Some(now)), ..before }, changed)))
}

/// Why a key that was brought opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKnown {
    /// It is no key that was made here, or one that [opens nothing](ApiKey::check): which of it is for the log alone.
    Wrong,
    /// The same, too often from this network: so long it is told nothing else.
    Locked(Span),
    /// The store does not answer.
    Down(Down),
}

impl From<Down> for NotKnown {
    fn from(down: Down) -> Self {
        Self::Down(down)
    }
}

/// The key whose text was brought from `from`, or over a unix socket. One that is right is never held up by others that are
/// wrong: with 160 bits there is nothing to guess, and what is bounded is the noise.
pub async fn known(site: &Site, brought: &str, from: Option<IpAddr>, now: Moment) -> Result<ApiKey, NotKnown> {
    // What no key looks like is not worth a look into the store.
    let Some(text) = KeyText::parse(brought) else { return Err(wrong(site, brought, from, None, now)) };
    let keys = site.callers.api_keys().await?;
    let Some(key) = text.find(&keys) else { return Err(wrong(site, brought, from, None, now)) };
    if let Err(shut) = key.check(from, now) {
        return Err(wrong(site, brought, from, Some((key.id, shut)), now));
    }
    if let Some(day) = key.new_day(now) {
        // That it was used is worth no refusal.
        let _ = site.callers.use_api_key(key.id, day).await;
    }
    Ok(key.clone())
}

/// Counts a key that opens nothing, and tells it in the log: each once, and not more of one network than the lock-out lets by.
fn wrong(site: &Site, brought: &str, from: Option<IpAddr>, shut: Option<(ApiKeyId, Shut)>, now: Moment) -> NotKnown {
    let key = shut.map(|(id, _)| tracing::field::display(id));
    let why = shut.map_or("unknown", |(_, shut)| shut.word());
    let Some(client) = from else {
        tracing::warn!(event = "api_key_wrong", why, key, "a key of the API was brought over a unix socket, and opens nothing");
        return NotKnown::Wrong;
    };
    let desk = &site.logins.desk;
    let login = Login { user: String::new(), password: Zeroizing::new(brought.as_bytes().to_vec()) };
    let guess = Guess { file: b"keys of the API", generation: &[0; 32], login: &login, client };
    match desk.api_keys.begin(&desk.secret, &guess, now) {
        Err(lock) => NotKnown::Locked(lock.lasts),
        Ok(Begun::Wrong) => NotKnown::Wrong,
        Ok(Begun::Try(attempt)) => {
            attempt.ended(false);
            tracing::warn!(event = "api_key_wrong", %client, why, key, "a key of the API was brought that opens nothing");
            NotKnown::Wrong
        }
    }
}
