//! Clicks, row by row of the table at `Account::click`.

use cloakroom::domain::account::{Account, Ask, Click, Clicked};
use cloakroom::domain::delivery::{Delivery, State};
use cloakroom::domain::grant::Standing;
use cloakroom::domain::link::Link;
use cloakroom::domain::range::Range;
use cloakroom::domain::refusal::Refusal;

use crate::fixtures::*;

#[expect(clippy::unnecessary_wraps, reason = "compared with what a click answers")]
fn on_with(number: u32) -> Result<Clicked, Refusal> {
    Ok(Clicked { delivery: delivery_id(number), fresh: false, closed: Vec::new() })
}

#[expect(clippy::unnecessary_wraps, reason = "compared with what a click answers")]
fn new(number: u32) -> Result<Clicked, Refusal> {
    Ok(Clicked { delivery: delivery_id(number), fresh: true, closed: Vec::new() })
}

#[test]
fn the_link_is_looked_at_first_then_the_grant() {
    let good = link(1);
    let withdrawn = Link { revoked: true, ..good.clone() };
    let over = Link { expires: at(10), ..good.clone() };
    let both = Link { revoked: true, ..over.clone() };
    for (link, standing, now, answer) in [
        (good.clone(), Standing::Active, 10, new(1)),
        (Link { grant: grant_id(2), ..good.clone() }, Standing::Active, 10, Err(Refusal::UnknownLink)),
        (Link { id: link_id(2), ..good.clone() }, Standing::Active, 10, Err(Refusal::UnknownLink)),
        (withdrawn, Standing::Suspended, 10, Err(Refusal::Revoked)),
        (over.clone(), Standing::Active, 9, new(1)),
        (over, Standing::Suspended, 10, Err(Refusal::LinkExpired)),
        (both, Standing::Active, 10, Err(Refusal::Revoked)),
        (good.clone(), Standing::Suspended, 10, Err(Refusal::Suspended)),
        (good, Standing::Revoked, 10, Err(Refusal::Revoked)),
    ] {
        let mut shop = Shop::new(Some(1));
        shop.account.grant.standing = standing;
        let clicked = shop.account.click(&click(1, 1, at(now)), &link);
        assert_eq!(clicked, answer, "{link:?} {standing:?} {now}");
    }
}

#[test]
fn a_click_makes_an_offer_that_reserves_nothing() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.offer(1, 1, at(0));
    assert_eq!(shop.units(), (0, 0));
    assert_eq!(shop.state(delivery), State::Offered);
    assert_eq!(shop.delivery(delivery).cookie, cookie(1));
    assert_eq!(shop.click(&click(2, 2, at(1))), new(2), "others may be offered it, too, until one opens");
}

#[test]
fn a_double_click_of_one_browser_is_one_offer() {
    let mut shop = Shop::new(Some(5));
    shop.offer(1, 1, at(0));
    let again = Click { cookie: Some(cookie(1)), ..click(2, 1, at(1)) };
    assert_eq!(shop.click(&again), on_with(1));
    assert_eq!(shop.click(&Click { now: at(HOUR), ..again }), new(2), "an offer is good for an hour");
}

#[test]
fn the_cookie_of_a_running_download_leads_back_to_it_from_anywhere() {
    let mut shop = Shop::new(Some(5));
    shop.open(1, 1, at(0));
    shop.open(2, 2, at(1));
    let elsewhere = Click { cookie: Some(cookie(1)), ..click(3, 9, at(2)) };
    assert_eq!(shop.click(&elsewhere), on_with(1));
    shop.account.grant.expires = Some(at(2));
    assert_eq!(shop.click(&elsewhere), on_with(1), "although the grant's time is over meanwhile");
    assert_eq!(shop.click(&Click { now: at(DAY), ..elsewhere.clone() }), Err(Refusal::Expired), "but not beyond the grace");
    assert_eq!(shop.click(&Click { cookie: Some(cookie(7)), ..elsewhere }), Err(Refusal::Expired));
}

