//! The process is killed between any two steps of placing and taking away: a row is there to be looked at.

use std::fs;

use cloakroom::domain::account::Away;
use cloakroom::domain::moment::Moment;
use cloakroom::domain::placed::{DirectoryName, NewStub, Placed, PlacedName, Stay};
use cloakroom::store::Store;
use cloakroom::store::sqlite::Sqlite;

use crate::damage::{Place, runtime};
use crate::fixtures::{at, author, click, client, delivery_id, grant, grant_id, link, request_id};

fn away(now: Moment) -> Away {
    Away { delivery: delivery_id(1), request: request_id("click"), now, address: client(1).address, measured: true }
}

fn new_stub(number: u8) -> NewStub {
    let directory = DirectoryName::parse("pub").unwrap();
    NewStub { name: PlacedName::new([number; 16]), directory, leaf: "a.zip".to_owned() }
}

/// What kill -9 leaves of a store at this moment, opened.
fn killed(place: &Place) -> (Place, Sqlite) {
    let copy = Place::new();
    fs::copy(place.file(), copy.file()).unwrap();
    fs::copy(place.log(), copy.log()).unwrap();
    let store = copy.open().unwrap();
    (copy, store)
}

async fn rows(store: &Sqlite) -> Vec<(Stay, Moment)> {
    let there: Vec<Placed> = store.placed_there(None, 0).await.unwrap();
    there.into_iter().map(|placed| (placed.stay, placed.due)).collect()
}

#[test]
fn a_kill_between_any_two_steps_leaves_a_row_that_says_what_to_do() {
    const DAY: u64 = 86_400;
    let place = Place::new();
    let store = place.open().unwrap();
    runtime().block_on(async {
        store.issue(grant(1, Some(1)), link(1), author()).await.unwrap();
        store.click(click(1, 1, at(0))).await.unwrap().unwrap();
        let (_copy, after) = killed(&place);
        assert_eq!((rows(&after).await, after.grant(grant_id(1)).await.unwrap().unwrap().reserved), (vec![], 0), "before the row");

        // The answer is durable before it is given: with the row stands the unit.
        let (_, row) = store.send_away(away(at(1)), Some(new_stub(1))).await.unwrap().unwrap();
        let row = row.unwrap();
        for _ in 0..2 {
            let (_copy, after) = killed(&place);
            assert_eq!(
                (rows(&after).await, after.grant(grant_id(1)).await.unwrap().unwrap().reserved),
                (vec![(Stay::Live, at(1 + DAY))], 1)
            );
            // Whoever clicks again is led to the same name, whether its file had been made or not.
            let (_, again) = after.send_away(away(at(2)), Some(new_stub(2))).await.unwrap().unwrap();
            assert_eq!(again, Some(row.clone()));
        }

        // That it goes is durable before its file does, and a click leads there no more.
        let going = store.close_due(at(1 + DAY)).await.unwrap().going;
        assert_eq!(going.len(), 1);
        let (_copy, after) = killed(&place);
        assert_eq!(rows(&after).await, [(Stay::Going, at(61 + DAY))]);
        let again = after.close_due(at(61 + DAY)).await.unwrap();
        assert_eq!((again.going.len(), again.next), (1, Some(at(121 + DAY))), "it is taken away once more");

        store.placed_gone(vec![row.name.clone()], at(2 + DAY)).await.unwrap();
        let (_copy, after) = killed(&place);
        assert_eq!(rows(&after).await, []);
        assert_eq!(after.placed(vec![row.name.clone()]).await.unwrap(), [row.gone(at(2 + DAY))]);
        assert_eq!(after.close_due(at(99 * DAY)).await.unwrap(), cloakroom::store::Closing::default());
    });
}

#[test]
fn a_kill_after_a_decision_of_a_person_leaves_what_has_to_go() {
    use cloakroom::domain::grant::{Amendment, Standing};

    let place = Place::new();
    let store = place.open().unwrap();
    runtime().block_on(async {
        store.issue(grant(1, Some(1)), link(1), author()).await.unwrap();
        store.click(click(1, 1, at(0))).await.unwrap().unwrap();
        store.send_away(away(at(1)), Some(new_stub(1))).await.unwrap().unwrap().1.unwrap();
        store.amend(grant_id(1), Amendment::Stand(Standing::Revoked), author()).await.unwrap();
        let (_copy, after) = killed(&place);
        let closing = after.close_due(at(2)).await.unwrap();
        assert_eq!((closing.changes.len(), closing.going.len(), closing.next), (0, 1, Some(at(62))));
    });
}
