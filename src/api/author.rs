//! Who calls, as the history of a grant keeps it; and where the ids of what is made come from.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::USER_AGENT;
use http::request::Parts;

use super::bearer::Brought;
use crate::service::caller::Caller;
use crate::service::repeated::Ids;

/// `anna (cloakroom grant extend)`, or `shop-php (api key k-…)`.
pub(super) struct Author(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Author {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        if let Some(Brought(key)) = parts.extensions.get::<Brought>() {
            return Ok(Self(format!("{} (api key {})", key.name, key.id)));
        }
        let caller = parts.extensions.get::<Caller>().copied().unwrap_or_default();
        let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        Ok(Self(caller.in_words(agent)))
    }
}

/// Where the ids of what a call makes come from.
#[derive(Clone, Copy)]
pub(super) struct Made(pub(super) Ids);

impl<S: Send + Sync> FromRequestParts<S> for Made {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or(Self(Ids::Random)))
    }
}
