//! A running site: everything that the use cases work with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, Notify, Semaphore, broadcast, watch};

use super::metrics::Metrics;
use super::refusals::Refusals;
use super::remembered::{Refused, Remembered};
use super::streams::Streams;
use crate::clock;
use crate::config::{Configuration, PublicUrl};
use crate::domain::account::Change;
use crate::domain::moment::Moment;
use crate::domain::path::{CanonicalPath, PathFault};
use crate::domain::policy::Method;
use crate::pages::Pages;
use crate::proof::key::KeyRing;
use crate::storage::Storages;
use crate::store::Store;

/// Followers that lag behind by more than this many events miss some, and are told so.
const EVENTS_MAX: usize = 1024;

/// Everything that the use cases work with, made once at start.
pub struct Site {
    /// The configuration as used.
    pub configuration: Configuration,
    /// The path of `public_url`.
    pub public_path: CanonicalPath,
    /// The keys.
    pub keys: KeyRing,
    /// The masters.
    pub storages: Storages,
    /// What is remembered.
    pub store: Arc<dyn Store>,
    /// The pages of refusals.
    pub pages: Pages,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The last refusals.
    pub remembered: Remembered,
    /// Whether what was reported while nobody listened or the store was down has been settled, so that the sweep may end
    /// what is due.
    pub caught_up: watch::Sender<bool>,
    /// Refusals that were counted and not kept yet.
    pub refusals: Refusals,
    /// What our own streams report and the store has not taken yet.
    pub streams: Streams,
    /// Whoever changes a grant by what it is now holds this meanwhile.
    pub(super) amending: Mutex<()>,
    /// Masters are read to be hashed one after the other, so that the disk is there for customers.
    pub(super) hashing: Arc<Semaphore>,
    /// Wakes the sweep: something may be due earlier than it thinks.
    pub wake: Notify,
    /// Until when the sweep sleeps, in milliseconds since 1970 UTC; the end of time while it looks.
    pub(super) sweep_sleeps_until: AtomicU64,
    events: broadcast::Sender<Event>,
}

/// What happened, for those who follow.
#[derive(Clone, Debug)]
pub enum Event {
    /// A delivery changed.
    Changed(Change),
    /// A question was refused.
    Refused(Refused),
}

impl Site {
    /// Puts a site together.
    pub fn new(
        configuration: Configuration,
        keys: KeyRing,
        storages: Storages,
        store: Arc<dyn Store>,
        pages: Pages,
    ) -> Result<Self, PathFault> {
        Ok(Self {
            public_path: CanonicalPath::parse(&configuration.public_url.path)?,
            configuration,
            keys,
            storages,
            store,
            pages,
            metrics: Arc::new(Metrics::new(clock::now())),
            remembered: Remembered::default(),
            caught_up: watch::Sender::new(false),
            refusals: Refusals::default(),
            streams: Streams::default(),
            amending: Mutex::new(()),
            hashing: Arc::new(Semaphore::new(1)),
            wake: Notify::new(),
            sweep_sleeps_until: AtomicU64::new(u64::MAX),
            events: broadcast::channel(EVENTS_MAX).0,
        })
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
