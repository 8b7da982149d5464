//! The API's client: talks to the running daemon over its socket.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ETAG, IF_MATCH};
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

/// The same where it reads a master first: 3.6 TB at 500 MB a second.
const LONG_PATIENCE: Duration = Duration::from_hours(2);

/// How long an answer may take; and the tag that what is changed must still have, where that matters.
type How<'tag> = (Duration, Option<&'tag str>);

/// Talks to one daemon.
#[derive(Debug)]
pub(super) struct Client {
    socket: PathBuf,
    /// What the history of a grant says that it was done with.
    agent: String,
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
    /// The client of the daemon that runs with this configuration, for a command such as `grant extend`.
    pub(super) fn of(configuration: &Configuration, command: &str) -> Result<Self, Failure> {
        let socket = configuration.listeners.iter().find_map(|listener| match (&listener.serve, &listener.address) {
            (Serve::Api, Address::Unix { path, .. }) => Some(path.clone()),
            _ => None,
        });
        let agent = format!("cloakroom {command}");
        socket.map(|socket| Self { socket, agent }).ok_or_else(|| {
            Failure::configuration(
                "the configuration has no [[listener]] with serve = \"api\" on a unix socket, over which commands reach the daemon; add\n\n    [[listener]]\n    address = \"unix:/run/cloakroom/api.sock\"\n    serve   = \"api\"\n    mode    = \"0600\"\n",
            )
        })
    }

    /// Asks for something.
    pub(super) fn fetch<Answer: DeserializeOwned>(&self, path: &str) -> Result<Answer, CallFault> {
        self.call(Method::GET, path, Bytes::new(), PATIENCE)
    }

    /// Asks for something that takes as long as it takes to read a large file.
    pub(super) fn fetch_slowly<Answer: DeserializeOwned>(&self, path: &str) -> Result<Answer, CallFault> {
        self.call(Method::GET, path, Bytes::new(), LONG_PATIENCE)
    }

    /// Asks for something to be done.
    pub(super) fn post<Answer: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<Answer, CallFault> {
        let body = serde_json::to_vec(body).map_err(|error| CallFault::Broken(error.to_string()))?;
        self.call(Method::POST, path, body.into(), PATIENCE)
    }

    /// Puts something in the place of what is there.
    pub(super) fn put<Answer: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<Answer, CallFault> {
        let body = serde_json::to_vec(body).map_err(|error| CallFault::Broken(error.to_string()))?;
        self.call(Method::PUT, path, body.into(), PATIENCE)
    }

    /// Puts what `change` makes of something in its place. Where somebody else changed it between the look and that, it is
    /// looked at once more.
    pub(super) fn change<Thing: Serialize + DeserializeOwned>(
        &self,
        path: &str,
        mut change: impl FnMut(&mut Thing) -> Result<(), Failure>,
    ) -> Result<Thing, Failure> {
        let mut look_and_put = || {
            let (told, tag) = self.told(Method::GET, path, Bytes::new(), (PATIENCE, None))?;
            let mut thing: Thing = read(&told)?;
            change(&mut thing)?;
            let body = serde_json::to_vec(&thing).map_err(|error| Failure::failed(error.to_string()))?;
            match self.told(Method::PUT, path, body.into(), (PATIENCE, tag.as_deref())) {
                Ok((told, _)) => Ok(Ok(read(&told)?)),
                Err(CallFault::Problem(problem)) if problem.status == StatusCode::PRECONDITION_FAILED => Ok(Err(problem)),
                Err(fault) => Err(Failure::from(fault)),
            }
        };
        match look_and_put()? {
            Ok(thing) => Ok(thing),
            Err(_) => look_and_put()?.map_err(|problem| CallFault::Problem(problem).into()),
        }
    }

    /// Takes something away.
    pub(super) fn delete<Answer: DeserializeOwned>(&self, path: &str) -> Result<Answer, CallFault> {
        self.call(Method::DELETE, path, Bytes::new(), PATIENCE)
    }

