//! `cloakroom delivery`: what was sent, to whom, and how it counts.

use std::str::FromStr;

use clap::Subcommand;

use super::client::Client;
use super::failure::Failure;
use super::terminal::{self, Column};
use super::{Common, say, say_json, signs};
use crate::api::{DeliveryView, ListedDelivery, RequestView};
use crate::clock;
use crate::domain::id::{DeliveryId, GrantId};
use crate::domain::moment::Moment;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The newest deliveries.
    List {
        /// Only those of this grant, `g-…`.
        #[arg(long, value_name = "GRANT", value_parser = GrantId::from_str)]
        grant: Option<GrantId>,
        /// At most so many, 1 to 1000.
        #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// One delivery: state, coverage, requests.
    Show {
        /// Its id, `d-…`; the newest one if none is named.
        #[arg(value_name = "DELIVERY", value_parser = DeliveryId::from_str)]
        id: Option<DeliveryId>,
    },
}

/// Columns of the coverage bar.
const BAR_WIDTH: usize = 48;

pub(super) fn run(common: &Common, command: &Command) -> Result<(), Failure> {
    let client = Client::of(&common.load()?)?;
    match command {
        Command::List { grant, limit } => {
            let of_grant = grant.as_ref().map(|grant| format!("&grant={grant}")).unwrap_or_default();
            let deliveries: Vec<ListedDelivery> = client.fetch(&format!("/api/v1/deliveries?limit={limit}{of_grant}"))?;
            if common.json { say_json(&deliveries) } else { say(list(&deliveries, grant.as_ref())) }
        }
        Command::Show { id } => {
            let id = id.as_ref().map_or_else(|| "newest".to_owned(), ToString::to_string);
            let delivery: DeliveryView = client.fetch(&format!("/api/v1/deliveries/{id}"))?;
            if common.json { say_json(&delivery) } else { say(show(&delivery)) }
        }
    }
}

fn list(deliveries: &[ListedDelivery], grant: Option<&GrantId>) -> String {
    match grant {
        _ if !deliveries.is_empty() => {}
        Some(grant) => return format!("no deliveries of {grant}"),
        None => return "no deliveries yet: one begins with a click on a link (`cloakroom link`)".to_owned(),
    }
    let now = clock::now();
    // What can be long stands last, so that a narrow terminal breaks nothing else.
    let columns = [
        Column::Text("delivery"),
        Column::Text("state"),
        Column::Number("sent"),
        Column::Text("last active"),
        Column::Text("client"),
        Column::Text("file"),
    ];
    let rows: Vec<Vec<String>> = deliveries
        .iter()
        .map(|delivery| {
            let ListedDelivery { id, state, covered, size, file, client, active, .. } = delivery;
            vec![id.clone(), state.clone(), terminal::percent(*covered, *size), ago(active, now), client.clone(), file.clone()]
        })
        .collect();
    terminal::table(&columns, &rows).trim_end().to_owned()
}

/// A time of the API as people say it.
fn ago(time: &str, now: Moment) -> String {
    let stamp = time.parse::<jiff::Timestamp>().ok().and_then(|stamp| u64::try_from(stamp.as_second()).ok());
    stamp.map_or_else(|| time.to_owned(), |seconds| terminal::ago(Moment::from_seconds(seconds), now))
}

/// One delivery as text.
fn show(view: &DeliveryView) -> String {
    let DeliveryView { delivery, grant, requests, folded_requests, coverage, .. } = view;
    let now = clock::now();
    let max = grant.max_downloads.map_or_else(|| "unlimited".to_owned(), |max| max.to_string());
    let ranges: Vec<(u64, u64)> = coverage.iter().map(|range| (range.first, range.end)).collect();
    let customer = if grant.customer.is_empty() { String::new() } else { format!(", for {}", terminal::visible(&grant.customer)) };
    let mut lines = vec![
        format!("delivery  {}  {}", delivery.id, delivery.state),
        format!("file      {}, {}", terminal::visible(&delivery.file), terminal::bytes_exactly(delivery.size)),
        format!("client    {}, clicked {} ({})", delivery.client, ago(&delivery.offered, now), delivery.offered),
        format!("grant     {}  used {}, reserved {}, of {max}{customer}", grant.id, grant.used, grant.reserved),
        format!(
            "coverage  {} {}",
            terminal::coverage_bar(&ranges, delivery.size, BAR_WIDTH, signs()),
            terminal::percent(delivery.covered, delivery.size)
        ),
        format!("bytes     {} charged, of {} that it may send", terminal::bytes(view.bytes_charged), terminal::bytes(view.bytes_budget)),
        format!("requests  {}", requests.len() as u64 + folded_requests),
    ];
    if !requests.is_empty() {
        lines.push(String::new());
        lines.push(requests_table(requests).trim_end().to_owned());
    }
    lines.insert(6, format!("known by  {}", known_by(&view.feed)));
    lines.join("\n")
}

/// How much the numbers say.
fn known_by(feed: &str) -> &str {
    match feed {
        "access-log" => "Nginx's access log",
        "syslog" => "Nginx's syslog, which may lose lines: then presumed",
        "api" => "Nginx's lines, handed over by `cloakroom feed`",
        "stream" => "what Cloakroom itself sent",
        "none" => "nobody, as there is no [feed]: a download counts when it starts",
        other => other,
    }
}

fn requests_table(requests: &[RequestView]) -> String {
    // A client's key is nothing to read; which requests are of the same one is.
    let mut clients: Vec<&str> = Vec::new();
    for request in requests {
        if !clients.contains(&request.client.as_str()) {
            clients.push(&request.client);
        }
    }
    let mut columns = vec![
        Column::Text("admitted"),
        Column::Number("at most"),
        Column::Number("status"),
        Column::Number("from byte"),
        Column::Number("sent"),
        Column::Text("ended"),
    ];
    if clients.len() > 1 {
        columns.push(Column::Text("by"));
    }
    let rows: Vec<Vec<String>> = requests
        .iter()
        .map(|request| {
            let report = request.report.as_ref();
            let told = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
            let client = clients.iter().position(|client| *client == request.client).map_or(0, |place| place + 1);
            vec![
                request.admitted.clone(),
                terminal::bytes(request.bytes_max),
                told(report.map(|report| report.status.to_string())),
                report.and_then(|report| report.from).map_or_else(|| "-".to_owned(), terminal::grouped),
                told(report.map(|report| terminal::bytes(report.bytes))),
                report.map_or("not reported", |report| if report.finished { "whole" } else { "cut off" }).to_owned(),
                format!("client {client}"),
            ]
        })
        .collect();
    terminal::table(&columns, &rows)
}
