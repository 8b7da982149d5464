//! `cloakroom credential`: user names and passwords of public directories.

use std::str::FromStr;

use clap::Subcommand;

use super::client::{Client, query};
use super::failure::Failure;
use super::paragraph::paragraph;
use super::terminal::{self, Column};
use super::when::{ago, moment};
use super::{Common, say, say_json, signs, width};
use crate::api::{CredentialPage, CredentialView, RotatedView, Rotation};
use crate::clock;
use crate::domain::credential::UserName;
use crate::domain::id::GrantId;
use crate::domain::moment::Span;

/// What stands below the list of commands.
pub(super) const AFTER_HELP: &str = "\
A directory has user names where its [[directory]] says `htpasswd`: each grant with method \"copy\" gets one, or all of them \
share one (credential = \"shared\"). They end with their grant; the web server's file is written by itself.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The newest user names that open a directory.
    List {
        /// Only those of this directory.
        #[arg(value_name = "DIRECTORY")]
        directory: Option<String>,
        /// Only those of this grant, `g-…`.
        #[arg(long, value_name = "GRANT", value_parser = GrantId::from_str)]
        grant: Option<GrantId>,
        /// Only those that were made before this one: the last one of the page before.
        #[arg(long, value_name = "USER", value_parser = UserName::from_str)]
        before: Option<UserName>,
        /// At most so many, 1 to 1000.
        #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// One user name, with its password.
    Show {
        /// The user name, such as `k7m2-9xqt`.
        #[arg(value_name = "USER", value_parser = UserName::from_str)]
        user: UserName,
    },
    /// Replace all user names and passwords of a directory; those before still open for a while.
    Rotate {
        /// The directory.
        #[arg(value_name = "DIRECTORY")]
        directory: String,
        /// How long those before still open: 7d, or 0s for not at all; the directory's `overlap` if not said.
        #[arg(long, value_name = "TIME", value_parser = span)]
        overlap: Option<String>,
    },
}

/// The daemon reads it again; here the mistake is told beside its option.
fn span(text: &str) -> Result<String, String> {
    text.parse::<Span>().map(|_| text.to_owned()).map_err(|why| why.to_string())
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let configuration = common.load()?;
    let client = |name: &str| Client::of(&configuration, &format!("credential {name}"));
    match command {
        Command::List { directory, grant, before, limit } => {
            let (of, later, limit) = (grant.map(|id| id.to_string()), before.map(|user| user.to_string()), limit.to_string());
            let which = query(&[
                ("directory", directory.as_deref()),
                ("grant", of.as_deref()),
                ("before", later.as_deref()),
                ("limit", Some(&limit)),
            ]);
            let found: Vec<CredentialView> = client("list")?.fetch(&format!("/api/v1/credentials{which}"))?;
            let is_narrow = directory.is_some() || grant.is_some() || before.is_some();
            if common.json { say_json(&found) } else { say(list(&found, is_narrow)) }
        }
        Command::Show { user } => {
            let page: CredentialPage = client("show")?.fetch(&format!("/api/v1/credentials/{user}"))?;
            if common.json { say_json(&page) } else { say(show(&page)) }
        }
        Command::Rotate { directory, overlap } => {
            let path = format!("/api/v1/directories/{}/rotate", super::client::encoded_segment(&directory));
            let rotated: RotatedView = client("rotate")?.post(&path, &Rotation { overlap })?;
            if common.json { say_json(&rotated) } else { say(told(&rotated)) }
        }
    }
}

fn list(found: &[CredentialView], is_narrow: bool) -> String {
    if found.is_empty() {
        let none = "no user names yet: where a [[directory]] says `htpasswd`, a grant with method \"copy\" gets one by `cloakroom grant add`, and so does a directory with credential = \"shared\" by itself";
        return if is_narrow { "no such user names".to_owned() } else { paragraph("", none) };
    }
    let now = clock::now();
    let columns = [
        Column::Text("user"),
        Column::Text("state"),
        Column::Text("made"),
        Column::Text("ends"),
        Column::Text("for"),
        Column::Long("directory"),
    ];
    let row = |credential: &CredentialView| {
        let CredentialView { user, directory, state, grant, begins, ends, .. } = credential;
        let end = ends.as_ref().map_or_else(|| "never".to_owned(), |ends| ago(ends, now));
        let holder = grant.clone().unwrap_or_else(|| "everybody".to_owned());
        vec![user.clone(), state.clone(), ago(begins, now), end, holder, directory.clone()]
    };
    terminal::table_within(&columns, &found.iter().map(row).collect::<Vec<_>>(), width(), signs()).trim_end().to_owned()
}

fn show(page: &CredentialPage) -> String {
    let CredentialPage { credential, url, password, why } = page;
    let CredentialView { user, directory, state, grant, begins, ends, replaced, key, author } = credential;
    let now = clock::now();
    let holder = grant.clone().unwrap_or_else(|| "everybody who may enter the directory".to_owned());
    let end = match ends {
        None => "never ends".to_owned(),
        Some(ends) => {
            let word = if moment(ends).is_some_and(|ends| ends <= now) { "ended" } else { "ends" };
            format!("{word} {} ({ends})", ago(ends, now))
        }
    };
    let mut lines = vec![
        format!("user       {user}  {state}"),
        match (password, why) {
            (Some(password), _) => format!("password   {password}"),
            (None, why) => paragraph("password   ", &format!("none: {}", why.as_deref().unwrap_or("it is not told"))),
        },
        format!("directory  {directory}{}", url.as_ref().map_or_else(String::new, |url| format!("  {url}"))),
        format!("for        {holder}"),
        format!("time       {end}"),
        paragraph("made       ", &format!("{} ({begins}) by {author}", ago(begins, now))),
        format!("key        {key}"),
    ];
    if let Some(replaced) = replaced {
        lines.push(format!("replaced   {} ({replaced})", ago(replaced, now)));
    }
    lines.join("\n")
}

fn told(rotated: &RotatedView) -> String {
    let RotatedView { directory, replaced, made, until } = rotated;
    let see = format!("`cloakroom credential list {directory}` shows the new ones");
    let text = match (*replaced, *made) {
        (0, 0) => return format!("{directory}: there is no user name to replace"),
        (0, _) => format!("a user name was made; `cloakroom credential list {directory}` shows it"),
        (1, _) => format!("1 user name was replaced; the one before opens until {until} at the longest; {see}"),
        (many, _) => {
            format!("{} user names were replaced; those before open until {until} at the longest; {see}", terminal::grouped(many as u64))
        }
    };
    paragraph(&format!("{directory}: "), &text)
}
