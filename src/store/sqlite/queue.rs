//! One thread that decides and writes, and some that read.
//!
//! Decisions wait in a bounded queue. The writer takes what waits, decides it one after the other in one transaction,
//! makes it durable at once, and only then answers: hundreds of decisions share one wait for the disk. If anything fails,
//! nothing of the batch happened, and all are told so.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::answers::{self, Round};
use super::checkpoint::Checkpoints;
use super::fault::Fault;
use super::working::Working;
use crate::store::Down;

/// Decisions that wait. More would wait longer than a web server does: who comes then is told to come back.
const WAITING_MAX: usize = 4096;

/// Decisions that share one transaction.
const BATCH_MAX: usize = 512;

/// Questions that wait for a reader.
const READS_MAX: usize = 1024;

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
    pub(super) fn start(working: Working, checkpoints: Checkpoints, after: AfterCommit) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(WAITING_MAX);
        let thread = thread::Builder::new().name("store".to_owned()).spawn(move || write(working, &waiting, checkpoints, &after))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
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

fn write(mut working: Working, waiting: &Receiver<Box<dyn Decision>>, mut checkpoints: Checkpoints, after: &AfterCommit) {
    let mut batch: Vec<Box<dyn Decision>> = Vec::with_capacity(BATCH_MAX);
    let mut health = Health::default();
    while let Ok(first) = waiting.recv() {
        batch.push(first);
        while batch.len() < BATCH_MAX {
            match waiting.try_recv() {
                Ok(next) => batch.push(next),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let outcome = if health.is_damaged { Err(Down::Unreachable) } else { commit(&mut working, &mut batch, &mut health) };
        if outcome.is_ok() {
            after(&mut working);
            working.age();
        }
        let round = Arc::new(Round::default());
        for decision in batch.drain(..) {
            decision.answer(outcome, &round);
        }
        round.begin();
        checkpoints.between_batches(&working.database);
    }
    drop(checkpoints);
    // What is in the log goes into the file, so that a copy of the file alone is whole.
    let _ = working.database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize;");
}

/// What the log was told about the disk.
#[derive(Default)]
struct Health {
    /// Nothing of the file can be trusted until a person has looked.
    is_damaged: bool,
    /// Whether the last batch failed: of a disk that is full one line is enough.
    failing: bool,
}

fn commit(working: &mut Working, batch: &mut [Box<dyn Decision>], health: &mut Health) -> Result<(), Down> {
    match in_transaction(working, batch) {
        Ok(()) => {
            if std::mem::take(&mut health.failing) {
                tracing::warn!(event = "store_back", "the store decides again");
            }
            Ok(())
        }
        Err(fault) => {
            // Fails where SQLite has rolled back by itself.
            let _ = working.database.execute_batch("ROLLBACK");
            working.forget();
            if fault.is_damage() {
                health.is_damaged = true;
                tracing::error!(event = "store_damaged", %fault, "the store's file is damaged: counted downloads are refused until it is mended; see `cloakroom store verify`");
            } else if !std::mem::replace(&mut health.failing, true) {
                tracing::error!(event = "store_fails", %fault, "the store cannot write: counted downloads are refused until it can");
            }
            Err(Down::Unreachable)
        }
    }
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
}

impl Readers {
    /// Starts threads, each with a connection that `open` opens.
    pub(super) fn start(open: impl Fn() -> Result<Connection, Fault>) -> Result<Self, Fault> {
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
        Ok(Self { queue: Some(queue), threads })
    }

    /// Reads in its turn.
    pub(super) async fn read<T, F>(&self, question: F) -> Result<T, Down>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (to, answer) = oneshot::channel();
        let read: Read = Box::new(move |database| {
            let answer = question(database).map_err(|fault| {
                tracing::error!(event = "store_unread", %fault, "the store cannot be read");
                Down::Unreachable
            });
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
