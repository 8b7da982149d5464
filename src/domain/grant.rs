//! Grants: the right of one customer to one file.

use super::file::FileRef;
use super::id::GrantId;
use super::moment::Moment;
use super::policy::Policy;

/// The right of one customer to one file, with the limits it was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// The file.
    pub file: FileRef,
    /// Whom it was made for, in the words of whoever made it; may be empty.
    pub customer: String,
    /// The limits, as they were when it was made.
    pub policy: Policy,
    /// When it was made.
    pub created: Moment,
    /// From this moment on no new download starts; `None` is never.
    pub expires: Option<Moment>,
    /// What a person decided about it.
    pub standing: Standing,
    /// Downloads that are used up.
    pub used: u32,
    /// Downloads that open deliveries hold.
    pub reserved: u32,
    /// Body bytes charged to closed deliveries.
    pub bytes_closed: u64,
}

/// What a person decided about a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be used.
    Active,
    /// It may not be used for now.
    Suspended,
    /// It may never be used again.
    Revoked,
}