#[test]
fn a_later_part_from_the_same_client_resumes_without_a_cookie() {
    let mut shop = Shop::new(Some(5));
    shop.open(1, 1, at(0));
    shop.open(2, 1, at(1));
    shop.open(3, 3, at(2));
    let part = |host, text| Click { range: range(text), ..click(9, host, at(3)) };
    for (click, answer) in [
        (part(1, "bytes=500-"), on_with(2)),
        (part(3, "bytes=500-"), on_with(3)),
        (part(1, "bytes=-5"), on_with(2)),
        (part(1, "bytes=0-"), new(9)),
        (part(1, "bytes=0-4,500-"), new(9)),
        (part(2, "bytes=500-"), new(9)),
        (click(9, 1, at(3)), new(9)),
    ] {
        assert_eq!(Account::clone(&shop.account).click(&click, &shop.link), answer, "{click:?}");
    }
}

#[test]
fn who_starts_over_without_a_cookie_goes_on_with_what_broke_off_as_long_as_it_has_bytes() {
    let mut shop = Shop::new(Some(5));
    let delivery = shop.open(1, 1, at(0));
    let again = |host| click(9, host, at(2));
    assert_eq!(Account::clone(&shop.account).click(&again(1), &shop.link), new(9), "while it runs, it is another download");
    shop.report(delivery, "r1", sent(0, 400, SIZE, at(1))).unwrap();
    for (click, answer) in [
        (again(1), on_with(1)),
        (again(2), new(9)),
        (Click { cookie: Some(cookie(7)), ..again(1) }, new(9)),
        (Click { now: at(DAY + 1), ..again(1) }, new(9)),
    ] {
        assert_eq!(Account::clone(&shop.account).click(&click, &shop.link), answer, "{click:?}");
    }
    for (number, bytes) in [("r2", 600), ("r3", 1)] {
        assert!(!shop.admit(&ask(delivery, number, 1, at(2))).unwrap().opened);
        shop.report(delivery, number, sent(0, bytes, SIZE, at(2))).unwrap();
        let fits = shop.delivery(delivery).bytes_charged + SIZE <= 2 * SIZE;
        let answer = if fits { on_with(1) } else { new(9) };
        assert_eq!(Account::clone(&shop.account).click(&again(1), &shop.link), answer, "{number}");
    }
    assert!(shop.delivery(delivery).bytes_charged > SIZE, "the last row is about a delivery without enough bytes");
}

#[test]
fn who_clicked_is_one_client_with_the_cookie_of_the_click_and_without() {
    let mut shop = Shop::new(Some(5));
    let delivery = shop.offer(1, 1, at(0));
    for (request, client, first, end) in [("r1", cookie(1), 0, 600), ("r2", client(1).key(), 600, SIZE)] {
        let _ = shop.admit(&Ask { client, ..ask(delivery, request, 1, at(0)) }).unwrap();
        shop.report(delivery, request, sent(first, end - first, SIZE, at(1))).unwrap();
    }
    assert_eq!((shop.state(delivery), shop.units()), (State::Completed, (1, 0)));
    let delivery = shop.offer(2, 2, at(2));
    for (request, client, first, end) in [("r1", cookie(2), 0, 600), ("r2", cookie(3), 600, SIZE)] {
        let _ = shop.admit(&Ask { client, ..ask(delivery, request, 2, at(2)) }).unwrap();
        shop.report(delivery, request, sent(first, end - first, SIZE, at(3))).unwrap();
    }
    assert_eq!((shop.state(delivery), shop.units()), (State::Open, (1, 1)), "with another cookie it is another client");
}

#[test]
fn a_started_download_is_resumed_like_an_open_one() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.offer(1, 1, at(0));
    assert!(shop.admit(&Ask { measured: false, ..ask(delivery, "r", 1, at(0)) }).unwrap().opened);
    assert_eq!(shop.units(), (1, 0));
    assert_eq!(shop.click(&Click { cookie: Some(cookie(1)), ..click(2, 1, at(1)) }), on_with(1));
    assert_eq!(shop.click(&Click { range: range("bytes=5-"), ..click(2, 1, at(1)) }), on_with(1));
    assert_eq!(shop.click(&click(2, 1, at(1))), Err(Refusal::LimitReached));
}

