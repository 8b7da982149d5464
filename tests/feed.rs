//! The feed over files as log rotation leaves them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use cloakroom::clock;
use cloakroom::domain::delivery::Report;
use cloakroom::domain::feed_position::FeedPosition;
use cloakroom::domain::id::DeliveryId;
use cloakroom::domain::moment::Moment;
use cloakroom::feed::line::{self, LINE_BYTES_MAX, LineFault};
use cloakroom::feed::{Batch, Notice, Stop, Tail, Taken, follow, syslog};

use servers::cloakroom::Cloakroom;
use servers::http::get;
use servers::nginx::{Nginx, NginxSetup};

/// Longer than the last writers of a rotated log are waited for; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A line of the format that reports request `number`.
fn line(number: u32) -> String {
    let delivery = DeliveryId::new([7; 12]);
    format!(
        r#"{{"v":"1","time":"1795292217.083","request":"r{number}","delivery":"{delivery}","status":"200","method":"GET","bytes":"3","done":"OK","range":"","length":"3","encoding":"","type":"text/plain","client":"127.0.0.1","took":"0.000"}}"#
    ) + "\n"
}

fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.map(line).collect()
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A log in a directory of its own.
struct Log {
    directory: tempfile::TempDir,
    path: PathBuf,
}

impl Log {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cloakroom.log");
        Self { directory, path }
    }

    fn with(text: &str) -> Self {
        let log = Self::new();
        append(&log.path, text);
        log
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn follow(&self, resume: Option<FeedPosition>) -> Following {
        Following::start(Tail::open(&self.path, resume).unwrap())
    }

    fn at(&self, offset: usize) -> FeedPosition {
        let metadata = fs::metadata(&self.path).unwrap();
        FeedPosition { device: metadata.dev(), inode: metadata.ino(), offset: offset as u64 }
    }
}

/// A feed on its thread, and what it has told so far.
struct Following {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
    batches: Receiver<Batch>,
    requests: Vec<u32>,
    faults: Vec<LineFault>,
    notices: Vec<Notice>,
    position: Option<FeedPosition>,
}

impl Following {
    fn start(tail: Tail) -> Self {
        let stop = Stop::new().unwrap();
        let (sender, batches) = channel();
        let until = stop.clone();
        let thread = thread::spawn(move || {
            follow(tail, &until, |batch| {
                sender.send(batch.clone()).unwrap();
                Taken::Yes
            });
        });
        Self { stop, thread: Some(thread), batches, requests: vec![], faults: vec![], notices: vec![], position: None }
    }

