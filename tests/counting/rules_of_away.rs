//! Who is sent on to where requests do not pass by us, row by row of the table at `Account::send_away`; how long what was
//! placed for him stays; and reports of requests that nobody admitted.

use cloakroom::domain::account::{Account, Ask, Away, Change, Click, Permit, Reported, Seen};
use cloakroom::domain::delivery::{Delivery, Report, State};
use cloakroom::domain::grant::{Amendment, Grant, Standing};
use cloakroom::domain::id::DeliveryId;
use cloakroom::domain::moment::{Moment, Span};
use cloakroom::domain::policy::Policy;
use cloakroom::domain::refusal::Refusal;

use crate::fixtures::*;

/// A click on the way to a stub; where `measured` is false, to the file's own address.
fn away(delivery: DeliveryId, host: u8, now: Moment, measured: bool) -> Away {
    Away { delivery, request: request_id("click"), now, address: client(host).address, measured }
}

impl Shop {
    /// A delivery that click `number` made, and whose client was sent to a stub.
    fn sent_away(&mut self, number: u32, host: u8, now: Moment) -> DeliveryId {
        let delivery = self.offer(number, host, now);
        assert!(self.account.send_away(&away(delivery, host, now, true)).unwrap().opened);
        delivery
    }

    /// What the web server tells of a request of the client at `host` that nobody admitted.
    fn seen(&mut self, delivery: DeliveryId, request: &str, host: u8, report: Report) -> Option<Change> {
        self.seen_since(delivery, request, host, report, None)
    }

    /// The same, of a grant that was reset.
    fn seen_since(&mut self, delivery: DeliveryId, request: &str, host: u8, report: Report, reset: Option<Moment>) -> Option<Change> {
        let seen = Some(Seen { client: client(host).key(), address: client(host).address });
        self.account.report(&Reported { delivery, request: request_id(request), report, seen }, reset)
    }
}

/// What is done with a delivery before its client is sent away.
type Before = fn(&mut Shop, DeliveryId);

fn opened(shop: &mut Shop, delivery: DeliveryId) {
    assert!(shop.admit(&ask(delivery, "r1", 1, at(0))).unwrap().opened);
}

fn completed(shop: &mut Shop, delivery: DeliveryId) {
    opened(shop, delivery);
    shop.report(delivery, "r1", sent(0, SIZE, SIZE, at(1))).unwrap();
}

fn presumed(shop: &mut Shop, delivery: DeliveryId) {
    opened(shop, delivery);
    shop.close_due(at(DAY));
}

fn expired(shop: &mut Shop) {
    shop.account.grant.amend(&Amendment::Expire(Some(at(5))));
}

fn allowed(shop: &mut Shop, most: u32) {
    shop.account.grant.amend(&Amendment::Allow(Some(most)));
}

/// An open one of a grant that stands so.
fn standing(shop: &mut Shop, delivery: DeliveryId, standing: Standing) {
    opened(shop, delivery);
    shop.account.grant.amend(&Amendment::Stand(standing));
}

