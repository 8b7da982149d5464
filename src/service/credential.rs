//! Directory credentials: given with a grant, replaced, withdrawn. The row is durable first, then the web server's htpasswd
//! file says it, then it is told.

use std::fmt;

use super::copies;
use super::htpasswd;
use super::site::Site;
use crate::clock;
use crate::config::{Credentials, Directory};
use crate::domain::credential::{DirectoryCredential, Holder, Sharing, State, UserName};
use crate::domain::id::GrantId;
use crate::domain::moment::{Moment, Span};
use crate::domain::placed::DirectoryName;
use crate::proof::directory_password::DirectoryPassword;
use crate::proof::htpasswd::hash::Hash;
use crate::proof::key::{KeyRing, Purpose, SigningKey};
use crate::public::NotWritten;
use crate::random;
use crate::store::Down;

/// More users of one directory are not made: nginx and Apache read all their lines at each request, and with 10,000 they
/// answer a third or a fifth as many a second as with one.
pub const USERS_MAX: usize = 50_000;

/// A user name that was used before is drawn again: of 2^40 that is seldom, and twice in a row never.
const TRIES: usize = 8;

/// So many are replaced in one step of the store, so that decisions of others come in between.
const STEP: usize = 32;

/// A user name and its password, for whom they are told.
#[derive(Debug)]
pub struct Given {
    /// The user name, and until when it opens.
    pub credential: DirectoryCredential,
    /// The password.
    pub password: DirectoryPassword,
    /// Why the web server does not know them yet, if it does not.
    pub pending: Option<NotWritten>,
}

/// What was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// How many have another one in their place.
    pub replaced: usize,
    /// How many there are now that are to be told.
    pub made: usize,
    /// Until when those that were replaced still open, at the longest.
    pub until: Moment,
}

/// Why nothing was given, or replaced.
#[derive(Debug)]
pub enum NotGiven {
    /// No `[[directory]]` of this name has credentials.
    NoDirectory(DirectoryName),
    /// No key signs.
    NoKey,
    /// What it would be for is over.
    Over,
    /// There are too many.
    Full(DirectoryName),
    /// The htpasswd file does not say it; it is written as soon as it can be.
    File(NotWritten),
    /// The store does not answer.
    Down(Down),
}

impl fmt::Display for NotGiven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDirectory(name) => {
                write!(f, "there is no [[directory]] `{name}` with a key `htpasswd`, which says where its users stand")
            }
            Self::NoKey => f.write_str("no [[key]] has use = \"sign\": make one with `cloakroom key new`"),
            Self::Over => f.write_str("what the user name would be for is over"),
            Self::Full(name) => write!(f, "the directory `{name}` has {USERS_MAX} users, and a web server reads them all at each request"),
            Self::File(fault) => write!(f, "{fault}; it is tried again"),
            Self::Down(down) => write!(f, "{down}"),
        }
    }
}

impl From<Down> for NotGiven {
    fn from(down: Down) -> Self {
        Self::Down(down)
    }
}

impl From<NotWritten> for NotGiven {
    fn from(fault: NotWritten) -> Self {
        Self::File(fault)
    }
}

/// Gives the customer of `grant` what opens `directory`: the user name of the grant, or that of the directory where it is
/// shared. Asked again it gives the same, and that of the grant opens until `until` from then on. A htpasswd file that cannot
/// be written is told with it, and is written as soon as it can be.
pub async fn give(site: &Site, grant: GrantId, directory: &DirectoryName, until: Option<Moment>, author: &str) -> Result<Given, NotGiven> {
    let (entry, rules) = entry(site, directory)?;
    let waking = htpasswd::waking(site);
    let alone = site.htpasswds.deciding.lock().await;
    let now = clock::now();
    let (holder, until) = match rules.sharing {
        Sharing::Grant => (Holder::Grant(grant), until),
        Sharing::Shared => (Holder::Everybody, None),
    };
    if until.is_some_and(|until| until <= now) {
        return Err(NotGiven::Over);
    }
    let known = match holder {
        Holder::Grant(grant) => site.store.credentials_of(grant, now).await?,
        Holder::Everybody => site.store.credentials(directory.clone(), now).await?,
    };
    let is_current =
        |known: &DirectoryCredential| known.holder == holder && known.directory == *directory && known.state(now) == State::Current;
    let current: Vec<DirectoryCredential> = known.into_iter().filter(is_current).collect();
    let given = match current.iter().find(|known| password(site, known).is_ok()) {
        Some(known) if known.ends == until => known.clone(),
        Some(known) => {
            let longer = known.lasting(until);
            site.store.put_credentials(Vec::new(), vec![longer.clone()]).await?;
            longer
        }
        None => {
            let old = current.iter().map(|old| old.replaced(now, rules.overlap)).collect();
            add(site, entry, (holder, until), old, author, now).await?
        }
    };
    drop(alone);
    let pending = match htpasswd::write(site, entry).await {
        Ok(()) => None,
        Err(NotGiven::File(fault)) => Some(fault),
        Err(other) => return Err(other),
    };
    drop(waking);
    let password = password(site, &given).map_err(|_| NotGiven::NoKey)?;
    Ok(Given { credential: given, password, pending })
}

