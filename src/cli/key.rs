//! `cloakroom key`: makes key files.

use std::io::ErrorKind;

use clap::Subcommand;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::{Common, say, say_json};
use crate::{config, keys, random};

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
    let configuration = config::load(&common.config).map_err(|errors| Failure::configuration(errors.to_string()))?;
    let Some(entry) = configuration.keys.iter().find(|entry| entry.id == *id) else {
        let known: Vec<&str> = configuration.keys.iter().map(|entry| entry.id.as_str()).collect();
        let known = if known.is_empty() { "it names no key at all".to_owned() } else { format!("it names {}", known.join(", ")) };
        return Err(Failure::configuration(format!(
            "{}: there is no [[key]] with id = \"{id}\" ({known}); add\n\n    [[key]]\n    id   = \"{id}\"\n    file = \"keys/{id}\"\n    use  = \"sign\"\n",
            common.config.display()
        )));
    };
    let secret = Zeroizing::new(random::bytes());
    keys::create(&entry.file, &secret).map_err(|error| {
        let advice = if error.kind() == ErrorKind::AlreadyExists {
            "; a key is never overwritten: links that were made with it would die"
        } else {
            ""
        };
        Failure::failed(format!("{}: {error}{advice}", entry.file.display()))
    })?;
    if common.json {
        return say_json(&serde_json::json!({ "id": id, "file": entry.file }));
    }
    say(format!("{}: made, 32 random bytes, readable by this user alone", entry.file.display()))
}
