//! Decisions in any order and in bursts, with the file closed, copied and opened in between: it answers as memory does.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use cloakroom::domain::account::{Ask, Away, Click, Reported};
use cloakroom::domain::delivery::{Report, State};
use cloakroom::domain::feed_position::FeedPosition;
use cloakroom::domain::grant::{Amendment, Grant, Standing};
use cloakroom::domain::id::{DeliveryId, GrantId, LinkId};
use cloakroom::domain::link::Link;
use cloakroom::domain::moment::{Moment, Span};
use cloakroom::domain::order::OrderState;
use cloakroom::domain::placed::{DirectoryName, NewStub, PlacedName, Stay};
use cloakroom::domain::policy::Policy;
use cloakroom::domain::range::Range;
use cloakroom::domain::refusal::Refusal;
use cloakroom::domain::tally::{Counted, Tally};
use cloakroom::store::Closing;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::fixtures::{at, client, cookie, delivery_id, grant, grant_id, link, link_id, replaced, request_id, sold};
use crate::pair::{Answer, Decision, Pair};

const CASES: u32 = 120;
const STEPS: usize = 28;
const BURST: usize = 9;
const SIZE: u64 = 10;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const TEN_YEARS: i64 = 3650 * 24 * HOUR;

#[derive(Clone, Debug)]
enum Step {
    Burst(Vec<Move>),
    Clock(i64),
    Reopen,
    Kill,
}

#[derive(Clone, Debug)]
enum Move {
    Click {
        link: usize,
        host: u8,
        cookie: Option<u32>,
        first: u64,
    },
    /// Of the delivery that was clicked `back` before the last.
    Admit {
        back: usize,
        request: u8,
        host: u8,
        first: u64,
        measured: bool,
    },
    /// The client of the delivery that was clicked `back` before the last is sent on, to a stub in one of two directories or
    /// to the file's own address.
    Away {
        back: usize,
        host: u8,
        directory: Option<bool>,
        measured: bool,
    },
    /// Of a request that nobody admitted, of the delivery that was clicked `back` before the last.
    Seen {
        back: usize,
        request: u8,
        host: u8,
        first: u64,
        share: u64,
    },
    /// What was placed under these names is found to be gone.
    Gone(Vec<u64>),
    /// Of requests that were asked for `back` before the last, admitted or not, reported or not.
    Report {
        backs: Vec<usize>,
        share: u64,
        kind: Kind,
        moves: bool,
    },
    Close,
    Replace,
    Amend(usize, Amend),
    AddLink(usize),
    RevokeLink(usize),
    /// Of a grant that is there, or with an id that is taken.
    IssueAgain(usize, bool),
    Count(u64),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    File,
    Nowhere,
    Error,
}

#[derive(Clone, Copy, Debug)]
enum Amend {
    Stand(Standing),
    Reset,
    Expire(Option<i64>),
    Allow(Option<u32>),
    Gate(OrderState),
}

