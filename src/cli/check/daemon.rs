//! The running daemon: there, well, of this version and this configuration, with as many open files as it needs.

use std::fs;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::finding::{Finding, or_ok};
use crate::api::About;
use crate::cli::client::{CallFault, Client};
use crate::cli::terminal;
use crate::config::{Address, Configuration, Serve};
use crate::dialect::Dialect;

/// Who listens takes a connection within this.
const PATIENCE: Duration = Duration::from_secs(2);

/// Logs, sockets that listen, storages and event loops, besides the connections.
const FILES_BESIDE: u64 = 128;

/// All about the daemon. `is_needed`: whether what follows cannot be without it.
pub(super) fn look(configuration: &Configuration, is_needed: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let missing = |finding: Finding, what: String| finding.found(what).right("the daemon runs").run("systemctl start cloakroom");
    let Ok(client) = Client::of(configuration, "check") else {
        let line = "[[listener]]\naddress = \"unix:/run/cloakroom/api.sock\"\nserve = \"api\"\nmode = \"0600\"";
        let why = "the running daemon cannot be asked: there is no [[listener]] with serve = \"api\" on a unix socket";
        return vec![Finding::warning("daemon", why).found("none").right("one for the commands").add(line, "cloakroom.toml")];
    };
    match client.fetch::<About>("/api/v1/about") {
        Ok(about) => found.extend(of_about(configuration, &about)),
        Err(fault @ CallFault::NotRunning(_)) if !is_needed => {
            found.push(missing(Finding::warning("daemon", "it does not run, or not with this configuration"), fault.to_string()));
        }
        Err(CallFault::Problem(problem)) => {
            let fault = Finding::fault("daemon", "the daemon that runs is of another version");
            found.push(fault.found(problem.detail).right(env!("CARGO_PKG_VERSION")).run("systemctl restart cloakroom"));
        }
        Err(fault) => found.push(missing(Finding::fault("daemon", "it does not run, or not with this configuration"), fault.to_string())),
    }
    if found.iter().any(|finding| finding.verdict >= super::finding::Verdict::Warning && finding.check == "daemon") {
        return found;
    }
    found.extend(listeners(configuration));
    found.extend(descriptors(configuration));
    found
}

fn of_about(configuration: &Configuration, about: &About) -> Vec<Finding> {
    let mut found = Vec::new();
    let restart = "systemctl restart cloakroom";
    if about.version != env!("CARGO_PKG_VERSION") {
        let warning = Finding::warning("daemon-version", "the daemon was not restarted after the program was replaced");
        found.push(warning.found(format!("{} runs", about.version)).right(env!("CARGO_PKG_VERSION")).run(restart));
    } else if about.configuration != configuration.digest() {
        let warning = Finding::fault("daemon-config", "what is written does not hold: the daemon runs with another configuration");
        found.push(
            warning
                .found("the file was changed after the daemon read it")
                .right("what is in the file")
                .run("systemctl reload-or-restart cloakroom"),
        );
    }
    for part in &about.faults {
        found.push(
            Finding::fault("daemon-health", "a part of the daemon is not well")
                .found(part)
                .right("each part is well")
                .run("journalctl -u cloakroom -n 50"),
        );
    }
    or_ok("daemon", format!("{} runs with this configuration and is well", about.version), found)
}

/// Whether each address answers.
fn listeners(configuration: &Configuration) -> Vec<Finding> {
    let mut found = Vec::new();
    for listener in &configuration.listeners {
        let answers = match &listener.address {
            Address::Unix { path, .. } => UnixStream::connect(path).map(drop),
            // Which number the system chose for it, nobody can tell.
            Address::Tcp(address) if address.port() == 0 => Ok(()),
            // Where it is, only systemd knows: the web server's side is asked over HTTP.
            Address::Passed(_) => Ok(()),
            Address::Tcp(address) => TcpStream::connect_timeout(address, PATIENCE).map(drop),
        };
        if let Err(error) = answers {
            let fault = Finding::fault("listeners", "nobody answers where the daemon listens: its socket was removed, or is another one");
            found.push(
                fault.found(format!("{}: {error}", listener.address)).right("the daemon answers there").run("systemctl restart cloakroom"),
            );
        }
    }
    or_ok("listeners", format!("all {} answer", configuration.listeners.len()), found)
}

/// The limits of the daemon's process, where the system shows them.
fn descriptors(configuration: &Configuration) -> Vec<Finding> {
    let Some((process, allowed)) = process(configuration).and_then(limit) else { return Vec::new() };
    let needed = configuration.listeners.iter().fold(FILES_BESIDE, |sum, listener| {
        let each = if listener.serve == Serve::Web(Dialect::Standalone) { 2 } else { 1 };
        sum.saturating_add(u64::try_from(listener.connections_max).unwrap_or(u64::MAX).saturating_mul(each))
    });
    if allowed >= needed {
        return vec![Finding::ok(
            "descriptors",
            format!("{} open files allowed, at most {} needed", terminal::grouped(allowed), terminal::grouped(needed)),
        )];
    }
    let warning = Finding::warning("descriptors", "with all connections that are allowed, the daemon runs out of open files");
    vec![
        warning
            .found(format!("/proc/{process}/limits: {} open files", terminal::grouped(allowed)))
            .right(terminal::grouped(needed))
            .add(format!("LimitNOFILE={needed}"), "[Service] of cloakroom.service (`systemctl edit cloakroom`)"),
    ]
}

/// The process that listens for commands.
fn process(configuration: &Configuration) -> Option<i32> {
    let socket = configuration.listeners.iter().find_map(|listener| match (&listener.address, listener.serve) {
        (Address::Unix { path, .. }, Serve::Api) => Some(path.as_path()),
        _ => None,
    })?;
    let stream = UnixStream::connect(socket).ok()?;
    Some(rustix::net::sockopt::socket_peercred(&stream).ok()?.pid.as_raw_nonzero().get())
}

/// The daemon's process, if it runs, and its `/proc/PID/status`.
pub(super) fn status(configuration: &Configuration) -> Option<(i32, String)> {
    let process = process(configuration)?;
    Some((process, fs::read_to_string(format!("/proc/{process}/status")).ok()?))
}

/// A process and how many files it may open.
fn limit(process: i32) -> Option<(i32, u64)> {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_whitespace().next()?;
    Some((process, if soft == "unlimited" { u64::MAX } else { soft.parse().ok()? }))
}
