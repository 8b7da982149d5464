//! Work that comes to its end, whoever has gone meanwhile.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

/// Does the work of an answer to its end, also where its caller hangs up.
pub(super) async fn undisturbed(work: impl Future<Output = Response> + Send + 'static) -> Response {
    tokio::spawn(work).await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