/// When the htpasswd file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// Before it is told.
    Now,
    /// Soon, and once for all who ask meanwhile.
    Soon,
}

/// Gives the customers of these grants what opens `directory` until the moment beside each, where that has a user name for each
/// of them. What ended with its grant opens again, with the password that they know; where there is none, or its key is gone,
/// another one is made. Tells who has another one. A htpasswd file that cannot be written was said, and is tried again.
pub(super) async fn let_in(
    site: &Site,
    directory: &DirectoryName,
    grants: &[(GrantId, Option<Moment>)],
    author: &str,
    writing: Writing,
) -> Result<Vec<GrantId>, NotGiven> {
    let (entry, rules) = entry(site, directory)?;
    if rules.sharing == Sharing::Shared {
        return Ok(Vec::new());
    }
    let waking = htpasswd::waking(site);
    let alone = site.htpasswds.deciding.lock().await;
    let now = clock::now();
    let (mut changed, mut again, mut new) = (Vec::new(), 0, Vec::new());
    for (grant, until) in grants.iter().filter(|(_, until)| until.is_none_or(|until| now < until)) {
        // To hash takes a while, and this thread answers others too.
        tokio::task::yield_now().await;
        // Those that have ended, too.
        let known = site.store.credentials_of(*grant, Moment::EPOCH).await?;
        let of_here: Vec<&DirectoryCredential> = known.iter().filter(|known| known.directory == *directory).collect();
        let current: Vec<&DirectoryCredential> = of_here.iter().copied().filter(|known| known.state(now) == State::Current).collect();
        if current.iter().any(|known| password(site, known).is_ok()) {
            continue;
        }
        // What another one took the place of stays ended: somebody wanted that.
        let last = of_here.last().filter(|last| last.replaced.is_none()).map(|last| last.lasting(*until));
        if let Some(last) = last.filter(|last| password(site, last).is_ok()) {
            tracing::info!(event = "credential_again", %directory, user = %last.user, %grant, author);
            changed.push(last);
            again += 1;
        } else {
            changed.extend(current.into_iter().map(|old| old.replaced(now, rules.overlap)));
            new.push((*grant, *until));
        }
    }
    if changed.is_empty() && new.is_empty() {
        return Ok(Vec::new());
    }
    if site.htpasswds.users(directory) + again + new.len() > USERS_MAX {
        return Err(NotGiven::Full(directory.clone()));
    }
    site.store.put_credentials(Vec::new(), changed).await?;
    for step in new.chunks(STEP) {
        tokio::task::yield_now().await;
        let wanted = step.iter().map(|(grant, until)| (Holder::Grant(*grant), *until)).collect();
        for made in put(site, entry, wanted, Vec::new(), author, now).await? {
            tell_made(&made, author);
        }
    }
    drop(alone);
    match writing {
        Writing::Now => match htpasswd::write(site, entry).await {
            Ok(()) | Err(NotGiven::File(_)) => {}
            Err(other) => return Err(other),
        },
        Writing::Soon => htpasswd::write_soon(site, entry),
    }
    drop(waking);
    Ok(new.into_iter().map(|(grant, _)| grant).collect())
}

/// What opens `directory` for the customer of `grant` now, if anything does.
pub(super) async fn known(site: &Site, grant: GrantId, directory: &DirectoryName) -> Result<Option<(UserName, DirectoryPassword)>, Down> {
    let Ok((_, rules)) = entry(site, directory) else { return Ok(None) };
    let now = clock::now();
    let known = match rules.sharing {
        Sharing::Grant => site.store.credentials_of(grant, now).await?,
        Sharing::Shared => site.store.credentials(directory.clone(), now).await?,
    };
    let is_told = |known: &&DirectoryCredential| {
        let is_for_them = (known.holder == Holder::Everybody) == (rules.sharing == Sharing::Shared);
        is_for_them && known.directory == *directory && known.state(now) == State::Current
    };
    Ok(known.iter().filter(is_told).find_map(|known| Some((known.user, password(site, known).ok()?))))
}

