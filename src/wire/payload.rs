//! Bodies of answers: none, one piece, or a stream. Only the stream costs an allocation of its own.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::dialect::Answer;

/// Why a body ended early.
pub type Broken = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer.
#[derive(Default)]
pub enum Payload {
    /// None.
    #[default]
    Empty,
    /// One piece.
    Whole(Bytes),
    /// Piece by piece.
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = Broken> + Send>>),
}

impl Payload {
    /// A body that comes piece by piece.
    pub fn stream(body: impl Body<Data = Bytes, Error = Broken> + Send + 'static) -> Self {
        Self::Stream(Box::pin(body))
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Whole(bytes) }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let payload = self.get_mut();
        match payload {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *payload = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(_) => false,
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// A dialect's answer as a response. `Content-Length` follows from the body.
pub fn respond(answer: Answer) -> Response<Payload> {
    let mut response = Response::new(Payload::from(answer.body));
    // An impossible status cannot say yes.
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.reserve(answer.headers.len());
    for (name, value) in answer.headers {
        headers.append(name, value);
    }
    response
}
