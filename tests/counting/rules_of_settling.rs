//! Reports and endings, row by row of the tables at `Account::report` and `Account::close_due`.

use cloakroom::domain::account::{Account, Ask, Click, Reported};
use cloakroom::domain::coverage::Coverage;
use cloakroom::domain::delivery::{Delivery, Report, State};
use cloakroom::domain::moment::Moment;
use cloakroom::domain::refusal::Refusal;

use crate::fixtures::*;

#[test]
fn a_download_that_was_killed_and_resumed_counts_once() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    let change = shop.report(delivery, "r1", sent(0, 400, SIZE, at(1))).unwrap();
    assert_eq!((change.before, change.state, change.covered, change.size), (State::Open, State::Open, 400, SIZE));
    assert_eq!((change.delivery, change.grant, change.client), (delivery, grant_id(1), client(1)));
    let rest = Ask { range: range("bytes=400-"), ..ask(delivery, "r2", 1, at(2)) };
    assert!(!shop.admit(&rest).unwrap().opened);
    let change = shop.report(delivery, "r2", sent(400, 600, SIZE, at(3))).unwrap();
    assert_eq!((change.before, change.state, change.covered), (State::Open, State::Completed, SIZE));
    assert_eq!(shop.units(), (1, 0));
    let known = shop.delivery(delivery);
    assert_eq!((known.requests_total(), known.bytes_charged, known.active), (2, SIZE, at(3)));
    assert_eq!(known.best_coverage().unwrap().0, client(1).key());
}

#[test]
fn a_download_that_was_killed_and_given_up_counts_nothing() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    shop.report(delivery, "r1", sent(0, 400, SIZE, at(10))).unwrap();
    assert_eq!(shop.account.next_due(), Some(at(10 + DAY)));
    assert!(shop.close_due(at(9 + DAY)).is_empty());
    let changes = shop.close_due(at(10 + DAY));
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].before, changes[0].state, changes[0].covered), (State::Open, State::Released, 400));
    assert_eq!((shop.units(), shop.account.grant.bytes_closed), ((0, 0), 400));
    assert!(shop.close_due(at(99 * DAY)).is_empty());
    assert_eq!((shop.units(), shop.account.next_due()), ((0, 0), None));
    shop.open(2, 1, at(99 * DAY));
}

#[test]
fn a_download_of_which_nothing_is_known_is_presumed_to_have_arrived() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    assert_eq!(shop.close_due(at(DAY))[0].state, State::Presumed);
    assert_eq!((shop.units(), shop.account.grant.bytes_closed), ((1, 0), SIZE));
    // A report that comes after all corrects the bytes, once, and not the count.
    let late = sent(0, 300, SIZE, at(DAY));
    let change = shop.report(delivery, "r1", late.clone()).unwrap();
    assert_eq!((change.before, change.state), (State::Presumed, State::Presumed));
    assert!(shop.report(delivery, "r1", late).is_none());
    assert_eq!((shop.units(), shop.account.grant.bytes_closed), ((1, 0), 300));
}

#[test]
fn parts_that_went_to_different_clients_are_not_one_whole_file() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    shop.report(delivery, "r1", sent(0, 500, SIZE, at(1))).unwrap();
    assert!(shop.admit(&Ask { range: range("bytes=500-"), ..ask(delivery, "b", 2, at(1)) }).is_ok());
    shop.report(delivery, "b", sent(500, 500, SIZE, at(1))).unwrap();
    assert_eq!((shop.state(delivery), shop.delivery(delivery).covered()), (State::Open, 500));
    assert_eq!(shop.delivery(delivery).coverage.len(), 2);
}

