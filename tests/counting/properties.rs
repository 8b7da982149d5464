//! Clicks, requests, reports (late, twice, never), endings and clock steps in any order: the account does what the
//! model does, and what must hold holds after every step.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cloakroom::domain::account::{Account, Ask, Away, Change, Click, Reported, Seen};
use cloakroom::domain::client::Client;
use cloakroom::domain::delivery::{Report, State};
use cloakroom::domain::grant::{Amendment, Grant, Standing};
use cloakroom::domain::id::DeliveryId;
use cloakroom::domain::link::Link;
use cloakroom::domain::moment::{Moment, Span};
use cloakroom::domain::order::OrderState;
use cloakroom::domain::policy::Policy;
use cloakroom::domain::range::Range;
use cloakroom::domain::refusal::Refusal;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::fixtures::{at, base, click, client, cookie, delivery_id, grant, link, replaced, request_id, sold, version};
use crate::model::{HOSTS, Model, Sent};

const CASES: u32 = 1500;
const STEPS: usize = 90;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// The body of an error.
const ERROR_PAGE: u64 = 153;
/// What nginx writes before each part of several, about.
const PART_HEADERS: u64 = 120;
const TEN_YEARS: i64 = 3650 * 24 * HOUR;

fn numbered(number: usize) -> DeliveryId {
    delivery_id(u32::try_from(number).unwrap())
}

fn told_ids(changes: &[Change]) -> Vec<DeliveryId> {
    changes.iter().map(|change| change.delivery).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Click {
        host: u8,
        cookie: Option<u32>,
        want: Want,
    },
    /// Of the delivery that was made `back` before the last.
    Admit {
        back: u32,
        request: u8,
        host: u8,
        want: Want,
        measured: bool,
    },
    /// Of the request that was admitted `back` before the last, reported or not; far back, of one that never was.
    Report {
        back: usize,
        share: u64,
        kind: Kind,
    },
    /// The client of the delivery that was made `back` before the last is sent on to where requests do not pass by.
    Away {
        back: u32,
        host: u8,
        measured: bool,
    },
    /// Of a request there, of the delivery that was made `back` before the last.
    Seen {
        back: u32,
        request: u8,
        host: u8,
        want: Want,
        share: u64,
        kind: Kind,
    },
    Close,
    /// The file gets another content, of so many bytes.
    Replace(u64),
    Clock(i64),
    Amend(Amendment),
    /// The grant ends so many milliseconds from now.
    ExpireIn(i64),
}

/// The limits of one case.
#[derive(Clone, Copy, Debug)]
struct Limits {
    max: Option<u32>,
    retry: u32,
    size: u64,
    connections: u32,
    networks_max: Option<u32>,
    /// Whether some of the hosts are outside.
    fenced: bool,
}

/// One address, one network, and one that no host is in.
const FENCE: [&str; 3] = ["192.0.2.1/32", "2001:db8:0:100::/56", "203.0.113.0/24"];
/// Which hosts are inside: the first, and the two of that network.
const INSIDE: [u8; 3] = [0, 3, 4];

fn limits() -> impl Strategy<Value = Limits> {
    let max = || prop_oneof![Just(None), (0_u32..5).prop_map(Some)];
    let networks_max = prop_oneof![3 => Just(None), 1 => Just(Some(0)), 6 => (1_u32..4).prop_map(Some)];
    (max(), 0_u32..3, size(), 1_u32..6, networks_max, prop::bool::weighted(0.2))
        .prop_map(|(max, retry, size, connections, networks_max, fenced)| Limits { max, retry, size, connections, networks_max, fenced })
}

/// As the web server names it: an IPv4 address may come mapped into IPv6.
fn address(host: u8) -> IpAddr {
    HOSTS[usize::from(host)].0.parse().unwrap()
}

fn at_host(host: u8) -> Client {
    Client::new(address(host), "curl/8.0")
}

/// The hosts, by the order of their keys.
fn by_key() -> Vec<u8> {
    let mut hosts: Vec<u8> = (0..6).collect();
    hosts.sort_by_key(|host| at_host(*host).key());
    hosts
}

