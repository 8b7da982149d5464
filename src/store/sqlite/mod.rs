//! Everything in one file of SQLite, in the state directory. What is answered is durable.
//!
//! One thread (`queue`) decides and writes: it takes the decisions that wait, runs the rules on accounts in memory
//! (`working`), writes what is different (`changes`) in one transaction, and answers when that is on the disk. Beside
//! it others read what is durable. What a link or a delivery leads to never changes and is remembered here. Of what is
//! not, the writer is asked: a decision about the same account comes next, and every reader would have to read again
//! what the last commit took from its memory.

mod answers;
mod callers;
mod catalogue;
mod changes;
mod checkpoint;
mod condition;
mod credentials;
mod deeds;
mod fault;
mod open;
mod orders;
mod outbox;
mod places;
mod privacy;
mod public;
mod queue;
mod rows;
mod salvage;
mod schema;
mod transfer;
mod upkeep;
mod working;

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::types::Value;

use self::checkpoint::Checkpoints;
use self::condition::Condition;
use self::fault::Fault;
pub use self::open::{NotOpened, Why};
pub use self::places::places;
use self::queue::{Readers, Writer};
pub use self::salvage::{LeftOut, Salvaged, salvage};
pub use self::transfer::{NotMoved, export, import};
pub use self::upkeep::{Info, Verified, backup, info, verify};
use self::working::{ACCOUNTS_MAX, FEED, Working};
use super::record::Written;
use super::{Arrived, Closing, Content, CopiesDue, Down, Filter, Grants, Later, SentAway, Store, Target};
use crate::config::Durability;
use crate::domain::account::{Account, Ask, Away, Change, Click, Clicked, Permit};
use crate::domain::delivery::Delivery;
use crate::domain::feed_position::FeedPosition;
use crate::domain::grant::{Amendment, Grant};
use crate::domain::history::{Author, Entry};
use crate::domain::id::{DeliveryId, GrantId, LinkId};
use crate::domain::link::Link;
use crate::domain::moment::Moment;
use crate::domain::placed::{DirectoryName, Made, NewCopy, NewStub, Placed, PlacedName};
use crate::domain::recent::Recent;
use crate::domain::refusal::Refusal;
use crate::domain::tally::{Tally, hour_of};

/// What links and deliveries lead to, of those that were asked for lately: some 300 bytes each.
const REMEMBERED_MAX: usize = 8192;

/// A store in a file.
pub struct Sqlite {
    // The readers end first; the writer's last act is to bring its log into the file.
    readers: Readers,
    writer: Writer,
    targets: Arc<Mutex<Recent<LinkId, Target>>>,
    contents: Arc<Mutex<Recent<DeliveryId, Content>>>,
    /// How often grants were led elsewhere: what was asked for before is not remembered after.
    led: Arc<AtomicU64>,
    condition: Arc<Condition>,
    // To close it takes away the locks that SQLite has on it: so it ends after every connection.
    _file: Arc<File>,
    _lock: open::Lock,
}

impl Sqlite {
    /// Opens the store at `path`, or makes an empty one; this process alone has it. Reads a file of moderate size whole,
    /// brings an older one forward, and refuses what is damaged, foreign or newer.
    pub fn open(path: &Path, durability: Durability) -> Result<Self, NotOpened> {
        Self::open_with(path, durability, ACCOUNTS_MAX)
    }