#[test]
fn a_client_is_sent_away_where_a_request_for_bytes_would_be_admitted() {
    let cases: [(&str, Before, u64, Result<State, Refusal>); 18] = [
        ("an offer", |_, _| {}, 10, Ok(State::Open)),
        ("an offer whose lifetime is over", |_, _| {}, HOUR, Err(Refusal::LinkExpired)),
        ("an offer of a grant that is over", |shop, _| expired(shop), 5, Err(Refusal::Expired)),
        ("just before", |shop, _| expired(shop), 4, Ok(State::Open)),
        ("an offer, and no unit is left", |shop, _| allowed(shop, 0), 10, Err(Refusal::LimitReached)),
        (
            "an offer, and the last unit is reserved",
            |shop, _| {
                shop.open(2, 2, at(0));
                allowed(shop, 1);
            },
            10,
            Err(Refusal::DownloadRunning),
        ),
        ("an open one", opened, 10, Ok(State::Open)),
        (
            "an open one of a grant that is over",
            |shop, id| {
                opened(shop, id);
                expired(shop);
            },
            10,
            Ok(State::Open),
        ),
        (
            "an open one, and no unit is left",
            |shop, id| {
                opened(shop, id);
                allowed(shop, 1);
            },
            10,
            Ok(State::Open),
        ),
        (
            "an open one, and no byte is left",
            |shop, id| {
                opened(shop, id);
                allowed(shop, 0);
            },
            10,
            Err(Refusal::ByteBudget),
        ),
        ("an open one whose grace is over", opened, DAY, Err(Refusal::LinkExpired)),
        ("a completed one", completed, 10, Ok(State::Completed)),
        ("a completed one whose grace is over", completed, DAY + 1, Err(Refusal::LinkExpired)),
        ("a presumed one", presumed, 10, Err(Refusal::LinkExpired)),
        ("a revoked grant", |shop, id| standing(shop, id, Standing::Revoked), 10, Err(Refusal::Revoked)),
        ("a suspended grant", |shop, id| standing(shop, id, Standing::Suspended), 10, Err(Refusal::Suspended)),
        (
            "from outside of its networks",
            |shop, _| shop.account.grant.policy.networks = vec!["198.51.100.0/24".parse().unwrap()],
            10,
            Err(Refusal::WrongNetwork),
        ),
        (
            "from one network too many",
            |shop, _| {
                shop.account.grant.policy.networks_max = Some(1);
                shop.account.grant.networks_seen = vec!["198.51.100.0/24".parse().unwrap()];
            },
            10,
            Err(Refusal::TooManyNetworks),
        ),
    ];
    for (what, before, now, expected) in cases {
        is_sent_away(what, before, at(now), expected);
    }
    let mut shop = Shop::new(None);
    assert_eq!(shop.account.send_away(&away(delivery_id(9), 1, at(0), true)).map(drop), Err(Refusal::UnknownLink));
}

#[test]
fn nobody_is_sent_away_any_more_when_more_was_sent_than_the_bytes_of_the_delivery() {
    let mut shop = Shop::new(Some(2));
    let delivery = shop.sent_away(1, 1, at(0));
    for (number, sent_away) in [(1, Ok(())), (2, Ok(())), (3, Err(Refusal::ByteBudget))] {
        let change = shop.seen(delivery, &format!("r{number}"), 1, sent(0, SIZE - 1, SIZE, at(number))).unwrap();
        assert_eq!(change.is_overdrawn, sent_away.is_err(), "{number}");
        assert_eq!(shop.account.stays_until(delivery, at(number)).is_some(), sent_away.is_ok(), "{number}: what lies there goes");
        assert_eq!(shop.account.send_away(&away(delivery, 1, at(number), true)).map(drop), sent_away, "{number}");
    }
}

#[test]
fn when_the_bytes_of_a_grant_are_used_up_what_was_placed_for_any_of_its_deliveries_goes() {
    let mut shop = Shop::new(Some(2));
    let (one, other) = (shop.sent_away(1, 1, at(0)), shop.sent_away(2, 2, at(0)));
    for number in 1..=5 {
        let change = shop.seen(one, &format!("r{number}"), 1, sent(0, SIZE - 1, SIZE, at(1))).unwrap();
        let of = |delivery| shop.account.stays_until(delivery, at(1)).is_some();
        // Two of each delivery, four of the grant.
        assert_eq!((of(one), of(other), change.is_overdrawn), (number <= 2, number <= 4, number > 2), "{number}");
    }
}

#[track_caller]
fn is_sent_away(what: &str, before: Before, now: Moment, expected: Result<State, Refusal>) {
    let mut shop = Shop::new(Some(2));
    let delivery = shop.offer(1, 1, at(0));
    before(&mut shop, delivery);
    let account = shop.account.clone();
    let told = shop.account.send_away(&away(delivery, 1, now, true));
    match (&told, expected) {
        (Ok(permit), Ok(state)) => {
            let (known, charged) = (shop.delivery(delivery), account.delivery(delivery).unwrap().bytes_charged);
            assert_eq!((known.state, known.away, known.active, known.bytes_charged), (state, true, now, charged), "{what}");
            assert_eq!(permit.grace_ends, known.grace_ends(&shop.account.grant.policy), "{what}");
            assert_eq!(shop.account.stays_until(delivery, now), Some(permit.grace_ends), "{what}");
        }
        (Err(_), Err(_)) => assert_eq!(shop.account, account, "{what}: a refusal changes nothing"),
        (told, expected) => panic!("{what}: {told:?}, and not {expected:?}"),
    }
    assert_eq!(told.map(drop), expected.map(drop), "{what}");
}

