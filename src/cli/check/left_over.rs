//! What a check that was cut off left behind: a later one takes it away.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat, unlinkat};
use rustix::io::Errno;

use super::finding::Finding;
use super::public_planted::LEAVES;
use super::zen_cart::folders;
use super::zen_cart_shop::Shop;
use crate::auth::replace::replace;
use crate::cli::terminal::counted;
use crate::config::Configuration;
use crate::domain::moment::Moment;
use crate::domain::probe;
use crate::proof::htpasswd::edit;
use crate::random;

/// Takes away what checks left in storages, public directories, beside Zen Cart's masters and in files of passwords, if they cannot run any more at `now`.
pub(super) fn tidy(configuration: &Configuration, now: Moment) -> Option<Finding> {
    let storages = configuration.storages.iter().map(|storage| storage.path.clone());
    let directories = configuration.directories.iter().map(|directory| directory.path.clone());
    let zen_carts = configuration.zen_carts.iter().flat_map(|entry| folders(entry, Shop::around(&entry.path).ok().as_ref()));
    let all: BTreeSet<PathBuf> = storages.chain(directories).chain(zen_carts).collect();
    let taken: usize = all.iter().filter_map(|path| in_directory(path, now).ok()).sum();
    let files = configuration.directories.iter().filter_map(|directory| directory.credentials.as_ref());
    let withdrawn: usize = files.map(|credentials| in_passwords(&credentials.htpasswd, now)).sum();
    let number = u64::try_from(taken + withdrawn).unwrap_or(u64::MAX);
    let says = format!("a check before was cut off: {} of it taken away", counted(number, "thing", "things"));
    (number > 0).then(|| Finding::ok("probe", says))
}

/// Whether the check that made `name` is over.
fn is_old(name: &str, now: Moment) -> bool {
    probe::made(name).is_some() && !probe::is_young(name, now)
}

/// Takes away what lies in a directory; how much. It is others who write there: nothing is followed.
fn in_directory(path: &Path, now: Moment) -> Result<usize, Errno> {
    let directory = open(CWD, path, OFlags::empty())?;
    let mut old = Vec::new();
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        old.extend(entry.file_name().to_str().ok().filter(|name| is_old(name, now)).map(str::to_owned));
    }
    Ok(old.into_iter().filter(|name| take(&directory, name).is_ok()).count())
}

fn open(at: impl std::os::fd::AsFd, path: impl rustix::path::Arg, flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(at, path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | flags, Mode::empty())
}

/// A file, or a directory with nothing but links that a check makes.
fn take(directory: &OwnedFd, name: &str) -> Result<(), Errno> {
    let kind = |at: &OwnedFd, name: &str| Ok(FileType::from_raw_mode(statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode));
    match kind(directory, name)? {
        FileType::RegularFile => unlinkat(directory, name, AtFlags::empty()),
        FileType::Directory => {
            let inside = open(directory, name, OFlags::NOFOLLOW)?;
            for leaf in LEAVES {
                if kind(&inside, leaf) == Ok(FileType::Symlink) {
                    unlinkat(&inside, *leaf, AtFlags::empty())?;
                }
            }
            unlinkat(directory, name, AtFlags::REMOVEDIR)
        }
        _ => Err(Errno::INVAL),
    }
}

/// Takes user names out of a file of passwords; how many.
fn in_passwords(file: &Path, now: Moment) -> usize {
    let Ok(bytes) = fs::read(file) else { return 0 };
    let text = String::from_utf8_lossy(&bytes);
    let old: Vec<&str> = text.lines().filter_map(|line| line.split(':').next()).filter(|user| is_old(user, now)).collect();
    let without = |user: &&&str| {
        let change = |bytes: &[u8]| {
            let (new, lines) = edit::remove(bytes, user);
            ((lines > 0).then_some(new), ())
        };
        replace(file, false, random::bytes(), change).is_ok()
    };
    old.iter().filter(without).count()
}
