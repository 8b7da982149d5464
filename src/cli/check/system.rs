//! The machine: directories, keys, sockets, disk, clock.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use super::accounts::Wish;
use super::finding::{Finding, or_ok};
use super::people::People;
use crate::cli::terminal;
use crate::config::{Address, Configuration, Feed, Serve, StoreEntry};
use crate::domain::moment::Moment;

/// Less room than this, and the store and the log may stop within the day.
const ROOM_BYTES_MIN: u64 = 512 * 1024 * 1024;

/// With less than this they have stopped, or will with the next download.
const ROOM_BYTES_FAULT: u64 = 32 * 1024 * 1024;

/// Each file needs one inode; fewer are a disk that is full of small files.
const INODES_MIN: u64 = 1000;

/// Seconds by which a file may be ahead of the clock: file systems and clocks are corrected by less.
const AHEAD_SECONDS_MAX: u64 = 120;

/// Before this program was written, it cannot be: 2025-01-01.
const EARLIEST_SECONDS: u64 = 1_735_689_600;

/// All about directories, keys and sockets.
pub(super) fn look(configuration: &Configuration, config: &Path, people: &People, now: Moment) -> Vec<Finding> {
    let mut found = vec![people.told()];
    found.extend(state(configuration, people));
    found.extend(keys(configuration, people));
    found.extend(sockets(configuration, people));
    found.extend(room(configuration));
    found.extend(clock(configuration, config, now));
    found
}

fn state(configuration: &Configuration, people: &People) -> Vec<Finding> {
    const CHECK: &str = "state-dir";
    let path = configuration.state_dir.display();
    let Ok(found) = fs::metadata(&configuration.state_dir) else {
        let fault = Finding::fault(CHECK, "there is no place for keys and grants").found(format!("no directory {path}"));
        return vec![fault.right("a directory of the daemon's user alone").run(format!("install -d -m 0700 -o cloakroom {path}"))];
    };
    if found.mode() & 0o077 != 0 {
        let fault = if found.mode() & 0o022 == 0 {
            Finding::warning(CHECK, "others can look into it")
        } else {
            Finding::fault(CHECK, "others can put keys and grants of their own there")
        };
        return vec![
            fault.found(format!("{path} has mode {}", people.accounts.mode_of(&found))).right("0700").run(format!("chmod 0700 {path}")),
        ];
    }
    vec![Finding::ok(CHECK, format!("{path}: {}", people.accounts.mode_of(&found)))]
}

fn keys(configuration: &Configuration, people: &People) -> Vec<Finding> {
    if configuration.keys.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for key in &configuration.keys {
        let directory = key.file.parent().unwrap_or(&key.file);
        if let Some(there) = fs::metadata(directory).ok().filter(|there| there.mode() & 0o022 != 0) {
            let fault = Finding::fault("keys", "others can put a key of their own there, and make links with it");
            let shown = directory.display();
            found.push(
                fault
                    .found(format!("{shown} has mode {}", people.accounts.mode_of(&there)))
                    .right("0700")
                    .run(format!("chmod 0700 {shown}")),
            );
        }
        if let Some(obstacle) = people.accounts.obstacle(&people.daemon, &key.file, Wish::Read) {
            let fault = Finding::fault("keys", format!("the daemon, as {}, cannot read the key `{}`", people.daemon.name, key.id));
            let right = format!("{} can read it", people.daemon.name);
            let fault = fault.found(format!("{} has mode {}", obstacle.path.display(), obstacle.shown)).right(right).run(format!(
                "chown {} {}",
                people.daemon.name,
                obstacle.path.display()
            ));
            found.push(people.or_restart(fault, &obstacle));
        }
    }
    found.dedup();
    let number = u64::try_from(configuration.keys.len()).unwrap_or(u64::MAX);
    or_ok("keys", format!("{}, read by the daemon alone", terminal::counted(number, "key", "keys")), found)
}

/// Sockets of files: who may connect.
fn sockets(configuration: &Configuration, people: &People) -> Vec<Finding> {
    let mut found = Vec::new();
    for listener in &configuration.listeners {
        let Address::Unix { path, mode, group } = &listener.address else { continue };
        let (shown, own) = (path.display(), listener.serve != Serve::Api);
        let Ok(there) = fs::symlink_metadata(path).or_else(|_| fs::metadata(path.parent().unwrap_or(path))) else {
            let directory = path.parent().unwrap_or(path).display();
            let fault = Finding::warning("sockets", "the daemon cannot make its socket, unless systemd makes the directory")
                .found(format!("no directory {directory}"));
            let right = "a directory of the daemon's user, or `RuntimeDirectory=cloakroom` in its unit";
            found.push(fault.right(right).run(format!("install -d -m 0755 -o cloakroom {directory}")));
            continue;
        };
        if !there.file_type().is_socket() {
            // It is made when the daemon starts; whether that is so is another check.
            continue;
        }
        if listener.serve == Serve::Api && there.mode() & 0o006 != 0 {
            let fault = Finding::fault("sockets", "everybody on this machine can make and revoke grants");
            let there = people.accounts.mode_of(&there);
            found.push(
                fault
                    .found(format!("{shown} has mode {there}"))
                    .right("mode = \"0600\" under [[listener]]")
                    .run(format!("chmod 0600 {shown}")),
            );
            continue;
        }
        if there.mode() & 0o777 != *mode {
            let fault = Finding::warning(
                "sockets",
                "the socket is not as the configuration has it: it was changed, or the daemon has not restarted since",
            );
            let there = people.accounts.mode_of(&there);
            found.push(
                fault.found(format!("{shown} has mode {there}")).right(format!("{mode:04o}")).run(format!("chmod {mode:04o} {shown}")),
            );
        }
        if let Some(group) = group.as_ref().filter(|group| people.accounts.group_name(there.gid()) != **group) {
            let fault = Finding::fault("sockets", "another group than the configuration names may connect");
            let there = people.accounts.mode_of(&there);
            found.push(
                fault.found(format!("{shown} has mode {there}")).right(format!("the group {group}")).run(format!("chgrp {group} {shown}")),
            );
        }
        if let Some((worker, obstacle)) =
            people.worker.as_ref().filter(|_| own).and_then(|worker| Some((worker, people.accounts.obstacle(worker, path, Wish::Write)?)))
        {
            let fault = Finding::fault("sockets", format!("nginx's workers, as {}, cannot connect: customers see 502", worker.name));
            found.push(
                fault
                    .found(format!("{} has mode {}", obstacle.path.display(), obstacle.shown))
                    .right(format!("{} may connect to {shown}", worker.name))
                    .run(format!("chgrp {} {}", worker.name, obstacle.path.display())),
            );
        }
    }
    found.dedup();
    or_ok("sockets", "each is open to those who need it", found)
}

