//! What every store promises, run over each of them; then the limits of the one in memory.

use std::sync::Arc;

use cloakroom::domain::account::{Account, Ask, Click, Clicked, Reported};
use cloakroom::domain::delivery::State;
use cloakroom::domain::feed_position::FeedPosition;
use cloakroom::domain::file::FileRef;
use cloakroom::domain::grant::{Amendment, Grant, Standing};
use cloakroom::domain::history::{Act, Author};
use cloakroom::domain::id::DeliveryId;
use cloakroom::domain::link::Link;
use cloakroom::domain::path::FilePath;
use cloakroom::domain::policy::{Ending, Policy};
use cloakroom::domain::refusal::Refusal;
use cloakroom::domain::tally::{Counted, Tally};
use cloakroom::store::memory::{Limits, Memory};
use cloakroom::store::{Content, Down, Filter, Grants, LIST_MAX, Store, Target};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::contract_of_placed::*;
use crate::fixtures::*;
use crate::store_callers::*;
use crate::store_credentials::*;

/// Each promise, run over each engine: an empty store that nobody else uses.
macro_rules! contract {
    ($($promise:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $promise() {
                super::$promise(std::sync::Arc::new(cloakroom::store::memory::Memory::new())).await;
            })*
        }

        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $promise() {
                let directory = tempfile::tempdir().unwrap();
                let store = cloakroom::store::sqlite::Sqlite::open(
                    &directory.path().join("cloakroom.db"),
                    cloakroom::config::Durability::Full,
                ).unwrap();
                super::$promise(std::sync::Arc::new(store)).await;
            })*
        }
    };
}

pub(crate) use contract;

contract! {
    what_was_issued_is_found_and_nothing_else_is
    issuing_twice_is_issuing_once_and_never_overwrites
    a_download_is_clicked_admitted_reported_and_counted
    unknown_links_and_deliveries_are_refused
    fifty_parallel_requests_of_one_delivery_never_send_more_than_two_copies
    one_request_asked_fifty_times_at_once_is_charged_once
    a_hundred_clients_open_exactly_as_many_downloads_as_were_bought
    of_a_hundred_networks_at_once_as_many_as_are_allowed_are_remembered
    reports_and_the_position_of_the_feed_are_settled_together
    what_is_due_is_closed_and_the_next_deadline_is_told
    of_hundreds_that_are_due_at_once_each_step_ends_some
    a_late_report_finds_a_delivery_that_has_ended
    what_ended_before_a_reset_is_corrected_by_itself
    what_was_replaced_ends_at_the_next_click
    what_was_sent_nothing_is_offered_again
    what_a_person_decides_holds_at_once
    deliveries_are_listed_the_newest_first
    what_links_and_deliveries_lead_to_is_known_without_deciding
    an_account_is_told_with_what_decisions_work_on
    grants_are_listed_the_newest_first_page_by_page
    a_grant_gets_more_links_and_they_are_listed
    what_people_did_is_written_down_in_order
    amendments_change_what_they_say_and_nothing_else
    each_hour_is_counted_by_itself
    a_client_is_sent_to_the_one_stub_of_its_delivery
    who_is_not_sent_away_gets_no_stub
    a_name_that_is_taken_is_never_given_again
    what_is_gone_is_forgotten_after_a_month_and_nothing_else
    where_directories_lie_and_lay_is_kept_whole
    what_may_lie_in_a_place_is_counted_until_it_is_gone
    what_has_to_go_is_told_until_it_is_gone
    a_stub_stays_while_its_delivery_goes_on
    what_a_person_decides_brings_the_look_forward
    what_has_no_bytes_left_brings_the_look_forward
    the_end_of_a_delivery_brings_the_look_forward
    of_thousands_in_public_each_page_and_each_step_has_some
    credentials_are_found_as_they_were_put_until_they_end
    credentials_are_replaced_in_one_step
    no_user_name_is_ever_used_again
    keys_are_kept_as_they_were_made_used_and_revoked
    a_name_is_free_again_when_its_key_is_revoked_and_there_are_only_so_many
    a_call_is_answered_again_as_it_was_until_a_day_is_over
}

async fn issued(store: &impl Store, number: u32, max_downloads: Option<u32>) {
    store.issue(grant(number, max_downloads), link(number), author()).await.unwrap();
}

/// A delivery made by click `number` on link 1.
async fn offered(store: &impl Store, number: u32, host: u8) -> cloakroom::domain::id::DeliveryId {
    let clicked = store.click(click(number, host, at(0))).await.unwrap().unwrap();
    assert_eq!(clicked, Clicked { delivery: delivery_id(number), fresh: true, closed: Vec::new() });
    clicked.delivery
}

fn reported(number: u32, request: &str, bytes: u64, ended: u64) -> Reported {
    Reported { delivery: delivery_id(number), request: request_id(request), report: sent(0, bytes, SIZE, at(ended)), seen: None }
}

async fn units(store: &impl Store) -> (u32, u32) {
    let grant = store.grant(grant_id(1)).await.unwrap().unwrap();
    (grant.used, grant.reserved)
}

async fn what_was_issued_is_found_and_nothing_else_is<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(3)).await;
    assert_eq!(store.grant(grant_id(1)).await, Ok(Some(grant(1, Some(3)))));
    assert_eq!(store.link(link_id(1)).await, Ok(Some(link(1))));
    assert_eq!(store.grant(grant_id(2)).await, Ok(None));
    assert_eq!(store.link(link_id(2)).await, Ok(None));
    assert_eq!(store.delivery(delivery_id(1)).await, Ok(None));
    assert_eq!(store.deliveries(Filter::default()).await, Ok(Vec::new()));
    assert_eq!(store.position().await, Ok(None));
    let closing = store.close_due(at(0)).await.unwrap();
    assert_eq!((closing.changes, closing.next), (Vec::new(), None));
}

