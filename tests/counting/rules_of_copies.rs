//! Copies by the rules: how long one stays, who is led there, which requests are one download.

use cloakroom::domain::account::{CopyReport, CopyStay};
use cloakroom::domain::client::Client;
use cloakroom::domain::delivery::{Delivery, Report, State};
use cloakroom::domain::grant::{Amendment, Standing};
use cloakroom::domain::link::Link;
use cloakroom::domain::moment::{Moment, Span};
use cloakroom::domain::policy::Policy;
use cloakroom::domain::refusal::Refusal;

use crate::fixtures::*;

fn told(request: &str, host: u8, user: Option<&str>, report: Report) -> CopyReport {
    CopyReport::new(grant_id(1), version(SIZE), client(host), user, request_id(request), report)
}

fn whole(ended: u64) -> Report {
    sent(0, SIZE, SIZE, at(ended))
}

/// What a store does with a report; gives how often a delivery was begun, and where the report's stands.
fn take(shop: &mut Shop, told: &CopyReport) -> (bool, Option<State>) {
    let known = shop.account.copy_delivery(told);
    let opened = if known.is_none() { shop.account.open_copy(told) } else { None };
    let of = known.or(opened.as_ref().map(|opened| opened.delivery));
    let settled = of.and_then(|of| shop.account.report(&told.of(of), None));
    (opened.is_some(), settled.map(|settled| settled.state))
}

const NEVER: Moment = Moment::from_millis(i64::MAX as u64);

#[test]
fn a_copy_stays_until_its_grant_is_over_and_goes_at_once_when_it_is_withdrawn() {
    // What the grant is, what of it is used, since when it was over, and until when and since when over at 100.
    let goes = CopyStay { until: None, over: None };
    let stays = |until: Moment| CopyStay { until: Some(until), over: None };
    let over = |since: u64| CopyStay { until: None, over: Some(at(since)) };
    for (standing, expires, max, used, before, expected) in [
        (Standing::Active, None, None, 99, None, stays(NEVER)),
        (Standing::Active, None, Some(3), 2, None, stays(NEVER)),
        (Standing::Active, Some(at(101)), Some(3), 2, None, stays(at(101))),
        (Standing::Active, Some(at(101)), None, 2, Some(at(50)), stays(at(101))),
        (Standing::Active, Some(at(100)), None, 0, None, over(100)),
        (Standing::Active, Some(at(60)), None, 0, None, over(60)),
        (Standing::Active, Some(at(60)), None, 0, Some(at(50)), over(50)),
        (Standing::Active, None, Some(3), 3, None, over(100)),
        (Standing::Active, None, Some(3), 4, Some(at(90)), over(90)),
        (Standing::Active, Some(at(999)), Some(0), 0, None, over(100)),
        (Standing::Suspended, None, None, 0, None, goes),
        (Standing::Suspended, Some(at(50)), Some(1), 1, Some(at(50)), goes),
        (Standing::Revoked, Some(at(999)), None, 0, None, goes),
    ] {
        let mut shop = Shop::with_policy(Policy { max_downloads: max, ..base() });
        (shop.account.grant.standing, shop.account.grant.expires, shop.account.grant.used) = (standing, expires, used);
        assert_eq!(shop.account.copy_stays(before, at(100)), expected, "{standing:?} {expires:?} {max:?} {used} {before:?}");
        assert_eq!(shop.account.grant.keeps_copy(at(100)), expected.over.is_none() && expected != goes, "{expires:?} {used}");
    }
}

