//! Sockets that were open before this process: handed over by systemd, or by whoever else speaks `sd_listen_fds(3)`.
//! They outlive the process, so that whoever connects during a restart waits and is answered.

use std::env;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use rustix::net::sockopt;

use super::listener::Socket;

/// What systemd calls a socket that got no name.
const NAMELESS: &str = "unknown";

/// The sockets that were passed to this process and that no listener has taken yet.
#[derive(Default)]
pub struct Passed {
    /// The name of each, in the order of the descriptors; `None` once it is taken.
    names: Vec<Option<String>>,
    descriptors: Option<ListenFd>,
}

impl std::fmt::Debug for Passed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passed").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Passed {
    /// No socket.
    pub fn none() -> Self {
        Self::default()
    }

    /// Those that the environment tells of, if it is meant for this process: `LISTEN_PID`, `LISTEN_FDS`, `LISTEN_FDNAMES`.
    /// To be asked once, before there are other threads: the environment is emptied of them, so that no process of ours
    /// takes them for its own. The error says what does not fit together.
    pub fn receive() -> Result<Self, String> {
        let told = |name: &str| env::var(name).unwrap_or_default();
        let names = names(&told("LISTEN_PID"), &told("LISTEN_FDS"), env::var("LISTEN_FDNAMES").ok().as_deref())?;
        if names.is_empty() {
            return Ok(Self::none());
        }
        let descriptors = ListenFd::from_env();
        Ok(Self { names: names.into_iter().map(Some).collect(), descriptors: Some(descriptors) })
    }

    /// The names of those that nobody took.
    pub fn left(&self) -> impl Iterator<Item = &str> {
        self.names.iter().flatten().map(String::as_str)
    }

    /// The socket `name`, which listens, never blocks and is not passed on; or what is wrong with it.
    pub(super) fn take(&mut self, name: &str) -> Result<Socket, String> {
        let places: Vec<usize> =
            (0..).zip(&self.names).filter(|(_, there)| there.as_deref() == Some(name)).map(|(place, _)| place).collect();
        let place = match places.as_slice() {
            [place] => *place,
            [] => return Err(self.missing(name)),
            _ => {
                return Err(format!(
                    "{} sockets have this name; give each .socket unit one ListenStream= and a FileDescriptorName= of its own",
                    places.len()
                ));
            }
        };
        let descriptors = self.descriptors.as_mut().ok_or("it was taken already")?;
        let odd = |error: std::io::Error| format!("the socket that was passed cannot be used: {error}");
        // Which of the two it is nobody says: each is asked for, and checks the kind.
        let socket = match descriptors.take_unix_listener(place) {
            Ok(Some(socket)) => Socket::Unix(socket),
            Ok(None) => return Err("it was taken already".to_owned()),
            Err(_) => match descriptors.take_tcp_listener(place) {
                Ok(Some(socket)) => Socket::Tcp(socket),
                Ok(None) => return Err("it was taken already".to_owned()),
                Err(_) => {
                    return Err("what was passed is no stream socket, of unix or TCP; the .socket unit needs ListenStream=".to_owned());
                }
            },
        };
        let (is_listening, nonblocking) = match &socket {
            Socket::Unix(socket) => (sockopt::socket_acceptconn(socket), UnixListener::set_nonblocking(socket, true)),
            Socket::Tcp(socket) => (sockopt::socket_acceptconn(socket), TcpListener::set_nonblocking(socket, true)),
        };
        nonblocking.map_err(odd)?;
        if !is_listening.map_err(|errno| odd(errno.into()))? {
            return Err("the socket that was passed does not listen; the .socket unit must not have Accept=yes".to_owned());
        }
        if let Some(name) = self.names.get_mut(place) {
            *name = None;
        }
        Ok(socket)
    }

    fn missing(&self, name: &str) -> String {
        let there: Vec<String> = self.left().map(|name| format!("\"systemd:{name}\"")).collect();
        if there.is_empty() {
            return format!(
                "no socket was passed to this process; start it by systemd, with a .socket unit that has FileDescriptorName={name}, or listen on a socket of your own, such as \"unix:/run/cloakroom/nginx.sock\""
            );
        }
        format!("no socket of this name was passed; there is {}; the .socket unit needs FileDescriptorName={name}", there.join(", "))
    }
}

impl Socket {
    /// A second descriptor of the same socket.
    pub(super) fn again(&self) -> std::io::Result<OwnedFd> {
        match self {
            Self::Unix(socket) => socket.try_clone().map(OwnedFd::from),
            Self::Tcp(socket) => socket.try_clone().map(OwnedFd::from),
        }
    }
}

/// The names of the descriptors that are meant for this process: none where `pid` is another's.
fn names(pid: &str, count: &str, names: Option<&str>) -> Result<Vec<String>, String> {
    if pid.parse() != Ok(std::process::id()) || count.is_empty() {
        return Ok(Vec::new());
    }
    let count: usize = count.parse().map_err(|_| format!("LISTEN_FDS must be a number, found \"{}\"", count.escape_debug()))?;
    let names: Vec<String> = match names.filter(|names| !names.is_empty()) {
        Some(names) => names.split(':').map(str::to_owned).collect(),
        None => vec![NAMELESS.to_owned(); count],
    };
    if names.len() == count {
        Ok(names)
    } else {
        Err(format!("LISTEN_FDNAMES has {} names for the {count} sockets of LISTEN_FDS", names.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_believed_when_it_is_ours_and_fits_together() {
        let own = std::process::id().to_string();
        for (pid, count, named, expected) in [
            (own.as_str(), "2", Some("web:admin"), Ok(vec!["web", "admin"])),
            (&own, "1", Some("cloakroom.socket"), Ok(vec!["cloakroom.socket"])),
            (&own, "2", None, Ok(vec!["unknown", "unknown"])),
            (&own, "1", Some(""), Ok(vec!["unknown"])),
            (&own, "0", None, Ok(vec![])),
            (&own, "", Some("web"), Ok(vec![])),
            ("", "2", Some("web:admin"), Ok(vec![])),
            ("1", "2", Some("web:admin"), Ok(vec![])),
            ("x", "2", None, Ok(vec![])),
            (&own, "2", Some("web"), Err("LISTEN_FDNAMES has 1 names for the 2 sockets")),
            (&own, "1", Some("web:admin"), Err("LISTEN_FDNAMES has 2 names for the 1 sockets")),
            (&own, "two", None, Err("LISTEN_FDS must be a number")),
            (&own, "-1", None, Err("LISTEN_FDS must be a number")),
        ] {
            match (names(pid, count, named), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{pid} {count} {named:?}"),
                (Err(said), Err(words)) => assert!(said.contains(words), "{said}"),
                (found, expected) => panic!("{pid} {count} {named:?}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn a_name_that_was_not_passed_is_told_with_those_that_were() {
        let mut passed = Passed::none();
        assert!(passed.take("web").expect_err("none").contains("no socket was passed to this process"));
        passed.names = vec![Some("web".to_owned()), Some("web".to_owned()), Some("admin".to_owned())];
        for (name, words) in
            [("other", "there is \"systemd:web\", \"systemd:web\", \"systemd:admin\""), ("web", "2 sockets have this name")]
        {
            let said = passed.take(name).expect_err(name);
            assert!(said.contains(words), "{said}");
        }
        assert_eq!(passed.left().count(), 3);
    }
}
