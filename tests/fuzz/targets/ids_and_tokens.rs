//! Any text as an id, a token, a request id, a support code or a name: what is read is written as it was read, and no
//! text opens anything that was not minted.
#![no_main]

use std::sync::LazyLock;

use cloakroom::domain::file::StorageName;
use cloakroom::domain::id::{DeliveryId, GrantId, LinkId, RequestId};
use cloakroom::domain::support::SupportCode;
use cloakroom::proof::key::{KeyRing, Purpose, SigningKey};
use cloakroom::proof::token;
use libfuzzer_sys::fuzz_target;

const SITE: &str = "shop.example";

static KEYS: LazyLock<KeyRing> = LazyLock::new(|| {
    let key = |id, byte| SigningKey::new(id, &[byte; 32]).expect("a key");
    KeyRing::new([(key("main", 1), Purpose::Sign), (key("old", 2), Purpose::Accept), (key("gone", 3), Purpose::Retired)])
});

fuzz_target!(|text: &str| {
    if let Ok(id) = text.parse::<GrantId>() {
        assert_eq!(id.to_string(), text);
        assert_eq!(GrantId::new(*id.bits()), id);
    }
    if let Ok(id) = text.parse::<LinkId>() {
        assert_eq!(id.to_string(), text);
        minted_link(id);
    }
    if let Ok(id) = text.parse::<DeliveryId>() {
        assert_eq!(id.to_string(), text);
        minted_delivery(id);
    }
    // The fuzzer cannot find a MAC of 128 bits; what opens was minted, and has one spelling.
    if let Ok(id) = token::open_link(SITE, text, &KEYS) {
        assert_eq!(token::mint_link(SITE, id, KEYS.signing().expect("a key")), text);
    }
    if let Ok(id) = token::open_delivery(SITE, text, &KEYS) {
        assert_eq!(token::mint_delivery(SITE, id, KEYS.signing().expect("a key")), text);
    }
    if let Some(id) = RequestId::parse(text) {
        assert_eq!(id.as_str(), text);
        let code = SupportCode::of(&id);
        assert_eq!(code.to_string().parse(), Ok(code));
    }
    if let Ok(code) = text.parse::<SupportCode>() {
        assert_eq!(code.to_string().parse(), Ok(code));
    }
    if let Some(name) = StorageName::parse(text) {
        assert_eq!(name.as_str(), text);
    }
});

fn minted_link(id: LinkId) {
    let minted = token::mint_link(SITE, id, KEYS.signing().expect("a key"));
    assert_eq!(token::open_link(SITE, &minted, &KEYS), Ok(id));
    assert!(token::open_delivery(SITE, &minted, &KEYS).is_err(), "one kind is not the other");
    assert!(token::open_link("other.example", &minted, &KEYS).is_err(), "one site is not the other");
}

fn minted_delivery(id: DeliveryId) {
    let minted = token::mint_delivery(SITE, id, KEYS.signing().expect("a key"));
    assert_eq!(token::open_delivery(SITE, &minted, &KEYS), Ok(id));
    assert!(token::open_link(SITE, &minted, &KEYS).is_err(), "one kind is not the other");
}
