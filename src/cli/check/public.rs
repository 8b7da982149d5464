//! The public directories on this machine: whose they are, who may enter and write, and who holds them.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;

use super::accounts::{Account, Wish};
use super::finding::{Finding, or_ok};
use super::people::People;
use super::public_before;
use crate::api::About;
use crate::cli::client::Client;
use crate::config::{Configuration, Directory};
use crate::public::ASIDE;

/// Where the kernel tells who holds which file (proc(5)).
const LOCKS: &str = "/proc/locks";

/// All about the public directories.
pub(super) fn look(configuration: &Configuration, people: &People) -> Vec<Finding> {
    if configuration.directories.is_empty() {
        return public_before::look(configuration, people);
    }
    let daemon = Client::of(configuration, "check").ok().and_then(|client| client.fetch::<About>("/api/v1/about").ok());
    let locks = fs::read_to_string(LOCKS).unwrap_or_default();
    let process = daemon.and_then(|daemon| daemon.process);
    let mut found: Vec<Finding> = configuration.directories.iter().flat_map(|directory| one(directory, people, &locks, process)).collect();
    found.extend(public_before::look(configuration, people));
    found
}

fn one(directory: &Directory, people: &People, locks: &str, daemon: Option<u32>) -> Vec<Finding> {
    let shown = directory.path.display();
    let Some(found) = fs::metadata(&directory.path).ok().filter(Metadata::is_dir) else {
        let group = group(people);
        let fault = Finding::fault(
            "public",
            format!("nothing can be placed in `{}`: customers who click get 503, or go by another method", directory.name),
        );
        return vec![
            fault
                .found(format!("no directory {shown}"))
                .right(format!("a directory of the daemon's user, which the group {group} may enter"))
                .run(format!("install -d -o {} -g {group} -m 2750 {shown}", people.daemon.name)),
        ];
    };
    let mut wrong = owner(directory, &found, people);
    wrong.extend(filled(directory, &found, people));
    wrong.extend(writers(directory, &found, people));
    wrong.extend(entered(directory, &found, people));
    wrong.extend(aside(directory, &found, people));
    wrong.extend(held(directory, locks, daemon));
    let says = format!("`{}`: {shown}, {}, filled by the daemon alone", directory.name, people.accounts.mode_of(&found));
    or_ok("public", says, wrong)
}

/// The web server's group, as it is called where nothing is known of it.
pub(super) fn group(people: &People) -> String {
    people.worker.as_ref().and_then(Account::group).map_or_else(|| "www-data".to_owned(), |group| people.accounts.group_name(group))
}

fn owner(directory: &Directory, found: &Metadata, people: &People) -> Vec<Finding> {
    if found.uid() == people.daemon.user {
        return Vec::new();
    }
    let (shown, name) = (directory.path.display(), &people.daemon.name);
    let fault = Finding::fault("public-owner", "another user can exchange what the daemon puts there, or the daemon can put nothing there");
    vec![
        fault
            .found(format!("{shown} has mode {}", people.accounts.mode_of(found)))
            .right(format!("it belongs to {name}"))
            .run(format!("chown {name} {shown}")),
    ]
}

/// Whether the daemon, which has it, may work there.
fn filled(directory: &Directory, found: &Metadata, people: &People) -> Vec<Finding> {
    if found.uid() != people.daemon.user {
        return Vec::new();
    }
    let shown = directory.path.display();
    let wishes = [Wish::Enter, Wish::Read, Wish::Write];
    let Some(obstacle) = wishes.iter().find_map(|wish| people.accounts.obstacle(&people.daemon, &directory.path, *wish)) else {
        return Vec::new();
    };
    let (name, path) = (&people.daemon.name, obstacle.path.display());
    let what = match obstacle.wish {
        Wish::Enter => "cannot enter it",
        Wish::Read => "cannot see what is there",
        Wish::Write => "can put nothing there",
    };
    let run = if obstacle.path == directory.path { format!("chmod 2750 {shown}") } else { format!("chmod o+x {path}") };
    let fault = Finding::fault("public-owner", format!("Cloakroom, as {name}, {what}: no stub and no copy is placed"));
    let fault = fault.found(format!("{path} has mode {}", obstacle.shown)).right(format!("{name} may read, write and enter it")).run(run);
    vec![people.or_restart(fault, &obstacle)]
}

