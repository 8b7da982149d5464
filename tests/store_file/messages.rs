//! Messages in the file: moved, verified, saved, and not lost where the process ends.

use cloakroom::domain::event::{Event, Kind};
use cloakroom::domain::message::{About, Letter, Message, Outcome, Subscriber, Tried, Try, Wanted, WebhookName};
use cloakroom::domain::moment::Span;
use cloakroom::store::sqlite::{export, import, info, salvage, verify};
use cloakroom::store::{Messages, OutboxStore as _, Store as _};
use tokio::sync::watch;

use crate::damage::{Place, runtime};
use crate::fixtures::{at, author, grant, grant_id, link, link_id};

fn shop() -> WebhookName {
    WebhookName::parse("shop").unwrap()
}

/// A grant with its event, which waits; an event that arrived; a letter that was given up.
fn filled() -> Place {
    let place = Place::new();
    let store = place.open().unwrap();
    runtime().block_on(async {
        let wanted = Subscriber { name: shop(), kinds: vec![Kind::GrantActivated], notice: Span::from_hours(1) };
        store.write_for(Wanted { subscribers: vec![wanted], letters: false }, watch::Sender::default()).await.unwrap();
        store.issue(grant(1, Some(1)), link(1), author()).await.unwrap();
        let letter =
            Letter {
                to: "änne@b.example".parse().unwrap(), about: About::Grant(grant_id(1), link_id(1)), language: Some("de".to_owned())
            };
        let told = Message::of_event(&Event::tested(at(5)), &shop(), at(5));
        let letter = Message::of_letter(letter, at(6));
        store.post(vec![told.clone(), letter.clone()]).await.unwrap();
        let tried = |message: &Message, outcome, answer| Tried::new(message.id, 0, Try::new(at(7), answer), outcome, 0);
        store.tried(vec![tried(&told, Outcome::Sent, "204"), tried(&letter, Outcome::Refused, "550 \"nobody\"")]).await.unwrap();
    });
    drop(store);
    place
}

fn exported(place: &Place) -> String {
    let mut out = Vec::new();
    export(&place.file(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn messages(place: &Place) -> Vec<Message> {
    let store = place.open().unwrap();
    runtime().block_on(store.messages(Messages::default())).unwrap()
}

#[test]
fn messages_move_with_the_store_and_are_counted() {
    let place = filled();
    let text = exported(&place);
    assert_eq!(text.lines().filter(|line| line.starts_with("{\"message\"")).count(), 3, "{text}");
    let other = Place::new();
    let totals = import(&other.file(), &mut text.as_bytes()).unwrap();
    assert_eq!((totals.grants, totals.messages), (1, 3));
    assert_eq!(messages(&other), messages(&place));
    assert_eq!(exported(&other), text);
    let states = info(&place.file()).unwrap().messages;
    let states: Vec<(&str, u64)> = states.iter().map(|(state, count)| (state.as_str(), *count)).collect();
    assert_eq!(states, [("dead", 1), ("sent", 1), ("waiting", 1)]);
    assert!(verify(&place.file(), &mut |_, _| {}).unwrap().is_clean());
    // One line twice, or of what was never written so.
    let message = text.lines().find(|line| line.starts_with("{\"message\"")).unwrap();
    for (bad, told) in [
        (text.replace(message, &format!("{message}\n{message}")), "the same id"),
        (text.replace("webhook:shop", "post"), "lane"),
        (text.replace("änne@b.example", "a@b\\r\\nBcc: c@d.example"), "address"),
    ] {
        let refused = import(&Place::new().file(), &mut bad.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains(told) && !refused.contains("Bcc"), "{refused}");
    }
}

#[test]
fn a_message_that_cannot_be_read_is_told_and_the_others_are_saved() {
    let place = filled();
    let database = rusqlite::Connection::open(place.file()).unwrap();
    let changed = database.execute("UPDATE outbox SET state = 'lost' WHERE lane = 'mail'", []).unwrap();
    assert_eq!(changed, 1);
    drop(database);
    let faults = verify(&place.file(), &mut |_, _| {}).unwrap().faults;
    assert!(faults.len() == 1 && faults[0].contains("`state` holds \"lost\""), "{faults:?}");
    let mut out = Vec::new();
    let salvaged = salvage(&place.file(), &mut out).unwrap();
    assert_eq!((salvaged.totals.messages, salvaged.left_out["outbox"].count()), (2, 1));
    let other = Place::new();
    import(&other.file(), &mut out.as_slice()).unwrap();
    assert_eq!(messages(&other).len(), 2);
}
