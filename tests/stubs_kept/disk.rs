//! A public directory on a file system of its own: mounted, full, read-only, and away.

use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::time::Instant;

use crate::pub_directory::{agree, click, clicked, master, name, names, rows, site};
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