async fn issuing_twice_is_issuing_once_and_never_overwrites<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(3)).await;
    offered(&*store, 1, 1).await;
    assert!(store.admit(ask(delivery_id(1), "a", 1, at(0))).await.unwrap().unwrap().opened);
    issued(&*store, 1, Some(3)).await;
    assert_eq!(units(&*store).await, (0, 1), "what was counted stays");
    for (grant, link) in [(grant(1, None), link(2)), (grant(2, None), link(1)), (grant(2, None), link(3))] {
        assert!(store.issue(grant.clone(), link.clone(), author()).await.is_err(), "{grant:?} {link:?}");
    }
    assert_eq!((store.grant(grant_id(2)).await, store.link(link_id(2)).await), (Ok(None), Ok(None)));
}

async fn a_download_is_clicked_admitted_reported_and_counted<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(1)).await;
    let delivery = offered(&*store, 1, 1).await;
    assert_eq!(store.delivery(delivery).await.unwrap().unwrap().state, State::Offered);
    let permit = store.admit(ask(delivery, "a", 1, at(1))).await.unwrap().unwrap();
    assert_eq!((permit.opened, permit.version), (true, version(SIZE)));
    assert_eq!(units(&*store).await, (0, 1));
    let changes = store.settle(vec![reported(1, "a", SIZE, 2), reported(1, "a", SIZE, 2)], None).await.unwrap();
    assert_eq!(changes.iter().map(|change| change.state).collect::<Vec<_>>(), [State::Completed]);
    assert_eq!(units(&*store).await, (1, 0));
    assert_eq!(store.click(click(2, 2, at(3))).await, Ok(Err(Refusal::LimitReached)));
    let again = store.click(click(2, 1, at(3))).await;
    assert_eq!(again, Ok(Ok(Clicked { delivery, fresh: false, closed: Vec::new() })), "who clicked may have lost some of it");
    let kept = store.delivery(delivery).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.covered(), kept.requests_total()), (State::Completed, SIZE, 1));
}

async fn unknown_links_and_deliveries_are_refused<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(1)).await;
    let stranger = Click { link: link_id(9), ..click(1, 1, at(0)) };
    assert_eq!(store.click(stranger).await, Ok(Err(Refusal::UnknownLink)));
    assert_eq!(store.admit(ask(delivery_id(9), "a", 1, at(0))).await, Ok(Err(Refusal::UnknownLink)));
    assert_eq!(store.settle(vec![reported(9, "a", 1, 1)], None).await, Ok(Vec::new()));
    assert_eq!(store.amend(grant_id(9), Amendment::Stand(Standing::Revoked), author()).await, Ok(None));
    assert_eq!(store.revoke_link(link_id(9), author()).await, Ok(false));
}

/// Asks `asks` at once, each from a task of its own; gives how many were let pass and what the others were told.
async fn at_once<S: Store + 'static>(store: &Arc<S>, asks: Vec<Ask>) -> (usize, Vec<Refusal>) {
    let barrier = Arc::new(Barrier::new(asks.len()));
    let mut tasks = JoinSet::new();
    for ask in asks {
        let (store, barrier) = (Arc::clone(store), Arc::clone(&barrier));
        tasks.spawn(async move {
            barrier.wait().await;
            store.admit(ask).await.unwrap().map(|permit| permit.version.size)
        });
    }
    let (good, bad): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().partition(Result::is_ok);
    (good.len(), bad.into_iter().filter_map(Result::err).collect())
}

async fn fifty_parallel_requests_of_one_delivery_never_send_more_than_two_copies<S: Store + 'static>(store: Arc<S>) {
    let policy = Policy { max_downloads: Some(1), connections_max: 100, ..base() };
    store.issue(Grant { policy, ..grant(1, None) }, link(1), author()).await.unwrap();
    let delivery = offered(&*store, 1, 1).await;
    let asks = (0..50).map(|number| ask(delivery, &format!("r{number}"), 1, at(0))).collect();
    let (passed, refused) = at_once(&store, asks).await;
    assert_eq!((passed, refused), (2, vec![Refusal::ByteBudget; 48]));
    assert_eq!(store.delivery(delivery).await.unwrap().unwrap().bytes_charged, 2 * SIZE);

    // The same with parts: as many as fit, and not one more.
    let policy = Policy { max_downloads: Some(1), connections_max: 100, ..base() };
    store.issue(Grant { policy, ..grant(2, None) }, link(2), author()).await.unwrap();
    let second = Click { link: link_id(2), ..click(2, 1, at(0)) };
    let delivery = store.click(second).await.unwrap().unwrap().delivery;
    let part = |number| Ask { range: range("bytes=900-"), ..ask(delivery, &format!("r{number}"), 1, at(0)) };
    let (passed, refused) = at_once(&store, (0..50).map(part).collect()).await;
    assert_eq!((passed, refused), (20, vec![Refusal::ByteBudget; 30]));
}

