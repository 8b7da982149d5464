//! Any query on any path: nothing that was not signed opens, and a signed URL opens until one byte of it is another.
//!
//! The input is `path?query`. It is tried as it stands, and again with a good signature for its query in place of its
//! own: so the fuzzer gets past the MAC and plays with the terms.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use cloakroom::domain::moment::Moment;
use cloakroom::domain::path::CanonicalPath;
use cloakroom::domain::refusal::Refusal;
use cloakroom::proof::key::{KeyRing, Purpose, SigningKey};
use cloakroom::proof::signed_url::{Step, Terms, open, open_traced, sign};
use libfuzzer_sys::fuzz_target;

const SITE: &str = "shop.example";
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
const NOW: Moment = Moment::from_seconds(1_800_000_000);

static KEYS: LazyLock<KeyRing> = LazyLock::new(|| {
    let key = |id, byte| SigningKey::new(id, &[byte; 32]).expect("a key");
    KeyRing::new([(key("main", 1), Purpose::Sign), (key("old", 2), Purpose::Accept), (key("gone", 3), Purpose::Retired)])
});

fuzz_target!(|input: &str| {
    let (path, query) = input.split_once('?').map_or((input, None), |(path, query)| (path, Some(query)));
    let Ok(path) = CanonicalPath::parse(path) else { return };

    let mut held = false;
    let mut terms_before_mac = false;
    let opened = open_traced(SITE, &path, query, CLIENT, &KEYS, NOW, &mut |step| match step {
        Step::MacHeld => held = true,
        Step::InTime { .. } | Step::InNetwork(_) | Step::PathOpened => terms_before_mac |= !held,
        Step::KeyNamed(_) | Step::KeyKnown(_) | Step::Text(_) | Step::Failed(_) => {}
    });
    assert!(!terms_before_mac, "nothing is looked at before the MAC held");
    assert!(held || !matches!(opened, Ok(_) | Err(Refusal::Expired | Refusal::WrongNetwork | Refusal::WrongPath | Refusal::KeyRetired)));
    assert_eq!(open(SITE, &path, query, CLIENT, &KEYS, NOW).is_ok(), opened.is_ok(), "told or not, the answer is the same");

    minted(&path, input);
});

/// A URL for `path`, with a name of the fuzzer's, opens as it is and in no other way.
fn minted(path: &CanonicalPath, name: &str) {
    let mut terms = Terms::until(Moment::from_seconds(1_900_000_000));
    terms.name = Some(name.to_owned());
    let url = sign(SITE, path, &terms, KEYS.signing().expect("a key"));
    assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
    let (signed_path, query) = url.split_once('?').expect("a query");
    assert_eq!(signed_path, path.encoded());
    let claim = open(SITE, path, Some(query), CLIENT, &KEYS, NOW).expect("what was signed opens");
    assert!(claim.name().is_none_or(|read| name.starts_with(read)), "the name is the one that was signed");

    let with_more = format!("{query}&fbclid={}", "x");
    assert!(open(SITE, path, Some(&with_more), CLIENT, &KEYS, NOW).is_ok(), "what follows the signature is ignored");
    for (bad, why) in [
        (format!("{query}&exp=1900000001"), "a known name after the signature"),
        (format!("exp=1900000000&{query}"), "a second `exp`"),
        (query.replacen("exp=19", "exp=20", 1), "another time"),
        (query.replacen("kid=main", "kid=old", 1), "another key"),
    ] {
        assert!(open(SITE, path, Some(&bad), CLIENT, &KEYS, NOW).is_err(), "{why}: {bad}");
    }
    assert!(open("other.example", path, Some(query), CLIENT, &KEYS, NOW).is_err(), "another site");
    assert!(open(SITE, path, Some(query), CLIENT, &KEYS, Moment::from_seconds(1_900_000_000)).is_err(), "its time is over");
    let other = CanonicalPath::parse(&format!("{}x", path.encoded())).ok();
    assert!(other.is_none_or(|other| open(SITE, &other, Some(query), CLIENT, &KEYS, NOW).is_err()), "another path");
}
