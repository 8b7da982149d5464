//! Deliveries: one download of one file version under one grant, however many requests it takes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::account::{Click, CopyReport};
use super::client::{Client, ClientKey};
use super::coverage::Coverage;
use super::file::{FileRef, Version};
use super::id::{DeliveryId, GrantId, LinkId, RequestId};
use super::moment::{Moment, Span};
use super::policy::Policy;

/// One download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The grant that pays for it.
    pub grant: GrantId,
    /// The link that was clicked; `None` where the file was fetched at the address of a copy, which no click leads past us.
    pub link: Option<LinkId>,
    /// What is sent.
    pub version: Version,
    /// Where that lies, where it is not what its grant is for any more: the file got another version, elsewhere, before this
    /// ended. What changes later does not change it: [`File::lay`](super::catalogue::File::lay) tells where it lay.
    pub at: Option<FileRef>,
    /// Where it stands.
    pub state: State,
    /// When the link was clicked; of a copy, when its first request was answered.
    pub offered: Moment,
    /// When it became an offer again, because nothing had been sent in answer to the requests that opened it.
    pub offered_again: Option<Moment>,
    /// When the first request was admitted.
    pub opened: Option<Moment>,
    /// The request that opened it.
    pub opened_by: Option<RequestId>,
    /// When the last request was admitted or reported.
    pub active: Moment,
    /// When one client had every byte, as far as reported.
    pub completed: Option<Moment>,
    /// When it ended, if it has.
    pub closed: Option<Moment>,
    /// The key of the cookie that the click gave out.
    pub cookie: ClientKey,
    /// Who clicked.
    pub clicked_by: Client,
    /// Whether somebody was sent on to a public directory or address for it: requests there do not pass by us, and are
    /// known from reports alone.
    pub away: bool,
    /// Body bytes charged: what was reported, and the most that unreported requests may send.
    pub bytes_charged: u64,
    /// The requests that were admitted, at most [`Delivery::REQUESTS_MAX`]: all that are in flight, and the latest that
    /// were reported.
    pub requests: BTreeMap<RequestId, Request>,
    /// How many requests more were admitted, of which only the number is kept.
    pub requests_folded: u64,
    /// The ranges that were sent, client by client.
    pub coverage: BTreeMap<ClientKey, Coverage>,
    /// Bytes that were sent and are in no coverage: those of answers in several parts or encoded, of which nobody said
    /// where in the file they stand, and those whose place was forgotten.
    pub bytes_unplaced: u64,
}

impl Delivery {
    /// How long an offer waits for its first request. A click leads there at once; an hour lets a person come back to
    /// a download dialogue.
    pub const OFFER_LIFETIME: Span = Span::from_hours(1);

    /// How many requests are remembered one by one, and so the most that can be in flight, whatever
    /// `connections_max` says. Readers of PDF files ask thousands of times: what was reported is only counted then.
    pub const REQUESTS_MAX: usize = 512;

    /// How many clients' coverage is kept; of more, the one with the fewest bytes is forgotten. One person is one or
    /// two clients, and a shared URL is bounded by its bytes.
    pub const CLIENTS_MAX: usize = 64;

    /// How many requests of a delivery that has ended are remembered: those that were never reported first, then the
    /// latest. A late report of another one changes nothing, and its charge stays the most that it may have sent.
    pub const REQUESTS_ENDED_MAX: usize = 16;

    /// How many ranges of a delivery that has ended are remembered, the largest, and of the best-covered client only.
    pub const RANGES_ENDED_MAX: usize = 64;

    /// What `click` makes: a delivery of which nothing was sent yet.
    pub fn offer(grant: GrantId, click: &Click) -> Self {
        Self {
            id: click.fresh,
            grant,
            link: Some(click.link),
            version: click.version.clone(),
            at: None,
            state: State::Offered,
            offered: click.now,
            offered_again: None,
            opened: None,
            opened_by: None,
            active: click.now,
            completed: None,
            closed: None,
            cookie: click.fresh_cookie,
            clicked_by: click.client.clone(),
            away: false,
            bytes_charged: 0,
            requests: BTreeMap::new(),
            requests_folded: 0,
            coverage: BTreeMap::new(),
            bytes_unplaced: 0,
        }
    }

    /// What a report about a copy begins: a delivery of whose requests nothing was known before. Who asked is told from
    /// others by the user name, too, which takes the place of a cookie.
    pub(super) fn of_copy(told: &CopyReport) -> Self {
        let began = told.report.ended;
        Self {
            id: told.fresh,
            grant: told.grant,
            link: None,
            version: told.version.clone(),
            at: None,
            state: State::Open,
            offered: began,
            offered_again: None,
            opened: Some(began),
            opened_by: Some(told.request.clone()),
            active: began,
            completed: None,
            closed: None,
            cookie: told.key,
            clicked_by: told.client.clone(),
            away: true,
            bytes_charged: 0,
            requests: BTreeMap::new(),
            requests_folded: 0,
            coverage: BTreeMap::new(),
            bytes_unplaced: 0,
        }
    }

