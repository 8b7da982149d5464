//! `cloakroom feed`: lines from standard input to the running daemon.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, Read};
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{Method, StatusCode};
use tokio::runtime::Handle;
use tokio::signal::unix::SignalKind;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot, watch};

use super::client::{CallFault, Client};
use super::failure::{Failure, warn};
use super::serve::hear;
use super::terminal::{counted, grouped, visible};
use super::{Common, say, say_json};
use crate::api::{Handed, LINES_BYTES_MAX, LINES_MAX};
use crate::domain::moment::Span;
use crate::feed::line::LINE_BYTES_MAX;

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
Each line is one of the formats that conf-examples/nginx/cloakroom.conf and conf-examples/apache/log.conf have. While the \
daemon does not answer, lines wait here, up to 8 MiB; then whoever writes them waits, but for --piped. A line that is handed \
over twice counts once. Exit code 0: all was handed over; 1: some was not.

  tail -n +1 -F /var/log/nginx/cloakroom.log | cloakroom feed
  ssh front tail -F /var/log/nginx/cloakroom.log | cloakroom feed
  zcat /var/log/nginx/cloakroom.log.2.gz | cloakroom feed

In Apache's configuration, with the rest of the line as in conf-examples/apache/log.conf:

  CustomLog \"|/usr/local/bin/cloakroom feed --piped\" cloakroom …";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How long to try after the end of the input if the daemon does not answer; after SIGTERM at most 10 s.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = Span::from_str)]
    patience: Span,
    /// For a web server that starts this itself and must not wait for it, as Apache does with "|…": lines for which there
    /// is no room are thrown away and said, and SIGTERM, which Apache sends at each reload while downloads that began
    /// before still have their lines to write, ends nothing before the input does.
    #[arg(long)]
    piped: bool,
}

/// Lines that wait have at most so many bytes.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The first pause after a failure; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(250);

/// The longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// After SIGTERM there is no longer patience: services that stop are killed at some time.
const LEAVING: Duration = Duration::from_secs(10);

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let client = Client::of(&common.load()?, "feed")?;
    let broken = |error: std::io::Error| Failure::failed(format!("cannot start: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
    let (sender, lines) = unbounded_channel();
    let (reading, ended) = oneshot::channel();
    let room = Arc::new(Semaphore::new(WAITING_BYTES_MAX));
    let read = Arc::new(AtomicU64::new(0));
    let lost = Arc::new(AtomicU64::new(0));
    let (handle, is_piped) = (runtime.handle().clone(), arguments.piped);
    let input = Input { sender, room: Arc::clone(&room), read: Arc::clone(&read), lost: Arc::clone(&lost), handle, is_piped };
    // It may wait for its input for ever, so nobody waits for it.
    thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || {
            let end = input.read_all(&mut std::io::stdin().lock());
            // Nobody hears it where the command is over.
            let _ = reading.send(end);
        })
        .map_err(broken)?;
    let work = Work {
        client,
        room,
        read,
        lost: Arc::clone(&lost),
        is_piped,
        handed: RefCell::default(),
        sent: Cell::new(0),
        trouble: RefCell::default(),
    };
    let end = runtime.block_on(work.run(lines, ended, arguments));
    let handed = work.handed.into_inner();
    let told = if common.json { say_json(&handed) } else { say(summary(&handed)) };
    end.and(told)?;
    match lost.load(Ordering::Relaxed) {
        0 => Ok(()),
        lost => Err(Failure::failed(format!("{} thrown away, as there was no room", lines_of(lost)))),
    }
}

fn summary(handed: &Handed) -> String {
    let Handed { settled, unknown, other, malformed, first_fault } = handed;
    let count = |number: &usize| grouped(*number as u64);
    let mut text = format!(
        "{} handed over: {} settled, {} unknown or reported before, {} of no delivery, {} not understood",
        lines_of((settled + unknown + other + malformed) as u64),
        count(settled),
        count(unknown),
        count(other),
        count(malformed)
    );
    if let Some(first) = first_fault {
        text.push_str("\nthe first that was not understood: ");
        text.push_str(&visible(first));
    }
    text
}

fn lines_of(number: u64) -> String {
    counted(number, "line", "lines")
}