#[test]
fn the_last_download_can_be_finished_by_whoever_clicks_once_it_has_stopped() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    assert_eq!(shop.click(&click(2, 2, at(1))), Err(Refusal::DownloadRunning));
    shop.report(delivery, "r1", sent(0, 400, SIZE, at(2))).unwrap();
    assert_eq!(shop.click(&click(2, 2, at(3))), on_with(1));
    shop.account.grant.expires = Some(at(3));
    assert_eq!(shop.click(&click(2, 2, at(3))), on_with(1));
    shop.account.grant.expires = None;
    assert!(!shop.admit(&ask(delivery, "r2", 2, at(4))).unwrap().opened);
    shop.report(delivery, "r2", sent(0, SIZE, SIZE, at(5))).unwrap();
    assert_eq!(shop.click(&click(2, 2, at(6))), Err(Refusal::LimitReached));
    assert_eq!(shop.units(), (1, 0));
}

#[test]
fn a_download_that_completed_is_resumed_by_the_link_and_counts_no_more() {
    let whole = |shop: &mut Shop, number| {
        let delivery = shop.open(number, 1, at(0));
        shop.report(delivery, &format!("r{number}"), sent(0, SIZE, SIZE, at(1))).unwrap();
        assert_eq!(shop.state(delivery), State::Completed);
    };
    let part = |host| Click { range: range("bytes=400-"), ..click(9, host, at(2)) };
    let brought = |host| Click { cookie: Some(cookie(1)), ..click(9, host, at(2)) };
    let limit = Err(Refusal::LimitReached);
    for (what, click, one, more) in [
        ("the cookie", brought(2), on_with(1), on_with(1)),
        ("the rest, by who clicked", part(1), on_with(1), on_with(1)),
        ("anew, by who clicked", click(9, 1, at(2)), on_with(1), new(9)),
        ("the rest, from elsewhere", part(2), on_with(1), new(9)),
        ("anew, from elsewhere", click(9, 2, at(2)), limit.clone(), new(9)),
        ("anew, with another cookie", Click { cookie: Some(cookie(7)), ..click(9, 1, at(2)) }, limit.clone(), new(9)),
        ("when its grace is over", Click { now: at(1 + DAY), ..part(1) }, limit.clone(), new(9)),
        ("of another version", Click { version: replaced(2, SIZE), ..part(1) }, Err(Refusal::LinkExpired), Err(Refusal::LinkExpired)),
    ] {
        for (max, answer) in [(1, one), (5, more)] {
            let mut shop = Shop::new(Some(max));
            whole(&mut shop, 1);
            assert_eq!(shop.click(&click), answer, "{what}, of {max}");
            assert_eq!(shop.units(), (1, 0), "{what}, of {max}");
        }
    }

    let mut shop = Shop::new(Some(1));
    whole(&mut shop, 1);
    for (request, text, bytes) in [("a", "bytes=400-", 600), ("b", "bytes=700-", 300)] {
        assert_eq!(shop.click(&Click { range: range(text), ..part(1) }), on_with(1));
        assert!(!shop.admit(&Ask { range: range(text), ..ask(delivery_id(1), request, 1, at(2)) }).unwrap().opened);
        shop.report(delivery_id(1), request, sent(SIZE - bytes, bytes, SIZE, at(2))).unwrap();
    }
    assert_eq!(shop.click(&part(1)), limit, "a hundred bytes are left of its budget");
    assert_eq!(shop.click(&brought(1)), Err(Refusal::LimitReached));
    assert_eq!(shop.click(&Click { range: range("bytes=900-"), ..part(1) }), on_with(1));
    assert_eq!((shop.state(delivery_id(1)), shop.units()), (State::Completed, (1, 0)));
}

#[test]
fn what_is_under_way_is_resumed_before_what_completed() {
    let mut shop = Shop::new(Some(2));
    let running = shop.open(1, 1, at(0));
    let completed = shop.open(2, 1, at(1));
    shop.report(completed, "r2", sent(0, SIZE, SIZE, at(2))).unwrap();
    let part = Click { range: range("bytes=400-"), ..click(9, 1, at(3)) };
    assert_eq!(shop.click(&part), on_with(1));
    assert_eq!(shop.click(&Click { cookie: Some(cookie(2)), ..part.clone() }), on_with(2), "a cookie says which");
    shop.report(running, "r1", sent(0, SIZE, SIZE, at(4))).unwrap();
    assert_eq!(shop.click(&part), on_with(2), "the newest");
    shop.account.grant.expires = Some(at(3));
    assert_eq!(shop.click(&part), on_with(2), "although the grant's time is over meanwhile");
}

