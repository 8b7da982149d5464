//! What is remembered. One contract of decisions; the engines run the rules of [`crate::domain::account`], they do
//! not know them.

mod callers;
mod catalogue;
mod credentials;
mod deeds;
pub mod memory;
mod orders;
mod outbox;
mod places;
mod privacy;
pub mod record;
pub mod sqlite;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use self::callers::{API_KEYS_MAX, CallerStore, KeyAdded};
pub use self::catalogue::{CatalogueStore, Files, Lead, SoldCount};
pub use self::credentials::CredentialStore;
pub use self::deeds::{DeedStore, Deeds};
pub use self::orders::{KeptOrder, OrderStore, Orders, Sale, Telling};
pub use self::outbox::{Again, DueMessages, EVENTS_WAITING_MAX, LaneCount, Messages, OutboxStore, Told};
pub use self::places::PlaceStore;
pub use self::privacy::{Blurred, Forgotten, Held, PrivacyStore};
use crate::domain::account::{Account, Ask, Away, Change, Click, Clicked, CopyReport, CopyStay, Permit, Reported};
use crate::domain::delivery::{Delivery, Report, State};
use crate::domain::feed_position::FeedPosition;
use crate::domain::file::{FileRef, Version};
use crate::domain::grant::{Amendment, Grant};
use crate::domain::history::{Author, Entry};
use crate::domain::id::{DeliveryId, FileId, GrantId, LinkId};
use crate::domain::link::Link;
use crate::domain::moment::{Moment, Span};
use crate::domain::placed::{CopyState, DirectoryName, Made, NewCopy, NewStub, Placed, PlacedName, Stay, What};
use crate::domain::policy::{Edition, Method};
use crate::domain::refusal::Refusal;
use crate::domain::tally::{Counted, Tally};
use crate::domain::units::Rate;

/// The store cannot decide now. Doubt is a refusal: nothing was changed, nothing may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// It cannot be reached.
    Unreachable,
    /// It holds as much as it may.
    Full,
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the store does not answer",
            Self::Full => "the store is full",
        })
    }
}

/// What a store answers, later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, Down>> + Send + 'a>>;

/// What ended because its time came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closing {
    /// The deliveries that ended.
    pub changes: Vec<Change>,
    /// What has to leave the public directories; nobody is sent there any more.
    pub going: Vec<Placed>,
    /// When to look again; `None` when nothing is waiting.
    pub next: Option<Moment>,
}

/// Deliveries ended in one step, so that thousands that are due at once hold nobody up.
const DUE_MAX: usize = 128;

/// So long after a try to take something out of a public directory it is tried again, unless it is known to be gone.
const GOING_AGAIN: Span = Span::from_seconds(60);

/// What was gone for so long is forgotten: until then its name explains itself, and a late report of it is counted. The first
/// copy that was made for a grant that keeps its version stays known as long as the grant: it says which version that is.
const GONE_KEPT: Span = Span::from_days(30);

/// So much is forgotten in one step.
pub const FORGOTTEN_MAX: usize = 1000;

/// What was gone at this moment or before it is forgotten at `now`.
fn long_gone(now: Moment) -> Moment {
    Moment::EPOCH + now.since(Moment::EPOCH + GONE_KEPT)
}

/// A list is never longer than this, whatever is asked for.
pub const LIST_MAX: usize = 1000;

/// How long a list for which `limit` is asked may be.
fn most(limit: usize) -> usize {
    if limit == 0 { LIST_MAX } else { limit.min(LIST_MAX) }
}

/// Runs [`Account::admit`], and tells what is counted of it: a request that is asked again opens nothing.
fn admit(account: &mut Account, ask: &Ask) -> Result<(Permit, Option<Tally>), Refusal> {
    let is_offer = account.delivery(ask.delivery).is_some_and(|delivery| delivery.state == State::Offered);
    let permit = account.admit(ask)?;
    Ok((permit, is_offer.then(|| Tally::new(ask.now, Counted::Started, 1))))
}

/// Runs [`Account::send_away`], and tells what is counted of it.
fn send_away(account: &mut Account, away: &Away) -> Result<(Permit, Option<Tally>), Refusal> {
    let is_offer = account.delivery(away.delivery).is_some_and(|delivery| delivery.state == State::Offered);
    let permit = account.send_away(away)?;
    Ok((permit, is_offer.then(|| Tally::new(away.now, Counted::Started, 1))))
}

