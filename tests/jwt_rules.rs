//! JWTs without any server: times to the second, published vectors, and what holds of every text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

#[path = "jwt/signers.rs"]
mod signers;

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cloakroom::domain::moment::{Moment, Span};
use cloakroom::domain::path::CanonicalPath;
use cloakroom::domain::refusal::Refusal;
use cloakroom::proof::jwt::{Claim, Fault, Step, Wanted, open, open_traced};
use cloakroom::proof::key::{KeyRing, Purpose, SigningKey};
use cloakroom::proof::public_key::PublicKey;
use proptest::prelude::*;
use serde_json::{Value, json};
use signers::{Keys, SECRET, Signer};

const SITE: &str = "shop.example";
const NOW: u64 = 1_800_000_000;

fn ring(keys: &Keys) -> KeyRing {
    let public = ["ed", "ec", "rsa"].map(|id| {
        let pem = String::from_utf8(keys.public_pem(id)).unwrap();
        (PublicKey::from_pem(id, &pem).unwrap(), Purpose::Accept)
    });
    KeyRing::new([(SigningKey::new("shop", &SECRET).unwrap(), Purpose::Sign)]).with_public(public)
}

fn secret() -> KeyRing {
    KeyRing::new([(SigningKey::new("shop", &SECRET).unwrap(), Purpose::Sign)])
}

fn opened_at(token: &str, ring: &KeyRing, now: Moment) -> Result<Claim, Refusal> {
    let path = CanonicalPath::parse("/members/a%20b.zip").unwrap();
    let client = IpAddr::from([203, 0, 113, 7]);
    open(token, &Wanted { site: SITE, path: &path, file: None, client, life_max: Span::from_days(366) }, ring, now)
}

fn opened(token: &str, ring: &KeyRing) -> Result<Claim, Refusal> {
    opened_at(token, ring, Moment::from_seconds(NOW))
}

/// The last step, which says why.
fn fault(token: &str, ring: &KeyRing) -> Option<Fault> {
    let path = CanonicalPath::parse("/members/a%20b.zip").unwrap();
    let wanted = Wanted { site: SITE, path: &path, file: None, client: IpAddr::from([203, 0, 113, 7]), life_max: Span::from_days(366) };
    let mut last = None;
    let _ = open_traced(token, &wanted, ring, Moment::from_seconds(NOW), &mut |step| {
        if let Step::Failed(fault) = step {
            last = Some(fault);
        }
    });
    last
}

fn minted(claims: &Value) -> String {
    let whole = json!({ "aud": SITE, "exp": NOW + 600, "path": "/members/a b.zip" });
    let mut whole = whole.as_object().unwrap().clone();
    whole.extend(claims.as_object().unwrap().clone());
    Signer::Hs256(SECRET.to_vec()).token(r#"{"alg":"HS256"}"#, &Value::from(whole).to_string())
}

#[test]
fn what_was_claimed_is_what_is_known() {
    let token = minted(&json!({
        "sub": "alice", "jti": "order-7", "name": "Ä.zip", "rate": 5000.0, "net": "203.0.113.200/24", "iat": NOW - 5, "nbf": NOW - 5,
    }));
    let claim = opened(&token, &secret()).unwrap();
    assert_eq!((claim.key(), claim.user(), claim.id(), claim.name()), ("shop", Some("alice"), Some("order-7"), Some("Ä.zip")));
    assert_eq!((claim.rate().map(|rate| rate.0.get()), claim.max()), (Some(5000), None));
    assert_eq!((claim.expires().seconds(), claim.network().unwrap().to_string().as_str()), (NOW + 600, "203.0.113.200/24"));
    let bare = opened(&minted(&json!({})), &secret()).unwrap();
    assert_eq!((bare.user(), bare.id(), bare.name(), bare.rate(), bare.network()), (None, None, None, None, None));
}

#[test]
fn the_clocks_of_signer_and_site_may_differ_by_thirty_seconds() {
    let days = |days: u64| days * 86_400;
    for (claims, later_millis, wanted) in [
        (json!({ "exp": NOW }), 29_999, Ok(())),
        (json!({ "exp": NOW }), 30_000, Err(Refusal::Expired)),
        (json!({ "exp": 1_800_000_000.5 }), 30_499, Ok(())),
        (json!({ "exp": 1_800_000_000.5 }), 30_500, Err(Refusal::Expired)),
        (json!({ "nbf": NOW + 30 }), 0, Ok(())),
        (json!({ "nbf": NOW + 31 }), 0, Err(Refusal::NotYetValid)),
        (json!({ "nbf": NOW + 31 }), 1000, Ok(())),
        (json!({ "iat": NOW + 30 }), 0, Ok(())),
        (json!({ "iat": NOW + 31 }), 0, Err(Refusal::NotYetValid)),
        (json!({ "exp": NOW + days(366) + 30 }), 0, Ok(())),
        (json!({ "exp": NOW + days(366) + 31 }), 0, Err(Refusal::BadProof)),
        (json!({ "exp": NOW + days(366) + 31 }), 1000, Ok(())),
        // The life of a token is counted from its beginning, if it says when that was.
        (json!({ "exp": NOW + days(366) + 31, "iat": NOW }), 1000, Err(Refusal::BadProof)),
        (json!({ "exp": NOW + days(1), "iat": NOW - days(365) }), 0, Ok(())),
        (json!({ "exp": NOW + days(1), "iat": NOW - days(366) }), 0, Err(Refusal::BadProof)),
        (json!({ "exp": NOW + 5, "iat": 0 }), 0, Err(Refusal::BadProof)),
    ] {
        let seen = opened_at(&minted(&claims), &secret(), Moment::from_millis(NOW * 1000 + later_millis));
        assert_eq!(seen.map(|_| ()), wanted, "{claims} {later_millis}");
    }
}

#[test]
fn a_life_that_is_too_long_is_told_with_the_longest() {
    for (life_max, told) in [
        (Span::from_hours(12), "longer than 12h,"),
        (Span::from_days(366), "longer than 366d,"),
        (Span::from_seconds(5400), "longer than 1h30m,"),
    ] {
        let words = Fault::LivesTooLong(life_max).to_string();
        assert!(words.contains(told), "{words}");
    }
}

/// RFC 7515 A.1 and A.3, RFC 8037 A.4: their signatures hold, and only after that their claims are found wanting.
#[test]
fn published_signatures_hold() {
    const OF_JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let secret = URL_SAFE_NO_PAD.decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow").unwrap();
    let der = |prefix: &[u8], parts: &[&str]| {
        let mut der = prefix.to_vec();
        for part in parts {
            der.extend(URL_SAFE_NO_PAD.decode(part).unwrap());
        }
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    };
    let p256 = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
        0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    let ec = der(&p256, &["f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"]);
    let ed =
        der(&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00], &["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"]);
    let public = |id: &str, pem: &str| (PublicKey::from_pem(id, pem).unwrap(), Purpose::Accept);
    let ring =
        KeyRing::new([(SigningKey::new("joe", &secret).unwrap(), Purpose::Sign)]).with_public([public("ec", &ec), public("ed", &ed)]);
    for (token, after) in [
        (format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{OF_JOE}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), Fault::Missing("aud")),
        (
            format!("eyJhbGciOiJFUzI1NiJ9.{OF_JOE}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"),
            Fault::Missing("aud"),
        ),
        (
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
             hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
                .to_owned(),
            Fault::NotAnObject(cloakroom::proof::jwt::Part::Claims),
        ),
    ] {
        assert_eq!(fault(&token, &ring), Some(after), "{token}");
    }
}

