//! The htpasswd files of public directories say who may enter: brought up to date when that changes, when its time comes,
//! and when somebody else wrote there.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::inotify::WatchFlags;
use tokio::sync::Notify;

use super::credential::{self, NotGiven, opens};
use super::site::{Current, Site};
use crate::clock;
use crate::config::{Credentials, Directory};
use crate::domain::credential::{DirectoryCredential, Holder, Sharing, State, UserName, rotation_due};
use crate::domain::file_state::FileState;
use crate::domain::moment::{Moment, Span};
use crate::domain::placed::DirectoryName;
use crate::proof::htpasswd::block::{Alike, Counts};
use crate::proof::key::Purpose;
use crate::public::{HtpasswdFile, NotWritten};
use crate::store::Down;
use crate::watch::DirectoryWatch;

/// What could not be written is tried again after this; sooner where its directory changes.
const AGAIN: Span = Span::from_seconds(5);

/// Without a watch files are looked at as often as this; with one, once a day, so that a clock that was set is noticed.
const LOOK: Duration = Duration::from_mins(1);
const LOOK_SELDOM: Duration = Duration::from_hours(24);

/// Everything that can make another file, or another state, of a path in a directory, once it is done.
const EVENTS: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// Who does it by a command holds the directory for a moment only: so often it is tried at once.
const BUSY_TRIES: usize = 20;
const BUSY: Duration = Duration::from_millis(50);

/// What is known of the files between one look and the next.
#[derive(Debug, Default)]
pub struct Htpasswds {
    /// Whoever changes credentials by what they are now holds this meanwhile.
    pub(super) deciding: tokio::sync::Mutex<()>,
    files: Mutex<HashMap<DirectoryName, Arc<Kept>>>,
    wake: Notify,
}

/// One file.
#[derive(Debug, Default)]
struct Kept {
    /// Lines that it has of ours.
    users: AtomicUsize,
    /// How often it was to be written.
    asked: AtomicU64,
    writing: Arc<tokio::sync::Mutex<Last>>,
}

/// What is known of its last writing.
#[derive(Debug, Default)]
struct Last {
    /// Up to which asking it is written.
    written: u64,
    /// The file as it was then.
    state: Option<FileState>,
    /// When a line has to leave it.
    next: Option<Moment>,
    /// The keys that were good then: passwords of others open nothing.
    keys: Vec<String>,
    /// Why it could not be written, told once.
    fault: Option<NotWritten>,
    /// Lines of people that were told.
    alike: HashSet<(UserName, Option<Counts>)>,
    /// Whether nothing is left of a time when one was shared.
    is_of_grants: bool,
}

impl Htpasswds {
    fn of(&self, directory: &DirectoryName) -> Arc<Kept> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(files.entry(directory.clone()).or_default())
    }

    /// How many lines of ours the file of `directory` has.
    pub(super) fn users(&self, directory: &DirectoryName) -> usize {
        self.of(directory).users.load(Ordering::Relaxed)
    }

    /// Something changed of what the files follow from.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }
}

/// Wakes [`keep`] when it ends. Whoever changes a row holds it until the file is written, so that it is written even where
/// they are cut off in between.
pub(super) struct Waking<'a>(&'a Site);

pub(super) fn waking(site: &Site) -> Waking<'_> {
    Waking(site)
}

impl Drop for Waking<'_> {
    fn drop(&mut self) {
        self.0.htpasswds.wake();
    }
}

fn good_keys(site: &Site) -> Vec<String> {
    site.keys.iter().filter(|(_, purpose)| *purpose != Purpose::Retired).map(|(key, _)| key.id().to_owned()).collect()
}

