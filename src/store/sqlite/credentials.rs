//! Who may enter public directories: rows of credentials.

use std::collections::HashSet;

use rusqlite::{Connection, Row, params};

use super::Sqlite;
use super::fault::Fault;
use super::rows;
use super::schema;
use super::upkeep::PAGE;
use super::working::Working;
use crate::domain::credential::{DirectoryCredential, Holder, UserName};
use crate::domain::event::{Event, Kind};
use crate::domain::id::GrantId;
use crate::domain::moment::Moment;
use crate::domain::placed::DirectoryName;
use crate::store::outbox::Tells;
use crate::store::record::{Unreadable, Written};
use crate::store::{CredentialStore, Later};

/// Reads a row that a statement selected by its columns.
pub(super) fn credential(row: &Row<'_>) -> Result<DirectoryCredential, Fault> {
    let moment = |at: usize| -> Result<Option<Moment>, Fault> {
        let millis: Option<i64> = row.get(at)?;
        Ok(millis.map(|millis| Moment::from_millis(millis.cast_unsigned())))
    };
    let (directory, grant): (String, Option<String>) = (row.get(1)?, row.get(2)?);
    let holder = grant.map(|grant| Written::read(&grant, "grant")).transpose()?.map_or(Holder::Everybody, Holder::Grant);
    Ok(DirectoryCredential {
        user: Written::read(&row.get::<_, String>(0)?, "user")?,
        directory: DirectoryName::parse(&directory).ok_or_else(|| Unreadable::new("directory", &directory))?,
        holder,
        begins: moment(3)?.unwrap_or(Moment::EPOCH),
        ends: moment(4)?,
        replaced: moment(5)?,
        kid: row.get(6)?,
        hash: row.get(7)?,
        author: row.get(8)?,
    })
}

pub(super) fn of_directory(database: &Connection, directory: &DirectoryName, now: Moment) -> Result<Vec<DirectoryCredential>, Fault> {
    rows::all(database, schema::CREDENTIALS_OF_DIRECTORY, params![directory.as_str(), rows::millis(now)], credential)
}

pub(super) fn of_grant(database: &Connection, grant: GrantId, now: Moment) -> Result<Vec<DirectoryCredential>, Fault> {
    rows::all(database, schema::CREDENTIALS_OF_GRANT, params![grant.written(), rows::millis(now)], credential)
}

pub(super) fn named(database: &Connection, users: &[UserName]) -> Result<Vec<DirectoryCredential>, Fault> {
    let mut found = Vec::new();
    for user in users {
        found.extend(rows::one(database, schema::CREDENTIAL, [user.written()], credential)?);
    }
    Ok(found)
}

/// Everybody who may or might enter a public directory, by name.
pub(super) fn each(database: &Connection, told: &mut dyn FnMut(&DirectoryCredential) -> Result<(), Fault>) -> Result<(), Fault> {
    let page = |after: &String| rows::all(database, schema::CREDENTIALS_FROM, params![after, PAGE], credential);
    rows::each(String::new(), page, |credential| credential.user.written(), told)
}

/// Whether the grant that it is for is there.
pub(super) fn belongs(database: &Connection, credential: &DirectoryCredential) -> Result<bool, Fault> {
    match credential.holder {
        Holder::Grant(grant) => Ok(rows::value::<bool>(database, schema::IS_GRANT, [grant.written()])?.unwrap_or(false)),
        Holder::Everybody => Ok(true),
    }
}

/// Writes a new row.
pub(super) fn add(database: &Connection, credential: &DirectoryCredential) -> Result<(), Fault> {
    let DirectoryCredential { user, directory, holder, begins, ends, replaced, kid, hash, author } = credential;
    let grant = match holder {
        Holder::Grant(grant) => Some(grant.written()),
        Holder::Everybody => None,
    };
    database.prepare_cached(schema::ADD_CREDENTIAL)?.execute(params![
        user.written(),
        directory.as_str(),
        grant,
        rows::millis(*begins),
        ends.map(rows::millis),
        replaced.map(rows::millis),
        kid,
        hash,
        author,
    ])?;
    Ok(())
}

impl Working {
    pub(super) fn put_credentials(&mut self, new: &[DirectoryCredential], changed: &[DirectoryCredential]) -> Result<bool, Fault> {
        let names: Vec<UserName> = new.iter().map(|credential| credential.user).collect();
        let is_each_new = names.iter().collect::<HashSet<_>>().len() == names.len();
        if !is_each_new || !named(&self.database, &names)?.is_empty() {
            return Ok(false);
        }
        for credential in new {
            add(&self.database, credential)?;
        }
        for DirectoryCredential { user, ends, replaced, .. } in changed {
            self.tell_rotated(*user, *ends, *replaced)?;
            let moments = params![user.written(), ends.map(rows::millis), replaced.map(rows::millis)];
            self.database.prepare_cached(schema::CHANGE_CREDENTIAL)?.execute(moments)?;
        }
        Ok(true)
    }
}

impl Working {
    /// Tells that `user` was replaced, where that is news.
    fn tell_rotated(&mut self, user: UserName, ends: Option<Moment>, replaced: Option<Moment>) -> Result<(), Fault> {
        let Some(at) = replaced.filter(|_| self.outbox.wanted().wants(Kind::CredentialRotated)) else { return Ok(()) };
        for known in named(&self.database, &[user])? {
            if known.replaced.is_none() {
                let known = DirectoryCredential { ends, ..known };
                self.outbox.tell(Kind::CredentialRotated, || Event::rotated(&known, at));
            }
        }
        Ok(())
    }
}

impl CredentialStore for Sqlite {
    fn put_credentials(&self, new: Vec<DirectoryCredential>, changed: Vec<DirectoryCredential>) -> Later<'_, bool> {
        Box::pin(self.decide(move |working| working.put_credentials(&new, &changed)))
    }

    fn credentials(&self, directory: DirectoryName, now: Moment) -> Later<'_, Vec<DirectoryCredential>> {
        Box::pin(self.read(move |database| of_directory(database, &directory, now)))
    }

    fn credentials_of(&self, grant: GrantId, now: Moment) -> Later<'_, Vec<DirectoryCredential>> {
        Box::pin(self.read(move |database| of_grant(database, grant, now)))
    }

    fn credentials_named(&self, users: Vec<UserName>) -> Later<'_, Vec<DirectoryCredential>> {
        Box::pin(self.read(move |database| named(database, &users)))
    }
}