#[test]
fn a_unit_is_reserved_where_reports_come_and_used_where_none_do_and_once() {
    for (what, steps, state, units) in [
        ("to a stub", &[true][..], State::Open, (0, 1)),
        ("to a stub, twice", &[true, true], State::Open, (0, 1)),
        ("to the address of the file", &[false], State::Started, (1, 0)),
        ("there twice", &[false, false], State::Started, (1, 0)),
        ("there, and then to a stub", &[false, true], State::Started, (1, 0)),
        // What is fetched there is never known.
        ("to a stub, and then there", &[true, false], State::Started, (1, 0)),
    ] {
        let mut shop = Shop::new(Some(1));
        let delivery = shop.offer(1, 1, at(0));
        let opened: Vec<bool> = steps
            .iter()
            .map(|measured| shop.account.send_away(&away(delivery, 1, at(5), *measured)).map(|permit: Permit| permit.opened).unwrap())
            .collect();
        // All of them are one click.
        assert!(opened.iter().all(|opened| *opened), "{what}");
        assert_eq!((shop.state(delivery), shop.units()), (state, units), "{what}");
        assert_eq!(
            shop.click(&click(2, 2, at(6))).map(|clicked| clicked.delivery).ok(),
            (state == State::Open).then_some(delivery),
            "{what}"
        );
        shop.close_due(at(9 * DAY));
        let counted = u32::from(state == State::Started);
        assert_eq!(shop.units(), (counted, 0), "{what}");
    }
    // One that completed keeps its unit, whoever is sent where.
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    shop.report(delivery, "r1", sent(0, SIZE, SIZE, at(1))).unwrap();
    for measured in [true, false] {
        let _permit = shop.account.send_away(&away(delivery, 1, at(2), measured)).unwrap();
        assert_eq!((shop.state(delivery), shop.units()), (State::Completed, (1, 0)));
    }
}

#[test]
fn what_was_placed_stays_as_long_as_the_delivery_can_be_joined() {
    let policy = Policy { max_downloads: Some(3), ..grace(100) };
    let opened = |now| {
        let mut shop = Shop::with_policy(policy.clone());
        let delivery = shop.sent_away(1, 1, at(now));
        (shop, delivery)
    };
    let (shop, delivery) = opened(0);
    for (now, until) in [(0, Some(100)), (99, Some(100)), (100, None), (DAY, None)] {
        assert_eq!(shop.account.stays_until(delivery, at(now)), until.map(at), "{now}");
    }
    assert_eq!(shop.account.stays_until(delivery_id(9), at(0)), None, "what nobody knows goes");
    let cases: [(&str, Before, Option<u64>); 8] = [
        ("a report keeps it longer", |shop, id| drop(shop.seen(id, "a", 1, sent(0, 10, SIZE, at(50)))), Some(150)),
        ("… of what completed, too", |shop, id| drop(shop.seen(id, "a", 1, sent(0, SIZE, SIZE, at(60)))), Some(160)),
        ("a click keeps it longer", |shop, id| assert!(shop.account.send_away(&away(id, 1, at(40), true)).is_ok()), Some(140)),
        ("the end of the grant does not end it", |shop, _| shop.account.grant.amend(&Amendment::Expire(Some(at(1)))), Some(100)),
        ("revoked", |shop, _| shop.account.grant.amend(&Amendment::Stand(Standing::Revoked)), None),
        ("suspended", |shop, _| shop.account.grant.amend(&Amendment::Stand(Standing::Suspended)), None),
        ("closed", |shop, _| drop(shop.close_due(at(100))), None),
        ("replaced", |shop, _| drop(shop.click(&Click { version: replaced(2, 30), ..click(2, 2, at(70)) }).unwrap()), None),
    ];
    for (what, change, until) in cases {
        let (mut shop, delivery) = opened(0);
        if what == "replaced" {
            shop.account.grant.policy.max_downloads = Some(1);
        }
        change(&mut shop, delivery);
        assert_eq!(shop.account.stays_until(delivery, at(80)), until.map(at), "{what}");
    }
    let (mut shop, delivery) = opened(0);
    for number in 0..10_u64 {
        let now = at(number * DAY);
        shop.account.grant.policy.resume_grace = Span::from_seconds(2 * DAY);
        shop.seen(delivery, &format!("r{number}"), 1, sent(0, 1, SIZE, now));
    }
    assert_eq!(shop.account.stays_until(delivery, at(6 * DAY)), Some(at(7 * DAY)), "not for ever");
}

