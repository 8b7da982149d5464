//! What every store promises about orders and the catalogue, run over each of them.

use std::sync::Arc;

use cloakroom::domain::account::Ask;
use cloakroom::domain::catalogue::{Attachment, File, Product, Units};
use cloakroom::domain::deed::{Deed, Stage};
use cloakroom::domain::file::{FileRef, StorageName};
use cloakroom::domain::grant::Grant;
use cloakroom::domain::id::{FileId, OrderId};
use cloakroom::domain::order::{Customer, Line, Options, Order, OrderState, Own, PageNumber, ShopName, Sku, Sold, Terms};
use cloakroom::domain::path::FilePath;
use cloakroom::domain::refusal::Refusal;
use cloakroom::store::{CatalogueStore, DeedStore, Deeds, Files, OrderStore, Orders, Sale, Store};
use tokio::task::JoinSet;

use crate::fixtures::*;
use crate::store_catalogue::release;

crate::store_contract::contract! {
    what_begins_is_done_or_forgotten_or_stays_as_it_is
    the_page_of_an_order_has_another_number_when_that_is_said_and_keeps_it
    an_order_is_kept_once_however_often_it_is_reported
    an_order_that_is_not_paid_sells_nothing
    what_was_sold_follows_its_order_in_the_same_step
    a_hundred_reports_at_once_sell_once
    orders_are_listed_the_newest_first_by_shop_and_customer
    files_and_products_are_found_as_they_were_put
    what_was_done_is_listed_the_newest_first_page_by_page
}

pub fn order(number: u8, external_id: &str, state: OrderState) -> Order {
    let line = |key: &str, sku: &str| Line {
        key: key.parse().unwrap(),
        sku: sku.parse().unwrap(),
        options: Options::from([("size".to_owned(), "large".to_owned())]),
        quantity: 1,
        state: OrderState::Paid,
        terms: Terms {
            file: Some(FileId::new([9; 12])),
            max_downloads: Own::Limit(3),
            expires: Own::Unlimited,
            note: "7F3K".parse().unwrap(),
        },
    };
    Order {
        id: OrderId::new([number; 12]),
        shop: ShopName::parse("shop").unwrap(),
        external_id: external_id.parse().unwrap(),
        customer: Customer { id: "7".into(), name: "Anna".into(), email: "anna@b.example".into(), language: "de".into() },
        state,
        lines: vec![line("1", "a"), line("2", "b")],
        placed: Some(at(0)),
        created: at(u64::from(number)),
        changed: at(u64::from(number)),
        page: PageNumber::default(),
    }
}

/// What the order sells: grant and link `number` for line 1, the next ones for line 2.
pub fn sales(order: &Order, number: u32) -> Vec<Sale> {
    let sale = |number: u32, line: &Line, file: u8| {
        let (line, sku) = (line.key.clone(), line.sku.clone());
        let sold = Sold { order: order.id, line, sku, file: FileId::new([file; 12]), unit: 1, gate: OrderState::Pending };
        let customer = order.customer.in_words().to_owned();
        Sale { grant: Grant { sold: Some(sold), customer, ..grant(number, Some(1)) }, link: link(number), copy: None }
    };
    vec![sale(number, &order.lines[0], 1), sale(number + 1, &order.lines[1], 2)]
}

fn gates(grants: &[Grant]) -> Vec<OrderState> {
    grants.iter().map(|grant| grant.sold.as_ref().unwrap().gate).collect()
}

pub(crate) async fn an_order_is_kept_once_however_often_it_is_reported<S: OrderStore + Store>(store: Arc<S>) {
    let first = order(1, "1001", OrderState::Paid);
    let kept = store.keep_order(first.clone(), sales(&first, 1), author()).await.unwrap();
    assert_eq!((&kept.order, kept.changed, kept.issued.len()), (&first, true, 2));
    assert_eq!(gates(&kept.grants), [OrderState::Paid; 2]);
    assert_eq!(store.links(grant_id(1)).await.unwrap(), vec![link(1)]);
    // The same again, by who knows neither its id nor its grants.
    let again = order(2, "1001", OrderState::Paid);
    let kept = store.keep_order(again.clone(), sales(&again, 11), author()).await.unwrap();
    assert_eq!((&kept.order, kept.changed, kept.issued.len(), kept.amended.len()), (&first, false, 0, 0));
    assert_eq!(kept.grants.iter().map(|grant| grant.id).collect::<Vec<_>>(), [grant_id(1), grant_id(2)]);
    assert_eq!(store.grant(grant_id(11)).await, Ok(None));
    assert_eq!(store.order(first.id).await, Ok(Some(first.clone())));
    assert_eq!(store.order(again.id).await, Ok(None));
    assert_eq!(store.order_named(first.shop.clone(), first.external_id.clone()).await, Ok(Some(first.clone())));
    assert_eq!(store.order_named(ShopName::parse("other").unwrap(), first.external_id.clone()).await, Ok(None));
    assert_eq!(store.grants_of_order(first.id).await, Ok(kept.grants));
}

