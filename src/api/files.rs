//! Calls about files of the catalogue.

use std::collections::BTreeMap;
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
use super::products::ServedView;
use crate::domain::catalogue::{File, Release, State as FileState};
use crate::domain::file::{StorageName, Version};
use crate::domain::id::FileId;
use crate::domain::locator::{Locator, Place, Remote};
use crate::domain::order::Sku;
use crate::domain::path::FilePath;
use crate::domain::refusal::Refusal;
use crate::service::catalogue::{self, NotKept, Removal, Replaced, Uses};
use crate::service::scan::{Found, Reading, look};
use crate::service::site::Site;
use crate::store::{Files, LIST_MAX};

/// A file to add to the catalogue.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFile {
    /// `STORAGE/PATH`, `https://HOST/PATH[:BYTES]` or `aws:BUCKET/KEY[:BYTES]`.
    pub file: String,
    /// Under which name people see it; the last part of its path if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// In which folder of the catalogue; at the top if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

/// The next version of a file.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVersion {
    /// Where it lies; where the current one lay if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Where a file lies now.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlace {
    /// `STORAGE/PATH`.
    pub file: String,
}

/// Another name of a file.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewName {
    /// Under which name people see it; as before if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// In which folder of the catalogue; as before if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

/// A file of the catalogue.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FileView {
    /// `f-…`: it stays.
    pub id: String,
    /// Under which name people see it.
    pub name: String,
    /// In which folder of the catalogue.
    pub folder: String,
    /// Where its current version lies, as it was written.
    pub at: String,
    /// `ok`, `hashing`, `changed`, `missing` or `remote`.
    pub state: String,
    /// Size of the current version in bytes, where that is known.
    pub size: Option<u64>,
    /// SHA-256 of the current version in hexadecimal, once it was read.
    pub sha256: Option<String>,
    /// Its media type.
    pub media_type: String,
    /// `v-…`: the current version.
    pub version: String,
    /// From when on that was the current one.
    pub released: String,
    /// When the file was added.
    pub added: String,
    /// Since when its master is not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<String>,
    /// Whose share link it is, such as Dropbox, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// The products that hold it, by SKU.
    pub products: Vec<String>,
}

/// A file with all that is known of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FilePage {
    /// The file.
    #[serde(flatten)]
    pub file: FileView,
    /// How many grants were sold of it.
    pub grants: SoldCountView,
    /// Its versions, the newest first.
    pub versions: Vec<VersionOfFile>,
}

/// How many grants a file has.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct SoldCountView {
    /// All that were ever made.
    pub all: u64,
    /// Those that are neither revoked nor shut by their order, and whose time is not over.
    pub open: u64,
    /// Those of the open ones that are for the version that was bought: they are shut for good when the file is removed.
    #[serde(default)]
    pub bought_versions: u64,
}

/// A version of a file.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionOfFile {
    /// `v-…`.
    pub id: String,
    /// Where it lies, or lay.
    pub at: String,
    /// Size in bytes.
    pub size: Option<u64>,
    /// SHA-256 in hexadecimal.
    pub sha256: Option<String>,
    /// Media type.
    pub media_type: String,
    /// When its master was changed last.
    pub modified: Option<String>,
    /// From when on it was the current one.
    pub released: String,
}

/// A file that got another version, or lies elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReplacedFile {
    /// The file as it is now.
    pub file: FileView,
    /// How many grants lead elsewhere from now on.
    pub grants_led: u64,
    /// What became of orders that waited for it, since it lay elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<ServedView>,
}

/// A file that is gone from the catalogue.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RemovedFile {
    /// Its id.
    pub id: String,
    /// The products that held it.
    pub products: Vec<String>,
    /// Grants of it.
    pub grants: SoldCountView,
}

/// What is known of the masters.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ScanView {
    /// The number of this scan.
    pub scan: u64,
    /// Whether all was looked at and read since it was asked for.
    pub done: bool,
    /// How many files there are in each state.
    pub states: BTreeMap<String, u64>,
    /// How many masters are to be read.
    pub waiting: u64,
    /// How many bytes they have.
    pub waiting_bytes: u64,
    /// What is being read.
    pub reading: Option<ReadingView>,
}

/// A master that is being read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadingView {
    /// Its file.
    pub file: String,
    /// Under which name people see it.
    pub name: String,
    /// How many bytes were read.
    pub done: u64,
    /// How many there are.
    pub size: u64,
}

/// Masters that no file of the catalogue names.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OrphansView {
    /// `STORAGE/PATH` of each, by name.
    pub files: Vec<String>,
    /// How many names were passed over: hidden ones, links, and what is no file.
    pub passed_over: u64,
    /// Whether there are more.
    pub more: bool,
}

