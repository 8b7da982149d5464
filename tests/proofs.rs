//! Signed URLs and tokens from outside: what opens, and every way in which nothing does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::net::IpAddr;
use std::num::NonZeroU64;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom::domain::id::{DeliveryId, LinkId};
use cloakroom::domain::moment::Moment;
use cloakroom::domain::path::{CanonicalPath, read_target};
use cloakroom::domain::refusal::Refusal;
use cloakroom::domain::units::Rate;
use cloakroom::proof::key::{KeyRing, Purpose, SigningKey};
use cloakroom::proof::signed_url::{Claim, QUERY_BYTES_MAX, Step, Terms, open, open_traced, sign};
use cloakroom::proof::token::{mint_delivery, mint_link, open_delivery, open_link};
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use sha2::Sha256;

const SITE: &str = "shop.example";
const NOW: u64 = 1_800_000_000;
const PATH: &str = "/members/set/a%20b.zip";
const CLIENT: &str = "203.0.113.7";

const MAIN: [u8; 32] = [1; 32];
const NEXT: [u8; 40] = [2; 40];
const OLD: [u8; 64] = [3; 64];

fn keys() -> KeyRing {
    let key = |id: &str, secret: &[u8]| SigningKey::new(id, secret).expect("a key");
    KeyRing::new([(key("main", &MAIN), Purpose::Sign), (key("next", &NEXT), Purpose::Accept), (key("old", &OLD), Purpose::Retired)])
}

fn main_key() -> SigningKey {
    SigningKey::new("main", &MAIN).expect("a key")
}

fn path(raw: &str) -> CanonicalPath {
    CanonicalPath::parse(raw).unwrap_or_else(|fault| panic!("{raw}: {fault}"))
}

