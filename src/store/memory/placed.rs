//! What lies in public.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;

use super::{Kept, Limits, Memory};
use crate::domain::account::{Away, Change, CopyReport};
use crate::domain::file::FileRef;
use crate::domain::grant::Grant;
use crate::domain::id::{DeliveryId, GrantId};
use crate::domain::moment::Moment;
use crate::domain::place::Place;
use crate::domain::placed::{DirectoryName, Made, NewCopy, NewStub, Placed, PlacedName, Stay, What};
use crate::domain::policy::Edition;
use crate::domain::refusal::Refusal;
use crate::store::{
    Arrived, CopiesDue, DUE_MAX, Down, FORGOTTEN_MAX, Later, PlaceStore, SentAway, is_copy, long_gone, look, lost, made as store_made,
    new_placed, send_away, was_made,
};

/// Of what is gone, so many are remembered.
const GONE_MAX: usize = 100_000;

#[derive(Debug, Default)]
pub(super) struct Public {
    placed: HashMap<PlacedName, Placed>,
    due: BTreeSet<(Moment, PlacedName)>,
    /// Copies that are to be made, and when.
    preparing: BTreeSet<(DirectoryName, Moment, PlacedName)>,
    of_grant: BTreeMap<GrantId, BTreeSet<PlacedName>>,
    /// What is gone, and since when.
    gone: BTreeSet<(Moment, PlacedName)>,
    /// The grants that keep the version of their first copy.
    keeping: HashSet<GrantId>,
    places: Vec<Place>,
}

impl Public {
    pub(super) fn issued(&mut self, grant: &Grant) {
        if grant.policy.edition == Edition::Purchased {
            self.keeping.insert(grant.id);
        }
    }

    /// The copies of `grant` that are there or are to be made, and were made of `from` if that is said, are of `to` from now
    /// on.
    pub(super) fn lead(&mut self, grant: GrantId, from: Option<&FileRef>, to: &FileRef) {
        let copies = self.of_grant(grant).into_iter().filter(is_copy);
        for copy in copies.filter(|copy| from.is_none_or(|from| copy.file == *from)).collect::<Vec<_>>() {
            self.put(Placed { file: to.clone(), ..copy });
        }
    }

    pub(super) fn put(&mut self, placed: Placed) {
        if let Some(before) = self.placed.get(&placed.name) {
            self.due.remove(&(before.due, before.name.clone()));
            self.preparing.remove(&(before.directory.clone(), before.due, before.name.clone()));
        }
        match placed.stay {
            Stay::Live | Stay::Going => drop(self.due.insert((placed.due, placed.name.clone()))),
            Stay::Preparing => drop(self.preparing.insert((placed.directory.clone(), placed.due, placed.name.clone()))),
            Stay::Gone(gone) => drop(self.gone.insert((gone, placed.name.clone()))),
        }
        self.of_grant.entry(placed.grant).or_default().insert(placed.name.clone());
        self.placed.insert(placed.name.clone(), placed);
        while self.gone.len() > GONE_MAX {
            self.forget_oldest();
        }
    }

    /// Forgets what was gone first, unless it has to stay known.
    fn forget_oldest(&mut self) {
        let Some((_, oldest)) = self.gone.pop_first() else { return };
        let Some(grant) = self.placed.get(&oldest).map(|placed| placed.grant) else { return };
        let is_kept =
            self.keeping.contains(&grant) && self.of_grant(grant).iter().find(|row| was_made(row)).is_some_and(|row| row.name == oldest);
        if is_kept {
            return;
        }
        self.placed.remove(&oldest);
        if let Some(names) = self.of_grant.get_mut(&grant) {
            names.remove(&oldest);
        }
    }

    /// Forgets a part of what was gone before `before` or at it.
    fn forget_gone(&mut self, before: Moment) {
        for _ in 0..FORGOTTEN_MAX {
            if self.gone.first().is_none_or(|(gone, _)| *gone > before) {
                return;
            }
            self.forget_oldest();
        }
    }

    pub(super) fn under(&self, names: &[PlacedName]) -> Vec<Placed> {
        names.iter().filter_map(|name| self.placed.get(name)).cloned().collect()
    }

    pub(super) fn of_grant(&self, grant: GrantId) -> Vec<Placed> {
        let names = self.of_grant.get(&grant).into_iter().flatten();
        let mut found: Vec<Placed> = names.filter_map(|name| self.placed.get(name)).cloned().collect();
        found.sort_by(|one, other| (one.placed, &one.name).cmp(&(other.placed, &other.name)));
        found
    }

