//! Who may call what. Over a unix socket its mode lets in who may do everything; over TCP each call brings a key of the API,
//! and a key that is brought counts there and here: with its scopes, and under its name.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::calls::{Call, Known};
use super::problem::Problem;
use crate::clock;
use crate::domain::api_key::ApiKey;
use crate::domain::authorization::Authorization;
use crate::domain::order::ShopName;
use crate::domain::refusal::Refusal;
use crate::service::api_key::{NotKnown, known};
use crate::service::caller::Caller;
use crate::service::site::{Current, Site};

/// What a caller without a good key is asked for (RFC 6750).
const CHALLENGE: &str = "Bearer realm=\"cloakroom\"";

/// The key that a call was made with.
#[derive(Clone, Debug)]
pub(super) struct Brought(pub(super) ApiKey);

/// The only shop whose orders the key may report and see, where it is bound to one.
pub(super) struct Bound(pub(super) Option<ShopName>);

impl<S: Send + Sync> FromRequestParts<S> for Bound {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Brought>().and_then(|Brought(key)| key.shop.clone())))
    }
}

/// What a key that is bound to a shop may call, besides orders.
const OF_NO_SHOP: [&str; 2] = ["/api/v1/about", "/api/v1/openapi.json"];

/// Lets a call through to who answers it, or says what is missing. What is no call goes on to be told so.
pub(super) async fn check(State((current, calls)): State<(Current, Known)>, mut request: Request, next: Next) -> Response {
    let site = current.site();
    let call = request.extensions().get::<MatchedPath>().and_then(|path| calls.find(request.method(), path.as_str()));
    let caller = request.extensions().get::<Caller>().copied();
    match allowed(&site, caller, request.headers(), call).await {
        Ok(None) => {}
        Ok(Some(key)) => {
            request.extensions_mut().insert(Brought(key));
        }
        Err(problem) => return problem.into_response(),
    }
    if let Some(call) = call {
        request.extensions_mut().insert(call);
    }
    let mut answer = next.run(request).await;
    // It may name tokens and customers: no cache on the way keeps it.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The key that was brought, if it is enough for `call`; none where none is needed.
async fn allowed(site: &Site, caller: Option<Caller>, headers: &HeaderMap, call: Option<Call>) -> Result<Option<ApiKey>, Problem> {
    let mut brought = headers.get_all(AUTHORIZATION).iter();
    let text = match (brought.next(), brought.next()) {
        (None, _) if caller.is_some_and(|caller| caller.address.is_none()) => return Ok(None),
        (None, _) => {
            let detail = "a key of the API is needed: `Authorization: Bearer cr_…`; `cloakroom apikey new` makes one";
            return Err(refused(StatusCode::UNAUTHORIZED, Refusal::NoProof, detail, CHALLENGE));
        }
        (Some(value), None) => match Authorization::parse(value.as_bytes()) {
            Some(Authorization::Bearer(text)) => text,
            Some(Authorization::Basic(_)) | None => return Err(unreadable()),
        },
        (Some(_), Some(_)) => return Err(unreadable()),
    };
    let address = caller.and_then(|caller| caller.address);
    let key = known(site, &text, address, clock::now()).await.map_err(not_known)?;
    match call {
        Some(Call { scope, method, path, .. }) if !key.scopes.allow(scope) => {
            let (name, scopes) = (&key.name, &key.scopes);
            let detail = format!("{method} {path} needs a key with scope `{scope}`; `{name}` has: {scopes}");
            let challenge = format!("{CHALLENGE}, error=\"insufficient_scope\", scope=\"{scope}\"");
            Err(Problem::new(StatusCode::FORBIDDEN, detail).with(WWW_AUTHENTICATE, &challenge))
        }
        Some(Call { path, .. }) if key.shop.is_some() && !path.starts_with("/api/v1/orders") && !OF_NO_SHOP.contains(&path) => {
            let (name, shop) = (&key.name, key.shop.as_ref().map_or("", ShopName::as_str));
            Err(Problem::new(StatusCode::FORBIDDEN, format!("the key `{name}` is for orders of the shop `{shop}` only")))
        }
        Some(_) | None => Ok(Some(key)),
    }
}

fn refused(status: StatusCode, refusal: Refusal, detail: &str, challenge: &str) -> Problem {
    Problem::new(status, detail).coded(refusal).with(WWW_AUTHENTICATE, challenge)
}

fn unreadable() -> Problem {
    let detail = "`Authorization` must be `Bearer` and a key of the API, once: `Authorization: Bearer cr_…`";
    refused(StatusCode::UNAUTHORIZED, Refusal::BadProof, detail, CHALLENGE)
}

fn not_known(why: NotKnown) -> Problem {
    match why {
        NotKnown::Wrong => {
            let detail = "the key of the API that was brought is not known, or was revoked, is over or is not for this network; `cloakroom apikey list` \
                 shows those that there are, and the daemon's log says which it is";
            refused(StatusCode::UNAUTHORIZED, Refusal::BadProof, detail, &format!("{CHALLENGE}, error=\"invalid_token\""))
        }
        NotKnown::Locked(lasts) => {
            let seconds = lasts.seconds_up();
            let detail = format!("too many keys from this network opened nothing: come back in {seconds} seconds, or bring one that does");
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).coded(Refusal::LockedOut);
            problem.with(RETRY_AFTER, &seconds.to_string())
        }
        NotKnown::Down(down) => Problem::down(down),
    }
}
