//! Many connections that ask for targets in turn.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use crate::Who;
use crate::connection::Connection;
use crate::told::Told;

/// How often the timetable is looked at.
const TICK: Duration = Duration::from_micros(200);

/// What is another text in each question.
const PLACE: &str = "{n}";

/// What is to be asked, and how.
pub(crate) struct Job {
    pub(crate) to: String,
    pub(crate) host: String,
    pub(crate) who: Who,
    pub(crate) targets: Vec<String>,
    pub(crate) connections: usize,
    pub(crate) seconds: Option<Duration>,
    pub(crate) cycle: bool,
    pub(crate) rate: Option<f64>,
    pub(crate) range: Option<String>,
    pub(crate) follow: bool,
    pub(crate) authorize: bool,
    pub(crate) logins: Vec<String>,
    pub(crate) customer: u32,
}

/// What the connections share.
struct Shared {
    job: Job,
    began: Instant,
    next: Cell<usize>,
    /// The first half of each request id: a run does not repeat another one's.
    run: u64,
    requests: Cell<u64>,
    due: Option<Arc<Semaphore>>,
    told: RefCell<Told>,
}

/// Asks until the time is over or the targets are, and tells what came.
pub(crate) async fn run(job: Job) -> Result<Told, String> {
    let mut connections = Vec::new();
    for _ in 0..job.connections {
        connections.push(Connection::open(&job.to).await.map_err(|error| format!("{}: {error}", job.to))?);
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    let due = job.rate.map(|_| Arc::new(Semaphore::new(0)));
    let run = u64::try_from(since.as_nanos() & u128::from(u64::MAX)).unwrap_or_default();
    let began = Instant::now();
    if let (Some(due), Some(rate)) = (&due, job.rate) {
        keep_the_timetable(Arc::clone(due), began, rate);
    }
    let (next, requests, told) = (Cell::new(0), Cell::new(0), RefCell::default());
    let shared = Rc::new(Shared { job, began, next, run, requests, due, told });
    let local = LocalSet::new();
    let works: Vec<_> = connections.into_iter().map(|connection| local.spawn_local(work(connection, Rc::clone(&shared)))).collect();
    local.await;
    for work in works {
        work.await.map_err(|error| error.to_string())??;
    }
    let took = shared.began.elapsed();
    let mut told = shared.told.take();
    told.took = took;
    Ok(told)
}

/// Lets questions go when they are due. A thread of its own: the timers of the runtime are no finer than a millisecond.
fn keep_the_timetable(due: Arc<Semaphore>, began: Instant, rate: f64) {
    std::thread::spawn(move || {
        let mut let_go: usize = 0;
        while Arc::strong_count(&due) > 1 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a number of questions, which is positive and small"
            )]
            let now = (began.elapsed().as_secs_f64() * rate) as usize;
            due.add_permits(now.saturating_sub(let_go));
            let_go = now;
            std::thread::sleep(TICK);
        }
    });
}

async fn work(mut connection: Connection, shared: Rc<Shared>) -> Result<(), String> {
    let mut told = Told::default();
    let mut question = String::new();
    while let Some((number, began)) = shared.turn().await {
        let Some(target) = shared.job.targets.get(number % shared.job.targets.len()) else { break };
        let customer = shared.job.customer.wrapping_add(u32::try_from(number).unwrap_or_default());
        shared.word(&mut question, target, customer, shared.login(number));
        let answer = connection.ask(question.as_bytes()).await.map_err(|error| format!("{}: {error}", shared.job.to))?;
        told.asked.note(answer.status, began.elapsed());
        let Some(onward) = answer.location else { continue };
        if shared.job.follow {
            shared.word(&mut question, &onward, customer, shared.login(number));
            let began = Instant::now();
            let answer = connection.ask(question.as_bytes()).await.map_err(|error| format!("{}: {error}", shared.job.to))?;
            told.followed.note(answer.status, began.elapsed());
        } else {
            shared.told.borrow_mut().locations.insert(number, onward);
        }
    }
    let mut all = shared.told.borrow_mut();
    all.asked.add(told.asked);
    all.followed.add(told.followed);
    Ok(())
}

impl Shared {
    /// The number of the next question and the moment at which it is due; `None` when it is over.
    async fn turn(&self) -> Option<(usize, Instant)> {
        if let Some(due) = &self.due {
            due.acquire().await.ok()?.forget();
        }
        let number = self.next.get();
        if (!self.job.cycle && number >= self.job.targets.len()) || self.job.seconds.is_some_and(|seconds| self.began.elapsed() >= seconds)
        {
            return None;
        }
        self.next.set(number + 1);
        #[expect(clippy::cast_precision_loss, reason = "a number of questions, which is small")]
        let due = self.job.rate.map(|rate| self.began + Duration::from_secs_f64(number as f64 / rate));
        Some((number, due.unwrap_or_else(Instant::now)))
    }

    /// What the question of this number brings as `Authorization`.
    fn login(&self, number: usize) -> Option<&str> {
        let logins = &self.job.logins;
        logins.get(number.checked_rem(logins.len())?).map(String::as_str)
    }

    /// Words the question of `customer` for `target`.
    fn word(&self, question: &mut String, target: &str, customer: u32, login: Option<&str>) {
        let Job { host, who, range, authorize, .. } = &self.job;
        let number = self.requests.get();
        self.requests.set(number + 1);
        let distinct = target.contains(PLACE).then(|| target.replace(PLACE, &format!("{:016x}{number:016x}", self.run)));
        let target = distinct.as_deref().unwrap_or(target);
        question.clear();
        // Writing into a string does not fail.
        let _ = write!(question, "GET {} HTTP/1.1\r\nHost: {host}\r\n", if *authorize { "/_cloakroom/authorize" } else { target });
        if let Some(login) = login {
            let _ = write!(question, "Authorization: {login}\r\n");
        }
        if *who == Who::Nginx {
            let [_, a, b, c] = customer.to_be_bytes();
            let _ = write!(
                question,
                "X-Original-URI: {target}\r\nX-Original-Method: GET\r\nX-Request-Id: {:016x}{number:016x}\r\nX-Real-IP: 10.{a}.{b}.{c}\r\n",
                self.run
            );
        }
        if let Some(range) = range {
            let _ = write!(question, "Range: {range}\r\n");
        }
        let _ = write!(question, "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0.{customer:07}\r\n");
        question
            .push_str("Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n\r\n");
    }
}
