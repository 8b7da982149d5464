//! Stubs: `<name>/<leaf>`, a directory with one symbolic link to the master.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::directory::{NotPlaced, PublicDirectory, is_our, look, step};
use crate::domain::placed::{Placed, PlacedName};

/// What became of something that was to be taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is gone.
    Gone,
    /// It was gone before: somebody else took it away.
    WasGone,
    /// What is ours is gone. What others put beside it stays, under the same name: the first of it.
    Foreign(String),
}

/// Something that was being made or taken away when the process ended before.
#[derive(Debug)]
pub struct Tidied {
    /// Its name.
    pub name: PlacedName,
    /// What became of it.
    pub outcome: Result<Taken, NotPlaced>,
}

/// The web server enters with its group.
const STUB_MODE: Mode = Mode::RWXU.union(Mode::RGRP).union(Mode::XGRP);

impl PublicDirectory {
    /// Places a stub that leads to `master`. It is there whole, or not at all.
    pub fn place_stub(&self, placed: &Placed, master: &Path) -> Result<(), NotPlaced> {
        let new = format!("new-{}", placed.name);
        let made = self.make_stub(&new, &placed.leaf, master).and_then(|()| {
            let name = placed.name.as_str();
            renameat_with(&self.aside, new.as_str(), &self.root, name, RenameFlags::NOREPLACE).map_err(step("move the stub into place"))
        });
        if made.is_err() {
            // What was half made is ours, and nobody sees it; the next start finds it, if it stays.
            let _ = rustix::fs::unlinkat(&self.aside, format!("{new}/{}", placed.leaf), AtFlags::empty());
            let _ = rustix::fs::unlinkat(&self.aside, new.as_str(), AtFlags::REMOVEDIR);
        }
        made
    }

    fn make_stub(&self, new: &str, leaf: &str, master: &Path) -> Result<(), NotPlaced> {
        rustix::fs::mkdirat(&self.aside, new, STUB_MODE).map_err(step("make a directory for the stub"))?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let stub = rustix::fs::openat(&self.aside, new, flags, Mode::empty()).map_err(step("open the new stub"))?;
        // What is made aside has that directory's group, which may be older than the one of the public directory.
        let wanted = rustix::fs::fstat(&self.root).map_err(step("look at the directory"))?.st_gid;
        if rustix::fs::fstat(&stub).map_err(step("look at the new stub"))?.st_gid != wanted {
            rustix::fs::fchown(&stub, None, Some(Gid::from_raw(wanted))).map_err(step("give the stub to the directory's group"))?;
        }
        // Whatever the umask is.
        rustix::fs::fchmod(&stub, STUB_MODE).map_err(step("let the web server into the stub"))?;
        rustix::fs::symlinkat(master, &self.aside, format!("{new}/{leaf}")).map_err(step("make the link"))
    }

    /// Whether the stub is there.
    pub fn has_stub(&self, placed: &Placed) -> Result<bool, Errno> {
        Ok(look(&self.root, &placed.path())?.is_some_and(|stat| is_our(FileType::Symlink, &stat)))
    }

    /// Takes a stub away. Calling it again is free.
    pub fn take_stub(&self, placed: &Placed) -> Result<Taken, NotPlaced> {
        let (name, gone) = (placed.name.as_str(), format!("gone-{}", placed.name));
        // One that was being taken away when the process ended.
        let was_aside = look(&self.aside, &gone).map_err(step("look at the stub"))?.is_some();
        if !was_aside {
            match renameat_with(&self.root, name, &self.aside, gone.as_str(), RenameFlags::NOREPLACE) {
                Ok(()) => {}
                Err(Errno::NOENT) => return Ok(Taken::WasGone),
                Err(error) => return Err(step("take the stub out of the directory")(error)),
            }
        }
        self.take_apart(&placed.name, &gone, Some(&placed.leaf))
    }

    /// Removes what is ours in `gone`, which lies aside. Of `leaf` nothing may be known: then every link of ours is meant.
    fn take_apart(&self, name: &PlacedName, gone: &str, leaf: Option<&str>) -> Result<Taken, NotPlaced> {
        let Some(stat) = look(&self.aside, gone).map_err(step("look at what was taken out"))? else { return Ok(Taken::WasGone) };
        let mut foreign = (!is_our(FileType::Directory, &stat)).then(|| name.to_string());
        if foreign.is_none() {
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let inside = rustix::fs::openat(&self.aside, gone, flags, Mode::empty()).map_err(step("open the stub"))?;
            for entry in entries(&inside).map_err(step("list the stub"))? {
                let stat = look(&inside, &entry).map_err(step("look into the stub"))?;
                let is_ours = stat.is_some_and(|stat| is_our(FileType::Symlink, &stat)) && leaf.is_none_or(|leaf| leaf == entry);
                if is_ours {
                    rustix::fs::unlinkat(&inside, entry.as_str(), AtFlags::empty()).map_err(step("remove the link"))?;
                } else {
                    foreign.get_or_insert_with(|| format!("{name}/{entry}"));
                }
            }
        }
        if let Some(foreign) = foreign {
            let back = renameat_with(&self.aside, gone, &self.root, name.as_str(), RenameFlags::NOREPLACE);
            return back.map(|()| Taken::Foreign(foreign)).map_err(step("put back what is not ours"));
        }
        rustix::fs::unlinkat(&self.aside, gone, AtFlags::REMOVEDIR).map_err(step("remove the stub's directory"))?;
        Ok(Taken::Gone)
    }

