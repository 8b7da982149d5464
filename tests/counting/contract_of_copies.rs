//! What every store promises about copies.

use std::sync::Arc;

use cloakroom::domain::account::CopyReport;
use cloakroom::domain::checksum::Checksum;
use cloakroom::domain::delivery::{Report, State};
use cloakroom::domain::feed_position::FeedPosition;
use cloakroom::domain::file::Version;
use cloakroom::domain::grant::{Amendment, Standing};
use cloakroom::domain::moment::{Moment, Span};
use cloakroom::domain::placed::{CopyState, DirectoryName, How, Made, NewCopy, Placed, PlacedName, Stay, What};
use cloakroom::domain::policy::Edition;
use cloakroom::store::{Arrived, CopiesDue, Filter, Store};

use crate::fixtures::*;

crate::store_contract::contract! {
    the_row_of_a_copy_stands_with_its_grant_and_once
    a_copy_is_prepared_made_and_gone_with_its_grant
    what_need_not_be_made_any_more_goes
    what_failed_is_tried_again_when_it_is_due
    a_copy_is_made_anew_and_made_again_under_its_name
    which_version_was_sold_is_known_as_long_as_its_grant
    a_copy_that_is_used_up_waits_for_who_has_begun
    reports_of_copies_begin_deliveries_once_and_are_settled_with_the_position
}

fn directory(name: &str) -> DirectoryName {
    DirectoryName::parse(name).unwrap()
}

fn name(number: u8) -> PlacedName {
    PlacedName::new([number; 16])
}

fn new(number: u8) -> NewCopy {
    NewCopy { name: name(number), directory: directory("goods"), leaf: "a.zip".to_owned() }
}

fn row(number: u8, of: u32, placed: Moment) -> Placed {
    new(number).row(grant_id(of), grant(of, None).file, placed)
}

fn made() -> Made {
    Made { how: How::Reflink, inode: u64::MAX, version: Version { modified: at(3), ..version(SIZE) }, checksum: None }
}

fn told(request: &str, host: u8, report: Report) -> Arrived {
    let user = format!("user-{host}");
    Arrived::Copy(CopyReport::new(grant_id(1), made().version, client(host), Some(&user), request_id(request), report))
}

async fn issued(store: &impl Store, of: u32, max: Option<u32>, number: u8) {
    store.issue_with(grant(of, max), link(of), author(), Some(new(number))).await.unwrap();
}

async fn copies(store: &impl Store, of: u32) -> Vec<(PlacedName, Stay)> {
    store.placed_for(grant_id(of)).await.unwrap().into_iter().map(|placed| (placed.name, placed.stay)).collect()
}

async fn the_row_of_a_copy_stands_with_its_grant_and_once<S: Store>(store: Arc<S>) {
    issued(&*store, 1, None, 1).await;
    issued(&*store, 1, None, 2).await;
    assert_eq!(store.placed_for(grant_id(1)).await, Ok(vec![row(1, 1, at(0))]), "the same grant again changes nothing");
    assert_eq!(store.copy_for(grant_id(1), new(3), at(5)).await, Ok(Some(row(1, 1, at(0)))), "it has one");
    assert_eq!(store.copy_for(grant_id(2), new(3), at(5)).await, Ok(None));
    assert_eq!(store.placed(vec![name(3), name(1)]).await, Ok(vec![row(1, 1, at(0))]));
    store.issue(grant(2, None), link(2), author()).await.unwrap();
    assert_eq!(store.copy_for(grant_id(2), new(4), at(5)).await, Ok(Some(row(4, 2, at(5)))));
    assert_eq!(store.placed_there(None, 10).await, Ok(vec![row(1, 1, at(0)), row(4, 2, at(5))]));
    assert_eq!(store.placed_there(Some((at(0), name(1))), 10).await, Ok(vec![row(4, 2, at(5))]));
}

