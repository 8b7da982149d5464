//! Who guesses passwords is refused for a while, before anything is hashed.
//!
//! Wrong logins are counted by name and network, and by network. An attempt counts as wrong from its beginning until it is
//! known to be right, so that many at once are no way round the bounds.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::known::{Secret, Tag};
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

    /// How long it is still locked, if it is.
    fn locked(&mut self, now: Moment, most: u32) -> Option<Span> {
        // A clock that was set back ends a window, too, and a lock.
        let is_over = self.locked_until <= now || self.locked_until > now + LOCK;
        if is_over && (now.since(self.since) >= WINDOW || now < self.since) {
            *self = Self::new(now);
        }
        (self.failures >= most).then(|| self.locked_until.since(now))
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
pub struct Lockout {
    counts: Mutex<Counts>,
}

struct Counts {
    users: Recent<Tag, Count>,
    networks: Recent<Tag, Count>,
}

impl Default for Lockout {
    fn default() -> Self {
        let counts = Counts { users: Recent::new(COUNTED_MAX), networks: Recent::new(COUNTED_MAX) };
        Self { counts: Mutex::new(counts) }
    }
}

/// What is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// The name, for this network.
    User,
    /// The network, whatever the name.
    Network,
}

/// No leave to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// What is locked.
    pub what: Locked,
    /// How long still: where both are, the longer.
    pub lasts: Span,
}

/// Leave to try a login once. Unless it is told that the login was right, or was not looked at, it stays counted as wrong.
#[must_use]
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    user: Tag,
    network: Tag,
}

impl Lockout {
    /// Leave to try, or what is locked. `entry` is what the name stands in: its file, and its hash if it has one, so that
    /// a new password begins anew.
    pub fn begin(&self, secret: &Secret, entry: [&[u8]; 2], user: &str, client: IpAddr, now: Moment) -> Result<Attempt, Lock> {
        let network = network_of(client).to_string();
        let [file, hash] = entry;
        let attempt = Attempt {
            user: secret.place(&[file, hash, user.as_bytes(), network.as_bytes()]),
            network: secret.place(&[network.as_bytes()]),
        };
        let Counts { users, networks } = &mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = users.touch(&attempt.user).and_then(|count| count.locked(now, USER_FAILURES_MAX));
        let of_network = networks.touch(&attempt.network).and_then(|count| count.locked(now, NETWORK_FAILURES_MAX));
        let locks = [(Locked::User, of_user), (Locked::Network, of_network)];
        let locks = locks.into_iter().filter_map(|(what, lasts)| Some(Lock { what, lasts: lasts? }));
        if let Some(longest) = locks.max_by_key(|lock| lock.lasts) {
            return Err(longest);
        }
        for (counts, tag, most) in [(networks, attempt.network, NETWORK_FAILURES_MAX), (users, attempt.user, USER_FAILURES_MAX)] {
            if let Some(count) = counts.touch(&tag) {
                count.begin(now, most);
            } else {
                let mut count = Count::new(now);
                count.begin(now, most);
                counts.keep(tag, count);
            }
        }
        Ok(attempt)
    }

    /// The login was right: its name begins anew. The network keeps what else it did, or a guesser with a login of his own
    /// would never be counted.
    pub fn was_right(&self, attempt: Attempt) {
        let Counts { users, networks } = &mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = users.touch(&attempt.user) {
            *count = Count::new(count.since);
        }
        if let Some(count) = networks.touch(&attempt.network) {
            count.forgive(NETWORK_FAILURES_MAX);
        }
    }

