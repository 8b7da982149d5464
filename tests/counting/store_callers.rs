//! What every store promises about keys of the API and about calls that are repeated, run over each of them.

use std::sync::Arc;

use cloakroom::domain::api_key::{ApiKey, KeyDigest, KeyName, Scope, Scopes};
use cloakroom::domain::id::ApiKeyId;
use cloakroom::domain::order::ShopName;
use cloakroom::domain::repeated::{Begun, CallName, Fingerprint, KeptAnswer, NamedCall, Seed};
use cloakroom::store::{API_KEYS_MAX, CallerStore, KeyAdded};

use crate::fixtures::*;

fn id(number: u16) -> ApiKeyId {
    let [high, low] = number.to_be_bytes();
    ApiKeyId::new([7, 7, 7, 7, 7, 7, 7, 7, 7, 7, high, low])
}

/// Made `number` seconds after the beginning.
fn key(number: u16) -> ApiKey {
    ApiKey {
        id: id(number),
        name: KeyName::parse(&format!("shop-{number}")).unwrap(),
        digest: KeyDigest::new([u8::try_from(number % 256).unwrap(); 32]),
        scopes: Scopes::new([Scope::Grants, Scope::Read]).unwrap(),
        shop: (number == 2).then(|| ShopName::parse("zencart").unwrap()),
        created: at(u64::from(number)),
        author: "anna (cloakroom apikey new)".to_owned(),
        used: None,
        revoked: None,
        expires: (number == 3).then(|| at(1000)),
        networks: if number == 1 { vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()] } else { Vec::new() },
    }
}

pub(crate) async fn keys_are_kept_as_they_were_made_used_and_revoked<S: CallerStore>(store: Arc<S>) {
    for number in [1, 3, 2] {
        assert_eq!(store.add_api_key(key(number)).await, Ok(KeyAdded::Added));
    }
    assert_eq!(store.api_keys().await, Ok(vec![key(3), key(2), key(1)]), "the newest first");
    store.use_api_key(id(2), at(DAY)).await.unwrap();
    store.use_api_key(id(9), at(DAY)).await.unwrap();
    assert_eq!(store.revoke_api_key(id(9), at(50)).await, Ok(None));
    assert_eq!(store.revoke_api_key(id(1), at(50)).await, Ok(Some(key(1))));
    let gone = ApiKey { revoked: Some(at(50)), ..key(1) };
    assert_eq!(store.revoke_api_key(id(1), at(60)).await, Ok(Some(gone.clone())), "once");
    let used = ApiKey { used: Some(at(DAY)), ..key(2) };
    assert_eq!(store.api_keys().await, Ok(vec![key(3), used, gone]));
}

pub(crate) async fn a_name_is_free_again_when_its_key_is_revoked_and_there_are_only_so_many<S: CallerStore>(store: Arc<S>) {
    let again = |number| ApiKey { name: key(1).name, ..key(number) };
    assert_eq!(store.add_api_key(key(1)).await, Ok(KeyAdded::Added));
    assert_eq!(store.add_api_key(again(2)).await, Ok(KeyAdded::NameTaken));
    store.revoke_api_key(id(1), at(5)).await.unwrap();
    assert_eq!(store.add_api_key(again(2)).await, Ok(KeyAdded::Added));
    let over = ApiKey { expires: Some(at(4)), ..key(3) };
    assert_eq!(store.add_api_key(over.clone()).await, Ok(KeyAdded::Added));
    let before = ApiKey { name: over.name.clone(), created: at(3), ..key(4) };
    assert_eq!(store.add_api_key(before.clone()).await, Ok(KeyAdded::NameTaken));
    assert_eq!(store.add_api_key(ApiKey { created: at(4), ..before }).await, Ok(KeyAdded::Added), "that one is over");
    for number in 5..=u16::try_from(API_KEYS_MAX).unwrap() {
        assert_eq!(store.add_api_key(key(number)).await, Ok(KeyAdded::Added), "{number}");
    }
    assert_eq!(store.add_api_key(key(2000)).await, Ok(KeyAdded::Full));
    assert_eq!(store.api_keys().await.map(|keys| keys.len()), Ok(API_KEYS_MAX));
}

fn name(key: &str) -> CallName {
    CallName { caller: "k-1".to_owned(), key: key.to_owned() }
}

fn call(key: &str, print: u8, seconds: u64) -> NamedCall {
    let seed = Seed([u8::try_from(seconds % 251).unwrap(); 16]);
    NamedCall { name: name(key), print: Fingerprint([print; 32]), seed, at: at(seconds) }
}

pub(crate) async fn a_call_is_answered_again_as_it_was_until_a_day_is_over<S: CallerStore>(store: Arc<S>) {
    let answer = KeptAnswer { status: 200, kid: "main".to_owned(), sealed: vec![0, 1, 255] };
    let first = Begun::Open(call("a", 1, 0).seed);
    assert_eq!(store.begin_call(call("a", 1, 0)).await, Ok(first.clone()));
    assert_eq!(store.begin_call(call("a", 1, 9)).await, Ok(first), "what was cut off goes on with what it began with");
    assert_eq!(store.begin_call(call("a", 2, 9)).await, Ok(Begun::Other));
    let elsewhere = NamedCall { name: CallName { caller: "k-2".to_owned(), ..name("a") }, ..call("a", 2, 9) };
    assert_eq!(store.begin_call(elsewhere.clone()).await, Ok(Begun::Open(elsewhere.seed)), "of another caller it is another name");
    store.end_call(name("a"), answer.clone()).await.unwrap();
    store.end_call(name("unknown"), answer.clone()).await.unwrap();
    assert_eq!(store.begin_call(call("unknown", 1, 10)).await, Ok(Begun::Open(call("unknown", 1, 10).seed)));
    assert_eq!(store.begin_call(call("a", 1, DAY - 1)).await, Ok(Begun::Answered(answer.clone())));
    assert_eq!(store.begin_call(call("a", 2, DAY - 1)).await, Ok(Begun::Other));
    assert_eq!(store.begin_call(call("a", 2, DAY)).await, Ok(Begun::Open(call("a", 2, DAY).seed)), "a day is over");
    for number in 0..150 {
        store.begin_call(call(&format!("many-{number:03}"), 1, DAY + 1)).await.unwrap();
        store.end_call(name(&format!("many-{number:03}")), answer.clone()).await.unwrap();
    }
    let late = call("many-149", 1, 2 * DAY + 1);
    assert_eq!(store.begin_call(late.clone()).await, Ok(Begun::Open(late.seed)), "whether the others are forgotten yet or not");
    assert_eq!(store.forget_old_calls(at(2 * DAY)).await, Ok(3), "what began a day ago");
    assert_eq!(store.forget_old_calls(at(2 * DAY + 1)).await, Ok(149), "all but the one that is new");
    store.forget_call(name("a")).await.unwrap();
    assert_eq!(store.begin_call(call("a", 3, DAY + 5)).await, Ok(Begun::Open(call("a", 3, DAY + 5).seed)));
    store.begin_call(call("b", 3, DAY + 6)).await.unwrap();
    store.end_call(name("b"), KeptAnswer { status: 200, kid: "main".to_owned(), sealed: vec![7] }).await.unwrap();
    store.forget_answers().await.unwrap();
    assert_eq!(store.begin_call(call("b", 4, DAY + 7)).await, Ok(Begun::Open(call("b", 4, DAY + 7).seed)), "it is another call");
    assert_eq!(store.begin_call(call("a", 3, DAY + 8)).await, Ok(Begun::Open(call("a", 3, DAY + 5).seed)), "it runs");
}