async fn one_request_asked_fifty_times_at_once_is_charged_once<S: Store + 'static>(store: Arc<S>) {
    issued(&*store, 1, Some(1)).await;
    let delivery = offered(&*store, 1, 1).await;
    let (passed, refused) = at_once(&store, vec![ask(delivery, "same", 1, at(0)); 50]).await;
    assert_eq!((passed, refused), (50, Vec::new()));
    let kept = store.delivery(delivery).await.unwrap().unwrap();
    assert_eq!((kept.bytes_charged, kept.requests_total()), (SIZE, 1));
    assert_eq!(units(&*store).await, (0, 1));
}

async fn a_hundred_clients_open_exactly_as_many_downloads_as_were_bought<S: Store + 'static>(store: Arc<S>) {
    issued(&*store, 1, Some(3)).await;
    let barrier = Arc::new(Barrier::new(100));
    let mut tasks = JoinSet::new();
    for number in 0..100_u8 {
        let (store, barrier) = (Arc::clone(&store), Arc::clone(&barrier));
        tasks.spawn(async move {
            barrier.wait().await;
            let own = Click { cookie: Some(cookie(1000 + u32::from(number))), ..click(u32::from(number), number, at(0)) };
            let clicked = store.click(own).await.unwrap()?;
            store.admit(ask(clicked.delivery, &format!("r{number}"), number, at(0))).await.unwrap().map(|permit| permit.opened)
        });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Ok(true)).count(), 3);
    let told = [Refusal::DownloadRunning, Refusal::UnknownLink];
    for answer in answers.iter().filter(|answer| **answer != Ok(true)) {
        // An offer that newer ones pushed out is not known any more.
        assert!(answer.is_err_and(|why| told.contains(&why)), "{answer:?}");
    }
    let open = store.deliveries(Filter::default()).await.unwrap().iter().filter(|delivery| delivery.state == State::Open).count();
    assert_eq!((open, units(&*store).await), (3, (0, 3)));
}

async fn of_a_hundred_networks_at_once_as_many_as_are_allowed_are_remembered<S: Store + 'static>(store: Arc<S>) {
    let policy = Policy {
        networks: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        networks_max: Some(3),
        retry_factor: 1000,
        connections_max: 500,
        ending: Ending::EndOfDay("Europe/Berlin".to_owned()),
        ..base()
    };
    store.issue(Grant { policy: policy.clone(), ..grant(1, None) }, link(1), author()).await.unwrap();
    let clicked = store.click(click_from("10.0.0.1", click(1, 1, at(0)))).await.unwrap().unwrap();
    let from = |number: u32| if number.is_multiple_of(2) { format!("10.0.{number}.1") } else { format!("2001:db8:0:{:x}::1", number << 8) };
    let asks = (0..100).map(|number| ask_from(&from(number), ask(clicked.delivery, &format!("r{number}"), 1, at(1)))).collect();
    let (admitted, refused) = at_once(&store, asks).await;
    assert_eq!((admitted, refused.len()), (3, 97));
    assert!(refused.iter().all(|refusal| *refusal == Refusal::TooManyNetworks), "{refused:?}");
    let kept = store.grant(grant_id(1)).await.unwrap().unwrap();
    assert_eq!((kept.networks_seen.len(), &kept.policy), (3, &policy));
    for network in &kept.networks_seen {
        let again = Ask {
            range: range("bytes=0-0"),
            ..ask_from(&network.addr().to_string(), ask(clicked.delivery, &network.addr().to_string().replace([':', '.'], "-"), 1, at(2)))
        };
        assert!(store.admit(again).await.unwrap().is_ok(), "{network}");
    }
    let outside = click_from("192.0.2.1", click(2, 1, at(2)));
    assert_eq!(store.click(outside).await.unwrap(), Err(Refusal::WrongNetwork));
    store.amend(grant_id(1), Amendment::Reset, author()).await.unwrap();
    assert!(store.grant(grant_id(1)).await.unwrap().unwrap().networks_seen.is_empty());
}

async fn reports_and_the_position_of_the_feed_are_settled_together<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(1)).await;
    let delivery = offered(&*store, 1, 1).await;
    assert!(store.admit(ask(delivery, "a", 1, at(0))).await.unwrap().is_ok());
    let first = FeedPosition { device: 1, inode: 2, offset: 300 };
    assert_eq!(store.settle(vec![reported(1, "a", 400, 1)], Some(first)).await.unwrap().len(), 1);
    assert_eq!(store.position().await, Ok(Some(first)));
    assert_eq!(store.settle(Vec::new(), None).await, Ok(Vec::new()));
    assert_eq!(store.position().await, Ok(Some(first)), "nothing new was read");
    let second = FeedPosition { offset: 400, ..first };
    assert_eq!(store.settle(Vec::new(), Some(second)).await, Ok(Vec::new()));
    assert_eq!(store.position().await, Ok(Some(second)));
}

