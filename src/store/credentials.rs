//! Who may enter public directories: what every store promises about it.

use super::Later;
use crate::domain::credential::{DirectoryCredential, UserName};
use crate::domain::id::GrantId;
use crate::domain::moment::Moment;
use crate::domain::placed::DirectoryName;

/// The part of a store that keeps directory credentials. What they are changed to is decided above: the caller holds off
/// others from reading them until they are put.
pub trait CredentialStore {
    /// Remembers new ones, and of others when they end and when they were replaced, in one durable step. `false`, and
    /// nothing is changed, where the user name of a new one was ever used before.
    fn put_credentials(&self, new: Vec<DirectoryCredential>, changed: Vec<DirectoryCredential>) -> Later<'_, bool>;

    /// Those of a directory that have not ended at `now`, the oldest first: all of them.
    fn credentials(&self, directory: DirectoryName, now: Moment) -> Later<'_, Vec<DirectoryCredential>>;

    /// Those of a grant that have not ended at `now`, the oldest first.
    fn credentials_of(&self, grant: GrantId, now: Moment) -> Later<'_, Vec<DirectoryCredential>>;

    /// Those of these names that are known, ended or not.
    fn credentials_named(&self, users: Vec<UserName>) -> Later<'_, Vec<DirectoryCredential>>;
}
