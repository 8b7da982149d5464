//! Requests for bytes, row by row of the table at `Account::admit`.

use cloakroom::domain::account::{Account, Ask, Click};
use cloakroom::domain::delivery::{Delivery, State};
use cloakroom::domain::file::Version;
use cloakroom::domain::grant::{Amendment, Standing};
use cloakroom::domain::moment::Span;
use cloakroom::domain::order::OrderState;
use cloakroom::domain::policy::Policy;
use cloakroom::domain::range::Range;
use cloakroom::domain::refusal::Refusal;
use cloakroom::domain::units::Rate;

use crate::fixtures::*;

/// Refused with `why`, and nothing changed.
fn refused(shop: &mut Shop, ask: &Ask, why: Refusal) {
    let before = shop.account.clone();
    assert_eq!(shop.admit(ask), Err(why), "{ask:?}");
    assert_eq!(shop.account, before);
}

#[test]
fn the_first_request_takes_a_unit_and_the_others_join() {
    let mut shop = Shop::new(Some(1));
    shop.account.grant.policy.rate = Some(Rate(5000.try_into().unwrap()));
    let delivery = shop.offer(1, 1, at(0));
    let permit = shop.admit(&ask(delivery, "a", 1, at(5))).unwrap();
    assert_eq!((permit.delivery, permit.grant, permit.opened), (delivery, grant_id(1), true));
    assert_eq!((&permit.file, &permit.version), (&shop.account.grant.file, &version(SIZE)));
    assert_eq!(permit.rate, shop.account.grant.policy.rate);
    assert_eq!(shop.units(), (0, 1));
    assert_eq!(shop.delivery(delivery).opened, Some(at(5)));
    let joined = shop.admit(&Ask { range: range("bytes=400-"), ..ask(delivery, "b", 1, at(6)) }).unwrap();
    assert!(!joined.opened);
    assert_eq!(shop.units(), (0, 1));
    assert_eq!(shop.delivery(delivery).bytes_charged, SIZE + 600);
    assert_eq!(shop.delivery(delivery).in_flight(), 2);
}

#[test]
fn a_delivery_that_nobody_knows_is_an_unknown_link() {
    let mut shop = Shop::new(Some(1));
    refused(&mut shop, &ask(delivery_id(1), "a", 1, at(0)), Refusal::UnknownLink);
}

#[test]
fn a_request_that_is_asked_twice_gets_the_same_permit_and_is_charged_once() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.offer(1, 1, at(0));
    let first = shop.admit(&ask(delivery, "a", 1, at(0))).unwrap();
    let before = shop.account.clone();
    assert_eq!(shop.admit(&ask(delivery, "a", 1, at(1))).unwrap(), first);
    assert_eq!(shop.account, before);
    let other = shop.admit(&ask(delivery, "b", 1, at(1))).unwrap();
    assert_eq!(shop.admit(&ask(delivery, "b", 1, at(2))).unwrap(), other);
    assert!(!other.opened);
    shop.report(delivery, "a", sent(0, 1, SIZE, at(2))).unwrap();
    refused(&mut shop, &ask(delivery, "a", 1, at(3)), Refusal::BadRequest);
}

#[test]
fn what_a_person_withdrew_stops_at_once_also_while_it_is_open() {
    for (standing, why) in [(Standing::Suspended, Refusal::Suspended), (Standing::Revoked, Refusal::Revoked)] {
        let mut shop = Shop::new(Some(2));
        let open = shop.open(1, 1, at(0));
        let offered = shop.offer(2, 1, at(0));
        shop.account.grant.amend(&Amendment::Stand(standing));
        for (delivery, request) in [(open, "r1"), (open, "new"), (offered, "new")] {
            refused(&mut shop, &ask(delivery, request, 1, at(1)), why);
        }
        shop.account.grant.amend(&Amendment::Stand(Standing::Active));
        assert_eq!(shop.admit(&ask(open, "new", 1, at(1))).is_ok(), standing == Standing::Suspended, "what was revoked stays revoked");
    }
}

#[test]
fn what_is_not_paid_any_more_stops_at_once_and_goes_on_when_it_is_paid_again() {
    let mut seen = 0;
    let byte = |delivery, request: &str, now| Ask { range: range("bytes=0-0"), ..ask(delivery, request, 1, now) };
    for gate in OrderState::ALL {
        let mut shop = Shop::new(Some(2));
        shop.account.grant.sold = Some(sold(1));
        let open = shop.open(1, 1, at(0));
        shop.account.grant.amend(&Amendment::Gate(gate));
        match gate.check() {
            Ok(()) => assert!(shop.admit(&byte(open, "new", at(1))).is_ok()),
            Err(why) => {
                refused(&mut shop, &byte(open, "new", at(1)), why);
                seen += 1;
            }
        }
        shop.account.grant.amend(&Amendment::Gate(OrderState::Paid));
        assert!(shop.admit(&byte(open, "again", at(2))).is_ok(), "{gate:?}");
    }
    assert_eq!(seen, 5);
}

