//! `cloakroom key`: makes key files.

use std::io::ErrorKind;
use std::path::Path;

use clap::Subcommand;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::{Common, say, say_json};
use crate::{keys, random};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the file of a key that the configuration names. An existing file is never overwritten.
    New {
        /// The key's id, as in `[[key]] id = "main"`.
        #[arg(value_name = "ID")]
        id: String,
    },
}

pub(super) fn run(common: &Common, command: &Command) -> Result<(), Failure> {
    let Command::New { id } = command;
    let configuration = common.load()?;
    let Some(entry) = configuration.keys.iter().find(|entry| entry.id == *id) else {
        let known: Vec<&str> = configuration.keys.iter().map(|entry| entry.id.as_str()).collect();
        let known = if known.is_empty() { "it names no key at all".to_owned() } else { format!("it names {}", known.join(", ")) };
        return Err(Failure::configuration(format!(
            "{}: there is no [[key]] with id = \"{id}\" ({known}); write it there first\n\n    [[key]]\n    id   = \"{id}\"\n    file = \"keys/{id}\"\n    use  = \"sign\"\n",
            common.config.display()
        )));
    };
    let secret = Zeroizing::new(random::bytes());
    keys::create(&entry.file, &secret).map_err(|error| Failure::failed(not_made(&entry.file, &error)))?;
    if common.json {
        return say_json(&serde_json::json!({ "id": id, "file": entry.file, "use": entry.purpose.word() }));
    }
    say(format!("{}: made, 32 random bytes, readable by this user alone", entry.file.display()))
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
