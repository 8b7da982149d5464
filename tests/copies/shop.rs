//! What is asked of a daemon that copies.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::servers::cloakroom::Cloakroom;
use crate::servers::until;

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

/// What lies in a public directory, but for what is half made.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".cloakroom");
    names.sort();
    names
}

/// What is half made.
pub fn aside(directory: &Path) -> Vec<String> {
    names(&directory.join(".cloakroom"))
}
