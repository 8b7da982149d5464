//! What every store promises about messages that are to leave, run over each of them.

use std::sync::Arc;

use cloakroom::domain::account::{Away, Click, Reported};
use cloakroom::domain::credential::{DirectoryCredential, Holder, UserName};
use cloakroom::domain::event::{Event, Kind};
use cloakroom::domain::grant::{Amendment, Grant, Standing};
use cloakroom::domain::id::{DeliveryId, FileId, OrderId};
use cloakroom::domain::message::{About, Content, Lane, Letter, Message, Outcome, State, Subscriber, Tried, Try, Wanted, WebhookName};
use cloakroom::domain::moment::{Moment, Span};
use cloakroom::domain::order::{Customer, Line, Options, Order, OrderState, PageNumber, ShopName, Sold, Terms};
use cloakroom::domain::placed::DirectoryName;
use cloakroom::store::{Again, Messages, OrderStore, OutboxStore, Sale, Store, Told};
use tokio::sync::watch;

use crate::fixtures::*;

crate::store_contract::contract! {
    what_happens_is_written_in_the_step_that_it_is_about_for_who_wants_to_hear_it
    nothing_is_written_for_nobody_nor_of_what_was_refused
    a_notice_of_an_end_waits_for_its_time_and_follows_the_end
    a_name_that_is_replaced_is_told_of_once
    a_paid_order_is_one_letter_and_each_grant_one_event
    what_is_due_comes_in_its_order_and_each_lane_for_itself
    what_was_tried_is_sent_or_waits_or_is_dead_and_is_forgotten_in_time
    what_was_given_up_is_sent_again_and_what_waits_is_given_up
    messages_are_listed_the_newest_first
    events_that_nobody_takes_are_bounded_and_letters_are_not_counted
}

fn shop() -> WebhookName {
    WebhookName::parse("shop").unwrap()
}

fn lane() -> Lane {
    Lane::Webhook(shop())
}

fn wanted(kinds: &[Kind]) -> Wanted {
    Wanted { subscribers: vec![Subscriber { name: shop(), kinds: kinds.to_vec(), notice: Span::from_hours(1) }], letters: false }
}

async fn listen(store: &impl OutboxStore, wanted: Wanted) -> watch::Receiver<Told> {
    let told = watch::Sender::default();
    let heard = told.subscribe();
    store.write_for(wanted, told).await.unwrap();
    heard
}

async fn all(store: &impl OutboxStore) -> Vec<Message> {
    let mut all = store.messages(Messages::default()).await.unwrap();
    all.reverse();
    all
}

fn kind(message: &Message) -> &'static str {
    match &message.content {
        Content::Event { kind, .. } => kind.word(),
        Content::Letter(_) => "letter",
    }
}

async fn kinds(store: &impl OutboxStore) -> Vec<&'static str> {
    all(store).await.iter().map(kind).collect()
}

fn letter(to: &str, about: About, seconds: u64) -> Message {
    Message::of_letter(Letter { to: to.parse().unwrap(), about, language: None }, at(seconds))
}

fn event(seconds: u64) -> Message {
    Message::of_event(&Event::tested(at(seconds)), &shop(), at(seconds))
}

/// A whole download of grant `number`, as its delivery `number`.
async fn download(store: &impl Store, number: u32, seconds: u64) {
    store.click(click_on(number, number, seconds)).await.unwrap().unwrap();
    let name = format!("whole-{number}");
    let _permit = store.admit(ask(delivery_id(number), &name, 7, at(seconds))).await.unwrap().unwrap();
    let changes = store.settle(vec![whole(delivery_id(number), &name, seconds + 1)], None).await.unwrap();
    assert_eq!(changes.len(), 1);
}

fn whole(delivery: DeliveryId, name: &str, seconds: u64) -> Reported {
    Reported { delivery, request: request_id(name), report: sent(0, SIZE, SIZE, at(seconds)), seen: None }
}

/// A click on link `number`, for which delivery `fresh` is made.
fn click_on(number: u32, fresh: u32, seconds: u64) -> Click {
    Click { link: link_id(number), ..click(fresh, 7, at(seconds)) }
}

