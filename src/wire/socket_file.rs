//! The files of unix sockets: stale ones replaced, made with the right group and mode, removed at the end.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind as bind_socket, connect, socket_with};

/// Group names are looked up here.
const GROUPS: &str = "/etc/group";

/// Each socket of ours.
pub(super) const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// A socket's file; dropping it removes the file, if it still is the one that was made.
#[derive(Debug)]
pub struct SocketFile {
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

/// A socket that is bound to `path`, and its file. A stale one is replaced: a socket to which nobody listens. A socket
/// for datagrams can be reached from here on; by nobody who may not, as its mode only widens, and after its group is set.
pub(super) fn bind(path: &Path, kind: SocketType, mode: u32, group: Option<&str>) -> Result<(OwnedFd, SocketFile), String> {
    let address = SocketAddrUnix::new(path).map_err(|_| "the path is too long for a socket; at most 107 bytes".to_owned())?;
    let group_id = match group {
        Some(name) => Some(group_id(name)?),
        None => None,
    };
    clear(path, &address, kind)?;
    let descriptor = socket_with(AddressFamily::UNIX, kind, FLAGS, None).map_err(|errno| odd("socket", errno))?;
    // Linux gives the file the mode of the socket.
    fchmod(&descriptor, Mode::RUSR | Mode::WUSR).map_err(|errno| odd("fchmod", errno))?;
    bind_socket(&descriptor, &address).map_err(|errno| unix_fault(path, errno))?;
    let fresh = fs::symlink_metadata(path).map_err(|error| format!("the socket's file is gone at once: {error}"))?;
    // From here on the file goes away with the value.
    let file = SocketFile { path: path.to_owned(), device: fresh.dev(), inode: fresh.ino() };
    own(path, fresh.gid(), group, group_id)?;
    fs::set_permissions(path, Permissions::from_mode(mode & 0o777)).map_err(|error| format!("its mode cannot be set: {error}"))?;
    Ok((descriptor, file))
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
fn clear(path: &Path, address: &SocketAddrUnix, kind: SocketType) -> Result<(), String> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("the path cannot be looked at: {error}")),
    };
    if !found.file_type().is_socket() {
        return Err("something that is not a socket has this path; it must be free or a socket of our own".to_owned());
    }
    let probe = socket_with(AddressFamily::UNIX, kind, FLAGS, None).map_err(|errno| odd("socket", errno))?;
    match connect(&probe, address) {
        Err(Errno::CONNREFUSED) => fs::remove_file(path).map_err(|error| format!("a stale socket cannot be removed: {error}")),
        // A full queue, too, is somebody's, and so is a socket of another kind.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Err("somebody answers there already; is another cloakroom running?".to_owned()),
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

/// A fault that needs no advice.
pub(super) fn odd(step: &str, errno: Errno) -> String {
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
