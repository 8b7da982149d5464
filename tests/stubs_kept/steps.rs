//! Killed before each single step of placing and taking away, one after the other: afterwards rows and files agree, and no
//! unit is lost or doubled.

use std::fs;
use std::path::Path;
use std::thread;

use rusqlite::Connection;

use crate::pub_directory::{agree, around, names, rows, store};
use crate::servers::compiled::Compiled;
use crate::servers::http::try_get;
use crate::servers::nginx::NginxSetup;
use crate::servers::site::{Site, content};
use crate::servers::{names_in, until};

/// Ends the daemon at a step in a public directory.
pub static STEPS: Compiled = Compiled::of("stubs_kept/steps.c", &["-shared", "-fPIC"]);

/// Hands that work at it at once.
const HANDS: u32 = 2;

/// More steps than the play has.
const STEPS_MAX: u32 = 1000;

const SIZE: usize = 20_000;

/// How far it came.
#[derive(Debug, Default)]
struct Played {
    /// Where the click led.
    to: Option<String>,
    /// Every byte was sent.
    sent: bool,
    /// The grant is withdrawn, and that was answered.
    revoked: bool,
    /// The stub was seen to be gone.
    gone: bool,
}

/// Clicks, fetches, withdraws and waits until the stub is gone, as far as it comes.
fn play(site: &mut Site, link: &str, grant: &str) -> Played {
    let mut played = Played::default();
    let port = site.nginx.port;
    let socket = site.nginx.socket();
    let begun = until("the daemon listens or ends", || {
        if site.cloakroom.has_ended() {
            return Some(false);
        }
        std::os::unix::net::UnixStream::connect(&socket).is_ok().then_some(true)
    });
    if !begun {
        return played;
    }
    let clicked = try_get(port, link).filter(|answer| answer.status == 303);
    played.to = clicked.and_then(|answer| Some(answer.header("location")?.to_owned()));
    let Some(to) = &played.to else { return played };
    played.sent = try_get(port, to).is_some_and(|answer| answer.status == 200 && answer.body.len() == SIZE);
    assert!(played.sent, "what was answered is there: {to}");
    played.revoked = site.cloakroom.command(&["grant", "revoke", grant]).status.success();
    if played.revoked {
        played.gone = until("the stub is gone, or the daemon", || {
            let is_over = names(site).is_empty() && rows(&site.cloakroom, "gone").len() == 1;
            (is_over || site.cloakroom.has_ended()).then_some(is_over)
        });
    }
    played
}

#[test]
fn killed_before_each_step_of_placing_and_taking_away_rows_files_and_units_agree() {
    let played: Vec<(u32, [u32; 4])> = thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS).map(|hand| scope.spawn(move || every_other_step(hand))).collect();
        hands.into_iter().map(|hand| hand.join().unwrap()).collect()
    });
    let steps: u32 = played.iter().map(|(steps, _)| steps).sum();
    let came = |far: usize| played.iter().map(|(_, came)| came[far]).sum::<u32>();
    println!("killed before {steps} steps: {} clicked, {} sent, {} withdrawn, {} gone", came(0), came(1), came(2), came(3));
    assert!(steps > 25, "only {steps} steps: the library does not see them");
    assert!(came(0) > 8 && came(2) > 3, "{played:?}");
}

/// Gives how often it was killed, and how often it had come so far before.
fn every_other_step(hand: u32) -> (u32, [u32; 4]) {
    let mut site = around(&NginxSetup::default(), "", true);
    site.master("a.zip", &content(SIZE));
    let made = site.cloakroom.json(&["grant", "add", "--file", "masters/a.zip", "--max", "1"]);
    // A web server whose upstream dies writes the whole URL into its error log.
    let origin = format!("http://127.0.0.1:{}", site.nginx.port);
    let link = made["url"].as_str().unwrap().strip_prefix(&origin).unwrap().to_owned();
    let grant = made["grant"]["id"].as_str().unwrap().to_owned();
    assert!(site.cloakroom.stop());
    let kept = tempfile::tempdir().unwrap();
    fs::copy(store(&site.cloakroom), kept.path().join("store")).unwrap();
    let (mut killed, mut came) = (0, [0; 4]);
    for step in (1 + hand..STEPS_MAX).step_by(HANDS as usize) {
        begin_again(&mut site, kept.path());
        site.cloakroom.environment = vec![("LD_PRELOAD", STEPS.path().to_owned()), ("CLOAKROOM_KILL_AT", step.to_string())];
        site.cloakroom.launch();
        let played = play(&mut site, &link, &grant);
        if !site.cloakroom.has_ended() && site.cloakroom.stop() {
            assert!(played.gone, "step {step}: it ran to its end: {played:?}");
            site.cloakroom.environment.clear();
            site.cloakroom.start();
            return (killed, came);
        }
        killed += 1;
        for (far, is_there) in [played.to.is_some(), played.sent, played.revoked, played.gone].into_iter().enumerate() {
            came[far] += u32::from(is_there);
        }
        site.cloakroom.kill();
        site.cloakroom.environment.clear();
        site.cloakroom.start();
        assert_kept(&site, step, &played);
        assert!(site.cloakroom.stop(), "step {step}: it ends well");
    }
    panic!("the play has more than {STEPS_MAX} steps");
}

/// The store as it was before the click, and nothing in public.
fn begin_again(site: &mut Site, kept: &Path) {
    site.cloakroom.kill();
    for name in ["cloakroom.db", "cloakroom.db-wal", "cloakroom.db-shm"] {
        let _ = fs::remove_file(site.cloakroom.state().join(name));
    }
    fs::copy(kept.join("store"), store(&site.cloakroom)).unwrap();
    for name in names(site) {
        fs::remove_dir_all(site.nginx.public().join(name)).unwrap();
    }
}

#[track_caller]
fn assert_kept(site: &Site, step: u32, played: &Played) {
    let live = agree(site);
    // What was answered holds; the sweep begins when the log has been read.
    let live = if played.revoked { until("it is withdrawn", || Some(agree(site)).filter(Vec::is_empty)) } else { live };
    assert!(names_in(&site.nginx.public().join(".cloakroom")).is_empty(), "step {step}: nothing is half done");
    let used = until(&format!("step {step}: the unit"), || {
        let database = Connection::open(store(&site.cloakroom)).unwrap();
        let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap_or(0);
        let (used, open) = (count("SELECT sum(used) FROM counts"), count("SELECT count(*) FROM deliveries WHERE state = 'open'"));
        assert!(used + open <= 1, "step {step}: {used} used and {open} open");
        assert_eq!(used + open >= 1, played.to.is_some() || used + open >= 1, "step {step}: {played:?}");
        // What was sent is reported, and settled by whoever reads the log.
        (!played.sent || used == 1).then_some(used)
    });
    assert_eq!(used == 1, played.sent, "step {step}: {played:?}");
    match (&played.to, played.revoked) {
        (_, true) => assert!(live.is_empty(), "step {step}: {played:?}"),
        (Some(to), false) => {
            // The command may have been done and not been answered.
            assert!(live.len() <= 1 && live.iter().all(|name| to.contains(name.as_str())), "step {step}: {played:?}");
        }
        (None, _) => assert!(live.len() <= 1, "step {step}: {played:?}"),
    }
}
