//! The rules once more, as plainly as can be: the whole history is kept, every number is counted from it anew, and
//! coverage is a row of booleans.

use std::collections::{BTreeMap, BTreeSet};

use cloakroom::domain::delivery::State;
use cloakroom::domain::grant::Standing;
use cloakroom::domain::order::OrderState;
use cloakroom::domain::refusal::Refusal;

const HOUR: u64 = 3_600_000;
const OFFERS: usize = 32;

#[derive(Clone)]
pub struct Model {
    pub max: Option<u32>,
    pub retry: u32,
    /// Of the current version.
    pub size: u64,
    /// Counts the versions.
    pub version: u32,
    pub connections: usize,
    pub grace: u64,
    pub expires: Option<u64>,
    pub standing: Standing,
    /// What its order says.
    pub gate: OrderState,
    /// The hosts that may come; none is all.
    pub inside: Vec<u8>,
    pub networks_max: Option<usize>,
    /// By [`network`].
    pub networks: BTreeSet<u8>,
    /// Bytes of what is closed, as they are charged since the last reset.
    pub closed_bytes: u64,
    /// When that was.
    pub reset: Option<u64>,
    /// The numbers of those that were used before the last reset, or ended before it and arrived since.
    pub forgiven: BTreeSet<usize>,
    pub downloads: Vec<Download>,
    /// How many arrived after they were released.
    pub late: u32,
    /// The hosts, by the order of their keys.
    pub order: Vec<u8>,
}

/// The address of each host, and the number of its network: two share one of IPv4, one of them mapped; two share one of
/// IPv6; the others are alone.
pub const HOSTS: [(&str, u8); 6] = [
    ("192.0.2.1", 0),
    ("::ffff:192.0.2.250", 0),
    ("192.0.3.1", 1),
    ("2001:db8:0:100::4", 2),
    ("2001:db8:0:1ff::5", 2),
    ("2001:db8:0:200::6", 3),
];

fn network(host: u8) -> u8 {
    HOSTS[usize::from(host)].1
}

/// A delivery; its number is its place.
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a question of its own, and all answers go together")]
pub struct Download {
    pub state: State,
    pub cookie: u32,
    pub host: u8,
    pub size: u64,
    version: u32,
    /// It was open, was sent nothing, and became an offer again.
    pub again: bool,
    /// Somebody was sent on to where requests do not pass by.
    pub away: bool,
    /// Forgotten: an offer that was never taken.
    pub gone: bool,
    pub closed: bool,
    /// When it was closed.
    ended: Option<u64>,
    offered: u64,
    opened: u64,
    active: u64,
    requests: BTreeMap<String, Asked>,
    got: BTreeMap<u8, Vec<bool>>,
    /// Bytes that stand nowhere.
    beside: u64,
}

#[derive(Clone)]
struct Asked {
    host: u8,
    bound: u64,
    sent: Option<u64>,
}

pub struct Sent {
    pub ended: u64,
    /// Of the file, or beside it.
    pub bytes: u64,
    /// First byte, when the bytes are the file's.
    pub first: Option<u64>,
    pub error: bool,
    pub finished: bool,
}

impl Download {
    fn ends(&self, grace: u64) -> u64 {
        if self.state == State::Offered { self.offered + HOUR } else { (self.active + grace).min(self.opened + 7 * 24 * HOUR) }
    }

    pub fn charged(&self) -> u64 {
        self.requests.values().map(|asked| asked.sent.unwrap_or(asked.bound)).sum()
    }

    /// Bytes that were sent beyond what was reserved for them.
    pub fn excess(&self) -> u64 {
        self.requests.values().map(|asked| asked.sent.unwrap_or(0).saturating_sub(asked.bound)).sum()
    }

    /// Everybody's bytes together.
    fn may_be_whole(&self) -> bool {
        let got = (0..usize::try_from(self.size).unwrap()).filter(|place| self.got.values().any(|got| got[*place])).count();
        self.size > 0 && got as u64 + self.beside >= self.size
    }

    /// Of what has ended, only what the best-covered client was sent is kept.
    fn keep_best(&mut self, order: &[u8]) {
        let rank = |host: u8| order.iter().position(|other| *other == host);
        let bytes = |got: &[bool]| got.iter().filter(|byte| **byte).count();
        let best = self.got.iter().max_by_key(|(host, got)| (bytes(got), rank(**host))).map(|(host, _)| *host);
        self.got.retain(|host, _| Some(*host) == best);
    }

    fn ends_as(&self) -> State {
        if self.in_flight() == 0 && !self.may_be_whole() { State::Released } else { State::Presumed }
    }

    fn is_used(&self) -> bool {
        [State::Completed, State::Presumed, State::Started].contains(&self.state)
    }

