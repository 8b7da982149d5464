//! Faults of the machine: modes, owners, files, the report and the daemon.

use std::fs;
use std::os::unix::fs::symlink;

use super::servers::nginx::NginxSetup;
use super::servers::site::Site;
use super::{mode, one_of, run, site, wrong};

/// Makes a fault, looks, and takes it away again.
#[track_caller]
fn spoilt(site: &Site, name: &str, spoil: impl FnOnce(), check: &str, words: &[&str], mend: impl FnOnce()) {
    spoil();
    let found = wrong(&run(site, &["--json"]));
    one_of(&found, check, words, name);
    mend();
    let found = wrong(&run(site, &["--json"]));
    assert!(found.is_empty(), "{name}: {found:#?}");
}

#[test]
fn each_fault_of_the_machine_is_found_with_the_command_that_mends_it() {
    let site = site(&NginxSetup::default());
    let state = site.cloakroom.state().to_owned();
    let (downloads, log) = (site.nginx.downloads(), site.nginx.access_log());
    let rotation = state.join("logrotate.d");
    fs::create_dir(&rotation).unwrap();
    let api = state.join("api.sock");

    spoilt(&site, "an open state_dir", || mode(&state, 0o777), "state-dir", &["chmod 0700", "fault"], || mode(&state, 0o700));
    spoilt(&site, "a state_dir to look into", || mode(&state, 0o755), "state-dir", &["chmod 0700", "warning"], || mode(&state, 0o700));
    spoilt(
        &site,
        "an open keys directory",
        || mode(&state.join("keys"), 0o777),
        "keys",
        &["chmod 0700"],
        || mode(&state.join("keys"), 0o700),
    );
    spoilt(&site, "an open api socket", || mode(&api, 0o666), "sockets", &["everybody", "chmod 0600"], || mode(&api, 0o660));
    spoilt(
        &site,
        "a shut web socket",
        || mode(&site.nginx.socket(), 0o600),
        "sockets",
        &["chmod 0666"],
        || mode(&site.nginx.socket(), 0o666),
    );
    spoilt(&site, "masters for all", || mode(&downloads, 0o755), "masters-private", &["chmod o-rwx"], || mode(&downloads, 0o750));
    let odd = downloads.join("a\\b.zip");
    spoilt(
        &site,
        "an odd name",
        || fs::write(&odd, "x").unwrap(),
        "master-names",
        &["a\\\\b.zip", "mv "],
        || fs::remove_file(&odd).unwrap(),
    );
    let link = downloads.join("out.zip");
    spoilt(
        &site,
        "a link out",
        || symlink("/etc/hostname", &link).unwrap(),
        "master-links",
        &["/etc/hostname"],
        || fs::remove_file(&link).unwrap(),
    );
    let good = fs::read(&log).unwrap();
    spoilt(
        &site,
        "another format",
        || fs::write(&log, "127.0.0.1 - - [x] \"GET / HTTP/1.1\" 200 1\n").unwrap(),
        "feed-lines",
        &["1 of the last 1 line", "log_format"],
        || fs::write(&log, &good).unwrap(),
    );
    spoilt(
        &site,
        "Apache's format, changed",
        || fs::write(&log, "{\"v\":\"apache-1\",\"time\":\"[x]\",\"delivery\":\"d-00000000000000000000\"}\n").unwrap(),
        "feed-lines",
        &["1 of the last 1 line", "LogFormat", "CustomLog"],
        || fs::write(&log, &good).unwrap(),
    );
    let rules = rotation.join("nginx");
    let block = |options: &str| fs::write(&rules, format!("# nginx\n{} {{\n    weekly\n{options}}}\n", log.display())).unwrap();
    spoilt(&site, "copytruncate", || block("    copytruncate\n"), "rotation", &["nginx:4"], || block("    compress\n    delaycompress\n"));
    spoilt(&site, "compress", || block("    compress\n"), "rotation", &["delaycompress", "nginx:2"], || fs::remove_file(&rules).unwrap());
    let large = 101 * 1024 * 1024;
    let grow = |size: u64| fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(size).unwrap();
    spoilt(&site, "nobody rotates", || grow(large), "rotation", &["fills the disk"], || grow(u64::try_from(good.len()).unwrap()));
    let config = site.cloakroom.config();
    let text = fs::read_to_string(&config).unwrap();
    spoilt(
        &site,
        "a configuration that does not hold",
        || fs::write(&config, format!("{text}\n[[policy]]\nname = \"new\"\n")).unwrap(),
        "daemon-config",
        &["systemctl reload-or-restart"],
        || fs::write(&config, &text).unwrap(),
    );
    let later = fs::FileTimes::new().set_modified(fs::metadata(&config).unwrap().modified().unwrap() + std::time::Duration::from_hours(24));
    let now = fs::FileTimes::new().set_modified(fs::metadata(&config).unwrap().modified().unwrap());
    let open = || fs::File::options().write(true).open(&config).unwrap();
    spoilt(
        &site,
        "a clock that went back",
        || open().set_times(later).unwrap(),
        "clock",
        &["timedatectl"],
        || open().set_times(now).unwrap(),
    );
    let gone = site.nginx.socket();
    let aside = gone.with_extension("aside");
    spoilt(
        &site,
        "a socket that was removed",
        || fs::rename(&gone, &aside).unwrap(),
        "listeners",
        &["nginx.sock", "restart"],
        || fs::rename(&aside, &gone).unwrap(),
    );
}

#[test]
fn who_cannot_read_or_connect_is_named() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: only root can give files to others");
        return;
    }
    let site = site(&NginxSetup { instead: &[], ..NginxSetup::default() });
    // The same configuration, with workers of another user.
    let conf = site.nginx.conf();
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, text.replace("user root;", "user nobody;")).unwrap();
    let found = wrong(&run(&site, &["--json"]));
    mode(&site.nginx.socket(), 0o660);
    let found = [found, wrong(&run(&site, &["--json"]))].concat();
    for check in ["sockets", "masters", "feed"] {
        let finding = one_of(&found, check, &["nobody"], check);
        assert_eq!(finding["verdict"], "fault", "{finding}");
    }
}

#[test]
fn the_daemon_is_taken_for_whom_it_runs_as_and_without_one_for_whom_the_files_say() {
    let mut site = site(&NginxSetup::default());
    let told = |site: &Site| {
        let all: serde_json::Value = serde_json::from_slice(&run(site, &["--json"]).stdout).unwrap();
        let found = all["parts"][0]["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == "daemon-user").cloned();
        found.unwrap()["says"].as_str().unwrap().to_owned()
    };
    let running = told(&site);
    assert!(running.contains(", by /proc/") && running.contains("/status"), "{running}");
    site.cloakroom.stop();
    let stopped = told(&site);
    assert!(stopped.contains("by /etc/passwd and /etc/group: no daemon was seen to run"), "{stopped}");
}

#[test]
fn what_is_written_wrong_ends_the_check_as_before() {
    let site = site(&NginxSetup::default());
    mode(&site.cloakroom.state().join("keys/main"), 0o644);
    let output = run(&site, &[]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("chmod 600"));
}
