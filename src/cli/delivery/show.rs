//! One delivery as text: what was sent, by which requests, how fast, and when nothing was.

use super::super::terminal::{self, Column, Signs};
use super::super::when::{ago, moment};
use crate::api::{CourseView, DeliveryView, ListedDelivery, RequestView};
use crate::clock;
use crate::domain::moment::Span;

/// Columns of the coverage bar.
const BAR_WIDTH: usize = 48;

/// So many requests have a bar of their own.
const BARS: usize = 24;

/// So many lines of the table of requests, half of them from its start and half from its end; `--json` has all.
const ROWS: usize = 40;

/// So many interruptions are told.
const INTERRUPTIONS: usize = 10;

/// One delivery.
pub(super) fn show(view: &DeliveryView, signs: Signs) -> String {
    let DeliveryView { delivery, grant, course, bytes_budget, .. } = view;
    let now = clock::now();
    let max = grant.max_downloads.map_or_else(|| "unlimited".to_owned(), |max| max.to_string());
    let customer = if grant.customer.is_empty() { String::new() } else { format!("for       {}", terminal::visible(&grant.customer)) };
    // Nobody saw the first request of a copy begin.
    let (began, how) = if view.by_copy { ("first answered", "reached   by the address of its copy") } else { ("clicked", "") };
    let mut lines = vec![
        format!("delivery  {}  {}", delivery.id, delivery.state),
        format!("file      {}, {}", terminal::visible(&delivery.file), terminal::bytes_exactly(delivery.size)),
        format!("client    {}, {began} {} ({})", delivery.client, ago(&delivery.offered, now), delivery.offered),
        how.to_owned(),
        format!("grant     {}  used {}, reserved {}, of {max}", grant.id, grant.used, grant.reserved),
        customer,
        if delivery.away {
            "bytes     no budget holds: it is fetched in public, where requests do not pass by Cloakroom".to_owned()
        } else {
            format!("bytes     {} charged, of {} that it may send", terminal::bytes(course.bytes_charged), terminal::bytes(*bytes_budget))
        },
    ];
    if let (false, Some(opened), Some(completed)) = (view.by_copy, &course.opened, &course.completed) {
        lines.push(format!("took      {}, from {opened} to {completed}", between(opened, completed)));
    }
    lines.push(format!("known by  {}", known_by(&view.feed, delivery.away)));
    lines.retain(|line| !line.is_empty());
    lines.push(String::new());
    lines.extend(self::course(delivery, course, signs));
    lines.join("\n")
}

/// How much the numbers say.
fn known_by(feed: &str, away: bool) -> &str {
    match feed {
        "access-log" if away => "Nginx's access log of the public path",
        "syslog" if away => "Nginx's syslog of the public path, which may lose lines: then presumed",
        "redirect" => "nobody: it counted when its client was led to the public address",
        "access-log" => "Nginx's access log",
        "syslog" => "Nginx's syslog, which may lose lines: then presumed",
        "api" => "Nginx's lines, handed over by `cloakroom feed`",
        "stream" => "what Cloakroom itself sent",
        "none" => "nobody, as there is no [feed]: a download counts when it starts",
        other => other,
    }
}

