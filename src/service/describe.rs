//! How a grant and a delivery stand, told to who follows a decision.

use super::trace::Trace;
use crate::domain::id::{DeliveryId, GrantId};
use crate::store::Store;

/// So many of a grant's networks are told in one line.
const NETWORKS_TOLD_MAX: usize = 8;

/// Tells how the grant stands; where nobody listens, nothing is read for it.
pub(super) async fn describe(store: &dyn Store, grant: GrantId, trace: &mut Trace) {
    if !trace.is_on() {
        return;
    }
    if let Ok(Some(grant)) = store.grant(grant).await {
        let max = grant.policy.max_downloads.map_or_else(|| "unlimited".to_owned(), |max| max.to_string());
        let ends = grant.expires.map_or_else(|| "never ends".to_owned(), |ends| format!("ends {ends}"));
        trace.held(|| format!("grant {}: used {}, reserved {}, of {max}, {ends}", grant.id, grant.used, grant.reserved));
        if let Some(most) = grant.policy.networks_max {
            let seen: Vec<String> = grant.networks_seen.iter().take(NETWORKS_TOLD_MAX).map(ToString::to_string).collect();
            let more = if grant.networks_seen.len() > seen.len() { ", …" } else { "" };
            let seen = if seen.is_empty() { String::new() } else { format!(": {}{more}", seen.join(", ")) };
            trace.held(|| format!("networks: {} of {most} seen{seen}", grant.networks_seen.len()));
        }
    }
}

pub(super) async fn describe_delivery(store: &dyn Store, grant: GrantId, id: DeliveryId, trace: &mut Trace) {
    if trace.is_on()
        && let Ok(Some(delivery)) = store.delivery(id).await
    {
        trace.held(|| format!("delivery {id} of {grant} is {}", delivery.state.word()));
    }
}