type Make = fn(&mut Shop) -> DeliveryId;

#[test]
fn a_report_of_what_nobody_admitted_counts_for_a_delivery_that_was_sent_away_and_for_no_other() {
    let whole = sent(0, SIZE, SIZE, at(9));
    let here: Make = |shop| shop.sent_away(1, 1, at(0));
    let cases: [(&str, Make, bool, Option<State>); 7] = [
        ("sent away", here, true, Some(State::Completed)),
        ("… but nobody says who asked", here, false, None),
        ("an offer", |shop| shop.offer(1, 1, at(0)), true, None),
        ("one whose requests pass by us", |shop| shop.open(1, 1, at(0)), true, None),
        ("one that is not known", |_| delivery_id(9), true, None),
        (
            "sent away after a request of it was admitted",
            |shop| {
                let delivery = shop.open(1, 1, at(0));
                let _permit = shop.account.send_away(&away(delivery, 1, at(1), true)).unwrap();
                delivery
            },
            true,
            Some(State::Completed),
        ),
        (
            "sent where nobody reports",
            |shop| {
                let delivery = shop.offer(1, 1, at(0));
                let _permit = shop.account.send_away(&away(delivery, 1, at(0), false)).unwrap();
                delivery
            },
            true,
            Some(State::Started),
        ),
    ];
    for (what, make, says_who, state) in cases {
        let mut shop = Shop::new(Some(1));
        let delivery = make(&mut shop);
        let before = shop.account.clone();
        let change = if says_who { shop.seen(delivery, "a", 1, whole.clone()) } else { shop.report(delivery, "a", whole.clone()) };
        assert_eq!(change.as_ref().map(|change| change.state), state, "{what}");
        if change.is_none() {
            assert_eq!(shop.account, before, "{what}: nothing changes");
            continue;
        }
        assert_eq!((shop.units(), change.unwrap().bytes), ((1, 0), SIZE), "{what}");
        let known = shop.delivery(delivery);
        assert_eq!(known.requests[&request_id("a")].address, client(1).address, "{what}");
        let again = shop.account.clone();
        assert!(shop.seen(delivery, "a", 2, whole.clone()).is_none() && shop.account == again, "{what}: once");
    }
}

#[test]
fn what_was_sent_where_requests_pass_by_us_counts_as_elsewhere() {
    for (what, reports, state, covered, charged) in [
        ("all at once", &[(1, sent(0, SIZE, SIZE, at(1)))][..], State::Completed, SIZE, SIZE),
        ("paused and resumed", &[(1, sent(0, 400, SIZE, at(1))), (1, sent(400, 600, SIZE, at(2)))], State::Completed, SIZE, SIZE),
        ("the end before the beginning", &[(1, sent(400, 600, SIZE, at(1))), (1, sent(0, 400, SIZE, at(2)))], State::Completed, SIZE, SIZE),
        ("two halves of two clients", &[(1, sent(0, 500, SIZE, at(1))), (2, sent(500, 500, SIZE, at(1)))], State::Open, 500, SIZE),
        ("a part", &[(1, sent(0, 999, SIZE, at(1)))], State::Open, 999, 999),
        ("of another size", &[(1, sent(0, 500, 500, at(1)))], State::Open, 0, 500),
        ("a page about an error", &[(1, Report { status: 404, from: None, ..sent(0, 153, SIZE, at(1)) })], State::Open, 0, 0),
        ("not modified", &[(1, not_modified(at(1)))], State::Open, 0, 0),
        (
            "three times",
            &[(1, sent(0, SIZE, SIZE, at(1))), (1, sent(0, SIZE, SIZE, at(2))), (2, sent(0, SIZE, SIZE, at(3)))],
            State::Completed,
            SIZE,
            3 * SIZE,
        ),
    ] {
        let mut shop = Shop::new(Some(1));
        let delivery = shop.sent_away(1, 1, at(0));
        for (number, (host, report)) in reports.iter().enumerate() {
            assert!(shop.seen(delivery, &format!("s{number}"), *host, report.clone()).is_some(), "{what}");
        }
        let known = shop.delivery(delivery);
        assert_eq!((known.state, known.covered(), known.bytes_charged, known.in_flight()), (state, covered, charged, 0), "{what}");
        assert_eq!(shop.units(), if state == State::Completed { (1, 0) } else { (0, 1) }, "{what}: a question keeps its unit");
        assert!(shop.account.grant.networks_seen.is_empty(), "{what}: a report adds no network");
    }
    // The cookie of the click is who clicked.
    let mut shop = Shop::new(Some(1));
    let delivery = shop.sent_away(1, 1, at(0));
    shop.seen(delivery, "a", 1, sent(0, 400, SIZE, at(1))).unwrap();
    let seen = Some(Seen { client: cookie(1), address: client(7).address });
    let rest = Reported { delivery, request: request_id("b"), report: sent(400, 600, SIZE, at(2)), seen };
    assert_eq!(shop.account.report(&rest, None).unwrap().state, State::Completed);
}

