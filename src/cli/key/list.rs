//! `cloakroom key list`: the keys of the configuration, and the state of their files.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use serde::Serialize;

use super::super::failure::Failure;
use super::super::terminal::{self, Column};
use super::super::{Common, say, say_json};
use crate::config::KeyEntry;
use crate::keys;
use crate::service::caller;

/// A key, as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    r#use: &'static str,
    /// `hmac`, or the algorithm of a public key (`EdDSA`, `ES256`, `RS256`); `null` where the file is no key.
    kind: Option<&'static str>,
    file: &'a std::path::Path,
    /// `0600`; `null` where there is no file.
    mode: Option<String>,
    /// The name of its owner, or `uid 998`; `null` where there is no file.
    owner: Option<String>,
    /// What is wrong; `null` where nothing is.
    fault: Option<String>,
}

pub(super) fn run(common: &Common) -> Result<(), Failure> {
    let configuration = common.load()?;
    // Together: no two may have one secret.
    let faults = keys::load(&configuration.keys).err().unwrap_or_default();
    let shown: Vec<Shown<'_>> = configuration
        .keys
        .iter()
        .map(|entry| {
            let fault = faults.iter().find(|fault| fault.key == entry.id).map(ToString::to_string);
            show(entry, fault)
        })
        .collect();
    if common.json {
        say_json(&shown)?;
    } else {
        say(text(&shown))?;
    }
    let faults: Vec<String> = shown.into_iter().filter_map(|key| key.fault).collect();
    if faults.is_empty() { Ok(()) } else { Err(Failure::Configuration(faults)) }
}

fn show(entry: &KeyEntry, fault: Option<String>) -> Shown<'_> {
    let found = fs::metadata(&entry.file).ok();
    Shown {
        id: &entry.id,
        r#use: entry.purpose.word(),
        kind: kind(entry),
        file: &entry.file,
        mode: found.as_ref().map(|found| format!("{:04o}", found.mode() & 0o7777)),
        owner: found.as_ref().map(|found| caller::user_name(found.uid()).unwrap_or_else(|| format!("uid {}", found.uid()))),
        fault,
    }
}

fn kind(entry: &KeyEntry) -> Option<&'static str> {
    let ring = keys::load(std::slice::from_ref(entry)).ok()?;
    let public = ring.public().next().map(|(key, _)| key.algorithm().word());
    Some(public.unwrap_or("hmac"))
}

fn text(shown: &[Shown<'_>]) -> String {
    if shown.is_empty() {
        return "the configuration names no key; `cloakroom key new main` tells how to begin".to_owned();
    }
    let columns = ["key", "use", "kind", "mode", "owner", "state", "file"].map(Column::Text);
    let or_none = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let rows: Vec<Vec<String>> = shown
        .iter()
        .map(|key| {
            let state = match (&key.fault, &key.mode) {
                (None, _) => "good",
                (Some(_), None) => "missing",
                (Some(_), Some(_)) => "bad",
            };
            vec![
                key.id.to_owned(),
                key.r#use.to_owned(),
                or_none(key.kind),
                or_none(key.mode.as_deref()),
                or_none(key.owner.as_deref()),
                state.to_owned(),
                key.file.display().to_string(),
            ]
        })
        .collect();
    terminal::table(&columns, &rows).trim_end().to_owned()
}
