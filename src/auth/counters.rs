//! What is counted about logins.

use prometheus_client::metrics::counter::Counter;

/// Shared counters: each clone counts into the same.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Hashes that were computed, right, wrong, or for names that are unknown.
    pub hashed: Counter,
    /// Logins that were remembered as right, and cost no hash.
    pub remembered: Counter,
    /// Logins that were remembered as wrong, and cost no hash.
    pub repeated: Counter,
    /// Logins that waited for the hash of another request with the same login.
    pub joined: Counter,
    /// Logins that were refused unseen, as there had been too many wrong ones.
    pub locked_out: Counter,
    /// Logins that were refused unseen, as too many hashes waited.
    pub queue_full: Counter,
}
