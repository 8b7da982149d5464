//! Calls about grants.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::author::{Author, Made};
use super::links::not_issued;
use super::listed::Listed;
use super::problem::{self, Problem};
use super::view::{Amended, CopyView, EntryView, GrantPage, GrantView, Issued, LinkView, ListedDelivery};
use super::wording;
use crate::clock;
use crate::domain::file::{FileRef, StorageName};
use crate::domain::id::GrantId;
use crate::domain::path::FilePath;
use crate::domain::placed::{Placed, Stay};
use crate::domain::policy::Policy;
use crate::domain::refusal::Refusal;
use crate::service::amend::{NotAmended, Wish, amend};
use crate::service::copies::url_of;
use crate::service::issue::{Wanted, issue};
use crate::service::lying::Lying;
use crate::service::site::Site;
use crate::store::{Filter, Grants, LIST_MAX};

/// So many deliveries stand on the page of a grant, besides those that have not ended.
const RECENT: usize = 100;

/// What to make a grant for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
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
    /// A mail address to which its link goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The language of that mail, such as `de`; the configured one if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// How much more a grant gets: a time, a number of downloads, or both.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// A duration such as `30d`, from its end on, or from now on if that is over; or `unlimited`.
    #[serde(default, rename = "for")]
    pub longer: Option<String>,
    /// Its new end: a date, which is in, or a time (RFC 3339).
    #[serde(default)]
    pub until: Option<String>,
    /// A number, those that are used included; `+` and a number for so many more; or `unlimited`.
    #[serde(default)]
    pub max_downloads: Option<String>,
}

/// Which grants to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    customer: Option<String>,
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    before: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

pub(super) async fn add(
    State(site): State<Arc<Site>>,
    Author(author): Author,
    Made(ids): Made,
    body: Result<Json<NewGrant>, JsonRejection>,
) -> Result<Json<Issued>, Problem> {
    let wanted = problem::body(body)?;
    let file = stored(&site, &wanted.file)?;
    let policy = policy_of(&site, &wanted)?;
    let wanted = Wanted { file, customer: wanted.customer, policy, letter: wanted.email.map(|to| (to, wanted.language)) };
    let issued = issue(&site, wanted, author, ids).await.map_err(|fault| not_issued(&fault))?;
    Ok(Json(Issued::of(&issued, clock::now())))
}

/// Reads `STORAGE/PATH` of a storage that there is, in the field `file` of a body.
pub(super) fn stored(site: &Site, text: &str) -> Result<FileRef, Problem> {
    let file = file_of(text, Problem::of_body)?;
    if site.configuration.storage(&file.storage).is_some() {
        return Ok(file);
    }
    let names: Vec<&str> = site.configuration.storages.iter().map(|storage| storage.name.as_str()).collect();
    let (storage, known) = (&file.storage, names.join(", "));
    Err(Problem::of_body("file", format_args!("`{storage}` must be the name of a [[storage]] (there are: {known})")))
}

/// Reads the file that is named in a body or in a query, as `wrong` says.
fn file_of(text: &str, wrong: fn(&str, String) -> Problem) -> Result<FileRef, Problem> {
    let (storage, path) = text.split_once('/').ok_or_else(|| wrong("file", format!("`{text}` must be STORAGE/PATH")))?;
    let storage = StorageName::parse(storage)
        .ok_or_else(|| wrong("file", format!("`{storage}` must be the name of a [[storage]]: lower-case letters, digits and `-`")))?;
    let path = FilePath::parse(path).map_err(|why| wrong("file", format!("`{text}`: {why}")))?;
    Ok(FileRef { storage, path })
}

fn policy_of(site: &Site, wanted: &NewGrant) -> Result<Policy, Problem> {
    let name = wanted.policy.as_deref().unwrap_or("default");
    let known = site.configuration.policy_named(name);
    let mut policy = known.map_err(|why| Problem::of_body("policy", why))?.clone();
    if let Some(text) = &wanted.max_downloads {
        policy.max_downloads = field("max_downloads", text, wording::downloads)?;
    }
    if let Some(text) = &wanted.valid_for {
        policy.valid_for = field("valid_for", text, wording::lasting)?;
    }
    Ok(policy)
}

