//! What every store promises about versions of files and what waits for products, run over each of them; and what clicks do
//! with deliveries of a version that lies elsewhere.

use std::sync::Arc;

use cloakroom::domain::account::{Click, Clicked};
use cloakroom::domain::catalogue::{File, Product, Release, Units};
use cloakroom::domain::checksum::Checksum;
use cloakroom::domain::delivery::{Delivery, State};
use cloakroom::domain::file::{FileRef, StorageName};
use cloakroom::domain::grant::{Amendment, Grant, Standing};
use cloakroom::domain::id::{DeliveryId, FileId, VersionId};
use cloakroom::domain::moment::Moment;
use cloakroom::domain::note::Note;
use cloakroom::domain::order::{OrderState, Sold};
use cloakroom::domain::path::FilePath;
use cloakroom::domain::placed::{DirectoryName, NewCopy, PlacedName};
use cloakroom::domain::policy::{Edition, Policy};
use cloakroom::domain::refusal::Refusal;
use cloakroom::store::{CatalogueStore, Filter, Lead, OrderStore, Orders, SoldCount, Store};

use crate::fixtures::*;

crate::store_contract::contract! {
    a_file_is_kept_with_all_its_versions
    grants_for_the_latest_version_are_led_to_it_and_what_was_begun_stays_where_it_was
    what_has_ended_is_left_as_it_is_by_whatever_becomes_of_its_file
    what_was_moved_is_found_at_its_new_place_by_all
    a_later_part_goes_on_with_the_version_before_and_a_first_byte_does_not
    grants_of_a_file_and_of_a_sku_are_counted_and_found
    skus_without_a_product_and_the_orders_that_wait_for_one_are_told
}

/// The version numbered `number`, which lies there.
pub fn release(number: u8, at: FileRef, released: Moment) -> Release {
    Release::of_master(VersionId::new([number; 12]), at, &version(u64::from(number)), released)
}

fn place(path: &str) -> FileRef {
    FileRef { storage: StorageName::parse("masters").unwrap(), path: FilePath::parse(path).unwrap() }
}

/// The file of which grants are sold here; its first version lies where grants of these tests are for.
fn book() -> File {
    let current = release(1, grant(1, None).file, at(0));
    File {
        id: FileId::new([1; 12]),
        name: "Book".into(),
        folder: String::new(),
        current,
        before: Vec::new(),
        moved_from: Vec::new(),
        added: at(0),
        missing: None,
    }
}

/// The same with a second version at `b.zip`.
fn second() -> File {
    let mut file = book();
    file.release(release(2, place("b.zip"), at(10)));
    file
}

fn sold_grant(number: u32, edition: Edition) -> Grant {
    let plain = grant(number, Some(2));
    Grant { sold: Some(sold(number)), policy: Policy { edition, ..plain.policy.clone() }, ..plain }
}

async fn sell(store: &impl Store, number: u32, edition: Edition) {
    let copy = NewCopy {
        name: PlacedName::new([u8::try_from(number).unwrap(); 16]),
        directory: DirectoryName::parse("goods").unwrap(),
        leaf: "a.zip".into(),
    };
    store.issue_with(sold_grant(number, edition), link(number), author(), Some(copy)).await.unwrap();
}

async fn clicked(store: &impl Store, click: Click) -> Clicked {
    store.click(click).await.unwrap().unwrap()
}

async fn begin(store: &impl Store, number: u32) -> DeliveryId {
    let delivery = clicked(store, click(number, 1, at(1))).await.delivery;
    let part = cloakroom::domain::account::Ask { range: range("bytes=0-9"), ..ask(delivery, &format!("r{number}"), 1, at(1)) };
    assert!(store.admit(part).await.unwrap().is_ok());
    delivery
}

async fn lies(store: &impl Store, delivery: DeliveryId) -> FileRef {
    store.content(delivery).await.unwrap().unwrap().target.file
}

pub(crate) async fn a_file_is_kept_with_all_its_versions<S: CatalogueStore>(store: Arc<S>) {
    let mut file = second();
    file.before[0].checksum = Some(Checksum::new([7; 32]));
    file.missing = Some(at(20));
    file.release(Release { at: "https://h.example/c.zip:30".parse().unwrap(), modified: None, ..release(3, place("c.zip"), at(30)) });
    assert_eq!(store.lead(file.clone(), Lead::Latest).await, Ok(0), "nobody is led to where nothing is delivered from");
    assert_eq!(store.file(file.id).await, Ok(Some(file.clone())));
    assert_eq!(store.file_at(place("b.zip")).await, Ok(None), "no version but the current one is found by its place");
    assert_eq!(store.lead(book(), Lead::Nobody).await, Ok(0));
    assert_eq!(store.file(file.id).await, Ok(Some(book())));
}