/// Which to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

/// How to remove.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    #[serde(default)]
    anyway: bool,
}

/// Of which scan to hear.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichScan {
    #[serde(default)]
    scan: u64,
}

/// Where to look for orphans.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Where {
    #[serde(default)]
    storage: Option<String>,
    #[serde(default)]
    folder: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

type Id = Result<Path<String>, PathRejection>;

pub(super) fn not_kept(fault: &NotKept) -> Problem {
    match fault {
        NotKept::Field(field, what) => Problem::of_body(field, what),
        NotKept::Missing(what) => Problem::unknown(what).coded(Refusal::FileMissing),
        NotKept::Unknown(what) => Problem::unknown(what),
        NotKept::Conflict(what) => Problem::conflict(what),
        NotKept::Down(down) => Problem::down(*down),
    }
}

fn id_of(id: Id) -> Result<FileId, Problem> {
    problem::read_name(id)
}

fn locator(text: &str) -> Result<Locator, Problem> {
    text.parse().map_err(|fault| Problem::of_body("file", fault))
}

impl FileView {
    fn of(file: &File, seen: Option<&Version>, products: &[Sku]) -> Self {
        let File { id, name, folder, current, added, missing, .. } = file;
        let share = match &current.at {
            Locator::Remote(Remote { place: Place::Https(_, share), .. }) => share.map(|share| share.name().to_owned()),
            Locator::Remote(_) | Locator::Here(_) => None,
        };
        Self {
            id: id.to_string(),
            name: name.clone(),
            folder: folder.clone(),
            at: current.at.to_string(),
            state: file.state(seen).word().to_owned(),
            size: current.size,
            sha256: current.checksum.map(|checksum| checksum.to_string()),
            media_type: current.media_type.clone(),
            version: current.id.to_string(),
            released: current.released.to_string(),
            added: added.to_string(),
            missing_since: missing.map(|since| since.to_string()),
            share,
            products: products.iter().map(Sku::to_string).collect(),
        }
    }
}

impl VersionOfFile {
    fn of(release: &Release) -> Self {
        let Release { id, at, size, modified, checksum, media_type, released } = release;
        Self {
            id: id.to_string(),
            at: at.to_string(),
            size: *size,
            sha256: checksum.map(|checksum| checksum.to_string()),
            media_type: media_type.clone(),
            modified: modified.map(|modified| modified.to_string()),
            released: released.to_string(),
        }
    }
}

impl SoldCountView {
    fn of(uses: &Uses) -> Self {
        Self { all: uses.grants.all, open: uses.grants.open, bought_versions: uses.grants.kept }
    }
}

impl ScanView {
    fn of(site: &Site, scan: u64) -> Self {
        let is_done = site.scans.is_done(scan);
        let Found { states, waiting: (waiting, waiting_bytes), reading } = site.scans.found();
        let states = FileState::ALL.iter().zip(states).map(|(state, count)| (state.word().to_owned(), count)).collect();
        let view = |reading: Reading| {
            let done = reading.done();
            ReadingView { file: reading.file.to_string(), name: reading.name, done, size: reading.size }
        };
        Self { scan, done: is_done, states, waiting, waiting_bytes, reading: reading.map(view) }
    }
}

async fn view(site: &Site, file: File) -> Result<FileView, Problem> {
    let products = site.catalogue.products_with(file.id).await?;
    let looked = look(site, vec![file]).await.pop();
    let (file, seen) = looked.ok_or_else(|| Problem::unavailable("the file cannot be looked at now"))?;
    Ok(FileView::of(&file, seen.as_ref(), &products))
}

async fn replaced(site: &Site, replaced: Replaced) -> Result<Json<ReplacedFile>, Problem> {
    let Replaced { file, led: grants_led, served } = replaced;
    Ok(Json(ReplacedFile { file: view(site, file).await?, grants_led, served: ServedView::of(served) }))
}

pub(super) async fn add(State(site): State<Arc<Site>>, body: Result<Json<NewFile>, JsonRejection>) -> Result<Json<FileView>, Problem> {
    let NewFile { file: at, name, folder } = problem::body(body)?;
    let file = catalogue::add(&site, locator(&at)?, name, folder).await.map_err(|fault| not_kept(&fault))?;
    view(&site, file).await.map(Json)
}