    fn until(&mut self, what: &str, there: impl Fn(&Self) -> bool) -> &mut Self {
        while !there(self) {
            let batch = self.batches.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                panic!("{what} never came; requests {:?}, faults {:?}, notices {:?}", self.requests, self.faults, self.notices)
            });
            self.requests.extend(batch.reports.iter().map(|reported| reported.request.as_str()[1..].parse::<u32>().unwrap()));
            self.faults.extend(batch.faults);
            self.notices.extend(batch.notices);
            self.position = batch.position;
        }
        self
    }

    fn until_requests(&mut self, wanted: std::ops::Range<u32>) -> &mut Self {
        self.until("the last request", |feed| feed.requests.len() >= wanted.len());
        assert_eq!(self.requests, wanted.collect::<Vec<_>>());
        self
    }

    /// Ends it; everything that was told by then has been looked at.
    fn end(mut self) -> Option<FeedPosition> {
        self.stop.stop();
        self.thread.take().unwrap().join().unwrap();
        assert_eq!(self.batches.try_iter().map(|batch| batch.lines).sum::<usize>(), 0, "lines that no test asked for");
        self.position
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

#[test]
fn a_feed_without_a_place_begins_at_the_end_and_tells_its_place() {
    let log = Log::with(&lines(0..3));
    let mut feed = log.follow(None);
    feed.until("a place", |feed| feed.position.is_some());
    assert_eq!(feed.position, Some(log.at(lines(0..3).len())));
    append(&log.path, &lines(3..5));
    feed.until("two requests", |feed| feed.requests == [3, 4]);
    assert_eq!(feed.end(), Some(log.at(lines(0..5).len())));
}

#[test]
fn a_feed_that_begins_inside_a_line_that_is_being_written_reads_it_whole() {
    let second = line(1);
    let log = Log::with(&(line(0) + &second[..40]));
    let mut feed = log.follow(None);
    feed.until("a place", |feed| feed.position.is_some());
    append(&log.path, &second[40..]);
    feed.until("the request", |feed| feed.requests == [1]);
    assert_eq!(feed.faults, []);
    feed.end();
}

#[test]
fn a_line_counts_when_its_end_has_come() {
    let log = Log::with("");
    let mut feed = log.follow(None);
    let text = line(0);
    for piece in text.as_bytes().chunks(7) {
        append(&log.path, std::str::from_utf8(piece).unwrap());
    }
    append(&log.path, &line(1));
    feed.until_requests(0..2);
    assert_eq!(feed.faults, []);
    feed.end();
}

#[test]
fn a_missing_log_is_waited_for_and_read_from_its_start() {
    let log = Log::new();
    let mut feed = log.follow(None);
    feed.until("the notice", |feed| feed.notices == [Notice::Missing]);
    assert_eq!(feed.position, None);
    append(&log.path, &lines(0..2));
    feed.until_requests(0..2);
    feed.end();
}

#[test]
fn a_restarted_feed_goes_on_where_it_was() {
    let log = Log::with(&lines(0..4));
    let mut feed = log.follow(Some(log.at(lines(0..2).len())));
    feed.until("two requests", |feed| feed.requests == [2, 3]);
    let place = feed.end();
    append(&log.path, &line(4));
    let mut feed = log.follow(place);
    feed.until("one request", |feed| feed.requests == [4]);
    assert_eq!(feed.notices, []);
    feed.end();
}

#[test]
fn rotation_by_rename_loses_no_line_not_even_those_of_the_last_writers() {
    let log = Log::with(&line(0));
    let mut feed = log.follow(Some(log.at(0)));
    feed.until_requests(0..1);
    let mut worker = OpenOptions::new().append(true).open(&log.path).unwrap();
    fs::rename(&log.path, log.beside("cloakroom.log.1")).unwrap();
    worker.write_all(line(1).as_bytes()).unwrap();
    feed.until_requests(0..2);
    append(&log.path, &line(3));
    worker.write_all(line(2).as_bytes()).unwrap();
    feed.until_requests(0..4);
    assert_eq!(feed.notices, [Notice::Rotated]);
    assert_eq!(feed.end(), Some(log.at(line(3).len())));
}

#[test]
fn rotations_that_follow_each_other_at_once_lose_no_file_between() {
    let log = Log::with(&line(0));
    let mut feed = log.follow(Some(log.at(0)));
    feed.until_requests(0..1);
    let mut workers = vec![];
    for rotations in 1..=3 {
        fs::rename(&log.path, log.beside(&format!("cloakroom.log.{rotations}"))).unwrap();
        // The second one between is empty as yet.
        append(&log.path, &if rotations == 2 { String::new() } else { line(rotations) });
        workers.push(OpenOptions::new().append(true).open(&log.path).unwrap());
    }
    feed.until("the lines of both", |feed| feed.requests.len() == 3);
    feed.requests.sort_unstable();
    assert_eq!(feed.requests, [0, 1, 3]);
    workers[1].write_all(line(2).as_bytes()).unwrap();
    feed.until("the line of a late worker", |feed| feed.requests.last() == Some(&2));
    assert_eq!((feed.faults.len(), feed.notices.as_slice()), (0, &[Notice::Rotated][..]));
    assert_eq!(feed.end(), Some(log.at(line(3).len())));
}

#[test]
fn a_half_line_at_the_end_of_a_rotated_log_stops_nothing_and_may_still_be_finished() {
    let half = line(1);
    let log = Log::with(&half[..50]);
    let mut feed = log.follow(Some(log.at(0)));
    fs::rename(&log.path, log.beside("cloakroom.log.1")).unwrap();
    append(&log.path, &line(0));
    feed.until_requests(0..1);
    append(&log.beside("cloakroom.log.1"), &half[50..]);
    feed.until_requests(0..2);
    assert_eq!(feed.faults, []);
    feed.end();
}

#[test]
fn who_writes_into_a_rotated_log_long_after_the_new_one_is_read() {
    let log = Log::with(&line(0));
    let mut feed = log.follow(Some(log.at(0)));
    feed.until_requests(0..1);
    let mut workers = vec![];
    for rotations in 1..=2 {
        workers.push(OpenOptions::new().append(true).open(&log.path).unwrap());
        fs::rename(&log.path, log.beside(&format!("cloakroom.log.{rotations}"))).unwrap();
        append(&log.path, "");
        feed.until("the rotation", |feed| feed.notices == vec![Notice::Rotated; rotations]);
    }
    // One of them has no name any more.
    fs::remove_file(log.beside("cloakroom.log.1")).unwrap();
    for (number, writer) in [(1, 0), (2, 1), (4, 0), (5, 1)] {
        workers[writer].write_all(line(number).as_bytes()).unwrap();
        feed.until("the line of an old worker", |feed| feed.requests.last() == Some(&number));
        if number == 2 {
            append(&log.path, &line(3));
            feed.until_requests(0..4);
        }
    }
    feed.until_requests(0..6);
    assert_eq!((feed.faults.len(), feed.notices.len()), (0, 2));
    assert_eq!(feed.end(), Some(log.at(line(3).len())), "the place is one of the new file");
}

#[test]
fn a_log_that_comes_back_under_its_name_is_read_where_it_was() {
    let log = Log::with(&line(0));
    let mut feed = log.follow(Some(log.at(0)));
    feed.until_requests(0..1);
    fs::rename(&log.path, log.beside("cloakroom.log.1")).unwrap();
    append(&log.path, &line(1));
    feed.until_requests(0..2);
    fs::rename(log.beside("cloakroom.log.1"), &log.path).unwrap();
    append(&log.path, &line(2));
    feed.until_requests(0..3);
    feed.until("the way back", |feed| feed.notices.len() == 2);
    append(&log.path, &line(3));
    feed.until_requests(0..4);
    assert_eq!(feed.end(), Some(log.at((line(0) + &line(2) + &line(3)).len())));
}

#[test]
fn a_restarted_feed_reads_again_what_was_written_lately_into_rotated_logs() {
    let log = Log::with(&line(4));
    let place = log.at(line(4).len());
    append(&log.beside("cloakroom.log.1"), &lines(2..4));
    append(&log.beside("cloakroom.log-20260101"), &lines(0..2));
    append(&log.beside("cloakroom.log.3.gz"), "\u{1f}packed\n");
    append(&log.beside("cloakroom.log.4"), &line(9));
    let ago = |hours| std::time::UNIX_EPOCH + Duration::from_millis(clock::now().millis()) - Duration::from_hours(hours);
    File::options().append(true).open(log.beside("cloakroom.log.4")).unwrap().set_modified(ago(48)).unwrap();
    File::options().append(true).open(log.beside("cloakroom.log-20260101")).unwrap().set_modified(ago(1)).unwrap();
    let mut feed = log.follow(Some(place));
    feed.until_requests(0..4);
    append(&log.beside("cloakroom.log.1"), &line(4));
    feed.until_requests(0..5);
    append(&log.path, &line(5));
    feed.until_requests(0..6);
    assert_eq!((feed.faults.len(), feed.notices.len()), (0, 0));
    assert_eq!(feed.end(), Some(log.at((line(4) + &line(5)).len())));
}

#[test]
fn downloads_count_through_a_rotation_in_which_nginx_hears_late_of_the_new_log() {
    let nginx = Nginx::start(&NginxSetup::default());
    fs::write(nginx.downloads().join("a.zip"), b"the goods").unwrap();
    let cloakroom = Cloakroom::behind(&nginx, "");
    let counts = |downloads: usize| {
        let link = cloakroom.link("masters/a.zip", 1);
        let clicked = get(nginx.port, link.strip_prefix(&format!("http://127.0.0.1:{}", nginx.port)).unwrap(), &[]);
        let to = clicked.header("location").unwrap().to_owned();
        let to = to.strip_prefix(&format!("http://127.0.0.1:{}", nginx.port)).unwrap_or(&to);
        assert_eq!(get(nginx.port, to, &[]).text(), "the goods");
        servers::until(&format!("{downloads} counted downloads"), || {
            let completed = cloakroom.log().iter().filter(|line| line.contains(" completed ")).count();
            (completed == downloads).then_some(())
        });
    };
    counts(1);
    let (log, old) = (nginx.access_log(), nginx.access_log().with_extension("log.1"));
    let size = |path: &Path| fs::metadata(path).unwrap().len();
    fs::rename(&log, &old).unwrap();
    File::create(&log).unwrap();
    cloakroom.logged(&["the access log was rotated"]);
    let before = size(&old);
    counts(2);
    assert!(size(&old) > before && size(&log) == 0, "nginx still writes into the old file");
    nginx.reopen();
    counts(3);
    assert!(size(&log) > 0, "nginx writes into the new file");
    nginx.assert_calm();
}

#[test]
fn a_log_that_was_rotated_while_nobody_read_is_finished_first() {
    let log = Log::with(&lines(0..3));
    let place = log.at(line(0).len());
    fs::write(log.beside("cloakroom.log.2.gz"), "something else").unwrap();
    fs::rename(&log.path, log.beside("cloakroom.log.1")).unwrap();
    append(&log.path, &lines(3..5));
    let mut feed = log.follow(Some(place));
    feed.until("four requests", |feed| feed.requests == [1, 2, 3, 4]);
    assert_eq!(feed.notices, [Notice::Rotated]);
    feed.end();
}

#[test]
fn a_log_that_is_gone_is_said_and_the_current_one_is_read_from_its_start() {
    let log = Log::with(&lines(0..3));
    let place = log.at(line(0).len());
    // The old file lives on without a name, so that its inode cannot be the new one's.
    let _old = File::open(&log.path).unwrap();
    fs::remove_file(&log.path).unwrap();
    append(&log.path, &lines(0..2));
    let mut feed = log.follow(Some(place));
    feed.until_requests(0..2);
    assert_eq!(feed.notices, [Notice::Gone]);
    feed.end();
}

#[test]
fn a_truncated_log_is_read_from_its_start() {
    let log = Log::with(&lines(0..3));
    let mut feed = log.follow(Some(log.at(0)));
    feed.until_requests(0..3);
    File::create(&log.path).unwrap();
    feed.until("the notice", |feed| feed.notices == [Notice::Truncated]);
    append(&log.path, &line(3));
    feed.until_requests(0..4);
    assert_eq!(feed.end(), Some(log.at(line(3).len())));
}

#[test]
fn a_remembered_place_at_which_no_line_starts_is_of_another_file() {
    let log = Log::with(&lines(0..2));
    for offset in [5, lines(0..2).len() + 1, 1 << 40] {
        let mut feed = log.follow(Some(log.at(offset)));
        feed.until_requests(0..2);
        assert_eq!(feed.notices, [Notice::Truncated], "{offset}");
        feed.end();
    }
}

#[test]
fn lines_that_are_not_understood_are_counted_and_passed() {
    let log = Log::with("");
    let mut feed = log.follow(None);
    let endless = "x".repeat(LINE_BYTES_MAX * 40) + "\n";
    append(&log.path, &("nonsense\n".to_owned() + &line(0) + "\n" + &endless + "\u{fffd}\0\n" + &line(1)));
    feed.until_requests(0..2);
    assert_eq!(feed.faults.len(), 4);
    assert_eq!(feed.faults[2], LineFault::TooLong);
    feed.end();
}

#[test]
fn a_line_without_end_is_not_kept_in_memory_and_the_place_stays_before_it() {
    let log = Log::with(&line(0));
    let mut feed = log.follow(Some(log.at(0)));
    feed.until_requests(0..1);
    for _ in 0..8 {
        append(&log.path, &"x".repeat(300_000));
    }
    let place = Some(log.at(line(0).len()));
    assert_eq!(feed.position, place);
    append(&log.path, &("\n".to_owned() + &line(1)));
    feed.until_requests(0..2);
    assert_eq!(feed.faults, [LineFault::TooLong]);
    feed.end();
}

#[test]
fn many_lines_come_in_bounded_batches_and_in_their_order() {
    let log = Log::with(&lines(0..5000));
    let mut tail = Tail::open(&log.path, Some(log.at(0))).unwrap();
    let stop = Stop::new().unwrap();
    let mut requests = vec![];
    while requests.len() < 5000 {
        let batch = tail.next_batch(&stop).unwrap().unwrap();
        assert!((1..=1024).contains(&batch.lines), "{}", batch.lines);
        requests.extend(batch.reports.into_iter().map(|reported| reported.request.as_str()[1..].parse::<u32>().unwrap()));
    }
    assert!(requests.iter().copied().eq(0..5000));
}

#[test]
fn a_batch_that_is_not_taken_is_offered_again() {
    let log = Log::with(&lines(0..2));
    let tail = Tail::open(&log.path, Some(log.at(0))).unwrap();
    let stop = Stop::new().unwrap();
    let mut offered = vec![];
    follow(tail, &stop, |batch| {
        offered.push(batch.clone());
        if offered.len() == 1 {
            return Taken::NotNow;
        }
        stop.stop();
        Taken::Yes
    });
    assert_eq!(offered.len(), 2);
    assert_eq!(offered[0], offered[1]);
    assert_eq!(offered[0].reports.len(), 2);
}

#[test]
fn a_stopped_feed_ends_at_once_even_before_its_first_look() {
    let log = Log::with(&line(0));
    let stop = Stop::new().unwrap();
    stop.stop();
    let mut tail = Tail::open(&log.path, Some(log.at(0))).unwrap();
    assert_eq!(tail.next_batch(&stop).unwrap(), None);
    assert!(stop.is_set() && stop.clone().is_set());
}

#[test]
fn other_logs_in_the_directory_wake_nobody() {
    let log = Log::with("");
    let tail = Tail::open(&log.path, Some(log.at(0))).unwrap();
    let stop = Stop::new().unwrap();
    let (sender, told) = channel();
    let until = stop.clone();
    let thread = thread::spawn(move || {
        let this = fs::read_link("/proc/thread-self").unwrap();
        sender.send(this).unwrap();
        follow(tail, &until, |_| {
            sender.send(PathBuf::new()).unwrap();
            Taken::Yes
        });
    });
    let status = Path::new("/proc").join(told.recv_timeout(PATIENCE).unwrap()).join("status");
    let wakes = || {
        let text = fs::read_to_string(&status).unwrap();
        let line = text.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    append(&log.path, &line(0));
    told.recv_timeout(PATIENCE).unwrap();
    let before = wakes();
    append(&log.beside("access.log"), "created once\n");
    for _ in 0..2000 {
        append(&log.beside("access.log"), "busy\n");
    }
    append(&log.path, &line(1));
    told.recv_timeout(PATIENCE).unwrap();
    let woken = wakes() - before;
    assert!(woken < 50, "woken {woken} times by 2000 writes to another file");
    stop.stop();
    thread.join().unwrap();
}

#[test]
fn a_path_that_is_not_a_file_is_refused() {
    let log = Log::new();
    fs::create_dir(&log.path).unwrap();
    assert!(Tail::open(&log.path, None).is_err());
    assert!(Tail::open(Path::new("/dev/null"), None).is_err());
}

#[test]
fn a_store_that_does_not_settle_holds_up_nobody_who_sends_by_syslog_and_what_is_thrown_away_is_counted() {
    const SENT: usize = 17_000;
    let (sender, socket) = UnixDatagram::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    let stop = Stop::new().unwrap();
    let (go, wait) = channel();
    let until = stop.clone();
    let thread = thread::spawn(move || {
        let (mut lines, mut lost, mut reports, mut first) = (0, 0, 0, true);
        let done = syslog::follow(&socket, &until, |batch| {
            if std::mem::take(&mut first) {
                wait.recv_timeout(PATIENCE).unwrap();
            }
            assert!(batch.lines <= 1024 && batch.position.is_none());
            lines += batch.lines;
            lost += batch.lost;
            reports += batch.reports.len();
            Taken::Yes
        });
        done.map(|()| (lines, lost, reports))
    });
    // A send that found no room would wait here for ever: it is read at once, whatever the sink does.
    for number in 0..u32::try_from(SENT).unwrap() {
        sender.send(format!("<190>Nov 21 23:02:12 cloakroom: {}", line(number)).as_bytes()).unwrap();
    }
    go.send(()).unwrap();
    stop.stop();
    let (lines, lost, reports) = thread.join().unwrap().unwrap();
    assert_eq!(lines + lost, SENT, "each line was settled or is counted as thrown away");
    assert!(lost > 0 && reports == lines && lines > 16_000, "{lines} settled, {lost} thrown away");
}

#[test]
fn lines_by_syslog_that_are_not_settled_before_the_end_hold_up_no_end() {
    let (sender, socket) = UnixDatagram::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    sender.send(format!("<190>Nov 21 23:02:12 cloakroom: {}", line(0)).as_bytes()).unwrap();
    let stop = Stop::new().unwrap();
    let mut offered = 0;
    syslog::follow(&socket, &stop, |batch| {
        assert_eq!(batch.reports.len(), 1);
        offered += 1;
        stop.stop();
        Taken::NotNow
    })
    .unwrap();
    assert_eq!(offered, 1);
}

#[test]
fn who_sends_by_syslog_without_end_holds_up_no_end() {
    let (sender, socket) = UnixDatagram::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    let stop = Stop::new().unwrap();
    let (until, flood_ends) = (stop.clone(), Arc::new(AtomicBool::new(false)));
    // Several fill the kernel's queue faster than one empties it.
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let (sender, flood_ends) = (sender.try_clone().unwrap(), Arc::clone(&flood_ends));
            thread::spawn(move || {
                // It costs less to send than to read.
                let text = format!("<190>Nov 21 23:02:12 a: {{\"x\":[{}0]}}", "0,".repeat(8000));
                while !flood_ends.load(Ordering::Relaxed) && sender.send(text.as_bytes()).is_ok() {}
            })
        })
        .collect();
    let (ended, wait) = channel();
    let thread = thread::spawn(move || {
        let mut batches = 0;
        syslog::follow(&socket, &until, |_| {
            batches += 1;
            if batches == 3 {
                until.stop();
            }
            Taken::Yes
        })
        .unwrap();
        ended.send(batches).unwrap();
    });
    let batches = wait.recv_timeout(PATIENCE);
    flood_ends.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    for sender in senders {
        sender.join().unwrap();
    }
    assert!(batches.is_ok_and(|batches| batches >= 3), "it ends while they send");
}