/// Who else may write there or look into it.
fn writers(directory: &Directory, found: &Metadata, people: &People) -> Vec<Finding> {
    let shown = directory.path.display();
    let mode = people.accounts.mode_of(found);
    let fault = if found.mode() & 0o002 != 0 {
        Finding::fault("public-writers", "every user of this machine can put files into the shop's site").run(format!("chmod 2750 {shown}"))
    } else if found.mode() & 0o020 != 0 {
        let group = people.accounts.group_name(found.gid());
        let says = format!("the group {group}, the web server's programs with it, can put files into the shop's site");
        Finding::fault("public-writers", says).run(format!("chmod g-w {shown}"))
    } else if found.mode() & 0o005 != 0 {
        Finding::warning("public-writers", "every user of this machine can read the names there, and each name opens its file")
            .run(format!("chmod o-rwx {shown}"))
    } else {
        return Vec::new();
    };
    vec![fault.found(format!("{shown} has mode {mode}")).right("2750: the daemon's user writes, the web server's group reads")]
}

/// Whether the web server gets in, and into what is made there.
fn entered(directory: &Directory, found: &Metadata, people: &People) -> Vec<Finding> {
    let Some(worker) = &people.worker else { return Vec::new() };
    let shown = directory.path.display();
    let right = format!("{} may enter it, and what is made there", worker.name);
    if let Some(obstacle) = people.accounts.obstacle(worker, &directory.path, Wish::Enter) {
        let fault = Finding::fault("public-enter", format!("nginx's workers, as {}, cannot enter: customers see 403", worker.name));
        let command = if obstacle.path == directory.path {
            format!("chgrp {} {shown} && chmod 2750 {shown}", group(people))
        } else {
            format!("chmod o+x {}", obstacle.path.display())
        };
        return vec![fault.found(format!("{} has mode {}", obstacle.path.display(), obstacle.shown)).right(right).run(command)];
    }
    // A stub is made aside: it has that directory's group only with this bit, else that of the daemon, who then gives it that
    // of the public directory.
    let aside = fs::symlink_metadata(directory.path.join(ASIDE)).ok();
    let above = aside.as_ref().unwrap_or(found);
    let made = if above.mode() & 0o2000 != 0 { Some(above.gid()) } else { people.daemon.group() };
    let may_give = people.daemon.user == 0 || people.daemon.is_in(found.gid());
    let group_name = people.accounts.group_name(found.gid());
    if let Some(made) = made.filter(|made| *made != found.gid() && !may_give) {
        let made = people.accounts.group_name(made);
        let says = format!("stubs get the group {made}, and {} may not give them {group_name}: none is placed", people.daemon.name);
        let command = match &aside {
            // It is older than the group or the bit of the directory around it.
            Some(_) if found.mode() & 0o2000 != 0 => {
                let inside = directory.path.join(ASIDE);
                format!("chgrp {group_name} {0} && chmod 2700 {0}", inside.display())
            }
            Some(_) | None => format!("usermod -aG {group_name} {} && systemctl restart cloakroom", people.daemon.name),
        };
        let fault = Finding::fault("public-enter", says).found(format!("{shown} has mode {}", people.accounts.mode_of(found)));
        return vec![fault.right(right).run(command)];
    }
    if worker.user == 0 || worker.user == people.daemon.user || worker.is_in(found.gid()) {
        return Vec::new();
    }
    let fault = Finding::fault(
        "public-enter",
        format!("stubs get the group {group_name}, and nginx's workers, as {}, cannot enter them: customers see 403", worker.name),
    );
    vec![
        fault
            .found(format!("{shown} has mode {}", people.accounts.mode_of(found)))
            .right(right)
            .run(format!("chgrp {} {shown} && chmod 2750 {shown}", group(people))),
    ]
}

/// The directory inside it, for what is half made.
fn aside(directory: &Directory, found: &Metadata, people: &People) -> Vec<Finding> {
    let path = directory.path.join(ASIDE);
    // It is made when the daemon starts.
    let Ok(there) = fs::symlink_metadata(&path) else { return Vec::new() };
    let shown = path.display();
    let mode = people.accounts.mode_of(&there);
    if !there.is_dir() || there.uid() != people.daemon.user || there.mode() & 0o077 != 0 {
        let fault =
            Finding::fault("public-aside", "others made the place where stubs are made, or may enter it: the daemon does not start");
        return vec![
            fault
                .found(format!("{shown} has mode {mode}"))
                .right(format!("a directory of {}, 0700, or none: the daemon makes it", people.daemon.name))
                .run(format!("mv {shown} /root/found-in-public")),
        ];
    }
    if there.mode() & 0o700 != 0o700 {
        let fault = Finding::fault("public-aside", "the daemon cannot work where stubs are made: none is placed");
        return vec![fault.found(format!("{shown} has mode {mode}")).right("0700").run(format!("chmod 700 {shown}"))];
    }
    if there.dev() != found.dev() {
        let fault = Finding::fault("public-aside", "what is made aside cannot be moved into place: no stub can be placed");
        return vec![
            fault
                .found(format!("{shown} is a file system of its own"))
                .right("a plain directory inside the public one")
                .run(format!("umount {shown}")),
        ];
    }
    Vec::new()
}

