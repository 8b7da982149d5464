//! Keys of the API.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::api_key::{ApiKey, Shut};
use crate::domain::moment::Moment;

/// A key of the API, without its text.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyView {
    /// `k-…`.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it may do: read, grants, orders, catalogue, admin.
    pub scopes: Vec<String>,
    /// The only shop whose orders it may report and see; `null` is any.
    pub shop: Option<String>,
    /// good, revoked or expired.
    pub state: String,
    /// When it was made.
    pub created: String,
    /// Who made it, and with what.
    pub author: String,
    /// The day on which it was last used, UTC: `2027-01-31`; `null` is never.
    pub used: Option<String>,
    /// When it was revoked.
    pub revoked: Option<String>,
    /// From when on it opens nothing; `null` is never.
    pub expires: Option<String>,
    /// From where alone it opens anything; empty is anywhere.
    pub networks: Vec<String>,
}

impl ApiKeyView {
    pub(in crate::api) fn of(key: &ApiKey, now: Moment) -> Self {
        let ApiKey { id, name, digest: _, scopes, shop, created, author, used, revoked, expires, networks } = key;
        let day = |used: String| used.split_once('T').map_or_else(|| used.clone(), |(day, _)| day.to_owned());
        Self {
            id: id.to_string(),
            name: name.to_string(),
            scopes: scopes.words().map(str::to_owned).collect(),
            shop: shop.as_ref().map(ToString::to_string),
            state: key.check(None, now).map_or_else(Shut::word, |()| "good").to_owned(),
            created: created.to_string(),
            author: author.clone(),
            used: used.map(|used| day(used.to_string())),
            revoked: revoked.map(|revoked| revoked.to_string()),
            expires: expires.map(|expires| expires.to_string()),
            networks: networks.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A key that was made. Its text is answered once, and not printed.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct NewApiKeyView {
    /// Its text, `cr_…`: whoever has it may do what it may. It is kept nowhere, and told never again.
    pub text: String,
    /// The key.
    pub key: ApiKeyView,
}

impl fmt::Debug for NewApiKeyView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewApiKeyView").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What became of a key that was to be revoked.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RevokedApiKey {
    /// The key.
    pub key: ApiKeyView,
    /// Whether it was good before.
    pub changed: bool,
}