pub(crate) async fn an_order_that_is_not_paid_sells_nothing<S: OrderStore + Store>(store: Arc<S>) {
    let mut seen = 0;
    for state in OrderState::ALL.into_iter().filter(|state| *state != OrderState::Paid) {
        let order = order(1, state.word(), state);
        let kept = store.keep_order(order.clone(), sales(&order, 1), author()).await.unwrap();
        assert!(kept.changed && kept.grants.is_empty() && kept.issued.is_empty(), "{state:?}");
        seen += 1;
    }
    assert_eq!(seen, 5);
    assert_eq!(store.grant(grant_id(1)).await, Ok(None));
}

pub(crate) async fn what_was_sold_follows_its_order_in_the_same_step<S: OrderStore + Store>(store: Arc<S>) {
    let paid = order(1, "1001", OrderState::Paid);
    store.keep_order(paid.clone(), sales(&paid, 1), author()).await.unwrap();
    let opened = store.click(click(1, 1, at(1))).await.unwrap().unwrap().delivery;
    assert!(store.admit(ask(opened, "first", 1, at(1))).await.unwrap().is_ok());
    let mut seen = 0;
    for state in OrderState::ALL.into_iter().filter(|state| *state != OrderState::Paid) {
        let shut = Order { state, ..paid.clone() };
        let kept = store.keep_order(shut.clone(), sales(&shut, 21), author()).await.unwrap();
        assert_eq!((gates(&kept.grants), kept.amended.len(), kept.issued.len()), (vec![state; 2], 2, 0));
        assert_eq!(store.admit(ask(opened, state.word(), 1, at(2))).await.unwrap().unwrap_err(), state.check().unwrap_err());
        let again = store.keep_order(shut, Vec::new(), author()).await.unwrap();
        assert!(!again.changed && again.amended.is_empty());
        let kept = store.keep_order(paid.clone(), sales(&paid, 31), author()).await.unwrap();
        assert_eq!((gates(&kept.grants), kept.issued.len()), (vec![OrderState::Paid; 2], 0));
        let byte = Ask { range: range("bytes=0-0"), ..ask(opened, &format!("again-{}", state.word()), 1, at(3)) };
        assert!(store.admit(byte).await.unwrap().is_ok());
        seen += 1;
    }
    assert_eq!(seen, 5);
    // One line is taken out, and refunded; the other goes on.
    let part = Order { lines: paid.lines[1..].to_vec(), ..paid.clone() };
    let kept = store.keep_order(part, Vec::new(), author()).await.unwrap();
    assert_eq!(gates(&kept.grants), [OrderState::Cancelled, OrderState::Paid]);
    assert_eq!(store.admit(ask(opened, "late", 1, at(4))).await.unwrap().unwrap_err(), Refusal::Cancelled);
    // What a person withdrew stays so, whatever the order says.
    let states: Vec<String> = store.history(grant_id(1)).await.unwrap().iter().map(|entry| format!("{:?}", entry.act)).collect();
    assert_eq!(states.len(), 1 + 2 * 5 + 1, "{states:?}");
}

pub(crate) async fn a_hundred_reports_at_once_sell_once<S: OrderStore + Store + 'static>(store: Arc<S>) {
    let mut asking = JoinSet::new();
    for number in 0..100_u8 {
        let store = Arc::clone(&store);
        asking.spawn(async move {
            let order = Order { created: at(0), ..order(number, "1001", OrderState::Paid) };
            let sales = sales(&order, u32::from(number) * 2 + 1);
            store.keep_order(order, sales, author()).await.unwrap()
        });
    }
    let kept = asking.join_all().await;
    assert_eq!((kept.len(), kept.iter().filter(|kept| kept.changed).count()), (100, 1));
    let first = kept.iter().find(|kept| kept.changed).unwrap();
    assert!(kept.iter().all(|kept| kept.order == first.order && kept.grants == first.grants));
    assert_eq!(first.grants.len(), 2);
}

