//! The life of one connection: requests through the gate to whoever answers, and a timer for whatever is waited for.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tower::ServiceExt as _;

use crate::config::Serve;
use crate::dialect::Dialect;
use crate::domain::authorization::Authorization;
use crate::proof::api_key::KeyText;
use crate::service::metrics::Metrics;

use super::limits::{HEAD_BYTES_MAX, Limits, STOP_PAUSE};
use super::line::{Line, Phase, Sending, Wire};
use super::listener::Bound;
use super::serve::{Answers, Stage};
use super::tally::{Hush, Tally};
use super::{Handler, Payload, Peer, Secret, gate, secret};

/// What the connections of one listener share.
pub(super) struct Door<H> {
    /// The listener's address, for the log.
    pub(super) name: String,
    pub(super) answers: Answers<H>,
    pub(super) limits: Limits,
    pub(super) tally: Arc<Tally>,
    pub(super) metrics: Arc<Metrics>,
    /// What the listener is for.
    pub(super) serve: Serve,
    pub(super) connections_max: u64,
    /// One permit a connection.
    pub(super) places: Arc<Semaphore>,
    /// Set when the daemon stops: each answer then closes its connection.
    pub(super) stopping: Arc<AtomicBool>,
    /// Set while a daemon that took over a socket answers those who waited: each answer closes its connection, too.
    pub(super) starting: Arc<AtomicBool>,
    pub(super) gated: Hush,
    pub(super) slow: Hush,
    pub(super) strangers: Hush,
    pub(super) full: Hush,
    pub(super) errors: Hush,
    /// What a web server has to say to be believed.
    secret: Option<Secret>,
    builder: Builder,
}

impl<H: Handler> Door<H> {
    pub(super) fn new(
        bound: &Bound,
        answers: Answers<H>,
        limits: Limits,
        metrics: Arc<Metrics>,
        secret: Option<Secret>,
        stopping: Arc<AtomicBool>,
    ) -> Self {
        let places = bound.connections_max.clamp(1, Semaphore::MAX_PERMITS);
        let mut builder = Builder::new();
        builder
            .max_buf_size(HEAD_BYTES_MAX)
            // The parser's timer would run while a connection is idle, too; ours knows the difference.
            .header_read_timeout(None)
            .half_close(false)
            // Nginx writes its own.
            .auto_date_header(bound.serve != Serve::Web(Dialect::Nginx));
        Self {
            name: bound.to_string(),
            answers,
            limits,
            tally: Arc::default(),
            metrics,
            serve: bound.serve,
            connections_max: u64::try_from(places).unwrap_or(u64::MAX),
            places: Arc::new(Semaphore::new(places)),
            stopping,
            starting: Arc::new(AtomicBool::new(bound.is_passed())),
            gated: Hush::default(),
            slow: Hush::default(),
            strangers: Hush::default(),
            full: Hush::default(),
            errors: Hush::default(),
            secret,
            builder,
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: Peer, line: &Line) -> Response<Payload> {
        let (mut head, body) = request.into_parts();
        let said = head.headers.remove(secret::HEADER);
        let mut close = false;
        let mut response = match gate::check(&head) {
            Err(fault) => {
                close = true;
                self.note_gated(&fault.reason);
                plain(fault.status)
            }
            Ok(()) if !self.believes(said.as_ref().map(HeaderValue::as_bytes)) => {
                close = true;
                plain(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Ok(()) => match &self.answers {
                Answers::Web(handler) => {
                    close = !body.is_end_stream();
                    drop(body);
                    handler.answer(head, peer).await
                }
                // Whom the API turns away in any case sends nothing for us to keep.
                Answers::Router(router) if self.serve == Serve::Api && peer.address().is_some() && !brings_key(&head.headers) => {
                    close = !body.is_end_stream();
                    drop(body);
                    route(router.clone(), head, Bytes::new(), peer).await
                }
                Answers::Router(router) => match self.whole(body).await {
                    Ok(body) => route(router.clone(), head, body, peer).await,
                    Err((status, detail)) => {
                        close = true;
                        problem(status, &detail)
                    }
                },
            },
        };
        if close {
            line.leave_unread();
        }
        if close || self.stopping.load(Ordering::Relaxed) || self.starting.load(Ordering::Relaxed) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Whether who asks has said what the listener wants to hear. A customer cannot mend it: it is no refusal.
    pub(super) fn believes(&self, said: Option<&[u8]>) -> bool {
        let Some(secret) = &self.secret else { return true };
        let is_known = said.is_some_and(|said| secret.is(said));
        if !is_known {
            self.tally.note_stranger();
            self.metrics.turned_away(self.serve);
            if let Some(count) = self.strangers.due() {
                let what = if said.is_some() { "another secret" } else { "no secret" };
                tracing::warn!(listener = %self.name, count, "refused a request that says {what}; see `secret`");
            }
        }
        is_known
    }

    /// Somebody was too slow.
    pub(super) fn note_slow(&self) {
        self.tally.note_timed_out();
        if let Some(count) = self.slow.due() {
            tracing::info!(listener = %self.name, count, "closed a connection that was too slow");
        }
    }

    /// The whole body of a request to the API, if it is small and comes soon.
    async fn whole(&self, body: Incoming) -> Result<Bytes, (StatusCode, Cow<'static, str>)> {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        match timeout(self.limits.body, Limited::new(body, self.limits.body_bytes_max).collect()).await {
            Ok(Ok(whole)) => Ok(whole.to_bytes()),
            Ok(Err(fault)) if fault.is::<LengthLimitError>() => {
                let most = self.limits.body_bytes_max;
                Err((StatusCode::PAYLOAD_TOO_LARGE, format!("the body must have at most {most} bytes").into()))
            }
            Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "the body cannot be read to its end".into())),
            Err(_) => {
                self.tally.note_timed_out();
                Err((StatusCode::REQUEST_TIMEOUT, "the body did not come in time".into()))
            }
        }
    }

    pub(super) fn note_gated(&self, reason: &dyn Display) {
        self.tally.note_gated();
        self.metrics.malformed(self.serve);
        if let Some(count) = self.gated.due() {
            tracing::warn!(listener = %self.name, count, "refused a request: {reason}");
        }
    }
}

/// Whether a call brings what may be a key of the API, once; whether it is one, the API decides.
fn brings_key(headers: &HeaderMap) -> bool {
    let mut brought = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(one), None) = (brought.next(), brought.next()) else { return false };
    matches!(Authorization::parse(one.as_bytes()), Some(Authorization::Bearer(text)) if KeyText::parse(&text).is_some())
}

