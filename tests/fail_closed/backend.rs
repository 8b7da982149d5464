//! Somebody else in the daemon's place: answers every request with the same bytes, whatever they are.
#![allow(dead_code)]

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::servers::until;

/// What follows the answer.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// The connection is closed.
    Close,
    /// Nothing, until the other side closes it.
    Wait,
}

/// Where it listens.
#[derive(Clone, Debug)]
pub enum At {
    Socket(PathBuf),
    /// A port of 127.0.0.1.
    Port(u16),
}

/// When a request is there to its end.
#[derive(Clone, Copy, Debug)]
pub enum Talk {
    Http,
    Scgi,
    FastCgi,
}

impl Talk {
    fn is_whole(self, request: &[u8]) -> bool {
        match self {
            Self::Http => request.windows(4).any(|end| end == b"\r\n\r\n"),
            Self::Scgi => {
                let Some(colon) = request.iter().position(|byte| *byte == b':') else { return false };
                let length: usize = std::str::from_utf8(&request[..colon]).unwrap().parse().unwrap();
                request.len() > colon + 1 + length
            }
            Self::FastCgi => {
                let mut rest = request;
                while rest.len() >= 8 {
                    let length = usize::from(u16::from_be_bytes([rest[4], rest[5]])) + usize::from(rest[6]);
                    // Variables without content are the end of the variables.
                    if rest[1] == 4 && length == 0 {
                        return true;
                    }
                    if rest.len() < 8 + length {
                        return false;
                    }
                    rest = &rest[8 + length..];
                }
                false
            }
        }
    }
}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

macro_rules! either {
    ($stream:expr, $each:pat => $what:expr) => {
        match $stream {
            Stream::Unix($each) => $what,
            Stream::Tcp($each) => $what,
        }
    };
}

impl Listener {
    fn bind(at: &At) -> Self {
        match at {
            At::Socket(path) => {
                let listener = UnixListener::bind(path).unwrap();
                // Web servers ask as users of their own.
                fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
                Self::Unix(listener)
            }
            // A process that a test starts at this moment has the last listener's descriptor until it runs its program.
            At::Port(port) => Self::Tcp(until("the port", || TcpListener::bind(("127.0.0.1", *port)).ok())),
        }
    }

    fn accept(&self) -> Stream {
        match self {
            Self::Unix(listener) => Stream::Unix(listener.accept().unwrap().0),
            Self::Tcp(listener) => Stream::Tcp(listener.accept().unwrap().0),
        }
    }
}

impl Stream {
    fn another(&self) -> Self {
        match self {
            Self::Unix(stream) => Self::Unix(stream.try_clone().unwrap()),
            Self::Tcp(stream) => Self::Tcp(stream.try_clone().unwrap()),
        }
    }

    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => stream.read(piece))
    }

    fn say_no_more(&self) {
        let _ = either!(self, stream => stream.shutdown(Shutdown::Write));
    }
}

/// Ends with this value.
pub struct Backend {
    at: At,
    ends: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<Stream>>>,
    answering: Arc<Mutex<Vec<JoinHandle<()>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Backend {
    pub fn talking(at: &At, talk: Talk, says: Vec<u8>, then: Then) -> Self {
        let listener = Listener::bind(at);
        let (ends, open): (Arc<AtomicBool>, Arc<Mutex<Vec<Stream>>>) = <_>::default();
        let answering: Arc<Mutex<Vec<JoinHandle<()>>>> = Arc::default();
        let thread = thread::spawn({
            let (ends, open, says) = (ends.clone(), open.clone(), Arc::new(says));
            let started = Arc::clone(&answering);
            move || {
                loop {
                    let stream = listener.accept();
                    if ends.load(Ordering::SeqCst) {
                        return;
                    }
                    open.lock().unwrap().push(stream.another());
                    let says = says.clone();
                    started.lock().unwrap().push(thread::spawn(move || answer(stream, talk, &says, then)));
                }
            }
        });
        Self { at: at.clone(), ends, open, answering, thread: Some(thread) }
    }
}

fn answer(mut stream: Stream, talk: Talk, says: &[u8], then: Then) {
    let mut request = vec![];
    let mut piece = [0; 4096];
    while !talk.is_whole(&request) {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(length) => request.extend_from_slice(&piece[..length]),
        }
    }
    // The web server may have heard enough and hung up.
    let _ = either!(&mut stream, stream => stream.write_all(says));
    if let Then::Wait = then {
        while stream.read(&mut piece).is_ok_and(|length| length > 0) {}
    }
    stream.say_no_more();
    // A web server keeps connections, and asks on them: it must have heard of the end before the next backend is asked.
    let _ = either!(&stream, stream => stream.set_read_timeout(Some(Duration::from_secs(5))));
    while stream.read(&mut piece).is_ok_and(|length| length > 0) {}
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _awake = match &self.at {
            At::Socket(path) => UnixStream::connect(path).map(Stream::Unix),
            At::Port(port) => TcpStream::connect(("127.0.0.1", *port)).map(Stream::Tcp),
        };
        self.thread.take().unwrap().join().unwrap();
        for stream in self.open.lock().unwrap().drain(..) {
            stream.say_no_more();
        }
        for answering in self.answering.lock().unwrap().drain(..) {
            answering.join().unwrap();
        }
        if let At::Socket(path) = &self.at {
            fs::remove_file(path).unwrap();
        }
    }
}