pub(crate) async fn grants_for_the_latest_version_are_led_to_it_and_what_was_begun_stays_where_it_was<S: CatalogueStore + Store>(
    store: Arc<S>,
) {
    store.put_file(book()).await.unwrap();
    sell(&*store, 1, Edition::Latest).await;
    sell(&*store, 2, Edition::Purchased).await;
    store.issue(grant(3, None), link(3), author()).await.unwrap();
    let other = Grant { sold: Some(Sold { file: FileId::new([5; 12]), ..sold(4) }), ..sold_grant(4, Edition::Latest) };
    store.issue(other, link(4), author()).await.unwrap();
    let (first, offered) = (begin(&*store, 1).await, clicked(&*store, click(2, 2, at(1))).await.delivery);
    // What is remembered is true again afterwards.
    let before = grant(1, None).file;
    assert_eq!((store.target(link_id(1)).await.unwrap().unwrap().file, lies(&*store, first).await), (before.clone(), before.clone()));

    assert_eq!(store.lead(second(), Lead::Latest).await, Ok(1));
    let (here, there) = (before, place("b.zip"));
    let mut seen = 0;
    for (number, file) in [(1, &there), (2, &here), (3, &here), (4, &here)] {
        assert_eq!(store.grant(grant_id(number)).await.unwrap().unwrap().file, *file, "{number}");
        assert_eq!(store.target(link_id(number)).await.unwrap().unwrap().file, *file, "{number}");
        let copies: Vec<FileRef> = store.placed_for(grant_id(number)).await.unwrap().into_iter().map(|placed| placed.file).collect();
        assert!(copies.iter().all(|copy| copy == file), "{number}");
        seen += copies.len();
    }
    assert_eq!(seen, 2);
    assert_eq!((lies(&*store, first).await, lies(&*store, offered).await), (here.clone(), here.clone()));
    let permit = store.admit(ask(first, "again", 1, at(11))).await.unwrap().unwrap();
    assert_eq!((permit.file, permit.version), (here.clone(), version(SIZE)));
    let of: Vec<Option<FileRef>> = store.deliveries(Filter::default()).await.unwrap().into_iter().map(|known| known.at).collect();
    assert_eq!(of, vec![Some(here.clone()); 2]);
    // The bought version has a place still, also for who asks later.
    let target = store.target(link_id(2)).await.unwrap().unwrap();
    assert_eq!((target.bought, store.target(link_id(1)).await.unwrap().unwrap().bought), (Some((FileId::new([1; 12]), at(0))), None));
    // Back to where it was: nothing lies elsewhere any more.
    let mut third = second();
    third.release(release(3, here.clone(), at(20)));
    assert_eq!(store.lead(third.clone(), Lead::Latest).await, Ok(1));
    assert_eq!(store.delivery(first).await.unwrap().unwrap().at, None);
    assert_eq!(store.lead(third, Lead::Latest).await, Ok(0), "the same once more leads nobody");
}

pub(crate) async fn what_has_ended_is_left_as_it_is_by_whatever_becomes_of_its_file<S: CatalogueStore + Store>(store: Arc<S>) {
    store.put_file(book()).await.unwrap();
    sell(&*store, 1, Edition::Latest).await;
    let ended = begin(&*store, 1).await;
    let closing = store.close_due(at(10_000_000)).await.unwrap();
    assert_eq!(closing.changes.iter().map(|change| change.delivery).collect::<Vec<_>>(), [ended]);
    let mut third = second();
    third.release(release(3, grant(1, None).file, at(20)));
    let moved = File {
        current: Release { at: cloakroom::domain::locator::Locator::Here(place("c.zip")), ..third.current.clone() },
        ..third.clone()
    };
    for (file, lead, led) in [(second(), Lead::Latest, 1), (third, Lead::Latest, 1), (moved, Lead::From(grant(1, None).file), 1)] {
        assert_eq!(store.lead(file, lead.clone()).await, Ok(led), "{lead:?}");
        assert_eq!(store.delivery(ended).await.unwrap().unwrap().at, None, "{lead:?}");
    }
}