async fn route(router: axum::Router, head: Parts, body: Bytes, peer: Peer) -> Response<Payload> {
    let mut request = Request::from_parts(head, axum::body::Body::from(body));
    request.extensions_mut().insert(peer.caller());
    match router.oneshot(request).await {
        Ok(response) => response.map(|body| Payload::stream(body.map_err(Into::into))),
    }
}

/// An answer to a caller of the API (RFC 9457).
fn problem(status: StatusCode, detail: &str) -> Response<Payload> {
    let title = status.canonical_reason().unwrap_or("Error");
    let text = serde_json::json!({ "type": "about:blank", "status": status.as_u16(), "title": title, "detail": detail }).to_string();
    let mut response = Response::new(Payload::from(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// An answer without words, to somebody who does not speak HTTP as we do.
pub(super) fn plain(status: StatusCode) -> Response<Payload> {
    let mut response = Response::new(Payload::Empty);
    *response.status_mut() = status;
    response
}

/// Runs one connection to its end.
pub(super) async fn run<S, H>(stream: S, peer: Peer, door: Arc<Door<H>>, mut stages: watch::Receiver<Stage>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let line = Arc::new(Line::default());
    let service = service_fn(|request| {
        line.begin();
        let (door, line) = (Arc::clone(&door), Arc::clone(&line));
        async move {
            let response = door.answer(request, peer, &line).await;
            Ok::<_, Infallible>(response.map(|payload| Sending::new(payload, line)))
        }
    });
    let wire = TokioIo::new(Wire::new(stream, Arc::clone(&line)));
    let mut connection = pin!(door.builder.serve_connection(wire, service));
    let mut closing = pin!(async move {
        let _ = stages.wait_for(|stage| *stage >= Stage::Closing).await;
    });
    let mut closes = None;
    let mut timer = Timer::new(door.limits);
    let late = poll_fn(|cx| {
        // How it ended does not matter, unless the parser has refused a request: then it has answered for us.
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            ended.err().filter(hyper::Error::is_parse).iter().for_each(|fault| door.note_gated(fault));
            return Poll::Ready(None);
        }
        if closes.is_none() && closing.as_mut().poll(cx).is_ready() {
            closes = Some(Instant::now());
        }
        timer.poll(cx, &line, closes).map(Some)
    })
    .await;
    if matches!(late, Some(Phase::Head | Phase::Busy)) {
        door.note_slow();
    }
}

/// The timer of a connection. It is set anew only when it has to ring earlier; when it rings too early, it looks again.
struct Timer {
    limits: Limits,
    sleep: Pin<Box<Sleep>>,
    turn: u32,
    since: Instant,
    stalled: Option<(u32, Instant)>,
}

impl Timer {
    fn new(limits: Limits) -> Self {
        let since = Instant::now();
        Self { limits, sleep: Box::pin(sleep(limits.idle)), turn: 0, since, stalled: None }
    }

    /// Ready with the phase that took too long. `closes` is when idle connections began to be closed.
    fn poll(&mut self, cx: &mut Context<'_>, line: &Line, closes: Option<Instant>) -> Poll<Phase> {
        let Some(deadline) = self.deadline(line, closes) else { return Poll::Pending };
        loop {
            if deadline < self.sleep.deadline() || self.sleep.is_elapsed() {
                self.sleep.as_mut().reset(deadline);
            }
            std::task::ready!(self.sleep.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(line.phase());
            }
        }
    }

    fn deadline(&mut self, line: &Line, closes: Option<Instant>) -> Option<Instant> {
        if line.turns() != self.turn {
            self.turn = line.turns();
            self.since = Instant::now();
        }
        self.stalled = match (line.stalled(), self.stalled) {
            (None, _) => None,
            (Some(writes), Some((known, since))) if writes == known => Some((known, since)),
            (Some(writes), _) => Some((writes, Instant::now())),
        };
        let phase = match line.phase() {
            // Bytes of a first request may be waiting in a socket that was accepted a moment ago.
            Phase::Idle if line.is_fresh() => Some(closes.map_or(self.since + self.limits.idle, |closes| closes + STOP_PAUSE)),
            Phase::Idle => Some(closes.unwrap_or(self.since + self.limits.idle)),
            Phase::Head => Some(self.since + self.limits.head),
            Phase::Busy => None,
            Phase::Linger => Some(self.since + self.limits.linger),
        };
        let write = self.stalled.map(|(_, since)| since + self.limits.write);
        match (phase, write) {
            (Some(phase), Some(write)) => Some(phase.min(write)),
            (one, other) => one.or(other),
        }
    }
}
