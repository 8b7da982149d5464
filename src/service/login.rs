//! Who brings a user name and a password: somebody of the rule's htpasswd file, or nobody.

use std::time::Duration;

use super::authorize::No;
use super::site::Site;
use super::trace::Trace;
use crate::auth::htpasswd::Htpasswd;
use crate::auth::lockout::{Lock, Locked};
use crate::auth::pool::{Outcome, Work};
use crate::config::{Mode, Rule};
use crate::domain::authorization::{Authorization, Login};
use crate::domain::moment::Moment;
use crate::domain::question::Question;
use crate::domain::refusal::Refusal;
use crate::proof::htpasswd::hash::Hash;

/// How long a login waits for its hash: less than the 15 seconds for which nginx waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The user whose login a question brings. A login that was right before costs a look into memory. Any other is refused
/// unseen where too many were wrong, and else hashed once, on a thread of its own; a name that is unknown is hashed as long.
pub(super) async fn login(site: &Site, rule: &Rule, question: &Question, now: Moment, trace: &mut Trace) -> Result<String, No> {
    let Some(Authorization::Basic(login)) = question.authorization.as_deref() else {
        trace.failed(|| "no user name and password were brought".to_owned());
        return Err(Refusal::NoProof.into());
    };
    let Some(file) = rule.htpasswd.as_deref().and_then(|path| site.logins.file(path)) else {
        trace.failed(|| "the rule has no htpasswd file".to_owned());
        return Err(Refusal::BadPassword.into());
    };
    let (desk, counters) = (&site.logins.desk, &site.metrics.logins);
    let htpasswd = file.current(now);
    let asked = Asked::of(&htpasswd, login);
    let tag = match &asked {
        Asked::Entry { hash, .. } => desk.secret.login(hash.text(), &login.user, &login.password),
        Asked::Stranger { .. } => desk.secret.stranger(&login.user, &login.password),
    };
    if asked.is_entry() && desk.known.has(&tag) {
        counters.remembered.inc();
        trace.held(|| format!("the login of `{}` was right before", login.user));
        return Ok(login.user.clone());
    }
    let right = if let Some(outcome) = desk.pool.joined(&tag) {
        counters.joined.inc();
        wait(outcome, trace).await?
    } else {
        let entry = [file.path().as_os_str().as_encoded_bytes(), asked.entry_text().as_bytes()];
        let lockout = if rule.mode == Mode::Observe { &desk.observed } else { &desk.lockout };
        let attempt = lockout.begin(&desk.secret, entry, &login.user, question.client.address, now).map_err(|lock| {
            counters.locked_out.inc();
            trace.failed(|| words_of(lock));
            No { refusal: Refusal::LockedOut, until: Some(now + lock.lasts) }
        })?;
        let hash = asked.hash().filter(|hash| hash.takes(&login.password));
        let right = match hash {
            // Too long for the line, or there is no line at all: nothing to be hashed, for anybody.
            None => false,
            Some(hash) => {
                let password = login.password.clone();
                let work = Work { tag, hash: hash.clone(), password, is_entry: asked.is_entry(), hashed: counters.hashed.clone() };
                let waited = if let Ok(outcome) = desk.pool.take(work) {
                    wait(outcome, trace).await
                } else {
                    counters.queue_full.inc();
                    trace.failed(|| "too many passwords wait to be hashed".to_owned());
                    Err(Refusal::Overloaded)
                };
                waited.inspect_err(|_| lockout.was_nothing(attempt))?
            }
        };
        if right {
            lockout.was_right(attempt);
        }
        right
    };
    if right {
        trace.held(|| format!("the password of `{}` is right", login.user));
        Ok(login.user.clone())
    } else {
        spend_as_much(site, &htpasswd, &asked, login).await;
        trace.failed(|| asked.words(login, file.path()));
        Err(Refusal::BadPassword.into())
    }
}

/// Takes as long over a wrong password of a name whose hash is cheap as over a name that is unknown.
async fn spend_as_much(site: &Site, htpasswd: &Htpasswd, asked: &Asked<'_>, login: &Login) {
    let (desk, counters) = (&site.logins.desk, &site.metrics.logins);
    let is_cheap = |dearest: &&Hash| asked.is_entry() && asked.hash().is_some_and(|hash| hash.work().saturating_mul(2) < dearest.work());
    let Some(hash) = htpasswd.decoy().filter(is_cheap).filter(|dearest| dearest.takes(&login.password)) else { return };
    let tag = desk.secret.stranger(&login.user, &login.password);
    let work = Work { tag, hash: hash.clone(), password: login.password.clone(), is_entry: false, hashed: counters.hashed.clone() };
    if let Some(outcome) = desk.pool.joined(&tag).or_else(|| desk.pool.take(work).ok()) {
        // What it comes to is nothing to anybody.
        let _ = tokio::time::timeout(PATIENCE, outcome.known()).await;
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
    /// There is none that can be used; this hash is computed all the same.
    Stranger { decoy: Option<&'a Hash>, faulty_line: Option<usize> },
}

impl<'a> Asked<'a> {
    fn of(htpasswd: &'a Htpasswd, login: &Login) -> Self {
        match htpasswd.entry(&login.user) {
            Some(entry) => match &entry.hash {
                Some(hash) => Self::Entry { hash, line: entry.line },
                None => Self::Stranger { decoy: htpasswd.decoy(), faulty_line: Some(entry.line) },
            },
            None => Self::Stranger { decoy: htpasswd.decoy(), faulty_line: None },
        }
    }

    const fn is_entry(&self) -> bool {
        matches!(self, Self::Entry { .. })
    }

    /// The text of the hash that the name has.
    fn entry_text(&self) -> &'a str {
        match self {
            Self::Entry { hash, .. } => hash.text(),
            Self::Stranger { .. } => "",
        }
    }

    const fn hash(&self) -> Option<&'a Hash> {
        match self {
            Self::Entry { hash, .. } => Some(hash),
            Self::Stranger { decoy, .. } => *decoy,
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
            Self::Stranger { faulty_line: Some(line), .. } => format!("the line of `{user}` cannot be used ({file}:{line})"),
            Self::Stranger { faulty_line: None, .. } => format!("the user name is not in {file}"),
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
