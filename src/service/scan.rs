//! What the masters of the catalogue are: looked at on demand and now and then, and read once to know their bytes.
//!
//! A master that lies there with other bytes than its version had is its file's next version. Where only its time is another,
//! it is the same one. What was not read when the process ended is read after the next start.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::catalogue::released;
use super::hashing::checksum;
use super::site::{Current, Site};
use crate::clock;
use crate::domain::catalogue::{File, Release, State};
use crate::domain::checksum::Checksum;
use crate::domain::file::{FileRef, Version};
use crate::domain::id::{FileId, VersionId};
use crate::domain::locator::Locator;
use crate::domain::moment::Span;
use crate::random;
use crate::store::{Down, Files, LIST_MAX};

/// A look at all masters without being asked: nobody tells when one is exchanged.
const LOOK: Span = Span::from_hours(1);

/// How long is waited after the store did not answer.
const STORE_PAUSE: Span = Span::from_seconds(5);

/// What is being scanned, and what was.
#[derive(Debug, Default)]
pub struct Scans {
    wake: Notify,
    /// How often it was asked for, and up to which of these all was looked at and read.
    asked: AtomicU64,
    done: AtomicU64,
    found: Mutex<Found>,
}

/// What a scan found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many files there are in each state.
    pub states: [u64; State::ALL.len()],
    /// How many wait to be read, that which is being read included, and how many bytes they have together.
    pub waiting: (u64, u64),
    /// What is being read.
    pub reading: Option<Reading>,
}

/// A master that is being read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Its file.
    pub file: FileId,
    /// Under which name people see it.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    done: Arc<AtomicU64>,
}

impl Reading {
    /// How many bytes were read.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

impl PartialEq for Reading {
    fn eq(&self, other: &Self) -> bool {
        (self.file, self.done()) == (other.file, other.done())
    }
}

impl Eq for Reading {}

impl Scans {
    /// Has everything looked at; gives the number under which [`Scans::is_done`] knows it.
    pub fn ask(&self) -> u64 {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.wake.notify_one();
        asked
    }

    /// Whether all was looked at and read since that was asked for.
    pub fn is_done(&self, asked: u64) -> bool {
        self.done.load(Ordering::SeqCst) >= asked
    }

