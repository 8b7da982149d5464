//! Who calls the API, and what was answered: rows of keys and of calls.

use rusqlite::{Connection, Row, params};

use super::Sqlite;
use super::fault::Fault;
use super::rows;
use super::schema::callers as schema;
use super::working::Working;
use crate::domain::api_key::{ApiKey, KeyName, NotAScope};
use crate::domain::id::ApiKeyId;
use crate::domain::moment::Moment;
use crate::domain::order::ShopName;
use crate::domain::repeated::{Begun, CALLS_MAX, CallName, Fingerprint, KEPT, KeptAnswer, NamedCall, Seed};
use crate::store::record::{Unreadable, Written};
use crate::store::{API_KEYS_MAX, CallerStore, FORGOTTEN_MAX, KeyAdded, Later};

/// Reads a row that a statement selected by its columns.
pub(super) fn api_key(row: &Row<'_>) -> Result<ApiKey, Fault> {
    let moment = |at: usize| -> Result<Option<Moment>, Fault> {
        let millis: Option<i64> = row.get(at)?;
        Ok(millis.map(|millis| Moment::from_millis(millis.cast_unsigned())))
    };
    let networks: String = row.get(10)?;
    let parts = networks.split(',').filter(|network| !network.is_empty());
    let (name, scopes, shop): (String, String, Option<String>) = (row.get(1)?, row.get(3)?, row.get(4)?);
    Ok(ApiKey {
        id: Written::read(&row.get::<_, String>(0)?, "id")?,
        name: KeyName::parse(&name).ok_or_else(|| Unreadable::new("name", &name))?,
        digest: Written::read(&row.get::<_, String>(2)?, "digest")?,
        scopes: scopes.parse().map_err(|_: NotAScope| Unreadable::new("scopes", &scopes))?,
        shop: shop.map(|shop| ShopName::parse(&shop).ok_or_else(|| Unreadable::new("shop", &shop))).transpose()?,
        created: moment(5)?.unwrap_or(Moment::EPOCH),
        author: row.get(6)?,
        used: moment(7)?,
        revoked: moment(8)?,
        expires: moment(9)?,
        networks: parts.map(|network| Written::read(network, "networks")).collect::<Result<_, _>>()?,
    })
}

/// All keys, the newest first.
pub(super) fn all(database: &Connection) -> Result<Vec<ApiKey>, Fault> {
    rows::all(database, schema::API_KEYS, [], api_key)
}

pub(super) fn one(database: &Connection, id: &str) -> Result<Option<ApiKey>, Fault> {
    rows::one(database, schema::API_KEY, [id], api_key)
}

/// Writes a new row.
pub(super) fn add(database: &Connection, key: &ApiKey) -> Result<(), Fault> {
    let ApiKey { id, name, digest, scopes, shop, created, author, used, revoked, expires, networks } = key;
    database.prepare_cached(schema::ADD_API_KEY)?.execute(params![
        id.written(),
        name.as_str(),
        digest.written(),
        scopes.to_string(),
        shop.as_ref().map(ShopName::as_str),
        rows::millis(*created),
        author,
        used.map(rows::millis),
        revoked.map(rows::millis),
        expires.map(rows::millis),
        networks.iter().map(Written::written).collect::<Vec<_>>().join(","),
    ])?;
    Ok(())
}

/// What stands in a row of a call.
struct CallRow {
    print: Fingerprint,
    seed: Seed,
    answer: Option<KeptAnswer>,
}

fn call(row: &Row<'_>) -> Result<CallRow, Fault> {
    let (status, kid, sealed): (Option<u16>, Option<String>, Option<Vec<u8>>) = (row.get(2)?, row.get(3)?, row.get(4)?);
    let answer = status.zip(kid).zip(sealed).map(|((status, kid), sealed)| KeptAnswer { status, kid, sealed });
    Ok(CallRow { print: Fingerprint(row.get(0)?), seed: Seed(row.get(1)?), answer })
}

/// What began at this moment or before it is forgotten at `now`.
fn long_ago(now: Moment) -> i64 {
    rows::millis(Moment::EPOCH + now.since(Moment::EPOCH + KEPT))
}

impl Working {
    fn add_api_key(&mut self, key: &ApiKey) -> Result<KeyAdded, Fault> {
        let known = all(&self.database)?;
        if known.len() >= API_KEYS_MAX {
            return Ok(KeyAdded::Full);
        }
        if known.iter().any(|other| other.has_name(&key.name, key.created)) {
            return Ok(KeyAdded::NameTaken);
        }
        add(&self.database, key)?;
        Ok(KeyAdded::Added)
    }