/// The golden files: a line as the web server wrote it, and below it `=> ` with what it means.
#[test]
fn golden_lines_mean_what_stands_below_them() {
    let golden = ["nginx-1.22", "apache-2.4"].map(|name| fs::read_to_string(format!("tests/golden/feed/{name}.log")).unwrap()).concat();
    let mut seen = 0;
    let mut rows = golden.lines().filter(|row| !row.is_empty() && !row.starts_with('#'));
    while let Some(row) = rows.next() {
        let meaning = rows.next().unwrap().strip_prefix("=> ").expect("a meaning below each line");
        let said = match line::read(row.as_bytes()) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(reported)) => words(reported.report()),
            Err(fault) => format!("fault: {fault}"),
        };
        assert_eq!(said, meaning, "{row}");
        seen += 1;
    }
    assert!(seen >= 40, "{seen} golden lines");
}

fn words(report: &Report) -> String {
    let Report { ended, status, bytes, finished, from } = report;
    assert!(*ended > Moment::from_seconds(1_700_000_000));
    let end = if *finished { "finished" } else { "aborted" };
    match from {
        Some((first, total)) => format!("{status}, {bytes} bytes from {first} of {total}, {end}"),
        None => format!("{status}, {bytes} bytes of no range, {end}"),
    }
}