/// What `grant` gave opens until `until` from now on; nothing any more, if that is over. What is shared is not a grant's.
pub async fn last(site: &Site, grant: GrantId, until: Option<Moment>) -> Result<(), NotGiven> {
    let rule = |known: &DirectoryCredential, now: Moment| match until {
        Some(until) if until <= now => known.ended(now),
        until => known.lasting(until),
    };
    change(site, &[grant], Whose::All, rule).await
}

/// What these grants gave opens nothing from now on: when this comes back, the web server has been told. Those that have a
/// copy that is there or is being made keep it: somebody made them good again.
pub async fn withdraw(site: &Site, grants: &[GrantId]) -> Result<(), NotGiven> {
    change(site, grants, Whose::WithoutCopy, DirectoryCredential::ended).await
}

/// Which of some grants are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// All of them.
    All,
    /// Those without a copy that is there or is being made.
    WithoutCopy,
}

/// Changes what those of these grants gave that are meant.
async fn change(
    site: &Site,
    grants: &[GrantId],
    whose: Whose,
    rule: impl Fn(&DirectoryCredential, Moment) -> DirectoryCredential,
) -> Result<(), NotGiven> {
    if grants.is_empty() || site.configuration.directories.iter().all(|entry| entry.credentials.is_none()) {
        return Ok(());
    }
    let waking = htpasswd::waking(site);
    let alone = site.htpasswds.deciding.lock().await;
    let now = clock::now();
    let mut changed = Vec::new();
    for grant in grants {
        let known = site.store.credentials_of(*grant, now).await?;
        if !known.is_empty() && (whose == Whose::All || copies::current(&*site.store, *grant).await?.is_none()) {
            changed.extend(known.iter().map(|known| (known, rule(known, now))).filter(|(known, new)| *known != new).map(|(_, new)| new));
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    let mut directories: Vec<DirectoryName> = changed.iter().map(|new| new.directory.clone()).collect();
    directories.sort_unstable();
    directories.dedup();
    site.store.put_credentials(Vec::new(), changed).await?;
    drop(alone);
    let mut done = Ok(());
    for directory in directories {
        // Of what is not configured any more nobody is asked.
        if let Ok((entry, _)) = entry(site, &directory) {
            // Each is written, whatever became of the one before.
            done = done.and(htpasswd::write(site, entry).await);
        }
    }
    drop(waking);
    done
}

/// Replaces what is to be told in `directory`: a new user name and password for each that has one, or for the directory
/// where it is shared. Those before open for `overlap` more, or as the configuration says.
pub async fn rotate(site: &Site, directory: &DirectoryName, overlap: Option<Span>, author: &str) -> Result<Rotated, NotGiven> {
    let (entry, rules) = entry(site, directory)?;
    let waking = htpasswd::waking(site);
    let alone = site.htpasswds.deciding.lock().await;
    let now = clock::now();
    let overlap = overlap.unwrap_or(rules.overlap);
    let known = site.store.credentials(directory.clone(), now).await?;
    if known.len() + known.iter().filter(|known| known.state(now) == State::Current).count() > USERS_MAX {
        return Err(NotGiven::Full(directory.clone()));
    }
    // What others than these hold is left from another time of the configuration, and is not made anew.
    let fits = |known: &&DirectoryCredential| match rules.sharing {
        Sharing::Grant => known.holder != Holder::Everybody,
        Sharing::Shared => known.holder == Holder::Everybody,
    };
    let current: Vec<DirectoryCredential> = known.iter().filter(|known| known.state(now) == State::Current).filter(fits).cloned().collect();
    let mut done = Rotated { replaced: 0, made: 0, until: now + overlap };
    for step in current.chunks(STEP) {
        // To hash takes a while, and this thread answers others too.
        tokio::task::yield_now().await;
        let wanted = step.iter().map(|old| (old.holder, old.ends)).collect();
        let old = step.iter().map(|old| old.replaced(now, overlap)).collect();
        done.made += put(site, entry, wanted, old, author, now).await?.len();
        done.replaced += step.len();
    }
    if current.is_empty() && rules.sharing == Sharing::Shared {
        add(site, entry, (Holder::Everybody, None), Vec::new(), author, now).await?;
        done.made = 1;
    }
    drop(alone);
    let Rotated { replaced, made, until } = done;
    tracing::info!(event = "credentials_rotated", directory = %directory, replaced, made, old_ones_until = %until, author);
    htpasswd::write(site, entry).await?;
    drop(waking);
    Ok(done)
}

/// The directory of this name with its rules, if it has users.
pub(super) fn entry<'a>(site: &'a Site, directory: &DirectoryName) -> Result<(&'a Directory, &'a Credentials), NotGiven> {
    let entry = site.configuration.directory(directory);
    let found = entry.and_then(|entry| Some((entry, entry.credentials.as_ref()?)));
    found.ok_or_else(|| NotGiven::NoDirectory(directory.clone()))
}

/// Whether the key of a password is there and may be used: what a retired key made opens nothing.
pub(super) fn opens(keys: &KeyRing, credential: &DirectoryCredential) -> bool {
    matches!(keys.find(&credential.kid), Some((_, Purpose::Sign | Purpose::Accept)))
}

/// Why a password cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untold {
    /// The user name opens nothing any more.
    Ended,
    /// The key is not there, or retired.
    KeyGone,
    /// The key, or the name of the site, is another than when it was made.
    Other,
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "it opens nothing any more",
            Self::KeyGone => "its key is retired or not there any more: it opens nothing; `cloakroom credential rotate` makes another",
            Self::Other => "its key or the name of the site is another than when it was made: `cloakroom credential rotate` makes another",
        })
    }
}