/// Room for the store and for the log.
fn room(configuration: &Configuration) -> Vec<Finding> {
    let mut places = vec![("state_dir", configuration.state_dir.as_path())];
    if let StoreEntry::Sqlite { file, .. } = &configuration.store {
        places.push(("the store", file.parent().unwrap_or(file)));
    }
    if let Some(Feed::AccessLog(log)) = &configuration.feed {
        places.push(("the report", log.parent().unwrap_or(log)));
    }
    places.extend(configuration.directories.iter().map(|directory| ("stubs", directory.path.as_path())));
    let mut found = Vec::new();
    let mut least = u64::MAX;
    for (what, path) in places {
        let Ok(disk) = rustix::fs::statvfs(path) else { continue };
        let bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
        least = least.min(bytes);
        // A file system that knows no inodes says 0 of 0.
        let inodes = if disk.f_files == 0 { u64::MAX } else { disk.f_favail };
        found.extend(room_of(what, path, bytes, inodes));
    }
    found.dedup_by(|one, other| one.says == other.says && one.found == other.found);
    or_ok("disk", format!("{} free for the store and the report", terminal::bytes(least)), found)
}

fn room_of(what: &str, path: &Path, bytes: u64, inodes: u64) -> Option<Finding> {
    let finding = if bytes < ROOM_BYTES_FAULT || inodes == 0 {
        Finding::fault("disk", format!("no room for {what}: counted downloads are refused, or not seen to arrive"))
    } else if bytes < ROOM_BYTES_MIN || inodes < INODES_MIN {
        Finding::warning("disk", format!("little room for {what}"))
    } else {
        return None;
    };
    let inodes = if inodes == u64::MAX { String::new() } else { format!(" and {} inodes", terminal::grouped(inodes)) };
    let shown = path.display();
    Some(
        finding
            .found(format!("{shown}: {}{inodes} free", terminal::bytes(bytes)))
            .right(format!("{} free", terminal::bytes(ROOM_BYTES_MIN)))
            .run(format!("du -xsh {shown}/*")),
    )
}

/// Grants and signed URLs end by this clock.
fn clock(configuration: &Configuration, config: &Path, now: Moment) -> Vec<Finding> {
    let right = "the time is kept by the network: `timedatectl` says `System clock synchronized: yes`";
    let mend = "timedatectl set-ntp true";
    if now.seconds() < EARLIEST_SECONDS {
        let fault = Finding::fault("clock", "nothing that ends by time ends, and nothing that begins has begun");
        return vec![fault.found(format!("the clock says {now}")).right(right).run(mend)];
    }
    let mut files = vec![config];
    if let StoreEntry::Sqlite { file, .. } = &configuration.store {
        files.push(file);
    }
    if let Some(Feed::AccessLog(log)) = &configuration.feed {
        files.push(log);
    }
    let ahead = files.into_iter().find_map(|path| {
        let seconds = u64::try_from(fs::metadata(path).ok()?.mtime()).ok()?;
        (seconds > now.seconds() + AHEAD_SECONDS_MAX).then(|| (path, Moment::from_seconds(seconds)))
    });
    match ahead {
        Some((path, when)) => {
            let fault = Finding::fault("clock", "the clock is behind, or was ahead: what has ended may open again");
            vec![fault.found(format!("{} was written at {when}; the clock says {now}", path.display())).right(right).run(mend)]
        }
        None => vec![Finding::ok("clock", format!("it is {now}, and our files are older"))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::finding::Verdict;

    #[test]
    fn a_disk_is_full_before_its_last_byte() {
        let path = Path::new("/var/lib/cloakroom");
        let mut seen = 0;
        for (bytes, inodes, verdict) in [
            (u64::MAX, u64::MAX, None),
            (ROOM_BYTES_MIN, INODES_MIN, None),
            (ROOM_BYTES_MIN - 1, u64::MAX, Some(Verdict::Warning)),
            (u64::MAX, 5, Some(Verdict::Warning)),
            (u64::MAX, 0, Some(Verdict::Fault)),
            (ROOM_BYTES_FAULT - 1, u64::MAX, Some(Verdict::Fault)),
            (0, 0, Some(Verdict::Fault)),
        ] {
            assert_eq!(room_of("the store", path, bytes, inodes).map(|found| found.verdict), verdict, "{bytes} {inodes}");
            seen += 1;
        }
        assert_eq!(seen, 7);
    }
}