#[test]
fn who_began_before_the_end_can_go_on_until_the_hard_end() {
    let mut shop = Shop::with_policy(Policy { max_downloads: None, ..grace(3600) });
    shop.account.grant.expires = Some(at(1000));
    assert_eq!(take(&mut shop, &told("a", 1, None, sent(0, 400, SIZE, at(900)))), (true, Some(State::Open)));
    for (now, until) in [(900, 1000), (999, 1000), (1000, 900 + 3600), (4499, 4500)] {
        assert_eq!(shop.account.copy_stays(None, at(now)).until, Some(at(until)), "{now}");
    }
    assert_eq!(shop.account.copy_stays(None, at(4500)), CopyStay { until: None, over: Some(at(1000)) });

    // Each request makes it longer, for as long as the hard end allows; who begins after the end makes nothing longer.
    assert_eq!(take(&mut shop, &told("b", 1, None, sent(400, 100, SIZE, at(4400)))), (false, Some(State::Open)));
    assert_eq!(take(&mut shop, &told("c", 2, None, sent(0, 100, SIZE, at(4400)))), (true, Some(State::Open)));
    assert_eq!(shop.account.copy_stays(Some(at(1000)), at(4450)).until, Some(at(8000)));
    shop.account.grant.policy.resume_grace = Policy::RESUME_CAP;
    let hard = at(1000) + Span::from_days(7);
    assert_eq!(shop.account.copy_stays(Some(at(1000)), at(8000)).until, Some((at(900) + Policy::RESUME_CAP).min(hard)));

    // Who is withdrawn from goes on with nothing.
    shop.account.grant.amend(&Amendment::Stand(Standing::Suspended));
    assert_eq!(shop.account.copy_stays(Some(at(1000)), at(4450)), CopyStay { until: None, over: None });
}

#[test]
fn a_copy_stays_when_it_is_used_up_only_for_those_who_have_begun() {
    let mut shop = Shop::with_policy(Policy { max_downloads: Some(1), ..grace(3600) });
    take(&mut shop, &told("slow", 1, None, sent(0, 10, SIZE, at(0))));
    assert_eq!(take(&mut shop, &told("fast", 2, None, whole(5))), (true, Some(State::Completed)));
    assert_eq!(shop.units(), (1, 1), "the limit acts afterwards");
    let stay = shop.account.copy_stays(None, at(6));
    assert_eq!(stay, CopyStay { until: Some(at(3600)), over: Some(at(6)) });
    take(&mut shop, &told("late", 3, None, sent(0, 10, SIZE, at(3000))));
    assert_eq!(shop.account.copy_stays(stay.over, at(3001)).until, Some(at(3600)), "who comes later holds nothing up");
    assert_eq!(take(&mut shop, &told("rest", 1, None, sent(10, SIZE - 10, SIZE, at(3100)))), (false, Some(State::Completed)));
    assert_eq!(shop.account.copy_stays(stay.over, at(3101)).until, None);
    assert_eq!(shop.units(), (2, 1));
}

#[test]
fn the_requests_of_one_client_are_one_download_and_each_whole_one_counts_once() {
    // Who asks, what was sent, whether that begins a download, and where it stands.
    let part = |first: u64, bytes: u64, ended: u64| Report { status: 206, ..sent(first, bytes, SIZE, at(ended)) };
    let odd = |status: u16, bytes: u64, ended: u64| Report { ended: at(ended), status, bytes, finished: true, from: None };
    let mut shop = Shop::with_policy(Policy { max_downloads: None, retry_factor: 1, ..grace(100) });
    for (request, host, user, report, begins, state) in [
        ("nothing", 1, None, odd(304, 0, 0), false, None),
        ("refused", 1, None, odd(401, 178, 0), false, None),
        ("missed", 1, None, odd(416, 194, 0), false, None),
        ("left", 1, None, Report { bytes: 0, finished: false, ..whole(0) }, false, None),
        ("half", 1, None, part(0, 500, 10), true, Some(State::Open)),
        ("half", 1, None, part(0, 500, 10), false, None),
        ("other", 2, None, whole(11), true, Some(State::Completed)),
        ("rest", 1, None, part(500, 500, 20), false, Some(State::Completed)),
        ("seek", 1, None, part(100, 50, 21), false, Some(State::Completed)),
        ("again", 1, None, whole(22), true, Some(State::Completed)),
        ("ann", 3, Some("ann"), part(0, 500, 30), true, Some(State::Open)),
        ("bob", 3, Some("bob"), part(500, 500, 31), true, Some(State::Open)),
        ("ann2", 3, Some("ann"), part(500, 500, 32), false, Some(State::Completed)),
        ("much", 1, None, part(0, 990, 40), false, Some(State::Completed)),
        ("more", 1, None, part(0, 990, 41), true, Some(State::Open)),
        ("later", 1, None, part(990, 10, 141), true, Some(State::Open)),
    ] {
        assert_eq!(take(&mut shop, &told(request, host, user, report.clone())), (begins, state), "{request}");
    }
    assert_eq!(shop.units(), (4, 3));
    assert_eq!(shop.close_due(at(10_000)).iter().filter(|closed| closed.state == State::Released).count(), 3);
    assert_eq!(shop.units(), (4, 0));
}

