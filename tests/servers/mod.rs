//! Real servers for end-to-end tests: on loopback, in directories of their own, ended with the test.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::format_push_string, missing_docs)]

pub mod apache;
pub mod cloakroom;
pub mod compiled;
pub mod desk;
pub mod faketime;
pub mod home;
pub mod http;
pub mod nginx;
pub mod program;
pub mod secrecy;
pub mod site;
pub mod web;

use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// How many looks a condition gets: 20 seconds, many times what a busy machine needs.
const LOOKS: usize = 2000;

/// Waits until `condition` gives something; fails the test when it does not.
#[track_caller]
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(found) = condition() {
            return found;
        }
        thread::park_timeout(LOOK);
    }
    panic!("{what}: not within {:?}", LOOK * u32::try_from(LOOKS).unwrap());
}

/// What lies in a public directory, but for what is half made: none where there is no such directory.
pub fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".cloakroom");
    names.sort_unstable();
    names
}

/// A port of loopback on which nobody listens now.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// The first of the ports that Linux gives to whoever connects and asks for none, where nothing else is said.
const EPHEMERAL: u16 = 32_768;

/// A port of loopback on which nobody listens now, and that nobody gets who connects meanwhile: for those who listen on it
/// later.
pub fn quiet_port() -> u16 {
    const FIRST: u16 = 10_240;
    until("a free port", || {
        let random = u16::try_from(RandomState::new().build_hasher().finish() % u64::from(EPHEMERAL - FIRST)).unwrap();
        TcpListener::bind(("127.0.0.1", FIRST + random)).ok().map(|_| FIRST + random)
    })
}
