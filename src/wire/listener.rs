//! Sockets that listen: made with the right owner, mode and queue, or a fault that says what would be right.

use std::fmt;
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind as bind_socket, connect, listen, socket_with, sockopt};

use crate::config::{Address, Listener, Serve};

use super::limits::BACKLOG;

/// Group names are looked up here.
const GROUPS: &str = "/etc/group";

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

/// A socket's file; dropping it removes the file, if it still is the one that was made.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let same = |found: &Metadata| found.dev() == self.device && found.ino() == self.inode;
        if fs::symlink_metadata(&self.path).is_ok_and(|found| same(&found)) {
            // Left behind, it is found stale at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens the socket of `listener`.
///
/// A stale socket file is replaced: one that is a socket and on which nobody answers. The file has its mode and group
/// before the first connection can be made.
pub fn bind(listener: &Listener) -> Result<Bound, BindFault> {
    let (socket, file, address) = match &listener.address {
        Address::Unix { path, mode, group } => {
            let (socket, file) = unix(path, *mode, group.as_deref()).map_err(|fault| at(&listener.address, fault))?;
            (socket, Some(file), listener.address.clone())
        }
        Address::Tcp(address) => {
            let (socket, real) = tcp(*address).map_err(|fault| at(&listener.address, fault))?;
            (socket, None, Address::Tcp(real))
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

fn at(address: &Address, fault: String) -> BindFault {
    BindFault { address: text(address), fault }
}

fn text(address: &Address) -> String {
    match address {
        Address::Unix { path, .. } => format!("unix:{}", path.display()),
        Address::Tcp(address) => address.to_string(),
    }
}

const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

fn unix(path: &Path, mode: u32, group: Option<&str>) -> Result<(Socket, SocketFile), String> {
    let address = SocketAddrUnix::new(path).map_err(|_| "the path is too long for a socket; at most 107 bytes".to_owned())?;
    let group_id = match group {
        Some(name) => Some(group_id(name)?),
        None => None,
    };
    clear(path, &address)?;
    let descriptor = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None).map_err(|errno| odd("socket", errno))?;
    bind_socket(&descriptor, &address).map_err(|errno| unix_fault(path, errno))?;
    let fresh = fs::symlink_metadata(path).map_err(|error| format!("the socket's file is gone at once: {error}"))?;
    // From here on the file goes away with the value.
    let file = SocketFile { path: path.to_owned(), device: fresh.dev(), inode: fresh.ino() };
    // Nobody can connect before `listen`, so there is no moment with a wider mode.
    fs::set_permissions(path, Permissions::from_mode(mode & 0o777)).map_err(|error| format!("its mode cannot be set: {error}"))?;
    own(path, fresh.gid(), group, group_id)?;
    listen(&descriptor, BACKLOG).map_err(|errno| odd("listen", errno))?;
    Ok((Socket::Unix(descriptor.into()), file))
}

/// Gives the socket to `group`; without one to its directory's group, where we may.
fn own(path: &Path, own_group: u32, group: Option<&str>, group_id: Option<u32>) -> Result<(), String> {
    if let (Some(name), Some(id)) = (group, group_id) {
        return chown(path, None, Some(id))
            .map_err(|error| format!("its group cannot be `{name}`: {error}; the user of the daemon must be a member of that group"));
    }
    let directory = fs::metadata(parent(path)).map_or(own_group, |directory| directory.gid());
    if directory != own_group {
        // Not a member of it: then the group of the process it is, as for any file.
        let _ = chown(path, None, Some(directory));
    }
    Ok(())
}

/// Removes a stale socket.
fn clear(path: &Path, address: &SocketAddrUnix) -> Result<(), String> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("the path cannot be looked at: {error}")),
    };
    if !found.file_type().is_socket() {
        return Err("something that is not a socket has this path; it must be free or a socket of our own".to_owned());
    }
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None).map_err(|errno| odd("socket", errno))?;
    match connect(&probe, address) {
        Err(Errno::CONNREFUSED) => fs::remove_file(path).map_err(|error| format!("a stale socket cannot be removed: {error}")),
        // A full queue, too, is somebody's.
        Ok(()) | Err(Errno::AGAIN) => Err("somebody answers there already; is another cloakroom running?".to_owned()),
        Err(errno) => Err(format!("a socket is there and cannot be asked whose it is: {}", io::Error::from(errno))),
    }
}

fn unix_fault(path: &Path, errno: Errno) -> String {
    let directory = parent(path).display();
    match errno {
        Errno::NOENT | Errno::NOTDIR => format!("the directory {directory} does not exist; make it, owned by the user of the daemon"),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => format!("the user of the daemon must be able to write to the directory {directory}"),
        Errno::ADDRINUSE => "somebody took the path a moment ago; is another cloakroom running?".to_owned(),
        errno => odd("bind", errno),
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn group_id(name: &str) -> Result<u32, String> {
    let groups = fs::read_to_string(GROUPS).map_err(|error| format!("{GROUPS} cannot be read: {error}"))?;
    find_group(&groups, name).ok_or_else(|| format!("there is no group `{name}` in {GROUPS}"))
}

/// The number of the group `name` in the text of a group file: `name:password:number:members`.
fn find_group(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
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

fn odd(step: &str, errno: Errno) -> String {
    format!("{step}: {}", io::Error::from(errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let file = "root:x:0:\nwww:x:7:\n# a note\nwww-data:x:33:cloakroom,shop\nbroken\nodd:x:many:\n";
        for (name, id) in
            [("root", Some(0)), ("www-data", Some(33)), ("www", Some(7)), ("data", None), ("broken", None), ("odd", None), ("", None)]
        {
            assert_eq!(find_group(file, name), id, "{name:?}");
        }
    }
}