async fn what_is_due_is_closed_and_the_next_deadline_is_told<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(5)).await;
    for number in 1..=3 {
        offered(&*store, number, 1).await;
    }
    assert_eq!(store.close_due(at(0)).await.unwrap().next, Some(at(HOUR)));
    for (number, now) in [(1, 10), (2, 20)] {
        assert!(store.admit(ask(delivery_id(number), "a", 1, at(now))).await.unwrap().is_ok());
    }
    let settled = store.settle(vec![reported(1, "a", 400, 15), reported(3, "a", 400, 15)], None).await.unwrap();
    assert_eq!(settled.len(), 1);

    let closing = store.close_due(at(HOUR)).await.unwrap();
    assert_eq!((closing.changes, closing.next), (Vec::new(), Some(at(15 + DAY))));
    assert_eq!(store.delivery(delivery_id(3)).await, Ok(None), "an offer that nobody took is forgotten");
    let closing = store.close_due(at(15 + DAY)).await.unwrap();
    assert_eq!(
        closing.changes.iter().map(|change| (change.delivery, change.state)).collect::<Vec<_>>(),
        [(delivery_id(1), State::Released)]
    );
    assert_eq!(closing.next, Some(at(20 + DAY)));
    assert_eq!(units(&*store).await, (0, 1));
    let closing = store.close_due(at(99 * DAY)).await.unwrap();
    assert_eq!(
        closing.changes.iter().map(|change| (change.delivery, change.state)).collect::<Vec<_>>(),
        [(delivery_id(2), State::Presumed)]
    );
    assert_eq!(closing.next, None);
    assert_eq!(units(&*store).await, (1, 0));
    assert_eq!(store.admit(ask(delivery_id(1), "late", 1, at(0))).await, Ok(Err(Refusal::LinkExpired)));
    assert_eq!(store.delivery(delivery_id(1)).await.unwrap().unwrap().state, State::Released);
}

async fn of_hundreds_that_are_due_at_once_each_step_ends_some<S: Store>(store: Arc<S>) {
    const MANY: u32 = 300;
    for number in [1, 2] {
        issued(&*store, number, None).await;
    }
    for number in 1..=MANY {
        let link = link_id(1 + number % 2);
        let click = Click { link, ..click(number, 1, at(0)) };
        // Each third is taken at once, each third after a while, which its row does not say; the others are not taken.
        assert!(store.click(click).await.unwrap().is_ok());
        if number % 3 > 0 {
            let now = at(u64::from(number % 3 - 1) * 1800);
            assert!(store.admit(ask(delivery_id(number), "a", 1, now)).await.unwrap().is_ok());
        }
    }
    let (mut seen, mut steps) = (Vec::new(), Vec::new());
    for now in [HOUR, DAY, DAY + 1800] {
        let mut ended = Vec::new();
        for step in 1.. {
            assert!(step < 20, "it comes to no end at {now}");
            let closing = store.close_due(at(now)).await.unwrap();
            assert!(closing.changes.len() <= 128, "{}", closing.changes.len());
            ended.extend(closing.changes);
            if closing.next.is_none_or(|next| next > at(now)) {
                steps.push((step, closing.next));
                break;
            }
        }
        seen.push(ended.len());
        let (used, reserved) = units(&*store).await;
        assert_eq!(ended.iter().filter(|change| change.state == State::Presumed).count(), ended.len());
        assert_eq!(used + reserved, MANY / 3);
    }
    assert_eq!(seen, [0, 100, 100]);
    assert_eq!(steps.iter().map(|(_, next)| *next).collect::<Vec<_>>(), [Some(at(DAY)), Some(at(DAY + 1800)), None]);
    assert_eq!(store.deliveries(Filter::default()).await.unwrap().len(), 200, "offers that nobody took are forgotten");
}

async fn a_late_report_finds_a_delivery_that_has_ended<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(5)).await;
    let delivery = offered(&*store, 1, 1).await;
    assert!(store.admit(ask(delivery, "a", 1, at(0))).await.unwrap().is_ok());
    assert_eq!(store.close_due(at(DAY)).await.unwrap().changes.len(), 1);
    for again in [1, 0] {
        assert_eq!(store.settle(vec![reported(1, "a", 300, 9)], None).await.unwrap().len(), again);
        let grant = store.grant(grant_id(1)).await.unwrap().unwrap();
        assert_eq!((grant.used, grant.reserved, grant.bytes_closed), (1, 0, 300));
        assert_eq!(store.delivery(delivery).await.unwrap().unwrap().state, State::Presumed);
        assert_eq!(store.close_due(at(99 * DAY)).await.unwrap(), cloakroom::store::Closing::default());
    }
}

async fn what_ended_before_a_reset_is_corrected_by_itself<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(5)).await;
    for (number, begun) in [(1, 0), (2, 0), (3, 2 * DAY)] {
        let clicked = store.click(click(number, 1, at(begun))).await.unwrap().unwrap();
        assert!(store.admit(ask(clicked.delivery, "a", 1, at(begun))).await.unwrap().is_ok());
    }
    assert_eq!(store.close_due(at(DAY)).await.unwrap().changes.len(), 2);
    // A report that came in time, as far as the reset goes.
    assert_eq!(store.settle(vec![reported(1, "a", 300, 9)], None).await.unwrap().len(), 1);
    let closed = async || store.grant(grant_id(1)).await.unwrap().unwrap().bytes_closed;
    assert_eq!(closed().await, 300 + SIZE);
    store.amend(grant_id(1), Amendment::Reset, Author { at: at(2 * DAY), ..author() }).await.unwrap();
    store.amend(grant_id(1), Amendment::Expire(None), Author { at: at(4 * DAY), ..author() }).await.unwrap();
    assert_eq!(store.close_due(at(3 * DAY)).await.unwrap().changes.len(), 1);
    for (number, bytes, all) in [(2, 700, SIZE), (3, 400, 400)] {
        assert_eq!(store.settle(vec![reported(number, "a", bytes, 9)], None).await.unwrap().len(), 1);
        assert_eq!(closed().await, all, "{number}");
        assert_eq!(store.delivery(delivery_id(number)).await.unwrap().unwrap().bytes_charged, bytes, "{number}");
    }
}