    fn revoke_api_key(&mut self, id: ApiKeyId, now: Moment) -> Result<Option<ApiKey>, Fault> {
        let known = one(&self.database, &id.written())?;
        if known.is_some() {
            self.database.prepare_cached(schema::REVOKE_API_KEY)?.execute(params![id.written(), rows::millis(now)])?;
        }
        Ok(known)
    }

    fn begin_call(&mut self, new: &NamedCall) -> Result<Begun, Fault> {
        let NamedCall { name: CallName { caller, key }, print, seed, at } = new;
        let over = self.database.prepare_cached(schema::FORGET_OLD_CALL)?.execute(params![caller, key, long_ago(*at)])?;
        self.calls_are_gone(over);
        if let Some(CallRow { print: known, seed, answer }) = rows::one(&self.database, schema::CALL, [caller, key], call)? {
            return Ok(match answer {
                _ if known != *print => Begun::Other,
                Some(answer) => Begun::Answered(answer),
                None => Begun::Open(seed),
            });
        }
        let mut count = self.calls_count()?;
        if count >= CALLS_MAX {
            self.forget_old_calls(*at)?;
            count = self.calls_count()?;
        }
        if count >= CALLS_MAX {
            return Ok(Begun::Full);
        }
        self.database.prepare_cached(schema::ADD_CALL)?.execute(params![caller, key, print.0, seed.0, rows::millis(*at)])?;
        self.calls = Some(count + 1);
        Ok(Begun::Open(*seed))
    }

    /// How many calls are remembered: counted once.
    fn calls_count(&mut self) -> Result<u64, Fault> {
        let count = match self.calls {
            Some(count) => count,
            None => rows::value::<i64>(&self.database, schema::CALLS_COUNT, [])?.unwrap_or_default().cast_unsigned(),
        };
        self.calls = Some(count);
        Ok(count)
    }

    /// So many calls were taken out.
    fn calls_are_gone(&mut self, gone: usize) {
        self.calls = self.calls.map(|count| count.saturating_sub(gone as u64));
    }

    fn forget_old_calls(&mut self, now: Moment) -> Result<usize, Fault> {
        let most = rows::stored(FORGOTTEN_MAX as u64);
        let gone = self.database.prepare_cached(schema::FORGET_CALLS)?.execute(params![long_ago(now), most])?;
        self.calls_are_gone(gone);
        Ok(gone)
    }
}

impl CallerStore for Sqlite {
    fn add_api_key(&self, key: ApiKey) -> Later<'_, KeyAdded> {
        Box::pin(self.decide(move |working| working.add_api_key(&key)))
    }

    fn api_keys(&self) -> Later<'_, Vec<ApiKey>> {
        Box::pin(self.read(all))
    }

    fn revoke_api_key(&self, id: ApiKeyId, now: Moment) -> Later<'_, Option<ApiKey>> {
        Box::pin(self.decide(move |working| working.revoke_api_key(id, now)))
    }

    fn use_api_key(&self, id: ApiKeyId, day: Moment) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| {
            working.database.prepare_cached(schema::USE_API_KEY)?.execute(params![id.written(), rows::millis(day)])?;
            Ok(())
        }))
    }

    fn begin_call(&self, call: NamedCall) -> Later<'_, Begun> {
        Box::pin(self.decide(move |working| working.begin_call(&call)))
    }

    fn end_call(&self, name: CallName, answer: KeptAnswer) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| {
            let (CallName { caller, key }, KeptAnswer { status, kid, sealed }) = (name, answer);
            working.database.prepare_cached(schema::END_CALL)?.execute(params![caller, key, status, kid, sealed])?;
            Ok(())
        }))
    }

    fn forget_answers(&self) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| {
            let gone = working.database.prepare_cached(schema::FORGET_ANSWERS)?.execute([])?;
            working.calls_are_gone(gone);
            Ok(())
        }))
    }

    fn forget_old_calls(&self, now: Moment) -> Later<'_, usize> {
        Box::pin(self.decide(move |working| working.forget_old_calls(now)))
    }

    fn forget_call(&self, name: CallName) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| {
            let gone = working.database.prepare_cached(schema::FORGET_CALL)?.execute([name.caller, name.key])?;
            working.calls_are_gone(gone);
            Ok(())
        }))
    }
}