/// How it went: the bar of all, one of each request, the table, the interruptions.
pub(in super::super) fn course(delivery: &ListedDelivery, course: &CourseView, signs: Signs) -> Vec<String> {
    let CourseView { coverage, requests, folded_requests, interruptions, .. } = course;
    let ranges: Vec<(u64, u64)> = coverage.iter().map(|range| (range.first, range.end)).collect();
    let bar = |ranges: &[(u64, u64)]| terminal::coverage_bar(ranges, delivery.size, BAR_WIDTH, signs);
    let mut lines = vec![format!("coverage  {} {}", bar(&ranges), terminal::percent(delivery.covered, delivery.size))];
    let total = requests.len() as u64 + folded_requests;
    if requests.len() > 1 {
        for (number, request) in (1..).zip(requests.iter().take(BARS)) {
            let part = part(request);
            let what = match (&request.report, part) {
                (None, _) => "not reported",
                (Some(_), None) => "no part of the file",
                (Some(report), Some(_)) if !report.finished => "cut off",
                (Some(_), Some(_)) => "",
            };
            let ranges: Vec<(u64, u64)> = part.into_iter().collect();
            lines.push(format!("{:>8}  {} {what}", format!("#{number}"), bar(&ranges)).trim_end().to_owned());
        }
        if requests.len() > BARS {
            lines.push(format!("          {} {} more requests", ellipsis(signs), requests.len() - BARS));
        }
    }
    lines.push(String::new());
    lines.push(match (total, *folded_requests) {
        (0, _) => "no requests yet".to_owned(),
        (_, 0) => terminal::counted(total, "request", "requests"),
        (_, folded) => format!("{} requests; of {} of them only the number is kept", terminal::grouped(total), terminal::grouped(folded)),
    });
    if !requests.is_empty() {
        lines.push(requests_table(requests, signs).trim_end().to_owned());
    }
    for interruption in interruptions.iter().take(INTERRUPTIONS) {
        let length = terminal::span(Span::from_seconds(interruption.seconds));
        lines.push(format!("nothing sent for {length}: {} to {}", interruption.from, interruption.to));
    }
    if interruptions.len() > INTERRUPTIONS {
        lines.push(format!("{} and {} times more", ellipsis(signs), interruptions.len() - INTERRUPTIONS));
    }
    lines
}

fn part(request: &RequestView) -> Option<(u64, u64)> {
    let report = request.report.as_ref()?;
    let first = report.from?;
    Some((first, first.saturating_add(report.bytes)))
}

/// How long it was from one time of the API to another.
fn between(from: &str, to: &str) -> String {
    match (moment(from), moment(to)) {
        (Some(from), Some(to)) if to.since(from) < Span::from_seconds(1) => "less than a second".to_owned(),
        (Some(from), Some(to)) => terminal::span(to.since(from)),
        _ => "?".to_owned(),
    }
}

const fn ellipsis(signs: Signs) -> &'static str {
    match signs {
        Signs::Unicode => "…",
        Signs::Ascii => "...",
    }
}

fn requests_table(requests: &[RequestView], signs: Signs) -> String {
    // A client's key is nothing to read; which requests are of the same one is.
    let mut clients: Vec<&str> = Vec::new();
    for request in requests {
        if !clients.contains(&request.client.as_str()) {
            clients.push(&request.client);
        }
    }
    let mut columns = vec![
        Column::Number("#"),
        Column::Text("admitted"),
        Column::Number("status"),
        Column::Number("from byte"),
        Column::Number("sent"),
        Column::Number("speed"),
        Column::Text("ended"),
    ];
    if clients.len() > 1 {
        columns.push(Column::Text("by"));
    }
    let row = |(number, request): (usize, &RequestView)| {
        let report = request.report.as_ref();
        let told = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
        let client = clients.iter().position(|client| *client == request.client).map_or(0, |place| place + 1);
        vec![
            number.to_string(),
            request.admitted.clone(),
            told(report.map(|report| report.status.to_string())),
            report.and_then(|report| report.from).map_or_else(|| "-".to_owned(), terminal::grouped),
            told(report.map(|report| terminal::bytes(report.bytes))),
            report.and_then(|report| report.bytes_per_second).map_or_else(|| "-".to_owned(), |rate| format!("{}/s", terminal::bytes(rate))),
            report.map_or("?", |report| if report.finished { "whole" } else { "cut off" }).to_owned(),
            format!("client {client}"),
        ]
    };
    let rows: Vec<Vec<String>> = (1..).zip(requests).map(row).collect();
    match rows.len().checked_sub(ROWS) {
        None | Some(0) => terminal::table(&columns, &rows),
        Some(hidden) => {
            let (first, last) = (rows.iter().take(ROWS / 2), rows.iter().skip(ROWS / 2 + hidden));
            let gap = vec![ellipsis(signs).to_owned(), format!("{} more", terminal::grouped(hidden as u64))];
            terminal::table(&columns, &first.cloned().chain([gap]).chain(last.cloned()).collect::<Vec<_>>())
        }
    }
}
