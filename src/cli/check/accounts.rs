//! Users, groups, and who may do what with a file, as its mode says.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Users and groups of this machine.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    users: Vec<(String, u32, u32)>,
    groups: Vec<(String, u32, Vec<String>)>,
}

/// A user with its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    /// Its name, or its number.
    pub(super) name: String,
    /// Its number.
    pub(super) user: u32,
    /// Its groups.
    groups: Vec<u32>,
}

/// What somebody may want with a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Read it.
    Read,
    /// Write it: a socket, to connect to it.
    Write,
    /// Enter it.
    Enter,
}

impl Wish {
    const fn bit(self) -> u32 {
        match self {
            Self::Read => 4,
            Self::Write => 2,
            Self::Enter => 1,
        }
    }
}

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// The file, or a directory above it.
    pub(super) path: PathBuf,
    /// What is wanted with it.
    pub(super) wish: Wish,
    /// Its mode, owner and group: `0700 root:root`.
    pub(super) shown: String,
}

impl Accounts {
    /// Those of `/etc/passwd` and `/etc/group`. Others, of a directory service say, are known by their numbers.
    pub(super) fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&text("/etc/passwd"), &text("/etc/group"))
    }

    pub(super) fn parse(passwd: &str, group: &str) -> Self {
        let user = |line: &str| {
            let mut fields = line.split(':');
            Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        let group_of = |line: &str| {
            let mut fields = line.split(':');
            let (name, number) = (fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?);
            let members = fields.next().unwrap_or_default().split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            Some((name, number, members))
        };
        Self { users: passwd.lines().filter_map(user).collect(), groups: group.lines().filter_map(group_of).collect() }
    }

    /// The user of this name.
    pub(super) fn named(&self, name: &str) -> Option<Account> {
        let (name, user, group) = self.users.iter().find(|(there, ..)| there == name)?;
        let of = self.groups.iter().filter(|(_, _, members)| members.contains(name)).map(|(_, number, _)| *number);
        Some(Account { name: name.clone(), user: *user, groups: std::iter::once(*group).chain(of).collect() })
    }

    /// The user of this number.
    pub(super) fn numbered(&self, number: u32) -> Account {
        let name = self.users.iter().find(|(_, user, _)| *user == number).map(|(name, ..)| name.as_str());
        let unknown = || Account { name: number.to_string(), user: number, groups: Vec::new() };
        name.and_then(|name| self.named(name)).unwrap_or_else(unknown)
    }

    /// Whom a process acts as, by its `/proc/PID/status`: the user and groups that files are opened with, which stay those of
    /// its start.
    pub(super) fn of_status(&self, status: &str) -> Option<Account> {
        let numbers = |label: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(label))?;
            line.split_whitespace().map(|number| number.parse().ok()).collect::<Option<Vec<u32>>>()
        };
        // Real, effective, saved, and that of the file system.
        let (user, group) = (*numbers("Uid:")?.get(3)?, *numbers("Gid:")?.get(3)?);
        let groups = std::iter::once(group).chain(numbers("Groups:")?).collect();
        Some(Account { name: self.user_name(user), user, groups })
    }

    /// The names of the groups of `account`, each once.
    pub(super) fn group_names(&self, account: &Account) -> Vec<String> {
        let mut names = Vec::new();
        for name in account.groups.iter().map(|group| self.group_name(*group)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The name of a user.
    pub(super) fn user_name(&self, number: u32) -> String {
        self.users.iter().find(|(_, user, _)| *user == number).map_or_else(|| number.to_string(), |(name, ..)| name.clone())
    }

    /// The name of a group.
    pub(super) fn group_name(&self, number: u32) -> String {
        self.groups.iter().find(|(_, group, _)| *group == number).map_or_else(|| number.to_string(), |(name, ..)| name.clone())
    }

    /// `0700 root:root`
    pub(super) fn mode_of(&self, found: &fs::Metadata) -> String {
        format!("{:04o} {}:{}", found.mode() & 0o7777, self.user_name(found.uid()), self.group_name(found.gid()))
    }

    /// What keeps `account` from its wish, if anything does: the modes of all directories above count too. Where a file
    /// has an access list, its mode does not tell, and nothing is found.
    pub(super) fn obstacle(&self, account: &Account, path: &Path, wish: Wish) -> Option<Obstacle> {
        let above: Vec<&Path> = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()).collect();
        let steps = above.into_iter().rev().map(|directory| (directory, Wish::Enter)).chain([(path, wish)]);
        for (step, wish) in steps {
            let found = fs::metadata(step).ok()?;
            if !account.may(&found, wish) && !has_list(step) {
                return Some(Obstacle { path: step.to_owned(), wish, shown: self.mode_of(&found) });
            }
        }
        None
    }
}

