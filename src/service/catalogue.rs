//! The catalogue: files and their versions, as people change them.
//!
//! Whoever changes a file holds [`Site::cataloguing`](super::site::Site) from reading it to writing it, so that nothing is lost.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::masters;
use super::site::Site;
use super::waiting::{self, Served};
use crate::clock;
use crate::domain::catalogue::{File, Release};
use crate::domain::file::{FileRef, StorageName};
use crate::domain::id::{FileId, VersionId};
use crate::domain::locator::{Locator, Place, Remote};
use crate::domain::moment::Moment;
use crate::domain::order::Sku;
use crate::domain::path::FilePath;
use crate::random;
use crate::storage::Absent;
use crate::store::{Down, Files, LIST_MAX, Lead, SoldCount};

/// A name that is longer is not one.
pub const NAME_BYTES_MAX: usize = 255;

/// What is said of a file that is not there.
pub const NO_SUCH_FILE: &str = "there is no such file: `cloakroom file list` lists those that there are";

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// A field, and what is wrong with it.
    Field(String, String),
    /// It is not there.
    Unknown(String),
    /// There is no master there.
    Missing(String),
    /// It cannot be with things as they are.
    Conflict(String),
    /// The store does not answer.
    Down(Down),
}

impl From<Down> for NotKept {
    fn from(down: Down) -> Self {
        Self::Down(down)
    }
}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field, what) => write!(f, "{field}: {what}"),
            Self::Unknown(what) | Self::Missing(what) | Self::Conflict(what) => f.write_str(what),
            Self::Down(down) => write!(f, "{down}"),
        }
    }
}

/// What uses a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// The products that hold it.
    pub products: Vec<Sku>,
    /// The grants that were sold of it.
    pub grants: SoldCount,
}

/// A file that got another version, or lies elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The file as it is now.
    pub file: File,
    /// How many grants are for another place from now on.
    pub led: u64,
    /// What became of orders that waited for it to lie here.
    pub served: Served,
}

/// Whether a file goes that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Only one that nothing uses.
    Unused,
    /// Any; products lose it, and grants of bought versions are shut: which that was is not remembered.
    Anyway,
}

/// Adds a file to the catalogue.
pub async fn add(site: &Site, at: Locator, name: Option<String>, folder: Option<String>) -> Result<File, NotKept> {
    let (name, folder) = (name.unwrap_or_else(|| at.file_name().to_owned()), folder.unwrap_or_default());
    check_file_name("name", &name)?;
    check_folder(&folder)?;
    let _alone = site.cataloguing.lock().await;
    let now = clock::now();
    let current = release_at(site, at, now)?;
    if let Some(known) = lies_at(site, &current.at).await? {
        return Err(NotKept::Conflict(format!("file: `{}` is in the catalogue already, as {known}", current.at)));
    }
    let file = File {
        id: FileId::new(random::bytes()),
        name,
        folder,
        current,
        before: Vec::new(),
        moved_from: Vec::new(),
        added: now,
        missing: None,
    };
    site.catalogue.put_file(file.clone()).await?;
    tracing::info!(event = "file_added", id = %file.id, at = %file.current.at);
    site.scans.ask();
    Ok(file)
}

/// The file whose current version lies there, whatever is said of its size.
async fn lies_at(site: &Site, at: &Locator) -> Result<Option<FileId>, Down> {
    let remote = match at {
        Locator::Here(at) => return Ok(site.catalogue.file_at(at.clone()).await?.map(|file| file.id)),
        Locator::Remote(remote) => remote,
    };
    // By those places nothing is looked up but this.
    let mut found = None;
    each_file(site, |file| {
        if matches!(&file.current.at, Locator::Remote(known) if known.place == remote.place) {
            found.get_or_insert(file.id);
        }
    })
    .await?;
    Ok(found)
}

/// Adds a file that was sold before by others, whether its master is there or not yet, and gives its id. The caller holds
/// [`Site::cataloguing`](super::site::Site).
pub(super) async fn take_over(site: &Site, at: FileRef, name: String) -> Result<FileId, Down> {
    let (now, id) = (clock::now(), VersionId::new(random::bytes()));
    let (current, missing) = if let Ok(version) = site.storages.look(&at) {
        (Release::of_master(id, at, &version, now), None)
    } else {
        let media_type = crate::storage::media_type(at.path.as_str());
        let at = Locator::Here(at);
        (Release { id, at, size: None, modified: None, checksum: None, media_type, released: now }, Some(now))
    };
    let (id, folder) = (FileId::new(random::bytes()), String::new());
    let file = File { id, name, folder, current, before: Vec::new(), moved_from: Vec::new(), added: now, missing };
    tracing::info!(event = "file_added", %id, at = %file.current.at);
    site.catalogue.put_file(file).await?;
    site.scans.ask();
    Ok(id)
}

