//! Copies follow their masters under their names, unless they keep their version.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::filling::{assert_alike, daemon, daemon_with, is_whole, large, only, plain, sha256, until_half};
use crate::served::{buy, get, used};
use crate::servers::http::Download;
use crate::servers::site::{Site, content};
use crate::servers::{names_in, until};
use crate::shop::{aside, copies, grant, until_copy};

/// Puts another file into the place of `path`, as people do who take care.
fn replace(path: &Path, bytes: &[u8]) {
    let next = path.with_extension("next");
    fs::write(&next, bytes).unwrap();
    fs::rename(&next, path).unwrap();
}

#[track_caller]
fn until_bytes(copy: &Path, bytes: &[u8]) {
    until("a copy of the new version", || (fs::read(copy).unwrap() == bytes).then_some(()));
}

#[test]
fn a_copy_follows_its_master_at_once_and_at_the_start_and_one_that_keeps_its_version_does_not() {
    for (policy, follows) in [("", true), ("version = \"purchased\"", false)] {
        let (_root, masters, goods) = plain();
        let (master, marker) = (masters.join("a.zip"), masters.join("marker.zip"));
        fs::write(&master, content(1000)).unwrap();
        fs::write(&marker, content(1000)).unwrap();
        let mut cloakroom = daemon_with(&masters, &goods, "", policy);
        let id = grant(&cloakroom, "masters/a.zip", &[]);
        until_copy(&cloakroom, &id, "live");
        let copy = only(&goods);
        replace(&master, b"second");
        if follows {
            cloakroom.logged(&["copy_follows", &id, "bytes=6"]);
            assert_alike(&copy, &master);
            cloakroom.logged(&["master_changed", "a.zip", "stubs=0", "copies=1"]);
        }
        // In place, and while the daemon is away.
        fs::write(&master, b"the third one").unwrap();
        if follows {
            cloakroom.logged(&["copy_follows", &id, "bytes=13"]);
            assert_alike(&copy, &master);
        }
        cloakroom.kill();
        replace(&master, b"fourth");
        cloakroom.start();
        // What was asked for after the start is made after the look at the start.
        if follows {
            until_bytes(&copy, b"fourth");
            until("it is written down", || (copies(&cloakroom, &id)[0]["size"] == 6).then_some(()));
        } else {
            fs::remove_file(&copy).unwrap();
            cloakroom.logged(&["not_copied", &id, "another version than the one that was sold"]);
            fs::write(&master, content(1000)).unwrap();
            let sold = fs::metadata(&marker).unwrap().modified().unwrap();
            fs::File::options().write(true).open(&master).unwrap().set_modified(sold).unwrap();
            assert_eq!(copies(&cloakroom, &id)[0]["state"], "preparing");
            assert!(names_in(&goods).is_empty(), "no other version takes its place");
            assert_eq!(cloakroom.said(&["copy_follows"]), 0);
            assert_eq!(cloakroom.said(&["master_changed"]), 0);
        }
        let left = names_in(&goods).len();
        assert_eq!((left, aside(&goods)), (usize::from(follows), Vec::new()));
        assert_eq!(copies(&cloakroom, &id).len(), 1, "it is one copy all the time");
    }
}

#[test]
fn a_hard_link_follows_its_master_and_the_one_before_is_no_name_of_anything() {
    let (_root, masters, goods) = plain();
    let master = masters.join("a.zip");
    fs::write(&master, content(1000)).unwrap();
    let cloakroom = daemon(&masters, &goods, "hard_links = true\n");
    let id = grant(&cloakroom, "masters/a.zip", &[]);
    assert_eq!(until_copy(&cloakroom, &id, "live")["how"], "hard-link");
    let copy = only(&goods);
    let kept = masters.join("kept");
    fs::hard_link(&master, &kept).unwrap();
    replace(&master, b"second");
    cloakroom.logged(&["copy_follows", &id, "how=hard-link"]);
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    assert_eq!((inode(&copy), fs::metadata(&kept).unwrap().nlink()), (inode(&master), 1));
    cloakroom.say(&["grant", "revoke", &id]);
    until_copy(&cloakroom, &id, "gone");
    assert_eq!((names_in(&goods).len(), aside(&goods).len(), fs::read(&master).unwrap()), (0, 0, b"second".to_vec()));
}

#[test]
fn a_master_that_is_gone_keeps_its_copies_and_is_said_once() {
    let (_root, masters, goods) = plain();
    let (master, away) = (masters.join("a.zip"), masters.join("away"));
    fs::write(&master, content(1000)).unwrap();
    let cloakroom = daemon(&masters, &goods, "");
    let id = grant(&cloakroom, "masters/a.zip", &[]);
    until_copy(&cloakroom, &id, "live");
    let copy = only(&goods);
    fs::rename(&master, &away).unwrap();
    cloakroom.logged(&["master_gone", "masters/a.zip"]);
    assert!(fs::read(&copy).unwrap() == content(1000));
    fs::write(&master, b"second").unwrap();
    cloakroom.logged(&["master_back", "masters/a.zip"]);
    until_bytes(&copy, b"second");
    assert_eq!((cloakroom.said(&["master_gone"]), only(&goods)), (1, copy));
}

