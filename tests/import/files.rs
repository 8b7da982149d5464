//! The same shop as several programs write it: five tables of Zen Cart's own structure, filled, and given out by `MariaDB`'s
//! `mysqldump` and `mysql --batch` and `INTO OUTFILE`, and in phpMyAdmin's form.

use std::path::PathBuf;

use cloakroom::import::csv::Backslash;
use cloakroom::import::text::Text;
use cloakroom::import::zen_cart::plan::{Gate, Plan, plan};
use cloakroom::import::zen_cart::tables::{NotAShop, Place, Shop, Tables};
use jiff::tz::TimeZone;

pub(crate) const TABLES: [&str; 5] =
    ["orders", "orders_products", "orders_products_download", "products_attributes", "products_attributes_download"];

pub(crate) fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/zencart").join(name)
}

/// Reads texts in parts of so many bytes.
pub(crate) fn read(texts: &[Vec<u8>], part: usize, backslash: Backslash) -> Result<Shop, String> {
    let mut tables = Tables::default();
    for (number, bytes) in texts.iter().enumerate() {
        tables.begin(number);
        let mut text = Text::new(backslash);
        for part in bytes.chunks(part) {
            text.feed(part, &mut tables).map_err(|fault| fault.to_string())?;
        }
        text.end(&mut tables).map_err(|fault| fault.to_string())?;
    }
    tables.shop(None).map_err(|fault| match fault {
        NotAShop::Other(what) => what,
        NotAShop::Faults(faults, total) => format!("{total}: {:?} {}", faults[0].place.at, faults[0].what),
    })
}

pub(crate) fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

/// What it means, wherever the rows stand.
fn meant(texts: &[Vec<u8>], part: usize, backslash: Backslash) -> Plan {
    let shop = read(texts, part, backslash).unwrap();
    let mut plan = plan(&shop, &Gate::Statuses(Gate::STATUSES), Some(&berlin())).unwrap();
    for left in &mut plan.left {
        left.place = Place::default();
    }
    plan
}

fn golden_texts(names: &[String]) -> Vec<Vec<u8>> {
    names.iter().map(|name| std::fs::read(golden(name)).unwrap()).collect()
}

#[test]
fn a_shop_is_the_same_shop_whichever_program_wrote_it_and_however_its_bytes_come() {
    let one = |name: &str| vec![name.to_owned()];
    let each = |ending: &str| -> Vec<String> { TABLES.iter().map(|table| format!("{table}.{ending}")).collect() };
    let first = meant(&golden_texts(&one("mysqldump.sql")), usize::MAX, Backslash::Itself);
    assert_eq!((first.orders.len(), first.left.len(), first.products.len()), (7, 10, 2), "{first:#?}");
    let bob = &first.orders.iter().find(|order| order.id == 1003).unwrap().row;
    assert_eq!(bob.name, "O'Brien \"Bob\" \\ Söhne\nline two");
    let mut seen = 0;
    for names in [one("mysqldump.sql"), one("complete-insert.sql"), one("phpmyadmin.sql"), each("tsv"), each("csv")] {
        let texts = golden_texts(&names);
        for part in [1, 7, 4096, usize::MAX] {
            assert_eq!(meant(&texts, part, Backslash::Itself), first, "{names:?} in parts of {part}");
            seen += 1;
        }
    }
    assert_eq!(seen, 20);
}

#[test]
fn what_into_outfile_writes_is_read_where_it_is_said_that_backslashes_escape() {
    let names = ["outfile-orders.csv", "outfile.csv", "orders_products.tsv", "products_attributes.tsv", "products_attributes_download.tsv"];
    let texts = golden_texts(&names.map(str::to_owned));
    let (shop, whole) = (read(&texts, 5, Backslash::Escapes).unwrap(), golden_texts(&["mysqldump.sql".to_owned()]));
    let whole = read(&whole, 4096, Backslash::Itself).unwrap();
    let rows = |shop: &Shop| shop.downloads.values().map(|(row, _)| row.clone()).collect::<Vec<_>>();
    assert_eq!((rows(&shop), shop.downloads.len()), (rows(&whole), 30));
    assert_eq!(shop.orders[&1003].0.name, whole.orders[&1003].0.name);
    assert_eq!(shop.orders[&1008].0.purchased, None);
    let fault = read(&texts, 5, Backslash::Itself).unwrap_err();
    assert!(fault.contains("say --backslash-escapes"), "{fault}");
}
