//! The clock is set, forward and back, while stubs are there.

use std::fs;

use crate::pub_directory::{agree, click, master, name, site};
use crate::servers::faketime::set;
use crate::servers::site::Site;

const HOUR: i64 = 3600;
const TEN_YEARS: i64 = 3650 * 24 * HOUR;

/// What the daemon waits for by the system's clock, in seconds from now: what follows that clock when it is set.
fn alarms(site: &Site) -> Vec<u64> {
    let files = fs::read_dir(format!("/proc/{}/fdinfo", site.cloakroom.pid())).unwrap();
    let set = files.filter_map(|file| {
        let text = fs::read_to_string(file.ok()?.path()).ok()?;
        let is_of_day = text.contains("clockid: 0\n") && text.contains("settime flags: 01\n");
        let rest = text.lines().find_map(|line| line.strip_prefix("it_value: ("))?.split(',').next()?.parse().ok()?;
        is_of_day.then_some(rest)
    });
    set.collect()
}

#[test]
fn the_sweep_sleeps_by_the_time_of_day_and_not_by_the_time_that_passes() {
    let site = site("resume_grace = \"2h\"");
    assert_eq!(alarms(&site), Vec::<u64>::new(), "no wake-up without work");
    let to = click(&site, &master(&site, "a.zip", 1000), "one");
    assert_eq!(site.get(&to).status, 200);
    crate::servers::until("it sleeps until the grace is over", || {
        (alarms(&site).iter().any(|rest| (7100..=7200).contains(rest))).then_some(())
    });
}

#[test]
fn a_clock_set_back_keeps_what_is_there_and_one_set_forward_ends_it_once() {
    let mut site = site("resume_grace = \"2h\"\nlink_ttl = \"10000d\"\nvalid_for = \"unlimited\"");
    let url = master(&site, "a.zip", 1000);
    let to = click(&site, &url, "one");
    for offset in [-HOUR, HOUR, -TEN_YEARS, 0] {
        set(&mut site.cloakroom, offset);
        assert_eq!(agree(&site), [name(&to)], "{offset}");
        assert_eq!(site.get(&to).status, 200, "{offset}");
    }
    set(&mut site.cloakroom, TEN_YEARS);
    let gone = || agree(&site).is_empty().then_some(());
    crate::servers::until("its grace is over", gone);
    assert_eq!(site.get(&to).status, 404);
    for offset in [0, -HOUR] {
        set(&mut site.cloakroom, offset);
        assert!(agree(&site).is_empty(), "what has ended stays ended");
        let made = site.cloakroom.json(&["grant", "add", "--file", "masters/a.zip", "--max", "1"]);
        let new = click(&site, &site.target(made["url"].as_str().unwrap()), "one");
        assert_ne!(new, to);
        assert_eq!(site.get(&new).status, 200);
        assert_eq!(agree(&site), [name(&new)]);
        site.cloakroom.say(&["grant", "revoke", made["grant"]["id"].as_str().unwrap()]);
        crate::servers::until("it is gone", || agree(&site).is_empty().then_some(()));
    }
}