    pub fn in_flight(&self) -> usize {
        self.requests.values().filter(|asked| asked.sent.is_none()).count()
    }
}

impl Model {
    fn count(&self, states: &[State]) -> u32 {
        u32::try_from(self.downloads.iter().filter(|download| !download.gone && states.contains(&download.state)).count()).unwrap()
    }

    pub fn used(&self) -> u32 {
        let used = self.used_ever().filter(|number| !self.forgiven.contains(number));
        u32::try_from(used.count()).unwrap()
    }

    fn used_ever(&self) -> impl Iterator<Item = usize> {
        let used = self.downloads.iter().enumerate().filter(|(_, download)| download.is_used());
        used.map(|(number, _)| number)
    }

    pub fn reserved(&self) -> u32 {
        self.count(&[State::Open])
    }

    pub fn bytes(&self) -> u64 {
        self.closed_bytes + self.downloads.iter().filter(|download| !download.closed).map(Download::charged).sum::<u64>()
    }

    pub fn excess(&self) -> u64 {
        self.downloads.iter().map(Download::excess).sum()
    }

    pub fn reset(&mut self, now: u64) {
        self.reset = Some(now);
        self.closed_bytes = 0;
        self.networks.clear();
        self.forgiven = self.used_ever().collect();
    }

    /// With a delivery of a version of `size` bytes.
    pub fn bytes_most(&self, size: u64) -> Option<u64> {
        let largest =
            self.downloads.iter().filter(|download| download.away || !download.requests.is_empty()).map(|download| download.size).max();
        self.max.map(|max| u64::from(max) * u64::from(1 + self.retry) * largest.unwrap_or(0).max(size))
    }

    fn has_unit(&self) -> bool {
        self.max.is_none_or(|max| self.used() + self.reserved() < max)
    }

