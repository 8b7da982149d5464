//! What still lies where public directories were before another path was configured.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::finding::Finding;
use super::people::People;
use crate::cli::terminal::counted;
use crate::clock;
use crate::config::{Configuration, StoreEntry};
use crate::domain::place::{FileId, Place, settle};
use crate::domain::placed::DirectoryName;
use crate::public::{ASIDE, is_removed};
use crate::store::sqlite;

/// All places before, of the running daemon or of one that is started with this configuration.
pub(super) fn look(configuration: &Configuration, people: &People) -> Vec<Finding> {
    let StoreEntry::Sqlite { file, .. } = &configuration.store else { return Vec::new() };
    // What is wrong with the store is told elsewhere.
    let known = if file.exists() { sqlite::places(file).unwrap_or_default() } else { Vec::new() };
    let before: Vec<Place> = known.iter().map(|(place, _)| place.clone()).collect();
    let here: Vec<Place> = configuration.directories.iter().map(|directory| place(&directory.name, &directory.path)).collect();
    let (places, _) = settle(&before, &here, clock::now());
    let left = places.iter().filter(|place| place.left.is_some());
    let found = left.filter_map(|left| {
        let (place, things) = known.iter().find(|(place, _)| (&place.directory, &place.path) == (&left.directory, &left.path))?;
        (*things > 0).then(|| one(configuration, place, *things, people))
    });
    found.collect()
}

fn place(name: &DirectoryName, path: &Path) -> Place {
    let found = fs::metadata(path).ok();
    let id = found.map(|found| FileId { device: found.dev(), inode: found.ino() });
    Place { directory: name.clone(), path: path.display().to_string(), id, left: None }
}

fn one(configuration: &Configuration, before: &Place, things: u64, people: &People) -> Finding {
    let Place { directory, path, left, .. } = before;
    let lies = format!("{} may lie in {path}", counted(things, "thing of ours", "things of ours"));
    let now = configuration.directory(directory);
    if left.is_some() && is_removed(before) {
        let says =
            format!("{lies}, where `{directory}` was before, and that directory is not there any more: the daemon waits for none of it");
        return Finding::warning("public-before", says)
            .found(format!("no {path}"))
            .right("gone for good; or, if it was renamed, back at its path until all in it is over");
    }
    if !Path::new(path).join(ASIDE).is_dir() {
        let says = format!("{lies}, where `{directory}` was before, and nobody can take it away: that directory is not there");
        return Finding::fault("public-before", says)
            .found(format!("no {path}/{ASIDE}"))
            .right("the directory at its path until all in it is over; an empty one, if all in it is gone for good")
            .run(format!("install -d -o {} -m 0700 {path}/{ASIDE}", people.daemon.name));
    }
    let found = now.map_or_else(
        || format!("no [[directory]] `{directory}` in the configuration"),
        |now| format!("`{directory}` is {} in the configuration", now.path.display()),
    );
    if left.is_some() {
        let says = format!("{lies}, where `{directory}` was before: the daemon takes away what is over");
        return Finding::warning("public-before", says).found(found).right("that directory stays until nothing of ours is in it");
    }
    let says = format!("{lies}, where the daemon has `{directory}`: it refuses a reload, and after a restart takes away what is over");
    Finding::warning("public-before", says)
        .found(found)
        .right("the path as it was until nothing of ours is there; or a restart, and that directory kept so long")
        .run(format!("cloakroom stub list --directory {directory}"))
}
