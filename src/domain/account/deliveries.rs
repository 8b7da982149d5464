//! The deliveries of an account, found by what decisions ask for: none of them looks at all.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::client::ClientKey;
use crate::domain::delivery::{Delivery, State};
use crate::domain::file::Version;
use crate::domain::id::DeliveryId;
use crate::domain::moment::Moment;
use crate::domain::policy::Policy;

/// Of the deliveries that a decision chooses among, so many of the newest are looked at, of each [`Stage`]. Only where
/// that many were clicked by one client, or wait for anybody, and none of them fits, an older one is not found: the
/// click is answered as if there were none.
pub(super) const LOOKS_MAX: usize = 64;

/// Deliveries in the order in which they were made. Only the rules of [`super::Account`] change them.
///
/// Each is found by its id, by who clicked it, by its cookie, by its stage, and by when its time is over, at a cost that
/// grows with the logarithm of how many there are.
#[derive(Clone, Debug, Default)]
pub struct Deliveries {
    made: BTreeMap<Number, Box<Kept>>,
    index: BTreeSet<(Key, Number)>,
    /// Those of [`Stage::OpenIdle`], by what they send.
    resting: Vec<(Version, BTreeSet<Number>)>,
    /// Bytes charged to those that have not ended.
    charged: u128,
    /// The number given last.
    last: Number,
}

/// The order in which deliveries were made.
type Number = u64;

#[derive(Clone, Debug)]
struct Kept {
    delivery: Delivery,
    /// Who clicked it.
    clicker: ClientKey,
    /// Where it stood when it was indexed.
    stage: Stage,
}

/// What a delivery is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Id(DeliveryId),
    Of(Whose, Stage),
    /// When one that is not opened was offered. The end of its time follows from this; of one that is opened, from the
    /// two below.
    Offered(Moment),
    Active(Moment),
    Opened(Moment),
}

/// Among whose deliveries is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whose {
    /// The one whose click gave out this cookie.
    Cookie(ClientKey),
    /// Those that were clicked by this client.
    Clicker(ClientKey),
    /// All.
    Anyone,
}

/// Where a delivery stands, as decisions ask for it. *Idle* is one of which no request is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Offered,
    OpenBusy,
    OpenIdle,
    StartedBusy,
    StartedIdle,
    CompletedBusy,
    CompletedIdle,
    Ended,
}

impl Stage {
    pub(super) const OPEN: &[Self] = &[Self::OpenBusy, Self::OpenIdle];
    pub(super) const UNDER_WAY: &[Self] = &[Self::OpenBusy, Self::OpenIdle, Self::StartedBusy, Self::StartedIdle];
    pub(super) const UNDER_WAY_IDLE: &[Self] = &[Self::OpenIdle, Self::StartedIdle];
    pub(super) const COMPLETED: &[Self] = &[Self::CompletedBusy, Self::CompletedIdle];
    /// Under way, or completed.
    pub(super) const RUNNING: &[Self] =
        &[Self::OpenBusy, Self::OpenIdle, Self::StartedBusy, Self::StartedIdle, Self::CompletedBusy, Self::CompletedIdle];
    /// All that is no offer.
    pub(super) const BEGUN: &[Self] =
        &[Self::OpenBusy, Self::OpenIdle, Self::StartedBusy, Self::StartedIdle, Self::CompletedBusy, Self::CompletedIdle, Self::Ended];

    fn of(delivery: &Delivery) -> Self {
        let busy_or = |busy, idle| if delivery.in_flight() > 0 { busy } else { idle };
        match delivery.state {
            _ if delivery.closed.is_some() => Self::Ended,
            State::Offered => Self::Offered,
            State::Open => busy_or(Self::OpenBusy, Self::OpenIdle),
            State::Started => busy_or(Self::StartedBusy, Self::StartedIdle),
            State::Completed => busy_or(Self::CompletedBusy, Self::CompletedIdle),
            State::Released | State::Presumed => Self::Ended,
        }
    }
}