/// The same request, by another program.
fn by(agent: &str, told: CopyReport) -> CopyReport {
    let client = Client::new(told.client.address, agent);
    let request = format!("{}-{agent}", told.request);
    CopyReport::new(told.grant, told.version.clone(), client, None, request_id(&request), told.report)
}

#[test]
fn a_file_that_is_fetched_in_parts_under_several_names_is_one_download() {
    let part = |first: u64, bytes: u64| Report { status: 206, ..sent(first, bytes, SIZE, at(1)) };
    let ways: [(&str, [CopyReport; 2]); 2] = [
        ("by two programs", [by("a", told("x", 1, None, part(0, 500))), by("b", told("y", 1, None, part(500, 500)))]),
        ("from two addresses", [told("x", 1, Some("ann"), part(0, 500)), told("y", 2, Some("ann"), part(500, 500))]),
    ];
    for (way, parts) in ways {
        let mut shop = Shop::new(Some(3));
        let begun: Vec<bool> = parts.iter().map(|part| take(&mut shop, part).0).collect();
        assert_eq!(begun, [true, false], "{way}");
        shop.close_due(at(9 * DAY));
        assert_eq!(shop.units(), (1, 0), "{way}");
    }
}

#[test]
fn a_copy_goes_when_its_bytes_are_used_though_nothing_arrived() {
    let most = 2;
    let mut shop = Shop::with_policy(Policy { max_downloads: Some(most), retry_factor: 1, ..grace(100) });
    let tries = u64::from(most) * 2;
    // All but one byte, again and again.
    let mut shown = 0;
    for (number, host) in (0..=tries).zip(1..) {
        assert_eq!(shop.account.visit_copy(&link(1), client(1).address, at(number)), Ok(()), "{number}");
        assert!(shop.account.copy_stays(None, at(number)).until.is_some(), "{number}");
        take(&mut shop, &told(&format!("r{number}"), host, None, sent(0, SIZE - 1, SIZE, at(number))));
        shown += 1;
    }
    assert_eq!((shown, shop.units().0), (5, 0));
    let refused = Err(Refusal::ByteBudget);
    let gone = CopyStay { until: None, over: Some(at(50)) };
    assert_eq!((shop.account.visit_copy(&link(1), client(1).address, at(50)), shop.account.copy_stays(None, at(50))), (refused, gone));
    assert_eq!(shop.close_due(at(9 * DAY)).len(), 5);
    assert_eq!((shop.account.grant.keeps_copy(at(9 * DAY)), shop.units()), (false, (0, 0)));
    shop.account.grant.amend(&Amendment::Reset);
    assert!(shop.account.grant.keeps_copy(at(9 * DAY)));
}

#[test]
fn whoever_asks_under_many_names_holds_no_more_than_so_many_downloads() {
    let mut shop = Shop::new(Some(5));
    let most = Delivery::CLIENTS_MAX;
    let begun = (0..5000_u16).filter(|number| {
        let [high, low] = number.to_be_bytes();
        let client = Client::new([10, 0, high, low].into(), "");
        let report = Report { status: 206, ..sent(u64::from(*number) % SIZE, 1, SIZE, at(1)) };
        take(&mut shop, &CopyReport::new(grant_id(1), version(SIZE), client, None, request_id(&format!("r{number}")), report)).0
    });
    assert_eq!(begun.count(), most);
    assert_eq!((shop.units(), shop.account.deliveries.len()), ((0, u32::try_from(most).unwrap()), most));
    shop.close_due(at(9 * DAY));
    assert_eq!(shop.units(), (1, 0), "what was sent of the newest may be all of it");
}

