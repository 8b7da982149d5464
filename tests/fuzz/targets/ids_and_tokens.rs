//! Any text as an id, a request id, a support code or a name: what is read is written as it was read.
#![no_main]

use cloakroom::domain::file::StorageName;
use cloakroom::domain::id::{DeliveryId, GrantId, LinkId, RequestId};
use cloakroom::domain::support::SupportCode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(id) = text.parse::<GrantId>() {
        assert_eq!(id.to_string(), text);
        assert_eq!(GrantId::new(*id.bits()), id);
    }
    if let Ok(id) = text.parse::<LinkId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(id) = text.parse::<DeliveryId>() {
        assert_eq!(id.to_string(), text);
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
