//! Calls about keys of the API.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::author::Author;
use super::problem::{self, Problem};
use super::view::{ApiKeyView, NewApiKeyView, RevokedApiKey};
use crate::domain::api_key::{KeyName, NotAScope, Scope, Scopes};
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
}

pub(super) async fn add(
    State(site): State<Arc<Site>>,
    Author(author): Author,
    body: Result<Json<NewApiKey>, JsonRejection>,
) -> Result<Json<NewApiKeyView>, Problem> {
    let NewApiKey { name, scopes, shop } = problem::body(body)?;
    let plain = "must be lower-case letters, digits and `-`, 1 to 32 of them, a letter first";
    let name = KeyName::parse(&name).ok_or_else(|| Problem::of_body("name", format_args!("`{name}` {plain}")))?;
    let scopes: Vec<Scope> = scopes.iter().map(|scope| problem::read_field("scopes", scope)).collect::<Result<_, _>>()?;
    let scopes = Scopes::new(scopes).ok_or_else(|| Problem::of_body("scopes", NotAScope))?;
    let shop =
        shop.map(|shop| ShopName::parse(&shop).ok_or_else(|| Problem::of_body("shop", format_args!("`{shop}` {plain}")))).transpose()?;
    if shop.is_some() && [Scope::Grants, Scope::Catalogue, Scope::Admin].into_iter().any(|scope| scopes.allow(scope)) {
        return Err(Problem::of_body("scopes", "must be `orders`, `read` or both for a key that is for orders of one shop only"));
    }
    let new = api_key::NewKey { name, scopes, shop };
    let (key, text) = api_key::make(&site, new, author).await.map_err(|fault| match fault {
        NotMade::NameTaken(_) => Problem::conflict(fault.to_string()).in_body("name", fault),
        NotMade::Full => Problem::conflict(fault.to_string()),
        NotMade::Down(down) => Problem::down(down),
    })?;
    Ok(Json(NewApiKeyView { text: text.reveal().to_owned(), key: ApiKeyView::of(&key) }))
}

pub(super) async fn list(State(site): State<Arc<Site>>) -> Result<Json<Vec<ApiKeyView>>, Problem> {
    Ok(Json(site.callers.api_keys().await?.iter().map(ApiKeyView::of).collect()))
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
    Ok(Json(RevokedApiKey { key: ApiKeyView::of(&key), changed }))
}
