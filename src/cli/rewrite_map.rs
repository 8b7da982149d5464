//! `cloakroom rewrite-map`: a question a line from Apache's `mod_rewrite`, an answer a line from the running daemon.

use std::fmt;
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bytes::BytesMut;
use clap::Args;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::Common;
use super::failure::Failure;
use crate::config::{self, Address, Listener, Serve};
use crate::dialect::Dialect;
use crate::dialect::apache::Protocol;
use crate::dialect::apache::rewrite_map::{self, LINE_BYTES_MAX};
use crate::domain::moment::Span;
use crate::keys;
use crate::wire::scgi;

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
Apache starts it, once for all its processes, by a line such as

  RewriteMap cloakroom \"prg:/usr/local/bin/cloakroom rewrite-map\"

and conf-examples/apache/rewrite-map.conf asks and takes nothing but what it knows for an answer. It asks the daemon by the \
[[listener]] with dialect = \"apache\" and protocol = \"scgi\", each time anew, so that the daemon may restart. Apache lets one \
question wait for the other: prefer conf-examples/apache/downloads.conf where you can. What is wrong stands in Apache's error \
log.";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How long the daemon may take for an answer; all other requests that Apache rewrites wait meanwhile.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = Span::from_str)]
    timeout: Span,
    /// Where the listener is (`unix:/path`, or an address and port), where the configuration says only that systemd opens it.
    #[arg(long, value_name = "ADDRESS", value_parser = place)]
    to: Option<Place>,
}