    fn is_over(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// What is refused to this host whatever it asks for.
    fn shut(&self, host: u8) -> Option<Refusal> {
        match self.standing {
            Standing::Active => {}
            Standing::Suspended => return Some(Refusal::Suspended),
            Standing::Revoked => return Some(Refusal::Revoked),
        }
        let by_order = match self.gate {
            OrderState::Paid => None,
            OrderState::Pending => Some(Refusal::NotPaid),
            OrderState::OnHold => Some(Refusal::OnHold),
            OrderState::Refunded | OrderState::ChargedBack => Some(Refusal::Refunded),
            OrderState::Cancelled => Some(Refusal::Cancelled),
        };
        let is_outside = !self.inside.is_empty() && !self.inside.contains(&host);
        by_order.or(is_outside.then_some(Refusal::WrongNetwork))
    }

    fn is_one_network_too_many(&self, host: u8) -> bool {
        !self.networks.contains(&network(host)) && self.networks_max.is_some_and(|most| self.networks.len() >= most)
    }

    fn newest(&self, now: u64, fits: impl Fn(&Download) -> bool) -> Option<usize> {
        self.downloads.iter().rposition(|download| {
            let live = !download.gone && !download.closed && now < download.ends(self.grace);
            live && download.version == self.version && fits(download)
        })
    }

    /// The open deliveries of versions before, that gave their unit back if they ended now.
    fn stale(&self) -> Vec<usize> {
        let numbered = self.downloads.iter().enumerate();
        let stale = numbered.filter(|(_, download)| {
            download.state == State::Open && download.ends_as() == State::Released && download.version != self.version
        });
        stale.map(|(number, _)| number).collect()
    }

    /// The number of the delivery that the click goes on with, a new one having the next number, and those that end.
    /// `later` is whether a later part is asked for, `bound` the most that it can send.
    pub fn click(&mut self, now: u64, host: u8, cookie: Option<u32>, later: bool, bound: u64) -> Result<(usize, Vec<usize>), Refusal> {
        if let Some(why) = self.shut(host) {
            return Err(why);
        }
        if !self.is_one_network_too_many(host) {
            return self.click_from_here(now, host, cookie, later, bound);
        }
        // From elsewhere it might be answered; what would be refused there too is told here.
        let mut elsewhere = self.clone();
        Err(match elsewhere.click_from_here(now, host, cookie, later, bound) {
            Ok(_) | Err(Refusal::DownloadRunning) => Refusal::TooManyNetworks,
            Err(why) => why,
        })
    }

    fn click_from_here(
        &mut self,
        now: u64,
        host: u8,
        cookie: Option<u32>,
        later: bool,
        bound: u64,
    ) -> Result<(usize, Vec<usize>), Refusal> {
        let running = |download: &Download| [State::Open, State::Started].contains(&download.state);
        let copies = u64::from(1 + self.retry);
        let room = |download: &Download| download.charged() + bound <= copies * download.size;
        let arrived = |download: &Download| download.state == State::Completed && room(download);
        let idle = |download: &Download| download.in_flight() == 0;
        let brought = |download: &Download| Some(download.cookie) == cookie;
        if let Some(found) = self.newest(now, |download| (running(download) || arrived(download)) && brought(download)) {
            return Ok((found, Vec::new()));
        }
        if later {
            let first = self.newest(now, |download| running(download) && download.host == host);
            if let Some(found) = first.or_else(|| self.newest(now, |download| arrived(download) && download.host == host)) {
                return Ok((found, Vec::new()));
            }
        }
        let again = |download: &Download| running(download) && download.host == host && idle(download) && room(download);
        if cookie.is_none()
            && let Some(found) = self.newest(now, again)
        {
            return Ok((found, Vec::new()));
        }
        let mut begun = self.downloads.iter().filter(|download| !download.gone && download.state != State::Offered);
        let own = begun.rfind(|download| download.host == host || Some(download.cookie) == cookie);
        if later && own.is_some_and(|download| download.version != self.version) {
            return Err(Refusal::LinkExpired);
        }
        let stale = self.stale();
        if (self.has_unit() || !stale.is_empty()) && !self.is_over(now) {
            for number in &stale {
                self.close(*number, State::Released, now);
            }
            if let Some(found) = self.newest(now, |download| download.state == State::Offered && Some(download.cookie) == cookie) {
                return Ok((found, stale));
            }
            while self.count(&[State::Offered]) as usize >= OFFERS {
                self.downloads.iter_mut().find(|download| !download.gone && download.state == State::Offered).unwrap().gone = true;
            }
            let number = self.downloads.len();
            self.downloads.push(Download {
                state: State::Offered,
                cookie: u32::try_from(number).unwrap(),
                host,
                size: self.size,
                version: self.version,
                again: false,
                away: false,
                gone: false,
                closed: false,
                ended: None,
                offered: now,
                opened: 0,
                active: 0,
                requests: BTreeMap::new(),
                got: BTreeMap::new(),
                beside: 0,
            });
            return Ok((number, stale));
        }
        let own = self.newest(now, |download| cookie.is_none() && arrived(download) && download.host == host && idle(download));
        let others = || self.newest(now, |download| download.state == State::Open && idle(download));
        let rest = || self.newest(now, |download| later && arrived(download) && idle(download));
        match own.or_else(others).or_else(rest) {
            Some(idle) => Ok((idle, Vec::new())),
            None if self.is_over(now) => Err(Refusal::Expired),
            None if self.reserved() > 0 => Err(Refusal::DownloadRunning),
            None => Err(Refusal::LimitReached),
        }
    }

    pub fn admit(&mut self, now: u64, number: usize, name: &str, host: u8, bound: u64, measured: bool) -> Result<(), Refusal> {
        let known = self.downloads.get(number).filter(|download| !download.gone).ok_or(Refusal::UnknownLink)?;
        if let Some(why) = self.shut(host) {
            return Err(why);
        }
        if let Some(asked) = known.requests.get(name) {
            return if asked.sent.is_none() { Ok(()) } else { Err(Refusal::BadRequest) };
        }
        let offered = known.state == State::Offered;
        if known.closed || now >= known.ends(self.grace) {
            return Err(Refusal::LinkExpired);
        }
        if offered && self.is_over(now) {
            return Err(Refusal::Expired);
        }
        if offered && !self.has_unit() && self.reserved() == 0 {
            return Err(Refusal::LimitReached);
        }
        if self.is_one_network_too_many(host) {
            return Err(Refusal::TooManyNetworks);
        }
        if offered && !self.has_unit() {
            return Err(Refusal::DownloadRunning);
        }
        if measured && known.state != State::Started && known.in_flight() >= self.connections {
            return Err(Refusal::TooManyConnections);
        }
        let too_much = known.charged() + bound > u64::from(1 + self.retry) * known.size;
        if too_much || self.bytes_most(known.size).is_some_and(|most| self.bytes() + bound > most) {
            return Err(Refusal::ByteBudget);
        }
        if self.networks_max.is_some() {
            self.networks.insert(network(host));
        }
        let download = &mut self.downloads[number];
        if offered {
            download.state = if measured { State::Open } else { State::Started };
            (download.opened, download.active) = (now, now);
        }
        download.active = download.active.max(now);
        download.requests.insert(name.to_owned(), Asked { host, bound, sent: None });
        Ok(())
    }

    pub fn send_away(&mut self, now: u64, number: usize, host: u8, measured: bool) -> Result<(), Refusal> {
        let known = self.downloads.get(number).filter(|download| !download.gone).ok_or(Refusal::UnknownLink)?;
        if let Some(why) = self.shut(host) {
            return Err(why);
        }
        let offered = known.state == State::Offered;
        let full = offered && !self.has_unit();
        match () {
            () if known.closed || now >= known.ends(self.grace) => return Err(Refusal::LinkExpired),
            () if offered && self.is_over(now) => return Err(Refusal::Expired),
            () if full && self.reserved() == 0 => return Err(Refusal::LimitReached),
            () if self.is_one_network_too_many(host) => return Err(Refusal::TooManyNetworks),
            () if full => return Err(Refusal::DownloadRunning),
            () if known.charged() > u64::from(1 + self.retry) * known.size => return Err(Refusal::ByteBudget),
            () if self.bytes_most(known.size).is_some_and(|most| self.bytes() > most) => return Err(Refusal::ByteBudget),
            () => {}
        }
        if self.networks_max.is_some() {
            self.networks.insert(network(host));
        }
        let download = &mut self.downloads[number];
        if offered {
            (download.state, download.opened, download.active) = (State::Open, now, now);
        }
        if download.state == State::Open && !measured {
            download.state = State::Started;
        }
        download.away = true;
        download.active = download.active.max(now);
        Ok(())
    }

    /// What was sent to `host` where requests do not pass by; whether anything changed.
    pub fn seen(&mut self, number: usize, name: &str, host: u8, sent: &Sent) -> bool {
        if let Some(download) = self.downloads.get_mut(number).filter(|download| !download.gone && download.away)
            && !download.requests.contains_key(name)
        {
            download.requests.insert(name.to_owned(), Asked { host, bound: 0, sent: None });
        }
        self.report(number, name, sent)
    }

    /// Whether anything changed.
    pub fn report(&mut self, number: usize, name: &str, sent: &Sent) -> bool {
        let Some(download) = self.downloads.get_mut(number).filter(|download| !download.gone) else { return false };
        let Some(asked) = download.requests.get_mut(name).filter(|asked| asked.sent.is_none()) else { return false };
        // What no answer can have had nobody sent.
        let body = asked.bound.max(download.size);
        let bytes = sent.bytes.min(body + body / 64 + 65_536);
        asked.sent = Some(if sent.error { 0 } else { bytes });
        let forgiven = download.ended.is_some_and(|ended| self.reset.is_some_and(|reset| ended <= reset));
        if download.closed && !forgiven {
            self.closed_bytes = self.closed_bytes.saturating_sub(asked.bound) + asked.sent.unwrap();
        }
        if download.closed && !(download.away && download.state == State::Released) {
            return true;
        }
        if !download.closed {
            download.active = download.active.max(sent.ended);
        }
        let size = usize::try_from(download.size).unwrap();
        let got = download.got.entry(asked.host).or_insert_with(|| vec![false; size]);
        if let Some(first) = sent.first {
            for place in first..first + sent.bytes {
                got[usize::try_from(place).unwrap()] = true;
            }
        } else if !sent.error {
            download.beside += bytes;
        }
        let whole = if size == 0 { sent.finished && sent.first == Some(0) && bytes == 0 } else { got.iter().all(|byte| *byte) };
        if whole && download.state == State::Open {
            download.state = State::Completed;
        }
        if download.closed {
            download.keep_best(&self.order);
            if whole {
                download.state = State::Completed;
                self.late += 1;
                self.forgiven.extend(forgiven.then_some(number));
            }
            return true;
        }
        let nothing = download.requests.values().all(|asked| asked.sent == Some(0));
        if nothing && download.state == State::Open && !download.again && !download.away {
            (download.state, download.again, download.offered) = (State::Offered, true, sent.ended);
        }
        true
    }

    /// The numbers of those that were closed, those that were due first before the others, and how many offers went.
    pub fn close_due(&mut self, now: u64) -> (Vec<usize>, usize) {
        let live = |download: &Download| !download.gone && !download.closed;
        let ends = |number: &usize| self.downloads[*number].ends(self.grace);
        let mut due: Vec<usize> = (0..self.downloads.len()).filter(|number| live(&self.downloads[*number])).collect();
        due.retain(|number| ends(number) <= now);
        due.sort_by_key(ends);
        let mut closed = Vec::new();
        for number in &due {
            let download = &mut self.downloads[*number];
            match download.state {
                State::Offered => download.gone = true,
                state => {
                    let state = if state == State::Open { download.ends_as() } else { state };
                    self.close(*number, state, now);
                    closed.push(*number);
                }
            }
        }
        (closed.clone(), due.len() - closed.len())
    }

    fn close(&mut self, number: usize, state: State, now: u64) {
        let download = &mut self.downloads[number];
        (download.state, download.closed, download.ended) = (state, true, Some(now));
        download.keep_best(&self.order);
        self.closed_bytes += download.charged();
    }

    pub fn next_due(&self) -> Option<u64> {
        self.downloads.iter().filter(|download| !download.gone && !download.closed).map(|download| download.ends(self.grace)).min()
    }
}
