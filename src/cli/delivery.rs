//! `cloakroom delivery`: what was sent, to whom, and how it counts.

use clap::Subcommand;

use super::client::Client;
use super::failure::Failure;
use super::terminal::{self, Column, Signs};
use super::{Common, say, say_json};
use crate::api::{DeliveryView, ListedDelivery};
use crate::config;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The newest deliveries.
    List {
        /// Only those of this grant.
        #[arg(long, value_name = "GRANT")]
        grant: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// One delivery: state, coverage, requests.
    Show {
        /// Its id, `d-…`; the newest one if none is named.
        #[arg(value_name = "DELIVERY")]
        id: Option<String>,
    },
}

/// Columns of the coverage bar.
const BAR_WIDTH: usize = 48;

pub(super) fn run(common: &Common, command: &Command) -> Result<(), Failure> {
    let configuration = config::load(&common.config).map_err(|errors| Failure::configuration(errors.to_string()))?;
    let client = Client::of(&configuration)?;
    match command {
        Command::List { grant, limit } => {
            let grant = grant.as_ref().map(|grant| format!("&grant={grant}")).unwrap_or_default();
            let deliveries: Vec<ListedDelivery> = client.fetch(&format!("/api/v1/deliveries?limit={limit}{grant}"))?;
            if common.json { say_json(&deliveries) } else { say(list(&deliveries)) }
        }
        Command::Show { id } => {
            let delivery: DeliveryView = client.fetch(&format!("/api/v1/deliveries/{}", id.as_deref().unwrap_or("newest")))?;
            if common.json { say_json(&delivery) } else { say(show(&delivery)) }
        }
    }
}

fn list(deliveries: &[ListedDelivery]) -> String {
    if deliveries.is_empty() {
        return "no deliveries yet: one begins with a click on a link (`cloakroom link`)".to_owned();
    }
    let columns = [
        Column::Text("delivery"),
        Column::Text("state"),
        Column::Number("sent"),
        Column::Text("file"),
        Column::Text("client"),
        Column::Text("last active"),
    ];
    let rows: Vec<Vec<String>> = deliveries
        .iter()
        .map(|delivery| {
            let ListedDelivery { id, state, covered, size, file, client, active, .. } = delivery;
            vec![id.clone(), state.clone(), terminal::percent(*covered, *size), file.clone(), client.clone(), active.clone()]
        })
        .collect();
    terminal::table(&columns, &rows)
}

/// One delivery as text.
fn show(view: &DeliveryView) -> String {
    let DeliveryView { delivery, grant, requests, folded_requests, coverage, .. } = view;
    let max = grant.max_downloads.map_or_else(|| "unlimited".to_owned(), |max| max.to_string());
    let ranges: Vec<(u64, u64)> = coverage.iter().map(|range| (range.first, range.end)).collect();
    let mut lines = vec![
        format!("delivery  {}  {}", delivery.id, delivery.state),
        format!("file      {}, {}", terminal::visible(&delivery.file), terminal::bytes_exactly(delivery.size)),
        format!("grant     {}  used {}, reserved {}, of {max}", grant.id, grant.used, grant.reserved),
        format!(
            "coverage  {} {}",
            terminal::coverage_bar(&ranges, delivery.size, BAR_WIDTH, signs()),
            terminal::percent(delivery.covered, delivery.size)
        ),
        format!("bytes     {} charged, of {} that it may send", terminal::bytes(view.bytes_charged), terminal::bytes(view.bytes_budget)),
        format!("requests  {}", requests.len() as u64 + folded_requests),
    ];
    let columns = [
        Column::Text("admitted"),
        Column::Text("client"),
        Column::Number("at most"),
        Column::Number("status"),
        Column::Number("from byte"),
        Column::Number("sent"),
        Column::Text("ended"),
    ];
    let rows: Vec<Vec<String>> = requests
        .iter()
        .map(|request| {
            let report = request.report.as_ref();
            let told = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
            vec![
                request.admitted.clone(),
                request.client.clone(),
                terminal::bytes(request.bytes_max),
                told(report.map(|report| report.status.to_string())),
                report.and_then(|report| report.from).map_or_else(|| "-".to_owned(), terminal::grouped),
                told(report.map(|report| terminal::bytes(report.bytes))),
                told(report.map(|report| if report.finished { "whole answer".to_owned() } else { "cut off".to_owned() })),
            ]
        })
        .collect();
    if !rows.is_empty() {
        lines.push(terminal::table(&columns, &rows).trim_end().to_owned());
    }
    if !view.measured {
        lines.push("no [feed]: what arrived is not known; a download counts when it starts".to_owned());
    }
    lines.join("\n")
}

/// What the terminal can draw, as the locale says.
fn signs() -> Signs {
    let told = |name| std::env::var(name).ok();
    Signs::of_locale(told("LC_ALL").as_deref(), told("LC_CTYPE").as_deref(), told("LANG").as_deref())
}
