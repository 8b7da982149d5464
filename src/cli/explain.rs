//! `cloakroom explain`: every step of a decision.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use clap::Args;

use super::client::{CallFault, Client};
use super::failure::{Failure, warn};
use super::serve::site_beside;
use super::terminal::{self, Signs};
use super::{Common, say, say_json, signs};
use crate::api::What;
use crate::config::Configuration;
use crate::service::explain::{Explanation, explain, is_remembered};
use crate::store::Stores;
use crate::store::memory::Memory;

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
Examples:
  cloakroom explain 'https://shop.example/dl/l/…/a.zip'
  cloakroom explain R-7F3K-22AB
  cloakroom explain '/members/a.html?kid=main&…' --from 203.0.113.7";

#[derive(Args)]
pub(super) struct Arguments {
    /// A URL of the site (quote it: it has `&` in it), its part from the path on, a path in a public directory, a support
    /// code from a refusal page (R-7F3K-22AB), a request id, or the id of a grant, link or delivery.
    #[arg(value_name = "WHAT")]
    what: String,

    /// The client's address to assume for a URL.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
}

// What is explained may be a URL with a token.
impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arguments").field("from", &self.from).finish_non_exhaustive()
    }
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let configuration = common.load()?;
    let what = What { what: arguments.what.clone(), from: arguments.from };
    // What is stateless can be explained without a daemon; what it remembers, by the daemon alone.
    let asked = match Client::of(&configuration, "explain") {
        Ok(client) => client.post("/api/v1/explain", &what),
        Err(Failure::Configuration(faults)) => Err(CallFault::NotRunning(faults.join("\n"))),
        Err(other) => return Err(other),
    };
    let explanation = match asked {
        Err(CallFault::NotRunning(why)) => alone(configuration, arguments, &why)?,
        other => other?,
    };
    if common.json { say_json(&explanation) } else { say(text(&explanation)) }
}

/// Explains without a daemon, or says why that cannot be.
fn alone(configuration: Configuration, arguments: &Arguments, why: &str) -> Result<Explanation, Failure> {
    let site = site_beside(configuration, Stores::of(Arc::new(Memory::new())))?;
    if is_remembered(&site, &arguments.what) {
        return Err(Failure::failed(format!("only the daemon remembers this, and it is not reached: {why}")));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| Failure::failed(error.to_string()))?;
    let explanation =
        runtime.block_on(explain(&site, &arguments.what, arguments.from)).map_err(|unexplained| Failure::failed(unexplained.0))?;
    warn("cloakroom: the daemon is not reached; this is what the configuration alone says");
    Ok(explanation)
}

fn text(explanation: &Explanation) -> String {
    let Explanation { subject, outcome, steps, advice } = explanation;
    let mut lines = vec![format!("{outcome}: {subject}")];
    lines.extend(steps.iter().map(|step| format!("  {} {}", if step.held { "ok " } else { "NO " }, step.text)));
    if let Some(advice) = advice {
        lines.push(format!("  {}  {advice}", if signs() == Signs::Unicode { "→ " } else { "->" }));
    }
    lines.iter().map(|line| terminal::visible(line)).collect::<Vec<_>>().join("\n")
}
