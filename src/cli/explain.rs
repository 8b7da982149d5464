//! `cloakroom explain`: every step of a decision.

use std::net::IpAddr;

use clap::Args;

use super::client::{CallFault, Client};
use super::failure::Failure;
use super::serve::site;
use super::{Common, say, say_json};
use crate::api::What;
use crate::config;
use crate::service::explain::{Explanation, explain};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A URL of the site, a path that begins with `/`, a support code from a refusal page, or a request id.
    #[arg(value_name = "WHAT")]
    what: String,

    /// The client's address to assume.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let configuration = config::load(&common.config).map_err(|errors| Failure::configuration(errors.to_string()))?;
    let what = What { what: arguments.what.clone(), from: arguments.from };
    // What is stateless can be explained without a daemon; what it remembers, by the daemon alone.
    let asked = Client::of(&configuration)
        .map_err(|_| CallFault::NotRunning(String::new()))
        .and_then(|client| client.post("/api/v1/explain", &what));
    let explanation = match asked {
        Err(CallFault::NotRunning(_)) => {
            let site = site(configuration)?;
            let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| Failure::failed(error.to_string()))?;
            eprintln!("the daemon is not reached: links, deliveries and support codes are not known here");
            runtime.block_on(explain(&site, &arguments.what, arguments.from)).map_err(|unexplained| Failure::failed(unexplained.0))?
        }
        other => other?,
    };
    if common.json { say_json(&explanation) } else { say(text(&explanation)) }
}

fn text(explanation: &Explanation) -> String {
    let Explanation { subject, outcome, steps, advice } = explanation;
    let mut lines = vec![format!("{outcome}: {subject}")];
    lines.extend(steps.iter().map(|step| format!("  {} {}", if step.held { "ok " } else { "NO " }, step.text)));
    if let Some(advice) = advice {
        lines.push(format!("  →   {advice}"));
    }
    lines.join("\n")
}
