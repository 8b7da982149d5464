//! Guessing, step by step.

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

    fn begin_at(&self, generation: [u8; 32], user: &str, password: &str, client: &str, now: Moment) -> Result<Begun, Lock> {
        let login = Login { user: user.to_owned(), password: Zeroizing::new(password.into()) };
        let client = client.parse().expect("an address");
        self.lockout.begin(&self.secret, &Guess { file: b"file", generation: &generation, login: &login, client }, now)
    }

    fn begin(&self, user: &str, password: &str, client: &str, now: Moment) -> Result<Begun, Lock> {
        self.begin_at(GENERATION, user, password, client, now)
    }

    /// A login that is looked at, and wrong. Whether it was new.
    fn wrong(&self, user: &str, password: &str, client: &str, now: Moment) -> Result<bool, Locked> {
        self.begin(user, password, client, now).map_err(|lock| lock.what).map(|begun| match begun {
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
fn a_lock_tells_how_long_it_still_lasts_and_of_two_the_longer() {
    let place = Place::new();
    let later = |seconds: u64| NOW + Span::from_seconds(seconds);
    let lasts = |user: &str, now: Moment| match place.begin(user, "another", "192.0.2.1", now) {
        Err(lock) => lock,
        Ok(_) => panic!("{user} is not locked out"),
    };
    let wrong = |user: &str, n: u32, now: Moment| assert_eq!(place.wrong(user, &n.to_string(), "192.0.2.1", now), Ok(true));
    for n in 0..USER_FAILURES_MAX {
        wrong("alice", n, NOW);
    }
    assert_eq!(lasts("alice", NOW), Lock { what: Locked::User, lasts: LOCK });
    assert_eq!(lasts("alice", later(200)), Lock { what: Locked::User, lasts: Span::from_seconds(400) });
    // The network is locked a minute later, and bob a minute before it.
    for n in 0..USER_FAILURES_MAX {
        wrong("bob", n, later(60));
    }
    for n in 2 * USER_FAILURES_MAX..NETWORK_FAILURES_MAX {
        wrong(&format!("user{n}"), n, later(120));
    }
    for user in ["alice", "bob", "nobody"] {
        assert_eq!(lasts(user, later(220)), Lock { what: Locked::Network, lasts: Span::from_seconds(500) }, "{user}");
    }
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
