//! How copies are made: on file systems that share blocks and on others, where there is no room, where the master changes,
//! and where the daemon dies in the middle.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::disks::{Disk, run};
use crate::servers::cloakroom::Cloakroom;
use crate::servers::site::content;
use crate::servers::{names_in, until};
use crate::shop::{aside, copies, grant, until_copy, until_trouble};

/// A daemon that nobody asks for bytes, with masters and copies in these places.
pub fn daemon(masters: &Path, goods: &Path, directory: &str) -> Cloakroom {
    daemon_with(masters, goods, directory, "")
}

/// The same with more about its policy.
pub fn daemon_with(masters: &Path, goods: &Path, directory: &str, policy: &str) -> Cloakroom {
    let text = format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\ndialect = \"standalone\"\n\n\
         [[storage]]\nname = \"masters\"\npath = \"{}\"\ncopy = \"goods\"\n\n\
         [[directory]]\nname = \"goods\"\npath = \"{}\"\nurl = \"/goods/\"\n{directory}\n\
         [[policy]]\nname = \"default\"\nmethod = [\"copy\"]\nmax_downloads = \"unlimited\"\n{policy}\n",
        masters.display(),
        goods.display()
    );
    Cloakroom::with("http://127.0.0.1:9/dl/", &text)
}

/// Two directories on one file system without shared blocks, and what keeps them.
pub fn plain() -> (TempDir, PathBuf, PathBuf) {
    let root = TempDir::new().unwrap();
    let [masters, goods] = ["masters", "goods"].map(|name| root.path().join(name));
    fs::create_dir(&masters).unwrap();
    fs::create_dir(&goods).unwrap();
    (root, masters, goods)
}

/// The one copy that lies there, whole.
#[track_caller]
pub fn only(goods: &Path) -> PathBuf {
    let names = names_in(goods);
    assert_eq!((names.len(), aside(goods)), (1, Vec::new()), "{names:?}");
    goods.join(&names[0])
}

/// What `sha256sum` prints of a file.
pub fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_once(' ').unwrap().0.to_owned()
}

#[track_caller]
pub fn assert_alike(copy: &Path, master: &Path) {
    let (copied, of) = (copy.metadata().unwrap(), master.metadata().unwrap());
    assert_eq!((copied.len(), copied.mtime(), copied.mtime_nsec()), (of.len(), of.mtime(), of.mtime_nsec()));
    assert!(fs::read(copy).unwrap() == fs::read(master).unwrap());
}

fn assert_shares_blocks(disk: &Disk) {
    let (masters, goods) = (disk.directory("masters"), disk.directory("goods"));
    let master = masters.join("a.zip");
    fs::write(&master, content(20 << 20)).unwrap();
    // Hard links come after: they would change with the master.
    let cloakroom = daemon_with(&masters, &goods, "hard_links = true\n", "version = \"purchased\"");
    // What is written is on the disk before it is looked at.
    rustix::fs::sync();
    let room = || rustix::fs::statvfs(&goods).map(|disk| disk.f_bavail * disk.f_frsize).unwrap();
    let before = room();
    let ids: Vec<String> = (0..8).map(|_| grant(&cloakroom, "masters/a.zip", &[])).collect();
    for id in &ids {
        assert_eq!(until_copy(&cloakroom, id, "live")["how"], "reflink");
    }
    assert!(before.saturating_sub(room()) < 20 << 20, "eight copies of 20 MiB take less room than one");
    let copies = names_in(&goods);
    assert_eq!(copies.len(), 8);
    let copy = goods.join(&copies[0]);
    assert_alike(&copy, &master);
    assert_ne!(copy.metadata().unwrap().ino(), master.metadata().unwrap().ino());
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
    let first = fs::read(&copy).unwrap();
    OpenOptions::new().write(true).open(&master).unwrap().write_all(b"changed in place").unwrap();
    assert!(fs::read(&copy).unwrap() == first, "a copy is one of its own");
}

#[test]
fn on_xfs_a_copy_shares_the_blocks_of_its_master() {
    assert_shares_blocks(&Disk::xfs());
}

#[test]
fn on_btrfs_a_copy_shares_the_blocks_of_its_master() {
    assert_shares_blocks(&Disk::btrfs());
}

