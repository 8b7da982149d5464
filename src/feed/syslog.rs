//! Takes the lines that nginx sends by syslog over a unix socket.
//!
//! ```text
//! nginx ─► kernel: net.unix.max_dgram_qlen lines, 10 by default ─► receiving thread ─► QUEUE_LINES_MAX lines ─► settled in batches
//! ```
//!
//! nginx waits for nobody: what does not fit into the kernel's queue is lost, and so is what it sends while nobody
//! listens, with the first line of each of its workers after that. nginx notes it in its `error_log` (`send() to syslog
//! failed`). `SO_RCVBUF` does not count for such a socket, the number of datagrams does, so the one thing that helps is to
//! read at once, whatever the store does. What does not fit into our own queue is thrown away, counted and logged.
//!
//! nginx (1.22) cuts no line of an access log, however long; 2 KiB is the limit of its `error_log` only.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use super::hints::Stop;
use super::line::{self, LINE_BYTES_MAX, LineFault, Told};
use super::tail::BATCH_LINES_MAX;
use super::{Batch, PAUSE_FIRST, Taken, offer};

/// Lines that wait to be settled: some seconds of what a busy site ends, and a few MiB.
const QUEUE_LINES_MAX: usize = 16 * 1024;

/// The longest head is one with a host name of 253 bytes and a tag of 32.
const HEAD_BYTES_MAX: usize = 512;

/// Facilities go to 23, severities to 7 (RFC 3164, 4.1.1).
const PRIORITY_MAX: u16 = 23 * 8 + 7;

/// What one datagram is.
type Line = Result<Option<Told>, LineFault>;

/// Receives on `socket`, which must not block, hands batches to `sink`, each again and again until it is taken, and returns
/// once `stop` is set and what was received by then was offered. Fails where the system starts no thread.
pub fn follow(socket: &UnixDatagram, stop: &Stop, mut sink: impl FnMut(&Batch) -> Taken) -> io::Result<()> {
    let (sender, lines) = sync_channel(QUEUE_LINES_MAX);
    let lost = AtomicUsize::new(0);
    thread::scope(|scope| {
        let receiver = thread::Builder::new().name("feed-receive".to_owned());
        receiver.spawn_scoped(scope, || receive(socket, stop, &Queue { sender, lost: &lost }))?;
        while let Some(batch) = next_batch(&lines, &lost) {
            log(&batch);
            if !offer(&batch, stop, &mut sink) {
                let unsettled = batch.lines + lines.iter().count();
                tracing::warn!(lines = unsettled, "lines of the web server were not settled before the end");
                break;
            }
        }
        Ok(())
    })
}

/// Where received lines wait.
struct Queue<'a> {
    sender: SyncSender<Line>,
    lost: &'a AtomicUsize,
}

/// Takes what comes until `stop` is set, and then what is there.
fn receive(socket: &UnixDatagram, stop: &Stop, queue: &Queue<'_>) {
    let mut buffer = vec![0; HEAD_BYTES_MAX + LINE_BYTES_MAX + 1];
    loop {
        let stopped = stop.wait_beside(socket);
        if let Err(error) = drain(socket, &mut buffer, queue) {
            tracing::error!(%error, "the socket of the feed cannot be read; downloads are not settled until it can");
            if stop.wait(PAUSE_FIRST) {
                return;
            }
        }
        if stopped {
            return;
        }
    }
}

