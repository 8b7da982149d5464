//! Somebody else in the daemon's place: answers every request with the same bytes, whatever they are.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// What follows the answer.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// The connection is closed.
    Close,
    /// Nothing, until the other side closes it.
    Wait,
}

/// Ends with this value.
pub struct Backend {
    socket: PathBuf,
    ends: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<UnixStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Backend {
    pub fn start(socket: &Path, says: Vec<u8>, then: Then) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let (ends, open): (Arc<AtomicBool>, Arc<Mutex<Vec<UnixStream>>>) = <_>::default();
        let thread = thread::spawn({
            let (ends, open, says) = (ends.clone(), open.clone(), Arc::new(says));
            move || {
                for stream in listener.incoming() {
                    if ends.load(Ordering::SeqCst) {
                        return;
                    }
                    let stream = stream.unwrap();
                    open.lock().unwrap().push(stream.try_clone().unwrap());
                    let says = says.clone();
                    thread::spawn(move || answer(stream, &says, then));
                }
            }
        });
        Self { socket: socket.to_owned(), ends, open, thread: Some(thread) }
    }
}

fn answer(mut stream: UnixStream, says: &[u8], then: Then) {
    let mut request = vec![];
    let mut piece = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(length) => request.extend_from_slice(&piece[..length]),
        }
    }
    // nginx may have heard enough and hung up.
    let _ = stream.write_all(says);
    if let Then::Wait = then {
        while stream.read(&mut piece).is_ok_and(|length| length > 0) {}
    }
    let _ = stream.shutdown(Shutdown::Both);
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.socket);
        self.thread.take().unwrap().join().unwrap();
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        fs::remove_file(&self.socket).unwrap();
    }
}
