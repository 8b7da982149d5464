//! What systemd is told: ready, reloading, stopping, alive.

use std::fs;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::reload::{reload, rewrite};
use crate::servers::site::Site;

/// No message of a test takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Systemd, as far as it listens.
struct Systemd(UnixDatagram);

impl Systemd {
    fn at(address: &SocketAddr) -> Self {
        let socket = UnixDatagram::bind_addr(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    fn next(&self) -> String {
        let mut text = [0; 4096];
        let length = self.0.recv(&mut text).expect("a message in time");
        String::from_utf8(text[..length].to_vec()).unwrap()
    }
}

/// Starts the daemon again with these in its environment.
fn restart(site: &mut Site, environment: Vec<(&'static str, String)>) {
    site.cloakroom.stop();
    site.cloakroom.environment = environment;
    site.cloakroom.start();
}

#[test]
fn each_turn_of_its_life_is_told_by_path_and_by_abstract_name() {
    let mut site = Site::open();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let name = format!("cloakroom-test-{}", std::process::id());
    for (address, told) in [
        (SocketAddr::from_pathname(&path).unwrap(), path.display().to_string()),
        (SocketAddr::from_abstract_name(&name).unwrap(), format!("@{name}")),
    ] {
        let systemd = Systemd::at(&address);
        restart(&mut site, vec![("NOTIFY_SOCKET", told)]);
        assert_eq!(systemd.next(), "READY=1\nSTATUS=answers");
        reload(&site.cloakroom, "reloaded");
        let reloading = systemd.next();
        let micros = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        assert!(reloading.starts_with("RELOADING=1\n") && micros.parse::<u64>().unwrap() > 1_000_000, "{reloading}");
        assert_eq!(systemd.next(), "READY=1\nSTATUS=answers");
        rewrite(&site.cloakroom, "use = \"sign\"", "use = \"sing\"");
        reload(&site.cloakroom, "reload_refused");
        assert!(systemd.next().starts_with("RELOADING=1\n"));
        let stayed = systemd.next();
        assert!(stayed.starts_with("READY=1\nSTATUS=") && stayed.contains("refused"), "{stayed}");
        rewrite(&site.cloakroom, "use = \"sing\"", "use = \"sign\"");
        assert!(site.cloakroom.stop());
        assert!(systemd.next().starts_with("STOPPING=1\n"));
    }
}

#[test]
fn the_watchdog_is_told_again_and_again_and_not_by_a_daemon_that_stands_still() {
    let mut site = Site::open();
    let path = site.cloakroom.state().join("notify");
    let systemd = Systemd::at(&SocketAddr::from_pathname(&path).unwrap());
    let environment = |micros: &str, pid: &str| {
        vec![("NOTIFY_SOCKET", path.display().to_string()), ("WATCHDOG_USEC", micros.to_owned()), ("WATCHDOG_PID", pid.to_owned())]
    };
    restart(&mut site, environment("400000", ""));
    assert_eq!(systemd.next(), "READY=1\nSTATUS=answers");
    for _ in 0..3 {
        assert_eq!(systemd.next(), "WATCHDOG=1");
    }
    // A reload does not set the clock back.
    reload(&site.cloakroom, "reloaded");
    let mut told = vec![systemd.next(), systemd.next(), systemd.next()];
    told.retain(|text| text != "WATCHDOG=1");
    assert!(!told.is_empty() && systemd.next() != "STOPPING=1");
    let pid = Pid::from_raw(i32::try_from(site.cloakroom.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    systemd.0.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    while systemd.0.recv(&mut [0; 100]).is_ok() {}
    kill_process(pid, Signal::CONT).unwrap();
    systemd.0.set_read_timeout(Some(PATIENCE)).unwrap();
    while systemd.next() != "WATCHDOG=1" {}
    // Another process's watchdog is not ours.
    restart(&mut site, environment("200000", "1"));
    while systemd.next() != "READY=1\nSTATUS=answers" {}
    systemd.0.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    assert!(systemd.0.recv(&mut [0; 100]).is_err());
}

#[test]
fn a_notify_socket_that_is_not_there_stops_nothing() {
    let mut site = Site::open();
    for address in ["/nowhere/notify", "nonsense"] {
        restart(&mut site, vec![("NOTIFY_SOCKET", address.to_owned())]);
        site.cloakroom.logged(&["WARN - ", if address == "nonsense" { "NOTIFY_SOCKET" } else { "systemd cannot be told (READY=1)" }]);
    }
    fs::write(site.nginx.downloads().join("a.bin"), "the file").unwrap();
    let url = site.sign("masters/a.bin", &["--for", "1h"]);
    assert_eq!(site.get(&url).body, b"the file");
}
