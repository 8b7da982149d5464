//! What every store promises about what lies in public. Run over each of them by `store_contract`.

use std::collections::BTreeSet;
use std::sync::Arc;

use cloakroom::domain::account::{Away, Click, Reported, Seen};
use cloakroom::domain::delivery::State;
use cloakroom::domain::grant::{Amendment, Grant, Standing};
use cloakroom::domain::moment::Moment;
use cloakroom::domain::place::{FileId, Place};
use cloakroom::domain::placed::{DirectoryName, NewStub, Placed, PlacedName, Stay, What};
use cloakroom::domain::policy::Policy;
use cloakroom::domain::refusal::Refusal;
use cloakroom::domain::tally::{Counted, Tally};
use cloakroom::store::{Closing, Down, Store};

use crate::fixtures::*;

pub fn placed_name(number: u32) -> PlacedName {
    PlacedName::new(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes())
}

fn directory(name: &str) -> DirectoryName {
    DirectoryName::parse(name).unwrap()
}

fn new_stub(number: u32) -> NewStub {
    NewStub { name: placed_name(number), directory: directory("pub"), leaf: "a.zip".to_owned() }
}

/// The client of delivery `number`, on its way to a stub.
fn away(number: u32, now: Moment) -> Away {
    Away { delivery: delivery_id(number), request: request_id("click"), now, address: client(1).address, measured: true }
}

/// The row of the stub `name` of delivery `number`, as it is written at `now`.
fn row(name: u32, number: u32, now: Moment) -> Placed {
    Placed {
        name: placed_name(name),
        directory: directory("pub"),
        what: What::Stub(delivery_id(number)),
        grant: grant_id(1),
        file: grant(1, None).file,
        leaf: "a.zip".to_owned(),
        placed: now,
        due: Moment::from_millis(now.millis() + 1000 * DAY),
        stay: Stay::Live,
    }
}

/// The client of delivery `number`, which click `number` makes at `now`, is sent to the stub `number`.
async fn placed(store: &impl Store, number: u32, now: Moment) -> Placed {
    // A cookie that nobody gave out: what others run is not gone on with.
    let own = Click { cookie: Some(cookie(9000 + number)), ..click(number, 1, now) };
    let clicked = store.click(own).await.unwrap().unwrap();
    assert_eq!(clicked.delivery, delivery_id(number));
    let (permit, placed) = store.send_away(away(number, now), Some(new_stub(number))).await.unwrap().unwrap();
    assert!(permit.opened);
    placed.unwrap()
}

async fn issued(store: &impl Store, max_downloads: Option<u32>) {
    store.issue(grant(1, max_downloads), link(1), author()).await.unwrap();
}

/// The one row under `number`.
async fn known(store: &impl Store, number: u32) -> Placed {
    let [placed] = &store.placed(vec![placed_name(number)]).await.unwrap()[..] else { panic!("{number} is not known") };
    placed.clone()
}

async fn close(store: &impl Store, now: u64) -> Closing {
    store.close_due(at(now)).await.unwrap()
}

fn names(placed: &[Placed]) -> Vec<PlacedName> {
    placed.iter().map(|placed| placed.name.clone()).collect()
}