/// What is asked for of a small file.
#[derive(Clone, Copy, Debug)]
enum Want {
    Whole,
    From(u64),
    Between(u64, u64),
    Two,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Encoded,
    Error,
    /// The whole file, whatever was asked for: more than was reserved.
    More,
    /// More than there is.
    Absurd,
}

impl Want {
    fn range(self) -> Range {
        match self {
            Self::Whole => Range::Whole,
            Self::From(first) => Range::parse(Some(&format!("bytes={first}-")), false),
            Self::Between(first, more) => Range::parse(Some(&format!("bytes={first}-{}", first + more)), false),
            Self::Two => Range::parse(Some("bytes=0-0,2-2"), false),
        }
    }

    /// What a web server answers, when nobody breaks it off: the ranges that lie in the file, several of them as parts
    /// with headers of their own.
    fn answer(self, size: u64) -> Answer {
        let inside = |first: u64, last: u64| (first < size).then(|| (first, last.min(size - 1) + 1 - first));
        let asked = match self {
            Self::Whole => return Answer { status: 200, bytes: size, first: Some(0) },
            Self::From(first) => vec![inside(first, u64::MAX)],
            Self::Between(first, more) => vec![inside(first, first + more)],
            Self::Two => vec![inside(0, 0), inside(2, 2)],
        };
        let parts: Vec<(u64, u64)> = asked.into_iter().flatten().collect();
        match parts[..] {
            [] => Answer { status: 416, bytes: ERROR_PAGE, first: None },
            [(first, bytes)] => Answer { status: 206, bytes, first: Some(first) },
            _ => Answer { status: 206, bytes: parts.iter().map(|(_, bytes)| bytes + PART_HEADERS).sum(), first: None },
        }
    }
}

/// An answer as the log tells it; `first` is where its bytes stand in the file, if they are one piece of it.
#[derive(Clone, Copy)]
struct Answer {
    status: u16,
    bytes: u64,
    first: Option<u64>,
}

fn want() -> impl Strategy<Value = Want> {
    prop_oneof![
        4 => Just(Want::Whole),
        4 => (0_u64..14).prop_map(Want::From),
        4 => (0_u64..14, 0_u64..8).prop_map(|(first, more)| Want::Between(first, more)),
        1 => Just(Want::Two),
    ]
}

fn size() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0_u64), 6 => 1_u64..12, 1 => Just(2000_u64)]
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![8 => Just(Kind::File), 1 => Just(Kind::Encoded), 1 => Just(Kind::Error), 1 => Just(Kind::More), 1 => Just(Kind::Absurd)];
    let clock = prop_oneof![
        8 => 0..20 * MINUTE,
        3 => Just(HOUR),
        3 => Just(-HOUR),
        3 => Just(25 * HOUR),
        1 => Just(TEN_YEARS),
        1 => Just(-TEN_YEARS),
    ];
    let standing = prop_oneof![6 => Just(Standing::Active), 2 => Just(Standing::Suspended), 1 => Just(Standing::Revoked)];
    let gate = prop_oneof![4 => Just(OrderState::Paid), 1 => prop::sample::select(&OrderState::ALL[..])];
    let allow = prop_oneof![1 => Just(None), 4 => (0_u32..6).prop_map(Some)].prop_map(Amendment::Allow);
    let expire = prop_oneof![2 => Just(0), 2 => Just(-HOUR), 4 => Just(25 * HOUR), 1 => Just(i64::MAX)];
    // Two hosts ask as often as all others together: a download needs somebody who comes back.
    let host = || prop_oneof![2 => 0_u8..2, 3 => 0_u8..6];
    let share = || prop_oneof![0_u64..4, Just(4)];
    prop_oneof![
        20 => (host(), prop::option::of(0_u32..8), want()).prop_map(|(host, cookie, want)| Step::Click { host, cookie, want }),
        40 => (0_u32..4, 0_u8..6, host(), want(), prop::bool::weighted(0.93))
            .prop_map(|(back, request, host, want, measured)| Step::Admit { back, request, host, want, measured }),
        16 => (0_u32..4, host(), prop::bool::weighted(0.9)).prop_map(|(back, host, measured)| Step::Away { back, host, measured }),
        28 => (0_u32..5, 0_u8..9, host(), prop_oneof![Just(Want::Whole), want()], share(), kind.clone())
            .prop_map(|(back, request, host, want, share, kind)| Step::Seen { back, request, host, want, share, kind }),
        40 => (0_usize..8, share(), kind).prop_map(|(back, share, kind)| Step::Report { back, share, kind }),
        6 => Just(Step::Close),
        3 => size().prop_map(Step::Replace),
        12 => clock.prop_map(Step::Clock),
        2 => standing.prop_map(|standing| Step::Amend(Amendment::Stand(standing))),
        1 => Just(Step::Amend(Amendment::Reset)),
        1 => allow.prop_map(Step::Amend),
        1 => Just(Step::Amend(Amendment::Expire(None))),
        1 => expire.prop_map(Step::ExpireIn),
        2 => gate.prop_map(|gate| Step::Amend(Amendment::Gate(gate))),
    ]
}

