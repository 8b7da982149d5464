//! Customers who come at a steady rate, whatever becomes of those before them, and who count every answer that is not the
//! one they came for.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Requests a second. Each is due at a time of its own: those that fell due while nobody answered are sent as soon as
/// somebody is free, so that the rate holds on the whole.
pub const RATE: u32 = 2000;

/// Who can ask at the same time: enough for the rate while an answer takes 16 ms.
const CUSTOMERS: usize = 32;

/// Longer than nginx waits for an answer: what takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(90);

/// A question, and the body of the only right answer, which is 200.
#[derive(Clone)]
pub struct Ask {
    pub method: &'static str,
    pub target: String,
    pub body: Vec<u8>,
}

/// A running load; [`Load::end`] tells what came of it.
pub struct Load {
    shared: Arc<Shared>,
    customers: Vec<JoinHandle<Vec<String>>>,
}

/// What customers have in common.
struct Shared {
    began: Instant,
    ends: AtomicBool,
    /// The number of the request that falls due next.
    due: AtomicU32,
    sent: AtomicUsize,
    /// Answers of each customer.
    answered: Vec<AtomicUsize>,
}

/// What came of a load.
pub struct Ended {
    pub took: Duration,
    /// Answers, and connections that broke off.
    pub asked: usize,
    /// What was wrong with those that were.
    pub failed: Vec<String>,
}

impl Ended {
    /// Fails the test if anything failed, or if there was next to no load: a tenth of the rate is what a machine that is
    /// busy with ten other things still does.
    #[track_caller]
    pub fn assert_good(&self, what: &str) {
        let rate = self.asked as u128 * 1000 / self.took.as_millis().max(1);
        println!("{what}: {} answers in {:.1?}, {rate} a second of {RATE}, {} failed", self.asked, self.took, self.failed.len());
        assert_eq!(self.failed, Vec::<String>::new(), "of {}", self.asked);
        assert!(rate >= u128::from(RATE / 10), "{rate} a second");
    }
}

impl Load {
    /// Asks nginx at `port` for `target` over and over.
    pub fn begin(port: u16, target: &str, body: &[u8]) -> Self {
        Self::of(port, &[Ask { method: "GET", target: target.to_owned(), body: body.to_vec() }])
    }

    /// Asks nginx at `port` each question in turn, over and over, on connections that stay open.
    pub fn of(port: u16, asks: &[Ask]) -> Self {
        let shared = Arc::new(Shared {
            began: Instant::now(),
            ends: AtomicBool::new(false),
            due: AtomicU32::new(0),
            sent: AtomicUsize::new(0),
            answered: (0..CUSTOMERS).map(|_| AtomicUsize::new(0)).collect(),
        });
        let customers = (0..CUSTOMERS).map(|who| {
            let (shared, asks) = (Arc::clone(&shared), asks.to_vec());
            thread::spawn(move || {
                let (mut failed, mut connection) = (vec![], None);
                while let Some(number) = shared.next() {
                    let ask = &asks[number as usize % asks.len()];
                    shared.sent.fetch_add(1, Ordering::Relaxed);
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
                    shared.answered[who].fetch_add(1, Ordering::Relaxed);
                }
                failed
            })
        });
        let customers = customers.collect();
        Self { shared, customers }
    }

    /// How many answers came so far.
    pub fn asked(&self) -> usize {
        self.shared.asked()
    }

    /// How many answers each customer has. Whoever has more than before waits for nothing that was asked before.
    pub fn answers(&self) -> Vec<usize> {
        self.shared.answered.iter().map(|answered| answered.load(Ordering::Relaxed)).collect()
    }

    /// How many requests wait for their answer now.
    pub fn waiting(&self) -> usize {
        // Answers first: what is answered in between has been sent.
        let answered = self.asked();
        self.shared.sent.load(Ordering::Relaxed).saturating_sub(answered)
    }

    /// Stops, and gives what came of it.
    pub fn end(self) -> Ended {
        let took = self.shared.began.elapsed();
        self.shared.ends.store(true, Ordering::Relaxed);
        let failed = self.customers.into_iter().flat_map(|customer| customer.join().unwrap()).collect();
        Ended { took, asked: self.shared.asked(), failed }
    }
}

impl Shared {
    fn asked(&self) -> usize {
        self.answered.iter().map(|answered| answered.load(Ordering::Relaxed)).sum()
    }

    /// Waits until the next request is due, and gives its number; `None` at the end.
    fn next(&self) -> Option<u32> {
        let number = self.due.fetch_add(1, Ordering::Relaxed);
        let due = Duration::from_secs(1) / RATE * number;
        while let Some(early) = due.checked_sub(self.began.elapsed()).filter(|early| !early.is_zero()) {
            if self.ends.load(Ordering::Relaxed) {
                return None;
            }
            thread::park_timeout(early);
        }
        (!self.ends.load(Ordering::Relaxed)).then_some(number)
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
