//! Health and metrics, on a listener of their own.
//!
//! `GET /health` is 200 `ok` while every part is fine, else 503 with the parts that are not; as JSON when `Accept` asks
//! for it. `GET /metrics` is `OpenMetrics` text.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, StatusCode};

use crate::service::metrics::{self, Metrics};

/// Who asks for health waits for it, and a store that hangs is a store that is down.
const HEALTH_TIME_MAX: Duration = Duration::from_secs(2);

/// One part of the program, and what is wrong with it if something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// `store`, `feed`, `storage`.
    pub name: &'static str,
    /// What is wrong, in words for an operator; no secret, one line.
    pub fault: Option<String>,
}

/// What is asked, and answered later.
pub type Parts<'a> = Pin<Box<dyn Future<Output = Vec<Part>> + Send + 'a>>;

/// Knows how the program is.
pub trait HealthSource: Send + Sync {
    /// All parts, the healthy ones too.
    fn parts(&self) -> Parts<'_>;
}

/// What the admin listener shows.
#[derive(Clone)]
pub struct Admin {
    /// How the program is.
    pub health: Arc<dyn HealthSource>,
    /// What it counted.
    pub metrics: Arc<Metrics>,
}

/// The addresses of an admin listener.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "there is nothing here; `/health` and `/metrics` are") })
        .method_not_allowed_fallback(|| async { problem(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered") })
        .with_state(admin)
}

async fn health(State(admin): State<Admin>, asked: HeaderMap) -> Response {
    let parts = tokio::time::timeout(HEALTH_TIME_MAX, admin.health.parts()).await;
    let late = |_| vec![Part { name: "health", fault: Some(format!("no answer within {} s", HEALTH_TIME_MAX.as_secs())) }];
    let parts = parts.unwrap_or_else(late);
    let fine = parts.iter().all(|part| part.fault.is_none());
    let status = if fine { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if wants_json(&asked) {
        answer(status, "application/json", as_json(&parts, fine))
    } else {
        answer(status, "text/plain; charset=utf-8", as_text(&parts, fine))
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    answer(StatusCode::OK, metrics::CONTENT_TYPE, admin.metrics.text())
}

fn wants_json(asked: &HeaderMap) -> bool {
    asked.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|value| value.contains("application/json"))
}

/// `ok`, or a line for each part that is not.
fn as_text(parts: &[Part], fine: bool) -> String {
    if fine {
        return "ok\n".to_owned();
    }
    let faults = parts.iter().filter_map(|part| part.fault.as_ref().map(|fault| format!("{}: {fault}\n", part.name)));
    faults.collect()
}

/// `{"status":"failing","parts":{"store":"ok","feed":"…"}}`
fn as_json(parts: &[Part], fine: bool) -> String {
    let each = |part: &Part| (part.name.to_owned(), part.fault.clone().unwrap_or_else(|| "ok".to_owned()).into());
    let parts: serde_json::Map<_, _> = parts.iter().map(each).collect();
    let status = if fine { "ok" } else { "failing" };
    format!("{}\n", serde_json::json!({ "status": status, "parts": parts }))
}

fn problem(status: StatusCode, says: &str) -> Response {
    let kind = status.canonical_reason().unwrap_or("refused").to_ascii_lowercase();
    answer(status, "text/plain; charset=utf-8", format!("{kind}: {says}\n"))
}

fn answer(status: StatusCode, media_type: &'static str, body: String) -> Response {
    let headers: [(HeaderName, &str); 3] = [(CONTENT_TYPE, media_type), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::moment::Moment;
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    struct Known(Vec<Part>);

    impl HealthSource for Known {
        fn parts(&self) -> Parts<'_> {
            Box::pin(async { self.0.clone() })
        }
    }

    struct Silent;

    impl HealthSource for Silent {
        fn parts(&self) -> Parts<'_> {
            Box::pin(std::future::pending())
        }
    }

    fn fine(name: &'static str) -> Part {
        Part { name, fault: None }
    }

    fn failing(name: &'static str, fault: &str) -> Part {
        Part { name, fault: Some(fault.to_owned()) }
    }

    async fn ask(health: impl HealthSource + 'static, method: &str, path: &str, accept: &str) -> (u16, String, String) {
        let metrics = Arc::new(Metrics::new(Moment::EPOCH));
        let request = Request::builder().method(method).uri(path).header(ACCEPT, accept).body(Body::empty()).unwrap();
        let answer = router(Admin { health: Arc::new(health), metrics }).oneshot(request).await.unwrap();
        assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(answer.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        let media_type = answer.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, media_type, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn health_says_ok_or_which_part_is_not() {
        for (parts, accept, status, body) in [
            (vec![fine("store"), fine("feed")], "*/*", 200, "ok\n"),
            (vec![], "*/*", 200, "ok\n"),
            (vec![fine("store"), failing("feed", "no log")], "*/*", 503, "feed: no log\n"),
            (vec![failing("store", "full"), failing("feed", "no log")], "text/html", 503, "store: full\nfeed: no log\n"),
            (vec![fine("store")], "application/json", 200, "{\"parts\":{\"store\":\"ok\"},\"status\":\"ok\"}\n"),
            (
                vec![fine("store"), failing("feed", "a \"b\"")],
                "text/plain;q=0.1, application/json",
                503,
                "{\"parts\":{\"feed\":\"a \\\"b\\\"\",\"store\":\"ok\"},\"status\":\"failing\"}\n",
            ),
        ] {
            let (found, media_type, text) = ask(Known(parts), "GET", "/health", accept).await;
            assert_eq!((found, text.as_str()), (status, body), "{accept}");
            assert_eq!(media_type == "application/json", accept.contains("json"), "{media_type}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_health_that_does_not_come_is_bad_health() {
        let (status, _, text) = ask(Silent, "GET", "/health", "*/*").await;
        assert_eq!((status, text.as_str()), (503, "health: no answer within 2 s\n"));
    }

    #[tokio::test]
    async fn metrics_are_open_metrics() {
        let (status, media_type, text) = ask(Known(vec![]), "GET", "/metrics", "*/*").await;
        assert_eq!((status, media_type.as_str()), (200, "application/openmetrics-text; version=1.0.0; charset=utf-8"));
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[tokio::test]
    async fn nothing_else_is_answered() {
        for (method, path, status) in [
            ("GET", "/", 404),
            ("GET", "/health/", 404),
            ("POST", "/nothing", 404),
            ("POST", "/health", 405),
            ("DELETE", "/metrics", 405),
            ("HEAD", "/health", 200),
        ] {
            let (found, media_type, text) = ask(Known(vec![]), method, path, "*/*").await;
            assert_eq!((found, media_type.as_str()), (status, "text/plain; charset=utf-8"), "{method} {path}");
            assert_eq!(text.is_empty(), method == "HEAD", "{method} {path}: {text}");
        }
    }
}