/// Reads what stands in a field of a body.
fn field<T>(name: &str, text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<T, Problem> {
    read(text).map_err(|why| Problem::of_body(name, format_args!("`{text}` {why}")))
}

pub(super) async fn list(
    State(site): State<Arc<Site>>,
    uri: Uri,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Listed<GrantView>, Problem> {
    let Which { customer, file, before, limit } = problem::query(which)?;
    let which = Grants {
        customer,
        file: file.as_deref().map(|text| file_of(text, Problem::of_query)).transpose()?,
        before: before.as_deref().map(|text| problem::read_parameter("before", text)).transpose()?,
        limit: problem::limit(limit, LIST_MAX)?,
    };
    if let Some(before) = which.before
        && site.store.grant(before).await?.is_none()
    {
        return Err(Problem::unknown(format!("before: there is no grant {before}")));
    }
    let (now, limit) = (clock::now(), which.limit);
    let grants = site.store.grants(which).await?.iter().map(|grant| GrantView::of(grant, now)).collect();
    Ok(Listed::page(&uri, grants, limit, "before", |grant| &grant.id))
}

pub(super) async fn show(State(site): State<Arc<Site>>, id: Result<Path<String>, PathRejection>) -> Result<Json<GrantPage>, Problem> {
    let id: GrantId = problem::read_name(id)?;
    let account = site.store.account(id, None).await?.ok_or_else(|| not_amended(&NotAmended::Unknown))?;
    let mut deliveries = site.store.deliveries(Filter { grant: Some(id), limit: RECENT, ..Filter::default() }).await?;
    // Those that have not ended may be older than all of these.
    let missing = account.deliveries.iter().rev().filter(|live| !deliveries.iter().any(|listed| listed.id == live.id));
    let missing: Vec<_> = missing.cloned().collect();
    deliveries.extend(missing);
    let (mut listed, mut lying) = (Vec::with_capacity(deliveries.len()), Lying::new(&site));
    for delivery in &deliveries {
        listed.push(ListedDelivery::of(delivery, &lying.of(delivery, &account.grant).await?));
    }
    let now = clock::now();
    Ok(Json(GrantPage {
        copies: copies(&site, id).await?,
        links: site.store.links(id).await?.iter().map(|link| LinkView::of(link, now)).collect(),
        deliveries: listed,
        history: site.store.history(id).await?.iter().map(EntryView::of).collect(),
        grant: GrantView::of(&account.grant, now),
        measured: site.configuration.knows_what_arrived(),
    }))
}

/// The copies of a grant, the one that there is and then the newest first; those whose directory is no longer configured have no URL, and are left out.
async fn copies(site: &Site, grant: GrantId) -> Result<Vec<CopyView>, Problem> {
    let mut placed = site.store.placed_for(grant).await?;
    placed.sort_by_key(|placed| !matches!(placed.stay, Stay::Going | Stay::Gone(_)));
    let view = |placed: &Placed| {
        let url = url_of(site.configuration.directory(&placed.directory)?, placed);
        CopyView::of(placed, url, site.copies.preparation(&placed.name))
    };
    Ok(placed.iter().rev().filter_map(view).take(RECENT).collect())
}

async fn changed(site: &Site, id: Result<Path<String>, PathRejection>, wish: Wish, author: Author) -> Result<Json<Amended>, Problem> {
    let id = problem::read_name(id)?;
    let amended = amend(site, id, wish, author.0).await.map_err(|fault| not_amended(&fault))?;
    Ok(Json(Amended::of(amended, clock::now())))
}

fn not_amended(fault: &NotAmended) -> Problem {
    let text = fault.to_string();
    match fault {
        NotAmended::Unknown => Problem::unknown(text),
        NotAmended::Revoked(_) => Problem::conflict(text).coded(Refusal::Revoked),
        NotAmended::Endless | NotAmended::Unlimited => Problem::conflict(text),
        NotAmended::TooMany => Problem::unreadable(&text).in_body("max_downloads", text),
        NotAmended::Past(_) => Problem::unreadable(&text).in_body("until", text),
        NotAmended::TooFar | NotAmended::Nothing => Problem::unreadable(text),
        NotAmended::Zone(_) => Problem::unavailable(text),
        NotAmended::Down(down, _) => Problem::down(*down).saying(text),
    }
}

type Id = Result<Path<String>, PathRejection>;

pub(super) async fn suspend(State(site): State<Arc<Site>>, id: Id, author: Author) -> Result<Json<Amended>, Problem> {
    changed(&site, id, Wish::Suspend, author).await
}

pub(super) async fn resume(State(site): State<Arc<Site>>, id: Id, author: Author) -> Result<Json<Amended>, Problem> {
    changed(&site, id, Wish::Resume, author).await
}

pub(super) async fn revoke(State(site): State<Arc<Site>>, id: Id, author: Author) -> Result<Json<Amended>, Problem> {
    changed(&site, id, Wish::Revoke, author).await
}

pub(super) async fn reset(State(site): State<Arc<Site>>, id: Id, author: Author) -> Result<Json<Amended>, Problem> {
    changed(&site, id, Wish::Reset, author).await
}

pub(super) async fn extend(
    State(site): State<Arc<Site>>,
    id: Id,
    author: Author,
    body: Result<Json<Extension>, JsonRejection>,
) -> Result<Json<Amended>, Problem> {
    let Extension { longer, until, max_downloads } = problem::body(body)?;
    let until = match (longer, until) {
        (Some(_), Some(_)) => return Err(Problem::unreadable("say either `for` or `until`, not both")),
        (Some(longer), None) => Some(field("for", &longer, wording::longer)?),
        (None, Some(until)) => Some(field("until", &until, wording::until)?),
        (None, None) => None,
    };
    let downloads = max_downloads.as_deref().map(|text| field("max_downloads", text, wording::more_downloads)).transpose()?;
    changed(&site, id, Wish::Extend(until, downloads), author).await
}
