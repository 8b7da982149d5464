//! Calls about keys of the API.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::author::Author;
use super::problem::{self, Problem};
use super::view::{ApiKeyView, NewApiKeyView, RevokedApiKey};
use super::wording::{self, Edge};
use crate::clock;
use crate::domain::api_key::{ApiKey, KeyName, NotAScope, Scope, Scopes};
use crate::domain::id::ApiKeyId;
use crate::domain::order::ShopName;
use crate::service::api_key::{self, NotMade};
use crate::service::site::Site;

/// What key to make.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// What it is called: lower-case letters, digits and `-`, 1 to 32 of them, a letter first.
    #[schema(pattern = "^[a-z][a-z0-9-]{0,31}$")]
    pub name: String,
    /// What it may do: one or more of read, grants, orders, catalogue, admin.
    #[schema(min_items = 1, max_items = 16)]
    pub scopes: Vec<String>,
    /// The only shop whose orders it may report and see.
    #[serde(default)]
    pub shop: Option<String>,
    /// Until when it opens: a date, which is in, or a time (RFC 3339); until it is revoked if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// From where alone it opens: networks such as 10.0.0.0/8, or addresses; from anywhere if not said. Over a unix socket it opens
    /// in any case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 16)]
    pub networks: Vec<String>,
}

/// Reads a network; an address is the network of it alone.
fn network(text: &str) -> Result<IpNet, Problem> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let wrong = || Problem::of_body("networks", format_args!("`{text}` must be a network such as 10.0.0.0/8, or an address"));
    // Callers are known by IPv4 addresses as such, however the system writes them.
    let plain = network.filter(|network| !matches!(network, IpNet::V6(v6) if v6.network().to_ipv4_mapped().is_some()));
    plain.map(|network| network.trunc()).ok_or_else(wrong)
}

pub(super) async fn add(
    State(site): State<Arc<Site>>,
    Author(author): Author,
    body: Result<Json<NewApiKey>, JsonRejection>,
) -> Result<Json<NewApiKeyView>, Problem> {
    let NewApiKey { name, scopes, shop, expires, networks } = problem::body(body)?;
    let plain = "must be lower-case letters, digits and `-`, 1 to 32 of them, a letter first";
    let name = KeyName::parse(&name).ok_or_else(|| Problem::of_body("name", format_args!("`{name}` {plain}")))?;
    let scopes: Vec<Scope> = scopes.iter().map(|scope| problem::read_field("scopes", scope)).collect::<Result<_, _>>()?;
    let scopes = Scopes::new(scopes).ok_or_else(|| Problem::of_body("scopes", NotAScope))?;
    let shop =
        shop.map(|shop| ShopName::parse(&shop).ok_or_else(|| Problem::of_body("shop", format_args!("`{shop}` {plain}")))).transpose()?;
    if shop.is_some() && [Scope::Grants, Scope::Catalogue, Scope::Admin].into_iter().any(|scope| scopes.allow(scope)) {
        return Err(Problem::of_body("scopes", "must be `orders`, `read` or both for a key that is for orders of one shop only"));
    }
    let expires = expires.map(|text| {
        let wrong = |why: String| Problem::of_body("expires", format_args!("`{text}` {why}"));
        let expires = wording::moment(&text, Edge::Ends).map_err(wrong)?;
        if expires > clock::now() { Ok(expires) } else { Err(wrong("must be later than now".to_owned())) }
    });
    if networks.len() > ApiKey::NETWORKS_MAX {
        return Err(Problem::of_body("networks", format_args!("there must be at most {} of them", ApiKey::NETWORKS_MAX)));
    }
    let networks = networks.iter().map(|text| network(text)).collect::<Result<_, _>>()?;
    let new = api_key::NewKey { name, scopes, shop, expires: expires.transpose()?, networks };
    let (key, text) = api_key::make(&site, new, author).await.map_err(|fault| match fault {
        NotMade::NameTaken(_) => Problem::conflict(fault.to_string()).in_body("name", fault),
        NotMade::Full => Problem::conflict(fault.to_string()),
        NotMade::Down(down) => Problem::down(down),
    })?;
    Ok(Json(NewApiKeyView { text: text.reveal().to_owned(), key: ApiKeyView::of(&key, clock::now()) }))
}

pub(super) async fn list(State(site): State<Arc<Site>>) -> Result<Json<Vec<ApiKeyView>>, Problem> {
    let now = clock::now();
    Ok(Json(site.callers.api_keys().await?.iter().map(|key| ApiKeyView::of(key, now)).collect()))
}

pub(super) async fn revoke(
    State(site): State<Arc<Site>>,
    id: Result<Path<String>, PathRejection>,
    Author(author): Author,
) -> Result<Json<RevokedApiKey>, Problem> {
    let id: ApiKeyId = problem::read_name(id)?;
    let revoked = api_key::revoke(&site, id, &author).await?;
    let (key, changed) =
        revoked.ok_or_else(|| Problem::unknown("there is no such key: `cloakroom apikey list` shows those that there are"))?;
    Ok(Json(RevokedApiKey { key: ApiKeyView::of(&key, clock::now()), changed }))
}
