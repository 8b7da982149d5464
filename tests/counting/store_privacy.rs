//! What every store promises about people, run over each of them.

use std::net::IpAddr;
use std::sync::Arc;

use cloakroom::domain::account::{Away, Reported, Seen};
use cloakroom::domain::delivery::Delivery;
use cloakroom::domain::id::OrderId;
use cloakroom::domain::message::{About, Letter, Message};
use cloakroom::domain::moment::Moment;
use cloakroom::domain::order::{Customer, Line, Options, Order, OrderState, PageNumber, ShopName, Terms};
use cloakroom::store::{Blurred, Filter, Forgotten, Held, Messages, OrderStore, OutboxStore, PrivacyStore, Store};

use crate::fixtures::*;

crate::store_contract::contract! {
    who_a_customer_is_is_forgotten_everywhere_and_what_was_counted_stays
    addresses_of_what_ended_long_ago_become_networks_and_no_others
    letters_to_an_address_are_found_and_forgotten_whatever_they_are_about
    of_hundreds_that_ended_each_step_shortens_some
    what_ends_after_a_clock_ran_ahead_is_shortened_in_time
    a_line_of_the_log_that_comes_late_brings_no_address_back
}

/// Grant and delivery `number`, which client `host` fetches whole.
async fn fetched(store: &impl Store, number: u32, host: u8, now: Moment) {
    let mut made = grant(number, Some(1));
    "anna@b.example".clone_into(&mut made.customer);
    store.issue(made, link(number), author()).await.unwrap();
    begun(store, number, host, now).await;
    let name = format!("r{number}");
    let report = Reported { delivery: delivery_id(number), request: request_id(&name), report: sent(0, SIZE, SIZE, now), seen: None };
    store.settle(vec![report], None).await.unwrap();
}

async fn begun(store: &impl Store, number: u32, host: u8, now: Moment) {
    let click = cloakroom::domain::account::Click { link: link_id(number), ..click(number, host, now) };
    store.click(click).await.unwrap().unwrap();
    let _ = store.admit(ask(delivery_id(number), &format!("r{number}"), host, now)).await.unwrap().unwrap();
}

async fn deliveries(store: &impl Store, number: u32) -> Vec<Delivery> {
    store.deliveries(Filter { grant: Some(grant_id(number)), before: None, limit: 0 }).await.unwrap()
}

fn addresses(delivery: &Delivery) -> Vec<IpAddr> {
    delivery.requests.values().map(|request| request.address).chain([delivery.clicked_by.address]).collect()
}

