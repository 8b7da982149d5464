//! A message as it is written down.

use serde::{Deserialize, Serialize};

use super::{Unreadable, Written};
use crate::domain::event::Kind;
use crate::domain::message::{About, Content, DEAD_KEPT, Lane, Letter, Message, SENT_KEPT, State, Try};
use crate::domain::moment::Moment;

/// The word of a letter among the kinds of events.
const LETTER: &str = "letter";

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageRecord {
    pub(in crate::store) id: String,
    pub(in crate::store) lane: String,
    /// The word of an event, or `letter`.
    pub(in crate::store) kind: String,
    pub(in crate::store) grant: Option<String>,
    pub(in crate::store) order: Option<String>,
    /// The body of an event.
    pub(in crate::store) body: Option<String>,
    pub(in crate::store) address: Option<String>,
    pub(in crate::store) link: Option<String>,
    pub(in crate::store) language: Option<String>,
    pub(in crate::store) at: u64,
    pub(in crate::store) state: String,
    pub(in crate::store) due: Option<u64>,
    pub(in crate::store) tries: u32,
    pub(in crate::store) tried: Option<u64>,
    pub(in crate::store) answer: Option<String>,
}

/// When a message in `state` is forgotten; `None` while it waits.
pub(in crate::store) fn forgotten(state: State, at: Moment, last: Option<&Try>) -> Option<Moment> {
    let since = last.map_or(at, |last| last.at);
    match state {
        State::Waiting(_) => None,
        State::Sent => Some(since + SENT_KEPT),
        State::Dead => Some(since + DEAD_KEPT),
    }
}

impl From<&Message> for MessageRecord {
    fn from(message: &Message) -> Self {
        let Message { id, lane, content, at, state, tries, last } = message;
        let record = Self {
            id: id.written(),
            lane: lane.to_string(),
            kind: LETTER.to_owned(),
            grant: None,
            order: None,
            body: None,
            address: None,
            link: None,
            language: None,
            at: at.millis(),
            state: state.word().to_owned(),
            due: match state {
                State::Waiting(due) => Some(due.millis()),
                State::Sent | State::Dead => None,
            },
            tries: *tries,
            tried: last.as_ref().map(|last| last.at.millis()),
            answer: last.as_ref().map(|last| last.answer.clone()),
        };
        match content {
            Content::Event { kind, grant, body } => {
                Self { kind: kind.word().to_owned(), grant: grant.map(|grant| grant.written()), body: Some(body.clone()), ..record }
            }
            Content::Letter(Letter { to, about, language }) => {
                let (grant, link, order) = match about {
                    About::Grant(grant, link) => (Some(grant.written()), Some(link.written()), None),
                    About::Order(order) => (None, None, Some(order.written())),
                    About::Nothing => (None, None, None),
                };
                Self { grant, link, order, address: Some(to.as_str().to_owned()), language: language.clone(), ..record }
            }
        }
    }
}

impl TryFrom<MessageRecord> for Message {
    type Error = Unreadable;

    fn try_from(record: MessageRecord) -> Result<Self, Unreadable> {
        let state = match (record.state.as_str(), record.due) {
            ("waiting", Some(due)) => State::Waiting(Moment::from_millis(due)),
            ("sent", None) => State::Sent,
            ("dead", None) => State::Dead,
            (other, _) => return Err(Unreadable::new("state", other)),
        };
        let last = record.tried.zip(record.answer).map(|(at, answer)| Try { at: Moment::from_millis(at), answer });
        let grant = record.grant.map(|grant| Written::read(&grant, "grant")).transpose()?;
        let lane: Lane = record.lane.parse().map_err(|_| Unreadable::new("lane", &record.lane))?;
        let content = if record.kind == LETTER {
            let to = record.address.unwrap_or_default();
            let to = to.parse().map_err(|_| Unreadable::new("address", "what is no address"))?;
            let link = record.link.map(|link| Written::read(&link, "link")).transpose()?;
            let order = record.order.map(|order| Written::read(&order, "order")).transpose()?;
            let about = match (grant, link, order) {
                (Some(grant), Some(link), None) => About::Grant(grant, link),
                (None, None, Some(order)) => About::Order(order),
                (None, None, None) => About::Nothing,
                _ => return Err(Unreadable::new("link", "a grant without a link, or one beside an order")),
            };
            Content::Letter(Letter { to, about, language: record.language })
        } else {
            let kind = Kind::parse(&record.kind).ok_or_else(|| Unreadable::new("kind", &record.kind))?;
            let body = record.body.ok_or_else(|| Unreadable::new("body", "nothing"))?;
            Content::Event { kind, grant, body }
        };
        // What goes to nobody's webhook by mail, or to a customer by a webhook, was not written by us.
        if matches!(content, Content::Letter(_)) != (lane == Lane::Mail) {
            return Err(Unreadable::new("lane", lane));
        }
        let id = Written::read(&record.id, "message")?;
        Ok(Self { id, lane, content, at: Moment::from_millis(record.at), state, tries: record.tries, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Event;
    use crate::domain::id::{GrantId, LinkId, OrderId};
    use crate::domain::message::WebhookName;

    #[test]
    fn every_message_reads_back_as_it_was() {
        let at = Moment::from_seconds(1_800_000_000);
        let webhook = WebhookName::parse("shop").expect("a name");
        let letter = |about| Letter { to: "a@b.example".parse().expect("an address"), about, language: Some("de".to_owned()) };
        let first = Message::of_event(&Event::tested(at), &webhook, at);
        let all = [
            Message { state: State::Dead, tries: 10, last: Some(Try::new(at, "410")), ..first.clone() },
            first,
            Message { state: State::Sent, ..Message::of_letter(letter(About::Nothing), at) },
            Message::of_letter(letter(About::Order(OrderId::new([3; 12]))), at),
            Message::of_letter(letter(About::Grant(GrantId::new([1; 12]), LinkId::new([2; 12]))), at),
        ];
        for message in all {
            assert_eq!(Message::try_from(MessageRecord::from(&message)), Ok(message));
        }
    }

    #[test]
    fn what_was_not_written_so_is_refused_and_an_address_is_not_told() {
        let at = Moment::from_seconds(1_800_000_000);
        let letter = Letter { to: "a@b.example".parse().expect("an address"), about: About::Nothing, language: None };
        let good = MessageRecord::from(&Message::of_letter(letter, at));
        let bad = [
            MessageRecord { lane: "webhook:shop".to_owned(), ..good.clone() },
            MessageRecord { lane: "post".to_owned(), ..good.clone() },
            MessageRecord { kind: "letters".to_owned(), ..good.clone() },
            MessageRecord { kind: "refused".to_owned(), ..good.clone() },
            MessageRecord { due: None, ..good.clone() },
            MessageRecord { state: "sent".to_owned(), ..good.clone() },
            MessageRecord { link: Some("l-1".to_owned()), ..good.clone() },
            MessageRecord { address: Some("a@b\r\nBcc: c@d".to_owned()), ..good.clone() },
            MessageRecord { id: "m-1".to_owned(), ..good },
        ];
        for record in bad {
            let unreadable = Message::try_from(record.clone()).expect_err("it is not ours");
            assert!(!unreadable.to_string().contains("Bcc"), "{unreadable}");
        }
    }
}
