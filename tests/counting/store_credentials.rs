//! What every store promises about directory credentials, run over each of them.

use std::sync::Arc;

use cloakroom::domain::credential::{DirectoryCredential, Holder, UserName};
use cloakroom::domain::moment::{Moment, Span};
use cloakroom::domain::placed::DirectoryName;
use cloakroom::store::Store;

use crate::fixtures::*;

fn goods() -> DirectoryName {
    DirectoryName::parse("goods").unwrap()
}

fn user(number: u8) -> UserName {
    UserName::new([number; 5])
}

/// Made `number` seconds after the beginning, for grant `number`.
fn credential(number: u8, ends: Option<Moment>) -> DirectoryCredential {
    DirectoryCredential {
        user: user(number),
        directory: goods(),
        holder: Holder::Grant(grant_id(u32::from(number))),
        begins: at(u64::from(number)),
        ends,
        replaced: None,
        kid: "main".to_owned(),
        hash: format!("$apr1$salt${number}"),
        author: "anna (cloakroom grant add)".to_owned(),
    }
}

async fn open(store: &impl Store, now: Moment) -> Vec<UserName> {
    store.credentials(goods(), now).await.unwrap().iter().map(|credential| credential.user).collect()
}

pub(crate) async fn credentials_are_found_as_they_were_put_until_they_end<S: Store>(store: Arc<S>) {
    let shared = DirectoryCredential { holder: Holder::Everybody, ..credential(3, None) };
    let elsewhere = DirectoryCredential { directory: DirectoryName::parse("other").unwrap(), ..credential(4, None) };
    let all = vec![shared.clone(), elsewhere.clone(), credential(2, Some(at(100))), credential(1, Some(at(50)))];
    assert_eq!(store.put_credentials(all, Vec::new()).await, Ok(true));
    assert_eq!(store.credentials(goods(), at(10)).await, Ok(vec![credential(1, Some(at(50))), credential(2, Some(at(100))), shared]));
    for (now, users) in [(49, vec![1, 2, 3]), (50, vec![2, 3]), (99, vec![2, 3]), (100, vec![3]), (1_000_000, vec![3])] {
        assert_eq!(open(&*store, at(now)).await, users.into_iter().map(user).collect::<Vec<_>>(), "{now}");
    }
    assert_eq!(store.credentials(elsewhere.directory.clone(), at(10)).await, Ok(vec![elsewhere]));
    assert_eq!(store.credentials_of(grant_id(1), at(10)).await, Ok(vec![credential(1, Some(at(50)))]));
    for (grant, now) in [(1, 50), (3, 10), (9, 10)] {
        assert_eq!(store.credentials_of(grant_id(grant), at(now)).await, Ok(Vec::new()), "{grant}");
    }
    let named = store.credentials_named(vec![user(1), user(9), user(3)]).await.unwrap();
    assert_eq!(named.iter().map(|credential| credential.user).collect::<Vec<_>>(), [user(1), user(3)], "ended or not");
}

pub(crate) async fn credentials_are_replaced_in_one_step<S: Store>(store: Arc<S>) {
    assert_eq!(store.put_credentials(vec![credential(1, None), credential(2, None)], Vec::new()).await, Ok(true));
    let old = credential(1, None).replaced(at(10), Span::from_seconds(5));
    assert_eq!(store.put_credentials(vec![credential(3, None)], vec![old.clone()]).await, Ok(true));
    assert_eq!(store.credentials_named(vec![user(1)]).await, Ok(vec![old.clone()]));
    assert_eq!(open(&*store, at(14)).await, [user(1), user(2), user(3)]);
    assert_eq!(open(&*store, at(15)).await, [user(2), user(3)]);
    // When it ends is all that changes, whatever else is said; and what nobody knows is left out.
    let other = DirectoryCredential { hash: "other".to_owned(), kid: "other".to_owned(), ..old.ended(at(12)) };
    assert_eq!(store.put_credentials(Vec::new(), vec![other, credential(9, None)]).await, Ok(true));
    assert_eq!(store.credentials_named(vec![user(1), user(9)]).await, Ok(vec![old.ended(at(12))]));
}

pub(crate) async fn no_user_name_is_ever_used_again<S: Store>(store: Arc<S>) {
    assert_eq!(store.put_credentials(vec![credential(1, Some(at(5)))], Vec::new()).await, Ok(true));
    let again = |ends| DirectoryCredential { holder: Holder::Everybody, ..credential(1, ends) };
    for new in [vec![again(None)], vec![credential(2, None), again(None)], vec![credential(3, None), credential(3, None)]] {
        assert_eq!(store.put_credentials(new, vec![credential(1, None)]).await, Ok(false));
    }
    assert_eq!(store.credentials_named(vec![user(1), user(2), user(3)]).await, Ok(vec![credential(1, Some(at(5)))]), "nothing was changed");
    assert_eq!(open(&*store, at(6)).await, []);
}
