//! Killed before each single step of making a copy, showing it, exchanging it for one of a new version and taking it away,
//! one after the other, in each way of copying: nobody ever sees a part of a copy, and afterwards rows and files agree.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::disks::Disk;
use crate::filling::{daemon, plain, sha256};
use crate::servers::cloakroom::Cloakroom;
use crate::servers::compiled::Compiled;
use crate::servers::site::content;
use crate::servers::{names_in, until};
use crate::shop::aside;

/// Ends the daemon at a step of copying.
static STEPS: Compiled = Compiled::of("stubs_kept/steps.c", &["-DCOPIES", "-shared", "-fPIC"]);

/// More steps than the play has.
const STEPS_MAX: u32 = 1000;

/// The two versions of the master.
const SIZES: [usize; 2] = [20_000, 30_000];

/// Where it is played, in one way of copying.
struct Stage {
    how: &'static str,
    masters: PathBuf,
    goods: PathBuf,
    directory: &'static str,
    _kept: (Option<TempDir>, Option<Disk>),
}

impl Stage {
    fn new(how: &'static str) -> Self {
        let directory = if how == "hard-link" { "hard_links = true\n" } else { "" };
        if how == "reflink" {
            let disk = Disk::xfs();
            return Self { how, masters: disk.directory("masters"), goods: disk.directory("goods"), directory, _kept: (None, Some(disk)) };
        }
        let (root, masters, goods) = plain();
        Self { how, masters, goods, directory, _kept: (Some(root), None) }
    }

    fn master(&self) -> PathBuf {
        self.masters.join("a.zip")
    }

    /// Puts a version of the master into its place.
    fn put(&self, version: usize) {
        let next = self.masters.join("next");
        fs::write(&next, content(SIZES[version])).unwrap();
        fs::rename(&next, self.master()).unwrap();
    }

    /// What lies in public, each of it whole: of which versions it is.
    #[track_caller]
    fn seen(&self, step: u32) -> Vec<usize> {
        // What is ours may be exchanged, or go, while we look.
        let bytes = names_in(&self.goods).into_iter().filter_map(|name| fs::read(self.goods.join(name)).ok());
        let version = |bytes: Vec<u8>| {
            let version = SIZES.iter().position(|size| bytes == content(*size));
            version.unwrap_or_else(|| panic!("{} step {step}: {} bytes that are no version of the master", self.how, bytes.len()))
        };
        bytes.map(version).collect()
    }
}

/// How far it came.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that happened or not")]
struct Played {
    /// The grant's id and the URL of its copy were answered.
    sold: Option<(String, String)>,
    /// The copy is there, and its row says so.
    live: bool,
    /// The master is of the second version.
    replaced: bool,
    /// So is the copy, and its row says so.
    followed: bool,
    /// The grant is withdrawn, and that was answered.
    revoked: bool,
    /// The copy is gone, and its row says so.
    gone: bool,
}

impl Played {
    const PARTS: usize = 6;

    fn came(&self) -> [bool; Self::PARTS] {
        [self.sold.is_some(), self.live, self.replaced, self.followed, self.revoked, self.gone]
    }
}

