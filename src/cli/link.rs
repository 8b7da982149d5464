//! `cloakroom link`: further links of a grant, and their end.

use std::io::IsTerminal;
use std::str::FromStr;

use clap::Subcommand;

use super::client::Client;
use super::failure::{Failure, warn};
use super::paragraph::paragraph;
use super::{Common, say, say_json, terminal};
use crate::api::{Issued, NewLink, OfferedView, RevokedLink};
use crate::domain::id::{GrantId, LinkId};
use crate::domain::moment::Span;

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
Examples:
  cloakroom link new g-… --for 7d
  cloakroom link revoke l-…";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make one more link of a grant, and print its URL.
    New {
        /// The grant, `g-…`.
        #[arg(value_name = "GRANT", value_parser = GrantId::from_str)]
        grant: GrantId,

        /// How long the link is answered: 24h, 30d; the policy's `link_ttl` if not said.
        #[arg(long = "for", value_name = "TIME", value_parser = span)]
        valid_for: Option<String>,
    },
    /// Withdraw a link for good; the grant and its other links go on.
    Revoke {
        /// The link, `l-…`; `cloakroom grant show` lists those of a grant.
        #[arg(value_name = "LINK", value_parser = LinkId::from_str)]
        link: LinkId,
    },
}

/// The daemon reads it again; here the mistake is told beside its option.
fn span(text: &str) -> Result<String, String> {
    text.parse::<Span>().map(|_| text.to_owned()).map_err(|why| why.to_string())
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let configuration = common.load()?;
    match command {
        Command::New { grant, valid_for } => {
            let client = Client::of(&configuration, "link new")?;
            let issued: Issued = client.post(&format!("/api/v1/grants/{grant}/links"), &NewLink { valid_for })?;
            tell(common, &issued)
        }
        Command::Revoke { link } => {
            let revoked: RevokedLink = Client::of(&configuration, "link revoke")?.order(&format!("/api/v1/links/{link}/revoke"))?;
            if common.json {
                return say_json(&revoked);
            }
            let RevokedLink { grant_id, changed, .. } = revoked;
            say(if changed {
                format!("{link} is revoked; {grant_id} and its other links go on")
            } else {
                format!("{link} was revoked already")
            })
        }
    }
}

/// Says a URL that was made. Nothing else stands on standard output, so that a script can take it.
pub(super) fn tell(common: &Common, issued: &Issued) -> Result<(), Failure> {
    if common.json {
        return say_json(issued);
    }
    say(&issued.url)?;
    if let Some(copy) = &issued.copy {
        say(offered(copy))?;
    }
    if std::io::stdout().is_terminal() {
        warn(&paragraph("", &about(issued)));
    }
    Ok(())
}

/// Where the copy is that the link leads to, and what the web server asks for.
fn offered(copy: &OfferedView) -> String {
    let mut lines = vec![format!("copy      {}", copy.url)];
    lines.extend(copy.user.as_ref().map(|user| format!("user      {user}")));
    lines.extend(copy.password.as_ref().map(|password| format!("password  {password}")));
    lines.join("\n")
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
    let used = if grant.used == 0 { String::new() } else { format!(", {} used", grant.used) };
    let state = if grant.state == "active" { String::new() } else { format!("; the grant is {}", words(&grant.state)) };
    format!(
        "grant {}: {downloads} of {}{used}{until}; the link is answered until {link_expires}{state}",
        grant.id,
        terminal::visible(&grant.file)
    )
}

/// A word of the API as people write it.
pub(super) fn words(word: &str) -> String {
    word.replace('_', " ")
}
