//! Says what is imported, what would be, and what is not.

use std::collections::HashMap;

use serde::Serialize;

use super::hand_over::Terms;
use super::read::Found;
use crate::api::{FateView, ImportView};
use crate::cli::failure::{Failure, warn};
use crate::cli::terminal::{Column, counted, table_within, visible};
use crate::cli::{Common, say, say_json, signs, width};
use crate::import::zen_cart::plan::{LeftOut, LeftRow};

/// So many of a kind are told one by one.
const TOLD_MAX: usize = 50;

/// All of it for scripts.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    view: &'a ImportView,
    left_out: Vec<Left>,
}

/// A row that is not taken over.
#[derive(Serialize)]
struct Left {
    at: String,
    row: String,
    /// `elsewhere`, or `nothing` where Zen Cart itself finds nothing.
    why: &'static str,
    what: String,
}

fn left(found: &Found, row: &LeftRow) -> Left {
    let (why, what) = match &row.why {
        LeftOut::Elsewhere(locator) => ("elsewhere", locator.clone()),
        LeftOut::Dead(what) => ("nothing", what.clone()),
    };
    Left { at: found.at(row.place), row: row.row.clone(), why, what }
}

fn whole<'a>(found: &Found, view: &'a ImportView) -> Whole<'a> {
    Whole { view, left_out: found.plan.left.iter().map(|row| left(found, row)).collect() }
}

/// Shows a rehearsal: what would be made, row by row.
pub(super) fn rehearsed(common: &Common, found: &Found, terms: &Terms, view: &ImportView, dry_run: bool) -> Result<(), Failure> {
    if common.json {
        return say_json(&whole(found, view));
    }
    if dry_run {
        rows(found, terms, view)?;
    }
    summary(found, view);
    beside(found, view);
    Ok(())
}

/// Says what was done.
pub(super) fn done(common: &Common, found: &Found, terms: &Terms, view: &ImportView) -> Result<(), Failure> {
    if common.json {
        say_json(&whole(found, view))?;
    } else {
        summary(found, view);
        beside(found, view);
        templates(found, terms);
    }
    let differing = view.orders.iter().chain(&view.products).filter(|fate| fate.fate == "differs").count() as u64;
    let refused = view.orders.iter().chain(&view.products).filter(|fate| fate.fate == "refused").count() as u64;
    match differing + refused {
        0 => Ok(()),
        left => {
            Err(Failure::Partly(format!("{} left as they are here", counted(left, "order or product was", "orders and products were"))))
        }
    }
}

/// The table of what would be made.
fn rows(found: &Found, terms: &Terms, view: &ImportView) -> Result<(), Failure> {
    let columns = [
        Column::Number("order"),
        Column::Text("is"),
        Column::Number("download"),
        Column::Number("product"),
        Column::Long("file"),
        Column::Number("left"),
        Column::Text("until"),
        Column::Text("import"),
    ];
    let fates: HashMap<&str, &FateView> = view.orders.iter().map(|fate| (fate.id.as_str(), fate)).collect();
    let mut rows = Vec::new();
    for order in &found.plan.orders {
        let number = order.id.to_string();
        for download in &order.downloads {
            rows.push(vec![
                number.clone(),
                if order.is_open { "paid" } else { "pending" }.to_owned(),
                download.id.to_string(),
                download.product.to_string(),
                format!("{}/{}", terms.storage, download.path.as_str()),
                download.downloads.map_or_else(|| "any".to_owned(), |most| most.to_string()),
                download.expires.map_or_else(|| "for ever".to_owned(), |end| end.to_string()),
                fates.get(number.as_str()).map(|fate| fate.fate.clone()).unwrap_or_default(),
            ]);
        }
    }
    if rows.is_empty() { Ok(()) } else { say(table_within(&columns, &rows, width(), signs()).trim_end()) }
}

/// `12 orders: 10 new, 2 as before`
fn fates(what: (&str, &str), fates: &[FateView]) -> String {
    let count = |word: &str| fates.iter().filter(|fate| fate.fate == word).count();
    let kinds =
        [("new", "new"), ("grown", "with new lines"), ("same", "as before"), ("differs", "other than here"), ("refused", "refused")];
    let told: Vec<String> = kinds
        .iter()
        .map(|(word, words)| (count(word), words))
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    let all = counted(fates.len() as u64, what.0, what.1);
    if told.is_empty() { all } else { format!("{all}: {}", told.join(", ")) }
}

fn summary(found: &Found, view: &ImportView) {
    let grants: usize = view.orders.iter().map(|fate| fate.grants).sum();
    let downloads: usize = found.plan.orders.iter().map(|order| order.downloads.len()).sum();
    let would = if view.dry_run { " (a rehearsal: nothing was done)" } else { "" };
    warn(&format!("{}{would}", fates(("order", "orders"), &view.orders)));
    warn(&format!("{}, {} made", counted(downloads as u64, "download", "downloads"), counted(grants as u64, "grant is", "grants are")));
    warn(&fates(("product", "products"), &view.products));
    warn(&format!("{}, {} not in the catalogue before", counted(found.plan.files.len() as u64, "file", "files"), view.files_new));
}

/// What needs a person.
fn beside(found: &Found, view: &ImportView) {
    for (what, fates) in [("order", &view.orders), ("product", &view.products)] {
        let of: Vec<&FateView> = fates.iter().filter(|fate| !fate.why.is_empty()).collect();
        for fate in of.iter().take(TOLD_MAX) {
            warn(&format!("{what} {}: {}", visible(&fate.id), visible(&fate.why.join("; "))));
        }
        rest(of.len());
    }
    if !view.missing.is_empty() {
        warn(&format!("\nnot there (what is sold of them works as soon as they are): {}", view.missing.len()));
        view.missing.iter().take(TOLD_MAX).for_each(|missing| warn(&format!("  {}", visible(missing))));
        rest(view.missing.len());
    }
    let elsewhere = |row: &&LeftRow| matches!(row.why, LeftOut::Elsewhere(_));
    for (is_elsewhere, head) in [
        (true, "not imported yet, since their files lie elsewhere (the same command takes them over once they can be delivered)"),
        (false, "not imported, since Zen Cart itself finds nothing for them"),
    ] {
        let rows: Vec<&LeftRow> = found.plan.left.iter().filter(|row| elsewhere(row) == is_elsewhere).collect();
        if !rows.is_empty() {
            warn(&format!("\n{head}: {}", rows.len()));
        }
        for row in rows.iter().take(TOLD_MAX) {
            let Left { at, row, what, .. } = left(found, row);
            warn(&format!("  {at}: {row}: {}", visible(&what)));
        }
        rest(rows.len());
    }
}

fn rest(total: usize) {
    if total > TOLD_MAX {
        warn(&format!("  and {} more: --json tells all", total - TOLD_MAX));
    }
}

/// What new orders get there, which is a policy here.
fn templates(found: &Found, terms: &Terms) {
    let Some(((days, count), _)) = found.plan.templates.iter().max_by_key(|(_, attributes)| **attributes) else { return };
    let policy = terms.policy.as_deref().unwrap_or("default");
    let (most, lasts) =
        if *days == 0 { ("\"unlimited\"".to_owned(), "unlimited".to_owned()) } else { (count.to_string(), format!("{days}d")) };
    let kinds = found.plan.templates.len();
    let several = if kinds > 1 { format!(" (most of its files; there are {kinds} kinds of limits)") } else { String::new() };
    warn(&format!(
        "\nnew orders get the limits of [[policy]] `{policy}`; Zen Cart's{several} are: max_downloads = {most}, valid_for = \"{lasts}\""
    ));
}
