//! What others do in a public directory and to the masters is noticed.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use rustix::process::{Pid, Signal, kill_process};

use crate::pub_directory::{agree, click, clicked, idle, link, master, name, names, rows, site};
use crate::servers::{names_in, until};

#[test]
fn a_stub_that_others_took_away_is_noticed_and_made_again_at_the_next_click() {
    let site = site("");
    let link = master(&site, "a.zip", 1000);
    let (one, two) = (click(&site, &link, "one"), click(&site, &link, "two"));
    fs::remove_dir_all(site.nginx.public().join(name(&one))).unwrap();
    site.cloakroom.logged(&["stub_missing", "stubs=1", &name(&one)]);
    assert_eq!(agree(&site), [name(&two)]);
    // Moved away is gone, too.
    let away = tempfile::tempdir().unwrap();
    fs::rename(site.nginx.public().join(name(&two)), away.path().join("kept")).unwrap();
    site.cloakroom.logged(&["stub_missing", "stubs=1", &name(&two)]);
    assert!(agree(&site).is_empty());
    let again = click(&site, &link, "one");
    assert_ne!(again, one);
    assert_eq!(site.get(&again).status, 200);
    assert_eq!(agree(&site), [name(&again)]);
}

#[test]
fn what_is_not_ours_is_said_once_and_never_touched() {
    let site = site("resume_grace = \"1s\"");
    let link = master(&site, "a.zip", 1000);
    let there = site.nginx.public();
    fs::write(there.join("index.html"), "theirs").unwrap();
    fs::create_dir(there.join("0123456789abcdefghjkmnpqrs")).unwrap();
    fs::write(there.join("0123456789abcdefghjkmnpqrs/a.zip"), "theirs").unwrap();
    symlink("/etc/passwd", there.join("link")).unwrap();
    for foreign in ["index.html", "0123456789abcdefghjkmnpqrs", "link"] {
        site.cloakroom.logged(&["foreign_file", foreign]);
    }
    let to = click(&site, &link, "one");
    // What lies in a stub's directory stays when the stub goes.
    fs::write(there.join(name(&to)).join("theirs"), "theirs").unwrap();
    site.cloakroom.logged(&["foreign_file", &format!("{}/theirs", name(&to))]);
    until("the stub is gone", || (!there.join(name(&to)).join("a.zip").is_symlink()).then_some(()));
    for (path, text) in [("index.html", "theirs"), ("0123456789abcdefghjkmnpqrs/a.zip", "theirs")] {
        assert_eq!(fs::read_to_string(there.join(path)).unwrap(), text, "{path}");
    }
    assert!(there.join("link").is_symlink() && there.join(name(&to)).join("theirs").exists());
    idle(&site.cloakroom);
    fs::remove_file(there.join("link")).unwrap();
    for foreign in ["index.html", "0123456789abcdefghjkmnpqrs", "path=link", &format!("{}/theirs", name(&to))] {
        assert_eq!(site.cloakroom.said(&["foreign_file", foreign]), 1, "{foreign}: {:#?}", site.cloakroom.log());
    }
}

#[test]
fn of_thousands_of_names_that_are_not_ours_the_first_are_told_whatever_bytes_they_have() {
    let mut site = site("");
    let link = master(&site, "a.zip", 1000);
    let there = site.nginx.public();
    assert!(site.cloakroom.stop());
    for number in 0..3000 {
        fs::write(there.join(format!("{number:04}")), "").unwrap();
    }
    fs::write(there.join(OsStr::from_bytes(b"00\xfc")), "").unwrap();
    site.cloakroom.start();
    site.cloakroom.logged(&["foreign_files", "more=2901"]);
    let told = || site.cloakroom.said(&["foreign_file "]);
    assert_eq!((told(), site.cloakroom.said(&["foreign_file", "0098"]), site.cloakroom.said(&["foreign_file", "0099"])), (100, 1, 1));
    let to = click(&site, &link, "one");
    assert_eq!(site.get(&to).status, 200);
    // What is named goes, and there is room for names of others; of those that are not named nothing is said again.
    for number in 0..100 {
        fs::remove_file(there.join(format!("{number:04}"))).unwrap();
    }
    let pid = Pid::from_raw(i32::try_from(site.cloakroom.pid()).unwrap()).unwrap();
    until("others are named", || {
        kill_process(pid, Signal::HUP).unwrap();
        (told() == 200).then_some(())
    });
    assert_eq!(site.cloakroom.said(&["foreign_file", "path=\"00\\\\xfc\""]), 1, "{:#?}", site.cloakroom.log());
    assert_eq!(site.cloakroom.said(&["foreign_files"]), 1);
    let page = site.cloakroom.json(&["stub", "list"]);
    let directory = &page["directories"][0];
    assert_eq!((directory["foreign_total"].as_u64(), directory["foreign"].as_array().map(Vec::len)), (Some(2901), Some(100)));
}

