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

/// No leave to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// What is locked.
    pub what: Locked,
    /// How long still: where both are, the longer.
    pub lasts: Span,
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
    pub fn begin(&self, secret: &Secret, guess: &Guess<'_>, now: Moment) -> Result<Begun, Lock> {
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
        let of_user = users.touch(&name).and_then(|count| count.locked(now, USER_FAILURES_MAX));
        let of_network = networks.touch(&network).and_then(|count| count.locked(now, NETWORK_FAILURES_MAX));
        let locks = [(Locked::User, of_user), (Locked::Network, of_network)];
        let locks = locks.into_iter().filter_map(|(what, lasts)| Some(Lock { what, lasts: lasts? }));
        if let Some(longest) = locks.max_by_key(|lock| lock.lasts) {
            return Err(longest);
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
mod tests;