/// The account and the model, side by side.
struct Pair {
    account: Account,
    model: Model,
    now: u64,
    /// What each request asked for, as the honest server knows it.
    wants: BTreeMap<(u32, u8), Want>,
    /// The requests in the order in which they were admitted.
    asked: Vec<(u32, u8)>,
    /// How many deliveries ended at a click because the file was replaced.
    ended: u32,
    /// How many clicks went on with a delivery that had completed.
    rejoined: u32,
    /// Used and reserved units, and bytes charged, before the last step.
    before: (u32, u64),
    /// How many had arrived after they were released, before it.
    late_before: u32,
    /// Whether a person changed how much the grant allows.
    amended: bool,
}

impl Pair {
    fn new(limits: Limits) -> Self {
        let Limits { max, retry, size, connections, networks_max, fenced } = limits;
        let policy = Policy {
            max_downloads: max,
            retry_factor: retry,
            connections_max: connections,
            resume_grace: Span::from_hours(24),
            networks: FENCE.iter().filter(|_| fenced).map(|network| network.parse().unwrap()).collect(),
            networks_max,
            ..base()
        };
        let model = Model {
            max,
            retry,
            size,
            version: 1,
            connections: connections as usize,
            grace: policy.resume_grace.millis(),
            expires: None,
            standing: Standing::Active,
            gate: OrderState::Paid,
            inside: if fenced { INSIDE.to_vec() } else { Vec::new() },
            networks_max: networks_max.map(|most| most as usize),
            networks: BTreeSet::new(),
            closed_bytes: 0,
            reset: None,
            forgiven: BTreeSet::new(),
            downloads: Vec::new(),
            late: 0,
            order: by_key(),
        };
        let account = Account::new(Grant { policy, sold: Some(sold(1)), ..grant(1, max) });
        let (wants, asked) = (BTreeMap::new(), Vec::new());
        Self { account, model, now: at(0).millis(), wants, asked, ended: 0, rejoined: 0, before: (0, 0), late_before: 0, amended: false }
    }

    /// Of the version that delivery `number` sends.
    fn size(&self, number: u32) -> u64 {
        self.model.downloads.get(number as usize).map_or(self.model.size, |download| download.size)
    }

    fn moment(&self) -> Moment {
        Moment::from_millis(self.now)
    }

    /// Used and reserved units, and bytes charged.
    fn totals(&self) -> (u32, u64) {
        let (grant, deliveries) = (&self.account.grant, &self.account.deliveries);
        let live: u64 = deliveries.iter().filter(|delivery| delivery.closed.is_none()).map(|delivery| delivery.bytes_charged).sum();
        (grant.used + grant.reserved, grant.bytes_closed + live)
    }