#[test]
fn a_hard_link_is_made_only_where_it_is_allowed_and_leaves_the_master_as_it_is() {
    for (allowed, how, links) in [("", "copied", 1), ("hard_links = true\n", "hard-link", 2)] {
        let (_root, masters, goods) = plain();
        let master = masters.join("a.zip");
        fs::write(&master, content(1000)).unwrap();
        let cloakroom = daemon(&masters, &goods, allowed);
        let id = grant(&cloakroom, "masters/a.zip", &[]);
        let told = until_copy(&cloakroom, &id, "live");
        assert_eq!((told["how"].as_str(), told["sha256"].as_str()), (Some(how), (links == 1).then(|| sha256(&master)).as_deref()));
        let copy = only(&goods);
        assert_alike(&copy, &master);
        assert_eq!(master.metadata().unwrap().nlink(), links);
        assert_eq!(copy.metadata().unwrap().ino() == master.metadata().unwrap().ino(), links == 2);
        cloakroom.say(&["grant", "revoke", &id]);
        until_copy(&cloakroom, &id, "gone");
        assert_eq!((names_in(&goods).len(), aside(&goods).len()), (0, 0));
        assert_eq!((fs::read(&master).unwrap(), master.metadata().unwrap().nlink()), (content(1000), 1));
    }
}

#[test]
fn where_the_system_forbids_a_hard_link_bytes_are_copied() {
    const NOBODY: u32 = 65_534;
    assert_eq!(fs::read_to_string("/proc/sys/fs/protected_hardlinks").unwrap().trim(), "1", "Debian's setting");
    let (root, masters, goods) = plain();
    let master = masters.join("a.zip");
    fs::write(&master, content(1000)).unwrap();
    let mut cloakroom = daemon(&masters, &goods, "hard_links = true\n");
    cloakroom.stop();
    // The daemon may read the master, and neither owns nor writes it.
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for path in [&goods, &goods.join(".cloakroom")] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    run("chown", &["-R", &NOBODY.to_string(), cloakroom.state().to_str().unwrap()]);
    cloakroom.runs_as = Some(NOBODY);
    cloakroom.start();
    let id = grant(&cloakroom, "masters/a.zip", &[]);
    assert_eq!(until_copy(&cloakroom, &id, "live")["how"], "copied");
    assert_alike(&only(&goods), &master);
    assert_eq!(master.metadata().unwrap().nlink(), 1);
}

#[test]
fn a_copy_on_another_file_system_is_made_when_there_is_room() {
    let (_root, masters, _) = plain();
    let disk = Disk::memory(2);
    let goods = disk.directory("goods");
    let master = masters.join("a.zip");
    fs::write(&master, content(5 << 20)).unwrap();
    fs::write(masters.join("small.zip"), content(1000)).unwrap();
    let cloakroom = daemon(&masters, &goods, "hard_links = true\n");
    let id = grant(&cloakroom, "masters/a.zip", &[]);
    until_trouble(&cloakroom, &id, "No space left on device");
    cloakroom.logged(&["ERROR", "not_copied", &id, "No space left on device"]);
    assert_eq!((names_in(&goods), aside(&goods)), (Vec::new(), Vec::new()), "nothing is left behind");
    // One that waits for room keeps no other from being made.
    let small = grant(&cloakroom, "masters/small.zip", &[]);
    assert_eq!(until_copy(&cloakroom, &small, "live")["how"], "copied");

    // The master goes, and comes back.
    let away = masters.join("away");
    fs::rename(&master, &away).unwrap();
    until_trouble(&cloakroom, &id, "there is no such file");
    fs::rename(&away, &master).unwrap();
    disk.grow(16);
    assert_eq!(until_copy(&cloakroom, &id, "live")["trouble"], serde_json::Value::Null);
    assert_eq!((names_in(&goods).len(), aside(&goods).len()), (2, 0));
    let copy = names_in(&goods).into_iter().find(|name| name.starts_with("a-")).unwrap();
    assert_alike(&goods.join(copy), &master);
}

const LARGE_BYTES: u64 = 1 << 30;

/// Long enough to be met while it is copied; its bytes are holes but for its ends.
pub fn large(path: &Path, mark: &[u8]) {
    let mut file = File::create(path).unwrap();
    file.set_len(LARGE_BYTES).unwrap();
    file.write_all(mark).unwrap();
    file.seek(SeekFrom::Start(LARGE_BYTES - mark.len() as u64)).unwrap();
    file.write_all(mark).unwrap();
}