    /// The client that was sent the most of the file.
    pub fn best_coverage(&self) -> Option<(ClientKey, &Coverage)> {
        self.coverage.iter().max_by_key(|(_, coverage)| coverage.bytes()).map(|(client, coverage)| (*client, coverage))
    }

    /// How many bytes of the file the best-covered client was sent.
    pub fn covered(&self) -> u64 {
        self.best_coverage().map_or(0, |(_, coverage)| coverage.bytes())
    }

    /// How many requests were admitted and not reported yet.
    pub fn in_flight(&self) -> usize {
        self.requests.values().filter(|request| request.report.is_none()).count()
    }

    /// How many requests were admitted.
    pub fn requests_total(&self) -> u64 {
        self.requests_folded.saturating_add(u64::try_from(self.requests.len()).unwrap_or(u64::MAX))
    }

    /// When nothing can join it any more: an offer after its lifetime, else `resume_grace` after the last request, at
    /// most [`Policy::RESUME_CAP`] after it opened. That moment is too late.
    pub fn grace_ends(&self, policy: &Policy) -> Moment {
        match self.opened {
            None => self.offered_again.unwrap_or(self.offered) + Self::OFFER_LIFETIME,
            Some(opened) => (self.active + policy.resume_grace).min(opened + Policy::RESUME_CAP),
        }
    }

    /// Whether its client was led to where requests do not pass by us, and none came by nevertheless: one whose stub could
    /// not be placed is sent on like any other.
    pub fn is_led_away(&self) -> bool {
        self.away && self.requests.values().all(|request| request.bytes_max == 0)
    }

    /// Whether it has neither ended nor run out of time.
    pub fn is_live(&self, policy: &Policy, now: Moment) -> bool {
        self.closed.is_none() && now < self.grace_ends(policy)
    }

    /// The key under which `client` is covered. Who clicked is one client, with the cookie of that click or without:
    /// `wget` and `aria2c` keep cookies for as long as they run, and resume in another run.
    pub(super) fn known_as(&self, client: ClientKey) -> ClientKey {
        if client == self.cookie { self.clicked_by.key() } else { client }
    }

    /// Whether one more request can be remembered.
    pub(super) fn has_room(&self) -> bool {
        self.requests.len() < Self::REQUESTS_MAX || self.state == State::Started || self.in_flight() < self.requests.len()
    }

    /// Remembers a request. When there are too many, the oldest that was reported becomes a mere number; where nobody
    /// reports, simply the oldest.
    pub(super) fn remember(&mut self, id: RequestId, request: Request) {
        if self.requests.len() >= Self::REQUESTS_MAX {
            self.fold_oldest();
        }
        self.bytes_charged = self.bytes_charged.saturating_add(request.bytes_max);
        if self.closed.is_none() {
            self.active = self.active.max(request.admitted);
        }
        self.requests.insert(id, request);
    }

    /// Keeps of a delivery that has ended what is looked at afterwards, in little room.
    pub(super) fn fold(&mut self) {
        let best = self.best_coverage().map(|(client, coverage)| (client, coverage.clone()));
        self.coverage = best.into_iter().collect();
        for coverage in self.coverage.values_mut() {
            coverage.keep_largest(Self::RANGES_ENDED_MAX);
        }
        while self.requests.len() > Self::REQUESTS_ENDED_MAX {
            self.fold_oldest();
        }
    }

