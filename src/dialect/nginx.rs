//! Nginx. `auth_request` asks [`AUTHORIZE`] and hears only 200, 401 and 403; `proxy_pass` passes a download on and
//! follows `X-Accel-Redirect`.
//!
//! What nginx knows arrives in headers that the shipped configuration sets, whatever the client sends under those names:
//! `X-Original-URI` (`$request_uri`), `X-Original-Method` (`$request_method`), `X-Request-Id` (`$request_id`) and
//! `X-Real-IP` (`$remote_addr`). A client's own spelling of any of them never gets here that way; where one does, the
//! configuration is not ours, or `underscores_in_headers` lets a look-alike through, and the request is refused. With a
//! download come the client's other headers, of which `Range`, `If-Range`, `Cookie`, `User-Agent`, `Accept`,
//! `Accept-Language`, `Sec-Fetch-Mode`, `Sec-Purpose` and `Purpose` are read.

use http::header;
use http::request::Parts;

use crate::domain::file_name::content_disposition;
use crate::domain::path::CanonicalPath;
use crate::domain::question::{Kind, Question};

use super::answer::{
    CHALLENGE, DELIVERY, Head, RATE, REFUSAL, SUPPORT, USER, accel_location, basic_challenge, in_header, passed_on, unsayable,
};
use super::headers::{Heard, Sender, Told, client_address, malformed, method, needed, path_and_query, request_id};
use super::{Answer, Asked, Malformed, Say};

/// What `auth_request` asks, exactly.
pub const AUTHORIZE: &str = "/_cloakroom/authorize";

/// What the shipped `@cloakroom_refused` location asks, followed by the code of a refusal.
pub const REFUSED: &str = "/_cloakroom/refused/";

/// Whatever begins so is internal: nothing of it is a download.
const INTERNAL: &str = "/_cloakroom/";

/// The longest address that is read. Twice that, in the request line and in `X-Original-URI`, fits into a head.
pub const ADDRESS_BYTES_MAX: usize = 6 * 1024;

const ACCEL_REDIRECT: http::HeaderName = http::HeaderName::from_static("x-accel-redirect");
const ACCEL_LIMIT_RATE: http::HeaderName = http::HeaderName::from_static("x-accel-limit-rate");

/// Reads what nginx asks.
pub(super) fn read(head: &Parts, public_path: &str) -> Result<Asked, Malformed> {
    let target = head.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    let kind = if target == AUTHORIZE { Kind::Authorize } else { Kind::Download };
    let lines = Heard::listen(&head.headers, Sender::WebServer).map_err(|reason| malformed(kind, &head.headers, reason))?;
    let asked = match target.strip_prefix(REFUSED) {
        Some(code) => refused(code, &lines),
        None if kind == Kind::Download && target.starts_with(INTERNAL) => Err("the internal address is not one that is known".to_owned()),
        None => question(kind, target, public_path, &lines).map(Asked::Question),
    };
    asked.map_err(|reason| malformed(kind, &head.headers, reason))
}

fn refused(code: &str, lines: &Heard<'_>) -> Result<Asked, String> {
    let refusal = code.parse().map_err(|()| format!("the address under `{REFUSED}` does not end with the code of a refusal"))?;
    Ok(Asked::Refused { refusal, request: request_id(lines)?, wants_page: lines.wants_page(), language: lines.language() })
}

fn question(kind: Kind, target: &str, public_path: &str, lines: &Heard<'_>) -> Result<Question, String> {
    let request = request_id(lines)?;
    let address = std::str::from_utf8(needed(lines.original_uri, "x-original-uri")?.as_bytes())
        .map_err(|_| "header `x-original-uri` is not UTF-8".to_owned())?;
    if address.len() > ADDRESS_BYTES_MAX {
        return Err(format!("header `x-original-uri` is longer than {ADDRESS_BYTES_MAX} bytes"));
    }
    if address.contains('#') {
        return Err("header `x-original-uri` has a `#`".to_owned());
    }
    if kind == Kind::Download && address != target {
        return Err("header `x-original-uri` is not the address of the request itself".to_owned());
    }
    let (path, query) = path_and_query(address);
    let path = CanonicalPath::parse(path).map_err(|fault| format!("header `x-original-uri`: {fault}"))?;
    if kind == Kind::Download && !path.encoded().starts_with(public_path) {
        return Err("the address is not under the path of `public_url`".to_owned());
    }
    let method = method(needed(lines.original_method, "x-original-method")?.to_str().unwrap_or_default());
    let address = client_address(lines)?;
    Ok(lines.question(Told { kind, request, method, path, query, address, range: lines.wanted_range() }))
}

/// Says `say` to nginx.
pub(super) fn write(kind: Kind, say: Say<'_>) -> Answer {
    match (kind, say) {
        (Kind::Authorize, Say::Allow { rate, user }) => {
            let head = Head::new(200, 2).maybe(USER, user.map(in_header));
            match rate {
                // `auth_request_set` logs an error for each answer without the header, hence the 0.
                None => head.fixed(RATE, "0").empty(),
                Some(rate) => head.text(RATE, rate.0.to_string()).empty(),
            }
        }
        // Of all refusals nginx hears two; the code travels to the `@cloakroom_refused` location, which asks for the page.
        (Kind::Authorize, Say::Refuse { refusal, support, realm, .. }) => {
            let status = if refusal.status() == 401 { 401 } else { 403 };
            // nginx passes the challenge of a 401 on to the client, whatever page it sends with it.
            let challenge = realm.filter(|_| status == 401).map(basic_challenge);
            Head::new(status, 3).fixed(REFUSAL, refusal.code()).text(SUPPORT, support.to_string()).maybe(CHALLENGE, challenge).empty()
        }
        (Kind::Download, Say::HandOff { prefix, path, version, name, rate, delivery, .. }) => {
            let Some(location) = accel_location(prefix, &path.encoded()) else { return unsayable() };
            Head::new(200, 7)
                .text(ACCEL_REDIRECT, location)
                .maybe(ACCEL_LIMIT_RATE, rate.map(|rate| rate.0.to_string()))
                .text(header::CONTENT_TYPE, version.media_type.as_str())
                .text(header::CONTENT_DISPOSITION, content_disposition(name))
                .text(header::ETAG, version.etag.as_str())
                .fixed(header::CACHE_CONTROL, "private, no-store")
                .maybe(DELIVERY, delivery.map(|delivery| delivery.to_string()))
                .empty()
        }
        (Kind::Download, say) => passed_on(say),
        // An internal redirect in an answer to `auth_request` is followed and thrown away, and the original file sent.
        (Kind::Authorize, Say::HandOff { .. } | Say::Describe { .. } | Say::Redirect { .. } | Say::Show { .. }) => unsayable(),
    }
}
