//! One connection over FastCGI or SCGI: a request in variables, an answer as CGI writes it (RFC 3875, 6), the end.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use std::fmt::Display;
use std::future::pending;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::dialect::cgi::{SECRET, Variables};

use super::connection::{Door, plain};
use super::limits::{LINGER_BYTES_MAX, STOP_PAUSE};
use super::serve::{Answers, Stage};
use super::{Handler, Payload, Peer, fastcgi, scgi};

/// So much is read at a time: the variables of most requests.
const READ_BYTES: usize = 4096;

/// So much of an answer is sent at a time: all of most.
const SENT_BYTES: usize = 16 * 1024;

/// How a web server writes its request down.
pub(super) enum Talk {
    FastCgi(fastcgi::Reader),
    Scgi,
}

/// What a connection turned out to be.
enum Came {
    /// A request.
    Asked(Variables),
    /// One that is not let in.
    Refused(StatusCode),
    /// Nobody waits for an answer.
    Over,
}

impl Talk {
    /// What came so far; `None` while more is needed.
    fn read(&mut self, bytes: &mut BytesMut, mut note: impl FnMut(&dyn Display)) -> Option<Came> {
        let mut refused = |fault: &dyn Display, is_too_long: bool| {
            note(fault);
            Came::Refused(if is_too_long { StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE } else { StatusCode::BAD_REQUEST })
        };
        match self {
            Self::FastCgi(reader) => match reader.read(bytes) {
                Ok(fastcgi::Progress::More) => None,
                Ok(fastcgi::Progress::Asked(_, variables)) => Some(Came::Asked(variables)),
                Ok(fastcgi::Progress::Over) => Some(Came::Over),
                Err(fault) => Some(refused(&fault, fault.is_too_long())),
            },
            Self::Scgi => match scgi::read(bytes) {
                Ok(None) => None,
                Ok(Some(variables)) => Some(Came::Asked(variables)),
                Err(fault) => Some(refused(&fault, fault.is_too_long())),
            },
        }
    }

    /// What is to be sent before an answer.
    fn replies(&mut self) -> Bytes {
        match self {
            Self::FastCgi(reader) => reader.replies.split().freeze(),
            Self::Scgi => Bytes::new(),
        }
    }

    /// Whether an answer can be given: over FastCGI it names the request.
    const fn can_answer(&self) -> bool {
        match self {
            Self::FastCgi(reader) => reader.request().is_some(),
            Self::Scgi => true,
        }
    }

    fn output(&self, out: &mut BytesMut, piece: &[u8]) {
        match self {
            Self::FastCgi(reader) => fastcgi::output(out, reader.request().unwrap_or_default(), piece),
            Self::Scgi => out.extend_from_slice(piece),
        }
    }

    fn complete(&self, out: &mut BytesMut) {
        if let Self::FastCgi(reader) = self {
            fastcgi::complete(out, reader.request().unwrap_or_default());
        }
    }
}

/// Runs one connection to its end.
pub(super) async fn run<S, H>(mut stream: S, peer: Peer, mut talk: Talk, door: Arc<Door<H>>, stages: watch::Receiver<Stage>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let Some(came) = hear(&mut stream, &mut talk, &door, stages).await else { return };
    // A body that nobody reads; a web server that speaks FastCGI may send an end of one.
    let more_comes = match &came {
        Came::Asked(variables) => matches!(talk, Talk::FastCgi(_)) || variables.value("CONTENT_LENGTH") != Some(b"0"),
        Came::Refused(_) | Came::Over => true,
    };
    let (response, is_head) = match came {
        Came::Asked(variables) => answer(variables, peer, &door).await,
        Came::Refused(status) => (plain(status), false),
        Came::Over => return linger(stream, &door).await,
    };
    if talk.can_answer() && say(&mut stream, &talk, response, is_head, &door).await && more_comes {
        linger(stream, &door).await;
    }
}

/// Reads until a request is there. `None` where nobody is there any more, or took too long.
async fn hear<S, H>(stream: &mut S, talk: &mut Talk, door: &Door<H>, mut stages: watch::Receiver<Stage>) -> Option<Came>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    let deadline = Instant::now() + door.limits.head;
    let mut bytes = BytesMut::with_capacity(READ_BYTES);
    let mut closing = std::pin::pin!(async move {
        let _ = stages.wait_for(|stage| *stage >= Stage::Closing).await;
        // Bytes may be waiting in a socket that was accepted a moment ago.
        sleep(STOP_PAUSE).await;
    });
    let mut is_fresh = true;
    loop {
        bytes.reserve(READ_BYTES);
        let read = tokio::select! {
            biased;
            read = timeout_at(deadline, stream.read_buf(&mut bytes)) => read,
            () = async { if is_fresh { closing.as_mut().await } else { pending().await } } => return None,
        };
        match read {
            Ok(Ok(1..)) => is_fresh = false,
            Ok(Ok(_) | Err(_)) => return None,
            Err(_) => {
                door.note_slow();
                return None;
            }
        }
        let came = talk.read(&mut bytes, |fault| door.note_gated(fault));
        let replies = talk.replies();
        if !replies.is_empty() && !send(stream, &replies, door).await {
            return None;
        }
        if came.is_some() {
            return came;
        }
    }
}