pub(crate) async fn what_happens_is_written_in_the_step_that_it_is_about_for_who_wants_to_hear_it<S: Store + OutboxStore>(store: Arc<S>) {
    let mut told = listen(&*store, wanted(&[Kind::GrantActivated, Kind::DeliveryCompleted, Kind::GrantExhausted])).await;
    store.issue(grant(1, Some(1)), link(1), author()).await.unwrap();
    store.issue(grant(1, Some(1)), link(1), author()).await.unwrap();
    assert_eq!(kinds(&*store).await, ["grant.activated"], "asked twice, told once");
    assert!(told.has_changed().unwrap() && told.borrow_and_update().written >= 1);
    download(&*store, 1, 10).await;
    let mut written = kinds(&*store).await;
    written.sort_unstable();
    assert_eq!(written, ["delivery.completed", "grant.activated", "grant.exhausted"]);
    assert!(told.has_changed().unwrap());
    // The same line of the log again is nothing new.
    store.settle(vec![whole(delivery_id(1), "whole-1", 11)], None).await.unwrap();
    assert_eq!(kinds(&*store).await.len(), 3);
    for message in all(&*store).await {
        let Content::Event { grant: of, body, .. } = &message.content else { panic!("{message:?}") };
        assert_eq!((*of, &message.lane, message.tries), (Some(grant_id(1)), &lane(), 0));
        assert!(body.contains(&grant_id(1).to_string()) && matches!(message.state, State::Waiting(_)), "{body}");
    }
}

pub(crate) async fn nothing_is_written_for_nobody_nor_of_what_was_refused<S: Store + OutboxStore>(store: Arc<S>) {
    store.issue(grant(1, Some(1)), link(1), author()).await.unwrap();
    download(&*store, 1, 10).await;
    assert!(all(&*store).await.is_empty());
    listen(&*store, wanted(&[Kind::GrantExhausted])).await;
    store.issue(grant(2, Some(2)), link(2), author()).await.unwrap();
    download(&*store, 2, 20).await;
    store.amend(grant_id(2), Amendment::Stand(Standing::Suspended), author()).await.unwrap();
    assert!(store.click(click_on(2, 9, 30)).await.unwrap().is_err());
    // That a person lowers the number is no download.
    store.amend(grant_id(2), Amendment::Allow(Some(0)), author()).await.unwrap();
    assert!(all(&*store).await.is_empty());
    listen(&*store, Wanted::default()).await;
    store.issue(grant(3, Some(1)), link(3), author()).await.unwrap();
    download(&*store, 3, 40).await;
    assert!(all(&*store).await.is_empty());
    // Where nobody reports what is sent a unit is used when the client is sent away.
    listen(&*store, wanted(&[Kind::GrantExhausted])).await;
    store.issue(grant(4, Some(1)), link(4), author()).await.unwrap();
    store.click(click_on(4, 4, 50)).await.unwrap().unwrap();
    let away = Away { delivery: delivery_id(4), request: request_id("away"), now: at(50), address: client(7).address, measured: false };
    let (_permit, _) = store.send_away(away, None).await.unwrap().unwrap();
    assert_eq!(kinds(&*store).await, ["grant.exhausted"]);
}

pub(crate) async fn a_notice_of_an_end_waits_for_its_time_and_follows_the_end<S: Store + OutboxStore>(store: Arc<S>) {
    listen(&*store, wanted(&[Kind::GrantExpiring])).await;
    let ends = |seconds: u64| Grant { expires: Some(at(seconds)), ..grant(1, Some(1)) };
    store.issue(ends(10 * HOUR), link(1), author()).await.unwrap();
    let states = |messages: Vec<Message>| messages.into_iter().map(|message| message.state).collect::<Vec<_>>();
    assert_eq!(states(all(&*store).await), [State::Waiting(at(9 * HOUR))]);
    for (now, found) in [(9 * HOUR - 1, 0), (9 * HOUR, 1)] {
        let due = store.due_messages(lane(), at(now), 10).await.unwrap();
        assert_eq!((due.messages.len(), due.next), (found, (found == 0).then_some(at(9 * HOUR))));
    }
    store.amend(grant_id(1), Amendment::Expire(Some(at(20 * HOUR))), author()).await.unwrap();
    store.amend(grant_id(1), Amendment::Expire(Some(at(20 * HOUR))), author()).await.unwrap();
    let messages = all(&*store).await;
    let now = store.grant(grant_id(1)).await.unwrap().unwrap();
    assert_eq!(messages.iter().map(|message| message.still_expires(&now)).collect::<Vec<_>>(), [false, true]);
    assert_eq!(states(messages)[1], State::Waiting(at(19 * HOUR)));
}