async fn a_copy_is_prepared_made_and_gone_with_its_grant<S: Store>(store: Arc<S>) {
    issued(&*store, 1, None, 1).await;
    store.amend(grant_id(1), Amendment::Expire(Some(at(100))), author()).await.unwrap();
    let closing = store.close_due(at(1)).await.unwrap();
    assert_eq!((closing.going, closing.next), (Vec::new(), None), "what is to be made is nothing that ends");
    let due = store.copies_due(directory("goods"), at(1), 10).await.unwrap();
    assert_eq!((due.copies.len(), due.going, due.next), (1, 0, None));
    assert_eq!(store.copies_due(directory("others"), at(1), 10).await, Ok(CopiesDue::default()));

    let there = store.copy_made(name(1), made(), at(2)).await.unwrap().unwrap();
    let state = CopyState { made: Some(made()), over: None };
    assert_eq!((&there.what, there.stay, there.due), (&What::Copy(state), Stay::Live, at(100)));
    assert_eq!(store.placed(vec![name(1)]).await, Ok(vec![there.clone()]));
    assert_eq!(store.copy_made(name(9), made(), at(2)).await, Ok(None), "only what was to be made");
    assert_eq!(store.copies_due(directory("goods"), at(1), 10).await, Ok(CopiesDue::default()));

    let closing = store.close_due(at(99)).await.unwrap();
    assert_eq!((closing.going.len(), closing.next), (0, Some(at(100))));
    let closing = store.close_due(at(100)).await.unwrap();
    assert_eq!((closing.going.len(), closing.going[0].stay), (1, Stay::Going));
    let Some(Placed { what: What::Copy(state), .. }) = closing.going.first() else { panic!("{closing:?}") };
    assert_eq!(state.over, Some(at(100)));
    store.placed_gone(vec![name(1)], at(101)).await.unwrap();
    assert_eq!(copies(&*store, 1).await, [(name(1), Stay::Gone(at(101)))]);

    // One that is good again gets another one.
    store.amend(grant_id(1), Amendment::Expire(None), author()).await.unwrap();
    assert_eq!(store.copy_for(grant_id(1), new(2), at(102)).await.unwrap().unwrap().name, name(2));
    assert_eq!(copies(&*store, 1).await, [(name(1), Stay::Gone(at(101))), (name(2), Stay::Preparing)]);
}

async fn what_need_not_be_made_any_more_goes<S: Store>(store: Arc<S>) {
    for of in 1..=3 {
        issued(&*store, of, None, u8::try_from(of).unwrap()).await;
    }
    store.amend(grant_id(2), Amendment::Stand(Standing::Suspended), author()).await.unwrap();
    store.amend(grant_id(3), Amendment::Stand(Standing::Revoked), author()).await.unwrap();
    let due = store.copies_due(directory("goods"), at(5), 10).await.unwrap();
    assert_eq!((due.copies.iter().map(|copy| copy.name.clone()).collect::<Vec<_>>(), due.going), (vec![name(1)], 2));
    let closing = store.close_due(at(5)).await.unwrap();
    assert_eq!(closing.going.len(), 2);

    // Withdrawn while it was copied.
    store.amend(grant_id(1), Amendment::Stand(Standing::Revoked), author()).await.unwrap();
    assert_eq!(store.copy_made(name(1), made(), at(6)).await.unwrap().unwrap().stay, Stay::Going);
    assert_eq!(store.close_due(at(6)).await.unwrap().going.len(), 1);
    assert_eq!(copies(&*store, 1).await, [(name(1), Stay::Going)]);
}

async fn what_failed_is_tried_again_when_it_is_due<S: Store>(store: Arc<S>) {
    for of in 1..=3 {
        issued(&*store, of, None, u8::try_from(of).unwrap()).await;
    }
    let first = store.copies_due(directory("goods"), at(0), 2).await.unwrap();
    assert_eq!((first.copies.len(), first.next), (2, Some(at(0))), "more is due");
    store.copy_later(name(1), at(60)).await.unwrap();
    store.copy_later(name(2), at(30)).await.unwrap();
    store.copy_made(name(3), made(), at(0)).await.unwrap();
    store.copy_later(name(3), at(10)).await.unwrap();
    let due = store.copies_due(directory("goods"), at(29), 10).await.unwrap();
    assert_eq!((due.copies, due.next), (Vec::new(), Some(at(30))), "what is there is not made again");
    let due = store.copies_due(directory("goods"), at(60), 10).await.unwrap();
    assert_eq!(due.copies.iter().map(|copy| copy.name.clone()).collect::<Vec<_>>(), [name(2), name(1)]);
}