/// A line, and the room that it takes.
struct Waiting {
    line: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// The thread that reads.
struct Input {
    sender: UnboundedSender<Waiting>,
    room: Arc<Semaphore>,
    read: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
    handle: Handle,
    is_piped: bool,
}

impl Input {
    /// Reads to the end. Where there is no room it waits, or throws away where nobody may wait for it.
    fn read_all(&self, input: &mut impl BufRead) -> std::io::Result<()> {
        while let Some(line) = next_line(input)? {
            let size = u32::try_from(line.len() + 1).unwrap_or(u32::MAX);
            let room = match Arc::clone(&self.room).try_acquire_many_owned(size) {
                Ok(room) => room,
                Err(TryAcquireError::NoPermits) if self.is_piped => {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                Err(_) => match self.handle.block_on(Arc::clone(&self.room).acquire_many_owned(size)) {
                    Ok(room) => room,
                    Err(_) => break,
                },
            };
            self.read.fetch_add(1, Ordering::Relaxed);
            if self.sender.send(Waiting { line, _room: room }).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// The next line without its end; `None` at the end. Of one that is too long, enough to see that it is.
fn next_line(input: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let long = LINE_BYTES_MAX as u64 + 1;
    if input.by_ref().take(long).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > LINE_BYTES_MAX {
        input.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

/// The part that hands over.
struct Work {
    client: Client,
    room: Arc<Semaphore>,
    read: Arc<AtomicU64>,
    /// Lines that were thrown away.
    lost: Arc<AtomicU64>,
    is_piped: bool,
    handed: RefCell<Handed>,
    /// Lines that were handed over.
    sent: Cell<u64>,
    /// Why the last try failed, as long as none succeeded since.
    trouble: RefCell<Option<String>>,
}

impl Work {
    /// Hands over all lines. After the end of the input, or a signal that is to end it, it ends within the patience.
    async fn run(
        &self,
        lines: UnboundedReceiver<Waiting>,
        mut ended: oneshot::Receiver<std::io::Result<()>>,
        arguments: &Arguments,
    ) -> Result<(), Failure> {
        let (mut terminate, mut interrupt) = (hear(SignalKind::terminate())?, hear(SignalKind::interrupt())?);
        let (leave, leaving) = watch::channel(false);
        let mut work = pin!(self.hand_over_all(Lines { come: lines, held: None, leaving }));
        let mut input = Ok(());
        let patience: Duration = arguments.patience.into();
        let patience = tokio::select! {
            done = &mut work => {
                done?;
                return read_to_the_end(ended.await.unwrap_or(Ok(())));
            }
            end = &mut ended => {
                input = end.unwrap_or(Ok(()));
                patience
            }
            _ = terminate.recv(), if !arguments.piped => patience.min(LEAVING),
            _ = interrupt.recv() => patience.min(LEAVING),
        };
        // After a signal nobody waits for more lines; after the end there are none.
        let _ = leave.send(true);
        if let Ok(done) = tokio::time::timeout(patience, work).await {
            done?;
            return read_to_the_end(input);
        }
        let left = self.read.load(Ordering::Relaxed).saturating_sub(self.sent.get());
        let why = self.trouble.take().unwrap_or_else(|| "there was no time".to_owned());
        Err(Failure::failed(format!("{} not handed over: {why}", lines_of(left))))
    }

    async fn hand_over_all(&self, mut lines: Lines) -> Result<(), Failure> {
        while let Some(batch) = lines.next_batch().await {
            self.hand_over(&batch).await?;
            self.sent.set(self.sent.get() + batch.len() as u64);
        }
        Ok(())
    }

    fn back_again(&self) -> String {
        let again = "the daemon answers; lines are handed over again";
        match self.lost.load(Ordering::Relaxed) {
            0 => again.to_owned(),
            lost => format!("{again}; {} thrown away so far, whose downloads will be called presumed", lines_of(lost)),
        }
    }

    /// Tries until the daemon took the lines, or said that it never will.
    async fn hand_over(&self, batch: &[Waiting]) -> Result<(), Failure> {
        let body: Vec<u8> = batch.iter().flat_map(|waiting| waiting.line.iter().copied().chain([b'\n'])).collect();
        let body = Bytes::from(body);
        let (mut pause, mut told_full) = (PAUSE_FIRST, false);
        loop {
            match self.client.ask::<Handed>(Method::POST, "/api/v1/reports", body.clone()).await {
                Ok(handed) => {
                    add(&mut self.handed.borrow_mut(), handed);
                    if self.trouble.take().is_some() {
                        note(&self.back_again());
                    }
                    return Ok(());
                }
                Err(fault) if passes(&fault) => {
                    if self.trouble.replace(Some(fault.to_string())).is_none() {
                        note(&format!("{fault}; lines wait here until it answers"));
                    }
                }
                Err(fault) => return Err(fault.into()),
            }
            if !told_full && self.room.available_permits() <= LINE_BYTES_MAX {
                told_full = true;
                let then = if self.is_piped { "the next ones are thrown away" } else { "whoever writes them waits, too" };
                note(&format!("as many lines wait as there is room for (8 MiB): {then}"));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// Whether it may go away by itself.
fn passes(fault: &CallFault) -> bool {
    match fault {
        CallFault::NotRunning(_) | CallFault::Broken(_) => true,
        CallFault::Problem(problem) => problem.status >= StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
    }
}

fn add(sum: &mut Handed, more: Handed) {
    sum.settled += more.settled;
    sum.unknown += more.unknown;
    sum.other += more.other;
    sum.malformed += more.malformed;
    if sum.first_fault.is_none() {
        sum.first_fault = more.first_fault;
    }
}

fn read_to_the_end(input: std::io::Result<()>) -> Result<(), Failure> {
    input.map_err(|error| Failure::failed(format!("standard input cannot be read: {error}")))
}

/// Tells the one who looks at the terminal, or reads the log of the program that started this.
fn note(text: &str) {
    warn(&format!("cloakroom: {text}"));
}

/// The lines that wait.
struct Lines {
    come: UnboundedReceiver<Waiting>,
    held: Option<Waiting>,
    leaving: watch::Receiver<bool>,
}

impl Lines {
    /// Waits for a line and takes those behind it, as many as one call may carry; `None` once there will be no more.
    async fn next_batch(&mut self) -> Option<Vec<Waiting>> {
        let first = if let Some(held) = self.held.take() {
            held
        } else {
            tokio::select! {
                biased;
                line = self.come.recv() => line?,
                _ = self.leaving.wait_for(|leaving| *leaving) => self.come.try_recv().ok()?,
            }
        };
        let mut bytes = first.line.len() + 1;
        let mut batch = vec![first];
        while batch.len() < LINES_MAX
            && let Ok(next) = self.come.try_recv()
        {
            bytes += next.line.len() + 1;
            if bytes > LINES_BYTES_MAX {
                self.held = Some(next);
                break;
            }
            batch.push(next);
        }
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_one_by_one_and_long_ones_are_cut_where_they_are_known_to_be() {
        let long = "x".repeat(LINE_BYTES_MAX * 3);
        let text = format!("a\n\n{long}\n{}\nthe end", &long[..LINE_BYTES_MAX]);
        let mut input = text.as_bytes();
        let mut sizes = vec![];
        while let Some(line) = next_line(&mut input).unwrap() {
            sizes.push(line.len());
        }
        assert_eq!(sizes, [1, 0, LINE_BYTES_MAX + 1, LINE_BYTES_MAX, 7]);
    }

    #[tokio::test]
    async fn a_call_carries_no_more_than_the_daemon_takes() {
        let (sender, lines) = unbounded_channel();
        let room = Arc::new(Semaphore::new(WAITING_BYTES_MAX));
        let sizes: Vec<usize> = (0..3000).map(|number| if number < 10 { LINE_BYTES_MAX + 1 } else { number % 40 }).collect();
        for size in &sizes {
            let room = Arc::clone(&room).try_acquire_owned().unwrap();
            sender.send(Waiting { line: vec![b'x'; *size], _room: room }).map_err(|_| "closed").unwrap();
        }
        let (_leave, leaving) = watch::channel(true);
        let mut lines = Lines { come: lines, held: None, leaving };
        let mut seen = vec![];
        while let Some(batch) = lines.next_batch().await {
            let bytes: usize = batch.iter().map(|waiting| waiting.line.len() + 1).sum();
            assert!(bytes <= LINES_BYTES_MAX && batch.len() <= LINES_MAX, "{bytes} bytes, {} lines", batch.len());
            seen.extend(batch.iter().map(|waiting| waiting.line.len()));
        }
        assert_eq!(seen, sizes);
    }
}
