//! Where the system tells nothing, or not all, of what happens, the daemon looks for itself.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::pub_directory::{agree, click, master, name, site};
use crate::servers::site::Site;

/// Starts the daemon in a namespace of its own where `limit` is 0.
#[track_caller]
fn without(site: &mut Site, script: &'static str) {
    assert!(site.cloakroom.stop());
    site.cloakroom.inside = Some((vec!["unshare", "--user", "--map-root-user"], script));
    site.cloakroom.start();
}

#[test]
fn without_instances_or_watches_of_inotify_it_says_so_once_and_looks_at_everything_in_turn() {
    for script in [
        "echo 0 >/proc/sys/user/max_inotify_instances && exec \"$0\" \"$@\"",
        "echo 0 >/proc/sys/user/max_inotify_watches && exec \"$0\" \"$@\"",
    ] {
        let mut site = site("");
        without(&mut site, script);
        site.cloakroom.logged(&["watch_off", "every 5 s"]);
        let link = master(&site, "a.zip", 1000);
        let (one, two) = (click(&site, &link, "one"), click(&site, &link, "two"));
        fs::remove_dir_all(site.nginx.public().join(name(&one))).unwrap();
        fs::write(site.nginx.public().join("theirs"), "").unwrap();
        site.cloakroom.logged(&["stub_missing", "stubs=1", &name(&one)]);
        site.cloakroom.logged(&["foreign_file", "theirs"]);
        fs::remove_file(site.nginx.public().join("theirs")).unwrap();
        assert_eq!(agree(&site), [name(&two)]);
        site.master("a.zip", b"a new version");
        site.cloakroom.logged(&["master_changed", "stubs=1"]);
        assert!(agree(&site).is_empty());
        assert_eq!(site.cloakroom.said(&["watch_off"]), 1, "{script}: {:#?}", site.cloakroom.log());
    }
}

#[test]
fn more_than_the_system_can_tell_is_found_by_looking_at_everything() {
    let limit: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let site = site("");
    let link = master(&site, "a.zip", 1000);
    let (one, two) = (click(&site, &link, "one"), click(&site, &link, "two"));
    let pid = Pid::from_raw(i32::try_from(site.cloakroom.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let foreign = site.nginx.public().join("theirs");
    for turn in 0..limit / 2 + 10 {
        fs::write(&foreign, turn.to_string()).unwrap();
        fs::remove_file(&foreign).unwrap();
    }
    // Nobody tells of this any more.
    fs::remove_dir_all(site.nginx.public().join(name(&one))).unwrap();
    fs::write(&foreign, "").unwrap();
    kill_process(pid, Signal::CONT).unwrap();
    site.cloakroom.logged(&["stub_missing", "stubs=1", &name(&one)]);
    site.cloakroom.logged(&["foreign_file", "theirs"]);
    fs::remove_file(&foreign).unwrap();
    assert_eq!(agree(&site), [name(&two)]);
}
