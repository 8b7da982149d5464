//! `cloakroom link`: a counted link, made by the running daemon.

use std::io::IsTerminal;

use clap::Args;

use super::client::Client;
use super::failure::{Failure, warn};
use super::{Common, say, say_json, terminal};
use crate::api::{Issued, NewLink};
use crate::domain::moment::Span;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file; its name is taken as it is, not percent-encoded.
    #[arg(value_name = "STORAGE/PATH")]
    file: String,

    /// How many downloads: a number, or `unlimited`; the policy's if not said.
    #[arg(long, value_name = "NUMBER", value_parser = max)]
    max: Option<String>,

    /// How long downloads can be started: 24h, 30d, or `unlimited`; the policy's if not said.
    #[arg(long = "for", value_name = "TIME", value_parser = valid_for)]
    valid_for: Option<String>,

    /// Whom it is for, in your words: an order number, a name.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    customer: String,

    /// The policy whose limits hold where none are given here; `default` if not said.
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
}

pub(super) fn run(common: &Common, arguments: Arguments) -> Result<(), Failure> {
    let configuration = common.load()?;
    let Arguments { file, max, valid_for, customer, policy } = arguments;
    let issued: Issued =
        Client::of(&configuration)?.post("/api/v1/links", &NewLink { file, customer, policy, max_downloads: max, valid_for })?;
    if common.json {
        return say_json(&issued);
    }
    say(&issued.url)?;
    if std::io::stdout().is_terminal() {
        warn(&about(&issued));
    }
    Ok(())
}

/// What a person wants to know beside the URL, and a script does not.
fn about(issued: &Issued) -> String {
    let Issued { grant, link_expires, .. } = issued;
    let downloads = match grant.max_downloads {
        None => "any number of downloads".to_owned(),
        Some(1) => "1 download".to_owned(),
        Some(max) => format!("{max} downloads"),
    };
    let until = grant.expires.as_ref().map_or_else(String::new, |expires| format!(", to be started before {expires}"));
    format!("grant {}: {downloads} of {}{until}; the link is answered until {link_expires}", grant.id, terminal::visible(&grant.file))
}

const UNLIMITED: &str = "unlimited";

/// The daemon reads it again; here the mistake is told beside its option.
fn max(text: &str) -> Result<String, String> {
    let good = text == UNLIMITED || (text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u32>().is_ok());
    if good { Ok(text.to_owned()) } else { Err("must be a number from 0 to 4294967295, or `unlimited`".to_owned()) }
}

fn valid_for(text: &str) -> Result<String, String> {
    if text != UNLIMITED {
        text.parse::<Span>().map_err(|why| format!("{why}, or `unlimited`"))?;
    }
    Ok(text.to_owned())
}