fn moves() -> impl Strategy<Value = Move> {
    let kind = prop_oneof![8 => Just(Kind::File), 1 => Just(Kind::Nowhere), 1 => Just(Kind::Error)];
    let standing = prop_oneof![6 => Just(Standing::Active), 2 => Just(Standing::Suspended), 1 => Just(Standing::Revoked)];
    let amend = prop_oneof![
        3 => standing.prop_map(Amend::Stand),
        2 => Just(Amend::Reset),
        2 => prop::option::of(-HOUR..40 * HOUR).prop_map(Amend::Expire),
        3 => prop::option::of(0_u32..5).prop_map(Amend::Allow),
        2 => prop::sample::select(&OrderState::ALL[..]).prop_map(Amend::Gate),
    ];
    let first = prop_oneof![4 => Just(0), 3 => 0..SIZE + 1];
    let again = prop::collection::vec(0_usize..7, 1..4);
    prop_oneof![
        22 => (0_usize..6, 1_u8..4, prop::option::of(0_u32..6), first.clone())
            .prop_map(|(link, host, cookie, first)| Move::Click { link, host, cookie, first }),
        34 => (0_usize..5, 0_u8..6, 1_u8..4, first, prop::bool::weighted(0.93))
            .prop_map(|(back, request, host, first, measured)| Move::Admit { back, request, host, first, measured }),
        30 => (again, 0_u64..=4, kind, any::<bool>())
            .prop_map(|(backs, share, kind, moves)| Move::Report { backs, share, kind, moves }),
        20 => (0_usize..5, 1_u8..4, prop::option::weighted(0.8, any::<bool>()), prop::bool::weighted(0.93))
            .prop_map(|(back, host, directory, measured)| Move::Away { back, host, directory, measured }),
        14 => (0_usize..5, 0_u8..8, 1_u8..4, prop_oneof![Just(0), 0..SIZE + 1], prop_oneof![0_u64..4, Just(4)])
            .prop_map(|(back, request, host, first, share)| Move::Seen { back, request, host, first, share }),
        4 => prop::collection::vec(0_u64..7, 1..4).prop_map(Move::Gone),
        9 => Just(Move::Close),
        2 => Just(Move::Replace),
        3 => (0_usize..4, amend).prop_map(|(grant, amend)| Move::Amend(grant, amend)),
        1 => (0_usize..5).prop_map(Move::AddLink),
        1 => (0_usize..7).prop_map(Move::RevokeLink),
        1 => (0_usize..4, any::<bool>()).prop_map(|(grant, other)| Move::IssueAgain(grant, other)),
        1 => prop_oneof![0..9_u64, Just(u64::MAX >> 1)].prop_map(Move::Count),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let clock = prop_oneof![
        8 => 0..20 * MINUTE,
        3 => Just(HOUR),
        3 => Just(-HOUR),
        6 => Just(25 * HOUR),
        1 => Just(TEN_YEARS),
        1 => Just(-TEN_YEARS),
    ];
    prop_oneof![
        20 => prop::collection::vec(moves(), 1..BURST).prop_map(Step::Burst),
        6 => clock.prop_map(Step::Clock),
        2 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ]
}

/// Ids come in no order, as random ones do.
fn scattered(number: usize) -> DeliveryId {
    delivery_id(u32::try_from(number).unwrap().wrapping_mul(0x9e37_79b1))
}

/// What turns moves into decisions.
struct Play {
    now: u64,
    grants: Vec<GrantId>,
    links: Vec<(LinkId, GrantId)>,
    clicks: usize,
    version: u32,
    asked: Vec<(DeliveryId, String)>,
    wants: BTreeMap<(DeliveryId, String), u64>,
    read: u64,
    /// How many stubs were asked for.
    names: u64,
}

/// The name of the stub that was asked for as number `number`; they come in no order.
fn placed_name(number: u64) -> PlacedName {
    PlacedName::new(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes())
}

impl Play {
    fn now(&self) -> Moment {
        Moment::from_millis(self.now)
    }

    fn decision(&mut self, step: &Move) -> Decision {
        match step {
            Move::Click { link, host, cookie: brought, first } => {
                let (link, _) = self.links[link % self.links.len()];
                let number = self.clicks;
                self.clicks += 1;
                Decision::Click(Click {
                    link,
                    now: self.now(),
                    client: client(*host),
                    cookie: brought.map(|back| cookie(u32::try_from(number).unwrap().saturating_sub(back))),
                    range: range(*first),
                    fresh: scattered(number),
                    fresh_cookie: cookie(u32::try_from(number).unwrap()),
                    version: replaced(self.version, SIZE + u64::from(self.version)),
                })
            }
            Move::Admit { back, request, host, first, measured } => {
                let delivery = scattered(self.clicks.saturating_sub(1 + back));
                let request = format!("r{request}");
                self.asked.push((delivery, request.clone()));
                self.wants.entry((delivery, request.clone())).or_insert(*first);
                Decision::Admit(Ask {
                    delivery,
                    request: request_id(&request),
                    now: self.now(),
                    client: client(*host).key(),
                    // Each host is in a network of its own.
                    address: [198, 51, *host, 1].into(),
                    range: range(*first),
                    measured: *measured,
                })
            }
            Move::Report { backs, share, kind, moves } => {
                let reports = backs.iter().filter_map(|back| self.report(*back, *share, *kind)).collect();
                self.read += 100;
                let position = FeedPosition { device: u64::MAX, inode: 1 << 63, offset: self.read };
                Decision::Settle(reports, moves.then_some(position))
            }
            Move::Away { back, host, directory, measured } => {
                let delivery = scattered(self.clicks.saturating_sub(1 + back));
                let stub = directory.map(|other| {
                    let directory = DirectoryName::parse(if other { "other" } else { "pub" }).unwrap();
                    self.names += 1;
                    NewStub { name: placed_name(self.names), directory, leaf: "a.zip".to_owned() }
                });
                let away = Away {
                    delivery,
                    request: request_id("click"),
                    now: self.now(),
                    address: [198, 51, *host, 1].into(),
                    measured: *measured,
                };
                Decision::Away(away, stub)
            }
            Move::Seen { back, request, host, first, share } => self.seen(*back, *request, *host, *first, *share),
            Move::Gone(backs) => {
                let names = backs.iter().map(|back| placed_name(self.names.saturating_sub(*back)));
                Decision::Gone(names.collect(), self.now())
            }
            Move::Close => Decision::Close(self.now()),
            Move::Replace => {
                self.version += 1;
                Decision::Close(self.now())
            }
            Move::Amend(number, amend) => {
                // One more than there are is one that nobody made.
                let grant = self.grants.get(*number).copied().unwrap_or(grant_id(99));
                let amendment = match amend {
                    Amend::Stand(standing) => Amendment::Stand(*standing),
                    Amend::Reset => Amendment::Reset,
                    Amend::Expire(after) => {
                        Amendment::Expire(after.map(|after| Moment::from_millis(self.now.saturating_add_signed(after))))
                    }
                    Amend::Allow(most) => Amendment::Allow(*most),
                    Amend::Gate(gate) => Amendment::Gate(*gate),
                };
                Decision::Amend(grant, amendment, self.now())
            }
            Move::AddLink(number) => {
                let grant = self.grants.get(*number).copied().unwrap_or(grant_id(99));
                let id = link_id(u32::try_from(self.links.len()).unwrap().wrapping_mul(0x9e37_79b1) | 1 << 20);
                self.links.push((id, grant));
                Decision::AddLink(Link { id, grant, created: self.now(), ..link(1) })
            }
            Move::RevokeLink(number) => Decision::RevokeLink(self.links.get(*number).map_or(link_id(98), |(link, _)| *link)),
            Move::IssueAgain(number, other) => {
                let number = u32::try_from(1 + number).unwrap();
                let link = link(number);
                let link = if *other { Link { expires: at(1), ..link } } else { link };
                Decision::Issue(Box::new(Grant { sold: Some(sold(number)), ..grant(number, Some(1)) }), link)
            }
            Move::Count(count) => Decision::Count(vec![
                Tally::new(self.now(), Counted::Refused(Refusal::LimitReached), *count),
                Tally::new(self.now(), Counted::Refused(Refusal::LimitReached), 1),
            ]),
        }
    }

    fn seen(&self, back: usize, request: u8, host: u8, first: u64, share: u64) -> Decision {
        let delivery = scattered(self.clicks.saturating_sub(1 + back));
        let size = SIZE + u64::from(self.version);
        let bytes = size.saturating_sub(first) * share / 4;
        let status = if first == 0 { 200 } else { 206 };
        let report = Report { ended: self.now(), status, bytes, finished: share == 4, from: Some((first, size)) };
        let seen = Some(cloakroom::domain::account::Seen { client: client(host).key(), address: [198, 51, host, 1].into() });
        let request = request_id(&if request < 6 { format!("s{request}") } else { format!("r{}", request - 6) });
        Decision::Settle(vec![Reported { delivery, request, report, seen }], None)
    }

    fn report(&self, back: usize, share: u64, kind: Kind) -> Option<Reported> {
        let (delivery, request) = self.asked.iter().rev().nth(back)?.clone();
        let first = self.wants[&(delivery, request.clone())];
        let size = SIZE + u64::from(self.version);
        let bytes = size.saturating_sub(first) * share / 4;
        let (status, from) = match kind {
            Kind::File => (if first == 0 { 200 } else { 206 }, Some((first, size))),
            Kind::Nowhere => (200, None),
            Kind::Error => (404, None),
        };
        let report = Report { ended: self.now(), status, bytes, finished: share == 4, from };
        Some(Reported { delivery, request: request_id(&request), report, seen: None })
    }
}

fn range(first: u64) -> Range {
    if first == 0 { Range::Whole } else { Range::parse(Some(&format!("bytes={first}-")), false) }
}

/// The grants that a case begins with.
fn issued(grants: u32, max: Option<u32>, retry_factor: u32, connections_max: u32, networks_max: Option<u32>) -> Vec<Decision> {
    let resume_grace = Span::from_hours(24);
    let policy = Policy { max_downloads: max, retry_factor, connections_max, networks_max, resume_grace, ..Policy::default() };
    let made =
        |number| Decision::Issue(Box::new(Grant { policy: policy.clone(), sold: Some(sold(number)), ..grant(number, None) }), link(number));
    (1..=grants).map(made).collect()
}

/// What was seen over all cases.
#[derive(Default)]
struct Seen {
    states: [Cell<u32>; 6],
    late: Cell<u32>,
    shared: Cell<u32>,
    reopened: Cell<u32>,
    killed: Cell<u32>,
    closed: Cell<u32>,
    going: Cell<u32>,
    stays: [Cell<u32>; 3],
    refused: RefCell<BTreeMap<String, u32>>,
}

fn more(cell: &Cell<u32>) {
    cell.set(cell.get() + 1);
}

impl Seen {
    fn answers(&self, decisions: &[Decision], answers: &[Answer]) {
        self.shared.set(self.shared.get() + u32::from(decisions.len() > 3));
        for answer in answers {
            let why = match answer {
                Answer::Clicked(Ok(Err(why))) | Answer::Admitted(Ok(Err(why))) | Answer::SentAway(Ok(Err(why))) => why,
                Answer::Closed(Ok(Closing { changes, going, .. })) if !changes.is_empty() || !going.is_empty() => {
                    self.going.set(self.going.get() + u32::try_from(going.len()).unwrap());
                    more(&self.closed);
                    continue;
                }
                Answer::Settled(Ok(changes)) if changes.iter().any(|change| change.state == change.before) => {
                    more(&self.late);
                    continue;
                }
                _ => continue,
            };
            *self.refused.borrow_mut().entry(why.code().to_owned()).or_default() += 1;
        }
    }
}

async fn play(seen: &Seen, accounts: usize, beginning: Vec<Decision>, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut pair = Pair::new(accounts);
    let (expected, answers) = pair.burst(&beginning).await;
    prop_assert_eq!(answers, expected);
    let numbers = 1..=u32::try_from(beginning.len()).unwrap();
    let mut play = Play {
        now: at(0).millis(),
        grants: numbers.clone().map(grant_id).collect(),
        links: numbers.map(|number| (link_id(number), grant_id(number))).collect(),
        clicks: 0,
        version: 2,
        asked: Vec::new(),
        wants: BTreeMap::new(),
        read: 0,
        names: 0,
    };
    for step in steps {
        match step {
            Step::Burst(moves) => {
                let decisions: Vec<Decision> = moves.iter().map(|step| play.decision(step)).collect();
                let (expected, answers) = pair.burst(&decisions).await;
                seen.answers(&decisions, &answers);
                for ((decision, expected), answer) in decisions.iter().zip(expected).zip(answers) {
                    prop_assert_eq!(answer, expected, "{:?}", decision);
                }
            }
            Step::Clock(by) => play.now = play.now.saturating_add_signed(*by),
            Step::Reopen => {
                pair.reopen();
                pair.holds().await;
                more(&seen.reopened);
            }
            Step::Kill => {
                pair.killed().await;
                more(&seen.killed);
            }
        }
    }
    pair.holds().await;
    pair.reopen();
    pair.holds().await;
    for delivery in pair.told().await {
        more(&seen.states[delivery.state as usize]);
    }
    for placed in pair.placed().await {
        let stay = match placed.stay {
            Stay::Preparing | Stay::Live => 0,
            Stay::Going => 1,
            Stay::Gone(_) => 2,
        };
        more(&seen.stays[stay]);
    }
    Ok(())
}

/// At least so many cases, and as many as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|wanted| wanted.parse().ok()).unwrap_or(0);
    ProptestConfig { cases: CASES.max(wanted), failure_persistence: None, max_shrink_iters: 2000, ..default }
}

