//! How a copy stands that is not there yet, why it is not, and what customers are told meanwhile.

use std::fmt;

use rustix::io::Errno;

use crate::domain::file::Version;
use crate::domain::moment::{Moment, Span};
use crate::domain::refusal::Refusal;
use crate::public::{Done, NotCopied, NotPlaced};
use crate::storage::Absent;

/// How far a copy is that is not there yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preparation {
    /// How many bytes are done.
    pub done: Done,
    /// Why the last try failed.
    pub trouble: Option<Trouble>,
    /// Since when each try fails.
    pub since: Option<Moment>,
}

/// Why a try failed, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// A clause.
    pub why: String,
    /// What to do.
    pub mend: Mend,
}

impl From<&NotMade> for Trouble {
    fn from(not_made: &NotMade) -> Self {
        Self { why: not_made.to_string(), mend: not_made.mend() }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// What people can do about a copy that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mend {
    /// The public directory has to be there, and to be ours.
    Directory,
    /// The master has to be there, and to be read.
    Master,
    /// The master has to be this version again.
    Sold(Version),
    /// The master has to be left alone for a while.
    Rest,
    /// Something writes to the master in secret, or the machine is bad.
    Differs,
    /// There has to be room.
    Room,
    /// The file system has to hold files so large.
    Large,
    /// A disk has to work, and to be written to.
    Disk,
    /// Something of others has to leave the copy's place.
    Place,
    /// Nothing: it is tried again.
    Wait,
}

/// Why a copy was not made.
#[derive(Debug)]
pub enum NotMade {
    /// The public directory is not what it was when it was opened.
    Directory(String),
    /// The master cannot be opened.
    Master(Absent),
    /// The master is not this version, which was sold and is kept.
    Sold(Version),
    /// The master went while it was copied.
    Taken(Absent),
    /// It was begun, and failed.
    NotCopied(NotCopied),
    /// Who made it ended.
    Ended(String),
}

impl From<NotCopied> for NotMade {
    fn from(failed: NotCopied) -> Self {
        Self::NotCopied(failed)
    }
}

impl From<NotPlaced> for NotMade {
    fn from(failed: NotPlaced) -> Self {
        Self::NotCopied(failed.into())
    }
}

impl fmt::Display for NotMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(fault) | Self::Ended(fault) => f.write_str(fault),
            Self::Master(absent) => write!(f, "the master cannot be copied: {absent}"),
            Self::Sold(_) => {
                f.write_str("the master is another version than the one that was sold, which its policy keeps: put that one back")
            }
            Self::Taken(absent) => write!(f, "the master was taken away while it was copied: {absent}"),
            Self::NotCopied(failed) => write!(f, "{failed}"),
        }
    }
}

impl NotMade {
    fn mend(&self) -> Mend {
        match self {
            Self::Directory(_) => Mend::Directory,
            Self::Master(_) | Self::Taken(_) => Mend::Master,
            Self::Sold(version) => Mend::Sold(version.clone()),
            Self::NotCopied(NotCopied::Changed) => Mend::Rest,
            Self::NotCopied(NotCopied::Differs(_)) => Mend::Differs,
            Self::NotCopied(NotCopied::Stopped) | Self::Ended(_) => Mend::Wait,
            Self::NotCopied(NotCopied::Failed(NotPlaced { error, .. })) => match *error {
                Errno::NOSPC | Errno::DQUOT => Mend::Room,
                Errno::FBIG => Mend::Large,
                Errno::IO | Errno::ROFS | Errno::STALE => Mend::Disk,
                Errno::EXIST => Mend::Place,
                _ => Mend::Directory,
            },
        }
    }
}

/// Who asks for a copy that has failed for so long is told that something has to be mended.
const HOPELESS_AFTER: Span = Span::from_seconds(60);

impl Preparation {
    /// What a customer is told at `now` who asks for it.
    pub fn refusal(&self, now: Moment) -> Refusal {
        let is_hopeless = self.since.is_some_and(|since| now >= since + HOPELESS_AFTER);
        if is_hopeless { Refusal::CannotPrepare } else { Refusal::Preparing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mends_a_copy_is_known_by_why_it_failed_and_not_by_its_words() {
        let sold = Version { size: 7, modified: Moment::EPOCH, etag: String::new(), media_type: String::new() };
        let failed = |step, error| NotCopied::Failed(NotPlaced { step, error }).into();
        let why: [(NotMade, Mend, &str); 15] = [
            (NotMade::Directory("/srv/goods has lost its `.cloakroom`".to_owned()), Mend::Directory, "lost"),
            (NotMade::Master(Absent::NoFile), Mend::Master, "no such file"),
            (NotMade::Taken(Absent::NoFile), Mend::Master, "taken away while it was copied"),
            (NotMade::Sold(sold.clone()), Mend::Sold(sold), "another version than the one that was sold"),
            (NotCopied::Changed.into(), Mend::Rest, "the master changed"),
            (NotCopied::Differs(1).into(), Mend::Differs, "at byte 1"),
            (NotCopied::Stopped.into(), Mend::Wait, "stops"),
            (NotMade::Ended("it panicked".to_owned()), Mend::Wait, "panicked"),
            (failed("share the master's blocks", Errno::NOSPC), Mend::Room, "os error 28"),
            (failed("copy the master", Errno::DQUOT), Mend::Room, "os error 122"),
            (failed("make room for the copy", Errno::FBIG), Mend::Large, "os error 27"),
            (failed("read the master", Errno::IO), Mend::Disk, "os error 5"),
            (failed("make a file for the copy", Errno::ROFS), Mend::Disk, "os error 30"),
            (failed("make a copy where something else lies", Errno::EXIST), Mend::Place, "something else lies"),
            (failed("give the copy the master's time", Errno::PERM), Mend::Directory, "os error 1"),
        ];
        for (not_made, mend, words) in why {
            let trouble = Trouble::from(&not_made);
            assert_eq!(trouble.mend, mend, "{not_made}");
            assert!(trouble.to_string().contains(words), "{trouble}");
        }
    }

    #[test]
    fn customers_are_asked_to_wait_for_a_minute_and_then_told_that_something_has_to_be_mended() {
        let at = Moment::from_seconds;
        for (since, now, refusal) in [
            (None, 900, Refusal::Preparing),
            (Some(900), 900, Refusal::Preparing),
            (Some(900), 959, Refusal::Preparing),
            (Some(900), 960, Refusal::CannotPrepare),
            (Some(900), 99_999, Refusal::CannotPrepare),
            (Some(900), 1, Refusal::Preparing),
        ] {
            let preparation = Preparation { since: since.map(at), ..Preparation::default() };
            assert_eq!(preparation.refusal(at(now)), refusal, "{since:?} {now}");
        }
    }
}