/// Brings the file of a directory up to date. Many that ask at once share one writing that begins after each has asked.
pub(super) async fn write(site: &Site, entry: &Directory) -> Result<(), NotGiven> {
    let Some(rules) = &entry.credentials else { return Ok(()) };
    let kept = site.htpasswds.of(&entry.name);
    let mine = kept.asked.fetch_add(1, Ordering::SeqCst) + 1;
    for busy in 1.. {
        let last = Arc::clone(&kept.writing).lock_owned().await;
        if last.written >= mine {
            return Ok(());
        }
        let asked = kept.asked.load(Ordering::SeqCst);
        let now = clock::now();
        let rows = site.store.credentials(entry.name.clone(), now).await?;
        let next = rows.iter().filter_map(|row| row.ends).min();
        let (rows, dead): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| opens(&site.keys, row));
        let (file, keys) = (HtpasswdFile::at(&rules.htpasswd), good_keys(site));
        kept.users.store(rows.len(), Ordering::Relaxed);
        // The lock goes with the writing: who does not wait for its end any more leaves it as it is.
        let act = move || {
            let mut last = last;
            let lines: Vec<(UserName, &str)> = rows.iter().map(|row| (row.user, row.hash.as_str())).collect();
            let written = file.write(&lines, clock::now());
            if let Ok(done) = &written {
                (last.written, last.state, last.next) = (asked, Some(done.state), next);
            }
            (last, written)
        };
        let Ok((mut last, written)) = tokio::task::spawn_blocking(act).await else { return Err(NotGiven::Down(Down::Unreachable)) };
        match written {
            Ok(done) => {
                if last.keys != keys && !dead.is_empty() {
                    tracing::warn!(event = "credentials_without_key", directory = %entry.name, users = dead.len(), "their key is retired or gone: these user names open nothing; `cloakroom credential rotate` makes others");
                }
                last.keys = keys;
                if last.fault.take().is_some() {
                    tracing::info!(event = "htpasswd_written", directory = %entry.name, "the htpasswd file could be written again");
                }
                tell_alike(site, entry, &mut last, done.alike).await;
                return Ok(());
            }
            Err(fault) if fault.is_busy() && busy < BUSY_TRIES => {
                drop(last);
                tokio::time::sleep(BUSY).await;
            }
            Err(fault) => {
                if last.fault.as_ref() != Some(&fault) {
                    tracing::error!(event = "htpasswd_not_written", directory = %entry.name, "{fault}; it is tried again");
                }
                last.fault = Some(fault.clone());
                return Err(fault.into());
            }
        }
    }
    Ok(())
}

/// Has the file of a directory brought up to date by [`keep`], which whoever calls is [`waking`].
pub(super) fn write_soon(site: &Site, entry: &Directory) {
    site.htpasswds.of(&entry.name).asked.fetch_add(1, Ordering::SeqCst);
}

/// Says once of each line of a person that its name is, or was, one of ours.
async fn tell_alike(site: &Site, entry: &Directory, last: &mut Last, found: Vec<Alike>) {
    let users: Vec<UserName> = found.iter().map(|alike| alike.user).collect();
    if users.is_empty() {
        last.alike.clear();
        return;
    }
    // Most names of this form that people make were never ours.
    let known = site.store.credentials_named(users).await.unwrap_or_default();
    let is_ours = |alike: &&Alike| known.iter().any(|known| known.user == alike.user && known.directory == entry.name);
    let mut told = HashSet::new();
    for Alike { line, user, clash } in found.iter().filter(is_ours) {
        told.insert((*user, *clash));
        if last.alike.contains(&(*user, *clash)) {
            continue;
        }
        let why = match clash {
            Some(Counts::Theirs) => "it stands above ours under the same name, so that the web server sees it and not ours",
            Some(Counts::Ours) => "it stands below ours under the same name, so that no web server sees it",
            None => "it is a copy of one of ours that has ended, and still opens the directory",
        };
        tracing::warn!(event = "htpasswd_clash", directory = %entry.name, line, %user, "a line that is not between our comments: {why}");
    }
    last.alike = told;
}

/// Keeps all files up to date; never ends by itself. The first look is at the start.
pub async fn keep(current: &Current) {
    let htpasswds = Arc::clone(&current.site().htpasswds);
    let watch = DirectoryWatch::new();
    if let Err(error) = &watch {
        tracing::warn!(event = "htpasswd_not_watched", %error, "htpasswd files are looked at once a minute");
    }
    loop {
        let site = current.site();
        let (mut next, mut is_watched) = (None, true);
        for (entry, rules) in site.configuration.directories.iter().filter_map(|entry| Some((entry, entry.credentials.as_ref()?))) {
            if let Ok(watch) = &watch {
                is_watched &= watch.add(HtpasswdFile::at(&rules.htpasswd).directory(), EVENTS).is_ok();
            }
            let looked = look(&site, entry, rules).await;
            next = [next, looked].into_iter().flatten().min();
        }
        let most = if watch.is_ok() && is_watched { LOOK_SELDOM } else { LOOK };
        let changed = async {
            match &watch {
                Ok(watch) => watch.changed().await,
                Err(_) => std::future::pending().await,
            }
        };
        drop(site);
        tokio::select! {
            () = clock::until(next) => {}
            () = tokio::time::sleep(most) => {}
            () = htpasswds.wake.notified() => {}
            () = changed => {}
        }
    }
}

