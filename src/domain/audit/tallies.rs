//! What is added up: by answer, by file, by client; and the judging of sessions into it.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::findings::{Beyond, Findings, FoundClient, FoundFile, Hits, Sessions, Shared, SharedQuery, Strangers, Surety};
use super::hit::{Hit, Kind, Sent};
use super::judge::{AGREE, Measure, Sizes, Verdict, judge, learn};
use super::keyed::Mix;
use super::session::Closed;
use super::{AGENTS_MAX, QUERIES_MAX, Rules, TEXT_BYTES_MAX};
use crate::domain::moment::Moment;
use crate::domain::robot::is_robot;

/// A client with so many refusals tries names.
const SCANNER_REFUSALS: u32 = 50;

/// More networks of addresses are not remembered: 96 MB.
const NETWORKS_MAX: usize = 1 << 22;

/// The longest IPv6 address; of a client that the log names otherwise so much is shown.
const ADDRESS_BYTES_MAX: usize = 45;

#[derive(Debug, Default)]
pub(super) struct Tallies {
    span: Option<(u64, u64)>,
    hits: Hits,
    sessions: Sessions,
    bytes_sent: u64,
    bytes_complete: u64,
    told: u64,
    pub(super) bodyless: Bodyless,
    pub(super) beyond: Beyond,
    files: Vec<File>,
    sizes: Vec<Sizes>,
    clients: Vec<Client>,
    agents: HashMap<u64, Agent, Mix>,
    queries: HashMap<(u32, u64), Box<[u8]>>,
    /// Which networks fetched which address whole: file, query, network.
    networks: Vec<(u32, u64, u64)>,
}

#[derive(Clone, Debug, Default)]
struct File {
    hits: u64,
    bytes: u64,
    sessions: Sessions,
}

#[derive(Clone, Debug)]
struct Client {
    address: Address,
    agent: u64,
    robot: bool,
    refusals: u32,
    hits: u64,
    bytes: u64,
    sessions: u64,
    complete: u64,
}

/// The text of an address, kept in place: there are very many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Address([u8; ADDRESS_BYTES_MAX]);

impl Address {
    fn of(text: &[u8]) -> Self {
        let mut kept = [0; ADDRESS_BYTES_MAX];
        for (to, from) in kept.iter_mut().zip(text) {
            *to = *from;
        }
        Self(kept)
    }

    fn text(&self) -> String {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(ADDRESS_BYTES_MAX);
        text(self.0.get(..end).unwrap_or_default())
    }
}

#[derive(Debug)]
struct Agent {
    text: Box<[u8]>,
    robot: bool,
}

/// How answers without a body (304) write their bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bodyless {
    zero: u64,
    dash: u64,
    number: u64,
}

impl Bodyless {
    pub(super) const fn add(&mut self, zero: u64, dash: u64, number: u64) {
        self.zero += zero;
        self.dash += dash;
        self.number += number;
    }

    /// What most of them show.
    const fn measure(self) -> Measure {
        if self.zero + self.dash + self.number == 0 {
            Measure::Unknown
        } else if self.number > self.zero + self.dash {
            Measure::WithHead
        } else if self.dash > self.zero {
            Measure::Intended
        } else {
            Measure::Body
        }
    }
}

impl Tallies {
    pub(super) fn hit(&mut self, hit: &Hit<'_>, kind: Kind) {
        self.span = Some(self.span.map_or((hit.at, hit.at), |(first, last)| (first.min(hit.at), last.max(hit.at))));
        let hits = &mut self.hits;
        hits.all += 1;
        let counter = match kind {
            Kind::Whole => &mut hits.whole,
            Kind::Part => &mut hits.part,
            Kind::Head => &mut hits.head,
            Kind::NotModified => &mut hits.not_modified,
            Kind::NotSatisfiable => &mut hits.not_satisfiable,
            Kind::Redirected => &mut hits.redirected,
            Kind::Refused => &mut hits.refused,
            Kind::Failed => &mut hits.failed,
            Kind::Other => &mut hits.other,
        };
        *counter += 1;
        match (kind, hit.sent) {
            (Kind::Whole | Kind::Part, sent) => self.bytes_sent = self.bytes_sent.saturating_add(sent.bytes()),
            (Kind::NotModified, Sent::Dash) => self.bodyless.add(0, 1, 0),
            (Kind::NotModified, Sent::Bytes(0)) => self.bodyless.add(1, 0, 0),
            (Kind::NotModified, Sent::Bytes(_)) => self.bodyless.add(0, 0, 1),
            _ => {}
        }
    }