    /// The login was not looked at.
    pub fn was_nothing(&self, attempt: Attempt) {
        let Counts { users, networks } = &mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (counts, tag, most) in [(networks, attempt.network, NETWORK_FAILURES_MAX), (users, attempt.user, USER_FAILURES_MAX)] {
            if let Some(count) = counts.touch(&tag) {
                count.forgive(most);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_seconds(1_900_000_000);

    struct Place {
        lockout: Lockout,
        secret: Secret,
    }

    impl Place {
        fn new() -> Self {
            Self { lockout: Lockout::default(), secret: Secret::new([1; 32]) }
        }

        fn begin(&self, user: &str, client: [u8; 4], now: Moment) -> Result<Attempt, Lock> {
            self.lockout.begin(&self.secret, [b"file", b"hash"], user, IpAddr::from(client), now)
        }
    }

    #[test]
    fn the_tenth_wrong_password_locks_a_name_for_its_network_only() {
        let place = Place::new();
        for n in 0..10 {
            assert!(place.begin("alice", [192, 0, 2, n], NOW).is_ok(), "{n}");
        }
        assert_eq!(place.begin("alice", [192, 0, 2, 99], NOW).err().map(|lock| lock.what), Some(Locked::User));
        assert!(place.begin("bob", [192, 0, 2, 1], NOW).is_ok(), "another name");
        assert!(place.begin("alice", [192, 0, 3, 1], NOW).is_ok(), "another network");
        let almost = NOW + Span::from_seconds(599);
        assert_eq!(place.begin("alice", [192, 0, 2, 1], almost).err().map(|lock| lock.what), Some(Locked::User));
        assert!(place.begin("alice", [192, 0, 2, 1], NOW + Span::from_seconds(600)).is_ok(), "its time is over");
    }

    #[test]
    fn a_lock_tells_how_long_it_still_lasts_and_of_two_the_longer() {
        let place = Place::new();
        let later = |seconds: u64| NOW + Span::from_seconds(seconds);
        let lasts = |user: &str, now: Moment| place.begin(user, [192, 0, 2, 1], now).expect_err("locked");
        for _ in 0..USER_FAILURES_MAX {
            assert!(place.begin("alice", [192, 0, 2, 1], NOW).is_ok());
        }
        assert_eq!(lasts("alice", NOW), Lock { what: Locked::User, lasts: LOCK });
        assert_eq!(lasts("alice", later(200)), Lock { what: Locked::User, lasts: Span::from_seconds(400) });
        // The network is locked a minute later, and bob a minute before it.
        for _ in 0..USER_FAILURES_MAX {
            assert!(place.begin("bob", [192, 0, 2, 1], later(60)).is_ok());
        }
        for n in 2 * USER_FAILURES_MAX..NETWORK_FAILURES_MAX {
            assert!(place.begin(&format!("user{n}"), [192, 0, 2, 1], later(120)).is_ok(), "{n}");
        }
        for user in ["alice", "bob", "nobody"] {
            assert_eq!(lasts(user, later(220)), Lock { what: Locked::Network, lasts: Span::from_seconds(500) }, "{user}");
        }
    }

    #[test]
    fn right_logins_begin_anew_and_are_no_way_for_a_network_to_guess_on() {
        let place = Place::new();
        for _ in 0..200 {
            let attempt = place.begin("alice", [192, 0, 2, 1], NOW).expect("right ones never lock");
            place.lockout.was_right(attempt);
        }
        let mut tried = 0;
        while place.begin(&format!("user{}", tried % 50), [192, 0, 2, 1], NOW).is_ok() {
            tried += 1;
            if let Ok(own) = place.begin("alice", [192, 0, 2, 1], NOW) {
                place.lockout.was_right(own);
            }
        }
        assert_eq!(tried, NETWORK_FAILURES_MAX);
        assert_eq!(place.begin("carol", [192, 0, 2, 7], NOW).err().map(|lock| lock.what), Some(Locked::Network));
        assert!(place.begin("carol", [192, 0, 3, 7], NOW).is_ok());
    }

    #[test]
    fn what_was_not_looked_at_counts_for_nothing() {
        let place = Place::new();
        for _ in 0..1000 {
            let attempt = place.begin("alice", [192, 0, 2, 1], NOW).expect("nothing was tried");
            place.lockout.was_nothing(attempt);
        }
        assert!(place.begin("alice", [192, 0, 2, 1], NOW).is_ok());
    }

    #[test]
    fn slow_guessing_is_counted_within_its_window() {
        let place = Place::new();
        for minute in 0..60 {
            let now = NOW + Span::from_seconds(minute * 120);
            assert!(place.begin("alice", [192, 0, 2, 1], now).is_ok(), "five in ten minutes are few: {minute}");
        }
    }

    #[test]
    fn a_flood_of_names_and_networks_grows_no_further() {
        let place = Place::new();
        for n in 0..200_000_u32 {
            let [_, a, b, c] = n.to_be_bytes();
            let _ = place.begin(&format!("user{n}"), [a, b, c, 1], NOW);
        }
        let counts = place.lockout.counts.lock().expect("unpoisoned");
        assert!(counts.users.len() <= 2 * COUNTED_MAX && counts.networks.len() <= 2 * COUNTED_MAX);
    }
}