    /// The stub of a delivery that is there.
    pub(super) fn stub_of(&self, grant: GrantId, delivery: DeliveryId, directory: &DirectoryName) -> Option<Placed> {
        let names = self.of_grant.get(&grant)?.iter();
        let fits = |placed: &&Placed| placed.what == What::Stub(delivery) && placed.directory == *directory && placed.stay == Stay::Live;
        names.filter_map(|name| self.placed.get(name)).find(fits).cloned()
    }

    pub(super) fn there(&self, after: Option<&(Moment, PlacedName)>, most: usize) -> Vec<Placed> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let there = self.due.range((from, Bound::Unbounded)).take(most).cloned();
        let preparing = self.preparing.iter().map(|(_, due, name)| (*due, name.clone()));
        let mut keys: Vec<_> = there.chain(preparing.filter(|key| after.is_none_or(|after| key > after))).collect();
        keys.sort_unstable();
        keys.iter().take(most).filter_map(|(_, name)| self.placed.get(name)).cloned().collect()
    }

    pub(super) fn gone(&mut self, names: &[PlacedName], now: Moment) {
        for known in self.under(names) {
            if !matches!(known.stay, Stay::Gone(_)) {
                self.put(known.gone(now));
            }
        }
    }

    pub(super) fn going_later(&mut self, names: &[PlacedName], due: Moment) {
        for known in self.under(names).into_iter().filter(|known| known.stay == Stay::Going) {
            self.put(Placed { due, ..known });
        }
    }

    pub(super) fn lost(&mut self, names: &[PlacedName], now: Moment) {
        for again in self.under(names).into_iter().filter_map(|known| lost(known, now)) {
            self.put(again);
        }
    }

    /// What is placed for `grant` and `fits` is looked at now.
    pub(super) fn hasten(&mut self, grant: GrantId, fits: impl Fn(&What) -> bool) {
        for placed in self.of_grant(grant) {
            if matches!(placed.stay, Stay::Live | Stay::Preparing) && fits(&placed.what) {
                self.put(Placed { due: Moment::EPOCH, ..placed });
            }
        }
    }

    /// What has no bytes left is looked at now.
    pub(super) fn overdrawn(&mut self, change: &Change) {
        if change.is_overdrawn {
            self.hasten(change.grant, |_| true);
        }
    }

    /// What is to be looked at, at most `most`.
    pub(super) fn due(&self, now: Moment, most: usize) -> Vec<Placed> {
        let due = self.due.iter().take_while(|(due, _)| *due <= now).take(most);
        due.filter_map(|(_, name)| self.placed.get(name)).cloned().collect()
    }

    pub(super) fn next_due(&self) -> Option<Moment> {
        self.due.first().map(|(due, _)| *due)
    }
}

impl Kept {
    /// What has to leave the public directories, a part of it where much is due.
    pub(super) fn going(&mut self, now: Moment) -> Vec<Placed> {
        let mut going = Vec::new();
        for known in self.public.due(now, DUE_MAX) {
            let looked = look(&known, self.accounts.get(&known.grant), now);
            if looked.stay == Stay::Going {
                going.push(looked.clone());
            }
            self.public.put(looked);
        }
        self.public.forget_gone(long_gone(now));
        going
    }