    /// The same, with at least `accounts` of the accounts used last kept in memory.
    #[doc(hidden)]
    pub fn open_with(path: &Path, durability: Durability, accounts: usize) -> Result<Self, NotOpened> {
        let not = |why| NotOpened { path: path.to_owned(), why };
        let (database, lock) = open::open(path, durability)?;
        let contents = Arc::new(Mutex::new(Recent::new(REMEMBERED_MAX)));
        let targets: Arc<Mutex<Recent<LinkId, Target>>> = Arc::new(Mutex::new(Recent::new(REMEMBERED_MAX)));
        let led = Arc::new(AtomicU64::new(0));
        let (told, told_targets, told_led) = (Arc::clone(&contents), Arc::clone(&targets), Arc::clone(&led));
        let after = Box::new(move |working: &mut Working| {
            working.outbox.committed();
            let gone = std::mem::take(&mut working.changes.forgotten);
            if std::mem::take(&mut working.changes.led) {
                // First this, so that whoever asked before and remembers afterwards sees it.
                told_led.fetch_add(1, Ordering::SeqCst);
                told_targets.lock().unwrap_or_else(PoisonError::into_inner).clear();
                told.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
            if !gone.is_empty() {
                let mut contents = told.lock().unwrap_or_else(PoisonError::into_inner);
                for id in gone {
                    contents.take(&id);
                }
            }
        });
        let condition = Arc::new(Condition::default());
        let readers = Readers::start(&condition, || open::open_to_read(path)).map_err(|fault| not(open::of_fault(&fault)))?;
        let working = Working::new(database, accounts);
        let beside = open::open_to_copy(path, durability).map_err(|fault| not(open::of_fault(&fault)))?;
        let file = Arc::new(File::open(path).map_err(|error| not(Why::System(error)))?);
        let started =
            Checkpoints::start(beside, Arc::clone(&file)).and_then(|beside| Writer::start(working, beside, Arc::clone(&condition), after));
        let writer = started.map_err(|error| not(Why::System(error)))?;
        Ok(Self { readers, writer, targets, contents, led, condition, _file: file, _lock: lock })
    }

    /// Looks at the store at `path` without changing it: whose it is, of which version, whether it is whole. A daemon may
    /// be working on it.
    pub fn examine(path: &Path) -> Result<(), NotOpened> {
        open::examine(path).map(drop)
    }

    async fn read<T: Send + 'static>(&self, question: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static) -> Result<T, Down> {
        self.readers.read(question).await
    }

    /// A decision that is never refused by the store itself.
    async fn decide<T: Send + 'static>(&self, rule: impl FnOnce(&mut Working) -> Result<T, Fault> + Send + 'static) -> Result<T, Down> {
        self.writer.decide(move |working| rule(working).map(Ok)).await
    }
}

/// What is remembered of `key`, else what `ask` finds, which is remembered then.
async fn remembered<K: Eq + std::hash::Hash + Copy, V: Clone>(
    kept: &Mutex<Recent<K, V>>,
    led: &AtomicU64,
    key: K,
    ask: impl Future<Output = Result<Option<V>, Down>>,
) -> Result<Option<V>, Down> {
    if let Some(known) = kept.lock().unwrap_or_else(PoisonError::into_inner).touch(&key) {
        return Ok(Some(known.clone()));
    }
    let before = led.load(Ordering::SeqCst);
    let found = ask.await?;
    if let Some(found) = &found {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if led.load(Ordering::SeqCst) == before {
            kept.insert(key, found.clone());
            kept.age();
        }
    }
    Ok(found)
}

fn most(limit: usize) -> i64 {
    i64::try_from(super::most(limit)).unwrap_or(i64::MAX)
}

fn grants(database: &Connection, which: &Grants) -> Result<Vec<Grant>, Fault> {
    let before = match which.before {
        None => (rows::END_OF_TIME, String::new()),
        Some(id) => {
            let last = rows::one(database, schema::GRANT_BY_ID, [id.written()], rows::grant)?;
            (last.map_or(Moment::EPOCH, |(_, grant)| grant.created), id.written())
        }
    };
    let mut parameters = vec![Value::from(rows::millis(before.0)), Value::from(before.1), Value::from(most(which.limit))];
    if let Some(file) = &which.file {
        parameters.extend([Value::from(file.storage.as_str().to_owned()), Value::from(file.path.as_str().to_owned())]);
    }
    parameters.extend(which.customer.clone().map(Value::from));
    let sql = match (&which.customer, &which.file) {
        (None, None) => schema::GRANTS,
        (Some(_), None) => schema::GRANTS_OF_CUSTOMER,
        (None, Some(_)) => schema::GRANTS_OF_FILE,
        (Some(_), Some(_)) => schema::GRANTS_OF_CUSTOMER_AND_FILE,
    };
    rows::all(database, sql, rows::values(parameters), |row| Ok(rows::grant(row)?.1))
}

