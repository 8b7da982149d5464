//! Where a connection stands, told by those who know: reading tells that a head began, the service that it is complete,
//! the body's end that the answer has been given. One thread runs all of them; the atomics only make them shareable.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::limits::LINGER_BYTES_MAX;
use super::payload::{Broken, Payload};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for a request.
    Idle,
    /// A head has begun and is not complete.
    Head,
    /// A request is being answered.
    Busy,
    /// The last answer has been given; what still comes in is thrown away.
    Linger,
}

/// The state of one connection.
#[derive(Default)]
pub(super) struct Line {
    phase: AtomicU8,
    /// Counts changes of the phase.
    turns: AtomicU32,
    /// Counts writes that got on.
    writes: AtomicU32,
    /// The peer did not take what was written last.
    stalled: AtomicBool,
    /// Bytes of the next head came while a request was being answered.
    early: AtomicBool,
    /// Part of a request stays unread.
    unread: AtomicBool,
    /// A request has been read.
    asked: AtomicBool,
}

impl Line {
    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Busy,
            _ => Phase::Linger,
        }
    }

    fn enter(&self, phase: Phase) {
        let number = match phase {
            Phase::Idle => 0,
            Phase::Head => 1,
            Phase::Busy => 2,
            Phase::Linger => 3,
        };
        self.phase.store(number, Ordering::Relaxed);
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Changes whenever the phase was entered anew.
    pub(super) fn turns(&self) -> u32 {
        self.turns.load(Ordering::Relaxed)
    }

    /// While the peer does not take what is written: a number that changes when it took something.
    pub(super) fn stalled(&self) -> Option<u32> {
        self.stalled.load(Ordering::Relaxed).then(|| self.writes.load(Ordering::Relaxed))
    }

    /// Whether no request has been read yet.
    pub(super) fn is_fresh(&self) -> bool {
        !self.asked.load(Ordering::Relaxed)
    }

    /// A head is complete.
    pub(super) fn begin(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.enter(Phase::Busy);
    }

    /// Part of the request will stay unread.
    pub(super) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    fn note_read(&self) {
        match self.phase() {
            Phase::Idle => self.enter(Phase::Head),
            Phase::Busy => self.early.store(true, Ordering::Relaxed),
            Phase::Head | Phase::Linger => {}
        }
    }

    fn note_write(&self, progress: bool) {
        if progress {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
        self.stalled.store(!progress, Ordering::Relaxed);
    }

    fn note_answered(&self) {
        let early = self.early.swap(false, Ordering::Relaxed);
        self.enter(if early { Phase::Head } else { Phase::Idle });
    }
}

/// The body of an answer on its way: when it is dropped, the answer has been handed over.
pub(super) struct Sending {
    payload: Payload,
    line: Arc<Line>,
}

impl Sending {
    pub(super) fn new(payload: Payload, line: Arc<Line>) -> Self {
        Self { payload, line }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.line.note_answered();
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Pin::new(&mut self.get_mut().payload).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.payload.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.payload.size_hint()
    }
}

/// A socket that tells its [`Line`] what happens, and that is not closed over unread bytes.
pub(super) struct Wire<S> {
    stream: S,
    line: Arc<Line>,
    /// Our side is shut.
    shut: bool,
    /// Bytes thrown away since.
    discarded: usize,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S, line: Arc<Line>) -> Self {
        Self { stream, line, shut: false, discarded: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let wire = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut wire.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            wire.line.note_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let wire = self.get_mut();
        let written = Pin::new(&mut wire.stream).poll_write(cx, bytes);
        wire.line.note_write(written.is_ready());
        written
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[std::io::IoSlice<'_>]) -> Poll<std::io::Result<usize>> {
        let wire = self.get_mut();
        let written = Pin::new(&mut wire.stream).poll_write_vectored(cx, slices);
        wire.line.note_write(written.is_ready());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let wire = self.get_mut();
        if !wire.shut {
            ready!(Pin::new(&mut wire.stream).poll_shutdown(cx))?;
            wire.shut = true;
            // A head that was begun and not accepted may go on as well.
            if !wire.line.unread.load(Ordering::Relaxed) && wire.line.phase() != Phase::Head {
                return Poll::Ready(Ok(()));
            }
            wire.line.enter(Phase::Linger);
        }
        let mut scratch = [0_u8; 2048];
        while wire.discarded < LINGER_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut wire.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => wire.discarded += buffer.filled().len(),
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
