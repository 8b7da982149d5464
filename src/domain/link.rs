//! Links: stored, revocable URLs of a grant.

use super::id::{GrantId, LinkId};
use super::moment::Moment;
use super::refusal::Refusal;

/// A URL of a grant, with a lifetime of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its id, which its token carries.
    pub id: LinkId,
    /// The grant that it opens.
    pub grant: GrantId,
    /// When it was made.
    pub created: Moment,
    /// From this moment on no click is answered.
    pub expires: Moment,
    /// Whether a person withdrew it.
    pub revoked: bool,
}

impl Link {
    /// Refuses a click on a link that was withdrawn or whose time is over.
    pub fn check(&self, now: Moment) -> Result<(), Refusal> {
        if self.revoked {
            return Err(Refusal::Revoked);
        }
        if now >= self.expires { Err(Refusal::LinkExpired) } else { Ok(()) }
    }
}