pub(crate) async fn orders_are_listed_the_newest_first_by_shop_and_customer<S: OrderStore>(store: Arc<S>) {
    for number in 1..=6 {
        let mut made = order(number, &number.to_string(), OrderState::Paid);
        if number % 2 == 0 {
            made.shop = ShopName::parse("other").unwrap();
        }
        if number % 3 == 0 {
            made.customer.email = "ben@c.example".into();
        }
        store.keep_order(made, Vec::new(), author()).await.unwrap();
    }
    let (other, ben) = (ShopName::parse("other"), Some("ben@c.example".to_owned()));
    let id = |number: u8| OrderId::new([number; 12]);
    let mut seen = 0;
    for (which, expected) in [
        (Orders::default(), vec![6, 5, 4, 3, 2, 1]),
        (Orders { limit: 2, ..Orders::default() }, vec![6, 5]),
        (Orders { before: Some(id(5)), limit: 2, ..Orders::default() }, vec![4, 3]),
        (Orders { before: Some(id(1)), ..Orders::default() }, vec![]),
        (Orders { shop: other.clone(), ..Orders::default() }, vec![6, 4, 2]),
        (Orders { customer: ben.clone(), ..Orders::default() }, vec![6, 3]),
        (Orders { shop: other, customer: ben, before: Some(id(6)), limit: 0 }, vec![]),
    ] {
        let found: Vec<OrderId> = store.orders(which.clone()).await.unwrap().iter().map(|order| order.id).collect();
        assert_eq!(found, expected.into_iter().map(id).collect::<Vec<_>>(), "{which:?}");
        seen += 1;
    }
    assert_eq!(seen, 7);
}

pub(crate) async fn files_and_products_are_found_as_they_were_put<S: CatalogueStore>(store: Arc<S>) {
    let place = |path: &str| FileRef { storage: StorageName::parse("masters").unwrap(), path: FilePath::parse(path).unwrap() };
    let file = |number: u8, path: &str| File {
        id: FileId::new([number; 12]),
        name: format!("File {number}"),
        folder: "books/new".to_owned(),
        current: release(number, place(path), at(u64::from(number))),
        before: Vec::new(),
        added: at(u64::from(number)),
        moved_from: Vec::new(),
        missing: None,
    };
    let (first, second, third) = (file(1, "a.zip"), file(2, "b.zip"), file(3, "a.zip"));
    for one in [&third, &first, &second] {
        store.put_file(one.clone()).await.unwrap();
    }
    assert_eq!(store.files(Files::default()).await, Ok(vec![first.clone(), second.clone(), third.clone()]));
    assert_eq!(store.files(Files { after: Some(first.id), limit: 1 }).await, Ok(vec![second.clone()]));
    assert_eq!(store.file_at(place("a.zip")).await, Ok(Some(first.clone())), "the first");
    let moved = File {
        current: release(9, place("c.zip"), at(9)),
        missing: Some(at(9)),
        before: vec![first.current.clone()],
        name: "Moved".to_owned(),
        ..first.clone()
    };
    store.put_file(moved.clone()).await.unwrap();
    assert_eq!(store.file(first.id).await, Ok(Some(moved)));
    assert_eq!(store.file_at(place("a.zip")).await, Ok(Some(third.clone())));
    assert_eq!((store.remove_file(third.id).await, store.remove_file(third.id).await), (Ok(true), Ok(false)));
    assert_eq!((store.file(third.id).await, store.file_at(place("a.zip")).await), (Ok(None), Ok(None)));

    let sku = |text: &str| -> Sku { text.parse().unwrap() };
    let options = Options::from([("size".to_owned(), "large".to_owned())]);
    let attach = |file: &File, options: &Options| Attachment { file: file.id, options: options.clone() };
    let product = |name: &str, files: Vec<Attachment>| Product {
        sku: sku(name),
        name: format!("Product {name}"),
        note: "For one desk.\nKept apart.".parse().unwrap(),
        policy: Some("books".to_owned()),
        units: Units::PerUnit,
        files,
    };
    let book = product("book", vec![attach(&first, &Options::new()), attach(&second, &options), attach(&first, &options)]);
    let album = product("album", vec![attach(&second, &Options::new())]);
    for one in [&book, &album] {
        store.put_product(one.clone()).await.unwrap();
    }
    assert_eq!(store.products(None, 10).await, Ok(vec![album.clone(), book.clone()]));
    assert_eq!(store.products(Some(sku("album")), 10).await, Ok(vec![book.clone()]));
    assert_eq!(store.products_named(vec![sku("book"), sku("none")]).await, Ok(vec![book.clone()]));
    assert_eq!(store.products_with(second.id).await, Ok(vec![sku("album"), sku("book")]));
    store.put_product(Product { files: vec![attach(&first, &options)], ..book }).await.unwrap();
    assert_eq!(store.products_with(second.id).await, Ok(vec![sku("album")]));
    assert_eq!((store.remove_product(sku("album")).await, store.remove_product(sku("album")).await), (Ok(true), Ok(false)));
    assert_eq!(store.products_with(second.id).await, Ok(Vec::new()));
}

