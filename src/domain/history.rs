//! Who did what about a grant, and when.

use super::grant::Amendment;
use super::id::LinkId;
use super::moment::Moment;

/// Who does something, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// In words: a user of the system, a shop, the command that was typed.
    pub name: String,
    /// Now.
    pub at: Moment,
}

/// One line of the history of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who did it, and when.
    pub author: Author,
    /// What was done.
    pub act: Act,
}

/// What was done about a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It was made, with this link.
    Issued(LinkId),
    /// It got another link.
    Linked(LinkId),
    /// A link of it was withdrawn.
    LinkRevoked(LinkId),
    /// It was changed.
    Amended(Amendment),
}

/// When a grant was last used from the beginning again, by its history.
pub fn last_reset(history: &[Entry]) -> Option<Moment> {
    let is_reset = |entry: &&Entry| matches!(entry.act, Act::Amended(Amendment::Reset));
    history.iter().rev().find(is_reset).map(|entry| entry.author.at)
}
