//! One visit to the site: the file is planted, everything is asked, and what was made is taken away again, also after
//! Ctrl-C.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::signal::unix::SignalKind;

use super::counted;
use super::finding::Finding;
use super::http::Place;
use super::left_over;
use super::live::{self, Visit};
use super::probe::Probe;
use super::report::Part;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::reload::key_faults;
use crate::cli::serve::hear;
use crate::clock;
use crate::config::Configuration;
use crate::keys;

/// After this the daemon will not answer any more, and the grant ends by itself.
const LEAVING: Duration = Duration::from_secs(5);

/// What is asked.
pub(super) struct Asked<'a> {
    /// The site.
    pub(super) place: Place,
    /// Where it is asked, whatever its name leads to.
    pub(super) connect: Option<SocketAddr>,
    /// The file to use where none is to be planted.
    pub(super) probe: Option<&'a str>,
    /// Whether the web server shows pages of ours to those who are refused.
    pub(super) has_pages: bool,
}

/// Asks the site.
pub(super) fn part(configuration: &Configuration, asked: Asked<'_>) -> Result<Part, Failure> {
    let Asked { place, connect, probe: named, has_pages } = asked;
    let left = left_over::tidy(configuration, clock::now());
    let scheme = if place.is_https { "https" } else { "http" };
    let at = connect.map_or_else(String::new, |address| format!(", at {address}"));
    let title = format!("The site, as a customer: {scheme}://{}{}{at}", place.authority, configuration.public_url.path);
    let storage = configuration.storages.iter().find(|storage| storage.handoff.is_some()).or_else(|| configuration.storages.first());
    let probe = match (named, storage) {
        (Some(name), _) => Some(Probe::named(configuration, name).map_err(|wrong| Failure::usage(format!("--probe: {wrong}")))?),
        (None, Some(storage)) => match Probe::in_storage(storage) {
            Ok(probe) => Some(probe),
            Err(why) => return Ok(Part { title, findings: vec![Finding::not_asked("site", format!("{why}; name a file with --probe"))] }),
        },
        // A site that only asks whether requests may pass.
        (None, None) => None,
    };
    let ring = keys::load(&configuration.keys).map_err(|faults| Failure::named(&key_faults(configuration, &faults)))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Failure::failed(error.to_string()))?;
    let probed = probe.iter().map(|probe| Finding::ok("probe", of_probe(probe)));
    let mut findings: Vec<Finding> = left.into_iter().chain(probed).collect();
    let mut grant = None;
    let visit = Visit { has_pages, ..Visit::of(configuration, place, connect, probe.as_ref(), ring.signing()) };
    let ended = runtime.block_on(async {
        let (mut terminate, mut interrupt) = (hear(SignalKind::terminate())?, hear(SignalKind::interrupt())?);
        let ended = tokio::select! {
            found = live::look(visit, &mut grant) => Some(found),
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
        };
        if let (Some(grant), Ok(client)) = (&grant, Client::of(configuration, "check")) {
            findings.extend(tokio::time::timeout(LEAVING, counted::end(&client, grant)).await.ok().flatten());
        }
        Ok::<_, Failure>(ended)
    })?;
    drop(probe);
    findings.extend(ended.ok_or_else(|| Failure::failed("stopped; the file and the grant of the check are gone"))?);
    Ok(Part { title, findings })
}

fn of_probe(probe: &Probe) -> String {
    if probe.is_planted() { format!("put there, and removed: {}", probe.file) } else { format!("a file that is there: {}", probe.file) }
}
