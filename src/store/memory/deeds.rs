//! What people and programs did.

use std::collections::BTreeMap;

use super::Memory;
use crate::domain::deed::{Deed, Stage};
use crate::store::{DeedStore, Deeds, Later, most};

/// So much is kept here: some 2 MB.
const DEEDS_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Done {
    deeds: BTreeMap<u64, Deed>,
    last: u64,
}

impl Done {
    fn add(&mut self, deed: Deed) -> u64 {
        let at = deed.at;
        self.last += 1;
        self.deeds.insert(self.last, deed);
        while let Some((&oldest, first)) = self.deeds.first_key_value()
            && (self.deeds.len() > DEEDS_MAX || first.at + Deed::KEPT <= at)
        {
            self.deeds.remove(&oldest);
        }
        self.last
    }

    fn list(&self, which: &Deeds) -> Vec<(u64, Deed)> {
        let older = self.deeds.range(..which.before.unwrap_or(u64::MAX)).rev();
        let about = older.filter(|(_, deed)| which.subject.as_ref().is_none_or(|subject| deed.subject == *subject));
        about.take(most(which.limit)).map(|(number, deed)| (*number, deed.clone())).collect()
    }
}

impl DeedStore for Memory {
    fn write_deed(&self, deed: Deed) -> Later<'_, u64> {
        Box::pin(async move { self.kept().map(|mut kept| kept.done.add(deed)) })
    }

    fn end_deed(&self, number: u64, subject: String, outcome: String) -> Later<'_, ()> {
        Box::pin(async move {
            if let Some(deed) = self.kept()?.done.deeds.get_mut(&number) {
                (deed.stage, deed.subject, deed.outcome) = (Stage::Done, subject, outcome);
            }
            Ok(())
        })
    }

    fn forget_deed(&self, number: u64) -> Later<'_, ()> {
        Box::pin(async move { self.kept().map(|mut kept| drop(kept.done.deeds.remove(&number))) })
    }

    fn deeds(&self, which: Deeds) -> Later<'_, Vec<(u64, Deed)>> {
        Box::pin(async move { Ok(self.kept()?.done.list(&which)) })
    }
}