async fn what_was_replaced_ends_at_the_next_click<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(1)).await;
    let delivery = offered(&*store, 1, 1).await;
    assert!(store.admit(ask(delivery, "a", 1, at(0))).await.unwrap().is_ok());
    let new = Click { version: replaced(2, 30), ..click(2, 1, at(9)) };
    assert_eq!(store.click(new.clone()).await, Ok(Err(Refusal::DownloadRunning)));
    assert_eq!(store.settle(vec![reported(1, "a", 400, 8)], None).await.unwrap().len(), 1);
    let clicked = store.click(new).await.unwrap().unwrap();
    assert_eq!((clicked.delivery, clicked.fresh), (delivery_id(2), true));
    assert_eq!(clicked.closed.iter().map(|change| (change.delivery, change.state)).collect::<Vec<_>>(), [(delivery, State::Released)]);
    let kept = store.delivery(delivery).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.closed, units(&*store).await), (State::Released, Some(at(9)), (0, 0)));
    assert!(store.admit(ask(delivery_id(2), "b", 1, at(10))).await.unwrap().unwrap().opened);
    assert_eq!(store.close_due(at(DAY)).await.unwrap().changes, [], "it ended already");
}

async fn what_was_sent_nothing_is_offered_again<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(1)).await;
    let delivery = offered(&*store, 1, 1).await;
    assert!(store.admit(ask(delivery, "a", 1, at(0))).await.unwrap().is_ok());
    let nothing = Reported { report: not_modified(at(5)), ..reported(1, "a", 0, 5) };
    let changes = store.settle(vec![nothing.clone(), nothing], None).await.unwrap();
    assert_eq!(changes.iter().map(|change| (change.before, change.state)).collect::<Vec<_>>(), [(State::Open, State::Offered)]);
    assert_eq!(units(&*store).await, (0, 0));
    assert_eq!(store.close_due(at(5)).await.unwrap().next, Some(at(5 + HOUR)));
    assert!(store.admit(ask(delivery, "b", 1, at(6))).await.unwrap().unwrap().opened);
    assert_eq!(store.settle(vec![reported(1, "b", 0, 5 + HOUR)], None).await.unwrap()[0].state, State::Open, "once");
    assert_eq!(store.close_due(at(5 + HOUR)).await.unwrap().next, Some(at(5 + HOUR + DAY)));
}

async fn what_a_person_decides_holds_at_once<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(5)).await;
    let delivery = offered(&*store, 1, 1).await;
    for (standing, answer) in [
        (Standing::Suspended, Err(Refusal::Suspended)),
        (Standing::Active, Ok(())),
        (Standing::Revoked, Err(Refusal::Revoked)),
        (Standing::Active, Err(Refusal::Revoked)),
    ] {
        let now_stands = store.amend(grant_id(1), Amendment::Stand(standing), author()).await.unwrap().unwrap().standing;
        assert_eq!(now_stands == standing, answer != Err(Refusal::Revoked) || standing == Standing::Revoked);
        assert_eq!(store.admit(ask(delivery, "a", 1, at(0))).await.unwrap().map(drop), answer);
    }

    issued(&*store, 2, Some(5)).await;
    let second = Click { link: link_id(2), ..click(2, 1, at(0)) };
    assert_eq!(store.revoke_link(link_id(2), author()).await, Ok(true));
    assert_eq!(store.click(second).await, Ok(Err(Refusal::Revoked)));
    assert!(store.link(link_id(2)).await.unwrap().unwrap().revoked);
}

async fn deliveries_are_listed_the_newest_first<S: Store>(store: Arc<S>) {
    issued(&*store, 1, None).await;
    issued(&*store, 2, None).await;
    for number in 1..=6 {
        let on = Click { link: link_id(1 + number % 2), ..click(number, 1, at(0)) };
        let delivery = store.click(on).await.unwrap().unwrap().delivery;
        assert!(store.admit(ask(delivery, "a", 1, at(u64::from(10 - number)))).await.unwrap().is_ok());
    }
    assert_eq!(store.close_due(at(DAY + 4)).await.unwrap().changes.len(), 1, "one that has ended is listed in its place");
    for (grant, limit, numbers) in
        [(None, 0, &[6, 5, 4, 3, 2, 1][..]), (None, 2, &[6, 5]), (Some(1), 0, &[6, 4, 2]), (Some(2), 2, &[5, 3]), (Some(3), 0, &[])]
    {
        let listed = store.deliveries(Filter { grant: grant.map(grant_id), limit, ..Filter::default() }).await.unwrap();
        let ids: Vec<_> = listed.iter().map(|delivery| delivery.id).collect();
        assert_eq!(ids, numbers.iter().map(|number| delivery_id(*number)).collect::<Vec<_>>(), "{grant:?} {limit}");
    }
    for (grant, before, limit, numbers) in [
        (None, 6, 0, &[5, 4, 3, 2, 1][..]),
        (None, 4, 2, &[3, 2]),
        (None, 1, 0, &[]),
        (None, 9, 0, &[]),
        (Some(1), 6, 0, &[4, 2]),
        (Some(1), 5, 1, &[4]),
        (Some(2), 1, 0, &[]),
        (Some(2), 9, 0, &[]),
        (Some(3), 6, 0, &[]),
    ] {
        let filter = Filter { grant: grant.map(grant_id), before: Some(delivery_id(before)), limit };
        let ids: Vec<_> = store.deliveries(filter).await.unwrap().iter().map(|delivery| delivery.id).collect();
        assert_eq!(ids, numbers.iter().map(|number| delivery_id(*number)).collect::<Vec<_>>(), "{grant:?} before {before}");
    }
}

