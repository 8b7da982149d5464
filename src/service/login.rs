//! Who brings a user name and a password: somebody of the rule's htpasswd file, or nobody.

use std::sync::Arc;
use std::time::Duration;

use super::authorize::No;
use super::site::Site;
use super::trace::Trace;
use crate::auth::htpasswd::{Entry, Htpasswd};
use crate::auth::lockout::{Attempt, Begun, Guess, Lock, Locked};
use crate::auth::pool::{Full, Outcome, Work};
use crate::config::{Mode, Rule};
use crate::domain::authorization::{Authorization, Login};
use crate::domain::moment::Moment;
use crate::domain::question::Question;
use crate::domain::refusal::Refusal;
use crate::proof::htpasswd::hash::Hash;

/// How long a login waits for its hash: less than the 15 seconds for which nginx waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A hash that costs less than such a part of another is not noticed beside it.
const NEXT_TO_NOTHING: u64 = 32;

/// The user whose login a question brings. A login that was right from its network before costs a look into memory. Any
/// other is refused unseen where too many were wrong, and else hashed once, on a thread of its own; a name that is unknown is
/// hashed as long.
pub(super) async fn login(site: &Site, rule: &Rule, question: &Question, now: Moment, trace: &mut Trace) -> Result<String, No> {
    let Some(Authorization::Basic(login)) = question.authorization.as_deref() else {
        trace.failed(|| "no user name and password were brought".to_owned());
        return Err(Refusal::NoProof.into());
    };
    let Some(file) = rule.htpasswd.as_deref().and_then(|path| site.logins.file(path)) else {
        trace.failed(|| "the rule has no htpasswd file".to_owned());
        return Err(Refusal::BadPassword.into());
    };
    let (desk, counters, client) = (&site.logins.desk, &site.metrics.logins, question.client.address);
    let htpasswd = file.current(now);
    let asked = Asked::of(&htpasswd, login);
    let path = file.path().as_os_str().as_encoded_bytes();
    // The same steps for a name that is unknown: a wrong login may be brought again often enough to measure every one.
    let dearest = htpasswd.decoy(&[]);
    let text = asked.entry().or(dearest).map_or("", Hash::text);
    let home = desk.secret.login_from(path, text, login, client);
    if desk.known.is_at_home(&home) && asked.entry().is_some() {
        counters.remembered.inc();
        trace.held(|| format!("the login of `{}` was right before", login.user));
        return Ok(login.user.clone());
    }
    let guess = Guess { file: path, generation: htpasswd.generation(), login, client };
    let lockout = if rule.mode == Mode::Observe { &desk.observed } else { &desk.lockout };
    let begun = lockout.begin(&desk.secret, &guess, now).map_err(|lock| {
        counters.locked_out.inc();
        trace.failed(|| words_of(lock));
        No { refusal: Refusal::LockedOut, until: Some(now + lock.lasts) }
    })?;
    let right = match begun {
        Begun::Wrong => {
            counters.repeated.inc();
            false
        }
        Begun::Try(attempt) => {
            let right = try_once(site, &htpasswd, asked.entry(), &guess, &attempt, trace).await?;
            attempt.ended(right);
            right
        }
    };
    if !right {
        trace.failed(|| asked.words(login, file.path()));
        return Err(Refusal::BadPassword.into());
    }
    desk.known.settle_in(home);
    trace.held(|| format!("the password of `{}` is right", login.user));
    Ok(login.user.clone())
}

/// Whether a login is right: known as such from elsewhere, or hashed, once for all who bring it meanwhile. A wrong password
/// of a name whose hash is cheap takes as long as a name that is unknown.
async fn try_once(
    site: &Site,
    htpasswd: &Htpasswd,
    own: Option<&Hash>,
    guess: &Guess<'_>,
    attempt: &Arc<Attempt>,
    trace: &mut Trace,
) -> Result<bool, Refusal> {
    let (desk, counters, password) = (&site.logins.desk, &site.metrics.logins, &guess.login.password);
    let own = own.filter(|hash| hash.takes(password));
    let tag = match own {
        Some(hash) => desk.secret.login(guess.file, hash.text(), guess.login),
        None => desk.secret.stranger(guess.file, guess.login),
    };
    if own.is_some() && desk.known.has(&tag) {
        counters.remembered.inc();
        return Ok(true);
    }
    let decoy = htpasswd.decoy(password);
    // What no line takes costs nobody a hash.
    let Some(hash) = own.or(decoy).cloned() else { return Ok(false) };
    if let Some(outcome) = desk.pool.joined(&tag) {
        counters.joined.inc();
        return wait(outcome, trace).await;
    }
    let besides = decoy.and_then(|decoy| makes_up(&hash, decoy));
    let (password, hashed, attempt) = (password.clone(), counters.hashed.clone(), Some(Arc::clone(attempt)));
    let work = Work { tag, hash, password, is_entry: own.is_some(), besides, hashed, attempt };
    let outcome = desk.pool.take(work).map_err(|Full| {
        counters.queue_full.inc();
        trace.failed(|| "too many passwords wait to be hashed".to_owned());
        Refusal::Overloaded
    })?;
    wait(outcome, trace).await
}

