//! A running site: everything that the use cases work with. What a reload changes is replaced whole, as one generation;
//! what is remembered and counted lives on from one to the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, Notify, RwLock, Semaphore, broadcast, watch};

use super::asking::{Asked, Asks};
use super::copies::Copies;
use super::htpasswd::Htpasswds;
use super::metrics::Metrics;
use super::outbox::Outbox;
use super::refusals::Refusals;
use super::remembered::{Refused, Remembered};
use super::repeated::RunningCalls;
use super::scan::Scans;
use super::streams::Streams;
use super::upkeep::Upkeep;
use super::zen_cart::ZenCarts;
use crate::auth::Logins;
use crate::clock;
use crate::config::{Configuration, PublicUrl};
use crate::domain::account::Change;
use crate::domain::moment::Moment;
use crate::domain::path::{CanonicalPath, PathFault};
use crate::domain::policy::Method;
use crate::outbox::Couriers;
use crate::pages::Pages;
use crate::proof::key::KeyRing;
use crate::public::Directories;
use crate::storage::Storages;
use crate::store::{CallerStore, CatalogueStore, DeedStore, OrderStore, OutboxStore, PrivacyStore, Store, Stores};

/// Followers that lag behind by more than this many events miss some, and are told so.
const EVENTS_MAX: usize = 1024;

/// Everything that the use cases work with: one generation, made at the start or by a reload. Who asks for it once works
/// with one configuration to the end.
pub struct Site {
    // What a reload changes.
    /// The configuration as used.
    pub configuration: Configuration,
    /// The path of `public_url`.
    pub public_path: CanonicalPath,
    /// The keys.
    pub keys: Arc<KeyRing>,
    /// Who logs in with a password.
    pub logins: Arc<Logins>,
    /// The masters.
    pub storages: Arc<Storages>,
    /// The public directories.
    pub directories: Arc<Directories>,
    /// The pages of refusals.
    pub pages: Arc<Pages>,
    /// Those by whom messages leave.
    pub couriers: Arc<Couriers>,
    // What lives on.
    /// What is remembered.
    pub store: Arc<dyn Store>,
    /// What shops report.
    pub orders: Arc<dyn OrderStore>,
    /// What they sell.
    pub catalogue: Arc<dyn CatalogueStore>,
    /// What is to be told.
    pub messages: Arc<dyn OutboxStore>,
    /// What is kept about people.
    pub privacy: Arc<dyn PrivacyStore>,
    /// Who calls the API.
    pub callers: Arc<dyn CallerStore>,
    /// What was done over the API.
    pub deeds: Arc<dyn DeedStore>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The last refusals.
    pub remembered: Arc<Remembered>,
    /// Whether what was reported while nobody listened or the store was down has been settled, so that the sweep may end
    /// what is due.
    pub caught_up: watch::Sender<bool>,
    /// Refusals that were counted and not kept yet.
    pub refusals: Arc<Refusals>,
    /// What our own streams report and the store has not taken yet.
    pub streams: Arc<Streams>,
    /// The copies that are being made.
    pub copies: Arc<Copies>,
    /// What the masters of the catalogue are.
    pub scans: Arc<Scans>,
    /// Whoever changes a file of the catalogue holds this meanwhile.
    pub(super) cataloguing: Arc<Mutex<()>>,
    /// Who asked for more lately.
    pub asks: Arc<Asks>,
    /// What is known of Zen Cart's links.
    pub zen_carts: Arc<ZenCarts>,
    /// What is known of those who are told what happens.
    pub outbox: Arc<Outbox>,
    /// Whoever changes what others may have looked at holds this meanwhile; alone, where it matters what was seen. Who needs
    /// several takes this first, then `amending`, then `cataloguing`; and nobody takes it twice, or waits for a caller with it.
    pub changing: Arc<RwLock<()>>,
    /// The calls of the API with a name that are being answered.
    pub(super) calls: Arc<RunningCalls>,
    /// Whoever changes a grant by what it is now holds this meanwhile.
    pub(super) amending: Arc<Mutex<()>>,
    /// Who may enter public directories, and what their htpasswd files say.
    pub(super) htpasswds: Arc<Htpasswds>,
    /// Masters are read to be hashed one after the other, so that the disk is there for customers.
    pub(super) hashing: Arc<Semaphore>,
    /// What those who fill and clear public directories tell each other.
    pub(super) upkeep: Arc<Upkeep>,
    /// Whoever takes things out of public directories holds this meanwhile.
    pub(super) sweeping: Arc<Mutex<()>>,
    /// Wakes what shortens addresses: another configuration holds.
    pub(super) kept_otherwise: Arc<Notify>,
    /// Wakes what serves orders that wait: other policies may be configured.
    pub(super) policies_named: Arc<Notify>,
    /// Wakes the sweep: something may be due earlier than it thinks.
    pub wake: Arc<Notify>,
    /// Until when the sweep sleeps, in milliseconds since 1970 UTC; the end of time while it looks.
    pub(super) sweep_sleeps_until: Arc<AtomicU64>,
    events: broadcast::Sender<Event>,
}

