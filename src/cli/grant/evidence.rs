//! `cloakroom grant evidence`: what happened, as text and as a page to print.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior, context};

use super::super::client::Client;
use super::super::delivery::show::course;
use super::super::failure::Failure;
use super::super::link::words;
use super::super::paragraph::paragraph;
use super::super::terminal::{self, Column, Signs, steers};
use super::super::{Common, say, say_json, signs};
use super::{customer, downloads, show};
use crate::api::{EntryView, Evidence, EvidenceClient, EvidenceDelivery};
use crate::domain::id::GrantId;
use crate::domain::moment::Span;
use crate::pages;

/// The page.
const PAGE: &str = include_str!("evidence.html");

/// What it needs beside the style of the other pages.
const STYLE: &str = include_str!("evidence.css");

pub(super) fn run(common: &Common, client: &Client, id: &GrantId, html: Option<&Path>) -> Result<(), Failure> {
    let kept = |file: &Path| Failure::failed(format!("{}: there is such a file already, and it is kept: name another", file.display()));
    // Before a large file is read for nothing.
    if let Some(file) = html.filter(|file| file.symlink_metadata().is_ok()) {
        return Err(kept(file));
    }
    let evidence: Evidence = client.fetch_slowly(&format!("/api/v1/grants/{id}/evidence"))?;
    if common.json {
        return say_json(&evidence);
    }
    let Some(file) = html else { return say(text(&evidence, signs())) };
    let page = page(&evidence).map_err(|error| Failure::failed(format!("the page cannot be made: {error}")))?;
    // It names people.
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let written = written.and_then(|mut out| out.write_all(page.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => kept(file),
        _ => Failure::failed(format!("{}: {error}", file.display())),
    })?;
    say(format!("{} is written: a page to print, with addresses of persons in it", file.display()))
}

/// The evidence as text.
pub(super) fn text(evidence: &Evidence, signs: Signs) -> String {
    let Evidence { made, made_by, site, grant, links, clients, deliveries, history, limits } = evidence;
    let mut blocks = vec![
        [
            format!("Evidence of downloads  {}", grant.id),
            String::new(),
            format!("site       {}", terminal::visible(site)),
            format!("file       {}", terminal::visible(&grant.file)),
            format!("customer   {}", customer(grant)),
            format!("sold       {}", grant.created),
            format!("ends       {}", grant.expires.as_deref().unwrap_or("never")),
            format!("state      {}, {}", words(&grant.state), downloads(grant)),
            format!("made       {made} by {made_by}"),
        ]
        .join("\n"),
    ];
    let clients: Vec<String> = clients.iter().map(one_client).collect();
    blocks.push("Who came".to_owned());
    blocks.push(if clients.is_empty() { "nobody: no link of it was opened".to_owned() } else { clients.join("\n") });
    for (number, delivery) in (1..).zip(deliveries) {
        blocks.push(one_delivery(number, delivery, signs));
    }
    let link = |link: &crate::api::LinkView| vec![link.id.clone(), link.state.clone(), link.created.clone(), link.expires.clone()];
    let columns = [Column::Text("link"), Column::Text("state"), Column::Text("made"), Column::Text("ends")];
    blocks.push(format!("Links\n\n{}", terminal::table(&columns, &links.iter().map(link).collect::<Vec<_>>()).trim_end()));
    blocks.push(format!("What people did\n\n{}", show::history(history)));
    let limits: Vec<String> = limits.iter().map(|limit| paragraph("- ", limit)).collect();
    blocks.push(format!("What this proves, and what not\n\n{}", limits.join("\n")));
    blocks.join("\n\n")
}

fn one_client(client: &EvidenceClient) -> String {
    let EvidenceClient { address, network, agents, requests, bytes, first_seen, last_seen } = client;
    let requests = terminal::counted(*requests, "request", "requests");
    let mut lines =
        vec![format!("{address}, of {network}"), format!("  {requests}, {}, {first_seen} to {last_seen}", terminal::bytes(*bytes))];
    lines.extend(agents.iter().map(|agent| paragraph("  as ", agent)));
    lines.join("\n")
}

fn one_delivery(number: usize, delivery: &EvidenceDelivery, signs: Signs) -> String {
    let EvidenceDelivery { delivery: listed, link_id, agent, meaning, version, course: how } = delivery;
    let mut lines = vec![
        format!("Delivery {number}  {}  {}", listed.id, listed.state),
        String::new(),
        paragraph("", meaning),
        format!("{} of {} bytes were sent to one client.", terminal::grouped(listed.covered), terminal::grouped(listed.size)),
        String::new(),
        format!("{:<11}{} from {}", if link_id.is_some() { "clicked" } else { "answered" }, listed.offered, listed.client),
        paragraph("as         ", if agent.is_empty() { "-" } else { agent }),
        format!("with       {}", link_id.as_deref().unwrap_or("the address of its copy")),
        format!("version    {}, changed {}", terminal::bytes_exactly(version.size), version.modified),
        format!("etag       {}", terminal::visible(&version.etag)),
        match &version.fingerprint.sha256 {
            Some(sha256) => format!("sha-256    {sha256}"),
            None => "sha-256    not known".to_owned(),
        },
        paragraph("           ", &version.fingerprint.sha256_note),
    ];
    let times = [("begun", &how.opened), ("completed", &how.completed), ("closed", &listed.closed)];
    lines.extend(times.iter().filter_map(|(name, time)| time.as_ref().map(|time| format!("{name:<9}  {time}"))));
    lines.push(String::new());
    lines.extend(course(listed, how, signs));
    lines.join("\n")
}

/// The evidence as a page. What strangers wrote is neither markup in it nor turns its reading direction.
pub(super) fn page(evidence: &Evidence) -> Result<String, minijinja::Error> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?);
    templates.add_template("evidence.html", PAGE)?;
    templates.add_filter("bytes", terminal::bytes);
    templates.add_filter("exactly", terminal::bytes_exactly);
    templates.add_filter("grouped", terminal::grouped);
    templates.add_filter("words", |word: String| words(&word));
    templates.add_filter("length", |seconds: u64| terminal::span(Span::from_seconds(seconds)));
    templates.add_function("percent", terminal::percent);
    templates.add_function("segment", segment);
    let history: Vec<Value> = evidence.history.iter().map(entry).collect();
    let style = Value::from_safe_string(format!("{}\n{STYLE}", pages::style()));
    let page = templates.get_template("evidence.html")?.render(context! {
        evidence => Value::from(Serde(evidence)),
        downloads => downloads(&evidence.grant),
        history => history,
        style => style,
    })?;
    Ok(page.chars().map(|sign| if sign != '\n' && steers(sign) { char::REPLACEMENT_CHARACTER } else { sign }).collect())
}

fn entry(entry: &EntryView) -> Value {
    context! { at => entry.at.clone(), author => entry.author.clone(), act => show::act(entry) }
}

/// Where a range stands in a bar of 1000 parts: its left edge and its width, which is never too small to be seen.
fn segment(first: u64, end: u64, size: u64) -> Value {
    let part = |at: u64| u64::try_from(u128::from(at.min(size)) * 1000 / u128::from(size.max(1))).unwrap_or(1000);
    let (left, right) = (part(first), part(end));
    context! { left => left.min(998), width => right.saturating_sub(left).max(2) }
}