/// Gives a file another version: what lies at `at`, else what lies now where the current one lay. Grants for the latest
/// version follow; what is being downloaded goes on with what it began with, as long as that lies where it lay. A version that
/// still waits for its master has come with that. Orders that waited for a file which lay elsewhere are served.
pub async fn replace(site: &Site, id: FileId, at: Option<Locator>, author: &str) -> Result<Replaced, NotKept> {
    let (replaced, lay_elsewhere) = put_version(site, id, at).await?;
    let is_served = lay_elsewhere && replaced.file.here().is_some();
    let served = if is_served { waiting::serve_file(site, &replaced.file, author).await? } else { Served::default() };
    Ok(Replaced { served, ..replaced })
}

/// Gives a file another version; and whether the one before lay elsewhere.
async fn put_version(site: &Site, id: FileId, at: Option<Locator>) -> Result<(Replaced, bool), NotKept> {
    let _alone = site.cataloguing.lock().await;
    let mut file = known(site, id).await?;
    let next = release_at(site, at.unwrap_or_else(|| file.current.at.clone()), clock::now())?;
    let is_same = next.at == file.current.at && (next.size, next.modified) == (file.current.size, file.current.modified);
    if is_same {
        return Err(NotKept::Conflict(format!(
            "{id}: what lies at `{}` is the version that it has already; put another file there first, or name another place",
            next.at
        )));
    }
    if let Some(from) = file.awaited_at().cloned() {
        return Ok((arrived(site, file, &from, next).await?, false));
    }
    let lay_elsewhere = file.here().is_none();
    file.release(next);
    let led = released(site, &file).await?;
    site.scans.ask();
    Ok((Replaced { file, led, served: Served::default() }, lay_elsewhere))
}

/// Says where the bytes of a file lie whose current version lay at `from`: the same version, with what is known of it there.
async fn arrived(site: &Site, mut file: File, from: &FileRef, there: Release) -> Result<Replaced, NotKept> {
    file.moved(there);
    let led = site.catalogue.lead(file.clone(), Lead::From(from.clone())).await?;
    tracing::info!(event = "file_moved", id = %file.id, %from, to = %file.current.at, grants = led);
    if file.here() != Some(from) {
        masters::left(site, from).await?;
    }
    site.scans.ask();
    site.copies.wake();
    Ok(Replaced { file, led, served: Served::default() })
}

/// Keeps a file with a version that is new, leads to it whom it concerns, and tells of it.
pub(super) async fn released(site: &Site, file: &File) -> Result<u64, Down> {
    let led = site.catalogue.lead(file.clone(), Lead::Latest).await?;
    let (version, at) = (file.current.id, &file.current.at);
    tracing::info!(event = "version_released", id = %file.id, %version, %at, grants = led);
    if let Some(at) = file.here().filter(|_| led > 0) {
        masters::follow(site, at).await?;
    }
    Ok(led)
}

/// Releases what lies in the place of current versions, where that was exchanged and no scan saw it yet: what is sold then is
/// what lies there. Tells whether there was any. The caller holds [`Site::cataloguing`](super::site::Site).
pub(super) async fn caught_up(site: &Site, files: BTreeSet<FileId>) -> Result<bool, Down> {
    let mut is_any = false;
    for id in files {
        let Some(mut file) = site.catalogue.file(id).await? else { continue };
        let Some(at) = file.here().filter(|_| !file.current.is_awaited()).cloned() else { continue };
        let Ok(version) = site.storages.look(&at) else { continue };
        if !file.current.is(&version) {
            file.release(Release::of_master(VersionId::new(random::bytes()), at, &version, clock::now()));
            released(site, &file).await?;
            is_any = true;
        }
    }
    if is_any {
        site.scans.ask();
    }
    Ok(is_any)
}