#[test]
fn an_offer_opens_only_in_its_hour_and_while_the_grant_lasts() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.offer(1, 1, at(0));
    refused(&mut shop, &ask(delivery, "a", 1, at(HOUR)), Refusal::LinkExpired);
    shop.account.grant.expires = Some(at(20));
    refused(&mut shop, &ask(delivery, "a", 1, at(20)), Refusal::Expired);
    assert!(shop.admit(&ask(delivery, "a", 1, at(19))).unwrap().opened);
    assert!(!shop.admit(&ask(delivery, "b", 1, at(DAY))).unwrap().opened, "what is open is not refused for the grant's end");
}

#[test]
fn an_offer_that_comes_too_late_learns_whether_waiting_helps() {
    let mut shop = Shop::new(Some(1));
    let [first, second] = [shop.offer(1, 1, at(0)), shop.offer(2, 2, at(0))];
    assert!(shop.admit(&ask(first, "a", 1, at(1))).unwrap().opened);
    refused(&mut shop, &ask(second, "b", 2, at(1)), Refusal::DownloadRunning);
    shop.report(first, "a", sent(0, SIZE, SIZE, at(2))).unwrap();
    refused(&mut shop, &ask(second, "b", 2, at(3)), Refusal::LimitReached);
}

#[test]
fn a_delivery_is_joined_until_its_grace_is_over_and_never_seven_days_after_it_opened() {
    let mut shop = Shop::with_policy(Policy { max_downloads: Some(1), retry_factor: 50, ..grace(DAY) });
    let delivery = shop.offer(1, 1, at(0));
    for (request, now) in (0..).zip([0, DAY - 1, 2 * DAY - 2, 3 * DAY - 3, 4 * DAY - 4, 5 * DAY - 5, 6 * DAY - 6, 7 * DAY - 7, 7 * DAY - 1])
    {
        assert_eq!(shop.admit(&ask(delivery, &format!("r{request}"), 1, at(now))).unwrap().opened, request == 0);
    }
    refused(&mut shop, &ask(delivery, "late", 1, at(7 * DAY)), Refusal::LinkExpired);

    let mut shop = Shop::with_policy(grace(DAY));
    let delivery = shop.open(1, 1, at(0));
    refused(&mut shop, &ask(delivery, "late", 1, at(DAY)), Refusal::LinkExpired);
}

#[test]
fn a_completed_delivery_can_be_read_on_without_another_unit() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    shop.report(delivery, "r1", sent(0, SIZE, SIZE, at(1))).unwrap();
    assert_eq!(shop.state(delivery), State::Completed);
    let seek = |name, now| Ask { range: range("bytes=-300"), ..ask(delivery, name, 1, now) };
    for name in ["a", "b", "c"] {
        assert!(!shop.admit(&seek(name, at(2))).unwrap().opened);
    }
    refused(&mut shop, &seek("d", at(2)), Refusal::ByteBudget);
    assert_eq!(shop.units(), (1, 0));
    refused(&mut shop, &seek("d", at(2 + DAY)), Refusal::LinkExpired);
}

#[test]
fn what_has_ended_is_over_whatever_the_clock_says() {
    for reported in [true, false] {
        let mut shop = Shop::new(Some(1));
        let delivery = shop.open(1, 1, at(0));
        if reported {
            shop.report(delivery, "r1", sent(0, 10, SIZE, at(0))).unwrap();
        }
        assert_eq!(shop.close_due(at(DAY)).len(), 1);
        refused(&mut shop, &ask(delivery, "a", 1, at(0)), Refusal::LinkExpired);
    }
}

#[test]
fn requests_in_flight_are_limited_where_their_end_is_known() {
    let mut shop = Shop::new(Some(1));
    shop.account.grant.policy.connections_max = 2;
    let delivery = shop.offer(1, 1, at(0));
    let piece = |name: &str| Ask { range: range("bytes=0-9"), ..ask(delivery, name, 1, at(0)) };
    for name in ["a", "b"] {
        assert_eq!(shop.admit(&piece(name)).unwrap().opened, name == "a");
    }
    refused(&mut shop, &piece("c"), Refusal::TooManyConnections);
    assert!(!shop.admit(&piece("b")).unwrap().opened, "asking again is not another one");
    shop.report(delivery, "a", sent(0, 10, SIZE, at(0))).unwrap();
    assert!(!shop.admit(&piece("c")).unwrap().opened);

    let mut shop = Shop::new(Some(1));
    shop.account.grant.policy.connections_max = 2;
    let delivery = shop.offer(1, 1, at(0));
    for name in 0..20 {
        let unmeasured = Ask { measured: false, ..piece(&format!("u{name}")) };
        assert_eq!(shop.admit(&unmeasured).unwrap().opened, name == 0);
    }
    assert_eq!((shop.units(), shop.state(delivery)), ((1, 0), State::Started));
}

