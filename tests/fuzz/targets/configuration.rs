//! Any text as a configuration: used as a whole, or refused with every fault in its place.
#![no_main]

use cloakroom::config::{Address, Purpose, Serve, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match parse(text, "cloakroom.toml") {
        Ok(used) => {
            assert!(used.listeners.iter().any(|listener| matches!(listener.serve, Serve::Web(_))), "somebody can ask");
            assert!(used.policy("default").is_some());
            assert!(used.keys.is_empty() || used.keys.iter().any(|key| key.purpose == Purpose::Sign), "links can be signed");
            assert!(used.rules.is_sorted_by_key(|rule| std::cmp::Reverse(rule.path.decoded().trim_end_matches('/').len())));
            assert!(used.public_url.path.starts_with('/') && used.public_url.path.ends_with('/'));
            for (place, storage) in used.storages.iter().enumerate() {
                assert!(used.storages.iter().skip(place + 1).all(|other| other.name != storage.name), "a name names one storage");
                assert!(storage.handoff.iter().all(|prefix| prefix.starts_with('/') && prefix.ends_with('/')));
            }
            for listener in &used.listeners {
                if let Address::Unix { path, mode, .. } = &listener.address {
                    assert!(path.is_absolute() && *mode <= 0o777);
                }
            }
        }
        Err(errors) => {
            let lines = text.split('\n').count();
            assert!(!errors.faults().is_empty());
            for fault in errors.faults() {
                assert!(fault.line.is_none_or(|line| (1..=lines).contains(&line)), "{fault}");
                assert!(!fault.message.is_empty());
                assert!(fault.to_string().starts_with("cloakroom.toml"));
            }
        }
    }
});
