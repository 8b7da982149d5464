//! One thread that decides and writes, and some that read.
//!
//! Decisions wait in a bounded queue. The writer takes what waits, decides it one after the other in one transaction,
//! makes it durable at once, and only then answers: hundreds of decisions share one wait for the disk. If anything fails,
//! nothing of the batch happened, and all are told so.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::answers::{self, Round};
use super::checkpoint::Checkpoints;
use super::condition::Condition;
use super::fault::Fault;
use super::open;
use super::schema::MIGRATIONS;
use super::working::Working;
use crate::store::Down;

/// Decisions that wait. More would wait longer than a web server does: who comes then is told to come back.
const WAITING_MAX: usize = 4096;

/// Decisions that share one transaction.
const BATCH_MAX: usize = 512;

/// Questions that wait for a reader.
const READS_MAX: usize = 1024;

/// How often a disk that failed is tried while nothing waits to be decided.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Threads that read. They wait for the disk, not for the processor.
const READERS: usize = 2;

/// One decision on its way through the writer.
trait Decision: Send {
    /// Decides and keeps the answer.
    fn decide(&mut self, working: &mut Working) -> Result<(), Fault>;
    /// Tells the answer, or that nothing happened.
    fn answer(self: Box<Self>, committed: Result<(), Down>, round: &Arc<Round>);
}

struct Waiting<T, F> {
    rule: Option<F>,
    answer: Option<Result<T, Down>>,
    to: answers::Sender<T>,
}

impl<T, F> Decision for Waiting<T, F>
where
    T: Send,
    F: FnOnce(&mut Working) -> Result<Result<T, Down>, Fault> + Send,
{
    fn decide(&mut self, working: &mut Working) -> Result<(), Fault> {
        if let Some(rule) = self.rule.take() {
            self.answer = Some(rule(working)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), Down>, round: &Arc<Round>) {
        let Self { answer, to, .. } = *self;
        // Whoever asked may have gone away; what was decided stands.
        to.send(committed.and_then(|()| answer.unwrap_or(Err(Down::Unreachable))), round);
    }
}

/// What happens after each batch that was made durable: what is no longer true is told.
pub(super) type AfterCommit = Box<dyn Fn(&mut Working) + Send>;

/// The thread that writes.
pub(super) struct Writer {
    queue: Option<SyncSender<Box<dyn Decision>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        working: Working,
        checkpoints: Checkpoints,
        condition: Arc<Condition>,
        after: AfterCommit,
    ) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(WAITING_MAX);
        let work = move || write(working, &waiting, checkpoints, &condition, &after);
        let thread = thread::Builder::new().name("store".to_owned()).spawn(work)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Whether it decides no more.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Decides in its turn; the answer comes once it is durable.
    pub(super) async fn decide<T, F>(&self, rule: F) -> Result<T, Down>
    where
        T: Send + 'static,
        F: FnOnce(&mut Working) -> Result<Result<T, Down>, Fault> + Send + 'static,
    {
        let (to, answer) = answers::answer();
        let waiting = Box::new(Waiting { rule: Some(rule), answer: None, to });
        match self.queue.as_ref().ok_or(Down::Unreachable)?.try_send(waiting) {
            Ok(()) => answer.await,
            Err(TrySendError::Full(_)) => Err(Down::Full),
            Err(TrySendError::Disconnected(_)) => Err(Down::Unreachable),
        }
    }
}

