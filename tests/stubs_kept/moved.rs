//! A daemon that is started with another path for its public directory: nothing is forgotten, and all that lies where the
//! directory was before goes in its time.

use std::fs;
use std::path::{Path, PathBuf};

use crate::disk::Mounted;
use crate::pub_directory::{click, clicked, link, master, name, rows, site, store};
use crate::servers::cloakroom::Cloakroom;
use crate::servers::nginx::{Nginx, NginxSetup};
use crate::servers::site::{Site, content};
use crate::servers::{names_in, until};
use crate::steps::STEPS;

/// Has the public directory lie at `to` from the next start on.
fn configure(site: &Site, from: &Path, to: &Path) {
    let config = site.cloakroom.config();
    let text = fs::read_to_string(&config).unwrap();
    let (before, after) = (format!("path = \"{}\"", from.display()), format!("path = \"{}\"", to.display()));
    assert!(text.contains(&before), "{text}");
    fs::write(&config, text.replace(&before, &after)).unwrap();
}

/// Ends the daemon, does `meanwhile`, and starts it with another place for the public directory.
#[track_caller]
fn restarted_at(site: &mut Site, to: &Path, meanwhile: impl FnOnce(&Path)) -> PathBuf {
    let from = site.nginx.public();
    configure(site, &from, to);
    assert!(checked(&site.cloakroom).contains("it refuses a reload, and after a restart takes away what is over"));
    assert!(site.cloakroom.stop(), "the daemon ends well");
    meanwhile(&from);
    site.cloakroom.start();
    from
}

fn elsewhere(site: &Site) -> PathBuf {
    let to = site.nginx.public().with_extension("new");
    fs::create_dir(&to).unwrap();
    to
}

