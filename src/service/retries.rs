//! What could not be taken out of a public directory is tried again, ever less often, and said once.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::moment::Moment;
use crate::domain::placed::{DirectoryName, Placed, PlacedName};

/// When something is tried again for the first time, and the longest pause: the store brings it back after that, too.
const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_mins(1);

/// More than these wait in the store alone, which brings them back once a minute.
const WAITING_MAX: usize = 10_000;

/// So many reasons are told of one directory, until something could be removed there.
pub(super) const SAID_MAX: usize = 8;

#[derive(Debug)]
struct Waiting {
    placed: Placed,
    at: Instant,
    pause: Duration,
    trouble: Option<Trouble>,
}

/// Why something was not removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When it was tried last.
    pub at: Moment,
    /// What the system said.
    pub why: String,
}

/// What waits to be tried again.
#[derive(Debug, Default)]
pub(super) struct Retries {
    waiting: HashMap<PlacedName, Waiting>,
    due: BTreeSet<(Instant, PlacedName)>,
    said: HashMap<DirectoryName, HashSet<String>>,
}

impl Retries {
    /// `placed` could not be taken away at `at`, because of `why`. Tells whether that is to be said: once for a directory.
    pub(super) fn failed(&mut self, placed: &Placed, why: &str, at: Moment, now: Instant) -> bool {
        self.later(placed, now);
        self.trouble_of(placed, why, at)
    }

    /// The same where nothing can be done before somebody changes the configuration: it is tried again after `pause`.
    pub(super) fn rests(&mut self, placed: &Placed, why: &str, at: Moment, now: Instant, pause: Duration) -> bool {
        self.after(placed, now, Some(pause));
        self.trouble_of(placed, why, at)
    }

    fn trouble_of(&mut self, placed: &Placed, why: &str, at: Moment) -> bool {
        if let Some(waiting) = self.waiting.get_mut(&placed.name) {
            waiting.trouble = Some(Trouble { at, why: why.to_owned() });
        }
        let said = self.said.entry(placed.directory.clone()).or_default();
        said.len() < SAID_MAX && said.insert(why.to_owned())
    }

    /// `placed` is tried again after its pause.
    pub(super) fn later(&mut self, placed: &Placed, now: Instant) {
        self.after(placed, now, None);
    }

    fn after(&mut self, placed: &Placed, now: Instant, pause: Option<Duration>) {
        let before = self.waiting.remove(&placed.name);
        if let Some(before) = &before {
            self.due.remove(&(before.at, placed.name.clone()));
        }
        let next = before.as_ref().map_or(FIRST, |before| (before.pause * 2).min(LAST));
        let pause = pause.unwrap_or(next);
        let trouble = before.and_then(|before| before.trouble);
        if self.waiting.len() < WAITING_MAX {
            let at = now + pause;
            self.due.insert((at, placed.name.clone()));
            self.waiting.insert(placed.name.clone(), Waiting { placed: placed.clone(), at, pause, trouble });
        }
    }

    /// `placed` was not tried, though it may be its turn: if it waits, it is tried again after its pause.
    pub(super) fn put_off(&mut self, placed: &Placed, now: Instant) {
        if self.waiting.get(&placed.name).is_some_and(|waiting| waiting.at <= now) {
            self.later(placed, now);
        }
    }

    /// It is gone. Tells whether something was said of its directory before, which is over now.
    pub(super) fn removed(&mut self, placed: &Placed) -> bool {
        if let Some(before) = self.waiting.remove(&placed.name) {
            self.due.remove(&(before.at, before.placed.name));
        }
        self.said.remove(&placed.directory).is_some()
    }

    /// Whether its pause is over, or it was never tried.
    pub(super) fn may_try(&self, name: &PlacedName, now: Instant) -> bool {
        self.waiting.get(name).is_none_or(|waiting| waiting.at <= now)
    }

    /// What is to be tried again now, at most `most`.
    pub(super) fn due(&self, now: Instant, most: usize) -> Vec<Placed> {
        let due = self.due.iter().take_while(|(at, _)| *at <= now).take(most);
        due.filter_map(|(_, name)| self.waiting.get(name)).map(|waiting| waiting.placed.clone()).collect()
    }

    /// When something is to be tried again next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Tries again at once what waits for `directory`.
    pub(super) fn hasten(&mut self, directory: &DirectoryName, now: Instant) {
        for waiting in self.waiting.values_mut().filter(|waiting| waiting.placed.directory == *directory) {
            let name = waiting.placed.name.clone();
            self.due.remove(&(waiting.at, name.clone()));
            waiting.at = now;
            self.due.insert((now, name));
        }
    }

    /// Why it is still there, if that is known.
    pub(super) fn trouble(&self, name: &PlacedName) -> Option<Trouble> {
        self.waiting.get(name).and_then(|waiting| waiting.trouble.clone())
    }

    /// How much waits.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::file::{FileRef, StorageName};
    use crate::domain::id::{DeliveryId, GrantId};
    use crate::domain::moment::Moment;
    use crate::domain::path::FilePath;
    use crate::domain::placed::{Stay, What};

