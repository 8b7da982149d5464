//! An audit as JSON. Times are RFC 3339 UTC, sizes are bytes.

use serde_json::{Value, json};

use super::report::query_name;
use crate::domain::audit::{Measure, Sessions, SharedQuery, Strangers, Surety};
use crate::service::audit::Outcome;

pub(super) fn view(outcome: &Outcome) -> Value {
    let found = &outcome.findings;
    let hits = &found.hits;
    json!({
        "log": {
            "sources": outcome.names,
            "bytes": outcome.bytes,
            "lines": outcome.lines,
            "lines_not_understood": outcome.faults,
            "first_not_understood": outcome.first_faults.iter().map(|fault| json!({
                "source": fault.name, "line": fault.line, "text": fault.text, "why": fault.why,
            })).collect::<Vec<_>>(),
            "notices": outcome.notices,
            "from": found.span.map(|(from, _)| from.to_string()),
            "until": found.span.map(|(_, until)| until.to_string()),
            "bytes_column": measure(found.measure),
        },
        "downloads": sessions(&found.sessions),
        "hits": {
            "all": hits.all, "whole_200": hits.whole, "range_206": hits.part, "head": hits.head,
            "not_modified_304": hits.not_modified, "not_satisfiable_416": hits.not_satisfiable, "redirected_3xx": hits.redirected,
            "refused_4xx": hits.refused, "failed_5xx": hits.failed, "other": hits.other,
        },
        "naive": { "hits_200_and_206": hits.whole + hits.part, "hits_200": hits.whole },
        "bytes": {
            "sent": found.bytes_sent,
            "complete_downloads": found.bytes_complete,
            "not_in_complete_downloads": found.bytes_sent.saturating_sub(found.bytes_complete),
        },
        "files": found.files,
        "files_of_several_sizes": found.files_of_several_sizes,
        "clients": found.clients,
        "sessions_with_ranges_told_by_the_log": found.told,
        "shared_all": found.shared_all,
        "shared": found.shared.iter().map(|shared| json!({
            "path": shared.name,
            "networks": shared.networks,
            "query": match &shared.query {
                SharedQuery::One { text, digest } => json!({ "digest": query_name(*digest), "text": text }),
                SharedQuery::None | SharedQuery::Several(_) => Value::Null,
            },
            "queries": match &shared.query {
                SharedQuery::None => 0,
                SharedQuery::One { .. } => 1,
                SharedQuery::Several(queries) => *queries,
            },
        })).collect::<Vec<_>>(),
        "top_files": found.top_files.iter().map(|file| json!({
            "path": file.name, "hits": file.hits, "bytes": file.bytes, "size": file.size, "size_is": surety(file.surety),
            "downloads": sessions(&file.sessions),
        })).collect::<Vec<_>>(),
        "top_clients": found.top_clients.iter().map(|client| json!({
            "address": client.address, "agent": client.agent, "hits": client.hits, "sessions": client.sessions,
            "complete": client.complete, "bytes": client.bytes, "robot": client.robot,
        })).collect::<Vec<_>>(),
        "robots": strangers(found.robots),
        "scanners": strangers(found.scanners),
        "beyond_memory": {
            "answers_not_followed": found.beyond.not_followed,
            "sessions_ended_early": found.beyond.closed_early,
            "sessions_judged_early": found.beyond.judged_early,
            "networks_not_remembered": found.beyond.networks,
        },
    })
}

fn sessions(sessions: &Sessions) -> Value {
    json!({
        "sessions": sessions.all,
        "complete": sessions.complete(),
        "complete_in_one_answer": sessions.whole,
        "complete_in_several_answers": sessions.joined,
        "complete_if_the_size_is_right": sessions.unsure,
        "sent_whole_once_more": sessions.again,
        "broken_off": sessions.broken_off,
        "only_parts": sessions.parts,
        "unknown": sessions.unknown,
    })
}

fn strangers(strangers: Strangers) -> Value {
    json!({ "clients": strangers.clients, "hits": strangers.hits, "complete": strangers.complete })
}

const fn measure(measure: Measure) -> &'static str {
    match measure {
        Measure::Unknown => "unknown",
        Measure::Body => "body",
        Measure::WithHead => "with_head",
        Measure::Intended => "intended",
    }
}

const fn surety(surety: Surety) -> &'static str {
    match surety {
        Surety::None => "never_seen",
        Surety::Once => "seen_once",
        Surety::Agreed => "agreed",
        Surety::Several => "several",
        Surety::Told => "told_by_the_log",
    }
}