/// Whether it is a whole copy of what [`large`] made.
pub fn is_whole(path: &Path, mark: &[u8]) -> bool {
    let mut file = File::open(path).unwrap();
    let [mut first, mut last] = [vec![0; mark.len()], vec![0; mark.len()]];
    file.read_exact(&mut first).unwrap();
    file.seek(SeekFrom::End(-i64::try_from(mark.len()).unwrap())).unwrap();
    file.read_exact(&mut last).unwrap();
    file.metadata().unwrap().len() == LARGE_BYTES && first == mark && last == mark
}

fn each_is(goods: &Path, mark: &[u8]) -> bool {
    names_in(goods).iter().all(|name| is_whole(&goods.join(name), mark))
}

/// Writes other ends into it, in its place.
fn mark(path: &Path, mark: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all(mark).unwrap();
    file.seek(SeekFrom::End(-i64::try_from(mark.len()).unwrap())).unwrap();
    file.write_all(mark).unwrap();
}

/// Waits until a copy is being made, some of whose bytes are there.
#[track_caller]
pub fn until_half(goods: &Path) -> PathBuf {
    until("a half copy", || {
        let half = goods.join(".cloakroom").join(aside(goods).first()?);
        (half.metadata().ok()?.len() > 0).then_some(half)
    })
}

/// A daemon that stands still in the middle of a copy. Goes on with this value's end.
struct Halted(Pid);

