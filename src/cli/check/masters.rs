//! The files of the storages: read by us and by nginx's workers, by nobody else, under names that a URL can carry.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::accounts::Wish;
use super::finding::{Finding, or_ok};
use super::people::People;
use crate::cli::terminal;
use crate::config::{Configuration, Storage};
use crate::domain::path::{CanonicalPath, FilePath};

/// So many files of a storage are looked at; what is wrong with one is mostly wrong with many.
const FILES_MAX: usize = 20_000;

/// So many findings of one kind are shown.
const SHOWN_MAX: usize = 3;

/// Files and directories of a storage, as far as they were looked at.
struct Walk {
    /// Relative to the storage.
    files: Vec<PathBuf>,
    is_whole: bool,
}

/// All about the storages' files.
pub(super) fn look(configuration: &Configuration, people: &People) -> Vec<Finding> {
    configuration.storages.iter().flat_map(|storage| storage_of(configuration, storage, people)).collect()
}

fn storage_of(configuration: &Configuration, storage: &Storage, people: &People) -> Vec<Finding> {
    let walk = walk(&storage.path);
    let mut found = Vec::new();
    found.extend(readable(storage, people, &walk));
    found.extend(names(configuration, storage, &walk));
    found.extend(links(storage, &walk));
    if let Some(there) = fs::metadata(&storage.path).ok().filter(|there| there.mode() & 0o005 != 0) {
        let warning = Finding::warning("masters-private", "every user of this machine can read the files, a script of another site too");
        let path = storage.path.display();
        found.push(
            warning
                .found(format!("{path} has mode {}", people.accounts.mode_of(&there)))
                .right("2750, with nginx's user and the daemon's in its group")
                .run(format!("chmod o-rwx {path}")),
        );
    }
    let number = u64::try_from(walk.files.len()).unwrap_or(u64::MAX);
    let by = if people.worker.is_some() { "Cloakroom and nginx" } else { "Cloakroom" };
    let most = if walk.is_whole { "" } else { " looked at" };
    or_ok("masters", format!("`{}`: {}{most}, read by {by}", storage.name, terminal::counted(number, "file", "files")), found)
}

fn walk(root: &Path) -> Walk {
    let mut walk = Walk { files: Vec::new(), is_whole: true };
    let mut open = vec![PathBuf::new()];
    while let Some(inside) = open.pop() {
        for entry in fs::read_dir(root.join(&inside)).into_iter().flatten().flatten() {
            if walk.files.len() >= FILES_MAX {
                walk.is_whole = false;
                return walk;
            }
            let path = inside.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(path),
                Ok(_) => walk.files.push(path),
                Err(_) => {}
            }
        }
    }
    walk
}

/// Who cannot read what.
fn readable(storage: &Storage, people: &People, walk: &Walk) -> Vec<Finding> {
    let mut found = Vec::new();
    let readers = [("nginx's workers", people.worker.as_ref()), ("Cloakroom", Some(&people.daemon))];
    for (who, account) in readers {
        let Some(account) = account else { continue };
        let mut obstacles = walk.files.iter().filter_map(|file| people.accounts.obstacle(account, &storage.path.join(file), Wish::Read));
        let root = people.accounts.obstacle(account, &storage.path, Wish::Enter);
        let Some(first) = root.or_else(|| obstacles.next()) else { continue };
        let others = obstacles.count();
        let more = if others == 0 {
            String::new()
        } else {
            format!(", and {} more", terminal::grouped(u64::try_from(others).unwrap_or(u64::MAX)))
        };
        let what = match first.wish {
            Wish::Enter => "cannot enter a directory",
            Wish::Read | Wish::Write => "cannot read a file",
        };
        // Nobody becomes one of root's for the sake of some files.
        let group = fs::metadata(&storage.path).ok().map(|there| there.gid()).filter(|group| *group != 0);
        let group = group.map_or_else(|| "downloads".to_owned(), |group| people.accounts.group_name(group));
        let outside = !first.path.starts_with(&storage.path);
        let command = if outside {
            format!("chmod o+x {}", first.path.display())
        } else {
            format!(
                "chgrp -R {group} {root} && chmod -R g+rX {root} && usermod -aG {group} {name}",
                root = storage.path.display(),
                name = account.name
            )
        };
        let fault = Finding::fault(
            "masters",
            format!("{who}, as {}, {what}: customers see {}", account.name, if who == "Cloakroom" { "404" } else { "403" }),
        );
        let right = format!("{} can read all files of the storage `{}`", account.name, storage.name);
        let fault = fault.found(format!("{} has mode {}{more}", first.path.display(), first.shown)).right(right).run(command);
        found.push(if who == "Cloakroom" { people.or_restart(fault, &first) } else { fault });
    }
    found
}

/// Names that no link can be made for.
fn names(configuration: &Configuration, storage: &Storage, walk: &Walk) -> Vec<Finding> {
    let refused = walk.files.iter().filter_map(|file| {
        let why = match file.to_str() {
            None => "it is not UTF-8".to_owned(),
            Some(name) => match FilePath::parse(name) {
                Err(fault) => fault.to_string(),
                Ok(path) => {
                    CanonicalPath::of_decoded(&format!("{}f/{}/{path}", configuration.public_url.path, storage.name)).err()?.to_string()
                }
            },
        };
        Some((file, why))
    });
    let all: Vec<_> = refused.collect();
    let number = u64::try_from(all.len()).unwrap_or(u64::MAX);
    let warning = |(file, why): &(&PathBuf, String)| {
        let shown = terminal::visible(&storage.path.join(file).to_string_lossy());
        let warning = Finding::warning(
            "master-names",
            format!("{} under a name that no link can carry", terminal::counted(number, "file lies", "files lie")),
        );
        warning.found(format!("{shown}: {why}")).right("names without `\\` and control characters, in UTF-8").run(format!("mv {shown} …"))
    };
    all.iter().take(SHOWN_MAX).map(warning).collect()
}

/// Symbolic links that lead out of the storage: Cloakroom does not follow them.
fn links(storage: &Storage, walk: &Walk) -> Vec<Finding> {
    let Ok(root) = storage.path.canonicalize() else { return Vec::new() };
    let leads_out = |file: &&PathBuf| {
        let path = storage.path.join(file);
        path.is_symlink() && path.canonicalize().is_ok_and(|real| !real.starts_with(&root))
    };
    let warning = |file: &PathBuf| {
        let path = storage.path.join(file);
        let target = fs::read_link(&path).unwrap_or_default();
        Finding::warning("master-links", "a symbolic link leads out of the storage: its file is not sent")
            .found(format!("{} → {}", path.display(), target.display()))
            .right("the file itself, or a [[storage]] of its own for where it lies")
            .run(format!("ln -f {} {}", target.display(), path.display()))
    };
    walk.files.iter().filter(leads_out).take(SHOWN_MAX).map(warning).collect()
}