pub async fn a_client_is_sent_to_the_one_stub_of_its_delivery<S: Store>(store: Arc<S>) {
    issued(&*store, Some(3)).await;
    let first = placed(&*store, 1, at(0)).await;
    assert_eq!(first, row(1, 1, at(0)));
    assert_eq!((known(&*store, 1).await, store.placed_for(grant_id(1)).await), (first.clone(), Ok(vec![first.clone()])));
    // A second click brings no second stub, whatever name it brings, and a stub in another directory is another one.
    for name in [1, 2] {
        let (permit, there) = store.send_away(away(1, at(5)), Some(new_stub(name))).await.unwrap().unwrap();
        assert_eq!((permit.opened, there), (true, Some(first.clone())));
    }
    let other = Some(NewStub { directory: directory("other"), ..new_stub(3) });
    let (_, there) = store.send_away(away(1, at(5)), other).await.unwrap().unwrap();
    assert_eq!(there, Some(Placed { directory: directory("other"), due: at(5 + DAY), placed: at(5), ..row(3, 1, at(5)) }));
    // Who goes to the file's own address needs none.
    assert!(store.click(click(2, 2, at(5))).await.unwrap().is_ok());
    let (_, there) = store.send_away(Away { measured: false, ..away(2, at(5)) }, None).await.unwrap().unwrap();
    assert_eq!(there, None);
    let grant = store.grant(grant_id(1)).await.unwrap().unwrap();
    assert_eq!((grant.used, grant.reserved), (1, 1));
    assert_eq!(names(&store.placed_for(grant_id(1)).await.unwrap()), [1, 3].map(placed_name));
    let hour = store.tallies(at(0), at(HOUR)).await.unwrap();
    assert_eq!(hour, [Tally::new(at(0), Counted::Started, 2)], "each download is counted when it starts");
}

pub async fn who_is_not_sent_away_gets_no_stub<S: Store>(store: Arc<S>) {
    assert_eq!(store.send_away(away(9, at(0)), Some(new_stub(1))).await, Ok(Err(Refusal::UnknownLink)));
    issued(&*store, Some(0)).await;
    assert_eq!(store.click(click(1, 1, at(0))).await, Ok(Err(Refusal::LimitReached)));
    store.amend(grant_id(1), Amendment::Allow(Some(1)), author()).await.unwrap();
    assert!(store.click(click(1, 1, at(0))).await.unwrap().is_ok());
    for (amendment, refusal) in [
        (Amendment::Allow(Some(0)), Refusal::LimitReached),
        (Amendment::Stand(Standing::Suspended), Refusal::Suspended),
        (Amendment::Stand(Standing::Revoked), Refusal::Revoked),
    ] {
        store.amend(grant_id(1), amendment, author()).await.unwrap();
        assert_eq!(store.send_away(away(1, at(1)), Some(new_stub(1))).await, Ok(Err(refusal)));
        assert_eq!((store.placed(vec![placed_name(1)]).await, store.placed_for(grant_id(1)).await), (Ok(Vec::new()), Ok(Vec::new())));
        assert_eq!(store.placed_there(None, 0).await, Ok(Vec::new()));
    }
    assert_eq!(store.placed_gone(vec![placed_name(1)], at(2)).await, Ok(()), "what nobody knows is no fault");
}

pub async fn a_name_that_is_taken_is_never_given_again<S: Store>(store: Arc<S>) {
    issued(&*store, Some(3)).await;
    let first = placed(&*store, 1, at(0)).await;
    assert!(store.click(click(2, 2, at(0))).await.unwrap().is_ok());
    let before = store.account(grant_id(1), None).await;
    for gone in [false, true] {
        if gone {
            store.placed_gone(vec![placed_name(1)], at(1)).await.unwrap();
        }
        assert_eq!(store.send_away(away(2, at(1)), Some(new_stub(1))).await, Err(Down::Unreachable));
        assert_eq!(store.account(grant_id(1), None).await, before, "nothing changed");
    }
    assert_eq!(store.send_away(away(1, at(1)), Some(new_stub(1))).await, Err(Down::Unreachable), "its own stub is gone");
    assert_eq!(known(&*store, 1).await, first.gone(at(1)));
    assert!(store.send_away(away(1, at(1)), Some(new_stub(2))).await.unwrap().is_ok(), "what others took away is placed anew");
    assert_eq!(store.placed_for(grant_id(1)).await.unwrap().len(), 2);
}

