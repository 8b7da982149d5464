//! One message, sent once.

use super::letters;
use crate::clock;
use crate::domain::event::Kind;
use crate::domain::message::{Content, Lane, Message, Outcome};
use crate::domain::moment::Span;
use crate::outbox::Answer;
use crate::service::site::Site;

/// What came of a try.
pub(super) struct Sent {
    pub(super) outcome: Outcome,
    /// What was answered, or what went wrong.
    pub(super) answer: String,
    /// What of it the log may have.
    pub(super) logged: String,
    /// Whether the webhook said that it is gone for good.
    pub(super) is_gone: bool,
    /// How long whoever failed asks to be left alone.
    pub(super) pause: Option<Span>,
}

/// What of an answer is no word of others: they may name whoever the message is about. A status is left where one begins it,
/// else all words but addresses.
fn plain(answer: &str) -> String {
    match answer.get(..3) {
        Some(status) if status.bytes().all(|byte| byte.is_ascii_digit()) => status.to_owned(),
        _ => answer.split(' ').map(|word| if word.contains('@') { "…" } else { word }).collect::<Vec<_>>().join(" "),
    }
}

impl Sent {
    pub(super) fn new(outcome: Outcome, answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self { outcome, logged: plain(&answer), answer, is_gone: false, pause: None }
    }
}

/// Sends `message`.
pub(super) async fn send(site: &Site, message: &Message) -> Sent {
    match (&message.content, &message.lane) {
        (Content::Event { kind: Kind::GrantExpiring, grant: Some(grant), .. }, Lane::Webhook(_)) => match site.store.grant(*grant).await {
            Ok(Some(grant)) if message.still_expires(&grant) => post(site, message).await,
            Ok(_) => Sent::new(Outcome::Void, "the grant ends at another time, or has nothing left"),
            Err(down) => Sent::new(Outcome::Failed, down.to_string()),
        },
        (Content::Event { .. }, _) => post(site, message).await,
        (Content::Letter(letter), _) => letters::send(site, message, letter).await,
    }
}

async fn post(site: &Site, message: &Message) -> Sent {
    let (Lane::Webhook(name), Content::Event { body, .. }) = (&message.lane, &message.content) else {
        return Sent::new(Outcome::Refused, "an event goes to a webhook");
    };
    let Some(webhook) = site.couriers.webhook(name) else { return Sent::new(Outcome::Failed, super::NOT_CONFIGURED) };
    match site.couriers.post(webhook, message.id, body, clock::now()).await {
        Ok(Answer { status: status @ 200..=299, .. }) => Sent::new(Outcome::Sent, status.to_string()),
        Ok(Answer { status: 410, .. }) => Sent { is_gone: true, ..Sent::new(Outcome::Refused, "410 Gone") },
        Ok(Answer { status: status @ 300..=399, .. }) => {
            let answer = format!("{status}: redirects are not followed; `url` must be where it leads");
            Sent { logged: answer.clone(), ..Sent::new(Outcome::Failed, answer) }
        }
        Ok(Answer { status, text, pause }) => Sent { pause, ..Sent::new(Outcome::Failed, format!("{status} {text}")) },
        Err(wrong) => Sent::new(Outcome::Failed, wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_gets_a_status_or_our_own_words_and_no_address() {
        for (answer, logged) in [
            ("550 5.1.1 <anna@b.example>: nobody of this name", "550"),
            ("250 2.0.0 Ok: Anna Berg", "250"),
            ("503", "503"),
            ("500 {\"customer\":\"anna@b.example\"}", "500"),
            ("connection refused", "connection refused"),
            ("no answer for anna@b.example, yet", "no answer for … yet"),
            ("käse", "käse"),
            ("", ""),
        ] {
            let sent = Sent::new(Outcome::Failed, answer);
            assert_eq!((sent.answer.as_str(), sent.logged.as_str()), (answer, logged));
        }
    }
}
