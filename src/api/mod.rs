//! The JSON API on listeners with `serve = "api"`: what the command line talks to.
//!
//! | call | does |
//! |---|---|
//! | `POST /api/v1/links` | makes a grant and its link ([`NewLink`] → [`Issued`]) |
//! | `GET /api/v1/deliveries?grant=&limit=` | the newest deliveries ([`ListedDelivery`]) |
//! | `GET /api/v1/deliveries/{id}` | one delivery with its requests ([`DeliveryView`]); `newest` names the newest |
//! | `POST /api/v1/reports` | settles lines of the web server's report, one a line of the body ([`Handed`]) |
//! | `POST /api/v1/explain` | every step of a decision ([`What`] → [`Explanation`]) |
//!
//! Errors are `application/problem+json` (RFC 9457): [`Problem`].

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};

pub use self::reports::{Handed, LINES_MAX};
pub use self::view::{DeliveryView, GrantView, Issued, ListedDelivery, RangeView, ReportView, RequestView};
use crate::domain::file::{FileRef, StorageName};
use crate::domain::id::{DeliveryId, GrantId, NotAnId};
use crate::domain::path::FilePath;
use crate::domain::policy::Policy;
use crate::domain::units;
use crate::service::explain::{Explanation, explain};
use crate::service::issue::{NotIssued, Order, issue};
use crate::service::site::Site;
use crate::store::{Down, Filter};

pub mod admin;
pub mod health;
mod reports;
mod view;

/// Larger bodies are nobody's order for a link.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// More deliveries are not listed at once.
const LIST_MAX: usize = 1000;

/// What to make a link for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    /// `STORAGE/PATH`.
    pub file: String,
    /// Whom it is for, in the caller's words.
    #[serde(default)]
    pub customer: String,
    /// The policy whose limits are taken where none are given; `default` if none is named.
    #[serde(default)]
    pub policy: Option<String>,
    /// A number, or `unlimited`.
    #[serde(default)]
    pub max_downloads: Option<String>,
    /// A duration such as `30d`, or `unlimited`.
    #[serde(default)]
    pub valid_for: Option<String>,
}

/// What to explain. It may be a URL with a token, and is not printed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct What {
    /// A URL, a path, a support code or a request id.
    pub what: String,
    /// The client's address to assume.
    #[serde(default)]
    pub from: Option<IpAddr>,
}

impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("What").field("from", &self.from).finish_non_exhaustive()
    }
}

/// Which deliveries to list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(default)]
    grant: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

/// Why a call failed (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// The status in words.
    pub title: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status: status.as_u16(), title: status.canonical_reason().unwrap_or("Error").to_owned(), detail: detail.into() }
    }

    fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    fn of_body(rejection: &JsonRejection) -> Self {
        match rejection {
            JsonRejection::MissingJsonContentType(_) => {
                Self::new(rejection.status(), "the body must be JSON, with the header `content-type: application/json`")
            }
            JsonRejection::BytesRejection(_) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(rejection.status(), format!("the body must have at most {BODY_BYTES_MAX} bytes"))
            }
            _ => Self::new(rejection.status(), rejection.body_text()),
        }
    }

    fn down(down: Down) -> Self {
        let text = match down {
            Down::Unreachable => "the store does not answer",
            Down::Full => "the store is full",
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, "application/problem+json")], serde_json::to_vec(&self).unwrap_or_default()).into_response()
    }
}

/// The API of a site.
pub fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/api/v1/links", post(new_link))
        .route("/api/v1/deliveries", get(list_deliveries))
        .route("/api/v1/deliveries/{id}", get(show_delivery))
        .route("/api/v1/reports", post(reports::take))
        .route("/api/v1/explain", post(explain_what))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is no such call; the API begins with /api/v1/"))
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this call takes another method"))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(site)
}

async fn new_link(State(site): State<Arc<Site>>, body: Result<Json<NewLink>, JsonRejection>) -> Result<Json<Issued>, Problem> {
    let Json(wanted) = body.map_err(|rejection| Problem::of_body(&rejection))?;
    let file = file_of(&site, &wanted.file)?;
    let policy = policy_of(&site, &wanted)?;
    let issued = issue(&site, Order { file, customer: wanted.customer, policy }, "api".to_owned()).await.map_err(|fault| match fault {
        NotIssued::Down(down) => Problem::down(down),
        NotIssued::Absent(..) => Problem::new(StatusCode::NOT_FOUND, fault.to_string()),
        NotIssued::Zone(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, fault.to_string()),
        NotIssued::Customer | NotIssued::NoKey => Problem::unreadable(fault.to_string()),
    })?;
    Ok(Json(Issued::of(&issued)))
}