    /// Does one step on both sides; tells why, if it was refused.
    fn step(&mut self, step: &Step) -> Result<Option<Refusal>, TestCaseError> {
        self.before = self.totals();
        self.late_before = self.model.late;
        match *step {
            Step::Click { host, cookie, want } => self.click(host, cookie, want),
            Step::Admit { back, request, host, want, measured } => {
                let made = u32::try_from(self.model.downloads.len()).unwrap();
                self.admit(made.saturating_sub(1 + back), request, host, want, measured)
            }
            Step::Report { back, share, kind } => {
                let (delivery, request) = self.asked.iter().rev().nth(back).copied().unwrap_or((0, 99));
                self.report(delivery, request, share, kind)
            }
            Step::Away { back, host, measured } => {
                let made = u32::try_from(self.model.downloads.len()).unwrap();
                self.send_away(made.saturating_sub(1 + back), host, measured)
            }
            Step::Seen { back, request, host, want, share, kind } => {
                let made = u32::try_from(self.model.downloads.len()).unwrap();
                self.seen(made.saturating_sub(1 + back), request, host, want, share, kind)
            }
            Step::Close => {
                let due = self.account.close_due(self.moment(), usize::MAX);
                let (wanted, offers) = self.model.close_due(self.now);
                prop_assert_eq!(told_ids(&due.changes), wanted.into_iter().map(numbered).collect::<Vec<_>>());
                prop_assert_eq!(due.offers, offers);
                Ok(None)
            }
            Step::Replace(size) => {
                self.model.size = size;
                self.model.version += 1;
                Ok(None)
            }
            Step::Clock(step) => {
                self.now = self.now.saturating_add_signed(step);
                Ok(None)
            }
            Step::Amend(amendment) => {
                self.amend(amendment);
                Ok(None)
            }
            Step::ExpireIn(step) => {
                self.amend(Amendment::Expire(Some(Moment::from_millis(self.now.saturating_add_signed(step)))));
                Ok(None)
            }
        }
    }

    fn amend(&mut self, amendment: Amendment) {
        self.account.grant.amend(&amendment);
        match amendment {
            Amendment::Stand(_) if self.model.standing == Standing::Revoked => {}
            Amendment::Stand(standing) => self.model.standing = standing,
            Amendment::Reset => self.model.reset(self.now),
            Amendment::Expire(expires) => self.model.expires = expires.map(Moment::millis),
            Amendment::Gate(gate) => self.model.gate = gate,
            Amendment::Allow(most) => {
                self.model.max = most;
                self.amended = true;
            }
        }
    }

    fn click(&mut self, host: u8, brought: Option<u32>, want: Want) -> Result<Option<Refusal>, TestCaseError> {
        let before = self.account.clone();
        let number = u32::try_from(self.model.downloads.len()).unwrap();
        let click = Click {
            cookie: brought.map(cookie),
            range: want.range(),
            version: replaced(self.model.version, self.model.size),
            client: at_host(host),
            ..click(number, host, self.moment())
        };
        // The link outlives everything here; its own checks have their own tests.
        let link = Link { expires: Moment::from_millis(u64::MAX), ..link(1) };
        let clicked = self.account.click(&click, &link);
        let told = clicked.as_ref().map_or(&[][..], |clicked| &clicked.closed);
        prop_assert!(told.iter().all(|change| (change.before, change.state) == (State::Open, State::Released)));
        let clicked = clicked.map(|clicked| (clicked.delivery, clicked.fresh, told_ids(&clicked.closed)));
        let later = matches!(want, Want::From(first) | Want::Between(first, _) if first > 0);
        let wanted = self.model.click(self.now, host, brought, later, want.range().bytes_max(self.model.size));
        let wanted = wanted
            .map(|(chosen, ended)| (numbered(chosen), numbered(chosen) == delivery_id(number), ended.into_iter().map(numbered).collect()));
        prop_assert_eq!(&clicked, &wanted);
        self.ended += clicked.as_ref().map_or(0, |(_, _, ended)| u32::try_from(ended.len()).unwrap());
        if let Ok((chosen, ..)) = clicked {
            let completed = self.account.delivery(chosen).is_some_and(|delivery| delivery.state == State::Completed);
            self.rejoined += u32::from(completed);
        } else {
            prop_assert_eq!(&self.account, &before);
        }
        Ok(clicked.err())
    }

