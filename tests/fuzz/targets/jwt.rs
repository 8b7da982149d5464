//! Any token, any header, any claims, any public key: nothing that was not signed opens, nothing is looked at before the
//! signature held, and what opens stops to open when one letter of it is another.
//!
//! The input is tried as a token; then, split at its first line break, as a header and claims that are well signed: so the
//! fuzzer gets past the signature and plays with both.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cloakroom::domain::file::{FileRef, StorageName};
use cloakroom::domain::moment::{Moment, Span};
use cloakroom::domain::path::{CanonicalPath, FilePath};
use cloakroom::domain::refusal::Refusal;
use cloakroom::proof::jwt::{Step, Wanted, brought, open, open_traced};
use cloakroom::proof::key::{KeyRing, Purpose, SigningKey};
use cloakroom::proof::public_key::PublicKey;
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
const NOW: Moment = Moment::from_seconds(1_800_000_000);
const SECRET: [u8; 32] = [1; 32];

/// RFC 8037, appendix A.2: nobody here can sign with it.
const ED25519: &str =
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

static KEYS: LazyLock<KeyRing> = LazyLock::new(|| {
    let key = |id, byte| SigningKey::new(id, &[byte; 32]).expect("a key");
    let public = PublicKey::from_pem("shop", ED25519).expect("a public key");
    KeyRing::new([(key("main", 1), Purpose::Sign), (key("gone", 3), Purpose::Retired)]).with_public([(public, Purpose::Accept)])
});

static PATH: LazyLock<CanonicalPath> = LazyLock::new(|| CanonicalPath::parse("/dl/f/masters/a.zip").expect("a path"));
static FILE: LazyLock<FileRef> =
    LazyLock::new(|| FileRef { storage: StorageName::parse("masters").expect("a name"), path: FilePath::parse("a.zip").expect("a path") });

fn wanted(file: Option<&'static FileRef>) -> Wanted<'static> {
    Wanted { site: "shop.example", path: &PATH, file, client: CLIENT, life_max: Span::from_days(366) }
}

fuzz_target!(|input: &str| {
    tried(input);
    if let Ok((token, _)) = brought(Some(input), None, [input]) {
        tried(token);
    }
    let (header, claims) = input.split_once('\n').unwrap_or((r#"{"alg":"HS256","kid":"main"}"#, input));
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mac = Hmac::<Sha256>::new_from_slice(&SECRET).expect("a key").chain_update(&signed).finalize().into_bytes();
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac));
    if tried(&token) {
        // Another last letter, of the same bits or of others, is another token.
        let (most, last) = token.split_at(token.len() - 1);
        for letter in ["A", "E", "I", "g", "w", "_"].into_iter().filter(|letter| *letter != last) {
            assert!(!tried(&format!("{most}{letter}")), "{most}{letter}");
        }
        assert!(!tried(&format!("{token}=")) && !tried(&format!("{token}.")) && !tried(most));
    }
    let _ = PublicKey::from_pem("shop", input);
    let der = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", STANDARD.encode(input));
    let _ = PublicKey::from_pem("shop", &der);
});

/// Whether a token opens the file, after all that must hold of any token was looked at.
fn tried(token: &str) -> bool {
    let mut opens = false;
    for file in [None, Some(&*FILE)] {
        let mut held = false;
        let mut claims_before = false;
        let opened = open_traced(token, &wanted(file), &KEYS, NOW, &mut |step| match step {
            Step::MacHeld => held = true,
            Step::ForThisSite | Step::InTime { .. } | Step::InNetwork(_) | Step::PathOpened => claims_before |= !held,
            Step::Key { .. } | Step::Failed(_) => {}
        });
        assert!(!claims_before, "no claim is looked at before the signature held");
        assert!(held || matches!(opened, Err(Refusal::BadProof)), "a stranger learns no more: {opened:?}");
        if let Ok(claim) = &opened {
            assert!(claim.max().is_none() || (file.is_some() && claim.id().is_some()), "what is counted has a name and a file");
            assert!(claim.expires() > Moment::from_seconds(1_799_999_000));
        }
        assert_eq!(open(token, &wanted(file), &KEYS, NOW), opened, "told or not, the answer is the same");
        opens |= opened.is_ok();
    }
    opens
}
