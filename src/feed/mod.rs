//! What web servers report: which bytes of which delivery they really sent.
//!
//! [`tail`] follows the access log in the shipped format over half lines, rotation and restarts; [`nginx_line`] says
//! what one of its lines means. The place in the log is remembered with what was settled from it, so that a line counts
//! once, whatever ends in between. [`follow`] is the loop around both; it belongs on a thread of its own. [`access`] reads
//! the logs of sites that have no Cloakroom yet.

pub mod access;
mod hints;
pub mod nginx_line;
mod opened;
mod siblings;
pub mod tail;

use std::time::Duration;

pub use hints::Stop;
pub use tail::{Batch, Notice, Tail, check};

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is settled, with its place.
    Yes,
    /// It could not be settled: offer it again later.
    NotNow,
}

/// The first pause after a failure; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// The longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// Hands each batch of `tail` to `sink`, again and again until it is taken, and returns once `stop` is set. Faults are
/// logged and outlived.
pub fn follow(mut tail: Tail, stop: &Stop, mut sink: impl FnMut(&Batch) -> Taken) {
    let mut pause = PAUSE_FIRST;
    loop {
        match tail.next_batch(stop) {
            Ok(None) => return,
            Ok(Some(batch)) => {
                log(&tail, &batch);
                pause = PAUSE_FIRST;
                while sink(&batch) == Taken::NotNow {
                    if stop.wait(pause) {
                        return;
                    }
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                pause = PAUSE_FIRST;
            }
            Err(error) => {
                tracing::error!(log = %tail.path().display(), %error, "the access log cannot be read; downloads are not settled until it can");
                if stop.wait(pause) {
                    return;
                }
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

fn log(tail: &Tail, batch: &Batch) {
    let path = tail.path().display();
    for notice in &batch.notices {
        if notice.may_lose() {
            tracing::warn!(log = %path, "{}", notice.words());
        } else {
            tracing::info!(log = %path, "{}", notice.words());
        }
    }
    // One line of our log for a batch of theirs: a wrong log_format makes every line a fault.
    if let Some(first) = batch.faults.first() {
        tracing::warn!(log = %path, faults = batch.faults.len(), lines = batch.lines, first = %first, "lines of the access log were not understood");
    }
}
