//! Directory credentials.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::credential::{DirectoryCredential, Holder};
use crate::domain::moment::Moment;
use crate::service::credential::Rotated;

/// A user name of a public directory.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CredentialView {
    /// `k7m2-9xqt`.
    pub user: String,
    /// The directory that it opens.
    pub directory: String,
    /// current, retiring (another one took its place, and it still opens) or ended.
    pub state: String,
    /// The grant that it is for, `g-…`; `null` where it is shared by the directory's customers.
    pub grant: Option<String>,
    /// When it was made.
    pub begins: String,
    /// From when on it opens nothing; `null` is never.
    pub ends: Option<String>,
    /// When another one took its place.
    pub replaced: Option<String>,
    /// The id of the key that its password follows from.
    pub key: String,
    /// Who made it, and with what.
    pub author: String,
}

impl CredentialView {
    pub(in crate::api) fn of(credential: &DirectoryCredential, now: Moment) -> Self {
        let DirectoryCredential { user, directory, holder, begins, ends, replaced, kid, hash: _, author } = credential;
        Self {
            user: user.to_string(),
            directory: directory.to_string(),
            state: credential.state(now).word().to_owned(),
            grant: match holder {
                Holder::Grant(grant) => Some(grant.to_string()),
                Holder::Everybody => None,
            },
            begins: begins.to_string(),
            ends: ends.map(|ends| ends.to_string()),
            replaced: replaced.map(|replaced| replaced.to_string()),
            key: kid.clone(),
            author: author.clone(),
        }
    }
}

/// A user name with its password, which is answered and not printed.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CredentialPage {
    /// The user name.
    #[serde(flatten)]
    pub credential: CredentialView,
    /// The URL of the directory.
    pub url: Option<String>,
    /// The password: whoever has it may enter. `null` where it opens nothing.
    pub password: Option<String>,
    /// Why there is no password.
    pub why: Option<String>,
}

impl fmt::Debug for CredentialPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { credential, url, password: _, why } = self;
        f.debug_struct("CredentialPage").field("credential", credential).field("url", url).field("why", why).finish_non_exhaustive()
    }
}

/// What became of a rotation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RotatedView {
    /// The directory.
    pub directory: String,
    /// How many user names have another one in their place.
    pub replaced: usize,
    /// How many were made.
    pub made: usize,
    /// Until when those that were replaced still open, at the longest.
    pub until: String,
}

impl RotatedView {
    pub(in crate::api) fn of(directory: &str, rotated: &Rotated) -> Self {
        let Rotated { replaced, made, until } = rotated;
        Self { directory: directory.to_owned(), replaced: *replaced, made: *made, until: until.to_string() }
    }
}
