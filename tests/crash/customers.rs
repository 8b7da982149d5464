//! Customers who click, fetch, break off and resume, and note what they received.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom::domain::id::DeliveryId;
use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};

use crate::servers::until;

/// No answer takes longer, and a connection that hangs is one that broke.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often customers look whether the daemon is there again.
const LOOK: Duration = Duration::from_millis(2);

/// Numbers that come from a seed (xorshift).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `most`.
    pub fn roll(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % most
    }
}

/// What a customer received of a delivery in one answer.
#[derive(Clone, Debug)]
pub struct Received {
    /// `d-…`
    pub delivery: String,
    pub bytes: u64,
    /// The whole file, in one answer.
    pub whole: bool,
}

/// A link that can be clicked.
#[derive(Clone, Debug)]
pub struct Offer {
    pub target: String,
    pub size: u64,
}

/// What all of them share.
#[derive(Default)]
pub struct Street {
    /// The links that are clicked; the newest are the last.
    pub offers: Mutex<Vec<Offer>>,
    pub received: Mutex<Vec<Received>>,
    /// Answers of the daemon, whatever they said; not those of nginx about a daemon that is not there.
    pub answered: AtomicU64,
    /// Requests that broke off, or found nobody.
    pub broken: AtomicU64,
    /// Whether the daemon is thought to be there.
    pub is_up: AtomicBool,
    pub stop: AtomicBool,
}

/// An answer whose body is still coming.
struct Coming {
    stream: BufReader<TcpStream>,
    status: u16,
    location: Option<String>,
    length: u64,
}

impl Street {
    /// One customer, who comes again and again until it is time to stop.
    pub fn walk(&self, port: u16, number: u64, seed: u64) {
        let mut dice = Dice::new(seed ^ (number << 32));
        let agent = format!("customer-{number}");
        while !self.stop.load(Ordering::Relaxed) {
            let offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let offer = &offers[usize::try_from(dice.roll(offers.len() as u64)).unwrap()];
            // Half of them look like somebody else each time.
            let agent = if dice.roll(2) == 0 { agent.clone() } else { format!("{agent}-{}", dice.roll(1000)) };
            self.visit(port, &agent, offer, &mut dice);
            while !self.is_up.load(Ordering::Relaxed) && !self.stop.load(Ordering::Relaxed) {
                thread::park_timeout(LOOK);
            }
        }
    }

    fn visit(&self, port: u16, agent: &str, offer: &Offer, dice: &mut Dice) {
        let Some(clicked) = self.ask(port, agent, &offer.target, "") else { return };
        let Some(delivery) = clicked.location.filter(|_| clicked.status == 303) else { return };
        match dice.roll(8) {
            0..=1 => _ = self.fetch(port, agent, &delivery, 0, None),
            // Broken off; taken up where it ended, or not.
            2..=4 => {
                let got = self.fetch(port, agent, &delivery, 0, Some(dice.roll(offer.size))).unwrap_or(0);
                if got > 0 && got < offer.size && dice.roll(2) == 0 {
                    self.fetch(port, agent, &delivery, got, None);
                }
            }
            5 => {
                let middle = 1 + dice.roll(offer.size - 1);
                if self.fetch(port, agent, &delivery, middle, None).is_some() {
                    self.part(port, agent, &delivery, &format!("bytes=0-{}", middle - 1), None);
                }
            }
            6 => _ = self.part(port, agent, &delivery, &format!("bytes={}-", offer.size + 5), None),
            // Clicked, and nothing more.
            _ => {}
        }
    }

    /// From `first` on; gives how many bytes came.
    fn fetch(&self, port: u16, agent: &str, delivery: &str, first: u64, stop_after: Option<u64>) -> Option<u64> {
        let range = if first == 0 { String::new() } else { format!("bytes={first}-") };
        self.part(port, agent, delivery, &range, stop_after)
    }

    fn part(&self, port: u16, agent: &str, delivery: &str, range: &str, stop_after: Option<u64>) -> Option<u64> {
        let mut coming = self.ask(port, agent, delivery, range)?;
        if coming.status != 200 && coming.status != 206 {
            return None;
        }
        let wanted = stop_after.unwrap_or(coming.length).min(coming.length);
        let (mut bytes, mut buffer) = (0, vec![0; 16 * 1024]);
        while bytes < wanted {
            let most = usize::try_from(wanted - bytes).unwrap().min(buffer.len());
            match coming.stream.read(&mut buffer[..most]) {
                Ok(0) | Err(_) => break,
                Ok(more) => bytes += more as u64,
            }
        }
        let whole = coming.status == 200 && bytes == coming.length;
        let received = Received { delivery: delivery_of(delivery), bytes, whole };
        self.received.lock().unwrap().push(received);
        Some(bytes)
    }

    /// Asks, and reads the head of the answer; `None` when there is none, or nginx found nobody to ask.
    fn ask(&self, port: u16, agent: &str, target: &str, range: &str) -> Option<Coming> {
        let answer = head_of(port, agent, target, range);
        let good = answer.as_ref().is_some_and(|answer| answer.status != 502 && answer.status != 504);
        let count = if good { &self.answered } else { &self.broken };
        count.fetch_add(1, Ordering::Relaxed);
        if !good {
            thread::park_timeout(LOOK);
        }
        answer.filter(|_| good)
    }

    /// Waits until the daemon has answered so many times more.
    #[track_caller]
    pub fn answers(&self, more: u64) {
        let goal = self.answered.load(Ordering::Relaxed) + more;
        until("answers to customers", || (self.answered.load(Ordering::Relaxed) >= goal).then_some(()));
    }
}

fn head_of(port: u16, agent: &str, target: &str, range: &str) -> Option<Coming> {
    let mut stream = narrow(port)?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let range = if range.is_empty() { String::new() } else { format!("Range: {range}\r\n") };
    let head = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: {agent}\r\n{range}Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let (mut location, mut length) = (None, 0);
    loop {
        line.clear();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("location") {
            location = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok()?;
        }
    }
    Some(Coming { stream, status, location, length })
}

/// A connection with little room on this side, so that who does not read is sent little.
fn narrow(port: u16) -> Option<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_recv_buffer_size(&socket, 16 * 1024).unwrap();
    connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok()?;
    Some(TcpStream::from(socket))
}

/// The id that the token in `/dl/d/<token>/…` carries.
pub fn delivery_of(target: &str) -> String {
    let token = target.split("/dl/d/").nth(1).and_then(|rest| rest.split('/').next()).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    DeliveryId::new(bytes[2..14].try_into().unwrap()).to_string()
}
