//! The htpasswd files of public directories: where they lie, who may read and write them, and whether they say what the
//! store says.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::accounts::Wish;
use super::finding::{Finding, or_ok};
use super::people::People;
use super::public::group;
use crate::api::CredentialView;
use crate::cli::client::{Client, query};
use crate::cli::terminal;
use crate::config::{Configuration, Credentials, Directory, Purpose};
use crate::domain::credential::UserName;
use crate::proof::htpasswd::block::{self, Seen};

/// What these findings are called.
const CHECK: &str = "public-login";

/// What shows why the daemon could not write it.
const WHY: &str = "journalctl -u cloakroom -g htpasswd -n 5";

/// The daemon writes no longer ones.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// So many of the store are asked for at once, and so many times at most; what is beyond that is not compared.
const PAGE: usize = 1000;
const PAGES_MAX: usize = 20;

/// The file is written a moment after the store, so that another look may see them agree.
const LOOKS: usize = 5;
const LOOK: Duration = Duration::from_millis(200);

/// All about these files.
pub(super) fn look(configuration: &Configuration, people: &People) -> Vec<Finding> {
    let with = configuration.directories.iter().filter_map(|directory| Some((directory, directory.credentials.as_ref()?)));
    with.flat_map(|(directory, credentials)| one(configuration, directory, credentials, people)).collect()
}

fn one(configuration: &Configuration, directory: &Directory, credentials: &Credentials, people: &People) -> Vec<Finding> {
    let file = credentials.htpasswd.as_path();
    let above = file.parent().unwrap_or(Path::new("/"));
    let Some(around) = fs::metadata(above).ok().filter(Metadata::is_dir) else {
        let fault =
            Finding::fault(CHECK, format!("there is no place for the passwords of `{}`: nobody gets one that opens", directory.name));
        let group = group(people);
        return vec![
            fault
                .found(format!("no directory {}", above.display()))
                .right(format!("a directory of the daemon's user, which the group {group} may enter"))
                .run(format!("install -d -o {} -g {group} -m 2750 {}", people.daemon.name, above.display())),
        ];
    };
    let mut wrong = place(configuration, file);
    wrong.extend(directory_of(above, &around, people));
    let Ok(found) = fs::symlink_metadata(file) else {
        if people.process.is_none() {
            wrong.push(Finding::ok(CHECK, format!("`{}`: {} is made when the daemon starts", directory.name, file.display())));
            return wrong;
        }
        let fault = Finding::fault(CHECK, "the web server lets nobody in: the file with the passwords is not there");
        wrong.push(fault.found(format!("no {}", file.display())).right("the daemon makes it; its log says why it cannot").run(WHY));
        return wrong;
    };
    if !found.is_file() {
        let fault = Finding::fault(CHECK, "the daemon does not write it: a link could lead to where everybody may look");
        let kind = if found.is_symlink() { "a symbolic link" } else { "no file" };
        wrong.push(
            fault
                .found(format!("{} is {kind}", file.display()))
                .right("a file, or nothing: the daemon makes it")
                .run(format!("mv {} /root/", file.display())),
        );
        return wrong;
    }
    wrong.extend(file_of(file, &found, people));
    let seen = match state(configuration, directory, file) {
        Ok((seen, differs)) => {
            wrong.extend(differs);
            seen
        }
        Err(why) => {
            let mut all = or_ok(CHECK, format!("`{}`: {}", directory.name, shown(file, &found, people)), wrong);
            all.push(Finding::not_asked(CHECK, format!("{} was not held against the store: {why}", file.display())));
            return all;
        }
    };
    let ours = terminal::counted(seen.ours.len() as u64, "user name as the store has it", "user names as the store has them");
    let others = match seen.others {
        0 => String::new(),
        others => format!(", and {others} of people"),
    };
    or_ok(CHECK, format!("`{}`: {}, {ours}{others}", directory.name, shown(file, &found, people)), wrong)
}

/// `/var/lib/cloakroom-htpasswd/goods has mode 0640 cloakroom:www-data`
fn shown(file: &Path, found: &Metadata, people: &People) -> String {
    format!("{} has mode {}", file.display(), people.accounts.mode_of(found))
}