#[tokio::test]
async fn a_full_memory_takes_no_more_grants() {
    let store = Memory::with_limits(Limits { grants: 2, ..Limits::default() });
    issued(&store, 1, None).await;
    issued(&store, 2, None).await;
    assert_eq!(store.issue(grant(3, None), link(3), author()).await, Err(Down::Full));
    issued(&store, 2, None).await;
    assert_eq!((store.grant(grant_id(3)).await, store.link(link_id(3)).await), (Ok(None), Ok(None)));
}

#[tokio::test]
async fn a_full_memory_forgets_what_has_ended_before_it_refuses() {
    let store = Memory::with_limits(Limits { deliveries: 3, ..Limits::default() });
    issued(&store, 1, None).await;
    for number in 1..=3 {
        offered(&store, number, 1).await;
        assert!(store.admit(ask(delivery_id(number), "a", 1, at(u64::from(number)))).await.unwrap().is_ok());
    }
    assert_eq!(store.click(click(4, 1, at(0))).await, Err(Down::Full));
    let back = Click { cookie: Some(cookie(2)), ..click(4, 1, at(0)) };
    assert_eq!(
        store.click(back).await,
        Ok(Ok(Clicked { delivery: delivery_id(2), fresh: false, closed: Vec::new() })),
        "what needs no room goes on"
    );
    assert_eq!(store.close_due(at(DAY + 2)).await.unwrap().changes.len(), 2);
    offered(&store, 4, 1).await;
    let kept: Vec<_> = store.deliveries(Filter::default()).await.unwrap().iter().map(|delivery| delivery.id).collect();
    assert_eq!(kept, [4, 3, 2].map(delivery_id));
    assert_eq!(units(&store).await, (2, 1), "the count outlives the deliveries");
    assert_eq!(store.settle(vec![reported(1, "a", 1, 1)], None).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_full_memory_takes_the_room_of_what_a_click_ends() {
    let store = Memory::with_limits(Limits { deliveries: 1, ..Limits::default() });
    issued(&store, 1, Some(1)).await;
    let delivery = offered(&store, 1, 1).await;
    assert!(store.admit(ask(delivery, "a", 1, at(0))).await.unwrap().is_ok());
    assert_eq!(store.settle(vec![reported(1, "a", 400, 1)], None).await.unwrap().len(), 1);
    let clicked = store.click(Click { version: replaced(2, 30), ..click(2, 1, at(2)) }).await.unwrap().unwrap();
    assert_eq!((clicked.delivery, clicked.closed.len()), (delivery_id(2), 1));
    assert_eq!((store.delivery(delivery).await, units(&store).await), (Ok(None), (0, 0)));
}

#[tokio::test]
async fn a_delivery_id_that_is_taken_is_not_given_again() {
    let store = Memory::new();
    issued(&store, 1, None).await;
    offered(&store, 1, 1).await;
    assert_eq!(store.click(click(1, 2, at(0))).await, Err(Down::Unreachable));
    assert_eq!(store.delivery(delivery_id(1)).await.unwrap().unwrap().clicked_by, client(1));
}

#[tokio::test]
async fn a_list_names_what_runs_what_has_ended_and_nothing_that_was_forgotten() {
    let store = Memory::with_limits(Limits { deliveries: 6, ..Limits::default() });
    let listed = async |grant: Option<u32>| -> Vec<DeliveryId> {
        let filter = Filter { grant: grant.map(grant_id), limit: 0, ..Filter::default() };
        store.deliveries(filter).await.unwrap().iter().map(|delivery| delivery.id).collect()
    };
    issued(&store, 1, None).await;
    issued(&store, 2, None).await;
    // Even numbers are of the second grant. 1 and 2 are never taken, 3 and 4 end, 5 to 8 run.
    for number in 1..=8 {
        if number == 5 {
            assert_eq!(store.close_due(at(DAY)).await.unwrap().changes.len(), 2);
        }
        let now = at(if number < 5 { 0 } else { DAY });
        let on = Click { link: link_id(2 - number % 2), ..click(number, 1, now) };
        let delivery = store.click(on).await.unwrap().unwrap().delivery;
        if number > 2 {
            assert!(store.admit(ask(delivery, "a", 1, now)).await.unwrap().is_ok());
        }
    }
    assert_eq!(listed(None).await, [8, 7, 6, 5, 4, 3].map(delivery_id));
    assert_eq!(listed(Some(1)).await, [7, 5, 3].map(delivery_id));
    assert_eq!(listed(Some(2)).await, [8, 6, 4].map(delivery_id));
    // One more makes the one that ended first go.
    assert!(store.click(Click { link: link_id(2), ..click(10, 1, at(DAY)) }).await.unwrap().is_ok());
    assert_eq!(listed(None).await, [10, 8, 7, 6, 5, 4].map(delivery_id));
    assert_eq!((listed(Some(1)).await, listed(Some(2)).await), ([7, 5].map(delivery_id).into(), [10, 8, 6, 4].map(delivery_id).into()));
}

#[tokio::test]
async fn lists_have_an_end() {
    let store = Memory::new();
    issued(&store, 1, None).await;
    let most = u32::try_from(LIST_MAX).unwrap();
    for number in 0..=most {
        let delivery = offered(&store, number, 1).await;
        assert!(store.admit(ask(delivery, "a", 1, at(0))).await.unwrap().is_ok());
    }
    for limit in [0, usize::MAX] {
        let listed = store.deliveries(Filter { limit, ..Filter::default() }).await.unwrap();
        assert_eq!((listed.len(), listed[0].id), (LIST_MAX, delivery_id(most)));
    }
}

#[tokio::test]
async fn offers_that_nobody_took_make_room() {
    let most = Account::OFFERS_MAX;
    let store = Memory::with_limits(Limits { deliveries: most, ..Limits::default() });
    issued(&store, 1, None).await;
    issued(&store, 2, None).await;
    for number in 0..u32::try_from(most * 2).unwrap() {
        // Of one grant the oldest offer goes when a new one comes: that needs no room.
        offered(&store, number, 1).await;
    }
    let other = Click { link: link_id(2), ..click(1000, 1, at(0)) };
    assert_eq!(store.click(other.clone()).await, Err(Down::Full));
    assert_eq!(store.close_due(at(HOUR)).await, Ok(cloakroom::store::Closing::default()));
    assert!(store.click(Click { now: at(HOUR), ..other }).await.unwrap().is_ok());
}

async fn what_links_and_deliveries_lead_to_is_known_without_deciding<S: Store>(store: Arc<S>) {
    assert_eq!((store.target(link_id(1)).await, store.content(delivery_id(1)).await), (Ok(None), Ok(None)));
    issued(&*store, 1, Some(3)).await;
    let delivery = offered(&*store, 1, 1).await;
    let target = Target::of(&grant(1, Some(3)));
    assert_eq!(store.target(link_id(1)).await, Ok(Some(target.clone())));
    assert_eq!(store.content(delivery).await, Ok(Some(Content { target, version: version(SIZE) })));
    store.close_due(at(2 * HOUR)).await.unwrap();
    assert_eq!(store.content(delivery).await, Ok(None), "an offer whose time is over is gone");
}

async fn an_account_is_told_with_what_decisions_work_on<S: Store>(store: Arc<S>) {
    assert_eq!(store.account(grant_id(1), None).await, Ok(None));
    issued(&*store, 1, Some(3)).await;
    for number in [1, 2] {
        let delivery = offered(&*store, number, 1).await;
        assert!(store.admit(ask(delivery, &format!("r{number}"), 1, at(u64::from(number)))).await.unwrap().is_ok());
        store.settle(vec![reported(number, &format!("r{number}"), 400, 10)], None).await.unwrap();
        if number == 1 {
            store.close_due(at(DAY + HOUR)).await.unwrap();
        }
    }
    let ids = |account: &Account| account.deliveries.iter().map(|delivery| delivery.id).collect::<Vec<_>>();
    let account = store.account(grant_id(1), None).await.unwrap().unwrap();
    assert_eq!((ids(&account), account.grant.reserved, account.grant.bytes_closed), (vec![delivery_id(2)], 1, 400));
    let account = store.account(grant_id(1), Some(delivery_id(1))).await.unwrap().unwrap();
    let mut all = ids(&account);
    all.sort();
    assert_eq!(all, [delivery_id(1), delivery_id(2)]);
    let stranger = store.account(grant_id(1), Some(delivery_id(9))).await.unwrap().unwrap();
    assert_eq!(ids(&stranger), [delivery_id(2)]);
}

async fn grants_are_listed_the_newest_first_page_by_page<S: Store>(store: Arc<S>) {
    for number in 1..=5 {
        let customer = if number % 2 == 0 { "even" } else { "odd" }.to_owned();
        let grant = Grant { created: at(u64::from(number / 2)), customer, ..grant(number, None) };
        store.issue(grant, link(number), author()).await.unwrap();
    }
    let ids = async |which: Grants| -> Vec<_> { store.grants(which).await.unwrap().into_iter().map(|grant| grant.id).collect() };
    let all: Vec<_> = [5, 4, 3, 2, 1].map(grant_id).to_vec();
    assert_eq!(ids(Grants::default()).await, all);
    let mut paged = Vec::new();
    let mut before = None;
    while let page = ids(Grants { before, limit: 2, ..Grants::default() }).await
        && let Some(last) = page.last()
    {
        before = Some(*last);
        paged.extend(page);
    }
    assert_eq!(paged, all);
    assert_eq!(ids(Grants { customer: Some("even".to_owned()), ..Grants::default() }).await, [4, 2].map(grant_id));
    assert_eq!(ids(Grants { customer: Some("eve".to_owned()), ..Grants::default() }).await, []);
    let file = grant(1, None).file;
    assert_eq!(ids(Grants { file: Some(file.clone()), ..Grants::default() }).await, all);
    let other = FileRef { path: FilePath::parse("set/b.zip").unwrap(), ..file };
    assert_eq!(ids(Grants { file: Some(other), ..Grants::default() }).await, []);
}

async fn a_grant_gets_more_links_and_they_are_listed<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(1)).await;
    let second = Link { id: link_id(2), created: at(5), ..link(1) };
    assert_eq!(store.add_link(second.clone(), author()).await, Ok(true));
    assert_eq!(store.add_link(second.clone(), author()).await, Ok(true), "the same once more");
    assert_eq!(store.add_link(Link { grant: grant_id(9), ..link(9) }, author()).await, Ok(false));
    assert!(store.add_link(Link { expires: at(1), ..link(1) }, author()).await.is_err(), "an id that is taken");
    assert_eq!(store.links(grant_id(1)).await, Ok(vec![second, link(1)]));
    assert_eq!(store.links(grant_id(9)).await, Ok(Vec::new()));
    let clicked = store.click(Click { link: link_id(2), ..click(1, 1, at(6)) }).await.unwrap().unwrap();
    assert_eq!(store.delivery(clicked.delivery).await.unwrap().unwrap().link, Some(link_id(2)));
}