pub(crate) async fn a_name_that_is_replaced_is_told_of_once<S: Store + OutboxStore>(store: Arc<S>) {
    listen(&*store, wanted(&[Kind::CredentialRotated])).await;
    let credential = |number: u8| DirectoryCredential {
        user: UserName::new([number; 5]),
        directory: DirectoryName::parse("goods").unwrap(),
        holder: Holder::Everybody,
        begins: at(0),
        ends: None,
        replaced: None,
        kid: "main".to_owned(),
        hash: "$apr1$salt$hash".to_owned(),
        author: "anna".to_owned(),
    };
    store.put_credentials(vec![credential(1)], Vec::new()).await.unwrap();
    assert!(all(&*store).await.is_empty());
    let old = credential(1).replaced(at(10), Span::from_seconds(5));
    // What is not put tells of nothing.
    assert_eq!(store.put_credentials(vec![credential(1)], vec![old.clone()]).await, Ok(false));
    assert!(all(&*store).await.is_empty());
    assert_eq!(store.put_credentials(vec![credential(2)], vec![old.clone()]).await, Ok(true));
    assert_eq!(store.put_credentials(Vec::new(), vec![old.ended(at(11))]).await, Ok(true));
    let messages = all(&*store).await;
    let Content::Event { body, .. } = &messages[0].content else { panic!("{messages:?}") };
    assert!(messages.len() == 1 && body.contains(&at(15).to_string()) && !body.contains("apr1"), "{body}");
}

fn order(number: u8, state: OrderState) -> Order {
    let line = Line {
        key: "1".parse().unwrap(),
        sku: "a".parse().unwrap(),
        options: Options::new(),
        quantity: 1,
        state: OrderState::Paid,
        terms: Terms::default(),
    };
    Order {
        id: OrderId::new([number; 12]),
        shop: ShopName::parse("shop").unwrap(),
        external_id: "1001".parse().unwrap(),
        customer: Customer { email: "anna@b.example".into(), language: "de".into(), ..Customer::default() },
        state,
        lines: vec![line],
        placed: None,
        created: at(1),
        changed: at(1),
        page: PageNumber::default(),
    }
}

fn sales(order: &Order, number: u32) -> Vec<Sale> {
    let sale = |number: u32, file: u8| {
        let (line, sku) = (order.lines[0].key.clone(), order.lines[0].sku.clone());
        let sold = Sold { order: order.id, line, sku, file: FileId::new([file; 12]), unit: 1, gate: OrderState::Pending };
        Sale { grant: Grant { sold: Some(sold), ..grant(number, Some(1)) }, link: link(number), copy: None }
    };
    vec![sale(number, 1), sale(number + 1, 2)]
}

pub(crate) async fn a_paid_order_is_one_letter_and_each_grant_one_event<S: Store + OrderStore + OutboxStore>(store: Arc<S>) {
    listen(&*store, Wanted { letters: true, ..wanted(&[Kind::GrantActivated]) }).await;
    let report = async |number: u8, state, first: u32, seconds: u64| {
        let order = order(number, state);
        let sales = sales(&order, first);
        store.keep_order(order, sales, cloakroom::domain::history::Author { at: at(seconds), ..author() }).await.unwrap()
    };
    report(1, OrderState::Pending, 1, 1).await;
    assert!(all(&*store).await.is_empty());
    report(2, OrderState::Paid, 3, 2).await;
    let mut written = kinds(&*store).await;
    written.sort_unstable();
    assert_eq!(written, ["grant.activated", "grant.activated", "letter"]);
    let letters = store.messages(Messages { order: Some(OrderId::new([1; 12])), ..Messages::default() }).await.unwrap();
    let Content::Letter(Letter { to, about, language }) = &letters[0].content else { panic!("{letters:?}") };
    assert_eq!((to.as_str(), about, language.as_deref()), ("anna@b.example", &About::Order(OrderId::new([1; 12])), Some("de")));
    // The same again, and shut and opened again: the customer has the letter.
    report(3, OrderState::Paid, 5, 3).await;
    assert_eq!(kinds(&*store).await.len(), 3);
    report(4, OrderState::OnHold, 7, 4).await;
    assert_eq!(kinds(&*store).await.len(), 3);
    report(5, OrderState::Paid, 9, 5).await;
    let written = kinds(&*store).await;
    assert_eq!((written.len(), written.iter().filter(|kind| **kind == "letter").count()), (5, 1));
    listen(&*store, Wanted::default()).await;
    let other = Order { external_id: "1002".parse().unwrap(), ..order(6, OrderState::Paid) };
    let sold = sales(&other, 11);
    store.keep_order(other, sold, author()).await.unwrap();
    assert_eq!(kinds(&*store).await.len(), 5, "nobody wants letters to be written");
}

