//! Threads that hash, beside those that answer: one dear password must not hold up ten thousand tokens.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::known::{Known, Tag};
use super::lockout::Attempt;
use crate::proof::htpasswd::hash::Hash;

/// More threads would take the memory of as many dear hashes, and the processors from all that is cheap.
const THREADS_MAX: usize = 4;

/// So many hashes may wait. Whoever comes later would wait longer than a web server does.
const WAITING_MAX: usize = 64;

/// How far those who hash stand back behind those who answer.
const NICE: i32 = 10;

/// A login to be checked.
pub struct Work {
    /// What it is remembered under, if it turns out to be right.
    pub tag: Tag,
    /// What the password is compared with.
    pub hash: Hash,
    /// The password.
    pub password: Zeroizing<Vec<u8>>,
    /// Whether the hash is that of the name. For names that are unknown another one is computed, and they are wrong.
    pub is_entry: bool,
    /// A hash to be computed so many times besides, where the password is wrong: in one piece with the first, so that nothing
    /// tells them from one.
    pub besides: Option<(Hash, u64)>,
    /// Counts the hashes.
    pub hashed: Counter,
    /// What is told how it ended: what is hashed counts, even if nobody waits for it any more.
    pub attempt: Option<Arc<Attempt>>,
}

/// What becomes of a login.
#[derive(Debug)]
pub struct Outcome(watch::Receiver<Option<bool>>);

impl Outcome {
    /// Waits until it is known. `None` where nobody will ever say it: the threads have ended.
    pub async fn known(mut self) -> Option<bool> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|outcome| *outcome)
    }
}

/// Why a login is not looked at: too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A bounded queue of logins, and the threads that work on it. They end with this value.
pub struct Pool(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    something: Condvar,
    known: Arc<Known>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    /// What waits or is worked on: who brings the same login waits for the same hash.
    running: HashMap<Tag, watch::Receiver<Option<bool>>>,
    threads: usize,
    is_closed: bool,
}

struct Job {
    work: Work,
    outcome: watch::Sender<Option<bool>>,
}

impl Pool {
    /// A pool without threads yet; they start with the first login. Right ones are remembered in `known`.
    pub(super) fn new(known: Arc<Known>) -> Self {
        Self(Arc::new(Shared { queue: Mutex::default(), something: Condvar::new(), known }))
    }

    /// The outcome of the same login that another request has brought, if it is on its way.
    pub fn joined(&self, tag: &Tag) -> Option<Outcome> {
        self.0.queue().running.get(tag).cloned().map(Outcome)
    }

