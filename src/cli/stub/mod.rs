//! `cloakroom stub`: what lies in public directories.

use clap::Subcommand;

use super::client::{Client, query};
use super::failure::Failure;
use super::{Common, say, say_json, signs, width};
use crate::api::{PublicPage, SweepOrder, SweepView};
use crate::clock;

mod show;
mod zen_cart;

/// What stands below the commands.
pub(super) const AFTER_HELP: &str = "\
The daemon takes away by itself what has to go, at the moment that it has to. `cloakroom explain PATH` tells all of one name; \
`cloakroom grant revoke` takes away what lies there for a grant, at once.

Examples:
  cloakroom stub list
  cloakroom stub sweep --dry-run";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What lies there: for whom, why still, until when; what is not ours; what could not be removed; Zen Cart's own links.
    List {
        /// Only what lies in the directory of this name.
        #[arg(long, value_name = "NAME")]
        directory: Option<String>,
        /// What the page before says that the next one begins after.
        #[arg(long, value_name = "PLACE")]
        after: Option<String>,
        /// At most so many, 1 to 1000; those that go first come first.
        #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Take away now what has to go, and try again what could not be removed. What is not ours is never touched.
    Sweep {
        /// Only tell what it would take away, why, and what it would leave alone.
        #[arg(long)]
        dry_run: bool,
    },
}

pub(super) fn run(common: &Common, command: &Command) -> Result<(), Failure> {
    let configuration = common.load()?;
    match command {
        Command::List { directory, after, limit } => {
            let (most, limit) = (usize::from(*limit), limit.to_string());
            let which = query(&[("directory", directory.as_deref()), ("after", after.as_deref()), ("limit", Some(&limit))]);
            // A directory of very many files takes its time.
            let page: PublicPage = Client::of(&configuration, "stub list")?.fetch_slowly(&format!("/api/v1/public{which}"))?;
            let more = more(directory.as_deref(), &limit);
            if common.json {
                say_json(&page)
            } else {
                let page = show::Page { answer: &page, is_later: after.is_some(), more: &more, most };
                say(show::list(&page, clock::now(), width(), signs()))
            }
        }
        Command::Sweep { dry_run } => {
            let order = SweepOrder { dry_run: *dry_run };
            let swept: SweepView = Client::of(&configuration, "stub sweep")?.post_slowly("/api/v1/public/sweep", &order)?;
            let is_left = swept.swept.iter().any(|placed| placed.state == "going")
                || swept.zen_carts.iter().any(|one| one.links.iter().any(|link| link.not_removed.is_some()));
            let failed = is_left && !swept.dry_run;
            if common.json {
                say_json(&swept)?;
            } else {
                say(show::swept(&swept, clock::now(), width(), signs()))?;
            }
            if failed { Err(Failure::Partly("something could not be removed; the daemon tries it again".to_owned())) } else { Ok(()) }
        }
    }
}

/// The command that shows the next page, without the place.
fn more(directory: Option<&str>, limit: &str) -> String {
    let directory = directory.map_or_else(String::new, |name| format!(" --directory {name}"));
    format!("cloakroom stub list{directory} --limit {limit} --after ")
}
