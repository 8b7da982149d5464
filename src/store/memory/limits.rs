//! How much is kept in memory.

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Grants, each with its link. A grant never makes room for another: it may be a customer's.
    pub grants: usize,
    /// Deliveries. Those that have ended make room, the one that ended first goes first. Offers count as deliveries,
    /// and of one grant at most [`Account::OFFERS_MAX`](crate::domain::account::Account::OFFERS_MAX) stand.
    pub deliveries: usize,
}

impl Default for Limits {
    /// About 1 KiB for a grant and its link and 2 KiB for a delivery of a few requests: some hundred MiB when it is full.
    /// A delivery that has ended takes 10 KiB at most, so all together 1 GiB. One that still runs remembers 512 requests
    /// and what each of 64 clients was sent, and who works at it can make that some MiB: each 16 bytes of it are a
    /// range of their own, which costs a request. A shop that needs more wants what it sold kept on disk.
    fn default() -> Self {
        Self { grants: 100_000, deliveries: 100_000 }
    }
}