#[test]
fn what_was_sent_under_several_names_or_in_several_parts_is_presumed_when_it_may_be_the_whole() {
    let beside = |bytes| Report { from: None, status: 206, ..sent(0, bytes, SIZE, at(1)) };
    for (what, reports, state) in [
        ("two halves of two clients", &[(1, sent(0, 500, SIZE, at(1))), (2, sent(500, 500, SIZE, at(1)))][..], State::Presumed),
        ("the same but a byte", &[(1, sent(0, 500, SIZE, at(1))), (2, sent(501, 499, SIZE, at(1)))], State::Released),
        ("the same half twice", &[(1, sent(0, 500, SIZE, at(1))), (2, sent(0, 500, SIZE, at(1)))], State::Released),
        ("most of it twice", &[(1, sent(0, 900, SIZE, at(1))), (1, sent(0, 900, SIZE, at(1)))], State::Released),
        ("all parts at once", &[(1, beside(SIZE + 200))], State::Presumed),
        ("some parts at once", &[(1, beside(SIZE - 1))], State::Released),
        ("a half, and parts", &[(1, sent(0, 500, SIZE, at(1))), (2, beside(500))], State::Presumed),
        ("a half, and not enough parts", &[(1, sent(0, 500, SIZE, at(1))), (2, beside(499))], State::Released),
        (
            "a half, and a long page about an error",
            &[(1, sent(0, 500, SIZE, at(1))), (2, Report { status: 404, ..beside(900) })],
            State::Released,
        ),
    ] {
        let mut shop = Shop::new(Some(1));
        shop.account.grant.policy.retry_factor = 9;
        let delivery = shop.offer(1, 1, at(0));
        for (number, (host, report)) in reports.iter().enumerate() {
            let name = format!("r{number}");
            let _ = shop.admit(&ask(delivery, &name, *host, at(1))).unwrap();
            shop.report(delivery, &name, report.clone()).unwrap();
        }
        assert_eq!((shop.state(delivery), shop.units()), (State::Open, (0, 1)), "{what}");
        let changes = shop.close_due(at(1 + DAY));
        assert_eq!((changes[0].before, changes[0].state), (State::Open, state), "{what}");
        assert_eq!(shop.units(), (u32::from(state == State::Presumed), 0), "{what}");
    }
}

#[test]
fn more_names_and_more_pieces_than_are_kept_do_not_make_a_whole_file_free() {
    // A file in pieces of one byte each: every other one first, each under another name, or all under one.
    let size = 4 * u64::try_from(Coverage::RANGES_MAX).unwrap();
    for hosts in [1, 200] {
        let mut shop = Shop::new(Some(1));
        shop.account.grant.policy.retry_factor = 9;
        let delivery = shop.click(&Click { version: version(size), ..click(1, 1, at(0)) }).unwrap().delivery;
        for (number, first) in (0..size).step_by(2).chain((1..size).step_by(2)).enumerate() {
            let name = format!("r{number}");
            let host = u8::try_from(first % hosts).unwrap();
            let _ = shop.admit(&Ask { range: range(&format!("bytes={first}-{first}")), ..ask(delivery, &name, host, at(0)) }).unwrap();
            shop.report(delivery, &name, Report { status: 206, ..sent(first, 1, size, at(0)) }).unwrap();
        }
        assert!(shop.delivery(delivery).covered() < size, "some of it was forgotten");
        assert_eq!(shop.close_due(at(DAY))[0].state, State::Presumed, "{hosts}");
        assert_eq!(shop.units(), (1, 0));
    }
}

#[test]
fn of_what_has_ended_little_is_kept_and_its_numbers_stay_true() {
    let size = 20_000;
    let mut shop = Shop::new(Some(1));
    let delivery = shop.click(&Click { version: version(size), ..click(1, 1, at(0)) }).unwrap().delivery;
    for number in 0..200_u64 {
        // Ranges grow: the first are the smallest.
        let (name, first) = (format!("r{number}"), number * 50);
        let part = range(&format!("bytes={first}-{}", first + number / 8));
        for (host, name) in [(1, name.clone()), (u8::try_from(number).unwrap(), format!("{name}-other"))] {
            let _ = shop.admit(&Ask { range: part.clone(), ..ask(delivery, &name, host, at(number)) }).unwrap();
            if number != 7 || host == 1 {
                shop.report(delivery, &name, Report { status: 206, ..sent(first, 1 + number / 8, size, at(number)) }).unwrap();
            }
        }
    }
    let (charged, covered) = (shop.delivery(delivery).bytes_charged, shop.delivery(delivery).covered());
    assert_eq!((shop.delivery(delivery).coverage.len(), shop.delivery(delivery).requests_total()), (Delivery::CLIENTS_MAX, 400));
    let change = &shop.close_due(at(199 + DAY))[0];
    assert_eq!((change.state, change.covered), (State::Presumed, covered), "what is told was counted before");
    let kept = shop.delivery(delivery);
    assert_eq!((kept.bytes_charged, kept.requests_total(), kept.requests.len()), (charged, 400, Delivery::REQUESTS_ENDED_MAX));
    assert_eq!((kept.in_flight(), kept.requests.contains_key(&request_id("r7-other"))), (1, true), "what was never reported is kept");
    assert!(kept.requests.contains_key(&request_id("r199")), "and the latest are");
    let (best, coverage) = kept.best_coverage().unwrap();
    assert_eq!((kept.coverage.len(), best, coverage.ranges().len()), (1, client(1).key(), Delivery::RANGES_ENDED_MAX));
    assert_eq!(coverage.ranges().last(), Some(&(199 * 50, 199 * 50 + 25)));
    shop.report(delivery, "r7-other", Report { status: 206, ..sent(350, 0, size, at(200)) }).unwrap();
    assert_eq!((shop.delivery(delivery).bytes_charged, shop.account.grant.bytes_closed), (charged - 1, charged - 1));
}