impl Kept {
    fn new(delivery: Delivery) -> Self {
        let (clicker, stage) = (delivery.clicked_by.key(), Stage::of(&delivery));
        Self { delivery, clicker, stage }
    }

    fn keys(&self) -> [Option<Key>; 7] {
        let Self { delivery, clicker, stage } = self;
        let waits = delivery.closed.is_none();
        let offered = delivery.opened.is_none().then(|| delivery.offered_again.unwrap_or(delivery.offered));
        [
            Some(Key::Id(delivery.id)),
            Some(Key::Of(Whose::Cookie(delivery.cookie), *stage)),
            Some(Key::Of(Whose::Clicker(*clicker), *stage)),
            Some(Key::Of(Whose::Anyone, *stage)),
            offered.filter(|_| waits).map(Key::Offered),
            delivery.opened.filter(|_| waits).map(|_| Key::Active(delivery.active)),
            delivery.opened.filter(|_| waits).map(Key::Opened),
        ]
    }

    fn charged(&self) -> u128 {
        if self.delivery.closed.is_none() { u128::from(self.delivery.bytes_charged) } else { 0 }
    }
}

impl Deliveries {
    /// Each of them, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Delivery> {
        self.made.values().map(|kept| &kept.delivery)
    }

    /// The newest.
    pub fn last(&self) -> Option<&Delivery> {
        self.made.last_key_value().map(|(_, kept)| &kept.delivery)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.made.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// The newest delivery `id`.
    pub(super) fn of(&self, id: DeliveryId) -> Option<&Delivery> {
        self.made.get(&self.number(id)?).map(|kept| &kept.delivery)
    }

    /// Bytes charged to those that have not ended.
    pub(super) const fn charged(&self) -> u128 {
        self.charged
    }

    /// Those of one stage, the oldest first.
    pub(super) fn at(&self, stage: Stage) -> impl DoubleEndedIterator<Item = &Delivery> {
        self.found(Key::Of(Whose::Anyone, stage)).map(|(_, delivery)| delivery)
    }

    /// The newest of `stages` that `fits`; see [`LOOKS_MAX`].
    pub(super) fn newest(&self, whose: &[Whose], stages: &[Stage], fits: impl Fn(&Delivery) -> bool) -> Option<&Delivery> {
        let keys = whose.iter().flat_map(|whose| stages.iter().map(|stage| Key::Of(*whose, *stage)));
        let found = keys.filter_map(|key| self.found(key).rev().take(LOOKS_MAX).find(|(_, delivery)| fits(delivery)));
        found.max_by_key(|(number, _)| *number).map(|(_, delivery)| delivery)
    }

    /// Of those that are open and idle and send another version than `version`, at most [`LOOKS_MAX`] that `fit`, the
    /// oldest first.
    pub(super) fn resting(&self, version: &Version, fits: impl Fn(&Delivery) -> bool) -> Vec<DeliveryId> {
        let others = self.resting.iter().filter(|(sent, _)| sent != version).flat_map(|(_, numbers)| numbers).take(LOOKS_MAX);
        let others = others.filter_map(|number| Some((*number, &self.made.get(number)?.delivery)));
        let mut found: Vec<_> = others.filter(|(_, delivery)| fits(delivery)).map(|(number, delivery)| (number, delivery.id)).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// The first whose time is over, of those that have not ended, and when that is.
    pub(super) fn next_due(&self, policy: &Policy) -> Option<(Moment, &Delivery)> {
        let end = Moment::from_millis(u64::MAX);
        // Among each of these the one that stands first ends first.
        let spans = [
            (Key::Offered(Moment::EPOCH), Key::Offered(end)),
            (Key::Active(Moment::EPOCH), Key::Active(end)),
            (Key::Opened(Moment::EPOCH), Key::Opened(end)),
        ];
        let firsts = spans.into_iter().filter_map(|(from, to)| self.index.range((from, 0)..=(to, Number::MAX)).next());
        let ends = firsts.filter_map(|(_, number)| {
            let delivery = &self.made.get(number)?.delivery;
            Some((delivery.grace_ends(policy), *number, delivery))
        });
        ends.min_by_key(|(ends, number, _)| (*ends, *number)).map(|(ends, _, delivery)| (ends, delivery))
    }

    /// Adds one as the newest.
    pub(super) fn add(&mut self, delivery: Delivery) {
        self.last = self.last.saturating_add(1);
        let (number, kept) = (self.last, Kept::new(delivery));
        self.index.extend(kept.keys().into_iter().flatten().map(|key| (key, number)));
        self.charged += kept.charged();
        if kept.stage == Stage::OpenIdle {
            self.rest(&kept.delivery.version, number);
        }
        self.made.insert(number, Box::new(kept));
    }

    /// Takes one away.
    pub(super) fn remove(&mut self, id: DeliveryId) -> Option<Delivery> {
        let number = self.number(id)?;
        let kept = self.made.remove(&number)?;
        for key in kept.keys().into_iter().flatten() {
            self.index.remove(&(key, number));
        }
        self.charged = self.charged.saturating_sub(kept.charged());
        if kept.stage == Stage::OpenIdle {
            self.stir(&kept.delivery.version, number);
        }
        Some(kept.delivery)
    }

    /// Changes one of them; `None` where it is not there.
    pub(super) fn change<R>(&mut self, id: DeliveryId, change: impl FnOnce(&mut Delivery) -> R) -> Option<R> {
        let number = self.number(id)?;
        let kept = self.made.get_mut(&number)?;
        let (keys, charged, stage) = (kept.keys(), kept.charged(), kept.stage);

        let result = change(&mut kept.delivery);

        kept.stage = Stage::of(&kept.delivery);
        self.charged = self.charged.saturating_sub(charged) + kept.charged();
        for (before, after) in keys.into_iter().zip(kept.keys()).filter(|(before, after)| before != after) {
            if let Some(before) = before {
                self.index.remove(&(before, number));
            }
            self.index.extend(after.map(|after| (after, number)));
        }
        let now = kept.stage;
        if (stage == Stage::OpenIdle) != (now == Stage::OpenIdle) {
            let version = kept.delivery.version.clone();
            if now == Stage::OpenIdle { self.rest(&version, number) } else { self.stir(&version, number) }
        }
        Some(result)
    }

    fn number(&self, id: DeliveryId) -> Option<Number> {
        let of_id = (Key::Id(id), 0)..=(Key::Id(id), Number::MAX);
        self.index.range(of_id).next_back().map(|(_, number)| *number)
    }

    fn found(&self, key: Key) -> impl DoubleEndedIterator<Item = (Number, &Delivery)> {
        let numbers = self.index.range((key, 0)..=(key, Number::MAX)).map(|(_, number)| *number);
        numbers.filter_map(|number| Some((number, &self.made.get(&number)?.delivery)))
    }

    fn rest(&mut self, version: &Version, number: Number) {
        match self.resting.iter_mut().find(|(sent, _)| sent == version) {
            Some((_, numbers)) => drop(numbers.insert(number)),
            None => self.resting.push((version.clone(), BTreeSet::from([number]))),
        }
    }

    fn stir(&mut self, version: &Version, number: Number) {
        if let Some((_, numbers)) = self.resting.iter_mut().find(|(sent, _)| sent == version) {
            numbers.remove(&number);
        }
        self.resting.retain(|(_, numbers)| !numbers.is_empty());
    }
}

impl FromIterator<Delivery> for Deliveries {
    fn from_iter<I: IntoIterator<Item = Delivery>>(deliveries: I) -> Self {
        let mut all = Self::default();
        for delivery in deliveries {
            all.add(delivery);
        }
        all
    }
}

/// The same deliveries in the same order.
impl PartialEq for Deliveries {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Deliveries {}