#[test]
fn who_only_asks_for_the_head_of_an_empty_file_fetches_nothing() {
    let mut shop = Shop::new(None);
    let head = Report { ended: at(1), status: 200, bytes: 0, finished: true, from: None };
    let told = CopyReport::new(grant_id(1), version(0), client(1), None, request_id("a"), head);
    assert_eq!(take(&mut shop, &told), (false, None));
    assert!(shop.account.deliveries.is_empty());
}

#[test]
fn an_empty_file_is_fetched_by_an_answer_without_bytes() {
    let mut shop = Shop::new(None);
    let report = Report { ended: at(1), status: 200, bytes: 0, finished: true, from: Some((0, 0)) };
    let told = CopyReport::new(grant_id(1), version(0), client(1), None, request_id("a"), report);
    assert_eq!(take(&mut shop, &told), (true, Some(State::Completed)));
}

#[test]
fn one_line_makes_one_delivery_and_a_user_name_is_part_of_who_asks() {
    let [one, same, user, request] =
        [told("a", 1, None, whole(1)), told("a", 1, None, whole(1)), told("a", 1, Some("x"), whole(1)), told("b", 1, None, whole(1))];
    assert_eq!(one, same);
    assert_ne!(one.key, told("a", 2, None, whole(1)).key);
    assert_eq!(user.key, told("c", 2, Some("x"), whole(2)).key, "wherever the user is");
    assert!(one.key != user.key && one.fresh == user.fresh && one.fresh != request.fresh);
    let other = CopyReport::new(grant_id(2), version(SIZE), client(1), None, request_id("a"), whole(1));
    assert_ne!(one.fresh, other.fresh);
}

#[test]
fn a_click_leads_to_a_copy_while_its_grant_is_good() {
    let good = link(1);
    for (link, amend, now, expected) in [
        (good.clone(), None, 100, Ok(())),
        (Link { grant: grant_id(2), ..good.clone() }, None, 100, Err(Refusal::UnknownLink)),
        (Link { revoked: true, ..good.clone() }, None, 100, Err(Refusal::Revoked)),
        (Link { expires: at(100), ..good.clone() }, None, 100, Err(Refusal::LinkExpired)),
        (good.clone(), Some(Amendment::Stand(Standing::Revoked)), 100, Err(Refusal::Revoked)),
        (good.clone(), Some(Amendment::Stand(Standing::Suspended)), 100, Err(Refusal::Suspended)),
        (good.clone(), Some(Amendment::Expire(Some(at(101)))), 100, Ok(())),
        (good.clone(), Some(Amendment::Expire(Some(at(100)))), 100, Err(Refusal::Expired)),
        (good.clone(), Some(Amendment::Allow(Some(0))), 100, Err(Refusal::LimitReached)),
    ] {
        let mut shop = Shop::new(Some(3));
        if let Some(amendment) = amend {
            shop.account.grant.amend(&amendment);
        }
        let before = shop.account.clone();
        assert_eq!(shop.account.visit_copy(&link, client(1).address, at(now)), expected, "{link:?} {amend:?}");
        assert_eq!(shop.account, before, "a click begins nothing");
    }
    let inside = Policy { networks: vec!["198.51.100.0/24".parse().unwrap()], ..base() };
    let shop = Shop::with_policy(inside);
    let at_home = Client::new("198.51.100.9".parse().unwrap(), "");
    assert_eq!(shop.account.visit_copy(&good, at_home.address, at(0)), Ok(()));
    assert_eq!(shop.account.visit_copy(&good, client(1).address, at(0)), Err(Refusal::WrongNetwork));
}
