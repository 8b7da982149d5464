//! What our own streams report, on its way to the store. A report waits here until the store takes it: nobody else knows
//! what was sent, and a download whose report is lost would end as presumed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::settle::settle;
use super::site::Current;
use crate::domain::account::Reported;

/// So many reports wait for a store that does not take them; some 3 MiB. What comes then is given up.
pub const WAITING_MAX: usize = 10_000;

/// Reports that are settled in one step, as many as share one transaction.
const TOGETHER_MAX: usize = 512;

/// How long is waited after the store did not settle, the first time; twice as long each time after.
const PAUSE: Duration = Duration::from_millis(250);

/// No pause is longer: a store that is there again is asked soon.
const PAUSE_MAX: Duration = Duration::from_secs(4);

/// Reports that the store has not taken yet.
#[derive(Debug)]
pub struct Streams {
    queue: Mutex<Queue>,
    /// Something came.
    came: Notify,
    /// Whether the store did not take what waits, so that the sweep would end deliveries of which more is known.
    behind: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Queue {
    /// The oldest first.
    waiting: VecDeque<Reported>,
    /// Reports that were given up, and of which nothing has been said yet.
    given_up: u64,
}

impl Default for Streams {
    fn default() -> Self {
        Self { queue: Mutex::default(), came: Notify::new(), behind: watch::Sender::new(false) }
    }
}

impl Streams {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere leaves whole reports.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a report; waits for nothing.
    pub(super) fn put(&self, reported: Reported) {
        {
            let mut queue = self.queue();
            if queue.waiting.len() >= WAITING_MAX {
                queue.given_up = queue.given_up.saturating_add(1);
                return;
            }
            queue.waiting.push_back(reported);
        }
        self.came.notify_one();
    }

    /// The oldest of those that wait. They wait on until they are settled: who brings them may be stopped meanwhile.
    fn next(&self) -> Vec<Reported> {
        self.queue().waiting.iter().take(TOGETHER_MAX).cloned().collect()
    }

    /// The oldest `count` are settled; whether nothing waits now.
    fn settled(&self, count: usize) -> bool {
        let mut queue = self.queue();
        let count = count.min(queue.waiting.len());
        queue.waiting.drain(..count);
        queue.waiting.is_empty()
    }

    /// How many were given up since this was asked last.
    fn given_up(&self) -> u64 {
        std::mem::take(&mut self.queue().given_up)
    }

    fn say_given_up(&self) {
        let lost = self.given_up();
        if lost > 0 {
            tracing::error!(
                event = "streams_lost",
                lost,
                "{WAITING_MAX} reports of streams wait for the store already: further ones are given up, and their downloads end as presumed"
            );
        }
    }

    fn set_behind(&self, is_behind: bool) {
        self.behind.send_if_modified(|before| std::mem::replace(before, is_behind) != is_behind);
    }

    /// Waits while the store has not taken what it was asked to.
    pub(super) async fn caught_up(&self) {
        // The sender is here, so it does not end before the answer.
        let _ = self.behind.subscribe().wait_for(|is_behind| !is_behind).await;
    }

