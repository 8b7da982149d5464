//! Keys of the API, as they are written down.

use serde::{Deserialize, Serialize};

use super::{Unreadable, Written};
use crate::domain::api_key::{ApiKey, KeyDigest, KeyName, NotAScope};
use crate::domain::checksum::Checksum;
use crate::domain::moment::Moment;
use crate::domain::order::ShopName;

/// 64 hexadecimal digits.
impl Written for KeyDigest {
    fn written(&self) -> String {
        Checksum::new(*self.bytes()).to_string()
    }
    fn read(text: &str, field: &'static str) -> Result<Self, Unreadable> {
        // What stands there in its place may be a key.
        let sum: Checksum = text.parse().map_err(|_| Unreadable::new(field, "what is no digest"))?;
        Ok(Self::new(*sum.bytes()))
    }
}

/// A key of the API, without its text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyRecord {
    id: String,
    name: String,
    digest: String,
    scopes: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shop: Option<String>,
    created: u64,
    author: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    networks: Vec<String>,
}

/// Without the digest.
impl std::fmt::Debug for ApiKeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKeyRecord").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

impl From<&ApiKey> for ApiKeyRecord {
    fn from(key: &ApiKey) -> Self {
        let ApiKey { id, name, digest, scopes, shop, created, author, used, revoked, expires, networks } = key;
        Self {
            id: id.written(),
            name: name.as_str().to_owned(),
            digest: digest.written(),
            scopes: scopes.to_string(),
            shop: shop.as_ref().map(ToString::to_string),
            created: created.millis(),
            author: author.clone(),
            used: used.map(Moment::millis),
            revoked: revoked.map(Moment::millis),
            expires: expires.map(Moment::millis),
            networks: networks.iter().map(Written::written).collect(),
        }
    }
}

impl TryFrom<ApiKeyRecord> for ApiKey {
    type Error = Unreadable;

    fn try_from(record: ApiKeyRecord) -> Result<Self, Unreadable> {
        let ApiKeyRecord { id, name, digest, scopes, shop, created, author, used, revoked, expires, networks } = record;
        Ok(Self {
            id: Written::read(&id, "id")?,
            name: KeyName::parse(&name).ok_or_else(|| Unreadable::new("name", &name))?,
            digest: Written::read(&digest, "digest")?,
            scopes: scopes.parse().map_err(|_: NotAScope| Unreadable::new("scopes", &scopes))?,
            shop: shop.map(|shop| ShopName::parse(&shop).ok_or_else(|| Unreadable::new("shop", &shop))).transpose()?,
            created: Moment::from_millis(created),
            author,
            used: used.map(Moment::from_millis),
            revoked: revoked.map(Moment::from_millis),
            expires: expires.map(Moment::from_millis),
            networks: networks.iter().map(|network| Written::read(network, "networks")).collect::<Result<_, _>>()?,
        })
    }
}
