//! What is kept about people, and forgetting it.

use std::collections::BTreeSet;

use super::{Kept, Memory};
use crate::domain::id::{GrantId, OrderId};
use crate::domain::moment::Moment;
use crate::domain::privacy::{Keep, anonymise};
use crate::store::Later;
use crate::store::privacy::{BLURRED_MAX, Blurred, Forgotten, Held, PrivacyStore, is_customer, is_customer_of_grant};

impl Kept {
    fn held_of(&self, who: &str) -> Held {
        let orders: Vec<OrderId> = self.sales.oldest().filter(|order| is_customer(&order.customer, who)).map(|order| order.id).collect();
        let mut seen = BTreeSet::new();
        let mut grants: Vec<GrantId> =
            orders.iter().flat_map(|order| self.sales.grants_of(*order)).filter(|grant| seen.insert(*grant)).collect();
        let is_of = |grant: &&GrantId| self.accounts.get(grant).is_some_and(|account| is_customer_of_grant(&account.grant.customer, who));
        if !who.is_empty() {
            grants.extend(self.granted.keys().map(|(_, grant)| grant).filter(is_of).filter(|grant| seen.insert(**grant)));
        }
        let letters = self.outbox.letters_to(who, &grants, &orders);
        Held { orders, grants, letters }
    }

    fn forget_grant(&mut self, grant: GrantId, pseudonym: &str) -> Forgotten {
        let Some(account) = self.accounts.get_mut(&grant) else { return Forgotten::default() };
        pseudonym.clone_into(&mut account.grant.customer);
        account.grant.networks_seen.clear();
        let mut done = Forgotten { grants: 1, running: account.deliveries.iter().count() as u64, ..Forgotten::default() };
        for delivery in self.ended.values_mut().filter(|delivery| delivery.grant == grant) {
            anonymise(delivery, Keep::Nothing);
            done.deliveries += 1;
        }
        done.messages = self.outbox.forget_about(Some(grant), None);
        done
    }

    fn blur_addresses(&mut self, before: Moment) -> Blurred {
        let mut done = Blurred::default();
        let mut ended: Vec<(Moment, u64)> = self.ended.iter().filter_map(|(key, delivery)| Some((delivery.closed?, *key))).collect();
        ended.sort_unstable();
        // Where the clock ran ahead, others may have ended before that since.
        let reached = self.blurred.filter(|(closed, _)| *closed < before);
        for (closed, key) in ended.into_iter().filter(|place| reached.is_none_or(|reached| *place > reached)) {
            if closed >= before || done.deliveries == BLURRED_MAX as u64 {
                done.next = Some(closed);
                return done;
            }
            if let Some(delivery) = self.ended.get_mut(&key) {
                anonymise(delivery, Keep::Network);
            }
            done.deliveries += 1;
            self.blurred = Some((closed, key));
        }
        done
    }
}

impl PrivacyStore for Memory {
    fn held_of(&self, who: String) -> Later<'_, Held> {
        Box::pin(async move { Ok(self.kept()?.held_of(&who)) })
    }

    fn forget_grant(&self, grant: GrantId, pseudonym: String) -> Later<'_, Forgotten> {
        Box::pin(async move { Ok(self.kept()?.forget_grant(grant, &pseudonym)) })
    }

    fn forget_order(&self, order: OrderId, pseudonym: String) -> Later<'_, Forgotten> {
        Box::pin(async move {
            let mut kept = self.kept()?;
            if !kept.sales.forget_customer(order, &pseudonym) {
                return Ok(Forgotten::default());
            }
            let messages = kept.outbox.forget_about(None, Some(order));
            Ok(Forgotten { orders: 1, messages, ..Forgotten::default() })
        })
    }

    fn forget_letters(&self, address: String) -> Later<'_, u64> {
        Box::pin(async move { Ok(self.kept()?.outbox.forget_letters(&address)) })
    }

    fn blur_addresses(&self, before: Moment) -> Later<'_, Blurred> {
        Box::pin(async move { Ok(self.kept()?.blur_addresses(before)) })
    }
}