/// What is placed for a client that is sent away, by `permit`.
fn new_placed(stub: NewStub, away: &Away, permit: &Permit) -> Placed {
    let NewStub { name, directory, leaf } = stub;
    Placed {
        name,
        directory,
        what: What::Stub(away.delivery),
        grant: permit.grant,
        file: permit.file.clone(),
        leaf,
        placed: away.now,
        due: permit.grace_ends,
        stay: Stay::Live,
    }
}

/// What becomes of something whose time to be looked at has come, at `now`, by the account of its grant: it stays, or has
/// to go. A copy that is not there yet is due when it is tried next, and stays so.
fn look(placed: &Placed, account: Option<&Account>, now: Moment) -> Placed {
    let (until, what) = match &placed.what {
        What::Stub(delivery) => (account.and_then(|account| account.stays_until(*delivery, now)), placed.what.clone()),
        What::Copy(state) => {
            let stays = account.map_or(CopyStay { until: None, over: None }, |account| account.copy_stays(state.over, now));
            (stays.until, What::Copy(CopyState { over: stays.over, ..state.clone() }))
        }
    };
    let until = until.filter(|until| *until > now);
    let (stay, due) = match (placed.stay, until) {
        (Stay::Live, Some(until)) => (Stay::Live, until),
        (Stay::Preparing, Some(_)) => (Stay::Preparing, placed.due),
        (Stay::Live | Stay::Preparing | Stay::Going | Stay::Gone(_), _) => (Stay::Going, now + GOING_AGAIN),
    };
    Placed { what, due, stay, ..placed.clone() }
}

/// A copy that was made is there from now on, unless its grant is over meanwhile: then it goes.
fn made(placed: &Placed, made: Made, account: Option<&Account>, now: Moment) -> Placed {
    let What::Copy(state) = &placed.what else { return placed.clone() };
    let there = What::Copy(CopyState { made: Some(made), ..state.clone() });
    look(&Placed { what: there, stay: Stay::Live, ..placed.clone() }, account, now)
}

/// A copy that was there is to be made again at `now`, under its name. `None` where it was not there.
fn lost(placed: Placed, now: Moment) -> Option<Placed> {
    let is_there = matches!((&placed.what, placed.stay), (What::Copy(_), Stay::Live));
    is_there.then_some(Placed { due: now, stay: Stay::Preparing, ..placed })
}

/// One line of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// Of a delivery that is known.
    Delivery(Reported),
    /// Of a copy, whose delivery it may begin.
    Copy(CopyReport),
}

impl Arrived {
    /// What was sent.
    pub fn report_mut(&mut self) -> &mut Report {
        match self {
            Self::Delivery(reported) => &mut reported.report,
            Self::Copy(told) => &mut told.report,
        }
    }
}

/// Copies that are to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopiesDue {
    /// Those that are due, what is due first first.
    pub copies: Vec<Placed>,
    /// How many others need not be made any more: they go, and [`Store::close_due`] tells of them.
    pub going: usize,
    /// When the next one is due; `None` where none waits.
    pub next: Option<Moment>,
}

/// Whether a row says of which version a copy was, now or before.
const fn was_made(placed: &Placed) -> bool {
    matches!(&placed.what, What::Copy(state) if state.made.is_some())
}

/// Whether a row is that of a copy which people may be led to, or soon.
const fn is_copy(placed: &Placed) -> bool {
    matches!((&placed.what, placed.stay), (What::Copy(_), Stay::Preparing | Stay::Live))
}

/// What a client that is sent away goes on with.
pub type SentAway = (Permit, Option<Placed>);

/// Which deliveries to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those of this grant.
    pub grant: Option<GrantId>,
    /// Only those made before this one: the last of the page before. None, where it is not known.
    pub before: Option<DeliveryId>,
    /// At most so many, the newest first; 0 is the store's own limit.
    pub limit: usize,
}

/// Which grants to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Only those made for this customer, in exactly these words.
    pub customer: Option<String>,
    /// Only those of this file.
    pub file: Option<FileRef>,
    /// Only those made before this one: the last of the page before.
    pub before: Option<GrantId>,
    /// At most so many, the newest first; 0 is the store's own limit.
    pub limit: usize,
}

/// What a link leads to. Nothing of it changes but where its file lies ([`CatalogueStore::lead`]), so it may be asked for
/// without waiting for decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The grant.
    pub grant: GrantId,
    /// Its file.
    pub file: FileRef,
    /// The methods that its policy names.
    pub methods: Vec<Method>,
    /// Bytes per second of one request, if limited.
    pub rate: Option<Rate>,
    /// Which file of the catalogue was sold, where one was.
    pub sold: Option<FileId>,
    /// Of which file of the catalogue, and when, a version was bought that is to stay what it was.
    pub bought: Option<(FileId, Moment)>,
    /// Whether a browser is shown a page first.
    pub landing: bool,
}