/// The signature as the design describes it, written apart from the code under test.
fn signature(secret: &[u8], site: &str, path: &str, query: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key").chain_update(format!("cloakroom-1\n{site}\n{path}?{query}"));
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// A query that was signed for [`PATH`] with the main key, however odd it is.
fn signed(query: &str) -> String {
    format!("{query}&sig={}", signature(&MAIN, SITE, PATH, query))
}

/// The same for a prefix in the place of the path.
fn signed_for(prefix: &str, query: &str) -> String {
    format!("{query}&sig={}", signature(&MAIN, SITE, prefix, query))
}

fn opened_at(raw: &str, query: &str) -> Result<Claim, Refusal> {
    open(SITE, &path(raw), Some(query), CLIENT.parse().expect("an address"), &keys(), Moment::from_seconds(NOW))
}

fn opened(query: &str) -> Result<Claim, Refusal> {
    opened_at(PATH, query)
}

#[test]
fn a_signed_url_says_what_was_signed() {
    let claim = opened(&signed("kid=main&exp=1900000000")).expect("a claim");
    assert_eq!((claim.key(), claim.expires()), ("main", Moment::from_seconds(1_900_000_000)));
    assert_eq!((claim.name(), claim.rate(), claim.passed_on()), (None, None, ""));

    let query = "a=1&exp=1900000000&nbf=1700000000&b&net=203.0.113.0%2F24&kid=main&name=S%C3%BC%C3%9F+1.zip&rate=5000&c==%3d&&A=?";
    let claim = opened(&signed(query)).expect("a claim");
    assert_eq!(claim.name(), Some("Süß 1.zip"));
    assert_eq!(claim.rate(), NonZeroU64::new(5000).map(Rate));
    assert_eq!(claim.passed_on(), "a=1&b&c==%3d&A=?");
}

#[test]
fn other_spellings_of_what_is_the_same_open_too() {
    let next = |query: &str| format!("{query}&sig={}", signature(&NEXT, SITE, PATH, query));
    for (raw, query) in [
        // An accepted key, and the path as clients spell it.
        (PATH, next("kid=next&exp=1900000000")),
        ("/members//set/%61 b.zip".replace(' ', "%20").as_str(), signed("kid=main&exp=1900000000")),
        // What others put behind it.
        (PATH, format!("{}&fbclid=x&utm_source=mail&EXP=1&Sig=2&x", signed("kid=main&exp=1900000000"))),
        (PATH, format!("{}&", signed("kid=main&exp=1900000000"))),
        // Networks.
        (PATH, signed("kid=main&exp=1900000000&net=203.0.113.7")),
        (PATH, signed("kid=main&exp=1900000000&net=203.0.113.200/24")),
        (PATH, signed("kid=main&exp=1900000000&net=0.0.0.0/0")),
        // The last second, the first second.
        (PATH, signed("kid=main&exp=1800000001&nbf=1800000000")),
        (PATH, signed("kid=main&exp=18446744073709551615&nbf=0")),
        // Prefixes, written as paths and as forms do.
        (PATH, signed_for("/members/set/", "kid=main&exp=1900000000&prefix=/members/set/")),
        (PATH, signed_for("/members/set", "kid=main&exp=1900000000&prefix=/members/set")),
        (PATH, signed_for("/members/set/", "kid=main&exp=1900000000&prefix=%2Fmembers%2Fset%2F")),
        (PATH, signed_for("/", "prefix=/&kid=main&exp=1900000000")),
        (PATH, signed_for(PATH, &format!("kid=main&exp=1900000000&prefix={PATH}"))),
        (PATH, signed_for(PATH, "kid=main&exp=1900000000&prefix=%2fmembers%2fset%2fa+b.zip")),
        ("/members/set", signed_for("/members/set/", "kid=main&exp=1900000000&prefix=/members/set/")),
    ] {
        assert!(opened_at(raw, &query).is_ok(), "{raw}?{query}");
    }
    let six = "kid=main&exp=1900000000&net=2001:db8::/32";
    let at = |address: &str| {
        let address = address.parse().expect("an address");
        open(SITE, &path(PATH), Some(&signed(six)), address, &keys(), Moment::from_seconds(NOW)).map(|_| ())
    };
    assert_eq!(at("2001:db8:1::1"), Ok(()));
    assert_eq!(at("2001:db9::1"), Err(Refusal::WrongNetwork));
    assert_eq!(at("203.0.113.7"), Err(Refusal::WrongNetwork));
    let mapped: IpAddr = "::ffff:203.0.113.7".parse().expect("an address");
    let four = signed("kid=main&exp=1900000000&net=203.0.113.0/24");
    assert!(open(SITE, &path(PATH), Some(&four), mapped, &keys(), Moment::from_seconds(NOW)).is_ok());
}

#[test]
fn a_proof_that_held_is_refused_with_its_reason() {
    let old = |query: &str| format!("{query}&sig={}", signature(&OLD, SITE, PATH, query));
    let prefix = signed_for("/members/set/", "kid=main&exp=1900000000&prefix=/members/set/");
    for (raw, query, refusal) in [
        (PATH, old("kid=old&exp=1900000000"), Refusal::KeyRetired),
        (PATH, old("kid=old&exp=1"), Refusal::KeyRetired),
        (PATH, signed("kid=main&exp=1800000000"), Refusal::Expired),
        (PATH, signed("kid=main&exp=1799999999"), Refusal::Expired),
        (PATH, signed("kid=main&exp=0"), Refusal::Expired),
        (PATH, signed("kid=main&exp=1900000000&nbf=1800000001"), Refusal::NotYetValid),
        (PATH, signed("kid=main&exp=1900000000&nbf=18446744073709551615"), Refusal::NotYetValid),
        (PATH, signed("kid=main&exp=1900000000&net=203.0.114.0/24"), Refusal::WrongNetwork),
        (PATH, signed("kid=main&exp=1900000000&net=203.0.113.8"), Refusal::WrongNetwork),
        (PATH, signed("kid=main&exp=1900000000&net=2001:db8::/32"), Refusal::WrongNetwork),
        ("/members/set2/a.zip", prefix.clone(), Refusal::WrongPath),
        ("/members/settings", prefix.clone(), Refusal::WrongPath),
        ("/members", prefix.clone(), Refusal::WrongPath),
        ("/", prefix.clone(), Refusal::WrongPath),
        ("/members/Set/a.zip", prefix.clone(), Refusal::WrongPath),
        // Not even the prefix of a retired key, an expired one, or another network is told to be wrong.
        ("/other", signed_for("/a", "kid=main&exp=1&prefix=/a"), Refusal::Expired),
        ("/other", signed_for("/a", "kid=main&exp=1900000000&prefix=/a&net=192.0.2.1"), Refusal::WrongNetwork),
    ] {
        assert_eq!(opened_at(raw, &query), Err(refusal), "{raw}?{query}");
    }
}

#[test]
fn a_stranger_learns_nothing_but_that_the_proof_is_bad() {
    let good = "kid=main&exp=1900000000";
    let by = |secret: &[u8], site: &str, path: &str| format!("{good}&sig={}", signature(secret, site, path, good));
    let table = [
        // Another key, site, path or label.
        by(&NEXT, SITE, PATH),
        by(&[0; 32], SITE, PATH),
        by(&MAIN, "shop.example.", PATH),
        by(&MAIN, "Shop.example", PATH),
        by(&MAIN, "", PATH),
        by(&MAIN, SITE, "/members/set/a b.zip"),
        by(&MAIN, SITE, "/members/set/a%20b.zi"),
        by(&MAIN, SITE, "/members/set/"),
        by(&MAIN, SITE, "/members//set/a%20b.zip"),
        // Keys.
        signed("kid=other&exp=1900000000"),
        signed("kid=next&exp=1900000000"),
        signed("kid=old&exp=1900000000"),
        signed("exp=1900000000"),
        signed("kid=&exp=1900000000"),
        signed("kid&exp=1900000000"),
        signed("kid=m%61in&exp=1900000000"),
        signed("KID=main&exp=1900000000"),
        signed("kid=Main&exp=1900000000"),
        signed("kid=main&kid=main&exp=1900000000"),
        signed("kid=main&exp=1900000000&k%69d=main"),
        signed("kid= main&exp=1900000000"),
        signed(&format!("kid={}&exp=1900000000", "a".repeat(33))),
        // Times.
        signed("kid=main"),
        signed("kid=main&EXP=1900000000"),
        signed("kid=main&exp="),
        signed("kid=main&exp"),
        signed("kid=main&exp=01900000000"),
        signed("kid=main&exp=+1900000000"),
        signed("kid=main&exp=-1"),
        signed("kid=main&exp=%31900000000"),
        signed("kid=main&exp=1.9e9"),
        signed("kid=main&exp=0x7fffffff"),
        signed("kid=main&exp=18446744073709551616"),
        signed("kid=main&exp=99999999999999999999999999"),
        signed("kid=main&exp=1900000000&exp=1900000000"),
        signed("kid=main&exp=1900000000&exp=1"),
        signed("kid=main&exp=1900000000&%65xp=1"),
        signed("kid=main&exp=1900000000&nbf="),
        signed("kid=main&exp=1900000000&nbf=01"),
        signed("kid=main&exp=1900000000&nbf=1&nbf=1"),
        // Networks.
        signed("kid=main&exp=1900000000&net="),
        signed("kid=main&exp=1900000000&net=all"),
        signed("kid=main&exp=1900000000&net=203.0.113.0/33"),
        signed("kid=main&exp=1900000000&net=203.0.113/24"),
        signed("kid=main&exp=1900000000&net=203.0.113.0/24,0.0.0.0/0"),
        signed("kid=main&exp=1900000000&net=203.0.113.0/24&net=0.0.0.0/0"),
        // Names and rates.
        signed("kid=main&exp=1900000000&name="),
        signed("kid=main&exp=1900000000&name=%ff"),
        signed("kid=main&exp=1900000000&name=%"),
        signed("kid=main&exp=1900000000&name=a&name=b"),
        signed("kid=main&exp=1900000000&rate=0"),
        signed("kid=main&exp=1900000000&rate="),
        signed("kid=main&exp=1900000000&rate=2MB"),
        signed("kid=main&exp=1900000000&rate=00"),
        signed("kid=main&exp=1900000000&rate=1&rate=2"),
        // Prefixes: odd ones, and ones that were signed as if they were not there.
        signed_for("", "kid=main&exp=1900000000&prefix="),
        signed_for("members", "kid=main&exp=1900000000&prefix=members"),
        signed_for("/members/..", "kid=main&exp=1900000000&prefix=/members/.."),
        signed_for("/members/%2e%2e", "kid=main&exp=1900000000&prefix=/members/%2e%2e"),
        signed_for("/members", "kid=main&exp=1900000000&prefix=/members&prefix=/members"),
        signed_for("/members", "kid=main&exp=1900000000&prefix=/members&prefix=/"),
        signed_for("/members", "kid=main&exp=1900000000&pre%66ix=/members"),
        signed("kid=main&exp=1900000000&prefix=/members"),
        signed_for("/members%2f", "kid=main&exp=1900000000&prefix=/members%252f"),
        signed_for("/members", "kid=main&exp=1900000000&prefix=/members%5c"),
        signed_for("/members", "kid=main&exp=1900000000"),
    ];
    assert!(table.len() >= 50);
    for query in table {
        assert_eq!(opened(&query), Err(Refusal::BadProof), "{query}");
    }
}

#[test]
fn nothing_stands_before_or_behind_the_signature_that_was_not_meant() {
    let good = "kid=main&exp=1900000000";
    let (text, tag) = (signed(good), signature(&MAIN, SITE, PATH, good));
    let table = [
        // What follows the signature.
        format!("{text}&exp=2000000000"),
        format!("{text}&kid=main"),
        format!("{text}&name=a"),
        format!("{text}&prefix=/"),
        format!("{text}&rate"),
        format!("{text}&utm=1&net=0.0.0.0/0"),
        format!("{text}&%6eame=a"),
        format!("{text}&sig={tag}"),
        format!("{text}&sig="),
        format!("{text}&s%69g=x"),
        // What stands before it.
        format!("x=1&{text}"),
        format!("&{text}"),
        format!("{good}&&sig={tag}"),
        format!("{good}&x=1&sig={tag}"),
        format!("exp=1900000000&kid=main&sig={tag}"),
        format!("{good}?sig=x&sig={tag}"),
        format!("sig={tag}&{good}"),
        format!("sig={tag}"),
        format!("&sig={tag}"),
        format!("sig=&{text}"),
        format!("sig&{text}"),
        // The signature itself.
        format!("{good}&sig={tag}="),
        format!("{good}&sig={tag}%3D"),
        format!("{good}&sig={tag}A"),
        format!("{good}&sig={}", &tag[..42]),
        format!("{good}&sig="),
        format!("{good}&sig"),
        format!("{good}&sig={}", "A".repeat(43)),
        format!("{good}&sig={}", "A".repeat(4000)),
        format!("{good}&sig={}", "=".repeat(43)),
        format!("{good}&sig={}é", &tag[..41]),
        format!("{good}&sig= {tag}"),
        format!("{good}&sig={}", tag.to_lowercase()),
        format!("{good}&sig=%{:02x}{}", tag.as_bytes()[0], &tag[1..]),
        // An old one does not tell that it is old where the signature fails.
        format!("kid=main&exp=1&sig={tag}"),
        // Length.
        signed(&format!("{good}&x={}", "a".repeat(QUERY_BYTES_MAX))),
    ];
    assert!(table.len() >= 30);
    for query in table {
        assert_eq!(opened(&query), Err(Refusal::BadProof), "{query}");
    }
    // The last character of 32 bytes has two bits to spare: only one of its four spellings is read.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let readable = alphabet.chars().filter(|last| opened(&format!("{good}&sig={}{last}", &tag[..42])).is_ok()).count();
    assert_eq!(readable, 1);
}

#[test]
fn without_a_signature_there_is_no_proof() {
    for query in
        [None, Some(""), Some("a=1"), Some("kid=main&exp=1900000000"), Some("Sig=x"), Some("signature=x"), Some("x=sig=y"), Some("&&")]
    {
        let opened = open(SITE, &path(PATH), query, CLIENT.parse().expect("an address"), &keys(), Moment::from_seconds(NOW));
        assert_eq!(opened, Err(Refusal::NoProof), "{query:?}");
    }
    assert_eq!(
        open(SITE, &path(PATH), Some(&signed("kid=main&exp=1900000000")), CLIENT.parse().unwrap(), &KeyRing::default(), Moment::EPOCH),
        Err(Refusal::BadProof)
    );
}

#[test]
fn one_changed_byte_anywhere_opens_nothing() {
    let query = signed_for("/members/set", "kid=main&exp=1900000000&nbf=5&net=203.0.113.7&prefix=/members/set&name=a+b&rate=9&x=y");
    assert!(opened(&query).is_ok());
    let mut tried = 0;
    for at in 0..query.len() {
        for byte in (0x20..0x7f_u8).filter(|byte| query.as_bytes()[at] != *byte) {
            let mut changed = query.clone().into_bytes();
            changed[at] = byte;
            let changed = String::from_utf8(changed).expect("ASCII");
            let refusal = opened(&changed).expect_err(&changed);
            assert!(matches!(refusal, Refusal::BadProof | Refusal::NoProof), "{changed}: {refusal}");
            tried += 1;
        }
        let mut shorter = query.clone();
        shorter.remove(at);
        assert!(opened(&shorter).is_err(), "{shorter}");
    }
    assert!(tried > 10_000);
}

#[test]
fn the_text_of_one_url_is_that_of_no_other() {
    // A token for `/b/f9` at one time must not open `/b/f` at nine times that: the fields are delimited.
    for (signed_path, signed_query, raw, query) in [
        ("/b/f9", "kid=main&exp=1900000000", "/b/f", "9kid=main&exp=1900000000"),
        ("/b/f", "kid=main&exp=1900000000", "/b/f%3Fkid=main&exp=1900000000", ""),
        ("/b", "kid=main&exp=190000000", "/b", "kid=main&exp=1900000000"),
        ("/b", "x=/c?kid=main&exp=1900000000", "/b%3Fx=/c", "kid=main&exp=1900000000"),
    ] {
        let tag = signature(&MAIN, SITE, signed_path, signed_query);
        assert_eq!(opened_at(raw, &format!("{query}&sig={tag}")), Err(Refusal::BadProof), "{raw}?{query}");
    }
}

#[test]
fn the_trace_tells_each_step_in_order_and_where_it_ends() {
    let traced = |raw: &str, query: &str| {
        let mut steps = Vec::new();
        let result = open_traced(
            SITE,
            &path(raw),
            Some(query),
            CLIENT.parse().expect("an address"),
            &keys(),
            Moment::from_seconds(NOW),
            &mut |step| {
                steps.push(match step {
                    Step::KeyNamed(id) => format!("named {id}"),
                    Step::KeyKnown(purpose) => format!("known {purpose:?}"),
                    Step::Text(text) => format!("text {text}"),
                    Step::MacHeld => "mac".to_owned(),
                    Step::InTime { expires, .. } => format!("time {expires}"),
                    Step::InNetwork(network) => format!("network {network:?}"),
                    Step::PathOpened => "path".to_owned(),
                    Step::Failed(fault) => format!("failed: {fault}"),
                });
            },
        );
        assert_eq!(result, open(SITE, &path(raw), Some(query), CLIENT.parse().unwrap(), &keys(), Moment::from_seconds(NOW)));
        steps
    };
    let whole = traced(PATH, &signed("kid=main&exp=1900000000"));
    assert_eq!(
        whole,
        [
            "named main",
            "known Sign",
            "text cloakroom-1\nshop.example\n/members/set/a%20b.zip?kid=main&exp=1900000000",
            "mac",
            "time 2030-03-17T17:46:40Z",
            "network None",
            "path"
        ]
    );
    for (raw, query, last, steps) in [
        (PATH, "a=1".to_owned(), "failed: the query has no `sig`", 1),
        (PATH, "kid=x&exp=1&sig=".to_owned(), "failed: no key has the id that `kid` names", 2),
        (PATH, signed("kid=next&exp=1"), "failed: the signature is not that of this site, path and query under this key", 4),
        (PATH, signed("kid=main&exp=0x"), "failed: the value of `exp` cannot be read", 5),
        (PATH, signed("kid=main&exp=1"), "failed: it expired at 1970-01-01T00:00:01Z", 5),
        (PATH, signed("kid=main&exp=1900000000&net=192.0.2.0/24"), "failed: the client is not in 192.0.2.0/24", 6),
        ("/c", signed_for("/b", "kid=main&exp=1900000000&prefix=/b"), "failed: the path does not lie under `prefix`", 7),
    ] {
        let told = traced(raw, &query);
        assert_eq!((told.last().map(String::as_str), told.len()), (Some(last), steps), "{query}: {told:?}");
    }
}

#[test]
fn one_changed_character_of_a_token_opens_nothing() {
    let (link, delivery) = (LinkId::new([9; 12]), DeliveryId::new([9; 12]));
    let tokens = [mint_link(SITE, link, &main_key()), mint_delivery(SITE, delivery, &main_key())];
    assert_eq!(open_link(SITE, &tokens[0], &keys()), Ok(link));
    assert_eq!(open_delivery(SITE, &tokens[1], &keys()), Ok(delivery));
    let mut tried = 0;
    for token in &tokens {
        for at in 0..token.len() {
            for byte in (0..0x80_u8).filter(|byte| token.as_bytes()[at] != *byte) {
                let mut changed = token.clone().into_bytes();
                changed[at] = byte;
                let changed = String::from_utf8(changed).expect("ASCII");
                assert_eq!(open_link(SITE, &changed, &keys()), Err(Refusal::BadProof), "{changed}");
                assert_eq!(open_delivery(SITE, &changed, &keys()), Err(Refusal::BadProof), "{changed}");
                tried += 1;
            }
        }
        for odd in [
            format!("{token}="),
            format!(" {token}"),
            format!("{token}\n"),
            format!("{token}{token}"),
            token[1..].to_owned(),
            String::new(),
        ] {
            assert_eq!(open_link(SITE, &odd, &keys()), Err(Refusal::BadProof), "{odd:?}");
        }
    }
    assert!(tried > 10_000);
}

fn some_path() -> impl Strategy<Value = CanonicalPath> {
    proptest::collection::vec("[a-z0-9 äß%?#&+;=._-]{1,8}", 1..5)
        .prop_filter_map("dot segments", |segments| CanonicalPath::of_decoded(&format!("/{}", segments.join("/"))).ok())
}

fn some_terms() -> impl Strategy<Value = (Terms, CanonicalPath)> {
    let window = (NOW + 1..NOW * 2, proptest::option::of(0..=NOW));
    let rest = (any::<bool>(), proptest::option::of(any::<String>()), proptest::option::of(1..u64::MAX));
    (window, 0_u8..=32, any::<bool>(), rest, some_path(), 0_usize..4).prop_map(
        |((expires, not_before), bits, limited, (under, name, rate), path, depth)| {
            let network = limited.then(|| format!("{CLIENT}/{bits}").parse().expect("a network"));
            let prefix: String = path.decoded().split('/').take(depth + 1).collect::<Vec<_>>().join("/");
            let prefix = under.then(|| CanonicalPath::of_decoded(&format!("/{prefix}")).expect("a path"));
            let terms = Terms {
                expires: Moment::from_seconds(expires),
                not_before: not_before.map(Moment::from_seconds),
                network,
                prefix,
                name,
                rate: rate.and_then(NonZeroU64::new).map(Rate),
            };
            (terms, path)
        },
    )
}

proptest! {
    #[test]
    fn what_is_signed_opens((terms, path) in some_terms()) {
        let url = sign(SITE, &path, &terms, &main_key());
        let (read, query) = read_target(&url).expect("a target");
        prop_assert_eq!(&read, &path);
        let claim = open(SITE, &read, query, CLIENT.parse().unwrap(), &keys(), Moment::from_seconds(NOW));
        let claim = claim.map_err(|refusal| TestCaseError::fail(format!("{url}: {refusal}")))?;
        prop_assert_eq!(claim.expires(), terms.expires);
        prop_assert_eq!(claim.rate(), terms.rate);
        prop_assert_eq!(claim.name().unwrap_or_default(), terms.name.unwrap_or_default());
        prop_assert_eq!(claim.passed_on(), "");
        // And not a moment longer.
        let late = open(SITE, &read, query, CLIENT.parse().unwrap(), &keys(), terms.expires);
        prop_assert_eq!(late, Err(Refusal::Expired));
        let elsewhere = open("other.example", &read, query, CLIENT.parse().unwrap(), &keys(), Moment::from_seconds(NOW));
        prop_assert_eq!(elsewhere, Err(Refusal::BadProof));
    }

    #[test]
    fn a_long_name_is_signed_cut((terms, path) in some_terms(), name in "\\PC{200,400}") {
        let url = sign(SITE, &path, &Terms { name: Some(name.clone()), ..terms }, &main_key());
        let (read, query) = read_target(&url).expect("a target");
        let claim = open(SITE, &read, query, CLIENT.parse().unwrap(), &keys(), Moment::from_seconds(NOW)).expect("a claim");
        prop_assert!(name.starts_with(claim.name().expect("a name")));
    }

    #[test]
    fn no_input_panics(query in any::<String>(), pieces in "(kid|exp|nbf|net|prefix|name|rate|sig|x)?=?(main|old|/|[0-9]{0,20}|\\PC{0,9})(&(kid|exp|sig)=main){0,3}") {
        prop_assert!(opened(&query).is_err());
        prop_assert!(opened(&pieces).is_err());
        // Even where the signature holds.
        let _ = opened(&signed(&pieces));
        let _ = opened(&signed(&format!("kid=main&exp=1900000000&{query}&{pieces}")));
        prop_assert!(open_link(SITE, &query, &keys()).is_err());
        prop_assert!(open_delivery(SITE, &pieces, &keys()).is_err());
    }

    #[test]
    fn tokens_open_as_what_they_were_minted(bits in any::<[u8; 12]>(), site in "[a-z.]{0,20}") {
        let (link, delivery) = (mint_link(&site, LinkId::new(bits), &main_key()), mint_delivery(&site, DeliveryId::new(bits), &main_key()));
        prop_assert_eq!(open_link(&site, &link, &keys()), Ok(LinkId::new(bits)));
        prop_assert_eq!(open_delivery(&site, &delivery, &keys()), Ok(DeliveryId::new(bits)));
        prop_assert_eq!(open_delivery(&site, &link, &keys()), Err(Refusal::BadProof));
        prop_assert_eq!(open_link("other.example", &link, &keys()), Err(Refusal::BadProof));
    }
}