    pub(super) fn new_client(&mut self, hit: &Hit<'_>, agent: u64) {
        let known = self.agents.get(&agent).map(|agent| agent.robot);
        let robot = known.unwrap_or_else(|| is_robot(hit.agent));
        if known.is_none() && self.agents.len() < AGENTS_MAX {
            self.agents.insert(agent, Agent { text: hit.agent.get(..TEXT_BYTES_MAX).unwrap_or(hit.agent).into(), robot });
        }
        let address = Address::of(hit.client);
        self.clients.push(Client { address, agent, robot, refusals: 0, hits: 0, bytes: 0, sessions: 0, complete: 0 });
    }

    pub(super) fn client_hit(&mut self, client: u32, hit: &Hit<'_>, kind: Kind) {
        let Some(client) = self.clients.get_mut(client as usize) else { return };
        client.hits += 1;
        match kind {
            Kind::Refused => client.refusals = client.refusals.saturating_add(1),
            Kind::Whole | Kind::Part => client.bytes = client.bytes.saturating_add(hit.sent.bytes()),
            _ => {}
        }
    }

    pub(super) fn new_file(&mut self) {
        self.files.push(File::default());
        self.sizes.push(Sizes::default());
    }

    pub(super) fn file_hit(&mut self, file: u32, hit: &Hit<'_>) {
        let Some(file) = self.files.get_mut(file as usize) else { return };
        file.hits += 1;
        file.bytes = file.bytes.saturating_add(hit.sent.bytes());
    }

    pub(super) fn keep_query(&mut self, file: u32, link: u64, query: &[u8]) {
        if self.queries.len() < QUERIES_MAX && query.len() <= TEXT_BYTES_MAX {
            self.queries.entry((file, link)).or_insert_with(|| query.into());
        }
    }

    /// Judges sessions by their sizes and those of sessions before.
    pub(super) fn judge(&mut self, closed: &[Closed]) {
        let measure = self.bodyless.measure();
        learn(closed, &mut self.sizes, measure);
        for one in closed {
            let (Some(sizes), Some(file)) = (self.sizes.get(one.file as usize), self.files.get_mut(one.file as usize)) else { continue };
            let verdict = judge(one, sizes, measure);
            let sure = one.told.is_some() || sizes.witnesses >= AGREE || measure == Measure::Intended;
            count(&mut self.sessions, verdict, sure);
            count(&mut file.sessions, verdict, sure);
            self.told += u64::from(one.told.is_some());
            let complete = match verdict {
                Verdict::Whole { size, .. } | Verdict::Joined { size } => Some(size),
                Verdict::BrokenOff | Verdict::Parts | Verdict::Unknown => None,
            };
            if let Some(client) = self.clients.get_mut(one.client as usize) {
                client.sessions += 1;
                client.complete += u64::from(complete.is_some());
            }
            if let Some(size) = complete {
                self.bytes_complete = self.bytes_complete.saturating_add(size);
                if self.networks.len() >= NETWORKS_MAX {
                    self.beyond.networks += 1;
                } else {
                    self.networks.push((one.file, one.link, one.network));
                }
            }
        }
        self.networks.sort_unstable();
        self.networks.dedup();
    }

    pub(super) fn findings(mut self, rules: &Rules, files: u64, clients: u64, names: &[Box<[u8]>]) -> Findings {
        let name = |file: u32| names.get(file as usize).map(|name| text(name)).unwrap_or_default();
        let (shared, shared_all) = self.shared(rules, name);
        let top_files = self.top_files(rules.top, name);
        let top_clients = self.top_clients(rules.top);
        let of = |chosen: &dyn Fn(&Client) -> bool| {
            self.clients.iter().filter(|client| chosen(client)).fold(Strangers::default(), |sum, client| Strangers {
                clients: sum.clients + 1,
                hits: sum.hits + client.hits,
                complete: sum.complete + client.complete,
            })
        };
        Findings {
            span: self.span.map(|(first, last)| (Moment::from_seconds(first), Moment::from_seconds(last))),
            robots: of(&|client| client.robot),
            scanners: of(&|client| client.refusals >= SCANNER_REFUSALS),
            hits: self.hits,
            sessions: self.sessions,
            bytes_sent: self.bytes_sent,
            bytes_complete: self.bytes_complete,
            files,
            files_of_several_sizes: self.sizes.iter().filter(|sizes| !sizes.others.is_empty()).count() as u64,
            clients,
            top_files,
            top_clients,
            shared,
            shared_all,
            measure: self.bodyless.measure(),
            told: self.told,
            beyond: self.beyond,
        }
    }