pub(crate) async fn what_was_moved_is_found_at_its_new_place_by_all<S: CatalogueStore + Store>(store: Arc<S>) {
    store.put_file(book()).await.unwrap();
    sell(&*store, 1, Edition::Latest).await;
    sell(&*store, 2, Edition::Purchased).await;
    let first = begin(&*store, 1).await;
    let from = grant(1, None).file;
    let moved = File { current: Release { at: cloakroom::domain::locator::Locator::Here(place("old/a.zip")), ..book().current }, ..book() };
    assert_eq!(store.lead(moved.clone(), Lead::From(from.clone())).await, Ok(2));
    let there = place("old/a.zip");
    for number in 1..=2 {
        assert_eq!(store.grant(grant_id(number)).await.unwrap().unwrap().file, there);
        assert_eq!(store.placed_for(grant_id(number)).await.unwrap()[0].file, there);
    }
    assert_eq!((lies(&*store, first).await, store.delivery(first).await.unwrap().unwrap().at), (there.clone(), None));
    // One that was left behind by the next version is moved, too.
    let mut next = moved;
    next.release(release(2, place("b.zip"), at(10)));
    store.lead(next.clone(), Lead::Latest).await.unwrap();
    assert_eq!(lies(&*store, first).await, there);
    store.lead(next, Lead::From(there)).await.unwrap();
    assert_eq!(lies(&*store, first).await, place("b.zip"));
}

pub(crate) async fn a_later_part_goes_on_with_the_version_before_and_a_first_byte_does_not<S: CatalogueStore + Store>(store: Arc<S>) {
    store.put_file(book()).await.unwrap();
    sell(&*store, 1, Edition::Latest).await;
    let first = begin(&*store, 1).await;
    let reported = cloakroom::domain::account::Reported {
        delivery: first,
        request: request_id("r1"),
        report: cloakroom::domain::delivery::Report { ended: at(2), status: 206, bytes: 10, finished: true, from: Some((0, SIZE)) },
        seen: None,
    };
    store.settle(vec![reported], None).await.unwrap();
    store.lead(second(), Lead::Latest).await.unwrap();
    let new = |number: u32, host: u8, now: u64| Click { version: replaced(2, SIZE), ..click(number, host, at(now)) };
    let rest = |click: Click| Click { range: range("bytes=10-"), ..click };
    assert_eq!(clicked(&*store, rest(new(2, 1, 11))).await.delivery, first, "who clicked it goes on");
    let cookie = Click { cookie: Some(cookie(1)), ..rest(new(3, 9, 11)) };
    assert_eq!(clicked(&*store, cookie).await.delivery, first, "so does who brings its cookie");
    let fresh = clicked(&*store, new(4, 1, 12)).await;
    assert!(fresh.fresh && fresh.closed.is_empty(), "another unit is left: {fresh:?}");
    assert!(store.admit(ask(fresh.delivery, "new", 1, at(12))).await.unwrap().is_ok());
    assert_eq!(clicked(&*store, rest(new(5, 1, 13))).await.delivery, fresh.delivery, "the newest of both");
    // No unit is left but that of the one that rests: it gives it back.
    let last = clicked(&*store, new(6, 2, 14)).await;
    assert_eq!(last.closed.iter().map(|change| (change.delivery, change.state)).collect::<Vec<_>>(), [(first, State::Released)]);
    assert_eq!(store.click(rest(new(7, 1, 15))).await.unwrap().map(|clicked| clicked.delivery), Ok(fresh.delivery));
    assert_eq!(store.admit(ask(first, "late", 1, at(15))).await.unwrap().unwrap_err(), Refusal::LinkExpired);
    let known: Vec<Delivery> = store.deliveries(Filter::default()).await.unwrap();
    assert_eq!(known.iter().find(|delivery| delivery.id == first).unwrap().at, Some(grant(1, None).file));
}

