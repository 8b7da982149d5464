//! Calls about what lies in public directories.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::{self, Problem};
use super::zen_carts::{self, ZenCartView};
use crate::domain::moment::Moment;
use crate::domain::placed::{DirectoryName, What};
use crate::service::inventory::{self, After, Foreign, Foreigners, Lying, Why};
use crate::service::site::{Current, Site};
use crate::service::sweeping::{self, NotSwept, Swept};
use crate::store::LIST_MAX;

/// Which of it to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    directory: Option<String>,
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

/// What lies in public, a page of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PublicPage {
    /// The directories.
    pub directories: Vec<DirectoryView>,
    /// What we placed, by when it is looked at next.
    pub placed: Vec<PlacedView>,
    /// Where the next page begins (`after`), if there is one.
    pub next: Option<String>,
    /// Zen Cart's own, with the links that lie there; none on later pages, nor where one directory is asked for.
    #[serde(default)]
    pub zen_carts: Vec<ZenCartView>,
}

/// A public directory.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DirectoryView {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub path: String,
    /// Where the web server serves it.
    pub url: String,
    /// What is wrong with it now; nothing is placed or removed there before that is mended.
    pub fault: Option<String>,
    /// How many names in it are not ours; `null` on later pages, and where it cannot be looked into.
    pub foreign_total: Option<usize>,
    /// The first of these. They are never removed.
    pub foreign: Vec<ForeignView>,
}

/// Something that is not ours.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ForeignView {
    /// Its name in the directory.
    pub name: String,
    /// directory, file, symbolic link or special file.
    pub kind: String,
    /// What to know of it; may be empty.
    pub note: String,
}

/// Something that we placed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PlacedView {
    /// The unguessable part of its name.
    pub name: String,
    /// stub or copy.
    pub what: String,
    /// Its public directory.
    pub directory: String,
    /// Where it lies; without the directory where that is not configured any more.
    pub path: String,
    /// Where customers find it; `null` where its directory is not configured any more.
    pub url: Option<String>,
    /// The master, `STORAGE/PATH`.
    pub file: String,
    /// SHA-256 of a copy's bytes in hexadecimal, as `sha256sum` prints it; `null` where no byte was copied: of a stub, of
    /// what shares the master's blocks, and of a hard link.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Whom it is for.
    pub customer: String,
    /// `g-…`.
    pub grant_id: String,
    /// `d-…`; its delivery, for a stub.
    pub delivery_id: Option<String>,
    /// How that stands: open, completed, started, …
    pub delivery_state: Option<String>,
    /// When it was placed.
    pub placed: String,
    /// preparing, open, grace, sold, due, going or gone.
    pub state: String,
    /// Why it is still there, in a sentence.
    pub why: String,
    /// Until when it stays, unless its grant is withdrawn before or its download goes on; `null` where that is over.
    pub until: Option<String>,
    /// Whether it was found there; `null` where that cannot be told.
    pub there: Option<bool>,
    /// Why it could not be removed, the last time that was tried.
    pub not_removed: Option<String>,
    /// Why a copy could not be made, the last time that was tried.
    #[serde(default)]
    pub not_made: Option<String>,
    /// Since when each try to make it failed.
    #[serde(default)]
    pub not_made_since: Option<String>,
    /// Bytes that were copied of one that is being made, and of how many.
    #[serde(default)]
    pub copied: Option<(u64, u64)>,
}

/// Asks for a sweep.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepOrder {
    /// Only tell what it would do.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a sweep did, or would do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SweepView {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// What goes or is gone, and what could not be removed; the first of it.
    pub swept: Vec<PlacedView>,
    /// How many of these there are.
    pub swept_total: usize,
    /// How many things stay, since a download or its grace keeps them.
    pub staying: usize,
    /// The directories, with what is not ours in them and is not touched.
    pub directories: Vec<DirectoryView>,
    /// Zen Cart's own, with the links that lie there: those whose time is over are the first.
    #[serde(default)]
    pub zen_carts: Vec<ZenCartView>,
}