    fn admit(&mut self, delivery: u32, request: u8, host: u8, want: Want, measured: bool) -> Result<Option<Refusal>, TestCaseError> {
        let before = self.account.clone();
        let name = format!("r{request}");
        let ask = Ask {
            delivery: delivery_id(delivery),
            request: request_id(&name),
            now: self.moment(),
            client: at_host(host).key(),
            address: address(host),
            range: want.range(),
            measured,
        };
        let bound = want.range().bytes_max(self.size(delivery));
        let again = before.delivery(ask.delivery).is_some_and(|known| known.requests.contains_key(&ask.request));
        let admitted = self.account.admit(&ask).map(|permit| permit.delivery);
        let wanted = self.model.admit(self.now, delivery as usize, &name, host, bound, measured);
        prop_assert_eq!(admitted, wanted.map(|()| delivery_id(delivery)));
        if again || admitted.is_err() {
            prop_assert_eq!(&self.account, &before);
        } else {
            self.wants.insert((delivery, request), want);
            self.asked.push((delivery, request));
            // Whatever a person lowered meanwhile: with this request all are within the limits.
            let (_, bytes) = self.totals();
            prop_assert!(self.model.bytes_most(0).is_none_or(|most| bytes <= most));
        }
        Ok(admitted.err())
    }

    fn send_away(&mut self, delivery: u32, host: u8, measured: bool) -> Result<Option<Refusal>, TestCaseError> {
        let before = self.account.clone();
        let away =
            Away { delivery: delivery_id(delivery), request: request_id("click"), now: self.moment(), address: address(host), measured };
        let sent = self.account.send_away(&away).map(|permit| permit.delivery);
        prop_assert_eq!(sent, self.model.send_away(self.now, delivery as usize, host, measured).map(|()| away.delivery));
        if sent.is_err() {
            prop_assert_eq!(&self.account, &before);
        }
        let stays = self.account.stays_until(away.delivery, away.now);
        prop_assert!(sent.is_err() || stays.is_some_and(|until| until > away.now));
        Ok(sent.err())
    }

    fn seen(&mut self, delivery: u32, request: u8, host: u8, want: Want, share: u64, kind: Kind) -> Result<Option<Refusal>, TestCaseError> {
        let seen = Seen { client: at_host(host).key(), address: address(host) };
        // Some bear the name of a request that was admitted.
        let name = if request < 6 { format!("s{request}") } else { format!("r{}", request - 6) };
        self.settle(delivery, &name, want, (share, kind), Some((host, seen)))
    }

    fn report(&mut self, delivery: u32, request: u8, share: u64, kind: Kind) -> Result<Option<Refusal>, TestCaseError> {
        let want = self.wants.get(&(delivery, request)).copied().unwrap_or(Want::Whole);
        self.settle(delivery, &format!("r{request}"), want, (share, kind), None)
    }

    fn settle(
        &mut self,
        delivery: u32,
        name: &str,
        want: Want,
        (share, kind): (u64, Kind),
        seen: Option<(u8, Seen)>,
    ) -> Result<Option<Refusal>, TestCaseError> {
        let size = self.size(delivery);
        let answer = match kind {
            Kind::File => want.answer(size),
            Kind::Encoded => Answer { first: None, ..want.answer(size) },
            Kind::Error => Answer { status: 404, bytes: ERROR_PAGE, first: None },
            Kind::More => Want::Whole.answer(size),
            Kind::Absurd => Answer { status: 200, bytes: u64::MAX / 4, first: None },
        };
        let (status, bytes, first) = (answer.status, answer.bytes * share / 4, answer.first);
        let error = status >= 300;
        let report = Report { ended: self.moment(), status, bytes, finished: share == 4, from: first.map(|first| (first, size)) };
        // Only a 200 can have sent the whole of an empty file.
        let finished = share == 4 && (size > 0 || status == 200);
        let sent = Sent { ended: self.now, bytes, first, error, finished };
        let before = self.account.clone();
        let reset = self.model.reset.map(Moment::from_millis);
        let told = Reported { delivery: delivery_id(delivery), request: request_id(name), report, seen: seen.map(|(_, seen)| seen) };
        let change = self.account.report(&told, reset);
        let wanted = match seen {
            Some((host, _)) => self.model.seen(delivery as usize, name, host, &sent),
            None => self.model.report(delivery as usize, name, &sent),
        };
        prop_assert_eq!(change.is_some(), wanted);
        if change.is_none() {
            prop_assert_eq!(&self.account, &before);
        }
        Ok(None)
    }