#[test]
fn a_token_of_which_one_bit_is_another_opens_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let keys = Keys::make(directory.path());
    let ring = ring(&keys);
    for (id, algorithm, _) in &keys.all {
        let good = keys.token(id, &json!({ "aud": SITE, "exp": NOW + 600, "path": "/members/a b.zip" }));
        assert!(opened(&good, &ring).is_ok(), "{algorithm}");
        let mut tried = 0;
        for at in 0..good.len() {
            // One bit of each character for the slow ones, all of them for the fast ones.
            let bits = if *algorithm == "HS256" { 0..8 } else { at % 8..at % 8 + 1 };
            for bit in bits {
                let mut bytes = good.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(text) = String::from_utf8(bytes) else { continue };
                assert_eq!(opened(&text, &ring).map(|_| ()), Err(Refusal::BadProof), "{algorithm} {at} {bit}: {text}");
                tried += 1;
            }
            let without = format!("{}{}", &good[..at], &good[at + 1..]);
            assert!(opened(&without, &ring).is_err(), "{algorithm} without {at}");
        }
        assert!(tried > 150, "{tried}");
    }
}

#[test]
fn a_key_signs_for_its_own_algorithm_and_its_own_id() {
    let directory = tempfile::tempdir().unwrap();
    let keys = Keys::make(directory.path());
    let ring = ring(&keys);
    let claims = json!({ "aud": SITE, "exp": NOW + 600, "path": "/members/a b.zip" }).to_string();
    let mut opens = 0;
    for (_, _, signer) in &keys.all {
        for (id, _, _) in &keys.all {
            for (_, algorithm, _) in &keys.all {
                let token = signer.token(&json!({ "alg": algorithm, "kid": id }).to_string(), &claims);
                match opened(&token, &ring) {
                    Ok(claim) => opens += usize::from(claim.key() == *id),
                    Err(refusal) => assert_eq!(refusal, Refusal::BadProof),
                }
            }
        }
    }
    assert_eq!(opens, 4, "each key opens with its own id and algorithm, and in no other of 64 ways");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_that_nobody_signed_opens(token in "\\PC{0,80}|[A-Za-z0-9_-]{0,60}(\\.[A-Za-z0-9_-]{0,60}){1,4}") {
        prop_assert_eq!(opened(&token, &secret()).map(|_| ()), Err(Refusal::BadProof));
    }

    #[test]
    fn no_claims_however_odd_do_harm(claims in "\\PC{0,200}|[{}\\[\\],:\"a-z0-9.e-]{0,200}") {
        let token = Signer::Hs256(SECRET.to_vec()).token(r#"{"alg":"HS256"}"#, &claims);
        prop_assert_eq!(opened(&token, &secret()).map(|_| ()), Err(Refusal::BadProof));
    }

    #[test]
    fn no_pem_however_odd_does_harm(pem in "\\PC{0,200}", der in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(PublicKey::from_pem("shop", &pem).is_err());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
        prop_assert!(PublicKey::from_pem("shop", &pem).is_err());
    }
}