#[test]
fn what_may_be_whole_of_a_file_that_was_replaced_keeps_its_unit_until_it_is_presumed() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    shop.report(delivery, "r1", Report { from: None, ..sent(0, SIZE, SIZE, at(1)) }).unwrap();
    let new = Click { version: replaced(2, 30), ..click(2, 2, at(2)) };
    assert_eq!(shop.click(&new), Err(Refusal::DownloadRunning));
    assert_eq!(shop.close_due(at(1 + DAY))[0].state, State::Presumed);
    assert_eq!((shop.click(&Click { now: at(1 + DAY), ..new }), shop.units()), (Err(Refusal::LimitReached), (1, 0)));
}

#[test]
fn a_whole_answer_that_was_compressed_on_its_way_is_presumed_and_a_part_of_one_is_released() {
    let encoded = Report { bytes: SIZE / 10, from: None, ..sent(0, SIZE, SIZE, at(1)) };
    for (what, report, state, units) in [
        ("all of it", encoded.clone(), State::Presumed, (1, 0)),
        ("broken off", Report { finished: false, ..encoded.clone() }, State::Released, (0, 0)),
        ("some parts", Report { status: 206, ..encoded.clone() }, State::Released, (0, 0)),
        ("a smaller file", Report { from: Some((0, SIZE / 10)), ..encoded }, State::Released, (0, 0)),
    ] {
        let mut shop = Shop::new(Some(1));
        let delivery = shop.open(1, 1, at(0));
        shop.report(delivery, "r1", report).unwrap();
        assert_eq!(shop.delivery(delivery).bytes_charged, SIZE / 10, "{what}");
        assert_eq!(shop.close_due(at(1 + DAY))[0].state, state, "{what}");
        assert_eq!(shop.units(), units, "{what}");
    }
}

#[test]
fn reports_that_say_nothing_about_the_file_are_bytes_only() {
    let good = sent(0, SIZE, SIZE, at(1));
    for (what, report, charged, covered) in [
        ("the whole", good.clone(), SIZE, SIZE),
        ("an encoded body", Report { from: None, ..good.clone() }, SIZE, 0),
        ("a file of another size", Report { from: Some((0, SIZE + 1)), ..good.clone() }, SIZE, 0),
        ("nothing sent", Report { bytes: 0, finished: false, ..good.clone() }, 0, 0),
        ("more than there is", Report { bytes: SIZE + 7, ..good.clone() }, SIZE + 7, SIZE),
        ("absurd numbers", Report { bytes: u64::MAX, from: Some((u64::MAX, SIZE)), ..good.clone() }, SIZE + SIZE / 64 + 65_536, 0),
        ("a page about a missing file", Report { status: 404, bytes: 153, from: None, ..good.clone() }, 0, 0),
        ("not modified", Report { status: 304, bytes: 0, from: None, ..good }, 0, 0),
    ] {
        let mut shop = Shop::new(Some(1));
        let delivery = shop.open(1, 1, at(0));
        shop.report(delivery, "r1", report).unwrap();
        let known = shop.delivery(delivery);
        assert_eq!((known.bytes_charged, known.covered()), (charged, covered), "{what}");
        assert_eq!(known.state == State::Completed, covered == SIZE, "{what}");
    }
}

