//! What a listener counts, and messages that do not flood the log.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use super::limits::LOG_PAUSE;

/// What happened on one listener since the start.
#[derive(Debug, Default)]
pub struct Tally {
    accepted: AtomicU64,
    closed: AtomicU64,
    strangers: AtomicU64,
    timed_out: AtomicU64,
    gated: AtomicU64,
    accept_errors: AtomicU64,
    full: AtomicU64,
}

impl Tally {
    /// Connections that were accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections that are open.
    pub fn open(&self) -> u64 {
        self.accepted().saturating_sub(self.closed.load(Ordering::Relaxed))
    }

    /// Connections of peers that are not trusted, closed unread.
    pub fn strangers(&self) -> u64 {
        self.strangers.load(Ordering::Relaxed)
    }

    /// Connections that were closed because they were too slow: in their heads, their bodies or in taking an answer.
    pub fn timed_out(&self) -> u64 {
        self.timed_out.load(Ordering::Relaxed)
    }

    /// Requests that the gate refused.
    pub fn gated(&self) -> u64 {
        self.gated.load(Ordering::Relaxed)
    }

    /// Errors in accepting.
    pub fn accept_errors(&self) -> u64 {
        self.accept_errors.load(Ordering::Relaxed)
    }

    /// How often every place was taken, so that new connections had to wait.
    pub fn full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }

    pub(super) fn note_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_closed(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_stranger(&self) {
        self.strangers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_timed_out(&self) {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_gated(&self) {
        self.gated.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_accept_error(&self) {
        self.accept_errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_full(&self) {
        self.full.fetch_add(1, Ordering::Relaxed);
    }
}

/// Lets one message pass in [`LOG_PAUSE`] and counts those it held back.
#[derive(Debug, Default)]
pub(super) struct Hush {
    state: Mutex<(Option<Instant>, u64)>,
}

impl Hush {
    /// How many messages this one stands for, itself among them; `None` when it is to be held back.
    pub(super) fn due(&self) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (last, held) = &mut *state;
        *held = held.saturating_add(1);
        if last.is_some_and(|last| last.elapsed() < LOG_PAUSE) {
            return None;
        }
        *last = Some(Instant::now());
        Some(std::mem::take(held))
    }
}