async fn what_people_did_is_written_down_in_order<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(1)).await;
    let by = |name: &str, second| Author { name: name.to_owned(), at: at(second) };
    store.add_link(Link { id: link_id(2), ..link(1) }, by("anna", 1)).await.unwrap();
    let amendments = [
        Amendment::Stand(Standing::Suspended),
        Amendment::Stand(Standing::Active),
        Amendment::Reset,
        Amendment::Expire(Some(at(DAY))),
        Amendment::Expire(None),
        Amendment::Allow(Some(7)),
        Amendment::Allow(None),
        Amendment::Stand(Standing::Revoked),
    ];
    for (second, amendment) in (2..).zip(amendments) {
        store.amend(grant_id(1), amendment, by("ben", second)).await.unwrap();
    }
    store.revoke_link(link_id(2), by("cleo", 20)).await.unwrap();
    store.revoke_link(link_id(2), by("cleo", 21)).await.unwrap();
    let history = store.history(grant_id(1)).await.unwrap();
    let acts: Vec<Act> = history.iter().map(|entry| entry.act).collect();
    let mut expected = vec![Act::Issued(link_id(1)), Act::Linked(link_id(2))];
    expected.extend(amendments.map(Act::Amended));
    expected.push(Act::LinkRevoked(link_id(2)));
    assert_eq!(acts, expected);
    let authors: Vec<&Author> = history.iter().map(|entry| &entry.author).collect();
    assert_eq!((authors[0], authors[1], authors[2], authors[10]), (&author(), &by("anna", 1), &by("ben", 2), &by("cleo", 20)));
    assert_eq!(store.history(grant_id(9)).await, Ok(Vec::new()));
}