    fn top_files(&mut self, top: usize, name: impl Fn(u32) -> String) -> Vec<FoundFile> {
        let mut order: Vec<(Reverse<u64>, Reverse<u64>, u32)> =
            (0..).zip(&self.files).map(|(number, file)| (Reverse(file.sessions.complete()), Reverse(file.bytes), number)).collect();
        keep_first(&mut order, top, |&(complete, bytes, number)| (complete, bytes, name(number)));
        let found = order.into_iter().filter_map(|(.., number)| {
            let (file, sizes) = (self.files.get(number as usize)?, self.sizes.get(number as usize)?);
            Some(FoundFile {
                name: name(number),
                hits: file.hits,
                sessions: file.sessions,
                bytes: file.bytes,
                size: sizes.size(),
                surety: surety(sizes),
            })
        });
        found.collect()
    }

    fn top_clients(&self, top: usize) -> Vec<FoundClient> {
        let agent = |client: &Client| self.agents.get(&client.agent).map(|agent| text(&agent.text)).unwrap_or_default();
        let mut order: Vec<(Reverse<u64>, Reverse<u64>, u32)> =
            (0..).zip(&self.clients).map(|(number, client)| (Reverse(client.bytes), Reverse(client.hits), number)).collect();
        let of = |number: u32| self.clients.get(number as usize);
        keep_first(&mut order, top, |&(bytes, hits, number)| (bytes, hits, of(number).map(|client| (client.address, agent(client)))));
        let found = order.into_iter().filter_map(|(.., number)| of(number)).map(|client| FoundClient {
            address: client.address.text(),
            agent: agent(client),
            hits: client.hits,
            sessions: client.sessions,
            complete: client.complete,
            bytes: client.bytes,
            robot: client.robot,
        });
        found.collect()
    }

    /// The addresses that too many networks fetched whole: each with its query, and paths whose query differs.
    fn shared(&mut self, rules: &Rules, name: impl Fn(u32) -> String) -> (Vec<Shared>, u64) {
        let mut found: Vec<(u64, u32, Option<u64>, u64)> = Vec::new();
        for of_file in self.networks.chunk_by(|a, b| a.0 == b.0) {
            let Some(&(file, ..)) = of_file.first() else { continue };
            let links = of_file.chunk_by(|a, b| a.1 == b.1);
            let mut number = 0;
            for of_link in links {
                number += 1;
                let networks = of_link.len() as u64;
                if let Some(&(_, link, _)) = of_link.first().filter(|_| networks > rules.networks) {
                    found.push((networks, file, Some(link), 1));
                }
            }
            if number > 1 {
                let mut networks: Vec<u64> = of_file.iter().map(|&(.., network)| network).collect();
                networks.sort_unstable();
                networks.dedup();
                if networks.len() as u64 > rules.networks {
                    found.push((networks.len() as u64, file, None, number));
                }
            }
        }
        let all = found.len() as u64;
        // A link that went round says most, a file that many have links of their own to says least.
        let rank = |link| match link {
            Some(0) => 1,
            Some(_) => 0,
            None => 2,
        };
        found.sort_by_cached_key(|&(networks, file, link, _)| (rank(link), Reverse(networks), name(file), link));
        found.truncate(rules.top);
        let shared = found.into_iter().map(|(networks, file, link, queries)| {
            let query = match link {
                None => SharedQuery::Several(queries),
                Some(0) => SharedQuery::None,
                Some(digest) => SharedQuery::One { text: self.queries.get(&(file, digest)).map(|query| text(query)), digest },
            };
            Shared { name: name(file), query, networks }
        });
        (shared.collect(), all)
    }
}

/// Keeps the first `top` in the order of `key`.
fn keep_first<T: Ord + Copy, K: Ord>(order: &mut Vec<T>, top: usize, key: impl Fn(&T) -> K) {
    // Names are dear: only what may be among the first gets one.
    const SPARE: usize = 1000;
    let most = top.saturating_add(SPARE);
    if order.len() > most {
        order.select_nth_unstable(most);
        order.truncate(most);
    }
    order.sort_by_cached_key(key);
    order.truncate(top);
}

fn count(sessions: &mut Sessions, verdict: Verdict, sure: bool) {
    sessions.all += 1;
    match verdict {
        Verdict::Whole { again, .. } => {
            sessions.whole += 1;
            sessions.again += u64::from(again);
            sessions.unsure += u64::from(!sure);
        }
        Verdict::Joined { .. } => {
            sessions.joined += 1;
            sessions.unsure += u64::from(!sure);
        }
        Verdict::BrokenOff => sessions.broken_off += 1,
        Verdict::Parts => sessions.parts += 1,
        Verdict::Unknown => sessions.unknown += 1,
    }
}

fn surety(sizes: &Sizes) -> Surety {
    match sizes {
        Sizes { told: Some(_), .. } => Surety::Told,
        Sizes { largest: 0, .. } => Surety::None,
        Sizes { others, .. } if !others.is_empty() => Surety::Several,
        Sizes { witnesses, .. } if *witnesses >= AGREE => Surety::Agreed,
        Sizes { .. } => Surety::Once,
    }
}

/// Bytes of a stranger as text.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
