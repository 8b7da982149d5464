//! `cloakroom key`: makes key files, shows them, and takes keys out of use.

mod import;
mod list;
mod retire;

use std::io::ErrorKind;
use std::path::Path;

use clap::Subcommand;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::paragraph::paragraph;
use super::{Common, say, say_json};
use crate::config::{Configuration, KeyEntry, Purpose};
use crate::{keys, random};

/// What stands below the commands.
pub(super) const AFTER_HELP: &str = "\
A key is changed without breaking a link: write a second [[key]] with use = \"sign\" above the first, make its file with \
`key new`, set the first one to \"accept\", and reload. When what it signed has expired, `key retire` it and reload.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the file of a key that the configuration names. An existing file is never overwritten.
    New {
        /// The key's id, as in `[[key]] id = "main"`.
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Show the keys of the configuration: what they are for, and whether their files are as they must be.
    List,
    /// Make the file of a key from a secret that exists already.
    #[command(after_help = import::AFTER_HELP)]
    Import(import::Arguments),
    /// Refuse what a key has signed: sets its `use` to "retired" in the configuration, and changes nothing else there.
    Retire {
        /// The key's id.
        #[arg(value_name = "ID")]
        id: String,
    },
}

pub(super) fn run(common: &Common, command: &Command) -> Result<(), Failure> {
    match command {
        Command::New { id } => new(common, id),
        Command::List => list::run(common),
        Command::Import(arguments) => import::run(common, arguments),
        Command::Retire { id } => retire::run(common, id),
    }
}

fn new(common: &Common, id: &str) -> Result<(), Failure> {
    let configuration = common.load()?;
    if let Some(file) = listener_secret(&configuration, id) {
        let secret = Zeroizing::new(random::bytes::<32>());
        keys::create(file, &*secret).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::failed(format!(
                "{0} is there already; for another one: `rm {0}`, this command again, `cloakroom setup apache --force` with what it was run with before, and restart both",
                file.display()
            )),
            _ => Failure::failed(not_made(file, &error)),
        })?;
        if common.json {
            return say_json(&serde_json::json!({ "id": id, "file": file, "use": "listener" }));
        }
        return say(format!(
            "{}: made, 32 random bytes, readable by its owner alone; `cloakroom setup apache` tells Apache, and the daemon reads it when it starts",
            file.display()
        ));
    }
    let entry = named(common, &configuration, id)?;
    let secret = Zeroizing::new(random::bytes::<32>());
    keys::create(&entry.file, &*secret).map_err(|error| Failure::failed(not_made(&entry.file, &error)))?;
    made(common, &configuration, entry, "32 random bytes")
}

/// The file of the secret of a listener that is called `id`, where no key is.
fn listener_secret<'a>(configuration: &'a Configuration, id: &str) -> Option<&'a Path> {
    let is_key = configuration.keys.iter().any(|entry| entry.id == id);
    let secrets = configuration.listeners.iter().filter_map(|listener| listener.secret.as_deref());
    secrets.filter(|_| !is_key).find(|file| file.file_name().is_some_and(|name| name == id))
}

/// The entry of the key `id`, or how to write one.
fn named<'a>(common: &Common, configuration: &'a Configuration, id: &str) -> Result<&'a KeyEntry, Failure> {
    configuration.keys.iter().find(|entry| entry.id == id).ok_or_else(|| {
        let known: Vec<&str> = configuration.keys.iter().map(|entry| entry.id.as_str()).collect();
        let known = if known.is_empty() { "it names no key at all".to_owned() } else { format!("it names {}", known.join(", ")) };
        Failure::configuration(format!(
            "{}: there is no [[key]] with id = \"{id}\" ({known}); write it there first\n\n    [[key]]\n    id   = \"{id}\"\n    file = \"keys/{id}\"\n    use  = \"sign\"\n",
            common.config.display()
        ))
    })
}

/// Says that the file is there, and what is to be done with it.
fn made(common: &Common, configuration: &Configuration, entry: &KeyEntry, what: &str) -> Result<(), Failure> {
    if common.json {
        return say_json(&serde_json::json!({ "id": entry.id, "file": entry.file, "use": entry.purpose.word() }));
    }
    say(format!("{}: made, {what}, readable by its owner alone", entry.file.display()))?;
    match rotation(common, configuration, entry) {
        Some(steps) => say(format!("\n{steps}")),
        None => Ok(()),
    }
}

/// What is left to be done until a new key signs in the place of another; `None` where there is no other that does or did,
/// and where the new one is not for signing, as that of an application.
fn rotation(common: &Common, configuration: &Configuration, entry: &KeyEntry) -> Option<String> {
    let is_other = |other: &&KeyEntry| other.id != entry.id && other.purpose != Purpose::Retired && other.file.exists();
    let others: Vec<&KeyEntry> = configuration.keys.iter().filter(is_other).collect();
    if others.is_empty() || entry.purpose != Purpose::Sign {
        return None;
    }
    let signing: Vec<&str> = others.iter().filter(|other| other.purpose == Purpose::Sign).map(|other| other.id.as_str()).collect();
    let mut steps = Vec::new();
    if !signing.is_empty() {
        let changes: Vec<String> = signing.iter().map(|other| format!("set use = \"accept\" for `{other}`")).collect();
        steps.push(format!("in {} {}", common.config.display(), changes.join(", and ")));
    }
    steps.push(format!("`systemctl reload cloakroom`: what is new is signed with `{}`, and what was signed before stays good", entry.id));
    let (which, old) = signing.first().map_or_else(|| ("the key before it".to_owned(), "ID"), |old| (format!("`{old}`"), *old));
    steps.push(format!("when what {which} has signed has expired, `cloakroom key retire {old}`"));
    let steps: Vec<String> = (1..).zip(&steps).map(|(number, step)| paragraph(&format!("{number}  "), step)).collect();
    Some(format!("To let it take over, without breaking a link:\n\n{}", steps.join("\n")))
}

/// Why there is no new key, and what would be right.
fn not_made(file: &Path, error: &std::io::Error) -> String {
    let shown = file.display();
    let folder = file.parent().unwrap_or(file);
    match error.kind() {
        ErrorKind::AlreadyExists => {
            format!("{shown} is there already and stays as it is: a key is never overwritten, since every link made with it would die")
        }
        ErrorKind::NotFound => {
            let above = folder.parent().unwrap_or(folder).display();
            format!(
                "{shown} cannot be made: there is no directory {above}; make it, for the daemon's user alone: `install -d -m 0700 -o cloakroom {above}`"
            )
        }
        ErrorKind::PermissionDenied => {
            format!("{shown} cannot be made: {error}; run this as the daemon's user, who must be able to write to {}", folder.display())
        }
        _ => format!("{shown} cannot be made: {error}"),
    }
}
