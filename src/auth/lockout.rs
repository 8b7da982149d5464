//! Who guesses passwords is refused for a while, before anything is hashed.
//!
//! Wrong logins are counted by name and network, and by network. An attempt counts as wrong from its beginning until it is
//! known to be right, so that many at once are no way round the bounds; one that was never looked at is forgiven when the
//! last who holds it lets go. A wrong login that the same network brings again is known as wrong, and counts no more: a
//! program with an old password, asking every minute, is no guesser.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::known::{Secret, Tag};
use crate::domain::authorization::Login;
use crate::domain::grant::network_of;
use crate::domain::moment::{Moment, Span};
use crate::domain::recent::Recent;

/// So many wrong passwords for one name from one network, within [`WINDOW`]: more than anybody who mistypes needs.
pub const USER_FAILURES_MAX: u32 = 10;

/// So many from one network for whatever names: a school or an office behind one address is one network.
pub const NETWORK_FAILURES_MAX: u32 = 100;

/// Wrong logins are counted together for this long after the first.
pub const WINDOW: Span = Span::from_seconds(10 * 60);

/// Nobody is let try for this long after the last that was allowed.
pub const LOCK: Span = Span::from_seconds(10 * 60);

/// So many names, and as many networks, are counted at least, twice as many at most: some 5 MB. Who makes us forget one by
/// coming from as many networks had as many times [`USER_FAILURES_MAX`] tries anyway.
const COUNTED_MAX: usize = 16_384;

/// So many wrong logins are remembered at least, twice as many at most: some 3 MB. What is forgotten is hashed and counted
/// once more.
const WRONG_MAX: usize = 16_384;

/// Wrong logins of one place.
#[derive(Clone, Copy, Debug)]
struct Count {
    since: Moment,
    failures: u32,
    locked_until: Moment,
}

impl Count {
    const fn new(now: Moment) -> Self {
        Self { since: now, failures: 0, locked_until: Moment::EPOCH }
    }

    fn is_locked(&mut self, now: Moment, most: u32) -> bool {
        // A clock that was set back ends a window, too, and a lock.
        let is_over = self.locked_until <= now || self.locked_until > now + LOCK;
        if is_over && (now.since(self.since) >= WINDOW || now < self.since) {
            *self = Self::new(now);
        }
        self.failures >= most
    }

    /// Counts a failure that may still turn out to be none. The last one that is allowed locks.
    fn begin(&mut self, now: Moment, most: u32) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= most {
            self.locked_until = now + LOCK;
        }
    }

    fn forgive(&mut self, most: u32) {
        self.failures = self.failures.saturating_sub(1);
        if self.failures < most {
            self.locked_until = Moment::EPOCH;
        }
    }
}

/// Counts of wrong logins.
#[derive(Default)]
pub struct Lockout(Arc<Shared>);

struct Counts {
    users: Recent<Tag, Count>,
    networks: Recent<Tag, Count>,
    /// The wrong logins themselves, each with the network that it came from: what one network was told is no answer to another.
    tried: Recent<Tag, Tried>,
}

#[derive(Default)]
struct Shared(Mutex<Counts>);

impl Default for Counts {
    fn default() -> Self {
        Self { users: Recent::new(COUNTED_MAX), networks: Recent::new(COUNTED_MAX), tried: Recent::new(WRONG_MAX) }
    }
}

impl Shared {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How it stands with a login of a network.
enum Tried {
    /// It is being tried.
    Now(Weak<Attempt>),
    /// It is wrong.
    Wrong,
}

/// Who tries what.
#[derive(Clone, Copy)]
pub struct Guess<'a> {
    /// The path of the file.
    pub file: &'a [u8],
    /// What the file says: another text of it, and every name begins anew. All of them alike, or one that begins anew when
    /// others do not would be known for one that is there.
    pub generation: &'a [u8; 32],
    /// The name and the password.
    pub login: &'a Login,
    /// Where it comes from.
    pub client: IpAddr,
}

/// What is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// The name, for this network.
    User,
    /// The network, whatever the name.
    Network,
}

/// What becomes of a guess that is not locked out.
pub enum Begun {
    /// It may be tried.
    Try(Arc<Attempt>),
    /// It was tried before, from this network, and is wrong.
    Wrong,
}