#[test]
fn more_bytes_than_an_answer_can_have_had_are_told_and_count_nowhere() {
    let most = 65_536 + SIZE + SIZE / 64;
    for (asked, status, told, counted) in [
        ("bytes=0-", 200, SIZE, SIZE),
        // A web server may leave the range aside.
        ("bytes=0-0", 200, SIZE, SIZE),
        ("bytes=0-0", 206, most, most),
        ("bytes=0-0", 206, most + 1, most),
        ("bytes=0-", 200, u64::MAX, most),
        // Parts have heads, which are reserved for them.
        ("bytes=0-0,2-2", 206, 65_536 + 1026 + 1026 / 64, 65_536 + 1026 + 1026 / 64),
        ("bytes=0-0,2-2", 206, u64::MAX, 65_536 + 1026 + 1026 / 64),
        ("bytes=0-", 404, 70_000, most),
        ("bytes=0-", 404, 153, 153),
    ] {
        let mut shop = Shop::new(None);
        let delivery = shop.offer(1, 1, at(0));
        let _permit = shop.admit(&Ask { range: range(asked), ..ask(delivery, "a", 1, at(0)) }).unwrap();
        let change = shop.report(delivery, "a", Report { ended: at(1), status, bytes: told, finished: true, from: None }).unwrap();
        assert_eq!((change.bytes, change.bytes_beyond), (counted, told - counted), "{asked} {status} {told}");
        let known = shop.delivery(delivery);
        assert_eq!(known.bytes_charged, if status < 300 { counted } else { 0 }, "{asked} {status} {told}");
        assert_eq!(known.requests[&request_id("a")].report.as_ref().unwrap().bytes, counted, "{asked} {status} {told}");
        let closed = shop.close_due(at(2 * DAY));
        assert_eq!(closed.iter().map(|change| change.bytes).sum::<u64>(), 0, "no report ended it");
    }
}

#[test]
fn what_ended_in_the_future_ended_when_that_is_told() {
    let now = at(100);
    for (ended, taken) in [
        (at(0), at(0)),
        (Moment::EPOCH, Moment::EPOCH),
        (at(100), at(100)),
        // Two clocks are never quite the same.
        (at(105), at(105)),
        (Moment::from_millis(at(105).millis() + 1), now),
        (at(99 * DAY), now),
        (Moment::from_millis(u64::MAX), now),
    ] {
        let mut reported = Reported { delivery: delivery_id(1), request: request_id("a"), report: sent(0, 400, SIZE, ended), seen: None };
        assert_eq!((reported.report.arrive(now), reported.report.ended), (ended != taken, taken), "{ended}");
        assert!(!reported.report.arrive(now), "once");
    }
    let end = Moment::from_millis(u64::MAX);
    let mut reported = Reported { delivery: delivery_id(1), request: request_id("a"), report: sent(0, 400, SIZE, end), seen: None };
    assert!(!reported.report.arrive(end));
}

#[test]
fn a_report_is_taken_once_and_only_for_a_request_that_was_admitted() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    shop.report(delivery, "r1", sent(0, 400, SIZE, at(1))).unwrap();
    let before = shop.account.clone();
    for (delivery, request) in [(delivery, "r1"), (delivery, "unknown"), (delivery_id(9), "r1")] {
        assert!(shop.report(delivery, request, sent(0, SIZE, SIZE, at(2))).is_none());
    }
    assert_eq!(shop.account, before);
}

#[test]
fn an_empty_file_is_completed_by_a_good_answer() {
    for (status, bytes, finished, completed) in
        [(200, 0, true, true), (200, 0, false, false), (404, 153, true, false), (200, 5, true, false)]
    {
        let mut shop = Shop::new(Some(1));
        let mut empty = click(1, 1, at(0));
        empty.version = version(0);
        let delivery = shop.click(&empty).unwrap().delivery;
        assert!(shop.admit(&ask(delivery, "a", 1, at(0))).unwrap().opened);
        shop.report(delivery, "a", Report { ended: at(1), status, bytes, finished, from: Some((0, 0)) }).unwrap();
        assert_eq!(shop.state(delivery) == State::Completed, completed, "{status} {bytes} {finished}");
        // Of what is no file a byte was sent; else nothing was, and the unit went back.
        assert_eq!(shop.units(), if completed { (1, 0) } else { (0, u32::from(status == 200 && bytes > 0)) });
    }
}

