//! `cloakroom delivery`: what was sent, to whom, and how it counts.

use std::str::FromStr;

use clap::Subcommand;

use super::client::{Client, query};
use super::failure::Failure;
use super::terminal::{self, Column};
use super::when::ago;
use super::{Common, say, say_json, signs, width};
use crate::api::{DeliveryView, ListedDelivery};
use crate::clock;
use crate::domain::id::{DeliveryId, GrantId};

pub(super) mod away;
pub(super) mod show;

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
Examples:
  cloakroom delivery list --grant g-…
  cloakroom delivery show d-…";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The newest deliveries.
    List {
        /// Only those of this grant, `g-…`.
        #[arg(long, value_name = "GRANT", value_parser = GrantId::from_str)]
        grant: Option<GrantId>,
        /// Only those that were made before this one: the last one of the page before.
        #[arg(long, value_name = "DELIVERY", value_parser = DeliveryId::from_str)]
        before: Option<DeliveryId>,
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

pub(super) fn run(common: &Common, command: &Command) -> Result<(), Failure> {
    let configuration = common.load()?;
    let client = |name: &str| Client::of(&configuration, &format!("delivery {name}"));
    match command {
        Command::List { grant, before, limit } => {
            let (of, before, limit) = (grant.map(|id| id.to_string()), before.map(|id| id.to_string()), limit.to_string());
            let which = query(&[("grant", of.as_deref()), ("before", before.as_deref()), ("limit", Some(&limit))]);
            let deliveries: Vec<ListedDelivery> = client("list")?.fetch(&format!("/api/v1/deliveries{which}"))?;
            if common.json { say_json(&deliveries) } else { say(list(&deliveries, grant.as_ref(), before.is_some())) }
        }
        Command::Show { id } => {
            let id = id.as_ref().map_or_else(|| "newest".to_owned(), ToString::to_string);
            let delivery: DeliveryView = client("show")?.fetch(&format!("/api/v1/deliveries/{id}"))?;
            if common.json { say_json(&delivery) } else { say(show::show(&delivery, signs())) }
        }
    }
}

fn list(deliveries: &[ListedDelivery], grant: Option<&GrantId>, is_later_page: bool) -> String {
    match grant {
        _ if !deliveries.is_empty() => {}
        _ if is_later_page => return "no more deliveries".to_owned(),
        Some(grant) => return format!("no deliveries of {grant}"),
        None => return "no deliveries yet: one begins with a click on a link (`cloakroom grant add` makes one)".to_owned(),
    }
    let now = clock::now();
    let columns = [
        Column::Text("delivery"),
        Column::Text("state"),
        Column::Number("sent"),
        Column::Text("last active"),
        Column::Long("client"),
        Column::Long("file"),
    ];
    let rows: Vec<Vec<String>> = deliveries
        .iter()
        .map(|delivery| {
            let ListedDelivery { id, covered, size, file, client, active, .. } = delivery;
            vec![id.clone(), away::state(delivery), terminal::percent(*covered, *size), ago(active, now), client.clone(), file.clone()]
        })
        .collect();
    let table = terminal::table_within(&columns, &rows, width(), signs()).trim_end().to_owned();
    away::note(deliveries).map_or(table.clone(), |note| format!("{table}\n\n{note}"))
}
