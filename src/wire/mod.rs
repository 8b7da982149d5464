//! How requests reach us: listeners, HTTP/1.1, FastCGI and SCGI with strict limits, and an end in which nobody is cut without
//! need.
//!
//! In reading order: [`listener`] (sockets, over `socket_file` and [`passed`]), [`serve`] (threads, accepting, draining), `connection` (one connection's
//! life and its timers, over `line`), [`gate`] (what HTTP allows and we do not), [`payload`] (bodies of answers), `cgi` (a
//! connection over [`fastcgi`] or [`scgi`]), [`secret`] (what a web server proves itself by).
//!
//! N threads with an event loop each accept on the same sockets; a connection goes to the thread that has the fewest
//! and stays there. A request on a `web` listener is its head: a body is never read nor waited for, because `auth_request`
//! announces bodies that it never sends.

mod caught;
mod cgi;
mod connection;
pub mod descriptors;
pub mod fastcgi;
pub mod gate;
pub mod limits;
mod line;
pub mod listener;
pub mod passed;
pub mod payload;
pub mod scgi;
pub mod secret;
pub mod serve;
mod socket_file;
pub mod tally;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};

use http::Response;
use http::request::Parts;

use crate::service::caller::Caller;

pub use limits::Limits;
pub use payload::{Payload, respond};
pub use secret::Secret;
pub use socket_file::SocketFile;
pub use tally::Tally;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Somebody whom the mode of a unix socket lets in: the number of the user, where the system was asked and told it.
    Unix(Option<u32>),
    /// Somebody at an address that the listener trusts.
    Tcp(SocketAddr),
}

impl Peer {
    /// The address, an IPv4 address mapped into IPv6 as IPv4; nobody has one on a unix socket.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(address) => Some(address.ip().to_canonical()),
        }
    }

    /// The same as the API knows it.
    pub(crate) fn caller(self) -> Caller {
        match self {
            Self::Unix(user) => Caller { user, address: None },
            Self::Tcp(_) => Caller { user: None, address: self.address() },
        }
    }
}

/// Answers the requests of a `web` listener from their heads alone.
pub trait Handler: Send + Sync + 'static {
    /// The answer to a request from `peer`. It is dropped unfinished when the peer goes away.
    fn answer(&self, head: Parts, peer: Peer) -> impl Future<Output = Response<Payload>> + Send;
}

impl<F, A> Handler for F
where
    F: Fn(Parts, Peer) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Payload>> + Send,
{
    fn answer(&self, head: Parts, peer: Peer) -> impl Future<Output = Response<Payload>> + Send {
        self(head, peer)
    }
}
