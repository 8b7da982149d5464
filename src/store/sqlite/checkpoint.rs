//! Bringing the log into the file, beside the thread that writes.
//!
//! What was committed stands in the log, and is copied into the file from time to time. That takes tens of milliseconds,
//! in which nobody would be answered, most of them waiting for the disk: so another thread copies and waits while the
//! writer goes on, until little is left. The writer copies that itself, between two batches, as the log can begin anew
//! only where all of it has been copied.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::fault::Fault;

/// Rows that change between two copies, each on a page of the log or two: some 16 MiB of it. More of them change the same
/// page several times, which is copied once; but the disk has all the more to write at once, and everybody waits for it.
const ROWS: u64 = 2048;

/// Pages that the writer may copy itself: a few milliseconds.
const PAGES_LEFT: i64 = 64;

/// A disk that writes more slowly than the log grows is not waited for.
const TRIES: usize = 4;

const COPY: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// The thread that copies.
pub(super) struct Checkpoints {
    ask: Option<SyncSender<()>>,
    /// Whether it has done what it can.
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    is_asked: bool,
    /// Rows that had changed when the log was copied last.
    rows: u64,
}

impl Checkpoints {
    /// Starts it; `database` is a connection of its own to `file`.
    pub(super) fn start(database: Connection, file: Arc<File>) -> std::io::Result<Self> {
        let (ask, asked) = sync_channel(1);
        let done = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&done);
        let thread = thread::Builder::new().name("store-log".to_owned()).spawn(move || work(&database, &file, &asked, &told))?;
        Ok(Self { ask: Some(ask), done, thread: Some(thread), is_asked: false, rows: 0 })
    }

    /// Does what there is to do between two batches; `writing` is the writer's connection.
    pub(super) fn between_batches(&mut self, writing: &Connection) {
        let rows = writing.total_changes();
        if self.is_asked {
            if self.done.swap(false, Ordering::AcqRel) {
                // What fails here is tried again with the next copy, and shows when something is written.
                let _ = copy(writing);
                self.is_asked = false;
                self.rows = rows;
            }
        } else if rows.saturating_sub(self.rows) >= ROWS {
            self.is_asked = self.ask.as_ref().is_some_and(|ask| ask.try_send(()).is_ok());
        }
    }
}

/// What is being copied is copied, then the thread ends.
impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.ask.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(database: &Connection, file: &File, asked: &Receiver<()>, done: &AtomicBool) {
    while asked.recv().is_ok() {
        let mut before = 0;
        for _ in 0..TRIES {
            let copied = copy(database).unwrap_or_default();
            // SQLite waits for the file only where it has copied all of the log, which it does not while somebody writes.
            // A disk that fails tells the writer, too.
            let _ = file.sync_data();
            if copied - before <= PAGES_LEFT {
                break;
            }
            before = copied;
        }
        done.store(true, Ordering::Release);
    }
}

/// Copies what can be copied, and tells how many pages of the log stand in the file then.
fn copy(database: &Connection) -> Result<i64, Fault> {
    Ok(database.prepare_cached(COPY)?.query_row([], |row| row.get(2))?)
}
