//! Calls about the user names of public directories.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::author::Author;
use super::listed::Listed;
use super::problem::{self, Problem};
use super::view::{CredentialPage, CredentialView, RotatedView};
use crate::clock;
use crate::domain::credential::{DirectoryCredential, Holder, UserName};
use crate::domain::id::GrantId;
use crate::domain::moment::{Moment, Span};
use crate::domain::placed::DirectoryName;
use crate::service::credential::{NotGiven, password, rotate};
use crate::service::site::Site;
use crate::store::LIST_MAX;

/// How to replace the user names of a directory.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// How long those before still open, such as `7d`, or `0s`; the `overlap` of the directory if not said.
    #[serde(default)]
    pub overlap: Option<String>,
}

/// Which user names to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    directory: Option<String>,
    #[serde(default)]
    grant: Option<String>,
    #[serde(default)]
    before: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

fn directory_of(site: &Site, text: &str) -> Result<DirectoryName, Problem> {
    let directories = || site.configuration.directories.iter().filter(|entry| entry.credentials.is_some());
    let known = DirectoryName::parse(text).filter(|name| directories().any(|entry| entry.name == *name));
    known.ok_or_else(|| {
        let names: Vec<&str> = directories().map(|entry| entry.name.as_str()).collect();
        let known = if names.is_empty() { "there is none".to_owned() } else { format!("there are: {}", names.join(", ")) };
        Problem::unknown(format!("directory: there is no [[directory]] `{text}` with a key `htpasswd` ({known})"))
    })
}

/// One as it is shown. That of a grant ends with the grant, unless a download is to be resumed then.
async fn view(site: &Site, credential: &DirectoryCredential, now: Moment) -> Result<CredentialView, Problem> {
    let grant = match credential.holder {
        Holder::Grant(grant) => site.store.grant(grant).await?,
        Holder::Everybody => None,
    };
    let over = grant.and_then(|grant| grant.expires).filter(|over| *over > now);
    let ends = [credential.ends, over].into_iter().flatten().min();
    Ok(CredentialView::of(&DirectoryCredential { ends, ..credential.clone() }, now))
}

/// The newest first, of those that open now.
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    uri: Uri,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Listed<CredentialView>, Problem> {
    let Which { directory, grant, before, limit } = problem::query(which)?;
    let limit = problem::limit(limit, LIST_MAX)?;
    let grant: Option<GrantId> = grant.as_deref().map(|text| problem::read_parameter("grant", text)).transpose()?;
    let before: Option<UserName> = before.as_deref().map(|text| problem::read_parameter("before", text)).transpose()?;
    let directory = directory.as_deref().map(|text| directory_of(&site, text)).transpose()?;
    let now = clock::now();
    let mut found = Vec::new();
    match (grant, &directory) {
        (Some(grant), _) => found = site.store.credentials_of(grant, now).await?,
        (None, Some(directory)) => found = site.store.credentials(directory.clone(), now).await?,
        (None, None) => {
            for entry in site.configuration.directories.iter().filter(|entry| entry.credentials.is_some()) {
                found.extend(site.store.credentials(entry.name.clone(), now).await?);
            }
        }
    }
    let key = |credential: &DirectoryCredential| (credential.begins, credential.user);
    if let Some(before) = before {
        let known = site.store.credentials_named(vec![before]).await?;
        let last = known.first().map(key).ok_or_else(|| Problem::unknown(format!("before: there is no user name {before}")))?;
        found.retain(|credential| key(credential) < last);
    }
    found.retain(|credential| directory.as_ref().is_none_or(|directory| credential.directory == *directory));
    found.sort_unstable_by_key(|credential| std::cmp::Reverse(key(credential)));
    found.truncate(limit);
    let mut views = Vec::with_capacity(found.len());
    for credential in &found {
        views.push(view(&site, credential, now).await?);
    }
    Ok(Listed::page(&uri, views, limit, "before", |credential| &credential.user))
}

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    user: Result<Path<String>, PathRejection>,
) -> Result<Json<CredentialPage>, Problem> {
    let user: UserName = problem::read_name(user)?;
    let known = site.store.credentials_named(vec![user]).await?.into_iter().next();
    let known =
        known.ok_or_else(|| Problem::unknown("there is no such user name: `cloakroom credential list` shows those that there are"))?;
    let url = site.configuration.directory(&known.directory).map(|entry| format!("{}{}", entry.url.origin, entry.url.path));
    let (password, why) = match password(&site, &known) {
        Ok(password) => (Some(password.reveal().to_owned()), None),
        Err(untold) => (None, Some(untold.to_string())),
    };
    Ok(Json(CredentialPage { credential: view(&site, &known, clock::now()).await?, url, password, why }))
}

pub(super) async fn replace(
    State(site): State<Arc<Site>>,
    directory: Result<Path<String>, PathRejection>,
    Author(author): Author,
    body: Result<Json<Rotation>, JsonRejection>,
) -> Result<Json<RotatedView>, Problem> {
    let directory = directory_of(&site, &problem::name(directory)?)?;
    let Rotation { overlap } = problem::body(body)?;
    let overlap: Option<Span> = overlap.as_deref().map(|text| problem::read_field("overlap", text)).transpose()?;
    let rotated = rotate(&site, &directory, overlap, &author).await.map_err(|fault| not_given(&fault))?;
    Ok(Json(RotatedView::of(directory.as_str(), &rotated)))
}

/// Why nothing was replaced.
fn not_given(fault: &NotGiven) -> Problem {
    let text = fault.to_string();
    match fault {
        NotGiven::NoDirectory(_) => Problem::unknown(text),
        NotGiven::Over | NotGiven::Full(_) => Problem::conflict(text),
        NotGiven::NoKey => Problem::unreadable(text),
        NotGiven::File(_) => Problem::unavailable(format!(
            "the new user names are made and known to `cloakroom credential list`, and the web server does not know them yet: {text}"
        )),
        NotGiven::Down(down) => Problem::down(*down),
    }
}