/// The answer to a request, and whether it is to HEAD.
async fn answer<H: Handler>(mut variables: Variables, peer: Peer, door: &Door<H>) -> (Response<Payload>, bool) {
    let Answers::Web(handler) = &door.answers else { return (plain(StatusCode::INTERNAL_SERVER_ERROR), false) };
    let said = variables.take(SECRET);
    if !door.believes(said.as_deref()) {
        return (plain(StatusCode::INTERNAL_SERVER_ERROR), false);
    }
    match head(variables) {
        Ok(head) => {
            let is_head = head.method == Method::HEAD;
            (handler.answer(head, peer).await, is_head)
        }
        Err(fault) => {
            door.note_gated(&fault);
            (plain(StatusCode::BAD_REQUEST), false)
        }
    }
}

/// A request's head as the dialect reads it: the method, the client's headers, and the variables as an extension. Its
/// target is `/`: which of the variables tells the address is for the dialect to say.
fn head(variables: Variables) -> Result<Parts, String> {
    let method = variables.value("REQUEST_METHOD").ok_or("variable `REQUEST_METHOD` is missing")?;
    let method = Method::from_bytes(method).map_err(|_| "variable `REQUEST_METHOD` is not a method")?;
    let headers = variables.headers().map_err(|fault| fault.to_string())?;
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = method;
    head.headers = headers;
    head.extensions.insert(variables);
    Ok(head)
}

/// Sends the whole answer; `false` where it could not be.
async fn say<S, H>(stream: &mut S, talk: &Talk, response: Response<Payload>, is_head: bool, door: &Door<H>) -> bool
where
    S: AsyncWrite + Unpin,
    H: Handler,
{
    let (head, mut body) = response.into_parts();
    let mut text = BytesMut::with_capacity(512);
    text.extend_from_slice(b"Status: ");
    text.extend_from_slice(head.status.as_str().as_bytes());
    text.put_u8(b' ');
    // Without a reason Apache takes the line for odd.
    text.extend_from_slice(head.status.canonical_reason().unwrap_or("Refused").as_bytes());
    for (name, value) in &head.headers {
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
    }
    if let (Some(length), false, false) = (body.size_hint().exact(), is_head, head.headers.contains_key(header::CONTENT_LENGTH)) {
        text.extend_from_slice(b"\r\ncontent-length: ");
        text.extend_from_slice(length.to_string().as_bytes());
    }
    text.extend_from_slice(b"\r\n\r\n");
    let mut out = BytesMut::with_capacity(text.len() + 64);
    // `mod_authnz_fcgi` takes a body only where it comes in the record in which the headers end.
    while !is_head && !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        // A body that breaks must not look whole.
        let Ok(frame) = frame else { return false };
        let Ok(piece) = frame.into_data() else { continue };
        text.extend_from_slice(&piece);
        if text.len() > SENT_BYTES {
            talk.output(&mut out, &text.split());
            if !send(stream, &out.split(), door).await {
                return false;
            }
        }
    }
    talk.output(&mut out, &text);
    talk.complete(&mut out);
    send(stream, &out, door).await
}

/// Sends bytes to a peer that takes them.
async fn send<S: AsyncWrite + Unpin, H: Handler>(stream: &mut S, bytes: &[u8], door: &Door<H>) -> bool {
    let mut left = bytes;
    while !left.is_empty() {
        match timeout(door.limits.write, stream.write(left)).await {
            Ok(Ok(written @ 1..)) => left = left.get(written..).unwrap_or_default(),
            Ok(Ok(_) | Err(_)) => return false,
            Err(_) => {
                door.note_slow();
                return false;
            }
        }
    }
    true
}

/// Ends our side, and takes what still comes: closing over unread bytes makes the kernel take back an answer that is still on
/// its way.
async fn linger<S: AsyncRead + AsyncWrite + Unpin, H: Handler>(mut stream: S, door: &Door<H>) {
    let all = async {
        stream.shutdown().await?;
        let (mut scratch, mut taken) = ([0_u8; 2048], 0);
        while taken < LINGER_BYTES_MAX {
            match stream.read(&mut scratch).await? {
                0 => break,
                read => taken += read,
            }
        }
        std::io::Result::Ok(())
    };
    // Nothing depends on how it ends.
    let _ = timeout(door.limits.linger, all).await;
}