    fn fold_oldest(&mut self) {
        let oldest = self.requests.iter().min_by_key(|(_, known)| (known.report.is_none(), known.admitted));
        if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
            self.requests.remove(&oldest);
            self.requests_folded = self.requests_folded.saturating_add(1);
        }
    }

    /// Whether all requests were reported, and none of them sent a byte.
    pub(super) fn has_sent_nothing(&self) -> bool {
        self.in_flight() == 0 && self.bytes_charged == 0
    }

    /// Makes it an offer once more, as if it had been clicked at `now`.
    pub(super) fn offer_again(&mut self, now: Moment) {
        self.state = State::Offered;
        self.offered_again = Some(now);
        self.opened = None;
        self.opened_by = None;
        self.coverage.clear();
    }

    /// Whether all that was sent, whoever was sent it and wherever it stands, may be every byte of the file. One person
    /// can come under several names, and in several parts at once.
    pub(super) fn may_have_arrived(&self) -> bool {
        let mut ranges: Vec<(u64, u64)> = self.coverage.values().flat_map(Coverage::ranges).copied().collect();
        ranges.sort_unstable();
        // Each range adds what lies behind all that were before it.
        let (sent, _) = ranges.into_iter().fold((self.bytes_unplaced, 0_u64), |(sent, reached), (first, end)| {
            (sent.saturating_add(end.saturating_sub(first.max(reached))), end.max(reached))
        });
        self.version.size > 0 && sent >= self.version.size
    }

    /// Adds what `report` says that `client` was sent, and tells whether `client` has the whole file now.
    pub(super) fn cover(&mut self, client: ClientKey, report: &Report) -> bool {
        if report.status >= 300 {
            return false;
        }
        let size = self.version.size;
        if size == 0 {
            return report.is_empty_file();
        }
        let Some((first, _)) = report.from.filter(|&(_, total)| total == size) else {
            // A whole answer that was compressed on its way holds every byte in fewer.
            let compressed = report.from.is_none() && report.status == 200 && report.finished && report.bytes > 0;
            let bytes = if compressed { report.bytes.max(size) } else { report.bytes };
            self.bytes_unplaced = self.bytes_unplaced.saturating_add(bytes);
            return false;
        };
        let coverage = self.coverage.entry(client).or_default();
        let mut forgotten = coverage.add(first.min(size), first.saturating_add(report.bytes).min(size));
        let whole = coverage.is_whole(size);
        if self.coverage.len() > Self::CLIENTS_MAX {
            let least = self.coverage.iter().min_by_key(|(_, coverage)| coverage.bytes()).map(|(client, _)| *client);
            forgotten += least.and_then(|least| self.coverage.remove(&least)).map_or(0, |coverage| coverage.bytes());
        }
        self.bytes_unplaced = self.bytes_unplaced.saturating_add(forgotten);
        whole
    }
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Clicked, nothing sent, nothing reserved.
    Offered,
    /// One unit is reserved.
    Open,
    /// One client has every byte; the unit is used.
    Completed,
    /// Ended without the whole file having been sent; the unit went back.
    Released,
    /// Ended with requests of which nothing is known, or with every byte sent but not shown to be sent to one client;
    /// the unit is used.
    Presumed,
    /// Nobody reports what is sent: the unit was used at the start.
    Started,
}

impl State {
    /// The word of output, log and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Open => "open",
            Self::Completed => "completed",
            Self::Released => "released",
            Self::Presumed => "presumed",
            Self::Started => "started",
        }
    }
}

/// One admitted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it was admitted.
    pub admitted: Moment,
    /// Who asked.
    pub client: ClientKey,
    /// From where.
    pub address: IpAddr,
    /// The most body bytes that it may send.
    pub bytes_max: u64,
    /// What the web server said that it sent, once it did.
    pub report: Option<Report>,
}

impl Request {
    /// What an answer can have beside the bytes of the file, or of its parts with their headers: the frames of chunked
    /// and of compressed bodies, a small share of them, and a page about an error.
    const BESIDE_SHARE: u64 = 64;
    const BESIDE_BYTES: u64 = 64 * 1024;

    /// The most body bytes that any answer to it can have had, of a file of `size` bytes. A web server may leave the range
    /// aside and send the whole; who reports more is wrong.
    pub const fn bytes_sent_max(&self, size: u64) -> u64 {
        let body = if self.bytes_max > size { self.bytes_max } else { size };
        body.saturating_add(body / Self::BESIDE_SHARE).saturating_add(Self::BESIDE_BYTES)
    }
}

/// What was sent in answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When the answer ended.
    pub ended: Moment,
    /// The status that the client got.
    pub status: u16,
    /// Body bytes that the system took for the client.
    pub bytes: u64,
    /// Whether the web server saw the answer end as it should.
    pub finished: bool,
    /// The range of the file that `bytes` are a prefix of: first byte and the total size. `None` where the bytes say
    /// nothing about the file: errors, several ranges, an encoded body.
    pub from: Option<(u64, u64)>,
}

impl Report {
    /// Whether an empty file was sent. Of what answers HEAD, which sends no bytes of any file, `from` is nothing.
    pub(super) fn is_empty_file(&self) -> bool {
        self.status == 200 && self.finished && self.bytes == 0 && self.from == Some((0, 0))
    }

    /// So far ahead of ours the clock of whoever reports may be.
    pub const AHEAD_MAX: Span = Span::from_seconds(5);

    /// Takes the report in at `now`: an answer of which is told had ended by then, whatever the report says. Tells whether
    /// it said otherwise. What ends in the future would keep its delivery open until then.
    pub fn arrive(&mut self, now: Moment) -> bool {
        let is_ahead = self.ended > now + Self::AHEAD_MAX;
        if is_ahead {
            self.ended = now;
        }
        is_ahead
    }

    /// Bytes that count against the budgets. A redirect or an error carries none of the file's: a server's page about
    /// a missing file must not use up the budget of a small one.
    pub const fn bytes_charged(&self) -> u64 {
        if self.status >= 300 { 0 } else { self.bytes }
    }
}
