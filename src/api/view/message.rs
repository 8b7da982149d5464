//! Messages that are to leave, or have left.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::message::{About, Content, Lane, Letter, Message, State};

/// A message.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MessageView {
    /// `m-…`: the `webhook-id`, or the first part of the `Message-ID`.
    pub id: String,
    /// `webhook:NAME` or `mail`.
    pub lane: String,
    /// The kind of an event, or `letter`.
    pub kind: String,
    /// The grant that it is about.
    pub grant: Option<String>,
    /// The order that it is about.
    pub order: Option<String>,
    /// To whom a letter goes.
    pub to: Option<String>,
    /// When it was written.
    pub at: String,
    /// waiting, sent or dead.
    pub state: String,
    /// When it is tried next, if it waits.
    pub due: Option<String>,
    /// How often it was tried.
    pub tries: u32,
    /// When it was tried last.
    pub tried: Option<String>,
    /// What was answered then, or what went wrong.
    pub answer: Option<String>,
}

impl MessageView {
    pub(in crate::api) fn of(message: &Message) -> Self {
        let Message { id, lane, content, at, state, tries, last } = message;
        let (kind, grant, order, to) = match content {
            Content::Event { kind, grant, .. } => (kind.word(), *grant, None, None),
            Content::Letter(Letter { to, about, .. }) => {
                let (grant, order) = match about {
                    About::Grant(grant, _) => (Some(*grant), None),
                    About::Order(order) => (None, Some(*order)),
                    About::Nothing => (None, None),
                };
                ("letter", grant, order, Some(to.as_str().to_owned()))
            }
        };
        Self {
            id: id.to_string(),
            lane: lane.to_string(),
            kind: kind.to_owned(),
            grant: grant.map(|grant| grant.to_string()),
            order: order.map(|order| order.to_string()),
            to,
            at: at.to_string(),
            state: state.word().to_owned(),
            due: match state {
                State::Waiting(due) => Some(due.to_string()),
                State::Sent | State::Dead => None,
            },
            tries: *tries,
            tried: last.as_ref().map(|last| last.at.to_string()),
            answer: last.as_ref().map(|last| last.answer.clone()),
        }
    }
}

/// One way by which messages leave.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LaneView {
    /// `webhook:NAME` or `mail`.
    pub lane: String,
    /// Where it leads: a URL, or a mail server.
    pub to: String,
    /// works, fails, or gone: the webhook answered 410, and is told nothing.
    pub state: String,
    /// Since when it fails.
    pub since: Option<String>,
    /// The events that a webhook is told.
    pub events: Vec<String>,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that left in the last days.
    pub sent: u64,
    /// Messages that were given up in the last weeks.
    pub dead: u64,
}

/// How many messages are sent again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Retried {
    /// So many.
    pub messages: u64,
}

impl LaneView {
    pub(in crate::api) fn new(lane: &Lane, to: String, state: &str, since: Option<String>, events: Vec<String>) -> Self {
        Self { lane: lane.to_string(), to, state: state.to_owned(), since, events, waiting: 0, sent: 0, dead: 0 }
    }
}
