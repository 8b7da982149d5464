//! Who calls the API, and what was answered.

use std::collections::{BTreeMap, BTreeSet};

use super::Memory;
use crate::domain::api_key::ApiKey;
use crate::domain::id::ApiKeyId;
use crate::domain::moment::Moment;
use crate::domain::repeated::{Begun, CallName, Fingerprint, KEPT, KeptAnswer, NamedCall, Seed};
use crate::store::{API_KEYS_MAX, CallerStore, FORGOTTEN_MAX, KeyAdded, Later};

/// So many calls are remembered here: some 10 MB.
const CALLS_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Callers {
    keys: BTreeMap<(Moment, ApiKeyId), ApiKey>,
    calls: BTreeMap<CallName, Call>,
    begun: BTreeSet<(Moment, CallName)>,
}

#[derive(Debug)]
struct Call {
    print: Fingerprint,
    seed: Seed,
    at: Moment,
    answer: Option<KeptAnswer>,
}

impl Callers {
    fn add(&mut self, key: ApiKey) -> KeyAdded {
        if self.keys.len() >= API_KEYS_MAX {
            return KeyAdded::Full;
        }
        if self.keys.values().any(|other| other.has_name(&key.name, key.created)) {
            return KeyAdded::NameTaken;
        }
        self.keys.insert((key.created, key.id), key);
        KeyAdded::Added
    }

    fn key(&mut self, id: ApiKeyId) -> Option<&mut ApiKey> {
        self.keys.values_mut().find(|key| key.id == id)
    }

    fn revoke(&mut self, id: ApiKeyId, now: Moment) -> Option<ApiKey> {
        let key = self.key(id)?;
        let before = key.clone();
        key.revoked = key.revoked.or(Some(now));
        Some(before)
    }

    fn forget(&mut self, name: &CallName) {
        if let Some(call) = self.calls.remove(name) {
            self.begun.remove(&(call.at, name.clone()));
        }
    }

    fn forget_answers(&mut self) {
        let answered = self.calls.iter().filter(|(_, call)| call.answer.is_some()).map(|(name, _)| name.clone());
        for name in answered.collect::<Vec<_>>() {
            self.forget(&name);
        }
    }

    /// Forgets calls whose time is over; tells how many.
    fn forget_old(&mut self, now: Moment) -> usize {
        let over = self.begun.iter().take_while(|(begun, _)| *begun + KEPT <= now).take(FORGOTTEN_MAX);
        let over: Vec<CallName> = over.map(|(_, name)| name.clone()).collect();
        for name in &over {
            self.forget(name);
        }
        over.len()
    }

    fn begin(&mut self, new: NamedCall) -> Begun {
        let NamedCall { name, print, seed, at } = new;
        if self.calls.get(&name).is_some_and(|known| known.at + KEPT <= at) {
            self.forget(&name);
        }
        if self.calls.len() >= CALLS_MAX {
            self.forget_old(at);
        }
        if let Some(known) = self.calls.get(&name) {
            return match &known.answer {
                _ if known.print != print => Begun::Other,
                Some(answer) => Begun::Answered(answer.clone()),
                None => Begun::Open(known.seed),
            };
        }
        if self.calls.len() >= CALLS_MAX {
            return Begun::Full;
        }
        self.begun.insert((at, name.clone()));
        self.calls.insert(name, Call { print, seed, at, answer: None });
        Begun::Open(seed)
    }
}

impl CallerStore for Memory {
    fn add_api_key(&self, key: ApiKey) -> Later<'_, KeyAdded> {
        Box::pin(async move { Ok(self.kept()?.callers.add(key)) })
    }

    fn api_keys(&self) -> Later<'_, Vec<ApiKey>> {
        Box::pin(async move { Ok(self.kept()?.callers.keys.values().rev().cloned().collect()) })
    }

    fn revoke_api_key(&self, id: ApiKeyId, now: Moment) -> Later<'_, Option<ApiKey>> {
        Box::pin(async move { Ok(self.kept()?.callers.revoke(id, now)) })
    }

    fn use_api_key(&self, id: ApiKeyId, day: Moment) -> Later<'_, ()> {
        Box::pin(async move {
            if let Some(key) = self.kept()?.callers.key(id) {
                key.used = Some(day);
            }
            Ok(())
        })
    }

    fn begin_call(&self, call: NamedCall) -> Later<'_, Begun> {
        Box::pin(async move { Ok(self.kept()?.callers.begin(call)) })
    }

    fn end_call(&self, name: CallName, answer: KeptAnswer) -> Later<'_, ()> {
        Box::pin(async move {
            if let Some(call) = self.kept()?.callers.calls.get_mut(&name) {
                call.answer = Some(answer);
            }
            Ok(())
        })
    }

    fn forget_answers(&self) -> Later<'_, ()> {
        Box::pin(async move { self.kept().map(|mut kept| kept.callers.forget_answers()) })
    }

    fn forget_old_calls(&self, now: Moment) -> Later<'_, usize> {
        Box::pin(async move { self.kept().map(|mut kept| kept.callers.forget_old(now)) })
    }

    fn forget_call(&self, name: CallName) -> Later<'_, ()> {
        Box::pin(async move { self.kept().map(|mut kept| kept.callers.forget(&name)) })
    }
}