pub async fn what_is_gone_is_forgotten_after_a_month_and_nothing_else<S: Store>(store: Arc<S>) {
    issued(&*store, None).await;
    for number in 1..=4 {
        placed(&*store, number, at(u64::from(number))).await;
    }
    store.placed_gone(vec![placed_name(2), placed_name(1)], at(9)).await.unwrap();
    store.placed_gone(vec![placed_name(3)], at(10)).await.unwrap();
    let listed = async || names(&store.placed_for(grant_id(1)).await.unwrap());
    for (now, left) in [(9 + 30 * DAY - 1, &[1, 2, 3, 4][..]), (9 + 30 * DAY, &[3, 4]), (10 + 30 * DAY, &[4]), (999 * DAY, &[4])] {
        close(&*store, now).await;
        assert_eq!(listed().await, left.iter().map(|number| placed_name(*number)).collect::<Vec<_>>(), "{now}");
        let known = store.placed((1..=4).map(placed_name).collect()).await.unwrap();
        assert_eq!(known.len(), left.len(), "{now}");
    }
    assert_eq!(known(&*store, 4).await.stay, Stay::Going, "what may still lie there is never forgotten");
    assert!(store.delivery(delivery_id(1)).await.unwrap().is_some());
}

pub async fn where_directories_lie_and_lay_is_kept_whole<S: Store>(store: Arc<S>) {
    let place = |name: &str, path: &str, inode: Option<u64>, left: Option<u64>| Place {
        directory: directory(name),
        path: path.to_owned(),
        id: inode.map(|inode| FileId { device: u64::MAX, inode }),
        left: left.map(at),
    };
    assert_eq!(store.places().await, Ok(Vec::new()));
    let all = vec![place("a", "/x", Some(1), None), place("a", "/y", None, Some(7)), place("b", "/x", Some(u64::MAX), Some(9))];
    store.keep_places(all.iter().rev().cloned().collect()).await.unwrap();
    assert_eq!(store.places().await, Ok(all));
    let one = vec![place("a", "/y", Some(2), None)];
    for _ in 0..2 {
        store.keep_places(one.clone()).await.unwrap();
        assert_eq!(store.places().await, Ok(one.clone()), "in place of those before");
    }
    store.keep_places(Vec::new()).await.unwrap();
    assert_eq!(store.places().await, Ok(Vec::new()));
}

pub async fn what_may_lie_in_a_place_is_counted_until_it_is_gone<S: Store>(store: Arc<S>) {
    issued(&*store, Some(3)).await;
    let first = placed(&*store, 1, at(5)).await;
    let lies = |name: &str, left: Option<u64>| Place { directory: directory(name), path: "/x".to_owned(), id: None, left: left.map(at) };
    let here = first.directory.to_string();
    let places = vec![lies(&here, None), lies(&here, Some(4)), lies(&here, Some(5)), lies(&here, Some(6)), lies("nobodys", None)];
    assert_eq!(store.lying(places.clone()).await, Ok(vec![1, 0, 1, 1, 0]));
    assert_eq!(store.lying(Vec::new()).await, Ok(Vec::new()));
    store.placed_gone(vec![first.name], at(7)).await.unwrap();
    assert_eq!(store.lying(places).await, Ok(vec![0; 5]));
}