/// Whether another daemon holds it.
fn held(directory: &Directory, locks: &str, daemon: Option<u32>) -> Vec<Finding> {
    let Ok(aside) = fs::metadata(directory.path.join(ASIDE)) else { return Vec::new() };
    let shown = directory.path.display();
    let (Some(daemon), Some(holder)) = (daemon, holder(locks, aside.dev(), aside.ino())) else { return Vec::new() };
    if holder == daemon {
        return Vec::new();
    }
    let fault = Finding::fault("public-held", "another daemon fills this directory: the two would take away each other's stubs");
    vec![
        fault
            .found(format!("{shown} is held by process {holder}, and the daemon of this configuration is process {daemon}"))
            .right("a directory of its own for each daemon")
            .run(format!("ps -o pid,user,args -p {holder}")),
    ]
}

/// The process that holds a file by flock(2): `1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF`.
fn holder(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let id = format!("{:02x}:{:02x}:{inode}", rustix::fs::major(device), rustix::fs::minor(device));
    let of = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, process, file, ..] = fields.as_slice() else { return None };
        (*file == id).then(|| process.parse().ok())?
    };
    locks.lines().find_map(of)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::cli::check::accounts::Accounts;
    use crate::config::PublicUrl;
    use crate::domain::placed::DirectoryName;

    #[test]
    fn whether_the_daemon_may_fill_a_directory_is_judged_by_its_mode_whoever_checks() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("pub");
        fs::create_dir(&path).unwrap();
        let set = |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        // A user who is not root, who may do all things, has the directory, in a test that may be root's.
        let (owner, root) = (4_000_000, rustix::process::geteuid().is_root());
        if root {
            std::os::unix::fs::chown(&path, Some(owner), None).unwrap();
        }
        let owner = if root { owner } else { rustix::process::geteuid().as_raw() };
        let accounts = || Accounts::parse(&format!("shop:x:{owner}:4000000::/:\n"), "");
        let directory = Directory {
            name: DirectoryName::parse("pub").unwrap(),
            path: path.clone(),
            url: PublicUrl { origin: String::new(), host: String::new(), path: "/pub/".to_owned() },
            hard_links: false,
            credentials: None,
        };
        let mut seen = 0;
        for (above, mode, words) in [
            (0o755, 0o2750, None),
            (0o755, 0o700, None),
            (0o755, 0o550, Some("can put nothing there")),
            (0o755, 0o350, Some("cannot see what is there")),
            (0o755, 0o650, Some("cannot enter it")),
            (if root { 0o700 } else { 0o600 }, 0o2750, Some("cannot enter it")),
        ] {
            set(place.path(), 0o755);
            set(&path, mode);
            let found = fs::metadata(&path).unwrap();
            set(place.path(), above);
            let people = People::of(accounts(), None, owner, None);
            let told = filled(&directory, &found, &people);
            assert_eq!(told.first().map(|finding| finding.says.contains(words.unwrap_or("?"))), words.map(|_| true), "{mode:o}: {told:?}");
            seen += 1;
        }
        set(place.path(), 0o755);
        assert_eq!(seen, 6);
    }

    #[test]
    fn the_holder_of_a_lock_is_told_by_the_kernel() {
        let locks = "1: POSIX  ADVISORY  WRITE 9 08:01:7 0 EOF\n2: FLOCK  ADVISORY  WRITE 1234 08:01:7 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 5 08:01:7 0 EOF\n3: FLOCK  ADVISORY  WRITE -1 08:01:8 0 EOF\nx\n";
        let device = rustix::fs::makedev(8, 1);
        for (inode, process) in [(7, Some(1234)), (8, None), (9, None)] {
            assert_eq!(holder(locks, device, inode), process, "{inode}");
        }
        assert_eq!(holder("", device, 7), None);
    }
}
