//! A unix socket that wakes its thread for what comes in, and for room to write only while it waits for room.
//!
//! The kernel tells a unix socket's owner of room whenever the peer has read something: on a connection that is watched
//! for both, each answer that nginx reads would wake the thread that sent it, for nothing.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// The socket. It is read and written without blocking.
pub(super) struct Quiet {
    socket: AsyncFd<UnixStream>,
    /// A second handle of the socket, watched for room, as long as there is none.
    room: Option<AsyncFd<UnixStream>>,
}

impl Quiet {
    /// Watches `stream`, which must not block, on this thread's event loop.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        Ok(Self { socket: watch(stream, Interest::READABLE)?, room: None })
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&mut &UnixStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match write(&mut self.socket.get_ref()) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                done => {
                    self.room = None;
                    return Poll::Ready(done);
                }
            }
            let room = match self.room.take() {
                Some(room) => room,
                None => watch(self.socket.get_ref().try_clone()?, Interest::WRITABLE)?,
            };
            let room = self.room.insert(room);
            // What was known of room is from before the attempt: it is forgotten, and waited for anew.
            ready!(room.poll_write_ready(cx))?.clear_ready();
        }
    }
}

/// Tokio deprecates this safe function for types that may lie about their descriptor or close it; a [`UnixStream`] owns
/// its descriptor and names the same one as long as it lives.
#[expect(deprecated, reason = "sound for a type of the standard library that owns its descriptor; the successor is unsafe")]
fn watch(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    AsyncFd::with_interest(stream, interest)
}

impl AsyncRead for Quiet {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let quiet = self.get_mut();
        loop {
            let mut ready = ready!(quiet.socket.poll_read_ready(cx))?;
            let space = buffer.initialize_unfilled();
            let size = space.len();
            match ready.get_inner().read(space) {
                Ok(count) => {
                    // Less than there was room for: nothing more is there, and the next attempt can wait for news.
                    if count > 0 && count < size {
                        ready.clear_ready();
                    }
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Quiet {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_with(cx, |socket| socket.write(bytes))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_with(cx, |socket| socket.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.get_ref().shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn more_than_the_socket_holds_is_written_as_the_peer_reads_it() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("not blocking");
        let sent: Vec<u8> = (0..8_u32 * 1024 * 1024).map(|at| u8::try_from(at % 251).expect("a byte")).collect();
        let wanted = sent.clone();
        let reader = std::thread::spawn(move || {
            let mut got = Vec::new();
            (&theirs).write_all(b"ready?").expect("asked");
            (&theirs).read_to_end(&mut got).expect("read");
            got
        });
        let mut quiet = Quiet::new(ours).expect("watched");
        let mut question = [0; 6];
        quiet.read_exact(&mut question).await.expect("a question");
        assert_eq!(&question, b"ready?");
        quiet.write_all(&sent).await.expect("written");
        quiet.shutdown().await.expect("shut");
        assert_eq!(quiet.read(&mut question).await.expect("the end"), 0);
        assert!(reader.join().expect("a reader") == wanted);
    }
}
