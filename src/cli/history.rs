//! `cloakroom history`: what people and programs did.

use clap::Args;

use super::client::{Client, query};
use super::failure::Failure;
use super::terminal::{Column, table_within};
use super::{Common, say, say_json, signs, width};
use crate::api::DeedView;

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
It holds what changed orders, files, products, policies, keys, directories and mail; the history of one grant, to which the daemon
adds by itself, stands in `cloakroom grant show`. What began and is not known to be done runs, failed in the middle, or was cut off
when the daemon ended: look at what it is about.

Examples:
  cloakroom history
  cloakroom history --about o-…";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only what was about this: an id, a SKU, a name.
    #[arg(long, value_name = "WHAT")]
    about: Option<String>,

    /// Only what was done before this number: the last one of the page before.
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,

    /// At most so many, 1 to 1000.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let configuration = common.load()?;
    let (before, limit) = (arguments.before.map(|before| before.to_string()), arguments.limit.to_string());
    let pairs = [("about", arguments.about.as_deref()), ("before", before.as_deref()), ("limit", Some(limit.as_str()))];
    let deeds: Vec<DeedView> = Client::of(&configuration, "history")?.fetch(&format!("/api/v1/history{}", query(&pairs)))?;
    if common.json { say_json(&deeds) } else { say(shown(&deeds)) }
}

fn shown(deeds: &[DeedView]) -> String {
    if deeds.is_empty() {
        return "nothing was done over the API".to_owned();
    }
    let row = |deed: &DeedView| {
        let from = deed.from.clone().unwrap_or_else(|| "here".to_owned());
        let outcome = if deed.outcome.is_empty() { String::new() } else { format!(" {}.", deed.outcome) };
        let did = if deed.done { format!("{}{outcome}", deed.did) } else { format!("began, not known to be done: {}", deed.did) };
        vec![deed.number.clone(), deed.at.clone(), deed.author.clone(), from, did, deed.subject.clone()]
    };
    let columns =
        [Column::Number("#"), Column::Text("when"), Column::Long("who"), Column::Text("from"), Column::Long("what"), Column::Text("about")];
    let rows: Vec<_> = deeds.iter().map(row).collect();
    table_within(&columns, &rows, width(), signs()).trim_end().to_owned()
}