impl Halted {
    /// Stops it while it copies; `None` where it was quicker.
    fn now(cloakroom: &Cloakroom, goods: &Path) -> Option<Self> {
        let half = until_half(goods);
        let pid = Pid::from_raw(i32::try_from(cloakroom.pid()).unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        let halted = Self(pid);
        until("it stands still", || {
            let mut tasks = fs::read_dir(format!("/proc/{}/task", cloakroom.pid())).unwrap();
            let stands = |status: String| status.lines().any(|line| line.starts_with("State:\tT"));
            tasks.all(|task| fs::read_to_string(task.unwrap().path().join("status")).is_ok_and(stands)).then_some(())
        });
        half.metadata().is_ok_and(|half| half.len() < LARGE_BYTES).then_some(halted)
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        kill_process(self.0, Signal::CONT).unwrap();
    }
}

/// Makes copies until one is met in its middle, does this to the master then, and gives the grant.
#[track_caller]
fn in_the_middle(cloakroom: &Cloakroom, goods: &Path, change: impl FnOnce()) -> String {
    for _ in 0..20 {
        let id = grant(cloakroom, "masters/a.iso", &[]);
        if let Some(_halted) = Halted::now(cloakroom, goods) {
            change();
            return id;
        }
        until_copy(cloakroom, &id, "live");
    }
    panic!("no copy was met in its middle");
}

#[test]
fn a_daemon_that_dies_in_the_middle_makes_the_copy_whole_at_its_next_start() {
    let (_root, masters, goods) = plain();
    large(&masters.join("a.iso"), b"marked");
    let mut cloakroom = daemon(&masters, &goods, "");
    let id = grant(&cloakroom, "masters/a.iso", &[]);
    let half = until_half(&goods);
    let seen = copies(&cloakroom, &id);
    cloakroom.kill();
    assert_eq!(names_in(&goods), Vec::<String>::new(), "nobody sees half a copy");
    assert!(half.exists() && seen[0]["state"] == "preparing", "{seen:?}");
    let (done, total) = (seen[0]["copied"][0].as_u64().unwrap(), seen[0]["copied"][1].as_u64().unwrap());
    assert!(done <= total && total == 1 << 30, "{seen:?}");
    cloakroom.start();
    until_copy(&cloakroom, &id, "live");
    assert!(is_whole(&only(&goods), b"marked"));

    // Told to stop, it leaves nothing behind.
    let second = grant(&cloakroom, "masters/a.iso", &[]);
    until_half(&goods);
    assert!(cloakroom.stop());
    assert_eq!((names_in(&goods).len(), aside(&goods)), (1, Vec::new()));
    cloakroom.start();
    until_copy(&cloakroom, &second, "live");
}

#[test]
fn a_master_that_changes_while_it_is_copied_is_copied_again() {
    let (_root, masters, goods) = plain();
    let master = masters.join("a.iso");
    large(&master, b"first.");
    let cloakroom = daemon(&masters, &goods, "");
    let next = masters.join("next");
    large(&next, b"second");
    let id = in_the_middle(&cloakroom, &goods, || fs::rename(&next, &master).unwrap());
    cloakroom.logged(&["not_copied", &id, "the master changed while it was copied"]);
    until_copy(&cloakroom, &id, "live");
    until("each copy is of the second version", || each_is(&goods, b"second").then_some(()));

    // In place, by a byte.
    let id = in_the_middle(&cloakroom, &goods, || mark(&master, b"third."));
    cloakroom.logged(&["not_copied", &id, "the master changed while it was copied"]);
    until_copy(&cloakroom, &id, "live");
    until("each copy is of the third version", || each_is(&goods, b"third.").then_some(()));
}

#[test]
fn a_master_that_changes_while_it_is_copied_and_has_its_time_set_back_is_found_by_its_bytes() {
    let (_root, masters, goods) = plain();
    let master = masters.join("a.iso");
    large(&master, b"first.");
    let time = master.metadata().unwrap().modified().unwrap();
    let cloakroom = daemon(&masters, &goods, "");
    let id = in_the_middle(&cloakroom, &goods, || {
        // The first bytes are copied already.
        mark(&master, b"frost.");
        OpenOptions::new().write(true).open(&master).unwrap().set_modified(time).unwrap();
    });
    assert_eq!(master.metadata().unwrap().modified().unwrap(), time);
    cloakroom.logged(&["ERROR", "not_copied", &id, "differs from the master at byte 1", "it is tried again"]);
    let told = until_copy(&cloakroom, &id, "live");
    let copy = goods.join(Path::new(told["url"].as_str().unwrap()).file_name().unwrap());
    assert!(is_whole(&copy, b"frost.") && aside(&goods).is_empty());
    let sha256 = sha256(&master);
    assert_eq!((told["how"].as_str(), told["sha256"].as_str()), (Some("copied"), Some(sha256.as_str())));
    // The same wherever it is told.
    let listed = cloakroom.json(&["stub", "list"]);
    let mut ours = listed["placed"].as_array().unwrap().iter().filter(|placed| placed["grant_id"] == id.as_str());
    assert_eq!(ours.next().unwrap()["sha256"].as_str(), Some(sha256.as_str()), "{listed}");
    let explained = cloakroom.say(&["explain", copy.to_str().unwrap()]);
    assert!(explained.contains(&format!("sha-256 {sha256}")), "{explained}");
}

#[test]
fn a_master_that_is_taken_away_while_it_is_copied_leaves_nothing_behind_and_is_copied_once_it_is_back() {
    let (_root, masters, goods) = plain();
    let (master, away) = (masters.join("a.iso"), masters.join("away"));
    large(&master, b"marked");
    let cloakroom = daemon(&masters, &goods, "");
    for remove in [|master: &Path, away: &Path| fs::rename(master, away), |master: &Path, _: &Path| fs::remove_file(master)] {
        let id = in_the_middle(&cloakroom, &goods, || remove(&master, &away).unwrap());
        let before = names_in(&goods);
        cloakroom.logged(&["ERROR", "not_copied", &id, "the master was taken away while it was copied", "it is tried again"]);
        until_trouble(&cloakroom, &id, "there is no such file");
        assert_eq!((names_in(&goods), aside(&goods)), (before, Vec::new()), "nothing is left behind");
        if away.exists() {
            fs::rename(&away, &master).unwrap();
        } else {
            large(&master, b"marked");
        }
        until_copy(&cloakroom, &id, "live");
    }
    until("all of them are whole", || (each_is(&goods, b"marked") && aside(&goods).is_empty()).then_some(()));
    assert!(names_in(&goods).len() >= 2);
}

#[test]
fn what_others_put_in_the_place_of_a_copy_stays() {
    let (_root, masters, goods) = plain();
    fs::write(masters.join("a.zip"), content(1000)).unwrap();
    let cloakroom = daemon(&masters, &goods, "");
    let id = grant(&cloakroom, "masters/a.zip", &[]);
    until_copy(&cloakroom, &id, "live");
    let copy = only(&goods);
    fs::remove_file(&copy).unwrap();
    fs::create_dir(&copy).unwrap();
    fs::write(copy.join("theirs"), "x").unwrap();
    cloakroom.say(&["grant", "revoke", &id]);
    cloakroom.logged(&["foreign_file"]);
    assert_eq!(fs::read_to_string(copy.join("theirs")).unwrap(), "x");
    // It may have been on its way to be made again.
    until("nothing is half done", || aside(&goods).is_empty().then_some(()));
    assert_eq!(fs::read_to_string(copy.join("theirs")).unwrap(), "x");
}