/// The generation that is current. All that answer share it, and ask for it once a question or step.
#[derive(Clone)]
pub struct Current(Arc<ArcSwap<Site>>);

impl Current {
    /// Begins with `site`.
    pub fn new(site: Site) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(site)))
    }

    /// The generation that is current now.
    pub fn site(&self) -> Arc<Site> {
        self.0.load_full()
    }

    /// Puts `next` in its place, for every question from now on. What was begun ends with what it began with.
    pub fn replace(&self, next: Site) {
        self.0.store(Arc::new(next));
        self.replaced();
    }

    /// Puts `next` in the place of `before`, unless that is not current any more; whether it did.
    pub(super) fn exchange(&self, before: &Arc<Site>, next: Site) -> bool {
        let found = self.0.compare_and_swap(before, Arc::new(next));
        let is_taken = Arc::ptr_eq(&found, before);
        if is_taken {
            self.replaced();
        }
        is_taken
    }

    fn replaced(&self) {
        let site = self.site();
        // The sweep sleeps with the generation that it looked at, and its keys are to be wiped.
        site.wake.notify_one();
        site.copies.wake();
        site.zen_carts.wake();
        site.scans.ask();
        site.outbox.wake();
        site.htpasswds.wake();
        site.upkeep.look.notify_one();
        site.kept_otherwise.notify_one();
        site.policies_named.notify_one();
    }
}

/// What happened, for those who follow.
#[derive(Clone, Debug)]
pub enum Event {
    /// A delivery changed.
    Changed(Change),
    /// A question was refused.
    Refused(Refused),
    /// A customer asks for more.
    Asked(Asked),
}

impl Site {
    /// Puts the first generation together.
    pub fn new(
        configuration: Configuration,
        keys: KeyRing,
        logins: Logins,
        storages: Storages,
        directories: Directories,
        stores: Stores,
        pages: Pages,
    ) -> Result<Self, PathFault> {
        Ok(Self {
            public_path: CanonicalPath::parse(&configuration.public_url.path)?,
            configuration,
            keys: Arc::new(keys),
            logins: Arc::new(logins),
            storages: Arc::new(storages),
            directories: Arc::new(directories),
            pages: Arc::new(pages),
            couriers: Arc::default(),
            store: stores.decisions,
            orders: stores.orders,
            catalogue: stores.catalogue,
            messages: stores.outbox,
            privacy: stores.privacy,
            callers: stores.callers,
            deeds: stores.deeds,
            metrics: Arc::new(Metrics::new(clock::now())),
            remembered: Arc::default(),
            caught_up: watch::Sender::new(false),
            refusals: Arc::default(),
            streams: Arc::default(),
            copies: Arc::default(),
            scans: Arc::default(),
            cataloguing: Arc::default(),
            asks: Arc::default(),
            zen_carts: Arc::default(),
            outbox: Arc::default(),
            changing: Arc::default(),
            calls: Arc::default(),
            amending: Arc::default(),
            htpasswds: Arc::default(),
            hashing: Arc::new(Semaphore::new(1)),
            upkeep: Arc::default(),
            sweeping: Arc::default(),
            kept_otherwise: Arc::default(),
            policies_named: Arc::default(),
            wake: Arc::default(),
            sweep_sleeps_until: Arc::new(AtomicU64::new(u64::MAX)),
            events: broadcast::channel(EVENTS_MAX).0,
        })
    }