/// What `check` says.
fn checked(cloakroom: &Cloakroom) -> String {
    let output = cloakroom.command(&["--json", "check"]);
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn revoke_all(cloakroom: &Cloakroom) {
    let database = rusqlite::Connection::open(store(cloakroom)).unwrap();
    let mut statement = database.prepare("SELECT id FROM grants WHERE standing = 'active'").unwrap();
    let grants: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(!grants.is_empty());
    for grant in grants {
        cloakroom.say(&["grant", "revoke", &grant]);
    }
}

/// What no start may say of what is still there.
#[track_caller]
fn nothing_is_lost(cloakroom: &Cloakroom) {
    for event in ["stub_missing", "copy_missing", "not_removed"] {
        assert_eq!(cloakroom.said(&[event]), 0, "{event}: {:#?}", cloakroom.log());
    }
}

#[test]
fn what_lies_at_the_path_before_is_placed_at_the_new_one_and_goes_from_both_when_it_is_over() {
    let mut site = site("");
    let to = elsewhere(&site);
    let link_a = master(&site, "a.zip", 1000);
    let made = site.cloakroom.json(&["grant", "add", "--file", "masters/a.zip", "--max", "1"]);
    let (url, grant) = (made["url"].as_str().unwrap(), made["grant"]["id"].as_str().unwrap());
    let stays = click(&site, &link_a, "one");
    let goes = click(&site, &site.target(url), "two");
    // As a daemon leaves it that was killed while it placed it.
    let half = |from: &Path| fs::create_dir(from.join(".cloakroom").join(format!("new-{}", name(&stays)))).unwrap();
    let from = restarted_at(&mut site, &to, half);
    until("what was half made is undone", || names_in(&from.join(".cloakroom")).is_empty().then_some(()));
    let line = site.cloakroom.logged(&["directory_moved"]);
    assert!(line.contains("things=2") && line.contains(&from.display().to_string()) && line.contains(&to.display().to_string()), "{line}");
    let mut both = [name(&stays), name(&goes)];
    both.sort_unstable();
    until("all is placed at the new path", || (names_in(&to) == both).then_some(()));
    assert_eq!(names_in(&from), both, "who has its address may go on");
    assert_eq!(click(&site, &link_a, "one"), stays, "a click goes on with what is there");
    assert_eq!(site.get(&stays).status, 200);
    nothing_is_lost(&site.cloakroom);
    let told = checked(&site.cloakroom);
    assert!(told.contains("2 things of ours may lie in") && told.contains("the daemon takes away what is over"), "{told}");

    site.cloakroom.say(&["grant", "revoke", grant]);
    until("it is gone from both", || (names_in(&to) == [name(&stays)] && names_in(&from) == [name(&stays)]).then_some(()));
    until("its row says so", || (rows(&site.cloakroom, "gone") == [name(&goes)]).then_some(()));
    assert_eq!(site.get(&goes).status, 404);

    // What is new is placed at the new path alone.
    let new = click(&site, &link(&site, "a.zip", 1), "three");
    assert!(names_in(&to).contains(&name(&new)) && !names_in(&from).contains(&name(&new)));
    revoke_all(&site.cloakroom);
    until("nothing is left", || (names_in(&to).is_empty() && names_in(&from).is_empty()).then_some(()));
    until("nothing is going", || rows(&site.cloakroom, "going").is_empty().then_some(()));
    assert!(site.cloakroom.stop());
    site.cloakroom.start();
    site.cloakroom.logged(&["directory_left"]);
    nothing_is_lost(&site.cloakroom);
    assert!(!checked(&site.cloakroom).contains("public-before"));
}

#[test]
fn what_lies_where_nobody_can_look_is_never_forgotten_and_goes_when_it_can_be_reached() {
    let mut site = site("");
    let to = elsewhere(&site);
    site.master("a.zip", &content(1000));
    let made = site.cloakroom.json(&["grant", "add", "--file", "masters/a.zip", "--max", "1"]);
    let (url, grant) = (made["url"].as_str().unwrap(), made["grant"]["id"].as_str().unwrap());
    let stub = name(&click(&site, &site.target(url), "one"));
    let away = site.nginx.public().with_extension("away");
    // As where a disk is not mounted: the directory beneath it is empty.
    let from = restarted_at(&mut site, &to, |from| {
        fs::rename(from, &away).unwrap();
        fs::create_dir(from).unwrap();
    });
    let line = site.cloakroom.logged(&["directory_out_of_reach"]);
    assert!(line.contains(&format!(" -m 0700 {}/.cloakroom", from.display())), "{line}");
    assert_eq!(site.cloakroom.said(&["directory_out_of_reach"]), 1);
    let told = checked(&site.cloakroom);
    assert!(told.contains("1 thing of ours may lie in") && told.contains("install -d -o "), "{told}");
    until("it is placed at the new path", || (names_in(&to) == [stub.as_str()]).then_some(()));
    site.cloakroom.say(&["grant", "revoke", grant]);
    until("nobody is let in at the new path", || names_in(&to).is_empty().then_some(()));
    site.cloakroom.logged(&["not_removed", "where the directory was before"]);
    assert_eq!(rows(&site.cloakroom, "going"), [stub.as_str()], "its row waits");
    assert_eq!(names_in(&away), [stub.as_str()]);

    assert!(site.cloakroom.stop());
    fs::remove_dir(&from).unwrap();
    fs::rename(&away, &from).unwrap();
    site.cloakroom.start();
    site.cloakroom.say(&["stub", "sweep"]);
    until("it is gone", || (names_in(&from).is_empty() && rows(&site.cloakroom, "gone") == [stub.as_str()]).then_some(()));
    assert_eq!((site.cloakroom.said(&["stub_missing"]), names_in(&to)), (0, Vec::new()));
}

#[test]
fn a_directory_that_was_moved_itself_is_the_same_and_one_that_was_removed_is_waited_for_by_nobody() {
    let mut site = site("");
    let link = master(&site, "a.zip", 1000);
    let stub = name(&click(&site, &link, "one"));
    let to = site.nginx.public().with_extension("new");
    let from = restarted_at(&mut site, &to, |from| fs::rename(from, &to).unwrap());
    assert_eq!(name(&click(&site, &link, "one")), stub);
    assert_eq!((names_in(&to), rows(&site.cloakroom, "live")), (vec![stub.clone()], vec![stub.clone()]));
    assert_eq!(site.cloakroom.said(&["directory_"]), 0, "{:#?}", site.cloakroom.log());
    nothing_is_lost(&site.cloakroom);

    assert!(site.cloakroom.stop());
    fs::create_dir(&from).unwrap();
    fs::remove_dir_all(&to).unwrap();
    configure(&site, &to, &from);
    site.cloakroom.start();
    site.cloakroom.logged(&["directory_left", "is not at its path any more", "things=1"]);
    until("it is placed again", || (names_in(&from) == [stub.as_str()]).then_some(()));
    revoke_all(&site.cloakroom);
    until("it is gone", || (names_in(&from).is_empty() && rows(&site.cloakroom, "gone") == [stub.as_str()]).then_some(()));
    nothing_is_lost(&site.cloakroom);
}

#[test]
fn what_lies_in_a_directory_that_was_renamed_is_named_by_check_and_goes_when_it_is_back_in_time() {
    let mut site = site("");
    let link = master(&site, "a.zip", 1000);
    let stub = name(&click(&site, &link, "one"));
    let (to, renamed) = (elsewhere(&site), site.nginx.public().with_extension("renamed"));
    let from = restarted_at(&mut site, &to, |from| fs::rename(from, &renamed).unwrap());
    site.cloakroom.logged(&["directory_left", "if it was renamed"]);
    until("it is placed again", || (names_in(&to) == [stub.as_str()]).then_some(()));
    let told = checked(&site.cloakroom);
    assert!(told.contains("1 thing of ours may lie in") && told.contains("that directory is not there any more"), "{told}");
    assert_eq!(site.cloakroom.said(&["directory_out_of_reach"]), 0);
    fs::rename(&renamed, &from).unwrap();
    revoke_all(&site.cloakroom);
    site.cloakroom.say(&["stub", "sweep"]);
    until("it is gone from both", || (names_in(&from).is_empty() && names_in(&to).is_empty()).then_some(()));
    until("its row says so", || (rows(&site.cloakroom, "gone") == [stub.as_str()]).then_some(()));
}

/// Ends the daemon, does `meanwhile`, and starts it without a public directory. Where that was.
#[track_caller]
fn restarted_without(site: &mut Site, meanwhile: impl FnOnce(&Path)) -> PathBuf {
    assert!(site.cloakroom.stop());
    let config = site.cloakroom.config();
    let text = fs::read_to_string(&config).unwrap();
    let from = site.nginx.public();
    let directory = format!("[[directory]]\nname = \"pub\"\npath = \"{}\"\nurl = \"/pub/\"\n", from.display());
    assert!(text.contains(&directory));
    fs::write(&config, text.replace(&directory, "").replace("stub = \"pub\"\n", "").replace("[\"stub\"]", "[\"handoff\"]")).unwrap();
    meanwhile(&from);
    site.cloakroom.start();
    from
}

#[test]
fn what_lies_in_a_directory_that_is_configured_no_more_goes_in_its_time() {
    let mut site = site("");
    let link = master(&site, "a.zip", 1000);
    let stub = name(&click(&site, &link, "one"));
    let from = restarted_without(&mut site, |_| {});
    site.cloakroom.logged(&["directory_moved", "no [[directory]] has this name"]);
    assert_eq!(names_in(&from), [stub.as_str()]);
    revoke_all(&site.cloakroom);
    until("it is gone", || (names_in(&from).is_empty() && rows(&site.cloakroom, "gone") == [stub.as_str()]).then_some(()));
}

#[test]
fn a_directory_that_is_configured_no_more_and_comes_back_is_opened_without_a_reload() {
    let mut site = site("");
    let link = master(&site, "a.zip", 1000);
    let stub = name(&click(&site, &link, "one"));
    let away = site.nginx.public().with_extension("away");
    let from = restarted_without(&mut site, |from| {
        fs::rename(from, &away).unwrap();
        fs::create_dir(from).unwrap();
    });
    site.cloakroom.logged(&["directory_out_of_reach"]);
    revoke_all(&site.cloakroom);
    site.cloakroom.logged(&["not_removed", "where the directory was before"]);
    fs::remove_dir(&from).unwrap();
    fs::rename(&away, &from).unwrap();
    site.cloakroom.say(&["stub", "sweep"]);
    until("it is gone", || (names_in(&from).is_empty() && rows(&site.cloakroom, "gone") == [stub.as_str()]).then_some(()));
    assert_eq!(site.cloakroom.said(&["directory_out_of_reach"]), 1);
}

/// A site with a copy that is another name of its master, and was made again on another disk: where it was, where it is, its
/// name and its grant.
#[track_caller]
fn linked_copy_elsewhere(to: &Path) -> (Site, PathBuf, Vec<String>, String) {
    let nginx = Nginx::start(&NginxSetup { passwords: true, ..NginxSetup::default() });
    let from = nginx.goods();
    let directory = format!("htpasswd = \"{}\"\nhard_links = true", nginx.htpasswd().display());
    let mut site = Site::copying_to(nginx, &from, &directory, "", true);
    site.master("a.zip", &content(1000));
    let made = site.cloakroom.json(&["grant", "add", "--file", "masters/a.zip", "--max", "3"]);
    let grant = made["grant"]["id"].as_str().unwrap().to_owned();
    until("the copy is there", || (names_in(&from).len() == 1).then_some(()));
    until("its row says so", || (rows(&site.cloakroom, "live").len() == 1).then_some(()));
    let copy = names_in(&from);
    // Of another user: nothing but that it is a link of the master tells that it is ours.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(site.nginx.downloads().join("a.zip"), Some(4_000_000), None).unwrap();
    }
    fs::create_dir(to).unwrap();
    configure(&site, &from, to);
    assert!(site.cloakroom.stop());
    site.cloakroom.start();
    site.cloakroom.logged(&["directory_moved"]);
    until("it is made again", || (names_in(to) == copy && rows(&site.cloakroom, "live").len() == 1).then_some(()));
    assert_eq!(names_in(&from), copy);
    nothing_is_lost(&site.cloakroom);
    (site, from, copy, grant)
}

