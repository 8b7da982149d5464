//! What lies in public directories whose place is to change: only what is open can be cleared, so nothing of ours may be
//! left in a directory that another one takes the place of.

use std::collections::BTreeMap;

use super::site::Site;
use crate::domain::placed::DirectoryName;
use crate::public::Directories;
use crate::store::{Down, LIST_MAX};

/// Things of ours in a directory that would be left behind.
#[derive(Debug)]
pub struct LeftBehind {
    /// The directory.
    pub name: DirectoryName,
    /// How much lies there or is being made for it.
    pub count: usize,
    /// What is wrong, and what to do.
    pub why: String,
}

/// What would be left behind if `next` took the place of the open directories: in those that are not in it any more, or
/// are another directory there. One that was moved and is the same keeps all that is in it.
pub async fn left_behind(site: &Site, next: &Directories) -> Result<Vec<LeftBehind>, Down> {
    let changed = site.directories.iter().filter(|known| {
        let name = &known.entry.name;
        next.named(name).is_none_or(|next| next.entry.path != known.entry.path && !next.is_same(known))
    });
    let mut counts: BTreeMap<&DirectoryName, usize> = changed.map(|known| (&known.entry.name, 0)).collect();
    let mut after = None;
    while !counts.is_empty() {
        let page = site.store.placed_there(after.take(), LIST_MAX).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.due, last.name.clone()));
        for placed in page {
            if let Some(count) = counts.get_mut(&placed.directory) {
                *count += 1;
            }
        }
    }
    let left = counts.into_iter().filter(|(_, count)| *count > 0).filter_map(|(name, count)| {
        let path = site.directories.named(name)?.entry.path.display();
        let things = if count == 1 { "1 thing of ours".to_owned() } else { format!("{count} things of ours") };
        let now = if next.named(name).is_some() { "cannot be another directory" } else { "cannot be left out" };
        let why = format!(
            "{now} while something of ours lies in the one before: there {is} {things} in or for {path}, which nobody could take \
             away any more; `cloakroom stub list --directory {name}` shows it: wait until it has gone, or revoke its grants and \
             run `cloakroom stub sweep`, then reload again",
            is = if count == 1 { "is" } else { "are" },
        );
        Some(LeftBehind { name: name.clone(), count, why })
    });
    Ok(left.collect())
}