    fn holds(&self) -> Result<(), TestCaseError> {
        let (Self { account, model, .. }, grant) = (self, &self.account.grant);
        prop_assert_eq!((grant.used, grant.reserved, grant.bytes_closed), (model.used(), model.reserved(), model.closed_bytes));
        if let Some(max) = model.max {
            // Only a person lowers the limit below what is used; nothing is added to that, but what arrives after it was
            // released: one at a time.
            let late = model.late - self.late_before;
            prop_assert!(late <= 1 && grant.used + grant.reserved <= max.max(self.before.0) + late);
            prop_assert!(self.amended || grant.used + grant.reserved <= max + model.late);
        }
        prop_assert_eq!(grant.networks_seen.len(), model.networks.len());
        prop_assert!(model.networks_max.map_or(grant.networks_seen.is_empty(), |most| grant.networks_seen.len() <= most));
        let open = account.deliveries.iter().filter(|delivery| delivery.state == State::Open).count();
        prop_assert_eq!(grant.reserved as usize, open);
        let (_, bytes) = self.totals();
        prop_assert_eq!(bytes, model.bytes());
        if let Some(most) = model.bytes_most(0).filter(|_| !self.amended) {
            prop_assert!(bytes <= most + model.excess());
        }
        prop_assert_eq!(account.next_due(), model.next_due().map(Moment::from_millis));
        let mut known = account.deliveries.iter();
        for (number, download) in (0_u32..).zip(&model.downloads).filter(|(_, download)| !download.gone) {
            let delivery = known.next().ok_or_else(|| TestCaseError::fail(format!("delivery {number} is missing")))?;
            prop_assert_eq!(
                (delivery.id, delivery.state, delivery.closed.is_some()),
                (delivery_id(number), download.state, download.closed)
            );
            prop_assert_eq!((delivery.bytes_charged, delivery.in_flight()), (download.charged(), download.in_flight()));
            // A budget binds what is admitted. What a server says that it sent beyond that was sent.
            prop_assert!(
                u128::from(delivery.bytes_charged) <= grant.policy.delivery_bytes_max(download.size) + u128::from(download.excess())
            );
        }
        prop_assert!(known.next().is_none());
        Ok(())
    }
}

/// At least so many cases, and as many as `PROPTEST_CASES` says.
fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(cases), failure_persistence: None, ..default }
}

