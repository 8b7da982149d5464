//! A public directory on a file system of its own: mounted, full, read-only, and away.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tokio::time::Instant;

use crate::pub_directory::{agree, click, clicked, master, name, names, rows, site};
use crate::servers::nginx::NginxSetup;
use crate::servers::site::Site;
use crate::servers::until;

/// A small file system in memory, mounted. Unmounted with this value.
pub struct Mounted(PathBuf);

#[track_caller]
fn run(words: &[&str], path: &Path) {
    let output = Command::new(words[0]).args(&words[1..]).arg(path).output().unwrap();
    assert!(output.status.success(), "this test mounts a file system, and must be root for it: {words:?}: {output:?}");
}

impl Mounted {
    #[track_caller]
    pub fn at(path: &Path, options: &str) -> Self {
        run(&["mount", "-t", "tmpfs", "-o", options, "tmpfs"], path);
        Self(path.to_owned())
    }

    #[track_caller]
    pub fn remount(&self, options: &str) {
        run(&["mount", "-o", &format!("remount,{options}")], &self.0);
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

#[test]
fn what_is_mounted_over_the_directory_gets_the_stubs_and_so_does_what_lies_below_it_afterwards() {
    let site = site("");
    let link = master(&site, "a.zip", 1000);
    let one = click(&site, &link, "one");
    let mounted = Mounted::at(&site.nginx.public(), "size=1m,mode=0755");
    assert_eq!(site.get(&one).status, 404);
    // Of a mount nobody tells; who clicks finds out.
    clicked(&site, &link, "two");
    site.cloakroom.logged(&["directory_back", "directory=pub"]);
    site.cloakroom.logged(&["placed_again", "stubs=1"]);
    assert_eq!(site.get(&one).status, 200);
    let two = click(&site, &link, "two");
    agree(&site);
    drop(mounted);
    clicked(&site, &link, "three");
    until("it is back", || (site.cloakroom.said(&["directory_back"]) == 2).then_some(()));
    until("both are there", || (names(&site).contains(&name(&one)) && names(&site).contains(&name(&two))).then_some(()));
    assert_eq!((site.get(&one).status, site.get(&two).status), (200, 200));
}

#[test]
fn a_full_disk_refuses_what_is_new_and_keeps_what_is_there() {
    let site = site("");
    let mounted = Mounted::at(&site.nginx.public(), "size=1m,nr_inodes=12,mode=0755");
    let link = master(&site, "a.zip", 1000);
    clicked(&site, &link, "first");
    site.cloakroom.logged(&["directory_back"]);
    let (mut placed, mut refused) = (Vec::new(), None);
    for customer in 0..20 {
        let answer = clicked(&site, &link, &format!("customer {customer}"));
        match answer.header("location") {
            Some(to) => placed.push(to.to_owned()),
            None => refused = refused.or(Some(answer)),
        }
    }
    let refused = refused.expect("the disk is full");
    assert_eq!(refused.status / 100, 5, "{refused:?}");
    site.cloakroom.logged(&["not_placed", "No space left on device"]);
    assert!(placed.len() >= 3, "{placed:?}");
    assert_eq!(agree(&site).len(), placed.len());
    for to in &placed {
        assert_eq!(site.get(to).status, 200);
    }
    let grant = site.cloakroom.json(&["grant", "list"])[0]["id"].as_str().unwrap().to_owned();
    site.cloakroom.say(&["grant", "revoke", &grant]);
    assert!(until("there is room", || agree(&site).is_empty().then_some(true)));
    let again = crate::pub_directory::link(&site, "a.zip", 1);
    assert_eq!(site.get(&click(&site, &again, "one")).status, 200);
    drop(mounted);
}

/// Takes every place for a file that is left on a disk; gives what it took.
fn fill(directory: &Path) -> Vec<PathBuf> {
    let places = (0..1000).map(|number| directory.join(format!("others-{number}")));
    let taken: Vec<PathBuf> = places.take_while(|path| fs::write(path, "").is_ok()).collect();
    assert!((1..1000).contains(&taken.len()), "{}", taken.len());
    taken
}

#[test]
fn a_click_that_finds_no_room_keeps_its_delivery_which_goes_on_by_the_next_method_or_when_there_is_room() {
    for (methods, sends) in [("[\"stub\"]", false), ("[\"stub\", \"handoff\"]", true)] {
        let site = Site::with_stubs(&NginxSetup::default(), &format!("method = {methods}"), true);
        let mounted = Mounted::at(&site.nginx.public(), "size=1m,nr_inodes=40,mode=0755");
        let first = master(&site, "a.zip", 100_000);
        clicked(&site, &first, "first");
        site.cloakroom.logged(&["directory_back"]);
        let made = site.cloakroom.json(&["grant", "add", "--file", "masters/a.zip", "--max", "1"]);
        let (grant, link) = (made["grant"]["id"].as_str().unwrap(), site.target(made["url"].as_str().unwrap()));
        let page = || site.cloakroom.json(&["grant", "show", grant]);
        let delivery = || {
            let all = page()["deliveries"].as_array().unwrap().clone();
            assert_eq!(all.len(), 1, "{methods}: one delivery, and no other: {all:?}");
            all[0].clone()
        };
        let counts = || (page()["used"].clone(), page()["reserved"].clone(), delivery()["state"].as_str().unwrap().to_owned());
        let taken = fill(&site.nginx.public());

        // The directory is right, and only placing finds that it is full: the unit is held already.
        let answer = clicked(&site, &link, "one");
        assert_eq!(counts(), (0.into(), 1.into(), "open".to_owned()), "{methods}");
        site.cloakroom.logged(&["not_placed", "No space left on device"]);
        let told = site.cloakroom.json(&["explain", &link]).to_string();
        assert!(told.contains("none could be placed there when that was last tried") && told.contains("No space left"), "{told}");
        assert_eq!((rows(&site.cloakroom, "live"), rows(&site.cloakroom, "going")), (Vec::new(), Vec::new()), "{methods}: nothing is left");
        if sends {
            let to = answer.header("location").unwrap();
            assert!(to.starts_with("/dl/d/"), "{to}");
            assert_eq!(clicked(&site, &link, "one").header("location"), Some(to));
            assert_eq!(delivery()["away"], true);
            assert_eq!(site.ask("GET", to, &[("Range", "bytes=0-49999"), ("User-Agent", "one")]).body.len(), 50_000);
            assert_eq!(delivery()["away"], Value::Null, "what is sent to it passes by Cloakroom");
        } else {
            assert!(answer.status == 503 && answer.text().contains("Your download is not lost"), "{}", answer.text());
            assert_eq!(clicked(&site, &link, "one").status, 503);
        }
        assert_eq!(counts(), (0.into(), 1.into(), "open".to_owned()), "{methods}");

        // There is room again: the same download goes on, now from a stub, and counts once.
        for path in taken {
            fs::remove_file(path).unwrap();
        }
        let to = click(&site, &link, "one");
        assert_eq!(agree(&site), [name(&to)], "{methods}");
        let rest = if sends { "bytes=50000-" } else { "bytes=0-" };
        assert_eq!(site.ask("GET", &to, &[("Range", rest), ("User-Agent", "one")]).status, 206);
        until("it is counted", || (counts() == (1.into(), 0.into(), "completed".to_owned())).then_some(()));
        drop(mounted);
    }
}

#[test]
fn what_cannot_be_removed_is_said_once_tried_again_and_removed_when_it_can_be() {
    let site = site("");
    let mounted = Mounted::at(&site.nginx.public(), "size=1m,mode=0755");
    let url = master(&site, "a.zip", 1000);
    clicked(&site, &url, "first");
    site.cloakroom.logged(&["directory_back"]);
    for customer in 0..10 {
        click(&site, &url, &format!("customer {customer}"));
    }
    let there = names(&site);
    assert!(there.len() >= 10);
    mounted.remount("ro");
    let grant = site.cloakroom.json(&["grant", "list"])[0]["id"].as_str().unwrap().to_owned();
    site.cloakroom.say(&["grant", "revoke", &grant]);
    site.cloakroom.logged(&["not_removed", "Read-only file system"]);
    let began = Instant::now();
    until("it was tried again", || (began.elapsed().as_secs() >= 4).then_some(()));
    assert_eq!(names(&site), there);
    assert_eq!(rows(&site.cloakroom, "going").len(), there.len());
    assert_eq!(site.cloakroom.said(&["not_removed"]), 1, "{:#?}", site.cloakroom.log());
    mounted.remount("rw");
    assert!(until("they are gone", || names(&site).is_empty().then_some(true)));
    site.cloakroom.logged(&["removes_again"]);
    assert!(agree(&site).is_empty());
    assert_eq!(site.cloakroom.said(&["not_removed"]), 1);
}
