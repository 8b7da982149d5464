//! `cloakroom customer`: what is kept about people, and forgetting it.

use clap::Subcommand;

use super::client::{Client, encoded_segment};
use super::failure::{Failure, warn};
use super::terminal::{self, Column, counted, table};
use super::{Common, link, say, say_json};
use crate::api::{CustomerPage, ForgetOrder, ForgottenView};

/// What stands below the list of commands.
pub(super) const AFTER_HELP: &str = "\
Examples:
  cloakroom customer show anna@b.example
  cloakroom customer forget anna@b.example --dry-run
  cloakroom customer forget anna@b.example

What lies outside of the store is not reached: logs of the web server and of the system, and backups.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// All that is kept about a customer: orders, grants, deliveries, addresses.
    Show {
        /// Their mail address, what the shop calls them, their name, or the customer as `grant list` shows it.
        #[arg(value_name = "WHO")]
        who: String,
    },
    /// Forget who a customer is: names and addresses go, what was sold and counted stays. There is no way back.
    Forget {
        /// Their mail address, what the shop calls them, their name, or the customer as `grant list` shows it.
        #[arg(value_name = "WHO")]
        who: String,

        /// Only tell how much it would be.
        #[arg(long)]
        dry_run: bool,
    },
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let configuration = common.load()?;
    match command {
        Command::Show { who } => {
            let page: CustomerPage =
                Client::of(&configuration, "customer show")?.fetch(&format!("/api/v1/customers/{}", encoded_segment(&who)))?;
            if common.json { say_json(&page) } else { show(&page) }
        }
        Command::Forget { who, dry_run } => {
            let client = Client::of(&configuration, "customer forget")?;
            let path = format!("/api/v1/customers/{}/forget", encoded_segment(&who));
            let told: ForgottenView = client.post_slowly(&path, &ForgetOrder { dry_run })?;
            if common.json { say_json(&told) } else { forgotten(&told) }
        }
    }
}

fn show(page: &CustomerPage) -> Result<(), Failure> {
    if !page.orders.is_empty() {
        let columns =
            [Column::Text("order"), Column::Text("shop"), Column::Text("number"), Column::Text("state"), Column::Text("customer")];
        let row = |order: &crate::api::ListedOrder| {
            let who: Vec<&str> = [&order.customer.name, &order.customer.email, &order.customer.id]
                .map(String::as_str)
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect();
            vec![
                order.id.clone(),
                order.shop.clone(),
                terminal::visible(&order.external_id),
                link::words(&order.state),
                terminal::visible(&who.join(", ")),
            ]
        };
        say(table(&columns, &page.orders.iter().map(row).collect::<Vec<_>>()))?;
    }
    if !page.grants.is_empty() {
        let columns =
            [Column::Text("grant"), Column::Text("state"), Column::Number("used"), Column::Text("file"), Column::Text("customer")];
        let row = |grant: &crate::api::GrantView| {
            vec![
                grant.id.clone(),
                link::words(&grant.state),
                grant.used.to_string(),
                terminal::visible(&grant.file),
                terminal::visible(&grant.customer),
            ]
        };
        say(table(&columns, &page.grants.iter().map(row).collect::<Vec<_>>()))?;
    }
    if !page.deliveries.is_empty() {
        let columns =
            [Column::Text("delivery"), Column::Text("state"), Column::Text("clicked"), Column::Text("from"), Column::Text("file")];
        let row = |delivery: &crate::api::ListedDelivery| {
            vec![
                delivery.id.clone(),
                link::words(&delivery.state),
                delivery.offered.clone(),
                delivery.client.clone(),
                terminal::visible(&delivery.file),
            ]
        };
        say(table(&columns, &page.deliveries.iter().map(row).collect::<Vec<_>>()))?;
    }
    for (what, found) in [("addresses", &page.addresses), ("agents", &page.agents)] {
        if !found.is_empty() {
            say(format!("{what}  {}", terminal::visible(&found.join("; "))))?;
        }
    }
    if page.letters > 0 {
        say(format!("letters  {} to this address about something else", page.letters))?;
    }
    Ok(())
}

fn forgotten(told: &ForgottenView) -> Result<(), Failure> {
    let numbers = [
        counted(told.orders, "order", "orders"),
        counted(told.grants, "grant", "grants"),
        counted(told.deliveries, "delivery", "deliveries"),
        counted(told.messages, "message", "messages"),
    ];
    match &told.pseudonym {
        Some(pseudonym) => say(format!("forgotten in {}; the customer is `{pseudonym}` there now", numbers.join(", ")))?,
        None => say(format!("would be forgotten in {}", numbers.join(", ")))?,
    }
    if told.running > 0 {
        let running = counted(told.running, "download has", "downloads have");
        warn(&format!("{running} not ended and keeps who came: say the same of `{}` later", told.pseudonym.as_deref().unwrap_or("it")));
    }
    Ok(())
}
