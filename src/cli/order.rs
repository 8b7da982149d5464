//! `cloakroom order`: what a shop reports, by hand.

use std::str::FromStr;

use clap::{Args, Subcommand};

use super::client::{Client, query};
use super::failure::{Failure, warn};
use super::terminal::{Column, table};
use super::{Common, link, outbox, say, say_json, terminal};
use crate::api::{CustomerView, ListedOrder, MessageView, NewLine, NewOrder, NewState, OrderPageView, OrderView, SHOP, SoldGrant};
use crate::config::Configuration;
use crate::domain::id::OrderId;
use crate::domain::order::OrderState;

/// What stands below the list of commands.
pub(super) const AFTER_HELP: &str = "\
Examples:
  cloakroom order add 1001 --email anna@b.example --line ebook --line 'poster size=large x2'
  cloakroom order set 1001 refunded
  cloakroom order show 1001
  cloakroom order page 1001 --renew";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Report an order, and print the URLs of what it opens; the same once more changes nothing.
    Add(Add),
    /// The newest orders.
    List(List),
    /// One order: its lines, and what each opens.
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Print the URL of the customer's page of all downloads of an order: whoever has it can use it.
    Page {
        #[command(flatten)]
        which: Which,

        /// Give the page another URL first: those from before, such as one that was passed on, show nothing from then on. Links of
        /// single files stay as they are: `cloakroom link revoke`.
        #[arg(long)]
        renew: bool,
    },
    /// Say what became of an order: what it sold opens or shuts with the next request.
    Set {
        #[command(flatten)]
        which: Which,

        /// pending, paid, `on_hold`, refunded, cancelled or `charged_back`.
        #[arg(value_name = "STATE", value_parser = state)]
        state: String,
    },
    /// Send the customer the links of a paid order by mail, again or to somebody else.
    Mail {
        #[command(flatten)]
        which: Which,

        #[command(flatten)]
        to: outbox::To,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Its number in the shop, or its id, `o-…`.
    #[arg(value_name = "ORDER")]
    order: String,

    /// The shop, where there are several.
    #[arg(long, value_name = "NAME", default_value = SHOP)]
    shop: String,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Its number in the shop.
    #[arg(value_name = "NUMBER")]
    external_id: String,

    /// The shop, where there are several.
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,

    /// What was ordered: a SKU, then what was chosen and how many, as in `poster size=large x2`. May be said several times;
    /// of an order that is known, all lines that are left, in any order: what is not among them is cancelled.
    #[arg(long = "line", value_name = "LINE", value_parser = line)]
    lines: Vec<NewLine>,

    /// pending, paid, `on_hold`, refunded, cancelled or `charged_back`.
    #[arg(long, value_name = "STATE", default_value = "paid", value_parser = state)]
    state: String,

    /// Where mails to the customer go.
    #[arg(long, value_name = "ADDRESS", default_value = "", hide_default_value = true)]
    email: String,

    /// The customer's name.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    name: String,

    /// What the shop calls the customer.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    customer: String,

    /// The language that the customer reads, such as `de`.
    #[arg(long, value_name = "LANGUAGE", default_value = "", hide_default_value = true)]
    language: String,

    /// When it was ordered: 2027-01-31, or 2027-01-31T12:00:00Z.
    #[arg(long, value_name = "WHEN")]
    placed: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those of this shop.
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,

    /// Only those of this customer: a mail address, else the shop's id of them, else a name.
    #[arg(long, value_name = "TEXT")]
    customer: Option<String>,

    /// Only those that were reported before this one: the last one of the page before.
    #[arg(long, value_name = "ORDER", value_parser = OrderId::from_str)]
    before: Option<OrderId>,

    /// At most so many, 1 to 1000.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

fn state(text: &str) -> Result<String, String> {
    let known = || OrderState::ALL.map(OrderState::word).join(", ");
    OrderState::parse(text).map(|state| state.word().to_owned()).ok_or_else(|| format!("must be one of {}", known()))
}

/// Reads `SKU [NAME=VALUE]… [xN]`.
fn line(text: &str) -> Result<NewLine, String> {
    const WANTED: &str = "must be a SKU, then `name=value` for what was chosen, then `x2` for how many";
    let mut words = text.split_whitespace();
    let sku = words.next().ok_or(WANTED)?.to_owned();
    let mut line = NewLine::of(sku);
    for word in words {
        match (word.split_once('='), word.strip_prefix('x').and_then(|number| number.parse().ok())) {
            (Some((name, value)), _) if !name.is_empty() => drop(line.options.insert(name.to_owned(), value.to_owned())),
            (None, Some(number)) => line.quantity = number,
            _ => return Err(format!("{WANTED}; found `{word}`")),
        }
    }
    Ok(line)
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let configuration = common.load()?;
    match command {
        Command::Add(add) => {
            let customer = CustomerView { id: add.customer, name: add.name, email: add.email, language: add.language };
            let order = NewOrder {
                shop: add.shop,
                external_id: add.external_id,
                state: add.state,
                customer: (customer != CustomerView::default()).then_some(customer),
                lines: (!add.lines.is_empty()).then_some(add.lines),
                placed: add.placed,
            };
            let view: OrderView = Client::of(&configuration, "order add")?.post("/api/v1/orders", &order)?;
            told(common, &view)
        }
        Command::Set { which, state } => {
            let client = Client::of(&configuration, "order set")?;
            let id = found(&configuration, &which)?;
            let view: OrderView = client.post(&format!("/api/v1/orders/{id}/state"), &NewState { state })?;
            if common.json {
                return say_json(&view);
            }
            say(became(&view))?;
            warn_of_problems(&view);
            Ok(())
        }
        Command::Page { which, renew } => {
            let client = Client::of(&configuration, "order page")?;
            let id = found(&configuration, &which)?;
            let call = if renew { "renew-page" } else { "page" };
            let view: OrderPageView = client.post(&format!("/api/v1/orders/{id}/{call}"), &serde_json::json!({}))?;
            if common.json { say_json(&view) } else { say(&view.url) }
        }
        Command::Mail { which, to } => {
            let client = Client::of(&configuration, "order mail")?;
            let id = found(&configuration, &which)?;
            outbox::told(common, &client.post::<MessageView>(&format!("/api/v1/orders/{id}/mail"), &to.letter())?)
        }
        Command::Show { which } => {
            let id = found(&configuration, &which)?;
            let view: OrderView = Client::of(&configuration, "order show")?.fetch(&format!("/api/v1/orders/{id}"))?;
            if common.json { say_json(&view) } else { say(page(&view).join("\n")) }
        }
        Command::List(List { shop, customer, before, limit }) => {
            let (before, limit) = (before.map(|id| id.to_string()), limit.to_string());
            let pairs =
                [("shop", shop.as_deref()), ("customer", customer.as_deref()), ("before", before.as_deref()), ("limit", Some(&limit))];
            let orders: Vec<ListedOrder> = Client::of(&configuration, "order list")?.fetch(&format!("/api/v1/orders{}", query(&pairs)))?;
            if common.json { say_json(&orders) } else { list(&orders) }
        }
    }
}

/// The id of an order that is named by it, or by its number in the shop.
fn found(configuration: &Configuration, which: &Which) -> Result<OrderId, Failure> {
    if let Ok(id) = which.order.parse() {
        return Ok(id);
    }
    let pairs = [("shop", Some(which.shop.as_str())), ("external_id", Some(which.order.as_str()))];
    let orders: Vec<ListedOrder> = Client::of(configuration, "order")?.fetch(&format!("/api/v1/orders{}", query(&pairs)))?;
    let id = orders.first().and_then(|order| order.id.parse().ok());
    let (order, shop) = (terminal::visible(&which.order), terminal::visible(&which.shop));
    id.ok_or_else(|| Failure::failed(format!("the shop `{shop}` has no order {order}: `cloakroom order list` lists those that there are")))
}

fn list(orders: &[ListedOrder]) -> Result<(), Failure> {
    if orders.is_empty() {
        return say("no orders");
    }
    let columns = [
        Column::Text("order"),
        Column::Text("shop"),
        Column::Text("number"),
        Column::Text("state"),
        Column::Text("customer"),
        Column::Number("lines"),
        Column::Text("reported"),
    ];
    let mut rows = Vec::with_capacity(orders.len());
    for order in orders {
        let CustomerView { id, name, email, .. } = &order.customer;
        let customer = [email, id, name].into_iter().find(|text| !text.is_empty()).map_or("-", String::as_str);
        rows.push(vec![
            order.id.clone(),
            order.shop.clone(),
            terminal::visible(&order.external_id),
            link::words(&order.state),
            terminal::visible(customer),
            order.lines.to_string(),
            order.created.clone(),
        ]);
    }
    say(table(&columns, &rows).trim_end())
}

/// The URLs alone stand on standard output, one a line, so that a script can take them, and below that of a copy what opens it; the
/// rest beside that.
fn told(common: &Common, order: &OrderView) -> Result<(), Failure> {
    if common.json {
        return say_json(order);
    }
    let mut waiting = 0_usize;
    for sold in order.lines.iter().flat_map(|line| &line.grants).filter(|sold| sold.grant.state == "active") {
        if let Some(url) = &sold.url {
            say(url)?;
        }
        if let Some(copy) = &sold.copy {
            say(link::offered(copy))?;
            waiting += usize::from(copy.state == "preparing");
        }
    }
    warn(&became(order));
    if waiting > 0 {
        let copies = if waiting == 1 { "1 copy is".to_owned() } else { format!("{waiting} copies are") };
        warn(&format!("{copies} still being made: the URLs can be sent, and ask customers to wait until then"));
    }
    warn_of_problems(order);
    Ok(())
}

/// What the order is now.
fn became(order: &OrderView) -> String {
    let (id, number, state) = (&order.id, terminal::visible(&order.external_id), link::words(&order.state));
    let news = if order.changed { "" } else { "; nothing is other than before" };
    format!("order {number} ({id}) is {state}{news}")
}

fn warn_of_problems(order: &OrderView) {
    for problem in &order.problems {
        warn(&terminal::visible(problem));
    }
    for line in &order.lines {
        for problem in &line.problems {
            warn(&format!("line {} ({}): {}", terminal::visible(&line.line), terminal::visible(&line.sku), terminal::visible(problem)));
        }
    }
}

fn page(order: &OrderView) -> Vec<String> {
    let OrderView { id, shop, external_id, state, customer, lines, former, placed, created, changed_at, problems, changed: _, page_url: _ } =
        order;
    let mut told = vec![format!("{id}  {}", link::words(state)), format!("number    {} in {shop}", terminal::visible(external_id))];
    let who: Vec<String> = [&customer.name, &customer.email, &customer.id]
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(|text| terminal::visible(text))
        .collect();
    if !who.is_empty() {
        told.push(format!("customer  {}", who.join(", ")));
    }
    told.extend(placed.as_ref().map(|placed| format!("ordered   {placed}")));
    told.push(format!("reported  {created}, last changed {changed_at}"));
    told.extend(problems.iter().map(|problem| format!("! {}", terminal::visible(problem))));
    for line in lines {
        let chosen = line.options.iter().map(|(name, value)| format!("{}={} ", terminal::visible(name), terminal::visible(value)));
        let options = chosen.collect::<Vec<_>>().concat();
        let state = if line.state == *state { String::new() } else { format!(", {}", link::words(&line.state)) };
        told.push(String::new());
        told.push(format!("line {}  {} {options}x{}{state}", terminal::visible(&line.line), terminal::visible(&line.sku), line.quantity));
        told.extend(line.grants.iter().map(sold));
        told.extend(line.problems.iter().map(|problem| format!("  ! {}", terminal::visible(problem))));
    }
    if !former.is_empty() {
        told.extend([String::new(), "no longer ordered".to_owned()]);
        told.extend(former.iter().map(sold));
    }
    told
}

/// A grant of an order, in a line.
fn sold(sold: &SoldGrant) -> String {
    let most = sold.grant.max_downloads.map_or_else(|| "any number".to_owned(), |most| most.to_string());
    let (id, state, used) = (&sold.grant.id, link::words(&sold.grant.state), sold.grant.used);
    format!("  {id}  {}: {state}, {used} of {most} downloads used", terminal::visible(&sold.name))
}