/// What waits is decided, then the thread ends.
impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(
    mut working: Working,
    waiting: &Receiver<Box<dyn Decision>>,
    mut checkpoints: Checkpoints,
    condition: &Condition,
    after: &AfterCommit,
) {
    let mut batch: Vec<Box<dyn Decision>> = Vec::with_capacity(BATCH_MAX);
    while let Some(first) = next(&working, waiting, condition) {
        batch.push(first);
        while batch.len() < BATCH_MAX {
            match waiting.try_recv() {
                Ok(next) => batch.push(next),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let outcome = if condition.is_damaged() { Err(Down::Unreachable) } else { commit(&mut working, &mut batch, condition) };
        if outcome.is_ok() {
            after(&mut working);
            working.age();
        }
        let round = Arc::new(Round::default());
        for decision in batch.drain(..) {
            decision.answer(outcome, &round);
        }
        round.begin();
        // A damaged file stays as it is.
        if !condition.is_damaged() {
            checkpoints.between_batches(&working.database);
        }
    }
    drop(checkpoints);
    // What is in the log goes into the file, so that a copy of the file alone is whole. A damaged one stays as it is.
    if condition.is_damaged() {
        let _ = open::keep_log(&working.database, true);
    } else {
        let _ = working.database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize;");
    }
}

/// Waits for the next decision; `None` when there will be none. A disk that failed is tried meanwhile.
fn next(working: &Working, waiting: &Receiver<Box<dyn Decision>>, condition: &Condition) -> Option<Box<dyn Decision>> {
    while condition.is_failing() && !condition.is_damaged() {
        match waiting.recv_timeout(TRY_AGAIN) {
            Ok(next) => return Some(next),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => match write_nothing(working) {
                Ok(()) => condition.wrote(),
                Err(fault) => condition.not_written(&fault),
            },
        }
    }
    waiting.recv().ok()
}

fn commit(working: &mut Working, batch: &mut [Box<dyn Decision>], condition: &Condition) -> Result<(), Down> {
    let before = working.database.total_changes();
    match in_transaction(working, batch) {
        Ok(()) => {
            // A batch that found nothing to write says nothing about the disk.
            if working.database.total_changes() != before {
                condition.wrote();
            }
            Ok(())
        }
        Err(fault) => {
            // Fails where SQLite has rolled back by itself.
            let _ = working.database.execute_batch("ROLLBACK");
            working.forget();
            condition.not_written(&fault);
            if !condition.is_damaged() {
                // Where only the wait for the disk failed, the whole batch stands in the log, and would be taken for
                // durable if the process ended now. What is written next takes its place, if it can be written at all.
                let _ = write_nothing(working);
            }
            Err(Down::Unreachable)
        }
    }
}

/// Writes a page as it is.
fn write_nothing(working: &Working) -> Result<(), Fault> {
    let version = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let written = working.database.execute_batch(&format!("BEGIN IMMEDIATE; PRAGMA user_version = {version}; COMMIT"));
    if written.is_err() {
        let _ = working.database.execute_batch("ROLLBACK");
    }
    Ok(written?)
}

fn in_transaction(working: &mut Working, batch: &mut [Box<dyn Decision>]) -> Result<(), Fault> {
    working.database.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    for decision in batch {
        decision.decide(working)?;
    }
    working.write()?;
    working.database.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The threads that read what is durable.
pub(super) struct Readers {
    queue: Option<SyncSender<Read>>,
    threads: Vec<JoinHandle<()>>,
    condition: Arc<Condition>,
}

impl Readers {
    /// Starts threads, each with a connection that `open` opens.
    pub(super) fn start(condition: &Arc<Condition>, open: impl Fn() -> Result<Connection, Fault>) -> Result<Self, Fault> {
        let (queue, waiting) = sync_channel::<Read>(READS_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut threads = Vec::new();
        for number in 0..READERS {
            let (database, waiting) = (open()?, Arc::clone(&waiting));
            let read = move || {
                // One waits at the queue, the others for their turn to wait.
                while let Ok(next) = { waiting.lock().unwrap_or_else(PoisonError::into_inner).recv() } {
                    next(&database);
                }
            };
            if let Ok(thread) = thread::Builder::new().name(format!("store-{number}")).spawn(read) {
                threads.push(thread);
            }
        }
        Ok(Self { queue: Some(queue), threads, condition: Arc::clone(condition) })
    }

    /// Reads in its turn.
    pub(super) async fn read<T, F>(&self, question: F) -> Result<T, Down>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (to, answer) = oneshot::channel();
        let condition = Arc::clone(&self.condition);
        let read: Read = Box::new(move |database| {
            let answer = match question(database) {
                Ok(answer) => {
                    condition.read();
                    Ok(answer)
                }
                Err(fault) => {
                    condition.not_read(&fault);
                    Err(Down::Unreachable)
                }
            };
            let _ = to.send(answer);
        });
        match self.queue.as_ref().ok_or(Down::Unreachable)?.try_send(read) {
            Ok(()) => answer.await.unwrap_or(Err(Down::Unreachable)),
            Err(TrySendError::Full(_)) => Err(Down::Full),
            Err(TrySendError::Disconnected(_)) => Err(Down::Unreachable),
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        drop(self.queue.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
