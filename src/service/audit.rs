//! The audit of a site's access log: its files are read, chunk by chunk, on all processors; what they hold is taken in in
//! the order of the log.
//!
//! Each worker takes the next chunk, reads its lines by itself, and waits for its turn to add them. Neither the number of
//! workers nor the size of chunks changes what is found.

use std::num::NonZero;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use crate::domain::audit::{Audit, Findings, Keys, Rules, Selection};
use crate::feed::access::history::{CHUNK_BYTES, Chunk, History, shown};
use crate::feed::access::line::LineFault;
use crate::feed::access::scan::{Layout, Scanned, scan};

/// More workers would wait for each other: taking in is done by one at a time.
const WORKERS_MAX: usize = 6;

/// So many lines that are not understood are shown.
const FAULTS_SHOWN: usize = 5;

/// What to look for, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How lines are read.
    pub layout: Layout,
    /// Which paths are downloads.
    pub selection: Selection,
    /// How they are counted.
    pub rules: Rules,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read from the disk.
    pub bytes: u64,
    /// How many there are, if that is known.
    pub of: Option<u64>,
    /// Lines taken in.
    pub lines: u64,
}

/// What an audit brought.
#[derive(Debug)]
pub struct Outcome {
    /// What was found.
    pub findings: Findings,
    /// The sources, in the order of time.
    pub names: Vec<String>,
    /// Bytes read from the disk.
    pub bytes: u64,
    /// Lines, understood or not.
    pub lines: u64,
    /// Lines that were not understood.
    pub faults: u64,
    /// The first of them.
    pub first_faults: Vec<ShownFault>,
    /// What else must be known.
    pub notices: Vec<String>,
}

/// A line that was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownFault {
    /// The source.
    pub name: String,
    /// The line's number in it, from 1.
    pub line: u64,
    /// How it begins, its odd bytes escaped.
    pub text: String,
    /// Why.
    pub why: String,
}

/// What the workers share beside the files.
struct Turns<'a> {
    /// The number of the chunk that is next.
    next: u64,
    /// A worker died; its chunk will never come.
    broken: bool,
    audit: Audit,
    observe: &'a mut (dyn FnMut(Progress) + Send),
    names: Vec<String>,
    /// The source that is taken in, and its lines so far.
    current: (usize, u64),
    lines: u64,
    faults: u64,
    first_faults: Vec<ShownFault>,
}

/// The files, and the number of the next chunk.
struct Reading {
    history: History,
    next: u64,
}

/// Audits `history` by `plan`; `observe` is told now and then how far it is.
pub fn audit(history: History, plan: &Plan, observe: &mut (dyn FnMut(Progress) + Send)) -> Outcome {
    let audit = Audit::new(plan.rules.clone());
    let keys = audit.keys();
    let turns = Turns {
        next: 0,
        broken: false,
        audit,
        observe,
        names: history.names().to_vec(),
        current: (0, 0),
        lines: 0,
        faults: 0,
        first_faults: Vec::new(),
    };
    let (reading, turns, turn) = (Mutex::new(Reading { history, next: 0 }), Mutex::new(turns), Condvar::new());
    // One more than there are processors, as one often waits for its turn.
    let workers = (thread::available_parallelism().map_or(1, NonZero::get) + 1).min(WORKERS_MAX);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| work(&reading, &turns, &turn, plan, &keys));
        }
    });
    let history = reading.into_inner().unwrap_or_else(PoisonError::into_inner).history;
    let turns = turns.into_inner().unwrap_or_else(PoisonError::into_inner);
    Outcome {
        findings: turns.audit.finish(),
        names: turns.names,
        bytes: history.bytes_read(),
        lines: turns.lines,
        faults: turns.faults,
        first_faults: turns.first_faults,
        notices: history.notices().iter().map(ToString::to_string).collect(),
    }
}

/// Tells the others when a worker ends by a panic: they would wait for its chunk for ever.
struct Leaving<'a, 'b>(&'a Mutex<Turns<'b>>, &'a Condvar);

impl Drop for Leaving<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).broken = true;
            self.1.notify_all();
        }
    }
}

fn work(reading: &Mutex<Reading>, turns: &Mutex<Turns<'_>>, turn: &Condvar, plan: &Plan, keys: &Keys) {
    let _leaving = Leaving(turns, turn);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let (chunk, number, bytes, of) = {
            let Ok(mut reading) = reading.lock() else { return };
            let Some(chunk) = reading.history.next_chunk(&mut buffer) else { return };
            let number = reading.next;
            reading.next += 1;
            (chunk, number, reading.history.bytes_read(), reading.history.bytes())
        };
        let scanned = scan(buffer.get(..chunk.bytes).unwrap_or_default(), &plan.layout, &plan.selection, keys);
        let Ok(mut turns) = turns.lock() else { return };
        while turns.next != number {
            if turns.broken {
                return;
            }
            let Ok(again) = turn.wait(turns) else { return };
            turns = again;
        }
        turns.take(chunk, &scanned);
        let lines = turns.lines;
        (turns.observe)(Progress { bytes, of, lines });
        turns.next += 1;
        turn.notify_all();
    }
}

impl Turns<'_> {
    /// Takes in one chunk.
    fn take(&mut self, chunk: Chunk, scanned: &Scanned<'_>) {
        if self.current.0 != chunk.file {
            self.current = (chunk.file, 0);
        }
        for _ in 0..chunk.skipped {
            self.current.1 += 1;
            self.fault(self.current.1, String::new(), &LineFault::TooLong);
        }
        for (place, text, fault) in &scanned.first_faults {
            self.fault(self.current.1 + place + 1, shown(text), fault);
        }
        self.current.1 += scanned.lines;
        self.lines += scanned.lines + chunk.skipped;
        self.faults += scanned.faults + chunk.skipped;
        let [zero, dash, number] = scanned.bodyless;
        self.audit.add_bodyless(zero, dash, number);
        for hit in &scanned.hits {
            self.audit.add(hit);
        }
    }

    fn fault(&mut self, line: u64, text: String, fault: &LineFault) {
        if self.first_faults.len() < FAULTS_SHOWN {
            let name = self.names.get(self.current.0).cloned().unwrap_or_default();
            self.first_faults.push(ShownFault { name, line, text, why: fault.to_string() });
        }
    }
}
