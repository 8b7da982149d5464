//! Orders and the catalogue in the file: moved, verified, saved.

use cloakroom::domain::catalogue::{Attachment, File, Product, Release, Units};
use cloakroom::domain::checksum::Checksum;
use cloakroom::domain::deed::{Deed, Stage};
use cloakroom::domain::file::{FileRef, StorageName};
use cloakroom::domain::grant::Grant;
use cloakroom::domain::id::{FileId, OrderId, VersionId};
use cloakroom::domain::moment::Moment;
use cloakroom::domain::order::{Customer, Line, Options, Order, OrderState, Own, PageNumber, ShopName, Sold, Terms};
use cloakroom::domain::path::FilePath;
use cloakroom::store::sqlite::{export, import, info, salvage, verify};
use cloakroom::store::{CatalogueStore as _, DeedStore as _, OrderStore as _, Sale, Store as _};

use crate::damage::{Place, runtime};
use crate::fixtures::{at, author, grant, grant_id, link, version};

const ORDERS: u8 = 5;

fn order(number: u8) -> Order {
    let line = |key: &str| Line {
        key: key.parse().unwrap(),
        sku: "book".parse().unwrap(),
        options: Options::from([("Größe".to_owned(), "A \"4\"".to_owned())]),
        quantity: 2,
        state: OrderState::Paid,
        terms: Terms {
            file: Some(FileId::new([3; 12])),
            max_downloads: Own::Limit(3),
            expires: Own::Limit(Moment::from_seconds(7)),
            note: "7F3K".parse().unwrap(),
        },
    };
    Order {
        id: OrderId::new([number; 12]),
        shop: ShopName::parse("shop").unwrap(),
        external_id: format!("Nr. {number}").parse().unwrap(),
        customer: Customer { id: "7".into(), name: "Änne".into(), email: "anna@b.example".into(), language: "de".into() },
        state: OrderState::Paid,
        lines: vec![line("1")],
        placed: Some(at(0)),
        created: at(u64::from(number)),
        changed: at(u64::from(number)),
        page: PageNumber::default(),
    }
}

/// Five orders of a book, of which the last is refunded; the book in two files.
fn filled() -> Place {
    let place = Place::new();
    let store = place.open().unwrap();
    let release = |number: u8, seconds: u64| {
        let place = FileRef { storage: StorageName::parse("masters").unwrap(), path: FilePath::parse("set/a.zip").unwrap() };
        Release::of_master(VersionId::new([number; 12]), place, &version(u64::from(number)), at(seconds))
    };
    let file = |number: u8| File {
        id: FileId::new([number; 12]),
        name: format!("Buch {number}"),
        folder: "Bücher".to_owned(),
        current: Release { at: "https://h.example/a.zip:7".parse().unwrap(), modified: None, ..release(number, 5) },
        before: vec![Release { checksum: Some(Checksum::new([number; 32])), ..release(number + 100, 1) }],
        moved_from: (1..number)
            .map(|number| FileRef {
                storage: StorageName::parse("masters").unwrap(),
                path: FilePath::parse(&format!("old/{number} ä.zip")).unwrap(),
            })
            .collect(),
        added: at(1),
        missing: Some(at(9)),
    };
    let attached = |file: &File| Attachment { file: file.id, options: Options::from([("a".to_owned(), "b".to_owned())]) };
    let files = [file(1), file(2)];
    runtime().block_on(async {
        for number in 1..=ORDERS {
            let order = order(number);
            let (line, sku) = (order.lines[0].key.clone(), order.lines[0].sku.clone());
            let sold = Sold { order: order.id, line, sku, file: FileId::new([1; 12]), unit: 1, gate: OrderState::Paid };
            let grant = Grant { sold: Some(sold), ..grant(number.into(), Some(1)) };
            let sale = Sale { grant, link: link(number.into()), copy: None };
            assert_eq!(store.keep_order(order, vec![sale], author()).await.unwrap().issued, [grant_id(number.into())]);
        }
        let refunded = Order { state: OrderState::Refunded, ..order(ORDERS) };
        assert_eq!(store.keep_order(refunded, Vec::new(), author()).await.unwrap().amended.len(), 1);
        for file in &files {
            store.put_file(file.clone()).await.unwrap();
        }
        let files = files.iter().map(attached).collect();
        let (sku, name, policy) = ("book".parse().unwrap(), "Das Buch".to_owned(), Some("books".to_owned()));
        store
            .put_product(Product { sku, name, policy, units: Units::PerUnit, note: "Lizenz:\n1 Tisch".parse().unwrap(), files })
            .await
            .unwrap();
        for number in 1..=3 {
            let deed = Deed {
                at: at(number),
                author: "anna (cloakroom order set)".to_owned(),
                from: (number == 2).then(|| [192, 0, 2, 7].into()),
                call: "POST /api/v1/orders/{id}/state".to_owned(),
                subject: format!("o-{number}"),
                outcome: if number == 1 { "refunded".to_owned() } else { String::new() },
                stage: if number == 2 { Stage::Begun } else { Stage::Done },
            };
            store.write_deed(deed).await.unwrap();
        }
    });
    drop(store);
    place
}

