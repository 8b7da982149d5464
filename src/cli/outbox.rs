//! `cloakroom outbox`: what leaves for webhooks and customers.

use std::str::FromStr;

use clap::{Args, Subcommand};

use super::client::{Client, encoded_segment, query};
use super::failure::Failure;
use super::paragraph::paragraph;
use super::terminal::{self, Column};
use super::when::{ago, moment};
use super::{Common, say, say_json, signs, width};
use crate::api::{LaneView, MessageView, NewLetter, Retried};
use crate::clock;
use crate::domain::id::{GrantId, MessageId, OrderId};
use crate::domain::mail_address::MailAddress;
use crate::domain::message::{Lane, WebhookName};

/// What stands below the list of commands.
pub(super) const AFTER_HELP: &str = "\
A message is tried until it has arrived, for four days; then it is dead, and kept for 30. LANE is `mail`, or `webhook:` and \
the name of a [[webhook]].

Examples:
  cloakroom outbox test webhook:shop
  cloakroom outbox list --dead
  cloakroom outbox retry m-…";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The webhooks and the mail server: whether they work, and what waits for them.
    Lanes,
    /// The newest messages, with what was answered last.
    List(List),
    /// Send again what was given up: one message, or all of a lane.
    Retry {
        /// A message, `m-…`, or a lane.
        #[arg(value_name = "MESSAGE|LANE", value_parser = What::from_str)]
        what: What,
    },
    /// Try whether messages arrive.
    Test {
        /// `webhook:` and its name, or a mail address.
        #[arg(value_name = "WEBHOOK|ADDRESS", value_parser = Whom::from_str)]
        whom: Whom,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those that were given up.
    #[arg(long, conflicts_with = "waiting")]
    dead: bool,
    /// Only those that wait.
    #[arg(long)]
    waiting: bool,
    /// Only those of this lane.
    #[arg(long, value_name = "LANE", value_parser = Lane::from_str)]
    lane: Option<Lane>,
    /// Only those about this grant, `g-…`.
    #[arg(long, value_name = "GRANT", value_parser = GrantId::from_str)]
    grant: Option<GrantId>,
    /// Only those about this order, `o-…`.
    #[arg(long, value_name = "ORDER", value_parser = OrderId::from_str, conflicts_with = "grant")]
    order: Option<OrderId>,
    /// Only those that were written before this one: the last one of the page before.
    #[arg(long, value_name = "MESSAGE", value_parser = MessageId::from_str)]
    before: Option<MessageId>,
    /// At most so many, 1 to 1000.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

/// To whom a letter goes, as commands ask for it.
#[derive(Debug, Args)]
pub(super) struct To {
    /// The address; where the last mail went if not said.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    to: Option<String>,
    /// The language, such as `de`; that of the last mail if not said.
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<String>,
}

impl To {
    /// As the API takes it.
    pub(super) fn letter(&self) -> NewLetter {
        NewLetter { to: self.to.clone(), language: self.language.clone() }
    }
}

/// The daemon reads it again; here the mistake is told beside its option.
pub(super) fn address(text: &str) -> Result<String, String> {
    text.parse::<MailAddress>().map(|_| text.to_owned()).map_err(|wrong| wrong.to_string())
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Message(MessageId),
    Lane(Lane),
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let message = text.parse().map(Self::Message).ok();
        let lane = || text.parse().map(Self::Lane).ok();
        message.or_else(lane).ok_or_else(|| "must be a message, `m-…`, or `mail`, or `webhook:` and a name".to_owned())
    }
}

#[derive(Clone, Debug)]
pub(super) enum Whom {
    Webhook(WebhookName),
    Address(String),
}

