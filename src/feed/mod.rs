//! What web servers report: which bytes of which delivery they really sent.
//!
//! Three ways lead here, of which a site has one; the lines are the same:
//!
//! | feed | where lines wait | lost are |
//! |---|---|---|
//! | [`tail`]: the access log (default) | in the log | those that `copytruncate` cut away, and those of a log removed unread; both are said |
//! | [`syslog`]: a unix socket | in the kernel, 10 by default, then [here](syslog) | those sent while nobody listens, and those that do not fit |
//! | `cloakroom feed`: standard input, over the API | in the pipe, then in that program | none while its input and the daemon come back |
//!
//! The place in the access log is remembered with what was settled from it, so that a line counts once, whatever ends in
//! between; of the other two a line that comes twice is settled once, as its request was reported before.
//!
//! nginx writes lines of one form, Apache of another; [`line::read`] takes both, and `apache_line` tells how bytes are counted
//! there. What a line proves, for a request that was admitted:
//!
//! | line | proves |
//! |---|---|
//! | 200, whole body | these bytes of the file, from its first; with `done` all of it |
//! | 206, one range | these bytes of the file |
//! | 206, `multipart/byteranges` | so many bytes; of which part of the file is not known |
//! | 200 or 206 with `Content-Encoding`, or without a length | so many bytes, of no part: the body is not the file's bytes; whole, it may be all of them, in fewer |
//! | any of these, of a file with another size than the version's | so many bytes, of no part |
//! | any of these, aborted | the bytes up to there; they count as sent once the system has taken them |
//! | any of these by Apache, aborted | the same, and some of the head's bytes, over TLS of encryption's, in place of as many of the file's; never the last byte |
//! | a client that is gone, of a file that the system's buffers had taken (up to some MiB) | that it was sent: who writes cannot know better |
//! | HEAD, 304, 412, 416 and every other status | that nothing of the file was sent |
//! | HTTP/2 and HTTP/3 | the same as HTTP/1.1: bodies are counted without their frames. By Apache they count as sent once its own buffers (64 KiB a stream) have taken them |
//! | no line: lost, or the daemon was down and the feed keeps none | nothing: the request stays unreported, the download ends *presumed* and is used |
//! | a line of a request that was never admitted, or the same line again | nothing |
//! | more bytes than any answer to the request can have had | as many as it can have had; the log says how many were too many |
//! | an end in the future | an end at the moment when the line is taken; the log says so |
//! | half a line, another format | nothing, as no line |
//! | no feed at all | nothing: a download counts when it starts, and is called *started* |
//!
//! What our own stream sends is known without any of this. [`follow`] and [`syslog::follow`] are the loops around; each
//! belongs on a thread of its own.
//! [`access`] reads the logs of sites that have no Cloakroom yet.

pub mod access;
mod apache_line;
mod hints;
pub mod line;
mod nginx_line;
mod opened;
mod siblings;
pub mod syslog;
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
                if !offer(&batch, stop, &mut sink) {
                    return;
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

/// Offers `batch` until it is taken; `false` where `stop` was set before that.
fn offer(batch: &Batch, stop: &Stop, sink: &mut impl FnMut(&Batch) -> Taken) -> bool {
    let mut pause = PAUSE_FIRST;
    while sink(batch) == Taken::NotNow {
        if stop.wait(pause) {
            return false;
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
    true
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