    /// Takes a login in, or joins the same one.
    pub fn take(&self, work: Work) -> Result<Outcome, Full> {
        let mut queue = self.0.queue();
        if let Some(running) = queue.running.get(&work.tag) {
            return Ok(Outcome(running.clone()));
        }
        if queue.waiting.len() >= WAITING_MAX || !self.0.start(&mut queue) {
            return Err(Full);
        }
        let (outcome, waiting) = watch::channel(None);
        queue.running.insert(work.tag, waiting.clone());
        queue.waiting.push_back(Job { work, outcome });
        drop(queue);
        self.0.something.notify_one();
        Ok(Outcome(waiting))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.is_closed = true;
        queue.waiting.clear();
        queue.running.clear();
        drop(queue);
        self.0.something.notify_all();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the threads if they do not run. `false` where the system gives none.
    fn start(self: &Arc<Self>, queue: &mut Queue) -> bool {
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        while queue.threads < processors.saturating_sub(1).clamp(1, THREADS_MAX) {
            let shared = Arc::clone(self);
            let thread = thread::Builder::new().name(format!("hash-{}", queue.threads)).spawn(move || shared.work());
            if let Err(error) = thread {
                tracing::error!(event = "no_thread", "cannot start a thread that hashes passwords: {error}");
                break;
            }
            queue.threads += 1;
        }
        queue.threads > 0
    }

    fn work(&self) {
        // On Linux this is about the calling thread. Where it is not allowed, hashing is as important as answering.
        let _ = rustix::process::nice(NICE);
        while let Some(Job { work, outcome }) = self.next() {
            let tag = work.tag;
            let holds = compute(&work);
            if holds {
                self.known.remember(tag);
            }
            if let Some(attempt) = work.attempt {
                attempt.ended(holds);
            }
            // Remembered before it is forgotten here: no request of the same login falls between.
            self.queue().running.remove(&tag);
            outcome.send_replace(Some(holds));
        }
    }

    /// The next login that somebody still waits for; waits for one.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue();
        loop {
            if queue.is_closed {
                return None;
            }
            let Some(job) = queue.waiting.pop_front() else {
                queue = self.something.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            // One receiver is the queue's own.
            if job.outcome.receiver_count() > 1 {
                return Some(job);
            }
            queue.running.remove(&job.work.tag);
        }
    }
}

fn compute(work: &Work) -> bool {
    let right = holds(work, &work.hash) && work.is_entry;
    if !right && let Some((besides, times)) = &work.besides {
        for _ in 0..*times {
            // What it comes to is nothing to anybody.
            let _ = holds(work, besides);
        }
    }
    right
}

/// A library that panics about a line must not take a thread with it, nor open anything.
fn holds(work: &Work, hash: &Hash) -> bool {
    work.hashed.inc();
    catch_unwind(AssertUnwindSafe(|| hash.holds(&work.password))).unwrap_or_else(|_panic| {
        tracing::error!(event = "hash_failed", method = hash.method().word(), "a hash could not be computed");
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::known::Secret;
    use crate::auth::lockout::{Begun, Guess, Lock, Locked, Lockout};
    use crate::domain::authorization::Login;
    use crate::domain::moment::Moment;

    struct Bench {
        pool: Pool,
        known: Arc<Known>,
        secret: Secret,
        hashed: Counter,
        hash: Hash,
    }

    impl Bench {
        fn new() -> Self {
            let known = Arc::new(Known::default());
            let text =
                crate::proof::htpasswd::make::hash(crate::proof::htpasswd::make::New::Bcrypt(4), b"secret", [3; 16]).expect("a hash");
            let hash = Hash::parse(&text).expect("it reads back");
            Self { pool: Pool::new(Arc::clone(&known)), known, secret: Secret::new([1; 32]), hashed: Counter::default(), hash }
        }

        fn work(&self, password: &str, is_entry: bool) -> Work {
            let login = Login { user: "alice".to_owned(), password: Zeroizing::new(password.as_bytes().to_vec()) };
            let tag = self.secret.login(b"file", self.hash.text(), &login);
            let (hash, password, hashed) = (self.hash.clone(), login.password, self.hashed.clone());
            Work { tag, hash, password, is_entry, besides: None, hashed, attempt: None }
        }
    }

    #[tokio::test]
    async fn a_login_is_right_wrong_or_of_nobody_and_only_the_right_one_is_remembered() {
        let bench = Bench::new();
        for (password, is_entry, right) in [("secret", true, true), ("Secret", true, false), ("secret!", false, false)] {
            let work = bench.work(password, is_entry);
            let tag = work.tag;
            assert_eq!(bench.pool.take(work).expect("room").known().await, Some(right), "{password}");
            assert_eq!(bench.known.has(&tag), right, "{password}");
            assert!(bench.pool.joined(&tag).is_none(), "it is over");
        }
        let stranger = bench.work("secret", false);
        assert_eq!(bench.pool.take(stranger).expect("room").known().await, Some(false), "right for the hash, and of nobody");
        assert_eq!(bench.hashed.get(), 4);
    }

    #[tokio::test]
    async fn a_wrong_password_costs_the_hash_besides_and_a_right_one_does_not() {
        let bench = Bench::new();
        for (password, hashes) in [("wrong", 4), ("secret", 5)] {
            let work = Work { besides: Some((bench.hash.clone(), 3)), ..bench.work(password, true) };
            assert_eq!(bench.pool.take(work).expect("room").known().await, Some(password == "secret"));
            assert_eq!(bench.hashed.get(), hashes, "{password}");
        }
        // The hash besides is another's: that it holds opens nothing.
        let other = Hash::parse("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=").expect("a hash");
        let work = Work { hash: other, besides: Some((bench.hash.clone(), 1)), ..bench.work("secret", true) };
        assert_eq!(bench.pool.take(work).expect("room").known().await, Some(false));
    }

    #[tokio::test]
    async fn what_is_hashed_counts_though_nobody_waits_and_what_is_not_does_not() {
        let bench = Bench::new();
        let lockout = Lockout::default();
        let begin = |password: &str| {
            let login = Login { user: "alice".to_owned(), password: Zeroizing::new(password.into()) };
            let guess = Guess { file: b"file", generation: &[0; 32], login: &login, client: [192, 0, 2, 1].into() };
            lockout.begin(&bench.secret, &guess, Moment::from_seconds(1_900_000_000))
        };
        let mut left = 0;
        // Whoever comes leaves at once. Some are hashed before they are gone; the others are forgiven.
        loop {
            match begin(&format!("wrong {left}")) {
                Ok(Begun::Try(attempt)) => {
                    let work = Work { attempt: Some(attempt), ..bench.work(&format!("wrong {left}"), true) };
                    drop(bench.pool.take(work));
                    left += 1;
                }
                Ok(Begun::Wrong) => panic!("each is another"),
                // What waits counts until it is let go of.
                Err(Lock { what: Locked::User, .. }) if bench.hashed.get() < 10 => tokio::task::yield_now().await,
                Err(_) => break,
            }
        }
        assert!((10..=11).contains(&bench.hashed.get()), "{} of {left}: as many guesses as are allowed, and no more", bench.hashed.get());
        assert!(matches!(begin("the tenth"), Err(Lock { what: Locked::User, .. })));
    }

    #[tokio::test]
    async fn the_same_login_brought_a_hundred_times_is_hashed_once() {
        let bench = Bench::new();
        let blocker = bench.pool.take(bench.work("something that is worked on", true)).expect("room");
        let all: Vec<_> = (0..100).map(|_| bench.pool.take(bench.work("secret", true)).expect("it takes no room")).collect();
        for outcome in all {
            assert_eq!(outcome.known().await, Some(true));
        }
        assert_eq!(blocker.known().await, Some(false));
        // A moment decides how many of the hundred came after the first was done; those were not asked for again above.
        assert!((2..=4).contains(&bench.hashed.get()), "{}", bench.hashed.get());
    }

    #[tokio::test]
    async fn a_full_queue_takes_no_more_and_what_nobody_waits_for_is_not_hashed() {
        let bench = Bench::new();
        // No thread works while the queue is held.
        let full = {
            let mut kept = Vec::new();
            loop {
                match bench.pool.take(bench.work(&format!("wrong {}", kept.len()), true)) {
                    Ok(outcome) => kept.push(outcome),
                    Err(Full) => break kept,
                }
                assert!(kept.len() < 100_000, "the queue has an end");
            }
        };
        let taken = u64::try_from(full.len()).expect("few");
        assert!(full.len() >= WAITING_MAX);
        drop(full);
        let last = loop {
            if let Ok(last) = bench.pool.take(bench.work("secret", true)) {
                break last;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(last.known().await, Some(true));
        assert!(bench.hashed.get() < taken, "{} of {taken}", bench.hashed.get());
    }

    #[tokio::test]
    async fn who_waits_when_the_pool_ends_is_told() {
        let bench = Bench::new();
        let outcomes: Vec<_> = (0_u8..50).map(|n| bench.pool.take(bench.work(&n.to_string(), true))).filter_map(Result::ok).collect();
        drop(bench.pool);
        let mut unknown = 0;
        for outcome in outcomes {
            unknown += usize::from(outcome.known().await.is_none());
        }
        assert!(unknown > 0);
    }
}