#[test]
fn a_request_is_charged_with_the_most_that_it_can_send() {
    for (asked, retry_factor, charged) in [
        (Range::Whole, 0, Some(1000)),
        (range("bytes=0-"), 0, Some(1000)),
        (range("bytes=900-"), 0, Some(100)),
        (range("bytes=5000-"), 0, Some(1000)),
        (range("bytes=0-9,20-29"), 0, None),
        (range("bytes=0-9,20-29"), 1, Some(20 + 1024)),
        (range("bytes=0-,0-"), 1, None),
        (range("bytes=0-,0-"), 2, Some(1000 + 1024)),
        (Range::parse(Some("bytes=900-"), true), 0, Some(1000)),
    ] {
        let mut shop = Shop::with_policy(Policy { max_downloads: Some(1), retry_factor, ..base() });
        let delivery = shop.offer(1, 1, at(0));
        let ask = Ask { range: asked.clone(), ..ask(delivery, "a", 1, at(0)) };
        match charged {
            Some(charged) => {
                assert!(shop.admit(&ask).unwrap().opened, "{asked:?}");
                assert_eq!(shop.delivery(delivery).bytes_charged, charged, "{asked:?}");
            }
            None => refused(&mut shop, &ask, Refusal::ByteBudget),
        }
    }
}

#[test]
fn giving_up_again_and_again_ends_when_the_bytes_of_all_downloads_are_sent() {
    let mut shop = Shop::new(Some(2));
    let mut copies = 0;
    for number in 1..10 {
        let now = at(u64::from(number) * 2 * DAY);
        let delivery = shop.offer(number, 1, now);
        let last = shop.admit(&ask(delivery, "a", 1, now));
        if number == 5 {
            assert_eq!(last, Err(Refusal::ByteBudget));
            break;
        }
        assert!(last.unwrap().opened);
        shop.report(delivery, "a", sent(0, SIZE - 1, SIZE, now)).unwrap();
        assert_eq!(shop.close_due(at((u64::from(number) * 2 + 1) * DAY)).len(), 1);
        assert_eq!((shop.state(delivery), shop.units()), (State::Released, (0, 0)));
        copies += 1;
    }
    assert_eq!((copies, shop.account.grant.bytes_closed), (4, 4 * (SIZE - 1)));
}

#[test]
fn an_unlimited_grant_still_limits_the_bytes_of_each_download() {
    let mut shop = Shop::new(None);
    for number in 1..50 {
        let delivery = shop.open(number, 1, at(0));
        assert!(!shop.admit(&ask(delivery, "again", 1, at(0))).unwrap().opened);
        refused(&mut shop, &ask(delivery, "more", 1, at(0)), Refusal::ByteBudget);
    }
    assert_eq!(shop.units(), (0, 49));
}

#[test]
fn a_storm_of_small_requests_is_remembered_as_a_number() {
    let mut shop = Shop::with_policy(Policy { retry_factor: 9, ..base() });
    let delivery = shop.offer(1, 1, at(0));
    let storm = u64::try_from(Delivery::REQUESTS_MAX).unwrap() * 3;
    for number in 0..storm {
        let name = format!("r{number}");
        let seek = Ask { range: range("bytes=0-0"), ..ask(delivery, &name, 1, at(number)) };
        assert_eq!(shop.admit(&seek).unwrap().opened, number == 0);
        shop.report(delivery, &name, sent(0, 1, SIZE, at(number))).unwrap();
    }
    let known = shop.delivery(delivery);
    assert_eq!((known.requests.len(), known.requests_total(), known.in_flight()), (Delivery::REQUESTS_MAX, storm, 0));
    assert_eq!((known.bytes_charged, known.covered()), (storm, 1));
    assert!(shop.report(delivery, "r0", sent(0, 1, SIZE, at(0))).is_none(), "the oldest are those that are forgotten");
    assert!(known_newest(&shop.account, storm - 1));
}

