//! Downloads are counted by Apache's lines: read from the log, over a rotation, and through a pipe.

use std::fs;

use crate::server::{Apache, Ground, Setup};
use crate::servers::cloakroom::Cloakroom;
use crate::servers::free_port;
use crate::servers::http::{Download, ask, get};
use crate::servers::program::Program;
use crate::servers::until;

const MIB: usize = 1024 * 1024;

/// A shop whose downloads lie in a public directory of Apache's, which sends 400 KiB a second.
struct Shop {
    // Apache ends before the daemon that it reports to.
    apache: Apache,
    cloakroom: Cloakroom,
    goods: Vec<u8>,
}

/// How lines get from Apache to the daemon.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Log,
    Pipe,
}

impl Shop {
    #[track_caller]
    fn open(way: Way) -> Self {
        let goods: Vec<u8> = (0..MIB).map(|at| u8::try_from(at / 7 % 251).unwrap()).collect();
        for _ in 0..5 {
            let ground = Ground::new();
            let (home, port) = (ground.home().display().to_string(), free_port());
            fs::write(ground.home().join("masters/album.zip"), &goods).unwrap();
            let feed = match way {
                Way::Log => format!("access_log = \"{home}/cloakroom.log\""),
                Way::Pipe => "from = \"api\"".to_owned(),
            };
            let cloakroom = Cloakroom::with(
                &format!("http://127.0.0.1:{}/dl/", ground.port),
                &format!(
                    "[[listener]]\naddress = \"127.0.0.1:{port}\"\ndialect = \"standalone\"\nserve = \"web\"\n\n\
                     [[storage]]\nname = \"masters\"\npath = \"{home}/masters\"\nstub = \"pub\"\n\n\
                     [[directory]]\nname = \"pub\"\npath = \"{home}/pub\"\nurl = \"/pub/\"\n\n\
                     [[policy]]\nname = \"default\"\nmethod = [\"stub\"]\n\n[feed]\n{feed}\n"
                ),
            );
            let pipe = Program::named_in(&format!("|PROGRAM --config {} feed --piped", cloakroom.config().display()), "PROGRAM");
            let to = |home: &std::path::Path| match way {
                Way::Log => home.join("cloakroom.log").display().to_string(),
                Way::Pipe => pipe.clone(),
            };
            let more = format!("ProxyPass /dl/ http://127.0.0.1:{port}/dl/\n");
            if let Some(apache) = ground.start(&Setup { to: &to, more: &more }) {
                return Self { apache, cloakroom, goods };
            }
        }
        panic!("no free port");
    }

    /// Clicks on a new link; where that leads.
    #[track_caller]
    fn click(&self) -> String {
        let origin = format!("http://127.0.0.1:{}", self.apache.port);
        let link = self.cloakroom.link("masters/album.zip", 1);
        let clicked = get(self.apache.port, link.strip_prefix(&origin).unwrap(), &[]);
        assert_eq!(clicked.status, 303, "{clicked:?}");
        let to = clicked.header("location").unwrap();
        to.strip_prefix(&origin).unwrap_or(to).to_owned()
    }

    fn download(&self, to: &str) -> Download {
        let download = Download::open(self.apache.port, "GET", to, &[]);
        assert_eq!(download.answer.status, 200, "{to}");
        download
    }

    #[track_caller]
    fn completed(&self, deliveries: usize) {
        until("the completed downloads", || {
            let completed = self.cloakroom.states().iter().filter(|state| *state == "completed").count();
            (completed >= deliveries).then_some(())
        });
    }

    /// How many processes of `cloakroom feed` there are for this daemon.
    fn feeds(&self) -> usize {
        let config = self.cloakroom.config().display().to_string();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let commands = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
        commands
            .filter(|command| {
                let words: Vec<&[u8]> = command.split(|&byte| byte == 0).collect();
                words.contains(&config.as_bytes()) && words.contains(&b"feed".as_slice())
            })
            .count()
    }
}

#[test]
fn a_download_that_breaks_off_and_goes_on_is_one_download() {
    let shop = Shop::open(Way::Log);
    let to = shop.click();
    let mut first = shop.download(&to);
    first.read(MIB / 2);
    let had = first.answer.body.clone();
    drop(first);
    until("its line", || (!shop.apache.lines().is_empty()).then_some(()));
    assert_eq!(shop.cloakroom.states(), ["open"]);
    let range = format!("bytes={}-", had.len());
    let rest = Download::open(shop.apache.port, "GET", &to, &[("Range", range.as_str())]).finish();
    assert!([had, rest.body].concat() == shop.goods);
    shop.completed(1);
    assert!(!shop.cloakroom.log().iter().any(|line| line.contains("not understood")), "{:#?}", shop.cloakroom.log());
}

#[test]
fn a_download_that_outlives_a_rotation_is_counted_by_its_line_in_the_old_log() {
    let shop = Shop::open(Way::Log);
    let (slow, quick) = (shop.click(), shop.click());
    let mut running = shop.download(&slow);
    running.read(1000);
    // What logrotate does: it renames, makes a new one, and reloads Apache.
    let (log, old) = (shop.apache.log(), shop.apache.home().join("cloakroom.log.1"));
    fs::rename(&log, &old).unwrap();
    fs::write(&log, "").unwrap();
    let before = fs::metadata(&old).unwrap().len();
    shop.apache.reload();
    // The old child accepts for a moment longer. Who looks takes nothing.
    until("a line of the new one in the new log", || {
        assert_eq!(ask(shop.apache.port, "HEAD", &quick, &[]).status, 200);
        (!shop.apache.lines().is_empty()).then_some(())
    });
    assert!(shop.download(&quick).finish().body == shop.goods);
    shop.completed(1);
    assert!(running.finish().body == shop.goods);
    shop.completed(2);
    assert!(fs::metadata(&old).unwrap().len() > before, "the old child wrote into the old log");
}

#[test]
fn a_pipe_is_a_feed_over_a_reload_and_over_the_daemons_end() {
    let mut shop = Shop::open(Way::Pipe);
    // Two hosts have two logs each.
    let at_start = 4;
    until("the feeds", || (shop.feeds() == at_start).then_some(()));
    let (slow, quick, later) = (shop.click(), shop.click(), shop.click());
    let mut running = shop.download(&slow);
    running.read(1000);
    shop.apache.reload();
    // The first ones wait for those who still write.
    until("the next feed", || (shop.feeds() > at_start).then_some(()));
    assert!(shop.download(&quick).finish().body == shop.goods);
    shop.completed(1);
    assert!(running.finish().body == shop.goods);
    shop.completed(2);
    until("the end of the first ones", || (shop.feeds() == at_start).then_some(()));
    // While the daemon is away, files are served and lines wait.
    assert!(shop.cloakroom.stop());
    assert!(shop.download(&later).finish().body == shop.goods);
    until("a word about it", || shop.apache.error_log().contains("lines wait here until it answers").then_some(()));
    shop.cloakroom.start();
    shop.completed(3);
    println!("{}", shop.apache.error_log());
}
