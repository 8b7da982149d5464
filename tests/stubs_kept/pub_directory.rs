//! A site with stubs, and what lies in its public directory.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::Instant;

use crate::servers::cloakroom::Cloakroom;
use crate::servers::http::Answer;
use crate::servers::nginx::NginxSetup;
use crate::servers::site::{Site, content};
use crate::servers::{names_in, until};

/// A site whose files travel by stub.
#[track_caller]
pub fn site(policy: &str) -> Site {
    around(&NginxSetup::default(), policy, true)
}

/// The same, with more in nginx's configuration; reports come from its log if `is_measured`.
#[track_caller]
pub fn around(setup: &NginxSetup, policy: &str, is_measured: bool) -> Site {
    Site::with_stubs(setup, &format!("method = [\"stub\"]\n{policy}"), is_measured)
}

/// A link of a new grant.
#[track_caller]
pub fn link(site: &Site, file: &str, max: u32) -> String {
    site.target(&site.cloakroom.link(&format!("masters/{file}"), max))
}

/// Puts a master of `length` bytes in its place and gives a link of it.
#[track_caller]
pub fn master(site: &Site, file: &str, length: usize) -> String {
    site.master(file, &content(length));
    link(site, file, 1000)
}

/// Clicks as a client of its own; where the click leads.
#[track_caller]
pub fn click(site: &Site, link: &str, agent: &str) -> String {
    let answer = clicked(site, link, agent);
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

/// Clicks as a client of its own.
#[track_caller]
pub fn clicked(site: &Site, link: &str, agent: &str) -> Answer {
    site.ask("GET", link, &[("User-Agent", agent)])
}

/// The unguessable part of where a click leads.
pub fn name(to: &str) -> String {
    to.split('/').nth(2).unwrap().to_owned()
}

/// The names in the site's public directory.
pub fn names(site: &Site) -> Vec<String> {
    names_in(&site.nginx.public())
}

/// The store's file.
pub fn store(cloakroom: &Cloakroom) -> PathBuf {
    cloakroom.state().join("cloakroom.db")
}

/// The names of the rows that stand so: `live`, `going` or `gone`.
pub fn rows(cloakroom: &Cloakroom, stay: &str) -> Vec<String> {
    let database = Connection::open(store(cloakroom)).unwrap();
    database.busy_timeout(Duration::from_secs(20)).unwrap();
    let mut statement = database.prepare("SELECT name FROM placed WHERE stay = ?1 ORDER BY name").unwrap();
    statement.query_map([stay], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Waits until the live rows are what lies in the directory, and nothing is going or half done; gives the names.
#[track_caller]
pub fn agree(site: &Site) -> Vec<String> {
    until(&format!("rows and files agree; {:?} and {:?}", rows(&site.cloakroom, "live"), names(site)), || {
        let (live, there) = (rows(&site.cloakroom, "live"), names(site));
        let aside = names_in(&site.nginx.public().join(".cloakroom"));
        (live == there && aside.is_empty() && rows(&site.cloakroom, "going").is_empty()).then_some(live)
    })
}

/// How often the threads of the daemon have gone to sleep so far.
fn sleeps(cloakroom: &Cloakroom) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", cloakroom.pid())).unwrap();
    let counts = tasks.map(|task| {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default();
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).map(|count| count.trim().parse::<u64>());
        count.map_or(0, Result::unwrap)
    });
    counts.sum()
}

/// Waits for three seconds in which the daemon wakes up at most once, whoever it is: nothing spins, and nobody looks
/// every second.
#[track_caller]
pub fn idle(cloakroom: &Cloakroom) {
    let mut seen = (sleeps(cloakroom), Instant::now());
    until("three seconds without work", || {
        let now = sleeps(cloakroom);
        if now > seen.0 + 1 {
            seen = (now, Instant::now());
        }
        (seen.1.elapsed() > Duration::from_secs(3)).then_some(())
    });
}