#[test]
fn what_others_put_in_the_place_of_a_copy_is_not_exchanged_for_a_new_one() {
    let (_root, masters, goods) = plain();
    let master = masters.join("a.iso");
    large(&master, b"first.");
    let cloakroom = daemon(&masters, &goods, "");
    let id = grant(&cloakroom, "masters/a.iso", &[]);
    until_copy(&cloakroom, &id, "live");
    let copy = only(&goods);
    let next = masters.join("next");
    large(&next, b"second");
    fs::rename(&next, &master).unwrap();
    until_half(&goods);
    // A directory is never a copy of ours, whoever owns it.
    fs::remove_file(&copy).unwrap();
    fs::create_dir(&copy).unwrap();
    fs::write(copy.join("theirs"), "theirs").unwrap();
    until("a copy under another name", || {
        let other = names_in(&goods).into_iter().find(|name| *name != copy.file_name().unwrap().to_str().unwrap())?;
        is_whole(&goods.join(other), b"second").then_some(())
    });
    assert_eq!(fs::read_to_string(copy.join("theirs")).unwrap(), "theirs");
    assert_eq!(until_copy(&cloakroom, &id, "live")["state"], "live");
    assert_eq!(aside(&goods), Vec::<String>::new());
}

#[test]
fn a_daemon_that_dies_between_the_exchange_and_its_row_ends_with_the_new_version_alone() {
    let (_root, masters, goods) = plain();
    let master = masters.join("a.zip");
    fs::write(&master, content(1000)).unwrap();
    let mut cloakroom = daemon(&masters, &goods, "");
    let id = grant(&cloakroom, "masters/a.zip", &[]);
    until_copy(&cloakroom, &id, "live");
    let copy = only(&goods);
    let name = copy.file_stem().unwrap().to_str().unwrap().rsplit_once('-').unwrap().1;
    let before = goods.join(".cloakroom").join(format!("copy-{name}"));
    // What has the size and the time of the new version has not its bytes for that.
    for (version, there, how) in [(b"second", b"second", "found"), (b"2econd", b"2ecomd", "copied")] {
        cloakroom.kill();
        // As the exchange leaves them: the new one in its place, the one before aside.
        fs::rename(&copy, &before).unwrap();
        replace(&master, version);
        fs::write(&copy, there).unwrap();
        let time = fs::metadata(&master).unwrap().modified().unwrap();
        fs::File::options().write(true).open(&copy).unwrap().set_modified(time).unwrap();
        cloakroom.start();
        let sha256 = sha256(&master);
        until("the row tells of the new version", || (copies(&cloakroom, &id)[0]["sha256"] == sha256.as_str()).then_some(()));
        assert_eq!((only(&goods), copies(&cloakroom, &id)[0]["how"].as_str()), (copy.clone(), Some(how)));
        assert_alike(&copy, &master);
    }

    // And where others had put something into the place that was exchanged.
    cloakroom.kill();
    fs::create_dir(&before).unwrap();
    fs::write(before.join("theirs"), "theirs").unwrap();
    replace(&master, b"the third one");
    cloakroom.start();
    until("theirs is back in its place", || fs::read_to_string(copy.join("theirs")).ok());
    until("a copy under another name", || (names_in(&goods).len() == 2 && copies(&cloakroom, &id).len() == 2).then_some(()));
    until_copy(&cloakroom, &id, "live");
    assert_eq!(aside(&goods), Vec::<String>::new());
}

#[test]
fn who_is_fetching_a_copy_that_is_exchanged_gets_every_byte_of_the_one_before_and_counts_once() {
    let site = Site::with_copies("", true);
    let (first, second) = (content(30 << 20), content(20 << 20));
    let master = site.master("a.zip", &first);
    let bought = buy(&site, "masters/a.zip", &[]);
    until_copy(&site.cloakroom, &bought.id, "live");
    let login = [("Authorization", bought.login.as_str())];
    let mut running = Download::open(site.nginx.port, "GET", &bought.copy, &login);
    running.read(1000);
    let etag = running.answer.header("etag").unwrap().to_owned();
    replace(&master, &second);
    site.cloakroom.logged(&["copy_follows", &bought.id]);
    assert!(bought.fetch(&site).body == second, "who begins now gets the new one");
    assert_eq!(get(&site, &bought.link).header("location"), Some(bought.copy.as_str()));
    assert!(running.finish().body == first);
    until("both are counted", || (used(&site.cloakroom, &bought.id) == 2).then_some(()));
    assert_eq!(site.cloakroom.states(), ["completed", "completed"]);

    // Who has a part of the one before begins anew.
    let resumed = site.ask("GET", &bought.copy, &[login[0], ("Range", "bytes=1000-"), ("If-Range", &etag)]);
    assert!(resumed.status == 200 && resumed.body == second);
    until("it is counted", || (used(&site.cloakroom, &bought.id) == 3).then_some(()));
    // Who does not say of what gets a part of the new one, which is no download.
    let part = site.ask("GET", &bought.copy, &[login[0], ("Range", "bytes=1000-1999"), ("User-Agent", "another")]);
    assert_eq!((part.status, part.body.len()), (206, 1000));
    until("the part is reported", || site.nginx.reported().iter().any(|line| line.contains(r#""status":"206""#)).then_some(()));
    assert_eq!(used(&site.cloakroom, &bought.id), 3);
}
