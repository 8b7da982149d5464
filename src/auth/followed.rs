//! A htpasswd file that is read again when it changes: by its inode, size and times, looked at once a second while it is
//! used, so that nobody has to tell.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, TryLockError};

use arc_swap::ArcSwap;

use super::htpasswd::{Htpasswd, Unreadable, Warning};
use crate::domain::file_state::FileState;
use crate::domain::moment::{Moment, Span};
use crate::watch::state_of;

/// How old what is known of the file may be.
const LOOK_AGAIN: Span = Span::from_seconds(1);

/// A file that changed so short a time before it was read may change again without another time or size: it is read once
/// more.
const SETTLED: Span = Span::from_seconds(2);

/// A file and what it said when it was read last.
pub struct Followed {
    path: PathBuf,
    current: ArcSwap<Htpasswd>,
    /// Until when nobody looks again, in milliseconds since 1970 UTC.
    looks_at: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    state: Option<FileState>,
    /// Whether it was old enough to be the last that looks like this.
    is_settled: bool,
    warnings: Vec<Warning>,
    /// What is wrong with the file as a whole, told once.
    unreadable: Option<String>,
}

impl Followed {
    /// Reads the file for the first time.
    pub fn open(path: &Path, now: Moment) -> Result<Self, Unreadable> {
        let mut seen = Seen::default();
        let state = state(path);
        let (htpasswd, warnings) = Htpasswd::load(path)?;
        seen.note(state.ok(), now);
        tell(&warnings);
        seen.warnings = warnings;
        let looks_at = AtomicU64::new((now + LOOK_AGAIN).millis());
        Ok(Self { path: path.to_owned(), current: ArcSwap::from_pointee(htpasswd), looks_at, seen: Mutex::new(seen) })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says now, or said a second ago. While it cannot be read, what it said before.
    pub fn current(&self, now: Moment) -> Arc<Htpasswd> {
        if self.is_due(now) {
            // While one reads it, the others go on with what it said.
            let looking = match self.seen.try_lock() {
                Ok(seen) => Some(seen),
                Err(TryLockError::Poisoned(seen)) => Some(seen.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            };
            // Another may have looked just before.
            if let Some(mut seen) = looking.filter(|_| self.is_due(now)) {
                self.look(&mut seen, now);
            }
        }
        self.current.load_full()
    }

    fn is_due(&self, now: Moment) -> bool {
        let looks_at = self.looks_at.load(Ordering::Acquire);
        // A clock that was set back must not keep an old file for as long.
        now.millis() >= looks_at || looks_at - now.millis() > LOOK_AGAIN.millis()
    }

    fn look(&self, seen: &mut Seen, now: Moment) {
        match state(&self.path) {
            Ok(state) if seen.state == Some(state) && seen.is_settled && seen.unreadable.is_none() => {}
            found => self.read(seen, found, now),
        }
        self.looks_at.store((now + LOOK_AGAIN).millis(), Ordering::Release);
    }

    fn read(&self, seen: &mut Seen, found: Result<FileState, Unreadable>, now: Moment) {
        let read = found.and_then(|state| Ok((state, Htpasswd::load(&self.path)?)));
        match read {
            Ok((state, (htpasswd, warnings))) => {
                if seen.state != Some(state) || seen.unreadable.is_some() {
                    tracing::info!(event = "htpasswd_read", file = %self.path.display(), users = htpasswd.users());
                }
                seen.note(Some(state), now);
                if seen.warnings != warnings {
                    tell(&warnings);
                    seen.warnings = warnings;
                }
                seen.unreadable = None;
                self.current.store(Arc::new(htpasswd));
            }
            Err(unreadable) => {
                if seen.unreadable.as_ref() != Some(&unreadable.wrong) {
                    tracing::warn!(
                        event = "htpasswd_unreadable",
                        "what the file said before holds until it can be read again: {unreadable}"
                    );
                }
                seen.unreadable = Some(unreadable.wrong);
            }
        }
    }
}

impl Seen {
    fn note(&mut self, state: Option<FileState>, now: Moment) {
        self.state = state;
        self.is_settled = state.is_some_and(|state| {
            // Anybody may set the time of modification; that of the change is the system's.
            let changed = u64::try_from(state.changed.0).unwrap_or_default();
            Moment::from_seconds(changed) + SETTLED < now
        });
    }
}

fn state(path: &Path) -> Result<FileState, Unreadable> {
    fs::metadata(path).map(|found| state_of(&found)).map_err(|error| Unreadable::of_error(path, &error))
}

fn tell(warnings: &[Warning]) {
    for warning in warnings {
        tracing::warn!(event = "htpasswd_line", "{warning}");
    }
}
