//! Conditional calls (RFC 9110, section 13): what was seen before is not sent again (`If-None-Match`), what was changed
//! since it was seen is not changed unseen (`If-Match`), and what is there already is not made anew (`If-None-Match: *`).
//!
//! What names one thing, `/api/v1/grants/{id}`, is answered with an `ETag`: a hash of the answer. A change of it,
//! `/api/v1/grants/{id}/extend`, a PUT or a DELETE, may say which one it knows.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, Method, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tower::ServiceExt as _;

use super::Seen;
use super::bearer::Brought;
use super::problem::Problem;
use super::undisturbed::undisturbed;
use crate::domain::id::base32;
use crate::domain::refusal::Refusal;

/// Bytes of the hash that an `ETag` shows: two answers of one thing are not alike by chance.
const TAG_BYTES: usize = 15;

/// How long a conditional call waits for those that change something.
const PATIENCE: Duration = Duration::from_secs(5);

/// Calls below these change what can be seen, or what follows from it.
const CHANGING: [&str; 8] = [
    "/api/v1/grants",
    "/api/v1/links/",
    "/api/v1/orders",
    "/api/v1/products/",
    "/api/v1/policies/",
    "/api/v1/files",
    "/api/v1/import",
    "/api/v1/customers/",
];

/// Whether a path names one thing.
pub(super) fn is_thing(path: &str) -> bool {
    path.ends_with('}')
}

/// The path of the thing that a call with this path changes, if it changes one.
pub(super) fn thing_of<'a>(method: &Method, path: &'a str) -> Option<&'a str> {
    let thing = match *method {
        Method::PUT | Method::DELETE => path,
        Method::POST => path.rsplit_once('/')?.0,
        _ => return None,
    };
    // Only what can be seen has been seen.
    let is_seen =
        ["/api/v1/grants/", "/api/v1/orders/", "/api/v1/products/", "/api/v1/files/"].iter().any(|above| thing.starts_with(above));
    is_seen.then_some(thing)
}

/// Holds a call against what it says that it has seen.
pub(super) async fn hold(State(Seen { current, things }): State<Seen>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    if *request.method() == Method::GET && is_thing(&matched) {
        let seen = said(request.headers(), &IF_NONE_MATCH);
        return tagged(next.run(request).await, seen.as_deref()).await;
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) || !CHANGING.iter().any(|above| matched.starts_with(above)) {
        return next.run(request).await;
    }
    // All of its body is there already: nobody waits for a caller who is slow to say what he wants.
    let site = current.site();
    let path = request.uri().path().to_owned();
    let thing = thing_of(request.method(), &path).filter(|_| matched.contains('{'));
    let condition = Condition { is: said(request.headers(), &IF_MATCH), is_not: said(request.headers(), &IF_NONE_MATCH) };
    let Some(thing) = thing.filter(|_| condition != Condition::default()) else {
        let beside_others = site.changing.clone().read_owned().await;
        return whole(beside_others, next.run(request)).await;
    };
    // Nobody changes it between the look and the change. Whoever waits for that holds up all who come after him.
    let Ok(alone) = timeout(PATIENCE, site.changing.clone().write_owned()).await else {
        let busy = "something that takes long is being changed: ask again in a minute, or without a condition";
        return Problem::unavailable(busy).coded(Refusal::Overloaded).into_response();
    };
    let ask = Request::builder().uri(thing).body(Body::empty());
    let Ok(mut ask) = ask else { return Problem::new(StatusCode::BAD_REQUEST, "the path cannot be read").into_response() };
    // Who asks sees what he may see.
    if let Some(key) = request.extensions().get::<Brought>() {
        ask.extensions_mut().insert(key.clone());
    }
    let found = match things.oneshot(ask).await {
        Ok(found) => tagged(found, None).await,
    };
    let tag = match found.status() {
        StatusCode::OK => Some(found.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default()),
        StatusCode::NOT_FOUND => None,
        // Nobody knows what it is now, and nothing is changed unseen.
        _ => return found,
    };
    match condition.check(thing, tag) {
        Ok(()) => whole(alone, next.run(request)).await,
        Err(detail) => Problem::new(StatusCode::PRECONDITION_FAILED, detail).into_response(),
    }
}

