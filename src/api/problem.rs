//! What is wrong with a call, and what would be right (RFC 9457).

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use axum::{Json, body::Body};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};

use super::BODY_BYTES_MAX;
use crate::store::Down;

/// Why a call failed (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// The status in words.
    pub title: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status: status.as_u16(), title: status.canonical_reason().unwrap_or("Error").to_owned(), detail: detail.into() }
    }

    pub(super) fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
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
        Self::unavailable(down.to_string())
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
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
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
        _ => Problem::new(rejection.status(), rejection.body_text()),
    })?;
    Ok(body)
}

/// The query of a call.
pub(super) fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(query)| query).map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))
}

/// The part of the path that names something.
pub(super) fn name(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    path.map(|Path(name)| name).map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))
}

/// Reads what a caller wrote into the field `field`; a part of the path has none.
pub(super) fn read<T: FromStr<Err: Display>>(field: &str, text: &str) -> Result<T, Problem> {
    let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
    text.parse().map_err(|why| Problem::unreadable(format!("{field}`{text}` {why}")))
}

/// How many to list, at most `most`.
pub(super) fn limit(wanted: Option<usize>, most: usize) -> Result<usize, Problem> {
    let limit = wanted.unwrap_or(most);
    if (1..=most).contains(&limit) { Ok(limit) } else { Err(Problem::unreadable(format!("limit: {limit} must be 1 to {most}"))) }
}
