//! `cloakroom check`: is what is written right, and is it there?

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use clap::Args;

use super::failure::Failure;
use super::{Common, say, say_json, serve};
use crate::config::{self, Configuration, Feed, StoreEntry};
use crate::store::memory::Memory;
use crate::store::sqlite::Sqlite;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print a configuration to begin with: every key, with its meaning and its default.
    #[arg(long)]
    print_default: bool,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.print_default {
        return say(config::default_file().trim_end());
    }
    let configuration = common.load()?;
    let counts = serde_json::json!({
        "config": common.config,
        "site": configuration.site,
        "listeners": configuration.listeners.len(),
        "keys": configuration.keys.len(),
        "storages": configuration.storages.len(),
        "rules": configuration.rules.len(),
        "policies": configuration.policies.len(),
        "measured": configuration.knows_what_arrived(),
    });
    let counted = if configuration.knows_what_arrived() {
        "a download counts when it has arrived"
    } else {
        "a download counts when it starts, since there is no [feed] to tell what arrived"
    };
    let feed = feed_fault(&configuration);
    let faults: Vec<String> = feed.into_iter().chain(store_fault(&configuration)).collect();
    match (serve::site(configuration, Arc::new(Memory::new())), faults) {
        (Ok(_), faults) if faults.is_empty() => {}
        (Ok(_), faults) => return Err(Failure::Configuration(faults)),
        (Err(Failure::Configuration(mut all)), faults) => {
            all.extend(faults);
            return Err(Failure::Configuration(all));
        }
        (Err(other), _) => return Err(other),
    }
    if common.json {
        return say_json(&counts);
    }
    say(format!("{}: the configuration is right; its keys, storages and pages can be used; {counted}", common.config.display()))
}

/// What hinders the daemon, run by this user, from opening its store. One that is not there yet is made.
fn store_fault(configuration: &Configuration) -> Option<String> {
    let StoreEntry::Sqlite { file, .. } = &configuration.store else { return None };
    let fault = |what: String| Some(format!("[store] {what}"));
    match file.try_exists() {
        Ok(true) => Sqlite::examine(file).err().and_then(|not| fault(not.to_string())),
        Ok(false) => {
            let directory = file.parent().unwrap_or(file);
            if directory.is_dir() {
                return None;
            }
            fault(format!("{} must lie in a directory that is there: there is no {}", file.display(), directory.display()))
        }
        Err(error) => fault(format!("{} must be a file that this user can read: {error}", file.display())),
    }
}

/// What hinders the daemon, run by this user, from hearing what the web server reports. A log that is not there yet is
/// waited for.
fn feed_fault(configuration: &Configuration) -> Option<String> {
    match configuration.feed.as_ref()? {
        Feed::AccessLog(log) => log_fault(log),
        Feed::Syslog { path, .. } => {
            let directory = path.parent().unwrap_or(path);
            let missing =
                || format!("[feed] syslog: {} must lie in a directory that is there: there is no {}", path.display(), directory.display());
            (!directory.is_dir()).then(missing)
        }
        Feed::Api => None,
    }
}

fn log_fault(log: &Path) -> Option<String> {
    let fault = |wants: &str, error: &dyn std::fmt::Display| Some(format!("[feed] access_log: {} {wants}: {error}", log.display()));
    match File::open(log) {
        Ok(file) if file.metadata().is_ok_and(|found| found.is_dir()) => fault("must be a file", &"it is a directory"),
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let directory = log.parent().unwrap_or(log);
            let missing = || fault("must lie in a directory that is there", &format!("there is no {}", directory.display()));
            if directory.is_dir() { None } else { missing() }
        }
        Err(error) => fault("must be a file that this user can read", &error),
    }
}