#[test]
fn a_master_that_is_replaced_takes_its_stubs_along_and_a_click_leads_to_the_new_one() {
    let site = site("");
    let (link, other) = (master(&site, "set/a.zip", 1000), master(&site, "b.zip", 1000));
    let (one, two, stays) = (click(&site, &link, "one"), click(&site, &link, "two"), click(&site, &other, "one"));
    site.master("set/a.zip", b"a new version");
    site.cloakroom.logged(&["master_changed", "set/a.zip", "stubs=2"]);
    assert_eq!(agree(&site), [name(&stays)]);
    for old in [&one, &two] {
        assert_eq!(site.get(old).status, 404);
    }
    let new = click(&site, &link, "one");
    assert_eq!(site.get(&new).body, b"a new version");
    // Touching it without making another version of it takes nothing away.
    fs::set_permissions(site.nginx.downloads().join("b.zip"), std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    site.master("set/a.zip", b"once more");
    site.cloakroom.logged(&["master_changed", "set/a.zip", "stubs=1"]);
    assert_eq!(agree(&site), [name(&stays)]);
}

#[test]
fn a_master_that_was_replaced_while_the_daemon_was_away_takes_its_stubs_along_at_the_start() {
    let mut site = site("");
    let (link, other) = (master(&site, "a.zip", 1000), master(&site, "b.zip", 1000));
    let (old, stays) = (click(&site, &link, "one"), click(&site, &other, "one"));
    site.cloakroom.kill();
    site.master("a.zip", b"a new version");
    site.cloakroom.start();
    site.cloakroom.logged(&["master_changed", "a.zip", "stubs=1"]);
    assert_eq!(agree(&site), [name(&stays)]);
    assert_eq!((site.get(&old).status, site.get(&stays).status), (404, 200));
}

#[test]
fn a_master_that_is_gone_is_said_once_and_its_stubs_wait_for_it() {
    let site = site("");
    let link = master(&site, "a.zip", 1000);
    let to = click(&site, &link, "one");
    let (there, aside) = (site.nginx.downloads().join("a.zip"), site.nginx.downloads().join("aside"));
    fs::rename(&there, &aside).unwrap();
    site.cloakroom.logged(&["master_gone", "masters/a.zip"]);
    assert_eq!(site.get(&to).status, 404);
    assert_eq!(clicked(&site, &link, "two").header("cloakroom-refusal"), Some("file_missing"));
    assert_eq!(agree(&site), [name(&to)]);
    fs::rename(&aside, &there).unwrap();
    site.cloakroom.logged(&["master_back", "masters/a.zip"]);
    assert_eq!(site.get(&to).status, 200);
    assert_eq!(site.cloakroom.said(&["master_gone"]), 1);
    assert_eq!(site.cloakroom.said(&["master_changed"]), 0);
}

#[test]
fn a_directory_that_was_taken_away_and_came_back_empty_gets_its_stubs_again() {
    let site = site("");
    let link = master(&site, "a.zip", 1000);
    let (one, two) = (click(&site, &link, "one"), click(&site, &link, "two"));
    let (there, away) = (site.nginx.public(), site.nginx.public().with_extension("away"));
    fs::rename(&there, &away).unwrap();
    site.cloakroom.logged(&["directory_lost", "directory=pub"]);
    let lost = clicked(&site, &link, "three");
    assert_eq!(lost.status / 100, 5, "{lost:?}");
    fs::create_dir(&there).unwrap();
    site.cloakroom.logged(&["directory_back", "directory=pub"]);
    site.cloakroom.logged(&["placed_again", "stubs=2"]);
    let mut both = [name(&one), name(&two)];
    both.sort_unstable();
    assert_eq!(agree(&site), both);
    assert_eq!((site.get(&one).status, site.get(&two).status), (200, 200), "who was on the way goes on");
    assert_eq!(site.get(&click(&site, &link, "three")).status, 200);
    assert_eq!(site.cloakroom.said(&["directory_lost"]), 1);
    // Nobody took away what was in the one before.
    assert_eq!(names_in(&away), both);
    assert_eq!(rows(&site.cloakroom, "live").len(), 3);
}

#[test]
fn a_directory_that_was_deleted_by_hand_works_again_once_it_is_there() {
    let site = site("");
    let link = master(&site, "a.zip", 1000);
    let first = click(&site, &link, "one");
    fs::remove_dir_all(site.nginx.public()).unwrap();
    site.cloakroom.logged(&["directory_lost", "directory=pub"]);
    fs::create_dir(site.nginx.public()).unwrap();
    site.cloakroom.logged(&["directory_back", "directory=pub"]);
    let again = click(&site, &link, "one");
    assert_eq!(site.get(&again).status, 200);
    assert!([200, 404].contains(&site.get(&first).status));
    agree(&site);
    // Only what is ours inside was taken away.
    fs::remove_dir_all(site.nginx.public().join(".cloakroom")).unwrap();
    until("it is back", || (site.cloakroom.said(&["directory_back"]) == 2).then_some(()));
    assert_eq!(site.get(&click(&site, &link, "two")).status, 200);
    agree(&site);
    idle(&site.cloakroom);
}

#[test]
fn what_changed_while_the_daemon_was_away_is_found_at_the_start() {
    let mut site = site("");
    let url = master(&site, "a.zip", 1000);
    let (one, two) = (click(&site, &url, "one"), click(&site, &url, "two"));
    site.cloakroom.kill();
    fs::remove_dir_all(site.nginx.public().join(name(&one))).unwrap();
    // Half made, and half taken away.
    let (half, aside) = ("z".repeat(26), site.nginx.public().join(".cloakroom"));
    fs::create_dir(aside.join(format!("new-{half}"))).unwrap();
    symlink("/nowhere", aside.join(format!("new-{half}/a.zip"))).unwrap();
    fs::rename(site.nginx.public().join(name(&two)), aside.join(format!("gone-{}", name(&two)))).unwrap();
    fs::write(site.nginx.public().join("theirs"), "").unwrap();
    site.cloakroom.start();
    site.cloakroom.logged(&["stub_missing", "stubs=1", &name(&one)]);
    site.cloakroom.logged(&["tidied", &half]);
    site.cloakroom.logged(&["tidied", &name(&two)]);
    site.cloakroom.logged(&["foreign_file", "theirs"]);
    until("rows and files agree", || (names(&site) == ["theirs"] && rows(&site.cloakroom, "live").is_empty()).then_some(()));
    assert!(names_in(&aside).is_empty());
    assert_eq!(site.get(&click(&site, &link(&site, "a.zip", 1), "one")).status, 200);
}
