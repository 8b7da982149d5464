//! What lies in public directories goes when its time is over.

use std::collections::HashMap;
use std::sync::Arc;

use super::credential::{self, NotGiven};
use super::site::Site;
use crate::clock;
use crate::domain::account::{CopyReport, Reported, Seen};
use crate::domain::id::GrantId;
use crate::domain::placed::{Placed, PlacedName, What};
use crate::feed::nginx_line::PublicReport;
use crate::public::{NotPlaced, PublicDirectory, Taken};
use crate::store::{Arrived, Down};

/// What requests in public directories report, of the deliveries and copies that they are of. Those of what is not ours are
/// left out.
pub(super) async fn reports(site: &Site, public: &[PublicReport]) -> Result<Vec<Arrived>, Down> {
    let name = |report: &PublicReport| Placed::name_in(site.configuration.directory_of(&report.path)?.1);
    let named: Vec<(PlacedName, &PublicReport)> = public.iter().filter_map(|report| Some((name(report)?, report))).collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let known = site.store.placed(named.iter().map(|(name, _)| name.clone()).collect()).await?;
    let known: HashMap<&PlacedName, &Placed> = known.iter().map(|placed| (&placed.name, placed)).collect();
    let arrived = named.into_iter().filter_map(|(name, told)| {
        let placed = known.get(&name)?;
        let (request, report) = (told.request.clone(), told.report.clone());
        match &placed.what {
            What::Stub(delivery) => {
                let seen = Seen { client: told.client.key(), address: told.client.address };
                Some(Arrived::Delivery(Reported { delivery: *delivery, request, report, seen: Some(seen) }))
            }
            What::Copy(state) => {
                let made = state.made.as_ref().map(|made| made.version.clone());
                // It was fetched before it was written down that it is there: it holds what the master is.
                let version = made.or_else(|| site.storages.look(&placed.file).ok())?;
                let told = CopyReport::new(placed.grant, version, told.client.clone(), told.user.as_deref(), request, report);
                Some(Arrived::Copy(told))
            }
        }
    });
    Ok(arrived.collect())
}

/// Takes away what has to go, and remembers that it is gone. What cannot be taken away is said, and is tried again.
pub(super) async fn take_away(site: &Site, going: Vec<Placed>) {
    let mut gone = Vec::new();
    // Who may not enter any more is shut out before the row says that all is done: a crash in between is made good.
    let grants: Vec<GrantId> = going.iter().filter(|placed| matches!(placed.what, What::Copy(_))).map(|placed| placed.grant).collect();
    // A htpasswd file that could not be written was said, and is tried again; the copies go nevertheless.
    if let Err(NotGiven::Down(down)) = credential::withdraw(site, &grants).await {
        tracing::warn!(event = "sweep_waits", "user names of those whose copies go do not end yet: {down}");
        // All of these rows are looked at again.
        return;
    }
    for placed in going {
        let Some(directory) = site.directories.named(&placed.directory).map(Arc::clone) else {
            tracing::error!(event = "not_removed", name = %placed.name, directory = %placed.directory, "no [[directory]] has this name any more: what lies there stays until it is configured again");
            continue;
        };
        let row = placed.clone();
        let taken = tokio::task::spawn_blocking(move || take(&directory, &row)).await;
        match taken {
            Ok(Ok(taken)) => {
                log_taken(&placed, &taken);
                gone.push(placed.name);
            }
            Ok(Err(fault)) => {
                tracing::error!(event = "not_removed", name = %placed.name, directory = %placed.directory, "it cannot be removed, and is tried again: {fault}");
            }
            Err(panic) => tracing::error!(event = "not_removed", name = %placed.name, directory = %placed.directory, "{panic}"),
        }
    }
    remember(site, gone).await;
}

fn take(directory: &PublicDirectory, placed: &Placed) -> Result<Taken, NotPlaced> {
    match placed.what {
        What::Stub(_) => directory.take_stub(placed),
        What::Copy(_) => directory.take_copy(placed),
    }
}

fn log_taken(placed: &Placed, taken: &Taken) {
    let Placed { name, directory, .. } = placed;
    match taken {
        Taken::Gone => tracing::debug!(event = "removed", %name, %directory),
        Taken::WasGone => tracing::info!(event = "was_gone", %name, %directory, "others had taken it away"),
        Taken::Foreign(path) => tracing::warn!(event = "foreign_file", %directory, path, "it is not ours and stays"),
    }
}

async fn remember(site: &Site, names: Vec<PlacedName>) {
    if names.is_empty() {
        return;
    }
    if let Err(down) = site.store.placed_gone(names, clock::now()).await {
        // Their rows say that they are going; the next look finds nothing there.
        tracing::warn!(event = "sweep_waits", "what was removed is not remembered yet: {down}");
    }
}