async fn amendments_change_what_they_say_and_nothing_else<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(1)).await;
    let delivery = offered(&*store, 1, 1).await;
    assert!(store.admit(ask(delivery, "a", 1, at(0))).await.unwrap().is_ok());
    store.settle(vec![reported(1, "a", SIZE, 1)], None).await.unwrap();
    assert_eq!(store.click(click(2, 2, at(2))).await, Ok(Err(Refusal::LimitReached)));
    let amend = async |amendment| store.amend(grant_id(1), amendment, author()).await.unwrap().unwrap();
    let grant = amend(Amendment::Allow(Some(2))).await;
    assert_eq!((grant.used, grant.policy.max_downloads), (1, Some(2)));
    assert!(store.click(click(3, 2, at(3))).await.unwrap().is_ok());
    let grant = amend(Amendment::Expire(Some(at(4)))).await;
    assert_eq!((grant.expires, grant.used), (Some(at(4)), 1));
    assert_eq!(store.admit(ask(delivery_id(3), "b", 2, at(5))).await, Ok(Err(Refusal::Expired)));
    amend(Amendment::Expire(None)).await;
    assert!(store.admit(ask(delivery_id(3), "b", 2, at(5))).await.unwrap().is_ok());
    let grant = amend(Amendment::Reset).await;
    assert_eq!((grant.used, grant.reserved, grant.bytes_closed), (0, 1, 0), "what runs goes on");
    assert_eq!(units(&*store).await, (0, 1));
}

async fn each_hour_is_counted_by_itself<S: Store>(store: Arc<S>) {
    issued(&*store, 1, Some(3)).await;
    for (number, bytes) in [(1, SIZE), (2, 400)] {
        let delivery = offered(&*store, number, 1).await;
        assert!(store.admit(ask(delivery, &format!("r{number}"), 1, at(0))).await.unwrap().is_ok());
        store.settle(vec![reported(number, &format!("r{number}"), bytes, 10)], None).await.unwrap();
    }
    assert!(store.admit(ask(offered(&*store, 3, 3).await, "r3", 3, at(2 * HOUR - 1))).await.unwrap().is_err(), "an old offer");
    let again = click(4, 3, at(HOUR));
    let third = store.click(again).await.unwrap().unwrap().delivery;
    assert!(store.admit(ask(third, "r4", 3, at(HOUR))).await.unwrap().is_ok());
    assert!(store.admit(ask(third, "r4", 3, at(HOUR))).await.unwrap().is_ok(), "the same once more");
    store.close_due(at(3 * DAY)).await.unwrap();
    let refused = |second, count| Tally::new(at(second), Counted::Refused(Refusal::LimitReached), count);
    store.count(vec![refused(0, 2), refused(HOUR, 1)]).await.unwrap();
    store.count(vec![refused(HOUR, 4)]).await.unwrap();
    let told = async |from, to| -> Vec<_> {
        let tallies = store.tallies(at(from), at(to)).await.unwrap();
        tallies.into_iter().map(|tally| ((tally.hour.seconds() - START) / HOUR, tally.what, tally.count)).collect()
    };
    let (started, bytes) = (Counted::Started, Counted::Bytes);
    let limit = Counted::Refused(Refusal::LimitReached);
    let first = [(0, started, 2), (0, Counted::Completed, 1), (0, bytes, SIZE + 400), (0, limit, 2)];
    assert_eq!(told(0, HOUR).await, first);
    assert_eq!(told(HOUR / 2, HOUR).await, first, "the hour that it lies in");
    assert_eq!(told(HOUR, 2 * HOUR).await, [(1, started, 1), (1, limit, 5)]);
    assert_eq!(told(2 * HOUR, 4 * DAY).await, [(72, Counted::Presumed, 1), (72, Counted::Released, 1)]);
    assert_eq!(told(HOUR, HOUR).await, []);
    assert_eq!(told(HOUR, 0).await, []);
}