#[test]
fn completed_and_started_downloads_close_as_what_they_are() {
    let mut shop = Shop::new(Some(2));
    let completed = shop.open(1, 1, at(0));
    shop.report(completed, "r1", sent(0, SIZE, SIZE, at(0))).unwrap();
    let started = shop.offer(2, 2, at(0));
    assert!(shop.admit(&Ask { measured: false, ..ask(started, "a", 2, at(5)) }).is_ok());
    shop.report(started, "a", sent(0, SIZE, SIZE, at(5))).unwrap();
    assert_eq!((shop.state(started), shop.units()), (State::Started, (2, 0)), "a unit that was used at the start is not used again");
    let changes = shop.close_due(at(DAY + 5));
    assert_eq!(
        changes.iter().map(|change| (change.before, change.state)).collect::<Vec<_>>(),
        [(State::Completed, State::Completed), (State::Started, State::Started)]
    );
    assert_eq!((shop.units(), shop.account.grant.bytes_closed), ((2, 0), 2 * SIZE));
    assert_eq!(shop.delivery(completed).closed, Some(at(DAY + 5)));
    assert_eq!(shop.account.next_due(), None);
}

#[test]
fn offers_are_forgotten_after_their_hour() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.offer(1, 1, at(0));
    assert_eq!(shop.account.next_due(), Some(at(HOUR)));
    assert!(shop.close_due(at(HOUR - 1)).is_empty());
    assert!(shop.account.delivery(delivery).is_some());
    assert!(shop.close_due(at(HOUR)).is_empty());
    assert_eq!(shop.account, Account::new(shop.account.grant.clone()));
    assert_eq!(shop.admit(&ask(delivery, "a", 1, at(0))), Err(Refusal::UnknownLink));
}

#[test]
fn a_shared_url_keeps_the_coverage_of_those_who_were_sent_most() {
    let mut shop = Shop::new(Some(1));
    shop.account.grant.policy.connections_max = 1000;
    let delivery = shop.open(1, 1, at(0));
    shop.report(delivery, "r1", sent(0, 500, SIZE, at(0))).unwrap();
    for host in 2..=200_u8 {
        let name = format!("h{host}");
        assert!(shop.admit(&Ask { range: range("bytes=0-1"), ..ask(delivery, &name, host, at(0)) }).is_ok());
        shop.report(delivery, &name, sent(0, 2, SIZE, at(0))).unwrap();
    }
    assert_eq!(shop.delivery(delivery).coverage.len(), Delivery::CLIENTS_MAX);
    assert_eq!(shop.delivery(delivery).best_coverage().unwrap().0, client(1).key());
}

#[test]
fn a_download_that_was_sent_nothing_is_an_offer_again_at_once() {
    let good = sent(0, SIZE, SIZE, at(5));
    for (what, report, again) in [
        ("not modified", not_modified(at(5)), true),
        ("precondition failed", Report { status: 412, bytes: 153, from: None, ..good.clone() }, true),
        ("range not satisfiable", Report { status: 416, bytes: 190, from: None, ..good.clone() }, true),
        ("an error that claims to be a part", Report { status: 416, ..good.clone() }, true),
        ("left before the answer", Report { status: 499, bytes: 0, finished: false, from: None, ..good.clone() }, true),
        ("left before the first byte", Report { bytes: 0, finished: false, ..good.clone() }, true),
        ("one byte", Report { bytes: 1, finished: false, ..good.clone() }, false),
        ("one byte, encoded", Report { bytes: 1, from: None, ..good.clone() }, false),
        ("one byte of another size", Report { bytes: 1, from: Some((0, SIZE + 1)), ..good }, false),
    ] {
        let mut shop = Shop::new(Some(1));
        let delivery = shop.open(1, 1, at(0));
        let change = shop.report(delivery, "r1", report).unwrap();
        let (state, units) = if again { (State::Offered, (0, 0)) } else { (State::Open, (0, 1)) };
        assert_eq!((change.before, change.state, shop.state(delivery), shop.units()), (State::Open, state, state, units), "{what}");
        let known = shop.delivery(delivery);
        assert_eq!((known.opened.is_none(), known.opened_by.is_none()), (again, again), "{what}");
        assert!(known.best_coverage().is_none() || !again, "{what}");
        assert_eq!(shop.account.next_due(), Some(if again { at(5 + HOUR) } else { at(5 + DAY) }), "{what}");
        assert_eq!(shop.admit(&ask(delivery, "r1", 1, at(6))), Err(Refusal::BadRequest), "{what}: that request is over");
        assert_eq!(shop.admit(&ask(delivery, "r2", 1, at(6))).unwrap().opened, again, "{what}");
        assert_eq!((shop.units(), shop.delivery(delivery).requests_total()), ((0, 1), 2), "{what}");
        shop.report(delivery, "r2", sent(0, SIZE, SIZE, at(7))).unwrap();
        assert_eq!((shop.state(delivery), shop.units()), (State::Completed, (1, 0)), "{what}");
    }
}

