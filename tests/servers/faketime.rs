//! The daemon's clock, set to another time than the machine's.

use std::fs;

use super::cloakroom::Cloakroom;

/// Debian's libfaketime, wherever this machine keeps it.
fn libfaketime() -> String {
    let found = fs::read_dir("/usr/lib").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path().join("faketime/libfaketimeMT.so.1");
        path.exists().then(|| path.to_str().unwrap().to_owned())
    });
    found.into_iter().next().expect("faketime is installed (tests/run does it)")
}

/// Sets the daemon's clock to so many seconds from the real time, and starts it anew after a crash.
#[track_caller]
pub fn set(cloakroom: &mut Cloakroom, offset: i64) {
    cloakroom.kill();
    let file = cloakroom.state().join("offset");
    fs::write(&file, format!("{offset:+}\n")).unwrap();
    cloakroom.environment = vec![
        ("LD_PRELOAD", libfaketime()),
        ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap().to_owned()),
        // What is written there without a sign is a time of this zone, at which the clock then stands still.
        ("TZ", "UTC".to_owned()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    cloakroom.start();
}
