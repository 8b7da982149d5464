//! Webhooks and mail, as the running daemon tells of them.

use super::finding::{Finding, or_ok};
use crate::api::LaneView;
use crate::cli::client::Client;
use crate::cli::terminal;
use crate::config::Configuration;

const CHECK: &str = "outbox";

/// All about who is told what happens. Nothing where nobody is, and where the daemon does not answer: that is told elsewhere.
pub(super) fn look(configuration: &Configuration) -> Vec<Finding> {
    if configuration.webhooks.is_empty() && configuration.mail.is_none() {
        return Vec::new();
    }
    let lanes = Client::of(configuration, "check").ok().and_then(|client| client.fetch::<Vec<LaneView>>("/api/v1/outbox").ok());
    let Some(lanes) = lanes else { return Vec::new() };
    let found: Vec<Finding> = lanes.iter().flat_map(about).collect();
    let waiting = lanes.iter().map(|lane| lane.waiting).sum();
    or_ok(CHECK, format!("{} take what they are told; {} wait", named(&lanes), terminal::counted(waiting, "message", "messages")), found)
}

fn named(lanes: &[LaneView]) -> String {
    lanes.iter().map(|lane| lane.lane.as_str()).collect::<Vec<_>>().join(", ")
}

fn about(lane: &LaneView) -> Vec<Finding> {
    let LaneView { lane: name, to, state, since, waiting, dead, .. } = lane;
    let mut found = Vec::new();
    let since = since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
    let wait = terminal::counted(*waiting, "message waits", "messages wait");
    match state.as_str() {
        "gone" => found.push(
            Finding::fault(CHECK, format!("{name} answered 410 Gone, and is told nothing any more"))
                .found(to.clone())
                .right("it takes what it is told, or stands in the configuration no more")
                .run(format!("cloakroom outbox retry {name}")),
        ),
        "fails" => found.push(
            Finding::fault(CHECK, format!("{name} does not take what it is told{since}: {wait}, and nothing is lost for four days"))
                .found(to.clone())
                .right("it answers 2xx, or takes the mail")
                .run(format!("cloakroom outbox list --waiting --lane {name}")),
        ),
        _ => {}
    }
    if *dead > 0 {
        let many = terminal::counted(*dead, "message was", "messages were");
        found.push(
            Finding::warning(CHECK, format!("{many} given up in the last 30 days"))
                .found(format!("{name}, {to}"))
                .right("each arrives")
                .run(format!("cloakroom outbox list --dead --lane {name}")),
        );
    }
    found
}