#[test]
fn what_was_sent_away_is_released_where_bytes_are_missing_and_presumed_where_none_may_be() {
    for (what, reports, state) in [
        ("nothing was told", &[][..], State::Released),
        ("a part", &[(1, sent(0, 400, SIZE, at(1)))], State::Released),
        ("two halves of two clients", &[(1, sent(0, 500, SIZE, at(1))), (2, sent(500, 500, SIZE, at(1)))], State::Presumed),
        ("the whole, compressed", &[(1, Report { from: None, ..sent(0, SIZE, SIZE, at(1)) })], State::Presumed),
        ("the whole", &[(1, sent(0, SIZE, SIZE, at(1)))], State::Completed),
    ] {
        let mut shop = Shop::new(Some(1));
        let delivery = shop.sent_away(1, 1, at(0));
        for (number, (host, report)) in reports.iter().enumerate() {
            shop.seen(delivery, &format!("s{number}"), *host, report.clone()).unwrap();
        }
        assert_eq!(shop.close_due(at(1 + DAY))[0].state, state, "{what}");
        assert_eq!(shop.units(), (u32::from(state != State::Released), 0), "{what}");
        assert_eq!(shop.account.stays_until(delivery, at(1 + DAY)), None, "{what}");
    }
    // A request that was admitted besides, and of which nothing is known, may have brought it.
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    let _permit = shop.account.send_away(&away(delivery, 1, at(1), true)).unwrap();
    shop.seen(delivery, "a", 1, sent(0, 400, SIZE, at(2))).unwrap();
    assert_eq!(shop.close_due(at(2 + DAY))[0].state, State::Presumed);
}

