//! `POST /api/v1/reports`: what the web server reports, handed over line by line.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use crate::feed::Batch;
use crate::feed::line::LINE_BYTES_MAX;
use crate::feed::tail::BATCH_LINES_MAX;
use crate::service::settle;
use crate::service::site::Site;

/// More lines are not taken at once.
pub const LINES_MAX: usize = BATCH_LINES_MAX;

/// So many bytes of lines are taken at once; any one line that can be understood is among them.
pub const LINES_BYTES_MAX: usize = 256 * 1024;

const _: () = assert!(LINE_BYTES_MAX < LINES_BYTES_MAX);

/// What became of the lines; each is in exactly one of the numbers. Handing them over again changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Handed {
    /// They reported a request of a delivery, and were settled.
    pub settled: usize,
    /// They name a delivery or a request that is not known, or was reported before.
    pub unknown: usize,
    /// They name no delivery.
    pub other: usize,
    /// They are not in the shipped log format.
    pub malformed: usize,
    /// What is wrong with the first that is not.
    pub first_fault: Option<String>,
}

/// Takes a body of lines in the shipped log format. Refused where nothing is measured: there a download counted when it
/// started, and a report could not change that.
pub(super) async fn take(State(site): State<Arc<Site>>, body: Result<Bytes, BytesRejection>) -> Result<Json<Handed>, Problem> {
    if !site.configuration.is_measured() {
        let detail = "the configuration has no [feed], so that downloads count when they start; write `from = \"api\"` under [feed]";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(rejection.status(), format!("the body must have at most {LINES_BYTES_MAX} bytes")),
        status => Problem::new(status, rejection.body_text()),
    })?;
    let lines = body.strip_suffix(b"\n").unwrap_or(&body);
    if lines.is_empty() {
        return Ok(Json(Handed::default()));
    }
    if lines.split(|&byte| byte == b'\n').nth(LINES_MAX).is_some() {
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body must have at most {LINES_MAX} lines")));
    }
    let batch = Batch::of_lines(lines.split(|&byte| byte == b'\n'));
    let settle::LineCounts { settled, unknown, other, malformed } = settle::take(&site, &batch).await.map_err(Problem::down)?;
    let first_fault = batch.faults.first().map(ToString::to_string);
    if let Some(first) = &first_fault {
        tracing::warn!(faults = malformed, lines = batch.lines, %first, "lines that were handed over were not understood");
    }
    Ok(Json(Handed { settled, unknown, other, malformed, first_fault }))
}
