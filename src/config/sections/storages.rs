//! `[[storage]]` and `[[directory]]`.

use std::ops::Range;
use std::path::PathBuf;

use crate::config::Storage;
use crate::config::credentials::{ReadCredentials, credentials};
use crate::config::policies;
use crate::config::reader::{Once, Placed, Read, Table};
use crate::config::values::{self, Place, Wrong};
use crate::domain::file::StorageName;
use crate::domain::moment::Span;
use crate::domain::placed::DirectoryName;

/// One `[[storage]]`.
pub(in crate::config) struct ReadStorage {
    pub(in crate::config) name: String,
    pub(in crate::config) header: Range<usize>,
    /// Known even where something else of the storage is wrong.
    pub(in crate::config) has_handoff: bool,
    pub(in crate::config) has_public: bool,
    pub(in crate::config) stub: Option<Placed<DirectoryName>>,
    pub(in crate::config) copy: Option<Placed<DirectoryName>>,
    pub(in crate::config) path: Option<Placed<PathBuf>>,
    pub(in crate::config) storage: Option<(Storage, Option<Place>)>,
}

/// One `[[directory]]`.
pub(in crate::config) struct ReadDirectory {
    pub(in crate::config) name: String,
    pub(in crate::config) known_as: Option<DirectoryName>,
    pub(in crate::config) path: Option<Placed<PathBuf>>,
    pub(in crate::config) directory: Option<(DirectoryName, PathBuf, Place, bool)>,
    pub(in crate::config) credentials: ReadCredentials,
}

pub(super) fn storage(table: &mut Table<'_, '_>, seen: &mut Once) -> ReadStorage {
    let name = table.needed_text("name", |text| StorageName::parse(text).ok_or(Wrong::Shape));
    if let Some(name) = &name {
        table.once(seen, "name", name.value.as_str());
    }
    let path = table.needed_text("path", |text| values::absolute_path(text).and_then(below_root));
    if let Some(path) = &path {
        table.once(seen, "path", &path.value.components().collect::<PathBuf>().to_string_lossy());
    }
    let handoff = table.text("handoff", values::handoff).optional();
    if let Some(handoff) = &handoff {
        table.once(seen, "handoff", handoff);
    }
    let [stub, copy] = ["stub", "copy"].map(|key| table.text(key, |text| DirectoryName::parse(text).ok_or(Wrong::Shape)));
    let public = table.text("public", values::place);
    let is_good = ![&stub, &copy].iter().any(|read| matches!(read, Read::Faulty)) && !matches!(public, Read::Faulty);
    let (stub, copy, public) = (stub.placed(), copy.placed(), public.optional());
    let complete = || {
        let [stub, copy] = [&stub, &copy].map(|directory| directory.as_ref().map(|directory| directory.value.clone()));
        let (path, handoff) = (path.as_ref()?.value.clone(), handoff.clone());
        let storage = Storage { name: name?.value, path, handoff, stub, copy, public: None };
        Some((storage, public)).filter(|_| is_good)
    };
    let storage = complete();
    ReadStorage {
        name: table.name(),
        header: table.header.clone(),
        has_handoff: table.has("handoff"),
        has_public: table.has("public"),
        stub,
        copy,
        path,
        storage,
    }
}

pub(super) fn directory(table: &mut Table<'_, '_>, seen: &mut Once) -> ReadDirectory {
    let name = table.needed_text("name", |text| DirectoryName::parse(text).ok_or(Wrong::Shape)).map(|name| name.value);
    if let Some(name) = &name {
        table.once(seen, "name", name.as_str());
    }
    let path = table.needed_text("path", |text| values::absolute_path(text).and_then(below_root));
    if let Some(path) = &path {
        table.once(seen, "path", &path.value.components().collect::<PathBuf>().to_string_lossy());
    }
    let url = table.needed_text("url", values::place).map(|url| url.value);
    if let Some(url) = &url {
        table.once(seen, "url", &url.written());
    }
    let hard_links = table.flag("hard_links").or(false);
    let credentials = credentials(table, seen);
    let complete = || Some((name.clone()?, path.as_ref()?.value.clone(), url?, hard_links?));
    ReadDirectory { name: table.name(), known_as: name.clone(), directory: complete(), path, credentials }
}

fn below_root(path: PathBuf) -> Result<PathBuf, Wrong> {
    match path.parent() {
        Some(_) => Ok(path),
        None => Err(Wrong::Must("a directory below `/`, such as \"/srv/downloads\"".to_owned())),
    }
}

/// One `[[zen_cart]]`.
pub(in crate::config) struct ReadZenCart {
    pub(in crate::config) name: String,
    pub(in crate::config) path: Option<Placed<PathBuf>>,
    pub(in crate::config) zen_cart: Option<(PathBuf, Option<Place>, Span)>,
}

/// How long a link of Zen Cart's stays that does not say it.
const KEEP: Span = Span::from_hours(24);

pub(super) fn zen_cart(table: &mut Table<'_, '_>, seen: &mut Once) -> ReadZenCart {
    let path = table.needed_text("path", |text| values::absolute_path(text).and_then(below_root));
    if let Some(path) = &path {
        table.once(seen, "path", &path.value.components().collect::<PathBuf>().to_string_lossy());
    }
    let url = table.text("url", values::place);
    let is_faulty = matches!(url, Read::Faulty);
    let keep = table.text("keep", |text| policies::span(text, "")).or(KEEP);
    let complete = || Some((path.as_ref()?.value.clone(), url.optional(), keep.filter(|_| !is_faulty)?));
    ReadZenCart { name: table.name(), zen_cart: complete(), path }
}