/// What a command prints as JSON, unless the daemon has ended.
fn told(cloakroom: &Cloakroom, arguments: &[&str]) -> Option<Value> {
    let output = cloakroom.command(&[arguments, &["--json"]].concat());
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

/// Waits until the copy of the grant stands so, or the daemon has ended.
#[track_caller]
fn stands(cloakroom: &mut Cloakroom, grant: &str, is_so: impl Fn(&Value) -> bool) -> bool {
    until("the copy, or the end of the daemon", || {
        let page = told(cloakroom, &["grant", "show", grant]);
        let is_so = page.is_some_and(|page| page["copies"].as_array().is_some_and(|copies| copies.first().is_some_and(&is_so)));
        (is_so || cloakroom.has_ended()).then_some(is_so)
    })
}

/// Sells, waits for the copy, replaces the master, waits for the next copy, withdraws, and waits until it is gone, as far as it comes.
fn play(stage: &Stage, cloakroom: &mut Cloakroom, step: u32) -> Played {
    let mut played = Played::default();
    let begun = until("the daemon answers or ends", || {
        let answers = cloakroom.command(&["delivery", "list"]).status.success();
        (answers || cloakroom.has_ended()).then_some(answers)
    });
    let sold = begun.then(|| told(cloakroom, &["grant", "add", "--file", "masters/a.zip"])).flatten();
    let Some(sold) = sold else { return played };
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let (grant, url) = (word(&sold["grant"]["id"]), word(&sold["copy"]["url"]));
    played.sold = Some((grant.clone(), url));
    played.live = stands(cloakroom, &grant, |copy| copy["state"] == "live");
    if !played.live {
        return played;
    }
    assert_eq!(stage.seen(step), [0], "step {step}: what is said to be there is there");
    stage.put(1);
    played.replaced = true;
    played.followed = stands(cloakroom, &grant, |copy| copy["state"] == "live" && copy["size"] == SIZES[1]);
    if !played.followed {
        return played;
    }
    assert_eq!(stage.seen(step), [1], "step {step}: what is said to be of the second version is");
    played.revoked = cloakroom.command(&["grant", "revoke", &grant]).status.success();
    played.gone = played.revoked && stands(cloakroom, &grant, |copy| copy["state"] == "gone");
    played
}

/// After the next start: what is remembered, what lies in public and what was answered agree.
#[track_caller]
fn assert_kept(stage: &Stage, cloakroom: &Cloakroom, step: u32, played: &Played) {
    let Stage { how, masters, goods, .. } = stage;
    let listed = cloakroom.json(&["grant", "list"]);
    let grants = listed["grants"].as_array().or_else(|| listed.as_array()).unwrap();
    assert!(grants.len() <= 1 && (played.sold.is_none() || grants.len() == 1), "{how} step {step}: {listed} {played:?}");
    let links = |copies: u64| assert_eq!(stage.master().metadata().unwrap().nlink(), 1 + if *how == "hard-link" { copies } else { 0 });
    let Some(grant) = grants.first() else {
        assert_eq!((names_in(goods), aside(goods)), (Vec::new(), Vec::new()), "{how} step {step}: a file that nobody knows of");
        links(0);
        return;
    };
    let id = grant["id"].as_str().unwrap();
    let version = usize::from(played.replaced);
    let sha256 = sha256(&stage.master());
    let page = until(&format!("{how} step {step}: rows and files agree: {played:?}"), || {
        let page = cloakroom.json(&["grant", "show", id]);
        let copies = page["copies"].as_array().unwrap();
        assert_eq!(copies.len(), 1, "{how} step {step}: {page}");
        let (copy, is_over) = (&copies[0], page["state"] == "revoked");
        let is_right = if is_over {
            copy["state"] == "gone" && names_in(goods).is_empty()
        } else {
            let is_its_version = copy["size"] == SIZES[version] && stage.seen(step) == [version];
            let is_made = copy["how"] == *how || copy["how"] == "found";
            let has_sum = copy["sha256"].as_str().map_or(*how != "copied", |told| told == sha256);
            copy["state"] == "live" && is_its_version && is_made && has_sum
        };
        (is_right && aside(goods).is_empty()).then_some(page)
    });
    let is_over = page["state"] == "revoked";
    assert!(is_over || !played.revoked, "{how} step {step}: {page} {played:?}");
    let copies = u64::from(!is_over);
    assert!(names_in(goods).len() as u64 == copies && names_in(masters) == ["a.zip"], "{how} step {step}");
    links(copies);
    assert!(fs::read(stage.master()).unwrap() == content(SIZES[version]), "{how} step {step}: the master");
    if let Some((_, url)) = &played.sold {
        assert_eq!(page["copies"][0]["url"], url.as_str(), "{how} step {step}: customers have its address");
    }
}

/// The store as it was before anything was sold, nothing in public, and the first version of the master.
fn begin_again(stage: &Stage, cloakroom: &mut Cloakroom, kept: &Path) {
    cloakroom.kill();
    for name in ["cloakroom.db", "cloakroom.db-wal", "cloakroom.db-shm"] {
        let _ = fs::remove_file(cloakroom.state().join(name));
    }
    fs::copy(kept, cloakroom.state().join("cloakroom.db")).unwrap();
    for name in names_in(&stage.goods) {
        fs::remove_file(stage.goods.join(name)).unwrap();
    }
    assert_eq!(aside(&stage.goods), Vec::<String>::new());
    stage.put(0);
}

/// Gives how often it was killed, and how often it had come so far before.
fn each_step(how: &'static str) -> (u32, [u32; Played::PARTS]) {
    let stage = Stage::new(how);
    stage.put(0);
    let mut cloakroom = daemon(&stage.masters, &stage.goods, stage.directory);
    assert!(cloakroom.stop());
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("store");
    fs::copy(cloakroom.state().join("cloakroom.db"), &kept).unwrap();
    let mut came = [0; Played::PARTS];
    for step in 1..STEPS_MAX {
        begin_again(&stage, &mut cloakroom, &kept);
        cloakroom.environment = vec![("LD_PRELOAD", STEPS.path().to_owned()), ("CLOAKROOM_KILL_AT", step.to_string())];
        cloakroom.launch();
        let played = play(&stage, &mut cloakroom, step);
        stage.seen(step);
        let is_whole = !cloakroom.has_ended() && cloakroom.stop();
        cloakroom.kill();
        stage.seen(step);
        cloakroom.environment.clear();
        cloakroom.start();
        assert_kept(&stage, &cloakroom, step, &played);
        if is_whole {
            assert!(played.gone, "{how} step {step}: it ran to its end: {played:?}");
            return (step - 1, came);
        }
        for (far, is_there) in played.came().into_iter().enumerate() {
            came[far] += u32::from(is_there);
        }
        assert!(cloakroom.stop(), "{how} step {step}: it ends well");
    }
    panic!("the play has more than {STEPS_MAX} steps");
}

#[test]
fn killed_before_each_step_of_making_showing_following_and_taking_away_nobody_sees_a_part_and_rows_and_files_agree() {
    thread::scope(|scope| {
        let hands = ["copied", "hard-link", "reflink"].map(|how| (how, scope.spawn(move || each_step(how))));
        for (how, hand) in hands {
            let (steps, came) = hand.join().unwrap();
            let [sold, live, _, followed, revoked, gone] = came;
            println!(
                "{how}: killed before {steps} steps: {sold} sold, {live} there, {followed} followed, {revoked} withdrawn, {gone} gone"
            );
            assert!(steps > 40, "{how}: only {steps} steps: the library does not see them");
            assert!(sold - live > 5 && live - followed > 5 && revoked > 3, "{how}: {came:?}");
        }
    });
}
