//! What Zen Cart answers for each row, by its rules in PHP, beside what is answered here: by the daemon with its clock held
//! at that second, behind the real nginx.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::command::{SIZE, stock};
use crate::files::golden;
use crate::oracle::{Case, Told, zen_cart};
use crate::servers::site::{Site, content};
use crate::servers::{faketime, until};

/// When the shop is imported, as `faketime` reads it: UTC.
const IMPORTED: &str = "2026-03-20 12:00:00";

/// A day after it was ordered.
const NEXT_DAY: &str = "2026-03-21 12:00:00";

/// Three days later: whoever comes back within a day goes on with the download that was counted.
const LATER: &str = "2026-03-24 12:00:00";

const ONCE: &[&str] = &[NEXT_DAY];
const TWICE: &[&str] = &[NEXT_DAY, LATER];

/// A row of the golden shop: what it is about, the numbers of its download and its order, when it is asked for, what it says.
type Row = (&'static str, u64, u64, &'static [&'static str], Case);

const SPRING: Option<&str> = Some("2026-03-28 23:30:00");
const AUTUMN: Option<&str> = Some("2026-10-24 00:10:00");
const NONE: Option<&str> = Some("0000-00-00 00:00:00");

fn table() -> Vec<Row> {
    let case = Case::default;
    let song = || Case { file: "song.mp3", max_days: 1, ..case() };
    vec![
        ("within its days and its count", 1, 1001, ONCE, case()),
        ("one is left: the second is refused", 2, 1001, TWICE, Case { count: 1, ..case() }),
        ("none is left", 3, 1001, ONCE, Case { count: 0, ..case() }),
        ("less than none is left", 4, 1001, ONCE, Case { count: -1, ..case() }),
        ("no days: unlimited, whatever the count", 5, 1001, TWICE, Case { max_days: 0, count: 0, ..case() }),
        ("no days, and a count that fell below none", 6, 1001, ONCE, Case { max_days: 0, count: -3, ..case() }),
        ("the last second before its end", 7, 1001, &["2026-03-27 22:59:58"], case()),
        ("23:59:59 of its last day", 8, 1001, &["2026-03-27 22:59:59"], case()),
        ("the day after", 9, 1001, &["2026-03-28 12:00:00"], case()),
        ("the last second, on a day of 23 hours", 10, 1006, &["2026-03-29 21:59:58"], Case { purchased: SPRING, ..song() }),
        ("23:59:59 in summer time", 11, 1006, &["2026-03-29 21:59:59"], Case { purchased: SPRING, ..song() }),
        (
            "23:59:59 as summer time would have it, on a day of 25 hours",
            12,
            1007,
            &["2026-10-25 21:59:59"],
            Case { purchased: AUTUMN, ..song() },
        ),
        ("23:59:59 in winter time", 13, 1007, &["2026-10-25 22:59:59"], Case { purchased: AUTUMN, ..song() }),
        ("an order that is pending", 14, 1002, ONCE, Case { status: 1, ..case() }),
        ("an order of a status above the range", 15, 1004, ONCE, Case { status: 5, ..case() }),
        ("an order of the last status of the range", 16, 1003, ONCE, Case { status: 4, ..case() }),
        ("a name with a folder, spaces and `;`", 17, 1001, ONCE, Case { file: "sub dir/my book; 1.pdf", ..case() }),
        ("a file that is not there", 18, 1001, ONCE, Case { file: "gone.zip", exists: false, ..case() }),
        ("a name that leaves the directory", 19, 1001, ONCE, Case { file: "../secret.zip", exists: false, ..case() }),
        ("a file of another site", 20, 1001, ONCE, Case { file: "https://cdn.example/x.zip:99", ..case() }),
        ("a file in a bucket", 21, 1001, ONCE, Case { file: "aws:bucket/key.zip:1234", ..case() }),
        ("a line that is gone", 22, 1001, ONCE, Case { has_line: false, ..case() }),
        ("no date, limited", 23, 1005, ONCE, Case { purchased: NONE, status: 3, ..case() }),
        ("no date, unlimited", 24, 1005, ONCE, Case { purchased: NONE, status: 3, max_days: 0, count: 0, ..case() }),
        ("a date that is NULL", 25, 1008, ONCE, Case { purchased: None, file: "song.mp3", ..case() }),
        ("no name", 26, 1001, ONCE, Case { file: "", ..case() }),
        ("three of one product", 27, 1001, TWICE, Case { file: "song.mp3", ..case() }),
        ("an order that is gone", 29, 4711, ONCE, Case { has_order: false, ..case() }),
        ("a name with quotes", 30, 1001, ONCE, Case { file: "it's \"quoted\".pdf", max_days: 31, count: 2, ..case() }),
    ]
}

fn seconds(utc: &str) -> i64 {
    utc.parse::<jiff::civil::DateTime>().unwrap().to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second()
}

/// Holds the daemon's clock at a second.
fn hold(site: &Site, utc: &str) {
    fs::write(site.cloakroom.state().join("offset"), format!("{utc}\n")).unwrap();
}

/// The grants of a shop by the number of their download; `None` where the order has none yet.
fn grants(site: &Site, shop: &str) -> BTreeMap<u64, Option<String>> {
    let mut found = BTreeMap::new();
    for order in 1001..1010 {
        let number = order.to_string();
        let listed = site.cloakroom.json(&["order", "list", "--shop", shop]);
        if !listed.as_array().unwrap().iter().any(|listed| listed["external_id"] == number) {
            continue;
        }
        for line in site.cloakroom.json(&["order", "show", &number, "--shop", shop])["lines"].as_array().unwrap() {
            let grant = line["grants"][0]["grant"]["id"].as_str().map(str::to_owned);
            assert!(line["grants"].as_array().unwrap().len() <= 1, "{line}");
            found.insert(line["line"].as_str().unwrap().parse().unwrap(), grant);
        }
    }
    found
}

/// The link of what was imported, as the shop hears of it when it asks: another one where the time of that before is over.
fn link(site: &Site, shop: &str, order: u64, grant: &str) -> String {
    let told = site.cloakroom.json(&["order", "add", &order.to_string(), "--shop", shop]);
    let lines = told["lines"].as_array().unwrap();
    let grants = lines.iter().flat_map(|line| line["grants"].as_array().unwrap());
    let url = grants.filter(|sold| sold["grant"]["id"] == grant).find_map(|sold| sold["url"].as_str());
    url.unwrap_or_else(|| panic!("{grant} has no link: {told}")).to_owned()
}

/// What is answered here, in Zen Cart's words.
fn ask(site: &Site, (shop, order, grant): (&str, u64, &str), before: usize) -> String {
    let used = || site.cloakroom.json(&["grant", "show", grant])["used"].clone();
    until("what was sent before is counted", || (used() == before).then_some(()));
    let click = site.get(&site.target(&link(site, shop, order, grant)));
    match (click.status, click.header("Cloakroom-Refusal")) {
        (303, _) => {
            let file = site.get(click.header("location").unwrap());
            assert!(file.status == 200 && file.body == content(SIZE), "{file:?}");
            "file".to_owned()
        }
        (410, Some("expired")) | (403, Some("limit_reached")) => "time_out".to_owned(),
        (404, Some("file_missing")) => "missing".to_owned(),
        other => format!("{other:?}"),
    }
}

/// What is right here, where Zen Cart does that: the pages' button is the gate, if there is one; and what Zen Cart answers
/// with an error or with nothing is not taken over.
fn wanted(told: &Told, time: usize, case: &Case, is_gated: bool) -> String {
    let is_left_out = matches!(told.answers[0].as_str(), "nothing" | "error" | "elsewhere") || case.file.starts_with("..");
    match (is_left_out, is_gated && !told.button) {
        (true, _) => "left out".to_owned(),
        (false, true) => "not paid".to_owned(),
        (false, false) => told.answers[time].clone(),
    }
}

#[test]
fn each_row_is_answered_as_zen_cart_answers_it_at_that_second() {
    let mut site = Site::open();
    stock(&site);
    faketime::set(&mut site.cloakroom, 0);
    hold(&site, IMPORTED);
    let dump = golden("mysqldump.sql");
    let import = ["import", "zencart", dump.to_str().unwrap(), "--storage", "masters", "--zone", "Europe/Berlin"];
    site.cloakroom.say(&import);
    site.cloakroom.say(&[&import[..], &["--shop", "page", "--no-gate"]].concat());
    let shops = [("shop", true), ("page", false)].map(|(shop, is_gated)| (shop, is_gated, grants(&site, shop)));

    let rows = table();
    let cases: Vec<Case> =
        rows.iter().map(|(_, _, _, asked, case)| Case { asked: asked.iter().map(|at| seconds(at)).collect(), ..case.clone() }).collect();
    let told = zen_cart(&cases);
    let mut asked: Vec<(&str, usize, usize)> = rows
        .iter()
        .enumerate()
        .flat_map(|(row, (_, _, _, asked, _))| asked.iter().enumerate().map(move |(time, at)| (*at, row, time)))
        .collect();
    asked.sort_unstable();
    let (mut shown, mut clock) = (Vec::new(), "");
    for (at, row, time) in asked {
        if clock != at {
            hold(&site, at);
            clock = at;
        }
        let ((what, id, order, _, _), case, told) = (&rows[row], &cases[row], &told[row]);
        for (shop, is_gated, grants) in &shops {
            let ours = match grants.get(id) {
                None => "left out".to_owned(),
                Some(None) => "not paid".to_owned(),
                Some(Some(grant)) => ask(&site, (*shop, *order, grant), time),
            };
            let gate = if *is_gated { "statuses 2-4" } else { "--no-gate" };
            shown.push(format!("{id:>2}  {order}  {at}Z  {gate:<12}  {:<9}  {ours:<9}  {what}", told.answers[time]));
            assert_eq!(ours, wanted(told, time, case, *is_gated), "{what}\n{}", shown.join("\n"));
        }
    }
    println!("id  order  asked at  gate  Zen Cart  here\n{}", shown.join("\n"));
    assert_eq!(shown.len(), 64);
    let left: Vec<Value> = site.cloakroom.json(&[&import[..], &["--dry-run"]].concat())["left_out"].as_array().unwrap().clone();
    let elsewhere = left.iter().filter(|row| row["why"] == "elsewhere").count();
    assert_eq!((left.len(), elsewhere), (10, 4), "{left:#?}");
}