    /// What was found so far.
    pub fn found(&self) -> Found {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Found)) {
        change(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Ends the reading when nobody waits for it any more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Looks at masters and reads them; never ends by itself.
pub async fn keep(current: &Current) {
    let scans = Arc::clone(&current.site().scans);
    loop {
        let asked = scans.asked.load(Ordering::SeqCst);
        let next = match scan(&current.site()).await {
            Ok(looked) => {
                scans.done.fetch_max(asked, Ordering::SeqCst);
                // Where nothing is to be looked at nobody wakes.
                (looked > 0).then(|| clock::now() + LOOK)
            }
            Err(down) => {
                tracing::debug!(event = "scan_waits", "masters of the catalogue are not looked at: {down}");
                Some(clock::now() + STORE_PAUSE)
            }
        };
        tokio::select! {
            () = scans.wake.notified() => {}
            () = clock::until(next) => {}
        }
    }
}

/// Looks at each master once, and reads those that are not known; how many there were.
async fn scan(site: &Arc<Site>) -> Result<u64, Down> {
    let (mut after, mut looked, mut unread) = (None, 0, Vec::new());
    let mut states = [0; State::ALL.len()];
    loop {
        let page = site.catalogue.files(Files { after, limit: LIST_MAX }).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for (file, seen) in look(site, page).await {
            let state = file.state(seen.as_ref());
            if let Some(count) = State::ALL.iter().position(|known| *known == state).and_then(|place| states.get_mut(place)) {
                *count += 1;
            }
            looked += u64::from(file.here().is_some());
            if file.here().is_some() && seen.is_none() != file.missing.is_some() {
                note_missing(site, file.id, seen.is_none()).await?;
            }
            if let (State::Hashing | State::Changed, Some(seen)) = (state, seen) {
                unread.push((file.id, seen.size, state));
            }
        }
    }
    let bytes = unread.iter().fold(0_u64, |sum, (_, size, _)| sum.saturating_add(*size));
    site.scans.change(|found| *found = Found { states, waiting: (unread.len() as u64, bytes), reading: None });
    for (id, size, before) in unread {
        let became = read(site, id).await;
        site.scans.change(|found| {
            found.reading = None;
            found.waiting = (found.waiting.0.saturating_sub(1), found.waiting.1.saturating_sub(size));
        });
        let now = became?;
        let place = |state: State| State::ALL.iter().position(|known| *known == state);
        site.scans.change(|found| {
            if let Some(count) = place(before).and_then(|place| found.states.get_mut(place)) {
                *count = count.saturating_sub(1);
            }
            if let Some(count) = place(now).and_then(|place| found.states.get_mut(place)) {
                *count += 1;
            }
        });
    }
    Ok(looked)
}

/// Files with what their masters are now; `None` where there is none.
pub async fn look(site: &Site, files: Vec<File>) -> Vec<(File, Option<Version>)> {
    let storages = Arc::clone(&site.storages);
    let each = move |file: File| {
        let seen = file.here().and_then(|at| storages.look(at).ok());
        (file, seen)
    };
    tokio::task::spawn_blocking(move || files.into_iter().map(each).collect()).await.unwrap_or_default()
}

/// Writes down since when a master is not found, or that it is again.
async fn note_missing(site: &Site, id: FileId, is_missing: bool) -> Result<(), Down> {
    let (_beside_others, _alone) = (site.changing.read().await, site.cataloguing.lock().await);
    let Some(mut file) = site.catalogue.file(id).await? else { return Ok(()) };
    let Some(at) = file.here().cloned() else { return Ok(()) };
    // It may have come or gone while somebody else changed the file.
    if site.storages.look(&at).is_err() != is_missing || file.missing.is_some() == is_missing {
        return Ok(());
    }
    file.missing = is_missing.then(clock::now);
    site.catalogue.put_file(file).await?;
    if is_missing {
        tracing::warn!(event = "file_missing", %id, %at, "its master is not found; what was sold of it is refused until it is back");
    } else {
        tracing::info!(event = "file_back", %id, %at);
    }
    Ok(())
}

/// Reads the master of one file; the state that it is in then.
async fn read(site: &Arc<Site>, id: FileId) -> Result<State, Down> {
    // It is never closed. Evidence is read by the same one.
    let _turn = Arc::clone(&site.hashing).acquire_owned().await;
    let Some(file) = site.catalogue.file(id).await? else { return Ok(State::Missing) };
    let Some(at) = file.here().cloned() else { return Ok(State::Remote) };
    let waiting = Waiting(Arc::default());
    let (storages, given_up, done) = (Arc::clone(&site.storages), Arc::clone(&waiting.0), Arc::new(AtomicU64::new(0)));
    let reading = Reading { file: id, name: file.name.clone(), size: file.current.size.unwrap_or_default(), done: Arc::clone(&done) };
    site.scans.change(|found| found.reading = Some(reading));
    let place = at.clone();
    let work = move || -> Option<(Version, Checksum)> {
        let (mut handle, version) = storages.open_file(&place).ok()?;
        let told = |bytes: usize| {
            done.fetch_add(bytes as u64, Ordering::Relaxed);
            !given_up.load(Ordering::Relaxed)
        };
        let checksum = checksum(&mut handle, told).ok()??;
        // What was written meanwhile is another version, and is read by the next scan.
        storages.look(&place).is_ok_and(|after| after == version).then_some((version, checksum))
    };
    let Ok(Some((version, checksum))) = tokio::task::spawn_blocking(work).await else { return Ok(State::Changed) };
    drop(waiting);
    settle(site, id, &at, &version, checksum).await?;
    Ok(State::Ok)
}

/// Writes down what was read, where the file lies there still: its version, or its next one.
async fn settle(site: &Site, id: FileId, at: &FileRef, version: &Version, checksum: Checksum) -> Result<(), Down> {
    let (_beside_others, _alone) = (site.changing.read().await, site.cataloguing.lock().await);
    let Some(mut file) = site.catalogue.file(id).await?.filter(|file| file.here() == Some(at)) else { return Ok(()) };
    let is_read = file.current.is(version);
    let same_bytes = file.current.checksum == Some(checksum);
    if is_read || same_bytes || file.current.is_awaited() {
        (file.current.size, file.current.modified) = (Some(version.size), Some(version.modified));
        file.current.checksum = Some(checksum);
        file.missing = None;
        site.catalogue.put_file(file).await?;
        tracing::info!(event = "file_read", %id, %at, bytes = version.size, sha256 = %checksum);
        return Ok(());
    }
    let current = Release::of_master(VersionId::new(random::bytes()), at.clone(), version, clock::now());
    file.release(Release { checksum: Some(checksum), at: Locator::Here(at.clone()), ..current });
    released(site, &file).await?;
    Ok(())
}
