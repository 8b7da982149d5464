//! Connections on their way: accepted on the event loop of one thread, and perhaps answered on another's.

use std::io;
use std::net::SocketAddr;
use std::os::unix::net as unix;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A listening socket on one thread's event loop.
pub(super) enum Ear {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// A connection on the event loop of the thread that accepted it.
pub(super) enum Caught {
    Unix(UnixStream),
    Tcp(TcpStream, SocketAddr),
}

impl Ear {
    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Caught> {
        match self {
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Caught::Unix(stream)),
            Self::Tcp(listener) => listener.accept().await.map(|(stream, peer)| Caught::Tcp(stream, peer)),
        }
    }
}

impl Caught {
    /// Off this thread's event loop, for another's.
    pub(super) fn loose(self) -> io::Result<Loose> {
        match self {
            Self::Unix(stream) => stream.into_std().map(Loose::Unix),
            Self::Tcp(stream, peer) => stream.into_std().map(|stream| Loose::Tcp(stream, peer)),
        }
    }
}

/// A connection on no event loop.
pub(super) enum Loose {
    Unix(unix::UnixStream),
    Tcp(std::net::TcpStream, SocketAddr),
}

impl Loose {
    /// Onto this thread's event loop.
    pub(super) fn caught(self) -> io::Result<Caught> {
        match self {
            Self::Unix(stream) => UnixStream::from_std(stream).map(Caught::Unix),
            Self::Tcp(stream, peer) => TcpStream::from_std(stream).map(|stream| Caught::Tcp(stream, peer)),
        }
    }
}