/// What takes about as long, together with `own`, as `dearest` alone: so that a wrong password of a name whose hash is cheaper
/// takes as long as a name that is unknown.
fn makes_up(own: &Hash, dearest: &Hash) -> Option<(Hash, u64)> {
    let (less, most) = (own.work().max(1), dearest.work());
    if less < most / NEXT_TO_NOTHING {
        Some((dearest.clone(), 1))
    } else if own.method() == dearest.method() {
        // Two costs of one method are told exactly: so many of the one are the other.
        Some((own.clone(), (most.saturating_add(less / 2) / less).saturating_sub(1))).filter(|(_, times)| *times > 0)
    } else {
        Some((dearest.clone(), 1)).filter(|_| less < most / 2)
    }
}

/// Waits for a hash, as long as it is worth it.
async fn wait(outcome: Outcome, trace: &mut Trace) -> Result<bool, Refusal> {
    if let Ok(Some(right)) = tokio::time::timeout(PATIENCE, outcome.known()).await {
        return Ok(right);
    }
    trace.failed(|| format!("the password was not hashed within {} seconds", PATIENCE.as_secs()));
    Err(Refusal::Overloaded)
}

/// What the file says of a name.
enum Asked<'a> {
    /// There is a line for it.
    Entry { hash: &'a Hash, line: usize },
    /// There is none that can be used.
    Stranger { faulty_line: Option<usize> },
}

impl<'a> Asked<'a> {
    fn of(htpasswd: &'a Htpasswd, login: &Login) -> Self {
        match htpasswd.entry(&login.user) {
            Some(Entry { hash: Some(hash), line }) => Self::Entry { hash, line: *line },
            Some(Entry { hash: None, line }) => Self::Stranger { faulty_line: Some(*line) },
            None => Self::Stranger { faulty_line: None },
        }
    }

    /// The hash that the name has.
    const fn entry(&self) -> Option<&'a Hash> {
        match self {
            Self::Entry { hash, .. } => Some(hash),
            Self::Stranger { .. } => None,
        }
    }

    /// Why a login of it is wrong. A name that is unknown may be a password that was typed in the wrong place, and is not
    /// said.
    fn words(&self, login: &Login, file: &std::path::Path) -> String {
        let (user, file) = (&login.user, file.display());
        match self {
            Self::Entry { hash, line } if !hash.takes(&login.password) => {
                format!("the password for `{user}` is longer than {} looks at ({file}:{line})", hash.method().word())
            }
            Self::Entry { line, .. } => format!("the password for `{user}` is wrong ({file}:{line})"),
            Self::Stranger { faulty_line: Some(line) } => format!("the line of `{user}` cannot be used ({file}:{line})"),
            Self::Stranger { faulty_line: None } => format!("the user name is not in {file}"),
        }
    }
}

fn words_of(Lock { what, lasts }: Lock) -> String {
    let seconds = lasts.seconds_up();
    match what {
        Locked::User => format!("too many wrong passwords for this name from this network: locked for {seconds} seconds more"),
        Locked::Network => format!("too many wrong logins from this network: locked for {seconds} seconds more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::htpasswd::make::{self, New};

    #[test]
    fn a_cheap_hash_is_made_up_to_the_dearest() {
        let bcrypt = |cost: u32| {
            let four = make::hash(New::Bcrypt(4), b"secret", [3; 16]).expect("a hash");
            Hash::parse(&four.replacen("$04$", &format!("${cost:02}$"), 1)).expect("it reads")
        };
        let sha = Hash::parse("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=").expect("it reads");
        let sha512 = |rounds: u32| Hash::parse(&format!("$6$rounds={rounds}$salt${}", "a".repeat(85) + ".")).expect("it reads");
        for (own, dearest, wanted) in [
            (bcrypt(10), bcrypt(10), None),
            (bcrypt(10), bcrypt(11), Some((10, 1))),
            (bcrypt(10), bcrypt(12), Some((10, 3))),
            (bcrypt(5), bcrypt(10), Some((5, 31))),
            (bcrypt(4), bcrypt(10), Some((10, 1))),
        ] {
            let wanted = wanted.map(|(cost, times)| (bcrypt(cost).text().to_owned(), times));
            assert_eq!(makes_up(&own, &dearest).map(|(hash, times)| (hash.text().to_owned(), times)), wanted, "{}", own.text());
        }
        for (own, dearest, times) in [
            (sha.clone(), sha.clone(), None),
            (sha, bcrypt(10), Some(1)),
            (sha512(5000), bcrypt(10), Some(1)),
            (sha512(100_000), bcrypt(10), None),
            (sha512(5000), sha512(50_000), Some(9)),
        ] {
            assert_eq!(makes_up(&own, &dearest).map(|(_, times)| times), times, "{} {}", own.text(), dearest.text());
        }
    }
}
