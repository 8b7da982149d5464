//! `cloakroom stats`: numbers over time.

use clap::{Args, ValueEnum};

use super::client::{Client, query};
use super::failure::Failure;
use super::terminal::{self, Column, Signs};
use super::{Common, say, say_json, signs};
use crate::api::wording::{self, Edge};
use crate::api::{Counts, Period, Stats};

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
Examples:
  cloakroom stats
  cloakroom stats --from 2027-01-01 --to 2027-01-31 --by day";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// From when on: 2027-01-31 (UTC) or 2027-01-31T12:00:00Z; a week back if not said.
    #[arg(long, value_name = "WHEN", value_parser = from)]
    from: Option<String>,

    /// Until when: 2027-01-31 (that day is in) or 2027-01-31T12:00:00Z; now if not said.
    #[arg(long, value_name = "WHEN", value_parser = to)]
    to: Option<String>,

    /// Numbers of each hour or of each day, UTC; what suits the time if not said.
    #[arg(long, value_name = "PART", value_enum)]
    by: Option<By>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Hour,
    Day,
}

fn from(text: &str) -> Result<String, String> {
    wording::moment(text, Edge::Begins).map(|_| text.to_owned())
}

fn to(text: &str) -> Result<String, String> {
    wording::moment(text, Edge::Ends).map(|_| text.to_owned())
}

/// Columns of the bars.
const BAR_WIDTH: usize = 8;

/// Columns of the bars of reasons.
const REASON_BAR_WIDTH: usize = 40;

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let by = arguments.by.map(|by| match by {
        By::Hour => "hour",
        By::Day => "day",
    });
    let which = query(&[("from", arguments.from.as_deref()), ("to", arguments.to.as_deref()), ("by", by)]);
    let stats: Stats = Client::of(&common.load()?, "stats")?.fetch(&format!("/api/v1/stats{which}"))?;
    if common.json { say_json(&stats) } else { say(text(&stats, signs())) }
}

/// The numbers as text: over time, and why was refused.
pub(super) fn text(stats: &Stats, signs: Signs) -> String {
    let Stats { from, to, by, total, periods, measured, led_away, refusals_lost_seconds } = stats;
    let mut blocks = vec![format!("{from} to {to}, by {by}, UTC")];
    if *total == Counts::default() {
        blocks.push("nothing happened in this time, as far as it was counted".to_owned());
    } else {
        blocks.push(over_time(by, periods, total, signs));
    }
    if !total.refused.is_empty() {
        blocks.push(reasons(total, signs));
    }
    let mut notes = Vec::new();
    if !measured {
        notes.push("no [feed]: what arrived is not known; a download counts when it starts".to_owned());
    }
    if led_away.iter().any(|method| method == "public") {
        notes.push("method public: a download counts at the redirect, as started; nobody tells what arrived".to_owned());
    }
    if *measured && led_away.iter().any(|method| method == "stub" || method == "copy") {
        notes.push("stubs and copies are completed by the web server's log of the public path".to_owned());
    }
    if !total.refused.is_empty() {
        notes.push(format!("of refusals, the last {refusals_lost_seconds} seconds before a crash of the daemon may be missing"));
    }
    if !notes.is_empty() {
        blocks.push(notes.join("\n"));
    }
    blocks.join("\n\n")
}

fn over_time(by: &str, periods: &[Period], total: &Counts, signs: Signs) -> String {
    let columns = [
        Column::Text(by),
        Column::Number("started"),
        Column::Number("completed"),
        Column::Number("presumed"),
        Column::Number("released"),
        Column::Number("refused"),
        Column::Number("sent"),
        Column::Text(""),
    ];
    let cells = |name: String, counts: &Counts, bar: String| {
        let Counts { started, completed, presumed, released, bytes, refused: _ } = counts;
        let number = |number: &u64| if *number == 0 { "-".to_owned() } else { terminal::grouped(*number) };
        let sent = if *bytes == 0 { "-".to_owned() } else { terminal::bytes(*bytes) };
        vec![name, number(started), number(completed), number(presumed), number(released), number(&refused(counts)), sent, bar]
    };
    let most = periods.iter().map(|period| period.counts.started).max().unwrap_or(0);
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut quiet = 0_usize;
    for period in periods {
        // Long times without anything are one line.
        if period.counts == Counts::default() {
            quiet += 1;
            continue;
        }
        rows.extend(gap(quiet, by));
        quiet = 0;
        rows.push(cells(name(by, &period.from), &period.counts, bar(period.counts.started, most, BAR_WIDTH, signs)));
    }
    rows.extend(gap(quiet, by));
    rows.push(cells("all".to_owned(), total, String::new()));
    terminal::table(&columns, &rows).trim_end().to_owned()
}

fn gap(quiet: usize, by: &str) -> Option<Vec<String>> {
    match quiet {
        0 => None,
        1 => Some(vec![format!("1 {by}"), "-".to_owned()]),
        _ => Some(vec![format!("{quiet} {by}s"), "-".to_owned()]),
    }
}

/// `2027-01-31`, or `01-31 14:00`.
fn name(by: &str, from: &str) -> String {
    let shown = if by == "hour" { from.get(5..16).map(|hour| hour.replace('T', " ")) } else { from.get(..10).map(str::to_owned) };
    shown.unwrap_or_else(|| from.to_owned())
}

fn reasons(total: &Counts, signs: Signs) -> String {
    let mut reasons: Vec<(&String, u64)> = total.refused.iter().map(|(code, count)| (code, *count)).collect();
    reasons.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
    let most = reasons.first().map_or(0, |(_, count)| *count);
    let row = |(code, count): &(&String, u64)| {
        vec![
            (*code).clone(),
            terminal::grouped(*count),
            terminal::percent(*count, refused(total)),
            bar(*count, most, REASON_BAR_WIDTH, signs),
        ]
    };
    let columns = [Column::Text("refused"), Column::Number("times"), Column::Number(""), Column::Text("")];
    terminal::table(&columns, &reasons.iter().map(row).collect::<Vec<_>>()).trim_end().to_owned()
}

fn refused(counts: &Counts) -> u64 {
    counts.refused.values().fold(0, |sum, count| sum.saturating_add(*count))
}

/// `count` of `most`, as a bar without its empty end.
fn bar(count: u64, most: u64, width: usize, signs: Signs) -> String {
    if most == 0 {
        String::new()
    } else {
        terminal::coverage_bar(&[(0, count)], most, width, signs).trim_end_matches(['·', '.']).to_owned()
    }
}