fn exported(place: &Place) -> String {
    let mut out = Vec::new();
    export(&place.file(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn faults(place: &Place) -> Vec<String> {
    verify(&place.file(), &mut |_, _| {}).unwrap().faults
}

#[test]
fn orders_and_the_catalogue_are_exported_and_imported_as_they_are() {
    let place = filled();
    let text = exported(&place);
    let copy = Place::new();
    let totals = import(&copy.file(), &mut text.as_bytes()).unwrap();
    assert_eq!((totals.orders, totals.files, totals.products, totals.grants, totals.deeds), (5, 2, 1, 5, 3));
    assert_eq!(exported(&copy), text);
    let info = info(&copy.file()).unwrap();
    assert_eq!((info.orders, info.files, info.products), (5, 2, 1));
    assert_eq!((faults(&place), faults(&copy)), (Vec::new(), Vec::new()));
    let store = copy.open().unwrap();
    runtime().block_on(async {
        let again = store.keep_order(order(1), Vec::new(), author()).await.unwrap();
        assert_eq!((again.changed, again.grants.len()), (false, 1), "it is known");
        let last = store.grant(grant_id(5)).await.unwrap().unwrap();
        assert_eq!(last.sold.unwrap().gate, OrderState::Refunded);
        assert_eq!(store.products_with(FileId::new([2; 12])).await.unwrap().len(), 1);
    });
}

#[test]
fn what_of_orders_does_not_fit_together_is_found() {
    let mut seen = 0;
    for (sql, words) in [
        (format!("UPDATE grants SET gate = 'paid' WHERE id = '{}'", grant_id(5)), "it is paid by its order o-"),
        (
            format!("DELETE FROM order_skus WHERE order_id = '{0}'; DELETE FROM orders WHERE id = '{0}'", order(2).id),
            "the order that it was sold by is not there",
        ),
        (format!("DELETE FROM files WHERE id = '{}'", FileId::new([2; 12])), "the product book: its file f-"),
    ] {
        let place = filled();
        place.sql(&sql);
        let found = faults(&place);
        assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn orders_and_products_that_cannot_be_read_are_left_out_of_what_is_saved_and_named() {
    let place = filled();
    place.sql(&format!("UPDATE orders SET record = '{{}}' WHERE id = '{}'", order(3).id));
    place.sql("UPDATE products SET record = 'x'");
    let mut out = Vec::new();
    let salvaged = salvage(&place.file(), &mut out).unwrap();
    let left_out = |table: &str| salvaged.left_out.get(table).map_or(0, cloakroom::store::sqlite::LeftOut::count);
    assert_eq!((left_out("orders"), left_out("products"), left_out("files"), salvaged.totals.grants), (1, 1, 0, 5));
    let copy = Place::new();
    assert_eq!(import(&copy.file(), &mut out.as_slice()).unwrap().orders, 4);
}

#[test]
fn what_a_lost_order_sold_is_saved_on_hold_and_is_not_open_twice_when_the_order_is_reported_again() {
    let place = filled();
    for number in [3, 5] {
        place.sql(&format!("UPDATE orders SET record = '{{}}' WHERE id = '{}'", order(number).id));
    }
    let mut out = Vec::new();
    let salvaged = salvage(&place.file(), &mut out).unwrap();
    assert_eq!(salvaged.held.names.iter().collect::<Vec<_>>(), [&grant_id(3).to_string()], "what was refunded stays refunded");
    assert!(!salvaged.is_whole());
    let copy = Place::new();
    import(&copy.file(), &mut out.as_slice()).unwrap();
    let store = copy.open().unwrap();
    runtime().block_on(async {
        let gate = async |number: u32| store.grant(grant_id(number)).await.unwrap().unwrap().sold.unwrap().gate;
        assert_eq!(gate(3).await, OrderState::OnHold);
        assert_eq!(gate(5).await, OrderState::Refunded);
        assert_eq!(gate(1).await, OrderState::Paid);
        let again = Order { id: OrderId::new([33; 12]), ..order(3) };
        let (line, sku) = (again.lines[0].key.clone(), again.lines[0].sku.clone());
        let sold = Sold { order: again.id, line, sku, file: FileId::new([1; 12]), unit: 1, gate: OrderState::Paid };
        let sale = Sale { grant: Grant { sold: Some(sold), ..grant(33, Some(1)) }, link: link(33), copy: None };
        assert_eq!(store.keep_order(again, vec![sale], author()).await.unwrap().issued, [grant_id(33)]);
        assert_eq!(gate(3).await, OrderState::OnHold);
    });
}