#[test]
fn a_copy_that_is_another_name_of_its_master_goes_from_a_disk_that_the_directory_left() {
    let other = tempfile::tempdir_in("/dev/shm").unwrap();
    let to = other.path().join("goods");
    let (site, from, _, grant) = linked_copy_elsewhere(&to);
    site.cloakroom.say(&["grant", "revoke", &grant]);
    until("it is gone from both", || (names_in(&to).is_empty() && names_in(&from).is_empty()).then_some(()));
    assert_eq!(site.cloakroom.said(&["foreign_file"]), 0);
    assert_eq!(fs::read(site.nginx.downloads().join("a.zip")).unwrap(), content(1000), "its master stays");
}

#[test]
fn a_copy_of_which_nobody_can_tell_any_more_that_it_is_one_keeps_its_row_until_somebody_removes_it() {
    assert!(rustix::process::geteuid().is_root(), "this test gives a file to another user, and must be root for it");
    let other = tempfile::tempdir_in("/dev/shm").unwrap();
    let to = other.path().join("goods");
    let (site, from, copy, grant) = linked_copy_elsewhere(&to);
    let (path, before) = (site.nginx.downloads().join("a.zip"), content(1000));
    let next = path.with_extension("next");
    fs::write(&next, content(2000)).unwrap();
    fs::rename(&next, &path).unwrap();
    until("the copy follows", || (fs::read(to.join(&copy[0])).ok()? == content(2000)).then_some(()));
    site.cloakroom.say(&["grant", "revoke", &grant]);
    until("nobody is let in at the new path", || names_in(&to).is_empty().then_some(()));
    let line = site.cloakroom.logged(&["not_removed", "is of another user"]);
    assert!(line.contains(&format!("{}/{}", from.display(), copy[0])), "{line}");
    assert_eq!((rows(&site.cloakroom, "going").len(), rows(&site.cloakroom, "gone").len()), (1, 0), "its row waits");
    assert_eq!(fs::read(from.join(&copy[0])).unwrap(), before, "nobody touched it");
    assert_eq!(site.cloakroom.said(&["foreign_file"]), 0);
    fs::remove_file(from.join(&copy[0])).unwrap();
    site.cloakroom.say(&["stub", "sweep"]);
    until("its row says so", || (rows(&site.cloakroom, "gone").len() == 1).then_some(()));
}

