//! `cloakroom check`: is what is written right, and is it there?

use clap::Args;

use super::failure::Failure;
use super::{Common, say, say_json, serve};
use crate::config;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print the commented default configuration instead.
    #[arg(long)]
    print_default: bool,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.print_default {
        return say(config::default_file().trim_end());
    }
    let configuration = config::load(&common.config).map_err(|errors| Failure::configuration(errors.to_string()))?;
    let counts = serde_json::json!({
        "listeners": configuration.listeners.len(),
        "keys": configuration.keys.len(),
        "storages": configuration.storages.len(),
        "rules": configuration.rules.len(),
        "measured": configuration.is_measured(),
    });
    let counted = if configuration.is_measured() {
        "downloads are counted when they have arrived"
    } else {
        "no [feed]: downloads are counted when they start"
    };
    serve::site(configuration)?;
    if common.json {
        return say_json(&counts);
    }
    say(format!("{}: the configuration is right, its keys and storages can be opened; {counted}", common.config.display()))
}