pub async fn what_has_to_go_is_told_until_it_is_gone<S: Store>(store: Arc<S>) {
    issued(&*store, Some(1)).await;
    let first = placed(&*store, 1, at(0)).await;
    let closing = close(&*store, DAY - 1).await;
    assert_eq!((closing.going, closing.next), (Vec::new(), Some(at(DAY))));
    let closing = close(&*store, DAY).await;
    let going = Placed { stay: Stay::Going, due: at(DAY + 60), ..first.clone() };
    assert_eq!(closing.changes.iter().map(|change| change.state).collect::<Vec<_>>(), [State::Released]);
    assert_eq!((closing.going, closing.next), (vec![going.clone()], Some(at(DAY + 60))));
    assert_eq!(known(&*store, 1).await, going);
    // What could not be taken away is tried again, once a minute.
    assert_eq!(close(&*store, DAY + 59).await.going, []);
    let again = close(&*store, DAY + 60).await;
    assert_eq!((names(&again.going), again.next), (vec![placed_name(1)], Some(at(DAY + 120))));
    assert_eq!(names(&store.placed_there(None, 0).await.unwrap()), [placed_name(1)]);
    // Once an hour where nothing can be done about it; what is not known, or not going, is as it was.
    store.going_later(vec![placed_name(1), placed_name(9)], at(DAY + 3660)).await.unwrap();
    let closing = close(&*store, DAY + 3659).await;
    assert_eq!((closing.going, closing.next), (Vec::new(), Some(at(DAY + 3660))));
    assert_eq!(names(&close(&*store, DAY + 3660).await.going), [placed_name(1)]);
    store.placed_gone(vec![placed_name(1)], at(DAY + 61)).await.unwrap();
    store.placed_gone(vec![placed_name(1)], at(DAY + 99)).await.unwrap();
    store.going_later(vec![placed_name(1)], at(8 * DAY)).await.unwrap();
    assert_eq!(known(&*store, 1).await, first.gone(at(DAY + 61)), "it went once");
    assert_eq!(close(&*store, 9 * DAY).await, Closing::default());
    assert_eq!(store.placed_there(None, 0).await, Ok(Vec::new()));
    // Its name is still known: by it, a late report finds the delivery.
    let seen = Some(Seen { client: client(1).key(), address: client(1).address });
    let late = Reported { delivery: delivery_id(1), request: request_id("late"), report: sent(0, SIZE, SIZE, at(9 * DAY)), seen };
    for again in [1, 0] {
        assert_eq!(store.settle(vec![late.clone()], None).await.unwrap().len(), again);
        assert_eq!(store.delivery(delivery_id(1)).await.unwrap().unwrap().state, State::Completed);
        assert_eq!(store.grant(grant_id(1)).await.unwrap().unwrap().used, 1);
    }
}

pub async fn a_stub_stays_while_its_delivery_goes_on<S: Store>(store: Arc<S>) {
    issued(&*store, Some(1)).await;
    placed(&*store, 1, at(0)).await;
    for hour in 1..=50 {
        let seen = Some(Seen { client: client(1).key(), address: client(1).address });
        let request = request_id(&format!("s{hour}"));
        let report = sent(0, 1, SIZE, at(hour * HOUR));
        store.settle(vec![Reported { delivery: delivery_id(1), request, report, seen }], None).await.unwrap();
        let closing = close(&*store, hour * HOUR).await;
        assert_eq!((closing.changes, closing.going), (Vec::new(), Vec::new()), "{hour}");
        assert!(closing.next.is_some_and(|next| next > at(hour * HOUR)), "{hour}");
    }
    let closing = close(&*store, 50 * HOUR + DAY).await;
    assert_eq!((closing.changes.len(), names(&closing.going)), (1, vec![placed_name(1)]));
}

pub async fn what_a_person_decides_brings_the_look_forward<S: Store>(store: Arc<S>) {
    issued(&*store, Some(9)).await;
    for number in [1, 2] {
        placed(&*store, number, at(u64::from(number))).await;
    }
    // Of what may stay, only the time is told anew.
    store.amend(grant_id(1), Amendment::Expire(Some(at(3))), author()).await.unwrap();
    let closing = close(&*store, 3).await;
    assert_eq!((closing.going, closing.next), (Vec::new(), Some(at(1 + DAY))));
    store.amend(grant_id(1), Amendment::Stand(Standing::Suspended), author()).await.unwrap();
    let closing = close(&*store, 4).await;
    let both = BTreeSet::from([1, 2].map(placed_name));
    let told = |going: &[Placed]| names(going).into_iter().collect::<BTreeSet<_>>();
    assert_eq!((&closing.changes[..], told(&closing.going)), (&[][..], both.clone()), "the deliveries go on");
    assert_eq!(closing.next, Some(at(64)));
    // Nobody is sent to what is going, not even when the grant is good again.
    store.amend(grant_id(1), Amendment::Stand(Standing::Active), author()).await.unwrap();
    assert_eq!(told(&close(&*store, 64).await.going), both);
    let (permit, there) = store.send_away(away(1, at(65)), Some(new_stub(3))).await.unwrap().unwrap();
    assert!(permit.opened && there.is_some_and(|there| there.name == placed_name(3)));
    let grant = store.grant(grant_id(1)).await.unwrap().unwrap();
    assert_eq!((grant.used, grant.reserved), (0, 2), "no unit more");
}