    pub(super) fn send_away(&mut self, away: &Away, stub: Option<NewStub>) -> Result<Result<SentAway, Refusal>, Down> {
        let Some(place) = self.places.get(&away.delivery).copied() else { return Ok(Err(Refusal::UnknownLink)) };
        let there = stub.as_ref().and_then(|stub| self.public.stub_of(place.grant, away.delivery, &stub.directory));
        if there.is_none() && stub.as_ref().is_some_and(|stub| self.public.placed.contains_key(&stub.name)) {
            return Err(Down::Unreachable);
        }
        let sent = self.run(place.grant, Some(away.delivery), away.now, |account| send_away(account, away));
        let (permit, tally) = match sent.unwrap_or(Err(Refusal::UnknownLink)) {
            Ok(sent) => sent,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(tally) = tally {
            self.records.count(tally);
        }
        let Some(stub) = stub else { return Ok(Ok((permit, None))) };
        if there.is_some() {
            return Ok(Ok((permit, there)));
        }
        let new = new_placed(stub, away, &permit);
        self.public.put(new.clone());
        Ok(Ok((permit, Some(new))))
    }

    pub(super) fn copy_for(&mut self, grant: GrantId, copy: NewCopy, now: Moment) -> Option<Placed> {
        let file = self.accounts.get(&grant)?.grant.file.clone();
        let there = self.public.of_grant(grant).into_iter().find(is_copy);
        Some(there.unwrap_or_else(|| {
            let new = copy.row(grant, file, now);
            self.public.put(new.clone());
            new
        }))
    }

    pub(super) fn copies_due(&mut self, directory: &DirectoryName, now: Moment, most: usize) -> CopiesDue {
        let mut due = CopiesDue::default();
        let waiting = self.public.preparing.iter().filter(|(of, ..)| of == directory);
        let waiting: Vec<_> =
            waiting.take(most.saturating_add(1)).filter_map(|(_, _, name)| self.public.placed.get(name)).cloned().collect();
        for known in waiting {
            if known.due > now || due.copies.len() == most {
                due.next = Some(known.due);
                break;
            }
            let looked = look(&known, self.accounts.get(&known.grant), now);
            if looked.stay == Stay::Preparing {
                due.copies.push(looked);
            } else {
                due.going += 1;
                self.public.put(Placed { due: now, ..looked });
            }
        }
        due
    }

    pub(super) fn copy_made(&mut self, name: &PlacedName, made: Made, now: Moment) -> Option<Placed> {
        let known = self.public.placed.get(name).filter(|known| is_copy(known))?;
        let mut there = store_made(known, made, self.accounts.get(&known.grant), now);
        if there.stay == Stay::Going {
            there.due = now;
        }
        self.public.put(there.clone());
        Some(there)
    }

    pub(super) fn copy_later(&mut self, name: &PlacedName, due: Moment) {
        if let Some(known) = self.public.placed.get(name).filter(|known| known.stay == Stay::Preparing).cloned() {
            self.public.put(Placed { due, ..known });
        }
    }

    /// Deliveries that have ended make room, the one that ended first goes first.
    pub(super) fn make_room(&mut self, limits: Limits) {
        while self.places.len() > limits.deliveries
            && let Some((_, oldest)) = self.ended.pop_first()
        {
            self.forget(oldest.id);
        }
    }

    /// Settles one line of the feed.
    pub(super) fn arrived(&mut self, arrived: &Arrived, limits: Limits) -> Vec<Change> {
        match arrived {
            Arrived::Delivery(reported) => self.report(reported).into_iter().collect(),
            Arrived::Copy(told) => {
                let changes = self.report_copy(told);
                self.make_room(limits);
                changes
            }
        }
    }

    /// A report about a copy, as one of the delivery that it is of, or that it begins.
    fn report_copy(&mut self, told: &CopyReport) -> Vec<Change> {
        let Some(account) = self.accounts.get(&told.grant) else { return Vec::new() };
        let known = self.places.contains_key(&told.fresh).then_some(told.fresh).or_else(|| account.copy_delivery(told));
        let opened =
            if known.is_none() { self.run(told.grant, None, told.report.ended, |account| account.open_copy(told)).flatten() } else { None };
        self.count_changes(opened.as_slice());
        let of = known.or(opened.as_ref().map(|opened| opened.delivery));
        let settled = of.and_then(|of| self.report(&told.of(of)));
        let has_bytes = self.accounts.get(&told.grant).is_none_or(crate::domain::account::Account::has_bytes_left);
        if settled.as_ref().is_some_and(|settled| settled.state != settled.before || !has_bytes) {
            self.public.hasten(told.grant, |what| matches!(what, What::Copy(_)));
        }
        opened.into_iter().chain(settled).collect()
    }
}

impl PlaceStore for Memory {
    fn places(&self) -> Later<'_, Vec<Place>> {
        Box::pin(async move { Ok(self.kept()?.public.places.clone()) })
    }

    fn keep_places(&self, mut places: Vec<Place>) -> Later<'_, ()> {
        places.sort_by(|one, other| (&one.directory, &one.path).cmp(&(&other.directory, &other.path)));
        Box::pin(async move { self.kept().map(|mut kept| kept.public.places = places) })
    }

    fn lying(&self, places: Vec<Place>) -> Later<'_, Vec<u64>> {
        Box::pin(async move {
            let kept = self.kept()?;
            let there = |placed: &&Placed| !matches!(placed.stay, Stay::Gone(_));
            let count = |place: &Place| kept.public.placed.values().filter(there).filter(|placed| place.may_hold(placed)).count() as u64;
            Ok(places.iter().map(count).collect())
        })
    }
}