#[test]
fn an_open_download_whose_grace_is_over_holds_its_unit_until_it_is_closed() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    shop.report(delivery, "r1", sent(0, 400, SIZE, at(0))).unwrap();
    assert_eq!(shop.click(&click(2, 2, at(DAY))), Err(Refusal::DownloadRunning));
    assert_eq!(shop.close_due(at(DAY)).len(), 1);
    assert_eq!(shop.click(&click(2, 2, at(DAY))), new(2));
}

#[test]
fn a_grant_of_none_and_a_grant_that_is_over_open_nothing() {
    assert_eq!(Shop::new(Some(0)).click(&click(1, 1, at(0))), Err(Refusal::LimitReached));
    let mut shop = Shop::new(None);
    shop.account.grant.expires = Some(at(10));
    assert_eq!(shop.click(&click(1, 1, at(9))), new(1));
    assert_eq!(shop.click(&click(2, 1, at(10))), Err(Refusal::Expired));
    let back = Click { cookie: Some(cookie(1)), ..click(2, 1, at(10)) };
    assert_eq!(shop.click(&back), Err(Refusal::Expired), "an offer has not begun");
}

#[test]
fn offers_are_few_and_the_oldest_goes_first() {
    let mut shop = Shop::new(None);
    shop.open(1, 1, at(0));
    let most = u32::try_from(Account::OFFERS_MAX).unwrap();
    for number in 2..most + 4 {
        shop.offer(number, 1, at(0));
    }
    let standing: Vec<&Delivery> = shop.account.deliveries.iter().filter(|delivery| delivery.state == State::Offered).collect();
    assert_eq!(standing.len(), Account::OFFERS_MAX);
    assert_eq!(standing[0].id, delivery_id(4));
    assert_eq!(shop.state(delivery_id(1)), State::Open);
}

#[test]
fn behind_dozens_of_newer_downloads_that_do_not_fit_nobody_looks() {
    for (newer, answer) in [(63, on_with(1)), (64, new(99))] {
        let mut shop = Shop::new(None);
        for number in 1..=1 + newer {
            let delivery = shop.open(number, 1, at(0));
            shop.report(delivery, &format!("r{number}"), sent(0, SIZE, SIZE, at(0))).unwrap();
            if number > 1 {
                // The second copy leaves no bytes for a third.
                let _permit = shop.admit(&ask(delivery, "again", 1, at(0))).unwrap();
                shop.report(delivery, "again", sent(0, SIZE, SIZE, at(0))).unwrap();
            }
        }
        let later = Click { range: range("bytes=500-"), ..click(99, 1, at(1)) };
        assert_eq!(shop.click(&later), answer, "{newer}");
    }
}

/// Number `number`, after the file was replaced.
fn click_replaced(number: u32, host: u8, now: u64) -> Click {
    Click { version: replaced(2, 30), ..click(number, host, at(now)) }
}

#[test]
fn the_last_download_of_a_file_that_was_replaced_ends_and_the_new_version_is_downloaded() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    let back = Click { cookie: Some(cookie(1)), ..click_replaced(2, 1, 5) };
    let before = shop.account.clone();
    assert_eq!(shop.click(&back), Err(Refusal::DownloadRunning), "what is on its way may still arrive");
    assert_eq!(shop.account, before);
    shop.report(delivery, "r1", sent(0, 400, SIZE, at(6))).unwrap();
    let clicked = shop.click(&Click { now: at(7), ..back }).unwrap();
    assert_eq!((clicked.delivery, clicked.fresh), (delivery_id(2), true));
    let [ended] = &clicked.closed[..] else { panic!("{clicked:?}") };
    assert_eq!((ended.delivery, ended.before, ended.state, ended.covered), (delivery, State::Open, State::Released, 400));
    assert_eq!((shop.delivery(delivery).closed, shop.units(), shop.account.grant.bytes_closed), (Some(at(7)), (0, 0), 400));
    let permit = shop.admit(&ask(delivery_id(2), "r2", 1, at(8))).unwrap();
    assert_eq!((permit.opened, permit.version.size), (true, 30));
    shop.report(delivery_id(2), "r2", sent(0, 30, 30, at(9))).unwrap();
    assert_eq!((shop.state(delivery_id(2)), shop.units()), (State::Completed, (1, 0)));
}