/// It lies in nothing that is handed out, whatever links lead there; the configuration says so of its names already.
fn place(configuration: &Configuration, file: &Path) -> Vec<Finding> {
    let Ok(real) = file.parent().unwrap_or(file).canonicalize() else { return Vec::new() };
    let storages = configuration.storages.iter().map(|storage| &storage.path);
    let handed_out = storages.chain(configuration.directories.iter().map(|directory| &directory.path));
    let around = |path: &&PathBuf| path.canonicalize().is_ok_and(|path| real.starts_with(path));
    let Some(around) = handed_out.into_iter().find(around) else { return Vec::new() };
    let fault = Finding::fault(CHECK, "everybody can fetch the file with the passwords, and try them at home");
    vec![
        fault
            .found(format!("{} is really in {}, which lies in {}", file.display(), real.display(), around.display()))
            .right("a directory of its own, outside of storages and public directories")
            .run("install -d -o cloakroom -g www-data -m 2750 /var/lib/cloakroom-htpasswd && editor /etc/cloakroom/cloakroom.toml"),
    ]
}

/// The directory that it lies in: the daemon writes aside there and renames, and nobody else does.
fn directory_of(above: &Path, found: &Metadata, people: &People) -> Vec<Finding> {
    let (shown, name) = (shown(above, found, people), &people.daemon.name);
    let at = above.display();
    let mut wrong = Vec::new();
    let obstacle = [Wish::Enter, Wish::Write].iter().find_map(|wish| people.accounts.obstacle(&people.daemon, above, *wish));
    if let Some(obstacle) = obstacle {
        let fault =
            Finding::fault(CHECK, format!("the daemon, as {name}, cannot write the file: new passwords do not open, old ones go on"));
        let fault = fault
            .found(format!("{} has mode {}", obstacle.path.display(), obstacle.shown))
            .right(format!("{name} writes there"))
            .run(if obstacle.path == above {
                format!("chown {name} {at} && chmod u+rwx {at}")
            } else {
                format!("chmod o+x {}", obstacle.path.display())
            });
        wrong.push(people.or_restart(fault, &obstacle));
    } else if found.uid() != people.daemon.user && found.uid() != 0 {
        let fault = Finding::fault(CHECK, "another user can put another file there, and let everybody in");
        wrong.push(fault.found(&shown).right(format!("it belongs to {name}")).run(format!("chown {name} {at}")));
    }
    if found.mode() & 0o022 != 0 {
        let who = if found.mode() & 0o002 != 0 {
            "every user of this machine".to_owned()
        } else {
            format!("the group {}", people.accounts.group_name(found.gid()))
        };
        let fault = Finding::fault(CHECK, format!("{who} can put another file there, and let everybody in"));
        wrong.push(
            fault.found(shown).right("2750: the daemon's user writes, the web server's group enters").run(format!("chmod 2750 {at}")),
        );
    }
    wrong
}

/// The file itself: read by the daemon and by the web server, written by the daemon.
fn file_of(file: &Path, found: &Metadata, people: &People) -> Vec<Finding> {
    let (shown, name, at) = (shown(file, found, people), &people.daemon.name, file.display());
    let mut wrong = Vec::new();
    if people.accounts.obstacle(&people.daemon, file, Wish::Read).is_some() {
        let fault = Finding::fault(CHECK, format!("the daemon, as {name}, cannot read the file, and writes none over what it cannot read"));
        wrong.push(fault.found(&shown).right(format!("{name} owns it")).run(format!("chown {name} {at} && chmod 0640 {at}")));
    } else if found.uid() != people.daemon.user && found.uid() != 0 {
        let fault = Finding::fault(CHECK, "another user can write names and passwords into the file");
        wrong.push(fault.found(&shown).right(format!("{name} owns it")).run(format!("chown {name} {at}")));
    }
    if found.mode() & 0o022 != 0 {
        let fault = Finding::fault(CHECK, "others than the daemon can write names and passwords into the file");
        wrong.push(fault.found(&shown).right("mode 0640").run(format!("chmod 0640 {at}")));
    } else if found.mode() & 0o004 != 0 {
        let warning = Finding::warning(CHECK, "every user of this machine can read the hashes of the passwords");
        wrong.push(warning.found(&shown).right("mode 0640: the web server's group reads it").run(format!("chmod 0640 {at}")));
    }
    let Some(worker) = &people.worker else { return wrong };
    if let Some(obstacle) = people.accounts.obstacle(worker, file, Wish::Read) {
        let fault = Finding::fault(CHECK, format!("nginx's workers, as {}, cannot read the file: customers see 500", worker.name));
        let (there, group) = (obstacle.path.display(), group(people));
        let run = if obstacle.path == file {
            format!("chgrp {group} {there} && chmod 0640 {there}")
        } else if Some(obstacle.path.as_path()) == file.parent() {
            format!("chgrp {group} {there} && chmod 2750 {there}")
        } else {
            format!("chmod o+x {there}")
        };
        let right = format!("{} reads it, by its group {group}", worker.name);
        wrong.push(fault.found(format!("{there} has mode {}", obstacle.shown)).right(right).run(run));
    }
    wrong
}