async fn a_copy_is_made_anew_and_made_again_under_its_name<S: Store>(store: Arc<S>) {
    issued(&*store, 1, None, 1).await;
    store.copies_lost(vec![name(1), name(9)], at(1)).await.unwrap();
    assert_eq!(store.placed(vec![name(1)]).await, Ok(vec![row(1, 1, at(0))]), "what was never there is not lost");
    let first = store.copy_made(name(1), made(), at(2)).await.unwrap().unwrap();
    let other =
        Made { how: How::Copied, inode: 9, version: Version { modified: at(5), ..version(7) }, checksum: Some(Checksum::new([9; 32])) };
    let anew = store.copy_made(name(1), other.clone(), at(3)).await.unwrap().unwrap();
    let state = CopyState { made: Some(other), over: None };
    assert_eq!(anew, Placed { what: What::Copy(state), ..first });
    assert_eq!(store.placed(vec![name(1)]).await, Ok(vec![anew.clone()]));

    store.copies_lost(vec![name(1)], at(4)).await.unwrap();
    let again = Placed { stay: Stay::Preparing, due: at(4), ..anew.clone() };
    assert_eq!(store.placed_for(grant_id(1)).await, Ok(vec![again.clone()]), "what it was made of is known");
    assert_eq!(store.copy_for(grant_id(1), new(2), at(4)).await, Ok(Some(again.clone())));
    assert_eq!(store.copies_due(directory("goods"), at(4), 10).await.unwrap().copies, vec![again]);
    assert_eq!(store.copy_made(name(1), made(), at(5)).await.unwrap().unwrap().stay, Stay::Live);

    store.amend(grant_id(1), Amendment::Stand(Standing::Revoked), author()).await.unwrap();
    assert_eq!(store.close_due(at(6)).await.unwrap().going.len(), 1);
    store.copies_lost(vec![name(1)], at(6)).await.unwrap();
    assert_eq!(store.copy_made(name(1), made(), at(6)).await, Ok(None), "what goes is neither made nor lost");
    assert_eq!(copies(&*store, 1).await, [(name(1), Stay::Going)]);
    store.placed_gone(vec![name(1)], at(7)).await.unwrap();
    store.copies_lost(vec![name(1)], at(8)).await.unwrap();
    assert_eq!(copies(&*store, 1).await, [(name(1), Stay::Gone(at(7)))]);
}

async fn which_version_was_sold_is_known_as_long_as_its_grant<S: Store>(store: Arc<S>) {
    const DAY: u64 = 86_400;
    for (of, edition) in [(1, Edition::Purchased), (2, Edition::Latest), (3, Edition::Purchased)] {
        let mut grant = grant(of, None);
        grant.policy.edition = edition;
        store.issue(grant, link(of), author()).await.unwrap();
    }
    // Of each its first was never made; the third's second was not either.
    for (number, of, is_made) in
        [(1, 1, false), (2, 1, true), (3, 1, true), (4, 2, false), (5, 2, true), (6, 3, false), (7, 3, false), (8, 1, true)]
    {
        let now = at(u64::from(number));
        store.copy_for(grant_id(of), new(number), now).await.unwrap();
        if is_made {
            store.copy_made(name(number), made(), now).await.unwrap();
        }
        store.placed_gone(vec![name(number)], now).await.unwrap();
    }
    store.close_due(at(30 * DAY)).await.unwrap();
    assert_eq!((copies(&*store, 1).await.len(), copies(&*store, 2).await.len(), copies(&*store, 3).await.len()), (4, 2, 2));
    for now in [40 * DAY, 41 * DAY, 4000 * DAY] {
        store.close_due(at(now)).await.unwrap();
        let left = store.placed_for(grant_id(1)).await.unwrap();
        assert_eq!(left.iter().map(|placed| (&placed.name, placed.stay)).collect::<Vec<_>>(), [(&name(2), Stay::Gone(at(2)))], "{now}");
        assert_eq!(left[0].what, What::Copy(CopyState { made: Some(made()), over: None }), "{now}");
        assert_eq!((copies(&*store, 2).await, copies(&*store, 3).await), (vec![], vec![]), "{now}");
    }

    // What comes after it is forgotten as before.
    let late = at(4001 * DAY);
    store.copy_for(grant_id(1), new(9), late).await.unwrap();
    store.copy_made(name(9), made(), late).await.unwrap();
    store.placed_gone(vec![name(9)], late).await.unwrap();
    store.close_due(at(4031 * DAY - 1)).await.unwrap();
    assert_eq!(copies(&*store, 1).await.len(), 2);
    store.close_due(at(4031 * DAY)).await.unwrap();
    assert_eq!(copies(&*store, 1).await, [(name(2), Stay::Gone(at(2)))]);
}

