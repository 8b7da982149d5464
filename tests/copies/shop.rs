//! What is asked of a daemon that copies.

use std::path::Path;

use serde_json::Value;

use crate::servers::cloakroom::Cloakroom;
use crate::servers::{names_in, until};

/// The copies of a grant, the newest first.
pub fn copies(cloakroom: &Cloakroom, grant: &str) -> Vec<Value> {
    cloakroom.json(&["grant", "show", grant])["copies"].as_array().unwrap().clone()
}

/// Waits until the newest copy of the grant is in this state.
#[track_caller]
pub fn until_copy(cloakroom: &Cloakroom, grant: &str, state: &str) -> Value {
    until(&format!("a copy that is {state}"), || copies(cloakroom, grant).first().filter(|copy| copy["state"] == state).cloned())
}

/// Waits until the newest copy of the grant is being prepared, and cannot be made for this reason.
#[track_caller]
pub fn until_trouble(cloakroom: &Cloakroom, grant: &str, why: &str) {
    until(&format!("the trouble: {why}"), || {
        let copy = copies(cloakroom, grant).first().cloned()?;
        (copy["state"] == "preparing" && copy["trouble"].as_str()?.contains(why)).then_some(())
    });
}

/// A grant for a file: its id.
#[track_caller]
pub fn grant(cloakroom: &Cloakroom, file: &str, more: &[&str]) -> String {
    let made = cloakroom.json(&[&["grant", "add", "--file", file][..], more].concat());
    made["grant"]["id"].as_str().unwrap().to_owned()
}

/// What is half made.
pub fn aside(directory: &Path) -> Vec<String> {
    names_in(&directory.join(".cloakroom"))
}
