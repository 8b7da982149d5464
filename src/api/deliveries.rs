//! Calls about deliveries.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use http::Uri;
use serde::Deserialize;
use utoipa::IntoParams;

use super::listed::Listed;
use super::problem::{self, Problem};
use super::view::{DeliveryView, ListedDelivery};
use crate::clock;
use crate::domain::id::{DeliveryId, GrantId};
use crate::service::amend::NotAmended;
use crate::service::lying::Lying;
use crate::service::site::Site;
use crate::store::{Filter, LIST_MAX};

/// Why a delivery that was there may be gone.
const FORGOTTEN: &str = "an offer that nobody took up is forgotten after an hour";

/// Which deliveries to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    grant: Option<String>,
    #[serde(default)]
    before: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

pub(super) async fn list(
    State(site): State<Arc<Site>>,
    uri: Uri,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Listed<ListedDelivery>, Problem> {
    let which = problem::query(which)?;
    let grant: Option<GrantId> = which.grant.as_deref().map(|text| problem::read_parameter("grant", text)).transpose()?;
    let before: Option<DeliveryId> = which.before.as_deref().map(|text| problem::read_parameter("before", text)).transpose()?;
    let limit = problem::limit(which.limit, LIST_MAX)?;
    if let Some(grant) = grant
        && site.store.grant(grant).await?.is_none()
    {
        return Err(Problem::unknown(NotAmended::Unknown.to_string()));
    }
    if let Some(before) = before
        && site.store.delivery(before).await?.is_none()
    {
        return Err(Problem::unknown(format!("before: there is no delivery {before}; {FORGOTTEN}")));
    }
    let deliveries = site.store.deliveries(Filter { grant, before, limit }).await?;
    let (mut listed, mut lying) = (Vec::with_capacity(deliveries.len()), Lying::new(&site));
    for delivery in &deliveries {
        if let Some(grant) = site.store.grant(delivery.grant).await? {
            listed.push(ListedDelivery::of(delivery, &lying.of(delivery, &grant).await?));
        }
    }
    Ok(Listed::page(&uri, listed, limit, "before", |delivery| &delivery.id))
}

pub(super) async fn show(State(site): State<Arc<Site>>, id: Result<Path<String>, PathRejection>) -> Result<Json<DeliveryView>, Problem> {
    let id = problem::name(id)?;
    let delivery = if id == "newest" {
        site.store.deliveries(Filter { limit: 1, ..Filter::default() }).await?.into_iter().next()
    } else {
        site.store.delivery(id.parse::<DeliveryId>().map_err(|why| Problem::unreadable(format!("`{id}` {why}")))?).await?
    };
    let unknown = || {
        Problem::unknown(if id == "newest" {
            "there are no deliveries yet: one begins with a click on a link".to_owned()
        } else {
            format!("there is no such delivery: {FORGOTTEN}")
        })
    };
    let delivery = delivery.ok_or_else(unknown)?;
    let grant = site.store.grant(delivery.grant).await?.ok_or_else(unknown)?;
    let at = Lying::new(&site).of(&delivery, &grant).await?;
    Ok(Json(DeliveryView::of(&delivery, (&grant, &at), &site.configuration, clock::now())))
}