/// Leave to try a login once, for all who bring the same one from the same network meanwhile. It counts as wrong, unless it
/// turns out to be right, or is dropped before anybody [told](Attempt::ended) what it is.
#[must_use]
pub struct Attempt {
    shared: Arc<Shared>,
    user: Counted,
    network: Counted,
    login: Tag,
    right: OnceLock<bool>,
}

/// Where an attempt is counted, and since when that count runs: a later one does not have it.
struct Counted {
    tag: Tag,
    since: Moment,
}

impl Counted {
    fn begin(counts: &mut Recent<Tag, Count>, tag: Tag, now: Moment, most: u32) -> Self {
        let since = if let Some(count) = counts.touch(&tag) {
            count.begin(now, most);
            count.since
        } else {
            let mut count = Count::new(now);
            count.begin(now, most);
            counts.keep(tag, count);
            now
        };
        Self { tag, since }
    }

    fn find<'a>(&self, counts: &'a mut Recent<Tag, Count>) -> Option<&'a mut Count> {
        counts.touch(&self.tag).filter(|count| count.since == self.since)
    }
}

impl Lockout {
    /// Leave to try, that it is wrong already, or what is locked.
    pub fn begin(&self, secret: &Secret, guess: &Guess<'_>, now: Moment) -> Result<Begun, Locked> {
        let Guess { file, generation, login: Login { user, password }, client } = *guess;
        let from = network_of(client).to_string();
        let network = secret.place(&[from.as_bytes()]);
        let name = secret.place(&[file, generation, user.as_bytes(), from.as_bytes()]);
        let login = secret.place(&[file, generation, user.as_bytes(), password, from.as_bytes()]);
        let mut counts = self.0.counts();
        let Counts { users, networks, tried } = &mut *counts;
        // It has leave already.
        if let Some(Tried::Now(attempt)) = tried.look(&login)
            && let Some(attempt) = attempt.upgrade()
        {
            return Ok(Begun::Try(attempt));
        }
        // Before what is known as wrong: who is locked out learns nothing, not even what a neighbour has tried.
        if networks.touch(&network).is_some_and(|count| count.is_locked(now, NETWORK_FAILURES_MAX)) {
            return Err(Locked::Network);
        }
        if users.touch(&name).is_some_and(|count| count.is_locked(now, USER_FAILURES_MAX)) {
            return Err(Locked::User);
        }
        if let Some(Tried::Wrong) = tried.touch(&login) {
            return Ok(Begun::Wrong);
        }
        let network = Counted::begin(networks, network, now, NETWORK_FAILURES_MAX);
        let user = Counted::begin(users, name, now, USER_FAILURES_MAX);
        let attempt = Arc::new(Attempt { shared: Arc::clone(&self.0), user, network, login, right: OnceLock::new() });
        tried.keep(login, Tried::Now(Arc::downgrade(&attempt)));
        Ok(Begun::Try(attempt))
    }
}

impl Attempt {
    /// The login was looked at. What is said first holds.
    ///
    /// With a right one its name begins anew. The network keeps what else it did, or a guesser with a login of his own would
    /// never be counted.
    pub fn ended(&self, right: bool) {
        if self.right.set(right).is_err() {
            return;
        }
        let mut counts = self.shared.counts();
        let Counts { users, networks, tried } = &mut *counts;
        if right {
            if let Some(count) = self.user.find(users) {
                *count = Count::new(count.since);
            }
            if let Some(count) = self.network.find(networks) {
                count.forgive(NETWORK_FAILURES_MAX);
            }
            self.forget(tried);
        } else {
            tried.keep(self.login, Tried::Wrong);
        }
    }