/// Says that the bytes of a file lie elsewhere now: the same version, moved.
pub async fn move_to(site: &Site, id: FileId, at: Locator) -> Result<Replaced, NotKept> {
    let _alone = site.cataloguing.lock().await;
    let file = known(site, id).await?;
    let Some(from) = file.here().cloned() else {
        return Err(NotKept::Conflict(format!("{id} lies elsewhere: `cloakroom file replace` gives it another version")));
    };
    let moved = release_at(site, at, file.current.released)?;
    let Some(to) = moved.at.here().filter(|to| **to != from).cloned() else {
        return Err(NotKept::Field("at".to_owned(), "must be another place in a storage: STORAGE/PATH".to_owned()));
    };
    if !file.current.is_awaited() && (moved.size, moved.modified) != (file.current.size, file.current.modified) {
        return Err(NotKept::Conflict(format!(
            "`{to}` is not the file that lay at `{from}`: its size or its time of change is another. \
             `cloakroom file replace {id} {to}` makes it the next version; to move a master and keep its time, use `mv` or `cp -p`"
        )));
    }
    // What is known of its bytes stays known.
    let there = if file.current.is_awaited() { moved } else { Release { at: moved.at, ..file.current.clone() } };
    arrived(site, file, &from, there).await
}

/// Gives a file another name or folder.
pub async fn rename(site: &Site, id: FileId, name: Option<String>, folder: Option<String>) -> Result<File, NotKept> {
    let _alone = site.cataloguing.lock().await;
    let mut file = known(site, id).await?;
    if let Some(name) = name {
        check_file_name("name", &name)?;
        file.name = name;
    }
    if let Some(folder) = folder {
        check_folder(&folder)?;
        file.folder = folder;
    }
    site.catalogue.put_file(file.clone()).await?;
    tracing::info!(event = "file_renamed", id = %file.id);
    Ok(file)
}

/// Takes a file out of the catalogue; its master stays where it is. Tells what used it.
pub async fn remove(site: &Site, id: FileId, removal: Removal) -> Result<Uses, NotKept> {
    let _alone = site.cataloguing.lock().await;
    known(site, id).await?;
    let uses = uses(site, id).await?;
    if removal == Removal::Unused && (!uses.products.is_empty() || uses.grants.open > 0) {
        return Err(NotKept::Conflict(format!("{id} is in use: {}", in_words(&uses))));
    }
    for product in site.catalogue.products_named(uses.products.clone()).await? {
        let files = product.files.iter().filter(|attached| attached.file != id).cloned().collect();
        site.catalogue.put_product(crate::domain::catalogue::Product { files, ..product }).await?;
    }
    site.catalogue.remove_file(id).await?;
    tracing::info!(event = "file_removed", %id, products = uses.products.len(), grants = uses.grants.open, shut = uses.grants.kept);
    Ok(uses)
}

fn in_words(uses: &Uses) -> String {
    let skus: Vec<String> = uses.products.iter().map(|sku| format!("`{sku}`")).collect();
    let products = if skus.is_empty() { None } else { Some(format!("products hold it ({})", skus.join(", "))) };
    let grants = (uses.grants.open > 0).then(|| format!("{} grants of it are open", uses.grants.open));
    let what = products.into_iter().chain(grants).collect::<Vec<_>>().join(", and ");
    let (anyway, on) = ("Removed anyway, products lose it", "go on with what lies where they lead");
    match (uses.grants.kept, uses.grants.open.saturating_sub(uses.grants.kept)) {
        (0, _) => format!("{what}. {anyway}, and grants {on}"),
        (kept, 0) => format!("{what}. {anyway}, and {kept} grants of bought versions are shut for good"),
        (kept, others) => format!("{what}. {anyway}, {kept} grants of bought versions are shut for good, and {others} others {on}"),
    }
}

/// What uses a file.
pub async fn uses(site: &Site, id: FileId) -> Result<Uses, Down> {
    let (products, grants) = (site.catalogue.products_with(id).await?, site.catalogue.sold_of(id, clock::now()).await?);
    Ok(Uses { products, grants })
}

/// The file.
pub async fn known(site: &Site, id: FileId) -> Result<File, NotKept> {
    site.catalogue.file(id).await?.ok_or_else(|| NotKept::Unknown(NO_SUCH_FILE.to_owned()))
}