impl Target {
    /// What the links of `grant` lead to.
    pub fn of(grant: &Grant) -> Self {
        let policy = &grant.policy;
        let bought = grant.sold.as_ref().filter(|_| policy.edition == Edition::Purchased);
        Self {
            grant: grant.id,
            file: grant.file.clone(),
            methods: policy.methods.clone(),
            rate: policy.rate,
            sold: grant.sold.as_ref().map(|sold| sold.file),
            bought: bought.map(|sold| (sold.file, grant.created)),
            landing: policy.landing,
        }
    }

    /// The same where its bytes lie at `at`, if that is said.
    #[must_use]
    pub fn at(self, at: Option<FileRef>) -> Self {
        Self { file: at.unwrap_or(self.file), ..self }
    }
}

/// What a delivery sends. Nothing of it changes but where that lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// What it is of.
    pub target: Target,
    /// The version that was clicked.
    pub version: Version,
}

/// What is remembered, as decisions. Each is one durable step: it happened whole, or not at all.
pub trait Store: CredentialStore + PlaceStore + Send + Sync {
    /// Remembers a grant and its first link. The same once more changes nothing; an id that is taken is a fault.
    fn issue(&self, grant: Grant, link: Link, author: Author) -> Later<'_, ()> {
        self.issue_with(grant, link, author, None)
    }

    /// The same with the row of its copy, in the same step.
    fn issue_with(&self, grant: Grant, link: Link, author: Author, copy: Option<NewCopy>) -> Later<'_, ()>;

    /// Remembers one more link of a grant; `false` when the grant is not known. The same once more changes nothing.
    fn add_link(&self, link: Link, author: Author) -> Later<'_, bool>;

    /// The link, if it is known. Checks nothing.
    fn link(&self, id: LinkId) -> Later<'_, Option<Link>>;

    /// What the link leads to, if it is known. Checks nothing.
    fn target(&self, link: LinkId) -> Later<'_, Option<Target>>;

    /// What the delivery sends, if it is known. Checks nothing.
    fn content(&self, delivery: DeliveryId) -> Later<'_, Option<Content>>;

    /// The grant, if it is known. Checks nothing.
    fn grant(&self, id: GrantId) -> Later<'_, Option<Grant>>;

    /// The delivery, if it is known. Checks nothing.
    fn delivery(&self, id: DeliveryId) -> Later<'_, Option<Delivery>>;

    /// The grant with its deliveries that have not ended, and `with`, if that has: what a decision works on.
    fn account(&self, grant: GrantId, with: Option<DeliveryId>) -> Later<'_, Option<Account>>;

    /// Grants, the newest first.
    fn grants(&self, which: Grants) -> Later<'_, Vec<Grant>>;

    /// The links of a grant, the newest first.
    fn links(&self, grant: GrantId) -> Later<'_, Vec<Link>>;

    /// What people did about a grant, the oldest first.
    fn history(&self, grant: GrantId) -> Later<'_, Vec<Entry>>;

    /// Deliveries, the newest first.
    fn deliveries(&self, filter: Filter) -> Later<'_, Vec<Delivery>>;

    /// Decides a click: which delivery it goes on with.
    fn click(&self, click: Click) -> Later<'_, Result<Clicked, Refusal>>;

    /// Decides a request for bytes: unit, bytes and request id are reserved in one step, before the answer leaves.
    fn admit(&self, ask: Ask) -> Later<'_, Result<Permit, Refusal>>;

    /// Settles what the feed reported and remembers how far it was read, in one step.
    fn settle(&self, reports: Vec<Reported>, position: Option<FeedPosition>) -> Later<'_, Vec<Change>> {
        self.settle_all(reports.into_iter().map(Arrived::Delivery).collect(), position)
    }

    /// The same with reports about copies, which may begin deliveries: such a change leads from offered to open.
    fn settle_all(&self, reports: Vec<Arrived>, position: Option<FeedPosition>) -> Later<'_, Vec<Change>>;

    /// How far the feed was read.
    fn position(&self) -> Later<'_, Option<FeedPosition>>;

    /// Ends what is due, or a part of it: then `next` is over already. Forgets some of what left the public directories long
    /// ago.
    fn close_due(&self, now: Moment) -> Later<'_, Closing>;

    /// Decides whether the client of a delivery is sent away, and with `stub` where to: to the stub of the delivery that is
    /// there, else to a new one, whose row is written in the same step. A name that is taken is a fault.
    fn send_away(&self, away: Away, stub: Option<NewStub>) -> Later<'_, Result<SentAway, Refusal>>;

    /// The copy of a grant that is there or is to be made, else `copy`, whose row is written. `None` when the grant is not
    /// known.
    fn copy_for(&self, grant: GrantId, copy: NewCopy, now: Moment) -> Later<'_, Option<Placed>>;

    /// What is to be made in a directory at `now`, at most `limit`. Those whose grants are over meanwhile go.
    fn copies_due(&self, directory: DirectoryName, now: Moment, limit: usize) -> Later<'_, CopiesDue>;

    /// Remembers that a copy was made, or made anew of another version, and gives its row: it is there, or is going where its
    /// grant is over. `None` where none was to be made, and none is there.
    fn copy_made(&self, name: PlacedName, made: Made, now: Moment) -> Later<'_, Option<Placed>>;

    /// A copy that could not be made is tried again at `due`.
    fn copy_later(&self, name: PlacedName, due: Moment) -> Later<'_, ()>;

    /// Copies under these names that were there and are no more are to be made again, at `now`.
    fn copies_lost(&self, names: Vec<PlacedName>, now: Moment) -> Later<'_, ()>;

    /// What stands under these names, in public or no longer.
    fn placed(&self, names: Vec<PlacedName>) -> Later<'_, Vec<Placed>>;

    /// What was placed for a grant, the oldest first.
    fn placed_for(&self, grant: GrantId) -> Later<'_, Vec<Placed>>;

    /// What is in public, or going, by when it is looked at next: those after `after`, at most `limit`.
    fn placed_there(&self, after: Option<(Moment, PlacedName)>, limit: usize) -> Later<'_, Vec<Placed>>;

    /// Remembers that nothing is there under these names any more.
    fn placed_gone(&self, names: Vec<PlacedName>, now: Moment) -> Later<'_, ()>;

    /// What is going under these names is looked at again at `due`, and not sooner.
    fn going_later(&self, names: Vec<PlacedName>, due: Moment) -> Later<'_, ()>;

    /// Changes a grant as a person decided ([`Grant::amend`]) and gives it back; `None` when it is not known.
    fn amend(&self, grant: GrantId, amendment: Amendment, author: Author) -> Later<'_, Option<Grant>>;

    /// Withdraws a link; `false` when it is not known.
    fn revoke_link(&self, link: LinkId, author: Author) -> Later<'_, bool>;

    /// Adds what was counted elsewhere: refusals, which no decision of the store knows.
    fn count(&self, tallies: Vec<Tally>) -> Later<'_, ()>;

    /// What was counted in the hours from that of `from` up to, not including, `to`, by hour; what is of one hour and
    /// kind stands once.
    fn tallies(&self, from: Moment, to: Moment) -> Later<'_, Vec<Tally>>;

    /// Whether it decides no more, and will not before a restart.
    fn has_ended(&self) -> bool {
        false
    }

    /// What keeps it from deciding or from being read, in words for an operator; `None` as far as it knows. Costs nothing.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// All that is remembered, each part as those know it who use it: what decides downloads gets decisions alone.
#[derive(Clone)]
pub struct Stores {
    /// Grants, links, deliveries, what lies in public.
    pub decisions: Arc<dyn Store>,
    /// What shops report.
    pub orders: Arc<dyn OrderStore>,
    /// What they sell.
    pub catalogue: Arc<dyn CatalogueStore>,
    /// What is to be told.
    pub outbox: Arc<dyn OutboxStore>,
    /// What is kept about people.
    pub privacy: Arc<dyn PrivacyStore>,
    /// Who calls the API.
    pub callers: Arc<dyn CallerStore>,
    /// What was done over the API.
    pub deeds: Arc<dyn DeedStore>,
}

impl Stores {
    /// The parts of one store.
    pub fn of<S>(store: Arc<S>) -> Self
    where
        S: Store + OrderStore + CatalogueStore + OutboxStore + CallerStore + PrivacyStore + DeedStore + 'static,
    {
        Self {
            decisions: Arc::clone(&store) as _,
            orders: Arc::clone(&store) as _,
            catalogue: Arc::clone(&store) as _,
            outbox: Arc::clone(&store) as _,
            callers: Arc::clone(&store) as _,
            privacy: Arc::clone(&store) as _,
            deeds: store,
        }
    }
}
