//! Calls about links.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::author::{Author, Made};
use super::problem::{self, Problem};
use super::view::{Issued, LinkView, RevokedLink};
use crate::clock;
use crate::domain::id::{GrantId, LinkId};
use crate::domain::refusal::Refusal;
use crate::service::amend::revoke_link;
use crate::service::issue::{NotIssued, issue_link};
use crate::service::site::Site;

/// What link to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    /// How long it is answered, such as `30d`; the `link_ttl` of the grant's policy if not said.
    #[serde(default)]
    pub valid_for: Option<String>,
}

/// Why no link was made.
pub(super) fn not_issued(fault: &NotIssued) -> Problem {
    match fault {
        NotIssued::Letter(fault) => super::outbox::not_written(fault),
        NotIssued::Down(down) => Problem::down(*down).saying(fault.to_string()),
        NotIssued::Zone(_) => Problem::unavailable(fault.to_string()),
        NotIssued::Absent(..) => Problem::unknown(fault.to_string()).coded(Refusal::FileMissing),
        NotIssued::Unknown => Problem::unknown(fault.to_string()),
        NotIssued::Revoked(_) => Problem::conflict(fault.to_string()).coded(Refusal::Revoked),
        NotIssued::Customer => Problem::unreadable(fault.to_string()).in_body("customer", fault),
        NotIssued::Uncounted => Problem::unreadable(fault.to_string()).in_body("max_downloads", fault),
        NotIssued::Unkept => Problem::unreadable(fault.to_string()).in_body("policy", fault),
        NotIssued::NoKey => Problem::unreadable(fault.to_string()),
    }
}

pub(super) async fn add(
    State(site): State<Arc<Site>>,
    grant: Result<Path<String>, PathRejection>,
    Author(author): Author,
    Made(ids): Made,
    body: Result<Json<NewLink>, JsonRejection>,
) -> Result<Json<Issued>, Problem> {
    let grant: GrantId = problem::read_name(grant)?;
    let wanted = problem::body(body)?;
    let lasts = wanted.valid_for.as_deref().map(|text| problem::read_field("valid_for", text)).transpose()?;
    let issued = issue_link(&site, grant, lasts, author, ids).await.map_err(|fault| not_issued(&fault))?;
    Ok(Json(Issued::of(&issued, clock::now())))
}

pub(super) async fn revoke(
    State(site): State<Arc<Site>>,
    link: Result<Path<String>, PathRejection>,
    Author(author): Author,
) -> Result<Json<RevokedLink>, Problem> {
    let link: LinkId = problem::read_name(link)?;
    let revoked = revoke_link(&site, link, author).await?;
    let (link, changed) = revoked.ok_or_else(|| {
        Problem::unknown("there is no such link; `cloakroom grant show` lists those of a grant").coded(Refusal::UnknownLink)
    })?;
    Ok(Json(RevokedLink { grant_id: link.grant.to_string(), link: LinkView::of(&link, clock::now()), changed }))
}
