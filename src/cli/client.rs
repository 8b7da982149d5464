//! The API's client: talks to the running daemon over its socket.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::failure::Failure;
use crate::api::Problem;
use crate::config::{Address, Configuration, Serve};

/// No answer of the API is larger.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The daemon answers within this, or something is wrong with it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Talks to one daemon.
#[derive(Debug)]
pub(super) struct Client {
    socket: PathBuf,
}

/// Why a call did not bring an answer.
#[derive(Debug)]
pub(super) enum CallFault {
    /// Nobody listens.
    NotRunning(String),
    /// The daemon said no.
    Problem(Problem),
    /// Something else went wrong.
    Broken(String),
}

/// What it is, in words for whoever waits.
impl fmt::Display for CallFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(text) | Self::Broken(text) => f.write_str(text),
            Self::Problem(problem) => f.write_str(&problem.detail),
        }
    }
}

impl From<CallFault> for Failure {
    fn from(fault: CallFault) -> Self {
        match fault {
            CallFault::NotRunning(text) | CallFault::Broken(text) => Self::failed(text),
            CallFault::Problem(problem) if problem.status == StatusCode::UNPROCESSABLE_ENTITY => Self::usage(problem.detail),
            CallFault::Problem(problem) => Self::failed(problem.detail),
        }
    }
}

impl Client {
    /// The client of the daemon that runs with this configuration.
    pub(super) fn of(configuration: &Configuration) -> Result<Self, Failure> {
        let socket = configuration.listeners.iter().find_map(|listener| match (&listener.serve, &listener.address) {
            (Serve::Api, Address::Unix { path, .. }) => Some(path.clone()),
            _ => None,
        });
        socket.map(|socket| Self { socket }).ok_or_else(|| {
            Failure::configuration(
                "the configuration has no [[listener]] with serve = \"api\" on a unix socket, over which commands reach the daemon; add\n\n    [[listener]]\n    address = \"unix:/run/cloakroom/api.sock\"\n    serve   = \"api\"\n    mode    = \"0600\"\n",
            )
        })
    }

    /// Asks for something.
    pub(super) fn fetch<Answer: DeserializeOwned>(&self, path: &str) -> Result<Answer, CallFault> {
        self.call(Method::GET, path, Bytes::new())
    }

    /// Asks for something to be done.
    pub(super) fn post<Answer: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<Answer, CallFault> {
        let body = serde_json::to_vec(body).map_err(|error| CallFault::Broken(error.to_string()))?;
        self.call(Method::POST, path, body.into())
    }

    fn call<Answer: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, CallFault> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| CallFault::Broken(error.to_string()))?;
        runtime.block_on(self.ask(method, path, body))
    }

    /// Asks with this body, on a runtime that is there.
    pub(super) async fn ask<Answer: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, CallFault> {
        let late = |_| CallFault::Broken(format!("the daemon at {} did not answer within {} s", self.socket.display(), PATIENCE.as_secs()));
        let (status, body) = tokio::time::timeout(PATIENCE, exchange(&self.socket, method, path, body)).await.map_err(late)??;
        if !status.is_success() {
            let problem = serde_json::from_slice(&body).map_err(|_| CallFault::Broken(format!("the daemon answered {status}")))?;
            return Err(CallFault::Problem(problem));
        }
        serde_json::from_slice(&body).map_err(|error| CallFault::Broken(format!("the daemon's answer cannot be read: {error}")))
    }
}

const fn advice(why: ErrorKind) -> &'static str {
    match why {
        ErrorKind::PermissionDenied => "run this as the daemon's user or as root",
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => "start it with `cloakroom serve` and the same --config",
        _ => "is `cloakroom serve` running?",
    }
}

async fn exchange(socket: &Path, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), CallFault> {
    let broken = |error: &dyn std::fmt::Display| CallFault::Broken(format!("the daemon at {}: {error}", socket.display()));
    let stream = UnixStream::connect(socket).await.map_err(|error| {
        CallFault::NotRunning(format!("cannot reach the daemon at {}: {error}; {}", socket.display(), advice(error.kind())))
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "cloakroom")
        .header("content-type", "application/json")
        .body(Full::new(body))
        .map_err(|error| broken(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|error| broken(&error))?;
    Ok((status, body.to_bytes()))
}