/// Masters that no version of a file names, in one storage or in all, below `folder` if that is said, at most `most`; with how
/// many names were passed over, and whether there are more.
pub async fn orphans(
    site: &Site,
    storage: Option<StorageName>,
    folder: Option<FilePath>,
    most: usize,
) -> Result<(Vec<FileRef>, (u64, bool)), NotKept> {
    let known = masters_named(site).await?;
    let storages = Arc::clone(&site.storages);
    let all: Vec<StorageName> = site.configuration.storages.iter().map(|storage| storage.name.clone()).collect();
    let work = move || {
        let (mut orphans, mut passed_over, mut is_cut) = (Vec::new(), 0, false);
        for name in all.into_iter().filter(|name| storage.as_ref().is_none_or(|storage| storage == name)) {
            let Some(open) = storages.named(&name) else { continue };
            let is_orphan = |path: &FilePath| !known.contains(&FileRef { storage: name.clone(), path: path.clone() });
            let listed = match open.files(folder.as_ref(), most.saturating_sub(orphans.len()), &is_orphan) {
                Ok(listed) => listed,
                // A folder need not be in each.
                Err(Absent::NoFile) if storage.is_none() => continue,
                Err(absent) => return Err(NotKept::Unknown(format!("storage `{name}`: {absent}"))),
            };
            passed_over += listed.passed_over;
            is_cut |= listed.is_cut;
            orphans.extend(listed.files.into_iter().map(|path| FileRef { storage: name.clone(), path }));
        }
        Ok((orphans, (passed_over, is_cut)))
    };
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(NotKept::Down(Down::Unreachable)))
}

/// Every master that a version of a file names.
async fn masters_named(site: &Site) -> Result<HashSet<FileRef>, Down> {
    let mut named = HashSet::new();
    each_file(site, |file| named.extend(file.versions().filter_map(|version| version.at.here().cloned()))).await?;
    Ok(named)
}

/// The file that lies or lay in each place: of several the one that was added first.
pub(super) async fn ever_at(site: &Site) -> Result<HashMap<FileRef, FileId>, Down> {
    let mut first: HashMap<FileRef, (Moment, FileId)> = HashMap::new();
    each_file(site, |file| {
        for at in file.places() {
            let known = first.entry(at.clone()).or_insert((file.added, file.id));
            *known = (*known).min((file.added, file.id));
        }
    })
    .await?;
    Ok(first.into_iter().map(|(at, (_, id))| (at, id)).collect())
}

async fn each_file(site: &Site, mut told: impl FnMut(&File)) -> Result<(), Down> {
    let mut after = None;
    loop {
        let page = site.catalogue.files(Files { after, limit: LIST_MAX }).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        page.iter().for_each(&mut told);
    }
}

/// The version that lies there, as far as a look tells.
fn release_at(site: &Site, at: Locator, now: Moment) -> Result<Release, NotKept> {
    let id = VersionId::new(random::bytes());
    match at {
        Locator::Here(at) => {
            check_storage(site, &at)?;
            let version = site.storages.look(&at).map_err(|absent| NotKept::Missing(format!("file: `{at}`: {absent}")))?;
            Ok(Release::of_master(id, at, &version, now))
        }
        Locator::Remote(remote) => Ok(remote_release(id, remote, now)),
    }
}

fn remote_release(id: VersionId, remote: Remote, released: Moment) -> Release {
    let name = match &remote.place {
        Place::Https(url, _) => url.split('?').next().unwrap_or(url),
        Place::Aws(_, key) => key,
    };
    let media_type = crate::storage::media_type(name);
    Release { id, size: remote.bytes, at: Locator::Remote(remote), modified: None, checksum: None, media_type, released }
}

fn check_storage(site: &Site, at: &FileRef) -> Result<(), NotKept> {
    if site.configuration.storage(&at.storage).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = site.configuration.storages.iter().map(|storage| storage.name.as_str()).collect();
    let (storage, known) = (&at.storage, names.join(", "));
    Err(NotKept::Field("file".to_owned(), format!("`{storage}` must be the name of a [[storage]] (there are: {known})")))
}

/// Whether a text can be a name that people see.
pub fn check_name(field: &str, text: &str) -> Result<(), NotKept> {
    let good = text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control);
    let what = || NotKept::Field(field.to_owned(), format!("must have at most {NAME_BYTES_MAX} bytes and no control characters"));
    good.then_some(()).ok_or_else(what)
}

/// Whether a text can be the name of a file: there is always one to be seen.
pub fn check_file_name(field: &str, text: &str) -> Result<(), NotKept> {
    if text.trim().is_empty() {
        return Err(NotKept::Field(field.to_owned(), "must be said: under which name people see the file".to_owned()));
    }
    check_name(field, text)
}

fn check_folder(folder: &str) -> Result<(), NotKept> {
    check_name("folder", folder)?;
    let good = folder.is_empty() || folder.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    good.then_some(())
        .ok_or_else(|| NotKept::Field("folder".to_owned(), "must be names with `/` between them, as in `books/2026`".to_owned()))
}
