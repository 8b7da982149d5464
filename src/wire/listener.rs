//! Sockets that listen: made with the right owner, mode and queue, or a fault that says what would be right.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use ipnet::IpNet;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, bind as bind_socket, listen, socket_with, sockopt};

use crate::config::{Address, Listener, Serve};

use super::limits::BACKLOG;
use super::passed::Passed;
use super::socket_file::{self, FLAGS, SocketFile, odd};

/// Why a listener cannot listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindFault {
    /// The address as the configuration has it.
    pub address: String,
    /// What is in the way, and what would be right.
    pub fault: String,
}

impl fmt::Display for BindFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.fault)
    }
}

impl std::error::Error for BindFault {}

/// A socket that listens. Dropping it removes its file.
#[derive(Debug)]
pub struct Bound {
    /// What it is for.
    pub serve: Serve,
    /// Peers of a TCP listener that are believed.
    pub trusted_peers: Vec<IpNet>,
    /// At most so many connections.
    pub connections_max: usize,
    pub(super) socket: Socket,
    pub(super) file: Option<SocketFile>,
    address: Address,
}

impl Bound {
    /// Whether the socket was open before us, and stays so after us.
    pub(super) const fn is_passed(&self) -> bool {
        matches!(self.address, Address::Passed(_))
    }

    /// Whether it was passed and is a unix socket, whose peers have no address.
    pub const fn is_passed_unix(&self) -> bool {
        self.is_passed() && matches!(self.socket, Socket::Unix(_))
    }

    /// Where it listens; a TCP port that was given as 0 is the real one here.
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(&self.address))
    }
}

/// A socket that listens and never blocks.
#[derive(Debug)]
pub(super) enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// Opens the socket of `listener`, as [`open`] does where no socket was passed.
pub fn bind(listener: &Listener) -> Result<Bound, BindFault> {
    open(listener, &mut Passed::none())
}

/// Opens the socket of `listener`, or takes it from those that were `passed`.
///
/// A stale socket file is replaced: one that is a socket and on which nobody answers. The file has its mode and group
/// before the first connection can be made.
pub fn open(listener: &Listener, passed: &mut Passed) -> Result<Bound, BindFault> {
    let (socket, file, address) = match &listener.address {
        Address::Unix { path, mode, group } => {
            let (socket, file) = unix(path, *mode, group.as_deref()).map_err(|fault| at(&listener.address, fault))?;
            (Socket::Unix(socket), Some(file), listener.address.clone())
        }
        Address::Tcp(address) => {
            let (socket, real) = tcp(*address).map_err(|fault| at(&listener.address, fault))?;
            (socket, None, Address::Tcp(real))
        }
        Address::Passed(name) => {
            let socket = passed.take(name).map_err(|fault| at(&listener.address, fault))?;
            (socket, None, listener.address.clone())
        }
    };
    Ok(Bound {
        serve: listener.serve,
        trusted_peers: listener.trusted_peers.clone(),
        connections_max: listener.connections_max,
        socket,
        file,
        address,
    })
}

/// Opens the socket at `path` to which datagrams are sent, by the same rules; it never blocks. Its file is removed when
/// the second value is dropped.
pub fn bind_datagrams(path: &Path, mode: u32, group: Option<&str>) -> Result<(UnixDatagram, SocketFile), BindFault> {
    let bound = socket_file::bind(path, SocketType::DGRAM, mode, group);
    let (socket, file) = bound.map_err(|fault| BindFault { address: format!("unix:{}", path.display()), fault })?;
    Ok((socket.into(), file))
}

fn unix(path: &Path, mode: u32, group: Option<&str>) -> Result<(UnixListener, SocketFile), String> {
    let (socket, file) = socket_file::bind(path, SocketType::STREAM, mode, group)?;
    listen(&socket, BACKLOG).map_err(|errno| odd("listen", errno))?;
    Ok((socket.into(), file))
}

fn at(address: &Address, fault: String) -> BindFault {
    BindFault { address: text(address), fault }
}

fn text(address: &Address) -> String {
    match address {
        Address::Unix { path, .. } => format!("unix:{}", path.display()),
        Address::Tcp(address) => address.to_string(),
        Address::Passed(name) => format!("systemd:{name}"),
    }
}

fn tcp(address: SocketAddr) -> Result<(Socket, SocketAddr), String> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let descriptor = socket_with(family, SocketType::STREAM, FLAGS, None).map_err(|errno| odd("socket", errno))?;
    // A restart must not wait for old connections to be forgotten.
    sockopt::set_socket_reuseaddr(&descriptor, true).map_err(|errno| odd("SO_REUSEADDR", errno))?;
    bind_socket(&descriptor, &address).map_err(tcp_fault)?;
    listen(&descriptor, BACKLOG).map_err(tcp_fault)?;
    let real = rustix::net::getsockname(&descriptor).ok().and_then(|real| SocketAddr::try_from(real).ok()).unwrap_or(address);
    Ok((Socket::Tcp(descriptor.into()), real))
}

fn tcp_fault(errno: Errno) -> String {
    match errno {
        Errno::ADDRINUSE => "somebody listens there already; stop that program or choose another port".to_owned(),
        Errno::ADDRNOTAVAIL => "this machine does not have the address; use one of its own, such as 127.0.0.1".to_owned(),
        Errno::ACCESS => "ports below 1024 need a privilege; use a higher one".to_owned(),
        errno => odd("bind", errno),
    }
}
