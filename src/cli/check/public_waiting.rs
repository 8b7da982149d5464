//! Copies that customers wait for and that cannot be made, as the running daemon tells.

use super::finding::Finding;
use crate::api::{PlacedView, PublicPage};
use crate::cli::client::Client;
use crate::cli::terminal;
use crate::config::Configuration;

/// So many reasons are told.
const REASONS_MAX: usize = 3;

/// What the daemon cannot make. Those that wait are the first of its list.
pub(super) fn look(configuration: &Configuration) -> Vec<Finding> {
    let page =
        Client::of(configuration, "check").ok().and_then(|client| client.fetch_slowly::<PublicPage>("/api/v1/public?limit=1000").ok());
    let placed = page.map(|page| page.placed).unwrap_or_default();
    let mut whys: Vec<(&str, Vec<&PlacedView>)> = Vec::new();
    for one in &placed {
        let Some(why) = one.not_made.as_deref() else { continue };
        match whys.iter_mut().find(|(known, _)| *known == why) {
            Some((_, all)) => all.push(one),
            None => whys.push((why, vec![one])),
        }
    }
    whys.iter().take(REASONS_MAX).filter_map(|(why, all)| told(why, all)).collect()
}

fn told(why: &str, all: &[&PlacedView]) -> Option<Finding> {
    let first = all.first()?;
    let number = terminal::counted(all.len() as u64, "copy", "copies");
    let since = first.not_made_since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
    let fault = Finding::fault("public-waiting", format!("{number} cannot be made: customers who click get 503"));
    Some(
        fault
            .found(format!("{}{since}: {why}", first.path))
            .right("its master is there and readable, its directory is there and writable, and there is room")
            .run(format!("cloakroom explain {}", first.name)),
    )
}
