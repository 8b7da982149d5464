//! Customers who never stop asking, and who count every answer that is not the one they came for.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Who asks at the same time. With nginx and the daemon on the same machine more only wait for each other.
const CUSTOMERS: usize = 4;

/// Longer than nginx waits for an answer: what takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// A question, and the body of the only right answer, which is 200.
#[derive(Clone)]
pub struct Ask {
    pub method: &'static str,
    pub target: String,
    pub body: Vec<u8>,
}

/// A running load; [`Load::end`] tells what came of it.
pub struct Load {
    ends: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    customers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Asks nginx at `port` for `target` over and over.
    pub fn begin(port: u16, target: &str, body: &[u8]) -> Self {
        Self::of(port, &[Ask { method: "GET", target: target.to_owned(), body: body.to_vec() }])
    }

    /// Asks nginx at `port` each question in turn, over and over, on connections that stay open.
    pub fn of(port: u16, asks: &[Ask]) -> Self {
        let (ends, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let customers = (0..CUSTOMERS).map(|_| {
            let (ends, asked, asks) = (Arc::clone(&ends), Arc::clone(&asked), asks.to_vec());
            thread::spawn(move || {
                let (mut failed, mut connection) = (vec![], None);
                for ask in asks.iter().cycle() {
                    if ends.load(Ordering::Relaxed) {
                        break;
                    }
                    match answer(&mut connection, port, ask) {
                        Ok((200, body)) if body == ask.body => {}
                        Ok((status, body)) => {
                            failed.push(format!("{} {}: {status} {}", ask.method, ask.target, String::from_utf8_lossy(&body)));
                        }
                        Err(error) => {
                            connection = None;
                            failed.push(format!("{} {}: {error}", ask.method, ask.target));
                        }
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                failed
            })
        });
        let customers = customers.collect();
        Self { ends, asked, customers }
    }

    /// How many answers came so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Stops, and gives how many answers came, and what was wrong with those that were.
    pub fn end(self) -> (usize, Vec<String>) {
        self.ends.store(true, Ordering::Relaxed);
        let failed = self.customers.into_iter().flat_map(|customer| customer.join().unwrap()).collect();
        (self.asked.load(Ordering::Relaxed), failed)
    }
}

/// Asks on the connection, a new one where there is none, and leaves it open unless nginx closes it.
fn answer(connection: &mut Option<BufReader<TcpStream>>, port: u16, ask: &Ask) -> io::Result<(u16, Vec<u8>)> {
    if connection.is_none() {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        *connection = Some(BufReader::new(stream));
    }
    let stream = connection.as_mut().ok_or(io::ErrorKind::NotConnected)?;
    stream.get_mut().write_all(format!("{} {} HTTP/1.1\r\nHost: shop.example\r\n\r\n", ask.method, ask.target).as_bytes())?;
    let (mut status, mut length, mut closes) = (0, 0, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(rest) = line.strip_prefix("http/1.1 ") {
            status = rest[..3].parse().unwrap();
        }
        if let Some(rest) = line.strip_prefix("content-length: ") {
            length = rest.parse().unwrap();
        }
        closes |= line == "connection: close";
    }
    let mut body = vec![0; if ask.method == "HEAD" { 0 } else { length }];
    stream.read_exact(&mut body)?;
    if closes {
        *connection = None;
    }
    Ok((status, body))
}