/// Takes what is there, up to so many lines that the next look at `stop` never waits for whoever sends without end. The
/// kernel's queue holds fewer.
fn drain(socket: &UnixDatagram, buffer: &mut [u8], queue: &Queue<'_>) -> io::Result<()> {
    for _ in 0..BATCH_LINES_MAX {
        match socket.recv(buffer) {
            Ok(bytes) => match queue.sender.try_send(read(buffer.get(..bytes).unwrap_or_default())) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                    queue.lost.fetch_add(1, Ordering::Relaxed);
                }
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits for a line and takes those behind it; `None` once there will be no more.
fn next_batch(lines: &Receiver<Line>, lost: &AtomicUsize) -> Option<Batch> {
    let mut batch = Batch::default();
    match lines.recv() {
        Ok(line) => batch.add(line),
        Err(_) if lost.load(Ordering::Relaxed) == 0 => return None,
        Err(_) => {}
    }
    while batch.lines < BATCH_LINES_MAX
        && let Ok(line) = lines.try_recv()
    {
        batch.add(line);
    }
    batch.lost = lost.swap(0, Ordering::Relaxed);
    Some(batch)
}

fn log(batch: &Batch) {
    if batch.lost > 0 {
        tracing::warn!(lines = batch.lost, "too many lines of the web server waited to be settled; these were thrown away");
    }
    if let Some(first) = batch.faults.first() {
        tracing::warn!(faults = batch.faults.len(), lines = batch.lines, first = %first, "lines of the web server were not understood");
    }
}

/// What a datagram reports: `<190>Nov 21 23:02:12 host cloakroom: {…}`, with `nohostname` without the host, as nginx writes
/// it (RFC 3164, 4.1); a line end may follow.
pub fn read(datagram: &[u8]) -> Result<Option<Told>, LineFault> {
    let line = after_head(datagram).ok_or(LineFault::NotSyslog)?;
    line::read(line.strip_suffix(b"\n").unwrap_or(line))
}

fn after_head(datagram: &[u8]) -> Option<&[u8]> {
    let rest = datagram.strip_prefix(b"<")?;
    let (priority, rest) = split_at(rest.get(..4)?.iter().position(|&byte| byte == b'>')?, rest)?;
    let priority = std::str::from_utf8(priority).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    priority.parse::<u16>().ok().filter(|priority| *priority <= PRIORITY_MAX)?;
    let (time, rest) = rest.split_at_checked(TIME.len())?;
    let timely = time.iter().zip(TIME).all(|(&byte, &shape)| match shape {
        b'M' => byte.is_ascii_alphabetic(),
        b'd' => byte.is_ascii_digit() || byte == b' ',
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    });
    // A host and a tag, or a tag alone.
    let window = rest.get(..HEAD_BYTES_MAX.min(rest.len()))?;
    let (names, rest) = split_at(window.windows(2).position(|pair| pair == b": ")?, rest)?;
    let mut words = names.split(|&byte| byte == b' ');
    let good = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_graphic);
    let one_or_two = words.by_ref().take(2).all(good) && words.next().is_none();
    (timely && one_or_two).then(|| rest.strip_prefix(b" ")).flatten()
}

/// `Nov 21 23:02:12 `: `M` a letter, `d` a digit or a blank, `0` a digit.
const TIME: &[u8] = b"MMM d0 00:00:00 ";

/// What stands before and behind the byte at `place`.
fn split_at(place: usize, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    Some((bytes.get(..place)?, bytes.get(place + 1..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = r#"{"v":"1","time":"1795292217.083","request":"967f98bf42db0d3fd624ec50e8a62b7a","delivery":"d-00000000000000000000","status":"200","method":"GET","bytes":"300","done":"OK","range":"","length":"300","encoding":"","type":"application/zip","client":"127.0.0.1","took":"0.000"}"#;

    #[test]
    fn the_head_is_read_as_nginx_writes_it_with_and_without_a_host() {
        for head in [
            "<190>Nov 21 23:02:12 cloakroom: ",
            "<190>Nov  1 23:02:12 cloakroom: ",
            "<190>Nov 21 23:02:12 www.shop.example nginx: ",
            "<0>Nov 21 23:02:12 a: ",
            "<191>Nov 21 23:02:12 ::1 nginx_2: ",
        ] {
            for end in ["", "\n"] {
                let read = read(format!("{head}{LINE}{end}").as_bytes());
                assert_eq!(read.expect(head).map(|told| told.report().bytes), Some(300), "{head}");
            }
        }
    }

    #[test]
    fn what_nginx_does_not_write_is_a_fault() {
        for head in [
            "",
            "<>Nov 21 23:02:12 a: ",
            "<192>Nov 21 23:02:12 a: ",
            "<1900>Nov 21 23:02:12 a: ",
            "<+1>Nov 21 23:02:12 a: ",
            "190>Nov 21 23:02:12 a: ",
            "<190>2026-11-21T23:02:12Z a: ",
            "<190>Nov 21 23:02 a: ",
            "<190>Nov 21 23:02:12 ",
            "<190>Nov 21 23:02:12 : ",
            "<190>Nov 21 23:02:12  a: ",
            "<190>Nov 21 23:02:12 a b c: ",
            "<190>1 2026-11-21T23:02:12Z host a - - - ",
        ] {
            assert_eq!(read(format!("{head}{LINE}").as_bytes()), Err(LineFault::NotSyslog), "{head:?}");
        }
        let head = "<190>Nov 21 23:02:12 a: ";
        assert!(matches!(read(format!("{head}GET / 200").as_bytes()), Err(LineFault::NotTheFormat(_))));
        assert!(matches!(read(format!("{head}{}", &LINE[..LINE.len() - 9]).as_bytes()), Err(LineFault::NotTheFormat(_))));
        assert_eq!(read(format!("{head}{}", " ".repeat(LINE_BYTES_MAX + 1)).as_bytes()), Err(LineFault::TooLong));
    }

    proptest! {
        #[test]
        fn no_datagram_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 0..40_usize) {
            let _ = read(&bytes);
            let mut good = format!("<190>Nov 21 23:02:12 host cloakroom: {LINE}").into_bytes();
            good.truncate(cut);
            good.extend_from_slice(&bytes);
            let _ = read(&good);
        }
    }
}
