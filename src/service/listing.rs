//! What lies in a public directory, read in steps: anybody may fill it with names that have the form of ours, and of those
//! only so many are in memory as the store knows.

use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};

use super::site::Site;
use crate::domain::placed::{DirectoryName, Placed, PlacedName};
use crate::public::{Listing, Names};
use crate::store::{Down, LIST_MAX};

/// When so many more names have the form of ours, the store is asked which of them it knows: a directory of a usual size
/// is read without that.
const ASKED_EACH: usize = 100_000;

/// Reads `names` of `directory`. What has the form of ours is ours or few; others are told as by [`Listing::add`]. The text
/// is why the directory cannot be read.
pub(super) async fn read(
    site: &Site,
    directory: &DirectoryName,
    mut names: Names,
    is_expected: impl Fn(&OsStr) -> bool + Clone + Send + 'static,
    asked: &BTreeSet<OsString>,
    most: usize,
) -> Result<Result<Listing, String>, Down> {
    let (mut listing, mut ours) = (Listing::default(), ASKED_EACH);
    loop {
        let (is_expected, known) = (is_expected.clone(), asked.clone());
        let work = move || {
            let is_all = names.read(&mut listing, ours, is_expected, &known, most);
            (is_all, names, listing)
        };
        let is_all;
        (is_all, names, listing) = match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(panic) => return Ok(Err(panic.to_string())),
        };
        match is_all {
            Ok(true) => return Ok(Ok(listing)),
            Ok(false) => {}
            Err(error) => return Ok(Err(error.to_string())),
        }
        strangers(site, directory, &mut listing, asked, most).await?;
        ours = listing.ours.len() + ASKED_EACH;
    }
}

/// Puts what the store does not know, though it has the form of ours, to the others. Rows are written before files.
async fn strangers(
    site: &Site,
    directory: &DirectoryName,
    listing: &mut Listing,
    asked: &BTreeSet<OsString>,
    most: usize,
) -> Result<(), Down> {
    let names: Vec<PlacedName> = listing.ours.iter().filter_map(|name| Placed::name_in(name)).collect();
    let mut known = HashSet::new();
    for step in names.chunks(LIST_MAX) {
        let rows = site.store.placed(step.to_vec()).await?;
        known.extend(rows.iter().filter(|placed| placed.directory == *directory).map(Placed::entry));
    }
    for name in std::mem::take(&mut listing.ours) {
        if known.contains(&name) {
            listing.ours.insert(name);
        } else {
            listing.others.add(OsStr::new(&name), asked, most);
        }
    }
    Ok(())
}