pub(crate) async fn who_a_customer_is_is_forgotten_everywhere_and_what_was_counted_stays<S: OrderStore + PrivacyStore + Store>(
    store: Arc<S>,
) {
    let customer = Customer { id: "7".into(), name: "Anna".into(), email: " Anna@b.example ".into(), ..Customer::default() };
    let order = |number: u8, customer: &Customer| Order {
        id: OrderId::new([number; 12]),
        shop: ShopName::parse("shop").unwrap(),
        external_id: number.to_string().parse().unwrap(),
        customer: customer.clone(),
        state: OrderState::Paid,
        lines: vec![Line {
            key: "1".parse().unwrap(),
            sku: "book".parse().unwrap(),
            options: Options::from([("engraving".to_owned(), "for Anna".to_owned())]),
            quantity: 1,
            state: OrderState::Paid,
            terms: Terms { note: "Anna's serial: 7".parse().unwrap(), ..Terms::default() },
        }],
        placed: None,
        created: at(u64::from(number)),
        changed: at(u64::from(number)),
        page: PageNumber::default(),
    };
    let ben = Customer { email: "ben@b.example".into(), ..Customer::default() };
    for (number, customer) in [(1, &customer), (2, &ben)] {
        store.keep_order(order(number, customer), Vec::new(), author()).await.unwrap();
    }
    fetched(&*store, 1, 7, at(0)).await;
    // Another one runs.
    let mut running = grant(2, Some(1));
    "anna@b.example".clone_into(&mut running.customer);
    store.issue(running, link(2), author()).await.unwrap();
    begun(&*store, 2, 8, at(5)).await;
    store.close_due(at(2 * DAY - 1)).await.unwrap();

    let held = store.held_of("anna@b.example".to_owned()).await.unwrap();
    assert_eq!(held, Held { orders: vec![OrderId::new([1; 12])], grants: vec![grant_id(1), grant_id(2)], letters: 0 });
    assert_eq!(store.held_of("ANNA@b.example".to_owned()).await.unwrap(), held);
    for same in ["7", "Anna"] {
        let held = store.held_of(same.to_owned()).await.unwrap();
        assert_eq!((held.orders, held.letters), (vec![OrderId::new([1; 12])], 0), "{same}");
    }
    for nobody in ["", " ", "anna", "nna@b.example", "Ann", "77", "carl@b.example"] {
        assert_eq!(store.held_of(nobody.to_owned()).await, Ok(Held::default()), "{nobody}");
    }
    let before = (deliveries(&*store, 1).await, store.grant(grant_id(1)).await.unwrap().unwrap());
    assert!(before.0[0].closed.is_some() && before.1.used == 1);

    let mut told = Vec::new();
    for grant in held.grants {
        told.push(store.forget_grant(grant, "nobody-1".to_owned()).await.unwrap());
    }
    assert_eq!((told[0].grants, told[0].deliveries, told[0].running), (1, 1, 0));
    told.push(store.forget_order(OrderId::new([1; 12]), "nobody-1".to_owned()).await.unwrap());
    assert_eq!(told[2], Forgotten { orders: 1, ..Forgotten::default() });
    let after = (deliveries(&*store, 1).await, store.grant(grant_id(1)).await.unwrap().unwrap());
    let delivery = &after.0[0];
    assert!(addresses(delivery).iter().all(IpAddr::is_unspecified) && delivery.clicked_by.agent.is_empty(), "{delivery:?}");
    assert_ne!(delivery.cookie, before.0[0].cookie);
    assert_eq!(
        (delivery.covered(), delivery.state, delivery.bytes_charged, delivery.requests.len()),
        (SIZE, before.0[0].state, before.0[0].bytes_charged, before.0[0].requests.len())
    );
    assert_eq!((after.1.customer.as_str(), after.1.used), ("nobody-1", 1));
    let forgotten = store.order(OrderId::new([1; 12])).await.unwrap().unwrap();
    assert_eq!(forgotten.customer, Customer { id: "nobody-1".into(), ..Customer::default() });
    let line = &forgotten.lines[0];
    assert!(line.terms.note.is_empty() && line.options == Options::from([("engraving".to_owned(), String::new())]), "{line:?}");
    let other = store.order(OrderId::new([2; 12])).await.unwrap().unwrap();
    assert_eq!((other.customer, other.lines), (ben.clone(), order(2, &ben).lines));
    assert_eq!(store.held_of("anna@b.example".to_owned()).await, Ok(Held::default()));
    // By its new name the rest is found, and decisions go on with it.
    let held = store.held_of("nobody-1".to_owned()).await.unwrap();
    assert_eq!((held.orders.len(), held.grants.len()), (1, 2));
    let again = store.admit(ask(delivery_id(1), "late", 7, at(3 * DAY))).await.unwrap();
    assert!(again.is_err(), "{again:?}");
    assert_eq!(store.forget_grant(grant_id(9), "x".to_owned()).await, Ok(Forgotten::default()));
    assert_eq!(store.forget_order(OrderId::new([9; 12]), "x".to_owned()).await, Ok(Forgotten::default()));
}

pub(crate) async fn addresses_of_what_ended_long_ago_become_networks_and_no_others<S: PrivacyStore + Store>(store: Arc<S>) {
    fetched(&*store, 1, 7, at(0)).await;
    store.close_due(at(5 * DAY)).await.unwrap();
    fetched(&*store, 2, 8, at(10 * DAY)).await;
    let mut running = grant(3, Some(1));
    "anna@b.example".clone_into(&mut running.customer);
    store.issue(running, link(3), author()).await.unwrap();
    begun(&*store, 3, 9, at(20 * DAY)).await;
    store.close_due(at(19 * DAY)).await.unwrap();
    let ended = deliveries(&*store, 1).await[0].closed.unwrap();
    let full: Vec<IpAddr> = addresses(&deliveries(&*store, 2).await[0]);
    let first = store.blur_addresses(ended).await.unwrap();
    assert_eq!((first.deliveries, first.next), (0, Some(ended)), "the moment itself is not before it");
    let later = store.blur_addresses(Moment::from_millis(ended.millis() + 1)).await.unwrap();
    assert_eq!((later.deliveries, later.next), (1, deliveries(&*store, 2).await[0].closed));
    let shortened = &deliveries(&*store, 1).await[0];
    for address in addresses(shortened) {
        assert!(address.to_string().ends_with(".0") && !address.is_unspecified(), "{address}");
    }
    assert!(!shortened.clicked_by.agent.is_empty());
    assert_eq!((shortened.covered(), addresses(&deliveries(&*store, 2).await[0])), (SIZE, full));
    let last = store.blur_addresses(at(1000 * DAY)).await.unwrap();
    assert_eq!(last, Blurred { deliveries: 1, next: None });
    assert_eq!(store.blur_addresses(at(1000 * DAY)).await, Ok(Blurred::default()), "once");
    assert!(addresses(&deliveries(&*store, 3).await[0]).iter().all(|address| !address.to_string().ends_with(".0")), "it runs");
}

pub(crate) async fn of_hundreds_that_ended_each_step_shortens_some<S: PrivacyStore + Store>(store: Arc<S>) {
    for number in 1..=150 {
        fetched(&*store, number, 7, at(0)).await;
    }
    while store.close_due(at(9 * DAY)).await.unwrap().next.is_some() {}
    let (mut steps, mut all) = (0, 0);
    loop {
        let done = store.blur_addresses(at(10 * DAY)).await.unwrap();
        assert!(done.deliveries <= 64);
        (steps, all) = (steps + 1, all + done.deliveries);
        if done.next.is_none() {
            break;
        }
    }
    assert_eq!((steps, all), (3, 150));
}

