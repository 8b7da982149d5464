//! Grants as text.

use super::super::delivery::away;
use super::super::link::words;
use super::super::paragraph::paragraph;
use super::super::terminal::{self, Column};
use super::super::when::{ago, moment};
use super::super::{signs, width};
use super::{customer, downloads};
use crate::api::{CopyView, EntryView, GrantPage, GrantView, LinkView, ListedDelivery};
use crate::clock;
use crate::domain::moment::Moment;

/// So many deliveries of a grant are shown; `delivery list` shows more.
const DELIVERIES: usize = 20;

/// `active, 1 of 3 used, ends in 29 d 23 h (2027-01-31T00:00:00Z)`
pub(super) fn standing(grant: &GrantView) -> String {
    format!("{}, {}, {}", words(&grant.state), downloads(grant), end(grant, clock::now()))
}

fn end(grant: &GrantView, now: Moment) -> String {
    match &grant.expires {
        None => "never ends".to_owned(),
        Some(expires) => {
            let ends = if moment(expires).is_some_and(|expires| expires <= now) { "ended" } else { "ends" };
            format!("{ends} {} ({expires})", ago(expires, now))
        }
    }
}

pub(super) fn list(grants: &[GrantView], is_narrow: bool) -> String {
    if grants.is_empty() {
        return if is_narrow { "no such grants" } else { "no grants yet: `cloakroom grant add` makes one" }.to_owned();
    }
    let now = clock::now();
    let columns = [
        Column::Text("grant"),
        Column::Text("state"),
        Column::Number("used"),
        Column::Text("ends"),
        Column::Long("customer"),
        Column::Long("file"),
    ];
    let rows: Vec<Vec<String>> = grants
        .iter()
        .map(|grant| {
            let most = grant.max_downloads.map_or_else(|| "any".to_owned(), |most| most.to_string());
            let end = grant.expires.as_ref().map_or_else(|| "never".to_owned(), |expires| ago(expires, now));
            vec![grant.id.clone(), words(&grant.state), format!("{}/{most}", grant.used), end, customer(grant), grant.file.clone()]
        })
        .collect();
    terminal::table_within(&columns, &rows, width(), signs()).trim_end().to_owned()
}

pub(super) fn page(page: &GrantPage) -> String {
    let GrantPage { grant, links, copies, deliveries, history, measured } = page;
    let now = clock::now();
    let mut blocks = vec![
        [
            format!("grant      {}  {}", grant.id, words(&grant.state)),
            format!("file       {}", terminal::visible(&grant.file)),
            format!("customer   {}", customer(grant)),
            format!("downloads  {}", downloads(grant)),
            format!("time       {}", end(grant, now)),
            format!("made       {} ({})", ago(&grant.created, now), grant.created),
        ]
        .join("\n"),
        links_table(links, now),
        self::copies(copies, now),
    ];
    blocks.push(if deliveries.is_empty() { "no deliveries yet".to_owned() } else { deliveries_table(deliveries, now) });
    blocks.extend(away::note(deliveries));
    blocks.push(self::history(history));
    if !measured {
        blocks.push("no [feed]: what arrived is not known; a download counts when it starts".to_owned());
    }
    blocks.retain(|block| !block.is_empty());
    blocks.join("\n\n")
}

pub(super) fn links_table(links: &[LinkView], now: Moment) -> String {
    let columns = [Column::Text("link"), Column::Text("state"), Column::Text("made"), Column::Text("ends")];
    let row = |link: &LinkView| vec![link.id.clone(), link.state.clone(), ago(&link.created, now), ago(&link.expires, now)];
    terminal::table(&columns, &links.iter().map(row).collect::<Vec<_>>()).trim_end().to_owned()
}

/// So many copies are shown: the one that there is, and those before it.
const COPIES: usize = 3;

fn copies(copies: &[CopyView], now: Moment) -> String {
    let lines = copies.iter().take(COPIES).flat_map(|copy| {
        let trouble = copy.trouble.as_ref().map(|trouble| paragraph("           ", trouble));
        [Some(format!("copy       {}", copy_state(copy, now))), Some(format!("           {}", terminal::visible(&copy.url))), trouble]
    });
    lines.flatten().collect::<Vec<_>>().join("\n")
}

/// `live since 2 h ago, 1.2 GB, by reflink`; `preparing, 45 % of 1.2 GB`
fn copy_state(copy: &CopyView, now: Moment) -> String {
    let how = copy.how.as_deref().map_or("", |how| match how {
        "reflink" => ", shares the master's blocks",
        "hard-link" => ", a hard link of the master",
        "copied" => ", copied byte by byte",
        _ => "",
    });
    let size = copy.size.map_or_else(String::new, |size| format!(", {}", terminal::bytes(size)));
    match (copy.state.as_str(), copy.copied) {
        ("preparing", Some((_, total))) if copy.checked.is_some_and(|checked| checked > 0) => {
            let checked = terminal::percent(copy.checked.unwrap_or(0), total);
            format!("preparing, copied, {checked} of {} compared with the master", terminal::bytes(total))
        }
        ("preparing", Some((done, total))) if total > 0 => {
            format!("preparing, {} of {}", terminal::percent(done, total), terminal::bytes(total))
        }
        ("live", _) => format!("there{size}{how}"),
        ("gone", _) => format!("gone {}{size}", copy.gone.as_deref().map_or_else(String::new, |gone| ago(gone, now))),
        (state, _) => state.to_owned(),
    }
}

fn deliveries_table(deliveries: &[ListedDelivery], now: Moment) -> String {
    let columns =
        [Column::Text("delivery"), Column::Text("state"), Column::Number("sent"), Column::Text("last active"), Column::Text("client")];
    let row = |delivery: &ListedDelivery| {
        let ListedDelivery { id, covered, size, client, active, .. } = delivery;
        vec![id.clone(), away::state(delivery), terminal::percent(*covered, *size), ago(active, now), client.clone()]
    };
    let rows: Vec<Vec<String>> = deliveries.iter().take(DELIVERIES).map(row).collect();
    let text = terminal::table(&columns, &rows).trim_end().to_owned();
    match deliveries.get(DELIVERIES) {
        Some(delivery) => format!("{text}\nmore of them: `cloakroom delivery list --grant {}`", delivery.grant_id),
        None => text,
    }
}

/// What people did.
pub(super) fn history(entries: &[EntryView]) -> String {
    let columns = [Column::Text("when"), Column::Text("what"), Column::Text("who")];
    // With the program's name before each command the lines would not fit.
    let row = |entry: &EntryView| vec![entry.at.clone(), act(entry), entry.author.replace("(cloakroom ", "(")];
    terminal::table(&columns, &entries.iter().map(row).collect::<Vec<_>>()).trim_end().to_owned()
}

/// What was done, in words.
pub(super) fn act(entry: &EntryView) -> String {
    let value = entry.value.as_deref().unwrap_or_default();
    match entry.act.as_str() {
        "issued" | "linked" => format!("made {value}"),
        "link_revoked" => format!("revoked {value}"),
        "reset" => "reset: nothing used".to_owned(),
        "extended" if value == crate::api::wording::UNLIMITED => "ends never".to_owned(),
        "extended" => format!("ends {value}"),
        "allowed" if value == "1" => "1 download".to_owned(),
        "allowed" => format!("{value} downloads"),
        other => words(other),
    }
}
