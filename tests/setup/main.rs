//! `cloakroom setup`: what it prints is what the examples say, and a web server that reads it serves, whatever the paths of
//! the configuration are called.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../servers/mod.rs"]
mod servers;

mod apache;
mod command;
mod nginx;

use std::fs;
use std::path::{Path, PathBuf};

use servers::program::Program;
use tempfile::TempDir;

/// An example without what its head says, and without the comments on it: those of the head are for people.
fn body(example: &str) -> String {
    let text: String = example.split_inclusive('\n').skip_while(|line| line.starts_with('#')).collect();
    text.trim_start_matches('\n').to_owned()
}

fn shipped(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf-examples").join(name)).unwrap()
}

/// What `setup` makes for a configuration.
fn json(config: &Path, arguments: &[&str]) -> serde_json::Value {
    let output = Program::configured(config).args(["setup", "--json"]).args(arguments).output();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The text of one of the files.
#[track_caller]
fn text<'j>(all: &'j serde_json::Value, name: &str) -> &'j str {
    let file = all["files"].as_array().unwrap().iter().find(|file| file["name"] == name);
    file.unwrap_or_else(|| panic!("no {name}: {all}"))["text"].as_str().unwrap()
}

/// A configuration in a directory of its own, where no daemon is.
fn written(toml: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cloakroom.toml");
    fs::write(&path, toml).unwrap();
    (directory, path)
}