pub(super) async fn list(
    State(site): State<Arc<Site>>,
    uri: Uri,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Listed<FileView>, Problem> {
    let Which { after, limit } = problem::query(which)?;
    let after = after.as_deref().map(|text| problem::read_parameter("after", text)).transpose()?;
    let limit = problem::limit(limit, LIST_MAX)?;
    let found = site.catalogue.files(Files { after, limit }).await?;
    let mut views = Vec::with_capacity(found.len());
    for (file, seen) in look(&site, found).await {
        views.push(FileView::of(&file, seen.as_ref(), &site.catalogue.products_with(file.id).await?));
    }
    Ok(Listed::page(&uri, views, limit, "after", |file| &file.id))
}

pub(super) async fn show(State(site): State<Arc<Site>>, id: Id) -> Result<Json<FilePage>, Problem> {
    let file = catalogue::known(&site, id_of(id)?).await.map_err(|fault| not_kept(&fault))?;
    let uses = catalogue::uses(&site, file.id).await?;
    let versions = file.versions().rev().map(VersionOfFile::of).collect();
    Ok(Json(FilePage { file: view(&site, file).await?, grants: SoldCountView::of(&uses), versions }))
}

pub(super) async fn replace(
    State(site): State<Arc<Site>>,
    id: Id,
    Author(author): Author,
    body: Result<Json<NewVersion>, JsonRejection>,
) -> Result<Json<ReplacedFile>, Problem> {
    let (id, NewVersion { file: at }) = (id_of(id)?, problem::body(body)?);
    let at = at.as_deref().map(locator).transpose()?;
    replaced(&site, catalogue::replace(&site, id, at, &author).await.map_err(|fault| not_kept(&fault))?).await
}

pub(super) async fn move_to(
    State(site): State<Arc<Site>>,
    id: Id,
    body: Result<Json<NewPlace>, JsonRejection>,
) -> Result<Json<ReplacedFile>, Problem> {
    let (id, NewPlace { file: at }) = (id_of(id)?, problem::body(body)?);
    replaced(&site, catalogue::move_to(&site, id, locator(&at)?).await.map_err(|fault| not_kept(&fault))?).await
}

pub(super) async fn rename(
    State(site): State<Arc<Site>>,
    id: Id,
    body: Result<Json<NewName>, JsonRejection>,
) -> Result<Json<FileView>, Problem> {
    let (id, NewName { name, folder }) = (id_of(id)?, problem::body(body)?);
    view(&site, catalogue::rename(&site, id, name, folder).await.map_err(|fault| not_kept(&fault))?).await.map(Json)
}

pub(super) async fn remove(
    State(site): State<Arc<Site>>,
    id: Id,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Json<RemovedFile>, Problem> {
    let (id, How { anyway }) = (id_of(id)?, problem::query(how)?);
    let removal = if anyway { Removal::Anyway } else { Removal::Unused };
    let uses = catalogue::remove(&site, id, removal).await.map_err(|fault| not_kept(&fault))?;
    let grants = SoldCountView::of(&uses);
    Ok(Json(RemovedFile { id: id.to_string(), products: uses.products.iter().map(Sku::to_string).collect(), grants }))
}

pub(super) async fn scan(State(site): State<Arc<Site>>) -> Json<ScanView> {
    let scan = site.scans.ask();
    Json(ScanView::of(&site, scan))
}

pub(super) async fn scanned(
    State(site): State<Arc<Site>>,
    which: Result<Query<WhichScan>, QueryRejection>,
) -> Result<Json<ScanView>, Problem> {
    let WhichScan { scan } = problem::query(which)?;
    Ok(Json(ScanView::of(&site, scan)))
}

pub(super) async fn orphans(
    State(site): State<Arc<Site>>,
    place: Result<Query<Where>, QueryRejection>,
) -> Result<Json<OrphansView>, Problem> {
    let Where { storage, folder, limit } = problem::query(place)?;
    let storage = storage.map(|text| StorageName::parse(&text).ok_or_else(|| no_storage(&site, &text))).transpose()?;
    if let Some(name) = storage.as_ref().filter(|name| site.configuration.storage(name).is_none()) {
        return Err(no_storage(&site, name.as_str()));
    }
    let folder = folder.map(|text| FilePath::parse(&text).map_err(|fault| Problem::of_query("folder", fault))).transpose()?;
    let limit = problem::limit(limit, LIST_MAX)?;
    let found = catalogue::orphans(&site, storage, folder, limit).await;
    let (files, listed) = found.map_err(|fault| not_kept(&fault))?;
    Ok(Json(OrphansView { files: files.iter().map(ToString::to_string).collect(), passed_over: listed.0, more: listed.1 }))
}

fn no_storage(site: &Site, text: &str) -> Problem {
    let names: Vec<&str> = site.configuration.storages.iter().map(|storage| storage.name.as_str()).collect();
    Problem::of_query("storage", format_args!("`{text}` must be the name of a [[storage]] (there are: {})", names.join(", ")))
}