pub(crate) async fn what_ends_after_a_clock_ran_ahead_is_shortened_in_time<S: PrivacyStore + Store>(store: Arc<S>) {
    fetched(&*store, 1, 7, at(400 * DAY)).await;
    store.close_due(at(405 * DAY)).await.unwrap();
    assert_eq!(store.blur_addresses(at(450 * DAY)).await.unwrap().deliveries, 1);
    // The clock is right again.
    fetched(&*store, 2, 8, at(10 * DAY)).await;
    store.close_due(at(15 * DAY)).await.unwrap();
    let is_network = |delivery: &Delivery| addresses(delivery).iter().all(|address| address.to_string().ends_with(".0"));
    assert_eq!(store.blur_addresses(at(9 * DAY)).await.unwrap().deliveries, 0);
    assert!(!is_network(&deliveries(&*store, 2).await[0]));
    assert_eq!(store.blur_addresses(at(30 * DAY)).await.unwrap().deliveries, 1);
    assert!(is_network(&deliveries(&*store, 2).await[0]));
}

pub(crate) async fn a_line_of_the_log_that_comes_late_brings_no_address_back<S: PrivacyStore + Store>(store: Arc<S>) {
    let late = |number: u32, host: u8| Reported {
        delivery: delivery_id(number),
        request: request_id("late"),
        report: sent(0, 10, SIZE, at(1)),
        seen: Some(Seen { client: cookie(u32::from(host)), address: client(host).address }),
    };
    let away = |number: u32| Away {
        delivery: delivery_id(number),
        request: request_id(&format!("r{number}")),
        now: at(0),
        address: client(1).address,
        measured: true,
    };
    for number in 1..=3 {
        store.issue(grant(number, Some(1)), link(number), author()).await.unwrap();
        let host = u8::try_from(number).unwrap();
        let click = cloakroom::domain::account::Click { link: link_id(number), ..click(number, host, at(0)) };
        store.click(click).await.unwrap().unwrap();
        let _ = store.send_away(away(number), None).await.unwrap().unwrap();
    }
    store.close_due(at(5 * DAY)).await.unwrap();
    assert_eq!(store.forget_grant(grant_id(1), "nobody".to_owned()).await.unwrap().deliveries, 1);
    store.settle(vec![late(3, 9)], None).await.unwrap();
    assert!(addresses(&deliveries(&*store, 3).await[0]).contains(&client(9).address), "its time is not over");
    assert_eq!(store.blur_addresses(at(100 * DAY)).await.unwrap().deliveries, 3);
    store.settle(vec![late(1, 9), late(2, 9)], None).await.unwrap();
    for (number, ending) in [(1, "0.0.0.0"), (2, ".0")] {
        let found = &deliveries(&*store, number).await[0];
        assert!(found.requests.contains_key(&request_id("late")), "it counts: {found:?}");
        assert!(addresses(found).iter().all(|address| address.to_string().ends_with(ending)), "{found:?}");
        let mut keys = found.requests.values().map(|request| request.client).chain(found.coverage.keys().copied());
        assert!(keys.all(|key| key.is_numbered()), "{found:?}");
    }
}

pub(crate) async fn letters_to_an_address_are_found_and_forgotten_whatever_they_are_about<S: OutboxStore + PrivacyStore + Store>(
    store: Arc<S>,
) {
    let mut hers = grant(1, Some(1));
    "anna@b.example".clone_into(&mut hers.customer);
    store.issue(hers, link(1), author()).await.unwrap();
    let letter = |to: &str, about: About| Message::of_letter(Letter { to: to.parse().unwrap(), about, language: None }, at(1));
    let letters = vec![
        letter("anna@b.example", About::Nothing),
        letter("Anna@b.example", About::Grant(grant_id(7), link_id(7))),
        letter("anna@b.example", About::Grant(grant_id(1), link_id(1))),
        letter("anna@b.example", About::Order(OrderId::new([9; 12]))),
        letter("ben@b.example", About::Nothing),
    ];
    let bens = letters[4].id;
    store.post(letters).await.unwrap();
    let held = store.held_of("anna@B.example".to_owned()).await.unwrap();
    assert_eq!(held, Held { grants: vec![grant_id(1)], letters: 3, ..Held::default() });
    for nobody in ["", "nna@b.example", "carl@b.example"] {
        assert_eq!(store.forget_letters(nobody.to_owned()).await, Ok(0), "{nobody}");
    }
    assert_eq!(store.forget_letters("anna@B.example".to_owned()).await, Ok(4));
    let left = store.messages(Messages::default()).await.unwrap();
    assert_eq!(left.iter().map(|message| message.id).collect::<Vec<_>>(), [bens]);
}