#[test]
fn whatever_happens_in_whatever_order_the_account_does_what_the_model_does() {
    let seen: [Cell<u32>; 6] = Default::default();
    let (again, ended, rejoined) = (Cell::new(0_u32), Cell::new(0_u32), Cell::new(0_u32));
    let (late, away) = (Cell::new(0_u32), Cell::new(0_u32));
    let refusals = RefCell::new(BTreeSet::new());
    let mut runner = TestRunner::new(config(CASES));
    let ran = runner.run(&(limits(), prop::collection::vec(step(), 1..STEPS)), |(limits, steps)| {
        let mut pair = Pair::new(limits);
        for step in &steps {
            refusals.borrow_mut().extend(pair.step(step)?);
            pair.holds()?;
        }
        for download in &pair.model.downloads {
            let cell = &seen[download.state as usize];
            cell.set(cell.get() + 1);
            again.set(again.get() + u32::from(download.again));
            away.set(away.get() + u32::from(download.away && download.state == State::Completed));
        }
        late.set(late.get() + pair.model.late);
        ended.set(ended.get() + pair.ended);
        rejoined.set(rejoined.get() + pair.rejoined);
        Ok(())
    });
    ran.unwrap();
    for state in [State::Offered, State::Open, State::Completed, State::Released, State::Presumed, State::Started] {
        let count = seen[state as usize].get();
        assert!(count > 50, "{state:?} was reached only {count} times: the steps prove too little");
    }
    assert!(again.get() > 50, "only {} deliveries became offers again", again.get());
    assert!(ended.get() > 15, "only {} deliveries ended because the file was replaced", ended.get());
    assert!(late.get() > 3, "only {} deliveries arrived after they were released", late.get());
    assert!(away.get() > 50, "only {} deliveries were completed elsewhere", away.get());
    assert!(rejoined.get() > 10, "only {} clicks went on with what had completed", rejoined.get());
    let reasons = [
        Refusal::BadRequest,
        Refusal::NotPaid,
        Refusal::OnHold,
        Refusal::Refunded,
        Refusal::Cancelled,
        Refusal::Suspended,
        Refusal::Revoked,
        Refusal::LimitReached,
        Refusal::UnknownLink,
        Refusal::DownloadRunning,
        Refusal::Expired,
        Refusal::LinkExpired,
        Refusal::TooManyConnections,
        Refusal::ByteBudget,
        Refusal::WrongNetwork,
        Refusal::TooManyNetworks,
    ];
    assert_eq!(refusals.into_inner(), BTreeSet::from(reasons));
}

#[test]
fn no_number_and_no_time_makes_the_rules_panic_or_count_twice() {
    let any_moment = prop_oneof![Just(0), Just(u64::MAX), any::<u64>()].prop_map(Moment::from_millis);
    let any_size = prop_oneof![Just(0), Just(u64::MAX), any::<u64>(), 0_u64..100];
    let moves = prop::collection::vec((any_moment, any::<u64>(), any::<u64>(), any::<u16>(), 0_u8..6), 1..40);
    proptest!(config(0), |(size in any_size, retry in any::<u32>(), max in any::<u32>(), moves in moves)| {
        let policy = Policy { max_downloads: Some(max), retry_factor: retry, resume_grace: Span::from_millis(u64::MAX), ..base() };
        let mut account = Account::new(Grant { policy, ..grant(1, None) });
        let link = Link { expires: Moment::from_millis(u64::MAX), ..link(1) };
        for (number, (now, bytes, first, status, kind)) in (0_u32..).zip(moves) {
            let delivery = account.deliveries.last().map_or(delivery_id(0), |delivery| delivery.id);
            match kind {
                0 => drop(account.click(&Click { version: version(size), ..click(number, 1, now) }, &link)),
                1 => {
                    let range = Range::parse(Some(&format!("bytes={first}-")), false);
                    let ask = Ask { delivery, request: request_id("r0"), now, client: client(1).key(), address: client(1).address, range, measured: true };
                    let _: Result<_, Refusal> = account.admit(&ask).map(|permit| permit.opened);
                }
                2 | 3 => {
                    let report = Report { ended: now, status, bytes, finished: true, from: Some((first, size)) };
                    let seen = (kind == 3).then(|| Seen { client: client(1).key(), address: client(1).address });
                    let request = request_id(&format!("r{}", if kind == 3 { number } else { 0 }));
                    drop(account.report(&Reported { delivery, request, report, seen }, None));
                }
                4 => {
                    let away = Away { delivery, request: request_id("click"), now, address: client(1).address, measured: bytes % 2 == 0 };
                    let _: Result<_, Refusal> = account.send_away(&away).map(|permit| permit.opened);
                }
                _ => drop(account.close_due(now, usize::MAX)),
            }
            let counted = |states: &[State]| account.deliveries.iter().filter(|delivery| states.contains(&delivery.state)).count();
            prop_assert_eq!(account.grant.reserved as usize, counted(&[State::Open]));
            prop_assert_eq!(account.grant.used as usize, counted(&[State::Completed, State::Presumed, State::Started]));
        }
    });
}