    fn placed(number: u32) -> Placed {
        Placed {
            name: PlacedName::new(u128::from(number).to_be_bytes()),
            directory: DirectoryName::parse(if number.is_multiple_of(2) { "even" } else { "odd" }).expect("a name"),
            what: What::Stub(DeliveryId::new([1; 12])),
            grant: GrantId::new([2; 12]),
            file: FileRef { storage: StorageName::parse("masters").expect("a name"), path: FilePath::parse("a.zip").expect("a path") },
            leaf: "a.zip".to_owned(),
            placed: Moment::EPOCH,
            due: Moment::EPOCH,
            stay: Stay::Going,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_tried_again_ever_less_often_and_said_once_until_something_could_be_removed() {
        let (mut retries, one, other) = (Retries::default(), placed(0), placed(2));
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for turn in 0..9 {
            assert!(retries.may_try(&one.name, now));
            assert_eq!(retries.failed(&one, "EROFS", Moment::EPOCH, now), turn == 0, "turn {turn}");
            assert!(!retries.may_try(&one.name, now) && retries.due(now, 9).is_empty());
            let next = retries.next().expect("it waits");
            pauses.push(next.duration_since(now).as_secs());
            now = next;
            assert_eq!(retries.due(now, 9), std::slice::from_ref(&one));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert!(!retries.failed(&other, "EROFS", Moment::EPOCH, now), "the directory's trouble is known");
        assert!(retries.failed(&other, "EACCES", Moment::EPOCH, now), "another one is not");
        assert!(retries.failed(&placed(1), "EROFS", Moment::EPOCH, now), "nor is that of another directory");
        assert!(retries.removed(&other), "it is over");
        assert!(!retries.removed(&one), "which is said once");
        assert_eq!(retries.len(), 1);
        assert!(retries.failed(&one, "EROFS", Moment::EPOCH, now), "and is said again when it comes back");
        assert_eq!(retries.trouble(&one.name), Some(Trouble { at: Moment::EPOCH, why: "EROFS".to_owned() }));
        assert_eq!(retries.trouble(&placed(7).name), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_tried_in_its_turn_waits_again_and_nothing_else_begins_to_wait() {
        let (mut retries, one, other, now) = (Retries::default(), placed(0), placed(2), Instant::now());
        retries.put_off(&one, now);
        assert_eq!((retries.len(), retries.next()), (0, None), "it never waited");
        retries.failed(&one, "EROFS", Moment::EPOCH, now);
        retries.put_off(&one, now);
        let turn = now + FIRST;
        assert_eq!(retries.next(), Some(turn), "it is not its turn");
        assert_eq!(retries.due(turn, 9), std::slice::from_ref(&one));
        retries.put_off(&one, turn);
        retries.put_off(&other, turn);
        assert!(retries.due(turn, 9).is_empty() && !retries.may_try(&one.name, turn));
        assert_eq!((retries.len(), retries.next()), (1, Some(turn + FIRST * 2)));
        assert_eq!(retries.trouble(&one.name).map(|trouble| trouble.why), Some("EROFS".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_can_do_anything_about_rests_until_its_directory_is_configured_again() {
        let (mut retries, one, now) = (Retries::default(), placed(0), Instant::now());
        let hour = Duration::from_hours(1);
        assert!(retries.failed(&one, "EIO", Moment::EPOCH, now));
        for turn in 0..3 {
            let now = now + hour * turn;
            assert_eq!(retries.rests(&one, "no directory", Moment::EPOCH, now, hour), turn == 0);
            assert_eq!(retries.next(), Some(now + hour));
        }
        assert_eq!(retries.trouble(&one.name).map(|trouble| trouble.why), Some("no directory".to_owned()));
        let later = now + hour * 2;
        retries.hasten(&one.directory, later);
        assert!(retries.may_try(&one.name, later));
        retries.failed(&one, "EIO", Moment::EPOCH, later);
        assert_eq!(retries.next(), Some(later + LAST), "once it is there, as often as any other");
    }

    #[tokio::test(start_paused = true)]
    async fn a_directory_that_is_back_is_tried_at_once_and_what_waits_is_bounded() {
        let (mut retries, now) = (Retries::default(), Instant::now());
        for number in 0..20_000 {
            retries.failed(&placed(number), "ENOENT", Moment::EPOCH, now);
        }
        assert_eq!(retries.len(), WAITING_MAX);
        assert!(retries.due(now, usize::MAX).is_empty());
        retries.hasten(&DirectoryName::parse("odd").expect("a name"), now);
        let due = retries.due(now, usize::MAX);
        assert_eq!(due.len(), WAITING_MAX / 2);
        assert!(due.iter().all(|placed| placed.directory.as_str() == "odd"));
        assert_eq!(retries.due(now, 7).len(), 7);
        for placed in &due {
            retries.removed(placed);
        }
        assert_eq!(retries.len(), WAITING_MAX / 2);
        assert_eq!(retries.next(), Some(now + FIRST));
    }
}