    /// Nobody waits for what is held up, until the store does not take it once more.
    pub(super) fn wait_no_longer(&self) {
        self.set_behind(false);
    }
}

/// Brings what streams report to the store, and tries again while it does not take it; sleeps when there is nothing.
/// Never ends by itself.
pub async fn keep(current: &Current) {
    let streams = Arc::clone(&current.site().streams);
    let mut pause = None;
    loop {
        let reports = streams.next();
        if reports.is_empty() {
            streams.came.notified().await;
            continue;
        }
        let count = reports.len();
        match settle(&current.site(), reports, None).await {
            Ok(_) => {
                if streams.settled(count) {
                    streams.set_behind(false);
                }
                if pause.take().is_some() {
                    tracing::info!(event = "streams_settled", "the store settles what streams report again");
                }
                streams.say_given_up();
            }
            Err(down) => {
                // What is due is not ended before: it would be presumed.
                streams.set_behind(true);
                if pause.is_none() {
                    tracing::warn!(event = "streams_wait", "the store does not settle what streams report: {down}; it is tried again");
                }
                streams.say_given_up();
                let wait = pause.map_or(PAUSE, |before: Duration| (before * 2).min(PAUSE_MAX));
                pause = Some(wait);
                tokio::time::sleep(wait).await;
            }
        }
    }
}

/// Brings what is left when the daemon stops, for at most `patience`.
pub async fn bring_last(current: &Current, patience: Duration) {
    let streams = Arc::clone(&current.site().streams);
    let bring = async {
        loop {
            let reports = streams.next();
            if reports.is_empty() {
                break;
            }
            let count = reports.len();
            match settle(&current.site(), reports, None).await {
                Ok(_) => drop(streams.settled(count)),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    };
    let is_done = tokio::time::timeout(patience, bring).await.is_ok();
    streams.say_given_up();
    if !is_done {
        let lost = streams.queue().waiting.len();
        tracing::error!(
            event = "streams_lost",
            lost,
            "the store did not settle the last reports of streams: their downloads end as presumed"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::site::Site;
    use super::*;
    use crate::auth::{Desk, Logins};
    use crate::domain::account::{Account, Ask, Away, Change, Click, Clicked, Permit};
    use crate::domain::credential::{DirectoryCredential, UserName};
    use crate::domain::delivery::{Delivery, Report};
    use crate::domain::feed_position::FeedPosition;
    use crate::domain::grant::{Amendment, Grant};
    use crate::domain::history::{Author, Entry};
    use crate::domain::id::{DeliveryId, GrantId, LinkId, RequestId};
    use crate::domain::link::Link;
    use crate::domain::moment::Moment;
    use crate::domain::placed::{DirectoryName, Made, NewCopy, NewStub, Placed, PlacedName};
    use crate::domain::refusal::Refusal;
    use crate::domain::tally::Tally;
    use crate::pages::Pages;
    use crate::proof::key::KeyRing;
    use crate::public::Directories;
    use crate::storage::Storages;
    use crate::store::memory::Memory;
    use crate::store::{
        Arrived, Closing, Content, CopiesDue, CredentialStore, Down, Filter, Grants, Later, PlaceStore, SentAway, Store, Stores, Target,
    };

    fn reported(number: usize) -> Reported {
        let report = Report { ended: Moment::EPOCH, status: 200, bytes: number as u64, finished: true, from: None };
        let request = RequestId::parse(&format!("request-{number}")).expect("a request id");
        Reported { delivery: DeliveryId::new([7; 12]), request, report, seen: None }
    }

    #[test]
    fn what_is_more_than_may_wait_is_given_up_and_counted_and_the_rest_keeps_its_order() {
        let streams = Streams::default();
        for number in 0..WAITING_MAX + 3 {
            streams.put(reported(number));
        }
        assert_eq!((streams.given_up(), streams.given_up()), (3, 0));
        let mut seen = Vec::new();
        loop {
            let next = streams.next();
            assert_eq!(next, streams.next(), "what is not settled waits on");
            seen.extend(next.iter().map(|reported| reported.report.bytes));
            if streams.settled(next.len()) {
                break;
            }
        }
        assert_eq!(seen, (0..WAITING_MAX as u64).collect::<Vec<_>>());
        streams.put(reported(1));
        assert_eq!((streams.next().len(), streams.given_up()), (1, 0), "there is room again");
    }

    /// Takes reports while `takes` says so, and writes down what it was asked.
    #[derive(Default)]
    struct Told {
        takes: AtomicBool,
        asked: Mutex<Vec<&'static str>>,
    }

    impl Told {
        fn note(&self, what: &'static str) {
            let mut asked = self.asked.lock().expect("the list");
            if asked.last() != Some(&what) {
                asked.push(what);
            }
        }
    }

    fn down<T: Send + 'static>() -> Later<'static, T> {
        Box::pin(async { Err(Down::Unreachable) })
    }

    impl CredentialStore for Told {
        fn put_credentials(&self, _: Vec<DirectoryCredential>, _: Vec<DirectoryCredential>) -> Later<'_, bool> {
            down()
        }
        fn credentials(&self, _: DirectoryName, _: Moment) -> Later<'_, Vec<DirectoryCredential>> {
            down()
        }
        fn credentials_of(&self, _: GrantId, _: Moment) -> Later<'_, Vec<DirectoryCredential>> {
            down()
        }
        fn credentials_named(&self, _: Vec<UserName>) -> Later<'_, Vec<DirectoryCredential>> {
            down()
        }
    }

    impl PlaceStore for Told {
        fn places(&self) -> Later<'_, Vec<crate::domain::place::Place>> {
            down()
        }
        fn keep_places(&self, _: Vec<crate::domain::place::Place>) -> Later<'_, ()> {
            down()
        }
        fn lying(&self, _: Vec<crate::domain::place::Place>) -> Later<'_, Vec<u64>> {
            down()
        }
    }

    impl Store for Told {
        fn settle_all(&self, _: Vec<Arrived>, _: Option<FeedPosition>) -> Later<'_, Vec<Change>> {
            if self.takes.load(Ordering::SeqCst) {
                self.note("settled");
                return Box::pin(async { Ok(Vec::new()) });
            }
            self.note("not settled");
            down()
        }

        fn close_due(&self, _: Moment) -> Later<'_, Closing> {
            self.note("closed");
            Box::pin(async { Ok(Closing::default()) })
        }

        fn send_away(&self, _: Away, _: Option<NewStub>) -> Later<'_, Result<SentAway, Refusal>> {
            down()
        }

        fn placed(&self, _: Vec<PlacedName>) -> Later<'_, Vec<Placed>> {
            down()
        }

        fn placed_for(&self, _: GrantId) -> Later<'_, Vec<Placed>> {
            down()
        }

        fn placed_there(&self, _: Option<(Moment, PlacedName)>, _: usize) -> Later<'_, Vec<Placed>> {
            down()
        }

        fn placed_gone(&self, _: Vec<PlacedName>, _: Moment) -> Later<'_, ()> {
            down()
        }

        fn going_later(&self, _: Vec<PlacedName>, _: Moment) -> Later<'_, ()> {
            down()
        }

        fn issue_with(&self, _: Grant, _: Link, _: Author, _: Option<NewCopy>) -> Later<'_, ()> {
            down()
        }

        fn copy_for(&self, _: GrantId, _: NewCopy, _: Moment) -> Later<'_, Option<Placed>> {
            down()
        }

        fn copies_due(&self, _: DirectoryName, _: Moment, _: usize) -> Later<'_, CopiesDue> {
            down()
        }

        fn copy_made(&self, _: PlacedName, _: Made, _: Moment) -> Later<'_, Option<Placed>> {
            down()
        }

        fn copies_lost(&self, _: Vec<PlacedName>, _: Moment) -> Later<'_, ()> {
            down()
        }

        fn copy_later(&self, _: PlacedName, _: Moment) -> Later<'_, ()> {
            down()
        }

        fn add_link(&self, _: Link, _: Author) -> Later<'_, bool> {
            down()
        }

        fn link(&self, _: LinkId) -> Later<'_, Option<Link>> {
            down()
        }

        fn target(&self, _: LinkId) -> Later<'_, Option<Target>> {
            down()
        }

        fn content(&self, _: DeliveryId) -> Later<'_, Option<Content>> {
            down()
        }

        fn grant(&self, _: GrantId) -> Later<'_, Option<Grant>> {
            down()
        }

        fn delivery(&self, _: DeliveryId) -> Later<'_, Option<Delivery>> {
            down()
        }

        fn account(&self, _: GrantId, _: Option<DeliveryId>) -> Later<'_, Option<Account>> {
            down()
        }

        fn grants(&self, _: Grants) -> Later<'_, Vec<Grant>> {
            down()
        }

        fn links(&self, _: GrantId) -> Later<'_, Vec<Link>> {
            down()
        }

        fn history(&self, _: GrantId) -> Later<'_, Vec<Entry>> {
            down()
        }

        fn deliveries(&self, _: Filter) -> Later<'_, Vec<Delivery>> {
            down()
        }

        fn click(&self, _: Click) -> Later<'_, Result<Clicked, Refusal>> {
            down()
        }

        fn admit(&self, _: Ask) -> Later<'_, Result<Permit, Refusal>> {
            down()
        }

        fn position(&self) -> Later<'_, Option<FeedPosition>> {
            down()
        }

        fn amend(&self, _: GrantId, _: Amendment, _: Author) -> Later<'_, Option<Grant>> {
            down()
        }

        fn revoke_link(&self, _: LinkId, _: Author) -> Later<'_, bool> {
            down()
        }

        fn count(&self, _: Vec<Tally>) -> Later<'_, ()> {
            down()
        }

        fn tallies(&self, _: Moment, _: Moment) -> Later<'_, Vec<Tally>> {
            down()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_ended_while_what_is_known_of_it_waits() {
        let text = "[server]\nstate_dir = \"/nowhere\"\npublic_url = \"https://shop.example/dl/\"\n\n\
                    [[listener]]\naddress = \"127.0.0.1:0\"\ndialect = \"standalone\"\n";
        let configuration = crate::config::parse(text, "cloakroom.toml").expect("a configuration");
        let storages = Storages::open(&configuration.storages).expect("no storage");
        let (store, pages) = (Arc::new(Told::default()), Pages::load(None).expect("the pages"));
        let stores = Stores { decisions: Arc::clone(&store) as Arc<dyn Store>, ..Stores::of(Arc::<Memory>::default()) };
        let logins = Logins::open(std::iter::empty(), Arc::new(Desk::new([7; 32])), Moment::EPOCH).expect("no files");
        let site = Site::new(configuration, KeyRing::new([]), logins, storages, Directories::default(), stores, pages).expect("a site");
        let current = Current::new(site);
        let site = current.site();
        site.caught_up.send_replace(true);
        site.streams.put(reported(1));
        let asked = || store.asked.lock().expect("the list").clone();
        let rest = async {
            // Whoever clicks wakes the sweep again and again.
            for _ in 0..60 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                site.wake.notify_one();
            }
            assert_eq!(asked(), ["not settled"]);
            store.takes.store(true, Ordering::SeqCst);
            tokio::time::sleep(PAUSE_MAX * 2).await;
            assert_eq!(asked(), ["not settled", "settled", "closed"]);
        };
        tokio::select! {
            biased;
            () = keep(&current) => {}
            () = super::super::settle::sweep(&current) => {}
            () = rest => {}
        }
    }
}