pub(super) async fn list(State(site): State<Arc<Site>>, which: Result<Query<Which>, QueryRejection>) -> Result<Json<PublicPage>, Problem> {
    let Which { directory, after, limit } = problem::query(which)?;
    let directory = directory.as_deref().map(|name| named(&site, name)).transpose()?;
    let is_first = after.is_none();
    let after = after.as_deref().map(read_after).transpose()?;
    let (lying, next) = inventory::page(&site, directory.as_ref(), after, problem::limit(limit, LIST_MAX)?).await?;
    Ok(Json(PublicPage {
        directories: directories(&site, directory.as_ref(), is_first).await?,
        placed: lying.iter().map(|lying| PlacedView::of(&site, lying)).collect(),
        next: next.map(|(due, name)| format!("{}-{name}", due.millis())),
        zen_carts: if is_first && directory.is_none() { zen_carts::views(&site) } else { Vec::new() },
    }))
}

pub(super) async fn sweep(
    State(site): State<Arc<Site>>,
    State(current): State<Current>,
    order: Result<Json<SweepOrder>, JsonRejection>,
) -> Result<Json<SweepView>, Problem> {
    let SweepOrder { dry_run } = problem::body(order)?;
    let swept = if dry_run { sweeping::rehearse(&site).await.map_err(NotSwept::Down) } else { sweeping::sweep_now(&current).await };
    let zen_carts = if dry_run { zen_carts::views(&site) } else { zen_carts::swept(&site).await };
    let Swept { first, total, staying } = swept.map_err(|not| match not {
        NotSwept::Down(down) => Problem::down(down),
        NotSwept::NotCaughtUp => Problem::unavailable(
            "what the web server reported while the daemon was down is still being read: before that, a finished download may look unfinished; try again in a minute",
        ),
    })?;
    Ok(Json(SweepView {
        dry_run,
        swept: first.iter().map(|lying| PlacedView::of(&site, lying)).collect(),
        swept_total: total,
        staying,
        directories: directories(&site, None, true).await?,
        zen_carts,
    }))
}