    /// Ends what was being made or taken away when the process ended before; tells what came of each. `hold` takes a name in
    /// hand, for as long as what it gives lives; what it refuses is being made or taken away now, and is left alone.
    pub fn tidy<H>(&self, hold: impl Fn(&PlacedName) -> Option<H>) -> Result<Vec<Tidied>, Errno> {
        let mut found = Vec::new();
        for entry in entries(&self.aside)? {
            let name: Option<PlacedName> = entry.split_once('-').and_then(|(_, name)| name.parse().ok());
            let Some((name, _held)) = name.and_then(|name| hold(&name).map(|held| (name, held))) else { continue };
            if let Some((name, outcome)) = self.tidy_copy(&entry) {
                found.push(Tidied { name, outcome });
            } else if entry.starts_with("new-") || entry.starts_with("gone-") {
                match self.take_apart(&name, &entry, None) {
                    // Whoever made it or took it away ended that after the list was read.
                    Ok(Taken::WasGone) => {}
                    outcome => found.push(Tidied { name, outcome }),
                }
            }
        }
        Ok(found)
    }
}

/// The names in a directory. A name that is no UTF-8 is given with replacement characters, and is nobody's.
pub(super) fn entries(directory: &OwnedFd) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

    use super::*;
    use crate::config::{Directory, PublicUrl};
    use crate::domain::file::{FileRef, StorageName};
    use crate::domain::id::{DeliveryId, GrantId};
    use crate::domain::moment::Moment;
    use crate::domain::path::FilePath;
    use crate::domain::placed::{DirectoryName, Stay, What};
    use crate::public::Directories;

    fn open(path: &Path) -> Directories {
        let entry = Directory {
            name: DirectoryName::parse("pub").expect("a name"),
            path: path.to_owned(),
            url: PublicUrl { origin: "http://127.0.0.1".to_owned(), host: "127.0.0.1".to_owned(), path: "/pub/".to_owned() },
            hard_links: false,
            credentials: None,
        };
        Directories::open(&[entry], &Directories::default()).expect("it can be opened")
    }

    fn row(number: u8) -> Placed {
        Placed {
            name: PlacedName::new([number; 16]),
            directory: DirectoryName::parse("pub").expect("a name"),
            what: What::Stub(DeliveryId::new([1; 12])),
            grant: GrantId::new([2; 12]),
            file: FileRef { storage: StorageName::parse("masters").expect("a name"), path: FilePath::parse("a.zip").expect("a path") },
            leaf: "a.zip".to_owned(),
            placed: Moment::EPOCH,
            due: Moment::EPOCH,
            stay: Stay::Live,
        }
    }

    #[test]
    fn what_is_half_made_is_undone_unless_somebody_has_it_in_hand_or_ended_it_meanwhile() {
        let temporary = tempfile::tempdir().expect("a directory");
        let directories = open(temporary.path());
        let directory = directories.iter().next().expect("it is open");
        let (lost, held, ended) = (row(1), row(2), row(3));
        let aside = |placed: &Placed| format!("new-{}", placed.name);
        for placed in [&lost, &held, &ended] {
            directory.make_stub(&aside(placed), &placed.leaf, Path::new("/masters/a.zip")).expect("it is made aside");
        }
        let tidied = directory.tidy(|name| {
            if *name == ended.name {
                let shown = renameat_with(&directory.aside, aside(&ended), &directory.root, name.as_str(), RenameFlags::NOREPLACE);
                shown.expect("it is shown");
            }
            (*name != held.name).then_some(())
        });
        let tidied: Vec<_> = tidied.expect("it is listed").into_iter().map(|one| (one.name, one.outcome.ok())).collect();
        assert_eq!(tidied, [(lost.name.clone(), Some(Taken::Gone))]);
        assert_eq!(directory.has_stub(&ended), Ok(true), "what was shown stays");
        assert_eq!(look(&directory.aside, &aside(&lost)).map(|stat| stat.is_some()), Ok(false));
        assert_eq!(look(&directory.aside, &aside(&held)).map(|stat| stat.is_some()), Ok(true), "it is in hand");
    }

    #[test]
    fn a_stub_has_the_group_that_its_directory_has_now_and_nobody_else_enters() {
        let place = tempfile::tempdir().expect("a directory");
        let directories = open(place.path());
        let directory = directories.iter().next().expect("one");
        let own = fs::metadata(place.path()).expect("a directory").gid();
        // Another group that this user may give; a user who is in one alone has that one on both sides.
        let others = rustix::process::getgroups().expect("groups").into_iter().map(Gid::as_raw).find(|group| *group != own);
        let other = if rustix::process::geteuid().is_root() { own + 1 } else { others.unwrap_or(own) };
        for (number, group, mode) in [(1, own, 0o700), (2, other, 0o750), (3, own, 0o2750), (4, other, 0o2750)] {
            chown(place.path(), None, Some(group)).expect("a group");
            fs::set_permissions(place.path(), Permissions::from_mode(mode)).expect("a mode");
            let stub = row(number);
            directory.place_stub(&stub, Path::new("/masters/a.zip")).expect("placed");
            let found = fs::metadata(place.path().join(stub.name.as_str())).expect("a stub");
            assert_eq!((found.gid(), found.mode() & 0o7777), (group, 0o750), "{number}");
            assert_eq!(directory.take_stub(&stub).expect("taken"), Taken::Gone);
        }
    }
}