    /// Asks for something to be done that takes as long as a disk needs for many files.
    pub(super) fn post_slowly<Answer: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<Answer, CallFault> {
        let body = serde_json::to_vec(body).map_err(|error| CallFault::Broken(error.to_string()))?;
        self.call(Method::POST, path, body.into(), LONG_PATIENCE)
    }

    /// Asks for something to be done that needs no words.
    pub(super) fn order<Answer: DeserializeOwned>(&self, path: &str) -> Result<Answer, CallFault> {
        self.call(Method::POST, path, Bytes::new(), PATIENCE)
    }

    fn call<Answer: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes, patience: Duration) -> Result<Answer, CallFault> {
        read(&self.told(method, path, body, (patience, None))?.0)
    }

    /// What the daemon tells, not read yet, and its tag: this much is the same for every call, and stands in the program once.
    fn told(&self, method: Method, path: &str, body: Bytes, how: How<'_>) -> Result<(Bytes, Option<String>), CallFault> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| CallFault::Broken(error.to_string()))?;
        runtime.block_on(self.told_within(how, method, path, body))
    }

    /// Asks with this body, on a runtime that is there.
    pub(super) async fn ask<Answer: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, CallFault> {
        read(&self.told_within((PATIENCE, None), method, path, body).await?.0)
    }

    async fn told_within(
        &self,
        (patience, seen): How<'_>,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(Bytes, Option<String>), CallFault> {
        let late = |_| CallFault::Broken(format!("the daemon at {} did not answer within {} s", self.socket.display(), patience.as_secs()));
        let (status, tag, body) = tokio::time::timeout(patience, self.exchange(method, path, body, seen)).await.map_err(late)??;
        if !status.is_success() {
            let problem = serde_json::from_slice(&body).map_err(|_| CallFault::Broken(format!("the daemon answered {status}")))?;
            return Err(CallFault::Problem(problem));
        }
        Ok((body, tag))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        seen: Option<&str>,
    ) -> Result<(StatusCode, Option<String>, Bytes), CallFault> {
        let socket = &self.socket;
        let broken = |error: &dyn std::fmt::Display| CallFault::Broken(format!("the daemon at {}: {error}", socket.display()));
        let stream = UnixStream::connect(socket).await.map_err(|error| {
            CallFault::NotRunning(format!("cannot reach the daemon at {}: {error}; {}", socket.display(), advice(error.kind())))
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
        tokio::spawn(connection);
        let mut request = Request::builder();
        if let Some(tag) = seen {
            request = request.header(IF_MATCH, tag);
        }
        let request = request
            .method(method)
            .uri(path)
            .header("host", "cloakroom")
            .header("user-agent", &self.agent)
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| broken(&error))?;
        let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let status = answer.status();
        let tag = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|error| broken(&error))?;
        Ok((status, tag, body.to_bytes()))
    }
}

fn read<Answer: DeserializeOwned>(told: &[u8]) -> Result<Answer, CallFault> {
    serde_json::from_slice(told).map_err(|error| CallFault::Broken(format!("the daemon's answer cannot be read: {error}")))
}

/// The query of a call, with `?`; what was not said is left out.
pub(super) fn query(pairs: &[(&str, Option<&str>)]) -> String {
    let said = pairs.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded((*value)?))));
    let said = said.collect::<Vec<_>>().join("&");
    if said.is_empty() { said } else { format!("?{said}") }
}

/// What a person typed, as one segment of a path.
pub(super) fn encoded_segment(text: &str) -> String {
    encoded(text).replace('/', "%2F")
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

const fn advice(why: ErrorKind) -> &'static str {
    match why {
        ErrorKind::PermissionDenied => "run this as the daemon's user or as root",
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => "start it with `cloakroom serve` and the same --config",
        _ => "is `cloakroom serve` running?",
    }
}