#[test]
fn whatever_happens_the_file_answers_as_memory_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let max = prop_oneof![1 => Just(None), 4 => (0_u32..5).prop_map(Some)];
    // One or two accounts are kept: others are let go of, and read again, all the time.
    let networks = prop_oneof![2 => Just(None), 1 => (1_u32..3).prop_map(Some)];
    let cases = (1_usize..3, 1_u32..=4, max, 0_u32..3, 1_u32..5, networks);
    let seen = Seen::default();
    let mut runner = TestRunner::new(config());
    let ran =
        runner.run(&(cases, prop::collection::vec(step(), 1..STEPS)), |((accounts, grants, max, retry, connections, networks), steps)| {
            runtime.block_on(play(&seen, accounts, issued(grants, max, retry, connections, networks), &steps))
        });
    ran.unwrap();
    for state in [State::Offered, State::Open, State::Completed, State::Released, State::Presumed, State::Started] {
        let count = seen.states[state as usize].get();
        assert!(count > 0, "{state:?} was reached only {count} times: the steps prove too little");
    }
    for (what, count) in [
        ("reports that settled nothing", &seen.late),
        ("bursts", &seen.shared),
        ("reopened", &seen.reopened),
        ("copied", &seen.killed),
        ("ended", &seen.closed),
        ("had to go", &seen.going),
        ("stubs that are there", &seen.stays[0]),
        ("stubs that are going", &seen.stays[1]),
        ("stubs that are gone", &seen.stays[2]),
    ] {
        // The rarest is seen some thirty times in a run.
        assert!(count.get() >= 5, "{what}: only {}", count.get());
    }
    assert!(seen.refused.borrow().len() >= 8, "{:?}", seen.refused.borrow());
}
