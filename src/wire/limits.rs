//! The limits of a connection, each with its reason.

use std::time::Duration;

use crate::config::Serve;
use crate::dialect::Dialect;

/// A head, request line and headers together, has at most so many bytes; the buffer of a connection is no larger.
/// Nginx sends about 600, and 8 KiB of address twice would not be a link of ours.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A request has at most so many header lines; the shipped configuration sends 14.
pub const HEADERS_MAX: usize = 64;

/// A request target has at most so many bytes: a signed URL has 300, and one with a JWT under 2,000.
pub const TARGET_BYTES_MAX: usize = crate::dialect::nginx::ADDRESS_BYTES_MAX;

/// The variables of a request over FastCGI or SCGI have at most so many bytes: Apache says an address of
/// [`TARGET_BYTES_MAX`] up to four times, once of them with each byte as three, beside 8 KiB of other headers and its own environment.
pub const VARIABLES_BYTES_MAX: usize = 64 * 1024;

/// A kernel queue this long holds what arrives during a restart or a burst. A full one is an error for nginx's client
/// at once. The kernel lowers it to `net.core.somaxconn`, which is 4096 by default.
pub const BACKLOG: i32 = 4096;

/// How long an accept loop rests after an error that only time can mend, such as too few file descriptors.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long connections in the kernel's queue are still accepted after the order to stop, if they are that many; and how
/// long one that was just accepted may take for its first byte.
pub const STOP_PAUSE: Duration = Duration::from_millis(100);

/// How long after its start each answer on a socket that was passed closes its connection. Who waited in its queue asks for
/// the second time, on a connection that nginx must not keep: the next time it would be dead together with the first one.
pub const START: Duration = Duration::from_millis(500);

/// How often it is looked whether the kernel's queue is empty.
pub const QUEUE_LOOK: Duration = Duration::from_millis(2);

/// How many bytes of a body that nobody reads are taken and thrown away before a connection is closed: closing with
/// unread bytes makes the kernel take back an answer that is still on its way.
pub const LINGER_BYTES_MAX: usize = 64 * 1024;

/// Messages about one kind of trouble on one listener come no more often.
pub const LOG_PAUSE: Duration = Duration::from_secs(10);

/// The limits of a listener's connections that tests and kinds of listeners vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From a head's first byte to its last.
    pub head: Duration,
    /// Without a request.
    pub idle: Duration,
    /// Without the peer taking a byte of what is being sent.
    pub write: Duration,
    /// For the body of a request to the API, from its head on.
    pub body: Duration,
    /// For what follows an answer on a connection that is to be closed.
    pub linger: Duration,
    /// Bytes of the body of a request to the API, whoever sends it; parts of an import, and lines of a web server, are the
    /// largest.
    pub body_bytes_max: usize,
}

impl Limits {
    /// What a listener of this kind gets.
    pub const fn of(serve: Serve) -> Self {
        let idle_seconds = match serve {
            // Longer than the 60 s after which nginx closes an idle connection of its upstream: the one that closes first
            // cannot be surprised by a request on its way.
            // The connections of `mod_proxy` end after 60 s, too, where nothing else is said; over FastCGI and SCGI each request
            // has its own.
            Serve::Web(Dialect::Nginx | Dialect::Apache(_)) | Serve::Api | Serve::Admin => 90,
            // Strangers hold no place for long.
            Serve::Web(Dialect::Standalone) => 15,
        };
        Self {
            head: Duration::from_secs(5),
            idle: Duration::from_secs(idle_seconds),
            write: Duration::from_mins(1),
            body: Duration::from_secs(10),
            linger: Duration::from_secs(2),
            body_bytes_max: 256 * 1024,
        }
    }
}