/// The directory that a caller names.
fn named(site: &Site, name: &str) -> Result<DirectoryName, Problem> {
    let known = DirectoryName::parse(name).filter(|name| site.configuration.directory(name).is_some());
    known.ok_or_else(|| {
        let names: Vec<&str> = site.configuration.directories.iter().map(|directory| directory.name.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Problem::of_query("directory", format_args!("`{name}` must be the name of a [[directory]] (there are: {names})"))
    })
}

/// `<milliseconds>-<name>`, as a page said it.
fn read_after(text: &str) -> Result<After, Problem> {
    let read = || {
        let (due, name) = text.split_once('-')?;
        Some((Moment::from_millis(due.parse().ok()?), name.parse().ok()?))
    };
    read().ok_or_else(|| Problem::of_query("after", format_args!("`{text}` must be what `next` of the page before says")))
}

async fn directories(site: &Site, only: Option<&DirectoryName>, with_foreign: bool) -> Result<Vec<DirectoryView>, Problem> {
    let mut views = Vec::new();
    for directory in site.directories.iter().filter(|directory| only.is_none_or(|only| *only == directory.entry.name)) {
        let open = Arc::clone(directory);
        let mut fault = tokio::task::spawn_blocking(move || open.fault()).await.ok().flatten();
        let found = if with_foreign && fault.is_none() { Some(inventory::foreigners(site, directory).await?) } else { None };
        let found = found.and_then(|found| found.map_err(|why| fault = Some(format!("cannot be looked into: {why}"))).ok());
        let total = found.as_ref().map(|found| found.total);
        let Foreigners { first, .. } = found.unwrap_or_default();
        let entry = &directory.entry;
        views.push(DirectoryView {
            name: entry.name.to_string(),
            path: entry.path.display().to_string(),
            url: format!("{}{}", entry.url.origin, entry.url.path),
            fault,
            foreign_total: total,
            foreign: first
                .into_iter()
                .map(|Foreign { name, kind, note }| ForeignView { name, kind: kind.to_owned(), note: note.to_owned() })
                .collect(),
        });
    }
    Ok(views)
}

impl PlacedView {
    fn of(site: &Site, lying: &Lying) -> Self {
        let Lying { placed, customer, delivery, why, is_there } = lying;
        let entry = site.configuration.directory(&placed.directory);
        let path = placed.path();
        let preparation = matches!(why, Why::Preparing(_)).then(|| site.copies.preparation(&placed.name));
        let done = preparation.as_ref().map(|preparation| preparation.done);
        let (not_made, since) =
            preparation.map_or((None, None), |preparation| (preparation.trouble.map(|trouble| trouble.why), preparation.since));
        let (state, until) = match why {
            Why::Open(until) => ("open", Some(until)),
            Why::Grace(until) => ("grace", Some(until)),
            Why::Preparing(_) => ("preparing", None),
            Why::Sold(until) => ("sold", until.as_ref()),
            Why::Due(_) => ("due", None),
            Why::Going(..) => ("going", None),
            Why::Gone(_) => ("gone", None),
        };
        Self {
            name: placed.name.to_string(),
            what: match placed.what {
                What::Stub(_) => "stub".to_owned(),
                What::Copy(_) => "copy".to_owned(),
            },
            directory: placed.directory.to_string(),
            url: entry.map(|entry| format!("{}{}{}", entry.url.origin, entry.url.path, placed.encoded())),
            path: entry.map_or_else(|| path.clone(), |entry| entry.path.join(&path).display().to_string()),
            file: placed.file.to_string(),
            sha256: match &placed.what {
                What::Stub(_) => None,
                What::Copy(state) => state.made.as_ref().and_then(|made| made.checksum).map(|checksum| checksum.to_string()),
            },
            customer: customer.clone(),
            grant_id: placed.grant.to_string(),
            delivery_id: delivery.as_ref().map(|delivery| delivery.id.to_string()),
            delivery_state: delivery.as_ref().map(|delivery| delivery.state.word().to_owned()),
            placed: placed.placed.to_string(),
            state: state.to_owned(),
            why: sentence(why, not_made.as_deref()),
            until: until.map(ToString::to_string),
            there: *is_there,
            not_removed: match why {
                Why::Going(_, trouble) => trouble.as_ref().map(|trouble| trouble.why.clone()),
                _ => None,
            },
            not_made,
            not_made_since: since.map(|since| since.to_string()),
            copied: done.map(|done| (done.copied, done.total)),
        }
    }
}

/// Why something is there, in a sentence.
fn sentence(why: &Why, not_made: Option<&str>) -> String {
    match why {
        Why::Open(until) => format!("its download is open, and can be gone on with until {until}"),
        Why::Grace(until) => format!("its download is over, and can be asked for again until {until}"),
        Why::Preparing(due) => match not_made {
            Some(trouble) => format!("it could not be made, and is tried again at {due}: {trouble}"),
            None => "it is not there yet: it is being made, or waits for those before it".to_owned(),
        },
        Why::Sold(Some(until)) => format!("it can be fetched until {until}, when its grant ends"),
        Why::Sold(None) => "it can be fetched for ever: its grant never ends".to_owned(),
        Why::Due(cause) => format!("{cause}: it goes now"),
        Why::Going(_, None) => "it is being taken away".to_owned(),
        Why::Going(again, Some(trouble)) => {
            format!("it could not be removed at {}, and is tried again at {again}: {}", trouble.at, trouble.why)
        }
        Why::Gone(at) => format!("it is gone since {at}"),
    }
}