pub(crate) async fn grants_of_a_file_and_of_a_sku_are_counted_and_found<S: CatalogueStore + Store>(store: Arc<S>) {
    let (file, other) = (FileId::new([1; 12]), FileId::new([2; 12]));
    for number in 1..=5 {
        store.issue(sold_grant(number, Edition::Latest), link(number), author()).await.unwrap();
    }
    store.issue(grant(6, None), link(6), author()).await.unwrap();
    store.amend(grant_id(2), Amendment::Stand(Standing::Revoked), author()).await.unwrap();
    store.amend(grant_id(3), Amendment::Gate(OrderState::Refunded), author()).await.unwrap();
    store.amend(grant_id(4), Amendment::Expire(Some(at(50))), author()).await.unwrap();
    for number in [7, 8] {
        store.issue(sold_grant(number, Edition::Purchased), link(number), author()).await.unwrap();
    }
    store.amend(grant_id(8), Amendment::Stand(Standing::Revoked), author()).await.unwrap();
    for (id, now, all, open, kept) in [(file, 49, 7, 4, 1), (file, 50, 7, 3, 1), (other, 49, 0, 0, 0)] {
        assert_eq!(store.sold_of(id, at(now)).await, Ok(SoldCount { all, open, kept }), "{now}");
    }
    let sku = || "set".parse().unwrap();
    assert_eq!(store.sold_as(sku(), None, 3).await, Ok((1..=3).map(grant_id).collect()));
    assert_eq!(store.sold_as(sku(), Some(grant_id(3)), 2).await, Ok((4..=5).map(grant_id).collect()));
    assert_eq!(store.sold_as("none".parse().unwrap(), None, 3).await, Ok(Vec::new()));
}

pub(crate) async fn skus_without_a_product_and_the_orders_that_wait_for_one_are_told<S: CatalogueStore + OrderStore + Store>(
    store: Arc<S>,
) {
    use crate::store_orders::{order, sales};
    use cloakroom::domain::order::Order;
    for number in 1..=3 {
        let order = order(number, &number.to_string(), OrderState::Paid);
        // The first has been served.
        let sales = if number == 1 { sales(&order, 1) } else { Vec::new() };
        store.keep_order(order, sales, author()).await.unwrap();
    }
    let sku = |text: &str| text.parse::<cloakroom::domain::order::Sku>().unwrap();
    assert_eq!(store.unknown_skus(None, 10).await, Ok(vec![(sku("a"), 3), (sku("b"), 3)]));
    assert_eq!(store.unknown_skus(Some(sku("a")), 10).await, Ok(vec![(sku("b"), 3)]));
    let product =
        Product { sku: sku("a"), name: String::new(), policy: None, units: Units::PerLine, note: Note::default(), files: Vec::new() };
    store.put_product(product).await.unwrap();
    assert_eq!(store.unknown_skus(None, 10).await, Ok(vec![(sku("b"), 3)]));
    let orders = store.orders(Orders::default()).await.unwrap();
    let (second, third) = (orders[1].id, orders[0].id);
    assert_eq!(store.orders_waiting(sku("a"), None, None, 10).await, Ok(vec![second, third]));
    assert_eq!(store.orders_waiting(sku("a"), None, Some(second), 10).await, Ok(vec![third]));
    assert_eq!(store.orders_waiting(sku("none"), None, None, 10).await, Ok(Vec::new()));
    // Of a file that it was not sold, who was served waits, too; who is not paid waits for nothing.
    let first = orders[2].id;
    let sold = store.grants_of_order(first).await.unwrap()[0].sold.clone().unwrap();
    assert_eq!(store.orders_waiting(sold.sku.clone(), Some(sold.file), None, 10).await, Ok(vec![second, third]));
    assert_eq!(store.orders_waiting(sold.sku, Some(FileId::new([99; 12])), None, 10).await, Ok(vec![first, second, third]));
    for (state, waiting) in [(OrderState::Refunded, vec![third]), (OrderState::Paid, vec![second, third])] {
        store.keep_order(Order { state, ..orders[1].clone() }, Vec::new(), author()).await.unwrap();
        assert_eq!(store.orders_waiting(sku("a"), None, None, 10).await, Ok(waiting));
    }
    // A line that is taken out waits for nothing.
    let mut shorter = orders[0].clone();
    shorter.lines.truncate(1);
    store.keep_order(shorter, Vec::new(), author()).await.unwrap();
    assert_eq!(store.orders_waiting(sku("b"), None, None, 10).await, Ok(vec![second]));
    assert_eq!(store.unknown_skus(None, 10).await, Ok(vec![(sku("b"), 2)]));
}