    /// The next generation: what is new, and what lives on.
    pub fn renewed(
        &self,
        configuration: Configuration,
        keys: KeyRing,
        logins: Logins,
        storages: Storages,
        directories: Directories,
        pages: Pages,
    ) -> Result<Self, PathFault> {
        Ok(Self {
            public_path: CanonicalPath::parse(&configuration.public_url.path)?,
            configuration,
            logins: Arc::new(logins),
            storages: Arc::new(storages),
            directories: Arc::new(directories),
            pages: Arc::new(pages),
            ..self.with_keys(keys)
        })
    }

    /// The next generation, of which nothing but the keys is new.
    #[must_use]
    pub fn with_keys(&self, keys: impl Into<Arc<KeyRing>>) -> Self {
        Self {
            public_path: self.public_path.clone(),
            configuration: self.configuration.clone(),
            keys: keys.into(),
            logins: Arc::clone(&self.logins),
            storages: Arc::clone(&self.storages),
            directories: Arc::clone(&self.directories),
            pages: Arc::clone(&self.pages),
            couriers: Arc::clone(&self.couriers),
            store: Arc::clone(&self.store),
            orders: Arc::clone(&self.orders),
            catalogue: Arc::clone(&self.catalogue),
            messages: Arc::clone(&self.messages),
            privacy: Arc::clone(&self.privacy),
            callers: Arc::clone(&self.callers),
            deeds: Arc::clone(&self.deeds),
            metrics: Arc::clone(&self.metrics),
            remembered: Arc::clone(&self.remembered),
            caught_up: self.caught_up.clone(),
            refusals: Arc::clone(&self.refusals),
            streams: Arc::clone(&self.streams),
            copies: Arc::clone(&self.copies),
            scans: Arc::clone(&self.scans),
            cataloguing: Arc::clone(&self.cataloguing),
            asks: Arc::clone(&self.asks),
            zen_carts: Arc::clone(&self.zen_carts),
            outbox: Arc::clone(&self.outbox),
            changing: Arc::clone(&self.changing),
            calls: Arc::clone(&self.calls),
            amending: Arc::clone(&self.amending),
            htpasswds: Arc::clone(&self.htpasswds),
            hashing: Arc::clone(&self.hashing),
            upkeep: Arc::clone(&self.upkeep),
            sweeping: Arc::clone(&self.sweeping),
            kept_otherwise: Arc::clone(&self.kept_otherwise),
            policies_named: Arc::clone(&self.policies_named),
            wake: Arc::clone(&self.wake),
            sweep_sleeps_until: Arc::clone(&self.sweep_sleeps_until),
            events: self.events.clone(),
        }
    }

    /// The same, with those by whom messages leave.
    #[must_use]
    pub fn with_couriers(self, couriers: Couriers) -> Self {
        Self { couriers: Arc::new(couriers), ..self }
    }

    /// The next generation, of which nothing but the open public directories is new.
    #[must_use]
    pub(super) fn with_directories(&self, directories: Directories) -> Self {
        Self { directories: Arc::new(directories), ..self.with_keys(Arc::clone(&self.keys)) }
    }

    /// The name that proofs are made for.
    pub fn name(&self) -> &str {
        &self.configuration.site
    }

    /// Where customers reach us.
    pub fn public_url(&self) -> &PublicUrl {
        &self.configuration.public_url
    }

    /// Whether anybody reports what is sent by `method`: the feed, or our own stream.
    pub(super) fn is_reported(&self, method: Method) -> bool {
        self.configuration.is_measured() || method == Method::Stream
    }

    /// Everything that happens from now on.
    pub fn follow(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// The sweep must know of something that is due at `moment`. Most is due later than what is due first, and wakes
    /// nobody.
    pub(super) fn due(&self, moment: Moment) {
        if moment.millis() < self.sweep_sleeps_until.load(Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }

    /// Tells those who follow.
    pub fn tell(&self, event: impl FnOnce() -> Event) {
        if self.events.receiver_count() > 0 {
            // A follower may leave between the two lines; then there is nobody to tell.
            let _ = self.events.send(event());
        }
    }
}