#[test]
fn a_slow_request_is_remembered_through_a_storm_of_others() {
    let mut shop = Shop::with_policy(Policy { retry_factor: 9, ..base() });
    let delivery = shop.open(1, 1, at(0));
    for number in 0..2 * Delivery::REQUESTS_MAX {
        let name = format!("s{number}");
        assert!(shop.admit(&Ask { range: range("bytes=0-0"), ..ask(delivery, &name, 1, at(1)) }).is_ok());
        shop.report(delivery, &name, sent(0, 1, SIZE, at(1))).unwrap();
    }
    shop.report(delivery, "r1", sent(0, SIZE, SIZE, at(2))).unwrap();
    assert_eq!((shop.state(delivery), shop.units()), (State::Completed, (1, 0)));
}

fn known_newest(account: &Account, number: u64) -> bool {
    account.deliveries.iter().next().unwrap().requests.contains_key(&request_id(&format!("r{number}")))
}

#[test]
fn unreported_requests_are_never_forgotten_to_make_room_where_reports_are_due() {
    let policy = Policy { connections_max: u32::MAX, retry_factor: 9, ..base() };
    let mut shop = Shop::with_policy(policy.clone());
    let delivery = shop.offer(1, 1, at(0));
    let seek = |number: usize, measured| Ask { range: range("bytes=0-0"), measured, ..ask(delivery, &format!("r{number}"), 1, at(0)) };
    for number in 0..Delivery::REQUESTS_MAX {
        assert_eq!(shop.admit(&seek(number, true)).unwrap().opened, number == 0);
    }
    refused(&mut shop, &seek(Delivery::REQUESTS_MAX, true), Refusal::TooManyConnections);

    let mut shop = Shop::with_policy(policy);
    shop.offer(1, 1, at(0));
    for number in 0..2 * Delivery::REQUESTS_MAX {
        assert_eq!(shop.admit(&seek(number, false)).unwrap().opened, number == 0);
    }
    assert_eq!(shop.delivery(delivery).requests.len(), Delivery::REQUESTS_MAX);
    assert_eq!(shop.delivery(delivery).bytes_charged, 2 * u64::try_from(Delivery::REQUESTS_MAX).unwrap());
}

#[test]
fn the_bytes_of_a_large_version_do_not_use_up_the_budget_of_a_small_one() {
    const LARGE: u64 = 1_000_000;
    let mut shop = Shop::new(Some(2));
    let mut give_up = |number: u32, version: Version, bytes: u64| {
        let (now, size) = (at(u64::from(number) * 2 * DAY), version.size);
        let delivery = shop.click(&Click { version, ..click(number, 1, now) }).unwrap().delivery;
        let name = format!("r{number}");
        let admitted = shop.admit(&ask(delivery, &name, 1, now)).map(|permit| permit.opened);
        if admitted.is_ok() {
            shop.report(delivery, &name, sent(0, bytes, size, now)).unwrap();
            assert_eq!(shop.close_due(now + Span::from_days(1)).len(), 1);
        }
        (admitted, shop.account.grant.bytes_closed)
    };
    assert_eq!(give_up(1, version(LARGE), LARGE - 1), (Ok(true), LARGE - 1));
    assert_eq!(give_up(2, version(LARGE), LARGE - 1), (Ok(true), 2 * LARGE - 2));
    // Four copies of this one are far less than what was sent already.
    assert_eq!(give_up(3, replaced(2, 1000), 999), (Ok(true), 2 * LARGE - 2 + 999));
    // Of the large one two copies less 997 bytes are left.
    assert_eq!(give_up(4, version(LARGE), LARGE - 1), (Ok(true), 3 * LARGE - 3 + 999));
    assert_eq!(give_up(5, version(LARGE), 0).0, Err(Refusal::ByteBudget));
    assert_eq!(give_up(6, replaced(2, 1000), 999), (Ok(true), 3 * LARGE - 3 + 2 * 999));
    // A version that is larger still brings its own measure.
    assert_eq!(give_up(7, replaced(3, 2 * LARGE), 5), (Ok(true), 3 * LARGE - 3 + 2 * 999 + 5));
    assert_eq!(give_up(8, version(LARGE), 1), (Ok(true), 3 * LARGE - 3 + 2 * 999 + 6));
}

#[test]
fn a_download_is_held_to_the_size_of_its_own_version() {
    let mut shop = Shop::new(Some(2));
    shop.open(1, 1, at(0));
    let small = shop.click(&Click { version: replaced(2, 10), ..click(2, 2, at(1)) }).unwrap().delivery;
    for name in ["a", "b"] {
        assert!(shop.admit(&ask(small, name, 2, at(2))).is_ok());
    }
    refused(&mut shop, &ask(small, "c", 2, at(2)), Refusal::ByteBudget);
    assert_eq!((shop.account.grant.size_largest, shop.delivery(small).bytes_charged), (SIZE, 20));
}