pub async fn what_has_no_bytes_left_brings_the_look_forward<S: Store>(store: Arc<S>) {
    issued(&*store, Some(2)).await;
    placed(&*store, 1, at(0)).await;
    placed(&*store, 2, at(0)).await;
    for number in 1..=5 {
        let seen = Some(Seen { client: client(1).key(), address: client(1).address });
        let (request, report) = (request_id(&format!("b{number}")), sent(0, SIZE - 1, SIZE, at(number)));
        let changes = store.settle(vec![Reported { delivery: delivery_id(1), request, report, seen }], None).await.unwrap();
        assert_eq!((changes.len(), changes[0].is_overdrawn), (1, number > 2), "{number}");
        // Twice the size for each delivery, four times for the grant.
        let going = names(&close(&*store, number).await.going);
        let expected: &[u32] = match number {
            3 => &[1],
            5 => &[2],
            _ => &[],
        };
        assert_eq!(going, expected.iter().map(|number| placed_name(*number)).collect::<Vec<_>>(), "{number}");
    }
}

pub async fn the_end_of_a_delivery_brings_the_look_forward<S: Store>(store: Arc<S>) {
    issued(&*store, Some(1)).await;
    placed(&*store, 1, at(0)).await;
    // A click on the file that was replaced ends the delivery of what it was.
    let new = Click { version: replaced(2, 30), ..click(2, 2, at(9)) };
    let clicked = store.click(new).await.unwrap().unwrap();
    assert_eq!((clicked.fresh, clicked.closed.len()), (true, 1));
    let closing = close(&*store, 9).await;
    assert_eq!(names(&closing.going), [placed_name(1)]);
    assert_eq!(store.send_away(away(1, at(10)), Some(new_stub(2))).await, Ok(Err(Refusal::LinkExpired)));
}

pub async fn of_thousands_in_public_each_page_and_each_step_has_some<S: Store>(store: Arc<S>) {
    const MANY: u32 = 300;
    let policy = Policy { max_downloads: None, ..grace(3600) };
    store.issue(Grant { policy, ..grant(1, None) }, link(1), author()).await.unwrap();
    for number in 1..=MANY {
        // Some are due at the same moment.
        placed(&*store, number, at(u64::from(number / 4))).await;
    }
    let (mut after, mut listed) = (None, Vec::new());
    while let page = store.placed_there(after, 7).await.unwrap()
        && let Some(last) = page.last()
    {
        assert!(page.len() <= 7);
        after = Some((last.due, last.name.clone()));
        listed.extend(page);
    }
    assert!(listed.is_sorted_by_key(|placed| (placed.due, placed.name.clone())));
    assert_eq!(names(&listed).into_iter().collect::<BTreeSet<_>>().len(), MANY as usize);
    assert_eq!((listed.len(), names(&store.placed_there(None, 0).await.unwrap())), (MANY as usize, names(&listed)));
    assert_eq!(store.placed_for(grant_id(1)).await.unwrap().len(), MANY as usize);

    let (mut gone, mut steps) = (Vec::new(), 0);
    loop {
        steps += 1;
        let closing = close(&*store, 2 * HOUR).await;
        assert!(closing.going.len() <= 128 && steps < 20, "{steps}: {}", closing.going.len());
        gone.extend(names(&closing.going));
        if closing.next.is_none_or(|next| next > at(2 * HOUR)) {
            break;
        }
    }
    assert!(steps >= 3, "{steps}");
    assert_eq!((gone.len(), gone.iter().collect::<BTreeSet<_>>().len()), (MANY as usize, MANY as usize), "each is told once");
    store.placed_gone(gone, at(2 * HOUR)).await.unwrap();
    assert_eq!(close(&*store, 3 * HOUR).await, Closing::default());
}