/// Where a listener is.
#[derive(Clone, Debug)]
enum Place {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

fn place(text: &str) -> Result<Place, String> {
    match text.strip_prefix("unix:") {
        Some(path) if path.starts_with('/') => Ok(Place::Unix(path.into())),
        _ => text.parse().map(Place::Tcp).map_err(|_| "must be `unix:/path`, or an address and port such as 127.0.0.1:8472".to_owned()),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

/// The daemon's answer to a download is its head: more is a page, of which nothing is read.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let broken = |error: std::io::Error| Failure::failed(format!("cannot start: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
    let mut relay = Relay { limit: arguments.timeout, to: arguments.to.clone(), way: None, trouble: None };
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut line = Vec::new();
    loop {
        line.clear();
        let longest = LINE_BYTES_MAX as u64 + 2;
        if input.by_ref().take(longest).read_until(b'\n', &mut line).map_err(broken)? == 0 {
            return Ok(());
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else {
            // The rest of a line that is too long is no question of its own.
            input.skip_until(b'\n').map_err(broken)?;
        }
        let answer = runtime.block_on(relay.answer(&line, &common.config));
        let said = output.write_all(answer.as_bytes()).and_then(|()| output.write_all(b"\n")).and_then(|()| output.flush());
        if said.is_err() {
            // Apache is gone.
            return Ok(());
        }
    }
}

/// How the daemon is reached.
struct Way {
    address: Place,
    secret: Option<Zeroizing<String>>,
}

impl Way {
    /// By the first listener that speaks SCGI; `to` says where it is.
    fn find(configuration: &Path, to: Option<&Place>) -> Result<Self, String> {
        let read = config::load(configuration).map_err(|faults| faults.to_string())?;
        let speaks = |listener: &Listener| listener.serve == Serve::Web(Dialect::Apache(Protocol::Scgi));
        let listener = read.listeners.into_iter().find(speaks);
        let Some(Listener { address, secret, .. }) = listener else {
            return Err(format!(
                "{}: there is no [[listener]] with dialect = \"apache\" and protocol = \"scgi\", by which it could ask",
                configuration.display()
            ));
        };
        let address = match (to, address) {
            (Some(place), _) => place.clone(),
            (None, Address::Unix { path, .. }) => Place::Unix(path),
            (None, Address::Tcp(address)) => Place::Tcp(address),
            (None, Address::Passed(name)) => {
                return Err(format!(
                    "systemd:{name} says not where it is: add `--to unix:/run/cloakroom/{name}.sock`, or whatever its ListenStream= is"
                ));
            }
        };
        let line = |file: &Path| keys::secret_line(file).map_err(|cause| format!("{}: {cause}", file.display()));
        Ok(Self { address, secret: secret.as_deref().map(line).transpose()? })
    }

    async fn ask(&self, variables: &[(String, Vec<u8>)]) -> std::io::Result<Vec<u8>> {
        match &self.address {
            Place::Unix(path) => converse(UnixStream::connect(path).await?, variables).await,
            Place::Tcp(address) => converse(TcpStream::connect(address).await?, variables).await,
        }
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, variables: &[(String, Vec<u8>)]) -> std::io::Result<Vec<u8>> {
    let mut bytes = BytesMut::new();
    scgi::write(&mut bytes, variables);
    stream.write_all(&bytes).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX as u64).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// What is between Apache and the daemon. It never ends because something is wrong: a program that is gone is not started
/// again.
struct Relay {
    limit: Span,
    to: Option<Place>,
    way: Option<Way>,
    /// What was told last.
    trouble: Option<String>,
}

impl Relay {
    async fn answer(&mut self, line: &[u8], configuration: &Path) -> String {
        match self.asked(line, configuration).await {
            Ok(answer) => answer,
            Err(trouble) => {
                self.say(trouble);
                rewrite_map::unreachable()
            }
        }
    }

    /// Tells Apache's error log what is wrong; once, where each question would say the same.
    fn say(&mut self, trouble: String) {
        if self.trouble.as_ref() != Some(&trouble) {
            let _ = writeln!(std::io::stderr(), "cloakroom: rewrite-map: {trouble}");
            self.trouble = Some(trouble);
        }
    }

    async fn asked(&mut self, line: &[u8], configuration: &Path) -> Result<String, String> {
        let way = match self.way.take() {
            Some(way) => way,
            None => Way::find(configuration, self.to.as_ref())?,
        };
        let variables = rewrite_map::question(line, way.secret.as_ref().map(|secret| secret.as_str()));
        let variables = match variables {
            Ok(variables) => variables,
            Err(fault) => {
                self.way = Some(way);
                self.say(format!("not a question as conf-examples/apache/rewrite-map.conf asks them: {fault}"));
                return Ok(rewrite_map::not_understood());
            }
        };
        let answer = match timeout(self.limit.into(), way.ask(&variables)).await {
            Ok(Ok(answer)) => answer,
            // The way is looked up again next time: it may be another one.
            Ok(Err(error)) => return Err(format!("{}: {error}", way.address)),
            Err(_) => return Err(format!("{}: no answer within {}", way.address, self.limit)),
        };
        let (status, headers) = head(&answer).ok_or_else(|| format!("{}: what came is no answer of Cloakroom", way.address))?;
        if status >= 500 && !headers.contains_key("cloakroom-refusal") {
            // A secret may have been exchanged: it is read again the next time.
            return Err(format!("{}: the daemon answers {status} and no more; see `secret` of the [[listener]], and its log", way.address));
        }
        self.way = Some(way);
        // What is wrong the next time is told again.
        self.trouble = None;
        Ok(rewrite_map::answer(status, &headers))
    }
}

/// Status and headers of an answer as CGI writes it.
fn head(answer: &[u8]) -> Option<(u16, HeaderMap)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = std::str::from_utf8(answer.get(..end)?).ok()?;
    let mut lines = text.split("\r\n");
    let status = lines.next()?.strip_prefix("Status: ")?.get(..3)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        headers.append(HeaderName::from_str(name).ok()?, HeaderValue::from_str(value).ok()?);
    }
    Some((status, headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_whole_or_not_at_all() {
        let read = |text: &str| head(text.as_bytes()).map(|(status, headers)| (status, headers.len()));
        for (text, expected) in [
            ("Status: 200 OK\r\nA: b\r\nC: d\r\n\r\nbody", Some((200, 2))),
            ("Status: 503 Service Unavailable\r\n\r\n", Some((503, 0))),
            ("Status: 200 OK\r\nA: b\r\n", None),
            ("HTTP/1.1 200 OK\r\n\r\n", None),
            ("Status: 2\r\n\r\n", None),
            ("Status: 200 OK\r\nA\r\n\r\n", None),
            ("Status: 200 OK\r\nA b: c\r\n\r\n", None),
            ("", None),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }
}
