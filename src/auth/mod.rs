//! Who somebody is: htpasswd files, the logins that were right before, the threads that hash, and the lock-out of those
//! who guess.
//!
//! [`htpasswd`] is a file as read, [`followed`] the one that is read again when it changes. [`known`] remembers right
//! logins, so that a dear hash is paid for once; [`pool`] hashes on threads of its own; [`lockout`] counts wrong ones, and
//! remembers each, so that it is paid for and counted once.
//! [`replace`] writes a file anew.

pub mod counters;
pub mod followed;
pub mod htpasswd;
pub mod known;
pub mod lockout;
pub mod pool;
pub mod replace;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::followed::Followed;
use self::htpasswd::Unreadable;
use self::known::{Known, Secret};
use self::lockout::Lockout;
use self::pool::Pool;
use crate::domain::moment::Moment;

/// Everything that logins are checked with.
pub struct Logins {
    files: BTreeMap<PathBuf, Followed>,
    /// What outlives the files: keys, memory, threads.
    pub desk: Arc<Desk>,
}

/// What all files share.
pub struct Desk {
    /// Keys of this process, which nobody else knows.
    pub secret: Secret,
    /// The logins that were right.
    pub known: Arc<Known>,
    /// Who guesses.
    pub lockout: Lockout,
    /// The same where a rule only observes: what is let through anyhow locks nobody out of what is enforced.
    pub observed: Lockout,
    /// Who brings keys of the API that open nothing.
    pub api_keys: Lockout,
    /// The threads that hash.
    pub pool: Pool,
}

impl Desk {
    /// An empty one, with `random` for its secret.
    pub fn new(random: [u8; 32]) -> Self {
        let known = Arc::new(Known::default());
        Self {
            secret: Secret::new(random),
            lockout: Lockout::default(),
            observed: Lockout::default(),
            api_keys: Lockout::default(),
            pool: Pool::new(Arc::clone(&known)),
            known,
        }
    }
}

impl Logins {
    /// Reads the files, each once, and warns of their faulty lines. The errors are those of all files that cannot be read.
    pub fn open<'a>(paths: impl Iterator<Item = &'a Path>, desk: Arc<Desk>, now: Moment) -> Result<Self, Vec<Unreadable>> {
        let (mut files, mut faults) = (BTreeMap::new(), Vec::new());
        for path in paths {
            if files.contains_key(path) {
                continue;
            }
            match Followed::open(path, now) {
                Ok(file) => {
                    files.insert(path.to_owned(), file);
                }
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(Self { files, desk }) } else { Err(faults) }
    }

    /// The file at `path`, if a rule names it.
    pub fn file(&self, path: &Path) -> Option<&Followed> {
        self.files.get(path)
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &Followed> {
        self.files.values()
    }
}
