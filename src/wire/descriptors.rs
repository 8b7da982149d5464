//! As many open files as the connections need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::listener::Bound;
use crate::config::Serve;
use crate::dialect::Dialect;

/// Logs, sockets that listen, storages, event loops, and some to spare.
const BESIDE: u64 = 128;

/// Fewer open files are allowed than all connections at once would need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// How many are allowed.
    pub allowed: u64,
    /// How many would be needed.
    pub needed: u64,
}

/// How many open files all of these listeners need when every place is taken.
pub fn needed<'a>(listeners: impl IntoIterator<Item = &'a Bound>) -> u64 {
    let of = |bound: &Bound| {
        // A client that is served directly holds its file open, too.
        let each = if bound.serve == Serve::Web(Dialect::Standalone) { 2 } else { 1 };
        u64::try_from(bound.connections_max).unwrap_or(u64::MAX).saturating_mul(each)
    };
    listeners.into_iter().map(of).fold(BESIDE, u64::saturating_add)
}

/// Raises the soft limit of this process to `needed`, as far as the hard one lets it. Most systems start a service with
/// 1024, which is less than the connections that are allowed by default.
pub fn allow(needed: u64) -> Result<(), Shortage> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let allowed = current.unwrap_or(u64::MAX);
    let reachable = needed.min(maximum.unwrap_or(u64::MAX));
    if allowed >= needed {
        return Ok(());
    }
    let raised = reachable > allowed && setrlimit(Resource::Nofile, Rlimit { current: Some(reachable), maximum }).is_ok();
    let allowed = if raised { reachable } else { allowed };
    if allowed >= needed { Ok(()) } else { Err(Shortage { allowed, needed }) }
}