#[test]
fn what_arrives_after_it_was_released_counts_once_even_beyond_the_limit() {
    // Slower than its grace: the first part came in time.
    let released = || {
        let mut shop = Shop::new(Some(1));
        let delivery = shop.sent_away(1, 1, at(0));
        shop.seen(delivery, "a", 1, sent(0, 400, SIZE, at(1))).unwrap();
        assert_eq!(shop.close_due(at(1 + DAY))[0].state, State::Released);
        (shop, delivery)
    };
    let (late, whole) = (at(2 * DAY), sent(0, SIZE, SIZE, at(2 * DAY)));
    for (what, host, report, arrives) in [
        ("the rest", 1, sent(400, 600, SIZE, late), true),
        ("all of it", 2, whole.clone(), true),
        ("not the last byte", 1, sent(400, 599, SIZE, late), false),
        ("the rest, of another client", 2, sent(400, 600, SIZE, late), false),
        ("an error", 1, Report { status: 404, ..whole.clone() }, false),
    ] {
        let (mut shop, delivery) = released();
        let change = shop.seen(delivery, "b", host, report.clone()).unwrap();
        let state = if arrives { State::Completed } else { State::Released };
        assert_eq!((change.before, change.state, shop.state(delivery)), (State::Released, state, state), "{what}");
        let known = shop.delivery(delivery);
        assert_eq!((known.completed, known.closed, known.active), (arrives.then_some(late), Some(at(1 + DAY)), at(1)), "{what}");
        assert_eq!((shop.units(), shop.account.grant.bytes_closed), ((u32::from(arrives), 0), 400 + report.bytes_charged()), "{what}");
        assert!(shop.seen(delivery, "b", host, report).is_none(), "{what}: once");
        shop.seen(delivery, "c", 3, whole.clone()).unwrap();
        assert_eq!((shop.state(delivery), shop.units()), (State::Completed, (1, 0)), "{what}: whoever else has it");
    }
    // Another took the unit meanwhile.
    let (mut shop, first) = released();
    let second = shop.sent_away(2, 2, late);
    shop.seen(first, "b", 1, sent(400, 600, SIZE, late)).unwrap();
    assert_eq!(shop.units(), (1, 1), "both run, and one has arrived");
    shop.seen(second, "b", 2, whole.clone()).unwrap();
    assert_eq!(shop.units(), (2, 0), "both arrived");
    assert_eq!(shop.click(&click(3, 3, late)), Err(Refusal::LimitReached));
    // What was forgiven stays forgiven.
    for (reset, used) in [(DAY, 1), (1 + DAY, 0), (2 * DAY, 0)] {
        let (mut shop, delivery) = released();
        shop.account.grant.amend(&Amendment::Reset);
        let change = shop.seen_since(delivery, "b", 1, sent(400, 600, SIZE, late), Some(at(reset))).unwrap();
        assert_eq!((change.state, shop.units()), (State::Completed, (used, 0)), "reset at {reset}");
    }
    // What is presumed, or was one whose requests pass by us, stays what it is.
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    shop.report(delivery, "r1", sent(0, 400, SIZE, at(1))).unwrap();
    shop.close_due(at(1 + DAY));
    assert!(shop.seen(delivery, "b", 1, whole).is_none());
    assert_eq!((shop.state(delivery), shop.units()), (State::Released, (0, 0)));
}

#[test]
fn of_thousands_of_requests_that_nobody_admitted_few_are_remembered_and_all_are_counted() {
    let most = u64::try_from(Delivery::REQUESTS_MAX).unwrap();
    let mut shop = Shop::new(Some(1));
    let delivery = shop.sent_away(1, 1, at(0));
    for number in 0..2 * most {
        shop.seen(delivery, &format!("s{number}"), 1, sent(number % SIZE, 1, SIZE, at(number))).unwrap();
    }
    let known = shop.delivery(delivery);
    assert_eq!((known.requests.len(), known.requests_total(), known.bytes_charged), (Delivery::REQUESTS_MAX, 2 * most, 2 * most));
    assert_eq!((known.state, shop.units()), (State::Completed, (1, 0)), "every byte was among them");
    let again = shop.account.clone();
    assert!(shop.seen(delivery, &format!("s{}", 2 * most - 1), 1, sent(0, 1, SIZE, at(0))).is_none() && shop.account == again);
    shop.close_due(at(9 * DAY));
    assert_eq!(shop.delivery(delivery).requests.len(), Delivery::REQUESTS_ENDED_MAX);
    shop.seen(delivery, "late", 1, sent(0, 1, SIZE, at(0))).unwrap();
    let known = shop.delivery(delivery);
    assert_eq!((known.requests.len(), known.requests_total()), (Delivery::REQUESTS_ENDED_MAX, 2 * most + 1));

    // None of those that were admitted and may still run makes room.
    let policy = Policy { connections_max: 9999, retry_factor: 9999, ..base() };
    let mut shop = Shop { account: Account::new(Grant { policy, ..grant(1, None) }), ..Shop::new(None) };
    let delivery = shop.sent_away(1, 1, at(0));
    for number in 0..most {
        let _permit = shop.admit(&Ask { range: range("bytes=0-0"), ..ask(delivery, &format!("r{number}"), 1, at(0)) }).unwrap();
    }
    let before = shop.account.clone();
    assert!(shop.seen(delivery, "s", 1, sent(0, SIZE, SIZE, at(1))).is_none() && shop.account == before);
    shop.report(delivery, "r7", not_modified(at(1))).unwrap();
    assert_eq!(shop.seen(delivery, "s", 1, sent(0, SIZE, SIZE, at(1))).unwrap().state, State::Completed);
}