/// The password of `credential`, where it can be told.
pub fn password(site: &Site, credential: &DirectoryCredential) -> Result<DirectoryPassword, Untold> {
    if credential.state(clock::now()) == State::Ended {
        return Err(Untold::Ended);
    }
    let (key, _) = site.keys.find(&credential.kid).filter(|_| opens(&site.keys, credential)).ok_or(Untold::KeyGone)?;
    let password = DirectoryPassword::of(site.name(), &credential.directory, credential.user, key);
    // What does not open is not told.
    let holds = Hash::parse(&credential.hash).is_ok_and(|hash| hash.holds(password.reveal().as_bytes()));
    if holds { Ok(password) } else { Err(Untold::Other) }
}

/// Makes one for a holder until a moment, and remembers what is `changed` of others. Whoever calls holds off others.
pub(super) async fn add(
    site: &Site,
    entry: &Directory,
    wanted: (Holder, Option<Moment>),
    changed: Vec<DirectoryCredential>,
    author: &str,
    now: Moment,
) -> Result<DirectoryCredential, NotGiven> {
    if wanted.0 != Holder::Everybody && site.htpasswds.users(&entry.name) >= USERS_MAX {
        return Err(NotGiven::Full(entry.name.clone()));
    }
    let made = put(site, entry, vec![wanted], changed, author, now).await?;
    let made = made.into_iter().next().ok_or(NotGiven::Down(Down::Unreachable))?;
    tell_made(&made, author);
    Ok(made)
}

fn tell_made(made: &DirectoryCredential, author: &str) {
    let grant = match made.holder {
        Holder::Grant(grant) => Some(tracing::field::display(grant)),
        Holder::Everybody => None,
    };
    tracing::info!(event = "credential_made", directory = %made.directory, user = %made.user, grant, author);
}

/// Makes one for each of `wanted`, and remembers them with what is `changed` of others in one step.
async fn put(
    site: &Site,
    entry: &Directory,
    wanted: Vec<(Holder, Option<Moment>)>,
    changed: Vec<DirectoryCredential>,
    author: &str,
    now: Moment,
) -> Result<Vec<DirectoryCredential>, NotGiven> {
    let key = site.keys.signing().ok_or(NotGiven::NoKey)?;
    for _ in 0..TRIES {
        let drawn: Vec<DirectoryCredential> = wanted.iter().map(|wanted| draw(site, key, entry, *wanted, author, now)).collect();
        if site.store.put_credentials(drawn.clone(), changed.clone()).await? {
            return Ok(drawn);
        }
    }
    Err(NotGiven::Down(Down::Unreachable))
}

/// A new user name with the hash of its password.
fn draw(
    site: &Site,
    key: &SigningKey,
    entry: &Directory,
    (holder, ends): (Holder, Option<Moment>),
    author: &str,
    now: Moment,
) -> DirectoryCredential {
    let user = UserName::new(random::bytes());
    let hash = DirectoryPassword::of(site.name(), &entry.name, user, key).hash(random::bytes());
    DirectoryCredential {
        user,
        directory: entry.name.clone(),
        holder,
        begins: now,
        ends,
        replaced: None,
        kid: key.id().to_owned(),
        hash,
        author: author.to_owned(),
    }
}
