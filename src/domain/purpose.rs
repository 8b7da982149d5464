//! What a key is for.

/// `use` of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// New proofs are signed with it, and its proofs are accepted.
    Sign,
    /// Its proofs are accepted.
    Accept,
    /// Its proofs are refused with `key_retired`.
    Retired,
}

impl Purpose {
    /// The word of the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Accept => "accept",
            Self::Retired => "retired",
        }
    }
}
