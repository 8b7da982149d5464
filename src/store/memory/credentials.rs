//! Who may enter public directories.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::{Kept, Memory};
use crate::domain::credential::{DirectoryCredential, Holder, State, UserName};
use crate::domain::event::{Event, Kind};
use crate::domain::id::GrantId;
use crate::domain::moment::Moment;
use crate::domain::placed::DirectoryName;
use crate::store::outbox::Tells;
use crate::store::{CredentialStore, Later};

/// Of those that were made, so many of the latest are remembered, whether they have ended or not.
const CREDENTIALS_MAX: usize = 200_000;

#[derive(Debug, Default)]
pub(super) struct Credentials {
    known: HashMap<UserName, DirectoryCredential>,
    made: VecDeque<UserName>,
    of_directory: BTreeMap<DirectoryName, BTreeSet<(Moment, UserName)>>,
    of_grant: BTreeMap<GrantId, BTreeSet<(Moment, UserName)>>,
}

impl Credentials {
    pub(super) fn put(&mut self, new: Vec<DirectoryCredential>, changed: Vec<DirectoryCredential>) -> bool {
        let names: BTreeSet<UserName> = new.iter().map(|credential| credential.user).collect();
        if names.len() < new.len() || names.iter().any(|user| self.known.contains_key(user)) {
            return false;
        }
        for credential in new {
            self.add(credential);
        }
        for DirectoryCredential { user, ends, replaced, .. } in changed {
            if let Some(known) = self.known.get_mut(&user) {
                (known.ends, known.replaced) = (ends, replaced);
            }
        }
        while self.made.len() > CREDENTIALS_MAX
            && let Some(oldest) = self.made.pop_front()
        {
            self.forget(oldest);
        }
        true
    }

    fn add(&mut self, credential: DirectoryCredential) {
        let key = (credential.begins, credential.user);
        self.of_directory.entry(credential.directory.clone()).or_default().insert(key);
        if let Holder::Grant(grant) = credential.holder {
            self.of_grant.entry(grant).or_default().insert(key);
        }
        self.made.push_back(credential.user);
        self.known.insert(credential.user, credential);
    }

    fn forget(&mut self, user: UserName) {
        let Some(DirectoryCredential { directory, holder, begins, .. }) = self.known.remove(&user) else { return };
        if let Some(keys) = self.of_directory.get_mut(&directory) {
            keys.remove(&(begins, user));
        }
        if let Holder::Grant(grant) = holder
            && let Some(keys) = self.of_grant.get_mut(&grant)
        {
            keys.remove(&(begins, user));
        }
    }

    fn valid(&self, keys: Option<&BTreeSet<(Moment, UserName)>>, now: Moment) -> Vec<DirectoryCredential> {
        let known = keys.into_iter().flatten().filter_map(|(_, user)| self.known.get(user));
        known.filter(|credential| credential.state(now) != State::Ended).cloned().collect()
    }

    pub(super) fn of_directory(&self, directory: &DirectoryName, now: Moment) -> Vec<DirectoryCredential> {
        self.valid(self.of_directory.get(directory), now)
    }

    pub(super) fn of_grant(&self, grant: GrantId, now: Moment) -> Vec<DirectoryCredential> {
        self.valid(self.of_grant.get(&grant), now)
    }

    pub(super) fn named(&self, users: &[UserName]) -> Vec<DirectoryCredential> {
        users.iter().filter_map(|user| self.known.get(user)).cloned().collect()
    }
}

impl Kept {
    fn put_credentials(&mut self, new: Vec<DirectoryCredential>, changed: Vec<DirectoryCredential>) -> bool {
        let rotated: Vec<(DirectoryCredential, Moment)> = changed
            .iter()
            .filter_map(|credential| {
                let known = self.credentials.known.get(&credential.user).filter(|known| known.replaced.is_none())?;
                Some((DirectoryCredential { ends: credential.ends, ..known.clone() }, credential.replaced?))
            })
            .collect();
        if !self.credentials.put(new, changed) {
            return false;
        }
        for (credential, at) in rotated {
            self.outbox.tell(Kind::CredentialRotated, || Event::rotated(&credential, at));
        }
        true
    }
}

impl CredentialStore for Memory {
    fn put_credentials(&self, new: Vec<DirectoryCredential>, changed: Vec<DirectoryCredential>) -> Later<'_, bool> {
        Box::pin(async move { Ok(self.kept()?.put_credentials(new, changed)) })
    }

    fn credentials(&self, directory: DirectoryName, now: Moment) -> Later<'_, Vec<DirectoryCredential>> {
        Box::pin(async move { Ok(self.kept()?.credentials.of_directory(&directory, now)) })
    }

    fn credentials_of(&self, grant: GrantId, now: Moment) -> Later<'_, Vec<DirectoryCredential>> {
        Box::pin(async move { Ok(self.kept()?.credentials.of_grant(grant, now)) })
    }

    fn credentials_named(&self, users: Vec<UserName>) -> Later<'_, Vec<DirectoryCredential>> {
        Box::pin(async move { Ok(self.kept()?.credentials.named(&users)) })
    }
}
