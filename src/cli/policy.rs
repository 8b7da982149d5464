//! `cloakroom policy`: the limits of what is sold.

use clap::{Args, Subcommand};

use super::client::{Client, encoded_segment};
use super::failure::Failure;
use super::terminal::{self, Column, table};
use super::{Common, say, say_json};
use crate::api::{Application, AppliedView, PolicyView};

/// What stands below the list of commands.
pub(super) const AFTER_HELP: &str = "\
Policies stand in the configuration: [[policy]].

Examples:
  cloakroom policy list
  cloakroom policy apply books --product ebook --dry-run";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The policies of the configuration, in words.
    List,
    /// One policy, and the products that have it.
    Show {
        /// Its name.
        name: String,
    },
    /// Give grants that were made before the number of downloads and the end that this policy would have given them;
    /// what the line of an order says itself, and what somebody gave a grant by hand, stays.
    Apply(Apply),
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The name of the policy.
    name: String,

    /// To those that were sold under this SKU.
    #[arg(long, value_name = "SKU")]
    product: String,

    /// Only tell how many would be changed.
    #[arg(long)]
    dry_run: bool,

    /// Also to those to which somebody gave another end or number of downloads.
    #[arg(long)]
    amended: bool,
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let configuration = common.load()?;
    match command {
        Command::List => {
            let policies: Vec<PolicyView> = Client::of(&configuration, "policy list")?.fetch("/api/v1/policies")?;
            if common.json { say_json(&policies) } else { say(list(&policies)) }
        }
        Command::Show { name } => {
            let path = format!("/api/v1/policies/{}", encoded_segment(&name));
            let policy: PolicyView = Client::of(&configuration, "policy show")?.fetch(&path)?;
            if common.json { say_json(&policy) } else { say(page(&policy)) }
        }
        Command::Apply(Apply { name, product, dry_run, amended }) => {
            let path = format!("/api/v1/policies/{}/apply", encoded_segment(&name));
            let client = Client::of(&configuration, "policy apply")?;
            let applied: AppliedView = client.post_slowly(&path, &Application { product: product.clone(), dry_run, amended })?;
            if common.json { say_json(&applied) } else { say(told(&applied, &product)) }
        }
    }
}

fn list(policies: &[PolicyView]) -> String {
    let row = |policy: &PolicyView| vec![policy.name.clone(), policy.in_words.clone()];
    table(&[Column::Text("policy"), Column::Text("allows")], &policies.iter().map(row).collect::<Vec<_>>()).trim_end().to_owned()
}

fn page(policy: &PolicyView) -> String {
    let PolicyView { name, in_words, products, .. } = policy;
    let products = if products.is_empty() { "no product".to_owned() } else { terminal::visible(&products.join(", ")) };
    format!("{name}\nallows    {in_words}\nused by   {products}")
}

fn told(applied: &AppliedView, product: &str) -> String {
    let AppliedView { grants, changed, revoked, over, amended, dry_run } = applied;
    let sold = terminal::counted(*grants, "grant was", "grants were");
    let verb = if *dry_run { "would be changed" } else { "changed" };
    let mut text = format!("{sold} sold as `{}`: {} {verb}", terminal::visible(product), terminal::grouped(*changed));
    for (count, why) in [
        (*revoked, "revoked, and stay so"),
        (*over, "would be over already, and stay as they are"),
        (*amended, "changed by hand before and left alone (--amended changes these, too)"),
    ] {
        if count > 0 {
            text = format!("{text}, {} {why}", terminal::grouped(count));
        }
    }
    text
}