#[test]
fn a_download_becomes_an_offer_again_only_once() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    shop.report(delivery, "r1", not_modified(at(1))).unwrap();
    assert!(shop.admit(&ask(delivery, "r2", 1, at(HOUR))).unwrap().opened, "it waits an hour from then on");
    let change = shop.report(delivery, "r2", not_modified(at(HOUR))).unwrap();
    assert_eq!((change.before, change.state, shop.units()), (State::Open, State::Open, (0, 1)));
    assert_eq!(shop.close_due(at(HOUR + DAY))[0].state, State::Released);
    assert_eq!(shop.units(), (0, 0));

    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    shop.report(delivery, "r1", not_modified(at(1))).unwrap();
    assert_eq!(shop.admit(&ask(delivery, "r2", 1, at(1 + HOUR))), Err(Refusal::LinkExpired));
    assert!(shop.close_due(at(1 + HOUR)).is_empty());
    assert!(shop.account.deliveries.is_empty(), "it is forgotten like any other offer");
}

#[test]
fn a_download_of_which_anything_was_sent_or_may_be_keeps_its_unit() {
    let part = |name: &str, now| Ask { range: range("bytes=0-9"), ..ask(delivery_id(1), name, 1, now) };
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    assert!(shop.admit(&part("a", at(0))).is_ok());
    shop.report(delivery, "r1", not_modified(at(1))).unwrap();
    assert_eq!((shop.state(delivery), shop.units()), (State::Open, (0, 1)), "a request is in flight");
    let mut other = Shop { account: shop.account.clone(), link: shop.link.clone() };
    other.report(delivery, "a", not_modified(at(2))).unwrap();
    assert_eq!((other.state(delivery), other.units()), (State::Offered, (0, 0)), "now it is over, too");
    shop.report(delivery, "a", sent(0, 10, SIZE, at(2))).unwrap();
    assert!(shop.admit(&part("b", at(3))).is_ok());
    shop.report(delivery, "b", not_modified(at(4))).unwrap();
    assert_eq!((shop.state(delivery), shop.units()), (State::Open, (0, 1)), "ten bytes were sent");

    let mut shop = Shop::new(Some(2));
    let started = shop.offer(1, 1, at(0));
    assert!(shop.admit(&Ask { measured: false, ..ask(started, "a", 1, at(0)) }).is_ok());
    shop.report(started, "a", not_modified(at(1))).unwrap();
    assert_eq!((shop.state(started), shop.units()), (State::Started, (1, 0)), "without reports a unit is used at the start");
}

#[test]
fn a_unit_that_went_back_is_anybodys() {
    let mut shop = Shop::new(Some(1));
    let [first, second] = [shop.open(1, 1, at(0)), delivery_id(2)];
    assert_eq!(shop.click(&click(2, 2, at(0))), Err(Refusal::DownloadRunning));
    shop.report(first, "r1", not_modified(at(1))).unwrap();
    shop.open(2, 2, at(2));
    assert_eq!(shop.admit(&ask(first, "late", 1, at(3))), Err(Refusal::DownloadRunning));
    shop.report(second, "r2", sent(0, SIZE, SIZE, at(4))).unwrap();
    assert_eq!(shop.admit(&ask(first, "late", 1, at(5))), Err(Refusal::LimitReached));
}
