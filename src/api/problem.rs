//! What is wrong with a call, and what would be right (RFC 9457).

use std::error::Error as _;
use std::fmt::Display;
use std::str::FromStr;

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::BODY_BYTES_MAX;
use crate::domain::refusal::Refusal;
use crate::store::Down;

/// What a problem is that its status says everything of.
const BLANK: &str = "about:blank";

/// Why a call failed (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `about:blank`; with a `code`, `urn:cloakroom:refusal:` and the code.
    #[serde(rename = "type", default = "blank")]
    #[schema(value_type = String)]
    pub kind: Box<str>,
    /// HTTP status.
    pub status: u16,
    /// The status in words.
    #[schema(value_type = String)]
    pub title: Box<str>,
    /// What is wrong, and what would be right.
    pub detail: String,
    /// The refusal, in the word that log, pages and metrics have for it, too; left out where it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
    /// The fields that are wrong, where it is about fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldFault>,
    /// What else the answer says.
    #[serde(skip)]
    #[schema(ignore)]
    headers: Option<Box<HeaderMap>>,
}

/// What is wrong with one field of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldFault {
    /// Which field of the body: a JSON pointer as a fragment, `#/max_downloads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pointer: Option<String>,
    /// Which parameter of the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub parameter: Option<String>,
    /// What is wrong with it, and what would be right.
    pub detail: String,
}

fn blank() -> Box<str> {
    BLANK.into()
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: blank(),
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            detail: detail.into(),
            code: None,
            errors: Vec::new(),
            headers: None,
        }
    }

    pub(super) fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// The field `field` of the body cannot be taken.
    pub(super) fn of_body(field: &str, says: impl Display) -> Self {
        Self::unreadable(format!("{field}: {says}")).in_body(field, says)
    }

    /// The parameter `parameter` of the query cannot be taken.
    pub(super) fn of_query(parameter: &str, says: impl Display) -> Self {
        let fault = FieldFault { pointer: None, parameter: Some(parameter.to_owned()), detail: says.to_string() };
        Self { errors: vec![fault], ..Self::unreadable(format!("{parameter}: {says}")) }
    }

    pub(super) fn unknown(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// What was asked for is understood, and cannot be with things as they are.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    pub(super) fn down(down: Down) -> Self {
        let code = match down {
            Down::Unreachable => Refusal::StoreDown,
            Down::Full => Refusal::Overloaded,
        };
        Self::unavailable(down.to_string()).coded(code)
    }

    /// The same in other words.
    pub(super) fn saying(self, detail: String) -> Self {
        Self { detail, ..self }
    }

    /// Says which refusal it is.
    pub(super) fn coded(self, refusal: Refusal) -> Self {
        let code = refusal.code().to_owned();
        Self { kind: format!("urn:cloakroom:refusal:{code}").into(), code: Some(code), ..self }
    }

    /// Says that it is about a field of the body; its path has `.` between its parts, and `[0]` for those of lists.
    pub(super) fn in_body(mut self, field: &str, says: impl Display) -> Self {
        let path = field.replace('~', "~0").replace('/', "~1").replace("].", "/").replace(['.', '['], "/").replace(']', "");
        self.errors.push(FieldFault { pointer: Some(format!("#/{path}")), parameter: None, detail: says.to_string() });
        self
    }

    /// Adds a header to the answer.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.get_or_insert_default().insert(name, value);
        }
        self
    }
}

impl From<Down> for Problem {
    fn from(down: Down) -> Self {
        Self::down(down)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = Body::from(serde_json::to_vec(&self).unwrap_or_default());
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        response.headers_mut().extend(self.headers.map(|headers| *headers).unwrap_or_default());
        response
    }
}

/// The body of a call.
pub(super) fn body<T>(read: Result<Json<T>, JsonRejection>) -> Result<T, Problem> {
    body_of(read, BODY_BYTES_MAX)
}

