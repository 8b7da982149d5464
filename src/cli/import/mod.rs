//! `cloakroom import`: take over what another shop sold.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::{Common, terminal};
use crate::api::SHOP;
use crate::import::zen_cart::plan::Gate;

mod hand_over;
mod read;
mod told;

/// What stands below the list of commands.
pub(super) const AFTER_HELP: &str = "\
Examples:
  mysqldump shop orders orders_products orders_products_download \\
    products_attributes products_attributes_download > shop.sql
  cloakroom import zencart shop.sql --storage masters --zone Europe/Berlin --dry-run
  cloakroom import zencart shop.sql --storage masters --zone Europe/Berlin";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Zen Cart's orders, with what is left of their downloads, and the files of its products; the same once more changes nothing.
    Zencart(Arguments),
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Its tables: an SQL dump, or CSV with the names of the columns in the first line, one file a table; `-` is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// The `[[storage]]` that is Zen Cart's download directory; needed where there are several.
    #[arg(long, value_name = "NAME")]
    storage: Option<String>,

    /// The shop, where there are several.
    #[arg(long, value_name = "NAME", default_value = SHOP)]
    shop: String,

    /// The shop's time zone, such as Europe/Berlin: downloads end with a day there.
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,

    /// Orders of these statuses are paid, others pending: as Zen Cart's settings say.
    #[arg(long, value_name = "FROM-TO", default_value = "2-4", value_parser = statuses)]
    statuses: Gate,

    /// All orders are paid, whatever their status: Zen Cart's download page does not ask either.
    #[arg(long, conflicts_with = "statuses")]
    no_gate: bool,

    /// What the names of the tables begin with, where a dump has several shops.
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,

    /// The policy that products get: limits of what is sold from now on; `default` if not said.
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,

    /// In CSV a backslash escapes what follows, as `INTO OUTFILE` writes it.
    #[arg(long)]
    backslash_escapes: bool,

    /// Only show what would be made.
    #[arg(long)]
    dry_run: bool,
}

/// Reads `2-4`, or `2`.
fn statuses(text: &str) -> Result<Gate, String> {
    let wanted = "must be the first and the last status of orders that are paid, such as 2-4";
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse::<u32>().map(i64::from).map_err(|_| wanted.to_owned());
    let (first, last) = (number(first)?, number(last)?);
    if first > last { Err(wanted.to_owned()) } else { Ok(Gate::Statuses(first..=last)) }
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let Command::Zencart(arguments) = command;
    let configuration = common.load()?;
    let names: Vec<&str> = configuration.storages.iter().map(|storage| storage.name.as_str()).collect();
    let storage = match (&arguments.storage, names.as_slice()) {
        (Some(name), names) if names.contains(&name.as_str()) => name.clone(),
        (None, [only]) => (*only).to_owned(),
        (found, names) => {
            let found = found.as_ref().map(|name| format!("`{}` is none of them; ", terminal::visible(name))).unwrap_or_default();
            let text =
                format!("{found}say with --storage which [[storage]] is Zen Cart's download directory (there are: {})", names.join(", "));
            return Err(Failure::usage(text));
        }
    };
    let read = read::read(&arguments)?;
    let part = hand_over::Terms { storage, shop: arguments.shop.clone(), policy: arguments.policy.clone() };
    hand_over::run(common, &configuration, &read, &part, arguments.dry_run)
}
