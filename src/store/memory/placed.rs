//! What lies in public.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::Kept;
use crate::domain::account::Away;
use crate::domain::id::{DeliveryId, GrantId};
use crate::domain::moment::Moment;
use crate::domain::placed::{DirectoryName, NewStub, Placed, PlacedName, Stay, What};
use crate::domain::refusal::Refusal;
use crate::store::{DUE_MAX, Down, SentAway, look, new_placed, send_away};

/// Of what is gone, so many are remembered.
const GONE_MAX: usize = 100_000;

#[derive(Debug, Default)]
pub(super) struct Public {
    placed: HashMap<PlacedName, Placed>,
    due: BTreeSet<(Moment, PlacedName)>,
    of_grant: BTreeMap<GrantId, BTreeSet<PlacedName>>,
    gone: VecDeque<PlacedName>,
}

impl Public {
    pub(super) fn put(&mut self, placed: Placed) {
        if let Some(before) = self.placed.get(&placed.name) {
            self.due.remove(&(before.due, before.name.clone()));
        }
        match placed.stay {
            Stay::Live | Stay::Going => drop(self.due.insert((placed.due, placed.name.clone()))),
            Stay::Gone(_) => self.gone.push_back(placed.name.clone()),
        }
        self.of_grant.entry(placed.grant).or_default().insert(placed.name.clone());
        self.placed.insert(placed.name.clone(), placed);
        while self.gone.len() > GONE_MAX
            && let Some(oldest) = self.gone.pop_front().and_then(|oldest| self.placed.remove(&oldest))
            && let Some(names) = self.of_grant.get_mut(&oldest.grant)
        {
            names.remove(&oldest.name);
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
        let later = |key: &&(Moment, PlacedName)| after.is_none_or(|after| *key > after);
        self.due.iter().filter(later).take(most).filter_map(|(_, name)| self.placed.get(name)).cloned().collect()
    }

    pub(super) fn gone(&mut self, names: &[PlacedName], now: Moment) {
        for known in self.under(names) {
            if !matches!(known.stay, Stay::Gone(_)) {
                self.put(known.gone(now));
            }
        }
    }

    /// What is placed for `grant`, or of it for `delivery`, is looked at now.
    pub(super) fn hasten(&mut self, grant: GrantId, delivery: Option<DeliveryId>) {
        let of = |placed: &Placed| delivery.is_none_or(|delivery| placed.what == What::Stub(delivery));
        for placed in self.of_grant(grant) {
            if placed.stay == Stay::Live && of(&placed) {
                self.put(Placed { due: Moment::EPOCH, ..placed });
            }
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
            let What::Stub(delivery) = known.what;
            let looked = look(&known, self.accounts.get(&known.grant).and_then(|account| account.stays_until(delivery, now)), now);
            if looked.stay == Stay::Going {
                going.push(looked.clone());
            }
            self.public.put(looked);
        }
        going
    }

    pub(super) fn send_away(&mut self, away: &Away, stub: Option<NewStub>) -> Result<Result<SentAway, Refusal>, Down> {
        let Some(place) = self.places.get(&away.delivery).copied() else { return Ok(Err(Refusal::UnknownLink)) };
        let there = stub.as_ref().and_then(|stub| self.public.stub_of(place.grant, away.delivery, &stub.directory));
        if there.is_none() && stub.as_ref().is_some_and(|stub| self.public.placed.contains_key(&stub.name)) {
            return Err(Down::Unreachable);
        }
        let sent = self.run(place.grant, Some(away.delivery), |account| send_away(account, away));
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
}
