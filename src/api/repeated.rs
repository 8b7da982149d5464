//! `Idempotency-Key`: a call that makes something may be repeated, and is answered as before
//! (`draft-ietf-httpapi-idempotency-key-header`).
//!
//! The same call under the same name has the same answer for a day, byte for byte. Another call under that name is 422, one
//! that is still being answered 409. What made nothing (4xx) is not kept, so that a mended call may have its name. What was cut off
//! before its answer was kept finds what it made; where it cannot, it is 409 and says where to look.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};

use super::BODY_BYTES_MAX;
use super::author::Made;
use super::bearer::Brought;
use super::calls::Call;
use super::problem::{self, Problem};
use super::undisturbed::undisturbed;
use crate::domain::refusal::Refusal;
use crate::domain::repeated::{CallName, NAME_BYTES_MAX};
use crate::service::caller::Caller;
use crate::service::repeated::{Ids, Told, Turn, begin, fingerprint};
use crate::service::site::{Current, Site};

/// The name that a caller gives to a call.
pub(super) const NAME: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Answers a call with a name once.
pub(super) async fn once(State(current): State<Current>, request: Request, next: Next) -> Response {
    let makes = request.extensions().get::<Call>().is_some_and(|call| call.makes);
    if !makes || !request.headers().contains_key(NAME) {
        return next.run(request).await;
    }
    let site = current.site();
    match begun(&site, request).await {
        Ok((request, turn)) => {
            // Whoever asked may go away meanwhile: what is made is made whole, and its answer is kept.
            undisturbed(async move { finish(&site, turn, next.run(request).await).await }).await
        }
        Err(answer) => *answer,
    }
}

/// The call, which is to be answered; or its answer.
async fn begun(site: &Site, request: Request) -> Result<(Request, Turn), Box<Response>> {
    let said = |problem: Problem| Box::new(problem.into_response());
    let name = name(&request).map_err(said)?;
    let look = request.extensions().get::<Call>().and_then(|call| call.look);
    let (head, body) = request.into_parts();
    let body = problem::whole(body, BODY_BYTES_MAX).await.map_err(said)?;
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    let print = fingerprint(head.method.as_str(), path, &body);
    let told = begin(site, name, print).await.map_err(|down| said(Problem::down(down)))?;
    let problem = match told {
        Told::Go(turn) if turn.is_again && look.is_some() => Problem::conflict(format!(
            "the same call under this `Idempotency-Key` began before and did not end as it should, so that nobody knows whether it was done: {}; \
             if it was not, ask with another `Idempotency-Key`",
            look.unwrap_or_default()
        )),
        Told::Go(turn) => {
            let mut request = Request::from_parts(head, Body::from(body));
            request.extensions_mut().insert(Made(Ids::Of(turn.seed)));
            return Ok((request, turn));
        }
        Told::Answered(status, body) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let json = HeaderValue::from_static("application/json");
            return Err(Box::new((status, [(CONTENT_TYPE, json), (REPLAYED, HeaderValue::from_static("true"))], body).into_response()));
        }
        Told::Running => {
            Problem::conflict("the same `Idempotency-Key` is being answered at this moment: ask again in a second").with(RETRY_AFTER, "1")
        }
        Told::Other => {
            Problem::unreadable("this `Idempotency-Key` stands for another call of the last 24 hours: give each call one of its own")
        }
        Told::Sealed(kid) => Problem::conflict(format!(
            "what was answered to this `Idempotency-Key` is sealed with the key `{kid}`, which is no longer configured; what it made is there"
        )),
        Told::Full => Problem::unavailable(
            "too many calls with an `Idempotency-Key` were made within 24 hours: this one waits until some are forgotten, or comes without",
        )
        .coded(Refusal::Overloaded),
        Told::NoKey => Problem::conflict("no [[key]] has use = \"sign\", so that no answer can be kept: make one with `cloakroom key new`"),
    };
    Err(said(problem))
}

/// The name of a call, which is its caller's.
fn name(request: &Request) -> Result<CallName, Problem> {
    let mut given = request.headers().get_all(NAME).iter();
    let text = match (given.next(), given.next()) {
        (Some(text), None) => text.to_str().ok(),
        _ => None,
    };
    let caller = match request.extensions().get::<Brought>() {
        Some(Brought(key)) => key.id.to_string(),
        None => match request.extensions().get::<Caller>().and_then(|caller| caller.user) {
            Some(user) => format!("uid {user}"),
            None => "somebody".to_owned(),
        },
    };
    text.and_then(|text| CallName::parse(&caller, text)).ok_or_else(|| {
        let wanted = format!("once, 1 to {NAME_BYTES_MAX} visible ASCII characters, such as a UUID, in quotes or not");
        Problem::new(StatusCode::BAD_REQUEST, format!("`Idempotency-Key` must stand there {wanted}")).coded(Refusal::BadRequest)
    })
}

/// Keeps the answer of a call that made something.
async fn finish(site: &Site, turn: Turn, answer: Response) -> Response {
    let status = answer.status();
    if status.is_client_error() {
        // A name that stays is in nobody's way for longer than a day.
        let _ = turn.refused(site).await;
        return answer;
    }
    if !status.is_success() {
        return answer;
    }
    let (head, body) = answer.into_parts();
    // It is ours, and as large as we made it.
    let Ok(body) = to_bytes(body, usize::MAX).await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    if let Err(down) = turn.answered(site, status.as_u16(), &body).await {
        tracing::warn!(event = "answer_not_kept", %down, "what was made is there, and its answer will be put together anew");
    }
    Response::from_parts(head, Body::from(body))
}
