//! The requests of one client for one file, joined: what may be one download.

use super::hit::Kind;
use super::keyed::Keyed;
use crate::domain::coverage::Coverage;

/// A session of which no request is older than the window.
#[derive(Clone, Debug)]
pub(super) struct Session {
    file: u32,
    client: u32,
    first: u64,
    pub(super) last: u64,
    requests: u32,
    ranged: u32,
    whole: u64,
    wholes: u32,
    largest_part: u64,
    parts: u64,
    link: u64,
    network: u64,
    /// Where the log tells which bytes were sent: the file's size and those bytes.
    told: Option<Box<(u64, Coverage)>>,
    again: u32,
}

/// A session that is over: what judging needs of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) file: u32,
    pub(super) client: u32,
    pub(super) network: u64,
    /// The digest of its first query; 0 where it had none.
    pub(super) link: u64,
    pub(super) requests: u32,
    pub(super) ranged: u32,
    /// The largest body of a 200, and how many were as large.
    pub(super) whole: u64,
    pub(super) wholes: u32,
    pub(super) largest_part: u64,
    /// All bytes of 206s.
    pub(super) parts: u64,
    /// Where the log tells ranges: the file's size, and whether every byte of it was sent.
    pub(super) told: Option<(u64, bool)>,
    /// How often it was sent whole beyond the first time, where the log tells ranges.
    pub(super) again: u32,
}

/// A session's ranges, if its client asks for so many pieces that they do not join: what is forgotten is counted too
/// little. A reader of documents leaves some hundreds.
pub(super) const RANGES_MAX: usize = 1024;

/// What a session keeps when all sessions together have too many.
pub(super) const RANGES_FEW: usize = 16;

/// A file and a client as one number.
pub(super) const fn key(file: u32, client: u32) -> u64 {
    (file as u64) << 32 | client as u64
}

impl Session {
    pub(super) fn new(file: u32, client: u32, keyed: &Keyed<'_>) -> Self {
        Self {
            file,
            client,
            first: keyed.hit.at,
            last: keyed.hit.at,
            requests: 0,
            ranged: 0,
            whole: 0,
            wholes: 0,
            largest_part: 0,
            parts: 0,
            link: keyed.link,
            network: keyed.network,
            told: None,
            again: 0,
        }
    }

    /// Whether a request at `at` belongs to it. Logs are written when answers end, so that times may step back.
    pub(super) const fn joins(&self, at: u64, grace: u64, life: u64) -> bool {
        at <= self.last.saturating_add(grace) && at <= self.first.saturating_add(life)
    }

    /// Adds a request that brought bytes of the file. Tells by how much its ranges have grown.
    pub(super) fn add(&mut self, keyed: &Keyed<'_>, ranges_max: usize) -> isize {
        let hit = &keyed.hit;
        self.last = self.last.max(hit.at);
        self.requests = self.requests.saturating_add(1);
        let bytes = hit.sent.bytes();
        match keyed.kind {
            Kind::Part => {
                self.ranged = self.ranged.saturating_add(1);
                self.parts = self.parts.saturating_add(bytes);
                self.largest_part = self.largest_part.max(bytes);
            }
            _ if bytes > self.whole => (self.whole, self.wholes) = (bytes, 1),
            _ if bytes == self.whole => self.wholes = self.wholes.saturating_add(1),
            _ => {}
        }
        let Some(part) = hit.part else { return 0 };
        let (total, coverage) = &mut **self.told.get_or_insert_with(|| Box::new((part.total, Coverage::default())));
        // Another size is another version of the file: what was sent of the old one helps nobody.
        if *total != part.total {
            (*total, *coverage) = (part.total, Coverage::default());
        }
        let before = coverage.ranges().len();
        if part.first == 0 && bytes >= part.total && coverage.is_whole(part.total) {
            self.again = self.again.saturating_add(1);
        }
        coverage.add(part.first, part.first.saturating_add(bytes).min(part.end));
        if coverage.ranges().len() > ranges_max {
            coverage.keep_largest(ranges_max);
        }
        isize::try_from(coverage.ranges().len()).unwrap_or(0) - isize::try_from(before).unwrap_or(0)
    }

    /// How many ranges it holds.
    pub(super) fn ranges(&self) -> usize {
        self.told.as_ref().map_or(0, |told| told.1.ranges().len())
    }

    /// The pair that it is found by.
    pub(super) const fn key(&self) -> u64 {
        key(self.file, self.client)
    }

    pub(super) fn close(&self) -> Closed {
        Closed {
            file: self.file,
            client: self.client,
            network: self.network,
            link: self.link,
            requests: self.requests,
            ranged: self.ranged,
            whole: self.whole,
            wholes: self.wholes,
            largest_part: self.largest_part,
            parts: self.parts,
            told: self.told.as_ref().map(|told| (told.0, told.1.is_whole(told.0))),
            again: self.again,
        }
    }
}