/// Lets a change come to its end with its lock, whoever has gone meanwhile.
async fn whole<Lock: Send + 'static>(lock: Lock, change: impl Future<Output = Response> + Send + 'static) -> Response {
    undisturbed(async move {
        let answer = change.await;
        drop(lock);
        answer
    })
    .await
}

/// What a call that changes a thing says of it, each as a list of tags.
#[derive(Debug, Default, PartialEq, Eq)]
struct Condition {
    /// It is one of these (`If-Match`).
    is: Option<String>,
    /// It is none of these (`If-None-Match`); `*` where it must not be there.
    is_not: Option<String>,
}

impl Condition {
    /// Holds it against the tag that `thing` has now; `None` where there is no such thing.
    fn check(&self, thing: &str, tag: Option<&str>) -> Result<(), String> {
        match (&self.is, tag) {
            (Some(_), None) => return Err(format!("there is no {thing}, and `If-Match` says that it was seen")),
            (Some(seen), Some(tag)) if !lists(seen, tag) => {
                return Err(format!("{thing} is other than `If-Match` says: look at it again, and ask again if that is still right"));
            }
            (Some(_), Some(_)) | (None, _) => {}
        }
        match (&self.is_not, tag) {
            (Some(seen), Some(tag)) if lists(seen, tag) => {
                Err(format!("there is {thing} already, and `If-None-Match` says that it is not"))
            }
            (Some(_) | None, _) => Ok(()),
        }
    }
}

/// What a header says, however often it stands there.
fn said(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// Whether a list of tags has this one; `*` has each. What is not a list has none.
fn lists(list: &str, tag: &str) -> bool {
    list.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// An answer with its tag; without its body where that was seen.
async fn tagged(answer: Response, seen: Option<&str>) -> Response {
    if answer.status() != StatusCode::OK {
        return answer;
    }
    let (mut head, body) = answer.into_parts();
    // It is ours, and as large as we made it.
    let Ok(body) = to_bytes(body, usize::MAX).await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let hash: [u8; 32] = Sha256::digest(&body).into();
    let tag = format!("\"{}\"", base32(hash.get(..TAG_BYTES).unwrap_or_default()));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        head.headers.insert(ETAG, value);
    }
    if seen.is_some_and(|seen| lists(seen, &tag)) {
        head.status = StatusCode::NOT_MODIFIED;
        head.headers.remove(CONTENT_TYPE);
        head.headers.remove(CONTENT_LENGTH);
        return Response::from_parts(head, Body::empty());
    }
    Response::from_parts(head, Body::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_tags_has_those_that_it_names() {
        let tag = "\"abc\"";
        for (list, has) in [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("\"x\", \"abc\" ,\"y\"", true),
            ("*", true),
            ("", false),
            ("abc", false),
            ("\"ab\"", false),
            ("\"abcd\"", false),
            ("\"ABC\"", false),
        ] {
            assert_eq!(lists(list, tag), has, "{list:?}");
        }
    }

    #[test]
    fn a_change_is_of_the_thing_above_it_and_a_put_or_delete_of_itself() {
        for (method, path, thing) in [
            (Method::POST, "/api/v1/grants/g-1/extend", Some("/api/v1/grants/g-1")),
            (Method::POST, "/api/v1/orders/o-1/state", Some("/api/v1/orders/o-1")),
            (Method::PUT, "/api/v1/products/A", Some("/api/v1/products/A")),
            (Method::DELETE, "/api/v1/products/A", Some("/api/v1/products/A")),
            (Method::DELETE, "/api/v1/files/f-1", Some("/api/v1/files/f-1")),
            (Method::POST, "/api/v1/files/f-1/versions", Some("/api/v1/files/f-1")),
            (Method::POST, "/api/v1/files/f-1/move", Some("/api/v1/files/f-1")),
            (Method::POST, "/api/v1/files/f-1/rename", Some("/api/v1/files/f-1")),
            (Method::POST, "/api/v1/files/scan", None),
            (Method::DELETE, "/api/v1/apikeys/k-1", None),
            (Method::POST, "/api/v1/grants", None),
            (Method::POST, "/api/v1/public/sweep", None),
            (Method::GET, "/api/v1/grants/g-1/evidence", None),
        ] {
            assert_eq!(thing_of(&method, path), thing, "{method} {path}");
        }
    }
}
