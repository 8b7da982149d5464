//! What rows mean: moments beside PHP's, and what is left out.

use cloakroom::import::csv::Backslash;
use cloakroom::import::zen_cart::plan::{Gate, LeftOut, Plan, plan};
use jiff::tz::TimeZone;

use crate::files::read;
use crate::oracle::{Case, zen_cart};

/// A shop of one order and one download.
fn shop(purchased: &str, max_days: i64, count: i64, file: &str) -> Vec<Vec<u8>> {
    vec![
        format!("INSERT INTO orders (orders_id,customers_id,customers_name,customers_email_address,date_purchased,orders_status) VALUES (1,2,'A','a@b.example',{purchased},2);").into(),
        "INSERT INTO orders_products (orders_products_id,orders_id,products_id,products_name) VALUES (3,1,12,'Book');".into(),
        format!("INSERT INTO orders_products_download (orders_products_download_id,orders_id,orders_products_id,orders_products_filename,download_maxdays,download_count) VALUES (4,1,3,{file},{max_days},{count});").into(),
    ]
}

fn planned(texts: &[Vec<u8>], zone: &str) -> Plan {
    let shop = read(texts, 4096, Backslash::Itself).unwrap();
    plan(&shop, &Gate::Statuses(Gate::STATUSES), Some(&TimeZone::get(zone).unwrap())).unwrap()
}

#[test]
fn downloads_end_at_the_second_at_which_they_end_in_zen_cart_in_every_zone_and_on_every_odd_day() {
    let days = [
        "2026-03-20",
        "2026-03-28",
        "2026-10-24",
        "2024-01-30",
        "2024-02-28",
        "2018-02-16",
        "2018-11-03",
        "2011-12-29",
        "2025-12-31",
        "0000-00-00",
    ];
    let zones = [
        "Europe/Berlin",
        "UTC",
        "America/Sao_Paulo",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Africa/Cairo",
        "America/New_York",
        "Pacific/Apia",
    ];
    let mut cases = Vec::new();
    for zone in zones {
        for purchased in days {
            cases.extend([1, 2, 7, 31, 365, -3, 20_000].map(|max_days| Case {
                zone,
                purchased: Some(purchased),
                max_days,
                ..Case::default()
            }));
        }
    }
    let told = zen_cart(&cases);
    for (case, told) in cases.iter().zip(&told) {
        let plan = planned(&shop(&format!("'{} 23:30:00'", case.purchased.unwrap()), case.max_days, 5, "'a.zip'"), case.zone);
        let ours = plan.orders[0].downloads[0].expires.unwrap().seconds();
        assert_eq!(i64::try_from(ours).unwrap(), told.expiry.unwrap(), "{case:?}");
    }
    assert_eq!(cases.len(), 560);
}

#[test]
fn what_is_left_of_a_row_is_read_as_zen_cart_reads_it() {
    let mut seen = 0;
    for (max_days, count, downloads, ends) in [
        (7, 5, Some(5), true),
        (7, 0, Some(0), true),
        (7, -1, Some(0), true),
        (0, 5, None, false),
        (0, 0, None, false),
        (0, -9, None, false),
        (2_000_000_000, 1, Some(1), false),
        (-2_000_000_000, 1, Some(1), true),
    ] {
        let plan = planned(&shop("'2026-03-20 10:00:00'", max_days, count, "'a.zip'"), "UTC");
        let download = &plan.orders[0].downloads[0];
        assert_eq!((download.downloads, download.expires.is_some()), (downloads, ends), "{max_days} {count}");
        assert_eq!((download.product, download.attribute), (12, None));
        seen += 1;
    }
    assert_eq!(seen, 8);
}

#[test]
fn a_name_is_a_path_below_the_download_directory_or_told() {
    let cases = [
        ("a.zip", Ok("a.zip")),
        ("sub dir/my book.pdf", Ok("sub dir/my book.pdf")),
        ("sub//./a.zip", Ok("sub/a.zip")),
        ("Größe [1] 50%.zip", Ok("Größe [1] 50%.zip")),
        ("../a.zip", Err("`..` segment")),
        ("a/../../b", Err("`..` segment")),
        ("sub\\\\a.zip", Err("has a `\\`")),
        ("", Err("it has no file name")),
        ("/", Err("empty")),
        ("https://h.example:8443/x.zip:99", Err("https://h.example:8443/x.zip:99")),
        ("aws:bucket/key", Err("aws:bucket/key")),
        ("service:x", Err("service:x")),
        ("a b:c.zip", Ok("a b:c.zip")),
    ];
    for (file, wanted) in cases {
        let plan = planned(&shop("'2026-03-20 10:00:00'", 7, 5, &format!("'{file}'")), "UTC");
        match wanted {
            Ok(path) => assert_eq!(plan.orders[0].downloads[0].path.as_str(), path, "{file}"),
            Err(words) => {
                let (LeftOut::Elsewhere(why) | LeftOut::Dead(why)) = &plan.left[0].why;
                assert!(plan.orders.is_empty() && why.contains(words), "{file}: {why}");
            }
        }
    }
    let names: Vec<Case> = cases.iter().map(|(file, _)| Case { file, ..Case::default() }).collect();
    for (told, (file, wanted)) in zen_cart(&names).iter().zip(cases) {
        if wanted.is_ok() {
            let plan = planned(&shop("'2026-03-20 10:00:00'", 7, 5, &format!("'{file}'")), "UTC");
            assert_eq!(plan.files.values().next(), Some(&told.name), "{file}");
        }
    }
}

#[test]
fn what_is_missing_is_said_before_anything_is_made() {
    let whole = shop("'2026-03-20 10:00:00'", 7, 5, "'a.zip'");
    let gate = Gate::Statuses(Gate::STATUSES);
    let failing = |texts: &[Vec<u8>], zone: Option<&TimeZone>| plan(&read(texts, 64, Backslash::Itself).unwrap(), &gate, zone).unwrap_err();
    assert!(failing(&whole, None).contains("--zone is needed"));
    assert!(failing(&whole[1..], Some(&TimeZone::UTC)).contains("the table `orders` is missing"));
    assert!(failing(&[whole[0].clone(), whole[2].clone()], Some(&TimeZone::UTC)).contains("the table `orders_products` is missing"));
    let unlimited = shop("'2026-03-20 10:00:00'", 0, 0, "'a.zip'");
    let plan = plan(&read(&unlimited, 64, Backslash::Itself).unwrap(), &gate, None).unwrap();
    assert_eq!((plan.orders.len(), plan.orders[0].placed), (1, None), "without a zone what has no end is taken over");
    let none = planned(&shop("NULL", 0, 0, "'a.zip'"), "UTC");
    assert!(none.orders.is_empty() && matches!(&none.left[0].why, LeftOut::Dead(why) if why.contains("date_purchased")));
}