pub(crate) async fn what_is_due_comes_in_its_order_and_each_lane_for_itself<S: OutboxStore>(store: Arc<S>) {
    let mut told = listen(&*store, Wanted::default()).await;
    let (one, two, three) = (event(30), event(10), event(20));
    let mail = letter("a@b.example", About::Nothing, 5);
    store.post(vec![one.clone(), two.clone(), three.clone(), mail.clone(), two.clone()]).await.unwrap();
    assert!(told.has_changed().unwrap());
    told.mark_unchanged();
    assert_eq!(all(&*store).await.len(), 4);
    let due = async |lane: Lane, seconds, limit| store.due_messages(lane, at(seconds), limit).await.unwrap();
    let found = due(lane(), 25, 10).await;
    assert_eq!((found.messages, found.next), (vec![two.clone(), three], Some(at(30))));
    let found = due(lane(), 30, 1).await;
    assert_eq!((found.messages, found.next), (vec![two], Some(at(20))), "what is due and does not fit is next");
    let found = due(Lane::Mail, 5, 10).await;
    assert_eq!((found.messages, found.next), (vec![mail], None));
    let nobody = Lane::Webhook(WebhookName::parse("nobody").unwrap());
    assert_eq!(due(nobody, 99, 10).await, cloakroom::store::DueMessages::default());
    assert!(!told.has_changed().unwrap(), "who asks changes nothing");
}

pub(crate) async fn what_was_tried_is_sent_or_waits_or_is_dead_and_is_forgotten_in_time<S: OutboxStore>(store: Arc<S>) {
    let messages = [event(1), event(2), event(3), event(4)];
    store.post(messages.to_vec()).await.unwrap();
    let tried = |message: &Message, outcome| Tried::new(message.id, message.tries, Try::new(at(10), "what it said"), outcome, 0);
    let outcomes = [Outcome::Sent, Outcome::Failed, Outcome::Refused, Outcome::Void];
    store.tried(messages.iter().zip(outcomes).map(|(message, outcome)| tried(message, outcome)).collect()).await.unwrap();
    let found = all(&*store).await;
    let waits = State::Waiting(at(10) + Span::from_millis(4500));
    assert_eq!(found.iter().map(|message| message.state).collect::<Vec<_>>(), [State::Sent, waits, State::Dead]);
    assert!(found.iter().all(|message| message.tries == 1 && message.last == Some(Try::new(at(10), "what it said"))));
    let due = store.due_messages(lane(), at(15), 10).await.unwrap();
    assert_eq!(due.messages.iter().map(|message| message.id).collect::<Vec<_>>(), [messages[1].id]);
    // Of what nobody knows nothing is remembered.
    store.tried(vec![tried(&event(99), Outcome::Sent)]).await.unwrap();
    assert_eq!(all(&*store).await.len(), 3);
    for (days, left) in [(6, 3), (8, 2), (29, 2), (31, 1)] {
        let before = all(&*store).await.len();
        assert_eq!(store.forget_old_messages(at(10 + days * DAY)).await, Ok(before - left), "{days}");
        assert_eq!(all(&*store).await.len(), left, "{days}");
    }
    assert_eq!(all(&*store).await[0].id, messages[1].id, "what waits is never forgotten");
}

pub(crate) async fn what_was_given_up_is_sent_again_and_what_waits_is_given_up<S: OutboxStore>(store: Arc<S>) {
    let mut told = listen(&*store, Wanted::default()).await;
    let mail = letter("a@b.example", About::Nothing, 1);
    store.post(vec![event(1), event(2), event(3), mail.clone()]).await.unwrap();
    let sent = Tried::new(event(3).id, 0, Try::new(at(5), "204"), Outcome::Sent, 0);
    store.tried(vec![sent]).await.unwrap();
    assert_eq!(store.give_up(lane(), Try::new(at(10), "gone")).await, Ok(2));
    let counts: Vec<_> = store.count_messages().await.unwrap().into_iter().map(|count| (count.lane, count.state, count.count)).collect();
    let of = |lane: Lane, state: &str, count| (lane, state.to_owned(), count);
    let expected = [of(Lane::Mail, "waiting", 1), of(lane(), "dead", 2), of(lane(), "sent", 1)];
    assert!(counts.len() == 3 && expected.iter().all(|count| counts.contains(count)), "{counts:?}");
    told.mark_unchanged();
    assert_eq!(store.send_again(Again::One(event(3).id), at(20)).await, Ok(0), "it was sent");
    assert_eq!(store.send_again(Again::One(event(1).id), at(20)).await, Ok(1));
    assert!(told.has_changed().unwrap());
    assert_eq!(store.send_again(Again::Lane(lane()), at(21)).await, Ok(1));
    let due = store.due_messages(lane(), at(21), 10).await.unwrap().messages;
    assert_eq!(
        due.iter().map(|message| (message.id, message.state, message.tries)).collect::<Vec<_>>(),
        [(event(1).id, State::Waiting(at(20)), 0), (event(2).id, State::Waiting(at(21)), 0)]
    );
}