/// What the file says, and where that is not what the store says; or why that cannot be told.
fn state(configuration: &Configuration, directory: &Directory, file: &Path) -> Result<(Seen, Vec<Finding>), String> {
    let client = Client::of(configuration, "check").map_err(|_| "no [[listener]] with serve = \"api\"".to_owned())?;
    let pause = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|error| error.to_string())?;
    let mut looks = 1;
    loop {
        let store = names(configuration, directory, &client)?;
        let mut bytes = Vec::new();
        let read = fs::File::open(file).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
        read.map_err(|error| error.to_string())?;
        let seen = block::look(&bytes);
        let found = differs(directory, file, &seen, &store);
        if found.is_empty() || looks == LOOKS {
            return Ok((seen, found));
        }
        looks += 1;
        // The timer is one of this runtime.
        pause.block_on(async { tokio::time::sleep(LOOK).await });
    }
}

/// The names that open, as the store has them: those of keys that are good.
fn names(configuration: &Configuration, directory: &Directory, client: &Client) -> Result<BTreeSet<UserName>, String> {
    let is_good = |key: &str| configuration.keys.iter().any(|known| known.id == key && known.purpose != Purpose::Retired);
    let (mut all, mut before) = (BTreeSet::new(), None::<String>);
    let limit = PAGE.to_string();
    for _ in 0..PAGES_MAX {
        let which = query(&[("directory", Some(directory.name.as_str())), ("before", before.as_deref()), ("limit", Some(&limit))]);
        let page: Vec<CredentialView> = client
            .fetch(&format!("/api/v1/credentials{which}"))
            .map_err(|_| "the daemon of this configuration tells nothing about it".to_owned())?;
        all.extend(page.iter().filter(|one| is_good(&one.key)).filter_map(|one| one.user.parse::<UserName>().ok()));
        match page.last() {
            Some(last) if page.len() == PAGE => before = Some(last.user.clone()),
            _ => return Ok(all),
        }
    }
    Err(format!("there are more than {} user names", terminal::grouped((PAGE * PAGES_MAX) as u64)))
}

/// What the one has and the other has not.
fn differs(directory: &Directory, file: &Path, seen: &Seen, store: &BTreeSet<UserName>) -> Vec<Finding> {
    let (ours, mut wrong) = (seen.ours.iter().copied().collect::<BTreeSet<_>>(), Vec::new());
    let shown = file.display();
    let some = |names: &[&UserName]| {
        let first = names.first().map(ToString::to_string).unwrap_or_default();
        let more = names.len().saturating_sub(1);
        if more == 0 { first } else { format!("{first} and {} more", terminal::grouped(more as u64)) }
    };
    let missing: Vec<&UserName> = store.difference(&ours).collect();
    if !missing.is_empty() {
        let fault = Finding::fault(CHECK, "customers were given user names that the web server does not know: they see 401");
        wrong.push(
            fault
                .found(format!("{shown} has no line of {}", some(&missing)))
                .right("a line of each that `cloakroom credential list` shows; the daemon writes them, and its log says why it cannot")
                .run(WHY),
        );
    }
    let foreign: Vec<&UserName> = ours.difference(store).collect();
    if !foreign.is_empty() {
        let fault = Finding::fault(CHECK, "user names that have ended, or were never given, still open the directory");
        wrong.push(
            fault
                .found(format!("{shown} has lines between Cloakroom's comments that the store does not have: {}", some(&foreign)))
                .right("what `cloakroom credential list` shows; the daemon takes others away, and its log says why it cannot")
                .run(WHY),
        );
    }
    if let Some((line, user)) = seen.alike.first() {
        let warning =
            Finding::warning(CHECK, "a line of somebody else has a user name like Cloakroom's: it opens by itself, or shuts that one");
        wrong.push(
            warning
                .found(format!("{shown}:{line}: {user}, not between Cloakroom's comments, in `{}`", directory.name))
                .right("people have other names, and copies of Cloakroom's lines are taken away")
                .run(format!("editor {shown}")),
        );
    }
    wrong
}