fn file_of(site: &Site, text: &str) -> Result<FileRef, Problem> {
    let fault = || Problem::unreadable(format!("file: `{text}` must be STORAGE/PATH"));
    let (storage, path) = text.split_once('/').ok_or_else(fault)?;
    let known = || {
        let names: Vec<&str> = site.configuration.storages.iter().map(|storage| storage.name.as_str()).collect();
        Problem::unreadable(format!("file: `{storage}` must be the name of a [[storage]] (there are: {})", names.join(", ")))
    };
    let storage = StorageName::parse(storage).filter(|name| site.configuration.storage(name).is_some()).ok_or_else(known)?;
    let path = FilePath::parse(path).map_err(|why| Problem::unreadable(format!("file: `{text}`: {why}")))?;
    Ok(FileRef { storage, path })
}

fn policy_of(site: &Site, wanted: &NewLink) -> Result<Policy, Problem> {
    let name = wanted.policy.as_deref().unwrap_or("default");
    let mut policy = site.configuration.policy(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = site.configuration.policies.iter().map(|(name, _)| name.as_str()).collect();
        Problem::unreadable(format!("policy: there is no [[policy]] named `{name}` (there are: {})", known.join(", ")))
    })?;
    if let Some(text) = &wanted.max_downloads {
        policy.max_downloads = match text.as_str() {
            "unlimited" => None,
            number => {
                Some(number.parse().map_err(|_| Problem::unreadable(format!("max_downloads: `{text}` must be a number or `unlimited`")))?)
            }
        };
    }
    if let Some(text) = &wanted.valid_for {
        policy.valid_for = match text.as_str() {
            "unlimited" => None,
            span => Some(span.parse().map_err(|why: units::Unreadable| Problem::unreadable(format!("valid_for: `{text}`: {why}")))?),
        };
    }
    Ok(policy)
}

async fn list_deliveries(
    State(site): State<Arc<Site>>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Vec<ListedDelivery>>, Problem> {
    let Query(which) = which.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let grant: Option<GrantId> = which
        .grant
        .as_deref()
        .map(|text| text.parse().map_err(|why: NotAnId| Problem::unreadable(format!("grant: `{text}` {why}"))))
        .transpose()?;
    let limit = which.limit.unwrap_or(LIST_MAX);
    if !(1..=LIST_MAX).contains(&limit) {
        return Err(Problem::unreadable(format!("limit: {limit} must be 1 to {LIST_MAX}")));
    }
    let deliveries = site.store.deliveries(Filter { grant, limit }).await.map_err(Problem::down)?;
    let mut listed = Vec::with_capacity(deliveries.len());
    for delivery in &deliveries {
        let grant = site.store.grant(delivery.grant).await.map_err(Problem::down)?;
        if let Some(grant) = grant {
            listed.push(ListedDelivery::of(delivery, &grant));
        }
    }
    Ok(Json(listed))
}

async fn show_delivery(State(site): State<Arc<Site>>, id: Result<Path<String>, PathRejection>) -> Result<Json<DeliveryView>, Problem> {
    let Path(id) = id.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let delivery = if id == "newest" {
        site.store.deliveries(Filter { grant: None, limit: 1 }).await.map_err(Problem::down)?.into_iter().next()
    } else {
        let known: DeliveryId = id.parse().map_err(|why: NotAnId| Problem::unreadable(format!("`{id}` {why}")))?;
        site.store.delivery(known).await.map_err(Problem::down)?
    };
    let unknown = || {
        let detail = if id == "newest" {
            "there are no deliveries yet: one begins with a click on a link"
        } else {
            "there is no such delivery: an offer that nobody took up is forgotten after an hour"
        };
        Problem::new(StatusCode::NOT_FOUND, detail)
    };
    let delivery = delivery.ok_or_else(unknown)?;
    let grant = site.store.grant(delivery.grant).await.map_err(Problem::down)?.ok_or_else(unknown)?;
    Ok(Json(DeliveryView::of(&delivery, &grant, &site.configuration)))
}

async fn explain_what(State(site): State<Arc<Site>>, body: Result<Json<What>, JsonRejection>) -> Result<Json<Explanation>, Problem> {
    let Json(what) = body.map_err(|rejection| Problem::of_body(&rejection))?;
    explain(&site, &what.what, what.from).await.map(Json).map_err(|unexplained| Problem::new(StatusCode::NOT_FOUND, unexplained.0))
}