#[test]
fn a_copy_keeps_the_version_that_was_sold_when_its_directory_is_moved_after_the_master_was_replaced() {
    let nginx = Nginx::start(&NginxSetup { passwords: true, ..NginxSetup::default() });
    let from = nginx.goods();
    let directory = format!("htpasswd = \"{}\"", nginx.htpasswd().display());
    let mut site = Site::copying_to(nginx, &from, &directory, "version = \"purchased\"", true);
    let to = from.with_extension("new");
    for replaced in [true, false] {
        let (name, to) = (format!("{replaced}.zip"), to.with_extension(if replaced { "one" } else { "two" }));
        site.master(&name, &content(1000));
        let made = site.cloakroom.json(&["grant", "add", "--file", &format!("masters/{name}"), "--max", "3"]);
        let grant = made["grant"]["id"].as_str().unwrap();
        until("the copy is there", || (names_in(&from).len() == 1 && rows(&site.cloakroom, "live").len() == 1).then_some(()));
        let copy = names_in(&from);
        let path = site.nginx.downloads().join(&name);
        // What was sold is not at its place any more: another one is, or nothing.
        let next = path.with_extension("next");
        fs::rename(&path, &next).unwrap();
        if replaced {
            fs::write(&path, content(2000)).unwrap();
        }
        fs::create_dir(&to).unwrap();
        configure(&site, &from, &to);
        assert!(site.cloakroom.stop());
        site.cloakroom.start();
        let is_live = || (names_in(&to) == copy && rows(&site.cloakroom, "live").len() == 1).then_some(());
        until("it is made again", is_live);
        assert_eq!(fs::read(to.join(&copy[0])).unwrap(), content(1000), "of what was sold");
        site.cloakroom.say(&["grant", "revoke", grant]);
        until("it is gone from both", || (names_in(&to).is_empty() && names_in(&from).is_empty()).then_some(()));
        until("its row says so", || rows(&site.cloakroom, "going").is_empty().then_some(()));
        assert_eq!(site.cloakroom.said(&["not_copied"]), 0, "{:#?}", site.cloakroom.log());
        nothing_is_lost(&site.cloakroom);
        assert!(site.cloakroom.stop());
        configure(&site, &to, &from);
        site.cloakroom.start();
    }
}

