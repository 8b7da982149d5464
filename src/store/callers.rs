//! Who calls the API, and what was answered: what every store promises about it.

use super::{Down, Later};
use crate::domain::api_key::ApiKey;
use crate::domain::id::ApiKeyId;
use crate::domain::moment::Moment;
use crate::domain::repeated::{Begun, CallName, KeptAnswer, NamedCall};

/// So many keys are kept, those that were revoked included: each call looks at all of them.
pub const API_KEYS_MAX: usize = 1000;

/// What became of a new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAdded {
    /// It is kept.
    Added,
    /// A key that was not revoked has its name.
    NameTaken,
    /// There are [`API_KEYS_MAX`].
    Full,
}

/// The part of a store that keeps the keys of the API, and the answers to calls that may be repeated. What keeps none of
/// them does not answer.
pub trait CallerStore {
    /// Remembers a new key.
    fn add_api_key(&self, _: ApiKey) -> Later<'_, KeyAdded> {
        unanswered()
    }

    /// All keys, the newest first, those that were revoked included.
    fn api_keys(&self) -> Later<'_, Vec<ApiKey>> {
        unanswered()
    }

    /// Revokes a key, and gives it as it was before; `None` when it is not known. What was revoked before stays as it was.
    fn revoke_api_key(&self, _: ApiKeyId, _: Moment) -> Later<'_, Option<ApiKey>> {
        unanswered()
    }

    /// Remembers the day on which a key was last used.
    fn use_api_key(&self, _: ApiKeyId, _: Moment) -> Later<'_, ()> {
        unanswered()
    }

    /// Begins a call, and forgets those whose time is over.
    fn begin_call(&self, _: NamedCall) -> Later<'_, Begun> {
        unanswered()
    }

    /// Remembers the answer to a call that was begun; one that is not known stays so.
    fn end_call(&self, _: CallName, _: KeptAnswer) -> Later<'_, ()> {
        unanswered()
    }

    /// Forgets a call that made nothing.
    fn forget_call(&self, _: CallName) -> Later<'_, ()> {
        unanswered()
    }
}

fn unanswered<T: Send + 'static>() -> Later<'static, T> {
    Box::pin(async { Err(Down::Unreachable) })
}