/// Does what is due in a directory, and tells when something is due next.
async fn look(site: &Site, entry: &Directory, rules: &Credentials) -> Option<Moment> {
    let due = match hold(site, entry, rules).await {
        Ok(due) => due,
        Err(fault) => {
            tracing::error!(event = "credentials_wait", directory = %entry.name, "user names cannot be made or replaced, and it is tried again: {fault}");
            Some(clock::now() + AGAIN)
        }
    };
    let kept = site.htpasswds.of(&entry.name);
    let is_due = {
        let last = kept.writing.lock().await;
        let state = HtpasswdFile::at(&rules.htpasswd).state();
        let is_other = last.state.is_none() || state != last.state || last.keys != good_keys(site);
        let is_over = last.next.is_some_and(|next| next <= clock::now());
        is_other || is_over || last.fault.is_some() || last.written < kept.asked.load(Ordering::SeqCst)
    };
    if is_due && write(site, entry).await.is_err() {
        return Some(clock::now() + AGAIN);
    }
    let next = kept.writing.lock().await.next;
    [due, next].into_iter().flatten().min()
}

/// Sees to it that a directory has the users that its configuration says: one that is shared is there and is replaced on
/// schedule; where another way was configured before, what is left of it is replaced.
async fn hold(site: &Site, entry: &Directory, rules: &Credentials) -> Result<Option<Moment>, NotGiven> {
    const AUTHOR: &str = "cloakroom";
    if rules.sharing == Sharing::Grant {
        return leave_shared(site, entry, rules).await.map(|()| None);
    }
    let kept = site.htpasswds.of(&entry.name);
    kept.writing.lock().await.is_of_grants = false;
    let now = clock::now();
    let rows = site.store.credentials(entry.name.clone(), now).await?;
    let is_told = |row: &&DirectoryCredential| row.holder == Holder::Everybody && row.state(now) == State::Current;
    match rows.iter().rev().find(is_told) {
        None => {
            let alone = site.htpasswds.deciding.lock().await;
            let again = site.store.credentials(entry.name.clone(), now).await?;
            if !again.iter().any(|row| is_told(&row)) {
                credential::add(site, entry, (Holder::Everybody, None), Vec::new(), AUTHOR, now).await?;
                kept.asked.fetch_add(1, Ordering::SeqCst);
            }
            drop(alone);
            Ok(rules.rotate_every.map(|every| now + every))
        }
        Some(told) => match rotation_due(told, rules.rotate_every) {
            Some(due) if due <= now => {
                credential::rotate(site, &entry.name, None, "cloakroom (rotate_every)").await?;
                Ok(rules.rotate_every.map(|every| now + every))
            }
            due => Ok(due),
        },
    }
}

/// Lets a user name that was shared go, where each grant has its own now.
async fn leave_shared(site: &Site, entry: &Directory, rules: &Credentials) -> Result<(), NotGiven> {
    let kept = site.htpasswds.of(&entry.name);
    // It is left from before a start or a reload: once is enough.
    if kept.writing.lock().await.is_of_grants {
        return Ok(());
    }
    let _alone = site.htpasswds.deciding.lock().await;
    let now = clock::now();
    let rows = site.store.credentials(entry.name.clone(), now).await?;
    let left = rows.iter().filter(|row| row.holder == Holder::Everybody && row.state(now) == State::Current);
    let left: Vec<DirectoryCredential> = left.map(|row| row.replaced(now, rules.overlap)).collect();
    if !left.is_empty() {
        tracing::info!(event = "credentials_rotated", directory = %entry.name, replaced = left.len(), made = 0, "each grant has a user name of its own now");
        site.store.put_credentials(Vec::new(), left).await?;
        kept.asked.fetch_add(1, Ordering::SeqCst);
    }
    kept.writing.lock().await.is_of_grants = true;
    Ok(())
}