/// The body of a call that takes as many bytes as `most`.
pub(super) fn body_of<T>(body: Result<Json<T>, JsonRejection>, most: usize) -> Result<T, Problem> {
    let Json(body) = body.map_err(|rejection| match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            Problem::new(rejection.status(), "the body must be JSON, with the header `content-type: application/json`")
        }
        JsonRejection::BytesRejection(_) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(rejection.status(), format!("the body must have at most {most} bytes"))
        }
        _ => {
            let problem = Problem::new(rejection.status(), rejection.body_text());
            match field_of(&rejection) {
                Some((field, says)) => problem.in_body(&field, says),
                None => problem,
            }
        }
    })?;
    Ok(body)
}

/// All of a body that has at most so many bytes.
pub(super) async fn whole(body: Body, most: usize) -> Result<Bytes, Problem> {
    to_bytes(body, most).await.map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body must have at most {most} bytes")))
}

/// The field of a body that cannot be taken, and why; `None` where that is the body itself.
fn field_of(rejection: &JsonRejection) -> Option<(String, String)> {
    let mut cause = rejection.source();
    while let Some(error) = cause {
        if let Some(fault) = error.downcast_ref::<serde_path_to_error::Error<serde_json::Error>>() {
            let path = fault.path().to_string();
            return (path != ".").then(|| (path, fault.inner().to_string()));
        }
        cause = error.source();
    }
    None
}

/// The query of a call.
pub(super) fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(query)| query).map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))
}

/// The part of the path that names something.
pub(super) fn name(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    path.map(|Path(name)| name).map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))
}

/// Reads the part of the path that names something.
pub(super) fn read_name<T: FromStr<Err: Display>>(path: Result<Path<String>, PathRejection>) -> Result<T, Problem> {
    let text = name(path)?;
    text.parse().map_err(|why| Problem::unreadable(format!("`{text}` {why}")))
}

/// Reads what a caller wrote into the field `field` of a body.
pub(super) fn read_field<T: FromStr<Err: Display>>(field: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|why| Problem::of_body(field, format_args!("`{text}` {why}")))
}

/// Reads what a caller wrote into the parameter `parameter` of a query.
pub(super) fn read_parameter<T: FromStr<Err: Display>>(parameter: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|why| Problem::of_query(parameter, format_args!("`{text}` {why}")))
}

/// How many to list, at most `most`.
pub(super) fn limit(wanted: Option<usize>, most: usize) -> Result<usize, Problem> {
    let limit = wanted.unwrap_or(most);
    if (1..=most).contains(&limit) { Ok(limit) } else { Err(Problem::of_query("limit", format_args!("{limit} must be 1 to {most}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_by_a_json_pointer() {
        for (field, pointer) in [
            ("file", "#/file"),
            ("lines[0].sku", "#/lines/0/sku"),
            ("lines[0][1]", "#/lines/0/1"),
            ("customer.name", "#/customer/name"),
            ("a/b~c", "#/a~1b~0c"),
        ] {
            assert_eq!(Problem::of_body(field, "x").errors[0].pointer.as_deref(), Some(pointer), "{field}");
        }
        let of_query = Problem::of_query("limit", "0 must be 1 to 9");
        assert_eq!((of_query.detail.as_str(), of_query.errors[0].parameter.as_deref()), ("limit: 0 must be 1 to 9", Some("limit")));
    }

    #[test]
    fn a_problem_of_an_earlier_version_is_read() {
        let read: Problem = serde_json::from_str("{\"status\":404,\"title\":\"Not Found\",\"detail\":\"no\"}").unwrap();
        assert_eq!((&*read.kind, read.code, read.errors.len()), (BLANK, None, 0));
        let coded = serde_json::to_value(Problem::down(Down::Unreachable)).unwrap();
        assert_eq!((&coded["code"], &coded["type"]), (&"store_down".into(), &"urn:cloakroom:refusal:store_down".into()));
    }
}
