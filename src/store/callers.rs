//! Who calls the API, and what was answered: what every store promises about it.

use super::Later;
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
    /// A key that was neither revoked nor over when it was made has its name.
    NameTaken,
    /// There are [`API_KEYS_MAX`].
    Full,
}

/// The part of a store that keeps the keys of the API, and the answers to calls that may be repeated.
pub trait CallerStore: Send + Sync {
    /// Remembers a new key.
    fn add_api_key(&self, key: ApiKey) -> Later<'_, KeyAdded>;

    /// All keys, the newest first, those that were revoked included.
    fn api_keys(&self) -> Later<'_, Vec<ApiKey>>;

    /// Revokes a key, and gives it as it was before; `None` when it is not known. What was revoked before stays as it was.
    fn revoke_api_key(&self, id: ApiKeyId, now: Moment) -> Later<'_, Option<ApiKey>>;

    /// Remembers the day on which a key was last used.
    fn use_api_key(&self, id: ApiKeyId, day: Moment) -> Later<'_, ()>;

    /// Begins a call, in the place of one of its name whose time is over.
    fn begin_call(&self, call: NamedCall) -> Later<'_, Begun>;

    /// Remembers the answer to a call that was begun; one that is not known stays so.
    fn end_call(&self, name: CallName, answer: KeptAnswer) -> Later<'_, ()>;

    /// Forgets a call that made nothing.
    fn forget_call(&self, name: CallName) -> Later<'_, ()>;

    /// Forgets calls whose time is over at `now`, the oldest first, at most [`FORGOTTEN_MAX`](super::FORGOTTEN_MAX); tells how
    /// many.
    fn forget_old_calls(&self, now: Moment) -> Later<'_, usize>;

    /// Forgets the calls that were answered. What runs goes on.
    fn forget_answers(&self) -> Later<'_, ()>;
}