#[test]
fn what_finds_no_room_at_the_new_path_stays_at_the_one_before_and_is_placed_when_there_is_room() {
    let mut site = site("");
    let link = master(&site, "a.zip", 1000);
    let mut stubs: Vec<String> = (0..12).map(|customer| name(&click(&site, &link, &format!("customer {customer}")))).collect();
    stubs.sort_unstable();
    let to = elsewhere(&site);
    let mounted = Mounted::at(&to, "size=1m,nr_inodes=8,mode=0755");
    let from = restarted_at(&mut site, &to, |_| {});
    site.cloakroom.logged(&["not_placed", "No space left on device"]);
    let placed = names_in(&to).len();
    assert!((1..12).contains(&placed), "{placed}");
    // Who clicks finds no room either, and loses nothing by it.
    let answers: Vec<u16> = (0..12).map(|customer| clicked(&site, &link, &format!("customer {customer}")).status).collect();
    assert!(answers.contains(&303) && answers.iter().any(|status| status / 100 == 5), "{answers:?}");
    assert_eq!((names_in(&from), rows(&site.cloakroom, "live")), (stubs.clone(), stubs.clone()));
    assert_eq!((rows(&site.cloakroom, "gone").len(), rows(&site.cloakroom, "going").len()), (0, 0));
    assert_eq!(site.cloakroom.said(&["stub_missing"]), 0, "nobody took anything away");
    assert_eq!(site.cloakroom.said(&["not_placed", "again"]), 1, "it is said once: {:#?}", site.cloakroom.log());
    mounted.remount("nr_inodes=200");
    until("all are placed", || (names_in(&to) == stubs).then_some(()));
    assert_eq!((names_in(&from), rows(&site.cloakroom, "live")), (stubs.clone(), stubs));
    nothing_is_lost(&site.cloakroom);
    assert!(site.cloakroom.stop());
    drop(mounted);
}

/// More steps than a move has.
const STEPS_MAX: u32 = 200;

#[test]
fn killed_before_each_step_of_a_move_everything_stays_where_it_was_and_is_placed_at_the_new_path() {
    let mut site = site("");
    let link = master(&site, "a.zip", 1000);
    let mut stubs: Vec<String> = (0..3).map(|customer| name(&click(&site, &link, &format!("customer {customer}")))).collect();
    stubs.sort_unstable();
    assert!(site.cloakroom.stop());
    let (from, to) = (site.nginx.public(), elsewhere(&site));
    configure(&site, &from, &to);
    let kept = fs::read(store(&site.cloakroom)).unwrap();
    for step in 1..STEPS_MAX {
        for name in ["cloakroom.db-wal", "cloakroom.db-shm"] {
            let _ = fs::remove_file(site.cloakroom.state().join(name));
        }
        fs::write(store(&site.cloakroom), &kept).unwrap();
        fs::remove_dir_all(&to).unwrap();
        fs::create_dir(&to).unwrap();
        site.cloakroom.environment = vec![("LD_PRELOAD", STEPS.path().to_owned()), ("CLOAKROOM_KILL_AT", step.to_string())];
        site.cloakroom.launch();
        until("it is killed, or all is placed", || (site.cloakroom.has_ended() || names_in(&to) == stubs).then_some(()));
        let is_over = !site.cloakroom.has_ended() && site.cloakroom.stop();
        site.cloakroom.kill();
        site.cloakroom.environment.clear();
        site.cloakroom.start();
        until(&format!("step {step}: all is placed"), || (names_in(&to) == stubs).then_some(()));
        assert_eq!((names_in(&from), rows(&site.cloakroom, "live")), (stubs.clone(), stubs.clone()), "step {step}");
        nothing_is_lost(&site.cloakroom);
        assert!(site.cloakroom.stop(), "step {step}: it ends well");
        if is_over {
            assert!(step > 9, "only {step} steps: the library does not see them");
            return;
        }
    }
    panic!("a move has more than {STEPS_MAX} steps");
}