pub(crate) async fn messages_are_listed_the_newest_first<S: OutboxStore>(store: Arc<S>) {
    let about = About::Grant(grant_id(1), link_id(1));
    let mails = [letter("a@b.example", about.clone(), 1), letter("a@b.example", About::Nothing, 2), letter("c@d.example", about, 3)];
    store.post(mails.to_vec()).await.unwrap();
    store.post(vec![event(4)]).await.unwrap();
    let list = async |which: Messages| store.messages(which).await.unwrap().iter().map(|message| message.id).collect::<Vec<_>>();
    let [first, second, third] = mails.each_ref().map(|mail| mail.id);
    assert_eq!(list(Messages::default()).await, [event(4).id, third, second, first]);
    assert_eq!(list(Messages { limit: 2, ..Messages::default() }).await, [event(4).id, third]);
    assert_eq!(list(Messages { before: Some(third), ..Messages::default() }).await, [second, first]);
    assert_eq!(list(Messages { before: Some(event(9).id), ..Messages::default() }).await, []);
    assert_eq!(list(Messages { lane: Some(Lane::Mail), limit: 1, ..Messages::default() }).await, [third]);
    assert_eq!(list(Messages { grant: Some(grant_id(1)), ..Messages::default() }).await, [third, first]);
    assert_eq!(
        list(Messages { grant: Some(grant_id(1)), before: Some(third), lane: Some(Lane::Mail), ..Messages::default() }).await,
        [first]
    );
    assert_eq!(list(Messages { state: Some("dead".to_owned()), ..Messages::default() }).await, []);
    assert_eq!(list(Messages { state: Some("waiting".to_owned()), lane: Some(lane()), ..Messages::default() }).await, [event(4).id]);
}

pub(crate) async fn events_that_nobody_takes_are_bounded_and_letters_are_not_counted<S: OutboxStore>(store: Arc<S>) {
    let mut told = listen(&*store, Wanted::default()).await;
    let most = cloakroom::store::EVENTS_WAITING_MAX;
    let events: Vec<Message> = (0..most + 3).map(|number| event_at(at(0) + Span::from_millis(number))).collect();
    for part in events.chunks(20_000) {
        store.post(part.to_vec()).await.unwrap();
    }
    assert_eq!(told.borrow_and_update().lost, 3);
    // As many notices as there are grants take no room, and need none.
    let ends = Grant { expires: Some(at(90 * DAY)), ..grant(3, None) };
    let notice = Message::of_event(&Event::expiring(&ends).unwrap(), &shop(), at(80 * DAY));
    store.post(vec![notice.clone()]).await.unwrap();
    let newest = store.messages(Messages { limit: 1, ..Messages::default() }).await.unwrap();
    assert_eq!((told.borrow_and_update().lost, newest), (3, vec![notice]));
    store.post(vec![letter("a@b.example", About::Nothing, 1)]).await.unwrap();
    let arrived = |message: &Message| Tried::new(message.id, 0, Try::new(at(5), "204"), Outcome::Sent, 0);
    store.tried(vec![arrived(&events[0])]).await.unwrap();
    store.post(vec![event(7000), event(7001)]).await.unwrap();
    assert_eq!(told.borrow_and_update().lost, 4, "there was room for one");
    let waiting = store.count_messages().await.unwrap().into_iter().filter(|count| count.state == "waiting");
    assert_eq!(waiting.map(|count| count.count).sum::<u64>(), most + 2);
}

fn event_at(moment: Moment) -> Message {
    Message::of_event(&Event::tested(moment), &shop(), moment)
}