async fn a_copy_that_is_used_up_waits_for_who_has_begun<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(1), 1).await;
    store.copy_made(name(1), made(), at(0)).await.unwrap();
    let half = told("half", 1, sent(0, 500, SIZE, at(10)));
    let whole = told("whole", 2, sent(0, SIZE, SIZE, at(11)));
    store.settle_all(vec![half, whole], None).await.unwrap();
    let grant = store.grant(grant_id(1)).await.unwrap().unwrap();
    assert_eq!((grant.used, grant.reserved), (1, 1));
    let closing = store.close_due(at(12)).await.unwrap();
    let ends = at(10) + base().resume_grace;
    assert_eq!((closing.going.len(), closing.next), (0, Some(ends)));
    let Some(Placed { what: What::Copy(state), .. }) = store.placed(vec![name(1)]).await.unwrap().pop() else { panic!("no copy") };
    assert_eq!(state.over, Some(at(12)));

    let rest = told("rest", 1, sent(500, 500, SIZE, at(20)));
    store.settle_all(vec![rest], None).await.unwrap();
    let closing = store.close_due(at(21)).await.unwrap();
    assert_eq!(closing.going.len(), 1, "nobody is left");
    let grant = store.grant(grant_id(1)).await.unwrap().unwrap();
    assert_eq!((grant.used, grant.reserved), (2, 0), "what arrived counts, though it is one too many");
}

async fn reports_of_copies_begin_deliveries_once_and_are_settled_with_the_position<S: Store>(store: Arc<S>) {
    issued(&*store, 1, None, 1).await;
    store.copy_made(name(1), made(), at(0)).await.unwrap();
    let position = FeedPosition { device: 1, inode: 2, offset: 3 };
    let lines = || vec![told("a", 1, sent(0, SIZE, SIZE, at(10))), told("b", 2, sent(0, 1, SIZE, at(11)))];
    let changes = store.settle_all(lines(), Some(position)).await.unwrap();
    let states: Vec<_> = changes.iter().map(|change| (change.before, change.state)).collect();
    let begun = (State::Offered, State::Open);
    assert_eq!(states, [begun, (State::Open, State::Completed), begun, (State::Open, State::Open)]);
    assert_eq!(store.position().await, Ok(Some(position)));
    assert_eq!(store.settle_all(lines(), None).await, Ok(Vec::new()), "read twice");

    let deliveries = store.deliveries(Filter::default()).await.unwrap();
    assert_eq!(deliveries.len(), 2);
    for (delivery, host) in deliveries.iter().zip([2, 1]) {
        assert_eq!((delivery.link, delivery.away, &delivery.clicked_by), (None, true, &client(host)));
        assert_eq!(store.delivery(delivery.id).await.unwrap().as_ref(), Some(delivery));
    }
    // Ended, they are what they are, and the same line is still theirs.
    let end = at(11) + base().resume_grace + Span::from_seconds(1);
    let closed = store.close_due(end).await.unwrap().changes;
    assert_eq!(closed.iter().map(|change| change.state).collect::<Vec<_>>(), [State::Completed, State::Released]);
    assert_eq!(store.settle_all(lines(), None).await, Ok(Vec::new()));
    let grant = store.grant(grant_id(1)).await.unwrap().unwrap();
    assert_eq!((grant.used, grant.reserved), (1, 0));
    assert_eq!(store.settle_all(vec![told("c", 1, sent(0, SIZE, SIZE, end))], None).await.unwrap().len(), 2);
    assert_eq!(store.grant(grant_id(1)).await.unwrap().unwrap().used, 2);
}
