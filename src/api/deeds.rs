//! What was done over the API: written down before it is done and when it is, and listed.
//!
//! What holds: a call that changed anything stands in the history, with who made it, over a crash, too. One that changed nothing is
//! taken out again. What stands there as begun runs, failed in the middle, or was cut off with the daemon: then what it is about
//! says how far it came. What cannot be written down is not begun.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts as _, Query, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{Method, Uri};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::author::Author;
use super::calls::Call;
use super::listed::Listed;
use super::problem::{self, Problem};
use super::table;
use super::undisturbed::undisturbed;
use crate::clock;
use crate::domain::deed::{Deed, Stage};
use crate::service::caller::Caller;
use crate::service::site::{Current, Site};
use crate::store::{Deeds, LIST_MAX};

/// Calls that change nothing, though they are no GET.
const CHANGE_NOTHING: [&str; 3] = ["/api/v1/explain", "/api/v1/reports", "/api/v1/orders/{id}/page"];

/// What names something of ours in a path; a customer is none of it.
const OURS: [&str; 5] = ["id", "sku", "name", "lane", "user"];

/// Answers that are longer are not looked into.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// What each call does, in a sentence.
static SUMMARIES: LazyLock<BTreeMap<String, &'static str>> = LazyLock::new(|| {
    let calls = table::calls();
    calls.told().iter().map(|(call, told)| (format!("{} {}", call.method, call.path), told.summary)).collect()
});

/// One thing that was done.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeedView {
    /// Its number.
    pub number: String,
    /// When.
    pub at: String,
    /// Who, and with what.
    pub author: String,
    /// The address from which that was asked for; `null` is this machine, over a unix socket.
    pub from: Option<String>,
    /// What was done, in a sentence.
    pub did: String,
    /// Whether it is known to be done; else it began, and runs, failed in the middle, or was cut off with the daemon.
    pub done: bool,
    /// By which call.
    pub call: String,
    /// What it was about, or what it made: an id, a SKU, a name.
    pub subject: String,
    /// What that was afterwards, where it is in one of several states: `refunded`; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outcome: String,
}

/// Which to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only those about this: an id, a SKU, a name.
    #[serde(default)]
    about: Option<String>,
    /// Only those before this number: the last one of the page before.
    #[serde(default)]
    before: Option<u64>,
    /// At most so many, 1 to 1000.
    #[serde(default)]
    limit: Option<usize>,
}

pub(super) async fn list(
    State(site): State<Arc<Site>>,
    uri: Uri,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Listed<DeedView>, Problem> {
    let Which { about, before, limit } = problem::query(which)?;
    let limit = problem::limit(limit, LIST_MAX)?;
    let did = |call: &str| SUMMARIES.get(call).map_or_else(|| call.to_owned(), |summary| (*summary).to_owned());
    let found = site.deeds.deeds(Deeds { subject: about, before, limit }).await?;
    let view = |(number, deed): (u64, Deed)| DeedView {
        number: number.to_string(),
        at: deed.at.to_string(),
        author: deed.author,
        from: deed.from.map(|address| address.to_string()),
        did: did(&deed.call),
        done: deed.stage == Stage::Done,
        call: deed.call,
        subject: deed.subject,
        outcome: deed.outcome,
    };
    Ok(Listed::page(&uri, found.into_iter().map(view).collect(), limit, "before", |deed| &deed.number))
}

/// Answers a call, and writes down what it changed. Whoever asked may go away meanwhile: what was begun is done whole, as the
/// stub of what was refunded goes.
pub(super) async fn write_down(State(current): State<Current>, request: Request, next: Next) -> Response {
    let call = request.extensions().get::<Call>().copied();
    let Some(call) = call.filter(|call| call.method != Method::GET.as_str() && !CHANGE_NOTHING.contains(&call.path)) else {
        return next.run(request).await;
    };
    undisturbed(async move { finish(&current, call, request, next).await }).await
}

async fn finish(current: &Current, call: Call, request: Request, next: Next) -> Response {
    let from = request.extensions().get::<Caller>().and_then(|caller| caller.address);
    let (mut head, body) = request.into_parts();
    let named = named(&mut head).await;
    let author = Author::from_request_parts(&mut head, &()).await.map(|Author(author)| author).unwrap_or_default();
    let subject = named.clone().unwrap_or_default();
    let begun = Deed {
        at: clock::now(),
        author,
        from,
        call: format!("{} {}", call.method, call.path),
        subject,
        outcome: String::new(),
        stage: Stage::Begun,
    };
    let number = match current.site().deeds.write_deed(begun).await {
        Ok(number) => number,
        Err(down) => return Problem::down(down).into_response(),
    };
    let answer = next.run(Request::from_parts(head, body)).await;
    // What failed in the middle may have changed something: it stays as it is.
    if answer.status().is_server_error() {
        return answer;
    }
    let (answer, told) = looked_into(answer).await;
    let is_nothing = told.get("changed") == Some(&Value::Bool(false)) || told.get("dry_run") == Some(&Value::Bool(true));
    let site = current.site();
    let written = if is_nothing || !answer.status().is_success() {
        site.deeds.forget_deed(number).await
    } else {
        let made = || ["id", "sku", "user"].into_iter().find_map(|name| told.get(name)).or_else(|| told.get("grant")?.get("id"));
        let subject = named.unwrap_or_else(|| made().and_then(Value::as_str).unwrap_or_default().to_owned());
        let outcome = told.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
        site.deeds.end_deed(number, subject, outcome).await
    };
    if let Err(down) = written {
        tracing::warn!(event = "not_written_down", number, call = call.path, "the history says that it began, and no more: {down}");
    }
    answer
}

/// What a path names of ours, where it does.
async fn named(head: &mut Parts) -> Option<String> {
    let named = RawPathParams::from_request_parts(head, &()).await.ok()?;
    named.iter().find(|(name, _)| OURS.contains(name)).map(|(_, value)| value.to_owned())
}

/// An answer with what it tells, where that is short.
async fn looked_into(answer: Response) -> (Response, Value) {
    let (head, body) = answer.into_parts();
    if body.size_hint().exact().is_none_or(|bytes| bytes > ANSWER_BYTES_MAX) {
        return (Response::from_parts(head, body), Value::Null);
    }
    // All of it is there already.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let told = serde_json::from_slice(&bytes).unwrap_or_default();
    (Response::from_parts(head, Body::from(bytes)), told)
}
