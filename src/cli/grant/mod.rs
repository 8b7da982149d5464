//! `cloakroom grant`: the right of a customer to a file, made, changed and shown.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

use super::client::{Client, query};
use super::failure::Failure;
use super::{Common, link, outbox, say, say_json, terminal};
use crate::api::{Amended, Extension, GrantPage, GrantView, Issued, MessageView, NewGrant, wording};
use crate::domain::id::GrantId;

mod evidence;
mod show;

/// What stands below the list of commands.
pub(super) const AFTER_HELP: &str = "\
Examples:
  cloakroom grant add --file masters/a.zip --customer a@b.example --max 3
  cloakroom grant list --customer a@b.example
  cloakroom grant extend g-… --for 30d --max +1";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a grant and its first link, and print the link's URL.
    Add(Add),
    /// The newest grants.
    List(List),
    /// One grant: what is left of it, its links, deliveries and history.
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Shut it for now: the next request is refused.
    Suspend {
        #[command(flatten)]
        which: Which,
    },
    /// Open again what was suspended.
    Resume {
        #[command(flatten)]
        which: Which,
    },
    /// Shut it for good: the next request is refused, and nothing opens it again.
    Revoke {
        #[command(flatten)]
        which: Which,
    },
    /// Begin to count again: nothing is used.
    Reset {
        #[command(flatten)]
        which: Which,
    },
    /// Give it more time, more downloads, or both.
    Extend(Extend),
    /// Send its newest link by mail, again or to somebody else.
    Mail {
        #[command(flatten)]
        which: Which,

        #[command(flatten)]
        to: outbox::To,
    },
    /// What happened, for a dispute: who, when, from where, which bytes.
    Evidence {
        #[command(flatten)]
        which: Which,

        /// Write it as a page to print (A4) to this file; one that is there is not overwritten.
        #[arg(long, value_name = "FILE", conflicts_with = "json")]
        html: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Its id, `g-…`.
    #[arg(value_name = "GRANT", value_parser = GrantId::from_str)]
    id: GrantId,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The file; its name is taken as it is, not percent-encoded.
    #[arg(long, value_name = "STORAGE/PATH")]
    file: String,

    /// Whom it is for, in your words: an address, an order number, a name.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    customer: String,

    /// How many downloads: a number, or `unlimited`; the policy's if not said.
    #[arg(long, value_name = "NUMBER", value_parser = text(wording::downloads))]
    max: Option<String>,

    /// How long downloads can be started: 24h, 30d, or `unlimited`; the policy's if not said.
    #[arg(long = "for", value_name = "TIME", value_parser = text(wording::lasting))]
    valid_for: Option<String>,

    /// The policy whose limits hold where none are given here; `default` if not said.
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,

    /// Send the link to this address, by the mail server of the configuration.
    #[arg(long, value_name = "ADDRESS", value_parser = outbox::address)]
    mail: Option<String>,

    /// The language of the mail, such as `de`; that of the configuration if not said.
    #[arg(long, value_name = "LANGUAGE", requires = "mail")]
    language: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those that were made for this customer, in exactly these words.
    #[arg(long, value_name = "TEXT")]
    customer: Option<String>,

    /// Only those of this file.
    #[arg(long, value_name = "STORAGE/PATH")]
    file: Option<String>,

    /// Only those that were made before this one: the last one of the page before.
    #[arg(long, value_name = "GRANT", value_parser = GrantId::from_str)]
    before: Option<GrantId>,

    /// At most so many, 1 to 1000.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

#[derive(Debug, Args)]
#[command(override_usage = "cloakroom grant extend [OPTIONS] <--for|--until|--max> <GRANT>")]
#[group(id = "more", required = true, multiple = true, args = ["longer", "until", "max"])]
pub(super) struct Extend {
    #[command(flatten)]
    which: Which,

    /// So much longer than its end, or than now if that is over: 24h, 30d, or `unlimited`.
    #[arg(long = "for", value_name = "TIME", value_parser = text(wording::longer), conflicts_with = "until")]
    longer: Option<String>,

    /// Its new end: 2027-01-31 (that day is in, UTC) or 2027-01-31T12:00:00Z.
    #[arg(long, value_name = "WHEN", value_parser = text(wording::until))]
    until: Option<String>,

    /// How many downloads, those that are used included: a number, +N for N more, or `unlimited`.
    #[arg(long, value_name = "NUMBER", value_parser = text(wording::more_downloads))]
    max: Option<String>,
}

/// The daemon reads it again; here the mistake is told beside its option.
fn text<T>(read: fn(&str) -> Result<T, String>) -> impl Fn(&str) -> Result<String, String> + Clone + Send + Sync + 'static
where
    T: 'static,
{
    move |text| read(text).map(|_| text.to_owned())
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let configuration = common.load()?;
    let client = |name: &str| Client::of(&configuration, &format!("grant {name}"));
    let change = |name: &str, which: &Which| {
        let amended: Amended = client(name)?.order(&format!("/api/v1/grants/{}/{name}", which.id))?;
        told(common, &amended)
    };
    match command {
        Command::Add(Add { file, customer, max, valid_for, policy, mail, language }) => {
            let wanted = NewGrant { file, customer, policy, max_downloads: max, valid_for, email: mail, language };
            let client = client("add")?;
            let issued: Issued = client.post("/api/v1/grants", &wanted)?;
            link::tell(common, &client, &issued)
        }
        Command::List(List { customer, file, before, limit }) => {
            let (before, limit) = (before.map(|id| id.to_string()), limit.to_string());
            let which = query(&[
                ("customer", customer.as_deref()),
                ("file", file.as_deref()),
                ("before", before.as_deref()),
                ("limit", Some(&limit)),
            ]);
            let grants: Vec<GrantView> = client("list")?.fetch(&format!("/api/v1/grants{which}"))?;
            let is_narrow = customer.is_some() || file.is_some() || before.is_some();
            if common.json { say_json(&grants) } else { say(show::list(&grants, is_narrow)) }
        }
        Command::Show { which } => {
            let page: GrantPage = client("show")?.fetch(&format!("/api/v1/grants/{}", which.id))?;
            if common.json { say_json(&page) } else { say(show::page(&page)) }
        }
        Command::Suspend { which } => change("suspend", &which),
        Command::Resume { which } => change("resume", &which),
        Command::Revoke { which } => change("revoke", &which),
        Command::Reset { which } => change("reset", &which),
        Command::Extend(Extend { which, longer, until, max }) => {
            let wanted = Extension { longer, until, max_downloads: max };
            let amended: Amended = client("extend")?.post(&format!("/api/v1/grants/{}/extend", which.id), &wanted)?;
            told(common, &amended)
        }
        Command::Mail { which, to } => {
            let message: MessageView = client("mail")?.post(&format!("/api/v1/grants/{}/mail", which.id), &to.letter())?;
            outbox::told(common, &message)
        }
        Command::Evidence { which, html } => evidence::run(common, &client("evidence")?, &which.id, html.as_deref()),
    }
}

/// What became of a change: one line, and what to know besides.
fn told(common: &Common, amended: &Amended) -> Result<(), Failure> {
    if common.json {
        return say_json(amended);
    }
    let Amended { grant, changed: _, notes } = amended;
    let mut lines = vec![format!("{}  {}", grant.id, show::standing(grant))];
    lines.extend(notes.iter().map(|note| super::paragraph::paragraph("  - ", note)));
    say(lines.join("\n"))
}

/// `1 of 3 used`, and how many run.
fn downloads(grant: &GrantView) -> String {
    let most = grant.max_downloads.map_or_else(|| "unlimited".to_owned(), |most| most.to_string());
    let running = if grant.reserved == 0 { String::new() } else { format!(", {} running", grant.reserved) };
    format!("{} of {most} used{running}", grant.used)
}

/// A customer as it is shown.
fn customer(grant: &GrantView) -> String {
    if grant.customer.is_empty() { "-".to_owned() } else { terminal::visible(&grant.customer) }
}
