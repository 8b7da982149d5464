//! Who is who: the daemon, as it runs or as it would, and nginx's workers.

use super::accounts::{Account, Accounts, Obstacle};
use super::finding::Finding;

/// Who is who.
#[derive(Debug)]
pub(super) struct People {
    /// Users and groups.
    pub(super) accounts: Accounts,
    /// Who runs the daemon.
    pub(super) daemon: Account,
    /// The number of its process, if it runs; else the daemon is the owner of the state directory.
    pub(super) process: Option<i32>,
    /// Who runs nginx's workers, where that is known.
    pub(super) worker: Option<Account>,
}

impl People {
    /// With the daemon as it runs, or else as the user `keeper` would run it.
    pub(super) fn of(accounts: Accounts, running: Option<(i32, String)>, keeper: u32, worker: Option<Account>) -> Self {
        let running = running.and_then(|(process, status)| Some((process, accounts.of_status(&status)?)));
        let (process, daemon) = running.map_or_else(|| (None, accounts.numbered(keeper)), |(process, daemon)| (Some(process), daemon));
        Self { accounts, daemon, process, worker }
    }

    /// As whom the daemon was looked at, and by what.
    pub(super) fn told(&self) -> Finding {
        let groups = |account: &Account| self.accounts.group_names(account);
        let (name, had) = (&self.daemon.name, groups(&self.daemon));
        let in_groups = match had.as_slice() {
            [one] => format!("in the group {one}"),
            [] => "in no group".to_owned(),
            all => format!("in the groups {}", all.join(", ")),
        };
        let Some(process) = self.process else {
            return Finding::ok("daemon-user", format!("{name}, {in_groups}, by /etc/passwd and /etc/group: no daemon was seen to run"));
        };
        let new: Vec<String> = groups(&self.restarted()).into_iter().filter(|group| !had.contains(group)).collect();
        let new =
            if new.is_empty() { String::new() } else { format!("; by /etc/group also in {}, from its next start on", new.join(", ")) };
        Finding::ok("daemon-user", format!("{name}, {in_groups}, by /proc/{process}/status{new}"))
    }

    /// The daemon after a restart.
    fn restarted(&self) -> Account {
        self.accounts.numbered(self.daemon.user)
    }

    /// `finding`, of an obstacle in the daemon's way: where it would not be in the way of a daemon that is started now, that
    /// is what mends it.
    pub(super) fn or_restart(&self, finding: Finding, obstacle: &Obstacle) -> Finding {
        let is_gone = || self.accounts.obstacle(&self.restarted(), &obstacle.path, obstacle.wish).is_none();
        if self.process.is_none() || !is_gone() {
            return finding;
        }
        let name = &self.daemon.name;
        let found = format!(
            "{} has mode {}; {name} is in the group since, but the running daemon is not: restart it",
            obstacle.path.display(),
            obstacle.shown
        );
        finding.found(found).right("the running daemon is in the group").run("systemctl restart cloakroom")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;
    use crate::cli::check::accounts::Wish;
    use crate::cli::check::finding::Mend;

    /// A user that no machine has, in a group of the file that is looked at.
    fn accounts(group: u32) -> Accounts {
        Accounts::parse("shop:x:4000000:4000000::/:\n", &format!("dl:x:{group}:shop\n"))
    }

    fn status(groups: &str) -> String {
        format!("Uid:\t1\t1\t1\t4000000\nGid:\t1\t1\t1\t4000000\nGroups:\t{groups}\n")
    }

    #[test]
    fn a_daemon_that_is_not_in_its_new_group_yet_is_to_be_restarted() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("log");
        fs::write(&file, "").unwrap();
        let set = |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        set(directory.path(), 0o755);
        let group = fs::metadata(&file).unwrap().gid();
        let finding = || Finding::fault("feed", "the daemon cannot read the report").run("usermod");
        let mut seen = 0;
        for (running, mode, is_shut, mends) in [
            (Some(""), 0o640, true, "systemctl restart cloakroom"),
            (Some(""), 0o600, true, "usermod"),
            (Some("in"), 0o640, false, ""),
            (Some("in"), 0o600, true, "usermod"),
            (None, 0o640, false, ""),
            (None, 0o600, true, "usermod"),
        ] {
            set(&file, mode);
            let groups = running.map(|groups| if groups.is_empty() { String::new() } else { group.to_string() });
            let people = People::of(accounts(group), groups.map(|groups| (7, status(&groups))), 4_000_000, None);
            let obstacle = people.accounts.obstacle(&people.daemon, &file, Wish::Read);
            assert_eq!(obstacle.is_some(), is_shut, "{running:?} {mode:o}");
            if let Some(obstacle) = obstacle {
                let told = people.or_restart(finding(), &obstacle);
                assert_eq!(told.mend, Some(Mend::Run { command: mends.to_owned() }), "{running:?} {mode:o}");
                assert_eq!(
                    told.found.is_some_and(|found| found.contains("is in the group since, but the running daemon is not")),
                    mends != "usermod"
                );
            }
            let by = if running.is_some() { "/proc/7/status" } else { "/etc/passwd and /etc/group" };
            assert!(people.told().says.contains(by), "{:?}", people.told());
            assert_eq!(people.told().says.contains("by /etc/group also in dl"), running == Some(""), "{:?}", people.told());
            seen += 1;
        }
        assert_eq!(seen, 6);
    }
}
