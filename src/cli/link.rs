//! `cloakroom link`: further links of a grant, and their end.

use std::io::IsTerminal;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use clap::Subcommand;
use http::Method;

use super::client::Client;
use super::failure::{Failure, warn};
use super::paragraph::paragraph;
use super::{Common, say, say_json, terminal};
use crate::api::{CopyView, GrantPage, Issued, NewLink, OfferedView, RevokedLink};
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
            tell(common, &client, &issued)
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

/// Says a URL that was made, and where its copy is, for which it waits a moment. Nothing else stands on standard output, so
/// that a script can take it; a copy that is not there yet is told beside that.
pub(super) fn tell(common: &Common, client: &Client, issued: &Issued) -> Result<(), Failure> {
    if common.json {
        return say_json(issued);
    }
    let waits = issued.copy.as_ref().is_some_and(|copy| copy.state == "preparing");
    let copy = if waits { waited(client, &issued.grant.id)? } else { None };
    say(&issued.url)?;
    if let Some(copy) = &issued.copy {
        say(offered(copy))?;
    }
    if std::io::stdout().is_terminal() {
        warn(&paragraph("", &about(issued)));
    }
    if let Some(copy) = copy {
        warn(&paragraph("", &not_there(&issued.grant.id, &copy)));
    }
    Ok(())
}

/// A small file is copied within this, and nobody minds waiting for it.
const LOOKS: u32 = 40;
const LOOK: Duration = Duration::from_millis(50);

/// Waits until the copy of a grant is there; if that takes longer, how it stands.
fn waited(client: &Client, grant: &str) -> Result<Option<CopyView>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Failure::failed(error.to_string()))?;
    runtime.block_on(async {
        let mut last = None;
        for _ in 0..LOOKS {
            tokio::time::sleep(LOOK).await;
            // The grant is made, whatever becomes of these questions.
            let Ok(page) = client.ask::<GrantPage>(Method::GET, &format!("/api/v1/grants/{grant}"), Bytes::new()).await else { break };
            last = page.copies.into_iter().next();
            match &last {
                Some(copy) if copy.state == "preparing" && copy.trouble.is_none() => {}
                Some(copy) if copy.state == "preparing" => break,
                _ => return Ok(None),
            }
        }
        Ok(last)
    })
}

/// That the copy is not there yet, and what to do.
fn not_there(grant: &str, copy: &CopyView) -> String {
    if let Some(trouble) = &copy.trouble {
        return format!(
            "the copy could not be made, and is tried again by itself: {}; until it is there customers are asked to wait. `cloakroom check` \
             tells what to mend, `cloakroom grant show {grant}` when it is there",
            terminal::visible(trouble)
        );
    }
    let far = match copy.copied {
        Some((done, total)) if total > 0 => format!(", {} of {}", terminal::percent(done, total), terminal::bytes(total)),
        _ => ", after those before it".to_owned(),
    };
    format!(
        "the copy is still being made{far}: the URL can be sent, and asks customers to wait until then; `cloakroom grant show {grant}` tells \
         how far it is"
    )
}

/// Where the copy is that the link leads to, and what the web server asks for.
pub(super) fn offered(copy: &OfferedView) -> String {
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
