//! An audit as text, for somebody who has to decide something tonight.

use std::fmt::Write as _;

use super::super::paragraph::{WIDTH, paragraph};
use super::terminal::{self, Column, Signs, bytes, counted, grouped, percent, visible};
use crate::domain::audit::{Findings, FoundFile, Measure, Rules, SharedQuery, Surety};
use crate::domain::moment::Moment;
use crate::service::audit::Outcome;

/// The widest agent of a table.
const AGENT_WIDTH: usize = 60;

/// What each log format can prove.
pub(super) const EXPLANATION: &str = "\
WHAT EACH LOG PROVES

  log                              tells            a complete download is
  nginx combined                   bytes, no        in one answer: sure, once
    ($body_bytes_sent)             ranges           two clients got the same
                                                    size; in several: their sum
                                                    is reached, overlaps do not
                                                    show
  Apache's combined with %O        bytes and head   the same, within 1 KiB
    (Debian's)
  Apache's combined or common      what was to be   perhaps one that broke off
    with %b                        sent
  with $sent_http_content_range    which bytes of   sure, each byte of it
    and $sent_http_content_length  how many
  with $request_completion         that an answer   sure, if it was one answer
                                   was whole
  Cloakroom's own                  which bytes of   sure, each byte; files have
                                   which delivery   no names

  Sizes    Where the log tells none, a file's size is its largest answer 200. A
           smaller number that three clients got is another version, unless it
           is a multiple of 4 KiB, where buffers end.
  Clients  An address with an agent, unless the log names deliveries: people
           behind one address with the same browser are one, one person with two
           devices is two.
  Sent     Bytes count when the system took them for the client. One who
           vanished may lack the last megabytes of what counts.
  Shared   Many networks at one address are a link that went round, a file that
           is open to all, or somebody who travels.
";

/// The whole report.
pub(super) fn text(outcome: &Outcome, rules: &Rules, signs: Signs) -> String {
    let found = &outcome.findings;
    let mut text = head(outcome);
    if found.hits.all == 0 {
        text.push_str("\nNo line asks for a download. Say what is one: --under /path/, or --ext zip,pdf\n");
        return text + &faults(outcome);
    }
    text.push_str(&downloads(found, signs));
    text.push_str(&counters(found));
    text.push_str(&files(found, rules));
    text.push_str(&shared(found, rules));
    text.push_str(&clients(found));
    text.push_str(&faults(outcome));
    text.push_str(&surety(found));
    text
}

fn head(outcome: &Outcome) -> String {
    let Outcome { findings, names, lines, bytes: size, .. } = outcome;
    let logs = match names.as_slice() {
        [one] => visible(one),
        [first, .., last] => format!("{} to {}, {} logs", visible(first), visible(last), names.len()),
        [] => String::new(),
    };
    let mut text = format!("{logs}: {} lines, {}\n", grouped(*lines), bytes(*size));
    if let Some((from, until)) = findings.span {
        let _ = writeln!(text, "downloads from {} to {} UTC ({})", day(from), day(until), terminal::span(until.since(from)));
    }
    text
}

/// `2026-11-21 23:02`
fn day(moment: Moment) -> String {
    moment.to_string().get(..16).unwrap_or_default().replace('T', " ")
}

fn downloads(found: &Findings, signs: Signs) -> String {
    let sessions = &found.sessions;
    let mut text =
        format!("\nTRUE DOWNLOADS  {} of {}\n\n", grouped(sessions.complete()), counted(sessions.all, "that was begun", "that were begun"));
    let rows = [
        ("complete, in one answer", sessions.whole, "one 200, or one whole range"),
        ("complete, in several", sessions.joined, "resumed, or in several parts"),
        ("broken off", sessions.broken_off, "from the start, not all came"),
        ("only parts", sessions.parts, "players, readers, older ends"),
        ("unknown", sessions.unknown, "no 200 of it tells the size"),
    ];
    for (name, count, meaning) in rows {
        if count > 0 || name.starts_with("complete") {
            let bar = terminal::coverage_bar(&[(0, count)], sessions.all.max(1), 10, signs);
            let _ = writeln!(text, "  {name:<24}{:>12}  {bar}  {meaning}", grouped(count));
        }
    }
    if sessions.unsure > 0 {
        let unsure = grouped(sessions.unsure);
        text +=
            &paragraph("  ", &format!("Of the complete ones {unsure} are of files whose size only one client got: it may be an abort."));
        text.push('\n');
    }
    if sessions.again > 0 {
        let again = counted(sessions.again, "time", "times");
        text += &paragraph("  ", &format!("{again} a client got the whole file once more within the grace; that counts once."));
        text.push('\n');
    }
    text
}

fn counters(found: &Findings) -> String {
    let (hits, complete) = (&found.hits, found.sessions.complete());
    let naive = [("each answer with bytes", hits.whole + hits.part), ("each 200, without ranges", hits.whole)];
    let mut text = String::from("\nWHAT A COUNTER WOULD HAVE SAID\n\n");
    for (name, count) in naive {
        let line = format!("  {name:<24}{:>12}  {}", grouped(count), compared(count, complete));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let others = [
        ("206", hits.part),
        ("HEAD", hits.head),
        ("304", hits.not_modified),
        ("416", hits.not_satisfiable),
        ("other 3xx", hits.redirected),
        ("other 4xx", hits.refused),
        ("5xx", hits.failed),
        ("other", hits.other),
    ];
    let told: Vec<String> =
        others.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {}", grouped(*count))).collect();
    let lead = format!("  {:<24}{:>12}  of which ", "each line", grouped(hits.all));
    let _ = writeln!(text, "{}", if told.is_empty() { lead + "all are 200" } else { listed(lead, &told) });
    if found.bytes_sent == 0 {
        text.push_str("\nBYTES  none were sent\n");
        return text;
    }
    let rest = found.bytes_sent.saturating_sub(found.bytes_complete);
    let bytes = format!(
        "{} sent, {} of it are the true downloads; {} ({}) broke off, came twice or were parts",
        bytes(found.bytes_sent),
        bytes(found.bytes_complete.min(found.bytes_sent)),
        bytes(rest),
        percent(rest, found.bytes_sent),
    );
    let _ = writeln!(text, "\n{}", paragraph("BYTES  ", &bytes));
    text
}

/// `1.4 times the truth`
fn compared(count: u64, truth: u64) -> String {
    match truth {
        0 => String::new(),
        _ if count == truth => "the truth, this time".to_owned(),
        _ => {
            let hundredths = u128::from(count) * 100 / u128::from(truth);
            format!("{}.{:02} times the truth", hundredths / 100, hundredths % 100)
        }
    }
}

fn files(found: &Findings, rules: &Rules) -> String {
    let columns = [
        Column::Number("true"),
        Column::Number("hits"),
        Column::Number("broken off"),
        Column::Number("parts"),
        Column::Number("size"),
        Column::Text("size is"),
        Column::Number("sent"),
        Column::Text("file"),
    ];
    let rows: Vec<Vec<String>> = found
        .top_files
        .iter()
        .map(|file| {
            let FoundFile { sessions, size, .. } = file;
            vec![
                grouped(sessions.complete()),
                grouped(file.hits),
                grouped(sessions.broken_off),
                grouped(sessions.parts + sessions.unknown),
                size.map_or_else(|| "?".to_owned(), bytes),
                sure(file.surety).to_owned(),
                bytes(file.bytes),
                file.name.clone(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let shown =
        if found.files > rules.top as u64 { format!(", the {} first of {}", rules.top, grouped(found.files)) } else { String::new() };
    format!("\nFILES{shown}\n\n{}", indented(&terminal::table(&columns, &rows)))
}

const fn sure(surety: Surety) -> &'static str {
    match surety {
        Surety::None => "never seen",
        Surety::Once => "seen once",
        Surety::Agreed => "agreed",
        Surety::Several => "one of several",
        Surety::Told => "told",
    }
}

fn shared(found: &Findings, rules: &Rules) -> String {
    let mut text =
        format!("\nSHARED  fetched whole from more than {}", counted(rules.networks, "network (/24, /56)", "networks (/24, /56)"));
    if found.shared.is_empty() {
        text.push_str(": none\n");
        return text;
    }
    let rows: Vec<Vec<String>> = found
        .shared
        .iter()
        .map(|shared| {
            let (what, name) = match &shared.query {
                SharedQuery::None => ("path without a query".to_owned(), shared.name.clone()),
                SharedQuery::One { text: Some(text), .. } => ("one link".to_owned(), format!("{}?{text}", shared.name)),
                SharedQuery::One { text: None, digest } => ("one link".to_owned(), format!("{}?… (#{})", shared.name, query_name(*digest))),
                SharedQuery::Several(queries) => (format!("all {} links together", grouped(*queries)), shared.name.clone()),
            };
            vec![grouped(shared.networks), what, name]
        })
        .collect();
    let columns = [Column::Number("networks"), Column::Text("what"), Column::Text("address")];
    let shown = found.shared.len() as u64;
    let more = if found.shared_all > shown { format!("; the {shown} first of {}", grouped(found.shared_all)) } else { String::new() };
    let _ = write!(text, "{more}\n\n{}", indented(&terminal::table(&columns, &rows)));
    if found.shared.iter().any(|shared| matches!(shared.query, SharedQuery::One { text: None, .. })) {
        text.push_str("  What stands behind the `?` may be a token, and is shown by --queries only.\n");
    }
    text
}

/// Tells one query from another without telling it.
pub(super) fn query_name(digest: u64) -> String {
    format!("{:08x}", digest >> 32)
}

fn clients(found: &Findings) -> String {
    let columns = [
        Column::Number("sent"),
        Column::Number("hits"),
        Column::Number("files begun"),
        Column::Number("complete"),
        Column::Text("client"),
        Column::Text("agent"),
    ];
    let rows: Vec<Vec<String>> = found
        .top_clients
        .iter()
        .map(|client| {
            let agent: String = client.agent.chars().take(AGENT_WIDTH).collect();
            vec![
                bytes(client.bytes),
                grouped(client.hits),
                grouped(client.sessions),
                grouped(client.complete),
                client.address.clone(),
                agent,
            ]
        })
        .collect();
    let mut text = format!("\nCLIENTS  {} in all\n\n{}", grouped(found.clients), indented(&terminal::table(&columns, &rows)));
    if found.robots.clients > 0 {
        let robots = found.robots;
        let _ = writeln!(
            text,
            "  {} call themselves robots: {} lines, {} of the true downloads",
            counted(robots.clients, "client", "clients"),
            grouped(robots.hits),
            grouped(robots.complete)
        );
    }
    if found.scanners.clients > 0 {
        let scanners = found.scanners;
        let _ = writeln!(
            text,
            "  {} tried names of files, 50 refusals or more: {} lines",
            counted(scanners.clients, "client", "clients"),
            grouped(scanners.hits)
        );
    }
    text
}

fn faults(outcome: &Outcome) -> String {
    if outcome.faults == 0 {
        return String::new();
    }
    let mut text = format!("\nNOT UNDERSTOOD  {}\n\n", counted(outcome.faults, "line", "lines"));
    for fault in &outcome.first_faults {
        let _ = writeln!(text, "  {}:{}: {}", visible(&fault.name), fault.line, fault.why);
        if !fault.text.is_empty() {
            let _ = writeln!(text, "    {}", visible(&fault.text));
        }
    }
    text
}

/// What these numbers can prove, in this log.
fn surety(found: &Findings) -> String {
    let mut said = vec![
        match found.measure {
            Measure::Body => "The log tells bytes of bodies as they were sent, as nginx does.",
            Measure::Unknown => "Nothing shows what the column of bytes counts (no 304 in it): read as bytes of bodies that were sent.",
            Measure::WithHead => "Bytes are those of whole answers with their heads (Apache %O): sizes are compared with 1 KiB of room.",
            Measure::Intended => {
                "CAREFUL: a `-` for answers without a body is how Apache's %b writes. It tells what was to be sent, not what was: \
                 downloads that broke off look complete. Apache's %O tells the truth."
            }
        }
        .to_owned(),
    ];
    let all = found.sessions.all;
    match found.told {
        0 if all > 0 => {
            said.push(
                "It tells no sizes: a file's is the largest body of a 200. `agreed` is sure, `seen once` may be an abort.".to_owned(),
            );
            if found.sessions.joined > 0 {
                said.push(
                    "It tells no ranges: that several answers made a whole is their sum; pieces that came twice are in it.".to_owned(),
                );
            }
        }
        0 => {}
        told if told == all => said.push("It tells ranges: complete means that every byte was sent.".to_owned()),
        told => {
            said.push(format!("It tells the ranges of {} of {} sessions; the others rest on inferred sizes.", grouped(told), grouped(all)));
        }
    }
    if found.files_of_several_sizes > 0 {
        said.push(format!(
            "{} had several sizes: replaced, or encoded on the way.",
            counted(found.files_of_several_sizes, "file", "files")
        ));
    }
    let beyond = &found.beyond;
    for (count, what) in [
        (beyond.not_followed, "answers were not followed: too many different files or clients"),
        (beyond.closed_early, "sessions were ended early: too many at once; some downloads may count as two that broke off"),
        (beyond.judged_early, "sessions were judged by the sizes seen until then: too many to wait for the end"),
        (beyond.networks, "networks of shared addresses were not remembered: there may be more of them"),
    ] {
        if count > 0 {
            said.push(format!("{} {what}.", grouped(count)));
        }
    }
    let lines: Vec<String> = said.iter().map(|sentence| paragraph("  ", sentence)).collect();
    format!("\nHOW SURE  (all of it: --explain)\n\n{}\n", lines.join("\n"))
}

/// What is counted, behind its lead, in lines of the terminal's width; a name stays beside its number.
fn listed(lead: String, items: &[String]) -> String {
    let indent = lead.chars().count();
    let (mut text, mut used) = (lead, indent);
    for (place, item) in items.iter().enumerate() {
        let ending = if place + 1 < items.len() { "," } else { "" };
        if used > indent && used + 1 + item.len() + ending.len() > WIDTH {
            text = text + "\n" + &" ".repeat(indent);
            used = indent;
        }
        let gap = if used > indent { " " } else { "" };
        text = text + gap + item + ending;
        used += gap.len() + item.len() + ending.len();
    }
    text
}

fn indented(table: &str) -> String {
    table.lines().flat_map(|line| ["  ", line, "\n"]).collect()
}
