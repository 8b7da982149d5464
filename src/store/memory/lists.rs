//! What is kept, looked up; and lists of it, the newest first.

use super::Kept;
use crate::domain::account::Account;
use crate::domain::delivery::Delivery;
use crate::domain::grant::Grant;
use crate::domain::id::{DeliveryId, GrantId, LinkId};
use crate::domain::link::Link;
use crate::domain::moment::Moment;
use crate::store::{Content, Filter, Grants, Target, most};

impl Kept {
    pub(super) fn account(&self, grant: GrantId, with: Option<DeliveryId>) -> Option<Account> {
        let mut account = self.accounts.get(&grant)?.clone();
        let place = with.and_then(|id| self.places.get(&id)).filter(|place| place.grant == grant);
        if let Some(late) = place.and_then(|place| self.ended.get(&place.ended?)) {
            account.take_in(late.clone());
        }
        Some(account)
    }

    pub(super) fn target(&self, link: LinkId) -> Option<Target> {
        Some(Target::of(&self.accounts.get(&self.links.get(&link)?.grant)?.grant))
    }

    pub(super) fn content(&self, id: DeliveryId) -> Option<Content> {
        let place = *self.places.get(&id)?;
        let delivery = self.delivery(id, place)?;
        let target = Target::of(&self.accounts.get(&place.grant)?.grant);
        Some(Content { target: target.at(delivery.at.clone()), version: delivery.version.clone() })
    }

    pub(super) fn grants(&self, which: &Grants) -> Vec<Grant> {
        let most = most(which.limit);
        let before = which.before.map(|id| (self.accounts.get(&id).map_or(Moment::EPOCH, |account| account.grant.created), id));
        let older = self.granted.keys().rev().filter(|key| before.is_none_or(|before| **key < before));
        let found = older.filter_map(|(_, id)| self.accounts.get(id)).map(|account| &account.grant);
        let of_customer = |grant: &&Grant| which.customer.as_ref().is_none_or(|customer| grant.customer == *customer);
        let of_file = |grant: &&Grant| which.file.as_ref().is_none_or(|file| grant.file == *file);
        found.filter(of_customer).filter(of_file).take(most).cloned().collect()
    }

    pub(super) fn links(&self, grant: GrantId) -> Vec<Link> {
        let Some(account) = self.accounts.get(&grant) else { return Vec::new() };
        let ids = self.granted.get(&(account.grant.created, grant)).into_iter().flatten().rev();
        ids.filter_map(|id| self.links.get(id)).cloned().collect()
    }

    /// Costs what the list is long, however much is kept.
    pub(super) fn list(&self, filter: &Filter) -> Vec<Delivery> {
        let most = most(filter.limit);
        let before = match filter.before.map(|id| self.places.get(&id)) {
            None => u64::MAX,
            Some(Some(place)) => place.made,
            Some(None) => return Vec::new(),
        };
        let Some(grant) = filter.grant else {
            let found =
                self.made.range(..before).rev().map(|(_, id)| id).take(most).filter_map(|id| self.delivery(*id, *self.places.get(id)?));
            return found.cloned().collect();
        };
        let newest = self.made_of.range((grant, 0)..(grant, before)).rev().take(most);
        let found = newest.filter_map(|(_, id)| self.delivery(*id, *self.places.get(id)?));
        found.cloned().collect()
    }
}