fn account(database: &Connection, id: GrantId, with: Option<DeliveryId>) -> Result<Option<Account>, Fault> {
    // Both are of one moment.
    let together = database.unchecked_transaction()?;
    let Some((number, grant)) = rows::one(&together, schema::GRANT_BY_ID, [id.written()], rows::grant)? else { return Ok(None) };
    let read = |row: &rusqlite::Row<'_>| Ok(rows::delivery(&together, row)?.1);
    let mut deliveries = rows::all(&together, schema::LIVE_DELIVERIES, [number], read)?;
    if let Some(with) = with.filter(|with| deliveries.iter().all(|delivery| delivery.id != *with)) {
        let ended = rows::one(&together, schema::DELIVERY_BY_ID, [with.written()], read)?;
        deliveries.extend(ended.filter(|delivery| delivery.grant == id));
    }
    Ok(Some(Account { grant, deliveries: deliveries.into_iter().collect() }))
}

impl Store for Sqlite {
    fn issue_with(&self, grant: Grant, link: Link, author: Author, copy: Option<NewCopy>) -> Later<'_, ()> {
        Box::pin(self.writer.decide(move |working| working.issue(&grant, &link, author, copy)))
    }

    fn add_link(&self, link: Link, author: Author) -> Later<'_, bool> {
        Box::pin(self.writer.decide(move |working| working.add_link(&link, author)))
    }

    fn link(&self, id: LinkId) -> Later<'_, Option<Link>> {
        Box::pin(self.read(move |database| rows::one(database, schema::LINK, [id.written()], rows::link)))
    }

    fn target(&self, link: LinkId) -> Later<'_, Option<Target>> {
        let ask = self.decide(move |working| working.target(link));
        Box::pin(remembered(&self.targets, &self.led, link, ask))
    }

    fn content(&self, delivery: DeliveryId) -> Later<'_, Option<Content>> {
        let ask = self.decide(move |working| working.content(delivery));
        Box::pin(remembered(&self.contents, &self.led, delivery, ask))
    }

    fn grant(&self, id: GrantId) -> Later<'_, Option<Grant>> {
        Box::pin(
            self.read(move |database| Ok(rows::one(database, schema::GRANT_BY_ID, [id.written()], rows::grant)?.map(|(_, grant)| grant))),
        )
    }

    fn delivery(&self, id: DeliveryId) -> Later<'_, Option<Delivery>> {
        Box::pin(
            self.read(move |database| {
                rows::one(database, schema::DELIVERY_BY_ID, [id.written()], |row| Ok(rows::delivery(database, row)?.1))
            }),
        )
    }

    fn account(&self, grant: GrantId, with: Option<DeliveryId>) -> Later<'_, Option<Account>> {
        Box::pin(self.read(move |database| account(database, grant, with)))
    }

    fn grants(&self, which: Grants) -> Later<'_, Vec<Grant>> {
        Box::pin(self.read(move |database| grants(database, &which)))
    }

    fn links(&self, grant: GrantId) -> Later<'_, Vec<Link>> {
        Box::pin(self.read(move |database| rows::all(database, schema::LINKS, [grant.written()], rows::link)))
    }

    fn history(&self, grant: GrantId) -> Later<'_, Vec<Entry>> {
        Box::pin(self.read(move |database| rows::all(database, schema::HISTORY, [grant.written()], rows::entry)))
    }

    fn deliveries(&self, filter: Filter) -> Later<'_, Vec<Delivery>> {
        Box::pin(self.read(move |database| {
            let read = |row: &rusqlite::Row<'_>| Ok(rows::delivery(database, row)?.1);
            let (grant, before) = (filter.grant.map(|id| id.written()), filter.before.map(|id| id.written()));
            match (grant, before, most(filter.limit)) {
                (None, None, most) => rows::all(database, schema::DELIVERIES, [most], read),
                (Some(grant), None, most) => rows::all(database, schema::DELIVERIES_OF_GRANT, rusqlite::params![grant, most], read),
                (None, Some(before), most) => rows::all(database, schema::DELIVERIES_BEFORE, rusqlite::params![most, before], read),
                (Some(grant), Some(before), most) => {
                    rows::all(database, schema::DELIVERIES_OF_GRANT_BEFORE, rusqlite::params![most, grant, before], read)
                }
            }
        }))
    }

    fn click(&self, click: Click) -> Later<'_, Result<Clicked, Refusal>> {
        Box::pin(async move {
            let (link, version) = (click.link, click.version.clone());
            let clicked = self.writer.decide(move |working| working.click(&click)).await?;
            // The next request is for its bytes.
            if let Ok(fresh) = clicked.as_ref().map(|clicked| clicked.fresh.then_some(clicked.delivery))
                && let Some(delivery) = fresh
                && let Some(target) = self.targets.lock().unwrap_or_else(PoisonError::into_inner).touch(&link).cloned()
            {
                let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
                contents.insert(delivery, Content { target, version });
                contents.age();
            }
            Ok(clicked)
        })
    }

    fn admit(&self, ask: Ask) -> Later<'_, Result<Permit, Refusal>> {
        Box::pin(self.decide(move |working| working.admit(&ask)))
    }

    fn settle_all(&self, reports: Vec<Arrived>, position: Option<FeedPosition>) -> Later<'_, Vec<Change>> {
        Box::pin(self.decide(move |working| working.settle(&reports, position)))
    }

    fn position(&self) -> Later<'_, Option<FeedPosition>> {
        Box::pin(self.read(|database| rows::one(database, schema::POSITION, [FEED], rows::position)))
    }

    fn close_due(&self, now: Moment) -> Later<'_, Closing> {
        Box::pin(self.decide(move |working| working.close_due(now)))
    }

    fn send_away(&self, away: Away, stub: Option<NewStub>) -> Later<'_, Result<SentAway, Refusal>> {
        Box::pin(self.writer.decide(move |working| working.send_away(&away, stub)))
    }

    fn copy_for(&self, grant: GrantId, copy: NewCopy, now: Moment) -> Later<'_, Option<Placed>> {
        Box::pin(self.decide(move |working| working.copy_for(grant, copy, now)))
    }

    fn copies_due(&self, directory: DirectoryName, now: Moment, limit: usize) -> Later<'_, CopiesDue> {
        Box::pin(self.decide(move |working| working.copies_due(&directory, now, super::most(limit))))
    }

    fn copy_made(&self, name: PlacedName, made: Made, now: Moment) -> Later<'_, Option<Placed>> {
        Box::pin(self.decide(move |working| working.copy_made(&name, made, now)))
    }

    fn copy_later(&self, name: PlacedName, due: Moment) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| working.copy_later(&name, due)))
    }

    fn copies_lost(&self, names: Vec<PlacedName>, now: Moment) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| working.copies_lost(&names, now)))
    }

    fn placed(&self, names: Vec<PlacedName>) -> Later<'_, Vec<Placed>> {
        Box::pin(self.read(move |database| public::under(database, &names)))
    }

    fn placed_for(&self, grant: GrantId) -> Later<'_, Vec<Placed>> {
        Box::pin(self.read(move |database| rows::all(database, schema::PLACED_OF_GRANT, [grant.written()], public::placed)))
    }

    fn placed_there(&self, after: Option<(Moment, PlacedName)>, limit: usize) -> Later<'_, Vec<Placed>> {
        Box::pin(self.read(move |database| public::there(database, after, most(limit))))
    }

    fn placed_gone(&self, names: Vec<PlacedName>, now: Moment) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| working.placed_gone(&names, now)))
    }

    fn going_later(&self, names: Vec<PlacedName>, due: Moment) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| working.going_later(&names, due)))
    }

    fn amend(&self, grant: GrantId, amendment: Amendment, author: Author) -> Later<'_, Option<Grant>> {
        Box::pin(self.decide(move |working| working.amend(grant, amendment, author)))
    }

    fn revoke_link(&self, link: LinkId, author: Author) -> Later<'_, bool> {
        Box::pin(self.decide(move |working| working.revoke_link(link, author)))
    }

    fn count(&self, tallies: Vec<Tally>) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| {
            for tally in &tallies {
                working.changes.count(tally);
            }
            Ok(())
        }))
    }

    fn has_ended(&self) -> bool {
        self.writer.has_ended()
    }

    fn trouble(&self) -> Option<String> {
        let ended = || self.has_ended().then(|| "the thread that decides has ended: restart the daemon".to_owned());
        self.condition.trouble().or_else(ended)
    }

    fn tallies(&self, from: Moment, to: Moment) -> Later<'_, Vec<Tally>> {
        Box::pin(self.read(move |database| {
            let mut found = rows::all(database, schema::TALLIES, [rows::millis(hour_of(from)), rows::millis(to)], rows::tally)?;
            found.sort_unstable_by_key(|tally| (tally.hour, tally.what));
            Ok(found)
        }))
    }
}
