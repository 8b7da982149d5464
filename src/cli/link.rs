//! `cloakroom link`: a counted link, made by the running daemon.

use clap::Args;

use super::client::Client;
use super::failure::Failure;
use super::{Common, say, say_json};
use crate::api::{Issued, NewLink};
use crate::config;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file as STORAGE/PATH.
    #[arg(value_name = "FILE")]
    file: String,

    /// How many downloads: a number, or `unlimited`. Default: the policy's.
    #[arg(long, value_name = "NUMBER")]
    max: Option<String>,

    /// How long new downloads can start: 24h, 30d, or `unlimited`. Default: the policy's.
    #[arg(long = "for", value_name = "TIME")]
    valid_for: Option<String>,

    /// Whom it is for, in your words.
    #[arg(long, default_value = "")]
    customer: String,

    /// The policy whose limits are taken where none are given.
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
}

pub(super) fn run(common: &Common, arguments: Arguments) -> Result<(), Failure> {
    let configuration = config::load(&common.config).map_err(|errors| Failure::configuration(errors.to_string()))?;
    let Arguments { file, max, valid_for, customer, policy } = arguments;
    let issued: Issued =
        Client::of(&configuration)?.post("/api/v1/links", &NewLink { file, customer, policy, max_downloads: max, valid_for })?;
    if common.json { say_json(&issued) } else { say(issued.url) }
}
