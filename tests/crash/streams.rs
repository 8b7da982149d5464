//! A daemon that sends the bytes itself, on a disk that fails for a while: its own reports wait, and none is lost.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::disk::LIBRARY;
use crate::servers::cloakroom::Cloakroom;
use crate::servers::http::{Download, get};
use crate::servers::{free_port, until};

const SIZE: usize = 1_500_000;

/// A daemon alone, whose disk fails while `control` is there.
struct Alone {
    cloakroom: Cloakroom,
    port: u16,
    control: PathBuf,
    _files: TempDir,
}

impl Alone {
    #[track_caller]
    fn open(policy: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        fs::write(files.path().join("a.zip"), vec![b'a'; SIZE]).unwrap();
        let port = free_port();
        let text = format!(
            "[[listener]]\naddress = \"127.0.0.1:{port}\"\ndialect = \"standalone\"\nserve = \"web\"\n\n\
             [[storage]]\nname = \"masters\"\npath = \"{}\"\n\n\
             [[policy]]\nname = \"default\"\nmethod = [\"stream\"]\nrate = \"1MB/s\"\n{policy}",
            files.path().display()
        );
        let mut cloakroom = Cloakroom::with(&format!("http://127.0.0.1:{port}/dl/"), &text);
        cloakroom.stop();
        let control = cloakroom.state().join("fault");
        cloakroom.environment = vec![("LD_PRELOAD", LIBRARY.path().to_owned()), ("CLOAKROOM_FAULT", control.to_str().unwrap().to_owned())];
        cloakroom.start();
        Self { cloakroom, port, control, _files: files }
    }

    /// A download that runs, of a link of its own.
    #[track_caller]
    fn running(&self) -> Download {
        let url = self.cloakroom.link("masters/a.zip", 3);
        let target = url.strip_prefix(&format!("http://127.0.0.1:{}", self.port)).unwrap();
        let clicked = get(self.port, target, &[]);
        let mut running = Download::open(self.port, "GET", clicked.header("location").unwrap(), &[]);
        running.read(1000);
        assert_eq!(running.answer.status, 200, "{:?}", running.answer);
        running
    }

    fn deliveries(&self) -> Vec<Value> {
        self.cloakroom.json(&["delivery", "list"]).as_array().unwrap().clone()
    }
}

#[track_caller]
fn all_are(alone: &Alone, state: &str, count: usize) {
    until(&format!("{count} deliveries that are {state}"), || {
        let all = alone.deliveries();
        assert!(all.iter().all(|delivery| delivery["state"] == "open" || delivery["state"] == state), "{all:#?}");
        (all.len() == count && all.iter().all(|delivery| delivery["state"] == state)).then_some(())
    });
}

#[test]
fn what_a_stream_sent_while_the_disk_failed_is_completed_and_not_presumed() {
    for fault in ["enospc", "fsync"] {
        // What nobody reported ends as presumed a second after its last request.
        let mut alone = Alone::open("resume_grace = \"1s\"\n");
        let running = [alone.running(), alone.running(), alone.running()];
        fs::write(&alone.control, fault).unwrap();
        for running in running {
            assert_eq!(running.finish().body.len(), SIZE, "{fault}: what runs is not cut");
        }
        alone.cloakroom.logged(&["streams_wait"]);
        let ended = Instant::now();
        until("their grace is over", || (ended.elapsed() > Duration::from_secs(2)).then_some(()));
        assert!(alone.deliveries().iter().all(|delivery| delivery["state"] == "open"), "{fault}: {:#?}", alone.deliveries());
        fs::remove_file(&alone.control).unwrap();
        all_are(&alone, "completed", 3);
        alone.cloakroom.logged(&["streams_settled"]);
        let log = alone.cloakroom.log();
        for event in ["streams_wait", "streams_settled"] {
            assert_eq!(log.iter().filter(|line| line.contains(event)).count(), 1, "{fault}: it is said once: {log:#?}");
        }
        assert!(!log.iter().any(|line| line.contains("presumed") || line.contains("streams_lost")), "{fault}: {log:#?}");
        assert!(alone.cloakroom.stop());
        assert!(alone.cloakroom.command(&["store", "verify"]).status.success(), "{fault}");
    }
}

#[test]
fn an_orderly_stop_brings_what_waits_to_a_disk_that_is_back_in_time_and_says_what_was_lost_otherwise() {
    for comes_back in [true, false] {
        let mut alone = Alone::open("");
        let running = alone.running();
        fs::write(&alone.control, "enospc").unwrap();
        assert_eq!(running.finish().body.len(), SIZE);
        alone.cloakroom.logged(&["streams_wait"]);
        let (control, port) = (alone.control.clone(), alone.port);
        let began = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                if comes_back {
                    until("it takes nobody any more", || TcpStream::connect(("127.0.0.1", port)).is_err().then_some(()));
                    fs::remove_file(&control).unwrap();
                }
            });
            assert!(alone.cloakroom.stop());
        });
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        let lost = alone.cloakroom.log().iter().any(|line| line.contains("streams_lost") && line.contains("lost=1"));
        assert_eq!(lost, !comes_back, "{:#?}", alone.cloakroom.log());
        let _ = fs::remove_file(&alone.control);
        alone.cloakroom.start();
        let state = alone.deliveries()[0]["state"].as_str().unwrap().to_owned();
        assert_eq!(state, if comes_back { "completed" } else { "open" });
    }
}