impl Account {
    /// Its own group, where that is known.
    pub(super) fn group(&self) -> Option<u32> {
        self.groups.first().copied()
    }

    /// Whether it is in this group.
    pub(super) fn is_in(&self, group: u32) -> bool {
        self.groups.contains(&group)
    }

    /// Whether the mode lets this user do it.
    fn may(&self, found: &fs::Metadata, wish: Wish) -> bool {
        let shift = if self.user == found.uid() {
            6
        } else if self.groups.contains(&found.gid()) {
            3
        } else {
            0
        };
        self.user == 0 || found.mode() >> shift & wish.bit() != 0
    }
}

fn has_list(path: &Path) -> bool {
    rustix::fs::getxattr(path, c"system.posix_acl_access", &mut [0_u8; 0][..]).is_ok_and(|length| length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_its_own_group_and_those_that_name_it() {
        let accounts = Accounts::parse(
            "root:x:0:0:r:/root:/bin/sh\nwww:x:33:33::/:\nbad\nodd:x:a:1::\n",
            "root:x:0:\nwww:x:33:\ndl:x:50:shop,www\nbad\n",
        );
        let www = accounts.named("www").unwrap();
        assert_eq!(www, Account { name: "www".to_owned(), user: 33, groups: vec![33, 50] });
        assert_eq!(accounts.numbered(33), www);
        assert_eq!(accounts.numbered(7).name, "7");
        assert_eq!((accounts.named("odd"), accounts.named("shop")), (None, None));
        assert_eq!((accounts.group_name(50), accounts.group_name(51)), ("dl".to_owned(), "51".to_owned()));
    }

    #[test]
    fn a_process_acts_as_its_status_says_and_not_as_the_files_do() {
        let accounts = Accounts::parse("www:x:33:33::/:\n", "www:x:33:\ndl:x:50:www\n");
        let status = |rest: &str| format!("Name:\tcloakroom\nUid:\t0\t33\t33\t33\nGid:\t0\t0\t0\t33\n{rest}");
        let running = accounts.of_status(&status("Groups:\t4 33 \n")).unwrap();
        assert_eq!(running, Account { name: "www".to_owned(), user: 33, groups: vec![33, 4, 33] });
        assert_eq!(accounts.group_names(&running), ["www", "4"]);
        assert_eq!(accounts.of_status(&status("Groups:\t\n")).unwrap().groups, [33]);
        for odd in ["", "Groups: x\n"] {
            assert_eq!(accounts.of_status(&status(odd)), None, "{odd}");
        }
        assert_eq!(accounts.of_status("Uid:\t1\t1\nGid:\t1\t1\t1\t1\nGroups:\n"), None);
    }

    #[test]
    fn the_first_directory_that_cannot_be_entered_is_the_obstacle() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("a");
        fs::create_dir(&inner).unwrap();
        let file = inner.join("f");
        fs::write(&file, "").unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        set(directory.path(), 0o755);
        let accounts = Accounts::default();
        let stranger = Account { name: "s".to_owned(), user: 4_000_000, groups: vec![4_000_000] };
        let mut seen = 0;
        for (inside, mode, blocks) in
            [(0o755, 0o644, None), (0o755, 0o640, Some(&file)), (0o750, 0o644, Some(&inner)), (0o751, 0o604, None)]
        {
            set(&inner, inside);
            set(&file, mode);
            let found = accounts.obstacle(&stranger, &file, Wish::Read);
            assert_eq!(found.map(|found| found.path).as_ref(), blocks, "{inside:o} {mode:o}");
            seen += 1;
        }
        assert_eq!(seen, 4);
    }
}
