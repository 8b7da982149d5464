//! Somebody else in the daemon's place: answers every request with the same bytes, whatever they are.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

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
    answering: Arc<Mutex<Vec<JoinHandle<()>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Backend {
    pub fn start(socket: &Path, says: Vec<u8>, then: Then) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let (ends, open): (Arc<AtomicBool>, Arc<Mutex<Vec<UnixStream>>>) = <_>::default();
        let answering: Arc<Mutex<Vec<JoinHandle<()>>>> = Arc::default();
        let thread = thread::spawn({
            let (ends, open, says) = (ends.clone(), open.clone(), Arc::new(says));
            let started = Arc::clone(&answering);
            move || {
                for stream in listener.incoming() {
                    if ends.load(Ordering::SeqCst) {
                        return;
                    }
                    let stream = stream.unwrap();
                    open.lock().unwrap().push(stream.try_clone().unwrap());
                    let says = says.clone();
                    started.lock().unwrap().push(thread::spawn(move || answer(stream, &says, then)));
                }
            }
        });
        Self { socket: socket.to_owned(), ends, open, answering, thread: Some(thread) }
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
    let _ = stream.shutdown(Shutdown::Write);
    // nginx keeps connections, and asks on them: it must have heard of the end before the next backend is asked.
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    while stream.read(&mut piece).is_ok_and(|length| length > 0) {}
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.socket);
        self.thread.take().unwrap().join().unwrap();
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Write);
        }
        for answering in self.answering.lock().unwrap().drain(..) {
            answering.join().unwrap();
        }
        fs::remove_file(&self.socket).unwrap();
    }
}