    /// Another attempt may stand in its place by now.
    fn forget(&self, tried: &mut Recent<Tag, Tried>) {
        if let Some(Tried::Now(attempt)) = tried.look(&self.login)
            && std::ptr::eq(attempt.as_ptr(), self)
        {
            tried.take(&self.login);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.right.get().is_some() {
            return;
        }
        let mut counts = self.shared.counts();
        let Counts { users, networks, tried } = &mut *counts;
        for (count, most) in [(self.user.find(users), USER_FAILURES_MAX), (self.network.find(networks), NETWORK_FAILURES_MAX)] {
            if let Some(count) = count {
                count.forgive(most);
            }
        }
        self.forget(tried);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    const NOW: Moment = Moment::from_seconds(1_900_000_000);
    const GENERATION: [u8; 32] = [1; 32];

    struct Place {
        lockout: Lockout,
        secret: Secret,
    }

    impl Place {
        fn new() -> Self {
            Self { lockout: Lockout::default(), secret: Secret::new([1; 32]) }
        }

        fn begin_at(&self, generation: [u8; 32], user: &str, password: &str, client: &str, now: Moment) -> Result<Begun, Locked> {
            let login = Login { user: user.to_owned(), password: Zeroizing::new(password.into()) };
            let client = client.parse().expect("an address");
            self.lockout.begin(&self.secret, &Guess { file: b"file", generation: &generation, login: &login, client }, now)
        }

        fn begin(&self, user: &str, password: &str, client: &str, now: Moment) -> Result<Begun, Locked> {
            self.begin_at(GENERATION, user, password, client, now)
        }

        /// A login that is looked at, and wrong. Whether it was new.
        fn wrong(&self, user: &str, password: &str, client: &str, now: Moment) -> Result<bool, Locked> {
            self.begin(user, password, client, now).map(|begun| match begun {
                Begun::Try(attempt) => {
                    attempt.ended(false);
                    true
                }
                Begun::Wrong => false,
            })
        }

        fn attempt(&self, user: &str, password: &str) -> Arc<Attempt> {
            match self.begin(user, password, "192.0.2.1", NOW) {
                Ok(Begun::Try(attempt)) => attempt,
                Ok(Begun::Wrong) => panic!("{user} {password} is known as wrong"),
                Err(locked) => panic!("{user} {password}: {locked:?}"),
            }
        }
    }

    #[test]
    fn the_tenth_wrong_password_locks_a_name_for_its_network_only() {
        let place = Place::new();
        for n in 0..10 {
            assert_eq!(place.wrong("alice", &n.to_string(), &format!("192.0.2.{n}"), NOW), Ok(true), "{n}");
        }
        assert_eq!(place.wrong("alice", "x", "192.0.2.99", NOW), Err(Locked::User));
        assert_eq!(place.wrong("alice", "0", "192.0.2.0", NOW), Err(Locked::User), "one that is known as wrong, too");
        assert_eq!(place.wrong("bob", "x", "192.0.2.1", NOW), Ok(true), "another name");
        assert_eq!(place.wrong("alice", "x", "192.0.3.1", NOW), Ok(true), "another network");
        let almost = NOW + Span::from_seconds(599);
        assert_eq!(place.wrong("alice", "y", "192.0.2.1", almost), Err(Locked::User));
        assert_eq!(place.wrong("alice", "y", "192.0.2.1", NOW + Span::from_seconds(600)), Ok(true), "its time is over");
    }

    #[test]
    fn an_address_is_one_of_its_network_however_it_is_written() {
        for (first, other, is_same) in [
            ("192.0.2.1", "192.0.2.254", true),
            ("192.0.2.1", "::ffff:192.0.2.7", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("2001:db8:0:100::1", "2001:db8:0:1ff:ffff::9", true),
            ("2001:db8:0:100::1", "2001:db8:0:200::1", false),
        ] {
            let place = Place::new();
            for n in 0..10 {
                assert_eq!(place.wrong("alice", &n.to_string(), first, NOW), Ok(true));
            }
            assert_eq!(place.wrong("alice", "x", other, NOW).is_err(), is_same, "{first} {other}");
        }
    }

    #[test]
    fn the_same_wrong_password_brought_again_by_its_network_counts_once() {
        let place = Place::new();
        assert_eq!(place.wrong("alice", "old", "192.0.2.1", NOW), Ok(true));
        for poll in 0..1000 {
            let now = NOW + Span::from_seconds(poll);
            assert_eq!(place.wrong("alice", "old", "192.0.2.77", now), Ok(false), "{poll}");
        }
        let now = NOW + Span::from_seconds(1000);
        assert_eq!(place.wrong("alice", "old", "192.0.3.1", now), Ok(true), "what another network was told is none of its business");
        for n in 0..10 {
            assert_eq!(place.wrong("alice", &n.to_string(), "192.0.2.1", now), Ok(true), "all of the window's guesses are left: {n}");
        }
        assert_eq!(place.wrong("alice", "old", "192.0.2.1", now), Err(Locked::User));
        let next = place.begin_at([2; 32], "alice", "old", "192.0.2.1", now);
        assert!(matches!(next, Ok(Begun::Try(_))), "the file says something else, and every name begins anew");
    }

    #[test]
    fn one_login_brought_many_times_at_once_is_one_attempt() {
        let place = Place::new();
        let all: Vec<_> = (0..200).map(|_| place.attempt("alice", "secret")).collect();
        for attempt in &all {
            attempt.ended(false);
        }
        for n in 1..10 {
            assert_eq!(place.wrong("alice", &n.to_string(), "192.0.2.1", NOW), Ok(true), "{n}");
        }
        assert_eq!(place.wrong("alice", "10", "192.0.2.1", NOW), Err(Locked::User), "and it was one");
    }

    #[test]
    fn right_logins_begin_anew_and_are_no_way_for_a_network_to_guess_on() {
        let place = Place::new();
        for _ in 0..200 {
            place.attempt("alice", "secret").ended(true);
        }
        let mut tried = 0;
        while place.wrong(&format!("user{}", tried % 50), &tried.to_string(), "192.0.2.1", NOW).is_ok() {
            tried += 1;
            if let Ok(Begun::Try(own)) = place.begin("alice", "secret", "192.0.2.1", NOW) {
                own.ended(true);
            }
        }
        assert_eq!(tried, NETWORK_FAILURES_MAX);
        assert_eq!(place.wrong("carol", "x", "192.0.2.7", NOW), Err(Locked::Network));
        assert_eq!(place.wrong("carol", "x", "192.0.3.7", NOW), Ok(true));
    }

    #[test]
    fn what_was_not_looked_at_counts_for_nothing_and_what_was_counts_whoever_leaves() {
        let place = Place::new();
        for n in 0..1000 {
            drop(place.attempt("alice", &n.to_string()));
        }
        for n in 0..9 {
            let asked = place.attempt("alice", &n.to_string());
            let hashed = Arc::clone(&asked);
            drop(asked);
            hashed.ended(false);
        }
        let (first, second) = (place.attempt("alice", "last"), place.attempt("alice", "last"));
        drop(first);
        assert_eq!(place.wrong("alice", "x", "192.0.2.1", NOW), Err(Locked::User), "somebody waits for the tenth still");
        drop(second);
        assert_eq!(place.wrong("alice", "x", "192.0.2.1", NOW), Ok(true), "nobody looked at it");
    }

    #[test]
    fn an_attempt_of_a_window_that_is_over_forgives_nothing_in_the_next() {
        let place = Place::new();
        let old: Vec<_> = (0..9).map(|n| place.attempt("alice", &format!("old {n}"))).collect();
        let later = NOW + WINDOW;
        for n in 0..10 {
            assert_eq!(place.wrong("alice", &n.to_string(), "192.0.2.1", later), Ok(true));
        }
        drop(old);
        assert_eq!(place.wrong("alice", "x", "192.0.2.1", later), Err(Locked::User));
    }

    #[test]
    fn slow_guessing_is_counted_within_its_window() {
        let place = Place::new();
        for minute in 0..60 {
            let now = NOW + Span::from_seconds(minute * 120);
            assert_eq!(place.wrong("alice", &minute.to_string(), "192.0.2.1", now), Ok(true), "five in ten minutes are few: {minute}");
        }
    }

    #[test]
    fn a_flood_of_names_passwords_and_networks_grows_no_further() {
        let place = Place::new();
        for n in 0..80_000_u32 {
            let [_, a, b, c] = n.to_be_bytes();
            let _ = place.wrong(&format!("user{n}"), &n.to_string(), &format!("{a}.{b}.{c}.1"), NOW);
        }
        let counts = place.lockout.0.counts();
        assert!(counts.users.len() <= 2 * COUNTED_MAX && counts.networks.len() <= 2 * COUNTED_MAX && counts.tried.len() <= 2 * WRONG_MAX);
        assert!(counts.tried.len() >= WRONG_MAX);
    }
}