impl FromStr for Whom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(Lane::Webhook(name)) = text.parse() {
            return Ok(Self::Webhook(name));
        }
        address(text).map(Self::Address).map_err(|_| "must be `webhook:` and the name of a [[webhook]], or a mail address".to_owned())
    }
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let configuration = common.load()?;
    let client = |name: &str| Client::of(&configuration, &format!("outbox {name}"));
    match command {
        Command::Lanes => {
            let found: Vec<LaneView> = client("lanes")?.fetch("/api/v1/outbox")?;
            if common.json { say_json(&found) } else { say(lanes(&found)) }
        }
        Command::List(which) => {
            let limit = which.limit.to_string();
            let state = if which.dead { Some("dead") } else { which.waiting.then_some("waiting") };
            let [lane, grant, order, before] = [
                which.lane.map(|lane| lane.to_string()),
                which.grant.map(|grant| grant.to_string()),
                which.order.map(|order| order.to_string()),
                which.before.map(|before| before.to_string()),
            ];
            let pairs = [
                ("lane", lane.as_deref()),
                ("state", state),
                ("grant", grant.as_deref()),
                ("order", order.as_deref()),
                ("before", before.as_deref()),
                ("limit", Some(&limit)),
            ];
            let found: Vec<MessageView> = client("list")?.fetch(&format!("/api/v1/messages{}", query(&pairs)))?;
            if common.json { say_json(&found) } else { say(list(&found)) }
        }
        Command::Retry { what } => {
            let path = match &what {
                What::Message(id) => format!("/api/v1/messages/{id}/retry"),
                What::Lane(lane) => format!("/api/v1/outbox/{}/retry", encoded_segment(&lane.to_string())),
            };
            let retried: Retried = client("retry")?.order(&path)?;
            if common.json { say_json(&retried) } else { say(again(retried.messages)) }
        }
        Command::Test { whom } => {
            let message: MessageView = match whom {
                Whom::Webhook(name) => client("test")?.order(&format!("/api/v1/webhooks/{name}/test"))?,
                Whom::Address(to) => client("test")?.post("/api/v1/mail/test", &NewLetter { to: Some(to), language: None })?,
            };
            told(common, &message)
        }
    }
}

/// That a message was written.
pub(super) fn told(common: &Common, message: &MessageView) -> Result<(), Failure> {
    if common.json {
        return say_json(message);
    }
    let to = message.to.as_deref().map_or_else(|| message.lane.clone(), terminal::visible);
    say(format!("{} goes to {to}; `cloakroom outbox list` tells what came of it", message.id))
}

fn again(messages: u64) -> String {
    match messages {
        0 => "nothing was given up".to_owned(),
        messages => format!("{} sent again", terminal::counted(messages, "message is", "messages are")),
    }
}

fn lanes(found: &[LaneView]) -> String {
    if found.is_empty() {
        return paragraph("", "nobody is told anything: the configuration has no [[webhook]] and no [mail]");
    }
    let now = clock::now();
    let columns = [
        Column::Text("lane"),
        Column::Text("state"),
        Column::Number("waiting"),
        Column::Number("sent"),
        Column::Number("dead"),
        Column::Long("to"),
    ];
    let row = |lane: &LaneView| {
        let since = lane.since.as_ref().filter(|_| lane.state == "fails");
        let state = since.map_or_else(|| lane.state.clone(), |since| format!("fails since {}", ago(since, now)));
        let count = |number| terminal::grouped(number);
        vec![lane.lane.clone(), state, count(lane.waiting), count(lane.sent), count(lane.dead), terminal::visible(&lane.to)]
    };
    terminal::table_within(&columns, &found.iter().map(row).collect::<Vec<_>>(), width(), signs()).trim_end().to_owned()
}

fn list(found: &[MessageView]) -> String {
    if found.is_empty() {
        return "no such messages".to_owned();
    }
    let now = clock::now();
    let columns = [
        Column::Text("message"),
        Column::Text("to"),
        Column::Text("what"),
        Column::Text("state"),
        Column::Number("tries"),
        Column::Long("last answer"),
    ];
    let row = |message: &MessageView| {
        let to = message.to.as_deref().map_or_else(|| message.lane.clone(), terminal::visible);
        let state = match &message.due {
            Some(due) if moment(due).is_some_and(|due| due > now) => format!("waits, {}", ago(due, now)),
            Some(_) => "waits".to_owned(),
            None => format!("{}, {}", message.state, ago(message.tried.as_ref().unwrap_or(&message.at), now)),
        };
        let answer = message.answer.as_deref().map_or_else(|| "-".to_owned(), terminal::visible);
        vec![message.id.clone(), to, message.kind.clone(), state, message.tries.to_string(), answer]
    };
    terminal::table_within(&columns, &found.iter().map(row).collect::<Vec<_>>(), width(), signs()).trim_end().to_owned()
}
