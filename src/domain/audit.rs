//! What the access log of a site says about its downloads, before Cloakroom is there.
//!
//! A *session* is the requests of one client (address and agent, or what the log itself says) for one file, none later
//! than [`Rules::grace`] after the one before it. A session that brought the whole file is one true download, however
//! many requests it took. How large a file is must mostly be inferred, which needs the whole log; so sessions that are
//! over wait, small, until the end, and are judged together. The order of lines of different clients changes nothing.
//!
//! Memory is bounded by the constants below; what is beyond them is counted in [`Beyond`] and told, never dropped in
//! silence.

mod findings;
mod hit;
mod interned;
mod judge;
mod keyed;
mod open;
mod selection;
mod session;
mod tallies;

use std::hash::{DefaultHasher, Hasher};

pub use findings::{Beyond, Findings, FoundClient, FoundFile, Hits, Sessions, Shared, SharedQuery, Strangers, Surety};
pub use hit::{Hit, Kind, Method, Part, Sent};
pub use judge::Measure;
pub use keyed::{Keyed, Keys};
pub use selection::{BadExtension, Selection};

use self::interned::Interned;
use self::keyed::Mix;
use self::open::Open;
use self::session::Closed;
use self::tallies::Tallies;
use super::moment::Span;

/// More files than this are not told apart: some 100 MB with their names.
pub const FILES_MAX: usize = 1 << 18;

/// More clients than this are not told apart: some 150 MB.
pub const CLIENTS_MAX: usize = 1 << 20;

/// More different agents are not kept as text.
pub const AGENTS_MAX: usize = 1 << 14;

/// More sessions are not open at once; the oldest end first. Some 100 MB.
pub const OPEN_MAX: usize = 1 << 19;

/// More sessions do not wait for the end of the log. Some 80 MB.
pub const CLOSED_MAX: usize = 1 << 20;

/// More ranges are not kept by all sessions together: 64 MB.
pub const RANGES_ALL_MAX: usize = 1 << 22;

/// More queries are not kept as text, and none that is longer.
pub const QUERIES_MAX: usize = 1 << 16;

/// The longest name, agent or query that is kept whole.
pub const TEXT_BYTES_MAX: usize = 2048;

/// A session is over so long after its first request, whatever comes.
const LIFE: Span = Span::from_days(7);

/// How an audit looks at a log.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Requests later than this after the one before begin a new session.
    pub grace: Span,
    /// An address that more networks than this fetched whole is shared.
    pub networks: u64,
    /// How many files, clients and shared addresses are named.
    pub top: usize,
    /// Whether queries are kept as text: they may be tokens.
    pub queries: bool,
}

/// A number for `bytes`, the same in every run.
fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The audit of one log, fed line by line.
#[derive(Debug)]
pub struct Audit {
    rules: Rules,
    keys: Keys,
    files: Interned<Box<[u8]>>,
    clients: Interned<u64, Mix>,
    open: Open,
    closed: Vec<Closed>,
    /// A host and a path as one name, reused.
    name: Vec<u8>,
    tallies: Tallies,
}

impl Audit {
    /// An audit that has seen nothing yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            open: Open::new(rules.grace, LIFE),
            rules,
            keys: Keys::default(),
            files: Interned::new(FILES_MAX),
            clients: Interned::new(CLIENTS_MAX),
            closed: Vec::new(),
            name: Vec::new(),
            tallies: Tallies::default(),
        }
    }

    /// What makes the numbers of its hits.
    pub fn keys(&self) -> Keys {
        self.keys.clone()
    }

    /// Takes in what answers without a body show about the column of bytes: how many had `0`, `-` and a number.
    pub fn add_bodyless(&mut self, zero: u64, dash: u64, number: u64) {
        self.tallies.bodyless.add(zero, dash, number);
    }

    /// Takes in one line for a download.
    pub fn add(&mut self, keyed: &Keyed<'_>) {
        let Keyed { hit, kind, .. } = keyed;
        self.tallies.hit(hit, *kind);
        let client = self.client(keyed);
        if let Some(client) = client {
            self.tallies.client_hit(client, hit, *kind);
        }
        if !matches!(kind, Kind::Whole | Kind::Part) {
            return;
        }
        let (Some(client), Some(file)) = (client, self.file(hit)) else {
            self.tallies.beyond.not_followed += 1;
            return;
        };
        self.tallies.file_hit(file, hit);
        if let (true, Some(query)) = (self.rules.queries, hit.query) {
            self.tallies.keep_query(file, keyed.link, query);
        }
        self.tallies.beyond.closed_early += self.open.join(file, client, keyed, &mut self.closed);
        if self.closed.len() >= CLOSED_MAX {
            self.tallies.beyond.judged_early += self.closed.len() as u64;
            self.settle();
        }
    }

    fn client(&mut self, keyed: &Keyed<'_>) -> Option<u32> {
        let client = self.clients.number(&keyed.client, |&key| key)?;
        if client.is_new {
            self.tallies.new_client(&keyed.hit, keyed.agent);
        }
        Some(client.number)
    }

    fn file(&mut self, hit: &Hit<'_>) -> Option<u32> {
        let name = if hit.host.is_empty() {
            hit.path
        } else {
            self.name.clear();
            self.name.extend_from_slice(hit.host);
            self.name.extend_from_slice(hit.path);
            &self.name
        };
        if name.len() > TEXT_BYTES_MAX {
            return None;
        }
        let file = self.files.number(name, |name: &[u8]| name.into())?;
        if file.is_new {
            self.tallies.new_file();
        }
        Some(file.number)
    }

    /// Judges the sessions that are over by what is known now.
    fn settle(&mut self) {
        self.tallies.judge(&self.closed);
        self.closed.clear();
    }

    /// The end of the log: what was found.
    pub fn finish(mut self) -> Findings {
        self.open.close_all(&mut self.closed);
        self.settle();
        let files = self.files.len() as u64;
        let clients = self.clients.len() as u64;
        self.tallies.findings(&self.rules, files, clients, &self.files.into_names())
    }
}

#[cfg(test)]
mod tests;