pub(crate) async fn what_was_done_is_listed_the_newest_first_page_by_page<S: DeedStore>(store: Arc<S>) {
    let deed = |number: u64| Deed {
        at: at(number),
        author: "anna (cloakroom order set)".to_owned(),
        from: number.is_multiple_of(2).then(|| [192, 0, 2, 7].into()),
        call: "POST /api/v1/orders/{id}/state".to_owned(),
        subject: if number.is_multiple_of(3) { "o-3".to_owned() } else { String::new() },
        outcome: if number == 2 { "paid".to_owned() } else { String::new() },
        stage: Stage::Done,
    };
    for number in 1..=6 {
        store.write_deed(deed(number)).await.unwrap();
    }
    let all = store.deeds(Deeds::default()).await.unwrap();
    assert_eq!(all.iter().map(|(_, deed)| deed.clone()).collect::<Vec<_>>(), (1..=6).rev().map(deed).collect::<Vec<_>>());
    let page = store.deeds(Deeds { before: Some(all[1].0), limit: 2, ..Deeds::default() }).await.unwrap();
    assert_eq!(page, all[2..4]);
    let about = store.deeds(Deeds { subject: Some("o-3".to_owned()), ..Deeds::default() }).await.unwrap();
    assert_eq!(about, [all[0].clone(), all[3].clone()]);
    // What is older than it is kept goes when something else is done, and no number is given twice.
    let later = Deed { at: at(6) + Deed::KEPT, ..deed(1) };
    store.write_deed(later.clone()).await.unwrap();
    let left = store.deeds(Deeds::default()).await.unwrap();
    assert!(left.len() == 1 && left[0].0 > all[0].0 && left[0].1 == later, "{left:?}");
}

pub(crate) async fn the_page_of_an_order_has_another_number_when_that_is_said_and_keeps_it<S: OrderStore>(store: Arc<S>) {
    let reported = order(1, "1001", OrderState::Paid);
    store.keep_order(reported.clone(), Vec::new(), author()).await.unwrap();
    let number = |number: u8| PageNumber::of_bytes([0, 0, number]);
    for renewed in 1..=2 {
        assert_eq!(store.renew_page(reported.id).await.unwrap().map(|order| order.page), Some(number(renewed)));
    }
    assert_eq!(store.renew_page(OrderId::new([9; 12])).await, Ok(None));
    // Who reports it anew knows nothing of that.
    assert!(!store.keep_order(reported.clone(), Vec::new(), author()).await.unwrap().changed);
    let shut = Order { state: OrderState::Refunded, ..reported.clone() };
    assert_eq!(store.keep_order(shut, Vec::new(), author()).await.unwrap().order.page, number(2));
    assert_eq!(store.order(reported.id).await.unwrap().unwrap().page, number(2));
}

pub(crate) async fn what_begins_is_done_or_forgotten_or_stays_as_it_is<S: DeedStore>(store: Arc<S>) {
    let begun = |number: u64| Deed {
        at: at(number),
        author: "anna".to_owned(),
        from: None,
        call: "POST /api/v1/files".to_owned(),
        subject: String::new(),
        outcome: String::new(),
        stage: Stage::Begun,
    };
    let mut numbers = Vec::new();
    for number in 1..=3 {
        numbers.push(store.write_deed(begun(number)).await.unwrap());
    }
    store.end_deed(numbers[0], "f-1".to_owned(), "ok".to_owned()).await.unwrap();
    store.forget_deed(numbers[1]).await.unwrap();
    store.end_deed(numbers[1], "f-2".to_owned(), String::new()).await.unwrap();
    store.forget_deed(999).await.unwrap();
    let done = Deed { subject: "f-1".to_owned(), outcome: "ok".to_owned(), stage: Stage::Done, ..begun(1) };
    assert_eq!(store.deeds(Deeds::default()).await, Ok(vec![(numbers[2], begun(3)), (numbers[0], done.clone())]));
    let about = Deeds { subject: Some("f-1".to_owned()), ..Deeds::default() };
    assert_eq!(store.deeds(about).await, Ok(vec![(numbers[0], done)]));
}