#[test]
fn no_click_carries_on_with_a_version_that_is_not_there_any_more() {
    for (what, cookie_of, range, answer) in [
        ("the cookie of what is under way", Some(1), Range::Whole, new(9)),
        ("a part that was resumed, which would be put behind the old version's", None, range("bytes=5-"), Err(Refusal::LinkExpired)),
        ("the same with the cookie", Some(1), range("bytes=5-"), Err(Refusal::LinkExpired)),
        ("the cookie of an offer", Some(3), Range::Whole, new(9)),
        ("the cookie of what is under way, in the new version", Some(4), Range::Whole, on_with(4)),
    ] {
        let mut shop = Shop::new(None);
        shop.open(1, 1, at(0));
        shop.open(2, 1, at(1));
        shop.offer(3, 1, at(2));
        shop.click(&click_replaced(4, 4, 3)).unwrap();
        assert!(shop.admit(&ask(delivery_id(4), "r4", 4, at(3))).unwrap().opened);
        let click = Click { cookie: cookie_of.map(cookie), range, ..click_replaced(9, 1, 4) };
        assert_eq!(shop.click(&click), answer, "{what}");
        assert_eq!(shop.state(delivery_id(1)), State::Open, "{what}: its request is in flight");
    }
}

#[test]
fn a_file_replaced_within_the_second_is_another_version_although_its_tag_is_the_same() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    shop.report(delivery, "r1", sent(0, 400, SIZE, at(1))).unwrap();
    let mut again = click(2, 1, at(2));
    again.version.modified = at(1);
    assert_eq!(again.version.etag, shop.delivery(delivery).version.etag);
    let resumed = Click { range: range("bytes=400-"), ..again.clone() };
    assert_eq!(shop.click(&resumed), Err(Refusal::LinkExpired));
    let clicked = shop.click(&again).unwrap();
    assert_eq!((clicked.delivery, clicked.fresh, clicked.closed.len()), (delivery_id(2), true, 1));
}

#[test]
fn what_was_replaced_is_not_ended_by_a_click_that_is_refused() {
    let mut shop = Shop::new(Some(1));
    let delivery = shop.open(1, 1, at(0));
    shop.report(delivery, "r1", sent(0, 400, SIZE, at(1))).unwrap();
    shop.account.grant.expires = Some(at(2));
    let before = shop.account.clone();
    assert_eq!(shop.click(&click_replaced(2, 1, 2)), Err(Refusal::Expired));
    assert_eq!(shop.account, before);
    assert_eq!(shop.click(&click(2, 1, at(2))), on_with(1), "the version came back");
}

#[test]
fn a_double_click_on_a_new_version_ends_the_old_one_and_is_one_offer() {
    let mut shop = Shop::new(Some(2));
    let delivery = shop.open(1, 1, at(0));
    shop.click(&click_replaced(2, 2, 1)).unwrap();
    shop.report(delivery, "r1", sent(0, 400, SIZE, at(2))).unwrap();
    let again = shop.click(&Click { cookie: Some(cookie(2)), ..click_replaced(3, 2, 3) }).unwrap();
    assert_eq!((again.delivery, again.fresh, again.closed.len()), (delivery_id(2), false, 1));
    assert_eq!((shop.state(delivery), shop.units()), (State::Released, (0, 0)));
}

#[test]
fn offers_stay_few_also_when_downloads_become_offers_again() {
    let mut shop = Shop::new(None);
    let most = u32::try_from(Account::OFFERS_MAX).unwrap();
    for number in 0..most + 8 {
        shop.open(number, 1, at(0));
    }
    for number in 0..most + 8 {
        shop.report(delivery_id(number), &format!("r{number}"), not_modified(at(1))).unwrap();
    }
    shop.offer(99, 1, at(2));
    let standing = shop.account.deliveries.iter().filter(|delivery| delivery.state == State::Offered).count();
    assert_eq!((standing, shop.account.deliveries.iter().next().unwrap().id), (Account::OFFERS_MAX, delivery_id(9)));
}
