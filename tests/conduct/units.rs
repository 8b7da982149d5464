//! The units of systemd, as systemd itself reads them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::servers::program::Program;

/// Of ten; a service without any fence has 9.6.
const EXPOSURE_MAX: f64 = 0.5;

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd")
}

/// The units, with the program where it is here.
fn units() -> (tempfile::TempDir, [PathBuf; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let paths = ["cloakroom.service", "cloakroom.socket"].map(|name| {
        let text = fs::read_to_string(packaging().join(name)).unwrap();
        let path = directory.path().join(name);
        fs::write(&path, Program::named_in(&text, "/usr/local/bin/cloakroom")).unwrap();
        path
    });
    (directory, paths)
}

/// The values of a key, in all sections.
fn values(text: &str, key: &str) -> Vec<String> {
    let prefix = format!("{key}=");
    text.lines().filter_map(|line| line.strip_prefix(prefix.as_str())).map(str::to_owned).collect()
}

#[test]
fn systemd_understands_the_units_and_finds_the_daemon_shut_in() {
    let (_directory, units) = units();
    let said = Command::new("systemd-analyze").arg("verify").args(&units).output().expect("systemd is installed (tests/run does it)");
    let words = String::from_utf8_lossy(&said.stderr);
    let ours: Vec<&str> = words.lines().filter(|line| line.contains("cloakroom")).collect();
    assert!(said.status.success() && ours.is_empty(), "{words}");
    let said = Command::new("systemd-analyze").args(["security", "--offline=true"]).arg(&units[0]).output().unwrap();
    let words = String::from_utf8_lossy(&said.stdout);
    let level = words.split("Overall exposure level for cloakroom.service: ").nth(1).and_then(|rest| rest.split(' ').next());
    let level: f64 = level.unwrap_or_else(|| panic!("{words}")).parse().unwrap();
    assert!(level <= EXPOSURE_MAX, "{level}: {words}");
}

#[test]
fn the_sockets_of_apache_are_understood_and_are_where_the_example_asks() {
    let (directory, [service, nginx]) = units();
    fs::remove_file(nginx).unwrap();
    let sockets = ["cloakroom.socket", "cloakroom-fastcgi.socket"].map(|name| {
        let path = directory.path().join(name);
        fs::copy(packaging().join("apache").join(name), &path).unwrap();
        path
    });
    let said = Command::new("systemd-analyze").arg("verify").arg(service).args(&sockets).output().unwrap();
    let words = String::from_utf8_lossy(&said.stderr);
    let ours: Vec<&str> = words.lines().filter(|line| line.contains("cloakroom")).collect();
    assert!(said.status.success() && ours.is_empty(), "{words}");
    let [downloads, fastcgi] = sockets.map(|path| fs::read_to_string(path).unwrap());
    let example = |name: &str| fs::read_to_string(packaging().join("../../conf-examples/apache").join(name)).unwrap();
    assert!(example("downloads.conf").contains(&format!("unix:{}|scgi://", values(&downloads, "ListenStream")[0])));
    assert!(example("cloakroom.conf").contains(&format!("fcgi://{}/", values(&fastcgi, "ListenStream")[0])));
    assert_eq!(values(&fastcgi, "Service"), ["cloakroom.service"]);
}

#[test]
fn the_units_and_the_configuration_that_is_shown_fit_together() {
    let [service, socket] = ["cloakroom.service", "cloakroom.socket"].map(|name| fs::read_to_string(packaging().join(name)).unwrap());
    let readme = include_str!("../../README.md");
    let name = values(&socket, "FileDescriptorName");
    assert!(readme.contains(&format!("address = \"systemd:{}\"", name[0])), "{name:?}");
    let nginx = include_str!("../../conf-examples/nginx/cloakroom.conf");
    assert!(nginx.contains(&format!("server unix:{} max_fails=0;", values(&socket, "ListenStream")[0])));
    assert_eq!(values(&service, "Type"), ["notify"]);
    // The limit of open files is set here, as the daemon may not raise it: two listeners with all their connections.
    let limit: u64 = values(&service, "LimitNOFILE")[0].parse().unwrap();
    assert!(limit >= 2 * 4096 + 128, "{limit}");
    for file in ["cloakroom.service", "cloakroom.socket", "cloakroom.sysusers.conf", "cloakroom.tmpfiles.conf"] {
        assert!(packaging().join(file).is_file() && readme.contains(&format!("packaging/systemd/{file}")), "{file}");
    }
}
